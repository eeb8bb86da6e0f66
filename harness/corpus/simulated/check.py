"""Whether a simulated corpus is still what its marker says, and its fingerprint: the hash of its recipe."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path

from harness.corpus.base import Corpus, Recording
from harness.corpus.simulated.marker import MARKERS, missing_files, read_marker, verify
from harness.errors import CorpusError, Fault, raise_all


def simulated_root(corpus: Corpus) -> Path | None:
    """The folder with a simulated corpus's marker; None where there is none (a part was copied)."""
    if not corpus.simulated:
        return None
    roots = (corpus.folder, *corpus.folder.parents)
    return next((root for root in roots if any((root / name).is_file() for name in MARKERS)), None)


def missing_simulated_files(corpus: Corpus) -> list[Fault]:
    """Files of a simulated corpus that are missing, or of another size than they were made."""
    root = simulated_root(corpus)
    return [] if root is None else missing_files(root)


def check_simulated(corpus: Corpus, recordings: Iterable[Recording]) -> None:
    """Refuse changed files of a simulated corpus, before anything is computed from them.

    Raises:
        CorpusError: files of the recordings differ from the hashes they came with, or any file of the
            corpus is missing.
    """
    root = simulated_root(corpus)
    if root is None:
        return
    raise_all(CorpusError, missing_simulated_files(corpus))
    paths = {
        piece.path.relative_to(root).as_posix()
        for recording in recordings
        for series in (recording.eeg_series, *recording.feature_series.values())
        for piece in series.pieces
        if piece.path.is_relative_to(root)
    }
    raise_all(CorpusError, verify(root, sorted(paths)))


def has_secret_seed(corpus: Corpus) -> bool:
    """Whether it was made from a seed that nobody but its maker has, as its marker says."""
    root = simulated_root(corpus)
    marker = None if root is None else read_marker(root)
    return marker is not None and marker.get("labels") == "held back"


def recipe_fingerprint(corpus: Corpus) -> str | None:
    """sha256 of a simulated corpus's recipe and generator version; None where its marker is gone.

    The corpus is made anew on every machine, and two processors may differ in the last bits of a sample:
    hashes of samples would call the same data different. :func:`check_simulated` says whether the files are
    still those that the recipe made.
    """
    root = simulated_root(corpus)
    marker = None if root is None else read_marker(root)
    if marker is None:
        return None
    recipe = {key: marker[key] for key in ("generator_version", "recipe")}
    return hashlib.sha256(json.dumps(recipe, sort_keys=True).encode()).hexdigest()
