"""Who is ranked, by which test, and what that leaves open: against plain loops over the same scores."""

import dataclasses
import itertools

import numpy as np
import pytest
from board_records import BOARD, controls, made, with_values

from harness.boards import ranking
from harness.boards.board import Board, board_of
from harness.boards.ranking import (
    LEVEL,
    Change,
    difference,
    group_bars,
    group_letters,
    rank,
    tie_bars,
    tie_groups,
    tie_letters,
)
from harness.boards.row import Beside, row_of
from harness.records.record import Training
from harness.scoring.intervals import mean_interval
from harness.scoring.measures import MEASURES
from harness.scoring.statistics import RankInterval, effect_size, holm, ranks_by_tests, sign_flip_test
from harness.scoring.two_sources import estimate

N_SUBJECTS = 13
# Name and variant -> mean, of each training; no seed: one of many, "fixed": the only one there can be.
NETS = {
    ("alpha", "default"): {0: 0.30, 1: 0.36, 5: 0.27},
    ("beta", "default"): {2: 0.28, 3: 0.305},
    ("gamma", "default"): {None: 0.2},
    ("draws-nothing", "default"): {"fixed": 0.15},
    ("nothing-too", "default"): {"fixed": 0.1},
}
ABLATIONS = {
    ("alpha", "bare"): {0: 0.25, 1: 0.2},
    ("alpha", "single"): {None: 0.29},
    ("alpha", "untrained"): {"fixed": 0.22},
    ("draws-nothing", "half"): {"fixed": 0.149},
    ("gamma", "half"): {None: 0.21},
}


@pytest.fixture(autouse=True)
def resolution(monkeypatch):
    """What a board could show takes long, and is tested where it is computed; here is what it was asked."""
    monkeypatch.setattr(ranking, "resolution_of", lambda *asked: asked)


def trained(system, seed, scores, **changes):
    name, variant = system
    training = (
        None if seed is None else Training(seed=None if seed == "fixed" else seed, recipe_sha256="a" * 64)
    )
    one = made(name, scores, submission={"variant": variant, "training": training})
    return with_values(one, **changes) if changes else one


def systems(rng, means, **submission):
    base = rng.normal(0, 0.03, N_SUBJECTS)
    return [
        trained(system, seed, base + mean + rng.normal(0, 0.02, N_SUBJECTS), submission=submission)
        for system, seeds in means.items()
        for seed, mean in seeds.items()
    ]


@pytest.fixture
def records(rng):
    """Nets of several trainings and of one, their ablations, one that a control flags, and a partial one."""
    flagged = made("replay", np.full(N_SUBJECTS, 0.9), controls=controls([0.9] * 3, [0.9] * 3))
    flagged_too = made("replay-too", np.full(N_SUBJECTS, 0.8), controls=controls([0.8] * 3, [0.8] * 3))
    partial = made("partial", [0.5] * 3, flags={"partial": True})
    nets = systems(rng, NETS)
    return [*nets, *systems(rng, ABLATIONS, ablation_of="default"), flagged_too, partial, flagged]


@pytest.fixture
def board(records):
    return board_of(BOARD, records)


def named(rows):
    return [row.system for row in rows]


def of_both(one, other):
    """Whether two are compared as architectures, in plain words of what they are."""
    known = all(its.seeds or its.record.submission.training is not None for its in (one, other))
    return bool(known and (one.seeds or other.seeds))


def p_of(board, one, other):
    first, second = ([its.scores for its in system.trainings] for system in (one, other))
    if of_both(one, other):
        return estimate(first, second).p
    return sign_flip_test(np.mean(first, axis=0) - np.mean(second, axis=0))


