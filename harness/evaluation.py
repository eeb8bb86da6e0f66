"""Scoring a system on a task: predictor or predictions file -> scores -> record.

The order of the whole kit is here: segments are predicted in a process that sees EEG only, then paired
with their references by id, scored, and put into a record with everything needed to make it again.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness import provenance
from harness.corpus.arrays import release_maps
from harness.isolation import Limits, PredictorRun, PredictorSpec, SegmentInput, predict_segments
from harness.predictions import predictions_sha256, read_predictions
from harness.records import Record, build_record
from harness.scoring import Score, combine, score_subject
from harness.segments import Fingerprint
from harness.submission import Submission, Weights
from harness.task import Task

Array = NDArray[np.floating]
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Run:
    """How a submission is run.

    Attributes:
        variant: the variant's name; None for the manifest's first.
        seed: of the predictor's process.
        jobs: how many predictor processes share the segments.
        limits: what they may use.
    """

    variant: str | None = None
    seed: int = 0
    jobs: int = 1
    limits: Limits = field(default_factory=Limits)


@dataclass(frozen=True)
class Prepared:
    """A submission that is ready to run on a task: feature, variant and weights are verified."""

    submission: Submission
    task: Task
    run: Run
    variant: str
    weights: Weights | None

    @property
    def spec(self) -> PredictorSpec:
        """What the predictor's process is given."""
        return PredictorSpec(
            name=self.submission.name,
            folder=self.submission.folder,
            entry_point=self.submission.manifest["entry_point"],
            setup=self.submission.setup(
                self.task.split,
                self.task.feature,
                self.variant,
                weights=self.weights.path if self.weights else None,
                seed=self.run.seed,
            ),
        )


def prepare(submission: Submission, task: Task, run: Run) -> Prepared:
    """Check that a submission can be run on a task, before anything is run.

    Raises:
        SubmissionError: the feature, the variant or the weights do not fit, or a hash is wrong.
    """
    submission.check_feature(task.feature)
    variant = submission.variant(run.variant)
    weights = submission.weights(task.corpus.name, task.split, task.feature, variant)
    return Prepared(submission, task, run, variant, weights)


@contextmanager
def predicted(
    prepared: Prepared,
    *,
    n_segments: int | None = None,
    on_progress: Progress | None = None,
    seen: Fingerprint | None = None,
) -> Iterator[PredictorRun]:
    """Run a submission on a task's segments (the first ``n_segments``, or all).

    What the predictor is given is added to ``seen``.

    Raises:
        PredictorError: the predictor's process failed in any way.
        CorpusError: EEG that cannot be read.
    """
    task = prepared.task
    segments = task.segments[:n_segments]

    def read_eeg(index: int) -> NDArray[np.float32]:
        if index and segments[index].subject != segments[index - 1].subject:
            release_maps()
        eeg = np.ascontiguousarray(segments[index].eeg())
        if seen is not None:
            seen.add_eeg(segments[index].id, eeg)
        return eeg

    with predict_segments(
        prepared.spec,
        [SegmentInput(segment.id, segment.subject) for segment in segments],
        read_eeg,
        limits=prepared.run.limits,
        jobs=prepared.run.jobs,
        on_progress=on_progress,
    ) as run:
        yield run


def grouped(task: Task, predictions: Mapping[str, Array]) -> Iterator[tuple[str, dict[str, Array]]]:
    """A run's predictions subject by subject, in the task's order."""
    for subject, segments in task.by_subject.items():
        yield subject, {segment.id: predictions[segment.id] for segment in segments}


