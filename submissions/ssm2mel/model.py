"""SSM2Mel: state spaces, in a U-net and in Mamba, around attention, told who is listening.

Paper: Fan, Zhang, Zhang, Pan, Lv 2025, SSM2Mel: state space model to reconstruct mel spectrogram from the
EEG, ICASSP, doi 10.1109/ICASSP49660.2025.10888785, arXiv 2501.10402; its figure 1.
Release: the training code, with `Linear(64, 1)` at the end.
Licence: this code is ours, MIT.
The release differs from the paper: windows of 10 s instead of 5, 2000 epochs instead of 1000. It is what can
be checked, so it is the preset `paper`; from its weights the net here gives its outputs.
Our deviations:
- Every band has its output. The release trains one series against ten bands; that is the variant
  `broadcast`, whose net repeats its one output for every band.
- The release's parameters that no output depends on (74,176) are left out.
- S4's kernels are computed in double precision, the release's in single: outputs differ by about 5e-5.
- What the training does otherwise: `train.py`.
- A subject that the net has not learned gets the mean of the learned subjects' embeddings.
- The paper's ablations are classes of their own, at the end. It does not say how they were made: without the
  S4-UNet all three are left out, and with Mamba or attention alone the other kind of block.

`blocks.ConvBlock` takes time for its channels, as released: the net fits windows of one length.

Shapes: (b, t, d), E = n_channels EEG channels and d = d_model channels, both 64 in the release, K = n_bands
outputs; b windows of t samples.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from blocks import (
    Config,
    CustomBlock,
    ExternalAttention,
    MambaBlock,
    MambaBlockWithoutAttention,
    S4UNet,
    SubjectConfig,
    subject_embedding,
)
from torch import Tensor, nn


class Ssm2Mel(nn.Module):
    """The net."""

    ESM: ClassVar[Callable[..., nn.Module]] = staticmethod(subject_embedding)
    UNET: ClassVar[Callable[[Config], nn.Module]] = S4UNet
    EXTERNAL: ClassVar[Callable[[Config], nn.Module]] = ExternalAttention
    BLOCKS: ClassVar[dict[str, type[CustomBlock]]] = {"custom": CustomBlock, "mamba": MambaBlock}
    READOUT: ClassVar[Callable[[int, int], nn.Module]] = nn.Linear

    def __init__(self, config: Config) -> None:
        super().__init__()
        if config.window_samples % config.window_multiple:
            raise ValueError(
                f"window_samples = {config.window_samples}, expected a multiple of {config.window_multiple}"
            )
        self.config = config
        same = config.d_model == config.n_channels
        self.mix = nn.Identity() if same else nn.Linear(config.n_channels, config.d_model)
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
        """EEG (b, t, E) and positions of subjects (b,), -1 for one not learned -> (b, t, K).

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
    "s4_dropout": 0.06,
    "attention_dropout": 0.0,
}
PRESETS = {  # variant -> preset
    variant: {"paper": config(), "compact": config(**_COMPACT)} for variant, (_, config) in NETS.items()
}
