"""SSM2Mel's sizes and its blocks, in the order in which the net meets them; `model` puts them together.

Paper: Fan et al. 2025, SSM2Mel, doi 10.1109/ICASSP49660.2025.10888785, arXiv 2501.10402 (see `model`); its
figure 1.
Release: SSM2Mel's training code.
Licence: this code is ours, MIT.
Our deviations: as `model` lists them.

Shapes: (b, t, d), d = d_model channels; b windows of t samples.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import torch.nn.functional as F  # noqa: N812 (torch's own abbreviation)
from torch import Tensor, nn

from harness.nn.attention import Attention, FeedForward, HalfStep
from harness.nn.esm import SubjectEmbedding
from harness.nn.mamba import BidirectionalMamba
from harness.nn.s4 import S4Block

N_SLOTS = 8  # of the external attention
KERNEL_SAMPLES = 7  # of the blocks' first convolution
KERNEL_FEATURES = 7  # of ConvBlock's depthwise convolution


@dataclass(frozen=True)
class Config:
    """Sizes of a net; the defaults are the release's.

    Attributes:
        n_bands: K, 1 for the envelope, 10 for mel.
        n_channels: EEG channels.
        window_samples: the one length of EEG that the net takes, 10 s at 64 Hz; a multiple of
            `window_multiple`.
        d_model: channels of everything, even. The net adds to the EEG and so has its 64 channels; where it
            has another number, as in the preset ``compact``, EEG channels are mixed to as many first.
        d_inner: channels within the feed-forward part of an FFT block.
        d_wide: channels within the half-step feed-forward layers.
        n_heads: of the attention.
        kernel_samples: of the FFT block's first convolution, odd.
        n_s4_layers: in each stack of them.
        s4_states: of each channel in S4, even.
        mamba_states: of each channel in Mamba.
        n_custom: calls of the Custom block in a round of the backbone; one of the Mamba block follows.
        n_rounds: of the backbone.
        dropout: everywhere but on the attention's weights and in stacks of S4.
        s4_dropout: in every stack of S4, of single values twice in each block, and of whole channels on what
            a block gives.
        attention_dropout: on the attention's weights.
    """

    n_bands: int = 10
    n_channels: int = 64
    window_samples: int = 640
    d_model: int = 64
    d_inner: int = 1024
    d_wide: int = 2048
    n_heads: int = 2
    kernel_samples: int = 9
    n_s4_layers: int = 8
    s4_states: int = 64
    mamba_states: int = 128
    n_custom: int = 2
    n_rounds: int = 2
    dropout: float = 0.5
    s4_dropout: float = 0.3
    attention_dropout: float = 0.1

    @property
    def window_multiple(self) -> int:
        """The S4-UNet halves the window twice."""
        return 4


@dataclass(frozen=True)
class SubjectConfig(Config):
    """Sizes of a net that is told who is listening.

    Attributes:
        n_subjects: subjects that it learns.
    """

    n_subjects: int = 85


def subject_embedding(config: SubjectConfig) -> SubjectEmbedding:
    """ESM."""
    return SubjectEmbedding(
        config.d_model,
        config.n_subjects,
        config.window_samples,
        lambda: attention(config),
        lambda: feed_forward(config),
    )


def attention(config: Config) -> Attention:
    """The attention of an FFT block."""
    return Attention(config.d_model, config.n_heads, config.dropout, config.attention_dropout)


def feed_forward(config: Config) -> FeedForward:
    """The feed-forward part of an FFT block."""
    return FeedForward(config.d_model, config.d_inner, config.kernel_samples, config.dropout)


class S4Stack(nn.Module):
    """Linear to d channels, then S4 blocks, each post-norm with a residual."""

    def __init__(self, config: Config, n_features: int) -> None:
        super().__init__()
        n = config.n_s4_layers
        self.encoder = nn.Linear(n_features, config.d_model)
        self.layers = nn.ModuleList(
            S4Block(config.d_model, config.s4_states, config.s4_dropout) for _ in range(n)
        )
        self.norms = nn.ModuleList(nn.LayerNorm(config.d_model) for _ in range(n))
        self.drops = nn.ModuleList(nn.Dropout1d(config.s4_dropout) for _ in range(n))  # whole channels

    def forward(self, x: Tensor) -> Tensor:
        """(b, t, n_features) -> (b, t, d)."""
        x = self.encoder(x)
        for layer, drop, norm in zip(self.layers, self.drops, self.norms, strict=True):
            x = norm(x + along_time(drop, layer(x)))
        return x


class S4UNet(nn.Module):
    """Down to a quarter of the samples and up again, a stack of S4 on each level."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.down_half = nn.Conv1d(config.d_model, config.d_model, 3, stride=2, padding=1)
        self.down_quarter = nn.Conv1d(config.d_model, config.d_model, 2, stride=2)
        self.s4_quarter, self.s4_half, self.s4_whole = (S4Stack(config, config.d_model) for _ in range(3))
        doubled = {"kernel_size": 3, "stride": 2, "padding": 1, "output_padding": 1}
        self.up_half = nn.ConvTranspose1d(config.d_model, config.d_model, **doubled)
        self.up_whole = nn.ConvTranspose1d(config.d_model, config.d_model, **doubled, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(b, t, d) -> the same shape."""
        half = along_time(self.down_half, x)  #                          (b, t/2, d)
        quarter = along_time(self.down_quarter, half)  #                 (b, t/4, d)
        y = quarter + self.s4_quarter(quarter)  #                           (b, t/4, d)
        y = self.s4_half(along_time(self.up_half, y) + half)  #             (b, t/2, d)
        return self.s4_whole(along_time(self.up_whole, y) + x)  #           (b, t, d)


class ExternalAttention(nn.Module):
    """Attention over learned slots: softmax over time, then each time's slots are made to sum to 1."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.keys = nn.Linear(config.d_model, N_SLOTS, bias=False)
        self.values = nn.Linear(N_SLOTS, config.d_model, bias=False)
        for layer in (self.keys, self.values):
            nn.init.normal_(layer.weight, std=0.001)

    def forward(self, x: Tensor) -> Tensor:
        """(b, t, d) -> the same shape."""
        weights = self.keys(x).softmax(dim=1)  # over time   (b, t, N_SLOTS)
        return self.values(weights / weights.sum(dim=2, keepdim=True))


class FftBlock(nn.Module):
    """x + an FFT block of x, which has residuals of its own."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.attention = attention(config)
        self.feed_forward = feed_forward(config)

    def forward(self, x: Tensor) -> Tensor:
        """(b, t, d) -> the same shape."""
        return x + self.feed_forward(self.attention(x))


class ConvBlock(nn.Module):
    """x + convolutions whose channels are the window's samples, along the features, then S4 along time."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        t = config.window_samples
        self.mix_in, self.mix_out = nn.Conv1d(t, t, 1), nn.Conv1d(t, t, 1)
        self.norm_in, self.norm_out = nn.GroupNorm(1, t), nn.GroupNorm(1, t)
        self.depthwise = nn.Conv1d(t, t, KERNEL_FEATURES, padding="same", groups=t)
        self.dropout = nn.Dropout(config.dropout)
        self.s4 = S4Stack(config, config.d_model // 2)

    def forward(self, x: Tensor) -> Tensor:
        """(b, t, d) -> the same shape."""
        y = F.glu(self.norm_in(self.mix_in(x)), dim=2)  # half of the features    (b, t, d/2)
        y = self.depthwise(self.dropout(F.silu(y)))  # along the features         (b, t, d/2)
        y = self.mix_out(self.norm_out(y))  #                                     (b, t, d/2)
        return x + self.s4(y)  #                                                  (b, t, d)


class CustomBlock(nn.Module):
    """Convolution, S4-UNet, attention and ConvBlock between two half steps, which are one layer."""

    MIXER: ClassVar[Callable[[Config], nn.Module]] = nn.Identity
    ATTENTION: ClassVar[Callable[[Config], nn.Module]] = FftBlock

    def __init__(self, config: Config, unet: nn.Module) -> None:
        super().__init__()
        self.convolution = nn.Conv1d(config.d_model, config.d_model, KERNEL_SAMPLES, padding="same")
        self.norm = nn.BatchNorm1d(config.d_model)
        self.unet = unet
        self.mixer = self.MIXER(config)
        self.half_step = HalfStep(config.d_model, config.d_wide, config.dropout)
        self.attention = self.ATTENTION(config)
        self.conv_block = ConvBlock(config)

    def forward(self, x: Tensor) -> Tensor:
        """(b, t, d) -> the same shape."""
        x = F.relu(self.norm(self.convolution(x.transpose(1, 2)))).transpose(1, 2)
        x = self.mixer(self.unet(x))  # in the Mamba block, Mamba in both directions
        x = self.half_step(x)
        x = self.attention(x)
        x = self.conv_block(x)
        return self.half_step(x)  # the same layer again


def bidirectional_mamba(config: Config) -> BidirectionalMamba:
    """Mamba in both directions."""
    return BidirectionalMamba(config.d_model, config.mamba_states)


class MambaBlock(CustomBlock):
    """The same with a bidirectional Mamba after the S4-UNet."""

    MIXER = staticmethod(bidirectional_mamba)


class MambaBlockWithoutAttention(MambaBlock):
    """The ablation's block."""

    ATTENTION = nn.Identity


def along_time(layer: nn.Module, x: Tensor) -> Tensor:
    """A layer that wants (b, channels, t) applied to (b, t, channels)."""
    y: Tensor = layer(x.transpose(1, 2))
    return y.transpose(1, 2)
