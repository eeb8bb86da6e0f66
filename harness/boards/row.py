"""What a board shows of a row, whatever the format."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.boards.board import HASH_DIGITS, Board
from harness.boards.ranking import LEVEL, Ranking, Row
from harness.conventions import SIMULATED_WORDS
from harness.records.text import chance_band

CHANCE_WORDS = "indistinguishable from chance"


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


def band_values(board: Board, row: Row) -> dict[str, Any]:
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
