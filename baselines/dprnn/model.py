"""DPRNN: recurrent nets within short chunks of the EEG, then across the chunks, in turn.

Paper: Luo, Chen, Yoshioka 2020, Dual-path RNN: efficient long sequence modeling for time-domain
single-channel speech separation, doi 10.1109/ICASSP40776.2020.9054266, arXiv 1910.06379; its figure 1. As an
EEG decoder it is a row, without a description, of the first table of Fang et al. 2024 (CAT-WaveNet, doi
10.1109/ICASSPW62465.2024.10627006).
Release: none for EEG. This is the paper's net between its encoder and its decoder, as usually written.
Licence: this code is ours, MIT.
Our deviations: EEG channels take the place of the encoder's features, and one output a band, linear, that
of the masks. The overlap-add is a sum that is not divided by the overlap.
Checked: the output, against that of the canonical dual-path RNN with a linear output, from its weights, drawn
at random, narrow (16 filters, 24 hidden units, 2 blocks) and in eval mode. Not checked: any trained decoder
of EEG, which nobody published, the training, which is ours, and whether CAT-WaveNet's authors built this net.

Every norm is global (gLN): mean and variance of a segment over all its channels and times. So every output
sees the whole segment, and another length gives another output.

Shapes: (b, t, channels) at both ends, (b, channels, t) and (b, channels, P, S) within: N = n_filters
channels, S chunks of P = chunk_samples; E = n_channels EEG channels, K = n_bands outputs; b segments of t
samples.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F  # noqa: N812 (torch's own abbreviation)
from torch import Tensor, nn

NORM_EPS = 1e-8


@dataclass(frozen=True)
class Config:
    """Sizes of a net; the defaults are the paper's.

    Attributes:
        n_bands: K, 1 for the envelope, 10 for mel.
        n_channels: E, EEG channels.
        n_filters: N, channels of every block.
        n_hidden: units of every LSTM, in each direction.
        n_blocks: dual-path blocks.
        chunk_samples: P, even; chunks start every P / 2. About sqrt(2 t) makes P and S alike.
        window_samples: length of EEG that the net is trained on and applied to, 30 s at 64 Hz.
    """

    n_bands: int = 10
    n_channels: int = 64
    n_filters: int = 128
    n_hidden: int = 128
    n_blocks: int = 6
    chunk_samples: int = 62
    window_samples: int = 1920


PRESETS = {
    "paper": Config(),
    "compact": Config(n_filters=32, n_hidden=48, n_blocks=2, chunk_samples=36, window_samples=640),
}


class GlobalNorm(nn.Module):
    """gLN: mean 0 and variance 1 of each segment over channels and time, then a gain for each channel."""

    def __init__(self, n_channels: int) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.ones(n_channels))
        self.bias = nn.Parameter(torch.zeros(n_channels))

    def forward(self, x: Tensor) -> Tensor:
        """(b, n_channels, ...) -> the same shape."""
        return F.group_norm(x, 1, self.gain, self.bias, NORM_EPS)


class Path(nn.Module):
    """BiLSTM along one axis of (b, N, P, S) -> Linear -> gLN -> + input."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.lstm = nn.LSTM(config.n_filters, config.n_hidden, batch_first=True, bidirectional=True)
        self.linear = nn.Linear(2 * config.n_hidden, config.n_filters)
        self.norm = GlobalNorm(config.n_filters)

    def forward(self, x: Tensor) -> Tensor:
        """Along the third axis, P: (b, N, P, S) -> the same shape."""
        b, _, _, n_chunks = x.shape
        y = x.permute(0, 3, 2, 1).flatten(0, 1)  # one sequence a chunk   (b S, P, N)
        y = self.linear(self.lstm(y)[0])  #                               (b S, P, N)
        y = y.unflatten(0, (b, n_chunks)).permute(0, 3, 2, 1)  #          (b, N, P, S)
        return x + self.norm(y)


class DualPathBlock(nn.Module):
    """Within every chunk, then across the chunks."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.intra = Path(config)
        self.inter = Path(config)

    def forward(self, x: Tensor) -> Tensor:
        """(b, N, P, S) -> the same shape."""
        x = self.intra(x)  # along P
        return self.inter(x.transpose(2, 3)).transpose(2, 3)  # along S


class Dprnn(nn.Module):
    """The net."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        if config.chunk_samples % 2:
            raise ValueError(f"chunk_samples = {config.chunk_samples}, expected an even number")
        self.config = config
        n = config.n_filters
        self.norm = GlobalNorm(config.n_channels)
        self.bottleneck = nn.Conv1d(config.n_channels, n, 1)
        self.blocks = nn.Sequential(*(DualPathBlock(config) for _ in range(config.n_blocks)))
        self.merge = nn.Sequential(nn.PReLU(), nn.Conv2d(n, n, 1))
        self.value = nn.Conv1d(n, n, 1)
        self.gate = nn.Conv1d(n, n, 1)
        self.readout = nn.Conv1d(n, config.n_bands, 1, bias=False)

    def forward(self, eeg: Tensor, subject_index: Tensor | None = None) -> Tensor:
        """EEG (b, t, E) -> (b, t, K); subjects are not used."""
        x = self.norm(eeg.transpose(1, 2))  #                                  (b, E, t)
        x = self.bottleneck(x)  #                                              (b, N, t)
        x = self.chunks(x)  # that overlap by half                             (b, N, P, S)
        x = self.blocks(x)  # within chunks and across, n_blocks times         (b, N, P, S)
        x = self.merge(x)  # PReLU, 1x1                                        (b, N, P, S)
        x = self.overlap_add(x, eeg.shape[1])  #                               (b, N, t)
        x = torch.tanh(self.value(x)) * torch.sigmoid(self.gate(x))  #         (b, N, t)
        return self.readout(x).transpose(1, 2)  #                              (b, t, K)

    def chunks(self, x: Tensor) -> Tensor:
        """(b, N, t) -> (b, N, P, S), P zeros before and after the segment."""
        cut = F.unfold(x[..., None], **self._geometry())  # (b, N P, S)
        return cut.unflatten(1, (self.config.n_filters, -1))

    def overlap_add(self, x: Tensor, n_times: int) -> Tensor:
        """Back to (b, N, t): chunks are summed where they overlap."""
        return F.fold(x.flatten(1, 2), (n_times, 1), **self._geometry())[..., 0]

    def _geometry(self) -> dict[str, tuple[int, int]]:
        size = self.config.chunk_samples
        return {"kernel_size": (size, 1), "padding": (size, 0), "stride": (size // 2, 1)}
