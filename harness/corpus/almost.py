"""Names that are almost right: why a file or folder is not taken for a recording, and what to do.

Layouts know their files by their names. A name that misses by little (another case, a compressed file, a word
that is lacking, a folder in itself) is named with its likely cause, so that nobody looks at an empty corpus,
or at a score over fewer recordings, and wonders.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import pairwise
from pathlib import Path, PurePosixPath

from harness.conventions import quoted
from harness.corpus.walk import walk
from harness.errors import counted, shorten

# Endings of compressed arrays, and what each is opened with.
_COMPRESSED = (".gz", ".zip", ".xz", ".bz2", ".zst", ".tar", ".7z")
_RAW = (".bdf", ".edf", ".vhdr", ".set", ".fif", ".bdf.gz", ".edf.gz", ".fif.gz")
# Names of each layout, whatever their case, without what may lack.
_PREPROCESSED = re.compile(r"(?P<subject>sub-[^_/]+)(_.*)?_eeg\.npy", re.I)
_OF_A_SUBJECT = re.compile(
    r"(?:(?P<place>.+)/)?sub-[^/]+/(?:[^/]+/)*sub-[^/]*_desc-preproc-audio-[^/]+_eeg\.npy"
)
_SPLIT_PART = re.compile(r"(train|val|test)(?P<separator>[_\- ]+)sub-", re.I)
_TRIAL = re.compile(r"DTU[_\- ]?S\d+[_\- ]?\d+\.np[yz]", re.I)
_MAPPING = re.compile(r"sub-[^/]*[_\- ]mapping\.json", re.I)
_SONG = re.compile(r"song[_\- ]?\d+[_\- ]?imputed\.mat", re.I)
_MOST_LOOKED_AT = 100_000


def likely_cause(path: str) -> str:
    """Why a file is not taken for one of a corpus, in words; empty where its name is not almost right.

    Args:
        path: relative to the corpus, with ``/``.
    """
    name = PurePosixPath(path).name
    bare = name
    for ending in _COMPRESSED:
        bare = bare.removesuffix(ending)
    if not _is_almost(bare):
        return ""
    if bare != name:
        return f"compressed ({name.removeprefix(bare)}); unpack it to {bare}"
    return _cause_of_name(path, name)


def _is_almost(name: str) -> bool:
    """Whether a name is a layout's, but for its case, its separators or a word that lacks."""
    return any(pattern.match(name) for pattern in (_PREPROCESSED, _SPLIT_PART, _TRIAL, _MAPPING, _SONG))


def _cause_of_name(path: str, name: str) -> str:
    split = _SPLIT_PART.match(name)
    if split is not None and split["separator"] != "_-_":
        return "parts of the name joined otherwise than by _-_"
    for part in PurePosixPath(path).parts:
        right = _in_other_case(part)
        if right:
            return (
                f"capital letters, {part} where the dataset has {right}"
                if part != name
                else ("capital letters, where the dataset has other ones")
            )
    found = _PREPROCESSED.fullmatch(name)
    if found is not None and split is None:
        for word, what in (("_ses-", "ses-"), ("_run-", "run-"), ("audio-", "audio-<stimulus>")):
            if word not in name:
                return f"no {what!r} in the name"
        if re.search(r"_run-\D", name):
            return "a run that is no number"
    return ""


def _in_other_case(part: str) -> str:
    """A name as its layout writes it, where it begins or ends in another case; empty where it does not."""
    right = part
    for begin in ("sub-", "train_", "val_", "test_", "DTU_S", "song"):
        if part[: len(begin)].casefold() == begin.casefold():
            right = begin + part[len(begin) :]
    for end in ("_eeg.npy", "_mapping.json", "_Imputed.mat", ".npz"):
        if right[-len(end) :].casefold() == end.casefold():
            right = right[: -len(end)] + end
    return "" if right == part else right


def almost_notes(paths: Iterable[str], taken: Iterable[str] = ()) -> list[str]:
    """What is to be said of files that are almost a corpus's, a line for each cause.

    Args:
        paths: of files, relative to the corpus, with ``/``.
        taken: those that a layout has read, or has said something of, already.
    """
    known = set(taken)
    causes: dict[str, list[str]] = {}
    for path in paths:
        cause = "" if path in known else likely_cause(path)
        if cause:
            causes.setdefault(cause, []).append(path)
    return [left_out(names, f"left out: {cause}") for cause, names in causes.items()]


def left_out(names: Sequence[str], words: str) -> str:
    """One line of one kind of note: the name and the words; of several names their number and a few."""
    if len(names) == 1:
        return f"{names[0]}: {words}"
    return f"{counted(len(names), 'file')}: {words}: {shorten(names, 3)}"


def preprocessed_places(folder: Path) -> list[str]:
    """Folders with subjects' folders of preprocessed EEG, wherever they lie, relative to a folder, sorted.

    A folder in itself is none: where the features lie is then a guess.
    """
    places = set()
    for path in walk(folder).files[:_MOST_LOOKED_AT]:
        found = _OF_A_SUBJECT.fullmatch(path)
        if found is not None:
            parts = [folder.name, *PurePosixPath(found["place"] or ".").parts]
            if all(outer.casefold() != inner.casefold() for outer, inner in pairwise(parts)):
                places.add(found["place"] or ".")
    return sorted(places)


def why_nothing(folder: Path) -> str:
    """What may be the cause where a folder holds no corpus, as a remedy; empty where nothing is seen."""
    places = preprocessed_places(folder)
    if len(places) > 1:
        return f"Preprocessed EEG lies in {shorten(places)}: name one of these."
    below = walk(folder).files[:_MOST_LOOKED_AT]
    notes = almost_notes(below)
    if notes:
        return " ".join(f"{note}." for note in notes[:3])
    inner = _in_itself(folder)
    if inner:
        return f"{inner} is a folder in itself, as unpacking leaves it: move what is in the inner one up."
    raw = [path for path in below if path.casefold().endswith(_RAW)]
    if raw:
        command = f"harness data prepare {quoted(folder)} OUT"
        return f"Raw recordings ({shorten(raw, 2)}): `{command}` makes a corpus of them."
    return ""


def _in_itself(folder: Path, depth: int = 3) -> str:
    """A folder that lies in one of its own name, relative to the first folder; empty where there is none."""
    try:
        children = sorted(one for one in folder.iterdir() if one.is_dir() and not one.name.startswith("."))
    except OSError:
        return ""
    for child in children:
        if child.name.casefold() == folder.name.casefold():
            return child.name
    inner = ((child.name, _in_itself(child, depth - 1)) for child in children[:1000] if depth)
    return next((f"{outer}/{name}" for outer, name in inner if name), "")
