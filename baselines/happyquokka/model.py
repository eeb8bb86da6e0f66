"""HappyQuokka: a transformer without positions, told who is listening.

Paper: Piao, Kim, Yoon, Kang 2023, HappyQuokka system for ICASSP 2023 auditory EEG challenge, arXiv
2305.06806; its figure 1. First of the 2023 challenge's Task 2.
Release: the training code, for the envelope, with `Linear(128, 1)` at the end; with the global conditioner
for the challenge's 71 known subjects, without it for held-out ones.
Licence: this code is ours, MIT.
Our deviations: none in the net where the subject is known; it gives the release's outputs from the
release's weights. The two ways to use it are two classes, so that the net without the conditioner lacks the
conditioner's weights, which the release keeps and does not use. A subject that the conditioned net has not
learned gets the mean of the learned subjects' embeddings. Every band has its output: ten for mel.
Checked: both nets' outputs against those of the release's code, with the conditioner and with it switched
off, from weights drawn at random, narrow (2 blocks, 32 channels) and in eval mode, with ten outputs. Not
checked: a checkpoint that the authors trained. That their net for held-out subjects, `unconditioned` here,
had the recipe of the other is our reading of the code. What the training does otherwise: `train.py`.

There is no positional encoding, no mask and no norm before the readout: time enters through the
convolutions alone.

Shapes: (b, t, channels), E = n_channels EEG channels (64 in the release), K = n_bands outputs; b segments of
t samples.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from harness.nn.attention import Attention, FeedForward
from harness.nn.subjects import embedded


@dataclass(frozen=True)
class Config:
    """Sizes of a net; the defaults are the release's.

    Attributes:
        n_bands: K, 1 for the envelope, 10 for mel.
        n_channels: E, EEG channels.
        d_model: channels of every block.
        d_inner: channels between the two convolutions of a block's feed-forward part.
        n_heads: of the attention.
        n_blocks: FFT blocks.
        embed_samples: kernel of the convolution that takes the EEG, odd.
        kernel_samples: kernel of the feed-forward part's first convolution, odd; the second has 1.
        dropout: after the attention's output and after the feed-forward part.
        attention_dropout: on the attention's weights.
        window_samples: length of EEG that the net is trained on and applied to, 10 s at 64 Hz.
    """

    n_bands: int = 1
    n_channels: int = 64
    d_model: int = 128
    d_inner: int = 1024
    n_heads: int = 2
    n_blocks: int = 8
    embed_samples: int = 7
    kernel_samples: int = 9
    dropout: float = 0.3
    attention_dropout: float = 0.1
    window_samples: int = 640


@dataclass(frozen=True)
class ConditionedConfig(Config):
    """Sizes of a net with the global conditioner.

    Attributes:
        n_subjects: subjects that it learns.
    """

    n_subjects: int = 71


_COMPACT = {"d_model": 32, "d_inner": 64, "n_blocks": 3, "dropout": 0.2, "attention_dropout": 0.0}
PRESETS = {  # variant -> preset
    "conditioned": {"paper": ConditionedConfig(), "compact": ConditionedConfig(**_COMPACT)},
    "unconditioned": {"paper": Config(), "compact": Config(**_COMPACT)},
}


def fft_block(config: Config) -> nn.Sequential:
    """One block: self-attention, then two convolutions."""
    return nn.Sequential(
        Attention(config.d_model, config.n_heads, config.dropout, config.attention_dropout),
        FeedForward(config.d_model, config.d_inner, config.kernel_samples, config.dropout),
    )


class Conditioner(nn.Module):
    """A learned vector for every subject: a linear layer of the one-hot subject."""

    def __init__(self, config: ConditionedConfig) -> None:
        super().__init__()
        self.projection = nn.Linear(config.n_subjects, config.d_model)

    def forward(self, subject_index: Tensor) -> Tensor:
        """Positions of subjects (b,), -1 for one that is not learned -> (b, 1, d_model)."""
        return embedded(self.projection, subject_index)


class UnconditionedHappyQuokka(nn.Module):
    """The net for held-out subjects."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.embed = nn.Conv1d(config.n_channels, config.d_model, config.embed_samples, padding="same")
        self.blocks = nn.Sequential(*(fft_block(config) for _ in range(config.n_blocks)))
        self.readout = nn.Linear(config.d_model, config.n_bands)

    def forward(self, eeg: Tensor, subject_index: Tensor | None = None) -> Tensor:
        """EEG (b, t, E) -> (b, t, K); subjects are not used."""
        x = self.embed(eeg.transpose(1, 2)).transpose(1, 2)  # convolution   (b, t, d_model)
        x = self.blocks(x)  # attention and feed-forward, n_blocks times     (b, t, d_model)
        return self.readout(x)  #                                            (b, t, K)


class HappyQuokka(UnconditionedHappyQuokka):
    """The net with the global conditioner."""

    def __init__(self, config: ConditionedConfig) -> None:
        super().__init__(config)
        self.conditioner = Conditioner(config)

    def forward(self, eeg: Tensor, subject_index: Tensor) -> Tensor:
        """EEG (b, t, E) and positions of subjects (b,), -1 for one not learned -> (b, t, K)."""
        x = self.embed(eeg.transpose(1, 2)).transpose(1, 2)  # convolution   (b, t, d_model)
        x = x + self.conditioner(subject_index)  # who listens               (b, t, d_model)
        x = self.blocks(x)  # attention and feed-forward, n_blocks times     (b, t, d_model)
        return self.readout(x)  #                                            (b, t, K)


NETS = {  # variant -> net, its configuration
    "conditioned": (HappyQuokka, ConditionedConfig),
    "unconditioned": (UnconditionedHappyQuokka, Config),
}
