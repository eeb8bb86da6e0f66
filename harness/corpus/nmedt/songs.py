"""What NMED-T is: ten songs, twenty listeners, 125 electrodes (Losorelli et al. 2017).

Song number NN, 21 to 30, names the file ``songNN_Imputed.mat`` and its variables ``dataNN`` and ``subsNN``.
A recording is 270 s, the first of EEG and audio: the shortest of the ten has 271.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from harness.conventions import MUSIC_MARKER

LAYOUT: Final = "nmed-t"
SAMPLE_RATE_HZ: Final = 125
N_ELECTRODES: Final = 125
# 124 electrodes of the net, then the vertex.
ELECTRODES: Final = (*(f"E{number}" for number in range(1, 125)), "Cz")
N_LISTENERS: Final = 20
SONG_SECONDS: Final = 270
# Beats a minute, as the dataset's authors give them.
TEMPI_BPM: Final = {
    21: 55.97,
    22: 69.44,
    23: 74.26,
    24: 82.42,
    25: 91.46,
    26: 96.15,
    27: 108.70,
    28: 120.00,
    29: 128.21,
    30: 150.00,
}
TITLES: Final = {
    21: "First Fires, Bonobo",
    22: "Oino, LA Priest",
    23: "Tiptoes, Daedelus",
    24: "Careless Love, Croquet Club",
    25: "Lebanese Blonde, Thievery Corporation",
    26: "Canopée, Polo & Pan",
    27: "Doing Yoga, Kazy Lambist",
    28: "Until the Sun Needs to Rise, Rüfüs du Sol",
    29: "Silent Shout, The Knife",
    30: "The Last Thing You Should Do, David Bowie",
}
SONGS: Final = tuple(TEMPI_BPM)
FIRST_SONG: Final = SONGS[0]
FILE_NAME: Final = re.compile(r"song(?P<number>\d+)_Imputed\.mat", re.IGNORECASE)


@dataclass(frozen=True)
class Tree:
    """What a folder in NMED-T's layout should hold.

    Attributes:
        songs: their numbers.
        n_listeners: in every song's file.
        seconds: of every recording, from the first sample.
    """

    songs: tuple[int, ...] = SONGS
    n_listeners: int = N_LISTENERS
    seconds: int = SONG_SECONDS

    @property
    def n_times(self) -> int:
        """EEG samples of a recording."""
        return self.seconds * SAMPLE_RATE_HZ


def stimulus(song: int) -> str:
    """The name of a song in ids, splits and records."""
    return f"song{song}"


def file_name(song: int) -> str:
    """The file of a song's cleaned EEG."""
    return f"song{song}_Imputed.mat"


def expected_tree(folder: Path) -> Tree:
    """What should be in a folder: the whole dataset, or what the marker of a simulated one says."""
    from harness.corpus.simulated.marker import read_marker

    marker = read_marker(folder) if (folder / MUSIC_MARKER).is_file() else None
    if marker is None:
        return Tree()
    recipe = json.loads(json.dumps(marker["recipe"]))
    return Tree(
        tuple(FIRST_SONG + number for number in range(int(recipe["n_songs"]))),
        int(recipe["n_listeners"]),
        int(recipe["seconds"]),
    )
