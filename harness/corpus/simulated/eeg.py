"""EEG of a listener who does not exist, for a sound that does.

What the EEG channels of one recording hold, all of it at 64 Hz and in microvolts:

- **evoked response**, the part a linear decoder finds: cortical sources follow the compressed
  energy of every mel band and its onsets through kernels with the shape of P1, N1 and P2, 50 to
  250 ms after the sound;
- **induced response**, which no linear decoder finds: alpha and beta rhythms of random phase, whose
  amplitude falls (alpha) or rises (beta) with the loudness of the speech. Their mean is zero, so
  only their power tells;
- **noise**: pink activity of sources all over the brain, occipital alpha that comes in bursts,
  blinks, and a little of the sensors' own.

All of it is then limited to 0.5-30 Hz, as the preprocessing of real recordings does. Nothing here
uses threaded matrix products: the samples do not depend on the number of threads.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from harness.corpus.simulated.head import AUDITORY_SOURCES, Listener
from harness.features.catalogue import N_MEL_BANDS, SAMPLE_RATE_HZ

# Limits of the preprocessing, Hz, and how wide their slopes are.
PASS_BAND_HZ: Final = (0.5, 30.0)
SLOPE_HZ: Final = (0.2, 1.5)
# Root mean square of each part, microvolts, over all EEG channels. Tuned on the default recipe, on
# 30 s segments of the test subjects: a linear backward model (26 lags, ridge) reaches a mean
# Pearson r of 0.071 on the mel and 0.114 on the envelope; with the log power of the rhythms as
# further inputs the same ridge reaches 0.109 and 0.216.
EVOKED_MICROVOLT: Final = 0.215
ALPHA_MICROVOLT: Final = 2.0
BETA_MICROVOLT: Final = 1.5
PINK_MICROVOLT: Final = 9.0
OCCIPITAL_MICROVOLT: Final = 4.0
BLINK_MICROVOLT: Final = 5.0
SENSOR_MICROVOLT: Final = 1.0
# The ear compresses: response grows with this power of a band's energy.
COMPRESSION: Final = 0.4
# P1, N1, P2 of the response to sound: latency and width in seconds, size and sign.
COMPONENTS: Final = ((0.055, 0.016, 0.6), (0.105, 0.024, -1.0), (0.190, 0.040, 0.45))
RESPONSE_SECONDS: Final = 0.5
# High frequencies reach the cortex first (the cochlea's travelling wave), seconds a mel band.
BAND_LATENCY_SECONDS: Final = -0.003
# Tonotopy: width of a source's preference in mel bands, and what it hears of all others.
TONOTOPY_BANDS: Final = 1.5
TONOTOPY_FLOOR: Final = 0.05
# Share of an evoked response that onsets drive, rather than energy.
ONSET_SHARE: Final = 0.6
BLINKS_PER_MINUTE: Final = 10.0
# How far the rhythms' log amplitude follows the loudness (in standard deviations of it), how late,
# and how sluggishly. Desynchronised alpha and beta rebound: Pfurtscheller and Lopes da Silva 1999.
ALPHA_DEPTH: Final = -0.04
BETA_DEPTH: Final = 0.05
INDUCED_DELAY_SECONDS: Final = 0.12
INDUCED_SMOOTHING_SECONDS: Final = 0.05
ALPHA_HZ: Final = (8.0, 13.0)
BETA_HZ: Final = (15.0, 27.0)


def record(subject: Listener, mel: NDArray[Any], n_times: int, rng: np.random.Generator) -> NDArray[Any]:
    """EEG of ``subject`` listening to one stimulus.

    Args:
        subject: who listens.
        mel: (n_mel_times, 10) power, 64 Hz; may be a few frames shorter than the recording.
        n_times: length of the recording.
        rng: decides noise and phases.

    Returns:
        (n_channels, n_times) float16, microvolts.
    """
    energy = _compressed(mel, n_times)
    evoked = _mixed(subject.auditory, _evoked(subject, energy))
    eeg = _scaled(evoked, EVOKED_MICROVOLT * subject.evoked_gain)
    loudness = _loudness(energy, INDUCED_DELAY_SECONDS + subject.latency_seconds)
    for limits_hz, depth, microvolt in (
        (ALPHA_HZ, ALPHA_DEPTH, ALPHA_MICROVOLT),
        (BETA_HZ, BETA_DEPTH, BETA_MICROVOLT),
    ):
        carriers = _coloured(subject.rhythms.shape[1], n_times, rng, limits_hz)
        rhythm = carriers * np.exp(depth * subject.induced_gain * loudness)
        eeg += _scaled(_mixed(subject.rhythms, rhythm), microvolt)
    pink = _coloured(subject.pink.shape[1], n_times, rng)
    eeg += _scaled(_mixed(subject.pink, pink), PINK_MICROVOLT)
    bursts = _coloured(subject.occipital.shape[1], n_times, rng, ALPHA_HZ) * _bursts(n_times, rng)
    eeg += _scaled(_mixed(subject.occipital, bursts), OCCIPITAL_MICROVOLT)
    blinks = np.tile(_blinks(n_times, rng), (subject.eyes.shape[1], 1))
    eeg += _scaled(_mixed(subject.eyes, blinks), BLINK_MICROVOLT)
    eeg += SENSOR_MICROVOLT * rng.standard_normal(eeg.shape)
    return _limited(eeg).astype(np.float16)


def _compressed(mel: NDArray[Any], n_times: int) -> NDArray[Any]:
    """Energy of every mel band as the ear passes it on, (10, n_times), each with mean 1.

    Where the mel is shorter than the recording, its last frame is repeated.
    """
    energy = np.maximum(mel[:n_times].T.astype(np.float64), 0) ** COMPRESSION
    energy /= energy.mean(axis=1, keepdims=True) + 1e-12
    return np.pad(energy, ((0, 0), (0, n_times - energy.shape[1])), mode="edge")


def _evoked(subject: Listener, energy: NDArray[Any]) -> NDArray[Any]:
    """What every auditory source does, (n_sources, n_times): energy and onsets through kernels."""
    from scipy import fft

    n_times = energy.shape[1]
    onset = np.maximum(np.diff(energy, axis=1, prepend=energy[:, :1]), 0)
    # Both drives get unit variance, so that the share of the onsets is what it says.
    drives = [(1 - ONSET_SHARE) * _standardised(energy), ONSET_SHARE * _standardised(onset)]
    n_fft = fft.next_fast_len(n_times + round(RESPONSE_SECONDS * SAMPLE_RATE_HZ), real=True)
    spectra = fft.rfft(np.sum(drives, axis=0), n_fft)
    bands = np.arange(N_MEL_BANDS)
    total = np.empty((len(AUDITORY_SOURCES), n_times))
    for row, source in zip(total, AUDITORY_SOURCES, strict=True):
        late = source.delay_seconds + subject.latency_seconds
        kernels = np.stack([_kernel(late + BAND_LATENCY_SECONDS * band) for band in bands])
        # Broad tonotopy: every source hears all bands, its best one most.
        weights = TONOTOPY_FLOOR + np.exp(-0.5 * ((bands - source.best_band) / TONOTOPY_BANDS) ** 2)
        response = fft.rfft(kernels * weights[:, np.newaxis], n_fft) * spectra
        row[:] = _standardised(fft.irfft(response.sum(axis=0), n_fft)[:n_times])
    return total


def _kernel(delay_seconds: float) -> NDArray[Any]:
    """The response to an impulse of sound, ``RESPONSE_SECONDS`` long, at any sub-sample delay."""
    time = np.arange(round(RESPONSE_SECONDS * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ - delay_seconds
    bumps = [size * np.exp(-0.5 * ((time - at) / wide) ** 2) for at, wide, size in COMPONENTS]
    total: NDArray[Any] = np.sum(bumps, axis=0)
    return total


def _loudness(energy: NDArray[Any], delay_seconds: float) -> NDArray[Any]:
    """Loudness as the rhythms follow it: late, sluggish, standardised, (n_times,)."""
    from scipy import fft

    n_times = energy.shape[1]
    frequency = fft.rfftfreq(n_times, 1 / SAMPLE_RATE_HZ)
    sluggish = np.exp(-0.5 * (2 * np.pi * frequency * INDUCED_SMOOTHING_SECONDS) ** 2)
    late = np.exp(-2j * np.pi * frequency * delay_seconds)
    followed = fft.irfft(fft.rfft(energy.mean(axis=0)) * sluggish * late, n_times)
    # Clipped: a lone peak must not send the amplitude's exponential anywhere.
    clipped: NDArray[Any] = np.clip(_standardised(followed), -2.5, 2.5)
    return clipped


def _coloured(
    n_sources: int,
    n_times: int,
    rng: np.random.Generator,
    limits_hz: tuple[float, float] | None = None,
) -> NDArray[Any]:
    """Gaussian noise of unit variance, (n_sources, n_times): within limits, or pink (1/f power)."""
    from scipy import fft

    frequency = fft.rfftfreq(n_times, 1 / SAMPLE_RATE_HZ)
    if limits_hz is None:
        shape = 1 / np.sqrt(np.maximum(frequency, PASS_BAND_HZ[0]))
    else:
        shape = _slope(frequency, limits_hz, (1.0, 1.0))
    noise = rng.standard_normal((n_sources, n_times))
    return _standardised(fft.irfft(fft.rfft(noise) * shape, n_times))


def _bursts(n_times: int, rng: np.random.Generator) -> NDArray[Any]:
    """Amplitude of occipital alpha: it waxes and wanes over seconds, whatever is heard."""
    slow = _coloured(1, n_times, rng, (0.05, 0.4))
    return np.exp(0.8 * slow)


def _blinks(n_times: int, rng: np.random.Generator) -> NDArray[Any]:
    """Blinks at random times, (n_times,), each some 0.3 s long."""
    seconds = n_times / SAMPLE_RATE_HZ
    train = np.zeros(n_times)
    n_blinks = max(int(rng.poisson(BLINKS_PER_MINUTE * seconds / 60)), 1)
    train[rng.integers(0, n_times, n_blinks)] = rng.uniform(0.6, 1.4, n_blinks)
    return np.convolve(train, np.hanning(round(0.3 * SAMPLE_RATE_HZ) + 2), mode="same")


def _limited(eeg: NDArray[Any]) -> NDArray[Any]:
    """Keep 0.5-30 Hz."""
    from scipy import fft

    frequency = fft.rfftfreq(eeg.shape[1], 1 / SAMPLE_RATE_HZ)
    shape = _slope(frequency, PASS_BAND_HZ, SLOPE_HZ)
    kept: NDArray[Any] = fft.irfft(fft.rfft(eeg) * shape, eeg.shape[1])
    return kept


def _slope(
    frequency: NDArray[Any], limits_hz: tuple[float, float], width_hz: tuple[float, float]
) -> NDArray[Any]:
    """Gain of a band-pass with smooth edges."""
    low = 1 / (1 + np.exp(-(frequency - limits_hz[0]) * 8 / width_hz[0]))
    high = 1 / (1 + np.exp(np.minimum((frequency - limits_hz[1]) * 8 / width_hz[1], 60.0)))
    gain: NDArray[Any] = low * high
    return gain


def _mixed(gains: NDArray[Any], sources: NDArray[Any]) -> NDArray[Any]:
    """Sources as the EEG channels see them, (n_channels, n_times), without threads."""
    mixed: NDArray[Any] = np.einsum("cs,st->ct", gains, sources, optimize=False)
    return mixed


def _standardised(rows: NDArray[Any]) -> NDArray[Any]:
    """Mean 0 and standard deviation 1 along the last axis; a constant row becomes 0."""
    centred = rows - rows.mean(axis=-1, keepdims=True)
    result: NDArray[Any] = centred / (centred.std(axis=-1, keepdims=True) + 1e-12)
    return result


def _scaled(eeg: NDArray[Any], microvolt: float) -> NDArray[Any]:
    """Scale to a root mean square over all EEG channels and samples."""
    scaled: NDArray[Any] = eeg * (microvolt / (np.sqrt(np.mean(eeg**2)) + 1e-12))
    return scaled
