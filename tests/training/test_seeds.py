"""Several trainings of one system: trained, resumed, scored, ranked; and what is refused."""

import json
import re
from dataclasses import asdict

import pytest
from seeded import PREDICT, TRAIN

from harness.cli.train import parse_seeds
from harness.errors import TrainingError
from harness.records.store import read_record
from harness.submission.manifest import load_submission
from harness.tasks.splits import load_split
from harness.training.recipe import Recipe
from harness.training.seeds import begin_seeds


@pytest.fixture
def folder(make_submission):
    made = make_submission(trainer="train:train")
    (made / "train.py").write_text(TRAIN)
    (made / "predictor.py").write_text(PREDICT)
    return made


def entries(folder):
    listed = load_submission(folder).manifest.get("weights", [])
    return [(entry.get("seed"), entry["file"]) for entry in listed]


@pytest.mark.parametrize(
    ("text", "seeds"),
    [
        ("3", (0, 1, 2)),
        ("1", (0,)),
        ("2-5", (2, 3, 4, 5)),
        ("1,4", (1, 4)),
        ("7,2-3", (7, 2, 3)),
        ("4-4", (4,)),
    ],
)
def test_seeds_as_they_are_written(text, seeds):
    assert parse_seeds(text) == seeds


@pytest.mark.parametrize("text", ["", "0", "x", "3-1", "1,1", "-2", "1-4294967296", "4294967296,1", "1.5"])
def test_seeds_that_are_none_are_refused(harness, text):
    code, out, err = harness("train", "nowhere", "--seeds", text)
    assert (code, out) == (2, "")
    assert f"--seeds {text}: expected 3 (seeds 0 to 2), 2-5, or 1,4." in err


@pytest.mark.slow
def test_three_seeds_are_trained_scored_and_ranked(harness, folder, where, tmp_path):
    code, out, err = harness("train", folder, *where, "--seeds", "3")
    assert code == 0, err
    assert entries(folder) == [
        (seed, f"weights/sparrkulee-small-split-mel-seed-{seed}.safetensors") for seed in (0, 1, 2)
    ]
    assert re.findall(r"tiny, seed (\d), trained", out) == ["0", "1", "2"]
    results = tmp_path / "results"
    code, out, err = harness("score", folder, *where, "--out", results)
    assert code == 0, err
    records = [read_record(path) for path in sorted(results.rglob("*.json"))]
    assert [path.name for path in sorted(results.rglob("*.json"))] == [
        f"tiny.seed-{seed}.json" for seed in (0, 1, 2)
    ]
    assert [record.submission.training.seed for record in records] == [0, 1, 2]
    assert len({record.submission.training.recipe_sha256 for record in records}) == 1
    assert len({record.submission.weights_sha256 for record in records}) == 3
    assert len({record.score for record in records}) == 3
    mean = sum(record.score for record in records) / 3
    assert out.splitlines()[-1].startswith(
        f"tiny: mean r {mean:.4f} over 3 trainings, standard deviation over"
    )
    assert f"{records[2].score:.4f} (seed 2)" in out.splitlines()[-1]
    code, out, _ = harness("rank", "--results", results, "--seeds")
    assert code == 0
    assert re.search(rf"tiny +{mean:.4f} .*± 0\.\d{{4}} \(3\)", out)
    code, out, _ = harness("score", folder, *where, "--out", results, "--json")
    assert [one["submission"]["training"]["seed"] for one in json.loads(out)] == [0, 1, 2]
    code, out, _ = harness("verify", results / next(results.rglob("tiny.seed-1.json")), folder, *where)
    assert (code, out.splitlines()[0].startswith("reproduced")) == (0, True)


