"""What a system would score by chance: the same predictions against references that are not theirs.

    circular shifts       every prediction against its own reference, turned in time by one and the same
                          number of frames for all segments; every number is tried (by FFT)
    mismatched segments   every prediction against the reference of another segment of the same subject,
                          drawn at random; references that are equal do not count as others

Segments that are too short to be turned are turned as wholes: every recording's references by a number of
segments of its own, 1,000 times; and the mismatch is then with another recording, a whole one for a whole one
(of music: songs are permuted within a listener). Both keep what neighbours in time have in common.

Both keep each prediction and each reference as they are (spectrum, distribution), and break the pairing. Each
gives many scores; the band holds 95 % of them. For a measure with a centre, the segments are turned after the
centre is subtracted. Everything is computed in float32 from the segments that the score has normalised: that
is exact enough for a band, and no score depends on it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.features.catalogue import SAMPLE_RATE_HZ
from harness.scoring.context import NOTHING, Context
from harness.scoring.measures import DEFAULT, Units, compare_with_units, measure

if TYPE_CHECKING:
    from harness.conventions import Array

LEVEL = 0.95
DIGITS = 6  # what float32 holds on any processor, so that a record made again has the same bytes
DRAWS = 1000
SEED = 20240416  # fixed, so that the same predictions always give the same band
# Shorter shifts leave some match: speech resembles itself shortly after, and a decoder's output is smooth.
MIN_SHIFT_SECONDS = 1.0
# Segments whose spectra are held at once, small enough for the processor's cache.
_BLOCK = 8


class Band(NamedTuple):
    """Where chance lies.

    Attributes:
        low: lower end of the band.
        mean: of all the scores.
        high: upper end.
        scores: how many there are.
    """

    low: float
    mean: float
    high: float
    scores: int


@dataclass(frozen=True)
class Chance:
    """Both kinds of chance for one system on one part.

    Attributes:
        circular_shifts: None where segments are too short for the least shift.
        mismatched_segments: None where a subject has no two references that differ.
        measures: name of a further measure -> chance by it.
    """

    circular_shifts: Band | None
    mismatched_segments: Band | None
    measures: Mapping[str, Chance] = field(default_factory=dict)


class SubjectChance(NamedTuple):
    """One subject's part.

    Attributes:
        shifted: (n_frames,) float64, the subject's score at each circular shift; entry 0 is its own, and the
            only one for a measure that is not over time.
        pairs: (n_segments, n_segments), mean over bands of the value of prediction i with reference j.
        same: (n_segments, n_segments) bool, whether references i and j are equal.
        measures: name of a further measure -> the same by it.
        recordings: (n_segments,) int, from which recording each is, in time order; None where not known.
    """

    shifted: NDArray[np.float64]
    pairs: NDArray[np.float32]
    same: NDArray[np.bool_]
    measures: Mapping[str, SubjectChance] = {}
    recordings: NDArray[np.int64] | None = None


def subject_chance(
    references: Mapping[str, Array],
    predictions: Mapping[str, Array],
    name: str = DEFAULT,
    context: Context = NOTHING,
) -> SubjectChance:
    """Compare a subject's predictions with references that are not their own.

    Missing predictions count 0, as in the score. Where the score is wanted too,
    :func:`~harness.scoring.score.score_with_chance` normalises once for both.

    Args:
        references: segment id -> (n_frames, n_bands); at least one, all of one shape.
        predictions: segment id -> (n_frames, n_bands); ids may be absent.
        name: of the measure.
        context: with what the measure needs.

    Raises:
        ShapeError: as :func:`~harness.scoring.measures.compare`.
        SplitError: the measure is not known.
    """
    units = compare_with_units(measure(name), references, predictions, context).units
    return unit_chance(units, equal_references(references))


def unit_chance(
    units: Units, same: NDArray[np.bool_], recordings: NDArray[np.int64] | None = None
) -> SubjectChance:
    """:func:`subject_chance` from normalised segments, for any measure.

    Args:
        units: as the measure normalises the subject's segments.
        same: (n_segments, n_segments), which references are equal.
        recordings: (n_segments,) from which recording each is; None where not known.
    """
    from scipy.fft import irfft, rfft  # of float32 eight times as fast as numpy's

    true, made = units.references, units.predictions
    n_segments, _, n_frames = true.shape
    if units.over_time:
        spectrum = np.zeros(n_frames // 2 + 1, np.complex128)
        for start in range(0, n_segments, _BLOCK):
            there, here = (rfft(series[start : start + _BLOCK]) for series in (true, made))
            spectrum += np.einsum("sbf,sbf->f", there.conj(), here)
        shifted: NDArray[np.float64] = irfft(spectrum, n_frames) / (n_segments * units.products)
    else:
        shifted = np.array([np.vdot(true, made) / (n_segments * units.products)], np.float64)
    pairs = made.reshape(n_segments, -1) @ true.reshape(n_segments, -1).T / np.float32(units.products)
    return SubjectChance(shifted, pairs, same, recordings=recordings)


def equal_references(references: Mapping[str, Array]) -> NDArray[np.bool_]:
    """Which references are equal, (n_segments, n_segments): the same bytes, whatever their ids.

    Args:
        references: segment id -> (n_frames, n_bands), all of one shape.
    """
    first: dict[bytes, int] = {}
    labels = [first.setdefault(array.tobytes(), index) for index, array in enumerate(references.values())]
    same: NDArray[np.bool_] = np.equal.outer(labels, labels)
    return same


def are_turned_whole(n_frames: int, frame_rate_hz: float) -> bool:
    """Whether segments are too short to be turned in time, so that whole segments are.

    Args:
        n_frames: of a segment.
        frame_rate_hz: frames a second.
    """
    return n_frames < 2 * _least_frames(frame_rate_hz)


def chance(subjects: Mapping[str, SubjectChance], *, frame_rate_hz: float = SAMPLE_RATE_HZ) -> Chance:
    """The bands of chance of the mean over subjects, in the score's own order of means.

    Args:
        subjects: subject -> its part; at least one.
        frame_rate_hz: frames a second of the feature, which says how many frames the least shift is.
    """
    parts = list(subjects.values())
    least = _least_frames(frame_rate_hz)
    scores = np.mean([part.shifted for part in parts], axis=0)
    shifts = scores[least : len(scores) - least + 1]
    if all(part.recordings is not None for part in parts):
        turned, mismatched = _turned_recordings(parts), _permuted_recordings(parts)
    else:
        turned, mismatched = _band(shifts) if shifts.size else None, _mismatched(parts)
    return Chance(
        circular_shifts=turned,
        mismatched_segments=mismatched,
        measures={
            name: chance(
                {subject: part.measures[name] for subject, part in subjects.items()},
                frame_rate_hz=frame_rate_hz,
            )
            for name in parts[0].measures
        },
    )


def _least_frames(frame_rate_hz: float) -> int:
    return max(1, round(MIN_SHIFT_SECONDS * frame_rate_hz))


def _places(recordings: NDArray[np.int64] | None) -> list[NDArray[np.intp]]:
    """Where each recording's segments are, in time order."""
    if recordings is None:
        return []
    return [np.flatnonzero(recordings == number) for number in np.unique(recordings)]