def score_task(
    task: Task, predictions: Iterable[tuple[str, Mapping[str, Array]]], seen: Fingerprint
) -> Score:
    """Score predictions of a task, subject by subject. The references used are added to ``seen``.

    Args:
        task: with references.
        predictions: subject and its predictions, segment id -> (n_times, n_bands).
        seen: what becomes the corpus's fingerprint.

    Raises:
        ShapeError: predictions of other shapes or with numbers that are not finite.
        CorpusError: references that cannot be read.
        PredictionsError: where a predictions file is read on the way and refused.
    """
    scores = {}
    for subject, own in predictions:
        references = task.references(subject)
        scores[subject] = score_subject(references, own)
        for segment_id, reference in references.items():
            seen.add_reference(segment_id, reference)
    return combine(scores)


def submission_record(prepared: Prepared, score: Score, run: PredictorRun, seen: Fingerprint) -> Record:
    """The score record of a submission."""
    submission = prepared.submission
    described = {
        "name": submission.name,
        "kind": "submission",
        "version": submission.version,
        "variant": prepared.variant,
        "code_sha256": submission.code_sha256(),
        "weights_sha256": prepared.weights.sha256 if prepared.weights else None,
        "predictions_sha256": None,
    }
    overlap = training_overlap(prepared.task, prepared.weights) if prepared.weights else None
    return _record(
        prepared.task, score, described, submission.folder, prepared.run.seed, run.seconds, seen, overlap
    )


def training_overlap(task: Task, weights: Weights) -> dict[str, int] | None:
    """How many of a task's subjects and stimuli the weights have seen, by the record of their training.

    None where there is no record, or it is not of these weights (its sha256 is another), or does not say
    what they have seen, as for weights that were imported; and where nobody knows the stimuli of the
    segments, as in the challenge's test set.
    """
    try:
        record = json.loads(weights.training.read_text("utf-8")) if weights.training else {}
    except (OSError, ValueError):
        return None
    if record.get("weights_sha256") != weights.sha256 or not {"subjects", "stimuli"} <= set(record):
        return None
    if any(segment.recording.segment_id for segment in task.segments):
        return None
    subjects = {segment.subject for segment in task.segments}
    stimuli = {segment.recording.stimulus for segment in task.segments}
    return {
        "subjects_seen": len(subjects.intersection(record["subjects"])),
        "subjects": len(subjects),
        "stimuli_seen": len(stimuli.intersection(record["stimuli"])),
        "stimuli": len(stimuli),
    }


def score_predictions(task: Task, path: Path, *, seed: int = 0) -> Record:
    """Score a predictions file.

    Raises:
        PredictionsError: the file is refused.
        CorpusError: references that cannot be read.
    """
    task.check_labels()
    seen = Fingerprint()
    score = score_task(task, read_predictions(path, task.expected), seen)
    described = {
        "name": path.stem if path.is_file() else path.resolve().name,
        "kind": "predictions",
        "version": None,
        "variant": None,
        "code_sha256": None,
        "weights_sha256": None,
        "predictions_sha256": predictions_sha256(path),
    }
    return _record(task, score, described, path.resolve().parent, seed, None, seen)


def _record(
    task: Task,
    score: Score,
    submission: Mapping[str, Any],
    folder: Path,
    seed: int,
    seconds: float | None,
    seen: Fingerprint,
    overlap: Mapping[str, int] | None = None,
) -> Record:
    return build_record(
        score,
        submission=submission,
        split={
            "name": task.split.name,
            "sha256": task.split.sha256,
            "part": task.part,
            "segment_seconds": task.split.segment_seconds,
        },
        corpus={
            "name": task.corpus.name,
            "kind": "simulated" if task.corpus.simulated else "real",
            "fingerprint": task.fingerprint(seen),
        },
        feature=task.feature,
        seed=seed,
        overlap=overlap,
        subjects_missing=task.subjects_missing,
        environment=provenance.environment(),
        git=provenance.git_state(folder),
        run={
            "finished": provenance.now(),
            "seconds": None if seconds is None else round(seconds, 3),
            "times_faster_than_real_time": round(task.eeg_seconds / seconds, 1) if seconds else None,
            **provenance.host(),
        },
    )
