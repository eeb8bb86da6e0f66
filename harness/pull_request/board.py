"""One board before and after a range of commits: which records can be trusted, and which are made again.

A row comes from its record if the record's key (code, weights, members, split, corpus, scorer, variant,
seed) is the key of what lies in the working tree, and the range edited neither the record nor anything that
scores rest on. A record that is stale or was edited is never trusted: its submission is scored again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from harness.boards.board import BoardName, BoardRecord, board_of, misplaced, strangers
from harness.boards.cells import rank_values
from harness.boards.history import happened
from harness.boards.ranking import Ranking, rank
from harness.boards.row import Row
from harness.errors import HarnessError, RecordError, SubmissionError, UsageError, shorten
from harness.evaluation.evaluate import expected_key, system_of
from harness.evaluation.prepare import Prepared, runs_of
from harness.execution import Run
from harness.pull_request.asked import RESULTS, Asked
from harness.pull_request.changes import SCORER, Changes, Remark
from harness.pull_request.submissions import Submissions
from harness.records.consistency import inconsistencies
from harness.records.key import record_key
from harness.records.record import Record
from harness.records.store import read_bytes, record_name, record_path
from harness.records.text import NOT_ISOLATED
from harness.records.verify import SAME_R, departures
from harness.scoring.measures import DEFAULT, MEASURES, Measure, measure
from harness.scoring.score import SCORER_VERSION
from harness.tasks.task import Task


class ToMake(NamedTuple):
    """A record that is to be made.

    Attributes:
        board: that it is of.
        prepared: the system on the board's task.
        key: that the record must have (``harness.records.key``).
        stored: what lies in its place.
        old: what lay there at the base.
        edited: whether the range edits it.
        same: whether what is stored has the key.
    """

    board: BoardName
    prepared: Prepared
    key: str
    stored: BoardRecord | None
    old: BoardRecord | None
    edited: bool
    same: bool


class Source(Protocol):
    """Makes the record of a submission on a board."""

    def expect(self, asked: Sequence[ToMake]) -> None:
        """Told once, before the first, of all records that it is going to be asked for."""

    def record(self, board: BoardName, prepared: Prepared) -> Record:
        """The record.

        Raises:
            HarnessError: it cannot be made.
        """


@dataclass
class BoardChange:
    """One board on its way from the base to the working tree.

    Attributes:
        name: of the board.
        task: its own, with references.
        changes: what the range changed.
        submissions: of the working tree.
        run: seed, jobs and limits of every submission.
        source: makes records.
        by_base: whether the code that runs here is the base's, without the range's edits.
        remarks: what a reader should know; complete once the board is ranked.
        scored: records made here, likewise.
    """

    name: BoardName
    task: Task
    changes: Changes
    submissions: Submissions
    run: Run
    source: Source
    by_base: bool = False
    remarks: list[Remark] = field(default_factory=list)
    scored: list[Record] = field(default_factory=list)
    _base: list[BoardRecord] = field(default_factory=list)
    _planned: list[BoardRecord | ToMake] = field(default_factory=list)

    def plan(self) -> list[ToMake]:
        """Decide which records can be trusted; gives those that are to be made."""
        self._base = self._at_base()
        self.fingerprint = self.task.fingerprint()
        self._planned = list(self._records({one.path: one for one in self._base}))
        return [one for one in self._planned if isinstance(one, ToMake)]

    def ranked(self) -> dict[str, Any]:
        """The board as the document holds it, once it is planned."""
        before = rank(board_of(self.name, self._base), everything=True)
        records = [record for one in self._planned for record in self._made(one)]
        self._name_twins(records)
        odd = {fault.where: fault for fault in strangers(records)}
        for fault in odd.values():
            self._remark(True, "record", str(fault))
        after = rank(
            board_of(self.name, [one for one in records if str(one.path) not in odd]), everything=True
        )
        return _described(before, after, self.task)

    def _name_twins(self, records: list[BoardRecord]) -> None:
        """Name systems whose records would have one file name: variant `x` of `a`, and the system `a-x`."""
        systems: dict[Path, list[str]] = {}
        for one in records:
            systems.setdefault(one.path, []).append(one.system)
        for path, names in systems.items():
            if len(names) > 1:
                text = f"two records of one name, {self._relative(path)}: {' and '.join(names)}; rename one"
                self._remark(True, "name", text)

    def _at_base(self) -> list[BoardRecord]:
        """The board's records at the base; one that cannot be compared is left out, with a remark."""
        folder = f"{RESULTS}/{'/'.join(self.name)}/"
        records = []
        for path in sorted(self.changes.tree):
            if not path.startswith(folder) or path.count("/") != 5 or not path.endswith(".json"):
                continue
            try:
                one = BoardRecord.of(self.changes.root / path, self.changes.at_base(path) or b"")
            except RecordError:
                self._remark(False, "record", f"{path} at the base is not a record; compared without it")
                continue
            if inconsistencies(one.record, path):
                text = f"{path} at the base contradicts itself; compared without it"
                self._remark(False, "record", text)
            else:
                records.append(one)
        odd = {fault.where: fault for fault in strangers(records)}
        for fault in odd.values():
            self._remark(False, "record", f"at the base, compared without it: {fault}")
        return [one for one in records if str(one.path) not in odd]

    def _records(self, base: Mapping[Path, BoardRecord]) -> Iterator[BoardRecord | ToMake]:
        """Every row's record: from its file where that can be trusted, else to be made."""
        root = self.changes.root
        wanted: dict[Asked, BoardRecord | None] = {}
        for path in sorted(root.joinpath(RESULTS, *self.name).glob("*.json")):
            try:
                kept = BoardRecord.read(path)
            except RecordError as error:
                self._remark(True, "record", f"broken record: {error}")
                continue
            record, system = kept.record, kept.record.submission
            if path != record_path(root / RESULTS, record):
                self._remark(True, "record", str(misplaced(path, root / RESULTS, record)))
            elif system.kind == "predictions" or record.flags.partial:
                yield from self._not_made_again(kept)
            elif self.submissions.has(system.name, system.variant):
                wanted[Asked.of(record)] = kept
            else:
                text = f"a record without a submission: {self._relative(path)}; not ranked"
                self._remark(self._edited(path), "record", text)
        for name in self.submissions.changed:
            for variant in self.submissions.variants(name):
                for seed in self.submissions.seeds(name, variant, self.task):
                    wanted.setdefault(Asked(name, variant, seed), None)
        for asked, stored in sorted(wanted.items(), key=lambda item: item[0].order):
            yield from self._record(asked, stored, base)

    def _record(
        self, asked: Asked, stored: BoardRecord | None, base: Mapping[Path, BoardRecord]
    ) -> Iterator[BoardRecord | ToMake]:
        name = asked.name
        if name in self.submissions.refused:
            return
        try:
            prepared = asked.prepared(self.submissions.valid[name], self.task, self.run)
        except (SubmissionError, UsageError) as error:
            if stored is not None:
                self._remark(True, "record", f"a record that cannot be made again: {error}")
            return
        if (
            stored is not None
            and asked.seed is None
            and prepared.training
            and prepared.training.seed is not None
        ):
            one = replace(prepared.run, weights_seed=None)
            runs = runs_of(prepared.submission, prepared.task, one)
            seeds = ", ".join(str(run.weights_seed) for run in runs)
            where = self._relative(stored.path)
            text = f"a record of one training, where the manifest lists seeds {seeds}: {where}: remove it"
            self._remark(True, "record", text)
            return
        key = expected_key(prepared, self.fingerprint)
        edited = stored is not None and self._edited(stored.path)
        same = stored is not None and record_key(stored.record) == key
        old = base.get(self._path(prepared))
        whole = stored is not None and not inconsistencies(stored.record, "")
        if name not in self.submissions.touched and not self._moves_scores():
            if stored is not None and same and not edited and whole:
                yield stored
                return
            if self.by_base and stored is not None and old is not None:
                if record_key(old.record) == key:
                    self._compare(stored, old.record, edited=edited, same=same)
                else:
                    self._name_stale(stored, edited=edited)
                yield old
                return
        yield ToMake(self.name, prepared, key, stored, old, edited, same)

    def _made(self, one: BoardRecord | ToMake) -> Iterator[BoardRecord]:
        """A row's record, made now where it is to be; none where it cannot be."""
        if isinstance(one, BoardRecord):
            yield one
            return
        what = f"{one.prepared.submission.name} ({one.prepared.variant}) on {self.name}"
        try:
            record = self.source.record(self.name, one.prepared)
        except (HarnessError, OSError) as error:  # the other systems are ranked all the same
            self._remark(True, "check", f"{what}: {error}")
            return
        self.scored.append(record)
        old, stored = one.old, one.stored
        moved = _moved(old.record, record) if old is not None and record_key(old.record) == one.key else ""
        if moved and self._edits_scorer():
            text = f"moves a stored score without raising SCORER_VERSION: {what}"
            self._remark(True, "scorer", f"{text}, {moved}")
        elif stored is not None:
            self._compare(stored, record, edited=one.edited, same=one.same)
        yield BoardRecord.made(self.changes.root / RESULTS, record)

    def _path(self, prepared: Prepared) -> Path:
        """Where the record of a variant, and of one of its trainings, lies."""
        name = record_name(system_of(prepared), partial=False)
        return self.changes.root.joinpath(RESULTS, *self.name, name)

    def _moves_scores(self, *, predicted: bool = True) -> bool:
        """Whether the code that runs here may give other scores than that which made the base's records."""
        return not self.by_base and self.changes.moves_scores(predicted=predicted)

    def _edits_scorer(self) -> bool:
        return not self.by_base and bool(self.changes.below(SCORER))

    def _compare(self, stored: BoardRecord, fresh: Record, *, edited: bool, same: bool) -> None:
        where = self._relative(stored.path)
        differ = departures(stored.record, fresh)
        if edited and stored.record.controls and not fresh.controls:
            text = f"NOT VERIFIED, the blind control of {where}: no surrogates were asked here"
            self._remark(False, "record", text)
        if edited and fresh.controls and not stored.record.controls:
            text = f"a record without the blind control: {where}: score it without --no-controls"
            self._remark(True, "record", text)
        if edited and stored.record.isolation in NOT_ISOLATED:
            text = f"{where}: {NOT_ISOLATED[stored.record.isolation]}"
            self._remark(False, "record", text)
        if edited and not differ:
            self._remark(False, "record", f"record reproduced: {where}")
        elif edited and self.by_base and self.changes.moves_scores():
            text = f"NOT VERIFIED, a record of the pull request's own harness: {where}: {shorten(differ, 8)}"
            self._remark(False, "record", text)
        elif edited:
            self._remark(
                True, "record", f"record edited by hand, or not of this code: {where}: {shorten(differ, 8)}"
            )
        elif not same:
            self._remark(False, "record", f"stale record, scored again: {where}: {shorten(differ, 8)}")
        elif differ:
            text = f"record that this harness no longer makes: {where}: {shorten(differ, 8)}"
            self._remark(True, "record", f"{text}. Score it again and commit the record, or undo the edit.")

    def _name_stale(self, stored: BoardRecord, *, edited: bool) -> None:
        """Say that the base's record is shown although it is not of this code: none can be made here."""
        where = self._relative(stored.path)
        what = (
            "of a submission that the range does not change" if edited else "of the base, stale there already"
        )
        self._remark(False, "record", f"NOT VERIFIED, a record {what}: {where}: the base's is shown")

    def _not_made_again(self, stored: BoardRecord) -> Iterator[BoardRecord]:
        """A partial record, or one of predictions: shown if neither it nor what changes scores was edited."""
        where, record = self._relative(stored.path), stored.record
        predictions = record.submission.kind == "predictions"
        what = "a record of predictions" if predictions else "a partial record"
        causes = {
            "another split": record.split.sha256 != self.task.split.sha256,
            "other measures": record.measure_names != self.task.split.measures,
            "another scorer": record.scorer_version != SCORER_VERSION,
            "a harness that the range edits": self._moves_scores(predicted=not predictions),
        }
        of = next((cause for cause, holds in causes.items() if holds), None)
        broken = inconsistencies(record, where)
        if broken:
            self._remark(True, "record", f"{what} that contradicts itself, not ranked: {broken[0]}")
        elif self._edited(stored.path):
            self._remark(True, "record", f"{what} cannot be made again here: {where}; not ranked")
        elif of:
            text = f"{what} of {of}: {where}; not ranked. Score it again where its data are, and commit it."
            self._remark(False, "record", text)
        else:
            yield stored

    def _edited(self, path: Path) -> bool:
        """Whether a record differs from the base's by a byte; a link or an ignored file does too."""
        return self.changes.at_base(self._relative(path)) != read_bytes(path)

    def _relative(self, path: Path) -> str:
        return path.relative_to(self.changes.root).as_posix()

    def _remark(self, stop: bool, kind: str, text: str) -> None:
        text = text.replace(f"{self.changes.root}/", "")
        self.remarks.append(Remark(stop, kind, text))


