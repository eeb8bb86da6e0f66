"""SparrKULee's layouts, the challenge's test set and DTU trials, read in place."""

import json
import re
import shutil
from dataclasses import replace

import numpy as np
import pytest

from harness.corpus import open_corpus
from harness.corpus.base import cut_in_time
from harness.errors import CorpusError, SplitError
from harness.tasks.fingerprint import Fingerprint
from harness.tasks.segments import cut_segments, stretches
from harness.tasks.splits import load_split


@pytest.fixture
def tree(official_split, tmp_path):
    """A copy of the official fixture that may be damaged."""
    shutil.copytree(official_split, tmp_path / "tree")
    return tmp_path / "tree"


def _eeg(tree, subject="sub-043", stimulus="podcast_3"):
    return next(tree.rglob(f"{subject}_*audio-{stimulus}_eeg.npy"))


def _message(caught):
    return [str(fault) for fault in caught.value.faults]


def test_cut_in_time_is_the_organisers(official_split):
    # The organisers' own script wrote these files: 1349 and 1156 samples are the shortest features.
    for stimulus, n_times in (("audiobook_1", 1349), ("podcast_3", 1156)):
        lengths = tuple(
            len(np.load(official_split / f"derivatives/split_data/{part}_-_sub-001_-_{stimulus}_-_mel.npy"))
            for part in ("train", "val", "test")
        )
        assert cut_in_time(n_times) == lengths


@pytest.mark.parametrize("split_name", ["small", "known-subjects"])
@pytest.mark.parametrize("part", ["train", "val", "test"])
def test_both_layouts_give_identical_segments(official_split, small_split, tmp_path, split_name, part):
    if split_name == "small":
        split = load_split(small_split)
    else:  # 30 s would leave no segment of these short recordings
        document = json.loads((small_split).read_text()) | {
            "name": "known",
            "cut": "in-time",
            "time_fractions": {"train": 0.8, "val": 0.1, "test": 0.1},
            "segment_seconds": 0.5,
            "parts": {name: {"subjects": "all"} for name in ("train", "val", "test")},
        }
        path = tmp_path / "known.json"
        path.write_text(json.dumps(document))
        split = load_split(path)
    prints = []
    ids = []
    for layout in ("preprocessed", "split_data"):
        corpus = open_corpus(official_split, layout=layout)
        assert corpus.layout == layout
        segments = cut_segments(corpus, split, part)
        digest = Fingerprint()
        for segment in segments:
            digest.add_eeg(segment.id, segment.eeg())
            for feature in ("mel", "envelope"):
                digest.add_reference(f"{segment.id} {feature}", segment.feature(feature))
        prints.append(digest.hexdigest())
        ids.append([segment.id for segment in segments])
    assert prints[0] == prints[1]
    assert ids[0] == ids[1]
    assert len(ids[0]) > 0


def test_segment_ids_name_subject_stimulus_and_index(official_split, small_split):
    segments = cut_segments(open_corpus(official_split), load_split(small_split), "test")
    assert segments[0].id == "sub-043_audiobook_1_000"
    assert segments[-1].id == "sub-043_podcast_3_008"
    assert segments[1].start == 128


def test_segments_hold_the_numbers_of_the_files(official_split, small_split):
    segment = cut_segments(open_corpus(official_split), load_split(small_split), "train")[3]
    raw = np.load(_eeg(official_split, "sub-001", "audiobook_1"))
    mel = np.load(official_split / "derivatives/preprocessed_stimuli/audiobook_1_-_mel.npy")
    assert np.array_equal(segment.eeg(), raw[:64, 384:512].T)
    assert np.array_equal(segment.feature("mel"), mel[384:512])
    assert segment.eeg().dtype == np.float32


def test_in_time_parts_do_not_overlap(official_split):
    corpus = open_corpus(official_split)
    split = load_split("known-subjects")
    bounds = [[(a, b) for _, a, b in stretches(corpus, split, part)] for part in ("train", "val", "test")]
    for train, val, test in zip(*bounds, strict=True):
        assert train[0] == 0
        assert train[1] == val[0]
        assert val[1] == test[0]


def test_cuts_to_the_shortest_are_reported(official_split):
    assert open_corpus(official_split).notes == (
        "6 recordings cut to the shortest of EEG and features, by 9 samples at most (sub-043_audiobook_1)",
    )


def test_more_than_64_channels_are_cut_to_the_eeg(tree, small_split):
    path = _eeg(tree)
    raw = np.load(path)
    np.save(path, np.vstack([raw, np.full((8, raw.shape[1]), 9e9, raw.dtype)]))
    segments = cut_segments(open_corpus(tree), load_split(small_split), "test")
    assert all(segment.eeg().shape == (128, 64) for segment in segments)
    assert max(np.abs(segment.eeg()).max() for segment in segments) < 9e9


