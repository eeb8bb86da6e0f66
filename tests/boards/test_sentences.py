"""Sentences for papers: what they claim is what the tests say, in every format of rank and compare."""

import csv
import io
import json

import numpy as np
import pytest
from documents import controls_document

from harness.boards.board import BoardName, BoardRecord, load_board
from harness.boards.compare import compare, sentence
from harness.boards.compared import against_board_text, comparison_text
from harness.boards.formats import FORMATS, board_text
from harness.boards.ranking import rank
from harness.boards.sentences import against, board_sentence, row_sentence

BOARD = BoardName("simulated", "held-out-subjects", "test", "mel")
DATA = "On simulated data (no real EEG), split held-out-subjects, part test, feature mel, 12 subjects: "
TEST = "paired sign-flip test over subjects"


@pytest.fixture
def base(rng):
    return rng.normal(0.05, 0.01, 12)


@pytest.fixture
def ranking(make_record, base, rng, tmp_path):
    make_record("first", base + 0.02, controls=controls_document(base + 0.02, np.zeros(12)))
    make_record("close", base + 0.0199 + rng.normal(0, 0.004, 12))
    make_record("last", base)
    make_record("replay", base + 0.5, controls=controls_document(base + 0.5, base + 0.5))
    return rank(load_board(tmp_path / "results", BOARD))


def test_the_leader_is_better_than_some_and_tied_with_others(ranking):
    first = ranking.rows[0]
    low, high = first.score.ci95
    assert board_sentence(ranking) == (
        f"{DATA}first has the highest mean r of 3 systems that no control flags, {first.score.value:.4f} (95 % interval {low:.4f} to"
        f" {high:.4f}); it is significantly better than 1 of the 2 others and cannot be told apart from close"
        f" ({TEST}, Holm over 6 pairs, 0.05)."
    )


def test_a_row_says_from_whom_it_is_told_apart(ranking):
    names = [row.system for row in ranking.rows]
    assert against(ranking, 0) == (("last",), (), ("close",))
    assert against(ranking, names.index("last")) == ((), ("first", "close"), ())
    last = row_sentence(ranking, names.index("last"))
    assert last.endswith("significantly worse than first and close.")
    flagged = row_sentence(ranking, names.index("replay"))
    assert flagged.endswith("; a control says: scores without the EEG, no evidence of using the EEG.")


def test_claims_are_those_of_the_tests(ranking):
    for place in range(len(ranking.rows)):
        better, worse, level = against(ranking, place)
        for other, row in enumerate(ranking.rows):
            if other != place and not row.is_flagged:
                apart = bool(ranking.p[place, other] <= 0.05)
                assert (row.system in level) is not apart
                assert (row.system in better) is (apart and ranking.rows[place].score.value > row.score.value)
        assert set(better) | set(worse) | set(level) <= {row.system for row in ranking.rows}


def test_one_system_and_only_flagged_ones(make_record, base, tmp_path):
    make_record("alone", base)
    board = load_board(tmp_path / "results", BOARD)
    assert board_sentence(rank(board)).endswith("; no other system is there to test it against.")
    assert row_sentence(rank(board), 0).endswith(").")
    path = make_record("alone", base, controls=controls_document(base, base))
    assert path.is_file()
    assert board_sentence(rank(load_board(tmp_path / "results", BOARD))) == (
        f"{DATA}no system can be told to use the EEG; a control flags 1 system."
    )


@pytest.mark.parametrize("form", FORMATS)
def test_every_format_of_a_board_has_the_sentence(ranking, form):
    text = board_text(ranking, form)
    said = board_sentence(ranking)
    if form == "csv":
        rows = list(csv.DictReader(io.StringIO(text)))
        assert [row["sentence"] for row in rows] == [row_sentence(ranking, k) for k in range(4)]
        assert [float(rows[0][f"subject_sub-{86 + k:03d}"]) for k in range(12)] == list(
            ranking.rows[0].score.subjects.values()
        )
    elif form == "json":
        document = json.loads(text)
        assert document["sentence"] == said
        assert document["rows"][1]["sentence"] == row_sentence(ranking, 1)
    else:
        assert said.replace("%", r"\%") in text if form == "latex" else said in text


@pytest.mark.parametrize("form", FORMATS)
def test_every_format_of_a_comparison_has_the_sentence(ranking, form, harness):
    one, other = ranking.records[0], ranking.records[2]
    found = compare(one, other)
    said = sentence(found)
    assert said.startswith(f"{DATA}first has a mean r of ")
    assert (
        f"a difference of +0.0200 (95 % interval +0.0200 to +0.0200), significant at 0.05 ({TEST}, p = "
        in said
    )
    assert said.endswith("One training of first and of last, so this holds for these weights.")
    where = ("--results", "results", "--format", form)
    for text, words in (
        (comparison_text(found, form), said),
        (against_board_text(one, ranking.board, form), row_sentence(ranking, 0, where=True)),
    ):
        if form == "csv":
            assert {row["sentence"] for row in csv.DictReader(io.StringIO(text))} == {words}
        elif form == "json":
            assert json.loads(text)["sentence"] == words
        else:
            assert (words.replace("%", r"\%") if form == "latex" else words) in text
    assert harness("compare", "first", "last", *where) == (0, comparison_text(found, form), "")
    assert harness("compare", "first", *where)[:2] == (0, against_board_text(one, ranking.board, form))


def test_what_is_not_significant_says_what_would_have_been_found(make_record, base, rng):
    one = make_record("one", base + rng.normal(0, 0.004, 12))
    other = make_record("other", base)
    found = compare(BoardRecord.read(one), BoardRecord.read(other))
    assert found.p > 0.05
    assert f"not significant at 0.05 ({TEST}, p = {found.p:.3g})." in sentence(found)
    assert f" A true difference of {found.detectable:.4f} would be found with 80 % power." in sentence(found)


def test_a_sentence_says_what_a_control_says(ranking):
    names = [row.system for row in ranking.rows]
    found = compare(ranking.records[names.index("replay")], ranking.records[0])
    assert "A control says of replay: scores without the EEG, no evidence of using the EEG." in sentence(
        found
    )


def test_values_of_a_comparison_are_those_of_its_text(ranking):
    found = compare(*ranking.records[:2])
    document = json.loads(comparison_text(found, "json"))
    assert document["p"] == found.p
    assert document["significant"] is bool(found.p <= 0.05)
    assert document["differences"][0]["mean"] == found.ranked.mean
    rows = list(csv.DictReader(io.StringIO(comparison_text(found, "csv"))))
    assert [float(row["difference"]) for row in rows] == list(found.ranked.subjects.values())
    assert {row["simulated"] for row in rows} == {"True"}


def test_an_unknown_format_is_refused(ranking, harness):
    code, out, err = harness("compare", "first", "last", "--format", "cvs")
    assert (code, out) == (2, "")
    assert err == (
        "error: --format: 'cvs', expected one of text, md, csv, latex, html, json.\n  Did you mean 'csv'?\n"
    )
