"""What a system's weights have seen of what is scored."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from harness.files import read_regular
from harness.records.record import MOST_RECORD_BYTES, Overlap
from harness.submission.manifest import Weights
from harness.tasks.task import Task


def training_overlap(task: Task, weights: Sequence[Weights | None]) -> Overlap | None:
    """How many of a task's subjects and stimuli any of the weights has seen, by the records of training.

    None if any weights have no training record, or one of other weights, or one that does not say what was
    seen (imported weights). None too if the stimuli of the segments are unknown, as in the challenge's test
    set.
    """
    records = [_training_record(one) for one in weights]
    if any(segment.recording.segment_id for segment in task.segments):
        return None
    seen_subjects: set[str] = set()
    seen_stimuli: set[str] = set()
    for record in records:
        if record is None:
            return None
        seen_subjects.update(record.subjects)
        seen_stimuli.update(record.stimuli)
    subjects = {segment.subject for segment in task.segments}
    stimuli = {segment.recording.stimulus for segment in task.segments}
    return Overlap(
        subjects_seen=len(subjects & seen_subjects),
        subjects=len(subjects),
        stimuli_seen=len(stimuli & seen_stimuli),
        stimuli=len(stimuli),
    )


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
