"""Write predictions: the official zip, a folder of its JSON files, or npz.

The same arrays give the same bytes. A file appears under its name when it is whole: it is written
beside, flushed to the disk and renamed.
"""

from __future__ import annotations

import io
import os
import shutil
import tempfile
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
import orjson

from harness.errors import Fault, PredictionsError, UsageError, raise_all, show, some_of
from harness.files import Draft, sync_folder
from harness.predictions.expected import segment_name

if TYPE_CHECKING:
    from harness.conventions import Array

ZIP_DATE = (1980, 1, 1, 0, 0, 0)
"""The date of every member: the earliest that a zip can hold."""
ZIP_LEVEL = 1
"""Deflate's fastest level: on digits level 6 takes five times as long to save a tenth."""
_MODE = 0o644
_MOST_SUBJECT_BYTES = 200
"""Of a subject's name in UTF-8: with ``.json`` it is a file's name, for which disks have 255."""
_MOST_NAME_CHARS = 1000


def write_predictions(path: Path, subjects: Iterable[tuple[str, Mapping[str, Array]]]) -> None:
    """Write predictions, one subject in memory at a time.

    Numbers are written so that reading gives the same float32 (or float64) back: in JSON as the
    shortest decimals that do.

    Args:
        path: ``.zip`` for the official form, ``.npz``, or no suffix for a new folder.
        subjects: subject and its predictions, id -> (n_times, n_bands) float32 or float64.

    Raises:
        UsageError: the suffix is another one.
        PredictionsError: the path cannot be written, or an array cannot be submitted.
    """
    writer = _writer(path)
    try:
        seen: set[str] = set()
        for subject, segments in subjects:
            _check_subject(subject, segments, seen)
            with _writable(path):
                writer.add(subject, segments)
            del segments
        with _writable(path):
            writer.finish()
    finally:
        writer.discard()


def check_destination(path: Path) -> None:
    """Refuse a path that could not be written, before hours of predicting.

    Raises:
        UsageError: the suffix is none of ``.zip``, ``.npz`` and none at all.
        PredictionsError: the path cannot be written.
    """
    _writer(path).discard()


def check_subjects(subjects: Iterable[str]) -> None:
    """Refuse subjects that no predictions file can name, before hours of predicting.

    A subject's name is that of its file, ``<subject>.json``, and begins the names of its arrays in an npz.

    Raises:
        PredictionsError: a name that is empty, too long, hidden, in a folder or not printable.
    """
    raise_all(
        PredictionsError,
        [
            Fault(
                f"subject '{show(subject)}'",
                "a name that no file of predictions can have",
                f"1 to {_MOST_SUBJECT_BYTES} bytes of printable characters without '/' and '\\', the first"
                " not '.'",
                "Rename the subject's files of EEG, and the subject in the split.",
            )
            for subject in subjects
            if not subject.isprintable()
            or not 0 < len(subject.encode()) <= _MOST_SUBJECT_BYTES
            or subject.startswith(".")
            or {"/", "\\"} & set(subject)
        ],
    )


def _writer(path: Path) -> _Writer:
    kinds: dict[str, type[_Writer]] = {".zip": _ZipWriter, ".npz": _NpzWriter, "": _FolderWriter}
    suffix = path.suffix.lower()
    if suffix not in kinds:
        expected = ".zip, .npz, or no suffix for a folder"
        raise UsageError(Fault(str(path), f"unknown suffix '{show(suffix)}'", expected))
    return kinds[suffix](path)


class _Writer(Protocol):
    """A predictions file in the making."""

    def __init__(self, path: Path) -> None: ...

    def add(self, subject: str, segments: Mapping[str, Array]) -> None:
        """Write a subject's segments, id -> (n_times, n_bands)."""

    def finish(self) -> None:
        """Give the file its name."""

    def discard(self) -> None:
        """Remove what is unfinished."""


class _ArchiveWriter:
    """A zip archive that appears whole."""

    def __init__(self, path: Path) -> None:
        with _writable(path):
            if path.is_dir():
                raise PredictionsError(Fault(str(path), "is a folder", "a file's name"))
            self._draft = Draft(path)
        self._archive = zipfile.ZipFile(self._draft.file, "w")

    def finish(self) -> None:
        self._archive.close()
        self._draft.keep()

    def discard(self) -> None:
        self._archive.fp = None  # an unfinished archive would write its directory on deletion
        self._draft.discard()

    def _member(self, name: str, method: int) -> zipfile.ZipInfo:
        info = zipfile.ZipInfo(name, ZIP_DATE)
        info.compress_type = method
        info._compresslevel = ZIP_LEVEL  # type: ignore[attr-defined]  # public from Python 3.13 on
        info.create_system = 3  # Unix, on every system
        info.external_attr = _MODE << 16
        return info


