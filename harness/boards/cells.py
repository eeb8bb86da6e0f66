"""A board and its rows in words for people, and as plain values for programs."""

from __future__ import annotations

from typing import Any

import numpy as np

from harness.boards.board import Board, BoardName
from harness.boards.ranking import LEVEL, Change, Ranking
from harness.boards.resolution import Resolution
from harness.boards.row import Row
from harness.boards.sentences import board_sentence
from harness.conventions import HASH_DIGITS, SIMULATED_WORDS, labels_words
from harness.corpus.declaration import declared
from harness.errors import Fault, counted, on_one_line, shorten
from harness.records.measured import Measured
from harness.records.record import COMMON, TAMPERED, channels_words
from harness.records.without_brain import TITLES
from harness.scoring.intervals import interval_words
from harness.scoring.measures import DEFAULT, MEASURES, Measure
from harness.scoring.statistics import STATISTICS_VERSION

NOT_MEASURED = "not measured"
CONSTANT = "constant's cosine"  # the column of what the training part's mean scores
# Of more systems than these a note says how many, not which.
MOST_NAMED = 8
_NOT_ISOLATED = {"none": " (not isolated)", "unknown": " (isolation not known)"}
TRAINING_CHANGED = "TRAINING RECORD CHANGED"
ABLATIONS = "Ablations, each beside its own full net"
BELOW_THE_LINE = "Below the line, since a control says that the score may not come from the EEG"


def board_title(board: Board) -> str:
    """A board in words: what data, which part, how many systems and subjects."""
    name = BoardName(*map(on_one_line, board.name))  # those of folders, which somebody may have named
    corpus = SIMULATED_WORDS if board.simulated else name.corpus
    sizes = f"{counted(len(board.records), 'system')}, {counted(len(board.subjects), 'subject')}"
    by = f", {ranked_words(board.measures[0])}" if board.names_measures else ""
    if board.by_unseen:
        by = f"{by or ', ranked'} on unseen stimuli"
    flag = f" ({board.flag})" if board.flag else ""
    return f"{corpus}, split {name.split}{flag}, part {name.part}, feature {name.feature}{by}: {sizes}"


def ranked_words(by: Measure) -> str:
    """What systems are ranked by, in words."""
    return f"ranked by {by.title}" + ("" if by.higher_is_better else " (lower is better)")


def board_notes(ranking: Ranking, *, bars: bool = True) -> list[str]:
    """How to read a board's ties and intervals, what it could show, what is not ranked, and who leads it.

    Args:
        ranking: of the board.
        bars: ties are shown as bars, not as letters.
    """
    notes = []
    if len(ranking.rows) > 1:
        notes += [_how_to_read(ranking, bars=bars), _what_is_compared(ranking)]
    if ranking.resolution is not None:
        notes.append(resolution_words(ranking.resolution))
    if ranking.changes:
        notes.append(f"Over seeds change places: {'; '.join(map(_changed, ranking.changes))}.")
    if ranking.ablations:
        notes.append(
            "Ablations are compared with their own full net only, Holm over that net's ablations; --all ranks"
            " them with all others."
        )
    old = [one.system for one in ranking.board.records if one.record.statistics_version != STATISTICS_VERSION]
    if old:
        which = ", ".join(old) if len(old) <= MOST_NAMED else counted(len(old), "system")
        what = "All intervals" if len(old) == len(ranking.board.records) else f"Intervals of {which}"
        notes.append(f"{what} are of another version of the harness: score again.")
    if any(row.controls for row in ranking.rows):
        notes.append(
            "Without the EEG: what the system scores on surrogates of the same segments, EEG from which what"
            " was heard is taken out."
        )
    notes += without_brain_notes(ranking.board)
    if any(row.overlap for row in ranking.rows):
        notes.append(
            "Unseen stimuli: by the records of training, verified where this machine trained the weights and"
            " scored them, and declared, their author's word, everywhere else."
        )
    notes += _as_given_notes(ranking)
    declaration = declared(ranking.board.name.corpus)
    if declaration is not None and declaration.remark:
        notes.append(f"{declaration.name}: {declaration.remark}.")
    notes.append(labels_words(simulated=ranking.board.simulated, held_back=ranking.board.held_back))
    notes += [
        f"Not ranked, scored on {counted(len(row.score.subjects), 'subject')} only: {row.system}"
        f" {row.score.value:.4f}."
        for row in ranking.partial
        if not row.stimuli_missing
    ]
    notes += [
        f"Not ranked, scored without {shorten(row.stimuli_missing, 8)}: {row.system} {row.score.value:.4f}."
        for row in ranking.partial
        if row.stimuli_missing
    ]
    noted: dict[str, list[str]] = {}
    for row in ranking.rows:
        for note in row.weights_notes:
            noted.setdefault(on_one_line(note), []).append(row.system)
    notes += [f"Weights of {', '.join(systems)}: {note}." for note, systems in noted.items()]
    left_out = [on_one_line(name) for name in left_out_files(ranking.board)]
    if left_out:
        notes.append(f"Left out, since it does not hold together: {', '.join(left_out)}.")
    return [*notes, board_sentence(ranking)] if ranking.rows else notes


