"""Intervals, ranks, paired tests: against scipy, statsmodels and counting by hand."""

from itertools import product

import numpy as np
import pytest
from scipy.stats import permutation_test, ttest_1samp

from harness.scoring import statistics
from harness.scoring.statistics import (
    SIGN_DRAWS,
    effect_size,
    effect_sizes,
    holm,
    least_p,
    one_sided_sign_flip_test,
    ranks_by_tests,
    sign_flip_test,
    sign_flip_tests,
)


@pytest.mark.parametrize("n_subjects", [1, 2, 5, 8, 13])
def test_exact_sign_flips_agree_with_counting_every_sign(rng, n_subjects):
    differences = rng.normal(0.01, 0.02, n_subjects)
    sums = np.array([np.dot(signs, differences) for signs in product((-1, 1), repeat=n_subjects)])
    expected = np.mean(np.abs(sums) >= abs(differences.sum()) - 1e-12)
    assert sign_flip_test(differences) == pytest.approx(expected, abs=1e-15)


def test_exact_sign_flips_agree_with_scipy(rng):
    differences = rng.normal(0.008, 0.02, 15)
    theirs = permutation_test(
        (differences,),
        lambda d, axis: np.mean(d, axis=axis),
        permutation_type="samples",
        vectorized=True,
        n_resamples=np.inf,
        batch=2**16,
    )
    assert 0.001 < theirs.pvalue < 0.5
    assert sign_flip_test(differences) == pytest.approx(theirs.pvalue, abs=1e-12)


def test_signs_that_tie_by_rounding_alone_count():
    # 0.1 + 0.2 - 0.3 is not 0 in binary: two of the four pairs of signs reach the data's own sum.
    assert sign_flip_test([0.1, 0.2, -0.3]) == 1.0
    assert sign_flip_test([0.3, 0.3, 0.3, 0.0]) == 2 * 2 / 16


def test_the_smallest_p_of_20_subjects():
    assert sign_flip_test(np.linspace(1, 2, 20)) == 2 / 2**20


def test_equal_systems_differ_in_nothing():
    assert sign_flip_test(np.zeros(5)) == 1.0
    assert sign_flip_test(np.zeros(40)) == 1.0


def test_drawn_signs_agree_with_the_t_test_on_normal_differences(rng):
    for shift in (0.0, 0.05, 0.1, 0.2):
        differences = rng.normal(shift, 0.5, 100)
        p = ttest_1samp(differences, 0.0).pvalue
        assert sign_flip_test(differences) == pytest.approx(p, abs=0.01 + 0.1 * p)


@pytest.mark.parametrize("scale", [1.0, 1e-3])
def test_beyond_what_draws_resolve_the_bound_takes_over_and_is_never_too_small(rng, scale):
    differences = scale * np.abs(rng.normal(1.0, 0.5, 60))
    p = sign_flip_test(differences)
    assert 2 / 2**60 <= p < 1 / (1 + SIGN_DRAWS)
    assert p == pytest.approx(2 * np.exp(-(differences.sum() ** 2) / (2 * np.square(differences).sum())))


def test_all_pairs_are_the_single_tests(rng):
    for n_subjects in (9, 30):
        scores = rng.normal(0.05, 0.02, (4, n_subjects)) + np.array([[0.0], [0.01], [0.02], [0.0]])
        p = sign_flip_tests(scores)
        assert np.array_equal(p, p.T)
        assert np.array_equal(np.diag(p), np.ones(4))
        for i in range(4):
            for j in range(i):
                assert p[i, j] == pytest.approx(sign_flip_test(scores[j] - scores[i]), abs=1e-12)


def test_false_alarms_stay_at_the_level(rng):
    p = [sign_flip_test(rng.normal(size=10)) for _ in range(2000)]
    assert np.mean(np.array(p) <= 0.05) == pytest.approx(0.05, abs=0.015)


def test_holm_agrees_with_statsmodels(rng):
    from statsmodels.stats.multitest import multipletests

    for p in (rng.random(30) ** 3, np.array([0.01, 0.01, 0.04, 1.0]), np.array([0.5])):
        assert holm(p) == pytest.approx(multipletests(p, method="holm")[1], abs=1e-15)


def test_effect_size_is_mean_over_deviation():
    assert effect_size([1.0, 2.0, 3.0]) == pytest.approx(2.0)
    assert effect_size([0.3]) is None
    assert effect_size([0.1, 0.1, 0.1]) is None


def test_all_pairs_have_the_single_effect_sizes(rng):
    scores = rng.normal(0.05, 0.02, (4, 9))
    scores[3] = scores[0] + 0.25  # every subject differs by the same
    effects = effect_sizes(scores)
    for i in range(4):
        for j in range(4):
            alone = effect_size(scores[i] - scores[j])
            assert effects[i, j] == pytest.approx(np.nan if alone is None else alone, nan_ok=True)
    assert np.isnan(effects[0, 3])
    assert np.isnan(effect_sizes(scores[:, :1])).all()


