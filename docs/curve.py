"""Draw docs/learning-curve.svg from benchmarks/learning_curve.json; ``make docs`` runs it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from harness.figures.drawing import Drawing, picture
from harness.figures.style import DASHES, LINES, MARKS, RULE

REPOSITORY = Path(__file__).parent.parent
FIGURES = REPOSITORY / "benchmarks" / "learning_curve.json"
PICTURE = REPOSITORY / "docs" / "learning-curve.svg"
WIDTH = 150.0


def points() -> dict[str, list[dict[str, Any]]]:
    """The points of each system, by hours of training EEG."""
    systems: dict[str, dict[str, dict[str, Any]]] = json.loads(FIGURES.read_text("utf-8"))
    return {
        name: sorted(shares.values(), key=lambda point: point["hours"]) for name, shares in systems.items()
    }


def drawing() -> Drawing:
    """Mean r on the test part over hours of training EEG, with 95 % intervals."""
    curves = points()

    def draw(figure: Any, _width: float) -> None:
        axis = figure.subplots()
        for number, (name, curve) in enumerate(curves.items()):
            # Beside each other, so that no interval hides another.
            hours = [point["hours"] * 1.03 ** (number - (len(curves) - 1) / 2) for point in curve]
            r = [point["test"]["r"] for point in curve]
            ends = list(zip(*(point["test"]["ci95"] for point in curve), strict=True))
            reach = [
                [mean - low for mean, low in zip(r, ends[0], strict=True)],
                [high - mean for mean, high in zip(r, ends[1], strict=True)],
            ]
            axis.errorbar(
                hours,
                r,
                yerr=reach,
                label=name,
                color=LINES[number],
                linestyle=DASHES[number],
                marker=MARKS[number],
                markersize=3.5,
                linewidth=1.0,
                elinewidth=0.6,
            )
        axis.set_xscale("log", base=2)
        hours = [point["hours"] for point in next(iter(curves.values()))]
        axis.set_xticks(hours, [f"{value:.1f}" for value in hours])
        axis.minorticks_off()
        axis.set_ylim(bottom=0)
        axis.set_xlabel("hours of training EEG")
        axis.set_ylabel("mean r, test part")
        axis.grid(axis="y", color=RULE, linewidth=0.5)
        axis.set_axisbelow(True)
        axis.legend(loc="lower right")

    rows = [
        {"system": name, "hours": point["hours"], **point["test"]}
        for name, curve in curves.items()
        for point in curve
    ]
    title = "Simulated data (no real EEG): mean r over 19 subjects, 95 % intervals, one training each."
    return Drawing(title, rows, lambda width: 0.55 * width, draw)


def main() -> None:
    """Write the picture."""
    PICTURE.write_bytes(picture(drawing(), PICTURE.suffix, WIDTH))


if __name__ == "__main__":
    main()
