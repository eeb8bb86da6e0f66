"""git, called with lists of arguments: no text reaches a shell, and nothing is checked out.

This is the one place that runs it. What a user has set (colours, signatures in logs, pagers, other diffs,
hooks, watchers, ``GIT_DIR``) changes no answer. Where git refuses, its own sentence and remedy are passed on:
a clone that somebody else owns is not called a missing repository.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterable
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
    "safe.bareRepository": "explicit",  # a stranger's folder that is laid out as one brings no settings
    "status.branch": "false",
    "status.relativePaths": "false",
    "status.renames": "false",
    "status.showStash": "false",
    "status.showUntrackedFiles": "normal",
    "status.submoduleSummary": "false",
}
# Where an answer must be the same for everybody: whoever owns the clone, and whatever a user ignores.
_EVERYBODYS = {"safe.directory": "*", "core.excludesFile": os.devnull}
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


def ignored_files(folder: Path, names: Iterable[str]) -> frozenset[str]:
    """Files of a folder that a .gitignore names, and git does not track.

    What one user has ignored for oneself (``info/exclude``, ``core.excludesFile``), who owns the clone, and
    its settings decide nothing: the same files have the same answer on every machine. Nothing is fetched, and
    no program that settings name is run.

    Args:
        folder: where the files lie, links resolved.
        names: of the files, relative to the folder.

    Returns:
        Some of ``names``; none outside a repository, where git is not installed, and where git ignores the
        folder as a whole and tracks nothing of it.
    """
    paths = {os.fsencode(folder / name): name for name in names}
    if not paths:
        return frozenset()
    try:
        top = _run(folder, ("rev-parse", "--show-toplevel"), everybodys=True)
        listed = _run(folder, ("ls-files", "-z"), everybodys=True)
        if top.returncode or listed.returncode:
            return frozenset()
        root = os.fsdecode(top.stdout.removesuffix(b"\n"))
        with tempfile.TemporaryDirectory(prefix="git-of-harness-") as bare:  # a repository without settings
            Path(bare, "HEAD").write_text("ref: refs/heads/main\n")
            for name in ("objects", "refs"):
                Path(bare, name).mkdir()
            asked = (
                f"--git-dir={bare}",
                f"--work-tree={root}",
                "check-ignore",
                "--no-index",
                "-z",
                "--stdin",
            )
            given = b"\0".join([os.fsencode(folder), *paths])
            answered = _run(Path(root), asked, everybodys=True, given=given)
    except RepositoryError:
        return frozenset()
    ignored = set(answered.stdout.split(b"\0")) if answered.returncode == 0 else set()
    tracked = set(listed.stdout.split(b"\0")) - {b""}
    if os.fsencode(folder) in ignored and not tracked:  # a folder that git ignores as a whole is on its own
        return frozenset()
    return frozenset(
        name for path, name in paths.items() if path in ignored and os.fsencode(name) not in tracked
    )


def _run(
    root: Path,
    arguments: tuple[str, ...],
    *,
    offline: bool = False,
    everybodys: bool = False,
    given: bytes = b"",
) -> subprocess.CompletedProcess[bytes]:
    """Run git.

    Args:
        root: the folder that it runs in.
        arguments: the command and its own.
        offline: nothing is fetched.
        everybodys: offline, and with an answer that no user, owner or setting of one machine changes.
        given: on its standard input.
    """
    # No optional locks: nothing is written here.
    command = ["git", "--no-pager", "--no-optional-locks", "--no-replace-objects", "-C", str(root)]
    for name, value in (_SETTINGS | (_EVERYBODYS if everybodys else {})).items():
        command += ["-c", f"{name}={value}"]
    environment = _environment(() if everybodys else _KEPT)
    if offline or everybodys:  # no protocol has such a name: nothing of a partial clone is fetched
        environment |= {"GIT_NO_LAZY_FETCH": "1", "GIT_ALLOW_PROTOCOL": "none"}
    try:
        filters = _called([*command, *_LIST_FILTERS], environment).stdout
        return _called([*command, *arguments], _without_filters(environment, filters), given)
    except FileNotFoundError:
        raise RepositoryError(
            Fault("git", "not installed", "the command git", "Install git; `harness rank` alone needs none.")
        ) from None
    except subprocess.TimeoutExpired:
        raise RepositoryError(Fault(f"git {arguments[0]}", f"no answer in {_GIT_SECONDS} s")) from None


def _called(
    command: list[str], environment: dict[str, str], given: bytes = b""
) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        command,
        capture_output=True,
        input=given,
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


def _environment(kept_variables: tuple[str, ...]) -> dict[str, str]:
    """The environment of git, without its own variables but for those that begin like some."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if name.startswith(kept_variables) or not name.startswith("GIT_")
    }
    return {**kept, "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"}  # its messages are compared, in English


def _said(done: subprocess.CompletedProcess[bytes]) -> str:
    return done.stderr.decode("utf-8", "replace").strip()


def _refusal(where: str, done: subprocess.CompletedProcess[bytes]) -> Fault:
    """Git's own sentence, and what it says to do."""
    said, _, remedy = _said(done).removeprefix("fatal: ").partition("\n")
    lines = [line.strip() for line in remedy.splitlines() if line.strip()]
    return Fault(where, said.rstrip(".") or f"exit code {done.returncode}", "", "\n  ".join(lines))
