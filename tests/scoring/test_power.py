"""The smallest difference that could be found, and the subjects that it takes: against statsmodels, and by trial."""

import numpy as np
import pytest
from scipy.stats import nct, norm, t
from statsmodels.stats.power import TTestPower

from harness.scoring.power import (
    MOST_SUBJECTS,
    least_difference,
    shift_found,
    shift_found_by_signs,
    signs_at,
    subjects_needed,
)
from harness.scoring.statistics import least_p, sign_flip_test
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
    assert shift_found(1000.0) == pytest.approx(1.962 + 0.842, abs=0.01)
    # So far out the near tail is no number either. There the normal in t's numerator is as nothing beside the
    # shift, and the share found that of the denominators, half a normal, below shift over critical value.
    assert shift_found(1.0, level=1e-5) == pytest.approx(t.ppf(1 - 5e-6, 1) * norm.ppf(0.9), rel=1e-3)


def test_unless_told_otherwise_four_in_five_are_found_at_the_level_of_one_in_twenty(rng):
    one = estimate(rng.normal(0.1, 1, 12))
    assert least_difference(one) == least_difference(one, level=0.05, power=0.8)
    assert shift_found(11.0) == shift_found(11.0, level=0.05, power=0.8)
    assert subjects_needed(one, 12) == subjects_needed(one, 12, level=0.05, power=0.8)


def test_subjects_needed_agree_with_statsmodels(rng):
    values = rng.normal(0.004, 0.01, 19)
    effect = values.mean() / values.std(ddof=1)
    for level in (0.05, 0.05 / 21):
        needed = TTestPower().solve_power(effect, alpha=level, power=0.8, alternative="two-sided")
        assert subjects_needed(estimate(values), 19, level=level) == int(np.ceil(needed - 1e-6))
    needed = TTestPower().solve_power(effect, alpha=0.05, power=0.95, alternative="two-sided")
    assert subjects_needed(estimate(values), 19, power=0.95) == int(np.ceil(needed - 1e-6))


def test_a_few_subjects_needed_are_a_whole_number_of_them():
    values = np.arange(10) + 2.5  # an effect of 2.3
    needed = TTestPower().solve_power(values.mean() / values.std(ddof=1), alpha=0.05, power=0.8)
    found = subjects_needed(estimate(values), 10)
    assert (found, type(found)) == (int(np.ceil(needed)), int)


def test_two_subjects_can_say_how_many_it_takes():
    three = subjects_needed(estimate([0.9, 1.1]), 2)  # a mean of 1
    assert (three, type(three)) == (3, int)
    assert subjects_needed(estimate([1.0, 1.0, 1.0]), 3) == 2  # no spread at all


def test_a_difference_that_is_just_found_needs_no_subject_more():
    # The degrees of freedom of 8 subjects, as these sums come out.
    just = Estimate(shift_found(1 / (1 / 7)), 1.0, 7.0, of_subjects=1.0, of_seeds=0.0, of_interaction=0.0)
    assert subjects_needed(just, 8) == 8


def test_the_search_ends_at_the_most_subjects():
    def of(n):
        value = (norm.ppf(0.975) + norm.ppf(0.8)) / n**0.5  # that n subjects of variance 1 find
        return subjects_needed(
            Estimate(value, 0.5, 1.0, of_subjects=0.5, of_seeds=0.0, of_interaction=0.0), 2
        )

    assert of(0.999 * MOST_SUBJECTS) == pytest.approx(0.999 * MOST_SUBJECTS, rel=1e-4)
    assert of(1.001 * MOST_SUBJECTS) is None


def test_sign_flips_need_as_many_subjects_as_give_so_small_a_p():
    values = 1 + 0.001 * np.arange(10)
    assert subjects_needed(estimate(values), 10) == 2
    assert subjects_needed(estimate(values), 10, signs=True) == 6
    assert sign_flip_test(values[:6]) <= 0.05 < sign_flip_test(values[:5])
    assert subjects_needed(estimate(values), 10, signs=True, level=least_p(8)) == 8


def test_where_seeds_differ_as_much_no_number_of_subjects_is_enough():
    few = Estimate(0.01, 0.00012, 4.0, of_subjects=0.00002, of_seeds=0.0001, of_interaction=0.0)
    assert subjects_needed(few, 16, seed_degrees=4) is None
    more = few._replace(of_seeds=0.000005)
    assert 2 <= subjects_needed(more, 16, seed_degrees=4) < 100


