"""The WaveNet regressor of CAT-WaveNet: dilated, gated convolutions with a sum over all layers.

Paper: Fang et al. 2024 (see `model`), its figure 1; after van den Oord et al. 2016, WaveNet: a generative
model for raw audio, arXiv 1609.03499; its figure 4.
Release: CAT-WaveNet's training code.
Licence: this code is ours, MIT.
Our deviations: what is in no output is left out; for prediction the same function in another order.

Two classes hold one function. `WaveNet` is trained: its convolutions are weight-normalised, and their
weights are computed anew in every call. `FoldedWaveNet` predicts: it is made once from a trained one, with
plain weights, scales multiplied into them, and kernels without the taps that lie in the padding.

Shapes: (b, channels, t) throughout; b segments, t samples.
"""

from __future__ import annotations

import copy

import torch
import torch.nn.functional as F  # noqa: N812 (torch's own abbreviation)
from torch import Tensor, nn

KERNEL_SAMPLES = 3
RESIDUAL_SCALE = 0.5**0.5


class NormedConv(nn.Module):
    """Convolution with weight normalisation: every filter is a direction times a gain.

    It begins as torch's own convolution does, biases too.
    """

    def __init__(self, n_in: int, n_out: int, kernel_samples: int = 1, dilation: int = 1) -> None:
        super().__init__()
        self.dilation = dilation
        self.direction = nn.Parameter(torch.empty(n_out, n_in, kernel_samples))
        self.bias = nn.Parameter(torch.empty(n_out))
        nn.init.kaiming_uniform_(self.direction, a=5**0.5)
        nn.init.uniform_(self.bias, -((n_in * kernel_samples) ** -0.5), (n_in * kernel_samples) ** -0.5)
        self.gain = nn.Parameter(self._norm().detach().clone())

    def weight(self) -> Tensor:
        """The filters (n_out, n_in, kernel_samples)."""
        return self.direction * (self.gain / self._norm())

    def forward(self, x: Tensor) -> Tensor:
        """(b, n_in, t) -> (b, n_out, t)."""
        reach = self.dilation * (self.direction.shape[2] // 2)
        return F.conv1d(x, self.weight(), self.bias, padding=reach, dilation=self.dilation)

    def _norm(self) -> Tensor:
        return torch.linalg.vector_norm(self.direction, dim=(1, 2), keepdim=True)


class GatedLayer(nn.Module):
    """Dilated convolution -> tanh * sigmoid -> 1x1, to the next layer and to the sum.

    The two 1x1 convolutions are one with their filters side by side. Nothing follows the last layer, which
    lacks its convolution to a next one.
    """

    def __init__(self, n_filters: int, dilation: int, last: bool) -> None:
        super().__init__()
        self.last = last
        self.dilated = NormedConv(n_filters, 2 * n_filters, KERNEL_SAMPLES, dilation)
        self.out = NormedConv(n_filters, n_filters if last else 2 * n_filters)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(b, n_filters, t) -> the next layer's input, and this layer's share of the sum; same shape."""
        signal, gate = self.dilated(x).chunk(2, dim=1)
        y = self.out(torch.tanh(signal) * torch.sigmoid(gate))
        if self.last:
            return x, y
        residual, skip = y.chunk(2, dim=1)
        return (x + residual) * RESIDUAL_SCALE, skip


class WaveNet(nn.Module):
    """The regressor, as trained.

    Args:
        n_in: channels that it takes.
        n_out: bands that it gives.
        n_filters: channels of every layer, and of the sum.
        n_layers: gated layers.
        dilation_cycle: layer i has dilation 2^(i mod dilation_cycle).
    """

    def __init__(self, n_in: int, n_out: int, n_filters: int, n_layers: int, dilation_cycle: int) -> None:
        super().__init__()
        self.entry = NormedConv(n_in, n_filters)
        self.layers = nn.ModuleList(
            GatedLayer(n_filters, 2 ** (i % dilation_cycle), last=i == n_layers - 1) for i in range(n_layers)
        )
        self.exit = NormedConv(n_filters, n_filters)
        self.readout = nn.Conv1d(n_filters, n_out, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(b, n_in, t) -> (b, n_out, t)."""
        x = F.relu(self.entry(x))  #                              (b, n_filters, t)
        total = torch.zeros(())
        for layer in self.layers:
            x, skip = layer(x)  #                                 (b, n_filters, t) both
            total = total + skip
        y = total * len(self.layers) ** -0.5  # sum of the skips  (b, n_filters, t)
        return self.readout(F.relu(self.exit(y)))  #              (b, n_out, t)

    def folded(self) -> FoldedWaveNet:
        """The same function for prediction; later changes of these weights do not reach it."""
        return FoldedWaveNet(self)


class FoldedWaveNet(nn.Module):
    """The regressor, as it predicts.

    A layer's input is kept without the scales of the layers before it, which its weights then hold: layer
    i's input is ``RESIDUAL_SCALE**i`` times what is kept. So a layer adds to its input and to the sum, and
    nothing is multiplied.
    """

    def __init__(self, net: WaveNet) -> None:
        super().__init__()
        self.entry = _plain(net.entry)
        self.dilated, self.out = nn.ModuleList(), nn.ModuleList()
        sum_scale = len(net.layers) ** -0.5
        for i, layer in enumerate(net.layers):
            scale = RESIDUAL_SCALE**i
            self.dilated.append(_plain(layer.dilated, before=scale))
            n_filters = net.exit.bias.numel()
            after = torch.full((layer.out.bias.numel(),), sum_scale)
            if not layer.last:
                after[:n_filters] = 1 / scale
            self.out.append(_plain(layer.out, after=after))
        self.exit = _plain(net.exit)
        self.readout = copy.deepcopy(net.readout)
        self.eval().requires_grad_(False)

    def forward(self, x: Tensor) -> Tensor:
        """(b, n_in, t) -> (b, n_out, t)."""
        x = F.relu(self.entry(x))
        n_filters = x.shape[1]
        total = torch.zeros(())
        for dilated, out in zip(self.dilated, self.out, strict=True):
            signal, gate = _dilated(dilated, x).chunk(2, dim=1)
            y = out(torch.tanh(signal) * torch.sigmoid(gate))
            total = total + y[:, -n_filters:]
            if y.shape[1] > n_filters:
                x = x + y[:, :n_filters]
        return self.readout(F.relu(self.exit(total)))


def _plain(conv: NormedConv, before: float = 1.0, after: Tensor | None = None) -> nn.Conv1d:
    """A convolution with plain weights, times a scale of its input, and one for each of its filters."""
    weight, bias = conv.weight().detach() * before, conv.bias.detach()
    if after is not None:
        weight, bias = weight * after[:, None, None], bias * after
    n_out, n_in, kernel_samples = weight.shape
    reach = conv.dilation * (kernel_samples // 2)
    plain = nn.Conv1d(n_in, n_out, kernel_samples, padding=reach, dilation=conv.dilation, device="meta")
    plain.weight, plain.bias = nn.Parameter(weight), nn.Parameter(bias.clone())
    return plain


def _dilated(conv: nn.Conv1d, x: Tensor) -> Tensor:
    """The convolution; where its outer taps see nothing but padding, its middle tap alone."""
    if conv.dilation[0] < x.shape[2]:
        return conv(x)
    return F.conv1d(x, conv.weight[:, :, 1:2], conv.bias)
