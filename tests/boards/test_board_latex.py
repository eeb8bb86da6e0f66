"""A board's tables for LaTeX: their whole texts, of rows whose every cell is known."""

import re
from dataclasses import replace

import pytest
from msgspec import structs

from harness.boards.board import BoardName, BoardRecord, board_of
from harness.boards.board_latex import board_latex
from harness.boards.cells import board_notes
from harness.boards.latex import comments
from harness.boards.ranking import rank
from harness.boards.row import Beside, SeedRow
from harness.records.bands import ChanceBand, ChanceBands
from harness.records.controls import BlindResult, Controls, Difference
from harness.records.measured import Measured
from harness.records.record import Overlap
from harness.records.stimuli import SeenAndUnseen, StimulusGroup
from harness.records.without_brain import WithoutBrain
from harness.scoring.measures import MEASURES
from harness.scoring.statistics import RankInterval

BOARD = BoardName("simulated", "held-out-subjects", "test", "mel")
DATA = "simulated data (no real EEG), split held-out-subjects, part test, feature mel"
HEAD = f"% Needs \\usepackage{{booktabs}} and \\usepackage{{graphicx}} in the preamble.\n% {DATA}: "
BARS = (
    "Systems on one bar cannot be told apart, others can (paired sign-flip test over subjects; Holm, 0.05). Rank:"
    " by the mean; in brackets, from 1 and the number that are significantly better to all less those that are"
    " significantly worse. Intervals: t interval over 3 subjects, and t over subjects and seeds, 95 \\%."
)
LETTERS = BARS.replace("on one bar", "that share a letter")
BLIND = (
    "Without the EEG: what the system scores on surrogates of the same segments, EEG from which what was heard is"
    " taken out."
)
FIRST = (
    f"On {DATA}, 3 subjects: alpha has the highest mean r of 2 systems that no control flags, 0.5000 (95 \\%"
    " interval 0.4000 to 0.6000); it cannot be told apart from beta\\_2 (paired sign-flip test over subjects, Holm"
    " over 3 pairs, 0.05)."
)
SMALLER = "\\resizebox{\\ifdim\\width>\\linewidth\\linewidth\\else\\width\\fi}{!}{%\n"


def band(low, high):
    return ChanceBand(low=low, mean=(low + high) / 2, high=high, scores=100)


def measured(value, low=None, high=None, chance=(-0.01, 0.02), mismatched=None, by="pearson_r"):
    """A score with its interval, and what chance scores."""
    chances = ChanceBands(circular_shifts=chance and band(*chance), mismatched_segments=mismatched)
    ci95 = None if low is None else (low, high)
    return Measured(MEASURES[by], value, ci95, chances, {"sub-086": value})


def controls(value, *, scores=False, no_evidence=False):
    """What a system scores without the EEG, and the flags that follow."""
    difference = Difference(value=0.1, ci95=None, p=None, subjects={})
    blind = BlindResult(
        value=value,
        ci95=None,
        chance=ChanceBands(circular_shifts=None, mismatched_segments=None),
        subjects={},
        segments=4,
        sampled=False,
        difference=difference,
    )
    return Controls(blind=blind, scores_without_eeg=scores, no_evidence_of_using_eeg=no_evidence)


def seen(n_seen):
    return Overlap(subjects_seen=0, subjects=3, stimuli_seen=n_seen, stimuli=4)


def stimuli(unseen, seen):
    groups = (StimulusGroup(value=value, ci95=None, subjects={}, segments=4) for value in (seen, unseen))
    return SeenAndUnseen(**dict(zip(("seen", "unseen"), groups, strict=True)))


def trained(seed, digit, value):
    return SeedRow(seed, measured(value, 0.1, 0.3), f"2026-02-0{seed}T10", digit * 64, None)


@pytest.fixture
def records(make_record):
    """Three systems that three subjects cannot tell apart."""
    names = {"alpha": 0.5, "beta_2": 0.4, "gamma": 0.3}
    return [BoardRecord.read(make_record(name, [r, r + 0.1, r + 0.2])) for name, r in names.items()]


