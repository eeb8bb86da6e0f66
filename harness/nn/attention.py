"""The FFT block of FastSpeech: attention, then two convolutions, both pre-LN with a residual.

Paper: Ren, Ruan, Tan, Qin, Zhao, Zhao, Liu 2019, FastSpeech: fast, robust and controllable text to speech,
NeurIPS, arXiv 1905.09263; its figure 1. `HalfStep`: Gulati et al. 2020, Conformer: convolution-augmented
transformer for speech recognition, arXiv 2005.08100; its figure 1.
Release: the training code of HappyQuokka, which norms before each part and not after.
Licence: this code is ours, MIT.
Our deviations: none from that release.

HappyQuokka is a stack of these blocks; SSM2Mel has them in its backbone, and asks the attention for queries
of one series from another. There is no mask and no position. `HalfStep` is the feed-forward layer that
SSM2Mel's and DMF2Mel's blocks have twice, as the Conformer does.

Shapes: (b, t, d_model).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812 (torch's own abbreviation)
from torch import Tensor, nn


class Attention(nn.Module):
    """Pre-LN attention, one norm for queries, keys and values; the residual is what the queries come from.

    Args:
        d_model: channels.
        n_heads: of d_model / n_heads channels each.
        dropout: on the output.
        attention_dropout: on the attention's weights.
    """

    def __init__(
        self, d_model: int, n_heads: int, dropout: float = 0.0, attention_dropout: float = 0.0
    ) -> None:
        super().__init__()
        self.n_heads = n_heads
        self.attention_dropout = attention_dropout
        self.norm = nn.LayerNorm(d_model)
        self.queries = nn.Linear(d_model, d_model)
        self.keys = nn.Linear(d_model, d_model)
        self.values = nn.Linear(d_model, d_model)
        self.output = nn.Linear(d_model, d_model)
        self.dropout = nn.Dropout(dropout)
        for projection in (self.queries, self.keys, self.values):
            nn.init.normal_(projection.weight, std=(2.0 / (d_model + d_model // n_heads)) ** 0.5)
        nn.init.xavier_normal_(self.output.weight)

    def forward(self, q: Tensor, k: Tensor | None = None, v: Tensor | None = None) -> Tensor:
        """(b, t, d_model) and twice (b, s, d_model) -> (b, t, d_model); k is q, and v is k, unless given."""
        normed_q = self.norm(q)
        normed_k = normed_q if k is None else self.norm(k)
        normed_v = normed_k if v is None else self.norm(v)
        attended = F.scaled_dot_product_attention(  # softmax(q k' / sqrt(d_head)) v
            self._heads(self.queries(normed_q)),
            self._heads(self.keys(normed_k)),
            self._heads(self.values(normed_v)),
            dropout_p=self.attention_dropout if self.training else 0.0,
        )
        y: Tensor = self.output(attended.transpose(1, 2).flatten(2))  # heads side by side
        mixed: Tensor = q + self.dropout(y)
        return mixed

    def _heads(self, x: Tensor) -> Tensor:
        return x.view(*x.shape[:2], self.n_heads, -1).transpose(1, 2)  # (b, n_heads, t, d_head)


class FeedForward(nn.Module):
    """Pre-LN pair of convolutions with a residual.

    Args:
        d_model: channels.
        d_inner: channels between the two convolutions.
        kernel_samples: kernel of the first convolution, odd; the second has 1.
        dropout: on the output.
    """

    def __init__(self, d_model: int, d_inner: int, kernel_samples: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(d_model)
        self.widen = nn.Conv1d(d_model, d_inner, kernel_samples, padding="same")
        self.narrow = nn.Conv1d(d_inner, d_model, 1)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """(b, t, d_model) -> the same shape."""
        y = self.norm(x).transpose(1, 2)  #                    (b, d_model, t)
        y = self.narrow(F.relu(self.widen(y), inplace=True))  # (b, d_model, t)
        mixed: Tensor = x + self.dropout(y.transpose(1, 2))
        return mixed


class HalfStep(nn.Module):
    """x + half of a pre-LN feed-forward layer.

    Args:
        d_model: channels.
        d_wide: channels within.
        dropout: within and on the output.
    """

    def __init__(self, d_model: int, d_wide: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(d_model)
        self.widen = nn.Linear(d_model, d_wide)
        self.narrow = nn.Linear(d_wide, d_model)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """(b, t, d_model) -> the same shape."""
        y = self.widen(self.norm(x))  #                                  (b, t, d_wide)
        y = self.dropout(F.silu(y, inplace=not torch.is_grad_enabled()))  # the widest of a net: not twice
        return torch.add(x, self.dropout(self.narrow(y)), alpha=0.5)
