"""What a record says of predictions that need no brain: a constant, the song's mean, another second."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import msgspec

from harness.scoring.intervals import mean_interval
from harness.scoring.score import Score

# Names in a record -> what they are, in words.
TITLES: Mapping[str, str] = MappingProxyType(
    {
        "constant": "the training part's mean",
        "stimulus_known": "the mean of the same stimulus in the training part",
        "another_second": "another second of the same stimulus",
        "another_stimulus": "a second of another stimulus",
    }
)


class WithoutBrain(msgspec.Struct, frozen=True, kw_only=True):
    """The score of predictions that no EEG went into.

    Attributes:
        value: mean over subjects, by the measure that ranks.
        ci95: its 95 % interval (``harness.scoring.intervals``); None for one subject.
        subjects: subject -> mean over its segments.
        measures: name of each of the split's measures -> mean over subjects.
    """

    value: float
    ci95: tuple[float, float] | None
    subjects: Mapping[str, float]
    measures: Mapping[str, float]


def without_brain_of(score: Score, names: tuple[str, ...]) -> WithoutBrain:
    """A score as a record has it.

    Args:
        score: by the split's measures.
        names: of these; the first ranks.
    """
    subjects = {subject: one.value(names[0]) for subject, one in score.subjects.items()}
    values = list(subjects.values())
    return WithoutBrain(
        value=sum(values) / len(values),
        ci95=mean_interval(values),
        subjects=subjects,
        measures={name: score.value(name) for name in names},
    )
