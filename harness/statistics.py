"""Intervals: how sure a mean over subjects is."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

BOOTSTRAP_DRAWS = 10_000
BOOTSTRAP_SEED = 20240415  # fixed, so that the same subjects always give the same interval


def bootstrap_interval(
    values: Sequence[float], *, level: float = 0.95, draws: int = BOOTSTRAP_DRAWS
) -> tuple[float, float] | None:
    """Percentile bootstrap interval of the mean (Efron 1979), resampling the values.

    Args:
        values: one number a subject.
        level: the share of draws inside the interval.
        draws: how many resamples.

    Returns:
        Lower and upper end; None for fewer than two values, of which no resample differs.
    """
    sample = np.asarray(values, dtype=np.float64)
    if sample.size < 2:
        return None
    rng = np.random.default_rng(BOOTSTRAP_SEED)
    picks = rng.integers(0, sample.size, size=(draws, sample.size))
    means = sample[picks].mean(axis=1)
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
