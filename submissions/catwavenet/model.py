"""CAT-WaveNet: speech from coarse to fine, each stage seeing the EEG through the stage before.

Paper: Fang, Li, Zhang, Chen, Gao 2024, Cross-Attention-Guided WaveNet for Mel Spectrogram Reconstruction in
The ICASSP 2024 Auditory EEG Challenge, doi 10.1109/ICASSPW62465.2024.10627006; its figure 1. Team bigbrain,
second in the challenge's Task 2.
Release: the training code, for mel; windows of 30 s.
Licence: this code is ours, MIT.
Our deviations: the parameters that the release holds and does not use are left out (the attention's
`skip_out`, a linear layer `proj1` in every WaveNet, the last layer's convolution to a next one). A net that
predicts stops after the stage that is asked for. Where anything but mel is asked for, the envelope or the
feature of another corpus, that is the first stage, which is then all that is trained: the stages after it
need mel and audio. What the net computes is the release's: from the release's weights it
gives the release's outputs. What the training does otherwise: `train.py`.

Four stages: envelope (1) -> mel (10) -> mel of 80 bands -> power spectrum (257). The first is a WaveNet on
the EEG; every other a WaveNet on a cross-attention of the EEG and the stage before. Only mel is scored; the
last two stages are there to train the first two.

The cross-attention's features are the window's samples, so these nets take one length, window_samples.

Shapes: (b, t, channels) at both ends, (b, channels, t) within; E = n_channels EEG channels (64 in the
release), which the cross-attention has too; b segments of t samples.
"""

from __future__ import annotations

from dataclasses import dataclass

from crossattention import MutualCrossAttention, Sizes
from torch import Tensor, nn
from wavenet import WaveNet

N_MEL80_BANDS = 80
N_MAGNITUDE_BINS = 257


@dataclass(frozen=True)
class Config:
    """Sizes of a net; the defaults are the release's.

    Attributes:
        n_bands: of the feature: 10 for mel, 1 for the envelope.
        n_channels: E, EEG channels.
        n_filters: channels of each stage's WaveNet: envelope, mel, mel of 80 bands, power spectrum. A
            WaveNet that stands alone has the first.
        n_layers: of every WaveNet.
        dilation_cycle: layer i of a WaveNet has dilation 2^(i mod dilation_cycle).
        n_attention_hidden: channels within the projections of the cross-attention.
        n_attention_layers: of every cross-attention.
        attention_mix_samples: kernel of the convolution at a cross-attention's end, odd.
        attention_dropout: on the attention's weights and on its result.
        window_samples: length of EEG that the net is trained on and applied to, 30 s at 64 Hz.
    """

    n_bands: int = 10
    n_channels: int = 64
    n_filters: tuple[int, int, int, int] = (128, 128, 128, 512)
    n_layers: int = 36
    dilation_cycle: int = 12
    n_attention_hidden: int = 128
    n_attention_layers: int = 2
    attention_mix_samples: int = 3
    attention_dropout: float = 0.1
    window_samples: int = 1920

    def wavenet(self, stage: int, n_out: int) -> WaveNet:
        """The WaveNet of a stage, counted from 0."""
        return WaveNet(self.n_channels, n_out, self.n_filters[stage], self.n_layers, self.dilation_cycle)

    def cross_attention(self) -> MutualCrossAttention:
        """One cross-attention module; they are all alike."""
        return MutualCrossAttention(
            Sizes(
                self.n_channels,
                self.n_attention_hidden,
                self.n_attention_layers,
                self.attention_mix_samples,
                self.attention_dropout,
            )
        )


PRESETS = {
    "paper": Config(),
    "compact": Config(
        n_filters=(32, 32, 16, 16),
        n_layers=6,
        dilation_cycle=6,
        n_attention_hidden=8,
        n_attention_layers=1,
        attention_mix_samples=1,
        attention_dropout=0.0,
        window_samples=640,
    ),
}


class Stage(nn.Module):
    """A stage but the first: the stage before and the EEG, each with itself, then one with the other."""

    def __init__(self, config: Config, stage: int, n_before: int, n_out: int) -> None:
        super().__init__()
        self.widen = nn.Conv1d(n_before, config.n_channels, 1)
        self.attend_before = config.cross_attention()
        self.attend_eeg = config.cross_attention()
        self.attend_both = config.cross_attention()
        self.wavenet: nn.Module = config.wavenet(stage, n_out)

    def forward(self, before: Tensor, eeg: Tensor) -> Tensor:
        """The stage before (b, n_before, t) and EEG (b, E, t) -> (b, n_out, t)."""
        p = self.widen(before)  #         (b, E, t)
        p = self.attend_before(p, p)  #   (b, E, t)
        e = self.attend_eeg(eeg, eeg)  #  (b, E, t)
        x = self.attend_both(p, e)  #     (b, E, t)
        return self.wavenet(x)  #         (b, n_out, t)


