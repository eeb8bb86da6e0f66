"""A board's page, and the page of the official 2024 leaderboard: tables, plots, and how to read them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from markupsafe import Markup

from harness.boards.board import BoardName
from harness.boards.cells import (
    ABLATIONS,
    BELOW_THE_LINE,
    CONSTANT,
    ablation_cells,
    board_notes,
    row_cells,
    seed_cells,
    span,
)
from harness.boards.formats import MOST_ALL_PAIRS
from harness.boards.papers.official import DATA, WHY_UNPAIRED, official_teams
from harness.boards.ranking import LEVEL, Ranking, tie_groups
from harness.boards.row import Row
from harness.boards.sentences import board_sentence
from harness.conventions import HASH_DIGITS, SIMULATED_WORDS
from harness.errors import counted
from harness.page.names import board_data, system_file
from harness.page.svg import Box, Dot, boxes, dots, runs, ties
from harness.scoring.measures import DEFAULT, MEASURES

HEAT_LEVELS = 9
# Above this the matrix of pairs is left out: too large to read or to load.
MOST_PAIRS = 60
# Adjusted p below which a pair's cell is darker.
P_STEPS = (0.05, 0.01, 0.001)


class Shaded(NamedTuple):
    """A cell of a coloured table.

    Attributes:
        text: its number.
        shade: class of its colour.
    """

    text: str
    shade: str


class Band(NamedTuple):
    """A system's row in the table of bands."""

    name: str
    cells: list[Shaded]


def board_view(ranking: Ranking) -> dict[str, Any]:
    """What the template of a board's page shows."""
    board = ranking.board
    sentence = board_sentence(ranking)
    names = [row.system for row in ranking.rows]
    some = (board.records or board.partial)[0].record
    stimuli = any(row.stimuli for row in ranking.rows)
    rows = [
        {**row_cells(row, stimuli=stimuli), "link": system_file(row.name), "letters": row.ties}
        for row in ranking.rows
    ]
    if len(rows) > MOST_ALL_PAIRS:  # groups of ties grow with the systems: half of the page would be bars
        rows = [{**row, "ties": "", "letters": ""} for row in rows]
    by, *others = board.measures
    further = [(one.heading, one.higher_is_better) for one in others]
    if any(CONSTANT in row for row in rows):
        place = next((i for i, one in enumerate(others, start=1) if one.name == "cosine"), 0)
        further.insert(place, (CONSTANT, True))
    ablations = [ablation_cells(row) for row in ranking.ablations]
    return {
        "title": board_words(board.name),
        "data": SIMULATED_WORDS if board.simulated else f"real EEG: {board.name.corpus}",
        "simulated": board.simulated,
        "n_systems": counted(len(rows), "system"),
        "n_subjects": counted(len(board.subjects or some.subjects), "subject"),
        "flag": board.flag,
        "sentence": sentence,
        "notes": [note for note in board_notes(ranking) if note != sentence],
        "segment_seconds": f"{some.split.segment_seconds:g}",
        "split_sha256": some.split.sha256[:HASH_DIGITS],
        "scorer_version": some.scorer_version,
        "data_files": [
            (words, board_data(board.name, suffix).rpartition("/")[2])
            for words, suffix in (("CSV", ".csv"), ("JSON", ".json"))
        ],
        "heads": [
            *("rank", "", "", by.heading, "95 % interval"),
            *(["over seeds"] if any(row.seeds for row in ranking.rows) else []),
            *("chance", "without the EEG", *(heading for heading, _ in further), "unseen stimuli"),
            *(("on unseen", "on seen") if stimuli else ()),
            *("date", "record"),
        ],
        "by": by,
        "further": further,
        "stimuli": ("on unseen", "on seen") if stimuli else (),
        "rows": rows[: ranking.n_above_the_line],
        "below": rows[ranking.n_above_the_line :],
        "several": any(row.seeds for row in ranking.rows),
        "ablations": ablations,
        "ablation_heads": max((list(row) for row in ablations), key=len, default=[]),
        "ablations_words": ABLATIONS,
        "trainings": [cells for row in (*ranking.rows, *ranking.ablations) for cells in seed_cells(row)],
        "below_words": BELOW_THE_LINE,
        "dots_picture": _board_dots(ranking.rows) if rows else None,
        "ties": _board_ties(ranking, names) if 1 < len(names) <= MOST_PAIRS else None,
        "bands": heat([(row.system, row.bands) for row in ranking.rows]),
        "boxes_picture": _boxes(
            [Box(row.system, list(row.score.subjects.values())) for row in ranking.rows], by.title
        ),
        "pairs": _pairs(ranking, names) if 1 < len(names) <= MOST_PAIRS else None,
        "left_out": len(names) > MOST_PAIRS,
        "listed": "every pair"
        if len(names) <= MOST_ALL_PAIRS
        else "the pairs of the first and of neighbours, and rank intervals count all tests",
        "level": f"{LEVEL:g}",
    }


