"""SSM2Mel: state spaces, in a U-net and in Mamba, around attention, told who is listening.

Paper: Fan, Zhang, Zhang, Lv 2025, SSM2Mel: state space model to reconstruct mel spectrogram from the EEG,
ICASSP; its figure 1.
Release: the training code, with `Linear(64, 1)` at the end.
Licence: this code is ours, MIT.
The release differs from the paper: windows of 10 s instead of 5, 2000 epochs instead of 1000. It is what can
be checked, so it is the preset `paper`; from its weights the net here gives its outputs.
Our deviations:
- Every band has its output. The release trains one series against ten bands; that is the variant
  `broadcast`, whose net repeats its one output for every band.
- The release's parameters that no output depends on (74,176) are left out.
- S4's kernels are computed in double precision, the release's in single: outputs differ by about 5e-5.
- A subject that the net has not learned gets the mean of the learned subjects' embeddings.
- The paper's ablations are classes of their own, at the end. It does not say how they were made: without the
  S4-UNet all three are left out, and with Mamba or attention alone the other kind of block.

`ConvBlock` takes time for its channels, as released: the net fits windows of one length.

Shapes: (b, t, d), t samples at 64 Hz and d = d_model channels, 64 in the release as in the EEG; b windows,
K = n_bands outputs.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F  # noqa: N812 (torch's own abbreviation)
from torch import Tensor, nn

from harness.nn.attention import Attention, FeedForward
from harness.nn.mamba import Mamba
from harness.nn.s4 import S4Block

N_EEG_CHANNELS = 64
N_SLOTS = 8  # of the external attention
KERNEL_SAMPLES = 7  # of the blocks' first convolution
KERNEL_FEATURES = 7  # of ConvBlock's depthwise convolution


@dataclass(frozen=True)
class Config:
    """Sizes of a net; the defaults are the release's.

    Attributes:
        n_bands: K, 1 for the envelope, 10 for mel.
        window_samples: the one length of EEG that the net takes, 10 s; a multiple of 4.
        d_model: channels of everything, even. The net adds to the EEG and so has the EEG's 64; another width,
            as in the preset ``compact``, mixes EEG channels to as many first.
        d_inner: channels within the feed-forward part of an FFT block.
        d_wide: channels within the half-step feed-forward layers.
        n_heads: of the attention.
        kernel_samples: of the FFT block's first convolution, odd.
        n_s4_layers: in each stack of them.
        s4_states: of each channel in S4, even.
        mamba_states: of each channel in Mamba.
        n_custom: calls of the Custom block in a round of the backbone; one of the Mamba block follows.
        n_rounds: of the backbone.
        dropout: everywhere but on the attention's weights.
        attention_dropout: on the attention's weights.
    """

    n_bands: int = 10
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
    attention_dropout: float = 0.1


@dataclass(frozen=True)
class SubjectConfig(Config):
    """Sizes of a net that is told who is listening.

    Attributes:
        n_subjects: subjects that it learns.
    """

    n_subjects: int = 85


class SubjectEmbedding(nn.Module):
    """ESM: adds who is listening, and where the EEG's own times point in that."""

    def __init__(self, config: SubjectConfig) -> None:
        super().__init__()
        self.projection = nn.Linear(config.n_subjects, config.d_model)  # of the one-hot subject
        self.norm = nn.LayerNorm(config.d_model)
        self.attention = Attention(config.d_model, config.n_heads, config.dropout, config.attention_dropout)
        self.feed_forward = FeedForward(config.d_model, config.d_inner, config.kernel_samples, config.dropout)
        self.register_buffer("positions", sinusoids(config.window_samples, config.d_model), persistent=False)

    def forward(self, eeg: Tensor, subject_index: Tensor) -> Tensor:
        """EEG (b, t, d) and positions of subjects (b,), -1 for one not learned -> (b, t, d)."""
        learned = self.projection.weight.T  # (n_subjects, d)
        table = torch.cat([learned, learned.mean(dim=0, keepdim=True)])  # -1 is the last row
        subject = self.norm(table[subject_index] + self.projection.bias)
        told = eeg + subject[:, None]  #                             (b, t, d)
        x = self.attention(eeg + self.positions, told)  #            (b, t, d)
        x = self.norm(x)  # the norm of the subject again
        return told + (self.feed_forward(x) + x)


