"""A folder of arrays, read by the patterns of its corpus.toml."""

import json
import shutil

import numpy as np
import pytest
from own_corpus import SUBJECTS, TOML, make_own_corpus, own_split

from harness.corpus import open_corpus
from harness.corpus.pattern import Pattern
from harness.corpus.walk import walk
from harness.errors import CorpusError, SplitError, UsageError
from harness.tasks.segments import cut_segments, stretches
from harness.tasks.task import open_task


@pytest.fixture
def lab(tmp_path):
    """Three subjects, 8 channels at 100 Hz, two stories of 10.3 s; pitch at 50 Hz."""
    return make_own_corpus(tmp_path / "lab", n_channels=8, pitch_rate=50, seconds=10.3, subjects=SUBJECTS[:3])


@pytest.fixture
def three(tmp_path):
    """A split of the three subjects."""
    parts = {
        part: {"subjects": [name]} for part, name in zip(("train", "val", "test"), SUBJECTS, strict=False)
    }
    return own_split(tmp_path / "three.json", parts=parts)


def _messages(caught, folder):
    return [str(fault).replace(str(folder), "lab") for fault in caught.value.faults]


def _change(lab, old, new):
    path = lab / "corpus.toml"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def _refused(lab):
    with pytest.raises(CorpusError) as caught:
        open_corpus(lab)
    return _messages(caught, lab)


@pytest.mark.parametrize(
    ("pattern", "path", "values"),
    [
        ("eeg/{subject}_{stimulus}.npy", "eeg/P01_a_b.npy", {"subject": "P01", "stimulus": "a_b"}),
        ("eeg/{subject}_{stimulus}.npy", "eeg/P01.npy", None),
        ("eeg/{subject}_{stimulus}.npy", "eeg/deep/P01_a.npy", None),
        ("{subject}/x_{subject}.npy", "P1/x_P1.npy", {"subject": "P1"}),
        ("{subject}/x_{subject}.npy", "P1/x_P2.npy", None),
        ("{subject}/*/{run}.npz", "P1/anything/2.npz", {"subject": "P1", "run": "2"}),
        ("a+b({subject}).npy", "a+b(P1).npy", {"subject": "P1"}),
        ("{subject}.npy", "P1Xnpy", None),
    ],
)
def test_a_pattern_says_who_is_heard_where(pattern, path, values):
    assert Pattern(pattern).match(path) == values


def test_walk_passes_over_hidden_files_and_follows_links(tmp_path):
    for name in ("a/x.npy", "a/._x.npy", ".git/y.npy", "elsewhere/z.npy"):
        (tmp_path / "tree" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "tree" / name).touch()
    shutil.move(tmp_path / "tree/elsewhere", tmp_path / "elsewhere")
    (tmp_path / "tree/linked").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "tree/a/round").symlink_to(tmp_path / "tree")
    (tmp_path / "tree/a/nowhere.npy").symlink_to(tmp_path / "gone.npy")
    (tmp_path / "tree/a/itself.npy").symlink_to(tmp_path / "tree/a/itself.npy")
    below = walk(tmp_path / "tree")
    assert below.files == ("a/itself.npy", "a/nowhere.npy", "a/x.npy", "linked/z.npy")
    assert below.round == ("a/round",)
    assert below.leaving == ("a/nowhere.npy", "linked")
    assert below.notes == ["1 link to a folder above passed over: a/round"]


def test_a_folder_that_two_links_lead_to_is_read_under_both_names(tmp_path):
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared/x.npy").touch()
    for name in ("P01", "P02"):
        (tmp_path / name).symlink_to(tmp_path / "shared")
    assert walk(tmp_path).files == ("P01/x.npy", "P02/x.npy", "shared/x.npy")


def test_links_that_make_many_folders_of_few_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("harness.corpus.walk.MOST_FOLDERS", 50)
    for one in "abcde":
        (tmp_path / one).mkdir()
        for other in "abcde":
            (tmp_path / one / other).symlink_to(tmp_path / other)
    with pytest.raises(CorpusError, match="more than 50 folders, expected fewer"):
        walk(tmp_path)


