"""How every figure looks: widths of journals, fonts, colours, and the one place that imports matplotlib.

Colours are those of Okabe and Ito 2008, Color universal design, which stay apart for every kind of colour
blindness; marks and line styles differ as well, so that nothing rests on colour alone.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import Any, Final

from harness.errors import Fault, UsageError, did_you_mean, on_one_line

MM_PER_INCH: Final = 25.4
# Millimetres; a column and a page fit Nature (89, 183), IEEE (88.9, 181) and Elsevier (90, 190) alike.
WIDTHS: Final = {"column": 88.0, "page": 180.0}
LEAST_MM, MOST_MM = 70.0, 500.0
MOST_HEIGHT_MM: Final = 1000.0
MOST_LETTERS: Final = 30  # of a name beside a plot
FONT: Final = "DejaVu Sans"  # comes with matplotlib: the same on every machine
FONT_POINTS: Final = 7.0
_LETTER_MM: Final = 1.3  # of a letter of this size, on average

BLUE, ORANGE, GREEN, PURPLE, SKY, YELLOW = "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00"
BLACK, GREY, CHANCE, RULE = "#1a1a1a", "#6b6b6b", "#d9d9d9", "#e6e6e6"
LINES: Final = (BLUE, ORANGE, GREEN, PURPLE, SKY, YELLOW, BLACK)
MARKS: Final = ("o", "s", "^", "D", "v", "P", "X")
DASHES: Final[tuple[Any, ...]] = ("-", (0, (4, 1.5)), (0, (1, 1)), (0, (4, 1, 1, 1)))

_SETTINGS: Final[Any] = {
    "font.family": FONT,
    "font.size": FONT_POINTS,
    "axes.labelsize": FONT_POINTS,
    "axes.titlesize": FONT_POINTS,
    "xtick.labelsize": FONT_POINTS - 0.5,
    "ytick.labelsize": FONT_POINTS - 0.5,
    "legend.fontsize": FONT_POINTS - 0.5,
    "figure.titlesize": FONT_POINTS,
    "text.parse_math": False,  # a name may hold a dollar sign
    "text.color": BLACK,
    "axes.edgecolor": GREY,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.color": BLACK,
    "ytick.color": BLACK,
    "legend.frameon": False,
    "pdf.fonttype": 42,  # TrueType in the file: editors ask for embedded fonts, and refuse type 3
    "svg.fonttype": "path",  # letters as outlines: nothing to install
    "svg.hashsalt": "eeg-speech-harness",  # ids by content, not by chance
    "savefig.dpi": 600,
    "figure.dpi": 100,
}


@contextmanager
def styled() -> Iterator[None]:
    """Matplotlib with our settings and nobody else's, so that every machine draws the same.

    Raises:
        UsageError: matplotlib is not installed.
    """
    try:
        import matplotlib as mpl
    except ImportError as error:
        raise UsageError(
            Fault(
                "harness figure",
                f"no matplotlib ({error})",
                "matplotlib",
                "pip install 'eeg-speech-harness[figures]' brings it.",
            )
        ) from None
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(_SETTINGS)
        yield


def width_mm(text: str) -> float:
    """The width that ``--width`` says: column, page, or millimetres.

    Raises:
        UsageError: none of these.
    """
    if text in WIDTHS:
        return WIDTHS[text]
    try:
        value = float(text.removesuffix("mm"))
    except ValueError:
        value = float("nan")
    if LEAST_MM <= value <= MOST_MM:
        return value
    raise UsageError(
        Fault(
            "--width",
            repr(on_one_line(text)),
            f"column ({WIDTHS['column']:g} mm), page ({WIDTHS['page']:g} mm) or millimetres from"
            f" {LEAST_MM:g} to {MOST_MM:g}",
            did_you_mean(text, WIDTHS),
        )
    )


def label(name: str, most: int = MOST_LETTERS) -> str:
    """A name beside a plot: not too long, and only letters that the font has."""
    return drawable(name if len(name) <= most else f"{name[: most - 1]}…")


def wrapped(text: str, width: float) -> str:
    """Text in lines that a figure of so many millimetres can hold."""
    letters = max(20, int(width / _LETTER_MM))
    return "\n".join(part for line in text.split("\n") for part in textwrap.wrap(drawable(line), letters))


def legend_columns(words: Sequence[str], width: float) -> int:
    """How many columns of a legend fit into so many millimetres."""
    longest = max(map(len, words), default=0)
    return max(1, min(len(words), int(width / (longest * _LETTER_MM + 8))))


def drawable(text: str) -> str:
    """Text without what the font cannot show; such characters become their numbers, as U+4E2D."""
    glyph = _font().get_char_index
    return "".join(c if c == " " or glyph(ord(c)) else f"U+{ord(c):04X}" for c in on_one_line(text))


@lru_cache(maxsize=1)
def _font() -> Any:
    from matplotlib.font_manager import findfont, get_font

    return get_font(findfont(FONT))
