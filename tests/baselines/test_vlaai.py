"""VLAAI: both published nets against the release's outputs, and what an output can see."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from nets import converted, eeg_of, n_parameters, relative, without_gradient

TINY = {"filters": (6, 6, 6, 4, 4), "kernel_samples": 3, "context_samples": 4}
VARIANTS = ("original", "challenge")


@pytest.fixture(scope="module")
def vlaai(package):
    return package("baselines/vlaai")


@pytest.fixture
def tiny(vlaai):
    torch.manual_seed(1)
    return vlaai.model.Vlaai(vlaai.model.Config(n_bands=10, n_blocks=3, **TINY)).eval()


@pytest.mark.parametrize(
    ("variant", "n_bands", "expected"),
    [("original", 1, 1_740_289), ("challenge", 1, 12_881_409), ("challenge", 10, 12_881_994)],
)
def test_parameters_of_the_published_nets(vlaai, variant, n_bands, expected):
    config = replace(vlaai.model.PRESETS[variant]["paper"], n_bands=n_bands)
    assert n_parameters(vlaai.model.Vlaai(config)) == expected


@pytest.mark.parametrize("name", ["vlaai", "vlaai-challenge"])
def test_outputs_of_the_release(vlaai, golden, name):
    release = golden(name)
    net = converted(vlaai.model.Vlaai, vlaai.import_weights.convert, release.state)
    assert n_parameters(net) == release.meta["parameters"]
    with torch.inference_mode():
        output = net(torch.from_numpy(release.io["eeg"]))
    assert output.shape == release.io["output"].shape
    assert relative(output, release.io["output"]) < 1e-5


@pytest.mark.parametrize("variant", VARIANTS)
def test_compact_net_is_small_and_keeps_the_shape(vlaai, variant, rng):
    net = vlaai.model.Vlaai(vlaai.model.PRESETS[variant]["compact"])
    assert 50_000 < n_parameters(net) < 300_000
    n_bands = net.config.n_bands
    assert net(torch.from_numpy(eeg_of(rng, 2, 100))).shape == (2, 100, n_bands)


def test_gradient_reaches_every_parameter(vlaai, rng):
    net = vlaai.model.Vlaai(vlaai.model.PRESETS["original"]["compact"])
    assert without_gradient(net, torch.from_numpy(eeg_of(rng, 2, 64))) == []


def test_input_is_not_changed(tiny, rng):
    eeg = torch.from_numpy(eeg_of(rng, 1, 60))
    before = eeg.clone()
    tiny(eeg)
    assert torch.equal(eeg, before)


def test_an_output_sees_just_as_far_as_the_kernels_reach(tiny, rng):
    # Each block: four samples of context look 3 back; five kernels of 3 look 10 ahead.
    config = tiny.config
    back = config.n_blocks * (config.context_samples - 1)
    ahead = config.n_blocks * len(config.filters) * (config.kernel_samples - 1)
    assert (back, ahead) == (9, 30)
    eeg = torch.from_numpy(eeg_of(rng, 1, 120)).requires_grad_()
    at = 60
    tiny(eeg)[0, at].sum().backward()
    seen = eeg.grad[0].abs().sum(dim=1).nonzero()[:, 0]
    assert (seen.min(), seen.max()) == (at - back, at + ahead)


def test_outputs_do_not_depend_on_what_lies_beyond_their_reach(tiny, rng):
    eeg = torch.from_numpy(eeg_of(rng, 1, 160))
    with torch.inference_mode():
        whole, first, last = tiny(eeg), tiny(eeg[:, :100]), tiny(eeg[:, 50:])
    assert relative(first[:, : 100 - 30], whole[:, : 100 - 30]) < 1e-6
    assert relative(last[:, 9:], whole[:, 59:]) < 1e-6


def test_outputs_do_not_depend_on_the_batch(vlaai, tiny, save_net, make_setup, rng):
    decoder = vlaai.predictor.Decoder(make_setup(save_net(tiny)))
    eeg = eeg_of(rng, 32, 96)
    together = decoder.predict(eeg, ["sub-001"] * 32)
    alone = np.concatenate([decoder.predict(eeg[i : i + 1], ["sub-002"]) for i in range(32)])
    assert relative(alone, together) < 1e-5


def test_predicts_in_its_own_process(vlaai, tiny, save_net, make_setup, predict_isolated, rng):
    setup, eeg = make_setup(save_net(tiny), variant="original"), 5 + 3 * eeg_of(rng, 3, 96)
    predicted = predict_isolated(vlaai.folder, setup, eeg)
    scaled = (eeg - eeg.mean(axis=1, keepdims=True)) / eeg.std(axis=1, keepdims=True)
    with torch.inference_mode():
        expected = tiny(torch.from_numpy(scaled))
    assert relative(predicted, expected) < 1e-5


def test_tensors_that_are_no_vlaai_are_refused(vlaai, golden):
    state = golden("vlaai").state
    state.pop("21 dense_10/bias:0")
    with pytest.raises(ValueError, match="33 tensors of .* expected those of VLAAI.*Number the names"):
        vlaai.import_weights.convert(state)
    with pytest.raises(ValueError, match="0 tensors"):
        vlaai.import_weights.convert({})


def test_training_builds_what_its_file_says(vlaai, make_setup):
    system = vlaai.train.SYSTEM
    setup = make_setup(feature="envelope", n_bands=1, variant="challenge")
    config, recipe = system.recipe("compact", "challenge")
    assert recipe.losses == {"pearson": 1.0}
    net = system.build(config, setup, [])
    assert net.config.n_bands == 1
    assert '"n_bands": 1' in system.metadata(config, setup, [])["config"]
    with pytest.raises(KeyError):
        system.recipe("papr", "original")
