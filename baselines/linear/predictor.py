"""The linear baseline behind the predict interface."""

import numpy as np
from model import apply, zscore
from numpy.typing import NDArray
from safetensors.numpy import load_file


class Linear:
    """Applies trained weights to each segment, z-scored by itself."""

    def __init__(self, setup) -> None:
        self.weights = load_file(setup.weights)["weights"]

    def predict(self, eeg: NDArray[np.float32], subjects: list[str]) -> NDArray[np.float32]:
        """EEG (n_segments, n_times, 64) -> (n_segments, n_times, n_bands); subjects are not used."""
        return apply(self.weights, zscore(eeg)).astype(np.float32)