def test_one_of_several_can_be_asked_for(harness, folder, where, tmp_path):
    harness("train", folder, *where, "--seeds", "0,4")
    code, out, _ = harness("score", folder, *where, "--weights-seed", "4", "--json", "--out", tmp_path / "r")
    assert code == 0
    assert json.loads(out)["submission"]["training"]["seed"] == 4
    code, _, err = harness("score", folder, *where, "--weights-seed", "3")
    assert code == 1
    assert "error: tiny: --weights-seed: 3, expected one of 0, 4, those of the manifest." in err
    code, _, err = harness("score", folder, *where, "--save-predictions", tmp_path / "p.npz")
    assert code == 2
    assert "--save-predictions: of one training; choose it with --weights-seed (0, 4)." in err
    code, _, err = harness("predict", folder, *where, "--out", tmp_path / "p.npz", "--weights-seed", "4")
    assert code == 0, err


def test_a_submission_of_one_training_has_no_seed_to_ask_for(harness, folder, where):
    harness("train", folder, *where)
    code, _, err = harness("score", folder, *where, "--weights-seed", "3")
    assert code == 1
    assert "error: tiny: --weights-seed: 3, expected no such option: the manifest lists one training" in err


def test_resume_leaves_the_seeds_that_have_weights(harness, folder, where):
    (folder / "fail-1.md").write_text("told to")
    code, _, err = harness("train", folder, *where, "--seeds", "3")
    assert code == 1
    assert "told to fail" in err
    assert [seed for seed, _ in entries(folder)] == [0]
    (folder / "fail-1.md").unlink()
    before = {path: path.stat().st_mtime_ns for path in folder.glob("weights/*")}
    code, _, err = harness("train", folder, *where, "--seeds", "3", "--resume")
    assert (code, "seed 0: has its weights already" in err) == (0, True)
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert [seed for seed, _ in entries(folder)] == [0, 1, 2]


def test_weights_without_a_seed_become_those_of_theirs(harness, folder, where):
    harness("train", folder, *where, "--seed", "1")
    assert entries(folder) == [(None, "weights/sparrkulee-small-split-mel.safetensors")]
    code, _, err = harness("train", folder, *where, "--seeds", "2-3")
    assert code == 0, err
    assert entries(folder) == [
        (1, "weights/sparrkulee-small-split-mel.safetensors"),
        (2, "weights/sparrkulee-small-split-mel-seed-2.safetensors"),
        (3, "weights/sparrkulee-small-split-mel-seed-3.safetensors"),
    ]
    code, _, err = harness("train", folder, *where, "--seed", "5")
    assert code == 1
    assert "several trainings of this run (seeds 1, 2, 3), expected --seeds" in err


def test_weights_of_no_known_seed_stand_in_the_way(harness, folder, where):
    harness("train", folder, *where)
    path = folder / "weights/sparrkulee-small-split-mel.json"
    document = json.loads(path.read_text())
    del document["seed"]
    path.write_text(json.dumps(document))
    code, _, err = harness("train", folder, *where, "--seeds", "2")
    assert code == 1
    assert "no seed in the manifest, and no record of their training that names it" in err


@pytest.mark.slow
def test_side_by_side_gives_the_same_weights(harness, folder, where):
    code, _, err = harness("train", folder, *where, "--seeds", "3")
    assert code == 0, err
    alone = load_submission(folder).manifest["weights"]
    code, out, err = harness("train", folder, *where, "--seeds", "3", "--jobs", "2")
    assert code == 0, err
    assert load_submission(folder).manifest["weights"] == alone
    assert sorted(re.findall(r"^seed (\d): tiny, seed \1, trained", out, re.M)) == ["0", "1", "2"]


@pytest.mark.slow
@pytest.mark.parametrize("how", [(), ("--jobs", "2"), ("--executor", "local")], ids=" ".join)
def test_all_seeds_may_be_trained_again_with_another_recipe(harness, folder, where, how):
    harness("train", folder, *where, "--seeds", "2")
    for seed in range(2):
        path = folder / f"weights/sparrkulee-small-split-mel-seed-{seed}.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), "recipe": {"epochs": 9}}))
    code, _, err = harness("train", folder, *where, "--seeds", "2", *how)
    assert code == 0, err
    assert "another recipe" not in err


