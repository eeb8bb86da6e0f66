"""The score: Pearson r of each segment and band, then means in the challenge's order.

Arrays in, numbers out: no files, no printing, no torch. This is the only place in the harness that
computes a correlation for a score.

The official order (ICASSP 2024 Auditory EEG Challenge, Task 2): Pearson r for each segment and band;
mean over bands; mean over a subject's segments; mean over subjects. A missing segment counts 0. A
constant prediction has no Pearson r (scipy: NaN); it counts 0 here, as in the organisers' metric, and
is flagged.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.errors import Fault, ShapeError
from harness.scoring.pearson import Array, correlate, unit_series_pair

# A change that moves any score raises this number, and every committed record is scored again.
SCORER_VERSION = 1


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
    """

    pearson_r: float
    bands: tuple[float, ...]
    segments: int
    missing: tuple[str, ...]
    constant: tuple[str, ...]
    constant_reference: tuple[str, ...]


@dataclass(frozen=True)
class Score:
    """The score of one system on one part.

    Attributes:
        pearson_r: mean over subjects.
        bands: (n_bands,) mean over subjects.
        subjects: subject -> its score.
    """

    pearson_r: float
    bands: tuple[float, ...]
    subjects: Mapping[str, SubjectScore]


def score_subject(references: Mapping[str, Array], predictions: Mapping[str, Array]) -> SubjectScore:
    """Score one subject.

    Args:
        references: segment id -> (n_times, n_bands), finite; all of one shape. These are the expected
            segments.
        predictions: segment id -> (n_times, n_bands), finite; ids may be absent.

    Raises:
        ShapeError: no references; or a prediction's shape differs from its reference's, or an id is
            not expected, or a number is not finite (all reported at once).
    """
    _check_subject(references, predictions)
    n_bands = next(iter(references.values())).shape[1]
    ids = list(references)
    present = [segment_id for segment_id in ids if segment_id in predictions]
    row = {segment_id: index for index, segment_id in enumerate(ids)}
    r = np.zeros((len(ids), n_bands))
    constant: list[str] = []
    constant_reference: list[str] = []
    for block in _blocks(present):
        pair = unit_series_pair(
            np.stack([references[segment_id] for segment_id in block]),
            np.stack([predictions[segment_id] for segment_id in block]),
        )
        r[[row[segment_id] for segment_id in block]] = correlate(*pair)
        constant_reference += _constant_ids(block, pair[0])
        constant += _constant_ids(block, pair[1])
    bands = r.mean(axis=0)
    return SubjectScore(
        pearson_r=float(r.mean(axis=1).mean()),
        bands=tuple(float(value) for value in bands),
        segments=len(ids),
        missing=tuple(segment_id for segment_id in ids if segment_id not in predictions),
        constant=tuple(constant),
        constant_reference=tuple(constant_reference),
    )


def combine(subjects: Mapping[str, SubjectScore]) -> Score:
    """The mean over subjects.

    Raises:
        ShapeError: there is no subject.
    """
    if not subjects:
        raise ShapeError(Fault("score", "no subject", "at least one"))
    return Score(
        pearson_r=float(np.mean([score.pearson_r for score in subjects.values()])),
        bands=tuple(float(value) for value in np.mean([score.bands for score in subjects.values()], axis=0)),
        subjects=dict(subjects),
    )


def _constant_ids(ids: Sequence[str], unit: NDArray[np.float64]) -> list[str]:
    return [segment_id for segment_id, bands in zip(ids, unit, strict=True) if not bands.any(axis=-1).all()]


def _blocks(ids: Sequence[str], size: int = 8) -> list[Sequence[str]]:
    """Blocks small enough for the processor's cache."""
    return [ids[start : start + size] for start in range(0, len(ids), size)]


def _check_subject(references: Mapping[str, Array], predictions: Mapping[str, Array]) -> None:
    if not references:
        raise ShapeError(Fault("score", "no segment", "at least one"))
    shape = next(iter(references.values())).shape
    faults = [
        Fault(segment_id, "not an expected segment")
        for segment_id in predictions
        if segment_id not in references
    ]
    for name, arrays in (("reference", references), ("prediction", predictions)):
        for segment_id, array in arrays.items():
            if array.shape != shape:
                faults.append(Fault(f"{segment_id}: {name}", f"shape {array.shape}", f"{shape}"))
            elif not np.isfinite(array).all():
                faults.append(Fault(f"{segment_id}: {name}", "a number that is not finite", "finite numbers"))
    if faults:
        raise ShapeError(*faults)
