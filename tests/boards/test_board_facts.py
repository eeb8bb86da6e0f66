"""What a board holds: its records in order, those that are left out and why, and the row of each."""

from __future__ import annotations

import dataclasses
import hashlib
import json

import numpy as np
import pytest
from documents import controls_document, with_measures
from msgspec import UNSET, convert
from msgspec.structs import replace

from harness.boards.board import (
    Board,
    BoardName,
    BoardRecord,
    board_names,
    board_of,
    load_board,
    misplaced,
    parse_board,
    strangers,
)
from harness.boards.compared import against_board_text
from harness.boards.ranking import LEVEL, rank, tie_letters
from harness.boards.row import Beside, SeedRow, row_of
from harness.boards.sentences import board_sentence, row_sentence
from harness.errors import HarnessError
from harness.records.controls import Controls
from harness.records.document import plain, record_bytes
from harness.records.record import Member, Overlap, Training, Transfer
from harness.records.stimuli import SeenAndUnseen, StimulusGroup
from harness.scoring.score import SCORER_VERSION
from harness.scoring.statistics import (
    STATISTICS_VERSION,
    RankInterval,
    effect_sizes,
    holm,
    ranks_by_tests,
    sign_flip_test,
)

BOARD = BoardName("simulated", "held-out-subjects", "test", "mel")
SCORES = {"alpha": [0.1, 0.2, 0.3], "beta": [0.3, 0.4, 0.5], "gamma": [0.1, 0.25, 0.25]}


@pytest.fixture
def results(make_record, tmp_path):
    for name, scores in SCORES.items():
        make_record(name, scores)
    return tmp_path / "results"


@pytest.fixture
def records(results):
    """By name."""
    return {one.record.submission.name: one for one in load_board(results, BOARD).records}


def refused(call, *arguments):
    with pytest.raises(HarnessError) as caught:
        call(*arguments)
    return [str(fault) for fault in caught.value.faults]


def changed(one, **values):
    return BoardRecord(one.path, replace(one.record, **values), one.sha256)


def group(subjects, segments=4):
    values = list(subjects.values())
    return StimulusGroup(value=sum(values) / len(values), ci95=None, subjects=subjects, segments=segments)


def stimuli(unseen, segments=4):
    names = [f"sub-{86 + i:03d}" for i in range(len(unseen))]
    both = dict(zip(names, unseen, strict=True))
    return SeenAndUnseen(seen=group(dict.fromkeys(names, 0.5)), unseen=group(both, segments))


# Boards and their names


def test_boards_are_the_folders_with_records_in_order(results, make_record):
    make_record("alpha", [0.1, 0.2], kind="real", feature="envelope")
    (results / "simulated/x/y").mkdir(parents=True)
    (results / "simulated/x/y/notes.json").write_text("{}")
    names = board_names(results)
    assert names == [BOARD, BoardName("sparrkulee", "held-out-subjects", "test", "envelope")]
    assert str(BOARD) == "simulated/held-out-subjects/test/mel"


def test_a_results_folder_without_records_is_refused(tmp_path):
    assert refused(board_names, tmp_path / "none") == [
        f"{tmp_path}/none: no such folder, expected a results folder.\n  Score a submission first, or --results."
    ]
    (tmp_path / "empty").mkdir()
    assert refused(board_names, tmp_path / "empty") == [
        f"{tmp_path}/empty: no record, expected <corpus>/<split>/<part>/<feature>/<name>.json.\n"
        "  Score a submission first: harness score SUBMISSION"
    ]


def test_a_board_is_named_by_four_words():
    assert parse_board("/a/b/c/d/") == BoardName("a", "b", "c", "d")
    assert parse_board("X/b/c/dX/") == BoardName("X", "b", "c", "dX")
    for text, n in (("a/b/c", "3 words"), ("a/b/c/d/e", "5 words"), ("a//c/d", "4 words"), ("", "1 word")):
        assert refused(parse_board, text) == [
            f"--board {text}: {n} between slashes, expected four, CORPUS/SPLIT/PART/FEATURE.\n"
            "  For example: simulated/held-out-subjects/test/mel"
        ]


