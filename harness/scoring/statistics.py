"""How sure a ranking is: intervals by bootstrap over subjects, and paired tests between systems.

The unit is the subject, never the segment: a subject's segments share a head, a cap and a day. Scores are
(n_systems, n_subjects), one mean Pearson r each, and everything is drawn jointly for all systems.

    rank_intervals       of every system's rank
    sign_flip_test       paired, two-sided (or one-sided): exact for up to 20 subjects, Monte Carlo beyond
    holm                 adjusted for as many tests as there are
    effect_size(s)       mean difference in standard deviations of the differences
    least_p              the smallest p that a sign-flip test of so many subjects can have
    detectable           the smallest difference that would have been found
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

# A change that moves an interval or chance by more than rounding raises this number; scores are not touched.
# 1: percentile bootstrap. 2: t and studentised intervals, ``harness.scoring.intervals``.
STATISTICS_VERSION = 2

BOOTSTRAP_DRAWS = 10_000
BOOTSTRAP_SEED = 20240415  # fixed, so that the same subjects always give the same ranks
EXACT_SUBJECTS = 20  # 2^20 signs; beyond, they are drawn
SIGN_DRAWS = 20_000
SIGN_SEED = 20240417
# Sums that differ by less than this share of what is summed are equal: they differ by rounding alone.
_TIE = 1e-12
_BLOCK = 2**24  # numbers held at once


class RankInterval(NamedTuple):
    """A rank and where it may lie; 1 is the best.

    Attributes:
        rank: by the mean; systems of equal means share the lowest.
        low: best rank in the interval.
        high: worst.
    """

    rank: int
    low: int
    high: int


def rank_intervals(
    scores: ArrayLike, *, level: float = 0.95, draws: int = BOOTSTRAP_DRAWS
) -> list[RankInterval]:
    """Every system's rank by its mean, with a percentile bootstrap interval over subjects.

    Args:
        scores: (n_systems, n_subjects).
        level: the share of draws inside an interval.
        draws: how many resamples of the subjects, each of all systems together.

    Returns:
        One for each system, in order; with fewer than two subjects the interval is the rank itself.
    """
    table = np.asarray(scores, dtype=np.float64)
    n_systems, n_subjects = table.shape
    ranks = _ranks(table.mean(axis=1)[None])[0]
    if n_subjects < 2:
        return [RankInterval(int(rank), int(rank), int(rank)) for rank in ranks]
    weights = np.zeros((draws, n_subjects))
    np.add.at(weights, (np.arange(draws)[:, None], _picks(n_subjects, draws)), 1 / n_subjects)
    drawn = np.empty((draws, n_systems), dtype=np.int32)
    size = max(1, _BLOCK // n_systems)
    for start in range(0, draws, size):
        drawn[start : start + size] = _ranks(weights[start : start + size] @ table.T)
    tails = [(1 - level) / 2, (1 + level) / 2]
    low = np.quantile(drawn, tails[0], axis=0, method="inverted_cdf")
    high = np.quantile(drawn, tails[1], axis=0, method="inverted_cdf")
    return [RankInterval(int(r), int(a), int(b)) for r, a, b in zip(ranks, low, high, strict=True)]


def sign_flip_test(differences: ArrayLike) -> float:
    """Two-sided p of the paired sign-flip (randomisation) test of the mean (Fisher 1935).

    Under the null hypothesis each subject's difference is as likely to be its negative.

    Args:
        differences: (n_subjects,), one system's score minus the other's.

    Returns:
        The share of signs whose mean is at least as far from 0; 1 if no subject differs. All 2^n signs are
        tried up to ``EXACT_SUBJECTS`` subjects; beyond that, ``SIGN_DRAWS`` drawn ones and the data's own. If
        a drawn share cannot resolve so small a p, it is Hoeffding's bound (1963), which is never too small.
    """
    d = np.asarray(differences, dtype=np.float64)
    return float(sign_flip_tests(np.stack([d, np.zeros_like(d)]))[0, 1])


def one_sided_sign_flip_test(differences: ArrayLike) -> float:
    """P of the paired sign-flip test that the mean is above 0; half of :func:`sign_flip_test` where it is.

    Args:
        differences: (n_subjects,), what is thought to be higher less the other.

    Returns:
        At least 1 / 2^n; 1 where the mean is not above 0, for which it is a half or more.
    """
    d = np.asarray(differences, dtype=np.float64)
    return sign_flip_test(d) / 2 if d.sum() > 0 else 1.0


def sign_flip_tests(scores: ArrayLike) -> NDArray[np.float64]:
    """:func:`sign_flip_test` between all pairs of systems.

    Args:
        scores: (n_systems, n_subjects).

    Returns:
        (n_systems, n_systems), symmetric, with ones on the diagonal.
    """
    table = np.asarray(scores, dtype=np.float64)
    n_systems, n_subjects = table.shape
    p = np.ones((n_systems, n_systems))
    if n_subjects <= EXACT_SUBJECTS:
        for i in range(n_systems):
            for j in range(i + 1, n_systems):
                p[i, j] = p[j, i] = _exact(table[i] - table[j])
        return p
    flipped = table @ _signs(n_subjects).T  # (n_systems, draws): a pair's sum is a difference of two rows
    sums = np.empty(SIGN_DRAWS)
    resolved = 1 / (1 + SIGN_DRAWS)
    for i in range(n_systems):
        differences = table[i] - table[i + 1 :]
        observed, size = np.abs(differences.sum(axis=1)), np.abs(differences).sum(axis=1)
        squares = np.square(differences).sum(axis=1)
        found = 2 * np.exp(-(observed**2) / np.where(squares > 0, 2 * squares, 1.0))
        least = observed - _TIE * size
        for k in np.flatnonzero(found >= resolved):  # one pair at a time: its sums stay in the cache
            np.abs(np.subtract(flipped[i], flipped[i + 1 + k], out=sums), out=sums)
            found[k] = (1 + np.count_nonzero(sums >= least[k])) / (1 + SIGN_DRAWS)
        p[i, i + 1 :] = p[i + 1 :, i] = found
    return p


def holm(p: ArrayLike) -> NDArray[np.float64]:
    """Holm's (1979) adjusted p of a family of tests, in the order given.

    Args:
        p: (n_tests,) in [0, 1].

    Returns:
        (n_tests,) in [0, 1], none below its own p.
    """
    values = np.asarray(p, dtype=np.float64)
    order = np.argsort(values)
    steps = values[order] * np.arange(values.size, 0, -1)
    adjusted = np.empty_like(values)
    adjusted[order] = np.minimum(np.maximum.accumulate(steps), 1.0)
    return adjusted


def effect_size(differences: ArrayLike) -> float | None:
    """Mean difference over the standard deviation of the differences (d_z; Cohen 1988, section 2.3.5).

    Args:
        differences: (n_subjects,), one system's score minus the other's.

    Returns:
        In standard deviations; None with fewer than two subjects, or where all differences are equal.
    """
    d = np.asarray(differences, dtype=np.float64)
    if d.size < 2 or np.ptp(d) <= _TIE * np.abs(d).sum():
        return None
    return float(d.mean() / d.std(ddof=1))


def effect_sizes(scores: ArrayLike) -> NDArray[np.float64]:
    """:func:`effect_size` between all pairs of systems, row minus column.

    Args:
        scores: (n_systems, n_subjects).

    Returns:
        (n_systems, n_systems); NaN where there is none, as on the diagonal.
    """
    table = np.asarray(scores, dtype=np.float64)
    n_systems, n_subjects = table.shape
    effects = np.full((n_systems, n_systems), np.nan)
    if n_subjects < 2:
        return effects
    for i in range(n_systems):
        d = table[i] - table
        spread = np.ptp(d, axis=1) > _TIE * np.abs(d).sum(axis=1)
        effects[i, spread] = d[spread].mean(axis=1) / d[spread].std(axis=1, ddof=1)
    return effects


def detectable(differences: ArrayLike, *, level: float = 0.05, power: float = 0.8) -> float | None:
    """The smallest true mean difference that a paired t test finds with this power on these subjects.

    Args:
        differences: (n_subjects,); their spread is taken as the truth.
        level: of the two-sided test.
        power: share of repetitions in which it is found.

    Returns:
        In the unit of the scores; None with fewer than two subjects. A sign-flip test, which ranks, finds
        nothing at all where :func:`least_p` is above the level: ask that first.
    """
    from scipy.optimize import brentq
    from scipy.stats import nct, t

    d = np.asarray(differences, dtype=np.float64)
    n = d.size
    if n < 2:
        return None
    critical = t.ppf(1 - level / 2, n - 1)

    def lacking(shift: float) -> float:
        # scipy gives NaN for the far tail if the shift is large; it is 0.
        found = nct.sf(critical, n - 1, shift) + np.nan_to_num(nct.cdf(-critical, n - 1, shift))
        return float(found - power)

    shift = brentq(lacking, 0.0, 10.0 * critical)
    return float(shift * d.std(ddof=1) / np.sqrt(n))


def least_p(n_subjects: int) -> float:
    """The smallest p that a two-sided sign-flip test of so many subjects can have: 2 of all 2^n signs."""
    return min(1.0, 2.0 ** (1 - n_subjects))


def _picks(n_subjects: int, draws: int) -> NDArray[np.int64]:
    rng = np.random.default_rng(BOOTSTRAP_SEED)
    return rng.integers(0, n_subjects, size=(draws, n_subjects))


def _ranks(means: NDArray[np.float64]) -> NDArray[np.int32]:
    """(draws, n_systems) means -> ranks from 1; equal means share the lowest."""
    order = np.argsort(-means, axis=1)  # equal means get one rank, in whatever order they come
    inorder = np.take_along_axis(means, order, axis=1)
    fresh = np.ones(means.shape, dtype=bool)
    fresh[:, 1:] = inorder[:, 1:] < inorder[:, :-1]
    places = np.arange(1, means.shape[1] + 1, dtype=np.int32)
    shared = np.maximum.accumulate(np.where(fresh, places, 0), axis=1)
    ranks = np.empty(means.shape, dtype=np.int32)
    np.put_along_axis(ranks, order, shared.astype(np.int32), axis=1)
    return ranks


def _exact(differences: NDArray[np.float64]) -> float:
    """P over all 2^n signs, counted from the sorted sums of two halves instead of one by one."""
    n = differences.size
    least = abs(differences.sum()) - _TIE * np.abs(differences).sum()
    if least <= 0:
        return 1.0
    first, second = _sums(differences[: n // 2]), np.sort(_sums(differences[n // 2 :]))
    above = second.size - np.searchsorted(second, least - first, side="left")
    return float(2 * above.sum() / 2**n)  # by symmetry, as many sums lie as far below 0 as above


def _sums(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The sums of all signed combinations of the values, 2^n of them."""
    sums = np.zeros(1)
    for value in values:
        sums = np.concatenate([sums + value, sums - value])
    return sums


def _signs(n_subjects: int) -> NDArray[np.float64]:
    rng = np.random.default_rng(SIGN_SEED)
    return rng.choice(np.array([-1.0, 1.0]), size=(SIGN_DRAWS, n_subjects))