def test_segments_hold_the_numbers_of_the_files(lab, three):
    corpus = open_corpus(lab)
    segments = cut_segments(corpus, three, "val")
    assert corpus.subjects == ("P01", "P02", "P03")
    assert [segment.id for segment in segments] == [
        "P02_story-a_000",
        "P02_story-a_001",
        "P02_story-b_000",
        "P02_story-b_001",
    ]
    eeg = np.load(lab / "eeg/P02_story-b.npy")
    envelope = np.load(lab / "features/story-b_envelope.npy")
    pitch = np.load(lab / "features/story-b_pitch.npy")
    last = segments[-1]
    assert np.array_equal(last.eeg(), eeg[500:1000].astype(np.float32))
    assert np.array_equal(last.feature("envelope"), envelope[500:1000])
    assert np.array_equal(last.feature("pitch"), pitch[250:500])
    assert last.eeg().dtype == last.feature("pitch").dtype == np.float32


def test_the_last_segment_counts_where_a_recording_is_a_whole_number_of_segments(tmp_path):
    # 875 samples are 7 segments of 125; SparrKULee's own division in time would leave 874.
    lab = make_own_corpus(tmp_path / "lab", n_channels=4, rate=125, seconds=7.0, subjects=SUBJECTS[:1])
    split = own_split(
        tmp_path / "one.json", sample_rate_hz=125, segment_seconds=1, parts={"test": {"subjects": ["P01"]}}
    )
    segments = cut_segments(open_corpus(lab), split, "test")
    assert [(s.start, s.stop) for s in segments[:7]] == [(125 * i, 125 * i + 125) for i in range(7)]
    assert len(segments) == 14


def test_parts_in_time_may_have_other_fractions(lab, tmp_path):
    split = own_split(
        tmp_path / "in-time.json",
        cut="in-time",
        segment_seconds=1,
        time_fractions={"train": 0.5, "val": 0.2, "test": 0.25},
        parts={part: {"subjects": "all"} for part in ("train", "val", "test")},
    )
    bounds = [next(stretches(open_corpus(lab), split, part))[1:] for part in ("train", "val", "test")]
    assert bounds == [(0, 515), (515, 721), (721, 978)]


def test_frames_a_segment_in_place_of_a_rate(lab, three, tmp_path):
    _change(lab, "frame_rate_hz = 50", "frames_per_segment = 2")
    for stimulus, start in (("story-a", 0), ("story-b", 10)):
        np.save(lab / f"features/{stimulus}_pitch.npy", np.arange(start, start + 4.0)[:, None])
    task = open_task(lab, split_name=tmp_path / "three.json", feature="pitch")
    assert (task.n_frames, task.n_bands, task.frame_rate_hz) == (2, 1, 0.4)
    found = {name: values[:, 0].tolist() for name, values in task.references("P03").items()}
    assert found == {
        "P03_story-a_000": [0, 1],
        "P03_story-a_001": [2, 3],
        "P03_story-b_000": [10, 11],
        "P03_story-b_001": [12, 13],
    }


@pytest.mark.parametrize("n_frames", [3, 7, 1000])
def test_another_number_of_frames_than_the_segments_have_is_refused(lab, three, tmp_path, n_frames):
    _change(lab, "frame_rate_hz = 50", "frames_per_segment = 2")
    np.save(lab / "features/story-a_pitch.npy", np.arange(4.0)[:, None])
    np.save(lab / "features/story-b_pitch.npy", np.arange(float(n_frames))[:, None])
    expected = [
        f"P03_story-b: pitch: {n_frames} frames beside 1030 samples of EEG, expected about 4 frames, 2 for"
        " each segment of 5 s.\n  Is frames_per_segment another than declared, or does the split cut other"
        " segments?"
    ]
    with pytest.raises(CorpusError) as caught:
        open_task(lab, split_name=tmp_path / "three.json", feature="pitch")
    assert _messages(caught, lab) == expected
    with pytest.raises(CorpusError) as caught:  # as training reads it
        next(stretches(open_corpus(lab), three, "test", "pitch"))
    assert _messages(caught, lab) == expected
    assert open_task(lab, split_name=tmp_path / "three.json", feature="envelope").n_frames == 500


