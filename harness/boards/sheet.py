"""Values as cells: of CSV that no spreadsheet computes and no terminal acts on, and of Markdown."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence

from harness.errors import on_one_line

# What a spreadsheet takes for the beginning of a formula, full-width forms too.
_COMPUTED = ("=", "+", "-", "@", "＝", "＋", "－", "＠")


def csv_text(rows: Sequence[Mapping[str, object]], columns: Sequence[str] = ()) -> str:
    """Rows as CSV, with a line of names.

    Args:
        rows: by column; a column that a row does not have is empty, as is None.
        columns: their order; those that rows have beyond them follow.

    Returns:
        the text, with lines that end in a line feed.
    """
    names = list(dict.fromkeys([*columns, *(name for row in rows for name in row)]))
    text = io.StringIO()
    writer = csv.DictWriter(text, names, lineterminator="\n")
    writer.writerow({name: as_text(name) for name in names})
    writer.writerows({key: as_text(value) for key, value in row.items()} for row in rows)
    return text.getvalue()


def markdown_cell(text: str) -> str:
    """Text, a name for one, that does not end its cell in a table of Markdown."""
    return text.replace("|", "\\|")


def as_text(value: object) -> object:
    """A cell that no spreadsheet computes and no terminal acts on; numbers stay as they are."""
    if not isinstance(value, str):
        return value
    text = on_one_line(value)
    return f"'{text}" if text.lstrip().startswith(_COMPUTED) else text
