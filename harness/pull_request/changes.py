"""What a range of a git repository changed: files since a ref, and files as they were at a commit.

The range is from the merge base of the ref and HEAD to the working tree. Files that are not committed yet
count as changed. Commits that the ref gained meanwhile do not. Nothing is checked out.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from harness.errors import Fault, UsageError, counted, shorten
from harness.files import read_regular
from harness.git import git, repository, try_git
from harness.submission.find import SUBMISSION_FOLDERS
from harness.submission.manifest import MANIFEST

SCORER = "harness/scoring"
MOST_SOURCE_BYTES = 1 << 20
SCORER_VERSION_FILE = f"{SCORER}/score.py"
# Folders and modules that change a score and are in no record's hash: where references come from and what is
# computed from them; and below, what predictions are made with.
SCORED_WITH = (
    "harness/conventions.py",
    "harness/npy.py",
    "harness/shipped.py",
    *(f"harness/{name}" for name in ("corpus", "evaluation", "features", "predictions", "records", "tasks")),
)
PREDICTED_WITH = (
    "harness/predictor.py",
    *(f"harness/{name}" for name in ("execution", "nn", "submission")),
)
# What CI runs, and with what.
CI_PATHS = (".github", ".ci", "Makefile", "pyproject.toml", "constraints.txt")
# Files that tools run or obey without being told to.
RUN_UNASKED = frozenset(
    (
        "setup.py",
        "setup.cfg",
        "sitecustomize.py",
        "usercustomize.py",
        "conftest.py",
        "pytest.ini",
        ".pytest.ini",
        "pytest.toml",
        ".pytest.toml",
        "tox.ini",
        "mypy.ini",
        ".mypy.ini",
        "ruff.toml",
        ".ruff.toml",
        ".coveragerc",
        "gnumakefile",  # which make takes before Makefile
        "noxfile.py",
        ".python-version",
        ".pre-commit-config.yaml",
        ".envrc",
        ".gitmodules",
        ".gitattributes",  # what git writes into other people's files, which moves their hashes
        ".lfsconfig",
    )
)
_RUN_UNASKED_SUFFIXES = (".pth",)
# At the root, which is on Python's path: a module there takes the place of an installed one.
_MODULE_SUFFIXES = (".py", ".pyc", ".so", ".pyd")
_HOOK_FOLDERS = frozenset(("hooks", ".githooks", ".husky"))
# Of a number that could be a version: Python refuses to read one of more than 4300 digits.
_VERSION = re.compile(rb"^SCORER_VERSION\s*(?::[^=\n]*)?=\s*(\d{1,9})\b", re.M)


class Remark(NamedTuple):
    """Something that a reader of a pull request should know.

    Attributes:
        stop: whether it must be fixed before the pull request can be taken.
        kind: what it is about, a word of the schema ``pull-request``.
        text: in words.
    """

    stop: bool
    kind: str
    text: str


@dataclass(frozen=True)
class Changes:
    """What changed since a ref.

    Attributes:
        root: of the repository.
        ref: as it was named.
        base: the merge base of the ref and HEAD.
        head: HEAD's commit.
        paths: changed file -> "added", "modified" or "removed"; posix, relative to the root.
        tree: every file at the base.
    """

    root: Path
    ref: str
    base: str
    head: str
    paths: Mapping[str, str]
    tree: frozenset[str] = field(repr=False)

    def below(self, *places: str) -> dict[str, str]:
        """The changed files that are one of some places, or lie below it."""
        return {
            path: kind
            for path, kind in self.paths.items()
            if any(path == place or path.startswith(f"{place}/") for place in places)
        }

    def submissions(self) -> dict[str, str]:
        """Submission folders with a changed file -> "added", "modified" or "removed"."""
        folders = {
            "/".join(PurePosixPath(path).parts[:2])
            for path in self.below(*SUBMISSION_FOLDERS)
            if path.count("/") > 1
        }
        kinds = {}
        for folder in sorted(folders):
            before = f"{folder}/{MANIFEST}" in self.tree
            now = (self.root / folder / MANIFEST).is_file()
            if before or now:
                kinds[folder] = "modified" if before and now else "added" if now else "removed"
        return kinds

    def moves_scores(self, *, predicted: bool = True) -> bool:
        """Whether a file changed that changes scores and is in no record's hash.

        Args:
            predicted: whether predictions are made anew; else they are stored ones.
        """
        return bool(self.below(SCORER, *SCORED_WITH, *(PREDICTED_WITH if predicted else ())))

    def split_here(self, name: str) -> str:
        """A split as --split takes it: the working tree's file; its name alone where there is none."""
        path = self.root / "splits" / f"{name}.json"
        return str(path) if path.is_file() else name

    def scored_with(self) -> dict[str, str]:
        """The changed files that change scores and are in no record's hash."""
        return self.below(SCORER, *SCORED_WITH, *PREDICTED_WITH)

    def at_base(self, path: str) -> bytes | None:
        """A file's bytes at the base; None where it was not there."""
        if path not in self.tree:
            return None
        return git(self.root, "cat-file", "blob", f"{self.base}:{path}")

    def scorer_versions(self) -> tuple[int | None, int | None]:
        """SCORER_VERSION at the base and now; None where the file or the line is missing."""
        now = self.root / SCORER_VERSION_FILE
        try:
            here = read_regular(now, MOST_SOURCE_BYTES)
        except OSError:
            here = None
        return _version(self.at_base(SCORER_VERSION_FILE)), _version(here)


