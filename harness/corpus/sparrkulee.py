"""SparrKULee (Bollens et al. 2024, doi 10.48804/K3VSND) in its three layouts, read in place.

``preprocessed``: ``preprocessed_eeg/sub-*/ses-*/*_desc-preproc-audio-<stimulus>_eeg.npy``, (channels,
n_times), beside ``preprocessed_stimuli/<stimulus>_-_<feature>.npy``, (n_times, n_bands). The public pipeline
calls the folders ``eeg`` and ``stimuli``, or as its configuration says, and its 28-band mel ``mel``.
``split_data``: ``{train,val,test}_-_<subject>_-_<stimulus>_-_{eeg,mel,envelope}.npy``, (n_times,
channels): the same recordings cut 80/10/10 in time. The three parts are joined again, and both layouts
give the same segments.
``challenge``: the test set of the 2024 challenge, ``<subject>_mapping.json`` beside
``preprocessed_eeg/<subject>_eeg.npz``: segments without labels.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

from harness.corpus.almost import almost_notes, left_out, likely_cause
from harness.corpus.array_files import ArrayFile, check_rate, open_npy, open_npz
from harness.corpus.base import (
    TIME_FRACTIONS,
    Corpus,
    Recording,
    Series,
    SubjectFault,
    cut_in_time,
    cut_notes,
    length_fault,
    natural_key,
    wide_notes,
)
from harness.corpus.declaration import Declaration
from harness.corpus.walk import visible, walk
from harness.errors import CorpusError, Fault, HarnessError, counted, shorten
from harness.files import read_regular
from harness.schemas.documents import parse_json

SEPARATOR = "_-_"
MOST_MAPPING_BYTES = 16 << 20

# Triggers unusable (dataset's own remark): subject, session, run.
UNUSABLE = {
    ("sub-006", "shortstories01", "06"),
    ("sub-017", "shortstories01", "03"),
    ("sub-048", "varyingStories05", "04"),
}

_EEG_NAME = re.compile(
    r"(?P<subject>sub-[A-Za-z0-9]+)_ses-(?P<session>[^_]+)_.*?run-(?P<run>\d+)_.*?"
    r"audio-(?P<stimulus>.+)_eeg\.npy"
)
_SPLIT_NAME = re.compile(
    r"(?P<part>train|val|test)_-_(?P<subject>.+?)_-_(?P<stimulus>.+)_-_(?P<what>[a-z0-9-]+)\.npy"
)
_MAPPING_SUFFIX = "_mapping.json"
_MOST_REASONS = 5
_TWICE = "stands, as in the dataset's split_data"
# The public pipeline keeps EEG up to a whole second, at least two seconds past the last trigger.
TAIL_SECONDS = 3


def open_preprocessed(eeg_folder: Path, stimuli_folder: Path | None, declaration: Declaration) -> Corpus:
    """Open ``preprocessed_eeg`` with ``preprocessed_stimuli``; links to folders are followed.

    Args:
        eeg_folder: the folder with ``sub-*`` folders.
        stimuli_folder: the folder with ``<stimulus>_-_<feature>.npy``; None where labels are elsewhere.
        declaration: what the corpus is.

    Raises:
        CorpusError: no EEG file at all.
    """
    stimuli, broken = _stimulus_features(stimuli_folder, declaration)
    recordings: dict[tuple[str, str], Recording] = {}
    faults: list[SubjectFault] = []
    below = walk(eeg_folder)
    notes = below.notes
    said: dict[str, list[str]] = defaultdict(list)
    twice: dict[tuple[str, str], list[str]] = defaultdict(list)
    cuts: dict[str, int] = {}
    names = [name for name in below.files if name.startswith("sub-") and "/" in name]
    eeg_names = [name for name in names if name.endswith("_eeg.npy")]
    notes += almost_notes(below.files, eeg_names)
    for path in (eeg_folder / name for name in eeg_names):
        match = _EEG_NAME.fullmatch(path.name)
        if match is None:
            cause = likely_cause(path.name)
            said[f"not a name of the dataset, left out{f' ({cause})' if cause else ''}"].append(path.name)
            continue
        subject, stimulus = match["subject"], match["stimulus"]
        if (subject, match["session"], match["run"]) in UNUSABLE:
            said["unusable triggers, left out as the dataset says"].append(path.name)
            continue
        try:
            eeg = _eeg_series((open_npy(path),), 1, declaration)
        except CorpusError as error:
            faults += [SubjectFault(subject, fault) for fault in error.faults]
            continue
        features, wrong = _of_the_eegs_length(
            path.name, eeg, stimuli.get(stimulus, {}), TAIL_SECONDS * declaration.sample_rate_hz
        )
        faults += [SubjectFault(subject, fault, feature) for feature, fault in wrong.items()]
        faults += [SubjectFault(subject, fault, feature) for feature, fault in broken.get(stimulus, ())]
        if stimuli_folder is not None and stimulus not in stimuli and stimulus not in broken:
            faults.append(
                SubjectFault(
                    subject,
                    Fault(
                        path.name,
                        f"no features of the stimulus {stimulus}",
                        f"{stimulus}{SEPARATOR}mel.npy or {stimulus}{SEPARATOR}envelope.npy in"
                        f" {stimuli_folder}",
                        _packed(stimuli_folder, stimulus) or "Copy the file there, or remove the recording.",
                    ),
                )
            )
            continue
        recording = _recording(subject, stimulus, eeg, features)
        if (subject, stimulus) in recordings:
            twice[subject, stimulus].append(path.name)
        recordings[subject, stimulus] = recording
        lengths = [eeg.n_times, *(series.n_times for series in features.values())]
        if len(set(lengths)) > 1:
            cuts[recording.id] = max(lengths) - min(lengths)
        else:
            cuts.pop(recording.id, None)
    notes += [left_out(files, words) for words, files in said.items()]
    notes += _twice_notes(twice)
    notes += cut_notes([(most, one) for one, most in cuts.items()])
    return _corpus("preprocessed", eeg_folder, declaration, recordings, faults, notes)


def open_split_data(folder: Path, feature_folder: Path | None, declaration: Declaration) -> Corpus:
    """Open ``split_data``; the parts of a recording are joined in the order train, val, test.

    Args:
        folder: holds the .npy files.
        feature_folder: holds the mel and envelope files where they lie elsewhere; else None.
        declaration: what the corpus is.

    Raises:
        CorpusError: no EEG file at all.
    """
    found: dict[tuple[str, str], dict[tuple[str, str], Path]] = defaultdict(dict)
    strange: list[str] = []
    folders = [folder] if feature_folder in (None, folder) else [folder, feature_folder]
    known = ("eeg", *declaration.features)
    for path in sorted(path for each in folders if each for path in visible(each, "*.npy")):
        match = _SPLIT_NAME.fullmatch(path.name)
        if match is None or match["what"] not in known:
            strange.append(path.name)
            continue
        found[match["subject"], match["stimulus"]][match["what"], match["part"]] = path
    notes = _strange_notes(folder, strange)
    recordings: dict[tuple[str, str], Recording] = {}
    faults: list[SubjectFault] = []
    for (subject, stimulus), paths in found.items():
        try:
            recordings[subject, stimulus] = _joined(subject, stimulus, paths, declaration)
        except CorpusError as error:
            faults += [SubjectFault(subject, fault) for fault in error.faults]
    return _corpus("split_data", folder, declaration, recordings, faults, notes)


def open_challenge(folder: Path, declaration: Declaration) -> Corpus:
    """Open the challenge's test set: every mapped segment is a recording of its own.

    Args:
        folder: holds ``<subject>_mapping.json`` and ``preprocessed_eeg/<subject>_eeg.npz``.
        declaration: what the corpus is.

    Raises:
        CorpusError: no usable mapping at all.
    """
    recordings: dict[tuple[str, str], Recording] = {}
    faults: list[SubjectFault] = []
    for path in visible(folder, f"*{_MAPPING_SUFFIX}"):
        subject = path.name.removesuffix(_MAPPING_SUFFIX)
        try:
            mapping = _mapping(path)
            archive = folder / "preprocessed_eeg" / f"{subject}_eeg.npz"
            arrays = open_npz(archive)
            check_rate(archive, declaration.sample_rate_hz)
            for segment_id, eeg_id in mapping.items():
                if eeg_id not in arrays:
                    raise CorpusError(Fault(f"{path}: {segment_id}", f"{eeg_id!r} is not in {archive.name}"))
                eeg = _eeg_series((arrays[eeg_id],), 0, declaration)
                recordings[subject, segment_id] = Recording(
                    subject, eeg_id, (0, 0, eeg.n_times), eeg, segment_id=segment_id
                )
        except HarnessError as error:
            faults += [SubjectFault(subject, fault) for fault in error.faults]
    return _corpus("challenge", folder, declaration, recordings, faults, _strange_notes(folder, []))


def _packed(folder: Path, stimulus: str) -> str:
    """A remedy where a stimulus's features are there, and compressed."""
    found = [path.name for path in visible(folder, f"{stimulus}{SEPARATOR}*.npy.*")]
    return f"{shorten(found, 2)}: compressed; unpack." if found else ""


