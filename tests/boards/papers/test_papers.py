"""The papers' tables: their values, percentages computed again, cells that records fill."""

import csv
import io
import json
import os
from pathlib import Path

import numpy as np
import pytest
from conftest import REPOSITORY

from harness.boards.board import BoardName, load_board
from harness.boards.papers import PAPERS, fill, load_paper, official_teams, official_text, paper_text, tables
from harness.errors import UsageError


@pytest.fixture
def ssm2mel(make_record, tmp_path):
    """Two rows of SSM2Mel's Table I, measured on the simulated corpus."""
    board = {"split": {"name": "known-subjects"}}
    make_record("vlaai", [0.04, 0.06], variant="challenge", **board)
    make_record("ssm2mel", [0.06, 0.08], variant="full", **board)
    return tmp_path / "results"


def test_every_table_of_every_paper_has_its_rows():
    reported = {
        name: [[row["reported"] for row in table["rows"]] for table in load_paper(name)["tables"]]
        for name in PAPERS
    }
    assert reported["catwavenet"] == [[0.0470, 0.0554, 0.0651], [0.0580, 0.0631, 0.0612, 0.0651]]
    assert reported["ssm2mel"] == [
        [0.050, 0.052, 0.058, 0.063, 0.069],
        [None] * 3,
        [0.050, 0.057, 0.061, 0.063, 0.069],
        [None] * 3,
    ]
    assert reported["dmf2mel"] == [[0.050, 0.074], [0.0356, 0.048]]
    assert reported["music"][:4] == [
        [82.86, 62.79, 73.84, 57.56, None, None],
        [0.80, 0.43, 0.79, 0.44, None, None],
        [82.86, 80.8],
        [0.80, 0.7392, 0.7302, None, None, None, None, None],
    ]
    assert reported["music"][4:] == reported["music"][:4]  # beside a split without the study's leak


def test_percentages_are_computed_again():
    table = load_paper("ssm2mel")["tables"][0]
    cells = fill(table, {})
    assert [round(cell.reported_percent or 0) for cell in cells] == [0, 4, 16, 26, 38]
    assert [cell.printed_percent for cell in cells] == [None, 4, 16, 26, 38]


def test_a_record_fills_its_cell_and_is_called_simulated(ssm2mel):
    text = paper_text("ssm2mel", ssm2mel)
    line = next(line for line in text.splitlines() if line.startswith("SSM2Mel  "))
    assert line.split()[1:5] == ["0.0690", "+38", "%", "0.0700"]
    assert "+40 %" in line
    assert "measured here (simulated data (no real EEG))" in text
    assert "measured - reported" not in text.split("Table II")[0]  # never across simulated and real
    assert "HappyQuokka             0.0520" in text
    assert "no record" in text


def test_real_records_come_before_simulated_ones_and_have_a_difference(ssm2mel, make_record):
    make_record("ssm2mel", [0.05, 0.07], variant="full", kind="real", split={"name": "known-subjects"})
    document = json.loads(paper_text("ssm2mel", ssm2mel, form="json"))
    table = document["tables"][0]
    assert (table["measured_on"], table["simulated"]) == ("sparrkulee", False)
    assert [row["measured"] for row in table["rows"]] == [None, None, None, None, pytest.approx(0.06)]
    assert "-0.0090" in paper_text("ssm2mel", ssm2mel)


@pytest.mark.parametrize("kind", ["partial", "broken"])
def test_a_record_of_another_corpus_that_is_not_ranked_does_not_empty_a_table(ssm2mel, make_record, kind):
    before = json.loads(paper_text("ssm2mel", ssm2mel, form="json"))
    flags = {"partial": True, "subjects_missing": ["sub-099"]}
    path = make_record(
        "ssm2mel", [0.5], variant="full", kind="real", split={"name": "known-subjects"}, flags=flags
    )
    if kind == "broken":
        path.write_text("{")
    assert json.loads(paper_text("ssm2mel", ssm2mel, form="json")) == before
    assert before["tables"][0]["measured_on"] == "simulated"


def test_a_board_in_place_of_a_tables_own_fills_it_and_is_noted(make_record, tmp_path):
    make_record("ssm2mel", [0.06, 0.08], variant="no-esm")
    board = BoardName("simulated", "held-out-subjects", "test", "mel")
    text = paper_text("ssm2mel", tmp_path / "results", board=board)
    (line,) = [line for line in text.splitlines() if line.startswith("without ESM")]
    assert line.split()[2:6] == ["0.0630", "+26", "%", "0.0700"]
    note = "Measured on held-out-subjects/test/mel, where the paper's figures are of known-subjects/test/"
    assert text.count(f"Note: {note}mel.") == 3
    assert text.count(f"Note: {note}envelope.") == 1
    assert "Measured on" not in paper_text("catwavenet", tmp_path / "results")


