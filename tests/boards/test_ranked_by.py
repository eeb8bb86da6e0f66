"""Boards that are ranked by another measure than Pearson r, where higher is better and where lower is."""

import csv
import dataclasses
import io
import json
import re

import pytest
from documents import with_measures

from harness.boards.board import BoardName, BoardRecord, load_board
from harness.boards.cells import row_cells
from harness.boards.compare import compare
from harness.boards.compared import against_board_text, comparison_text
from harness.boards.formats import board_text
from harness.boards.history import happened
from harness.boards.ranking import rank
from harness.errors import RecordError
from harness.page import build_page
from harness.page.board import board_view
from harness.records.document import parse_record, record_bytes
from harness.records.milestone import parse_milestone
from harness.records.store import read_record
from harness.records.verify import verify
from harness.scoring.measures import MEASURES

BOARD = BoardName("simulated", "held-out-subjects", "test", "mel")
N_SUBJECTS = 8


@pytest.fixture
def distance(monkeypatch):
    """A measure of which lower is better."""
    made = dataclasses.replace(
        MEASURES["cosine"],
        name="distance",
        title="log-spectral distance",
        short="distance",
        unit="dB",
        range=(0.0, 100.0),
        higher_is_better=False,
    )
    monkeypatch.setitem(MEASURES, "distance", made)


@pytest.fixture
def make_measured(make_record):
    """A record with scores by a further measure, which ranks; gives its path."""

    def make(name, by, scores, r):
        path = make_record(name, r)
        document = with_measures(json.loads(path.read_bytes()), [by, "pearson_r"], **{by: list(scores)})
        path.write_bytes(record_bytes(parse_record(json.dumps(document).encode(), name)))
        return path

    return make


@pytest.fixture
def board(make_measured, distance, rng, tmp_path):
    """Two systems: far has the higher distance, and the higher r."""
    noise = rng.normal(0, 0.001, (4, N_SUBJECTS))
    make_measured("near", "distance", 2 + noise[0], 0.1 + noise[1])
    make_measured("far", "distance", 3 + noise[2], 0.2 + noise[3])
    return load_board(tmp_path / "results", BOARD)


def test_where_lower_is_better_the_lowest_is_first(board):
    assert board.left_out == ()
    ranking = rank(board)
    assert [row.system for row in ranking.rows] == ["near", "far"]
    assert [tuple(row.rank) for row in ranking.rows] == [(1, 1, 1), (2, 2, 2)]
    assert [row.ties for row in ranking.rows] == ["a", "b"]
    assert ranking.effect[0, 1] < 0
    assert board.scores.tolist() == [
        list(one.record.measures["distance"].subjects.values()) for one in board.records
    ]
    assert board_text(ranking).splitlines()[0] == (
        "simulated data (no real EEG), split held-out-subjects, part test, feature mel, ranked by"
        " log-spectral distance (lower is better): 2 systems, 8 subjects"
    )
    cells = row_cells(ranking.rows[0])
    assert list(cells)[3:8] == ["mean distance (dB)", "95 % interval", "chance", "without the EEG", "mean r"]
    assert cells["chance"] == "worse than chance"  # 2 is above the band, on the wrong side


def test_a_page_says_that_lower_is_better_and_sorts_so(board, tmp_path):
    build_page(tmp_path / "site", tmp_path / "results", tmp_path)
    text = (tmp_path / "site/boards/simulated-held-out-subjects-test-mel.html").read_text()
    assert "<caption>Ranking by mean log-spectral distance (lower is better), simulated data" in text
    assert "<th scope=col data-sort=up>mean distance (dB)<th scope=col data-sort=up>95 % interval<th" in text
    assert "<th scope=col data-sort=down>mean r<th" in text


def test_a_comparison_says_that_lower_is_better(board):
    text = comparison_text(compare(*board.records))
    assert text.splitlines()[0].endswith(", ranked by log-spectral distance (lower is better)")
    assert "mean difference in distance -" in text


def test_records_of_other_measures_are_no_part_of_a_board(make_measured, make_record, tmp_path):
    paths = [make_measured(name, "cosine", [0.5] * 3, [0.1] * 3) for name in ("a", "b")]
    other = make_record("c", [0.9] * 3)
    board = load_board(tmp_path / "results", BOARD)
    assert [one.path for one in board.records] == paths
    assert [str(fault) for fault in board.left_out] == [
        f"{other}: another list of measures than the board's other records, expected cosine, pearson_r.\n"
        "  Score it again, or remove it."
    ]
    with pytest.raises(RecordError) as caught:
        compare(BoardRecord.read(paths[0]), BoardRecord.read(other))
    assert str(caught.value) == (
        f"{other}: another list of measures, expected that of {paths[0]}.\n  Score it again."
    )


def test_a_measure_that_is_not_known_leaves_its_record_out(make_measured, distance, monkeypatch, tmp_path):
    path = make_measured("a", "distance", [0.5] * 3, [0.1] * 3)
    monkeypatch.delitem(MEASURES, "distance")
    board = load_board(tmp_path / "results", BOARD)
    assert board.empty
    assert str(board.left_out[0]) == (
        f"{path}: split: measures: distance, expected one of cosine, cosine_centred, cosine_gain, pearson_r, song_accuracy, song_accuracy_reconstructed.\n"
        "  It was edited after it was scored: score it again, or restore it."
    )


