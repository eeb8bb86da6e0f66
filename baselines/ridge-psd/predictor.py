"""The ridge on spectra behind the predict interface."""

import numpy as np
from model import apply, features
from numpy.typing import NDArray
from safetensors.numpy import load_file

BLOCK_SEGMENTS = 256  # held as spectra at once


class RidgePsd:
    """Applies trained weights to the spectra of each segment.

    Raises:
        ValueError: weights of another feature, other segments or other EEG channels.
    """

    def __init__(self, setup) -> None:
        self.kind, self.sample_rate_hz = setup.variant, setup.sample_rate_hz
        self.weights = load_file(setup.weights)
        expected = (setup.n_frames, setup.n_bands)
        if self.weights["mean"].shape != expected:
            raise ValueError(
                f"{setup.weights.name}: a mean of shape {self.weights['mean'].shape}, expected {expected}"
                " (n_frames, n_bands). Train it again with harness train"
            )
        silent = np.zeros((1, setup.segment_samples, setup.n_channels), np.float32)
        n_features = features(silent, self.kind, self.sample_rate_hz).shape[1]
        if len(self.weights["weights"]) != n_features:
            raise ValueError(
                f"{setup.weights.name}: weights for {len(self.weights['weights'])} features, expected"
                f" {n_features}, of {setup.n_channels} EEG channels and {setup.segment_samples} samples."
                " Train it again with harness train"
            )

    def predict(self, eeg: NDArray[np.float32], subjects: list[str]) -> NDArray[np.float32]:
        """EEG (n_segments, n_times, n_channels) -> (n_segments, n_frames, n_bands); subjects are not used."""
        blocks = [eeg[start : start + BLOCK_SEGMENTS] for start in range(0, len(eeg), BLOCK_SEGMENTS)]
        return np.concatenate(
            [apply(self.weights, features(block, self.kind, self.sample_rate_hz)) for block in blocks]
        )
