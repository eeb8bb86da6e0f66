"""Any folder of arrays, read by the patterns of its ``corpus.toml`` (see ``harness.corpus.declaration``).

Arrays are ``.npy``, or one member of an ``.npz``; what is stored uncompressed is memory-mapped. A feature's
files belong to a stimulus or to a recording, as its pattern says. Nothing is resampled, padded or cut to fit:
files that contradict the declaration are refused.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.corpus.array_files import ArrayFile, check_rate, open_npy, open_npz
from harness.corpus.base import (
    Corpus,
    Recording,
    Series,
    SubjectFault,
    case_faults,
    cut_in_time,
    cut_notes,
    length_fault,
    natural_key,
    wide_notes,
)
from harness.corpus.declaration import DECLARATION, Declaration, FeatureDeclaration, Files
from harness.corpus.pattern import Pattern
from harness.corpus.walk import files_below, walk
from harness.errors import CorpusError, Fault, counted, did_you_mean, raise_all, shorten

LAYOUT = "declared"


@dataclass(frozen=True)
class _Found:
    """An EEG file and what its name says."""

    path: str
    values: Mapping[str, str]


def open_declared(folder: Path, declaration: Declaration, feature_folder: Path | None = None) -> Corpus:
    """Open a folder by the patterns of a declaration.

    Args:
        folder: where the patterns begin.
        declaration: with ``eeg``.
        feature_folder: where the features' patterns begin, if not in ``folder``.

    Raises:
        CorpusError: a pattern that matches nothing or takes one file twice, two subjects whose names differ
            only in case, or no recording that can be read.
    """
    if declaration.eeg is None:
        raise CorpusError(Fault(str(folder), f"the corpus {declaration.name} declares no files of EEG"))
    below = walk(folder)
    files = below.files
    found = _eeg_files(folder, declaration, declaration.eeg, files)
    labels = files if feature_folder in (None, folder) else files_below(feature_folder or folder)
    features = _Features(feature_folder or folder, declaration, labels)
    recordings: list[Recording] = []
    faults: list[SubjectFault] = []
    cuts: list[tuple[int, str]] = []
    for entry in found:
        subject = entry.values["subject"]
        try:
            eeg = _series(folder / entry.path, declaration.eeg, declaration.n_channels, declaration, "EEG")
        except CorpusError as error:
            faults += [SubjectFault(subject, fault) for fault in error.faults]
            continue
        series, wrong = features.of(entry, eeg)
        faults += [SubjectFault(subject, fault, feature) for feature, fault in wrong]
        recordings.append(_recording(entry, eeg, series, declaration))
        shortest = recordings[-1].n_times
        if shortest < eeg.n_times:
            cuts.append((eeg.n_times - shortest, recordings[-1].id))
    if not recordings:
        raise CorpusError(*(entry.fault for entry in faults))
    recordings.sort(key=lambda one: (natural_key(one.subject), natural_key(one.id)))
    return Corpus(
        declaration,
        LAYOUT,
        folder,
        tuple(recordings),
        tuple(faults),
        (*below.notes, *cut_notes(cuts), *wide_notes(recordings, declaration)),
        features.absent,
    )


def holds_features(folder: Path, declaration: Declaration) -> bool:
    """Whether any file below a folder is named as a feature of a corpus."""
    named = [feature.files for feature in declaration.features.values() if feature.files]
    return any(_matches(files, path) for path in files_below(folder) for files in named)


def _eeg_files(folder: Path, declaration: Declaration, eeg: Files, files: Sequence[str]) -> list[_Found]:
    where = f"{folder / DECLARATION}: eeg: files"
    faults: list[Fault] = []
    found: dict[str, _Found] = {}
    for pattern in eeg.patterns:
        values = {file: pattern.match(file) for file in files}
        matched = [
            _Found(file, found_there) for file, found_there in values.items() if found_there is not None
        ]
        if not matched:
            faults.append(_nothing(where, pattern, folder, files))
        again = [entry.path for entry in matched if entry.path in found]
        if again:
            faults.append(
                Fault(
                    where,
                    f"two patterns match {shorten(again, 3)}, the second is {pattern.text!r}",
                    "every file matched by one pattern",
                    "Make one of the two say more of the file's name.",
                )
            )
        for entry in matched:
            found.setdefault(entry.path, entry)
    faults += _shared_with_features(where, declaration, eeg, found)
    faults += _twice(where, folder, list(found.values()))
    faults += _undeclared(folder, declaration, [entry.values["subject"] for entry in found.values()])
    faults += case_faults([entry.values["subject"] for entry in found.values()], f"{folder}: subjects")
    raise_all(CorpusError, faults)
    return list(found.values())


def _undeclared(folder: Path, declaration: Declaration, subjects: Sequence[str]) -> list[Fault]:
    """Subjects that have files and are not among those that the declaration lists."""
    listed = declaration.subjects
    others = [] if listed is None else [one for one in dict.fromkeys(subjects) if one not in listed]
    if listed is None or not others:
        return []
    return [
        Fault(
            f"{folder / DECLARATION}: subjects",
            f"files of {shorten(others)}",
            f"the {counted(len(listed), 'listed subject')}",
            did_you_mean(others[0], sorted(listed)) or "List them too, or leave the key out.",
        )
    ]


def _nothing(where: str, pattern: Pattern, folder: Path, files: Sequence[str]) -> Fault:
    arrays = [file for file in files if file.endswith((".npy", ".npz"))]
    there = f"; there: {shorten(arrays, 3)}" if arrays else "; there is no .npy and no .npz at all"
    return Fault(
        where,
        f"no file matches {pattern.text!r}{there}",
        f"files below {folder}",
        _almost(pattern, files) or "Correct the pattern, or copy the files there.",
    )


def _almost(pattern: Pattern, files: Sequence[str]) -> str:
    """A remedy where files would match in another case, unpacked, or one folder further up."""
    small = Pattern(pattern.text.casefold())
    tries: dict[str, Callable[[str], str]] = {
        "in another case": lambda file: file.casefold(),
        "compressed: unpack them": lambda file: file.removesuffix(".gz").removesuffix(".zip"),
        "one folder further down: name that folder, or put it into the pattern": lambda file: file.partition(
            "/"
        )[2],
    }
    for words, changed in tries.items():
        by = small if words == "in another case" else pattern
        found = [file for file in files if changed(file) != file and by.match(changed(file)) is not None]
        if found:
            return f"{shorten(found, 2)} would match, {words}."
    return ""


def _shared_with_features(
    where: str, declaration: Declaration, eeg: Files, found: Mapping[str, _Found]
) -> list[Fault]:
    """Files that are EEG and a feature at once; one .npz may be both, by members of two names."""
    faults = []
    for feature in declaration.features.values():
        files = feature.files
        if files is None or (files.member and eeg.member and files.member != eeg.member):
            continue
        for pattern in files.patterns:
            both = [path for path in found if pattern.match(path) is not None]
            if both:
                faults.append(
                    Fault(
                        where,
                        f"{shorten(both, 2)} matched twice, as EEG and as {feature.name} by {pattern.text!r}",
                        "every file matched by one pattern",
                        "Make the patterns say more of the names; or, in an .npz, name two members.",
                    )
                )
    return faults


def _twice(where: str, folder: Path, found: Sequence[_Found]) -> list[Fault]:
    """Two files of one recording, or one file under two names."""
    faults = []
    groups: dict[str, list[str]] = defaultdict(list)
    for entry in found:
        groups[_id(entry)].append(entry.path)
    for name, paths in groups.items():
        if len(paths) > 1:
            faults.append(
                Fault(
                    where,
                    f"{counted(len(paths), 'file')} of the recording {name}: {shorten(paths, 3)}",
                    "one file a recording",
                    "Put {session} or {run} where the names differ, or write out what stands for *.",
                )
            )
    places: dict[Path, list[str]] = defaultdict(list)
    for entry in found:
        places[(folder / entry.path).resolve()].append(entry.path)
    faults += [
        Fault(
            where,
            f"one file under {counted(len(paths), 'name')}: {shorten(paths, 3)}",
            "every recording once",
            "Remove the links that show it again.",
        )
        for paths in places.values()
        if len(paths) > 1
    ]
    return faults


class _Features:
    """The feature files of a folder, opened once each, and found for a recording."""

    def __init__(self, folder: Path, declaration: Declaration, files: Sequence[str]) -> None:
        self._folder = folder
        self._declaration = declaration
        self._opened: dict[tuple[str, str], Series | CorpusError] = {}
        self._files: dict[str, list[str]] = {}
        self.absent: dict[str, Fault] = {}
        for feature in declaration.features.values():
            if feature.files is None:
                continue
            named = [path for path in files if _matches(feature.files, path)]
            self._files[feature.name] = named
            if not named:
                shown = " or ".join(repr(pattern.text) for pattern in feature.files.patterns)
                arrays = [file for file in files if file.endswith((".npy", ".npz"))]
                self.absent[feature.name] = Fault(
                    f"{declaration.folder or folder}/{DECLARATION}: features: {feature.name}",
                    f"no file matches {shown}" + (f"; there: {shorten(arrays, 3)}" if arrays else ""),
                    f"files below {folder}",
                    "Correct the pattern, copy the files there, or leave the feature out.",
                )

    def of(self, entry: _Found, eeg: Series) -> tuple[dict[str, Series], list[tuple[str, Fault]]]:
        """A recording's features, and what is wrong with those that cannot be used."""
        there: dict[str, Series] = {}
        wrong: list[tuple[str, Fault]] = []
        for feature in self._declaration.features.values():
            try:
                series = self._find(feature, entry)
            except CorpusError as error:
                wrong += [(feature.name, fault) for fault in error.faults]
                continue
            if series is None:
                continue
            ratio = feature.frames_per_sample(self._declaration.sample_rate_hz)
            fault = length_fault(entry.path, feature.name, eeg.n_times, series.n_times, ratio)
            if fault is None:
                there[feature.name] = series
            else:
                wrong.append((feature.name, fault))
        return there, wrong

    def _find(self, feature: FeatureDeclaration, entry: _Found) -> Series | None:
        if feature.files is None:
            return None
        patterns = feature.files.patterns
        named = self._files[feature.name]
        paths = [path for path in named if any(one.matches(path, entry.values) for one in patterns)]
        if not paths:
            return None
        if len(paths) > 1:
            raise CorpusError(
                Fault(
                    f"{entry.path}: {feature.name}",
                    f"{counted(len(paths), 'file')}: {shorten(paths, 3)}",
                    "one",
                    f"Put {{stimulus}} or {{subject}} where the names differ, in {DECLARATION}.",
                )
            )
        key = (feature.name, paths[0])
        if key not in self._opened:
            try:
                path = self._folder / paths[0]
                if path.suffix == ".npz" and feature.frame_rate_hz is not None and paths[0] != entry.path:
                    check_rate(path, feature.frame_rate_hz)
                self._opened[key] = _series(
                    path, feature.files, feature.n_bands, self._declaration, feature.name
                )
            except CorpusError as error:
                self._opened[key] = error
        opened = self._opened[key]
        if isinstance(opened, CorpusError):
            raise opened
        return opened


