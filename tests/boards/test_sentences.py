"""Sentences for papers: what they claim is what the tests say, in every format of rank and compare."""

import csv
import dataclasses
import io
import json

import numpy as np
import pytest
from board_records import controls, decided, made, unseen_stimuli, with_values
from documents import controls_document

from harness.boards.board import Board, BoardName, BoardRecord, board_of, load_board
from harness.boards.compare import compare, sentence
from harness.boards.compared import against_board_text, comparison_text
from harness.boards.formats import FORMATS, board_text
from harness.boards.ranking import rank
from harness.boards.row import Beside, row_of
from harness.boards.sentences import (
    LEVEL,
    ablation_sentence,
    against,
    board_sentence,
    board_words,
    comparison_sentence,
    data_words,
    difference_words,
    interval_text,
    row_sentence,
    scored_words,
)

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


# Whole sentences, of boards in memory whose tests gave what is told here

THREE = "simulated data (no real EEG), split held-out-subjects, part test, feature mel, 3 subjects"
SIGNS, T = "paired sign-flip test over subjects", "t over subjects and seeds"
MEANS = {"a": 0.5, "b": 0.4, "c": 0.3, "d": 0.2}
BLIND = controls([0.8, 0.9, 1.0], [0.8, 0.9, 1.0])


def system(name, mean, **changes):
    return made(name, [mean - 0.1, mean, mean + 0.1], **{"ci95": (mean - 0.0125, mean + 0.0125), **changes})


def flagged(name, mean=0.9):
    return system(name, mean, controls=BLIND)


def four(ps=None, by_t=()):
    """Four systems, and behind them one that a control flags."""
    return decided([*(system(*one) for one in MEANS.items()), flagged("replay")], ps, by_t)


@pytest.mark.parametrize(
    ("place", "where", "said"),
    [
        (
            0,
            True,
            f"On {THREE}: a has a mean r of 0.5000 (95 % interval 0.4875 to 0.5125), significantly better than b,"
            f" not told apart from c and d ({SIGNS} or {T}, Holm over 10 pairs, 0.05).",
        ),
        (
            1,
            True,
            f"On {THREE}: b has a mean r of 0.4000 (95 % interval 0.3875 to 0.4125), significantly better than c"
            f" and d, significantly worse than a ({T}, Holm over 10 pairs, 0.05).",
        ),
        (
            2,
            True,
            f"On {THREE}: c has a mean r of 0.3000 (95 % interval 0.2875 to 0.3125), significantly worse than b,"
            f" not told apart from a and d ({SIGNS} or {T}, Holm over 10 pairs, 0.05).",
        ),
        (
            3,
            False,
            "d has a mean r of 0.2000 (95 % interval 0.1875 to 0.2125), significantly worse than b, not told apart"
            " from a and c.",
        ),
        (
            4,
            True,
            f"On {THREE}: replay has a mean r of 0.9000 (95 % interval 0.8875 to 0.9125), significantly better"
            f" than a, not told apart from b, c and d ({SIGNS}, Holm over 10 pairs, 0.05); a control says: scores"
            " without the EEG.",
        ),
    ],
)
def test_the_whole_sentence_of_a_row(place, where, said):
    ps = {"a b": LEVEL, "a c": 0.0501, "b c": 0.001, "b d": 0.04, "a replay": 0.01, "b replay": 0.06}
    ranking = four(ps, by_t=("a b", "b c", "b d"))
    assert row_sentence(ranking, place, where=where) == said
    if not where:
        assert row_sentence(ranking, place, where=True) == (
            f"On {THREE}: {said.removesuffix('.')} ({SIGNS} or {T}, Holm over 10 pairs, 0.05)."
        )


def test_a_flagged_system_has_no_say_in_which_tests_are_named():
    ranking = four(by_t=("a replay", "b replay"))
    assert f"({SIGNS}, Holm over 10 pairs, 0.05)" in row_sentence(ranking, 0, where=True)
    assert f"({SIGNS} or {T}, Holm over 10 pairs, 0.05); a control" in row_sentence(ranking, 4, where=True)


