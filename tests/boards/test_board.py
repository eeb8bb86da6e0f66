"""Boards: what is ranked, how sure it is, what is refused; and every format of it."""

import csv
import io
import json
import re
from dataclasses import replace

import numpy as np
import pytest
from documents import controls_document
from msgspec import structs

from harness.boards import board as boards
from harness.boards import formats
from harness.boards.board import BoardName, load_board, parse_board
from harness.boards.formats import FORMATS, board_text
from harness.boards.ranking import rank, tie_groups, tie_letters
from harness.errors import RecordError, UsageError
from harness.schemas.validate import schema_faults
from harness.scoring.score import SCORER_VERSION
from harness.scoring.statistics import STATISTICS_VERSION, sign_flip_test

BOARD = BoardName("simulated", "held-out-subjects", "test", "mel")
N_SUBJECTS = 12


@pytest.fixture
def results(make_record, rng, tmp_path):
    """Four systems: one far ahead, two that cannot be told apart, one at chance."""
    base = rng.normal(0.05, 0.01, N_SUBJECTS)
    make_record("linear", base)
    make_record("vlaai", base + rng.normal(0, 0.004, N_SUBJECTS), variant="original")
    make_record("leader", base + 0.03 + rng.normal(0, 0.004, N_SUBJECTS))
    make_record("noise", rng.normal(0.0, 0.004, N_SUBJECTS))
    return tmp_path / "results"


def _faults(call):
    with pytest.raises((RecordError, UsageError)) as caught:
        call()
    return [str(fault) for fault in caught.value.faults]


def test_ranking_says_who_is_tied(results):
    ranking = rank(load_board(results, BOARD))
    assert ranking.rows[0].system == "leader"
    assert {row.system for row in ranking.rows[1:3]} == {"linear", "vlaai (original)"}
    assert [row.ties for row in ranking.rows] == ["a", "b", "b", "c"]
    assert [row.rank.rank for row in ranking.rows] == [1, 2, 3, 4]
    assert (ranking.rows[0].rank.low, ranking.rows[0].rank.high) == (1, 1)
    assert (ranking.rows[1].rank.low, ranking.rows[1].rank.high) == (2, 3)


def test_pairs_are_the_tests_after_holm(results):
    ranking = rank(load_board(results, BOARD))
    scores = ranking.board.scores
    raw = [sign_flip_test(scores[i] - scores[j]) for i in range(4) for j in range(i + 1, 4)]
    assert ranking.p[0, 3] == pytest.approx(min(raw) * 6)
    assert np.array_equal(ranking.p, ranking.p.T)
    assert ranking.p[1, 2] >= max(raw)


@pytest.mark.parametrize("form", FORMATS)
def test_every_format_is_stable_and_says_that_the_data_are_simulated(results, form):
    texts = {board_text(rank(load_board(results, BOARD)), form, bands=True) for _ in range(2)}
    assert len(texts) == 1
    text = texts.pop()
    assert "simulated" in text
    for system in ("leader", "linear", "vlaai", "noise"):
        assert system in text
    if form not in ("csv", "json"):
        assert "indistinguishable from chance" in text


def test_text_shows_rank_interval_ties_and_chance(results):
    lines = board_text(rank(load_board(results, BOARD))).splitlines()
    assert lines[0] == (
        "simulated data (no real EEG), split held-out-subjects, part test, feature mel: 4 systems, 12 subjects"
    )
    assert lines[4].split()[:3] == ["1", "·", "leader"]
    assert lines[5].split()[:5] == ["2", "(2", "to", "3)", "┌"]
    assert lines[6].split()[:5] == ["3", "(2", "to", "3)", "└"]
    assert lines[7].split()[:3] == ["4", "·", "noise"]
    assert "1 of 4" in lines[4]


def test_csv_and_json_hold_every_number(results):
    ranking = rank(load_board(results, BOARD))
    rows = list(csv.DictReader(io.StringIO(board_text(ranking, "csv"))))
    document = json.loads(board_text(ranking, "json"))
    assert [float(row["pearson_r"]) for row in rows] == [row["pearson_r"] for row in document["rows"]]
    assert [row["rank_high"] for row in rows] == ["1", "3", "3", "4"]
    assert document["rows"][0]["per_subject"] == ranking.board.records[0].scores
    assert len(document["pairs"]) == 6