def official_view() -> dict[str, Any]:
    """What the template of the official leaderboard's page shows."""
    import json

    teams = official_teams()
    source = json.loads(DATA.read_text("utf-8"))
    return {
        "title": source["title"],
        "source": source["source"],
        "why_unpaired": WHY_UNPAIRED,
        "rows": [
            {
                "rank": rank,
                "team": team.name,
                "mean": f"{team.mean:.4f}",
                "interval": span(team.ci95),
                "std": f"{team.std:.4f}",
                "other": "" if team.other is None else f"{team.other:.4f}",
            }
            for rank, team in enumerate(teams, start=1)
        ],
        "dots_picture": dots(
            [Dot(team.name, team.mean, team.ci95) for team in teams],
            "dots",
            "Mean Pearson r of each team, with its 95 % interval",
            f"{len(teams)} teams from the best mean down. The same numbers stand in the table above.",
            MEASURES[DEFAULT].title,
        ),
        "boxes_picture": _boxes([Box(team.name, team.subjects) for team in teams], MEASURES[DEFAULT].title),
        "bands": heat([(team.name, team.bands) for team in teams]),
    }


def board_words(name: BoardName) -> str:
    """A board as a heading."""
    return f"{name.feature}, {name.part} part of {name.split}"


def heat(systems: Sequence[tuple[str, Sequence[float]]]) -> list[Band] | None:
    """Rows of a table of bands, darker where r is higher; None where there are no bands."""
    if not systems or len(systems[0][1]) < 2:
        return None
    every = [r for _, bands in systems for r in bands]
    low = max(0.0, min(every))  # below 0 all are alike, so that one bad system does not level the others
    span = max(every) - low

    def shaded(r: float) -> Shaded:
        level = int(max(r - low, 0.0) / span * (HEAT_LEVELS - 1) + 0.5) if span > 0 else 0
        return Shaded(f"{round(r, 3) + 0.0:.3f}", f"h{level}")  # no -0.000

    return [Band(name, [shaded(r) for r in bands]) for name, bands in systems]


def _board_dots(rows: Sequence[Row]) -> Markup:
    systems = [Dot(row.system, row.score.value, row.score.ci95, row.score.chance) for row in rows]
    best = rows[0]
    return dots(
        systems,
        "dots",
        f"Mean {best.score.measure.title} of each system, with its 95 % interval and its band of chance",
        f"{counted(len(systems), 'system')} from the best mean down; the best is {best.system} with"
        f" {best.score.value:.4f}. The same numbers stand in the table above.",
        best.score.measure.title,
    )


def _board_ties(ranking: Ranking, names: Sequence[str]) -> Markup:
    groups = tie_groups(ranking.p > LEVEL)
    joined = [
        f"{names[group[0]]} to {names[group[-1]]} (places {_places(group)})"
        for group in groups
        if len(group) > 1
    ]
    return ties(
        names,
        groups,
        "ties",
        "Systems by rank; a bar joins those that cannot be told apart",
        f"Tied: {'; '.join(joined)}." if joined else "No two systems are tied.",
    )


def _places(group: Sequence[int]) -> str:
    ends = [(str(start + 1), str(end + 1)) for start, end in runs(group)]
    return ", ".join(start if start == end else f"{start} to {end}" for start, end in ends)


def _boxes(systems: Sequence[Box], measure: str) -> Markup | None:
    if not systems or len(systems[0].values) < 2:
        return None
    return boxes(
        systems,
        "boxes",
        f"{measure[:1].upper()}{measure[1:]} of every subject, one box a system",
        "Median, quartiles, lowest and highest subject, and a point for each subject.",
        measure,
    )


def _pairs(ranking: Ranking, names: Sequence[str]) -> list[Band]:
    """The lower half of the matrix of adjusted p."""
    return [
        Band(name, [_p_cell(float(p)) for p in ranking.p[place, :place]]) for place, name in enumerate(names)
    ]


def _p_cell(p: float) -> Shaded:
    shade = int(np.sum(p <= np.array(P_STEPS)))
    if p < P_STEPS[-1]:
        return Shaded(f"<{P_STEPS[-1]:g}".replace("0.", "."), f"p{shade}")
    return Shaded("1" if p >= 0.9995 else f"{p:.3f}".removeprefix("0"), f"p{shade}" if shade else "")
