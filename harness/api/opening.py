"""Open a corpus, and a part of a split of it."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from harness.api.part import Part
from harness.conventions import DATA_VARIABLE, Progress
from harness.corpus import Corpus
from harness.corpus import open_corpus as opened
from harness.corpus.nmedt import AudioChoice
from harness.corpus.simulated.corpora import cached, wanted
from harness.corpus.simulated.make import simulate as simulated
from harness.corpus.simulated.recipe import SUBJECTS, TEST_NUMBERS, VALIDATION_NUMBERS, Recipe
from harness.errors import Fault, UsageError
from harness.tasks.splits import load_split
from harness.tasks.task import open_task

SMALL_SPLIT = "small"
_PARTS = {
    "train": [n for n in range(1, len(SUBJECTS) + 1) if n not in (*VALIDATION_NUMBERS, *TEST_NUMBERS)],
    "val": list(VALIDATION_NUMBERS),
    "test": list(TEST_NUMBERS),
}


class Small(NamedTuple):
    """A small simulated corpus, and a split of its subjects.

    Attributes:
        data: folder of the corpus.
        split: file of the split.
    """

    data: Path
    split: Path


def simulate(folder: str | Path, *, n_subjects: int = 2, recording_seconds: float = 62.0) -> Small:
    """Make a small simulated corpus in seconds, for trying things out; it has no real EEG.

    Its subjects are some of the whole simulated corpus's. The split ``small`` has them in the same parts, so
    that the weights which come with the kit, trained on that corpus's training part, can be scored on it.

        >>> from harness import api
        >>> small = api.simulate("small-corpus")
        >>> small.data.name, small.split.name
        ('small-corpus', 'small.json')

    Args:
        folder: its root; one that holds the same corpus already is left as it is.
        n_subjects: of each part, at most 16.
        recording_seconds: of each of a subject's two recordings, 31 or more: a segment has 30 s.

    Raises:
        UsageError: more subjects than there are, or recordings that hold no segment.
        CorpusError: the folder holds something else, or the disk has too little room.
    """
    most = min(map(len, _PARTS.values()))
    if not 1 <= n_subjects <= most:
        raise UsageError(Fault("n_subjects", f"{n_subjects}", f"1 to {most}, of each part"))
    if not recording_seconds >= 31:
        raise UsageError(Fault("recording_seconds", f"{recording_seconds}", "31 or more: a segment has 30 s"))
    root = Path(folder)
    parts = {
        part: {"subjects": [SUBJECTS[number - 1] for number in numbers[:n_subjects]]}
        for part, numbers in _PARTS.items()
    }
    subjects = tuple(subject for part in parts.values() for subject in part["subjects"])
    recipe = Recipe(
        subjects=subjects,
        recording_seconds=recording_seconds,
        n_train_stimuli=2,
        n_val_stimuli=1,
        n_test_stimuli=2,
    )
    simulated(root, recipe, jobs=1)
    split = {
        "name": SMALL_SPLIT,
        "title": "Unseen subjects: some of the simulated corpus",
        "corpora": ["simulated"],
        "features": ["mel", "envelope"],
        "sample_rate_hz": 64,
        "segment_seconds": 30,
        "cut": "whole-recordings",
        "training_split": "held-out-subjects",
        "parts": parts,
    }
    file = root / f"{SMALL_SPLIT}.json"
    file.write_text(json.dumps(split, indent=1) + "\n")
    return Small(root, file)


def open_corpus(data: str | Path | None = None, *, audio: str | Path | None = None) -> Corpus:
    """Open a corpus: what is there, with nothing read yet.

        >>> from harness import api
        >>> corpus = api.open_corpus(api.simulate("small-corpus").data)
        >>> corpus.name, len(corpus.subjects), len(corpus.recordings)
        ('simulated', 6, 12)

    Args:
        data: its folder; None for the one that the variable ``HARNESS_DATA`` names, else the simulated corpus
            in the user's cache, made where it is not there yet.
        audio: for music, the folder of the songs.

    Raises:
        CorpusError: no corpus, or one that cannot be read.
    """
    choice = None if audio is None else AudioChoice(Path(audio), {})
    return opened(data_folder(data), audio=choice)


def open_part(
    data: str | Path | None = None,
    *,
    split: str | Path | None = None,
    part: str = "test",
    feature: str | None = None,
    labels: str | Path | None = None,
    partial: bool = False,
    audio: str | Path | None = None,
    offsets: Mapping[int, float] | None = None,
    exclude_channels: Sequence[str | int] = (),
    on_progress: Progress | None = None,
) -> Part:
    """Open a part of a split: fixed segments of EEG, and the feature that is asked for.

        >>> from harness import api
        >>> data, split = api.simulate("small-corpus")
        >>> api.open_part(data, split=split, part="val")
        Part val of small, mel of the simulated corpus: 8 segments of 2 subjects; simulated data (no real EEG)

    Args:
        data: folder of a corpus; None as in `open_corpus`.
        split: its name, or its file; None for the corpus's default.
        part: train, val or test; the training part is not scored.
        feature: what is decoded; None for the split's first.
        labels: references that lie apart from the EEG.
        partial: go on although subjects or stimuli of the part are not in the corpus; records say so.
        audio: for music, the folder of the songs.
        offsets: for music, song -> seconds of its file before it begins.
        exclude_channels: EEG channels that every system is given as zeros, by name or number from 1, beside
            those of the split; records of submissions say so, and nothing else is scored there.
        on_progress: called with what is done and its total, where files must be read first.

    Raises:
        UsageError: no such split, part, feature or EEG channel.
        SplitError: a split that is not valid, or not for this corpus or feature.
        CorpusError: no corpus, or subjects missing or broken.
        PredictionsError: labels of no known format.
    """
    names = load_split(split).corpora if split is not None and data is None else ()
    if audio is None and offsets:
        raise UsageError(Fault("offsets", "without audio", "the folder of the files that they are about"))
    task = open_task(
        data_folder(data, names),
        split_name=split,
        part=part,
        feature=feature,
        labels=None if labels is None else Path(labels),
        partial=partial,
        audio=None if audio is None else AudioChoice(Path(audio), dict(offsets or {})),
        exclude_channels=_channels(exclude_channels),
        on_progress=on_progress,
    )
    return Part(task)


def _channels(given: Sequence[str | int]) -> list[str]:
    """EEG channels as the command line has them; a text may hold several, joined by commas."""
    words = given.split(",") if isinstance(given, str) else given
    return [str(word).strip() for word in words if str(word).strip()]


def data_folder(data: str | Path | None, names: Sequence[str] = ()) -> Path:
    """The folder that is meant: the one given, that of ``HARNESS_DATA``, or a simulated corpus.

    Args:
        data: as the user gave it.
        names: of corpora; the first that is simulated is made, that of speech where none is.
    """
    given = data if data is not None else os.environ.get(DATA_VARIABLE) or None
    return cached(wanted(names)) if given is None else Path(given)
