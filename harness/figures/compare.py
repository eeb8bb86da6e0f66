"""Two systems subject by subject: both scores, and their difference with its interval."""

from __future__ import annotations

from typing import Any

import numpy as np

from harness.boards.compare import Comparison, comparison_names, sentence
from harness.boards.compared import comparison_rows
from harness.errors import counted
from harness.figures.drawing import Drawing
from harness.figures.style import BLACK, BLUE, CHANCE, GREY, ORANGE, RULE, label, legend_columns

ROW_MM = 3.0
# Of more subjects than these the rows are thinner, and have no names.
MOST_NAMED = 60


def compare_drawing(comparison: Comparison) -> Drawing:
    """Paired differences, subjects by their difference, with the mean below and what needs no brain."""
    names = comparison_names(comparison)
    ones = (comparison.first, comparison.second)
    by = comparison.ranked.measure
    tables = [one.record.ranked.subjects for one in ones]
    differences = comparison.ranked.subjects
    order = sorted(differences, key=lambda subject: (differences[subject], subject))
    named = len(order) <= MOST_NAMED

    def draw(figure: Any, width: float) -> None:
        from matplotlib.patches import Patch

        both, apart = figure.subplots(1, 2, sharey=True, width_ratios=(1, 1))
        at = np.arange(len(order))
        values = [[table[subject] for subject in order] for table in tables]
        size = 3.0 if named else 1.6
        chances = [one.record.ranked.chance for one in ones]
        for chance in chances:
            if chance:
                both.axvspan(*chance, color=CHANCE, linewidth=0, zorder=0)
        both.hlines(at, *values, color=GREY, linewidth=0.5, zorder=1)
        marks = []
        for name, color, mark, one, its in zip(names, (BLUE, ORANGE), "os", ones, values, strict=True):
            fill = color if mark == "o" else "white"
            (points,) = both.plot(
                its, at, mark, color=color, markersize=size, markerfacecolor=fill, mew=0.7, zorder=2
            )
            marks.append((points, label(name)))
            controls = one.record.controls or None
            if controls is not None:
                style = ":" if mark == "o" else "--"
                line = both.axvline(controls.blind.value, color=color, linewidth=0.8, linestyle=style)
                marks.append((line, f"{label(name)} without the EEG"))
        if any(chances):
            marks.append((Patch(color=CHANCE), "chance"))
        for place, subject in enumerate(order):
            apart.plot((0, differences[subject]), (place, place), color=GREY, linewidth=0.5)
        apart.plot([differences[subject] for subject in order], at, "o", color=BLACK, markersize=size)
        apart.axvline(0, color=GREY, linewidth=0.7)
        if comparison.ranked.ci95:
            apart.axvspan(*comparison.ranked.ci95, color=BLUE, alpha=0.18, linewidth=0, zorder=0)
        (mean,) = apart.plot(
            (comparison.ranked.mean, comparison.ranked.mean),
            (-0.6, len(order) - 0.4),
            color=BLUE,
            linewidth=1.2,
        )
        marks.append((mean, "mean, 95 % interval"))
        both.set_ylim(-0.6, len(order) - 0.4)
        if named:
            both.set_yticks(at, [label(subject, 16) for subject in order])
        else:
            both.set_yticks([])
            both.set_ylabel(f"{counted(len(order), 'subject')}, by their difference")
        both.set_xlabel(by.short)
        apart.set_xlabel(f"difference in {by.short}")
        for axis in (both, apart):
            axis.tick_params(axis="y", length=0)
            axis.grid(axis="x", color=RULE, linewidth=0.5)
            axis.set_axisbelow(True)
            axis.locator_params(axis="x", nbins=4 if width < 120 else 6)
        handles, words = zip(*marks, strict=True)
        figure.legend(
            handles, words, loc="outside lower left", ncols=legend_columns(words, width), handlelength=1.6
        )

    row_mm = ROW_MM if named else 1.2
    return Drawing(
        sentence(comparison),
        comparison_rows(comparison),
        lambda width: row_mm * len(order) + (36 if width < 120 else 24),
        draw,
    )
