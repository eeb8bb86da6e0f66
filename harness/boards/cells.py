"""A board and its rows in words for people, and as plain values for programs."""

from __future__ import annotations

from typing import Any

from harness.boards.board import Board, BoardName
from harness.boards.ranking import LEVEL, Ranking
from harness.boards.row import Row
from harness.conventions import HASH_DIGITS, SIMULATED_WORDS, labels_words
from harness.corpus.declaration import declared
from harness.errors import Fault, counted, on_one_line
from harness.records.record import COMMON, TAMPERED, Measured
from harness.scoring.intervals import interval_words
from harness.scoring.measures import DEFAULT, MEASURES, Measure
from harness.scoring.statistics import STATISTICS_VERSION, least_p

NOT_MEASURED = "not measured"
_NOT_ISOLATED = {"none": " (not isolated)", "unknown": " (isolation not known)"}
TRAINING_CHANGED = "TRAINING RECORD CHANGED"
BELOW_THE_LINE = "Below the line, since a control says that the score may not come from the EEG"


def board_title(board: Board) -> str:
    """A board in words: what data, which part, how many systems and subjects."""
    name = BoardName(*map(on_one_line, board.name))  # those of folders, which somebody may have named
    corpus = SIMULATED_WORDS if board.simulated else name.corpus
    sizes = f"{counted(len(board.records), 'system')}, {counted(len(board.subjects), 'subject')}"
    by = f", {ranked_words(board.measures[0])}" if board.names_measures else ""
    if board.by_unseen:
        by = f"{by or ', ranked'} on unseen stimuli"
    return f"{corpus}, split {name.split}, part {name.part}, feature {name.feature}{by}: {sizes}"


def ranked_words(by: Measure) -> str:
    """What systems are ranked by, in words."""
    return f"ranked by {by.title}" + ("" if by.higher_is_better else " (lower is better)")


def board_notes(ranking: Ranking) -> list[str]:
    """How to read a board's letters and intervals, and what is not ranked."""
    notes = []
    if len(ranking.rows) > 1:
        notes.append(
            "Systems that share a letter cannot be told apart, those that share none can (paired sign-flip"
            f" test over subjects, Holm, {LEVEL:g}). Ranks: bootstrap over subjects, 95 %. Intervals:"
            f" {interval_words(len(ranking.board.subjects))}, 95 %."
        )
        n_pairs = len(ranking.rows) * (len(ranking.rows) - 1) // 2
        least = min(1.0, n_pairs * least_p(len(ranking.board.subjects)))
        if least > LEVEL:
            notes.append(
                f"{counted(len(ranking.board.subjects), 'subject')} cannot separate anything here: with"
                f" {counted(n_pairs, 'pair')} of systems Holm's p is never below {least:.4g}, whatever the"
                " difference."
            )
    old = [one.system for one in ranking.board.records if one.record.statistics_version != STATISTICS_VERSION]
    if old:
        what = "All intervals" if len(old) == len(ranking.rows) else f"Intervals of {', '.join(old)}"
        notes.append(f"{what} are of another version of the harness: score again.")
    if any(row.controls for row in ranking.rows):
        notes.append(
            "Without the EEG: what the system scores on surrogates of the same segments, EEG from which what"
            " was heard is taken out."
        )
    if any(row.overlap for row in ranking.rows):
        notes.append(
            "Unseen stimuli: by the records of training, verified where this machine trained the weights and"
            " scored them, and declared, their author's word, everywhere else."
        )
    declaration = declared(ranking.board.name.corpus)
    if declaration is not None and declaration.remark:
        notes.append(f"{declaration.name}: {declaration.remark}.")
    notes.append(labels_words(simulated=ranking.board.simulated, held_back=ranking.board.held_back))
    notes += [
        f"Not ranked, scored on {counted(len(row.score.subjects), 'subject')} only: {row.system}"
        f" {row.score.value:.4f}."
        for row in ranking.partial
    ]
    noted: dict[str, list[str]] = {}
    for row in ranking.rows:
        for note in row.weights_notes:
            noted.setdefault(on_one_line(note), []).append(row.system)
    notes += [f"Weights of {', '.join(systems)}: {note}." for note, systems in noted.items()]
    left_out = [on_one_line(name) for name in left_out_files(ranking.board)]
    if left_out:
        notes.append(f"Left out, since it does not hold together: {', '.join(left_out)}.")
    return notes


def left_out_files(board: Board) -> dict[str, list[Fault]]:
    """The files of records that a board is shown without, in order, and what is wrong with each."""
    files: dict[str, list[Fault]] = {}
    for fault in board.left_out:
        files.setdefault(fault.where.partition(".json: ")[0].removesuffix(".json") + ".json", []).append(
            fault
        )
    return dict(sorted(files.items()))


def row_cells(row: Row, *, bands: bool = False, stimuli: bool = False) -> dict[str, str]:
    """A row of the table for people, by column.

    Args:
        row: of a board.
        bands: a column for each band of the feature too, of Pearson r.
        stimuli: columns for seen and unseen stimuli too.
    """
    score = row.score
    first = "band" if score.measure.name == DEFAULT else f"{MEASURES[DEFAULT].short} of band"
    cells = {
        "rank": _rank(row),
        "ties": row.ties,
        "system": row.system + _NOT_ISOLATED.get(row.isolation or "", ""),
        score.measure.heading: f"{score.value:.4f}",
        "95 % interval": span(score.ci95),
        "chance": chance_cell(score),
        "without the EEG": without_eeg(row),
        **{one.measure.heading: f"{one.value:.4f}" for one in row.further},
        "unseen stimuli": _unseen(row),
        **(_by_stimuli(row) if stimuli else {}),
        "date": row.finished[:10],
        "record": row.hashes["record"][:HASH_DIGITS],
    }
    if bands:
        cells |= {f"{first} {k}": f"{r:.4f}" for k, r in enumerate(row.bands, start=1)}
    return cells


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
        **_measured_values(row.score),
        **{
            key if key == one.measure.name else f"{one.measure.name}_{key}": value
            for one in row.further
            for key, value in _measured_values(one).items()
        },
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


def _measured_values(one: Measured) -> dict[str, float | None]:
    ci95, chance = one.ci95 or (None, None), one.chance or (None, None)
    return {
        one.measure.name: one.value,
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


def _rank(row: Row) -> str:
    if row.rank is None:
        return "not ranked"
    rank, low, high = row.rank
    return f"{rank}" if low == high else f"{rank} ({low} to {high})"


def _unseen(row: Row) -> str:
    if row.overlap is None:
        return TRAINING_CHANGED if row.training == TAMPERED else "not on record"
    return f"{row.overlap.stimuli - row.overlap.stimuli_seen} of {row.overlap.stimuli} ({row.training})"
