"""What a comparison says, whole and in every format: of two systems, and of one against its board."""

import csv
import dataclasses
import html
import io
import json
from functools import partial
from pathlib import Path

import pytest
from documents import controls_document, with_measures
from msgspec import UNSET
from msgspec.structs import replace

import harness.boards.compared
from harness.boards.board import Board, BoardName, BoardRecord, board_of
from harness.boards.compare import compare, sentence
from harness.boards.compared import (
    against_board_text,
    check_form,
    comparison_rows,
    comparison_text,
    comparison_values,
)
from harness.boards.formats import FORMATS
from harness.boards.ranking import rank
from harness.boards.trainings import pooled
from harness.errors import RecordError, UsageError
from harness.records.bands import ChanceBand, ChanceBands
from harness.records.document import parse_record, record_bytes
from harness.records.stimuli import SeenAndUnseen, StimulusGroup

BOARD = BoardName("simulated", "held-out-subjects", "test", "mel")
NAMES = ("cosine", "cosine_gain", "song_accuracy_reconstructed", "pearson_r")
SUBJECTS = [f"sub-{86 + i:03d}" for i in range(6)]
R = ([0.5, 0.4, 0.6, 0.5, 0.7, 0.6], [0.4, 0.2, 0.5, 0.2, 0.5, 0.3])


def trained(*seeds):
    return [{"submission": {"training": {"seed": seed, "recipe_sha256": "a" * 64}}} for seed in seeds]


FIXED = trained(None)[0]


@pytest.fixture
def make_one(make_record):
    """A record with scores by the measures that are given, as a board reads it."""

    def make(name, r, measures=None, names=NAMES, **changes):
        path = make_record(name, r, **changes)
        if measures:
            document = with_measures(json.loads(path.read_bytes()), names, **measures)
            path.write_bytes(record_bytes(parse_record(json.dumps(document).encode(), name)))
        return BoardRecord.read(path)

    return make


def changed(one, **values):
    """A board's record with other values."""
    return dataclasses.replace(one, record=replace(one.record, **values))


@pytest.fixture
def weights(make_one):
    """Two trainings by Pearson r alone; one was tried without the EEG, the other had no isolation."""
    first = make_one("first", R[0], controls=controls_document(R[0], [0.0, 0.0, 0.01, 0.0, -0.01, 0.0]))
    return compare(first, make_one("se|cond", R[1], run={"isolation": "none"}))


@pytest.fixture
def architectures(make_one):
    """Three and two trainings on real data with a flag, by cosine and more; song accuracy of the first only."""
    flag = {"split": {"flag": "subjects in all parts"}, "kind": "real"}
    ones = []
    for name, seeds, base in (("net", (0, 2, 3), 0.75), ("old", (1, 4), 0.5)):
        records = []
        for seed, of in zip(seeds, trained(*seeds), strict=True):
            cosine = [base + 0.125 * (seed == 4) + 0.01 * seed + 0.01 * (k % 3) for k in range(6)]
            measures = {"cosine": cosine, "cosine_gain": [one - 0.25 for one in cosine]}
            if name == "net":
                measures["song_accuracy_reconstructed"] = [0.5] * 6
            shown = controls_document(cosine, [one - 0.001 * (-1) ** k for k, one in enumerate(cosine)])
            records.append(
                make_one(name, [one / 2 for one in cosine], measures, controls=shown, **flag, **of)
            )
        ones += pooled(records)
    return compare(*ones)


SENTENCE = (
    "On simulated data (no real EEG), split held-out-subjects, part test, feature mel, 6 subjects: first has a mean r of"
    " 0.5500 and se|cond of 0.3500: a difference of +0.2000 (95 % interval +0.1061 to +0.2939), significant at 0.05"
    " (paired sign-flip test over subjects, p = 0.0312). One training of first and of se|cond, so this holds for these"
    " weights."
)
TITLE = "first minus se|cond on simulated data (no real EEG), split held-out-subjects, part test, feature mel"
LINES = [
    "mean difference +0.2000, 95 % interval +0.1061 to +0.2939 (t interval over 6 subjects)",
    "first without the EEG: 0.0000; chance: -0.0100 to 0.0100",
    "se|cond without the EEG: not measured; chance: -0.0100 to 0.0100",
    "se|cond: NOT ISOLATED: the predictor could read and change what it liked (--no-isolation)",
    "paired sign-flip test over subjects: p = 0.03125 (of these weights: one training of first and of se|cond)",
    "effect size (mean over deviation of the differences): +2.24",
    "subjects that show a difference as large as this one (0.05, 80 % power): 6",
    "smallest difference these subjects could show (0.05, 80 % power): 0.1590",
]
FLAGGED = "scores without the EEG, no evidence of using the EEG"