def test_sorting_by_name_keeps_the_ranks(results):
    lines = board_text(rank(load_board(results, BOARD)), sort="name").splitlines()[4:8]
    assert lines[0].split()[0] == "1"
    assert [next(w for w in line.split() if w.isalpha() and len(w) > 3) for line in lines] == [
        "leader",
        "linear",
        "noise",
        "vlaai",
    ]


def test_unknown_format_and_order_are_refused(results):
    ranking = rank(load_board(results, BOARD))
    with pytest.raises(UsageError, match="--format: 'pdf', expected one of text, md"):
        board_text(ranking, "pdf")
    with pytest.raises(UsageError, match="--sort: 'r', expected one of rank, name, date"):
        board_text(ranking, sort="r")


def test_one_system_and_one_subject(make_record, tmp_path):
    make_record("alone", [0.05])
    ranking = rank(load_board(tmp_path / "results", BOARD))
    assert ranking.rows[0].rank == (1, 1, 1)
    text = board_text(ranking)
    assert "1 system, 1 subject\n" in text
    assert "nan" not in text.lower()
    for form in FORMATS:
        board_text(ranking, form)


def test_a_partial_record_is_shown_and_not_ranked(results, make_record):
    make_record("half", [0.9] * 5, flags={"partial": True, "subjects_missing": ["sub-099"]})
    ranking = rank(load_board(results, BOARD))
    assert "half" not in [row.system for row in ranking.rows]
    assert "Not ranked, scored on 5 subjects only: half 0.9000." in board_text(ranking)


def test_a_record_of_a_later_harness_is_left_out(results, make_record):
    record = make_record("later", [0.1] * N_SUBJECTS, statistics_version=99, scorer_version=98)
    board = load_board(results, BOARD)
    assert "later" not in [one.system for one in board.records]
    assert [str(fault) for fault in board.left_out] == [
        f"{record}: {key}: {version}, of a later harness, expected at most {known}, what this one knows.\n"
        "  Update the harness, or score it again."
        for key, version, known in (
            ("scorer_version", 98, SCORER_VERSION),
            ("statistics_version", 99, STATISTICS_VERSION),
        )
    ]


def test_records_that_do_not_belong_together_are_all_named(results, make_record, monkeypatch):
    monkeypatch.setattr(boards, "SCORER_VERSION", 2)
    paths = {
        "other split file": make_record("s", [0.1] * N_SUBJECTS, split={"sha256": "9" * 64}),
        "scorer": make_record("v", [0.1] * N_SUBJECTS, scorer_version=2),
        "data": make_record("d", [0.1] * N_SUBJECTS, corpus={"fingerprint": "8" * 64}),
        "subjects": make_record("n", [0.1] * 3),
    }
    board = load_board(results, BOARD)
    assert {one.system for one in board.records} == {"linear", "vlaai (original)", "leader", "noise"}
    text = "\n".join(map(str, board.left_out))
    assert f"{paths['other split file']}: another split file than the board's other records" in text
    assert f"{paths['scorer']}: another scorer version" in text
    assert f"{paths['data']}: another corpus's data (submission)" in text
    assert f"{paths['subjects']}: another set of subjects" in text


def test_two_corpora_of_one_name_are_never_ranked_together(results, make_record):
    scores = [0.1] * N_SUBJECTS
    make_record("a", scores, corpus={"declaration_sha256": "7" * 64})
    make_record("b", scores, corpus={"declaration_sha256": "7" * 64})
    # A record made where only references were has no such hash.
    assert load_board(results, BOARD).left_out == ()
    other = make_record("c", scores, corpus={"declaration_sha256": "8" * 64})
    assert list(map(str, load_board(results, BOARD).left_out)) == [
        f"{other}: another declaration of the corpus than the board's other records, expected"
        f" {'7' * 16}….\n  Score it again, or remove it."
    ]


def test_broken_misplaced_and_renamed_records_are_all_named(results):
    folder = results.joinpath(*BOARD)
    (folder / "broken.json").write_text("{")
    (folder / "copy.json").write_bytes((folder / "linear.json").read_bytes())
    board = load_board(results, BOARD)
    assert len(board.records) == 4
    faults = list(map(str, board.left_out))
    assert len(faults) == 2
    assert faults[0].startswith(f"{folder}/broken.json: not JSON")
    assert faults[1].startswith(f"{folder}/copy.json: a record of another board or name, expected")