def test_a_board_that_is_not_there_names_those_that_are(results, make_record):
    make_record("alpha", [0.1], kind="real")
    name = BoardName("dtu", "dtu", "test", "mel")
    assert refused(load_board, results, name) == [
        "board dtu/dtu/test/mel: no record, expected one of simulated/held-out-subjects/test/mel,"
        " sparrkulee/held-out-subjects/test/mel.\n  Choose it with --board."
    ]


def test_a_board_that_is_not_there_is_told_the_nearest_or_the_first_six(tmp_path):
    for number in range(7):
        folder = tmp_path / f"c{number}/split/test/mel"
        folder.mkdir(parents=True)
        (folder / "one.json").write_text("{}")
    known = ", ".join(f"c{number}/split/test/mel" for number in range(6))
    assert refused(load_board, tmp_path, BoardName("c6", "split", "test", "mell")) == [
        f"board c6/split/test/mell: no record, expected one of {known} and 1 more.\n"
        "  Did you mean 'c6/split/test/mel'?"
    ]
    assert refused(load_board, tmp_path, BOARD) == [
        f"board {BOARD}: no record, expected one of {known} and 1 more.\n  Choose it with --board."
    ]


# Records of a board


def test_a_record_of_a_board_is_its_files(results):
    path = results.joinpath(*BOARD) / "alpha.json"
    one = BoardRecord.read(path)
    assert (one.path, one.sha256, one.fresh) == (path, hashlib.sha256(path.read_bytes()).hexdigest(), False)
    assert (one.board, one.system, one.scores, one.unseen) == (BOARD, "alpha", SCORES["alpha"], {})
    assert BoardRecord.sound(path) == one
    made = BoardRecord.made(results, one.record)
    assert (made.path, made.record, made.fresh) == (path, one.record, True)
    assert made.sha256 == hashlib.sha256(record_bytes(one.record)).hexdigest()
    document = json.loads(path.read_text())
    document["score"] = 0.9
    path.write_text(json.dumps(document))
    assert BoardRecord.read(path).record.score == 0.9
    assert refused(BoardRecord.sound, path) == [
        f"{path}: score: 0.900000, expected 0.200000, the mean of its subjects.\n"
        "  It was edited after it was scored: score it again, or restore it."
    ]
    path.write_text("{")
    (message,) = refused(BoardRecord.read, path)
    assert message.startswith(f"{path}: not JSON")


def test_best_mean_first_equal_means_by_name(results):
    board = load_board(results, BOARD)
    assert [one.system for one in board.records] == ["beta", "alpha", "gamma"]
    assert board.scores.tolist() == [SCORES["beta"], SCORES["alpha"], SCORES["gamma"]]
    assert board.scores.dtype == np.float64
    assert (board.name, board.partial, board.left_out, board.empty, board.simulated) == (
        BOARD,
        (),
        (),
        False,
        True,
    )
    assert board.subjects == ("sub-086", "sub-087", "sub-088")
    assert [one.name for one in board.measures] == ["pearson_r"]
    assert (board.names_measures, board.by_unseen, rank(board).n_above_the_line) == (False, False, 3)


def test_a_board_without_records_is_empty():
    board = Board(BOARD, ())
    assert (board.empty, board.simulated, board.subjects, board.names_measures) == (True, False, (), False)
    assert [one.name for one in board.measures] == ["pearson_r"]
    ranking = rank(board)
    assert (ranking.rows, ranking.partial, ranking.p.shape, ranking.effect.shape) == ((), (), (0, 0), (0, 0))


def test_partial_records_alone_are_a_board(results, make_record, tmp_path):
    flags = {"partial": True, "subjects_missing": ["sub-099"]}
    make_record("half", [0.9], flags=flags, variant="wide")
    board = load_board(results, BOARD)
    assert [one.system for one in board.partial] == ["half (wide)"]
    alone = Board(BOARD, (), board.partial)
    assert (alone.empty, alone.simulated, alone.subjects) == (False, True, ())
    ranking = rank(alone)
    assert [row.system for row in ranking.partial] == ["half (wide)"]
    assert (ranking.partial[0].rank, ranking.partial[0].ties) == (None, "")


