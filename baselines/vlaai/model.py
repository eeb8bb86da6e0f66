"""VLAAI: one stack of convolutions, applied four times, each time to the EEG plus its last answer.

Paper: Accou, Vanthornhout, Van hamme, Francart 2023, Decoding of the speech envelope from EEG using the
VLAAI deep neural network, Scientific Reports 13:812, doi 10.1038/s41598-022-27332-2; its figure 1.
Release: two nets were published. `original` is the paper's, with kernels of 8 and an output context of 32
samples; `challenge` is that of the Auditory EEG Challenge's code, with 64 and 64.
Licence: this code is ours, MIT.
Our deviations: none in the net; it gives the release's outputs from the release's weights. It is written in
PyTorch with Keras's definitions: LeakyReLU of slope 0.3, LayerNorm eps 1e-3, Glorot uniform kernels and
zero biases at the start. The challenge's code trains one output against ten mel bands by broadcasting; here
every band has its output. What the training does otherwise: `train.py`.

What an output sees: every block looks 31 samples back (the context) and 35 ahead (five kernels of 8), so
the original net sees 124 samples before and 140 after it. Kernels are samples at every sampling rate.

Shapes: (b, t, channels), E = n_channels EEG channels (64 in both releases), K = n_bands outputs; b segments
of t samples.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch.nn.functional as F  # noqa: N812 (torch's own abbreviation)
from torch import Tensor, nn

LEAKY_SLOPE = 0.3  # Keras's default
NORM_EPS = 1e-3  # Keras's default


@dataclass(frozen=True)
class Config:
    """Sizes of a net; the defaults are the paper's.

    Attributes:
        n_bands: K, 1 for the envelope, 10 for mel.
        n_channels: E, EEG channels.
        n_blocks: how often extractor and context are applied.
        filters: output channels of the extractor's convolutions.
        kernel_samples: length of their kernels.
        context_samples: length of the output context's kernel.
    """

    n_bands: int = 1
    n_channels: int = 64
    n_blocks: int = 4
    filters: tuple[int, ...] = (256, 256, 256, 128, 128)
    kernel_samples: int = 8
    context_samples: int = 32


PRESETS = {  # variant -> preset
    "original": {
        "paper": Config(),
        "compact": Config(filters=(32, 32, 32, 32, 32), kernel_samples=8, context_samples=16),
    },
    "challenge": {
        "paper": Config(n_bands=10, kernel_samples=64, context_samples=64),
        "compact": Config(n_bands=10, filters=(32, 32, 32, 32, 32), kernel_samples=12, context_samples=12),
    },
}


class Convolution(nn.Module):
    """Conv1d without padding -> LayerNorm over channels -> LeakyReLU."""

    def __init__(self, n_in: int, n_out: int, kernel_samples: int) -> None:
        super().__init__()
        self.convolution = nn.Conv1d(n_in, n_out, kernel_samples)
        self.norm = nn.LayerNorm(n_out, eps=NORM_EPS)

    def forward(self, x: Tensor) -> Tensor:
        """(b, t, n_in) -> (b, t - kernel_samples + 1, n_out)."""
        x = self.convolution(x.transpose(1, 2)).transpose(1, 2)
        return F.leaky_relu(self.norm(x), LEAKY_SLOPE)


class Extractor(nn.Module):
    """Five convolutions that look ahead: after each, zeros at the end make up for its kernel."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        inputs = (config.n_channels, *config.filters[:-1])
        self.layers = nn.ModuleList(
            Convolution(n_in, n_out, config.kernel_samples)
            for n_in, n_out in zip(inputs, config.filters, strict=True)
        )
        self.ahead = config.kernel_samples - 1

    def forward(self, x: Tensor) -> Tensor:
        """(b, t, E) -> (b, t, filters[-1])."""
        for layer in self.layers:
            x = pad_time(layer(x), 0, self.ahead)
        return x


class OutputContext(nn.Module):
    """One convolution that looks back at the block's last answers."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.layer = Convolution(config.n_channels, config.n_channels, config.context_samples)
        self.back = config.context_samples - 1

    def forward(self, x: Tensor) -> Tensor:
        """(b, t, E) -> (b, t, E)."""
        return self.layer(pad_time(x, self.back, 0))


class Vlaai(nn.Module):
    """The net. Extractor and context are shared by all blocks, each block has a Dense of its own."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.extractor = Extractor(config)
        self.denses = nn.ModuleList(
            nn.Linear(config.filters[-1], config.n_channels) for _ in range(config.n_blocks)
        )
        self.context = OutputContext(config)
        self.readout = nn.Linear(config.n_channels, config.n_bands)
        self.apply(_initialise)

    def forward(self, eeg: Tensor, subject_index: Tensor | None = None) -> Tensor:
        """EEG (b, t, E) -> (b, t, K); subjects are not used."""
        x = eeg
        for i, dense in enumerate(self.denses):
            x = eeg + x if i else eeg  # the EEG, and what was made of it   (b, t, E)
            x = self.extractor(x)  # five convolutions, looking ahead       (b, t, filters[-1])
            x = dense(x)  # back to the EEG's width                         (b, t, E)
            x = self.context(x)  # one convolution, looking back            (b, t, E)
        return self.readout(x)  #                                           (b, t, K)


def pad_time(x: Tensor, before: int, after: int) -> Tensor:
    """Zeros at both ends of the time axis of (b, t, channels)."""
    return F.pad(x, (0, 0, before, after))


def _initialise(layer: nn.Module) -> None:
    if isinstance(layer, nn.Linear | nn.Conv1d):
        nn.init.xavier_uniform_(layer.weight)
        nn.init.zeros_(layer.bias)