class WaveNetOnly(nn.Module):
    """The feature by one WaveNet: the paper's first ablation for mel, and the net of every other feature."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.wavenet: nn.Module = config.wavenet(0, config.n_bands)

    def forward(self, eeg: Tensor, subject_index: Tensor | None = None) -> Tensor:
        """EEG (b, t, E) -> (b, t, n_bands); subjects are not used."""
        return self.wavenet(eeg.transpose(1, 2)).transpose(1, 2)

    def for_prediction(self) -> WaveNetOnly:
        """This net with plain weights; it is changed, and not to be trained further."""
        self.wavenet = self.wavenet.folded()
        return self.eval()


class TwoStage(nn.Module):
    """Envelope, then mel: the paper's second ablation, and the part of the full net that predicts."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.envelope: nn.Module = config.wavenet(0, 1)
        self.mel = Stage(config, 1, 1, config.n_bands)

    def forward(self, eeg: Tensor, subject_index: Tensor | None = None) -> Tensor | dict[str, Tensor]:
        """EEG (b, t, E) -> mel (b, t, 10); in training every stage's output, by name."""
        if self.training:
            return self.outputs(eeg)
        x = self._window(eeg)
        return self.mel(self.envelope(x), x).transpose(1, 2)

    def outputs(self, eeg: Tensor) -> dict[str, Tensor]:
        """EEG (b, t, E) -> name of a stage -> its output (b, t, bands)."""
        x = self._window(eeg)  #                               (b, E, t)
        envelope = self.envelope(x)  #                         (b, 1, t)
        mel = self.mel(envelope, x)  #                         (b, 10, t)
        return _times_first({"envelope": envelope, "mel": mel})

    def for_prediction(self) -> TwoStage:
        """This net with plain weights; it is changed, and not to be trained further."""
        self.envelope = self.envelope.folded()
        self.mel.wavenet = self.mel.wavenet.folded()
        return self.eval()

    def _window(self, eeg: Tensor) -> Tensor:
        """(b, t, E) -> (b, E, t), of the one length that the attention takes."""
        if eeg.shape[1] != self.config.window_samples:
            raise ValueError(
                f"EEG of {eeg.shape[1]} samples, expected {self.config.window_samples}, the net's window:"
                " its attention takes no other length"
            )
        return eeg.transpose(1, 2)


class CatWaveNet(TwoStage):
    """The full net."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.mel80 = Stage(config, 2, config.n_bands, N_MEL80_BANDS)
        self.magnitude = Stage(config, 3, N_MEL80_BANDS, N_MAGNITUDE_BINS)

    def outputs(self, eeg: Tensor) -> dict[str, Tensor]:
        """EEG (b, t, E) -> name of a stage -> its output (b, t, bands)."""
        x = self._window(eeg)  #                               (b, E, t)
        envelope = self.envelope(x)  #                         (b, 1, t)
        mel = self.mel(envelope, x)  #                         (b, 10, t)
        mel80 = self.mel80(mel, x)  #                          (b, 80, t)
        magnitude = self.magnitude(mel80, x)  #                (b, 257, t)
        return _times_first({"envelope": envelope, "mel": mel, "mel80": mel80, "magnitude": magnitude})

    def for_prediction(self) -> TwoStage:
        """The first two stages with plain weights; this net is changed, and not to be trained further."""
        del self.mel80, self.magnitude
        return super().for_prediction()


NETS: dict[str, type[nn.Module]] = {  # variant -> net
    "full": CatWaveNet,
    "wavenet-only": WaveNetOnly,
    "two-stage": TwoStage,
    "no-mixup": CatWaveNet,
}


def net_of(variant: str, feature: str) -> type[nn.Module]:
    """A variant's net for a feature: for all but mel every variant is the first stage, one WaveNet."""
    return NETS[variant] if feature == "mel" else WaveNetOnly


def _times_first(outputs: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: output.transpose(1, 2) for name, output in outputs.items()}
