"""Predictions that need no brain, scored as a system's are: what stands beside every cosine.

    constant           the training part's mean, the same for every segment
    stimulus_known     the training part's mean of the same stimulus: what knowing the song alone gives
    another_second     the reference of another segment of the same stimulus in the scored part
    another_stimulus   the reference of a segment of another stimulus

They are measured where a split's measures need the training part. They depend on the task alone, so that all
records of a board have the same.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from harness.corpus.array_files import release_maps
from harness.records.without_brain import WithoutBrain, without_brain_of
from harness.scoring.cosine import training_mean
from harness.scoring.score import combine, score_subject
from harness.tasks.segments import Segment
from harness.tasks.task import Task

if TYPE_CHECKING:
    from harness.conventions import Array

SEED = 20240421  # fixed, so that every record has the same seconds

# A subject's segment, and its references -> a prediction; None where there is none.
_Guess = Callable[[Segment, Mapping[str, "Array"]], "Array | None"]


def without_brain(task: Task) -> dict[str, WithoutBrain]:
    """The scores of predictions without a brain; those that cannot be made for every segment are absent.

    Args:
        task: with references; empty where no measure needs its training part.

    Raises:
        CorpusError: references that cannot be read.
    """
    if not task.training or task.centre is None:
        return {}
    names = task.measured(task.context)
    known = _stimulus_means(task)
    constant = task.centre.astype(np.float32)

    heard: dict[str, dict[str, list[str]]] = {}  # subject -> stimulus -> ids
    for one in task.segments:
        heard.setdefault(one.subject, {}).setdefault(one.recording.stimulus, []).append(one.id)

    def another(segment: Segment, references: Mapping[str, Array], *, same: bool) -> Array | None:
        own, stimulus = heard[segment.subject], segment.recording.stimulus
        if same:
            choice = [name for name in own[stimulus] if name != segment.id]
        else:
            others = [name for name in own if name != stimulus]
            choice = own[others[_number(f"song {segment.id}") % len(others)]] if others else []
        return references[choice[_number(f"{same} {segment.id}") % len(choice)]] if choice else None

    guesses: dict[str, _Guess] = {
        "constant": lambda _segment, _references: constant,
        "stimulus_known": lambda segment, _references: known.get(segment.recording.stimulus),
        "another_second": lambda segment, references: another(segment, references, same=True),
        "another_stimulus": lambda segment, references: another(segment, references, same=False),
    }
    scored = {name: _scored(task, guess, names) for name, guess in guesses.items()}
    return {name: one for name, one in scored.items() if one is not None}


def _number(key: str) -> int:
    """A number that looks random, and is the same for the same words."""
    return int.from_bytes(hashlib.sha256(f"{SEED} {key}".encode()).digest()[:8], "big")


def _scored(task: Task, guess: _Guess, names: tuple[str, ...]) -> WithoutBrain | None:
    scores = {}
    for subject, segments in task.by_subject.items():
        references = task.references(subject)
        made: dict[str, Array] = {}
        for segment in segments:
            one = guess(segment, references)
            if one is None:
                return None
            made[segment.id] = one
        scores[subject] = score_subject(references, made, names, task.context)
        release_maps()
    return without_brain_of(combine(scores), names)


def _stimulus_means(task: Task) -> dict[str, NDArray[np.float32]]:
    """Stimulus -> mean of its training segments; a stretch that many subjects heard counts once."""
    groups: dict[str, dict[int, Segment]] = {}
    for segment in task.training:
        groups.setdefault(segment.recording.stimulus, {}).setdefault(segment.start, segment)
    means = {
        stimulus: training_mean(one.feature(task.feature) for one in group.values()).astype(np.float32)
        for stimulus, group in groups.items()
    }
    release_maps()
    return means
