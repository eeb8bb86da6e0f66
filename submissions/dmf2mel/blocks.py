"""The blocks at both ends: who listens (ESM), and the Mamba block.

Shapes: (b, t, d).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812 (torch's own abbreviation)
from torch import Tensor, nn

from harness.nn.attention import FeedForward
from harness.nn.mamba import Mamba

CONV_SAMPLES = 7
POSITION_BASE = 10_000.0


class Esm(nn.Module):
    """ESM: the EEG, and what it attends to where its subject is added."""

    positions: Tensor

    def __init__(
        self,
        d_model: int,
        d_inner: int,
        kernel_samples: int,
        n_subjects: int,
        window_samples: int,
        dropout: float,
        attention: nn.Module,
    ) -> None:
        super().__init__()
        self.subjects = nn.Linear(n_subjects, d_model)  # of the one-hot subject
        self.norm = nn.LayerNorm(d_model)
        self.attention = attention
        self.feed_forward = FeedForward(d_model, d_inner, kernel_samples, dropout)
        self.register_buffer("positions", sinusoids(window_samples, d_model), persistent=False)

    def forward(self, x: Tensor, subject_index: Tensor) -> Tensor:
        """(b, t, d), and positions of subjects (b,), -1 for one not learned -> (b, t, d)."""
        kv = x + self.norm(self.embedded(subject_index))  # who listens     (b, t, d)
        f = self.attention(x + self.positions, kv)  #                   (b, t, d)
        f = self.norm(f)  # the same norm
        f = self.feed_forward(f) + f  # its own residual comes on top of its inner one
        return kv + f

    def embedded(self, subject_index: Tensor) -> Tensor:
        """(b,) -> (b, 1, d)."""
        learned = self.subjects.weight.T  # (n_subjects, d)
        table = torch.cat([learned, learned.mean(dim=0, keepdim=True)])  # -1 is the last row
        return (table[subject_index] + self.subjects.bias)[:, None]


def sinusoids(n_times: int, d: int) -> Tensor:
    """The fixed positional encoding (n_times, d): sines in even features, cosines in odd ones."""
    frequency = POSITION_BASE ** (-torch.arange(0, d, 2, dtype=torch.float64) / d)
    angle = torch.arange(n_times, dtype=torch.float64)[:, None] * frequency
    return torch.stack([angle.sin(), angle.cos()], dim=2).flatten(1).float()


class BidirectionalMamba(nn.Module):
    """One Mamba forward in time, one backward, side by side into a linear layer."""

    def __init__(self, d_model: int, d_state: int, d_conv: int, expand: int) -> None:
        super().__init__()
        self.ahead = Mamba(d_model, d_state, d_conv, expand)
        self.back = Mamba(d_model, d_state, d_conv, expand)
        self.output = nn.Linear(2 * d_model, d_model)

    def forward(self, x: Tensor) -> Tensor:
        """(b, t, d) -> the same shape."""
        both = torch.cat([self.ahead(x), self.back(x.flip(1)).flip(1)], dim=2)
        mixed: Tensor = self.output(both)
        return mixed


class MambaBlock(nn.Module):
    """Convolution, bidirectional Mamba, feed-forward, the same convolution, the same feed-forward."""

    def __init__(
        self, d_model: int, d_state: int, d_conv: int, expand: int, d_feed: int, dropout: float
    ) -> None:
        super().__init__()
        self.conv = nn.Conv1d(d_model, d_model, CONV_SAMPLES, padding="same")
        self.conv_norm = nn.BatchNorm1d(d_model)
        self.mamba = BidirectionalMamba(d_model, d_state, d_conv, expand)
        self.feed_norm = nn.LayerNorm(d_model)
        self.widen = nn.Linear(d_model, d_feed)
        self.narrow = nn.Linear(d_feed, d_model)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """(b, t, d) -> the same shape."""
        x = self._convolved(x)
        x = self.mamba(x)
        x = x + 0.5 * self._fed(x)
        x = x + self._convolved(x)
        return x + 0.5 * self._fed(x)

    def _convolved(self, x: Tensor) -> Tensor:
        return F.relu(self.conv_norm(self.conv(x.transpose(1, 2)))).transpose(1, 2)

    def _fed(self, x: Tensor) -> Tensor:
        y = self.dropout(F.silu(self.widen(self.feed_norm(x))))  # (b, t, d_feed)
        return self.dropout(self.narrow(y))


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
