"""What is one stimulus: by its feature's numbers, whatever files are called."""

import json
from dataclasses import replace

import numpy as np
import pytest
from own_corpus import make_own_corpus, own_split

from harness.corpus import open_corpus
from harness.corpus.base import Series
from harness.evaluation.overlap import seen_and_unseen, stimuli_seen, training_overlap
from harness.submission.training_record import Seen
from harness.tasks.describe import describe
from harness.tasks.identity import same_stimuli
from harness.tasks.task import open_task


@pytest.fixture
def lab(tmp_path):
    """Recordings of a lab: {(subject, stimulus): seed of its envelope}; gives the folder."""

    def make(recordings, dtype=np.float32):
        (tmp_path / "corpus.toml").write_text(
            'name = "lab"\ntitle = "A lab"\nlicence = "none"\ncitation = "none"\nkind = "real"\n'
            "sample_rate_hz = 64\n[channels]\ncount = 3\n"
            '[eeg]\nfiles = "eeg/{subject}_{stimulus}.npy"\naxes = "times, channels"\n'
            '[features.envelope]\ntitle = "Envelope"\nbands = 1\nframe_rate_hz = 64\n'
            'files = "envelope/{subject}_{stimulus}.npy"\n'
        )
        for kind in ("eeg", "envelope"):
            (tmp_path / kind).mkdir(exist_ok=True)
        for k, ((subject, stimulus), seed) in enumerate(recordings.items()):
            eeg = np.random.default_rng(100 + k).standard_normal((320, 3))
            heard = np.random.default_rng(seed).standard_normal((320, 1))
            np.save(tmp_path / "eeg" / f"{subject}_{stimulus}.npy", eeg.astype(np.float32))
            np.save(tmp_path / "envelope" / f"{subject}_{stimulus}.npy", heard.astype(dtype))
        return tmp_path

    return make


def test_names_with_one_feature_are_one_stimulus_under_the_first(lab):
    folder = lab({("P1", "a"): 1, ("P1", "b"): 2, ("P2", "c"): 1, ("P2", "d"): 3, ("P3", "e"): 2})
    corpus = open_corpus(folder)
    assert same_stimuli(corpus.recordings, "envelope") == {"a": "a", "b": "b", "c": "a", "d": "d", "e": "b"}
    assert describe(corpus)["stimuli"] == 3


def test_without_the_feature_a_name_stays_by_itself(lab):
    corpus = open_corpus(lab({("P1", "a"): 1, ("P1", "b"): 1}))
    assert same_stimuli(corpus.recordings, "mel") == {"a": "a", "b": "b"}


def test_of_subjects_looked_at_every_recording_counts_and_names_join_in_chains(lab):
    # P2's a is P1's b, and P2's b is P1's c: all three names are one stimulus.
    recordings = {("P1", "a"): 1, ("P1", "b"): 2, ("P1", "c"): 3, ("P2", "a"): 2, ("P2", "b"): 3}
    corpus = open_corpus(lab(recordings))
    apart = {"a": "a", "b": "b", "c": "c"}
    assert same_stimuli(corpus.recordings, "envelope") == apart
    assert same_stimuli(corpus.recordings, "envelope", ["P2"]) == dict.fromkeys("abc", "a")


def test_a_longer_feature_with_the_same_beginning_is_another_stimulus(lab):
    folder = lab({("P1", "a"): 1, ("P1", "b"): 1})
    file = folder / "envelope" / "P1_b.npy"
    np.save(file, np.concatenate([np.load(file), [[0.5]]]).astype(np.float32))
    assert same_stimuli(open_corpus(folder).recordings, "envelope") == {"a": "a", "b": "b"}


def test_a_feature_that_differs_in_its_first_number_alone_is_another_stimulus(lab):
    folder = lab({("P1", "a"): 1, ("P1", "b"): 1})
    file = folder / "envelope" / "P1_b.npy"
    values = np.load(file)
    values[0] += 1
    np.save(file, values)
    assert same_stimuli(open_corpus(folder).recordings, "envelope") == {"a": "a", "b": "b"}


def test_the_same_numbers_in_another_shape_are_another_stimulus(lab):
    folder = lab({("P1", "a"): 1, ("P1", "b"): 1})
    first, second = open_corpus(folder).recordings
    file = folder / "envelope" / "P1_b.npy"
    np.save(file, np.load(file).reshape(160, 2))
    (piece,) = second.feature_series["envelope"].pieces
    pairs = Series((replace(piece, shape=(160, 2)),), 0, 2)
    np.testing.assert_array_equal(
        pairs.read(0, 160).ravel(), first.feature_series["envelope"].read(0, 320).ravel()
    )
    second = replace(second, feature_series={"envelope": pairs})
    assert same_stimuli([first, second], "envelope") == {"a": "a", "b": "b"}


def test_a_recording_without_the_feature_hides_none_of_those_after_it(lab):
    recordings = {("P1", "a"): 1, ("P1", "b"): 2, ("P1", "c"): 1, ("P2", "a"): 1, ("P2", "d"): 2}
    first, second, *others = open_corpus(lab(recordings)).recordings
    without = replace(first, stimulus="e", feature_series={})
    unknown = replace(first, stimulus="")
    found = same_stimuli([first, without, unknown, second, *others], "envelope")
    assert found == {"a": "a", "e": "e", "b": "b", "c": "a", "d": "b"}


def test_a_stimulus_that_training_saw_under_another_name_was_seen(lab, tmp_path):
    folder = lab({("P1", "a"): 1, ("P2", "b"): 1, ("P2", "c"): 2})
    split = {
        "name": "lab-split",
        "title": "A lab's split",
        "corpora": ["lab"],
        "features": ["envelope"],
        "sample_rate_hz": 64,
        "segment_seconds": 2,
        "cut": "whole-recordings",
        "parts": {"train": {"subjects": ["P1"]}, "test": {"subjects": ["P2"]}},
    }
    (tmp_path / "lab-split.json").write_text(json.dumps(split))
    task = open_task(folder, split_name=tmp_path / "lab-split.json")
    seen = Seen(subjects=frozenset({"P1"}), stimuli=frozenset({"a"}))
    assert stimuli_seen(task, seen) == {"a": True, "c": False}
    overlap = training_overlap(task, seen)
    assert (overlap.stimuli_seen, overlap.stimuli) == (1, 2)
    values = {"P2": np.array([0.1, 0.3, 0.5, 0.7])}
    groups = seen_and_unseen(task, seen, values)
    assert (groups.seen.value, groups.unseen.value) == (pytest.approx(0.2), pytest.approx(0.6))


def test_stimuli_of_every_name_apart_are_as_before(tmp_path):
    folder = make_own_corpus(tmp_path / "lab", n_channels=4)
    split = own_split(tmp_path / "lab-split.json")
    task = open_task(folder, split_name=split.folder / "lab-split.json", feature="envelope")
    names = {segment.recording.stimulus for segment in task.segments}
    assert set(stimuli_seen(task, Seen(subjects=frozenset(), stimuli=frozenset()))) == names


@pytest.mark.dtu
def test_all_dtu_trials_are_one_stimulus(dtu_folder):
    description = describe(open_corpus(dtu_folder))
    assert description["stimuli"] == 1
    assert description["notes"][0].startswith("dtu: all recordings are of one stimulus")