@pytest.mark.slow
@pytest.mark.parametrize("how", [(), ("--jobs", "2"), ("--executor", "local")], ids=" ".join)
def test_seeds_that_are_left_as_they_were_with_another_recipe_are_refused(harness, folder, where, how):
    harness("train", folder, *where, "--seeds", "3")
    path = folder / "weights/sparrkulee-small-split-mel-seed-2.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "recipe": {"epochs": 9}}))
    code, _, err = harness("train", folder, *where, "--seeds", "2", *how)
    assert code == 1
    assert "error: tiny: weights of seed 2: another recipe, expected that of seed 0" in err


def test_side_by_side_takes_every_option_along(harness, folder, where, monkeypatch, tmp_path):
    told = []
    monkeypatch.setattr(
        "harness.training.seeds.train_side_by_side", lambda arguments, *_: told.extend(arguments) or []
    )
    options = {
        "--epochs": "2", "--device": "cpu", "--cache": str(tmp_path / "cache"), "--cache-dtype": "float16",
        "--log": "trackio", "--exclude-channels": "1,3", "--preset": "compact",
    }  # fmt: skip
    given = [word for option in options.items() for word in option]
    harness("train", folder, *where, *given, "--partial", "--resume", "--seeds", "3", "--jobs", "2")
    assert {name: told[told.index(name) + 1] for name in options} == options
    assert {"--partial", "--resume"} <= set(told)


@pytest.mark.slow
def test_a_training_that_fails_beside_others_is_named_and_they_are_kept(harness, folder, where):
    (folder / "fail-1.md").write_text("told to")
    code, _, err = harness("train", folder, *where, "--seeds", "3", "--jobs", "2")
    assert code == 1
    assert "error: seed 1: its training failed." in err
    assert "told to fail" in err
    assert sorted(seed for seed, _ in entries(folder)) == [0, 2]


def test_what_draws_nothing_at_random_has_one_training(harness, folder, where, tmp_path):
    manifest = folder / "submission.toml"
    manifest.write_text(manifest.read_text() + "deterministic_training = true\n")
    code, _, err = harness("train", folder, *where, "--seeds", "3")
    assert code == 1
    assert (
        "error: tiny: --seeds: deterministic_training = true in the manifest, expected a trainer that" in err
    )
    assert harness("train", folder, *where)[0] == 0
    code, out, _ = harness("score", folder, *where, "--json", "--out", tmp_path / "r")
    assert json.loads(out)["submission"]["training"]["seed"] is None
    assert next((tmp_path / "r").rglob("*.json")).name == "tiny.json"


def test_options_that_contradict_each_other(harness, folder, where):
    code, _, err = harness("train", folder, *where, "--seeds", "3", "--seed", "1")
    assert (code, "--seed and --seeds are both given: choose one." in err) == (2, True)
    code, _, err = harness("train", folder, *where, "--jobs", "2")
    assert (code, "--jobs: for --seeds with several of them only." in err) == (2, True)


def test_seeds_that_differ_in_recipe_are_refused(harness, folder, where):
    harness("train", folder, *where, "--seeds", "3")
    path = folder / "weights/sparrkulee-small-split-mel-seed-2.json"
    document = json.loads(path.read_text())
    path.write_text(json.dumps({**document, "recipe": {"epochs": 9}}))
    code, _, err = harness("score", folder, *where)
    assert code == 1
    assert (
        "error: tiny: weights of seed 2: another recipe, expected that of seed 0: seeds of one system differ in"
        " nothing else." in err
    )
    path.write_text(
        json.dumps({**document, "split": {"name": "s", "sha256": "0" * 64}, "recipe": {"epochs": 9}})
    )
    assert "weights of seed 2: another recipe and split" in harness("score", folder, *where)[2]
    path.write_text(json.dumps({**document, "seed": 7}))
    assert "weights of seed 2: " in harness("score", folder, *where)[2]
    path.unlink()
    code, _, err = harness("score", folder, *where)
    assert code == 1
    assert "expected a record of their training, since seeds of one system share a recipe" in err


