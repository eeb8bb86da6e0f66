"""The two sublayers of the FFT block of HappyQuokka, here with separate query, key and value.

Shapes: (b, t, d_model).
"""

from __future__ import annotations

import torch.nn.functional as F  # noqa: N812 (torch's own abbreviation)
from torch import Tensor, nn


class Attention(nn.Module):
    """Pre-LN attention of one series to another, with a residual; one norm for all three."""

    def __init__(self, d_model: int, n_heads: int, dropout: float, attention_dropout: float) -> None:
        super().__init__()
        self.n_heads = n_heads
        self.attention_dropout = attention_dropout
        self.norm = nn.LayerNorm(d_model)
        self.queries: nn.Module = nn.Linear(d_model, d_model)
        self.keys: nn.Module = nn.Linear(d_model, d_model)
        self.values: nn.Module = nn.Linear(d_model, d_model)
        self.output: nn.Module = nn.Linear(d_model, d_model)
        self.dropout = nn.Dropout(dropout)
        for projection in (self.queries, self.keys, self.values):
            nn.init.normal_(projection.weight, std=(2.0 / (d_model + d_model // n_heads)) ** 0.5)
        nn.init.xavier_normal_(self.output.weight)

    def forward(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """Three of (b, t, d_model) -> the same shape; q is added to what it attends to."""
        queries = self._heads(self.queries(self.norm(q)))  #               (b, n_heads, t, d_head)
        keys = self._heads(self.keys(self.norm(k)))
        values = self._heads(self.values(self.norm(v)))
        attended = F.scaled_dot_product_attention(  # softmax(q k' / sqrt(d_head)) v
            queries, keys, values, dropout_p=self.attention_dropout if self.training else 0.0
        )
        y = attended.transpose(1, 2).flatten(2)  # heads side by side      (b, t, d_model)
        return q + self.dropout(self.output(y))

    def _heads(self, x: Tensor) -> Tensor:
        return x.unflatten(2, (self.n_heads, -1)).transpose(1, 2)


class FeedForward(nn.Module):
    """Pre-LN pair of convolutions with a residual."""

    def __init__(self, d_model: int, d_inner: int, kernel_samples: int, dropout: float) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(d_model)
        self.widen = nn.Conv1d(d_model, d_inner, kernel_samples, padding="same")
        self.narrow = nn.Conv1d(d_inner, d_model, 1)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """(b, t, d_model) -> the same shape."""
        y = self.norm(x).transpose(1, 2)  #            (b, d_model, t)
        y = self.narrow(F.relu(self.widen(y)))  #      (b, d_model, t)
        return x + self.dropout(y.transpose(1, 2))
