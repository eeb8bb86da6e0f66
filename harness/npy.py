"""numpy's files as strangers write them: the header of an npy, and every array of an npz.

The header is looked at before any number is read, and no pickle is ever loaded. What cannot be used raises
``ValueError`` with the reason in one line.
"""

from __future__ import annotations

import io
import lzma
import math
import struct
import tokenize
import warnings
import zipfile
import zlib
from typing import IO, Any, Literal, NamedTuple

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

SUFFIX = ".npy"
MAX_HEADER_BYTES = 10_000
"""The longest text of a header that is read, as in numpy; that of a plain array takes 118 bytes."""
_MAX_AXIS = 2**62
_MAX_AXES = 32
# Version of the format -> bytes that a header's length takes, and its parser.
_VERSIONS = {(1, 0): (2, npy.read_array_header_1_0), (2, 0): (4, npy.read_array_header_2_0)}

DAMAGED = (
    ValueError,  # with UnicodeDecodeError
    TypeError,
    KeyError,
    IndexError,
    AttributeError,
    SyntaxError,
    EOFError,
    OverflowError,
    RecursionError,
    MemoryError,
    RuntimeError,  # of an encrypted member; with NotImplementedError
    struct.error,
    tokenize.TokenError,
    zlib.error,
    lzma.LZMAError,
    zipfile.BadZipFile,
)
"""What numpy and zipfile raise on damaged or hostile bytes, besides OSError."""


class Header(NamedTuple):
    """What stands before the numbers of an npy file.

    Attributes:
        shape: no axis negative.
        fortran_order: whether the first axis runs fastest.
        dtype: of one number; may be any, objects too.
    """

    shape: tuple[int, ...]
    fortran_order: bool
    dtype: np.dtype[Any]

    @property
    def n_bytes(self) -> int:
        """How many bytes the numbers take."""
        return math.prod(self.shape) * self.dtype.itemsize


def read_header(file: IO[bytes]) -> Header:
    """Read a header; the file then stands at the first number.

    Raises:
        ValueError: there is no header, or its shape is one that no array has.
        OSError: the file cannot be read.
    """
    start = file.read(npy.MAGIC_LEN)
    if not start.startswith(npy.MAGIC_PREFIX):
        raise ValueError(f"it begins with {start[: len(npy.MAGIC_PREFIX)]!r}")
    if len(start) < npy.MAGIC_LEN:
        raise ValueError("it ends in its header")
    version = (start[-2], start[-1])
    if version not in _VERSIONS:
        raise ValueError(f"version {version[0]}.{version[1]} of the format")
    n_length, parse = _VERSIONS[version]
    length = file.read(n_length)
    n_text = int.from_bytes(length, "little")
    if n_text > MAX_HEADER_BYTES:
        raise ValueError(f"a header of {n_text} bytes")
    text = file.read(n_text)
    if len(length) < n_length or len(text) < n_text:
        raise ValueError("it ends in its header")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # headers written by Python 2 are read with a warning
            shape, fortran_order, dtype = parse(io.BytesIO(length + text))
    except DAMAGED as error:
        raise ValueError(reason(error)) from None
    if len(shape) > _MAX_AXES or not all(0 <= axis <= _MAX_AXIS for axis in shape):
        raise ValueError(f"shape {str(shape)[:80]}")
    return Header(tuple(map(int, shape)), fortran_order, dtype)


def read_npz(file: IO[bytes], most_bytes: int, only: str | None = None) -> dict[str, NDArray[Any]]:
    """Read every array of an npz.

    Args:
        file: the archive.
        most_bytes: of all arrays together, unpacked.
        only: name of the one array to read; None for all.

    Returns:
        Name -> array, in the archive's order.

    Raises:
        ValueError: no zip, damaged, a name twice, an array of objects, or more bytes.
        OSError: the file cannot be read.
    """
    arrays: dict[str, NDArray[Any]] = {}
    left = most_bytes
    try:
        with zipfile.ZipFile(file) as archive:
            for info in archive.infolist():
                name = info.filename.removesuffix(SUFFIX)
                if only not in (None, name):
                    continue
                if name == info.filename:
                    raise ValueError(f"{name!r} is not an array")
                if name in arrays:
                    raise ValueError(f"{name!r} is there twice")
                check_method(info)
                left -= info.file_size
                if left < 0:
                    raise ValueError(f"more than {most_bytes} bytes of arrays")
                with archive.open(info) as member:
                    arrays[name] = _array(member, info.file_size)
    except DAMAGED as error:
        raise ValueError(reason(error)) from None
    return arrays


def check_method(info: zipfile.ZipInfo) -> None:
    """Refuse a member that is neither stored nor deflated.

    Raises:
        ValueError: compressed otherwise.
    """
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise ValueError(f"{info.filename!r} is compressed by method {info.compress_type}, not deflate")


def reason(error: Exception) -> str:
    """An error's first line, printable and not long; its type where it says nothing."""
    line = next(iter(str(error).splitlines()), "") or type(error).__name__
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in line[:200])


def _array(file: IO[bytes], size: int) -> NDArray[Any]:
    header = read_header(file)
    if header.dtype.hasobject:
        raise ValueError("an array of objects, which are pickles and are never loaded")
    if header.n_bytes > size:  # before room is made for it
        raise ValueError(f"{size} bytes, too few for shape {header.shape} of {header.dtype}")
    data = file.read()
    if len(data) != header.n_bytes:
        raise ValueError(f"{len(data)} bytes of numbers for shape {header.shape} of {header.dtype}")
    order: Literal["F", "C"] = "F" if header.fortran_order else "C"
    return np.ndarray(header.shape, header.dtype, bytearray(data), order=order)  # writable, as np.load gives
