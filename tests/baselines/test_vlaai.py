"""VLAAI: both published nets against the release's outputs, and what an output can see."""

from dataclasses import replace

import pytest
import torch
from nets import eeg_of, n_parameters, relative

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


def test_tensors_that_are_no_vlaai_are_refused(vlaai, golden):
    state = golden("vlaai").state
    state.pop("21 dense_10/bias:0")
    with pytest.raises(ValueError, match="33 tensors of .* expected those of VLAAI.*Number the names"):
        vlaai.import_weights.convert(state)
    with pytest.raises(ValueError, match="0 tensors"):
        vlaai.import_weights.convert({})


def test_pearson_is_the_only_loss(vlaai):
    for preset in ("paper", "compact"):
        for variant in ("original", "challenge"):
            assert vlaai.train.SYSTEM.recipe(preset, variant)[1].losses == {"pearson": 1.0}
