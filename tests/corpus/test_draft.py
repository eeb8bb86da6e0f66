"""`harness data declare`: a draft that is right about the files, and says what it guessed."""

import shutil
import tomllib

import numpy as np
import pytest
from own_corpus import SUBJECTS, make_arrays

from harness.corpus import open_corpus


@pytest.fixture
def arrays(tmp_path):
    """A folder without a corpus.toml, in the working folder."""
    make_arrays(tmp_path / "lab", n_channels=12, pitch_rate=50, subjects=SUBJECTS[:3])
    return tmp_path / "lab"


def test_draft_says_what_was_guessed(harness, arrays):
    code, out, err = harness("data", "declare", "lab")
    assert (code, err) == (0, "")
    assert out == (
        "# A draft by `harness data declare lab`: check every line, above all those marked as guessed.\n"
        'name = "lab" # guessed: from the name of the folder\n'
        'title = "lab" # guessed\n'
        'licence = "unknown" # guessed: say who may use the recordings, and how\n'
        'citation = "unknown" # guessed: a paper with its DOI, or who to ask\n'
        'kind = "real" # guessed: "simulated" where nothing was measured on a person\n'
        "sample_rate_hz = 64 # guessed: no file says it\n"
        '# default_split = "my-split.json"\n'
        "\n"
        "[channels]\n"
        "count = 12 # guessed: the shorter axis of eeg/P01_story-a.npy, shape (2000, 12)\n"
        "\n"
        "[eeg]\n"
        'files = "eeg/{subject}_{stimulus}.npy" # guessed: 6 files, such as eeg/P01_story-a.npy\n'
        'axes = "times, channels" # guessed: the longer axis is time\n'
        "\n"
        "[features.envelope] # guessed: from features/story-a_envelope.npy\n"
        'title = "envelope" # guessed\n'
        "bands = 1 # guessed: the shorter axis of shape (2000, 1)\n"
        "frame_rate_hz = 64 # guessed: from its length beside the EEG's\n"
        'files = "features/{stimulus}_envelope.npy" # guessed: 2 files, such as features/story-a_envelope.npy\n'
        'axes = "times, bands" # guessed\n'
        "\n"
        "[features.pitch] # guessed: from features/story-a_pitch.npy\n"
        'title = "pitch" # guessed\n'
        "bands = 1 # guessed: the shorter axis of shape (1000, 1)\n"
        "frame_rate_hz = 32 # guessed: from its length beside the EEG's\n"
        'files = "features/{stimulus}_pitch.npy" # guessed: 2 files, such as features/story-a_pitch.npy\n'
        'axes = "times, bands" # guessed\n'
    )


def test_draft_opens_as_it_is(harness, arrays):
    code, out, err = harness("data", "declare", "lab", "--out", "lab/corpus.toml")
    assert (code, out) == (0, "draft written to lab/corpus.toml\n")
    assert err == "next: check every line marked as guessed; then harness data describe lab\n"
    corpus = open_corpus(arrays)
    assert (corpus.subjects, len(corpus.recordings)) == (SUBJECTS[:3], 6)
    assert {name for recording in corpus.recordings for name in recording.feature_series} == {
        "envelope",
        "pitch",
    }


def test_links_that_leave_the_folder_and_those_round_it_are_said(harness, arrays, tmp_path):
    folder = arrays
    shutil.move(folder / "features", tmp_path / "elsewhere")
    (folder / "features").symlink_to(tmp_path / "elsewhere")
    (folder / "round").symlink_to(folder)
    code, out, _ = harness("data", "declare", folder)
    assert code == 0
    assert out.endswith(
        "\n# 1 link to a folder above passed over: round\n"
        f'# "features" leads out of this folder, to "{tmp_path}/elsewhere": it is read as if it lay here.\n'
    )
    code, out, _ = harness("data", "describe", _declared(harness, folder))
    assert (code, "note: 1 link to a folder above passed over: round" in out) == (0, True)


def _declared(harness, folder):
    assert harness("data", "declare", folder, "--out", folder / "corpus.toml")[0] == 0
    return folder


def test_a_file_that_is_there_is_never_overwritten(harness, arrays):
    (arrays / "corpus.toml").write_text("mine")
    code, out, err = harness("data", "declare", "lab", "--out", "lab/corpus.toml")
    assert (code, out) == (2, "")
    assert err == (
        "error: --out lab/corpus.toml: there already, expected a new file.\n"
        "  Remove it, or print the draft without --out.\n"
    )
    assert (arrays / "corpus.toml").read_text() == "mine"


@pytest.mark.parametrize(
    ("n_frames", "drafted"),
    [(2500, 125), (2450, 125), (1250, 62.5), (1280, 64), (1279, 64), (250, 12.5), (10, 0.5), (104, 5.2)],
)
def test_a_features_rate_is_no_rounder_than_its_length_says(harness, tmp_path, n_frames, drafted):
    (tmp_path / "rates").mkdir()
    np.savez(tmp_path / "rates/P1_eeg.npz", eeg=np.zeros((2500, 4)), fs=125)
    np.save(tmp_path / "rates/P1_words.npy", np.zeros((n_frames, 1)))
    draft = tomllib.loads(harness("data", "declare", "rates")[1])
    assert draft["features"]["words"]["frame_rate_hz"] == drafted


