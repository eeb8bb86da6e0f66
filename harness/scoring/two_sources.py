"""Means and differences of architectures, whose scores vary with the subjects and with the seeds of training.

y[s, i] is the score of training s (of S) of one system on subject i (of n). Trainings are nested in systems,
and every training meets the same subjects:

    y[s, i] = mean + subject[i] + seed[s] + interaction[s, i]

For the difference D of two systems' means, d[i] being the difference on subject i of their means over seeds:

    A     = var over i of d[i] / n                          subjects, n - 1 degrees of freedom
    B[k]  = var over s of system k's means / S[k]           its seeds, S[k] - 1
    C[k]  = var of the interaction of k / (S[k] n)          (S[k] - 1)(n - 1)
    V     = A + sum B - sum C, not below A, nor below sum B

The interaction is in A and in B, so that it is taken out once; where V would fall below one of these, that
one stands alone, with its degrees. D / sqrt(V) is compared with Student's t with Satterthwaite's degrees of
freedom, V^2 / (A^2 / (n - 1) + sum B^2 / (S - 1) + sum C^2 / ((S - 1)(n - 1))).

Sources: Satterthwaite 1946, An approximate distribution of estimates of variance components, Biometrics
Bulletin 2, 110; Clark 1973, The language-as-fixed-effect fallacy, Journal of Verbal Learning and Verbal
Behavior 12, 335 (two sources of chance need both in the error); Brennan 2001, Generalizability theory,
sections 3 and 6. A system whose training draws nothing at random has one training and no B or C.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from harness.scoring.intervals import mean_interval


class Estimate(NamedTuple):
    """A mean, or a difference of means, over subjects and seeds.

    Attributes:
        value: in the unit of the scores.
        variance: of the value, from both sources; V above.
        degrees: of freedom; 0 where there is one subject.
        of_subjects: A, of the variance.
        of_seeds: sum B.
        of_interaction: sum C.
    """

    value: float
    variance: float
    degrees: float
    of_subjects: float
    of_seeds: float
    of_interaction: float

    @property
    def p(self) -> float:
        """Two-sided p that the value is not 0; 1 where nothing can be said."""
        from scipy.special import stdtr

        if self.degrees <= 0:
            return 1.0
        if self.variance <= 0:
            return 1.0 if self.value == 0 else 0.0
        return float(2 * stdtr(self.degrees, -abs(self.value) / np.sqrt(self.variance)))

    def interval(self, level: float = 0.95) -> tuple[float, float] | None:
        """Its confidence interval; None where there is one subject."""
        from scipy.special import stdtrit

        if self.degrees <= 0:
            return None
        reach = float(stdtrit(self.degrees, (1 + level) / 2)) * float(np.sqrt(self.variance))
        return self.value - reach, self.value + reach


def estimate(first: ArrayLike, second: ArrayLike | None = None) -> Estimate:
    """The mean of a system, or the difference of two, over subjects and seeds.

    Args:
        first: (n_seeds, n_subjects) scores of one system; one row where its training draws nothing at random.
        second: the same of another, on the same subjects; None for the mean of the first.
    """
    tables = [np.atleast_2d(np.asarray(first, dtype=np.float64))]
    if second is not None:
        tables.append(np.atleast_2d(np.asarray(second, dtype=np.float64)))
    means = [table.mean(axis=0) for table in tables]
    d = means[0] - means[1] if second is not None else means[0]
    n = d.size
    value = float(d.mean())
    if n < 2:
        return Estimate(value, 0.0, 0.0, 0.0, 0.0, 0.0)
    subjects = float(d.var(ddof=1)) / n
    seeds, interactions = [], []
    for table in tables:
        n_seeds = len(table)
        if n_seeds < 2:
            continue
        own = table.mean(axis=1)
        rest = table - own[:, None] - table.mean(axis=0) + table.mean()
        degrees = (n_seeds - 1) * (n - 1)
        seeds.append((float(own.var(ddof=1)) / n_seeds, n_seeds - 1))
        interactions.append((float((rest**2).sum()) / degrees / (n_seeds * n), degrees))
    of_seeds, of_interaction = sum(v for v, _ in seeds), sum(v for v, _ in interactions)
    variance = subjects + of_seeds - of_interaction
    parts = [(subjects, n - 1), *seeds, *interactions]
    if variance < max(subjects, of_seeds):  # an estimate of the interaction beyond one of the others
        variance, parts = (subjects, parts[:1]) if subjects >= of_seeds else (of_seeds, seeds)
    spread = sum(v**2 / f for v, f in parts)
    degrees_of_freedom = variance**2 / spread if spread > 0 else float(n - 1)
    return Estimate(value, variance, degrees_of_freedom, subjects, of_seeds, of_interaction)


def system_interval(scores: ArrayLike) -> tuple[float, float] | None:
    """95 % interval of a system's mean: over its subjects, and over its seeds where it has several.

    Args:
        scores: (n_seeds, n_subjects).
    """
    table = np.atleast_2d(np.asarray(scores, dtype=np.float64))
    return mean_interval(table[0].tolist()) if len(table) == 1 else estimate(table).interval()


def places_changed(first: Sequence[float], second: Sequence[float]) -> float:
    """How often two systems stand in the other order than their means do, over all pairs of their trainings.

    Args:
        first: mean score of each training of one system.
        second: the same of the other.

    Returns:
        A share of the pairs; two equal scores count a half.
    """
    one, other = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    order: NDArray[np.float64] = np.sign(one[:, None] - other[None])
    against = float(np.mean((1 - order) / 2))
    return against if one.mean() >= other.mean() else 1 - against


def spread_over_seeds(means: Sequence[float]) -> float | None:
    """Standard deviation (divided by n - 1) of the mean scores of trainings; None for fewer than two."""
    return float(np.std(means, ddof=1)) if len(means) > 1 else None
