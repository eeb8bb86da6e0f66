"""NMED-T's layout: the cleaned EEG in both versions of MATLAB files, and every tree that must be refused."""

from __future__ import annotations

import json
import shutil

import librosa
import numpy as np
import pytest
from music_fixtures import TREE, read_wav
from scipy.io import loadmat, savemat

from harness.corpus import open_corpus
from harness.corpus.nmedt import cache
from harness.corpus.nmedt import open as nmedt_open
from harness.corpus.nmedt.matfile import open_song
from harness.corpus.nmedt.matlab5 import check_elements
from harness.corpus.nmedt.songs import Tree
from harness.errors import CorpusError
from harness.tasks.describe import describe, description_text
from harness.tasks.task import open_task


def faults(corpus):
    return list(dict.fromkeys(str(entry.fault) for entry in corpus.faults))


def change(path, song=21, **values):
    """Write a song's file again with other variables; None leaves one out."""
    content = {k: v for k, v in loadmat(path).items() if not k.startswith("__")} | values
    savemat(path, {k: v for k, v in content.items() if v is not None}, do_compression=True)


def test_recordings_are_the_listeners_songs(music):
    corpus = open_corpus(music)
    assert (corpus.name, corpus.layout, corpus.simulated) == ("simulated-nmed-t", "nmed-t", True)
    assert corpus.subjects == ("S02", "S03", "S04", "S05", "S06", "S07")
    assert [one.id for one in corpus.of("S03")] == ["S03_song21", "S03_song22", "S03_song23"]
    assert not corpus.faults
    stored = loadmat(music / "song22_Imputed.mat")["data22"]
    assert stored.shape == (125, 1558, 6)  # 12.46 s
    recording = corpus.of("S03")[1]
    assert recording.n_times == 1500
    np.testing.assert_array_equal(recording.eeg(125, 250), stored[:, 125:250, 1].T)


def test_a_task_gives_raw_eeg_and_44_frames_of_128_bands(music, music_split):
    task = open_task(music, split_name=music_split)
    assert (task.feature, task.n_frames, task.n_bands, task.n_channels) == ("music-mel-db", 44, 128, 125)
    assert [one.id for one in task.segments] == [
        f"S07_song{song}_{second:03d}" for song in (21, 22, 23) for second in (9, 10)
    ]
    assert task.segments[0].eeg().shape == (125, 125)
    assert task.references("S07")["S07_song21_009"].shape == (44, 128)


def test_eeg_and_music_of_a_segment_are_of_the_same_second(music, music_split):
    """Sample 0 of the EEG is the first of the audio: second n of both begins after n whole seconds."""
    task = open_task(music, split_name=music_split, feature="music-mel")
    for segment in task.segments:
        _, song, second = segment.id.split("_")
        number, second = int(song.removeprefix("song")), int(second)
        stored = loadmat(music / f"song{number}_Imputed.mat")[f"data{number}"]
        column = SIX.index(segment.subject)
        expected = stored[:, second * 125 : (second + 1) * 125, column].T
        np.testing.assert_array_equal(segment.eeg(), expected)
        heard = read_wav(music / f"audio/{number}.wav")[second * 22050 : (second + 1) * 22050]
        mel = librosa.feature.melspectrogram(y=heard.astype(np.float32), sr=22050).T
        np.testing.assert_allclose(segment.feature("music-mel"), mel, rtol=1e-4, atol=1e-5 * mel.max())


def test_songs_are_read_once_and_kept(music, monkeypatch):
    open_corpus(music)
    monkeypatch.setattr(nmedt_open, "_write_song", None)  # calling it would fail
    assert len(open_corpus(music).recordings) == 18


def test_an_interrupted_reading_goes_on_where_it_stopped(real_copy, monkeypatch):
    for number in (21, 22, 23):
        change(real_copy / f"song{number}_Imputed.mat", extra=np.ones((1, number)))  # not in the cache yet
    write, read = nmedt_open._write_song, []

    def stop_at_the_second(folder, path, number, tree):
        if len(read) == 1:
            raise KeyboardInterrupt
        read.append(number)
        return write(folder, path, number, tree)

    monkeypatch.setattr(nmedt_open, "_write_song", stop_at_the_second)
    with pytest.raises(KeyboardInterrupt):
        open_corpus(real_copy)
    assert not list(cache.cache_folder().glob("*.partial"))
    read.clear()
    monkeypatch.setattr(nmedt_open, "_write_song", lambda *args: read.append(args[2]) or write(*args))
    assert len(open_corpus(real_copy).recordings) == 18
    assert read == [22, 23]


