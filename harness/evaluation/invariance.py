"""Whether what a predictor answers for a segment depends on anything but the segment's EEG.

The harness cuts segments into batches in a secret order, so an answer that depends on the batch is another
one in every run. A sample is asked again with everything changed at once: other batches, another order,
batches of another size, another name where names are hidden. A predictor that gives the same answers has
passed; for one that does not, one thing is changed at a time, to say which it was.

    find_variance   a submission and what it answered before -> findings
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np

from harness.conventions import UNKNOWN_SUBJECT
from harness.corpus.array_files import release_maps
from harness.evaluation.findings import ERROR, Finding
from harness.evaluation.prepare import Prepared
from harness.execution import SegmentInput, predict_segments
from harness.tasks.segments import Segment

if TYPE_CHECKING:
    from harness.conventions import Array

SUBJECTS, SEGMENTS = 2, 8  # of the sample
# Change of an answer, relative to its own size over time: far above the last digits of float32, in which
# batches of different sizes do differ, and far below what moves a score.
MOST_CHANGE = 1e-3
ANOTHER_NAME = "somebody-else"
_WHOLE, _FEW, _ONE = 32, 3, 1  # most segments in one call of predict
_SEED = "order"  # of the order in which segments are asked

Answers = Mapping[str, "Array"]


def find_variance(prepared: Prepared, before: Answers | None = None) -> list[Finding]:
    """What the answers of a submission depend on and should not; of an ensemble, each member's.

    Args:
        prepared: the submission on its task.
        before: segment id -> what it answered in another run, of as many of the task's segments as are
            there; None to ask first.

    Raises:
        PredictorError: the predictor's process failed in any way.
        CorpusError: EEG that cannot be read.
    """
    if prepared.members:
        found = []
        for member in prepared.members:
            name = f"{member.submission.name}/{member.variant}"
            found += [one._replace(evidence=f"{name}: {one.evidence}") for one in find_variance(member)]
        return found
    asked = _Asked(prepared)
    again = asked.again(_FEW, segments=asked.sample[::-1], renamed=asked.hidden)
    base = before if before is not None and asked.ids <= before.keys() else asked.again(_WHOLE)
    if _change(base, again) <= MOST_CHANGE:
        return []
    return asked.one_by_one(_change(base, again))


class _Asked:
    """A sample of the task's segments, which one predictor is asked again and again."""

    def __init__(self, prepared: Prepared) -> None:
        self.prepared = prepared
        task = prepared.task
        groups = list(islice(task.by_subject.values(), SUBJECTS))
        each = SEGMENTS // len(groups)
        self.sample = [segment for group in groups for segment in group[:each]]
        # Half of the sample, and as many others of the same subjects as the other half are.
        self.half = [segment for group in groups for segment in group[: each // 2]]
        self.others = [s for group in groups for s in group[each : each + each // 2]]
        self.ids = {segment.id for segment in self.sample}
        self.hidden = all(prepared.told(s.subject) == UNKNOWN_SUBJECT for s in self.sample)

    def again(
        self,
        batch_segments: int,
        *,
        renamed: bool = False,
        segments: Sequence[Segment] | None = None,
    ) -> dict[str, Array]:
        """Ask in a new process: segment id -> answer, copied."""
        asked, told = self.sample if segments is None else segments, self.prepared.told
        inputs = [SegmentInput(s.id, ANOTHER_NAME if renamed else told(s.subject)) for s in asked]

        def read_eeg(index: int) -> Array:
            eeg = np.array(asked[index].eeg(), order="C")
            release_maps()
            return eeg

        with predict_segments(
            self.prepared.spec,
            inputs,
            read_eeg,
            replace(self.prepared.run, order_seed=_SEED, jobs=1),
            batch_segments=batch_segments,
            hidden=self.prepared.task.private,
        ) as made:
            return {segment_id: np.array(answer) for segment_id, answer in made.predictions.items()}

    def one_by_one(self, change: float) -> list[Finding]:
        """A finding for each thing that changes the answers by itself; ``change``: all together."""
        base = self.again(_WHOLE)
        changes = {"not-repeatable": _change(base, self.again(_WHOLE))}
        if changes["not-repeatable"] <= MOST_CHANGE:  # else nothing can be said of the rest
            changes["depends-on-order"] = _change(base, self.again(_WHOLE, segments=self.sample[::-1]))
            changes["depends-on-batch-size"] = _change(base, self.again(_ONE))
            if self.others:
                mixed = self.again(_WHOLE, segments=[*self.others, *self.half])
                changes["depends-on-batch"] = _change({s.id: base[s.id] for s in self.half}, mixed)
            if self.hidden:
                changes["depends-on-subject-name"] = _change(base, self.again(_WHOLE, renamed=True))
        seen = {name: value for name, value in changes.items() if value > MOST_CHANGE}
        return [_finding(name, value) for name, value in (seen or {"depends-on-the-run": change}).items()]


# Name -> what was changed, and where to look.
_CAUSES = {
    "not-repeatable": (
        "asked again in the same way",
        "numbers drawn from a generator that the harness does not seed, or time and threads that decide",
    ),
    "depends-on-order": (
        "asked in another order",
        "an answer that is computed from the position in the batch, or from the segment before",
    ),
    "depends-on-batch-size": (
        "asked one by one",
        "dropout or batch normalisation that is not in eval mode, or state that is kept from call to call",
    ),
    "depends-on-batch": (
        "asked beside other segments",
        "normalisation over the whole batch, where each segment stands for itself",
    ),
    "depends-on-subject-name": (
        f"told {ANOTHER_NAME!r} where subjects are hidden, as {UNKNOWN_SUBJECT!r}",
        "a name that no training met is not taken as unknown",
    ),
    "depends-on-the-run": (
        "asked in smaller batches, in another order",
        "state that is kept from call to call, or random numbers",
    ),
}


def _finding(name: str, change: float) -> Finding:
    how, cause = _CAUSES[name]
    return Finding(name, f"{how}, an answer changes by {change:.2g} of its own size over time", cause, ERROR)


def _change(before: Answers, after: Answers) -> float:
    """The largest change of a segment's answer, relative to its deviation from its own mean over time."""
    largest = 0.0
    for segment_id in before.keys() & after.keys():
        one, other = (np.asarray(side[segment_id], np.float64) for side in (before, after))
        difference = np.linalg.norm(one - other)
        if difference > 0:
            size = np.linalg.norm(one - one.mean(axis=0))
            largest = max(largest, float(difference / size) if size > 0 else np.inf)
    return largest