def test_flagged_records_stand_behind_all_others(records):
    controls = controls_document([0.3, 0.4, 0.5], [0.3, 0.4, 0.5])
    flagged = changed(records["beta"], controls=convert(controls, Controls))
    assert flagged.record.is_flagged
    board = board_of(BOARD, [records["gamma"], flagged, records["alpha"]])
    assert [one.system for one in board.records] == ["alpha", "gamma", "beta"]
    assert rank(board).n_above_the_line == 2
    rows = rank(board).rows
    assert [row.rank.rank for row in rows] == [1, 2, 3]
    assert [row.is_flagged for row in rows] == [False, False, True]
    assert rows[2].controls.flags == ("scores without the EEG",)
    assert rows[0].controls is None


def test_unseen_stimuli_rank_where_all_records_have_them_over_the_same_segments(records):
    unseen = {"alpha": [0.4, 0.4, 0.4], "beta": [0.1, 0.1, 0.1], "gamma": [0.2, 0.2, 0.2]}
    told = [changed(records[name], stimuli=stimuli(values)) for name, values in unseen.items()]
    board = board_of(BOARD, told)
    assert board.by_unseen
    assert [one.system for one in board.records] == ["alpha", "gamma", "beta"]
    assert board.scores.tolist() == [unseen["alpha"], unseen["gamma"], unseen["beta"]]
    assert told[0].unseen == dict(zip(board.subjects, unseen["alpha"], strict=True))
    for other in (
        records["gamma"],
        changed(records["gamma"], stimuli=stimuli([0.2, 0.2, 0.2], segments=5)),
        changed(records["gamma"], stimuli=stimuli([0.2, 0.2])),
    ):
        board = board_of(BOARD, [other, *told[:2]])
        assert not board.by_unseen
        assert [one.system for one in board.records] == ["beta", "alpha", "gamma"]
        assert board.scores.tolist()[0] == SCORES["beta"]


@pytest.mark.parametrize("by_unseen", [True, False])
def test_scores_over_seeds_are_those_of_each_training_and_on_unseen_stimuli_where_these_rank(
    records, by_unseen
):
    scores, other = ([SCORES["alpha"], SCORES["beta"]], [[0.5, 0.6, 0.7], [0.0, 0.2, 0.1]])
    trainings = [
        changed(
            records[name],
            submission=replace(
                records["alpha"].record.submission, training=Training(seed=seed, recipe_sha256="a" * 64)
            ),
            stimuli=stimuli(values) if by_unseen else UNSET,
        )
        for seed, (name, values) in enumerate(zip(("alpha", "beta"), other, strict=True))
    ]
    board = board_of(BOARD, trainings)
    (one,) = board.records
    assert (board.by_unseen, one.trainings) == (by_unseen, tuple(trainings))
    table = board.over_seeds(one)
    assert (table.dtype, table.tolist()) == (np.float64, other if by_unseen else scores)
    np.testing.assert_allclose(board.scores, table.mean(axis=0)[None], rtol=1e-15)


def test_a_partial_record_has_no_say_in_what_ranks(records):
    told = [changed(records[name], stimuli=stimuli([0.1, 0.2, 0.3])) for name in ("alpha", "beta")]
    flags = replace(records["gamma"].record.flags, partial=True)
    board = board_of(BOARD, [*told, changed(records["gamma"], flags=flags)])
    assert board.by_unseen
    assert [one.system for one in board.partial] == ["gamma"]


# What is left out


