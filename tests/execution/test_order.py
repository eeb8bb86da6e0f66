"""The order in which segments are asked: new for every run, and told by nothing but its seed."""

from __future__ import annotations

import random

import numpy as np
import pytest

from harness.execution import PredictorSpec, Run, SegmentInput, predict_segments
from harness.execution.order import shuffled_batches
from harness.predictor import Setup

N = 40
CODE = """
import numpy as np


class Decoder:
    def __init__(self, setup):
        self.asked = 0

    def predict(self, eeg, subjects):
        out = np.zeros((len(eeg), 8, 1), np.float32)
        out += np.arange(self.asked, self.asked + len(eeg), dtype=np.float32)[:, None, None]
        self.asked += len(eeg)
        return out
"""


@pytest.fixture
def asked(tmp_path):
    """Run a package that answers with the position at which it was asked; gives positions by segment."""
    (tmp_path / "model.py").write_text(CODE)
    setup = Setup("mel", 1, 8, 64, 8, 64, "default", {}, None, 0)
    spec = PredictorSpec("asked", tmp_path, "model:Decoder", setup)

    def run(subjects, **how):
        segments = [SegmentInput(f"{i:02d}", subject) for i, subject in enumerate(subjects)]
        with predict_segments(
            spec, segments, lambda i: np.zeros((8, 64), np.float32), Run(jobs=1, **how), batch_segments=8
        ) as made:
            return [int(made.predictions[segment.id][0, 0]) for segment in segments], made.order_seed

    return run


def test_the_order_is_another_in_every_run_and_its_seed_gives_it_again(asked):
    first, seed = asked(["unknown"] * N)
    second, other_seed = asked(["unknown"] * N)
    again, same_seed = asked(["unknown"] * N, order_seed=seed)
    assert sorted(first) == sorted(second) == list(range(N))
    assert first != second
    assert first != list(range(N))
    assert (again, same_seed) == (first, seed)
    assert seed != other_seed
    assert len(seed) == 32


def test_the_order_is_that_of_the_batches(asked):
    positions, seed = asked(["unknown"] * N)
    order = [i for batch in shuffled_batches(["unknown"] * N, 8, seed) for i in batch.positions]
    assert [positions[i] for i in order] == list(range(N))


def test_what_is_asked_twice_is_answered_once(asked):
    positions, seed = asked(["unknown"] * 11)
    batches = shuffled_batches(["unknown"] * 11, 8, seed)
    assert sorted((len(batch.positions), batch.n_own) for batch in batches) == [(6, 5), (6, 6)]
    assert sorted(i for batch in batches for i in batch.own) == list(range(11))
    for number, batch in enumerate(batches):
        assert [positions[i] for i in batch.own] == list(range(6 * number, 6 * number + batch.n_own))
        assert len(set(batch.positions)) == 6


def test_hidden_subjects_are_mixed_within_a_batch():
    batches = shuffled_batches(["unknown"] * N, 8, "seed")
    assert [len(batch.positions) for batch in batches] == [8] * 5
    assert any(max(batch.own) - min(batch.own) > 8 for batch in batches)


def test_told_subjects_have_batches_of_their_own_in_a_random_order():
    subjects = [f"sub-{i // 10}" for i in range(N)]
    batches = shuffled_batches(subjects, 8, "seed")
    assert sorted(i for batch in batches for i in batch.own) == list(range(N))
    assert all(len({subjects[i] for i in batch.positions}) == 1 for batch in batches)
    assert [len(batch.positions) for batch in batches] == [5] * 8
    orders = {
        tuple(subjects[batch.own[0]] for batch in shuffled_batches(subjects, 8, str(k))) for k in range(20)
    }
    assert len(orders) > 10


def test_a_single_segment_is_asked_alone():
    assert shuffled_batches(["sub-001"], 32, "seed") == [([0], 1)]


def test_every_place_in_the_order_is_equally_likely():
    counts = np.zeros((6, 6))
    for seed in range(3000):
        order = [i for batch in shuffled_batches(["unknown"] * 6, 2, str(seed)) for i in batch.own]
        counts[range(6), order] += 1
    assert abs(counts - 500).max() < 100  # five standard deviations


def test_a_system_that_draws_is_verified_in_the_records_order(harness, make_submission, where, tmp_path):
    body = "return np.random.standard_normal((len(eeg), eeg.shape[1], self.n_bands)).astype(np.float32)"
    folder = make_submission(predict=body)
    assert harness("score", folder, *where)[0] == 0
    (record,) = (tmp_path / "results").rglob("*.json")
    split = where[where.index("--split") + 1]
    options = [record, folder, *where[:2], "--split", split]
    assert harness("verify", *options)[0] == 1
    assert harness("verify", *options, "--same-order")[0] == 0


def test_a_seed_gives_the_order_that_it_always_gave():
    """Records name the seed: another order would not reproduce them. As Python's own generator draws it."""
    batches = shuffled_batches(["a"] * 5 + ["b"] * 3, 2, "1216")
    order = random.Random("1216")
    first, second = [0, 1, 2, 3, 4], [5, 6, 7]
    order.shuffle(first)
    again = order.sample(first[:4], 1)
    order.shuffle(second)
    other = order.sample(second[:2], 1)
    expected = [
        (first[0:2], 2),
        (first[2:4], 2),
        ([first[4], *again], 1),
        (second[0:2], 2),
        ([second[2], *other], 1),
    ]
    order.shuffle(expected)
    assert [tuple(batch) for batch in batches] == expected
    assert [batch.own for batch in batches] == [positions[:n] for positions, n in expected]


@pytest.mark.parametrize(
    ("n", "most", "sizes"), [(7, 3, [3, 3, 3]), (8, 5, [4, 4]), (3, 8, [3]), (6, 3, [3, 3])]
)
def test_batches_of_a_group_are_of_one_size_and_as_few_as_can_be(n, most, sizes):
    batches = shuffled_batches(["x"] * n, most, "seed")
    assert [len(batch.positions) for batch in batches] == sizes
    assert sorted(position for batch in batches for position in batch.own) == list(range(n))
    assert all(len(set(batch.positions)) == len(batch.positions) for batch in batches)


def test_batches_are_as_large_as_the_first_segments_alone_would_have_them():
    batches = shuffled_batches(["x"] * 4 + ["x"] * 4 + ["y"] * 2, 3, "seed", n_sizing=4)
    sizes = {len(batch.positions) for batch in batches if batch.own[0] < 8}
    assert sizes == {2}  # four in two batches; nobody of the second group is among them
    assert [len(batch.positions) for batch in batches if batch.own[0] >= 8] == [2]
    assert sorted(position for batch in batches for position in batch.own) == list(range(10))
    five = shuffled_batches(["x"] * 8, 4, "seed", n_sizing=5)
    assert {len(batch.positions) for batch in five} == {3}
    assert sorted(position for batch in five for position in batch.own) == list(range(8))
