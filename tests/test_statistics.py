"""Intervals."""

import numpy as np
import pytest
from scipy.stats import bootstrap

from harness.statistics import bootstrap_interval


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