@pytest.mark.parametrize(
    ("values", "what", "usual"),
    [
        (lambda r: {"split": replace(r.split, sha256="9" * 64)}, "split file", "1" * 16 + "…"),
        (
            lambda r: {"split": replace(r.split, measures=("pearson_r", "cosine"))},
            "list of measures",
            "pearson_r",
        ),
        (lambda r: {"scorer_version": 2}, "scorer version", None),
        (lambda r: {"corpus": replace(r.corpus, kind="real")}, "kind of corpus", "simulated"),
        (lambda r: {"subjects": {"other": r.subjects["sub-086"]}}, "set of subjects", "sub-086, sub-087, sub-088"),
        (
            lambda r: {"corpus": replace(r.corpus, fingerprint="9" * 64)},
            "corpus's data (submission)",
            "2" * 16 + "…",
        ),
    ],
    ids=["split", "measures", "scorer", "kind", "subjects", "data"],
)  # fmt: skip
def test_a_record_that_cannot_be_compared_is_left_out(records, values, what, usual):
    odd = changed(records["alpha"], **values(records["alpha"].record))
    usual = usual or str(records["beta"].record.scorer_version)
    assert list(map(str, strangers([odd, records["beta"], records["gamma"]]))) == [
        f"{odd.path}: another {what} than the board's other records, expected {usual}.\n"
        "  Score it again, or remove it."
    ]


def test_of_two_kinds_as_many_the_first_is_the_boards(records):
    odd = changed(records["beta"], scorer_version=2)
    (fault,) = strangers([records["alpha"], odd])
    assert fault.where == str(odd.path)
    (fault,) = strangers([odd, records["alpha"]])
    assert fault.where == str(records["alpha"].path)
    assert fault.expected == "2"


def test_partial_records_and_predictions_are_compared_as_far_as_they_can_be(records):
    record = records["alpha"].record
    partial = changed(
        records["alpha"],
        flags=replace(record.flags, partial=True),
        subjects={"sub-086": record.subjects["sub-086"]},
    )
    handed_in = changed(
        records["gamma"],
        submission=replace(record.submission, kind="predictions"),
        corpus=replace(record.corpus, fingerprint="9" * 64),
    )
    assert strangers([partial, records["beta"], handed_in]) == []
    assert strangers([]) == []


@pytest.mark.parametrize(("n", "shown"), [(40, "x" * 40), (41, "x" * 16 + "…")])
def test_a_hash_is_shortened_and_a_short_text_is_not(records, n, shown):
    ones = [
        changed(one, split=replace(one.record.split, sha256=sha256))
        for one, sha256 in zip(records.values(), ("x" * n, "x" * n, "y"), strict=True)
    ]
    (fault,) = strangers(ones)
    assert (fault.where, fault.expected) == (str(ones[2].path), shown)


def test_data_are_compared_among_records_of_one_kind_that_lack_the_same_subjects(records):
    """Four records lack the same subjects, one others: only among the four is one odd."""
    usual, four = records["alpha"].record, ("a", "b", "c", "d")

    def lacking(name, missing, fingerprint):
        one = changed(
            records["beta"],
            flags=replace(usual.flags, partial=True, subjects_missing=missing),
            corpus=replace(usual.corpus, fingerprint=fingerprint * 64),
        )
        return dataclasses.replace(one, path=one.path.with_name(name))

    ones = [
        records["alpha"],
        lacking("odd", four, "7"),
        lacking("one", four, "8"),
        lacking("two", four, "8"),
        lacking("other", ("e",), "9"),
    ]
    assert list(map(str, strangers(ones))) == [
        f"{ones[1].path}: another corpus's data (submission, without a, b, c and 1 more) than the board's other"
        f" records, expected {'8' * 16}….\n  Score it again, or remove it."
    ]


def test_a_seed_that_is_no_part_of_the_board_is_told_once_and_has_no_say_in_its_system(records):
    """Two seeds of another split have another code; of the three that stay, one has."""
    one = records["alpha"]
    system = one.record.submission

    def seed(number, split, code):
        training = Training(seed=number, recipe_sha256="a" * 64)
        found = changed(
            one,
            submission=replace(system, training=training, code_sha256=code * 64),
            split=replace(one.record.split, sha256=split * 64),
        )
        return dataclasses.replace(found, path=one.path.with_name(f"{number}"))

    split, code = (
        "another split file than the board's other records",
        "another code than the system's other seeds",
    )
    facts = (("9", "5", split), ("9", "5", split), ("1", "6", ""), ("1", "6", ""), ("1", "7", code))
    ones = [seed(number, *its) for number, (*its, _) in enumerate(facts)]
    others = [dataclasses.replace(records["beta"], path=one.path.with_name(f"beta-{k}")) for k in range(3)]
    assert [(fault.where, fault.arrived) for fault in strangers([*ones, *others])] == [
        (str(one.path), wrong) for one, (*_, wrong) in zip(ones, facts, strict=True) if wrong
    ]


