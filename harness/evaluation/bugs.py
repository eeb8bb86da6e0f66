"""``harness check`` where references are: a look for what costs a score and raises no error.

A sample of the part is predicted and held against its references (`findings`), beside surrogates of it
(`controls`), the predictor is asked again (`invariance`), and recordings are cut anew (`recut`). Nothing of
it is a score.

    look_at_submission    a submission that runs -> findings
    look_at_predictions   a predictions file -> findings
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from harness.conventions import Progress
from harness.errors import CorpusError, counted, some_of
from harness.evaluation.controls import asked_of
from harness.evaluation.findings import Look, find_bugs
from harness.evaluation.invariance import find_variance
from harness.evaluation.predict import grouped, predicted
from harness.evaluation.prepare import Prepared, prepare
from harness.evaluation.recut import compare_cuts, recut_segments
from harness.evaluation.without_eeg import look_without_eeg
from harness.execution import Run
from harness.predictions import read_predictions
from harness.submission.manifest import Submission
from harness.tasks.segments import Segment
from harness.tasks.task import Task

if TYPE_CHECKING:
    from harness.conventions import Array

# Enough for a mean r of 0.05 to stand out by far; few enough for a slow predictor.
SAMPLE_SEGMENTS = 128


def look_at_submission(
    submission: Submission,
    task: Task,
    run: Run,
    *,
    recut: bool | None = None,
    on_progress: Progress | None = None,
) -> Look:
    """Look for bugs of a submission on a sample of a task's segments.

    Args:
        submission: whose manifest is valid.
        task: with references.
        run: variant, seed and limits; the limits are those of each time that it is run.
        recut: whether it is asked other cuts of the same recordings too, a second run of as many segments;
            None for wherever there are any.
        on_progress: called with the segments predicted and their total, in each run.

    Raises:
        SubmissionError: the submission does not fit the task.
        PredictorError: the predictor's process failed in any way.
        CorpusError: EEG or references that cannot be read; or ``recut`` is wanted, and no other cuts are to
            be had.
    """
    few = sampled(task)
    prepared = prepare(submission, few, run)
    other = None if recut is False else _other_cuts(few, task, wanted=recut is True)
    with predicted(prepared, asked_of(few, run), on_progress=on_progress) as made:
        answers = {name: np.array(one) for name, one in made.run.predictions.items()}  # a run's go with it
        one_series = prepared.weights is not None and prepared.weights.one_series
        look = _look(few, len(task.segments), answers, one_series=one_series)
        of_controls = look_without_eeg(few, answers, made.blind)
    look.findings.extend(of_controls.findings)
    look.seen.extend(of_controls.seen)
    look.findings.extend(find_variance(prepared, answers))
    look.seen.append("its answers to other batches, orders and names")
    if other is not None:
        compared = compare_cuts(few, answers, other, _answers(replace(prepared, task=other), on_progress))
        look.findings.extend(compared.findings)
        look.seen.append(compared.words)
    return look


def look_at_predictions(path: Path, task: Task) -> Look:
    """Look for bugs of predictions, at a sample of those that are there.

    Args:
        path: .zip, .npz, or a folder of a JSON file for each subject; checked before.
        task: with references.

    Raises:
        PredictionsError: the file is refused.
        CorpusError: references that cannot be read.
    """
    few = sampled(task)
    wanted = {segment.id for segment in few.segments}
    found = read_predictions(path, task.expected)
    answers = {i: one for _, own in found for i, one in own.items() if i in wanted}
    return _look(few, len(task.segments), answers)


def sampled(task: Task, most: int = SAMPLE_SEGMENTS) -> Task:
    """The task with few segments: as many of every subject, spread over the subject's recordings."""
    groups = list(task.by_subject.values())
    each = max(1, most // len(groups))
    return replace(task, segments=tuple(segment for group in groups for segment in _spread(group, each)))


def _spread(segments: Sequence[Segment], most: int) -> list[Segment]:
    picks = np.linspace(0, len(segments) - 1, min(most, len(segments))).round().astype(int)
    return [segments[index] for index in picks]


def _answers(prepared: Prepared, on_progress: Progress | None) -> dict[str, Array]:
    """Segment id -> prediction, copied: a run's own are gone with it."""
    with predicted(prepared, on_progress=on_progress) as made:
        return {segment_id: np.array(one) for segment_id, one in made.run.predictions.items()}


def _other_cuts(few: Task, task: Task, *, wanted: bool) -> Task | None:
    """The task of other cuts of the same recordings; None where there are none and none are wanted."""
    try:
        return replace(few, segments=recut_segments(few, task))
    except CorpusError:
        if wanted:
            raise
        return None


def _look(task: Task, n_segments: int, answers: Mapping[str, Array], *, one_series: bool = False) -> Look:
    present = replace(task, segments=tuple(s for s in task.segments if s.id in answers))
    references = {subject: task.references(subject) for subject in present.by_subject}
    made = dict(grouped(present, answers))
    findings = find_bugs(references, made, task.frame_rate_hz, one_series=one_series)
    n_subjects = len(present.by_subject)
    subjects = counted(n_subjects, "subject")
    segments = some_of(len(present.segments), n_segments, "segment")
    words = f"{segments} of {subjects} beside their references"
    seen = [words]
    if one_series:
        seen.append("its bands as one series, which its manifest declares")
    return Look(findings, seen)
