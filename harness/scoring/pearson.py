"""Pearson r of each band over time."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from harness.errors import Fault, ShapeError

Array = NDArray[np.floating]
# Differences of values above this could overflow float64, so such series are scaled first.
_LARGE = 2.0**1000


def pearson_r(reference: Array, prediction: Array) -> NDArray[np.float64]:
    """Pearson r of each band over time.

    Each series is shifted by its first sample, scaled by its largest magnitude, centred and normalised
    in float64 with time contiguous, which stays exact for offsets and scales at which a one-pass
    formula loses everything.

    Args:
        reference: (..., n_times, n_bands), finite; leading axes are segments.
        prediction: same shape, finite.

    Returns:
        (..., n_bands) float64 in [-1, 1]; 0 where either side is constant (the protocol's rule).

    Raises:
        ShapeError: the shapes differ, there are fewer than two axes, or fewer than two samples.
    """
    return correlate(*unit_series_pair(reference, prediction))


def unit_series_pair(reference: Array, prediction: Array) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Reference and prediction as unit series, (..., n_bands, n_times) of mean 0 and norm 1.

    Raises:
        ShapeError: the shapes differ, there are fewer than two axes, or fewer than two samples.
    """
    if reference.shape != prediction.shape:
        raise ShapeError(
            Fault("prediction", f"shape {prediction.shape}", f"{reference.shape}, the reference's")
        )
    if reference.ndim < 2 or reference.shape[-2] < 2:
        raise ShapeError(
            Fault("reference", f"shape {reference.shape}", "(..., n_times, n_bands), n_times > 1")
        )
    return _unit_series(reference), _unit_series(prediction)


def _unit_series(series: Array) -> NDArray[np.float64]:
    """(..., n_times, n_bands) -> (..., n_bands, n_times) of mean 0 and norm 1; zeros where constant."""
    # A copy with time last and contiguous: every pass below runs over neighbouring memory.
    unit = np.array(np.swapaxes(series, -1, -2), dtype=np.float64, order="C", copy=True)
    if max(unit.max(initial=0.0), -unit.min(initial=0.0)) > _LARGE:
        unit *= 2.0**-24  # exact, and small enough that no difference or sum overflows
    unit -= unit[..., :1].copy()
    largest = np.maximum(unit.max(axis=-1), -unit.min(axis=-1))[..., None]
    varies = largest > 0
    # Two steps, since 1 / largest overflows where largest is subnormal.
    np.divide(unit, largest, out=unit, where=varies)
    unit -= unit.mean(axis=-1, keepdims=True)
    norm = np.sqrt(np.einsum("...t,...t->...", unit, unit))[..., None]
    np.divide(unit, norm, out=unit, where=varies)
    unit[~varies[..., 0]] = 0.0
    return unit


def correlate(reference: NDArray[np.float64], prediction: NDArray[np.float64]) -> NDArray[np.float64]:
    """Pearson r of pairs of unit series, (..., n_bands, n_times) -> (..., n_bands)."""
    r: NDArray[np.float64] = np.einsum("...t,...t->...", reference, prediction)
    return np.clip(r, -1.0, 1.0)
