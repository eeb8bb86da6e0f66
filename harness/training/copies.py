"""Copies of a corpus's arrays: what each is called, how it is written, and how it is read.

`harness.training.cache` says what they are for.
"""

from __future__ import annotations

import hashlib
import io
import json
import math
import os
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from harness import npy
from harness.corpus.array_files import COMPRESSED, ArrayFile, open_npy
from harness.corpus.base import Series
from harness.errors import CorpusError, Fault
from harness.files import Draft, open_regular, write_atomically

DTYPES = ("float32", "float16")
# Goes up with every change of what a key or a copy holds: nothing older is taken for it.
VERSION = 1

_BLOCK_BYTES = 8 << 20
_PROBES, _PROBE_BYTES = 4, 4096
_FLOAT16_EXPONENT = 15  # the largest number of a scaled array is below 2**15, half of what float16 holds


@dataclass(frozen=True)
class Cache:
    """Where copies lie, and of which type.

    Attributes:
        folder: on a local disk.
        dtype: ``float32`` or ``float16``.
    """

    folder: Path
    dtype: str = DTYPES[0]

    def place(self, key: str) -> Path:
        """The file of a copy."""
        return self.folder / f"{key}.npy"


@dataclass(frozen=True)
class ScaledSeries(Series):
    """A series whose numbers are kept divided by a factor.

    Attributes:
        factors: of each piece; powers of two, so that multiplying rounds nothing.
    """

    factors: tuple[float, ...] = ()

    def read(self, start: int, stop: int, *, once: bool = False) -> NDArray[np.float32]:
        """As `Series.read`."""
        values = super().read(start, stop, once=once)
        begin = 0
        for piece, factor in zip(self.pieces, self.factors, strict=True):
            end = begin + piece.shape[self.time_axis]
            first, last = max(start, begin), min(stop, end)
            if first < last:
                values[first - start : last - start] *= np.float32(factor)
            begin = end
        return values


def key_of(array: ArrayFile, dtype: str) -> str:
    """What a copy is called: a hash of all that is known of the file without reading it whole.

    Raises:
        CorpusError: the file cannot be read.
    """
    digest = hashlib.sha256()
    try:
        with open_regular(array.path) as file:
            found = os.fstat(file.fileno())
            facts = [
                VERSION,
                dtype,
                *array.path.parts[-3:],
                array.member,
                array.shape,
                array.dtype,
                array.fortran_order,
                array.offset,
                found.st_size,
                found.st_mtime_ns,
            ]
            digest.update(json.dumps(facts).encode())
            for probe in range(_PROBES):
                place = max(0, found.st_size - _PROBE_BYTES) * probe // (_PROBES - 1)
                digest.update(os.pread(file.fileno(), _PROBE_BYTES, place))
    except OSError as error:
        raise CorpusError(Fault(array.name, error.strerror or "cannot be read")) from None
    return digest.hexdigest()


def copy_of(array: ArrayFile, cache: Cache, key: str) -> tuple[ArrayFile, float] | None:
    """A copy that is whole, and its factor."""
    try:
        said = json.loads(cache.place(key).with_suffix(".json").read_bytes())
        factor = float(said["factor"])
        copy = open_npy(cache.place(key))
    except (OSError, ValueError, KeyError, TypeError, CorpusError):
        return None
    fits = copy.shape == array.shape and copy.fortran_order == array.fortran_order
    return (copy, factor) if fits and copy.dtype == copied_dtype(array, cache.dtype) else None


def copied_dtype(array: ArrayFile, dtype: str) -> str:
    """The type of an array's copy: its own where it is no wider than asked for and no number is lost."""
    own = np.dtype(array.dtype)
    narrow = own.itemsize <= 2 or (own == np.float32 and dtype == "float32")
    return own.str if narrow else np.dtype(dtype).str