@pytest.mark.parametrize("n_frames", [4, 5, 6])
def test_the_rest_of_a_recording_may_have_frames_or_not(lab, three, tmp_path, n_frames):
    _change(lab, "frame_rate_hz = 50", "frames_per_segment = 2")
    for stimulus in ("story-a", "story-b"):
        np.save(lab / f"features/{stimulus}_pitch.npy", np.arange(float(n_frames))[:, None])
    task = open_task(lab, split_name=tmp_path / "three.json", feature="pitch")
    assert [values[:, 0].tolist() for values in task.references("P03").values()] == [[0, 1], [2, 3]] * 2


def test_sizes_of_a_task_are_those_of_corpus_split_and_feature(lab, tmp_path, three):
    task = open_task(lab, split_name=tmp_path / "three.json", feature="pitch")
    assert (task.n_channels, task.sample_rate_hz, task.n_frames, task.split.segment_samples) == (
        8,
        100,
        250,
        500,
    )
    assert task.expected.n_times == 250


def test_npz_members_and_axes(lab, three):
    for path in (lab / "eeg").glob("*.npy"):
        np.savez(path.with_suffix(".npz"), eeg=np.load(path).T, other=np.zeros(3), fs=100)
        path.unlink()
    _change(
        lab,
        '_{stimulus}.npy"\n\n[features.e',
        '_{stimulus}.npz"\nmember = "eeg"\naxes = "channels, times"\n\n[features.e',
    )
    first = cut_segments(open_corpus(lab), three, "test")[0]
    with np.load(lab / "eeg/P03_story-a.npz") as stored:
        assert np.array_equal(first.eeg(), stored["eeg"].T[:500].astype(np.float32))
    _change(lab, 'member = "eeg"', 'member = "egg"')
    message = "lab/eeg/P01_story-a.npz: arrays eeg, other, expected the array 'egg'.\n  Did you mean 'eeg'?"
    assert _refused(lab)[0] == message


def test_recordings_of_sessions_and_runs_have_ids_of_their_own(lab, tmp_path, three):
    for number, path in enumerate(sorted((lab / "eeg").glob("*.npy"))):
        subject = path.name[:3]
        target = lab / "eeg" / subject / f"ses{number % 2}"
        target.mkdir(parents=True)
        path.rename(target / "run1_story-a.npy")
    _change(lab, "eeg/{subject}_{stimulus}.npy", "eeg/{subject}/{session}/{run}_{stimulus}.npy")
    segments = cut_segments(open_corpus(lab), three, "test")
    assert [segment.id for segment in segments][::2] == [
        "P03_ses0_run1_story-a_000",
        "P03_ses1_run1_story-a_000",
    ]


def test_a_feature_may_lie_with_each_recording(lab, three, rng):
    own = rng.standard_normal((1030, 1)).astype(np.float32)
    for subject in SUBJECTS[:3]:
        for stimulus in ("story-a", "story-b"):
            np.save(lab / f"features/{subject}_{stimulus}_own.npy", own + int(subject[1:]))
    _change(lab, "features/{stimulus}_envelope.npy", "features/{subject}_{stimulus}_own.npy")
    assert np.array_equal(cut_segments(open_corpus(lab), three, "test")[0].feature("envelope"), own[:500] + 3)


def test_one_number_a_frame_needs_no_second_axis(lab, three):
    path = lab / "features/story-a_envelope.npy"
    values = np.load(path)
    np.save(path, values[:, 0])
    assert np.array_equal(cut_segments(open_corpus(lab), three, "test")[0].feature("envelope"), values[:500])


def test_more_channels_are_left_out_only_where_declared(lab, three):
    _change(lab, "count = 8", "count = 6")
    assert _refused(lab)[0] == (
        "lab/eeg/P01_story-a.npy: EEG of shape (1030, 8), expected (n_times, 6), as declared."
    )
    _change(lab, "count = 6", "count = 6\nmore_in_files = true")
    corpus = open_corpus(lab)
    assert corpus.notes == ("EEG files with up to 8 channels: the first 6 are read, as my-lab declares",)
    assert cut_segments(corpus, three, "test")[0].eeg().shape == (500, 6)


