"""A task: what the options of a command become, its references, and when it is refused."""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from own_corpus import STIMULI, SUBJECTS, make_own_corpus, own_split, write_split

from harness.corpus import open_corpus
from harness.corpus.declaration import FeatureDeclaration
from harness.corpus.nmedt import AudioChoice
from harness.errors import CorpusError, SplitError, UsageError
from harness.predictions import Expected
from harness.tasks.corpus_split import default_split
from harness.tasks.fingerprint import Fingerprint
from harness.tasks.sizes import Sizes, sizes
from harness.tasks.splits import load_split, training_split
from harness.tasks.task import CENTRE_ID, chosen_feature, open_labels, open_task


@pytest.fixture
def lab(tmp_path):
    """The folder of P01 to P12, 4 channels at 100 Hz, two stories of 20 s, pitch at 50 Hz."""
    return make_own_corpus(tmp_path / "lab", n_channels=4, pitch_rate=50)


@pytest.fixture
def opened(lab, tmp_path):
    """Open the corpus by a split of segments of 5 s that tests on P10 to P12; keys replace the split's."""

    def make(keys=None, **options):
        return open_task(lab, split_name=write_split(tmp_path / "mine.json", **(keys or {})), **options)

    return make


def envelopes(subjects=SUBJECTS[9:], n_frames=500):
    """References apart: segment id -> (n_frames, 1) of numbers that tell segments apart."""
    names = [f"{s}_{story}_{i:03d}" for s in subjects for story in STIMULI for i in range(4)]
    return {
        name: np.full((n_frames, 1), k, np.float32) + np.arange(n_frames)[:, None]
        for k, name in enumerate(names)
    }


def messages(caught, folder):
    return [str(fault).replace(str(folder), "lab") for fault in caught.value.faults]


# What is opened


def test_a_task_is_what_the_options_say(opened, lab):
    task = opened(feature="pitch", part="val")
    assert (task.part, task.feature, task.split.name, task.corpus.folder) == ("val", "pitch", "mine", lab)
    assert task.sizes == Sizes("pitch", 1, 250, 4, 500, 100)
    assert (task.n_bands, task.n_frames, task.n_channels, task.sample_rate_hz) == (1, 250, 4, 100)
    assert task.frame_rate_hz == 50
    assert task.eeg_seconds == 16 * 5
    assert (task.subjects_missing, task.labels, task.labels_apart) == ((), None, False)
    assert task.has_eeg
    assert [s.id for s in task.segments] == list(envelopes(("P08", "P09")))
    assert {name: [s.id for s in group] for name, group in task.by_subject.items()} == {
        "P08": list(envelopes(["P08"])),
        "P09": list(envelopes(["P09"])),
    }
    assert task.expected == Expected(
        {name: list(envelopes([name])) for name in ("P08", "P09")}, n_times=250, n_bands=1, feature="pitch"
    )


def test_without_options_it_is_the_default_split_its_test_part_and_its_first_feature(lab, tmp_path):
    write_split(lab / "own.json")
    (lab / "corpus.toml").write_text('default_split = "own.json"\n' + (lab / "corpus.toml").read_text())
    task = open_task(lab)
    assert (task.split.name, task.part, task.feature) == ("own", "test", "envelope")
    assert [s.subject for s in task.segments] == ["P10"] * 8 + ["P11"] * 8 + ["P12"] * 8
    assert task.n_frames == 500


def test_subjects_that_are_not_there_are_told_where_partial_lets_them_pass(opened):
    keys = {"parts": {"test": {"subjects": ["P10", "P13", "P14"]}}}
    with pytest.raises(CorpusError, match="2 of 3 subjects are not in the corpus: P13, P14"):
        opened(keys)
    task = opened(keys, partial=True)
    assert task.subjects_missing == ("P13", "P14")
    assert list(task.by_subject) == ["P10"]


def test_stimuli_that_are_not_there_are_told_where_partial_lets_them_pass(opened):
    parts = {
        "val": {"subjects": ["P08"], "stimuli": ["story-a", "story-d"]},
        "test": {"subjects": ["P10"], "stimuli": ["story-c", "story-b", "story-e"]},
    }
    with pytest.raises(CorpusError, match="no recording of story-c"):
        opened({"parts": parts})
    task = opened({"parts": parts}, partial=True)
    assert task.stimuli_missing == ("story-c", "story-e")
    assert [one.id for one in task.segments] == [f"P10_story-b_{k:03d}" for k in range(4)]
    assert opened({"parts": parts}, part="val", partial=True).stimuli_missing == ("story-d",)
    assert opened().stimuli_missing == ()


