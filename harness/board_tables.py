"""A ranking as text, Markdown, CSV, LaTeX, HTML or JSON. The same ranking gives the same bytes.

Every format says which board it is, and, on simulated data, that it is.
"""

from __future__ import annotations

import csv
import html
import io
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from harness.console import chance_band
from harness.conventions import SIMULATED_WORDS
from harness.errors import Fault, UsageError
from harness.leaderboard import HASH_DIGITS, LEVEL, Board, Ranking, Row

# tabulate's names of the formats that are tables.
STYLES = {"text": "simple", "md": "pipe", "latex": "latex_booktabs", "html": "html"}
FORMATS = ("text", "md", "csv", "latex", "html", "json")
SORTS: Mapping[str, Callable[[Row], Any]] = {
    "rank": lambda row: (row.rank.rank, row.entry.system),
    "name": lambda row: row.entry.system,
    "date": lambda row: (row.entry.record["run"]["finished"], row.entry.system),
}
CHANCE_WORDS = "indistinguishable from chance"


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
    for option, value, known in (("--format", form, FORMATS), ("--sort", sort, tuple(SORTS))):
        if value not in known:
            raise UsageError(Fault(option, repr(value), f"one of {', '.join(known)}"))
    rows = sorted(ranking.rows, key=SORTS[sort])
    if form == "json":
        return _json(ranking, rows)
    if form == "csv":
        return _csv(ranking.board, rows)
    from tabulate import tabulate

    style = STYLES[form]
    cells = [row_cells(row, bands) for row in rows]
    headers = list(cells[0]) if cells else []
    if form == "md":  # a name may hold what ends a cell there
        cells = [{key: text.replace("|", "\\|") for key, text in row.items()} for row in cells]
    table = tabulate([list(row.values()) for row in cells], headers, style, disable_numparse=True)
    title, notes = board_title(ranking.board), board_notes(ranking)
    if form == "html":
        lines = [f"<p>{html.escape(note)}</p>" for note in notes]
        return "\n".join([f"<h2>{html.escape(title)}</h2>", table, *lines]) + "\n"
    if form == "latex":
        comments = [f"% {line}" for line in (title, *notes)]
        return "\n".join([*comments, table]) + "\n"
    if form == "md":
        return "\n\n".join([f"**{title}**", table, *notes]) + "\n"
    return "\n\n".join([title, table, *(["\n".join(notes)] if notes else [])]) + "\n"


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
        raise UsageError(Fault("--format csv", f"{len(rankings)} boards", f"one --board of {known}"))
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

    names = [row.entry.system for row in ranking.rows]
    cells = [
        [name, *(_p(ranking.p[i, j]) if i != j else "" for j in range(len(names)))]
        for i, name in enumerate(names)
    ]
    table = tabulate(cells, ["p (Holm)", *names], "pipe" if form == "md" else "simple", disable_numparse=True)
    return f"{table}\n"


def board_title(board: Board) -> str:
    """A board in words: what data, which part, how many systems and subjects."""
    name = board.name
    corpus = SIMULATED_WORDS if board.simulated else name.corpus
    systems = f"{len(board.entries)} system{'' if len(board.entries) == 1 else 's'}"
    subjects = f"{len(board.subjects)} subject{'' if len(board.subjects) == 1 else 's'}"
    return f"{corpus}, split {name.split}, part {name.part}, feature {name.feature}: {systems}, {subjects}"


def board_notes(ranking: Ranking) -> list[str]:
    """How to read a board's letters and intervals, and what is not ranked."""
    notes = []
    if len(ranking.rows) > 1:
        notes.append(
            "Systems that share a letter cannot be told apart, those that share none can (paired sign-flip"
            f" test over subjects, Holm, {LEVEL:g}). Ranks and intervals: bootstrap over subjects, 95 %."
        )
    notes += [
        f"Not ranked, scored on {len(entry.record['subjects'])} subjects only: {entry.system}"
        f" {entry.record['score']:.4f}."
        for entry in ranking.board.partial
    ]
    return notes