def test_a_comparison_of_weights_as_text(weights):
    assert comparison_text(weights) == comparison_text(weights, "text")
    assert (
        comparison_text(weights)
        == f"""{TITLE}

subject    first    se|cond    difference
---------  -------  ---------  ------------
sub-086    0.5000   0.4000     +0.1000
sub-087    0.4000   0.2000     +0.2000
sub-088    0.6000   0.5000     +0.1000
sub-089    0.5000   0.2000     +0.3000
sub-090    0.7000   0.5000     +0.2000
sub-091    0.6000   0.3000     +0.3000

{chr(10).join(LINES)}

{SENTENCE}
"""
    )


def test_a_comparison_as_markdown_has_no_name_that_ends_a_cell(weights):
    listed = "\n".join(f"- {line}" for line in LINES)
    assert (
        comparison_text(weights, "md")
        == f"""**{TITLE}**

| subject   | first   | se\\|cond   | difference   |
|:----------|:--------|:-----------|:-------------|
| sub-086   | 0.5000  | 0.4000     | +0.1000      |
| sub-087   | 0.4000  | 0.2000     | +0.2000      |
| sub-088   | 0.6000  | 0.5000     | +0.1000      |
| sub-089   | 0.5000  | 0.2000     | +0.3000      |
| sub-090   | 0.7000  | 0.5000     | +0.2000      |
| sub-091   | 0.6000  | 0.3000     | +0.3000      |

{listed}

{SENTENCE}
"""
    )


def test_a_comparison_as_html_shows_every_name_as_it_is(make_one):
    first, second = make_one("<first>", R[0]), make_one("se&cond", R[1])
    text = comparison_text(compare(first, second), "html").splitlines()
    names = [html.escape(name) for name in ("<first>", "se&cond")]
    title, *lines = [
        html.escape(line.replace("first", "<first>").replace("se|cond", "se&cond"))
        for line in (TITLE, *LINES[:3], *LINES[4:], SENTENCE)
    ]
    lines[1] = lines[1].replace("0.0000", "not measured")
    assert text[0] == f"<h2>{title}</h2>"
    assert text[1] == "<table>"
    assert [cell.strip() for cell in text[3][len("<tr><th>") : -len("</th></tr>")].split("</th><th>")] == [
        "subject", *names, "difference",
    ]  # fmt: skip
    assert text.index("</table>") == 13
    assert text[14:] == [f"<p>{line}</p>" for line in lines]


def test_a_comparison_as_latex_has_the_sentence_as_its_caption_and_all_else_in_comments(weights):
    said = SENTENCE.replace("%", r"\%").replace("|", "$|$")
    comments = "\n".join(f"% {line}" for line in LINES)
    assert (
        comparison_text(weights, "latex")
        == rf"""% Needs \usepackage{{booktabs}} and \usepackage{{graphicx}} in the preamble.
% {TITLE}
\begin{{table}}
\centering
\caption{{{said}}}
\label{{tab:simulated-held-out-subjects-test-mel-first-se-cond}}
\smallskip
\footnotesize
\setlength{{\tabcolsep}}{{3pt}}
\resizebox{{\ifdim\width>\linewidth\linewidth\else\width\fi}}{{!}}{{%
\begin{{tabular}}{{@{{}}lrrr@{{}}}}
\toprule
subject & first & se$|$cond & difference \\
\midrule
sub-086 & 0.5000 & 0.4000 & +0.1000 \\
sub-087 & 0.4000 & 0.2000 & +0.2000 \\
sub-088 & 0.6000 & 0.5000 & +0.1000 \\
sub-089 & 0.5000 & 0.2000 & +0.3000 \\
sub-090 & 0.7000 & 0.5000 & +0.2000 \\
sub-091 & 0.6000 & 0.3000 & +0.3000 \\
\bottomrule
\end{{tabular}}}}
\end{{table}}
{comments}
"""
    )


