"""Files that somebody handed in, read without a hang; files of ours, written whole or not at all.

What a user or a stranger hands in may be a named pipe, a device, a link into ``/proc``, a folder or a
sparse giant. :func:`open_regular` opens regular files only, up to a size, and never waits. What it refuses
it raises as an ``OSError``, whose ``strerror`` says in words what was found, as for a missing file.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import math
import os
import stat
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

MOST_WEIGHTS_BYTES = 16 << 30
"""The largest weights file that is read."""

_CHUNK_BYTES = 1 << 20
_DRAFT_SUFFIX = ".partial"
# A draft without a lock is either just being made, or its writer was killed. This long after the draft's last
# byte, its writer was killed.
_STALE_SECONDS = 60
# Of each folder that this process writes to: when its drafts were listed, and which there were.
_DRAFTS: dict[str, tuple[float, tuple[str, ...]]] = {}
_MOST_NAME_CHARS = 40  # of a file's name in the name of its draft: the disk refuses names that are too long

_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a named pipe",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFSOCK: "a socket",
}


class UnfitFileError(OSError):
    """A path that is not read: no regular file, too large, or not of the size that it says."""

    def __init__(self, path: Path, found: str) -> None:
        super().__init__(errno.EINVAL, found, str(path))


def open_regular(path: Path, most_bytes: int | None = None) -> BinaryIO:
    """Open a file that somebody handed in, for reading.

    Args:
        path: links are followed.
        most_bytes: the largest size that is read; None for any.

    Raises:
        UnfitFileError: not a regular file, or larger.
        OSError: missing, or no permission.
    """
    try:
        # A pipe without a writer must not make us wait, and a terminal must not become ours.
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    except ValueError:  # a NUL in it, or a character that the file system's encoding lacks
        raise UnfitFileError(path, "a name that no file can have") from None
    except OSError as error:
        if error.errno == errno.ENXIO:  # a socket, or a device that is not there
            raise UnfitFileError(path, "not a regular file") from None
        raise
    try:
        found = os.fstat(handle)
        kind = stat.S_IFMT(found.st_mode)
        if kind != stat.S_IFREG:
            raise UnfitFileError(path, f"{_KINDS.get(kind, 'something else')}, not a regular file")
        if most_bytes is not None and found.st_size > most_bytes:
            raise UnfitFileError(path, f"{found.st_size:_} bytes, more than {most_bytes:_}".replace("_", " "))
        return os.fdopen(handle, "rb")
    except BaseException:
        os.close(handle)
        raise


def read_regular(path: Path, most_bytes: int) -> bytes:
    """The bytes of a file that somebody handed in.

    Raises:
        UnfitFileError: not a regular file, larger, or not of the size that it says (as in ``/proc``).
        OSError: missing, or no permission.
    """
    with open_regular(path, most_bytes) as file:
        size = os.fstat(file.fileno()).st_size
        data = file.read(size + 1) or b""  # None: nothing there yet, as in /proc/kmsg
    if len(data) != size:
        raise _unsteady(path)
    return data


def file_sha256(path: Path, most_bytes: int | None = None) -> str:
    """The sha256 of a file's bytes, in hexadecimal.

    Raises:
        UnfitFileError, OSError: as :func:`read_regular`.
    """
    digest = hashlib.sha256()
    with open_regular(path, most_bytes) as file:
        left = os.fstat(file.fileno()).st_size
        while chunk := file.read(min(_CHUNK_BYTES, left + 1)):
            digest.update(chunk)
            left -= len(chunk)
            if left < 0:
                break
    if left:
        raise _unsteady(path)
    return digest.hexdigest()


def is_inside(path: Path, folder: Path) -> bool:
    """Whether a path stays in a folder when its links are followed, in circles too."""
    return Path(os.path.realpath(path)).is_relative_to(os.path.realpath(folder))


def write_atomically(path: Path, data: bytes) -> None:
    """Write a file so that a reader sees the old bytes or the new, never half.

    The folder is made where it is missing. On any error the old file stands and nothing is left behind.

    Raises:
        OSError: the folder is read-only, or the disk is full.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = Draft(path)
    try:
        draft.file.write(data)
        draft.keep()
    finally:
        draft.discard()