def test_challenge_test_set_has_the_organisers_ids(official_split):
    corpus = open_corpus(official_split / "test_set")
    segments = cut_segments(corpus, load_split("challenge-2024"), "test")
    assert [segment.id for segment in segments] == [
        "segment_sub-086_0",
        "segment_sub-086_1",
        "segment_sub-087_0",
        "segment_sub-087_1",
    ]
    assert segments[0].eeg().shape == (1920, 64)


def test_split_of_given_segments_needs_a_test_set(official_split):
    with pytest.raises(SplitError, match="the layout preprocessed"):
        cut_segments(open_corpus(official_split), load_split("challenge-2024"), "test")


def test_split_of_another_corpus_is_refused(official_split):
    with pytest.raises(SplitError, match="split dtu: the corpus sparrkulee .* expected a corpus of dtu"):
        cut_segments(open_corpus(official_split), load_split("dtu"), "val")


def test_missing_subjects_are_named(official_split):
    with pytest.raises(CorpusError) as caught:
        cut_segments(open_corpus(official_split), load_split("held-out-subjects"), "train")
    assert _message(caught) == [
        f"{official_split}/derivatives/preprocessed_eeg: part train of split held-out-subjects: 67 of 69"
        " subjects are not in the corpus: sub-002, sub-003, sub-004, sub-005, sub-006 and 62 more,"
        " expected recordings of every subject.\n"
        "  --partial goes on with those that are there."
    ]


def test_missing_folder(tmp_path):
    with pytest.raises(CorpusError) as caught:
        open_corpus(tmp_path / "nowhere")
    assert _message(caught) == [
        f"{tmp_path}/nowhere: no such folder, expected the folder of a corpus.\n"
        "  Check --data or HARNESS_DATA."
    ]


def test_empty_folder(tmp_path):
    with pytest.raises(CorpusError, match="an empty folder"):
        open_corpus(tmp_path)


def test_eeg_without_stimulus(tree, small_split):
    for path in tree.glob("derivatives/preprocessed_stimuli/podcast_3*"):
        path.unlink()
    with pytest.raises(CorpusError) as caught:
        cut_segments(open_corpus(tree), load_split(small_split), "test")
    assert _message(caught) == [
        f"{_eeg(tree).name}: no features of the stimulus podcast_3, expected podcast_3_-_mel.npy or"
        f" podcast_3_-_envelope.npy in {tree}/derivatives/preprocessed_stimuli.\n"
        "  Copy the file there, or remove the recording."
    ]


def test_faults_of_other_parts_do_not_matter(tree, small_split):
    _eeg(tree, "sub-001").write_bytes(b"")
    assert cut_segments(open_corpus(tree), load_split(small_split), "test")
    with pytest.raises(CorpusError, match="no .npy header"):
        cut_segments(open_corpus(tree), load_split(small_split), "train")


def test_swapped_eeg(tree, small_split):
    path = _eeg(tree)
    np.save(path, np.load(path).T)
    with pytest.raises(CorpusError) as caught:
        cut_segments(open_corpus(tree), load_split(small_split), "test")
    assert _message(caught) == [
        f"{path}: EEG of shape (1156, 64), expected (64, n_times).\n  Axes look swapped: save array.T."
    ]


def test_truncated_eeg(tree, small_split):
    path = _eeg(tree)
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(CorpusError, match=r"5000 bytes, expected 296064 bytes") as caught:
        cut_segments(open_corpus(tree), load_split(small_split), "test")
    assert "The file is truncated: copy or fetch it again." in _message(caught)[0]


def test_eeg_that_is_not_finite_names_the_sample(tree, small_split):
    path = _eeg(tree)
    raw = np.load(path)
    raw[5, 200] = np.nan
    np.save(path, raw)
    segment = cut_segments(open_corpus(tree), load_split(small_split), "test")[11]
    with pytest.raises(CorpusError) as caught:
        segment.eeg()
    assert _message(caught) == [
        "sub-043_podcast_3: EEG: 1 number that is not finite, the first at sample 200, channel 5,"
        " expected finite numbers."
    ]


def test_split_data_without_one_part(tree, small_split):
    (tree / "derivatives/split_data/val_-_sub-043_-_podcast_3_-_mel.npy").unlink()
    with pytest.raises(CorpusError) as caught:
        cut_segments(open_corpus(tree, layout="split_data"), load_split(small_split), "test")
    assert _message(caught) == [
        "sub-043 podcast_3: mel: only train, test, expected also val, to join the recording again."
    ]


