"""DMF2Mel: fusion of a multiscale branch and a whole-window branch, by attention through learned curves.

Paper: Fan, Zhang, Zhang, Liu, Li, Zhao, Lv 2025, DMF2Mel: a dynamic multiscale fusion network for EEG-driven
mel spectrogram reconstruction, arXiv 2507.07526; its figure 1.
Release: the training code, for windows of 10 s and 85 subjects, with `Linear(64, 1)` at the end.
Licence: this code is ours, MIT.
Our deviations:
- every mel band has its output. The release's one output is broadcast against ten bands by its losses; the
  variant `broadcast` does that, in the open;
- `feedback_conv` of ADAF, 20 parameters that the release never uses, is left out;
- what only meets padding is not computed (`hams.py`, `dcfam.py`); the numbers are the release's;
- what the training does otherwise: `train.py`;
- a subject that is not learned gets the mean of the learned subjects' embeddings;
- with `d_model` other than the number of EEG channels a linear layer stands before the net, and with `fold`
  above 1 that many consecutive samples share a channel of DC_FAM. Neither is so in the paper preset for the
  64 channels of the release: they are what makes a small net of the same topology possible.

A variant without a branch hands x0 on in its place; without Mamba the fused series goes to the readout; in
place of SplineMap attention stands the attention of the FFT block, with linear projections.

Files: `kan.py` KAN, AGKAN, SplineMap attention; `hams.py` HAMS, ADAF; `dcfam.py` DC_FAM; `backbone.py` the
Mamba block; here the net. ESM, which SSM2Mel has too, is in `harness.nn.esm`.

Shapes: (b, t, d), t = window_samples, d = d_model, E = n_channels EEG channels, K = n_bands outputs; b
segments.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from backbone import MambaBlock, MambaTwice
from dcfam import DcFam, WholeWindow
from hams import Hams, Multiscale
from kan import Projections, SplineMapAttention
from torch import Tensor, nn

from harness.nn.attention import Attention, FeedForward
from harness.nn.esm import SubjectEmbedding

N_FUSIONS = 6


@dataclass(frozen=True)
class Config:
    """Sizes of a net; the defaults are the release's.

    Attributes:
        n_bands: K, 1 for the envelope, 10 for mel.
        n_channels: E, EEG channels.
        n_subjects: subjects that the net learns.
        d_model: features of every block.
        d_inner: channels between the two convolutions of ESM's feed-forward part.
        n_heads: of the attention.
        grids: intervals in [-1, 1] of the curves of query, key, value and output.
        slots: learned slots of AGKAN, likewise.
        kernel_samples: kernel of the feed-forward part's first convolution, odd.
        n_hams: times that HAMS is applied.
        d_reduced: channels of ADAF's two attentions.
        n_dcfam: times that DC_FAM is applied.
        dcfam_heads: of DC_FAM.
        fold: consecutive samples that share a channel of DC_FAM, which has window_samples / fold.
        d_state: states of Mamba.
        d_conv: kernel of Mamba's convolution.
        expand: width of Mamba, times d_model.
        d_feed: width of the Mamba block's feed-forward part.
        dropout: after attention, feed-forward parts and convolutions.
        attention_dropout: on the attention's weights.
        adaf_dropout: of whole channels in ADAF.
        dcfam_dropout: on DC_FAM's weights of neighbours.
        window_samples: the one length of EEG that the net takes, 10 s at 64 Hz; a multiple of
            `window_multiple`.
    """

    n_bands: int = 10
    n_channels: int = 64
    n_subjects: int = 85
    d_model: int = 64
    d_inner: int = 1024
    n_heads: int = 2
    grids: tuple[int, ...] = (8, 6, 8, 6)
    slots: tuple[int, ...] = (64, 32, 64, 128)
    kernel_samples: int = 9
    n_hams: int = 6
    d_reduced: int = 4
    n_dcfam: int = 4
    dcfam_heads: int = 8
    fold: int = 1
    d_state: int = 128
    d_conv: int = 4
    expand: int = 2
    d_feed: int = 2048
    dropout: float = 0.5
    attention_dropout: float = 0.1
    adaf_dropout: float = 0.05
    dcfam_dropout: float = 0.1
    window_samples: int = 640

    @property
    def window_multiple(self) -> int:
        """HAMS halves the window three times; DC_FAM folds it, and parts what is left among its heads."""
        return math.lcm(8, self.fold * self.dcfam_heads)


PRESETS = {
    "paper": Config(),
    "compact": Config(
        d_model=32,
        d_inner=64,
        n_heads=1,
        grids=(3, 3, 3, 3),
        slots=(16, 8, 16, 32),
        n_hams=2,
        n_dcfam=2,
        dcfam_heads=4,
        fold=4,
        d_state=16,
        expand=1,
        d_feed=64,
        dropout=0.1,
        attention_dropout=0.0,
        dcfam_dropout=0.0,
        window_samples=192,
    ),
}


def multiscale(config: Config) -> nn.Module:
    """The branch of HAMS."""
    return Multiscale(Hams(config.d_model, config.d_reduced, config.adaf_dropout), config.n_hams)


def whole_window(config: Config) -> nn.Module:
    """The branch of DC_FAM."""
    dcfam = DcFam(config.window_samples // config.fold, config.dcfam_heads, config.dcfam_dropout)
    return WholeWindow(dcfam, config.n_dcfam, config.fold)


def mamba_twice(config: Config) -> nn.Module:
    """What follows the fusion."""
    return MambaTwice(
        MambaBlock(
            config.d_model, config.d_state, config.d_conv, config.expand, config.d_feed, config.dropout
        )
    )


def without(config: Config) -> nn.Module:  # noqa: ARG001 (called like the others)
    """In place of a branch, or of the Mamba block: what came in."""
    return nn.Identity()


def spline_map(config: Config) -> nn.Module:
    """SplineMap attention."""
    return SplineMapAttention(
        config.d_model,
        config.n_heads,
        config.dropout,
        config.attention_dropout,
        Projections(*config.grids),
        Projections(*config.slots),
    )


def linear_attention(config: Config) -> nn.Module:
    """The attention of the FFT block, in place of SplineMap."""
    return Attention(config.d_model, config.n_heads, config.dropout, config.attention_dropout)


def embedding(n_channels: int, d_model: int) -> nn.Linear:
    """From EEG channels to features: at first a rotation, so that they are as large as the EEG."""
    layer = nn.Linear(n_channels, d_model)
    nn.init.orthogonal_(layer.weight)
    return layer


class Dmf2Mel(nn.Module):
    """The net; its variants put other blocks in the four places named first."""

    multiscale_branch = staticmethod(multiscale)
    window_branch = staticmethod(whole_window)
    attention = staticmethod(spline_map)
    backbone_block = staticmethod(mamba_twice)

    def __init__(self, config: Config) -> None:
        super().__init__()
        _check(config)
        self.config = config
        same = config.d_model == config.n_channels
        self.embed = nn.Identity() if same else embedding(config.n_channels, config.d_model)
        self.esm = SubjectEmbedding(
            config.d_model,
            config.n_subjects,
            config.window_samples,
            lambda: self.attention(config),
            lambda: FeedForward(config.d_model, config.d_inner, config.kernel_samples, config.dropout),
        )
        self.multiscale = self.multiscale_branch(config)
        self.window = self.window_branch(config)
        self.fusions = nn.ModuleList(self.attention(config) for _ in range(N_FUSIONS))
        self.backbone = self.backbone_block(config)
        self.readout = nn.Linear(config.d_model, self._n_outputs())

    def forward(self, eeg: Tensor, subject_index: Tensor) -> Tensor:
        """EEG (b, window_samples, E) and positions of subjects (b,), -1 for one not learned -> (b, t, K)."""
        if eeg.shape[1] != self.config.window_samples:
            raise ValueError(
                f"EEG of {eeg.shape[1]} samples, expected {self.config.window_samples}: the net has its"
                " window's samples as channels and takes no other length"
            )
        x0 = self.esm(self.embed(eeg), subject_index)  # who listens          (b, t, d)
        a = self.multiscale(x0)  # HAMS                                       (b, t, d)
        b = self.window(x0)  # DC_FAM                                         (b, t, d)
        c = self.fuse(a, b)  # SplineMap attention between the two            (b, t, d)
        m = self.backbone(c)  # Mamba                                         (b, t, d)
        return self.readout(m)  #                                             (b, t, K)

    def fuse(self, a: Tensor, b: Tensor) -> Tensor:
        """The dual fusion of both branches, the first attention three times; each (b, t, d)."""
        first, second, third, fourth, fifth, sixth = self.fusions
        a = first(a)  # to itself
        b = first(b)
        c = first(b, a)  # b, and what it attends to in a
        c = second(c, a)
        c = third(b, c)
        c = fourth(c, a)
        c = fifth(b, c)
        c = sixth(c, b)
        return c  # noqa: RET504 (one line a box)

    def _n_outputs(self) -> int:
        return self.config.n_bands


class NoDcfam(Dmf2Mel):
    """Without DC_FAM."""

    window_branch = staticmethod(without)


class NoHams(Dmf2Mel):
    """Without HAMS."""

    multiscale_branch = staticmethod(without)


class NoSplineMap(Dmf2Mel):
    """With linear projections in every attention."""

    attention = staticmethod(linear_attention)


class NoMamba(Dmf2Mel):
    """Without the Mamba block."""

    backbone_block = staticmethod(without)


class Broadcast(Dmf2Mel):
    """The release's one output, the same series for every band."""

    def forward(self, eeg: Tensor, subject_index: Tensor) -> Tensor:
        """EEG (b, window_samples, E), positions of subjects (b,) -> (b, t, K), equal over K."""
        return super().forward(eeg, subject_index).repeat(1, 1, self.config.n_bands)

    def _n_outputs(self) -> int:
        return 1


NETS = {  # variant -> net
    "full": Dmf2Mel,
    "no-dcfam": NoDcfam,
    "no-hams": NoHams,
    "no-splinemap": NoSplineMap,
    "no-mamba": NoMamba,
    "broadcast": Broadcast,
}


def _check(config: Config) -> None:
    """Refuse sizes that do not fit each other."""
    t, dim = config.window_samples, config.window_samples // config.fold
    problems = [
        (t % 8, f"window_samples = {t}, expected a multiple of 8: HAMS halves it three times"),
        (t % config.fold, f"fold = {config.fold}, expected a divisor of {t}, the window's samples"),
        (dim % config.dcfam_heads, f"dcfam_heads = {config.dcfam_heads}, expected a divisor of {dim}"),
        (config.d_model % 2, f"d_model = {config.d_model}, expected an even number"),
        (config.d_model % config.n_heads, f"{config.n_heads} heads for d_model = {config.d_model}"),
        *(
            (len(values) != 4 or min(values) < 1, f"{name} = {values}, expected four numbers, 1 or more")
            for name, values in (("grids", config.grids), ("slots", config.slots))
        ),
    ]
    for wrong, message in problems:
        if wrong:
            raise ValueError(message)
