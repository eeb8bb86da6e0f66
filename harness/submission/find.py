"""Where submissions lie in a repository."""

from __future__ import annotations

from pathlib import Path

from harness.errors import Fault, UsageError
from harness.submission.manifest import MANIFEST

PACKAGE_FOLDERS = ("baselines", "submissions")


def package_folder(name: str, root: Path = Path()) -> Path | None:
    """The package of a name below baselines/ or submissions/; None where there is none."""
    folders = (root / folder / name for folder in PACKAGE_FOLDERS)
    return next((folder for folder in folders if (folder / MANIFEST).is_file()), None)


def find_package(name: str, root: Path = Path()) -> Path:
    """The package of a name below baselines/ or submissions/.

    Raises:
        UsageError: there is none.
    """
    if (folder := package_folder(name, root)) is not None:
        return folder
    raise UsageError(
        Fault(
            f"record of {name}",
            f"no package {' or '.join(f'{folder}/{name}' for folder in PACKAGE_FOLDERS)} here",
            "the submission, or the predictions, that was scored",
            "Name it: harness verify RECORD TARGET",
        )
    )
