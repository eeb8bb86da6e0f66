"""Ranking what a range of commits changed: which rows of the boards are new, moved, or gone.

Changed submissions are checked and scored here and now; every other row comes from its record, where
that can be trusted (see ``harness.pull_request.board``). The result is a document, valid against the schema
``pull-request``; ``harness.pull_request.comment`` makes Markdown of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.boards.board import BoardName
from harness.corpus import open_corpus
from harness.errors import Fault, HarnessError, RecordError, raise_all
from harness.execution import Run
from harness.pull_request.board import RESULTS, BoardChange, ProgressBar
from harness.pull_request.changes import Changes, Remark, edits
from harness.pull_request.submissions import Submissions
from harness.records.record import Record
from harness.schemas.validate import schema_faults
from harness.scoring.score import SCORER_VERSION
from harness.tasks.task import Task, open_task


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
        """Whether something must be mended."""
        return any(remark["stop"] for remark in self.document["remarks"])


def rank_changes(
    changes: Changes, data: Path, run: Run, progress: ProgressBar, *, board: BoardName | None = None
) -> Ranked:
    """Check and score what changed, and rank the boards again.

    Args:
        changes: since a ref.
        data: folder of a corpus; the boards of this corpus are ranked.
        run: seed, jobs and limits of every submission.
        progress: opens a progress bar of a title.
        board: only this one; None for all of the corpus.

    Raises:
        CorpusError: no corpus there.
        RecordError: no board of the corpus.
    """
    submissions = Submissions.of(changes)
    remarks = [*edits(changes), *submissions.remarks]
    places = []
    for name in _boards(changes, data, board):
        try:
            task = _open(changes, data, name)
        except HarnessError as error:
            remarks.append(Remark(True, "board", f"board {name} cannot be scored: {error}"))
        else:
            places.append(BoardChange(name, task, changes, submissions, run, progress))
    for changed in submissions.changed:
        remarks += submissions.check(changed, [place.task for place in places], run)
    boards = []
    for place in places:
        boards.append(place.ranked())
        remarks += place.remarks
    remarks += _beside(changes, [place.name for place in places])
    document = {
        "version": 1,
        "base": changes.base,
        "head": changes.head,
        "scorer_version": SCORER_VERSION,
        "remarks": [
            {**remark._asdict(), "text": remark.text[:2000]}
            for remark in sorted(dict.fromkeys(remarks), key=lambda remark: not remark.stop)[:1000]
        ],
        "boards": boards,
    }
    raise_all(RecordError, schema_faults(document, "pull-request", "ranking"))
    return Ranked(document, tuple(record for place in places for record in place.scored))


def _open(changes: Changes, data: Path, name: BoardName) -> Task:
    """A board's task, by the working tree's split where it has one, with its references."""
    split = changes.root / "splits" / f"{name.split}.json"
    task = open_task(
        data,
        split_name=str(split) if split.is_file() else name.split,
        part=name.part,
        feature=name.feature,
    )
    task.check_labels()
    return task


def _beside(changes: Changes, ranked: list[BoardName]) -> list[Remark]:
    """Remarks on records that the range removes, and on those that it changes outside the ranked boards."""
    remarks = []
    for path, kind in changes.below(RESULTS).items():
        if kind == "removed":
            remarks.append(Remark(False, "withdrawn", f"removes the record {path}"))
        elif tuple(path.split("/")[1:-1]) not in ranked:
            text = f"NOT VERIFIED, of no board that is ranked here: {path} ({kind})"
            remarks.append(Remark(False, "record", text))
    return remarks


def _boards(changes: Changes, data: Path, board: BoardName | None) -> list[BoardName]:
    corpus = open_corpus(data).name
    if board is not None and board.corpus == corpus:
        return [board]
    now = (
        path.relative_to(changes.root).as_posix() for path in changes.root.glob(f"{RESULTS}/*/*/*/*/*.json")
    )
    found = {
        BoardName(*path.split("/")[1:5])
        for path in [*changes.tree, *now]
        if path.startswith(f"{RESULTS}/{corpus}/") and path.count("/") == 5 and path.endswith(".json")
    }
    if board is not None or not found:
        known = ", ".join(map(str, sorted(found))) or f"a record below {RESULTS}/{corpus}/"
        raise RecordError(
            Fault(
                f"board {board or f'of the corpus {corpus}'}",
                f"not of the corpus {corpus} in {data}" if board else "no record",
                known,
                "--data names the corpus; --board a board of it, CORPUS/SPLIT/PART/FEATURE.",
            )
        )
    return sorted(found)
