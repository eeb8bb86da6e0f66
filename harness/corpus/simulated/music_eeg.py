"""Simulated EEG of people who listen to music: 125 electrodes, 125 Hz, microvolts.

    E = mark x (12 (SNR response + noise) + 8 alpha + 2 white)

The response follows four band envelopes of the music and their rises, through damped waves of 50 to 120 ms
latency; noise is pink sources; alpha, 9 to 11 Hz, falls where the music is loud, so that a spectrum tells the
level. Every recording has a mark of its own, gains of electrodes that neighbours in time share: it is what
makes splits within recordings leak.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.corpus.nmedt.songs import N_ELECTRODES, SAMPLE_RATE_HZ
from harness.corpus.simulated.music_audio import SAMPLE_RATE_HZ as AUDIO_RATE_HZ

BANDS_HZ: Final = ((30, 150), (200, 2000), (4000, 10000), (30, 10000))
COMPRESSION: Final = 30.0
# Of the eight features: the four envelopes, then their rises.
LATENCIES_SECONDS: Final = (0.06, 0.08, 0.10, 0.07, 0.12, 0.09, 0.05, 0.11)
WAVES_HZ: Final = (5, 7, 6, 8, 4, 6, 9, 7)
DECAYS_SECONDS: Final = (0.12, 0.08, 0.10, 0.09, 0.15, 0.10, 0.07, 0.10)
KERNEL_SECONDS: Final = 0.5
MAP_SMOOTHNESS: Final = 8.0  # electrodes
COMMON_SHARE, OWN_SHARE = 0.8, 0.6
N_PINK_SOURCES: Final = 24
ALPHA_HZ: Final = (9, 11)
BRAIN_UV, ALPHA_UV, WHITE_UV = 12.0, 8.0, 2.0
# Spreads of the logarithm, drawn for each recording.
LATENCY_SPREAD, GAIN_SPREAD, ALPHA_SPREAD, MARK_SPREAD = 0.1, 0.3, 0.25, 0.25
HIGHEST_UV: Final = 127

Array = NDArray[np.float64]


class Heard(NamedTuple):
    """What listeners hear of a song.

    Attributes:
        features: (n_times, 8): envelopes and their rises.
        loudness: (n_times,): the widest envelope, averaged over a second.
    """

    features: Array
    loudness: Array


@dataclass(frozen=True)
class Listener:
    """How one listener's sources reach the electrodes.

    Attributes:
        response: (8, 125) map of every feature.
        pink: (24, 125).
        alpha: (2, 125).
    """

    response: Array
    pink: Array
    alpha: Array


def hear(songs: Sequence[NDArray[np.int16]]) -> list[Heard]:
    """Envelopes of songs and their rises, less each song's mean, in units of their spread over all songs.

    Args:
        songs: (n_samples,) each, at 22,050 Hz.
    """
    raw = [_features(samples / 32768) for samples in songs]
    spread = np.concatenate([one - one.mean(axis=0) for one in raw]).std(axis=0)
    loudness = [_second_mean(one[:, len(BANDS_HZ) - 1]) for one in raw]
    every = np.concatenate(loudness)
    return [
        Heard((one - one.mean(axis=0)) / spread, (loud - every.mean()) / every.std())
        for one, loud in zip(raw, loudness, strict=True)
    ]


def common_maps(rng: np.random.Generator) -> Array:
    """The map of every feature that all listeners share, (8, 125)."""
    return _maps(rng, len(LATENCIES_SECONDS))


def listener(common: Array, rng: np.random.Generator) -> Listener:
    """Draw a listener."""
    own = _maps(rng, len(common))
    return Listener(COMMON_SHARE * common + OWN_SHARE * own, _maps(rng, N_PINK_SOURCES), _maps(rng, 2))


def record(
    heard: Heard, who: Listener, snr: float, arousal: float, rng: np.random.Generator
) -> NDArray[np.int8]:
    """One listener's EEG of one song.

    Args:
        heard: the song.
        who: the listener.
        snr: of the response beside the noise.
        arousal: how much loudness lowers alpha.
        rng: of this recording.

    Returns:
        (125, n_times) int8 in steps of 1 uV.
    """
    n_times = len(heard.features)
    latency, gain, alpha_gain, mark = np.exp(
        np.array([LATENCY_SPREAD, GAIN_SPREAD, ALPHA_SPREAD, MARK_SPREAD]) * rng.standard_normal(4)
    )
    response = _unit(_responses(heard.features, latency) @ who.response) * gain
    noise = _unit(_pink(rng, n_times, N_PINK_SOURCES) @ who.pink)
    alpha = _unit(_narrow(rng, n_times, 2) * np.exp(-arousal * heard.loudness)[:, np.newaxis] @ who.alpha)
    eeg = BRAIN_UV * (snr * response + noise) + ALPHA_UV * alpha_gain * alpha
    eeg += WHITE_UV * rng.standard_normal(eeg.shape)
    eeg *= mark * np.exp(MARK_SPREAD * _maps(rng, 1))
    whole: NDArray[np.int8] = np.clip(np.round(eeg), -HIGHEST_UV, HIGHEST_UV).astype(np.int8).T
    return whole


def _features(audio: Array) -> Array:
    from scipy.signal import butter, resample_poly, sosfilt

    common = int(np.gcd(SAMPLE_RATE_HZ, AUDIO_RATE_HZ))
    envelopes = []
    for band in BANDS_HZ:
        filtered = sosfilt(butter(2, band, "bandpass", fs=AUDIO_RATE_HZ, output="sos"), audio)
        power = resample_poly(filtered**2, SAMPLE_RATE_HZ // common, AUDIO_RATE_HZ // common)
        envelopes.append(np.log1p(COMPRESSION * np.sqrt(np.maximum(power, 0))))
    levels = np.stack(envelopes, axis=1)
    rises = np.maximum(np.diff(levels, axis=0, prepend=levels[:1]), 0)
    return np.concatenate([levels, rises], axis=1)


def _second_mean(series: Array) -> Array:
    from scipy.ndimage import uniform_filter1d

    return np.asarray(uniform_filter1d(series, SAMPLE_RATE_HZ, mode="nearest"))


def _responses(features: Array, latency_factor: float) -> Array:
    """Each feature through its kernel, (n_times, 8)."""
    from scipy.signal import fftconvolve

    time = np.arange(round(KERNEL_SECONDS * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
    answers = []
    for number, (latency, hz, tau) in enumerate(
        zip(LATENCIES_SECONDS, WAVES_HZ, DECAYS_SECONDS, strict=True)
    ):
        since = time - latency * latency_factor
        kernel = np.where(since >= 0, np.exp(-since / tau) * np.sin(2 * np.pi * hz * since), 0)
        answers.append(fftconvolve(features[:, number], kernel / np.abs(kernel).sum())[: len(features)])
    return np.stack(answers, axis=1)


def _maps(rng: np.random.Generator, n_sources: int) -> Array:
    """Smooth random maps over the electrodes, root mean square 1, (n_sources, 125)."""
    from scipy.ndimage import gaussian_filter1d

    maps: Any = gaussian_filter1d(
        rng.standard_normal((n_sources, N_ELECTRODES)), MAP_SMOOTHNESS, axis=1, mode="wrap"
    )
    return np.asarray(maps / np.sqrt((maps**2).mean(axis=1, keepdims=True)))


def _pink(rng: np.random.Generator, n_times: int, n_sources: int) -> Array:
    from scipy.fft import irfft, rfft

    spectrum = rfft(rng.standard_normal((n_times, n_sources)), axis=0)
    hz = np.arange(len(spectrum))
    spectrum *= (1 / np.sqrt(np.maximum(hz, 1)))[:, np.newaxis]
    spectrum[0] = 0
    return np.asarray(irfft(spectrum, n_times, axis=0))


def _narrow(rng: np.random.Generator, n_times: int, n_sources: int) -> Array:
    from scipy.fft import irfft, rfft, rfftfreq

    spectrum = rfft(rng.standard_normal((n_times, n_sources)), axis=0)
    hz = rfftfreq(n_times, 1 / SAMPLE_RATE_HZ)
    spectrum[(hz < ALPHA_HZ[0]) | (hz > ALPHA_HZ[1])] = 0
    waves = irfft(spectrum, n_times, axis=0)
    return np.asarray(waves / np.sqrt((waves**2).mean(axis=0)))


def _unit(series: Array) -> Array:
    """Root mean square 1 over everything."""
    return np.asarray(series / np.sqrt((series**2).mean()))
