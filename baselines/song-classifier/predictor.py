"""The song classifier behind the predict interface: which song is heard, and what that song sounds like."""

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file

from harness.nn.song_classifier import SongClassifier, config_of

BLOCK_SEGMENTS = 60


class NamedSong:
    """Answers with the mean segment of the song that is heard: of all songs, each by its probability.

    Raises:
        ValueError: weights of another feature, or of other segments.
    """

    def __init__(self, setup) -> None:
        tensors = load_file(setup.weights)
        self.means = tensors.pop("means").numpy()
        expected = (setup.n_frames, setup.n_bands)
        if self.means.shape[1:] != expected:
            raise ValueError(
                f"{setup.weights.name}: means of shape {self.means.shape[1:]}, expected {expected} (n_frames,"
                " n_bands). Train it again with harness train"
            )
        self.net = SongClassifier(config_of(tensors))
        self.net.load_state_dict(tensors)
        self.net.eval()

    def predict(self, eeg: NDArray[np.float32], subjects: list[str]) -> NDArray[np.float32]:
        """EEG (n_segments, n_times, n_channels) -> (n_segments, n_frames, n_bands); subjects are not used."""
        with torch.inference_mode():
            blocks = torch.split(torch.from_numpy(np.array(eeg)), BLOCK_SEGMENTS)
            shares = torch.cat([self.net(block).softmax(dim=1) for block in blocks]).numpy()
        return np.tensordot(shares, self.means, axes=1).astype(np.float32)
