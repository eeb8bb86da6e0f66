"""The features against the organisers' outputs, and what is refused."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import numpy as np
import pytest

from harness.errors import CorpusError, ShapeError
from harness.features.audio import load_audio
from harness.features.catalogue import N_MEL_BANDS, SAMPLE_RATE_HZ
from harness.features.envelope import envelope
from harness.features.spectrograms import mel, spectra

# Audio with the outputs of the organisers' own code; what made each array is in its meta.json.
GOLDEN = Path(__file__).parents[1] / "golden" / "stimulus-features"
RATE_HZ = 16000


@pytest.fixture(scope="module")
def golden():
    with np.load(GOLDEN / "io.npz") as archive:
        return dict(archive)


@pytest.fixture(scope="module")
def golden_rate_hz():
    return json.loads((GOLDEN / "meta.json").read_text())["sample_rate_hz"]


def noise(seconds: float, rate_hz: int = RATE_HZ) -> np.ndarray:
    rng = np.random.default_rng(7)
    return (0.1 * rng.standard_normal(round(seconds * rate_hz))).astype(np.float32)


def relative_errors(arrived: np.ndarray, expected: np.ndarray) -> tuple[float, float]:
    """2-norm of the difference and its peak, each relative to the expected one's."""
    difference = arrived.astype(np.float64) - expected
    return (
        float(np.linalg.norm(difference) / np.linalg.norm(expected)),
        float(np.abs(difference).max() / np.abs(expected).max()),
    )


@pytest.mark.parametrize("definition", ["task", "pipeline"])
def test_mel_equals_the_organisers(golden, golden_rate_hz, definition):
    arrived = mel(golden["audio"], golden_rate_hz, definition=definition)
    expected = golden[f"mel_{definition}"]
    assert arrived.shape == expected.shape
    assert arrived.dtype == np.float32
    assert max(relative_errors(arrived, expected)) < 1e-6


def test_the_two_mel_definitions_can_be_told_apart(golden):
    assert min(relative_errors(golden["mel_task"], golden["mel_pipeline"])) > 1e-5


def test_envelope_equals_the_organisers(golden, golden_rate_hz):
    arrived = envelope(golden["audio"], golden_rate_hz)
    expected = golden["envelope_pipeline"]
    assert arrived.shape == expected.shape
    assert arrived.dtype == np.float32
    assert max(relative_errors(arrived, expected)) < 1e-6


def test_mel_in_blocks_equals_mel_in_one_piece(monkeypatch):
    audio = noise(2)
    whole = mel(audio, RATE_HZ)
    monkeypatch.setattr("harness.features.stft.BLOCK_FRAMES", 7)
    np.testing.assert_array_equal(mel(audio, RATE_HZ), whole)


def test_envelope_in_blocks_equals_envelope_in_one_piece(monkeypatch):
    audio = noise(2)
    whole = envelope(audio, RATE_HZ)
    monkeypatch.setattr("harness.features.envelope.GAMMATONE_BLOCK_SAMPLES", 1000)
    np.testing.assert_allclose(envelope(audio, RATE_HZ), whole, rtol=1e-5)


def test_a_tone_shows_in_the_mel_band_that_holds_it():
    time = np.arange(RATE_HZ) / RATE_HZ
    low, high = (mel(np.sin(2 * np.pi * hz * time), RATE_HZ).mean(axis=0) for hz in (250, 3700))
    assert low.argmax() < 2
    assert high.argmax() >= 8


def test_mel_scales_with_power_and_envelope_with_its_exponent():
    audio = noise(1)
    np.testing.assert_allclose(mel(2 * audio, RATE_HZ), 4 * mel(audio, RATE_HZ), rtol=1e-5)
    louder = envelope(2 * audio, RATE_HZ)
    np.testing.assert_allclose(louder, 2**0.6 * envelope(audio, RATE_HZ), rtol=1e-5)


def test_mel_ignores_a_constant_offset():
    audio = noise(1)
    np.testing.assert_allclose(
        mel(audio + np.float32(0.5), RATE_HZ), mel(audio, RATE_HZ), rtol=1e-3, atol=1e-6
    )


def test_features_have_64_frames_a_second_and_the_mel_ends_a_window_early():
    audio = noise(10)
    assert mel(audio, RATE_HZ).shape == (10 * SAMPLE_RATE_HZ - 2, N_MEL_BANDS)
    assert envelope(audio, RATE_HZ).shape == (10 * SAMPLE_RATE_HZ, 1)


