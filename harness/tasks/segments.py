"""The fixed cuts of a part: what is asked of every system.

A segment's id names subject, stimulus and index, the index last: ``sub-086_audiobook_2_003``. The same
recording gives the same segments in every layout. The rest of a stretch that is shorter than a segment is
left out. The index counts the part's segments of a recording; for cuts into blocks or at random, all of them,
so that a segment has one id in whatever part it is.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray

from harness.corpus.base import MOST_LENGTH_DIFFERENCE, Corpus, Recording, with_frame_rates
from harness.corpus.channels import named_channels, without_channels
from harness.corpus.declaration import Declaration
from harness.errors import CorpusError, Fault, SplitError, counted, did_you_mean, raise_all, shorten, some_of
from harness.tasks.sizes import check_rate_of_split
from harness.tasks.splits import PARTS, Split


@dataclass(frozen=True)
class Segment:
    """A fixed cut of a recording.

    Attributes:
        id: unique within its part.
        recording: where it comes from.
        start: first EEG sample.
        stop: last EEG sample, exclusive.
    """

    id: str
    recording: Recording
    start: int
    stop: int

    @property
    def subject(self) -> str:
        """Id of the subject, as in ``sub-003``."""
        return self.recording.subject

    def eeg(self) -> NDArray[np.float32]:
        """EEG (n_times, n_channels) float32."""
        return self.recording.eeg(self.start, self.stop, once=True)

    def stored_eeg(self) -> NDArray[np.float32]:
        """The same as the files hold it, excluded channels too."""
        return self.recording.stored_eeg(self.start, self.stop)

    def feature(self, name: str) -> NDArray[np.float32]:
        """The reference (n_frames, n_bands) float32; n_frames is n_times at the EEG's rate."""
        return self.recording.feature(name, self.start, self.stop)


def cut_segments(
    corpus: Corpus, split: Split, part: str, *, partial: bool = False, feature: str | None = None
) -> tuple[Segment, ...]:
    """Cut a part into segments.

    Args:
        corpus: where the data lie.
        split: who is in the part, and how recordings are cut.
        part: train, val or test.
        partial: go on although subjects or stimuli of the part are not in the corpus.
        feature: the only feature that matters; None for all, "" for none.

    Raises:
        SplitError: the split has no such part, or is not for this corpus.
        CorpusError: subjects are missing, or have broken recordings, or no whole segment.
    """
    segments = []
    faults = []
    subjects = part_subjects(corpus, split, part, partial=partial, feature=feature)
    check_frames(corpus, split, subjects, feature)
    for subject in subjects:
        cut = [
            segment
            for recording in _recordings(corpus, split, part, subject)
            for segment in _cut(recording, corpus.name, split, part)
        ]
        if not cut:
            faults.append(
                Fault(
                    subject,
                    f"no stretch of {split.segment_seconds:g} s in part {part}",
                    f"recordings of {counted(split.segment_samples, 'sample')} or more",
                )
            )
        segments += cut
    raise_all(CorpusError, faults)
    return tuple(segments)


def part_subjects(
    corpus: Corpus, split: Split, part: str, *, partial: bool = False, feature: str | None = None
) -> tuple[str, ...]:
    """The part's subjects that are in the corpus, after checking that nothing is missing or broken.

    Raises:
        SplitError: the split has no such part, or is not for this corpus.
        CorpusError: subjects are missing (unless ``partial``), or have broken recordings.
    """
    check_fit(corpus, split)
    named = split.subjects(part, corpus.named_subjects)
    absent = missing_subjects(corpus, split, part)
    broken = [
        entry.fault
        for entry in corpus.faults
        if entry.subject in named and (not entry.feature or feature in (None, entry.feature))
    ]
    lacking = [] if partial else _stimulus_faults(corpus, split, part)
    raise_all(CorpusError, list(dict.fromkeys([*broken, *lacking])))
    present = tuple(subject for subject in named if subject not in absent)
    if not present or (absent and not partial):
        raise CorpusError(
            Fault(
                f"{corpus.folder}: part {part} of split {split.name}",
                f"{some_of(len(absent), len(named), 'subject', 'is', 'are')} not in the corpus:"
                f" {shorten(absent)}",
                "recordings of every subject",
                _other_case(absent[0], corpus.named_subjects)
                or "--partial goes on with those that are there."
                if present
                else _other_parts(corpus, split, part),
            )
        )
    return present


def missing_stimuli(corpus: Corpus, split: Split, part: str) -> tuple[str, ...]:
    """Stimuli that a part needs, and the corpus should have and lacks."""
    present = {recording.stimulus for recording in corpus.recordings}
    needed = split.stimuli.get(part, tuple(corpus.stimuli_missing))
    return tuple(stimulus for stimulus in needed if stimulus not in present)