def test_who_is_better_is_by_the_means_of_the_same_system_whatever_is_not_ranked():
    full = system("net", 0.45, submission={"variant": "default"})
    bare = system("net", 0.48, submission={"variant": "bare", "ablation_of": "default"})
    ones = [system("top", 0.5), full, bare, system("low", 0.2), flagged("replay")]
    ranking = decided(ones, {"top net": 0.01, "net low": 0.01})
    assert [row.system for row in ranking.rows] == ["top", "net", "low", "replay"]
    assert against(ranking, 0) == (("net",), (), ("low",))
    assert against(ranking, 1) == (("low",), ("top",), ())
    assert against(ranking, 2) == ((), ("net",), ("top",))
    assert against(ranking, 3) == ((), (), ("top", "net", "low"))


def test_a_test_between_two_of_one_mean_calls_neither_better():
    ranking = decided([system("a", 0.3), system("b", 0.3)], {"a b": 0.01})
    assert against(ranking, 0) == ((), ("b",), ())
    assert against(ranking, 1) == ((), ("a",), ())


@pytest.mark.parametrize(
    ("name", "end"), [("alone", "."), ("replay", "; a control says: scores without the EEG.")]
)
def test_a_row_with_none_to_test_it_against(name, end):
    honest = controls([0.8, 0.9, 1.0], [0.0, 0.0, 0.0])
    ones = {"alone": system("alone", 0.3, controls=honest), "replay": flagged("replay", 0.3)}
    for others in ([], [flagged("other")]):
        ranking = decided([ones[name], *others])
        place = [row.system for row in ranking.rows].index(name)
        said = f"{name} has a mean r of 0.3000 (95 % interval 0.2875 to 0.3125){end}"
        assert row_sentence(ranking, place) == said
        assert row_sentence(ranking, place, where=True) == f"On {THREE}: {said}"


def test_of_more_than_six_systems_their_number_is_said():
    def named(n_others):
        ones = [system("a", 0.9), *(system(f"s{k}", 0.5 - k / 100) for k in range(n_others))]
        return row_sentence(decided(ones), 0).partition("told apart from ")[2]

    assert named(1) == "s0."
    assert named(2) == "s0 and s1."
    assert named(6) == "s0, s1, s2, s3, s4 and s5."
    assert named(7) == "7 systems."


@pytest.mark.parametrize(
    ("ones", "ps", "said"),
    [
        (
            [flagged("x"), flagged("y", 0.8)],
            {},
            "no system can be told to use the EEG; a control flags 2 systems.",
        ),
        (
            [system("a", 0.5)],
            {},
            "a has the highest mean r of 1 system, 0.5000 (95 % interval 0.4875 to 0.5125); no other system is"
            " there to test it against.",
        ),
        (
            [system("a", 0.5), flagged("x")],
            {},
            "a has the highest mean r of 1 system that no control flags, 0.5000 (95 % interval 0.4875 to 0.5125);"
            " no other system is there to test it against.",
        ),
        (
            [system("a", 0.5, ci95=None), system("b", 0.4)],
            {"a b": 0.05},
            "a has the highest mean r of 2 systems, 0.5000; it is significantly better than the other"
            f" ({SIGNS}, Holm over 1 pair, 0.05).",
        ),
        (
            [system("a", 0.5, ci95=None), system("b", 0.4)],
            {},
            "a has the highest mean r of 2 systems, 0.5000; it cannot be told apart from b"
            f" ({SIGNS}, Holm over 1 pair, 0.05).",
        ),
        (
            [system("a", 0.5, ci95=None), system("b", 0.4), system("c", 0.3)],
            {"a b": 0.01, "a c": 0.01},
            "a has the highest mean r of 3 systems, 0.5000; it is significantly better than all 2 others"
            f" ({SIGNS}, Holm over 3 pairs, 0.05).",
        ),
        (
            [system("a", 0.5, ci95=None), system("b", 0.4), system("c", 0.3), system("d", 0.2)],
            {"a c": 0.01, "a d": 0.01},
            "a has the highest mean r of 4 systems, 0.5000; it is significantly better than 2 of the 3 others and"
            f" cannot be told apart from b ({SIGNS}, Holm over 6 pairs, 0.05).",
        ),
    ],
    ids=["flagged", "alone", "alone above", "the other", "not the other", "all others", "some"],
)  # fmt: skip
def test_the_whole_sentence_of_a_board(ones, ps, said):
    assert board_sentence(decided(ones, ps)) == f"On {THREE}: {said}"


