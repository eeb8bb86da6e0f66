"""Scoring what a range changed as jobs: each system on each board is a ``harness score`` of its own."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from harness.boards.board import BoardName
from harness.errors import Fault, RecordError
from harness.evaluation.evaluate import system_of
from harness.evaluation.prepare import Prepared
from harness.execution import Run
from harness.files import read_regular
from harness.jobs.run import Done
from harness.jobs.task import Task
from harness.pull_request.board import ToMake
from harness.pull_request.changes import Changes
from harness.records.document import parse_record
from harness.records.key import record_key
from harness.records.record import Record

# Runs commands as jobs; gives each once it has ended.
RunJobs = Callable[[Sequence[Task]], Iterator[Done]]
# Where a job writes its record, below the current folder; `rank` reads what the job prints.
_RECORDS = Path("jobs") / "rank"
_MOST_SOURCE_BYTES = 1 << 24
_KEY_DIGITS = 16


@dataclass
class ScoredAsJobs:
    """Records are made by jobs, all of which have ended before the first record is asked for.

    Attributes:
        run_jobs: runs them.
        changes: of the range.
        data: folder of the corpus.
        run: jobs and limits of every submission.
    """

    run_jobs: RunJobs
    changes: Changes
    data: Path
    run: Run
    _ended: dict[tuple[object, ...], tuple[str, Done]] = field(default_factory=dict)

    def expect(self, asked: Sequence[ToMake]) -> None:
        """Run a job for each record, and wait for all.

        Raises:
            UsageError: jobs cannot be handed in.
        """
        tasks = {self._task(one): one for one in asked}
        if not tasks:
            return
        for done in self.run_jobs(list(tasks)):
            one = tasks[done.task]
            self._ended[_place(one.board, one.prepared)] = (one.key, done)

    def record(self, board: BoardName, prepared: Prepared) -> Record:
        """The record that a system's job made.

        Raises:
            RecordError: it failed, or scored something else than what lies here.
        """
        key, done = self._ended[_place(board, prepared)]
        if done.fault is not None:
            raise _FailedError(done)
        record = parse_record(done.answer.encode(), done.task.name)
        if record_key(record) != key:
            raise RecordError(
                Fault(
                    done.task.name,
                    "its job scored other code, weights or data than those that are here",
                    "the same",
                    "They were changed meanwhile: give the command again.",
                )
            )
        return record

    def _task(self, one: ToMake) -> Task:
        """The command of a record; another one where anything that decides its score was edited."""
        prepared, board = one.prepared, one.board
        run = prepared.run
        words = [
            *("score", str(prepared.submission.folder), "--data", str(self.data.absolute())),
            *("--split", self.changes.split_here(board.split), "--part", board.part),
            *("--feature", board.feature, "--variant", prepared.variant),
        ]
        for option, value in (
            ("--weights-seed", run.weights_seed),
            ("--weights-of", run.weights_of),
            ("--exclude-channels", ",".join(prepared.task.channels_excluded) or None),
            ("--jobs", self.run.jobs),
        ):
            if value is not None:
                words += [option, str(value)]
        words += ["--json", "--replace", "--out", str(_RECORDS / self._digest(one.key))]
        system = system_of(prepared)
        return Task(f"{system.title_with_seed} on {board}", tuple(words))

    def _digest(self, key: str) -> str:
        """A hash of what decides a score: the record's key, and the harness's files that the range edits."""
        digest = hashlib.sha256(key.encode())
        for path in self.changes.scored_with():
            try:
                content = read_regular(self.changes.root / path, _MOST_SOURCE_BYTES)
            except OSError:  # removed
                content = b""
            digest.update(f"\n{path} {hashlib.sha256(content).hexdigest()}".encode())
        return digest.hexdigest()[:_KEY_DIGITS]


class _FailedError(RecordError):
    """A job failed; in the words of its command, as if it had run here."""

    def __init__(self, done: Done) -> None:
        assert done.fault is not None
        super().__init__(done.fault)
        self.args = (done.said or str(done.fault),)


def _place(board: BoardName, prepared: Prepared) -> tuple[object, ...]:
    system = system_of(prepared)
    return board, system.identity, system.seed
