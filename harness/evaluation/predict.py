"""A prepared submission's predictions, made in a process that sees EEG only."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.conventions import Progress
from harness.corpus.array_files import release_maps
from harness.errors import Fault, PredictorError, counted
from harness.evaluation.prepare import Prepared
from harness.execution import PredictorRun, Run, SegmentInput, predict_segments
from harness.scoring.blind import surrogate_of
from harness.scoring.measures import DEFAULT_SURROGATES
from harness.submission.ensemble import mean_of_runs
from harness.tasks.fingerprint import Fingerprint
from harness.tasks.segments import Segment
from harness.tasks.task import Task

if TYPE_CHECKING:
    from harness.conventions import Array


class Predicted(NamedTuple):
    """What a submission predicted, and from what.

    Attributes:
        run: its predictions, how long they took, and what it printed; time is that of surrogates too.
        eeg: the fingerprint of the EEG that it was given.
        blind: segment id -> its prediction from the segment's surrogate; empty where none were asked.
        training: id of a training segment -> its prediction; empty where none were asked.
    """

    run: PredictorRun
    eeg: Fingerprint
    blind: Mapping[str, Array] = MappingProxyType({})
    training: Mapping[str, Array] = MappingProxyType({})


class Asked(NamedTuple):
    """What a predictor is asked.

    Attributes:
        segments: with their own EEG.
        blind: segments whose surrogate it is asked too; some of ``segments``, or none.
        surrogates: how these are made.
        training: segments of the training part that it is asked too.
        donors: id of a segment -> whose EEG its surrogate is, where surrogates are other segments' EEG.
    """

    segments: Sequence[Segment]
    blind: Sequence[Segment] = ()
    surrogates: str = DEFAULT_SURROGATES
    training: Sequence[Segment] = ()
    donors: Mapping[str, Segment] = MappingProxyType({})


class Reader:
    """Reads what a predictor is asked, and keeps the fingerprint of the EEG that was read."""

    def __init__(self, asked: Asked) -> None:
        self._every = (*asked.segments, *asked.blind, *asked.training)
        self._n_own, self._n_blind = len(asked.segments), len(asked.blind)
        self._kind, self._donors = asked.surrogates, asked.donors
        self.fingerprint = Fingerprint()

    def __call__(self, index: int) -> NDArray[np.float32]:
        """The EEG of a segment, (segment_samples, n_channels), in the order of :func:`_names`."""
        segment, own = self._every[index], index < self._n_own
        is_blind = not own and index < self._n_own + self._n_blind
        read = self._donors.get(segment.id, segment) if is_blind else segment
        eeg = np.array(read.eeg(), order="C")  # a copy: no map of a corpus's file is handed on
        release_maps()  # segments come from all recordings in turn
        if is_blind and not self._donors:
            return surrogate_of(segment.id, eeg, self._kind)
        if own and self.fingerprint.lacks(segment.id, "eeg"):
            excluded = segment.recording.channels_excluded
            self.fingerprint.add_eeg(segment.id, segment.stored_eeg() if excluded else eeg)
        return eeg


@contextmanager
def predicted(
    prepared: Prepared, asked: Asked | None = None, *, on_progress: Progress | None = None
) -> Iterator[Predicted]:
    """Run a submission on segments, and on surrogates of some, all in one random order.

    Args:
        prepared: the submission on its task.
        asked: what it is asked; None for the task's segments.
        on_progress: called with how many are done and their total.

    Raises:
        PredictorError: the predictor's process failed in any way; said to fail on surrogates only where it
            answers all segments without them.
        CorpusError: EEG that cannot be read.
    """
    asked = asked or Asked(prepared.task.segments)
    read_eeg = Reader(asked)
    started = _ensemble_run if prepared.members else _one_run
    began = time.monotonic()
    with ExitStack() as stack:
        try:
            run = stack.enter_context(started(prepared, asked, read_eeg, on_progress))
        except PredictorError as error:
            if not asked.blind:
                raise
            left = prepared.run.seconds - (time.monotonic() - began)
            raise PredictorError(*error.faults, *_of_surrogates(prepared, asked, left)) from error
        own = {segment.id: run.predictions[segment.id] for segment in asked.segments}
        blind = {segment.id: run.predictions[_surrogate_id(segment)] for segment in asked.blind}
        training = {segment.id: run.predictions[_training_id(segment)] for segment in asked.training}
        stack.callback(own.clear)  # storage without a name goes with the last array
        stack.callback(blind.clear)
        stack.callback(training.clear)
        own_run = replace(run, predictions=MappingProxyType(own))
        yield Predicted(own_run, read_eeg.fingerprint, MappingProxyType(blind), MappingProxyType(training))


def _surrogate_id(segment: Segment) -> str:
    """What errors call a segment's surrogate; no segment has such an id."""
    return f"surrogate of {segment.id}"


