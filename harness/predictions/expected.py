"""What a predictions file must hold, and the list of everything that is wrong with one.

A segment is named ``subject/segment_id`` in messages and npz files; an id that begins with its
subject (``sub-003_simulated_01_000``) is already such a name and stands alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from harness.errors import MAX_SHOWN, Fault, PredictionsError, counted, raise_all
from harness.features.catalogue import N_MEL_BANDS

BYTES_PER_NUMBER = 48
"""The most a number may take in JSON: a float64 needs 26 with its comma and space, and a file
indented by four adds 13."""
SLACK_BYTES = 1 << 16
"""Room for braces, segment ids and white space."""
OVERSIZE = 4
"""A segment up to this many times too large is still read, so that its shape can be told."""

BASELINE_TIMES = (1905, 1920)
"""Frames that the organisers' linear baseline emits (a valid convolution), and frames asked."""


@dataclass(frozen=True)
class SegmentForm:
    """The shape of one segment's array.

    Attributes:
        n_times: frames; None where any number of them will do (hidden references).
        n_bands: columns, the feature's numbers a frame.
        feature: its name.
    """

    n_times: int | None
    n_bands: int
    feature: str

    @property
    def most_bytes(self) -> int | None:
        """The most bytes one segment may take as JSON; None where ``n_times`` is open."""
        if self.n_times is None:
            return None
        return OVERSIZE * BYTES_PER_NUMBER * self.n_times * max(self.n_bands, N_MEL_BANDS) + SLACK_BYTES

    def __str__(self) -> str:
        n_times = "any" if self.n_times is None else self.n_times
        return f"({n_times}, {self.n_bands}) (n_frames, n_bands)"

    def fault(self, where: str, shape: tuple[int, ...]) -> Fault | None:
        """Say what is wrong with ``shape``; None where nothing is."""
        if self.n_times is None:
            fits = len(shape) == 2 and shape[0] > 0 and shape[1] == self.n_bands
        else:
            fits = shape == (self.n_times, self.n_bands)
        return None if fits else self.misfit(where, shape)

    def misfit(self, where: str, shape: tuple[int, ...]) -> Fault:
        """The fault of a shape that is not this one."""
        return Fault(where, f"shape {shape}", str(self), self._remedy(shape))

    def _remedy(self, shape: tuple[int, ...]) -> str:
        if len(shape) != 2:
            flat = len(shape) == 1 and self.n_bands == 1
            return "Save array[:, None]: one list of one number a frame." if flat else ""
        n_times, n_bands = shape
        if n_times == self.n_bands and (n_bands == self.n_times or self.n_times is None):
            return "Axes look swapped: save array.T."
        if n_bands != self.n_bands:
            return f"The scored feature is {self.feature}: {counted(self.n_bands, 'number')} a frame."
        if (n_times, self.n_times) == BASELINE_TIMES:
            return (
                "1905 frames are what a valid convolution leaves, as in the organisers' linear "
                "baseline: predict all 1920; a wrong length is refused, never padded."
            )
        return "A wrong length is refused, never padded or trimmed."


@dataclass(frozen=True)
class Expected:
    """The segments that a predictions file answers.

    Attributes:
        segment_ids: subject -> its segment ids, both in order.
        n_times: frames of every segment.
        n_bands: columns of every segment, the feature's numbers a frame.
        feature: its name.
    """

    segment_ids: Mapping[str, Sequence[str]]
    n_times: int
    n_bands: int
    feature: str

    @property
    def form(self) -> SegmentForm:
        """The shape that every segment must have."""
        return SegmentForm(self.n_times, self.n_bands, self.feature)

    def most_bytes(self, subject: str) -> int:
        """The most bytes that the JSON file of ``subject`` may hold."""
        ids = self.segment_ids[subject]
        # Room for ten bands where fewer are asked, so that the shape of another feature can be told.
        numbers = len(ids) * self.n_times * max(self.n_bands, N_MEL_BANDS)
        return BYTES_PER_NUMBER * numbers + 6 * sum(map(len, ids)) + SLACK_BYTES


class FaultList:
    """Every fault of one file; of each kind the first few in full, the others as a count.

    Args:
        where: the file, for the counts.
    """

    def __init__(self, where: str) -> None:
        self.where = where
        self._shown: dict[str, list[Fault]] = {}
        self._more: dict[str, int] = {}

    def __bool__(self) -> bool:
        return bool(self._shown)

    def add(self, kind: str, *faults: Fault) -> None:
        """Add faults of one kind; ``kind`` is a plural that reads well after "40 more"."""
        shown = self._shown.setdefault(kind, [])
        room = MAX_SHOWN - len(shown)
        shown.extend(faults[:room])
        self.count(kind, len(faults[room:]))

    def room(self, kind: str) -> bool:
        """Whether a further fault of this kind would be shown, so is worth its remedy."""
        return len(self._shown.get(kind, ())) < MAX_SHOWN

    def count(self, kind: str, n: int = 1) -> None:
        """Count faults that there is no room to show."""
        self._more[kind] = self._more.get(kind, 0) + n

    def raise_all(self) -> None:
        """Raise PredictionsError with all of them, kind by kind; return where there is none."""
        faults: list[Fault] = []
        for kind, shown in self._shown.items():
            faults += shown
            more = self._more[kind]
            if more:
                faults.append(Fault(self.where, f"and {more} more {kind}"))
        raise_all(PredictionsError, faults)


def segment_name(subject: str, segment_id: str) -> str:
    """Name a segment across subjects: in messages, and as the key in an npz file."""
    own = segment_id.startswith(f"{subject}_")
    return segment_id if own else f"{subject}/{segment_id}"