class Draft:
    """A file in the making, beside its place.

    Drafts of the same file whose writers were killed are removed first.

    Args:
        path: of the file, in a folder that is there.

    Attributes:
        file: to write to; can be sought in.

    Raises:
        OSError: the folder is read-only, or the disk is full.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        prefix = f".{path.name[:_MOST_NAME_CHARS]}."
        _remove_stale(path.parent, prefix)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=prefix, suffix=_DRAFT_SUFFIX)
        self._temporary = Path(name)
        self.file: BinaryIO = os.fdopen(handle, "wb")
        with contextlib.suppress(OSError):  # some network disks have no locks
            fcntl.flock(handle, fcntl.LOCK_EX)

    def keep(self) -> None:
        """Give the file its name, once its bytes are on the disk. An old file's mode stays.

        Raises:
            OSError: the disk is full.
        """
        self.file.flush()
        handle = self.file.fileno()
        os.fchmod(handle, self.path.stat().st_mode & 0o7777 if self.path.exists() else 0o666 & ~_umask())
        os.fsync(handle)
        self._temporary.replace(self.path)
        self.file.close()
        sync_folder(self.path.parent)

    def discard(self) -> None:
        """Remove what was not kept."""
        with contextlib.suppress(OSError):  # a full disk refuses the last bytes of what is removed next
            self.file.close()
        with contextlib.suppress(OSError):
            self._temporary.unlink()


@contextlib.contextmanager
def alone_in(folder: Path, *, wait: bool = True) -> Iterator[bool]:
    """Keep other processes of the harness from what is to be read and written in a folder as one step.

    The lock is on the folder itself: it leaves no file, and is gone with its process.

    Args:
        folder: made where it is missing.
        wait: for whoever has the lock; else go on without it.

    Yields:
        False where somebody else has the lock and ``wait`` is false.

    Raises:
        OSError: the folder cannot be made or opened.
    """
    folder.mkdir(parents=True, exist_ok=True)
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        held = True
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            held = False
        except OSError:  # some network disks have no locks
            pass
        yield held
    finally:
        os.close(handle)


def remove_drafts(folder: Path) -> None:
    """Remove what killed writers left below a folder in which nobody else begins a draft, however young."""
    for draft in folder.rglob(f".*{_DRAFT_SUFFIX}"):
        _remove_unlocked(draft, older_than=-math.inf)


def sync_folder(path: Path) -> None:
    """Flush a folder's list of names to the disk, where the file system can."""
    with contextlib.suppress(OSError):
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _remove_stale(folder: Path, prefix: str) -> None:
    """Remove drafts of a file whose writers are gone: old ones that nobody has locked.

    A folder is listed once in the time that a draft takes to become old, whatever is written there: to list
    it for each of n files would take n² names.
    """
    with contextlib.suppress(OSError):
        where, now = str(folder.absolute()), time.monotonic()
        when, names = _DRAFTS.get(where, (-math.inf, ()))
        if now - when >= _STALE_SECONDS:
            names = tuple(one.name for one in os.scandir(where) if one.name.endswith(_DRAFT_SUFFIX))
            _DRAFTS[where] = now, names
        for name in names:
            if not name.startswith(prefix):
                continue
            _remove_unlocked(folder / name, older_than=_STALE_SECONDS)


def _remove_unlocked(draft: Path, *, older_than: float) -> None:
    """Remove a draft that nobody has locked, where its last byte is older than so many seconds."""
    with contextlib.suppress(OSError), open_regular(draft) as file:
        fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
        if time.time() - os.fstat(file.fileno()).st_mtime > older_than:
            draft.unlink()


def _unsteady(path: Path) -> UnfitFileError:
    return UnfitFileError(path, "holds more or less than its size says, as in /proc, or changes meanwhile")


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