@pytest.mark.parametrize("everything", [False, True])
def test_tests_effects_ranks_and_ties_are_those_of_plain_loops(board, everything):
    found = rank(board, everything=everything)
    ones, n = found.records, len(found.records)
    assert [one.system for one in ones] == named(found.rows)
    assert named(found.rows)[-2:] == ["replay", "replay-too"]
    assert ("alpha (bare)" in named(found.rows)) is everything
    assert n == 7 + 5 * everything
    pairs = list(itertools.combinations(range(n), 2))
    adjusted = holm([p_of(board, ones[i], ones[j]) for i, j in pairs])
    expected = np.ones((n, n))
    for (i, j), p in zip(pairs, adjusted, strict=True):
        expected[i, j] = expected[j, i] = p
    np.testing.assert_allclose(found.p, expected, rtol=1e-9)
    assert 0 < (expected <= LEVEL).sum() < n * n - n
    whether = [[i != j and of_both(one, other) for j, other in enumerate(ones)] for i, one in enumerate(ones)]
    assert found.architectures.tolist() == whether
    assert found.architectures.dtype == bool
    effects = np.full((n, n), np.nan)
    for i, j in pairs:
        effects[i, j] = effect_size(np.subtract(ones[i].scores, ones[j].scores)) or np.nan
        effects[j, i] = -effects[i, j]
    np.testing.assert_allclose(found.effect, effects)
    means = np.array([np.mean(one.scores) for one in ones])
    above, below = (
        ranks_by_tests(means[some], found.p[some, some], LEVEL) for some in (slice(n - 2), slice(n - 2, n))
    )
    behind = [RankInterval(*(place + n - 2 for place in one)) for one in below]
    assert [row.rank for row in found.rows] == [*above, *behind]
    assert [row.ties for row in found.rows] == tie_letters(found.p > LEVEL)
    assert [row.bars for row in found.rows] == tie_bars(found.p > LEVEL)
    assert found.n_above_the_line == n - 2
    assert found.rows == tuple(
        row_of(one, row.rank, row.ties, row.bars) for one, row in zip(ones, found.rows, strict=True)
    )
    assert found.board is board
    assert found.partial == (row_of(board.partial[0]),)
    assert found.resolution == (board, ones, LEVEL)


def test_ablations_stand_beside_their_own_nets_in_the_order_of_these(board):
    found = rank(board)
    assert named(found.ablations) == [
        "alpha (single)", "alpha (bare)", "alpha (untrained)", "gamma (half)", "draws-nothing (half)",
    ]  # fmt: skip
    by_name = {one.system: one for one in board.records}
    for net in ("alpha", "gamma", "draws-nothing"):
        rows = [row for row in found.ablations if row.name == net]
        ps = [p_of(board, by_name[row.system], by_name[net]) for row in rows]
        for row, p in zip(rows, holm(ps), strict=True):
            one = by_name[row.system]
            whole = of_both(one, by_name[net])
            assert whole == (row.system in ("alpha (bare)", "alpha (untrained)"))
            tables = [np.array([its.scores for its in its_all.trainings]) for its_all in (one, by_name[net])]
            apart = (tables[0].mean(axis=0) - tables[1].mean(axis=0)).tolist()
            ci95 = estimate(*tables).interval() if whole else mean_interval(apart)
            beside = Beside(net, pytest.approx(np.mean(apart)), pytest.approx(ci95), pytest.approx(p), whole)
            assert row == row_of(one, beside=row.beside)
            assert row.beside == beside
            assert type(row.beside.p) is float
    assert rank(board, everything=True).ablations == ()


def test_what_is_no_ablation_of_a_whole_net_that_is_there_is_ranked_with_the_others(rng):
    scores = rng.normal(0.2, 0.05, N_SUBJECTS)

    def variant(name, mean, ablation_of):
        one = made("net", scores + mean)
        return with_values(one, submission={"variant": name, "ablation_of": ablation_of})

    net, bare = variant("default", 0.0, None), variant("bare", -0.1, "default")
    deeper, orphan = variant("deeper", -0.2, "bare"), variant("orphan", -0.3, "wide")
    other = with_values(
        made("another", scores - 0.05), submission={"variant": "half", "ablation_of": "default"}
    )
    found = rank(board_of(BOARD, [orphan, deeper, bare, net, other]))
    assert named(found.rows) == ["net", "another (half)", "net (deeper)", "net (orphan)"]
    assert named(found.ablations) == ["net (bare)"]
    assert named(rank(board_of(BOARD, [bare])).rows) == ["net (bare)"]
    handed_in = with_values(made("handed-in", scores), submission={"kind": "predictions", "variant": None})
    assert named(rank(board_of(BOARD, [handed_in])).rows) == ["handed-in"]


def test_over_seeds_places_change_in_the_pairs_that_are_counted(rng):
    def seeds(name, means):
        return [trained((name, "default"), k, [mean - 0.01, mean + 0.01]) for k, mean in enumerate(means)]

    a, b, c = [0.5, 0.3, 0.2], [0.3, 0.25], [0.1, 0.24, 0.0, 0.05]
    ones = [*seeds("a", a), *seeds("b", b), *seeds("c", c), trained(("d", "default"), None, [0.2, 0.22])]
    assert rank(board_of(BOARD, ones)).changes == (
        Change("a", "b", 6, 2.5),  # 0.3 ties with 0.3, and 0.2 is below both
        Change("a", "c", 12, 1.0),
        Change("b", "c", 8, 0.0),
    )


