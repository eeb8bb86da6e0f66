"""Figures of a whole board: rank intervals, and the scores of every subject."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from harness.boards.cells import board_title
from harness.boards.ranking import Ranking
from harness.boards.row import Row
from harness.errors import Fault, RecordError, counted
from harness.figures.drawing import Drawing
from harness.figures.style import BLACK, BLUE, CHANCE, GREY, MM_PER_INCH, ORANGE, RULE, label, legend_columns
from harness.records.without_brain import TITLES
from harness.scoring.intervals import interval_words
from harness.scoring.measures import Measure

ROW_MM = 3.6
BELOW = (0, (3, 2))  # the line above systems that a control flags


def board_drawing(ranking: Ranking) -> Drawing:
    """Each system's mean with its interval and what it scores without the brain, beside its rank interval.

    Raises:
        RecordError: no complete record is on the board.
    """
    rows = _ranked(ranking)
    by = rows[0].score.measure
    constants = [
        (TITLES[name], one.measures[by.name])
        for name, one in ranking.board.without_brain.items()
        if by.name in one.measures
    ]

    def draw(figure: Any, _width: float) -> None:
        score, places = figure.subplots(1, 2, sharey=True, width_ratios=(5, 3))
        _name_systems(score, rows)
        _draw_controls(score, rows)
        for at, row in enumerate(rows):
            if row.score.ci95:
                score.plot(row.score.ci95, (at, at), color=BLUE, linewidth=1.1, solid_capstyle="butt")
            if row.rank:
                places.plot(row.rank[1:], (at, at), color=BLUE, linewidth=1.1, solid_capstyle="butt")
        score.plot([row.score.value for row in rows], range(len(rows)), "o", color=BLUE, markersize=3)
        ranked = [(row.rank.rank, at) for at, row in enumerate(rows) if row.rank]
        places.plot(*zip(*ranked, strict=True), "o", color=BLUE, markersize=3)
        for number, (_, value) in enumerate(constants):
            score.axvline(value, color=BLACK, linewidth=0.7, linestyle=(0, (2 + 2 * number, 1.5)))
        _zero(score, by)
        score.set_xlabel(by.heading)
        places.set_xlabel("rank")
        places.set_xlim(0.4, len(rows) + 0.6)
        step = next(step for step in (1, 5, 10, 50, 1000) if len(rows) <= 6 * step)
        places.set_xticks([1, *range(max(step, 2), len(rows) + 1, step)])
        places.tick_params(left=False)
        for axis in (score, places):
            axis.grid(axis="x", color=RULE, linewidth=0.5)
            axis.set_axisbelow(True)
        lines = [
            (_line(BLACK, linestyle=(0, (2 + 2 * k, 1.5))), f"no EEG: {words}")
            for k, (words, _) in enumerate(constants)
        ]
        _legend(figure, rows, "mean, 95 % interval", lines)

    title = f"{title_of(ranking)} {_how(ranking)}"
    return Drawing(
        title, _board_rows(ranking, rows), lambda width: _height(rows, width), draw, _plot_mm(rows)
    )


def subjects_drawing(ranking: Ranking) -> Drawing:
    """Every subject's score by every system: points, quartiles, the mean and its interval, and the controls.

    Raises:
        RecordError: no complete record is on the board.
    """
    rows = _ranked(ranking)
    by = rows[0].score.measure

    def draw(figure: Any, width: float) -> None:
        axis = figure.subplots()
        _name_systems(axis, rows)
        _draw_controls(axis, rows)
        for at, row in enumerate(rows):
            values = list(row.score.subjects.values())
            low, middle, high = np.quantile(values, (0.25, 0.5, 0.75))
            axis.barh(at, high - low, 0.62, low, facecolor="none", edgecolor=GREY, linewidth=0.6)
            axis.plot((middle, middle), (at - 0.31, at + 0.31), color=GREY, linewidth=1.2)
            axis.plot(values, _spread(values, at), "o", color=BLACK, markersize=1.6, alpha=0.55, mew=0)
            if row.score.ci95:
                axis.plot(row.score.ci95, (at, at), color=BLUE, linewidth=1.6, solid_capstyle="butt")
            axis.plot(row.score.value, at, "o", color=BLUE, markersize=3)
        _zero(axis, by)
        axis.set_xlabel(f"{by.short} of each subject")
        axis.locator_params(axis="x", nbins=5 if width < 120 else 9)
        axis.grid(axis="x", color=RULE, linewidth=0.5)
        axis.set_axisbelow(True)
        point = _line(BLACK, marker="o", markersize=1.6, linestyle="none")
        box = _line(GREY, marker="s", markersize=4, markerfacecolor="none", linestyle="none", mew=0.6)
        _legend(
            figure,
            rows,
            "mean, 95 % interval",
            [(point, "a subject"), (box, "quartiles, line at the median")],
        )

    data = [
        {
            **_board_values(ranking),
            "system": row.system,
            "subject": subject,
            "measure": by.name,
            "value": value,
            "blind": None if row.controls is None else row.controls.blind.subjects.get(subject),
        }
        for row in rows
        for subject, value in row.score.subjects.items()
    ]
    words = interval_words(len(ranking.board.subjects))
    title = f"{title_of(ranking)} Intervals of means: {words}."
    return Drawing(title, data, lambda width: _height(rows, width), draw, _plot_mm(rows))


def title_of(ranking: Ranking) -> str:
    """A board as the title of a figure, which does not draw all of its records."""
    title, _, _ = board_title(ranking.board).rpartition(": ")
    sizes = f"{counted(len(ranking.rows), 'system')}, {counted(len(ranking.board.subjects), 'subject')}"
    return f"{title}: {sizes}."


def _ranked(ranking: Ranking) -> Sequence[Row]:
    if not ranking.rows:
        raise RecordError(
            Fault(f"board {ranking.board.name}", "no complete record", "one to draw", "Score a system first.")
        )
    return ranking.rows


def _name_systems(axis: Any, rows: Sequence[Row]) -> None:
    """A row for each system from the top down, and a line above those that a control flags."""
    axis.set_yticks(range(len(rows)), [label(row.system) for row in rows])
    axis.set_ylim(len(rows) - 0.4, -0.6)
    axis.tick_params(axis="y", length=0)
    first = _first_flagged(rows)
    if first is not None:
        for other in axis.figure.axes:
            other.axhline(first - 0.5, color=GREY, linewidth=0.6, linestyle=BELOW)


def _first_flagged(rows: Sequence[Row]) -> int | None:
    """Where those begin that a control flags; they stand last."""
    return next((at for at, row in enumerate(rows) if row.is_flagged), None)


def _draw_controls(axis: Any, rows: Sequence[Row]) -> None:
    """Where chance lies, and what each system scores without the EEG."""
    for at, row in enumerate(rows):
        if row.score.chance:
            low, high = row.score.chance
            axis.fill_between((low, high), at - 0.36, at + 0.36, color=CHANCE, linewidth=0)
        if row.controls is not None:
            blind = row.controls.blind
            if blind.ci95:
                axis.plot(blind.ci95, (at + 0.22, at + 0.22), color=ORANGE, linewidth=0.7)
            axis.plot(blind.value, at + 0.22, "x", color=ORANGE, markersize=3, mew=0.8)


def _legend(figure: Any, rows: Sequence[Row], mean: str, more: Sequence[tuple[Any, str]] = ()) -> None:
    from matplotlib.patches import Patch

    marks = [(_line(BLUE, marker="o", markersize=3, linewidth=1.1), mean), *more]
    if any(row.score.chance for row in rows):
        marks.append((Patch(color=CHANCE), "chance"))
    if any(row.controls for row in rows):
        marks.append((_line(ORANGE, marker="x", markersize=3, linewidth=0.7), "without the EEG"))
    if _first_flagged(rows) is not None:
        marks.append((_line(GREY, linewidth=0.6, linestyle=BELOW), "below: may not be of the EEG"))
    handles, words = zip(*marks, strict=True)
    n_columns = legend_columns(words, figure.get_figwidth() * MM_PER_INCH)
    figure.legend(
        handles, words, loc="outside lower left", ncols=n_columns, handlelength=1.6, columnspacing=1.2
    )


def _zero(axis: Any, by: Measure) -> None:
    """A line at 0, where it is the middle of what a measure can be."""
    if by.range[0] < 0:
        axis.axvline(0, color=GREY, linewidth=0.6)


def _line(color: str, **more: Any) -> Any:
    from matplotlib.lines import Line2D

    return Line2D([], [], color=color, **{"linewidth": 0.7, **more})


def _spread(values: Sequence[float], at: float) -> list[float]:
    """Heights of points beside each other, always the same: near values on different lanes."""
    order = {place: number for number, place in enumerate(np.argsort(values, kind="stable").tolist())}
    return [at + 0.12 * ((order[place] % 5) - 2) for place in range(len(values))]


def _height(rows: Sequence[Row], width: float, n_more: int = 0) -> float:
    """Of the rows, the axis and a legend that has so many entries beyond the usual ones."""
    return ROW_MM * len(rows) + 14 + (14 + 3.6 * n_more if width < 120 else 5 + 2 * n_more)


def _plot_mm(rows: Sequence[Row]) -> float:
    """The least height of the rows alone: a title and a legend do not take it from a board of few systems."""
    return 0.9 * ROW_MM * len(rows)


def _how(ranking: Ranking) -> str:
    n_subjects = len(ranking.board.subjects)
    words = f"Intervals of means: {interval_words(n_subjects)}; of ranks: paired tests, Holm over"
    return f"{words} {counted(len(ranking.rows) * (len(ranking.rows) - 1) // 2, 'pair')}."


def _board_values(ranking: Ranking) -> dict[str, object]:
    return {**ranking.board.name._asdict(), "simulated": ranking.board.simulated}


def _board_rows(ranking: Ranking, rows: Sequence[Row]) -> list[dict[str, object]]:
    data = []
    for row in rows:
        blind = row.controls.blind if row.controls is not None else None
        blind_low, blind_high = (blind.ci95 if blind is not None else None) or (None, None)
        low, high = row.score.ci95 or (None, None)
        chance_low, chance_high = row.score.chance or (None, None)
        rank, rank_low, rank_high = row.rank or (None, None, None)
        data.append(
            {
                **_board_values(ranking),
                "system": row.system,
                "measure": row.score.measure.name,
                "value": row.score.value,
                "ci95_low": low,
                "ci95_high": high,
                "rank": rank,
                "rank_low": rank_low,
                "rank_high": rank_high,
                "chance_low": chance_low,
                "chance_high": chance_high,
                "blind": None if blind is None else blind.value,
                "blind_ci95_low": blind_low,
                "blind_ci95_high": blind_high,
                "flagged": row.is_flagged,
            }
        )
    for name, one in ranking.board.without_brain.items():
        by = rows[0].score.measure.name
        data.append({**_board_values(ranking), "system": name, "measure": by, "value": one.measures.get(by)})
    return data
