"""One subject's predictions as JSON: ``{segment_id: n_times x n_bands numbers}``.

The bytes are split into segments first, without looking inside (msgspec's Raw). Each segment is
then decoded on its own with its type, so that one segment at a time exists as Python lists. Only a
segment that fails is parsed a second time, slowly, to say where and why.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from functools import cache
from itertools import chain
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from harness.errors import Fault, PredictionsError, counted, did_you_mean, show
from harness.predictions.expected import FaultList, SegmentForm, segment_name

if TYPE_CHECKING:
    from harness.conventions import Array

_SPLIT = msgspec.json.Decoder(dict[str, msgspec.Raw])
_ANY_ROWS = msgspec.json.Decoder(list[list[float]])

_NAMES_SLACK = 1000
"""Names allowed beyond ten for each expected segment: more is a flood, not a mistake."""

_NOT_FINITE = re.compile(rb"(?<=[\[,\s])(-?)(NaN|Infinity)(?=[\],\s])")
"""What Python's json.dumps writes for such numbers, though it is not JSON."""
_STAND_INS = {b"NaN": b"1e70001", b"Infinity": b"1e70002"}
"""Numbers no float64 holds, put in their place so that every other fault is found as well."""
_MOST_STAND_INS = 100_000
"""Beyond so many the first is named and the others are not looked for: replacing takes memory."""
_LITERALS = {"1e70001": "NaN", "1e70002": "Infinity", "-1e70002": "-Infinity", "-1e70001": "NaN"}

_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*"|[{}]', re.DOTALL)
_COLON = re.compile(rb"\s*:")
_BYTE = re.compile(r"^JSON is malformed: (.*) \(byte (\d+)\)$")
_ENCODINGS = {
    b"\xef\xbb\xbf": "UTF-8 with a byte order mark",
    b"\xff\xfe": "UTF-16",
    b"\xfe\xff": "UTF-16",
}
_MET = {
    "array": "a list",
    "str": "a string",
    "int": "a number",
    "float": "a number",
    "bool": "a boolean",
}
"""msgspec's names of what it met, in our words."""
_UTF8_REMEDY = "Save it as plain UTF-8: open(path, 'w', encoding='utf-8')."
_AGAIN = "Write or copy the file again."


class _Number(str):
    """A JSON number as it is written."""

    __slots__ = ()


def parse_subject(
    data: bytes,
    file: str,
    subject: str,
    segment_ids: Sequence[str] | None,
    form: SegmentForm,
    faults: FaultList,
) -> dict[str, Array]:
    """Parse one subject's JSON.

    Args:
        data: the whole file.
        file: its name, for messages.
        subject: whose it is.
        segment_ids: the ids that may occur, in order; None: any.
        form: the shape of every segment.
        faults: takes everything that is wrong; the segments concerned are left out.

    Returns:
        id -> (n_times, n_bands) float64, finite; in the order of ``segment_ids`` (of the file
        where that is None). Absent ids are absent.
    """
    raw = _split(data, file, segment_ids, faults)
    if segment_ids is not None:
        for segment_id in raw.keys() - set(segment_ids):
            _add_unknown(subject, segment_id, segment_ids, faults)
            del raw[segment_id]
    order = raw if segment_ids is None else (i for i in segment_ids if i in raw)
    segments: dict[str, Array] = {}
    for segment_id in order:
        where = show(segment_name(subject, segment_id))
        array = _segment(raw[segment_id], where, form, faults)
        if array is not None:
            segments[segment_id] = array
    return segments


def first_shape(data: bytes, file: str) -> tuple[int, ...]:
    """Rows and numbers a row of a subject's first segment; () where there is none.

    Raises:
        PredictionsError: no JSON of such segments.
    """
    try:
        segments = _split_lenient(data)
    except (ValueError, RecursionError) as error:
        raise PredictionsError(_file_fault(data, file, error)) from None
    for segment_id, raw in segments.items():
        try:
            rows = _ANY_ROWS.decode(raw)
        except (ValueError, RecursionError) as error:
            where = f"{file}, segment '{show(segment_id)}'"
            raise PredictionsError(_value_fault(raw, where, None, error)) from None
        return (len(rows), len(rows[0])) if rows else ()
    return ()


