"""The re-cut control: the same recordings, cut at other offsets.

Whoever has the public EEG can write into weights what to answer for each fixed cut of it, and find the cut
again by its samples. Of cuts that begin half a segment later such a memory knows nothing, and its Pearson r
collapses; a decoder's does not. The same is seen of a guess that stands or falls with the place in the cut,
as the mean training segment's.

    recut_segments   segments that begin half a segment later
    compare_cuts     predictions of both -> findings

Each subject's mean r over the fixed cuts is compared with that over the others. A collapse is a finding where
r of the fixed cuts is above its chance by circular shifts and falls by half or more, and the paired sign-flip
test over subjects (exact for up to 20) gives p of 0.01 or less. Fewer than 8 subjects cannot give such a p:
then a pair is a fixed cut and the mean of the cuts that overlap it. What scores as by chance has nothing to
lose; and where subjects hear the same stimuli, its r in other cuts differs for all of them in the same way.

What it cannot show: a memory of every offset, or one that aligns what it is asked before it looks it up.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.errors import CorpusError, Fault
from harness.evaluation.evaluate import score_task
from harness.evaluation.findings import ERROR, Finding
from harness.evaluation.predict import grouped
from harness.scoring.pearson import pearson_r
from harness.scoring.statistics import sign_flip_test
from harness.tasks.segments import Segment
from harness.tasks.task import Task

if TYPE_CHECKING:
    from harness.conventions import Array

LEVEL = 0.01
MOST_LEFT = 0.5  # of the mean r of the fixed cuts
LEAST_SUBJECTS = 8  # 2 / 2^8 = 0.008


class ComparedCuts(NamedTuple):
    """Fixed cuts beside others.

    Attributes:
        findings: one where r collapses.
        words: what was compared, and both means.
        fixed: mean r of the fixed cuts, over subjects.
        others: of the other cuts.
        p: of the paired test.
    """

    findings: list[Finding]
    words: str
    fixed: float
    others: float
    p: float


def recut_segments(task: Task, whole: Task) -> tuple[Segment, ...]:
    """Cuts that begin half a segment later than a task's, where the recording goes on for another segment.

    Args:
        task: some segments of a part.
        whole: all of them.

    Raises:
        CorpusError: there is none, or the references lie apart from the recordings, by segment.
    """
    half = task.split.segment_samples // 2
    following = {(s.recording.id, s.start) for s in whole.segments}
    cuts = tuple(
        Segment(f"{s.id}-recut", s.recording, s.start + half, s.stop + half)
        for s in task.segments
        if (s.recording.id, s.stop) in following
    )
    if task.labels is not None or not cuts:
        raise CorpusError(
            Fault(
                "--recut",
                "references that lie apart from the recordings, by segment"
                if task.labels is not None
                else "no recording of two segments or more",
                "recordings with their features, longer than a segment",
            )
        )
    return cuts


def compare_cuts(
    fixed: Task, answers: Mapping[str, Array], others: Task, other_answers: Mapping[str, Array]
) -> ComparedCuts:
    """Compare predictions of fixed cuts with predictions of others.

    Args:
        fixed: the task of the fixed cuts.
        answers: segment id -> (n_frames, n_bands), of all its segments.
        others: the same, of the other cuts.
        other_answers: of all of its segments.
    """
    first, second = _r(fixed, answers), _r(others, other_answers)
    subjects = list(others.by_subject)
    means = np.array(
        [
            [np.mean([r[s.id] for s in task.by_subject[subject]]) for subject in subjects]
            for task, r in ((fixed, first), (others, second))
        ]
    )  # (2, n_subjects)
    pairs, unit = means, "subjects"
    if len(subjects) < LEAST_SUBJECTS:
        pairs, unit = _segment_pairs(fixed, first, others, second), "segments"
    p = sign_flip_test(pairs[0] - pairs[1])
    mean, other = (float(value) for value in means.mean(axis=1))
    words = (
        f"{len(others.segments)} cuts of the same recordings half a segment later: mean r {other:.4f},"
        f" {mean:.4f} in the fixed cuts (paired over {pairs.shape[1]} {unit}: p = {p:.2g})"
    )
    fallen = mean > 0 and other <= MOST_LEFT * mean and p <= LEVEL
    collapsed = fallen and _is_above_chance(fixed, answers)
    finding = Finding(
        "collapse-in-other-cuts",
        words,
        "weights that know the public EEG's fixed cuts or stimuli by their place, not a decoder of speech",
        ERROR,
    )
    return ComparedCuts([finding] if collapsed else [], words, mean, other, p)


def _is_above_chance(task: Task, answers: Mapping[str, Array]) -> bool:
    """Whether mean r is above its band by circular shifts; yes where segments are too short to have one."""
    scored = score_task(task, grouped(task, answers))
    shifts = scored.chance.circular_shifts
    return shifts is None or scored.score.pearson_r > shifts.high


def _r(task: Task, answers: Mapping[str, Array]) -> dict[str, float]:
    """Segment id -> mean r over bands."""
    return {
        segment_id: float(pearson_r(reference, answers[segment_id]).mean())
        for subject in task.by_subject
        for segment_id, reference in task.references(subject).items()
    }


def _segment_pairs(
    fixed: Task, first: Mapping[str, float], others: Task, second: Mapping[str, float]
) -> NDArray[np.float64]:
    """(2, n_segments): r of a fixed cut, and the mean of those that overlap it."""
    overlapping: dict[str, list[float]] = {}
    for cut in others.segments:
        for segment in fixed.segments:
            if (
                segment.recording.id == cut.recording.id
                and abs(segment.start - cut.start) < cut.stop - cut.start
            ):
                overlapping.setdefault(segment.id, []).append(second[cut.id])
    return np.array([[first[name], float(np.mean(values))] for name, values in overlapping.items()]).T
