"""Opening a folder in NMED-T's layout: which songs are there, who listened, and what was heard."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from harness.conventions import Progress
from harness.corpus.almost import almost_notes
from harness.corpus.array_files import open_npy
from harness.corpus.base import Corpus, Recording, Series, SubjectFault, cut_in_time
from harness.corpus.declaration import Declaration
from harness.corpus.nmedt import audio as song_audio
from harness.corpus.nmedt.audio import AudioChoice
from harness.corpus.nmedt.cache import Kept, cache_folder, kept, source_sha256
from harness.corpus.nmedt.matfile import check_eeg, open_song
from harness.corpus.nmedt.songs import (
    FILE_NAME,
    FIRST_SONG,
    LAYOUT,
    N_ELECTRODES,
    SAMPLE_RATE_HZ,
    SONGS,
    Tree,
    expected_tree,
    file_name,
    stimulus,
)
from harness.corpus.walk import visible
from harness.errors import CorpusError, Fault, raise_all, shorten
from harness.features.music import N_BANDS, TARGETS

# Goes up with every change of what is kept of the EEG.
VERSION = 1
# Numbers of at most so many bytes are kept as they are; others as float32.
_SMALL_BYTES = 2


class _Song(NamedTuple):
    """A song that was read."""

    number: int
    kept: Kept
    listeners: tuple[str, ...]
    seconds: float


def open_nmedt(
    folder: Path,
    declaration: Declaration,
    audio: AudioChoice | None = None,
    on_progress: Progress | None = None,
) -> Corpus:
    """Open a folder of ``songNN_Imputed.mat``.

    Files that were not read before are read now, one at a time, and kept in the user's cache.

    Args:
        folder: holds the files.
        declaration: what the corpus is.
        audio: where the songs' audio lies; None for the folder ``audio`` in ``folder``, if there is one.
        on_progress: called with the number of files done, of all, and what is being read.

    Raises:
        CorpusError: no song can be read, or the audio is refused: every fault at once.
    """
    tree = expected_tree(folder)
    found, faults = _files(folder, tree)
    songs: list[_Song] = []
    for place, (number, path) in enumerate(found.items()):
        if on_progress is not None:
            on_progress(place, len(found), path.name)
        try:
            songs.append(_read_song(path, number, tree))
        except CorpusError as error:
            faults += error.faults
    faults += _differing_listeners(songs, folder)
    faults += _changed_files(folder, songs)
    if not songs:
        missing = Fault(str(folder), "no song", f"files {file_name(FIRST_SONG)} to {file_name(SONGS[-1])}")
        raise CorpusError(*(faults or [missing]))
    if audio is None and (folder / song_audio.FOLDER).is_dir():
        audio = AudioChoice(folder / song_audio.FOLDER)
    try:
        series, notes = _targets(songs, audio, tree)
    except CorpusError as error:
        raise CorpusError(*faults, *error.faults) from None
    faults += _changed_audio(folder, audio, [song.number for song in songs])
    recordings = [
        _recording(song, listener, series.get(song.number, {}), tree)
        for listener in songs[0].listeners
        for song in songs
        if listener in song.listeners
    ]
    here = {song.number for song in songs}
    broken = {number for number, _ in found.items()} - here
    absent = {
        number: _no_file(folder, number)
        for number in tree.songs
        if number not in here and number not in broken
    }
    return Corpus(
        declaration,
        LAYOUT,
        folder,
        tuple(recordings),
        tuple(SubjectFault(listener, fault) for fault in faults for listener in songs[0].listeners),
        (*almost_notes(_others(folder)), *notes),
        {} if audio is not None else {name: _no_audio(folder) for name in TARGETS},
        stimuli_missing={stimulus(number): fault for number, fault in absent.items()},
        further_files=frozenset({cache_folder(), *([audio.folder] if audio is not None else [])}),
    )


def _others(folder: Path) -> list[str]:
    """Names of the folder's visible files that are of no song."""
    return [one.name for one in visible(folder, "*") if FILE_NAME.fullmatch(one.name) is None]


def _files(folder: Path, tree: Tree) -> tuple[dict[int, Path], list[Fault]]:
    """Song -> its file, and a fault for every file that is named as none is."""
    found: dict[int, Path] = {}
    faults = []
    for path in sorted(folder.iterdir()):
        match = FILE_NAME.fullmatch(path.name)
        if match is None or path.name.startswith("."):
            continue
        number = int(match["number"]) if len(match["number"]) < 6 else -1
        if number in tree.songs and number not in found:
            found[number] = path
            continue
        tenth = f"{match['number']}".startswith("210")
        remedy = (
            f"Song 10 is {file_name(SONGS[-1])}." if tenth else "Move the file away, or correct its name."
        )
        numbers = f"song{tree.songs[0]} to song{tree.songs[-1]}"
        faults.append(Fault(str(path), f"a file of song {match['number']}", numbers, remedy))
    return dict(sorted(found.items())), faults