def test_a_broken_feature_matters_only_where_it_is_asked(opened, lab):
    np.save(lab / "features/story-a_pitch.npy", np.zeros((1000, 3)))
    assert len(opened(feature="envelope").segments) == 24
    with pytest.raises(CorpusError, match=r"pitch of shape \(1000, 3\)"):
        opened(feature="pitch")


def test_given_segments_are_looked_for_wherever_the_folder_holds_them(official_split):
    task = open_task(official_split, split_name="challenge-2024", partial=True)
    assert (task.corpus.layout, [s.id for s in task.segments]) == (
        "challenge",
        ["segment_sub-086_0", "segment_sub-086_1", "segment_sub-087_0", "segment_sub-087_1"],
    )
    assert open_task(official_split / "test_set", partial=True).split.name == "challenge-2024"


def test_what_is_asked_of_the_corpus_is_handed_on_to_it(opened, lab, monkeypatch):
    given = []
    monkeypatch.setattr(
        "harness.tasks.task.open_corpus",
        lambda *asked, **keys: given.append((asked, keys)) or open_corpus(lab),
    )
    audio, progress = AudioChoice(folder=lab / "songs"), lambda done, total: None
    assert opened(audio=audio, on_progress=progress).labels_apart
    assert opened(labels=lab).labels_apart
    assert not opened().labels_apart
    nothing = {"layout": None, "feature_folder": None, "audio": None, "on_progress": None}
    assert given == [
        ((lab,), {**nothing, "audio": audio, "on_progress": progress}),
        ((lab,), {**nothing, "feature_folder": lab}),
        ((lab,), nothing),
    ]


def test_features_are_looked_for_among_the_splits(small_split):
    split = load_split(small_split)
    assert chosen_feature(split, None) == "mel"
    assert chosen_feature(split, "envelope") == "envelope"
    for wrong, remedy in (
        ("envelopes", "Did you mean 'envelope'?"),
        ("zzz", "Use --feature mel, or another --split."),
    ):
        with pytest.raises(UsageError) as caught:
            chosen_feature(split, wrong)
        assert str(caught.value) == (
            f"split small-split: feature {wrong}, expected one of mel, envelope.\n  {remedy}"
        )


# Channels


def test_channels_that_the_user_excludes_are_zero_beside_those_of_the_split(opened, lab):
    task = opened({"exclude_channels": [3]}, exclude_channels=("4", "3", "1"))
    assert task.channels_excluded == ("1", "4")  # 3 is the split's own
    stored = np.load(lab / "eeg/P11_story-b.npy").astype(np.float32)
    segment = task.by_subject["P11"][-1]
    np.testing.assert_array_equal(segment.eeg(), stored[1500:] * np.float32([0, 1, 0, 0]))
    np.testing.assert_array_equal(segment.stored_eeg(), stored[1500:])
    recording = next(one for one in task.corpus.recordings if one.id == "P11_story-b")
    np.testing.assert_array_equal(recording.eeg(0, 9), stored[:9] * np.float32([0, 1, 1, 0]))
    plain = opened({"exclude_channels": [3]})
    assert plain.channels_excluded == ()
    assert plain.without_channels(()) is plain
    assert plain.without_channels(["4", "1"]).channels_excluded == ("1", "4")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            ["4", "Cz", "5"],
            [
                "no channel 'Cz', expected channels of my-lab, 1 to 4.",
                "no channel '5', expected channels of my-lab, 1 to 4.",
            ],
        ),
        (["1", "2", "4"], ["all 4 channels, expected one left, at least."]),
    ],
)
def test_channels_that_there_are_not_or_all_of_them_cannot_be_excluded(opened, given, message):
    with pytest.raises(UsageError) as caught:
        opened({"exclude_channels": [3]}, exclude_channels=given)
    assert [str(fault) for fault in caught.value.faults] == [
        f"--exclude-channels: {line}" for line in message
    ]


# Sizes


