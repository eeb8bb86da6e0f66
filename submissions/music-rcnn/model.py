"""The music study's recurrent CNN: convolutions reduce the spectrum, its rows are read as steps by an LSTM.

Paper: the music study (its Table 3), which names the kind of net and reports 0.74; the task is EEG2Mel's,
Ramirez-Aristizabal, Kello 2022, arXiv 2207.13845.
Release: none.
Licence: this code is ours, MIT.
Our deviations: the study gives no size and no recipe, so every size here is ours, and so is the order of the
layers. A spectrum of one second has no axis of time: the steps are frequencies, from low to high, stretched
to the frames of the spectrogram.

Shapes: F = 63 frequencies, E = 125 electrodes, C = filters[1]; b segments.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch.nn.functional as F  # noqa: N812 (torch's own abbreviation)
from torch import Tensor, nn

from harness.nn.images import Spectrum, SpectrumFront

SPECTRA = ("periodogram", "welch", "welch-62", "log-periodogram")  # a variant each; see harness.nn.spectra


@dataclass(frozen=True)
class Config:
    """Sizes of a net.

    Attributes:
        n_bands: mel bands.
        n_frames: frames of the spectrogram.
        n_channels: EEG channels, E.
        segment_samples: EEG samples of a segment.
        sample_rate_hz: of the EEG.
        spectrum: kind of power spectrum, a name of `harness.nn.spectra`.
        filters: of the two convolutions.
        n_hidden: of the LSTM, in each direction.
    """

    n_bands: int = 128
    n_frames: int = 44
    n_channels: int = 125
    segment_samples: int = 125
    sample_rate_hz: float = 125.0
    spectrum: str = "periodogram"
    filters: tuple[int, int] = (32, 64)
    n_hidden: int = 128


COMPACT = Config(filters=(4, 8), n_hidden=32)
PRESETS = {  # variant -> preset
    kind: {"paper": Config(spectrum=kind), "compact": replace(COMPACT, spectrum=kind)} for kind in SPECTRA
}


class Rcnn(nn.Module):
    """The net."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.spectrum = Spectrum(config.spectrum, config.sample_rate_hz)
        self.front = SpectrumFront(config.filters)
        width = config.filters[1] * (config.n_channels // 4)
        self.lstm = nn.LSTM(width, config.n_hidden, batch_first=True, bidirectional=True)
        self.readout = nn.Linear(2 * config.n_hidden, config.n_bands)

    def forward(self, eeg: Tensor, subject_index: Tensor | None = None) -> Tensor:
        """EEG (b, segment_samples, E) -> (b, n_frames, n_bands); subjects are not used."""
        x = self.front(self.spectrum(eeg))  #              (b, C, F // 4, E // 4)
        x = x.permute(0, 1, 3, 2).flatten(1, 2)  #         (b, C * (E // 4), F // 4)
        x = F.interpolate(x, self.config.n_frames, mode="linear", align_corners=False)
        x, _ = self.lstm(x.transpose(1, 2))  #             (b, n_frames, 2 * n_hidden)
        y: Tensor = self.readout(x)  #                     (b, n_frames, n_bands)
        return y

    def start_at(self, mean: Tensor) -> None:
        """Make the first answer to anything about the mean of the mean segment (n_frames, n_bands)."""
        self.readout.bias.data.copy_(mean.mean(dim=0))
