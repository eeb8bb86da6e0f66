"""Whether a song's audio has the tempo that the dataset's authors give.

An estimate of tempo may be wrong, so that this is a note and no fault. The rise of loudness over frequency
is correlated with itself; how much of it comes back after one to eight beats is compared between the table's
tempo, its double and its half on one side, and every other tempo from 40 to 250 beats a minute on the other.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from harness.corpus.nmedt.songs import TEMPI_BPM, TITLES
from harness.features.music import SAMPLE_RATE_HZ

_HOP: Final = 256
_N_FFT: Final = 1024
_TEMPI: Final = np.arange(40.0, 250.25, 0.25)
_BEATS: Final = 8
_NEAR: Final = 0.01
# A tempo whose beats come back less than this share of the strongest tempo's is not the song's.
_LEAST_SHARE: Final = 0.6


def tempo_note(name: str, song: int, audio: NDArray[np.float32]) -> list[str]:
    """A note where the audio's beats do not fit the song's tempo; none where they do.

    Args:
        name: of the file.
        song: its number.
        audio: (n_samples,) at 22,050 Hz.
    """
    strength = _strength(audio)
    expected = TEMPI_BPM[song]
    near = np.zeros(len(_TEMPI), bool)
    for factor in (0.5, 1.0, 2.0):
        near |= np.abs(_TEMPI / (factor * expected) - 1) <= _NEAR
    best = int(strength.argmax())
    if strength[best] <= 0 or strength[near].max() >= _LEAST_SHARE * strength[best]:
        return []
    return [
        f"{name}: its beats come {_TEMPI[best]:.0f} times a minute, and those of {TITLES[song]}"
        f" {expected:g} times (or twice or half that): is it the right song?"
    ]


def _strength(audio: NDArray[np.float32]) -> NDArray[np.float64]:
    """How much of the rises comes back after one to eight beats of each tempo."""
    import librosa

    magnitude = np.abs(librosa.stft(audio, n_fft=_N_FFT, hop_length=_HOP, center=False))
    rises = np.maximum(np.diff(np.log1p(100 * magnitude), axis=1), 0).sum(axis=0).astype(np.float64)
    rises -= rises.mean()
    spectrum = np.fft.rfft(rises, 2 * len(rises))
    again = np.fft.irfft(np.abs(spectrum) ** 2)[: len(rises)]
    period = 60 / _TEMPI * SAMPLE_RATE_HZ / _HOP
    lags = period[:, np.newaxis] * np.arange(1, _BEATS + 1)
    strength: NDArray[np.float64] = np.interp(lags, np.arange(len(again)), again).mean(axis=1)
    return strength
