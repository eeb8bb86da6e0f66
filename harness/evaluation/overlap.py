"""What a system's weights have seen of what is scored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import msgspec
import numpy as np

from harness.files import read_regular
from harness.records.record import MOST_RECORD_BYTES, Overlap
from harness.records.stimuli import SeenAndUnseen, stimulus_group
from harness.scoring.score import score_on
from harness.submission.manifest import Weights
from harness.tasks.task import Task

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Seen(NamedTuple):
    """What weights have seen in training."""

    subjects: frozenset[str]
    stimuli: frozenset[str]


def seen_in_training(task: Task, weights: Sequence[Weights | None]) -> Seen | None:
    """What any of the weights has seen, by the records of training.

    None if any weights have no training record, or one of other weights, or one that does not say what was
    seen (imported weights). None too if the stimuli of the segments are unknown, as in the challenge's test
    set.
    """
    if any(segment.recording.segment_id for segment in task.segments):
        return None
    subjects: set[str] = set()
    stimuli: set[str] = set()
    for one in weights:
        record = _training_record(one)
        if record is None:
            return None
        subjects.update(record.subjects)
        stimuli.update(record.stimuli)
    return Seen(frozenset(subjects), frozenset(stimuli))


def training_overlap(task: Task, seen: Seen) -> Overlap:
    """How many of a task's subjects and stimuli are among what was seen."""
    subjects = {segment.subject for segment in task.segments}
    stimuli = {segment.recording.stimulus for segment in task.segments}
    return Overlap(
        subjects_seen=len(subjects & seen.subjects),
        subjects=len(subjects),
        stimuli_seen=len(stimuli & seen.stimuli),
        stimuli=len(stimuli),
    )


def seen_and_unseen(
    task: Task, seen: Seen, values: Mapping[str, NDArray[np.float64]]
) -> SeenAndUnseen | None:
    """The score on stimuli that were seen in training, and on the others; None unless there are both.

    Args:
        task: that was scored.
        seen: in training.
        values: subject -> (n_segments,) value of each of its segments by the measure that ranks.
    """
    heard = {
        subject: np.array([segment.recording.stimulus in seen.stimuli for segment in segments])
        for subject, segments in task.by_subject.items()
    }
    those = score_on(values, heard)
    others = score_on(values, {subject: ~own for subject, own in heard.items()})
    if those is None or others is None:
        return None
    return SeenAndUnseen(seen=stimulus_group(those), unseen=stimulus_group(others))


class _TrainingRecord(msgspec.Struct):
    """What is read of the record of a training; submissions write it themselves, and it has no schema."""

    weights_sha256: str
    subjects: list[str]
    stimuli: list[str]


def _training_record(weights: Weights | None) -> _TrainingRecord | None:
    """The record of a training, where it is of these weights and says what they have seen."""
    if weights is None or weights.training is None:
        return None
    try:
        record = msgspec.json.decode(read_regular(weights.training, MOST_RECORD_BYTES), type=_TrainingRecord)
    except (OSError, ValueError, RecursionError, msgspec.DecodeError):
        return None
    return record if record.weights_sha256 == weights.sha256 else None
