"""git, called with lists of arguments: no text reaches a shell, and nothing is checked out."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import NamedTuple

from harness.errors import Fault, RepositoryError

_GIT_SECONDS = 120


def repository(folder: Path = Path()) -> Path:
    """The root of the repository that a folder lies in.

    Raises:
        RepositoryError: git is not installed, or there is no repository with a commit.
    """
    top = try_git(folder, "rev-parse", "--show-toplevel")
    if top is None or try_git(folder, "rev-parse", "--verify", "--quiet", "HEAD") is None:
        raise RepositoryError(
            Fault(
                str(folder.resolve()),
                "no git repository" if top is None else "a git repository without a commit",
                "a clone of the repository that holds the records",
                "Run it inside the clone. `harness rank` alone needs no git.",
            )
        )
    return Path(os.fsdecode(top).rstrip("\n"))


def git(root: Path, *arguments: str) -> bytes:
    """What a git command prints.

    Raises:
        RepositoryError: git is not installed, or refuses.
    """
    done = _run(root, arguments)
    if done.returncode:
        said = done.stderr.decode("utf-8", "replace").strip()
        raise RepositoryError(Fault(f"git {arguments[0]} in {root}", said or f"exit code {done.returncode}"))
    return done.stdout


def try_git(root: Path, *arguments: str) -> bytes | None:
    """What a git command prints; None where it refuses.

    Raises:
        RepositoryError: git is not installed.
    """
    done = _run(root, arguments)
    return None if done.returncode else done.stdout


def _run(root: Path, arguments: tuple[str, ...]) -> subprocess.CompletedProcess[bytes]:
    # quotePath off and -z: names arrive as they are. Locks are for those who write.
    command = ["git", "--no-optional-locks", "-C", str(root), "-c", "core.quotePath=false", *arguments]
    try:
        return subprocess.run(command, capture_output=True, timeout=_GIT_SECONDS, check=False)
    except FileNotFoundError:
        raise RepositoryError(
            Fault("git", "not installed", "the command git", "Install git; `harness rank` alone needs none.")
        ) from None
    except subprocess.TimeoutExpired:
        raise RepositoryError(Fault(f"git {arguments[0]}", f"no answer in {_GIT_SECONDS} s")) from None


class GitState(NamedTuple):
    """What is checked out.

    Attributes:
        commit: its full hash.
        dirty: whether files differ from it.
    """

    commit: str
    dirty: bool


def git_state(folder: Path) -> GitState | None:
    """Commit of the repository that holds a folder, and whether files differ from it.

    Score records themselves (``results/``) do not make a repository dirty. None outside a repository,
    before the first commit, and where git is not installed.
    """
    try:
        commit = try_git(folder, "rev-parse", "--verify", "--quiet", "HEAD")
        changed = try_git(folder, "status", "--porcelain", "--", ":/", ":(exclude,top)results")
    except RepositoryError:
        return None
    return None if commit is None else GitState(commit.decode().strip(), bool(changed))
