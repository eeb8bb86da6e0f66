"""The linear baseline behind the predict interface."""

import numpy as np
from model import apply, n_lags, zscore
from numpy.typing import NDArray
from safetensors.numpy import load_file

from harness.predictor import check_one_frame_a_sample


class Linear:
    """Applies trained weights to each segment, z-scored by itself.

    Raises:
        ShapeError: a feature without one frame for each EEG sample.
        ValueError: weights of other lags, EEG channels or bands.
    """

    def __init__(self, setup) -> None:
        check_one_frame_a_sample(setup)
        self.weights = load_file(setup.weights)["weights"]
        expected = (n_lags(setup.sample_rate_hz), setup.n_channels, setup.n_bands)
        if self.weights.shape != expected:
            raise ValueError(
                f"{setup.weights.name}: weights of shape {self.weights.shape}, expected {expected}"
                " (n_lags, n_channels, n_bands). Train it again with harness train"
            )

    def predict(self, eeg: NDArray[np.float32], subjects: list[str]) -> NDArray[np.float32]:
        """EEG (n_segments, n_times, n_channels) -> (n_segments, n_times, n_bands); subjects are not used."""
        return apply(self.weights, zscore(eeg)).astype(np.float32)
