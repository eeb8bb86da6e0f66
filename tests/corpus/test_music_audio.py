"""A user's audio: paired by number, checked, and made into targets."""

from __future__ import annotations

import shutil

import librosa
import numpy as np
import pytest
from music_fixtures import read_wav, write_wav

from harness.corpus import open_corpus
from harness.corpus.nmedt import AudioChoice
from harness.corpus.nmedt.audio import SUFFIXES, pair
from harness.corpus.nmedt.outline import likeness, outline
from harness.corpus.nmedt.songs import SONGS, TEMPI_BPM
from harness.corpus.nmedt.tempo import tempo_note
from harness.corpus.simulated import music_audio
from harness.errors import CorpusError
from harness.features.music import mel_power, target


@pytest.fixture
def audio(music, tmp_path):
    """A folder of the small tree's three songs, elsewhere."""
    return shutil.copytree(music / "audio", tmp_path / "audio")


def opened(tree, audio, **offsets):
    return open_corpus(tree, audio=AudioChoice(audio, {int(k[4:]): v for k, v in offsets.items()}))


def refused(tree, audio, **offsets):
    with pytest.raises(CorpusError) as caught:
        opened(tree, audio, **offsets)
    return [str(fault) for fault in caught.value.faults]


def second(corpus, number=3, song=0, feature="music-mel"):
    """The target of one second."""
    return corpus.recordings[song].feature_series[feature].read(number * 44, number * 44 + 44)


def test_targets_are_those_of_each_second_of_the_audio(music, audio):
    corpus = opened(music, audio)
    heard = read_wav(audio / "21.wav")[3 * 22050 : 4 * 22050].astype(np.float32)
    expected = librosa.feature.melspectrogram(y=heard, sr=22050).T
    np.testing.assert_allclose(second(corpus), expected, rtol=1e-4, atol=1e-5 * expected.max())
    db = target(mel_power(heard[None]), "music-mel-db")[0]
    np.testing.assert_allclose(second(corpus, feature="music-mel-db"), db, atol=0.05)


def test_without_audio_there_are_no_targets_and_it_says_why(music_copy):
    shutil.rmtree(music_copy / "audio")
    corpus = open_corpus(music_copy)
    assert not corpus.recordings[0].feature_series
    assert str(corpus.absent["music-mel"]) == (
        f"{music_copy}: no audio, so no target of music, expected --audio DIR with one file a song, or a folder"
        " audio/ beside the EEG.\n"
        "  The dataset does not distribute the songs: bring your own, named 21.wav to 30.wav."
    )


def test_files_pair_by_number_and_not_by_the_order_of_their_names(tmp_path):
    for number in range(1, 11):
        (tmp_path / f"{number}.wav").touch()
    assert sorted(path.name for path in tmp_path.iterdir())[1] == "10.wav"
    assert {number: path.name for number, path in pair(tmp_path, SONGS).items()} == {
        number: f"{number - 20}.wav" for number in SONGS
    }


@pytest.mark.parametrize(
    "name", ["21.flac", "song21.ogg", "21 - First Fires.mp3", "01_first_fires.WAV", "1.aiff"]
)
def test_names_that_hold_a_number_are_understood(tmp_path, name):
    (tmp_path / name).touch()
    (tmp_path / "cover.jpg").touch()
    (tmp_path / ".DS_Store").touch()
    assert pair(tmp_path, (21,)) == {21: tmp_path / name}


def test_nine_files_are_refused_by_the_song_that_is_missing(tmp_path):
    for number in SONGS[:-1]:
        (tmp_path / f"{number}.wav").touch()
    with pytest.raises(CorpusError) as caught:
        pair(tmp_path, SONGS)
    assert str(caught.value) == (
        f"--audio {tmp_path}: 9 files; none of song30 (The Last Thing You Should Do, David Bowie), expected one"
        " file for each of 10 songs.\n"
        "  Bring one file a song, named 21.wav to 30.wav."
    )


def test_a_song_twice_a_stranger_and_a_missing_one_are_named_at_once(tmp_path):
    for name in ("21.wav", "1.flac", "cover song.wav", "31.wav", "23.wav"):
        (tmp_path / name).touch()
    with pytest.raises(CorpusError) as caught:
        pair(tmp_path, (21, 22, 23))
    assert [str(fault).split("\n")[0] for fault in caught.value.faults] == [
        f"{tmp_path}/31.wav: no number of a song in its name, expected a name with the song's number, 21 to 30 or"
        " 1 to 10.",
        f"{tmp_path}/cover song.wav: no number of a song in its name, expected a name with the song's number, 21"
        " to 30 or 1 to 10.",
        f"--audio {tmp_path}: 1.flac and 21.wav are both of song21 (First Fires, Bonobo), expected one file a song.",
        f"--audio {tmp_path}: 2 files; none of song22 (Oino, LA Priest), expected one file for each of 3 songs.",
    ]


