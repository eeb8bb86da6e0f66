"""Predictions scored where only references are: another lab's subjects, under their own names."""

import hashlib
import json
import shutil

import numpy as np
import pytest
from own_corpus import TOML

from harness.corpus.base import Series
from harness.corpus.declaration import Declaration, FeatureDeclaration, declared
from harness.errors import CorpusError, HarnessError, SplitError, UsageError
from harness.records.store import read_record
from harness.scoring.score import score_subject
from harness.tasks.labels_only import open_labels_task
from harness.tasks.sizes import Sizes
from harness.tasks.splits import Split

SUBJECTS = [f"P{number:02d}" for number in range(13)]
RATE, SECONDS, N_SEGMENTS = 125, 30, 3


@pytest.fixture
def references(rng):
    """Segment id -> envelope of 30 s at 125 Hz, three segments for each of 13 subjects."""
    return {
        f"{subject}_story_{i:03d}": rng.standard_normal((RATE * SECONDS, 1)).astype(np.float32)
        for subject in SUBJECTS
        for i in range(N_SEGMENTS)
    }


@pytest.fixture
def files(references, rng, tmp_path):
    """labels.npz and predictions.npz in the working folder, and the predictions."""
    made = {
        name: (values + rng.standard_normal(values.shape)).astype(np.float32)
        for name, values in references.items()
    }
    np.savez(tmp_path / "labels.npz", **references)
    np.savez(tmp_path / "predictions.npz", **made)
    return made


@pytest.fixture
def danish(tmp_path):
    """A split file of that laboratory."""
    document = {
        "name": "danish",
        "title": "Thirteen listeners",
        "corpora": ["danish-lab"],
        "features": ["envelope"],
        "sample_rate_hz": RATE,
        "segment_seconds": SECONDS,
        "cut": "given",
        "parts": {"test": {"subjects": SUBJECTS}},
    }
    path = tmp_path / "danish.json"
    path.write_text(json.dumps(document))
    return path


SCORE = ["score", "predictions.npz", "--labels", "labels.npz"]


def _change(path, **keys):
    path.write_text(json.dumps({**json.loads(path.read_text()), **keys}))


def test_subjects_are_scored_under_their_own_names(harness, files, danish, references, tmp_path):
    code, _, err = harness(*SCORE, "--split", danish)
    assert (code, err) == (
        0,
        "note: no recordings here: the 39 references of labels.npz are what is asked\n"
        "record written to results/danish-lab/danish/test/envelope/predictions.json\n",
    )
    record = read_record(tmp_path / "results/danish-lab/danish/test/envelope/predictions.json")
    assert list(record.subjects) == SUBJECTS
    own = {name: values for name, values in references.items() if name.startswith("P07_")}
    expected = score_subject(own, {name: files[name] for name in own}).pearson_r
    assert record.subjects["P07"].pearson_r == pytest.approx(expected, abs=1e-12)
    assert (record.corpus.name, record.corpus.kind) == ("danish-lab", "real")
    assert record.split.segment_seconds == SECONDS
    # The least circular shift is one second: 125 frames at either end are left out.
    assert record.chance.circular_shifts.scores == RATE * SECONDS - 2 * RATE + 1


def test_fingerprint_is_of_the_references(harness, files, danish, tmp_path, references):
    first = json.loads(harness(*SCORE, "--split", danish, "--json")[1])["corpus"]["fingerprint"]
    references["P00_story_000"][5, 0] += 1
    np.savez(tmp_path / "labels.npz", **references)
    second = json.loads(harness(*SCORE, "--split", danish, "--json", "--out", "other")[1])
    assert second["corpus"]["fingerprint"] != first


