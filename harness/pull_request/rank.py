"""Ranking what a range of commits changed: which rows of the boards are new, moved, or gone.

Changed submissions are checked and scored here and now; every other row comes from its record, where
that can be trusted (see ``harness.pull_request.board``). The result is a document, valid against the schema
``pull-request``; ``harness.pull_request.comment`` makes Markdown of it.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence, Set
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.boards.board import BoardName
from harness.corpus import open_corpus
from harness.errors import Fault, HarnessError, RecordError, UsageError, raise_all
from harness.execution import Run
from harness.pull_request.as_jobs import RunJobs, ScoredAsJobs
from harness.pull_request.asked import RESULTS
from harness.pull_request.board import BoardChange, Source
from harness.pull_request.changes import Changes, Remark, edits
from harness.pull_request.comment import load_data, score_of
from harness.pull_request.elsewhere import stale_elsewhere
from harness.pull_request.predictions import ProgressBar, ScoredFromFiles, ScoredHere, predict_changed
from harness.pull_request.submissions import Submissions
from harness.records.document import parse_record
from harness.records.record import Record
from harness.records.store import read_record, record_path
from harness.records.verify import SAME_R
from harness.schemas.validate import schema_faults
from harness.scoring.score import SCORER_VERSION
from harness.tasks.task import Task, open_task

# How much of what a pull request's own code says is kept, so that the data are not too large for the comment.
MOST_OWN_BOARDS, MOST_OWN_ROWS, MOST_OWN_REMARKS = 16, 100, 100


@dataclass(frozen=True)
class Ranked:
    """What a range does to the boards.

    Attributes:
        document: valid against the schema ``pull-request``.
        scored: the records made here.
    """

    document: dict[str, Any]
    scored: tuple[Record, ...]

    @property
    def stopped(self) -> bool:
        """Whether something must be fixed."""
        return any(remark["stop"] for remark in self.document["remarks"])


def rank_changes(
    changes: Changes,
    data: Path,
    run: Run,
    progress: ProgressBar,
    *,
    board: BoardName | None = None,
    predictions: Path | None = None,
    own: Path | None = None,
    run_jobs: RunJobs | None = None,
) -> Ranked:
    """Check and score what changed, and rank the boards again.

    Args:
        changes: since a ref.
        data: folder of a corpus; the boards of this corpus are ranked.
        run: seed, jobs and limits of every submission.
        progress: opens a progress bar of a title.
        board: only this one; None for all of the corpus.
        predictions: where :func:`predict_changes` left those of changed submissions, which are then not
            run here; the code that runs here is the base's, and is trusted. None to run everything here.
        own: what the pull request's own code wrote, where it edits the harness; its word, and shown as such.
            None, or no such file, where there is nothing.
        run_jobs: runs commands as jobs: each system that is scored is one. None to score in this process.

    Raises:
        CorpusError: no corpus there.
        RecordError: no board of the corpus.
    """
    submissions = Submissions.of(changes)
    by_base = predictions is not None
    remarks = [*edits(changes, by_base=by_base), *submissions.remarks, *_orphans(changes)]
    source: Source = ScoredHere(progress)
    if predictions is not None:
        source = ScoredFromFiles(predictions, frozenset(submissions.changed))
    elif run_jobs is not None:
        source = ScoredAsJobs(run_jobs, changes, data, run)
    corpus = open_corpus(data).name
    tasks, unscored = _tasks(changes, data, _boards(changes, corpus, data, board), by_base=by_base)
    remarks += unscored
    for changed in submissions.changed:
        if by_base:
            remarks += submissions.weights_faults(changed)
        else:
            remarks += submissions.check(changed, [task for _, task in tasks], run)
    places = [
        BoardChange(name, task, changes, submissions, run, source, by_base=by_base) for name, task in tasks
    ]
    source.expect([one for place in places for one in place.plan()])
    boards = []
    for place in places:
        boards.append(place.ranked())
        remarks += place.remarks
    remarks += _beside(changes, submissions, [place.name for place in places])
    if board is None:
        remarks += stale_elsewhere(changes, submissions, corpus, RESULTS, by_base=by_base)
    word = None
    if own is not None and own.exists():
        try:
            word = own_word(own, boards)
        except RecordError as error:
            text = f"what the pull request's own code left is not shown: {error}"
            remarks.append(Remark(False, "harness", text))
    document = {
        "version": 2,
        "base": changes.base,
        "head": changes.head,
        "code": "base" if by_base else "own",
        "scorer_version": SCORER_VERSION,
        "remarks": _shown(remarks),
        "boards": boards,
        "own": word,
    }
    raise_all(RecordError, schema_faults(document, "pull-request", "ranking"))
    return Ranked(document, tuple(record for place in places for record in place.scored))


def predict_changes(
    changes: Changes,
    data: Path,
    run: Run,
    progress: ProgressBar,
    folder: Path,
    *,
    board: BoardName | None = None,
) -> Iterator[tuple[Path, str]]:
    """Run the changed submissions only, and leave their predictions for another job to score.

    Args:
        changes: since a ref.
        data: folder of a corpus; the boards of this corpus are predicted.
        run: seed, jobs and limits of every submission.
        progress: opens a progress bar of a title.
        folder: for the predictions.
        board: only this one; None for all of the corpus.

    Yields:
        Each file of predictions, and why there are none; empty where there are.

    Raises:
        CorpusError: no corpus there.
        RecordError: no board of the corpus.
    """
    boards = _boards(changes, open_corpus(data).name, data, board)
    tasks, _ = _tasks(changes, data, boards, by_base=True)
    yield from predict_changed(Submissions.of(changes), tasks, run, progress, folder)


def own_word(path: Path, boards: list[dict[str, Any]]) -> dict[str, Any]:
    """What a pull request's own code says beside the base's rows.

    Args:
        path: the document that the pull request's own code wrote.
        boards: of the base's code.

    Raises:
        RecordError: the document cannot be read, or is not valid.
    """
    said = load_data(path)
    shown = {_place(board): board for board in boards}
    moved: list[dict[str, Any]] = []
    for board in said["boards"]:
        measures = {key: board[key] for key in ("measures",) if key in board}
        same = shown.get(_place(board), {})
        base = {row["system"]: score_of(row) for row in same.get("rows", ()) if _by(same) == _by(board)}
        own = [
            {
                "system": row["system"],
                "value" if "value" in row else "pearson_r": score_of(row),
                "base": base.get(row["system"]),
            }
            for row in board["rows"]
        ]
        differ = [row for row in own if row["base"] is None or abs(row["base"] - score_of(row)) > SAME_R]
        if differ:
            place = {key: board[key] for key in BoardName._fields}
            moved.append({**place, **measures, "rows": differ[:MOST_OWN_ROWS]})
    spoken = [{**remark, "text": remark["text"][:500]} for remark in said["remarks"][:MOST_OWN_REMARKS]]
    return {
        "scorer_version": said["scorer_version"],
        "remarks": spoken,
        "boards": moved[:MOST_OWN_BOARDS],
    }


def _place(board: Mapping[str, Any]) -> BoardName:
    return BoardName(*(board[key] for key in BoardName._fields))


def _by(board: Mapping[str, Any]) -> str | None:
    """The title of the measure that ranks; None for Pearson r alone."""
    title: str | None = board["measures"][0]["title"] if "measures" in board else None
    return title


def _shown(remarks: list[Remark]) -> list[dict[str, Any]]:
    """Remarks as the document holds them: each once, those that stop first."""
    ordered = sorted(dict.fromkeys(remarks), key=lambda remark: not remark.stop)
    return [{**remark._asdict(), "text": remark.text[:2000]} for remark in ordered[:1000]]


def _tasks(
    changes: Changes, data: Path, boards: Sequence[BoardName], *, by_base: bool
) -> tuple[list[tuple[BoardName, Task]], list[Remark]]:
    """The boards that can be scored, with what each asks, and a remark for each that cannot."""
    tasks: list[tuple[BoardName, Task]] = []
    remarks: list[Remark] = []
    for name in boards:
        try:
            with _split(changes, name.split, by_base=by_base) as split:
                task = open_task(data, split_name=split, part=name.part, feature=name.feature)
            task.check_labels()
        except HarnessError as error:
            remarks.append(Remark(True, "board", f"board {name} cannot be scored: {error}"))
        else:
            tasks.append((name, task))
    return tasks, remarks


@contextmanager
def _split(changes: Changes, name: str, *, by_base: bool) -> Iterator[str]:
    """A split's file: the base's where the base's code ranks; else the working tree's, else the harness's."""
    before = changes.at_base(f"splits/{name}.json") if by_base else None
    if before is not None:
        with tempfile.TemporaryDirectory(prefix="harness-") as folder:
            path = Path(folder) / f"{name}.json"
            path.write_bytes(before)
            yield str(path)
    else:
        yield changes.split_here(name)


