"""A learned vector for every subject, from a linear layer of the one-hot subject.

HappyQuokka's global conditioner and SSM2Mel's ESM are made of it.

Subjects come as positions in the net's table, -1 for one that the net has not learned: it gets the mean of
the learned subjects' vectors.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


def embedded(projection: nn.Linear, subject_index: Tensor) -> Tensor:
    """The layer's output for each subject, without making one-hot vectors.

    Args:
        projection: of n_subjects inputs and d_model outputs.
        subject_index: positions of subjects (b,), -1 for one that is not learned.

    Returns:
        (b, 1, d_model), to be added to (b, t, d_model).

    Raises:
        ValueError: a position outside the table.
    """
    n_subjects = projection.in_features
    outside = subject_index[(subject_index < -1) | (subject_index >= n_subjects)]
    if len(outside):
        raise ValueError(
            f"position {int(outside[0])} of a subject, expected 0 to {n_subjects - 1}, those that the net has"
            " learned, or -1 for another: look subjects up in the table of the weights file"
        )
    learned = projection.weight.T  # (n_subjects, d_model)
    table = torch.cat([learned, learned.mean(dim=0, keepdim=True)])  # -1 is the last row
    return (table[subject_index] + projection.bias)[:, None]
