"""Pearson r of each band over time.

A series becomes a unit series: mean 0 and norm 1 over time. Pearson r of two series is the inner product
of their unit series, so a series is normalised once, and serves the score and all of chance.

    pearson_r      reference and prediction -> r of each band
    unit_series    segments -> unit series, time last
    correlate      pairs of unit series -> r of each band
    check_pair     refuse a reference and a prediction that do not fit each other
    time_last      segments -> a float64 copy with time last
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from harness.errors import Fault, ShapeError

if TYPE_CHECKING:
    from harness.conventions import Array

# Differences of values above this could overflow float64, so such series are scaled first.
_LARGE = 2.0**1000
_SMALLER = 2.0**-24  # exact, and small enough that no difference or sum overflows
# A sum of squares between these has lost nothing to over- or underflow; other series are scaled first.
_LEAST_SQUARES, _MOST_SQUARES = 2.0**-900, 2.0**1000


def pearson_r(reference: Array, prediction: Array) -> NDArray[np.float64]:
    """Pearson r of each band over time.

    Each series is shifted by its first sample, centred and normalised in float64 with time contiguous, which
    stays exact for offsets at which a one-pass formula loses everything. Series so large or so small that
    their squares are not exact are scaled by their largest magnitude first.

    Args:
        reference: (..., n_times, n_bands), finite; leading axes are segments.
        prediction: same shape, finite.

    Returns:
        (..., n_bands) float64 in [-1, 1]; 0 where either side is constant (the protocol's rule), NaN
        where a number is not finite.

    Raises:
        ShapeError: the shapes differ, there are fewer than two axes, or fewer than two samples.
    """
    check_pair(reference, prediction)
    if reference.shape[-2] < 2:
        raise ShapeError(
            Fault("reference", f"shape {reference.shape}", "(..., n_times, n_bands), n_times > 1")
        )
    *leading, n_times, n_bands = reference.shape
    flat = (-1, n_times, n_bands)
    units = unit_series(reference.reshape(flat)), unit_series(prediction.reshape(flat))
    return correlate(*units).reshape(*leading, n_bands)


def check_pair(reference: Array, prediction: Array) -> None:
    """Refuse a pair that no measure can compare.

    Raises:
        ShapeError: the shapes differ, or there are fewer than two axes.
    """
    if reference.shape != prediction.shape:
        raise ShapeError(
            Fault("prediction", f"shape {prediction.shape}", f"{reference.shape}, the reference's")
        )
    if reference.ndim < 2:
        raise ShapeError(Fault("reference", f"shape {reference.shape}", "(..., n_times, n_bands)"))


def unit_series(segments: Sequence[Array] | Array) -> NDArray[np.float64]:
    """Each band's series with mean 0 and norm 1 over time; zeros where it is constant.

    Args:
        segments: each (n_times, n_bands), all of one shape; at least one.

    Returns:
        (n_segments, n_bands, n_times); NaN for a band in which a number is not finite.
    """
    n_times, n_bands = segments[0].shape
    unit = np.empty((len(segments), n_bands, n_times))
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        for series, segment in zip(unit, segments, strict=True):
            if segment.dtype == np.float64:
                np.subtract(segment.T, segment[0][:, None], out=series)
            else:
                series[...] = segment.T
                series -= series[:, :1].copy()
        unit -= unit.mean(axis=-1, keepdims=True)
        squares = np.einsum("...t,...t->...", unit, unit)
        unit *= (1.0 / np.sqrt(squares))[..., None]
    odd = ~((squares > _LEAST_SQUARES) & (squares < _MOST_SQUARES))
    for place in np.flatnonzero(odd.any(axis=-1)).tolist():
        unit[place, odd[place]] = _scaled_unit_series(np.asarray(segments[place], np.float64).T[odd[place]])
    return unit


def _scaled_unit_series(series: NDArray[np.float64]) -> NDArray[np.float64]:
    """The same for series whose squares overflow, vanish, or are no numbers, (n_series, n_times)."""
    with np.errstate(over="ignore", invalid="ignore"):
        unit = series - series[:, :1]
        largest = np.abs(unit).max(axis=-1, keepdims=True)
        large = largest[:, 0] > _LARGE
        if large.any():
            scaled = series[large] * _SMALLER
            unit[large] = scaled - scaled[:, :1]
            largest = np.abs(unit).max(axis=-1, keepdims=True)
        # Two steps, since 1 / largest overflows where largest is subnormal. 0 / 0 is set to 0 below.
        unit /= largest
        unit -= unit.mean(axis=-1, keepdims=True)
        unit /= np.sqrt(np.einsum("...t,...t->...", unit, unit))[:, None]
    unit[largest[:, 0] == 0] = 0.0
    return unit


def correlate(reference: NDArray[np.float64], prediction: NDArray[np.float64]) -> NDArray[np.float64]:
    """Pearson r of pairs of unit series, (..., n_bands, n_times) -> (..., n_bands)."""
    r: NDArray[np.float64] = np.einsum("...t,...t->...", reference, prediction)
    return np.clip(r, -1.0, 1.0)


def time_last(segments: Sequence[Array] | Array) -> NDArray[np.float64]:
    """A float64 copy, (n_segments, n_bands, n_times), in which the samples of a band lie side by side.

    Args:
        segments: each (n_times, n_bands), all of one shape; at least one.
    """
    n_times, n_bands = segments[0].shape
    copy = np.empty((len(segments), n_bands, n_times))
    for index, segment in enumerate(segments):
        copy[index] = segment.T
    return copy
