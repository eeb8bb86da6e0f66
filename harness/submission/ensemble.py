"""Ensembles: a submission whose manifest lists members in place of code.

    [[members]]
    submission = "../convconcatnet"     # a folder, relative to the manifest's
    variant = "small"                   # the member's first variant where absent
    seed = 2                            # of several trainings this one; the first of them where absent

Every member is run as it would be by itself, in a process of its own. Its predictions are z-scored over
time for each segment and band, so that no member counts more because its numbers are larger, and the mean
over members is the ensemble's prediction. Where a member is constant it adds nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np

from harness.errors import Fault, SubmissionError, UsageError, raise_all
from harness.execution import PredictorRun, full_disk_explained, unnamed_storage
from harness.predictor import zscore
from harness.submission.manifest import MANIFEST, Submission, load_submission


class Member(NamedTuple):
    """One of an ensemble's members.

    Attributes:
        submission: the member itself.
        variant: which of its variants.
        seed: which of several trainings; None for the first, or the only one.
    """

    submission: Submission
    variant: str
    seed: int | None = None


def load_members(ensemble: Submission) -> tuple[Member, ...]:
    """An ensemble's members, in the manifest's order.

    Raises:
        SubmissionError: a member that is no valid submission, lacks the variant or a feature of the
            ensemble, is listed twice, or is an ensemble itself (all faults at once).
    """
    members: list[Member] = []
    faults: list[Fault] = []
    for number, entry in enumerate(ensemble.manifest["members"], start=1):
        where = f"{ensemble.folder / MANIFEST}: member {number}, {entry['submission']}"
        try:
            member = _load(ensemble.folder / entry["submission"], entry)
        except (SubmissionError, UsageError) as error:
            faults += [replace(fault, where=f"{where}: {fault.where}") for fault in error.faults]
            continue
        lacking = [feature for feature in ensemble.features if not member.submission.decodes(feature)]
        if lacking:
            decoded = ", ".join(member.submission.features)
            faults.append(Fault(where, f"decodes {decoded}", f"{', '.join(lacking)} too, as the ensemble"))
        if any(_same(member, other) for other in members):
            of = "" if member.seed is None else f", seed {member.seed}"
            faults.append(
                Fault(where, f"variant {member.variant}{of} is listed twice", "members that differ")
            )
        members.append(member)
    raise_all(SubmissionError, faults)
    return tuple(members)


@contextmanager
def mean_of_runs(
    runs: Iterable[AbstractContextManager[PredictorRun]],
    ids: Sequence[str],
    shape: tuple[int, int],
    n_members: int,
) -> Iterator[PredictorRun]:
    """Run members one after the other and average what they predict, each z-scored by segment and band.

    Args:
        runs: the members' runs; one runs after the other.
        ids: the segments.
        shape: (n_times, n_bands) of each prediction.
        n_members: how many runs there are.

    Yields:
        The ensemble's run: the mean, the members' seconds added up, and what they printed; the means of
        isolation and the order, which are the same for all members.
    """
    with full_disk_explained():
        total = unnamed_storage((len(ids), *shape))
    seconds = wall_seconds = 0.0
    printed: list[str] = []
    means, seed, gpu = "", "", False
    for run in runs:
        with run as made:
            for i, segment in enumerate(ids):
                total[i] += zscore(made.predictions[segment]) / np.float32(n_members)
            seconds, wall_seconds = seconds + made.seconds, wall_seconds + made.wall_seconds
            printed += made.output.splitlines()
            means, seed, gpu = made.isolation, made.order_seed, made.gpu
    total.flags.writeable = False
    predictions = {segment: np.asarray(total[i]) for i, segment in enumerate(ids)}
    try:
        yield PredictorRun(
            MappingProxyType(predictions), seconds, wall_seconds, "\n".join(printed), means, seed, gpu
        )
    finally:
        predictions.clear()  # the storage has no name: it goes with the last array


def _load(folder: Path, entry: Mapping[str, Any]) -> Member:
    submission = load_submission(folder)
    if submission.is_ensemble:
        raise SubmissionError(Fault(str(folder), "an ensemble", "a submission with code of its own"))
    return Member(submission, submission.variant(entry.get("variant")), entry.get("seed"))


def _same(one: Member, other: Member) -> bool:
    same = (one.submission.folder, one.variant) == (other.submission.folder, other.variant)
    return same and one.seed == other.seed
