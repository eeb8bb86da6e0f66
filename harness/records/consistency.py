"""A record checked against itself: what follows from its subjects must be what it says.

The schema checks the form of a record; this checks that its numbers follow from each other. Most edits by
hand are found, since they change one number and not those that follow from it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from harness.errors import Fault, counted, shorten, some_of
from harness.records.bands import ChanceBands, chance_of
from harness.records.measured import MeasureResult
from harness.records.record import DECLARED, TAMPERED, VERIFIED, Record, SubjectResult
from harness.scoring.blind import is_beyond_chance, is_no_evidence, paired_p
from harness.scoring.context import RECONSTRUCTIONS
from harness.scoring.intervals import interval_words, mean_interval
from harness.scoring.measures import DEFAULT, MEASURES, Measure
from harness.scoring.statistics import STATISTICS_VERSION

# A mean that is computed again agrees up to rounding.
SAME_MEAN = 1e-9
_SUBMISSION_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
REMEDY = "It was edited after it was scored: score it again, or restore it."


def inconsistencies(record: Record, where: str) -> list[Fault]:
    """Everything in which a record contradicts itself.

    Args:
        record: valid against the schema.
        where: its file, for the messages.

    Returns:
        One fault a contradiction; empty where there is none.
    """
    found = [
        *_means(record),
        *_interval(record, "", record.ci95, [one.pearson_r for one in record.subjects.values()]),
        *_chance("chance", record.chance),
        *_measures(record),
        *_stimuli(record),
        *_controls(record),
        *_without_brain(record),
        *_counts(record),
        *_overlap(record),
        *_system(record),
    ]
    return [Fault(f"{where}: {place}", arrived, expected, REMEDY) for place, arrived, expected in found]


_Found = Iterator[tuple[str, str, str]]  # which key, what it says, what follows from the rest


def _means(record: Record) -> _Found:
    subjects = record.subjects
    mean = _mean([one.pearson_r for one in subjects.values()])
    if abs(record.score - mean) > SAME_MEAN:
        yield "score", f"{record.score:.6f}", f"{mean:.6f}, the mean of its subjects"
    widths = {name: len(one.bands) for name, one in subjects.items()}
    for name, width in widths.items():
        if width != len(record.bands):
            yield f"subjects: {name}: bands", f"{width}", f"{len(record.bands)}, as the record has"
    for name, one in subjects.items():
        own = _mean(one.bands)
        if abs(one.pearson_r - own) > SAME_MEAN:
            yield f"subjects: {name}: pearson_r", f"{one.pearson_r:.6f}", f"{own:.6f}, the mean of its bands"
    if set(widths.values()) == {len(record.bands)}:
        for number, said in enumerate(record.bands):
            own = _mean([one.bands[number] for one in subjects.values()])
            if abs(said - own) > SAME_MEAN:
                yield f"bands[{number}]", f"{said:.6f}", f"{own:.6f}, the mean of its subjects"


def _interval(
    record: Record, inside: str, ci95: tuple[float, float] | None, scores: Sequence[float]
) -> _Found:
    """What is wrong with an interval; ``inside`` is the key that it lies below, with a colon, or nothing."""
    place = f"{inside}ci95"
    if len(scores) == 1 or ci95 is None:
        if (ci95 is None) != (len(scores) == 1):
            yield place, _words(ci95), "null for one subject, and an interval for more"
        return
    low, high = ci95
    if record.statistics_version == STATISTICS_VERSION:
        own = mean_interval(scores)
        if own is not None and max(abs(low - own[0]), abs(high - own[1])) > SAME_MEAN:
            yield place, _words(ci95), f"{_words(own)}, the {interval_words(len(scores))}"
    elif not low <= high:
        yield place, _words(ci95), "the lower end first"


def _chance(place: str, chance: ChanceBands) -> _Found:
    for kind in ("circular_shifts", "mismatched_segments"):
        band = getattr(chance, kind)
        if band is not None and not band.low <= band.mean <= band.high:
            said = f"{band.low:.6f}, {band.mean:.6f}, {band.high:.6f}"
            yield f"{place}: {kind}", said, "low, mean and high in this order"


def _measures(record: Record) -> _Found:
    names = record.measure_names
    if record.split.measures and names == (DEFAULT,):
        yield "split: measures", DEFAULT, f"no such key for {DEFAULT} alone"
    for name in names:
        if name not in MEASURES:
            yield "split: measures", name, f"one of {', '.join(sorted(MEASURES))}"
    results = record.measures or {}
    further = [name for name in names if name != DEFAULT]
    answers = {name for name in further if name in MEASURES and RECONSTRUCTIONS in MEASURES[name].needs}
    if set(results) | answers != set(further) | answers or set(results) - set(further):
        said = ", ".join(results) or "none"
        yield "measures", said, f"{', '.join(further) or 'none'}, the split's but {DEFAULT}"
    for name, result in results.items():
        if name in MEASURES:
            yield from _measure(record, MEASURES[name], result)


def _measure(record: Record, by: Measure, result: MeasureResult) -> _Found:
    place = f"measures: {by.name}"
    if set(result.subjects) != set(record.subjects):
        odd = sorted(set(result.subjects) ^ set(record.subjects))
        yield f"{place}: subjects", f"other subjects ({', '.join(odd)})", "those of the record"
        return
    subjects = {name: result.subjects[name] for name in record.subjects}
    yield from _mean_and_interval(record, place, result.value, result.ci95, subjects)
    yield from _chance(f"{place}: chance", result.chance)
    present = 0
    for name, one in record.subjects.items():
        there = one.segments - len(one.missing)
        present += there
        missing = len(one.missing)
        low = min(by.range[0], 0) * there + by.missing[0] * missing
        high = max(by.range[1], 0) * there + by.missing[1] * missing
        if not low - SAME_MEAN <= result.subjects[name] * one.segments <= high + SAME_MEAN:
            yield (
                f"{place}: subjects: {name}",
                f"{result.subjects[name]:.6f}",
                f"{low / one.segments:.6f} to {high / one.segments:.6f}, since {_not_predicted(one)}",
            )
    if result.segments_undefined > present:
        yield (
            f"{place}: segments_undefined",
            f"{result.segments_undefined}",
            f"at most {present}, the segments with a prediction",
        )


def _stimuli(record: Record) -> _Found:
    if not record.stimuli:
        return
    groups = {"seen": record.stimuli.seen, "unseen": record.stimuli.unseen}
    every = sum(one.segments for one in record.subjects.values())
    if sum(group.segments for group in groups.values()) != every:
        said = " and ".join(f"{group.segments} {name}" for name, group in groups.items())
        yield "stimuli: segments", said, f"{every} together"
    for name, group in groups.items():
        strange = sorted(set(group.subjects) - set(record.subjects))
        if strange:
            yield f"stimuli: {name}: subjects", ", ".join(strange), "subjects of the record"
        yield from _mean_and_interval(record, f"stimuli: {name}", group.value, group.ci95, group.subjects)
    for name, whole in record.ranked.subjects.items():
        own = [group.subjects[name] for group in groups.values() if name in group.subjects]
        if not own or not min(own) - SAME_MEAN <= whole <= max(own) + SAME_MEAN:
            expected = f"{whole:.6f}, its score, between them"
            yield f"stimuli: {name}", " and ".join(f"{one:.6f}" for one in own) or "no score", expected


def _without_brain(record: Record) -> _Found:
    names = [name for name in record.measure_names if record.has(name)]
    for name, one in (record.without_brain or {}).items():
        place = f"without_brain: {name}"
        if list(one.subjects) != list(record.subjects):
            odd = ", ".join(sorted(set(one.subjects) ^ set(record.subjects))) or "in another order"
            yield f"{place}: subjects", f"other subjects ({odd})", "those of the record"
            continue
        yield from _mean_and_interval(record, place, one.value, one.ci95, one.subjects)
        if not set(one.measures) <= set(names) or names[0] not in one.measures:
            yield f"{place}: measures", ", ".join(one.measures), f"of {', '.join(names)}, those of the record"
        elif abs(one.measures[names[0]] - one.value) > SAME_MEAN:
            said = f"{one.measures[names[0]]:.6f}"
            yield f"{place}: measures: {names[0]}", said, f"{one.value:.6f}, its value"


def _controls(record: Record) -> _Found:
    if not record.controls:
        return
    if not record.statistics_version:
        yield "statistics_version", "none", "one, since controls are as old as the number"
    controls, blind, by = record.controls, record.controls.blind, record.ranked
    place = "controls: blind"
    if list(blind.subjects) != list(record.subjects):
        odd = ", ".join(sorted(set(blind.subjects) ^ set(record.subjects))) or "in another order"
        yield f"{place}: subjects", f"other subjects ({odd})", "those of the record"
        return
    every = sum(one.segments for one in record.subjects.values())
    if blind.sampled != (blind.segments < every) or blind.segments > every:
        said = f"{blind.segments}, {'a sample' if blind.sampled else 'all'}"
        yield f"{place}: segments", said, f"{every}, or fewer in a sample"
    yield from _mean_and_interval(record, place, blind.value, blind.ci95, blind.subjects)
    yield from _chance(f"{place}: chance", blind.chance)
    difference, where = blind.difference, f"{place}: difference"
    if list(difference.subjects) != list(record.subjects):
        yield f"{where}: subjects", "other subjects", "those of the record"
        return
    yield from _mean_and_interval(record, where, difference.value, difference.ci95, difference.subjects)
    if not blind.sampled:
        for name, value in difference.subjects.items():
            own = by.subjects[name] - blind.subjects[name]
            if abs(value - own) > SAME_MEAN:
                yield f"{where}: subjects: {name}", f"{value:.6f}", f"{own:.6f}, the score less the blind one"
    if record.statistics_version == STATISTICS_VERSION:
        p = paired_p(by.measure, list(difference.subjects.values()))
        if (p is None) != (difference.p is None) or abs((p or 0) - (difference.p or 0)) > SAME_MEAN:
            yield f"{where}: p", _words(difference.p), f"{_words(p)}, the test of its subjects"
        for key, flag, own_flag in (
            (
                "scores_without_eeg",
                controls.scores_without_eeg,
                is_beyond_chance(by.measure, blind.value, chance_of(blind.chance)),
            ),
            ("no_evidence_of_using_eeg", controls.no_evidence_of_using_eeg, is_no_evidence(p)),
        ):
            if flag is not own_flag:
                yield f"controls: {key}", _words(flag), f"{_words(own_flag)}, by the numbers beside it"


def _mean_and_interval(
    record: Record, place: str, value: float, ci95: tuple[float, float] | None, subjects: Mapping[str, float]
) -> _Found:
    mean = _mean(list(subjects.values()))
    if abs(value - mean) > SAME_MEAN:
        yield f"{place}: value", f"{value:.6f}", f"{mean:.6f}, the mean of its subjects"
    yield from _interval(record, f"{place}: ", ci95, list(subjects.values()))


def _counts(record: Record) -> _Found:
    flags, subjects = record.flags, record.subjects
    for key, said, own in (
        ("segments_missing", flags.segments_missing, sum(len(one.missing) for one in subjects.values())),
        ("segments_constant", flags.segments_constant, sum(len(one.constant) for one in subjects.values())),
    ):
        if said != own:
            yield f"flags: {key}", f"{said}", f"{own}, the sum over its subjects"
    if flags.partial != bool(flags.subjects_missing or flags.stimuli_missing):
        expected = "true where subjects or stimuli are missing, else false"
        yield "flags: partial", str(flags.partial).lower(), expected
    both = [name for name in flags.subjects_missing if name in subjects]
    if both:
        yield "flags: subjects_missing", ", ".join(both), "subjects that have no score"
    for name, one in subjects.items():
        listed = [*one.missing, *one.constant]
        if len(set(listed)) < len(listed) or len(listed) > one.segments:
            yield (
                f"subjects: {name}: missing and constant",
                counted(len(listed), "id"),
                f"at most {one.segments}, its segments, none of them twice",
            )
        elif abs(one.pearson_r) * one.segments > one.segments - len(one.missing) + SAME_MEAN:
            most = (one.segments - len(one.missing)) / one.segments
            yield (
                f"subjects: {name}: pearson_r",
                f"{one.pearson_r:.6f}",
                f"at most {most:.6f}, since {_not_predicted(one)}",
            )


def _not_predicted(one: SubjectResult) -> str:
    return f"{some_of(len(one.missing), one.segments, 'segment', 'counts', 'count')} 0"


def _overlap(record: Record) -> _Found:
    overlap = record.overlap
    if record.run.training and bool(overlap) == (record.run.training == TAMPERED):
        expected = f"{TAMPERED}, if a record says so" if not overlap else f"{VERIFIED} or {DECLARED}"
        yield (
            "run: training",
            record.run.training,
            f"{expected}, as overlap is {'there' if overlap else 'not'}",
        )
    if not overlap:
        return
    if overlap.subjects != len(record.subjects):
        yield "overlap: subjects", f"{overlap.subjects}", f"{len(record.subjects)}, those that were scored"
    for what, seen, every in (
        ("subjects_seen", overlap.subjects_seen, overlap.subjects),
        ("stimuli_seen", overlap.stimuli_seen, overlap.stimuli),
    ):
        if seen > every:
            yield f"overlap: {what}", f"{seen}", f"at most {every}"


def _system(record: Record) -> _Found:
    system = record.submission
    handed_in = system.kind == "predictions"
    hashes = ("predictions_sha256",) if handed_in else ("code_sha256", "version", "variant")
    for key in ("code_sha256", "version", "variant", "predictions_sha256"):
        said = getattr(system, key)
        if (said is not None) != (key in hashes):
            expected = "a value" if key in hashes else "null"
            yield f"submission: {key}", _words(said), f"{expected} for {system.kind}"
    if system.training is not None and (handed_in or system.members):
        kind = "predictions" if handed_in else "an ensemble"
        yield "submission: training", f"seed {system.seed}", f"no such key for {kind}"
    if system.ablation_of is not None and (handed_in or system.ablation_of == system.variant):
        yield "submission: ablation_of", system.ablation_of, "another variant, and none for predictions"
    if system.transfer is not None:
        own = (record.corpus.name, record.split.name)
        there = (system.transfer.corpus, system.transfer.split)
        if handed_in or there == own:
            yield "submission: transfer", "/".join(there), "another board's weights, and none for predictions"
    if handed_in and system.channels_excluded:
        yield "submission: channels_excluded", shorten(list(system.channels_excluded)), "none for predictions"
    if handed_in and system.weights_sha256 is not None:
        yield "submission: weights_sha256", _words(system.weights_sha256), "null for predictions"
    # The name is looked for below baselines/ and submissions/, and names the record's file.
    if not handed_in and not _SUBMISSION_NAME.fullmatch(system.name):
        yield "submission: name", repr(system.name[:60]), "lower-case words joined by hyphens"
    if "/" in system.name or system.name.startswith("."):
        yield "submission: name", repr(system.name[:60]), "the name of a file, without a folder, not hidden"


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _words(value: object) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    return " to ".join(f"{end:.6f}" for end in value) if isinstance(value, tuple) else f"{value}"
