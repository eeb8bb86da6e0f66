"""Simulated NMED-T: the dataset's own layout, made on the user's machine, and never mistaken for real.

    SIMULATED.json            the marker: recipe, sizes, hashes
    song21_Imputed.mat ...    ``dataNN`` (125, T, listeners) int8 in steps of 1 uV, ``fs``, ``subsNN``
    audio/21.wav ...          what is heard: 22,050 Hz, mono, 16 bits

Lengths are no whole seconds, so that trimming is seen. The same recipe gives the same bytes on the same
machine, however many processes make it.
"""

from __future__ import annotations

import wave
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from harness.conventions import MUSIC_MARKER, Progress
from harness.corpus.nmedt.songs import (
    FIRST_SONG,
    N_ELECTRODES,
    N_LISTENERS,
    SAMPLE_RATE_HZ,
    SONGS,
    TEMPI_BPM,
    file_name,
)
from harness.corpus.simulated import music_audio, music_eeg
from harness.corpus.simulated.marker import Made, Written, make_folder, written
from harness.errors import CorpusError, Fault, raise_all

# Goes up with every change of the generator that changes a byte.
GENERATOR_VERSION: Final = 1
AUDIO_FOLDER: Final = "audio"
# S02 to S23 without S18 and S22, as one reader of the dataset lists them.
LISTENERS: Final = tuple(f"S{number:02d}" for number in range(2, 24) if number not in (18, 22))
# A song's length beyond the seconds that are kept, and how much longer each is than the one before.
REST_SECONDS, STEP_SECONDS = 0.36, 0.1
LEAST_SECONDS: Final = 4
SONG_STREAM, MAP_STREAM, LISTENER_STREAM, RECORDING_STREAM = range(4)
_HEADER_BYTES: Final = 116  # of the text at the start of a MATLAB file
_HEADER: Final = b"MATLAB 5.0 MAT-file, simulated: no real EEG"
_BYTES_A_SAMPLE: Final = 0.75  # of compressed EEG, a little more than was measured


@dataclass(frozen=True)
class Recipe:
    """What decides the bytes of simulated music, together with the generator's version.

    Attributes:
        seed: of everything random, not negative.
        n_songs: from the slowest, 1 to 10.
        n_listeners: 1 to 20.
        seconds: of every recording that are kept.
        snr: of the response beside the noise.
        arousal: how much loud music lowers alpha.

    Raises:
        CorpusError: values that are out of range; all at once.
    """

    seed: int = 1
    n_songs: int = len(SONGS)
    n_listeners: int = N_LISTENERS
    seconds: int = 60
    snr: float = 0.9
    arousal: float = 0.3

    def __post_init__(self) -> None:
        raise_all(CorpusError, list(_faults(self)))


def default_folder() -> Path:
    """Where the corpus of the default recipe lives: in the user's cache folder."""
    import platformdirs

    cache = platformdirs.user_cache_path("eeg-speech-harness")
    return cache / f"simulated-nmed-t-v{GENERATOR_VERSION}-seed{Recipe.seed}"


def simulate_music(
    folder: Path,
    recipe: Recipe | None = None,
    *,
    secret: bool = False,
    jobs: int | None = None,
    on_progress: Progress | None = None,
) -> None:
    """Make simulated music and EEG in NMED-T's layout, whole or not at all.

    Args:
        folder: the corpus's root; its parents are made as needed.
        recipe: what to make; the default recipe when not given.
        secret: whether the seed is kept by the organiser of a contest.
        jobs: processes; as many as cores when not given. It does not change a byte.
        on_progress: called with the number of finished steps and of all steps: two for each song.

    Raises:
        CorpusError: as :func:`~harness.corpus.simulated.marker.make_folder`.
    """
    chosen = recipe or Recipe()
    made = Made(MUSIC_MARKER, GENERATOR_VERSION, asdict(chosen), chosen.seed, secret=secret)
    make_folder(
        folder, made, expected_bytes(chosen), lambda partial: _write_all(partial, chosen, jobs, on_progress)
    )


