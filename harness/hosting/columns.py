"""The columns of a hosted leaderboard, and what a record says in each."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from harness.scoring.measures import DEFAULT, measure

if TYPE_CHECKING:
    from harness.records.record import Record
    from harness.tasks.task import Task


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
        made.append(Column(key, by.heading, by.higher_is_better))
        if interval:
            made.append(Column(f"{key}_low", f"{by.short}: 95 % from", by.higher_is_better))
            made.append(Column(f"{key}_high", f"{by.short}: 95 % to", by.higher_is_better))
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
