"""CSV that no spreadsheet computes and no terminal acts on, to the byte."""

from __future__ import annotations

import csv
import io

import pytest

from harness.boards.sheet import as_text, csv_text, markdown_cell


def test_columns_stand_in_the_order_asked_for_then_in_that_of_the_rows():
    rows = [{"b": 1, "a": "x"}, {"c": None, "a": 0.1, "d": True}]
    assert csv_text(rows) == "b,a,c,d\n1,x,,\n,0.1,,True\n"
    assert csv_text(rows, ["a", "z"]) == "a,z,b,c,d\nx,,1,,\n0.1,,,,True\n"
    assert csv_text([], ["a", "z"]) == "a,z\n"


def test_cells_are_quoted_where_csv_needs_it_and_are_read_back():
    rows = [{"a": 'said "so"', "b": "one, two"}, {"a": "plain", "b": -1.5}]
    text = csv_text(rows)
    assert text == 'a,b\n"said ""so""","one, two"\nplain,-1.5\n'
    assert list(csv.reader(io.StringIO(text))) == [
        ["a", "b"],
        ['said "so"', "one, two"],
        ["plain", "-1.5"],
    ]


@pytest.mark.parametrize("sign", ["=", "+", "-", "@", "＝", "＋", "－", "＠"])
def test_no_text_begins_a_formula(sign):
    assert as_text(f"{sign}1+1") == f"'{sign}1+1"
    assert as_text(f"  {sign}1+1") == f"'  {sign}1+1"
    assert as_text(f"1{sign}1") == f"1{sign}1"
    assert csv_text([{f"{sign}a": f"{sign}b"}]) == f"'{sign}a\n'{sign}b\n"


def test_a_text_is_one_line_and_what_is_none_stays_as_it_is():
    assert as_text("a\nb\x1b[31m") == "a\\nb\\x1b[31m"
    assert csv_text([{"a\nb": "c\rd"}]) == "a\\nb\nc\\rd\n"
    for value in (-1, -0.5, None, False, ("=1",)):
        assert as_text(value) is value


def test_a_cell_of_markdown_is_not_ended_by_what_stands_in_it():
    assert markdown_cell("a|b||c\\") == "a\\|b\\|\\|c\\"
