"""A comparison in words: as text, Markdown, CSV, LaTeX, HTML or JSON, with a sentence for a paper."""

from __future__ import annotations

import html
import json
from collections.abc import Sequence
from typing import Any

from harness.boards.board import Board, BoardRecord
from harness.boards.cells import CONSTANT, NOT_MEASURED, chance_cell, over_seeds, ranked_words, without_eeg
from harness.boards.compare import Comparison, Differences, compare, comparison_names, sentence
from harness.boards.formats import FORMATS, STYLES
from harness.boards.latex import PREAMBLE, Marks, Part, comments, latex_table
from harness.boards.ranking import LEVEL, Ranking, rank
from harness.boards.row import row_of
from harness.boards.sentences import row_sentence
from harness.boards.sheet import csv_text, markdown_cell
from harness.conventions import SIMULATED_WORDS
from harness.errors import Fault, RecordError, UsageError, counted, no_such
from harness.records.text import NOT_ISOLATED
from harness.scoring.intervals import interval_words
from harness.scoring.measures import DEFAULT, Measure
from harness.scoring.statistics import least_p

# The columns of one system against a whole board as CSV, where nobody else is on it too.
_AGAINST = (
    "system",
    "other",
    "measure",
    "difference",
    "ci95_low",
    "ci95_high",
    "p_holm",
    "significant",
    "compares",
    "effect_size",
    "detectable",
    "other_without_eeg",
)


def check_form(form: str) -> None:
    """Refuse a format that comparisons do not have.

    Raises:
        UsageError: no such format.
    """
    if form not in FORMATS:
        raise UsageError(no_such("--format", form, FORMATS))


