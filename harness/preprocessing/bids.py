"""A BIDS folder: which recordings it has, and what was heard in each.

``sub-*/[ses-*/]eeg/*_eeg.<suffix>[.gz]`` are recordings; ``*_events.tsv`` says which stimulus was heard when,
``*_channels.tsv`` which channels are EEG and which of them are bad. Both are looked for beside the recording,
and then as BIDS inherits them. Stimuli are below ``stimuli/``. Links to folders are followed, hidden files
are passed over.
"""

from __future__ import annotations

import json
import math
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from harness.corpus.base import natural_key
from harness.corpus.tables import (
    STIMULI,
    Row,
    almost_column,
    below_stimuli,
    read_table,
    same_column,
    text_of,
)
from harness.errors import CorpusError, Fault, raise_all, shorten, show
from harness.files import read_regular
from harness.preprocessing.read import SUFFIXES, Listed, ListedChannel

AUDIO_SUFFIXES: Final = (".npz", ".wav", ".flac", ".ogg", ".mp3", ".aiff", ".aif")
_MOST_JSON_BYTES: Final = 1 << 20
_MOST_SECONDS: Final = 1e7
# Stands between the stimulus and the feature in names of the output.
SEPARATOR: Final = "_-_"
STIM_FILE: Final = "stim_file"
_OTHER_COLUMNS: Final = ("onset", "duration", "trigger_file")
# A recording's name in any case; only small letters are read.
_RECORDING: Final = rf".*_eeg({'|'.join(re.escape(suffix) for suffix in SUFFIXES)})(\.gz)?"
_ENTITY: Final = re.compile(r"(sub|ses|task|run|split)-([A-Za-z0-9]+)")


@dataclass(frozen=True)
class RawRecording:
    """A raw recording's file.

    Attributes:
        path: the file.
        subject: as in ``sub-003``.
        session: as in ``ses-varyingStories01``; empty where BIDS has none.
        task: as in ``task-listeningActive``; empty where there is none.
        run: as in ``run-08``; empty where there is none.
    """

    path: Path
    subject: str
    session: str
    task: str
    run: str

    @property
    def name(self) -> str:
        """The file's name without ``_eeg`` and suffixes."""
        return self.path.name.split("_eeg.")[0]

    def output(self, stimulus: str) -> str:
        """Where the EEG for one stimulus goes, relative to the folder of all preprocessed EEG.

        The layout's names have a session and a run: 01 where BIDS has none.
        """
        session, run = self.session or "ses-01", self.run or "run-01"
        parts = (self.subject, session, *([self.task] if self.task else []), run)
        name = f"{'_'.join(parts)}_desc-preproc-audio-{stimulus}_eeg.npy"
        return f"{self.subject}/{session}/{name}"


@dataclass(frozen=True)
class Event:
    """A stimulus that was heard in a recording.

    Attributes:
        stimulus: its name, the audio file's without suffixes.
        audio: the audio file, as it is there; None where it is not.
        track: the trigger track played beside it; None where there is none.
        onset_seconds: from the start of the recording; None where it is not known.
        duration_seconds: None where it is not known.
    """

    stimulus: str
    audio: Path | None
    track: Path | None
    onset_seconds: float | None
    duration_seconds: float | None


def find_recordings(root: Path) -> tuple[list[RawRecording], list[str]]:
    """Recordings of a BIDS folder in natural order, and remarks on files that were passed over.

    Raises:
        CorpusError: no folder, or no recording in it.
    """
    if not root.is_dir():
        raise CorpusError(Fault(str(root), "no such folder", "the root of a BIDS data set"))
    found: dict[tuple[Path, str], RawRecording] = {}
    named: dict[str, Path] = {}
    files, remarks = _files_of_subjects(root)
    for path in files:
        plain = path.with_suffix("") if path.suffix == ".gz" else path
        if plain.suffix not in SUFFIXES:
            if re.fullmatch(_RECORDING, path.name, re.IGNORECASE):
                remarks.append(f"{path.relative_to(root)}: left out, its name does not end in small letters")
            continue
        entities = {key: f"{key}-{value}" for key, value in _ENTITY.findall(plain.name)}
        if not plain.stem.endswith("_eeg") or "sub" not in entities:
            if plain.suffix != ".set" or path.parent.name == "eeg":
                remarks.append(
                    f"{path.relative_to(root)}: not named as BIDS names EEG (sub-..._eeg{plain.suffix})"
                )
            continue
        if entities.get("split", "split-01") not in ("split-01", "split-1"):
            continue  # mne reads the parts of a FIF file from the first
        key = (path.parent, plain.stem)
        if key in found:
            remarks.append(
                f"{path.relative_to(root)}: left out, {found[key].path.name} is the same recording"
            )
            continue
        recording = RawRecording(
            path, entities["sub"], *(entities.get(one, "") for one in ("ses", "task", "run"))
        )
        odd = _odd_place(path.relative_to(root), entities["sub"], named.get(recording.name))
        if odd:
            remarks.append(f"{path.relative_to(root)}: left out, {odd}")
            continue
        named[recording.name] = path.relative_to(root)
        found[key] = recording
    if not found:
        raise CorpusError(
            Fault(
                str(root),
                "no raw recording",
                f"sub-*/[ses-*/]eeg/*_eeg with one of {', '.join(SUFFIXES)}, gzipped or not",
                remarks[0] if remarks else "Give the root of the BIDS data set.",
            )
        )
    return sorted(found.values(), key=lambda recording: natural_key(str(recording.path))), remarks


