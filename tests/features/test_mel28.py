"""The 28-band mel against the public pipeline's own output and against librosa's."""

from __future__ import annotations

import os
from pathlib import Path

import librosa
import numpy as np
import pytest

from harness.errors import CorpusError, ShapeError
from harness.features.mel28 import mel_28, n_silent_bands


def noise(seconds, rate_hz=16000):
    rng = np.random.default_rng(11)
    return (0.1 * rng.standard_normal(round(seconds * rate_hz))).astype(np.float32)


def test_equals_the_public_pipeline_on_real_speech():
    folder = os.environ.get("HARNESS_TEST_REAL")
    if not folder:
        pytest.skip("HARNESS_TEST_REAL does not name a folder of real recordings")
    import soundfile

    audio, rate_hz = soundfile.read(Path(folder) / "audio" / "OSR_us_000_0010_8k.wav", dtype="float32")
    expected = np.load(Path(folder) / "audio" / "OSR_us_000_0010_8k_mel_challenge.npy")
    arrived = mel_28(audio, rate_hz)
    assert arrived.shape == expected.shape == (2150, 28)
    assert arrived.dtype == np.float32
    np.testing.assert_allclose(arrived, expected, atol=1e-6 * expected.max())


def test_equals_librosas_mel_of_magnitudes_raised_to_the_power():
    audio = noise(2) + np.float32(0.3)
    expected = librosa.feature.melspectrogram(
        y=audio - audio.mean(),
        sr=16000,
        n_fft=512,
        hop_length=250,
        win_length=400,
        window=np.hamming(400),
        center=False,
        power=1,
        n_mels=28,
        fmin=-4.2735,
        fmax=5444,
        htk=True,
        norm=None,
    )
    arrived = mel_28(audio, 16000)
    assert arrived.shape == (126, 28)  # (32000 - 512) // 250 + 1
    np.testing.assert_allclose(arrived, expected.T**0.6, rtol=1e-5)


def test_in_blocks_equals_in_one_piece(monkeypatch):
    audio = noise(2)
    whole = mel_28(audio, 16000)
    monkeypatch.setattr("harness.features.stft.BLOCK_FRAMES", 7)
    np.testing.assert_array_equal(mel_28(audio, 16000), whole)


def test_scales_with_its_exponent():
    audio = noise(1)
    np.testing.assert_allclose(mel_28(2 * audio, 16000), 2**0.6 * mel_28(audio, 16000), rtol=1e-5)


def test_bands_above_half_the_rate_are_silent_and_counted():
    assert [n_silent_bands(rate) for rate in (8000, 16000, 48000)] == [2, 0, 0]
    silent = (mel_28(noise(1, 8000), 8000) == 0).all(axis=0)
    assert np.flatnonzero(silent).tolist() == [26, 27]


def test_refuses_stereo_short_and_broken_audio():
    with pytest.raises(ShapeError, match=r"audio: shape \(2, 16000\), expected \(n_samples,\)"):
        mel_28(np.zeros((2, 16000)), 16000)
    with pytest.raises(ShapeError, match="audio: 100 samples at 16000 Hz, expected at least 512"):
        mel_28(np.zeros(100), 16000)
    with pytest.raises(CorpusError, match="1 of 16000 samples is NaN or infinite, the first at 5"):
        mel_28(np.where(np.arange(16000) == 5, np.nan, 0), 16000)
