"""What a record says of stimuli that a training saw, and of those that none saw."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from harness.scoring.intervals import mean_interval
from harness.scoring.score import SomeSegments


class StimulusGroup(msgspec.Struct, frozen=True, kw_only=True):
    """The score on the segments of some stimuli, by the measure that ranks.

    Attributes:
        value: mean over the subjects that have any.
        ci95: its 95 % interval (``harness.scoring.intervals``); None for one.
        subjects: subject -> mean over its segments of these stimuli.
        segments: how many there are.
    """

    value: float
    ci95: tuple[float, float] | None
    subjects: Mapping[str, float]
    segments: int


class SeenAndUnseen(msgspec.Struct, frozen=True, kw_only=True):
    """Both groups, by what the records of training say.

    Attributes:
        seen: stimuli that a training of the weights saw.
        unseen: the others.
    """

    seen: StimulusGroup
    unseen: StimulusGroup


def stimulus_group(score: SomeSegments) -> StimulusGroup:
    """A group as a record has it."""
    return StimulusGroup(
        value=score.value,
        ci95=mean_interval(list(score.subjects.values())),
        subjects=score.subjects,
        segments=score.segments,
    )