def _turned_recordings(parts: list[SubjectChance]) -> Band | None:
    """Every recording's references turned by a number of segments of its own."""
    rng = np.random.default_rng(SEED)
    total = np.zeros(DRAWS)
    for part in parts:
        of_subject = np.zeros(DRAWS)
        for places in _places(part.recordings):
            if len(places) < 2:
                return None
            shifted = _shifted_sums(part.pairs[np.ix_(places, places)])
            of_subject += shifted[rng.integers(1, len(places), DRAWS)]
        total += of_subject / len(part.pairs)
    return _band(total / len(parts))


def _permuted_recordings(parts: list[SubjectChance]) -> Band | None:
    """Every recording's predictions with another recording's references, from a place drawn at random."""
    rng = np.random.default_rng(SEED)
    total = np.zeros(DRAWS)
    for part in parts:
        places = _places(part.recordings)
        if len(places) < 2:
            return None
        # A cycle through all of them in random order: none is matched with itself.
        order = np.argsort(rng.random((DRAWS, len(places))), axis=1)
        other = np.empty_like(order)
        np.put_along_axis(other, order, np.roll(order, 1, axis=1), axis=1)
        of_subject = np.zeros(DRAWS)
        for number, own in enumerate(places):
            start = rng.random(DRAWS)
            for strange, theirs in enumerate(places):
                chosen = other[:, number] == strange
                if chosen.any():
                    shifted = _shifted_sums(part.pairs[np.ix_(own, theirs)])
                    of_subject[chosen] += shifted[(start[chosen] * len(theirs)).astype(np.intp)]
        total += of_subject / len(part.pairs)
    return _band(total / len(parts))


def _shifted_sums(pairs: NDArray[np.float32]) -> NDArray[np.float64]:
    """For each shift of the references, the sum of the pairs of predictions with them: (n_references,)."""
    n_predictions, n_references = pairs.shape
    rows = np.arange(n_predictions)
    columns = (rows + np.arange(n_references)[:, np.newaxis]) % n_references
    sums: NDArray[np.float64] = pairs[rows, columns].sum(axis=1, dtype=np.float64)
    return sums


def _mismatched(parts: list[SubjectChance]) -> Band | None:
    if any(part.same.all() for part in parts):  # a subject whose references are all equal
        return None
    rng = np.random.default_rng(SEED)
    total = np.zeros(DRAWS)
    for part in parts:
        n_others = (~part.same).sum(axis=1)
        others = np.argsort(part.same, kind="stable")  # those that differ first
        picks = (rng.random((DRAWS, len(n_others))) * n_others).astype(np.int64)
        rows = np.arange(len(n_others))
        total += part.pairs[rows, others[rows, picks]].mean(axis=1, dtype=np.float64)
    return _band(total / len(parts))


def _band(scores: NDArray[np.float64]) -> Band:
    low, high = np.quantile(scores, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    low, mean, high = (round(float(value), DIGITS) for value in (low, scores.mean(), high))
    mean = min(max(mean, low), high)  # of scores that are all the same, rounding may part them
    return Band(low, mean, high, len(scores))
