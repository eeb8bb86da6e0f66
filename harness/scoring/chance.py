"""What a system would score by chance: the same predictions against references that are not theirs.

    circular shifts       every prediction against its own reference, turned in time by one and the same
                          number of samples for all segments; every number is tried (by FFT)
    mismatched segments   every prediction against the reference of another segment of the same subject,
                          drawn at random; references that are equal do not count as others

Both keep what a prediction and a reference are like by themselves (spectrum, distribution), and take away
that they belong together. Each gives many scores; the band holds 95 % of them. Computed in float32, which
is exact enough for a band and no part of any score.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.features.catalogue import SAMPLE_RATE_HZ

Array = NDArray[np.floating]
LEVEL = 0.95
DIGITS = 6  # what float32 holds on any processor, so that a record made again has the same bytes
DRAWS = 1000
SEED = 20240416  # fixed, so that the same predictions always give the same band
# Shorter shifts do not take the match away: speech resembles itself, and a decoder's output is smooth.
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
    """

    circular_shifts: Band | None
    mismatched_segments: Band | None


class SubjectChance(NamedTuple):
    """One subject's part.

    Attributes:
        shifted: (n_times,) float64, the subject's score at each circular shift; entry 0 is its own.
        pairs: (n_segments, n_segments), mean r over bands of prediction i with reference j.
        same: (n_segments, n_segments) bool, whether references i and j are equal.
    """

    shifted: NDArray[np.float64]
    pairs: NDArray[np.float32]
    same: NDArray[np.bool_]


def subject_chance(references: Mapping[str, Array], predictions: Mapping[str, Array]) -> SubjectChance:
    """Correlate a subject's predictions with what is not theirs. Missing ones count 0, as in the score.

    Args:
        references: segment id -> (n_times, n_bands); at least one, all of one shape, checked before.
        predictions: segment id -> (n_times, n_bands); ids may be absent.
    """
    from scipy.fft import irfft, rfft

    n_segments = len(references)
    n_times, n_bands = next(iter(references.values())).shape
    true = np.zeros((n_segments, n_bands, n_times), np.float32)
    made = np.zeros_like(true)
    for i, (segment_id, reference) in enumerate(references.items()):
        true[i] = _unit(reference)
        if segment_id in predictions:
            made[i] = _unit(predictions[segment_id])
    spectrum = np.zeros(n_times // 2 + 1, np.complex128)
    for start in range(0, n_segments, _BLOCK):
        there, here = (rfft(series[start : start + _BLOCK]) for series in (true, made))
        spectrum += np.einsum("sbf,sbf->f", there.conj(), here)
    shifted = irfft(spectrum, n_times) / (n_segments * n_bands)
    pairs = made.reshape(n_segments, -1) @ true.reshape(n_segments, -1).T / np.float32(n_bands)
    contents = [hash(np.ascontiguousarray(reference).tobytes()) for reference in references.values()]
    same = np.equal.outer(contents, contents)
    return SubjectChance(np.asarray(shifted, np.float64), pairs, same)


def chance(subjects: Mapping[str, SubjectChance]) -> Chance:
    """The bands of chance of the mean over subjects, in the score's own order of means."""
    parts = list(subjects.values())
    least = round(MIN_SHIFT_SECONDS * SAMPLE_RATE_HZ)
    scores = np.mean([part.shifted for part in parts], axis=0)
    shifts = scores[least : len(scores) - least + 1]
    return Chance(_band(shifts) if shifts.size else None, _mismatched(parts))


def _mismatched(parts: list[SubjectChance]) -> Band | None:
    if any(part.same.all(axis=1).any() for part in parts):
        return None
    rng = np.random.default_rng(SEED)
    total = np.zeros(DRAWS)
    for part in parts:
        n_others = (~part.same).sum(axis=1)
        others = np.argsort(part.same, axis=1, kind="stable")  # those that differ first
        picks = (rng.random((DRAWS, len(n_others))) * n_others).astype(np.int64)
        rows = np.arange(len(n_others))
        total += part.pairs[rows, others[rows, picks]].mean(axis=1, dtype=np.float64)
    return _band(total / len(parts))


def _band(scores: NDArray[np.float64]) -> Band:
    low, high = np.quantile(scores, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    low, mean, high = (round(float(value), DIGITS) for value in (low, scores.mean(), high))
    return Band(low, mean, high, len(scores))


def _unit(series: Array) -> NDArray[np.float32]:
    """(n_times, n_bands) -> (n_bands, n_times) of mean 0 and norm 1; zeros where constant."""
    unit = np.ascontiguousarray((series - series[:1]).T)
    largest = np.abs(unit).max(axis=1, keepdims=True)
    varies = largest > 0
    scaled: NDArray[np.float32] = np.divide(unit, largest, out=np.zeros_like(unit), where=varies).astype(
        np.float32
    )
    scaled -= scaled.mean(axis=1, keepdims=True)
    norm = np.sqrt(np.einsum("bt,bt->b", scaled, scaled))[:, None]
    np.divide(scaled, norm, out=scaled, where=varies)
    scaled[~varies[:, 0]] = 0.0
    return scaled