def test_a_record_of_another_declaration_is_left_out_and_one_without_is_not(records):
    ones = [
        changed(one, corpus=replace(one.record.corpus, declaration_sha256=said))
        for one, said in zip(records.values(), ("7" * 64, "8" * 64, UNSET), strict=True)
    ]
    (fault,) = strangers(ones)
    assert (fault.where, fault.arrived, fault.expected) == (
        str(ones[1].path),
        "another declaration of the corpus than the board's other records",
        "7" * 16 + "…",
    )


def test_a_long_list_of_subjects_is_shortened(make_record, tmp_path):
    paths = [make_record(name, [0.1] * n) for name, n in (("a", 5), ("b", 5), ("c", 2))]
    (fault,) = strangers([BoardRecord.read(path) for path in paths])
    assert fault.expected == "sub-086, sub-087, sub-088 and 2 more"


def test_a_record_in_the_wrong_place_is_told_where_it_belongs(results, records, tmp_path):
    fault = misplaced(tmp_path / "x.json", results, records["alpha"].record)
    assert str(fault) == (
        f"{tmp_path}/x.json: a record of another board or name, expected"
        f" {results.joinpath(*BOARD)}/alpha.json.\n  Move it there, or remove it."
    )


def test_all_that_is_wrong_with_records_is_told_and_the_others_are_ranked(results, make_record):
    folder = results.joinpath(*BOARD)
    (folder / "a-broken.json").write_text("{")
    (folder / "b-copy.json").write_bytes((folder / "alpha.json").read_bytes())
    edited = json.loads((folder / "gamma.json").read_text())
    edited["score"], edited["ci95"] = 0.9, None
    (folder / "gamma.json").write_text(json.dumps(edited))
    odd = make_record("zeta", [0.1] * 3, split={"sha256": "9" * 64})
    board = load_board(results, BOARD)
    assert [one.system for one in board.records] == ["beta", "alpha"]
    assert [fault.where for fault in board.left_out] == [
        f"{folder}/a-broken.json",
        f"{folder}/b-copy.json",
        f"{folder}/gamma.json: score",
        f"{folder}/gamma.json: ci95",
        str(odd),
    ]


@pytest.mark.parametrize(
    ("key", "known"), [("scorer_version", SCORER_VERSION), ("statistics_version", STATISTICS_VERSION)]
)
def test_a_record_of_a_later_harness_is_left_out_and_one_of_this_or_an_older_is_not(
    results, make_record, key, known
):
    later = make_record("later", [0.1] * 3, **{key: known + 1})
    board = load_board(results, BOARD)
    assert list(map(str, board.left_out)) == [
        f"{later}: {key}: {known + 1}, of a later harness, expected at most {known}, what this one knows.\n"
        "  Update the harness, or score it again."
    ]
    assert [one.system for one in board.records] == ["beta", "alpha", "gamma"]
    document = json.loads(later.read_text())
    later.write_text(json.dumps({**document, key: known}))
    assert load_board(results, BOARD).left_out == ()
    if key == "statistics_version":  # older records do not say it
        del document[key]
        later.write_text(json.dumps(document))
        assert load_board(results, BOARD).left_out == ()


# Rows and ranks


