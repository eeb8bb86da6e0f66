"""Speech-like audio, for stimuli that nobody has to license.

A source-filter synthesiser with made-up syllables: a pulse train with moving pitch and bursts of
noise, shaped by moving formants. It has what speech features follow: syllables at an irregular 3 to 6 Hz,
words, phrases with pauses, and spectral bands that do not all move together. It has no meaning.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

SAMPLE_RATE_HZ: Final = 16000
# Formants of six vowels, Hz: near the averages of adult male speakers (Peterson and Barney 1952).
VOWELS_HZ: Final = np.array(
    [
        [280.0, 2250.0, 2950.0, 3600.0],
        [480.0, 1900.0, 2550.0, 3550.0],
        [740.0, 1250.0, 2500.0, 3500.0],
        [520.0, 930.0, 2450.0, 3400.0],
        [320.0, 860.0, 2300.0, 3350.0],
        [500.0, 1450.0, 2480.0, 3500.0],
    ]
)
FORMANT_WIDTHS_HZ: Final = np.array([70.0, 100.0, 150.0, 220.0])
# Centres of the noise of unvoiced consonants, Hz: from a low /x/ to a high /s/.
NOISE_CENTRES_HZ: Final = np.array([1300.0, 2600.0, 3900.0, 5200.0])
PAUSE_SECONDS: Final = (0.25, 0.8)
PHRASE_SYLLABLES: Final = (5, 16)
WORD_SYLLABLES: Final = (1, 5)
WORD_GAP_SECONDS: Final = (0.01, 0.11)
# Chance that a syllable opens with an unvoiced consonant, and that it closes with one.
UNVOICED_ONSET: Final = 0.55
UNVOICED_CODA: Final = 0.2
# Control tracks have one value a frame; the synthesis filters frame by frame.
FRAME_SAMPLES: Final = 512
HOP_SAMPLES: Final = 128
CONTROL_RATE_HZ: Final = SAMPLE_RATE_HZ / HOP_SAMPLES
COARTICULATION_SECONDS: Final = 0.03
SPEECH_RMS: Final = 0.06


@dataclass(frozen=True)
class Speaker:
    """What sets one voice apart from another.

    Attributes:
        pitch_hz: middle of the pitch range.
        formant_scale: formants relative to the table; a shorter vocal tract has a larger one.
        syllable_seconds: median duration of a syllable.
    """

    pitch_hz: float
    formant_scale: float
    syllable_seconds: float


SPEAKERS: Final = (Speaker(112.0, 1.0, 0.21), Speaker(205.0, 1.16, 0.19))


def speech(seconds: float, speaker: Speaker, rng: np.random.Generator) -> NDArray[np.int16]:
    """Synthesise one stimulus.

    Args:
        seconds: its length.
        speaker: the voice.
        rng: decides every syllable; the same state gives the same samples.

    Returns:
        (n_samples,) int16 at 16 kHz, with an RMS of 0.06 of full scale; clipped where a peak
        exceeds it, which at that level is rare.
    """
    n_samples = round(seconds * SAMPLE_RATE_HZ)
    tracks = _tracks(n_samples // HOP_SAMPLES + 1, speaker, rng)
    voiced = _filtered(_pulses(tracks.pitch_hz, n_samples), tracks.voice, _tract(tracks.formants))
    noise = rng.standard_normal(n_samples).astype(np.float32)
    hiss = _filtered(noise, tracks.noise, _noise_shape(tracks.noise_centre_hz))
    mixed = voiced / voiced.std() + 0.35 * hiss / (hiss.std() + 1e-12)
    scaled = mixed * (SPEECH_RMS / np.sqrt(np.mean(mixed**2)))
    samples: NDArray[np.int16] = np.clip(np.round(scaled * 32767), -32767, 32767).astype(np.int16)
    return samples


@dataclass(frozen=True)
class _Tracks:
    """What the articulators do, one row a control frame."""

    pitch_hz: NDArray[Any]
    formants: NDArray[Any]
    voice: NDArray[Any]
    noise: NDArray[Any]
    noise_centre_hz: NDArray[Any]


def _tracks(n_frames: int, speaker: Speaker, rng: np.random.Generator) -> _Tracks:
    """Write syllable after syllable, phrase after phrase, until the tracks are full."""
    tracks = _Tracks(
        pitch_hz=np.full(n_frames, speaker.pitch_hz),
        formants=np.tile(VOWELS_HZ[-1], (n_frames, 1)),
        voice=np.zeros(n_frames),
        noise=np.zeros(n_frames),
        noise_centre_hz=np.full(n_frames, NOISE_CENTRES_HZ[0]),
    )
    start = rng.uniform(*PAUSE_SECONDS)
    while start * CONTROL_RATE_HZ < n_frames:
        n_syllables = int(rng.integers(*PHRASE_SYLLABLES))
        left_in_word = int(rng.integers(*WORD_SYLLABLES))
        for syllable in range(n_syllables):
            # Loudness and pitch fall over a phrase, as they do in speech.
            fall = syllable / n_syllables
            start = _syllable(tracks, start, fall, speaker, rng)
            left_in_word -= 1
            if left_in_word == 0:
                left_in_word = int(rng.integers(*WORD_SYLLABLES))
                start += rng.uniform(*WORD_GAP_SECONDS)
        start += rng.uniform(*PAUSE_SECONDS)
    smooth = max(round(COARTICULATION_SECONDS * CONTROL_RATE_HZ), 1)
    return _Tracks(
        pitch_hz=_smoothed(tracks.pitch_hz, 2 * smooth),
        formants=np.stack([_smoothed(row, smooth) for row in tracks.formants.T], axis=1),
        voice=tracks.voice,
        noise=tracks.noise,
        noise_centre_hz=tracks.noise_centre_hz,
    )


def _syllable(
    tracks: _Tracks, start: float, fall: float, speaker: Speaker, rng: np.random.Generator
) -> float:
    """Write one syllable from ``start``, seconds; return where the next one may start."""
    seconds = speaker.syllable_seconds * float(np.clip(rng.lognormal(0, 0.3), 0.55, 2.2))
    stress = float(rng.lognormal(0, 0.35)) * (1.15 - 0.5 * fall)
    onset = rng.uniform(0.04, 0.1) if rng.random() < UNVOICED_ONSET else 0.0
    coda = rng.uniform(0.04, 0.12) if rng.random() < UNVOICED_CODA else 0.0
    vowel_start, vowel_end = start + onset, start + onset + max(seconds - onset, 0.08)

    vowel = _span(vowel_start, vowel_end, tracks.voice.size)
    tracks.voice[vowel] += stress * _hump(vowel)
    vowel_hz = VOWELS_HZ[rng.integers(len(VOWELS_HZ))] * rng.uniform(0.93, 1.07, 4)
    whole = _span(start, vowel_end + coda, tracks.voice.size)
    tracks.formants[whole] = vowel_hz * speaker.formant_scale
    tracks.pitch_hz[whole] = speaker.pitch_hz * (1.18 - 0.36 * fall) * rng.lognormal(0, 0.06)
    for first, last in ((start, vowel_start), (vowel_end, vowel_end + coda)):
        if last > first:
            burst = _span(first, last, tracks.noise.size)
            tracks.noise[burst] += stress * rng.uniform(0.4, 1.3) * _hump(burst)
            tracks.noise_centre_hz[burst] = rng.choice(NOISE_CENTRES_HZ) * speaker.formant_scale
    return vowel_end + coda


def _span(first_seconds: float, last_seconds: float, n_frames: int) -> slice:
    first = min(round(first_seconds * CONTROL_RATE_HZ), n_frames)
    return slice(first, min(max(round(last_seconds * CONTROL_RATE_HZ), first + 2), n_frames))


def _hump(span: slice) -> NDArray[Any]:
    """A loudness contour over ``span``: a fast rise, then a slower fall."""
    place = (np.arange(span.stop - span.start) + 0.5) / max(span.stop - span.start, 1)
    contour: NDArray[Any] = np.sin(np.pi * place**0.7) ** 1.2
    return contour


def _smoothed(track: NDArray[Any], n_frames: int) -> NDArray[Any]:
    window = np.hanning(2 * n_frames + 1)
    padded = np.pad(track, n_frames, mode="edge")
    return np.convolve(padded, window / window.sum(), mode="valid")


def _pulses(pitch_hz: NDArray[Any], n_samples: int) -> NDArray[np.float32]:
    """A pulse at every opening of the glottis."""
    frames = np.arange(n_samples) / HOP_SAMPLES
    cycles = np.cumsum(np.interp(frames, np.arange(pitch_hz.size), pitch_hz)) / SAMPLE_RATE_HZ
    return np.diff(np.floor(cycles), prepend=0.0).astype(np.float32)


def _tract(formants_hz: NDArray[Any]) -> NDArray[np.float32]:
    """Gain of the vocal tract, (n_frames, n_frequencies): resonances over a falling slope."""
    frequency = np.fft.rfftfreq(FRAME_SAMPLES, 1 / SAMPLE_RATE_HZ)
    away = (frequency - formants_hz[:, :, np.newaxis]) / FORMANT_WIDTHS_HZ[:, np.newaxis]
    # Peaks of 1, 0.7, 0.45 and 0.3 keep the upper formants audible above the slope of the first.
    peaks = np.einsum("k,tkf->tf", np.array([1.0, 0.7, 0.45, 0.3]), 1 / (1 + away**2))
    slope = 1 / (1 + (frequency / 1500.0) ** 2)
    gain: NDArray[np.float32] = ((peaks + 0.02) * (slope + 0.1)).astype(np.float32)
    return gain


def _noise_shape(centre_hz: NDArray[Any]) -> NDArray[np.float32]:
    """Gain of a consonant's noise, (n_frames, n_frequencies): one broad hump."""
    frequency = np.fft.rfftfreq(FRAME_SAMPLES, 1 / SAMPLE_RATE_HZ)
    away = (frequency - centre_hz[:, np.newaxis]) / (0.3 * centre_hz[:, np.newaxis])
    gain: NDArray[np.float32] = np.exp(-0.5 * away**2).astype(np.float32)
    return gain


