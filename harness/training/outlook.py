"""What a training is about to read and how long that takes, in lines for its user.

reading_lines   before the first step: how much is read, what is mapped, what is held in memory
Pace            on the first steps: how long an epoch takes, and how much of that is waiting for data
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TypeVar

import numpy as np

from harness.corpus import Recording
from harness.corpus.array_files import COMPRESSED, ArrayFile
from harness.corpus.base import Series
from harness.errors import counted
from harness.training.crops import Crops
from harness.training.targets import series_of
from harness.training.training_data import TrainingData

# An epoch's seconds are told after so many seconds and steps, or after many steps; the first step, which is
# slower than others, does not count.
_MEASURED_SECONDS, _LEAST_STEPS, _MEASURED_STEPS = 5.0, 3, 20
# From this share of waiting on, the line says what helps.
_MUCH_WAITING = 0.5
_UNITS = ((10**12, "TB"), (10**9, "GB"), (10**6, "MB"), (10**3, "kB"))

Item = TypeVar("Item")


def reading_lines(data: TrainingData, crops: Crops | None, world: int = 1) -> list[str]:
    """What is read, in lines for a user.

    Args:
        data: training and validation part.
        crops: of the training; None for a trainer that reads as it likes.
        world: processes that share every step.
    """
    stretches = crops.stretches if crops else data.stretches()
    targets = tuple(crops.bands) if crops else (data.feature,)
    names = series_of(targets)
    recordings = [recording for recording, _, _ in stretches]
    segments = data.validation
    eeg, features = _bytes_read(stretches, names)
    asked, _ = _bytes_read([(s.recording, s.start, s.stop) for s in segments], (data.feature,))
    lines = [
        f"training part: {counted(len(recordings), 'stretch', 'stretches')} of recordings,"
        f" {counted(len({r.subject for r in recordings}), 'subject')}, {size_words(eeg)} of EEG and"
        f" {size_words(features)} of {_joined(targets)}"
    ]
    if crops is not None:
        samples = sum(stop - start for _, start, stop in stretches)
        steps = crops.steps(1, world)
        n_crops = sum(len(step) for step in steps)
        share = n_crops * crops.crop_samples / samples
        seconds = crops.crop_samples / data.split.sample_rate_hz
        lines[0] += (
            f"; an epoch reads {counted(n_crops, 'crop')} of {seconds:g} s in"
            f" {counted(len(steps), 'step')}, {size_words(share * (eeg + features))}"
        )
    lines.append(
        f"validation part: {counted(len(segments), 'segment')} of"
        f" {counted(len({s.subject for s in segments}), 'subject')}, {size_words(asked)} of EEG at every"
        " validation"
    )
    used = _arrays([*recordings, *(segment.recording for segment in segments)], names)
    lines.append(f"memory: {_memory(used)}")
    return lines


def size_words(n_bytes: float) -> str:
    """A number of bytes in words, such as ``7.2 GB``."""
    for unit, name in _UNITS:
        if n_bytes >= unit:
            return f"{n_bytes / unit:.3g} {name}"
    return counted(round(n_bytes), "byte")


def duration_words(seconds: float) -> str:
    """Seconds in words of a sensible size."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 90 * 60 else f"{seconds / 3600:.1f} h"


class Pace:
    """How fast the first steps of a training are.

    Args:
        n_steps: of an epoch.
        epochs: that are still to be run.
        cached: whether the data are in a cache on a local disk already.
    """

    def __init__(self, n_steps: int, epochs: int, *, cached: bool) -> None:
        self._n_steps, self._epochs, self._cached = n_steps, epochs, cached
        self._began: float | None = None
        self._done = 0
        self._waited = 0.0
        self._told = False

    def timed(self, batches: Iterable[Item]) -> Iterator[Item]:
        """The same batches; the time until each is there counts as waiting."""
        iterator = iter(batches)
        while True:
            before = time.monotonic()
            try:
                batch = next(iterator)
            except StopIteration:
                return
            if self._began is not None:
                self._waited += time.monotonic() - before
            yield batch

    def step(self) -> str | None:
        """Count a step; gives the line once, where enough steps are measured."""
        now = time.monotonic()
        if self._told:
            return None
        if self._began is None and self._n_steps > 1:
            self._began = now
            return None
        self._done += 1
        began = now if self._began is None else self._began
        is_long = now - began >= _MEASURED_SECONDS and self._done >= _LEAST_STEPS
        if not is_long and self._done < min(_MEASURED_STEPS, self._n_steps - 1):
            return None
        self._told = True
        return self._line((now - began) / self._done) if now > began else None

    def _line(self, each: float) -> str:
        epoch = each * self._n_steps
        waiting = self._waited / (each * self._done)
        line = (
            f"an epoch takes about {duration_words(epoch)},"
            f" {counted(self._epochs, 'epoch')} {duration_words(epoch * self._epochs)}, without validation"
            f" ({counted(self._done, 'step')} of {each:.3g} s, {waiting:.0%} of it waiting for data)"
        )
        if waiting < _MUCH_WAITING:
            return line
        remedy = (
            "is the cache on a local disk?" if self._cached else "--cache DIR copies the data to a local disk"
        )
        return f"{line}; {remedy}"


def _bytes_read(stretches: Sequence[tuple[Recording, int, int]], names: Sequence[str]) -> tuple[float, float]:
    """Bytes of EEG and of features in stretches; a feature that several share counts once for each."""
    eeg = features = 0.0
    for recording, start, stop in stretches:
        eeg += _sample_bytes(recording.eeg_series) * (stop - start)
        for name, series in recording.feature_series.items():
            if name in names:
                ratio = recording.frames_per_sample.get(name, 1)
                features += _sample_bytes(series) * float((stop - start) * ratio)
    return eeg, features


def _sample_bytes(series: Series) -> float:
    sizes = {np.dtype(piece.dtype).itemsize for piece in series.pieces}
    return series.n_channels * max(sizes, default=0)


def _arrays(recordings: Sequence[Recording], names: Sequence[str]) -> Mapping[ArrayFile, int]:
    """Array -> its bytes, each once."""
    arrays = {}
    for recording in recordings:
        wanted = [series for name, series in recording.feature_series.items() if name in names]
        for series in (recording.eeg_series, *wanted):
            for piece in series.pieces:
                rows, columns = piece.shape
                arrays[piece] = rows * columns * np.dtype(piece.dtype).itemsize
    return arrays


def _memory(arrays: Mapping[ArrayFile, int]) -> str:
    held = {array: size for array, size in arrays.items() if array.offset == COMPRESSED}
    mapped = sum(arrays.values()) - sum(held.values())
    line = (
        f"{size_words(mapped)} in {counted(len(arrays) - len(held), 'file')} stay on the disk and are mapped:"
        " the system keeps of them what fits"
    )
    if held:
        line += (
            f"; {size_words(sum(held.values()))} in {counted(len(held), 'compressed file')} are unpacked and"
            " stay in memory, which --cache DIR spares"
        )
    return line


def _joined(names: Sequence[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