def test_a_comparison_as_csv_has_a_row_for_each_subject(weights):
    text = comparison_text(weights, "csv")
    assert text.splitlines()[0] == (
        "corpus,split,part,feature,simulated,subject,measure,first,second,first_value,second_value,difference,"
        "first_blind,second_blind,sentence"
    )
    blind = [0.0, 0.0, 0.01, 0.0, -0.01, 0.0]
    expected = [
        {
            **BOARD._asdict(),
            "simulated": "True",
            "subject": subject,
            "measure": "pearson_r",
            "first": "first",
            "second": "se|cond",
            "first_value": str(first),
            "second_value": str(second),
            "difference": str(first - second),
            "first_blind": str(without),
            "second_blind": "",
            "sentence": SENTENCE,
        }
        for subject, first, second, without in zip(SUBJECTS, *R, blind, strict=True)
    ]
    assert list(csv.DictReader(io.StringIO(text))) == expected


def test_a_comparison_as_values(weights):
    ones = (weights.first, weights.second)
    expected = {
        "board": BOARD._asdict(),
        "flag": None,
        "simulated": True,
        "constant_cosine": None,
        "systems": [
            {
                "name": name,
                "record_sha256": one.sha256,
                "value": pytest.approx(value),
                "ci95": pytest.approx(one.record.ci95),
                "chance": (-0.01, 0.01),
                "without_eeg": without,
                "trainings": 1,
            }
            for one, name, value, without in zip(
                ones, ("first", "se|cond"), (0.55, 0.35), (0.0, None), strict=True
            )
        ],
        "differences": [
            {
                "measure": "pearson_r",
                "mean": pytest.approx(0.2),
                "ci95": pytest.approx((0.10613562284726352, 0.29386437715273644)),
                "subjects": {subject: one - other for subject, one, other in zip(SUBJECTS, *R, strict=True)},
            }
        ],
        "compares": "weights",
        "p": 0.03125,
        "level": 0.05,
        "significant": True,
        "effect_size": pytest.approx(5**0.5),
        "detectable": weights.detectable,
        "subjects_needed": 6,
        "places_changed": None,
        "sentence": SENTENCE,
    }
    values = comparison_values(weights)
    assert values == expected
    assert list(values) == list(expected)
    assert comparison_text(weights, "json") == json.dumps(values, indent=1, ensure_ascii=False) + "\n"


def test_a_comparison_of_architectures_by_several_measures_as_text(architectures):
    p = architectures.p
    reach = f"{architectures.detectable:.4f}"
    assert (
        comparison_text(architectures)
        == f"""\
net minus old on sparrkulee, split held-out-subjects (subjects in all parts), part test, feature mel, ranked by cosine

subject    net     old     difference    difference in gain in cosine    difference in r
---------  ------  ------  ------------  ------------------------------  -----------------
sub-086    0.7667  0.5875  +0.1792       +0.1792                         +0.0896
sub-087    0.7767  0.5975  +0.1792       +0.1792                         +0.0896
sub-088    0.7867  0.6075  +0.1792       +0.1792                         +0.0896
sub-089    0.7667  0.5875  +0.1792       +0.1792                         +0.0896
sub-090    0.7767  0.5975  +0.1792       +0.1792                         +0.0896
sub-091    0.7867  0.6075  +0.1792       +0.1792                         +0.0896

mean difference in cosine +0.1792, 95 % interval -0.7545 to +1.1129 (over 6 subjects and seeds)
mean difference in gain in cosine +0.1792, 95 % interval -0.7545 to +1.1129 (over 6 subjects and seeds)
mean difference in r +0.0896, 95 % interval -0.3773 to +0.5564 (over 6 subjects and seeds)
constant's cosine, which needs no EEG: 0.2500
net without the EEG: 0.7767 ({FLAGGED}); chance: -0.0100 to 0.0100
old without the EEG: 0.5975 ({FLAGGED}); chance: -0.0100 to 0.0100
architectures, t over subjects and seeds (3 and 2 trainings): p = {p:.4g}
net over seeds: ± 0.0153 (3): 0.7600 (seed 0), 0.7800 (seed 2), 0.7900 (seed 3)
old over seeds: ± 0.1096 (2): 0.5200 (seed 1), 0.6750 (seed 4)
over seeds the two change places in 0 of 6 pairs
smallest difference these subjects could show (0.05, 80 % power): {reach}

{sentence(architectures)}
"""
    )