def _filtered(source: NDArray[np.float32], level: NDArray[Any], gain: NDArray[np.float32]) -> NDArray[Any]:
    """Filter ``source`` frame by frame with ``level`` times ``gain`` and add the frames up."""
    from scipy import fft

    n_frames = level.size
    padded = np.zeros((n_frames - 1) * HOP_SAMPLES + 2 * FRAME_SAMPLES, np.float32)
    padded[FRAME_SAMPLES // 2 :][: source.size] = source
    window = np.hanning(FRAME_SAMPLES + 1)[:-1].astype(np.float32)
    frames = np.lib.stride_tricks.sliding_window_view(padded, FRAME_SAMPLES)[::HOP_SAMPLES]
    spectrum = fft.rfft(frames[:n_frames] * window) * gain
    pieces = fft.irfft(spectrum, FRAME_SAMPLES) * level[:, np.newaxis]
    total = np.zeros(padded.size)
    # Four hops a frame: add each quarter of all frames in one go.
    for quarter in range(FRAME_SAMPLES // HOP_SAMPLES):
        first = quarter * HOP_SAMPLES
        part = pieces[:, first : first + HOP_SAMPLES].reshape(-1)
        total[first : first + part.size] += part
    return total[FRAME_SAMPLES // 2 :][: source.size]
