"""Predictions of a pull request's submissions: made in one job, scored in another.

The first job runs code that nobody has read, so its files are not trusted: a process that the code left
running can have edited any of them. It leaves a file of predictions for each board and variant of a changed
submission, or the reason why there are none. The second job runs no submission at all. It reads these files
like any predictions, and uses them for the rows of the changed submissions only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from harness.boards.board import BoardName
from harness.conventions import Progress
from harness.errors import Fault, HarnessError, PredictionsError, SubmissionError, UsageError
from harness.evaluation.evaluate import evaluate, evaluate_stored, system_of
from harness.evaluation.predict import grouped, predicted
from harness.evaluation.prepare import Prepared
from harness.execution import Run
from harness.files import read_regular, write_atomically
from harness.predictions import write_predictions
from harness.pull_request.asked import Asked, stored_elsewise
from harness.pull_request.board import ToMake
from harness.pull_request.submissions import Submissions
from harness.records.record import Record
from harness.tasks.task import Task

MOST_REASON_BYTES = 20_000
_NOT_CHANGED = "no record of it at the base, and no change in its folder: nobody runs it"
_NO_REASON = "the job that runs the pull request's submissions left no predictions"

# Opens a progress bar of a title.
ProgressBar = Callable[[str], AbstractContextManager[Progress]]


@dataclass(frozen=True)
class ScoredHere:
    """Records are made by running submissions here and now.

    Attributes:
        progress: opens a progress bar of a title.
    """

    progress: ProgressBar

    def expect(self, asked: Sequence[ToMake]) -> None:
        """Nothing: each is made when it is asked for."""

    def record(self, board: BoardName, prepared: Prepared) -> Record:
        """The record of a submission on a board.

        Raises:
            HarnessError: it cannot be scored.
        """
        title = f"scoring {prepared.submission.name} ({prepared.variant}) on {board}"
        with self.progress(title) as show:
            return evaluate(prepared.submission, prepared.task, prepared.run, on_progress=show)


@dataclass(frozen=True)
class ScoredFromFiles:
    """Records of changed submissions are made from predictions that another job left.

    Attributes:
        folder: where it left them.
        changed: names of the submissions that the range changes; there are predictions of no other.
    """

    folder: Path
    changed: frozenset[str]

    def expect(self, asked: Sequence[ToMake]) -> None:
        """Nothing: their predictions are there."""

    def record(self, board: BoardName, prepared: Prepared) -> Record:
        """The record of a submission on a board.

        Raises:
            HarnessError: it cannot be scored, or there are no predictions of it.
        """
        path = file_of(self.folder, board, prepared)
        where = f"{prepared.submission.name} ({prepared.variant})"
        if prepared.submission.name not in self.changed:
            raise PredictionsError(Fault(where, _NOT_CHANGED))
        if not path.exists():
            raise PredictionsError(Fault(where, _reason(path)))
        return evaluate_stored(prepared, path)


def file_of(folder: Path, board: BoardName, prepared: Prepared) -> Path:
    """Where the predictions of a submission for a board lie."""
    suffix = system_of(prepared).suffix
    return folder.joinpath(*board, prepared.submission.name, f"{prepared.variant}{suffix}.npz")


def predict_changed(
    submissions: Submissions,
    tasks: Sequence[tuple[BoardName, Task]],
    run: Run,
    progress: ProgressBar,
    folder: Path,
) -> Iterator[tuple[Path, str]]:
    """Run the submissions that a range changed, and leave their predictions.

    Args:
        submissions: of the working tree.
        tasks: of the boards.
        run: seed, jobs and limits of every submission.
        progress: opens a progress bar of a title.
        folder: for the files; made where it is missing.

    Yields:
        Each file of predictions, and why there are none; empty where there are.
    """
    for name in submissions.changed:
        if name in submissions.refused:
            continue
        for board, task in tasks:
            own = [
                Asked(name, variant, seed)
                for variant in submissions.variants(name)
                for seed in submissions.seeds(name, variant, task)
            ]
            for asked in [*own, *stored_elsewise(submissions.root, task, name)]:
                try:
                    prepared = asked.prepared(submissions.valid[name], task, run)
                except (SubmissionError, UsageError):  # who scores finds it too, and says so
                    continue
                path = file_of(folder, board, prepared)
                path.parent.mkdir(parents=True, exist_ok=True)
                title = f"predicting with {name} ({asked.variant}) for {board}"
                try:
                    with progress(title) as show, predicted(prepared, on_progress=show) as made:
                        write_predictions(path, grouped(task, made.run.predictions))
                except (HarnessError, OSError) as error:  # the other systems are predicted all the same
                    reason = str(error).encode("utf-8", "backslashreplace")[:MOST_REASON_BYTES]
                    write_atomically(path.with_suffix(".txt"), reason)
                    yield path, str(error)
                else:
                    yield path, ""


def _reason(path: Path) -> str:
    """Why there are no predictions, in the words of the job that should have left them."""
    try:
        said = read_regular(path.with_suffix(".txt"), MOST_REASON_BYTES).decode("utf-8", "replace")
    except OSError:
        return _NO_REASON
    return said.strip().removesuffix(".") or _NO_REASON
