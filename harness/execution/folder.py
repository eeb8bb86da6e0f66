"""The folder of one run, in the temporary folder: locked while the run lasts, removed with it.

A harness that is killed cannot remove its folder; its lock goes with it, and the next run removes every
folder whose lock nobody holds.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

PREFIX = "harness-"
NEW_PREFIX = ".harness-new-"  # until it is locked
LOCK = "lock"
STALE_SECONDS = 3600.0  # a folder that was never locked: its maker died in that very moment


@contextmanager
def run_folder() -> Iterator[tuple[Path, int]]:
    """A new folder for one run, which only its owner can look into, and the descriptor of its lock.

    Whoever holds the descriptor, or inherited it, holds the lock.
    """
    remove_litter()
    new = Path(tempfile.mkdtemp(prefix=NEW_PREFIX))
    lock = os.open(new / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    folder = new
    with ExitStack() as stack:
        stack.callback(os.close, lock)
        stack.callback(lambda: _remove_run(folder))
        fcntl.flock(lock, fcntl.LOCK_EX)
        folder = new.rename(new.with_name(new.name.replace(NEW_PREFIX, PREFIX, 1)))
        yield folder, lock


def remove_litter() -> None:
    """Remove the folders of runs that were killed: nobody holds their lock."""
    here = Path(tempfile.gettempdir())
    for folder in here.glob(f"{PREFIX}*"):
        with contextlib.suppress(OSError):
            if not _is_own_folder(folder):
                continue
            lock = os.open(folder / LOCK, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)  # BlockingIOError: its run goes on
                _remove_run(folder)
            finally:
                os.close(lock)
    for folder in here.glob(f"{NEW_PREFIX}*"):
        with contextlib.suppress(OSError):
            if _is_own_folder(folder) and time.time() - folder.stat().st_mtime > STALE_SECONDS:
                remove_tree(folder)


def remove_tree(folder: Path) -> None:
    """Remove a folder in which strangers' code wrote: however deep, whatever its permissions.

    Python's own removal recurses, and fails some hundred folders down; that of the system does not. No
    link is followed. What cannot be removed stays, without an error: the next run tries again.
    """
    for command in (("rm", "-rf"), ("chmod", "-R", "u+rwx"), ("rm", "-rf")):
        if os.path.lexists(folder):
            subprocess.run([*command, "--", folder], stderr=subprocess.DEVNULL, check=False)


def _remove_run(folder: Path) -> None:
    """Remove a run's folder, its lock last: should this be cut short, the next run can go on."""
    for path in folder.iterdir():
        if path.name != LOCK:
            remove_tree(path)
    remove_tree(folder)


def _is_own_folder(folder: Path) -> bool:
    found = folder.lstat()
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid()
