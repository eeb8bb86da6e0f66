"""What has a record on a board: a variant of a submission, one of its trainings, other boards' weights."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from harness.conventions import DEFAULT_VARIANT
from harness.errors import RecordError
from harness.evaluation.prepare import Prepared, prepare
from harness.execution import Run
from harness.records.record import Record
from harness.records.store import read_record
from harness.submission.manifest import Submission
from harness.tasks.task import Task

RESULTS = "results"


class Asked(NamedTuple):
    """One system that is to have a record on a board.

    Attributes:
        name: of the submission.
        variant: of it.
        seed: of one of several trainings; None where there is one.
        weights_of: the board whose weights it takes, as CORPUS/SPLIT; empty for the own.
        channels: EEG channels that it is not given, beside those that the split excludes.
    """

    name: str
    variant: str
    seed: int | None
    weights_of: str = ""
    channels: tuple[str, ...] = ()

    @classmethod
    def of(cls, record: Record) -> Asked:
        """What a record of a submission is of."""
        system, there = record.submission, record.submission.transfer
        weights_of = "" if there is None else f"{there.corpus}/{there.split}"
        variant = system.variant or DEFAULT_VARIANT
        return cls(system.name, variant, system.seed, weights_of, system.channels_excluded)

    @property
    def order(self) -> tuple[str, str, str, tuple[str, ...], int]:
        """By which they are sorted."""
        return self.name, self.variant, self.weights_of, self.channels, -1 if self.seed is None else self.seed

    def prepared(self, submission: Submission, task: Task, run: Run) -> Prepared:
        """The system, ready to run.

        Args:
            submission: of this name.
            task: of the board.
            run: seed, jobs and limits.

        Raises:
            SubmissionError: weights or variant are not there, or do not fit.
            UsageError: the corpus has no such channel.
        """
        own = replace(run, variant=self.variant, weights_seed=self.seed, weights_of=self.weights_of or None)
        return prepare(submission, task.without_channels(self.channels), own)


def stored_elsewise(root: Path, task: Task, name: str) -> Iterator[Asked]:
    """The records that a submission has on a board with other weights than its own, or without some channels.

    Args:
        root: of the repository.
        task: of the board.
        name: of the submission.
    """
    board = (task.corpus.name, task.split.name, task.part, task.feature)
    for path in sorted(root.joinpath(RESULTS, *board).glob("*.json")):
        try:
            record = read_record(path)
        except RecordError:  # who ranks names it
            continue
        asked = Asked.of(record)
        own = record.submission.kind == "submission" and asked.name == name and not record.flags.partial
        if own and (asked.weights_of or asked.channels):
            yield asked
