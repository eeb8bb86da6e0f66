"""Leaderboards: a board's records, ranked, with how sure the ranking is.

A board is a folder ``results/<corpus>/<split>/<part>/<feature>/``; boards are never mixed. A record is of one
training; those of one system that differ in its seed are one row. The same records give the same ranking, to
the byte.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.boards.trainings import odd_seeds, pooled
from harness.errors import Fault, RecordError, UsageError, counted, did_you_mean, raise_all, shorten
from harness.records.consistency import inconsistencies
from harness.records.document import parse_record, record_bytes
from harness.records.record import Record
from harness.records.store import read_bytes, record_path
from harness.records.without_brain import WithoutBrain
from harness.scoring.measures import DEFAULT, Measure, measure
from harness.scoring.score import SCORER_VERSION
from harness.scoring.statistics import STATISTICS_VERSION


class BoardName(NamedTuple):
    """What chooses a board; ``CORPUS/SPLIT/PART/FEATURE`` in words."""

    corpus: str
    split: str
    part: str
    feature: str

    def __str__(self) -> str:
        return "/".join(self)


@dataclass(frozen=True)
class BoardRecord:
    """One record of a board, with its file.

    Attributes:
        path: of its file.
        record: its values.
        sha256: of the file's bytes.
        fresh: whether it was made just now, and need not lie in the file yet.
        seeds: records of several trainings, by seed, where this is the mean over them (see ``trainings.py``);
            path and file are then those of the first, and the hash is of all.
    """

    path: Path
    record: Record
    sha256: str
    fresh: bool = False
    seeds: tuple[BoardRecord, ...] = ()

    @classmethod
    def of(cls, path: Path, content: bytes) -> BoardRecord:
        """The record in a file's bytes.

        Raises:
            RecordError: not JSON, or not valid by its schema.
        """
        return cls(path, parse_record(content, str(path)), hashlib.sha256(content).hexdigest())

    @classmethod
    def read(cls, path: Path) -> BoardRecord:
        """The record in a file.

        Raises:
            RecordError: missing, not JSON, or not valid by its schema.
        """
        return cls.of(path, read_bytes(path))

    @classmethod
    def sound(cls, path: Path) -> BoardRecord:
        """The record in a file, refused where it contradicts itself.

        Raises:
            RecordError: it does, or is missing, not JSON, or not valid by its schema.
        """
        one = cls.read(path)
        raise_all(RecordError, inconsistencies(one.record, str(path)))
        return one

    @classmethod
    def made(cls, results: Path, record: Record) -> BoardRecord:
        """A record that was made just now, where it would lie below a results folder."""
        sha256 = hashlib.sha256(record_bytes(record)).hexdigest()
        return cls(record_path(results, record), record, sha256, fresh=True)

    @property
    def board(self) -> BoardName:
        """The board that the record's contents name."""
        record = self.record
        return BoardName(record.corpus.name, record.split.name, record.split.part, record.feature)

    @property
    def system(self) -> str:
        """The system's name, its variant in brackets where it has one."""
        return self.record.submission.title

    @property
    def trainings(self) -> tuple[BoardRecord, ...]:
        """A record of each training; this one where there is one."""
        return self.seeds or (self,)

    @property
    def is_architecture(self) -> bool:
        """Whether what is said of it goes beyond its weights: several trainings, or only one is possible."""
        training = self.record.submission.training
        return bool(self.seeds) or (training is not None and training.seed is None)

    @property
    def scores(self) -> list[float]:
        """The score of each subject by the measure that ranks, in the board's order."""
        return list(self.record.ranked.subjects.values())

    @property
    def unseen(self) -> Mapping[str, float]:
        """Subject -> its score on unseen stimuli; empty where there are not seen and unseen ones."""
        return self.record.stimuli.unseen.subjects if self.record.stimuli else {}