def expected_bytes(recipe: Recipe) -> int:
    """About how large the corpus is, known before it is made."""
    seconds = recipe.n_songs * (recipe.seconds + 1)
    eeg = seconds * SAMPLE_RATE_HZ * N_ELECTRODES * recipe.n_listeners * _BYTES_A_SAMPLE
    return round(eeg + seconds * music_audio.SAMPLE_RATE_HZ * 2)


def _write_all(folder: Path, recipe: Recipe, jobs: int | None, on_progress: Progress | None) -> list[Written]:
    import joblib

    from harness.corpus.simulated.make import workers

    (folder / AUDIO_FOLDER).mkdir(parents=True, exist_ok=True)
    songs, files = [], []
    steps = 2 * recipe.n_songs
    for number in range(recipe.n_songs):
        songs.append(_song(recipe, number))
        files.append(_write_audio(folder, FIRST_SONG + number, songs[-1]))
        if on_progress is not None:
            on_progress(number + 1, steps)
    heard = music_eeg.hear(songs)
    tasks = [joblib.delayed(_write_eeg)(folder, recipe, number, one) for number, one in enumerate(heard)]
    with workers(jobs) as parallel:
        for done, file in enumerate(parallel(tasks), start=recipe.n_songs + 1):
            files.append(file)
            if on_progress is not None:
                on_progress(done, steps)
    return files


def _song(recipe: Recipe, number: int) -> NDArray[np.int16]:
    seconds = recipe.seconds + REST_SECONDS + STEP_SECONDS * number
    rng = _rng(recipe.seed, SONG_STREAM, number)
    return music_audio.song(seconds, TEMPI_BPM[FIRST_SONG + number], rng)


def _write_audio(folder: Path, song: int, samples: NDArray[np.int16]) -> Written:
    path = f"{AUDIO_FOLDER}/{song}.wav"
    with wave.open(str(folder / path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(music_audio.SAMPLE_RATE_HZ)
        file.writeframes(samples.astype("<i2").tobytes())
    return written(folder, path)


def _write_eeg(folder: Path, recipe: Recipe, number: int, heard: music_eeg.Heard) -> Written:
    """One song's EEG of all listeners; each is drawn from a seed of its own, the same for every song."""
    from scipy.io import savemat

    common = music_eeg.common_maps(_rng(recipe.seed, MAP_STREAM))
    n_times = len(heard.features)
    eeg = np.empty((N_ELECTRODES, n_times, recipe.n_listeners), np.int8)
    for place in range(recipe.n_listeners):
        who = music_eeg.listener(common, _rng(recipe.seed, LISTENER_STREAM, place))
        rng = _rng(recipe.seed, RECORDING_STREAM, place, number)
        eeg[:, :, place] = music_eeg.record(heard, who, recipe.snr, recipe.arousal, rng)
    song = FIRST_SONG + number
    listeners = np.array(LISTENERS[: recipe.n_listeners], dtype=object)[np.newaxis]
    values = {f"data{song}": eeg, "fs": np.array([[float(SAMPLE_RATE_HZ)]]), f"subs{song}": listeners}
    savemat(str(folder / file_name(song)), values, do_compression=True)
    with (folder / file_name(song)).open("r+b") as file:
        # scipy writes the time of day there, and the same recipe is to give the same bytes.
        file.write(_HEADER.ljust(_HEADER_BYTES))
    return written(folder, file_name(song))


def _rng(*key: int) -> np.random.Generator:
    return np.random.default_rng(np.random.SeedSequence(key))


def _faults(recipe: Recipe) -> Iterator[Fault]:
    if recipe.seed < 0:
        yield Fault("seed", str(recipe.seed), "0 or more")
    if not 1 <= recipe.n_songs <= len(SONGS):
        yield Fault("n_songs", str(recipe.n_songs), f"1 to {len(SONGS)}")
    if not 1 <= recipe.n_listeners <= len(LISTENERS):
        yield Fault("n_listeners", str(recipe.n_listeners), f"1 to {len(LISTENERS)}")
    if recipe.seconds < LEAST_SECONDS:
        yield Fault("seconds", str(recipe.seconds), f"{LEAST_SECONDS} or more")
