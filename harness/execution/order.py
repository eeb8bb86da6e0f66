"""The order in which segments are asked, which tells nothing of which segment is which."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import NamedTuple


class Batch(NamedTuple):
    """Segments that are asked in one call of ``predict``.

    Attributes:
        positions: of the segments.
        n_own: how many of them, from the first, this batch is to answer. What follows is another batch's,
            asked here again so that all are of one size, and the answer is dropped.
    """

    positions: list[int]
    n_own: int

    @property
    def own(self) -> list[int]:
        """Positions of the segments that this batch is to answer."""
        return self.positions[: self.n_own]


def shuffled_batches(
    subjects: Sequence[str], most: int, seed: str, n_sizing: int | None = None
) -> list[Batch]:
    """Batches in a random order, of segments in a random order.

    A batch holds segments of one subject where subjects are told, and of anybody where all are
    "unknown". All batches of one group are of one size: the last digits of what a net predicts depend on
    the size of its batch, and so would on chance which segments come last. Who knows the seed knows the
    order; nobody else can tell from it which segment is which.

    Args:
        subjects: what is told of each segment's subject.
        most: segments in one batch.
        seed: of the order.
        n_sizing: batches are as large as the first so many segments would have them by themselves, so that
            what is asked besides changes no prediction; None for all.
    """
    order = random.Random(seed)
    groups: dict[str, list[int]] = {}
    for position, subject in enumerate(subjects):
        groups.setdefault(subject, []).append(position)
    batches = []
    for group in groups.values():
        counted = sum(n_sizing is None or position < n_sizing for position in group) or len(group)
        size = -(-counted // -(-counted // most))
        order.shuffle(group)
        for start in range(0, len(group), size):
            own = group[start : start + size]
            again = order.sample(group[:start], size - len(own))
            batches.append(Batch(own + again, len(own)))
    order.shuffle(batches)
    return batches