def _orphans(changes: Changes) -> list[Remark]:
    """Records of submissions that the range removes, which would stand on boards without them."""
    removed = _removed_submissions(changes)
    if not removed:
        return []
    remarks = []
    for path in sorted(changes.root.glob(f"{RESULTS}/*/*/*/*/*.json")):
        try:
            system = read_record(path).submission
        except RecordError:
            continue
        if system.kind == "submission" and system.name in removed:
            where = path.relative_to(changes.root).as_posix()
            text = f"removes the submission {system.name} and leaves its record {where}: remove that too"
            remarks.append(Remark(True, "withdrawn", text))
    return remarks


def _removed_submissions(changes: Changes) -> set[str]:
    return {folder.rpartition("/")[2] for folder, kind in changes.submissions().items() if kind == "removed"}


def _beside(changes: Changes, submissions: Submissions, ranked: list[BoardName]) -> list[Remark]:
    """Remarks on records that the range removes, and on those that it changes outside the ranked boards."""
    remarks = []
    own = submissions.touched | _removed_submissions(changes)
    for path, kind in changes.below(RESULTS).items():
        if kind == "removed":
            remarks.append(_removed(changes, path, own))
        elif tuple(path.split("/")[1:-1]) not in ranked:
            text = f"NOT VERIFIED, of no board that is ranked here: {path} ({kind})"
            remarks.append(Remark(False, "record", text))
    return remarks


