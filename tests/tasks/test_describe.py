"""What `harness data describe` says of a corpus."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from own_corpus import SUBJECTS, make_own_corpus, own_split, write_split

from harness.corpus import open_corpus
from harness.corpus.base import SubjectFault
from harness.corpus.declaration import FeatureDeclaration
from harness.errors import Fault
from harness.tasks.describe import describe, description_text, subject_ranges


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


def test_a_measure_that_there_is_not_is_broken(harness, lab):
    (lab / "corpus.toml").write_text('measure = "cosin"\n' + (lab / "corpus.toml").read_text())
    code, out, _ = harness("data", "describe", "lab")
    assert (code, out.splitlines()[-2:]) == (
        1,
        [
            "broken: corpus my-lab: measure: 'cosin', expected one of cosine, cosine_centred, cosine_gain, pearson_r, song_accuracy, song_accuracy_reconstructed.",
            "  Did you mean 'cosine'?",
        ],
    )


def test_a_feature_with_two_files_for_a_recording_is_told_what_to_do(harness, lab):
    text = (lab / "corpus.toml").read_text()
    (lab / "corpus.toml").write_text(text.replace("{stimulus}_pitch.npy", "*_pitch.npy"))
    code, out, _ = harness("data", "describe", "lab")
    assert (
        "broken: eeg/P01_story-a.npy: pitch: 2 files: features/story-a_pitch.npy, features/story-b_pitch.npy,"
        " expected one.\n  Put {stimulus} or {subject} where the names differ, in corpus.toml.\n" in out
    )
    assert code == 1


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


@pytest.mark.parametrize(
    ("subjects", "words"),
    [
        ((), ""),
        (("sub-001",), "sub-001"),
        (("sub-001", "sub-002", "sub-003", "sub-026", "sub-043"), "sub-001..sub-003, sub-026, sub-043"),
        (("S1", "T2", "T3"), "S1, T2..T3"),
        (("S1", "S3"), "S1, S3"),
        (("P9", "P10", "P11", "Anna", "Bo"), "P9..P11, Anna, Bo"),
        (("Anna", "Anna0"), "Anna, Anna0"),
        (("Anna", "Anna3"), "Anna, Anna3"),
        (("7", "8"), "7..8"),
    ],
)
def test_subjects_are_told_in_runs(subjects, words):
    assert subject_ranges(subjects) == words


def test_a_description_is_of_what_is_there_and_what_is_broken(lab, tmp_path):
    split = own_split(tmp_path / "four.json", segment_seconds=6)
    words = FeatureDeclaration("words", "Words", 3, None, 7)
    corpus = open_corpus(lab)
    broken = SubjectFault("P01", Fault("P01", "broken"))
    corpus = replace(
        corpus,
        declaration=replace(corpus.declaration, features={**corpus.declaration.features, "words": words}),
        faults=(broken, broken),
        notes=("something to know",),
        absent={"words": Fault("words", "absent")},
    )
    document = describe(corpus, {"declared": lab, "challenge": Path("there")}, [split, split])
    assert document == {
        "corpus": "my-lab",
        "title": "Two stories, heard by twelve people",
        "licence": "CC BY 4.0",
        "citation": "A. Author 2026, doi:10.1000/xyz",
        "kind": "real",
        "layout": "declared",
        "folder": str(lab),
        "channels": 8,
        "sample_rate_hz": 100,
        "subjects": ["P01", "P02", "P03", "P04"],
        "recordings": 8,
        "stimuli": 2,
        "minutes": 2.7,
        "features": {"envelope": 8, "pitch": 8, "words": 0},
        "declared": {
            "envelope": {
                "title": "Envelope of the speech",
                "bands": 1,
                "frame_rate_hz": 100.0,
                "frames_per_segment": None,
            },
            "pitch": {
                "title": "Pitch of the voice",
                "bands": 1,
                "frame_rate_hz": 50,
                "frames_per_segment": None,
            },
            "words": {"title": "Words", "bands": 3, "frame_rate_hz": None, "frames_per_segment": 7},
        },
        "parts": [
            {
                "split": "four",
                "part": "train",
                "subjects": 4,
                "subjects_missing": ["P05", "P06", "P07"],
                "segments": 0,
                "labels": {"envelope": 0, "pitch": 0},
                "fault": "P01: broken.",
            },
            {
                "split": "four",
                "part": "val",
                "subjects": 0,
                "subjects_missing": ["P08", "P09"],
                "segments": 0,
                "labels": {"envelope": 0, "pitch": 0},
                "fault": document["parts"][1]["fault"],
            },
            {
                "split": "four",
                "part": "test",
                "subjects": 0,
                "subjects_missing": ["P10", "P11", "P12"],
                "segments": 0,
                "labels": {"envelope": 0, "pitch": 0},
                "fault": document["parts"][2]["fault"],
            },
        ],
        "faults": ["words: absent.", "P01: broken."],
        "notes": [
            "something to know",
            "the folder also holds the layout challenge: harness data describe there",
        ],
    }
    assert "2 of 2 subjects are not in the corpus: P08, P09" in document["parts"][1]["fault"]


def test_only_the_first_fault_of_a_part_is_told_and_how_many_more(lab, tmp_path):
    parts = {"test": {"subjects": ["P01", "P02", "P03"]}}
    split = own_split(tmp_path / "four.json", parts=parts, segment_seconds=30)
    (part,) = describe(open_corpus(lab), None, [split])["parts"]
    first = "P01: no stretch of 30 s in part test, expected recordings of 3000 samples or more."
    assert part["fault"] == f"{first} (2 more)"
    assert (part["segments"], part["subjects"]) == (0, 3)


def test_a_feature_that_does_not_fit_leaves_the_counts_of_those_after_it(lab, tmp_path):
    parts = {"test": {"subjects": ["P01"]}}
    features = ["nonsense", "pitch", "envelope"]
    split = own_split(tmp_path / "four.json", parts=parts, features=features, segment_seconds=4.99)
    (part,) = describe(open_corpus(lab), None, [split])["parts"]
    assert part["labels"] == {"nonsense": 0, "pitch": 0, "envelope": 8}
    assert part["segments"] == 8
    assert part["fault"] == (
        "feature nonsense: the corpus my-lab declares none of that name, expected one of envelope, pitch. (1 more)"
    )


def test_given_segments_are_counted_in_a_corpus_that_comes_as_segments_only(official_split):
    challenge = describe(open_corpus(official_split, layout="challenge"))
    assert [(p["split"], p["part"], p["subjects"], p["segments"]) for p in challenge["parts"]] == [
        ("challenge-2024", "test", 2, 4)
    ]
    other = describe(open_corpus(official_split, layout="preprocessed"))
    assert {p["split"] for p in other["parts"]} == {"held-out-subjects", "known-subjects"}


def test_a_default_split_that_cannot_be_read_is_a_fault(lab):
    (lab / "corpus.toml").write_text('default_split = "nowhere.json"\n' + (lab / "corpus.toml").read_text())
    document = describe(replace(open_corpus(lab), notes=("first",)))
    assert document["notes"] == ["first"]
    (fault,) = document["faults"]
    assert fault.startswith(
        f"default split: {lab}/corpus.toml: default_split: no such file {lab}/nowhere.json, expected a file (.json)"
    )


def test_every_fault_of_a_corpuss_own_splits_is_told_in_order(lab, tmp_path):
    lines = 'default_split = "nowhere"\nmeasure = "loudness"\n'
    (lab / "corpus.toml").write_text(lines + (lab / "corpus.toml").read_text())
    for name in ("first", "second"):
        write_split(lab / f"{name}.json", cut="in-half")
    others = [own_split(tmp_path / f"{name}.json", corpora=[name]) for name in ("lab-a", "lab-b")]
    document = describe(open_corpus(lab), splits=others)
    assert [fault.partition(",")[0] for fault in document["faults"]] == [
        f"default split: {lab}/corpus.toml: default_split: no split 'nowhere'",
        f"{lab}/first.json: cut: 'in-half'",
        f"{lab}/second.json: cut: 'in-half'",
        "corpus my-lab: measure: 'loudness'",
        f"split lab-a: the corpus my-lab in {lab}",
        f"split lab-b: the corpus my-lab in {lab}",
    ]


def test_the_default_split_of_the_layout_is_described_beside_those_of_the_folder(lab):
    for name in ("usual", "other"):
        (lab / name).mkdir()
        write_split(lab / name / f"{name}.json", parts={"test": {"subjects": ["P01"]}})
    corpus = open_corpus(lab)
    declaration = replace(
        corpus.declaration,
        default_split="usual/usual.json",
        default_splits={"declared": "other/other.json"},
    )
    document = describe(replace(corpus, declaration=declaration))
    assert [part["split"] for part in document["parts"]] == ["usual", "other"]


def test_a_corpuss_remark_is_its_first_note(lab):
    corpus = replace(open_corpus(lab), notes=("of the files",))
    declaration = replace(corpus.declaration, remark="heard in one go")
    document = describe(replace(corpus, declaration=declaration))
    assert document["notes"] == ["my-lab: heard in one go", "of the files"]


def test_a_description_in_words(official_split):
    document = {
        "corpus": "simulated",
        "kind": "simulated",
        "layout": "preprocessed",
        "folder": "there",
        "channels": 64,
        "sample_rate_hz": 62.5,
        "subjects": ["sub-001", "sub-002", "sub-005"],
        "recordings": 4,
        "stimuli": 3,
        "minutes": 12.5,
        "declared": {
            "mel": {"title": "Mel", "bands": 10, "frame_rate_hz": 64, "frames_per_segment": None},
            "pair": {"title": "Pair", "bands": 2, "frame_rate_hz": 62.5, "frames_per_segment": None},
            "words": {"title": "Words", "bands": 1, "frame_rate_hz": None, "frames_per_segment": 7},
        },
        "parts": [
            {
                "split": "one",
                "part": "val",
                "subjects": 1,
                "subjects_missing": ["sub-003", "sub-004"],
                "segments": 5,
                "labels": {"mel": 5, "words": 3},
                "fault": "mel: broken.",
            },
            {
                "split": "one",
                "part": "test",
                "subjects": 0,
                "subjects_missing": ["sub-009"],
                "segments": 0,
                "labels": {},
                "fault": "nobody is there.",
            },
        ],
        "faults": ["a: wrong.", "b: wrong."],
        "notes": ["first", "second"],
    }
    head = (
        "simulated (SIMULATED, no real EEG), layout preprocessed, there\n"
        "64 EEG channels at 62.5 Hz; mel: 10 bands at 64 Hz; pair: 2 bands at 62.5 Hz;"
        " words: 1 band, 7 frames a segment\n"
        "3 subjects: sub-001..sub-002, sub-005\n"
        "4 recordings of 3 stimuli, 12.5 min"
    )
    assert description_text(document) == (
        f"{head}\n\n"
        "split    part    subjects    segments    with mel    with pair    with words\n"
        "-------  ------  ----------  ----------  ----------  -----------  ------------\n"
        "one      val     1 of 3      5           5           0            3\n"
        "one      test    0 of 1      0           0           0            0\n"
        "\n"
        "missing for one val: sub-003..sub-004\n"
        "missing for one test: sub-009\n"
        "broken: a: wrong.\n"
        "broken: b: wrong.\n"
        "part val of one: mel: broken.\n"
        "\n"
        "note: first\n"
        "note: second"
    )
    nothing = {"parts": [], "faults": [], "notes": []}
    assert description_text({**document, **nothing}) == head
    one = description_text({**document, **nothing, "recordings": 1, "stimuli": 1})
    assert one == head.replace("4 recordings of 3 stimuli", "1 recording of 1 stimulus")
