"""B-spline KAN layers, the gated KAN projection (AGKAN), and the SplineMap attention made of them.

Paper: Fan et al. 2025, DMF2Mel, arXiv 2507.07526 (see `model`); its figure 1. KAN: Liu et al. 2024, KAN:
Kolmogorov-Arnold networks, arXiv 2404.19756.
Release: DMF2Mel's training code.
Licence: this code is ours, MIT.
Our deviations: the splines are computed in closed form; the numbers are the release's.

A KAN layer learns a curve for each pair of an input and an output: a cubic spline on a uniform grid over
[-1, 1], plus a multiple of SiLU. The grid goes on for three knots on both sides, and beyond those the splines
are zero; nothing is clamped. On a uniform grid every basis function is one curve, moved: with u the input in
knots and s = |u - centre|,

    B(s) = ((2 - s)+^3 - 4 (1 - s)+^3) / 6

which is what the Cox-de Boor recursion gives, without the recursion. `SplineSum` evaluates one basis function
after the other, so that no tensor holds them all, and does so again for the gradient.

Shapes: (b, t, d).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
import torch.nn.functional as F  # noqa: N812 (torch's own abbreviation)
from torch import Tensor, nn

from harness.nn.attention import Attention

SPLINE_ORDER = 3


class SplineSum(torch.autograd.Function):
    """Sum over inputs and basis functions of weight times basis function.

    ``SplineSum.apply(u, weight)``: u (n, d_in), in knots from the extended grid's first one; weight
    (n_bases, d_in, d_out). Gives (n, d_out).
    """

    @staticmethod
    def forward(ctx: Any, u: Tensor, weight: Tensor) -> Tensor:
        """(n, d_in), (n_bases, d_in, d_out) -> (n, d_out)."""
        ctx.save_for_backward(u, weight)
        total = u.new_zeros(len(u), weight.shape[2])
        for k, weight_k in enumerate(weight):
            total.addmm_(_sixfold_basis(u, k), weight_k)
        return total.div_(6.0)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor]:  # type: ignore[override]
        """The gradients of u and of weight."""
        u, weight = ctx.saved_tensors
        grad_u, grad_weight = torch.zeros_like(u), torch.empty_like(weight)
        for k, weight_k in enumerate(weight):
            outer, inner, away = _reaches(u, k)
            outer2, inner2 = outer.square(), inner.square()
            sixfold = outer.mul_(outer2).sub_(inner.mul_(inner2), alpha=4.0)
            torch.mm(sixfold.T, grad, out=grad_weight[k])
            slope = inner2.mul_(4.0).sub_(outer2).mul_(away.sign_())  # twofold
            grad_u.addcmul_(slope, grad @ weight_k.T)
        return grad_u.div_(2.0), grad_weight.div_(6.0)


def _reaches(u: Tensor, k: int) -> tuple[Tensor, Tensor, Tensor]:
    """(2 - s)+, (1 - s)+ and u - centre of basis function k, whose centre is knot k + 2."""
    away = u - (k + 2)
    outer = torch.rsub(away.abs(), 2.0).relu_()
    return outer, F.softshrink(outer, 1.0), away


def _sixfold_basis(u: Tensor, k: int) -> Tensor:
    outer, inner, _ = _reaches(u, k)
    return outer.square().mul_(outer).sub_(inner.square().mul_(inner), alpha=4.0)


class Kan(nn.Module):
    """A learned curve for each pair of an input and an output.

    The curve is base * SiLU + scaler * (spline with coefficients ``spline``).
    """

    def __init__(self, d_in: int, d_out: int, grid: int) -> None:
        super().__init__()
        self.grid = grid
        self.base = nn.Parameter(torch.empty(d_out, d_in))
        self.spline = nn.Parameter(torch.empty(d_out, d_in, grid + SPLINE_ORDER))
        self.scaler = nn.Parameter(torch.empty(d_out, d_in))
        nn.init.kaiming_uniform_(self.base, a=5**0.5)
        nn.init.kaiming_uniform_(self.scaler, a=5**0.5)
        with torch.no_grad():  # the least coefficients of curves through noise at the grid's knots
            knots = torch.arange(grid + 1.0) + SPLINE_ORDER
            bases = torch.stack([_sixfold_basis(knots, k) / 6 for k in range(grid + SPLINE_ORDER)], dim=1)
            noise = (torch.rand(d_out, d_in, grid + 1) - 0.5) * (0.1 / grid)
            self.spline.copy_(noise @ torch.linalg.pinv(bases).T)

    def forward(self, x: Tensor) -> Tensor:
        """(b, t, d_in) -> (b, t, d_out)."""
        u = (x.float() + 1.0) * (self.grid / 2.0) + SPLINE_ORDER  # 3 at -1, grid + 3 at 1
        weight = (self.spline * self.scaler[..., None]).permute(2, 1, 0)  # (n_bases, d_in, d_out)
        splines: Tensor = SplineSum.apply(u.flatten(0, -2), weight.contiguous())
        return F.linear(F.silu(x), self.base) + splines.unflatten(0, x.shape[:-1])


class Agkan(nn.Module):
    """AGKAN: a gate between a KAN layer and attention over learned slots, then LayerNorm.

    ``compress`` begins orthogonal, ``recover`` Kaiming uniform.
    """

    def __init__(self, d_in: int, d_out: int, grid: int, n_slots: int) -> None:
        super().__init__()
        self.kan = Kan(d_in, d_out, grid)
        self.gate = nn.Linear(d_in, 1)
        self.compress = nn.Linear(d_in, n_slots, bias=False)
        self.recover = nn.Linear(n_slots, d_out, bias=False)
        self.norm = nn.LayerNorm(d_out)
        nn.init.orthogonal_(self.compress.weight)
        nn.init.kaiming_uniform_(self.recover.weight)

    def forward(self, x: Tensor) -> Tensor:
        """(b, t, d_in) -> (b, t, d_out)."""
        gate = torch.sigmoid(self.gate(x))  #                                  (b, t, 1)
        slots = self.recover(torch.softmax(self.compress(x), dim=-1))  #       (b, t, d_out)
        return self.norm(gate * self.kan(x) + (1.0 - gate) * slots)  #         (b, t, d_out)


class Projections(NamedTuple):
    """One number for each of the attention's four projections."""

    query: int
    key: int
    value: int
    output: int


class SplineMapAttention(Attention):
    """The attention of the FFT block, with AGKAN in place of the linear projections."""

    def __init__(
        self,
        d_model: int,
        n_heads: int,
        dropout: float,
        attention_dropout: float,
        grids: Projections,
        slots: Projections,
    ) -> None:
        super().__init__(d_model, n_heads, dropout, attention_dropout)
        self.queries = Agkan(d_model, d_model, grids.query, slots.query)
        self.keys = Agkan(d_model, d_model, grids.key, slots.key)
        self.values = Agkan(d_model, d_model, grids.value, slots.value)
        self.output = Agkan(d_model, d_model, grids.output, slots.output)
        for projection, bias in ((self.queries, 1.0), (self.keys, 0.5), (self.values, 2.0)):
            nn.init.normal_(projection.kan.base, std=0.02)
            nn.init.normal_(projection.kan.spline, std=0.01)
            nn.init.constant_(projection.gate.bias, bias)
        self.keys.compress.reset_parameters()  # as torch has it: Kaiming uniform, a = sqrt 5
        nn.init.xavier_normal_(self.values.recover.weight)