# The same numbers from plain loops over the documented draws: what a seed, a level or a count changes.


def test_drawn_signs_are_counted_by_their_seed(rng):
    scores = rng.normal(0.05, 0.02, (3, 25)) + np.array([[0.0], [0.004], [0.008]])
    signs = np.random.default_rng(20240417).choice(np.array([-1.0, 1.0]), size=(20_000, 25))
    p = sign_flip_tests(scores)
    for i, j in ((0, 1), (0, 2), (1, 2)):
        differences = scores[i] - scores[j]
        reached = np.abs(signs @ differences) >= abs(differences.sum()) - 1e-12
        assert p[i, j] == p[j, i] == (1 + reached.sum()) / 20_001


def test_signs_are_drawn_from_21_subjects_on():
    for n_subjects, expected in ((20, 2 / 2**20), (21, 1 / 20_001)):
        assert sign_flip_test(np.ones(n_subjects)) == pytest.approx(expected, rel=1e-12)


def test_the_bound_of_a_pair_is_its_own(rng):
    scores = np.abs(rng.normal(1.0, 0.3, (3, 60))) * np.array([[0.0], [1.0], [3.0]])
    p = sign_flip_tests(scores)
    for i, j in ((0, 1), (0, 2), (1, 2)):
        assert p[i, j] == sign_flip_test(scores[j] - scores[i]) < 1e-6


@pytest.mark.parametrize("n_subjects", [8, 25])
def test_a_system_far_away_leaves_the_tests_between_others(rng, n_subjects):
    scores = rng.normal(0.05, 0.02, (3, n_subjects))
    scores[2] += 1e14
    assert sign_flip_tests(scores)[0, 1] == sign_flip_tests(scores[:2])[0, 1] > 0.01
    assert sign_flip_tests(scores[::-1])[1, 2] == pytest.approx(sign_flip_tests(scores[:2])[0, 1], abs=1e-12)


def test_equal_sums_of_drawn_signs_count_as_reached():
    # Of 0.1 and its likes every sum is off by rounding; those of the data's own size must be counted.
    differences = np.array([0.1, 0.2, 0.3] + [0.0] * 20)
    signs = np.random.default_rng(20240417).choice(np.array([-1.0, 1.0]), size=(20_000, 23))
    whole = np.abs(signs @ np.array([1, 2, 3] + [0] * 20)) >= 6
    assert sign_flip_test(differences) == (1 + whole.sum()) / 20_001


def test_of_no_subject_no_difference_is_sure():
    assert sign_flip_test([]) == 1.0


@pytest.mark.parametrize("n_subjects", [3, 30])
def test_float32_is_worked_out_in_float64(rng, n_subjects):
    single = (1000 + rng.normal(0.0, 0.02, (2, n_subjects))).astype(np.float32)
    double = single.astype(np.float64)
    assert np.array_equal(sign_flip_tests(single), sign_flip_tests(double))
    assert np.array_equal(effect_sizes(single), effect_sizes(double), equal_nan=True)
    spread = single[0] - single[1]
    assert effect_size(spread) == effect_size(spread.astype(np.float64))
    p = (rng.random(n_subjects) / 1000).astype(np.float32)
    assert np.array_equal(holm(p), holm(p.astype(np.float64)))
    assert sign_flip_test(spread) == sign_flip_test(spread.astype(np.float64))


def test_float32_loses_no_rank_and_no_digit_of_a_bound(rng):
    # In float32, 2^24 + 1 + 1 + 1 is 2^24 when summed from the left.
    scores = np.array([[2**24, 1, 1, 1], [2**24 + 2, 0, 0, 0]], np.float32)
    means = scores.mean(axis=1, dtype=np.float64)
    assert [interval.rank for interval in ranks_by_tests(means, np.ones((2, 2)), 0.05)] == [1, 2]
    single = (rng.normal(0.1, 0.01, (2, 60)) + np.array([[0.0], [1.0]])).astype(np.float32)
    assert sign_flip_tests(single)[0, 1] == sign_flip_tests(single.astype(np.float64))[0, 1] < 1e-6


def test_float32_neither_hides_a_sum_nor_lowers_a_p():
    # The sum is 1 in float64 and 0 in float32, where 2^24 + 1 is 2^24. All eight signs reach it.
    assert one_sided_sign_flip_test(np.array([2**24, 1, -(2**24)], np.float32)) == 0.5
    # The float32 next to 0.05 is above it.
    p = np.array([[1, 0.05], [0.05, 1]], np.float32)
    assert ranks_by_tests([0.2, 0.1], p, 0.05) == [(1, 1, 2), (2, 1, 2)]
    assert ranks_by_tests([0.2, 0.1], p, float(p[0, 1])) == [(1, 1, 1), (2, 2, 2)]


