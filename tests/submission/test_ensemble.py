"""Ensembles: members averaged after z-scoring, in processes of their own, and named in the record."""

import json
import re

import numpy as np
import pytest
from scipy.stats import zscore as scipy_zscore

from harness.errors import SubmissionError
from harness.submission.ensemble import load_members
from harness.submission.manifest import load_submission
from harness.submission.training_record import SIGNATURE

CUMULATED = "return 1000 + 5000 * np.cumsum(eeg, axis=1)[:, :, :self.n_bands]"
PLAIN = "return -0.001 * eeg[:, :, :self.n_bands]"
CONSTANT = "return np.ones((*eeg.shape[:2], self.n_bands), np.float32)"


@pytest.fixture
def make_ensemble(make_submission):
    """Write an ensemble of the folders ``members``, beside them; a pair names a variant too."""

    def make(*members, name="both", **keys):
        folder = make_submission(name, entry_point=None, **keys)
        (folder / "predictor.py").unlink()
        lines = [""]
        for member in members:
            path, variant = member if isinstance(member, tuple) else (member, None)
            lines += ["[[members]]", f'submission = "{path}"']
            lines += [f'variant = "{variant}"'] if variant else []
        manifest = folder / "submission.toml"
        manifest.write_text(manifest.read_text() + "\n".join(lines) + "\n")
        return folder

    return make


def _refusal(folder):
    with pytest.raises(SubmissionError) as caught:
        load_members(load_submission(folder))
    return [str(fault) for fault in caught.value.faults]


def _predicted(harness, target, where, out):
    code, _, err = harness("predict", target, *where, "--out", out)
    assert code == 0, err
    with np.load(out) as arrays:
        return {key: arrays[key] for key in arrays.files}


def test_prediction_is_the_mean_of_the_zscored_members(
    harness, make_submission, make_ensemble, where, tmp_path
):
    one, other = make_submission("one", CUMULATED), make_submission("other", PLAIN)
    both = make_ensemble("../one", "../other")
    first, second = (
        _predicted(harness, folder, where, tmp_path / f"{folder.name}.npz") for folder in (one, other)
    )
    made = _predicted(harness, both, where, tmp_path / "both.npz")
    assert made.keys() == first.keys()
    for key, prediction in made.items():
        if prediction.dtype.kind != "f":
            continue
        time_axis = prediction.ndim - 2
        expected = (
            scipy_zscore(first[key].astype(np.float64), axis=time_axis)
            + scipy_zscore(second[key].astype(np.float64), axis=time_axis)
        ) / 2
        assert np.abs(prediction - expected).max() < 1e-4


@pytest.mark.slow
def test_a_constant_member_adds_nothing(harness, make_submission, make_ensemble, where):
    one = make_submission("one", CUMULATED)
    make_submission("flat", CONSTANT)
    alone = json.loads(harness("score", one, *where, "--json")[1])
    both = json.loads(harness("score", make_ensemble("../one", "../flat"), *where, "--json")[1])
    assert both["score"] == pytest.approx(alone["score"], abs=1e-6)
    assert both["flags"]["segments_constant"] == 0
    assert both["corpus"] == alone["corpus"]


def test_record_names_every_member_with_its_hashes(harness, make_submission, make_ensemble, where, tmp_path):
    one, other = make_submission("one", CUMULATED), make_submission("other", PLAIN)
    folder = make_ensemble("../one", "../other")
    code, out, _ = harness("score", folder, *where, "--json")
    assert code == 0
    described = json.loads(out)["submission"]
    assert (described["name"], described["weights_sha256"]) == ("both", None)
    assert described["members"] == [
        {
            "name": member.name,
            "version": "1.0.0",
            "variant": "default",
            "code_sha256": load_submission(member).code_sha256(),
            "weights_sha256": None,
        }
        for member in (one, other)
    ]
    (one / "predictor.py").write_text((one / "predictor.py").read_text().replace("1000", "2000"))
    changed = json.loads(harness("score", folder, *where, "--json")[1])["submission"]
    assert changed["code_sha256"] == described["code_sha256"]
    assert changed["members"][0]["code_sha256"] != described["members"][0]["code_sha256"]
    assert changed["members"][1] == described["members"][1]


def test_a_member_that_fails_is_named(harness, make_submission, make_ensemble, where):
    make_submission("one", CUMULATED)
    make_submission("other", "raise ValueError('no way')")
    code, _, err = harness("score", make_ensemble("../one", "../other"), *where)
    assert code == 1
    assert re.search("error: other, batch [12] of 2, segments (surrogate of )?sub-043", err)
    assert "predict raised ValueError: no way" in err


@pytest.mark.slow
def test_check_looks_at_every_member(harness, make_submission, make_ensemble, where):
    make_submission("one", CUMULATED)
    other = make_submission("other", PLAIN)
    folder = make_ensemble("../one", "../other")
    code, out, _ = harness("check", folder, *where)
    assert code == 0
    assert "ok: 2 members\n" in out
    (other / "predictor.py").unlink()
    code, out, err = harness("check", folder, *where)
    assert code == 1
    assert "member 2, ../other" in err


@pytest.mark.slow
def test_overlap_is_what_any_member_has_seen(harness, tiny, make_ensemble, where, official_split):
    for name in ("one", "other"):
        tiny(name)
        code, _, err = harness("train", f"submissions/{name}", *where, "--epochs", "1")
        assert code == 0, err
    folder = make_ensemble("../one", "../other")
    path = folder.parent / "other/weights/sparrkulee-small-split-mel.json"
    document = json.loads(path.read_text())
    del document[SIGNATURE]  # else it would be a record that was changed
    path.write_text(json.dumps({**document, "subjects": ["sub-043"]}))
    record = json.loads(harness("score", folder, *where, "--json")[1])
    assert record["overlap"]["subjects_seen"] == 1
    path.unlink()
    assert json.loads(harness("score", folder, *where, "--json")[1])["overlap"] is None


def test_members_that_cannot_be_are_refused_at_once(make_submission, make_ensemble, tmp_path):
    make_submission("one", features=["mel"])
    make_submission("other")
    make_ensemble("../one", "../other", name="inner", features=["mel"])
    folder = make_ensemble("../one", "../none", ("../other", "wide"), "../inner", "../other", "../other")
    where, base = f"{folder}/submission.toml: member", folder.parent
    assert _refusal(folder) == [
        f"{where} 1, ../one: decodes mel, expected envelope too, as the ensemble.",
        f"{where} 2, ../none: {folder}/../none: no such file or folder, expected a submission folder, or"
        " predictions (.zip, .npz, or a folder of sub-*.json).",
        f"{where} 3, ../other: other: --variant: 'wide', expected one of default.",
        f"{where} 4, ../inner: {folder}/../inner: an ensemble, expected a submission with code of its own.",
        f"{where} 6, ../other: variant default is listed twice, expected members that differ.",
    ]
    assert base.is_dir()


def test_a_manifest_has_members_or_code(make_submission, make_ensemble):
    make_submission("one")
    folder = make_ensemble("../one", "../one", trainer="train:SYSTEM")
    with pytest.raises(SubmissionError) as caught:
        load_submission(folder)
    assert str(caught.value.faults[0]) == (
        f"{folder}/submission.toml: trainer: a manifest with members, expected one without this key.\n"
        "  An ensemble has no code of its own; its members are trained by themselves."
    )


def test_an_ensemble_is_not_trained(harness, make_submission, make_ensemble, where):
    make_submission("one")
    make_submission("other")
    code, _, err = harness("train", make_ensemble("../one", "../other"), *where)
    assert code == 1
    assert "Train its members, each by itself." in err
