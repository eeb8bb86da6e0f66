"""Linear backward model: each band is a weighted sum of EEG channels at the next 0 to 400 ms.

    band(t) = sum over lag and channel of  w(lag, channel, band) * eeg(t + lag, channel)

Paper: Crosse, Di Liberto, Bednar, Lalor 2016, The multivariate temporal response function (mTRF) toolbox,
Frontiers in Human Neuroscience 10:604, doi 10.3389/fnhum.2016.00604, describe the model; it is the linear
baseline of the Auditory EEG Challenge 2024. The lags run forward because the brain answers after the sound.
Release: the challenge page says 400 ms, its code has 16 lags; here as many as 400 ms hold, 26 at 64 Hz.
Licence: ours, MIT.
Our deviations: all bands by one ridge solve with one lambda; beyond the end of a segment the EEG counts
as its mean, 0, so that the output has every frame (the challenge's valid convolution gives 1905 of
1920).

Conventions: EEG (n_times, n_channels), targets (n_times, n_bands), weights (n_lags, n_channels,
n_bands), float64 where sums are accumulated.
"""

import math

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating]

LAG_SECONDS = 0.4


def n_lags(sample_rate_hz: float) -> int:
    """Lags from 0 to 400 ms: 26 at 64 Hz, which are 0 to 25 samples."""
    return math.floor(LAG_SECONDS * sample_rate_hz + 1e-9) + 1


def zscore(series: Array) -> Array:
    """Mean 0 and standard deviation 1 over time for each channel; 0 where a channel is constant.

    Args:
        series: (..., n_times, n_channels).
    """
    centred = series - series.mean(axis=-2, keepdims=True)
    deviation = centred.std(axis=-2, keepdims=True)
    return np.divide(centred, deviation, out=np.zeros_like(centred), where=deviation > 0)


def apply(weights: Array, eeg: Array) -> Array:
    """The model: one shifted copy of the EEG a lag.

    Args:
        weights: (n_lags, n_channels, n_bands).
        eeg: (n_segments, n_times, n_channels), z-scored.

    Returns:
        (n_segments, n_times, n_bands) of the EEG's dtype.
    """
    n_times = eeg.shape[1]
    out = eeg @ weights[0]
    for lag in range(1, min(len(weights), n_times)):
        out[:, : n_times - lag] += eeg[:, lag:] @ weights[lag]
    return out


class Ridge:
    """Ridge regression from accumulated products: one pass over the data, constant memory.

    The lagged matrix X is never built. Block (a, b) of X'X is the sum of eeg(t + a)' eeg(t + b) over the
    times t at which every lag has EEG, so along a diagonal, from (a, b) to (a + 1, b + 1), it loses one
    product at the start of the recording and gains one at the end. Both kinds of sums are kept.
    """

    def __init__(self, n_channels: int, n_bands: int, n_lags: int) -> None:
        self.n_lags, self.n_channels = n_lags, n_channels
        block = (n_channels, n_channels)
        self.first_blocks = np.zeros((n_lags, *block))  # (0, distance)
        self.changes = np.zeros((n_lags, n_lags - 1, *block))  # along the diagonal of each distance
        self.targets = np.zeros((n_lags * n_channels, n_bands))
        self.eigen: tuple[Array, Array] | None = None

    def add(self, eeg: Array, target: Array) -> None:
        """Accumulate X'X and X'y of one recording.

        Args:
            eeg: (n_times, n_channels), z-scored.
            target: (n_times, n_bands), z-scored.
        """
        x = np.asarray(eeg, dtype=np.float64)
        lags, channels = self.n_lags, self.n_channels
        valid = len(x) - lags + 1
        if valid < 1:
            return
        y = np.asarray(target, dtype=np.float64)[:valid]
        self.eigen = None
        for distance in range(lags):
            steps = lags - distance - 1
            self.first_blocks[distance] += x[:valid].T @ x[distance : distance + valid]
            self.changes[distance, :steps] += _outer(x, valid, distance, steps)
            self.changes[distance, :steps] -= _outer(x, 0, distance, steps)
        for lag in range(lags):
            self.targets[lag * channels : (lag + 1) * channels] += x[lag : lag + valid].T @ y

    def products(self) -> Array:
        """X'X, (n_lags * n_channels, n_lags * n_channels)."""
        lags, channels = self.n_lags, self.n_channels
        whole = np.empty((lags, channels, lags, channels))
        for distance in range(lags):
            block = self.first_blocks[distance].copy()
            for a in range(lags - distance):
                if a > 0:
                    block += self.changes[distance, a - 1]
                whole[a, :, a + distance, :] = block
                whole[a + distance, :, a, :] = block.T
        return whole.reshape(lags * channels, lags * channels)

    def solve(self, ridge: float) -> Array:
        """Weights (n_lags, n_channels, n_bands) at one lambda, float64.

        X'X is decomposed once, so that trying many lambdas costs little more than one.
        """
        if self.eigen is None:
            values, vectors = np.linalg.eigh(self.products())
            self.eigen = np.maximum(values, 0.0), vectors
        values, vectors = self.eigen
        solved: Array = vectors @ ((vectors.T @ self.targets) / (values + ridge)[:, None])
        return solved.reshape(self.n_lags, self.n_channels, -1)


def _outer(x: Array, start: int, distance: int, steps: int) -> Array:
    """x(t)' x(t + distance) for each of the times from ``start``, (steps, n_channels, n_channels)."""
    first, second = x[start : start + steps], x[start + distance : start + distance + steps]
    product: Array = first[:, :, None] * second[:, None, :]
    return product
