"""How a training is run: where it shows how far it is, and when it has to stop. Nothing here changes weights.

Running      what the loop is given besides system and data
Deadline     the end of ``--max-time``
Unfinished   what a training gives that stopped there
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from harness.conventions import Progress
from harness.errors import some_of


@dataclass(frozen=True)
class Deadline:
    """A time to stop at.

    Attributes:
        at: in seconds of ``time.monotonic``; infinite for never.
        words: how the user said it, such as ``2h``.
        is_used: whether other work of the same command, such as another seed, took of the time: that not one
            epoch fits into the rest is then no error.
    """

    at: float = math.inf
    words: str = ""
    is_used: bool = False

    @classmethod
    def after(cls, seconds: float, words: str) -> Deadline:
        """So many seconds from now."""
        return cls(time.monotonic() + seconds, words)

    @property
    def is_set(self) -> bool:
        """Whether there is one."""
        return math.isfinite(self.at)

    def comes_within(self, seconds: float = 0.0) -> bool:
        """Whether something that takes so many seconds would end after it."""
        return time.monotonic() + seconds > self.at


def _nowhere(*_: object, **__: object) -> None:
    """Show nothing."""


@dataclass(frozen=True)
class Running:
    """How a training is run.

    Attributes:
        show: called with steps done, steps in all, and a note; what it shows is passing.
        say: called with a line that stays.
        deadline: when to stop.
        log: ``tensorboard`` or ``trackio``, beside ``log.csv``; empty for neither.
    """

    show: Progress = _nowhere
    say: Callable[[str], None] = _nowhere
    deadline: Deadline = field(default_factory=Deadline)
    log: str = ""


class Unfinished(NamedTuple):
    """A training that stopped at its deadline.

    Attributes:
        saved: the last epoch in its checkpoint; 0 for none.
        epochs: of the recipe; 0 where the training had not begun.
        folder: where the checkpoint lies.
        where: what was under way, in words.
    """

    saved: int
    epochs: int
    folder: Path
    where: str

    @property
    def words(self) -> str:
        """Where it stands."""
        if not self.epochs:
            return self.where
        done = some_of(self.saved, self.epochs, "epoch", "is", "are")
        return f"{done} done and saved in {self.folder}; {self.where}"
