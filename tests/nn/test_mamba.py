"""Mamba: the release's outputs and gradients, the scan against its definition, initial values."""

import math

import pytest
import torch
from nets import n_parameters, relative, without_gradient

from harness.nn import mamba
from harness.nn.mamba import CHUNK_SAMPLES, BidirectionalMamba, Mamba, selective_scan


def step_by_step(u, dt, A, B, C):
    h = torch.zeros(*u.shape[::2], A.shape[1], dtype=A.dtype)
    y = []
    for t in range(u.shape[1]):
        h = torch.exp(dt[:, t, :, None] * A) * h + (dt[:, t] * u[:, t])[..., None] * B[:, t, None]
        y.append((h * C[:, t, None]).sum(-1))
    return torch.stack(y, dim=1)


def inputs(b, t, d, n_states, dtype=torch.float64):
    generator = torch.Generator().manual_seed(b + t)
    u, dt = (torch.randn(b, t, d, generator=generator, dtype=dtype) for _ in range(2))
    B, C = (torch.randn(b, t, n_states, generator=generator, dtype=dtype) for _ in range(2))
    A = -torch.rand(d, n_states, generator=generator, dtype=dtype) * 3
    return [u, torch.nn.functional.softplus(dt), A, B, C]


@pytest.fixture(scope="module")
def released(golden):
    made = golden("mamba")
    net = Mamba(**made.meta["config"])
    net.load_state_dict({name: torch.from_numpy(array) for name, array in made.state.items()}, strict=True)
    return made, net


def test_the_release_outputs_and_gradients(released):
    made, net = released
    assert n_parameters(net) == made.meta["parameters"]
    x = torch.from_numpy(made.io["x"]).requires_grad_()
    y = net(x)
    assert relative(y.detach(), made.io["y"]) < 2e-6
    (y * torch.linspace(-1, 1, 64)).sum().backward()
    for gradient, name in (
        (x.grad, "grad_x"),
        (net.A_log.grad, "grad_A_log"),
        (net.x_proj.weight.grad, "grad_x_proj"),
        (net.dt_proj.bias.grad, "grad_dt_bias"),
    ):
        assert relative(gradient, made.io[name]) < 1e-5, name
    with torch.inference_mode():
        assert relative(net(torch.from_numpy(made.io["x"])), made.io["y"]) < 2e-6


@pytest.mark.parametrize("t", [1, 5, CHUNK_SAMPLES, CHUNK_SAMPLES + 1, 3 * CHUNK_SAMPLES - 1])
@pytest.mark.parametrize("block_states", [1, 2**19])  # one sequence at a time, and all of them
def test_the_scan_is_its_definition_at_any_length(monkeypatch, t, block_states):
    monkeypatch.setitem(mamba.BLOCK_STATES, "cpu", block_states)
    own = [x.requires_grad_() for x in inputs(3, t, 4, 5)]
    reference = [x.detach().clone().requires_grad_() for x in own]
    weights = torch.randn(3, t, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    y, expected = selective_scan(*own), step_by_step(*reference)
    assert torch.allclose(y, expected, rtol=1e-10, atol=1e-10)
    (y * weights).sum().backward()
    (expected * weights).sum().backward()
    for x, other in zip(own, reference, strict=True):
        assert torch.allclose(x.grad, other.grad, rtol=1e-10, atol=1e-10)
    with torch.no_grad():
        assert torch.equal(selective_scan(*own), y)


def test_gradients_are_those_of_finite_differences():
    tensors = [x.requires_grad_() for x in inputs(2, CHUNK_SAMPLES + 3, 2, 3)]
    assert torch.autograd.gradcheck(selective_scan, tensors)


def test_gradients_come_where_only_some_inputs_ask_for_them():
    tensors = inputs(2, 20, 3, 4)
    tensors[2].requires_grad_()
    selective_scan(*tensors).sum().backward()
    assert [x.grad is not None for x in tensors] == [False, False, True, False, False]


def test_fast_states_and_long_steps_neither_overflow_nor_vanish():
    u, dt, A, B, C = inputs(1, 100, 3, 4, torch.float32)
    fast = selective_scan(u, dt * 50, A * 500, B, C)  # decays far below the smallest float
    at_once = (dt * 50 * u) * (B * C).sum(-1, keepdim=True)
    assert torch.isfinite(fast).all()
    assert relative(fast, at_once) < 1e-5


def test_inputs_are_not_changed():
    tensors = [x.requires_grad_() for x in inputs(2, 20, 3, 4)]
    before = [x.detach().clone() for x in tensors]
    selective_scan(*tensors).sum().backward()
    assert all(torch.equal(x.detach(), y) for x, y in zip(tensors, before, strict=True))


def test_shape_causality_and_independent_sequences():
    torch.manual_seed(0)
    net = Mamba(8, d_state=4).eval()
    x = torch.randn(3, 50, 8)
    y = net(x)
    assert y.shape == x.shape
    assert torch.allclose(net(x[1:2]), y[1:2], atol=1e-6)
    assert torch.allclose(net(x[:, :33]), y[:, :33], atol=1e-6)  # nothing comes from later samples
    changed = x.clone()
    changed[:, 0] += 1
    assert not torch.allclose(net(changed)[:, 45:], y[:, 45:], atol=1e-6)  # and something from the first


def test_a_gradient_reaches_every_parameter():
    assert without_gradient(Mamba(8, d_state=4), torch.randn(2, 40, 8)) == []


def test_initial_values_are_the_originals():
    torch.manual_seed(0)
    net = Mamba(64, d_state=128)
    assert net.dt_rank == 4
    assert Mamba(40).dt_rank == 3  # rounded up
    assert torch.allclose(net.A_log.exp(), torch.arange(1.0, 129.0).expand(128, 128))
    assert torch.equal(net.D, torch.ones(128))
    steps = torch.nn.functional.softplus(net.dt_proj.bias.detach())
    assert 1e-3 <= steps.min() < 2e-3
    assert 5e-2 < steps.max() <= 1.001e-1
    assert float(steps.log().mean()) == pytest.approx(math.log(1e-2), abs=0.35)
    assert 0.4 < net.dt_proj.weight.abs().max() <= 0.5


def test_bidirectional_mamba_reads_both_ways_and_puts_onward_first():
    torch.manual_seed(0)
    net = BidirectionalMamba(8, d_state=4)
    x = torch.randn(2, 12, 8)
    onward, backward = net.onward(x), net.backward_(x.flip(1)).flip(1)
    expected = torch.cat([onward, backward], dim=2) @ net.output.weight.T + net.output.bias
    assert torch.allclose(net(x), expected, atol=1e-6)
    assert not torch.allclose(net.onward(x), net.backward_(x), atol=1e-3)  # two layers, not one twice


def kept_bytes(t):
    """What autograd keeps of a scan."""
    kept = {}

    def keep(x):
        kept[x.data_ptr()] = x.numel() * x.element_size()
        return x

    tensors = [x.requires_grad_() for x in inputs(1, t, 8, 16, torch.float32)]
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda x: x):
        selective_scan(*tensors)
    return sum(kept.values())


def test_memory_grows_with_length_and_holds_no_states_but_those_between_chunks():
    short, long = kept_bytes(1024), kept_bytes(2048)
    assert long == pytest.approx(2 * short, rel=0.01)
    assert long < 2048 * 8 * 16 * 4 / 2  # half of all states
    tensors = inputs(1, 64, 8, 16, torch.float32)
    with torch.inference_mode():
        assert selective_scan(*tensors).grad_fn is None
