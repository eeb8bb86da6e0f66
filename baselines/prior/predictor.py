"""The prior behind the predict interface: one and the same prediction for every segment, whatever the EEG."""

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file


class Prior:
    """Answers with the mean of the training part's segments.

    Raises:
        ValueError: weights of segments of another length, or of other bands.
    """

    def __init__(self, setup) -> None:
        self.mean = load_file(setup.weights)["mean"]
        expected = (setup.n_frames, setup.n_bands)
        if self.mean.shape != expected:
            raise ValueError(
                f"{setup.weights.name}: a mean of shape {self.mean.shape}, expected {expected}"
                " (n_frames, n_bands). Train it again with harness train, on segments of this length"
            )

    def predict(self, eeg: NDArray[np.float32], subjects: list[str]) -> NDArray[np.float32]:
        """Any EEG of n_segments segments -> (n_segments, n_frames, n_bands); only their number is used."""
        return np.tile(self.mean, (len(eeg), 1, 1))
