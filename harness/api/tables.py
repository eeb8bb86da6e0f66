"""Boards as pandas frames, and two systems compared."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from harness.boards.board import Board, BoardRecord, load_board, parse_board
from harness.boards.cells import board_notes, board_title
from harness.boards.compare import Comparison, find_record
from harness.boards.compare import compare as compared
from harness.boards.formats import csv_rows
from harness.boards.inventory import COLUMNS, inventory
from harness.boards.ranking import rank
from harness.records.record import Record

if TYPE_CHECKING:
    import pandas as pd

RESULTS = "results"


def boards(results: str | Path = RESULTS) -> pd.DataFrame:
    """The boards of a results folder: name, kind, how many systems, and the first of them.

    Args:
        results: folder of score records; one that is not there holds none.
    """
    import pandas as pd

    rows = [dict(row) for row in inventory("boards", Path(results))]
    return pd.DataFrame(rows, columns=list(COLUMNS["boards"]))


def board(name: str, results: str | Path = RESULTS, *, everything: bool = False) -> pd.DataFrame:
    """A board, ranked: the columns of ``harness rank --format csv``, a row for each system.

        >>> from harness import api
        >>> data, split = api.simulate("small-corpus")
        >>> part = api.open_part(data, split=split, part="val")
        >>> record = api.score("linear", part, results="my-results", surrogates=0)
        >>> frame = api.board("simulated/small/val/mel", "my-results")
        >>> frame[["rank", "name", "subjects"]].to_dict("records")
        [{'rank': 1, 'name': 'linear', 'subjects': 2}]
        >>> frame.attrs["title"]
        'simulated data (no real EEG), split small, part val, feature mel: 1 system, 2 subjects'

    Records that are left out have a row too, with nothing but their name and why (``left_out``). How to read
    the board is in ``frame.attrs["notes"]``.

    Args:
        name: ``CORPUS/SPLIT/PART/FEATURE``, as `boards` names it.
        results: folder of score records.
        everything: rank ablations with all others, and not only beside their own full nets.

    Raises:
        UsageError: no such board.
        RecordError: no record at all.
    """
    import pandas as pd

    ranking = rank(load_board(Path(results), parse_board(name)), everything=everything)
    columns, rows = csv_rows(ranking, [*ranking.rows, *ranking.ablations])
    frame = pd.DataFrame(rows, columns=columns)
    frame.attrs.update(title=board_title(ranking.board), notes=board_notes(ranking))
    return frame


def subject_scores(name: str, results: str | Path = RESULTS) -> pd.DataFrame:
    """The scores behind a board: a row for each subject, a column for each system, best mean first.

    They are by the measure that ranks, on unseen stimuli where these rank.

    Args:
        name: as in `board`.
        results: folder of score records.

    Raises:
        UsageError: no such board.
        RecordError: no record at all.
    """
    import pandas as pd

    loaded: Board = load_board(Path(results), parse_board(name))
    systems = [one.system for one in loaded.records]
    scores = loaded.scores.T if systems else None
    return pd.DataFrame(scores, index=pd.Index(loaded.subjects, name="subject"), columns=systems)


def compare(
    first: Record | str, second: Record | str, *, board: str | None = None, results: str | Path = RESULTS
) -> Comparison:
    """Two systems on the same subjects: the paired difference, its interval and test.

    Args:
        first: a record, or a system's name, as ``harness compare`` takes it.
        second: likewise.
        board: where a name stands on several.
        results: folder of score records, for names.

    Raises:
        UsageError: no such system, or on several boards.
        RecordError: records that cannot be compared.
    """
    folder = Path(results)
    named = None if board is None else parse_board(board)
    found = [
        BoardRecord.made(folder, one) if isinstance(one, Record) else find_record(one, folder, named)
        for one in (first, second)
    ]
    return compared(*found)