def test_task_hop_is_cut_to_whole_samples_at_44100_hz():
    # 689 samples a frame instead of 689.0625, as the challenge's function hops.
    audio = noise(60, 44100)
    assert mel(audio, 44100, definition="task").shape[0] == (audio.size - 2048) // 689 + 1


def test_silence_has_finite_features():
    silence = np.zeros(RATE_HZ, np.float32)
    assert np.isfinite(envelope(silence, RATE_HZ)).all()
    np.testing.assert_array_equal(mel(silence, RATE_HZ), 0)


def test_inputs_are_not_changed():
    audio = noise(1)
    before = audio.copy()
    mel(audio, RATE_HZ)
    envelope(audio, RATE_HZ)
    np.testing.assert_array_equal(audio, before)


@pytest.mark.parametrize("function", [mel, envelope])
def test_stereo_is_refused(function):
    with pytest.raises(ShapeError) as raised:
        function(np.zeros((RATE_HZ, 2)), RATE_HZ)
    assert str(raised.value) == (
        "audio: shape (16000, 2), expected (n_samples,), one audio channel.\n"
        "  Average the channels of a stereo recording, or take one."
    )


@pytest.mark.parametrize(("function", "n_least"), [(mel, 512), (envelope, 250)])
@pytest.mark.parametrize("missing", [1, None])
def test_empty_and_short_audio_is_refused(function, n_least, missing):
    n_samples = 0 if missing is None else n_least - missing
    with pytest.raises(ShapeError) as raised:
        function(np.zeros(n_samples), RATE_HZ)
    assert str(raised.value) == (
        f"audio: {n_samples} samples at 16000 Hz, expected at least {n_least}, one window."
    )
    assert function(np.ones(n_least), RATE_HZ).shape[0] == 1


@pytest.mark.parametrize("function", [mel, envelope])
def test_nan_and_infinite_audio_is_refused(function):
    audio = noise(1)
    audio[[300, 9000]] = np.nan, np.inf
    with pytest.raises(CorpusError) as raised:
        function(audio, RATE_HZ)
    assert str(raised.value) == (
        "audio: 2 of 16000 samples are NaN or infinite, the first at 300, expected finite samples."
        "\n  Read the audio again from its source."
    )


@pytest.mark.parametrize("function", [mel, envelope])
def test_a_rate_that_cannot_hold_the_bands_is_refused(function):
    with pytest.raises(CorpusError) as raised:
        function(np.zeros(8000), 8000)
    assert str(raised.value) == (
        "audio: a sample rate of 8000 Hz, expected more than 10000 Hz, for bands up to 5000 Hz."
    )


def test_load_audio_scales_int16_to_full_scale_one(tmp_path):
    path = tmp_path / "a.npz"
    np.savez(path, audio=np.array([-32768, 0, 16384], np.int16), fs=48000)
    audio, rate_hz = load_audio(path)
    np.testing.assert_array_equal(audio, np.array([-1, 0, 0.5], np.float32))
    assert audio.dtype == np.float32
    assert rate_hz == 48000


def test_load_audio_takes_floating_point_as_it_is(tmp_path):
    path = tmp_path / "a.npz"
    np.savez(path, audio=np.array([-1.5, 0.25]), fs=np.array([16000.0]))
    np.testing.assert_array_equal(load_audio(path).audio, np.array([-1.5, 0.25], np.float32))


def test_load_audio_names_a_missing_file(tmp_path):
    with pytest.raises(CorpusError) as raised:
        load_audio(tmp_path / "a.npz")
    assert str(raised.value) == f"{tmp_path}/a.npz: no such file, expected the audio of a stimulus."


def test_load_audio_names_missing_keys(tmp_path):
    path = tmp_path / "a.npz"
    np.savez(path, sound=np.zeros(3))
    with pytest.raises(CorpusError) as raised:
        load_audio(path)
    assert str(raised.value) == (f"{path}: has no key 'audio' or 'fs', expected the keys 'audio' and 'fs'.")


@pytest.mark.parametrize("content", [b"", b"not an archive", b"PK\x03\x04 cut short"])
def test_load_audio_refuses_a_broken_file(tmp_path, content):
    path = tmp_path / "a.npz"
    path.write_bytes(content)
    with pytest.raises(CorpusError, match=r"a\.npz: cannot be read .*, expected an \.npz file"):
        load_audio(path)


@pytest.mark.parametrize("fs", [0, -16000, 44100.5, np.nan, [16000, 16000]])
def test_load_audio_refuses_a_broken_rate(tmp_path, fs):
    path = tmp_path / "a.npz"
    np.savez(path, audio=np.zeros(3), fs=fs)
    with pytest.raises(CorpusError, match="expected one positive whole number of Hz"):
        load_audio(path)