def test_no_folder_is_refused(music, tmp_path):
    assert refused(music, tmp_path / "none") == [
        f"--audio {tmp_path}/none: no such folder, expected a folder with one audio file a song.\n"
        "  Bring one file a song, named 21.wav to 30.wav."
    ]


def test_one_song_under_two_numbers_is_refused_whatever_its_format(music, audio):
    import soundfile

    samples, _ = soundfile.read(audio / "21.wav", dtype="int16")
    soundfile.write(audio / "22.flac", samples, 22050, subtype="PCM_16")
    (audio / "22.wav").unlink()
    assert refused(music, audio) == [
        f"{audio}/22.flac: the same audio as 21.wav, expected another song in every file."
    ]


@pytest.mark.parametrize("how", ["quieter", "mp3", "after a tenth of a second", "noisy"])
def test_the_same_recording_is_found_in_other_samples_too(music, audio, how):
    import soundfile

    samples = read_wav(audio / "21.wav")
    (audio / "22.wav").unlink()
    if how == "mp3":
        soundfile.write(audio / "22.mp3", samples, 22050)
    elif how == "quieter":
        write_wav(audio / "22.wav", samples / 10)
    elif how == "noisy":
        write_wav(
            audio / "22.wav",
            np.clip(samples + 1e-3 * np.random.default_rng(1).standard_normal(len(samples)), -1, 1),
        )
    else:
        write_wav(audio / "22.wav", np.concatenate([np.zeros(100), samples]))
    name = "22.mp3" if how == "mp3" else "22.wav"
    assert refused(music, audio) == [
        f"{audio}/{name}: the same audio as 21.wav, expected another song in every file."
    ]


def test_three_files_of_one_recording_are_named_at_once(music, audio):
    for name in ("22.wav", "23.wav"):
        shutil.copy(audio / "21.wav", audio / name)
    assert refused(music, audio) == [
        f"{audio}/{name}: the same audio as 21.wav, expected another song in every file."
        for name in ("22.wav", "23.wav")
    ]


def test_outlines_by_hand():
    rng = np.random.default_rng(3)
    one, other = rng.standard_normal((2, 400, 8))
    alike = likeness({21: one, 22: other, 23: 5 * one[30:], 24: np.zeros((10, 8))})
    assert alike[21, 23] == pytest.approx(np.linalg.norm(one[30:]) / np.linalg.norm(one))
    direct = max(np.sum(one[max(0, k) : 400 + k] * other[max(0, -k) : 400 - k]) for k in range(-399, 400))
    assert alike[21, 22] == pytest.approx(direct / (np.linalg.norm(one) * np.linalg.norm(other)))
    assert alike[21, 22] < 0.2
    assert alike[22, 24] == 0


