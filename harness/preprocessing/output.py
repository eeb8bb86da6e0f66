"""The folder that `harness data prepare` makes: files whole or not at all, notes of what is finished."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import io
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from harness.errors import CorpusError, Fault
from harness.files import remove_drafts, write_atomically
from harness.preprocessing.recipe import Recipe
from harness.preprocessing.report import RecordingEntry, StimulusEntry

EEG_FOLDER: Final = "derivatives/preprocessed_eeg"
FEATURE_FOLDER: Final = "derivatives/preprocessed_stimuli"
STATE_FOLDER: Final = ".prepare"
RECIPE_FILE: Final = "recipe.toml"
FULL: Final = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)


class Source(msgspec.Struct, frozen=True):
    """A file that something was made from; with another size or time it counts as another file."""

    path: str
    n_bytes: int
    modified_ns: int


class Finished(msgspec.Struct, frozen=True, kw_only=True):
    """What was made of one recording or stimulus.

    Attributes:
        key: recipe, version and whatever else decides the result beside the sources.
        sources: what it was made from.
        files: path in the output -> size.
        recording: its entry in the report, of a recording.
        stimulus: its entry in the report, of a stimulus.
    """

    key: str
    sources: tuple[Source, ...]
    files: dict[str, int]
    recording: RecordingEntry | None = None
    stimulus: StimulusEntry | None = None


class Output:
    """The folder that is made, locked by this process."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.scratch = folder / STATE_FOLDER / "scratch"

    def write(self, path: str, content: bytes) -> None:
        """Write a file whole or not at all.

        Raises:
            CorpusError: the disk is full or cannot be written.
        """
        try:
            write_atomically(self.folder / path, content)
        except OSError as error:
            raise no_room(self.folder, error) from None

    def finished(self, kind: str, name: str, key: str, sources: tuple[Source, ...]) -> Finished | None:
        """What was made in an earlier call, where nothing has changed since; else it is removed.

        Raises:
            CorpusError: the disk cannot be written.
        """
        try:
            content = (self.folder / self._note(kind, name)).read_bytes()
            note = msgspec.json.decode(content, type=Finished)
        except (OSError, msgspec.MsgspecError):
            return None
        sizes = {path: _size(self.folder / path) for path in note.files}
        if (note.key, note.sources, note.files) == (key, sources, sizes):
            return note
        try:
            for path in (self._note(kind, name), *note.files):
                (self.folder / path).unlink(missing_ok=True)
        except OSError as error:
            raise no_room(self.folder, error) from None
        return None

    def finish(self, kind: str, name: str, note: Finished) -> None:
        """Note that something is finished."""
        self.write(self._note(kind, name), msgspec.json.encode(note))

    def remember(self, name: str, make: Callable[[], tuple[str, ...]]) -> tuple[str, ...]:
        """Names that the first call found; later calls read them again."""
        path = f"{STATE_FOLDER}/{name}.json"
        with contextlib.suppress(OSError, msgspec.MsgspecError):
            return msgspec.json.decode((self.folder / path).read_bytes(), type=tuple[str, ...])
        names = make()
        self.write(path, msgspec.json.encode(names))
        return names

    @staticmethod
    def _note(kind: str, name: str) -> str:
        return f"{STATE_FOLDER}/{kind}/{name}.json"


@contextlib.contextmanager
def opened_output(folder: Path, recipe: Recipe) -> Iterator[Output]:
    """The folder, locked, with the recipe in it; scratch files are gone at the end.

    Raises:
        CorpusError: it holds something else, or another process makes it.
    """
    state = folder / STATE_FOLDER
    if folder.exists() and not folder.is_dir():
        raise CorpusError(Fault(str(folder), "a file", "a folder for the corpus"))
    if not state.is_dir() and (folder / EEG_FOLDER).exists():
        raise CorpusError(
            Fault(
                str(folder / EEG_FOLDER),
                "EEG that this command did not make",
                "no folder, an empty one, or one of an earlier call",
                "Choose another folder; nothing was touched.",
            )
        )
    output = Output(folder)
    try:
        state.mkdir(parents=True, exist_ok=True)
        lock = (state / "lock").open("a")
    except OSError as error:
        raise no_room(folder, error) from None
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise CorpusError(
                Fault(str(folder), "another process is preparing it", "one at a time")
            ) from None
        except OSError:
            pass  # some network disks have no locks
        _check_recipe(folder, recipe)
        remove_drafts(folder)
        output.write(RECIPE_FILE, recipe.content)
        shutil.rmtree(output.scratch, ignore_errors=True)
        output.scratch.mkdir()
        try:
            yield output
        finally:
            shutil.rmtree(output.scratch, ignore_errors=True)


def _check_recipe(folder: Path, recipe: Recipe) -> None:
    path = folder / RECIPE_FILE
    if not path.exists():
        return
    arrived = hashlib.sha256(path.read_bytes()).hexdigest()
    if arrived != recipe.sha256:
        raise CorpusError(
            Fault(
                str(path),
                f"another recipe (sha256 {arrived[:12]})",
                f"the recipe {recipe.name} (sha256 {recipe.sha256[:12]})",
                "Choose another folder: recordings of two recipes do not belong into one corpus.",
            )
        )


def no_room(folder: Path, error: OSError) -> CorpusError:
    """The error of a disk that is full or cannot be written."""
    return CorpusError(
        Fault(
            str(error.filename or folder),
            (error.strerror or str(error)).lower(),
            "room for the corpus",
            "Make room and call again: what is finished is kept, and nothing half-written is left.",
        )
    )


def npy_bytes(array: NDArray[np.float32]) -> bytes:
    """An array as an npy file, float32."""
    buffer = io.BytesIO()
    np.save(buffer, np.ascontiguousarray(array, np.float32))
    return buffer.getvalue()


def _size(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except OSError:
        return None
