"""The linear baseline: its mathematics, and what it reaches on real EEG."""

import shutil
import sys

import numpy as np
import pytest
from conftest import REPOSITORY
from safetensors.numpy import save_file

from harness.corpus import open_corpus
from harness.errors import ShapeError
from harness.submission.manifest import load_submission
from harness.tasks.splits import load_split
from harness.training import train_submission

FOLDER = REPOSITORY / "baselines" / "linear"


@pytest.fixture(scope="module")
def model(package):
    return package("baselines/linear").model


def _lagged(x, n_lags):
    valid = len(x) - n_lags + 1
    return np.hstack([x[lag : lag + valid] for lag in range(n_lags)])


def test_accumulated_ridge_equals_the_lagged_matrix(model, rng):
    n_lags, ridge = 5, 3.0
    accumulated = model.Ridge(n_channels=3, n_bands=2, n_lags=n_lags)
    matrices = []
    for n_times in (40, 7, 5, 4):  # the last is shorter than the lags and adds nothing
        x, y = rng.standard_normal((n_times, 3)), rng.standard_normal((n_times, 2))
        accumulated.add(x, y)
        if n_times >= n_lags:
            matrices.append((_lagged(x, n_lags), y[: n_times - n_lags + 1]))
    x, y = (np.vstack(parts) for parts in zip(*matrices, strict=True))
    assert np.abs(accumulated.products() - x.T @ x).max() < 1e-12
    direct = np.linalg.solve(x.T @ x + ridge * np.eye(x.shape[1]), x.T @ y)
    assert np.abs(accumulated.solve(ridge).reshape(-1, 2) - direct).max() < 1e-12


def test_adding_after_solving_is_not_forgotten(model, rng):
    ridge = model.Ridge(3, 1, 4)
    ridge.add(rng.standard_normal((30, 3)), rng.standard_normal((30, 1)))
    before = ridge.solve(1.0)
    ridge.add(rng.standard_normal((30, 3)), rng.standard_normal((30, 1)))
    assert np.abs(ridge.solve(1.0) - before).max() > 1e-3


def test_apply_sums_the_next_samples(model, rng):
    weights, eeg = rng.standard_normal((4, 3, 2)), rng.standard_normal((2, 20, 3))
    out = model.apply(weights, eeg)
    assert out.shape == (2, 20, 2)
    assert out[1, 5] == pytest.approx(sum(eeg[1, 5 + lag] @ weights[lag] for lag in range(4)))
    # Beyond the end the EEG counts as its mean, 0.
    assert out[0, 19] == pytest.approx(eeg[0, 19] @ weights[0])


@pytest.mark.parametrize(
    ("sample_rate_hz", "n_lags"), [(64, 26), (64.0, 26), (100, 41), (125, 51), (128, 52), (35, 15)]
)
def test_lags_are_0_to_400_ms(model, sample_rate_hz, n_lags):
    assert model.n_lags(sample_rate_hz) == n_lags
    assert 0.4 - 1 / sample_rate_hz < (n_lags - 1) / sample_rate_hz <= 0.4 + 1e-12


def test_weights_that_do_not_fit_the_run_are_refused(package, make_setup, tmp_path):
    linear = package("baselines/linear").predictor.Linear
    path = tmp_path / "weights.safetensors"
    save_file({"weights": np.zeros((41, 32, 1), np.float32)}, path)
    lab = {"feature": "pitch", "n_bands": 1, "n_channels": 32, "sample_rate_hz": 100}
    predicted = linear(make_setup(path, **lab)).predict(np.ones((2, 96, 32), np.float32), ["a", "b"])
    assert (predicted.shape, predicted.dtype) == ((2, 96, 1), np.float32)
    for changes in ({"n_channels": 64}, {"sample_rate_hz": 64}, {"n_bands": 10}):
        with pytest.raises(ValueError, match=r"weights of shape \(41, 32, 1\), expected \("):
            linear(make_setup(path, **{**lab, **changes}))
    with pytest.raises(ShapeError, match="48 frames for 96 EEG samples"):
        linear(make_setup(path, **lab, n_frames=48))


