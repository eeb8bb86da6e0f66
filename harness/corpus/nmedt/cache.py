"""The user's cache of NMED-T: every listener's EEG and every song's targets, as arrays that can be mapped.

The dataset's files are compressed and 7 GB; nothing of them can be mapped. So each song is read once, alone,
and written as one array a listener, (n_times, 125), float32; numbers that fit two bytes keep their type. A
song is written whole or not at all, so that an interrupted run goes on with the next one. A folder is named
by the sha256 of the file that it was made from; which file has which is remembered by its size and time.

    nmed-t/sources/<hash of a path>.json    size, time and sha256 of a file
    nmed-t/<sha256>-.../about.json          what was made, and what is to be known
    nmed-t/<sha256>-.../<listener>.npy
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

from harness.errors import CorpusError, Fault
from harness.files import file_sha256, read_regular, write_atomically
from harness.schemas.documents import parse_json

ABOUT: Final = "about.json"
_MOST_ABOUT_BYTES: Final = 1 << 20
_KEY_DIGITS: Final = 32
_REMEDY: Final = "Make room, or name another cache folder with XDG_CACHE_HOME."


class Kept(NamedTuple):
    """What was made of one file.

    Attributes:
        folder: its arrays.
        about: what the maker said of them, plain JSON values.
        sha256: of the file.
    """

    folder: Path
    about: Mapping[str, Any]
    sha256: str


def cache_folder() -> Path:
    """Where everything is kept."""
    import platformdirs

    return platformdirs.user_cache_path("eeg-speech-harness") / "nmed-t"


def source_sha256(path: Path) -> str:
    """sha256 of a file's bytes; from memory where its size and time are as they were.

    Raises:
        CorpusError: it cannot be read.
    """
    place = path.resolve()
    note = (
        cache_folder() / "sources" / f"{hashlib.sha256(str(place).encode()).hexdigest()[:_KEY_DIGITS]}.json"
    )
    try:
        state = place.stat()
        known = _read(note)
        if (known.get("n_bytes"), known.get("mtime_ns")) == (state.st_size, state.st_mtime_ns):
            return str(known["sha256"])
        digest = file_sha256(place)
    except OSError as error:
        raise CorpusError(Fault(str(path), error.strerror or "cannot be read")) from None
    with contextlib.suppress(OSError):  # without a note it is computed again
        said = {"n_bytes": state.st_size, "mtime_ns": state.st_mtime_ns, "sha256": digest}
        write_atomically(note, json.dumps(said).encode())
    return digest


def kept(path: Path, what: str, n_bytes: int, make: Callable[[Path], Mapping[str, Any]]) -> Kept:
    """What was made of a file; made now where it is not there.

    Args:
        path: the file.
        what: short words for how it is made; other words, another folder.
        n_bytes: how much room it takes.
        make: writes everything into a folder, and returns what is to be remembered.

    Raises:
        CorpusError: the file is refused by ``make``, or the cache cannot be written.
    """
    digest = source_sha256(path)
    folder = cache_folder() / f"{digest[:_KEY_DIGITS]}-{what}"
    about = _read(folder / ABOUT)
    if not about:
        try:
            about = _made(folder, n_bytes, make)
        except OSError as error:
            raise CorpusError(Fault(str(folder), error.strerror or f"{error}", "a cache", _REMEDY)) from None
    return Kept(folder, about, digest)


def _made(folder: Path, n_bytes: int, make: Callable[[Path], Mapping[str, Any]]) -> Mapping[str, Any]:
    folder.parent.mkdir(parents=True, exist_ok=True)
    with _locked(folder.with_suffix(".lock")):
        about = _read(folder / ABOUT)
        if about:  # another process made it while this one waited
            return about
        partial = folder.with_suffix(".partial")
        for stale in (partial, folder):
            if stale.exists():
                shutil.rmtree(stale)
        free = shutil.disk_usage(folder.parent).free
        if free < n_bytes:
            raise CorpusError(Fault(str(folder.parent), f"{free} bytes free", f"{n_bytes} bytes", _REMEDY))
        partial.mkdir()
        try:
            about = make(partial)
            (partial / ABOUT).write_text(json.dumps(about) + "\n", encoding="utf-8")
            partial.rename(folder)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
    return about


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _read(path: Path) -> Mapping[str, Any]:
    """A JSON object; empty where there is none."""
    try:
        found = parse_json(read_regular(path, _MOST_ABOUT_BYTES))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
