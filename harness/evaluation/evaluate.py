"""Scoring a system on a task: predictor or predictions file -> scores -> record.

The order of the whole kit is here: segments are predicted in a process that sees EEG only, then paired
with their references by id, scored, and put into a record with everything needed to make it again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.evaluation.overlap import training_overlap
from harness.evaluation.prepare import Prepared
from harness.execution import PredictorRun
from harness.git import git_state
from harness.predictions import predictions_sha256, read_predictions
from harness.records import provenance
from harness.records.key import record_key
from harness.records.record import Record, build_record
from harness.scoring.chance import Chance, chance, subject_chance
from harness.scoring.score import SCORER_VERSION, Score, combine, score_subject
from harness.tasks.fingerprint import Fingerprint
from harness.tasks.task import Task

Array = NDArray[np.floating]


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
        git=git_state(folder),
        run={
            "finished": provenance.now(),
            "seconds": None if seconds is None else round(seconds, 3),
            "times_faster_than_real_time": round(task.eeg_seconds / seconds, 1) if seconds else None,
            **provenance.host(),
        },
    )


def expected_key(prepared: Prepared, fingerprint: str) -> str:
    """The key of the record that a submission would get now."""

    def made(one: Prepared) -> dict[str, Any]:
        return {
            "name": one.submission.name,
            "variant": one.variant,
            "code_sha256": one.submission.code_sha256(),
            "weights_sha256": one.weights.sha256 if one.weights else None,
        }

    task = prepared.task
    members = [made(member) for member in prepared.members]
    return record_key(
        {
            "submission": made(prepared)
            | {"kind": "submission", "predictions_sha256": None, "members": members},
            "split": {"sha256": task.split.sha256, "part": task.part},
            "feature": task.feature,
            "corpus": {"name": task.corpus.name, "fingerprint": fingerprint},
            "scorer_version": SCORER_VERSION,
            "seed": prepared.run.seed,
        }
    )
