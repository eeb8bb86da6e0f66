"""The settings of a queue, ``queue.toml``: phases, quotas, limits, and what is scored."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from harness.conventions import quoted
from harness.errors import Fault, QueueError, raise_all, shorten
from harness.files import read_regular
from harness.schemas.documents import parse_toml
from harness.schemas.validate import schema_faults

SETTINGS = "queue.toml"
_MOST_BYTES = 1 << 20
_TIME = "%Y-%m-%dT%H:%M:%SZ"


@dataclass(frozen=True)
class Limits:
    """What a job may use, and when a worker is taken for dead; see ``harness/schemas/queue.json``."""

    predictor_seconds: float = 3600.0
    job_seconds: float = 4 * 3600.0
    memory_gib: float = 8.0
    jobs: int | None = None
    item_mib: float = 1024.0
    files: int = 10_000
    packages: bool = True
    attempts: int = 2
    settle_seconds: float = 10.0
    lease_seconds: float = 120.0


@dataclass(frozen=True)
class Phase:
    """A time in which something is taken.

    Attributes:
        name: of the phase.
        task: data, labels, corpus, split, part, feature, partial: those that are said.
        opens: seconds since 1970; None for always.
        closes: likewise.
        per_day: the most of a team in one day (UTC); None for any number.
        total: the most of a team in the phase; likewise.
        count_refused: whether what was refused counts.
        sealed: whether nothing is scored before the organiser opens it.
        results: folder of its records, below the queue's.
    """

    name: str
    task: Mapping[str, Any]
    opens: float | None = None
    closes: float | None = None
    per_day: int | None = None
    total: int | None = None
    count_refused: bool = False
    sealed: bool = False
    results: str = "results"

    def takes(self, arrived: float) -> bool:
        """Whether something that arrived then is of this phase."""
        return (self.opens is None or arrived >= self.opens) and (
            self.closes is None or arrived < self.closes
        )


@dataclass(frozen=True)
class Settings:
    """A queue's settings.

    Attributes:
        folder: the queue's.
        phases: in order; their times do not overlap.
        limits: of every job.
        teams: who may hand in; empty for whoever has a folder in the inbox.
    """

    folder: Path
    phases: tuple[Phase, ...]
    limits: Limits = field(default_factory=Limits)
    teams: tuple[str, ...] = ()

    def phase(self, name: str) -> Phase:
        """The phase of a name.

        Raises:
            QueueError: there is none.
        """
        for one in self.phases:
            if one.name == name:
                return one
        known = shorten([one.name for one in self.phases])
        raise QueueError(Fault(str(self.folder / SETTINGS), f"no phase {name!r}", f"one of {known}"))

    def phase_at(self, arrived: float) -> Phase | None:
        """The phase of something that arrived then; None where none was open."""
        return next((one for one in self.phases if one.takes(arrived)), None)


def load_settings(folder: Path) -> Settings:
    """Read and check a queue's settings.

    Raises:
        QueueError: no such file, no TOML, or anything in it that is not valid: all at once.
    """
    path = folder / SETTINGS
    try:
        content = read_regular(path, _MOST_BYTES)
    except OSError as error:
        remedy = f"Make one: harness queue init {quoted(folder)}"
        raise QueueError(
            Fault(str(path), error.strerror or "cannot be read", "a queue's settings", remedy)
        ) from None
    return parse_settings(content, folder)


def parse_settings(content: bytes, folder: Path) -> Settings:
    """Settings from their file's bytes.

    Raises:
        QueueError: as :func:`load_settings`.
    """
    where = str(folder / SETTINGS)
    try:
        document = parse_toml(content)
    except ValueError as error:
        raise QueueError(Fault(where, f"not TOML ({error})", "a queue's settings")) from None
    raise_all(QueueError, schema_faults(document, "queue", where))
    task = document.get("task", {})
    faults: list[Fault] = []
    phases = tuple(_phase(one, task, where, faults) for one in document["phase"])
    faults += _between(phases, where)
    raise_all(QueueError, faults)
    limits = Limits(**document.get("limits", {}))
    return Settings(folder, phases, limits, tuple(document.get("teams", ())))


def _phase(document: Mapping[str, Any], task: Mapping[str, Any], where: str, faults: list[Fault]) -> Phase:
    said = {key: value for key, value in document.items() if key not in ("task", "opens", "closes")}
    for key in ("opens", "closes"):
        if key in document:
            try:
                said[key] = datetime.strptime(document[key], _TIME).replace(tzinfo=UTC).timestamp()
            except ValueError:
                faults.append(Fault(f"{where}: {said['name']}: {key}", document[key], "a day that there is"))
    if said.get("sealed"):
        said.setdefault("total", 1)
    return Phase(task={**task, **document.get("task", {})}, **said)


def _between(phases: tuple[Phase, ...], where: str) -> list[Fault]:
    """What is wrong between phases, and between a phase's own times."""
    faults = []
    for index, one in enumerate(phases):
        least, most = one.opens or -float("inf"), one.closes or float("inf")
        if least >= most:
            faults.append(Fault(f"{where}: {one.name}", "closes before it opens"))
        for other in phases[index + 1 :]:
            if one.name == other.name:
                faults.append(Fault(f"{where}: {one.name}", "two phases of this name", "each name once"))
            start, end = other.opens or -float("inf"), other.closes or float("inf")
            if max(least, start) < min(most, end):
                faults.append(
                    Fault(
                        f"{where}: {one.name} and {other.name}",
                        "open at the same time",
                        "one phase at a time",
                        "Say opens and closes of each.",
                    )
                )
            if one.task == other.task and one.results == other.results:
                faults.append(
                    Fault(
                        f"{where}: {one.name} and {other.name}",
                        "one board for both",
                        "another part, or another folder of results, for each",
                        f'Give one a folder of its own: results = "results-{other.name}"',
                    )
                )
    return faults
