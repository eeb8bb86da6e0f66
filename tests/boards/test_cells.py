"""A board and its rows in words and as plain values: whole titles, notes, rows, and every number's digits."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from documents import record_of
from msgspec import structs

from harness.boards.board import Board, BoardName, BoardRecord, board_of
from harness.boards.cells import (
    ablation_cells,
    board_notes,
    board_title,
    chance_cell,
    left_out_files,
    over_seeds,
    rank_values,
    ranked_words,
    resolution_words,
    row_cells,
    row_values,
    seed_cells,
    span,
    without_brain_notes,
    without_eeg,
)
from harness.boards.ranking import Change, rank
from harness.boards.resolution import Resolution
from harness.boards.row import Beside, Row, SeedRow
from harness.boards.sentences import board_sentence
from harness.errors import Fault
from harness.records.bands import ChanceBand, ChanceBands
from harness.records.controls import BlindResult, Controls, Difference
from harness.records.measured import Measured, MeasureResult
from harness.records.record import Overlap
from harness.records.stimuli import SeenAndUnseen, StimulusGroup
from harness.records.without_brain import WithoutBrain
from harness.scoring.measures import MEASURES
from harness.scoring.statistics import RankInterval

BOARD = BoardName("simulated", "held-out-subjects", "test", "mel")
DATA = "simulated data (no real EEG), split held-out-subjects, part test, feature mel"
CHANCE = ChanceBands(
    circular_shifts=ChanceBand(low=-0.01, mean=0.0, high=0.012, scores=100),
    mismatched_segments=ChanceBand(low=-0.02, mean=0.0, high=0.011, scores=100),
)
BLIND = BlindResult(
    value=0.00126,
    ci95=(-0.1, 0.1),
    chance=CHANCE,
    subjects={"s": 0.00126},
    segments=4,
    sampled=False,
    difference=Difference(value=0.12224, ci95=None, p=0.25, subjects={"s": 0.12224}),
)
CLEAN = Controls(blind=BLIND, scores_without_eeg=False, no_evidence_of_using_eeg=False)
FLAGGED = Controls(blind=BLIND, scores_without_eeg=True, no_evidence_of_using_eeg=True)
RANKS = (
    " Rank: by the mean; in brackets, from 1 and the number that are significantly better to all less those"
    " that are significantly worse."
)
FLIPS = "paired sign-flip test over subjects"
T_TEST = "t over subjects and seeds, Satterthwaite's degrees of freedom"
ONE_EACH = (
    "One training of each system: this board compares weights, not architectures. What it tells apart, other"
    " seeds may not."
)
DEMONSTRATION = "A demonstration: whoever has the recipe has the labels, and no number is proof."
CONTROLS_NOTE = (
    "Without the EEG: what the system scores on surrogates of the same segments, EEG from which what was heard is"
    " taken out."
)
OVERLAP_NOTE = (
    "Unseen stimuli: by the records of training, verified where this machine trained the weights and scored"
    " them, and declared, their author's word, everywhere else."
)
TRANSFER_NOTE = (
    "Transfer: weights that were trained on the corpus and split that are named, not on this board's training part;"
    " whom and what they have seen is told by names."
)
CHANNELS_NOTE = "Without channels: these are zero in all that the system was given."
ABLATIONS_NOTE = (
    "Ablations are compared with their own full net only, Holm over that net's ablations; --all ranks them with"
    " all others."
)


def made(name, scores=(0.1, 0.2, 0.3), **changes):
    """A record of a board, in memory."""
    return BoardRecord.made(Path("results"), record_of(name, scores, **changes))


def by_cosine(one, *names):
    """The same, on a split that the cosine ranks."""
    values = {name: result.pearson_r for name, result in one.record.subjects.items()}
    cosine = MeasureResult(value=0.2, ci95=None, chance=CHANCE, subjects=values, segments_undefined=0)
    split = structs.replace(one.record.split, measures=("cosine", *names))
    return replace(one, record=structs.replace(one.record, split=split, measures={"cosine": cosine}))


def heard(one):
    """The same, with scores on seen and unseen stimuli."""
    values = {name: result.pearson_r for name, result in one.record.subjects.items()}
    group = StimulusGroup(value=0.2, ci95=None, subjects=values, segments=8)
    return replace(one, record=structs.replace(one.record, stimuli=SeenAndUnseen(seen=group, unseen=group)))


def ranked(*records, name=BOARD, left_out=()):
    return rank(board_of(name, records, left_out))


def with_rows(ranking, **values):
    """A ranking of which all rows have values."""
    return replace(ranking, rows=tuple(replace(row, **values) for row in ranking.rows))


@pytest.fixture
def two():
    """A ranking of two systems."""
    return ranked(made("one", (0.5, 0.6, 0.7)), made("two"))


def seed_row(seed, value, ci95=(0.1, 0.2)):
    score = Measured(MEASURES["pearson_r"], value, ci95, CHANCE, {"s": value})
    return SeedRow(seed, score, f"2026-02-0{seed + 1}T00:00:00Z", f"{seed}" * 64, None)


def row(**changes):
    """A row of which every value is another one."""
    values = {
        "system": "alpha (wide)",
        "name": "alpha",
        "variant": "wide",
        "version": "1.2.3",
        "kind": "submission",
        "members": (),
        "rank": RankInterval(2, 1, 3),
        "ties": "ab",
        "bars": "┌·",
        "beside": None,
        "seeds": (),
        "is_architecture": False,
        "score": Measured(MEASURES["pearson_r"], 0.12345, (0.1, 0.15), CHANCE, {"s": 0.1, "t": 0.2}),
        "further": (),
        "measures": (),
        "constant_cosine": None,
        "overlap": Overlap(subjects_seen=1, subjects=2, stimuli_seen=3, stimuli=7),
        "training": "declared",
        "stimuli": None,
        "bands": (0.11111, 0.13579),
        "controls": CLEAN,
        "flags": (),
        "weights_notes": (),
        "corpus_kind": "real",
        "finished": "2026-01-02T03:04:05Z",
        "seed": 0,
        "scorer_version": 1,
        "environment": {},
        "hashes": {"record": "0123456789abcdef" * 4, "split": "9" * 64},
        "stimuli_missing": (),
        "isolation": "landlock",
        "fresh": False,
    }
    return Row(**{**values, **changes})


def measured(name, value, ci95=(0.4, 0.6), chance=CHANCE):
    return Measured(MEASURES[name], value, ci95, chance, {"s": value, "t": value})


# Titles


def test_a_title_says_what_data_which_part_by_what_and_how_many():
    one, other = made("one"), made("two")
    assert board_title(board_of(BOARD, [one, other])) == f"{DATA}: 2 systems, 3 subjects"
    assert board_title(board_of(BOARD, [made("one", [0.1])])) == f"{DATA}: 1 system, 1 subject"
    real = made("one", corpus={"kind": "real"})
    name = BoardName("a\nb", "c\td", "e\x1bf", "g\x00h")
    assert board_title(board_of(name, [real])) == (
        "a\\nb, split c\\td, part e\\x1bf, feature g\\x00h: 1 system, 3 subjects"
    )
    flagged = made("one", split={"flag": "seen before"})
    assert board_title(board_of(BOARD, [flagged])) == (
        "simulated data (no real EEG), split held-out-subjects (seen before), part test, feature mel: 1 system, 3"
        " subjects"
    )
    assert board_title(board_of(BOARD, [by_cosine(one)])) == (
        f"{DATA}, ranked by cosine: 1 system, 3 subjects"
    )
    assert board_title(board_of(BOARD, [heard(one)])) == (
        f"{DATA}, ranked on unseen stimuli: 1 system, 3 subjects"
    )
    assert board_title(board_of(BOARD, [heard(by_cosine(one))])) == (
        f"{DATA}, ranked by cosine on unseen stimuli: 1 system, 3 subjects"
    )


def test_where_lower_is_better_the_words_say_so():
    assert ranked_words(MEASURES["pearson_r"]) == "ranked by Pearson r"
    lower = replace(MEASURES["cosine"], title="distance", higher_is_better=False)
    assert ranked_words(lower) == "ranked by distance (lower is better)"


# Notes


def test_a_system_alone_has_nothing_to_be_compared_with():
    alone = ranked(made("one"))
    assert board_notes(alone) == [DEMONSTRATION, board_sentence(alone)]
    assert board_sentence(alone)


def test_two_systems_have_notes_on_ties_and_on_what_is_compared(two):
    resolution = resolution_words(two.resolution)
    rest = [ONE_EACH, resolution, DEMONSTRATION, board_sentence(two)]
    holm = f"others can ({FLIPS}; Holm, 0.05).{RANKS} Intervals: t interval over 3 subjects, 95 %."
    assert board_notes(two) == [f"Systems on one bar cannot be told apart, {holm}", *rest]
    assert board_notes(two, bars=False) == [
        f"Systems that share a letter cannot be told apart, {holm}",
        *rest,
    ]


@pytest.mark.parametrize(
    ("pairs", "tests"),
    [
        ((), FLIPS),
        (((0, 1), (1, 0)), f"{T_TEST}; {FLIPS}"),
        (((0, 1), (1, 0), (0, 2), (2, 0), (1, 2), (2, 1)), T_TEST),
    ],
)
def test_the_tests_are_those_of_the_pairs(pairs, tests):
    three = ranked(made("one", (0.5, 0.6, 0.7)), made("two"), made("three"))
    architectures = np.zeros((3, 3), dtype=bool)
    for pair in pairs:
        architectures[pair] = True
    three = replace(three, architectures=architectures)
    assert f"cannot be told apart, others can ({tests}; Holm, 0.05)." in board_notes(three)[0]


def test_intervals_are_over_seeds_too_where_one_system_has_several(two):
    rows = (replace(two.rows[0], seeds=(seed_row(0, 0.1), seed_row(1, 0.2))), two.rows[1])
    assert board_notes(replace(two, rows=rows))[0].endswith(
        " Intervals: t interval over 3 subjects, and t over subjects and seeds, 95 %."
    )


SEEDS = (seed_row(0, 0.1), seed_row(1, 0.2), seed_row(2, 0.4))
SEVERAL = {"seeds": SEEDS, "is_architecture": True}
FIXED = {"is_architecture": True}


@pytest.mark.parametrize(
    ("kinds", "said"),
    [
        ([{}, {}], ONE_EACH),
        (
            [SEVERAL, {}],
            "Several trainings: s0 (3 trainings). One training of each other system: this board compares weights,"
            " not architectures. What it tells apart, other seeds may not.",
        ),
        (
            [SEVERAL, {**SEVERAL, "seeds": SEEDS[:2]}, {}],
            "Several trainings: s0 (3 trainings); s1 (2 trainings). One training of each other system: this board"
            " compares weights, not architectures. What it tells apart, other seeds may not.",
        ),
        (
            [SEVERAL, FIXED],
            "Compared are architectures: over subjects, and over the seeds of their trainings.",
        ),
    ],
)
def test_a_board_of_weights_or_of_architectures_alone_says_so(kinds, said):
    whole = ranked(*(made(f"s{k}", (0.5, 0.6, 0.7 - k / 10)) for k in range(len(kinds))))
    rows = tuple(replace(one, **kind) for one, kind in zip(whole.rows, kinds, strict=True))
    assert board_notes(replace(whole, rows=rows))[1] == said


@pytest.mark.parametrize(
    ("n_single", "said"),
    [
        (1, "One training only: s3; what is said of it holds"),
        (2, "One training only: s3, s4; what is said of them holds"),
        (8, "One training only: s3, s4, s5, s6, s7, s8, s9, t0; what is said of them holds"),
        (9, "One training only: 9 systems; what is said of them holds"),
    ],
)
def test_a_board_of_both_says_which_are_compared_as_what(n_single, said):
    names = [f"s{k}" for k in range(10)] + ["t0", "t1"]
    whole = ranked(*(made(name, (0.5, 0.6, 0.7)) for name in names[: 3 + n_single]))
    rows = tuple(
        replace(one, **kind)
        for one, kind in zip(whole.rows, [SEVERAL, SEVERAL, FIXED] + [{}] * n_single, strict=True)
    )
    architectures = np.zeros((len(rows), len(rows)), dtype=bool)
    architectures[0, 1] = architectures[1, 0] = True
    assert board_notes(replace(whole, rows=rows, architectures=architectures))[1] == (
        "Compared as architectures, over subjects and seeds: s0 (3 trainings); s1 (3 trainings); s2 (draws nothing"
        f" at random). {said} for these weights, over subjects."
    )


def test_every_note_stands_in_its_place(two):
    whole = with_rows(
        two, controls=CLEAN, overlap=Overlap(subjects_seen=1, subjects=2, stimuli_seen=1, stimuli=2)
    )
    rows = (
        replace(whole.rows[0], weights_notes=("first\nnote", "both"), transfer="dtu/dtu"),
        replace(whole.rows[1], weights_notes=("both",)),
    )
    some = made("half", flags=structs.replace(two.board.records[0].record.flags, partial=True))
    (partial,) = ranked(some).partial
    alone = replace(partial, score=replace(partial.score, value=0.98765, subjects={"s": 1.0}))
    names = tuple(f"audio-{k}" for k in range(9))
    missing = (replace(partial, system="others", stimuli_missing=names), replace(alone, system="alone"))
    ablation = replace(rows[0], channels_excluded=("3",), transfer=None)
    one = structs.replace(two.board.records[0].record, without_brain={"constant": nothing(0.3)})
    board = replace(
        two.board,
        records=(replace(two.board.records[0], record=one), two.board.records[1]),
        left_out=(Fault("b.json: score", "x"), Fault("a\n.json", "x")),
    )
    ranking = replace(
        whole,
        board=board,
        records=board.records,
        rows=rows,
        ablations=(ablation,),
        partial=missing,
        changes=(Change("one", "two", 9, 2.5), Change("one", "three", 1, 1.0)),
    )
    assert board_notes(ranking) == [
        board_notes(two)[0],
        ONE_EACH,
        resolution_words(two.resolution),
        "Over seeds change places: one and two in 2.5 of 9 pairs; one and three in 1 of 1 pair.",
        ABLATIONS_NOTE,
        CONTROLS_NOTE,
        "Without any brain: the training part's mean: r 0.3000.",
        OVERLAP_NOTE,
        TRANSFER_NOTE,
        CHANNELS_NOTE,
        DEMONSTRATION,
        "Not ranked, scored on 1 subject only: alone 0.9877.",
        "Not ranked, scored without audio-0, audio-1, audio-2, audio-3, audio-4, audio-5, audio-6, audio-7 and 1"
        " more: others 0.2000.",
        "Weights of one: first\\nnote.",
        "Weights of one, two: both.",
        "Left out, since it does not hold together: a\\n.json, b.json.",
        board_sentence(ranking),
    ]


def test_a_note_of_some_rows_is_there_where_one_row_has_it(two):
    plain = board_notes(two)
    for values, note in (
        ({"controls": CLEAN}, CONTROLS_NOTE),
        ({"overlap": Overlap(subjects_seen=1, subjects=2, stimuli_seen=1, stimuli=2)}, OVERLAP_NOTE),
        ({"transfer": "dtu/dtu"}, TRANSFER_NOTE),
        ({"channels_excluded": ("Cz",)}, CHANNELS_NOTE),
    ):
        changed = replace(two, rows=(two.rows[0], replace(two.rows[1], **values)))
        assert [one for one in board_notes(changed) if one not in plain] == [note]


def test_weights_of_other_boards_and_channels_are_explained_for_rows_that_are_not_ranked_too(two):
    for values, note in (
        ({"transfer": "dtu/dtu"}, TRANSFER_NOTE),
        ({"channels_excluded": ("3",)}, CHANNELS_NOTE),
    ):
        other = replace(two.rows[0], **values)
        assert note in board_notes(replace(two, ablations=(other,)))
        assert note in board_notes(replace(two, partial=(replace(other, rank=None),)))


def test_channels_that_the_split_excludes_are_named():
    names = tuple(f"E{k}" for k in range(9))
    split = {"channels_excluded": names}
    words = "channels E0, E1, E2, E3, E4, E5, E6, E7 and 1 more"
    note = f"The split excludes {words}: zero for every system."
    assert board_notes(ranked(made("one", split=split)))[0] == note
    some = ranked(made("one", (0.5, 0.6, 0.7)), made("two", split=split))
    assert note in board_notes(some)


@pytest.mark.parametrize(
    ("n_old", "n_new", "said"),
    [
        (1, 1, "Intervals of old-0"),
        (8, 1, "Intervals of old-0, old-1, old-2, old-3, old-4, old-5, old-6, old-7"),
        (9, 1, "Intervals of 9 systems"),
        (2, 0, "All intervals"),
        (9, 0, "All intervals"),
    ],
)
def test_intervals_of_another_version_are_named(n_old, n_new, said):
    old = [made(f"old-{k}", statistics_version=1) for k in range(n_old)]
    notes = board_notes(ranked(*old, *(made(f"x-{k}") for k in range(n_new))))
    found = [note for note in notes if "another version" in note]
    assert found == [f"{said} are of another version of the harness: score again."]


def test_a_corpus_with_a_remark_has_it_under_its_boards():
    name = BoardName("dtu", "dtu", "test", "mel")
    real = made("one", corpus={"name": "dtu", "kind": "real"})
    whole = ranked(real, name=name)
    assert board_notes(whole) == [
        "dtu: all recordings are of one stimulus, 50 s of speech: on the split dtu every system has heard in"
        " training what is asked; dtu-unheard trains on the first half of it and asks for the second.",
        "Labels are public, and on public labels no number is proof.",
        board_sentence(whole),
    ]
    held = made("one", corpus={"name": "sparrkulee", "kind": "real", "labels": "held back"})
    whole = ranked(held, name=BoardName("sparrkulee", "x", "test", "mel"))
    assert board_notes(whole) == [
        "Labels are held back: nobody but the organiser has them.",
        board_sentence(whole),
    ]


def test_a_board_without_ranked_systems_has_no_sentence():
    assert board_notes(rank(Board(BOARD, ()))) == ["Labels are held back: nobody but the organiser has them."]
    flags = structs.replace(made("one").record.flags, partial=True)
    assert board_notes(ranked(made("half", flags=flags))) == [
        DEMONSTRATION,
        "Not ranked, scored on 3 subjects only: half 0.2000.",
    ]


def nothing(value, **measures):
    return WithoutBrain(value=value, ci95=None, subjects={}, measures=measures or {"pearson_r": value})


def test_what_needs_no_brain_is_said_by_each_measure_in_one_note():
    assert without_brain_notes(Board(BOARD, ())) == []
    rows = {
        "constant": nothing(0.5, cosine=0.51239, cosine_gain=0.0),
        "another_second": nothing(0.5, cosine_gain=-0.12346, pearson_r=0.9),
        "stimulus_known": nothing(0.5, pearson_r=0.25),
    }
    one = by_cosine(made("one", without_brain=rows), "cosine_gain")
    assert without_brain_notes(board_of(BOARD, [one])) == [
        "Without any brain: the training part's mean: cosine 0.5124, gain in cosine 0.0000; another second of the"
        " same stimulus: gain in cosine -0.1235; the mean of the same stimulus in the training part: ."
    ]


def test_what_is_wrong_is_told_by_file_in_order():
    faults = [
        Fault("x/b.json: score", "1"),
        Fault("x/a.json", "2"),
        Fault("x/b.json", "3"),
        Fault("x/b.json: ci95.json: end", "4"),
        Fault("x/c.json.json: score", "5"),
        Fault("x/c.json.json", "6"),
    ]
    files = left_out_files(Board(BOARD, (), left_out=tuple(faults)))
    assert list(files.items()) == [
        ("x/a.json", [faults[1]]),
        ("x/b.json", [faults[0], faults[2], faults[3]]),
        ("x/c.json.json", [faults[4], faults[5]]),
    ]


# What a board could show

FOUND = Resolution(
    n_pairs=6,
    n_subjects=12,
    level=0.05 / 6,
    least_p=0.12345678,
    only_signs=False,
    hopeless=0,
    difference=0.01239,
    first_two=("one", "two"),
    subjects=12345,
    seeds_limit=False,
)
WORDS = "Resolution: with 12 subjects and 6 pairs of systems, a difference of 0.0124 is found with 80 % power"
APART = " To tell the first two apart, one and two, takes 12,345 subjects."
FEW = "where so few subjects show none, whatever the difference"
BEHIND = "which so few subjects tell apart only if enough of the first are told apart"
NONE_TELLS = "No number of subjects tells the first two apart, one and two: it takes"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, f"{WORDS}.{APART}"),
        ({"only_signs": True}, f"{WORDS}.{APART}"),
        ({"hopeless": 1}, f"{WORDS} in 5 of them; the other is of single trainings, {FEW}.{APART}"),
        ({"hopeless": 2}, f"{WORDS} in 4 of them; the 2 others are of single trainings, {FEW}.{APART}"),
        (
            {"subjects": None},
            f"{WORDS}. {NONE_TELLS} a larger difference.",
        ),
        (
            {"subjects": None, "seeds_limit": True},
            f"{WORDS}. {NONE_TELLS} more trainings.",
        ),
        (
            {"difference": None},
            "12 subjects cannot separate anything here: with 6 pairs of systems no difference that a score can"
            " have is found.",
        ),
        (
            {"difference": None, "only_signs": True, "n_pairs": 1, "n_subjects": 1},
            "1 subject cannot separate anything here: with 1 pair of systems Holm's p is never below 0.1235,"
            " whatever the difference.",
        ),
        (
            {"subjects": None, "hopeless": 1},
            f"{WORDS} in 5 of them; the other is of single trainings, {FEW}. {NONE_TELLS} a larger difference.",
        ),
        (
            {"subjects": None, "behind": 2},
            f"{WORDS} in 4 of them; the 2 others are of single trainings, {BEHIND}. {NONE_TELLS} a larger"
            " difference.",
        ),
        ({"behind": 1}, f"{WORDS} in 5 of them; the other is of single trainings, {BEHIND}.{APART}"),
        ({"difference": 0.0}, f"{WORDS.replace('0.0124', '0.0000')}.{APART}"),
        ({"subjects": 0}, f"{WORDS}.{APART.replace('12,345', '0')}"),
    ],
)
def test_a_resolution_in_words(changes, said):
    assert resolution_words(replace(FOUND, **changes)) == said


# Rows for people

CELLS = {
    "rank": "2 (1 to 3)",
    "ties": "┌·",
    "system": "alpha (wide)",
    "mean r": "0.1235",
    "95 % interval": "0.1000 to 0.1500",
    "chance": "-0.0200 to 0.0120",
    "without the EEG": "0.0013",
    "unseen stimuli": "4 of 7 (declared)",
    "date": "2026-01-02",
    "record": "0123456789ab",
}


def test_a_row_has_its_cells_in_their_order():
    cells = row_cells(row())
    assert cells == CELLS
    assert list(cells) == list(CELLS)


def in_order(cells):
    return list(cells.items())


def test_letters_bands_and_stimuli_stand_in_a_row_on_request():
    group = StimulusGroup(value=0.21119, ci95=None, subjects={}, segments=1)
    seen = structs.replace(group, value=0.34567)
    heard_row = row(stimuli=SeenAndUnseen(seen=seen, unseen=group))
    assert row_cells(heard_row) == CELLS
    cells = row_cells(heard_row, bands=True, stimuli=True, bars=False)
    assert in_order(cells) == [
        ("rank", "2 (1 to 3)"),
        ("ties", "ab"),
        ("system", "alpha (wide)"),
        ("mean r", "0.1235"),
        ("95 % interval", "0.1000 to 0.1500"),
        ("chance", "-0.0200 to 0.0120"),
        ("without the EEG", "0.0013"),
        ("unseen stimuli", "4 of 7 (declared)"),
        ("on unseen", "0.2112"),
        ("on seen", "0.3457"),
        ("date", "2026-01-02"),
        ("record", "0123456789ab"),
        ("band 1", "0.1111"),
        ("band 2", "0.1358"),
    ]
    cells = row_cells(row(), stimuli=True)
    assert (cells["on unseen"], cells["on seen"]) == ("", "")


@pytest.mark.parametrize(
    ("changes", "cell", "said"),
    [
        ({"rank": RankInterval(2, 2, 2)}, "rank", "2"),
        ({"rank": None}, "rank", "not ranked"),
        ({"beside": Beside("alpha", -0.1, None, 0.5, False)}, "rank", "ablation of alpha"),
        ({"isolation": "none"}, "system", "alpha (wide) (not isolated)"),
        ({"isolation": "unknown"}, "system", "alpha (wide) (isolation not known)"),
        ({"isolation": None}, "system", "alpha (wide)"),
        ({"controls": None}, "without the EEG", "not measured"),
        (
            {"controls": FLAGGED},
            "without the EEG",
            "0.0013 (scores without the EEG, no evidence of using the EEG)",
        ),
        ({"overlap": None, "training": None}, "unseen stimuli", "not on record"),
        ({"overlap": None, "training": "tampered"}, "unseen stimuli", "TRAINING RECORD CHANGED"),
        ({"training": "verified"}, "unseen stimuli", "4 of 7 (verified)"),
        ({"training": "tampered"}, "unseen stimuli", "4 of 7 (tampered)"),
        ({"seeds": SEEDS}, "over seeds", "± 0.1528 (3)"),
        ({"seeds": SEEDS}, "record", "of 3 seeds"),
    ],
)
def test_a_cell_says_what_the_row_says(changes, cell, said):
    assert row_cells(row(**changes))[cell] == said


def test_the_spread_over_seeds_stands_behind_the_interval():
    headings = list(row_cells(row(seeds=SEEDS)))
    assert headings[3:7] == ["mean r", "95 % interval", "over seeds", "chance"]
    assert over_seeds(row(seeds=SEEDS)) == "± 0.1528 (3)"
    assert over_seeds(row()) == ""


def test_further_measures_stand_in_their_order_and_a_constants_cosine_beside_the_cosine():
    names = ("cosine_gain", "cosine", "song_accuracy")
    own = (measured("cosine_gain", 0.00016), measured("cosine", 0.51239))
    measures = tuple(MEASURES[name] for name in names)
    cells = row_cells(row(measures=measures, further=own, constant_cosine=0.51223))
    assert in_order(cells)[7:] == [
        ("mean gain in cosine", "0.0002"),
        ("mean cosine", "0.5124"),
        ("constant's cosine", "0.5122"),
        ("mean song accuracy", "not measured"),
        ("unseen stimuli", "4 of 7 (declared)"),
        ("date", "2026-01-02"),
        ("record", "0123456789ab"),
    ]
    ranks = row(
        score=measured("cosine", 0.6, None),
        measures=(MEASURES["pearson_r"],),
        further=(measured("pearson_r", 0.03219),),
        constant_cosine=0.51223,
    )
    assert in_order(row_cells(ranks, bands=True))[3:] == [
        ("mean cosine", "0.6000"),
        ("95 % interval", ""),
        ("chance", "-0.0200 to 0.0120"),
        ("without the EEG", "0.0013"),
        ("constant's cosine", "0.5122"),
        ("mean r", "0.0322"),
        ("unseen stimuli", "4 of 7 (declared)"),
        ("date", "2026-01-02"),
        ("record", "0123456789ab"),
        ("r of band 1", "0.1111"),
        ("r of band 2", "0.1358"),
    ]
    without = row(score=measured("cosine", 0.6), measures=measures[1:2])
    assert "constant's cosine" not in row_cells(without)


def test_an_interval_in_words():
    assert span(None) == ""
    assert span((-0.12346, 1.0)) == "-0.1235 to 1.0000"


def test_chance_says_where_it_lies_or_that_the_score_is_no_better():
    common = replace(
        measured("pearson_r", 0.5), chances=structs.replace(
            CHANCE, mismatched_segments=ChanceBand(low=0.3, mean=0.4, high=0.45, scores=1793)
        )
    )  # fmt: skip
    assert chance_cell(common) == "-0.0100 to 0.4500 (common to segments)"
    assert chance_cell(replace(common, value=0.1)) == "indistinguishable from chance (common to segments)"
    assert chance_cell(measured("pearson_r", 0.0)) == "indistinguishable from chance"
    assert chance_cell(measured("pearson_r", 0.5)) == "-0.0200 to 0.0120"
    unknown = ChanceBands(circular_shifts=None, mismatched_segments=None)
    assert chance_cell(measured("pearson_r", 0.5, chance=unknown)) == ""


def test_a_control_is_said_in_one_cell():
    assert without_eeg(row(controls=None)) == "not measured"
    assert without_eeg(row()) == "0.0013"
    blind = structs.replace(CLEAN, scores_without_eeg=True)
    assert without_eeg(row(controls=blind)) == "0.0013 (scores without the EEG)"


def test_an_ablation_stands_beside_its_own_full_net():
    beside = Beside("alpha", -0.01239, (-0.02, 0.00004), 0.012346, True)
    one = row(beside=beside, rank=None, seeds=SEEDS, isolation="none")
    assert in_order(ablation_cells(one)) == [
        ("ablation", "alpha (wide) (not isolated)"),
        ("mean r", "0.1235"),
        ("95 % interval", "0.1000 to 0.1500"),
        ("over seeds", "± 0.1528 (3)"),
        ("less mean r of", "alpha"),
        ("difference", "-0.0124"),
        ("its 95 % interval", "-0.0200 to +0.0000"),
        ("p (Holm)", "0.0123"),
        ("told apart", "yes"),
        ("without the EEG", "0.0013"),
        ("date", "2026-01-02"),
        ("record", "of 3 seeds"),
    ]
    cells = ablation_cells(row(beside=replace(beside, ci95=None, p=0.05, of_architectures=False)))
    assert "over seeds" not in cells
    assert (cells["its 95 % interval"], cells["told apart"]) == ("", "yes, as weights")
    assert cells["record"] == "0123456789ab"
    cells = ablation_cells(row(beside=replace(beside, difference=0.5, p=0.0501)))
    assert (cells["difference"], cells["told apart"]) == ("+0.5000", "no")
    assert ablation_cells(row(beside=replace(beside, p=1.0, of_architectures=False)))["told apart"] == (
        "no, as weights"
    )
    assert ablation_cells(row()) == {}


def test_each_training_has_a_row():
    assert [in_order(cells) for cells in seed_cells(row(seeds=(seed_row(3, 0.12346), seed_row(0, 0.2, None))))] == [
        [
            ("system", "alpha (wide)"),
            ("seed", "3"),
            ("mean r", "0.1235"),
            ("95 % interval", "0.1000 to 0.2000"),
            ("date", "2026-02-04"),
            ("record", "3" * 12),
        ],
        [
            ("system", "alpha (wide)"),
            ("seed", "0"),
            ("mean r", "0.2000"),
            ("95 % interval", ""),
            ("date", "2026-02-01"),
            ("record", "0" * 12),
        ],
    ]  # fmt: skip
    assert seed_cells(row()) == []


# Rows for programs

VALUES = {
    "corpus": "a\\nb",
    "split": "c",
    "part": "d",
    "feature": "e",
    "corpus_kind": "real",
    "rank": 2,
    "rank_low": 1,
    "rank_high": 3,
    "ties": "ab",
    "name": "alpha",
    "variant": "wide",
    "version": "1.2.3",
    "kind": "submission",
    "pearson_r": 0.12345,
    "ci95_low": 0.1,
    "ci95_high": 0.15,
    "chance_low": -0.02,
    "chance_high": 0.012,
    "trainings": 1,
    "sd_over_seeds": None,
    "blind": 0.00126,
    "difference_from_blind": 0.12224,
    "difference_p": 0.25,
    "scores_without_eeg": False,
    "no_evidence_of_using_eeg": False,
    "subjects": 2,
    "subjects_seen": 1,
    "stimuli": 7,
    "stimuli_seen": 3,
    "training": "declared",
    "mean_on_unseen_stimuli": None,
    "mean_on_seen_stimuli": None,
    "isolation": "landlock",
    "finished": "2026-01-02T03:04:05Z",
    "record_sha256": "0123456789abcdef" * 4,
}
NAME = BoardName("a\nb", "c", "d", "e")


def test_a_row_has_its_plain_values_in_their_order():
    assert in_order(row_values(NAME, row())) == in_order(VALUES)


def test_a_row_has_nothing_where_nothing_is_known():
    bare = row(
        overlap=None,
        training=None,
        controls=None,
        rank=None,
        score=measured(
            "pearson_r", 0.5, None, ChanceBands(circular_shifts=None, mismatched_segments=None)
        ),
    )  # fmt: skip
    nothing_known = dict.fromkeys(
        [
            "rank",
            "rank_low",
            "rank_high",
            "ci95_low",
            "ci95_high",
            "chance_low",
            "chance_high",
            "blind",
            "difference_from_blind",
            "difference_p",
            "scores_without_eeg",
            "no_evidence_of_using_eeg",
            "subjects_seen",
            "stimuli",
            "stimuli_seen",
            "training",
        ]
    )
    assert in_order(row_values(NAME, bare)) == in_order({**VALUES, "pearson_r": 0.5, **nothing_known})
    assert rank_values(bare) == {"rank": None, "rank_low": None, "rank_high": None}
    assert rank_values(row()) == {"rank": 2, "rank_low": 1, "rank_high": 3}


def test_a_row_has_further_values_where_there_are_any():
    group = StimulusGroup(value=0.25, ci95=None, subjects={}, segments=1)
    one = row(
        transfer="dtu/dtu",
        channels_excluded=("Cz", "30"),
        constant_cosine=0.4,
        seeds=SEEDS,
        controls=FLAGGED,
        stimuli=SeenAndUnseen(seen=structs.replace(group, value=0.75), unseen=group),
        measures=(MEASURES["cosine"], MEASURES["cosine_gain"]),
        further=(measured("cosine", 0.5),),
    )
    further = {
        "cosine": 0.5,
        "cosine_ci95_low": 0.4,
        "cosine_ci95_high": 0.6,
        "cosine_chance_low": -0.02,
        "cosine_chance_high": 0.012,
        "cosine_gain": None,
        "cosine_gain_ci95_low": None,
        "cosine_gain_ci95_high": None,
        "cosine_gain_chance_low": None,
        "cosine_gain_chance_high": None,
        "transfer": "dtu/dtu",
        "channels_excluded": "Cz 30",
        "constant_cosine": 0.4,
    }
    before = dict(list(VALUES.items())[:18])
    after = {
        **dict(list(VALUES.items())[18:]),
        "trainings": 3,
        "sd_over_seeds": float(np.std([0.1, 0.2, 0.4], ddof=1)),
        "scores_without_eeg": True,
        "no_evidence_of_using_eeg": True,
        "mean_on_unseen_stimuli": 0.25,
        "mean_on_seen_stimuli": 0.75,
    }
    assert in_order(row_values(NAME, one)) == in_order({**before, **further, **after})
