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
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from harness.queue.files import create, is_gone, read
from harness.queue.settings import Phase, Settings

WAITING, RUNNING, SEALED, SCORED, REFUSED, FAILED = (
    "waiting", "running", "sealed", "scored", "refused", "failed",
)  # fmt: skip
OPENED = "opened"
_DIGITS = 16
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
        self._ledgers: dict[tuple[str, str], list[dict[str, Any]]] = {}
        self._ended: dict[str, tuple[int, dict[str, Any]]] = {}

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

    def ledger(self, phase: str, team: str) -> list[dict[str, Any]]:
        """What counts, in the order in which it was counted: a line a job, never changed.

        A line is read once: who asks again reads the new ones only.
        """
        entries = self._ledgers.setdefault((phase, team), [])
        folder = self.folder / "ledger" / phase / team
        while (entry := read(folder / f"{len(entries) + 1:06d}.json")) is not None:
            entries.append(entry)
        return entries

    def ended(self, job_id: str) -> dict[str, Any] | None:
        """State and records of a job's newest try; None where nothing has come of it yet.

        What was scored stays so, and any other outcome until a next try is opened: neither is read again.
        """
        job = Job(self.folder / "jobs" / job_id)
        turn, outcome = self._ended.get(job_id, (0, {}))
        known = bool(turn) and (
            outcome["state"] == SCORED or not (job.folder / f"{turn}.again.json").exists()
        )
        if known:
            return outcome
        turn = job.turn()
        found = job.outcome(turn)
        if found is None:
            return None
        outcome = {"state": found.get("state"), "records": found.get("records", ())}
        self._ended[job_id] = turn, outcome
        return outcome

    def used(self, phase: Phase, entries: list[dict[str, Any]], day: str) -> tuple[int, int]:
        """How many jobs count on a day, and in the phase."""
        total = today = 0
        for entry in entries:
            if not phase.count_refused:
                outcome = self.ended(str(entry.get("job")))
                if outcome and outcome["state"] == REFUSED:
                    continue
            total += 1
            today += entry.get("day") == day
        return today, total

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
            entries = self.ledger(job.phase, job.team)
            if any(entry.get("job") == job.id for entry in entries):
                return ""
            if over := self.over(phase, entries, day):
                return over
            if create(folder / f"{len(entries) + 1:06d}.json", {"job": job.id, "day": day}):
                return ""

    def over(self, phase: Phase, entries: list[dict[str, Any]], day: str) -> str:
        """Why nothing more counts on a day; empty where it does."""
        today, total = self.used(phase, entries, day)
        if phase.total is not None and total >= phase.total:
            return f"the quota of {phase.name} is used up: {total} of {phase.total}"
        if phase.per_day is not None and today >= phase.per_day:
            return f"the quota of {day} (UTC) is used up: {today} of {phase.per_day}"
        return ""

    def finish(self, job: Job, turn: int, outcome: dict[str, Any]) -> bool:
        """Say what came of a try; False where that was said before."""
        return create(job.folder / f"{turn}.outcome.json", outcome)

    def again(self, job: Job, turn: int, arrived: float, why: str) -> None:
        """Open the next try of a job."""
        create(job.folder / f"{turn}.again.json", {"arrived": arrived, "why": why})
        wake = self.folder / "wake"
        with contextlib.suppress(OSError):
            wake.touch()
            os.utime(wake)


def day_of(arrived: float) -> str:
    """The day of a time, UTC."""
    return datetime.fromtimestamp(arrived, UTC).strftime("%Y-%m-%d")


def _folders(folder: Path) -> list[Path]:
    try:
        return sorted(Path(one.path) for one in os.scandir(folder) if one.is_dir(follow_symlinks=False))
    except FileNotFoundError:
        return []
