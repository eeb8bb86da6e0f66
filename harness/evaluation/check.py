"""``harness check``: everything that ``score`` would refuse, found without labels and all at once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from harness.errors import Fault, HarnessError
from harness.evaluation.predict import predicted
from harness.evaluation.prepare import prepare
from harness.execution import Run
from harness.predictions import read_predictions
from harness.submission.ensemble import load_members
from harness.submission.manifest import load_submission, weights_faults
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
        checked.append(f"{len(members)} members")
    faults = [fault for one in members for fault in weights_faults(one)]
    if not faults:
        listed = sum(len(one.manifest.get("weights", [])) for one in members)
        checked.append(f"{listed} weights files match their hashes")
    try:
        task = open_task()
        prepared = prepare(submission, task, run)
        with predicted(prepared, n_segments=DRY_RUN_SEGMENTS) as dry:
            n_bands = task.n_bands
            checked.append(
                f"dry run on {len(dry.run.predictions)} segments of {task.corpus.words}: float32"
                f" ({task.n_frames}, {n_bands}), finite"
            )
    except HarnessError as error:
        faults += [fault for fault in error.faults if fault not in faults]
    return faults, checked


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
    checked = [f"{found} segments of {len(task.by_subject)} subjects"]
    if missing:
        checked.append(f"{missing} segments are missing and would count 0")
    return [], checked
