"""The prior: its mean, that no other guess without EEG does better, and that the EEG does not matter."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
from conftest import REPOSITORY
from own_corpus import make_own_corpus, write_split
from safetensors.numpy import load_file, save_file

from harness.corpus import open_corpus
from harness.evaluation.evaluate import evaluate
from harness.execution import Run
from harness.scoring.measures import measure
from harness.scoring.pearson import pearson_r
from harness.submission.manifest import load_submission
from harness.tasks.segments import cut_segments
from harness.tasks.splits import load_split
from harness.tasks.task import open_task
from harness.training import train_submission

FOLDER = REPOSITORY / "baselines" / "prior"


@pytest.fixture
def modules(package):
    return package("baselines/prior")


@pytest.fixture
def copied(tmp_path):
    """The package without weights."""
    shutil.copytree(FOLDER, tmp_path / "prior", ignore=shutil.ignore_patterns("weights", "__pycache__"))
    manifest = tmp_path / "prior" / "submission.toml"
    manifest.write_text(manifest.read_text().partition("[[weights]]")[0])
    return tmp_path / "prior"


@pytest.fixture
def saved(tmp_path):
    """Write a mean as weights."""

    def save(mean):
        path = tmp_path / "weights.safetensors"
        save_file({"mean": np.asarray(mean, np.float32)}, path)
        return path

    return save


def test_a_band_is_brought_to_mean_0_and_norm_1(modules):
    segment = np.array([[1.0, 5.0], [2.0, 5.0], [3.0, 5.0]], np.float32)
    assert modules.train.unit(segment) == pytest.approx(np.array([[-(0.5**0.5), 0], [0, 0], [0.5**0.5, 0]]))


def test_every_segment_gets_the_mean_whatever_its_eeg(modules, make_setup, saved, rng):
    mean = rng.standard_normal((96, 10)).astype(np.float32)
    prior = modules.predictor.Prior(make_setup(saved(mean)))
    eeg = rng.standard_normal((3, 96, 64)).astype(np.float32)
    predicted = prior.predict(eeg, ["sub-001"] * 3)
    assert predicted.dtype == np.float32
    assert np.array_equal(predicted, [mean] * 3)
    assert np.array_equal(prior.predict(0 * eeg, ["unknown"] * 3), predicted)


@pytest.mark.parametrize("changes", [{"n_frames": 48}, {"n_bands": 1}])
def test_a_mean_of_other_segments_is_refused(modules, make_setup, saved, changes):
    with pytest.raises(ValueError, match=r"a mean of shape \(96, 10\), expected \(") as error:
        modules.predictor.Prior(make_setup(saved(np.zeros((96, 10))), **changes))
    assert str(error.value).endswith("Train it again with harness train, on segments of this length")


def test_no_guess_without_eeg_does_better_on_the_training_part(copied, tmp_path, rng):
    data = make_own_corpus(tmp_path / "my-lab", n_channels=32)
    split = load_split(write_split(tmp_path / "my-lab.json"))
    corpus = open_corpus(data)
    trained = train_submission(load_submission(copied), corpus, split, "envelope")
    segments = [s.feature("envelope") for s in cut_segments(corpus, split, "train")]
    mean = load_file(trained.path)["mean"]
    assert trained.report["segments"] == len(segments) == 7 * 2 * 4
    assert mean.shape == segments[0].shape == (500, 1)

    def score(guess):
        return np.mean([pearson_r(segment, guess) for segment in segments])

    best = score(mean)
    assert best == pytest.approx(np.linalg.norm(mean - mean.mean()), abs=1e-6)
    others = [*segments, np.mean(segments, axis=0)]
    others += [mean + 0.02 * rng.standard_normal(mean.shape) for _ in range(20)]
    assert max(score(other) for other in others) < best


def test_training_again_gives_the_same_bytes_and_says_what_was_seen(copied, official_split, small_split):
    corpus, split = open_corpus(official_split), load_split(small_split)
    first, again = (train_submission(load_submission(copied), corpus, split, "mel") for _ in range(2))
    assert first.sha256 == again.sha256
    training = json.loads(first.path.with_suffix(".json").read_text())
    assert (training["subjects"], training["stimuli"]) == (["sub-001"], ["audiobook_1", "podcast_3"])


def test_training_without_one_whole_segment_is_refused(modules, make_setup):
    class Data:
        feature = "mel"
        measure = measure("pearson_r")

        def stretches(self):
            return ((None, 0, 95),)

    setup = replace(make_setup(), segment_samples=96)
    with pytest.raises(ValueError, match="no training recording is as long as a segment of 96 EEG samples"):
        modules.train.train(Data(), setup, lambda *_: None)


def test_committed_weights_are_means_of_segments_of_their_splits():
    shapes = {"dtu": (640, 1), "simulated": (1920, None), "simulated-nmed-t": (44, 128)}
    for entry in load_submission(FOLDER).manifest["weights"]:
        report = json.loads((FOLDER / entry["training"]).read_text())["report"]
        mean = load_file(FOLDER / entry["file"])["mean"]
        n_frames, n_bands = shapes[entry["corpus"]]
        assert mean.shape == (n_frames, n_bands or mean.shape[1])
        if "validation_pearson_r" in report:
            # On dtu-unheard the stretch of the trial that is asked for was in no training.
            heard = entry["split"] != "dtu-unheard"
            assert (report["validation_pearson_r"] > 0) is heard
            assert np.abs(mean.mean(axis=0)).max() < 1e-6
        else:  # the plain mean, where a cosine ranks
            assert report["validation_cosine"] > 0.3


def test_a_record_of_the_prior_is_made_in_its_own_process(copied, tmp_path):
    data = make_own_corpus(tmp_path / "my-lab", n_channels=32)
    split = write_split(tmp_path / "my-lab.json")
    train_submission(load_submission(copied), open_corpus(data), load_split(split), "envelope")
    task = open_task(data, split_name=str(split), part="test", feature="envelope")
    record = evaluate(load_submission(copied), task, Run())
    means = {subject.pearson_r for subject in record.subjects.values()}
    assert len(means) == 1  # all hear the same two stories, and get the same answers
    assert record.score > 0.2
