"""Records as files: where each lies, and which may take whose place.

A record lies at ``results/<corpus>/<split>/<part>/<feature>/<name>.json``; that folder is a board. A record
replaces the earlier one of its own system. Anything else in its place is kept, and the new record refused,
unless the user says ``--replace``.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path

import msgspec

from harness.conventions import HASH_DIGITS
from harness.errors import Fault, RecordError, raise_all
from harness.files import alone_in, read_regular, write_atomically
from harness.records.document import parse_record, record_bytes
from harness.records.neighbours import Facts, neighbour_faults
from harness.records.record import MOST_RECORD_BYTES, VOLATILE, CorpusData, Record, SplitPart, System


class _Kind(msgspec.Struct):
    kind: str


class _Missing(msgspec.Struct):
    subjects_missing: tuple[str, ...]


class _Glimpse(msgspec.Struct):
    """The keys of a record that its neighbours have in common."""

    split: SplitPart
    corpus: CorpusData
    submission: _Kind
    flags: _Missing


_GLIMPSE = msgspec.json.Decoder(_Glimpse)
REMEDY = (
    "Rename one of the two, choose another folder with --out, or put this one in its place with --replace."
)


def record_path(results: Path, record: Record) -> Path:
    """Where a record lies below a results folder.

    A variant that has a name stands in the file's name, and so do whose weights another board's are, excluded
    channels, the seed of one of several trainings, and that a record is partial.
    """
    board = (record.corpus.name, record.split.name, record.split.part, record.feature)
    return results.joinpath(*board, record_name(record.submission, partial=record.flags.partial))


def record_name(system: System, *, partial: bool) -> str:
    """The name of a record's file."""
    return f"{system.stem}.partial.json" if partial else f"{system.stem}.json"


def read_record(path: Path) -> Record:
    """Read and validate a record.

    Raises:
        RecordError: missing, not JSON, or not valid by its schema.
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


def write_record(results: Path, record: Record, *, replace: bool = False) -> tuple[Path, bool]:
    """Write a record below a results folder, whole or not at all.

    A record that is there already and differs only in time, host and commit is left as it is; so is one that
    has controls too, where the new one was scored without. One that says otherwise how far its record of
    training is to be believed is written again.

    Args:
        results: the folder.
        record: to write.
        replace: whatever is there is replaced.

    Returns:
        The record's path, and whether it was written.

    Raises:
        RecordError: the folder cannot be written, or something else has that place.
    """
    path = record_path(results, record)
    try:
        with alone_in(path.parent):  # two systems of one place may be scored at once
            if not replace:
                there = stored_record(path)
                if there is not None:
                    if _same_but_for_time(there, record):
                        return path, False
                    faults = system_faults(path, there, record.submission) + _data_faults(path, there, record)
                    raise_all(RecordError, faults)
                check_neighbours(path, Facts.of(record))
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


def check_neighbours(path: Path, facts: Facts) -> None:
    """Refuse a record that its board's could not be compared with.

    Args:
        path: where it is to be written.
        facts: of the record.

    Raises:
        RecordError: they are of another declaration, split file or data.
    """
    paths = sorted(path.parent.glob("*.json"))
    if not _known([other for other in paths if not _are_alike(facts, glimpse(other))]):
        return
    raise_all(RecordError, neighbour_faults(path, facts, _known(paths)))


def _known(paths: Sequence[Path]) -> dict[str, Facts]:
    """Facts of those files that hold a record."""
    found = {}
    for path in paths:
        with contextlib.suppress(RecordError):  # `rank` names it
            found[path.name] = Facts.of(read_record(path))
    return found


def glimpse(path: Path) -> Facts | None:
    """What a record's file says of its facts, without a check of the rest; None where it cannot be read.

    It takes a hundredth of the time of reading the record. A board that has ten thousand is glimpsed at
    whenever a record is added.
    """
    try:
        found = _GLIMPSE.decode(read_regular(path, MOST_RECORD_BYTES))
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    return Facts(found.split, found.corpus, found.submission.kind, found.flags.subjects_missing)


def _are_alike(facts: Facts, other: Facts | None) -> bool:
    """Whether nothing sets two records apart, whatever else the other's file holds."""
    return other is not None and not neighbour_faults(Path(), facts, {"": other})


def stored_record(path: Path) -> Record | None:
    """The record in a place; None where there is no file.

    Raises:
        RecordError: what is there is no record that can be read.
    """
    if not path.exists() and not path.is_symlink():
        return None
    try:
        return read_record(path)
    except RecordError as error:
        fault = error.faults[0]
        raise RecordError(
            Fault(
                fault.where,
                f"a file that is no record of this version is there: {fault.arrived}",
                "no file, or the system's earlier record",
                "Look at it; then remove it, choose another folder with --out, or say --replace.",
            )
        ) from None


def system_faults(path: Path, there: Record, system: System) -> list[Fault]:
    """What is wrong with putting a system's record in a place where a record is.

    Args:
        path: of the file.
        there: the record in it.
        system: whose record is to be written.
    """
    old, new = there.submission, system
    if (old.identity, old.seed) != (new.identity, new.seed):
        return [another_system(path, old, new)]
    if new.kind == "predictions" and old.predictions_sha256 != new.predictions_sha256:
        # A predictions file does not say who made it.
        return [another_system(path, old, new)]
    return []


def another_system(path: Path, old: System, new: System, old_folder: str = "", new_folder: str = "") -> Fault:
    """The fault where another system's record has a record's place.

    Args:
        path: of the file.
        old: whose record is in it.
        new: whose record is to be written.
        old_folder: where the submission of the first lies, if that is known.
        new_folder: where that of the second lies.
    """
    return Fault(
        str(path),
        f"the record of {_shown(old, old_folder)}",
        f"none, or one of {_shown(new, new_folder)}",
        REMEDY,
    )


def _shown(system: System, folder: str) -> str:
    what = "predictions" if system.kind == "predictions" else "code"
    sha256 = system.predictions_sha256 if system.kind == "predictions" else system.code_sha256
    where = f" in {folder}" if folder else ""
    return f"{system.title_with_seed}{where} ({what} {(sha256 or 'unknown')[:HASH_DIGITS]})"


def _data_faults(path: Path, there: Record, record: Record) -> list[Fault]:
    same = {
        "split file": (there.split.sha256, record.split.sha256),
        "corpus data": (there.corpus.fingerprint, record.corpus.fingerprint),
        "declaration of the corpus": (
            there.corpus.declaration_sha256 or "none",
            record.corpus.declaration_sha256 or "none",
        ),
    }
    return [
        Fault(
            str(path),
            f"a record of another {what} ({old[:HASH_DIGITS]})",
            f"none, or one of the same board ({new[:HASH_DIGITS]})",
            "The score stands; choose another folder with --out, or replace that record with --replace.",
        )
        for what, (old, new) in same.items()
        if old != new
    ]


def _same_but_for_time(one: Record, other: Record) -> bool:
    values = {name: getattr(other, name) for name in VOLATILE}
    if not other.controls:  # what was measured once is not lost to a quick run without controls
        values["controls"] = other.controls
    return one.training == other.training and msgspec.structs.replace(one, **values) == other