def _as_given_notes(ranking: Ranking) -> list[str]:
    """What to know of weights of other boards, and of channels that systems were not given."""
    every = [*ranking.rows, *ranking.ablations, *ranking.partial]
    notes = []
    if any(row.transfer for row in every):
        notes.append(
            "Transfer: weights that were trained on the corpus and split that are named, not on this board's"
            " training part; whom and what they have seen is told by names."
        )
    if any(row.channels_excluded for row in every):
        notes.append("Without channels: these are zero in all that the system was given.")
    excluded = next(
        (
            one.record.split.channels_excluded
            for one in ranking.board.records
            if one.record.split.channels_excluded
        ),
        (),
    )
    if excluded:
        notes.append(f"The split excludes {channels_words(excluded)}: zero for every system.")
    return notes


def without_brain_notes(board: Board) -> list[str]:
    """What predictions score that no EEG went into, by each of the split's measures, in one note."""
    rows = board.without_brain
    if not rows:
        return []
    said = []
    for name, one in rows.items():
        values = [
            f"{by.short} {one.measures[by.name]:.4f}" for by in board.measures if by.name in one.measures
        ]
        said.append(f"{TITLES[name]}: {', '.join(values)}")
    return [f"Without any brain: {'; '.join(said)}."]


def left_out_files(board: Board) -> dict[str, list[Fault]]:
    """The files of records that a board is shown without, in order, and what is wrong with each."""
    files: dict[str, list[Fault]] = {}
    for fault in board.left_out:
        path, key, _ = fault.where.partition(".json: ")
        files.setdefault(f"{path}.json" if key else fault.where, []).append(fault)
    return dict(sorted(files.items()))


def _how_to_read(ranking: Ranking, *, bars: bool) -> str:
    n_subjects = len(ranking.board.subjects)
    tests = []
    off = ~np.eye(len(ranking.rows), dtype=bool)
    if ranking.architectures.any():
        tests.append("t over subjects and seeds, Satterthwaite's degrees of freedom")
    if not ranking.architectures[off].all():
        tests.append("paired sign-flip test over subjects")
    which = "on one bar" if bars else "that share a letter"
    ties = f"Systems {which} cannot be told apart, others can ({'; '.join(tests)}; Holm, {LEVEL:g})."
    ranks = (
        " Rank: by the mean; in brackets, from 1 and the number that are significantly better to all less"
        " those that are significantly worse."
    )
    several = " and t over subjects and seeds," if any(row.seeds for row in ranking.rows) else ""
    return f"{ties}{ranks} Intervals: {interval_words(n_subjects)},{several} 95 %."


def _what_is_compared(ranking: Ranking) -> str:
    """Whether a board is about architectures or about weights."""
    several = [f"{row.system} ({len(row.seeds)} trainings)" for row in ranking.rows if row.seeds]
    fixed = [row.system for row in ranking.rows if row.is_architecture and not row.seeds]
    single = [row.system for row in ranking.rows if not row.is_architecture]
    if not single:
        return "Compared are architectures: over subjects, and over the seeds of their trainings."
    if not ranking.architectures.any():
        trained = f"Several trainings: {'; '.join(several)}. " if several else ""
        which = "One training of each other system" if several else "One training of each system"
        return (
            f"{trained}{which}: this board compares weights, not architectures. What it tells apart, other"
            " seeds may not."
        )
    known = "; ".join([*several, *(f"{name} (draws nothing at random)" for name in fixed)])
    which = ", ".join(single) if len(single) <= MOST_NAMED else counted(len(single), "system")
    return (
        f"Compared as architectures, over subjects and seeds: {known}. One training only: {which}; what is"
        f" said of {'it' if len(single) == 1 else 'them'} holds for these weights, over subjects."
    )