def test_inconsistencies_are_notes(ssm2mel):
    assert "Note: The tables say 0.069, the text 0.068." in paper_text("ssm2mel", ssm2mel)
    dmf = paper_text("dmf2mel", ssm2mel)
    assert "the values give" not in dmf
    table = {**load_paper("dmf2mel")["tables"][0]}
    table["rows"] = [table["rows"][0], {**table["rows"][1], "reported_percent": 50}]
    from harness.boards.papers.tables import _inconsistencies

    assert _inconsistencies(fill(table, {})) == ["DMF2Mel: printed as 50 %, the values give 48.0 %."]


@pytest.fixture
def music_records(make_record, tmp_path):
    """The CNN of periodograms on two boards of the study's split, simulated; the words stand in the split."""

    def by(value):
        chance = {"circular_shifts": None, "mismatched_segments": None}
        return {"value": value, "ci95": None, "chance": chance, "subjects": {"sub-086": value}}

    for feature, cosine, accuracy in (("music-mel-db", 0.83, 0.5), ("music-mel", 0.41, 0.25)):
        names = ["cosine", "song_accuracy", "song_accuracy_reconstructed"]
        values = dict(zip(names, (cosine, accuracy, accuracy + 0.1), strict=True))
        constant = {"cosine": cosine - 0.01, "song_accuracy": 0.1, "song_accuracy_reconstructed": 0.1}
        make_record(
            "eeg2mel",
            [0.1],
            variant="periodogram",
            feature=feature,
            corpus={"name": "simulated-nmed-t"},
            split={
                "name": "music-random",
                "measures": names,
                "flag": "every test target was seen in training",
            },
            measures={name: {**by(value), "segments_undefined": 0} for name, value in values.items()},
            without_brain={
                "constant": {
                    "value": constant["cosine"],
                    "ci95": None,
                    "subjects": {"sub-086": constant["cosine"]},
                    "measures": constant,
                }
            },
        )
    return tmp_path / "results"


def test_rows_of_two_features_are_filled_by_two_boards_and_a_constant_stands_below(music_records):
    text = paper_text("music", music_records)
    accuracy, cosine, *_ = text.split("Table ")[1:]
    lines = {line[:22].strip(): line.split() for line in accuracy.splitlines()}
    assert lines["periodogram + mel-dB"][3:] == ["82.86", "50.00", "60.00"]
    assert lines["periodogram + mel"][3:] == ["62.79", "25.00", "35.00"]
    assert lines["the training part's me"][-4:] == ["10.00", "needs", "no", "EEG"]
    assert "measured - reported" not in accuracy + cosine
    assert "Note: The measured split is flagged: every test target was seen in training." in accuracy
    assert "0.8300" in cosine
    assert "the training part's mean, music-mel-db" in cosine
    assert [line.split()[-4] for line in cosine.splitlines() if line.startswith("the training")] == [
        "0.8200",
        "0.4000",
    ]
    tables = json.loads(paper_text("music", music_records, form="json"))["tables"]
    assert tables[1]["constants"] == {
        "the training part's mean, music-mel-db": pytest.approx(0.82),
        "the training part's mean, music-mel": pytest.approx(0.40),
    }
    assert (tables[0]["measured_on"], tables[0]["simulated"]) == ("simulated-nmed-t", True)
    assert tables[4]["measured_on"] is None


@pytest.mark.parametrize("form", ["text", "md", "csv", "latex", "html", "json"])
def test_every_format_is_stable(ssm2mel, form):
    for name in PAPERS:
        assert paper_text(name, ssm2mel, form=form) == paper_text(name, ssm2mel, form=form)


def test_wrong_names_are_refused(ssm2mel):
    with pytest.raises(UsageError, match="PAPER: 'ssm', expected one of catwavenet, ssm2mel, dmf2mel"):
        paper_text("ssm", ssm2mel)
    with pytest.raises(UsageError, match="--format: 'pdf'"):
        paper_text("ssm2mel", ssm2mel, form="pdf")
    with pytest.raises(UsageError, match="--format: 'pdf'"):
        official_text("pdf")
    with pytest.raises(UsageError, match="board dtu/dtu/val/envelope: no record"):
        paper_text("ssm2mel", ssm2mel, board=BoardName("dtu", "dtu", "val", "envelope"))


