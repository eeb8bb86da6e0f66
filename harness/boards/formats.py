"""A ranking as text, Markdown, CSV, LaTeX, HTML or JSON. The same ranking gives the same bytes.

Every format names its board, and says so if the data are simulated.
"""

from __future__ import annotations

import csv
import html
import io
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import PurePath
from typing import Any

import numpy as np

from harness.boards.board import Board, BoardName
from harness.boards.cells import (
    BELOW_THE_LINE,
    board_notes,
    board_title,
    left_out_files,
    row_cells,
    row_values,
)
from harness.boards.ranking import LEVEL, Ranking
from harness.boards.row import Row
from harness.errors import Fault, UsageError, counted, no_such, on_one_line, raise_all

# tabulate's names of the formats that are tables.
STYLES = {"text": "simple", "md": "pipe", "latex": "latex_booktabs", "html": "html"}
FORMATS = ("text", "md", "csv", "latex", "html", "json")
# What a spreadsheet takes for the beginning of a formula, full-width forms too.
_COMPUTED = ("=", "+", "-", "@", "＝", "＋", "－", "＠")


def _by_rank(row: Row) -> tuple[int, str]:
    return (row.rank.rank if row.rank else 0, row.system)


SORTS: Mapping[str, Callable[[Row], Any]] = {
    "rank": _by_rank,
    "name": lambda row: row.system,
    "date": lambda row: (row.finished, row.system),
}


def check_choices(form: str, sort: str) -> None:
    """Refuse a format or an order that boards do not have.

    Raises:
        UsageError: no such format or order.
    """
    faults = []
    if form not in FORMATS:
        faults.append(no_such("--format", form, FORMATS))
    if sort not in SORTS:
        faults.append(no_such("--sort", sort, tuple(SORTS)))
    raise_all(UsageError, faults)


def board_text(ranking: Ranking, form: str = "text", *, sort: str = "rank", bands: bool = False) -> str:
    """A ranked board in one of ``FORMATS``.

    Args:
        ranking: of the board.
        form: the format.
        sort: one of ``SORTS``.
        bands: r of every band too.

    Raises:
        UsageError: no such format or order.
    """
    check_choices(form, sort)
    rows = sorted(ranking.rows, key=SORTS[sort])
    if form == "json":
        return _json(ranking, rows)
    if form == "csv":
        return _csv(ranking.board, rows)
    title, notes = board_title(ranking.board), board_notes(ranking)
    tables = _tables(rows, form, bands=bands)
    if form == "html":
        tables = [f"<p>{html.escape(one)}</p>" if one.startswith(BELOW_THE_LINE) else one for one in tables]
        lines = [f"<p>{html.escape(note)}</p>" for note in notes]
        return "\n".join([f"<h2>{html.escape(title)}</h2>", *tables, *lines]) + "\n"
    if form == "latex":
        tables = [f"% {one}" if one.startswith(BELOW_THE_LINE) else one for one in tables]
        comments = [f"% {line}" for line in (title, *notes)]
        return "\n".join([*comments, *tables]) + "\n"
    if form == "md":
        return "\n\n".join([f"**{title}**", *tables, *notes]) + "\n"
    return "\n\n".join([title, *tables, *(["\n".join(notes)] if notes else [])]) + "\n"


def _tables(rows: Sequence[Row], form: str, *, bands: bool) -> list[str]:
    """The table; then, where a control flags systems, a line that says so, and their own."""
    from tabulate import tabulate

    above = [row for row in rows if not row.is_flagged]
    below = [row for row in rows if row.is_flagged]
    stimuli = any(row.stimuli for row in rows)
    texts = []
    for part in (above, below) if below else (above,):
        cells = [row_cells(row, bands=bands, stimuli=stimuli) for row in part]
        headers = list(cells[0]) if cells else []
        if form == "md":  # a name may hold what ends a cell there
            cells = [{key: text.replace("|", "\\|") for key, text in row.items()} for row in cells]
        texts.append(
            tabulate([list(row.values()) for row in cells], headers, STYLES[form], disable_numparse=True)
        )
    if below:
        texts.insert(1, f"{BELOW_THE_LINE}:")
    return [text for text in texts if text or not below]