def test_recovers_a_known_response(model, rng):
    # EEG answers the stimulus after 3 samples on channel 1; the weights must look 3 samples ahead.
    stimulus = rng.standard_normal((5000, 1))
    eeg = rng.standard_normal((5000, 2)) * 0.1
    eeg[3:, 1] += stimulus[:-3, 0]
    ridge = model.Ridge(2, 1, 6)
    ridge.add(model.zscore(eeg), model.zscore(stimulus))
    weights = ridge.solve(1.0)[:, :, 0]
    assert np.unravel_index(np.abs(weights).argmax(), weights.shape) == (3, 1)


def test_constant_channel_is_zero(model):
    eeg = np.ones((1, 10, 2), dtype=np.float32)
    assert np.array_equal(model.zscore(eeg), np.zeros((1, 10, 2)))


def _copy(tmp_path):
    shutil.copytree(FOLDER, tmp_path / "linear", ignore=shutil.ignore_patterns("weights", "__pycache__"))
    manifest = tmp_path / "linear" / "submission.toml"
    manifest.write_text(manifest.read_text().partition("[[weights]]")[0])
    return tmp_path / "linear"


@pytest.mark.slow
def test_training_writes_weights_provenance_and_manifest(official_split, small_split, tmp_path):
    folder = _copy(tmp_path)
    split = load_split(small_split)
    corpus = open_corpus(official_split)
    trained = train_submission(load_submission(folder), corpus, split, "mel")
    submission = load_submission(folder)
    found = submission.weights("sparrkulee", split, "mel", "default")
    assert found.sha256 == trained.sha256
    assert trained.path.name == "sparrkulee-small-split-mel.safetensors"
    assert trained.report["lambda"] in [10**k for k in np.arange(2.0, 10.25, 0.5)]
    import json

    provenance = json.loads(trained.path.with_suffix(".json").read_text())
    assert provenance["subjects"] == ["sub-001"]
    assert provenance["stimuli"] == ["audiobook_1", "podcast_3"]
    assert provenance["split"] == {"name": "small-split", "sha256": split.sha256}
    # The same seed gives the same bytes, and no module of the package stays behind.
    again = train_submission(load_submission(folder), corpus, split, "mel")
    assert again.sha256 == trained.sha256
    assert not {"model", "train"} & set(sys.modules)


@pytest.mark.dtu
@pytest.mark.slow
def test_reaches_the_reference_on_real_eeg(dtu_folder, model):
    """Reference: S1-S8 -> S9, S10, trials z-scored, 30 s cuts: r 0.080, 0.088, 0.099 at these lambdas."""
    from harness.scoring.pearson import pearson_r
    from harness.tasks.segments import stretches

    corpus, split = open_corpus(dtu_folder), load_split("dtu")
    ridge = model.Ridge(64, 1, model.n_lags(64))
    for recording, start, stop in stretches(corpus, split, "train"):
        ridge.add(
            model.zscore(recording.eeg(start, stop)),
            model.zscore(recording.feature("envelope", start, stop)),
        )
    for ridge_lambda, reference in ((1e4, 0.080), (1e5, 0.088), (1e6, 0.099)):
        weights = ridge.solve(ridge_lambda)
        r = {}
        for recording, _, _ in stretches(corpus, split, "val"):
            predicted = model.apply(weights, model.zscore(recording.eeg(0, 1920))[None])[0]
            envelope = recording.feature("envelope", 0, 1920)
            r.setdefault(recording.subject, []).append(pearson_r(envelope, predicted)[0])
        mean = np.mean([np.mean(values) for values in r.values()])
        # The reference z-scores the whole trial, this the cut; it is quoted to three decimals.
        assert mean == pytest.approx(reference, abs=0.0015)