def _strange_notes(folder: Path, strange: Sequence[str]) -> list[str]:
    """What is to be said of files of one folder that are not the dataset's, and of others that almost are.

    Args:
        folder: in which they lie.
        strange: names of arrays that were left out.
    """
    causes = {name: likely_cause(name) for name in strange}
    others = [path.name for path in visible(folder, "*") if path.is_file() and path.name not in causes]
    notes = almost_notes([name for name in others if not name.endswith((".npy", _MAPPING_SUFFIX))])
    for cause in dict.fromkeys(causes.values()):
        words = f"not a name of the dataset, left out{f' ({cause})' if cause else ''}"
        notes.append(left_out([name for name, its in causes.items() if its == cause], words))
    return notes


def _mapping(path: Path) -> dict[str, str]:
    try:
        document = parse_json(read_regular(path, MOST_MAPPING_BYTES))
        return {str(segment): str(entry["eeg"]) for segment, entry in document.items()}
    except (OSError, ValueError, AttributeError, KeyError, TypeError) as error:
        raise CorpusError(
            Fault(str(path), f"unreadable ({error})", '{segment_id: {"eeg": eeg_id}}')
        ) from None


def _twice_notes(twice: Mapping[tuple[str, str], Sequence[str]]) -> list[str]:
    """A note on recordings that are left out, since the same subject heard the same stimulus once more.

    Args:
        twice: subject and stimulus -> names of the second recording and those after it, in order.
    """
    cases = [
        f"{subject} heard {stimulus} {'twice' if len(names) == 1 else f'{len(names) + 1} times'}: {names[-1]}"
        for (subject, stimulus), names in twice.items()
    ]
    if len(cases) == 1:
        return [f"{cases[0]} {_TWICE}"]
    n_left_out = sum(map(len, twice.values()))
    left_out = f"{counted(n_left_out, 'recording')} left out, of one stimulus heard again the last {_TWICE}"
    return [f"{left_out}: {shorten(cases, 3)}"] if cases else []