def _removed(changes: Changes, path: str, own: Set[str]) -> Remark:
    """A removed record; it stops where the range leaves its system as it was: mostly somebody else's.

    Args:
        changes: of the range.
        path: of the record.
        own: names of submissions that the range removes, or changes in more than documents.
    """
    text = f"removes the record {path}"
    try:
        record = parse_record(changes.at_base(path) or b"", path)
    except RecordError:
        return Remark(False, "withdrawn", text)
    system = record.submission
    if Path(path) != record_path(Path(RESULTS), record) or system.name in own:
        return Remark(False, "withdrawn", text)
    if system.kind == "predictions":
        return Remark(True, "withdrawn", f"{text} of predictions: whoever runs the challenge withdraws these")
    return Remark(
        True, "withdrawn", f"{text} and leaves {system.name} as it was: restore it, or withdraw both"
    )


def _boards(changes: Changes, corpus: str, data: Path, board: BoardName | None) -> list[BoardName]:
    """The boards of a corpus that are ranked: the one that is named, or all that have a record."""
    if board is not None and board.corpus == corpus:
        return [board]
    now = (
        path.relative_to(changes.root).as_posix() for path in changes.root.glob(f"{RESULTS}/*/*/*/*/*.json")
    )
    everywhere = {
        BoardName(*path.split("/")[1:5])
        for path in [*changes.tree, *now]
        if path.startswith(f"{RESULTS}/") and path.count("/") == 5 and path.endswith(".json")
    }
    found = {one for one in everywhere if one.corpus == corpus}
    if board is not None or not found:
        known = ", ".join(map(str, sorted(found))) or f"a record below {RESULTS}/{corpus}/"
        others = sorted({one.corpus for one in everywhere} - {corpus})
        there = f" There are records of {', '.join(others)}." if others else ""
        kind = UsageError if board is not None else RecordError
        raise kind(
            Fault(
                f"board {board or f'of the corpus {corpus}'}",
                f"not of the corpus {corpus} in {data}" if board else "no record",
                known,
                f"--data names the corpus; --board a board of it, CORPUS/SPLIT/PART/FEATURE.{there}",
            )
        )
    return sorted(found)
