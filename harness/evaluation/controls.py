"""The controls that need no brain: which surrogates a system is asked, and what it scores on them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from harness.evaluation.predict import Asked
from harness.execution import Run
from harness.scoring.blind import LEAST_SAMPLES, Blind, BlindSubject, blind_score, sampled
from harness.scoring.measures import Measure, measure
from harness.scoring.score import score_with_chance
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
    samples = task.sizes.segment_samples
    if samples >= LEAST_SAMPLES:
        return ""
    return f"segments of {samples} samples are too short to be randomised, {LEAST_SAMPLES} are needed"


def asked_of(task: Task, run: Run, n_segments: int | None = None) -> Asked:
    """What a predictor is asked: segments, and surrogates of those that the run samples.

    No surrogates are made of segments that are too short for them.

    Args:
        task: whose segments they are.
        run: of how many segments of a subject.
        n_segments: only of the first so many of the task; None for all.
    """
    segments = task.segments[:n_segments]
    kind = task.corpus.declaration.surrogates or ranking_measure(task).surrogates
    if run.surrogates == 0 or no_surrogates(task):
        return Asked(segments)
    ids: dict[str, list[str]] = {}
    for segment in segments:
        ids.setdefault(segment.subject, []).append(segment.id)
    chosen = {name for subject, own in ids.items() for name in sampled(subject, own, run.surrogates)}
    return Asked(segments, [segment for segment in segments if segment.id in chosen], kind)


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
        _, by_chance, segments = score_with_chance(chosen, own, (by.name,), task.centre)
        subjects[subject] = BlindSubject(
            real=values[subject][places],
            blind=segments[by.name],
            chance=by_chance.measures.get(by.name, by_chance),
        )
    return blind_score(by, subjects, frame_rate_hz=task.frame_rate_hz)