def test_swapped_axes_are_told(lab):
    for path in (lab / "eeg").glob("*.npy"):
        np.save(path, np.load(path).T)
    assert _refused(lab)[0] == (
        "lab/eeg/P01_story-a.npy: EEG of shape (8, 1030), expected (n_times, 8), as declared.\n"
        '  Axes look swapped: declare axes = "channels, times", or save array.T.'
    )


def test_patterns_that_match_nothing_are_refused(lab):
    _change(lab, "eeg/{subject}_{stimulus}.npy", "EEG/{subject}_{stimulus}.npy")
    assert _refused(lab) == [
        "lab/corpus.toml: eeg: files: no file matches 'EEG/{subject}_{stimulus}.npy'; there:"
        " eeg/P01_story-a.npy, eeg/P01_story-b.npy, eeg/P02_story-a.npy and 7 more, expected files below lab.\n"
        "  eeg/P01_story-a.npy, eeg/P01_story-b.npy and 4 more would match, in another case."
    ]


def test_two_patterns_of_one_file_are_refused(lab):
    _change(
        lab,
        '"eeg/{subject}_{stimulus}.npy"',
        '["eeg/{subject}_{stimulus}.npy", "e*/{subject}_{stimulus}.npy"]',
    )
    assert _refused(lab) == [
        "lab/corpus.toml: eeg: files: two patterns match eeg/P01_story-a.npy, eeg/P01_story-b.npy,"
        " eeg/P02_story-a.npy and 3 more, the second is"
        " 'e*/{subject}_{stimulus}.npy', expected every file matched by one pattern.\n"
        "  Make one of the two say more of the file's name."
    ]


def test_a_file_that_is_eeg_and_a_feature_is_refused(lab):
    _change(lab, "features/{stimulus}_pitch.npy", "eeg/{subject}_{stimulus}.npy")
    assert _refused(lab) == [
        "lab/corpus.toml: eeg: files: eeg/P01_story-a.npy, eeg/P01_story-b.npy and 4 more matched twice, as EEG"
        " and as pitch by 'eeg/{subject}_{stimulus}.npy', expected every file matched by one pattern.\n"
        "  Make the patterns say more of the names; or, in an .npz, name two members."
    ]


def test_two_files_of_one_recording_are_refused(lab):
    (lab / "again").mkdir()
    shutil.copy(lab / "eeg/P01_story-a.npy", lab / "again")
    _change(lab, "eeg/{subject}", "*/{subject}")
    messages = _refused(lab)
    assert (
        "lab/corpus.toml: eeg: files: 2 files of the recording P01_story-a: again/P01_story-a.npy,"
        " eeg/P01_story-a.npy, expected one file a recording.\n"
        "  Put {session} or {run} where the names differ, or write out what stands for *."
    ) in messages


def test_a_file_under_two_names_is_refused(lab):
    (lab / "eeg/P04_story-a.npy").symlink_to(lab / "eeg/P01_story-a.npy")
    assert _refused(lab) == [
        "lab/corpus.toml: eeg: files: one file under 2 names: eeg/P01_story-a.npy, eeg/P04_story-a.npy, expected"
        " every recording once.\n  Remove the links that show it again."
    ]


def test_subjects_that_differ_only_in_case_are_refused(lab):
    shutil.copy(lab / "eeg/P01_story-a.npy", lab / "eeg/p01_story-a.npy")
    assert _refused(lab) == [
        "lab: subjects: P01 and p01 differ only in case, expected names that differ in more.\n"
        "  Rename one of them, in every file."
    ]


def test_hidden_files_are_passed_over(lab, three):
    (lab / "eeg/._P01_story-a.npy").write_bytes(b"not an array")
    (lab / "features/._story-a_envelope.npy").write_bytes(b"not an array")
    corpus = open_corpus(lab)
    assert (corpus.subjects, corpus.faults) == (("P01", "P02", "P03"), ())


def test_a_linked_folder_of_recordings_is_read(lab, tmp_path, three):
    whole = open_corpus(lab).subjects
    shutil.move(lab / "eeg", tmp_path / "disk")
    (lab / "eeg").symlink_to(tmp_path / "disk")
    assert open_corpus(lab).subjects == whole


