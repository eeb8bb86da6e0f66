"""What the nets of the releases begin with: the spread of every kind of tensor, and where dropout stands."""

from collections import Counter

import pytest
import torch
from torch import nn

from harness.nn.s4 import S4, S4Kernel, hippo_legs

# A spread of n values drawn is off by about 1 / sqrt(2 n) of itself; the smallest tensors here have 200.
CLOSE = 0.12


@pytest.fixture(scope="module")
def built(package):
    """Package and variant -> its net of the preset ``paper``."""
    nets = {}

    def build(name, variant="full"):
        if (name, variant) not in nets:
            system = package(f"submissions/{name}").train.SYSTEM
            config, _ = system.recipe("paper", variant)
            torch.manual_seed(3)
            nets[name, variant] = system.nets[variant](config)
        return nets[name, variant]

    return build


def _uniform(fan_in, a):
    """Standard deviation of Kaiming's uniform distribution for a leaky ReLU of slope a."""
    return (2 / (1 + a * a) / fan_in) ** 0.5


def _spread(tensor, expected, *, close=CLOSE):
    assert tensor.std().item() == pytest.approx(expected, rel=close)
    assert abs(tensor.mean().item()) < 4 * expected / tensor.numel() ** 0.5


@pytest.mark.slow
def test_catwavenets_convolutions_begin_as_torchs(built, package):
    normed, plain = package("submissions/catwavenet").wavenet.NormedConv, nn.Conv1d
    biases = {}
    for module in built("catwavenet").modules():
        if isinstance(module, normed):
            _, n_in, kernel = module.direction.shape
            if module.direction.numel() > 200:
                _spread(module.direction, _uniform(n_in * kernel, 5**0.5))
            assert torch.allclose(module.gain, module.direction.norm(dim=(1, 2), keepdim=True))
            assert torch.allclose(module.weight(), module.direction)
            biases.setdefault(n_in * kernel, []).append(module.bias.detach())
    assert len(biases) > 3
    for fan_in, drawn in biases.items():
        drawn = torch.cat(drawn)
        assert drawn.abs().max() <= fan_in**-0.5
        if len(drawn) > 200:
            _spread(drawn, (3 * fan_in) ** -0.5)
    torch.manual_seed(0)
    own = normed(64, 128, 3)
    torch.manual_seed(0)
    torchs = plain(64, 128, 3)
    assert torch.equal(own.direction, torchs.weight)
    assert torch.equal(own.bias, torchs.bias)


def test_catwavenets_attention_begins_as_torchs(built):
    attention = built("catwavenet").mel.attend_eeg
    for module in attention.modules():
        if isinstance(module, nn.Conv1d):
            fan_in = module.weight[0].numel()
            if module.weight.numel() > 200:
                _spread(module.weight, (3 * fan_in) ** -0.5)
            assert 0 < module.bias.abs().max() <= fan_in**-0.5
        if isinstance(module, nn.PReLU):
            assert module.weight.tolist() == [0.25]


def _agkans(net, package):
    attention = package("submissions/dmf2mel").kan.SplineMapAttention
    return [module for module in net.modules() if isinstance(module, attention)]


def test_dmf2mels_slots(built, package):
    attentions = _agkans(built("dmf2mel"), package)
    assert len(attentions) == 7
    for attention in attentions:
        for name in ("queries", "keys", "values", "output"):
            agkan = getattr(attention, name)
            compress, recover = agkan.compress.weight, agkan.recover.weight
            if name == "keys":
                _spread(compress, _uniform(compress.shape[1], 5**0.5))
                assert compress.abs().max() <= compress.shape[1] ** -0.5
            else:  # orthonormal rows, or columns where there are more rows
                tall = compress.shape[0] > compress.shape[1]
                square = compress.T @ compress if tall else compress @ compress.T
                assert torch.allclose(square, torch.eye(len(square)), atol=1e-5)
            if name == "values":
                _spread(recover, (2 / sum(recover.shape)) ** 0.5)
                assert recover.abs().max() > 3 * recover.std()  # a normal distribution has tails
            else:
                _spread(recover, _uniform(recover.shape[1], 0.0))
                assert recover.abs().max() <= (6 / recover.shape[1]) ** 0.5


def test_dmf2mels_curves_and_gates(built, package):
    for attention in _agkans(built("dmf2mel"), package):
        for name, bias in (("queries", 1.0), ("keys", 0.5), ("values", 2.0)):
            agkan = getattr(attention, name)
            _spread(agkan.kan.base, 0.02)
            _spread(agkan.kan.spline, 0.01)
            _spread(agkan.kan.scaler, _uniform(64, 5**0.5))
            assert agkan.gate.bias.tolist() == [bias]
        _spread(attention.output.kan.base, _uniform(64, 5**0.5))
        assert attention.output.kan.spline.std() < 0.02
        assert attention.output.gate.bias.abs().max() <= 64**-0.5


