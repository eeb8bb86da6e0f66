"""The sizes of a task: bands, frames, channels, samples, and the rate."""

from __future__ import annotations

from dataclasses import dataclass

from harness.corpus.declaration import Declaration
from harness.errors import CorpusError, Fault, SplitError
from harness.tasks.splits import Split


@dataclass(frozen=True)
class Sizes:
    """What a corpus, a split and a feature together decide.

    Attributes:
        feature: its name.
        n_bands: numbers a frame of the feature.
        n_frames: frames of the feature in a segment.
        n_channels: EEG channels.
        segment_samples: EEG samples in a segment.
        sample_rate_hz: EEG samples a second.
    """

    feature: str
    n_bands: int
    n_frames: int
    n_channels: int
    segment_samples: int
    sample_rate_hz: float


def sizes(declaration: Declaration, split: Split, feature: str) -> Sizes:
    """The sizes of a task.

    Raises:
        SplitError: the corpus has another rate or no such feature, or a segment has no whole number of its
            frames.
    """
    check_rate_of_split(declaration, split)
    try:
        declared = declaration.feature(feature)
    except CorpusError as error:
        raise SplitError(*error.faults) from None
    frames = declared.frames(split.segment_seconds)
    if frames.denominator != 1 or frames < 1:
        raise SplitError(
            Fault(
                f"split {split.name}",
                f"segments of {split.segment_seconds:g} s, {float(frames):g} frames of {feature} at"
                f" {declared.frame_rate_hz:g} Hz",
                "a whole number of frames",
                "Choose another segment_seconds; nothing is resampled or rounded here.",
            )
        )
    return Sizes(
        feature=feature,
        n_bands=declared.n_bands,
        n_frames=int(frames),
        n_channels=declaration.n_channels,
        segment_samples=split.segment_samples,
        sample_rate_hz=declaration.sample_rate_hz,
    )


def check_rate_of_split(declaration: Declaration, split: Split) -> None:
    """Refuse a split of another sampling rate than the corpus's.

    Raises:
        SplitError: another rate.
    """
    if split.sample_rate_hz != declaration.sample_rate_hz:
        raise SplitError(
            Fault(
                f"split {split.name}",
                f"{split.sample_rate_hz:g} Hz",
                f"{declaration.sample_rate_hz:g} Hz, the rate of the corpus {declaration.name}",
                "Write a split with the corpus's rate; nothing is resampled here.",
            )
        )
