"""Crops: their values, their order, and that nothing but seed and epoch decides them."""

from dataclasses import replace

import numpy as np
import pytest

from harness.errors import TrainingError
from harness.nn import zscore
from harness.tasks.segments import cut_segments
from harness.training.crops import make_crops, mixup
from harness.training.recipe import Recipe
from harness.training.training_data import TrainingData

RECIPE = Recipe(epochs=1, batch_size=5, crop_seconds=2.0, crops_per_recording=4)


@pytest.fixture
def data(corpus, two_subjects):
    return TrainingData(corpus, two_subjects, "mel", cut_segments(corpus, two_subjects, "val"))


def _flat(batches):
    return [
        np.concatenate([getattr(b, name) for b in batches]) for name in ("eeg", "target", "subject_index")
    ]


def test_crops_are_the_recordings_samples(data):
    crops = make_crops(data, replace(RECIPE, zscore=False), seed=1)
    planned = crops.epoch(1)
    eeg, target, subject = _flat(list(crops.batches(1)))
    assert eeg.dtype == target.dtype == np.float32
    assert eeg.shape == (16, 128, 64)
    assert target.shape == (16, 128, 10)
    for i, crop in enumerate(planned):
        recording, start, stop = data.stretches()[crop.stretch]
        assert start <= crop.start <= stop - 128
        assert np.array_equal(eeg[i], recording.eeg(crop.start, crop.start + 128))
        assert np.array_equal(target[i], recording.feature("mel", crop.start, crop.start + 128))
        assert crops.subjects[subject[i]] == recording.subject


def test_each_recording_gives_its_number_of_random_crops(data):
    crops = make_crops(data, RECIPE, seed=1)
    assert sorted(crop.stretch for crop in crops.epoch(1)) == sorted(list(range(4)) * 4)
    assert crops.epoch(1) == crops.epoch(1)
    assert crops.epoch(1) != crops.epoch(2)
    assert crops.epoch(1) != make_crops(data, RECIPE, seed=2).epoch(1)


def test_windows_are_every_hop_once(data):
    recipe = replace(RECIPE, crops="windows", crops_per_recording=1, hop_seconds=0.5)
    crops = make_crops(data, recipe, seed=1)
    for index, (_, start, stop) in enumerate(data.stretches()):
        starts = sorted(crop.start for crop in crops.epoch(3) if crop.stretch == index)
        assert starts == list(range(start, stop - 128 + 1, 32))
    assert crops.epoch(1) != crops.epoch(2)  # another order


@pytest.mark.parametrize("readers", [1, 5])
@pytest.mark.parametrize("rounds", [0, 1])
def test_number_of_readers_changes_nothing(data, readers, rounds):
    crops = make_crops(data, replace(RECIPE, mixup_rounds=rounds), seed=1)
    for one, other in zip(crops.batches(2), crops.batches(2, readers=readers), strict=True):
        assert all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


def test_processes_share_the_crops_of_one(data):
    crops = make_crops(data, replace(RECIPE, batch_size=8), seed=1)
    steps = list(crops.batches(1))
    shares = [list(crops.batches(1, rank=rank, world=3)) for rank in range(3)]
    for number, step in enumerate(steps):
        parts = [share[number] for share in shares]
        assert sum(part.share for part in parts) == pytest.approx(3)
        for rank, part in enumerate(parts):
            assert np.array_equal(part.eeg, step.eeg[rank::3])
        means = [part.eeg.mean() * part.share for part in parts]  # what averaging over processes gives
        assert np.mean(means) == pytest.approx(step.eeg.mean(), abs=1e-6)


def test_last_step_too_small_for_the_processes_joins_the_one_before(data):
    crops = make_crops(data, RECIPE, seed=1)  # 16 crops in steps of 5
    assert [len(step) for step in crops.steps(1)] == [5, 5, 5, 1]
    assert [len(step) for step in crops.steps(1, world=2)] == [5, 5, 6]
    with pytest.raises(TrainingError, match="steps of 5 crops for 6 processes, expected 6 crops or more"):
        crops.steps(1, world=6)


def test_zscore_is_over_time_of_each_crop(data):
    eeg, target, _ = _flat(list(make_crops(data, RECIPE, seed=1).batches(1)))
    for series in (eeg, target):
        assert series.mean(axis=1) == pytest.approx(0, abs=1e-5)
        assert series.std(axis=1) == pytest.approx(1, abs=1e-5)


def test_zscore_of_a_constant_is_0_and_of_an_offset_exact(rng):
    series = rng.standard_normal((2, 100, 3)).astype(np.float32)
    series[:, :, 1] = 0.1
    before = series.copy()
    scaled = zscore(series)
    assert np.array_equal(series, before)
    assert not scaled[:, :, 1].any()
    exact = series[:, :, 0] - series[:, :, 0].mean(axis=1, keepdims=True)
    assert scaled[:, :, 0] == pytest.approx(exact / exact.std(axis=1, keepdims=True), abs=1e-5)


def test_mixup_mixes_pairs_of_different_subjects(rng):
    subjects = np.array([0, 1, 0, 1, 1, 0])
    eeg = np.stack([np.full((4, 2), 10.0**i, np.float32) for i in range(6)])
    mixed, target, first = mixup(eeg, eeg[:, :, :1], subjects, rng)
    assert mixed.shape == (3, 4, 2)
    assert np.array_equal(target, mixed[:, :, :1])
    assert first.tolist() == [0, 0, 0]
    pairs = [(0, 1), (2, 3), (5, 4)]  # in order of subject: 0, 2, 5 and 1, 3, 4
    for row, (a, b) in zip(mixed[:, 0, 0], pairs, strict=True):
        low, high = sorted((10.0**a, 10.0**b))
        assert low <= row <= high


def test_recording_shorter_than_a_crop_is_left_out_and_named(data):
    lengths = [stop - start for _, start, stop in data.stretches()]
    seconds = (max(lengths) - 1) / 64
    crops = make_crops(data, replace(RECIPE, crop_seconds=seconds), seed=1)
    short = [r.id for r, start, stop in data.stretches() if stop - start < max(lengths) - 1]
    assert crops.too_short == tuple(short)
    assert len(crops.stretches) == 4 - len(short)
    with pytest.raises(TrainingError, match="of 64000 samples .1000 s., the recipe's crop"):
        make_crops(data, replace(RECIPE, crop_seconds=1000.0), seed=1)