def _series(path: Path, files: Files, width: int, declaration: Declaration, what: str) -> Series:
    """One array as a series over time, checked against what is declared."""
    array = _array(path, files, declaration, what)
    across, times = array.shape[1 - files.time_axis], array.shape[files.time_axis]
    if array.shape[1] == 1 and width == 1:
        return Series((array,), 0, 1)  # one number a frame: either order of axes is the same
    is_eeg = what == "EEG"
    if across == width or (is_eeg and declaration.more_channels and width < across <= times):
        return Series((array,), files.time_axis, width)
    order = f"(n_times, {width})" if files.time_axis == 0 else f"({width}, n_times)"
    swapped = "channels, times" if files.time_axis == 0 else "times, channels"
    if not is_eeg:
        swapped = swapped.replace("channels", "bands")
    raise CorpusError(
        Fault(
            array.name,
            f"{what} of shape {array.shape}",
            f"{order}, as declared",
            f'Axes look swapped: declare axes = "{swapped}", or save array.T.' if times == width else "",
        )
    )


def _array(path: Path, files: Files, declaration: Declaration, what: str) -> ArrayFile:
    if path.suffix == ".npy":
        return open_npy(path)
    arrays = open_npz(path, files.member)
    if what == "EEG":
        check_rate(path, declaration.sample_rate_hz)
    if len(arrays) == 1:
        return next(iter(arrays.values()))
    everything = open_npz(path) if files.member else arrays
    raise CorpusError(
        Fault(
            str(path),
            f"arrays {shorten(list(everything)) or 'none'}",
            f"the array {files.member!r}" if files.member else "one array",
            did_you_mean(files.member, list(everything))
            if files.member
            else f'Name the one of the {what} in {DECLARATION}: member = "...".',
        )
    )


def _recording(
    entry: _Found, eeg: Series, series: Mapping[str, Series], declaration: Declaration
) -> Recording:
    lengths = [eeg.n_times]
    ratios = {}
    for name, one in series.items():
        ratio = declaration.features[name].frames_per_sample(declaration.sample_rate_hz)
        if ratio:
            lengths.append(int(one.n_times / ratio))
        if ratio != 1:
            ratios[name] = ratio
    n_times = min(lengths)
    train, val, _ = cut_in_time(n_times)
    values = entry.values
    return Recording(
        values["subject"],
        values.get("stimulus", ""),
        (train, val, n_times - train - val),
        eeg,
        dict(series),
        frames_per_sample=ratios,
        session=values.get("session", ""),
        run=values.get("run", ""),
    )


def _matches(files: Files, path: str) -> bool:
    return any(pattern.match(path) is not None for pattern in files.patterns)


def _id(entry: _Found) -> str:
    known = (entry.values.get(name, "") for name in ("subject", "session", "run", "stimulus"))
    return "_".join(filter(None, known))
