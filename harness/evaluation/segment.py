"""One segment's prediction beside its reference."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.errors import Fault, UsageError, did_you_mean, shorten
from harness.predictions import read_predictions
from harness.tasks.task import Task


class Pair(NamedTuple):
    """One segment.

    Attributes:
        subject: whose.
        prediction: (n_frames, n_bands).
        reference: likewise.
    """

    subject: str
    prediction: NDArray[np.floating]
    reference: NDArray[np.floating]


def read_pair(task: Task, path: Path, segment_id: str) -> Pair:
    """A segment's prediction and its reference.

    Args:
        task: with references.
        path: predictions of the task: .zip, .npz, or a folder of a JSON file for each subject.
        segment_id: one of the task's.

    Raises:
        UsageError: there is no such segment, or no prediction of it.
        PredictionsError: the predictions are refused.
        CorpusError: there are no references.
    """
    segment = next((one for one in task.segments if one.id == segment_id), None)
    if segment is None:
        known = [one.id for one in task.segments]
        where = f"--segment {segment_id}"
        raise UsageError(
            Fault(where, "no such segment", f"one of {shorten(known, 3)}", did_you_mean(segment_id, known))
        )
    task.check_labels()
    found = None
    for subject, predictions in read_predictions(
        path, task.expected
    ):  # to the end: a later fault refuses all
        if subject == segment.subject and segment_id in predictions:
            found = predictions[segment_id]
    if found is None:
        raise UsageError(Fault(f"--segment {segment_id}", f"no prediction of it in {path}"))
    return Pair(segment.subject, found, task.references(segment.subject)[segment_id])
