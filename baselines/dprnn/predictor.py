"""DPRNN behind the predict interface."""

import numpy as np
from model import Config, Dprnn
from numpy.typing import NDArray

from harness.nn import load_net, predict_blocks
from harness.predictor import predict_windowed

BLOCK_SAMPLES = 8 * 1920  # 8 segments of 30 s: every sample is in two chunks, 33 MB for each LSTM's output


class Decoder:
    """The net of the weights file, window by window; each window is z-scored by itself."""

    def __init__(self, setup) -> None:
        self.net = load_net(setup.weights, Dprnn, Config, setup.n_bands).net

    def predict(self, eeg: NDArray[np.float32], subjects: list[str]) -> NDArray[np.float32]:
        """EEG (n_segments, n_times, 64) -> (n_segments, n_times, n_bands); subjects are not used."""
        window_samples = min(self.net.config.window_samples, eeg.shape[1])
        return predict_windowed(self._windows, eeg, subjects, window_samples)

    def _windows(self, eeg: NDArray[np.float32], subjects: list[str]) -> NDArray[np.float32]:
        return predict_blocks(self.net, eeg, [-1] * len(eeg), BLOCK_SAMPLES)
