"""The music study's encoder-decoder: an LSTM reads the spectrum, its last state is unrolled by another.

Paper: the music study (its Table 3), which names the kind of net and reports 0.73; the task is EEG2Mel's,
Ramirez-Aristizabal, Kello 2022, arXiv 2207.13845.
Release: none.
Licence: this code is ours, MIT.
Our deviations: the study gives no size and no recipe, so every size here is ours, and so is the order of the
layers. The decoder is given the encoder's last state in every frame: what it makes of it over time is habit.

Shapes: F = 63 frequencies, E = 125 electrodes, C = filters[1]; b segments.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

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
        n_hidden: of both LSTMs.
    """

    n_bands: int = 128
    n_frames: int = 44
    n_channels: int = 125
    segment_samples: int = 125
    sample_rate_hz: float = 125.0
    spectrum: str = "periodogram"
    filters: tuple[int, int] = (32, 64)
    n_hidden: int = 256


COMPACT = Config(filters=(4, 8), n_hidden=64)
PRESETS = {  # variant -> preset
    kind: {"paper": Config(spectrum=kind), "compact": replace(COMPACT, spectrum=kind)} for kind in SPECTRA
}


class EncoderDecoder(nn.Module):
    """The net."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.spectrum = Spectrum(config.spectrum, config.sample_rate_hz)
        self.front = SpectrumFront(config.filters)
        width = config.filters[1] * (config.n_channels // 4)
        self.encoder = nn.LSTM(width, config.n_hidden, batch_first=True)
        self.decoder = nn.LSTM(config.n_hidden, config.n_hidden, batch_first=True)
        self.readout = nn.Linear(config.n_hidden, config.n_bands)

    def forward(self, eeg: Tensor, subject_index: Tensor | None = None) -> Tensor:
        """EEG (b, segment_samples, E) -> (b, n_frames, n_bands); subjects are not used."""
        x = self.front(self.spectrum(eeg))  #              (b, C, F // 4, E // 4)
        x = x.permute(0, 2, 1, 3).flatten(2)  #            (b, F // 4, C * (E // 4))
        x, _ = self.encoder(x)  # low frequencies first    (b, F // 4, n_hidden)
        x = x[:, -1:].expand(-1, self.config.n_frames, -1)
        x, _ = self.decoder(x)  #                          (b, n_frames, n_hidden)
        y: Tensor = self.readout(x)  #                     (b, n_frames, n_bands)
        return y

    def start_at(self, mean: Tensor) -> None:
        """Make the first answer to anything about the mean of the mean segment (n_frames, n_bands)."""
        self.readout.bias.data.copy_(mean.mean(dim=0))
