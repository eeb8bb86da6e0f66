"""DC_FAM: a local and a global view of the whole window, time taken as channels, brought together.

Paper: Fan et al. 2025, DMF2Mel, arXiv 2507.07526 (see `model`); its figure 1.
Release: DMF2Mel's training code.
Licence: this code is ours, MIT.
Our deviations: what only meets padding is not computed; `fold` samples may share a channel.

The release works on volumes (b, 640, 1, 1, 64): the window's 640 samples are channels, the 64 features lie
along a line. What meets nothing but padding there is not computed here:

- of a 3x3x3 kernel only the middle row meets the line;
- of the 9 neighbours that the aggregation weighs, only the middle 3 are not padding, and the 9 rows of
  weights of a head are summed, so their sum is taken first.

The release reshapes the memory of q, k and v for its local branch as if positions came before channels, so
that positions and channels mix there. That is kept.

Shapes: (b, c, p), c = dim channels (samples of time), p positions (features); h heads of c / h channels.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812 (torch's own abbreviation)
from torch import Tensor, nn

TAPS = 9  # the release's kernels and neighbourhoods: 3 x 3
MIDDLE = slice(3, 6)  # of the taps: the row that is not padding
INITIAL_WEIGHT = 0.1


class ScaledNorm(nn.Module):
    """LayerNorm over channels, then a learned weight for each."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(dim)
        self.weight = nn.Parameter(torch.full((dim,), INITIAL_WEIGHT))

    def forward(self, x: Tensor) -> Tensor:
        """(b, c, p) -> (b, p, c)."""
        return self.norm(x.transpose(1, 2)) * self.weight


class Aggregation(nn.Module):
    """Every position weighs its neighbours' values, with weights from both views; one set a head."""

    def __init__(self, dim: int, n_heads: int, dropout: float) -> None:
        super().__init__()
        self.n_heads = n_heads
        self.values = nn.Linear(dim, dim)
        self.local_weights = nn.Linear(dim, n_heads * TAPS * TAPS)
        self.global_weights = nn.Linear(dim, n_heads * TAPS * TAPS)
        self.dropout = nn.Dropout(dropout)

    def forward(self, local: Tensor, overall: Tensor) -> Tensor:
        """Both views (b, p, c) -> (b, c, p)."""
        weights = self._weights(self.local_weights, local) + self._weights(self.global_weights, overall)
        v = F.pad(self.values(local), (0, 0, 1, 1)).unflatten(
            2, (self.n_heads, -1)
        )  # (b, 1 + p + 1, h, c / h)
        p = local.shape[1]
        y = sum(weights[..., j, None] * v[:, j : j + p] for j in range(3))  #          (b, p, h, c / h)
        return (y.flatten(2) + local).transpose(1, 2)

    def _weights(self, layer: nn.Linear, x: Tensor) -> Tensor:
        """(b, p, c) -> (b, p, h, 3): of the neighbours that are not padding, summed over rows."""
        weight = layer.weight.view(self.n_heads, TAPS, TAPS, -1)[:, :, MIDDLE]  # (h, rows, 3, c)
        bias = layer.bias.view(self.n_heads, TAPS, TAPS)[:, :, MIDDLE]
        if self.training and self.dropout.p:  # each row drops out by itself
            rows = F.linear(x, weight.flatten(0, 2), bias.flatten())
            return self.dropout(rows).unflatten(2, (self.n_heads, TAPS, 3)).sum(dim=3)
        summed = F.linear(x, weight.sum(dim=1).flatten(0, 1), bias.sum(dim=1).flatten())
        return summed.unflatten(2, (self.n_heads, 3))