def test_without_a_split_what_is_assumed_is_said(harness, files):
    code, out, err = harness(*SCORE, "--corpus", "danish-lab", "--json")
    assert (code, err) == (
        0,
        "note: no recordings here: the 39 references of labels.npz are what is asked\n"
        "note: assumed feature envelope, from 1 band a frame\n"
        "note: assumed a rate of 64 Hz, so segments of 58.5938 s\n"
        "note: assumed part test, all 13 subjects of the labels\n"
        "record written to results/danish-lab/from-labels/test/envelope/predictions.json\n",
    )
    record = json.loads(out)
    assert record["split"]["name"] == "from-labels"
    assert record["split"]["segment_seconds"] == RATE * SECONDS / 64
    assert list(record["subjects"]) == SUBJECTS


def test_without_a_corpus_the_labels_name_it(harness, files):
    code, _, err = harness(*SCORE)
    assert code == 0
    assert "note: assumed corpus labels, from the name of the labels (--corpus NAME says another)\n" in err
    assert err.endswith("record written to results/labels/from-labels/test/envelope/predictions.json\n")


def test_other_references_without_a_split_are_another_board(harness, files, references, tmp_path):
    first = json.loads(harness(*SCORE, "--json")[1])["split"]["sha256"]
    for name in ("labels", "predictions"):
        with np.load(tmp_path / f"{name}.npz") as stored:
            np.savez(tmp_path / f"{name}.npz", **{key: stored[key] for key in list(stored)[:-1]})
    second = json.loads(harness(*SCORE, "--json", "--out", "other")[1])["split"]["sha256"]
    assert first != second


@pytest.mark.slow
def test_a_folder_of_json_does_as_well(harness, references, danish, tmp_path):
    for folder in ("labels", "predictions"):
        (tmp_path / folder).mkdir()
        for subject in SUBJECTS:
            own = {name: v.tolist() for name, v in references.items() if name.startswith(f"{subject}_")}
            (tmp_path / folder / f"{subject}.json").write_text(json.dumps(own))
    code, out, _ = harness("score", "predictions", "--labels", "labels", "--split", danish, "--json")
    assert code == 0
    assert json.loads(out)["score"] == pytest.approx(1, abs=1e-12)


def test_check_and_verify_need_no_recordings_either(harness, files, danish):
    code, out, _ = harness("check", "predictions.npz", "--labels", "labels.npz", "--split", danish)
    assert (code, out.splitlines()) == (
        0,
        [
            "ok: 39 segments of 13 subjects",
            "looked at: 39 of 39 segments of 13 subjects beside their references",
            "no findings",
            "predictions.npz can be scored",
        ],
    )
    harness(*SCORE, "--split", danish)
    record = "results/danish-lab/danish/test/envelope/predictions.json"
    code, out, _ = harness("verify", record, "predictions.npz", "--labels", "labels.npz", "--split", danish)
    assert code == 0
    assert out.startswith("reproduced: mean r ")


def _refused(harness, *arguments, code=1):
    ended, out, err = harness(*SCORE, *arguments)
    assert (ended, out) == (code, "")
    return err


def test_a_split_of_another_length_is_refused(harness, files, danish):
    _change(danish, sample_rate_hz=64)
    assert _refused(harness, "--split", danish) == (
        "error: --labels: P00_story_000 and 38 more segments: shape (3750, 1), expected (1920, 1) (n_frames,"
        " n_bands), segments of 30 s at 64 Hz.\n"
        "  Is the split of another sampling rate or segment length? If envelope has a rate of its own, --corpus"
        " .../corpus.toml says it.\n"
    )