def _stimulus_features(
    folder: Path | None, declaration: Declaration
) -> tuple[dict[str, dict[str, Series]], dict[str, list[tuple[str, Fault]]]]:
    """Features by stimulus, and by stimulus what is wrong with which feature.

    The public pipeline's mel is called mel whatever it is: the number of bands says which one a file holds.
    """
    features: dict[str, dict[str, Series]] = defaultdict(dict)
    broken: dict[str, list[tuple[str, Fault]]] = defaultdict(list)
    if folder is None:
        return features, broken
    for feature, declared in declaration.features.items():
        suffix = f"{SEPARATOR}{feature}.npy"
        for path in visible(folder, f"*{suffix}"):
            stimulus = path.name.removesuffix(suffix)
            try:
                array = open_npy(path)
                name = _by_bands(feature, array, declaration)
                if name == feature:
                    features[stimulus][name] = _feature_series((array,), name, declared.n_bands)
                else:  # a file that is named after the feature itself is preferred
                    features[stimulus].setdefault(
                        name, _feature_series((array,), name, declaration.features[name].n_bands)
                    )
            except CorpusError as error:
                broken[stimulus] += [(feature, fault) for fault in error.faults]
    return features, broken


def _by_bands(feature: str, array: ArrayFile, declaration: Declaration) -> str:
    """The feature that a file of this name holds: of mel and mel-28, the one with as many bands."""
    n_bands = array.shape[1]
    if declaration.features[feature].n_bands == n_bands:
        return feature
    others = (name for name, other in declaration.features.items() if other.n_bands == n_bands)
    return next((name for name in others if name.startswith(f"{feature}-")), feature)


