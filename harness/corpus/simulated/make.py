"""The simulated corpus: small, free, made on the user's machine, and never mistaken for real.

It has the layout of SparrKULee, so that the same reader serves both, but every stimulus is called
``simulated_NN`` and a marker in the root folder says what it is::

    simulated.json                                              the marker: recipe, sizes, hashes
    stimuli/eeg/<stimulus>.npz                                  audio (int16) and fs
    derivatives/preprocessed_stimuli/<stimulus>_-_mel.npy       (n_times, 10) float32, 64 Hz
    derivatives/preprocessed_stimuli/<stimulus>_-_envelope.npy  (n_times, 1) float32, 64 Hz
    derivatives/preprocessed_eeg/<subject>/ses-simulated01/     (64, n_times) float16, microvolts

The same recipe gives the same bytes on the same machine, however many processes make it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import numpy as np

from harness.conventions import SIMULATED_MARKER, Progress
from harness.corpus.simulated import eeg, head, speech
from harness.corpus.simulated.marker import Made, Written, is_complete, make_folder, verify, written
from harness.corpus.simulated.recipe import (
    PlannedRecording,
    Recipe,
    audio_path,
    expected_bytes,
    feature_path,
    planned_recordings,
    subject_number,
)
from harness.features.audio import load_audio
from harness.features.catalogue import SAMPLE_RATE_HZ
from harness.features.envelope import envelope
from harness.features.spectrograms import mel

__all__ = ["default_folder", "is_complete", "simulate", "verify"]

# Goes up with every change of the generator that changes a byte.
GENERATOR_VERSION: Final = 1
# Stimuli, subjects and recordings draw from random streams of their own.
STIMULUS_STREAM, SUBJECT_STREAM, RECORDING_STREAM = range(3)
_TEXT_SEED: Final = 1 << 63


def default_folder() -> Path:
    """Where the corpus of the default recipe lives: in the user's cache folder."""
    import platformdirs

    cache = platformdirs.user_cache_path("eeg-speech-harness")
    return cache / f"simulated-v{GENERATOR_VERSION}-seed{Recipe.seed}"


def simulate(
    folder: Path,
    recipe: Recipe | None = None,
    *,
    jobs: int | None = None,
    secret: bool = False,
    on_progress: Progress | None = None,
) -> None:
    """Make the simulated corpus, whole or not at all.

    It is written into ``<folder>.partial`` and renamed when complete, so an interrupted run leaves
    nothing under the final name. A complete corpus of the same recipe is left as it is.

    Args:
        folder: the corpus's root; its parents are made as needed.
        recipe: what to make; the default recipe when not given.
        jobs: processes; as many as cores when not given. It does not change a byte.
        secret: whether nobody else has the recipe's seed; the marker and every record then say that labels
            are held back.
        on_progress: called with the number of finished steps and of all steps, a step being one
            stimulus or one recording.

    Raises:
        CorpusError: ``folder`` holds something else, another process is making the same corpus,
            or the disk has too little room.
    """
    recipe = recipe or Recipe()
    plain = _plain(recipe)
    made = Made(SIMULATED_MARKER, GENERATOR_VERSION, plain, plain["seed"], secret=secret)
    make_folder(
        folder, made, expected_bytes(recipe), lambda partial: _write_all(partial, recipe, jobs, on_progress)
    )


def _write_all(folder: Path, recipe: Recipe, jobs: int | None, on_progress: Progress | None) -> list[Written]:
    """Write every stimulus, then every recording; files in the order of their paths."""
    import joblib

    listed = planned_recordings(recipe)
    for path in {audio_path(""), feature_path("", "")}:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
    for recording in listed:
        (folder / recording.path).parent.mkdir(parents=True, exist_ok=True)
    n_steps, n_done = len(recipe.stimuli) + len(listed), 0
    made: list[Written] = []
    stimuli = [joblib.delayed(_write_stimulus)(folder, recipe, n) for n in range(len(recipe.stimuli))]
    eeg = [joblib.delayed(_write_recording)(folder, recipe, recording) for recording in listed]
    with workers(jobs) as parallel:
        for tasks in (stimuli, eeg):
            for files in parallel(tasks):
                made += files
                n_done += 1
                if on_progress is not None:
                    on_progress(n_done, n_steps)
    return made


@contextlib.contextmanager
def workers(jobs: int | None) -> Iterator[Any]:
    """Processes that share the work, and end with it: joblib would keep them for minutes."""
    import joblib
    from joblib.externals import loky

    n_jobs = joblib.effective_n_jobs(jobs or -1)
    try:
        with joblib.Parallel(n_jobs=n_jobs, return_as="generator_unordered") as parallel:
            yield parallel
    finally:
        if n_jobs > 1:
            loky.get_reusable_executor().shutdown(wait=True)


def _write_stimulus(folder: Path, recipe: Recipe, index: int) -> list[Written]:
    """Make the audio of one stimulus, and compute its features from the written file."""
    name = recipe.stimuli[index]
    speaker = speech.SPEAKERS[index % len(speech.SPEAKERS)]
    rng = _rng(recipe.seed, STIMULUS_STREAM, index)
    spoken = speech.speech(recipe.recording_seconds, speaker, rng)
    path = audio_path(name)
    with (folder / path).open("wb") as file:
        np.savez(file, audio=spoken, fs=np.int64(speech.SAMPLE_RATE_HZ))
    audio, sample_rate_hz = load_audio(folder / path)
    files = [written(folder, path)]
    for feature, function in (("mel", mel), ("envelope", envelope)):
        path = feature_path(name, feature)
        np.save(folder / path, function(audio, sample_rate_hz))
        files.append(written(folder, path))
    return files


def _write_recording(folder: Path, recipe: Recipe, recording: PlannedRecording) -> list[Written]:
    """Make one recording. A subject is drawn from its own seed, so that it is the same in every run."""
    number = subject_number(recording.subject)
    subject = head.listener(_rng(recipe.seed, SUBJECT_STREAM, number))
    heard = np.load(folder / feature_path(recording.stimulus, "mel"))
    n_times = round(recipe.recording_seconds * SAMPLE_RATE_HZ)
    rng = _rng(recipe.seed, RECORDING_STREAM, number, recording.run)
    np.save(folder / recording.path, eeg.record(subject, heard, n_times, rng))
    return [written(folder, recording.path)]


def _rng(*key: int) -> np.random.Generator:
    return np.random.default_rng(np.random.SeedSequence(key))


def _plain(recipe: Recipe) -> dict[str, Any]:
    """The recipe as the marker has it; a seed that no reader of JSON takes is written as text."""
    seed = recipe.seed if recipe.seed < _TEXT_SEED else f"{recipe.seed:#x}"
    return {key: value for key, value in {**asdict(recipe), "seed": seed}.items() if value is not None}
