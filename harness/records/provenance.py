"""Where a result comes from: versions, the repository's commit, the machine."""

from __future__ import annotations

import os
import platform
from datetime import UTC, datetime
from importlib import metadata
from typing import NamedTuple

from harness import __version__

_PACKAGES = ("numpy", "scipy", "torch", "safetensors")


def environment() -> dict[str, str]:
    """Versions of what a score depends on: harness, Python, and the packages that compute."""
    versions = {"harness": __version__, "python": platform.python_version()}
    for package in _PACKAGES:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return versions


class Host(NamedTuple):
    """The machine.

    Attributes:
        machine: system and architecture.
        processors: how many it has.
    """

    machine: str
    processors: int


def host() -> Host:
    """This machine."""
    return Host(f"{platform.system()} {platform.machine()}", os.cpu_count() or 1)


def now() -> str:
    """This second in UTC, ISO 8601."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
