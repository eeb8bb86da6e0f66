"""A score is refused where its board's records are of another declaration, split file or data."""

from pathlib import Path

import numpy as np
import pytest
from documents import CORPUS_DATA, SPLIT_PART
from msgspec.structs import replace
from own_corpus import make_own_corpus, write_split

from harness.corpus.declaration import load_declaration
from harness.records.neighbours import Facts, neighbour_faults
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


def facts(split="1", data="2", declared="3", kind="submission", missing=()):
    """Facts whose hashes are one digit repeated; an empty digit is a hash that is not known."""
    corpus = replace(CORPUS_DATA, fingerprint=data * 64, declaration_sha256=declared * 64)
    return Facts(replace(SPLIT_PART, sha256=split * 64), corpus, kind, missing)


def said(new, *others):
    names = {f"{number}.json": one for number, one in enumerate(others)}
    return [str(fault) for fault in neighbour_faults(Path("board/new.json"), new, names)]


RESTORE = {
    "declaration of the corpus": (
        "The hash is of the corpus's name, kind, channels, rates, features and preprocessing. Restore"
        " corpus.toml; or give this corpus a name of its own; or "
    ),
    "split file": "Restore the split's file; or give this split a name of its own; or ",
    "corpus data": "Is --data the folder that the others were scored on? Else ",
}


def refusal(what, usual, names, new):
    return (
        f"board: records of another {what} ({usual * 12}: {names}), expected none, or some of that of new"
        f" ({new * 12}).\n  {RESTORE[what]}{REPLACE}"
    )


@pytest.mark.parametrize(
    ("key", "what"),
    [("split", "split file"), ("data", "corpus data"), ("declared", "declaration of the corpus")],
)
def test_what_most_of_a_boards_records_are_of_is_the_boards(key, what):
    for usual, odd in ("89", "98"):
        most, one = facts(**{key: usual}), facts(**{key: odd})
        assert said(most, one, most, most) == []
        assert said(one, one, most, most) == [refusal(what, usual, "1.json, 2.json", odd)]
        assert said(one, most, one) == [refusal(what, usual, "0.json", odd)]  # of as many, the first
        assert said(most, most, one) == []


def test_everything_that_sets_a_record_apart_is_said_at_once():
    five = [facts("4", "5", "6")] * 5
    assert said(facts(), *five) == [
        refusal("declaration of the corpus", "6", "0.json, 1.json, 2.json and 2 more", "3"),
        refusal("split file", "4", "0.json, 1.json, 2.json and 2 more", "1"),
        refusal("corpus data", "5", "0.json, 1.json, 2.json and 2 more", "2"),
    ]
    assert said(facts()) == []


def test_a_hash_that_is_not_known_sets_nothing_apart():
    assert said(facts(declared="", data=""), facts("1", "7", "8")) == []
    assert said(facts(), facts(declared="", data="")) == []
    assert said(facts(), facts(declared=""), facts(declared=""), facts(declared="8")) == [
        refusal("declaration of the corpus", "8", "2.json", "3")
    ]


def test_data_are_compared_among_records_of_one_kind_and_of_the_same_subjects():
    for other in ({"kind": "predictions"}, {"missing": ("a",)}):
        assert said(facts(), facts(data="9", **other)) == []
        assert said(facts(**other), facts(data="9")) == []
        assert said(facts(**other), facts(data="9"), facts(data="8", **other)) == [
            refusal("corpus data", "8", "1.json", "2")
        ]
