"""A ranking as text, Markdown, CSV, LaTeX, HTML or JSON. The same ranking gives the same bytes.

Every format names its board, and says so if the data are simulated.
"""

from __future__ import annotations

import html
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import PurePath
from typing import Any

import numpy as np

from harness.boards.board import BoardName
from harness.boards.board_latex import board_latex
from harness.boards.cells import (
    ABLATIONS,
    BELOW_THE_LINE,
    ablation_cells,
    board_notes,
    board_title,
    left_out_files,
    row_cells,
    row_values,
    seed_cells,
)
from harness.boards.ranking import LEVEL, Ranking
from harness.boards.row import Row
from harness.boards.sentences import ablation_sentence, board_sentence, row_sentence
from harness.boards.sheet import csv_text, markdown_cell
from harness.errors import Fault, UsageError, counted, no_such, on_one_line, raise_all

# tabulate's names of the formats that it writes.
STYLES = {"text": "simple", "md": "pipe", "html": "html"}
NO_SEEDS = "No system here has several trainings."
# Of what board_document gives; raised when a key goes, or means something else. New keys do not raise it.
DOCUMENT_VERSION = 1
MOST_ALL_PAIRS = 200  # systems: above, of 19,900 pairs, not every pair is listed
FORMATS = ("text", "md", "csv", "latex", "html", "json")


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


def board_text(
    ranking: Ranking, form: str = "text", *, sort: str = "rank", bands: bool = False, seeds: bool = False
) -> str:
    """A ranked board in one of ``FORMATS``.

    Args:
        ranking: of the board.
        form: the format.
        sort: one of ``SORTS``.
        bands: r of every band too.
        seeds: a table of every training too.

    Raises:
        UsageError: no such format or order.
    """
    check_choices(form, sort)
    rows = sorted(ranking.rows, key=SORTS[sort])
    if form == "json":
        return _json(ranking, rows)
    if form == "csv":
        return _csv(ranking, rows)
    bars = sort == "rank"
    if form == "latex":
        return board_latex(ranking, rows, bands=bands, bars=bars, seeds=seeds)
    title, notes = board_title(ranking.board), board_notes(ranking, bars=bars)
    tables = _tables(ranking, rows, form, bands=bands, bars=bars, seeds=seeds)
    if form == "html":
        headed = [
            line
            for head, table in tables
            for line in ([f"<p>{html.escape(head)}</p>"] if head else []) + [table]
        ]
        lines = [f"<p>{html.escape(note)}</p>" for note in notes]
        return "\n".join([f"<h2>{html.escape(title)}</h2>", *headed, *lines]) + "\n"
    parts = [part for pair in tables for part in pair if part]
    if form == "md":
        return "\n\n".join([f"**{title}**", *parts, *notes]) + "\n"
    return "\n\n".join([title, *parts, *(["\n".join(notes)] if notes else [])]) + "\n"


def _tables(
    ranking: Ranking, rows: Sequence[Row], form: str, *, bands: bool, bars: bool, seeds: bool
) -> list[tuple[str, str]]:
    """Each table, and what stands over it: systems, those that a control flags, ablations, trainings."""
    above = [row for row in rows if not row.is_flagged]
    below = [row for row in rows if row.is_flagged]
    stimuli = any(row.stimuli for row in rows)
    parts = [("", above), (f"{BELOW_THE_LINE}:", below)] if below else [("", above)]
    tables = [
        (head, [row_cells(row, bands=bands, stimuli=stimuli, bars=bars) for row in part])
        for head, part in parts
    ]
    if ranking.ablations:
        tables.append((f"{ABLATIONS}:", [ablation_cells(row) for row in ranking.ablations]))
    if seeds:
        each = [cells for row in (*rows, *ranking.ablations) for cells in seed_cells(row)]
        tables.append(("Trainings, each by itself (intervals over subjects):" if each else NO_SEEDS, each))
    return [
        (head, _table(cells, form)) for head, cells in tables if cells or head == NO_SEEDS or len(tables) == 1
    ]


def _table(cells: Sequence[dict[str, str]], form: str) -> str:
    """A table of cells by column; a cell that a row does not have is empty."""
    from tabulate import tabulate

    headers = max((list(row) for row in cells), key=len, default=[])
    kept = [{key: row.get(key, "") for key in headers} for row in cells]
    if form == "md":  # bars are read one under the other
        kept = [
            {key: f"`{text}`" if key == "ties" and text else markdown_cell(text) for key, text in row.items()}
            for row in kept
        ]
    return tabulate([list(row.values()) for row in kept], headers, STYLES[form], disable_numparse=True)


def boards_text(
    rankings: Sequence[Ranking],
    form: str = "text",
    *,
    sort: str = "rank",
    bands: bool = False,
    seeds: bool = False,
    pairs: bool = False,
    one: bool = False,
) -> str:
    """Ranked boards one after the other.

    Args:
        rankings: of the boards.
        form: as in :func:`board_text`.
        sort: likewise.
        bands: likewise.
        seeds: likewise; JSON holds every training anyway.
        pairs: the matrix of adjusted p below each table.
        one: a single board was asked for; JSON is then its object, not a list.

    Raises:
        UsageError: several boards as CSV, or a matrix in a format that has none.
    """
    if pairs and form not in ("text", "md"):
        raise UsageError(
            Fault("--pairs", f"with --format {form}", "text or md", "--format json holds every pair anyway.")
        )
    if seeds and form == "csv":
        raise UsageError(
            Fault(
                "--seeds", "with --format csv", "another format", "--format json holds every training anyway."
            )
        )
    if form == "csv" and len(rankings) > 1:
        known = ", ".join(str(ranking.board.name) for ranking in rankings)
        raise UsageError(Fault("--format csv", counted(len(rankings), "board"), f"one --board of {known}"))
    texts = [board_text(ranking, form, sort=sort, bands=bands, seeds=seeds) for ranking in rankings]
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
    if form == "md":
        names = list(map(markdown_cell, names))
    cells = [
        [name, *(_p(ranking.p[i, j]) if i != j else "" for j in range(len(names)))]
        for i, name in enumerate(names)
    ]
    table = tabulate(cells, ["p (Holm)", *names], "pipe" if form == "md" else "simple", disable_numparse=True)
    return f"{table}\n"


