"""Intervals of a mean over subjects: against scipy, plain loops, and how often they hold the truth."""

import numpy as np
import pytest
import scipy.stats

from harness.scoring.intervals import (
    interval_name,
    interval_words,
    mean_interval,
    studentised_interval,
    t_interval,
)


@pytest.mark.parametrize("n_subjects", [2, 3, 7])
@pytest.mark.parametrize("level", [0.5, 0.95])
def test_few_subjects_have_students_interval(rng, n_subjects, level):
    values = rng.normal(0.05, 0.02, n_subjects)
    theirs = scipy.stats.t.interval(level, n_subjects - 1, values.mean(), scipy.stats.sem(values))
    assert mean_interval(values, level=level) == pytest.approx(theirs, abs=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize("n_subjects", [8, 19, 104])
@pytest.mark.parametrize("level", [0.5, 0.95])
def test_eight_subjects_and_more_have_a_studentised_interval(rng, n_subjects, level):
    values = rng.normal(0.05, 0.02, n_subjects)
    picks = np.random.default_rng(20240415).integers(0, n_subjects, size=(10_000, n_subjects))
    ratios = [(values[pick].mean() - values.mean()) / scipy.stats.sem(values[pick]) for pick in picks]
    low, high = np.quantile(ratios, [(1 - level) / 2, (1 + level) / 2], method="nearest")
    error = scipy.stats.sem(values)
    expected = (values.mean() - high * error, values.mean() - low * error)
    assert mean_interval(values, level=level) == pytest.approx(expected, abs=1e-9)


def test_two_values_by_hand():
    # Mean 0.5, deviation the root of a half, error 0.5; t(0.975; 1) = tan(0.475 pi) = 12.706.
    assert mean_interval([0.0, 1.0]) == pytest.approx((0.5 - 6.353102, 0.5 + 6.353102), abs=1e-6)


def test_same_values_same_interval(rng):
    for n_subjects in (7, 8):
        values = list(rng.normal(size=n_subjects))
        assert mean_interval(values) == mean_interval(values)


def test_one_value_has_no_interval():
    assert mean_interval([0.05]) is None
    assert mean_interval([]) is None


@pytest.mark.parametrize("n_subjects", [3, 8, 20])
def test_equal_values_have_an_interval_of_no_width(n_subjects):
    low, high = mean_interval([0.1] * n_subjects)
    assert low == high == pytest.approx(0.1)


@pytest.mark.parametrize("n_subjects", [5, 12])
def test_higher_level_is_wider(rng, n_subjects):
    values = rng.normal(size=n_subjects)
    low, high = mean_interval(values, level=0.5)
    lower, higher = mean_interval(values, level=0.99)
    assert lower < low < high < higher


def test_a_studentised_interval_follows_the_skew(rng):
    values = rng.exponential(size=30)
    low, high = mean_interval(values)
    assert high - values.mean() > values.mean() - low
    mirrored = mean_interval(-values)
    assert mirrored == pytest.approx((-high, -low), abs=0.02)


def test_values_whose_error_is_one_are_resampled_like_any():
    values = np.array([0.0, 0.0, 0.0, 1.0, 2.0, 4.0, 6.0, 7.0])
    assert values.std(ddof=1) / np.sqrt(8) == 1
    low, high = studentised_interval(values)
    assert low + 1 < values.mean() < high - 1


def test_where_a_studentised_end_is_infinite_t_takes_over():
    # A third of the resamples hold no 1 and have no deviation, so that one end is infinite.
    values = np.array([0.0] * 7 + [1.0])
    assert studentised_interval(values) is None
    assert mean_interval(values) == t_interval(values)
    assert np.isfinite(mean_interval(values)).all()


def test_a_resample_of_equal_values_has_no_deviation_whatever_is_rounded():
    value = next(v for v in np.arange(1, 100) / 97 if np.full(9, v).std(ddof=1) > 0)
    assert studentised_interval(np.array([value] * 8 + [2.0])) is None
    assert studentised_interval(np.array([value] * 7 + [2.0, 3.0])) is None


@pytest.mark.parametrize("level", [0.22, 0.9])
def test_a_resample_whose_equal_values_are_the_mean_counts_at_neither_end(level):
    # Of the 27 resamples one is all -2 and one all 2, which 10 % leaves room for, and one all 0.
    values = np.array([-2.0, 0.0, 2.0])
    picks = np.random.default_rng(20240415).integers(0, 3, size=(10_000, 3))
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios = values[picks].mean(axis=1) / (values[picks].std(axis=1, ddof=1) / np.sqrt(3))
    ratios[np.isnan(ratios)] = 0.0
    low, high = np.quantile(ratios, [(1 - level) / 2, (1 + level) / 2], method="nearest")
    error = 2 / np.sqrt(3)
    assert studentised_interval(values, level=level) == pytest.approx(
        (-high * error, -low * error), abs=1e-12
    )


@pytest.mark.parametrize("n_subjects", [2, 3])
def test_of_two_or_three_subjects_a_studentised_interval_is_infinite(rng, n_subjects):
    assert studentised_interval(rng.normal(size=n_subjects)) is None


def test_a_shift_and_a_scale_move_the_interval_with_the_values(rng):
    for n_subjects in (6, 15):
        values = rng.normal(size=n_subjects)
        low, high = mean_interval(values)
        assert mean_interval(3 + 2 * values) == pytest.approx((3 + 2 * low, 3 + 2 * high), abs=1e-9)


def test_float32_is_worked_out_in_float64(rng):
    for n_subjects in (7, 8):
        single = (1000 + rng.normal(0.0, 0.02, n_subjects)).astype(np.float32)
        assert mean_interval(single) == mean_interval(single.astype(np.float64))


@pytest.mark.slow
@pytest.mark.parametrize(("n_subjects", "at_least"), [(2, 0.93), (5, 0.93), (8, 0.93), (19, 0.93)])
def test_an_interval_holds_what_it_says(n_subjects, at_least):
    rng = np.random.default_rng([1, n_subjects])
    held = 0
    for _ in range(600):
        low, high = mean_interval(rng.normal(size=n_subjects))
        held += low <= 0 <= high
    assert at_least <= held / 600 <= 0.98


def test_names():
    assert [interval_name(n) for n in (2, 7, 8)] == ["t interval", "t interval", "studentised bootstrap"]
    assert interval_words(19) == "studentised bootstrap over 19 subjects"
    assert interval_words(1) == "t interval over 1 subject"
