"""What can be scored and read here: systems, splits, corpora and boards, as ``harness list`` shows them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from harness.boards.board import BoardName, board_names, load_board
from harness.corpus.declaration import Declaration, declared, declared_names
from harness.errors import RecordError, SplitError, SubmissionError, on_one_line
from harness.submission.find import known_submissions
from harness.submission.manifest import load_submission
from harness.tasks.splits import load_split, split_names

Row = Mapping[str, Any]
# Columns of each kind, in the order in which they are shown.
COLUMNS: Mapping[str, tuple[str, ...]] = {
    "systems": ("name", "variants", "features", "weights", "folder"),
    "splits": ("name", "corpora", "features", "parts", "segment_seconds", "title"),
    "corpora": ("name", "kind", "channels", "sample_rate_hz", "features", "default_split", "title"),
    "boards": ("name", "kind", "systems", "first"),
}


def inventory(kind: str, results: Path) -> list[Row]:
    """Everything of one kind, a mapping of ``COLUMNS[kind]`` for each, in the order of the names.

    Args:
        kind: one of ``COLUMNS``.
        results: folder of score records, for the boards; one that is not there or empty holds none.
    """
    listed: Mapping[str, Callable[[], list[Row]]] = {
        "systems": lambda: [_system(folder) for folder in known_submissions()],
        "splits": lambda: [_split(name) for name in split_names()],
        "corpora": lambda: [_corpus(one) for one in map(declared, declared_names()) if one is not None],
        "boards": lambda: [_board(name, results) for name in _board_names(results)],
    }
    return listed[kind]()


def inventory_text(kind: str, rows: list[Row]) -> str:
    """The rows of one kind as a table, or a line that there are none."""
    from tabulate import tabulate

    if not rows:
        return f"{kind}: none here"
    cells = [[_cell(row[column]) for column in COLUMNS[kind]] for row in rows]
    titles = [column.replace("_", " ") for column in COLUMNS[kind]]
    return f"{kind}:\n" + tabulate(cells, titles, disable_numparse=True)


def _cell(value: object) -> str:
    """A value in words; names of folders are anybody's, and no terminal acts on them."""
    if isinstance(value, list):
        return on_one_line(", ".join(map(str, value)))
    return on_one_line(f"{value:g}" if isinstance(value, float) else str(value))


def _system(folder: Path) -> Row:
    try:
        submission = load_submission(folder)
    except SubmissionError as error:
        problem = str(error.faults[0])
        return {
            "name": folder.name,
            "variants": [],
            "features": [],
            "weights": [problem],
            "folder": str(folder),
        }
    features = ["every"] if submission.features == ("*",) else list(submission.features)
    weights = dict.fromkeys(
        f"{entry['corpus']} {entry['feature']}" for entry in submission.manifest.get("weights", ())
    )
    return {
        "name": submission.name,
        "variants": list(submission.variants),
        "features": features,
        "weights": list(weights),
        "folder": str(folder),
    }


def _split(name: str) -> Row:
    try:
        split = load_split(name)
    except SplitError as error:
        return dict.fromkeys(COLUMNS["splits"], "") | {"name": name, "title": str(error.faults[0])}
    return {
        "name": split.name,
        "corpora": list(split.corpora),
        "features": list(split.features),
        "parts": list(split.parts),
        "segment_seconds": float(split.segment_seconds),
        "title": split.title,
    }


def _corpus(declaration: Declaration) -> Row:
    return {
        "name": declaration.name,
        "kind": declaration.kind,
        "channels": declaration.n_channels,
        "sample_rate_hz": float(declaration.sample_rate_hz),
        "features": list(declaration.features),
        "default_split": declaration.default_split,
        "title": declaration.title,
    }


def _board_names(results: Path) -> list[BoardName]:
    try:
        return board_names(results)
    except RecordError:
        return []


def _board(name: BoardName, results: Path) -> Row:
    board = load_board(results, name)
    kind = "no record that holds together" if board.empty else "simulated" if board.simulated else "real"
    first = board.records[0].system if board.records else ""
    return {"name": str(name), "kind": kind, "systems": len(board.records), "first": first}
