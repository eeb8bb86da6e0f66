"""Intervals, ranks, paired tests: against scipy, statsmodels and counting by hand."""

from itertools import product

import numpy as np
import pytest
from scipy.stats import bootstrap, permutation_test, ttest_1samp

from harness.scoring.statistics import (
    SIGN_DRAWS,
    bootstrap_interval,
    detectable,
    effect_size,
    effect_sizes,
    holm,
    rank_intervals,
    sign_flip_test,
    sign_flip_tests,
)


def test_agrees_with_scipys_percentile_bootstrap(rng):
    values = rng.normal(0.05, 0.02, 19)
    theirs = bootstrap(
        (values,), np.mean, n_resamples=20_000, method="percentile", rng=rng
    ).confidence_interval
    # Two seeds of 10,000 draws differ by about this much.
    assert bootstrap_interval(values) == pytest.approx(tuple(theirs), abs=4e-4)


def test_same_values_same_interval(rng):
    values = list(rng.normal(size=7))
    assert bootstrap_interval(values) == bootstrap_interval(values)


def test_one_value_has_no_interval():
    assert bootstrap_interval([0.05]) is None


def test_equal_values_have_an_interval_of_no_width():
    assert bootstrap_interval([0.25, 0.25, 0.25]) == (0.25, 0.25)


def test_higher_level_is_wider(rng):
    values = rng.normal(size=12)
    low, high = bootstrap_interval(values, level=0.5)
    lower, higher = bootstrap_interval(values, level=0.99)
    assert lower < low < high < higher


@pytest.mark.parametrize("n_subjects", [1, 2, 5, 8, 13])
def test_exact_sign_flips_agree_with_counting_every_sign(rng, n_subjects):
    differences = rng.normal(0.01, 0.02, n_subjects)
    sums = np.array([np.dot(signs, differences) for signs in product((-1, 1), repeat=n_subjects)])
    expected = np.mean(np.abs(sums) >= abs(differences.sum()) - 1e-12)
    assert sign_flip_test(differences) == pytest.approx(expected, abs=1e-15)


def test_exact_sign_flips_agree_with_scipy_for_20_subjects(rng):
    differences = rng.normal(0.008, 0.02, 20)
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


def test_beyond_what_draws_resolve_the_bound_takes_over_and_is_never_too_small(rng):
    differences = np.abs(rng.normal(1.0, 0.5, 60))
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


def test_detectable_difference_agrees_with_statsmodels(rng):
    from statsmodels.stats.power import TTestPower

    differences = rng.normal(0.0, 0.02, 19)
    size = TTestPower().solve_power(nobs=19, alpha=0.05, power=0.8, alternative="two-sided")
    assert detectable(differences) == pytest.approx(size * differences.std(ddof=1), rel=1e-5)
    assert detectable([0.1]) is None


def test_ranks_and_their_intervals(rng):
    subjects = rng.normal(0.05, 0.03, 19)
    scores = np.stack([subjects, subjects + 0.1, subjects + 0.001 * rng.normal(size=19), subjects - 0.1])
    found = rank_intervals(scores)
    assert found[1] == (1, 1, 1)
    assert found[3] == (4, 4, 4)
    assert {found[0].rank, found[2].rank} == {2, 3}
    assert [found[i][1:] for i in (0, 2)] == [(2, 3), (2, 3)]
    assert rank_intervals(scores) == found


def test_rank_intervals_agree_with_a_loop_over_resamples(rng):
    scores = rng.normal(0.05, 0.03, (6, 12))
    picks = np.random.default_rng(5).integers(0, 12, (4000, 12))
    drawn = np.array([(-scores[:, pick].mean(axis=1)).argsort().argsort() + 1 for pick in picks])
    for system, found in enumerate(rank_intervals(scores)):
        low, high = np.quantile(drawn[:, system], [0.025, 0.975], method="inverted_cdf")
        assert abs(found.low - low) <= 1
        assert abs(found.high - high) <= 1


def test_equal_systems_share_the_lowest_rank():
    found = rank_intervals([[0.1, 0.2], [0.1, 0.2], [0.0, 0.0]])
    assert found == [(1, 1, 1), (1, 1, 1), (3, 3, 3)]


def test_one_subject_gives_ranks_without_intervals():
    assert rank_intervals([[0.1], [0.3]]) == [(2, 2, 2), (1, 1, 1)]
