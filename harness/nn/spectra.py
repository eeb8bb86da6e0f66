"""Power spectra of EEG segments: the inputs of the music systems, by name.

For each electrode, x is its samples less their mean, w a window, and
P[k] = c |FFT(w x)[k]|^2 / (rate sum w^2), with c = 1 for the first bin (and for the last where the number of
samples is even) and 2 otherwise: a one-sided density, in the EEG's unit squared per Hz. One second at 125 Hz
gives 63 bins, 0 to 62 Hz.

- ``periodogram``: no window.
- ``welch``: a Hann window over the whole segment, as EEG2Mel's release calls ``scipy.signal.welch(y, fs=125,
  nperseg=125)``. One segment is left, so nothing is averaged: it is a windowed periodogram.
- ``welch-62``: a true Welch estimate: Hann windows of 62 samples, half overlapping, each less its mean,
  zero-padded to the segment's length; the mean of their spectra. Three windows in 125 samples.
- ``log-periodogram``: log(periodogram + 1e-3), natural. The first bin is 0 but for rounding, hence the floor.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from harness.errors import Fault, ShapeError, UsageError, did_you_mean

KINDS: Final = ("periodogram", "welch", "welch-62", "log-periodogram")
WELCH_SAMPLES: Final = 62
LOG_FLOOR: Final = 1e-3
# Work size: it bounds memory and does not change the result.
_BLOCK_VALUES: Final = 1 << 21


def power_spectrum(eeg: NDArray[Any], kind: str, sample_rate_hz: float) -> NDArray[np.float32]:
    """The power spectrum of every electrode of every segment.

    Args:
        eeg: (..., n_times, n_channels), finite; not changed.
        kind: one of ``KINDS``.
        sample_rate_hz: of the EEG.

    Returns:
        (..., n_times // 2 + 1, n_channels) float32. A constant electrode gives 0, or the
        logarithm of the floor.

    Raises:
        UsageError: no such kind.
        ShapeError: fewer than two axes, or too few samples for the kind.
    """
    least = WELCH_SAMPLES if kind == "welch-62" else 2
    if kind not in KINDS:
        raise UsageError(
            Fault("power_spectrum", f"kind {kind!r}", f"one of {', '.join(KINDS)}", did_you_mean(kind, KINDS))
        )
    if eeg.ndim < 2 or eeg.shape[-2] < least:
        raise ShapeError(
            Fault(
                f"power_spectrum, {kind}",
                f"shape {eeg.shape}",
                f"(..., n_times, n_channels) with n_times of at least {least}",
            )
        )
    n_times, n_channels = eeg.shape[-2:]
    segments = eeg.reshape(-1, n_times, n_channels)
    spectra = np.empty((len(segments), n_times // 2 + 1, n_channels), np.float32)
    block = max(1, _BLOCK_VALUES // max(1, n_times * n_channels))
    for first in range(0, len(segments), block):
        chosen = slice(first, first + block)
        spectra[chosen] = _spectra(segments[chosen].astype(np.float64), kind, sample_rate_hz)
    return spectra.reshape(*eeg.shape[:-2], *spectra.shape[1:])


def _spectra(eeg: NDArray[np.float64], kind: str, sample_rate_hz: float) -> NDArray[np.float64]:
    """(n_segments, n_times, n_channels) -> (n_segments, n_bins, n_channels)."""
    n_times = eeg.shape[1]
    if kind == "welch":
        return _density(eeg, _hann(n_times), n_times, sample_rate_hz)
    if kind == "welch-62":
        window, hop = _hann(WELCH_SAMPLES), WELCH_SAMPLES // 2
        starts = range(0, n_times - WELCH_SAMPLES + 1, hop)
        cuts = [eeg[:, start : start + WELCH_SAMPLES] for start in starts]
        mean: NDArray[np.float64] = np.mean(
            [_density(cut, window, n_times, sample_rate_hz) for cut in cuts], axis=0
        )
        return mean
    density = _density(eeg, np.ones(n_times), n_times, sample_rate_hz)
    return np.log(density + LOG_FLOOR) if kind == "log-periodogram" else density


def _hann(n_samples: int) -> NDArray[np.float64]:
    """The periodic Hann window."""
    hann: NDArray[np.float64] = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(n_samples) / n_samples)
    return hann


def _density(
    eeg: NDArray[np.float64], window: NDArray[np.float64], n_fft: int, sample_rate_hz: float
) -> NDArray[np.float64]:
    from scipy.fft import rfft

    # First the first sample: a constant electrode is then exactly 0, and a large offset costs no digits.
    centred = eeg - eeg[:, :1]
    centred -= centred.mean(axis=1, keepdims=True)
    centred *= window[:, np.newaxis]
    spectrum = rfft(centred, n_fft, axis=1)
    density: NDArray[np.float64] = np.square(spectrum.real) + np.square(spectrum.imag)
    density /= sample_rate_hz * np.square(window).sum()
    density[:, 1 : n_fft // 2 + n_fft % 2] *= 2
    return density
