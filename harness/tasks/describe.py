"""What a corpus holds: subjects, recordings, minutes, labels, and what is missing or broken."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from harness.conventions import quoted
from harness.corpus.base import Corpus
from harness.corpus.simulated.check import missing_simulated_files
from harness.errors import Fault, HarnessError, counted
from harness.scoring.measures import measure
from harness.tasks.corpus_split import default_split, own_split_files
from harness.tasks.identity import same_stimuli
from harness.tasks.segments import check_fit, cut_segments, missing_subjects
from harness.tasks.sizes import sizes
from harness.tasks.splits import Split, load_split, named_corpora, split_names


def describe(
    corpus: Corpus, layouts: Mapping[str, Path] | None = None, splits: Sequence[Split] = ()
) -> dict[str, Any]:
    """Describe a corpus and what each split's parts find in it.

    Args:
        corpus: the corpus.
        layouts: all layouts in the folder that the user named, and where they lie.
        splits: beside those that come with the harness and the corpus's own.

    Returns:
        Plain JSON values: ``corpus``, ``title``, ``licence``, ``citation``, ``kind``, ``layout``, ``folder``,
        ``channels``, ``sample_rate_hz``, ``subjects``, ``recordings``, ``stimuli``, ``minutes``, ``features``
        (recordings with each), ``declared`` (bands and rate of each), ``parts`` (a list), ``faults`` and
        ``notes`` (lists of strings).
    """
    recordings = corpus.recordings
    declaration = corpus.declaration
    chosen, faults = _splits(corpus, splits)
    return {
        "corpus": corpus.name,
        "title": declaration.title,
        "licence": declaration.licence,
        "citation": declaration.citation,
        "kind": declaration.kind,
        "layout": corpus.layout,
        "folder": str(corpus.folder),
        "channels": declaration.n_channels,
        "sample_rate_hz": declaration.sample_rate_hz,
        "subjects": list(corpus.subjects),
        "recordings": len(recordings),
        "stimuli": _n_stimuli(corpus),
        "minutes": round(sum(r.n_times for r in recordings) / declaration.sample_rate_hz / 60, 1),
        "features": {
            feature: sum(feature in recording.feature_series for recording in recordings)
            for feature in declaration.features
        },
        "declared": {
            name: {
                "title": feature.title,
                "bands": feature.n_bands,
                "frame_rate_hz": feature.frame_rate_hz,
                "frames_per_segment": feature.frames_per_segment,
            }
            for name, feature in declaration.features.items()
        },
        "parts": [part for split in chosen for part in _parts(corpus, split)],
        "faults": list(
            dict.fromkeys(
                str(fault)
                for fault in [
                    *corpus.absent.values(),
                    *corpus.stimuli_missing.values(),
                    *(entry.fault for entry in corpus.faults),
                    *missing_simulated_files(corpus),
                    *faults,
                ]
            )
        ),
        "notes": [
            *([f"{corpus.name}: {declaration.remark}"] if declaration.remark else []),
            *corpus.notes,
            *(
                f"the folder also holds the layout {layout}: harness data describe {quoted(place)}"
                for layout, place in (layouts or {}).items()
                if layout != corpus.layout
            ),
        ],
    }


def _n_stimuli(corpus: Corpus) -> int:
    """How many different stimuli there are, by the first feature that every recording has, else by name."""
    recordings = corpus.recordings
    shared = [
        name for name in corpus.declaration.features if all(name in one.feature_series for one in recordings)
    ]
    return len(set(same_stimuli(recordings, shared[0] if shared else "").values()))


def _splits(corpus: Corpus, further: Sequence[Split]) -> tuple[list[Split], list[Fault]]:
    """Every split that may be for the corpus, each once, and what is wrong with its own, and its measure.

    Its own are its default split, those beside its corpus.toml that name it, and ``further``, which the user
    named: of these every fault is said, also that they are not for this corpus.
    """
    declaration = corpus.declaration
    own, faults = list(further), []
    if not declaration.is_shipped and declaration.default_split:
        try:
            own.append(default_split(declaration, corpus.layout))
        except HarnessError as error:
            faults += [replace(fault, where=f"default split: {fault.where}") for fault in error.faults]
    for path in own_split_files(declaration):
        if corpus.name in named_corpora(path):
            try:
                own.append(load_split(path))
            except HarnessError as error:
                faults += error.faults
    try:
        measure(declaration.measure, f"corpus {corpus.name}: measure")
    except HarnessError as error:
        faults += error.faults
    for split in own:
        try:
            check_fit(corpus, split)
            for feature in split.features:
                sizes(declaration, split, feature)
        except HarnessError as error:
            faults += error.faults
    chosen = [*(load_split(name) for name in split_names()), *reversed(own)]
    return list({split.sha256: split for split in chosen}.values()), faults


def subject_ranges(subjects: Sequence[str]) -> str:
    """Subjects in words: ``sub-001..sub-026, sub-043``."""
    runs: list[list[str]] = []
    for subject in subjects:
        prefix, number = _numbered(subject)
        if runs:
            last_prefix, last = _numbered(runs[-1][-1])
            if prefix == last_prefix and number == last + 1:
                runs[-1].append(subject)
                continue
        runs.append([subject])
    return ", ".join(run[0] if len(run) == 1 else f"{run[0]}..{run[-1]}" for run in runs)


def _parts(corpus: Corpus, split: Split) -> list[dict[str, Any]]:
    if corpus.name not in split.corpora or ((split.cut == "given") != (corpus.layout == "challenge")):
        return []
    parts = []
    for part in split.parts:
        named = split.subjects(part, corpus.named_subjects)
        missing = missing_subjects(corpus, split, part)
        entry: dict[str, Any] = {
            "split": split.name,
            "part": part,
            "subjects": len(named) - len(missing),
            "subjects_missing": list(missing),
            "segments": 0,
            "labels": dict.fromkeys(split.features, 0),
        }
        faults: list[Fault] = []
        try:
            segments = cut_segments(corpus, split, part, partial=True, feature="")
        except HarnessError as error:
            faults += error.faults
        else:
            entry["segments"] = len(segments)
            for feature in split.features:
                try:
                    sizes(corpus.declaration, split, feature)
                except HarnessError as error:
                    faults += error.faults
                    continue
                entry["labels"][feature] = sum(
                    feature in segment.recording.feature_series for segment in segments
                )
        if faults:
            first, *more = faults
            entry["fault"] = f"{first}" + (f" ({len(more)} more)" if more else "")
        parts.append(entry)
    return parts


def _numbered(subject: str) -> tuple[str, int]:
    """A name's beginning and the number at its end; -2, which no number follows, where it has none."""
    digits = len(subject) - len(subject.rstrip("0123456789"))
    return (subject[:-digits], int(subject[-digits:])) if digits else (subject, -2)