def ranked(records):
    """Their board, the third system below the line; every cell of the rows is set here."""
    ranking = rank(board_of(BOARD, records))
    alpha, beta, gamma = (
        replace(row, training="declared", overlap=seen(3), isolation="landlock") for row in ranking.rows
    )
    rows = (
        replace(
            alpha,
            rank=RankInterval(1, 1, 2),
            bars="┌",
            ties="a",
            score=measured(0.5, 0.4, 0.6),
            seeds=(trained(1, "c", 0.25), trained(2, "d", 0.75)),
            bands=(0.125, 0.25),
            controls=controls(-0.002),
            finished="2026-02-02T10",
            hashes={"record": "a" * 64},
        ),
        replace(
            beta,
            rank=RankInterval(2, 1, 2),
            bars="└",
            ties="ab",
            score=measured(0.01),
            bands=(0.5, 0.75),
            isolation="none",
            finished="2026-03-01T10",
            hashes={"record": "b" * 64},
        ),
        replace(
            gamma,
            rank=RankInterval(3, 3, 3),
            bars="·",
            ties="b",
            score=measured(0.3, 0.2, 0.4, mismatched=band(0.1, 0.28)),
            bands=(-0.5, 1.0),
            controls=controls(0.25, scores=True, no_evidence=True),
            finished="2026-03-02T10",
            hashes={"record": "e" * 64},
        ),
    )
    return replace(ranking, rows=rows)


@pytest.fixture
def ranking(records):
    return ranked(records)


def ablation(row, system, full, difference, ci95, p, *, whole, **more):
    beside = Beside(full, difference, ci95, p, whole)
    return replace(row, system=system, rank=None, beside=beside, seeds=(), **more)


def notes_of(ranking, **more):
    """The notes that follow the tables."""
    return "".join(f"{line}\n" for line in comments(board_notes(ranking, **more)))


def tables(text):
    """The environments of a text."""
    return re.findall(r"\\begin\{table\*?\}\n.*?\\end\{table\*?\}\n", text, re.S)


def lines_of(text):
    """The lines of a text's first table between its rules, without commands of their own."""
    return text.split("\\toprule\n")[1].split("\\bottomrule")[0].splitlines()


def caption_of(text):
    return re.findall(r"\\caption\{(.*)\}\n", text)[0]


def test_a_board_is_a_table_of_systems_with_those_below_the_line_and_its_notes(ranking):
    text = board_latex(ranking, ranking.rows)
    above, commands, table = re.split(r"((?:\\providecommand.*\n)+)", text)
    assert commands.count("\n") == 5
    assert above == (
        f"{HEAD}3 systems, 3 subjects\n\\begin{{table*}}\n\\centering\n"
        f"\\caption{{{FIRST} {BARS} {BLIND} Unseen stimuli: 1 of 4 (declared).}}\n"
        "\\label{tab:simulated-held-out-subjects-test-mel}\n\\smallskip\n\\footnotesize\n"
        "\\setlength{\\tabcolsep}{3pt}\n"
    )
    assert table == (
        SMALLER
        + r"""\begin{tabular}{@{}lllrrrrr@{}}
\toprule
rank & ties & system & mean r & \shortstack{95 \%\\interval} & \shortstack{over\\seeds} & chance & \shortstack{without\\the EEG} \\
\midrule
1 (1--2) & \tiefirst{} & alpha & 0.5000 & {[0.4000, 0.6000]} & $\pm$ 0.3536 (2) & {[$-$0.0100, 0.0200]} & $-$0.0020 \\ % date 2026-02-02, record of 2 seeds
2 (1--2) & \tielast{} & beta\_2 (not isolated) & 0.0100 &  &  & {[$-$0.0100, 0.0200]}\textsuperscript{a} & not measured \\ % date 2026-03-01, record bbbbbbbbbbbb
\midrule
\multicolumn{8}{@{}l@{}}{Below the line, since a control says that the score may not come from the EEG:} \\
3 & \tienone{} & gamma & 0.3000 & {[0.2000, 0.4000]} &  & {[$-$0.0100, 0.2800]}\textsuperscript{b} & 0.2500\textsuperscript{c} \\ % date 2026-03-02, record eeeeeeeeeeee
\bottomrule
\end{tabular}}

\smallskip\parbox{\linewidth}{\footnotesize \textsuperscript{a} indistinguishable from chance; \textsuperscript{b} common to segments; \textsuperscript{c} scores without the EEG, no evidence of using the EEG.}
\end{table*}

"""
        + notes_of(ranking)
    )


