"""The controls that need no brain: which surrogates a system is asked, and what it scores on them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from harness.errors import shorten
from harness.evaluation.predict import Asked
from harness.execution import Run
from harness.scoring.blind import (
    ANOTHER_SONG,
    LEAST_SAMPLES,
    Blind,
    BlindSubject,
    blind_score,
    donor,
    sampled,
)
from harness.scoring.measures import Measure, measure
from harness.scoring.score import score_with_chance
from harness.tasks.segments import Segment
from harness.tasks.task import Task

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from harness.conventions import Array


def ranking_measure(task: Task) -> Measure:
    """The measure that ranks, by which the controls are told."""
    return measure(task.split.measures[0])


def no_surrogates(task: Task) -> str:
    """Why no surrogates can be made of a task's segments; empty where they can."""
    if _kind(task) == ANOTHER_SONG:
        heard = {name: {one.recording.stimulus for one in own} for name, own in task.by_subject.items()}
        alone = [name for name, stimuli in heard.items() if len(stimuli) < 2]
        return f"{shorten(alone)} heard one stimulus, and the surrogate is EEG of another" if alone else ""
    samples = task.sizes.segment_samples
    if samples >= LEAST_SAMPLES:
        return ""
    return f"segments of {samples} samples are too short to be randomised, {LEAST_SAMPLES} are needed"


def asked_of(task: Task, run: Run, n_segments: int | None = None) -> Asked:
    """What a predictor is asked: segments, and surrogates of those that the run samples.

    No surrogates are made of segments that are too short for them; or, where another song's EEG is the
    surrogate, of subjects who heard one song only.

    Args:
        task: whose segments they are.
        run: of how many segments of a subject.
        n_segments: only of the first so many of the task; None for all.
    """
    segments = task.segments[:n_segments]
    kind = _kind(task)
    if run.surrogates == 0 or no_surrogates(task):
        return Asked(segments)
    donors = _donors(task, segments) if kind == ANOTHER_SONG else {}
    ids: dict[str, list[str]] = {}
    for segment in segments:
        ids.setdefault(segment.subject, []).append(segment.id)
    chosen = {name for subject, own in ids.items() for name in sampled(subject, own, run.surrogates)}
    blind = [segment for segment in segments if segment.id in chosen]
    return Asked(segments, blind, kind, donors=donors)


def _kind(task: Task) -> str:
    """How surrogates of a task are made."""
    return task.corpus.declaration.surrogates or ranking_measure(task).surrogates


def _donors(task: Task, segments: Sequence[Segment]) -> dict[str, Segment]:
    """Segment id -> the segment of the same subject whose EEG its surrogate is."""
    donors = {}
    heard = {
        subject: [(one.recording.stimulus, one.start) for one in own]
        for subject, own in task.by_subject.items()
    }
    for segment in segments:
        others = heard[segment.subject]
        place = donor(segment.id, segment.recording.stimulus, segment.start, others)
        if place is not None:
            donors[segment.id] = task.by_subject[segment.subject][place]
    return donors


def blind_control(
    task: Task, predictions: Mapping[str, Array], values: Mapping[str, NDArray[np.float64]]
) -> Blind | None:
    """What a system scores on surrogates, beside what it scores on the same segments.

    Args:
        task: with references.
        predictions: segment id -> the prediction from its surrogate.
        values: subject -> (n_segments,) value of each of its segments by the measure that ranks.

    Returns:
        None where no surrogates were asked.

    Raises:
        ShapeError: predictions of other shapes or with numbers that are not finite.
    """
    if not predictions:
        return None
    by = ranking_measure(task)
    subjects = {}
    for subject in task.by_subject:
        references = task.references(subject)
        places = [place for place, name in enumerate(references) if name in predictions]
        chosen = {name: reference for name, reference in references.items() if name in predictions}
        own = {name: predictions[name] for name in chosen}
        _, by_chance, segments = score_with_chance(
            chosen, own, (by.name,), task.context, task.recordings_of(chosen)
        )
        subjects[subject] = BlindSubject(
            real=values[subject][places],
            blind=segments[by.name],
            chance=by_chance.measures.get(by.name, by_chance),
        )
    return blind_score(by, subjects, frame_rate_hz=task.frame_rate_hz)
