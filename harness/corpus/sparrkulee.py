"""SparrKULee (Bollens et al. 2024, doi 10.48804/K3VSND) in its three layouts, read in place.

``preprocessed``: ``preprocessed_eeg/sub-*/ses-*/*_desc-preproc-audio-<stimulus>_eeg.npy``, (channels,
n_times), beside ``preprocessed_stimuli/<stimulus>_-_<feature>.npy``, (n_times, n_bands).
``split_data``: ``{train,val,test}_-_<subject>_-_<stimulus>_-_{eeg,mel,envelope}.npy``, (n_times,
channels): the same recordings cut 80/10/10 in time. The three parts are joined again, and both layouts
give the same segments.
``challenge``: the test set of the 2024 challenge, ``<subject>_mapping.json`` beside
``preprocessed_eeg/<subject>_eeg.npz``: segments without labels.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

from harness.conventions import N_EEG_CHANNELS
from harness.corpus.array_files import ArrayFile, open_npy, open_npz
from harness.corpus.base import (
    TIME_FRACTIONS,
    Corpus,
    Recording,
    Series,
    SubjectFault,
    cut_in_time,
    natural_key,
)
from harness.errors import CorpusError, Fault, HarnessError, shorten
from harness.features.catalogue import FEATURE_BANDS
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
    r"(?P<subject>sub-\d+)_ses-(?P<session>[^_]+)_.*?run-(?P<run>\d+)_.*?"
    r"audio-(?P<stimulus>.+)_eeg\.npy"
)
_SPLIT_NAME = re.compile(
    r"(?P<part>train|val|test)_-_(?P<subject>.+?)_-_(?P<stimulus>.+)_-_(?P<what>eeg|mel|envelope)\.npy"
)
_MAPPING_SUFFIX = "_mapping.json"


def open_preprocessed(eeg_folder: Path, stimuli_folder: Path | None) -> Corpus:
    """Open ``preprocessed_eeg`` with ``preprocessed_stimuli``.

    Args:
        eeg_folder: the folder with ``sub-*`` folders.
        stimuli_folder: the folder with ``<stimulus>_-_<feature>.npy``; None where labels are elsewhere.

    Raises:
        CorpusError: no EEG file at all.
    """
    stimuli, broken = _stimulus_features(stimuli_folder)
    recordings: dict[tuple[str, str], Recording] = {}
    faults: list[SubjectFault] = []
    notes: list[str] = []
    cuts: list[tuple[int, str]] = []
    for path in sorted(eeg_folder.glob("sub-*/**/*_eeg.npy")):
        match = _EEG_NAME.fullmatch(path.name)
        if match is None:
            notes.append(f"{path.name}: not a name of the dataset, left out")
            continue
        subject, stimulus = match["subject"], match["stimulus"]
        if (subject, match["session"], match["run"]) in UNUSABLE:
            notes.append(f"{path.name}: unusable triggers, left out as the dataset says")
            continue
        try:
            eeg = _eeg_series((open_npy(path),), time_axis=1)
        except CorpusError as error:
            faults += [SubjectFault(subject, fault) for fault in error.faults]
            continue
        features = stimuli.get(stimulus, {})
        faults += [SubjectFault(subject, fault, feature) for feature, fault in broken.get(stimulus, ())]
        if stimuli_folder is not None and not features and stimulus not in broken:
            faults.append(
                SubjectFault(
                    subject,
                    Fault(
                        path.name,
                        f"no features of the stimulus {stimulus}",
                        f"{stimulus}{SEPARATOR}mel.npy or {stimulus}{SEPARATOR}envelope.npy in"
                        f" {stimuli_folder}",
                        "Copy the file there, or remove the recording.",
                    ),
                )
            )
            continue
        recording = _recording(subject, stimulus, eeg, features)
        if (subject, stimulus) in recordings:
            notes.append(
                f"{subject} heard {stimulus} twice: {path.name} stands, as in the dataset's split_data"
            )
        recordings[subject, stimulus] = recording
        lengths = [eeg.n_times, *(series.n_times for series in features.values())]
        if len(set(lengths)) > 1:
            cuts.append((max(lengths) - min(lengths), recording.id))
    if cuts:
        notes.append(_cut_note(cuts))
    return _corpus("preprocessed", eeg_folder, recordings, faults, notes)


def open_split_data(folder: Path, feature_folder: Path | None = None) -> Corpus:
    """Open ``split_data``; the parts of a recording are joined in the order train, val, test.

    Args:
        folder: holds the .npy files.
        feature_folder: holds the mel and envelope files where they lie elsewhere.

    Raises:
        CorpusError: no EEG file at all.
    """
    found: dict[tuple[str, str], dict[tuple[str, str], Path]] = defaultdict(dict)
    notes: list[str] = []
    folders = [folder] if feature_folder in (None, folder) else [folder, feature_folder]
    for path in sorted(path for each in folders if each for path in each.glob("*.npy")):
        match = _SPLIT_NAME.fullmatch(path.name)
        if match is None:
            notes.append(f"{path.name}: not a name of the dataset, left out")
            continue
        found[match["subject"], match["stimulus"]][match["what"], match["part"]] = path
    recordings: dict[tuple[str, str], Recording] = {}
    faults: list[SubjectFault] = []
    for (subject, stimulus), paths in found.items():
        try:
            recordings[subject, stimulus] = _joined(subject, stimulus, paths)
        except CorpusError as error:
            faults += [SubjectFault(subject, fault) for fault in error.faults]
    return _corpus("split_data", folder, recordings, faults, notes)


def open_challenge(folder: Path) -> Corpus:
    """Open the challenge's test set: every mapped segment is a recording of its own.

    Args:
        folder: holds ``<subject>_mapping.json`` and ``preprocessed_eeg/<subject>_eeg.npz``.

    Raises:
        CorpusError: no usable mapping at all.
    """
    recordings: dict[tuple[str, str], Recording] = {}
    faults: list[SubjectFault] = []
    for path in sorted(folder.glob(f"*{_MAPPING_SUFFIX}")):
        subject = path.name.removesuffix(_MAPPING_SUFFIX)
        try:
            mapping = _mapping(path)
            archive = folder / "preprocessed_eeg" / f"{subject}_eeg.npz"
            arrays = open_npz(archive)
            for segment_id, eeg_id in mapping.items():
                if eeg_id not in arrays:
                    raise CorpusError(Fault(f"{path}: {segment_id}", f"{eeg_id!r} is not in {archive.name}"))
                eeg = _eeg_series((arrays[eeg_id],), time_axis=0)
                recordings[subject, segment_id] = Recording(
                    subject, eeg_id, (0, 0, eeg.n_times), eeg, segment_id=segment_id
                )
        except HarnessError as error:
            faults += [SubjectFault(subject, fault) for fault in error.faults]
    return _corpus("challenge", folder, recordings, faults, [])


def _mapping(path: Path) -> dict[str, str]:
    try:
        document = parse_json(read_regular(path, MOST_MAPPING_BYTES))
        return {str(segment): str(entry["eeg"]) for segment, entry in document.items()}
    except (OSError, ValueError, AttributeError, KeyError, TypeError) as error:
        raise CorpusError(
            Fault(str(path), f"unreadable ({error})", '{segment_id: {"eeg": eeg_id}}')
        ) from None


def _stimulus_features(
    folder: Path | None,
) -> tuple[dict[str, dict[str, Series]], dict[str, list[tuple[str, Fault]]]]:
    """Features by stimulus, and by stimulus what is wrong with which feature."""
    features: dict[str, dict[str, Series]] = defaultdict(dict)
    broken: dict[str, list[tuple[str, Fault]]] = defaultdict(list)
    if folder is None:
        return features, broken
    for feature in FEATURE_BANDS:
        suffix = f"{SEPARATOR}{feature}.npy"
        for path in sorted(folder.glob(f"*{suffix}")):
            stimulus = path.name.removesuffix(suffix)
            try:
                features[stimulus][feature] = _feature_series((open_npy(path),), feature)
            except CorpusError as error:
                broken[stimulus] += [(feature, fault) for fault in error.faults]
    return features, broken


def _joined(subject: str, stimulus: str, paths: Mapping[tuple[str, str], Path]) -> Recording:
    series: dict[str, Series] = {}
    lengths: dict[str, tuple[int, ...]] = {}
    for what in ("eeg", *FEATURE_BANDS):
        present = [part for part in TIME_FRACTIONS if (what, part) in paths]
        if not present:
            continue
        missing = [part for part in TIME_FRACTIONS if part not in present]
        if missing:
            raise CorpusError(
                Fault(
                    f"{subject} {stimulus}: {what}",
                    f"parts {', '.join(present)} are there",
                    f"also {', '.join(missing)}, to join the recording again",
                )
            )
        pieces = tuple(open_npy(paths[what, part]) for part in TIME_FRACTIONS)
        series[what] = _eeg_series(pieces, time_axis=0) if what == "eeg" else _feature_series(pieces, what)
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


def _eeg_series(pieces: tuple[ArrayFile, ...], time_axis: int) -> Series:
    for piece in pieces:
        channels, times = piece.shape[1 - time_axis], piece.shape[time_axis]
        if channels < N_EEG_CHANNELS or channels > times:
            order = "(n_times, 64)" if time_axis == 0 else "(64, n_times)"
            swapped = times >= N_EEG_CHANNELS and channels > times
            raise CorpusError(
                Fault(
                    piece.name,
                    f"EEG of shape {piece.shape}",
                    order,
                    "Axes look swapped: save array.T." if swapped else "",
                )
            )
    return Series(pieces, time_axis, N_EEG_CHANNELS)


def _feature_series(pieces: tuple[ArrayFile, ...], feature: str) -> Series:
    n_bands = FEATURE_BANDS[feature]
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


def _cut_note(cuts: list[tuple[int, str]]) -> str:
    most, recording = max(cuts)
    return (
        f"{len(cuts)} recordings cut to the shortest of EEG and features, by {most} samples at most"
        f" ({recording})"
    )


def _corpus(
    layout: str,
    folder: Path,
    recordings: Mapping[tuple[str, str], Recording],
    faults: list[SubjectFault],
    notes: list[str],
) -> Corpus:
    if not recordings:
        reasons = [entry.fault for entry in faults] or [
            Fault(str(folder), "no recording", f"SparrKULee files of the layout {layout}")
        ]
        raise CorpusError(*reasons)
    ordered = sorted(recordings, key=lambda key: (natural_key(key[0]), natural_key(key[1])))
    if len(notes) > 8:
        notes = [shorten(notes, 8)]
    return Corpus(
        name="sparrkulee",
        layout=layout,
        folder=folder,
        simulated=False,
        recordings=tuple(recordings[key] for key in ordered),
        faults=tuple(faults),
        notes=tuple(notes),
    )