def test_where_lower_is_better_the_lowest_means_rank_first_and_change_places_so(rng, monkeypatch):
    lower = dataclasses.replace(MEASURES["pearson_r"], higher_is_better=False)
    monkeypatch.setitem(MEASURES, "pearson_r", lower)
    low, high = rng.normal(0.1, 0.001, N_SUBJECTS), rng.normal(0.3, 0.001, N_SUBJECTS)
    found = rank(board_of(BOARD, [made("high", high), made("low", low), made("middle", low + 0.001)]))
    assert named(found.rows) == ["low", "middle", "high"]
    assert [tuple(row.rank) for row in found.rows] == [(1, 1, 1), (2, 2, 2), (3, 3, 3)]

    def seeds(name, means):
        return [trained((name, "default"), k, [mean, mean]) for k, mean in enumerate(means)]

    ones = [*seeds("a", [0.1, 0.4]), *seeds("b", [0.3, 0.35, 0.5])]
    assert rank(board_of(BOARD, ones)).changes == (Change("a", "b", 6, 2.0),)


def test_two_whose_p_is_the_level_are_told_apart(rng, monkeypatch):
    base = rng.normal(0.2, 0.02, 4)
    ones = [made("a", base + 0.1), made("b", base)]
    assert rank(board_of(BOARD, ones)).p[0, 1] == 1 / 8
    for level, letters, high in ((1 / 8, ["a", "b"], 1), (0.1249, ["a", "a"], 2)):
        monkeypatch.setattr(ranking, "LEVEL", level)
        rows = rank(board_of(BOARD, ones)).rows
        assert [row.ties for row in rows] == letters
        assert rows[0].rank == RankInterval(1, 1, high)


@pytest.mark.parametrize(
    ("n_systems", "n_subjects", "tested"),
    [(2, 1, False), (2, 2, True), (3, 2, False), (3, 3, True), (5, 4, False), (5, 5, True)],
)
def test_where_the_smallest_p_is_1_after_holm_no_pair_is_tested(n_systems, n_subjects, tested, monkeypatch):
    asked = []
    whole = ranking.sign_flip_tests
    monkeypatch.setattr(
        ranking, "sign_flip_tests", lambda scores: asked.append(scores.shape) or whole(scores)
    )
    ones = [made(f"s{k}", [0.1 * k + 0.01 * i for i in range(n_subjects)]) for k in range(n_systems)]
    found = rank(board_of(BOARD, ones))
    assert asked == [(n_systems, n_subjects)] * tested
    smallest = min(1, n_systems * (n_systems - 1) / 2 * 2 ** (1 - n_subjects))
    assert np.unique(found.p).tolist() == sorted({smallest, 1.0})


def test_of_few_subjects_architectures_are_tested_all_the_same(rng):
    ones = [
        trained((name, "default"), k, [mean + 0.001 * k, mean + 0.002])
        for name, mean in (("a", 0.5), ("b", 0.3), ("c", 0.1))
        for k in range(3)
    ]
    found = rank(board_of(BOARD, ones))
    assert found.p.max() == 1
    assert found.p[0, 2] < LEVEL


def test_a_board_without_systems_has_tables_of_none():
    found = rank(Board(BOARD, (), (made("half", [0.5], flags={"partial": True}),)))
    assert (found.rows, found.records, found.ablations, found.changes) == ((), (), (), ())
    assert (found.p.shape, found.architectures.shape, found.effect.shape) == ((0, 0),) * 3
    assert found.architectures.dtype == bool
    assert named(found.partial) == ["half"]
    assert found.n_above_the_line == 0


def test_a_difference_is_over_all_trainings_of_both(board):
    by_name = {one.system: one for one in board.records}
    one, other = by_name["alpha"], by_name["gamma"]
    assert difference(board, one, other) == estimate([its.scores for its in one.seeds], [other.scores])
    assert difference(board, other, one).value == -difference(board, one, other).value


# Groups of ties


def plain_groups(tied):
    """The same groups by sets, in plain loops."""
    n = len(tied)
    groups = []

    def following(fitting, first):
        return min((j for j in fitting if j >= first), default=min(fitting, default=None))

    for first in range(n):
        while True:
            met = {j for group in groups if first in group for j in group}
            open_ = [j for j in range(n) if tied[first][j] and j not in met]
            if not open_:
                break
            members, fitting = {first}, {j for j in range(n) if tied[first][j]} - {first}
            place = open_[0] if open_[0] != first else following(fitting, first)
            while place is not None:
                members.add(place)
                fitting = {j for j in fitting if tied[place][j]} - {place}
                place = following(fitting, first)
            groups.append(members)
    for group in sorted(groups, key=len):
        others = [one for one in groups if one is not group]
        if all(any({i, j} <= one for one in others) for i in group for j in group):
            groups = others
    return sorted(tuple(sorted(group)) for group in groups)


