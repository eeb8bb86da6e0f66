"""DPRNN: against the reference's outputs, and its chunks."""

import numpy as np
import pytest
import torch
from nets import n_parameters, relative

TINY = {"n_filters": 6, "n_hidden": 5, "n_blocks": 2, "chunk_samples": 8, "window_samples": 60}


@pytest.fixture(scope="module")
def dprnn(package):
    return package("baselines/dprnn")


@pytest.fixture
def tiny(dprnn):
    torch.manual_seed(1)
    return dprnn.model.Dprnn(dprnn.model.Config(**TINY)).eval()


def test_parameters_of_the_paper_preset(dprnn):
    n, h, bands = 128, 128, 10
    lstm = 2 * (4 * h * (n + h) + 2 * 4 * h)
    path = lstm + (2 * h * n + n) + 2 * n
    convolution = n * n + n
    expected = 2 * 64 + (64 * n + n) + 6 * 2 * path + 1 + 3 * convolution + bands * n
    assert n_parameters(dprnn.model.Dprnn(dprnn.model.PRESETS["paper"])) == expected


@pytest.mark.parametrize("preset", ["paper", "compact"])
def test_chunks_are_about_as_many_as_they_are_long(dprnn, preset):
    config = dprnn.model.PRESETS[preset]
    assert abs(config.chunk_samples - (2 * config.window_samples) ** 0.5) < 1


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


def test_sizes_are_read_from_the_reference(dprnn, golden):
    _, config = dprnn.import_weights.convert(golden("dprnn").state)
    assert (config.n_channels, config.n_filters, config.n_hidden, config.n_blocks) == (64, 16, 24, 2)


def test_tensors_that_are_no_dprnn_are_refused(dprnn, golden):
    state = golden("dprnn").state
    with pytest.raises(ValueError, match=r"tensors that the release does not have: conv.weight$"):
        dprnn.import_weights.convert({**state, "conv.weight": np.zeros(1)})
    del state["mask_net.weight"]
    with pytest.raises(ValueError, match=r"^no tensor for readout.weight$"):
        dprnn.import_weights.convert(state)
