"""Surrogates of EEG: what they keep and what they lose; and what follows from the score on them."""

import dataclasses
import hashlib
import json

import numpy as np
import pytest
from conftest import REPOSITORY
from scipy.signal import csd

from harness.errors import ShapeError
from harness.scoring.blind import (
    ANOTHER_SONG,
    LEAST_SAMPLES,
    SURROGATES,
    BlindSubject,
    blind_score,
    donor,
    is_beyond_chance,
    is_common,
    is_no_evidence,
    paired_p,
    phase_randomised,
    sampled,
    surrogate_of,
    time_shuffled,
)
from harness.scoring.chance import Band, Chance, subject_chance
from harness.scoring.measures import MEASURES, measure
from harness.scoring.statistics import one_sided_sign_flip_test, sign_flip_test

R = measure("pearson_r")


def eeg_of(rng, n_times=640, n_channels=5):
    """Smooth channels that share a source, with different means."""
    noise = rng.standard_normal((n_times + 20, n_channels)) + rng.standard_normal((n_times + 20, 1))
    smooth = np.stack([np.convolve(channel, np.hanning(9), mode="same") for channel in noise.T], axis=1)
    return (smooth[:n_times] + np.arange(n_channels)).astype(np.float32)


@pytest.mark.parametrize("maker", [phase_randomised, time_shuffled])
@pytest.mark.parametrize("shape", [(LEAST_SAMPLES - 1, 4), (0, 4), (640,)])
def test_too_short_a_segment_is_refused(maker, shape):
    with pytest.raises(ShapeError) as caught:
        maker(np.zeros(shape, np.float32), np.random.default_rng(0))
    assert str(caught.value) == (
        f"EEG of a surrogate: shape {shape}, expected (n_times, n_channels) with 32 samples or more.\n"
        "  Choose a split with longer segments, or score without controls (--no-controls)."
    )


@pytest.mark.parametrize("n_times", [640, 641, LEAST_SAMPLES])
def test_spectra_means_and_covariance_at_every_lag_stay(rng, n_times):
    eeg = eeg_of(rng, n_times)
    made = phase_randomised(eeg, np.random.default_rng(1))
    assert (made.shape, made.dtype, made.flags.c_contiguous) == (eeg.shape, np.float32, True)
    before, after = (np.fft.fft(one.astype(np.float64), axis=0) for one in (eeg, made))
    scale = np.abs(before).max()
    assert np.abs(np.abs(after) - np.abs(before)).max() < 1e-6 * scale
    cross = [one[:, :, None] * one[:, None].conj() for one in (before, after)]  # transforms of covariances
    assert np.abs(cross[1] - cross[0]).max() < 1e-6 * scale**2
    assert made.mean(axis=0) == pytest.approx(eeg.mean(axis=0), abs=1e-5)


def test_when_anything_happened_is_gone(rng):
    eeg = eeg_of(rng, 6400)
    made = phase_randomised(eeg, np.random.default_rng(1))
    for channel in range(eeg.shape[1]):
        assert abs(np.corrcoef(eeg[:, channel], made[:, channel])[0, 1]) < 0.1


def test_a_cosine_is_turned_by_the_phase_that_was_drawn_for_it():
    time = np.arange(64) / 64
    eeg = np.stack([3 + np.cos(2 * np.pi * 5 * time), np.sin(2 * np.pi * 5 * time)], axis=1)
    phases = np.random.default_rng(7).uniform(0, 2 * np.pi, 31)  # of 1 to 31 Hz
    made = phase_randomised(eeg, np.random.default_rng(7))
    turned = 2 * np.pi * 5 * time + phases[4]
    assert made == pytest.approx(np.stack([3 + np.cos(turned), np.sin(turned)], axis=1), abs=1e-6)


