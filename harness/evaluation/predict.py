"""A prepared submission's predictions, made in a process that sees EEG only."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from harness.corpus.array_files import release_maps
from harness.evaluation.evaluate import Array
from harness.evaluation.prepare import Prepared
from harness.execution import PredictorRun, SegmentInput, predict_segments
from harness.submission.ensemble import mean_of_runs
from harness.tasks.fingerprint import Fingerprint
from harness.tasks.task import Task

Progress = Callable[[int, int], None]


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