def test_frames_are_a_whole_number_or_the_split_is_refused(lab, tmp_path):
    declaration = open_corpus(lab).declaration
    split = own_split(tmp_path / "mine.json", segment_seconds=4.99)
    with pytest.raises(SplitError) as caught:
        sizes(declaration, split, "pitch")
    assert str(caught.value) == (
        "split mine: segments of 4.99 s, 249.5 frames of pitch at 50 Hz, expected a whole number of frames.\n"
        "  Choose another segment_seconds; nothing is resampled or rounded here."
    )
    assert sizes(declaration, split, "envelope") == Sizes("envelope", 1, 499, 4, 499, 100)
    assert sizes(declaration, own_split(tmp_path / "mine.json", segment_seconds=0.02), "pitch").n_frames == 1


def test_frames_a_segment_are_the_declared_number_of_them(lab, tmp_path):
    declaration = open_corpus(lab).declaration
    words = FeatureDeclaration("words", "Words", 3, None, 7)
    declaration = replace(declaration, features={"words": words})
    assert sizes(declaration, own_split(tmp_path / "mine.json"), "words") == Sizes("words", 3, 7, 4, 500, 100)


def test_a_feature_that_the_corpus_does_not_declare_is_refused(lab, tmp_path):
    with pytest.raises(SplitError) as caught:
        sizes(open_corpus(lab).declaration, own_split(tmp_path / "mine.json"), "pich")
    assert str(caught.value) == (
        "feature pich: the corpus my-lab declares none of that name, expected one of envelope, pitch.\n"
        "  Did you mean 'pitch'?"
    )


# Splits


def test_a_predictor_is_told_a_subject_unless_the_split_hides_it(tmp_path):
    told = own_split(tmp_path / "told.json", subject_ids="told")
    hidden = own_split(tmp_path / "hidden.json")
    assert (told.told("P01"), hidden.told("P01")) == ("P01", "unknown")


def test_training_is_by_the_split_itself_or_the_one_it_names(tmp_path):
    split = own_split(tmp_path / "mine.json", training_split="other")
    assert training_split(split) is split
    write_split(tmp_path / "trained.json")
    tested = own_split(
        tmp_path / "tested.json", training_split="trained", parts={"test": {"subjects": ["P10"]}}
    )
    assert training_split(tested) == load_split(tmp_path / "trained.json")
    away = own_split(
        tmp_path / "away.json", training_split="held-out-subjects", parts={"test": {"subjects": ["P10"]}}
    )
    assert training_split(away) == load_split("held-out-subjects")


def test_the_default_split_is_the_layouts_or_the_corpuss(lab):
    write_split(lab / "mine.json")
    declaration = replace(
        open_corpus(lab).declaration, default_split="mine.json", default_splits={"challenge": "dtu"}
    )
    assert default_split(declaration) == load_split(lab / "mine.json")
    assert default_split(declaration, "trials") == load_split(lab / "mine.json")
    assert default_split(declaration, "challenge") == load_split("dtu")
    assert default_split(replace(declaration, default_split="mine")) == load_split(lab / "mine.json")
    with pytest.raises(SplitError) as caught:
        default_split(replace(declaration, default_split=""))
    assert str(caught.value) == (
        'corpus my-lab: no default split in its declaration, expected default_split = "NAME" in corpus.toml, or'
        " --split.\n  Name a split with --split."
    )


# References


def test_references_of_the_corpus_are_its_features(opened, lab):
    references = opened(feature="pitch").references("P11")
    assert list(references) == list(envelopes(["P11"]))
    np.testing.assert_array_equal(
        references["P11_story-b_003"], np.load(lab / "features/story-b_pitch.npy")[750:1000]
    )


def test_references_apart_are_taken_in_place_of_the_corpuss(opened, tmp_path):
    apart = envelopes()
    np.savez(tmp_path / "labels.npz", **apart)
    task = opened(labels=tmp_path / "labels.npz")
    assert task.labels_apart
    assert task.labels.path == tmp_path / "labels.npz"
    task.check_labels()
    found = task.references("P12")
    assert list(found) == list(envelopes(["P12"]))
    for name, values in found.items():
        np.testing.assert_array_equal(values, apart[name])