def check_there(recording: RawRecording) -> None:
    """Refuse a recording that is no file: a link to nothing, a folder, a pipe.

    Raises:
        CorpusError: it is none.
    """
    if recording.path.is_file():
        return
    if recording.path.is_symlink() and not recording.path.exists():
        raise CorpusError(
            Fault(
                recording.path.name,
                "a link to a file that is not there",
                "the recording",
                "Fetch it first; where git-annex or DataLad keeps the data set, `datalad get` does.",
            )
        )
    raise CorpusError(Fault(recording.path.name, "not a regular file", "a recording"))


def read_events(root: Path, recording: RawRecording) -> list[Event]:
    """What was heard in a recording, in the order of events.tsv; empty where nothing was.

    Raises:
        CorpusError: no events.tsv, or everything that is wrong with it.
    """
    path = sidecar(root, recording, "events")
    if path is None:
        raise CorpusError(
            Fault(
                recording.path.name,
                "no events.tsv",
                f"{recording.name}_events.tsv with a column stim_file",
                "A recording without a stimulus needs one as well, with stim_file n/a.",
            )
        )
    events: list[Event] = []
    faults: list[Fault] = []
    columns, rows = read_table(path)
    if STIM_FILE not in columns:
        near = almost_column(columns, STIM_FILE)
        if near is not None:
            raise CorpusError(Fault(path.name, f"a column {near!r}", f"{STIM_FILE!r}", "Rename it."))
        return []
    for column in _OTHER_COLUMNS:
        other = same_column(columns, column)
        if other is not None:
            faults.append(Fault(path.name, f"a column {other!r}", f"{column!r}", "Rename it."))
    for number, row in rows:
        file = below_stimuli(text_of(row, STIM_FILE))
        if not file:
            continue
        try:
            events.append(_event(root, row, file, f"{path.name}: line {number}"))
        except CorpusError as error:
            faults += error.faults
    names = [event.stimulus for event in events]
    for name in dict.fromkeys(name for name in names if names.count(name) > 1):
        faults.append(
            Fault(path.name, f"the stimulus {name} {names.count(name)} times", "each once in a recording")
        )
    raise_all(CorpusError, faults)
    return events


def nothing_heard(root: Path, recording: RawRecording) -> str:
    """Why `read_events` gave nothing, in words."""
    path = sidecar(root, recording, "events")
    columns = read_table(path)[0] if path is not None else []
    if STIM_FILE in columns:
        return "events.tsv names no stimulus."
    return f"events.tsv has no column {STIM_FILE}, but {shorten(columns, 8)}."


def read_channels(root: Path, recording: RawRecording) -> Listed | None:
    """What channels.tsv says of each channel; None where there is none.

    Raises:
        CorpusError: it cannot be read, or has no column name.
    """
    path = sidecar(root, recording, "channels")
    if path is None:
        return None
    columns, rows = read_table(path)
    if "name" not in columns:
        raise CorpusError(Fault(path.name, f"columns {shorten(columns, 8)}", "a column 'name'"))
    return {
        name: ListedChannel(
            text_of(row, "type"), text_of(row, "status").lower() != "bad", text_of(row, "units")
        )
        for _, row in rows
        if (name := row.get("name", "").strip())
    }


def listed_seconds(recording: RawRecording) -> float | None:
    """How long a recording is by the ``RecordingDuration`` of the ``_eeg.json`` beside it; None if unsaid."""
    try:
        document = json.loads(read_regular(json_beside(recording), _MOST_JSON_BYTES))
    except (OSError, ValueError, RecursionError):
        return None
    said = document.get("RecordingDuration") if isinstance(document, dict) else None
    if not isinstance(said, int | float) or isinstance(said, bool):
        return None
    return float(said) if 0 < said < _MOST_SECONDS else None


