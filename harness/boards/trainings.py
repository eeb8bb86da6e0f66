"""Several trainings of one system on a board: one row, with the mean over its seeds.

Records of one submission and variant that differ in the seed of their training are one system. What its row
says is the mean over seeds, of each subject first; where a mean has no sense (chance, what is missing, flags)
it says the worst of them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from msgspec import UNSET, UnsetType, structs

from harness.errors import Fault
from harness.records.bands import ChanceBand, ChanceBands
from harness.records.controls import Controls
from harness.records.measured import MeasureResult
from harness.records.record import TRAINING_STATUSES, Identity, Overlap, Record, RunFacts, SubjectResult
from harness.records.stimuli import SeenAndUnseen, StimulusGroup
from harness.scoring.two_sources import system_interval

if TYPE_CHECKING:
    from harness.boards.board import BoardRecord

# What seeds of one system have in common, beside what all records of a board have.
_SHARED: Mapping[str, Callable[[Record], object]] = {
    "code": lambda record: record.submission.code_sha256,
    "recipe of training": lambda record: (
        record.submission.training and record.submission.training.recipe_sha256
    ),
    "seed of the predictor": lambda record: record.seed,
    "number of segments with surrogates": lambda record: (
        record.controls.blind.segments if record.controls else None
    ),
}


def pooled(records: Sequence[BoardRecord]) -> list[BoardRecord]:
    """Records, those of several trainings of one system being one, in the place of the first of them.

    Args:
        records: over the same subjects, as :func:`harness.boards.board.strangers` leaves them.
    """
    groups: dict[Identity | int, list[BoardRecord]] = {}
    for number, one in enumerate(records):
        system = one.record.submission
        own = system.seed is not None and not one.record.flags.partial
        groups.setdefault(system.identity if own else number, []).append(one)
    return [group[0] if len(group) == 1 else _pooled(group) for group in groups.values()]


def odd_seeds(records: Sequence[BoardRecord]) -> list[Fault]:
    """Faults of records that cannot be one system with their other seeds; the most common is the system's."""
    groups: dict[Identity, list[BoardRecord]] = {}
    for one in records:
        if one.record.submission.seed is not None:
            groups.setdefault(one.record.submission.identity, []).append(one)
    faults = []
    for group in groups.values():
        for what, of in _SHARED.items():
            values = [of(one.record) for one in group]
            usual = max(dict.fromkeys(values), key=values.count)
            faults += [
                Fault(
                    str(one.path),
                    f"another {what} than the system's other seeds",
                    str(usual)[:16] + ("…" if len(str(usual)) > 16 else ""),
                    "Train and score all seeds in one way, or remove it.",
                )
                for one, value in zip(group, values, strict=True)
                if value != usual
            ]
    return faults


def _pooled(group: Sequence[BoardRecord]) -> BoardRecord:
    ordered = tuple(sorted(group, key=lambda one: one.record.submission.seed or 0))
    sha256 = hashlib.sha256("".join(one.sha256 for one in ordered).encode()).hexdigest()
    return replace(
        ordered[0],
        record=mean_record([one.record for one in ordered]),
        sha256=sha256,
        fresh=any(one.fresh for one in ordered),
        seeds=ordered,
    )


def mean_record(records: Sequence[Record]) -> Record:
    """The record of a system of several trainings, from a record of each over the same subjects."""
    first = records[0]
    subjects = {name: _subject([one.subjects[name] for one in records]) for name in first.subjects}
    table = [[one.subjects[name].pearson_r for name in subjects] for one in records]
    measures: dict[str, MeasureResult] | UnsetType = UNSET
    if first.measures:
        measures = {
            name: _measure([(one.measures or {})[name] for one in records]) for name in first.measures
        }
    overlaps = [one.overlap for one in records if one.overlap]
    return structs.replace(
        first,
        score=_mean([one.score for one in records]),
        ci95=system_interval(table),
        chance=_chance([one.chance for one in records]),
        bands=_means([one.bands for one in records]),
        measures=measures,
        subjects=subjects,
        flags=structs.replace(
            first.flags,
            segments_missing=sum(len(one.missing) for one in subjects.values()),
            segments_constant=sum(len(one.constant) for one in subjects.values()),
        ),
        submission=structs.replace(first.submission, weights_sha256=None, training=None),
        overlap=_overlap(overlaps) if len(overlaps) == len(records) else None,
        stimuli=_stimuli(records),
        controls=_controls(records),
        run=structs.replace(
            first.run,
            finished=max(one.run.finished for one in records),
            isolation=max((one.run for one in records), key=_exposed).isolation,
            training=_worst([one.run.training for one in records]),
        ),
    )


