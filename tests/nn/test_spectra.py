"""Power spectra against scipy, EEG2Mel's released calls, and values by hand."""

from __future__ import annotations

import time

import numpy as np
import pytest
from conftest import REPOSITORY
from scipy import signal

from harness.errors import ShapeError, UsageError
from harness.nn import spectra
from harness.nn.spectra import KINDS, power_spectrum

GOLDEN = REPOSITORY / "tests" / "golden" / "music" / "psd.npz"


def eeg(n_segments=4, n_channels=6, n_times=125):
    rng = np.random.default_rng(3)
    return (20 * rng.standard_normal((n_segments, n_times, n_channels)) + 300).astype(np.float32)


def of_scipy(x, kind, rate=125):
    if kind == "welch":
        return signal.welch(x, fs=rate, nperseg=len(x))[1]
    if kind == "welch-62":
        return signal.welch(x, fs=rate, nperseg=62, nfft=len(x))[1]
    density = signal.periodogram(x, fs=rate)[1]
    return np.log(density + 1e-3) if kind == "log-periodogram" else density


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("n_times", [125, 128])
def test_equals_scipy(kind, n_times):
    x = eeg(n_times=n_times)
    arrived = power_spectrum(x, kind, 125)
    assert arrived.shape == (4, n_times // 2 + 1, 6)
    assert arrived.dtype == np.float32
    for i in range(4):
        for j in range(6):
            expected = of_scipy(x[i, :, j].astype(np.float64), kind)
            np.testing.assert_allclose(arrived[i, :, j], expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("kind", ["periodogram", "welch"])
def test_equals_the_released_code(kind):
    golden = np.load(GOLDEN)
    arrived = power_spectrum(golden["x"].transpose(0, 2, 1), kind, 125)
    expected = golden[kind][..., 0]
    np.testing.assert_allclose(arrived, expected, rtol=1e-5, atol=1e-6 * expected.max())


def test_a_sine_by_hand():
    x = np.zeros((125, 2), np.float32)
    x[:, 0] = 5 * np.sin(2 * np.pi * 10 * np.arange(125) / 125)
    x[:, 1] = 7
    spectrum = power_spectrum(x, "periodogram", 125)
    assert spectrum.argmax(axis=0)[0] == 10
    assert spectrum[10, 0] == pytest.approx(12.5)  # a^2 / 2 in a bin of 1 Hz
    assert not spectrum[:, 1].any()


def test_the_released_welch_averages_nothing():
    x = eeg().astype(np.float64)
    window = np.hanning(126)[:125, None]
    centred = (x - x.mean(axis=1, keepdims=True)) * window
    one = np.abs(np.fft.rfft(centred, axis=1)) ** 2 / (125 * (window**2).sum())
    one[:, 1:] *= 2
    np.testing.assert_allclose(power_spectrum(x, "welch", 125), one, rtol=1e-5, atol=1e-6)


def test_in_blocks_equals_in_one_piece(monkeypatch):
    x = eeg(5)
    whole = power_spectrum(x, "welch-62", 125)
    monkeypatch.setattr(spectra, "_BLOCK_VALUES", 2 * 125 * 6)
    np.testing.assert_array_equal(power_spectrum(x, "welch-62", 125), whole)


def test_one_segment_alone_and_the_input_unchanged():
    x = eeg()
    before = x.copy()
    np.testing.assert_array_equal(power_spectrum(x[1], "welch", 125), power_spectrum(x, "welch", 125)[1])
    np.testing.assert_array_equal(x, before)


def test_no_segments_give_no_spectra():
    assert power_spectrum(np.zeros((0, 125, 4), np.float32), "periodogram", 125).shape == (0, 63, 4)


def test_at_least_20_times_as_fast_as_a_loop_of_scipy_calls():
    x = eeg(8, 125)
    power_spectrum(x, "welch", 125)  # imports
    began = time.perf_counter()
    loop = [[signal.welch(x[i, :, j], fs=125, nperseg=125)[1] for j in range(125)] for i in range(8)]
    middle = time.perf_counter()
    at_once = power_spectrum(x, "welch", 125)
    ended = time.perf_counter()
    np.testing.assert_allclose(at_once.transpose(0, 2, 1), loop, rtol=1e-4, atol=1e-4)
    assert (middle - began) / (ended - middle) > 20


def test_an_unknown_kind_is_refused():
    with pytest.raises(UsageError) as error:
        power_spectrum(eeg(), "welsh", 125)
    assert str(error.value) == (
        "power_spectrum: kind 'welsh', expected one of periodogram, welch, welch-62, log-periodogram."
        "\n  Did you mean 'welch'?"
    )


def test_too_few_samples_are_refused():
    with pytest.raises(ShapeError) as error:
        power_spectrum(np.zeros((3, 40, 2)), "welch-62", 125)
    assert str(error.value) == (
        "power_spectrum, welch-62: shape (3, 40, 2), expected (..., n_times, n_channels) with n_times of at least 62."
    )
