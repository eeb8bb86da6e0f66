"""The cross-attention of CAT-WaveNet: two series of as many channels as the EEG, each seen through the other.

Paper: Fang et al. 2024 (see `model`), its figure 1.
Release: CAT-WaveNet's training code.
Licence: this code is ours, MIT.
Our deviations: `skip_out`, which is in no output, is left out; products are multiplied in another order.

Adapted by the release from a speaker-extraction net, in which one side is audio and the other spikes; the
sides are called `a` and `s` here. **Channels are the tokens and time is the feature axis**: a weight says
how much of one channel goes into another, over the whole window. So the window has one length.

Every norm is over channels and time of a segment together (one group), with a gain for each channel.

Shapes: (b, channels, t) throughout; C channels (64 in the release), b segments, t samples of the window.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F  # noqa: N812 (torch's own abbreviation)
from torch import Tensor, nn

NORM_EPS = 1e-8


class Sizes(NamedTuple):
    """Sizes of a cross-attention module.

    Attributes:
        n_channels: C of both series.
        n_hidden: channels within a projection.
        n_layers: layers.
        mix_samples: kernel of the convolution that mixes the module's ends, odd.
        dropout: on the attention's weights and on its result.
    """

    n_channels: int
    n_hidden: int
    n_layers: int
    mix_samples: int
    dropout: float


def global_norm(n_channels: int) -> nn.GroupNorm:
    """Mean 0 and variance 1 of a segment over channels and time, then a gain for each channel."""
    return nn.GroupNorm(1, n_channels, eps=NORM_EPS)


class Projection(nn.Module):
    """Query, key or value: 1x1 convolution, depthwise convolution, 1x1 convolution."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        c, h = sizes.n_channels, sizes.n_hidden
        self.hidden = nn.Sequential(
            nn.Conv1d(c, h, 1),  #                       (b, n_hidden, t)
            nn.PReLU(),
            global_norm(h),
            nn.Conv1d(h, h, 3, padding=1, groups=h),  #  (b, n_hidden, t)
            nn.PReLU(),
            global_norm(h),
        )
        self.out = nn.Conv1d(h, c, 1)  #                 (b, C, t)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(b, C, t) -> the projection as a product ``w @ h``: (C, n_hidden + 1) and (b, n_hidden + 1, t).

        The last of h is 1, and the last column of w the bias.
        """
        h = F.pad(self.hidden(x), (0, 0, 0, 1), value=1.0)
        return torch.cat([self.out.weight[:, :, 0], self.out.bias[:, None]], dim=1), h


class CrossAttention(nn.Module):
    """One head of attention between channels; the residual is the raw value, before its projection.

    softmax(q k' / sqrt(t)) v, with q, k and v as the products that they are, multiplied in the order that
    costs least: (b, C, t) arrays of q, k and v are never made.
    """

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.dropout = sizes.dropout
        self.query = Projection(sizes)
        self.key = Projection(sizes)
        self.value = Projection(sizes)
        self.norm = global_norm(sizes.n_channels)

    def forward(self, asks: Tensor, answers: Tensor) -> Tensor:
        """Two series (b, C, t) -> the second, its channels mixed as the first asks; same shape."""
        (wq, q), (wk, k), (wv, v) = self.query(asks), self.key(answers), self.value(answers)
        scores = wq @ (q @ k.transpose(1, 2)) @ wk.T * asks.shape[2] ** -0.5  #  (b, C, C)
        weights = F.dropout(torch.softmax(scores, dim=2), self.dropout, self.training)
        y = F.dropout(weights @ wv @ v, self.dropout, self.training)  #           (b, C, t)
        return self.norm(y + answers)


class Layer(nn.Module):
    """Each side attends to the other: s asks a, then what came of it asks s."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.attend_a = CrossAttention(sizes)
        self.attend_s = CrossAttention(sizes)
        self.norm_a = global_norm(sizes.n_channels)
        self.norm_s = global_norm(sizes.n_channels)

    def forward(self, a: Tensor, s: Tensor) -> tuple[Tensor, Tensor]:
        """(b, C, t) both -> the same shapes."""
        from_a = self.attend_a(s, a)
        from_s = self.attend_s(from_a, s)
        return self.norm_a(from_a + a), self.norm_s(from_s + s)


class MutualCrossAttention(nn.Module):
    """The module: layers, then one convolution over both sides' ends and inputs."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.layers = nn.ModuleList(Layer(sizes) for _ in range(sizes.n_layers))
        c = sizes.n_channels
        self.mix = nn.Conv1d(4 * c, c, sizes.mix_samples, padding=sizes.mix_samples // 2)
        self.norm = global_norm(c)

    def forward(self, a: Tensor, s: Tensor) -> Tensor:
        """(b, C, t) both -> (b, C, t)."""
        a_input, s_input, a_total = a, s, torch.zeros(())
        for layer in self.layers:
            a, s = layer(a, s)  #                                           (b, C, t) both
            a_total = a_total + a
        return self.norm(self._mixed(a_total, a_input, s, s_input))  #      (b, C, t)

    def _mixed(self, *ends: Tensor) -> Tensor:
        """The convolution over all ends side by side, end by end: half the time of joining them first."""
        filters = self.mix.weight.split(ends[0].shape[1], dim=1)
        biases = (self.mix.bias, None, None, None)
        parts = [
            F.conv1d(x, w, b, padding=self.mix.padding) for x, w, b in zip(ends, filters, biases, strict=True)
        ]
        return parts[0] + parts[1] + parts[2] + parts[3]