def json_beside(recording: RawRecording) -> Path:
    """Where BIDS has what is said of a recording."""
    return recording.path.with_name(f"{recording.name}_eeg.json")


def sidecar(root: Path, recording: RawRecording, suffix: str) -> Path | None:
    """The ``.tsv`` that belongs to a recording, by BIDS' inheritance; None where there is none."""
    beside = recording.path.with_name(f"{recording.name}_{suffix}.tsv")
    if beside.is_file():
        return beside
    from mne_bids import BIDSPath

    values = {
        key: (value.partition("-")[2] or None) for key, value in vars(recording).items() if key != "path"
    }
    name = BIDSPath(root=root, datatype="eeg", suffix="eeg", check=False, **values)
    found = name.find_matching_sidecar(suffix=suffix, extension=".tsv", on_error="ignore")
    return None if found is None else Path(found)


def stimulus_name(file: str) -> str:
    """The name of a stimulus: its file's name without suffixes of audio and compression."""
    name = Path(file).name
    if name.casefold().endswith(".gz"):
        name = name[: -len(".gz")]
    lower = name.casefold()
    return next((name[: -len(suffix)] for suffix in AUDIO_SUFFIXES if lower.endswith(suffix)), name)


def _odd_place(path: Path, subject: str, namesake: Path | None) -> str:
    """What is odd about where a recording lies; empty where nothing is."""
    if namesake is not None:
        return f"{namesake} has the same name"
    return "" if path.parts[0] == subject else f"it names {subject} and lies in the folder of {path.parts[0]}"


def _event(root: Path, row: Row, file: str, where: str) -> Event:
    stimulus = stimulus_name(file)
    if not stimulus.isprintable() or not stimulus or SEPARATOR in stimulus or stimulus.startswith("."):
        arrived = f"stim_file {show(repr(file))}"
        raise CorpusError(Fault(where, arrived, f"a name on one line, without {SEPARATOR!r}, not hidden"))
    track = below_stimuli(text_of(row, "trigger_file"))
    if not track:  # the data set's own name for the track beside a stimulus
        track = str(Path(file).with_name(f"t_{Path(file).name}"))
    return Event(
        stimulus,
        _stimulus_file(root, file, where),
        _stimulus_file(root, track, where),
        _seconds(row, "onset", where),
        _seconds(row, "duration", where),
    )


def _stimulus_file(root: Path, file: str, where: str) -> Path | None:
    """A file below stimuli/, compressed or not; None where it is not there."""
    folder = root / STIMULI
    if Path(file).is_absolute() or ".." in Path(file).parts:
        raise CorpusError(Fault(where, f"{file!r}", f"a path below {STIMULI}/"))
    plain = file.removesuffix(".gz")
    candidates = (folder / file, folder / plain, folder / f"{plain}.gz")
    try:
        return next((path for path in candidates if path.is_file()), None)
    except OSError as error:  # a name too long for the disk
        raise CorpusError(
            Fault(where, f"a file of {len(file)} characters ({error.strerror})", "a name")
        ) from None


def almost_audio(root: Path, stimulus: str) -> str | None:
    """A file below stimuli/ whose name differs from a stimulus's by case only, relative to the root."""
    for folder, _, files in os.walk(root / STIMULI, followlinks=False):
        for file in sorted(files):
            if stimulus_name(file).casefold() == stimulus.casefold():
                return Path(folder, file).relative_to(root).as_posix()
    return None


def _seconds(row: Row, key: str, where: str) -> float | None:
    text = text_of(row, key)
    if not text:
        return None
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value <= _MOST_SECONDS:
        raise CorpusError(Fault(f"{where}: {key}", show(repr(text)), "seconds, or n/a"))
    return value


def _files_of_subjects(root: Path) -> tuple[list[Path], list[str]]:
    """Files of all subjects, links followed, each folder once; and remarks on links to one that was read."""
    found: list[Path] = []
    remarks = []
    seen: dict[str, str] = {}
    for other in sorted(root.iterdir()):
        name = other.name
        if name[:4].casefold() == "sub-" and not name.startswith("sub-"):
            remarks.append(f"{name}: left out, its name is not sub-{name[4:]}, as BIDS has it")
    for subject in sorted(root.glob("sub-*")):
        for folder, subfolders, files in os.walk(subject, followlinks=True):
            real = os.path.realpath(folder)
            name = Path(folder).relative_to(root).as_posix()
            if real in seen:
                remarks.append(f"{name}: left out, it leads to {seen[real]}, which was read already")
                subfolders.clear()
                continue
            seen[real] = name
            subfolders[:] = sorted(one for one in subfolders if not one.startswith("."))
            found += [Path(folder, one) for one in sorted(files) if not one.startswith(".")]
    return found, remarks
