"""A corpus: recordings of EEG with the features of the speech that was heard.

Everything here is lazy: a corpus knows shapes and where the numbers lie, and reads samples when a
segment or a crop is asked for. Arrays are ``(n_times, n_channels)`` or ``(n_times, n_bands)`` float32,
whatever the files' own order and type.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from harness.conventions import SIMULATED_WORDS
from harness.corpus.array_files import ArrayFile, over_time
from harness.corpus.declaration import Declaration
from harness.errors import CorpusError, Fault, counted

# The dataset's own division of every recording in time (SparrKULee, split_data).
TIME_FRACTIONS: Mapping[str, float] = {"train": 0.8, "val": 0.1, "test": 0.1}
# EEG and features of one recording may differ in length by this share of the longer. Beyond it, one has
# another rate or is of another recording.
MOST_LENGTH_DIFFERENCE = 0.02


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

    def read(self, start: int, stop: int, *, once: bool = False) -> NDArray[np.float32]:
        """Samples ``start`` to ``stop`` as float32 (stop - start, n_channels), a copy.

        Its memory has the order of the files (channels one after the other where time is the files'
        second axis): transposing a crop would cost six times as much as copying it.

        Args:
            start: first sample.
            stop: last sample, exclusive.
            once: read the files without a map, which pays only where they are read again and again.

        Raises:
            IndexError: the range is not inside the series.
            CorpusError: a file that was removed or cut short since it was opened.
        """
        if not 0 <= start <= stop <= self.n_times:
            raise IndexError(f"samples {start}..{stop} of {self.n_times}")
        if once and len(self.pieces) == 1:
            whole = self.pieces[0].stretch(start, stop, self.time_axis, self.n_channels)
            return whole.astype(np.float32, copy=False)
        order: Literal["C", "F"] = "C" if self.time_axis == 0 else "F"
        out = np.empty((stop - start, self.n_channels), dtype=np.float32, order=order)
        begin = 0
        for piece in self.pieces:
            end = begin + piece.shape[self.time_axis]
            first, last = max(start, begin), min(stop, end)
            if first < last:
                wanted = (first - begin, last - begin, self.time_axis, self.n_channels)
                taken = piece.stretch(*wanted) if once else over_time(piece.mapped(), *wanted)
                out[first - start : last - start] = taken
            begin = end
        return out


@dataclass(frozen=True)
class Recording:
    """One subject's EEG for one stimulus, with the features that are there.

    Attributes:
        subject: as in ``sub-003``.
        stimulus: the audio's name; empty where it is not known what was heard.
        part_samples: samples of the train, val and test part where the recording is cut in time; their
            sum is the recording's length.
        eeg_series: (n_times or more, n_channels).
        feature_series: feature -> (n_frames or more, n_bands); a feature without labels is absent.
        segment_id: where the corpus itself comes as segments, the segment's id; else empty.
        frames_per_sample: feature -> frames for each EEG sample, where it is not 1.
        session: where file names tell sessions apart; else empty.
        run: likewise.
        channels_excluded: numbers of the channels, from 0, that are zero in whatever EEG is read.
    """

    subject: str
    stimulus: str
    part_samples: tuple[int, int, int]
    eeg_series: Series
    feature_series: Mapping[str, Series] = field(default_factory=dict)
    segment_id: str = ""
    frames_per_sample: Mapping[str, Fraction] = field(default_factory=dict)
    session: str = ""
    run: str = ""
    channels_excluded: tuple[int, ...] = ()

    @property
    def id(self) -> str:
        """Subject, session, run and stimulus, as far as there are any; or the id of a given segment."""
        known = (self.subject, self.session, self.run, self.stimulus)
        return self.segment_id or "_".join(filter(None, known))

    @property
    def n_times(self) -> int:
        """EEG samples of the three parts together."""
        return sum(self.part_samples)

    def bounds(self, part: str, fractions: Mapping[str, float] = TIME_FRACTIONS) -> tuple[int, int]:
        """First and last (exclusive) sample of a part, for cuts in time."""
        own = fractions == TIME_FRACTIONS
        samples = self.part_samples if own else cut_in_time(self.n_times, fractions)
        index = list(TIME_FRACTIONS).index(part)
        start = sum(samples[:index])
        return start, start + samples[index]

    def eeg(self, start: int, stop: int, *, once: bool = False) -> NDArray[np.float32]:
        """EEG (stop - start, n_channels) float32.

        Args:
            start: first sample.
            stop: last sample, exclusive.
            once: as in :meth:`Series.read`.

        Raises:
            CorpusError: a number is not finite, or a file cannot be read any more.
        """
        eeg = self.eeg_series.read(start, stop, once=once)
        if self.channels_excluded:
            eeg[:, list(self.channels_excluded)] = 0
        return self._finite(eeg, "EEG", start)

    def stored_eeg(self, start: int, stop: int) -> NDArray[np.float32]:
        """EEG as the files hold it, excluded channels too, whatever the numbers are: for fingerprints."""
        return self.eeg_series.read(start, stop, once=True)

    def feature(self, name: str, start: int, stop: int) -> NDArray[np.float32]:
        """A feature over a stretch of EEG: (n_frames, n_bands) float32, one frame a sample at the EEG's rate.

        At another rate it begins with the frame that holds the sample ``start``.

        Args:
            name: of the feature.
            start: first EEG sample.
            stop: last EEG sample, exclusive.

        Raises:
            CorpusError: the recording has no such feature, too few frames, or a number is not finite.
        """
        if name not in self.feature_series:
            raise CorpusError(
                Fault(
                    self.id,
                    f"no {name}",
                    remedy="Point --labels at the folder that holds it, or choose another --feature.",
                )
            )
        series = self.feature_series[name]
        ratio = self.frames_per_sample.get(name)
        if ratio is None:
            return self._finite(series.read(start, stop), name, start)
        first = int(start * ratio)
        last = first + int((stop - start) * ratio)
        if last > series.n_times:
            raise CorpusError(
                Fault(
                    f"{self.id}: {name}",
                    counted(series.n_times, "frame"),
                    f"{last} or more, for the EEG's samples up to {stop}",
                )
            )
        return self._finite(series.read(first, last), name, first)

    def _finite(self, values: NDArray[np.float32], what: str, start: int) -> NDArray[np.float32]:
        # The sum of squares is finite only where every number is, at half the cost of asking each.
        flat = values.ravel(order="K")
        if not np.isfinite(np.dot(flat, flat)) and not np.isfinite(values).all():
            bad = np.argwhere(~np.isfinite(values))
            raise CorpusError(
                Fault(
                    f"{self.id}: {what}",
                    f"{counted(len(bad), 'number')} that {'is' if len(bad) == 1 else 'are'} not finite,"
                    " the first at sample"
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
        declaration: what the corpus is.
        layout: the reader that knew its files: preprocessed, split_data, challenge, trials, declared (by
            the patterns of a corpus.toml), or labels (references only, no EEG).
        folder: where it lies.
        recordings: sorted by subject and stimulus.
        faults: what is broken, by subject.
        notes: what a user should know, e.g. recordings cut to their shortest feature.
        absent: features that the declaration names and no file holds, and the fault that says so.
        stimuli_missing: stimuli that the corpus should have and lacks, and the fault that says so.
        further_files: files and folders beside ``folder`` and ``files`` that tell what was heard.
    """

    declaration: Declaration
    layout: str
    folder: Path
    recordings: tuple[Recording, ...]
    faults: tuple[SubjectFault, ...] = ()
    notes: tuple[str, ...] = ()
    absent: Mapping[str, Fault] = field(default_factory=dict)
    stimuli_missing: Mapping[str, Fault] = field(default_factory=dict)
    further_files: frozenset[Path] = frozenset()

    @property
    def name(self) -> str:
        """The corpus's name, as in its declaration."""
        return self.declaration.name

    @property
    def simulated(self) -> bool:
        """Whether nothing in it was measured on a person."""
        return self.declaration.simulated

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

    @property
    def files(self) -> frozenset[Path]:
        """Every file that EEG or a feature is read from, and further ones; some lie outside the folder."""
        series = (
            each for found in self.recordings for each in (found.eeg_series, *found.feature_series.values())
        )
        return frozenset(piece.path for each in series for piece in each.pieces) | self.further_files

    def of(self, subject: str) -> tuple[Recording, ...]:
        """A subject's recordings."""
        return tuple(r for r in self.recordings if r.subject == subject)


