"""What a record says by one measure: the value, its interval, chance, and each subject's part."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import msgspec
from msgspec import UNSET, UnsetType

from harness.records.bands import ChanceBands, chance_of
from harness.scoring.blind import is_common
from harness.scoring.chance import DIGITS
from harness.scoring.measures import Measure

ROUNDING = 10.0**-DIGITS  # of chance: a constant's is its score, and no further from it than this


class ClassifierFacts(msgspec.Struct, frozen=True, kw_only=True):
    """The classifier of a measure that has one.

    Attributes:
        accuracy: share of the scored part's references that it names rightly: what no system can be asked to
            pass.
        segments: how many of these there are, each once however many subjects heard it.
        trained_on: how many segments it was trained on.
    """

    accuracy: float
    segments: int
    trained_on: int


class MeasureResult(msgspec.Struct, frozen=True, kw_only=True):
    """The score by a measure other than Pearson r.

    Attributes:
        value: mean over subjects.
        ci95: its 95 % interval (``harness.scoring.intervals``); None for one subject.
        chance: what the predictions score by chance.
        subjects: subject -> mean over segments.
        segments_undefined: how many segments have no value, in the prediction or in the reference; each
            counts 0, as do those without a prediction, which are not among these.
        classifier: of a measure that has one; else absent.
    """

    value: float
    ci95: tuple[float, float] | None
    chance: ChanceBands
    subjects: Mapping[str, float]
    segments_undefined: int
    classifier: ClassifierFacts | UnsetType = UNSET


@dataclass(frozen=True)
class Measured:
    """What a record says by one measure, Pearson r or another.

    Attributes:
        measure: its title, and which way is better.
        value: mean over subjects.
        ci95: its 95 % interval; None for one subject.
        chances: both kinds of chance.
        subjects: subject -> mean over segments, in the record's order.
        classifier: of a measure that has one.
    """

    measure: Measure
    value: float
    ci95: tuple[float, float] | None
    chances: ChanceBands
    subjects: Mapping[str, float]
    classifier: ClassifierFacts | None = None

    @property
    def chance(self) -> tuple[float, float] | None:
        """The band that chance gives; None where unknown."""
        return self.chances.band

    @property
    def at_chance(self) -> bool:
        """Whether the value is no better than chance gives."""
        if self.chance is None:
            return False
        low, high = self.chance
        higher = self.measure.higher_is_better
        return self.value <= high + ROUNDING if higher else self.value >= low - ROUNDING

    @property
    def below_chance(self) -> bool:
        """Whether the value is worse than chance gives, as it is where a sign is wrong."""
        if self.chance is None:
            return False
        low, high = self.chance
        higher = self.measure.higher_is_better
        return self.value < low - ROUNDING if higher else self.value > high + ROUNDING

    @property
    def is_common(self) -> bool:
        """Whether the predictions score beyond doubt against references of other segments."""
        return is_common(self.measure, chance_of(self.chances))

    @property
    def chance_words(self) -> str:
        """What to say of a value that is no better than chance; empty where it is."""
        if not self.below_chance:
            return "indistinguishable from chance" if self.at_chance else ""
        has_sign = self.measure.range[0] < 0
        return "below chance: look for the sign" if has_sign else "worse than chance"