def _split(
    data: bytes, file: str, segment_ids: Sequence[str] | None, faults: FaultList
) -> dict[str, msgspec.Raw]:
    """Split a file into its segments, undecoded; faults of the file as a whole end here."""
    n_quotes = data.count(b'"')
    if segment_ids is not None and n_quotes > 20 * len(segment_ids) + 2 * _NAMES_SLACK:
        arrived = f"{n_quotes} quotation marks"
        expected = f"the ids of {counted(len(segment_ids), 'segment')}, and numbers only"
        faults.add("unreadable files", Fault(file, arrived, expected))
        return {}
    try:
        raw = _split_lenient(data)
    except (ValueError, RecursionError) as error:  # msgspec's errors and UnicodeDecodeError too
        faults.add("unreadable files", _file_fault(data, file, error))
        return {}
    if n_quotes != 2 * len(raw):  # else there are two for each name, so no name is repeated
        for name, times in _repeated(data).items():
            arrived = f"segment '{show(name)}' occurs {times} times"
            faults.add("repeated segments", Fault(file, arrived, "each id once"))
    return raw


def _split_lenient(data: bytes) -> dict[str, msgspec.Raw]:
    """Split a file into its segments even where numbers are written as NaN or Infinity."""
    try:
        return _SPLIT.decode(data)
    except msgspec.DecodeError as error:
        if data.count(b"NaN") + data.count(b"Infinity") > _MOST_STAND_INS:
            raise
        replaced, n = _NOT_FINITE.subn(lambda found: found[1] + _STAND_INS[found[2]], data)
        if not n:
            raise
        try:
            return _SPLIT.decode(replaced)
        except ValueError:
            raise error from None


def _add_unknown(subject: str, segment_id: str, known: Sequence[str], faults: FaultList) -> None:
    kind = "unknown segments"
    if faults.room(kind):
        where = show(segment_name(subject, segment_id))
        expected = f"one of the {len(known)} ids of {subject}"
        remedy = did_you_mean(segment_id, known)
        faults.add(kind, Fault(where, "unknown segment", expected, remedy))
    else:
        faults.count(kind)


def _segment(raw: msgspec.Raw, where: str, form: SegmentForm, faults: FaultList) -> Array | None:
    """Decode one segment, or say what is wrong with it."""
    n_bytes = memoryview(raw).nbytes
    if form.most_bytes is not None and n_bytes > form.most_bytes:
        arrived = f"{n_bytes} bytes of JSON"
        faults.add("segments too large", Fault(where, arrived, f"numbers of shape {form}"))
        return None
    try:
        rows = _decoder(form.n_bands).decode(raw)
    except (ValueError, RecursionError) as error:
        faults.add(*_explain(raw, where, form, error))
        return None
    wrong = form.fault(where, (len(rows), form.n_bands))
    if not rows:
        empty = Fault(where, "an empty list", f"numbers of shape {form}")
        faults.add("segments with wrong values", empty)
        return None
    if wrong is not None:
        faults.add("segments of a wrong shape", wrong)
        return None
    flat = np.fromiter(chain.from_iterable(rows), np.float64, len(rows) * form.n_bands)
    if not np.isfinite(flat).all():  # msgspec refuses these today; this check does not depend on that
        faults.add("segments with wrong values", Fault(where, "not finite", "finite numbers"))
        return None
    return flat.reshape(-1, form.n_bands)


@cache
def _decoder(n_bands: int) -> msgspec.json.Decoder[list[tuple[float, ...]]]:
    """Make the decoder of rows of ``n_bands`` numbers: tuples of a fixed length are fastest."""
    row = tuple.__class_getitem__((float,) * n_bands)
    return msgspec.json.Decoder(list[row])  # type: ignore[valid-type]