def test_references_apart_must_be_whole(opened, tmp_path):
    apart = envelopes(("P10", "P12"))
    apart["P10_story-a_001"] = apart["P10_story-a_001"][:-1]
    np.savez(tmp_path / "labels.npz", **apart)
    task = opened(labels=tmp_path / "labels.npz")
    with pytest.raises(CorpusError) as caught:
        task.check_labels()
    assert messages(caught, tmp_path) == [
        "--labels: no references of P11, expected every subject of the part."
    ]

    apart |= envelopes(["P11"])
    del apart["P11_story-b_003"], apart["P12_story-a_000"]
    np.savez(tmp_path / "labels.npz", **apart)
    task = opened(labels=tmp_path / "labels.npz")
    with pytest.raises(CorpusError) as caught:
        task.check_labels()
    assert messages(caught, tmp_path) == [
        "--labels: P10_story-a_001: shape (499, 1), expected (500, 1).",
        "--labels: P11_story-b_003: no reference, expected one a segment.",
        "--labels: P12_story-a_000: no reference, expected one a segment.",
    ]
    with pytest.raises(CorpusError) as caught:
        task.references("P12")
    assert messages(caught, tmp_path) == ["--labels: P12_story-a_000: no reference, expected one a segment."]


def test_references_apart_that_cannot_be_read_are_said_to_be_the_labels(opened, tmp_path):
    (tmp_path / "labels").mkdir()
    for subject in ("P10", "P11", "P12"):
        values = {name: v.tolist() for name, v in envelopes([subject]).items()}
        (tmp_path / "labels" / f"{subject}.json").write_text(json.dumps(values))
    (tmp_path / "labels/P11.json").write_text("{")
    task = opened(labels=tmp_path / "labels")
    assert sorted(task.references("P10")) == list(envelopes(["P10"]))
    with pytest.raises(CorpusError) as caught:
        task.references("P11")
    (message,) = messages(caught, tmp_path)
    assert message.startswith("--labels: P11.json: ")
    wide = {"P12_story-a_000": np.zeros((500, 2)).tolist()}
    (tmp_path / "labels/P12.json").write_text(json.dumps(wide))
    with pytest.raises(CorpusError) as caught:
        task.references("P12")
    assert messages(caught, tmp_path) == [
        "--labels: P12_story-a_000: shape (500, 2), expected (any, 1) (n_frames, n_bands).\n"
        "  The scored feature is envelope: 1 number a frame."
    ]
    np.savez(tmp_path / "nameless.npz", x=np.zeros((500, 1)))
    for call in (
        lambda: opened(labels=tmp_path / "nameless.npz"),
        lambda: open_labels(tmp_path / "nameless.npz", 1, "envelope"),
    ):
        with pytest.raises(CorpusError) as caught:
            call()
        assert messages(caught, tmp_path) == ["--labels: x: names no subject, expected subject/segment_id."]


def test_names_of_subjects_with_underscores_are_understood_as_the_corpus_has_them(tmp_path):
    lab = make_own_corpus(tmp_path / "lab", n_channels=4, subjects=("lab_1", "lab_2"))
    (lab / "corpus.toml").write_text(
        (lab / "corpus.toml").read_text().replace("{subject}_{stimulus}.npy", "{subject}-{stimulus}.npy")
    )
    for path in (lab / "eeg").iterdir():
        path.rename(path.with_name(path.name.replace("_story", "-story")))
    split = write_split(tmp_path / "mine.json", parts={"test": {"subjects": ["lab_1", "lab_2"]}})
    np.savez(tmp_path / "labels.npz", **envelopes(("lab_1", "lab_2")))
    task = open_task(lab, split_name=split, labels=tmp_path / "labels.npz")
    assert sorted(task.labels.subjects()) == ["lab_1", "lab_2"]
    task.check_labels()


def test_labels_that_are_not_there_are_refused(opened, tmp_path):
    with pytest.raises(CorpusError) as caught:
        opened(labels=tmp_path / "nowhere")
    assert messages(caught, tmp_path) == ["--labels lab/nowhere: no such file or folder."]


def test_a_folder_of_features_takes_the_place_of_the_corpuss_own(opened, lab, tmp_path):
    shutil.copytree(lab / "features", tmp_path / "apart/features")
    for path in (tmp_path / "apart/features").iterdir():
        np.save(path, np.load(path) + 1)
    task = opened(labels=tmp_path / "apart")
    assert (task.labels, task.labels_apart) == (None, True)
    np.testing.assert_array_equal(
        task.references("P10")["P10_story-a_001"],
        np.load(tmp_path / "apart/features/story-a_envelope.npy")[500:1000],
    )


