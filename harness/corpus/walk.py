"""The files below a folder, links followed, and what is to be said of the links."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from harness.errors import CorpusError, Fault, counted, shorten
from harness.files import is_inside

MOST_FOLDERS = 100_000
"""Folders that are looked into; links to each other make many of few."""


class Below(NamedTuple):
    """What lies below a folder. All are sorted paths relative to it, with ``/``.

    Attributes:
        files: every file. A link to a file that is not there is one, so that reading it reports the fault.
        round: links to a folder that they lie in, which are passed over.
        leaving: links that lead out of the folder, which are followed.
    """

    files: tuple[str, ...]
    round: tuple[str, ...]
    leaving: tuple[str, ...]

    @property
    def notes(self) -> list[str]:
        """What was passed over, in words."""
        if not self.round:
            return []
        links = counted(len(self.round), "link")
        return [f"{links} to a folder above passed over: {shorten(self.round, 3)}"]


def walk(folder: Path) -> Below:
    """Everything below a folder.

    Hidden files and folders (``.git``, and the ``._name`` that macOS leaves beside ``name``) are passed over.
    Links are followed, but not to a folder above; a folder that two links lead to is read under both names.

    Raises:
        CorpusError: far too many folders.
    """
    files, circles, leaving = [], [], []
    n_folders = 0
    for kind, name in _walk(folder, "", {folder.resolve()}, folder):
        if kind == "file":
            files.append(name)
        elif kind == "round":
            circles.append(name)
        elif kind == "leaving":
            leaving.append(name)
        else:
            n_folders += 1
            if n_folders > MOST_FOLDERS:
                remedy = "Name a folder with the recordings alone; links may lead to each other."
                raise CorpusError(Fault(str(folder), f"more than {MOST_FOLDERS} folders", "fewer", remedy))
    return Below(tuple(files), tuple(circles), tuple(leaving))


def visible(folder: Path, pattern: str) -> list[Path]:
    """Files of a folder by a pattern, sorted; hidden ones, such as ``._name``, are passed over."""
    return sorted(path for path in folder.glob(pattern) if not path.name.startswith("."))


def files_below(folder: Path) -> tuple[str, ...]:
    """The files below a folder, as :func:`walk` finds them."""
    return walk(folder).files


def _walk(folder: Path, prefix: str, above: set[Path], root: Path) -> Iterator[tuple[str, str]]:
    """What is found, one after the other: its kind and its name."""
    with os.scandir(folder) as entries:
        listed = sorted(entries, key=lambda entry: entry.name)
    for entry in listed:
        if entry.name.startswith("."):
            continue
        name = f"{prefix}{entry.name}"
        is_folder = _is_folder(entry)
        real = Path(entry.path).resolve() if is_folder else None
        if real is not None and real in above:
            yield "round", name
            continue
        if entry.is_symlink() and not is_inside(Path(entry.path), root):
            yield "leaving", name
        if real is None:
            yield "file", name
        else:
            yield "folder", name
            yield from _walk(Path(entry.path), f"{name}/", above | {real}, root)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    """Whether an entry is a folder, or a link to one; a link to itself is none."""
    try:
        return entry.is_dir()
    except OSError:
        return False
