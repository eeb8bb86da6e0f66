"""Records made again: what is the same, what differs, and in what."""

import json

import numpy as np
import pytest

from harness.records.record import plain
from harness.records.store import read_record


@pytest.fixture
def scored(harness, make_submission, where, tmp_path):
    """A scored submission: its folder, its record's path, and the option that names the corpus."""
    folder = make_submission()
    code, _, err = harness("score", folder, *where)
    assert code == 0, err
    return folder, tmp_path / "results/sparrkulee/small-split/test/mel/tiny.json", where[:2]


@pytest.fixture
def with_split_path(scored, small_split):
    """Records name a split; that of the tests lies in a file, so the record is told where."""
    _, path, _ = scored
    document = plain(read_record(path))
    path.write_text(json.dumps({**document, "split": {**document["split"], "name": str(small_split)}}))
    return path


def test_the_same_system_reproduces(harness, scored, with_split_path):
    folder, path, data = scored
    code, out, _ = harness("verify", path, folder, *data)
    assert code == 0
    assert out.startswith("reproduced: mean r ")
    assert out.endswith("code, weights, split, corpus, scorer and versions are the record's\n")


def test_changed_code_is_named_and_so_is_the_score(harness, scored, with_split_path):
    folder, path, data = scored
    predictor = folder / "predictor.py"
    predictor.write_text(predictor.read_text() + "\n# a remark\n")
    code, out, _ = harness("verify", path, folder, *data)
    assert (code, out.startswith("reproduced")) == (0, True)
    assert [line.split()[0] for line in out.splitlines()[4:]] == ["code"]
    predictor.write_text(predictor.read_text().replace("np.cumsum(eeg, axis=1)", "-np.cumsum(eeg, axis=1)"))
    code, out, _ = harness("verify", path, folder, *data)
    assert code == 1
    assert out.startswith("NOT REPRODUCED: a subject's r is ")
    assert [line.split()[0] for line in out.splitlines()[4:]] == ["code", "score"]


def test_every_kind_of_difference_is_named(harness, scored, with_split_path):
    folder, path, data = scored
    document = json.loads(path.read_text())
    document["split"]["sha256"] = document["corpus"]["fingerprint"] = "9" * 64
    document["submission"]["weights_sha256"] = "8" * 64
    document["scorer_version"] = 7
    document["environment"]["numpy"] = "1.0"
    path.write_text(json.dumps(document))
    code, out, _ = harness("verify", path, folder, *data)
    assert code == 0
    rows = out.splitlines()[4:]
    assert [row.split("  ")[0] for row in rows] == [
        "weights",
        "split",
        "corpus",
        "scorer",
        "version of numpy",
    ]
    assert "8888888888888888…" in rows[0]


def test_stored_predictions_are_verified_too(harness, scored, where, with_split_path, tmp_path):
    folder, _, data = scored
    harness("predict", folder, *where, "--out", "kept.npz")
    harness("score", "kept.npz", *where)
    path = tmp_path / "results/sparrkulee/small-split/test/mel/kept.json"
    document = plain(read_record(path))
    split = plain(read_record(with_split_path))["split"]
    path.write_text(json.dumps({**document, "split": split}))
    code, out, err = harness("verify", path, "kept.npz", *data)
    assert code == 0, err
    assert out.startswith("reproduced")
    with np.load("kept.npz") as arrays:
        changed = {
            key: -arrays[key] if arrays[key].dtype.kind == "f" else arrays[key] for key in arrays.files
        }
    np.savez("kept.npz", **changed)
    code, out, _ = harness("verify", path, "kept.npz", *data)
    assert code == 1
    assert [line.split()[0] for line in out.splitlines()[4:]] == ["predictions", "score"]


def test_without_a_system_its_submission_is_looked_for(harness, scored, with_split_path):
    _, path, data = scored
    code, out, _ = harness("verify", path, *data)  # submissions/tiny lies in the current folder
    assert (code, out.startswith("reproduced")) == (0, True)
    document = json.loads(path.read_text())
    document["submission"]["name"] = "gone"
    path.write_text(json.dumps(document))
    code, _, err = harness("verify", path, *data)
    assert code == 2
    assert "no submission baselines/gone or submissions/gone here" in err


def test_real_data_must_be_named(harness, scored):
    folder, path, _ = scored
    code, _, err = harness("verify", path, folder)
    assert code == 2
    assert "--data: not given, expected the sparrkulee corpus that the record was scored on" in err