def test_lengths_that_differ_by_more_than_two_percent_are_refused(lab, three):
    path = lab / "features/story-a_envelope.npy"
    values = np.load(path)
    np.save(path, values[:1010])  # 2 % of 1030 samples are 20.6
    assert open_corpus(lab).faults == ()
    np.save(path, values[:1009])
    with pytest.raises(CorpusError) as caught:
        cut_segments(open_corpus(lab), three, "test", feature="envelope")
    assert _messages(caught, lab) == [
        "eeg/P03_story-a.npy: envelope: 1009 frames beside 1030 samples of EEG, expected about 1030 frames, at"
        " the rates of the corpus.\n"
        "  Lengths may differ by 2 %: is a sampling rate another than declared, or is it another recording?"
    ]
    assert cut_segments(open_corpus(lab), three, "test", feature="pitch")


@pytest.mark.parametrize("member", ["fs", "sr", "sample_rate"])
def test_a_rate_in_the_file_that_is_not_the_declared_one_is_refused(lab, member):
    for path in (lab / "eeg").glob("*.npy"):
        np.savez(path.with_suffix(".npz"), x=np.load(path), **{member: np.int64(125)})
        path.unlink()
    _change(lab, "eeg/{subject}_{stimulus}.npy", "eeg/{subject}_{stimulus}.npz")
    assert _refused(lab)[0] == (
        f"lab/eeg/P01_story-a.npz: {member}: 125 Hz, expected 100 Hz, as the corpus declares.\n"
        "  Declare the rate that the files have; nothing is resampled here."
    )


def test_a_feature_declared_and_absent_is_told(lab, three, tmp_path):
    for path in (lab / "features").glob("*_pitch.npy"):
        path.unlink()
    split = tmp_path / "three.json"
    open_task(lab, split_name=split, feature="envelope").check_labels()
    task = open_task(lab, split_name=split, feature="pitch")  # to predict needs no labels
    with pytest.raises(CorpusError) as caught:
        task.check_labels()
    assert _messages(caught, lab) == [
        "lab/corpus.toml: features: pitch: no file matches 'features/{stimulus}_pitch.npy'; there:"
        " eeg/P01_story-a.npy, eeg/P01_story-b.npy, eeg/P02_story-a.npy and 5 more, expected files below lab.\n"
        "  Correct the pattern, copy the files there, or leave the feature out."
    ]


@pytest.mark.parametrize(
    ("changes", "feature", "message"),
    [
        (
            {"sample_rate_hz": 64},
            "envelope",
            "split three: 64 Hz, expected 100 Hz, the rate of the corpus my-lab.\n"
            "  Write a split with the corpus's rate; nothing is resampled here.",
        ),
        (
            {"segment_seconds": 2.51},
            "pitch",
            "split three: segments of 2.51 s, 125.5 frames of pitch at 50 Hz, expected a whole number of"
            " frames.\n  Choose another segment_seconds; nothing is resampled or rounded here.",
        ),
        (
            {"corpora": ["my-labs"]},
            "envelope",
            "split three: the corpus my-lab in lab, expected a corpus of my-labs.\n"
            "  Choose another --split or --data, or list my-lab under corpora in the split's file.",
        ),
        (
            {"features": ["pich"]},
            "pich",
            "feature pich: the corpus my-lab declares none of that name, expected one of envelope, pitch.\n"
            "  Did you mean 'pitch'?",
        ),
        (
            {},
            "pich",
            "split three: feature pich, expected one of envelope, pitch.\n  Did you mean 'pitch'?",
        ),
    ],
    ids=["rate", "frames", "corpus", "undeclared feature", "feature"],
)
def test_a_split_that_does_not_fit_is_refused(lab, three, tmp_path, changes, feature, message):
    path = tmp_path / "three.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))
    with pytest.raises((SplitError, UsageError)) as caught:
        open_task(lab, split_name=path, feature=feature)
    assert str(caught.value).replace(str(lab), "lab") == message


