"""The score: Pearson r of each segment and band, then means in the challenge's order.

Arrays in, numbers out: no files, no printing, no torch. This room is the only place in the harness that
computes a correlation for a score.

The official order (ICASSP 2024 Auditory EEG Challenge, Task 2): Pearson r for each segment and band;
mean over bands; mean over a subject's segments; mean over subjects. A missing segment counts 0. A
constant prediction has no Pearson r (scipy: NaN); it counts 0 here, as in the organisers' metric, and
is flagged. A split's further measures take the same means.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from harness.errors import Fault, ShapeError
from harness.scoring.chance import SubjectChance, equal_references, unit_chance
from harness.scoring.context import NOTHING, Context
from harness.scoring.measures import DEFAULT, Compared, Measure, compare, compare_with_units, measure

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from harness.conventions import Array

# A change that moves any score raises this number, and every committed record is scored again.
SCORER_VERSION = 1


@dataclass(frozen=True)
class SubjectMeasure:
    """One subject's score by a further measure.

    Attributes:
        value: mean over expected segments of the mean over bands.
        bands: (n_bands,) mean over expected segments; empty for a measure without bands.
        undefined: ids of segments whose prediction has no value in at least one band; these bands count 0.
        undefined_reference: ids of segments whose reference has none.
    """

    value: float
    bands: tuple[float, ...]
    undefined: tuple[str, ...]
    undefined_reference: tuple[str, ...]


@dataclass(frozen=True)
class MeasureScore:
    """The score of one system on one part by a further measure.

    Attributes:
        value: mean over subjects.
        bands: (n_bands,) mean over subjects; empty for a measure without bands.
        subjects: subject -> its score.
    """

    value: float
    bands: tuple[float, ...]
    subjects: Mapping[str, SubjectMeasure]


@dataclass(frozen=True)
class SubjectScore:
    """One subject's score.

    Attributes:
        pearson_r: mean over expected segments of the mean over bands.
        bands: (n_bands,) mean over expected segments.
        segments: how many segments were expected.
        missing: ids of expected segments without a prediction; each counts 0.
        constant: ids of segments whose prediction is constant in at least one band; these bands count 0.
        constant_reference: ids of segments whose reference is constant in at least one band.
        measures: name of a further measure -> the score by it.
    """

    pearson_r: float
    bands: tuple[float, ...]
    segments: int
    missing: tuple[str, ...]
    constant: tuple[str, ...]
    constant_reference: tuple[str, ...]
    measures: Mapping[str, SubjectMeasure] = field(default_factory=dict)

    def value(self, name: str) -> float:
        """The score by the measure of this name, one of those that were asked for."""
        return self.pearson_r if name == DEFAULT else self.measures[name].value


@dataclass(frozen=True)
class Score:
    """The score of one system on one part.

    Attributes:
        pearson_r: mean over subjects.
        bands: (n_bands,) mean over subjects.
        subjects: subject -> its score.
        measures: name of a further measure -> the score by it.
    """

    pearson_r: float
    bands: tuple[float, ...]
    subjects: Mapping[str, SubjectScore]
    measures: Mapping[str, MeasureScore] = field(default_factory=dict)

    def value(self, name: str) -> float:
        """The score by the measure of this name, one of those that were asked for."""
        return self.pearson_r if name == DEFAULT else self.measures[name].value


class ScoredSubject(NamedTuple):
    """One subject's score, and what its chance and its controls are worked out from.

    Attributes:
        score: of the subject.
        chance: of its predictions.
        segments: name of a measure -> (n_segments,) mean over bands, in the order of the references.
    """

    score: SubjectScore
    chance: SubjectChance
    segments: Mapping[str, NDArray[np.float64]]


def score_subject(
    references: Mapping[str, Array],
    predictions: Mapping[str, Array],
    measures: Sequence[str] = (DEFAULT,),
    context: Context = NOTHING,
) -> SubjectScore:
    """Score one subject.

    Args:
        references: segment id -> (n_frames, n_bands), finite; all of one shape. These are the expected
            segments.
        predictions: segment id -> (n_frames, n_bands), finite; ids may be absent.
        measures: the split's; Pearson r is worked out in any case.
        context: with what the measures need.

    Raises:
        ShapeError: no references; or a prediction's shape differs from its reference's, or an id is
            not expected, or a number is not finite (all reported at once); or what a measure needs is
            missing or does not fit.
        SplitError: a measure is not known.
    """
    compared = {by.name: compare(by, references, predictions, context) for by in _all(measures)}
    return _subject_score(references, predictions, compared)


def score_with_chance(
    references: Mapping[str, Array],
    predictions: Mapping[str, Array],
    measures: Sequence[str] = (DEFAULT,),
    context: Context = NOTHING,
    recordings: NDArray[np.int64] | None = None,
) -> ScoredSubject:
    """:func:`score_subject` and :func:`~harness.scoring.chance.subject_chance`, normalised once for both.

    Args:
        references: as there, and likewise the three that follow.
        predictions: likewise.
        measures: likewise.
        context: likewise.
        recordings: (n_segments,) from which recording each reference is, where whole segments are turned.
    """
    made = {by.name: compare_with_units(by, references, predictions, context) for by in _all(measures)}
    same = equal_references(references)
    found = {name: unit_chance(one.units, same, recordings) for name, one in made.items()}
    score = _subject_score(references, predictions, {name: one.compared for name, one in made.items()})
    segments = {name: one.compared.values.mean(axis=1) for name, one in made.items()}
    return ScoredSubject(score, found.pop(DEFAULT)._replace(measures=found), segments)


def combine(subjects: Mapping[str, SubjectScore]) -> Score:
    """The mean over subjects.

    Raises:
        ShapeError: there is no subject.
    """
    if not subjects:
        raise ShapeError(Fault("score", "no subject", "at least one"))
    names = next(iter(subjects.values())).measures
    return Score(
        pearson_r=float(np.mean([score.pearson_r for score in subjects.values()])),
        bands=_mean_bands([score.bands for score in subjects.values()]),
        subjects=dict(subjects),
        measures={
            name: _combine_measure({subject: score.measures[name] for subject, score in subjects.items()})
            for name in names
        },
    )


class SomeSegments(NamedTuple):
    """The score on some of the segments.

    Attributes:
        value: mean over the subjects that have any.
        subjects: subject -> mean over its own.
        segments: how many there are.
    """

    value: float
    subjects: Mapping[str, float]
    segments: int


def score_on(
    values: Mapping[str, NDArray[np.float64]], chosen: Mapping[str, NDArray[np.bool_]]
) -> SomeSegments | None:
    """The score on some of the segments, in the score's own order of means.

    Args:
        values: subject -> (n_segments,) value of each of its segments.
        chosen: subject -> (n_segments,) which of them.

    Returns:
        None where there is no such segment.
    """
    means = {
        subject: float(own[chosen[subject]].mean())
        for subject, own in values.items()
        if chosen[subject].any()
    }
    if not means:
        return None
    n_segments = sum(int(one.sum()) for one in chosen.values())
    return SomeSegments(float(np.mean(list(means.values()))), means, n_segments)


def _all(measures: Sequence[str]) -> list[Measure]:
    """Pearson r, then the further measures."""
    return [measure(name) for name in dict.fromkeys((DEFAULT, *measures))]


def _subject_score(
    references: Mapping[str, Array], predictions: Mapping[str, Array], compared: Mapping[str, Compared]
) -> SubjectScore:
    r = compared[DEFAULT]
    return SubjectScore(
        pearson_r=float(r.values.mean(axis=1).mean()),
        bands=tuple(float(value) for value in r.values.mean(axis=0)),
        segments=len(references),
        missing=tuple(segment_id for segment_id in references if segment_id not in predictions),
        constant=r.undefined,
        constant_reference=r.undefined_reference,
        measures={name: _subject_measure(name, one) for name, one in compared.items() if name != DEFAULT},
    )


def _subject_measure(name: str, compared: Compared) -> SubjectMeasure:
    bands = compared.values.mean(axis=0) if measure(name).by_band else ()
    return SubjectMeasure(
        value=float(compared.values.mean(axis=1).mean()),
        bands=tuple(float(value) for value in bands),
        undefined=compared.undefined,
        undefined_reference=compared.undefined_reference,
    )


def _combine_measure(subjects: Mapping[str, SubjectMeasure]) -> MeasureScore:
    return MeasureScore(
        value=float(np.mean([score.value for score in subjects.values()])),
        bands=_mean_bands([score.bands for score in subjects.values()]),
        subjects=subjects,
    )


def _mean_bands(bands: Sequence[Sequence[float]]) -> tuple[float, ...]:
    return tuple(float(value) for value in np.mean(bands, axis=0))
