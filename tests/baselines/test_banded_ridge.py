"""The banded ridge: its sums, its groups, what it chooses, and what it reaches beside the plain ridge."""

import json
import shutil

import numpy as np
import pytest
from conftest import REPOSITORY
from safetensors.numpy import load_file, save_file

from harness.errors import ShapeError
from harness.submission.manifest import load_submission
from harness.training import train_submission

FOLDER = REPOSITORY / "baselines" / "banded-ridge"


@pytest.fixture(scope="module")
def modules(package):
    return package("baselines/banded-ridge")


@pytest.fixture(scope="module")
def model(modules):
    return modules.model


@pytest.fixture
def own(model):
    """Two groups with lags of their own, at 16 Hz."""
    return model.Layout((4.0,), ((0, 2, 4), (0, 1, 2, 3)), 16.0)


def lagged(model, own, x, last):
    """X of one recording with zeros before and after it, built whole: groups, lags and channels in order."""
    n, most = len(x), max(max(lags) for lags in own.lags)
    columns = []
    for lags, series in zip(own.lags, model.grouped(x, own), strict=True):
        padded = np.pad(series, ((most, most), (0, 0)))
        columns += [np.pad(padded[lag:], ((0, lag), (0, 0))) for lag in lags if lag <= last]
    assert columns[0].shape[0] == n + 2 * most
    return np.hstack(columns)


def recordings(rng, lengths=(60, 40, 50), channels=3, bands=2):
    return [(rng.standard_normal((n, channels)), rng.standard_normal((n, bands))) for n in lengths]


def summed(model, own, pairs):
    products = model.Products(own, pairs[0][0].shape[1], pairs[0][1].shape[1])
    for x, y in pairs:
        products.add(x, y)
    return products


@pytest.mark.parametrize("last", [4, 2, 0])
def test_sums_are_those_of_the_lagged_matrix(model, own, rng, last):
    pairs = recordings(rng)
    products = summed(model, own, pairs)
    whole = [lagged(model, own, x, last) for x, _ in pairs]
    most = 4
    targets = [np.pad(y, ((most, most), (0, 0))) for _, y in pairs]
    xx = sum(x.T @ x for x in whole)
    xy = sum(x.T @ y for x, y in zip(whole, targets, strict=True))
    assert products.matrix(last) == pytest.approx(xx, abs=1e-9)
    assert products.right(last) == pytest.approx(xy, abs=1e-9)


def test_a_solution_is_the_ridge_with_a_penalty_for_each_group(model, own, rng):
    products = summed(model, own, recordings(rng))
    xx, xy = products.matrix(4), products.right(4)
    of_group = np.array([group for group, _ in products.kept(4) for _ in range(3)])
    penalties = 0.3 * np.array([1.0, 10.0])[of_group] * products.variances()[of_group]
    direct = np.linalg.solve(xx + np.diag(penalties), xy)
    assert model.solve(products, 4, 0.3, (1.0, 10.0), xx) == pytest.approx(direct, abs=1e-10)


def test_correlations_are_those_of_the_predictions(model, own, rng):
    pairs = recordings(rng)
    products = summed(model, own, pairs)
    weights = model.solve(products, 4, 0.1, (1.0, 1.0), products.matrix(4))
    made = np.vstack([lagged(model, own, x, 4) @ weights for x, _ in pairs])
    truth = np.vstack([np.pad(y, ((4, 4), (0, 0))) for _, y in pairs])
    expected = (made * truth).sum(axis=0) / np.sqrt((made**2).sum(axis=0) * (truth**2).sum(axis=0))
    found = model.correlations(products, 4, weights, products.matrix(4))
    assert found == pytest.approx(expected, abs=1e-10)
    assert np.array_equal(model.correlations(products, 4, weights * 0, products.matrix(4)), [0.0, 0.0])


def test_a_fold_and_the_rest_are_the_whole(model, own, rng):
    pairs = recordings(rng)
    whole, first = summed(model, own, pairs), summed(model, own, pairs[:1])
    rest = summed(model, own, pairs[1:])
    assert whole.less(first).matrix(4) == pytest.approx(rest.matrix(4), abs=1e-9)
    assert first.plus(rest).right(3) == pytest.approx(whole.right(3), abs=1e-9)
    assert rest.plus(first).squares == pytest.approx(whole.squares)


def test_memory_does_not_grow_with_the_data(model, own, rng):
    few, many = (summed(model, own, recordings(rng, lengths)) for lengths in ((50,), (500,) * 4))
    assert [one.shape for one in few.eeg.values()] == [one.shape for one in many.eeg.values()]
    assert len(few.eeg) == len(own.distances) == 5


def test_groups_add_up_to_the_eeg_and_hold_their_frequencies(model):
    own = model.layout(64)
    assert own.edges_hz == (4.0, 8.0)
    t = np.arange(640) / 64
    for hz, group in ((1.0, 0), (5.7, 1), (20.0, 2)):
        wave = np.sin(2 * np.pi * hz * t)[:, None]
        parts = model.grouped(wave, own)
        assert sum(parts) == pytest.approx(wave, abs=1e-12)
        assert np.argmax([part.std() for part in parts]) == group


@pytest.mark.parametrize(
    ("rate", "edges", "lags"),
    [
        (64, (4.0, 8.0), (range(0, 26, 4), range(0, 26, 2), range(0, 26, 2))),
        (100, (4.0, 8.0), (range(0, 41, 6), range(0, 41, 3), range(0, 41, 3))),
        (16, (4.0,), (range(7), range(7))),
        (8, (), (range(4),)),
    ],
)
def test_groups_and_lags_of_a_sampling_rate(model, rate, edges, lags):
    own = model.layout(rate)
    assert own.edges_hz == edges
    assert own.lags == tuple(tuple(group) for group in lags)


