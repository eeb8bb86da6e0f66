"""Plots as inline SVG: dots with intervals, boxes over subjects, and which neighbours are tied.

Marks of one kind are one path, so that fifty systems take a few kilobytes; colours are the style sheet's.
A picture is one image to a screen reader, with a title and a description; its numbers stand in tables.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from markupsafe import Markup, escape

WIDTH = 600
LABELS = 216  # names end here: letters are larger on a narrow screen
LEFT, RIGHT = 226, 588  # of the plot
TIES_LEFT = 190  # of the axis of ranks; as much is left on its right
ROW = 18
BAR_GAP = 8  # between bars of one lane, so that two never look like one
MOST_TICKS = 6
MOST_LETTERS = 27  # of a name that fit beside a plot
TIES_LETTERS = 22  # and on either side of the picture of ties


class Dot(NamedTuple):
    """A system in :func:`dots`.

    Attributes:
        name: of the system.
        value: its mean.
        interval: of the mean; None where there is none.
        chance: where chance lies; None where it is not known.
    """

    name: str
    value: float
    interval: tuple[float, float] | None
    chance: tuple[float, float] | None = None


class Box(NamedTuple):
    """A system in :func:`boxes`.

    Attributes:
        name: of the system.
        values: one for each subject.
    """

    name: str
    values: Sequence[float]


class Scale(NamedTuple):
    """Values from ``low`` to ``high`` laid from ``LEFT`` to ``RIGHT``."""

    low: float
    high: float

    def x(self, value: float) -> str:
        """The x coordinate of a value, as SVG writes it."""
        return _short(LEFT + (value - self.low) / (self.high - self.low) * (RIGHT - LEFT))

    def ticks(self) -> list[float]:
        """At most ``MOST_TICKS`` round values."""
        rough = (self.high - self.low) / MOST_TICKS
        power = 10.0 ** math.floor(math.log10(rough))
        step = next(power * k for k in (1, 2, 5, 10) if power * k >= rough * (1 - 1e-9))
        first = math.ceil(self.low / step - 1e-9)
        last = math.floor(self.high / step + 1e-9)
        return [round(step * k, 12) + 0.0 for k in range(first, last + 1)]


def scale_of(values: Sequence[float]) -> Scale:
    """A scale that holds 0 and every value, with room at both ends."""
    low, high = min(0.0, *values), max(0.0, *values)
    room = 0.03 * (high - low) or 0.01
    return Scale(low - room, high + room)


def dots(systems: Sequence[Dot], key: str, title: str, description: str, measure: str) -> Markup:
    """Means with their intervals, one row a system, over where chance lies.

    Args:
        systems: from the top down.
        key: a word that no other picture of the page has.
        title: what it shows.
        description: how to read it.
        measure: what the numbers are, for the axis.
    """
    everything = [end for s in systems for end in (s.value, *(s.interval or ()), *(s.chance or ()))]
    scale = scale_of(everything)
    chance, lines, points = [], [], []
    for row, system in enumerate(systems):
        y = _middle(row)
        if system.chance:
            chance.append(f"M{scale.x(system.chance[0])} {y}H{scale.x(system.chance[1])}")
        if system.interval:
            lines.append(f"M{scale.x(system.interval[0])} {y}H{scale.x(system.interval[1])}")
        points.append(f"M{scale.x(system.value)} {y}h0")
    marks = _path("chance", chance) + _path("line", lines) + _path("dot", points)
    return _rows([s.name for s in systems], scale, marks, measure, (key, title, description))


def boxes(systems: Sequence[Box], key: str, title: str, description: str, measure: str) -> Markup:
    """Quartiles, median, ends and every subject's value, one row a system. Arguments as in :func:`dots`."""
    scale = scale_of([value for s in systems for value in s.values])
    whiskers, bodies, medians, points = [], [], [], []
    for row, system in enumerate(systems):
        y = _middle(row)
        ends = np.quantile(system.values, [0, 0.25, 0.5, 0.75, 1])
        low, first, median, third, high = (scale.x(float(end)) for end in ends)
        whiskers.append(f"M{low} {y}H{first}M{third} {y}H{high}")
        bodies.append(f"M{first} {y - 6}H{third}v12H{first}z")
        medians.append(f"M{median} {y - 6}v12")
        points.append(_points([round(float(scale.x(value))) for value in system.values], y))
    marks = _path("line", whiskers) + _path("box", bodies) + _path("median", medians)
    ends_and_bends = " ".join(f'marker-{place}="url(#{key}-m)"' for place in ("start", "mid", "end"))
    marks += (
        f"<marker id={key}-m viewBox='-2 -2 4 4' markerWidth=4 markerHeight=4 markerUnits=userSpaceOnUse>"
        f'<circle r=1.7 /></marker><path class=points d="{"".join(points)}" {ends_and_bends} />'
    )
    return _rows([s.name for s in systems], scale, marks, measure, (key, title, description))


