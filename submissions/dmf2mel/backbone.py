"""The Mamba block.

Paper: Fan et al. 2025, DMF2Mel, arXiv 2507.07526 (see `model`); its figure 1.
Release: DMF2Mel's training code.
Licence: this code is ours, MIT.
Our deviations: none.

Shapes: (b, t, d).
"""

from __future__ import annotations

import torch.nn.functional as F  # noqa: N812 (torch's own abbreviation)
from torch import Tensor, nn

from harness.nn.attention import HalfStep
from harness.nn.mamba import BidirectionalMamba

CONV_SAMPLES = 7


class MambaBlock(nn.Module):
    """Convolution, bidirectional Mamba, feed-forward, the same convolution, the same feed-forward."""

    def __init__(
        self, d_model: int, d_state: int, d_conv: int, expand: int, d_feed: int, dropout: float
    ) -> None:
        super().__init__()
        self.conv = nn.Conv1d(d_model, d_model, CONV_SAMPLES, padding="same")
        self.conv_norm = nn.BatchNorm1d(d_model)
        self.mamba = BidirectionalMamba(d_model, d_state, d_conv, expand)
        self.half_step = HalfStep(d_model, d_feed, dropout)

    def forward(self, x: Tensor) -> Tensor:
        """(b, t, d) -> the same shape."""
        x = self._convolved(x)
        x = self.mamba(x)
        x = self.half_step(x)
        x = x + self._convolved(x)
        fed: Tensor = self.half_step(x)  # the same layer again
        return fed

    def _convolved(self, x: Tensor) -> Tensor:
        return F.relu(self.conv_norm(self.conv(x.transpose(1, 2)))).transpose(1, 2)


class MambaTwice(nn.Module):
    """What follows the fusion: the Mamba block with a residual, and the same block again."""

    def __init__(self, block: MambaBlock) -> None:
        super().__init__()
        self.block = block

    def forward(self, c: Tensor) -> Tensor:
        """(b, t, d) -> the same shape."""
        m = self.block(c) + c
        again: Tensor = self.block(m)
        return again
