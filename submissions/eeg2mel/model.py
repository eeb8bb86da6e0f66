"""EEG2Mel's CNN: the power spectra of all electrodes as one image, five convolutions, a mel spectrogram.

Paper: Ramirez-Aristizabal, Kello 2022, EEG2Mel: reconstructing sound from brain responses to music, arXiv
2207.13845. The music study's CNN is this net.
Release: the tutorial, one function that builds the net in Keras.
Licence: this code is ours, MIT.
Our deviations: none in the net; it gives the release's outputs from the release's weights. The release's L2
terms are defined and not used, and its first zero padding is built and not used: neither is here. Frequencies
and electrodes are the corpus's, as are the frames and bands of the output.

The zeros around the last convolution's output are there before its batch norm, which moves them: they are
not zero behind it. Even kernels pad one zero more behind than before (`harness.nn.images`).

Shapes: (b, channels, rows, columns), F = 63 frequencies in rows, E = 125 electrodes in columns; b segments.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch.nn.functional as F  # noqa: N812 (torch's own abbreviation)
from torch import Tensor, nn

from harness.nn.images import SameConvolution, Spectrum, batch_norm, batch_norm_flat, he_uniform

DROPOUT = 0.1  # behind every convolution and before the first dense layer
DENSE_DROPOUT = 0.15  # behind the first dense layer

SPECTRA = ("periodogram", "welch", "welch-62", "log-periodogram")  # a variant each; see harness.nn.spectra


@dataclass(frozen=True)
class Config:
    """Sizes of a net; the defaults are the release's.

    Attributes:
        n_bands: mel bands.
        n_frames: frames of the spectrogram.
        n_channels: EEG channels, E.
        segment_samples: EEG samples of a segment; F is half of them and one.
        sample_rate_hz: of the EEG.
        spectrum: kind of power spectrum, a name of `harness.nn.spectra`.
        filters: of the convolutions; the last has stride 2.
        dense: widths of the two dense layers.
    """

    n_bands: int = 128
    n_frames: int = 44
    n_channels: int = 125
    segment_samples: int = 125
    sample_rate_hz: float = 125.0
    spectrum: str = "periodogram"
    filters: tuple[int, ...] = (8, 16, 32, 64, 128)
    dense: tuple[int, int] = (128, 128)


COMPACT = Config(filters=(2, 2, 4, 4, 16), dense=(16, 24))
PRESETS = {  # variant -> preset
    kind: {"paper": Config(spectrum=kind), "compact": replace(COMPACT, spectrum=kind)} for kind in SPECTRA
}


class Eeg2Mel(nn.Module):
    """The net."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.spectrum = Spectrum(config.spectrum, config.sample_rate_hz)
        inputs = (1, *config.filters[:-1])
        strides = [1] * (len(config.filters) - 1) + [2]
        self.convolutions = nn.ModuleList(
            SameConvolution(n_in, n_out, stride=stride)
            for n_in, n_out, stride in zip(inputs, config.filters, strides, strict=True)
        )
        self.norms = nn.ModuleList(batch_norm(n) for n in config.filters)
        last = config.filters[-1]
        self.pooled_norm = batch_norm(last)
        rows, columns = (_pooled(n) for n in (config.segment_samples // 2 + 1, config.n_channels))
        self.first = nn.Linear(rows * columns * last, config.dense[0])
        self.first_norm = batch_norm_flat(config.dense[0])
        self.second = nn.Linear(*config.dense)
        self.second_norm = batch_norm_flat(config.dense[1])
        self.readout = nn.Linear(config.dense[1], config.n_frames * config.n_bands)
        self.apply(he_uniform)

    def forward(self, eeg: Tensor, subject_index: Tensor | None = None) -> Tensor:
        """EEG (b, segment_samples, E) -> (b, n_frames, n_bands); subjects are not used."""
        return self.of_spectrum(self.spectrum(eeg))

    def of_spectrum(self, spectrum: Tensor) -> Tensor:
        """Power spectra (b, F, E) -> (b, n_frames, n_bands)."""
        x = spectrum[:, None]  #                                          (b, 1, F, E)
        *inner, last = zip(self.convolutions, self.norms, strict=True)
        for convolution, norm in inner:
            x = norm(F.relu(convolution(x)))  #                           (b, filters, F, E)
            x = F.dropout(x, DROPOUT, self.training)
        convolution, norm = last
        x = F.pad(F.relu(convolution(x)), (1, 1, 1, 1))  # half as many, and zeros around them
        x = self.pooled_norm(F.max_pool2d(norm(x), 2))  #                 (b, filters[-1], 17, 32)
        x = x.permute(0, 2, 3, 1).flatten(1)  # row, column, channel      (b, 17 * 32 * filters[-1])
        x = F.dropout(x, DROPOUT, self.training)
        x = F.dropout(self.first_norm(F.relu(self.first(x))), DENSE_DROPOUT, self.training)
        x = self.second_norm(F.relu(self.second(x)))  #                   (b, dense[1])
        return self.readout(x).reshape(-1, self.config.n_frames, self.config.n_bands)

    def start_at(self, mean: Tensor) -> None:
        """Make the first answer to anything about the mean segment (n_frames, n_bands)."""
        self.readout.bias.data.copy_(mean.flatten())


def _pooled(n: int) -> int:
    """What n rows or columns become: half by the stride, two more by the zeros, half by the pooling."""
    return ((n + 1) // 2 + 2) // 2
