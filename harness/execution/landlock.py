"""What Landlock lets a predictor's process reach: rights on folders and files, by the kernel's version.

Landlock (Linux 5.13) needs no privileges. A process gives up every right that its rules do not name, for
itself and all that it will start. The versions: 2 moves between folders, 3 truncation, 4 TCP, 5 commands
to devices, 6 signals and abstract sockets to processes outside.

Here is only what to ask for; ``keeper.py`` asks, in the process that becomes the predictor's.
"""

from __future__ import annotations

import ctypes
import os
import platform
from collections.abc import Iterable
from pathlib import Path
from typing import Any

_CREATE_RULESET = 444  # the number of the system call, on every architecture
_ASK_VERSION = 1
# linux/landlock.h
_EXECUTE, _WRITE, _READ, _READ_FOLDER = 1 << 0, 1 << 1, 1 << 2, 1 << 3
_REMOVE_FOLDER, _REMOVE_FILE, _MAKE_FOLDER, _MAKE_FILE, _MAKE_LINK = 1 << 4, 1 << 5, 1 << 7, 1 << 8, 1 << 12
_REFER, _TRUNCATE, _DEVICE_COMMANDS = 1 << 13, 1 << 14, 1 << 15
_FILE_RIGHTS_OF_VERSION = {1: (1 << 13) - 1, 2: _REFER, 3: _TRUNCATE, 5: _DEVICE_COMMANDS}
TCP_SINCE, SIGNALS_SINCE, NEWEST = 4, 6, 7  # versions
_ALL_OF_TCP, _ALL_SCOPES = 0b11, 0b11
_READS = _EXECUTE | _READ | _READ_FOLDER
_WRITES = (
    _READS | _WRITE | _REMOVE_FOLDER | _REMOVE_FILE | _MAKE_FOLDER | _MAKE_FILE | _MAKE_LINK
    | _REFER | _TRUNCATE
)  # fmt: skip
_DEVICE = _READ | _WRITE | _DEVICE_COMMANDS
_ONLY_ON_FOLDERS = (
    _READ_FOLDER | _REMOVE_FOLDER | _REMOVE_FILE | _MAKE_FOLDER | _MAKE_FILE | _MAKE_LINK | _REFER
)


def version() -> int:
    """The kernel's version of Landlock; 0 where it has none, or does not use it."""
    if platform.system() != "Linux":
        return 0
    libc = ctypes.CDLL(None, use_errno=True)
    return max(0, int(libc.syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), _ASK_VERSION)))


def ruleset(
    readable: Iterable[Path], writable: Iterable[Path], devices: Iterable[Path], abi: int
) -> dict[str, Any]:
    """The rules to ask for.

    Args:
        readable: files and folders that may be read and executed.
        writable: folders in which all may be done but making pipes, sockets and devices.
        devices: device files that may be read, written and given commands.
        abi: the kernel's version of Landlock, 1 or more.

    Returns:
        ``handled``: the rights that are given up, as the three numbers of ``landlock_ruleset_attr``;
        ``paths``: pairs of a path and the rights on it. Paths that are not there are left out.
    """
    handled = sum(rights for since, rights in _FILE_RIGHTS_OF_VERSION.items() if since <= abi)
    asked: dict[str, int] = {}
    for paths, rights in ((readable, _READS), (writable, _WRITES), (devices, _DEVICE)):
        for path in paths:
            if path.exists():
                own = rights if path.is_dir() else rights & ~_ONLY_ON_FOLDERS
                asked[os.fspath(path)] = asked.get(os.fspath(path), 0) | (own & handled)
    return {
        "handled": [
            handled,
            _ALL_OF_TCP if abi >= TCP_SINCE else 0,
            _ALL_SCOPES if abi >= SIGNALS_SINCE else 0,
        ],
        "paths": list(asked.items()),
    }