def test_a_board_names_the_tests_of_its_leader():
    ones = list(map(system, MEANS, MEANS.values()))
    assert f" ({SIGNS}, Holm over 6 pairs, 0.05)." in board_sentence(decided(ones, by_t=["b c", "b d"]))
    assert f" ({SIGNS} or {T}, Holm over 6 pairs, 0.05)." in board_sentence(decided(ones, by_t=["a c"]))


def test_a_board_of_which_a_test_says_that_its_leader_is_worse_says_so():
    # As where the mean over seen stimuli puts a system first.
    ranking = decided(list(map(system, MEANS, MEANS.values())), {"a d": 0.01, "b d": 0.02, "c d": 0.03})
    last_first = dataclasses.replace(
        ranking,
        records=ranking.records[::-1],
        rows=ranking.rows[::-1],
        p=ranking.p[::-1, ::-1],
        architectures=~np.eye(4, dtype=bool),
    )
    assert board_sentence(last_first) == (
        f"On {THREE}: d has the highest mean r of 4 systems, 0.2000 (95 % interval 0.1875 to 0.2125); it is"
        f" significantly worse than c, b and a ({T}, Holm over 6 pairs, 0.05)."
    )


def test_a_board_without_systems_has_no_sentence():
    assert board_sentence(rank(Board(BOARD, ()))) == ""


def test_where_lower_is_better_the_lower_mean_is_the_better_one(monkeypatch):
    from harness.scoring.measures import MEASURES

    monkeypatch.setitem(
        MEASURES, "pearson_r", dataclasses.replace(MEASURES["pearson_r"], higher_is_better=False)
    )
    ranking = decided([system("a", 0.5), system("b", 0.4), system("c", 0.3)], {"a c": 0.01, "b c": 0.01})
    assert [row.system for row in ranking.rows] == ["c", "b", "a"]
    assert against(ranking, 0) == (("b", "a"), (), ())
    assert against(ranking, 1) == ((), ("c",), ("a",))
    assert board_sentence(ranking).startswith(
        f"On {THREE}: c has the lowest mean r of 3 systems, 0.3000 (95 %"
    )


# An ablation beside its net


@pytest.mark.parametrize(
    ("beside", "said"),
    [
        (
            Beside("net", -0.0123, (-0.02, 0.001), LEVEL, True),
            "a difference of -0.0123 (95 % interval -0.0200 to +0.0010) from net, significant at 0.05 (p = 0.05,"
            " Holm over that net's ablations).",
        ),
        (
            Beside("net", 0.5, None, 0.05001234, False),
            "a difference of +0.5000 from net, not significant at 0.05 (p = 0.05, Holm over that net's ablations),"
            " for these weights.",
        ),
        (
            Beside("ne\nt", 0.5, None, 0.000123456, False),
            "a difference of +0.5000 from ne\\nt, significant at 0.05 (p = 0.000123, Holm over that net's"
            " ablations), for these weights.",
        ),
    ],
)  # fmt: skip
def test_the_whole_sentence_of_an_ablation(beside, said):
    one = system("net", 0.3, submission={"variant": "bare"}, stimuli=unseen_stimuli([0.1, 0.2, 0.3]))
    row = row_of(one, beside=beside)
    assert ablation_sentence(row, unseen=False) == (
        f"net (bare) has a mean r of 0.3000 (95 % interval 0.2875 to 0.3125), {said}"
    )
    assert (
        ablation_sentence(row, unseen=True) == f"net (bare) has a mean r on unseen stimuli of 0.2000, {said}"
    )


