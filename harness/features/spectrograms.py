"""Mel spectrograms: the feature that decoders predict, and finer spectra that some are trained on.

`mel` gives ten Slaney bands up to 5 kHz of the power spectrum, ``(n_times, 10)`` float32, 64 frames a second.
Its definition is that of the SparrKULee corpus, whose feature files were made with it. `spectra` gives finer
ones, which are no feature of the challenge; some decoders are trained on them as well.

A frame starts where its window starts, so a mel is a few frames shorter than the envelope of the same audio.
Matrix products with threads are avoided: the same audio gives the same bytes whatever the number of threads.
"""

from __future__ import annotations

import math
from functools import cache
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from harness.features.audio import MEL_HIGHEST_HZ, Audio, Feature, checked_audio
from harness.features.catalogue import N_MEL_BANDS, SAMPLE_RATE_HZ
from harness.features.stft import Frames, power

MelDefinition = Literal["pipeline", "task"]
# The mel of the SparrKULee pipeline and of the challenge's regression task.
MEL_LOWEST_HZ: Final = 0
MEL_WINDOW_SECONDS: Final = 0.025
MEL_FRAME_RATE_HZ: Final = {"pipeline": 128, "task": 64}
# The finer spectra that CAT-WaveNet's release trains on, of audio at 16 kHz: 64 frames a second.
SPECTRA_RATE_HZ: Final = 16000
SPECTRA_FFT: Final = 512
SPECTRA_WINDOW: Final = 400
SPECTRA_HOP: Final = 250
SPECTRA_MEL_BANDS: Final = 80
SPECTRA_BANDS: Final = {"mel80": SPECTRA_MEL_BANDS, "magnitude": SPECTRA_FFT // 2 + 1}


def mel(audio: NDArray[Any], sample_rate_hz: int, *, definition: MelDefinition = "pipeline") -> Feature:
    """Mel spectrogram: ten bands of power, 64 frames a second.

    The audio loses its mean; 25 ms Hann windows, zero-padded to the next power of two, give a power
    spectrum, and ten area-normalised Slaney bands from 0 to 5000 Hz weigh it. The signal is not
    padded at its ends, so the last window decides where the mel ends.

    The two definitions differ in their frames. ``pipeline``, which made the distributed files, hops
    at 1/128 s and resamples to 64 Hz; ``task``, the challenge's own function, hops at 1/64 s. Both
    cut the hop to whole samples. Where the sample rate is no multiple of 128 (or 64) the frames
    therefore run ahead of 64 Hz: at 44.1 kHz ``task`` hops by 689 samples instead of 689.06, a
    drift of 82 ms in 15 minutes, and ``pipeline`` by 344 instead of 344.53, 1.4 s in 15 minutes.
    16 and 48 kHz do not drift.

    Args:
        audio: (n_samples,), finite, any scale (the mel scales with its square).
        sample_rate_hz: samples a second, more than 10000.
        definition: ``pipeline`` or ``task``.

    Returns:
        (n_times, 10) float32, power; non-negative for ``task``, and but for the resampling filter's
        ripple for ``pipeline``.

    Raises:
        ShapeError: the audio is not one-dimensional, or shorter than one window.
        CorpusError: the audio has NaN or infinite samples, or too low a rate.
    """
    import librosa
    from scipy.signal import resample_poly

    n_window = int(MEL_WINDOW_SECONDS * sample_rate_hz)
    n_fft = 1 << (n_window - 1).bit_length()
    samples = checked_audio(audio, n_fft, sample_rate_hz)
    samples = samples - samples.mean()
    frame_rate_hz = MEL_FRAME_RATE_HZ[definition]
    hop = sample_rate_hz // frame_rate_hz
    weights = librosa.filters.mel(
        sr=sample_rate_hz, n_fft=n_fft, n_mels=N_MEL_BANDS, fmin=MEL_LOWEST_HZ, fmax=MEL_HIGHEST_HZ
    )
    frames = Frames(n_fft, hop, n_window)
    bands = np.empty((frames.count(samples.size), N_MEL_BANDS), np.float32)
    for block, spectrum in frames.spectra(samples):
        np.einsum("bf,ft->tb", weights, power(spectrum), out=bands[block], optimize=False)
    if frame_rate_hz != SAMPLE_RATE_HZ:
        bands = resample_poly(bands, SAMPLE_RATE_HZ, frame_rate_hz, axis=0)
    return np.ascontiguousarray(bands, np.float32)


def spectra(audio: NDArray[Any], sample_rate_hz: int) -> dict[str, Feature]:
    """Power spectrum and 80 mel bands, 64 frames a second, as CAT-WaveNet's release trains on.

    Audio of another rate is resampled to 16 kHz (`for_spectra`). With a hop's 250 zeros before and after it,
    windows of 25 ms (Hann, centred in 512 samples) give the power spectrum, `magnitude`; `mel80` weighs it
    with 80 bands, equally spaced on the HTK scale from 0 to 8000 Hz and area-normalised as Slaney's.

    Args:
        audio: (n_samples,), finite, any scale (both scale with its square).
        sample_rate_hz: samples a second, more than 10000.

    Returns:
        ``mel80`` (n_times, 80) and ``magnitude`` (n_times, 257), float32, non-negative.

    Raises:
        ShapeError: the audio is not one-dimensional, or shorter than one frame.
        CorpusError: the audio has NaN or infinite samples, or too low a rate.
    """
    samples = np.pad(for_spectra(audio, sample_rate_hz), SPECTRA_HOP)
    frames = Frames(SPECTRA_FFT, SPECTRA_HOP, SPECTRA_WINDOW)
    magnitude = np.empty((frames.count(samples.size), SPECTRA_BANDS["magnitude"]), np.float32)
    for block, spectrum in frames.spectra(samples):
        magnitude[block] = power(spectrum).T
    mel80 = np.einsum("bf,tf->tb", _mel80_weights(), magnitude, optimize=False)
    return {"mel80": mel80, "magnitude": magnitude}


def for_spectra(audio: NDArray[Any], sample_rate_hz: int) -> Audio:
    """Audio at 16 kHz, of which `spectra` are made.

    Args:
        audio: (n_samples,), finite, any scale.
        sample_rate_hz: samples a second, more than 10000.

    Returns:
        (n_samples at 16 kHz,) float32.

    Raises:
        ShapeError: the audio is not one-dimensional, or shorter than one frame.
        CorpusError: the audio has NaN or infinite samples, or too low a rate.
    """
    from scipy.signal import resample_poly

    samples = checked_audio(audio, -(-sample_rate_hz // SAMPLE_RATE_HZ), sample_rate_hz)
    if sample_rate_hz == SPECTRA_RATE_HZ:
        return samples
    common = math.gcd(SPECTRA_RATE_HZ, sample_rate_hz)
    resampled: Audio = resample_poly(samples, SPECTRA_RATE_HZ // common, sample_rate_hz // common)
    return resampled


@cache
def _mel80_weights() -> NDArray[np.float32]:
    """(80, 257)."""
    import librosa

    weights: NDArray[np.float32] = librosa.filters.mel(
        sr=SPECTRA_RATE_HZ, n_fft=SPECTRA_FFT, n_mels=SPECTRA_MEL_BANDS, htk=True, norm="slaney"
    )
    return weights
