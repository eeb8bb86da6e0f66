"""The process of one job: opens the task, scores what was handed in as ``harness score`` does, and ends.

It is given what to do as JSON on stdin, leaves ``result.json`` in its folder, and changes nothing of the
queue but names that are taken. It ends when whoever started it ends, which closes stdin.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import sys
import threading
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import (
    Fault,
    HarnessError,
    PredictionsError,
    PredictorError,
    QueueError,
    ShapeError,
    SubmissionError,
    show,
)
from harness.files import write_atomically
from harness.queue.files import create, read
from harness.queue.intake import is_package_zip, unpack
from harness.queue.jobs import REFUSED, SCORED, SEALED, Job
from harness.queue.settings import Phase, Settings, load_settings

if TYPE_CHECKING:
    from harness.execution import PredictorRun, Run
    from harness.records.record import Record
    from harness.tasks.task import Task

# What a participant can mend; whatever else happens is the organiser's to look at.
_THEIRS = (PredictionsError, SubmissionError, PredictorError, ShapeError, QueueError)
_PATH = re.compile(r"(?<![\w.>])(?:/[^\s/:'\",;()]+)+/([^\s/:'\",;()]*)")
_MOST_REASONS = 50


def main() -> None:
    """Do one job."""
    given = json.loads(sys.stdin.readline())
    threading.Thread(target=_end_with_parent, daemon=True).start()
    scratch = Path(given["scratch"])
    settings = load_settings(Path(given["folder"]))
    job = Job(Path(given["job"]))
    phase = settings.phase(job.phase)
    result: dict[str, Any]
    try:
        result = _done(settings, phase, job, scratch, only_check=given["only_check"])
    except _THEIRS as error:
        reasons = [plain(str(fault), settings, phase, scratch) for fault in error.faults[:_MOST_REASONS]]
        result = {"state": REFUSED, "reasons": reasons}
    except Exception:
        result = {"state": "trouble", "organiser": traceback.format_exc()[-20_000:]}
    write_atomically(scratch / "result.json", json.dumps(result).encode())


def _end_with_parent() -> None:
    sys.stdin.read()
    os._exit(1)


class _Trouble(Exception):  # noqa: N818 - not an error of what was handed in
    """The task cannot be opened: the organiser's."""


def open_phase(settings: Settings, phase: Phase, *, predictions: bool) -> Task:
    """The task of a phase; predictions need no recordings where the labels lie apart.

    Raises:
        HarnessError: data, labels or split that cannot be used.
    """
    from harness.corpus.locate import is_feature_folder
    from harness.corpus.simulated.corpora import cached, wanted
    from harness.tasks.labels_only import open_labels_task
    from harness.tasks.splits import load_split
    from harness.tasks.task import open_task

    said = dict(phase.task)
    where = {key: settings.folder / said[key] for key in ("data", "labels") if key in said}
    split = said.get("split")
    if split is not None and split.endswith(".json"):
        split = str(settings.folder / split)
    part, feature, partial = said.get("part", "test"), said.get("feature"), said.get("partial", False)
    labels, data = where.get("labels"), where.get("data")
    if data is None and labels is not None and predictions and not is_feature_folder(labels, labels):
        return open_labels_task(
            labels, corpus=said.get("corpus"), split_name=split, part=part, feature=feature, partial=partial
        ).task
    if data is None:
        data = cached(wanted(load_split(split).corpora if split else ()))
    return open_task(data, split_name=split, part=part, feature=feature, labels=labels, partial=partial)


def _done(settings: Settings, phase: Phase, job: Job, scratch: Path, *, only_check: bool) -> dict[str, Any]:
    from harness.evaluation.check import check_predictions, check_submission
    from harness.execution import Run
    from harness.records.document import record_bytes
    from harness.records.kept import note_predictions
    from harness.records.store import record_path
    from harness.records.text import record_text

    limits = settings.limits
    system, is_predictions = _system(settings, job, scratch)
    try:
        task = open_phase(settings, phase, predictions=is_predictions)
        task.check_labels()
    except HarnessError as error:
        raise _Trouble(str(error)) from error
    run = Run(seconds=limits.predictor_seconds, memory_bytes=int(limits.memory_gib * 2**30), jobs=limits.jobs)
    if only_check:
        if is_predictions:
            faults = check_predictions(system, task)[0]
        else:
            faults = check_submission(system, lambda: task, run)[0]
        if faults:
            raise PredictionsError(*faults)
        return {"state": SEALED}
    results = settings.folder / phase.results
    made_of = _records(system, task, run, results, is_predictions, settings, phase, job)
    made = []
    for record, predictions in made_of:
        path, content = record_path(results, record), record_bytes(record)
        note_predictions(results, hashlib.sha256(content).hexdigest(), predictions)
        made.append({"path": str(path.relative_to(results)), "record": content.decode("utf-8")})
    words = "\n\n".join(record_text(record) for record, _ in made_of)
    return {"state": SCORED, "records": made, "text": plain(words, settings, phase, scratch)}


