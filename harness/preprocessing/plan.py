"""What is to be prepared: recordings with what was heard in them, and the files that each is made from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from harness.corpus.array_files import open_npy
from harness.errors import CorpusError, HarnessError
from harness.preprocessing.bids import (
    SEPARATOR,
    Event,
    RawRecording,
    check_there,
    json_beside,
    nothing_heard,
    read_events,
    sidecar,
)
from harness.preprocessing.output import FEATURE_FOLDER, Source
from harness.preprocessing.read import COMPANIONS
from harness.preprocessing.report import RecordingEntry
from harness.preprocessing.stimuli import DEFINITIONS

# Where a BIDS folder may have features already, for stimuli whose audio is not there.
GIVEN_FEATURES: Final = (FEATURE_FOLDER, "derivatives/stimuli")


@dataclass(frozen=True)
class Planned:
    """A recording with what was heard in it."""

    recording: RawRecording
    events: tuple[Event, ...]


def planned_recordings(
    root: Path, recordings: Sequence[RawRecording]
) -> tuple[list[Planned], dict[str, RecordingEntry]]:
    """Recordings with a stimulus, and the entries of those without or with a broken events.tsv."""
    planned, entries = [], {}
    for one in recordings:
        try:
            check_there(one)
            events = read_events(root, one)
        except HarnessError as error:
            reasons = tuple(str(fault) for fault in error.faults)
            entries[one.name] = RecordingEntry(recording=one.name, outcome="failed", reasons=reasons)
            continue
        if events:
            planned.append(Planned(one, tuple(events)))
        else:
            reason = (nothing_heard(root, one),)
            entries[one.name] = RecordingEntry(recording=one.name, outcome="skipped", reasons=reason)
    return planned, entries


def clashes_of(planned: Sequence[Planned]) -> dict[str, RecordingEntry]:
    """Entries of recordings that fail, since a stimulus or an output of theirs has the name of another."""
    failed: dict[str, RecordingEntry] = {}
    heard: dict[str, Event] = {}
    written: dict[str, str] = {}
    for one in planned:
        name = one.recording.name
        reasons = [
            f"{event.audio}: another file than {heard[event.stimulus].audio}, of the same name. Rename one."
            for event in one.events
            if event.stimulus in heard and heard[event.stimulus].audio != event.audio
        ]
        outputs = [one.recording.output(event.stimulus) for event in one.events]
        reasons += [f"{path} is made of {written[path]} already." for path in outputs if path in written]
        if reasons:
            failed[name] = RecordingEntry(recording=name, outcome="failed", reasons=tuple(reasons))
            continue
        written |= dict.fromkeys(outputs, name)
        heard |= {event.stimulus: event for event in one.events}
    return failed


def given_features(root: Path, stimulus: str, names: tuple[str, ...]) -> dict[str, Path]:
    """Feature files that lie in the BIDS folder already, with the number of bands that their name has."""
    given: dict[str, Path] = {}
    for name in names:
        for folder in GIVEN_FEATURES:
            path = root / folder / f"{stimulus}{SEPARATOR}{name}.npy"
            if _n_bands(path) == DEFINITIONS[name].n_bands:
                given.setdefault(name, path)
    return given


def _n_bands(path: Path) -> int:
    """Bands of a feature file; 0 where there is none."""
    try:
        return open_npy(path).shape[1]
    except CorpusError:
        return 0


def recording_sources(root: Path, planned: Planned) -> tuple[Source, ...]:
    """The files that a recording is made from, those beside it among them."""
    recording = planned.recording
    paths = [recording.path]
    plain = recording.path.with_suffix("") if recording.path.suffix == ".gz" else recording.path
    for suffix in COMPANIONS.get(plain.suffix, ()):
        paths += [plain.with_suffix(suffix), plain.with_suffix(f"{suffix}.gz")]
    sidecars = [sidecar(root, recording, kind) for kind in ("events", "channels")]
    paths += [path for path in sidecars if path is not None]
    paths.append(json_beside(recording))
    paths += [event.track for event in planned.events if event.track is not None]
    return file_sources(root, [path for path in paths if path.exists()])


def file_sources(root: Path, paths: Sequence[Path]) -> tuple[Source, ...]:
    """Files as they are now."""
    sources = []
    for path in paths:
        status = path.stat()
        sources.append(Source(str(path.relative_to(root)), status.st_size, status.st_mtime_ns))
    return tuple(sources)
