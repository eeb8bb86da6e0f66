"""What SparrKULee's public pipeline makes, read in place: other folders, and a mel of 28 bands."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest

from harness.corpus import open_corpus
from harness.corpus.locate import layouts
from harness.errors import CorpusError

NAME = "sub-027_ses-a_task-listeningActive_run-08_desc-preproc-audio-tale_eeg.npy"


def tree(root, eeg="derivatives/eeg", stimuli="derivatives/stimuli", n_bands=28, eeg_samples=7808):
    """One recording as the pipeline leaves it: EEG in float64 that is longer than the envelope and the mel."""
    (root / eeg / "sub-027/ses-a").mkdir(parents=True)
    (root / stimuli).mkdir(parents=True, exist_ok=True)
    np.save(root / eeg / "sub-027/ses-a" / NAME, np.zeros((64, eeg_samples)))
    np.save(root / stimuli / "tale_-_envelope.npy", np.ones((7642, 1)))
    np.save(root / stimuli / "tale_-_mel.npy", np.full((7639, n_bands), n_bands, np.float32))
    return root


@pytest.mark.parametrize(
    ("eeg", "stimuli"),
    [
        ("derivatives/eeg", "derivatives/stimuli"),
        ("eeg", "stimuli"),
        ("derivatives/preprocessed_eeg", "derivatives/preprocessed_stimuli"),
        ("derivatives/my_eeg", "derivatives/my_features"),
    ],
)
@pytest.mark.parametrize("inside", [False, True], ids=["root", "folder"])
def test_the_folders_may_have_any_name_that_the_configuration_gives(tmp_path, eeg, stimuli, inside):
    root = tree(tmp_path, eeg, stimuli)
    corpus = open_corpus(root / eeg if inside else root)
    assert (corpus.name, corpus.layout, corpus.faults) == ("sparrkulee", "preprocessed", ())
    assert [recording.id for recording in corpus.recordings] == ["sub-027_tale"]
    assert set(corpus.recordings[0].feature_series) == {"mel-28", "envelope"}


@pytest.mark.parametrize("eeg", ["out/my_eeg", "a/b/c/eeg", "derivatives/deeper/eeg"])
def test_the_folder_above_may_have_any_name_too(tmp_path, eeg):
    root = tree(tmp_path / "root", eeg, str(Path(eeg).with_name("my_features")))
    for place in (root, root / eeg, (root / eeg).parent):
        corpus = open_corpus(place)
        assert corpus.folder == root / eeg
        assert set(corpus.recordings[0].feature_series) == {"mel-28", "envelope"}


def test_of_two_trees_in_folders_of_other_names_none_is_guessed(tmp_path):
    tree(tmp_path, "a/eeg", "a/stimuli")
    tree(tmp_path, "b/eeg", "b/stimuli")
    with pytest.raises(CorpusError, match="Preprocessed EEG lies in a/eeg, b/eeg: name one of these"):
        open_corpus(tmp_path)


def test_a_recording_without_a_run_is_named_where_there_is_no_other(tmp_path):
    root = tree(tmp_path)
    path = root / "derivatives/eeg/sub-027/ses-a" / NAME
    path.rename(path.with_name(NAME.replace("_run-08", "")))
    with pytest.raises(CorpusError, match=r"no recording, .*\n.*left out \(no 'run-' in the name\)"):
        open_corpus(root)


def test_the_challenges_folder_goes_before_the_pipelines(tmp_path):
    tree(tree(tmp_path), "derivatives/preprocessed_eeg", "derivatives/preprocessed_stimuli", n_bands=10)
    assert layouts(tmp_path) == {"preprocessed": tmp_path / "derivatives/preprocessed_eeg"}
    assert set(open_corpus(tmp_path).recordings[0].feature_series) == {"mel", "envelope"}


def test_the_number_of_bands_says_which_mel_a_file_holds(tmp_path):
    recording = open_corpus(tree(tmp_path)).recordings[0]
    np.testing.assert_array_equal(recording.feature("mel-28", 0, 3), np.full((3, 28), 28))
    np.save(tmp_path / "derivatives/stimuli/tale_-_mel-28.npy", np.zeros((7639, 28), np.float32))
    recording = open_corpus(tmp_path).recordings[0]
    assert not recording.feature("mel-28", 0, 3).any()  # the very name goes before


def test_a_mel_of_neither_number_is_broken_and_leaves_the_envelope(tmp_path):
    corpus = open_corpus(tree(tmp_path, n_bands=12))
    assert [(entry.feature, entry.fault.arrived) for entry in corpus.faults] == [
        ("mel", "mel of shape (7639, 12)")
    ]
    assert set(corpus.recordings[0].feature_series) == {"envelope"}


def test_eeg_may_go_on_for_three_seconds_after_its_features_and_no_more(tmp_path):
    assert open_corpus(tree(tmp_path / "a", eeg_samples=7639 + 192)).faults == ()
    faults = open_corpus(tree(tmp_path / "b", eeg_samples=7639 + 193)).faults
    assert [entry.feature for entry in faults] == ["mel-28"]


def test_a_real_recording_of_the_pipeline_is_read():
    folder = os.environ.get("HARNESS_TEST_REAL")
    if not folder:
        pytest.skip("HARNESS_TEST_REAL does not name a folder of real recordings")
    corpus = open_corpus(Path(folder) / "sparrkulee")
    assert corpus.faults == ()
    (recording,) = corpus.recordings
    assert recording.id == "sub-027_audiobook_7_5"
    assert recording.eeg_series.n_times == 7808
    lengths = {name: series.n_times for name, series in recording.feature_series.items()}
    assert lengths == {"mel-28": 7639, "envelope": 7642}
    assert 1 < recording.eeg(0, 7639).std() < 20


def test_what_the_pipeline_made_is_scored_in_place(tmp_path, harness, make_submission):
    root = tree(tmp_path / "made")
    rng = np.random.default_rng(0)
    envelope = np.convolve(rng.standard_normal(7642), np.ones(8) / 8, "same")
    np.save(root / "derivatives/stimuli/tale_-_envelope.npy", envelope[:, None])
    mel = rng.standard_normal((7639, 28)).astype(np.float32)
    np.save(root / "derivatives/stimuli/tale_-_mel.npy", mel)
    eeg = rng.standard_normal((64, 7808))
    eeg[0, :7642] += envelope
    eeg[1:29, :7639] += 3 * mel.T
    np.save(root / "derivatives/eeg/sub-027/ses-a" / NAME, eeg)
    body = "first = 0 if self.n_bands == 1 else 1\nreturn eeg[:, :, first : first + self.n_bands]"
    system = make_submission("plain", body, features=["mel-28", "envelope"])
    asked = ("--data", root, "--split", "known-subjects", "--part", "val", "--json")
    code, out, error = harness("score", system, *asked, "--feature", "envelope")
    assert code == 0, error
    record = json.loads(out)
    assert (record["feature"], list(record["subjects"])) == ("envelope", ["sub-027"])
    assert 0.2 < record["score"] < 0.5
    assert record["corpus"]["name"] == "sparrkulee"
