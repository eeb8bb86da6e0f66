"""``harness check`` on the public part: what a system scores without the EEG, as the record would have it.

look_without_eeg   answers to segments and to their surrogates -> findings
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from harness.evaluation.controls import blind_control, no_surrogates, ranking_measure
from harness.evaluation.evaluate import score_task
from harness.evaluation.findings import ERROR, WARNING, Finding, Look
from harness.evaluation.predict import grouped
from harness.scoring.blind import Blind, is_common
from harness.scoring.chance import Band
from harness.tasks.task import Task

if TYPE_CHECKING:
    from harness.conventions import Array


def look_without_eeg(task: Task, answers: Mapping[str, Array], blind: Mapping[str, Array]) -> Look:
    """What the controls say of answers; none of the findings needs more than the sample.

    Args:
        task: the sample, with references.
        answers: segment id -> prediction, of all its segments.
        blind: segment id -> prediction from the segment's surrogate; empty where there are no surrogates.
    """
    scored = score_task(task, grouped(task, answers))
    around = scored.chance.measures.get(ranking_measure(task).name, scored.chance)
    reason = no_surrogates(task)
    findings, seen = [], [f"no surrogates: {reason}"] if reason else []
    found = blind_control(task, blind, scored.segments)
    if found is not None:
        p = "too few subjects for a test" if found.p is None else f"p = {found.p:.2g}"
        words = (
            f"{found.value:.4f} on {found.segments} surrogates, {_mean(found):+.4f} more with the EEG ({p})"
        )
        seen.append(words)
        findings += _of_blind(found, words)
    mismatched = around.mismatched_segments
    if mismatched is not None and is_common(ranking_measure(task), around):
        findings.append(
            Finding(
                "common-to-segments",
                f"{mismatched.mean:.4f} against references of other segments too, beyond circular shifts"
                f" ({_span(around.circular_shifts)})",
                "something that all predictions have in common at one place in a segment: a memory of the"
                " training, or the shape of how segments begin",
                WARNING,
            )
        )
    return Look(findings, seen)


def _of_blind(found: Blind, words: str) -> list[Finding]:
    findings = []
    if found.scores_without_eeg:
        findings.append(
            Finding(
                "scores-without-the-eeg",
                f"{words}; chance of that is {_span(found.chance.circular_shifts)}",
                "a memory of stimuli, or of what segments have in common, in the weights or the code",
                ERROR,
            )
        )
    if found.no_evidence:
        findings.append(
            Finding(
                "no-evidence-of-the-eeg",
                words,
                "a system that ignores its input, or so weak that this sample does not show it",
                WARNING,
            )
        )
    return findings


def _mean(found: Blind) -> float:
    return sum(found.differences.values()) / len(found.differences)


def _span(band: Band | None) -> str:
    return "not known" if band is None else f"{band.low:.4f} to {band.high:.4f}"
