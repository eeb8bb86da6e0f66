"""A part of a split, as numpy arrays: what is asked, and the references where they are public."""

from __future__ import annotations

import operator
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.conventions import SIMULATED_WORDS
from harness.errors import CorpusError, Fault, ShapeError, UsageError, counted
from harness.tasks.segments import Segment
from harness.tasks.task import Task

if TYPE_CHECKING:
    import pandas as pd

    from harness.api.dataset import PartDataset
    from harness.conventions import Array


class Sample(NamedTuple):
    """One segment.

    Attributes:
        id: as in ``sub-086_audiobook_2_003``.
        subject: whose EEG it is.
        eeg: (n_times, n_channels) float32.
        reference: (n_frames, n_bands) float32; None where it is not here, or held back.
    """

    id: str
    subject: str
    eeg: NDArray[np.float32]
    reference: NDArray[np.float32] | None


class Part:
    """The segments of one part of a split, in the order in which systems are asked.

        >>> from harness import api
        >>> data, split = api.simulate("small-corpus")
        >>> part = api.open_part(data, split=split, part="val")
        >>> len(part), part.subjects, part.n_bands
        (8, ('sub-027', 'sub-028'), 10)
        >>> sample = part[0]
        >>> sample.id, sample.eeg.shape, sample.reference.shape
        ('sub-027_simulated_02_000', (1920, 64), (1920, 10))
        >>> [sample.subject for sample in part][::4]
        ['sub-027', 'sub-028']

    References that nobody but an organiser has are not handed out, wherever this runs: systems are scored on
    such a part, and a sample's reference is None.

    Attributes:
        task: what is asked, as the rest of the kit has it.
    """

    def __init__(self, task: Task) -> None:
        self.task = task
        self._subject_read: tuple[str, Mapping[str, Array]] = ("", {})

    def __repr__(self) -> str:
        task = self.task
        words = f"; {SIMULATED_WORDS}" if task.corpus.simulated else ""
        return (
            f"Part {task.part} of {task.split.name}, {task.feature} of the {task.corpus.name} corpus:"
            f" {counted(len(self), 'segment')} of {counted(len(self.subjects), 'subject')}{words}"
        )

    def __len__(self) -> int:
        return len(self.task.segments)

    def __getitem__(self, index: int) -> Sample:
        segment = self.task.segments[operator.index(index)]
        reference = self._reference(segment) if self.has_references else None
        return Sample(segment.id, segment.subject, np.ascontiguousarray(segment.eeg()), reference)

    def __iter__(self) -> Iterator[Sample]:
        return (self[index] for index in range(len(self)))

    @property
    def ids(self) -> tuple[str, ...]:
        """Ids of the segments, in order."""
        return tuple(segment.id for segment in self.task.segments)

    @property
    def subjects(self) -> tuple[str, ...]:
        """Ids of the subjects, in order."""
        return tuple(self.task.by_subject)

    @property
    def n_channels(self) -> int:
        """EEG channels."""
        return self.task.n_channels

    @property
    def n_times(self) -> int:
        """EEG samples in a segment."""
        return self.task.sizes.segment_samples

    @property
    def n_frames(self) -> int:
        """Frames of the feature in a segment."""
        return self.task.n_frames

    @property
    def n_bands(self) -> int:
        """Numbers in a frame."""
        return self.task.n_bands

    @property
    def sample_rate_hz(self) -> float:
        """EEG samples a second."""
        return self.task.sample_rate_hz

    @cached_property
    def has_references(self) -> bool:
        """Whether there are references that may be handed out."""
        if self.task.is_held_back:
            return False
        if self.task.labels is not None:
            return True
        return all(self.task.feature in one.recording.feature_series for one in self.task.segments)

    def eeg(self) -> NDArray[np.float32]:
        """The EEG of all segments, (n_segments, n_times, n_channels) float32, in memory.

        Raises:
            CorpusError: files that cannot be read, or numbers that are not finite.
        """
        return np.stack([segment.eeg() for segment in self.task.segments])

    def references(self) -> NDArray[np.float32]:
        """The references of all segments, (n_segments, n_frames, n_bands) float32, in memory.

        Raises:
            UsageError: they are held back.
            CorpusError: they are not here, or cannot be read.
        """
        self.check_references()
        return np.stack([self._reference(segment) for segment in self.task.segments])

    def arrays(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """EEG and references of all segments, as scikit-learn's X and y.

        Raises:
            UsageError, CorpusError: as `eeg` and `references`.
        """
        return self.eeg(), self.references()

    def table(self) -> pd.DataFrame:
        """A row for each segment: id, subject, stimulus, and where in its recording it begins, in seconds.

        >>> from harness import api
        >>> data, split = api.simulate("small-corpus")
        >>> print(api.open_part(data, split=split, part="val").table().head(2).to_string())
                                 id  subject      stimulus  start_seconds
        0  sub-027_simulated_02_000  sub-027  simulated_02            0.0
        1  sub-027_simulated_02_001  sub-027  simulated_02           30.0
        """
        import pandas as pd

        rows = [
            (one.id, one.subject, one.recording.stimulus, one.start / self.sample_rate_hz)
            for one in self.task.segments
        ]
        return pd.DataFrame(rows, columns=["id", "subject", "stimulus", "start_seconds"])

    def dataset(self, *, channels_first: bool = False) -> PartDataset:
        """A torch ``Dataset`` of (EEG, reference), float32 tensors; files are read when an item is asked for.

        Args:
            channels_first: (n_channels, n_times) and (n_bands, n_frames), as torch's convolutions take them.

        Raises:
            UsageError, CorpusError: as `references`.
        """
        from harness.api.dataset import PartDataset

        self.check_references()
        return PartDataset(self, channels_first=channels_first)

    def by_id(self, predictions: Array) -> dict[str, Array]:
        """Predictions that are stacked in the order of `ids`, as a mapping by id: what is scored.

        Args:
            predictions: (n_segments, n_frames, n_bands).

        Raises:
            ShapeError: another shape.
        """
        expected = (len(self), self.n_frames, self.n_bands)
        arrived = np.shape(predictions)
        if arrived != expected:
            names = "(n_segments, n_frames, n_bands)"
            raise ShapeError(Fault("predictions", f"shape {arrived}", f"{expected} {names}"))
        return dict(zip(self.ids, predictions, strict=True))

    def check_references(self) -> None:
        """Refuse a part whose references are not here, or held back.

        Raises:
            UsageError: they are held back.
            CorpusError: they are not here.
        """
        if self.task.is_held_back:
            raise UsageError(
                Fault(
                    f"{self.task.corpus.folder}: part {self.task.part}",
                    "references that are held back",
                    "a part whose references are public",
                    "Systems are scored on this part; look at, and train on, another.",
                )
            )
        if not self.has_references:
            raise CorpusError(
                Fault(
                    f"{self.task.corpus.folder}: part {self.task.part} of split {self.task.split.name}",
                    f"no {self.task.feature} for some of its segments",
                    "references",
                    "Name the folder or file that holds them: open_part(..., labels=...).",
                )
            )

    def _reference(self, segment: Segment) -> NDArray[np.float32]:
        if self.task.labels is None:
            return np.ascontiguousarray(segment.feature(self.task.feature))
        subject, stored = self._subject_read
        if subject != segment.subject:  # those that lie apart are read subject by subject
            stored = self.task.references(segment.subject)
            self._subject_read = (segment.subject, stored)
        return np.asarray(stored[segment.id], np.float32)
