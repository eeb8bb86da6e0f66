"""Read predictions, and hidden references in the same formats, one subject at a time.

Three formats: the official zip of the 2024 Auditory EEG Challenge, one ``<subject>.json`` for each
subject, ``{segment_id: n_times x n_bands numbers}``; a folder of the same files; and npz,
``{subject/segment_id: (n_times, n_bands)}`` without pickles. Nothing is padded, trimmed, reordered
or dropped to make a file fit: it is refused, with every fault in it.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence, Sized
from pathlib import Path
from typing import TYPE_CHECKING

from harness.errors import Fault, PredictionsError, counted, did_you_mean, shorten, show
from harness.files import file_sha256
from harness.npy import SUFFIX
from harness.predictions.containers import Container, is_archive, open_container, subject_files
from harness.predictions.expected import Expected, FaultList, SegmentForm, segment_name
from harness.predictions.subject_json import first_shape, parse_subject
from harness.predictions.subject_npz import npy_shape, read_arrays

if TYPE_CHECKING:
    from harness.conventions import Array

MAX_LABEL_BYTES = 1 << 30
"""Size of one subject's hidden references as JSON: the challenge's take 50 MB."""
_SUBJECT_FILE = re.compile(r"[^.].*\d\.json")
_NAME = re.compile(r"([^/_]+)[/_](.+)", re.DOTALL)
"""``subject/segment_id``, or a segment id that begins with its subject."""


def is_predictions(path: Path) -> bool:
    """Whether a path looks like predictions: a zip, an npz, or a folder with a subject's JSON."""
    if path.is_dir():
        names = [file.name for file in path.iterdir() if not file.name.startswith(".")]
        return "submission.toml" not in names and (
            any(_SUBJECT_FILE.fullmatch(name) for name in names)
            or (bool(names) and all(name.endswith(".json") for name in names))
        )
    return path.is_file() and (path.suffix.lower() in (".zip", ".npz") or is_archive(path))


def read_predictions(path: Path, expected: Expected) -> Iterator[tuple[str, dict[str, Array]]]:
    """Read predictions subject by subject.

    Use what was yielded only when the iteration has ended: a fault in a later subject refuses the
    whole file.

    Args:
        path: a zip, an npz or a folder.
        expected: the segments that were asked.

    Yields:
        Subject and its predictions, id -> (n_times, n_bands) float64, both in the order of
        ``expected``. Absent segments are absent (scoring counts them 0). After the first fault
        nothing more is yielded; reading goes on to find the others.

    Raises:
        PredictionsError: everything that is wrong with any subject, at the end.
    """
    faults = FaultList(str(path))
    with open_container(path) as container:
        read = _read_npz if container.noun == "npz" else _read_json
        for subject, segments in read(container, expected, faults):
            if not faults:
                yield subject, segments
            del segments
    faults.raise_all()


def predictions_sha256(path: Path) -> str:
    """Hash predictions: the bytes of a file; of a folder, its files' sorted names and hashes.

    Raises:
        PredictionsError: the path cannot be read.
    """
    try:
        if not path.is_dir():
            return file_sha256(path)
        files = sorted(p for p in path.iterdir() if not p.name.startswith("."))
        lines = [f"{file_sha256(file)}  {file.name}\n" for file in files]
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise PredictionsError(Fault(str(path), f"cannot be read: {reason}")) from error
    return hashlib.sha256("".join(lines).encode("utf-8", "surrogateescape")).hexdigest()


def first_label_shape(path: Path) -> tuple[int, int]:
    """Frames and bands of the first reference of a zip, an npz or a folder, as far as they can be told.

    Raises:
        PredictionsError: there is none, or it is no table of numbers.
    """
    with open_container(path) as container:
        if container.noun == "npz":
            name = next((stored for stored in container.names() if stored.endswith(SUFFIX)), "")
            shape = npy_shape(container.read(name, MAX_LABEL_BYTES), show(name)) if name else ()
        else:
            name = next((stored for file, stored in subject_files(container) if file.endswith(".json")), "")
            shape = first_shape(container.read(name, MAX_LABEL_BYTES), show(name)) if name else ()
    if len(shape) != 2 or 0 in shape:
        arrived = f"shape {shape} of the first reference" if name else "no references"
        raise PredictionsError(Fault(str(path), arrived, "(n_frames, n_bands) for every segment"))
    return shape[0], shape[1]