def test_in_another_order_ties_are_letters_and_bands_are_columns(ranking):
    text = board_latex(ranking, ranking.rows[1::-1], bands=True, bars=False)
    assert caption_of(text) == f"{FIRST} {LETTERS} {BLIND} Unseen stimuli: 1 of 4 (declared)."
    assert lines_of(text) == [
        r"rank & ties & system & mean r & \shortstack{95 \%\\interval} & \shortstack{over\\seeds} & chance"
        r" & \shortstack{without\\the EEG} & band 1 & band 2 \\",
        r"\midrule",
        r"2 (1--2) & ab & beta\_2 (not isolated) & 0.0100 &  &  & {[$-$0.0100, 0.0200]}\textsuperscript{a}"
        r" & not measured & 0.5000 & 0.7500 \\ % date 2026-03-01, record bbbbbbbbbbbb",
        r"1 (1--2) & a & alpha & 0.5000 & {[0.4000, 0.6000]} & $\pm$ 0.3536 (2) & {[$-$0.0100, 0.0200]}"
        r" & $-$0.0020 & 0.1250 & 0.2500 \\ % date 2026-02-02, record of 2 seeds",
    ]
    assert "providecommand" not in text
    assert text.endswith("\n\\end{table*}\n\n" + notes_of(ranking, bars=False))


def test_unseen_stimuli_that_differ_are_a_column_and_no_part_of_the_caption(ranking):
    alpha, beta, _ = ranking.rows
    rows = [replace(alpha, stimuli=stimuli(0.25, 0.75)), replace(beta, overlap=seen(4), seeds=alpha.seeds)]
    text = board_latex(ranking, rows)
    assert caption_of(text) == f"{FIRST} {BARS} {BLIND}"
    assert "\\begin{tabular}{@{}lllrrrrrlrr@{}}\n" in text
    assert lines_of(text)[0].endswith(r" & \shortstack{unseen\\stimuli} & on unseen & on seen \\")
    assert lines_of(text)[2].split(" & ", 8)[8] == (
        r"1 of 4 (declared) & 0.2500 & 0.7500 \\ % date 2026-02-02, record of 2 seeds"
    )
    assert lines_of(text)[3].split(" & ", 8)[8] == (
        r"0 of 4 (declared) &  &  \\ % date 2026-03-01, record of 2 seeds"
    )


def test_only_systems_below_the_line_are_one_part(ranking):
    text = board_latex(ranking, ranking.rows[2:])
    assert lines_of(text)[1:] == [
        r"\midrule",
        r"\multicolumn{7}{@{}l@{}}{Below the line, since a control says that the score may not come from the EEG:} \\",
        r"3 & \tienone{} & gamma & 0.3000 & {[0.2000, 0.4000]} & {[$-$0.0100, 0.2800]}\textsuperscript{a}"
        r" & 0.2500\textsuperscript{b} \\ % date 2026-03-02, record eeeeeeeeeeee",
    ]


def test_a_board_of_partial_records_has_a_table_without_rows_and_its_title_as_caption(records):
    part = structs.replace(records[0].record.flags, partial=True)
    ranking = rank(
        board_of(BOARD, [replace(one, record=structs.replace(one.record, flags=part)) for one in records])
    )
    assert board_latex(ranking, ranking.rows, seeds=True) == (
        f"{HEAD}0 systems, 0 subjects\n\\begin{{table}}\n\\centering\n"
        f"\\caption{{{DATA}: 0 systems, 0 subjects.}}\n"
        "\\label{tab:simulated-held-out-subjects-test-mel}\n\\smallskip\n\\footnotesize\n"
        "\\setlength{\\tabcolsep}{3pt}\n{%\n\\begin{tabular}{@{}l@{}}\n\\toprule\n \\\\\n\\midrule\n\\bottomrule\n"
        "\\end{tabular}}\n\\end{table}\n\n" + notes_of(ranking)
    )


