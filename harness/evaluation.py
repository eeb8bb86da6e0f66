"""Scoring a system on a task: predictor or predictions file -> scores -> record.

The order of the whole kit is here: segments are predicted in a process that sees EEG only, then paired
with their references by id, scored, and put into a record with everything needed to make it again.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness import provenance
from harness.chance import Chance, chance, subject_chance
from harness.corpus.arrays import release_maps
from harness.ensemble import load_members, mean_of_runs
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
    """A submission that is ready to run on a task: feature, variant and weights are verified.

    An ensemble has ``members``, each prepared by itself.
    """

    submission: Submission
    task: Task
    run: Run
    variant: str
    weights: Weights | None
    members: tuple[Prepared, ...] = ()

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
    if submission.is_ensemble:
        members = tuple(
            prepare(member.submission, task, replace(run, variant=member.variant))
            for member in load_members(submission)
        )
        return Prepared(submission, task, run, variant, None, members)
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
    if prepared.members:
        with _predicted_ensemble(prepared, n_segments, on_progress, seen) as run:
            yield run
        return
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
        [SegmentInput(segment.id, task.split.told(segment.subject)) for segment in segments],
        read_eeg,
        limits=prepared.run.limits,
        jobs=prepared.run.jobs,
        on_progress=on_progress,
    ) as run:
        yield run


@contextmanager
def _predicted_ensemble(
    prepared: Prepared, n_segments: int | None, on_progress: Progress | None, seen: Fingerprint | None
) -> Iterator[PredictorRun]:
    """As :func:`predicted`: the members in the manifest's order; the time limit is that of all together."""
    began = time.monotonic()
    n_members = len(prepared.members)

    def runs() -> Iterator[AbstractContextManager[PredictorRun]]:
        for number, member in enumerate(prepared.members):
            left = prepared.run.limits.seconds - (time.monotonic() - began)
            limits = replace(prepared.run.limits, seconds=max(left, 0.0))

            def show(done: int, total: int, number: int = number) -> None:
                if on_progress:
                    on_progress(number * total + done, n_members * total)

            yield predicted(
                replace(member, run=replace(member.run, limits=limits)),
                n_segments=n_segments,
                on_progress=show,
                seen=None if number else seen,
            )

    ids = [segment.id for segment in prepared.task.segments[:n_segments]]
    shape = (prepared.task.split.segment_samples, prepared.task.n_bands)
    with mean_of_runs(runs(), ids, shape, n_members) as run:
        yield run


def grouped(task: Task, predictions: Mapping[str, Array]) -> Iterator[tuple[str, dict[str, Array]]]:
    """A run's predictions subject by subject, in the task's order."""
    for subject, segments in task.by_subject.items():
        yield subject, {segment.id: predictions[segment.id] for segment in segments}


class Scored(NamedTuple):
    """What predictions score, and what they would by chance."""

    score: Score
    chance: Chance


def score_task(
    task: Task, predictions: Iterable[tuple[str, Mapping[str, Array]]], seen: Fingerprint
) -> Scored:
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
    scores, by_chance = {}, {}
    for subject, own in predictions:
        references = task.references(subject)
        scores[subject] = score_subject(references, own)
        by_chance[subject] = subject_chance(references, own)
        for segment_id, reference in references.items():
            seen.add_reference(segment_id, reference)
    return Scored(combine(scores), chance(by_chance))


def submission_record(prepared: Prepared, scored: Scored, run: PredictorRun, seen: Fingerprint) -> Record:
    """The score record of a submission."""
    submission = prepared.submission
    described: dict[str, Any] = {
        "name": submission.name,
        "kind": "submission",
        "version": submission.version,
        "variant": prepared.variant,
        "code_sha256": submission.code_sha256(),
        "weights_sha256": prepared.weights.sha256 if prepared.weights else None,
        "predictions_sha256": None,
    }
    if prepared.members:
        described["members"] = [
            {
                "name": member.submission.name,
                "version": member.submission.version,
                "variant": member.variant,
                "code_sha256": member.submission.code_sha256(),
                "weights_sha256": member.weights.sha256 if member.weights else None,
            }
            for member in prepared.members
        ]
    weights = [one.weights for one in prepared.members or (prepared,)]
    overlap = training_overlap(prepared.task, weights)
    return _record(
        prepared.task, scored, described, submission.folder, prepared.run.seed, run.seconds, seen, overlap
    )


def training_overlap(task: Task, weights: Sequence[Weights | None]) -> dict[str, int] | None:
    """How many of a task's subjects and stimuli any of the weights has seen, by the records of training.

    None where one has no record, or it is not of these weights (its sha256 is another), or does not say
    what they have seen, as for weights that were imported; and where nobody knows the stimuli of the
    segments, as in the challenge's test set.
    """
    records = [_training_record(one) for one in weights]
    if any(segment.recording.segment_id for segment in task.segments):
        return None
    seen_subjects: set[str] = set()
    seen_stimuli: set[str] = set()
    for record in records:
        if record is None:
            return None
        seen_subjects.update(record["subjects"])
        seen_stimuli.update(record["stimuli"])
    subjects = {segment.subject for segment in task.segments}
    stimuli = {segment.recording.stimulus for segment in task.segments}
    return {
        "subjects_seen": len(subjects & seen_subjects),
        "subjects": len(subjects),
        "stimuli_seen": len(stimuli & seen_stimuli),
        "stimuli": len(stimuli),
    }


def _training_record(weights: Weights | None) -> dict[str, Any] | None:
    """The record of a training, where it is of these weights and says what they have seen."""
    try:
        record = json.loads(weights.training.read_text("utf-8")) if weights and weights.training else {}
    except (OSError, ValueError):
        return None
    of_these = weights is not None and record.get("weights_sha256") == weights.sha256
    return record if of_these and {"subjects", "stimuli"} <= set(record) else None


def score_predictions(task: Task, path: Path, *, seed: int = 0) -> Record:
    """Score a predictions file.

    Raises:
        PredictionsError: the file is refused.
        CorpusError: references that cannot be read.
    """
    task.check_labels()
    seen = Fingerprint()
    scored = score_task(task, read_predictions(path, task.expected), seen)
    described = {
        "name": path.stem if path.is_file() else path.resolve().name,
        "kind": "predictions",
        "version": None,
        "variant": None,
        "code_sha256": None,
        "weights_sha256": None,
        "predictions_sha256": predictions_sha256(path),
    }
    return _record(task, scored, described, path.resolve().parent, seed, None, seen)


def _record(
    task: Task,
    scored: Scored,
    submission: Mapping[str, Any],
    folder: Path,
    seed: int,
    seconds: float | None,
    seen: Fingerprint,
    overlap: Mapping[str, int] | None = None,
) -> Record:
    return build_record(
        scored.score,
        chance=scored.chance,
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
