"""What a board could show, held against its words in plain loops over the scores that it was made from."""

from __future__ import annotations

from functools import cache
from itertools import combinations
from pathlib import Path

import documents
import numpy as np
import pytest
from documents import SYSTEM
from msgspec.structs import replace

from harness.boards import resolution
from harness.boards.board import Board, BoardName, BoardRecord
from harness.boards.cells import board_notes
from harness.boards.ranking import rank
from harness.boards.resolution import Resolution, resolution_of
from harness.records.record import Training
from harness.scoring.power import least_difference, subjects_needed
from harness.scoring.two_sources import estimate

NAME = BoardName("simulated", "held-out-subjects", "test", "mel")
TRAINED, FIXED, SINGLE = "several trainings", "draws nothing at random", "one training"


@cache
def template():
    """A record, whose parts no test changes."""
    return documents.record_of("template", [0.1])


def record_of(name, scores, training=None):
    """A record of these subjects' scores."""
    one = template()
    subjects = {
        f"sub-{number:03d}": replace(one.subjects["sub-086"], pearson_r=float(r))
        for number, r in enumerate(scores, start=1)
    }
    whole = replace(one, subjects=subjects, submission=replace(SYSTEM, name=name, training=training))
    return BoardRecord(Path(name), whole, "0" * 64)


def system(name, kind, table):
    """A system of one of three kinds, with (n_seeds, n_subjects) scores."""
    if kind == TRAINED:
        trainings = [
            record_of(name, row, Training(seed=seed, recipe_sha256="a" * 64))
            for seed, row in enumerate(table)
        ]
        return BoardRecord(Path(name), trainings[0].record, "0" * 64, seeds=tuple(trainings))
    return record_of(name, *table, Training(seed=None, recipe_sha256="a" * 64) if kind == FIXED else None)


def board_of(systems):
    return Board(NAME, tuple(system(*one) for one in systems))


def drawn(kinds, n_subjects, *, n_seeds=(3, 2, 4), spread=0.01, first=0.05, seed=0):
    """Systems of these kinds in the order of their means, which differ the more the later they stand."""
    rng = np.random.default_rng(seed)
    subjects = rng.normal(0, 0.05, n_subjects)
    found = []
    for place, kind in enumerate(kinds):
        rows = n_seeds[place % len(n_seeds)] if kind == TRAINED else 1
        noise = rng.normal(0, spread * (1 + place), (rows, n_subjects))
        table = 0.4 - first * place + subjects + noise + rng.normal(0, spread / 3, (rows, 1))
        found.append((f"s{place}", kind, table))
    return found