def _of_the_eegs_length(
    where: str, eeg: Series, features: Mapping[str, Series], tail_samples: float
) -> tuple[dict[str, Series], dict[str, Fault]]:
    """The features that are about as long as the EEG, and what is wrong with the others."""
    right: dict[str, Series] = {}
    wrong: dict[str, Fault] = {}
    for name, series in features.items():
        fault = length_fault(where, name, eeg.n_times, series.n_times, tail_samples=tail_samples)
        if fault is None:
            right[name] = series
        else:
            wrong[name] = fault
    return right, wrong


def _joined(
    subject: str,
    stimulus: str,
    paths: Mapping[tuple[str, str], Path],
    declaration: Declaration,
) -> Recording:
    series: dict[str, Series] = {}
    lengths: dict[str, tuple[int, ...]] = {}
    for what in ("eeg", *declaration.features):
        present = [part for part in TIME_FRACTIONS if (what, part) in paths]
        if not present:
            continue
        missing = [part for part in TIME_FRACTIONS if part not in present]
        if missing:
            raise CorpusError(
                Fault(
                    f"{subject} {stimulus}: {what}",
                    f"only {', '.join(present)}",
                    f"also {', '.join(missing)}, to join the recording again",
                )
            )
        pieces = tuple(open_npy(paths[what, part]) for part in TIME_FRACTIONS)
        if what == "eeg":
            series[what] = _eeg_series(pieces, 0, declaration)
        else:
            series[what] = _feature_series(pieces, what, declaration.features[what].n_bands)
        lengths[what] = tuple(piece.shape[0] for piece in pieces)
    if "eeg" not in series:
        raise CorpusError(Fault(f"{subject} {stimulus}", "features without EEG"))
    for what, samples in lengths.items():
        if samples != lengths["eeg"]:
            raise CorpusError(
                Fault(
                    f"{subject} {stimulus}: {what}",
                    f"parts of {samples} samples",
                    f"{lengths['eeg']}, the EEG's",
                )
            )
    train, val, test = lengths["eeg"]
    eeg = series.pop("eeg")
    return Recording(subject, stimulus, (train, val, test), eeg, series)


def _recording(subject: str, stimulus: str, eeg: Series, features: Mapping[str, Series]) -> Recording:
    shortest = min([eeg.n_times, *(series.n_times for series in features.values())])
    return Recording(subject, stimulus, cut_in_time(shortest), eeg, features)


def _eeg_series(pieces: tuple[ArrayFile, ...], time_axis: int, declaration: Declaration) -> Series:
    """The declared channels of EEG; files may have more where the corpus declares so."""
    n_channels = declaration.n_channels
    for piece in pieces:
        channels, times = piece.shape[1 - time_axis], piece.shape[time_axis]
        too_many = channels > n_channels and not declaration.more_channels
        if channels < n_channels or channels > times or too_many:
            order = f"(n_times, {n_channels})" if time_axis == 0 else f"({n_channels}, n_times)"
            swapped = times >= n_channels and channels > times
            raise CorpusError(
                Fault(
                    piece.name,
                    f"EEG of shape {piece.shape}",
                    order,
                    "Axes look swapped: save array.T." if swapped else "",
                )
            )
    return Series(pieces, time_axis, n_channels)


def _feature_series(pieces: tuple[ArrayFile, ...], feature: str, n_bands: int) -> Series:
    for piece in pieces:
        if piece.shape[1] != n_bands:
            swapped = piece.shape[0] == n_bands
            raise CorpusError(
                Fault(
                    piece.name,
                    f"{feature} of shape {piece.shape}",
                    f"(n_times, {n_bands})",
                    "Axes look swapped: save array.T." if swapped else "",
                )
            )
    return Series(pieces, 0, n_bands)


def _corpus(
    layout: str,
    folder: Path,
    declaration: Declaration,
    recordings: Mapping[tuple[str, str], Recording],
    faults: list[SubjectFault],
    notes: list[str],
) -> Corpus:
    if not recordings:
        reasons = [entry.fault for entry in faults] or [
            Fault(
                str(folder),
                "no recording",
                f"SparrKULee files of the layout {layout}",
                "\n".join(f"{note}." for note in notes[:_MOST_REASONS]),
            )
        ]
        raise CorpusError(*reasons)
    ordered = sorted(recordings, key=lambda key: (natural_key(key[0]), natural_key(key[1])))
    notes = [*notes, *wide_notes(recordings.values(), declaration)]
    return Corpus(
        declaration=declaration,
        layout=layout,
        folder=folder,
        recordings=tuple(recordings[key] for key in ordered),
        faults=tuple(faults),
        notes=tuple(notes),
    )
