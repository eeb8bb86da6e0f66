"""Boards of so many systems that no pair can be told apart: none is tested, and p is what tests would give."""

import numpy as np
import pytest

from benchmarks.scale import made_records
from harness.boards import ranking
from harness.boards.board import BoardName, BoardRecord, board_of
from harness.boards.ranking import rank
from harness.scoring.statistics import holm, least_p, sign_flip_tests

NAME = BoardName("simulated", "held-out-subjects", "test", "mel")


@pytest.fixture
def tested(monkeypatch):
    """Shapes of the tables that are tested."""
    shapes = []
    monkeypatch.setattr(
        ranking, "sign_flip_tests", lambda scores: shapes.append(scores.shape) or sign_flip_tests(scores)
    )
    return shapes


def ranked(tmp_path, n_systems, n_subjects):
    ones = [BoardRecord.made(tmp_path, record) for record in made_records(n_systems, n_subjects)]
    return rank(board_of(NAME, ones))


def test_where_even_the_smallest_p_is_1_after_holm_nothing_is_tested(tmp_path, tested):
    # 17 systems have 136 pairs, and the smallest p of 8 subjects is 1/128.
    found = ranked(tmp_path, 17, 8)
    assert tested == []
    above = np.triu_indices(17, 1)
    scores = np.array([list(row.score.subjects.values()) for row in found.rows])
    assert holm(sign_flip_tests(scores)[above]).tolist() == found.p[above].tolist() == [1.0] * 136
    assert {(row.rank.low, row.rank.high) for row in found.rows} == {(1, 17)}


def test_with_a_pair_less_than_that_every_pair_is_tested(tmp_path, tested):
    assert 16 * 15 / 2 * least_p(8) < 1
    ranked(tmp_path, 16, 8)
    assert tested == [(16, 8)]