@dataclass(frozen=True)
class Board:
    """The records that can be ranked against each other, and those that cannot.

    Attributes:
        name: which board.
        records: complete ones over the same subjects and by the same measures, best mean first; behind them,
            likewise, those that a control flags.
        partial: records over a part of the subjects; they are not ranked.
        left_out: what is wrong with each record that is neither.
    """

    name: BoardName
    records: tuple[BoardRecord, ...]
    partial: tuple[BoardRecord, ...] = ()
    left_out: tuple[Fault, ...] = ()

    @property
    def empty(self) -> bool:
        """Whether no record is left."""
        return not self.records and not self.partial

    @property
    def simulated(self) -> bool:
        """Whether the records are of simulated data."""
        return any(one.record.simulated for one in self.records or self.partial)

    @property
    def flag(self) -> str:
        """What a reader of its split's scores must know; empty where nothing is wrong."""
        return next(
            (one.record.split.flag for one in self.records or self.partial if one.record.split.flag), ""
        )

    @property
    def without_brain(self) -> Mapping[str, WithoutBrain]:
        """What predictions score that no EEG went into, one for all systems; empty where unknown."""
        return next((one.record.without_brain for one in self.records if one.record.without_brain), {})

    @property
    def held_back(self) -> bool:
        """Whether nobody but the organiser has the labels, by every record."""
        return all(one.record.corpus.is_held_back for one in self.records or self.partial)

    @property
    def subjects(self) -> tuple[str, ...]:
        """Ids of the subjects, in the order of every record; empty where no record is ranked."""
        return tuple(self.records[0].record.subjects) if self.records else ()

    @property
    def measures(self) -> tuple[Measure, ...]:
        """What its split is scored by; the first ranks."""
        some = self.records or self.partial
        names = some[0].record.measure_names if some else (DEFAULT,)
        return tuple(map(measure, names))

    @property
    def names_measures(self) -> bool:
        """Whether it is scored by anything but Pearson r alone."""
        return [one.name for one in self.measures] != [DEFAULT]

    @property
    def by_unseen(self) -> bool:
        """Whether systems are ranked by the stimuli that their trainings did not see."""
        return _by_unseen(self.records)

    @cached_property
    def scores(self) -> NDArray[np.float64]:
        """(n_systems, n_subjects) scores by the measure that ranks, on unseen stimuli where these rank."""
        values = [list(one.unseen.values()) if self.by_unseen else one.scores for one in self.records]
        return np.array(values, dtype=np.float64)

    def over_seeds(self, one: BoardRecord) -> NDArray[np.float64]:
        """(n_seeds, n_subjects) scores of one of its systems, as in ``scores``."""
        values = [list(its.unseen.values()) if self.by_unseen else its.scores for its in one.trainings]
        return np.array(values, dtype=np.float64)


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
        UsageError: not four words.
    """
    words = text.strip("/").split("/")
    if len(words) != 4 or not all(words):
        raise UsageError(
            Fault(
                f"--board {text}",
                f"{counted(len(words), 'word')} between slashes",
                "four, CORPUS/SPLIT/PART/FEATURE",
                "For example: simulated/held-out-subjects/test/mel",
            )
        )
    return BoardName(*words)


def load_board(results: Path, name: BoardName) -> Board:
    """Read a board's records.

    A record that is broken, contradicts itself, lies in the wrong place or under a wrong name, or differs
    from the others in split file, measures, data, scorer or subjects, is left out; the board says which and
    why.

    Raises:
        UsageError: no such board.
        RecordError: no record at all.
    """
    paths = sorted(results.joinpath(*name).glob("*.json"))
    if not paths:
        known = [str(board) for board in board_names(results)]
        remedy = did_you_mean(str(name), known) or "Choose it with --board."
        raise UsageError(Fault(f"board {name}", "no record", f"one of {shorten(known, 6)}", remedy))
    faults: list[Fault] = []
    records: list[BoardRecord] = []
    for path in paths:
        try:
            one = BoardRecord.read(path)
        except RecordError as error:
            faults += error.faults
            continue
        own = inconsistencies(one.record, str(path)) + _too_new(one)
        if path.resolve() != record_path(results, one.record).resolve():
            own.append(misplaced(path, results, one.record))
        faults += own
        if not own:
            records.append(one)
    odd = strangers(records)
    faults += odd
    strange = {fault.where for fault in odd}
    return board_of(name, [one for one in records if str(one.path) not in strange], faults)


def board_of(name: BoardName, records: Sequence[BoardRecord], left_out: Sequence[Fault] = ()) -> Board:
    """A board of records that were read before, best mean first, equal means by name.

    Several trainings of one system become one; records that a control flags stand behind all others.

    Args:
        name: of the board.
        records: that belong together.
        left_out: what is wrong with others.
    """
    records = pooled(records)
    by_unseen = _by_unseen([one for one in records if not one.record.flags.partial])
    ordered = sorted(records, key=lambda one: _best_first(one, by_unseen=by_unseen))
    whole = tuple(one for one in ordered if not one.record.flags.partial)
    partial = tuple(one for one in ordered if one.record.flags.partial)
    return Board(name, whole, partial, tuple(left_out))


def _by_unseen(records: Sequence[BoardRecord]) -> bool:
    """Whether all have scores on unseen stimuli, over the same subjects and as many segments."""
    groups = [one.record.stimuli.unseen if one.record.stimuli else None for one in records]
    facts = [None if group is None else (list(group.subjects), group.segments) for group in groups]
    return bool(facts) and facts[0] is not None and all(one == facts[0] for one in facts)


def _best_first(one: BoardRecord, *, by_unseen: bool) -> tuple[bool, float, str]:
    ranked, groups = one.record.ranked, one.record.stimuli
    value = groups.unseen.value if by_unseen and groups else ranked.value
    return one.record.is_flagged, -ranked.measure.sign * value, one.system


def _too_new(one: BoardRecord) -> list[Fault]:
    """The fault of a record that a later harness made: what it says cannot be checked against itself here."""
    record = one.record
    return [
        Fault(
            f"{one.path}: {key}",
            f"{version}, of a later harness",
            f"at most {known}, what this one knows",
            "Update the harness, or score it again.",
        )
        for key, version, known in (
            ("scorer_version", record.scorer_version, SCORER_VERSION),
            ("statistics_version", record.statistics_version or 0, STATISTICS_VERSION),
        )
        if version > known
    ]


def misplaced(path: Path, results: Path, record: Record) -> Fault:
    """The fault of a record that lies in another place than its contents name."""
    return Fault(
        str(path),
        "a record of another board or name",
        str(record_path(results, record)),
        "Move it there, or remove it.",
    )


def strangers(records: Sequence[BoardRecord]) -> list[Fault]:
    """Faults of records that cannot be compared with the others.

    The most common split file, measures, scorer, data and subjects are taken for the board's.
    """
    facts: dict[str, list[object]] = {
        "split file": [one.record.split.sha256 for one in records],
        "list of measures": [one.record.measure_names for one in records],
        "scorer version": [one.record.scorer_version for one in records],
        "kind of corpus": [one.record.corpus.kind for one in records],
        "declaration of the corpus": [one.record.corpus.declaration_sha256 or None for one in records],
        "set of subjects": [
            None if one.record.flags.partial else tuple(one.record.subjects) for one in records
        ],
    }
    # Predictions that are handed in are scored without EEG, and partial records without some subjects, so
    # their fingerprint of the data differs.
    scored_on = [(one.record.submission.kind, one.record.flags.subjects_missing) for one in records]
    for kind, missing in dict.fromkeys(scored_on):
        facts[f"corpus's data ({kind}{', without ' if missing else ''}{shorten(missing, 3)})"] = [
            one.record.corpus.fingerprint if same == (kind, missing) else None
            for one, same in zip(records, scored_on, strict=True)
        ]
    faults = []
    for what, values in facts.items():
        given = Counter(value for value in values if value is not None)
        usual = given.most_common(1)[0][0] if given else None  # the first, where two are as common
        faults += [
            Fault(
                str(one.path),
                f"another {what} than the board's other records",
                _shown(usual),
                "Score it again, or remove it.",
            )
            for one, value in zip(records, values, strict=True)
            if value not in (None, usual)
        ]
    named = {fault.where for fault in faults}
    return faults + odd_seeds([one for one in records if str(one.path) not in named])


def _shown(value: object) -> str:
    if isinstance(value, tuple):
        return shorten([str(part) for part in value], 3)
    text = str(value)
    return f"{text[:16]}…" if len(text) > 40 else text
