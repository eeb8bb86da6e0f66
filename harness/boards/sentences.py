"""What tests say, as sentences that can be pasted into a paper."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from harness.boards.board import Board, BoardRecord
from harness.boards.ranking import LEVEL, Ranking
from harness.boards.row import Row
from harness.conventions import SIMULATED_WORDS
from harness.errors import counted, on_one_line

MOST_NAMED = 6


class Against(NamedTuple):
    """A system against all others above the line.

    Attributes:
        better: systems than which it is significantly better.
        worse: systems than which it is significantly worse.
        open: systems that it cannot be told apart from.
    """

    better: tuple[str, ...]
    worse: tuple[str, ...]
    open: tuple[str, ...]


def against(ranking: Ranking, place: int) -> Against:
    """How the system of a row compares with every other that no control flags."""
    board = ranking.board
    order = {id(one): number for number, one in enumerate(board.records)}
    means = board.scores.mean(axis=1)[[order[id(one)] for one in ranking.records]] * board.measures[0].sign
    found: tuple[list[str], list[str], list[str]] = ([], [], [])
    for other, row in enumerate(ranking.rows):
        if other == place or row.is_flagged:
            continue
        apart = ranking.p[place, other] <= LEVEL
        better = means[place] > means[other]
        found[0 if apart and better else 1 if apart else 2].append(row.system)
    return Against(*map(tuple, found))


def row_sentence(ranking: Ranking, place: int, *, where: bool = False) -> str:
    """What a board says of the system in a row: its score, and from whom it can be told apart.

    Args:
        ranking: of the board.
        place: of the row.
        where: begin with the data, and end with the tests.
    """
    row = ranking.rows[place]
    words = f"On {data_words(ranking.board)}: " if where else ""
    words += f"{_name(row.system)} has {scored_words(row, unseen=ranking.board.by_unseen)}"
    if not [one for one in ranking.rows if one is not row and not one.is_flagged]:
        return f"{words}{_flagged(row)}."
    better, worse, level = against(ranking, place)
    said = [
        f"significantly better than {_named(better)}" if better else "",
        f"significantly worse than {_named(worse)}" if worse else "",
        f"not told apart from {_named(level)}" if level else "",
    ]
    tests = f" ({_tests(ranking, place)})" if where else ""
    return f"{words}, {', '.join(filter(None, said))}{tests}{_flagged(row)}."


def ablation_sentence(row: Row, *, unseen: bool) -> str:
    """What a board says of an ablation beside its own full net; empty for another row.

    Args:
        row: of the board.
        unseen: whether unseen stimuli rank there.
    """
    beside = row.beside
    if beside is None:
        return ""
    words = f"{_name(row.system)} has {scored_words(row, unseen=unseen)},"
    words += f" {difference_words(beside.difference, beside.ci95)}"
    words += f" from {_name(beside.full)}, {'' if beside.p <= LEVEL else 'not '}significant at {LEVEL:g}"
    words += f" (p = {beside.p:.3g}, Holm over that net's ablations)"
    return words + ("." if beside.of_architectures else ", for these weights.")


def board_sentence(ranking: Ranking) -> str:
    """Who leads a board, and whether that is significant; empty where no system is ranked."""
    rows, board = ranking.rows, ranking.board
    n_above = ranking.n_above_the_line
    if not rows:
        return ""
    where = f"On {data_words(board)}"
    if not n_above:
        return (
            f"{where}: no system can be told to use the EEG; a control flags {counted(len(rows), 'system')}."
        )
    first = rows[0]
    by = first.score.measure
    best = "highest" if by.higher_is_better else "lowest"
    words = f"{where}: {_name(first.system)} has the {best} {by.heading} of {counted(n_above, 'system')}"
    words += " that no control flags" if n_above < len(rows) else ""
    words += f", {_value(first, unseen=board.by_unseen)}"
    if n_above == 1:
        return f"{words}; no other system is there to test it against."
    better, worse, level = against(ranking, 0)
    said = []
    if better:
        others = f"{len(better)} of the {n_above - 1} others"
        if len(better) == n_above - 1:
            others = "the other" if n_above == 2 else f"all {n_above - 1} others"
        said.append(f"it is significantly better than {others}")
    if worse:  # means over seen stimuli, or over seeds, need not agree with a test
        said.append(f"it is significantly worse than {_named(worse)}")
    if level:
        said.append(f"{'' if said else 'it '}cannot be told apart from {_named(level)}")
    return f"{words}; {' and '.join(said)} ({_tests(ranking, 0)})."


def comparison_sentence(
    names: Sequence[str],
    ones: Sequence[BoardRecord],
    board: str,
    difference: str,
    test: str,
    *,
    significant: bool,
    detectable: float | None,
) -> str:
    """A comparison of two systems in two sentences.

    Args:
        names: of both.
        ones: their records.
        board: on what data, see :func:`data_words`.
        difference: in words, with its interval.
        test: and its p.
        significant: whether p is at most ``LEVEL``.
        detectable: the smallest difference that these subjects show with 80 % power; None where none.
    """
    by = ones[0].record.ranked.measure
    values = [f"{one.record.ranked.value:.4f}" for one in ones]
    first, second = map(_name, names)
    words = f"On {board}: {first} has a {by.heading} of {values[0]} and {second} of {values[1]}: {difference}"
    words += f", {'' if significant else 'not '}significant at {LEVEL:g} ({test})."
    if not significant and detectable is not None:
        words += f" A true difference of {detectable:.4f} would be found with 80 % power."
    single = [_name(name) for name, one in zip(names, ones, strict=True) if not one.is_architecture]
    if single:
        words += f" One training of {' and of '.join(single)}, so this holds for these weights."
    for name, one in zip(names, ones, strict=True):
        controls = one.record.controls or None
        if controls is not None and controls.flags:
            words += f" A control says of {_name(name)}: {', '.join(controls.flags)}."
        elif one.record.ranked.chance_words:
            words += f" The score of {_name(name)} is {one.record.ranked.chance_words}."
    return words


def data_words(board: Board) -> str:
    """A board's data in a sentence: which, split, part, feature, how many subjects."""
    n_subjects = len(board.subjects)
    words = board_words(board.name, simulated=board.simulated, n_subjects=n_subjects, flag=board.flag)
    return words + (", on unseen stimuli" if board.by_unseen else "")