def test_a_caption_says_what_needs_no_brain(records):
    score = WithoutBrain(value=0.25, ci95=None, subjects={}, measures={"pearson_r": 0.25})
    ranking = ranked(
        [
            replace(one, record=structs.replace(one.record, without_brain={"constant": score}))
            for one in records
        ]
    )
    text = board_latex(ranking, ranking.rows)
    assert caption_of(text) == (
        f"{FIRST} {BARS} {BLIND} Without any brain: the training part's mean: r 0.2500. Unseen stimuli: 1 of 4"
        " (declared)."
    )
    assert text.endswith(notes_of(ranking))


@pytest.mark.parametrize(
    ("changes", "rank_cell", "chance", "blind", "notes"),
    [
        ({"rank": None}, "not ranked", "{[$-$0.0100, 0.0200]}", "$-$0.0020", []),
        ({"rank": RankInterval(4, 4, 4)}, "4", "{[$-$0.0100, 0.0200]}", "$-$0.0020", []),
        ({"rank": RankInterval(4, 3, 4)}, "4 (3--4)", "{[$-$0.0100, 0.0200]}", "$-$0.0020", []),
        ({"rank": RankInterval(4, 4, 5)}, "4 (4--5)", "{[$-$0.0100, 0.0200]}", "$-$0.0020", []),
        ({"score": measured(0.5, chance=None)}, "1 (1--2)", "", "$-$0.0020", []),
        (
            {"score": measured(0.01, chance=(-0.3, -0.2), mismatched=band(0.1, 0.2)), "controls": None},
            "1 (1--2)",
            r"{[$-$0.3000, 0.2000]}\textsuperscript{a}",
            "not measured",
            ["indistinguishable from chance, common to segments"],
        ),
        (
            {"score": measured(-0.5), "controls": controls(0.5, scores=True)},
            "1 (1--2)",
            r"{[$-$0.0100, 0.0200]}\textsuperscript{a}",
            r"0.5000\textsuperscript{b}",
            ["below chance: look for the sign", "scores without the EEG"],
        ),
    ],
)
def test_what_is_said_of_a_score_in_words_is_a_note(ranking, changes, rank_cell, chance, blind, notes):
    row = replace(ranking.rows[0], seeds=(), **changes)
    text = board_latex(ranking, [row])
    cells = lines_of(text)[-1].split(r" \\")[0].split(" & ")
    assert (cells[0], *cells[5:]) == (rank_cell, chance, blind)
    said = [rf"\textsuperscript{{{letter}}} {words}" for letter, words in zip("ab", notes, strict=False)]
    below = f"\n\\smallskip\\parbox{{\\linewidth}}{{\\footnotesize {'; '.join(said)}.}}\n" if notes else ""
    assert re.search(r"\\end\{tabular\}\}\n(.*?)\\end\{table\*?\}\n", text, re.S)[1] == below


