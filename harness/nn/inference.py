"""Prediction with a torch net: arrays in, arrays out, in blocks that fit memory.

`NetPredictor` is the whole predictor of a submission with a net; `predict_blocks` is what calls torch.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from functools import partial
from pathlib import Path
from typing import Any, Generic

import numpy as np
import torch
from torch import Tensor

from harness.errors import counted
from harness.nn.weights import Config, Net, load_net, said_zscore
from harness.predictor import Array, Setup, check_one_frame_a_sample, predict_windowed, zscore

SCALINGS: dict[str, Callable[[Array], Array]] = {
    "n": zscore,
    "n-1": partial(zscore, ddof=1),
    "none": lambda eeg: eeg,
}


class NetPredictor(Generic[Net]):
    """The net of a weights file behind the predict interface.

    A net whose configuration has ``window_samples`` is applied to the windows of one segment at a time, any
    other to one whole segment; each window or segment is z-scored by itself, unless the weights file says
    that the net was trained on EEG as it is, or the package does. A net whose configuration has ``n_frames``
    gives as many, any other a frame for each EEG sample. Subjects are looked up by name in the table of the
    weights file, and one that the net has not learned is told to it as -1.

    Attributes:
        net: in eval mode.
        window_samples: the length that it is applied to; None for whole segments.

    Args:
        setup: of the run.
        net: the class of the net.
        config: the class of its configuration.
        block_samples: EEG samples in a block, see `predict_blocks`.
        takes_shorter: whether the net also takes segments that are shorter than its window.
        zscored: whether windows or segments are z-scored; it must be as in training (`Recipe.zscore`).

    Raises:
        ValueError: weights that are not this net's, or segments that are too short for it.
        ShapeError: a feature without one frame for each EEG sample, for a net that gives such.
    """

    def __init__(
        self,
        setup: Setup,
        net: type[Net],
        config: type[Config],
        block_samples: int,
        *,
        takes_shorter: bool = False,
        zscored: bool = True,
    ) -> None:
        own_frames = any(field.name == "n_frames" for field in fields(config))
        if not own_frames:
            check_one_frame_a_sample(setup)
        self.net: Net
        self.net, subjects = load_net(setup.weights, net, config, setup.n_bands, setup.n_channels)
        if own_frames:
            _check_segments(setup, self.net)
        self.scale = scaling(setup.weights) if zscored else SCALINGS["none"]
        self.position = {subject: i for i, subject in enumerate(subjects)}
        self.block_samples = block_samples
        self.window_samples: int | None = getattr(self.net.config, "window_samples", None)
        if self.window_samples is None or self.window_samples <= setup.segment_samples:
            return
        if not takes_shorter:
            raise ValueError(
                f"segments of {counted(setup.segment_samples, 'sample')}, expected"
                f" {self.window_samples} or more, the"
                " one window that these weights take. Train the net again for these segments"
            )
        self.window_samples = setup.segment_samples

    def predict(self, eeg: Array, subjects: list[str]) -> Array:
        """EEG (n_segments, n_times, n_channels) and whose it is -> (n_segments, n_frames, n_bands).

        Each segment is computed by itself. Beside others, the last digits of a matrix product depend on the
        row where a segment stands, and the order in which segments are asked is another one in every run.
        """
        answers = [self._predict_one(eeg[i : i + 1], subjects[i : i + 1]) for i in range(len(eeg))]
        return np.concatenate(answers)

    def _predict_one(self, eeg: Array, subjects: list[str]) -> Array:
        if self.window_samples is None:
            return self._predict(eeg, subjects)
        return predict_windowed(self._predict, eeg, subjects, self.window_samples)

    def _predict(self, eeg: Array, subjects: list[str]) -> Array:
        index = [self.position.get(subject, -1) for subject in subjects]
        return predict_blocks(self.net, eeg, index, self.block_samples, self.scale)


def scaling(path: Path | None) -> Callable[[Array], Array]:
    """What is done to EEG before the net of a weights file sees it: a z-score, or what the file says.

    Args:
        path: the file, which `load_net` took already.

    Raises:
        ValueError: the file says what is not known.
    """
    said = "n" if path is None else said_zscore(path, tuple(SCALINGS))
    return SCALINGS[said]


def predict_blocks(
    net: Callable[[Tensor, Tensor], Tensor],
    eeg: Array,
    subject_index: list[int],
    block_samples: int,
    scale: Callable[[Array], Array] = zscore,
) -> Array:
    """Apply a net to segments, some at a time.

    Args:
        net: takes EEG (b, n_times, n_channels) and subject index (b,) int64, and gives
            (b, n_frames, n_bands).
        eeg: (n_segments, n_times, n_channels).
        subject_index: n_segments positions in the net's table of subjects, -1 for one not in it.
        block_samples: EEG samples in a block, all segments of it together; at least one segment is taken.
        scale: what is done to a block first; by default each segment is z-scored by itself.

    Returns:
        (n_segments, n_frames, n_bands) float32.
    """
    n_at_once = max(1, block_samples // eeg.shape[1])
    index = torch.tensor(subject_index)
    blocks = []
    with torch.inference_mode():
        for start in range(0, len(eeg), n_at_once):
            block = scale(eeg[start : start + n_at_once])
            # A copy, aligned as torch aligns: where numpy's memory begins is chance, and can decide digits.
            blocks.append(net(torch.tensor(block), index[start : start + n_at_once]))
        prediction: Array = torch.cat(blocks).numpy()
    return prediction


def _check_segments(setup: Setup, net: Any) -> None:
    """Refuse segments of other sizes than those that a net of whole segments was trained on."""
    for name in ("n_frames", "segment_samples", "sample_rate_hz"):
        has = getattr(net.config, name, None)
        if has is not None and has != getattr(setup, name):
            raise ValueError(
                f"{setup.weights.name if setup.weights else 'weights'}: a net for {name} = {has:g}, expected"
                f" {getattr(setup, name):g}, this run's. Train it again with harness train"
            )
