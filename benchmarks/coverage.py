"""How often a 95 % interval of the mean over subjects holds the true mean, for 2 to 104 subjects.

    python -m benchmarks.coverage

10,000 repetitions for each number of subjects and each of two distributions: normal, and skewed
(exponential, skewness 2). Counted are the interval in use (``harness.scoring.intervals``), Student's t for
every number, and the percentile bootstrap. Written to ``benchmarks/coverage.json``.

The resamples are those of ``mean_interval``, worked out for many repetitions at once; that both ways give the
same ends is checked on the way.
"""

import json
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
from scipy.special import stdtrit

from harness.scoring.intervals import (
    BOOTSTRAP_DRAWS,
    BOOTSTRAP_SEED,
    LEAST_STUDENTISED,
    mean_interval,
)

REPETITIONS = 10_000
AT_ONCE = 500  # repetitions
SUBJECTS = (2, 3, 4, 5, 6, 7, 8, 10, 12, 16, 19, 26, 50, 85, 104)
# Values with a true mean of 0.
DISTRIBUTIONS: dict[str, Callable[[np.random.Generator, tuple[int, int]], np.ndarray]] = {
    "normal": lambda rng, shape: rng.standard_normal(shape),
    "skewed": lambda rng, shape: rng.standard_exponential(shape) - 1.0,
}
FIGURES = Path(__file__).with_name("coverage.json")
TAILS = [0.025, 0.975]


def coverage(n_subjects: int, distribution: str) -> dict[str, float]:
    """Share of the repetitions in which each kind of interval holds 0."""
    rng = np.random.default_rng([20260801, n_subjects, list(DISTRIBUTIONS).index(distribution)])
    picks = np.random.default_rng(BOOTSTRAP_SEED).integers(0, n_subjects, size=(BOOTSTRAP_DRAWS, n_subjects))
    counts = np.zeros((BOOTSTRAP_DRAWS, n_subjects))
    np.add.at(counts, (np.arange(BOOTSTRAP_DRAWS)[:, None], picks), 1.0)
    held = {"in_use": 0, "t": 0, "percentile": 0}
    reach = stdtrit(n_subjects - 1, TAILS[1])
    for _ in range(REPETITIONS // AT_ONCE):
        values = DISTRIBUTIONS[distribution](rng, (n_subjects, AT_ONCE))
        mean, error = values.mean(axis=0), values.std(axis=0, ddof=1) / np.sqrt(n_subjects)
        centred = values - mean
        shifts = counts @ centred / n_subjects
        percentile = mean + np.quantile(shifts, TAILS, axis=0)
        ends = mean + np.array([[-reach], [reach]]) * error
        held["t"] += _holding(ends)
        held["percentile"] += _holding(percentile)
        if n_subjects >= LEAST_STUDENTISED:
            spread = counts @ centred**2 / n_subjects - shifts**2
            with np.errstate(divide="ignore"):
                ratios = shifts / np.sqrt(np.maximum(spread, 0.0) / (n_subjects - 1))
            low, high = np.quantile(ratios, TAILS, axis=0, method="nearest")
            ends = np.stack([mean - high * error, mean - low * error])
        if not np.allclose(ends[:, 0], mean_interval(values[:, 0]), atol=1e-6):
            raise RuntimeError(f"{n_subjects} subjects: {ends[:, 0]} is not what mean_interval gives")
        held["in_use"] += _holding(ends)
    return {name: round(number / REPETITIONS, 4) for name, number in held.items()}


def _holding(ends: np.ndarray) -> int:
    return int(np.count_nonzero((ends[0] <= 0) & (ends[1] >= 0)))


def main() -> dict[str, dict[str, dict[str, float]]]:
    """Number of subjects -> distribution -> kind of interval -> share that holds the true mean."""
    figures = {}
    for n_subjects in SUBJECTS:
        figures[str(n_subjects)] = {name: coverage(n_subjects, name) for name in DISTRIBUTIONS}
        print(n_subjects, figures[str(n_subjects)], file=sys.stderr)
    return figures


if __name__ == "__main__":
    FIGURES.write_text(json.dumps(main(), indent=1) + "\n")