def resolution_words(resolution: Resolution) -> str:
    """What a board could show, in words."""
    pairs = counted(resolution.n_pairs, "pair")
    subjects = counted(resolution.n_subjects, "subject")
    nothing = f"{subjects} cannot separate anything here: with {pairs} of systems"
    if resolution.difference is None and resolution.only_signs:
        return f"{nothing} Holm's p is never below {resolution.least_p:.4g}, whatever the difference."
    if resolution.difference is None:
        return f"{nothing} no difference that a score can have is found."
    first, second = resolution.first_two
    words = (
        f"Resolution: with {subjects} and {pairs} of systems, a difference of {resolution.difference:.4f}"
        " is found with 80 % power"
    )
    if untested := resolution.hopeless or resolution.behind:
        others = "the other is" if untested == 1 else f"the {untested} others are"
        so_few = (
            "where so few subjects show none, whatever the difference"
            if resolution.hopeless
            else "which so few subjects tell apart only if enough of the first are told apart"
        )
        words += f" in {resolution.n_pairs - untested} of them; {others} of single trainings, {so_few}"
    words += "."
    two = f"{first} and {second}"
    if resolution.subjects is not None:
        return f"{words} To tell the first two apart, {two}, takes {resolution.subjects:,} subjects."
    remedy = "more trainings" if resolution.seeds_limit else "a larger difference"
    return f"{words} No number of subjects tells the first two apart, {two}: it takes {remedy}."


def _changed(change: Change) -> str:
    return f"{change.first} and {change.second} in {change.changed:g} of {counted(change.pairs, 'pair')}"


def row_cells(row: Row, *, bands: bool = False, stimuli: bool = False, bars: bool = True) -> dict[str, str]:
    """A row of the table for people, by column.

    Args:
        row: of a board.
        bands: a column for each band of the feature too, of Pearson r.
        stimuli: columns for seen and unseen stimuli too.
        bars: ties as bars, not as letters.
    """
    score = row.score
    first = "band" if score.measure.name == DEFAULT else f"{MEASURES[DEFAULT].short} of band"
    cells = {
        "rank": _rank(row),
        "ties": row.bars if bars else row.ties,
        "system": _system(row),
        score.measure.heading: f"{score.value:.4f}",
        "95 % interval": span(score.ci95),
        **_over_seeds(row),
        "chance": chance_cell(score),
        "without the EEG": without_eeg(row),
        **_further(row),
        "unseen stimuli": _unseen(row),
        **(_by_stimuli(row) if stimuli else {}),
        "date": row.finished[:10],
        "record": f"of {len(row.seeds)} seeds" if row.seeds else row.hashes["record"][:HASH_DIGITS],
    }
    if bands:
        cells |= {f"{first} {k}": f"{r:.4f}" for k, r in enumerate(row.bands, start=1)}
    return cells


def ablation_cells(row: Row) -> dict[str, str]:
    """A row of the table of ablations, each beside its own full net, by column."""
    beside = row.beside
    if beside is None:
        return {}
    cells = row_cells(row)
    score = row.score.measure.heading
    return {
        "ablation": cells["system"],
        score: cells[score],
        "95 % interval": cells["95 % interval"],
        **_over_seeds(row),
        f"less {score} of": f"{beside.full}",
        "difference": f"{beside.difference:+.4f}",
        "its 95 % interval": "" if beside.ci95 is None else "{:+.4f} to {:+.4f}".format(*beside.ci95),
        "p (Holm)": f"{beside.p:.3g}",
        "told apart": ("yes" if beside.p <= LEVEL else "no")
        + ("" if beside.of_architectures else ", as weights"),
        "without the EEG": cells["without the EEG"],
        "date": cells["date"],
        "record": cells["record"],
    }


def seed_cells(row: Row) -> list[dict[str, str]]:
    """Rows of the table of trainings, one for each seed of a system, by column."""
    return [
        {
            "system": row.system,
            "seed": str(one.seed),
            one.score.measure.heading: f"{one.score.value:.4f}",
            "95 % interval": span(one.score.ci95),
            "date": one.finished[:10],
            "record": one.record_sha256[:HASH_DIGITS],
        }
        for one in row.seeds
    ]


def over_seeds(row: Row) -> str:
    """The spread over trainings and how many there are; empty where there is one."""
    return "" if row.spread is None else f"± {row.spread:.4f} ({len(row.seeds)})"


def _over_seeds(row: Row) -> dict[str, str]:
    """A cell for a system of several trainings; a table has the column where one of its systems has."""
    return {"over seeds": over_seeds(row)} if row.seeds else {}


