"""Arrays that are read in place: ``.npy`` files and uncompressed members of ``.npz``.

Opening an array reads its header only; the samples are memory-mapped when they are asked for, or read as they
are where they are asked for once.
"""

from __future__ import annotations

import os
import struct
import zipfile
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from harness import npy
from harness.errors import CorpusError, Fault
from harness.files import open_regular

# Members of an .npz that say at which rate the others were sampled.
RATE_MEMBERS = ("fs", "sr", "sample_rate", "sample_rate_hz", "sfreq")
COMPRESSED = -1
"""The offset of an array that is compressed and cannot be mapped."""
MOST_UNPACKED_BYTES = 4 << 30
"""The largest compressed array that is read; it is read whole."""
_MOST_RATE_BYTES = 1 << 16
_LOCAL_HEADER_BYTES = 30  # fixed part of a zip member's local header (PKWARE APPNOTE 4.3.7)


@dataclass(frozen=True)
class ArrayFile:
    """A two-dimensional array of numbers in a file; one axis is read as one column.

    Attributes:
        path: the .npy or .npz file.
        member: name inside an .npz; empty for .npy.
        shape: as stored.
        dtype: as stored.
        fortran_order: as stored.
        offset: of the first number, in bytes from the start of the file; or ``COMPRESSED``.
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
        """Computed once, since every crop looks up its file's map."""
        return self._hash

    def mapped(self) -> NDArray[np.generic]:
        """The array, memory-mapped read-only (a compressed member is read whole)."""
        return _mapped(self)

    def stretch(self, start: int, stop: int, time_axis: int, n_channels: int) -> NDArray[np.generic]:
        """Samples ``start`` to ``stop`` of the first channels, without a map: for what is read once.

        A map costs its making, and a fault for every few pages. What is compressed is still read whole.

        Args:
            start: first sample.
            stop: last sample, exclusive; inside the array.
            time_axis: which axis of the file is time.
            n_channels: how many of the other axis, from the first.

        Returns:
            (stop - start, n_channels), a copy in the file's dtype and order of memory.

        Raises:
            CorpusError: the file was removed, or cut short, since its header was read.
        """
        if self.offset == COMPRESSED:
            return over_time(self.mapped(), start, stop, time_axis, n_channels).copy(order="K")
        dtype = np.dtype(self.dtype)
        n_times, n_stored = self.shape if time_axis == 0 else self.shape[::-1]
        if self.fortran_order == (time_axis == 0):  # a channel's samples lie side by side
            channels = np.empty((n_channels, stop - start), dtype)
            self._fill(channels, start * dtype.itemsize, n_times * dtype.itemsize)
            return channels.T
        times = np.empty((1, stop - start, n_stored), dtype)
        self._fill(times, start * n_stored * dtype.itemsize, 0)
        return times[0, :, :n_channels]

    def _fill(self, blocks: NDArray[np.generic], first: int, step: int) -> None:
        """Read blocks that begin ``step`` bytes after each other, the first of them at ``first``."""
        place, n_bytes = self.offset + first, blocks[0].nbytes
        try:
            with open_regular(self.path) as file:
                handle = file.fileno()
                for block in blocks:
                    if os.preadv(handle, (block,), place) != n_bytes:
                        remedy = "The file was truncated while it was in use: copy or fetch it again."
                        raise CorpusError(Fault(self.name, "it ends before its last number", "", remedy))
                    place += step
        except OSError as error:
            raise CorpusError(Fault(self.name, error.strerror or "cannot be read")) from None


def over_time(
    array: NDArray[np.generic], start: int, stop: int, time_axis: int, n_channels: int
) -> NDArray[np.generic]:
    """Samples ``start`` to ``stop`` of the first channels of a stored array, as a view with time first."""
    if time_axis == 0:
        return array[start:stop, :n_channels]
    return array[:n_channels, start:stop].T


def release_maps() -> None:
    """Forget the maps: pages that were read count as this process's memory while their map stands."""
    _mapped.cache_clear()


def open_npy(path: Path) -> ArrayFile:
    """Read the header of a ``.npy`` file.

    Raises:
        CorpusError: missing, not .npy, truncated, not two-dimensional, or not real numbers.
    """
    try:
        with open_regular(path) as file:
            return _described(file, path, "", os.fstat(file.fileno()).st_size)
    except OSError as error:
        raise CorpusError(Fault(str(path), error.strerror or "cannot be read")) from None


def open_npz(path: Path, member: str = "") -> dict[str, ArrayFile]:
    """Read the headers of the arrays in an ``.npz`` file, except of those that say a rate.

    Args:
        path: the file.
        member: only this array; empty for all.

    Raises:
        CorpusError: missing, not .npz or truncated, or an array as in :func:`open_npy`.
    """
    arrays: dict[str, ArrayFile] = {}
    try:
        with open_regular(path) as file, zipfile.ZipFile(file) as archive:
            for info in archive.infolist():
                name = info.filename.removesuffix(npy.SUFFIX)
                if name == info.filename or name in RATE_MEMBERS or member not in ("", name):
                    continue
                if name in arrays:
                    raise ValueError(f"{name!r} is there twice")
                npy.check_method(info)
                with archive.open(info) as content:
                    described = _described(content, path, name, info.file_size)
                if info.compress_type == zipfile.ZIP_STORED:
                    start = described.offset + _member_offset(file, info)
                    if info.compress_size != info.file_size:
                        raise ValueError(f"{name!r} is not of the size that the archive says")
                elif info.file_size > MOST_UNPACKED_BYTES:
                    raise ValueError(f"{name!r} unpacks to {info.file_size} bytes; save it uncompressed")
                else:
                    start = COMPRESSED
                arrays[name] = replace(described, offset=start)
    except OSError as error:
        raise CorpusError(Fault(str(path), error.strerror or "cannot be read")) from None
    except npy.DAMAGED as error:
        raise _not_npz(path, error) from None
    return arrays


