"""The targets of music against librosa, EEG2Mel's released code and their own inverses."""

from __future__ import annotations

import librosa
import numpy as np
import pytest
from conftest import REPOSITORY

from harness.errors import ShapeError, UsageError
from harness.features import music
from harness.features.music import TARGETS, mel_power, target, to_power

GOLDEN = REPOSITORY / "tests" / "golden" / "music" / "mel.npz"


def seconds(n=3):
    rng = np.random.default_rng(5)
    return (0.1 * rng.standard_normal((n, 22050)) * rng.uniform(0.01, 1, (n, 1))).astype(np.float32)


def test_power_equals_librosas_of_each_second_alone():
    audio = seconds()
    arrived = mel_power(audio)
    assert arrived.shape == (3, 44, 128)
    assert arrived.dtype == np.float32
    for one, second in zip(arrived, audio, strict=True):
        expected = librosa.feature.melspectrogram(y=second, sr=22050).T
        np.testing.assert_allclose(one, expected, rtol=1e-5, atol=1e-5 * expected.max())


@pytest.mark.parametrize(
    ("feature", "name"),
    [("music-mel", "mel"), ("music-eeg2mel", "scaled01"), ("music-mel-db-max", "power_to_db_refmax")],
)
def test_targets_equal_the_golden_ones(feature, name):
    golden = np.load(GOLDEN)
    arrived = target(mel_power(golden["y"]), feature)
    expected = golden[name].transpose(0, 2, 1)
    np.testing.assert_allclose(arrived, expected, rtol=1e-5, atol=1e-5 * max(1, np.abs(expected).max()))


def test_db_equals_librosas_power_to_db_without_its_floor():
    golden = np.load(GOLDEN)
    arrived = target(mel_power(golden["y"]), "music-mel-db")
    expected = librosa.power_to_db(golden["mel"].transpose(0, 2, 1), ref=1.0, amin=1e-10, top_db=None)
    np.testing.assert_allclose(arrived, expected, atol=1e-3)
    # The golden file has librosa's default floor, 80 dB below the loudest of all four seconds.
    floored = np.maximum(arrived, golden["power_to_db"].max() - 80)
    np.testing.assert_allclose(
        np.maximum(golden["power_to_db"].transpose(0, 2, 1), floored.min()), floored, atol=1e-3
    )


@pytest.mark.parametrize("feature", TARGETS)
def test_every_target_equals_librosas(feature):
    """Each from librosa's own calls on the same second; EEG2Mel's dB of amplitude taken of a power."""
    for second in seconds(4):
        mel = librosa.feature.melspectrogram(y=second, sr=22050)
        doubled = librosa.amplitude_to_db(mel, ref=1.0, amin=1e-5, top_db=None)
        expected = {
            "music-mel": mel,
            "music-mel-db": librosa.power_to_db(mel, ref=1.0, amin=1e-10, top_db=None),
            "music-mel-db-max": librosa.power_to_db(mel, ref=np.max, amin=1e-10, top_db=80),
            "music-eeg2mel": np.clip((doubled - 46 + 100) / 100, 1e-8, 1),
        }[feature].T
        arrived = target(mel_power(second[None]), feature)[0]
        np.testing.assert_allclose(arrived, expected, rtol=1e-5, atol=1e-5 * np.abs(expected).max())


@pytest.mark.parametrize(("feature", "highest"), [("music-mel-db", 60.0), ("music-mel-db-max", 0.0)])
def test_power_of_db_is_librosas(feature, highest):
    db = np.random.default_rng(2).uniform(highest - 90, highest, (2, 44, 128))
    np.testing.assert_allclose(to_power(db, feature), librosa.db_to_power(db), rtol=1e-5)


def test_power_of_eeg2mel_is_librosas_of_amplitude():
    y = np.random.default_rng(2).uniform(0, 1, (2, 44, 128))
    expected = librosa.db_to_amplitude(np.clip(y, 0, 1) * 100 - 100 + 46)  # its inverse as released
    np.testing.assert_allclose(to_power(y, "music-eeg2mel"), expected, rtol=1e-5)


def test_db_by_hand():
    power = np.zeros((44, 128))
    power[0, :3] = 1, 100, 1e-12
    db = target(power, "music-mel-db")
    assert db[0, :3].tolist() == [0, 20, -100]
    assert target(power, "music-mel-db-max")[0, :3].tolist() == [-20, 0, -80]
    scaled = target(power, "music-eeg2mel")
    np.testing.assert_allclose(scaled[0, :3], [0.54, 0.94, 1e-8], atol=1e-7)


def test_each_segment_has_its_own_maximum():
    power = mel_power(seconds()) * np.array([1, 10, 100])[:, None, None]
    assert target(power, "music-mel-db-max").max(axis=(1, 2)).tolist() == [0, 0, 0]


@pytest.mark.parametrize("feature", TARGETS)
def test_power_comes_back_from_every_target(feature):
    power = np.clip(mel_power(seconds()), 0.01, 100)
    power[:, 0, 0] = 150  # each second's maximum
    expected = power / 150 if feature == "music-mel-db-max" else power
    np.testing.assert_allclose(to_power(target(power, feature), feature), expected, rtol=2e-5)


def test_eeg2mel_saturates_where_its_formula_says():
    power = np.array([199.6, 0.0019])
    assert target(power, "music-eeg2mel").tolist() == [1.0, pytest.approx(1e-8)]
    np.testing.assert_allclose(to_power(np.array([1.0, 0.0]), "music-eeg2mel"), [199.53, 0.001995], rtol=1e-3)


def test_predictions_outside_a_targets_range_give_finite_power():
    wild = np.array([-1e30, 1e30])
    for feature in TARGETS:
        power = to_power(wild, feature)
        assert np.isfinite(power).all()
        assert (power >= 0).all()


def test_in_blocks_equals_in_one_piece(monkeypatch):
    audio = seconds(5)
    whole = mel_power(audio)
    monkeypatch.setattr(music, "_BLOCK_SECONDS", 2)
    np.testing.assert_array_equal(mel_power(audio), whole)


def test_silence_is_finite():
    power = mel_power(np.zeros((1, 22050)))
    assert not power.any()
    assert np.unique(target(power, "music-mel-db")).tolist() == [-100]
    assert np.unique(target(power, "music-mel-db-max")).tolist() == [0]


def test_audio_of_another_length_is_refused():
    with pytest.raises(
        ShapeError, match=r"^mel_power: shape \(3, 16000\), expected \(n_seconds, 22050\) at 22050 Hz\.$"
    ):
        mel_power(np.zeros((3, 16000)))


def test_an_unknown_target_is_refused_by_the_names_of_the_four():
    with pytest.raises(UsageError) as error:
        target(np.zeros((44, 128)), "mel")
    assert str(error.value) == (
        "feature mel: no target of music, expected one of music-mel, music-mel-db, music-mel-db-max, music-eeg2mel."
    )