def test_rate_and_members_of_an_npz_are_read(harness, tmp_path):
    for subject in ("A", "B"):
        for trial in ("1", "2"):
            np.savez(
                tmp_path / f"{subject}_{trial}.npz",
                data=np.zeros((8, 500)),
                loudness=np.zeros(500),
                fs=np.int64(125),
            )
    draft = tomllib.loads(harness("data", "declare", tmp_path)[1])
    assert draft["sample_rate_hz"] == 125
    assert draft["eeg"] == {
        "files": "{subject}_{stimulus}.npz",
        "axes": "channels, times",
        "member": "data",
    }
    assert draft["features"]["loudness"]["member"] == "loudness"
    assert draft["features"]["loudness"]["files"] == "{subject}_{stimulus}.npz"


def test_sessions_and_runs_are_recognised(harness, tmp_path):
    for subject in ("s1", "s2"):
        for session in ("ses-1", "ses-2"):
            for run in ("run-1", "run-2"):
                path = tmp_path / "rec" / subject / session / f"{subject}_{session}_{run}_eeg.npy"
                path.parent.mkdir(parents=True, exist_ok=True)
                np.save(path, np.zeros((100, 4)))
    draft = tomllib.loads(harness("data", "declare", tmp_path / "rec")[1])
    assert draft["eeg"]["files"] == "{subject}/{session}/{subject}_{session}_{run}_eeg.npy"
    assert [*draft["features"]] == ["envelope"]  # nothing there but EEG: one to be filled in


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: None, "no such folder, expected a folder with .npy or .npz files."),
        (
            lambda path: path.mkdir(),
            "no .npy and no .npz that can be read, expected arrays of EEG and of features.\n"
            "  Save them with numpy.save, one file a recording, (n_times, n_channels).",
        ),
    ],
)
def test_nothing_to_draft_from(harness, tmp_path, make, message):
    make(tmp_path / "empty")
    code, out, err = harness("data", "declare", "empty")
    assert (code, out, err) == (1, "", f"error: empty: {message}\n")


EEG, BAND = (400, 6), (400, 1)


@pytest.mark.parametrize(
    ("files", "drafted", "subjects"),
    [
        (
            {
                f"P_0{i}/{s}_{k}": shape
                for i in (1, 2)
                for s in ("s1", "s2")
                for k, shape in (("eeg", EEG), ("env", BAND))
            },
            {"eeg": "{subject}/{stimulus}_eeg.npy", "env": "{subject}/{stimulus}_env.npy"},
            ("P_01", "P_02"),
        ),
        (
            {f"{p}/{k}": shape for p in ("sub_a_1", "sub_2") for k, shape in (("eeg", EEG), ("env", BAND))},
            {"eeg": "{subject}/eeg.npy", "env": "{subject}/env.npy"},
            ("sub_2", "sub_a_1"),
        ),
        (
            {f"rec/{p}/{s}": EEG for p in ("anna", "ben_2") for s in ("s1", "s2")}
            | {f"features/{s}_env": BAND for s in ("s1", "s2")},
            {"eeg": "rec/{subject}/{stimulus}.npy", "env": "features/{stimulus}_env.npy"},
            ("anna", "ben_2"),
        ),
        (
            {f"eeg/{p}/{s}": EEG for p in ("anna", "ben") for s in ("s1", "s2")}
            | {
                f"features/{k}/{s}": shape for s in ("s1", "s2") for k, shape in (("mel", EEG), ("env", BAND))
            },
            {
                "eeg": "eeg/{subject}/{stimulus}.npy",
                "mel": "features/mel/{stimulus}.npy",
                "env": "features/env/{stimulus}.npy",
            },
            ("anna", "ben"),
        ),
        (
            {
                f"S_{i}/S_{i}_{s}_{k}": shape
                for i in (1, 2)
                for s in ("a_b", "c")
                for k, shape in (("eeg", EEG), ("env", BAND))
            },
            {
                "eeg": "{subject}/{subject}_{stimulus}_eeg.npy",
                "env": "{subject}/{subject}_{stimulus}_env.npy",
            },
            ("S_1", "S_2"),
        ),
        (
            {f"{p}_eeg": EEG for p in ("P_01", "P2")} | {f"{p}_env": BAND for p in ("P_01", "P2")},
            {"eeg": "{subject}_eeg.npy", "env": "{subject}_env.npy"},
            ("P2", "P_01"),
        ),
    ],
    ids=["folders", "folders of more words", "folders of some", "features in folders", "told twice", "files"],
)
def test_a_subject_with_an_underscore_is_a_subject_and_no_feature(
    harness, tmp_path, files, drafted, subjects
):
    for name, shape in files.items():
        path = tmp_path / "lab" / f"{name}.npy"
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(path, np.zeros(shape))
    assert harness("data", "declare", "lab", "--out", "lab/corpus.toml")[0] == 0
    draft = tomllib.loads((tmp_path / "lab/corpus.toml").read_text())
    found = {"eeg": draft["eeg"]["files"]}
    assert found | {name: feature["files"] for name, feature in draft["features"].items()} == drafted
    corpus = open_corpus(tmp_path / "lab")
    assert corpus.subjects == subjects
    assert {name for one in corpus.recordings for name in one.feature_series} == drafted.keys() - {"eeg"}


def test_how_a_name_with_more_words_than_others_is_read_is_said(harness, tmp_path):
    (tmp_path / "lab").mkdir()
    for name in ("P_01_s1", "P_01_s2", "P02_s1", "P02_s2"):
        np.save(tmp_path / f"lab/{name}.npy", np.zeros(EEG))
    out = harness("data", "declare", "lab")[1]
    assert (
        'files = "{subject}_{stimulus}.npy" # guessed: 4 files, such as P02_s1.npy\n'
        '# P_01_s1.npy is read as subject "P", stimulus "01_s1"\n'
        'axes = "times, channels"'
    ) in out
