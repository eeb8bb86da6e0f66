"""Records as files: where each lies, and which may take whose place.

A record lies at ``results/<corpus>/<split>/<part>/<feature>/<name>.json``; that folder is a board.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from harness.errors import Fault, RecordError
from harness.files import read_regular, write_atomically
from harness.records.record import MOST_RECORD_BYTES, VOLATILE, Record, parse_record, record_bytes


def record_path(results: Path, record: Record) -> Path:
    """Where a record lies below a results folder.

    A variant that has a name stands in the file's name, and so does a partial record.
    """
    name = record.submission.stem
    if record.flags.partial:
        name += ".partial"
    return results.joinpath(
        record.corpus.name, record.split.name, record.split.part, record.feature, f"{name}.json"
    )


def read_record(path: Path) -> Record:
    """Read and validate a record.

    Raises:
        RecordError: missing, not JSON, or against the schema.
    """
    return parse_record(read_bytes(path), str(path))


def read_bytes(path: Path) -> bytes:
    """A record's file as it is.

    Raises:
        RecordError: missing, or cannot be read.
    """
    try:
        return read_regular(path, MOST_RECORD_BYTES)
    except OSError as error:
        raise RecordError(
            Fault(
                str(path),
                error.strerror or "cannot be read",
                "a score record, such as `harness score` writes below results/",
            )
        ) from None


def write_record(results: Path, record: Record) -> tuple[Path, bool]:
    """Write a record below a results folder, whole or not at all.

    A record that is there already and differs only in time, host and commit is left as it is.

    Returns:
        The record's path, and whether it was written.

    Raises:
        RecordError: the folder cannot be written.
    """
    path = record_path(results, record)
    try:
        there = read_record(path)
    except RecordError:
        pass  # none there, or a broken one: the new one takes its place
    else:
        if _same_but_for_time(there, record):
            return path, False
        _check_same_board(path, there, record)
    try:
        write_atomically(path, record_bytes(record))
    except OSError as error:
        raise RecordError(
            Fault(
                str(path),
                f"{error.strerror or 'cannot be written'}",
                "a results folder that can be written",
                "The score stands; choose another folder with --out, or keep --json's output.",
            )
        ) from None
    return path, True


def _check_same_board(path: Path, there: Record, record: Record) -> None:
    """A record replaces its own earlier self, and nothing else."""
    same = {
        "kind of target": (there.submission.kind, record.submission.kind),
        "split file": (there.split.sha256, record.split.sha256),
        "corpus data": (there.corpus.fingerprint, record.corpus.fingerprint),
    }
    other = [name for name, (old, new) in same.items() if old != new]
    if other:
        raise RecordError(
            Fault(
                str(path),
                f"a record of another {', another '.join(other)}",
                "no record, or one of the same board",
                "The score stands; choose another folder with --out, or remove that record first.",
            )
        )


def _same_but_for_time(one: Record, other: Record) -> bool:
    values = {name: getattr(other, name) for name in VOLATILE}
    return msgspec.structs.replace(one, **values) == other