def row_values(board: BoardName, row: Row) -> dict[str, Any]:
    """A row's plain values, for programs: the keys of csv, and of json's rows.

    The score by the measure that ranks has that measure's name as its key, and ``ci95_low`` and so on follow.
    Keys of further measures begin with the measure's name.
    """
    overlap = row.overlap
    return {
        **{what: on_one_line(value) for what, value in board._asdict().items()},
        "corpus_kind": row.corpus_kind,
        **rank_values(row),
        "ties": row.ties,
        "name": row.name,
        "variant": row.variant,
        "version": row.version,
        "kind": row.kind,
        **_measured_values(row.score.measure, row.score),
        **{
            key if key == by.name else f"{by.name}_{key}": value
            for by in row.measures
            for key, value in _measured_values(by, row.by(by.name)).items()
        },
        **({} if row.transfer is None else {"transfer": row.transfer}),
        **({"channels_excluded": " ".join(row.channels_excluded)} if row.channels_excluded else {}),
        **({} if row.constant_cosine is None else {"constant_cosine": row.constant_cosine}),
        "trainings": len(row.seeds) or 1,
        "sd_over_seeds": row.spread,
        **_control_values(row),
        "subjects": len(row.score.subjects),
        "subjects_seen": overlap.subjects_seen if overlap else None,
        "stimuli": overlap.stimuli if overlap else None,
        "stimuli_seen": overlap.stimuli_seen if overlap else None,
        "training": row.training,
        "mean_on_unseen_stimuli": row.stimuli.unseen.value if row.stimuli else None,
        "mean_on_seen_stimuli": row.stimuli.seen.value if row.stimuli else None,
        "isolation": row.isolation,
        "finished": row.finished,
        "record_sha256": row.hashes["record"],
    }


def rank_values(row: Row) -> dict[str, int | None]:
    """A row's rank and its interval; None where it is not ranked."""
    rank, low, high = row.rank or (None, None, None)
    return {"rank": rank, "rank_low": low, "rank_high": high}


def span(ends: tuple[float, float] | None) -> str:
    """An interval in words; empty where there is none."""
    return "" if ends is None else f"{ends[0]:.4f} to {ends[1]:.4f}"


def chance_cell(score: Measured) -> str:
    """Where chance lies, or that the score is no better; and whether segments have the score in common."""
    words = score.chance_words or span(score.chance)
    return f"{words} ({COMMON})" if score.is_common else words


def without_eeg(row: Row) -> str:
    """What a system scores without the EEG, and what a control warns of."""
    if row.controls is None:
        return NOT_MEASURED
    value = f"{row.controls.blind.value:.4f}"
    return f"{value} ({', '.join(row.controls.flags)})" if row.controls.flags else value


def _further(row: Row) -> dict[str, str]:
    """The further measures, and beside the cosine what a constant scores."""
    constant = {} if row.constant_cosine is None else {CONSTANT: f"{row.constant_cosine:.4f}"}
    cells = dict(constant) if row.score.measure.name == "cosine" else {}
    for by in row.measures:
        own = row.by(by.name)
        cells[by.heading] = f"{own.value:.4f}" if own else NOT_MEASURED
        if by.name == "cosine":
            cells |= constant
    return cells


def _measured_values(by: Measure, one: Measured | None) -> dict[str, float | None]:
    if one is None:
        return dict.fromkeys((by.name, "ci95_low", "ci95_high", "chance_low", "chance_high"))
    ci95, chance = one.ci95 or (None, None), one.chance or (None, None)
    return {
        by.name: one.value,
        "ci95_low": ci95[0],
        "ci95_high": ci95[1],
        "chance_low": chance[0],
        "chance_high": chance[1],
    }


def _by_stimuli(row: Row) -> dict[str, str]:
    groups = row.stimuli
    return {
        "on unseen": f"{groups.unseen.value:.4f}" if groups else "",
        "on seen": f"{groups.seen.value:.4f}" if groups else "",
    }


def _control_values(row: Row) -> dict[str, float | bool | None]:
    """The blind control; None for each where it was not measured."""
    controls = row.controls
    if controls is None:
        keys = ("blind", "difference_from_blind", "difference_p", "scores_without_eeg")
        return dict.fromkeys((*keys, "no_evidence_of_using_eeg"))
    return {
        "blind": controls.blind.value,
        "difference_from_blind": controls.blind.difference.value,
        "difference_p": controls.blind.difference.p,
        "scores_without_eeg": controls.scores_without_eeg,
        "no_evidence_of_using_eeg": controls.no_evidence_of_using_eeg,
    }


def _system(row: Row) -> str:
    return row.system + _NOT_ISOLATED.get(row.isolation or "", "")


def _rank(row: Row) -> str:
    if row.beside is not None:
        return f"ablation of {row.beside.full}"
    if row.rank is None:
        return "not ranked"
    rank, low, high = row.rank
    return f"{rank}" if low == high else f"{rank} ({low} to {high})"


def _unseen(row: Row) -> str:
    if row.overlap is None:
        return TRAINING_CHANGED if row.training == TAMPERED else "not on record"
    return f"{row.overlap.stimuli - row.overlap.stimuli_seen} of {row.overlap.stimuli} ({row.training})"