def _json(ranking: Ranking, rows: Sequence[Row]) -> str:
    return json.dumps(board_document(ranking, rows), indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def board_document(ranking: Ranking, rows: Sequence[Row]) -> dict[str, Any]:
    """A board as plain values: what ``harness/schemas/board.json`` describes.

    Args:
        ranking: of the board.
        rows: of its systems, in the order wanted.
    """
    board = ranking.board
    n_systems = len(ranking.rows)
    listed = listed_pairs(n_systems)
    left_out = n_systems * (n_systems - 1) // 2 - len(listed)
    return {
        "version": DOCUMENT_VERSION,
        "board": {what: on_one_line(value) for what, value in board.name._asdict().items()},
        "simulated": board.simulated,
        **({"measures": [one.name for one in board.measures]} if board.names_measures else {}),
        **({"flag": board.flag} if board.flag else {}),
        **(
            {"without_brain": {name: dict(one.measures) for name, one in board.without_brain.items()}}
            if board.without_brain
            else {}
        ),
        "subjects": list(board.subjects),
        "level": LEVEL,
        "sentence": board_sentence(ranking),
        "rows": [_row_document(ranking, row) for row in rows],
        "ablations": [
            {**_row_document(ranking, row), "beside": None if row.beside is None else asdict(row.beside)}
            for row in ranking.ablations
        ],
        "pairs": [
            {
                "systems": [ranking.rows[i].system, ranking.rows[j].system],
                "p_holm": float(ranking.p[i, j]),
                "compares": "architectures" if ranking.architectures[i, j] else "weights",
                "effect_size": None if np.isnan(ranking.effect[i, j]) else float(ranking.effect[i, j]),
            }
            for i, j in listed
        ],
        **({"pairs_left_out": left_out} if left_out else {}),
        "places_changed": [one._asdict() for one in ranking.changes],
        "resolution": None if ranking.resolution is None else asdict(ranking.resolution),
        "partial": [row.system for row in ranking.partial],
        "left_out": [
            {"file": on_one_line(file), "faults": [str(fault) for fault in faults]}
            for file, faults in left_out_files(board).items()
        ],
    }


def listed_pairs(n_systems: int) -> list[tuple[int, int]]:
    """The pairs of places that are listed one by one, all of which are tested.

    Of more than ``MOST_ALL_PAIRS`` systems these are the pairs of the first with each other one, and of
    neighbours: a list of all would have 50 million lines for 10,000 systems. Each row's rank interval counts
    the others.
    """
    if n_systems <= MOST_ALL_PAIRS:
        return [(i, j) for i in range(n_systems) for j in range(i + 1, n_systems)]
    return [(0, j) for j in range(1, n_systems)] + [(i, i + 1) for i in range(1, n_systems - 1)]


def _row_document(ranking: Ranking, row: Row) -> dict[str, Any]:
    return {
        **row_values(ranking.board.name, row),
        "bands": row.bands,
        "per_subject": list(row.score.subjects.values()),
        "seeds": _seeds(row),
        "sentence": _sentence(ranking, row),
    }


def _sentence(ranking: Ranking, row: Row) -> str:
    if row.beside is not None:
        return ablation_sentence(row, unseen=ranking.board.by_unseen)
    return row_sentence(ranking, ranking.rows.index(row))


def _seeds(row: Row) -> list[dict[str, Any]]:
    return [
        {
            "seed": one.seed,
            one.score.measure.name: one.score.value,
            "per_subject": list(one.score.subjects.values()),
            "record_sha256": one.record_sha256,
        }
        for one in row.seeds
    ]


def csv_rows(ranking: Ranking, rows: Sequence[Row]) -> tuple[list[str], list[dict[str, Any]]]:
    """Columns, and a mapping for each row; behind them one for each record that was left out.

    Of those that were left out there is nothing but their name and why.

    Args:
        ranking: of the board.
        rows: of its systems and ablations, in the order wanted.
    """
    board = ranking.board
    table: list[dict[str, Any]] = [
        {
            **row_values(board.name, row),
            **{f"band_{k}": r for k, r in enumerate(row.bands, start=1)},
            **{f"subject_{subject}": value for subject, value in row.score.subjects.items()},
            "sentence": _sentence(ranking, row),
            "left_out": None,
        }
        for row in rows
    ]
    columns = (
        list(dict.fromkeys(key for row in table for key in row))
        if table
        else [*BoardName._fields, "name", "left_out"]
    )
    table += [
        {
            **board.name._asdict(),
            "name": PurePath(file).stem,
            "left_out": " ".join(on_one_line(str(fault)) for fault in faults),
        }
        for file, faults in left_out_files(board).items()
    ]
    return columns, table


def _csv(ranking: Ranking, rows: Sequence[Row]) -> str:
    """The rows, ablations, and records that were left out."""
    columns, table = csv_rows(ranking, [*rows, *ranking.ablations])
    return csv_text(table, columns)


def _p(value: float) -> str:
    return f"{value:.3f}" if value >= 0.001 else f"{value:.1e}"
