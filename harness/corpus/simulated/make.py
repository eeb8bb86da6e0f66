"""The simulated corpus: small, free, made on the user's machine, and never mistaken for real.

It has the layout of SparrKULee, so that the same reader serves both, but every stimulus is called
``simulated_NN`` and a marker in the root folder says what it is::

    simulated.json                                              the marker: recipe, sizes, hashes
    stimuli/eeg/<stimulus>.npz                                  audio (int16) and fs
    derivatives/preprocessed_stimuli/<stimulus>_-_mel.npy       (n_times, 10) float32, 64 Hz
    derivatives/preprocessed_stimuli/<stimulus>_-_envelope.npy  (n_times, 1) float32, 64 Hz
    derivatives/preprocessed_eeg/<subject>/ses-simulated01/     (64, n_times) float16, microvolts

`simulate` makes it, `is_complete` looks cheaply whether it is there, `verify` reads every byte.
The same recipe gives the same bytes on the same machine, however many processes make it.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any, Final, NamedTuple

import numpy as np

from harness.conventions import SIMULATED_MARKER, Progress
from harness.corpus.simulated import eeg, head, speech
from harness.corpus.simulated.recipe import (
    PlannedRecording,
    Recipe,
    audio_path,
    expected_bytes,
    feature_path,
    planned_recordings,
    subject_number,
)
from harness.errors import CorpusError, Fault
from harness.features.audio import load_audio
from harness.features.catalogue import SAMPLE_RATE_HZ
from harness.features.envelope import envelope
from harness.features.spectrograms import mel
from harness.files import file_sha256, read_regular
from harness.schemas.documents import parse_json

MOST_MARKER_BYTES = 64 << 20

# Goes up with every change of the generator that changes a byte.
GENERATOR_VERSION: Final = 1
# Stimuli, subjects and recordings draw from random streams of their own.
STIMULUS_STREAM, SUBJECT_STREAM, RECORDING_STREAM = range(3)
# Only a folder with this file in it is cleared.
IN_PROGRESS: Final = "simulation-in-progress"
# Room for file headers, folders and the marker, on top of the arrays.
OVERHEAD: Final = 1.02
_TEXT_SEED: Final = 1 << 63
REMEDY: Final = "Delete the folder and make the corpus again."


class _Written(NamedTuple):
    """A file that was written: its path relative to the corpus, size and hash."""

    path: str
    n_bytes: int
    sha256: str


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
    if _is_made(folder, recipe):
        return
    with _partial(folder, expected_bytes(recipe)) as partial:
        if _is_made(folder, recipe):  # another process finished it before this one had the lock
            return
        written = _write_all(partial, recipe, jobs, on_progress)
        marker = {
            "simulated": True,
            "generator_version": GENERATOR_VERSION,
            "seed": _plain(recipe)["seed"],
            "recipe": _plain(recipe),
            **({"labels": "held back"} if secret else {}),
            "sizes": {file.path: file.n_bytes for file in written},
            "files": {file.path: file.sha256 for file in written},
        }
        (partial / SIMULATED_MARKER).write_text(json.dumps(marker, indent=1) + "\n", encoding="utf-8")
        partial.rename(folder)
        (folder / IN_PROGRESS).unlink()


def is_complete(folder: Path) -> bool:
    """Whether the marker is there and every file it lists has the right size; reads no array."""
    return read_marker(folder) is not None and not missing_files(folder)


def missing_files(folder: Path) -> list[Fault]:
    """Files of the marker that are missing or of another size; reads no array."""
    marker = read_marker(folder)
    if marker is None:
        return []
    faults = []
    for path, n_bytes in marker["sizes"].items():
        size = _size(folder / path)
        if size != n_bytes:
            arrived = "no such file" if size is None else f"{size} bytes"
            expected = f"{n_bytes} bytes, as it was made"
            faults.append(Fault(str(folder / path), arrived, expected, REMEDY))
    return faults


def verify(folder: Path, files: Iterable[str] | None = None) -> list[Fault]:
    """Compare files with the hashes in the marker.

    Args:
        folder: the corpus's root.
        files: paths relative to it; all files of the marker when not given.

    Returns:
        One fault a file that is missing, changed, or not in the marker; none where all is well.

    Raises:
        CorpusError: there is no marker, or it cannot be read.
    """
    marker = read_marker(folder)
    if marker is None:
        raise CorpusError(
            Fault(str(folder / SIMULATED_MARKER), "missing or unreadable", "the simulated corpus's marker")
        )
    faults = []
    for path in marker["files"] if files is None else files:
        where, expected = str(folder / path), marker["files"].get(path)
        if expected is None:
            faults.append(Fault(where, f"not listed in {SIMULATED_MARKER}"))
            continue
        if _size(folder / path) is None:
            faults.append(Fault(where, "no such file", f"sha256 {expected}", REMEDY))
            continue
        arrived = file_sha256(folder / path)
        if arrived != expected:
            faults.append(Fault(where, f"sha256 {arrived}", expected, REMEDY))
    return faults


def _write_all(
    folder: Path, recipe: Recipe, jobs: int | None, on_progress: Progress | None
) -> list[_Written]:
    """Write every stimulus, then every recording; files in the order of their paths."""
    import joblib

    listed = planned_recordings(recipe)
    for path in {audio_path(""), feature_path("", "")}:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
    for recording in listed:
        (folder / recording.path).parent.mkdir(parents=True, exist_ok=True)
    n_steps, n_done = len(recipe.stimuli) + len(listed), 0
    written: list[_Written] = []
    stimuli = [joblib.delayed(_write_stimulus)(folder, recipe, n) for n in range(len(recipe.stimuli))]
    eeg = [joblib.delayed(_write_recording)(folder, recipe, recording) for recording in listed]
    with _workers(jobs) as parallel:
        for tasks in (stimuli, eeg):
            for files in parallel(tasks):
                written += files
                n_done += 1
                if on_progress is not None:
                    on_progress(n_done, n_steps)
    return sorted(written)


@contextlib.contextmanager
def _workers(jobs: int | None) -> Iterator[Any]:
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


def _write_stimulus(folder: Path, recipe: Recipe, index: int) -> list[_Written]:
    """Make the audio of one stimulus, and compute its features from the written file."""
    name = recipe.stimuli[index]
    speaker = speech.SPEAKERS[index % len(speech.SPEAKERS)]
    rng = _rng(recipe.seed, STIMULUS_STREAM, index)
    spoken = speech.speech(recipe.recording_seconds, speaker, rng)
    path = audio_path(name)
    with (folder / path).open("wb") as file:
        np.savez(file, audio=spoken, fs=np.int64(speech.SAMPLE_RATE_HZ))
    audio, sample_rate_hz = load_audio(folder / path)
    written = [_written(folder, path)]
    for feature, function in (("mel", mel), ("envelope", envelope)):
        path = feature_path(name, feature)
        np.save(folder / path, function(audio, sample_rate_hz))
        written.append(_written(folder, path))
    return written


def _write_recording(folder: Path, recipe: Recipe, recording: PlannedRecording) -> list[_Written]:
    """Make one recording. A subject is drawn from its own seed, so that it is the same in every run."""
    number = subject_number(recording.subject)
    subject = head.listener(_rng(recipe.seed, SUBJECT_STREAM, number))
    heard = np.load(folder / feature_path(recording.stimulus, "mel"))
    n_times = round(recipe.recording_seconds * SAMPLE_RATE_HZ)
    rng = _rng(recipe.seed, RECORDING_STREAM, number, recording.run)
    np.save(folder / recording.path, eeg.record(subject, heard, n_times, rng))
    return [_written(folder, recording.path)]


def _rng(*key: int) -> np.random.Generator:
    return np.random.default_rng(np.random.SeedSequence(key))


def _plain(recipe: Recipe) -> dict[str, Any]:
    """The recipe as the marker has it; a seed that no reader of JSON takes is written as text."""
    seed = recipe.seed if recipe.seed < _TEXT_SEED else f"{recipe.seed:#x}"
    return {**asdict(recipe), "seed": seed}


def _is_made(folder: Path, recipe: Recipe) -> bool:
    """Whether ``folder`` holds this very corpus; refuses a folder that holds anything else."""
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return False
    marker = read_marker(folder)
    if marker is None:
        arrived, remedy = "holds something else", "Choose another folder; nothing was touched."
    elif (marker["generator_version"], marker["recipe"]) != (
        GENERATOR_VERSION,
        json.loads(json.dumps(_plain(recipe))),
    ):
        arrived = "holds a simulated corpus of another recipe or generator version"
        remedy = "Choose another folder, or delete this one."
    elif not is_complete(folder):
        arrived = "holds a simulated corpus that lacks files"
        remedy = REMEDY
    else:
        return True
    expected = "no folder, an empty one, or this corpus"
    raise CorpusError(Fault(str(folder), arrived, expected, remedy))


@contextlib.contextmanager
def _partial(folder: Path, n_bytes: int) -> Iterator[Path]:
    """A fresh ``<folder>.partial``, locked, and gone at the end unless it was renamed.

    A folder that a killed run left holds the file `IN_PROGRESS`, and is cleared. A folder that another
    process is writing has it too, but locked: then this process waits.
    """
    partial = folder.with_name(folder.name + ".partial")
    if partial.exists() and not (partial / IN_PROGRESS).is_file():
        raise CorpusError(Fault(str(partial), "holds something else", "no folder", "Move it out of the way."))
    with _locked(partial) as lock:
        try:
            for stale in partial.iterdir():
                if stale.is_dir():
                    shutil.rmtree(stale)
            _check_room(partial, n_bytes)
            yield partial
        finally:
            if _is_at(lock, partial / IN_PROGRESS):
                shutil.rmtree(partial, ignore_errors=True)


@contextlib.contextmanager
def _locked(partial: Path) -> Iterator[IO[str]]:
    """The lock on a folder in the making; waits for another process that is making the same."""
    while True:
        partial.mkdir(parents=True, exist_ok=True)
        with (partial / IN_PROGRESS).open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            # The process before may have renamed or removed the folder while this one waited.
            if _is_at(lock, partial / IN_PROGRESS):
                yield lock
                return


def _is_at(file: IO[str], path: Path) -> bool:
    """Whether an open file is still the one at ``path``: it is not after a rename."""
    with contextlib.suppress(OSError):
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    return False


def _check_room(folder: Path, n_bytes: int) -> None:
    needed, free = round(n_bytes * OVERHEAD), shutil.disk_usage(folder).free
    if free < needed:
        raise CorpusError(
            Fault(
                str(folder),
                f"{free} bytes free",
                f"{needed} bytes for the simulated corpus",
                "Make room, or choose a folder on another disk.",
            )
        )


def read_marker(folder: Path) -> dict[str, Any] | None:
    """The marker; None where there is none or it is not one."""
    try:
        marker = parse_json(read_regular(folder / SIMULATED_MARKER, MOST_MARKER_BYTES))
    except (OSError, ValueError):
        return None
    keys = {"simulated", "generator_version", "recipe", "sizes", "files"}
    return marker if isinstance(marker, dict) and keys <= marker.keys() else None


def _size(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except OSError:
        return None


def _written(folder: Path, path: str) -> _Written:
    return _Written(path, (folder / path).stat().st_size, file_sha256(folder / path))