class DcFam(nn.Module):
    """DC_FAM."""

    def __init__(self, dim: int, n_heads: int, dropout: float) -> None:
        super().__init__()
        self.n_heads = n_heads
        self.group = dim // n_heads
        self.qkv = nn.Parameter(torch.empty(3 * dim, dim, 1, 1, 1))
        self.qkv_depthwise = nn.Parameter(torch.empty(3 * dim, 1, 3, 3, 3))
        self.mix = nn.Linear(3 * n_heads, TAPS)
        self.local_kernel = nn.Parameter(torch.empty(dim, TAPS, 3, 3, 3))
        self.local_bias = nn.Parameter(torch.empty(dim))
        self.local_norm = ScaledNorm(dim)
        self.temperature = nn.Parameter(torch.ones(n_heads, 1, 1))
        self.project = nn.Parameter(torch.empty(dim, dim, 1, 1, 1))
        self.global_norm = ScaledNorm(dim)
        self.aggregation = Aggregation(dim, n_heads, dropout)
        for kernel in (self.qkv, self.qkv_depthwise, self.local_kernel, self.project):
            nn.init.kaiming_uniform_(kernel, a=5**0.5)
        bound = (TAPS * 27) ** -0.5
        nn.init.uniform_(self.local_bias, -bound, bound)

    def forward(self, x: Tensor) -> Tensor:
        """(b, c, p) -> the same shape."""
        qkv = F.conv1d(x, self.qkv[..., 0, 0])  #                                        (b, 3 c, p)
        qkv = F.conv1d(qkv, _middle(self.qkv_depthwise), padding=1, groups=qkv.shape[1])
        local = self.local_norm(self._local(qkv))  #                                     (b, p, c)
        overall = self.global_norm(self._global(qkv))  #                                 (b, p, c)
        return self.aggregation(local, overall)  #                                       (b, c, p)

    def _local(self, qkv: Tensor) -> Tensor:
        """Heads mixed into taps, then a convolution along the line, one group a channel of a head."""
        b, _, p = qkv.shape
        mixed = qkv.reshape(
            b, p, 3 * self.n_heads, self.group
        )  # the memory as it lies: the release's reshape
        y = self.mix(mixed.transpose(2, 3))  #                                           (b, p, c / h, 9)
        y = y.permute(0, 2, 3, 1).flatten(1, 2)  #                                       (b, 9 c / h, p)
        return F.conv1d(y, _middle(self.local_kernel), self.local_bias, padding=1, groups=self.group)

    def _global(self, qkv: Tensor) -> Tensor:
        """Channels attend to channels, within heads."""
        q, k, v = (part.unflatten(1, (self.n_heads, -1)) for part in qkv.chunk(3, dim=1))  # (b, h, c / h, p)
        q, k = F.normalize(q, dim=3), F.normalize(k, dim=3)
        weights = torch.softmax(q @ k.transpose(2, 3) * self.temperature, dim=3)
        return F.conv1d((weights @ v).flatten(1, 2), self.project[..., 0, 0])


class WholeWindow(nn.Module):
    """The branch of DC_FAM: applied again and again, its input added after each.

    ``fold`` consecutive samples share a channel, side by side along the line.
    """

    def __init__(self, dcfam: DcFam, n_times: int, fold: int) -> None:
        super().__init__()
        self.dcfam = dcfam
        self.n_times = n_times
        self.fold = fold

    def forward(self, x0: Tensor) -> Tensor:
        """(b, t, d) -> the same shape."""
        x = x0
        for _ in range(self.n_times):
            x = self.unfolded(self.dcfam(self.folded(x))) + x0
        return x

    def folded(self, x: Tensor) -> Tensor:
        """(b, t, d) -> (b, t / fold, d fold)."""
        return x.unflatten(1, (-1, self.fold)).transpose(2, 3).flatten(2)

    def unfolded(self, x: Tensor) -> Tensor:
        """(b, t / fold, d fold) -> (b, t, d)."""
        return x.unflatten(2, (-1, self.fold)).transpose(2, 3).flatten(1, 2)


def _middle(kernel: Tensor) -> Tensor:
    """Of a 3x3x3 kernel the row that meets a line."""
    return kernel[:, :, 1, 1]
