"""A task: one part of one split of one corpus, one feature, and the references if they are here.

This is where the options of a command become data: which folder, which split, which labels.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from harness.corpus import Corpus, open_corpus
from harness.corpus.array_files import release_maps
from harness.corpus.locate import is_feature_folder
from harness.corpus.simulated.check import check_simulated, recipe_fingerprint
from harness.errors import CorpusError, Fault, PredictionsError, SplitError, raise_all, shorten
from harness.features.catalogue import FEATURE_BANDS
from harness.predictions import Expected, LabelStore
from harness.tasks.fingerprint import Fingerprint
from harness.tasks.segments import Segment, by_subject, cut_segments, missing_subjects
from harness.tasks.splits import Split, default_split, load_split

Array = NDArray[np.floating]


@dataclass(frozen=True)
class Task:
    """What is asked: segments of a part, and one feature.

    Attributes:
        corpus: where the data lie.
        split: who is asked, and how recordings are cut.
        part: train, val or test.
        feature: mel or envelope.
        segments: in the order in which they are asked.
        subjects_missing: subjects of the part that the corpus lacks (``--partial`` only).
        labels: references by segment id that lie apart from the EEG; None where the corpus has them.
        labels_apart: whether the references are not the corpus's own, in whatever form they came.
    """

    corpus: Corpus
    split: Split
    part: str
    feature: str
    segments: tuple[Segment, ...]
    subjects_missing: tuple[str, ...]
    labels: LabelStore | None
    labels_apart: bool

    @property
    def n_bands(self) -> int:
        """Bands of the feature."""
        return FEATURE_BANDS[self.feature]

    @property
    def eeg_seconds(self) -> float:
        """Seconds of EEG in all segments."""
        return len(self.segments) * self.split.segment_seconds

    @property
    def expected(self) -> Expected:
        """What a predictions file must hold."""
        return Expected(
            {subject: [s.id for s in group] for subject, group in self.by_subject.items()},
            self.split.segment_samples,
            self.n_bands,
            self.feature,
        )

    @cached_property
    def by_subject(self) -> Mapping[str, tuple[Segment, ...]]:
        """Segments by subject."""
        return by_subject(self.segments)

    def check_labels(self) -> None:
        """Refuse a task without references, before any predictor runs.

        Raises:
            CorpusError: recordings without the feature, or labels without some subjects or segments.
        """
        if self.labels is None:
            lacking = [s.id for s in self.segments if self.feature not in s.recording.feature_series]
            if lacking:
                raise CorpusError(
                    Fault(
                        f"{self.corpus.folder}: part {self.part} of split {self.split.name}",
                        f"no {self.feature} for {len(lacking)} of {len(self.segments)} segments"
                        f" ({shorten(lacking, 3)})",
                        "references to score against",
                        "Point --labels at the folder that holds them; `harness predict` needs none.",
                    )
                )
            return
        absent = [subject for subject in self.by_subject if subject not in self.labels.subjects()]
        if absent:
            raise CorpusError(
                Fault("--labels", f"no references of {shorten(absent)}", "every subject of the part")
            )
        faults: list[Fault] = []
        for subject in self.by_subject:
            try:
                self.references(subject)
            except CorpusError as error:
                faults += error.faults
        raise_all(CorpusError, faults)

    def references(self, subject: str) -> dict[str, Array]:
        """A subject's references, segment id -> (n_times, n_bands).

        Raises:
            CorpusError: references are missing, or of another length than the EEG.
        """
        segments = self.by_subject[subject]
        if self.labels is None:
            return {segment.id: segment.feature(self.feature) for segment in segments}
        try:
            stored = self.labels.subject(subject)
        except PredictionsError as error:
            raise CorpusError(*_of_labels(error)) from None
        faults = []
        for segment in segments:
            expected = (self.split.segment_samples, self.n_bands)
            if segment.id not in stored:
                faults.append(Fault(f"--labels: {segment.id}", "no reference", "one a segment"))
            elif stored[segment.id].shape != expected:
                faults.append(
                    Fault(
                        f"--labels: {segment.id}",
                        f"shape {stored[segment.id].shape}",
                        f"{expected}",
                    )
                )
        raise_all(CorpusError, faults)
        return {segment.id: stored[segment.id] for segment in segments}

    def fingerprint(self, *seen: Fingerprint) -> str:
        """A fingerprint of the EEG and references of all segments: the same in every layout.

        A simulated corpus is made anew on every machine, and processors differ in the last bits; its
        fingerprint is that of its recipe (its files were checked when the task was opened). References
        that are not the corpus's own always enter by their numbers.

        Args:
            seen: what went through the predictor and the scorer already, to read nothing twice.

        Raises:
            CorpusError: data that cannot be read.
        """
        if self.corpus.simulated and not self.labels_apart:
            recipe = recipe_fingerprint(self.corpus)
            if recipe is not None:
                return recipe
        digest = Fingerprint()
        for part in seen:
            digest.add_all(part)
        for subject, segments in self.by_subject.items():
            if any(digest.lacks(segment.id, "reference") for segment in segments):
                for segment_id, reference in self.references(subject).items():
                    digest.add_reference(segment_id, reference)
            for segment in segments:
                if digest.lacks(segment.id, "eeg"):
                    digest.add_eeg(segment.id, segment.eeg())
            release_maps()
        return digest.hexdigest()


def open_task(
    data: Path,
    *,
    split_name: str | None = None,
    part: str = "test",
    feature: str | None = None,
    labels: Path | None = None,
    partial: bool = False,
) -> Task:
    """Open what a command's options name.

    Args:
        data: folder of a corpus.
        split_name: name or path of a split; None for the corpus's default.
        part: train, val or test.
        feature: mel or envelope; None for the split's first.
        labels: folder or file with references that lie apart from the EEG.
        partial: go on although subjects of the part are not in the corpus.

    Raises:
        SplitError: no such split or part, or not for this corpus or feature.
        CorpusError: no corpus, or subjects missing or broken.
        PredictionsError: labels of no known format.
    """
    feature_folder, label_file = None, None
    if labels is not None:
        if not labels.exists():
            raise CorpusError(Fault(f"--labels {labels}", "no such file or folder"))
        if labels.is_dir() and is_feature_folder(labels):
            feature_folder = labels
        else:
            label_file = labels
    split = load_split(split_name) if split_name is not None else None
    layout = "challenge" if split is not None and split.cut == "given" else None
    corpus = open_corpus(data, layout=layout, feature_folder=feature_folder)
    if split is None:
        split = load_split(default_split(corpus.name, corpus.layout))
    chosen = split.features[0] if feature is None else feature
    if chosen not in split.features:
        raise SplitError(
            Fault(
                f"split {split.name}",
                f"feature {chosen}",
                f"one of {', '.join(split.features)}",
                f"Use --feature {split.features[0]}, or another --split.",
            )
        )
    store = None
    if label_file is not None:
        try:
            store = LabelStore(label_file, FEATURE_BANDS[chosen])
        except PredictionsError as error:
            raise CorpusError(*_of_labels(error)) from None
    segments = cut_segments(corpus, split, part, partial=partial, feature=chosen)
    check_simulated(corpus, {s.recording.id: s.recording for s in segments}.values())
    return Task(
        corpus=corpus,
        split=split,
        part=part,
        feature=chosen,
        segments=segments,
        subjects_missing=missing_subjects(corpus, split, part),
        labels=store,
        labels_apart=labels is not None,
    )


def _of_labels(error: PredictionsError) -> list[Fault]:
    """References are read like predictions; their faults say which of the two is meant."""
    return [replace(fault, where=f"--labels: {fault.where}") for fault in error.faults]