def test_a_system_that_is_no_ablation_has_no_sentence_of_one():
    assert ablation_sentence(row_of(system("net", 0.3)), unseen=False) == ""


# A comparison of two

DIFFERENCE = "a difference of +0.1000"


def compared(one, other, *, significant=True, detectable=None):
    return comparison_sentence(
        ["one", "ot\nher"], [one, other], "THE DATA", DIFFERENCE, "THE TEST, p = 1",
        significant=significant, detectable=detectable,
    )  # fmt: skip


def fixed(name, mean, **changes):
    """A system whose training draws nothing at random."""
    from harness.records.record import Training

    one = system(name, mean, **changes)
    return with_values(one, submission={"training": Training(seed=None, recipe_sha256="a" * 64)})


@pytest.mark.parametrize(
    ("one", "other", "more", "end"),
    [
        (fixed, fixed, {}, ", significant at 0.05 (THE TEST, p = 1)."),
        (fixed, fixed, {"detectable": 0.2}, ", significant at 0.05 (THE TEST, p = 1)."),
        (fixed, fixed, {"significant": False}, ", not significant at 0.05 (THE TEST, p = 1)."),
        (
            fixed,
            fixed,
            {"significant": False, "detectable": 0.12345},
            ", not significant at 0.05 (THE TEST, p = 1). A true difference of 0.1235 would be found with 80 %"
            " power.",
        ),
        (
            system,
            fixed,
            {},
            ", significant at 0.05 (THE TEST, p = 1). One training of one, so this holds for these weights.",
        ),
        (
            system,
            system,
            {},
            ", significant at 0.05 (THE TEST, p = 1). One training of one and of ot\\nher, so this holds for"
            " these weights.",
        ),
    ],
)  # fmt: skip
def test_the_whole_sentence_of_a_comparison(one, other, more, end):
    assert compared(one("one", 0.31), other("other", 0.21), **more) == (
        f"On THE DATA: one has a mean r of 0.3100 and ot\\nher of 0.2100: {DIFFERENCE}{end}"
    )


def test_a_comparison_says_of_each_what_a_control_says_or_else_how_it_is_to_chance():
    both = controls([0.0, 0.0, 0.0], [0.8, 0.9, 1.0])
    honest = controls([0.8, 0.9, 1.0], [0.0, 0.0, 0.0])
    start = (
        f"On THE DATA: one has a mean r of 0.3000 and ot\\nher of 0.2000: {DIFFERENCE}, significant at 0.05"
    )
    start += " (THE TEST, p = 1)."
    wide = fixed("one", 0.3, chance=0.4)
    below = fixed("other", 0.2, controls=honest)
    assert compared(wide, below) == f"{start} The score of one is indistinguishable from chance."
    wide = with_values(wide, controls=BLIND)
    below = fixed("other", 0.2, chance=0.3, controls=both)
    assert compared(wide, below) == (
        f"{start} A control says of one: scores without the EEG. A control says of ot\\nher: scores without the"
        " EEG."
    )
    wide = with_values(wide, controls=honest)
    below = fixed("other", 0.2, chance=0.3)
    assert compared(wide, below) == (
        f"{start} The score of one is indistinguishable from chance. The score of ot\\nher is indistinguishable"
        " from chance."
    )
    assert compared(fixed("one", 0.3), fixed("other", 0.2)) == start


# Words of data, scores, intervals and differences


