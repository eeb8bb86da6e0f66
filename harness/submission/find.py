"""Where submissions lie in a repository."""

from __future__ import annotations

from pathlib import Path

from harness.errors import Fault, UsageError
from harness.submission.manifest import MANIFEST

SUBMISSION_FOLDERS = ("baselines", "submissions")


def submission_folder(name: str, root: Path = Path()) -> Path | None:
    """The submission of a name below baselines/ or submissions/; None where there is none."""
    folders = (root / folder / name for folder in SUBMISSION_FOLDERS)
    return next((folder for folder in folders if (folder / MANIFEST).is_file()), None)


def find_submission(name: str, root: Path = Path()) -> Path:
    """The submission of a name below baselines/ or submissions/.

    Raises:
        UsageError: there is none.
    """
    folder = submission_folder(name, root)
    if folder is not None:
        return folder
    raise UsageError(
        Fault(
            f"record of {name}",
            f"no submission {' or '.join(f'{place}/{name}' for place in SUBMISSION_FOLDERS)} here",
            "the submission, or the predictions, that was scored",
            "Name it: harness verify RECORD SYSTEM",
        )
    )