def _file_fault(data: bytes, file: str, error: Exception) -> Fault:
    """Say why a file is not a JSON object at all."""
    if not data.strip():
        return Fault(file, "empty", "a JSON object {segment_id: numbers}", _AGAIN)
    for mark, encoding in _ENCODINGS.items():
        if data.startswith(mark):
            return Fault(file, f"encoded as {encoding}", "UTF-8", _UTF8_REMEDY)
    if b"\0" in data[:2]:
        return Fault(file, "encoded as UTF-16", "UTF-8", _UTF8_REMEDY)
    if isinstance(error, msgspec.ValidationError):  # the top level is the only type to fail here
        met = str(error).partition("got ")[2].strip("`")
        arrived = f"the top level is {_MET.get(met, met)}"
        return Fault(file, arrived, "an object {segment_id: numbers}")
    if isinstance(error, RecursionError):
        return Fault(file, "nested too deep", "an object {segment_id: numbers}")
    try:
        data.decode("utf-8")
    except UnicodeDecodeError as wrong:
        arrived = f"byte {wrong.start} is {data[wrong.start]:#04x}, which is not UTF-8"
        return Fault(file, arrived, "UTF-8", _UTF8_REMEDY)
    if "truncated" in str(error):
        return Fault(file, f"ends after {len(data)} bytes", "a complete JSON object", _AGAIN)
    if "trailing" in str(error):
        return Fault(file, "text after the end of the JSON object", "one object and no more")
    expected = "an object {segment_id: numbers}"
    found = _BYTE.match(str(error))
    if found is None:
        return Fault(file, str(error), expected)
    at = int(found[2])
    if data[at - 1 : at] == b"-":  # msgspec points behind the sign
        at -= 1
    literal = re.compile(rb"-?(?:NaN|Infinity)").match(data, at)
    if literal is not None:
        return Fault(file, f"{literal[0].decode()} at byte {at}", "finite numbers")
    return Fault(file, f"malformed JSON at byte {found[2]} ({found[1]})", expected)


def _repeated(data: bytes) -> dict[str, int]:
    """Count the names at the top level of a valid JSON object; those that occur more than once."""
    depth = 0
    names: dict[str, int] = {}
    for token in _TOKEN.finditer(data):
        text = token[0]
        if text == b"{":
            depth += 1
        elif text == b"}":
            depth -= 1
        elif depth == 1 and _COLON.match(data, token.end()):
            name = msgspec.json.decode(text, type=str)
            names[name] = names.get(name, 0) + 1
    return {name: times for name, times in names.items() if times > 1}


def _explain(raw: msgspec.Raw, where: str, form: SegmentForm, error: Exception) -> tuple[str, Fault]:
    """Say what is wrong with a segment that is not rows of ``n_bands`` numbers: kind, fault."""
    try:
        rows = _ANY_ROWS.decode(raw)
    except (ValueError, RecursionError):
        return "segments with wrong values", _value_fault(raw, where, form, error)
    widths = set(map(len, rows))
    ragged = len(widths) > 1
    fault = _ragged_fault(rows, where, form) if ragged else form.misfit(where, (len(rows), *widths))
    return "segments of a wrong shape", fault


def _value_fault(raw: msgspec.Raw, where: str, form: SegmentForm | None, error: Exception) -> Fault:
    """Find the first value of a segment that is not a number, or too large for one.

    Args:
        raw: the segment.
        where: its name.
        form: its shape; None where any will do.
        error: what the parser said.
    """
    numbers = f"numbers of shape {form or '(n_frames, n_bands)'}"
    text = bytes(raw).decode("utf-8", "replace")
    try:
        value = json.loads(text, parse_int=_Number, parse_float=_Number)
    except (ValueError, RecursionError):
        return Fault(where, f"unreadable ({error})", numbers)
    if not isinstance(value, list):
        return Fault(where, _name(value), numbers)
    if all(isinstance(row, _Number) for row in value):
        shape = (len(value),)
        return form.misfit(where, shape) if form else Fault(where, f"shape {shape}", "(n_frames, n_bands)")
    for i, row in enumerate(value):
        if not isinstance(row, list):
            width = counted(form.n_bands, "number") if form else "numbers"
            return Fault(where, f"row {i} is {_name(row)}", f"a list of {width}")
        for j, number in enumerate(row):
            if not isinstance(number, _Number):
                return Fault(where, f"{_name(number)} at row {i}, column {j}", "a number")
            if not math.isfinite(float(number)):
                literal = _LITERALS.get(number, show(number))
                return Fault(where, f"{literal} at row {i}, column {j}", "a finite float64")
    return Fault(where, f"unreadable ({error})", numbers)


def _ragged_fault(rows: list[list[float]], where: str, form: SegmentForm) -> Fault:
    """Say which row has another length than the first."""
    first = len(rows[0])
    i = next(i for i, row in enumerate(rows) if len(row) != first)
    arrived = f"row 0 has {counted(first, 'number')} and row {i} has {len(rows[i])}"
    return Fault(where, arrived, f"numbers of shape {form}")


def _name(value: object) -> str:
    """Name a JSON value that is not what was asked for."""
    if isinstance(value, _Number):
        return "a number"
    if isinstance(value, str):
        return f"the string '{show(value)}'"
    if isinstance(value, bool):
        return "the boolean true" if value else "the boolean false"
    if value is None:
        return "null"
    return "a list" if isinstance(value, list) else "an object"
