"""The ridge on spectra: its features, its components, its solution against scikit-learn's, and weights refused."""

from dataclasses import replace

import numpy as np
import pytest
from safetensors.numpy import save_file
from scipy.signal import periodogram
from sklearn.linear_model import Ridge as SklearnRidge

SIZES = {"n_bands": 3, "n_frames": 4, "n_channels": 12, "segment_samples": 50, "sample_rate_hz": 50}


@pytest.fixture
def modules(package):
    return package("baselines/ridge-psd")


def test_features_are_spectra_of_the_mean_over_neighbours(modules, rng):
    eeg = 10 * rng.standard_normal((3, 125, 125)).astype(np.float32)
    made = modules.model.features(eeg, "log-periodogram", 125)
    assert made.shape == (3, 1125)
    hz, power = periodogram(eeg.astype(np.float64), fs=125, axis=1)
    chosen = np.log(power + 1e-3)[:, (hz >= 1) & (hz <= 45)]
    expected = chosen.reshape(3, 45, 25, 5).mean(axis=3).reshape(3, -1)
    assert made == pytest.approx(expected, abs=1e-5)


def test_the_last_group_is_smaller_where_channels_do_not_divide(modules, rng):
    eeg = rng.standard_normal((2, 50, 12)).astype(np.float32)
    made = modules.model.features(eeg, "periodogram", 50).reshape(2, 25, 3)
    alone = modules.model.features(eeg[:, :, 10:], "periodogram", 50).reshape(2, 25, 1)
    assert made[:, :, 2:] == pytest.approx(alone, abs=1e-9)


def test_components_are_those_of_the_targets_as_often_as_they_occur(modules, rng):
    targets = rng.standard_normal((7, 30))
    counts = np.array([1, 2, 3, 1, 1, 4, 2])
    targets -= counts @ targets / counts.sum()
    made = modules.model.principal_components(targets, counts.astype(float), 4)
    assert made @ made.T == pytest.approx(np.eye(4), abs=1e-10)
    _, _, expected = np.linalg.svd(np.repeat(targets, counts, axis=0), full_matrices=False)
    assert np.abs(np.sum(made * expected[:4], axis=1)) == pytest.approx(np.ones(4), abs=1e-9)
    assert len(modules.model.principal_components(targets, counts.astype(float), 30)) == 6


@pytest.mark.parametrize("penalty", [0.3, 10.0])
def test_the_solution_is_scikit_learns(modules, rng, penalty):
    x = rng.standard_normal((60, 8)) * np.arange(1, 9) + 3
    y = rng.standard_normal((60, 2)) + x[:, :2]
    y -= y.mean(axis=0)
    ridge = modules.model.Ridge(8, 2)
    for start in range(0, 60, 7):
        ridge.add(x[start : start + 7], y[start : start + 7])
    mean, deviation = ridge.standardised()
    z = (x - x.mean(axis=0)) / x.std(axis=0)
    assert (x - mean) / deviation == pytest.approx(z, abs=1e-9)
    expected = SklearnRidge(alpha=penalty * 60, fit_intercept=False).fit(z, y).coef_.T
    assert ridge.solve([penalty])[0] == pytest.approx(expected, abs=1e-8)


def test_a_constant_feature_has_no_weight(modules, rng):
    ridge = modules.model.Ridge(2, 1)
    x = np.stack([rng.standard_normal(30), np.full(30, 4.0)], axis=1)
    ridge.add(x, x[:, :1] - x[:, :1].mean())
    assert ridge.standardised()[1][1] == 1
    assert ridge.solve([0.1])[0][1] == pytest.approx(0, abs=1e-9)


def weights_of(modules, rng, kind="periodogram"):
    n_features = modules.model.features(np.zeros((1, 50, 12), np.float32), kind, 50).shape[1]
    shapes = {
        "feature_mean": (n_features,),
        "feature_deviation": (n_features,),
        "weights": (n_features, 2),
        "components": (2, 4, 3),
        "mean": (4, 3),
    }
    return {name: (1 + rng.random(shape)).astype(np.float32) for name, shape in shapes.items()}


def test_predicts_as_the_model_says(modules, make_setup, tmp_path, rng):
    weights = weights_of(modules, rng)
    save_file(weights, tmp_path / "weights.safetensors")
    setup = make_setup(tmp_path / "weights.safetensors", variant="periodogram", **SIZES)
    eeg = rng.standard_normal((300, 50, 12)).astype(np.float32)
    made = modules.predictor.RidgePsd(setup).predict(eeg, ["unknown"] * 300)
    z = modules.model.features(eeg, "periodogram", 50) - weights["feature_mean"]
    scores = z / weights["feature_deviation"] @ weights["weights"]
    expected = weights["mean"] + np.einsum("nc,cfb->nfb", scores, weights["components"])
    assert made.dtype == np.float32
    assert made == pytest.approx(expected, rel=1e-4)


def test_weights_that_do_not_fit_the_run_are_refused(modules, make_setup, tmp_path, rng):
    save_file(weights_of(modules, rng), tmp_path / "weights.safetensors")
    setup = make_setup(tmp_path / "weights.safetensors", variant="periodogram", **SIZES)
    with pytest.raises(
        ValueError, match=r"a mean of shape \(4, 3\), expected \(5, 3\) \(n_frames, n_bands\)"
    ):
        modules.predictor.RidgePsd(replace(setup, n_frames=5))
    with pytest.raises(ValueError, match="weights for 75 features, expected 175, of 32 EEG channels and 50"):
        modules.predictor.RidgePsd(replace(setup, n_channels=32))