def _stimulus_faults(corpus: Corpus, split: Split, part: str) -> list[Fault]:
    remedy = "--partial goes on with those that are there; the record names the others."
    faults = []
    for stimulus in missing_stimuli(corpus, split, part):
        known = corpus.stimuli_missing.get(stimulus)
        if known is None:
            where = f"{corpus.folder}: part {part} of split {split.name}"
            known = Fault(where, f"no recording of {stimulus}", "recordings of every stimulus that it names")
        faults.append(replace(known, remedy=known.remedy or remedy))
    return faults


def _other_parts(corpus: Corpus, split: Split, part: str) -> str:
    """What can be scored where no subject of a part is there."""
    parts = []
    for other in split.parts:
        named = split.subjects(other, corpus.named_subjects)
        here = len(named) - len(missing_subjects(corpus, split, other))
        if other not in (part, "train") and here:  # no command scores the training part
            parts.append(f"{other} ({some_of(here, len(named), 'subject')})")
    if not parts:
        return (
            "No subject of another part that can be scored is there: choose another --split, or point --data"
            " at another corpus."
        )
    return f"The parts with subjects here: {', '.join(parts)}. Choose one with --part."


def _other_case(name: str, known: Sequence[str]) -> str:
    """A remedy where a subject is there under a name that differs only in case."""
    found = next((one for one in known if one.casefold() == name.casefold()), "")
    return f"Did you mean {found!r}? Correct the split." if found else ""


def missing_subjects(corpus: Corpus, split: Split, part: str) -> tuple[str, ...]:
    """Subjects that a part names and the corpus lacks."""
    present = set(corpus.subjects)
    return tuple(s for s in split.subjects(part, corpus.named_subjects) if s not in present)


def check_fit(corpus: Corpus, split: Split) -> None:
    """Refuse a split that is not for this corpus.

    Raises:
        SplitError: another corpus, another sample rate, subjects or channels that the corpus does not list,
            or given segments where there are none.
    """
    if corpus.name not in split.corpora:
        raise SplitError(
            Fault(
                f"split {split.name}",
                f"the corpus {corpus.name} in {corpus.folder}",
                f"a corpus of {', '.join(split.corpora)}",
                f"Choose another --split or --data, or list {corpus.name} under corpora in the split's file.",
            )
        )
    check_rate_of_split(corpus.declaration, split)
    split_channels(corpus.declaration, split)
    listed = corpus.declaration.subjects
    named = dict.fromkeys(name for part in split.parts.values() for name in part or ())
    unknown = [name for name in named if listed is not None and name not in listed]
    if unknown and not corpus.declaration.is_shipped:
        raise SplitError(
            Fault(
                f"split {split.name}",
                f"unknown subjects {shorten(unknown)}",
                f"subjects that the corpus {corpus.name} lists",
                did_you_mean(unknown[0], sorted(listed or ())),
            )
        )
    if split.cut == "given" and corpus.layout != "challenge":
        raise SplitError(
            Fault(
                f"split {split.name}",
                f"the layout {corpus.layout} in {corpus.folder}",
                "a corpus that comes as segments: the challenge's test set",
            )
        )


def stretches(
    corpus: Corpus, split: Split, part: str, feature: str | None = None, *, partial: bool = False
) -> Iterator[tuple[Recording, int, int]]:
    """The part's share of every recording, uncut: recording, first and last (exclusive) sample.

    Args:
        corpus: where the data lie.
        split: who is in the part, and how recordings are cut.
        part: train, val or test.
        feature: the only feature that matters; None for all.
        partial: go on although subjects or stimuli of the part are not in the corpus.

    Raises:
        SplitError, CorpusError: as :func:`part_subjects`.
    """
    subjects = part_subjects(corpus, split, part, partial=partial, feature=feature)
    check_frames(corpus, split, subjects, feature)
    for subject in subjects:
        for recording in _recordings(corpus, split, part, subject):
            for start, stop in _bounds(recording, corpus.name, split, part):
                yield recording, start, stop