def test_ablations_are_a_part_for_each_full_net_with_weights_and_flags_as_notes(ranking):
    alpha, beta, gamma = ranking.rows
    ablations = (
        ablation(beta, "alpha (less_1)", "alpha", -0.25, (-0.5, 0.125), 0.06, whole=False),
        ablation(gamma, "beta (less)", "beta_2", 0.5, None, 0.05, whole=True),
        ablation(alpha, "alpha (less 2)", "alpha", 0.125, (0.1, 0.2), 0.012345, whole=True),
        ablation(
            alpha,
            "alpha (less 3)",
            "alpha",
            0.125,
            (0.1, 0.2),
            0.5,
            whole=False,
            controls=controls(0.0, scores=True),
            finished="",
        ),
    )
    ranking = replace(ranking, ablations=ablations)
    text = board_latex(ranking, ranking.rows)
    table = tables(text)[1]
    assert text.endswith(f"\\end{{table*}}\n\n{table}\n{notes_of(ranking)}")
    assert table == (
        "\\begin{table*}\n\\centering\n"
        f"\\caption{{Ablations, each beside its own full net, on {DATA}, 3 subjects; Holm over each net's ablations.}}\n"
        "\\label{tab:simulated-held-out-subjects-test-mel-ablations}\n\\smallskip\n\\footnotesize\n"
        "\\setlength{\\tabcolsep}{3pt}\n"
        + SMALLER
        + r"""\begin{tabular}{@{}lrrrrrlr@{}}
\toprule
ablation & mean r & \shortstack{95 \%\\interval} & difference & \shortstack{its 95 \%\\interval} & p (Holm) & \shortstack{told\\apart} & \shortstack{without\\the EEG} \\
\midrule
\multicolumn{8}{@{}l@{}}{mean r less that of alpha:} \\
alpha (less\_1) (not isolated) & 0.0100 &  & $-$0.2500 & {[$-$0.5000, $+$0.1250]} & 0.06 & no\textsuperscript{a} & not measured \\ % date 2026-03-01, record bbbbbbbbbbbb
alpha (less 2) & 0.5000 & {[0.4000, 0.6000]} & +0.1250 & {[$+$0.1000, $+$0.2000]} & 0.0123 & yes & $-$0.0020 \\ % date 2026-02-02, record aaaaaaaaaaaa
alpha (less 3) & 0.5000 & {[0.4000, 0.6000]} & +0.1250 & {[$+$0.1000, $+$0.2000]} & 0.5 & no\textsuperscript{a} & 0.0000\textsuperscript{b} \\ % record aaaaaaaaaaaa
\midrule
\multicolumn{8}{@{}l@{}}{mean r less that of beta\_2:} \\
beta (less) & 0.3000 & {[0.2000, 0.4000]} & +0.5000 &  & 0.05 & yes & 0.2500\textsuperscript{c} \\ % date 2026-03-02, record eeeeeeeeeeee
\bottomrule
\end{tabular}}

\smallskip\parbox{\linewidth}{\footnotesize \textsuperscript{a} compared as weights, not as architectures; \textsuperscript{b} scores without the EEG; \textsuperscript{c} scores without the EEG, no evidence of using the EEG.}
\end{table*}
"""
    )


def test_every_training_is_a_row_on_request(ranking):
    beta = ranking.rows[1]
    own = replace(
        ablation(beta, "alpha (less)", "alpha", -0.25, (-0.5, 0.125), 0.06, whole=True),
        seeds=(trained(3, "f", 0.5),),
    )
    ranking = replace(ranking, ablations=(own,))
    text = board_latex(ranking, ranking.rows, seeds=True)
    table = tables(text)[2]
    assert text.endswith(f"\\end{{table*}}\n\n{table}\n{notes_of(ranking)}")
    assert table == (
        "\\begin{table}\n\\centering\n"
        f"\\caption{{Every training by itself on {DATA}, 3 subjects; intervals over subjects.}}\n"
        "\\label{tab:simulated-held-out-subjects-test-mel-trainings}\n\\smallskip\n\\footnotesize\n"
        "\\setlength{\\tabcolsep}{3pt}\n"
        + SMALLER
        + r"""\begin{tabular}{@{}lrrr@{}}
\toprule
system & seed & mean r & \shortstack{95 \%\\interval} \\
\midrule
alpha & 1 & 0.2500 & {[0.1000, 0.3000]} \\ % date 2026-02-01, record cccccccccccc
alpha & 2 & 0.7500 & {[0.1000, 0.3000]} \\ % date 2026-02-02, record dddddddddddd
alpha (less) & 3 & 0.5000 & {[0.1000, 0.3000]} \\ % date 2026-02-03, record ffffffffffff
\bottomrule
\end{tabular}}
\end{table}
"""
    )
    assert tables(board_latex(ranking, ranking.rows)) == tables(text)[:2]
    assert len(tables(board_latex(replace(ranking, ablations=()), ranking.rows[1:], seeds=True))) == 1