def test_simulated_songs_are_not_alike(music):
    outlines = {n: outline(read_wav(music / f"audio/{n}.wav").astype(np.float32)) for n in (21, 22, 23)}
    assert outlines[21].shape == (1 + round(12.36 * 22050) // 512, 8)
    assert max(likeness(outlines).values()) < 0.4


@pytest.mark.parametrize("name", ["21.m4a", "21.wav.part", "1 first fires.wma"])
def test_a_song_in_a_format_that_is_not_read_is_named(tmp_path, name):
    for number in (22, 23):
        (tmp_path / f"{number}.wav").touch()
    (tmp_path / name).touch()
    with pytest.raises(CorpusError) as caught:
        pair(tmp_path, (21, 22, 23))
    assert str(caught.value) == (
        f"--audio {tmp_path}: 2 files; none of song21 (First Fires, Bonobo), expected one file for each of 3"
        " songs.\n"
        f"  {name}: convert to .wav or .flac what is audio."
    )


def test_a_file_that_falls_silent_is_noted(music, audio):
    samples = read_wav(audio / "21.wav").copy()
    samples[22050 * 9 :] = 0
    write_wav(audio / "21.wav", samples)
    assert "21.wav: 3 of 12 seconds are silent: is it whole?" in opened(music, audio).notes


@pytest.mark.parametrize("n_channels", [2, 6])
def test_channels_are_averaged(music, audio, n_channels):
    expected = second(opened(music, audio))
    mono = read_wav(audio / "21.wav")
    parts = np.zeros((len(mono), n_channels))
    parts[:, 0] = mono  # one channel of six: a sixth of the amplitude
    write_wav(audio / "21.wav", parts)
    np.testing.assert_allclose(second(opened(music, audio)), expected / n_channels**2, rtol=0.05, atol=1e-3)


def test_audio_of_96_khz_is_resampled(music, audio):
    expected = second(opened(music, audio))
    mono = librosa.resample(read_wav(audio / "21.wav"), orig_sr=22050, target_sr=96000)
    write_wav(audio / "21.wav", np.clip(mono, -1, 1), 96000)
    arrived = second(opened(music, audio))
    assert (
        np.corrcoef(np.log(arrived[:, :100] + 1e-3).ravel(), np.log(expected[:, :100] + 1e-3).ravel())[0, 1]
        > 0.999
    )


def test_audio_of_8_khz_is_read_and_noted(music, audio):
    mono = librosa.resample(read_wav(audio / "21.wav"), orig_sr=22050, target_sr=8000)
    write_wav(audio / "21.wav", np.clip(mono, -1, 1), 8000)
    corpus = opened(music, audio)
    assert corpus.notes[0] == "21.wav: 8000 Hz, so mel bands above 4000 Hz hold nothing"
    assert second(corpus)[:, 110:].max() < 1e-3 * second(corpus).max()


@pytest.mark.parametrize("level", [0.0, 0.3])
def test_silence_is_refused(music, audio, level):
    write_wav(audio / "22.wav", np.full(22050 * 12 + 9000, level))
    assert refused(music, audio) == [f"{audio}/22.wav: silence, expected a song."]


def test_a_file_that_is_too_short_or_too_long_is_refused(music, audio):
    write_wav(audio / "21.wav", read_wav(audio / "21.wav")[: 22050 * 8])
    write_wav(audio / "22.wav", np.tile(read_wav(audio / "22.wav"), 3)[: 22050 * 30])
    assert refused(music, audio) == [
        f"{audio}/21.wav: 8.0 s of audio, expected 12 s or more: nothing is padded.\n  Bring the whole song.",
        f"{audio}/22.wav: 30.0 s of audio, expected 12.5 s, as long as its EEG, within 2 s.\n"
        "  Is it another edition of the song? --offset NN=SECONDS skips a lead-in; cut off a longer end.",
    ]


def test_what_is_no_audio_is_refused_by_name(music, audio):
    (audio / "23.wav").write_text("<html>404</html>")
    assert refused(music, audio)[0].startswith(f"{audio}/23.wav: cannot be read (")


def test_an_offset_skips_a_lead_in(music, audio):
    expected = second(opened(music, audio))
    mono = read_wav(audio / "21.wav")
    write_wav(audio / "21.wav", np.concatenate([np.zeros(22050 * 3 // 2), mono]))
    np.testing.assert_allclose(second(opened(music, audio, song21=1.5)), expected, rtol=1e-3, atol=1e-4)


def test_offsets_of_no_song_or_out_of_range_are_refused(music, audio):
    assert refused(music, audio, song29=1.0, song21=-0.5) == [
        "--offset 29=1: song 29, expected one of 21, 22, 23.",
        "--offset 21=-0.5: -0.5 s, expected 0 to 60 seconds of the file before the song.\n"
        "  Where the file begins later than the EEG, put silence before it.",
    ]


def test_simulated_songs_have_their_own_tempo_and_no_other():
    rng = np.random.default_rng(4)
    song = music_audio.song(40, TEMPI_BPM[28], rng).astype(np.float32) / 32768
    assert tempo_note("28.wav", 28, song) == []
    notes = {number: tempo_note("x.wav", number, song) for number in SONGS if number != 28}
    assert sum(map(bool, notes.values())) >= 6  # five beats of one tempo may be four of another
    assert notes[25][0].startswith("x.wav: its beats come ")
    assert notes[25][0].endswith(
        " times a minute, and those of Lebanese Blonde, Thievery Corporation 91.46 times (or twice or half that):"
        " is it the right song?"
    )


def test_suffixes_are_those_that_soundfile_knows():
    import soundfile

    known = {f".{name.lower()}" for name in soundfile.available_formats()}
    assert {".wav", ".flac", ".ogg", ".mp3"} <= set(SUFFIXES) & known
