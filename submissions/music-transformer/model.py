"""The music study's transformer: frequencies of the spectrum in, the spectrogram out, frame by frame.

Paper: the music study, which names the kind of net and gives no number for it: its teacher-forced cosine was
high, and as it says no success; the task is EEG2Mel's, Ramirez-Aristizabal, Kello 2022, arXiv 2207.13845. The
layers are Vaswani et al. 2017, Attention is all you need, arXiv 1706.03762.
Release: none.
Licence: this code is ours, MIT.
Our deviations: the study gives no size and no recipe, so every size here is ours. **Nothing but the net's
own frames goes back into it when it predicts**: it starts from a frame of zeros and hears no note of the
music. In training a frame that goes in is the true one with a probability that falls from 1 to 0 over the
epochs (scheduled sampling), else the net's own.

Shapes: F = 63 frequencies, E = 125 electrodes, d = d_model; b segments, t frames.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F  # noqa: N812 (torch's own abbreviation)
from torch import Tensor, nn

from harness.nn.esm import sinusoids
from harness.nn.images import Spectrum

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
        d_model: width of a token, even.
        n_layers: of the encoder, and of the decoder.
        n_heads: of every attention.
        d_feed: width inside the feed-forward layers.
        dropout: in training.
    """

    n_bands: int = 128
    n_frames: int = 44
    n_channels: int = 125
    segment_samples: int = 125
    sample_rate_hz: float = 125.0
    spectrum: str = "periodogram"
    d_model: int = 128
    n_layers: int = 2
    n_heads: int = 4
    d_feed: int = 512
    dropout: float = 0.1


COMPACT = Config(d_model=48, n_layers=1, d_feed=96)
PRESETS = {  # variant -> preset
    kind: {"paper": Config(spectrum=kind), "compact": replace(COMPACT, spectrum=kind)} for kind in SPECTRA
}


class MusicTransformer(nn.Module):
    """The net."""

    frequency_positions: Tensor
    frame_positions: Tensor

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        d = config.d_model
        self.spectrum = Spectrum(config.spectrum, config.sample_rate_hz)
        self.of_frequency = nn.Linear(config.n_channels, d)
        self.of_frame = nn.Linear(config.n_bands, d)
        self.transformer = nn.Transformer(
            d,
            config.n_heads,
            config.n_layers,
            config.n_layers,
            config.d_feed,
            config.dropout,
            batch_first=True,
        )
        self.readout = nn.Linear(d, config.n_bands)
        n_bins = config.segment_samples // 2 + 1
        self.register_buffer("frequency_positions", sinusoids(n_bins, d), persistent=False)
        self.register_buffer("frame_positions", sinusoids(config.n_frames, d), persistent=False)

    def forward(
        self,
        eeg: Tensor,
        subject_index: Tensor | None = None,
        target: Tensor | None = None,
        teacher_share: float = 0.0,
    ) -> Tensor:
        """EEG (b, segment_samples, E) -> (b, n_frames, n_bands); subjects are not used.

        Args:
            eeg: of the segments.
            subject_index: not used.
            target: (b, n_frames, n_bands), what the frames that go in are drawn from; in training only.
            teacher_share: probability of each frame that goes in to be the target's.

        Raises:
            ValueError: a target is given to a net that does not train.
        """
        if target is not None and not self.training:
            raise ValueError("a target for a net that predicts, expected none: it must make its own frames")
        memory = self._encoded(eeg)  #                                     (b, n_frames, d)
        with torch.no_grad():
            frames = self._own_frames(memory, target, teacher_share)  #    (b, n_frames, n_bands)
        return self._decoded(frames, memory) if self.training else frames

    def start_at(self, mean: Tensor) -> None:
        """Make the first answer to anything about the mean of the mean segment (n_frames, n_bands)."""
        self.readout.bias.data.copy_(mean.mean(dim=0))

    def _encoded(self, eeg: Tensor) -> Tensor:
        """A token for each frequency, encoded, and stretched to as many as there are frames."""
        tokens = self.of_frequency(self.spectrum(eeg)) + self.frequency_positions  # (b, F, d)
        encoded = self.transformer.encoder(tokens)
        stretched = F.interpolate(
            encoded.transpose(1, 2), self.config.n_frames, mode="linear", align_corners=False
        )
        return stretched.transpose(1, 2)

    def _own_frames(self, memory: Tensor, target: Tensor | None, teacher_share: float) -> Tensor:
        """Frame by frame, from zeros on. With a target: what goes in in training, one frame later."""
        shape = (len(memory), self.config.n_frames, self.config.n_bands)
        if target is not None and teacher_share >= 1:
            return target
        frames = memory.new_zeros(shape)
        truth = None if target is None else torch.rand(shape[:2], device=memory.device) < teacher_share
        inner: list[Tensor] = []  # what has gone into each layer of the decoder, (b, t, d)
        last = memory.new_zeros((shape[0], shape[2]))
        for t in range(shape[1]):
            token = (self.of_frame(last) + self.frame_positions[t])[:, None]
            last = self.readout(self._step(token, memory, inner))[:, 0]
            if truth is not None and target is not None:
                last = torch.where(truth[:, t, None], target[:, t], last)
            frames[:, t] = last
        return frames

    def _step(self, token: Tensor, memory: Tensor, inner: list[Tensor]) -> Tensor:
        """The decoder's output for the newest frame alone; the frames before it stay as they are."""
        for index, layer in enumerate(self.transformer.decoder.layers):
            before = [inner[index]] if index < len(inner) else []
            so_far = torch.cat([*before, token], dim=1)
            inner[index : index + 1] = [so_far]
            x = layer.norm1(token + layer.self_attn(token, so_far, so_far, need_weights=False)[0])
            x = layer.norm2(x + layer.multihead_attn(x, memory, memory, need_weights=False)[0])
            token = layer.norm3(x + layer.linear2(layer.dropout(layer.activation(layer.linear1(x)))))
        y: Tensor = self.transformer.decoder.norm(token)
        return y

    def _decoded(self, frames: Tensor, memory: Tensor) -> Tensor:
        """All frames at once: each from those before it, the first from zeros."""
        shifted = F.pad(frames[:, :-1], (0, 0, 1, 0))
        tokens = self.of_frame(shifted) + self.frame_positions
        mask = nn.Transformer.generate_square_subsequent_mask(frames.shape[1], device=frames.device)
        x = self.transformer.decoder(tokens, memory, tgt_mask=mask, tgt_is_causal=True)
        y: Tensor = self.readout(x)
        return y
