"""Names that are almost a layout's are named with the likely cause, in every layout; long lists are one line."""

from __future__ import annotations

import json

import numpy as np
import pytest

from harness.corpus import open_corpus
from harness.corpus.almost import almost_notes, likely_cause
from harness.errors import CorpusError

EEG = np.zeros((64, 640), np.float32)
GOOD = "sub-001_ses-a_task-listeningActive_run-01_desc-preproc-audio-tale_eeg.npy"


def preprocessed(root, *names, folder="sub-001/ses-a"):
    place = root / "preprocessed_eeg" / folder
    place.mkdir(parents=True, exist_ok=True)
    (root / "preprocessed_stimuli").mkdir(exist_ok=True)
    np.save(root / "preprocessed_stimuli/tale_-_mel.npy", np.zeros((640, 10), np.float32))
    for name in names:
        (place / name).write_bytes(b"") if name.endswith(".gz") else np.save(place / name, EEG)
    return root


def remedy(folder):
    with pytest.raises(CorpusError) as caught:
        open_corpus(folder)
    return str(caught.value).partition("\n")[2].strip()


@pytest.mark.parametrize(
    ("name", "cause"),
    [
        (GOOD, ""),
        (f"{GOOD}.gz", f"compressed (.gz); unpack it to {GOOD}"),
        (GOOD.replace("sub", "Sub"), "capital letters, where the dataset has other ones"),
        (GOOD.replace("_eeg.npy", "_EEG.npy"), "capital letters, where the dataset has other ones"),
        (GOOD.replace("_run-01", ""), "no 'run-' in the name"),
        (GOOD.replace("_ses-a", ""), "no 'ses-' in the name"),
        (GOOD.replace("audio-tale", "tale"), "no 'audio-<stimulus>' in the name"),
        (GOOD.replace("run-01", "run-one"), "a run that is no number"),
        ("train_sub-001_tale_eeg.npy", "parts of the name joined otherwise than by _-_"),
        (
            "train_-_sub-001_-_tale_-_eeg.npy.gz",
            "compressed (.gz); unpack it to train_-_sub-001_-_tale_-_eeg.npy",
        ),
        ("dtu_s1_000.npz", "capital letters, where the dataset has other ones"),
        ("DTU_S1_000.npz.zip", "compressed (.zip); unpack it to DTU_S1_000.npz"),
        ("Sub-001_mapping.json", "capital letters, where the dataset has other ones"),
        ("Song21_Imputed.mat", "capital letters, where the dataset has other ones"),
        ("song21_Imputed.mat.gz", "compressed (.gz); unpack it to song21_Imputed.mat"),
        ("notes.txt", ""),
        ("sub-001.zip", ""),
    ],
)
def test_a_name_that_is_almost_right_has_a_likely_cause(name, cause):
    assert likely_cause(name) == cause


def test_a_folder_in_another_case_is_the_cause():
    assert likely_cause(f"Sub-001/ses-a/{GOOD}") == "capital letters, Sub-001 where the dataset has sub-001"


def test_many_of_one_cause_are_one_line_with_a_count():
    names = [f"sub-{number:03d}/x/{GOOD}.gz" for number in range(1, 41)]
    assert almost_notes(names, names[:1]) == [
        f"39 files: left out: compressed (.gz); unpack it to {GOOD}: {names[1]}, {names[2]}, {names[3]} and 36 more"
    ]


def test_what_is_almost_a_preprocessed_recording_is_noted_beside_the_others(tmp_path):
    preprocessed(tmp_path, GOOD, GOOD.replace("_run-01", ""), f"{GOOD}.gz")
    preprocessed(tmp_path, GOOD.replace("sub-001", "Sub-002"), folder="Sub-002/ses-a")
    hidden = tmp_path / "preprocessed_eeg/sub-001/ses-a" / f"._{GOOD}"
    hidden.write_bytes(b"left by macOS")
    corpus = open_corpus(tmp_path)
    assert [recording.id for recording in corpus.recordings] == ["sub-001_tale"]
    assert corpus.notes == (
        f"Sub-002/ses-a/{GOOD.replace('sub-001', 'Sub-002')}: left out: capital letters, Sub-002 where the dataset"
        " has sub-002",
        f"sub-001/ses-a/{GOOD}.gz: left out: compressed (.gz); unpack it to {GOOD}",
        f"{GOOD.replace('_run-01', '')}: not a name of the dataset, left out (no 'run-' in the name)",
    )


def test_forty_strange_files_are_one_line(tmp_path):
    preprocessed(tmp_path, GOOD, *(f"sub-001_{number:02d}_eeg.npy" for number in range(40)))
    assert open_corpus(tmp_path).notes == (
        "40 files: not a name of the dataset, left out (no 'ses-' in the name): sub-001_00_eeg.npy,"
        " sub-001_01_eeg.npy, sub-001_02_eeg.npy and 37 more",
    )


