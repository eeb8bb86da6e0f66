"""Training of the classifier that names the song of a segment, for the measures that have one.

The net is the song classifier (`harness.nn.song_classifier`), on images of mel bands by frames, scaled to
mean 0 and standard deviation 1 over all of the training images' numbers. It is trained in one thread with a
seed of its own, so that the same images give the same classifier on one machine; another processor rounds
otherwise, and may name a few segments otherwise. One that is trained on references is kept in the user's
cache folder, named by the sha256 of all that decides it.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from harness.files import write_atomically

if TYPE_CHECKING:
    from torch import Tensor

    from harness.nn.song_classifier import SongClassifier

Named = Callable[[NDArray[np.float32]], NDArray[np.int64]]

# Goes up with every change that gives another classifier from the same images.
VERSION = 1
STEPS = 240
BATCH_SIZE = 20
LEARNING_RATE = 3e-3
SEED = 1369


def train_classifier(images: NDArray[np.float32], numbers: NDArray[np.int64], *, keep: bool = False) -> Named:
    """Train a classifier.

    Args:
        images: (n, n_frames, n_bands), finite.
        numbers: (n,) class of each, from 0; every class at least once.
        keep: whether it is read from the cache where it is there, and else kept in it.

    Returns:
        A function of segments (n, n_frames, n_bands) that gives the number of each one's class, (n,) int64.
    """
    import torch

    from harness.nn.song_classifier import ClassifierConfig, SongClassifier, fit_classifier, named_songs

    n_songs = int(numbers.max()) + 1
    mean, deviation = float(images.mean(dtype=np.float64)), float(images.std(dtype=np.float64)) or 1.0

    def scaled(segments: NDArray[np.float32]) -> Tensor:
        return torch.from_numpy(
            np.ascontiguousarray((segments.transpose(0, 2, 1) - mean) / deviation, np.float32)
        )

    with _one_thread():
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(SEED)
            net = SongClassifier(ClassifierConfig(n_songs=n_songs))
        file = _cached(images, numbers) if keep else None
        if file is None or not _load(net, file):
            fit_classifier(
                net,
                scaled(images),
                torch.from_numpy(numbers),
                steps=STEPS,
                batch_size=BATCH_SIZE,
                learning_rate=LEARNING_RATE,
                seed=SEED,
            )
            if file is not None:
                _keep(net, file)

    def name_of(segments: NDArray[np.float32]) -> NDArray[np.int64]:
        with _one_thread():
            named: NDArray[np.int64] = named_songs(net, scaled(segments)).numpy()
        return named

    return name_of


@contextlib.contextmanager
def _one_thread() -> Iterator[None]:
    """Sums in one order, whatever the number of threads that torch may use."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _cached(images: NDArray[np.float32], numbers: NDArray[np.int64]) -> Path:
    import platformdirs
    import torch

    recipe = (VERSION, STEPS, BATCH_SIZE, LEARNING_RATE, SEED, torch.__version__, images.shape)
    whole = hashlib.sha256(repr(recipe).encode())
    whole.update(np.ascontiguousarray(images, "<f4").data)
    whole.update(np.ascontiguousarray(numbers, "<i8").data)
    folder = platformdirs.user_cache_path("eeg-speech-harness") / "classifiers"
    return folder / f"{whole.hexdigest()}.safetensors"


def _load(net: SongClassifier, file: Path) -> bool:
    """Read a classifier that was kept; False where there is none, or none that fits."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        net.load_state_dict(load_file(file))
    except (OSError, SafetensorError, RuntimeError):
        return False
    net.eval()
    return True


def _keep(net: SongClassifier, file: Path) -> None:
    """Keep a classifier; a cache that cannot be written costs time, not the score."""
    from safetensors.torch import save

    with contextlib.suppress(OSError):
        write_atomically(file, save(net.state_dict()))