def board_words(name: Sequence[str], *, simulated: bool, n_subjects: int, flag: str = "") -> str:
    """The same of a board's name (corpus, split, part, feature), with what is wrong with its split."""
    corpus, split, part, feature = map(on_one_line, name)
    data = SIMULATED_WORDS if simulated else corpus
    wrong = f" ({on_one_line(flag)})" if flag else ""
    return f"{data}, split {split}{wrong}, part {part}, feature {feature}, {counted(n_subjects, 'subject')}"


def scored_words(row: Row, *, unseen: bool) -> str:
    """A row's score with its measure and interval; ``unseen``: on unseen stimuli, where these rank."""
    on = " on unseen stimuli" if unseen else ""
    return f"a {row.score.measure.heading}{on} of {_value(row, unseen=unseen)}"


def interval_text(ends: tuple[float, float] | None, *, signed: bool = False) -> str:
    """A 95 % interval in words; empty where there is none."""
    form = "+.4f" if signed else ".4f"
    return "" if ends is None else f"95 % interval {ends[0]:{form}} to {ends[1]:{form}}"


def difference_words(mean: float, ci95: tuple[float, float] | None) -> str:
    """A mean difference with its interval."""
    inside = interval_text(ci95, signed=True)
    return f"a difference of {mean:+.4f}" + (f" ({inside})" if inside else "")


def _value(row: Row, *, unseen: bool) -> str:
    score = row.stimuli.unseen if unseen and row.stimuli else row.score
    inside = interval_text(score.ci95)
    return f"{score.value:.4f}" + (f" ({inside})" if inside else "")


def _flagged(row: Row) -> str:
    return f"; a control says: {', '.join(row.controls.flags)}" if row.controls and row.is_flagged else ""


def _tests(ranking: Ranking, place: int) -> str:
    """The tests of a row against those that no control flags."""
    own = [
        ranking.architectures[place, other]
        for other, row in enumerate(ranking.rows)
        if other != place and not row.is_flagged
    ]
    tests = ["paired sign-flip test over subjects"] if not all(own) else []
    if any(own):
        tests.append("t over subjects and seeds")
    n_rows = len(ranking.rows)
    pairs = counted(n_rows * (n_rows - 1) // 2, "pair")
    return f"{' or '.join(tests)}, Holm over {pairs}, {LEVEL:g}"


def _named(names: Sequence[str]) -> str:
    if len(names) > MOST_NAMED:
        return counted(len(names), "system")
    shown = list(map(_name, names))
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} and {shown[-1]}"


def _name(name: str) -> str:
    return on_one_line(name)
