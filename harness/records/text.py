"""A score record in words."""

from __future__ import annotations

from collections.abc import Sequence

from harness.conventions import SIMULATED_WORDS, labels_words
from harness.errors import counted, shorten, some_of
from harness.records.measured import Measured
from harness.records.record import (
    DECLARED,
    TAMPERED,
    VERIFIED,
    CorpusData,
    Record,
    SubjectResult,
    channels_words,
)
from harness.records.stimuli import StimulusGroup
from harness.records.without_brain import TITLES
from harness.scoring.intervals import interval_words
from harness.scoring.measures import DEFAULT, measure
from harness.scoring.statistics import STATISTICS_VERSION

MOST_BANDS = 32  # of a table for people; the record has all
NOT_ISOLATED = {
    "none": "NOT ISOLATED: the predictor could read and change what it liked (--no-isolation)",
    "unknown": "ISOLATION NOT KNOWN: the record does not say what kept the predictor from the labels",
}
_TRAINING_WORDS = {
    VERIFIED: "verified: trained by the machine that scored",
    DECLARED: "declared by the author, not verified",
    TAMPERED: "by a record that was changed",
}


def record_text(record: Record) -> str:
    """A score record as a table: subjects, bands, mean with interval, flags."""
    from tabulate import tabulate

    measured = record.measured
    by_pearson = DEFAULT in record.measure_names
    rows = [
        [
            subject,
            *(one.subjects[subject] for one in measured),
            result.segments,
            _subject_flags(result, by_pearson=by_pearson),
        ]
        for subject, result in record.subjects.items()
    ]
    headers = ["subject", *(one.measure.title for one in measured), "segments", "flags"]
    flagged = any(row[-1] for row in rows)
    subjects = tabulate(
        [row if flagged else row[:-1] for row in rows],
        headers=headers if flagged else headers[:-1],
        floatfmt=".4f",
        disable_numparse=[0, len(headers) - 1] if flagged else [0],
    )
    parts = [
        f"{record.submission.title_with_seed} on {corpus_text(record.corpus)}, split {record.split.name},"
        f" part {record.split.part}, feature {record.feature}",
        subjects,
    ]
    if 1 < len(record.bands) <= MOST_BANDS:
        header = [f"{record.feature} band", *map(str, range(1, len(record.bands) + 1))]
        parts.append(tabulate([["Pearson r", *record.bands]], headers=header, floatfmt=".4f"))
    parts.append(
        "\n".join(
            [
                mean_text(record),
                *chance_lines(record.ranked),
                *(line for one in measured[1:] for line in (_mean_line(record, one), *chance_lines(one))),
                *without_brain_lines(record),
                *blind_lines(record),
                *overlap_lines(record),
                *([f"submission from hf:{record.run.hub}"] if record.run.hub else []),
                labels_words(simulated=record.simulated, held_back=record.corpus.is_held_back),
            ]
        )
    )
    flags = flag_lines(record)
    if flags:
        parts.append("\n".join(flags))
    return "\n\n".join(parts)


def corpus_text(corpus: CorpusData) -> str:
    """The corpus in words that never let simulated data pass for real."""
    return SIMULATED_WORDS if corpus.kind == "simulated" else corpus.name


def mean_text(record: Record) -> str:
    """The mean that ranks, with its interval and resampling unit, and the speed where it was measured."""
    line = _mean_line(record, record.ranked)
    seconds, faster = record.run.seconds, record.run.times_faster_than_real_time
    if seconds is not None and faster is not None:
        line += f"\npredicted in {seconds:.1f} s, {faster:,.0f} times faster than real time"
    return line


def chance_lines(measured: Measured) -> list[str]:
    """What the predictions would score by chance, and whether the score is no better than that."""
    band = measured.chance
    if band is None:
        return []
    kinds = [
        f"{kind.scores:,} {words}"
        for words, kind in (
            ("circular shifts", measured.chances.circular_shifts),
            ("mismatched segments", measured.chances.mismatched_segments),
        )
        if kind is not None
    ]
    line = f"chance {band[0]:.4f} to {band[1]:.4f} (95 % of {' and of '.join(kinds)})"
    words = measured.chance_words
    return [f"{line}: {words.upper()}" if words else line]


def without_brain_lines(record: Record) -> list[str]:
    """What predictions score that no EEG went into, by the measure that ranks."""
    lines = []
    for name, one in (record.without_brain or {}).items():
        line = f"{record.ranked.measure.short} of {TITLES[name]} {one.value:.4f}"
        if one.ci95 is not None:
            line += ", 95 % interval {:.4f} to {:.4f}".format(*one.ci95)
        lines.append(line)
    return lines


def blind_lines(record: Record) -> list[str]:
    """What the system scores without the EEG, and what the EEG adds."""
    if not record.controls:
        return ["without the EEG: not measured"]
    blind = record.controls.blind
    line = f"without the EEG {blind.value:.4f}"
    if blind.ci95 is not None:
        line += ", 95 % interval {:.4f} to {:.4f}".format(*blind.ci95)
    line += f" ({counted(blind.segments, 'surrogate')}{', a sample' if blind.sampled else ''})"
    band = blind.chance.band
    if band is not None:
        line += ", chance {:.4f} to {:.4f}".format(*band)
    gain = f"with the EEG less without {blind.difference.value:+.4f}"
    if blind.difference.ci95 is not None:
        gain += ", 95 % interval {:+.4f} to {:+.4f}".format(*blind.difference.ci95)
    p = blind.difference.p
    gain += ", too few subjects for a test" if p is None else f", p = {p:.4g} (one-sided, paired)"
    return [line, gain]


