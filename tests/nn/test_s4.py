"""S4: the release's kernel and output, the definition in dense matrices, HiPPO-LegS, and what is kept."""

import copy
import math
import pickle

import numpy as np
import pytest
import torch
from nets import n_parameters, relative, without_gradient

from harness.nn import s4
from harness.nn.s4 import S4, S4Block, S4Kernel, hippo_legs, original_c


def full_system(kernel):
    """dA, dB, C of the definition, (d, N, N) and (d, N)."""
    with torch.no_grad():
        A, B, C, P, dt = (torch.cat([x, x.conj()], dim=-1) for x in kernel.system())
        M = torch.diag_embed(A) - P[..., None] * P.conj()[:, None]
        dt = dt[:, :1]
        step = dt[..., None] / 2 * M
        one = torch.eye(A.shape[1], dtype=A.dtype)
        dA = torch.linalg.solve(one - step, one + step)
        dB = torch.linalg.solve(one - step, (dt * B)[..., None])[..., 0]
        return dA, dB, C


def dense_kernel(kernel, n_times):
    dA, state, C = full_system(kernel)
    taps = []
    for _ in range(n_times):
        taps.append((C * state).sum(-1))
        state = (dA @ state[..., None])[..., 0]
    taps = torch.stack(taps, dim=1)
    assert taps.imag.abs().max() < 1e-9 * taps.abs().max()
    return taps.real


@pytest.fixture
def released(golden):
    made = golden("s4")
    names = {"layer.kernel.": "s4.kernel.", "layer.D": "s4.D", "output_linear.0.": "output."}
    own = {}
    for name, array in made.state.items():
        for theirs, ours in names.items():
            if name.startswith(theirs) and not name.endswith("l_kernel"):
                squeezed = array[0] if array.shape[0] == 1 else array
                own[name.replace(theirs, ours)] = torch.from_numpy(squeezed)
    block = S4Block(64, 64)
    block.load_state_dict(own, strict=True)
    return made, block.eval()


def test_the_release_kernel_and_output(released):
    """The release computes its kernel in single precision, which is 2.7e-5 from the definition."""
    made, block = released
    assert n_parameters(block) == made.meta["parameters"]
    assert relative(block.s4.kernel(160).detach(), made.io["kernel"][0]) < 3e-5
    x = torch.from_numpy(made.io["x"]).transpose(1, 2)
    assert relative(block(x).detach().transpose(1, 2), made.io["y"]) < 2e-5
    with torch.inference_mode():
        for _ in range(2):  # computed, then kept
            assert relative(block(x).transpose(1, 2), made.io["y"]) < 2e-5


@pytest.mark.parametrize("n_times", [1, 2, 7, 160, 640])
def test_the_kernel_is_the_definition_at_any_length(released, n_times):
    kernel = released[1].s4.kernel
    assert relative(kernel(n_times).detach(), dense_kernel(kernel, n_times)) < 1e-7


def test_steps_that_barely_fade_and_many_samples():
    torch.manual_seed(0)
    kernel = S4Kernel(4, 8)
    with torch.no_grad():
        kernel.inv_dt.fill_(math.log(1e-4))  # 1920 samples are a tenth of the slowest state's memory
    assert relative(kernel(1920).detach(), dense_kernel(kernel, 1920)) < 1e-7


def test_c_that_the_release_has_overwritten_comes_back(released):
    made, block = released
    kernel = block.s4.kernel
    original = kernel.C.detach().clone()
    with torch.no_grad():
        kernel.C.copy_(torch.from_numpy(made.io["C_after_setup"][0]))
    assert relative(kernel.C.detach(), original) > 0.1
    assert relative(original_c(kernel, 160), original) < 2e-5  # the release's single precision again
    dA, _, C = full_system(kernel)
    with torch.no_grad():
        kernel.C.copy_(original)
        C = torch.cat([torch.view_as_complex(original.double())] * 2, dim=-1)
        C[:, 32:] = C[:, 32:].conj()
        overwritten = C - (C[:, None] @ torch.linalg.matrix_power(dA, 160))[:, 0]
        kernel.C.copy_(torch.view_as_real(overwritten[:, :32]))
    assert relative(original_c(kernel, 160), original) < 1e-6
    assert torch.equal(original_c(kernel, 0), kernel.C)


