"""Fixtures that several test files share."""

import json
import os
from pathlib import Path

import numpy as np
import pytest

GOLDEN = Path(__file__).parent / "golden"
REPOSITORY = Path(__file__).parent.parent


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch, tmp_path_factory):
    """No test reads the user's corpus, writes to the user's cache, or depends on the terminal."""
    monkeypatch.delenv("HARNESS_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.getbasetemp() / "cache"))
    monkeypatch.setenv("NO_COLOR", "1")


@pytest.fixture(scope="session")
def official_split():
    """A small SparrKULee tree: both layouts of the same recordings, and a challenge test set."""
    return GOLDEN / "official-split" / "sparrkulee"


@pytest.fixture(scope="session")
def dtu_folder():
    """Real DTU recordings, where the environment names them."""
    folder = os.environ.get("HARNESS_TEST_DTU")
    if not folder:
        pytest.skip("HARNESS_TEST_DTU does not name a folder of DTU trials")
    return Path(folder)


@pytest.fixture
def small_split(tmp_path):
    """A split of 2 s segments over the three subjects of the official fixture."""
    path = tmp_path / "small-split.json"
    path.write_text(
        json.dumps(
            {
                "name": "small-split",
                "title": "for tests",
                "corpora": ["sparrkulee"],
                "features": ["mel", "envelope"],
                "sample_rate_hz": 64,
                "segment_seconds": 2,
                "cut": "whole-recordings",
                "parts": {
                    "train": {"subjects": ["sub-001"]},
                    "val": {"subjects": ["sub-027"]},
                    "test": {"subjects": ["sub-043"]},
                },
            }
        )
    )
    return path


@pytest.fixture
def make_submission(tmp_path):
    """Write a submission whose predictor has the given body."""

    def make(name="tiny", predict="return np.cumsum(eeg, axis=1)[:, :, :self.n_bands]", **extra):
        folder = tmp_path / "submissions" / name
        folder.mkdir(parents=True)
        keys = {
            "name": name,
            "version": "1.0.0",
            "title": "for tests",
            "authors": ["a test"],
            "licence": "MIT",
            "entry_point": "predictor:Decoder",
            "features": ["mel", "envelope"],
            **extra,
        }
        lines = [f"{key} = {json.dumps(value)}" for key, value in keys.items() if value is not None]
        (folder / "submission.toml").write_text("\n".join(lines) + "\n")
        (folder / "predictor.py").write_text(
            "import os, sys, time\nimport numpy as np\n\n\n"
            "class Decoder:\n"
            "    def __init__(self, setup):\n"
            "        self.n_bands = setup.n_bands\n\n"
            "    def predict(self, eeg, subjects):\n"
            + "".join(f"        {line}\n" for line in predict.splitlines())
        )
        return folder

    return make


@pytest.fixture
def rng():
    """Seeded random numbers."""
    return np.random.default_rng(20260101)