class _ZipWriter(_ArchiveWriter):
    """The official zip."""

    def add(self, subject: str, segments: Mapping[str, Array]) -> None:
        info = self._member(f"{subject}.json", zipfile.ZIP_DEFLATED)
        with self._archive.open(info, "w") as member:
            for chunk in _json(segments):
                member.write(chunk)


class _NpzWriter(_ArchiveWriter):
    """Arrays as numpy saves them."""

    def add(self, subject: str, segments: Mapping[str, Array]) -> None:
        for segment_id, array in segments.items():
            data = io.BytesIO()
            np.lib.format.write_array(data, _plain(array), version=(1, 0), allow_pickle=False)
            name = segment_name(subject, segment_id)
            self._archive.writestr(self._member(f"{name}.npy", zipfile.ZIP_STORED), data.getvalue())


class _FolderWriter:
    """A new folder with one JSON file for each subject."""

    def __init__(self, path: Path) -> None:
        self._path = path
        with _writable(path):
            if path.exists() and not (path.is_dir() and not any(path.iterdir())):
                remedy = "Remove it first, or choose another name."
                raise PredictionsError(Fault(str(path), "is there already", "a new folder", remedy))
            name = tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
        self._temporary = Path(name)

    def add(self, subject: str, segments: Mapping[str, Array]) -> None:
        with (self._temporary / f"{subject}.json").open("wb") as file:
            file.writelines(_json(segments))
            file.flush()
            os.fsync(file.fileno())

    def finish(self) -> None:
        self._temporary.chmod(0o755)
        sync_folder(self._temporary)
        self._temporary.replace(self._path)
        sync_folder(self._path.parent)

    def discard(self) -> None:
        shutil.rmtree(self._temporary, ignore_errors=True)


def _json(segments: Mapping[str, Array]) -> Iterator[bytes]:
    """Encode one subject's predictions, segment by segment."""
    before = b"{"
    for segment_id, array in segments.items():
        numbers = orjson.dumps(_plain(array), option=orjson.OPT_SERIALIZE_NUMPY)
        yield before + orjson.dumps(segment_id) + b":" + numbers
        before = b",\n"
    yield b"}\n" if segments else b"{}\n"


def _plain(array: Array) -> Array:
    """Make an array contiguous, in the machine's byte order."""
    return np.ascontiguousarray(array, array.dtype.newbyteorder("="))


def _check_subject(subject: str, segments: Mapping[str, Array], seen: set[str]) -> None:
    """Refuse what the readers would refuse."""
    check_subjects([subject])
    if subject in seen:
        raise PredictionsError(Fault(subject, "written twice", "each subject once"))
    seen.add(subject)
    for segment_id, array in segments.items():
        where = show(segment_name(subject, segment_id))
        if not (segment_id.isprintable() and 0 < len(segment_id) <= _MOST_NAME_CHARS):
            arrived = "a segment id that is empty, too long or not printable"
            raise PredictionsError(Fault(where, arrived))
        if array.dtype.kind != "f" or array.dtype.itemsize not in (4, 8):
            arrived = f"dtype {array.dtype}"
            raise PredictionsError(Fault(where, arrived, "float32 or float64"))
        if array.ndim != 2 or 0 in array.shape:
            raise PredictionsError(Fault(where, f"shape {array.shape}", "(n_frames, n_bands)"))
        n_wrong = array.size - int(np.isfinite(array).sum())
        if n_wrong:
            arrived = f"{some_of(n_wrong, array.size, 'number', 'is', 'are')} NaN or infinite"
            raise PredictionsError(Fault(where, arrived, "finite numbers"))


@contextmanager
def _writable(path: Path) -> Iterator[None]:
    """Turn what the system refuses into one fault of the path."""
    try:
        yield
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        remedy = "" if path.parent.is_dir() else f"Make the folder first: mkdir -p {path.parent}"
        raise PredictionsError(Fault(str(path), f"cannot be written: {reason}", "", remedy)) from error