def test_a_comparison_of_architectures_as_values(architectures):
    """As CSV and JSON, and what figures draw."""
    ones = (architectures.first, architectures.second)
    values = comparison_values(architectures)
    assert {
        key: values[key] for key in ("flag", "simulated", "compares", "significant", "places_changed")
    } == {
        "flag": "subjects in all parts",
        "simulated": False,
        "compares": "architectures",
        "significant": False,
        "places_changed": 0.0,
    }
    assert values["constant_cosine"] == pytest.approx(0.25)
    assert [one["name"] for one in values["systems"]] == ["net", "old"]
    assert [one["trainings"] for one in values["systems"]] == [3, 2]
    assert [one["without_eeg"] for one in values["systems"]] == pytest.approx([0.7766666667, 0.5975])
    assert [one["value"] for one in values["systems"]] == pytest.approx([0.7766666667, 0.5975])
    assert [one["measure"] for one in values["differences"]] == ["cosine", "cosine_gain", "pearson_r"]
    assert [one["mean"] for one in values["differences"]] == pytest.approx(
        [0.1791666667] * 2 + [0.0895833333]
    )
    rows = comparison_rows(architectures)
    assert list(rows[0])[11:] == [
        "difference", "difference_cosine_gain", "difference_pearson_r", "first_blind", "second_blind",
    ]  # fmt: skip
    for subject, row in zip(SUBJECTS, rows, strict=True):
        controls = [one.record.controls.blind.subjects[subject] for one in ones]
        scores = [one.record.measures["cosine"].subjects[subject] for one in ones]
        assert row == {
            "corpus": "sparrkulee",
            "split": "held-out-subjects",
            "part": "test",
            "feature": "mel",
            "simulated": False,
            "subject": subject,
            "measure": "cosine",
            "first": "net",
            "second": "old",
            "first_value": scores[0],
            "second_value": scores[1],
            "difference": scores[0] - scores[1],
            "difference_cosine_gain": pytest.approx(scores[0] - scores[1]),
            "difference_pearson_r": pytest.approx((scores[0] - scores[1]) / 2),
            "first_blind": controls[0],
            "second_blind": controls[1],
        }
    table = list(csv.DictReader(io.StringIO(comparison_text(architectures, "csv"))))
    assert table == [
        {**{key: str(value) for key, value in row.items()}, "sentence": sentence(architectures)}
        for row in rows
    ]


@pytest.mark.parametrize(
    ("changes", "old", "new"),
    [
        ({"effect": -0.125}, LINES[5], "effect size (mean over deviation of the differences): -0.12"),
        ({"effect": 0.0}, LINES[5], "effect size (mean over deviation of the differences): +0.00"),
        ({"effect": None}, LINES[5] + "\n", ""),
        ({"subjects_needed": 12345}, "power): 6", "power): 12,345"),
        ({"subjects_needed": None}, LINES[6] + "\n", ""),
        (
            {"detectable": None},
            LINES[7],
            "6 subjects: p is never below 0.03125, whatever the difference: no difference can be shown at 0.05",
        ),
    ],
)
def test_what_could_be_shown_has_a_line_where_it_is_known(weights, changes, old, new):
    text = comparison_text(weights)
    assert text.count(old) == 1
    changed = comparison_text(dataclasses.replace(weights, **changes))
    assert changed.split("\n\nOn ")[0] == text.replace(old, new).split("\n\nOn ")[0]


def test_the_limit_of_few_subjects_is_the_level_of_boards(weights, monkeypatch):
    monkeypatch.setattr(harness.boards.compared, "LEVEL", 0.03125)
    found = dataclasses.replace(weights, detectable=None)
    assert comparison_text(found).splitlines()[-3].endswith("no difference can be shown at 0.03125")
    values = comparison_values(found)
    assert (values["p"], values["level"], values["significant"]) == (0.03125, 0.03125, True)
    monkeypatch.setattr(harness.boards.compared, "LEVEL", 0.03)
    assert comparison_values(found)["significant"] is False


def test_places_that_change_are_counted_over_pairs_of_trainings(architectures):
    for changed, words in ((0.25, "1.5 of 6 pairs"), (0.5, "3 of 6 pairs"), (1.0, "6 of 6 pairs")):
        text = comparison_text(dataclasses.replace(architectures, changed=changed))
        assert f"\nover seeds the two change places in {words}\n" in text