def ties(
    names: Sequence[str], groups: Sequence[Sequence[int]], key: str, title: str, description: str
) -> Markup:
    """Systems along an axis of ranks, and bars that join those who cannot be told apart.

    Args:
        names: best first; at least two.
        groups: places, from 0 and ascending, of each group of systems that are tied; where it leaves some
            out, a thin line leads its bar past them.
        key: as in :func:`dots`, like the two that follow.
        title: likewise.
        description: likewise.
    """
    n_systems = len(names)
    left = (n_systems + 1) // 2

    def x(place: float) -> float:
        return TIES_LEFT + 14 + place / (n_systems - 1) * (WIDTH - 2 * TIES_LEFT - 28)

    bars, links, n_lanes = _lanes(groups, x)
    top = 30 + 7 * n_lanes + 12
    elbows, texts = [], []
    for place, name in enumerate(names):
        row = place if place < left else n_systems - 1 - place
        y, near = top + ROW * row, place < left
        elbows.append(f"M{_short(x(place))} 24V{y}H{TIES_LEFT if near else WIDTH - TIES_LEFT}")
        end = f"x={TIES_LEFT - 8} text-anchor=end" if near else f"x={WIDTH - TIES_LEFT + 8}"
        texts.append(f"<text {end} y={y + 4}>{place + 1} {_label(name, TIES_LETTERS)}</text>")
    step = max(1, round(n_systems / 10))
    numbers = "".join(
        f"<text class=tick x={_short(x(place))} y=14 text-anchor=middle>{place + 1}</text>"
        for place in range(0, n_systems, step)
    )
    axis = _path("axis", [f"M{_short(x(0))} 24H{_short(x(n_systems - 1))}"])
    body = (
        axis + _path("elbow", elbows) + _path("link", links) + _path("bar", bars) + numbers + "".join(texts)
    )
    return _figure(top + ROW * left, body, key, title, description)


def runs(places: Sequence[int]) -> list[tuple[int, int]]:
    """First and last of each run of neighbours among ascending places."""
    starts = [place for place in places if place - 1 not in places]
    ends = [place for place in places if place + 1 not in places]
    return list(zip(starts, ends, strict=True))


def _lanes(groups: Sequence[Sequence[int]], x: Callable[[float], float]) -> tuple[list[str], list[str], int]:
    """Bars of the groups of two and more, lines across their gaps, and the number of lanes that they take."""
    ends: list[int] = []
    bars, links = [], []
    for group in groups:
        first, last = group[0], group[-1]
        if first == last:
            continue
        free = [lane for lane, end in enumerate(ends) if x(first) - x(end) > BAR_GAP]
        lane = free[0] if free else len(ends)
        ends[lane : lane + 1] = [last]
        y, members = 34 + 7 * lane, runs(group)
        bars += [f"M{_short(x(start - 0.15))} {y}H{_short(x(end + 0.15))}" for start, end in members]
        if len(members) > 1:
            links.append(f"M{_short(x(first))} {y}H{_short(x(last))}")
    return bars, links, len(ends)


def _points(xs: Sequence[int], y: int) -> str:
    """A path with a bend at every x; a marker stands on each."""
    ordered = sorted(xs)
    steps = "".join(f"h{b - a}" for a, b in pairwise(ordered))
    return f"M{ordered[0]} {y}{steps}"


def _rows(
    names: Sequence[str], scale: Scale, marks: str, measure: str, words: tuple[str, str, str]
) -> Markup:
    bottom = ROW * len(names) + 6
    ticks = scale.ticks()
    grid = _path("grid", [f"M{scale.x(tick)} 0V{bottom}" for tick in ticks])
    zero = _path("axis", [f"M{scale.x(0.0)} 0V{bottom}"])
    labels = "".join(
        f"<text x={LABELS} y={_middle(row) + 4}>{_label(name)}</text>" for row, name in enumerate(names)
    )
    numbers = "".join(
        f"<text class=tick x={scale.x(tick)} y={bottom + 14} text-anchor=middle>{tick:g}</text>"
        for tick in ticks
    )
    body = f"{grid}{zero}{marks}<g text-anchor=end>{labels}</g>{numbers}"
    return _figure(bottom + 34, f"{body}{_axis_name(bottom + 30, measure)}", *words)


def _axis_name(y: int, measure: str) -> str:
    name = escape(f"{measure[:1].upper()}{measure[1:]}")
    return f"<text class=tick x={(LEFT + RIGHT) // 2} y={y} text-anchor=middle>{name}</text>"


def _figure(height: int, body: str, key: str, title: str, description: str) -> Markup:
    return Markup(
        f'<svg role=img viewBox="0 0 {WIDTH} {height}" aria-labelledby={key}-t aria-describedby={key}-d>'
        f"<title id={key}-t>{escape(title)}</title><desc id={key}-d>{escape(description)}</desc>{body}</svg>"
    )


def _path(kind: str, parts: Sequence[str]) -> str:
    return f'<path class={kind} d="{"".join(parts)}"/>' if parts else ""


def _label(name: str, most: int = MOST_LETTERS) -> str:
    return str(escape(name if len(name) <= most else f"{name[: most - 1]}…"))


def _middle(row: int) -> int:
    return ROW * row + ROW // 2 + 3


def _short(number: float) -> str:
    return f"{number:.1f}".removesuffix(".0")
