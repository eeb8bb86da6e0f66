"""The simulated corpora, by the names under which they are declared."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from harness.conventions import Progress
from harness.corpus.simulated import make as speech
from harness.corpus.simulated import music
from harness.corpus.simulated.marker import is_complete
from harness.corpus.simulated.recipe import Recipe, recipe_of_hours, training_hours

SPEECH: Final = "simulated"
MUSIC: Final = "simulated-nmed-t"
SIMULATED: Final = (SPEECH, MUSIC)


def default_folder(name: str) -> Path:
    """Where the corpus of the default recipe lives: in the user's cache folder."""
    return music.default_folder() if name == MUSIC else speech.default_folder()


def make(
    name: str,
    folder: Path,
    *,
    seed: int | None = None,
    hours: float | None = None,
    secret: bool = False,
    on_progress: Progress | None = None,
) -> float | None:
    """Make a simulated corpus, whole or not at all.

    Args:
        name: one of ``SIMULATED``.
        folder: its root.
        seed: of everything random; None for that of the default recipe.
        hours: of EEG in the training part, for speech; None for the default recipe's.
        secret: whether the seed is kept by the organiser of a contest.
        on_progress: called with how much is done, and of how much.

    Returns:
        Hours of EEG in the training part of speech; None for music.

    Raises:
        CorpusError: too few hours, the folder holds something else, or the disk has too little room.
    """
    if name == MUSIC:
        own = music.Recipe() if seed is None else music.Recipe(seed=seed)
        music.simulate_music(folder, own, secret=secret, on_progress=on_progress)
        return None
    default = Recipe() if seed is None else Recipe(seed=seed)
    recipe = default if hours is None else recipe_of_hours(hours, seed)
    speech.simulate(folder, recipe, secret=secret, on_progress=on_progress)
    return training_hours(recipe)


def wanted(names: Sequence[str]) -> str:
    """The first of some names of corpora that is simulated; that of speech where none is."""
    return next((name for name in names if name in SIMULATED), SPEECH)


def cached(name: str, on_progress: Progress | None = None) -> Path:
    """The corpus of the default recipe in the user's cache, made where it is not there yet.

    Args:
        name: one of ``SIMULATED``.
        on_progress: as in :func:`make`.

    Raises:
        CorpusError: as :func:`make`.
    """
    folder = default_folder(name)
    if not is_complete(folder):
        make(name, folder, on_progress=on_progress)
    return folder