@pytest.mark.parametrize(
    ("second", "about"),
    [
        (FIXED, " (of these weights: one training of one)"),
        ({}, " (of these weights: one training of one and of other)"),
    ],
)
def test_the_test_says_whose_single_training_it_is_about(make_one, second, about):
    found = compare(make_one("one", R[0]), make_one("other", R[1], **second))
    lines = comparison_text(found).splitlines()
    assert f"paired sign-flip test over subjects: p = 0.03125{about}" in lines
    turned = comparison_text(compare(found.second, found.first)).splitlines()
    about = about.replace("one and of other", "other and of one")
    assert f"paired sign-flip test over subjects: p = 0.03125{about}" in turned


def test_systems_that_draw_nothing_at_random_are_more_than_their_weights(make_one):
    found = compare(make_one("one", R[0], **FIXED), make_one("other", R[1], **FIXED))
    assert "paired sign-flip test over subjects: p = 0.03125" in comparison_text(found).splitlines()
    assert comparison_values(found)["compares"] == "weights"


def test_one_subject_has_no_interval_and_the_lines_say_what_is_not_known(make_one):
    first, second = make_one("first", [0.25]), make_one("second", [0.5])
    handed_in = replace(first.record.submission, kind="predictions")
    nothing = ChanceBands(circular_shifts=None, mismatched_segments=None)
    run = replace(first.record.run, isolation=UNSET)
    first = changed(first, submission=handed_in, chance=nothing, run=run)
    assert comparison_text(compare(first, changed(second, run=run))).splitlines()[6:13] == [
        "mean difference -0.2500",
        "first without the EEG: not measured; chance: not known",
        "second without the EEG: not measured; chance: -0.0100 to 0.0100",
        "second: ISOLATION NOT KNOWN: the record does not say what kept the predictor from the labels",
        "paired sign-flip test over subjects: p = 1 (of these weights: one training of first and of second)",
        "1 subject: p is never below 1, whatever the difference: no difference can be shown at 0.05",
        "",
    ]


def test_a_format_that_there_is_not_is_refused(weights):
    board = Board(BOARD, (weights.first, weights.second))
    for call in (
        check_form,
        partial(comparison_text, weights),
        partial(against_board_text, weights.first, board),
    ):
        with pytest.raises(UsageError) as caught:
            call("htm")
        assert str(caught.value) == (
            "--format: 'htm', expected one of text, md, csv, latex, html, json.\n  Did you mean 'html'?"
        )
    for form in FORMATS:
        check_form(form)


@pytest.fixture
def board(make_one):
    """Six subjects by Pearson r alone: fir|st can be told apart from neither, by Holm over three pairs."""
    first = make_one("fir|st", R[0], controls=controls_document(R[0], [0.0, 0.0, 0.01, 0.0, -0.01, 0.0]))
    second = make_one("second", R[1], controls=controls_document(R[1], R[1]))
    return board_of(BOARD, [first, second, make_one("third", [0.5, 0.4, 0.4, 0.5, 0.7, 0.6])])


@pytest.fixture
def mixed(make_one):
    """Five subjects of real data with a flag: net of two seeds, old that draws nothing, new of one training."""
    flag = {"split": {"flag": "subjects in all parts"}, "kind": "real"}
    records = []
    for name, kinds, base in (("net", trained(0, 2), 0.25), ("old", [FIXED], -0.5), ("new", [{}], 0.2)):
        for number, of in enumerate(kinds):
            cosine = [base + 0.04 * number + 0.01 * (k % 3) for k in range(5)]
            measures = {"cosine": cosine, "cosine_gain": [one - 0.25 for one in cosine]}
            if name != "new":  # which was handed in
                measures["song_accuracy_reconstructed"] = [0.6 if name == "net" else 0.5] * 5
            records.append(make_one(name, [one / 2 for one in cosine], measures, **flag, **of))
    return board_of(BOARD._replace(corpus="sparrkulee"), records)


AGAINST = (
    "On simulated data (no real EEG), split held-out-subjects, part test, feature mel, 6 subjects: fir|st has a mean r"
    " of 0.5500 (95 % interval 0.4399 to 0.6601), not told apart from third (paired sign-flip test over subjects, Holm"
    " over 3 pairs, 0.05)."
)
AGAINST_MIXED = (
    "On sparrkulee, split held-out-subjects (subjects in all parts), part test, feature mel, 5 subjects: net has a mean"
    " cosine of 0.2780 (95 % interval 0.0566 to 0.4994), significantly better than old, not told apart from new (paired"
    " sign-flip test over subjects or t over subjects and seeds, Holm over 3 pairs, 0.05)."
)
MIXED_TITLE = "on sparrkulee/held-out-subjects/test/mel (subjects in all parts), ranked by cosine: rank"
WITHOUT = "without the EEG: not measured; constant's cosine: 0.2500"


