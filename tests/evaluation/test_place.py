"""Whose record gives way: a submission's own, and no other's."""

import json
import shutil

import pytest

from harness.records.store import read_record

RECORD = "results/sparrkulee/small-split/test/mel/{}.json"


@pytest.fixture
def scored(harness, make_submission, where, tmp_path):
    """A submission at its place beside the results, and its record."""
    folder = make_submission()
    code, _, err = harness("score", folder, *where)
    assert code == 0, err
    return folder, tmp_path / RECORD.format("tiny")


def test_changed_code_at_its_place_is_scored_again_without_a_question(harness, scored, where):
    folder, path = scored
    before = read_record(path)
    (folder / "note.txt").write_text("changed")
    code, _, err = harness("score", folder, *where)
    assert (code, err.splitlines()[-1]) == (0, f"record written to {RECORD.format('tiny')}")
    assert read_record(path).submission.code_sha256 != before.submission.code_sha256


def test_a_strangers_folder_of_the_same_name_is_refused_before_it_runs(harness, scored, where, tmp_path):
    folder, path = scored
    before = path.read_bytes()
    stranger = tmp_path / "elsewhere" / "tiny"
    shutil.copytree(folder, stranger)
    (stranger / "predictor.py").write_text("raise SystemExit('has run')\n")
    code, out, err = harness("score", stranger, *where)
    assert (code, out) == (1, "")
    old = read_record(path).submission.code_sha256[:12]
    message = (
        f"error: {RECORD.format('tiny')}: the record of tiny in {tmp_path}/submissions/tiny (code {old}),"
        f" expected none, or one of tiny in {stranger} (code "
    )
    assert message in err
    assert err.endswith(
        ").\n  Rename one of the two, choose another folder with --out, or put this one in its place with"
        " --replace.\n"
    )
    assert path.read_bytes() == before


@pytest.mark.slow
def test_a_stranger_takes_the_place_only_where_that_is_said(harness, scored, where, tmp_path):
    folder, path = scored
    stranger = tmp_path / "elsewhere" / "tiny"
    shutil.copytree(folder, stranger)
    assert "record unchanged in" in harness("score", stranger, *where)[2]  # the same code is the same system
    (stranger / "note.txt").write_text("changed")
    assert harness("score", stranger, *where)[0] == 1
    assert harness("score", stranger, *where, "--out", "other")[0] == 0
    before = path.read_bytes()
    assert harness("score", stranger, *where, "--replace")[0] == 0
    assert path.read_bytes() != before


@pytest.mark.slow
def test_a_strangers_folder_is_refused_in_results_that_lie_by_themselves(harness, scored, where, tmp_path):
    folder, _ = scored
    stranger = tmp_path / "elsewhere" / "tiny"
    shutil.copytree(folder, stranger)
    (stranger / "note.txt").write_text("changed")
    apart = (*where, "--out", "apart/results")
    assert harness("score", folder, *apart)[0] == 0
    code, _, err = harness("score", stranger, *apart)
    assert (code, "the record of tiny in submissions/tiny (code " in err) == (1, True)
    assert f"or one of tiny in {stranger} (code " in err
    (folder / "note.txt").write_text("its own, changed")
    assert harness("score", folder, *apart)[0] == 0
    assert harness("score", stranger, *apart, "--replace")[0] == 0
    (stranger / "note.txt").write_text("changed again")  # the record is the stranger's own now
    assert harness("score", stranger, *apart)[0] == 0


def test_a_folder_with_no_package_beside_the_results_is_its_own_home(
    harness, make_submission, where, tmp_path
):
    shutil.move(make_submission("mine"), tmp_path / "mine")
    assert harness("score", "mine", *where)[0] == 0
    (tmp_path / "mine" / "note.txt").write_text("changed")
    code, _, err = harness("score", "mine", *where)
    assert (code, "record written to" in err) == (0, True)


def test_a_variant_and_a_name_that_share_a_file_are_refused_with_both_names(
    harness, make_submission, where, tmp_path
):
    with (make_submission("foo") / "submission.toml").open("a") as manifest:
        manifest.write('[variants.bar]\ntitle = "Bar"\n')
    never = make_submission("foo-bar", predict="raise SystemExit('has run')")
    assert harness("score", "submissions/foo", *where)[0] == 0
    path = tmp_path / RECORD.format("foo-bar")
    before = path.read_bytes()
    code, out, err = harness("score", never, *where)
    assert (code, out) == (1, "")
    assert f"error: {RECORD.format('foo-bar')}: the record of foo (bar) (code " in err
    assert "expected none, or one of foo-bar (code " in err
    assert path.read_bytes() == before


def test_a_record_of_a_later_version_is_not_overwritten(harness, scored, where):
    folder, path = scored
    later = json.dumps({**json.loads(path.read_text()), "record_version": 2, "new": 1})
    path.write_text(later)
    (folder / "predictor.py").write_text("raise SystemExit('has run')\n")
    code, out, err = harness("score", folder, *where)
    assert (code, out) == (1, "")
    assert "a file that is no record of this version is there" in err
    assert path.read_text() == later
