"""Means and differences over subjects and seeds: by hand, by a linear model, and how often they raise false alarm."""

import numpy as np
import pytest
import scipy.stats

from harness.scoring.intervals import mean_interval
from harness.scoring.statistics import sign_flip_test
from harness.scoring.two_sources import estimate, places_changed, spread_over_seeds, system_interval


def by_loops(first, second):
    """The formulas of the module's docstring, term by term."""
    n = len(first[0])
    d = [np.mean([row[i] for row in first]) - np.mean([row[i] for row in second]) for i in range(n)]
    a = np.var(d, ddof=1) / n
    parts, of_seeds, seeds, interactions = [(a, n - 1)], [], 0.0, 0.0
    for table in (first, second):
        s = len(table)
        if s < 2:
            continue
        b = np.var([np.mean(row) for row in table], ddof=1) / s
        squares = 0.0
        for row in table:
            for i, value in enumerate(row):
                column = np.mean([other[i] for other in table])
                squares += (value - np.mean(row) - column + np.mean(table)) ** 2
        c = squares / ((s - 1) * (n - 1)) / (s * n)
        of_seeds.append((b, s - 1))
        parts += [(b, s - 1), (c, (s - 1) * (n - 1))]
        seeds, interactions = seeds + b, interactions + c
    v = a + seeds - interactions
    if v < max(a, seeds):
        v, parts = (a, parts[:1]) if a >= seeds else (seeds, of_seeds)
    return np.mean(d), v, v**2 / sum(part**2 / f for part, f in parts), (a, seeds, interactions)


def tables(rng, seeds=(3, 4), n=12, of_seeds=0.01, noise=0.004, shift=0.0):
    subjects = rng.normal(0.06, 0.02, n)
    return [
        subjects + k * shift + rng.normal(0, of_seeds, (s, 1)) + rng.normal(0, noise, (s, n))
        for k, s in enumerate(seeds)
    ]


def test_an_estimate_is_its_formulas(rng):
    for seeds in ((3, 4), (2, 2), (1, 3), (5, 1)):
        first, second = tables(rng, seeds)
        value, variance, degrees, parts = by_loops(first.tolist(), second.tolist())
        found = estimate(first, second)
        assert found.value == pytest.approx(value, abs=1e-15)
        assert found.variance == pytest.approx(variance, rel=1e-10)
        assert found.degrees == pytest.approx(degrees, rel=1e-10)
        assert (found.of_subjects, found.of_seeds, found.of_interaction) == pytest.approx(parts, rel=1e-9)
        p = 2 * scipy.stats.t.sf(abs(value) / np.sqrt(variance), degrees)
        assert found.p == pytest.approx(p, rel=1e-9)
        reach = scipy.stats.t.ppf(0.975, degrees) * np.sqrt(variance)
        assert found.interval() == pytest.approx((value - reach, value + reach), rel=1e-9)


def test_by_hand():
    # d = 1, 3: A = 2 / 2 = 1. Seed means 0 and 2: B = 2 / 2 = 1. Every seed differs alike: no interaction.
    found = estimate([[-1.0, 1.0], [1.0, 3.0]], [[-1.0, -1.0]])
    assert found[:3] == pytest.approx((2.0, 2.0, 2.0))
    assert found.p == pytest.approx(2 * scipy.stats.t.sf(np.sqrt(2), 2))


def test_one_training_each_is_the_paired_t_test(rng):
    first, second = tables(rng, (1, 1))
    found = estimate(first, second)
    theirs = scipy.stats.ttest_rel(first[0], second[0])
    assert (found.p, found.degrees) == pytest.approx((theirs.pvalue, 11))
    assert found.interval() == pytest.approx(tuple(theirs.confidence_interval()))


def test_without_a_second_it_is_the_mean(rng):
    first, _ = tables(rng)
    assert estimate(first) == pytest.approx(estimate(first, np.zeros((1, 12))))
    assert system_interval(first) == estimate(first).interval()
    assert system_interval(first[:1]) == mean_interval(first[0])


def test_the_other_way_round_only_the_sign_differs(rng):
    first, second = tables(rng)
    one, other = estimate(first, second), estimate(second, first)
    assert (one.value, one.variance, one.degrees) == pytest.approx(
        (-other.value, other.variance, other.degrees)
    )


def test_a_variance_is_not_below_one_of_its_parts(rng):
    # Seeds whose means agree more than their interaction lets expect: B - C is below 0.
    rows = rng.normal(0, 1, (3, 8))
    rows -= rows.mean(axis=1, keepdims=True)
    found = estimate(rows + rng.normal(0, 1, 8), np.zeros((1, 8)))
    assert found.of_seeds < found.of_interaction
    assert found.variance == found.of_subjects
    assert found.degrees == pytest.approx(7)


@pytest.mark.parametrize(
    ("of_seeds", "of_subjects", "together", "expected"),
    [
        # The two are equal and the interaction is beyond them: the subjects stand, whose degrees are 3 - 1.
        (1, (-1, -1, 2), (2, -2, 0), (1.0, 2.0, 1.0, 1.0, 4 / 3)),
        # Subjects beyond the seeds, and seeds beyond the subjects, each alone with its own degrees.
        (1, (-2, -2, 4), (2, -2, 0), (4.0, 2.0, 4.0, 1.0, 4 / 3)),
        (2, (-1, -1, 2), (2, -2, 0), (4.0, 1.0, 1.0, 4.0, 4 / 3)),
        # The seeds are no more than the interaction, so the sum is the subjects' part, and yet a sum.
        (1, (-2, -2, 4), (1, 1, -2), (4.0, 16 / (16 / 2 + 1 / 1 + 1 / 2), 4.0, 1.0, 1.0)),
    ],
)
def test_a_part_that_stands_alone_has_its_own_degrees(of_seeds, of_subjects, together, expected):
    # Two trainings, three subjects. A is the squares of of_subjects / 6, B of_seeds^2, C those of together / 6.
    subjects, interaction = np.array(of_subjects), np.array(together)
    scores = [subjects - of_seeds + interaction, subjects + of_seeds - interaction]
    assert estimate(scores) == pytest.approx((0.0, *expected))


