"""Steps against the public pipeline's outputs and against hand-made examples."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import GOLDEN

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


def test_all_steps_together_equal_the_public_pipeline(golden):
    eeg = steps.high_pass(golden["eeg"].copy(), 128, cutoff_hz=0.5)
    steps.flatten_peaks(eeg, beyond_microvolt=500)
    found = triggers.status_triggers(golden["status"]).places
    track = triggers.track_triggers(golden["stimulus_trigger"])
    eeg = triggers.align(eeg, 128, found, track, 2000).eeg
    steps.wiener_filter(eeg, 128, reference_channels=NEAR_THE_EYES)
    arrived = steps.resample(steps.average_reference(eeg), 128, to_hz=64)
    assert relative_error(arrived, golden["resampled"]) < 1e-3
