"""A board and its rows in words for people, and as plain values for programs."""

from __future__ import annotations

from typing import Any

from harness.boards.board import Board, BoardName
from harness.boards.ranking import LEVEL, Ranking
from harness.boards.row import Row
from harness.conventions import HASH_DIGITS, SIMULATED_WORDS

CHANCE_WORDS = "indistinguishable from chance"


def board_title(board: Board) -> str:
    """A board in words: what data, which part, how many systems and subjects."""
    name = board.name
    corpus = SIMULATED_WORDS if board.simulated else name.corpus
    sizes = f"{counted(len(board.records), 'system')}, {counted(len(board.subjects), 'subject')}"
    return f"{corpus}, split {name.split}, part {name.part}, feature {name.feature}: {sizes}"


def board_notes(ranking: Ranking) -> list[str]:
    """How to read a board's letters and intervals, and what is not ranked."""
    notes = []
    if len(ranking.rows) > 1:
        notes.append(
            "Systems that share a letter cannot be told apart, those that share none can (paired sign-flip"
            f" test over subjects, Holm, {LEVEL:g}). Ranks and intervals: bootstrap over subjects, 95 %."
        )
    notes += [
        f"Not ranked, scored on {len(row.subjects)} subjects only: {row.system} {row.pearson_r:.4f}."
        for row in ranking.partial
    ]
    if left_out := {fault.where.partition(": ")[0] for fault in ranking.board.left_out}:
        notes.append(f"Left out, since it does not hold together: {', '.join(sorted(left_out))}.")
    return notes


def row_cells(row: Row, *, bands: bool = False) -> dict[str, str]:
    """A row of the table for people, by column.

    Args:
        row: of a board.
        bands: a column for each mel band too.
    """
    cells = {
        "rank": _rank(row),
        "ties": row.ties,
        "system": row.system if row.is_isolated else f"{row.system} (not isolated)",
        "mean r": f"{row.pearson_r:.4f}",
        "95 % interval": span(row.ci95),
        "chance": CHANCE_WORDS if row.at_chance else span(row.chance),
        "unseen stimuli": _unseen(row),
        "date": row.finished[:10],
        "record": row.hashes["record"][:HASH_DIGITS],
    }
    if bands:
        cells |= {f"band {k}": f"{r:.4f}" for k, r in enumerate(row.bands, start=1)}
    return cells


def row_values(board: BoardName, row: Row) -> dict[str, Any]:
    """A row's plain values, for programs: the keys of csv, and of json's rows."""
    ci95, chance, overlap = row.ci95, row.chance, row.overlap
    return {
        **board._asdict(),
        "corpus_kind": row.corpus_kind,
        **rank_values(row),
        "ties": row.ties,
        "name": row.name,
        "variant": row.variant,
        "version": row.version,
        "kind": row.kind,
        "pearson_r": row.pearson_r,
        "ci95_low": ci95[0] if ci95 else None,
        "ci95_high": ci95[1] if ci95 else None,
        "chance_low": chance[0] if chance else None,
        "chance_high": chance[1] if chance else None,
        "subjects": len(row.subjects),
        "subjects_seen": overlap.subjects_seen if overlap else None,
        "stimuli": overlap.stimuli if overlap else None,
        "stimuli_seen": overlap.stimuli_seen if overlap else None,
        "finished": row.finished,
        "record_sha256": row.hashes["record"],
    }


def rank_values(row: Row) -> dict[str, int | None]:
    """A row's rank and its interval; None where it is not ranked."""
    rank, low, high = row.rank or (None, None, None)
    return {"rank": rank, "rank_low": low, "rank_high": high}


def span(ends: tuple[float, float] | None) -> str:
    """An interval in words; empty where there is none."""
    return "" if ends is None else f"{ends[0]:.4f} to {ends[1]:.4f}"


def counted(number: int, what: str) -> str:
    """A number with its noun: 1 system, 2 systems."""
    return f"{number} {what}{'' if number == 1 else 's'}"


def _rank(row: Row) -> str:
    if row.rank is None:
        return "not ranked"
    rank, low, high = row.rank
    return f"{rank}" if low == high else f"{rank} ({low} to {high})"


def _unseen(row: Row) -> str:
    if row.overlap is None:
        return "not on record"
    return f"{row.overlap.stimuli - row.overlap.stimuli_seen} of {row.overlap.stimuli}"