def test_official_board_has_49_teams_in_order_with_means_of_their_subjects():
    teams = official_teams()
    assert len(teams) == 49
    assert [team.name for team in teams[:3]] == ["PKU_SHRC", "bigbrain", "imubjl"]
    assert [round(team.mean, 4) for team in teams[:2]] == [0.0420, 0.0413]
    baseline = next(team for team in teams if team.name == "baseline")
    assert round(baseline.mean, 4) == 0.0214
    for team in teams:
        assert list(team.subjects) == sorted(team.subjects)
        assert np.mean(team.bands) == pytest.approx(team.mean, abs=1e-9)
        assert team.ci95[0] < team.mean < team.ci95[1]
    twice = [team for team in teams if team.other is not None]
    assert (len(twice), sum(team.other > team.mean for team in twice)) == (35, 12)
    fell = next(team for team in teams if team.name == "HWAud")
    assert (round(fell.other, 4), round(fell.mean, 4)) == (0.0305, -0.0067)
    text = official_text()
    assert "No paired test is possible" in text
    assert len([line for line in text.splitlines() if line[:1].isdigit()]) == 49


@pytest.mark.skipif(
    "HARNESS_TEST_OFFICIAL" not in os.environ, reason="HARNESS_TEST_OFFICIAL does not name a folder"
)
def test_official_board_equals_the_published_files():
    folder = Path(os.environ["HARNESS_TEST_OFFICIAL"])
    published = json.loads((folder / "scores_task2.json").read_text())
    means = json.loads((folder / "scores_task2_means.json").read_text())
    teams = official_teams()
    assert [team.name for team in teams] == sorted(published, key=lambda name: -published[name]["total"])
    for team in teams:
        assert list(team.subjects) == published[team.name]["per_subject"]
        assert list(team.bands) == published[team.name]["per_band"]
        assert team.mean == pytest.approx(published[team.name]["total"], abs=1e-15)
        row = next(r for r in means if (r["group_name"], r["submission"]) == (team.name, team.submission))
        assert team.std == pytest.approx(row["std"], abs=1e-15)


def test_csv_of_a_paper_has_every_row_of_json(ssm2mel):
    document = json.loads(paper_text("ssm2mel", ssm2mel, form="json"))
    rows = list(csv.DictReader(io.StringIO(paper_text("ssm2mel", ssm2mel, form="csv"))))
    expected = [(table["id"], row) for table in document["tables"] for row in table["rows"]]
    assert [(row["table"], row["label"]) for row in rows] == [(name, row["label"]) for name, row in expected]
    for row, (_, its) in zip(rows, expected, strict=True):
        for key in ("reported", "measured", "measured_percent"):
            assert row[key] == ("" if its[key] is None else str(its[key]))
        assert (row["ci95_low"] == "") is (its["ci95"] is None)


@pytest.mark.parametrize("form", ["text", "md", "csv", "latex", "html", "json"])
def test_all_papers_at_once_in_every_format(harness, ssm2mel, form):
    code, out, err = harness("tables", "--format", form, "--results", ssm2mel)
    assert (code, err) == (0, "")
    for word in ("SSM2Mel", "bigbrain"):
        assert word in out
    if form == "csv":
        rows = list(csv.DictReader(io.StringIO(out)))
        assert {row["paper"] for row in rows} == {*PAPERS, "official-2024"}
        assert len([row for row in rows if row["table"] == "leaderboard"]) == 49
        assert (
            float(next(row for row in rows if row["label"] == "PKU_SHRC")["reported"])
            == official_teams()[0].mean
        )
    if form == "json":
        assert len(json.loads(out)) == len(PAPERS) + 1


def test_no_board_is_read_twice_for_the_tables_of_all_papers(harness, ssm2mel, monkeypatch):
    read = []

    def load(results, name):
        read.append(str(name))
        return load_board(results, name)

    monkeypatch.setattr(tables, "load_board", load)
    alone = paper_text("ssm2mel", ssm2mel)
    own = ["simulated/known-subjects/test/mel"]
    assert read == own  # of three tables
    code, out, _ = harness("tables", "--results", ssm2mel)
    assert (code, read) == (0, own * 2)
    assert alone in out
    code, _, _ = harness("tables", "--results", ssm2mel, "--board", *own)  # of the tables of three papers
    assert (code, read) == (0, own * 3)


@pytest.mark.slow
def test_nothing_is_left_out_of_the_tables_of_the_committed_records(harness):
    code, out, err = harness("tables", "--format", "json", "--results", REPOSITORY / "results")
    assert (code, err) == (0, "")
    filled = {
        paper["name"]: [row["measured"] is not None for table in paper["tables"] for row in table["rows"]]
        for paper in json.loads(out)[: len(PAPERS)]
    }
    for name in ("catwavenet", "dmf2mel", "music"):
        assert any(filled[name]), name