def test_load_audio_refuses_a_single_array(tmp_path):
    path = tmp_path / "a.npz"
    with path.open("wb") as file:
        np.save(file, np.zeros(3))
    with pytest.raises(CorpusError) as raised:
        load_audio(path)
    assert str(raised.value) == (
        f"{path}: cannot be read (File is not a zip file), expected an .npz file.\n  Copy it again."
    )


def test_load_audio_refuses_samples_of_unknown_scale(tmp_path):
    path = tmp_path / "a.npz"
    np.savez(path, audio=np.zeros(3, np.int32), fs=16000)
    with pytest.raises(CorpusError) as raised:
        load_audio(path)
    assert str(raised.value) == f"{path}: audio of type int32, expected int16 or floating point."


def test_load_audio_refuses_stereo(tmp_path):
    path = tmp_path / "a.npz"
    np.savez(path, audio=np.zeros((3, 2), np.int16), fs=16000)
    with pytest.raises(ShapeError, match=r"a\.npz: shape \(3, 2\), expected \(n_samples,\)"):
        load_audio(path)


def test_spectra_are_those_of_the_formula():
    audio = noise(0.5)
    made = spectra(audio, RATE_HZ)
    assert {name: values.shape for name, values in made.items()} == {
        "mel80": (32, 80),
        "magnitude": (32, 257),
    }
    window = np.zeros(512)
    window[56:456] = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(400) / 400)
    padded = np.concatenate([np.zeros(250), audio.astype(np.float64), np.zeros(250)])
    power = np.stack([np.abs(np.fft.rfft(window * padded[250 * k : 250 * k + 512])) ** 2 for k in range(32)])
    assert max(relative_errors(made["magnitude"], power)) < 1e-5

    def mel_of(hz):
        return 2595 * np.log10(1 + hz / 700)

    edges = 700 * (10 ** (np.linspace(0, mel_of(8000), 82) / 2595) - 1)
    bins = np.arange(257) * RATE_HZ / 512
    bands = np.zeros((80, 257))
    for i, (low, centre, high) in enumerate(zip(edges, edges[1:], edges[2:], strict=False)):
        triangle = np.minimum((bins - low) / (centre - low), (high - bins) / (high - centre))
        bands[i] = np.maximum(triangle, 0) * 2 / (high - low)
    assert max(relative_errors(made["mel80"], power @ bands.T)) < 1e-5


def test_spectra_in_blocks_equal_spectra_in_one_piece(monkeypatch):
    audio = noise(2)
    whole = spectra(audio, RATE_HZ)
    monkeypatch.setattr("harness.features.stft.BLOCK_FRAMES", 7)
    for name, values in spectra(audio, RATE_HZ).items():
        np.testing.assert_array_equal(values, whole[name])


@pytest.mark.parametrize("rate_hz", [16000, 44100, 48000])
def test_spectra_of_a_tone_at_any_rate(rate_hz):
    audio = np.sin(2 * np.pi * 1000 * np.arange(4 * rate_hz) / rate_hz)
    made = spectra(audio, rate_hz)
    assert len(made["magnitude"]) == 4 * SAMPLE_RATE_HZ
    assert (made["magnitude"][2:-2].argmax(axis=1) == 1000 * 512 / 16000).all()


def test_spectra_of_stereo_and_of_broken_audio_are_refused():
    with pytest.raises(ShapeError, match="one audio channel"):
        spectra(np.zeros((RATE_HZ, 2)), RATE_HZ)
    with pytest.raises(CorpusError, match="NaN or infinite"):
        spectra(np.full(RATE_HZ, np.nan), RATE_HZ)


def test_load_audio_reads_a_compressed_archive(tmp_path):
    plain, packed = tmp_path / "a.npz", tmp_path / "a.npz.gz"
    np.savez(plain, audio=np.array([-32768, 0, 16384], np.int16), fs=48000)
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    assert load_audio(packed).sample_rate_hz == 48000
    np.testing.assert_array_equal(load_audio(packed).audio, load_audio(plain).audio)


@pytest.mark.parametrize("content", [b"", b"not compressed", b"\x1f\x8b\x08\x00cut", b"cut"])
def test_load_audio_refuses_a_broken_compressed_archive(tmp_path, content):
    path = tmp_path / "a.npz.gz"
    whole = gzip.compress(bytes(1000))
    path.write_bytes(whole[:-12] if content == b"cut" else content)
    with pytest.raises(CorpusError, match=r"a\.npz\.gz: cannot be read .*, expected an \.npz file"):
        load_audio(path)
