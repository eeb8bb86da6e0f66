"""A board's ranking: ranks with intervals, groups of ties and their letters."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.boards.board import Board
from harness.boards.row import Row, row_of
from harness.scoring.statistics import RankInterval, effect_sizes, holm, rank_intervals, sign_flip_tests

LEVEL = 0.05  # of the tests that tie systems


@dataclass(frozen=True)
class Ranking:
    """A ranked board.

    Attributes:
        board: its records.
        rows: of the records, best mean first; those that a control flags stand and rank behind all others.
        partial: rows of the records that are not ranked.
        p: (n_systems, n_systems) of the paired sign-flip tests, Holm over all pairs; ones on the diagonal.
        effect: (n_systems, n_systems), row minus column, mean over deviation of the differences; NaN where
            there is none.
    """

    board: Board
    rows: tuple[Row, ...]
    partial: tuple[Row, ...]
    p: NDArray[np.float64]
    effect: NDArray[np.float64]


def rank(board: Board) -> Ranking:
    """Rank a board's systems, and say which cannot be told apart."""
    scores = board.scores
    n_systems = len(board.records)
    partial = tuple(row_of(one) for one in board.partial)
    if not n_systems:
        return Ranking(board, (), partial, np.ones((0, 0)), np.ones((0, 0)))
    p = sign_flip_tests(scores)
    above = np.triu_indices(n_systems, 1)
    adjusted = np.ones_like(p)
    adjusted[above] = holm(p[above])
    adjusted = np.minimum(adjusted, adjusted.T)
    letters = tie_letters(adjusted > LEVEL)
    rows = tuple(
        row_of(one, interval, tied)
        for one, interval, tied in zip(
            board.records,
            _ranks(board.measures[0].sign * scores, board.n_above_the_line),
            letters,
            strict=True,
        )
    )
    return Ranking(board, rows, partial, adjusted, effect_sizes(scores))


def _ranks(scores: NDArray[np.float64], n_above: int) -> list[RankInterval]:
    """Ranks of the systems above the line among themselves, and behind them of those below."""
    above, below = (rank_intervals(part) if len(part) else [] for part in np.split(scores, [n_above]))
    return above + [RankInterval(*(place + n_above for place in one)) for one in below]


def tie_groups(tied: NDArray[np.bool_]) -> list[tuple[int, ...]]:
    """Groups of systems; two systems share a group if they cannot be told apart, and only then.

    What a compact letter display shows (Piepho 2004). A group is mostly a run of neighbours, a bar of a
    critical difference diagram; it has gaps where two systems can be told apart although two others with a
    larger difference, over subjects who agree less, cannot.

    Args:
        tied: (n_systems, n_systems), symmetric, whether two cannot be told apart; systems in order of their
            means. Every system is tied with itself.

    Returns:
        The places of each group's systems from 0, ascending; every system is in one or more, and no group is
        part of another.
    """
    shared = np.zeros(tied.shape, dtype=np.int64)  # groups that two systems have in common
    groups: list[tuple[int, ...]] = []
    for first in range(len(tied)):
        while True:
            apart = np.flatnonzero(
                tied[first] & (shared[first] == 0)
            )  # tied with it, in no group with it yet
            if not apart.size:
                break
            members, fitting = [first], tied[first].copy()
            for place in (apart[0], *range(first + 1, len(tied)), *range(first)):
                if fitting[place] and place not in members:
                    members.append(int(place))
                    fitting &= tied[place]
            shared[np.ix_(members, members)] += 1
            groups.append(tuple(sorted(members)))
    for group in sorted(groups, key=len):  # remove groups whose pairs all share another group too
        if (shared[np.ix_(group, group)] > 1).all():
            shared[np.ix_(group, group)] -= 1
            groups.remove(group)
    return sorted(groups)


def tie_letters(tied: NDArray[np.bool_]) -> list[str]:
    """Letters for systems in order of their means; two share one if they cannot be told apart, and only then.

    Args:
        tied: as in :func:`tie_groups`.

    Returns:
        For each system the letters of its groups, one or more: a to z, then aa, ab and so on.
    """
    groups = tie_groups(tied)
    names = [_letter(k) for k in range(len(groups))]
    several = any(len(name) > 1 for name in names)
    return [
        (" " if several else "").join(
            name for name, group in zip(names, groups, strict=True) if system in group
        )
        for system in range(len(tied))
    ]


def _letter(number: int) -> str:
    first, last = divmod(number, 26)
    return (_letter(first - 1) if first else "") + chr(ord("a") + last)
