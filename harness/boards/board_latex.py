"""A ranked board as LaTeX tables: systems, ablations beside their full nets, trainings."""

from __future__ import annotations

from collections.abc import Sequence

from harness.boards.cells import (
    ABLATIONS,
    BELOW_THE_LINE,
    ablation_cells,
    board_notes,
    board_title,
    row_cells,
    seed_cells,
    span,
)
from harness.boards.latex import PREAMBLE, Marks, Part, comments, latex_table
from harness.boards.ranking import Ranking
from harness.boards.row import Row
from harness.boards.sentences import board_sentence, data_words

# Columns that a paper does not need; they stand in a comment behind the row.
_IN_COMMENT = ("date", "record")
_UNSEEN = "unseen stimuli"


def board_latex(
    ranking: Ranking, rows: Sequence[Row], *, bands: bool = False, bars: bool = True, seeds: bool = False
) -> str:
    """The tables of a board, each a whole environment, with the board's notes in comments.

    Args:
        ranking: of the board.
        rows: of its systems, in the order wanted.
        bands: r of every band too.
        bars: ties as bars, which is for rows in the order of ranks, and not as letters.
        seeds: a table of every training too.
    """
    board = ranking.board
    name = " ".join(board.name)
    notes = board_notes(ranking, bars=bars)
    texts = [PREAMBLE, *comments([board_title(board)])]
    texts += [_systems(ranking, rows, notes, name, bands=bands, bars=bars)]
    if ranking.ablations:
        texts.append(_ablations(ranking, name))
    if seeds:
        each = [cells for row in (*rows, *ranking.ablations) for cells in seed_cells(row)]
        if each:
            words = f"Every training by itself on {data_words(board)}; intervals over subjects."
            table = [Part("", list(map(_kept, each)), list(map(_comment, each)))]
            texts.append(latex_table(table, caption=words, label=f"{name} trainings"))
    return "\n".join([*texts, *comments(notes)]) + "\n"


def _systems(
    ranking: Ranking, rows: Sequence[Row], notes: Sequence[str], name: str, *, bands: bool, bars: bool
) -> str:
    marks = Marks()
    stimuli = any(row.stimuli for row in rows)
    cells = {row.system: row_cells(row, bands=bands, stimuli=stimuli, bars=bars) for row in rows}
    unseen = {one[_UNSEEN] for one in cells.values()}
    dropped = (*_IN_COMMENT, *([_UNSEEN] if len(unseen) == 1 else []))

    def part(head: str, own: Sequence[Row]) -> Part:
        table = [_marked(row, cells[row.system], marks, dropped) for row in own]
        return Part(head, table, [_comment(cells[row.system]) for row in own])

    above = [row for row in rows if not row.is_flagged]
    below = [row for row in rows if row.is_flagged]
    parts = [part("", above)] if above or not below else []
    parts += [part(f"{BELOW_THE_LINE}:", below)] if below else []
    # The sentence names the data, and the first note says how to read ties and intervals.
    first = board_sentence(ranking) or f"{board_title(ranking.board)}."
    read = [note for note in notes if note.startswith(("Systems that share a letter", "Systems on one bar"))]
    brain = [note for note in notes if note.startswith(("Without the EEG:", "Without any brain:"))]
    said = [f"Unseen stimuli: {next(iter(unseen))}."] if len(unseen) == 1 else []
    caption = " ".join([first, *read, *brain, *said])
    return latex_table(
        parts, caption=caption, label=name, notes=marks.words, left=("system", "ties", _UNSEEN)
    )


def _marked(row: Row, cells: dict[str, str], marks: Marks, dropped: Sequence[str]) -> dict[str, str]:
    """A row's cells without words that are too long for a table: those become notes."""
    kept = {key: text for key, text in cells.items() if key not in dropped}
    if row.rank is not None:
        rank, low, high = row.rank
        kept["rank"] = f"{rank}" if low == high else f"{rank} ({low}–{high})"
    chance = span(row.score.chance)
    if kept["chance"] != chance:
        words = kept["chance"].removeprefix(chance).strip().removeprefix("(").removesuffix(")")
        kept["chance"] = marks.mark(chance, words.replace(" (", ", "))
    kept["without the EEG"] = marks.short(kept["without the EEG"])
    return kept


def _ablations(ranking: Ranking, name: str) -> str:
    """A part for each full net, whose name then is in no column."""
    marks = Marks()
    parts = []
    for full in dict.fromkeys(row.beside.full for row in ranking.ablations if row.beside):
        own = [row for row in ranking.ablations if row.beside and row.beside.full == full]
        rows = []
        for row in own:
            cells = _kept(ablation_cells(row))
            kept = {key: text for key, text in cells.items() if not key.startswith("less ")}
            told, _, words = kept["told apart"].partition(", ")
            kept["told apart"] = (
                marks.mark(told, f"compared {words}, not as architectures") if words else told
            )
            value, _, words = kept["without the EEG"].partition(" (")
            kept["without the EEG"] = marks.mark(value, words.removesuffix(")")) if words else value
            rows.append(kept)
        heading = own[0].score.measure.heading
        head = f"{heading} less that of {full}:"
        parts.append(Part(head, rows, [_comment(ablation_cells(row)) for row in own]))
    caption = f"{ABLATIONS}, on {data_words(ranking.board)}; Holm over each net's ablations."
    return latex_table(
        parts, caption=caption, label=f"{name} ablations", notes=marks.words, left=("told apart",)
    )


def _kept(cells: dict[str, str]) -> dict[str, str]:
    return {key: text for key, text in cells.items() if key not in _IN_COMMENT}


def _comment(cells: dict[str, str]) -> str:
    return ", ".join(f"{key} {cells[key]}" for key in _IN_COMMENT if cells.get(key))
