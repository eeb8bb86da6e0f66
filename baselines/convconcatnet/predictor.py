"""ConvConcatNet behind the predict interface."""

import numpy as np
from model import Config, ConvConcatNet
from numpy.typing import NDArray

from harness.nn import load_net, predict_blocks

BLOCK_SAMPLES = 8 * 1920  # 8 segments of 30 s: 16 MB for the widest of the described net's activations


class Decoder:
    """The net of the weights file; each segment is z-scored by itself."""

    def __init__(self, setup) -> None:
        self.net = load_net(setup.weights, ConvConcatNet, Config, setup.n_bands).net

    def predict(self, eeg: NDArray[np.float32], subjects: list[str]) -> NDArray[np.float32]:
        """EEG (n_segments, n_times, 64) -> (n_segments, n_times, n_bands); subjects are not used."""
        return predict_blocks(self.net, eeg, [-1] * len(eeg), BLOCK_SAMPLES)