def _moved(old: Record, new: Record) -> str:
    """The first score of two records of one key that differs, in words; empty where none does."""
    for name in filter(old.has, dict.fromkeys((DEFAULT, *new.measure_names))):
        before, after = old.by(name).value, new.by(name).value
        if abs(before - after) > SAME_R:
            what = "" if name == DEFAULT else f"{MEASURES[name].title} "
            return f"{what}{before:.6f} becomes {after:.6f}"
    return ""


def _described(before: Ranking, after: Ranking, task: Task) -> dict[str, Any]:
    """A board of the document."""
    old_rows = {row.system: row for row in before.rows}
    measures = after.board.measures if after.rows else tuple(map(measure, task.split.measures))
    by = measures[0].name
    value = "pearson_r" if by == DEFAULT else "value"  # the key says what the number is
    old_records = {one.system: one.record for one in before.board.records}
    names = [one.name for one in measures[1:]]
    rows = []
    for row, one in zip(after.rows, after.board.records, strict=True):
        before_row, old = old_rows.get(row.system), old_records.get(row.system)
        rows.append(
            {
                "system": row.system,
                **rank_values(row),
                "ties": row.ties,
                value: row.score.value,
                "ci95": None if row.score.ci95 is None else list(row.score.ci95),
                "chance": None if row.score.chance is None else list(row.score.chance),
                **({"chance_words": row.score.chance_words} if row.score.chance_words else {}),
                **({"common": True} if row.score.is_common else {}),
                **({"further": [own.value if own else None for own in map(row.by, names)]} if names else {}),
                **_controls(row),
                **({"on_unseen": row.stimuli.unseen.value} if row.stimuli else {}),
                **({"training": row.training} if row.training else {}),
                "how": "scored now" if row.fresh else "from record",
                "event": happened(old, one.record),
                "before": None
                if before_row is None or old is None
                else {
                    "rank": rank_values(before_row)["rank"],
                    "ties": before_row.ties,
                    **({value: old.by(by).value} if old.has(by) else {}),
                },
            }
        )
    now = {row.system for row in after.rows}
    return {
        **after.board.name._asdict(),
        **({} if [one.name for one in measures] == [DEFAULT] else {"measures": _shown(measures)}),
        **({"by_unseen": True} if after.board.by_unseen else {}),
        "simulated": task.corpus.simulated,
        **({"held_back": True} if task.is_held_back else {}),
        "subjects": len(task.by_subject),
        "rows": rows,
        "partial": [row.system for row in after.partial],
        "gone": [system for system in old_rows if system not in now],
    }


def _controls(row: Row) -> dict[str, Any]:
    """What a row scores without the EEG; nothing where that was not measured."""
    if row.controls is None:
        return {}
    return {"without_eeg": {"value": row.controls.blind.value, "flags": list(row.controls.flags)}}


def _shown(measures: Sequence[Measure]) -> list[dict[str, Any]]:
    """What a reader is told of a board's measures."""
    return [
        {"title": by.title, "short": by.short, "higher_is_better": by.higher_is_better} for by in measures
    ]
