"""Mel spectrograms of one second of music: the four targets, and their inverses.

Each second of 22,050 samples is transformed alone, its edges zero-padded: windows of 2048 samples (periodic
Hann) every 512, centred, power, 128 Slaney bands from 0 to 11,025 Hz: 44 frames, ``(44, 128)``, as
``librosa.feature.melspectrogram(y=second, sr=22050)`` gives it transposed. Of that power,

- ``music-mel`` is the power itself;
- ``music-mel-db`` is 10 log10(max(1e-10, power)): dB with reference 1 and no other floor. The study does not
  say its reference and floor: these are ours;
- ``music-mel-db-max`` is dB below the segment's own maximum, at most 80: the other common reading;
- ``music-eeg2mel`` is EEG2Mel's: d = 20 log10(max(1e-5, power)), twice the true dB, then
  clip((d - 46 + 100) / 100, 1e-8, 1). Its inverse is released; the forward form is what that implies.

No threaded matrix product is used: the same audio gives the same bytes whatever the number of threads.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from harness.errors import Fault, ShapeError, UsageError, did_you_mean

Feature = NDArray[np.float32]

TARGETS: Final = ("music-mel", "music-mel-db", "music-mel-db-max", "music-eeg2mel")
SAMPLE_RATE_HZ: Final = 22050
N_FFT: Final = 2048
HOP: Final = 512
N_BANDS: Final = 128
N_FRAMES: Final = 44
DB_LEAST_POWER: Final = 1e-10
DB_RANGE: Final = 80.0
MOST_DB: Final = 200.0  # more in a prediction is no sound, and its power would overflow
# EEG2Mel: the least power, the dB that count as 0.46 above the middle, and the range scaled to 1.
EEG2MEL_LEAST_POWER: Final = 1e-5
EEG2MEL_REFERENCE_DB: Final = 46.0
EEG2MEL_RANGE_DB: Final = 100.0
EEG2MEL_LEAST: Final = 1e-8
# Work size: it bounds memory and does not change the result.
_BLOCK_SECONDS: Final = 64


def mel_power(seconds: NDArray[Any]) -> Feature:
    """The mel power of each second of music.

    Args:
        seconds: (n_seconds, 22050), finite, full scale 1.

    Returns:
        (n_seconds, 44, 128) float32, not negative.

    Raises:
        ShapeError: another shape.
    """
    import librosa
    from scipy.sparse import csr_array

    if seconds.ndim != 2 or seconds.shape[1] != SAMPLE_RATE_HZ:
        raise ShapeError(
            Fault(
                "mel_power", f"shape {seconds.shape}", f"(n_seconds, {SAMPLE_RATE_HZ}) at {SAMPLE_RATE_HZ} Hz"
            )
        )
    # Most weights are 0: a sparse sum is fast without BLAS, whose threads may change the last digit.
    weights = csr_array(librosa.filters.mel(sr=SAMPLE_RATE_HZ, n_fft=N_FFT, n_mels=N_BANDS))
    mel = np.empty((len(seconds), N_FRAMES, N_BANDS), np.float32)
    for first in range(0, len(seconds), _BLOCK_SECONDS):
        block = seconds[first : first + _BLOCK_SECONDS].astype(np.float32)
        spectrum = librosa.stft(
            block, n_fft=N_FFT, hop_length=HOP, pad_mode="constant"
        )  # (seconds, bins, frames)
        power = np.square(spectrum.real) + np.square(spectrum.imag)
        bands = weights @ power.transpose(1, 0, 2).reshape(power.shape[1], -1)
        mel[first : first + len(block)] = bands.reshape(N_BANDS, len(block), N_FRAMES).transpose(1, 2, 0)
    return mel


def target(power: NDArray[Any], feature: str) -> Feature:
    """A target, of mel power.

    Args:
        power: (..., 44, 128), not negative; not changed.
        feature: one of ``TARGETS``.

    Returns:
        The same shape, float32.

    Raises:
        UsageError: no such target.
    """
    check_target(feature)
    if feature == "music-mel":
        return power.astype(np.float32)
    if feature == "music-eeg2mel":
        doubled_db = 20 * np.log10(np.maximum(EEG2MEL_LEAST_POWER, power.astype(np.float64)))
        scaled = (doubled_db - EEG2MEL_REFERENCE_DB + EEG2MEL_RANGE_DB) / EEG2MEL_RANGE_DB
        return np.asarray(np.clip(scaled, EEG2MEL_LEAST, 1), np.float32)
    db = 10 * np.log10(np.maximum(DB_LEAST_POWER, power.astype(np.float64)))
    if feature == "music-mel-db-max":
        db = np.maximum(db - db.max(axis=(-2, -1), keepdims=True), -DB_RANGE)
    return np.asarray(db, np.float32)


def to_power(values: NDArray[Any], feature: str) -> Feature:
    """Mel power of a target, or of a prediction of it.

    What the target cut off stays cut off; of ``music-mel-db-max`` the loudness is lost, and its maximum
    counts as power 1. Predicted power below 0 counts as 0, and what lies outside a target's range as its
    nearest value.

    Args:
        values: (..., 44, 128); not changed.
        feature: one of ``TARGETS``.

    Returns:
        The same shape, float32, not negative.

    Raises:
        UsageError: no such target.
    """
    check_target(feature)
    values = values.astype(np.float64)
    if feature == "music-mel":
        power = np.maximum(values, 0)
    elif feature == "music-eeg2mel":
        doubled_db = np.clip(values, 0, 1) * EEG2MEL_RANGE_DB - EEG2MEL_RANGE_DB + EEG2MEL_REFERENCE_DB
        power = 10 ** (doubled_db / 20)
    else:
        highest_db = 0.0 if feature == "music-mel-db-max" else MOST_DB
        power = 10 ** (np.minimum(values, highest_db) / 10)
    return np.asarray(power, np.float32)


def check_target(feature: str) -> None:
    """Refuse a feature that is no target of music.

    Raises:
        UsageError: it is none of ``TARGETS``.
    """
    if feature not in TARGETS:
        raise UsageError(
            Fault(
                f"feature {feature}",
                "no target of music",
                f"one of {', '.join(TARGETS)}",
                did_you_mean(feature, TARGETS),
            )
        )