def row_cells(row: Row, bands: bool) -> dict[str, str]:
    """A row of the table for people, by column."""
    record = row.entry.record
    low, high = record["ci95"] or (None, None)
    cells = {
        "rank": _span(row),
        "ties": row.ties,
        "system": row.entry.system,
        "mean r": f"{record['score']:.4f}",
        "95 % interval": "" if low is None else f"{low:.4f} to {high:.4f}",
        "chance": _chance(record),
        "unseen stimuli": _unseen(record),
        "date": record["run"]["finished"][:10],
        "record": row.entry.sha256[:HASH_DIGITS],
    }
    if bands:
        cells |= {f"band {k}": f"{r:.4f}" for k, r in enumerate(record["bands"], start=1)}
    return cells


def _span(row: Row) -> str:
    rank = row.rank
    return f"{rank.rank}" if rank.low == rank.high else f"{rank.rank} ({rank.low} to {rank.high})"


def _chance(record: Mapping[str, Any]) -> str:
    band = chance_band(record)
    if band is None:
        return ""
    return CHANCE_WORDS if record["score"] <= band[1] else f"{band[0]:.4f} to {band[1]:.4f}"


def _unseen(record: Mapping[str, Any]) -> str:
    overlap = record.get("overlap")
    if overlap is None:
        return "not on record"
    return f"{overlap['stimuli'] - overlap['stimuli_seen']} of {overlap['stimuli']}"


def _values(board: Board, row: Row) -> dict[str, Any]:
    """A row's plain values, for programs."""
    record = row.entry.record
    band = chance_band(record)
    return {
        **board.name._asdict(),
        "corpus_kind": record["corpus"]["kind"],
        "rank": row.rank.rank,
        "rank_low": row.rank.low,
        "rank_high": row.rank.high,
        "ties": row.ties,
        "name": record["submission"]["name"],
        "variant": record["submission"]["variant"],
        "version": record["submission"]["version"],
        "kind": record["submission"]["kind"],
        "pearson_r": record["score"],
        "ci95_low": record["ci95"][0] if record["ci95"] else None,
        "ci95_high": record["ci95"][1] if record["ci95"] else None,
        "chance_low": band[0] if band else None,
        "chance_high": band[1] if band else None,
        "subjects": len(record["subjects"]),
        "subjects_seen": record["overlap"]["subjects_seen"] if record.get("overlap") else None,
        "stimuli": record["overlap"]["stimuli"] if record.get("overlap") else None,
        "stimuli_seen": record["overlap"]["stimuli_seen"] if record.get("overlap") else None,
        "finished": record["run"]["finished"],
        "record_sha256": row.entry.sha256,
    }


def _json(ranking: Ranking, rows: list[Row]) -> str:
    board = ranking.board
    n_systems = len(ranking.rows)
    document = {
        "board": board.name._asdict(),
        "simulated": board.simulated,
        "subjects": list(board.subjects),
        "level": LEVEL,
        "rows": [
            {**_values(board, row), "bands": row.entry.record["bands"], "per_subject": row.entry.scores}
            for row in rows
        ],
        "pairs": [
            {
                "systems": [ranking.rows[i].entry.system, ranking.rows[j].entry.system],
                "p_holm": float(ranking.p[i, j]),
                "effect_size": None if np.isnan(ranking.effect[i, j]) else float(ranking.effect[i, j]),
            }
            for i in range(n_systems)
            for j in range(i + 1, n_systems)
        ],
        "partial": [entry.system for entry in board.partial],
    }
    return json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def _csv(board: Board, rows: list[Row]) -> str:
    text = io.StringIO()
    n_bands = len(rows[0].entry.record["bands"]) if rows else 0
    table = [
        {
            **_values(board, row),
            **{f"band_{k + 1}": row.entry.record["bands"][k] for k in range(n_bands)},
        }
        for row in rows
    ]
    writer = csv.DictWriter(text, list(table[0]) if table else ["name"], lineterminator="\n")
    writer.writeheader()
    writer.writerows(table)
    return text.getvalue()


def _p(value: float) -> str:
    return f"{value:.3f}" if value >= 0.001 else f"{value:.1e}"
