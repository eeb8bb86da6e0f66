"""Where a result comes from: versions, the repository's commit, the machine."""

from __future__ import annotations

import os
import platform
import subprocess
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
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


def git_state(folder: Path) -> dict[str, Any] | None:
    """Commit of the repository that holds a folder, and whether files differ from it.

    Score records themselves (``results/``) do not make a repository dirty. None outside a repository,
    before the first commit, and where git is not installed.
    """
    commit = _git(folder, "rev-parse", "HEAD")
    if commit is None:
        return None
    changed = _git(folder, "status", "--porcelain", "--", ":/", ":(exclude,top)results")
    return {"commit": commit, "dirty": bool(changed)}


def host() -> dict[str, Any]:
    """The machine: system, architecture, processors."""
    return {
        "machine": f"{platform.system()} {platform.machine()}",
        "processors": os.cpu_count() or 1,
    }


def now() -> str:
    """This second in UTC, ISO 8601."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _git(folder: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments],
            capture_output=True,
            text=True,
            check=True,
            timeout=30,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
