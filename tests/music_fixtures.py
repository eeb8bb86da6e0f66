"""A small tree in NMED-T's layout, simulated once, and copies of it to break."""

import json
import shutil
import wave
from pathlib import Path

import numpy as np
import pytest

from harness.conventions import MUSIC_MARKER
from harness.corpus.nmedt.songs import Tree
from harness.corpus.simulated.music import Recipe, simulate_music

RECIPE = Recipe(n_songs=3, n_listeners=6, seconds=12)
TREE = Tree((21, 22, 23), 6, 12)


@pytest.fixture(scope="session")
def music(tmp_path_factory):
    """Three songs of 12 s, six listeners; only to be read."""
    folder = tmp_path_factory.mktemp("music") / "tree"
    simulate_music(folder, RECIPE, jobs=1)
    return folder


@pytest.fixture
def music_copy(music, tmp_path):
    """A copy that may be changed; its marker says what is expected, and the hashes of what was made."""
    return Path(shutil.copytree(music, tmp_path / "tree"))


@pytest.fixture
def real_copy(music_copy, monkeypatch):
    """A copy without the marker, so that it is taken for real, of which as much is expected."""
    (music_copy / MUSIC_MARKER).unlink()
    monkeypatch.setattr("harness.corpus.nmedt.open.expected_tree", lambda folder: TREE)
    return music_copy


@pytest.fixture
def music_split(tmp_path):
    """A split of the small tree: blocks of 4 s, listeners apart."""
    split = json.loads((Path(__file__).parents[1] / "splits" / "music-listeners-blocks.json").read_text())
    blocks = {"seconds": 4, "edge_seconds": 1, "train": [0], "val": [1], "test": [2]}
    split |= {
        "name": "small-music",
        "blocks": {"nmed-t": blocks, "simulated-nmed-t": blocks},
        "measures": ["cosine", "cosine_centred", "cosine_gain"],
    }
    path = tmp_path / "small-music.json"
    path.write_text(json.dumps(split))
    return path


def write_wav(path, samples, rate=22050):
    """(n_samples,) or (n_samples, n_channels) of full scale 1, as 16 bits."""
    samples = np.asarray(samples, np.float64)
    samples = samples[:, None] if samples.ndim == 1 else samples
    with wave.open(str(path), "wb") as file:
        file.setnchannels(samples.shape[1])
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(np.round(32767 * samples).astype("<i2").tobytes())


def read_wav(path):
    """(n_samples,) of full scale 1."""
    with wave.open(str(path)) as file:
        return np.frombuffer(file.readframes(file.getnframes()), "<i2") / 32767