def check_rate(path: Path, declared_hz: float) -> None:
    """Refuse an ``.npz`` that says another sampling rate (members ``fs``, ``sr`` and the like).

    Raises:
        CorpusError: another rate than declared, or one that cannot be read.
    """
    try:
        said = said_rates(path)
    except OSError as error:
        raise CorpusError(Fault(str(path), error.strerror or "cannot be read")) from None
    except npy.DAMAGED as error:
        raise _not_npz(path, error) from None
    for name, value in said.items():
        number = float(value.reshape(-1)[0]) if value.size == 1 and value.dtype.kind in "fiu" else None
        if number != declared_hz:
            raise CorpusError(
                Fault(
                    f"{path}: {name}",
                    f"{value.dtype} of shape {value.shape}" if number is None else f"{number:g} Hz",
                    f"{declared_hz:g} Hz, as the corpus declares",
                    "Declare the rate that the files have; nothing is resampled here.",
                )
            )


def said_rates(path: Path) -> dict[str, NDArray[np.generic]]:
    """What an ``.npz`` says of its sampling rate: member -> its value; most files say nothing.

    Raises:
        OSError, or one of ``npy.DAMAGED``: the file cannot be read.
    """
    with open_regular(path) as file:
        with zipfile.ZipFile(file) as archive:
            there = {name.removesuffix(npy.SUFFIX) for name in archive.namelist()}
        names = [name for name in RATE_MEMBERS if name in there]
        return {name: npy.read_npz(file, _MOST_RATE_BYTES, name)[name] for name in names}


def _not_npz(path: Path, error: Exception) -> CorpusError:
    return CorpusError(
        Fault(
            str(path),
            f"not a readable .npz ({npy.reason(error)})",
            "numpy's .npz",
            "The file may be half downloaded: fetch it again.",
        )
    )


def _described(file: IO[bytes], path: Path, member: str, size: int) -> ArrayFile:
    name = f"{path}: {member}" if member else str(path)
    try:
        header = npy.read_header(file)
    except ValueError as error:
        raise CorpusError(
            Fault(name, f"no .npy header ({error})", "an array saved with numpy.save")
        ) from None
    shape, dtype = header.shape, header.dtype
    if dtype.kind not in "fiu":
        raise CorpusError(Fault(name, f"dtype {dtype}", "real numbers"))
    if len(shape) == 1:
        shape = (shape[0], 1)  # one number a frame: the same bytes
    if len(shape) != 2:
        raise CorpusError(Fault(name, f"shape {shape}", "two axes, time and channels"))
    offset = file.tell()
    needed = offset + header.n_bytes
    if size < needed:
        raise CorpusError(
            Fault(
                name,
                f"{size} bytes",
                f"{needed} bytes for shape {shape} of {dtype}",
                "The file is truncated: copy or fetch it again.",
            )
        )
    return ArrayFile(path, member, (shape[0], shape[1]), dtype.str, header.fortran_order, offset)


def _member_offset(file: IO[bytes], info: zipfile.ZipInfo) -> int:
    """Where an uncompressed member's bytes begin: its local header has two lengths of its own."""
    file.seek(info.header_offset)
    name_bytes, extra_bytes = struct.unpack("<HH", file.read(_LOCAL_HEADER_BYTES)[26:30])
    return info.header_offset + _LOCAL_HEADER_BYTES + int(name_bytes) + int(extra_bytes)


@lru_cache(maxsize=1024)
def _mapped(array: ArrayFile) -> NDArray[np.generic]:
    if array.offset == COMPRESSED:
        return _unpacked(array)
    # A plain view of the map: slicing a memmap object costs several times the slice itself.
    return np.memmap(
        array.path,
        dtype=np.dtype(array.dtype),
        mode="r",
        offset=array.offset,
        shape=array.shape,
        order="F" if array.fortran_order else "C",
    ).view(np.ndarray)


def _unpacked(array: ArrayFile) -> NDArray[np.generic]:
    try:
        with open_regular(array.path) as file:
            whole: NDArray[np.generic] = npy.read_npz(file, MOST_UNPACKED_BYTES, array.member)[array.member]
            whole = whole.reshape(array.shape)
    except OSError as error:
        raise CorpusError(Fault(array.name, error.strerror or "cannot be read")) from None
    except ValueError as error:
        remedy = "The file may be damaged: copy or fetch it again."
        raise CorpusError(Fault(array.name, f"cannot be unpacked ({error})", "", remedy)) from None
    return whole
