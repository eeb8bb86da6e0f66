"""Where a result comes from: versions, the repository's commit, the machine."""

from __future__ import annotations

import os
import platform
from datetime import UTC, datetime
from importlib import metadata
from typing import Any

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


def host() -> dict[str, Any]:
    """The machine: system, architecture, processors."""
    return {
        "machine": f"{platform.system()} {platform.machine()}",
        "processors": os.cpu_count() or 1,
    }


def now() -> str:
    """This second in UTC, ISO 8601."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
