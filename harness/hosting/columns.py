"""The columns of a hosted leaderboard, and what a record says in each."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from harness.scoring.measures import DEFAULT, measure

if TYPE_CHECKING:
    from harness.records.record import Record
    from harness.tasks.task import Task


MOST_TITLE = 36
"""Characters of a column's title, and of its key, that Codabench takes."""
_FROM, _TO = ", 95 % from", ", 95 % to"


class Column(NamedTuple):
    """One column.

    Attributes:
        key: in scores.json.
        title: over the column.
        higher_is_better: which way is better.
    """

    key: str
    title: str
    higher_is_better: bool


def columns_of(task: Task) -> list[Column]:
    """For each of the split's measures its mean and the ends of its interval; the first column ranks."""
    return columns(task.split.measures, interval=len(task.by_subject) > 1)


def columns(measures: tuple[str, ...], *, interval: bool) -> list[Column]:
    """As :func:`columns_of`; one subject has no interval."""
    made = []
    for name in measures:
        by, key = measure(name), key_of(name)
        title = by.heading if len(by.heading) <= MOST_TITLE else by.short
        made.append(Column(key, title, by.higher_is_better))
        if interval:
            room = MOST_TITLE - len(_FROM)
            made.append(Column(f"{key}_low", by.short[:room] + _FROM, by.higher_is_better))
            made.append(Column(f"{key}_high", by.short[:room] + _TO, by.higher_is_better))
    return made


def scores_of(record: Record) -> dict[str, float]:
    """What scores.json says of a record, key -> number."""
    scores: dict[str, float] = {}
    for name in record.split.measures or (DEFAULT,):
        by, key = record.by(name), key_of(name)
        scores[key] = float(by.value)
        if by.ci95 is not None:
            scores[f"{key}_low"], scores[f"{key}_high"] = map(float, by.ci95)
    return scores


def key_of(name: str) -> str:
    """The key of a measure: ``r``, or its own name."""
    return "r" if name == DEFAULT else name
