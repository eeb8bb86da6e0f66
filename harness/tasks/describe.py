"""What a corpus holds: subjects, recordings, minutes, labels, and what is missing or broken."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.corpus.base import Corpus
from harness.corpus.simulated.check import missing_simulated_files
from harness.errors import HarnessError
from harness.features.catalogue import FEATURE_BANDS, SAMPLE_RATE_HZ
from harness.tasks.segments import cut_segments, missing_subjects
from harness.tasks.splits import Split, load_split, split_names


def describe(corpus: Corpus, layouts: Mapping[str, Path] | None = None) -> dict[str, Any]:
    """Describe a corpus and what each split's parts find in it.

    Args:
        corpus: the corpus.
        layouts: all layouts in the folder that the user named, and where they lie.

    Returns:
        Plain JSON values: ``corpus``, ``kind``, ``layout``, ``folder``, ``subjects``, ``recordings``,
        ``stimuli``, ``minutes``, ``parts`` (a list), ``faults`` and ``notes`` (lists of strings).
    """
    recordings = corpus.recordings
    return {
        "corpus": corpus.name,
        "kind": "simulated" if corpus.simulated else "real",
        "layout": corpus.layout,
        "folder": str(corpus.folder),
        "subjects": list(corpus.subjects),
        "recordings": len(recordings),
        "stimuli": len({recording.stimulus for recording in recordings}),
        "minutes": round(sum(r.n_times for r in recordings) / SAMPLE_RATE_HZ / 60, 1),
        "features": {
            feature: sum(feature in recording.feature_series for recording in recordings)
            for feature in FEATURE_BANDS
        },
        "parts": [part for name in split_names() for part in _parts(corpus, load_split(name))],
        "faults": list(
            dict.fromkeys(
                str(fault)
                for fault in [*(entry.fault for entry in corpus.faults), *missing_simulated_files(corpus)]
            )
        ),
        "notes": [
            *corpus.notes,
            *(
                f"the folder also holds the layout {layout}: harness data describe {place}"
                for layout, place in (layouts or {}).items()
                if layout != corpus.layout
            ),
        ],
    }


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
        try:
            segments = cut_segments(corpus, split, part, partial=True)
        except HarnessError as error:
            first, *more = error.faults
            entry["fault"] = f"{first}" + (f" ({len(more)} more subjects)" if more else "")
        else:
            entry["segments"] = len(segments)
            entry["labels"] = {
                feature: sum(feature in segment.recording.feature_series for segment in segments)
                for feature in split.features
            }
        parts.append(entry)
    return parts


def _numbered(subject: str) -> tuple[str, int]:
    digits = len(subject) - len(subject.rstrip("0123456789"))
    return (subject[:-digits], int(subject[-digits:])) if digits else (subject, -1)


def description_text(description: Mapping[str, Any]) -> str:
    """A corpus description (``harness.tasks.describe.describe``) in words and one table."""
    from harness.tasks.describe import subject_ranges

    words = "SIMULATED, no real EEG" if description["kind"] == "simulated" else "real EEG"
    lines = [
        f"{description['corpus']} ({words}), layout {description['layout']}, {description['folder']}",
        f"{len(description['subjects'])} subjects: {subject_ranges(description['subjects'])}",
        f"{description['recordings']} recordings of {description['stimuli']} stimuli,"
        f" {description['minutes']:g} min",
    ]
    rows = []
    for part in description["parts"]:
        labels = [f"{part['labels'].get(name, 0)}" for name in ("mel", "envelope")]
        missing = part["subjects_missing"]
        subjects = f"{part['subjects']} of {part['subjects'] + len(missing)}"
        rows.append([part["split"], part["part"], subjects, part["segments"], *labels])
    headers = ["split", "part", "subjects", "segments", "with mel", "with envelope"]
    parts = ["\n".join(lines), table(rows, headers)]
    faults = [
        f"missing for {part['split']} {part['part']}: {subject_ranges(part['subjects_missing'])}"
        for part in description["parts"]
        if part["subjects_missing"]
    ]
    faults += [f"broken: {fault}" for fault in description["faults"]]
    faults += [
        f"part {part['part']} of {part['split']}: {part['fault']}"
        for part in description["parts"]
        if part.get("fault") and part["subjects"]
    ]
    if faults:
        parts.append("\n".join(faults))
    if description["notes"]:
        parts.append("\n".join(f"note: {note}" for note in description["notes"]))
    return "\n\n".join(parts)


def table(rows: Sequence[Sequence[object]], headers: Sequence[str]) -> str:
    """A plain table."""
    from tabulate import tabulate

    return tabulate(rows, headers=headers, disable_numparse=True)
