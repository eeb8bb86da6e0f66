"""EEG2Mel's CNN: the release's outputs from the release's weights, and what its header says of its layers."""

import json

import numpy as np
import pytest
import torch
from nets import converted, n_parameters

from harness.nn.images import same_padding


@pytest.fixture
def modules(package):
    return package("submissions/eeg2mel")


@pytest.fixture(scope="module")
def release():
    """Weights by release name, input, output, and what Keras says of the net."""
    from conftest import GOLDEN

    folder = GOLDEN / "music"
    return (
        dict(np.load(folder / "cnn_small_weights.npz")),
        dict(np.load(folder / "cnn_small_io.npz")),
        json.loads((folder / "meta_nets.json").read_text()),
    )


def test_outputs_of_the_release(modules, release):
    weights, io, meta = release
    net = converted(modules.model.Eeg2Mel, modules.import_weights.convert, weights)
    assert net.config.filters == tuple(meta["cnn_small"]["filters"])
    assert net.config.dense == tuple(meta["cnn_small"]["dense"])
    running = sum(buffer.numel() for name, buffer in net.named_buffers() if "running" in name)
    assert n_parameters(net) + running == meta["cnn_small"]["params"]
    with torch.inference_mode():
        made = net.of_spectrum(torch.from_numpy(io["x"][..., 0].astype(np.float32))).numpy()
    assert made.shape == io["y"].shape == (2, 44, 128)
    assert np.abs(made - io["y"]).max() < 2e-6 * np.abs(io["y"]).max()


def test_parameters_and_sizes_of_the_layers_are_kerass(modules, release):
    meta = release[2]["cnn_full"]
    net = modules.model.Eeg2Mel(modules.model.Config())
    kinds = {"Conv2D": [], "Dense": [], "BatchNormalization": []}
    for kind, _, count in meta["layers"]:
        if kind in kinds:
            kinds[kind].append(count)
    assert [n_parameters(layer) for layer in net.convolutions] == kinds["Conv2D"]
    assert [n_parameters(layer) for layer in (net.first, net.second, net.readout)] == kinds["Dense"]
    norms = [*net.norms, net.pooled_norm, net.first_norm, net.second_norm]
    assert [2 * n_parameters(norm) for norm in norms] == kinds["BatchNormalization"]
    assert n_parameters(net) == meta["trainable"]
    assert all((norm.eps, norm.momentum) == (1e-3, 0.01) for norm in norms)


def test_zeros_around_the_last_convolution_are_moved_by_its_norm(modules):
    """With the padding behind the norm, the border of what is pooled would be zero."""
    net = modules.model.Eeg2Mel(modules.model.COMPACT).eval()
    for parameter in net.parameters():
        torch.nn.init.zeros_(parameter)
    torch.nn.init.constant_(net.norms[-1].bias, 3.0)
    seen = []
    net.pooled_norm.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    with torch.inference_mode():
        net(torch.zeros(1, 125, 125))
    assert seen[0].shape[2:] == (17, 32)
    assert (seen[0] == 3.0).all()


def test_an_even_kernel_pads_one_more_behind():
    assert same_padding(63, 4, 1) == (1, 2)
    assert same_padding(63, 4, 2) == (1, 2)
    assert same_padding(125, 4, 2) == (1, 2)
    assert same_padding(64, 4, 2) == (1, 1)
    assert same_padding(5, 3, 1) == (1, 1)


def test_other_weights_are_refused(modules, release):
    weights = dict(release[0])
    weights.pop("47.bias")
    with pytest.raises(ValueError, match="^47 tensors, expected the 48 of EEG2Mel's CNN in the order of"):
        modules.import_weights.convert(weights)