def test_split_data_of_uneven_lengths(tree, small_split):
    path = tree / "derivatives/split_data/val_-_sub-043_-_podcast_3_-_mel.npy"
    np.save(path, np.load(path)[:-1])
    with pytest.raises(CorpusError, match=r"parts of \(924, 114, 115\) samples, expected \(924, 115, 115\)"):
        cut_segments(open_corpus(tree, layout="split_data"), load_split(small_split), "test")


def test_mapping_that_names_absent_eeg(tree):
    path = tree / "test_set/TASK2_regression/sub-086_mapping.json"
    path.write_text('{"segment_sub-086_0": {"eeg": "sub-086_eeg_07"}}')
    with pytest.raises(CorpusError, match="'sub-086_eeg_07' is not in sub-086_eeg.npz"):
        cut_segments(open_corpus(tree / "test_set"), load_split("challenge-2024"), "test", partial=True)


def test_object_arrays_are_refused(tree, small_split):
    path = _eeg(tree)
    np.save(path, np.empty((64, 1156), dtype=object), allow_pickle=True)
    with pytest.raises(CorpusError, match="dtype object, expected real numbers"):
        cut_segments(open_corpus(tree), load_split(small_split), "test")


def test_compressed_npz_is_read_too(tree):
    path = tree / "test_set/TASK2_regression/preprocessed_eeg/sub-086_eeg.npz"
    with np.load(path) as stored:
        arrays = dict(stored)
    np.savez_compressed(path, **arrays)
    segment = cut_segments(open_corpus(tree / "test_set"), load_split("challenge-2024"), "test")[1]
    assert np.array_equal(segment.eeg(), arrays["sub-086_eeg_01"])


