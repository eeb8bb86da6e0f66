"""Jobs in processes of this machine, so many at a time."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from harness.jobs.slurm import State

POLL_SECONDS = 0.2


@dataclass
class Local:
    """A pool of processes, which end with whoever waits for them.

    Attributes:
        side_by_side: how many at a time; each has its share of the cores.
    """

    side_by_side: int = 1
    name = "local"
    _waiting: list[tuple[str, Path]] = field(default_factory=list)
    _at_work: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def check(self) -> None:
        """Nothing is wanted of this machine."""

    def submit(self, folders: Sequence[Path], _below: Path) -> list[str]:
        """Queue the jobs of these folders; gives their numbers."""
        self._waiting += [(str(number), folder) for number, folder in enumerate(folders)]
        return [number for number, _ in self._waiting]

    def states(self, ids: Sequence[str]) -> dict[str, State]:
        """Begin what there is room for, and say what runs."""
        self._at_work = {one: process for one, process in self._at_work.items() if process.poll() is None}
        threads = str(max(1, len(os.sched_getaffinity(0)) // self.side_by_side))
        while self._waiting and len(self._at_work) < self.side_by_side:
            number, folder = self._waiting.pop(0)
            self._at_work[number] = subprocess.Popen(
                [sys.executable, "-m", "harness.jobs.task", str(folder)],
                stdin=subprocess.DEVNULL,
                env={"OMP_NUM_THREADS": threads, **os.environ},
            )
        waiting = {number for number, _ in self._waiting}
        known = {one: State("PENDING") for one in ids if one in waiting}
        return known | {one: State("RUNNING", "this machine") for one in ids if one in self._at_work}

    def stop(self) -> None:
        """End every job that runs, and begin no other."""
        self._waiting.clear()
        for process in self._at_work.values():
            process.send_signal(signal.SIGTERM)
        for process in self._at_work.values():
            process.wait()

    def goes_on(self, _ids: Sequence[str]) -> str:
        """What to say where whoever waits is interrupted."""
        return "The jobs of this machine have ended with it."