def test_linked_session_folders_are_followed_in_every_way(tmp_path):
    preprocessed(tmp_path / "disk", GOOD)
    folder = tmp_path / "corpus/preprocessed_eeg/sub-001"
    folder.mkdir(parents=True)
    (folder / "ses-a").symlink_to(tmp_path / "disk/preprocessed_eeg/sub-001/ses-a")
    (tmp_path / "corpus/preprocessed_stimuli").symlink_to(tmp_path / "disk/preprocessed_stimuli")
    assert [one.id for one in open_corpus(tmp_path / "corpus").recordings] == ["sub-001_tale"]
    other = tmp_path / "other"
    (other / "preprocessed_eeg").mkdir(parents=True)
    (other / "preprocessed_eeg/sub-001").symlink_to(tmp_path / "disk/preprocessed_eeg/sub-001")
    assert [one.id for one in open_corpus(other).recordings] == ["sub-001_tale"]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        (f"Sub-001/ses-a/{GOOD}", "capital letters, Sub-001 where the dataset has sub-001."),
        (f"sub-001/ses-a/{GOOD}.gz", f"compressed (.gz); unpack it to {GOOD}."),
        ("dtu_s1_000.npz", "capital letters, where the dataset has other ones."),
        ("DTU_S1_000.npz.gz", "compressed (.gz); unpack it to DTU_S1_000.npz."),
        ("train_sub-001_tale_eeg.npy", "parts of the name joined otherwise than by _-_."),
        ("sub-001_mapping.json.gz", "compressed (.gz); unpack it to sub-001_mapping.json."),
        ("Song21_Imputed.mat", "capital letters, where the dataset has other ones."),
    ],
)
def test_where_nothing_else_is_there_the_cause_stands_in_place_of_no_corpus(tmp_path, name, said):
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"")
    assert remedy(tmp_path) == f"{name}: left out: {said}"


def test_a_folder_in_itself_is_named(tmp_path):
    preprocessed(tmp_path / "preprocessed_eeg", GOOD)
    (tmp_path / "preprocessed_eeg/preprocessed_stimuli").rename(tmp_path / "preprocessed_stimuli")
    inner = "preprocessed_eeg/preprocessed_eeg is a folder in itself, as unpacking leaves it"
    assert remedy(tmp_path) == f"{inner}: move what is in the inner one up."


def test_raw_recordings_are_sent_to_prepare(tmp_path):
    (tmp_path / "sub-001").mkdir()
    (tmp_path / "sub-001/sub-001_task-listening_eeg.bdf").write_bytes(b"")
    assert remedy(tmp_path) == (
        "Raw recordings (sub-001/sub-001_task-listening_eeg.bdf): `harness data prepare"
        f" {tmp_path} OUT` makes a corpus of them."
    )


def test_trials_that_are_almost_there_are_noted(tmp_path):
    np.savez(tmp_path / "DTU_S9_000.npz", eeg=EEG.T, envelope=np.zeros((640, 1)))
    for name in ("dtu_s9_001.npz", "DTU_S9_002.npz.gz", "._DTU_S9_003.npz", "README.txt"):
        (tmp_path / name).write_bytes(b"")
    assert open_corpus(tmp_path).notes == (
        "DTU_S9_002.npz.gz: left out: compressed (.gz); unpack it to DTU_S9_002.npz",
        "dtu_s9_001.npz: left out: capital letters, where the dataset has other ones",
    )


def test_parts_and_segments_that_are_almost_there_are_noted(tmp_path):
    parts, test_set = tmp_path / "split_data", tmp_path / "test_set"
    parts.mkdir()
    for part in ("train", "val", "test"):
        np.save(parts / f"{part}_-_sub-001_-_tale_-_eeg.npy", EEG.T)
    (parts / "train_-_sub-002_-_tale_-_eeg.npy.gz").write_bytes(b"")
    np.save(parts / "train_sub-003_tale_eeg.npy", EEG.T)
    assert open_corpus(parts).notes == (
        "train_-_sub-002_-_tale_-_eeg.npy.gz: left out: compressed (.gz); unpack it to"
        " train_-_sub-002_-_tale_-_eeg.npy",
        "train_sub-003_tale_eeg.npy: not a name of the dataset, left out (parts of the name joined otherwise than by"
        " _-_)",
    )
    (test_set / "preprocessed_eeg").mkdir(parents=True)
    np.savez(test_set / "preprocessed_eeg/sub-001_eeg.npz", one=EEG.T)
    (test_set / "sub-001_mapping.json").write_text(json.dumps({"sub-001_0": {"eeg": "one"}}))
    (test_set / "sub-002_Mapping.json").write_text("{}")
    (test_set / "._sub-086_mapping.json").write_bytes(b"left by macOS")
    corpus = open_corpus(test_set)
    assert corpus.faults == ()
    assert corpus.notes == (
        "sub-002_Mapping.json: left out: capital letters, where the dataset has other ones",
    )


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("EEG/P01_tale.npy", "EEG/P01_tale.npy would match, in another case."),
        ("eeg/P01_tale.npy.gz", "eeg/P01_tale.npy.gz would match, compressed: unpack them."),
        (
            "eeg/eeg/P01_tale.npy",
            "eeg/eeg/P01_tale.npy would match, one folder further down: name that folder, or put it into the pattern.",
        ),
        ("other/P01-tale.npy", "Correct the pattern, or copy the files there."),
    ],
)
def test_a_pattern_that_almost_matches_says_so(tmp_path, path, said):
    (tmp_path / path).parent.mkdir(parents=True)
    (tmp_path / path).write_bytes(b"")
    (tmp_path / "corpus.toml").write_text(
        'name = "mine"\ntitle = "t"\nlicence = "MIT"\ncitation = "none"\nkind = "real"\nsample_rate_hz = 64\n'
        '[channels]\ncount = 64\n[eeg]\nfiles = "eeg/{subject}_{stimulus}.npy"\n'
        '[features.envelope]\ntitle = "e"\nbands = 1\nfiles = "f/{stimulus}.npy"\n'
    )
    assert remedy(tmp_path) == said