def test_of_one_subject_nothing_is_said():
    found = estimate([[0.1], [0.2]], [[0.3], [0.1]])
    assert (found.p, found.interval()) == (1.0, None)
    assert found == (pytest.approx(-0.05), 0.0, 0.0, 0.0, 0.0, 0.0)


def test_of_two_subjects_there_is_one_degree_of_freedom():
    found = estimate([[1.0, 3.0]])
    theirs = scipy.stats.ttest_1samp([1.0, 3.0], 0.0)
    assert found == (2.0, 1.0, 1.0, 1.0, 0.0, 0.0)
    assert found.p == pytest.approx(theirs.pvalue)
    assert found.interval() == pytest.approx(tuple(theirs.confidence_interval()))


def test_without_any_spread_the_degrees_are_those_of_the_subjects():
    found = estimate(np.ones((2, 4)), np.zeros((1, 4)))
    assert found == (1.0, 0.0, 3.0, 0.0, 0.0, 0.0)
    assert found.interval() == (1.0, 1.0)


def test_float32_is_worked_out_in_float64(rng):
    single = (1000 + rng.normal(0.0, 0.02, (2, 3, 5))).astype(np.float32)
    first, second = single.astype(np.float64)
    expected = estimate(first, second)
    assert estimate(*single) == estimate(first, single[1]) == estimate(single[0], second) == expected
    assert estimate(single[0]) == estimate(first)
    assert system_interval(single[0]) == system_interval(first)
    assert system_interval(single[0, :1]) == system_interval(first[:1])


def test_equal_systems_differ_in_nothing():
    same = [[0.1, 0.2, 0.3], [0.2, 0.3, 0.4]]
    assert estimate(same, same).p == 1.0
    assert estimate([[0.1] * 4], [[0.1] * 4]).p == 1.0
    assert estimate([[0.2] * 4], [[0.1] * 4]).p == 0.0


@pytest.mark.parametrize(("of_seeds", "noise"), [(0.0, 0.006), (0.005, 0.006), (0.01, 0.003)])
@pytest.mark.parametrize("n_seeds", [2, 3])
def test_two_seed_sets_of_one_architecture_are_rarely_told_apart(of_seeds, noise, n_seeds):
    rng = np.random.default_rng([7, n_seeds])
    runs = [tables(rng, (n_seeds, n_seeds), 16, of_seeds, noise) for _ in range(800)]
    assert np.mean([estimate(*run).p <= 0.05 for run in runs]) <= 0.06


def test_sign_flips_of_seed_means_call_one_architecture_two():
    rng = np.random.default_rng(8)
    runs = [tables(rng, (3, 3), 16, 0.005, 0.006) for _ in range(200)]
    assert np.mean([sign_flip_test(a.mean(axis=0) - b.mean(axis=0)) <= 0.05 for a, b in runs]) > 0.35


def test_a_true_difference_is_found(rng):
    runs = [tables(rng, (3, 3), 16, 0.002, 0.004, shift=0.01) for _ in range(200)]
    assert np.mean([estimate(*run).p <= 0.05 for run in runs]) > 0.8


def test_intervals_hold_the_true_mean_of_an_architecture(rng):
    runs = [tables(rng, (3,), 16, 0.01, 0.004)[0] for _ in range(600)]
    ends = np.array([system_interval(run) for run in runs])
    assert np.mean((ends[:, 0] <= 0.06) & (ends[:, 1] >= 0.06)) >= 0.93


def test_how_often_two_change_places():
    assert places_changed([3.0, 4.0], [1.0, 2.0]) == 0.0
    assert places_changed([1.0, 4.0], [2.0, 2.0]) == 0.5
    assert places_changed([1.0, 4.0, 4.5], [3.0]) == pytest.approx(1 / 3)
    assert places_changed([3.0], [1.0, 4.0, 4.5]) == pytest.approx(1 / 3)
    assert places_changed([1.0], [1.0]) == 0.5
    # Of two equal means the first stands ahead.
    assert places_changed([0.0, 0.0, 3.0], [1.0]) == pytest.approx(2 / 3)
    assert places_changed([1.0], [0.0, 0.0, 3.0]) == pytest.approx(1 / 3)


def test_float32_does_not_turn_the_order_of_two_means():
    # In float32, 2^24 + 1 + 1 + 1 is 2^24 when summed from the left: a mean of 4194304 and not of 4194304.75.
    single = np.array([2**24, 1, 1, 1], np.float32)
    assert places_changed(single, [4194304.5]) == places_changed([4194304.5], single) == 0.75


def test_the_spread_over_seeds():
    assert spread_over_seeds([1.0, 3.0]) == pytest.approx(np.sqrt(2))
    assert spread_over_seeds([1.0]) is None
    assert spread_over_seeds([]) is None
