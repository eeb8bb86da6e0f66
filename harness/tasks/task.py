"""A task: one part of one split of one corpus, one feature, and the references if they are here.

This is where the options of a command become data: which folder, which split, which labels.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from harness.conventions import Progress
from harness.corpus import Corpus, open_corpus
from harness.corpus.array_files import release_maps
from harness.corpus.channels import corpus_without_channels, named_channels, without_channels
from harness.corpus.locate import is_feature_folder
from harness.corpus.nmedt import AudioChoice
from harness.corpus.simulated.check import check_simulated, has_secret_seed, recipe_fingerprint
from harness.errors import (
    CorpusError,
    Fault,
    PredictionsError,
    UsageError,
    did_you_mean,
    raise_all,
    shorten,
    some_of,
)
from harness.predictions import Expected, LabelStore
from harness.scoring.chance import are_turned_whole
from harness.scoring.context import CENTRE, CLASSIFIER, RECONSTRUCTIONS, Context
from harness.scoring.measures import measure
from harness.tasks.context import (
    answer_classifier,
    check_stimuli,
    reference_classifier,
    training_centre,
    training_sample,
    training_segments,
)
from harness.tasks.corpus_split import default_split, own_split_folders, with_usual_measures
from harness.tasks.fingerprint import Fingerprint
from harness.tasks.identity import same_stimuli
from harness.tasks.segments import (
    Segment,
    by_subject,
    check_fit,
    cut_segments,
    missing_stimuli,
    missing_subjects,
    split_channels,
)
from harness.tasks.sizes import Sizes, sizes
from harness.tasks.splits import Split, load_split

if TYPE_CHECKING:
    from harness.conventions import Array

# The layout of a corpus of which only references are here.
LABELS_LAYOUT = "labels"
# The id of the centre in the fingerprint of the data; no segment has such an id.
CENTRE_ID = "/centre"


@dataclass(frozen=True)
class Task:
    """What is asked: segments of a part, and one feature.

    Attributes:
        corpus: where the data lie.
        split: who is asked, and how recordings are cut.
        part: train, val or test.
        feature: what is decoded.
        sizes: bands, frames, channels, samples, and the rate.
        segments: in the order in which they are asked.
        subjects_missing: subjects of the part that the corpus lacks (``--partial`` only).
        labels: references by segment id that lie apart from the EEG; None where the corpus has them.
        labels_apart: whether the references come from elsewhere than the corpus.
        stimuli_missing: stimuli of the part that the corpus lacks (``--partial`` only).
        channels_excluded: EEG channels that the user excludes, beside those of the split, by name, or by
            number from 1.
    """

    corpus: Corpus
    split: Split
    part: str
    feature: str
    sizes: Sizes
    segments: tuple[Segment, ...]
    subjects_missing: tuple[str, ...]
    labels: LabelStore | None
    labels_apart: bool
    stimuli_missing: tuple[str, ...] = ()
    channels_excluded: tuple[str, ...] = ()

    def without_channels(self, given: Sequence[str]) -> Task:
        """The same task, where further EEG channels are zero in all that a system is given.

        Args:
            given: names, or numbers from 1; those that the split excludes already count as its own.

        Raises:
            UsageError: the corpus has no such channel, or none would be left.
        """
        if not given:
            return self
        declaration = self.corpus.declaration
        own = split_channels(declaration, self.split)
        everything = named_channels(declaration, [*own, *given], "--exclude-channels", UsageError)
        more = tuple(name for name in everything if name not in own)
        return replace(
            self,
            corpus=corpus_without_channels(self.corpus, more),
            segments=tuple(
                replace(segment, recording=without_channels(segment.recording, declaration, more))
                for segment in self.segments
            ),
            channels_excluded=more,
        )

    @property
    def n_bands(self) -> int:
        """Numbers in each frame of the feature."""
        return self.sizes.n_bands

    @property
    def n_frames(self) -> int:
        """Frames of the feature in a segment."""
        return self.sizes.n_frames

    @property
    def n_channels(self) -> int:
        """Width of every EEG array."""
        return self.sizes.n_channels

    @property
    def sample_rate_hz(self) -> float:
        """EEG samples a second."""
        return self.sizes.sample_rate_hz

    @property
    def frame_rate_hz(self) -> float:
        """Frames of the feature a second."""
        return self.n_frames / self.split.segment_seconds

    @property
    def is_held_back(self) -> bool:
        """Whether nobody but the organiser has the references, as the corpus says."""
        return self.part in self.corpus.declaration.held_back or has_secret_seed(self.corpus)

    @property
    def private(self) -> tuple[Path, ...]:
        """Files and folders that no predictor may read: data and references, wherever they lie."""
        found = {self.corpus.folder, *self.corpus.files}
        if self.labels is not None:
            found |= {self.labels.path, *self.labels.path.rglob("*")}
        return tuple(sorted(found))

    @property
    def has_eeg(self) -> bool:
        """Whether recordings are here, or references only."""
        return self.corpus.layout != LABELS_LAYOUT

    @property
    def eeg_seconds(self) -> float:
        """Seconds of EEG in all segments."""
        return len(self.segments) * self.split.segment_seconds

    @property
    def expected(self) -> Expected:
        """What a predictions file must hold."""
        return Expected(
            {subject: [s.id for s in group] for subject, group in self.by_subject.items()},
            self.n_frames,
            self.n_bands,
            self.feature,
        )

    @cached_property
    def by_subject(self) -> Mapping[str, tuple[Segment, ...]]:
        """Subject -> its segments, both in the order in which they are asked."""
        return by_subject(self.segments)

    @cached_property
    def same_stimuli(self) -> Mapping[str, str]:
        """Each stimulus of the corpus and the first that is the same, a name without one by itself."""
        own = {segment.recording.stimulus: segment.recording.stimulus for segment in self.segments}
        return {**own, **same_stimuli(self.corpus.recordings, self.feature, set(self.by_subject))}

    @cached_property
    def _recordings(self) -> Mapping[str, int]:
        """Segment id -> number of its recording."""
        numbers: dict[str, int] = {}
        return {one.id: numbers.setdefault(one.recording.id, len(numbers)) for one in self.segments}

    def recordings_of(self, ids: Iterable[str]) -> NDArray[np.int64] | None:
        """Of which recording each segment is; None where segments are long enough to be turned in time.

        Args:
            ids: of segments of one subject, in the order in which they are asked.
        """
        if not self.has_eeg or not are_turned_whole(self.n_frames, self.frame_rate_hz):
            return None
        return np.array([self._recordings[name] for name in ids], np.int64)

    @cached_property
    def needs(self) -> Mapping[str, str]:
        """What the split's measures ask for -> the title of the first that does."""
        asked: dict[str, str] = {}
        for by in map(measure, self.split.measures):
            for need in by.needs:
                asked.setdefault(need, by.title)
        return asked

    @cached_property
    def training(self) -> tuple[Segment, ...]:
        """The training part's segments; empty where no measure needs them.

        Raises:
            CorpusError: the training part is not here, or lacks a stimulus that a classifier must name.
            SplitError: its split is not there, or not for this corpus.
        """
        for title in self.needs.values():
            segments = training_segments(
                self.corpus, self.split, self.feature, title, partial=bool(self.stimuli_missing)
            )
            for need in (CLASSIFIER, RECONSTRUCTIONS):
                if need in self.needs:
                    where = f"{self.corpus.folder}: part {self.part} of split {self.split.name}"
                    check_stimuli(segments, self.segments, where, self.needs[need])
            return segments
        return ()

    @cached_property
    def answered(self) -> tuple[Segment, ...]:
        """Training segments that a system is asked too; empty where no measure needs its answers."""
        return training_sample(self.training) if RECONSTRUCTIONS in self.needs else ()

    @cached_property
    def centre(self) -> NDArray[np.float64] | None:
        """The mean segment of the training part, (n_frames, n_bands); None where no measure needs that part.

        Raises:
            CorpusError: references of the training part are not here, or cannot be read.
            SplitError: its split is not there, or not for this corpus.
        """
        return training_centre(self.training, self.feature) if self.training else None

    @cached_property
    def context(self) -> Context:
        """What the measures need and every system has in common; a classifier is trained for it.

        Raises:
            CorpusError, SplitError: as :attr:`centre`.
        """
        stimuli, classifiers = {}, {}
        if {CLASSIFIER, RECONSTRUCTIONS} & set(self.needs):
            stimuli = {segment.id: segment.recording.stimulus for segment in self.segments}
        if CLASSIFIER in self.needs:
            classifiers[CLASSIFIER] = reference_classifier(self.training, self.segments, self.feature)
        return Context(self.centre if CENTRE in self.needs else None, stimuli, classifiers)

    def context_of(self, answers: Mapping[str, Array]) -> Context:
        """The same, with a classifier trained on a system's answers where a measure needs one.

        Args:
            answers: id of each of ``answered`` -> (n_frames, n_bands); empty where there are none.
        """
        if not (answers and self.answered):
            return self.context
        own = answer_classifier(answers, self.answered, self.segments, self.feature)
        return replace(self.context, classifiers={**self.context.classifiers, RECONSTRUCTIONS: own})

    def measured(self, context: Context) -> tuple[str, ...]:
        """The split's measures that can be scored with what there is."""
        lacking = {RECONSTRUCTIONS} - set(context.classifiers)
        return tuple(name for name in self.split.measures if not lacking & set(measure(name).needs))

    def check_labels(self) -> None:
        """Refuse a task without references, before any predictor runs.

        Raises:
            CorpusError: recordings without the feature, or labels without some subjects or segments; or the
                training part is not here, or lacks a stimulus, and a measure needs it.
            SplitError: the split of that training part is not there, or not for this corpus.
        """
        self._check_references()
        _ = self.centre  # refused now, and kept for the score

    def _check_references(self) -> None:
        """Refuse a task of which references are missing."""
        if self.labels is None:
            lacking = [s.id for s in self.segments if self.feature not in s.recording.feature_series]
            if lacking and self.feature in self.corpus.absent:
                raise CorpusError(self.corpus.absent[self.feature])
            if lacking:
                raise CorpusError(
                    Fault(
                        f"{self.corpus.folder}: part {self.part} of split {self.split.name}",
                        f"no {self.feature} for {some_of(len(lacking), len(self.segments), 'segment')}"
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
        """A subject's references, segment id -> (n_frames, n_bands).

        Raises:
            CorpusError: references are missing, or of another length than the EEG.
        """
        segments = self.by_subject[subject]
        if self.labels is None:
            return {segment.id: segment.feature(self.feature) for segment in segments}
        try:
            stored = self.labels.subject(subject)
        except PredictionsError as error:
            raise CorpusError(*of_labels(error)) from None
        faults = []
        for segment in segments:
            expected = (self.n_frames, self.n_bands)
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
        that are not the corpus's own always enter by their numbers. Where a measure needs the training
        part, its mean enters too: another one gives other scores.

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
                if self.has_eeg and digest.lacks(segment.id, "eeg"):
                    digest.add_eeg(segment.id, segment.stored_eeg())
            release_maps()
        if self.centre is not None:
            digest.add_reference(CENTRE_ID, self.centre)
        return digest.hexdigest()


def open_task(
    data: Path,
    *,
    split_name: str | Path | None = None,
    part: str = "test",
    feature: str | None = None,
    labels: Path | None = None,
    partial: bool = False,
    audio: AudioChoice | None = None,
    exclude_channels: Sequence[str] = (),
    on_progress: Progress | None = None,
) -> Task:
    """Open what a command's options name.

    Args:
        data: folder of a corpus.
        split_name: name or path of a split; None for the corpus's default.
        part: train, val or test.
        feature: what is decoded; None for the split's first.
        labels: folder or file with references that lie apart from the EEG.
        partial: go on although subjects or stimuli of the part are not in the corpus.
        audio: for music, where the songs lie.
        exclude_channels: as in :meth:`Task.without_channels`.
        on_progress: called with what is done and its total, where files must be read first.

    Raises:
        UsageError: no such split, part, feature or channel.
        SplitError: a split that is not valid, or not for this corpus or feature.
        CorpusError: no corpus, or subjects missing or broken.
        PredictionsError: labels of no known format.
    """
    feature_folder, label_file = None, None
    if labels is not None:
        if not labels.exists():
            raise CorpusError(Fault(f"--labels {labels}", "no such file or folder"))
        if labels.is_dir() and is_feature_folder(labels, data):
            feature_folder = labels
        else:
            label_file = labels
    split = load_split(split_name, own_split_folders(data)) if split_name is not None else None
    layout = "challenge" if split is not None and split.cut == "given" else None
    corpus = open_corpus(
        data, layout=layout, feature_folder=feature_folder, audio=audio, on_progress=on_progress
    )
    if split is None:
        split = default_split(corpus.declaration, corpus.layout)
    split = with_usual_measures(split, corpus.declaration)
    check_fit(corpus, split)
    chosen = chosen_feature(split, feature)
    size = sizes(corpus.declaration, split, chosen)
    store = None
    if label_file is not None:
        store = open_labels(label_file, size.n_bands, chosen, corpus.named_subjects)
    segments = cut_segments(corpus, split, part, partial=partial, feature=chosen)
    check_simulated(corpus, {s.recording.id: s.recording for s in segments}.values())
    return Task(
        corpus=corpus,
        split=split,
        part=part,
        feature=chosen,
        sizes=size,
        segments=segments,
        subjects_missing=missing_subjects(corpus, split, part),
        labels=store,
        labels_apart=labels is not None or audio is not None,
        stimuli_missing=missing_stimuli(corpus, split, part),
    ).without_channels(exclude_channels)


def chosen_feature(split: Split, feature: str | None) -> str:
    """The feature that is asked: the one named, or the split's first.

    Raises:
        UsageError: the split has no such feature.
    """
    if feature is None:
        return split.features[0]
    if feature not in split.features:
        raise UsageError(
            Fault(
                f"split {split.name}",
                f"feature {feature}",
                f"one of {', '.join(split.features)}",
                did_you_mean(feature, split.features)
                or f"Use --feature {split.features[0]}, or another --split.",
            )
        )
    return feature


def open_labels(path: Path, n_bands: int, feature: str, subjects: Sequence[str] = ()) -> LabelStore:
    """References that lie apart from the EEG, by segment id.

    Args:
        path: a zip, an npz, or a folder of one JSON file a subject.
        n_bands: of the feature.
        feature: its name, for messages.
        subjects: who there is, where that is known; so that names with an underscore are understood.

    Raises:
        CorpusError: no such file, or names in it that cannot be understood.
    """
    try:
        return LabelStore(path, n_bands, feature, subjects)
    except PredictionsError as error:
        raise CorpusError(*of_labels(error)) from None


def of_labels(error: PredictionsError) -> list[Fault]:
    """Say in every fault that it is about the labels, since they are read like predictions."""
    return [replace(fault, where=f"--labels: {fault.where}") for fault in error.faults]
