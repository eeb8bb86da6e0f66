"""Boards as pandas frames say what the command prints."""

import io

import numpy as np
import pandas as pd
import pytest

from harness import api
from harness.errors import RecordError, UsageError

NAME = "simulated/held-out-subjects/test/mel"


@pytest.fixture
def results(make_record, tmp_path):
    rng = np.random.default_rng(2)
    base = rng.normal(0.1, 0.02, 8)
    for name, gain in (("first", 0.05), ("second", 0.0), ("third", -0.05)):
        make_record(name, base + gain + rng.normal(0, 0.002, 8))
    return tmp_path / "results"


def test_a_board_is_the_commands_csv(harness, results):
    (results / "simulated/held-out-subjects/test/mel/broken.json").write_text("{}")
    frame = api.board(NAME, results)
    code, out, _ = harness("rank", "--board", NAME, "--format", "csv")
    assert code == 1  # a record is left out, and said so in both
    theirs = pd.read_csv(io.StringIO(out))
    assert list(frame.columns) == list(theirs.columns)
    assert list(frame["name"]) == ["first", "second", "third", "broken"]
    for column in ("pearson_r", "ci95_low", "rank_low", "rank_high", "chance_high", "band_1"):
        np.testing.assert_array_equal(frame[column].astype(float), theirs[column].astype(float))
    assert "broken.json" in frame["left_out"].iloc[3]
    assert frame.attrs["title"].startswith("simulated data (no real EEG), split held-out-subjects, part test")
    assert any("Rank: by the mean" in note for note in frame.attrs["notes"])


def test_boards_are_listed_and_none_where_no_folder_is(results, tmp_path):
    assert api.boards(results).to_dict("records") == [
        {"name": NAME, "kind": "simulated", "systems": 3, "first": "first"}
    ]
    assert list(api.boards(tmp_path / "none").columns) == ["name", "kind", "systems", "first"]
    with pytest.raises(UsageError, match=f"board {NAME}x: no record, expected one of {NAME}"):
        api.board(f"{NAME}x", results)


def test_scores_of_subjects_have_the_boards_order(results):
    scores = api.subject_scores(NAME, results)
    assert list(scores.columns) == ["first", "second", "third"]
    assert scores.index.name == "subject"
    assert scores.index[0] == "sub-086"
    np.testing.assert_allclose(scores.mean(), api.board(NAME, results)["pearson_r"], atol=1e-12)


def test_a_comparison_is_the_commands(harness, results):
    comparison = api.compare("first", "third", results=results)
    code, out, _ = harness("compare", "first", "third")
    assert code == 0
    assert api.text(comparison) == out.rstrip("\n") or api.text(comparison) == out
    scores = api.subject_scores(NAME, results)
    differences = scores["first"] - scores["third"]
    assert comparison.ranked.mean == pytest.approx(differences.mean(), abs=1e-12)
    assert comparison.p < 0.01


@pytest.mark.slow
def test_records_of_two_parts_are_not_compared(val, small):
    def still(eeg, subjects):
        return np.zeros((len(eeg), 1920, 10), np.float32)

    test = api.open_part(small.data, split=small.split, part="test")
    with pytest.raises(RecordError, match="Boards never mix"):
        api.compare(api.score(still, val, surrogates=0), api.score(still, test, surrogates=0))