def test_a_feature_of_its_own_rate_is_scored_with_what_its_corpus_declares(harness, danish, tmp_path, rng):
    arrays = {f"P00_{i}": rng.standard_normal((1500, 1)).astype(np.float32) for i in range(3)}  # 50 Hz
    np.savez(tmp_path / "labels.npz", **arrays)
    np.savez(tmp_path / "predictions.npz", **arrays)
    _change(danish, features=["pitch"], parts={"test": {"subjects": ["P00"]}})
    (tmp_path / "corpus.toml").write_text(
        TOML.format(rate=125, n_channels=32, pitch_rate=50).replace("my-lab", "danish-lab")
    )
    assert _refused(harness, "--split", danish) == (
        "error: --labels: P00_0 and 2 more segments: shape (1500, 1), expected (3750, 1) (n_frames, n_bands),"
        " segments of 30 s at 125 Hz.\n"
        "  Is the split of another sampling rate or segment length? If pitch has a rate of its own, --corpus"
        " .../corpus.toml says it.\n"
    )
    code, out, _ = harness(*SCORE, "--split", danish, "--corpus", tmp_path / "corpus.toml", "--json")
    assert (code, json.loads(out)["score"]) == (0, pytest.approx(1, abs=1e-12))


def test_a_length_that_the_declaration_does_not_allow_is_not_put_down_to_it(harness, files, danish, tmp_path):
    (tmp_path / "corpus.toml").write_text(
        TOML.format(rate=125, n_channels=32, pitch_rate=50).replace("my-lab", "danish-lab")
    )
    _change(danish, segment_seconds=20)
    assert _refused(harness, "--split", danish, "--corpus", tmp_path / "corpus.toml") == (
        "error: --labels: P00_story_000 and 38 more segments: shape (3750, 1), expected (2500, 1) (n_frames,"
        " n_bands), segments of 20 s at 125 Hz.\n"
        "  Is the split of another sampling rate or segment length?\n"
    )


def test_subjects_must_be_the_splits(harness, files, danish):
    _change(danish, parts={"test": {"subjects": [*SUBJECTS[:12], "P13"]}})
    assert _refused(harness, "--split", danish) == (
        "error: --labels labels.npz: part test of split danish: no references of 1 of 13 subjects: P13, expected"
        " references of every subject.\n"
        "  --partial goes on without them, and marks the record.\n"
        "error: --labels labels.npz: part test of split danish: references of subjects that are not in it: P12,"
        " expected P00, P01, P02, P03, P04 and 8 more.\n"
        "  Did you mean 'P13'?\n"
    )


def test_partial_goes_on_without_some(harness, files, danish):
    _change(danish, parts={"test": {"subjects": [*SUBJECTS, "P13"]}})
    code, out, _ = harness(*SCORE, "--split", danish, "--partial", "--json")
    assert code == 0
    assert json.loads(out)["flags"]["subjects_missing"] == ["P13"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["--corpus", "danish-labs"],
            "split danish: --corpus: 'danish-labs', expected one of danish-lab.\n  Did you mean 'danish-lab'?",
        ),
        (
            ["--feature", "envelop"],
            "split danish: feature envelop, expected one of envelope.\n  Did you mean 'envelope'?",
        ),
        (["--part", "val"], "split danish: no part 'val', expected one of test."),
    ],
)
def test_what_the_split_does_not_know_is_refused(harness, files, danish, arguments, message):
    assert f"error: {message}" in _refused(harness, "--split", danish, *arguments, code=2)


def test_a_split_of_several_corpora_needs_one_named(harness, files, danish):
    _change(danish, corpora=["danish-lab", "other-lab"])
    assert _refused(harness, "--split", danish, code=2) == (
        "error: split danish: the corpora danish-lab, other-lab, and no --corpus, expected the name of one.\n"
        "  Say which the references are of: --corpus danish-lab\n"
    )
    assert harness(*SCORE, "--split", danish, "--corpus", "other-lab")[0] == 0


def test_segments_of_two_lengths_are_refused(harness, files, references, tmp_path):
    references["P03_story_001"] = references["P03_story_001"][:-1]
    np.savez(tmp_path / "labels.npz", **references)
    assert _refused(harness, "--corpus", "danish-lab").endswith(
        "error: --labels: P03_story_001: shape (3749, 1), expected (3750, 1), as the first segment.\n"
        "  Give the split that the references were cut by.\n"
    )


