"""Prediction with a torch net: arrays in, arrays out, in blocks that fit memory."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from harness.predictor import zscore

Array = NDArray[np.float32]


def predict_blocks(
    net: Callable[[Tensor, Tensor], Tensor], eeg: Array, subject_index: list[int], block_samples: int
) -> Array:
    """Apply a net to z-scored segments, some at a time.

    Args:
        net: takes EEG (b, n_times, 64) and subject index (b,) int64, and gives (b, n_times, n_bands).
        eeg: (n_segments, n_times, 64); each segment is z-scored by itself.
        subject_index: n_segments positions in the net's table of subjects, -1 for one not in it.
        block_samples: EEG samples in a block, all segments of it together; at least one segment is taken.

    Returns:
        (n_segments, n_times, n_bands) float32.
    """
    n_at_once = max(1, block_samples // eeg.shape[1])
    index = torch.tensor(subject_index)
    with torch.inference_mode():
        blocks = [
            net(torch.from_numpy(zscore(eeg[start : start + n_at_once])), index[start : start + n_at_once])
            for start in range(0, len(eeg), n_at_once)
        ]
        prediction: Array = torch.cat(blocks).numpy()
    return prediction