def overlap_lines(record: Record) -> list[str]:
    """What the weights have seen of what is scored, where it is on record."""
    overlap = record.overlap
    if not overlap:
        return []
    training = _TRAINING_WORDS[record.training or DECLARED]
    lines = [
        f"weights have seen {some_of(overlap.subjects_seen, overlap.subjects, 'subject')} and"
        f" {some_of(overlap.stimuli_seen, overlap.stimuli, 'stimulus', several='stimuli')} ({training})"
    ]
    if record.stimuli:
        groups = (("seen", record.stimuli.seen), ("unseen", record.stimuli.unseen))
        lines += [_stimulus_line(record, words, group) for words, group in groups]
    return lines


def flag_lines(record: Record) -> list[str]:
    """What a reader must know before trusting the mean."""
    flags = record.flags
    lines = []
    if record.submission.transfer is not None:
        there = record.submission.transfer
        lines.append(f"TRANSFER: weights trained on the corpus {there.corpus}, split {there.split}")
    excluded = {
        "": record.submission.channels_excluded,
        f" by the split {record.split.name}": record.split.channels_excluded or (),
    }
    lines += [
        f"EXCLUDED{who}: {channels_words(names)}, zero in all that it was given"
        for who, names in excluded.items()
        if names
    ]
    if record.split.flag:
        lines.append(f"FLAGGED: split {record.split.name}: {record.split.flag}")
    kinds = (
        ("subject", "subjects", flags.subjects_missing),
        ("stimulus", "stimuli", flags.stimuli_missing or ()),
    )
    for one, many, names in kinds:
        if names:
            said = f"1 {one} of the part is" if len(names) == 1 else f"{len(names)} {many} of the part are"
            lines.append(f"PARTIAL: {said} not in the corpus: {shorten(names, 8)}")
    if record.isolation in NOT_ISOLATED:
        lines.append(NOT_ISOLATED[record.isolation])
    mismatched = record.ranked.chances.mismatched_segments
    if record.ranked.is_common and mismatched is not None:
        lines.append(
            f"COMMON TO SEGMENTS: the predictions score {mismatched.mean:.4f} against references of other"
            " segments too, far beyond circular shifts; so much needs no EEG of the segment"
        )
    if record.training == TAMPERED:
        lines.append(
            "TRAINING RECORD CHANGED: it is not what this machine signed when it trained the weights; what"
            " they have seen is not known"
        )
    lines += control_flags(record)
    lines += [f"Weights: {note}" for note in record.weights_notes or ()]
    if flags.segments_missing:
        lines.append(_count_0(flags.segments_missing, "without a prediction"))
    by_pearson = DEFAULT in record.measure_names  # a constant has no Pearson r, and may have a cosine
    if flags.segments_constant and by_pearson:
        lines.append(_count_0(flags.segments_constant, "with a constant prediction"))
    if flags.references_constant and by_pearson:
        lines.append(_count_0(len(flags.references_constant), "with a constant reference"))
    for name, result in (record.measures or {}).items():
        if result.segments_undefined:
            title = measure(name).title
            lines.append(_count_0(result.segments_undefined, f"without a value by the {title}"))
    return lines


def _count_0(number: int, which: str) -> str:
    return f"{counted(number, 'segment')} {which} {'counts' if number == 1 else 'count'} 0"


def _stimulus_line(record: Record, words: str, group: StimulusGroup) -> str:
    line = f"{record.ranked.measure.heading} on {words} stimuli {group.value:.4f}"
    if group.ci95 is not None:
        line += ", 95 % interval {:.4f} to {:.4f}".format(*group.ci95)
    return f"{line} ({counted(group.segments, 'segment')} of {counted(len(group.subjects), 'subject')})"


def seeds_text(records: Sequence[Record]) -> str:
    """Several trainings of one system in one line: their mean, their spread, and each."""
    values = [record.ranked.value for record in records]
    mean = sum(values) / len(values)
    spread = (sum((value - mean) ** 2 for value in values) / (len(values) - 1)) ** 0.5
    each = ", ".join(
        f"{value:.4f} (seed {record.submission.seed})" for record, value in zip(records, values, strict=True)
    )
    first = records[0]
    return (
        f"{first.submission.title}: {first.ranked.measure.heading} {mean:.4f} over {len(values)} trainings,"
        f" standard deviation over seeds {spread:.4f}: {each}" + (", simulated" if first.simulated else "")
    )


def control_flags(record: Record) -> list[str]:
    """What the controls warn of, a sentence each."""
    controls = record.controls
    if not controls:
        return []
    lines = []
    if controls.scores_without_eeg:
        lines.append(
            f"SCORES WITHOUT THE EEG: {controls.blind.value:.4f} on surrogates that hold nothing of what was"
            " heard, far beyond their chance"
        )
    if controls.no_evidence_of_using_eeg:
        lines.append(
            "NO EVIDENCE OF USING THE EEG: the score is not above that on surrogates, paired over subjects"
        )
    return lines


def _mean_line(record: Record, measured: Measured) -> str:
    line = f"{measured.measure.heading} {measured.value:.4f}"
    if measured.ci95 is None:
        line += " (one subject: no interval)"
    else:
        low, high = measured.ci95
        known = record.statistics_version == STATISTICS_VERSION
        n_subjects = len(measured.subjects)
        over = (
            interval_words(n_subjects) if known else f"over {counted(n_subjects, 'subject')}, by other rules"
        )
        line += f", 95 % interval {low:.4f} to {high:.4f} ({over})"
    return line + (", simulated" if record.simulated else "")


def _subject_flags(result: SubjectResult, *, by_pearson: bool) -> str:
    flags = []
    if result.missing:
        flags.append(f"{len(result.missing)} missing")
    if result.constant and by_pearson:
        flags.append(f"{len(result.constant)} constant")
    return ", ".join(flags)