def _exposed(run: RunFacts) -> int:
    """How little kept a predictor apart: 2 for nothing, 1 where that is not known."""
    return {"none": 2, UNSET: 1}.get(run.isolation, 0)


def _worst(statuses: Sequence[str | UnsetType]) -> str | UnsetType:
    """The least believable of what the seeds' records of training are; absent where one is."""
    known = [status for status in statuses if status is not UNSET]
    return max(known, key=TRAINING_STATUSES.index) if len(known) == len(statuses) else UNSET


def _subject(results: Sequence[SubjectResult]) -> SubjectResult:
    missing = {segment for one in results for segment in one.missing}
    constant = {segment for one in results for segment in one.constant} - missing
    return SubjectResult(
        pearson_r=_mean([one.pearson_r for one in results]),
        bands=_means([one.bands for one in results]),
        segments=results[0].segments,
        missing=tuple(sorted(missing)),
        constant=tuple(sorted(constant)),
    )


def _measure(results: Sequence[MeasureResult]) -> MeasureResult:
    subjects = {name: _mean([one.subjects[name] for one in results]) for name in results[0].subjects}
    return MeasureResult(
        value=_mean([one.value for one in results]),
        ci95=system_interval([[one.subjects[name] for name in subjects] for one in results]),
        chance=_chance([one.chance for one in results]),
        subjects=subjects,
        segments_undefined=max(one.segments_undefined for one in results),
    )


def _stimuli(records: Sequence[Record]) -> SeenAndUnseen | UnsetType:
    both = [one.stimuli for one in records if one.stimuli]
    if len(both) < len(records):
        return UNSET
    seen, unseen = _group([one.seen for one in both]), _group([one.unseen for one in both])
    return UNSET if seen is None or unseen is None else SeenAndUnseen(seen=seen, unseen=unseen)


def _group(groups: Sequence[StimulusGroup]) -> StimulusGroup | None:
    """The mean of groups of the same segments; None where trainings saw different stimuli."""
    first = groups[0]
    if any((list(one.subjects), one.segments) != (list(first.subjects), first.segments) for one in groups):
        return None
    subjects = {name: _mean([one.subjects[name] for one in groups]) for name in first.subjects}
    return StimulusGroup(
        value=_mean([one.value for one in groups]),
        ci95=system_interval([[one.subjects[name] for name in subjects] for one in groups]),
        subjects=subjects,
        segments=first.segments,
    )


def _controls(records: Sequence[Record]) -> Controls | UnsetType:
    """Means over seeds; what one of them is flagged for, the system is."""
    every = [one.controls for one in records if one.controls]
    if len(every) < len(records):
        return UNSET
    blinds = [one.blind for one in every]
    differences = [one.difference for one in blinds]
    names = list(blinds[0].subjects)
    ps = [one.p for one in differences if one.p is not None]
    own = [[one.subjects[name] for name in names] for one in blinds]
    gains = [[one.subjects[name] for name in names] for one in differences]
    return Controls(
        blind=structs.replace(
            blinds[0],
            value=_mean([one.value for one in blinds]),
            ci95=system_interval(own),
            chance=_chance([one.chance for one in blinds]),
            subjects=dict(zip(names, _means(own), strict=True)),
            difference=structs.replace(
                differences[0],
                value=_mean([one.value for one in differences]),
                ci95=system_interval(gains),
                p=max(ps) if len(ps) == len(records) else None,
                subjects=dict(zip(names, _means(gains), strict=True)),
            ),
        ),
        scores_without_eeg=_any([one.scores_without_eeg for one in every]),
        no_evidence_of_using_eeg=_any([one.no_evidence_of_using_eeg for one in every]),
    )


def _any(flags: Sequence[bool | None]) -> bool | None:
    """True where one is; else None where one is not known."""
    return True if True in flags else None if None in flags else False


def _chance(bands: Sequence[ChanceBands]) -> ChanceBands:
    return ChanceBands(
        circular_shifts=_widest([one.circular_shifts for one in bands]),
        mismatched_segments=_widest([one.mismatched_segments for one in bands]),
    )


def _widest(bands: Sequence[ChanceBand | None]) -> ChanceBand | None:
    known = [band for band in bands if band is not None]
    if len(known) < len(bands):
        return None
    return structs.replace(
        known[0],
        low=min(band.low for band in known),
        mean=_mean([band.mean for band in known]),
        high=max(band.high for band in known),
    )


def _overlap(overlaps: Sequence[Overlap]) -> Overlap:
    return structs.replace(
        overlaps[0],
        subjects_seen=max(one.subjects_seen for one in overlaps),
        stimuli_seen=max(one.stimuli_seen for one in overlaps),
    )


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values))


def _means(rows: Sequence[Sequence[float]]) -> tuple[float, ...]:
    return tuple(np.mean(rows, axis=0).tolist())