def _training_id(segment: Segment) -> str:
    """What errors call a segment of the training part; no segment has such an id."""
    return f"training segment {segment.id}"


def _of_surrogates(prepared: Prepared, asked: Asked, seconds: float) -> list[Fault]:
    """What there is to say of a run with surrogates that failed: whether it does without them."""
    where = f"{prepared.submission.name}, blind control"
    remedy = "Ask for fewer surrogates with --surrogates, or score without controls (--no-controls)."
    if seconds <= 0:
        n_asked = (
            f"{counted(len(asked.segments), 'segment')} and"
            f" {counted(len(asked.blind), 'surrogate')} were asked"
        )
        return [Fault(where, n_asked, "all within the time limit", remedy)]
    again = replace(prepared, run=replace(prepared.run, seconds=seconds))
    if _fails(again, Asked(asked.segments)) or not _fails(again, asked):  # it may have failed by chance
        return []
    said = (
        f"it fails on surrogates only: all {counted(len(asked.segments), 'segment')} are answered"
        " without them"
    )
    return [Fault(where, said, "an answer to any finite EEG", "Or score without controls (--no-controls).")]


def grouped(task: Task, predictions: Mapping[str, Array]) -> Iterator[tuple[str, dict[str, Array]]]:
    """A run's predictions subject by subject, in the task's order."""
    for subject, segments in task.by_subject.items():
        yield subject, {segment.id: predictions[segment.id] for segment in segments}


def _fails(prepared: Prepared, asked: Asked) -> bool:
    read_eeg = Reader(asked)
    started = _ensemble_run if prepared.members else _one_run
    try:
        with started(prepared, asked, read_eeg, None):
            return False
    except PredictorError:
        return True


def _one_run(
    prepared: Prepared, asked: Asked, read_eeg: Reader, on_progress: Progress | None
) -> AbstractContextManager[PredictorRun]:
    told = prepared.told
    return predict_segments(
        prepared.spec,
        [SegmentInput(name, told(subject)) for name, subject in _names(asked)],
        read_eeg,
        prepared.run,
        on_progress=on_progress,
        hidden=prepared.task.private,
        n_sizing=len(asked.segments),
    )


def _names(asked: Asked) -> list[tuple[str, str]]:
    """Id and subject of everything that is asked, segments first; ids stay on this side."""
    own = [(segment.id, segment.subject) for segment in asked.segments]
    blind = [(_surrogate_id(segment), segment.subject) for segment in asked.blind]
    return own + blind + [(_training_id(segment), segment.subject) for segment in asked.training]


def _ensemble_run(
    prepared: Prepared, asked: Asked, read_eeg: Reader, on_progress: Progress | None
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
            yield _one_run(replace(member, run=run), asked, read_eeg, show)

    shape = (prepared.task.n_frames, prepared.task.n_bands)
    return mean_of_runs(runs(), [name for name, _ in _names(asked)], shape, n_members)
