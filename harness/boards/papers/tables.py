"""A paper's tables: what it reports beside what is measured here.

Each paper is a JSON file in this folder: its tables, and for each row the reported value, the percentage
printed with it, and the system (and variant) whose record fills the row. Percentages are computed again
from the values. A new record fills a cell without any change of code. Reported figures are on real data;
a column measured on simulated data says that it is, and is never subtracted from them.

A table may name its corpora, the measures that fill it (``by``, the first beside the reported figure), and a
row its feature; then several boards fill it. What a constant scores by the first of ``by`` is its last rows.
"""

from __future__ import annotations

import html
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from harness.boards.board import Board, BoardName, BoardRecord, load_board
from harness.boards.cells import NOT_MEASURED, without_eeg
from harness.boards.formats import FORMATS, STYLES
from harness.boards.latex import PREAMBLE, Marks, Part, comments, latex_table
from harness.boards.row import row_of
from harness.boards.sheet import csv_text
from harness.conventions import DEFAULT_VARIANT, SIMULATED_WORDS
from harness.errors import UsageError, no_such
from harness.records.measured import Measured
from harness.records.without_brain import TITLES
from harness.scoring.measures import DEFAULT, measure

FOLDER = Path(__file__).parent
PAPERS = ("catwavenet", "ssm2mel", "dmf2mel", "music")
CORPORA = ("sparrkulee", "simulated")
NO_EEG = "needs no EEG"
ReadBoard = Callable[[Path, BoardName], Board]
# A printed percentage is a whole number: the computed one rounds to it, or it is noted.
_ROUNDING = 0.5 + 1e-9


@dataclass(frozen=True)
class Cell:
    """One row of a paper's table.

    Attributes:
        label: as the paper calls it.
        reported: its value; None where the source has none.
        reported_percent: improvement over the table's baseline row, from the values.
        printed_percent: the same as the paper prints it.
        measured: the record that fills the row; None where there is none.
        measured_percent: improvement of the record over the baseline row's record.
        note: why a cell is empty, or what to know of the value.
    """

    label: str
    reported: float | None
    reported_percent: float | None
    printed_percent: float | None
    measured: BoardRecord | None
    measured_percent: float | None
    note: str


def load_paper(name: str) -> dict[str, Any]:
    """A paper's tables.

    Raises:
        UsageError: there is no such paper.
    """
    if name not in PAPERS:
        raise UsageError(no_such("PAPER", name, (*PAPERS, "official-2024")))
    document: dict[str, Any] = json.loads((FOLDER / f"{name}.json").read_bytes())
    return document


class PaperTable(NamedTuple):
    """A table of a paper, and the boards that fill it.

    Attributes:
        table: as the paper's file has it.
        boards: feature -> the board of that feature; empty where there is none.
    """

    table: Mapping[str, Any]
    boards: Mapping[str, Board]

    @property
    def corpus(self) -> str | None:
        """The corpus of the boards; None where there is no board."""
        return next((board.name.corpus for board in self.boards.values()), None)

    @property
    def simulated(self) -> bool:
        """Whether the boards are of simulated data."""
        return any(board.simulated for board in self.boards.values())


def paper_tables(
    name: str, results: Path, board: BoardName | None = None, *, read: ReadBoard | None = None
) -> list[PaperTable]:
    """A paper's tables, each with the board that fills it.

    Args:
        name: one of ``PAPERS``.
        results: the results folder.
        board: fills the tables in place of each table's own; None for the table's own on SparrKULee or,
            where no complete record is there, on the simulated corpus.
        read: reads a board, as :func:`once_each` of several papers; None for one that reads each board of
            this paper once.

    Raises:
        UsageError: no such paper.
        RecordError: no board of that name.
    """
    read = read or once_each()
    return [_with_board(table, results, board, read) for table in load_paper(name)["tables"]]


def once_each() -> ReadBoard:
    """What reads a board as :func:`load_board` does, and no board twice: tables have boards in common."""
    return cache(load_board)


