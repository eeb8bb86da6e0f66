"""The banded ridge behind the predict interface."""

import numpy as np
from model import apply, layout, zscore
from numpy.typing import NDArray
from safetensors.numpy import load_file

from harness.predictor import check_one_frame_a_sample


class BandedRidge:
    """Applies trained weights to each segment, z-scored by itself.

    Raises:
        ShapeError: a feature without one frame for each EEG sample.
        ValueError: weights of other groups, lags, EEG channels or bands.
    """

    def __init__(self, setup) -> None:
        check_one_frame_a_sample(setup)
        self.layout = layout(setup.sample_rate_hz)
        stored = load_file(setup.weights)
        expected = {
            f"group_{place}": (len(lags), setup.n_channels, setup.n_bands)
            for place, lags in enumerate(self.layout.lags)
        }
        shapes = {name: array.shape for name, array in stored.items()}
        if shapes != expected:
            raise ValueError(
                f"{setup.weights.name}: weights {shapes}, expected {expected} (n_lags, n_channels, n_bands of"
                " each group). Train it again with harness train"
            )
        self.weights = [stored[name] for name in expected]

    def predict(self, eeg: NDArray[np.float32], subjects: list[str]) -> NDArray[np.float32]:
        """EEG (n_segments, n_times, n_channels) -> (n_segments, n_times, n_bands); subjects are not used."""
        return apply(self.weights, self.layout, zscore(eeg)).astype(np.float32)