def test_a_file_of_version_73_gives_the_same_recordings(real_copy):
    h5py = pytest.importorskip("h5py")
    path = real_copy / "song22_Imputed.mat"
    content = loadmat(path)
    expected = [one.eeg(0, 1500) for one in open_corpus(real_copy).of("S05")]
    write_73(h5py, path, content["data22"].astype(np.float64), [str(one[0]) for one in content["subs22"][0]])
    arrived = [one.eeg(0, 1500) for one in open_corpus(real_copy).of("S05")]
    for one, other in zip(arrived, expected, strict=True):
        np.testing.assert_array_equal(one, other)


def write_73(h5py, path, data, listeners, number=22):
    with h5py.File(path, "w", userblock_size=512) as file:
        file.create_dataset(f"data{number}", data=data.T, compression="gzip", compression_opts=1)
        file["fs"] = np.array([[125.0]])
        references = []
        for place, name in enumerate(listeners):
            cell = file.create_dataset(f"#refs#/{place}", data=np.array([[ord(c)] for c in name], np.uint16))
            references.append([cell.ref])
        file.create_dataset(f"subs{number}", data=np.array(references, dtype=h5py.ref_dtype))
    with path.open("r+b") as file:
        file.write(b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(128))


def test_listeners_go_by_id_and_not_by_column(real_copy):
    expected = open_corpus(real_copy).of("S02")[1].eeg(0, 125)
    content = loadmat(real_copy / "song22_Imputed.mat")
    change(
        real_copy / "song22_Imputed.mat",
        data22=content["data22"][:, :, ::-1],
        subs22=content["subs22"][:, ::-1],
    )
    corpus = open_corpus(real_copy)
    assert corpus.subjects[0] == "S02"
    np.testing.assert_array_equal(corpus.of("S02")[1].eeg(0, 125), expected)


@pytest.mark.parametrize("kind", ["float64", "float32", "int16", "uint8"])
def test_any_class_of_number_is_read(real_copy, kind):
    content = loadmat(real_copy / "song21_Imputed.mat")
    values = np.abs(content["data21"].astype(np.int64)).astype(kind)
    change(real_copy / "song21_Imputed.mat", data21=values)
    np.testing.assert_array_equal(open_corpus(real_copy).of("S04")[0].eeg(0, 125), values[:, :125, 2].T)


def cut(path):
    path.write_bytes(path.read_bytes()[:3000])


def flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(bytes(content))


BROKEN = {
    "cut": (
        cut,
        r"song22_Imputed\.mat: cannot be read \(.+\), expected a MATLAB file of version 5 or 7\.3\.\n",
    ),
    "a flipped byte": (flip, r"song22_Imputed\.mat: cannot be read \(.+\), expected a MATLAB file"),
    "empty": (lambda path: path.write_bytes(b""), r"song22_Imputed\.mat: an empty file, expected a MATLAB"),
    "a web page": (
        lambda path: path.write_text("<!DOCTYPE html><html>404</html>"),
        r"song22_Imputed\.mat: a web page, expected a MATLAB file",
    ),
    "a pointer": (
        lambda path: path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n"),
        r"song22_Imputed\.mat: a Git LFS pointer, expected the file itself\.\n  git lfs pull fetches it\.",
    ),
    "a header alone": (
        lambda path: path.write_bytes(path.read_bytes()[:128]),
        r"song22_Imputed\.mat: a MATLAB file without any variable, expected data22, fs and subs22\.",
    ),
    "another song's variables": (
        lambda path: shutil.copy(path.with_name("song21_Imputed.mat"), path),
        r"song22_Imputed\.mat: no data22 and no subs22; it holds .+, expected data22, fs and subs22\.\n"
        r"  Is it song21_Imputed\.mat under another name\?",
    ),
    "124 electrodes": (
        lambda path: change(path, data22=loadmat(path)["data22"][:124]),
        r"song22_Imputed\.mat: data22: shape \(124, 1558, 6\), expected \(125, T, 6\), electrode, time, listener\.",
    ),
    "axes reversed": (
        lambda path: change(path, data22=loadmat(path)["data22"].T),
        r"data22: shape \(6, 1558, 125\), expected \(125, T, 6\), electrode, time, listener\.\n  Axes look reversed",
    ),
    "another rate": (
        lambda path: change(path, fs=[[1000.0]]),
        r"song22_Imputed\.mat: fs: 1000 Hz, expected 125 Hz, the cleaned EEG's rate\.",
    ),
    "too short": (
        lambda path: change(path, data22=loadmat(path)["data22"][:, :1499]),
        r"song22_Imputed\.mat: data22: 1499 samples of EEG, expected 12 s or more, 1500 samples\.",
    ),
    "five listeners": (
        lambda path: change(
            path, data22=loadmat(path)["data22"][:, :, :5], subs22=loadmat(path)["subs22"][:, :5]
        ),
        r"song22_Imputed\.mat: subs22: 5 listeners, expected 6\.",
    ),
    "a listener twice": (
        lambda path: change(path, subs22=np.array(["S02", "S02", "S04", "S05", "S06", "S07"], object)[None]),
        r"song22_Imputed\.mat: subs22: S02 named twice, expected every listener once\.",
    ),
    "another listener": (
        lambda path: change(path, subs22=np.array(["S02", "S99", "S04", "S05", "S06", "S07"], object)[None]),
        r"song22_Imputed\.mat: subs22: without S03 and with S99, expected the listeners of song21_Imputed\.mat\.",
    ),
    "NaN": (
        lambda path: change(path, data22=with_nan(loadmat(path)["data22"])),
        r"listener S04: NaN or infinite numbers in E8, the first at sample 1551, expected finite numbers\.",
    ),
    "a dead electrode": (
        lambda path: change(path, data22=dead(loadmat(path)["data22"])),
        r"listener S03: E1, Cz are 0 throughout, expected a signal in every electrode",
    ),
}


