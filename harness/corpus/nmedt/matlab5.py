"""The elements of a MATLAB file of version 5, looked at before scipy reads it.

scipy's reader takes tags at their word: a damaged one in a file that is not compressed ends the process, and
no message names the file. (In a compressed file, as the dataset's are, zlib's checksum finds the damage.)

    file     a header of 128 bytes, then elements
    element  a tag of type and size, then its data, in steps of 8 bytes; up to 4 bytes lie in the tag itself
    matrix   an element that holds elements: flags, sizes, a name, and then what its class says
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple

HEADER_BYTES: Final = 128
TAG_BYTES: Final = 8
MATRIX, COMPRESSED = 14, 15
# Types of the elements that begin a matrix: flags, sizes, a name. Some writers have unsigned sizes, or UTF-8.
_HEADS: Final = (frozenset({6}), frozenset({5, 6}), frozenset({1, 16}))
_NUMBERS: Final = frozenset({*range(1, 8), 9, 12, 13})
_TEXT: Final = frozenset({1, 2, 4, 16, 17, 18})
_CELL, _CHAR, _SPARSE = 1, 4, 5  # classes
_NUMERIC: Final = range(6, 16)
_FURTHER: Final = (2, 3, 16, 17)  # struct, object, function, and what is opaque
_COMPLEX: Final = 0x800


class _Element(NamedTuple):
    kind: int
    place: int
    size: int


def check_elements(path: Path) -> None:
    """Refuse a file whose elements are not where and what they can be.

    Raises:
        ValueError: the first such element.
        OSError: the file cannot be read.
    """
    with path.open("rb") as file:
        order = "<" if file.read(HEADER_BYTES)[-2:] == b"IM" else ">"
        n_bytes = file.seek(0, 2)
        for element in _elements(file, order, HEADER_BYTES, n_bytes):
            if element.kind not in (MATRIX, COMPRESSED):
                raise _refusal(element)
            if element.kind == MATRIX:
                _check_matrix(file, order, element)


def _elements(file: BinaryIO, order: str, place: int, end: int) -> Iterator[_Element]:
    while place < end:
        file.seek(place)
        kind, size = struct.unpack(f"{order}II", file.read(TAG_BYTES))
        inside = kind >> 16  # the size of what lies in the tag itself
        if inside:
            yield _Element(kind & 0xFFFF, place + 4, inside)
            place += TAG_BYTES
            continue
        element = _Element(kind, place + TAG_BYTES, size)
        place = element.place + size
        if place > end:
            raise ValueError(f"an element of {size} bytes at byte {element.place}, where {end} end it")
        yield element
        place += 0 if kind == COMPRESSED else -size % 8


def _check_matrix(file: BinaryIO, order: str, matrix: _Element) -> None:
    inside = list(_elements(file, order, matrix.place, matrix.place + matrix.size))
    if not inside:
        return  # an empty cell of a cell array
    for element, kinds in zip(inside, _HEADS, strict=False):
        if element.kind not in kinds:
            raise _refusal(element)
    file.seek(inside[0].place)
    (flags,) = struct.unpack(f"{order}I", file.read(4))
    its_class, data = flags & 0xFF, inside[3:]
    parts = 2 if flags & _COMPLEX else 1
    for element in data:
        if its_class in _NUMERIC or its_class == _SPARSE:
            fits = element.kind in _NUMBERS
        elif its_class == _CHAR:
            fits = element.kind in _TEXT
        elif its_class == _CELL:
            fits = element.kind == MATRIX
        else:
            fits = element.kind in (_NUMBERS | _TEXT | {MATRIX})
        if not fits:
            raise _refusal(element)
        if element.kind == MATRIX:
            _check_matrix(file, order, element)
    expected = {_CHAR: 1, _SPARSE: 2 + parts, **dict.fromkeys(_NUMERIC, parts)}.get(its_class, len(data))
    known = its_class in (_CELL, _CHAR, _SPARSE, *_NUMERIC, *_FURTHER)
    if len(inside) < 3 or len(data) != expected or not known:
        said = f"a matrix of class {its_class} with {len(inside)} elements at byte {matrix.place}"
        raise ValueError(said)


def _refusal(element: _Element) -> ValueError:
    return ValueError(f"an element of type {element.kind} at byte {element.place}")