class S4Stack(nn.Module):
    """Linear to d channels, then S4 blocks, each post-norm with a residual."""

    def __init__(self, config: Config, n_features: int) -> None:
        super().__init__()
        n = config.n_s4_layers
        self.encoder = nn.Linear(n_features, config.d_model)
        self.layers = nn.ModuleList(
            S4Block(config.d_model, config.s4_states, config.dropout) for _ in range(n)
        )
        self.norms = nn.ModuleList(nn.LayerNorm(config.d_model) for _ in range(n))
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, x: Tensor) -> Tensor:
        """(b, t, n_features) -> (b, t, d)."""
        x = self.encoder(x)
        for layer, norm in zip(self.layers, self.norms, strict=True):
            x = norm(x + self.dropout(layer(x)))
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


class HalfStep(nn.Module):
    """x + half of a pre-LN feed-forward layer."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(config.d_model)
        self.widen = nn.Linear(config.d_model, config.d_wide)
        self.narrow = nn.Linear(config.d_wide, config.d_model)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, x: Tensor) -> Tensor:
        """(b, t, d) -> the same shape."""
        y = self.dropout(F.silu(self.widen(self.norm(x))))
        return x + 0.5 * self.dropout(self.narrow(y))


class FftBlock(nn.Module):
    """x + an FFT block of x, which has residuals of its own."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.attention = Attention(config.d_model, config.n_heads, config.dropout, config.attention_dropout)
        self.feed_forward = FeedForward(config.d_model, config.d_inner, config.kernel_samples, config.dropout)

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


class BidirectionalMamba(nn.Module):
    """One Mamba along time and one against it, side by side, then Linear."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.onward, self.backward_ = (Mamba(config.d_model, config.mamba_states) for _ in range(2))
        self.output = nn.Linear(2 * config.d_model, config.d_model)

    def forward(self, x: Tensor) -> Tensor:
        """(b, t, d) -> the same shape."""
        backward = self.backward_(x.flip(1)).flip(1)
        return self.output(torch.cat([self.onward(x), backward], dim=2))


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
        self.half_step = HalfStep(config)
        self.attention = self.ATTENTION(config)
        self.conv_block = ConvBlock(config)

    def forward(self, x: Tensor) -> Tensor:
        """(b, t, d) -> the same shape."""
        x = F.relu(self.norm(self.convolution(x.transpose(1, 2)))).transpose(1, 2)
        x = self.mixer(self.unet(x))
        x = self.half_step(x)
        x = self.attention(x)
        x = self.conv_block(x)
        return self.half_step(x)


class MambaBlock(CustomBlock):
    """The same with a bidirectional Mamba after the S4-UNet."""

    MIXER = BidirectionalMamba


class MambaBlockWithoutAttention(MambaBlock):
    """The ablation's block."""

    ATTENTION = nn.Identity


class Ssm2Mel(nn.Module):
    """The net."""

    ESM: ClassVar[Callable[..., nn.Module]] = SubjectEmbedding
    UNET: ClassVar[Callable[[Config], nn.Module]] = S4UNet
    EXTERNAL: ClassVar[Callable[[Config], nn.Module]] = ExternalAttention
    BLOCKS: ClassVar[dict[str, type[CustomBlock]]] = {"custom": CustomBlock, "mamba": MambaBlock}
    READOUT: ClassVar[Callable[[int, int], nn.Module]] = nn.Linear

    def __init__(self, config: Config) -> None:
        super().__init__()
        if config.window_samples % 4:
            raise ValueError(f"window_samples = {config.window_samples}, expected a multiple of 4")
        self.config = config
        same = config.d_model == N_EEG_CHANNELS
        self.mix = nn.Identity() if same else nn.Linear(N_EEG_CHANNELS, config.d_model)
        self.esm = self.ESM(config)
        self.unet = self.UNET(config)
        self.external = self.EXTERNAL(config)
        self.blocks = nn.ModuleDict(
            {name: block(config, self.UNET(config)) for name, block in self.BLOCKS.items()}
        )
        calls = (["custom"] * config.n_custom + ["mamba"]) * config.n_rounds
        self.calls = [name for name in calls if name in self.blocks]
        self.readout = self.READOUT(config.d_model, config.n_bands)

    def forward(self, eeg: Tensor, subject_index: Tensor) -> Tensor:
        """EEG (b, t, 64) and positions of subjects (b,), -1 for one not learned -> (b, t, K).

        Raises:
            ValueError: t is not the configuration's ``window_samples``.
        """
        if eeg.shape[1] != self.config.window_samples:
            expected = f"{self.config.window_samples}: the net takes one length"
            raise ValueError(f"EEG of {eeg.shape[1]} samples, expected {expected}")
        x0 = self.esm(self.mix(eeg), subject_index)  # who listens         (b, t, d)
        x = self.external(self.unet(x0))  # S4-UNet, external attention    (b, t, d)
        for name in self.calls:  # Custom, Custom, Mamba, and again         (b, t, d)
            x = self.blocks[name](x0 + x)
        return self.readout(x)  #                                          (b, t, K)