def cut_in_time(n_times: int, fractions: Mapping[str, float] = TIME_FRACTIONS) -> tuple[int, int, int]:
    """Samples of the three parts of a recording cut in time.

    The dataset's script gives each part ``int(shortest * fraction)`` samples from the running start,
    where ``shortest`` is the shortest of EEG and features; one or two samples at the end fall away.

    Args:
        n_times: samples of the recording.
        fractions: part -> its share, in order.
    """
    train, val, test = (int(n_times * fractions[part]) for part in TIME_FRACTIONS)
    return train, val, test


def with_frame_rates(
    recording: Recording, declaration: Declaration, segment_seconds: float | None = None
) -> Recording:
    """A recording that knows how many frames its features have for each EEG sample.

    Args:
        recording: with feature series.
        declaration: of the corpus.
        segment_seconds: of a split, for features with a number of frames a segment.
    """
    ratios = {
        name: declaration.features[name].frames_per_sample(declaration.sample_rate_hz, segment_seconds)
        for name in recording.feature_series
        if name in declaration.features
    }
    others = {name: ratio for name, ratio in ratios.items() if ratio != 1}
    if others == recording.frames_per_sample:
        return recording
    return replace(recording, frames_per_sample=others)


def length_fault(
    where: str,
    feature: str,
    n_samples: int,
    n_frames: int,
    frames_per_sample: Fraction = Fraction(1),
    tail_samples: float = 0,
) -> Fault | None:
    """The fault of a feature that is much longer or shorter than its EEG; None where it is not.

    Args:
        where: the recording, for the message.
        feature: its name.
        n_samples: of the EEG.
        n_frames: of the feature.
        frames_per_sample: as declared; 0 where a split decides.
        tail_samples: how much longer than the feature EEG may always be.
    """
    expected = float(n_samples * frames_per_sample)
    if (
        not expected
        or 0 <= expected - n_frames <= tail_samples
        or abs(n_frames - expected) <= MOST_LENGTH_DIFFERENCE * max(float(n_frames), expected)
    ):
        return None
    return Fault(
        f"{where}: {feature}",
        f"{counted(n_frames, 'frame')} beside {counted(n_samples, 'sample')} of EEG",
        f"about {counted(round(expected), 'frame')}, at the rates of the corpus",
        "Lengths may differ by 2 %: is a sampling rate another than declared, or is it another recording?",
    )


