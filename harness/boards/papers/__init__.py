"""The papers' tables as data, and the tables regenerated from records."""

from harness.boards.papers.official import Team, official_rows, official_teams, official_text
from harness.boards.papers.tables import (
    PAPERS,
    Cell,
    fill,
    load_paper,
    once_each,
    paper_tables,
    paper_text,
    table_rows,
    tables_text,
)

__all__ = [
    "PAPERS",
    "Cell",
    "Team",
    "fill",
    "load_paper",
    "official_rows",
    "official_teams",
    "official_text",
    "once_each",
    "paper_tables",
    "paper_text",
    "table_rows",
    "tables_text",
]
