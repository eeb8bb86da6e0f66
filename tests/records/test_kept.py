"""Predictions beside records: kept once, found by the record, and never taken for others."""

import hashlib
import json

import numpy as np
import pytest

from harness.errors import RecordError
from harness.records.kept import keep_predictions, kept_predictions, note_predictions

RECORD = "a" * 64


def made(value=0.5):
    return [("sub-001", {"one": np.full((4, 2), value, np.float32)})]


def kept(results, value=0.5):
    sha256 = keep_predictions(results, made(value))
    note_predictions(results, RECORD, sha256)
    return sha256


def test_they_are_named_by_their_bytes_and_there_once(tmp_path):
    sha256 = keep_predictions(tmp_path, made())
    assert keep_predictions(tmp_path, made()) == sha256
    assert keep_predictions(tmp_path, made(0.25)) != sha256
    names = sorted(path.name for path in (tmp_path / "predictions").iterdir())
    assert len(names) == 2
    for name in names:
        content = (tmp_path / "predictions" / name).read_bytes()
        assert name == hashlib.sha256(content).hexdigest() + ".npz"


def test_they_are_kept_below_a_results_folder_that_is_not_there_yet(tmp_path):
    results = tmp_path / "mine" / "results"
    sha256 = keep_predictions(results, made())
    assert (results / "predictions" / f"{sha256}.npz").is_file()


def test_a_record_finds_its_own(tmp_path):
    sha256 = kept(tmp_path)
    path = kept_predictions(tmp_path, RECORD, "tiny.json")
    assert path == tmp_path / "predictions" / f"{sha256}.npz"
    with np.load(path) as arrays:
        (array,) = (arrays[name] for name in arrays.files)
    np.testing.assert_array_equal(array, made()[0][1]["one"])
    note = tmp_path / "predictions" / "records" / f"{RECORD}.json"
    assert note.read_text() == json.dumps({"predictions": sha256}) + "\n"


def test_nothing_is_left_where_they_cannot_be_written(tmp_path, monkeypatch):
    def full(path, _):
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("harness.records.kept.write_predictions", full)
    with pytest.raises(OSError, match="No space left"):
        keep_predictions(tmp_path, made())
    assert list((tmp_path / "predictions").iterdir()) == []


def fault(tmp_path):
    with pytest.raises(RecordError) as caught:
        kept_predictions(tmp_path, RECORD, "tiny.json")
    (one,) = caught.value.faults
    assert one.expected == ""
    return str(one)


@pytest.mark.parametrize("note", [None, "", "{}", "[]", '{"other": 1}', "x" * 10_001])
def test_a_record_without_a_note_says_that_they_were_not_kept(tmp_path, note):
    kept(tmp_path)
    path = tmp_path / "predictions" / "records" / f"{RECORD}.json"
    path.unlink()
    if note is not None:
        path.write_text(note)
    assert fault(tmp_path) == (
        "tiny.json: its predictions were not kept.\n  Score it again with --keep-predictions."
    )


def test_a_note_of_more_bytes_than_one_can_have_is_not_read(tmp_path):
    sha256 = kept(tmp_path)
    path = tmp_path / "predictions" / "records" / f"{RECORD}.json"
    path.write_text(path.read_text().ljust(10_000))
    assert kept_predictions(tmp_path, RECORD, "tiny.json").stem == sha256
    path.write_text(path.read_text().ljust(10_001))
    assert "its predictions were not kept" in fault(tmp_path)


def test_gone_and_damaged_are_told_apart(tmp_path):
    sha256 = kept(tmp_path)
    path = tmp_path / "predictions" / f"{sha256}.npz"
    content = path.read_bytes()
    path.write_bytes(content[:-1])
    assert fault(tmp_path) == (
        f"tiny.json: its predictions are damaged ({sha256}.npz).\n  Score it again with --keep-predictions."
    )
    path.unlink()
    assert fault(tmp_path) == (
        f"tiny.json: its predictions are gone ({sha256}.npz: No such file or directory)."
        "\n  Score it again with --keep-predictions."
    )


def test_a_note_cannot_lead_out_of_the_folder(tmp_path):
    sha256 = kept(tmp_path)
    outside = tmp_path / "outside.npz"
    (tmp_path / "predictions" / f"{sha256}.npz").rename(outside)
    note_predictions(tmp_path, RECORD, f"../{'outside'}")
    assert "gone (outside.npz" in fault(tmp_path)