def test_recordings_without_the_feature_are_refused_before_anything_runs(opened, lab):
    (lab / "features/story-b_pitch.npy").unlink()
    task = opened(feature="pitch")
    with pytest.raises(CorpusError) as caught:
        task.check_labels()
    assert messages(caught, lab) == [
        "lab: part test of split mine: no pitch for 12 of 24 segments (P10_story-b_000, P10_story-b_001,"
        " P10_story-b_002 and 9 more), expected references to score against.\n"
        "  Point --labels at the folder that holds them; `harness predict` needs none."
    ]
    (lab / "features/story-a_pitch.npy").unlink()
    task = opened(feature="pitch")
    with pytest.raises(CorpusError) as caught:
        task.check_labels()
    assert caught.value.faults == (task.corpus.absent["pitch"],)
    opened(feature="envelope").check_labels()


def test_a_training_part_that_is_not_there_is_refused_where_a_measure_needs_its_mean(opened, lab):
    for path in (lab / "eeg").glob("P01_*"):
        path.unlink()
    opened({"measures": ["cosine"]}).check_labels()
    with pytest.raises(CorpusError, match="1 of 7 subjects is not in the corpus: P01"):
        opened({"measures": ["cosine", "cosine_centred"]}).check_labels()


def test_the_centre_is_of_the_feature_that_is_scored_and_of_no_broken_other(opened, lab):
    keys = {"measures": ["cosine_centred"]}
    expected = np.concatenate(
        [np.load(lab / f"features/{story}_envelope.npy").reshape(4, 500, 1) for story in STIMULI]
    ).mean(axis=0, dtype=np.float64)
    np.save(lab / "features/story-a_pitch.npy", np.zeros((1000, 3)))
    np.testing.assert_allclose(opened(keys).centre, expected, rtol=0, atol=1e-9)


# What measures ask for


def test_short_segments_are_told_apart_by_their_recordings(opened):
    task = opened({"segment_seconds": 1.9})  # less than two of the least shifts, of 1 s
    ids = [one.id for one in task.by_subject["P11"]]
    np.testing.assert_array_equal(task.recordings_of(ids), [2] * 10 + [3] * 10)
    assert task.recordings_of(ids).dtype == np.int64
    turned = ["P12_story-b_001", "P10_story-a_000", "P12_story-b_000"]
    np.testing.assert_array_equal(task.recordings_of(turned), [5, 0, 5])
    labels_alone = replace(task, corpus=replace(task.corpus, layout="labels"))
    assert labels_alone.recordings_of(ids) is None
    assert task.recordings_of([]).dtype == np.int64
    assert opened({"segment_seconds": 2}).recordings_of(ids) is None


NAMED = ["cosine", "song_accuracy", "song_accuracy_reconstructed"]
ALL_HEAR_BOTH = {"train": ["P01", "P02"], "test": ["P10"]}


@pytest.fixture
def classified(opened, monkeypatch):
    """Open the corpus by these measures; classifiers are what they would be trained on."""

    def make(*measures):
        return opened({"measures": measures, "parts": {p: {"subjects": w} for p, w in ALL_HEAR_BOTH.items()}})

    monkeypatch.setattr("harness.tasks.task.reference_classifier", lambda *given: ("references", *given))
    monkeypatch.setattr("harness.tasks.task.answer_classifier", lambda *given: ("answers", *given))
    return make


def test_a_systems_own_classifier_stands_beside_the_one_of_all(classified):
    task = classified(*NAMED)
    answers = {one.id: np.zeros((500, 1)) for one in task.answered}
    assert len(answers) == 16
    context = task.context_of(answers)
    assert context.stimuli == task.context.stimuli == {s.id: s.recording.stimulus for s in task.segments}
    assert context.classifiers == {
        "classifier": ("references", task.training, task.segments, "envelope"),
        "reconstructions": ("answers", answers, task.answered, task.segments, "envelope"),
    }
    assert task.context_of({}) is task.context
    assert list(task.context.classifiers) == ["classifier"]
    for asks_nothing in (classified("cosine", "song_accuracy"), classified("cosine_centred")):
        assert asks_nothing.context_of(answers) is asks_nothing.context


def test_only_what_can_be_scored_without_a_systems_answers_is_measured(classified):
    task = classified(*NAMED)
    assert task.measured(task.context) == ("cosine", "song_accuracy")
    assert task.measured(task.context_of({one.id: np.zeros((500, 1)) for one in task.answered})) == tuple(
        NAMED
    )
    assert classified("cosine").measured(task.context) == ("cosine",)


# What a score rests on


