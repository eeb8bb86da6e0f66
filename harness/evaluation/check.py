"""``harness check``: everything that ``score`` would refuse, found without labels and all at once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from harness.errors import Fault, HarnessError, UsageError, counted
from harness.evaluation.controls import asked_of
from harness.evaluation.predict import Predicted, predicted
from harness.evaluation.prepare import Prepared, prepare
from harness.execution import Run
from harness.predictions import read_predictions
from harness.records.record import DECLARED, TAMPERED, VERIFIED
from harness.submission.ensemble import load_members
from harness.submission.manifest import load_submission, weights_faults
from harness.submission.training_record import read_training
from harness.tasks.task import Task

# Enough segments to see shapes, types and numbers; few enough to answer at once.
DRY_RUN_SEGMENTS = 4


def check_submission(folder: Path, open_task: Callable[[], Task], run: Run) -> tuple[list[Fault], list[str]]:
    """Check a submission folder.

    Args:
        folder: with a manifest.
        open_task: opens the task of the dry run; called once the manifest is valid.
        run: variant, seed and limits of the dry run.

    Returns:
        Faults, and the lines that say what was checked and is right.

    Raises:
        UsageError: no such split, part, feature or variant.
    """
    try:
        submission = load_submission(folder)
    except HarnessError as error:
        return list(error.faults), []
    checked = [f"manifest of {submission.name} {submission.version}"]
    members = [submission]
    if submission.is_ensemble:
        try:
            members = [member.submission for member in load_members(submission)]
        except HarnessError as error:
            return list(error.faults), checked
        checked.append(counted(len(members), "member"))
    faults = [fault for one in members for fault in weights_faults(one)]
    if not faults:
        listed = sum(len(one.manifest.get("weights", [])) for one in members)
        checked.append(
            f"{counted(listed, 'weights file')} {'matches its hash' if listed == 1 else 'match their hashes'}"
        )
    try:
        task = open_task()
        prepared = prepare(submission, task, run)
        checked += _training_lines(prepared)
        with predicted(prepared, asked_of(task, run, DRY_RUN_SEGMENTS)) as dry:
            checked.append(
                f"dry run on {counted(len(dry.run.predictions), 'segment')} of {task.corpus.words}: float32"
                f" ({task.n_frames}, {task.n_bands}), finite"
            )
            checked += _blind_lines(dry)
    except UsageError:
        raise
    except HarnessError as error:
        faults += [fault for fault in error.faults if fault not in faults]
    return faults, checked


_TRAININGS = {
    VERIFIED: "verified, this machine trained the weights",
    DECLARED: "declared, the author's word (this machine did not train the weights)",
    TAMPERED: "CHANGED since this machine signed it; nothing that it says is believed",
    None: "none that says what the weights have seen",
}


def _training_lines(prepared: Prepared) -> list[str]:
    """How far the records of training are to be believed; nothing of a system without weights."""
    weights = [one.weights for one in prepared.members or (prepared,)]
    if not any(weights):
        return []
    return [f"training record: {_TRAININGS[read_training(weights).status]}"]


def _blind_lines(dry: Predicted) -> list[str]:
    """What the dry run says of surrogates, of which there are none where segments are too short."""
    if not dry.blind:
        return []
    same = all(np.array_equal(dry.run.predictions[name], blind) for name, blind in dry.blind.items())
    line = f"dry run on {counted(len(dry.blind), 'surrogate')}, EEG without what was heard"
    return [f"{line}: THE SAME PREDICTIONS, the EEG is not used" if same else f"{line}: other predictions"]


def check_predictions(path: Path, task: Task) -> tuple[list[Fault], list[str]]:
    """Check a predictions file against the segments of a task.

    Returns:
        Faults, and the lines that say what was checked and is right.
    """
    found = missing = 0
    try:
        for subject, predictions in read_predictions(path, task.expected):
            found += len(predictions)
            missing += len(task.by_subject[subject]) - len(predictions)
    except HarnessError as error:
        return list(error.faults), []
    checked = [f"{counted(found, 'segment')} of {counted(len(task.by_subject), 'subject')}"]
    if missing:
        checked.append(
            f"{counted(missing, 'segment')} {'is' if missing == 1 else 'are'} missing and would count 0"
        )
    return [], checked
