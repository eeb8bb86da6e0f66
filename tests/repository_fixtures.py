"""A small repository of submissions and their records, and a fork of it to change things in."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from documents import SMALL_SPLIT

BOARD = "sparrkulee/small-split/test/mel"
OFFICIAL = Path(__file__).parent / "golden" / "official-split" / "sparrkulee"
PREDICTOR = """import numpy as np


class Decoder:
    def __init__(self, setup):
        self.n_bands = setup.n_bands

    def predict(self, eeg, subjects):
        return {expression}
"""
# Deterministic, quick, and different from each other.
SYSTEMS = {
    "baselines/alpha": "np.cumsum(eeg, axis=1)[:, :, : self.n_bands]",
    "submissions/beta": "eeg[:, :, : self.n_bands]",
}
EDITOR = {
    "GIT_AUTHOR_NAME": "a test",
    "GIT_AUTHOR_EMAIL": "test@example.org",
    "GIT_COMMITTER_NAME": "a test",
    "GIT_COMMITTER_EMAIL": "test@example.org",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
}


class Repository:
    """A folder under git, and what tests do in it."""

    def __init__(self, folder):
        self.folder = Path(folder)

    def git(self, *arguments):
        done = subprocess.run(
            ["git", *arguments],
            cwd=self.folder,
            env=os.environ | EDITOR,
            check=True,
            capture_output=True,
            text=True,
        )
        return done.stdout.strip()

    def commit(self, message):
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "-m", message)
        return self.git("rev-parse", "HEAD")

    def path(self, place):
        return self.folder / place

    def read(self, place):
        return json.loads(self.path(place).read_text())

    def write(self, place, content):
        path = self.path(place)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content if isinstance(content, str) else json.dumps(content, indent=1))

    def record(self, name):
        return self.path(f"results/{BOARD}/{name}.json")

    def add_system(self, place, expression, name=None):
        manifest = {
            "name": name or Path(place).name,
            "version": "1.0.0",
            "title": "for tests",
            "authors": ["a test"],
            "licence": "MIT",
            "entry_point": "predictor:Decoder",
            "features": ["mel"],
        }
        lines = [f"{key} = {json.dumps(value)}" for key, value in manifest.items()]
        self.write(f"{place}/submission.toml", "\n".join(lines) + "\n")
        self.write(f"{place}/predictor.py", PREDICTOR.format(expression=expression))

    def harness(self, *arguments, check=True):
        """Run the command in a process of its own, as a workflow does."""
        done = subprocess.run(
            [sys.executable, "-m", "harness", *map(str, arguments)],
            cwd=self.folder,
            env=os.environ | EDITOR | {"PYTHONPATH": str(Path(__file__).parent.parent)},
            capture_output=True,
            text=True,
        )
        assert not check or done.returncode == 0, done.stderr
        return done

    def score(self, place):
        self.harness("score", place, "--data", OFFICIAL, "--split", "splits/small-split.json")


@pytest.fixture(scope="session")
def _upstream(tmp_path_factory):
    """Made once: two systems, their records, a split and a scorer's file, on the branch main."""
    repository = Repository(tmp_path_factory.mktemp("upstream"))
    repository.git("init", "--quiet", "--initial-branch", "main")
    repository.write("splits/small-split.json", SMALL_SPLIT)
    repository.write("harness/scoring/score.py", "SCORER_VERSION = 1\n")
    repository.write("harness/other.py", "VALUE = 1\n")
    repository.write("README.md", "words\n")
    for place, expression in SYSTEMS.items():
        repository.add_system(place, expression)
        repository.score(place)
    repository.commit("Begin")
    return repository


@pytest.fixture
def upstream(_upstream, tmp_path):
    """The repository that a pull request goes to."""
    shutil.copytree(_upstream.folder, tmp_path / "upstream")
    return Repository(tmp_path / "upstream")


@pytest.fixture
def fork(upstream, tmp_path):
    """A clone of it, on a branch of its own: changes are made here."""
    repository = Repository(tmp_path / "fork")
    upstream.git("clone", "--quiet", str(upstream.folder), str(repository.folder))
    repository.git("checkout", "--quiet", "-b", "feature")
    return repository


@pytest.fixture
def pulled(upstream, fork, tmp_path):
    """Commit the fork's changes where a pull request's commits lie; gives the commit."""

    def make():
        fork.commit("Change")
        upstream.git("fetch", "--quiet", str(fork.folder), "feature:refs/pull/1/head")
        return upstream.git("rev-parse", "refs/pull/1/head")

    return make


@pytest.fixture
def ranked(harness, fork, monkeypatch, tmp_path):
    """Rank what the fork changed since origin/main; gives exit code, document, Markdown and stderr."""

    def run(*options, ref="origin/main", commit=True):
        if commit:
            fork.commit("Change")
        monkeypatch.chdir(fork.folder)
        out = tmp_path / "ranking.json"
        out.unlink(missing_ok=True)
        code, text, error = harness(
            "rank", "--changed-since", ref, "--data", OFFICIAL, "--out", out, *options
        )
        return code, json.loads(out.read_text()) if out.exists() else None, text, error

    return run
