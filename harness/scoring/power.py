"""What so many subjects and trainings could show: the smallest difference, and how many it would take.

The power of a t test with f degrees of freedom is that of the noncentral t distribution (Cohen 1988, section
2.3; the noncentrality is the true difference over its standard error). A sign-flip test has it too where many
of the 2^n signs are at its level; of few subjects and many pairs only one or a few signs are, and it finds
less: counted on drawn normal differences.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from harness.scoring.statistics import least_p
from harness.scoring.two_sources import Estimate

MOST_SUBJECTS = 100_000
# Of more signs at the level than these a sign-flip test finds what a t test does, to one in a hundred.
MOST_SIGNS = 64
_LOWEST = 12  # subjects whose differences are lowest: no others count among so few signs
_DRAWS = 4000
_SEED = 20261127


def signs_at(level: float, n_subjects: int) -> int:
    """How many signs may give a sum as high as the observed one, itself among them, for p at the level."""
    return int(level / 2 * 2.0 ** min(n_subjects, 64) * (1 + 1e-9))


@lru_cache(maxsize=256)
def shift_found_by_signs(n_subjects: int, *, level: float = 0.05, power: float = 0.8) -> float | None:
    """How many standard errors a true difference must have to be found by a two-sided sign-flip test.

    Flipping some subjects gives as high a sum if their differences add up to 0 or less. So a sample is found
    by a shift of all differences that leaves fewer such sets than ``signs_at``, none of them being empty.

    Args:
        n_subjects: 2 or more.
        level: of the test.
        power: share of repetitions in which it is found.

    Returns:
        Of normal differences; None where no difference is found, however large.
    """
    n_signs = signs_at(level, n_subjects)
    if n_signs < 1:
        return None
    by_t = shift_found(n_subjects - 1, level=level, power=power)
    if n_signs > MOST_SIGNS:
        return float(by_t)
    lowest = min(n_subjects, _LOWEST)
    sets = (np.arange(1, 2**lowest)[:, None] >> np.arange(lowest)) & 1
    means = (sets / sets.sum(axis=1, keepdims=True)).T
    drawn = np.random.default_rng(_SEED).standard_normal((_DRAWS, n_subjects))
    drawn = np.sort(drawn, axis=1)[:, :lowest]
    needed = np.concatenate(
        [np.partition(block @ means, n_signs - 1, axis=1)[:, n_signs - 1] for block in np.split(drawn, 20)]
    )
    found = float(np.quantile(-needed, power)) * n_subjects**0.5
    return float(max(found, by_t))


def shift_found(degrees: float, *, level: float = 0.05, power: float = 0.8) -> float:
    """How many standard errors a true difference must have to be found by a two-sided t test.

    Args:
        degrees: of freedom, above 0.
        level: of the test.
        power: share of repetitions in which it is found.
    """
    from scipy.optimize import brentq
    from scipy.special import nctdtr, stdtrit

    critical = float(stdtrit(degrees, 1 - level / 2))

    def lacking(shift: float) -> float:
        # Of 1 degree of freedom and shifts of hundreds the tails are not numbers; they are 0 there.
        near, far = (float(nctdtr(degrees, shift, end)) for end in (critical, -critical))
        found = 1 - (near if near == near else 0.0) + (far if far == far else 0.0)
        return found - power

    return float(brentq(lacking, 0.0, 10.0 * critical))


def least_difference(
    one: Estimate, *, level: float = 0.05, power: float = 0.8, signs_of: int | None = None
) -> float | None:
    """The smallest true difference that a test found with this power, at the spread of one that was measured.

    Args:
        one: a difference, whose variance is taken for the truth.
        level: of the two-sided test.
        power: share of repetitions in which it is found.
        signs_of: how many subjects, where the test is by sign flips; None where it is a t test.

    Returns:
        In the unit of the scores; None where there is one subject, or where sign flips can find none.
    """
    if one.degrees <= 0:
        return None
    if signs_of is not None:
        shift = shift_found_by_signs(signs_of, level=level, power=power)
        return None if shift is None else shift * float(one.variance**0.5)
    return shift_found(one.degrees, level=level, power=power) * float(one.variance**0.5)


def subjects_needed(
    one: Estimate,
    n_subjects: int,
    *,
    level: float = 0.05,
    power: float = 0.8,
    seed_degrees: int = 0,
    signs: bool = False,
) -> int | None:
    """How many subjects it would take to find a difference as large as one that was measured.

    Args:
        one: the difference, whose size and variance are taken for the truth.
        n_subjects: it was measured on.
        level: of the two-sided test.
        power: share of repetitions in which it is found.
        seed_degrees: degrees of freedom of the seeds' part of the variance, which more subjects leave as it
            is.
        signs: whether the test is by sign flips, of which few subjects have too few.

    Returns:
        At least 2; None where no number up to ``MOST_SUBJECTS`` is enough.
    """
    difference = abs(one.value)
    if n_subjects < 2 or difference == 0:
        return None
    a_subject = one.of_subjects * n_subjects
    seeds = max(one.of_seeds - one.of_interaction, 0.0)

    def enough(n: int) -> bool:
        if signs and least_p(n) > level:
            return False
        subjects = a_subject / n
        variance = subjects + seeds
        if variance <= 0:
            return True
        if signs:
            by_signs = shift_found_by_signs(n, level=level, power=power)
            return by_signs is not None and difference >= by_signs * variance**0.5
        spread = subjects**2 / (n - 1) + (seeds**2 / seed_degrees if seed_degrees else 0.0)
        degrees = variance**2 / spread
        return bool(difference >= shift_found(degrees, level=level, power=power) * variance**0.5)

    low, high = 1, 2
    while not enough(high):
        if high == MOST_SUBJECTS:
            return None
        low, high = high, min(2 * high, MOST_SUBJECTS)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high