class LabelStore:
    """Hidden references of a test set, in any of the formats that predictions have.

    Args:
        path: a zip, an npz or a folder.
        n_bands: columns of every segment.
        feature: what they are of, for messages.
        subjects: who there is, where that is known: in an npz a name may then hold an underscore or a slash.

    Raises:
        PredictionsError: the path is no such file, or a name in it cannot be understood.
    """

    def __init__(self, path: Path, n_bands: int, feature: str = "mel", subjects: Sequence[str] = ()) -> None:
        self.path = path
        self._form = SegmentForm(None, n_bands, feature)
        self._known = sorted(subjects, key=len, reverse=True)
        self._files: dict[str, str] = {}
        self._arrays: dict[str, dict[str, str]] = {}
        faults = FaultList(str(path))
        with open_container(path) as container:
            if container.noun == "npz":
                self._list_arrays(container, faults)
            else:
                self._list_files(container, faults)
        if not faults and not self.subjects():
            faults.add("faults", Fault(str(path), "no references", "at least one subject's"))
        faults.raise_all()

    def subjects(self) -> tuple[str, ...]:
        """Name the subjects it has references of, sorted."""
        return tuple(sorted(self._files or self._arrays))

    def subject(self, name: str) -> dict[str, Array]:
        """Read the references of one subject.

        Returns:
            id -> (n_times, n_bands) float64, in the order of the file.

        Raises:
            PredictionsError: the subject is absent, or its references are not sound numbers.
        """
        if name not in self.subjects():
            expected = f"one of {shorten(self.subjects())}"
            raise PredictionsError(Fault(show(name), f"no references in {self.path}", expected))
        faults = FaultList(str(self.path))
        with open_container(self.path) as container:
            if self._arrays:
                segments = read_arrays(container, self._arrays[name], self._form, faults)
            else:
                data = container.read(self._files[name], MAX_LABEL_BYTES)
                file = show(self._files[name])
                segments = parse_subject(data, file, name, None, self._form, faults)
        faults.raise_all()
        return segments

    def _list_files(self, container: Container, faults: FaultList) -> None:
        for file, stored in subject_files(container):
            subject, _, suffix = file.rpartition(".")
            if suffix != "json" or not subject:
                faults.add("unknown files", _unknown_file(file, "<subject>.json"))
            elif subject in self._files:
                faults.add("repeated files", _repeated_file(file, container))
            else:
                self._files[subject] = stored

    def _list_arrays(self, container: Container, faults: FaultList) -> None:
        for key in _array_names(container, faults):
            subject = next((name for name in self._known if key.startswith((f"{name}_", f"{name}/"))), "")
            found = _NAME.fullmatch(key)
            if subject or found:
                subject = subject or (found[1] if found else "")
                rest = key[len(subject) + 1 :]
                segment_id = rest if segment_name(subject, rest) == key else key
                self._arrays.setdefault(subject, {})[segment_id] = key
            else:
                fault = Fault(show(key), "names no subject", "subject/segment_id")
                faults.add("unknown segments", fault)


def _read_json(
    container: Container, expected: Expected, faults: FaultList
) -> Iterator[tuple[str, dict[str, Array]]]:
    """Read the files of a zip or folder, in the order of ``expected``."""
    members = _subject_members(container, expected, faults)
    for subject, segment_ids in expected.segment_ids.items():
        if subject not in members:
            continue
        file = f"{subject}.json"
        try:
            data = container.read(members[subject], expected.most_bytes(subject))
        except PredictionsError as error:
            faults.add("unreadable files", *error.faults)
            continue
        yield subject, parse_subject(data, file, subject, segment_ids, expected.form, faults)


def _subject_members(container: Container, expected: Expected, faults: FaultList) -> Mapping[str, str]:
    """Match a container's files with the subjects; one fault for each that is amiss."""
    try:
        files = list(subject_files(container))
    except PredictionsError as error:
        faults.add("wrong names", *error.faults)
        return {}
    subjects = {f"{subject}.json": subject for subject in expected.segment_ids}
    members: dict[str, str] = {}
    for file, stored in files:
        subject = subjects.get(file)
        if subject is None:
            if faults.room("unknown files"):
                what = f"{next(iter(subjects), '<subject>.json')} and the like"
                remedy = did_you_mean(file, subjects)
                faults.add("unknown files", _unknown_file(file, what, remedy))
            else:
                faults.count("unknown files")
        elif subject in members:
            faults.add("repeated files", _repeated_file(file, container))
        else:
            members[subject] = stored
    for file, subject in subjects.items():
        if subject not in members:
            arrived = f"not in the {container.noun}"
            wanted = _for_each("one file", subjects)
            faults.add("missing files", Fault(file, arrived, wanted))
    return members


def _read_npz(
    container: Container, expected: Expected, faults: FaultList
) -> Iterator[tuple[str, dict[str, Array]]]:
    """Read the arrays of an npz, in the order of ``expected``."""
    keys = {
        subject: {segment_id: segment_name(subject, segment_id) for segment_id in segment_ids}
        for subject, segment_ids in expected.segment_ids.items()
    }
    known = {key for members in keys.values() for key in members.values()}
    present = _array_names(container, faults)
    for key in present:
        if key in known:
            continue
        if faults.room("unknown segments"):
            wanted = f"one of {counted(len(known), 'name')} such as '{show(min(known, default=''))}'"
            fault = Fault(show(key), "unknown segment", wanted, did_you_mean(key, known))
            faults.add("unknown segments", fault)
        else:
            faults.count("unknown segments")
    for subject, members in keys.items():
        here = {segment_id: key for segment_id, key in members.items() if key in present}
        if not here:
            wanted = _for_each("segments", keys)
            faults.add("missing subjects", Fault(subject, "no segment in the npz", wanted))
            continue
        yield subject, read_arrays(container, here, expected.form, faults)


def _array_names(container: Container, faults: FaultList) -> dict[str, None]:
    """Name the arrays of an npz, in its order; what is no array, or there twice, is a fault."""
    names: dict[str, None] = {}
    for stored in container.names():
        key = stored.removesuffix(SUFFIX)
        if key == stored:
            fault = Fault(show(stored), "not an array", "arrays only, as numpy saves them")
            faults.add("unknown files", fault)
            continue
        if key in names:
            faults.add("repeated segments", Fault(show(key), "twice in the npz", "each id once"))
        names[key] = None
    return names


def _for_each(what: str, subjects: Sized) -> str:
    n = len(subjects)
    return f"{what} for each of {counted(n, 'subject')}" if n > 1 else f"{what} for the subject"


def _unknown_file(file: str, expected: str, remedy: str = "") -> Fault:
    return Fault(show(file), "not a subject's file", expected, remedy)


def _repeated_file(file: str, container: Container) -> Fault:
    return Fault(show(file), f"twice in the {container.noun}", "one file a subject")
