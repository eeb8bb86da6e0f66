"""Whether EEG and a feature fit in time: the lag at which a ridge decodes best, against far shifts.

A short recording often shows no answer; all recordings of a subject together usually do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

FOUND_Z = 3.3
"""An answer is found where the best of the 33 lags is so many deviations above far shifts."""

SHIFTED_Z = 5.0
"""Only a clear answer says that EEG and feature are apart: that is a fault, and must not be a false one."""

SHIFT_SECONDS = 1.0
"""Alignment is looked for within this much, to both sides."""

_SHIFT_STEP_SECONDS = 1 / 16
_LAG_SECONDS = 0.25  # of the decoder: EEG answers within a quarter of a second
_N_LAGS = 8
_N_FOLDS = 4
_LAMBDA = 1.0  # of the mean power of a lagged channel
_BAND_HZ = (0.5, 9.0)
_FAR_SECONDS = 3.0  # shifts beyond this have nothing to do with what was heard at the time
_N_FAR = 120
_AHEAD_Z = 2.0  # by which the best lag must be better than none
_LEAST_SECONDS = 20.0
_LATE_SECONDS = 0.125  # best lags up to this are a fit: answers of people differ by as much


@dataclass(frozen=True)
class Alignment:
    """Where EEG and a feature fit best.

    Attributes:
        feature: which.
        lag_ms: the best shift of the EEG against the feature, beyond the answer's own delay; 0 fits, 250
            means that EEG comes 250 ms late.
        r: Pearson r of a cross-validated ridge there.
        z: how many deviations of the r at far shifts that lies above their mean.
        z_unshifted: likewise at lag 0.
        curve: lag in ms and z, for every lag that was tried.
    """

    feature: str
    lag_ms: float
    r: float
    z: float
    z_unshifted: float
    curve: tuple[tuple[float, float], ...] = field(default=(), repr=False)

    @property
    def found(self) -> bool:
        """Whether an answer to the feature was found at all; short recordings often show none."""
        return self.z > FOUND_Z

    @property
    def shifted(self) -> bool:
        """Whether it was clearly found, and elsewhere than where it should be."""
        late = abs(self.lag_ms) > 1000 * _LATE_SECONDS
        return self.z > SHIFTED_Z and late and self.z - self.z_unshifted > _AHEAD_Z


class Moments(NamedTuple):
    """What a ridge needs of one stretch of time, whose mean is taken out.

    Attributes:
        gram: (n_lagged, n_lagged), of the lagged EEG.
        product: (n_lagged, n_shifts), of the lagged EEG with the feature at each shift.
        power: of the feature.
    """

    gram: Array
    product: Array
    power: float


def moments(eeg: Array, target: Array, sample_rate_hz: float) -> list[Moments]:
    """Moments of four stretches of a recording, for all shifts that are looked at, near and far.

    Args:
        eeg: (n_times, n_channels), finite.
        target: (n_times,), one value for each sample.
        sample_rate_hz: of both.

    Returns:
        none for less than twenty seconds, or where nothing varies.
    """
    if len(eeg) < _LEAST_SECONDS * sample_rate_hz or np.ptp(target) == 0 or not eeg.std(axis=0).any():
        return []
    near = _near_shifts(sample_rate_hz)
    first = round(_FAR_SECONDS * sample_rate_hz)
    far = np.linspace(first, len(eeg) - first, _N_FAR).astype(int)
    centred = eeg - eeg.mean(axis=0)  # of a flat channel, a filter would leave noise of rounding
    lagged = _lagged(_slow(centred, sample_rate_hz), sample_rate_hz)
    slow = _slow(target[:, None], sample_rate_hz)[:, 0]
    shifted = np.stack([np.roll(slow, shift) for shift in (*near, *far)], axis=1).astype(np.float32)
    bounds = np.linspace(0, len(eeg), _N_FOLDS + 1).astype(int)
    found = []
    for start, stop in pairwise(bounds):
        x, y = lagged[start:stop], shifted[start:stop]
        x, y = x - x.mean(axis=0), y - y.mean(axis=0)
        found.append(Moments(x.T @ x, x.T @ y, (y.astype(np.float64) ** 2).sum(axis=0)))
    return found


def alignment(stretches: Sequence[Moments], sample_rate_hz: float, feature: str = "") -> Alignment | None:
    """The shift at which a ridge decodes a feature best, each stretch by a decoder of all others.

    Args:
        stretches: of one recording, or of several of one subject.
        sample_rate_hz: of the EEG.
        feature: its name, handed on.

    Returns:
        None where there are fewer than two stretches.
    """
    if len(stretches) < 2:
        return None
    gram = np.sum([one.gram for one in stretches], axis=0)
    product = np.sum([one.product for one in stretches], axis=0)
    ridge = _LAMBDA * np.trace(gram) / len(gram) * np.eye(len(gram), dtype=np.float32)
    covariance, decoded, power = 0.0, 0.0, 0.0
    for one in stretches:
        weights = np.linalg.solve(gram - one.gram + ridge, product - one.product)
        covariance = covariance + (weights * one.product).sum(axis=0)
        decoded = decoded + (weights * (one.gram @ weights)).sum(axis=0)
        power = power + one.power
    r = covariance / np.sqrt(decoded * power)
    near = _near_shifts(sample_rate_hz)
    searched, far = r[: len(near)], r[len(near) :]
    scores = (searched - far.mean()) / far.std()
    best = int(scores.argmax())
    return Alignment(
        feature=feature,
        lag_ms=float(1000 * near[best] / sample_rate_hz),
        r=float(searched[best]),
        z=float(scores[best]),
        z_unshifted=float(scores[len(near) // 2]),
        curve=tuple(
            (float(1000 * lag / sample_rate_hz), float(z)) for lag, z in zip(near, scores, strict=True)
        ),
    )


def _near_shifts(sample_rate_hz: float) -> Array:
    step = max(1, round(_SHIFT_STEP_SECONDS * sample_rate_hz))
    most = int(SHIFT_SECONDS * sample_rate_hz) // step
    return step * np.arange(-most, most + 1)


def _slow(values: Array, sample_rate_hz: float) -> Array:
    """(n_times, n_channels) between 0.5 and 9 Hz, where answers to speech are; as it is at low rates."""
    from scipy.signal import butter, sosfiltfilt

    if sample_rate_hz <= 2 * _BAND_HZ[1]:
        return values
    sections = butter(2, _BAND_HZ, btype="bandpass", fs=sample_rate_hz, output="sos")
    return np.asarray(sosfiltfilt(sections, values, axis=0))


def _lagged(eeg: Array, sample_rate_hz: float) -> Array:
    """(n_times, n_channels * n_lags) float32: channels of mean 0 by their own deviations, now and later."""
    scale = eeg.std(axis=0)
    scaled = (eeg / np.where(scale > 0, scale, 1)).astype(np.float32)
    lags = np.unique(np.linspace(0, _LAG_SECONDS * sample_rate_hz, _N_LAGS).round().astype(int))
    return np.concatenate([np.roll(scaled, -lag, axis=0) for lag in lags], axis=1)