def edited(path, **changes):
    """The record of a file with some values changed by hand."""
    document = json.loads(path.read_text())
    for key, value in changes.items():
        document[key] = {**document[key], **value} if isinstance(value, dict) else value
    path.write_text(json.dumps(document))
    return path


def test_one_bad_record_stops_neither_its_board_nor_the_others(harness, results, make_record):
    make_record("linear", np.full(N_SUBJECTS, 0.05), kind="real")
    text = harness("rank", "--results", results)[1]
    forged = edited(make_record("forged", np.full(N_SUBJECTS, 0.1)), score=0.9)
    broken = forged.with_name("broken.json")
    broken.write_text("{")
    code, out, err = harness("rank", "--results", results)
    assert code == 1
    note = f"Left out, since it does not hold together: {broken}, {forged}.\n"
    assert out.replace(note, "") == text
    assert out.count(note) == 1
    assert err == (
        f"error: {broken}: not JSON (Expecting property name enclosed in double quotes: line 1 column 2"
        " (char 1)), expected a score record.\n"
        f"error: {forged}: score: 0.900000, expected 0.100000, the mean of its subjects.\n"
        "  It was edited after it was scored: score it again, or restore it.\n"
    )
    assert harness("compare", "leader", "--results", results)[0] == 1
    code, out, err = harness("compare", "leader", "forged", "--results", results)
    assert (code, out) == (1, "")
    assert err.startswith(f"error: {forged}: score: 0.900000, expected 0.100000")


def test_a_board_of_bad_records_alone_is_named_and_left_out(harness, results, make_record):
    real = make_record("linear", np.full(N_SUBJECTS, 0.05), kind="real")
    real.write_text("{")
    code, out, err = harness("rank", "--results", results)
    assert (code, out) == (1, board_text(rank(load_board(results, BOARD))))
    assert err.startswith(f"error: {real}: not JSON")
    code, out, err = harness("rank", "--results", results, "--board", "sparrkulee/held-out-subjects/test/mel")
    assert (code, out) == (1, "")


def test_a_board_that_is_not_there(results, tmp_path):
    (message,) = _faults(lambda: load_board(results, parse_board("dtu/dtu/val/envelope")))
    assert message.startswith("board dtu/dtu/val/envelope: no record, expected one of simulated/held-out")
    (message,) = _faults(lambda: parse_board("simulated/mel"))
    assert message.startswith("--board simulated/mel: 2 words between slashes, expected four")
    (message,) = _faults(lambda: load_board(tmp_path / "none", BOARD))
    assert message.startswith(f"{tmp_path}/none: no such folder")


def test_letters_are_runs_of_neighbours_where_larger_differences_are_told_apart():
    tied = np.ones((5, 5), dtype=bool)
    for i, j in ((0, 2), (0, 3), (0, 4), (1, 4), (3, 4), (2, 4)):
        tied[i, j] = tied[j, i] = False
    assert tie_letters(tied) == ["a", "ab", "b", "b", "c"]
    assert tie_letters(np.eye(3, dtype=bool)) == ["a", "b", "c"]
    assert tie_letters(np.ones((3, 3), dtype=bool)) == ["a", "a", "a"]
    many = tie_letters(np.eye(30, dtype=bool))
    assert (many[0], many[25], many[26], many[29]) == ("a", "z", "aa", "ad")


def test_two_systems_share_a_letter_exactly_where_they_cannot_be_told_apart():
    tied = np.ones((4, 4), dtype=bool)  # the first is told from the second and not from the third
    for i, j in ((0, 1), (0, 3), (2, 3)):
        tied[i, j] = tied[j, i] = False
    assert tie_groups(tied) == [(0, 2), (1, 2), (1, 3)]
    assert tie_letters(tied) == ["a", "bc", "ab", "c"]
    rng = np.random.default_rng(0)
    for n_systems, share in ((1, 0.5), (6, 0.2), (9, 0.5), (15, 0.8), (30, 0.95)):
        upper = np.triu(rng.random((n_systems, n_systems)) < share, 1)
        tied = upper | upper.T | np.eye(n_systems, dtype=bool)
        groups = [set(group) for group in tie_groups(tied)]
        shared = [
            [any({i, j} <= group for group in groups) for j in range(n_systems)] for i in range(n_systems)
        ]
        np.testing.assert_array_equal(shared, tied)
        assert not any(one < other for one in groups for other in groups)