def test_one_against_its_board_as_text(board):
    assert (
        against_board_text(board.records[0], board)
        == f"""\
fir|st on simulated/held-out-subjects/test/mel: rank 1 of 3; without the EEG: 0.0000

other system    difference    95 % interval       p (Holm)    detectable    without the EEG                                                chance
--------------  ------------  ------------------  ----------  ------------  -------------------------------------------------------------  -----------------
third           +0.0333       -0.0524 to +0.1190  1           0.1451        not measured                                                   -0.0100 to 0.0100
second          +0.2000       +0.1061 to +0.2939  0.09375     0.1590        0.3500 ({FLAGGED})  -0.0100 to 0.0100

{AGAINST}
"""
    )
    last = against_board_text(board.records[2], board).splitlines()
    assert last[0] == (
        f"second on simulated/held-out-subjects/test/mel: rank 3 of 3; without the EEG: 0.3500 ({FLAGGED})"
    )
    assert [line.split()[0] for line in last[4:6]] == ["fir|st", "third"]
    title, table, said = against_board_text(board.records[2], board, "md").split("\n\n")
    assert title == f"**{last[0]}**"
    assert said == f"{last[-1]}\n"
    cells = table.splitlines()[2].split(" | ")
    assert [cell.strip() for cell in cells[:2]] == ["| fir\\|st", "-0.2000"]


def test_one_against_its_board_as_latex(board):
    said = AGAINST.replace("%", r"\%").replace("|", "$|$")
    assert (
        against_board_text(board.records[0], board, "latex")
        == rf"""% Needs \usepackage{{booktabs}} and \usepackage{{graphicx}} in the preamble.
% fir|st on simulated/held-out-subjects/test/mel: rank 1 of 3; without the EEG: 0.0000
\begin{{table*}}
\centering
\caption{{{said}}}
\label{{tab:simulated-held-out-subjects-test-mel-fir-st-against-all}}
\smallskip
\footnotesize
\setlength{{\tabcolsep}}{{3pt}}
\resizebox{{\ifdim\width>\linewidth\linewidth\else\width\fi}}{{!}}{{%
\begin{{tabular}}{{@{{}}lrrrrrr@{{}}}}
\toprule
\shortstack{{other\\system}} & difference & \shortstack{{95 \%\\interval}} & p (Holm) & detectable & \shortstack{{without\\the EEG}} & chance \\
\midrule
third & +0.0333 & {{[$-$0.0524, $+$0.1190]}} & 1 & 0.1451 & not measured & {{[$-$0.0100, 0.0100]}} \\
second & +0.2000 & {{[$+$0.1061, $+$0.2939]}} & 0.09375 & 0.1590 & 0.3500\textsuperscript{{a}} & {{[$-$0.0100, 0.0100]}} \\
\bottomrule
\end{{tabular}}}}

\smallskip\parbox{{\linewidth}}{{\footnotesize \textsuperscript{{a}} {FLAGGED}.}}
\end{{table*}}
"""
    )


@pytest.mark.parametrize(
    ("place", "own", "separable"),
    [
        (0, f"net {MIXED_TITLE} 1 of 3; {WITHOUT}", "p between weights/only architectures"),
        (1, f"new {MIXED_TITLE} 2 of 3; {WITHOUT}", "p/nothing"),
        (
            2,
            f"old {MIXED_TITLE} 3 of 3; {WITHOUT}; chance: below chance: look for the sign",
            "p between weights/only architectures",
        ),
    ],
)
def test_few_subjects_can_separate_no_weights_but_architectures(mixed, place, own, separable):
    p, which = separable.split("/")
    limit = f"5 subjects: {p} is never below 0.0625, whatever the difference: {which} can be separated here at 0.05"
    one = mixed.records[place]
    title, below, between, *_ = against_board_text(one, mixed).splitlines()
    assert [title, below, between] == [own, limit, ""]
    assert against_board_text(one, mixed, "md").startswith(f"**{own}**\n\n{limit}\n\n| other system ")
    head, limit = map(html.escape, (own, limit))
    assert against_board_text(one, mixed, "html").startswith(f"<h2>{head}</h2>\n<p>{limit}</p>\n<table>\n")
    assert against_board_text(one, mixed, "latex").splitlines()[1:4] == [
        f"% {own}",
        f"% {html.unescape(limit)}",
        r"\begin{table*}",
    ]