def _no_file(folder: Path, number: int) -> Fault:
    near = [path.name for path in folder.glob(f"*{number}*.mat*") if FILE_NAME.fullmatch(path.name) is None]
    remedy = f"Is it {shorten(sorted(near))} under another name?" if near else ""
    return Fault(str(folder / file_name(number)), "no such file", f"the EEG of song {number}", remedy)


def _read_song(path: Path, number: int, tree: Tree) -> _Song:
    def make(folder: Path) -> dict[str, Any]:
        return _write_song(folder, path, number, tree)

    room = tree.n_listeners * tree.n_times * N_ELECTRODES * 4
    made = kept(path, f"eeg-v{VERSION}-{number}-{tree.n_listeners}x{tree.seconds}s", room, make)
    return _Song(number, made, tuple(made.about["listeners"]), made.about["n_times"] / SAMPLE_RATE_HZ)


def _write_song(folder: Path, path: Path, number: int, tree: Tree) -> dict[str, Any]:
    """Write one array a listener, after every number of the file was looked at."""
    faults: list[Fault] = []
    with open_song(path, number, tree) as song:
        small = song.dtype.kind in "iu" and song.dtype.itemsize <= _SMALL_BYTES
        for index, listener in enumerate(song.listeners):
            eeg = song.eeg(index)
            faults += check_eeg(f"{path}: listener {listener}", eeg)
            if faults:  # every listener is looked at, and nothing more is kept
                continue
            values = eeg[: tree.n_times]
            np.save(folder / f"{listener}.npy", np.ascontiguousarray(values, None if small else np.float32))
        about = {"listeners": list(song.listeners), "n_times": song.n_times, "dtype": str(song.dtype)}
    raise_all(CorpusError, faults)
    return about


def _differing_listeners(songs: Sequence[_Song], folder: Path) -> list[Fault]:
    """Listeners go by id, whatever their order in a file; every song must have the same ones."""
    faults = []
    for song in songs[1:]:
        first, own = set(songs[0].listeners), set(song.listeners)
        if own != first:
            parts = [("without", first - own), ("with", own - first)]
            arrived = " and ".join(f"{word} {shorten(sorted(names))}" for word, names in parts if names)
            where = f"{folder / file_name(song.number)}: subs{song.number}"
            faults.append(Fault(where, arrived, f"the listeners of {file_name(songs[0].number)}"))
    return faults


def _changed_files(folder: Path, songs: Sequence[_Song]) -> list[Fault]:
    """Of a simulated corpus, files that are not those that were made."""
    return _changed(folder, {folder / file_name(song.number): song.kept.sha256 for song in songs})


def _changed(folder: Path, hashes: Mapping[Path, str]) -> list[Fault]:
    from harness.corpus.simulated.marker import REMEDY, read_marker

    marker = read_marker(folder)
    if marker is None:
        return []
    expected = {path: marker["files"].get(path.relative_to(folder).as_posix()) for path in hashes}
    return [
        Fault(str(path), f"sha256 {own}", f"{expected[path]}", REMEDY)
        for path, own in hashes.items()
        if own != expected[path]
    ]


def _changed_audio(folder: Path, audio: AudioChoice | None, numbers: Sequence[int]) -> list[Fault]:
    """The same of its audio, where that is what is heard."""
    if audio is None or audio.folder != folder / song_audio.FOLDER:
        return []
    files = song_audio.pair(audio.folder, numbers)
    return _changed(folder, {path: source_sha256(path) for path in files.values()})


def _targets(
    songs: Sequence[_Song], audio: AudioChoice | None, tree: Tree
) -> tuple[dict[int, dict[str, Series]], list[str]]:
    """Song -> its targets, and notes on its audio; nothing without audio."""
    if audio is None:
        return {}, []
    numbers = [song.number for song in songs]
    song_audio.check_offsets(audio.offsets, numbers)
    files = song_audio.pair(audio.folder, numbers)
    made: dict[int, Kept] = {}
    faults: list[Fault] = []
    for song in songs:
        offset = audio.offsets.get(song.number, 0.0)
        try:
            made[song.number] = song_audio.targets(
                files[song.number], song.number, offset, song.seconds, tree
            )
        except CorpusError as error:
            faults += error.faults
    faults += song_audio.same_audio({number: files[number] for number in made}, made)
    raise_all(CorpusError, faults)
    series = {
        number: {name: Series((open_npy(one.folder / f"{name}.npy"),), 0, N_BANDS) for name in TARGETS}
        for number, one in made.items()
    }
    return series, [note for one in made.values() for note in one.about["notes"]]


def _recording(song: _Song, listener: str, series: dict[str, Series], tree: Tree) -> Recording:
    train, val, _ = cut_in_time(tree.n_times)
    eeg = Series((open_npy(song.kept.folder / f"{listener}.npy"),), 0, N_ELECTRODES)
    parts = (train, val, tree.n_times - train - val)
    return Recording(listener, stimulus(song.number), parts, eeg, series)


def _no_audio(folder: Path) -> Fault:
    return Fault(
        str(folder),
        "no audio, so no target of music",
        "--audio DIR with one file a song, or a folder audio/ beside the EEG",
        "The dataset does not distribute the songs: bring your own, named 21.wav to 30.wav.",
    )