def comparison_text(comparison: Comparison, form: str = "text") -> str:
    """Per-subject differences, the mean with its interval, the test, and what could have been found.

    Args:
        comparison: of two systems.
        form: one of ``harness.boards.formats.FORMATS``.

    Raises:
        UsageError: no such format.
    """
    check_form(form)
    if form == "json":
        return json.dumps(comparison_values(comparison), indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    if form == "csv":
        said = {"sentence": sentence(comparison)}
        return csv_text([{**row, **said} for row in comparison_rows(comparison)])
    names = comparison_names(comparison)
    ranked, further = comparison.ranked, comparison.further
    headers = ["subject", *names, "difference", *(f"difference in {one.measure.short}" for one in further)]
    rows = [
        [
            subject,
            f"{a:.4f}",
            f"{b:.4f}",
            f"{a - b:+.4f}",
            *(f"{one.subjects[subject]:+.4f}" for one in further),
        ]
        for subject, a, b in zip(
            ranked.subjects, comparison.first.scores, comparison.second.scores, strict=True
        )
    ]
    title = _title(comparison, names)
    label = f"{' '.join(comparison.first.board)} {names[0]} {names[1]}"
    return _formatted(form, title, headers, rows, _lines(comparison, names), sentence(comparison), label)


def against_board_text(one: BoardRecord, board: Board, form: str = "text") -> str:
    """One system beside every other of its board: difference, Holm's p over the board's pairs, effect.

    Args:
        one: a record of the system.
        board: its board.
        form: as in :func:`comparison_text`.

    Raises:
        RecordError: the system is not ranked there.
        UsageError: no such format.
    """
    check_form(form)
    ranking = rank(board, everything=True)
    own = next((place for place, other in enumerate(ranking.records) if _same_file(one, other)), None)
    if own is None:
        raise RecordError(Fault(str(one.path), "not ranked on its board", "a complete record in --results"))
    one = ranking.records[own]
    others = [(place, compare(one, other)) for place, other in enumerate(ranking.records) if place != own]
    said = row_sentence(ranking, own, where=True)
    if form in ("csv", "json"):
        rows = [_against_values(ranking, own, place, found) for place, found in others]
        if form == "csv":
            further = [f"difference_{by.name}" for by in board.measures[1:]]
            return csv_text([{**row, "sentence": said} for row in rows], [*_AGAINST, *further, "sentence"])
        document = {
            "board": board.name._asdict(),
            "simulated": board.simulated,
            "system": one.system,
            "level": LEVEL,
            "others": rows,
            "sentence": said,
        }
        return json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    table = [_against_cells(ranking, own, place, found) for place, found in others]
    headers = [
        "other system",
        "difference",
        "95 % interval",
        "p (Holm)",
        "detectable",
        "without the EEG",
        "chance",
    ]
    headers += [f"difference in {by.short}" for by in board.measures[1:]]
    its = ranking.rows[own].rank
    by = f", {ranked_words(board.measures[0])}" if board.names_measures else ""
    flag = f" ({board.flag})" if board.flag else ""
    title = f"{one.system} on {one.board}{flag}{by}"
    title += f": rank {its.rank if its else 'none'} of {len(ranking.rows)}"
    title += f"; without the EEG: {without_eeg(ranking.rows[own])}"
    if board.by_unseen:
        title += "; rank and p are on unseen stimuli, differences on all"
    if one.record.constant_cosine is not None:
        title += f"; {CONSTANT}: {one.record.constant_cosine:.4f}"
    if one.record.ranked.chance_words or one.record.ranked.is_common:
        title += f"; chance: {_chance(one)}"
    n_subjects = len(one.record.subjects)
    architectures = any(found.of_architectures for _, found in others)
    if least_p(n_subjects) > LEVEL:
        which = "only architectures" if architectures else "nothing"
        limit = _too_few(n_subjects, of_weights=architectures)
        title += f"\n{limit}: {which} can be separated here at {LEVEL:g}"
    return _formatted(
        form, title, headers, table, [], said, f"{' '.join(one.board)} {one.system} against all"
    )


def comparison_rows(comparison: Comparison) -> list[dict[str, object]]:
    """Each subject's scores and their difference, as plain values; figures draw these."""
    names = comparison_names(comparison)
    ones = (comparison.first, comparison.second)
    tables = [one.record.ranked.subjects for one in ones]
    return [
        {
            **comparison.first.board._asdict(),
            "simulated": comparison.first.record.simulated,
            "subject": subject,
            "measure": comparison.ranked.measure.name,
            "first": names[0],
            "second": names[1],
            "first_value": tables[0][subject],
            "second_value": tables[1][subject],
            "difference": difference,
            **{f"difference_{one.measure.name}": one.subjects[subject] for one in comparison.further},
            "first_blind": _blind(ones[0], subject),
            "second_blind": _blind(ones[1], subject),
        }
        for subject, difference in comparison.ranked.subjects.items()
    ]


def comparison_values(comparison: Comparison) -> dict[str, Any]:
    """A comparison as plain values."""
    names = comparison_names(comparison)
    ones = (comparison.first, comparison.second)
    return {
        "board": comparison.first.board._asdict(),
        "flag": comparison.first.record.split.flag or None,
        "simulated": comparison.first.record.simulated,
        "constant_cosine": comparison.first.record.constant_cosine,
        "systems": [
            {
                "name": name,
                "record_sha256": one.sha256,
                "value": one.record.ranked.value,
                "ci95": one.record.ranked.ci95,
                "chance": one.record.ranked.chance,
                "without_eeg": None if not one.record.controls else one.record.controls.blind.value,
                "trainings": len(one.trainings),
            }
            for name, one in zip(names, ones, strict=True)
        ],
        "differences": [
            {
                "measure": one.measure.name,
                "mean": one.mean,
                "ci95": one.ci95,
                "subjects": dict(one.subjects),
            }
            for one in (comparison.ranked, *comparison.further)
        ],
        "compares": "architectures" if comparison.of_architectures else "weights",
        "p": comparison.p,
        "level": LEVEL,
        "significant": comparison.p <= LEVEL,
        "effect_size": comparison.effect,
        "detectable": comparison.detectable,
        "subjects_needed": comparison.subjects_needed,
        "places_changed": comparison.changed,
        "sentence": sentence(comparison),
    }


def _formatted(
    form: str,
    title: str,
    headers: Sequence[str],
    rows: Sequence[Sequence[str]],
    lines: Sequence[str],
    said: str,
    label: str,
) -> str:
    """A table with a title above, and lines and a sentence below."""
    from tabulate import tabulate

    if form == "latex":
        marks = Marks()
        cells = [[row[0], *map(marks.short, row[1:])] for row in rows]
        part = Part("", [dict(zip(headers, row, strict=True)) for row in cells])
        table = latex_table([part], caption=said, label=label, notes=marks.words, heads=headers)
        return "\n".join([PREAMBLE, *comments(title.split("\n")), table.rstrip(), *comments(lines)]) + "\n"
    cells = [list(row) for row in rows]
    if form == "md":
        cells = [list(map(markdown_cell, row)) for row in rows]
        headers = list(map(markdown_cell, headers))
    table = tabulate(cells, headers, STYLES[form], disable_numparse=True)
    if form == "html":
        head, *more = title.split("\n")
        below = [f"<p>{html.escape(line)}</p>" for line in [*lines, said]]
        above = [f"<h2>{html.escape(head)}</h2>", *(f"<p>{html.escape(line)}</p>" for line in more)]
        return "\n".join([*above, table, *below]) + "\n"
    if form == "md":
        title = f"**{title}**" if "\n" not in title else "**" + title.replace("\n", "**\n\n")
        return (
            "\n\n".join([title, table, *(["\n".join(f"- {line}" for line in lines)] if lines else []), said])
            + "\n"
        )
    return "\n\n".join([title, table, *(["\n".join(lines)] if lines else []), said]) + "\n"


def _title(comparison: Comparison, names: Sequence[str]) -> str:
    board = comparison.first.board
    corpus = SIMULATED_WORDS if comparison.first.record.simulated else board.corpus
    flag = comparison.first.record.split.flag
    title = f"{names[0]} minus {names[1]} on {corpus}, split {board.split}{f' ({flag})' if flag else ''},"
    title += f" part {board.part},"
    title += f" feature {board.feature}"
    if comparison.first.record.measure_names != (DEFAULT,):
        title += f", {ranked_words(comparison.ranked.measure)}"
    return title


def _lines(comparison: Comparison, names: list[str]) -> list[str]:
    """What stands below the table of subjects, a fact a line."""
    ones = (comparison.first, comparison.second)
    named = comparison.first.record.measure_names != (DEFAULT,)
    lines = [
        _mean_words(one, named=named, over_seeds=comparison.of_architectures)
        for one in (comparison.ranked, *comparison.further)
    ]
    if comparison.first.record.constant_cosine is not None:
        lines.append(f"{CONSTANT}, which needs no EEG: {comparison.first.record.constant_cosine:.4f}")
    lines += [
        f"{name} without the EEG: {without_eeg(row_of(one))}; chance: {_chance(one)}"
        for name, one in zip(names, ones, strict=True)
    ]
    lines += [
        f"{name}: {NOT_ISOLATED[one.record.isolation]}"
        for name, one in zip(names, ones, strict=True)
        if one.record.isolation in NOT_ISOLATED
    ]
    lines += _test_words(comparison, names)
    if comparison.effect is not None:
        lines.append(f"effect size (mean over deviation of the differences): {comparison.effect:+.2f}")
    if comparison.subjects_needed is not None:
        lines.append(
            f"subjects that show a difference as large as this one (0.05, 80 % power):"
            f" {comparison.subjects_needed:,}"
        )
    if comparison.detectable is None:
        n_subjects = len(comparison.ranked.subjects)
        lines.append(f"{_too_few(n_subjects)}: no difference can be shown at {LEVEL:g}")
    else:
        lines.append(
            f"smallest difference these subjects could show (0.05, 80 % power): {comparison.detectable:.4f}"
        )
    return lines


def _against_cells(ranking: Ranking, own: int, place: int, found: Comparison) -> list[str]:
    ends, other = found.ranked.ci95, found.second
    return [
        other.system,
        f"{found.ranked.mean:+.4f}",
        "" if ends is None else f"{ends[0]:+.4f} to {ends[1]:+.4f}",
        f"{ranking.p[own, place]:.4g}",
        "" if found.detectable is None else f"{found.detectable:.4f}",
        without_eeg(row_of(other)),
        chance_cell(other.record.ranked),
        *_further_cells(found, ranking.board.measures[1:]),
    ]


def _against_values(ranking: Ranking, own: int, place: int, found: Comparison) -> dict[str, Any]:
    low, high = found.ranked.ci95 or (None, None)
    controls = found.second.record.controls or None
    further = {one.measure.name: one.mean for one in found.further}
    return {
        "system": found.first.system,
        "other": found.second.system,
        "measure": found.ranked.measure.name,
        "difference": found.ranked.mean,
        "ci95_low": low,
        "ci95_high": high,
        "p_holm": float(ranking.p[own, place]),
        "significant": bool(ranking.p[own, place] <= LEVEL),
        "compares": "architectures" if ranking.architectures[own, place] else "weights",
        "effect_size": found.effect,
        "detectable": found.detectable,
        "other_without_eeg": None if controls is None else controls.blind.value,
        **{f"difference_{by.name}": further.get(by.name) for by in ranking.board.measures[1:]},
    }


def _blind(one: BoardRecord, subject: str) -> float | None:
    controls = one.record.controls or None
    return None if controls is None else controls.blind.subjects.get(subject)


def _further_cells(comparison: Comparison, measures: Sequence[Measure]) -> list[str]:
    """The differences by a board's further measures; where one of the two was not measured it says so."""
    known = {one.measure.name: f"{one.mean:+.4f}" for one in comparison.further}
    return [known.get(by.name, NOT_MEASURED) for by in measures]


def _test_words(comparison: Comparison, names: list[str]) -> list[str]:
    """The test, what it is about, and how often the two change places over seeds."""
    trainings = [len(one.trainings) for one in (comparison.first, comparison.second)]
    if comparison.of_architectures:
        lines = [
            f"architectures, t over subjects and seeds ({trainings[0]} and {trainings[1]} trainings): p ="
            f" {comparison.p:.4g}"
        ]
    else:
        single = [
            name
            for name, one in zip(names, (comparison.first, comparison.second), strict=True)
            if not one.is_architecture
        ]
        about = f" (of these weights: one training of {' and of '.join(single)})" if single else ""
        lines = [f"paired sign-flip test over subjects: p = {comparison.p:.4g}{about}"]
    for name, one in zip(names, (comparison.first, comparison.second), strict=True):
        if one.seeds:
            each = ", ".join(
                f"{its.record.ranked.value:.4f} (seed {its.record.submission.seed})" for its in one.seeds
            )
            lines.append(f"{name} over seeds: {over_seeds(row_of(one))}: {each}")
    if comparison.changed is not None:
        pairs = trainings[0] * trainings[1]
        lines.append(
            f"over seeds the two change places in {comparison.changed * pairs:g} of {counted(pairs, 'pair')}"
        )
    return lines


def _chance(one: BoardRecord) -> str:
    return chance_cell(one.record.ranked) or "not known"


def _too_few(n_subjects: int, *, of_weights: bool = False) -> str:
    """The limit of a sign-flip test of few subjects, in words; `of_weights` where others are tested too."""
    p = "p between weights" if of_weights else "p"
    subjects = counted(n_subjects, "subject")
    return f"{subjects}: {p} is never below {least_p(n_subjects):g}, whatever the difference"


def _mean_words(one: Differences, *, named: bool, over_seeds: bool) -> str:
    words = "mean difference" + (f" in {one.measure.short}" if named else "") + f" {one.mean:+.4f}"
    if one.ci95:
        words += ", 95 % interval {:+.4f} to {:+.4f}".format(*one.ci95)
        n_subjects = len(one.subjects)
        words += (
            f" (over {counted(n_subjects, 'subject')} and seeds)"
            if over_seeds
            else f" ({interval_words(n_subjects)})"
        )
    return words


def _same_file(one: BoardRecord, other: BoardRecord) -> bool:
    return one.path.resolve() in {its.path.resolve() for its in other.trainings}
