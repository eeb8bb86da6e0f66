"""Where submissions lie: in a repository, and in an installed harness."""

from __future__ import annotations

import os
from pathlib import Path

from harness.conventions import quoted
from harness.errors import Fault, UsageError
from harness.shipped import IS_CLONE, shipped_folder
from harness.submission.manifest import MANIFEST

SUBMISSION_FOLDERS = ("baselines", "submissions")


def named_submission(text: str) -> Path:
    """What a user means by a path or a bare name: ``linear`` is ``baselines/linear`` where no such file is.

    Bare names are looked for below ``baselines/`` and ``submissions/`` of the current folder, then among the
    baselines that come with the harness.

    Returns:
        the path of the submission, or ``text`` as a path where it is one, or where nothing has that name.
    """
    if os.path.lexists(text) or os.sep in text or text in ("", ".", ".."):
        return Path(text)
    known = {folder.name: folder for folder in known_submissions()}
    return known.get(text, Path(text))


def check_own(folder: Path) -> None:
    """Refuse to change a submission that came with an installed harness, or from Hugging Face's hub.

    Raises:
        UsageError: it lies inside the harness, or among what was fetched.
    """
    from harness.submission.hub import place_of

    if source := place_of(folder):
        raise UsageError(
            Fault(
                f"hf:{source}",
                "was fetched, and its files stay as they are",
                "a submission folder of your own",
                f"Copy it, and name the copy: cp -r {quoted(folder)} ./NAME",
            )
        )
    shipped = shipped_folder("baselines")
    if IS_CLONE or not folder.resolve().is_relative_to(shipped):
        return
    raise UsageError(
        Fault(
            str(folder),
            "came with the installed harness, whose files stay as they are",
            "a submission folder of your own",
            f"Copy it, and name the copy: cp -r {quoted(folder)} {quoted('./' + folder.name)}",
        )
    )


def known_submissions(root: Path = Path()) -> list[Path]:
    """Folders of the submissions below baselines/ and submissions/, and of the baselines that are shipped.

    Returns:
        one for each name, in the order of the names; what lies below ``root`` goes before what is shipped.
    """
    parents = (shipped_folder("baselines"), *(root / kind for kind in reversed(SUBMISSION_FOLDERS)))
    found = {file.parent.name: file.parent for parent in parents for file in parent.glob(f"*/{MANIFEST}")}
    return [found[name] for name in sorted(found)]


def submission_folder(name: str, root: Path = Path()) -> Path | None:
    """The submission of a name below baselines/ or submissions/; None where there is none."""
    folders = (root / folder / name for folder in SUBMISSION_FOLDERS)
    return next((folder for folder in folders if (folder / MANIFEST).is_file()), None)


def find_submission(name: str, root: Path = Path(), *, shipped: bool = False) -> Path:
    """The submission of a name below baselines/ or submissions/.

    Args:
        name: of the submission.
        root: the folder that holds baselines/ and submissions/.
        shipped: whether to look among the baselines that come with the harness too, after those.

    Raises:
        UsageError: there is none.
    """
    folder = submission_folder(name, root)
    if folder is None and shipped:
        folder = submission_folder(name, shipped_folder("baselines").parent)
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
