"""A submission that is ready to run on a task: feature, variant and weights are verified."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from harness.conventions import UNKNOWN_SUBJECT
from harness.errors import Fault, SubmissionError
from harness.execution import PredictorSpec, Run
from harness.records.record import Training, Transfer
from harness.submission.ensemble import load_members
from harness.submission.manifest import Submission, Weights
from harness.submission.seeds import training_of
from harness.submission.transfer import OPTION, transfer_of
from harness.tasks.splits import Split
from harness.tasks.task import Task


@dataclass(frozen=True)
class Prepared:
    """A submission that is ready to run on a task.

    Attributes:
        submission: whose manifest is valid.
        task: what it is run on.
        run: variant, seed and limits.
        variant: the variant that is run.
        code_sha256: of everything that decides a prediction but the weights, before it runs.
        weights: verified; None where it has none, and for an ensemble.
        training: which of several trainings the weights are, or that there can be one only; else None.
        members: of an ensemble, each prepared by itself; else empty.
        code_hashes: file of the code -> its sha256, as in ``code_sha256``; a file that has changed when
            the code runs is refused.
        transfer: whose weights these are, where they are another board's; else None.
    """

    submission: Submission
    task: Task
    run: Run
    variant: str
    code_sha256: str
    weights: Weights | None
    training: Training | None = None
    members: tuple[Prepared, ...] = ()
    code_hashes: Mapping[str, str] = field(default_factory=dict)
    transfer: Transfer | None = None

    def told(self, subject: str) -> str:
        """The subject that the predictor is told: weights of another corpus know nobody of this one."""
        if self.transfer is not None and self.transfer.corpus != self.task.corpus.name:
            return UNKNOWN_SUBJECT
        return self.task.split.told(subject)

    @property
    def spec(self) -> PredictorSpec:
        """What the predictor's process is given."""
        return PredictorSpec(
            name=self.submission.name,
            folder=self.submission.folder,
            entry_point=self.submission.manifest["entry_point"],
            setup=self.submission.setup(
                self.task.sizes,
                self.variant,
                weights=self.weights.path if self.weights else None,
                seed=self.run.seed,
            ),
            listed=self.submission.listed,
            code_hashes=self.code_hashes,
            weights_sha256=self.weights.sha256 if self.weights else None,
        )


def prepare(submission: Submission, task: Task, run: Run) -> Prepared:
    """Check that a submission can be run on a task, before anything is run.

    Raises:
        SubmissionError: the feature, the variant or the weights do not fit, or a hash is wrong.
    """
    submission.check_feature(task.feature)
    variant = submission.variant(run.variant)
    hashes = submission.code_hashes()
    code_sha256 = submission.code_sha256(hashes)
    if submission.is_ensemble:
        members = tuple(
            prepare(member.submission, task, replace(run, variant=member.variant, weights_seed=member.seed))
            for member in load_members(submission)
        )
        transfer = _one_transfer(submission, members)
        return Prepared(submission, task, run, variant, code_sha256, None, members=members, transfer=transfer)
    transfer = _transfer(submission, task, run, variant)
    wanted = _weights_wanted(task, variant, transfer)
    weights = submission.weights(*wanted, seed=run.weights_seed)
    training = training_of(submission, weights, wanted)
    return Prepared(
        submission,
        task,
        run,
        variant,
        code_sha256,
        weights,
        training,
        code_hashes=hashes,
        transfer=transfer,
    )


def _transfer(submission: Submission, task: Task, run: Run, variant: str) -> Transfer | None:
    """Whose weights a run takes; None for the task's own."""
    if run.weights_of is None:
        return None
    if not submission.manifest.get("weights") and "trainer" not in submission.manifest:
        raise SubmissionError(
            Fault(f"{submission.name}: {OPTION}", "a submission without weights", "one that has some")
        )
    declaration = task.corpus.declaration
    return transfer_of(submission, run.weights_of, declaration, task.split, task.sizes, variant)


def _weights_wanted(task: Task, variant: str, transfer: Transfer | None) -> tuple[str, Split | str, str, str]:
    """Corpus, split, feature and variant of the weights of a run."""
    if transfer is None:
        return task.corpus.name, task.split, task.feature, variant
    return transfer.corpus, transfer.split, task.feature, variant


def _one_transfer(ensemble: Submission, members: tuple[Prepared, ...]) -> Transfer | None:
    """Whose weights all members of an ensemble have; None for the task's own.

    Raises:
        SubmissionError: of several boards.
    """
    found = list(dict.fromkeys(member.transfer for member in members))
    if len(found) > 1:
        boards = ", ".join(f"{one.corpus}/{one.split}" for one in found if one is not None)
        raise SubmissionError(
            Fault(
                f"{ensemble.name}: {OPTION}",
                f"members with weights of {boards}",
                "of one board",
                "Name its split.",
            )
        )
    return found[0] if found else None


def runs_of(submission: Submission, task: Task, run: Run) -> tuple[Run, ...]:
    """A run for each training of a variant, by seed; the run itself where there is one, or one is asked.

    Raises:
        SubmissionError: no such variant, or feature.
    """
    submission.check_feature(task.feature)
    variant = submission.variant(run.variant)
    if submission.is_ensemble or run.weights_seed is not None:
        return (run,)
    transfer = _transfer(submission, task, run, variant)
    seeds = submission.seeds(*_weights_wanted(task, variant, transfer))
    return tuple(replace(run, weights_seed=seed) for seed in seeds) or (run,)
