"""Steps against the public pipeline's outputs and against hand-made examples."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import GOLDEN

from harness.errors import CorpusError
from harness.preprocessing import steps, triggers

# The reference channels Fp1, AF7, AF3, Fpz, Fp2, AF8, AF4, AFz of a BioSemi cap of 64.
NEAR_THE_EYES = (0, 1, 2, 32, 33, 34, 35, 36)


@pytest.fixture(scope="module")
def golden():
    """EEG of 64 channels at 128 Hz after each step of the public pipeline, which made every array."""
    with np.load(GOLDEN / "raw-pipeline" / "io.npz") as archive:
        return {name: archive[name] for name in archive}


def relative_error(arrived, expected):
    assert arrived.shape == expected.shape
    return np.linalg.norm(arrived - expected.astype(float)) / np.linalg.norm(expected)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_high_pass_equals_the_public_pipeline(golden, dtype):
    arrived = steps.high_pass(golden["eeg"].astype(dtype), 128, cutoff_hz=0.5)
    assert arrived.dtype == dtype
    assert relative_error(arrived, golden["high_passed"]) < 1e-6


def test_flattened_peaks_equal_the_public_pipeline(golden):
    eeg = golden["high_passed"].astype(np.float64)
    assert steps.flatten_peaks(eeg, beyond_microvolt=500) == 9
    assert np.flatnonzero((eeg != golden["high_passed"]).any(axis=1)).tolist() == [5, 40]
    assert relative_error(eeg[[5, 40]], golden["interpolated"][[5, 40]]) < 1e-6
    assert relative_error(eeg, golden["interpolated"]) < 1e-6


def test_alignment_equals_the_public_pipeline(golden):
    found = triggers.status_triggers(golden["status"])
    assert (found.rest, found.places.size) == (1, 11)
    track = triggers.track_triggers(golden["stimulus_trigger"])
    aligned = triggers.align(golden["interpolated"], 128, found.places, track, 2000)
    assert relative_error(aligned.eeg, golden["aligned"]) < 1e-6
    assert aligned.drift_ppm == pytest.approx((1281 / 1280 - 1) * 1e6)


@pytest.mark.slow
def test_wiener_filter_equals_the_public_pipeline(golden):
    eeg = golden["aligned"].astype(np.float64)
    cleaned = steps.wiener_filter(eeg, 128, reference_channels=NEAR_THE_EYES)
    assert relative_error(eeg, golden["mwf"]) < 1e-3
    assert cleaned.left_out == ()
    assert cleaned.artefact_share == pytest.approx(577 / 1663)


def test_average_reference_equals_the_public_pipeline(golden):
    arrived = steps.average_reference(golden["mwf"].copy())
    assert relative_error(arrived, golden["rereferenced"]) < 1e-6


def test_resampling_equals_the_public_pipeline(golden):
    arrived = steps.resample(golden["rereferenced"], 128, to_hz=64)
    assert arrived.dtype == np.float32
    assert relative_error(arrived, golden["resampled"]) < 1e-6


@pytest.mark.slow
def test_all_steps_together_equal_the_public_pipeline(golden):
    eeg = steps.high_pass(golden["eeg"].copy(), 128, cutoff_hz=0.5)
    steps.flatten_peaks(eeg, beyond_microvolt=500)
    found = triggers.status_triggers(golden["status"]).places
    track = triggers.track_triggers(golden["stimulus_trigger"])
    eeg = triggers.align(eeg, 128, found, track, 2000).eeg
    steps.wiener_filter(eeg, 128, reference_channels=NEAR_THE_EYES)
    arrived = steps.resample(steps.average_reference(eeg), 128, to_hz=64)
    assert relative_error(arrived, golden["resampled"]) < 1e-3


@pytest.mark.slow
@pytest.mark.parametrize("block_samples", [100, 777])
def test_wiener_filter_in_blocks_equals_in_one_piece(golden, monkeypatch, block_samples):
    whole, blocks = golden["aligned"].astype(np.float64), golden["aligned"].astype(np.float64)
    steps.wiener_filter(whole, 128, reference_channels=NEAR_THE_EYES)
    monkeypatch.setattr(steps, "BLOCK_SAMPLES", block_samples)
    steps.wiener_filter(blocks, 128, reference_channels=NEAR_THE_EYES)
    np.testing.assert_allclose(blocks, whole, atol=1e-7 * np.abs(whole).max())


def blinking(rng, n_channels=8, n_times=6400):
    """EEG at 64 Hz and a blink every ten seconds, which the first two channels see most; and the blinks alone."""
    blink = np.zeros(n_times)
    for start in range(320, n_times - 64, 640):
        blink[start : start + 32] = 100 * np.hanning(32)
    seen = np.outer(np.linspace(1, 0.1, n_channels), blink)
    return rng.standard_normal((n_channels, n_times)) + seen, seen


def test_wiener_filter_removes_most_of_a_blink_and_little_else(rng):
    eeg, blinks = blinking(rng, n_channels=32)
    before = eeg - blinks
    cleaned = steps.wiener_filter(eeg, 64, reference_channels=(0, 1))
    during = blinks[0] > 20
    assert np.linalg.norm((eeg - before)[:, during]) < 0.15 * np.linalg.norm(blinks[:, during])
    far = np.ones(6400, bool)
    for place in np.flatnonzero(during):
        far[max(place - 64, 0) : place + 64] = False
    for cleaned_row, row in zip(eeg, before, strict=True):
        assert np.corrcoef(cleaned_row[far], row[far])[0, 1] > 0.9
    assert 0.1 < cleaned.artefact_share < 0.2


def test_wiener_filter_leaves_a_flat_channel_out_and_as_it_is(rng):
    eeg, _ = blinking(rng)
    eeg[5] = 0
    assert steps.wiener_filter(eeg, 64, reference_channels=(0, 1)).left_out == (5,)
    assert not eeg[5].any()
    assert np.abs(eeg[0]).max() < 60


def test_wiener_filter_without_an_artefact_changes_nothing(rng):
    eeg = np.sign(rng.standard_normal((4, 1000)))
    before = eeg.copy()
    assert steps.wiener_filter(eeg, 64, reference_channels=(0, 1)) == (0.0, ())
    np.testing.assert_array_equal(eeg, before)


def test_wiener_filter_refuses_channels_that_depend_on_each_other(rng):
    eeg, _ = blinking(rng)
    eeg[7] = -eeg[:7].sum(axis=0)
    with pytest.raises(CorpusError, match="wiener_filter: EEG channels that depend on each other"):
        steps.wiener_filter(eeg, 64, reference_channels=(0, 1))


def test_wiener_filter_refuses_a_recording_too_short_to_learn_from(rng):
    eeg, _ = blinking(rng, n_times=500)
    with pytest.raises(CorpusError, match=r"\d+ samples without eye artefact, expected more than 488"):
        steps.wiener_filter(eeg, 64, reference_channels=(0, 1), delay_samples=30)


def test_high_pass_is_designed_for_the_files_own_rate():
    # The public pipeline's filter, designed for 1,024 Hz, would pass half of 0.5 Hz at 128 Hz, not at 8,192 Hz.
    for rate_hz in (128, 1024, 8192):
        time = np.arange(20 * rate_hz) / rate_hz
        eeg = np.sin(2 * np.pi * 0.5 * time)[None]
        middle = steps.high_pass(eeg, rate_hz, cutoff_hz=0.5)[0, 5 * rate_hz : 15 * rate_hz]
        assert np.sqrt(2 * np.mean(middle**2)) == pytest.approx(0.5, abs=0.02), (
            rate_hz
        )  # half, there and back


def test_band_pass_keeps_its_band_without_delay_and_drops_the_rest():
    time = np.arange(60 * 512) / 512
    kept = np.sin(2 * np.pi * 8 * time)
    eeg = (kept + 100 + np.sin(2 * np.pi * 0.05 * time) + np.sin(2 * np.pi * 100 * time))[None]
    arrived = steps.band_pass(eeg, 512, low_hz=0.5, high_hz=30)
    assert np.abs(arrived[0] - kept)[5120:-5120].max() < 0.02


def test_flattened_peaks_keep_their_own_ends_which_lie_beyond_the_limit():
    eeg = np.array([[0.0, 600, 900, 900, 700, 0, -600, 0]])
    assert steps.flatten_peaks(eeg, beyond_microvolt=500) == 5
    assert eeg.tolist() == [[0, 600, 600, 700, 700, 0, -600, 0]]


def test_bridged_peaks_lie_on_the_line_between_good_neighbours():
    eeg = np.array([[900.0, 0, 600, 900, 3, 0, 0, -501], [900.0] * 8])
    assert steps.bridge_peaks(eeg, beyond_microvolt=500) == 12
    assert eeg.tolist() == [[0, 0, 1, 2, 3, 0, 0, 0], [0.0] * 8]


def test_average_reference_has_mean_zero_at_each_sample(rng):
    eeg = rng.standard_normal((5, 40000)).astype(np.float32)
    arrived = steps.average_reference(eeg.copy())
    np.testing.assert_allclose(arrived, eeg - eeg.mean(axis=0), atol=1e-6)


def test_resampling_keeps_what_is_slow_at_any_rate():
    for rate_hz in (128.0, 500.0, 512.5, 2048.0):
        time = np.arange(round(20 * rate_hz)) / rate_hz
        arrived = steps.resample(np.sin(2 * np.pi * 3 * time)[None], rate_hz, to_hz=64)
        assert arrived.shape == (1, 1280)
        expected = np.sin(2 * np.pi * 3 * np.arange(1280) / 64)
        assert np.abs(arrived[0] - expected)[64:-64].max() < 0.01, rate_hz


@pytest.mark.parametrize(
    ("step", "message"),
    [
        (
            lambda eeg: steps.resample(eeg, 32, to_hz=64),
            "resample: EEG at 32 Hz, expected at least 64 Hz, the rate that is wanted.",
        ),
        (
            lambda eeg: steps.band_pass(eeg, 50, low_hz=0.5, high_hz=30),
            "filter: EEG at 50 Hz, expected more than 60 Hz for a 30 Hz edge.",
        ),
        (
            lambda eeg: steps.band_pass(eeg, 64, low_hz=0.5, high_hz=30),
            "filter: 100 samples at 64 Hz, expected at least 129.\n  The recording is too short to be filtered.",
        ),
        (
            lambda eeg: steps.high_pass(eeg[:, :3], 64, cutoff_hz=0.5),
            "filter: 3 samples at 64 Hz, expected at least 4.\n  The recording is too short to be filtered.",
        ),
    ],
)
def test_what_cannot_be_filtered_is_refused(step, message):
    with pytest.raises(CorpusError) as raised:
        step(np.zeros((1, 100)))
    assert str(raised.value) == message
