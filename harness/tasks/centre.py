"""The centre of centred measures: the mean segment of a split's training part.

It is never the mean of the scored part, which would tell something about the references.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from harness.corpus import Corpus
from harness.corpus.array_files import release_maps
from harness.corpus.simulated.check import check_simulated
from harness.errors import CorpusError, Fault, shorten
from harness.scoring.cosine import training_mean
from harness.tasks.segments import Segment, by_subject, cut_segments, missing_subjects
from harness.tasks.splits import Split, training_split


def training_centre(
    corpus: Corpus, split: Split, feature: str, measure: str, *, partial: bool = False
) -> NDArray[np.float64]:
    """The mean of all training segments' references, cut as long as the split's own segments.

    Args:
        corpus: where the references lie.
        split: the one that is scored; where it has no training part, its ``training_split``'s is used.
        feature: the one that is scored.
        measure: title of a measure that needs the centre, for messages.
        partial: go on although stimuli are not in the corpus; all subjects must be.

    Returns:
        (n_frames, n_bands) float64.

    Raises:
        CorpusError: the training part, or some of it, is not here, has no such feature, or cannot be read.
        SplitError: no such training split, or not for this corpus.
    """
    if not corpus.recordings:
        raise _lacking(f"{corpus.folder}", "no recordings", measure)
    trains = replace(training_split(split), segment_seconds=split.segment_seconds)
    where = f"{corpus.folder}: part train of split {trains.name}"
    named = trains.subjects("train", corpus.named_subjects)
    absent = missing_subjects(corpus, trains, "train")
    if absent:
        what = f"{len(absent)} of {len(named)} subjects are not in the corpus: {shorten(absent)}"
        raise _lacking(where, what, measure)
    segments = cut_segments(corpus, trains, "train", partial=partial, feature=feature)
    without = [segment.id for segment in segments if feature not in segment.recording.feature_series]
    if without:
        what = f"no {feature} for {len(without)} of {len(segments)} segments ({shorten(without, 3)})"
        raise _lacking(where, what, measure)
    check_simulated(corpus, {one.recording.id: one.recording for one in segments}.values())
    return training_mean(_references(by_subject(segments), feature))


def _lacking(where: str, what: str, measure: str) -> CorpusError:
    return CorpusError(
        Fault(
            where,
            what,
            f"the references of the whole training part: their mean is the centre of the {measure}",
            f"Score where they are, or by a split whose measures do without the {measure}.",
        )
    )


def _references(subjects: Mapping[str, tuple[Segment, ...]], feature: str) -> Iterator[NDArray[np.float32]]:
    for segments in subjects.values():
        for segment in segments:
            yield segment.feature(feature)
        release_maps()
