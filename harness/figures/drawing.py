"""A figure as a value, and its files: PDF, SVG or PNG, and what is drawn as CSV beside them.

The same data give the same bytes: no date, no name of a machine, ids by content.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.boards.sheet import csv_text
from harness.errors import Fault, UsageError, raise_all
from harness.figures.style import MM_PER_INCH, MOST_HEIGHT_MM, styled, wrapped
from harness.files import write_atomically

SUFFIXES = (".pdf", ".svg", ".png")
_AXIS_MM = 16.0  # of ticks, their labels, the axis' name, and the room between all parts
CREATOR = "eeg-speech-harness"
# What each format would write of time and programs, left out.
_METADATA: Mapping[str, dict[str, Any]] = {
    ".pdf": {"Creator": CREATOR, "Producer": None, "CreationDate": None},
    ".svg": {"Creator": CREATOR, "Date": None},
    ".png": {"Software": None},
}


@dataclass(frozen=True)
class Drawing:
    """A figure that can be drawn at any width.

    Attributes:
        title: what it shows, and of what data; simulated data are named as such.
        rows: what is drawn, a row of plain values each; all of a column are of one kind.
        height_mm: at a width in millimetres, without title and legend, which come on top.
        draw: called with a matplotlib figure of the right size and the width in millimetres.
        plot_mm: the least height of its axes, whatever title and legend take.
    """

    title: str
    rows: Sequence[Mapping[str, object]]
    height_mm: Callable[[float], float]
    draw: Callable[[Any, float], None]
    plot_mm: float = 20.0


def data_path(out: Path) -> Path:
    """Where the data of a figure lie: beside it, as CSV."""
    return out.with_suffix(".csv")


def check_outs(outs: Sequence[Path], inputs: Sequence[Path] = ()) -> None:
    """Refuse files that cannot be written as figures, before anything is computed.

    Args:
        outs: the figure's files.
        inputs: files that the figure is of, which its data must not replace.

    Raises:
        UsageError: another suffix, or data in place of an input.
    """
    faults = [
        Fault(f"--out {out}", repr(out.suffix or out.name), f"a name that ends in {', '.join(SUFFIXES)}")
        for out in outs
        if out.suffix.lower() not in SUFFIXES
    ]
    read = {path.resolve() for path in inputs}
    faults += [
        Fault(
            f"--out {out}",
            f"its data would replace {data_path(out)}, which the figure is of",
            "another name",
        )
        for out in outs
        if data_path(out).resolve() in read
    ]
    raise_all(UsageError, faults)


def write(drawing: Drawing, outs: Sequence[Path], width: float) -> list[Path]:
    """Write a figure in every format that is asked, and its data once beside each name.

    Args:
        drawing: the figure.
        outs: files; the suffix says the format.
        width: in millimetres.

    Returns:
        what was written, in order.

    Raises:
        UsageError: a suffix that is none of ``SUFFIXES``, or no matplotlib.
        OSError: a file cannot be written.
    """
    check_outs(outs)
    contents: dict[Path, bytes] = {out: picture(drawing, out.suffix.lower(), width) for out in outs}
    data = csv_text(drawing.rows).encode()
    contents |= dict.fromkeys(map(data_path, outs), data)
    for path, content in contents.items():
        write_atomically(path, content)
    return list(contents)


def picture(drawing: Drawing, suffix: str, width: float) -> bytes:
    """A figure's bytes in a format.

    Raises:
        UsageError: no matplotlib.
    """
    with styled():
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

        title = wrapped(drawing.title, width)
        room = 3.4 * (title.count("\n") + 1)
        height = min(drawing.height_mm(width) + room, MOST_HEIGHT_MM)
        figure = Figure(figsize=(width / MM_PER_INCH, height / MM_PER_INCH), layout="constrained")
        FigureCanvasAgg(figure)
        drawing.draw(figure, width)
        figure.suptitle(title, x=0.012, ha="left")
        least = drawing.plot_mm + _AXIS_MM + _texts_mm(figure)
        figure.set_figheight(min(max(height, least), MOST_HEIGHT_MM) / MM_PER_INCH)
        content = io.BytesIO()
        figure.savefig(content, format=suffix[1:], metadata=_METADATA[suffix])
    return content.getvalue()


def _texts_mm(figure: Any) -> float:
    """How high title and legends are."""
    drawn_by = figure.canvas.get_renderer()
    texts = [figure._suptitle, *figure.legends]
    pixels = sum(float(one.get_window_extent(drawn_by).height) for one in texts)
    return pixels / float(figure.dpi) * MM_PER_INCH