def test_subjects_that_the_corpus_does_not_list_are_refused(lab, three, tmp_path):
    head = (lab / "corpus.toml").read_text()
    (lab / "corpus.toml").write_text('subjects = ["P01..P02"]\n' + head)
    assert _refused(lab) == [
        "lab/corpus.toml: subjects: files of P03, expected the 2 listed subjects.\n  Did you mean 'P02'?"
    ]
    (lab / "corpus.toml").write_text('subjects = ["P01..P12"]\n' + head)
    path = tmp_path / "three.json"
    path.write_text(path.read_text().replace("P03", "P13"))
    with pytest.raises(SplitError) as caught:
        open_task(lab, split_name=path)
    assert str(caught.value) == (
        "split three: unknown subjects P13, expected subjects that the corpus my-lab lists.\n"
        "  Did you mean 'P12'?"
    )


def test_simulated_data_are_never_declared_real(lab):
    (lab / "simulated.json").write_text("{}")
    assert _refused(lab) == [
        "lab/corpus.toml: kind: 'real' beside files of the simulated corpus, expected 'simulated'.\n"
        "  Simulated data are never taken for real."
    ]
    _change(lab, 'kind = "real"', 'kind = "simulated"')
    assert open_corpus(lab).simulated


def test_the_default_split_may_lie_beside_the_declaration(lab, tmp_path, three):
    with pytest.raises(SplitError) as caught:
        open_task(lab)
    assert str(caught.value) == (
        'corpus my-lab: no default split in its declaration, expected default_split = "NAME" in corpus.toml, or'
        " --split.\n  Name a split with --split."
    )
    shutil.copy(tmp_path / "three.json", lab)
    (lab / "corpus.toml").write_text('default_split = "three.json"\n' + (lab / "corpus.toml").read_text())
    assert open_task(lab).split == three


def test_the_corpus_says_the_measure_where_the_split_does_not(lab, tmp_path, three):
    split = tmp_path / "three.json"
    (lab / "corpus.toml").write_text('measure = "cosine"\n' + (lab / "corpus.toml").read_text())
    assert open_task(lab, split_name=split).split.measures == ("cosine",)
    split.write_text(json.dumps({**json.loads(split.read_text()), "measures": ["pearson_r"]}))
    assert open_task(lab, split_name=split).split.measures == ("pearson_r",)
    _change(lab, '"cosine"', '"cosin"')
    split.write_text(json.dumps({k: v for k, v in json.loads(split.read_text()).items() if k != "measures"}))
    with pytest.raises(SplitError) as caught:
        open_task(lab, split_name=split)
    assert str(caught.value) == (
        "corpus my-lab: measure: 'cosin', expected one of cosine, cosine_centred, cosine_gain, pearson_r,"
        " song_accuracy, song_accuracy_reconstructed.\n"
        "  Did you mean 'cosine'?"
    )


def test_features_may_lie_apart_from_the_eeg(lab, tmp_path, three):
    shutil.move(lab / "features", tmp_path / "hidden/features")
    task = open_task(lab, split_name=tmp_path / "three.json", labels=tmp_path / "hidden")
    task.check_labels()
    whole = np.load(tmp_path / "hidden/features/story-a_envelope.npy")
    assert np.array_equal(task.references("P03")["P03_story-a_000"], whole[:500])


def test_a_declaration_may_name_a_known_layout(official_split, tmp_path, small_split):
    shutil.copytree(official_split, tmp_path / "lab")
    head = TOML.format(rate=64, n_channels=64, pitch_rate=64).partition("[channels]")[0]
    (tmp_path / "lab/corpus.toml").write_text(
        f'layouts = ["preprocessed"]\n{head}[channels]\ncount = 64\n\n'
        '[features.mel]\ntitle = "Mel"\nbands = 10\n'
    )
    corpus = open_corpus(tmp_path / "lab")
    assert (corpus.name, corpus.layout, len(corpus.recordings)) == ("my-lab", "preprocessed", 6)


def test_a_subject_that_the_split_names_in_another_case_is_told(lab, tmp_path):
    split = own_split(tmp_path / "cased.json", parts={"test": {"subjects": ["p01", "P02"]}})
    with pytest.raises(CorpusError) as caught:
        cut_segments(open_corpus(lab), split, "test")
    assert _messages(caught, lab) == [
        "lab: part test of split cased: 1 of 2 subjects is not in the corpus: p01, expected recordings of every"
        " subject.\n  Did you mean 'P01'? Correct the split."
    ]
