"""What a record says of a system without the brain."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from harness.records.bands import ChanceBands, chance_bands
from harness.scoring.blind import Blind
from harness.scoring.intervals import mean_interval

SCORES_WITHOUT_EEG = "scores without the EEG"
NO_EVIDENCE = "no evidence of using the EEG"


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """The score less the blind one, paired over subjects, on the segments that have surrogates.

    Attributes:
        value: mean over subjects.
        ci95: its 95 % interval (``harness.scoring.intervals``); None for one subject.
        p: of the one-sided sign-flip test that it is better than 0; None with too few subjects to tell.
        subjects: subject -> its difference.
    """

    value: float
    ci95: tuple[float, float] | None
    p: float | None
    subjects: Mapping[str, float]


class BlindResult(msgspec.Struct, frozen=True, kw_only=True):
    """The score on surrogates of the EEG, by the measure that ranks.

    Attributes:
        value: mean over subjects.
        ci95: its 95 % interval (``harness.scoring.intervals``); None for one subject.
        chance: what the predictions from surrogates score by chance.
        subjects: subject -> mean over its segments that have surrogates.
        segments: how many surrogates were asked.
        sampled: whether that is fewer than there are segments.
        difference: the score less this.
    """

    value: float
    ci95: tuple[float, float] | None
    chance: ChanceBands
    subjects: Mapping[str, float]
    segments: int
    sampled: bool
    difference: Difference


class Controls(msgspec.Struct, frozen=True, kw_only=True):
    """The blind control, and what follows from it.

    Attributes:
        blind: the score on surrogates.
        scores_without_eeg: whether that is beyond chance; None where chance is not known.
        no_evidence_of_using_eeg: whether the score is no better; None with too few subjects to tell.
    """

    blind: BlindResult
    scores_without_eeg: bool | None
    no_evidence_of_using_eeg: bool | None

    @property
    def flags(self) -> tuple[str, ...]:
        """What a reader must know, in words; empty where nothing is wrong."""
        said = {SCORES_WITHOUT_EEG: self.scores_without_eeg, NO_EVIDENCE: self.no_evidence_of_using_eeg}
        return tuple(words for words, holds in said.items() if holds)

    @property
    def is_flagged(self) -> bool:
        """Whether there is any flag."""
        return bool(self.flags)


def controls_of(blind: Blind, sampled: bool) -> Controls:
    """The controls as a record has them.

    Args:
        blind: what the system scores on surrogates.
        sampled: whether there are fewer of these than segments.
    """
    differences = list(blind.differences.values())
    return Controls(
        blind=BlindResult(
            value=blind.value,
            ci95=mean_interval(list(blind.subjects.values())),
            chance=chance_bands(blind.chance),
            subjects=blind.subjects,
            segments=blind.segments,
            sampled=sampled,
            difference=Difference(
                value=sum(differences) / len(differences),
                ci95=mean_interval(differences),
                p=blind.p,
                subjects=blind.differences,
            ),
        ),
        scores_without_eeg=blind.scores_without_eeg,
        no_evidence_of_using_eeg=blind.no_evidence,
    )