def fill(table: Mapping[str, Any], boards: Mapping[str, Board]) -> list[Cell]:
    """The rows of a table, each with the record that fills it.

    Args:
        table: of a paper.
        boards: feature -> the board whose records fill rows of it; empty where none can.
    """
    records = {feature: _records(board) for feature, board in boards.items()}
    baseline = table.get("baseline")
    usual = table.get("board", {}).get("feature")
    filled = [
        (row, records.get(row.get("feature", usual), {}).get((row.get("system"), row.get("variant"))))
        for row in table["rows"]
    ]
    by = table.get("by", [None])[0]
    base_reported = base_measured = None
    for row, measured in filled:
        if row["label"] == baseline:
            base_reported = row["reported"]
            base_measured = _score(measured, by)
    cells = []
    for row, measured in filled:
        own = row["label"] == baseline
        note = row.get("note", "")
        if measured is None and not note:
            note = "no record" if "system" in row else "no system here"
        elif measured is None and "by" in table:
            note = f"{note}; no record"
        cells.append(
            Cell(
                label=row["label"],
                reported=row["reported"],
                reported_percent=None if own else _percent(row["reported"], base_reported),
                printed_percent=row.get("reported_percent"),
                measured=measured,
                measured_percent=None if own else _percent(_score(measured, by), base_measured),
                note=note,
            )
        )
    return cells


def paper_text(name: str, results: Path, *, board: BoardName | None = None, form: str = "text") -> str:
    """Every table of a paper, reported beside measured.

    Args:
        name: one of ``PAPERS``.
        results: the results folder.
        board: as in :func:`paper_tables`.
        form: text, md, csv, latex, html or json.

    Raises:
        UsageError: no such paper or format.
        RecordError: no board of that name.
    """
    return tables_text(load_paper(name), paper_tables(name, results, board), form)


def tables_text(paper: Mapping[str, Any], tables: Sequence[PaperTable], form: str = "text") -> str:
    """As :func:`paper_text`, of tables whose boards were read before.

    Raises:
        UsageError: no such format.
    """
    check_form(form)
    if form == "json":
        document = {**paper, "tables": [_plain(table) for table in tables]}
        return json.dumps(document, indent=1, ensure_ascii=False) + "\n"
    if form == "csv":
        return csv_text(table_rows(paper, tables))
    if form == "latex":
        head = comments([f"{paper['title']}. Source: {paper['source']}."])
        return "\n".join([PREAMBLE, *head, *(_table_latex(paper, table) for table in tables)])
    if form == "html":
        above = [f"<p>{html.escape(paper['title'])}. Source: {html.escape(paper['source'])}.</p>"]
        return "\n".join([*above, *(_table_html(table) for table in tables)]) + "\n"
    parts = [f"{paper['title']}. Source: {paper['source']}."]
    parts += [_table_text(table, form) for table in tables]
    return "\n\n".join(parts) + "\n"


def table_rows(paper: Mapping[str, Any], tables: Sequence[PaperTable]) -> list[dict[str, Any]]:
    """Every row of a paper's tables as plain values; ``table`` tells the tables apart.

    Args:
        paper: as its file has it.
        tables: with the boards that fill them.
    """
    found = []
    for filled in tables:
        table = _plain(filled)
        facts = {
            "paper": paper["name"],
            "table": table["id"],
            "title": table["title"],
            "board": "/".join(_words(table["board"])) if "board" in table else None,
            "measure": table["measure"],
            "measured_on": table["measured_on"],
            "simulated": table["simulated"],
        }
        notes = {"table_notes": " ".join(table["notes"])}
        for row in table["rows"]:
            low, high = row.pop("ci95") or (None, None)
            words = row.pop("without_eeg") or ""
            value, _, flags = words.partition(" (")
            ends = {"ci95_low": low, "ci95_high": high}
            blind = {
                "without_eeg": float(value) if value and value != NOT_MEASURED else None,
                "without_eeg_flags": flags.removesuffix(")"),
            }
            found.append({**facts, **row, **ends, **blind, **notes})
        for label, value in table.get("constants", {}).items():
            found.append({**facts, "label": label, "measured": value, "note": NO_EEG, **notes})
    return found


def check_form(form: str) -> None:
    """Refuse a format that the papers' tables do not have.

    Raises:
        UsageError: it is none of text, md, csv, latex, html and json.
    """
    if form not in FORMATS:
        raise UsageError(no_such("--format", form, FORMATS))


def _with_board(
    table: Mapping[str, Any], results: Path, board: BoardName | None, read: ReadBoard
) -> PaperTable:
    if "board" not in table:
        return PaperTable(table, {})
    if board is not None:
        own, other = _words(table["board"]), board[1:]
        note = f"Measured on {'/'.join(other)}, where the paper's figures are of {'/'.join(own)}."
        notes = [*table["notes"], *([note] if other != own else [])]
        chosen = {board.feature: read(results, board)}
        return PaperTable({**table, "board": board._asdict(), "notes": notes}, chosen)
    split, part, usual = _words(table["board"])
    features = dict.fromkeys([usual, *(row.get("feature", usual) for row in table["rows"])])
    for corpus in table.get("corpora", CORPORA):
        boards = {}
        for feature in features:
            name = BoardName(corpus, split, part, feature)
            if any(results.joinpath(*name).glob("*.json")):
                own_board = read(results, name)
                if own_board.records:  # partial ones fill no table
                    boards[feature] = own_board
        if boards:
            return PaperTable(table, boards)
    return PaperTable(table, {})


