"""Targets beyond the feature: other features of a recording, and spectra computed from its audio.

Spectra (`harness.features.spectrograms.spectra`) are computed from each crop's audio, after crops are mixed
and z-scored. A stimulus's audio is brought to 16 kHz once, when a training first asks for it, and kept in the
user's cache folder, named by the file's sha256; crops read it there, memory-mapped. 15 minutes of speech take
58 MB. It stands beside a recording's features as one more, `AUDIO`, of 250 samples a frame.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from harness.corpus import Corpus, Recording
from harness.corpus.array_files import open_npy
from harness.corpus.base import Series
from harness.errors import CorpusError, Fault, TrainingError, counted, raise_all, shorten
from harness.features.audio import load_audio
from harness.features.spectrograms import (
    SPECTRA_BANDS,
    SPECTRA_HOP,
    SPECTRA_RATE_HZ,
    for_spectra,
    spectra,
)
from harness.files import file_sha256, write_atomically
from harness.predictor import Array

# Goes up with every change of `harness.features.spectrograms.for_spectra`: nothing older is taken for it.
AUDIO_VERSION = 1
AUDIO = "*audio"  # no corpus can have a feature of this name

SPECTRA_FRAME_RATE_HZ = SPECTRA_RATE_HZ / SPECTRA_HOP
REMEDY = "Point --data at a corpus with it, or choose a --variant that is trained without it."

AUDIO_FOLDER = Path("stimuli") / "eeg"  # in the root of SparrKULee, and of the simulated corpus
AUDIO_SUFFIXES = (".npz", ".npz.gz")

Stretch = tuple[Recording, int, int]


def with_targets(
    corpus: Corpus, stretches: Sequence[Stretch], names: Sequence[str], sample_rate_hz: float
) -> tuple[Stretch, ...]:
    """Recordings with what further targets need among their features, cut to the shortest.

    Args:
        corpus: where the audio lies.
        stretches: recording, first and last (exclusive) sample.
        names: of the targets: features of the corpus, mel80, magnitude.
        sample_rate_hz: of the EEG.

    Raises:
        TrainingError: a target's labels, or the audio that it is computed from, are missing, or spectra do
            not have the EEG's rate: all at once.
        CorpusError, ShapeError: broken audio.
    """
    if not names:
        return tuple(stretches)
    faults = _missing(corpus, [recording for recording, _, _ in stretches], names)
    raise_all(TrainingError, [*faults, *_of_another_rate(corpus, names, sample_rate_hz)])
    read = series_of(names)
    stimuli = dict.fromkeys(recording.stimulus for recording, _, _ in stretches) if AUDIO in read else {}
    audio = {stimulus: {AUDIO: _audio(corpus, stimulus)} for stimulus in stimuli}
    enriched = []
    for recording, start, stop in stretches:
        further = audio.get(recording.stimulus, {})
        whole = replace(recording, feature_series={**recording.feature_series, **further})
        shortest = min(whole.feature_series[name].n_times for name in read)
        enriched.append((whole, start, max(start, min(stop, shortest))))
    return tuple(enriched)


def series_of(names: Sequence[str]) -> tuple[str, ...]:
    """The series of a recording that targets are made of: features as they are, then audio for spectra."""
    plain = tuple(name for name in names if name not in SPECTRA_BANDS)
    return plain if len(plain) == len(names) else (*plain, AUDIO)


def spectra_of(audio: Array, names: Sequence[str]) -> list[Array]:
    """The spectra of crops.

    Args:
        audio: (b, n_times, 250), 250 samples at 16 kHz for every frame.
        names: which, among mel80 and magnitude.

    Returns:
        For each name (b, n_times, bands), power: it scales with the audio's square.
    """
    made = [spectra(row.ravel(), SPECTRA_RATE_HZ) for row in audio]
    return [np.stack([one[name] for one in made]) for name in names]


def find_audio(corpus: Corpus, stimulus: str) -> Path | None:
    """The audio file of a stimulus, below the corpus's folder or one that it lies in; None without one."""
    roots = [corpus.folder, *list(corpus.folder.resolve().parents)[:2]]
    files = [root / AUDIO_FOLDER / f"{stimulus}{suffix}" for root in roots for suffix in AUDIO_SUFFIXES]
    return next((file for file in files if file.is_file()), None)


def _missing(corpus: Corpus, recordings: Sequence[Recording], names: Sequence[str]) -> list[Fault]:
    faults = []
    for name in names:
        if name in SPECTRA_BANDS:
            stimuli = dict.fromkeys(recording.stimulus for recording in recordings)
            lacking = [stimulus for stimulus in stimuli if find_audio(corpus, stimulus) is None]
            what = f"{counted(len(lacking), 'stimulus', 'stimuli')} without audio"
            expected = f"{AUDIO_FOLDER}/<stimulus>.npz or .npz.gz"
        else:
            lacking = [r.id for r in recordings if name not in r.feature_series]
            what = f"{counted(len(lacking), 'recording')} without {name}"
            expected = "labels of the training part for it"
        if lacking:
            where = f"{corpus.folder}: training part, target {name}"
            faults.append(Fault(where, f"{what} ({shorten(lacking, 3)})", expected, REMEDY))
    return faults


def _of_another_rate(corpus: Corpus, names: Sequence[str], sample_rate_hz: float) -> list[Fault]:
    return [
        Fault(
            f"{corpus.folder}: training part, target {name}",
            f"EEG of {sample_rate_hz:g} Hz",
            f"{SPECTRA_FRAME_RATE_HZ:g} Hz, the frames a second of {name}",
            REMEDY,
        )
        for name in names
        if name in SPECTRA_BANDS and sample_rate_hz != SPECTRA_FRAME_RATE_HZ
    ]


def _audio(corpus: Corpus, stimulus: str) -> Series:
    """The audio of a stimulus, a hop a row, from the cache, or brought into it."""
    audio = find_audio(corpus, stimulus)
    if audio is None:
        raise CorpusError(Fault(str(corpus.folder), f"the audio of {stimulus} is gone"))
    key = hashlib.sha256(f"{AUDIO_VERSION} {file_sha256(audio)}".encode()).hexdigest()
    file = _cache() / f"{key}.npy"
    if not file.is_file():
        samples = for_spectra(*load_audio(audio))
        whole = samples[: samples.size - samples.size % SPECTRA_HOP]
        content = io.BytesIO()
        np.save(content, whole.reshape(-1, SPECTRA_HOP))
        try:
            write_atomically(file, content.getvalue())
        except OSError as error:
            raise TrainingError(
                Fault(
                    str(file),
                    error.strerror or "cannot be written",
                    "a folder with room that can be written",
                    "Make room, or name another cache folder with XDG_CACHE_HOME.",
                )
            ) from None
    return Series((open_npy(file),), 0, SPECTRA_HOP)


def _cache() -> Path:
    import platformdirs

    return platformdirs.user_cache_path("eeg-speech-harness") / "audio"
