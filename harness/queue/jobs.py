"""Jobs of a queue as files: what was handed in, whether it counts, who works on it, and what came of it.

``jobs/<phase>/<team>/<first 16 digits of the content's sha256>/`` is one job, so that one content by one
team is one job. In it: ``job.json`` and ``item``; ``<try>.claim-<number>.json``, the highest of which is the
worker's whose turn it is; ``<try>.accepted.json`` of a sealed phase; ``<try>.outcome.json``, of which there
can be one; ``<try>.again.json``, which opens the next try. A job's state is what these say, and nothing else.
"""

from __future__ import annotations

import contextlib
import os
import re
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from harness.errors import Fault, QueueError
from harness.queue.files import create, is_gone, read
from harness.queue.settings import Phase, Settings

WAITING, RUNNING, SEALED, SCORED, REFUSED, FAILED = (
    "waiting", "running", "sealed", "scored", "refused", "failed",
)  # fmt: skip
OPENED = "opened"
_DIGITS = 16
# How often, and how many seconds apart, a line is looked for that another worker has written.
_LOOKS, _LOOK_SECONDS = 50, 0.1
_JOB = re.compile(rf"[0-9a-f]{{{_DIGITS}}}")
_CLAIM = re.compile(r"claim-(\d+)\.json")


@dataclass(frozen=True)
class Job:
    """One content of one team in one phase.

    Attributes:
        folder: its files.
    """

    folder: Path

    @property
    def id(self) -> str:
        """``PHASE/TEAM/HASH``."""
        return "/".join(self.folder.parts[-3:])

    @property
    def phase(self) -> str:
        """Name of its phase."""
        return self.folder.parts[-3]

    @property
    def team(self) -> str:
        """Name of its team."""
        return self.folder.parts[-2]

    @property
    def item(self) -> Path:
        """What was handed in."""
        return self.folder / "item"

    @cached_property
    def facts(self) -> dict[str, Any]:
        """What ``job.json`` says: name, sha256, arrived, fault."""
        return read(self.folder / "job.json") or {}

    @property
    def name(self) -> str:
        """What the participant called it."""
        return str(self.facts.get("name", "?"))

    def turn(self) -> int:
        """Which try it is, from 1."""
        number = 1
        while (self.folder / f"{number}.again.json").exists():
            number += 1
        return number

    def arrived(self, turn: int) -> float:
        """When it was handed in, for the last time."""
        again = read(self.folder / f"{turn - 1}.again.json") or {}
        return float(again.get("arrived") or self.facts.get("arrived") or 0.0)

    def outcome(self, turn: int) -> dict[str, Any] | None:
        """What came of a try; None where nothing has yet."""
        return read(self.folder / f"{turn}.outcome.json")

    def claims(self, turn: int) -> int:
        """The number of the last claim of a try; 0 where there is none."""
        number = 0
        while (self.folder / f"{turn}.claim-{number + 1}.json").exists():
            number += 1
        return number

    def deaths(self, turn: int) -> int:
        """How often the process of a try died while its worker lived."""
        return len(list(self.folder.glob(f"{turn}.died-*.json")))

    def state(self, opened: bool, turn: int | None = None) -> str:
        """What it is now.

        Args:
            opened: whether its phase is not sealed, or no longer.
            turn: which try it is, where that is known.
        """
        turn = turn or self.turn()
        outcome = self.outcome(turn)
        if outcome is not None:
            return str(outcome.get("state", FAILED))
        if not opened and (self.folder / f"{turn}.accepted.json").exists():
            return SEALED
        claim = self.claims(turn)
        if claim and not (self.folder / f"{turn}.released-{claim}.json").exists():
            who = read(self.folder / f"{turn}.claim-{claim}.json") or {}
            return WAITING if is_gone(who) else RUNNING
        return WAITING