def test_rank_and_compare_as_commands(harness, results):
    code, out, err = harness("rank", "--results", results)
    assert (code, err) == (0, "")
    assert out == board_text(rank(load_board(results, BOARD)))
    code, out, _ = harness("compare", "leader", "linear", "--results", results)
    assert code == 0
    assert out.startswith("leader minus linear on simulated data (no real EEG), split held-out-subjects")
    assert "paired sign-flip test over subjects: p = 0.0004883" in out
    assert "smallest difference these subjects could show" in out
    code, out, _ = harness("compare", "leader", "--results", results)
    assert code == 0
    assert out.splitlines()[0] == f"leader on {BOARD}: rank 1 of 4; without the EEG: not measured"
    code, _, err = harness("compare", "leader", "nobody", "--results", results)
    assert (code, f"nobody: no record of nobody on {BOARD}" in err) == (2, True)
    assert "Did you mean" not in err
    code, _, err = harness("compare", "leadr", "--results", results)
    assert (code, "Did you mean 'leader'?" in err) == (2, True)


def test_a_submission_means_its_first_variant_on_the_board_that_score_fills(
    results, make_record, make_submission, monkeypatch, harness, tmp_path
):
    with (make_submission("two") / "submission.toml").open("a") as manifest:
        manifest.write('[variants.wide]\ntitle = "Wide"\n[variants.deep]\ntitle = "Deep"\n')
    for variant, score in (("wide", 0.04), ("deep", 0.03)):
        split = {"name": "held-out-subjects", "sha256": "1" * 64, "segment_seconds": 30}
        for part in ("test", "val"):
            make_record("two", np.full(N_SUBJECTS, score), variant=variant, split={**split, "part": part})
    monkeypatch.chdir(tmp_path)
    for target in ("two", "submissions/two", "two-wide"):
        code, out, _ = harness("compare", target, "two-deep", "--results", results)
        assert code == 0
        assert "part test, feature mel" in out.splitlines()[0]
        assert "mean difference +0.0100" in out
    val = results / "simulated/held-out-subjects/val/mel/two-deep.json"
    code, out, _ = harness("compare", val, "two", "--results", results)
    assert (code, "part val, feature mel" in out.splitlines()[0]) == (0, True)


def test_boards_never_mix(results, make_record, harness):
    make_record("linear", np.full(N_SUBJECTS, 0.05), kind="real")
    code, out, _ = harness("rank", "--results", results)
    assert code == 0
    assert out.count("split held-out-subjects") == 4  # a title and a sentence each
    real = results / "sparrkulee/held-out-subjects/test/mel/linear.json"
    code, _, err = harness("compare", "leader", real, "--results", results)
    assert code == 2
    assert "leader: no record of leader on sparrkulee/held-out-subjects/test/mel" in err
    leader = results / str(BOARD) / "leader.json"
    code, _, err = harness("compare", leader, real, "--results", results)
    assert code == 1
    assert "Boards never mix." in err
    code, _, err = harness("rank", "--results", results, "--format", "csv")
    assert (code, "--format csv: 2 boards, expected one --board of" in err) == (2, True)


def test_a_system_that_was_not_isolated_is_marked(make_record, tmp_path):
    make_record("alpha", [0.1, 0.2, 0.3], run={"isolation": "none"})
    make_record("beta", [0.1, 0.2, 0.25], run={"isolation": "landlock", "order_seed": "0" * 32})
    text = board_text(rank(load_board(tmp_path / "results", BOARD)))
    assert "  alpha (not isolated)  " in text
    assert "beta (not isolated)" not in text


