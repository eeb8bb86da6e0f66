"""The simulated corpora, by the names under which they are declared."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from harness.conventions import Progress
from harness.corpus.simulated import make as speech
from harness.corpus.simulated import music
from harness.corpus.simulated.recipe import Recipe

SPEECH: Final = "simulated"
MUSIC: Final = "simulated-nmed-t"
SIMULATED: Final = (SPEECH, MUSIC)


def default_folder(name: str) -> Path:
    """Where the corpus of the default recipe lives: in the user's cache folder."""
    return music.default_folder() if name == MUSIC else speech.default_folder()


def make(name: str, folder: Path, *, seed: int = 1, on_progress: Progress | None = None) -> None:
    """Make a simulated corpus, whole or not at all.

    Args:
        name: one of ``SIMULATED``.
        folder: its root.
        seed: of everything random.
        on_progress: called with how much is done, and of how much.

    Raises:
        CorpusError: the folder holds something else, or the disk has too little room.
    """
    if name == MUSIC:
        music.simulate_music(folder, music.Recipe(seed=seed), on_progress=on_progress)
    else:
        speech.simulate(folder, Recipe(seed=seed), on_progress=on_progress)