def test_two_subjects_have_an_effect_size():
    # 1 and 3: mean 2, deviation the root of 2.
    assert effect_size([1.0, 3.0]) == pytest.approx(np.sqrt(2))
    assert effect_sizes([[1.0, 3.0], [0.0, 0.0]])[0, 1] == pytest.approx(np.sqrt(2))


def test_a_system_far_away_leaves_small_effects_between_others():
    effects = effect_sizes([[1.0, 3.0], [0.0, 0.0], [1e14, 1e14]])
    assert effects[0, 1] == pytest.approx(np.sqrt(2))


def test_a_rank_interval_counts_who_is_significantly_better_and_worse():
    means = [0.4, 0.3, 0.2, 0.1]
    p = np.ones((4, 4))
    for i, j in ((0, 2), (0, 3), (1, 3)):
        p[i, j] = p[j, i] = 0.05
    p[2, 3] = p[3, 2] = 0.0501
    assert ranks_by_tests(means, p, 0.05) == [(1, 1, 2), (2, 1, 3), (3, 2, 4), (4, 3, 4)]
    # By counting: the same systems in another order.
    order = [2, 0, 3, 1]
    turned = ranks_by_tests([means[k] for k in order], p[np.ix_(order, order)], 0.05)
    assert turned == [(3, 2, 4), (1, 1, 2), (4, 3, 4), (2, 1, 3)]


def test_equal_means_share_the_lowest_rank():
    found = ranks_by_tests([0.1, 0.3, 0.1, 0.0], np.ones((4, 4)), 0.05)
    assert found == [(2, 1, 4), (1, 1, 4), (2, 1, 4), (4, 1, 4)]
    assert ranks_by_tests([], np.ones((0, 0)), 0.05) == []
    assert ranks_by_tests([0.1], np.ones((1, 1)), 0.05) == [(1, 1, 1)]


def test_a_table_of_more_systems_than_there_are_means_is_refused():
    with pytest.raises(ValueError, match=r"^zip\(\) argument 2 is longer than argument 1$"):
        ranks_by_tests([0.1], np.ones((2, 2)), 0.05)


def test_rank_intervals_hold_all_true_ranks_at_once(rng):
    missed, true = 0, np.array([0.05, 0.05, 0.048, 0.04])
    for _ in range(300):
        scores = true[:, None] + rng.normal(0, 0.02, 12) + rng.normal(0, 0.006, (4, 12))
        p, above = sign_flip_tests(scores), np.triu_indices(4, 1)
        adjusted = np.ones((4, 4))
        adjusted[above] = holm(p[above])
        found = ranks_by_tests(scores.mean(axis=1), np.minimum(adjusted, adjusted.T), 0.05)
        # Two systems of equal truth may take either rank.
        lowest = [1 + (true > own).sum() for own in true]
        highest = [(true >= own).sum() for own in true]
        missed += any(
            f.low > high or f.high < low for f, low, high in zip(found, lowest, highest, strict=True)
        )
    assert missed <= 0.05 * 300 + 12


@pytest.mark.parametrize("n_subjects", [0, 1, 2, 5, 6, 12])
def test_the_least_p_is_that_of_subjects_who_all_agree(n_subjects):
    assert least_p(n_subjects) == sign_flip_test(np.ones(n_subjects))


def test_many_pairs_at_once_are_what_each_is_alone(rng, monkeypatch):
    monkeypatch.setattr(statistics, "_PAIRS_AT_ONCE", 3)
    table = np.round(rng.normal(0.05, 0.02, (9, 8)), 2)  # with ties
    table[4] = table[2]
    found = sign_flip_tests(table)
    for one in range(9):
        for other in range(9):
            sums = [abs(np.dot(signs, table[one] - table[other])) for signs in product((-1, 1), repeat=8)]
            observed = abs((table[one] - table[other]).sum())
            assert found[one, other] == pytest.approx(np.mean(np.array(sums) >= observed - 1e-12), abs=1e-15)


def test_signs_are_drawn_once_for_all_tests_of_as_many_subjects(rng, monkeypatch):
    drawn = []
    made = np.random.default_rng
    monkeypatch.setattr(np.random, "default_rng", lambda seed: drawn.append(seed) or made(seed))
    statistics._drawn_signs.cache_clear()
    for _ in range(3):
        sign_flip_test(rng.normal(0.001, 0.02, 31))
    assert drawn == [statistics.SIGN_SEED]
