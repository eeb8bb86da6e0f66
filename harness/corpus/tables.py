"""Tables of BIDS (``*.tsv``): rows by column, and the files below ``stimuli/`` that they name."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from harness.errors import CorpusError, Fault, did_you_mean, shorten
from harness.files import read_regular

Row = Mapping[str, str]
STIMULI: Final = "stimuli"
_NOTHING: Final = ("", "n/a", "nan", "none")
_MOST_BYTES: Final = 64 << 20
_EXPECTED: Final = "a table in UTF-8, separated by tabs"


def read_table(path: Path) -> tuple[list[str], list[tuple[int, Row]]]:
    """The columns of a table, and its rows with the number of the line that each is on.

    Spaces around the names of columns and around cells do not count; lines without any cell are passed over.

    Raises:
        CorpusError: the file cannot be read, is empty or separated by something else than tabs, or has two
            columns of one name; or a cell is open to the end of the file, or longer than 131,072 characters.
    """
    try:
        text = read_regular(path, _MOST_BYTES).decode("utf-8-sig")
        lines = csv.reader(io.StringIO(text, newline=""), delimiter="\t", strict=True)
        columns = [name.strip() for name in next(lines, [])]
        _check_columns(path, columns)
        return columns, [(lines.line_num, dict(zip(columns, row, strict=False))) for row in lines if row]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise CorpusError(Fault(str(path), f"cannot be read ({error})", _EXPECTED)) from None


def text_of(row: Row, column: str) -> str:
    """A cell; empty where the row or the table has none, or one that says n/a."""
    text = row.get(column, "").strip()
    return "" if text.casefold() in _NOTHING else text


def almost_column(columns: list[str], wanted: str) -> str | None:
    """The column that is meant by a name that no column has; None where none is near."""
    return next((name for name in columns if did_you_mean(_plain(wanted), [_plain(name)])), None)


def same_column(columns: list[str], wanted: str) -> str | None:
    """The column whose name differs from a wanted one by case and marks only; None if that is there."""
    if wanted in columns:
        return None
    return next((name for name in columns if _plain(name) == _plain(wanted)), None)


def below_stimuli(named: str) -> str:
    """A file that a table names, as a path below ``stimuli/``.

    BIDS has it begin there; tables in use begin it at the data set's root too, or with a slash, or have
    Windows' slashes.
    """
    return named.replace("\\", "/").lstrip("/").removeprefix(f"{STIMULI}/")


def named_files(path: Path, columns: tuple[str, ...]) -> Iterator[str]:
    """What the cells of some columns name, as paths below ``stimuli/``.

    Raises:
        CorpusError: as `read_table`.
    """
    for _, row in read_table(path)[1]:
        yield from (below_stimuli(text) for column in columns if (text := text_of(row, column)))


def _plain(name: str) -> str:
    return "".join(letter for letter in name.casefold() if letter.isalnum())


def _check_columns(path: Path, columns: list[str]) -> None:
    if not any(columns):
        raise CorpusError(Fault(str(path), "no line with the names of columns", _EXPECTED))
    twice = sorted({name for name in columns if name and columns.count(name) > 1})
    if twice:
        raise CorpusError(Fault(str(path), f"two columns named {shorten(twice)}", "each name once"))
    if len(columns) == 1 and any(other in columns[0] for other in ",;"):
        raise CorpusError(
            Fault(str(path), f"one column, {columns[0][:80]!r}", _EXPECTED, "Separate by tabs.")
        )