def test_subjects_that_differ_only_in_case_are_refused(harness, files, references, tmp_path):
    references["p03_story_000"] = references["P03_story_000"]
    np.savez(tmp_path / "labels.npz", **references)
    assert "--labels: subjects: P03 and p03 differ only in case" in _refused(harness, "--corpus", "x")


def test_bands_that_no_feature_is_known_for_need_a_name(harness, tmp_path, rng):
    arrays = {f"A_{i}": rng.standard_normal((200, 7)).astype(np.float32) for i in range(2)}
    np.savez(tmp_path / "labels.npz", **arrays)
    np.savez(tmp_path / "predictions.npz", **arrays)
    assert _refused(harness, code=2) == (
        "error: --labels labels.npz: 7 bands a frame, and no --feature, expected the feature's name.\n"
        "  Say what the references are: --feature NAME.\n"
    )
    assert harness(*SCORE, "--feature", "pitch-classes")[0] == 0


def test_names_with_underscores_are_understood_where_a_split_names_them(harness, tmp_path, rng, danish):
    arrays = {f"lab_{i}_story_{j}": rng.standard_normal((250, 1)) for i in range(2) for j in range(2)}
    np.savez(tmp_path / "labels.npz", **arrays)
    np.savez(tmp_path / "predictions.npz", **arrays)
    _change(danish, segment_seconds=2, parts={"test": {"subjects": ["lab_0", "lab_1"]}})
    code, out, _ = harness(*SCORE, "--split", danish, "--json")
    assert code == 0
    assert list(json.loads(out)["subjects"]) == ["lab_0", "lab_1"]


def test_a_known_corpus_has_its_rate_and_bands(harness, files, danish):
    _change(danish, corpora=["dtu"], parts={"test": {"subjects": ["S11"]}})
    assert _refused(harness, "--split", danish) == (
        "error: split danish: 125 Hz, expected 64 Hz, the rate of the corpus dtu.\n"
        "  Write a split with the corpus's rate; nothing is resampled here.\n"
    )


def test_a_corpus_toml_may_say_what_the_labels_are_of(harness, files, danish, tmp_path):
    (tmp_path / "lab").mkdir()
    text = TOML.format(rate=125, n_channels=32, pitch_rate=50).replace("my-lab", "danish-lab")
    (tmp_path / "lab/corpus.toml").write_text(text)
    code, out, _ = harness(*SCORE, "--split", danish, "--corpus", tmp_path / "lab/corpus.toml", "--json")
    assert code == 0
    assert len(json.loads(out)["corpus"]["declaration_sha256"]) == 64


def test_corpus_is_no_option_beside_recordings(harness, files, official_split, small_split, make_submission):
    code, _, err = harness(*SCORE, "--data", official_split, "--corpus", "x")
    assert (code, err) == (
        2,
        "error: --corpus: 'x' beside recordings, or without --labels, expected predictions and --labels alone.\n"
        "  The folder of --data, or of HARNESS_DATA, says which corpus it is.\n",
    )
    code, _, err = harness("score", make_submission(), "--labels", "labels.npz", "--corpus", "x")
    assert code == 2
    assert "A submission needs recordings: name their folder with --data." in err


def test_stimulus_features_alone_say_nothing_of_segments(harness, files, official_split, tmp_path):
    shutil.copytree(official_split / "derivatives/preprocessed_stimuli", tmp_path / "stimuli")
    code, _, err = harness("score", "predictions.npz", "--labels", "stimuli", "--corpus", "sparrkulee")
    assert code == 2
    assert "expected predictions and --labels alone" in err


