"""The audio that a user brings: one file a song, paired by number, checked, and made into targets.

Audio of the ten songs is not distributed with the dataset. Any format that soundfile reads will do; channels
are averaged, and the mean is resampled to 22,050 Hz. A file's number is the first in its name: 21 to 30 as
the dataset counts, or 1 to 10.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from harness.corpus.nmedt.cache import Kept, kept, source_sha256
from harness.corpus.nmedt.outline import SAME, likeness, outline
from harness.corpus.nmedt.songs import FIRST_SONG, SONGS, TITLES, Tree, stimulus
from harness.corpus.nmedt.tempo import tempo_note
from harness.errors import CorpusError, Fault, counted, raise_all, shorten
from harness.features.music import (
    N_BANDS,
    N_FRAMES,
    SAMPLE_RATE_HZ,
    TARGETS,
    mel_power,
    target,
)

FOLDER: Final = "audio"  # in a corpus's own folder
SUFFIXES: Final = (
    ".wav",
    ".flac",
    ".ogg",
    ".opus",
    ".oga",
    ".mp3",
    ".aif",
    ".aiff",
    ".aifc",
    ".au",
    ".caf",
    ".w64",
    ".rf64",
)
# How far the audio's length may be from the EEG's.
MOST_DIFFERENCE_SECONDS: Final = 2.0
SILENCE: Final = 1e-4
MOST_SILENT_SHARE: Final = 0.1
LONGEST_OFFSET_SECONDS: Final = 60.0
MOST_SECONDS: Final = 3600.0
# Goes up with every change of what is computed here, so that nothing older is taken for it.
VERSION: Final = 2
_OUTLINE: Final = "outline.npy"
_REMEDY: Final = "Bring one file a song, named 21.wav to 30.wav."
Audio = NDArray[np.float32]


@dataclass(frozen=True)
class AudioChoice:
    """Where the audio lies.

    Attributes:
        folder: of one file a song.
        offsets: song -> seconds of its file before the song's first sample, as the EEG begins there.
    """

    folder: Path
    offsets: Mapping[int, float] = field(default_factory=dict)


def pair(folder: Path, songs: Sequence[int]) -> dict[int, Path]:
    """The file of every song, by the number in its name.

    Args:
        folder: of the audio.
        songs: which are needed; files of other songs are left alone.

    Raises:
        CorpusError: no such folder, files without a number or of no song, two of one song, or none: all at
            once.
    """
    if not folder.is_dir():
        arrived = "a file" if folder.exists() else "no such folder"
        raise CorpusError(Fault(f"--audio {folder}", arrived, "a folder with one audio file a song", _REMEDY))
    found: dict[int, list[Path]] = {}
    other: dict[int, list[str]] = {}
    faults = []
    for path in sorted(folder.iterdir()):
        if path.name.startswith("."):
            continue
        number = _number(path.stem)
        if path.suffix.lower() not in SUFFIXES or not path.is_file():
            if number is not None:
                other.setdefault(number, []).append(path.name)
            continue
        if number is None:
            expected = "a name with the song's number, 21 to 30 or 1 to 10"
            faults.append(Fault(str(path), "no number of a song in its name", expected, _REMEDY))
            continue
        found.setdefault(number, []).append(path)
    for number, paths in found.items():
        if len(paths) > 1:
            names = " and ".join(path.name for path in paths)
            faults.append(
                Fault(f"--audio {folder}", f"{names} are both of {_title(number)}", "one file a song")
            )
    missing = [number for number in songs if number not in found]
    if missing:
        arrived = f"{counted(len(found), 'file')}; none of {', '.join(map(_title, missing))}"
        unread = [name for number in missing for name in other.get(number, [])]
        remedy = f"{shorten(unread)}: convert to .wav or .flac what is audio." if unread else _REMEDY
        faults.append(Fault(f"--audio {folder}", arrived, f"one file for each of {len(songs)} songs", remedy))
    raise_all(CorpusError, faults)
    return {number: paths[0] for number, paths in found.items() if number in songs}


def check_offsets(offsets: Mapping[int, float], songs: Sequence[int]) -> None:
    """Refuse offsets of songs that are not here, and ones that no lead-in has.

    Raises:
        CorpusError: all faults at once.
    """
    faults = []
    for number, seconds in offsets.items():
        where = f"--offset {number}={seconds:g}"
        if number not in songs:
            faults.append(Fault(where, f"song {number}", f"one of {', '.join(map(str, songs))}"))
        if not 0 <= seconds <= LONGEST_OFFSET_SECONDS:
            expected = f"0 to {LONGEST_OFFSET_SECONDS:g} seconds of the file before the song"
            remedy = "Where the file begins later than the EEG, put silence before it." if seconds < 0 else ""
            faults.append(Fault(where, f"{seconds:g} s", expected, remedy))
    raise_all(CorpusError, faults)


def targets(path: Path, song: int, offset: float, eeg_seconds: float, tree: Tree) -> Kept:
    """All targets of a song, from the cache, or computed into it: (seconds x 44, 128) float32, one file each.

    Args:
        path: the audio.
        song: its number.
        offset: seconds of the file before the song.
        eeg_seconds: how long the song's EEG is.
        tree: how many seconds are kept.

    Returns:
        Where they lie; about them, ``notes`` (a list) and ``seconds``.

    Raises:
        CorpusError: unreadable, too short or of another length than the EEG, silent, or not finite.
    """

    def make(folder: Path) -> dict[str, Any]:
        return _write(folder, path, song, offset, eeg_seconds, tree)

    room = tree.seconds * N_FRAMES * N_BANDS * 4 * len(TARGETS)
    what = f"targets-v{VERSION}-{song}-{tree.seconds}s-{round(offset * 1e6)}us-{round(eeg_seconds * 1000)}ms"
    return kept(path, what, room, make)


def same_audio(files: Mapping[int, Path], made: Mapping[int, Kept]) -> list[Fault]:
    """A fault for every song whose file holds the recording of one before it, in whatever format or level."""
    outlines = {number: np.load(made[number].folder / _OUTLINE) for number in files}
    of: dict[int, int] = {}
    for (one, other), alike in likeness(outlines).items():
        if alike >= SAME or source_sha256(files[one]) == source_sha256(files[other]):
            of.setdefault(other, one)
    return [
        Fault(str(files[number]), f"the same audio as {files[first].name}", "another song in every file")
        for number, first in of.items()
    ]


def read_audio(path: Path, offset: float = 0.0) -> tuple[Audio, float]:
    """The audio of a file from ``offset`` on, mono at 22,050 Hz, and the rate that it had.

    Raises:
        CorpusError: it cannot be read, or is not finite, or is longer than an hour.
    """
    import librosa
    import soundfile

    try:
        about = soundfile.info(path)
        if about.frames > MOST_SECONDS * about.samplerate:
            seconds = about.frames / about.samplerate
            raise CorpusError(Fault(str(path), f"{seconds:.0f} s of audio", "one song"))
        samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
    except (OSError, RuntimeError, ValueError, TypeError, MemoryError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        expected = "audio that soundfile reads (wav, flac, ogg, mp3)"
        raise CorpusError(
            Fault(str(path), f"cannot be read ({reason})", expected, "Copy it again.")
        ) from None
    mono = samples.mean(axis=1)
    if not np.isfinite(mono).all():
        raise CorpusError(Fault(str(path), "NaN or infinite samples", "finite samples", "Convert it again."))
    mono = mono[round(offset * rate) :]
    if rate != SAMPLE_RATE_HZ and len(mono):
        mono = librosa.resample(mono, orig_sr=rate, target_sr=SAMPLE_RATE_HZ)
    return np.ascontiguousarray(mono, np.float32), float(rate)


def _write(
    folder: Path, path: Path, song: int, offset: float, eeg_seconds: float, tree: Tree
) -> dict[str, Any]:
    audio, rate = read_audio(path, offset)
    raise_all(CorpusError, _audio_faults(path, audio, offset, eeg_seconds, tree))
    kept_audio = audio[: tree.seconds * SAMPLE_RATE_HZ]
    seconds = kept_audio.reshape(tree.seconds, SAMPLE_RATE_HZ)
    power = mel_power(seconds)
    for name in TARGETS:
        np.save(folder / f"{name}.npy", target(power, name).reshape(-1, N_BANDS))
    np.save(folder / _OUTLINE, outline(kept_audio))
    notes = []
    if rate < SAMPLE_RATE_HZ:
        notes.append(f"{path.name}: {rate:g} Hz, so mel bands above {rate / 2:g} Hz hold nothing")
    silent = int((np.ptp(seconds, axis=1) < SILENCE).sum())
    if silent > MOST_SILENT_SHARE * tree.seconds:
        notes.append(f"{path.name}: {silent} of {tree.seconds} seconds are silent: is it whole?")
    notes += tempo_note(path.name, song, audio)
    return {"notes": notes, "seconds": len(audio) / SAMPLE_RATE_HZ}


def _audio_faults(path: Path, audio: Audio, offset: float, eeg_seconds: float, tree: Tree) -> list[Fault]:
    faults = []
    seconds = len(audio) / SAMPLE_RATE_HZ
    after = f" after an offset of {offset:g} s" if offset else ""
    if seconds < tree.seconds:
        expected = f"{tree.seconds} s or more: nothing is padded"
        faults.append(Fault(str(path), f"{seconds:.1f} s of audio{after}", expected, "Bring the whole song."))
    elif abs(seconds - eeg_seconds) > MOST_DIFFERENCE_SECONDS:
        expected = f"{eeg_seconds:.1f} s, as long as its EEG, within {MOST_DIFFERENCE_SECONDS:g} s"
        remedy = (
            "Is it another edition of the song? --offset NN=SECONDS skips a lead-in; cut off a longer end."
        )
        faults.append(Fault(str(path), f"{seconds:.1f} s of audio{after}", expected, remedy))
    if not len(audio) or float(np.ptp(audio)) < SILENCE:  # a constant is as silent as 0
        faults.append(Fault(str(path), "silence", "a song"))
    return faults


def _number(stem: str) -> int | None:
    """The song's number that a name begins with or holds; None where it is none of a song."""
    found = re.search(r"\d+", stem)
    if found is None or len(found[0]) > 3:
        return None
    number = int(found[0])
    if 1 <= number <= len(SONGS):
        number += FIRST_SONG - 1
    return number if number in SONGS else None


def _title(song: int) -> str:
    return f"{stimulus(song)} ({TITLES[song]})"
