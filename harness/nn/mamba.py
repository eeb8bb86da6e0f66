"""Mamba: a state space whose step, input and output matrices depend on what it reads.

Paper: Gu, Dao 2023, Mamba: linear-time sequence modeling with selective state spaces, arXiv 2312.00752; its
algorithm 2 and figure 3.
Release: the package mamba_ssm. `Mamba` has its parameter names, so a state of the one loads into the other,
and its initial values. Where mamba_ssm is installed (the extra ``cuda``) and the input is on a GPU, its fused
scan runs; everywhere else the scan below, which needs nothing but torch.
Licence: this code is ours, MIT.
Our deviations: where the release's fused scan is not installed, the one below, in chunks.

The scan is h_t = exp(dt_t A) h_{t-1} + dt_t u_t B_t and y_t = C_t . h_t, for every sequence and channel, with
N states each. All states of a segment together would be N times the segment, so they are never held at
once: time is cut into chunks of `CHUNK_SAMPLES`, only the states between chunks are kept for the backward
pass, and that computes the others again, chunk by chunk from the end. Everything but the recurrence itself
is done for a whole chunk at a time, in blocks that stay in a processor's cache. Nothing is divided by a
product of decays, so no state is too fast.

Shapes: (b, t, d) for u and dt, (d, N) for A, (b, t, N) for B and C.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F  # noqa: N812 (torch's own abbreviation)
from torch import Tensor, nn

CHUNK_SAMPLES = 16
# States in a block: what a chunk of some sequences may hold. A core's cache is megabytes; a GPU wants much
# to do at a time.
BLOCK_STATES = {"cpu": 2**19, "cuda": 2**26}
# mamba_ssm: steps begin log-uniform between these, and never below the floor.
DT_MIN, DT_MAX, DT_FLOOR = 1e-3, 1e-1, 1e-4

LOG2_E = math.log2(math.e)


class Mamba(nn.Module):
    """The layer of mamba_ssm, under its parameter names.

    Args:
        d_model: channels at both ends.
        d_state: N, states of every inner channel.
        d_conv: kernel of the causal depthwise convolution.
        expand: inner channels are ``expand * d_model``.
        dt_rank: channels that the step is computed from; "auto" for a sixteenth of ``d_model``, rounded up.
    """

    def __init__(
        self, d_model: int, d_state: int = 16, d_conv: int = 4, expand: int = 2, dt_rank: int | str = "auto"
    ) -> None:
        super().__init__()
        d_inner = expand * d_model
        self.d_state = d_state
        self.dt_rank = math.ceil(d_model / 16) if dt_rank == "auto" else int(dt_rank)
        self.in_proj = nn.Linear(d_model, 2 * d_inner, bias=False)
        self.conv1d = nn.Conv1d(d_inner, d_inner, d_conv, groups=d_inner, padding=d_conv - 1)
        self.x_proj = nn.Linear(d_inner, self.dt_rank + 2 * d_state, bias=False)
        self.dt_proj = nn.Linear(self.dt_rank, d_inner)
        self.A_log = nn.Parameter(torch.arange(1.0, d_state + 1).log().repeat(d_inner, 1))
        self.D = nn.Parameter(torch.ones(d_inner))
        self.out_proj = nn.Linear(d_inner, d_model, bias=False)

        nn.init.uniform_(self.dt_proj.weight, -(self.dt_rank**-0.5), self.dt_rank**-0.5)
        steps = torch.empty(d_inner).uniform_(math.log(DT_MIN), math.log(DT_MAX)).exp().clamp(min=DT_FLOOR)
        with torch.no_grad():
            self.dt_proj.bias.copy_(steps + torch.log(-torch.expm1(-steps)))  # softplus of it is the step

    def forward(self, x: Tensor) -> Tensor:
        """(b, t, d_model) -> the same shape; causal."""
        u, z = self.in_proj(x).chunk(2, dim=-1)  # what is read, and its gate   (b, t, d_inner) each
        u = F.silu(self._convolve(u))  #                                        (b, t, d_inner)
        step, B, C = self.x_proj(u).split([self.dt_rank, self.d_state, self.d_state], dim=-1)
        dt = F.softplus(self.dt_proj(step))  #                                  (b, t, d_inner)
        y = selective_scan(u, dt, -self.A_log.exp(), B, C) + u * self.D  #      (b, t, d_inner)
        mixed: Tensor = self.out_proj(y * F.silu(z))  #                         (b, t, d_model)
        return mixed

    def _convolve(self, u: Tensor) -> Tensor:
        """The causal depthwise convolution, along time."""
        convolved: Tensor = self.conv1d(u.transpose(1, 2))[..., : u.shape[1]]
        return convolved.transpose(1, 2)


class BidirectionalMamba(nn.Module):
    """One Mamba along time and one against it, side by side, then Linear.

    Args:
        d_model: channels at both ends.
        d_state: as for `Mamba`.
        d_conv: likewise.
        expand: likewise.
    """

    def __init__(self, d_model: int, d_state: int = 16, d_conv: int = 4, expand: int = 2) -> None:
        super().__init__()
        self.onward, self.backward_ = (Mamba(d_model, d_state, d_conv, expand) for _ in range(2))
        self.output = nn.Linear(2 * d_model, d_model)

    def forward(self, x: Tensor) -> Tensor:
        """(b, t, d_model) -> the same shape."""
        backward = self.backward_(x.flip(1)).flip(1)
        mixed: Tensor = self.output(torch.cat([self.onward(x), backward], dim=2))
        return mixed


def selective_scan(u: Tensor, dt: Tensor, A: Tensor, B: Tensor, C: Tensor) -> Tensor:
    """y_t = C_t . h_t with h_t = exp(dt_t A) h_{t-1} + dt_t u_t B_t from 0, for every channel.

    Args:
        u: (b, t, d).
        dt: (b, t, d), 0 or more.
        A: (d, N), below 0 for states that fade.
        B: (b, t, N).
        C: (b, t, N).

    Returns:
        (b, t, d), of A's dtype.
    """
    u, dt, B, C = (series.to(A.dtype) for series in (u, dt, B, C))
    if u.is_cuda and A.dtype == torch.float32 and (fused := _mamba_ssm()) is not None:
        inputs = [series.transpose(1, 2).contiguous() for series in (u, dt, B, C)]
        return fused(inputs[0], inputs[1], A, *inputs[2:]).transpose(1, 2)
    y: Tensor
    with torch.autocast(u.device.type, enabled=False):  # sums of many products: never in half precision
        if torch.is_grad_enabled() and any(tensor.requires_grad for tensor in (u, dt, A, B, C)):
            y = _SelectiveScan.apply(u, dt, A, B, C)  # type: ignore[no-untyped-call]
        else:
            y = _scan(u, dt, A, B, C, between=None)
    return y


@cache
def _mamba_ssm() -> Callable[..., Tensor] | None:
    """The fused scan, where it is installed."""
    try:
        from mamba_ssm.ops.selective_scan_interface import selective_scan_fn
    except ImportError:
        return None
    fused: Callable[..., Tensor] = selective_scan_fn
    return fused


class _Sizes(NamedTuple):
    """How a scan is cut: chunks of time, and sequences that are taken together."""

    n_chunks: int
    n_sequences: int


def _sizes(u: Tensor, n_states: int) -> _Sizes:
    b, t, d = u.shape
    states = BLOCK_STATES.get(u.device.type, BLOCK_STATES["cpu"])
    n_sequences = max(1, min(b, states // (CHUNK_SAMPLES * d * n_states)))
    return _Sizes(-(-t // CHUNK_SAMPLES), n_sequences)


def _scan(u: Tensor, dt: Tensor, A: Tensor, B: Tensor, C: Tensor, between: Tensor | None) -> Tensor:
    """The scan; the states before each chunk are written to ``between`` (n_chunks, b, d, N) where given."""
    (b, t, d), n_states = u.shape, A.shape[1]
    sizes = _sizes(u, n_states)
    rates = A * LOG2_E  # exp(dt A) = 2 ** (dt rates): exp2 takes half of exp's time
    y = torch.empty_like(u, memory_format=torch.contiguous_format)
    for first in range(0, b, sizes.n_sequences):
        some = slice(first, first + sizes.n_sequences)
        n = len(u[some])
        decay, states = (u.new_empty(CHUNK_SAMPLES, n, d, n_states) for _ in range(2))
        h = u.new_zeros(n, d, n_states)
        for chunk in range(sizes.n_chunks):
            now = slice(chunk * CHUNK_SAMPLES, min(t, (chunk + 1) * CHUNK_SAMPLES))
            u_now, dt_now, B_now, C_now = _time_first(some, now, u, dt, B, C)
            if between is not None:
                between[chunk, some] = h
            k = len(u_now)
            _states(h, u_now, dt_now, B_now, rates, decay[:k], states[:k])
            h.copy_(states[k - 1])
            y[some, now] = _over_states(C_now, states[:k]).transpose(0, 1)
    return y


def _states(
    h: Tensor,
    u: Tensor,
    dt: Tensor,
    B: Tensor,
    rates: Tensor,
    decay: Tensor,
    states: Tensor,
) -> None:
    """One chunk's decays and states, (k, n, d, N), from the states h before it."""
    torch.mul(dt[..., None], rates, out=decay)
    decay.exp2_()
    torch.mul((dt * u)[..., None], B[:, :, None], out=states)
    for state, factor in zip(states.unbind(), decay.unbind(), strict=True):
        h = torch.addcmul(state, factor, h, out=state)


