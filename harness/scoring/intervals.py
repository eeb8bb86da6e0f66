"""Confidence intervals of a mean over subjects, made to hold what they say for 2 subjects and for 100.

    t             m +- t(1 - a/2; n - 1) s / sqrt(n)                       fewer than ``LEAST_STUDENTISED``
    studentised   m - q(1 - a/2) s / sqrt(n)  to  m - q(a/2) s / sqrt(n)   from there on

with m the mean of n subjects' values, s their standard deviation (divided by n - 1), a one less the level,
and q(.) the quantiles of (m* - m) / (s* / sqrt(n)) over resamples of the subjects, each with its m* and s*.

Sources: Student 1908, The probable error of a mean; Efron and Tibshirani 1993, An introduction to the
bootstrap, section 12.5 (the bootstrap-t interval); Hall 1988, Theoretical comparison of bootstrap confidence
intervals, Annals of Statistics 16, 927 (its error falls faster with n than a percentile interval's). A
percentile interval is too narrow for few subjects: it takes their spread for the truth, divided by n where
n - 1 is due, and has a normal's tails. ``python -m benchmarks.coverage`` counts how often each kind holds the
true mean.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

BOOTSTRAP_DRAWS = 10_000
BOOTSTRAP_SEED = 20240415  # fixed, so that the same subjects always give the same interval
# Of fewer subjects too many resamples are of one subject alone, whose deviation is 0: at 2 and 3 the ends of
# a studentised interval are infinite.
LEAST_STUDENTISED = 8


def mean_interval(values: Sequence[float], *, level: float = 0.95) -> tuple[float, float] | None:
    """Confidence interval of the mean: t for few values, studentised bootstrap from ``LEAST_STUDENTISED`` on.

    Args:
        values: one number a subject.
        level: how often the interval should hold the true mean.

    Returns:
        Lower and upper end, which may lie outside the values and outside a measure's range; the mean twice
        where all values are equal; None for fewer than two values.
    """
    sample = np.asarray(values, dtype=np.float64)
    if sample.size < 2:
        return None
    if sample.size >= LEAST_STUDENTISED:
        ends = studentised_interval(sample, level)
        if ends is not None:
            return ends
    return t_interval(sample, level)


def interval_name(n_subjects: int) -> str:
    """What :func:`mean_interval` of so many subjects is called."""
    return "studentised bootstrap" if n_subjects >= LEAST_STUDENTISED else "t interval"


def interval_words(n_subjects: int) -> str:
    """The same with its unit: "studentised bootstrap over 19 subjects"."""
    return f"{interval_name(n_subjects)} over {n_subjects} subject{'' if n_subjects == 1 else 's'}"


def t_interval(sample: NDArray[np.float64], level: float = 0.95) -> tuple[float, float]:
    """Student's interval of the mean of two values or more."""
    from scipy.special import stdtrit

    mean, error = _mean_and_error(sample)
    reach = float(stdtrit(sample.size - 1, (1 + level) / 2)) * error
    return mean - reach, mean + reach


def studentised_interval(sample: NDArray[np.float64], level: float = 0.95) -> tuple[float, float] | None:
    """The bootstrap-t interval of the mean of two values or more; None where an end of it is infinite.

    A resample of equal values has no deviation: its ratio is infinite, with the sign of how its mean differs,
    and 0 where it does not. Where that is so in more resamples than lie beyond an end, there is no such end.
    """
    mean, error = _mean_and_error(sample)
    if error == 0:
        return mean, mean
    drawn = sample[_picks(sample.size)]
    shifts = drawn.mean(axis=1) - mean
    errors = np.where(np.ptp(drawn, axis=1) > 0, drawn.std(axis=1, ddof=1), 0.0) / np.sqrt(sample.size)
    ratios = np.where(shifts == 0, 0.0, np.copysign(np.inf, shifts))
    np.divide(shifts, errors, out=ratios, where=errors > 0)
    # Two infinite neighbours would be interpolated to NaN.
    low, high = np.quantile(ratios, [(1 - level) / 2, (1 + level) / 2], method="nearest")
    if not (np.isfinite(low) and np.isfinite(high)):
        return None
    return mean - float(high) * error, mean - float(low) * error


def _mean_and_error(sample: NDArray[np.float64]) -> tuple[float, float]:
    """Mean and standard error; the error of equal values is 0, and not what rounding leaves."""
    spread = float(sample.std(ddof=1)) if np.ptp(sample) > 0 else 0.0
    return float(sample.mean()), spread / float(np.sqrt(sample.size))


@lru_cache(maxsize=8)
def _picks(n_subjects: int) -> NDArray[np.int64]:
    """(draws, n_subjects) places of subjects, the same for every system of as many subjects."""
    rng = np.random.default_rng(BOOTSTRAP_SEED)
    picks = rng.integers(0, n_subjects, size=(BOOTSTRAP_DRAWS, n_subjects))
    picks.flags.writeable = False
    return picks
