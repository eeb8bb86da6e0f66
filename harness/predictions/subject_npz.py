"""One subject's predictions in an npz archive: ``{subject/segment_id: (n_times, n_bands)}``.

The header of each array is checked before its numbers are unpacked; object arrays are pickles and
are never loaded.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from harness import npy
from harness.errors import Fault, PredictionsError, show
from harness.predictions.containers import Container
from harness.predictions.expected import FaultList, SegmentForm

if TYPE_CHECKING:
    from harness.conventions import Array

_HEADER_BYTES = 1 << 14
"""Room for an array's header, which for a plain array takes 128 bytes."""
_OVERSIZE = 4
"""Arrays up to so many times too large are read, so that their shape can be told."""
_NO_LIMIT_BYTES = 1 << 30


def read_arrays(
    container: Container, members: Mapping[str, str], form: SegmentForm, faults: FaultList
) -> dict[str, Array]:
    """Read the arrays of one subject.

    Args:
        container: the archive.
        members: segment id -> name in messages and, with ``.npy``, in the archive.
        form: the shape of every segment.
        faults: takes everything that is wrong; the segments concerned are left out.

    Returns:
        id -> (n_times, n_bands) float64, finite.
    """
    most = _NO_LIMIT_BYTES
    if form.n_times is not None:
        most = _OVERSIZE * 8 * form.n_times * form.n_bands + _HEADER_BYTES
    segments: dict[str, Array] = {}
    for segment_id, name in members.items():
        try:
            data = container.read(name + npy.SUFFIX, most)
        except PredictionsError as error:
            faults.add("unreadable arrays", *error.faults)
            continue
        array = _array(data, show(name), form, faults)
        if array is not None:
            segments[segment_id] = array
    return segments


def npy_shape(data: bytes, where: str) -> tuple[int, ...]:
    """The shape that the header of a npy file says.

    Raises:
        PredictionsError: no header that can be read.
    """
    try:
        return npy.read_header(io.BytesIO(data)).shape
    except ValueError as error:
        raise PredictionsError(Fault(where, f"not a npy array ({show(str(error))})")) from None


def _array(data: bytes, where: str, form: SegmentForm, faults: FaultList) -> Array | None:
    """Turn the bytes of a npy file into numbers, or say what is wrong with them."""
    file = io.BytesIO(data)
    try:
        header = npy.read_header(file)
    except ValueError as error:
        faults.add("unreadable arrays", Fault(where, f"not a npy array ({show(str(error))})"))
        return None
    shape, dtype = header.shape, header.dtype
    if dtype.hasobject:
        fault = Fault(where, "an object array", "float32 or float64", "Pickles are never loaded.")
        faults.add("arrays of a wrong type", fault)
        return None
    if dtype.kind != "f" or dtype.itemsize not in (4, 8):
        remedy = "Save array.astype(np.float32)."
        fault = Fault(where, f"dtype {show(str(dtype))}", "float32 or float64", remedy)
        faults.add("arrays of a wrong type", fault)
        return None
    wrong_shape = form.fault(where, shape)
    if wrong_shape is not None:
        faults.add("segments of a wrong shape", wrong_shape)
        return None
    if len(data) - file.tell() != header.n_bytes:
        arrived = f"{len(data) - file.tell()} bytes of numbers"
        faults.add("unreadable arrays", Fault(where, arrived, f"{header.n_bytes} bytes for {shape}"))
        return None
    flat = np.frombuffer(data, dtype, offset=file.tell())
    array = flat.reshape(shape, order="F" if header.fortran_order else "C").astype(np.float64, order="C")
    not_finite = _finite_fault(array, where)
    if not_finite is not None:
        faults.add("segments with wrong values", not_finite)
        return None
    return array


def _finite_fault(array: Array, where: str) -> Fault | None:
    wrong = np.argwhere(~np.isfinite(array))
    if not len(wrong):
        return None
    i, j = wrong[0]
    arrived = f"{array[i, j]} at row {i}, column {j}"
    if len(wrong) > 1:
        arrived += f" and {len(wrong) - 1} more like it"
    return Fault(where, arrived, "finite numbers")
