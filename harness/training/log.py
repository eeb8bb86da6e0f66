"""``log.csv``: a row an epoch, for plotting and for looking back."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

from harness.training.checkpoint import cannot_write

FILE = "log.csv"


class Log:
    """The log of one training. A resumed one's goes on where its checkpoint does.

    Args:
        folder: where it lies.
        losses: names of the recipe's losses.
        measure: name of what the validation part is scored by.
        corpus: name of what is trained on, in every row: a figure of the log says whether it is simulated.
        epochs: how many are done already.
        writes: False in every process but the first.

    Raises:
        TrainingError: it cannot be written.
    """

    def __init__(
        self, folder: Path, losses: Sequence[str], measure: str, corpus: str, epochs: int, writes: bool
    ) -> None:
        self.path = folder / FILE
        self.names = ["epoch", "loss", *losses, f"validation_{measure}", "learning_rate", "seconds", "corpus"]
        self.corpus = corpus
        self.writes = writes
        if not self.writes:
            return
        kept = self._rows(epochs)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with self.path.open("w", newline="", encoding="utf-8") as file:
                csv.writer(file).writerows([self.names, *kept])
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
            with self.path.open("a", newline="", encoding="utf-8") as file:
                csv.writer(file).writerow([epoch, *numbers, f"{rate:.6g}", f"{seconds:.2f}", self.corpus])
        except OSError as error:
            raise cannot_write(self.path, error, epoch) from None

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