def check_frames(corpus: Corpus, split: Split, subjects: Iterable[str], feature: str | None = None) -> None:
    """Refuse features with a number of frames a segment whose files hold another number of frames.

    Only a split says how long a segment is, so that this cannot be known when a corpus is opened. The rest
    of a recording that is shorter than a segment may have frames or not.

    Args:
        corpus: where the data lie.
        split: how long a segment is.
        subjects: whose recordings.
        feature: the only feature that matters; None for all.

    Raises:
        CorpusError: more or fewer frames than the recordings' segments have.
    """
    faults = []
    for declared in corpus.declaration.features.values():
        each = declared.frames_per_segment
        if each is None or feature not in (None, declared.name):
            continue
        for recording in (one for subject in subjects for one in corpus.of(subject)):
            series = recording.feature_series.get(declared.name)
            whole = recording.n_times // split.segment_samples
            begun = -(-recording.eeg_series.n_times // split.segment_samples)
            least = whole * each * (1 - MOST_LENGTH_DIFFERENCE)
            most = begun * each * (1 + MOST_LENGTH_DIFFERENCE)
            if series is None or least <= series.n_times <= most:
                continue
            faults.append(
                Fault(
                    f"{recording.id}: {declared.name}",
                    f"{counted(series.n_times, 'frame')} beside"
                    f" {counted(recording.eeg_series.n_times, 'sample')} of EEG",
                    f"about {counted(whole * each, 'frame')}, {each} for each segment of"
                    f" {split.segment_seconds:g} s",
                    "Is frames_per_segment another than declared, or does the split cut other segments?",
                )
            )
    raise_all(CorpusError, faults)


def by_subject(segments: Sequence[Segment]) -> Mapping[str, tuple[Segment, ...]]:
    """Segments by subject, both in the order given."""
    grouped: dict[str, list[Segment]] = {}
    for segment in segments:
        grouped.setdefault(segment.subject, []).append(segment)
    return {subject: tuple(group) for subject, group in grouped.items()}


def _recordings(corpus: Corpus, split: Split, part: str, subject: str) -> list[Recording]:
    """A subject's recordings in a part, as this split has them: frames for each EEG sample, its channels."""
    stimuli = split.stimuli.get(part)
    excluded = split_channels(corpus.declaration, split)
    return [
        without_channels(
            with_frame_rates(recording, corpus.declaration, split.segment_seconds),
            corpus.declaration,
            excluded,
        )
        for recording in corpus.of(subject)
        if stimuli is None or recording.stimulus in stimuli
    ]


def split_channels(declaration: Declaration, split: Split) -> tuple[str, ...]:
    """The channels that a split excludes, by the names that the corpus has for them.

    Raises:
        SplitError: the corpus has no such channel, or no other.
    """
    where = f"split {split.name}: exclude_channels"
    return named_channels(declaration, split.exclude_channels, where, SplitError)


def _bounds(recording: Recording, corpus: str, split: Split, part: str) -> list[tuple[int, int]]:
    """The part's stretches of a recording in time order: first and last (exclusive) sample; none is empty."""
    if split.cut == "in-time":
        stretches = [recording.bounds(part, split.time_fractions)]
    elif split.cut == "blocks":
        stretches = _block_bounds(recording.n_times, corpus, split, part)
    elif split.cut == "random":
        stretches = _drawn_bounds(recording, split, part)
    else:
        stretches = [(0, recording.n_times)]
    return [(start, stop) for start, stop in stretches if stop > start]


def _block_bounds(n_times: int, corpus: str, split: Split, part: str) -> list[tuple[int, int]]:
    """The part's blocks, without their edges; one that the recording's end cuts off is left out."""
    blocks = split.blocks[corpus]
    length, edge = (
        round(seconds * split.sample_rate_hz) for seconds in (blocks.seconds, blocks.edge_seconds)
    )
    numbers = [number for number in sorted(blocks.parts[part]) if (number + 1) * length <= n_times]
    return [(number * length + edge, (number + 1) * length - edge) for number in numbers]


def _drawn_bounds(recording: Recording, split: Split, part: str) -> list[tuple[int, int]]:
    """The part's segments, drawn from the recording's; those that follow each other are one stretch."""
    length = split.segment_samples
    n_segments = recording.n_times // length
    key = hashlib.sha256(f"{split.seed} {recording.id}".encode()).digest()
    order = np.random.default_rng(np.frombuffer(key, dtype="<u4")).permutation(n_segments)
    ends = [round(n_segments * share) for share in accumulate(split.time_fractions.values())]
    place = PARTS.index(part)
    drawn = np.sort(order[0 if place == 0 else ends[place - 1] : ends[place]])
    runs = np.split(drawn, np.flatnonzero(np.diff(drawn) > 1) + 1) if len(drawn) else []
    return [(int(run[0]) * length, (int(run[-1]) + 1) * length) for run in runs]


def _cut(recording: Recording, corpus: str, split: Split, part: str) -> list[Segment]:
    length = split.segment_samples
    if recording.segment_id:
        if recording.n_times != length:
            raise CorpusError(
                Fault(recording.id, counted(recording.n_times, "sample"), counted(length, "sample"))
            )
        return [Segment(recording.segment_id, recording, 0, length)] if part == "test" else []
    starts = [
        first
        for start, stop in _bounds(recording, corpus, split, part)
        for first in range(start, stop - length + 1, length)
    ]
    whole = split.cut in ("blocks", "random")
    numbers = [first // length for first in starts] if whole else range(len(starts))
    return [
        Segment(f"{recording.id}_{number:03d}", recording, first, first + length)
        for number, first in zip(numbers, starts, strict=True)
    ]
