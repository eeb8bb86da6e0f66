"""What `harness data describe` says of a corpus."""

import json
import shutil

import numpy as np
import pytest
from own_corpus import SUBJECTS, make_own_corpus, write_split


@pytest.fixture
def lab(tmp_path):
    """Four subjects, 8 channels at 100 Hz, two stories of 20 s, pitch at 50 Hz, and a split."""
    parts = {
        "train": {"subjects": list(SUBJECTS[:2])},
        "val": {"subjects": [SUBJECTS[2]]},
        "test": {"subjects": [SUBJECTS[3], SUBJECTS[4]]},
    }
    write_split(tmp_path / "four.json", parts=parts)
    return make_own_corpus(tmp_path / "lab", n_channels=8, pitch_rate=50, subjects=SUBJECTS[:4])


def test_describes_a_corpus_as_declared(harness, lab):
    code, out, err = harness("data", "describe", "lab", "--split", "four.json")
    assert (code, err) == (0, "")
    assert out == (
        "my-lab (real EEG), layout declared, lab\n"
        "8 EEG channels at 100 Hz; envelope: 1 band at 100 Hz; pitch: 1 band at 50 Hz\n"
        "4 subjects: P01..P04\n"
        "8 recordings of 2 stimuli, 2.7 min\n"
        "\n"
        "split    part    subjects    segments    with envelope    with pitch\n"
        "-------  ------  ----------  ----------  ---------------  ------------\n"
        "four     train   2 of 2      16          16               16\n"
        "four     val     1 of 1      8           8                8\n"
        "four     test    1 of 2      8           8                8\n"
        "\n"
        "missing for four test: P05\n"
    )


def test_json_says_what_is_declared(harness, lab):
    document = json.loads(harness("data", "describe", "lab", "--json")[1])
    assert {key: document[key] for key in ("title", "licence", "kind", "channels", "sample_rate_hz")} == {
        "title": "Two stories, heard by twelve people",
        "licence": "CC BY 4.0",
        "kind": "real",
        "channels": 8,
        "sample_rate_hz": 100,
    }
    assert document["declared"]["pitch"] == {
        "title": "Pitch of the voice",
        "bands": 1,
        "frame_rate_hz": 50,
        "frames_per_segment": None,
    }
    assert document["features"] == {"envelope": 8, "pitch": 8}
    assert document["parts"] == []


def test_the_corpuss_own_split_is_counted(harness, lab, tmp_path):
    shutil.copy(tmp_path / "four.json", lab)
    (lab / "corpus.toml").write_text('default_split = "four.json"\n' + (lab / "corpus.toml").read_text())
    document = json.loads(harness("data", "describe", "lab", "--json")[1])
    assert [(part["split"], part["part"]) for part in document["parts"]] == [
        ("four", "train"),
        ("four", "val"),
        ("four", "test"),
    ]


def test_a_broken_feature_leaves_the_counts_of_the_others(harness, lab):
    np.save(lab / "features/story-a_pitch.npy", np.zeros((1000, 3)))
    code, out, _ = harness("data", "describe", "lab", "--split", "four.json")
    assert code == 1
    assert "four     train   2 of 2      16          16               8\n" in out
    assert (
        "broken: lab/features/story-a_pitch.npy: pitch of shape (1000, 3), expected (n_times, 1), as declared.\n"
        in out
    )


def test_a_broken_mel_file_of_sparrkulee_leaves_the_counts_of_the_envelope(harness, official_split, tmp_path):
    shutil.copytree(official_split, tmp_path / "tree")
    path = tmp_path / "tree/derivatives/preprocessed_stimuli/podcast_3_-_mel.npy"
    np.save(path, np.load(path).T)
    shutil.rmtree(tmp_path / "tree/derivatives/split_data")
    document = json.loads(harness("data", "describe", "tree", "--json")[1])
    counts = {(part["split"], part["part"]): (part["segments"], part["labels"]) for part in document["parts"]}
    assert document["features"] == {"mel": 3, "mel-28": 0, "envelope": 6}
    # Recordings of 21 and 18 s have no segment of 30 s; a tenth of each has none of 10 s.
    assert counts["known-subjects", "train"] == (6, {"mel": 3, "envelope": 6})


def test_a_feature_that_no_file_holds_is_broken(harness, lab):
    for path in (lab / "features").glob("*_pitch.npy"):
        path.unlink()
    code, out, _ = harness("data", "describe", "lab", "--split", "four.json")
    assert code == 1
    assert "four     val     1 of 1      8           8                0\n" in out
    assert "broken: lab/corpus.toml: features: pitch: no file matches 'features/{stimulus}_pitch.npy'" in out


def test_frames_that_do_not_fit_a_split_are_told(harness, lab, tmp_path):
    path = tmp_path / "four.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "segment_seconds": 4.99}))
    code, out, _ = harness("data", "describe", "lab", "--split", "four.json")
    assert code == 1
    assert "four     val     1 of 1      8           8                0\n" in out
    assert (
        "broken: split four: segments of 4.99 s, 249.5 frames of pitch at 50 Hz, expected a whole"
        " number of frames.\n"
    ) in out
