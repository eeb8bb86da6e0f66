"""Fixtures for packages with a net: their modules, golden outputs, weights files. Loaded by conftest.py."""

import gzip
import importlib
import io
import json
import shutil
import sys
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from safetensors.numpy import load_file

from harness.execution import PredictorSpec, SegmentInput, predict_segments
from harness.predictor import Setup

REPOSITORY = Path(__file__).parent.parent
GOLDEN = Path(__file__).parent / "golden"
AUDIO_RATE_HZ = 16000
AUDIO_SECONDS = {"audiobook_1": 22.0, "podcast_3": 12.0}  # the recordings have 21.1 s and 18.1 s


@contextmanager
def _on_the_path(folder):
    """Every package calls its modules model and predictor: none of them may stay behind."""
    before = set(sys.modules)
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        sys.path.remove(str(folder))
        for name in set(sys.modules) - before:
            file = getattr(sys.modules[name], "__file__", None)
            if file and Path(file).is_relative_to(folder):
                del sys.modules[name]


@pytest.fixture(scope="session")
def package():
    """Folder of a package, such as ``baselines/vlaai`` -> its modules, as attributes, and ``folder``."""

    @cache
    def load(name):
        folder = REPOSITORY / name
        with _on_the_path(folder):
            modules = {path.stem: importlib.import_module(path.stem) for path in folder.glob("*.py")}
        return SimpleNamespace(folder=folder, **modules)

    return load


@pytest.fixture(scope="session")
def golden():
    """Name of a golden folder -> its state by release name, float32, and its inputs and outputs."""

    def load(name):
        folder = GOLDEN / name
        npz = folder / "state.npz"
        state = dict(np.load(npz)) if npz.exists() else load_file(folder / "state.safetensors")
        return SimpleNamespace(
            state={key: array.astype(np.float32) for key, array in state.items()},
            io=dict(np.load(folder / "io.npz")),
            meta=json.loads((folder / "meta.json").read_text()),
        )

    return load


@pytest.fixture
def audio_tree(official_split, tmp_path):
    """The official fixture with audio, one file of each kind; podcast_3's is shorter than the EEG."""
    root = tmp_path / "sparrkulee"
    for part in ("preprocessed_eeg", "preprocessed_stimuli"):
        shutil.copytree(official_split / "derivatives" / part, root / "derivatives" / part)
    (root / "stimuli/eeg").mkdir(parents=True)
    rng = np.random.default_rng(5)
    for stimulus, seconds in AUDIO_SECONDS.items():
        content = io.BytesIO()
        audio = (1000 * rng.standard_normal(round(seconds * AUDIO_RATE_HZ))).astype(np.int16)
        np.savez(content, audio=audio, fs=AUDIO_RATE_HZ)
        if stimulus == "podcast_3":
            (root / f"stimuli/eeg/{stimulus}.npz.gz").write_bytes(gzip.compress(content.getvalue()))
        else:
            (root / f"stimuli/eeg/{stimulus}.npz").write_bytes(content.getvalue())
    return root


@pytest.fixture
def make_setup():
    """A `Setup` for 10 mel bands, unless told."""

    def make(weights=None, **values):
        defaults = {
            "feature": "mel",
            "n_bands": 10,
            "n_channels": 64,
            "segment_samples": 96,
            "sample_rate_hz": 64,
            "variant": "default",
            "options": {},
            "seed": 0,
        }
        given = {**defaults, **values}
        given.setdefault("n_frames", given["segment_samples"])
        return Setup(**given, weights=weights)

    return make


@pytest.fixture
def save_net(tmp_path):
    """Write a net's weights file, as training does; ``changed`` metadata is left out where it is None."""

    def save(net, subjects=(), changed=None):
        from safetensors.torch import save_file

        from harness.nn import metadata

        said = {**metadata(type(net), net.config, subjects), **(changed or {})}
        path = tmp_path / "weights.safetensors"
        save_file(net.state_dict(), path, {key: value for key, value in said.items() if value is not None})
        return path

    return save


@pytest.fixture
def predict_isolated():
    """Predict EEG (n_segments, n_times, n_channels) in a process of its own."""

    def run(folder, setup, eeg, subjects=None):
        subjects = subjects or [f"sub-{i:03d}" for i in range(len(eeg))]
        spec = PredictorSpec(folder.name, folder, "predictor:Decoder", setup)
        segments = [SegmentInput(str(i), subject) for i, subject in enumerate(subjects)]
        with predict_segments(spec, segments, lambda i: eeg[i], batch_segments=2) as made:
            return np.stack([made.predictions[segment.id] for segment in segments])

    return run