def by_hand(systems, level, *, tested=None):
    """What ``resolution_of`` promises of Pearson r, over the pairs of the first ``tested`` systems."""
    n_subjects = systems[0][2].shape[1]
    n_pairs = len(list(combinations(systems, 2)))
    pairs = []
    for (_, kind, table), (_, others_kind, others) in combinations(systems[:tested], 2):
        whole = SINGLE not in (kind, others_kind)
        if not whole:
            table, others = np.mean(table, axis=0), np.mean(others, axis=0)
        pairs.append((estimate(table, others), not (whole and TRAINED in (kind, others_kind))))
    n_signs = sum(
        SINGLE in (kind, others) or TRAINED not in (kind, others)
        for (_, kind, _), (_, others, _) in combinations(systems, 2)
    )
    lowest = min(1.0, n_pairs * 2 / 2**n_subjects)
    later = n_signs if lowest > level else 0  # found by no test of the first step
    hopeless = n_signs if n_signs * 2 / 2**n_subjects > level else 0
    of_use = sorted(
        ((one, signs) for one, signs in pairs if one.degrees > 0 and not (signs and later)),
        key=lambda pair: pair[0].variance,
    )
    least = None
    if of_use:
        one, signs = of_use[len(of_use) // 2]
        least = least_difference(one, level=level / n_pairs, signs_of=n_subjects if signs else None)
        least = None if least is None or least > 2 else least
    (first, _), kinds = pairs[0], {systems[0][1], systems[1][1]}
    degrees = 0 if SINGLE in kinds else len(systems[0][2]) + len(systems[1][2]) - 2
    needed = subjects_needed(
        first, n_subjects, level=level / n_pairs, seed_degrees=degrees, signs=degrees == 0
    )
    return Resolution(
        n_pairs=n_pairs,
        n_subjects=n_subjects,
        level=level / n_pairs,
        least_p=lowest,
        only_signs=n_signs == n_pairs,
        hopeless=hopeless,
        behind=later - hopeless,
        difference=least,
        first_two=(systems[0][0], systems[1][0]),
        subjects=needed,
        seeds_limit=needed is None and first.of_seeds > first.of_interaction,
    )


@pytest.fixture
def asked(monkeypatch):
    """Powers take a second to count: what is asked for stands for the answer."""

    def least(one, *, level, signs_of):
        shift = 1 + level if signs_of is None else 2 + level * signs_of
        return one.variance**0.5 * shift if one.degrees > 0 else None

    monkeypatch.setattr(resolution, "least_difference", least)
    monkeypatch.setattr(resolution, "subjects_needed", lambda *all, **named: (*all, named))
    monkeypatch.setitem(globals(), "least_difference", least)
    monkeypatch.setitem(globals(), "subjects_needed", resolution.subjects_needed)


@pytest.mark.parametrize("n_subjects", [1, 2, 5, 6, 9])
@pytest.mark.parametrize(
    "kinds",
    [
        (TRAINED, TRAINED),
        (TRAINED, SINGLE),
        (SINGLE, FIXED),
        (FIXED, FIXED, TRAINED),
        (FIXED, TRAINED, SINGLE, SINGLE),
        (TRAINED, TRAINED, FIXED, TRAINED, FIXED),
        (SINGLE, TRAINED, TRAINED, FIXED, TRAINED, SINGLE),
    ],
    ids=lambda kinds: "-".join(kind[:1] for kind in kinds),
)
def test_a_resolution_is_what_its_words_say(asked, kinds, n_subjects):
    systems = drawn(kinds, n_subjects)
    board = board_of(systems)
    found = resolution_of(board, board.records, 0.05)
    assert found == by_hand(systems, 0.05)
    assert {type(found.n_pairs), type(found.hopeless), type(found.behind)} == {int}


@pytest.mark.parametrize(("most_pairs", "tested"), [(3, 3), (5, 3), (6, 4), (9, 4), (10, 5)])
def test_of_more_pairs_than_that_the_middle_one_is_of_the_best_systems(
    asked, monkeypatch, most_pairs, tested
):
    monkeypatch.setattr(resolution, "MOST_PAIRS", most_pairs)
    systems = drawn((TRAINED, SINGLE, FIXED, TRAINED, SINGLE), 9)
    board = board_of(systems)
    assert resolution_of(board, board.records, 0.05) == by_hand(systems, 0.05, tested=tested)


def test_a_difference_that_the_measure_cannot_have_is_none(asked):
    kinds = (TRAINED, TRAINED)
    for spread, there_is_one in ((0.9, True), (2.5, False)):
        systems = drawn(kinds, 9, spread=spread)
        board = board_of(systems)
        assert resolution_of(board, board.records, 0.05) == (found := by_hand(systems, 0.05))
        assert (found.difference is not None, found.separates_nothing) == (there_is_one, not there_is_one)


def test_the_largest_difference_that_a_measure_can_have_is_one(asked, monkeypatch):
    board = board_of(drawn((TRAINED, TRAINED), 9))
    for least, found in ((2.0, 2.0), (np.nextafter(2, 3), None)):
        monkeypatch.setattr(resolution, "least_difference", lambda *_, least=least, **__: least)
        assert resolution_of(board, board.records, 0.05).difference == found


def test_p_at_the_level_is_significant(asked):
    board = board_of(drawn((SINGLE, SINGLE), 5))
    for level, hopeless in ((1 / 16, 0), (0.0624, 1)):
        found = resolution_of(board, board.records, level)
        assert (found.hopeless, found.behind, found.separates_nothing) == (hopeless, 0, bool(hopeless))


def test_sign_flips_that_are_significant_behind_other_tests_are_not_called_hopeless():
    """Of 7 subjects p is 1/64 or more: too much times 6 pairs, and not times the 3 that Holm's tests come to."""
    rng = np.random.default_rng(0)
    subjects = rng.normal(0.1, 0.01, 7)
    systems = [
        (name, TRAINED, subjects + shift + rng.normal(0, 0.001, (3, 7)))
        for name, shift in (("a", 0.5), ("b", 0.3), ("c", 0.2))
    ]
    ranking = rank(board_of([*systems, ("d", SINGLE, subjects[None])]))
    assert [row.ties for row in ranking.rows] == ["a", "b", "c", "d"]
    assert ranking.p[:3, 3].tolist() == [3 / 64] * 3
    found = ranking.resolution
    assert (found.hopeless, found.behind, found.least_p) == (0, 3, 6 / 64)
    assert (
        f"Resolution: with 7 subjects and 6 pairs of systems, a difference of {found.difference:.4f} is found with"
        " 80 % power in 3 of them; the 3 others are of single trainings, which so few subjects tell apart only if"
        " enough of the first are told apart. To tell the first two apart, a and b, takes 2 subjects."
    ) in board_notes(ranking)


def test_seeds_are_the_limit_where_they_spread_by_more_than_the_interaction(asked, monkeypatch):
    monkeypatch.setattr(resolution, "subjects_needed", lambda *_, **__: None)
    scores = np.array([0.25, 0.5, 0.75, 0.375])
    seeds, interaction = np.array([[-0.25], [0.25]]), 0.25 * np.array([[1, -1, 1, -1], [-1, 1, -1, 1]])
    for kind, noise, limit in (
        (TRAINED, seeds, True),
        (TRAINED, interaction, False),
        (SINGLE, np.zeros((1, 4)), False),
    ):
        board = board_of([(name, kind, scores + noise) for name in ("one", "two")])
        found = resolution_of(board, board.records, 0.05)
        assert (found.first_two, found.subjects, found.seeds_limit) == (("one", "two"), None, limit)
    monkeypatch.setattr(resolution, "subjects_needed", lambda *_, **__: 7)
    board = board_of([(name, TRAINED, scores + seeds) for name in ("one", "two")])
    assert resolution_of(board, board.records, 0.05).seeds_limit is False


def test_fewer_than_two_systems_or_no_subject_have_no_resolution():
    board = board_of(drawn((SINGLE, SINGLE), 5))
    assert resolution_of(board, board.records[:1], 0.05) is None
    assert resolution_of(board, (), 0.05) is None
    assert resolution_of(Board(NAME, ()), board.records, 0.05) is None