def matlab_cell(names):
    return np.array(names, object)[None]


SIX = ["S02", "S03", "S04", "S05", "S06", "S07"]
OTHER_VARIABLES = {
    "no rate": ({"fs": None}, "no fs; it holds data22, subs22, expected data22, fs and subs22.\n  Download the"),
    "other names": (
        {"data22": None, "subs22": None, "X": np.ones((2, 2))},
        "no data22 and no subs22; it holds fs, X, expected data22, fs and subs22.\n  Download the",
    ),
    "no number as rate": (
        {"fs": np.zeros((0, 0))},
        "fs: not one number, expected 125 Hz, the cleaned EEG's rate.",
    ),
    "text as rate": ({"fs": "125"}, "fs: not one number, expected 125 Hz, the cleaned EEG's rate."),
    "a rate that is nearly right": ({"fs": [[125.0001]]}, "fs: 125.0001 Hz, expected 125 Hz, the"),
    "numbers as ids": ({"subs22": np.arange(6.0)[None]}, "subs22: 0 listeners, expected a cell of 6 strings."),
    "an empty id": ({"subs22": matlab_cell(["", *SIX[1:]])}, "subs22: the ids '', expected ids of letters"),
    "an id that is a path": (
        {"subs22": matlab_cell(["../S02", *SIX[1:]])},
        "subs22: the ids '../S02', expected ids of letters and digits, like S02.",
    ),
    "complex numbers": (
        {"data22": np.ones((125, 1558, 6)) * 1j},
        "data22: dtype complex128, expected real numbers.",
    ),
    "a struct": ({"data22": {"a": 1.0}}, "data22: shape (1, 1), expected (125, T, 6), electrode, time, listener."),
    "129 electrodes": (
        {"data22": np.ones((129, 1558, 6))},
        "data22: shape (129, 1558, 6), expected (125, T, 6), electrode, time, listener.",
    ),
    "numbers beyond float32": (
        {"data22": np.arange(125 * 1558 * 6.0).reshape(125, 1558, 6) * 1e60},
        "listener S07: numbers too large for float32 in E1, E2, E3, E4, E5 and 120 more, the first at sample 0,",
    ),
    "one number in every sample": (
        {"data22": np.where(np.arange(125)[:, None, None] == 3, 7, np.arange(1558)[:, None] + np.arange(6))},
        "listener S05: E4 is one number throughout, expected a signal in every electrode",
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", OTHER_VARIABLES)
def test_variables_of_another_kind_are_refused_by_name(real_copy, what):
    values, message = OTHER_VARIABLES[what]
    change(real_copy / "song22_Imputed.mat", **values)
    found = [fault for fault in faults(open_corpus(real_copy)) if f"song22_Imputed.mat: {message}" in fault]
    assert len(found) == 1


def test_in_a_file_of_version_73_too(real_copy):
    """A struct is a group there, a cell of nothing has null references, and an empty text its sizes."""
    h5py = pytest.importorskip("h5py")
    path = real_copy / "song22_Imputed.mat"
    data = loadmat(path)["data22"]
    write_73(h5py, path, data, SIX)
    with h5py.File(path, "r+") as file:
        del file["data22"], file["fs"]
        file.create_group("data22")["a"] = 1.0
        file["fs"] = np.zeros((1, 0))
    assert faults(open_corpus(real_copy)) == [
        f"{path}: data22: dtype object, expected real numbers.",
        f"{path}: data22: shape (), expected (125, T, 6), electrode, time, listener.",
        f"{path}: fs: not one number, expected 125 Hz, the cleaned EEG's rate.",
    ]
    for dtype, expected in (
        (np.dtype(float), f"{path}: subs22: 0 listeners, expected a cell of 6 strings."),
        (h5py.ref_dtype, f"{path}: subs22: the ids '', expected ids of letters and digits, like S02."),
    ):
        write_73(h5py, path, data, SIX)
        with h5py.File(path, "r+") as file:
            del file["subs22"]
            file.create_dataset("subs22", shape=(6, 1), dtype=dtype)
        assert expected in faults(open_corpus(real_copy))


@pytest.mark.parametrize("size", [200, 511, 600, 50_000, -1])
def test_a_file_of_version_73_that_was_cut_is_refused(real_copy, size):
    h5py = pytest.importorskip("h5py")
    path = real_copy / "song22_Imputed.mat"
    write_73(h5py, path, loadmat(path)["data22"], SIX)
    path.write_bytes(path.read_bytes()[:size])
    (fault,) = faults(open_corpus(real_copy))
    assert fault.startswith(f"{path}: cannot be read (Unable to synchronously open file (")
    assert fault.endswith("), expected a MATLAB file of version 5 or 7.3.\n  Download the file again.")


def test_a_full_disk_is_not_said_of_the_file(real_copy, monkeypatch):
    change(real_copy / "song22_Imputed.mat", extra=np.ones((1, 7)))

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(nmedt_open.np, "save", full)
    (fault,) = faults(open_corpus(real_copy))
    assert fault.startswith(f"{cache.cache_folder()}/")
    assert fault.endswith(
        ": No space left on device, expected a cache.\n"
        "  Make room, or name another cache folder with XDG_CACHE_HOME."
    )


def test_faults_of_eeg_and_audio_are_named_at_once(real_copy):
    (real_copy / "song22_Imputed.mat").write_bytes(b"")
    (real_copy / "audio/23.wav").write_bytes(b"")
    with pytest.raises(CorpusError) as caught:
        open_corpus(real_copy)
    first, second = map(str, caught.value.faults)
    assert first.startswith(f"{real_copy}/song22_Imputed.mat: an empty file")
    assert second.startswith(f"{real_copy}/audio/23.wav: cannot be read (")


def test_a_song_under_nearly_its_name_is_pointed_out(real_copy, music_split):
    (real_copy / "song22_Imputed.mat").rename(real_copy / "song22_Imputed (1).mat")
    with pytest.raises(CorpusError) as caught:
        open_task(real_copy, split_name=music_split)
    assert str(caught.value).startswith(
        f"{real_copy}/song22_Imputed.mat: no such file, expected the EEG of song 22.\n"
        "  Is it song22_Imputed (1).mat under another name?"
    )


def with_nan(data):
    data = data.astype(np.float64)
    data[7, 1551, 2] = np.nan  # behind what is kept
    return data


def dead(data):
    data = data.copy()
    data[[0, 124], :, 1] = 0
    return data


@pytest.mark.slow
@pytest.mark.parametrize("what", BROKEN)
def test_a_broken_file_is_refused_by_name_and_described(real_copy, music_split, what):
    breaking, message = BROKEN[what]
    breaking(real_copy / "song22_Imputed.mat")
    corpus = open_corpus(real_copy)
    assert len(faults(corpus)) == (2 if what == "five listeners" else 1)
    with pytest.raises(CorpusError, match=message):
        open_task(real_copy, split_name=music_split, partial=True)
    text = description_text(describe(corpus))
    assert f"broken: {faults(corpus)[0]}" in text


def test_every_fault_of_a_file_is_named_at_once(real_copy):
    path = real_copy / "song21_Imputed.mat"
    change(path, data21=loadmat(path)["data21"][:100], fs=[[250.0]], subs21=loadmat(path)["subs21"][:, :4])
    assert len(faults(open_corpus(real_copy))) == 3


def test_the_tenth_song_under_its_wrong_name_is_refused(real_copy):
    (real_copy / "song23_Imputed.mat").rename(real_copy / "song210_Imputed.mat")
    corpus = open_corpus(real_copy)
    assert faults(corpus) == [
        f"{real_copy}/song210_Imputed.mat: a file of song 210, expected song21 to song23.\n"
        "  Song 10 is song30_Imputed.mat."
    ]


def test_a_missing_song_is_refused_and_allowed_on_request(real_copy, music_split):
    (real_copy / "song22_Imputed.mat").unlink()
    with pytest.raises(CorpusError) as caught:
        open_task(real_copy, split_name=music_split)
    assert str(caught.value) == (
        f"{real_copy}/song22_Imputed.mat: no such file, expected the EEG of song 22.\n"
        "  --partial goes on with those that are there; the record names the others."
    )
    task = open_task(real_copy, split_name=music_split, partial=True)
    assert task.stimuli_missing == ("song22",)
    assert len(task.segments) == 4
    text = description_text(describe(open_corpus(real_copy)))
    assert f"broken: {real_copy}/song22_Imputed.mat: no such file, expected the EEG of song 22." in text


def test_no_song_at_all_is_refused_with_every_reason(real_copy):
    for path in real_copy.glob("*.mat"):
        path.write_bytes(b"")
    with pytest.raises(CorpusError) as caught:
        open_corpus(real_copy)
    assert len(caught.value.faults) == 3


def test_a_changed_file_of_a_simulated_tree_is_refused(music_copy, music_split):
    change(music_copy / "song22_Imputed.mat", extra=np.ones((1, 1)))
    corpus = open_corpus(music_copy)
    assert corpus.simulated
    assert len(faults(corpus)) == 1
    assert faults(corpus)[0].startswith(f"{music_copy}/song22_Imputed.mat: sha256 ")


def test_nothing_of_the_tree_and_of_its_cache_is_open_to_a_predictor(music, music_split):
    task = open_task(music, split_name=music_split)
    hidden = set(task.private)
    assert {music, cache.cache_folder(), music / "audio"} <= hidden


def test_expected_sizes_of_the_dataset_itself():
    assert (len(Tree().songs), Tree().n_listeners, Tree().n_times) == (10, 20, 33750)
    assert TREE.n_times == 1500


def test_a_marker_says_what_a_simulated_tree_should_hold(music):
    marker = json.loads((music / "SIMULATED.json").read_text())
    assert marker["recipe"] == {
        "seed": 1, "n_songs": 3, "n_listeners": 6, "seconds": 12, "snr": 0.9, "arousal": 0.3,
    }  # fmt: skip
    assert sorted(marker["files"]) == [
        "audio/21.wav", "audio/22.wav", "audio/23.wav",
        "song21_Imputed.mat", "song22_Imputed.mat", "song23_Imputed.mat",
    ]  # fmt: skip


def test_a_damaged_file_that_is_not_compressed_is_refused_and_ends_no_process(tmp_path):
    """scipy takes tags at their word: of these files, some end the process that reads them."""
    rng = np.random.default_rng(8)
    path, tree = tmp_path / "song21_Imputed.mat", Tree((21,), 3, 0)
    data = rng.integers(-9, 9, (125, 4, 3)).astype(np.int8)
    savemat(path, {"data21": data, "fs": [[125.0]], "subs21": matlab_cell(SIX[:3])})
    whole = path.read_bytes()
    refused = []
    for _ in range(300):
        content = bytearray(whole)
        for place in rng.integers(128, len(content), 4):
            content[place] = rng.integers(256)
        for place in (145, 193, 1780, 1900)[: rng.integers(5)]:
            content[place] = rng.integers(256)
        path.write_bytes(content)
        try:
            with open_song(path, 21, tree) as song:
                assert all(song.eeg(number).shape == (4, 125) for number in range(3))
        except CorpusError as error:
            refused.append(str(error))
    assert 30 < len(refused) < 300
    assert all(one.startswith(f"{path}: ") for one in refused)


def test_files_of_version_5_that_scipy_reads_pass_the_look_at_their_elements(tmp_path):
    from scipy.sparse import csc_array

    path = tmp_path / "x.mat"
    values = {
        "text": "abc",
        "lines": np.array(["ab", "cd"]),
        "none": np.zeros((0, 3)),
        "both": np.ones((2, 2)) * 1j,
        "cells": np.array([np.ones(3), "x", np.array([], object)], object),
        "record": {"a": 1, "b": {"c": "d"}},
        "few": csc_array(np.eye(3)),
        "yes": np.array([True]),
        "large": np.arange(2**17, dtype=np.int64),
    }
    for compressed in (False, True):
        savemat(path, values, do_compression=compressed)
        check_elements(path)
        assert "record" in loadmat(path)
    path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(ValueError, match=r"^an element of \d+ bytes at byte \d+, where \d+ end it$"):
        check_elements(path)
