"""A copy of what a training reads, for data that lie far away: ``harness train --cache DIR``.

Crops are random: over a network each costs many small reads. The copy is made before the first step, in one
pass, file after file from beginning to end, and crops are then read from the local disk.

    DIR/<key>.npy    the numbers of one array of the corpus, in the order of its file
    DIR/<key>.json   which array that is, and the factor of numbers that are kept as float16

The key is a hash of what the file says of itself (name, size, time of its last change, shape, type, and 16 kB
of its bytes), so that a file that was changed has another key and is copied again. Each array is written
whole or not at all; a copy that was interrupted goes on where it was, and two trainings at once copy nothing
twice.

With ``float32``, which is what crops are computed in, the copy gives the same weights to the byte. With
``float16`` numbers are rounded to 11 bits (a relative error of 0.0005 at most); each array is divided by a
power of two first, so that it does not matter in which unit it is.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from harness.conventions import Progress
from harness.corpus.array_files import ArrayFile
from harness.corpus.base import Recording, Series
from harness.errors import Fault, TrainingError, UsageError, counted
from harness.files import alone_in, is_inside, write_atomically
from harness.tasks.segments import cut_segments
from harness.training.copies import VERSION, Cache, ScaledSeries, copied_bytes, copy, copy_of, key_of
from harness.training.outlook import duration_words, size_words
from harness.training.running import Running, Unfinished
from harness.training.training_data import TrainingData

_PROBERS = 8  # threads: over a network each look at a file waits
_WAIT_SECONDS = 0.5


@dataclass(frozen=True)
class _Wanted:
    """An array that a training reads.

    Attributes:
        array: in the corpus.
        key: of its copy.
        copied: the copy and its factor; None where there is none yet.
    """

    array: ArrayFile
    key: str
    copied: tuple[ArrayFile, float] | None


def from_cache(
    data: TrainingData, names: Sequence[str], cache: Cache, running: Running, avoid: Sequence[Path] = ()
) -> tuple[TrainingData, bool] | Unfinished:
    """The data of a training, read from copies, and whether any were made; missing ones are made first.

    Args:
        data: of the training, as the corpus has them.
        names: features that are read.
        cache: where the copies lie, and of which type they are.
        running: shows how far it is; at its deadline the copying stops, after a whole file.
        avoid: folders that the cache may not lie in.

    Raises:
        UsageError: the cache lies in the corpus, or in one of ``avoid``.
        TrainingError: there is no room, or the folder cannot be written.
        CorpusError: a file of the corpus cannot be read, or changes while it is copied.
    """
    for folder in (data.corpus.folder, *avoid):
        if is_inside(cache.folder, folder):
            raise UsageError(
                Fault(
                    f"--cache {cache.folder}",
                    f"a folder inside {folder}",
                    "one apart from it, on a local disk",
                    "What lies there would be taken for a part of it.",
                )
            )
    used = _used_recordings(data)
    arrays = tuple(dict.fromkeys(piece for series in _series(used, names) for piece in series.pieces))
    wanted = _look(arrays, cache)
    is_missing = any(one.copied is None for one in wanted)
    if is_missing:
        with _alone(cache, running) as held:
            if not held:
                return Unfinished(0, 0, cache.folder, f"another training is filling the cache {cache.folder}")
            wanted = _again(wanted, cache)  # another training may have made some while we waited
            stopped = _fill(wanted, cache, running)
        if stopped is not None:
            return stopped
        wanted = _again(wanted, cache)
    else:
        size = size_words(sum(copied_bytes(one.array, cache.dtype) for one in wanted))
        running.say(
            f"cache {cache.folder}: {size} in {counted(len(wanted), 'file')}, all there ({cache.dtype})"
        )
    return _exchanged(data, names, wanted, cache, running.show), is_missing


def _used_recordings(data: TrainingData) -> tuple[Recording, ...]:
    """Recordings of the training part, then of the validation part, each once."""
    both = [recording for recording, _, _ in data.stretches()]
    both += [segment.recording for segment in data.validation]
    return tuple({recording.id: recording for recording in both}.values())


def _series(recordings: Sequence[Recording], names: Sequence[str]) -> Iterator[Series]:
    for recording in recordings:
        yield recording.eeg_series
        yield from (recording.feature_series[name] for name in names if name in recording.feature_series)


def _look(arrays: Sequence[ArrayFile], cache: Cache) -> list[_Wanted]:
    """What there is of the copies."""

    def look(array: ArrayFile) -> _Wanted:
        key = key_of(array, cache.dtype)
        return _Wanted(array, key, copy_of(array, cache, key))

    with ThreadPoolExecutor(_PROBERS) as pool:
        return list(pool.map(look, arrays))


def _again(wanted: Sequence[_Wanted], cache: Cache) -> list[_Wanted]:
    """Look for the copies once more, and not at the corpus."""
    return [replace(one, copied=copy_of(one.array, cache, one.key)) for one in wanted]


@contextmanager
def _alone(cache: Cache, running: Running) -> Iterator[bool]:
    """Wait until no other training copies into the cache; False where the deadline comes first.

    Raises:
        TrainingError: the folder cannot be made.
    """
    told = False
    try:
        while True:
            with alone_in(cache.folder, wait=False) as held:
                if held or running.deadline.comes_within():
                    yield held
                    return
            if not told:
                running.say(f"cache {cache.folder}: another training is copying into it; waiting for it")
                told = True
            time.sleep(_WAIT_SECONDS)
    except OSError as error:
        raise _cannot_write(cache, error) from None


def _fill(wanted: Sequence[_Wanted], cache: Cache, running: Running) -> Unfinished | None:
    """Copy what is missing, in order; None once all is there.

    Raises:
        TrainingError, CorpusError: as `from_cache`.
    """
    missing = [one for one in wanted if one.copied is None]
    sizes = [copied_bytes(one.array, cache.dtype) for one in missing]
    there = f"{len(wanted) - len(missing)} of {counted(len(wanted), 'file')} are there"
    _check_room(cache, sizes, there)
    if not missing:
        return None
    running.say(
        f"cache {cache.folder}: {there}, {len(missing)} are copied ({size_words(sum(sizes))},"
        f" {cache.dtype}{', which rounds to 11 bits' if cache.dtype == 'float16' else ''})"
    )
    began, done = time.monotonic(), 0
    for number, one in enumerate(missing):
        words = f"{len(wanted) - len(missing) + number} of {counted(len(wanted), 'file')}"
        if number and running.deadline.comes_within():
            return Unfinished(0, 0, cache.folder, f"{words} are in the cache {cache.folder}")
        try:
            for block_bytes in copy(one.array, one.key, cache):
                done += block_bytes
                running.show(done >> 20, sum(sizes) >> 20, f"MB into the cache, {one.array.path.name}")
        except OSError as error:
            raise _cannot_write(cache, error) from None
        except KeyboardInterrupt as interrupt:
            interrupt.add_note(f"{words} are in the cache {cache.folder}: the same command goes on there.")
            raise
    seconds = time.monotonic() - began
    speed = f", {size_words(done / seconds)} a second" if seconds > 0 else ""
    running.say(f"cache {cache.folder}: copied in {duration_words(seconds)}{speed}")
    return None


def _check_room(cache: Cache, sizes: Sequence[int], there: str) -> None:
    """Refuse to begin what the disk has no room for.

    Raises:
        TrainingError: it has none.
    """
    needed = sum(sizes) + (2 * max(sizes, default=0) if cache.dtype == "float16" else 0)
    free = shutil.disk_usage(cache.folder).free
    if needed > free:
        half = " --cache-dtype float16 takes half." if cache.dtype == "float32" else ""
        raise TrainingError(
            Fault(
                f"--cache {cache.folder}",
                f"{size_words(free)} are free",
                f"{size_words(needed)} ({there})",
                f"Make room, or choose another folder.{half}",
            )
        )


def _exchanged(
    data: TrainingData, names: Sequence[str], wanted: Sequence[_Wanted], cache: Cache, show: Progress
) -> TrainingData:
    """The data with the copies in the place of the corpus's arrays."""
    copies = {one.array: one.copied for one in wanted if one.copied is not None}
    used = {recording.id for recording in _used_recordings(data)}

    def copied(series: Series) -> Series:
        pieces, factors = zip(*(copies[piece] for piece in series.pieces), strict=True)
        if set(factors) == {1.0}:
            return replace(series, pieces=pieces)
        return ScaledSeries(pieces, series.time_axis, series.n_channels, factors)

    recordings = []
    for recording in data.corpus.recordings:
        if recording.id in used:
            features = recording.feature_series
            taken = {name: copied(features[name]) for name in names if name in features}
            eeg = copied(recording.eeg_series)
            recording = replace(recording, eeg_series=eeg, feature_series={**features, **taken})
        recordings.append(recording)
    corpus = replace(data.corpus, recordings=tuple(recordings))
    validation = cut_segments(corpus, data.split, "val", partial=data.partial, feature=data.feature)
    keys = {one.array: one.key for one in wanted}
    known = _fingerprint(data, keys, cache, show) if cache.dtype == "float16" else ""
    return replace(data, corpus=corpus, validation=validation, cache=cache.dtype, known_fingerprint=known)