def test_a_row_is_what_its_record_says(records):
    one = records["alpha"]
    record = one.record
    row = row_of(one, RankInterval(2, 1, 3), "ab")
    assert (row.system, row.name, row.variant, row.version, row.kind) == (
        "alpha",
        "alpha",
        "default",
        "1.0.0",
        "submission",
    )
    assert (row.members, row.rank, row.ties, row.score, row.further) == (
        (),
        (2, 1, 3),
        "ab",
        record.ranked,
        (),
    )
    assert (row.overlap, row.stimuli, row.bands) == (record.overlap, None, record.bands)
    assert (row.controls, row.flags, row.corpus_kind, row.finished) == (
        None,
        (),
        "simulated",
        "2026-01-01T00:00:00Z",
    )
    assert (row.seed, row.scorer_version, row.environment) == (0, record.scorer_version, {"harness": "0"})
    assert row.hashes == {"record": one.sha256, "code": "0" * 64, "split": "1" * 64, "data": "2" * 64}
    assert (row.isolation, row.fresh, row.is_flagged) == (one.record.isolation, False, False)
    assert row.weights_notes == ()
    bare = row_of(changed(one, overlap=UNSET))
    assert (bare.rank, bare.ties, bare.bars, bare.overlap, bare.training) == (None, "", "", None, None)
    assert (bare.beside, bare.seeds, bare.is_architecture, bare.spread) == (None, (), False, None)
    assert (bare.stimuli_missing, bare.transfer, bare.channels_excluded) == ((), None, ())
    beside = Beside("full", 0.1, None, 0.5, of_architectures=False)
    named = row_of(one, bars="┌", beside=beside)
    assert (named.bars, named.beside, named.ties) == ("┌", beside, "")
    assert row.training == record.training == "declared"


def test_a_row_has_the_further_measures_in_their_order(records):
    names = ["cosine", "cosine_gain", "song_accuracy_reconstructed", "pearson_r"]
    scores = {"cosine": [0.1, 0.2, 0.3], "cosine_gain": [0.0, 0.25, 0.05]}
    document = with_measures(plain(records["alpha"].record), names, **scores)
    one = BoardRecord.of(records["alpha"].path, json.dumps(document).encode())
    row = row_of(one)
    assert row.score.measure.name == "cosine"
    assert [measure.name for measure in row.measures] == names[1:]
    assert [measured.measure.name for measured in row.further] == ["cosine_gain", "pearson_r"]
    assert row.constant_cosine == pytest.approx(0.1)
    assert [row.by(name) for name in names] == [None, row.further[0], None, row.further[1]]


def test_a_row_of_several_trainings_has_each(records):
    training = Training(seed=0, recipe_sha256="a" * 64)
    system = records["alpha"].record.submission
    ones = [
        changed(
            records[name],
            submission=replace(
                system, training=replace(training, seed=seed), weights_sha256=weights and weights * 64
            ),
            run=replace(records[name].record.run, finished=f"2026-01-0{seed + 1}T00:00:00Z"),
        )
        for name, seed, weights in (("beta", 0, "5"), ("alpha", 4, None))
    ]
    (whole,) = board_of(BOARD, ones).records
    row = row_of(whole)
    assert row.is_architecture
    assert row.spread == pytest.approx(np.std([0.4, 0.2], ddof=1))
    assert row.seeds == tuple(
        SeedRow(seed, one.record.ranked, f"2026-01-0{seed + 1}T00:00:00Z", one.sha256, weights)
        for seed, one, weights in ((0, ones[0], "5" * 64), (4, ones[1], None))
    )


def test_a_row_has_every_hash_that_there_is(records):
    from harness.records.record import GitCommit

    one = records["alpha"]
    system = replace(
        one.record.submission,
        variant="wide",
        weights_sha256="5" * 64,
        predictions_sha256="6" * 64,
        transfer=Transfer(corpus="dtu", split="dtu-unheard"),
        channels_excluded=("A1", "B2"),
        members=(
            Member(name="m", version="1", variant="default", code_sha256="7" * 64, weights_sha256=None),
        ),
    )
    row = row_of(
        changed(
            one,
            submission=system,
            git=GitCommit(commit="8" * 40, dirty=True),
            overlap=Overlap(subjects_seen=1, subjects=2, stimuli_seen=3, stimuli=4),
            stimuli=stimuli([0.1, 0.2, 0.3]),
            flags=replace(one.record.flags, segments_missing=3, stimuli_missing=("audiobook_1",)),
            run=replace(one.record.run, isolation="none"),
        )
    )
    title = "alpha (wide, transfer from dtu/dtu-unheard, without channels A1, B2)"
    assert (row.system, row.variant) == (title, "wide")
    assert list(row.hashes) == ["record", "code", "weights", "predictions", "split", "data", "commit"]
    assert (row.hashes["weights"], row.hashes["predictions"], row.hashes["commit"]) == (
        "5" * 64,
        "6" * 64,
        "8" * 40,
    )
    assert row.members == system.members
    assert (row.transfer, row.channels_excluded) == ("dtu/dtu-unheard", ("A1", "B2"))
    assert row.stimuli_missing == ("audiobook_1",)
    assert (row.overlap.stimuli, row.stimuli.unseen.segments) == (4, 4)
    assert row.isolation == "none"
    assert row.flags == (
        "TRANSFER: weights trained on the corpus dtu, split dtu-unheard",
        "EXCLUDED: channels A1, B2, zero in all that it was given",
        "PARTIAL: 1 stimulus of the part is not in the corpus: audiobook_1",
        "NOT ISOLATED: the predictor could read and change what it liked (--no-isolation)",
        "3 segments without a prediction count 0",
    )


