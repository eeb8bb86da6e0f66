"""What so many subjects and trainings could show: the smallest difference, and how many it would take.

The power of a t test with f degrees of freedom is that of the noncentral t distribution (Cohen 1988, section
2.3; the noncentrality is the true difference over its standard error).
"""

from __future__ import annotations

from harness.scoring.statistics import least_p
from harness.scoring.two_sources import Estimate

MOST_SUBJECTS = 100_000


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


def least_difference(one: Estimate, *, level: float = 0.05, power: float = 0.8) -> float | None:
    """The smallest true difference that a test found with this power, at the spread of one that was measured.

    Args:
        one: a difference, whose variance is taken for the truth.
        level: of the two-sided test.
        power: share of repetitions in which it is found.

    Returns:
        In the unit of the scores; None where there is one subject.
    """
    if one.degrees <= 0:
        return None
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
