"""Layers of nets that take a segment's spectrum for an image, with Keras's definitions.

Keras pads "same" so that the output has ceil(n / stride) values: with an even kernel one more zero stands
behind than before. Its batch norm has eps 1e-3, and its momentum of 0.99 is 0.01 in torch's words.

Images are (b, channels, rows, columns). A spectrum is an image of one channel, a row for each frequency and a
column for each EEG channel.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812 (torch's own abbreviation)
from torch import Tensor, nn

from harness.nn.spectra import power_spectrum

NORM_EPS = 1e-3
NORM_MOMENTUM = 0.01
KERNEL = 4
FRONT_DROPOUT = 0.1


class Spectrum(nn.Module):
    """The power spectrum of every EEG channel; nothing is learned, and no gradient goes through it.

    Args:
        kind: a name of `harness.nn.spectra`.
        sample_rate_hz: of the EEG.
    """

    def __init__(self, kind: str, sample_rate_hz: float) -> None:
        super().__init__()
        self.kind, self.sample_rate_hz = kind, sample_rate_hz

    def forward(self, eeg: Tensor) -> Tensor:
        """EEG (b, n_times, n_channels) -> (b, n_times // 2 + 1, n_channels) float32."""
        spectra = power_spectrum(eeg.detach().float().cpu().numpy(), self.kind, self.sample_rate_hz)
        return torch.from_numpy(spectra).to(eeg.device)


class SameConvolution(nn.Conv2d):
    """A square convolution whose output has ceil(n / stride) rows and columns, as Keras pads "same"."""

    def __init__(self, n_in: int, n_out: int, kernel: int = KERNEL, stride: int = 1) -> None:
        super().__init__(n_in, n_out, kernel, stride)

    def forward(self, x: Tensor) -> Tensor:
        """(b, n_in, rows, columns) -> (b, n_out, ceil(rows / stride), ceil(columns / stride))."""
        (kernel, _), (stride, _) = self.kernel_size, self.stride
        rows, columns = (same_padding(n, kernel, stride) for n in x.shape[2:])
        return super().forward(F.pad(x, (*columns, *rows)))


class SpectrumFront(nn.Module):
    """Twice a convolution, ReLU, batch norm, max pooling by 2 and dropout: what a spectrum is reduced to.

    Args:
        n_filters: of the two convolutions.
    """

    def __init__(self, n_filters: tuple[int, int]) -> None:
        super().__init__()
        first, second = n_filters
        self.convolutions = nn.ModuleList([SameConvolution(1, first), SameConvolution(first, second)])
        self.norms = nn.ModuleList([batch_norm(first), batch_norm(second)])

    def forward(self, spectrum: Tensor) -> Tensor:
        """(b, n_bins, n_channels) -> (b, n_filters[1], n_bins // 4, n_channels // 4)."""
        x = spectrum[:, None]
        for convolution, norm in zip(self.convolutions, self.norms, strict=True):
            x = F.max_pool2d(norm(F.relu(convolution(x))), 2)
            x = F.dropout(x, FRONT_DROPOUT, self.training)
        return x


def same_padding(n: int, kernel: int, stride: int) -> tuple[int, int]:
    """Zeros before and behind n values so that the output has ceil(n / stride) of them; the fewer before."""
    total = max((-(-n // stride) - 1) * stride + kernel - n, 0)
    return total // 2, total - total // 2


def batch_norm(n_features: int) -> nn.BatchNorm2d:
    """Keras's batch norm of images' channels."""
    return nn.BatchNorm2d(n_features, eps=NORM_EPS, momentum=NORM_MOMENTUM)


def batch_norm_flat(n_features: int) -> nn.BatchNorm1d:
    """Keras's batch norm of (b, n_features)."""
    return nn.BatchNorm1d(n_features, eps=NORM_EPS, momentum=NORM_MOMENTUM)


def he_uniform(layer: nn.Module) -> None:
    """Keras's "he_uniform" kernel and a zero bias, for `Module.apply`; other layers stay as they are."""
    if isinstance(layer, nn.Conv2d | nn.Linear):
        nn.init.kaiming_uniform_(layer.weight, nonlinearity="relu")
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)