def test_ranks_intervals_pairs_and_effects_are_those_of_the_scores(make_record, rng, tmp_path):
    base = rng.normal(0.05, 0.01, 12)
    table = np.array([base + 0.03, base + rng.normal(0.001, 0.004, 12), base])
    for name, scores in zip(("a", "b", "c"), table, strict=True):
        make_record(name, scores)
    ranking = rank(load_board(tmp_path / "results", BOARD))
    scores = ranking.board.scores
    raw = np.array([sign_flip_test(scores[i] - scores[j]) for i, j in ((0, 1), (0, 2), (1, 2))])
    adjusted = holm(raw)
    expected = np.ones((3, 3))
    for (i, j), p in zip(((0, 1), (0, 2), (1, 2)), adjusted, strict=True):
        expected[i, j] = expected[j, i] = p
    np.testing.assert_allclose(ranking.p, expected, rtol=1e-12)
    assert [row.rank for row in ranking.rows] == ranks_by_tests(scores.mean(axis=1), expected, LEVEL)
    np.testing.assert_array_equal(ranking.effect, effect_sizes(scores))
    assert [row.ties for row in ranking.rows] == tie_letters(expected > LEVEL)


def test_letters_after_z_are_two_and_stand_apart():
    tied = np.eye(28, dtype=bool)
    tied[26, 27] = tied[27, 26] = True
    tied[25, 26] = tied[26, 25] = True
    letters = tie_letters(tied)
    assert letters[0] == "a"
    assert letters[25:] == ["z", "z aa", "aa"]
    assert tie_letters(np.eye(26 * 27 + 1, dtype=bool))[-2:] == ["zz", "aaa"]


def test_sentences_are_of_unseen_stimuli_where_these_rank(records):
    unseen = {"alpha": [0.4, 0.4, 0.4], "beta": [0.1, 0.1, 0.1], "gamma": [0.2, 0.2, 0.2]}
    told = [changed(records[name], stimuli=stimuli(values)) for name, values in unseen.items()]
    ranking = rank(board_of(BOARD, told))
    said = board_sentence(ranking)
    assert (
        "feature mel, 3 subjects, on unseen stimuli: alpha has the highest mean r of 3 systems, 0.4000"
        in said
    )
    assert row_sentence(ranking, 2).startswith("beta has a mean r on unseen stimuli of 0.1000, ")


def test_a_system_alone_on_its_board_has_its_controls_words_too(records):
    controls = controls_document([0.1, 0.2, 0.3], [0.1, 0.2, 0.3])
    blind = changed(records["alpha"], controls=convert(controls, Controls))
    ranking = rank(board_of(BOARD, [blind]))
    assert row_sentence(ranking, 0).endswith("; a control says: scores without the EEG.")


def test_one_subject_has_no_interval_and_no_nan(make_record, tmp_path):
    for name, score in (("one", 0.2), ("two", 0.1)):
        make_record(name, [score])
    board = load_board(tmp_path / "results", BOARD)
    text = against_board_text(board.records[0], board)
    assert "+0.1000" in text
    assert "nan" not in text
