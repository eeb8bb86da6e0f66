"""``log.csv``: a row an epoch, for plotting and for looking back."""

from __future__ import annotations

import csv
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from harness.training.checkpoint import cannot_write
from harness.training.trackers import Tracker

FILE = "log.csv"


class Log:
    """The log of one training. A resumed one's goes on where its checkpoint does.

    A training from the beginning writes nothing before its first epoch is done: what an earlier training left
    in the folder stands until then.

    Args:
        folder: where it lies.
        losses: names of the recipe's losses.
        measure: name of what the validation part is scored by.
        corpus: name of what is trained on, in every row: a figure of the log says whether it is simulated.
        epochs: how many are done already.
        writes: False in every process but the first.
        tracker: takes the same numbers; None for none.

    Raises:
        TrainingError: it cannot be written.
    """

    def __init__(
        self,
        folder: Path,
        losses: Sequence[str],
        measure: str,
        corpus: str,
        epochs: int,
        writes: bool,
        tracker: Tracker | None = None,
    ) -> None:
        self.path = folder / FILE
        self.names = ["epoch", "loss", *losses, f"validation_{measure}", "learning_rate", "seconds", "corpus"]
        self.corpus = corpus
        self.writes = writes
        self.tracker = tracker
        if not self.writes:
            return
        kept = self._rows(epochs)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=folder):  # that nothing can be written there is said at once
                pass
            if epochs:
                self._begin(kept)
        except OSError as error:
            raise cannot_write(self.path, error, epochs + 1) from None

    def add(
        self, epoch: int, loss: Mapping[str, float], score: float | None, rate: float, seconds: float
    ) -> None:
        """Append an epoch's row; ``loss`` is the whole and its parts, score None without a validation."""
        if not self.writes:
            return
        numbers = [*(f"{value:.6f}" for value in loss.values()), "" if score is None else f"{score:.6f}"]
        try:
            if not self.path.exists():
                self._begin()
            with self.path.open("a", newline="", encoding="utf-8") as file:
                csv.writer(file).writerow([epoch, *numbers, f"{rate:.6g}", f"{seconds:.2f}", self.corpus])
        except OSError as error:
            raise cannot_write(self.path, error, epoch) from None
        if self.tracker is not None:
            values = [*loss.values(), score, rate, seconds]
            self.tracker.add(epoch, dict(zip(self.names[1:-1], values, strict=True)))

    def kept(self) -> None:
        """What was added is in a checkpoint."""
        if self.tracker is not None:
            self.tracker.kept()

    def close(self) -> None:
        """The training ends, or stops."""
        if self.tracker is not None:
            self.tracker.close()

    def _begin(self, rows: Iterable[list[str]] = ()) -> None:
        with self.path.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([self.names, *rows])

    def _rows(self, epochs: int) -> list[list[str]]:
        """The whole rows of epochs that the checkpoint has."""
        try:
            with self.path.open(newline="", encoding="utf-8") as file:
                rows = list(csv.reader(file))
        except (OSError, ValueError, csv.Error):
            return []
        if not rows or rows[0] not in (self.names, self.names[:-1]):  # an older one does not name the corpus
            return []
        return [
            [*row, self.corpus][: len(self.names)]
            for row in rows[1:]
            if len(row) == len(rows[0]) and row[0].isdigit() and int(row[0]) <= epochs
        ]
