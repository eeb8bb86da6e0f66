"""The submissions of a repository: which are valid, which a range of commits changed, which are refused."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from harness.errors import Fault, SubmissionError, UsageError
from harness.evaluation.check import check_submission
from harness.execution import Run
from harness.pull_request.asked import Asked, stored_elsewise
from harness.pull_request.changes import Changes, Remark
from harness.submission.ensemble import load_members
from harness.submission.find import SUBMISSION_FOLDERS
from harness.submission.manifest import MANIFEST, Submission, load_submission, weights_faults
from harness.tasks.task import Task

DOCUMENT_SUFFIX = ".md"


@dataclass
class Submissions:
    """The submissions below baselines/ and submissions/.

    Attributes:
        root: of the repository.
        valid: name -> submission whose manifest is valid and whose name is its own.
        changed: names of those that the range changed, or that have a member that it changed.
        touched: names of those in which it changed more than documents.
        refused: names that are not scored: broken, or their check failed.
        remarks: what is wrong.
    """

    root: Path
    valid: dict[str, Submission] = field(default_factory=dict)
    changed: tuple[str, ...] = ()
    touched: frozenset[str] = frozenset()
    refused: set[str] = field(default_factory=set)
    remarks: list[Remark] = field(default_factory=list)

    @classmethod
    def of(cls, changes: Changes) -> Submissions:
        """The submissions of a working tree. If two have one name, the one that the base has is kept."""
        found = cls(changes.root.resolve())
        named: dict[str, list[Submission]] = {}
        for kind in SUBMISSION_FOLDERS:
            for manifest in sorted(found.root.glob(f"{kind}/*/{MANIFEST}")):
                if manifest.parent.resolve() != found.root / kind / manifest.parent.name:
                    found.refused.add(manifest.parent.name)
                    text = f"{found._shown(manifest.parent)} is a link: put the folder itself there"
                    found._stop("name", text)
                    continue
                try:
                    submission = load_submission(manifest.parent)
                except SubmissionError as error:
                    found.refused.add(manifest.parent.name)
                    found._stop("check", f"{found._shown(manifest.parent)}: {error}")
                else:
                    named.setdefault(submission.name, []).append(submission)
        for same_name in named.values():
            found._take(same_name, changes.tree)
        found.changed = tuple(found._that_hold(changes.paths))
        code = [path for path in changes.paths if not path.endswith(DOCUMENT_SUFFIX)]
        found.touched = frozenset(found._that_hold(code))
        return found

    def has(self, name: str, variant: str | None) -> bool:
        """Whether there is such a system; true for one that is refused, which is remarked on already."""
        return name in self.refused or (name in self.valid and variant in self.valid[name].variants)

    def variants(self, name: str) -> tuple[str, ...]:
        """A submission's variants."""
        return self.valid[name].variants

    def seeds(self, name: str, variant: str, task: Task) -> tuple[int | None, ...]:
        """The seeds of a variant's trainings on a task; None alone where the manifest lists no seed."""
        found = self.valid[name].seeds(task.corpus.name, task.split, task.feature, variant)
        return found or (None,)

    def check(self, name: str, tasks: Sequence[Task], run: Run) -> list[Remark]:
        """Check a submission on the first task that it can be run on; refuse it if that fails."""
        submission = self.valid[name]
        where = self._shown(submission.folder)
        faults = [fault for one in _with_members(submission) for fault in weights_faults(one)]
        if not faults:
            fitting = self._fitting(submission, tasks, run)
            if fitting.task is None:
                text = f"{where} is on none of these boards: {fitting.why}"
                return [Remark(False, "check", self._relative(text))] if fitting.why else []
            task = fitting.task
            faults, _ = check_submission(submission.folder, lambda: task, fitting.run)
        return self._refused(submission, faults)

    def weights_faults(self, name: str) -> list[Remark]:
        """What is wrong with a submission's weights, which are not run; refuse it where something is."""
        submission = self.valid[name]
        faults = [fault for one in _with_members(submission) for fault in weights_faults(one)]
        return self._refused(submission, faults)

    def _that_hold(self, paths: Iterable[str]) -> list[str]:
        """Names of the submissions that one of some changed paths belongs to, by itself or by a member.

        Members may lie anywhere in the repository. A path on the way to a folder counts too: it is a link, or
        a repository inside this one.
        """
        listed = set(paths)
        held = listed | {str(parent) for path in listed for parent in PurePosixPath(path).parents}
        return [
            name
            for name, submission in sorted(self.valid.items())
            if any(
                folder in held or any(str(parent) in listed for parent in PurePosixPath(folder).parents)
                for folder in self._folders(submission)
            )
        ]

    def _fitting(self, submission: Submission, tasks: Sequence[Task], run: Run) -> _Fitting:
        """The first task and variant that it has weights for; last, a board that has other weights of it."""
        reasons = []
        for task in tasks:
            own = [Asked(submission.name, variant, None) for variant in submission.variants]
            for asked in [*own, *stored_elsewise(self.root, task, submission.name)]:
                try:
                    prepared = asked.prepared(submission, task, run)
                except (SubmissionError, UsageError) as error:
                    reasons.append(str(error))
                else:
                    return _Fitting(prepared.task, prepared.run)
        return _Fitting(None, run, reasons[0] if reasons else "")

    def _refused(self, submission: Submission, faults: Sequence[Fault]) -> list[Remark]:
        if not faults:
            return []
        self.refused.add(submission.name)
        where = self._shown(submission.folder)
        return [
            Remark(True, "check", self._relative(f"{where} cannot be scored: {fault}")) for fault in faults
        ]

    def _take(self, submissions: list[Submission], tree: frozenset[str]) -> None:
        """Keep one of the submissions that have one name, and refuse the others by name."""
        old = [one for one in submissions if f"{self._shown(one.folder)}/{MANIFEST}" in tree]
        own = [one for one in submissions if one.folder.name == one.name]
        kept = (old or own or submissions)[0]
        for other in submissions:
            if other is not kept:
                both = f"{self._shown(other.folder)} and {self._shown(kept.folder)}"
                text = (
                    f"two submissions named {other.name}: {both}; the first is refused, choose another name"
                )
                self._stop("name", text)
        if kept.folder.name != kept.name:
            self.refused.add(kept.name)
            text = f"{self._shown(kept.folder)} is named {kept.name}; folder and name must be one"
            self._stop("name", text)
            return
        try:
            members = _with_members(kept)
        except SubmissionError as error:
            self.refused.add(kept.name)
            self._stop("check", f"{self._shown(kept.folder)}: {error}")
            return
        outside = [one.folder for one in members if not one.folder.is_relative_to(self.root)]
        if outside:
            self.refused.add(kept.name)
            text = f"{self._shown(kept.folder)} has a member outside the repository: {outside[0]}"
            self._stop("check", text)
            return
        self.valid[kept.name] = kept

    def _folders(self, submission: Submission) -> set[str]:
        """Where a submission and its members lie, by the paths that are named and by those they lead to."""
        named = [submission.folder / one["submission"] for one in submission.manifest.get("members", ())]
        folders = [submission.folder, *(one.folder for one in _with_members(submission))]
        folders += [Path(os.path.normpath(path)) for path in named]
        return {self._shown(folder) for folder in folders}

    def _shown(self, folder: Path) -> str:
        return folder.relative_to(self.root).as_posix() if folder.is_relative_to(self.root) else str(folder)

    def _relative(self, text: str) -> str:
        return text.replace(f"{self.root}/", "")

    def _stop(self, kind: str, text: str) -> None:
        self.remarks.append(Remark(True, kind, self._relative(text)))


class _Fitting(NamedTuple):
    """A task that a submission can be run on, and how; without one, why the first cannot be."""

    task: Task | None
    run: Run
    why: str = ""


def _with_members(submission: Submission) -> list[Submission]:
    """The submission, or an ensemble's members.

    Raises:
        SubmissionError: a member that is no valid submission.
    """
    if not submission.is_ensemble:
        return [submission]
    return [member.submission for member in load_members(submission)]
