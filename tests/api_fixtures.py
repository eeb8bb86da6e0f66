"""Fixtures of the Python interface: one small simulated corpus a session, and parts of it."""

import os
from contextlib import chdir

import pytest

from harness import api


@pytest.fixture(scope="session")
def small_folder(tmp_path_factory):
    """A folder with the corpus that the documentation's examples make, so that they need not."""
    folder = tmp_path_factory.mktemp("examples")
    with chdir(folder):
        api.simulate("small-corpus")
    return folder


@pytest.fixture(scope="session")
def small(small_folder):
    """The corpus's folder, and its split's file."""
    folder = small_folder / "small-corpus"
    return api.Small(folder, folder / "small.json")


@pytest.fixture(scope="session")
def val(small):
    """Eight segments of two subjects."""
    return api.open_part(small.data, split=small.split, part="val")


@pytest.fixture(scope="session")
def train(small):
    """Eight segments of two others."""
    return api.open_part(small.data, split=small.split, part="train")


@pytest.fixture(scope="session")
def held_back(small_folder, tmp_path_factory):
    """The same corpus from a seed that only its maker has: its labels are held back."""
    from harness.corpus.simulated.make import simulate
    from harness.corpus.simulated.recipe import Recipe

    folder = tmp_path_factory.mktemp("secret") / "corpus"
    subjects = ("sub-001", "sub-027", "sub-086")
    recipe = Recipe(
        seed=1 << 70,
        subjects=subjects,
        recordings_per_subject=1,
        recording_seconds=31,
        n_train_stimuli=1,
        n_val_stimuli=1,
        n_test_stimuli=1,
    )
    simulate(folder, recipe, jobs=1, secret=True)
    os.link(small_folder / "small-corpus" / "small.json", folder / "small.json")
    return api.open_part(folder, split=folder / "small.json", part="test", partial=True)
