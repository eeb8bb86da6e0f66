"""A record as JSON: read and written here and nowhere else.

Two runs on the same inputs give the same bytes, except ``run`` (time and host) and ``git`` (the commit of the
repository).
"""

from __future__ import annotations

import json
import re
from typing import Any

import msgspec

from harness.errors import Fault, RecordError, raise_all
from harness.records.record import Record
from harness.schemas.documents import parse_json
from harness.schemas.validate import schema_faults

_NUMBER_LIST = re.compile(r"\[\s+([-+.\deE,\s]+?)\s+\]")


def plain(record: Record) -> dict[str, Any]:
    """The record as JSON has it: dictionaries, lists, numbers and strings, in the file's order."""
    document: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(record))
    return document


def record_bytes(record: Record) -> bytes:
    """The record as it stands in a file: UTF-8 JSON, one line a key, lists of numbers on one line."""
    text = json.dumps(msgspec.to_builtins(record), indent=1, ensure_ascii=False, allow_nan=False)
    text = _NUMBER_LIST.sub(lambda match: "[" + " ".join(match[1].split()) + "]", text)
    return (text + "\n").encode("utf-8")


def parse_record(content: bytes, where: str) -> Record:
    """A record from its file's bytes.

    Args:
        content: of the file.
        where: the file, for messages.

    Raises:
        RecordError: not JSON, or not valid by its schema.
    """
    try:
        document = parse_json(content)
    except ValueError as error:
        raise RecordError(Fault(where, f"not JSON ({error})", "a score record")) from None
    raise_all(RecordError, schema_faults(document, "score-record", where))
    try:
        return msgspec.convert(document, Record)
    except msgspec.ValidationError as error:  # a whole number written as 3.0, which JSON Schema lets pass
        raise RecordError(Fault(where, str(error), "a score record")) from None
