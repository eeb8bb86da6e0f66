"""git, called with lists of arguments: no text reaches a shell, and nothing is checked out.

This is the one place that runs it. What a user has set (colours, signatures in logs, pagers, other diffs,
hooks, watchers, ``GIT_DIR``) changes no answer. Where git refuses, its own sentence and remedy are passed on:
a clone that somebody else owns is not called a missing repository.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import NamedTuple

from harness.errors import Fault, RepositoryError

_GIT_SECONDS = 120
_LIST_FILTERS = ("config", "--show-scope", "-z", "--get-regexp", r"^filter\.")
_NO_REPOSITORY = "not a git repository"

# Settings that replace the user's own, because these change what the commands here print, or run something.
# The user's other settings hold, such as safe.directory and how a partial clone fetches.
_SETTINGS = {
    "color.ui": "false",
    "color.diff": "false",
    "color.status": "false",
    "core.fsmonitor": "false",
    "core.hooksPath": os.devnull,
    "core.pager": "cat",
    "core.quotePath": "false",
    "diff.ignoreSubmodules": "dirty",  # a submodule's commit counts; nothing runs inside it
    "diff.mnemonicPrefix": "false",
    "diff.noprefix": "false",
    "diff.orderFile": os.devnull,
    "diff.relative": "false",
    "diff.renames": "false",
    "log.follow": "false",
    "log.mailmap": "false",
    "log.showRoot": "true",
    "log.showSignature": "false",
    "status.branch": "false",
    "status.relativePaths": "false",
    "status.renames": "false",
    "status.showStash": "false",
    "status.showUntrackedFiles": "normal",
    "status.submoduleSummary": "false",
}
# The GIT_* variables that are kept: the user's settings, how far git looks for a repository, how it fetches.
# The others name another repository, index or tree, or change what is printed.
_KEPT = ("GIT_CONFIG", "GIT_CEILING_DIRECTORIES", "GIT_DISCOVERY", "GIT_EXEC_PATH", "GIT_ASKPASS", "GIT_SSH")


def repository(folder: Path = Path()) -> Path:
    """The root of the repository that a folder lies in.

    Raises:
        RepositoryError: git is not installed, there is no repository with a commit, or git refuses it.
    """
    top = _run(folder, ("rev-parse", "--show-toplevel"))
    if top.returncode and _NO_REPOSITORY not in _said(top):
        raise RepositoryError(_refusal(str(folder.resolve()), top))
    if top.returncode or try_git(folder, "rev-parse", "--verify", "--quiet", "HEAD") is None:
        raise RepositoryError(
            Fault(
                str(folder.resolve()),
                "no git repository" if top.returncode else "a git repository without a commit",
                "a clone of the repository that holds the records",
                "Run it inside the clone. `harness rank` alone needs no git.",
            )
        )
    return Path(os.fsdecode(top.stdout.removesuffix(b"\n")))


def git(root: Path, *arguments: str) -> bytes:
    """What a git command prints.

    Raises:
        RepositoryError: git is not installed, or refuses.
    """
    done = _run(root, arguments)
    if done.returncode:
        raise RepositoryError(_refusal(f"git {arguments[0]} in {root}", done))
    return done.stdout


def try_git(root: Path, *arguments: str) -> bytes | None:
    """What a git command prints; None where it refuses.

    Raises:
        RepositoryError: git is not installed.
    """
    done = _run(root, arguments)
    return None if done.returncode else done.stdout


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
    before the first commit, where git refuses the repository, and where git is not installed. The folder may
    be a stranger's, repository and all: nothing that its settings name is run, and nothing is fetched.
    """
    try:
        commit = _run(folder, ("rev-parse", "--verify", "--quiet", "HEAD"), offline=True)
        if commit.returncode:
            return None
        # Of a submodule its commit counts; git does not run inside it.
        status = (
            "status",
            "--porcelain",
            "-z",
            "--ignore-submodules=dirty",
            "--",
            ":/",
            ":(exclude,top)results",
        )
        changed = _run(folder, status, offline=True)
    except RepositoryError:
        return None
    return GitState(commit.stdout.decode().strip(), changed.returncode != 0 or bool(changed.stdout))


def _run(
    root: Path, arguments: tuple[str, ...], *, offline: bool = False
) -> subprocess.CompletedProcess[bytes]:
    # No optional locks: nothing is written here.
    command = ["git", "--no-pager", "--no-optional-locks", "--no-replace-objects", "-C", str(root)]
    for name, value in _SETTINGS.items():
        command += ["-c", f"{name}={value}"]
    environment = _environment()
    if offline:  # no name is a protocol's, so nothing of a partial clone is fetched, by whatever program
        environment |= {"GIT_NO_LAZY_FETCH": "1", "GIT_ALLOW_PROTOCOL": "none"}
    try:
        filters = _called([*command, *_LIST_FILTERS], environment).stdout
        return _called([*command, *arguments], _without_filters(environment, filters))
    except FileNotFoundError:
        raise RepositoryError(
            Fault("git", "not installed", "the command git", "Install git; `harness rank` alone needs none.")
        ) from None
    except subprocess.TimeoutExpired:
        raise RepositoryError(Fault(f"git {arguments[0]}", f"no answer in {_GIT_SECONDS} s")) from None


def _called(command: list[str], environment: dict[str, str]) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        command,
        capture_output=True,
        stdin=subprocess.DEVNULL,
        timeout=_GIT_SECONDS,
        check=False,
        env=environment,
    )


def _without_filters(environment: dict[str, str], listed: bytes) -> dict[str, str]:
    """The environment with every filter of the repository's own settings switched off.

    A repository may lie in a folder that a stranger handed in, and git runs the programs that its settings
    name as filters when it looks whether files changed. The user's own filters (git-lfs) stay.

    Args:
        environment: of the call.
        listed: what ``_LIST_FILTERS`` printed: scope, NUL, key, newline, value, NUL, and so on.
    """
    words = listed.split(b"\0")
    names = {
        os.fsdecode(setting.split(b"\n")[0]).removeprefix("filter.").rpartition(".")[0]
        for scope, setting in zip(words[::2], words[1::2], strict=False)
        if scope in (b"local", b"worktree")
    }
    count = int(environment.get("GIT_CONFIG_COUNT") or 0)
    changed = dict(environment)
    for name in sorted(names):
        for key, value in (("clean", ""), ("smudge", ""), ("process", ""), ("required", "false")):
            changed[f"GIT_CONFIG_KEY_{count}"] = f"filter.{name}.{key}"
            changed[f"GIT_CONFIG_VALUE_{count}"] = value
            count += 1
    return {**changed, "GIT_CONFIG_COUNT": str(count)} if names else changed


def _environment() -> dict[str, str]:
    kept = {
        name: value
        for name, value in os.environ.items()
        if name.startswith(_KEPT) or not name.startswith("GIT_")
    }
    return {**kept, "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"}  # its messages are compared, in English


def _said(done: subprocess.CompletedProcess[bytes]) -> str:
    return done.stderr.decode("utf-8", "replace").strip()


def _refusal(where: str, done: subprocess.CompletedProcess[bytes]) -> Fault:
    """Git's own sentence, and what it says to do."""
    said, _, remedy = _said(done).removeprefix("fatal: ").partition("\n")
    lines = [line.strip() for line in remedy.splitlines() if line.strip()]
    return Fault(where, said.rstrip(".") or f"exit code {done.returncode}", "", "\n  ".join(lines))