class EegAlone(nn.Module):
    """In the embedding's place: the EEG as it is."""

    def __init__(self, config: Config) -> None:
        super().__init__()

    def forward(self, eeg: Tensor, subject_index: Tensor) -> Tensor:
        """(b, t, d) -> the same."""
        return eeg


class OneSeries(nn.Linear):
    """One output, the same for every band."""

    def __init__(self, n_features: int, n_bands: int) -> None:
        super().__init__(n_features, 1)
        self.n_bands = n_bands

    def forward(self, x: Tensor) -> Tensor:
        """(b, t, n_features) -> (b, t, n_bands)."""
        return super().forward(x).expand(-1, -1, self.n_bands)


class WithoutS4UNet(Ssm2Mel):
    """No S4-UNet, neither before the backbone nor in its blocks."""

    UNET = nn.Identity


class WithoutExternalAttention(Ssm2Mel):
    """The S4-UNet's output goes to the backbone as it is."""

    EXTERNAL = nn.Identity


class WithoutEsm(Ssm2Mel):
    """The EEG itself in x0's place."""

    ESM = EegAlone


class MambaOnly(Ssm2Mel):
    """A backbone of Mamba blocks that have no FFT block."""

    BLOCKS: ClassVar[dict[str, type[CustomBlock]]] = {"mamba": MambaBlockWithoutAttention}


class AttentionOnly(Ssm2Mel):
    """A backbone of Custom blocks."""

    BLOCKS: ClassVar[dict[str, type[CustomBlock]]] = {"custom": CustomBlock}


class Broadcast(Ssm2Mel):
    """The release's one output, trained against every band."""

    READOUT = OneSeries


def along_time(layer: nn.Module, x: Tensor) -> Tensor:
    """A layer that wants (b, channels, t) applied to (b, t, channels)."""
    y: Tensor = layer(x.transpose(1, 2))
    return y.transpose(1, 2)


def sinusoids(n_times: int, d_model: int) -> Tensor:
    """The transformer's positions, (n_times, d_model): sines on even features, cosines on odd ones."""
    rates = torch.exp(torch.arange(0, d_model, 2) * (-math.log(10_000.0) / d_model))
    angles = torch.arange(n_times)[:, None] * rates
    return torch.stack([angles.sin(), angles.cos()], dim=2).flatten(1)


NETS: dict[str, tuple[type[Ssm2Mel], type[Config]]] = {  # variant -> net, its configuration
    "full": (Ssm2Mel, SubjectConfig),
    "no-s4-unet": (WithoutS4UNet, SubjectConfig),
    "no-external-attention": (WithoutExternalAttention, SubjectConfig),
    "no-esm": (WithoutEsm, Config),
    "mamba-only": (MambaOnly, SubjectConfig),
    "mhsa-only": (AttentionOnly, SubjectConfig),
    "broadcast": (Broadcast, SubjectConfig),
}
_COMPACT = {
    "window_samples": 192,
    "d_model": 32,
    "d_inner": 64,
    "d_wide": 128,
    "kernel_samples": 5,
    "n_s4_layers": 1,
    "s4_states": 16,
    "mamba_states": 8,
    "n_custom": 1,
    "n_rounds": 1,
    "dropout": 0.1,
    "attention_dropout": 0.0,
}
PRESETS = {  # variant -> preset
    variant: {"paper": config(), "compact": config(**_COMPACT)} for variant, (_, config) in NETS.items()
}
