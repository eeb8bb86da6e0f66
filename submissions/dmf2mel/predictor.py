"""DMF2Mel behind the predict interface."""

import numpy as np
from model import NETS, Config
from numpy.typing import NDArray

from harness.nn import load_net, predict_blocks
from harness.predictor import predict_windowed

BLOCK_SAMPLES = 8 * 640  # 8 windows of 10 s: 42 MB for the paper's widest activation


class Decoder:
    """The net of the weights file, window by window; each window is z-scored by itself."""

    def __init__(self, setup) -> None:
        self.net, subjects = load_net(setup.weights, NETS[setup.variant], Config, setup.n_bands)
        self.position = {subject: i for i, subject in enumerate(subjects)}
        if setup.segment_samples < self.net.config.window_samples:
            raise ValueError(
                f"segments of {setup.segment_samples} samples, expected {self.net.config.window_samples} or"
                " more, the one window that these weights take. Train with a shorter window_samples"
            )

    def predict(self, eeg: NDArray[np.float32], subjects: list[str]) -> NDArray[np.float32]:
        """EEG (n_segments, n_times, 64) and whose it is -> (n_segments, n_times, n_bands).

        A subject that the net has not learned gets the mean of the learned embeddings.
        """
        return predict_windowed(self._windows, eeg, subjects, self.net.config.window_samples)

    def _windows(self, eeg: NDArray[np.float32], subjects: list[str]) -> NDArray[np.float32]:
        index = [self.position.get(subject, -1) for subject in subjects]
        return predict_blocks(self.net, eeg, index, BLOCK_SAMPLES)
