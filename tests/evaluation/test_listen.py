"""What a prediction of music sounds and looks like, beside its target."""

from __future__ import annotations

import functools
import wave

import librosa
import numpy as np
import pytest
from music_fixtures import read_wav
from own_corpus import make_own_corpus, write_split

from harness.errors import UsageError
from harness.evaluation.listen import N_ITERATIONS, SEED, read_segment, sound
from harness.features.music import TARGETS, mel_power, target, to_power
from harness.predictions import write_predictions
from harness.tasks.task import open_task


@pytest.fixture
def asked(music, music_split, tmp_path):
    """The small tree's task in dB, and a file of predictions: the targets, 6 dB louder."""
    task = open_task(music, split_name=music_split)
    path = tmp_path / "predictions.npz"
    references = task.references("S07")
    write_predictions(
        path, [("S07", {name: (one + 6).astype(np.float32) for name, one in references.items()})]
    )
    return task, path


def test_prediction_and_target_are_mel_power(asked):
    task, path = asked
    both = read_segment(task, path, "S07_song22_010")
    np.testing.assert_allclose(both.prediction, both.target * 10**0.6, rtol=1e-3, atol=1e-6)


def test_an_unknown_segment_is_refused(asked):
    task, path = asked
    with pytest.raises(UsageError) as caught:
        read_segment(task, path, "S07_song22_011")
    assert str(caught.value) == (
        "--segment S07_song22_011: no such segment, expected one of S07_song21_009, S07_song21_010, S07_song22_009"
        " and 3 more.\n"
        "  Did you mean 'S07_song22_010'?"
    )


@pytest.mark.slow
@pytest.mark.parametrize("feature", TARGETS)
def test_a_tone_is_heard_again_from_every_target(feature):
    tone = 0.3 * np.sin(2 * np.pi * 440 * np.arange(22050) / 22050)
    power = to_power(target(mel_power(tone[None]), feature), feature)[0]
    audio = sound(power)
    assert audio.shape == (22050,)
    assert np.abs(audio).max() == pytest.approx(0.9)
    spectrum = np.abs(np.fft.rfft(audio))
    assert 420 <= spectrum.argmax() <= 460  # 1 Hz a bin; mel bands are 20 Hz wide there


@pytest.mark.slow
def test_same_power_same_sound_and_silence_stays_silence():
    power = mel_power(np.random.default_rng(1).standard_normal((1, 22050)) * 0.1)[0]
    np.testing.assert_array_equal(sound(power), sound(power))
    assert not sound(np.zeros((44, 128))).any()


@pytest.mark.slow
def test_the_command_writes_both_sounds_and_a_picture(harness, asked, music, music_split, tmp_path):
    _, path = asked
    out, picture = tmp_path / "x.wav", tmp_path / "x.png"
    asks = ("--data", str(music), "--split", str(music_split), "--segment", "S07_song22_010")
    code, answer, error = harness("listen", str(path), *asks, "--out", str(out), "--picture", str(picture))
    assert (code, error) == (0, "")
    assert answer == (
        f"S07_song22_010, music-mel-db, simulated data (no real EEG): {out}; its target: {tmp_path}/x-target.wav\n"
        f"both spectrograms: {picture}\n"
    )
    with wave.open(str(out)) as file:
        assert (file.getframerate(), file.getnchannels(), file.getnframes()) == (22050, 1, 22050)
    prediction, reference = read_wav(out), read_wav(tmp_path / "x-target.wav")
    heard, expected = (np.log(mel_power(one[None]) + 1e-3).ravel() for one in (prediction, reference))
    assert np.corrcoef(heard, expected)[0, 1] > 0.98  # 6 dB louder, and both at one peak
    assert picture.read_bytes().startswith(b"\x89PNG")


@pytest.mark.slow
def test_folders_are_made_and_what_cannot_be_one_is_named(harness, asked, music, music_split, tmp_path):
    _, path = asked
    asks = ("--data", str(music), "--split", str(music_split), "--segment", "S07_song22_010")
    out, picture = tmp_path / "new/sounds/x.wav", tmp_path / "new/x.png"
    code, _, error = harness("listen", str(path), *asks, "--out", str(out), "--picture", str(picture))
    assert (code, error) == (0, "")
    assert sorted(one.name for one in (tmp_path / "new").rglob("*.*")) == ["x-target.wav", "x.png", "x.wav"]
    code, _, error = harness("listen", str(path), *asks, "--out", str(out / "x.wav"))
    assert (code, error) == (1, f"error: {out}: File exists\n")


def test_predictions_of_speech_are_refused_by_the_four_targets(asked, tmp_path):
    _, path = asked
    folder = make_own_corpus(tmp_path / "my-lab", n_channels=4)
    split = write_split(tmp_path / "mine.json")
    with pytest.raises(UsageError) as caught:
        read_segment(open_task(folder, split_name=split, feature="envelope"), path, "x")
    assert str(caught.value) == (
        "harness listen: feature envelope of my-lab, expected one of music-mel, music-mel-db, music-mel-db-max,"
        " music-eeg2mel.\n"
        "  Name the split that was predicted, such as --split music-listeners-blocks."
    )


@pytest.mark.slow
@pytest.mark.parametrize("feature", TARGETS)
def test_the_sound_is_librosas_of_the_same_power(monkeypatch, music, feature):
    """librosa's own way from mel power to sound, up to the level, with the phases of our seed."""
    samples = read_wav(music / "audio/22.wav")[7 * 22050 : 8 * 22050]
    power = to_power(target(mel_power(samples[None]), feature), feature)[0]
    seeded = functools.partial(librosa.griffinlim, random_state=SEED)
    monkeypatch.setattr(librosa.feature.inverse, "griffinlim", seeded)
    scaled = power.T / power.max()
    expected = librosa.feature.inverse.mel_to_audio(scaled, sr=22050, n_iter=N_ITERATIONS, length=22050)
    expected *= 0.9 / np.abs(expected).max()
    np.testing.assert_allclose(sound(power), expected, atol=1e-5)


@pytest.mark.parametrize("feature", TARGETS)
def test_music_is_heard_again_from_every_target(music, feature):
    """Mel power of the sound is that which it was made of, within what phases for it allow."""
    samples = read_wav(music / "audio/21.wav")[4 * 22050 : 5 * 22050]
    power = to_power(target(mel_power(samples[None]), feature), feature)[0]
    heard = mel_power(sound(power)[None])[0]
    loud = power > 1e-3 * power.max()
    apart = 10 * np.log10(heard[loud] / power[loud])
    assert np.median(np.abs(apart - np.median(apart))) < 1.5  # dB


def test_names_that_do_not_say_what_is_written_are_refused(harness, asked, tmp_path):
    _, path = asked
    code, _, error = harness("listen", str(path), "--segment", "x", "--out", str(tmp_path / "x.mp3"))
    assert code == 2
    assert f"{tmp_path}/x.mp3: a name that ends in .wav was expected." in error