class _SelectiveScan(torch.autograd.Function):
    """The scan with a backward pass that computes the states again from those between chunks."""

    @staticmethod
    def forward(
        ctx: Any,
        u: Tensor,
        dt: Tensor,
        A: Tensor,
        B: Tensor,
        C: Tensor,
    ) -> Tensor:
        b, _, d = u.shape
        between = u.new_empty(_sizes(u, A.shape[1]).n_chunks, b, d, A.shape[1])
        ctx.save_for_backward(u, dt, A, B, C, between)
        return _scan(u, dt, A, B, C, between)

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor, ...]:
        """Gradients of u, dt, A, B and C.

        With g_t, the gradient of h_t: g_t = grad_y_t C_t + exp(dt_{t+1} A) g_{t+1}, and that of dt_t A is
        q_t = g_t exp(dt_t A) h_{t-1}.
        """
        (grad_y,) = grad_outputs
        u, dt, A, B, C, between = ctx.saved_tensors
        (b, t, d), n_states = u.shape, A.shape[1]
        sizes = _sizes(u, n_states)
        rates = A * LOG2_E
        grad_u, grad_dt, grad_B, grad_C = (torch.empty_like(x) for x in (u, dt, B, C))
        grad_A = torch.zeros_like(A)
        for first in range(0, b, sizes.n_sequences):
            some = slice(first, first + sizes.n_sequences)
            n = len(u[some])
            decay, g, spare = (u.new_empty(CHUNK_SAMPLES, n, d, n_states) for _ in range(3))
            states = u.new_empty(CHUNK_SAMPLES + 1, n, d, n_states)  # the first is that before the chunk
            later = u.new_zeros(n, d, n_states)  # what reaches the chunk's last state from after it
            for chunk in reversed(range(sizes.n_chunks)):
                now = slice(chunk * CHUNK_SAMPLES, min(t, (chunk + 1) * CHUNK_SAMPLES))
                u_now, dt_now, B_now, C_now, y_now = _time_first(some, now, u, dt, B, C, grad_y)
                k = len(u_now)
                states[0] = between[chunk, some]
                _states(states[0], u_now, dt_now, B_now, rates, decay[:k], states[1 : k + 1])
                torch.mul(y_now[..., None], C_now[:, :, None], out=g[:k])
                each_g, each_decay = g[:k].unbind(), decay[:k].unbind()
                each_g[-1].add_(later)
                for i in reversed(range(k - 1)):
                    torch.addcmul(each_g[i], each_decay[i + 1], each_g[i + 1], out=each_g[i])
                torch.mul(each_decay[0], each_g[0], out=later)

                grad_C[some, now] = _over_channels(y_now, states[1 : k + 1]).transpose(0, 1)
                grad_B[some, now] = _over_channels(dt_now * u_now, g[:k]).transpose(0, 1)
                grad_input = _over_states(B_now, g[:k])  # of dt u   (k, n, d)
                q = g[:k].mul_(decay[:k]).mul_(states[:k])
                grad_A += torch.mul(q, dt_now[..., None], out=spare[:k]).sum((0, 1))
                through_decay = torch.mul(q, A, out=spare[:k]).sum(-1)
                grad_u[some, now] = (grad_input * dt_now).transpose(0, 1)
                grad_dt[some, now] = (grad_input * u_now + through_decay).transpose(0, 1)
        return grad_u, grad_dt, grad_A, grad_B, grad_C


def _time_first(some: slice, now: slice, *series: Tensor) -> list[Tensor]:
    """Some sequences of a chunk of each series: (k, n, ...)."""
    return [x[some, now].transpose(0, 1).contiguous() for x in series]


def _over_states(weights: Tensor, states: Tensor) -> Tensor:
    """(k, n, N) and (k, n, d, N) -> (k, n, d)."""
    return torch.matmul(weights[:, :, None], states.transpose(2, 3))[:, :, 0]


def _over_channels(weights: Tensor, states: Tensor) -> Tensor:
    """(k, n, d) and (k, n, d, N) -> (k, n, N)."""
    return torch.matmul(weights[:, :, None], states)[:, :, 0]
