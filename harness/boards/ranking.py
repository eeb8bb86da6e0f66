"""A board's ranking: which systems can be told apart, the ranks that this leaves open, groups of ties.

Main systems are one family of tests, Holm over all pairs. An ablation is compared with its own full net only,
Holm over that net's ablations. Two systems that both have several trainings (or whose training draws nothing
at random) are compared as architectures, with subjects and seeds as sources of chance
(``harness.scoring.two_sources``); where one of two has a single training, what is compared is weights, by
sign flips over subjects.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from msgspec import structs
from numpy.typing import NDArray

from harness.boards.board import Board, BoardRecord
from harness.boards.resolution import Resolution, resolution_of
from harness.boards.row import Beside, Row, row_of
from harness.scoring.intervals import mean_interval
from harness.scoring.statistics import (
    RankInterval,
    effect_sizes,
    holm,
    least_p,
    ranks_by_tests,
    sign_flip_test,
    sign_flip_tests,
)
from harness.scoring.two_sources import Estimate, estimate, places_changed

LEVEL = 0.05  # of the tests that tie systems


class Change(NamedTuple):
    """Two systems of which one stands first in the mean, and the other in some pairs of their trainings.

    Attributes:
        first: the one with the better mean.
        second: the other.
        pairs: of their trainings.
        changed: in how many of these the second is the better one; a tie counts a half.
    """

    first: str
    second: str
    pairs: int
    changed: float


@dataclass(frozen=True)
class Ranking:
    """A ranked board.

    Attributes:
        board: its records.
        records: those that are ranked, in the order of the rows.
        rows: of the main systems, best mean first; those that a control flags stand and rank behind all
            others.
        ablations: rows of ablations, each beside its own full net, in the order of these; they are not
            ranked.
        partial: rows of the records that are not ranked since they lack subjects.
        p: (n_systems, n_systems) of the tests between the rows, Holm over all pairs; ones on the diagonal.
        architectures: (n_systems, n_systems), whether a test is between architectures, and not weights; False
            on the diagonal.
        effect: (n_systems, n_systems), row minus column, mean over deviation of the differences; NaN where
            there is none.
        changes: of pairs of rows that have several trainings.
        resolution: what the board could show; None for fewer than two rows.
    """

    board: Board
    records: tuple[BoardRecord, ...]
    rows: tuple[Row, ...]
    ablations: tuple[Row, ...]
    partial: tuple[Row, ...]
    p: NDArray[np.float64]
    architectures: NDArray[np.bool_]
    effect: NDArray[np.float64]
    changes: tuple[Change, ...]
    resolution: Resolution | None

    @property
    def n_above_the_line(self) -> int:
        """How many of the rows no control flags; they stand first."""
        return sum(not row.is_flagged for row in self.rows)


def rank(board: Board, *, everything: bool = False) -> Ranking:
    """Rank a board's systems, and say which cannot be told apart.

    Args:
        board: to rank.
        everything: ablations too are of the family; else they are compared with their own full net only.
    """
    full = {} if everything else _full_nets(board)
    records = tuple(one for one in board.records if id(one) not in full)
    partial = tuple(row_of(one) for one in board.partial)
    p, architectures, scores = _tests(board, records)
    above = np.triu_indices(len(records), 1)
    adjusted = np.ones_like(p)
    adjusted[above] = holm(p[above])
    adjusted = np.minimum(adjusted, adjusted.T)
    groups = tie_groups(adjusted > LEVEL)
    letters, bars = group_letters(groups, len(records)), group_bars(groups, len(records))
    means = board.measures[0].sign * scores.mean(axis=1) if records else np.zeros(0)
    n_above = sum(not one.record.is_flagged for one in records)
    rows = tuple(
        row_of(one, interval, tied, bar)
        for one, interval, tied, bar in zip(
            records, _ranks(means, adjusted, n_above), letters, bars, strict=True
        )
    )
    return Ranking(
        board,
        records,
        rows,
        _ablations(board, full),
        partial,
        adjusted,
        architectures,
        effect_sizes(scores),
        _changes(board, records),
        resolution_of(board, records, LEVEL),
    )


def difference(board: Board, one: BoardRecord, other: BoardRecord) -> Estimate:
    """The difference of two systems, over subjects, and over seeds where they have several trainings."""
    return estimate(board.over_seeds(one), board.over_seeds(other))


def _tests(
    board: Board, records: tuple[BoardRecord, ...]
) -> tuple[NDArray[np.float64], NDArray[np.bool_], NDArray[np.float64]]:
    """P of every pair, whether it is of architectures, and (n_systems, n_subjects) scores."""
    n = len(records)
    if not n:
        return np.ones((0, 0)), np.zeros((0, 0), dtype=bool), np.zeros((0, 0))
    place = {id(one): number for number, one in enumerate(board.records)}
    scores = board.scores[[place[id(one)] for one in records]]
    beyond = np.array([one.is_architecture for one in records])
    several = np.array([bool(one.seeds) for one in records])
    architectures = beyond[:, None] & beyond[None] & (several[:, None] | several[None])
    np.fill_diagonal(architectures, False)
    # Of so many pairs that even the smallest p there can be is 1 after Holm's correction, none is tested.
    hopeless = not architectures.any() and n * (n - 1) / 2 * least_p(scores.shape[1]) >= 1
    p = np.ones((n, n)) if hopeless else sign_flip_tests(scores)
    for i, j in zip(*np.nonzero(np.triu(architectures, 1)), strict=True):
        p[i, j] = p[j, i] = difference(board, records[i], records[j]).p
    return p, architectures, scores


def _full_nets(board: Board) -> dict[int, BoardRecord]:
    """Id of each ablation's record -> the record of its own full net, where that is ranked too."""
    named = {one.record.submission.identity: one for one in board.records}
    found = {}
    for one in board.records:
        system = one.record.submission
        whole = structs.replace(system, variant=system.ablation_of)
        full = named.get(whole.identity) if system.ablation_of else None
        if full is not None and full.record.submission.ablation_of is None:
            found[id(one)] = full
    return found


