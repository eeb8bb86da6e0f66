"""Whether a score's record may be written to its board, checked before hours are spent on scoring."""

from __future__ import annotations

from pathlib import Path

from harness.errors import RecordError, SubmissionError, raise_all
from harness.evaluation.evaluate import corpus_data, split_part, system_of
from harness.evaluation.prepare import prepare
from harness.execution import Run
from harness.records.neighbours import Facts
from harness.records.record import System
from harness.records.store import another_system, check_neighbours, record_name, stored_record, system_faults
from harness.submission.find import known_submissions, submission_folder
from harness.submission.manifest import Submission, load_submission
from harness.tasks.task import Task


def check_place(results: Path, submission: Submission, task: Task, run: Run) -> None:
    """Refuse a submission whose record would take the place of another system's, or stand on a wrong board.

    The record of a submission's own earlier code gives way. Another submission's does not: one of another
    name or variant whose file has the same name, and one of the same name that has its folder beside the
    results, ``baselines/<name>`` or ``submissions/<name>``, where this submission lies elsewhere. Where the
    results lie by themselves, the folders below the current one and the shipped baselines are looked at: one
    of the same name whose code made the record keeps its place.

    A board whose records are of another declaration of the corpus, or of another split file, is a wrong one.

    Args:
        results: the folder that the record is to be written below.
        submission: to be scored.
        task: on which it is scored.
        run: variant, seed and limits.

    Raises:
        RecordError: both names or boards, both hashes, and what to do.
        SubmissionError: the submission does not fit the task.
    """
    system = system_of(prepare(submission, task, run))
    board = (task.corpus.name, task.split.name, task.part, task.feature)
    path = results.joinpath(
        *board, record_name(system, partial=bool(task.subjects_missing or task.stimuli_missing))
    )
    there = stored_record(path)
    if there is not None:
        raise_all(RecordError, system_faults(path, there, system))
        _check_home(path, there.submission, submission, system, results)
    check_neighbours(path, Facts(split_part(task), corpus_data(task), system.kind, task.subjects_missing))


def _check_home(path: Path, there: System, submission: Submission, system: System, results: Path) -> None:
    """Refuse a stranger's folder that has the name of a submission of the repository.

    Raises:
        RecordError: the record that is there is of the repository's own.
    """
    if there.code_sha256 == system.code_sha256:
        return
    home = submission_folder(submission.name, results.resolve().parent)
    if home is None:  # results that lie by themselves
        known = [one for one in known_submissions() if one.name == submission.name and _made(one, there)]
        home = known[0] if known else None
    if home is not None and home.resolve() != submission.folder:
        raise RecordError(another_system(path, there, system, str(home), str(submission.folder)))


def _made(folder: Path, there: System) -> bool:
    """Whether a record is of the code that lies in a folder now."""
    try:
        return load_submission(folder).code_sha256() == there.code_sha256
    except SubmissionError:
        return False