def _records(board: Board) -> dict[tuple[str, str | None], BoardRecord]:
    found: dict[tuple[str, str | None], BoardRecord] = {}
    for one in board.records:
        system = one.record.submission
        if system.transfer is not None or system.channels_excluded:  # papers trained and tested on one corpus
            continue
        found[system.name, None if system.variant == DEFAULT_VARIANT else system.variant] = one
    return found


def _words(board: Mapping[str, str]) -> tuple[str, str, str]:
    return board["split"], board["part"], board["feature"]


def _percent(value: float | None, base: float | None) -> float | None:
    return None if value is None or not base else 100 * (value / base - 1)


def _table_text(filled: PaperTable, form: str) -> str:
    from tabulate import tabulate

    header, rows = _cells(filled)
    text = tabulate(rows, header, STYLES[form], disable_numparse=True)
    return "\n\n".join([_title(filled), text, *(f"Note: {note}" for note in _notes(filled))])


def _table_html(filled: PaperTable) -> str:
    from tabulate import tabulate

    header, rows = _cells(filled)
    notes = [f"<p>Note: {html.escape(note)}</p>" for note in _notes(filled)]
    text = tabulate(rows, header, STYLES["html"], disable_numparse=True)
    return "\n".join([f"<p>{html.escape(_title(filled))}</p>", text, *notes])


def _table_latex(paper: Mapping[str, Any], filled: PaperTable) -> str:
    """A whole environment; what stands in the column of notes becomes notes below."""
    header, rows = _cells(filled)
    names = ["system", "reported", *header[2:-1]]
    for place, name in enumerate(names):
        if name == "over baseline":
            names[place] = "reported gain" if place == 2 else "measured gain"
        elif name.startswith("measured here"):
            names[place] = "measured"
    marks = Marks()
    cells = []
    for row in rows:
        label = marks.mark(row[0], row[-1]) if row[-1] else row[0]
        cells.append(dict(zip(names, [label, *map(marks.short, row[1:-1])], strict=True)))
    words = filled.table["measure"].replace("pearson_r", "Pearson r")
    caption = f"{paper['title']}. {_title(filled)}. Reported: {words}, from {paper['source']}."
    if "board" in filled.table:
        data = SIMULATED_WORDS if filled.simulated else filled.corpus
        caption += f" Measured here: {f'on {data}' if data else 'no record yet'}."
    if "reported gain" in names:
        caption += f" Gain: over {filled.table['baseline']}."
    label = f"{paper['name']} {filled.table['id']}"
    text = latex_table([Part("", cells)], caption=caption, label=label, notes=marks.words)
    return "\n".join([text.rstrip(), *comments([f"Note: {note}" for note in _notes(filled)])]) + "\n"


def _cells(filled: PaperTable) -> tuple[list[str], list[list[str]]]:
    """Heads and rows of a table, in words."""
    table = filled.table
    cells = fill(table, filled.boards)
    is_percent = table["measure"] == "accuracy (%)"
    factor, decimals = (100, 2) if is_percent else (1, 4)
    by, *others = table.get("by", [None])
    percents = any(cell.reported_percent is not None for cell in cells)
    header = ["", f"reported ({table['measure'].replace('pearson_r', 'Pearson r')})"]
    header += ["over baseline"] if percents else []
    measured = "board" in table
    blind = by in (None, "cosine")  # the blind control is told by the measure that ranks the boards
    if measured:
        header += [_measured_on(filled), "95 % interval", *(["without the EEG"] if blind else [])]
        header += ["over baseline"] if percents else []
        header += [] if filled.simulated else ["measured - reported"]
        header += [measure(name).title for name in others]
    rows = []
    for cell in cells:
        row = [cell.label, _number(cell.reported, decimals)]
        row += [_percent_text(cell.reported_percent)] if percents else []
        if measured:
            value = _times(_score(cell.measured, by), factor)
            ends = _interval(cell.measured, by, factor)
            row += [_number(value, decimals), " to ".join(_number(end, decimals) for end in ends or ())]
            if blind:
                row.append(without_eeg(row_of(cell.measured)) if cell.measured else "")
            row += [_percent_text(cell.measured_percent)] if percents else []
            if not filled.simulated:
                row.append(_difference(value, cell.reported))
            row += [_number(_times(_score(cell.measured, name), factor), decimals) for name in others]
        rows.append([*row, cell.note])
    for label, value in _constants(filled):
        blank = [""] * (len(header) - 3 - (1 if percents else 0))
        reported = ["", ""] if percents else [""]
        rows.append([label, *reported, _number(value * factor, decimals), *blank, NO_EEG])
    return [*header, "note"], rows


