"""The song classifier: the release's outputs from the release's weights, and that it learns."""

import json

import numpy as np
import pytest
import torch
from conftest import GOLDEN
from nets import n_parameters

from harness.nn.song_classifier import (
    ClassifierConfig,
    SongClassifier,
    config_of,
    fit_classifier,
    named_songs,
)

FOLDER = GOLDEN / "music"


def released():
    """The net with the release's weights, which lie in layer order."""
    arrays = dict(np.load(FOLDER / "classifier_weights.npz"))
    remaining = iter([arrays[name].astype(np.float32) for name in sorted(arrays)])
    state = {}

    def norm(name):
        for key in ("weight", "bias", "running_mean", "running_var"):
            state[f"{name}.{key}"] = next(remaining)
        state[f"{name}.num_batches_tracked"] = np.array(0)

    for i in range(3):
        state[f"convolutions.{i}.weight"] = np.ascontiguousarray(next(remaining).transpose(3, 2, 0, 1))
        state[f"convolutions.{i}.bias"] = next(remaining)
        norm(f"norms.{i}")
    for name in ("hidden", "readout"):
        state[f"{name}.weight"] = np.ascontiguousarray(next(remaining).T)
        state[f"{name}.bias"] = next(remaining)
        if name == "hidden":
            norm("hidden_norm")
    tensors = {name: torch.from_numpy(array) for name, array in state.items()}
    net = SongClassifier(config_of(tensors))
    net.load_state_dict(tensors, strict=True)
    return net.eval()


@pytest.mark.parametrize("what", ["mel", "eeg"])
def test_outputs_of_the_release(what):
    io = dict(np.load(FOLDER / "classifier_io.npz"))
    with torch.inference_mode():
        made = released()(torch.from_numpy(io[f"x_{what}"][..., 0].astype(np.float32))).softmax(dim=1)
    assert np.abs(made.numpy() - io[f"y_{what}"]).max() < 2e-6


def test_parameters_are_kerass_and_do_not_depend_on_the_size():
    meta = json.loads((FOLDER / "meta_nets.json").read_text())["classifier"]
    net = SongClassifier(ClassifierConfig())
    running = sum(buffer.numel() for name, buffer in net.named_buffers() if "running" in name)
    assert n_parameters(net) + running == meta["params"] == 179_782
    assert net.config == ClassifierConfig() == config_of(net.state_dict())
    for size in ((128, 44), (125, 125), (9, 6)):
        assert net.eval()(torch.zeros(2, *size)).shape == (2, 10)


def test_gradient_reaches_every_parameter(rng):
    net = SongClassifier(ClassifierConfig(n_songs=3, filters=(2, 3), n_hidden=4)).train()
    images = torch.from_numpy(rng.standard_normal((6, 20, 12)).astype(np.float32))
    (net(images) * torch.randn(6, 3)).sum().backward()
    assert [name for name, p in net.named_parameters() if not p.grad.abs().sum() > 0] == []


def songs_of(rng, n_each=12):
    """Images whose song is the row that is loud, and their numbers; the last song has but two."""
    numbers = torch.tensor([0] * n_each + [1] * n_each + [2] * 2)
    images = rng.standard_normal((len(numbers), 16, 8)).astype(np.float32)
    for image, number in zip(images, numbers.tolist(), strict=True):
        image[5 * number : 5 * number + 4] += 3
    return torch.from_numpy(images), numbers


def trained(rng, seed=1):
    torch.manual_seed(4)
    net = SongClassifier(ClassifierConfig(n_songs=3, filters=(4, 6), n_hidden=8))
    images, numbers = songs_of(rng)
    fit_classifier(net, images, numbers, steps=60, batch_size=12, learning_rate=1e-2, seed=seed)
    return net


def test_it_learns_songs_and_names_new_images_of_them(rng):
    net = trained(rng)
    assert not net.training
    images, numbers = songs_of(rng)
    assert (named_songs(net, images, block=5) == numbers).double().mean() > 0.9


def test_training_depends_on_its_seed_alone_and_draws_from_nobody_elses_numbers(rng):
    nets = [trained(np.random.default_rng(2), seed) for seed in (1, 1, 2)]
    first, second, third = (net.readout.weight for net in nets)
    assert torch.equal(first, second)
    assert not torch.equal(first, third)
    torch.manual_seed(9)
    expected = torch.rand(1)
    net = SongClassifier(ClassifierConfig(n_songs=3, filters=(4, 6), n_hidden=8))
    images, numbers = songs_of(rng)
    torch.manual_seed(9)
    fit_classifier(net, images, numbers, steps=2, batch_size=4, learning_rate=1e-2, seed=1)
    assert torch.equal(torch.rand(1), expected)
