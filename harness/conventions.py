"""Numbers and names that every part of the harness agrees on."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:  # the command starts without numpy
    import numpy as np
    from numpy.typing import NDArray

    # Numbers in an array, whatever their width; import it under TYPE_CHECKING too.
    Array = NDArray[np.floating[Any]]
# Called with how much is done, how much there is in all, and sometimes a note.
Progress = Callable[..., None]

# The environment's variable that names the folder of a corpus where the user names none.
DATA_VARIABLE: Final = "HARNESS_DATA"
# The subject that a predictor is told where the split hides it.
UNKNOWN_SUBJECT: Final = "unknown"
# Digits of a hash that people are shown.
HASH_DIGITS: Final = 12
# The variant of a submission whose manifest names none.
DEFAULT_VARIANT: Final = "default"
# The file in the root of a simulated corpus of speech, and the start of every simulated stimulus's name.
SIMULATED_MARKER: Final = "simulated.json"
SIMULATED_PREFIX: Final = "simulated"
# The file in the root of simulated music, whose other files have the dataset's own names.
MUSIC_MARKER: Final = "SIMULATED.json"
# The exit code of a command that stopped at its --max-time and can go on: EX_TEMPFAIL of sysexits.h.
STOPPED: Final = 75
# What every output on simulated data says of it.
SIMULATED_WORDS: Final = "simulated data (no real EEG)"


def labels_words(*, simulated: bool, held_back: bool) -> str:
    """What the labels of a board allow its numbers to show.

    Args:
        simulated: whether the data are.
        held_back: whether nobody but the organiser has the labels.
    """
    if held_back:
        return "Labels are held back: nobody but the organiser has them."
    if simulated:
        return "A demonstration: whoever has the recipe has the labels, and no number is proof."
    return "Labels are public, and on public labels no number is proof."


def quoted(word: object) -> str:
    """A path or a name as one word of a command that a user can copy: with a space in it, in quotes."""
    return shlex.quote(str(word))