def test_what_happened_is_by_the_measure_that_ranks(make_measured, distance, tmp_path):
    def both(by, scores, r):
        path = make_measured("a", by, scores, r)
        record, milestone = read_record(path), parse_milestone(path.read_bytes())
        path.unlink()
        return record, milestone

    for index in (0, 1):
        first = both("distance", [2.0] * 3, [0.1] * 3)[index]
        lower = both("distance", [1.0] * 3, [0.0] * 3)[index]
        cosine = both("cosine", [0.5] * 3, [0.1] * 3)[index]
        assert happened(first, lower) == "improved"
        assert happened(lower, first) == "lowered"
        assert happened(first, cosine) == "re-scored: split or corpus changed"
        assert happened(first, both("distance", [2.0] * 3, [0.4] * 3)[index]) is None


def test_verify_names_other_measures_and_tells_what_the_score_is_by(make_measured, make_record):
    path = make_measured("a", "cosine", [0.5] * 3, [0.1] * 3)
    recorded = read_record(path)
    path.unlink()
    now = read_record(make_record("a", [0.1] * 3))
    by_r = verify(recorded, now)
    assert [difference.what for difference in by_r.differences] == [
        "measures of the split",
        "measures",
    ]
    assert by_r.measure.name == "pearson_r"
    assert verify(recorded, recorded).measure.name == "cosine"


@pytest.fixture
def against_a_constant(make_record, tmp_path):
    """Two systems by the cosine and its gain; one has no answers on the training part."""
    names = ["cosine", "cosine_gain", "song_accuracy_reconstructed"]
    for name, more in (("asked", {"song_accuracy_reconstructed": [0.25] * 3}), ("handed-in", {})):
        path = make_record(name, [0.1, 0.2, 0.3])
        values = {"cosine": [0.7, 0.8, 0.9], "cosine_gain": [0.0, 0.1, 0.2], **more}
        document = with_measures(json.loads(path.read_bytes()), names, **values)
        path.write_bytes(record_bytes(parse_record(json.dumps(document).encode(), name)))
    return load_board(tmp_path / "results", BOARD)


def test_beside_a_cosine_stands_what_a_constant_scores_and_what_was_not_measured(against_a_constant):
    assert against_a_constant.left_out == ()
    rows = rank(against_a_constant).rows
    assert [row.constant_cosine for row in rows] == pytest.approx([0.7, 0.7])
    lines = board_text(rank(against_a_constant)).splitlines()
    headings = re.split(r"\s{2,}", lines[2].strip())
    assert headings[headings.index("without the EEG") + 1 :][:4] == [
        "constant's cosine", "mean gain in cosine", "mean song accuracy by reconstructions", "unseen stimuli",
    ]  # fmt: skip
    cells = {row[2]: row for row in (re.split(r"\s{2,}", line.strip()) for line in lines[4:6])}
    assert cells["asked"][7:10] == ["0.7000", "0.1000", "0.2500"]
    assert cells["handed-in"][7:10] == ["0.7000", "0.1000", "not measured"]
    table = list(csv.DictReader(io.StringIO(board_text(rank(against_a_constant), "csv"))))
    assert [float(row["constant_cosine"]) for row in table] == pytest.approx([0.7, 0.7])
    assert {row["song_accuracy_reconstructed"] for row in table} == {"0.25", ""}


def test_a_page_shows_both_too(against_a_constant, tmp_path):
    view = board_view(rank(against_a_constant))
    assert [heading for heading, _ in view["further"]] == [
        "constant's cosine", "mean gain in cosine", "mean song accuracy by reconstructions",
    ]  # fmt: skip
    assert {row["mean song accuracy by reconstructions"] for row in view["rows"]} == {
        "0.2500",
        "not measured",
    }


def test_the_list_of_boards_and_the_axis_say_so_too(against_a_constant, tmp_path):
    build_page(tmp_path / "site", tmp_path / "results", tmp_path)
    index = (tmp_path / "site/index.html").read_text()
    assert "<td>0.8000 (cosine), constant&#39;s cosine 0.7000<td>" in index
    assert "flagged" not in index
    page = (tmp_path / "site/boards/simulated-held-out-subjects-test-mel.html").read_text()
    assert page.count("text-anchor=middle>Cosine</text></svg>") == 2
    assert "Pearson r</text>" not in page


def test_a_flag_of_the_split_stands_in_the_list_of_boards_and_in_comparisons(against_a_constant, tmp_path):
    for one in against_a_constant.records:
        document = json.loads(one.path.read_bytes())
        document["split"]["flag"] = "every test target was seen in training"
        one.path.write_bytes(record_bytes(parse_record(json.dumps(document).encode(), "flagged")))
    flagged = load_board(tmp_path / "results", BOARD)
    build_page(tmp_path / "site", tmp_path / "results", tmp_path)
    index = (tmp_path / "site/index.html").read_text()
    assert "</a> (flagged: every test target was seen in training)<td>" in index
    said = (
        "held-out-subjects (every test target was seen in training), part test, feature mel, ranked by cosine"
    )
    assert comparison_text(compare(*flagged.records)).splitlines()[0].endswith(f"split {said}")
    assert (
        against_board_text(flagged.records[0], flagged)
        .splitlines()[0]
        .startswith(
            f"{flagged.records[0].system} on {BOARD} (every test target was seen in training), ranked by cosine: rank"
        )
    )


def test_a_comparison_says_what_a_constant_scores(against_a_constant):
    text = comparison_text(compare(*against_a_constant.records))
    assert "constant's cosine, which needs no EEG: 0.7000" in text.splitlines()
    head = against_board_text(against_a_constant.records[0], against_a_constant).splitlines()[0]
    assert "; constant's cosine: 0.7000" in head


def test_a_comparison_is_by_the_measures_that_both_have(against_a_constant):
    comparison = compare(*against_a_constant.records)
    assert [one.measure.name for one in comparison.further] == ["cosine_gain"]
