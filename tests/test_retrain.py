"""What `make retrain` compares with, and what it refuses before it trains for hours."""

import json
import shutil
import sys

import pytest
from conftest import REPOSITORY

from harness.errors import TrainingError
from harness.submission.manifest import load_submission

sys.path.insert(0, str(REPOSITORY))

from benchmarks import retrain

NET = REPOSITORY / "baselines" / "convconcatnet"


@pytest.fixture
def package(tmp_path):
    """A copy of a package with three trainings, whose records may be changed."""
    shutil.copytree(NET, tmp_path / NET.name, ignore=shutil.ignore_patterns("training"))
    return tmp_path / NET.name


def changed(package, seed, **values):
    path = package / "weights" / f"simulated-mel-seed-{seed}.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


def test_the_first_seed_and_any_other_have_score_and_record():
    first, second = retrain.committed(NET, None), retrain.committed(NET, 2)
    assert (first.seed, second.seed) == (0, 2)
    record = json.loads((REPOSITORY / retrain.BOARD / "convconcatnet.seed-2.json").read_text())
    assert second.score == record["score"]
    assert second.sha256 == record["submission"]["weights_sha256"]
    assert second.training["seed"] == 2


def test_a_seed_that_is_not_there():
    with pytest.raises(TrainingError) as caught:
        retrain.committed(NET, 7)
    assert str(caught.value) == "convconcatnet: --seed: seed 7, expected one of 0, 2, 3."


def test_weights_of_another_split_than_their_score(package):
    changed(package, 2, split={"name": "other", "sha256": "0" * 64})
    with pytest.raises(TrainingError) as caught:
        retrain.committed(package, 2)
    assert str(caught.value) == (
        "convconcatnet: weights of seed 2: trained on another split (other), expected held-out-subjects, that of"
        " their score, with the same hash."
    )


def test_weights_that_were_not_scored(package, tmp_path):
    with pytest.raises(TrainingError) as caught:
        retrain.committed(package, 2, root=tmp_path)
    assert str(caught.value) == (
        "convconcatnet: weights of seed 2: no score of theirs, expected a record in"
        " results/simulated/held-out-subjects/test/mel.\n  Score them first."
    )


def test_a_package_without_weights_for_the_board():
    with pytest.raises(
        TrainingError, match="^eeg2mel: --seed: no weights with a record of their training, exp"
    ):
        retrain.committed(REPOSITORY / "submissions" / "eeg2mel", None)


def test_another_recipe_or_other_data_are_named_key_by_key():
    before = retrain.committed(NET, 2)
    assert retrain.differences(before, before.training) == []
    recipe = before.training["recipe"]
    newer = {
        **before.training,
        "recipe": {**recipe, "a_key_since": 1, "config": {**recipe["config"], "another": 2}},
    }
    assert retrain.differences(before, newer) == []
    other = {**newer, "recipe": {**recipe, "epochs": 3}, "corpus_fingerprint": "f" * 64}
    assert [str(fault) for fault in retrain.differences(before, other)] == [
        "convconcatnet (default), seed 2: recipe: {'epochs': 3}, expected"
        f" {{'epochs': {recipe['epochs']}}}, that of the committed training.",
        f"convconcatnet (default), seed 2: training data: {'f' * 64}, expected"
        f" {before.training['corpus_fingerprint']}, that of the committed training.",
    ]


@pytest.mark.parametrize(("score", "message"), [(0.0019, ""), (0.0021, "r {}, expected {} to 0.002")])
def test_a_score_may_differ_by_two_thousandths(monkeypatch, capsys, tmp_path, score, message):
    monkeypatch.setattr(retrain, "FIGURES", tmp_path / "retrain.json")
    before = retrain.committed(NET, 2)
    monkeypatch.setattr(retrain, "again", lambda *_: (before.training, before.score + score, before.sha256))
    if message:
        with pytest.raises(TrainingError) as caught:
            retrain.main(["convconcatnet"], 2)
        assert message.format(f"{before.score + score:.4f}", f"{before.score:.4f}") in str(caught.value)
    else:
        assert retrain.main(["convconcatnet"], 2) == 0
    row = capsys.readouterr().out.splitlines()[-1]
    assert row == (
        f"| convconcatnet | default | 2 | {before.score:.4f} | {before.score + score:.4f} | {score:+.4f} | yes | 0 |"
    )
    (kept,) = json.loads(retrain.FIGURES.read_text()).values()
    assert kept["trained_again_r"] == round(before.score + score, 6)


def test_what_was_trained_again_is_of_the_committed_weights_and_within_the_limit():
    figures = json.loads(retrain.FIGURES.read_text())
    hashes = {
        entry["sha256"]
        for folder in ("baselines", "submissions")
        for path in (REPOSITORY / folder).glob("*/submission.toml")
        for entry in load_submission(path.parent).manifest.get("weights", [])
    }
    assert len(figures) >= 5
    for name, one in figures.items():
        assert one["weights_sha256"] in hashes, f"{name} has other weights since: make retrain"
    apart = [
        name
        for name, one in figures.items()
        if abs(one["trained_again_r"] - one["committed_r"]) > retrain.MOST_DIFFERENCE
    ]
    assert apart == []


def test_figures_are_kept_by_training(tmp_path):
    file = tmp_path / "retrain.json"
    before = retrain.committed(NET, 2)
    retrain.keep(file, before, before.score + 0.001, False, 61.2)
    retrain.keep(file, retrain.committed(NET, None), 0.06, True, 5)
    retrain.keep(file, before, before.score, True, 60)
    figures = json.loads(file.read_text())
    assert list(figures) == ["convconcatnet (default), seed 0", "convconcatnet (default), seed 2"]
    again = figures["convconcatnet (default), seed 2"]
    assert (again["same_bytes"], again["seconds"]) == (True, 60)
    assert again["trained_again_r"] == again["committed_r"] == round(before.score, 6)
