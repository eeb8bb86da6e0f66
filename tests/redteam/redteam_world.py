"""What is to be protected, and how to see that it was."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from pathlib import Path

import psutil

from redteam.attacks import Attack

SECRET = "the words that were heard"
MANIFEST = """
name = "hostile"
version = "1.0.0"
title = "for tests"
authors = ["a test"]
licence = "MIT"
entry_point = "predictor:Decoder"
features = ["mel", "envelope"]
"""
HONEST = Attack("return 'nothing'", "GOT nothing")


@dataclass(frozen=True)
class World:
    """What is to be protected; everybody on the machine may read and write it.

    Attributes:
        folder: of all of it.
        names: what an attacker knows, by the names that its code has for them.
    """

    folder: Path
    names: dict[str, str]
    listeners: tuple[socket.socket, ...]

    def state(self):
        """Every file: name, content, permissions, and time of the last change."""
        return sorted(
            (path.relative_to(self.folder).as_posix(), path.lstat().st_mode, *content(path))
            for path in self.folder.rglob("*")
        )

    def heard(self):
        """What reached a listener."""
        found = []
        for listener in self.listeners:
            try:
                found.append(listener.accept() if listener.type == socket.SOCK_STREAM else listener.recv(99))
            except BlockingIOError:
                continue
        return found


def content(path):
    return (path.read_bytes(), path.stat().st_mtime_ns) if path.is_file() else ()


def processes_in(folder):
    """Command lines of the processes that were started in a folder, or work there."""
    found = []
    for process in psutil.process_iter():
        try:
            line = " ".join(process.cmdline())
            if process.status() != psutil.STATUS_ZOMBIE and str(folder) in line + process.cwd():
                found.append(line)
        except (psutil.Error, OSError):  # gone, or in a folder too deep to name
            continue
    return found
