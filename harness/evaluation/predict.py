"""A prepared submission's predictions, made in a process that sees EEG only."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.conventions import Progress
from harness.corpus.array_files import release_maps
from harness.evaluation.prepare import Prepared
from harness.execution import PredictorRun, Run, SegmentInput, predict_segments
from harness.submission.ensemble import mean_of_runs
from harness.tasks.fingerprint import Fingerprint
from harness.tasks.segments import Segment
from harness.tasks.task import Task

if TYPE_CHECKING:
    from harness.conventions import Array


class Predicted(NamedTuple):
    """What a submission predicted, and from what.

    Attributes:
        run: its predictions, how long they took, and what it printed.
        eeg: the fingerprint of the EEG that it was given.
    """

    run: PredictorRun
    eeg: Fingerprint


class _Reader:
    """Reads segments' EEG for a predictor, and keeps the fingerprint of what was read."""

    def __init__(self, segments: Sequence[Segment]) -> None:
        self._segments = segments
        self.fingerprint = Fingerprint()

    def __call__(self, index: int) -> NDArray[np.float32]:
        """The EEG of a segment, (segment_samples, n_channels)."""
        segment = self._segments[index]
        eeg = np.array(segment.eeg(), order="C")  # a copy: no map of a corpus's file is handed on
        release_maps()  # segments come from all recordings in turn
        if self.fingerprint.lacks(segment.id, "eeg"):
            self.fingerprint.add_eeg(segment.id, eeg)
        return eeg


@contextmanager
def predicted(
    prepared: Prepared, *, n_segments: int | None = None, on_progress: Progress | None = None
) -> Iterator[Predicted]:
    """Run a submission on a task's segments (the first ``n_segments``, or all).

    Raises:
        PredictorError: the predictor's process failed in any way.
        CorpusError: EEG that cannot be read.
    """
    segments = prepared.task.segments[:n_segments]
    read_eeg = _Reader(segments)
    started = _ensemble_run if prepared.members else _one_run
    with started(prepared, segments, read_eeg, on_progress) as run:
        yield Predicted(run, read_eeg.fingerprint)


def grouped(task: Task, predictions: Mapping[str, Array]) -> Iterator[tuple[str, dict[str, Array]]]:
    """A run's predictions subject by subject, in the task's order."""
    for subject, segments in task.by_subject.items():
        yield subject, {segment.id: predictions[segment.id] for segment in segments}


def _one_run(
    prepared: Prepared, segments: Sequence[Segment], read_eeg: _Reader, on_progress: Progress | None
) -> AbstractContextManager[PredictorRun]:
    told = prepared.task.split.told
    inputs = [SegmentInput(segment.id, told(segment.subject)) for segment in segments]
    return predict_segments(
        prepared.spec,
        inputs,
        read_eeg,
        prepared.run,
        on_progress=on_progress,
        hidden=prepared.task.private,
    )


def _ensemble_run(
    prepared: Prepared, segments: Sequence[Segment], read_eeg: _Reader, on_progress: Progress | None
) -> AbstractContextManager[PredictorRun]:
    """The members in the manifest's order; the time limit is that of all together."""
    began = time.monotonic()
    order_seed = prepared.run.order_seed or secrets.token_hex(16)
    n_members = len(prepared.members)

    def runs() -> Iterator[AbstractContextManager[PredictorRun]]:
        for number, member in enumerate(prepared.members):

            def show(done: int, total: int, number: int = number) -> None:
                if on_progress:
                    on_progress(number * total + done, n_members * total)

            left = max(prepared.run.seconds - (time.monotonic() - began), 0.0)
            run: Run = replace(member.run, seconds=left, order_seed=order_seed)
            yield _one_run(replace(member, run=run), segments, read_eeg, show)

    shape = (prepared.task.n_frames, prepared.task.n_bands)
    return mean_of_runs(runs(), [segment.id for segment in segments], shape, n_members)