def test_apply_sums_the_next_samples_of_each_group(model, own, rng):
    weights = [rng.standard_normal((len(lags), 3, 2)) for lags in own.lags]
    eeg = rng.standard_normal((2, 40, 3))
    before = eeg.copy()
    out = model.apply(weights, own, eeg)
    groups = model.grouped(eeg, own)
    t = 7
    expected = sum(
        series[1, t + lag] @ kernel
        for lags, series, group in zip(own.lags, groups, weights, strict=True)
        for lag, kernel in zip(lags, group, strict=True)
    )
    assert out[1, t] == pytest.approx(expected)
    assert out[0, 39] == pytest.approx(
        sum(series[0, 39] @ group[0] for series, group in zip(groups, weights, strict=True))
    )
    assert np.array_equal(eeg, before)


def test_segments_shorter_than_the_filter_and_the_lags(model):
    own = model.layout(64)
    weights = [np.ones((len(lags), 2, 1)) for lags in own.lags]
    assert model.apply(weights, own, np.ones((1, 5, 2))).shape == (1, 5, 1)


def test_weights_that_do_not_fit_the_run_are_refused(modules, make_setup, tmp_path):
    path = tmp_path / "weights.safetensors"
    lags = modules.model.layout(100).lags
    save_file({f"group_{k}": np.zeros((len(own), 32, 1), np.float32) for k, own in enumerate(lags)}, path)
    lab = {"feature": "pitch", "n_bands": 1, "n_channels": 32, "sample_rate_hz": 100}
    made = modules.predictor.BandedRidge
    predicted = made(make_setup(path, **lab)).predict(np.ones((2, 96, 32), np.float32), ["a", "b"])
    assert (predicted.shape, predicted.dtype) == ((2, 96, 1), np.float32)
    for changes in ({"n_channels": 64}, {"sample_rate_hz": 64}, {"n_bands": 10}):
        with pytest.raises(ValueError, match=r"expected \{'group_0': \("):
            made(make_setup(path, **{**lab, **changes}))
    with pytest.raises(ShapeError, match="48 frames for 96 EEG samples"):
        made(make_setup(path, **lab, n_frames=48))


def test_each_band_gets_the_lags_and_the_group_that_answer_it(modules, rng):
    """Band 0 is answered below 4 Hz and early, band 1 above 8 Hz and late; the other group is noise."""
    model, train = modules.model, modules.train
    own = model.layout(64)
    folds = []
    for _ in range(3):
        products = model.Products(own, 4, 2)
        for _ in range(2):
            slow, _, fast = model.grouped(rng.standard_normal((300, 2)), own)
            target = np.stack([slow[:, 0] / slow[:, 0].std(), fast[:, 1] / fast[:, 1].std()], axis=1)
            eeg = 2 * rng.standard_normal((300, 4))
            eeg[4:, 0] += target[:-4, 0]
            eeg[24:, 1] += target[:-24, 1]
            products.add(model.zscore(eeg), model.zscore(target))
        folds.append(products)
    total = folds[0].plus(folds[1]).plus(folds[2])
    choices, scores, solved = train._chosen(folds, total, lambda *_: None)
    assert choices[0].multiples[0] == choices[1].multiples[2] == 1.0
    assert choices[0].multiples[2] > 1.0
    assert choices[1].multiples[0] > 1.0
    assert choices[1].last == 25
    assert min(scores) > 0.2
    assert solved > 50


def untrained(tmp_path):
    """A copy of the package without weights, whose search is a smaller one, for a fifth of the time."""
    folder = tmp_path / "banded-ridge"
    shutil.copytree(FOLDER, folder, ignore=shutil.ignore_patterns("weights", "__pycache__"))
    manifest = folder / "submission.toml"
    manifest.write_text(manifest.read_text().partition("[[weights]]")[0])
    text = (folder / "train.py").read_text()
    for whole, fewer in (
        ("np.arange(-2.5, 2.0, 0.5)", "np.arange(-1.5, 2.0, 1.0)"),
        ("MULTIPLES = (1.0, 10.0, 100.0)", "MULTIPLES = (1.0, 100.0)"),
    ):
        assert whole in text
        text = text.replace(whole, fewer)
    (folder / "train.py").write_text(text)
    return folder


@pytest.mark.slow
def test_training_writes_weights_and_what_was_chosen(corpus, split, tmp_path):
    folder = untrained(tmp_path)
    trained = train_submission(load_submission(folder), corpus, split, "mel")
    submission = load_submission(folder)
    assert submission.is_deterministic
    assert submission.weights("sparrkulee", split, "mel", "default").sha256 == trained.sha256
    report = json.loads(trained.path.with_suffix(".json").read_text())["report"]
    assert report["folds"] == 2  # one subject trains: its two recordings
    assert [len(report[key]) for key in report if key.endswith("_by_band")] == [10] * 4
    assert set(report["last_lag_seconds_by_band"]) <= {12 / 64, 19 / 64, 25 / 64}
    weights = load_file(trained.path)
    assert [weights[f"group_{k}"].shape for k in range(3)] == [(7, 64, 10), (13, 64, 10), (13, 64, 10)]
    assert trained.path.stat().st_size < 2e6


@pytest.mark.slow
def test_a_second_training_writes_the_same_bytes(corpus, split, tmp_path):
    folder = untrained(tmp_path)
    first, second = (train_submission(load_submission(folder), corpus, split, "envelope") for _ in range(2))
    assert first.sha256 == second.sha256