@pytest.mark.parametrize("d_state", [16, 64])
def test_s4_begins_with_a_clipped_b(d_state):
    torch.manual_seed(1)
    kernel, (A, B, P) = S4Kernel(400, d_state), hippo_legs(d_state)
    real, imaginary = kernel.B.detach().unbind(-1)
    assert torch.allclose(real, B.real.float().expand_as(real))
    assert imaginary.abs().max() == 2
    assert B.imag.abs().max() > 2  # or the clip would do nothing
    small = B.imag.abs() < 2
    assert torch.equal(imaginary[0][small], B.imag[small].float())
    assert torch.allclose(torch.view_as_complex(kernel.P.detach())[0], P.to(torch.complex64))
    assert torch.allclose(-kernel.A_real.detach().exp()[0], A.real.float())
    _spread(kernel.C.detach(), 0.5**0.5, close=0.03)
    steps = kernel.inv_dt.detach().exp()
    assert 1e-3 <= steps.min() < 2e-3
    assert 5e-2 < steps.max() <= 1e-1
    _spread(S4(4000, 4).D.detach(), 1.0, close=0.05)


@pytest.mark.slow
def test_external_attention_begins_small(built):
    external = built("ssm2mel").external
    _spread(external.keys.weight, 0.001)
    _spread(external.values.weight, 0.001)


# --- dropout


def _census(net):
    kinds = Counter()
    for module in net.modules():
        if isinstance(module, nn.Dropout1d):
            kinds["channels", module.p] += 1
        elif isinstance(module, nn.Dropout):
            kinds["elements", module.p] += 1
    return kinds


def test_dropout_of_ssm2mel(built):
    """11 stacks of 8 blocks: two elementwise and one of whole channels in each, at 0.3."""
    net = built("ssm2mel")
    inside = Counter()
    for module in net.modules():
        if type(module).__name__ == "S4Stack":
            inside += _census(module)
    assert inside == {("elements", 0.3): 176, ("channels", 0.3): 88}
    outside = _census(net) - inside
    assert set(outside) == {("elements", 0.5)}
    assert {module.attention_dropout for module in net.modules() if hasattr(module, "n_heads")} == {0.1}


def test_dropout_in_a_stack_of_s4(package):
    """Whole channels of what a block gives, over all times, and nothing in prediction."""
    blocks = package("submissions/ssm2mel").blocks
    config = blocks.Config(d_model=32, s4_states=4, n_s4_layers=1, s4_dropout=0.5)
    torch.manual_seed(0)
    stack, x = blocks.S4Stack(config, 32), torch.randn(3, 200, 32)
    layer = stack.layers[0]
    seen = {}
    stack.drops[0].register_forward_hook(lambda _module, _given, out: seen.update(channels=out))
    layer.drop_before.register_forward_hook(lambda _module, given, out: seen.update(before=(given[0], out)))
    layer.drop_after.register_forward_hook(lambda _module, given, out: seen.update(after=(given[0], out)))
    stack.train()(x)
    whole = (seen["channels"] == 0).all(dim=2)  # (b, d, t)
    assert torch.equal(whole, (seen["channels"] == 0).any(dim=2))
    assert 0.3 < whole.float().mean() < 0.7
    for given, out in (seen["before"], seen["after"]):
        dropped = (out[given != 0] == 0).float()  # what was 0 before (GELU of 0) says nothing
        assert 0.4 < dropped.mean() < 0.6
        assert not (out == 0).all(dim=1).any()  # single values, not channels
        assert torch.equal(out[out != 0], 2 * given[out != 0])
    convolved, gelu = seen["before"][1], seen["after"][0]
    assert torch.allclose(gelu, nn.functional.gelu(convolved))
    stack.eval()
    with torch.inference_mode():
        assert torch.equal(stack(x), stack(x))


def test_dropout_of_the_other_releases(built, package):
    kinds = {("elements", 0.5), ("elements", 0.1), ("channels", 0.05)}  # 0.1 in DC_FAM, 0.05 in ADAF
    assert set(_census(built("dmf2mel"))) == kinds
    quokka = package("baselines/happyquokka")
    net = quokka.model.HappyQuokka(quokka.model.ConditionedConfig())
    assert _census(net) == {("elements", 0.3): 16}  # after attention and feed-forward part of 8 blocks
    rates = {m.attention_dropout for m in net.modules() if hasattr(m, "attention_dropout")}
    assert rates == {0.1}
    attention = [m for m in built("catwavenet").modules() if type(m).__name__ == "CrossAttention"]
    assert len(attention) == 3 * 3 * 2 * 2  # stages, modules, layers, sides
    assert {m.dropout for m in attention} == {0.1}