def boards_text(
    rankings: Sequence[Ranking],
    form: str = "text",
    *,
    sort: str = "rank",
    bands: bool = False,
    pairs: bool = False,
    one: bool = False,
) -> str:
    """Ranked boards one after the other.

    Args:
        rankings: of the boards.
        form: as in :func:`board_text`.
        sort: likewise.
        bands: likewise.
        pairs: the matrix of adjusted p below each table.
        one: a single board was asked for; JSON is then its object, not a list.

    Raises:
        UsageError: several boards as CSV, or a matrix in a format that has none.
    """
    if pairs and form not in ("text", "md"):
        raise UsageError(
            Fault("--pairs", f"with --format {form}", "text or md", "--format json holds every pair anyway.")
        )
    if form == "csv" and len(rankings) > 1:
        known = ", ".join(str(ranking.board.name) for ranking in rankings)
        raise UsageError(Fault("--format csv", counted(len(rankings), "board"), f"one --board of {known}"))
    texts = [board_text(ranking, form, sort=sort, bands=bands) for ranking in rankings]
    if form == "json" and not one:
        return json.dumps([json.loads(text) for text in texts], indent=1, ensure_ascii=False) + "\n"
    if pairs:
        texts = [
            f"{text}\n{pairs_text(ranking, form)}" if len(ranking.rows) > 1 else text
            for text, ranking in zip(texts, rankings, strict=True)
        ]
    return "\n".join(texts)


def pairs_text(ranking: Ranking, form: str = "text") -> str:
    """Adjusted p of every pair of systems, as a matrix, in text or Markdown."""
    from tabulate import tabulate

    names = [row.system for row in ranking.rows]
    cells = [
        [name, *(_p(ranking.p[i, j]) if i != j else "" for j in range(len(names)))]
        for i, name in enumerate(names)
    ]
    table = tabulate(cells, ["p (Holm)", *names], "pipe" if form == "md" else "simple", disable_numparse=True)
    return f"{table}\n"


def _json(ranking: Ranking, rows: list[Row]) -> str:
    board = ranking.board
    n_systems = len(ranking.rows)
    document = {
        "board": {what: on_one_line(value) for what, value in board.name._asdict().items()},
        "simulated": board.simulated,
        **({"measures": [one.name for one in board.measures]} if board.names_measures else {}),
        "subjects": list(board.subjects),
        "level": LEVEL,
        "rows": [
            {
                **row_values(board.name, row),
                "bands": row.bands,
                "per_subject": list(row.score.subjects.values()),
            }
            for row in rows
        ],
        "pairs": [
            {
                "systems": [ranking.rows[i].system, ranking.rows[j].system],
                "p_holm": float(ranking.p[i, j]),
                "effect_size": None if np.isnan(ranking.effect[i, j]) else float(ranking.effect[i, j]),
            }
            for i in range(n_systems)
            for j in range(i + 1, n_systems)
        ],
        "partial": [row.system for row in ranking.partial],
        "left_out": [
            {"file": on_one_line(file), "faults": [str(fault) for fault in faults]}
            for file, faults in left_out_files(board).items()
        ],
    }
    return json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def _csv(board: Board, rows: list[Row]) -> str:
    """The rows; behind them one for each record that was left out, with nothing but its name and why."""
    text = io.StringIO()
    table: list[dict[str, Any]] = [
        {
            **row_values(board.name, row),
            **{f"band_{k}": r for k, r in enumerate(row.bands, start=1)},
            "left_out": None,
        }
        for row in rows
    ]
    columns = list(table[0]) if table else [*BoardName._fields, "name", "left_out"]
    table += [
        {
            **board.name._asdict(),
            "name": PurePath(file).stem,
            "left_out": " ".join(on_one_line(str(fault)) for fault in faults),
        }
        for file, faults in left_out_files(board).items()
    ]
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows({key: _as_text(value) for key, value in row.items()} for row in table)
    return text.getvalue()


def _as_text(value: object) -> object:
    """A cell that no spreadsheet computes and no terminal acts on; numbers stay as they are."""
    if not isinstance(value, str):
        return value
    text = on_one_line(value)
    return f"'{text}" if text.lstrip().startswith(_COMPUTED) else text


def _p(value: float) -> str:
    return f"{value:.3f}" if value >= 0.001 else f"{value:.1e}"
