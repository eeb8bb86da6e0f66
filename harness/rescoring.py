"""Kept predictions of a board's records, scored again by another measure or scorer.

Nothing is written as a record: a record promises chance, controls and that this kit makes it again, and a
scorer of somebody's own gives none of these. The whole result is there as JSON.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import fmean as mean
from typing import Any

from harness.boards.board import Board, BoardName, BoardRecord
from harness.boards.sheet import csv_text, markdown_cell
from harness.errors import Fault, HarnessError, RecordError, UsageError, no_such
from harness.evaluation.evaluate import score_task
from harness.predictions import read_predictions
from harness.records.kept import kept_predictions
from harness.scoring.intervals import mean_interval
from harness.scoring.measures import DEFAULT, MEASURES, measure
from harness.scoring.own import OwnScorer
from harness.scoring.score import SCORER_VERSION
from harness.tasks.task import Task

FORMATS = ("text", "markdown", "csv", "json")
_SAME = 1e-6  # how far a score may be from the record's where nothing has changed


@dataclass(frozen=True)
class Rescored:
    """A record beside what its predictions score now.

    Attributes:
        system: its name, with the seed of one of several trainings.
        old_measure: that ranks its board.
        old: its score by that.
        old_ci95: its interval; None for one subject.
        old_rank: its place by the mean, of the records that were scored again.
        new_measure: by which it was scored again.
        new: its score by that.
        new_ci95: likewise.
        new_rank: likewise.
        change: places won; negative for places lost.
        subjects: subject -> its score by the new measure.
    """

    system: str
    old_measure: str
    old: float
    old_ci95: tuple[float, float] | None
    old_rank: int
    new_measure: str
    new: float
    new_ci95: tuple[float, float] | None
    new_rank: int
    change: int
    subjects: dict[str, float]


def rescore(
    board: Board,
    results: Path,
    name: str | None,
    task_of: Callable[[BoardName], Task],
    scorer: OwnScorer | None = None,
) -> tuple[list[Rescored], list[Fault]]:
    """Score the kept predictions of a board's records again; no system runs.

    Args:
        board: with records.
        results: the folder that it and the predictions lie in.
        name: of the measure; None for the board's own.
        task_of: opens a board's task, with references.
        scorer: somebody's own, in place of a measure.

    Returns:
        What was scored again, best first; and what could not be, and why.

    Raises:
        UsageError: no such measure.
        HarnessError: the task cannot be opened.
    """
    if name is not None and name not in MEASURES:
        raise UsageError(no_such("--measure", name, tuple(MEASURES)))
    task = task_of(board.name)
    task.check_labels()
    chosen = name or board.measures[0].name
    own = tuple(one.name for one in board.measures)
    task = replace(task, split=replace(task.split, measures=tuple(dict.fromkeys((chosen, *own)))))
    rows: list[tuple[BoardRecord, dict[str, float]]] = []
    faults: list[Fault] = []
    for one in [each for ranked in board.records for each in ranked.trainings]:
        try:
            new = _values(task, one, results, (chosen, own[0]))
            if scorer is not None:
                new = _own_values(task, one, results, scorer)
        except HarnessError as error:
            faults += error.faults
            continue
        rows.append((one, new))
    by = scorer or measure(chosen)
    return _ranked(rows, by.name, by.sign), faults


def _own_values(task: Task, one: BoardRecord, results: Path, scorer: OwnScorer) -> dict[str, float]:
    """Each subject's score by somebody's own scorer.

    Raises:
        RecordError: it fails, or gives no numbers.
    """
    path = kept_predictions(results, one.sha256, str(one.path))
    return {
        subject: scorer.score(f"{one.path}: {subject}", task.references(subject), predictions)
        for subject, predictions in read_predictions(path, task.expected)
    }


def _values(task: Task, one: BoardRecord, results: Path, names: Sequence[str]) -> dict[str, float]:
    """Each subject's score by the first of some measures; by the last, it must be what the record says.

    Raises:
        RecordError: no predictions, or none that give what the record says.
        PredictionsError: predictions that are not of this task.
    """
    path = kept_predictions(results, one.sha256, str(one.path))
    score = score_task(task, read_predictions(path, task.expected)).score
    found: dict[str, dict[str, float]] = {}
    for name in names:
        if name == DEFAULT:
            found[name] = {subject: one.pearson_r for subject, one in score.subjects.items()}
        elif name in score.measures:
            found[name] = {subject: one.value for subject, one in score.measures[name].subjects.items()}
        else:
            said = f"{name} needs the system's answers on the training part, which are not kept"
            raise RecordError(Fault(str(one.path), said))
    ranked = one.record.ranked
    again = mean(found[names[1]].values())
    if one.record.scorer_version == SCORER_VERSION and abs(again - ranked.value) > _SAME:
        raise RecordError(
            Fault(
                str(one.path),
                f"{ranked.measure.name} {ranked.value:.6f}, and its predictions give {again:.6f}",
                "the same",
                "The references are others than the record's: look at --data, --labels and --split.",
            )
        )
    return found[names[0]]


def _ranked(rows: Sequence[tuple[BoardRecord, dict[str, float]]], name: str, sign: int) -> list[Rescored]:
    made = []
    for one, subjects in rows:
        old, value = one.record.ranked, mean(subjects.values())
        old_rank = 1 + sum(
            old.measure.sign * (other.record.ranked.value - old.value) > 0 for other, _ in rows
        )
        new_rank = 1 + sum(sign * (mean(other.values()) - value) > 0 for _, other in rows)
        made.append(
            Rescored(
                one.record.submission.title_with_seed,
                old.measure.name,
                old.value,
                old.ci95,
                old_rank,
                name,
                value,
                mean_interval(list(subjects.values())),
                new_rank,
                old_rank - new_rank,
                subjects,
            )
        )
    return sorted(made, key=lambda row: (row.new_rank, row.system))


def rescored_text(
    board: BoardName, rows: Sequence[Rescored], form: str, scorer: OwnScorer | None = None
) -> str:
    """What was scored again, in one of ``FORMATS``; ranks are places by the mean among these rows."""
    if form == "json":
        own = (
            None
            if scorer is None
            else {"name": scorer.name, "sha256": scorer.sha256, "higher_is_better": scorer.higher_is_better}
        )
        document = {
            "version": 1,
            "board": str(board),
            "scorer": own,
            "rows": [asdict(row) for row in rows],
        }
        return json.dumps(document, indent=1, ensure_ascii=False) + "\n"
    if form == "csv":
        return csv_text([{"board": str(board), **_cells(row)} for row in rows])
    from tabulate import tabulate

    cells = [
        {
            "system": markdown_cell(row.system) if form == "markdown" else row.system,
            f"was: {row.old_measure}": f"{row.old:.4f}",
            "its 95 % interval": _interval(row.old_ci95),
            "was rank": str(row.old_rank),
            f"now: {row.new_measure}": f"{row.new:.4f}",
            "its 95 % interval now": _interval(row.new_ci95),
            "rank": str(row.new_rank),
            "change": f"{row.change:+d}" if row.change else "0",
        }
        for row in rows
    ]
    table = tabulate(cells, "keys", "pipe" if form == "markdown" else "simple", disable_numparse=True)
    note = "Ranks are places by the mean, of the systems whose predictions are kept."
    by = f"scorer version {SCORER_VERSION}"
    if scorer is not None:
        by = f"scored by {scorer.name}, which is no measure of this kit"
        by += f" (sha256 {scorer.sha256[:12]})" if scorer.sha256 else ""
        note += "" if scorer.higher_is_better else " Lower is better."
    return f"{board}, {by}\n\n{table}\n\n{note}\n"


def _cells(row: Rescored) -> dict[str, Any]:
    return {key: value for key, value in asdict(row).items() if key != "subjects"}


def _interval(interval: tuple[float, float] | None) -> str:
    return "" if interval is None else f"{interval[0]:.4f} to {interval[1]:.4f}"


def check_form(form: str) -> None:
    """Refuse a format that there is not.

    Raises:
        UsageError: no such format.
    """
    if form not in FORMATS:
        raise UsageError(no_such("--format", form, FORMATS))
