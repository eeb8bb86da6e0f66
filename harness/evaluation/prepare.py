"""A submission that is ready to run on a task: feature, variant and weights are verified."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from harness.execution import PredictorSpec, Run
from harness.records.record import Training
from harness.submission.ensemble import load_members
from harness.submission.manifest import Submission, Weights
from harness.submission.seeds import training_of
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
        return Prepared(submission, task, run, variant, code_sha256, None, members=members)
    wanted = (task.corpus.name, task.split, task.feature, variant)
    weights = submission.weights(*wanted, seed=run.weights_seed)
    training = training_of(submission, weights, wanted)
    return Prepared(submission, task, run, variant, code_sha256, weights, training, code_hashes=hashes)


def runs_of(submission: Submission, task: Task, run: Run) -> tuple[Run, ...]:
    """A run for each training of a variant, by seed; the run itself where there is one, or one is asked.

    Raises:
        SubmissionError: no such variant, or feature.
    """
    submission.check_feature(task.feature)
    variant = submission.variant(run.variant)
    if submission.is_ensemble or run.weights_seed is not None:
        return (run,)
    seeds = submission.seeds(task.corpus.name, task.split, task.feature, variant)
    return tuple(replace(run, weights_seed=seed) for seed in seeds) or (run,)