def description_text(description: Mapping[str, Any]) -> str:
    """A corpus description (``harness.tasks.describe.describe``) in words and one table."""
    words = "SIMULATED, no real EEG" if description["kind"] == "simulated" else "real EEG"
    lines = [
        f"{description['corpus']} ({words}), layout {description['layout']}, {description['folder']}",
        f"{description['channels']} EEG channels at {description['sample_rate_hz']:g} Hz;"
        f" {'; '.join(_feature_words(*entry) for entry in description['declared'].items())}",
        f"{counted(len(description['subjects']), 'subject')}: {subject_ranges(description['subjects'])}",
        f"{counted(description['recordings'], 'recording')} of"
        f" {counted(description['stimuli'], 'stimulus', 'stimuli')},"
        f" {description['minutes']:g} min",
    ]
    rows = []
    for part in description["parts"]:
        labels = [f"{part['labels'].get(name, 0)}" for name in description["declared"]]
        missing = part["subjects_missing"]
        subjects = f"{part['subjects']} of {part['subjects'] + len(missing)}"
        rows.append([part["split"], part["part"], subjects, part["segments"], *labels])
    headers = ["split", "part", "subjects", "segments", *(f"with {name}" for name in description["declared"])]
    parts = ["\n".join(lines), table(rows, headers)] if rows else ["\n".join(lines)]
    faults = [
        f"missing for {part['split']} {part['part']}: {subject_ranges(part['subjects_missing'])}"
        for part in description["parts"]
        if part["subjects_missing"]
    ]
    faults += [f"broken: {fault}" for fault in description["faults"]]
    faults += [
        f"part {part['part']} of {part['split']}: {part['fault']}"
        for part in description["parts"]
        if part.get("fault") and part["subjects"] and part["fault"] not in description["faults"]
    ]
    if faults:
        parts.append("\n".join(faults))
    if description["notes"]:
        parts.append("\n".join(f"note: {note}" for note in description["notes"]))
    return "\n\n".join(parts)


def _feature_words(name: str, feature: Mapping[str, Any]) -> str:
    bands = counted(feature["bands"], "band")
    if feature["frame_rate_hz"] is None:
        return f"{name}: {bands}, {counted(feature['frames_per_segment'], 'frame')} a segment"
    return f"{name}: {bands} at {feature['frame_rate_hz']:g} Hz"


def table(rows: Sequence[Sequence[object]], headers: Sequence[str]) -> str:
    """A table as plain text, every value shown as it is."""
    from tabulate import tabulate

    return tabulate(rows, headers=headers, disable_numparse=True)