def changes_since(ref: str, folder: Path = Path()) -> Changes:
    """What changed between the merge base of a ref with HEAD and the working tree.

    Args:
        ref: a branch, tag or commit.
        folder: anywhere in the repository.

    Raises:
        UsageError: the ref does not exist, or has no ancestor in common with HEAD.
        RepositoryError: no git, or no repository with a commit.
    """
    root = repository(folder)
    where = f"--changed-since {ref}"
    there = try_git(root, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{ref}^{{commit}}")
    if there is None:
        raise UsageError(
            Fault(
                where,
                f"no such commit in {root}",
                "a branch, tag or commit of this repository",
                "Fetch it first, for example: git fetch origin main; then --changed-since origin/main",
            )
        )
    base = try_git(root, "merge-base", there.decode().strip(), "HEAD")
    if base is None:
        raise UsageError(
            Fault(
                where,
                "no commit in common with HEAD",
                "a ref that HEAD grew from",
                "In a shallow clone, fetch the whole history: git fetch --unshallow",
            )
        )
    commit = base.decode().strip()
    changed = git(root, "diff", "--name-status", "--no-renames", "--no-ext-diff", "-z", commit, "--")
    words = _names(changed)
    kinds = {"A": "added", "D": "removed"}
    paths = {path: kinds.get(kind, "modified") for kind, path in zip(words[::2], words[1::2], strict=True)}
    for path in _names(git(root, "ls-files", "--others", "--exclude-standard", "-z")):
        paths[path] = "modified" if path in paths else "added"
    return Changes(
        root=root,
        ref=ref,
        base=commit,
        head=git(root, "rev-parse", "HEAD").decode().strip(),
        paths=dict(sorted(paths.items())),
        tree=frozenset(_names(git(root, "ls-tree", "-r", "-z", "--name-only", "--full-tree", commit))),
    )


def edits(changes: Changes, *, by_base: bool = False) -> list[Remark]:
    """What else the range edits: splits, the scorer, the rest of the harness, what CI runs, submissions.

    Args:
        changes: since a ref.
        by_base: whether the base's code ranks; none of these edits is in it.
    """
    remarks = []
    follows = "the rows here are of the base's code" if by_base else "no stored score is taken over"
    verbs = {"added": "adds", "modified": "edits", "removed": "removes"}
    for path, kind in changes.below("splits").items():
        name = PurePosixPath(path).stem
        void = "" if kind == "added" else ": records of it are void, and are scored again or left out"
        if by_base and kind != "added":
            void = ": the rows here are of the base's split"
        remarks.append(Remark(False, "split", f"{verbs[kind]} the split {name} ({path}){void}"))
    scorer = changes.below(SCORER)
    if scorer:
        before, now = changes.scorer_versions()
        versions = (
            f"SCORER_VERSION {before} becomes {now}" if before != now else f"SCORER_VERSION stays {now}"
        )
        text = f"edits the scorer ({shorten(list(scorer))}), {versions}: {follows}"
        remarks.append(Remark(False, "scorer", text))
    rests_on = changes.below(*SCORED_WITH, *PREDICTED_WITH)
    if rests_on:
        text = f"edits what scores rest on, {_files(list(rests_on))}: {follows}"
        remarks.append(Remark(False, "harness", text))
    rest = [path for path in changes.below("harness") if path not in scorer and path not in rests_on]
    if rest:
        remarks.append(Remark(False, "harness", f"edits the harness: {_files(rest)}"))
    remarks += _run_unasked(changes)
    ci = list(changes.below(*CI_PATHS))
    if ci:
        remarks.append(Remark(False, "ci", f"edits what CI runs: {_files(ci)}"))
    for folder, kind in changes.submissions().items():
        if kind == "removed":
            remarks.append(Remark(False, "withdrawn", f"removes the submission {folder}"))
    return remarks


def _run_unasked(changes: Changes) -> list[Remark]:
    """Files outside the submissions that somebody's tools would run; only tests that are there may change."""
    remarks = []
    # In a package's own folder such files are code like any other; beside packages they are not.
    packages = {path for path in changes.below(*SUBMISSION_FOLDERS) if path.count("/") > 1}
    for path, kind in changes.paths.items():
        if path in packages or kind == "removed" or not _runs_unasked(PurePosixPath(path)):
            continue
        stop = not (kind == "modified" and path.startswith("tests/"))
        verb = "adds" if kind == "added" else "edits"
        remarks.append(Remark(stop, "ci", f"{verb} {path}, which tools run without being asked"))
    return remarks


def _runs_unasked(path: PurePosixPath) -> bool:
    at_root = len(path.parts) == 1 and (
        path.suffix.lower() in _MODULE_SUFFIXES  # hides a module of that name
        or path.name == "makefile"  # which make takes before Makefile
    )
    is_package = len(path.parts) == 2 and path.name.split(".")[0] == "__init__"
    package_at_root = is_package and (
        path.suffix.lower() in _MODULE_SUFFIXES and path.parts != ("harness", "__init__.py")
    )
    return (
        path.name.lower() in RUN_UNASKED
        or path.suffix.lower() in _RUN_UNASKED_SUFFIXES
        or not _HOOK_FOLDERS.isdisjoint(path.parts[:-1])
        or at_root
        or package_at_root
    )


def _files(paths: list[str]) -> str:
    return f"{counted(len(paths), 'file')} ({shorten(paths)})"


def _names(listed: bytes) -> list[str]:
    return [os.fsdecode(name) for name in listed.split(b"\0") if name]


def _version(source: bytes | None) -> int | None:
    found = _VERSION.search(source) if source is not None else None
    return int(found[1]) if found else None