def test_what_is_assumed_is_the_documented_split(files, references, tmp_path):
    task, assumed = open_labels_task(tmp_path / "labels.npz", corpus="danish-lab", part="val")
    asked = {subject: [f"{subject}_story_{i:03d}" for i in range(N_SEGMENTS)] for subject in SUBJECTS}
    facts = {
        "corpus": "danish-lab",
        "feature": "envelope",
        "rate": 64.0,
        "n_frames": RATE * SECONDS,
        "asked": asked,
    }
    assert task.split == Split(
        name="from-labels",
        title="The segments that references were handed in for",
        corpora=("danish-lab",),
        features=("envelope",),
        sample_rate_hz=64.0,
        segment_seconds=RATE * SECONDS / 64,
        cut="given",
        parts={"val": tuple(SUBJECTS)},
        training_split="from-labels",
        subject_ids="told",
        sha256=hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest(),
        measures=("pearson_r",),
    )
    assert (task.split.names_measures, task.part, task.feature) == (False, "val", "envelope")
    assert task.sizes == Sizes("envelope", 1, RATE * SECONDS, 0, RATE * SECONDS, 64.0)
    assert [(s.id, s.start, s.stop, s.subject) for s in task.segments[:4]] == [
        ("P00_story_000", 0, 0, "P00"),
        ("P00_story_001", 0, 0, "P00"),
        ("P00_story_002", 0, 0, "P00"),
        ("P01_story_000", 0, 0, "P01"),
    ]
    recording = task.segments[3].recording
    assert (recording.stimulus, recording.part_samples, recording.segment_id) == (
        "",
        (0, 0, 0),
        "P01_story_000",
    )
    assert recording.eeg_series == Series((), 0, 0)
    corpus = task.corpus
    assert (corpus.layout, corpus.folder, corpus.recordings) == ("labels", tmp_path / "labels.npz", ())
    assert corpus.declaration == Declaration(
        name="danish-lab",
        title="danish-lab",
        licence="unknown",
        citation="unknown",
        kind="real",
        n_channels=0,
        sample_rate_hz=64.0,
        features={"envelope": FeatureDeclaration("envelope", "envelope", 1, 64.0)},
    )
    assert (task.labels_apart, task.has_eeg, task.subjects_missing) == (True, False, ())
    assert assumed == (
        "feature envelope, from 1 band a frame",
        "a rate of 64 Hz, so segments of 58.5938 s",
        "part val, all 13 subjects of the labels",
    )


def test_what_the_corpus_declares_is_not_assumed(tmp_path, rng):
    np.savez(tmp_path / "labels.npz", **{"S01_a_000": rng.standard_normal((640, 1))})
    task, assumed = open_labels_task(tmp_path / "labels.npz", corpus="dtu")
    assert task.corpus.declaration == declared("dtu")
    assert assumed == (
        "feature envelope, from 1 band a frame",
        "part test, all 1 subject of the labels",
    )
    assert task.split.segment_seconds == 10


def test_labels_of_a_known_corpuss_name_are_of_that_corpus(tmp_path, rng):
    np.savez(tmp_path / "DTU.npz", **{"S01_a_000": rng.standard_normal((640, 1))})
    task, assumed = open_labels_task(tmp_path / "DTU.npz")
    assert task.corpus.declaration == declared("dtu")
    assert assumed[0] == "corpus dtu, from the name of the labels (--corpus NAME says another)"


def test_a_rate_that_the_corpus_declares_is_not_assumed(files, tmp_path):
    (tmp_path / "corpus.toml").write_text(TOML.format(rate=RATE, n_channels=32, pitch_rate=50))
    task, assumed = open_labels_task(
        tmp_path / "labels.npz", corpus=f"{tmp_path}/corpus.toml", feature="envelope"
    )
    assert (task.split.sample_rate_hz, task.split.segment_seconds) == (RATE, SECONDS)
    assert assumed == ("part test, all 13 subjects of the labels",)


