"""Arrays on disk that are read where they lie: ``.npy`` files and uncompressed members of ``.npz``.

Opening an array reads its header only; the samples are memory-mapped when they are asked for.
"""

from __future__ import annotations

import struct
import zipfile
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from harness.errors import CorpusError, Fault

_LOCAL_HEADER_BYTES = 30  # fixed part of a zip member's local header (PKWARE APPNOTE 4.3.7)


@dataclass(frozen=True)
class ArrayFile:
    """A two-dimensional array of numbers in a file.

    Attributes:
        path: the .npy or .npz file.
        member: name inside an .npz; empty for .npy.
        shape: as stored.
        dtype: as stored.
        fortran_order: as stored.
        offset: of the first number, in bytes from the start of the file; -1 where the member is
            compressed and cannot be mapped.
    """

    path: Path
    member: str
    shape: tuple[int, int]
    dtype: str
    fortran_order: bool
    offset: int

    @property
    def name(self) -> str:
        """The file, and the member inside it, for messages."""
        return f"{self.path}: {self.member}" if self.member else str(self.path)

    @cached_property
    def _hash(self) -> int:
        return hash((self.path, self.member, self.offset))

    def __hash__(self) -> int:
        """Computed once: every crop looks its file's map up by it."""
        return self._hash

    def mapped(self) -> NDArray[np.generic]:
        """The array, memory-mapped read-only (a compressed member is read whole)."""
        return _mapped(self)


def release_maps() -> None:
    """Forget the maps: pages that were read count as this process's memory while their map stands."""
    _mapped.cache_clear()


def open_npy(path: Path) -> ArrayFile:
    """Read the header of a ``.npy`` file.

    Raises:
        CorpusError: missing, not .npy, truncated, not two-dimensional, or not real numbers.
    """
    try:
        with path.open("rb") as file:
            return _described(file, path, "", path.stat().st_size)
    except OSError as error:
        raise CorpusError(Fault(str(path), error.strerror or "cannot be read")) from None


def open_npz(path: Path) -> dict[str, ArrayFile]:
    """Read the headers of all arrays in an ``.npz`` file.

    Raises:
        CorpusError: missing, not .npz or truncated, or an array as in :func:`open_npy`.
    """
    arrays = {}
    try:
        with zipfile.ZipFile(path) as archive:
            for info in archive.infolist():
                if not info.filename.endswith(".npy"):
                    continue
                member = info.filename.removesuffix(".npy")
                with archive.open(info) as file:
                    described = _described(file, path, member, info.file_size)
                if info.compress_type == zipfile.ZIP_STORED:
                    start = described.offset + _member_offset(path, info)
                    described = replace(described, offset=start)
                else:
                    described = replace(described, offset=-1)
                arrays[member] = described
    except OSError as error:
        raise CorpusError(Fault(str(path), error.strerror or "cannot be read")) from None
    except (zipfile.BadZipFile, EOFError, NotImplementedError, struct.error) as error:
        raise CorpusError(
            Fault(
                str(path),
                f"not a readable .npz ({error})",
                "numpy's .npz",
                "The file may be half downloaded: fetch it again.",
            )
        ) from None
    return arrays


def _described(file: IO[bytes], path: Path, member: str, size: int) -> ArrayFile:
    name = f"{path}: {member}" if member else str(path)
    try:
        version = np.lib.format.read_magic(file)
        read = (
            np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        )
        shape, fortran_order, dtype = read(file)
    except ValueError as error:
        raise CorpusError(
            Fault(name, f"no .npy header ({error})", "an array saved with numpy.save")
        ) from None
    if dtype.kind not in "fiu":
        raise CorpusError(Fault(name, f"dtype {dtype}", "real numbers"))
    if len(shape) != 2:
        raise CorpusError(Fault(name, f"shape {shape}", "two axes, time and channels"))
    offset = file.tell()
    needed = offset + shape[0] * shape[1] * dtype.itemsize
    if size < needed:
        raise CorpusError(
            Fault(
                name,
                f"{size} bytes",
                f"{needed} bytes for shape {shape} of {dtype}",
                "The file is truncated: copy or fetch it again.",
            )
        )
    return ArrayFile(path, member, (shape[0], shape[1]), dtype.str, fortran_order, offset)


def _member_offset(path: Path, info: zipfile.ZipInfo) -> int:
    """Where an uncompressed member's bytes begin: its local header has two lengths of its own."""
    with path.open("rb") as file:
        file.seek(info.header_offset)
        header = file.read(_LOCAL_HEADER_BYTES)
    name_bytes, extra_bytes = struct.unpack("<HH", header[26:30])
    return info.header_offset + _LOCAL_HEADER_BYTES + int(name_bytes) + int(extra_bytes)


@lru_cache(maxsize=1024)
def _mapped(array: ArrayFile) -> NDArray[np.generic]:
    if array.offset < 0:
        with np.load(array.path, allow_pickle=False) as archive:
            whole: NDArray[np.generic] = archive[array.member]
            return whole
    # A plain view of the map: slicing a memmap object costs several times the slice itself.
    return np.memmap(
        array.path,
        dtype=np.dtype(array.dtype),
        mode="r",
        offset=array.offset,
        shape=array.shape,
        order="F" if array.fortran_order else "C",
    ).view(np.ndarray)
