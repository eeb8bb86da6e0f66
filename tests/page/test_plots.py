"""Plots, shades and colours: marks stand where the numbers say, and can be seen."""

import re

import numpy as np
import pytest
from conftest import REPOSITORY

from harness.boards.ranking import tie_groups
from harness.page.board import heat
from harness.page.svg import Box, Dot, boxes, dots, scale_of, ties


def test_shades_of_bands():
    rows = heat([("a", [0.0, 0.1, 0.05]), ("b", [-0.0001, -3.0, 0.1])])
    assert rows is not None
    assert [cell.shade for cell in rows[0].cells] == ["h0", "h8", "h4"]
    assert [cell.shade for cell in rows[1].cells] == ["h0", "h0", "h8"]
    assert rows[1].cells[0].text == "0.000"
    assert heat([("envelope", [0.1])]) is None
    assert {cell.shade for row in heat([("a", [-0.1, -0.1])]) or [] for cell in row.cells} == {"h0"}


def test_plots_place_values_where_the_axis_says():
    scale = scale_of([0.1])
    assert scale.ticks() == pytest.approx([0, 0.02, 0.04, 0.06, 0.08, 0.1])
    unit = float(scale.x(0.1)) - float(scale.x(0.0))
    assert float(scale.x(0.05)) - float(scale.x(0.0)) == pytest.approx(unit / 2, abs=0.1)
    assert scale_of([0.0]).ticks()
    picture = dots([Dot("a", 0.1, (0.05, 0.12), (-0.01, 0.01)), Dot("b", 0.0, None)], "k", "t", "d", "cosine")
    assert picture.count("<text") > 4
    assert "text-anchor=middle>Cosine</text></svg>" in picture
    (points,) = re.findall(r'class=dot d="([^"]*)"', picture)
    assert len(re.findall("M", points)) == 2
    (lines,) = re.findall(r'class=line d="([^"]*)"', picture)
    assert len(re.findall("M", lines)) == 1  # b has no interval


def test_boxes_have_a_point_for_every_subject():
    picture = boxes([Box("a", [0.1, 0.3, 0.2]), Box("b", [0.2, 0.2, 0.2])], "k", "t", "d", "distance (dB)")
    (path,) = re.findall(r'class=points d="([^"]*)"', picture)
    assert len(re.findall("[Mh]", path)) == 6
    assert "text-anchor=middle>Distance (dB)</text></svg>" in picture
    first = re.findall(r"M(\d+) \d+h(\d+)h(\d+)", path)[0]
    assert int(first[1]) == pytest.approx(int(first[2]), abs=1)  # 0.1 to 0.2 to 0.3


def test_bars_join_the_tied_in_lanes_that_never_overlap():
    tied = np.eye(5, dtype=bool)
    for i, j in ((0, 1), (1, 2), (3, 4)):
        tied[i, j] = tied[j, i] = True
    groups = tie_groups(tied)
    assert groups == [(0, 1), (1, 2), (3, 4)]
    picture = ties(["a", "b", "c", "d", "e"], groups, "k", "t", "d")
    assert "class=link" not in picture
    (path,) = re.findall(r'class=bar d="([^"]*)"', picture)
    bars = [tuple(map(float, bar)) for bar in re.findall(r"M([\d.]+) (\d+)H([\d.]+)", path)]
    assert [bar[1] for bar in bars] == [34, 41, 34]
    assert bars[0][2] < bars[2][0]
    many = ties([str(k) for k in range(50)], [(k, k + 1) for k in range(0, 50, 2)], "k", "t", "d")
    (path,) = re.findall(r'class=bar d="([^"]*)"', many)
    lanes: dict = {}
    for first, lane, last in re.findall(r"M([\d.]+) (\d+)H([\d.]+)", path):
        assert float(first) - lanes.get(lane, 0.0) > 4  # no two bars look like one
        lanes[lane] = float(last)
    assert len(lanes) == 2
    assert "class=bar" not in ties(["a", "b"], [(0,), (1,)], "k", "t", "d")


def test_a_thin_line_leads_a_bar_past_a_system_that_is_not_of_its_group():
    picture = ties(["a", "b", "c", "d"], [(0, 1, 3)], "k", "t", "d")
    (bars,) = re.findall(r'class=bar d="([^"]*)"', picture)
    (links,) = re.findall(r'class=link d="([^"]*)"', picture)
    ((first, _, second), (third, _, _)) = re.findall(r"M([\d.]+) (\d+)H([\d.]+)", bars)
    ((start, _, end),) = re.findall(r"M([\d.]+) (\d+)H([\d.]+)", links)
    assert float(first) < float(start) < float(second) < float(third) < float(end)


def _luminance(colour):
    parts = [int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one, other):
    light, dark = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_colours_have_contrast_in_both_schemes():
    assert contrast("#ffffff", "#000000") == pytest.approx(21)
    css = (REPOSITORY / "harness/page/style.css").read_text()
    schemes = [
        dict(re.findall(r"--([\w-]+): (#\w{6});", block))
        for block in re.findall(r":root \{(.*?)\}", css, re.S)
    ]
    assert len(schemes) == 2
    for scheme in schemes:
        for ink, paper in (
            *((ink, paper) for ink in ("text", "faint", "link") for paper in ("back", "raised")),
            ("real", "real-back"),
            ("simulated", "simulated-back"),
        ):
            assert contrast(scheme[ink], scheme[paper]) >= 4.5, (ink, paper)
        for mark in ("mark", "chance", "faint"):
            assert contrast(scheme[mark], scheme["back"]) >= 3, mark
    cells = re.findall(r"\.([hp]\d) \{ background: (#\w{6}); color: (#\w{6}); \}", css)
    assert len(cells) == 12
    for name, paper, ink in cells:
        assert contrast(paper, ink) >= 4.5, name
