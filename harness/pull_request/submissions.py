"""The submissions of a repository: which are valid, which a range of commits changed, which are refused."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from harness.errors import SubmissionError
from harness.evaluation.check import check_submission
from harness.evaluation.prepare import prepare
from harness.execution import Run
from harness.pull_request.changes import Changes, Remark
from harness.submission.ensemble import load_members
from harness.submission.find import PACKAGE_FOLDERS
from harness.submission.manifest import MANIFEST, Submission, load_submission, weights_faults
from harness.tasks.task import Task


@dataclass
class Packages:
    """The submissions below baselines/ and submissions/.

    Attributes:
        root: of the repository.
        valid: name -> submission whose manifest is valid and whose name is its own.
        changed: names of those that the range changed, or a member of whom it changed.
        refused: names that are not scored: broken, or their check failed.
        remarks: what is wrong.
    """

    root: Path
    valid: dict[str, Submission] = field(default_factory=dict)
    changed: tuple[str, ...] = ()
    refused: set[str] = field(default_factory=set)
    remarks: list[Remark] = field(default_factory=list)

    @classmethod
    def of(cls, changes: Changes) -> Packages:
        """Those of a working tree. Of two with one name, the one that the base has stays."""
        packages = cls(changes.root.resolve())
        named: dict[str, list[Submission]] = {}
        for kind in PACKAGE_FOLDERS:
            for manifest in sorted(packages.root.glob(f"{kind}/*/{MANIFEST}")):
                try:
                    submission = load_submission(manifest.parent)
                except SubmissionError as error:
                    packages.refused.add(manifest.parent.name)
                    packages._stop("check", f"{packages._shown(manifest.parent)}: {error}")
                else:
                    named.setdefault(submission.name, []).append(submission)
        for submissions in named.values():
            packages._take(submissions, changes.tree)
        touched = set(changes.packages())
        packages.changed = tuple(
            name
            for name, submission in sorted(packages.valid.items())
            if touched.intersection(packages._folders(submission))
        )
        return packages

    def has(self, name: str, variant: str | None) -> bool:
        """Whether there is such a system; true for one that is refused, which is remarked on already."""
        return name in self.refused or (name in self.valid and variant in self.valid[name].variants)

    def variants(self, name: str) -> tuple[str, ...]:
        """A submission's variants."""
        return self.valid[name].variants

    def check(self, name: str, tasks: Sequence[Task], run: Run) -> list[Remark]:
        """Check a submission on the first task that it can be run on; refuse it where that fails."""
        submission = self.valid[name]
        where = self._shown(submission.folder)
        faults = [str(fault) for package in self._packages(submission) for fault in weights_faults(package)]
        why: list[str] = []
        for task, one in () if faults else _fitting(submission, tasks, run, why):
            found, _ = check_submission(submission.folder, lambda task=task: task, one)  # type: ignore[misc]
            faults = [str(fault) for fault in found]
            why = []
            break
        if faults:
            self.refused.add(name)
            return [
                Remark(True, "check", self._relative(f"{where} cannot be scored: {fault}"))
                for fault in faults
            ]
        if why:
            text = f"{where} is on none of these boards: {why[0]}"
            return [Remark(False, "check", self._relative(text))]
        return []

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
            self._packages(kept)
        except SubmissionError as error:
            self.refused.add(kept.name)
            self._stop("check", f"{self._shown(kept.folder)}: {error}")
            return
        self.valid[kept.name] = kept

    def _packages(self, submission: Submission) -> list[Submission]:
        """The submission, or an ensemble's members."""
        if not submission.is_ensemble:
            return [submission]
        return [member.submission for member in load_members(submission)]

    def _folders(self, submission: Submission) -> set[str]:
        return {self._shown(one.folder) for one in [submission, *self._packages(submission)]}

    def _shown(self, folder: Path) -> str:
        return folder.relative_to(self.root).as_posix() if folder.is_relative_to(self.root) else str(folder)

    def _relative(self, text: str) -> str:
        return text.replace(f"{self.root}/", "")

    def _stop(self, kind: str, text: str) -> None:
        self.remarks.append(Remark(True, kind, self._relative(text)))


def _fitting(
    submission: Submission, tasks: Iterable[Task], run: Run, why: list[str]
) -> Iterable[tuple[Task, Run]]:
    """Tasks and variants that a submission has weights for; ``why`` gains the reasons of the others."""
    for task in tasks:
        for variant in submission.variants:
            one = replace(run, variant=variant)
            try:
                prepare(submission, task, one)
            except SubmissionError as error:
                why.append(str(error))
            else:
                yield task, one
