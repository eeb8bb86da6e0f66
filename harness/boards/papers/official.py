"""The official leaderboard of the 2024 challenge (Task 2), regenerated from its published scores.

``official_2024.json`` holds, for each team, the mean, standard deviation and bands of each submission, and
the 20 subjects' values of the counted one. These are sorted within each team, so nobody can say which of
two teams' values belong to the same subject: a mean has an interval, but no paired test can compare two
teams.
"""

from __future__ import annotations

import html
import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from harness.boards.formats import STYLES
from harness.boards.latex import PREAMBLE, Part, latex_table
from harness.boards.papers.tables import check_form
from harness.boards.sheet import csv_text
from harness.scoring.intervals import mean_interval

DATA = Path(__file__).with_name("official_2024.json")
WHY_UNPAIRED = (
    "No paired test is possible: the published subjects' values are sorted within each team, so that no two"
    " teams' values can be matched. Intervals: studentised bootstrap over 20 subjects, 95 %, each team by"
    " itself."
)


@dataclass(frozen=True)
class Team:
    """A team's counted submission.

    Attributes:
        name: of the team.
        submission: the number of the submission that counts, 1 or 2; the last counts, better or not.
        mean: Pearson r, of the 20 subjects.
        std: over the subjects (divided by 20).
        bands: (10,) means.
        subjects: (20,) sorted.
        ci95: of the mean.
        other: mean of the submission that does not count; None where there was one only.
    """

    name: str
    submission: int
    mean: float
    std: float
    bands: tuple[float, ...]
    subjects: tuple[float, ...]
    ci95: tuple[float, float]
    other: float | None


@lru_cache(maxsize=1)
def official_teams() -> tuple[Team, ...]:
    """All 49 teams, best mean first; mean and deviation are computed from the subjects' values."""
    document = json.loads(DATA.read_text("utf-8"))
    teams = []
    for team in document["teams"]:
        subjects = np.array(team["per_subject_sorted"])
        counted = max(team["submissions"], key=lambda one: one["number"])
        interval = mean_interval(subjects.tolist())
        others = [one["mean"] for one in team["submissions"] if one is not counted]
        if interval is None:
            continue
        teams.append(
            Team(
                name=team["team"],
                submission=counted["number"],
                mean=float(subjects.mean()),
                std=float(subjects.std()),
                bands=tuple(counted["bands"]),
                subjects=tuple(subjects.tolist()),
                ci95=interval,
                other=others[0] if others else None,
            )
        )
    return tuple(sorted(teams, key=lambda team: -team.mean))


def official_rows(*, bands: bool = False) -> list[dict[str, Any]]:
    """Every team as plain values, by columns that the papers' tables have too where they mean the same."""
    return [
        {
            "paper": "official-2024",
            "table": "leaderboard",
            "label": team.name,
            "measure": "pearson_r",
            "simulated": False,
            "rank": rank,
            "reported": team.mean,
            "reported_ci95_low": team.ci95[0],
            "reported_ci95_high": team.ci95[1],
            "reported_std": team.std,
            "other_submission": team.other,
            **({f"band_{k}": r for k, r in enumerate(team.bands, start=1)} if bands else {}),
        }
        for rank, team in enumerate(official_teams(), start=1)
    ]


def official_text(form: str = "text", *, bands: bool = False) -> str:
    """The leaderboard as text, md, csv, latex, html or json.

    Raises:
        UsageError: no such format.
    """
    check_form(form)
    teams = official_teams()
    if form == "json":
        rows = [{"rank": rank, **vars(team)} for rank, team in enumerate(teams, start=1)]
        document = {"board": "official-2024", "simulated": False, "note": WHY_UNPAIRED, "rows": rows}
        return json.dumps(document, indent=1, ensure_ascii=False) + "\n"
    if form == "csv":
        return csv_text(official_rows(bands=bands))
    from tabulate import tabulate

    table = [
        [
            str(rank),
            team.name,
            f"{team.mean:.4f}",
            "{:.4f} to {:.4f}".format(*team.ci95),
            f"{team.std:.4f}",
            "" if team.other is None else f"{team.other:.4f}",
            *([f"{r:.4f}" for r in team.bands] if bands else []),
        ]
        for rank, team in enumerate(teams, start=1)
    ]
    headers = ["rank", "team", "mean r", "95 % interval", "std", "other submission"]
    headers += [f"band {k}" for k in range(1, 11)] if bands else []
    title = "ICASSP 2024 Auditory EEG Challenge, Task 2: official test, mel, 49 teams, 20 subjects"
    if form == "latex":
        parts = [Part("", [dict(zip(headers, row, strict=True)) for row in table])]
        caption = f"{title}. {WHY_UNPAIRED}"
        text = latex_table(parts, caption=caption, label="official-2024", left=("team",))
        return f"{PREAMBLE}\n{text}"
    if form == "html":
        text = tabulate(table, headers, STYLES[form], disable_numparse=True)
        return f"<p>{html.escape(title)}</p>\n{text}\n<p>{html.escape(WHY_UNPAIRED)}</p>\n"
    text = tabulate(table, headers, STYLES[form], disable_numparse=True)
    return "\n\n".join([title, text, WHY_UNPAIRED]) + "\n"