def test_subjects_are_in_natural_order_and_all_where_the_split_names_none(tmp_path, rng, danish):
    names = ["P10_a", "P2_a", "P1_a"]
    np.savez(tmp_path / "labels.npz", **{name: rng.standard_normal((RATE * SECONDS, 1)) for name in names})
    task = open_labels_task(tmp_path / "labels.npz", corpus="danish-lab").task
    assert task.split.parts == {"test": ("P1", "P2", "P10")}
    _change(danish, parts={"test": {"subjects": "all"}})
    task = open_labels_task(tmp_path / "labels.npz", split_name=danish).task
    assert list(task.by_subject) == ["P1", "P2", "P10"]


@pytest.mark.parametrize(
    ("n_bands", "corpus", "feature", "words"),
    [
        (10, "danish-lab", "mel", "feature mel, from 10 bands a frame"),
        (1, "danish-lab", "envelope", "feature envelope, from 1 band a frame"),
        (28, "sparrkulee", "mel-28", "feature mel-28, from 28 bands a frame"),
    ],
)
def test_the_number_of_bands_tells_the_feature(tmp_path, rng, n_bands, corpus, feature, words):
    np.savez(tmp_path / "labels.npz", **{"sub-001_a_000": rng.standard_normal((640, n_bands))})
    task, assumed = open_labels_task(tmp_path / "labels.npz", corpus=corpus)
    assert (task.feature, task.n_bands, assumed[0]) == (feature, n_bands, words)


def test_the_name_of_the_labels_is_made_a_word(tmp_path, rng):
    for name, corpus in (("My Lab 2.npz", "my-lab-2"), ("--.npz", "labels"), ("_A_b.npz", "a-b")):
        np.savez(tmp_path / name, **{"P1_a": rng.standard_normal((640, 1))})
        task, assumed = open_labels_task(tmp_path / name)
        assert task.corpus.name == corpus
        assert assumed[0] == f"corpus {corpus}, from the name of the labels (--corpus NAME says another)"


def _error(*arguments, **options):
    with pytest.raises(HarnessError) as caught:
        open_labels_task(*arguments, **options)
    return type(caught.value), [str(fault) for fault in caught.value.faults]


def test_labels_and_corpora_that_are_not_there_are_refused(files, tmp_path):
    labels = tmp_path / "labels.npz"
    assert _error(tmp_path / "nowhere") == (
        CorpusError,
        [f"--labels {tmp_path}/nowhere: no such file or folder."],
    )
    assert _error(labels, corpus="Danish Lab") == (
        UsageError,
        ["--corpus Danish Lab: 'Danish Lab', expected lower-case words joined by hyphens."],
    )
    assert _error(labels, corpus=f"{tmp_path}/corpus.toml") == (
        UsageError,
        [f"--corpus {tmp_path}/corpus.toml: no such file, expected a corpus.toml."],
    )
    (tmp_path / "empty").mkdir()
    kind, (message,) = _error(tmp_path / "empty")
    assert kind is CorpusError
    assert message.startswith("--labels: ")


def test_what_the_corpus_does_not_declare_is_refused(tmp_path, rng):
    np.savez(tmp_path / "labels.npz", **{"S01_a_000": rng.standard_normal((640, 2))})
    assert _error(tmp_path / "labels.npz", corpus="dtu", feature="envelop") == (
        UsageError,
        ["--feature: 'envelop', expected one of envelope.\n  Did you mean 'envelope'?"],
    )
    assert _error(tmp_path / "labels.npz", corpus="dtu", feature="envelope") == (
        CorpusError,
        [
            "--labels: S01_a_000: shape (640, 2), expected (any, 1) (n_frames, n_bands).\n"
            "  The scored feature is envelope: 1 number a frame."
        ],
    )


def test_subjects_without_references_are_refused_unless_the_part_may_be_partial(files, danish, tmp_path):
    _change(danish, parts={"test": {"subjects": [*SUBJECTS, "P13"]}})
    assert _error(tmp_path / "labels.npz", split_name=danish) == (
        CorpusError,
        [
            f"--labels {tmp_path}/labels.npz: part test of split danish: no references of 1 of 14 subjects: P13,"
            " expected references of every subject.\n"
            "  --partial goes on without them, and marks the record."
        ],
    )


