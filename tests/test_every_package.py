"""Every package trains and is scored on a corpus that it was not made for: 32 channels, 100 Hz, 5 s segments.

The features are ``envelope``, which the EEG follows, and ``pitch``, which no package knows. Nets have the
tiny sizes of `nets`, and train for one epoch.
"""

import json
import shutil

import numpy as np
import pytest
from conftest import REPOSITORY
from msgspec.structs import replace
from nets import MUSIC_NETS, PACKAGES
from own_corpus import make_own_corpus, write_split
from safetensors import safe_open

from harness.corpus import open_corpus
from harness.evaluation.evaluate import evaluate
from harness.execution import Run
from harness.records.document import record_bytes
from harness.submission.manifest import load_submission
from harness.tasks.splits import load_split
from harness.tasks.task import open_task
from harness.training import train_submission

FEATURES = ("envelope", "pitch")
TINY = """

from dataclasses import replace as _replace


def _few_crops(recipes):
    return {{"compact": _replace(recipes["compact"], crops_per_recording=1)}}


SYSTEM = _replace(
    SYSTEM,
    configs={{
        variant: {{"compact": _replace(presets["compact"], **{sizes!r})}}
        for variant, presets in SYSTEM.configs.items()
    }},
    recipes=_few_crops(SYSTEM.recipes),
    variant_recipes={{name: _few_crops(recipes) for name, recipes in SYSTEM.variant_recipes.items()}},
)
"""


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """A laboratory's folder, and the path of its split."""
    folder = tmp_path_factory.mktemp("lab") / "my-lab"
    make_own_corpus(folder, n_channels=32)
    return folder, write_split(folder / "my-lab.json")


@pytest.fixture
def copied(tmp_path):
    """A package's folder in a repository of its own, without weights, its net tiny."""

    def copy(folder, sizes=None):
        target = tmp_path / folder
        shutil.copytree(REPOSITORY / folder, target, ignore=shutil.ignore_patterns("weights", "training"))
        manifest = target / "submission.toml"
        manifest.write_text(manifest.read_text().partition("[[weights]]")[0])
        if sizes is not None:
            with (target / "train.py").open("a") as file:
                file.write(TINY.format(sizes=sizes))
        return target

    return copy


def _tiny(package):
    """The sizes that do not depend on the run."""
    return {name: size for name, size in package.tiny.items() if name != "window_samples"}


def _trained(folder, lab, feature, variant=None, **options):
    data, split = lab
    return train_submission(
        load_submission(folder), open_corpus(data), load_split(split), feature, variant=variant, **options
    )


def _record(folder, lab, feature):
    data, split = lab
    task = open_task(data, split_name=str(split), part="test", feature=feature)
    return evaluate(load_submission(folder), task, Run())


def _check(record, feature):
    assert set(record.subjects) == {"P10", "P11", "P12"}
    assert [subject.segments for subject in record.subjects.values()] == [8, 8, 8]  # two stories of 20 s
    assert record.feature == feature
    assert len(record.bands) == 1
    assert record.flags.segments_constant == 0
    assert np.isfinite(record.score)


@pytest.mark.slow
@pytest.mark.parametrize("feature", FEATURES)
@pytest.mark.parametrize("package", PACKAGES, ids=[package.name for package in PACKAGES])
def test_net_trains_and_is_scored(package, feature, lab, copied):
    folder = copied(package.folder, _tiny(package))
    trained = _trained(folder, lab, feature, epochs=1, device="cpu")
    with safe_open(trained.path, "np") as weights:
        config = json.loads(weights.metadata()["config"])
    assert (config["n_channels"], config["n_bands"]) == (32, 1)
    assert config.get("window_samples", 500) <= 500
    first = package.name == "catwavenet"
    assert trained.report.get("notes", []) == (
        [f"{feature}: the first stage alone, one WaveNet; the stages after it need mel and audio"]
        if first
        else []
    )
    record = _record(folder, lab, feature)
    _check(record, feature)
    if feature == "envelope":  # in another order of segments, which is secret
        again = _record(folder, lab, feature)
        assert again.run.order_seed != record.run.order_seed
        assert record_bytes(replace(again, run=record.run)) == record_bytes(record)


@pytest.mark.slow
@pytest.mark.parametrize("feature", FEATURES)
def test_linear_trains_and_is_scored(feature, lab, copied):
    folder = copied("baselines/linear")
    trained = _trained(folder, lab, feature)
    with safe_open(trained.path, "np") as weights:
        assert weights.get_tensor("weights").shape == (41, 32, 1)
    record = _record(folder, lab, feature)
    _check(record, feature)
    if feature == "envelope":  # which the EEG follows after 100 ms
        assert record.score > 0.5


@pytest.mark.slow
@pytest.mark.parametrize("feature", FEATURES)
def test_banded_ridge_trains_and_is_scored(feature, lab, copied):
    folder = copied("baselines/banded-ridge")
    trained = _trained(folder, lab, feature)
    with safe_open(trained.path, "np") as weights:
        assert [weights.get_tensor(f"group_{k}").shape for k in range(3)] == [
            (7, 32, 1),
            (14, 32, 1),
            (14, 32, 1),
        ]
    record = _record(folder, lab, feature)
    _check(record, feature)
    if feature == "envelope":  # which the EEG follows after 100 ms
        assert record.score > 0.5


@pytest.mark.parametrize("feature", FEATURES)
def test_prior_trains_and_is_scored(feature, lab, copied):
    folder = copied("baselines/prior")
    trained = _trained(folder, lab, feature)
    with safe_open(trained.path, "np") as weights:
        assert weights.get_tensor("mean").shape == (500, 1)
    _check(_record(folder, lab, feature), feature)


@pytest.mark.slow
def test_ensemble_of_trained_members_is_scored(lab, copied):
    package = next(package for package in PACKAGES if package.name == "convconcatnet")
    members = copied(package.folder, _tiny(package))
    for seed in (0, 2, 3):
        _trained(members, lab, "pitch", seed=seed, one_of_several=True, epochs=1, device="cpu")
    record = _record(copied("baselines/ensemble"), lab, "pitch")
    _check(record, "pitch")
    assert [member.seed for member in record.submission.members] == [0, 2, 3]


def test_every_package_is_asked():
    ours = {
        path.parent.name
        for path in REPOSITORY.glob("*/*/submission.toml")
        if "The eeg-speech-harness maintainers" in path.read_text()
    }
    of_music = {folder.partition("/")[2] for folder in MUSIC_NETS} | {"ridge-psd", "song-classifier"}
    asked = {package.name for package in PACKAGES} | {"linear", "banded-ridge", "prior", "ensemble"}
    assert ours == asked | of_music  # those of music in test_music_end_to_end