def _system(settings: Settings, job: Job, scratch: Path) -> tuple[Path, bool]:
    """What was handed in, under its own name in the job's folder, and whether it is predictions."""
    import shutil

    from harness.predictions import is_predictions

    limits, name = settings.limits, job.name
    if len(name.encode("utf-8", "surrogateescape")) > 150 or not name.isprintable():
        raise QueueError(Fault(show(name), "a name that is too long, or not printable", "", "Rename it."))
    if job.item.is_file() and is_package_zip(job.item):
        target = scratch / "package"
        target.mkdir()
        folder = unpack(job.item, target, limits.files, int(limits.item_mib * 2**20))
        return _package(folder, settings), False
    own = (
        name
        if name == job.team or name.startswith((f"{job.team}-", f"{job.team}."))
        else f"{job.team}-{name}"
    )
    copy = scratch / own
    if job.item.is_dir():
        shutil.copytree(job.item, copy, symlinks=True)
    else:
        shutil.copyfile(job.item, copy)
    if is_predictions(copy):
        return copy, True
    if not copy.is_dir():
        raise QueueError(
            Fault(
                show(name),
                "neither predictions nor a submission package",
                ".zip, .npz, a folder of sub-*.json, or a package with its submission.toml",
            )
        )
    return _package(copy, settings), False


def _package(folder: Path, settings: Settings) -> Path:
    if not settings.limits.packages:
        raise QueueError(Fault(show(folder.name), "a submission package", "predictions: no code is run here"))
    return folder


def _records(
    system: Path,
    task: Task,
    run: Run,
    results: Path,
    is_predictions: bool,
    settings: Settings,
    phase: Phase,
    job: Job,
) -> list[tuple[Record, str]]:
    """Each record, and the hash of its predictions, which are kept."""
    from harness.evaluation.evaluate import evaluate, evaluate_predictions
    from harness.evaluation.predict import grouped
    from harness.evaluation.prepare import runs_of
    from harness.predictions import read_predictions
    from harness.records.kept import keep_predictions
    from harness.submission.manifest import load_submission

    if is_predictions:
        _take_name(system.stem if system.is_file() else system.name, results, settings, phase, job)
        record = evaluate_predictions(system, task)
        return [(record, keep_predictions(results, read_predictions(system, task.expected)))]
    submission = load_submission(system)
    _take_name(submission.name, results, settings, phase, job)
    made = []
    for one in runs_of(submission, task, run):
        kept: list[str] = []

        def keep(run: PredictorRun, kept: list[str] = kept) -> None:
            kept.append(keep_predictions(results, grouped(task, run.predictions)))

        made.append((evaluate(submission, task, one, keep), kept[0]))
    return made


def _take_name(name: str, results: Path, settings: Settings, phase: Phase, job: Job) -> None:
    """A name on a board is the team's that used it first, or the organiser's whose record is there.

    Raises:
        QueueError: it is somebody else's.
    """
    folder = settings.folder / "names" / phase.results
    folder.mkdir(parents=True, exist_ok=True)
    place = folder / f"{name.casefold()}.json"
    there = read(place)
    if there is None and any(
        one.stem.split(".")[0].casefold() == name.casefold() for one in results.glob("*/*/*/*/*.json")
    ):
        there = {"team": None}
    elif there is None:
        create(place, {"team": job.team})
        there = read(place) or {}
    if there.get("team") != job.team:
        raise QueueError(Fault(f"the name {show(name)}", "taken by somebody else", "", "Choose another."))


def plain(text: str, settings: Settings, phase: Phase, scratch: Path) -> str:
    """Text for a participant: no path of this machine."""
    roots = [scratch / "package", scratch, settings.folder]
    roots += [settings.folder / phase.task[key] for key in ("labels", "data") if key in phase.task]
    for root in sorted({str(way) for one in roots for way in (one, one.resolve())}, key=len, reverse=True):
        text = text.replace(f"{root}/", "").replace(root, "...")
    return _PATH.sub(r"\1", text)


if __name__ == "__main__":
    main()