def test_a_record_that_does_not_say_how_it_was_isolated_is_marked_everywhere(make_record, harness, tmp_path):
    handed_in = {
        "kind": "predictions",
        "version": None,
        "variant": None,
        "code_sha256": None,
        "predictions_sha256": "3" * 64,
    }
    paths = [make_record(name, [0.1, 0.2, r]) for name, r in (("alpha", 0.3), ("beta", 0.25), ("gamma", 0.2))]
    paths.append(make_record("handed-in", [0.1, 0.2, 0.1], submission=handed_in))
    for path in (paths[1], paths[3]):  # gamma's stays as it is
        document = json.loads(path.read_text())
        del document["run"]["isolation"]
        path.write_text(json.dumps(document))
    document = json.loads(paths[0].read_text())
    document["run"]["isolation"] = "none"
    paths[0].write_text(json.dumps(document))
    ranking = rank(load_board(tmp_path / "results", BOARD))
    marked = {"alpha (not isolated)", "beta (isolation not known)", "gamma", "handed-in"}
    assert {re.split("  +", line)[2] for line in board_text(ranking).splitlines()[4:8]} == marked
    rows = json.loads(board_text(ranking, "json"))["rows"]
    told = {"alpha": "none", "beta": "unknown", "gamma": "landlock", "handed-in": None}
    assert {row["name"]: row["isolation"] for row in rows} == told
    in_csv = {
        row["name"]: row["isolation"] for row in csv.DictReader(io.StringIO(board_text(ranking, "csv")))
    }
    assert in_csv == {**told, "handed-in": ""}
    _, out, _ = harness("compare", paths[1], paths[2], "--results", tmp_path / "results")
    assert (
        "beta: ISOLATION NOT KNOWN: the record does not say what kept the predictor from the labels\n" in out
    )
    assert "gamma: " not in out


@pytest.mark.parametrize("wrong", ["not JSON", "edited"])
def test_a_record_that_is_left_out_is_named_for_programs_too(make_record, harness, tmp_path, wrong):
    make_record("alpha", [0.1, 0.2, 0.3])
    path = make_record("beta", [0.1, 0.2, 0.25])
    document = json.loads(path.read_text())
    path.write_text("{" if wrong == "not JSON" else json.dumps({**document, "score": 0.9}))
    options = ("rank", "--results", tmp_path / "results", "--board", BOARD)
    code, out, err = harness(*options, "--format", "json")
    (left_out,) = json.loads(out)["left_out"]
    assert (code, left_out["file"]) == (1, str(path))
    assert err == f"error: {left_out['faults'][0]}\n"
    code, out, _ = harness(*options, "--format", "csv")
    first, second = csv.DictReader(io.StringIO(out))
    assert (code, first["name"], first["left_out"], first["rank"]) == (1, "alpha", "", "1")
    assert (second["name"], second["pearson_r"], second["rank"]) == ("beta", "", "")
    assert second["left_out"].startswith(f"{path}: ")


@pytest.fixture
def controlled(make_record, rng, tmp_path):
    """An honest system with controls, one that replays, one that does not use the EEG, and an old record."""
    base = rng.normal(0.05, 0.01, N_SUBJECTS)
    nothing = rng.normal(0.0, 0.001, N_SUBJECTS)
    replay = rng.normal(0.5, 0.01, N_SUBJECTS)
    make_record("honest", base, controls=controls_document(base, nothing))
    make_record("early", base - 0.02)
    make_record("replay", replay, controls=controls_document(replay, replay))
    make_record("idle", nothing, controls=controls_document(nothing, nothing))
    return tmp_path / "results"


def test_a_flagged_system_ranks_behind_all_others_whatever_it_scores(controlled):
    ranking = rank(load_board(controlled, BOARD))
    assert [row.system for row in ranking.rows] == ["honest", "early", "replay", "idle"]
    assert [tuple(row.rank) for row in ranking.rows] == [(1, 1, 1), (2, 2, 2), (3, 3, 3), (4, 4, 4)]
    assert [row.is_flagged for row in ranking.rows] == [False, False, True, True]
    assert ranking.n_above_the_line == 2


def test_what_a_system_scores_without_the_eeg_stands_beside_chance(controlled):
    ranking = rank(load_board(controlled, BOARD))
    above, below = board_text(ranking).split("Below the line, since a control says that the score may not")
    cells = [line for line in (above + below).splitlines() if line[:1].isdigit()]
    assert re.search(r"95 % interval +chance +without the EEG +unseen stimuli", above)
    assert [line.split()[1] for line in cells] == ["honest", "early", "replay", "idle"]
    assert "not measured" in cells[1]
    assert "(scores without the EEG, no evidence of using the EEG)" in cells[2]
    assert "indistinguishable from chance" in cells[3]
    assert "(no evidence of using the EEG)" in cells[3]
    assert "Without the EEG: what the system scores on surrogates of the same segments" in below


@pytest.mark.parametrize("form", ["text", "md", "latex", "html"])
def test_every_table_has_a_line_above_the_flagged_systems(controlled, form):
    text = board_text(rank(load_board(controlled, BOARD)), form)
    places = [text.index(word) for word in ("honest", "early", "Below the line, since", "replay", "idle")]
    assert places == sorted(places)