def wide_notes(recordings: Iterable[Recording], declaration: Declaration) -> list[str]:
    """A note where EEG files have more channels than are read; no note where none has."""
    widths = [
        piece.shape[1 - recording.eeg_series.time_axis]
        for recording in recordings
        for piece in recording.eeg_series.pieces
    ]
    widest = max(widths, default=0)
    if widest <= declaration.n_channels:
        return []
    return [
        f"EEG files with up to {widest} channels: the first {declaration.n_channels} are read, as"
        f" {declaration.name} declares"
    ]


def cut_notes(cuts: Sequence[tuple[int, str]]) -> list[str]:
    """A note where recordings were cut to their shortest series; no note where none was.

    Args:
        cuts: for each recording that was cut, how many samples were left out, and its id.
    """
    if not cuts:
        return []
    most, recording = max(cuts)
    return [
        f"{counted(len(cuts), 'recording')} cut to the shortest of EEG and features, by"
        f" {counted(most, 'sample')} at most"
        f" ({recording})"
    ]


def case_faults(subjects: Iterable[str], where: str) -> list[Fault]:
    """Faults of names that differ only in case, which many disks take for one name."""
    groups: dict[str, list[str]] = {}
    for subject in sorted(set(subjects)):
        groups.setdefault(subject.casefold(), []).append(subject)
    return [
        Fault(
            where,
            f"{' and '.join(names)} differ only in case",
            "names that differ in more",
            "Rename one of them, in every file.",
        )
        for names in groups.values()
        if len(names) > 1
    ]


def natural_key(name: str) -> tuple[object, ...]:
    """Sort key in which S2 stands before S10; a number may be of any length."""
    key: list[object] = []
    for index, piece in enumerate(re.split(r"([0-9]+)", name)):  # text and numbers in turn
        digits = piece.lstrip("0")
        key.append((len(digits), digits) if index % 2 else piece)
    return tuple(key)
