"""A score is refused where its board's records are of another declaration, split file or data."""

import numpy as np
import pytest
from own_corpus import make_own_corpus, write_split

from harness.corpus.declaration import load_declaration
from harness.records.store import read_record

BOARD = "results/my-lab/my-lab/test/envelope"
SCORE = ("--data", "lab", "--split", "my-lab", "--no-controls")
REPLACE = "choose another folder with --out; or put it there with --replace, and score the others again."


@pytest.fixture
def lab(tmp_path):
    folder = make_own_corpus(tmp_path / "lab", n_channels=4)
    write_split(folder / "my-lab.json")
    return folder


@pytest.fixture
def scored(lab, tmp_path, make_submission, harness):
    """The record of a submission on the corpus."""
    assert harness("score", make_submission("first"), *SCORE)[0] == 0
    return read_record(tmp_path / BOARD / "first.json")


def _declare_otherwise(lab):
    """Another declaration of the same name; gives its hash."""
    toml = lab / "corpus.toml"
    toml.write_text(toml.read_text().replace("count = 4", "count = 3\nmore_in_files = true"))
    return load_declaration(lab).sha256


def test_another_declaration_of_the_same_name_is_refused_before_anything_runs(
    harness, lab, scored, make_submission, tmp_path
):
    new = _declare_otherwise(lab)
    code, out, err = harness("score", make_submission("second", predict="raise SystemExit('it ran')"), *SCORE)
    assert (code, out) == (1, "")
    assert err.endswith(
        f"error: {BOARD}: records of another declaration of the corpus"
        f" ({scored.corpus.declaration_sha256[:12]}: first.json), expected none, or some of that of second"
        f" ({new[:12]}).\n"
        "  The hash is of the corpus's name, kind, channels, rates, features and preprocessing. Restore"
        f" corpus.toml; or give this corpus a name of its own; or {REPLACE}\n"
    )
    assert [path.name for path in (tmp_path / BOARD).iterdir()] == ["first.json"]


def test_the_systems_own_record_of_another_declaration_is_refused_before_it_runs(harness, lab, scored):
    _declare_otherwise(lab)
    code, out, err = harness("score", "submissions/first", *SCORE)
    assert (code, out) == (1, "")
    assert f"({scored.corpus.declaration_sha256[:12]}: first.json), expected none" in err


def test_predictions_are_refused_too_and_replace_puts_them_there(
    harness, lab, scored, make_submission, tmp_path
):
    new = _declare_otherwise(lab)
    assert harness("predict", make_submission("second"), *SCORE[:-1], "--out", "theirs.npz")[0] == 0
    code, out, err = harness("score", "theirs.npz", *SCORE[:-1])
    assert (code, "mean r " in out) == (1, True)  # the score is not lost
    assert "records of another declaration of the corpus" in err
    assert not (tmp_path / BOARD / "theirs.json").exists()
    assert harness("score", "theirs.npz", *SCORE[:-1], "--replace")[0] == 0
    assert read_record(tmp_path / BOARD / "theirs.json").corpus.declaration_sha256 == new


def test_another_split_file_of_the_same_name_is_refused_before_anything_runs(
    harness, lab, scored, make_submission
):
    write_split(lab / "my-lab.json", title="The same, with another title")
    code, out, err = harness("score", make_submission("second", predict="raise SystemExit('it ran')"), *SCORE)
    assert (code, out) == (1, "")
    assert f"error: {BOARD}: records of another split file ({scored.split.sha256[:12]}: first.json)" in err
    assert err.endswith(f"  Restore the split's file; or give this split a name of its own; or {REPLACE}\n")


def test_other_data_are_refused_once_they_are_seen(harness, lab, scored, make_submission):
    path = lab / "eeg/P10_story-a.npy"
    np.save(path, np.load(path) + 1)
    code, out, err = harness("score", make_submission("second"), *SCORE)
    assert (code, "mean r " in out) == (1, True)
    assert (
        f"error: {BOARD}: records of another corpus data ({scored.corpus.fingerprint[:12]}: first.json)"
        in err
    )


def test_partial_records_and_whole_ones_stand_side_by_side(harness, lab, scored, make_submission):
    for path in (lab / "eeg").glob("P10_*"):
        path.unlink()
    code, _, err = harness("score", make_submission("second"), *SCORE, "--partial")
    assert code == 0, err
    code, out, err = harness("rank")
    assert (code, err) == (0, "")
    assert "Not ranked, scored on 2 subjects only: second" in out
