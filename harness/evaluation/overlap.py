"""What a system's weights have seen of what is scored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from harness.records.record import Overlap
from harness.records.stimuli import SeenAndUnseen, stimulus_group
from harness.scoring.score import score_on
from harness.submission.manifest import Weights
from harness.submission.training_record import UNKNOWN, Seen, Training, read_training
from harness.tasks.task import Task

if TYPE_CHECKING:
    from numpy.typing import NDArray


def seen_in_training(task: Task, weights: Sequence[Weights | None]) -> Training:
    """What any of the weights has seen, by the records of training.

    Nothing is known if the stimuli of the segments are not, as in the challenge's test set.
    """
    if any(segment.recording.segment_id for segment in task.segments):
        return UNKNOWN
    return read_training(weights)


def stimuli_seen(task: Task, seen: Seen) -> Mapping[str, bool]:
    """The stimuli of a task's segments, each once, and whether a training saw it.

    A stimulus that has two names was seen where a training saw either; only its first name is in the answer
    (see :func:`harness.tasks.identity.same_stimuli`).

    Args:
        task: that was scored.
        seen: in training.
    """
    same = task.same_stimuli
    heard = {same.get(name, name) for name in seen.stimuli}
    scored = dict.fromkeys(same[segment.recording.stimulus] for segment in task.segments)
    return {name: name in heard for name in scored}


def training_overlap(task: Task, seen: Seen) -> Overlap:
    """How many of a task's subjects and stimuli are among what was seen; the same stimulus counts once."""
    subjects = {segment.subject for segment in task.segments}
    stimuli = stimuli_seen(task, seen)
    return Overlap(
        subjects_seen=len(subjects & seen.subjects),
        subjects=len(subjects),
        stimuli_seen=sum(stimuli.values()),
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
    same, stimuli = task.same_stimuli, stimuli_seen(task, seen)
    heard = {
        subject: np.array([stimuli[same[segment.recording.stimulus]] for segment in segments])
        for subject, segments in task.by_subject.items()
    }
    those = score_on(values, heard)
    others = score_on(values, {subject: ~own for subject, own in heard.items()})
    if those is None or others is None:
        return None
    return SeenAndUnseen(seen=stimulus_group(those), unseen=stimulus_group(others))
