"""The mel spectrogram that SparrKULee's public pipeline makes today: 28 bands, compressed.

It is no feature of the challenge, whose mel has ten bands of power (`harness.features.spectrograms.mel`). As
there, a frame starts where its window starts, and no threaded matrix product is used.
"""

from __future__ import annotations

import warnings
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from harness.features.audio import Feature, checked_audio
from harness.features.catalogue import SAMPLE_RATE_HZ
from harness.features.stft import Frames

# Bollens et al. 2024, doi 10.48804/K3VSND: the preprocessing code that comes with the dataset.
N_BANDS: Final = 28
LOWEST_HZ: Final = -4.2735  # below zero: the first band is not the sharpest
HIGHEST_HZ: Final = 5444.0
WINDOW_SECONDS: Final = 0.025
POWER: Final = 0.6


def mel_28(audio: NDArray[Any], sample_rate_hz: int) -> Feature:
    """Mel spectrogram of 28 bands, 64 frames a second.

    The audio loses its mean; symmetric Hamming windows of 25 ms, zero-padded to the next power of two, give
    the magnitudes of a spectrum, 28 triangles on the HTK scale, each with a peak of 1, sum them, and each sum
    is raised to the power 0.6. The hop of 1/64 s is cut to whole samples, so at 44.1 kHz frames run ahead by
    82 ms in 15 minutes; 16 and 48 kHz do not drift. Bands above half of the audio's rate are 0:
    `n_silent_bands`.

    Args:
        audio: (n_samples,), finite, any scale.
        sample_rate_hz: samples a second, more than 1,000.

    Returns:
        (n_times, 28) float32, not negative.

    Raises:
        ShapeError: the audio is not one-dimensional, or shorter than one window.
        CorpusError: the audio has NaN or infinite samples, or too low a rate.
    """
    from scipy.signal.windows import hamming

    n_window = int(WINDOW_SECONDS * sample_rate_hz)
    n_fft = 1 << (n_window - 1).bit_length()
    samples = checked_audio(audio, n_fft, sample_rate_hz, least_rate_hz=1000)
    samples = samples - samples.mean()
    hop = sample_rate_hz // SAMPLE_RATE_HZ
    weights = _weights(sample_rate_hz, n_fft)
    frames = Frames(n_fft, hop, n_window, hamming(n_window, sym=True))
    bands = np.empty((frames.count(samples.size), N_BANDS), np.float32)
    for block, spectrum in frames.spectra(samples):
        np.einsum("bf,ft->tb", weights, np.abs(spectrum), out=bands[block], optimize=False)
    return np.power(bands, np.float32(POWER), out=bands)


def n_silent_bands(sample_rate_hz: int) -> int:
    """How many bands lie above half of a sample rate, and are 0 whatever is heard."""
    n_window = int(WINDOW_SECONDS * sample_rate_hz)
    weights = _weights(sample_rate_hz, 1 << (n_window - 1).bit_length())
    return int((weights.max(axis=1) == 0).sum())


def _weights(sample_rate_hz: int, n_fft: int) -> Feature:
    """The triangles, (28, n_fft / 2 + 1)."""
    import librosa

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Empty filters detected")  # said by `n_silent_bands`
        weights: Feature = librosa.filters.mel(
            sr=sample_rate_hz,
            n_fft=n_fft,
            n_mels=N_BANDS,
            fmin=LOWEST_HZ,
            fmax=HIGHEST_HZ,
            htk=True,
            norm=None,
        )
    return weights
