"""A task of which only the references are here: no recordings, so nothing but predictions can be scored.

The segments that are asked are those of the references, under the subjects' own names. A split, where one is
given, says who must be there and how long a segment is; without one, the user is told what was assumed.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from harness.corpus.base import Corpus, Recording, Series, case_faults, natural_key
from harness.corpus.declaration import (
    DECLARATION,
    Declaration,
    FeatureDeclaration,
    declared,
    load_declaration,
)
from harness.errors import (
    CorpusError,
    Fault,
    PredictionsError,
    SplitError,
    UsageError,
    counted,
    did_you_mean,
    no_such,
    raise_all,
    shorten,
    some_of,
)
from harness.predictions import LabelStore, first_label_shape
from harness.schemas.validate import schema
from harness.tasks.corpus_split import own_split_folders, with_usual_measures
from harness.tasks.segments import Segment
from harness.tasks.sizes import Sizes, check_rate_of_split
from harness.tasks.splits import Split, load_split
from harness.tasks.task import LABELS_LAYOUT, Task, chosen_feature, of_labels, open_labels

# The name of the split of references that come without one.
ASSUMED_SPLIT = "from-labels"
ASSUMED_RATE_HZ = 64.0
_FEATURES_BY_BANDS = {10: "mel", 1: "envelope"}


class LabelsTask(NamedTuple):
    """A task of references only.

    Attributes:
        task: segments are the references' own; none has EEG.
        assumed: what was assumed, in words; empty where a split and a corpus say everything.
    """

    task: Task
    assumed: tuple[str, ...]


@dataclass(frozen=True)
class _Labels:
    """The references that are there.

    Attributes:
        ids: subject -> segment ids.
        shapes: subject -> shape of each.
    """

    ids: Mapping[str, tuple[str, ...]]
    shapes: Mapping[str, tuple[tuple[int, int], ...]]


def open_labels_task(
    labels: Path,
    *,
    corpus: str | None = None,
    split_name: str | Path | None = None,
    part: str = "test",
    feature: str | None = None,
    partial: bool = False,
) -> LabelsTask:
    """Open a task whose references lie in a file, and whose recordings are elsewhere.

    Args:
        labels: a zip, an npz, or a folder of one JSON file a subject, like predictions.
        corpus: name of the corpus, or the path of its corpus.toml; None for the split's only one, or for the
            labels' own name.
        split_name: name or path of a split; None where there is none.
        part: train, val or test.
        feature: what the references are; None for the split's first, or by the number of bands.
        partial: go on although subjects of the split's part have no references.

    Raises:
        UsageError: no such split, part or feature, or no corpus is named where the split has several.
        SplitError: a split that is not valid, or not for this corpus.
        CorpusError: references that cannot be read, of other lengths, subjects, or names than asked.
    """
    if not labels.exists():
        raise CorpusError(Fault(f"--labels {labels}", "no such file or folder"))
    assumed: list[str] = []
    split = load_split(split_name, _split_folders(corpus)) if split_name is not None else None
    declaration, name = _corpus(corpus, split, labels)
    if corpus is None and split is None:
        assumed.append(f"corpus {name}, from the name of the labels (--corpus NAME says another)")
    try:
        first = first_label_shape(labels)
    except PredictionsError as error:
        raise CorpusError(*of_labels(error)) from None
    if split is not None:
        chosen = chosen_feature(split, feature)
    elif feature is not None:
        chosen = feature
        if declaration is not None and feature not in declaration.features:
            raise UsageError(no_such("--feature", feature, list(declaration.features)))
    else:
        chosen = _feature_of(first[1], labels, declaration)
        assumed.append(f"feature {chosen}, from {counted(first[1], 'band')} a frame")
    n_bands = declaration.feature(chosen).n_bands if declaration else first[1]
    named = split.parts.get(part) if split is not None else None
    store = open_labels(labels, n_bands, chosen, named or ())
    found = _read(store)
    if split is None:
        rate = declaration.sample_rate_hz if declaration else ASSUMED_RATE_HZ
        split = _assumed_split(name, chosen, rate, part, found, first[0])
        if declaration is None:
            assumed.append(f"a rate of {rate:g} Hz, so segments of {split.segment_seconds:g} s")
        assumed.append(f"part {part}, all {counted(len(found.ids), 'subject')} of the labels")
        n_frames = first[0]
    else:
        n_frames = _frames(split, declaration, chosen)
    is_declared = declaration is not None
    if declaration is None:
        declaration = _undeclared(name, chosen, n_bands, split, n_frames)
    split = with_usual_measures(split, declaration)
    _check_subjects(found, split, part, labels, partial)
    _check_shapes(found, (n_frames, n_bands), split, "" if is_declared else chosen)
    asked = split.subjects(part, found.ids)
    segments = [
        Segment(one, _without_eeg(subject, one), 0, 0)
        for subject in asked
        for one in found.ids.get(subject, ())
    ]
    task = Task(
        corpus=Corpus(declaration, LABELS_LAYOUT, labels, ()),
        split=split,
        part=part,
        feature=chosen,
        sizes=Sizes(chosen, n_bands, n_frames, 0, split.segment_samples, declaration.sample_rate_hz),
        segments=tuple(segments),
        subjects_missing=tuple(subject for subject in asked if subject not in found.ids),
        labels=store,
        labels_apart=True,
    )
    return LabelsTask(task, tuple(assumed))


def _split_folders(corpus: str | None) -> tuple[Path, ...]:
    """Where the splits of a corpus lie that is named by its corpus.toml."""
    if corpus is None or Path(corpus).name != DECLARATION:
        return ()
    return own_split_folders(Path(corpus).parent)


def _corpus(corpus: str | None, split: Split | None, labels: Path) -> tuple[Declaration | None, str]:
    """What the corpus declares, where that is known, and its name."""
    if corpus is not None and Path(corpus).name == DECLARATION:
        own = load_declaration(Path(corpus).parent)
        if own is None:
            raise UsageError(Fault(f"--corpus {corpus}", "no such file", f"a {DECLARATION}"))
        name = own.name
    elif corpus is not None:
        own, name = declared(corpus), corpus
        pattern = schema("split")["$defs"]["word"]["pattern"]
        if not re.fullmatch(pattern, name):
            raise UsageError(Fault(f"--corpus {corpus}", repr(name), "lower-case words joined by hyphens"))
    elif split is not None and len(split.corpora) == 1:
        own, name = declared(split.corpora[0]), split.corpora[0]
    elif split is not None:
        raise UsageError(
            Fault(
                f"split {split.name}",
                f"the corpora {', '.join(split.corpora)}, and no --corpus",
                "the name of one",
                f"Say which the references are of: --corpus {split.corpora[0]}",
            )
        )
    else:
        name = re.sub(r"[^a-z0-9]+", "-", labels.resolve().stem.lower()).strip("-") or "labels"
        own = declared(name)
    if split is not None and name not in split.corpora:
        raise UsageError(no_such(f"split {split.name}: --corpus", name, split.corpora))
    return own, name


def _feature_of(n_bands: int, labels: Path, declaration: Declaration | None) -> str:
    """The feature with this number of bands, of the corpus where its declaration is known."""
    known = {feature.n_bands: name for name, feature in declaration.features.items()} if declaration else None
    name = (known or _FEATURES_BY_BANDS).get(n_bands)
    if name is None:
        raise UsageError(
            Fault(
                f"--labels {labels}",
                f"{counted(n_bands, 'band')} a frame, and no --feature",
                "the feature's name",
                "Say what the references are: --feature NAME.",
            )
        )
    return name


def _read(store: LabelStore) -> _Labels:
    """Ids and shapes of all references; the numbers are read again when they are scored."""
    ids, shapes = {}, {}
    faults: list[Fault] = []
    for subject in sorted(store.subjects(), key=natural_key):
        try:
            arrays = store.subject(subject)
        except PredictionsError as error:
            faults += of_labels(error)
            continue
        ids[subject] = tuple(arrays)
        shapes[subject] = tuple((array.shape[0], array.shape[1]) for array in arrays.values())
    raise_all(CorpusError, [*faults, *case_faults(ids, "--labels: subjects")])
    return _Labels(ids, shapes)


def _frames(split: Split, declaration: Declaration | None, feature: str) -> int:
    """Frames of a segment: by the feature's own rate where that is known, else by the split's."""
    if declaration is None:
        return split.segment_samples
    check_rate_of_split(declaration, split)
    frames = declaration.feature(feature).frames(split.segment_seconds)
    if frames.denominator != 1:
        raise SplitError(
            Fault(f"split {split.name}", f"{float(frames):g} frames of {feature} a segment", "a whole number")
        )
    return int(frames)


def _assumed_split(corpus: str, feature: str, rate: float, part: str, found: _Labels, n_frames: int) -> Split:
    """A split made from the labels alone; its hash is of the segments that they hold."""
    asked = {subject: list(ids) for subject, ids in found.ids.items()}
    facts = {"corpus": corpus, "feature": feature, "rate": rate, "n_frames": n_frames, "asked": asked}
    return Split(
        name=ASSUMED_SPLIT,
        title="The segments that references were handed in for",
        corpora=(corpus,),
        features=(feature,),
        sample_rate_hz=rate,
        segment_seconds=n_frames / rate,
        cut="given",
        parts={part: tuple(found.ids)},
        training_split=ASSUMED_SPLIT,
        subject_ids="told",
        sha256=hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest(),
    )


def _undeclared(name: str, feature: str, n_bands: int, split: Split, n_frames: int) -> Declaration:
    """What can be said of a corpus that is known by its name only."""
    declared_feature = FeatureDeclaration(feature, feature, n_bands, n_frames / split.segment_seconds)
    return Declaration(
        name=name,
        title=name,
        licence="unknown",
        citation="unknown",
        kind="real",
        n_channels=0,
        sample_rate_hz=split.sample_rate_hz,
        features={feature: declared_feature},
    )


def _check_subjects(found: _Labels, split: Split, part: str, labels: Path, partial: bool) -> None:
    named = split.subjects(part, found.ids)
    absent = [subject for subject in named if subject not in found.ids]
    extra = [subject for subject in found.ids if subject not in named]
    where = f"--labels {labels}: part {part} of split {split.name}"
    faults = []
    if absent and (not partial or len(absent) == len(named)):
        faults.append(
            Fault(
                where,
                f"no references of {some_of(len(absent), len(named), 'subject')}: {shorten(absent)}",
                "references of every subject",
                "" if len(absent) == len(named) else "--partial goes on without them, and marks the record.",
            )
        )
    if extra:
        faults.append(
            Fault(
                where,
                f"references of subjects that are not in it: {shorten(extra)}",
                shorten(named),
                did_you_mean(extra[0], named) or "Choose another --part or --split.",
            )
        )
    raise_all(CorpusError, faults)


def _check_shapes(found: _Labels, expected: tuple[int, int], split: Split, undeclared: str) -> None:
    """Refuse segments of another length than the split's, or than the others.

    Args:
        found: the references.
        expected: shape of each.
        split: that they were cut by.
        undeclared: the feature, where no declaration says its rate; else empty.
    """
    wrong = [
        (segment_id, shape)
        for subject, shapes in found.shapes.items()
        for segment_id, shape in zip(found.ids[subject], shapes, strict=True)
        if shape != expected
    ]
    times = Counter(shape for _, shape in wrong)
    remedy = "Is the split of another sampling rate or segment length?"
    if undeclared:
        remedy += f" If {undeclared} has a rate of its own, --corpus .../{DECLARATION} says it."
    if split.name == ASSUMED_SPLIT:
        remedy = "Give the split that the references were cut by."
    raise_all(
        CorpusError,
        [
            Fault(
                f"--labels: {next(one for one, other in wrong if other == shape)}"
                + (f" and {counted(n - 1, 'more segment')}" if n > 1 else ""),
                f"shape {shape}",
                f"{expected} (n_frames, n_bands), segments of {split.segment_seconds:g} s at"
                f" {split.sample_rate_hz:g} Hz"
                if split.name != ASSUMED_SPLIT
                else f"{expected}, as the first segment",
                remedy,
            )
            for shape, n in times.items()
        ],
    )


def _without_eeg(subject: str, segment_id: str) -> Recording:
    return Recording(subject, "", (0, 0, 0), Series((), 0, 0), segment_id=segment_id)
