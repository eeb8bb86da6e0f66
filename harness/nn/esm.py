"""ESM, the embedding of the subject that SSM2Mel and DMF2Mel begin with.

Paper: Fan, Zhang, Zhang, Pan, Lv 2025, SSM2Mel: state space model to reconstruct mel spectrogram from the
EEG, ICASSP, doi 10.1109/ICASSP49660.2025.10888785, arXiv 2501.10402; its figure 1.
Release: SSM2Mel's training code. DMF2Mel's has its own attention in the same place.
Licence: this code is ours, MIT.
Our deviations: a subject that the net has not learned gets the mean of the learned subjects' vectors.

Shapes: (b, t, d_model).
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn

from harness.nn.attention import FeedForward
from harness.nn.subjects import embedded
from harness.predictor import Array

POSITION_BASE = 10_000.0
POSITION_ROUNDING = 4e-3  # the last bit of a bfloat16 just below 1, in which a checkpoint may be kept


class SubjectEmbedding(nn.Module):
    """The EEG with who is listening added, and with what the EEG's own times attend to in that.

    Args:
        d_model: channels, even.
        n_subjects: subjects that are learned.
        window_samples: the one length of EEG that it takes.
        attention: makes the attention, called with queries and keys.
        feed_forward: makes what follows it; its residual comes on top of the one here.
    """

    positions: Tensor

    def __init__(
        self,
        d_model: int,
        n_subjects: int,
        window_samples: int,
        attention: Callable[[], nn.Module],
        feed_forward: Callable[[], FeedForward],
    ) -> None:
        super().__init__()
        self.projection = nn.Linear(n_subjects, d_model)  # of the one-hot subject
        self.norm = nn.LayerNorm(d_model)
        self.attention = attention()
        self.feed_forward = feed_forward()
        self.register_buffer("positions", sinusoids(window_samples, d_model), persistent=False)

    def forward(self, eeg: Tensor, subject_index: Tensor) -> Tensor:
        """EEG (b, t, d_model) and positions of subjects (b,), -1 for one not learned -> (b, t, d_model)."""
        told = eeg + self.norm(embedded(self.projection, subject_index))  # (b, t, d_model)
        x = self.attention(eeg + self.positions, told)  #           (b, t, d_model)
        x = self.norm(x)  # the norm of the subject again
        y: Tensor = told + (self.feed_forward(x) + x)
        return y


def check_positions(stored: Array, n_times: int, d_model: int) -> None:
    """Compare a table of positions that a checkpoint holds with what is computed here.

    Args:
        stored: (n, d_model), with axes of length 1 anywhere; n is n_times or more.
        n_times: of the window.
        d_model: channels.

    Raises:
        ValueError: another shape, or other numbers (beyond what bfloat16 rounds).
    """
    table = stored.reshape([n for n in stored.shape if n != 1] or [1])
    if table.ndim != 2 or table.shape[0] < n_times or table.shape[1] != d_model:
        raise ValueError(f"positions of shape {stored.shape}, expected ({n_times}, {d_model})")
    off = float(np.abs(table[:n_times] - sinusoids(n_times, d_model).numpy()).max())
    if not off < POSITION_ROUNDING:
        raise ValueError(f"positions that differ from the transformer's by {off:.2g}, expected those")


def sinusoids(n_times: int, d_model: int) -> Tensor:
    """The transformer's positions, (n_times, d_model): sines on even features, cosines on odd ones."""
    rates = torch.exp(torch.arange(0, d_model, 2) * (-math.log(POSITION_BASE) / d_model))
    angles = torch.arange(n_times)[:, None] * rates
    return torch.stack([angles.sin(), angles.cos()], dim=2).flatten(1)