def test_the_fingerprint_is_of_eeg_references_and_centre(opened):
    task = opened({"measures": ["cosine_centred"]}, feature="pitch")
    digest = Fingerprint()
    for segment in reversed(task.segments):
        digest.add_eeg(segment.id, segment.eeg())
        digest.add_reference(segment.id, segment.feature("pitch"))
    digest.add_reference(CENTRE_ID, task.centre)
    assert CENTRE_ID == "/centre"
    assert task.fingerprint() == digest.hexdigest()


def test_the_fingerprint_with_references_apart_is_of_those(opened, tmp_path):
    apart = envelopes()
    np.savez(tmp_path / "labels.npz", **apart)
    task = opened(labels=tmp_path / "labels.npz")
    digest = Fingerprint()
    for segment in task.segments:
        digest.add_eeg(segment.id, segment.eeg())
        digest.add_reference(segment.id, apart[segment.id])
    assert task.fingerprint() == digest.hexdigest() != opened().fingerprint()


def test_what_went_through_the_predictor_and_the_scorer_is_not_read_again(opened, monkeypatch):
    task = opened()
    expected = task.fingerprint()
    eeg, references = Fingerprint(), Fingerprint()
    for segment in task.segments:
        assert eeg.lacks(segment.id, "eeg")
        assert eeg.lacks(segment.id, "reference")
        eeg.add_eeg(segment.id, segment.eeg())
        references.add_reference(segment.id, segment.feature("envelope"))
        assert not eeg.lacks(segment.id, "eeg")
        assert eeg.lacks(segment.id, "reference")
    for reading in ("eeg", "stored_eeg", "feature"):
        monkeypatch.setattr(f"harness.tasks.segments.Segment.{reading}", None)
    assert task.fingerprint(eeg, references) == expected


def test_the_fingerprint_is_that_of_the_documented_lines(rng):
    digest = Fingerprint()
    values = rng.standard_normal((3, 2))
    digest.add_reference("b", values)
    data = values.astype("<f4").tobytes()
    line = f"b\0reference\0{hashlib.sha256(data).hexdigest()}\n"
    assert digest.hexdigest() == hashlib.sha256(line.encode()).hexdigest()


RECIPE = {"seed": 1}


@pytest.fixture
def simulated(lab, tmp_path):
    """The folder, declared simulated; the marker of a simulated corpus above it, with each file's hash."""
    toml = lab / "corpus.toml"
    toml.write_text(toml.read_text().replace('kind = "real"', 'kind = "simulated"'))
    files = {str(path.relative_to(tmp_path)): path.read_bytes() for path in lab.rglob("*.npy")}
    marker = {
        "simulated": True,
        "generator_version": 7,
        "recipe": RECIPE,
        "sizes": {path: len(data) for path, data in files.items()},
        "files": {path: hashlib.sha256(data).hexdigest() for path, data in files.items()},
    }
    (tmp_path / "simulated.json").write_text(json.dumps(marker))
    return lab


def test_a_simulated_corpus_is_known_by_its_recipe(simulated, opened, tmp_path):
    recipe = {"generator_version": 7, "recipe": RECIPE}
    expected = hashlib.sha256(json.dumps(recipe, sort_keys=True).encode()).hexdigest()
    assert opened().fingerprint() == expected
    np.savez(tmp_path / "labels.npz", **envelopes())
    task = opened(labels=tmp_path / "labels.npz")
    digest = Fingerprint()
    for segment in task.segments:
        digest.add_eeg(segment.id, segment.eeg())
        digest.add_reference(segment.id, envelopes()[segment.id])
    assert task.fingerprint() == digest.hexdigest() != expected
    (tmp_path / "simulated.json").unlink()  # a part that was copied: by its numbers
    assert opened().fingerprint() != expected


@pytest.mark.parametrize("subject", ["P10", "P01"])
def test_changed_files_of_a_simulated_corpus_are_refused(simulated, opened, subject):
    victim = simulated / f"eeg/{subject}_story-a.npy"
    data = bytearray(victim.read_bytes())
    data[-1] ^= 1
    victim.write_bytes(data)
    keys = {"measures": ["cosine_centred"]}
    if subject == "P10":
        with pytest.raises(CorpusError) as caught:
            opened(keys)
    else:  # of the training part, which is looked at for its mean
        with pytest.raises(CorpusError) as caught:
            opened(keys).check_labels()
    assert [(Path(f.where), f.arrived) for f in caught.value.faults] == [
        (victim, f"sha256 {hashlib.sha256(data).hexdigest()}")
    ]