@pytest.mark.parametrize(
    ("seeds", "message"),
    [
        ((1, 1), "two entries for sparrkulee small-split mel default, seed 1, expected one"),
        ((1, None), "entries for sparrkulee small-split mel default with a seed, and one without"),
        ((None, None), "two entries for sparrkulee small-split mel default, expected one"),
    ],
)
def test_entries_that_no_seed_tells_apart_are_refused(harness, folder, where, seeds, message):
    manifest = folder / "submission.toml"
    text = manifest.read_text()
    for number, seed in enumerate(seeds):
        text += '[[weights]]\ncorpus = "sparrkulee"\nsplit = "small-split"\nfeature = "mel"\n'
        text += f'file = "weights/{number}.safetensors"\nsha256 = "{"0" * 64}"\n'
        text += "" if seed is None else f"seed = {seed}\n"
    manifest.write_text(text)
    code, _, err = harness("score", folder, *where)
    assert (code, message in err) == (1, True)


def test_an_ablation_names_another_variant_that_is_none(harness, folder, where):
    manifest = folder / "submission.toml"
    text = manifest.read_text()
    manifest.write_text(
        f'{text}[variants.full]\ntitle = "F"\n[variants.less]\ntitle = "L"\nablation_of = "all"\n'
    )
    code, _, err = harness("check", folder, *where, "--quick")
    assert code == 1
    assert "variants: less: ablation_of: 'all', expected one of full." in err


WITH_RECIPE = """
from harness.training.recipe import Recipe

class System:
    presets = ("compact", "paper")

    def recipe(self, preset, variant):
        return None, Recipe(epochs=3 if preset == "compact" else 9)

train = System()
"""


def test_seeds_of_another_recipe_than_those_that_stay_are_refused_before_they_are_trained(
    harness, folder, where
):
    """Hours later the seeds would be no system, and the manifest would name them already."""
    assert harness("train", folder, *where, "--seeds", "1")[0] == 0
    record = next((folder / "weights").glob("*.json"))
    said = json.loads(record.read_text())
    (folder / "train.py").write_text(WITH_RECIPE)
    wanted = ("sparrkulee", load_split(where[3]), "mel", "default")
    submission = load_submission(folder)
    recipe = json.loads(json.dumps({"preset": "compact", "config": {"n": 1}, **asdict(Recipe(epochs=3))}))
    record.write_text(json.dumps({**said, "recipe": recipe}))
    assert begin_seeds(submission, wanted, (1, 2), resume=False) == (1, 2)
    assert begin_seeds(submission, wanted, (0, 1), resume=True) == (1,)
    for given, what in (
        ({"epochs": 2}, "another recipe \\(epochs\\)"),
        ({"preset": "paper"}, "another recipe \\(epochs, preset\\)"),
    ):
        with pytest.raises(TrainingError, match=f"weights of seed 0, which are kept: of {what}, expected"):
            begin_seeds(submission, wanted, (1, 2), resume=False, **given)
        with pytest.raises(TrainingError, match=what):
            begin_seeds(submission, wanted, (0, 1), resume=True, **given)
        assert begin_seeds(submission, wanted, (0, 1), resume=False, **given) == (0, 1)  # seed 0 too
        assert begin_seeds(submission, wanted, (1,), resume=False, one_of_jobs=True, **given) == (1,)
    record.write_text(json.dumps({**said, "recipe": recipe, "training_version": 1}))
    with pytest.raises(TrainingError, match="kept: of another version of the training, expected"):
        begin_seeds(submission, wanted, (1,), resume=False)
    record.write_text(json.dumps({**said, "recipe": recipe, "split": {**said["split"], "sha256": "0" * 64}}))
    code, out, err = harness("train", folder, *where, "--seeds", "1-1")
    assert (code, out) == (1, "")
    assert "weights of seed 0, which are kept: of another split, expected that of the 1 training" in err
    assert [seed for seed, _ in entries(folder)] == [0]
