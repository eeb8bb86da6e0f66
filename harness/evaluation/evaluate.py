"""Scoring a system on a task: predictor or predictions file -> scores -> record.

The order of the whole kit is here: segments are predicted in a process that sees EEG only, then paired
with their references by id, scored, and put into a record with everything needed to make it again.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from msgspec import UNSET

from harness.conventions import Progress
from harness.errors import PredictionsError, raise_all
from harness.evaluation.controls import asked_of, blind_control, ranking_measure
from harness.evaluation.overlap import seen_and_unseen, seen_in_training, training_overlap
from harness.evaluation.predict import grouped, predicted
from harness.evaluation.prepare import Prepared, prepare
from harness.evaluation.without_brain import without_brain
from harness.execution import PredictorRun, Run
from harness.git import git_state
from harness.predictions import (
    check_destination,
    check_subjects,
    predictions_sha256,
    read_predictions,
    write_predictions,
)
from harness.records import provenance
from harness.records.build import build_record
from harness.records.controls import controls_of
from harness.records.key import key_of
from harness.records.record import (
    HELD_BACK,
    CorpusData,
    GitCommit,
    Member,
    Record,
    RunFacts,
    SplitPart,
    System,
    channels_words,
    name_faults,
)
from harness.scoring.blind import Blind
from harness.scoring.chance import Chance, chance
from harness.scoring.context import Classifier, Context
from harness.scoring.score import SCORER_VERSION, Score, ScoredSubject, combine, score_with_chance
from harness.submission.hub import source_of
from harness.submission.manifest import Submission, Weights
from harness.submission.training_record import UNKNOWN, Training, excluded_in_training, sealed
from harness.tasks.fingerprint import Fingerprint
from harness.tasks.segments import split_channels
from harness.tasks.splits import DEFAULT_MEASURES
from harness.tasks.task import Task

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from harness.conventions import Array

# What happens to predictions before they are scored: they are written to a file, or handed to a function.
Keep = Path | Callable[[PredictorRun], None]


class Scored(NamedTuple):
    """What predictions score, and what they would by chance.

    Attributes:
        score: of every subject, and their mean.
        chance: of the same predictions.
        references: the fingerprint of the references that they were scored against.
        segments: subject -> (n_segments,) value of each of its segments by the measure that ranks.
        classifiers: what a measure's classifier was trained on -> the classifier.
    """

    score: Score
    chance: Chance
    references: Fingerprint
    segments: Mapping[str, NDArray[np.float64]]
    classifiers: Mapping[str, Classifier]


def evaluate(
    submission: Submission,
    task: Task,
    run: Run,
    keep: Keep | None = None,
    on_progress: Progress | None = None,
) -> Record:
    """Predict a task's segments with a submission, score the predictions, and make the record.

    Args:
        submission: whose manifest is valid.
        task: with references.
        run: variant, seed and limits.
        keep: what else is done with the predictions.
        on_progress: called with the segments predicted and their total.

    Raises:
        SubmissionError: the submission does not fit the task.
        CorpusError: EEG or references are missing or cannot be read.
        PredictorError: the predictor's process failed in any way.
        UsageError, PredictionsError: ``keep`` is a file that cannot be written.
    """
    if isinstance(keep, Path):
        check_destination(keep)
        check_subjects(task.by_subject)
    task.check_labels()
    prepared = prepare(submission, task, run)
    asked = asked_of(task, run)._replace(training=task.answered)
    with predicted(prepared, asked, on_progress=on_progress) as made:
        if isinstance(keep, Path):
            write_predictions(keep, grouped(task, made.run.predictions))
        elif keep is not None:
            keep(made.run)
        scored = score_task(task, grouped(task, made.run.predictions), made.training)
        fingerprint = task.fingerprint(made.eeg, scored.references)
        blind = blind_control(task, made.blind, scored.segments)
        return _submission_record(prepared, fingerprint, scored, made.run, blind)


def evaluate_predictions(path: Path, task: Task, *, seed: int = 0) -> Record:
    """Score a predictions file, and make the record.

    Args:
        path: .zip, .npz, or a folder of a JSON file for each subject.
        task: with references.
        seed: what the record says; nothing is drawn.

    Raises:
        PredictionsError: the file is refused.
        CorpusError: references that cannot be read.
    """
    name = path.stem if path.is_file() else path.resolve().name
    raise_all(PredictionsError, name_faults(name, str(path)))
    task.check_labels()
    sha256 = predictions_sha256(path)
    scored = score_task(task, read_predictions(path, task.expected))
    fingerprint = task.fingerprint(scored.references)
    return predictions_record(task, scored, name, sha256, fingerprint, path.resolve().parent, seed=seed)


def predictions_record(
    task: Task,
    scored: Scored,
    name: str,
    sha256: str,
    fingerprint: str,
    folder: Path,
    *,
    seed: int = 0,
    blind: Blind | None = None,
) -> Record:
    """The record of predictions, handed in or made by a function of the caller's.

    Args:
        task: that they are of.
        scored: what they score.
        name: what the record calls them.
        sha256: of their file.
        fingerprint: of the task's data.
        folder: whose git commit the record names.
        seed: what the record says.
        blind: what they score without the EEG; None where that was not measured.
    """
    system = System(
        name=name,
        kind="predictions",
        version=None,
        variant=None,
        code_sha256=None,
        weights_sha256=None,
        predictions_sha256=sha256,
    )
    return _record(task, scored, system, corpus_data(task, fingerprint), folder, seed, blind=blind)


def evaluate_stored(prepared: Prepared, path: Path) -> Record:
    """Make the record of a submission from predictions that it made elsewhere; nothing of it runs here.

    Args:
        prepared: the submission on its task, with references.
        path: its predictions: .zip, .npz, or a folder of a JSON file for each subject.

    Raises:
        PredictionsError: the file is refused.
        CorpusError: references that cannot be read.
    """
    task = prepared.task
    task.check_labels()
    scored = score_task(task, read_predictions(path, task.expected))
    return _submission_record(prepared, task.fingerprint(scored.references), scored)


def score_task(
    task: Task,
    predictions: Iterable[tuple[str, Mapping[str, Array]]],
    answers: Mapping[str, Array] = MappingProxyType({}),
) -> Scored:
    """Score predictions of a task, subject by subject.

    Args:
        task: with references.
        predictions: subject and its predictions, segment id -> (n_frames, n_bands).
        answers: id of a training segment -> what the same system predicts of it; without these, a measure
            that needs them is not measured.

    Raises:
        ShapeError: predictions of other shapes or with numbers that are not finite.
        CorpusError: references that cannot be read, or the training part's where a measure needs its mean.
        PredictionsError: where a predictions file is read on the way and refused.
    """
    scores, by_chance, values, seen = {}, {}, {}, Fingerprint()
    ranking = ranking_measure(task).name
    context = task.context_of(answers)
    for subject, scored in _scored_subjects(task, predictions, seen, context):
        scores[subject], by_chance[subject], segments = scored
        values[subject] = segments[ranking]
    band = chance(by_chance, frame_rate_hz=task.frame_rate_hz)
    return Scored(combine(scores), band, seen, values, context.classifiers)


def _scored_subjects(
    task: Task,
    predictions: Iterable[tuple[str, Mapping[str, Array]]],
    seen: Fingerprint,
    context: Context,
) -> Iterator[tuple[str, ScoredSubject]]:
    """Subjects in their order, scored by threads while the next are read; references go to ``seen``."""
    n_threads, measures = len(os.sched_getaffinity(0)), task.measured(context)
    with ThreadPoolExecutor(n_threads) as pool:
        waiting: deque[tuple[str, Future[ScoredSubject]]] = deque()
        try:
            for subject, own in predictions:
                references = task.references(subject)
                recordings = task.recordings_of(references)
                job = pool.submit(score_with_chance, references, own, measures, context, recordings)
                waiting.append((subject, job))
                for segment_id, reference in references.items():
                    seen.add_reference(segment_id, reference)
                if len(waiting) > n_threads:  # few subjects are in memory at once
                    first, job = waiting.popleft()
                    yield first, job.result()
            for subject, job in waiting:
                yield subject, job.result()
        finally:
            for _, job in waiting:
                job.cancel()


def expected_key(prepared: Prepared, fingerprint: str) -> str:
    """The key of the record that a submission would get now.

    Args:
        prepared: the submission on its task.
        fingerprint: of the task's data.
    """
    task = prepared.task
    return key_of(
        system_of(prepared),
        split_part(task),
        corpus_data(task, fingerprint),
        feature=task.feature,
        scorer_version=SCORER_VERSION,
        seed=prepared.run.seed,
    )


def _submission_record(
    prepared: Prepared,
    fingerprint: str,
    scored: Scored,
    made: PredictorRun | None = None,
    blind: Blind | None = None,
) -> Record:
    task = prepared.task
    weights = [one.weights for one in prepared.members or (prepared,)]
    return _record(
        task,
        scored,
        system_of(prepared),
        corpus_data(task, fingerprint),
        prepared.submission.folder,
        prepared.run.seed,
        made=made,
        training=seen_in_training(task, weights),
        blind=blind,
        notes=tuple(
            dict.fromkeys([*(one.note for one in weights if one and one.note), *_given_more(task, weights)])
        ),
    )


def _given_more(task: Task, weights: Sequence[Weights | None]) -> list[str]:
    """What a reader must know where weights are given channels that their training was not."""
    given = {*split_channels(task.corpus.declaration, task.split), *task.channels_excluded}
    more = [name for name in excluded_in_training(weights) if name not in given]
    return [f"trained without {channels_words(more)}, which they are given here"] if more else []


def system_of(prepared: Prepared) -> System:
    """What a record says of a submission, and of an ensemble's members."""
    return System(
        name=prepared.submission.name,
        kind="submission",
        version=prepared.submission.version,
        variant=prepared.variant,
        code_sha256=prepared.code_sha256,
        weights_sha256=prepared.weights.sha256 if prepared.weights else None,
        predictions_sha256=None,
        training=prepared.training,
        ablation_of=prepared.submission.ablation_of(prepared.variant),
        members=tuple(
            Member(
                name=member.submission.name,
                version=member.submission.version,
                variant=member.variant,
                code_sha256=member.code_sha256,
                weights_sha256=member.weights.sha256 if member.weights else None,
                seed=member.weights.seed if member.weights else None,
            )
            for member in prepared.members
        ),
        transfer=prepared.transfer,
        channels_excluded=prepared.task.channels_excluded,
    )


