"""The smallest difference that could be found, and the subjects that it takes: against statsmodels, and by trial."""

import numpy as np
import pytest
from statsmodels.stats.power import TTestPower

from harness.scoring.power import least_difference, shift_found, subjects_needed
from harness.scoring.statistics import sign_flip_test
from harness.scoring.two_sources import Estimate, estimate


@pytest.mark.parametrize(
    ("n_subjects", "level", "power"),
    [(2, 0.05, 0.8), (5, 0.3, 0.32), (8, 0.01, 0.95), (19, 0.05, 0.8), (104, 0.001, 0.8)],
)
def test_the_least_difference_has_the_power_that_it_names(n_subjects, level, power):
    values = np.arange(n_subjects) * 0.01
    found = least_difference(estimate(values), level=level, power=power)
    effect = found / values.std(ddof=1)
    # Both tails: at a power near the level the far one holds a good part of it.
    assert TTestPower().power(effect, n_subjects, level, alternative="two-sided") == pytest.approx(power)


def test_of_one_subject_nothing_can_be_found():
    assert least_difference(estimate([0.1])) is None
    assert subjects_needed(estimate([0.1]), 1) is None


def test_a_level_of_many_pairs_and_few_degrees_has_a_shift():
    # The tails of noncentral t are not numbers in scipy for such; 1 degree of freedom is nearly Cauchy.
    assert shift_found(1.0, level=0.05 / 300) == pytest.approx(4895, rel=0.01)
    assert shift_found(1000.0, level=0.05) == pytest.approx(1.962 + 0.842, abs=0.01)


def test_subjects_needed_agree_with_statsmodels(rng):
    values = rng.normal(0.004, 0.01, 19)
    effect = values.mean() / values.std(ddof=1)
    for level in (0.05, 0.05 / 21):
        needed = TTestPower().solve_power(effect, alpha=level, power=0.8, alternative="two-sided")
        assert subjects_needed(estimate(values), 19, level=level) == int(np.ceil(needed - 1e-6))


def test_sign_flips_need_as_many_subjects_as_give_so_small_a_p():
    values = 1 + 0.001 * np.arange(10)
    assert subjects_needed(estimate(values), 10) == 2
    assert subjects_needed(estimate(values), 10, signs=True) == 6
    assert sign_flip_test(values[:6]) <= 0.05 < sign_flip_test(values[:5])


def test_where_seeds_differ_as_much_no_number_of_subjects_is_enough():
    few = Estimate(0.01, 0.00012, 4.0, of_subjects=0.00002, of_seeds=0.0001, of_interaction=0.0)
    assert subjects_needed(few, 16, seed_degrees=4) is None
    more = few._replace(of_seeds=0.000005)
    assert 2 <= subjects_needed(more, 16, seed_degrees=4) < 100


def test_equal_systems_are_told_apart_by_no_number():
    assert subjects_needed(estimate([0.1, -0.1]), 2) is None
