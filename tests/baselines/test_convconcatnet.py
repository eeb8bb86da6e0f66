"""ConvConcatNet: the described topology, and what an output can see. There is no output to compare with."""

import numpy as np
import pytest
import torch
from nets import eeg_of, n_parameters, relative

TINY = {"n_filters": 4, "n_iterations": 2, "n_rounds": 2, "kernel_samples": 3, "context_samples": 5}
REACH = 2 * (3 * 1 + 2)  # iterations times (two rounds and the mixing, 1 each; the context, 2)


@pytest.fixture(scope="module")
def ccn(package):
    return package("baselines/convconcatnet")


@pytest.fixture
def tiny(ccn):
    torch.manual_seed(1)
    return ccn.model.ConvConcatNet(ccn.model.Config(**TINY)).eval()


def test_parameters_of_the_body_are_the_described_ones(ccn):
    net = ccn.model.ConvConcatNet(ccn.model.PRESETS["paper"])
    assert n_parameters(net.body) == 544_384


def test_norm_and_activation_come_before_the_padding(tiny, rng):
    # So the ends of the extractor's output are zeros, and those of the context's are not.
    x = torch.from_numpy(rng.standard_normal((1, 20, 72)).astype(np.float32))
    made = tiny.body.extractor(x)[0]
    assert made[[0, -1]].abs().max() == 0
    assert made[1:-1].abs().min(dim=1).values.max() > 0
    assert tiny.body.context(x[..., :4])[0, [0, -1]].abs().min() > 0


def test_an_iteration_hears_the_last_output_and_its_gate(ccn, rng):
    torch.manual_seed(1)
    one = ccn.model.ConvConcatNet(ccn.model.Config(**{**TINY, "n_iterations": 1}))
    two = ccn.model.ConvConcatNet(ccn.model.Config(**TINY))
    two.load_state_dict(one.state_dict())
    eeg = torch.from_numpy(eeg_of(rng, 1, 30))
    out = one.body(eeg)
    x = torch.cat([eeg, out, one.body.gate(out) * out], dim=2)
    expected = one.body.context(one.body.dense(one.body.extractor(x)))
    assert relative(two.body(eeg).detach(), expected.detach()) < 1e-6


def test_an_output_sees_just_as_far_as_the_kernels_reach(tiny, rng):
    eeg = torch.from_numpy(eeg_of(rng, 1, 60)).requires_grad_()
    tiny(eeg)[0, 30].sum().backward()
    seen = eeg.grad[0].abs().sum(dim=1).nonzero()[:, 0]
    assert (seen.min(), seen.max()) == (30 - REACH, 30 + REACH)


def test_outputs_do_not_depend_on_what_lies_beyond_their_reach(tiny, rng):
    eeg = torch.from_numpy(eeg_of(rng, 1, 100))
    with torch.inference_mode():
        whole, first, last = tiny(eeg), tiny(eeg[:, :60]), tiny(eeg[:, 40:])
    assert relative(first[:, : 60 - REACH], whole[:, : 60 - REACH]) < 1e-6
    assert relative(last[:, REACH:], whole[:, 40 + REACH :]) < 1e-6


def test_depthwise_is_torchs_grouped_convolution(ccn, rng):
    layer = ccn.model.Depthwise(6, 9)
    x = torch.from_numpy(rng.standard_normal((2, 30, 6)).astype(np.float32)).requires_grad_()
    expected = torch.nn.functional.conv1d(x.transpose(1, 2), layer.weight, layer.bias, groups=6).transpose(
        1, 2
    )
    made = layer(x)
    assert relative(made.detach(), expected.detach()) < 1e-6
    weights = torch.from_numpy(rng.standard_normal((2, 22, 6)).astype(np.float32))
    for ours, theirs in zip(
        torch.autograd.grad((made * weights).sum(), [x, layer.weight, layer.bias]),
        torch.autograd.grad((expected * weights).sum(), [x, layer.weight, layer.bias]),
        strict=True,
    ):
        assert relative(ours, theirs) < 1e-5
