"""Fixtures of hosted challenges: references and predictions of four subjects, a platform's container."""

import shutil
import subprocess
import sys
import venv
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest

from harness.hosting.challenge import Challenge, Phase
from harness.predictions import write_predictions
from harness.tasks.labels_only import open_labels_task

PHASE = Phase("open", datetime(2026, 9, 1), datetime(2026, 12, 1, 12, 30), 5, 100)
SUBJECTS = ("sub-002", "sub-010", "sub-011", "sub-020")


def arrays(scale=3.0, seed=0, n_frames=640):
    """References and predictions: subject and its segments."""
    random = np.random.default_rng(seed)
    references = [
        (
            subject,
            {
                f"{subject}_story_{n:03d}": random.standard_normal((n_frames, 10), np.float32)
                for n in range(3)
            },
        )
        for subject in SUBJECTS
    ]
    predictions = [
        (
            subject,
            {
                name: (one + scale * random.standard_normal(one.shape)).astype(np.float32)
                for name, one in own.items()
            },
        )
        for subject, own in references
    ]
    return references, predictions


@pytest.fixture(scope="session")
def handed_in(tmp_path_factory):
    """A folder with labels.zip and predictions.zip."""
    folder = tmp_path_factory.mktemp("handed-in")
    references, predictions = arrays()
    write_predictions(folder / "labels.zip", references)
    write_predictions(folder / "predictions.zip", predictions)
    return folder


@pytest.fixture(scope="session")
def hosted_task(handed_in):
    return open_labels_task(handed_in / "labels.zip", corpus="my-lab").task


@pytest.fixture(scope="session")
def challenge(hosted_task):
    return Challenge(hosted_task, "A challenge: one & two", PHASE)


@pytest.fixture
def without_wheels(monkeypatch):
    """Without wheels, and without the trial that needs them: the rest in a moment."""
    monkeypatch.setattr("harness.hosting.challenge.wheels", lambda folder: {"none.whl": b""})
    for platform in ("codabench", "evalai"):
        monkeypatch.setattr(f"harness.hosting.{platform}.try_program", lambda files, references: {})


@pytest.fixture(scope="session")
def empty_python(tmp_path_factory):
    """A folder with a python3 that has nothing but its standard library."""
    folder = tmp_path_factory.mktemp("empty")
    venv.create(folder, with_pip=False, symlinks=True)
    return folder


@pytest.fixture(scope="session")
def contained(empty_python):
    """Run a command as in a platform's container: no network, no kit, the given folder as /app."""

    def run(command, app, inside):
        words = [
            "bwrap",
            "--unshare-net",
            "--unshare-pid",
            "--die-with-parent",
            "--proc",
            "/proc",
            "--dev",
            "/dev",
        ]
        for path in ("/usr", "/lib", "/lib64", "/bin", "/etc"):
            words += ["--ro-bind-try", path, path]
        words += ["--tmpfs", "/tmp", "--bind", str(app), "/app", "--chdir", f"/app/{inside}", "--clearenv"]
        for path in (sys.base_prefix, str(empty_python)):
            words += ["--ro-bind", path, path]
        words += [
            "--setenv",
            "PATH",
            f"{empty_python}/bin:/usr/bin:/bin",
            "--setenv",
            "PYTHONUNBUFFERED",
            "1",
        ]
        return subprocess.run([*words, *command], capture_output=True, text=True, timeout=120)

    if shutil.which("bwrap") is None:
        pytest.skip("no bubblewrap")
    probe = run(["python3", "-c", "import sys"], Path("/usr"), "")
    if probe.returncode:
        pytest.skip(f"bubblewrap cannot run here: {probe.stderr}")
    return run
