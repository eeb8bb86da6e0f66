"""DPRNN: against the reference's outputs, and its chunks."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from nets import converted, eeg_of, n_parameters, relative, without_gradient

TINY = {"n_filters": 6, "n_hidden": 5, "n_blocks": 2, "chunk_samples": 8, "window_samples": 60}


@pytest.fixture(scope="module")
def dprnn(package):
    return package("baselines/dprnn")


@pytest.fixture
def tiny(dprnn):
    torch.manual_seed(1)
    return dprnn.model.Dprnn(dprnn.model.Config(**TINY)).eval()


def test_outputs_of_the_reference(dprnn, golden):
    release = golden("dprnn")
    _, config = dprnn.import_weights.convert(release.state)
    config = replace(config, chunk_samples=release.meta["config"]["chunk"])
    net = converted(dprnn.model.Dprnn, dprnn.import_weights.convert, release.state, config)
    assert n_parameters(net) == release.meta["parameters"] == 37_665
    assert (config.n_filters, config.n_hidden, config.n_blocks) == (16, 24, 2)
    with torch.inference_mode():
        mel = net(torch.from_numpy(release.io["eeg"]))
    assert relative(mel, release.io["mel"]) < 1e-5


def test_parameters_of_the_paper_preset(dprnn):
    n, h, bands = 128, 128, 10
    lstm = 2 * (4 * h * (n + h) + 2 * 4 * h)
    path = lstm + (2 * h * n + n) + 2 * n
    convolution = n * n + n
    expected = 2 * 64 + (64 * n + n) + 6 * 2 * path + 1 + 3 * convolution + bands * n
    assert expected == 3_627_393
    assert n_parameters(dprnn.model.Dprnn(dprnn.model.PRESETS["paper"])) == expected


@pytest.mark.parametrize("preset", ["paper", "compact"])
def test_chunks_are_about_as_many_as_they_are_long(dprnn, preset):
    config = dprnn.model.PRESETS[preset]
    assert abs(config.chunk_samples - (2 * config.window_samples) ** 0.5) < 1


def test_compact_net_is_small_and_keeps_the_shape(dprnn, rng):
    net = dprnn.model.Dprnn(dprnn.model.PRESETS["compact"])
    assert 50_000 < n_parameters(net) < 300_000
    assert net(torch.from_numpy(eeg_of(rng, 2, 101))).shape == (2, 101, 10)


def test_gradient_reaches_every_parameter(dprnn, rng):
    net = dprnn.model.Dprnn(dprnn.model.PRESETS["compact"])
    assert without_gradient(net, torch.from_numpy(eeg_of(rng, 2, 128))) == []


@pytest.mark.parametrize("n_times", [1, 7, 8, 61])
def test_every_sample_is_in_two_chunks(tiny, rng, n_times):
    x = torch.from_numpy(rng.standard_normal((2, 6, n_times)).astype(np.float32))
    chunks = tiny.chunks(x)
    assert chunks.shape[1:3] == (6, 8)
    assert relative(tiny.overlap_add(chunks, n_times), 2 * x) < 1e-6


def test_odd_chunks_are_refused(dprnn):
    with pytest.raises(ValueError, match="chunk_samples = 9, expected an even number"):
        dprnn.model.Dprnn(dprnn.model.Config(chunk_samples=9))


def test_global_norm_is_over_channels_and_time(dprnn, rng):
    x = torch.from_numpy(rng.standard_normal((2, 3, 4, 5)).astype(np.float32)) * 3 + 1
    norm = dprnn.model.GlobalNorm(3)
    with torch.no_grad():
        norm.gain.copy_(torch.tensor([1.0, 2.0, 3.0]))
        norm.bias.copy_(torch.tensor([0.0, 0.0, 1.0]))
    scaled = (x - x.mean((1, 2, 3), keepdim=True)) / x.var((1, 2, 3), keepdim=True, unbiased=False).sqrt()
    expected = scaled * norm.gain[:, None, None] + norm.bias[:, None, None]
    assert relative(norm(x).detach(), expected.detach()) < 1e-6


def test_outputs_do_not_depend_on_the_batch(dprnn, tiny, save_net, make_setup, rng):
    decoder = dprnn.predictor.Decoder(make_setup(save_net(tiny)))
    eeg = eeg_of(rng, 32, 60)
    together = decoder.predict(eeg, ["sub-001"] * 32)
    alone = np.concatenate([decoder.predict(eeg[i : i + 1], ["sub-002"]) for i in range(32)])
    assert relative(alone, together) < 1e-5


def test_predicts_in_its_own_process_window_by_window(
    dprnn, tiny, save_net, make_setup, predict_isolated, rng
):
    setup, eeg = make_setup(save_net(tiny)), eeg_of(rng, 3, 96)
    predicted = predict_isolated(dprnn.folder, setup, eeg)
    first, last = eeg[:, :60], eeg[:, 36:]
    with torch.inference_mode():
        windows = [
            tiny(torch.from_numpy((x - x.mean(axis=1, keepdims=True)) / x.std(axis=1, keepdims=True)))
            for x in (first, last)
        ]
    assert relative(predicted[:, :60], windows[0]) < 1e-5
    assert relative(predicted[:, 60:], windows[1][:, 24:]) < 1e-5


def test_training_builds_what_its_file_says(dprnn, make_setup):
    system = dprnn.train.SYSTEM
    setup = make_setup(feature="envelope", n_bands=1)
    for preset in system.presets:
        config, recipe = system.recipe(preset, "default")
        assert recipe.crop_samples == config.window_samples
    net = system.build(config, setup, [])
    assert net.config.n_bands == 1
    assert '"n_bands": 1' in system.metadata(config, setup, [])["config"]
    with pytest.raises(KeyError):
        system.recipe("papr", "default")


def test_tensors_that_are_no_dprnn_are_refused(dprnn, golden):
    state = golden("dprnn").state
    with pytest.raises(ValueError, match=r"tensor 'conv.weight', expected the names of the release"):
        dprnn.import_weights.convert({**state, "conv.weight": np.zeros(1)})
    del state["mask_net.weight"]
    with pytest.raises(ValueError, match=r"no tensor for 'readout.weight'"):
        dprnn.import_weights.convert(state)