class Queue:
    """A queue's folder.

    Args:
        settings: of it.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.folder = settings.folder
        self.inbox, self.reports = self.folder / "inbox", self.folder / "reports"
        self._standings: dict[tuple[str, str], Standing] = {}

    def jobs(self) -> Iterator[Job]:
        """Every job, by phase, team and hash; foreign files are passed over."""
        for phase in self.settings.phases:
            for team in _folders(self.folder / "jobs" / phase.name):
                yield from (Job(one) for one in _folders(team) if _JOB.fullmatch(one.name))

    def job_folder(self, phase: str, team: str, sha256: str) -> Path:
        """Where the job of a content lies."""
        return self.folder / "jobs" / phase / team / sha256[:_DIGITS]

    def is_open(self, phase: Phase) -> bool:
        """Whether results of a phase may be seen."""
        return not phase.sealed or (self.folder / OPENED / f"{phase.name}.json").exists()

    def standing(self, phase: str, team: str) -> Standing:
        """What counts for a team in a phase, and what came of it; as of now."""
        if (phase, team) not in self._standings:
            self._standings[phase, team] = Standing(self.folder, self.settings.phase(phase), team)
        standing = self._standings[phase, team]
        standing.look()
        return standing

    def count(self, job: Job) -> str:
        """Count a job, once whatever happens; gives why it is over the quota, empty where it is not.

        A line is written under the next free number only, after all before it were read: who is beaten to a
        number reads again, and no job can be in the ledger twice.
        """
        phase = self.settings.phase(job.phase)
        day = day_of(job.arrived(job.turn()))
        folder = self.folder / "ledger" / job.phase / job.team
        folder.mkdir(parents=True, exist_ok=True)
        while True:
            standing = self.standing(job.phase, job.team)
            if job.id in standing.places:
                return ""
            if over := self.over(phase, standing, day):
                return over
            number = standing.lines + 1
            line = folder / f"{number:06d}.json"
            if create(line, {"job": job.id, "day": day}):
                return ""
            if not standing.is_longer():
                remedy = "The queue's files were edited: put it right, or remove it and what comes after it."
                raise QueueError(Fault(str(line), "cannot be read", "a line of the ledger", remedy))

    def over(self, phase: Phase, standing: Standing, day: str) -> str:
        """Why nothing more counts on a day; empty where it does."""
        today, total = standing.used(day)
        if phase.total is not None and total >= phase.total:
            return f"the quota of {phase.name} is used up: {total} of {phase.total}"
        if phase.per_day is not None and today >= phase.per_day:
            return f"the quota of {day} (UTC) is used up: {today} of {phase.per_day}"
        return ""

    def finish(self, job: Job, turn: int, outcome: dict[str, Any]) -> bool:
        """Say what came of a try; False where that was said before."""
        return create(job.folder / f"{turn}.outcome.json", outcome)

    def again(self, job: Job, turn: int, arrived: float, why: str) -> None:
        """Open the next try of a job.

        It is announced first: who knows what came of the last try then looks for the next one's end.
        """
        announced = self.folder / "again" / job.phase / job.team
        announced.mkdir(parents=True, exist_ok=True)
        number = len([*announced.glob("[0-9]*.json")]) + 1
        while not create(announced / f"{number:06d}.json", {"job": job.id, "try": turn + 1}):
            number += 1
        create(job.folder / f"{turn}.again.json", {"arrived": arrived, "why": why})
        wake = self.folder / "wake"
        with contextlib.suppress(OSError):
            wake.touch()
            os.utime(wake)


class Standing:
    """A team in one phase: the ledger's lines, what came of each, and the newest record of each name.

    A line is read once, and so is an end: a look reads what is new, and whether what had no end has one. So
    many looks together cost as much as there are jobs, and not its square.

    Args:
        folder: the queue's.
        phase: which one.
        team: its name.

    Attributes:
        lines: how many the ledger has.
        places: in the ledger, from 1, by job.
    """

    def __init__(self, folder: Path, phase: Phase, team: str) -> None:
        self.places: dict[str, int] = {}
        self._folder, self._phase = folder, phase
        self._ledger, self._again = (folder / name / phase.name / team for name in ("ledger", "again"))
        self._days: dict[str, str] = {}
        self.lines = self._announced = 0
        self._open: dict[str, int] = {}  # jobs without an end that is known, and their tries begun
        self._tries: dict[str, int] = {}
        self._counted = Counter[str]()
        self._refused: set[str] = set()
        self._newest: dict[str, tuple[int, str, str]] = {}

    def look(self) -> None:
        """Read what is new."""
        while (entry := read(self._ledger / f"{self.lines + 1:06d}.json")) is not None:
            self.lines += 1
            job, day = str(entry.get("job")), str(entry.get("day"))
            self.places[job], self._days[job] = self.lines, day
            self._counted[day] += 1
            self._open[job] = self._tries.get(job, 1)
        while (entry := read(self._again / f"{self._announced + 1:06d}.json")) is not None:
            self._announced += 1
            job = str(entry.get("job"))
            self._tries[job] = int(entry.get("try", 1))
            if job in self.places:
                self._open[job] = self._tries[job]
        for job in [*self._open]:
            self._look_at(job)

    def _look_at(self, name: str) -> None:
        job = Job(self._folder / "jobs" / name)
        turn = job.turn()
        outcome = job.outcome(turn)
        self._set_refused(name, outcome is not None and outcome.get("state") == REFUSED)
        if outcome is None:
            return
        if turn >= self._open[name]:
            del self._open[name]
        for record in outcome.get("records", ()):
            known = self._newest.get(record["path"], (0, "", ""))
            self._newest[record["path"]] = max(known, (self.places[name], name, record["sha256"]))

    def _set_refused(self, job: str, refused: bool) -> None:
        if refused == (job in self._refused):
            return
        (self._refused.add if refused else self._refused.discard)(job)
        if not self._phase.count_refused:
            self._counted[self._days[job]] += -1 if refused else 1

    def is_longer(self) -> bool:
        """Whether the ledger has more lines than were read; a disk of the network may need a while for it."""
        for _ in range(_LOOKS):
            before = self.lines
            self.look()
            if self.lines > before:
                return True
            time.sleep(_LOOK_SECONDS)
        return False

    def used(self, day: str) -> tuple[int, int]:
        """How many jobs count on a day, and in the phase."""
        return self._counted[day], self._counted.total()

    def newest(self, path: str) -> tuple[str, str] | None:
        """Of the records of a path, the one that was counted last: its job, and its sha256."""
        found = self._newest.get(path)
        return found[1:] if found else None


def day_of(arrived: float) -> str:
    """The day of a time, UTC."""
    return datetime.fromtimestamp(arrived, UTC).strftime("%Y-%m-%d")


def _folders(folder: Path) -> list[Path]:
    try:
        return sorted(Path(one.path) for one in os.scandir(folder) if one.is_dir(follow_symlinks=False))
    except FileNotFoundError:
        return []
