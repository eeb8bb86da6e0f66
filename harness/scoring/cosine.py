"""Cosine similarity of whole segments: one number a segment, over all frames and bands together.

    cosine           of the segments as they are: any two spectrograms of sound are alike, so a prediction
                     that never changes scores high
    cosine_centred   after the training part's mean is subtracted from both: predicting that mean scores 0
    cosine_gain      the cosine, less that of the training part's mean: what predicting adds to a constant
    training_mean    the centre, from the training part's references

A segment becomes a unit segment (norm 1 over frames and bands); the cosine of two is their inner product.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from harness.errors import Fault, ShapeError
from harness.scoring.pearson import check_pair, time_last

if TYPE_CHECKING:
    from harness.conventions import Array

_SMALLER = 2.0**-24  # exact, and small enough that no difference overflows
_ROUNDING = 2.0**-24  # a float32 is no further, relatively, from the number that it stands for


def cosine(reference: Array, prediction: Array) -> NDArray[np.float64]:
    """Cosine of the angle between two segments, each flattened to one vector.

    Args:
        reference: (..., n_frames, n_bands), finite; leading axes are segments.
        prediction: same shape, finite.

    Returns:
        (...) float64 in [-1, 1]; 0 where either side is all zeros, NaN where a number is not finite.

    Raises:
        ShapeError: the shapes differ, or there are fewer than two axes.
    """
    return _cosine(reference, prediction, None)


def cosine_centred(reference: Array, prediction: Array, centre: Array | None) -> NDArray[np.float64]:
    """:func:`cosine` after the centre is subtracted from both.

    Args:
        reference: (..., n_frames, n_bands), finite; leading axes are segments.
        prediction: same shape, finite.
        centre: (n_frames, n_bands) or (n_bands,), finite: the training part's mean.

    Returns:
        (...) float64 in [-1, 1]; 0 where either side is the centre itself, or its float32, NaN where a number
        is not finite.

    Raises:
        ShapeError: the shapes differ, there are fewer than two axes, or the centre is missing, of
            another shape, or not finite.
    """
    check_pair(reference, prediction)
    return _cosine(reference, prediction, check_centre(centre, reference.shape[-2:]))


def cosine_gain(reference: Array, prediction: Array, centre: Array | None) -> NDArray[np.float64]:
    """:func:`cosine` of the prediction, less that of the centre: above 0 where it beats a constant.

    Args:
        reference: (..., n_frames, n_bands), finite; leading axes are segments.
        prediction: same shape, finite.
        centre: (n_frames, n_bands) or (n_bands,), finite: the training part's mean.

    Returns:
        (...) float64 in [-2, 2]; a prediction of zeros has a cosine of 0, and its gain is the centre's cosine
        with its sign turned. NaN where a number is not finite.

    Raises:
        ShapeError: as :func:`cosine_centred`.
    """
    check_pair(reference, prediction)
    constant = np.broadcast_to(check_centre(centre, reference.shape[-2:]), reference.shape)
    return cosine(reference, prediction) - cosine(reference, constant)


def _cosine(reference: Array, prediction: Array, centre: Array | None) -> NDArray[np.float64]:
    check_pair(reference, prediction)
    flat = (-1, *reference.shape[-2:])
    units = (unit_segments(side.reshape(flat), centre) for side in (reference, prediction))
    return angle(*units).reshape(reference.shape[:-2])


def check_centre(centre: Array | None, shape: tuple[int, ...]) -> Array:
    """The centre, if it fits segments of this shape.

    Args:
        centre: (n_frames, n_bands) or (n_bands,).
        shape: (n_frames, n_bands).

    Raises:
        ShapeError: it is missing, of another shape, or holds a number that is not finite.
    """
    expected = f"{shape} or {shape[1:]}, the training part's mean"
    if centre is None:
        raise ShapeError(Fault("centre", "none", expected))
    if centre.shape not in (shape, shape[1:]):
        raise ShapeError(Fault("centre", f"shape {centre.shape}", expected))
    if not np.isfinite(centre).all():
        raise ShapeError(Fault("centre", "a number that is not finite", "finite numbers"))
    return centre


def unit_segments(segments: Sequence[Array] | Array, centre: Array | None = None) -> NDArray[np.float64]:
    """Each segment, minus the centre if there is one, with norm 1; zeros where nothing is left.

    A segment that is the centre in float32, as predictions are, is the centre: what rounding left is nothing.

    Args:
        segments: each (n_frames, n_bands), all of one shape; at least one.
        centre: (n_frames, n_bands) or (n_bands,), checked before.

    Returns:
        (n_segments, n_bands, n_frames); NaN for a segment in which a number is not finite.
    """
    unit = time_last(segments)
    with np.errstate(over="ignore", invalid="ignore"):
        if centre is not None:
            offset = np.atleast_2d(centre).T  # (n_bands, n_frames) or (n_bands, 1)
            unit -= offset
            unit[(np.abs(unit) <= _ROUNDING * np.abs(offset)).all(axis=(1, 2))] = 0.0
            large = np.isinf(unit).any(axis=(1, 2))
            if large.any():
                unit[large] = time_last(segments)[large] * _SMALLER - offset * _SMALLER
        largest = np.maximum(unit.max(axis=(1, 2)), -unit.min(axis=(1, 2)))[:, None, None]
        unit /= largest  # before squares, which would overflow or vanish; 0 / 0 is set to 0 below
        unit /= np.sqrt(np.einsum("sbt,sbt->s", unit, unit))[:, None, None]
    unit[largest[:, 0, 0] == 0] = 0.0
    return unit


def angle(reference: NDArray[np.float64], prediction: NDArray[np.float64]) -> NDArray[np.float64]:
    """Cosine of pairs of unit segments, (n_segments, n_bands, n_frames) -> (n_segments,)."""
    products: NDArray[np.float64] = np.einsum("sbt,sbt->s", reference, prediction)
    return np.clip(products, -1.0, 1.0)


def gains(predictions: Sequence[Array], centre: Array) -> NDArray[np.float64]:
    """Unit predictions less the unit centre; a unit reference times these is its :func:`cosine_gain`.

    Args:
        predictions: each (n_frames, n_bands).
        centre: (n_frames, n_bands) or (n_bands,), checked before.

    Returns:
        (n_segments, n_bands, n_frames).
    """
    constant = np.broadcast_to(centre, predictions[0].shape)
    return unit_segments(predictions) - unit_segments([constant])


def difference(reference: NDArray[np.float64], gain: NDArray[np.float64]) -> NDArray[np.float64]:
    """Gain of pairs of unit segments and :func:`gains`, (n_segments, n_bands, n_frames) -> (n_segments,)."""
    products: NDArray[np.float64] = np.einsum("sbt,sbt->s", reference, gain)
    return np.clip(products, -2.0, 2.0)


def training_mean(segments: Iterable[Array]) -> NDArray[np.float64]:
    """The mean of segments, one after another: the centre of :func:`cosine_centred`.

    Args:
        segments: each (n_frames, n_bands), all of one shape.

    Returns:
        (n_frames, n_bands). Its own mean over frames, (n_bands,), is a centre too.

    Raises:
        ShapeError: there is no segment, or two shapes differ.
    """
    total: NDArray[np.float64] | None = None
    n_segments = 0
    for segment in segments:
        if total is None:
            total = np.zeros(segment.shape)
        if segment.shape != total.shape:
            raise ShapeError(
                Fault(f"training segment {n_segments}", f"shape {segment.shape}", f"{total.shape}")
            )
        total += segment
        n_segments += 1
    if total is None:
        raise ShapeError(Fault("centre", "no training segment", "at least one"))
    return total / n_segments
