"""Features of stimuli from their audio, by the names of the definitions."""

from __future__ import annotations

import gzip

import numpy as np
import pytest
import soundfile
from bids_tree import AUDIO_RATE_HZ, speech

from harness.errors import CorpusError
from harness.features.envelope import envelope
from harness.features.mel28 import mel_28
from harness.features.spectrograms import mel
from harness.preprocessing.stimuli import DEFINITIONS, MEL_NAMES, make_features, read_audio


@pytest.fixture(scope="module")
def audio():
    return speech(2, 0)


def test_every_name_gives_its_own_definition_with_its_bands(audio, tmp_path):
    np.savez(tmp_path / "a.npz", audio=audio, fs=np.int64(AUDIO_RATE_HZ))
    made = make_features(tmp_path / "a.npz", tuple(DEFINITIONS))
    assert made.seconds == 2
    assert made.remarks == ()
    for name, function in (("mel", mel), ("mel-28", mel_28), ("envelope", envelope)):
        np.testing.assert_array_equal(made.features[name], function(audio, AUDIO_RATE_HZ))
        assert made.features[name].shape[1] == DEFINITIONS[name].n_bands
    assert set(MEL_NAMES) < set(DEFINITIONS)


@pytest.mark.parametrize("suffix", [".wav", ".flac", ".ogg", ".mp3"])
def test_common_formats_are_read(audio, tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    soundfile.write(path, audio, AUDIO_RATE_HZ)
    (arrived, rate_hz), remark = read_audio(path)
    assert (rate_hz, remark) == (AUDIO_RATE_HZ, "")
    assert arrived.dtype == np.float32
    lossless = suffix in (".wav", ".flac")
    n_common = min(arrived.size, audio.size)
    assert np.corrcoef(arrived[:n_common], audio[:n_common])[0, 1] > (0.9999 if lossless else 0.7)
    assert abs(arrived.size - audio.size) <= (0 if lossless else 3000)


@pytest.mark.parametrize("suffix", [".wav", ".aiff", ".flac", ".ogg", ".mp3"])
def test_audio_that_ends_early_is_refused_and_not_read_as_far_as_it_goes(tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    soundfile.write(path, speech(4, 0), AUDIO_RATE_HZ)
    whole = path.read_bytes()
    (expected, _), _ = read_audio(path)
    for left in (12, 60, len(whole) // 3, len(whole) // 2, len(whole) - 1000):
        path.write_bytes(whole[:left])
        with pytest.raises(CorpusError, match=r"(cannot be read \(.*\)|its header says), expected an? "):
            read_audio(path)
    packed = tmp_path / f"a{suffix}.gz"
    packed.write_bytes(gzip.compress(whole))
    (arrived, _), _ = read_audio(packed)
    np.testing.assert_array_equal(arrived, expected)
    packed.write_bytes(packed.read_bytes()[:-50])
    with pytest.raises(CorpusError, match=r"cannot be read \(Compressed file ended"):
        read_audio(packed)


def test_a_stream_of_unknown_size_is_whole(audio, tmp_path):
    soundfile.write(tmp_path / "a.wav", audio, AUDIO_RATE_HZ)
    content = bytearray((tmp_path / "a.wav").read_bytes())
    place = content.index(b"data") + 4
    content[4:8] = content[place : place + 4] = b"\xff" * 4
    (tmp_path / "b.wav").write_bytes(content)
    assert read_audio(tmp_path / "b.wav")[0].audio.size == audio.size


def test_stereo_is_averaged_and_it_is_said(audio, tmp_path):
    soundfile.write(
        tmp_path / "a.wav", np.stack([audio, np.zeros_like(audio)], axis=1), AUDIO_RATE_HZ, "FLOAT"
    )
    (arrived, _), remark = read_audio(tmp_path / "a.wav")
    np.testing.assert_allclose(arrived, audio / 2, rtol=1e-6)
    assert remark == "a.wav: 2 audio channels averaged"


def test_a_rate_that_makes_frames_drift_and_silent_bands_are_said(tmp_path):
    soundfile.write(tmp_path / "a.wav", speech(2, 0), 8010)
    assert make_features(tmp_path / "a.wav", ("mel-28",)).remarks == (
        "a.wav: 8010 Hz is no multiple of 64, mel frames run a little ahead",
        "a.wav: 2 bands of mel-28 are silent at 8010 Hz",
    )


def test_audio_that_cannot_be_used_names_its_file(tmp_path):
    soundfile.write(tmp_path / "a.wav", np.zeros(8000), 8000)
    with pytest.raises(CorpusError) as raised:
        make_features(tmp_path / "a.wav", ("mel",))
    assert str(raised.value) == (
        "a.wav: audio: a sample rate of 8000 Hz, expected more than 10000 Hz, for bands up to 5000 Hz."
    )
    (tmp_path / "b.wav").write_bytes(b"no audio")
    with pytest.raises(CorpusError, match=r"b\.wav: cannot be read \(.*\), expected an audio file"):
        read_audio(tmp_path / "b.wav")
    soundfile.write(tmp_path / "c.wav", np.zeros(0), 8000)
    with pytest.raises(CorpusError, match=r"c\.wav: no samples, expected audio"):
        read_audio(tmp_path / "c.wav")
