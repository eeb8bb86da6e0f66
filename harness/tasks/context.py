"""What measures ask for beside references and predictions: of the training part, and never of the scored one.

training_centre      the mean segment of the training part
training_classifier  what names the stimulus of a segment, trained on the training part's references, or
                     on a system's answers to the training part's EEG
training_sample      the segments that a system is asked for that
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from harness.corpus import Corpus
from harness.corpus.array_files import release_maps
from harness.corpus.simulated.check import check_simulated
from harness.errors import CorpusError, Fault, counted, shorten, some_of
from harness.scoring.context import Classifier
from harness.scoring.cosine import training_mean
from harness.tasks.classifier import train_classifier
from harness.tasks.segments import Segment, by_subject, cut_segments, missing_subjects
from harness.tasks.splits import Split, training_split

if TYPE_CHECKING:
    from harness.conventions import Array

# Of how many training segments a system's answers are asked: a classifier learns no more from more.
MOST_ANSWERS = 1000
SEED = 20240420  # fixed, so that the same segments are asked and the same classifier is trained


def training_segments(
    corpus: Corpus, split: Split, feature: str, measure: str, *, partial: bool = False
) -> tuple[Segment, ...]:
    """All segments of the training part, cut as long as the split's own.

    Args:
        corpus: where the references lie.
        split: the one that is scored; where it has no training part, its ``training_split``'s is used.
        feature: the one that is scored.
        measure: title of a measure that needs them, for messages.
        partial: go on although stimuli are not in the corpus; all subjects must be.

    Raises:
        CorpusError: the training part, or some of it, is not here, or has no such feature.
        SplitError: no such training split, or not for this corpus.
    """
    if not corpus.recordings:
        raise _lacking(f"{corpus.folder}", "no recordings", measure)
    trains = replace(training_split(split), segment_seconds=split.segment_seconds)
    where = f"{corpus.folder}: part train of split {trains.name}"
    named = trains.subjects("train", corpus.named_subjects)
    absent = missing_subjects(corpus, trains, "train")
    if absent:
        lacking = some_of(len(absent), len(named), "subject", "is", "are")
        what = f"{lacking} not in the corpus: {shorten(absent)}"
        raise _lacking(where, what, measure)
    segments = cut_segments(corpus, trains, "train", partial=partial, feature=feature)
    without = [segment.id for segment in segments if feature not in segment.recording.feature_series]
    if without:
        lacking = some_of(len(without), len(segments), "segment")
        what = f"no {feature} for {lacking} ({shorten(without, 3)})"
        raise _lacking(where, what, measure)
    check_simulated(corpus, {one.recording.id: one.recording for one in segments}.values())
    return segments


def training_centre(segments: Sequence[Segment], feature: str) -> NDArray[np.float64]:
    """The mean of all training segments' references.

    It is never the mean of the scored part, which would tell something about the references.

    Args:
        segments: of the training part.
        feature: the one that is scored.

    Returns:
        (n_frames, n_bands) float64.

    Raises:
        CorpusError: references that cannot be read.
    """
    return training_mean(_references(by_subject(segments), feature))


def check_stimuli(training: Sequence[Segment], scored: Sequence[Segment], where: str, measure: str) -> None:
    """Refuse a measure with a classifier where stimuli of the scored part are in no training segment.

    Args:
        training: segments of the training part.
        scored: segments of the scored part.
        where: the part, for the message.
        measure: title of the measure.

    Raises:
        CorpusError: there are such stimuli.
    """
    known = {segment.recording.stimulus for segment in training}
    strange = list(dict.fromkeys(s.recording.stimulus for s in scored if s.recording.stimulus not in known))
    if strange or "" in known:
        raise CorpusError(
            Fault(
                where,
                f"{counted(len(strange), 'stimulus', 'stimuli')} that no training segment is of"
                f" ({shorten(strange, 3)})"
                if strange
                else "recordings that do not say what was heard",
                f"stimuli of the training part: the {measure} is undefined for others",
                f"Score by a split whose measures do without the {measure}.",
            )
        )


def reference_classifier(training: Sequence[Segment], scored: Sequence[Segment], feature: str) -> Classifier:
    """The classifier trained on the training part's references.

    A stretch of a stimulus that many subjects heard is one image, and counts once.

    Raises:
        CorpusError: references that cannot be read.
    """
    chosen = _distinct(training)
    images = np.stack([segment.feature(feature) for segment in chosen])
    return _classifier(images, [s.recording.stimulus for s in chosen], scored, feature, keep=True)


def answer_classifier(
    answers: Mapping[str, Array], training: Sequence[Segment], scored: Sequence[Segment], feature: str
) -> Classifier:
    """The classifier trained on what a system answers to the training part's EEG.

    Args:
        answers: segment id -> (n_frames, n_bands).
        training: the segments that were asked, see :func:`training_sample`.
        scored: segments of the scored part, on whose references its accuracy is told.
        feature: the one that is scored.
    """
    images = np.stack([answers[segment.id] for segment in training])
    return _classifier(images, [s.recording.stimulus for s in training], scored, feature)


def training_sample(training: Sequence[Segment]) -> tuple[Segment, ...]:
    """Some of the training part's segments, of every stimulus about as many; the same ones every time.

    Args:
        training: all of them.
    """
    rng = np.random.default_rng(SEED)
    groups: dict[str, list[Segment]] = {}
    for segment in training:
        groups.setdefault(segment.recording.stimulus, []).append(segment)
    each = -(-MOST_ANSWERS // len(groups))
    chosen: list[Segment] = []
    for group in groups.values():
        places = np.sort(rng.permutation(len(group))[:each])
        chosen += [group[place] for place in places]
    return tuple(chosen)


def _classifier(
    images: NDArray[np.float32],
    stimuli: Sequence[str],
    scored: Sequence[Segment],
    feature: str,
    *,
    keep: bool = False,
) -> Classifier:
    """Train on images (n, n_frames, n_bands), and tell how well it names the scored part's references."""
    classes = tuple(sorted(set(stimuli)))
    numbers = np.array([classes.index(stimulus) for stimulus in stimuli], np.int64)
    name_of = train_classifier(images, numbers, keep=keep)
    chosen = _distinct(scored)
    named = name_of(np.stack([segment.feature(feature) for segment in chosen]))
    release_maps()
    right = [classes[number] == s.recording.stimulus for number, s in zip(named, chosen, strict=True)]
    return Classifier(classes, name_of, len(images), float(np.mean(right)), len(chosen))


def _distinct(segments: Sequence[Segment]) -> list[Segment]:
    """The first segment of every stretch of a stimulus: who else heard it heard the same."""
    return list({(one.recording.stimulus, one.start): one for one in reversed(segments)}.values())[::-1]


def _lacking(where: str, what: str, measure: str) -> CorpusError:
    return CorpusError(
        Fault(
            where,
            what,
            f"the references of the whole training part: the {measure} rests on them",
            f"Score where they are, or by a split whose measures do without the {measure}.",
        )
    )


def _references(subjects: Mapping[str, tuple[Segment, ...]], feature: str) -> Iterator[NDArray[np.float32]]:
    for segments in subjects.values():
        for segment in segments:
            yield segment.feature(feature)
        release_maps()
