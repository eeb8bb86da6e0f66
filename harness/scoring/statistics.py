"""How sure a ranking is: paired tests between systems over subjects, and the ranks that they leave open.

These are about the weights that were scored: other subjects, the same trainings. ``two_sources.py`` has the
tests for systems of several trainings, ``intervals.py`` the interval of one mean.

The unit is the subject, never the segment: a subject's segments share a head, a cap and a day. Scores are
(n_systems, n_subjects), one mean each.

    ranks_by_tests       of every system
    sign_flip_test       paired, two-sided (or one-sided): exact for up to 20 subjects, Monte Carlo beyond
    holm                 adjusted for as many tests as there are
    effect_size(s)       mean difference in standard deviations of the differences
    least_p              the smallest p that a sign-flip test of so many subjects can have
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

# A change that moves an interval or chance by more than rounding raises this number; scores are not touched.
# 1: percentile bootstrap. 2: t and studentised intervals, ``harness.scoring.intervals``.
STATISTICS_VERSION = 2

EXACT_SUBJECTS = 20  # 2^20 signs; beyond, they are drawn
SIGN_DRAWS = 20_000
SIGN_SEED = 20240417
# Sums that differ by less than this share of what is summed are equal: they differ by rounding alone.
_TIE = 1e-12
_PAIRS_AT_ONCE = 256  # 2^10 sums each: a few MB


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


def ranks_by_tests(means: ArrayLike, p: ArrayLike, level: float) -> list[RankInterval]:
    """Every system's rank by its mean, and the ranks that the tests between them leave open.

    From 1 + the number of systems that are significantly better, to as many as there are less the number that
    are significantly worse (Mogstad, Romano, Shaikh and Wilhelm 2024, Inference for ranks with applications
    to mobility across neighbourhoods and academic achievement across countries, Review of Economic Studies
    91, 476). Where p is adjusted for all pairs, all intervals hold at once with one less the level.

    Args:
        means: (n_systems,), higher is better.
        p: (n_systems, n_systems), adjusted, symmetric.
        level: of the tests.
    """
    values, apart = np.asarray(means, dtype=np.float64), np.asarray(p, dtype=np.float64) <= level
    better = values[None] > values[:, None]  # column better than row
    n_better = (apart & better).sum(axis=1)
    n_worse = (apart & better.T).sum(axis=1)
    ranks = 1 + better.sum(axis=1)
    highest = values.size - n_worse
    return [
        RankInterval(int(rank), int(1 + above), int(last))
        for rank, above, last in zip(ranks, n_better, highest, strict=True)
    ]


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
            p[i, i + 1 :] = p[i + 1 :, i] = _exact(table[i] - table[i + 1 :])
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


def least_p(n_subjects: int) -> float:
    """The smallest p that a two-sided sign-flip test of so many subjects can have: 2 of all 2^n signs."""
    return min(1.0, 2.0 ** (1 - n_subjects))


def _exact(differences: NDArray[np.float64]) -> NDArray[np.float64]:
    """P over all 2^n signs of each pair, counted from the sorted sums of two halves instead of one by one.

    Args:
        differences: (n_pairs, n_subjects).
    """
    n_pairs, n = differences.shape
    found = np.ones(n_pairs)
    for start in range(0, n_pairs, _PAIRS_AT_ONCE):
        some = differences[start : start + _PAIRS_AT_ONCE]
        first, second = (np.sort(_sums(half), axis=1) for half in (some[:, : n // 2], some[:, n // 2 :]))
        for pair, d in enumerate(some):  # a subject's sum is over one row, as it is of one pair alone
            least = abs(d.sum()) - _TIE * np.abs(d).sum()
            if least > 0:
                wanted = least - first[pair, ::-1]  # ascending, so that each is found near the one before
                above = second.shape[1] - np.searchsorted(second[pair], wanted, side="left")
                found[start + pair] = 2 * above.sum() / 2**n  # by symmetry, as many lie as far below 0
    return found


def _sums(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """(n_pairs, 2^n) sums of all signed combinations of (n_pairs, n) values."""
    sums = np.zeros((len(values), 1))
    for value in values.T:
        sums = np.concatenate([sums + value[:, None], sums - value[:, None]], axis=1)
    return sums


def _signs(n_subjects: int) -> NDArray[np.float64]:
    return _drawn_signs(n_subjects).astype(np.float64)


@lru_cache(maxsize=1)
def _drawn_signs(n_subjects: int) -> NDArray[np.int8]:
    """The drawn signs, which are the same for every test of so many subjects."""
    rng = np.random.default_rng(SIGN_SEED)
    return rng.choice(np.array([-1, 1], dtype=np.int8), size=(SIGN_DRAWS, n_subjects))
