"""The folder of a simulated corpus: made whole or not at all, with a marker that says what it is.

The marker is a JSON file in the root: the recipe, the generator's version, and size and sha256 of every file.
`make_folder` makes a corpus, `is_complete` looks cheaply whether it is there, `verify` reads every byte.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any, Final, NamedTuple

from harness.conventions import MUSIC_MARKER, SIMULATED_MARKER
from harness.errors import CorpusError, Fault
from harness.files import file_sha256, read_regular
from harness.schemas.documents import parse_json

MARKERS: Final = (SIMULATED_MARKER, MUSIC_MARKER)
MOST_MARKER_BYTES = 64 << 20
_KEYS: Final = {"simulated", "generator_version", "recipe", "sizes", "files"}
# Only a folder with this file in it is cleared.
IN_PROGRESS: Final = "simulation-in-progress"
# Room for file headers, folders and the marker, on top of the arrays.
OVERHEAD: Final = 1.02
REMEDY: Final = "Delete the folder and make the corpus again."


class Made(NamedTuple):
    """What decides the bytes of a simulated corpus.

    Attributes:
        marker: the name of its marker.
        generator_version: goes up with every change of the generator that changes a byte.
        recipe: plain JSON values.
        seed: of everything random.
        secret: whether the seed is kept by the organiser of a contest, and so are the labels.
    """

    marker: str
    generator_version: int
    recipe: Mapping[str, Any]
    seed: int
    secret: bool = False


class Written(NamedTuple):
    """A file that was written: its path relative to the corpus, size and hash."""

    path: str
    n_bytes: int
    sha256: str


def make_folder(folder: Path, made: Made, n_bytes: int, write: Callable[[Path], list[Written]]) -> None:
    """Make a simulated corpus, whole or not at all.

    It is written into ``<folder>.partial`` and renamed when complete, so an interrupted run leaves
    nothing under the final name. A complete corpus of the same recipe is left as it is.

    Args:
        folder: the corpus's root; its parents are made as needed.
        made: what the corpus is.
        n_bytes: its size, for the disk's room.
        write: writes everything but the marker into a folder.

    Raises:
        CorpusError: ``folder`` holds something else, another process is making the same corpus,
            or the disk has too little room.
    """
    if _is_made(folder, made):
        return
    with _partial(folder, n_bytes) as partial:
        if _is_made(folder, made):  # another process finished it before this one had the lock
            return
        files = sorted(write(partial))
        marker = {
            "simulated": True,
            "generator_version": made.generator_version,
            "seed": made.seed,
            "recipe": made.recipe,
            **({"labels": "held back"} if made.secret else {}),
            "sizes": {file.path: file.n_bytes for file in files},
            "files": {file.path: file.sha256 for file in files},
        }
        (partial / made.marker).write_text(json.dumps(marker, indent=1) + "\n", encoding="utf-8")
        partial.rename(folder)
        (folder / IN_PROGRESS).unlink()


def is_complete(folder: Path) -> bool:
    """Whether the marker is there and every file it lists has the right size; reads no array."""
    return read_marker(folder) is not None and not missing_files(folder)


def missing_files(folder: Path) -> list[Fault]:
    """Files of the marker that are missing or of another size; reads no array."""
    marker = read_marker(folder)
    if marker is None:
        return []
    faults = []
    for path, n_bytes in marker["sizes"].items():
        size = _size(folder / path)
        if size != n_bytes:
            arrived = "no such file" if size is None else f"{size} bytes"
            expected = f"{n_bytes} bytes, as it was made"
            faults.append(Fault(str(folder / path), arrived, expected, REMEDY))
    return faults


def verify(folder: Path, files: Iterable[str] | None = None) -> list[Fault]:
    """Compare files with the hashes in the marker.

    Args:
        folder: the corpus's root.
        files: paths relative to it; all files of the marker when not given.

    Returns:
        One fault a file that is missing, changed, or not in the marker; none where all is well.

    Raises:
        CorpusError: there is no marker, or it cannot be read.
    """
    marker = read_marker(folder)
    if marker is None:
        raise CorpusError(
            Fault(str(folder / SIMULATED_MARKER), "missing or unreadable", "the simulated corpus's marker")
        )
    faults = []
    for path in marker["files"] if files is None else files:
        where, expected = str(folder / path), marker["files"].get(path)
        if expected is None:
            faults.append(Fault(where, f"not listed in {SIMULATED_MARKER}"))
            continue
        if _size(folder / path) is None:
            faults.append(Fault(where, "no such file", f"sha256 {expected}", REMEDY))
            continue
        arrived = file_sha256(folder / path)
        if arrived != expected:
            faults.append(Fault(where, f"sha256 {arrived}", expected, REMEDY))
    return faults


def read_marker(folder: Path) -> dict[str, Any] | None:
    """The marker, of either kind; None where there is none or it is not one."""
    for name in MARKERS:
        try:
            marker = parse_json(read_regular(folder / name, MOST_MARKER_BYTES))
        except (OSError, ValueError):
            continue
        if isinstance(marker, dict) and marker.keys() >= _KEYS:
            return marker
    return None


def _is_made(folder: Path, made: Made) -> bool:
    """Whether ``folder`` holds this very corpus; refuses a folder that holds anything else."""
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return False
    marker = read_marker(folder)
    if marker is None:
        arrived, remedy = "holds something else", "Choose another folder; nothing was touched."
    elif (marker["generator_version"], marker["recipe"]) != (
        made.generator_version,
        json.loads(json.dumps(made.recipe)),
    ):
        arrived = "holds a simulated corpus of another recipe or generator version"
        remedy = "Choose another folder, or delete this one."
    elif not is_complete(folder):
        arrived = "holds a simulated corpus that lacks files"
        remedy = REMEDY
    else:
        return True
    expected = "no folder, an empty one, or this corpus"
    raise CorpusError(Fault(str(folder), arrived, expected, remedy))


@contextlib.contextmanager
def _partial(folder: Path, n_bytes: int) -> Iterator[Path]:
    """A fresh ``<folder>.partial``, locked, and gone at the end unless it was renamed.

    A folder that a killed run left holds the file `IN_PROGRESS`, and is cleared. A folder that another
    process is writing has it too, but locked: then this process waits.
    """
    partial = folder.with_name(folder.name + ".partial")
    if partial.exists() and not (partial / IN_PROGRESS).is_file():
        raise CorpusError(Fault(str(partial), "holds something else", "no folder", "Move it out of the way."))
    with _locked(partial) as lock:
        try:
            for stale in partial.iterdir():
                if stale.is_dir():
                    shutil.rmtree(stale)
            _check_room(partial, n_bytes)
            yield partial
        finally:
            if _is_at(lock, partial / IN_PROGRESS):
                shutil.rmtree(partial, ignore_errors=True)


def written(folder: Path, path: str) -> Written:
    """Size and hash of a file that was written."""
    return Written(path, (folder / path).stat().st_size, file_sha256(folder / path))


@contextlib.contextmanager
def _locked(partial: Path) -> Iterator[IO[str]]:
    """The lock on a folder in the making; waits for another process that is making the same."""
    while True:
        partial.mkdir(parents=True, exist_ok=True)
        with (partial / IN_PROGRESS).open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            # The process before may have renamed or removed the folder while this one waited.
            if _is_at(lock, partial / IN_PROGRESS):
                yield lock
                return


def _is_at(file: IO[str], path: Path) -> bool:
    """Whether an open file is still the one at ``path``: it is not after a rename."""
    with contextlib.suppress(OSError):
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    return False


def _check_room(folder: Path, n_bytes: int) -> None:
    needed, free = round(n_bytes * OVERHEAD), shutil.disk_usage(folder).free
    if free < needed:
        raise CorpusError(
            Fault(
                str(folder),
                f"{free} bytes free",
                f"{needed} bytes for the simulated corpus",
                "Make room, or choose a folder on another disk.",
            )
        )


def _size(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except OSError:
        return None