def test_programs_are_told_of_controls(controlled):
    ranking = rank(load_board(controlled, BOARD))
    rows = {row["name"]: row for row in json.loads(board_text(ranking, "json"))["rows"]}
    assert (rows["early"]["blind"], rows["early"]["scores_without_eeg"]) == (None, None)
    assert rows["replay"]["blind"] == pytest.approx(rows["replay"]["pearson_r"])
    assert (rows["replay"]["scores_without_eeg"], rows["replay"]["no_evidence_of_using_eeg"]) == (True, True)
    assert (rows["honest"]["scores_without_eeg"], rows["honest"]["difference_p"]) == (False, 1 / 4096)
    table = list(csv.DictReader(io.StringIO(board_text(ranking, "csv"))))
    assert [row["scores_without_eeg"] for row in table] == ["False", "", "True", "False"]


def test_compare_says_what_both_score_without_the_eeg(harness, controlled):
    code, out, _ = harness("compare", "honest", "replay", "--results", controlled)
    assert code == 0
    assert re.search(r"^honest without the EEG: -?0\.00\d\d; chance: -0\.0100 to 0\.0100$", out, re.M)
    assert re.search(
        r"^replay without the EEG: 0\.\d{4} \(scores without the EEG, no evidence of using the EEG\); chance: -0\.0100 to "
        r"0\.0100$",
        out,
        re.M,
    )
    code, out, _ = harness("compare", "early", "--results", controlled)
    assert out.splitlines()[0] == f"early on {BOARD}: rank 2 of 4; without the EEG: not measured"


def test_a_score_below_chance_is_not_called_indistinguishable(make_record, tmp_path):
    make_record("turned", [-0.05] * N_SUBJECTS)
    text = board_text(rank(load_board(tmp_path / "results", BOARD)))
    assert "below chance: look for the sign" in text
    assert "indistinguishable" not in text


def test_what_is_to_be_known_of_weights_stands_under_the_board(make_record, rng, tmp_path):
    note = "trained before the loss was mended, and not yet again"
    scores = rng.normal(0.05, 0.01, N_SUBJECTS)
    for name in ("first", "second"):
        make_record(name, scores + 0.01, weights_notes=[note])
    make_record("linear", scores)
    ranking = rank(load_board(tmp_path / "results", BOARD))
    for form in ("text", "md", "html", "latex"):
        assert f"Weights of first, second: {note}." in board_text(ranking, form)
    noted = {row.system: row.weights_notes for row in ranking.rows}
    assert noted == {"first": (note,), "second": (note,), "linear": ()}


def test_finding_what_is_usual_does_not_compare_every_record_with_every_other(results, monkeypatch):
    first = load_board(results, BOARD).records[0]

    class Hash(str):
        compared = 0

        def __eq__(self, other):
            Hash.compared += 1
            return str.__eq__(self, other)

        __hash__ = str.__hash__

    many = [
        replace(first, path=first.path.with_name(f"{k}.json"), record=structs.replace(
            first.record, corpus=structs.replace(first.record.corpus, fingerprint=Hash(f"{k:064d}"))
        ))
        for k in range(300)
    ]  # fmt: skip
    assert len(boards.strangers(many)) == 299  # the first is as usual as any
    assert Hash.compared < 3000


def test_of_many_systems_the_json_lists_the_first_and_neighbours_and_says_what_is_left_out(
    results, monkeypatch
):
    ranking = rank(load_board(results, BOARD))
    whole = json.loads(board_text(ranking, "json"))
    assert len(whole["pairs"]) == 6
    assert "pairs_left_out" not in whole
    monkeypatch.setattr(formats, "MOST_ALL_PAIRS", 3)
    some = json.loads(board_text(ranking, "json"))
    names = [row["name"] for row in some["rows"]]
    titles = [row.system for row in ranking.rows]
    assert len(names) == 4
    assert [one["systems"] for one in some["pairs"]] == [
        [titles[i], titles[j]] for i, j in ((0, 1), (0, 2), (0, 3), (1, 2), (2, 3))
    ]
    assert some["pairs_left_out"] == 1
    assert all(pair in whole["pairs"] for pair in some["pairs"])
    assert schema_faults(some, "board", "x") == []