def _ablations(board: Board, full: dict[int, BoardRecord]) -> tuple[Row, ...]:
    """Rows of ablations beside their full nets, in the order of these, the best first."""
    rows: list[Row] = []
    ablations: dict[int, list[BoardRecord]] = {}
    for one in board.records:
        if id(one) in full:
            ablations.setdefault(id(full[id(one)]), []).append(one)
    for net in board.records:
        own = ablations.get(id(net), [])
        found = [difference(board, one, net) for one in own]
        between = [
            one.is_architecture and net.is_architecture and bool(one.seeds or net.seeds) for one in own
        ]
        ps = [
            its.p if whole else sign_flip_test(_differences(board, one, net))
            for one, its, whole in zip(own, found, between, strict=True)
        ]
        for one, its, p, whole in zip(own, found, holm(ps), between, strict=True):
            ci95 = its.interval() if whole else mean_interval(_differences(board, one, net))
            rows.append(row_of(one, beside=Beside(net.system, its.value, ci95, float(p), whole)))
    return tuple(rows)


def _differences(board: Board, one: BoardRecord, other: BoardRecord) -> list[float]:
    """(n_subjects,) of the means over seeds."""
    values: list[float] = (board.over_seeds(one).mean(axis=0) - board.over_seeds(other).mean(axis=0)).tolist()
    return values


def _changes(board: Board, records: tuple[BoardRecord, ...]) -> tuple[Change, ...]:
    several = [one for one in records if one.seeds]
    found = []
    for i, one in enumerate(several):
        for other in several[i + 1 :]:
            first, second = (
                (board.measures[0].sign * board.over_seeds(its).mean(axis=1)).tolist() for its in (one, other)
            )
            pairs = len(first) * len(second)
            share = places_changed(first, second)
            found.append(Change(one.system, other.system, pairs, share * pairs))
    return tuple(found)


def _ranks(means: NDArray[np.float64], p: NDArray[np.float64], n_above: int) -> list[RankInterval]:
    """Ranks of the systems above the line among themselves, and behind them of those below."""
    above = ranks_by_tests(means[:n_above], p[:n_above, :n_above], LEVEL)
    below = ranks_by_tests(means[n_above:], p[n_above:, n_above:], LEVEL)
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
            fitting[first] = False  # of those that fit, the ones that are not in it yet
            place = int(apart[0]) if apart[0] != first else _next_from(fitting, first)
            while place >= 0:
                members.append(place)
                fitting &= tied[place]
                fitting[place] = False
                place = _next_from(fitting, first)
            shared[np.ix_(members, members)] += 1
            groups.append(tuple(sorted(members)))
    for group in sorted(groups, key=len):  # remove groups whose pairs all share another group too
        if (shared[np.ix_(group, group)] > 1).all():
            shared[np.ix_(group, group)] -= 1
            groups.remove(group)
    return sorted(groups)


def _next_from(fitting: NDArray[np.bool_], first: int) -> int:
    """The first place that fits behind a place, else from the beginning; -1 where none does."""
    behind = int(fitting[first:].argmax()) + first
    if fitting[behind]:
        return behind
    before = int(fitting.argmax())
    return before if fitting[before] else -1


def tie_letters(tied: NDArray[np.bool_]) -> list[str]:
    """Letters for systems in order of their means; two share one if they cannot be told apart, and only then.

    Args:
        tied: as in :func:`tie_groups`.

    Returns:
        For each system the letters of its groups, one or more: a to z, then aa, ab and so on.
    """
    return group_letters(tie_groups(tied), len(tied))


def group_letters(groups: Sequence[Sequence[int]], n_systems: int) -> list[str]:
    """:func:`tie_letters` of groups that are known."""
    names = [_letter(k) for k in range(len(groups))]
    between = " " if any(len(name) > 1 for name in names) else ""
    own: list[list[str]] = [[] for _ in range(n_systems)]
    for name, group in zip(names, groups, strict=True):
        for place in group:
            own[place].append(name)
    return [between.join(letters) for letters in own]


def tie_bars(tied: NDArray[np.bool_]) -> list[str]:
    """The groups as bars beside a table: a column of characters for each, or for several that do not meet.

    Args:
        tied: as in :func:`tie_groups`.

    Returns:
        As many characters for each system: ``┌`` where a group begins, ``├`` for a member, ``└`` where it
        ends, ``╎`` where it leads past a system that is none of it, ``·`` elsewhere. A group of one has no
        bar.
    """
    return group_bars(tie_groups(tied), len(tied))


def group_bars(groups: Sequence[Sequence[int]], n_systems: int) -> list[str]:
    """:func:`tie_bars` of groups that are known."""
    lanes: list[list[str]] = []
    ends: list[int] = []  # the last place of each lane's last group
    for group in groups:
        first, last = group[0], group[-1]
        if first == last:
            continue
        number = next((number for number, end in enumerate(ends) if end < first), len(ends))
        if number == len(ends):
            ends.append(last)
            lanes.append(["·"] * n_systems)
        ends[number] = last
        lane = lanes[number]
        lane[first : last + 1] = "╎" * (last + 1 - first)
        for place in group:
            lane[place] = "├"
        lane[first], lane[last] = "┌", "└"
    return ["".join(lane[place] for lane in lanes) for place in range(n_systems)]


def _letter(number: int) -> str:
    first, last = divmod(number, 26)
    return (_letter(first - 1) if first else "") + chr(ord("a") + last)