def split_part(task: Task) -> SplitPart:
    """What a record says of its split."""
    split = task.split
    return SplitPart(
        name=split.name,
        sha256=split.sha256,
        part=task.part,
        segment_seconds=split.segment_seconds,
        measures=UNSET if split.measures == DEFAULT_MEASURES else split.measures,
        flag=split.flag or UNSET,
        channels_excluded=split_channels(task.corpus.declaration, split) or UNSET,
    )


def corpus_data(task: Task, fingerprint: str = "") -> CorpusData:
    """What a record says of its corpus; the fingerprint is that of the data that were scored."""
    kind = "simulated" if task.corpus.simulated else "real"
    declaration = task.corpus.declaration
    return CorpusData(
        name=task.corpus.name,
        kind=kind,
        fingerprint=fingerprint,
        declaration_sha256=UNSET if declaration.is_shipped else declaration.sha256,
        labels=HELD_BACK if task.is_held_back else UNSET,
    )


def _record(
    task: Task,
    scored: Scored,
    system: System,
    corpus: CorpusData,
    folder: Path,
    seed: int,
    *,
    made: PredictorRun | None = None,
    training: Training = UNKNOWN,
    blind: Blind | None = None,
    notes: tuple[str, ...] = (),
) -> Record:
    seen = training.seen
    seconds = None if made is None else made.seconds
    n_surrogates = blind.segments if blind else 0
    n_more = n_surrogates + (len(task.answered) if made else 0)
    eeg_seconds = task.eeg_seconds + n_more * task.split.segment_seconds
    state, host = git_state(folder), provenance.host()
    record = build_record(
        scored.score,
        chance=scored.chance,
        submission=system,
        split=split_part(task),
        corpus=corpus,
        feature=task.feature,
        seed=seed,
        overlap=training_overlap(task, seen) if seen else None,
        stimuli=seen_and_unseen(task, seen, scored.segments) if seen else None,
        classifiers=scored.classifiers,
        controls=None if blind is None else controls_of(blind, n_surrogates < len(task.segments)),
        without_brain=without_brain(task),
        weights_notes=notes,
        subjects_missing=task.subjects_missing,
        stimuli_missing=task.stimuli_missing,
        environment=provenance.environment(),
        git=None if state is None else GitCommit(commit=state.commit, dirty=state.dirty),
        run=RunFacts(
            finished=provenance.now(),
            seconds=None if seconds is None else round(seconds, 3),
            times_faster_than_real_time=round(eeg_seconds / seconds, 1) if seconds else None,
            machine=host.machine,
            processors=host.processors,
            isolation=UNSET if made is None else made.isolation,
            order_seed=UNSET if made is None else made.order_seed,
            gpu=True if made is not None and made.gpu else UNSET,
            hub=source_of(folder) or UNSET,
            training=training.status or UNSET,
        ),
    )
    return sealed(record)