def test_against_a_board_of_several_measures_stands_which_were_not_measured(mixed):
    text = against_board_text(mixed.records[0], mixed)
    assert (
        text.split("\n\n", 1)[1]
        == f"""\
other system    difference    95 % interval       p (Holm)    detectable    without the EEG    chance                           difference in gain in cosine    difference in song accuracy by reconstructions    difference in r
--------------  ------------  ------------------  ----------  ------------  -----------------  -------------------------------  ------------------------------  ------------------------------------------------  -----------------
new             +0.0700       +0.0700 to +0.0700  0.125                     not measured       -0.0100 to 0.0100                +0.0700                         not measured                                      +0.0350
old             +0.7700       +0.5159 to +1.0241  0.0496      0.3267        not measured       below chance: look for the sign  +0.7700                         +0.1000                                           +0.3850

{AGAINST_MIXED}
"""
    )


def test_one_against_its_board_as_values(mixed):
    ranking = rank(mixed)
    expected = []
    for place, (further, kind) in enumerate(
        [((0.07, None, 0.035), "weights"), ((0.77, 0.1, 0.385), "architectures")], start=1
    ):
        found = compare(mixed.records[0], mixed.records[place])
        expected.append(
            {
                "system": "net",
                "other": ("new", "old")[place - 1],
                "measure": "cosine",
                "difference": found.ranked.mean,
                "ci95_low": found.ranked.ci95[0],
                "ci95_high": found.ranked.ci95[1],
                "p_holm": float(ranking.p[0, place]),
                "significant": kind == "architectures",
                "compares": kind,
                "effect_size": found.effect,
                "detectable": found.detectable,
                "other_without_eeg": None,
                "difference_cosine_gain": pytest.approx(further[0]),
                "difference_song_accuracy_reconstructed": further[1] and pytest.approx(further[1]),
                "difference_pearson_r": pytest.approx(further[2]),
            }
        )
    text = against_board_text(mixed.records[0], mixed, "json")
    document = json.loads(text)
    assert document == {
        "board": mixed.name._asdict(),
        "simulated": False,
        "system": "net",
        "level": 0.05,
        "others": expected,
        "sentence": AGAINST_MIXED,
    }
    assert text == json.dumps(document, indent=1, ensure_ascii=False) + "\n"
    table = csv.reader(io.StringIO(against_board_text(mixed.records[0], mixed, "csv")))
    rows = [[*one.values(), AGAINST_MIXED] for one in document["others"]]
    assert list(table) == [
        [*expected[0], "sentence"],
        *[["" if value is None else str(value) for value in row] for row in rows],
    ]


def test_the_only_system_of_a_board_is_compared_with_none_under_the_same_heads(mixed):
    of_all, of_one = (
        [*csv.reader(io.StringIO(against_board_text(its.records[0], its, "csv")))]
        for its in (mixed, board_of(mixed.name, [mixed.records[0]]))
    )
    assert of_one == of_all[:1]
    text = against_board_text(mixed.records[0], board_of(mixed.name, [mixed.records[0]]), "latex")
    assert "\\begin{tabular}{@{}lrrrrrrrrr@{}}\n" in text
    assert "detectable & " in text


def test_values_against_a_board_have_the_effect_and_what_the_other_scores_without_the_eeg(board):
    third, second = json.loads(against_board_text(board.records[0], board, "json"))["others"]
    assert (third["other_without_eeg"], second["other_without_eeg"]) == (None, pytest.approx(0.35))
    assert second["effect_size"] == pytest.approx(5**0.5)
    assert (second["p_holm"], second["significant"]) == (0.09375, False)


def test_a_p_at_the_level_is_significant_against_a_board(board, monkeypatch):
    for level, significant in ((0.09375, True), (0.09, False)):
        monkeypatch.setattr(harness.boards.compared, "LEVEL", level)
        document = json.loads(against_board_text(board.records[0], board, "json"))
        assert (document["level"], document["others"][1]["significant"]) == (level, significant)