def test_recordings_of_another_rate_dressed_as_sparrkulee_are_refused(tree, small_split, rng):
    for path in tree.rglob("*_eeg.npy"):
        raw = np.load(path)
        if path.parent.name.startswith("ses-"):
            np.save(path, rng.standard_normal((128, raw.shape[1] * 100 // 64)).astype(np.float32))
    with pytest.raises(CorpusError) as caught:
        cut_segments(open_corpus(tree), load_split(small_split), "test", feature="mel")
    assert _message(caught) == [
        f"{_eeg(tree, 'sub-043', 'audiobook_1').name}: mel: 1349 frames beside 2121 samples of EEG, expected"
        " about 2121 frames, at the rates of the corpus.\n"
        "  Lengths may differ by 2 %: is a sampling rate another than declared, or is it another recording?",
        f"{_eeg(tree).name}: mel: 1163 frames beside 1806 samples of EEG, expected about 1806 frames, at the"
        " rates of the corpus.\n"
        "  Lengths may differ by 2 %: is a sampling rate another than declared, or is it another recording?",
    ]


def test_a_stimulus_heard_again_counts_once_and_it_is_said(tree):
    path = _eeg(tree)
    once = open_corpus(tree, layout="preprocessed")
    again = path.with_name(re.sub(r"run-\d+", "run-97", path.name))
    shutil.copy(path, again)
    twice = open_corpus(tree, layout="preprocessed")
    assert [one.id for one in twice.recordings] == [one.id for one in once.recordings]
    told = set(twice.notes) - set(once.notes)
    assert told == {f"sub-043 heard podcast_3 twice: {again.name} stands, as in the dataset's split_data"}
    for number in (98, 99):
        again = path.with_name(re.sub(r"run-\d+", f"run-{number}", path.name))
        shutil.copy(path, again)
    other = _eeg(tree, "sub-001")
    last = other.with_name(re.sub(r"run-\d+", "run-97", other.name))
    shutil.copy(other, last)
    (told,) = set(open_corpus(tree, layout="preprocessed").notes) - set(once.notes)
    assert told == (
        "4 recordings left out, of one stimulus heard again the last stands, as in the dataset's split_data:"
        f" sub-001 heard podcast_3 twice: {last.name}, sub-043 heard podcast_3 4 times: {again.name}"
    )


def test_more_channels_are_noted_once(tree):
    for path in list(tree.rglob("*podcast_3_eeg.npy")):
        if path.parent.name.startswith("ses-"):
            raw = np.load(path)
            np.save(path, np.vstack([raw, raw[:8]]))
    assert open_corpus(tree).notes[-1:] == (
        "EEG files with up to 72 channels: the first 64 are read, as sparrkulee declares",
    )


@pytest.mark.parametrize("layout", ["preprocessed", "split_data", "challenge"])
def test_hidden_files_are_passed_over(tree, layout):
    places = {
        "preprocessed": ("derivatives", "*_eeg.npy"),
        "split_data": ("derivatives/split_data", "*.npy"),
        "challenge": ("test_set/TASK2_regression", "*_mapping.json"),
    }
    folder, pattern = places[layout]
    before = open_corpus(tree, layout=layout)
    for path in list((tree / folder).rglob(pattern)):
        path.with_name(f"._{path.name}").write_bytes(b"left by macOS")
    (tree / "derivatives/preprocessed_stimuli/._audiobook_1_-_mel.npy").write_bytes(b"left by macOS")
    after = open_corpus(tree, layout=layout)
    assert (after.recordings, after.faults, after.notes) == (before.recordings, before.faults, before.notes)


def test_hidden_dtu_files_are_passed_over(tmp_path):
    arrays = {"eeg": np.zeros((640, 64)), "envelope": np.zeros((640, 1))}
    np.savez(tmp_path / "DTU_S9_000.npz", **arrays)
    (tmp_path / "._DTU_S9_000.npz").write_bytes(b"left by macOS")
    assert [r.id for r in open_corpus(tmp_path).recordings] == ["S9_trial-000"]


def test_links_to_session_folders_are_followed(tree, tmp_path):
    ids = [recording.id for recording in open_corpus(tree).recordings]
    session = next((tree / "derivatives/preprocessed_eeg/sub-043").iterdir())
    shutil.move(session, tmp_path / "disk")
    session.symlink_to(tmp_path / "disk")
    assert [recording.id for recording in open_corpus(tree).recordings] == ids


def test_a_trial_of_another_rate_is_refused(tmp_path):
    arrays = {"eeg": np.zeros((640, 64)), "envelope": np.zeros((640, 1))}
    np.savez(tmp_path / "DTU_S9_000.npz", **arrays, fs=64)
    np.savez(tmp_path / "DTU_S9_001.npz", **arrays, fs=128)
    np.savez(tmp_path / "DTU_S9_002.npz", eeg=arrays["eeg"], envelope=np.zeros((600, 1)))
    corpus = open_corpus(tmp_path)
    assert [r.stimulus for r in corpus.recordings] == ["trial-000"]
    assert [str(entry.fault) for entry in corpus.faults] == [
        f"{tmp_path}/DTU_S9_001.npz: fs: 128 Hz, expected 64 Hz, as the corpus declares.\n"
        "  Declare the rate that the files have; nothing is resampled here.",
        f"{tmp_path}/DTU_S9_002.npz: envelope: 600 frames beside 640 samples of EEG, expected about 640 frames,"
        " at the rates of the corpus.\n"
        "  Lengths may differ by 2 %: is a sampling rate another than declared, or is it another recording?",
    ]


def test_a_tree_without_the_parts_subjects_says_what_can_be_scored(official_split):
    with pytest.raises(CorpusError) as caught:
        cut_segments(open_corpus(official_split), load_split("held-out-subjects"), "test", partial=True)
    assert _message(caught)[0].endswith(
        "expected recordings of every subject.\n"
        "  The parts with subjects here: val (1 of 16 subjects). Choose one with --part."
    )


def test_the_last_segment_counts_where_a_recording_is_a_whole_number_of_segments(tmp_path):
    # 640 samples of DTU: two segments of 5 s, the second of which ends with the recording.
    np.savez(tmp_path / "DTU_S9_000.npz", eeg=np.zeros((640, 64)), envelope=np.zeros((640, 1)))
    split = replace(load_split("dtu"), segment_seconds=5, parts={"val": ("S9",)})
    found = cut_segments(open_corpus(tmp_path), split, "val")
    assert [(segment.start, segment.stop) for segment in found] == [(0, 320), (320, 640)]


@pytest.mark.dtu
def test_dtu_trials(dtu_folder):
    corpus = open_corpus(dtu_folder)
    assert corpus.subjects == tuple(f"S{number}" for number in range(1, 11))
    segments = cut_segments(corpus, load_split("dtu"), "val")
    assert len(segments) == 100
    assert segments[-1].id == "S10_trial-009_004"
    with np.load(dtu_folder / "DTU_S10_009.npz") as trial:
        assert np.array_equal(segments[-1].eeg(), trial["eeg"][2560:])
        assert np.array_equal(segments[-1].feature("envelope"), trial["envelope"][2560:])


def test_trial_of_another_shape_is_refused(tmp_path):
    np.savez(tmp_path / "DTU_S9_000.npz", eeg=np.zeros((640, 64)), envelope=np.zeros((640, 1)))
    np.savez(tmp_path / "DTU_S9_001.npz", eeg=np.zeros((64, 640)), envelope=np.zeros((640, 1)))
    corpus = open_corpus(tmp_path)
    assert [str(entry.fault) for entry in corpus.faults] == [
        f"{tmp_path}/DTU_S9_001.npz: eeg: shape (64, 640), expected (n_times, 64)."
    ]
