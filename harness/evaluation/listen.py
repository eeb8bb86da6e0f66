"""What a prediction of music sounds and looks like, beside its target.

Both become power first, whatever the target's scale is, and then sound by Griffin and Lim's phases: what is
heard of the target is therefore what its 44 frames of 128 bands can hold, and not the recording.
"""

from __future__ import annotations

import io
import wave
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.errors import Fault, UsageError
from harness.evaluation.segment import read_pair
from harness.features.music import (
    DB_LEAST_POWER,
    HOP,
    N_FFT,
    SAMPLE_RATE_HZ,
    TARGETS,
    target,
    to_power,
)
from harness.files import write_atomically
from harness.tasks.task import Task

N_ITERATIONS: Final = 64
SEED: Final = 0
PEAK: Final = 0.9  # of full scale, for each of the two
PICTURE_RANGE_DB: Final = 60.0


class Listened(NamedTuple):
    """One segment.

    Attributes:
        prediction: (44, 128) mel power.
        target: likewise.
    """

    prediction: NDArray[np.float32]
    target: NDArray[np.float32]


def read_segment(task: Task, path: Path, segment_id: str) -> Listened:
    """Mel power of a segment's prediction and of its target.

    Args:
        task: of music, with references.
        path: predictions of the task: .zip, .npz, or a folder of a JSON file for each subject.
        segment_id: one of the task's.

    Raises:
        UsageError: the feature is no target of music, or there is no such segment.
        PredictionsError: the predictions are refused.
        CorpusError: there are no references.
    """
    if task.feature not in TARGETS:
        remedy = "Name the split that was predicted, such as --split music-listeners-blocks."
        arrived = f"feature {task.feature} of {task.corpus.words}"
        raise UsageError(Fault("harness listen", arrived, f"one of {', '.join(TARGETS)}", remedy))
    pair = read_pair(task, path, segment_id)
    return Listened(to_power(pair.prediction, task.feature), to_power(pair.reference, task.feature))


def sound(power: NDArray[Any]) -> NDArray[np.float32]:
    """A second of sound with this mel power, by Griffin and Lim from random phases that are always the same.

    Args:
        power: (44, 128), not negative.

    Returns:
        (22050,) float32, its peak at 0.9; silence stays silence.
    """
    import librosa

    loudest = float(power.max())
    if loudest <= 0:
        return np.zeros(SAMPLE_RATE_HZ, np.float32)
    # First to a maximum of 1: the search for a spectrum stops at a fixed error.
    scaled = (power / loudest).T.astype(np.float32)
    magnitude = librosa.feature.inverse.mel_to_stft(scaled, sr=SAMPLE_RATE_HZ, n_fft=N_FFT, power=2.0)
    audio = librosa.griffinlim(
        magnitude, n_iter=N_ITERATIONS, hop_length=HOP, n_fft=N_FFT, length=SAMPLE_RATE_HZ, random_state=SEED
    )
    return np.asarray(audio * (PEAK / np.abs(audio).max()), np.float32)


def write_sound(path: Path, audio: NDArray[np.float32]) -> None:
    """Write (n_samples,) of full scale 1 as a .wav of 16 bits, mono, 22,050 Hz; its folder is made."""
    content = io.BytesIO()
    with wave.open(content, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE_HZ)
        file.writeframes(np.round(32767 * np.clip(audio, -1, 1)).astype("<i2").tobytes())
    write_atomically(path, content.getvalue())


def write_picture(path: Path, both: Listened, title: str) -> None:
    """Draw both spectrograms in dB below each one's maximum, side by side, as PNG; its folder is made.

    Raises:
        UsageError: matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        remedy = "pip install 'eeg-speech-harness[music]' brings it."
        raise UsageError(Fault("--picture", f"no matplotlib ({error})", "matplotlib", remedy)) from None
    figure = Figure(figsize=(9, 4), layout="constrained")
    axes = figure.subplots(1, 2, sharey=True)
    for axis, name, power in zip(axes, ("prediction", "target"), both, strict=True):
        db = target(np.maximum(power, DB_LEAST_POWER), "music-mel-db-max")
        image = axis.imshow(
            db.T,
            origin="lower",
            aspect="auto",
            extent=(0, 1, 0, db.shape[1]),
            vmin=-PICTURE_RANGE_DB,
            vmax=0,
            cmap="magma",
        )
        axis.set(title=name, xlabel="seconds")
    axes[0].set_ylabel("mel band")
    figure.colorbar(image, ax=axes, label="dB below the maximum")
    figure.suptitle(title)
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=110, metadata={"Software": None})
    write_atomically(path, content.getvalue())