@pytest.mark.parametrize(("level", "warned"), [(0.03125, False), (0.03, True)])
def test_it_is_said_that_nothing_can_be_separated_only_where_no_p_reaches_the_level(
    board, monkeypatch, level, warned
):
    monkeypatch.setattr(harness.boards.compared, "LEVEL", level)
    line = (
        "6 subjects: p is never below 0.03125, whatever the difference: nothing can be separated here at 0.03"
    )
    assert (line in against_board_text(board.records[0], board).splitlines()) is warned
    assert ("separated" in against_board_text(board.records[0], board)) is warned


def test_one_subject_against_another(make_one):
    ones = [make_one(name, [r]) for name, r in (("one", 0.5), ("other", 0.25))]
    board = board_of(BOARD, ones)
    cells = against_board_text(ones[0], board).splitlines()[5].split("  ")
    assert [cell.strip() for cell in cells if cell] == [
        "other", "+0.2500", "1", "not measured", "-0.0100 to 0.0100",
    ]  # fmt: skip
    (values,) = json.loads(against_board_text(ones[0], board, "json"))["others"]
    assert (values["ci95_low"], values["ci95_high"], values["detectable"]) == (None, None, None)


def test_a_score_that_segments_have_in_common_is_said_in_the_title(make_one):
    near = ChanceBand(low=-0.01, mean=0.0, high=0.01, scores=100)
    far = ChanceBand(low=0.2, mean=0.3, high=0.4, scores=100)
    bands = ChanceBands(circular_shifts=near, mismatched_segments=far)
    ones = [changed(make_one("first", R[0]), chance=bands), make_one("second", R[1])]
    board = board_of(BOARD, ones)
    assert against_board_text(ones[0], board).splitlines()[0] == (
        "first on simulated/held-out-subjects/test/mel: rank 1 of 2; without the EEG: not measured;"
        " chance: -0.0100 to 0.4000 (common to segments)"
    )


def test_where_unseen_stimuli_rank_the_title_says_what_they_are_for(make_one):
    ones = []
    for name, r in (("first", R[0]), ("second", R[1])):
        one = make_one(name, r)
        group = StimulusGroup(
            value=sum(r) / 6, ci95=None, subjects=dict(zip(SUBJECTS, r, strict=True)), segments=4
        )
        ones.append(changed(one, stimuli=SeenAndUnseen(seen=group, unseen=group)))
    board = board_of(BOARD, ones)
    assert against_board_text(ones[0], board).splitlines()[0] == (
        "first on simulated/held-out-subjects/test/mel: rank 1 of 2; without the EEG: not measured;"
        " rank and p are on unseen stimuli, differences on all"
    )


def test_ablations_stand_among_all_others_and_a_seed_means_its_system(make_one, mixed, monkeypatch):
    ones = [
        make_one("net", R[0], variant="full"),
        make_one("net", R[1], variant="bare", submission={"ablation_of": "full"}),
        make_one("third", R[1][::-1]),
    ]
    board = board_of(BOARD, ones)
    assert against_board_text(ones[1], board).startswith(
        "net (bare) on simulated/held-out-subjects/test/mel: rank "
    )
    others = json.loads(against_board_text(ones[0], board, "json"))["others"]
    assert {one["other"] for one in others} == {"net (bare)", "third"}
    for seed in mixed.records[0].seeds:
        assert against_board_text(seed, mixed) == against_board_text(mixed.records[0], mixed)
    monkeypatch.chdir(ones[0].path.parent)
    near = dataclasses.replace(ones[0], path=Path(ones[0].path.name))
    assert against_board_text(near, board) == against_board_text(ones[0], board)


def test_a_record_that_is_not_ranked_cannot_be_held_against_its_board(make_one, board):
    other = make_one("another", R[1])
    with pytest.raises(RecordError) as caught:
        against_board_text(other, board)
    assert str(caught.value) == (
        f"{other.path}: not ranked on its board, expected a complete record in --results."
    )


def test_json_has_names_as_they_are_and_no_number_that_json_lacks(make_one, monkeypatch):
    ones = [make_one("größer", R[0]), make_one("second", R[1])]
    board = board_of(BOARD, ones)
    found = compare(*ones)
    assert '"name": "größer"' in comparison_text(found, "json")
    assert '"system": "größer"' in against_board_text(ones[0], board, "json")
    odd = dataclasses.replace(found, effect=float("nan"))
    monkeypatch.setattr(harness.boards.compared, "compare", lambda one, other: odd)
    for call in (partial(comparison_text, odd), partial(against_board_text, ones[0], board)):
        with pytest.raises(ValueError, match="not JSON compliant"):
            call("json")