@pytest.mark.parametrize("n_times", [64, 65])
def test_every_frequency_below_nyquist_is_turned_by_its_own_phase(n_times):
    click = np.zeros((n_times, 1), np.float32)
    click[0] = 64.0
    made = np.fft.rfft(phase_randomised(click, np.random.default_rng(7))[:, 0].astype(np.float64))
    phases = np.random.default_rng(7).uniform(0, 2 * np.pi, (n_times - 1) // 2)
    assert made[1 : 1 + len(phases)] == pytest.approx(64 * np.exp(1j * phases), abs=1e-4)
    assert len(made) - 1 - len(phases) == (n_times + 1) % 2


def test_the_nyquist_frequency_stays_real_and_as_it_was():
    eeg = np.tile([[1.0], [-1.0]], (32, 1)).astype(np.float32)
    assert phase_randomised(eeg, np.random.default_rng(0)) == pytest.approx(eeg, abs=1e-6)


def test_cross_spectra_are_those_that_scipy_finds(rng):
    eeg = eeg_of(rng, 1920, 2)
    made = phase_randomised(eeg, np.random.default_rng(3))
    options = {"fs": 64, "window": "boxcar", "nperseg": 1920, "detrend": False}
    before, after = (csd(one[:, 0], one[:, 1], **options)[1] for one in (eeg, made))
    assert np.abs(after - before).max() < 1e-5 * np.abs(before).max()


def test_a_constant_channel_stays_constant(rng):
    eeg = eeg_of(rng)
    eeg[:, 2] = 0.1
    made = phase_randomised(eeg, np.random.default_rng(0))
    assert np.unique(made[:, 2]) == np.float32(0.1)
    assert not np.isnan(made).any()


def test_shuffled_samples_are_the_same_samples_of_all_channels_together(rng):
    eeg = eeg_of(rng)
    made = time_shuffled(eeg, np.random.default_rng(0))
    assert not np.array_equal(made, eeg)
    assert np.array_equal(made[np.lexsort(made.T)], eeg[np.lexsort(eeg.T)])


@pytest.mark.parametrize("kind", SURROGATES)
def test_a_segment_has_one_surrogate_and_another_segment_another(rng, kind):
    eeg = eeg_of(rng)
    kept = eeg.copy()
    made = surrogate_of("sub-001_a_000", eeg, kind)
    assert np.array_equal(made, surrogate_of("sub-001_a_000", eeg, kind))
    assert not np.array_equal(made, surrogate_of("sub-001_a_001", eeg, kind))
    assert np.array_equal(eeg, kept)


def test_the_kinds_are_those_that_measures_and_corpora_can_name():
    schema = json.loads((REPOSITORY / "harness/schemas/corpus.json").read_text())
    assert schema["properties"]["surrogates"]["enum"] == [*SURROGATES, ANOTHER_SONG]
    assert {one.surrogates for one in MEASURES.values()} == {"phases"}


def test_a_sample_is_in_order_and_the_same_each_time():
    ids = [f"sub-001_a_{k:03d}" for k in range(40)]
    chosen = sampled("sub-001", ids, 8)
    assert len(chosen) == 8
    assert chosen == sorted(chosen) == sampled("sub-001", ids, 8)
    assert chosen != sampled("sub-002", ids, 8)
    assert sampled("sub-001", ids, None) == sampled("sub-001", ids, 40) == ids


def blind_subject(rng, real, blind, n_segments=4):
    references = {f"s{k}": rng.standard_normal((640, 2)) for k in range(n_segments)}
    made = {name: rng.standard_normal((640, 2)) for name in references}
    values = (np.full(n_segments, value) for value in (real, blind))
    return BlindSubject(*values, subject_chance(references, made))


def test_means_and_differences_are_of_subjects(rng):
    subjects = {f"s{k}": blind_subject(rng, 0.1 + 0.01 * k, 0.02 * k) for k in range(6)}
    blind = blind_score(R, subjects, frame_rate_hz=64)
    assert blind.value == pytest.approx(0.05)
    assert blind.subjects["s5"] == pytest.approx(0.1)
    assert blind.differences["s5"] == pytest.approx(0.05)
    assert blind.segments == 24
    assert (blind.p, blind.no_evidence) == (1 / 64, False)
    assert (blind.scores_without_eeg, blind.chance.circular_shifts.scores) == (True, 513)


def test_the_least_shift_of_blind_chance_is_a_second_of_frames(rng):
    blind = blind_score(R, {"s": blind_subject(rng, 0.1, 0.0)}, frame_rate_hz=32)
    assert blind.chance.circular_shifts.scores == 640 - 2 * 32 + 1


def test_what_is_the_same_without_eeg_is_named(rng):
    subjects = {f"s{k}": blind_subject(rng, 0.9, 0.9) for k in range(6)}
    blind = blind_score(R, subjects, frame_rate_hz=64)
    assert (blind.scores_without_eeg, blind.no_evidence, blind.p) == (True, True, 1.0)


def test_few_subjects_say_nothing_of_a_difference(rng):
    subjects = {f"s{k}": blind_subject(rng, 0.3, 0.0) for k in range(4)}
    blind = blind_score(R, subjects, frame_rate_hz=64)
    assert (blind.p, blind.no_evidence, blind.scores_without_eeg) == (None, None, False)


@pytest.mark.parametrize(
    ("value", "shifts", "mismatched", "expected"),
    [
        (0.021, Band(-0.01, 0.0, 0.01, 513), None, True),
        (0.02, Band(-0.01, 0.0, 0.01, 513), None, False),
        (0.021, Band(-0.01, 0.0, 0.01, 513), Band(0.0, 0.02, 0.04, 1000), True),  # one guess for all
        (-0.5, Band(-0.01, 0.0, 0.01, 513), None, False),
        (0.5, Band(-0.01, 0.0, 0.01, 99), None, None),
        (0.5, None, Band(-0.01, 0.0, 0.01, 1000), None),
    ],
)
def test_beyond_chance_is_twice_as_far_as_the_band_of_shifts(value, shifts, mismatched, expected):
    assert is_beyond_chance(R, value, Chance(shifts, mismatched)) is expected


@pytest.mark.parametrize(
    ("name", "shifts", "mismatched", "expected"),
    [
        ("pearson_r", Band(-0.01, 0.0, 0.01, 513), Band(0.01, 0.021, 0.03, 1000), True),
        ("pearson_r", Band(-0.01, 0.0, 0.01, 513), Band(0.01, 0.02, 0.03, 1000), False),
        ("pearson_r", Band(-0.01, 0.0, 0.01, 513), Band(-0.6, -0.5, -0.4, 1000), False),
        ("pearson_r", Band(-0.01, 0.0, 0.01, 99), Band(0.4, 0.5, 0.6, 1000), False),
        ("pearson_r", None, Band(0.4, 0.5, 0.6, 1000), False),
        ("pearson_r", Band(-0.01, 0.0, 0.01, 513), None, False),
        ("cosine", Band(-0.01, 0.0, 0.01, 513), Band(0.4, 0.5, 0.6, 1000), False),
    ],
)
def test_common_is_a_mean_of_mismatched_segments_beyond_the_shifts(name, shifts, mismatched, expected):
    assert is_common(measure(name), Chance(shifts, mismatched)) is expected


def test_a_difference_is_evidence_from_five_subjects_on():
    assert paired_p(R, [0.1] * 4) is None
    assert paired_p(R, [0.1] * 5) == 1 / 32
    assert [is_no_evidence(p) for p in (None, 0.05, 0.0501)] == [None, False, True]


def test_a_one_sided_p_is_half_the_two_sided_one(rng):
    above = rng.normal(0.5, 1, 12)
    above *= np.sign(above.sum())
    assert one_sided_sign_flip_test(above) == sign_flip_test(above) / 2
    assert one_sided_sign_flip_test(-above) == 1.0
    assert one_sided_sign_flip_test(np.zeros(8)) == 1.0


def documented(what, name):
    """The generator of the documented seed, what is drawn, and for what."""
    digest = hashlib.sha256(f"20240418 {what} {name}".encode()).digest()
    return np.random.default_rng(np.frombuffer(digest, dtype="<u4"))


def test_phases_orders_and_samples_are_drawn_with_the_documented_seed(rng):
    eeg = eeg_of(rng).astype(np.float64)
    name = "sub-001_a_000"
    np.testing.assert_array_equal(
        surrogate_of(name, eeg), phase_randomised(eeg, documented("surrogate", name))
    )
    order = documented("surrogate", name).permutation(len(eeg))
    shuffled = surrogate_of(name, eeg, "times")
    assert shuffled.dtype == np.float32
    np.testing.assert_array_equal(shuffled, eeg[order].astype(np.float32))
    ids = [f"sub-001_a_{k:03d}" for k in range(40)]
    chosen = documented("sample", "sub-001").choice(40, 8, replace=False)
    assert len(set(chosen)) == 8
    assert sampled("sub-001", ids, 8) == [ids[k] for k in sorted(chosen)]
    assert len(set(sampled("sub-001", ids, 39))) == 39


def test_where_lower_is_better_blind_scores_are_worse_where_they_are_higher():
    distance = dataclasses.replace(R, higher_is_better=False)
    assert paired_p(distance, [-0.1] * 5) == 1 / 32
    assert paired_p(distance, [0.1] * 5) == 1.0
    around = Chance(Band(1.0, 2.0, 4.0, 513), None)
    for value, beyond in ((-0.01, True), (0.0, False), (2.0, False), (9.0, False)):
        assert is_beyond_chance(distance, value, around) is beyond
        assert is_beyond_chance(R, value, around) is (value == 9.0)


def test_a_hundred_scores_by_chance_are_enough():
    assert is_beyond_chance(R, 0.5, Chance(Band(-0.01, 0.0, 0.01, 100), None)) is True


SONGS = [("one", 0), ("two", 0), ("two", 30), ("three", 30), ("three", 60)]


def drawn(segment_id, places):
    """The documented draw: of the places, by a generator whose seed is a hash of the segment."""
    digest = hashlib.sha256(f"20240418 surrogate {segment_id}".encode()).digest()
    seed = np.frombuffer(digest, dtype="<u4")
    return places[int(np.random.default_rng(seed).integers(len(places)))]


@pytest.mark.parametrize("segment_id", ["a", "b", "c", "d", "e", "f"])
def test_a_donor_is_of_another_stimulus_and_another_start_by_the_documented_draw(segment_id):
    assert donor(segment_id, "two", 0, SONGS) == drawn(segment_id, [3, 4])
    assert donor(segment_id, "three", 60, SONGS) == drawn(segment_id, [0, 1, 2])


def test_where_all_others_start_at_the_same_time_a_donor_is_any_of_another_stimulus():
    others = [("one", 0), ("two", 0), ("three", 0)]
    chosen = {donor(f"{number}", "two", 0, others) for number in range(40)}
    assert chosen == {0, 2}


def test_there_is_no_donor_where_one_stimulus_is_all():
    assert donor("a", "one", 0, [("one", 0), ("one", 30)]) is None
    assert donor("a", "one", 0, []) is None
