"""CAT-WaveNet behind the predict interface."""

import numpy as np
from model import Config, net_of
from numpy.typing import NDArray

from harness.nn import load_net, predict_blocks
from harness.predictor import predict_windowed

BLOCK_SAMPLES = 8 * 1920  # 8 segments of 30 s: 16 MB for the widest activation, 256 channels


class Decoder:
    """The net of the weights file, window by window; each window is z-scored by itself.

    The file holds every stage that was trained; prediction ends with the feature's.
    """

    def __init__(self, setup) -> None:
        net = load_net(setup.weights, net_of(setup.variant, setup.n_bands), Config, setup.n_bands).net
        self.window_samples = net.config.window_samples
        self.net = net.for_prediction()

    def predict(self, eeg: NDArray[np.float32], subjects: list[str]) -> NDArray[np.float32]:
        """EEG (n_segments, n_times, 64) -> (n_segments, n_times, n_bands); subjects are not used."""
        return predict_windowed(self._windows, eeg, subjects, self.window_samples)

    def _windows(self, eeg: NDArray[np.float32], subjects: list[str]) -> NDArray[np.float32]:
        return predict_blocks(self.net, eeg, [-1] * len(eeg), BLOCK_SAMPLES)
