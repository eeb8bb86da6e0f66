"""HAMS, attention at four time resolutions, and ADAF, the dual attention that it applies at each of them.

Paper: Fan et al. 2025, DMF2Mel, arXiv 2507.07526 (see `model`); its figure 1.
Release: DMF2Mel's training code.
Licence: this code is ours, MIT.
Our deviations: `feedback_conv`, which the release never uses, is left out, and what only meets padding is not
computed.

ADAF as released works on images (b, d, 1, t) of height 1, with pairs of a depthwise and a pointwise
convolution between which nothing stands. Here each pair is one convolution along time with the product of the
two kernels: of a 3x3 kernel only the middle row meets an image of height 1, the others meet its padding. They
are kept, as the release has them, and no gradient reaches them.

Shapes: (b, d, t) within, (b, t, d) at HAMS's ends.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812 (torch's own abbreviation)
from torch import Tensor, nn


class SeparableConv(nn.Module):
    """A depthwise and a pointwise convolution, without bias."""

    def __init__(self, d_in: int, d_out: int, size: int) -> None:
        super().__init__()
        self.depthwise = nn.Parameter(torch.empty(d_in, 1, size, size))
        self.pointwise = nn.Parameter(torch.empty(d_out, d_in, 1, 1))
        nn.init.kaiming_uniform_(self.depthwise, a=5**0.5)
        nn.init.kaiming_uniform_(self.pointwise, a=5**0.5)

    def forward(self, x: Tensor) -> Tensor:
        """(b, d_in, t) -> (b, d_out, t)."""
        size = self.depthwise.shape[3]
        middle_row = self.depthwise[:, 0, size // 2]  # (d_in, size)
        kernel = self.pointwise[:, :, 0] * middle_row  # (d_out, d_in, size)
        return kernel[:, :, 0] @ x if size == 1 else F.conv1d(x, kernel, padding=size // 2)


class PositionAttention(nn.Module):
    """Every time attends to every time; unscaled."""

    def __init__(self, d: int) -> None:
        super().__init__()
        self.queries = SeparableConv(d, d, 1)
        self.keys = SeparableConv(d, d, 1)
        self.values = SeparableConv(d, d, 1)
        self.gamma = nn.Parameter(torch.zeros(1))

    def forward(self, x: Tensor) -> Tensor:
        """(b, d, t) -> the same shape."""
        q, k, v = (self._along_time(project(x)) for project in (self.queries, self.keys, self.values))
        attended = F.scaled_dot_product_attention(q, k, v, scale=1.0)[:, 0]  # softmax(q k') v   (b, t, d)
        return x + self.gamma * attended.transpose(1, 2)

    def _along_time(self, x: Tensor) -> Tensor:
        return x.transpose(1, 2)[:, None].contiguous()  # (b, 1, t, d), as torch's fused attention wants it


class ChannelAttention(nn.Module):
    """Every channel attends to those it is least like."""

    def __init__(self) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.zeros(1))

    def forward(self, x: Tensor) -> Tensor:
        """(b, d, t) -> the same shape."""
        energy = x @ x.transpose(1, 2)  #                                                 (b, d, d)
        weights = torch.softmax(energy.amax(dim=2, keepdim=True) - energy, dim=2)
        return x + self.gamma * (weights @ x)


class Adaf(nn.Module):
    """ADAF: position attention and channel attention on few channels, weighed against each other."""

    def __init__(self, d: int, d_reduced: int, dropout: float) -> None:
        super().__init__()
        self.reduce_position = SeparableConv(d, d_reduced, 3)
        self.position_attention = PositionAttention(d_reduced)
        self.position = SeparableConv(d_reduced, d_reduced, 3)
        self.restore_position = SeparableConv(d_reduced, d, 1)
        self.reduce_channel = SeparableConv(d, d_reduced, 3)
        self.channel_attention = ChannelAttention()
        self.channel = SeparableConv(d_reduced, d_reduced, 3)
        self.restore_channel = SeparableConv(d_reduced, d, 1)
        self.balance = nn.Parameter(torch.ones(2))
        self.merge = SeparableConv(d, d, 1)
        self.dropout = nn.Dropout1d(dropout)  # whole channels

    def forward(self, x: Tensor) -> Tensor:
        """(b, d, t) -> the same shape."""
        w = torch.sigmoid(self.balance)
        p = F.relu(self.reduce_position(x))  #                                         (b, d_reduced, t)
        p = F.relu(self.position(self.position_attention(p))) * w[0]
        p = F.relu(self.restore_position(self.dropout(p)))  #                          (b, d, t)
        c = F.relu(self.reduce_channel(x))  #                                          (b, d_reduced, t)
        c = F.relu(self.channel(self.channel_attention(c))) * w[1]
        c = F.relu(self.restore_channel(self.dropout(c)))  #                           (b, d, t)
        return F.relu(self.merge(self.dropout(p + c)))  #                              (b, d, t)


class Hams(nn.Module):
    """HAMS: down to an eighth of the time resolution and up again; one ADAF serves every place."""

    def __init__(self, d_model: int, d_reduced: int, dropout: float) -> None:
        super().__init__()
        self.to_half = nn.Conv1d(d_model, d_model, 3, stride=2, padding=1)
        self.to_quarter = nn.Conv1d(d_model, d_model, 2, stride=2)
        self.to_eighth = nn.Conv1d(d_model, d_model, 2, stride=2)
        self.adaf = Adaf(d_model, d_reduced, dropout)

    def forward(self, x: Tensor) -> Tensor:
        """(b, t, d_model) -> the same shape; t a multiple of 8."""
        e0 = x.transpose(1, 2)  #                                        (b, d_model, t)
        e1 = self.to_half(e0)  #                                            (b, d_model, t / 2)
        e2 = self.to_quarter(e1)  #                                         (b, d_model, t / 4)
        e3 = self.to_eighth(e2)  #                                          (b, d_model, t / 8)
        s = F.max_pool1d(e0, 8) + F.max_pool1d(e1, 4) + F.max_pool1d(e2, 2) + e3
        f = self.adaf(self.adaf(self.adaf(s))) + s
        f = self.adaf(f) + f  #                                          (b, d_model, t / 8)
        y = self._refined(e3, f)
        for finer in (e2, e1, e0):  # top down, summing
            y = _stretched(y, finer) + self._refined(finer, f)
        return (y + e0).transpose(1, 2)  #                               (b, t, d_model)

    def _refined(self, level: Tensor, f: Tensor) -> Tensor:
        level = level + _stretched(f, level)
        return level + self.adaf(level)


class Multiscale(nn.Module):
    """The branch of HAMS: applied again and again, its input added in between."""

    def __init__(self, hams: Hams, n_times: int) -> None:
        super().__init__()
        self.hams = hams
        self.n_times = n_times

    def forward(self, x0: Tensor) -> Tensor:
        """(b, t, d_model) -> the same shape."""
        x: Tensor = self.hams(x0)
        for _ in range(self.n_times - 1):
            x = self.hams(x + x0)
        return x


def _stretched(x: Tensor, like: Tensor) -> Tensor:
    """Each sample repeated until the length is that of ``like``, a multiple."""
    return x.repeat_interleave(like.shape[2] // x.shape[2], dim=2)
