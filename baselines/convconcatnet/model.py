"""ConvConcatNet: convolutions applied six times, each time to the EEG beside its last output and a gate.

Paper: Xu et al. 2024, ConvConcatNet: a deep convolutional neural network to reconstruct mel spectrogram
from the EEG, doi 10.1109/ICASSPW62465.2024.10626859; its figure 1. First of the 2024 challenge's Task 2.
Release: none for this task. **Reconstructed** from the first author's later adaptation of the net; nothing
of it can be checked against outputs of the original, only its number of parameters (544,384 without the
readout) against the adaptation's.
Licence: this code is ours, MIT.
Our deviations: slope of LeakyReLU, eps of LayerNorm and the initial values are torch's; the width may
differ from the number of EEG channels, for small nets. The last iteration computes no gate, as nothing
reads it. The four rounds of the extractor share their two norms: only so is the number of parameters met.

What an output sees: an iteration looks 20 + 19 samples to either side, so six look 234, 3.7 s at 64 Hz.

Shapes: (b, t, channels), E = n_channels EEG channels (64 in the paper), C = n_filters, W = E + 2 C channels
of the extractor's input, K = n_bands outputs; b segments of t samples.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F  # noqa: N812 (torch's own abbreviation)
from torch import Tensor, nn


@dataclass(frozen=True)
class Config:
    """Sizes of a net; the defaults are the described ones.

    Attributes:
        n_bands: K, 1 for the envelope, 10 for mel.
        n_channels: E, EEG channels.
        n_filters: C, width of output and gate.
        n_iterations: how often the body is applied.
        n_rounds: rounds of the extractor.
        kernel_samples: of the extractor's convolutions, odd.
        context_samples: of the output context's convolution, odd.
    """

    n_bands: int = 10
    n_channels: int = 64
    n_filters: int = 64
    n_iterations: int = 6
    n_rounds: int = 4
    kernel_samples: int = 9
    context_samples: int = 39


PRESETS = {"paper": Config(), "compact": Config(n_filters=16, n_iterations=3)}


class Convolution(nn.Conv1d):
    """Conv1d of time-major arrays, without padding."""

    def forward(self, x: Tensor) -> Tensor:
        """(b, t, n_in) -> (b, t - kernel + 1, n_out)."""
        return super().forward(x.transpose(1, 2)).transpose(1, 2)


class Depthwise(nn.Conv1d):
    """Conv1d of time-major arrays, each channel by itself, without padding.

    Written as a convolution over an image one sample high: on the CPU torch's own for time series takes
    three times as long in training, and more than ten times in prediction.
    """

    def __init__(self, n_channels: int, kernel_samples: int) -> None:
        super().__init__(n_channels, n_channels, kernel_samples, groups=n_channels)

    def forward(self, x: Tensor) -> Tensor:
        """(b, t, n_channels) -> (b, t - kernel + 1, n_channels)."""
        image = x.transpose(1, 2).unsqueeze(2)  #  (b, n_channels, 1, t), channels last in memory
        weight = self.weight.unsqueeze(2).contiguous(memory_format=torch.channels_last)
        return F.conv2d(image, weight, self.bias, groups=self.groups).squeeze(2).transpose(1, 2)


class Extractor(nn.Module):
    """Four rounds, each of the extractor's whole input beside what the last round made of it."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        c, kernel = config.n_filters, config.kernel_samples
        width = config.n_channels + 2 * c
        self.half = kernel // 2
        self.narrow = nn.ModuleList(
            nn.Linear(width if i == 0 else width + c, c) for i in range(config.n_rounds)
        )
        self.narrow_norm = nn.LayerNorm(c)
        self.depthwise = nn.ModuleList(Depthwise(width + c, kernel) for _ in range(config.n_rounds))
        self.depthwise_norm = nn.LayerNorm(width + c)
        self.mix = Convolution(width + c, 2 * c, kernel)
        self.mix_norm = nn.LayerNorm(2 * c)

    def forward(self, x: Tensor) -> Tensor:
        """(b, t, W) -> (b, t, 2 C)."""
        y = x
        for narrow, depthwise in zip(self.narrow, self.depthwise, strict=True):
            y = F.leaky_relu(self.narrow_norm(narrow(y)))  # 1x1                (b, t, C)
            y = torch.cat([x, y], dim=2)  #                                     (b, t, W + C)
            y = F.leaky_relu(self.depthwise_norm(depthwise(y)))  # each channel (b, t - 8, W + C)
            y = pad_time(y, self.half)  #                                       (b, t, W + C)
        y = F.leaky_relu(self.mix_norm(self.mix(y)))  #                         (b, t - 8, 2 C)
        return pad_time(y, self.half)  #                                        (b, t, 2 C)


class OutputContext(nn.Module):
    """One long convolution around every sample."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.half = config.context_samples // 2
        self.convolution = Convolution(config.n_filters, config.n_filters, config.context_samples)
        self.norm = nn.LayerNorm(config.n_filters)

    def forward(self, x: Tensor) -> Tensor:
        """(b, t, C) -> (b, t, C)."""
        return F.leaky_relu(self.norm(self.convolution(pad_time(x, self.half))))


class Body(nn.Module):
    """Everything but the readout; all iterations share its weights."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        c = config.n_filters
        self.n_filters, self.n_iterations = c, config.n_iterations
        self.extractor = Extractor(config)
        self.dense = nn.Linear(2 * c, c)
        self.context = OutputContext(config)
        self.gate = nn.Sequential(nn.Linear(c, c), nn.LeakyReLU(), nn.Linear(c, c))

    def forward(self, eeg: Tensor) -> Tensor:
        """EEG (b, t, E) -> (b, t, C)."""
        out = gate = eeg.new_zeros(*eeg.shape[:2], self.n_filters)
        for i in range(self.n_iterations):
            x = torch.cat([eeg, out, gate], dim=2)  #             (b, t, W)
            x = self.extractor(x)  #                              (b, t, 2 C)
            x = self.dense(x)  #                                  (b, t, C)
            out = self.context(x)  #                              (b, t, C)
            if i < self.n_iterations - 1:
                gate = self.gate(out) * out  #                    (b, t, C)
        return out


class ConvConcatNet(nn.Module):
    """The net."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.body = Body(config)
        self.readout = nn.Linear(config.n_filters, config.n_bands)

    def forward(self, eeg: Tensor, subject_index: Tensor | None = None) -> Tensor:
        """EEG (b, t, E) -> (b, t, K); subjects are not used."""
        x = self.body(eeg)  # six iterations     (b, t, C)
        return self.readout(x)  #                (b, t, K)


def pad_time(x: Tensor, both: int) -> Tensor:
    """Zeros at both ends of the time axis of (b, t, channels)."""
    return F.pad(x, (0, 0, both, both))