def test_groups_are_those_of_plain_loops(rng):
    kept = 0
    for n, share in itertools.product(range(9), (0.2, 0.5, 0.7, 0.8, 0.9)):
        for _ in range(6):
            upper = np.triu(rng.random((n, n)) < share, 1)
            tied = upper | upper.T | np.eye(n, dtype=bool)
            groups = tie_groups(tied)
            assert groups == plain_groups(tied.tolist())
            assert tie_letters(tied) == group_letters(groups, n)
            assert tie_bars(tied) == group_bars(groups, n)
            kept += len(groups)
    assert kept > 500


def test_a_group_is_filled_from_behind_its_first_system_and_then_from_the_beginning():
    tied = np.eye(4, dtype=bool)
    for i, j in ((0, 1), (1, 2), (0, 3), (1, 3), (2, 3)):
        tied[i, j] = tied[j, i] = True
    assert tie_groups(tied) == [(0, 1, 3), (1, 2, 3)]
    assert all(type(place) is int for group in tie_groups(tied) for place in group)


@pytest.mark.parametrize(
    ("behind", "groups"),
    [
        (
            [[1, 2, 3, 5], [3, 4, 5, 6, 7], [3, 4, 6], [4, 5, 7], [5, 6], [6, 7], [7]],
            [(0, 1, 3, 5), (0, 2, 3), (1, 3, 4, 5), (1, 3, 5, 7), (1, 5, 6, 7), (2, 4, 6)],
        ),
        (
            [[1, 2, 4, 5, 6], [2, 3, 4, 7], [3, 5, 6, 7], [4, 5, 6], [7], [6, 7], [7]],
            [(0, 1, 4), (0, 2, 5, 6), (1, 2, 7), (1, 3, 4), (1, 4, 7), (2, 3, 5, 6), (2, 5, 6, 7)],
        ),
    ],
    ids=["the smallest goes first", "what is left is counted"],
)
def test_groups_that_others_make_needless_go(behind, groups):
    tied = np.eye(8, dtype=bool)
    for i, others in enumerate(behind):
        tied[i, others] = tied[others, i] = True
    assert tie_groups(tied) == groups == plain_groups(tied.tolist())


def test_letters_are_a_to_z_then_two_and_three():
    alone = group_letters([(k,) for k in range(703)], 703)
    assert alone[:26] == list("abcdefghijklmnopqrstuvwxyz")
    assert (alone[26], alone[27], alone[51], alone[52], alone[701], alone[702]) == (
        "aa", "ab", "az", "ba", "zz", "aaa",
    )  # fmt: skip
    assert group_letters([(0, 2), (0, 1), (1,)], 4) == ["ab", "bc", "a", ""]
    many = group_letters([(0, 1)] * 26, 2)
    assert many == ["abcdefghijklmnopqrstuvwxyz"] * 2
    assert group_letters([*[(0,)] * 26, (0, 1)], 2) == [" ".join([*"abcdefghijklmnopqrstuvwxyz", "aa"]), "aa"]
    assert group_letters([], 0) == []


@pytest.mark.parametrize(
    ("groups", "n_systems", "bars"),
    [
        ([], 0, []),
        ([], 2, ["", ""]),
        ([(0,), (1,)], 2, ["", ""]),
        ([(0,), (1, 2)], 3, ["·", "┌", "└"]),
        ([(0, 1)], 3, ["┌", "└", "·"]),
        ([(0, 1, 2, 3)], 4, ["┌", "├", "├", "└"]),
        ([(1, 4)], 6, ["·", "┌", "╎", "╎", "└", "·"]),
        ([(0, 1, 3, 5), (2,)], 6, ["┌", "├", "╎", "├", "╎", "└"]),
        ([(0, 1), (1, 2)], 3, ["┌·", "└┌", "·└"]),
        ([(0, 1), (2, 3)], 4, ["┌", "└", "┌", "└"]),
        (
            [(0, 2), (1, 3), (3, 5), (4, 6), (6, 7)],
            8,
            ["┌·", "╎┌", "└╎", "┌└", "╎┌", "└╎", "┌└", "└·"],
        ),
        ([(0, 3), (1, 2), (2, 4), (4, 5)], 6, ["┌··", "╎┌·", "╎└┌", "└·╎", "┌·└", "└··"]),
    ],
)
def test_bars_stand_side_by_side_where_groups_meet_and_else_below_each_other(groups, n_systems, bars):
    assert group_bars(groups, n_systems) == bars