def copied_bytes(array: ArrayFile, dtype: str) -> int:
    """What an array's copy takes, but for its header."""
    return math.prod(array.shape) * np.dtype(copied_dtype(array, dtype)).itemsize


def copy(array: ArrayFile, key: str, cache: Cache) -> Iterator[int]:
    """Copy one array from its first number to its last; gives the bytes of each block once it is written.

    Raises:
        CorpusError: it cannot be read, or changes meanwhile.
        OSError: the copy cannot be written.
    """
    kept = np.dtype(copied_dtype(array, cache.dtype))
    place, factor = cache.place(key), 1.0
    draft = Draft(place)
    try:
        with tempfile.TemporaryFile(dir=cache.folder) as staged:
            scales = kept == np.float16 and np.dtype(array.dtype) != np.float16
            draft.file.write(_header(array, kept))
            largest = 0.0
            for block in _blocks(array):
                if scales:
                    numbers = block.astype(np.float32)
                    finite = numbers[np.isfinite(numbers)]
                    largest = max(largest, float(np.abs(finite).max(initial=0.0)))
                    staged.write(numbers.data)
                else:
                    draft.file.write(block.astype(kept, copy=False).data)
                yield block.size * kept.itemsize
            if scales:
                factor = _factor(largest)
                staged.seek(0)
                while part := staged.read(_BLOCK_BYTES):
                    numbers = np.frombuffer(part, np.float32)
                    draft.file.write((numbers * np.float32(1 / factor)).astype(np.float16).data)
        if key_of(array, cache.dtype) != key:
            raise CorpusError(
                Fault(
                    array.name,
                    "it was changed while it was copied",
                    "a corpus that stays as it is",
                    "Wait until nothing writes there, then give the same command again.",
                )
            )
        said = {"array": "/".join(array.path.parts[-3:]), "member": array.member, "factor": factor}
        write_atomically(place.with_suffix(".json"), (json.dumps(said) + "\n").encode())
        draft.keep()
    finally:
        draft.discard()


def _factor(largest: float) -> float:
    """The power of two that an array is divided by, so that its largest number is below 2**15."""
    if largest == 0:
        return 1.0
    return 2.0 ** max(-100, math.frexp(largest)[1] - _FLOAT16_EXPONENT)


def _header(array: ArrayFile, dtype: np.dtype[Any]) -> bytes:
    header = io.BytesIO()
    said = {"descr": dtype.str, "fortran_order": array.fortran_order, "shape": array.shape}
    np.lib.format.write_array_header_1_0(header, said)
    return header.getvalue()


def _blocks(array: ArrayFile) -> Iterator[NDArray[np.generic]]:
    """An array's numbers in the order of its file, flat, a few megabytes at a time.

    Raises:
        CorpusError: the file cannot be read, or ends early.
    """
    dtype, left = np.dtype(array.dtype), math.prod(array.shape)
    at_once = max(1, _BLOCK_BYTES // dtype.itemsize)
    try:
        with _numbers(array) as file:
            while left:
                part = file.read(min(left, at_once) * dtype.itemsize)
                if len(part) < min(left, at_once) * dtype.itemsize:
                    raise ValueError("it ends before its last number")
                block = np.frombuffer(part, dtype)
                left -= block.size
                yield block
    except OSError as error:
        raise CorpusError(Fault(array.name, error.strerror or "cannot be read")) from None
    except npy.DAMAGED as error:
        remedy = "The file may be damaged: copy or fetch it again."
        raise CorpusError(Fault(array.name, npy.reason(error), "", remedy)) from None


@contextmanager
def _numbers(array: ArrayFile) -> Iterator[IO[bytes]]:
    """An array's file, at its first number."""
    with open_regular(array.path) as file:
        if array.offset != COMPRESSED:
            file.seek(array.offset)
            yield file
            return
        with zipfile.ZipFile(file) as archive, archive.open(array.member + npy.SUFFIX) as member:
            npy.read_header(member)
            yield member
