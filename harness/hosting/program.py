"""Scoring on a platform: references and predictions in, ``scores.json`` and ``detailed_results.html`` out.

What a participant can mend is said to them on stderr and in the page; of everything else they learn that it
is the organiser's to look at, and no more: nothing that is printed comes from the references.
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import PredictionsError, ShapeError
from harness.files import write_atomically
from harness.hosting.columns import scores_of
from harness.hosting.results import refused_html, results_html

if TYPE_CHECKING:
    from harness.records.record import Record
    from harness.tasks.task import Task

SCORES, DETAILS = "scores.json", "detailed_results.html"
TASK = "task.json"
_THEIRS = (PredictionsError, ShapeError)
_MOST_REASONS = 50


def run(program: str, references: str, predictions: str, output: str) -> int:
    """Score what was handed in, and give the exit code.

    Args:
        program: the folder with ``task.json``, and the split and corpus.toml that it names.
        references: folder or zip of a JSON file for each subject.
        predictions: likewise, or an npz; or a folder in which that lies alone.
        output: folder for the two files; made where it is missing.
    """
    out = Path(output)
    try:
        out.mkdir(parents=True, exist_ok=True)
        task = open_hosted(Path(program), Path(references))
        record = score_handed_in(task, Path(predictions))
        scores = json.dumps(scores_of(record), indent=1, allow_nan=False) + "\n"
        write_atomically(out / DETAILS, results_html(record).encode())
        write_atomically(out / SCORES, scores.encode())
    except _THEIRS as error:
        reasons = [_plain(str(fault), predictions) for fault in error.faults[:_MOST_REASONS]]
        return _refuse(out, ["Not scored. What was handed in cannot be used:", *reasons])
    except Exception as error:  # a traceback could show references
        words = f"Not scored ({type(error).__name__}), and not for what was handed in: tell the organisers."
        return _refuse(out, [words])
    sys.stdout.write(scores)
    return 0


def open_hosted(program: Path, references: Path) -> Task:
    """The task that a scoring program is for.

    Raises:
        HarnessError: references, split or corpus.toml that are not those that were hosted.
    """
    from harness.tasks.labels_only import open_labels_task

    said: dict[str, Any] = json.loads((program / TASK).read_bytes())
    corpus, split = said["corpus"], said["split"]
    return open_labels_task(
        references,
        corpus=str(program / corpus) if corpus.endswith(".toml") else corpus,
        split_name=program / split if split else None,
        part=said["part"],
        feature=said["feature"],
        partial=said["partial"],
    ).task


def score_handed_in(task: Task, path: Path) -> Record:
    """The record of what was handed in.

    Raises:
        PredictionsError, ShapeError: it is refused.
        HarnessError: the references cannot be read.
    """
    from harness.evaluation.evaluate import predictions_record, score_task
    from harness.predictions import predictions_sha256, read_predictions

    task.check_labels()
    with tempfile.TemporaryDirectory() as scratch:
        found = _found(path, Path(scratch) / "predictions")
        sha256 = predictions_sha256(found)
        scored = score_task(task, read_predictions(found, task.expected))
    fingerprint = task.fingerprint(scored.references)
    return predictions_record(task, scored, "submission", sha256, fingerprint, Path(path.anchor or "/"))


def _found(path: Path, copy: Path) -> Path:
    """Predictions as their zip was unpacked: at its top or in one folder; what macOS adds is passed over."""
    if not path.is_dir():
        return path
    every = [one for one in path.iterdir() if not one.name.startswith(".")]
    there = [one for one in every if one.name != "__MACOSX"]
    if len(there) == 1 and (there[0].is_dir() or there[0].suffix.lower() in (".npz", ".zip")):
        return there[0] if not there[0].is_symlink() else path
    if len(there) < len(every):
        shutil.copytree(path, copy, symlinks=True, ignore=shutil.ignore_patterns("__MACOSX"))
        return copy
    return path


def _refuse(out: Path, lines: list[str]) -> int:
    sys.stderr.write("\n".join(lines) + "\n")
    try:
        (out / SCORES).unlink(missing_ok=True)
        write_atomically(out / DETAILS, refused_html(lines).encode())
    except OSError as error:
        sys.stderr.write(f"{DETAILS}: {error.strerror}\n")
    return 1


def _plain(text: str, predictions: str) -> str:
    """A message without the platform's paths."""
    for root in (str(Path(predictions).resolve()), predictions):
        text = text.replace(f"{root}/", "").replace(root, "what was handed in")
    return text
