"""Scoring what is at hand in a notebook: arrays, or a function that runs in this very process.

Both go the way of a file of predictions and of a submission, and give the same numbers: arrays are written as
the file that ``harness score`` would be given, and a function is asked the segments and surrogates that a
submission would be asked. Only a submission is kept from the references, so a function is not asked about a
part whose labels are held back.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from msgspec.structs import replace

from harness.conventions import Progress
from harness.errors import Fault, PredictionsError, PredictorError, UsageError, did_you_mean, raise_all, show
from harness.evaluation.controls import asked_of, blind_control
from harness.evaluation.evaluate import evaluate_predictions, predictions_record, score_task
from harness.evaluation.predict import Asked, Reader, grouped
from harness.execution import DEFAULT_RUN, Run
from harness.execution.isolation import NONE
from harness.predictions import predictions_sha256, write_predictions
from harness.predictor import check_prediction
from harness.records.record import Record, name_faults
from harness.tasks.segments import Segment
from harness.tasks.task import Task

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from harness.conventions import Array

Predict = Callable[["NDArray[np.float32]", list[str]], "NDArray[np.float32]"]
BATCH_SEGMENTS = 32  # at most in one call, as for a submission


def by_subject(predictions: Mapping[str, Array], task: Task) -> list[tuple[str, dict[str, Array]]]:
    """Predictions by segment id, subject by subject in the task's order.

    Raises:
        PredictionsError: ids that were not asked, and what is no numpy array, all of them.
    """
    known = [segment.id for segment in task.segments]
    there = set(known)
    raise_all(
        PredictionsError,
        [
            Fault(
                show(str(name)),
                "a segment that was not asked",
                f"one of {len(known)} ids such as {known[0]}",
                did_you_mean(str(name), known),
            )
            for name in predictions
            if name not in there
        ]
        + [
            Fault(
                show(str(name)),
                f"an object of type {type(array).__name__}",
                "a numpy array (n_frames, n_bands)",
                "Of a torch tensor: tensor.detach().cpu().numpy(). Of a list: np.asarray(values).",
            )
            for name, array in predictions.items()
            if not isinstance(array, np.ndarray)
        ],
    )
    return [
        (subject, {one.id: predictions[one.id] for one in segments if one.id in predictions})
        for subject, segments in task.by_subject.items()
    ]


def evaluate_arrays(predictions: Mapping[str, Array], task: Task, name: str) -> Record:
    """Score arrays, and make the record that their file ``<name>.npz`` would get.

    Args:
        predictions: segment id -> (n_frames, n_bands) float32 or float64; one that is absent counts 0.
        task: with references.
        name: what the record calls them.

    Raises:
        PredictionsError: ids that were not asked, or arrays that a file would be refused for.
        CorpusError: references that cannot be read.
    """
    _check_name(name)
    with tempfile.TemporaryDirectory(prefix="harness-") as folder:
        path = Path(folder) / f"{name}.npz"
        write_predictions(path, by_subject(predictions, task))
        return evaluate_predictions(path, task)


def evaluate_function(
    predict: Predict, task: Task, name: str, run: Run = DEFAULT_RUN, on_progress: Progress | None = None
) -> Record:
    """Score a function in this process, with the controls that a submission has, and make its record.

    Its errors are its own and pass through. The record is that of its predictions, and says that nothing kept
    the function from the references.

    Args:
        predict: EEG (n_segments, n_times, n_channels) float32, read-only, and n_segments subjects, "unknown"
            where the split hides them -> (n_segments, n_frames, n_bands) float32, finite.
        task: with references that are public.
        name: what the record calls it.
        run: of how many segments surrogates are asked; nothing else of it is used.
        on_progress: called with the segments predicted and their total.

    Raises:
        UsageError: labels that are held back.
        PredictorError: an answer that cannot be scored: shape, type or numbers.
        PredictionsError: a name that no record can have.
        CorpusError: EEG or references that cannot be read.
    """
    _check_name(name)
    if task.is_held_back:
        raise UsageError(
            Fault(
                f"{task.corpus.folder}: part {task.part}",
                "labels that are held back, and a function that would run beside them",
                "a submission folder, which runs in a process of its own",
                "Begin one: harness new FOLDER",
            )
        )
    task.check_labels()
    asked = asked_of(task, run)._replace(training=task.answered)
    reader = Reader(asked)
    answers = list(_answers(predict, task, asked, reader, name, on_progress))
    n_own, n_blind = len(asked.segments), len(asked.blind)
    own = _by_id(asked.segments, answers[:n_own])
    blind = _by_id(asked.blind, answers[n_own : n_own + n_blind])
    training = _by_id(asked.training, answers[n_own + n_blind :])
    with tempfile.TemporaryDirectory(prefix="harness-") as folder:
        path = Path(folder) / f"{name}.npz"
        write_predictions(path, grouped(task, own))
        sha256 = predictions_sha256(path)
    scored = score_task(task, grouped(task, own), training)
    record = predictions_record(
        task,
        scored,
        name,
        sha256,
        fingerprint=task.fingerprint(reader.fingerprint, scored.references),
        folder=Path.cwd(),
        blind=blind_control(task, blind, scored.segments),
    )
    return replace(record, run=replace(record.run, isolation=NONE))


def _check_name(name: str) -> None:
    raise_all(PredictionsError, name_faults(name, "name"))
    if Path(name).name != name or name.startswith("."):
        fault = Fault("name", repr(name), "the name of a file, without a folder, not hidden")
        raise PredictionsError(fault)


def _answers(
    predict: Predict, task: Task, asked: Asked, reader: Reader, name: str, on_progress: Progress | None
) -> Iterator[NDArray[np.float32]]:
    """The function's answer to each thing that is asked: segments, surrogates, training segments."""
    every = (*asked.segments, *asked.blind, *asked.training)
    for start in range(0, len(every), BATCH_SEGMENTS):
        batch = every[start : start + BATCH_SEGMENTS]
        eeg = np.stack([reader(start + place) for place in range(len(batch))]).astype(np.float32, copy=False)
        eeg.flags.writeable = False
        answer = predict(eeg, [task.split.told(segment.subject) for segment in batch])
        faults = check_prediction(answer, (len(batch), task.n_frames, task.n_bands))
        raise_all(
            PredictorError,
            [
                Fault(
                    name if one.segment is None else f"{name}: {batch[one.segment].id}",
                    one.arrived,
                    one.expected,
                    one.remedy,
                )
                for one in faults
            ],
        )
        yield from answer
        if on_progress:
            on_progress(start + len(batch), len(every))


def _by_id(segments: Sequence[Segment], answers: Iterable[Array]) -> dict[str, Array]:
    return {segment.id: answer for segment, answer in zip(segments, answers, strict=True)}