def test_data_are_named_on_one_line_and_simulated_ones_so():
    name = ["dt\nu", "sp\nlit", "te\nst", "m\nel"]
    rest = "split sp\\nlit{}, part te\\nst, feature m\\nel, {}"
    assert board_words(name, simulated=False, n_subjects=1) == f"dt\\nu, {rest.format('', '1 subject')}"
    assert board_words(name, simulated=True, n_subjects=2, flag="wr\nong") == (
        f"simulated data (no real EEG), {rest.format(' (wr' + chr(92) + 'nong)', '2 subjects')}"
    )


def test_data_of_a_board_have_the_flag_of_its_split_and_whether_unseen_stimuli_rank():
    real = {"kind": "real", "name": "dtu"}
    ones = [system(name, 0.3, corpus=real, split={"flag": "leaky"}) for name in "ab"]
    board = board_of(BoardName("dtu", "dtu", "test", "mel"), ones)
    words = "dtu, split dtu (leaky), part test, feature mel, 3 subjects"
    assert data_words(board) == words
    told = [with_values(one, stimuli=unseen_stimuli([0.1, 0.2, 0.3])) for one in ones]
    assert data_words(board_of(board.name, told)) == f"{words}, on unseen stimuli"


@pytest.mark.parametrize(
    ("stimuli", "unseen", "said"),
    [
        (None, False, "a mean r of 0.3000 (95 % interval 0.2875 to 0.3125)"),
        (None, True, "a mean r on unseen stimuli of 0.3000 (95 % interval 0.2875 to 0.3125)"),
        ((0.1, 0.25), False, "a mean r of 0.3000 (95 % interval 0.2875 to 0.3125)"),
        ((0.1, 0.25), True, "a mean r on unseen stimuli of 0.2000 (95 % interval 0.1000 to 0.2500)"),
    ],
)
def test_a_score_in_words_is_that_on_unseen_stimuli_where_these_rank(stimuli, unseen, said):
    one = system("a", 0.3)
    if stimuli:
        one = with_values(one, stimuli=unseen_stimuli([0.1, 0.2, 0.3], ci95=stimuli))
    assert scored_words(row_of(one), unseen=unseen) == said


def test_intervals_and_differences_have_four_digits():
    assert (interval_text(None), interval_text(None, signed=True)) == ("", "")
    assert interval_text((-0.00125, 0.5)) == "95 % interval -0.0013 to 0.5000"
    assert interval_text((-0.00125, 0.5), signed=True) == "95 % interval -0.0013 to +0.5000"
    assert difference_words(0.1, None) == "a difference of +0.1000"
    assert difference_words(-0.1, (-0.2, 0.0)) == "a difference of -0.1000 (95 % interval -0.2000 to +0.0000)"


def test_a_name_is_said_on_one_line():
    ranking = decided(
        [
            with_values(system(name, mean), submission={"name": shown})
            for name, mean, shown in (("x", 0.5, "fi\nrst"), ("y", 0.4, "las\x1bt"))
        ]
    )
    assert row_sentence(ranking, 0).startswith("fi\\nrst has a mean r of 0.5000 ")
    assert row_sentence(ranking, 0).endswith(", not told apart from las\\x1bt.")
    assert ": fi\\nrst has the highest mean r of 2 systems" in board_sentence(ranking)


def test_where_unseen_stimuli_rank_rows_and_leader_have_their_scores_on_these():
    ones = [
        system("a", 0.5, stimuli=unseen_stimuli([0.1] * 3)),
        system("b", 0.3, stimuli=unseen_stimuli([0.2] * 3)),
    ]
    ranking = decided(ones, {"a b": 0.01})
    assert board_sentence(ranking) == (
        f"On {THREE}, on unseen stimuli: b has the highest mean r of 2 systems, 0.2000; it is significantly better"
        f" than the other ({SIGNS}, Holm over 1 pair, 0.05)."
    )
    assert (
        row_sentence(ranking, 1) == "a has a mean r on unseen stimuli of 0.1000, significantly worse than b."
    )
