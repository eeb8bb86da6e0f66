"""A corpus: recordings of EEG with the features of the speech that was heard.

Everything here is lazy: a corpus knows shapes and where the numbers lie, and reads samples when a
segment or a crop is asked for. Arrays are ``(n_times, n_channels)`` or ``(n_times, n_bands)`` float32,
whatever the files' own order and type.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from harness.conventions import SIMULATED_WORDS
from harness.corpus.array_files import ArrayFile
from harness.errors import CorpusError, Fault

# The dataset's own division of every recording in time (SparrKULee, split_data).
TIME_FRACTIONS = {"train": 0.8, "val": 0.1, "test": 0.1}


@dataclass(frozen=True)
class Series:
    """Numbers over time: one array, or several that follow each other.

    Attributes:
        pieces: the arrays in time order.
        time_axis: which axis of the files is time.
        n_channels: how many of the other axis to read, from the first.
    """

    pieces: tuple[ArrayFile, ...]
    time_axis: int
    n_channels: int

    @cached_property
    def n_times(self) -> int:
        """Samples in all pieces together."""
        return sum(piece.shape[self.time_axis] for piece in self.pieces)

    def read(self, start: int, stop: int) -> NDArray[np.float32]:
        """Samples ``start`` to ``stop`` as float32 (stop - start, n_channels), a copy.

        Its memory has the order of the files (channels one after the other where time is the files'
        second axis): transposing a crop would cost six times as much as copying it.

        Raises:
            IndexError: the range is not inside the series.
        """
        if not 0 <= start <= stop <= self.n_times:
            raise IndexError(f"samples {start}..{stop} of {self.n_times}")
        order: Literal["C", "F"] = "C" if self.time_axis == 0 else "F"
        out = np.empty((stop - start, self.n_channels), dtype=np.float32, order=order)
        begin = 0
        for piece in self.pieces:
            end = begin + piece.shape[self.time_axis]
            first, last = max(start, begin), min(stop, end)
            if first < last:
                array = piece.mapped()
                if self.time_axis == 0:
                    taken = array[first - begin : last - begin, : self.n_channels]
                else:
                    taken = array[: self.n_channels, first - begin : last - begin].T
                out[first - start : last - start] = taken
            begin = end
        return out


@dataclass(frozen=True)
class Recording:
    """One subject's EEG for one stimulus, with the features that are there.

    Attributes:
        subject: as in ``sub-003``.
        stimulus: the audio's name.
        part_samples: how many samples the train, val and test thirds of a cut in time have; their sum
            is the recording's length.
        eeg_series: (n_times or more, 64).
        feature_series: feature -> (n_times or more, n_bands); a feature without labels is absent.
        segment_id: where the corpus itself comes as segments, the segment's id; else empty.
    """

    subject: str
    stimulus: str
    part_samples: tuple[int, int, int]
    eeg_series: Series
    feature_series: Mapping[str, Series] = field(default_factory=dict)
    segment_id: str = ""

    @property
    def id(self) -> str:
        """Subject and stimulus, or the id of a given segment."""
        return self.segment_id or f"{self.subject}_{self.stimulus}"

    @property
    def n_times(self) -> int:
        """Samples in the recording."""
        return sum(self.part_samples)

    def bounds(self, part: str) -> tuple[int, int]:
        """First and last (exclusive) sample of a part, for cuts in time."""
        index = list(TIME_FRACTIONS).index(part)
        start = sum(self.part_samples[:index])
        return start, start + self.part_samples[index]

    def eeg(self, start: int, stop: int) -> NDArray[np.float32]:
        """EEG (stop - start, 64) float32.

        Raises:
            CorpusError: a number is not finite.
        """
        return self._finite(self.eeg_series.read(start, stop), "EEG", start)

    def feature(self, name: str, start: int, stop: int) -> NDArray[np.float32]:
        """A feature (stop - start, n_bands) float32.

        Raises:
            CorpusError: the recording has no such feature, or a number is not finite.
        """
        if name not in self.feature_series:
            raise CorpusError(
                Fault(
                    self.id,
                    f"no {name}",
                    remedy="Point --labels at the folder that holds it, or choose another --feature.",
                )
            )
        return self._finite(self.feature_series[name].read(start, stop), name, start)

    def _finite(self, values: NDArray[np.float32], what: str, start: int) -> NDArray[np.float32]:
        # The sum of squares is finite only where every number is, at half the cost of asking each.
        flat = values.ravel(order="K")
        if not np.isfinite(np.dot(flat, flat)) and not np.isfinite(values).all():
            bad = np.argwhere(~np.isfinite(values))
            raise CorpusError(
                Fault(
                    f"{self.id}: {what}",
                    f"{len(bad)} numbers that are not finite, the first at sample"
                    f" {start + int(bad[0, 0])}, channel {int(bad[0, 1])}",
                    "finite numbers",
                )
            )
        return values


@dataclass(frozen=True)
class SubjectFault:
    """Something broken that concerns one subject; it matters when a part with this subject is used.

    Attributes:
        subject: whose recording it is.
        fault: what is wrong.
        feature: the feature that is broken; empty where EEG is, which every use needs.
    """

    subject: str
    fault: Fault
    feature: str = ""


@dataclass(frozen=True)
class Corpus:
    """Recordings in one folder.

    Attributes:
        name: sparrkulee, simulated or dtu.
        layout: preprocessed, split_data, challenge or trials.
        folder: where it lies.
        simulated: True where nothing in it was measured on a person.
        recordings: sorted by subject and stimulus.
        faults: what is broken, by subject.
        notes: what a user should know, e.g. recordings cut to their shortest feature.
    """

    name: str
    layout: str
    folder: Path
    simulated: bool
    recordings: tuple[Recording, ...]
    faults: tuple[SubjectFault, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def words(self) -> str:
        """The corpus in words that never let simulated data pass for real."""
        return SIMULATED_WORDS if self.simulated else self.name

    @property
    def subjects(self) -> tuple[str, ...]:
        """Subjects with at least one usable recording, in natural order."""
        return tuple(dict.fromkeys(recording.subject for recording in self.recordings))

    @property
    def named_subjects(self) -> tuple[str, ...]:
        """Subjects with any recording, usable or broken: what "all subjects" means."""
        broken = (entry.subject for entry in self.faults)
        return tuple(dict.fromkeys([*self.subjects, *broken]))

    def of(self, subject: str) -> tuple[Recording, ...]:
        """A subject's recordings."""
        return tuple(r for r in self.recordings if r.subject == subject)


def cut_in_time(n_times: int) -> tuple[int, int, int]:
    """Samples of the three parts of a recording cut in time.

    The dataset's script gives each part ``int(shortest * fraction)`` samples from the running start,
    where ``shortest`` is the shortest of EEG and features; one or two samples at the end fall away.
    """
    train, val, test = (int(n_times * fraction) for fraction in TIME_FRACTIONS.values())
    return train, val, test


def natural_key(name: str) -> tuple[object, ...]:
    """Sort key in which S2 stands before S10; a number may be of any length."""
    key: list[object] = []
    for index, piece in enumerate(re.split(r"([0-9]+)", name)):  # text and numbers in turn
        digits = piece.lstrip("0")
        key.append((len(digits), digits) if index % 2 else piece)
    return tuple(key)
