"""What a board could show: the smallest difference that it finds, and what it would take to find more."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isqrt

import numpy as np
from numpy.typing import NDArray

from harness.boards.board import Board, BoardRecord
from harness.scoring.power import least_difference, subjects_needed
from harness.scoring.statistics import least_p
from harness.scoring.two_sources import Estimate, estimate

Scores = NDArray[np.float64]
# Of more pairs than these the middle one is taken from the pairs of the best systems.
MOST_PAIRS = 1225


@dataclass(frozen=True)
class Resolution:
    """What a board could show, in the family of its main systems.

    Attributes:
        n_pairs: of systems, all of which are tested.
        n_subjects: of the board.
        level: of the smallest p in Holm's correction: the board's level over the number of pairs.
        least_p: the smallest p that sign flips over so many subjects can have, times the pairs.
        only_signs: whether every test is by sign flips.
        hopeless: pairs whose test is by sign flips, where these can never be significant; 0 where they can.
        difference: the smallest that is found with 80 % power between two systems whose difference spreads as
            that of the middle pair does; None where none that the measure can have is.
        first_two: names of the first two systems.
        subjects: how many it would take to tell these apart with 80 % power; None where no number would.
        seeds_limit: whether it is their trainings that would have to be more.
        behind: pairs whose test is by sign flips, where these can be significant only if enough of the others
            are, since Holm's correction then counts fewer; else 0.
    """

    n_pairs: int
    n_subjects: int
    level: float
    least_p: float
    only_signs: bool
    hopeless: int
    difference: float | None
    first_two: tuple[str, str]
    subjects: int | None
    seeds_limit: bool
    behind: int = 0

    @property
    def separates_nothing(self) -> bool:
        """Whether no difference at all can be told by construction, however large."""
        return self.difference is None


def resolution_of(board: Board, records: Sequence[BoardRecord], level: float) -> Resolution | None:
    """What a board could show; None for fewer than two systems."""
    if len(records) < 2 or not board.subjects:
        return None
    n, n_subjects = len(records), len(board.subjects)
    n_pairs = n * (n - 1) // 2
    each = level / n_pairs
    most = (1 + isqrt(1 + 8 * MOST_PAIRS)) // 2  # so many have no more pairs
    tables = [board.over_seeds(one) for one in records[:most]]
    found = []
    for i, one in enumerate(records[: len(tables)]):
        for j in range(i + 1, len(tables)):
            its = estimate(*_comparable(one, records[j], tables[i], tables[j]))
            found.append((its, not _of_architectures(one, records[j])))
    n_seeded = sum(bool(one.seeds) for one in records if one.is_architecture)
    n_fixed = sum(one.is_architecture and not one.seeds for one in records)
    n_by_t = n_seeded * (n_seeded - 1) // 2 + n_seeded * n_fixed
    n_by_signs, least = n_pairs - n_by_t, least_p(n_subjects)
    smallest = min(1.0, n_pairs * least)
    hopeless = n_by_signs if n_by_signs * least > level else 0
    behind = n_by_signs if smallest > level and not hopeless else 0
    testable = [(its, signs) for its, signs in found if not (signs and smallest > level)]
    difference = _of_middle(testable, each, n_subjects)
    low, high = board.measures[0].range
    if difference is not None and difference > high - low:
        difference = None
    first, _ = found[0]
    degrees = sum(len(table) - 1 for table in _comparable(records[0], records[1], tables[0], tables[1]))
    needed = subjects_needed(first, n_subjects, level=each, seed_degrees=degrees, signs=degrees == 0)
    return Resolution(
        n_pairs=n_pairs,
        n_subjects=n_subjects,
        level=each,
        least_p=smallest,
        only_signs=n_by_t == 0,
        hopeless=hopeless,
        difference=difference,
        first_two=(records[0].system, records[1].system),
        subjects=needed,
        seeds_limit=needed is None and first.of_seeds > first.of_interaction,
        behind=behind,
    )


def _comparable(one: BoardRecord, other: BoardRecord, table: Scores, others: Scores) -> tuple[Scores, Scores]:
    """The scores that a test of two systems sees: every training, or the means where weights are compared."""
    if one.is_architecture and other.is_architecture:
        return table, others
    return table.mean(axis=0)[None], others.mean(axis=0)[None]


def _of_architectures(one: BoardRecord, other: BoardRecord) -> bool:
    """Whether a test of two systems is over subjects and seeds, and not by sign flips."""
    return one.is_architecture and other.is_architecture and bool(one.seeds or other.seeds)


def _of_middle(found: Sequence[tuple[Estimate, bool]], level: float, n_subjects: int) -> float | None:
    """The smallest difference that the pair with the middle standard error would show, by its own test.

    Args:
        found: differences, and whether each is tested by sign flips.
        level: of the test.
        n_subjects: of the board.
    """
    if not found:
        return None
    one, signs = sorted(found, key=lambda pair: pair[0].variance)[len(found) // 2]
    return least_difference(one, level=level, signs_of=n_subjects if signs else None)