def test_references_that_cannot_be_read_are_all_told(references, tmp_path):
    (tmp_path / "labels").mkdir()
    for subject in SUBJECTS[:3]:
        own = {name: v[:4].tolist() for name, v in references.items() if name.startswith(f"{subject}_")}
        (tmp_path / "labels" / f"{subject}.json").write_text(json.dumps(own))
    for subject in SUBJECTS[1:3]:
        (tmp_path / "labels" / f"{subject}.json").write_text("{")
    kind, messages = _error(tmp_path / "labels", corpus="danish-lab")
    assert kind is CorpusError
    assert [message.partition(".json")[0] for message in messages] == ["--labels: P01", "--labels: P02"]


def test_a_feature_that_the_corpus_does_not_have_in_whole_frames_is_refused(files, danish, tmp_path):
    (tmp_path / "lab").mkdir()
    text = TOML.format(rate=125, n_channels=32, pitch_rate=50).replace("my-lab", "danish-lab")
    (tmp_path / "lab/corpus.toml").write_text(text)
    _change(danish, features=["pitch"], segment_seconds=1.992)
    kind, messages = _error(tmp_path / "labels.npz", split_name=danish, corpus=f"{tmp_path}/lab/corpus.toml")
    assert (kind, messages) == (
        SplitError,
        ["split danish: 99.6 frames of pitch a segment, expected a whole number."],
    )


def test_partial_needs_somebody_and_nobody_else(files, danish, tmp_path):
    _change(danish, parts={"test": {"subjects": ["P13", "P14"]}})
    where = f"--labels {tmp_path}/labels.npz: part test of split danish"
    for partial in (False, True):
        assert _error(tmp_path / "labels.npz", split_name=danish, partial=partial) == (
            CorpusError,
            [
                f"{where}: no references of 2 of 2 subjects: P13, P14, expected references of every subject.",
                f"{where}: references of subjects that are not in it: P00, P01, P02, P03, P04 and 8 more,"
                " expected P13, P14.\n  Choose another --part or --split.",
            ],
        )
    _change(danish, parts={"test": {"subjects": ["anna"]}, "val": {"subjects": SUBJECTS}})
    _, messages = _error(tmp_path / "labels.npz", split_name=danish)
    assert messages[1] == (
        f"{where}: references of subjects that are not in it: P00, P01, P02, P03, P04 and 8 more, expected anna.\n"
        "  Choose another --part or --split."
    )
    task = open_labels_task(tmp_path / "labels.npz", split_name=danish, part="val").task
    assert list(task.by_subject) == SUBJECTS


def test_shapes_that_differ_are_counted_by_shape(references, tmp_path, danish):
    for name in ("P00_story_001", "P02_story_000"):
        references[name] = references[name][:-1]
    references["P05_story_002"] = references["P05_story_002"][:-2]
    np.savez(tmp_path / "labels.npz", **references)
    assert _error(tmp_path / "labels.npz", corpus="danish-lab") == (
        CorpusError,
        [
            "--labels: P00_story_001 and 1 more segment: shape (3749, 1), expected (3750, 1), as the first segment.\n"
            "  Give the split that the references were cut by.",
            "--labels: P05_story_002: shape (3748, 1), expected (3750, 1), as the first segment.\n"
            "  Give the split that the references were cut by.",
        ],
    )
    assert _error(tmp_path / "labels.npz", split_name=danish)[1][0] == (
        "--labels: P00_story_001 and 1 more segment: shape (3749, 1), expected (3750, 1) (n_frames, n_bands),"
        " segments of 30 s at 125 Hz.\n  Is the split of another sampling rate or segment length? If envelope"
        " has a rate of its own, --corpus .../corpus.toml says it."
    )