def _title(filled: PaperTable) -> str:
    table = filled.table
    title: str = table["title"]
    return title + (f" ({'/'.join(_words(table['board']))})" if "board" in table else "")


def _notes(filled: PaperTable) -> list[str]:
    cells = fill(filled.table, filled.boards)
    return [*filled.table["notes"], *_flags(filled), *_inconsistencies(cells)]


def _measured_on(filled: PaperTable) -> str:
    if filled.corpus is None:
        return "measured here (no record yet)"
    return f"measured here ({SIMULATED_WORDS if filled.simulated else filled.corpus})"


def _flags(filled: PaperTable) -> list[str]:
    """What a reader of the boards' splits must know."""
    flags = dict.fromkeys(board.flag for board in filled.boards.values() if board.flag)
    return [f"The measured split is flagged: {flag}." for flag in flags]


def _constants(filled: PaperTable) -> list[tuple[str, float]]:
    """What the training part's mean scores, for each feature of a table that names its measures."""
    by = filled.table.get("by", [None])[0]
    found = []
    for feature, board in filled.boards.items():
        constant = board.without_brain.get("constant")
        if by is not None and constant is not None and by in constant.measures:
            found.append((f"{TITLES['constant']}, {feature}", constant.measures[by]))
    return found


def _inconsistencies(cells: list[Cell]) -> list[str]:
    """Printed percentages that the printed values do not give."""
    return [
        f"{cell.label}: printed as {cell.printed_percent:g} %, the values give {cell.reported_percent:.1f} %."
        for cell in cells
        if cell.printed_percent is not None
        and cell.reported_percent is not None
        and abs(cell.printed_percent - cell.reported_percent) > _ROUNDING
    ]


def _plain(filled: PaperTable) -> dict[str, Any]:
    table = filled.table
    cells = fill(table, filled.boards)
    by, *others = table.get("by", [None])
    rows = [
        {
            "label": cell.label,
            "reported": cell.reported,
            "reported_percent": cell.reported_percent,
            "printed_percent": cell.printed_percent,
            "measured": _score(cell.measured, by),
            "ci95": _interval(cell.measured, by),
            **{name: _score(cell.measured, name) for name in others},
            "measured_percent": cell.measured_percent,
            "without_eeg": without_eeg(row_of(cell.measured)) if cell.measured else None,
            "record_sha256": cell.measured.sha256 if cell.measured else None,
            "note": cell.note,
        }
        for cell in cells
    ]
    return {
        **table,
        "measured_on": filled.corpus,
        "simulated": filled.simulated,
        "rows": rows,
        **({"constants": dict(_constants(filled))} if by else {}),
        "notes": [*table["notes"], *_flags(filled), *_inconsistencies(cells)],
    }


def _number(value: float | None, decimals: int) -> str:
    return "" if value is None else f"{value:.{decimals}f}"


def _percent_text(value: float | None) -> str:
    return "" if value is None else f"{value:+.0f} %"


def _difference(measured: float | None, reported: float | None) -> str:
    return "" if measured is None or reported is None else f"{measured - reported:+.4f}"


def _measured(one: BoardRecord | None, by: str | None) -> Measured | None:
    """What a record says by a measure; by Pearson r where the table names none."""
    if one is None or not one.record.has(by or DEFAULT):
        return None
    return one.record.by(by or DEFAULT)


def _score(one: BoardRecord | None, by: str | None = None) -> float | None:
    found = _measured(one, by)
    return None if found is None else found.value


def _interval(one: BoardRecord | None, by: str | None, factor: int = 1) -> tuple[float, float] | None:
    found = _measured(one, by)
    if found is None or found.ci95 is None:
        return None
    return found.ci95[0] * factor, found.ci95[1] * factor


def _times(value: float | None, factor: int) -> float | None:
    return None if value is None else value * factor
