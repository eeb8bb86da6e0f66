"""The speech envelope: gammatone filters, magnitude, power law, sum over bands."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from harness.features.audio import Audio, Feature, checked_audio
from harness.features.catalogue import SAMPLE_RATE_HZ

# The envelope of the SparrKULee pipeline; Biesmans et al. 2017, doi 10.1109/TNSRE.2016.2571900.
GAMMATONE_BANDS: Final = 28
GAMMATONE_LOWEST_HZ: Final = 50.0
GAMMATONE_HIGHEST_HZ: Final = 5000.0
ENVELOPE_POWER: Final = 0.6
# Equivalent rectangular bandwidth, (f / Q + minimum) Hz, and the gammatone's bandwidth in units of
# it; Slaney 1993, Apple Computer Technical Report 35.
ERB_QUALITY: Final = 9.26449
ERB_MINIMUM_HZ: Final = 24.7
GAMMATONE_BANDWIDTH_ERB: Final = 1.019
# The slowest filter has decayed below float32 resolution after this time.
GAMMATONE_MEMORY_SECONDS: Final = 0.2
GAMMATONE_BLOCK_SAMPLES: Final = 32768


def envelope(audio: NDArray[Any], sample_rate_hz: int) -> Feature:
    """Speech envelope as the ear's filters give it, 64 frames a second.

    Each of 28 gammatone bands, equally spaced on the ERB scale from 50 to 5000 Hz, is rectified and raised to
    the power 0.6, since the ear compresses. The bands are summed, and the sum is resampled to 64 Hz.

    Args:
        audio: (n_samples,), finite, any scale.
        sample_rate_hz: samples a second, more than 10000.

    Returns:
        (n_times, 1) float32 with ``n_times = ceil(n_samples * 64 / sample_rate_hz)``.

    Raises:
        ShapeError: the audio is not one-dimensional, or shorter than one frame.
        CorpusError: the audio has NaN or infinite samples, or too low a rate.
    """
    from scipy import fft
    from scipy.signal import resample_poly

    samples = checked_audio(audio, -(-sample_rate_hz // SAMPLE_RATE_HZ), sample_rate_hz)
    responses = _gammatone_responses(sample_rate_hz)
    n_memory = responses.shape[1]
    n_fft = fft.next_fast_len(GAMMATONE_BLOCK_SAMPLES + n_memory - 1, real=True)
    transfer = fft.rfft(responses, n_fft)
    total = np.empty(samples.size)
    # Overlap-save: every block is preceded by as many samples as the filters remember.
    for first in range(0, samples.size, GAMMATONE_BLOCK_SAMPLES):
        start = max(first - n_memory + 1, 0)
        block = samples[start : first + GAMMATONE_BLOCK_SAMPLES]
        filtered = fft.irfft(fft.rfft(block, n_fft) * transfer, n_fft)
        bands = np.abs(filtered[:, first - start : block.size])
        # A power by logarithm is three times as fast in float32; the tiny offset keeps log finite.
        np.log(np.maximum(bands, np.float32(1e-30), out=bands), out=bands)
        np.exp(np.multiply(bands, np.float32(ENVELOPE_POWER), out=bands), out=bands)
        bands.sum(axis=0, dtype=np.float64, out=total[first : first + GAMMATONE_BLOCK_SAMPLES])
    resampled = resample_poly(total, SAMPLE_RATE_HZ, sample_rate_hz)
    return resampled.astype(np.float32)[:, np.newaxis]


def _gammatone_responses(sample_rate_hz: int) -> Audio:
    """Impulse responses of the gammatone bank, (28, n_samples), each with gain 1 at its centre.

    A fourth-order gammatone is a cascade of four two-pole sections that share their poles and have
    one zero each (Slaney 1993, equations on pages 35 and 36).
    """
    from scipy.signal import sosfilt

    # Centres equally spaced in log(f + Q * minimum), which is the ERB scale.
    offset = ERB_QUALITY * ERB_MINIMUM_HZ
    centres_hz = (
        np.geomspace(GAMMATONE_LOWEST_HZ + offset, GAMMATONE_HIGHEST_HZ + offset, GAMMATONE_BANDS) - offset
    )
    bandwidth_hz = GAMMATONE_BANDWIDTH_ERB * (centres_hz / ERB_QUALITY + ERB_MINIMUM_HZ)
    angle = 2 * np.pi * centres_hz / sample_rate_hz
    decay = np.exp(-2 * np.pi * bandwidth_hz / sample_rate_hz)

    impulse = np.zeros(round(GAMMATONE_MEMORY_SECONDS * sample_rate_hz))
    impulse[0] = 1
    responses = np.empty((GAMMATONE_BANDS, impulse.size))
    zero_factors = [side * np.sqrt(3 + root * 2**1.5) for side in (1, -1) for root in (1, -1)]
    for band, (phi, radius) in enumerate(zip(angle, decay, strict=True)):
        poles = [1, -2 * radius * np.cos(phi), radius**2]
        zeros = [radius * (np.cos(phi) + factor * np.sin(phi)) for factor in zero_factors]
        sections = np.array([[1, -zero, 0, *poles] for zero in zeros])
        centre = np.exp(-1j * phi) ** np.arange(3)
        gain = np.abs(np.prod((sections[:, :3] @ centre) / (sections[:, 3:] @ centre)))
        sections[0, :3] /= gain
        responses[band] = sosfilt(sections, impulse)
    return responses.astype(np.float32)
