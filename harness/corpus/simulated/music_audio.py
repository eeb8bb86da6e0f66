"""Simulated music: layers of drums, bass, chords and a lead, with beats exactly at a tempo.

A song is sections of 16 beats; in each a layer plays or rests, and a level is drawn. Drums are falling sines
and noise, the rest are harmonic tones whose brightness is the song's own. Nothing of any record is in it.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

SAMPLE_RATE_HZ: Final = 22050
SECTION_BEATS: Final = 16
CHORD_BEATS: Final = 4
# How likely a layer plays in a section.
LAYERS: Final = {"kick": 0.85, "snare": 0.7, "hats": 0.7, "bass": 0.75, "pad": 0.8, "lead": 0.6}
LEVELS: Final = (0.45, 1.0)
GAINS: Final = {"kick": 1.0, "snare": 0.5, "hats": 0.25, "bass": 0.5, "pad": 0.22, "lead": 0.3}
PEAK: Final = 0.9
ROOM_SHARE: Final = 0.15
ROOM_SECONDS: Final = 0.12
NOISE_FLOOR: Final = 2e-4
N_HARMONICS: Final = 12

Audio = NDArray[np.float64]


def song(seconds: float, tempo_bpm: float, rng: np.random.Generator) -> NDArray[np.int16]:
    """Make a song.

    Args:
        seconds: its length.
        tempo_bpm: beats a minute; the first beat is the first sample.
        rng: where everything random comes from.

    Returns:
        (n_samples,) int16 at 22,050 Hz, mono, peak 0.9 of full scale.
    """
    n_samples = round(seconds * SAMPLE_RATE_HZ)
    beat = 60 / tempo_bpm
    n_beats = int(seconds / beat) + 1
    root = 110 * 2 ** (rng.integers(0, 12) / 12)
    brightness = rng.uniform(0.8, 2.2)
    sounds = {
        "kick": _kick(rng),
        "snare": _noise_burst(rng, 0.6e3 * 2.5 ** rng.random(), 8e3, rng.uniform(0.04, 0.1)),
        "hats": _noise_burst(rng, rng.uniform(5e3, 7.5e3), 10.9e3, rng.uniform(0.01, 0.035)),
    }
    hats = rng.random(SECTION_BEATS) < 0.6
    steps = rng.choice([0, 2, 3, 5, 7, 9, 10], 4, replace=False)
    mixed = np.zeros(n_samples + 2 * SAMPLE_RATE_HZ)
    for first in range(0, n_beats, SECTION_BEATS):
        plays = {name: rng.random() < share for name, share in LAYERS.items()}
        level = rng.uniform(*LEVELS)
        for number in range(first, min(first + SECTION_BEATS, n_beats)):
            at = number * beat
            if plays["kick"] and number % 2 == 0:
                _add(mixed, at, sounds["kick"], level * GAINS["kick"])
            if plays["snare"] and number % 4 == 2:
                _add(mixed, at, sounds["snare"], level * GAINS["snare"])
            for quarter in range(4):
                if plays["hats"] and hats[(4 * number + quarter) % SECTION_BEATS]:
                    _add(mixed, at + quarter * beat / 4, sounds["hats"], level * GAINS["hats"])
            chord = root * 2 ** (steps[number // CHORD_BEATS % len(steps)] / 12)
            if plays["bass"]:
                _add(mixed, at, _tone(chord / 2, beat * 0.9, brightness), level * GAINS["bass"])
            if plays["pad"] and number % CHORD_BEATS == 0:
                for note in (1, 2 ** (4 / 12), 2 ** (7 / 12)):
                    _add(
                        mixed,
                        at,
                        _tone(2 * chord * note, beat * CHORD_BEATS, brightness),
                        level * GAINS["pad"],
                    )
            if plays["lead"] and rng.random() < 0.7:
                note = 4 * chord * 2 ** (rng.choice([0, 3, 5, 7, 10]) / 12)
                _add(mixed, at, _tone(note, beat * 0.6, brightness), level * GAINS["lead"])
    dry = mixed[:n_samples]
    whole = dry + ROOM_SHARE * _room(dry, rng)
    whole += NOISE_FLOOR * np.abs(whole).max() * rng.standard_normal(n_samples)
    samples: NDArray[np.int16] = np.round(PEAK * 32767 * whole / np.abs(whole).max()).astype(np.int16)
    return samples


def _add(mixed: Audio, at_seconds: float, sound: Audio, gain: float) -> None:
    start = round(at_seconds * SAMPLE_RATE_HZ)
    part = sound[: max(0, len(mixed) - start)]
    mixed[start : start + len(part)] += gain * part


def _kick(rng: np.random.Generator) -> Audio:
    """A sine that falls to 42 to 60 Hz."""
    tau, lowest = rng.uniform(0.08, 0.16), rng.uniform(42, 60)
    time = np.arange(round(5 * tau * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
    hz = lowest * (1 + 2.5 * np.exp(-time / 0.03))
    drum: Audio = np.sin(2 * np.pi * np.cumsum(hz) / SAMPLE_RATE_HZ) * np.exp(-time / tau)
    return drum


def _noise_burst(rng: np.random.Generator, lowest_hz: float, highest_hz: float, tau: float) -> Audio:
    n_samples = round(6 * tau * SAMPLE_RATE_HZ)
    spectrum = np.fft.rfft(rng.standard_normal(n_samples))
    hz = np.fft.rfftfreq(n_samples, 1 / SAMPLE_RATE_HZ)
    spectrum[(hz < lowest_hz) | (hz > highest_hz)] = 0
    noise = np.fft.irfft(spectrum, n_samples)
    burst: Audio = noise / np.abs(noise).max() * np.exp(-np.arange(n_samples) / (tau * SAMPLE_RATE_HZ))
    return burst


def _tone(hz: float, seconds: float, brightness: float) -> Audio:
    """Harmonics of 1 / h^brightness, with a soft beginning and end."""
    n_samples = round(seconds * SAMPLE_RATE_HZ)
    time = np.arange(n_samples) / SAMPLE_RATE_HZ
    tone = np.zeros(n_samples)
    for harmonic in range(1, N_HARMONICS + 1):
        if harmonic * hz < SAMPLE_RATE_HZ / 2.2:
            tone += np.sin(2 * np.pi * harmonic * hz * time) / harmonic**brightness
    edge = min(n_samples // 3, round(0.02 * SAMPLE_RATE_HZ))
    ramp = np.linspace(0, 1, max(edge, 1))
    tone[: len(ramp)] *= ramp
    tone[-len(ramp) :] *= ramp[::-1]
    return tone


def _room(dry: Audio, rng: np.random.Generator) -> Audio:
    from scipy.signal import fftconvolve

    n_samples = round(5 * ROOM_SECONDS * SAMPLE_RATE_HZ)
    decay = np.exp(-np.arange(n_samples) / (ROOM_SECONDS * SAMPLE_RATE_HZ))
    response = rng.standard_normal(n_samples) * decay
    wet: Any = fftconvolve(dry, response / np.sqrt((response**2).sum()))[: len(dry)]
    return np.asarray(wet)