@pytest.mark.parametrize(("seed_degrees", "interaction"), [(0, 0.0), (4, 0.0), (4, 0.000003)])
def test_seeds_leave_a_variance_and_degrees_of_freedom_that_more_subjects_do_not(seed_degrees, interaction):
    one = Estimate(0.01, 0.0, 1.0, of_subjects=0.00002, of_seeds=0.000005, of_interaction=interaction)
    seeds = 0.000005 - interaction

    def power(n):
        subjects = 0.00002 * 16 / n
        spread = subjects**2 / (n - 1) + (seeds**2 / seed_degrees if seed_degrees else 0)
        degrees = (subjects + seeds) ** 2 / spread
        critical, shift = t.ppf(0.975, degrees), 0.01 / (subjects + seeds) ** 0.5
        return nct.sf(critical, degrees, shift) + nct.cdf(-critical, degrees, shift)

    needed = subjects_needed(one, 16, **({"seed_degrees": seed_degrees} if seed_degrees else {}))
    assert power(needed - 1) < 0.8 <= power(needed)


def test_equal_systems_are_told_apart_by_no_number():
    assert subjects_needed(estimate([0.1, -0.1]), 2) is None


@pytest.mark.parametrize(
    ("n_subjects", "level", "power"),
    [(6, 0.05, 0.8), (8, 0.05 / 6, 0.8), (9, 0.05, 0.6), (12, 0.05 / 21, 0.8)],
)
def test_sign_flips_find_what_they_are_said_to_find(n_subjects, level, power, rng):
    """By a t test's power it was 63 % where 80 % was said, with 6 subjects or with 8 and 6 pairs."""
    shift = shift_found_by_signs(n_subjects, level=level, power=power)
    samples = rng.normal(shift / n_subjects**0.5, 1, (2000, n_subjects))
    found = np.mean([sign_flip_test(sample) <= level for sample in samples])
    assert found == pytest.approx(power, abs=0.03)
    assert shift > shift_found(n_subjects - 1, level=level, power=power)


def test_sign_flips_of_many_subjects_find_what_a_t_test_finds():
    assert shift_found_by_signs(19, level=0.05 / 78) == shift_found(18, level=0.05 / 78)
    assert shift_found_by_signs(104) == shift_found(103)
    assert (signs_at(0.05, 6), signs_at(0.05, 7), signs_at(2**-7, 8), signs_at(0.05, 5)) == (1, 3, 1, 0)


def test_of_too_few_subjects_sign_flips_find_nothing(rng):
    one = estimate(rng.normal(1, 0.1, 5))
    assert shift_found_by_signs(5) is None
    assert least_difference(one, signs_of=5) is None
    assert least_difference(one, signs_of=5, level=0.0625) > least_difference(one, level=0.0625) > 0


def test_sign_flips_need_more_subjects_where_few_signs_are_at_the_level():
    values = 1.6 + np.tile([-1.0, 1.0], 4)  # an effect of 1.5; with 6 subjects all signs must agree
    assert subjects_needed(estimate(values), 8) == 6
    assert subjects_needed(estimate(values), 8, signs=True) == 7


def test_no_more_than_64_subjects_count_among_the_signs():
    assert signs_at(2**-63, 64) == signs_at(2**-63, 65) == signs_at(2**-63, 1000) == 1


@pytest.mark.parametrize(("level", "power"), [(0.05, 0.95), (0.02, 0.8)])
def test_sign_flips_are_asked_with_the_level_and_power_that_are_said(level, power):
    values = 1.6 + 2 * np.tile([-1.0, 1.0], 4)
    one = estimate(values)
    shift = shift_found_by_signs(8, level=level, power=power)
    found = least_difference(one, signs_of=8, level=level, power=power)
    assert found == shift * one.variance**0.5 != least_difference(one, signs_of=8)
    enough = (
        n
        for n in range(2, 100)
        if (needed := shift_found_by_signs(n, level=level, power=power)) is not None
        and values.mean() >= needed * values.std(ddof=1) / np.sqrt(n)
    )
    assert subjects_needed(one, 8, level=level, power=power, signs=True) == next(enough)


def test_a_difference_that_is_just_found_is_enough():
    shift = shift_found_by_signs(8)
    one = Estimate(shift, variance=1.0, degrees=7, of_subjects=1.0, of_seeds=0.0, of_interaction=0.0)
    assert subjects_needed(one, 8, signs=True) == 8
