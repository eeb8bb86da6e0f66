"""Which bands a system decodes: mean Pearson r of each, with its interval over subjects."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from harness.boards.board import Board, BoardRecord
from harness.boards.ranking import Ranking
from harness.conventions import SIMULATED_WORDS
from harness.errors import Fault, UsageError, counted, no_such, raise_all
from harness.figures.drawing import Drawing
from harness.figures.style import DASHES, GREY, LINES, MARKS, RULE, label, legend_columns
from harness.scoring.intervals import interval_words, mean_interval

MOST_SYSTEMS = 7  # whose lines can still be told apart
USUAL_SYSTEMS = 4
CONTROL = "prior"  # the baseline that gives the training part's mean, whatever the EEG


def bands_drawing(ranking: Ranking, systems: Sequence[str] = ()) -> Drawing:
    """Band profiles of some systems, beside those that a control flags: what needs no EEG.

    Args:
        ranking: of a board.
        systems: as the board names them; the first ``USUAL_SYSTEMS`` where none is named.

    Raises:
        UsageError: the feature has one band, a system is not on the board, or there are too many.
    """
    board = ranking.board
    chosen = _chosen(ranking, systems)
    controls = [
        one
        for one in ranking.records
        if one not in chosen and (one.record.is_flagged or one.record.submission.name == CONTROL)
    ]
    n_bands = len(chosen[0].record.bands)
    if n_bands < 2:
        raise UsageError(
            Fault(f"board {board.name}", counted(n_bands, "band"), "a feature of several bands to compare")
        )
    profiles = [(one, _profile(one)) for one in (*chosen, *controls)]
    bands = np.arange(1, n_bands + 1)

    def draw(figure: Any, width: float) -> None:
        axis = figure.subplots()
        few = n_bands <= 32
        shift = 0.08 if few else 0.0
        for number, (one, profile) in enumerate(profiles):
            control = number >= len(chosen)
            color = GREY if control else LINES[number % len(LINES)]
            style = (0, (1, 1)) if control else DASHES[number % len(DASHES)]
            x = bands + shift * (number - (len(profiles) - 1) / 2)
            means, low, high = np.array(profile).T
            words = label(one.system) + (" (control)" if control else "")
            axis.plot(
                x,
                means,
                color=color,
                linestyle=style,
                linewidth=1.0,
                markersize=3 if few else 0,
                marker="x" if control else MARKS[number % len(MARKS)],
                label=words,
            )
            if few:
                axis.vlines(x, low, high, color=color, linewidth=0.8)
            else:
                axis.fill_between(x, low, high, color=color, alpha=0.15, linewidth=0)
        axis.axhline(0, color=GREY, linewidth=0.6)
        axis.set_xlabel(f"band of {board.name.feature}, 1 the lowest")
        axis.set_ylabel("mean r")
        if few:
            axis.set_xticks(bands)
        else:
            axis.set_xlim(0, n_bands + 1)
        axis.grid(axis="y", color=RULE, linewidth=0.5)
        axis.set_axisbelow(True)
        handles, names = axis.get_legend_handles_labels()
        n_columns = legend_columns(names, width - 6)
        figure.legend(handles, names, loc="outside lower left", ncols=n_columns, handlelength=2.6)

    rows: list[dict[str, object]] = [
        {
            **board.name._asdict(),
            "simulated": board.simulated,
            "system": one.system,
            "control": one in controls,
            "band": int(band),
            "measure": "pearson_r",
            "value": mean,
            "ci95_low": low if np.isfinite(low) else None,
            "ci95_high": high if np.isfinite(high) else None,
        }
        for one, profile in profiles
        for band, (mean, low, high) in zip(bands, profile, strict=True)
    ]
    name = board.name
    data = SIMULATED_WORDS if board.simulated else name.corpus
    flag = f" ({board.flag})" if board.flag else ""
    title = (
        f"{data}, split {name.split}{flag}, part {name.part}, feature {name.feature}: mean Pearson r of each"
        f" band, 95 % intervals ({interval_words(len(board.subjects))})."
    )
    if not controls:
        title += " No control is on this board; r of a constant is 0."
    return Drawing(title, rows, lambda width: min(0.55 * width, 70) + (24 if width < 120 else 10), draw)


def _chosen(ranking: Ranking, systems: Sequence[str]) -> list[BoardRecord]:
    known = {one.system: one for one in _everyone(ranking.board)}
    if not systems:
        above = [
            one
            for one in ranking.records
            if not one.record.is_flagged and one.record.submission.name != CONTROL
        ]
        found = (above or list(ranking.records))[:USUAL_SYSTEMS]
        if not found:
            raise UsageError(Fault(f"board {ranking.board.name}", "no complete record", "one to draw"))
        return found
    raise_all(UsageError, [no_such("--system", name, tuple(known)) for name in systems if name not in known])
    if len(set(systems)) > MOST_SYSTEMS:
        raise UsageError(
            Fault(
                "--system", counted(len(set(systems)), "system"), f"at most {MOST_SYSTEMS}, to be told apart"
            )
        )
    return [known[name] for name in dict.fromkeys(systems)]


def _everyone(board: Board) -> Sequence[BoardRecord]:
    return board.records


def _profile(one: BoardRecord) -> list[tuple[float, float, float]]:
    """Mean and ends of the interval over subjects, for each band; NaN where there is no interval."""
    table = np.array([subject.bands for subject in one.record.subjects.values()])
    found = []
    for values in table.T.tolist():
        low, high = mean_interval(values) or (float("nan"), float("nan"))
        found.append((float(np.mean(values)), low, high))
    return found
