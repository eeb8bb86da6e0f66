"""Targets beyond the feature: other features of a recording, and spectra computed from its audio.

The spectra of a stimulus (`harness.features.spectrograms.spectra`) are computed once, when a training first
asks for them, and kept in the user's cache folder, named by the audio's sha256; crops read them there,
memory-mapped. 15 minutes of speech take 77 MB. They are only computed where a recipe asks for them.
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
from harness.features.spectrograms import SPECTRA_BANDS, SPECTRA_HOP, SPECTRA_RATE_HZ, spectra
from harness.files import file_sha256, write_atomically

# Goes up with every change of `harness.features.spectrograms.spectra`, so that nothing older is taken for it.
SPECTRA_VERSION = 1

SPECTRA_FRAME_RATE_HZ = SPECTRA_RATE_HZ / SPECTRA_HOP
REMEDY = "Point --data at a corpus with it, or choose a --variant that is trained without it."

AUDIO_FOLDER = Path("stimuli") / "eeg"  # in the root of SparrKULee, and of the simulated corpus
AUDIO_SUFFIXES = (".npz", ".npz.gz")

Stretch = tuple[Recording, int, int]


def with_targets(
    corpus: Corpus, stretches: Sequence[Stretch], names: Sequence[str], sample_rate_hz: float
) -> tuple[Stretch, ...]:
    """Recordings with further targets among their features, cut to the shortest.

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
    computed = [name for name in names if name in SPECTRA_BANDS]
    stimuli = dict.fromkeys(recording.stimulus for recording, _, _ in stretches) if computed else {}
    series = {stimulus: _spectra(corpus, stimulus) for stimulus in stimuli}
    enriched = []
    for recording, start, stop in stretches:
        further = {name: series[recording.stimulus][name] for name in computed}
        whole = replace(recording, feature_series={**recording.feature_series, **further})
        shortest = min(whole.feature_series[name].n_times for name in names)
        enriched.append((whole, start, max(start, min(stop, shortest))))
    return tuple(enriched)


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


def _spectra(corpus: Corpus, stimulus: str) -> dict[str, Series]:
    """The spectra of a stimulus, from the cache, or computed into it."""
    audio = find_audio(corpus, stimulus)
    if audio is None:
        raise CorpusError(Fault(str(corpus.folder), f"the audio of {stimulus} is gone"))
    key = hashlib.sha256(f"{SPECTRA_VERSION} {file_sha256(audio)}".encode()).hexdigest()
    files = {name: _cache() / f"{key}-{name}.npy" for name in SPECTRA_BANDS}
    if not all(file.is_file() for file in files.values()):
        for name, values in spectra(*load_audio(audio)).items():
            content = io.BytesIO()
            np.save(content, values)
            try:
                write_atomically(files[name], content.getvalue())
            except OSError as error:
                raise TrainingError(
                    Fault(
                        str(files[name]),
                        error.strerror or "cannot be written",
                        "a folder with room that can be written",
                        "Make room, or name another cache folder with XDG_CACHE_HOME.",
                    )
                ) from None
    return {name: Series((open_npy(file),), 0, SPECTRA_BANDS[name]) for name, file in files.items()}


def _cache() -> Path:
    import platformdirs

    return platformdirs.user_cache_path("eeg-speech-harness") / "spectra"
