"""A score record in words."""

from __future__ import annotations

from collections.abc import Sequence

from harness.conventions import SIMULATED_WORDS
from harness.records.record import CorpusData, Measured, Record, SubjectResult
from harness.records.stimuli import StimulusGroup
from harness.scoring.intervals import interval_words
from harness.scoring.measures import measure
from harness.scoring.statistics import STATISTICS_VERSION


def record_text(record: Record) -> str:
    """A score record as a table: subjects, bands, mean with interval, flags."""
    from tabulate import tabulate

    measured = record.measured
    rows = [
        [subject, *(one.subjects[subject] for one in measured), result.segments, _subject_flags(result)]
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
    if len(record.bands) > 1:
        header = [f"{record.feature} band", *map(str, range(1, len(record.bands) + 1))]
        parts.append(tabulate([["Pearson r", *record.bands]], headers=header, floatfmt=".4f"))
    parts.append(
        "\n".join(
            [
                mean_text(record),
                *chance_lines(record.ranked),
                *(line for one in measured[1:] for line in (_mean_line(record, one), *chance_lines(one))),
                *blind_lines(record),
                *overlap_lines(record),
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


def blind_lines(record: Record) -> list[str]:
    """What the system scores without the EEG, and what the EEG adds."""
    if not record.controls:
        return ["without the EEG: not measured"]
    blind = record.controls.blind
    line = f"without the EEG {blind.value:.4f}"
    if blind.ci95 is not None:
        line += ", 95 % interval {:.4f} to {:.4f}".format(*blind.ci95)
    line += f" ({blind.segments} surrogates{', a sample' if blind.sampled else ''})"
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
    lines = [
        f"weights have seen {overlap.subjects_seen} of {overlap.subjects} subjects and"
        f" {overlap.stimuli_seen} of {overlap.stimuli} stimuli"
    ]
    if record.stimuli:
        groups = (("seen", record.stimuli.seen), ("unseen", record.stimuli.unseen))
        lines += [_stimulus_line(record, words, group) for words, group in groups]
    return lines


def flag_lines(record: Record) -> list[str]:
    """What a reader must know before trusting the mean."""
    flags = record.flags
    lines = []
    if flags.partial:
        lines.append(
            f"PARTIAL: {len(flags.subjects_missing)} subjects of the part are not in the corpus:"
            f" {', '.join(flags.subjects_missing)}"
        )
    if not record.is_isolated:
        lines.append("NOT ISOLATED: the predictor could read and change what it liked (--no-isolation)")
    lines += control_flags(record)
    if flags.segments_missing:
        lines.append(f"{flags.segments_missing} segments without a prediction count 0")
    if flags.segments_constant:
        lines.append(f"{flags.segments_constant} segments with a constant prediction count 0")
    if flags.references_constant:
        lines.append(f"{len(flags.references_constant)} segments with a constant reference count 0")
    for name, result in (record.measures or {}).items():
        if result.segments_undefined:
            title = measure(name).title
            lines.append(f"{result.segments_undefined} segments without a value by the {title} count 0")
    return lines


def _stimulus_line(record: Record, words: str, group: StimulusGroup) -> str:
    line = f"{record.ranked.measure.heading} on {words} stimuli {group.value:.4f}"
    if group.ci95 is not None:
        line += ", 95 % interval {:.4f} to {:.4f}".format(*group.ci95)
    return f"{line} ({group.segments} segments of {len(group.subjects)} subjects)"


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
        over = interval_words(n_subjects) if known else f"over {n_subjects} subjects, by other rules"
        line += f", 95 % interval {low:.4f} to {high:.4f} ({over})"
    return line + (", simulated" if record.simulated else "")


def _subject_flags(result: SubjectResult) -> str:
    flags = []
    if result.missing:
        flags.append(f"{len(result.missing)} missing")
    if result.constant:
        flags.append(f"{len(result.constant)} constant")
    return ", ".join(flags)
