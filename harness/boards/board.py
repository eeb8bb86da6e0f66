"""Leaderboards: a board's records, ranked, with how sure the ranking is.

A board is a folder ``results/<corpus>/<split>/<part>/<feature>/``; boards are never mixed. The ranking is
the rank interval (bootstrap over subjects, drawn jointly for all systems) and the tie groups: two
systems share a letter where a paired sign-flip test over subjects, Holm over all pairs, cannot tell them
apart, and only there. The same records give the same ranking, to the byte.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.errors import Fault, RecordError, raise_all, shorten
from harness.records.record import Record, parse_record, read_bytes, record_path

HASH_DIGITS = 12


class BoardName(NamedTuple):
    """What chooses a board; ``CORPUS/SPLIT/PART/FEATURE`` in words."""

    corpus: str
    split: str
    part: str
    feature: str

    def __str__(self) -> str:
        return "/".join(self)


@dataclass(frozen=True)
class Entry:
    """One record of a board.

    Attributes:
        path: of its file.
        record: its values.
        sha256: of the file's bytes.
    """

    path: Path
    record: Record
    sha256: str

    @classmethod
    def of(cls, path: Path, content: bytes) -> Entry:
        """The record in a file's bytes.

        Raises:
            RecordError: not JSON, or against the schema.
        """
        return cls(path, parse_record(content, str(path)), hashlib.sha256(content).hexdigest())

    @classmethod
    def read(cls, path: Path) -> Entry:
        """The record in a file.

        Raises:
            RecordError: missing, not JSON, or against the schema.
        """
        return cls.of(path, read_bytes(path))

    @property
    def board(self) -> BoardName:
        """The board that it is of."""
        record = self.record
        return BoardName(
            record["corpus"]["name"], record["split"]["name"], record["split"]["part"], record["feature"]
        )

    @property
    def system(self) -> str:
        """The system's name, its variant in brackets where it has one."""
        name, variant = (self.record["submission"][key] for key in ("name", "variant"))
        return f"{name}" if variant in (None, "default") else f"{name} ({variant})"

    @property
    def scores(self) -> list[float]:
        """Mean Pearson r of each subject, in the board's order."""
        return [subject["pearson_r"] for subject in self.record["subjects"].values()]


@dataclass(frozen=True)
class Board:
    """The records that can be ranked against each other, and those that cannot.

    Attributes:
        name: which board.
        entries: complete records over the same subjects, best mean first.
        partial: records over a part of the subjects; they are not ranked.
    """

    name: BoardName
    entries: tuple[Entry, ...]
    partial: tuple[Entry, ...] = ()

    @property
    def simulated(self) -> bool:
        """Whether the data are simulated."""
        every = self.entries or self.partial
        return any(entry.record["corpus"]["kind"] == "simulated" for entry in every)

    @property
    def subjects(self) -> tuple[str, ...]:
        """Ids of the subjects."""
        return tuple(self.entries[0].record["subjects"]) if self.entries else ()

    @cached_property
    def scores(self) -> NDArray[np.float64]:
        """(n_systems, n_subjects) mean Pearson r."""
        return np.array([entry.scores for entry in self.entries], dtype=np.float64)


def board_names(results: Path) -> list[BoardName]:
    """The boards below a results folder, in order.

    Raises:
        RecordError: no such folder, or no record in it.
    """
    if not results.is_dir():
        raise RecordError(
            Fault(
                str(results), "no such folder", "a results folder", "Score a submission first, or --results."
            )
        )
    folders = {path.parent for path in results.glob("*/*/*/*/*.json")}
    if not folders:
        raise RecordError(
            Fault(
                str(results),
                "no record",
                "<corpus>/<split>/<part>/<feature>/<name>.json",
                "Score a submission first: harness score SUBMISSION",
            )
        )
    return sorted(BoardName(*folder.relative_to(results).parts) for folder in folders)


def parse_board(text: str) -> BoardName:
    """``CORPUS/SPLIT/PART/FEATURE`` -> its name.

    Raises:
        RecordError: not four words.
    """
    words = text.strip("/").split("/")
    if len(words) != 4 or not all(words):
        raise RecordError(
            Fault(
                f"--board {text}",
                f"{len(words)} words between slashes",
                "four, CORPUS/SPLIT/PART/FEATURE",
                "For example: simulated/held-out-subjects/test/mel",
            )
        )
    return BoardName(*words)


def load_board(results: Path, name: BoardName) -> Board:
    """Read a board's records.

    Raises:
        RecordError: no such board; a record that is broken, lies in the wrong place or under a wrong name,
            or differs from the others in split file, data, scorer or subjects (all faults at once).
    """
    folder = results.joinpath(*name)
    paths = sorted(folder.glob("*.json"))
    if not paths:
        known = shorten([str(board) for board in board_names(results)], 6)
        raise RecordError(Fault(f"board {name}", "no record", f"one of {known}", "Choose it with --board."))
    faults: list[Fault] = []
    entries: list[Entry] = []
    for path in paths:
        try:
            entry = Entry.read(path)
        except RecordError as error:
            faults += error.faults
            continue
        if path.resolve() != record_path(results, entry.record).resolve():
            faults.append(misplaced(path, results, entry.record))
            continue
        entries.append(entry)
    faults += strangers(entries)
    raise_all(RecordError, faults)
    return board_of(name, entries)


def board_of(name: BoardName, entries: Sequence[Entry]) -> Board:
    """A board of records that were read before, best mean first, equal means by name."""
    ordered = sorted(entries, key=lambda entry: (-entry.record["score"], entry.system))
    whole = [entry for entry in ordered if not entry.record["flags"]["partial"]]
    return Board(name, tuple(whole), tuple(entry for entry in ordered if entry not in whole))


def misplaced(path: Path, results: Path, record: Record) -> Fault:
    """The fault of a record that does not lie where its contents say."""
    return Fault(
        str(path),
        "a record of another board or name",
        str(record_path(results, record)),
        "Move it there, or remove it.",
    )


def strangers(entries: Sequence[Entry]) -> list[Fault]:
    """What keeps records from being compared. The most common value is taken for the board's."""
    records = [entry.record for entry in entries]
    facts: dict[str, list[object]] = {
        "split file": [record["split"]["sha256"] for record in records],
        "scorer version": [record["scorer_version"] for record in records],
        "kind of corpus": [record["corpus"]["kind"] for record in records],
        "set of subjects": [
            None if record["flags"]["partial"] else tuple(record["subjects"]) for record in records
        ],
    }
    # Predictions that are handed in are scored without EEG, so their fingerprint of the data is another.
    for kind in dict.fromkeys(record["submission"]["kind"] for record in records):
        facts[f"corpus's data ({kind})"] = [
            record["corpus"]["fingerprint"] if record["submission"]["kind"] == kind else None
            for record in records
        ]
    faults = []
    for what, values in facts.items():
        given = [value for value in values if value is not None]
        usual = max(dict.fromkeys(given), key=given.count) if given else None
        faults += [
            Fault(
                str(entry.path),
                f"another {what} than the board's other records",
                _shown(usual),
                "Score it again, or remove it.",
            )
            for entry, value in zip(entries, values, strict=True)
            if value not in (None, usual)
        ]
    return faults


def _shown(value: object) -> str:
    if isinstance(value, tuple):
        return shorten([str(part) for part in value], 3)
    text = str(value)
    return f"{text[:16]}…" if len(text) > 40 else text