def test_hippo_legs_is_its_matrix_in_another_basis():
    """diag(A) - P P* has the spectrum of a triangular matrix with -1 .. -N on its diagonal."""
    A, B, P = (torch.cat([x, x.conj()]) for x in hippo_legs(8))
    M = torch.diag(A) - P[:, None] * P.conj()
    assert np.allclose(sorted(torch.linalg.eigvals(M).real), range(-8, 0), atol=1e-6)
    assert float((B.conj() @ B).real) == pytest.approx(64)  # sum of 2 n + 1
    assert float((P.conj() @ P).real) == pytest.approx(32)  # sum of n + 1/2
    rows = torch.arange(8.0, dtype=torch.float64)
    scale = (2 * rows + 1).sqrt()
    legs = -torch.tril(scale[:, None] * scale, -1) - torch.diag(rows + 1)
    for power in range(4):  # what a system does is B* M^k B, whatever the basis
        ours = B.conj() @ torch.linalg.matrix_power(M, power) @ B
        dense = scale @ torch.linalg.matrix_power(legs, power) @ scale
        assert complex(ours) == pytest.approx(complex(dense), rel=1e-9)


def test_initial_values():
    torch.manual_seed(0)
    layer = S4(512, 8)
    steps = layer.kernel.inv_dt.detach().exp()
    assert 1e-3 <= steps.min() < 1.2e-3
    assert 0.085 < steps.max() <= 0.1
    assert float(torch.view_as_complex(layer.kernel.C.detach()).abs().square().mean()) == pytest.approx(
        1, abs=0.1
    )
    assert float(layer.D.detach().std()) == pytest.approx(1, abs=0.1)


def test_the_convolutions_gradients_are_those_of_finite_differences():
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(2, 5, 3, generator=generator, dtype=torch.float64, requires_grad=True)
    taps = torch.randn(3, 5, generator=generator, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(s4._Convolution.apply, (x, taps))
    direct = torch.stack([sum(taps[:, j] * x[:, t - j] for j in range(t + 1)) for t in range(5)], dim=1)
    assert torch.allclose(s4._Convolution.apply(x, taps), direct)


def test_the_kernels_gradients_are_those_of_finite_differences():
    torch.manual_seed(0)
    kernel = S4Kernel(2, 4)
    weights = torch.randn(2, 12)
    (kernel(12) * weights).sum().backward()
    for parameter in kernel.parameters():
        flat, gradient = parameter.data.view(-1), parameter.grad.view(-1)
        for i in range(len(flat)):
            held, at = flat[i].item(), []
            for change in (1e-2, -1e-2):
                flat[i] = held + change
                at.append(float((dense_kernel(kernel, 12).double() * weights).sum()))
            flat[i] = held
            assert (at[0] - at[1]) / 2e-2 == pytest.approx(gradient[i].item(), rel=2e-2, abs=2e-3)


def test_shape_causality_independence_and_gradients():
    torch.manual_seed(0)
    block = S4Block(6, 8)
    x = torch.randn(3, 40, 6)
    y = block(x)
    assert y.shape == x.shape
    assert torch.allclose(block(x[1:2]), y[1:2], atol=1e-6)
    assert torch.allclose(block(x[:, :17]), y[:, :17], atol=1e-5)
    assert without_gradient(block, x) == []


def test_a_kernel_is_kept_until_a_parameter_changes(monkeypatch):
    torch.manual_seed(0)
    calls = []
    forward = S4Kernel.forward
    monkeypatch.setattr(S4Kernel, "forward", lambda self, t: calls.append(t) or forward(self, t))
    layer = S4(3, 4).eval()
    x = torch.randn(2, 20, 3)
    with torch.no_grad():
        y = layer(x)
        assert torch.equal(layer(x), y)
        layer(x[:, :9])
        assert calls == [20, 9]
        assert layer(x).requires_grad is False
        other = S4(3, 4)
        layer.load_state_dict(other.state_dict())
        assert torch.allclose(layer(x), other.eval()(x))
        layer.D += 1
        assert torch.allclose(layer(x), other(x) + x, atol=1e-5)
        calls.clear()
        layer.train().eval()
        layer(x)
        layer.double().float()
        layer(x)
        assert calls == [20, 20]
        assert torch.equal(pickle.loads(pickle.dumps(layer))(x), layer(x))
    assert not any("spectra" in name for name in layer.state_dict())
    assert copy.deepcopy(layer)._spectra == {}
    assert layer(x).requires_grad  # with gradients the kernel is a part of the graph, kept or not
    with torch.inference_mode():
        layer(x[:, :11])
    with torch.no_grad():
        layer(x[:, :11])  # kept from inference mode
