"""What ``harness train --log`` writes beside ``log.csv``: the same numbers, for a viewer with curves.

    tensorboard   <work folder>/tensorboard; look with `tensorboard --logdir` on any folder above it
    trackio       the project `eeg-speech-harness` in trackio's own folder; look with `trackio show`

An epoch's numbers are handed over once the epoch is in a checkpoint: one that is repeated after an
interruption is not there twice. A viewer that fails is no reason to lose a training: that is said once, and
it goes on.
"""

from __future__ import annotations

import contextlib
import importlib.util
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

from harness.errors import Fault, TrainingError

TRACKERS = ("tensorboard", "trackio")
FOLDER = "tensorboard"
PROJECT = "eeg-speech-harness"
# trackio is no extra: it wants an older Pillow than the kit is tested and locked with.
_INSTALLS = {"tensorboard": "eeg-speech-harness[tensorboard]", "trackio": "trackio>=0.43"}


def check_tracker(name: str) -> None:
    """Refuse a viewer that is not installed, before anything is read.

    Raises:
        TrainingError: it is not.
    """
    if name and importlib.util.find_spec(name) is None:
        raise TrainingError(
            Fault(
                f"--log {name}",
                f"the package {name} is not installed",
                "one that is",
                f"pip install '{_INSTALLS[name]}'; without it, log.csv has the same numbers.",
            )
        )


class _Writer(Protocol):
    def __call__(self, epoch: int, values: Mapping[str, float]) -> None: ...


class Tracker:
    """The numbers of one training for a viewer.

    Args:
        name: of the viewer; empty for none.
        folder: the work folder.
        title: of this training among others.
        config: what is trained on what.
        epochs: how many are done already.
        say: called with a line where the viewer fails.
    """

    def __init__(
        self,
        name: str,
        folder: Path,
        title: str,
        config: Mapping[str, Any],
        epochs: int,
        say: Callable[[str], None],
    ) -> None:
        self._name, self._folder, self._title, self._config = name, folder, title, config
        self._epochs, self._say = epochs, say
        self._waiting: list[tuple[int, dict[str, float]]] = []
        self._write: _Writer | None = None
        self._end: Callable[[], None] = lambda: None

    def add(self, epoch: int, values: Mapping[str, float | None]) -> None:
        """Take an epoch's numbers; they wait for :meth:`kept`."""
        if self._name:
            known = {key: value for key, value in values.items() if value is not None}
            self._waiting.append((epoch, known))

    def kept(self) -> None:
        """Hand over what waits: its epochs are in a checkpoint."""
        if not self._waiting:
            return
        waiting, self._waiting = self._waiting, []
        with self._no_harm():
            if self._write is None:
                self._open()
            for epoch, values in waiting:
                if self._write is not None:
                    self._write(epoch, values)

    def close(self) -> None:
        """End; what was not kept is left out."""
        with self._no_harm():
            self._end()

    def _open(self) -> None:
        """Open the viewer's log; not before the first epoch, when an earlier training has moved aside."""
        if self._name == "tensorboard":
            from torch.utils.tensorboard import SummaryWriter

            made = SummaryWriter(str(self._folder / FOLDER), purge_step=self._epochs + 1)

            def scalars(epoch: int, values: Mapping[str, float]) -> None:
                for key, value in values.items():
                    made.add_scalar(key, value, epoch)
                made.flush()

            self._write, self._end = scalars, made.close
            return
        import trackio

        resume = "allow" if self._epochs else "never"
        run = trackio.init(
            PROJECT,
            name=self._title,
            config=dict(self._config),
            resume=resume,
            embed=False,
            auto_log_gpu=False,
            auto_log_cpu=False,
        )
        self._write = lambda epoch, values: run.log(dict(values), step=epoch)
        self._end = run.finish

    @contextlib.contextmanager
    def _no_harm(self) -> Any:
        """Keep what the viewer prints from stdout, and its errors from the training."""
        try:
            with contextlib.redirect_stdout(sys.stderr):
                yield
        except Exception as error:
            line = next(iter(str(error).splitlines()), "") or type(error).__name__
            self._say(f"--log {self._name} has stopped ({line}); log.csv goes on")
            self._name, self._write, self._end = "", None, lambda: None