def _fingerprint(data: TrainingData, keys: Mapping[ArrayFile, str], cache: Cache, show: Progress) -> str:
    """The fingerprint of the corpus's own numbers, kept beside copies that are rounded.

    Raises:
        TrainingError: it cannot be written.
    """
    stretches = [
        [recording.id, start, stop, *(keys[piece] for piece in recording.eeg_series.pieces)]
        + [keys[piece] for piece in recording.feature_series[data.feature].pieces]
        + [f"without channel {number}" for number in recording.channels_excluded]
        for recording, start, stop in data.stretches()
    ]
    key = hashlib.sha256(json.dumps([VERSION, data.feature, stretches]).encode()).hexdigest()
    place = cache.folder / f"{key}.fingerprint"
    try:
        kept = place.read_text("ascii").strip()
    except (OSError, ValueError):
        kept = ""
    if len(kept) == 64:
        return kept
    data.take_fingerprint(show)
    try:
        write_atomically(place, f"{data.fingerprint}\n".encode())
    except OSError as error:
        raise _cannot_write(cache, error) from None
    return data.fingerprint


def _cannot_write(cache: Cache, error: OSError) -> TrainingError:
    return TrainingError(
        Fault(
            f"--cache {error.filename or cache.folder}",
            error.strerror or "cannot be written",
            "a folder with room that can be written",
            "Make room or choose another folder; what is copied stays, and the same command goes on there.",
        )
    )
