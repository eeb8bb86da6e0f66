"""How a part is cut into segments, and every reason for which it is not."""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType, SimpleNamespace

import numpy as np
import pytest
from own_corpus import SUBJECTS, make_own_corpus, own_split

from harness.corpus import open_corpus
from harness.corpus.base import Recording, Series, SubjectFault
from harness.corpus.declaration import FeatureDeclaration
from harness.errors import CorpusError, Fault, SplitError
from harness.tasks.segments import (
    by_subject,
    check_fit,
    check_frames,
    cut_segments,
    missing_subjects,
    part_subjects,
    stretches,
)
from harness.tasks.splits import load_split

STORIES = ("story-a", "story-b")


@pytest.fixture
def lab(tmp_path):
    """P01 to P12, 4 channels at 100 Hz, two stories of 20 s each."""
    return open_corpus(make_own_corpus(tmp_path / "lab", n_channels=4))


@pytest.fixture
def make_split(tmp_path):
    """A split of segments of 5 s; keys replace its own."""
    return lambda name="mine", **keys: own_split(tmp_path / f"{name}.json", **keys)


def parts(**subjects):
    return {part: {"subjects": names} for part, names in subjects.items()}


def messages(caught, corpus):
    return [str(fault).replace(str(corpus.folder), "lab") for fault in caught.value.faults]


def test_a_recording_of_a_whole_number_of_segments_gives_them_all(lab, make_split):
    segments = cut_segments(lab, make_split(), "val")
    assert [(s.id, s.start, s.stop) for s in segments] == [
        (f"{subject}_{story}_{i:03d}", 500 * i, 500 * i + 500)
        for subject in ("P08", "P09")
        for story in STORIES
        for i in range(4)
    ]
    assert [s.subject for s in segments] == ["P08"] * 8 + ["P09"] * 8
    last = segments[-1]
    eeg = np.load(lab.folder / "eeg/P09_story-b.npy").astype(np.float32)
    np.testing.assert_array_equal(last.eeg(), eeg[1500:])
    np.testing.assert_array_equal(
        last.feature("pitch"), np.load(lab.folder / "features/story-b_pitch.npy")[1500:]
    )


def test_the_rest_that_is_shorter_than_a_segment_is_left_out(lab, make_split):
    segments = cut_segments(lab, make_split(segment_seconds=6), "val")
    assert [(s.start, s.stop) for s in segments] == [(0, 600), (600, 1200), (1200, 1800)] * 4


def test_parts_in_time_are_cut_from_their_own_beginning(lab, make_split):
    fractions = {"train": 0.6, "val": 0.2, "test": 0.2}
    split = make_split(
        cut="in-time",
        time_fractions=fractions,
        segment_seconds=1.5,
        parts=parts(train="all", val="all", test=["P01"]),
    )
    found = {part: [(s.start, s.stop) for s in cut_segments(lab, split, part)] for part in split.parts}
    assert found["train"] == [(150 * i, 150 * i + 150) for i in range(8)] * 24
    assert found["val"] == [(1200, 1350), (1350, 1500)] * 24
    assert found["test"] == [(1600, 1750), (1750, 1900)] * 2


def test_subjects_without_a_whole_segment_are_named_all_at_once(lab, make_split):
    with pytest.raises(CorpusError) as caught:
        cut_segments(lab, make_split(segment_seconds=30), "val")
    assert messages(caught, lab) == [
        f"{subject}: no stretch of 30 s in part val, expected recordings of 3000 samples or more."
        for subject in ("P08", "P09")
    ]


def test_subjects_that_are_not_there_are_refused_unless_partial(lab, make_split):
    split = make_split(parts=parts(train=["P01"], val=["P08", "P13", "P14"]))
    assert missing_subjects(lab, split, "val") == ("P13", "P14")
    assert missing_subjects(lab, split, "train") == ()
    expected = [
        "lab: part val of split mine: 2 of 3 subjects are not in the corpus: P13, P14, expected recordings of"
        " every subject.\n  --partial goes on with those that are there."
    ]
    for refused in (cut_segments, part_subjects, lambda *of: list(stretches(*of))):
        with pytest.raises(CorpusError) as caught:
            refused(lab, split, "val")
        assert messages(caught, lab) == expected
    assert part_subjects(lab, split, "val", partial=True) == ("P08",)
    assert {s.subject for s in cut_segments(lab, split, "val", partial=True)} == {"P08"}
    assert [r.id for r, _, _ in stretches(lab, split, "val", partial=True)] == ["P08_story-a", "P08_story-b"]


def test_a_missing_subject_that_is_there_in_another_case_is_told(lab, make_split):
    split = make_split(parts=parts(test=["P01", "p02", "P99"]))
    with pytest.raises(CorpusError) as caught:
        part_subjects(lab, split, "test")
    assert messages(caught, lab) == [
        "lab: part test of split mine: 2 of 3 subjects are not in the corpus: P99, p02, expected recordings of"
        " every subject.\n  --partial goes on with those that are there."
    ]
    split = make_split("cased", parts=parts(test=["P01", "p02"]))
    with pytest.raises(CorpusError) as caught:
        part_subjects(lab, split, "test")
    assert messages(caught, lab) == [
        "lab: part test of split cased: 1 of 2 subjects is not in the corpus: p02, expected recordings of every"
        " subject.\n  Did you mean 'P02'? Correct the split."
    ]


def test_a_part_without_any_subject_names_the_parts_that_have_some(lab, make_split):
    split = make_split(parts=parts(train=["P01"], val=["P08", "P13"], test=["P20", "P21"]))
    for partial in (False, True):
        with pytest.raises(CorpusError) as caught:
            part_subjects(lab, split, "test", partial=partial)
        assert messages(caught, lab) == [
            "lab: part test of split mine: 2 of 2 subjects are not in the corpus: P20, P21, expected recordings"
            " of every subject.\n"
            "  The parts with subjects here: val (1 of 2 subjects). Choose one with --part."
        ]
    with pytest.raises(CorpusError) as caught:
        part_subjects(lab, make_split(parts=parts(train=["P01"], val=["P20"], test=["P21"])), "test")
    assert messages(caught, lab) == [
        "lab: part test of split mine: 1 of 1 subject is not in the corpus: P21, expected recordings of every"
        " subject.\n"
        "  No subject of another part that can be scored is there: choose another --split, or point --data at"
        " another corpus."
    ]
    with pytest.raises(CorpusError) as caught:
        part_subjects(lab, make_split(parts=parts(train=["P20"], val=["P01"], test=["P02"])), "train")
    assert messages(caught, lab) == [
        "lab: part train of split mine: 1 of 1 subject is not in the corpus: P20, expected recordings of every"
        " subject.\n"
        "  The parts with subjects here: val (1 of 1 subject), test (1 of 1 subject). Choose one with --part."
    ]


def test_a_part_of_all_subjects_is_among_the_parts_that_have_some(lab, make_split):
    fractions = {"train": 0.8, "val": 0.1, "test": 0.1}
    split = make_split(
        cut="in-time", time_fractions=fractions, parts=parts(train="all", val="all", test=["P99"])
    )
    with pytest.raises(CorpusError) as caught:
        part_subjects(lab, split, "test")
    assert messages(caught, lab) == [
        "lab: part test of split mine: 1 of 1 subject is not in the corpus: P99, expected recordings of every"
        " subject.\n  The parts with subjects here: val (12 of 12 subjects). Choose one with --part."
    ]


@pytest.mark.parametrize(
    ("feature", "subjects_of_faults"),
    [
        (None, ["P08 eeg", "P08 pitch", "P09 envelope"]),
        ("pitch", ["P08 eeg", "P08 pitch"]),
        ("envelope", ["P08 eeg", "P09 envelope"]),
        ("", ["P08 eeg"]),
    ],
)
def test_broken_recordings_of_the_parts_subjects_are_refused_where_the_feature_matters(
    lab, make_split, feature, subjects_of_faults
):
    faults = [
        SubjectFault("P08", Fault("P08 eeg", "broken")),
        SubjectFault("P08", Fault("P08 pitch", "broken"), "pitch"),
        SubjectFault("P09", Fault("P09 envelope", "broken"), "envelope"),
        SubjectFault("P09", Fault("P09 envelope", "broken"), "envelope"),
        SubjectFault("P10", Fault("P10 eeg", "broken")),
    ]
    corpus = replace(lab, faults=tuple(faults))
    for refused in (part_subjects, cut_segments):
        with pytest.raises(CorpusError) as caught:
            refused(corpus, make_split(), "val", feature=feature, partial=True)
        assert messages(caught, lab) == [f"{where}: broken." for where in subjects_of_faults]
    with pytest.raises(CorpusError) as caught:
        list(stretches(corpus, make_split(), "val", feature or None))
    assert messages(caught, lab) == [f"{where}: broken." for where in subjects_of_faults or ()] or not feature
    assert part_subjects(corpus, make_split(), "train") == tuple(SUBJECTS[:7])


def test_a_split_of_another_corpus_is_refused(lab, make_split):
    with pytest.raises(SplitError) as caught:
        check_fit(lab, make_split(corpora=["her-lab", "his-lab"]))
    assert messages(caught, lab) == [
        "split mine: the corpus my-lab in lab, expected a corpus of her-lab, his-lab.\n"
        "  Choose another --split or --data, or list my-lab under corpora in the split's file."
    ]


def test_a_split_of_another_rate_is_refused(lab, make_split):
    with pytest.raises(SplitError) as caught:
        check_fit(lab, make_split(sample_rate_hz=62.5, segment_seconds=2))
    assert messages(caught, lab) == [
        "split mine: 62.5 Hz, expected 100 Hz, the rate of the corpus my-lab.\n"
        "  Write a split with the corpus's rate; nothing is resampled here."
    ]


def test_subjects_that_the_corpus_does_not_list_are_refused(lab, make_split):
    declaration = replace(lab.declaration, subjects=frozenset(SUBJECTS[:9]))
    corpus = replace(lab, declaration=declaration)
    split = make_split(parts=parts(train="all", test=["P10", "P11", "P09"]), cut="in-time", time_fractions={
        "train": 0.8, "val": 0.1, "test": 0.1
    })  # fmt: skip
    with pytest.raises(SplitError) as caught:
        check_fit(corpus, split)
    assert messages(caught, lab) == [
        "split mine: unknown subjects P10, P11, expected subjects that the corpus my-lab lists.\n"
        "  Did you mean 'P09'?"
    ]
    check_fit(lab, split)  # nobody says who there is
    check_fit(
        replace(lab, declaration=replace(declaration, folder=None)), split
    )  # as its split file was checked


def test_given_segments_need_a_corpus_that_comes_as_segments(lab, make_split):
    split = make_split(cut="given")
    with pytest.raises(SplitError) as caught:
        check_fit(lab, split)
    assert messages(caught, lab) == [
        "split mine: the layout declared in lab, expected a corpus that comes as segments: the challenge's test"
        " set."
    ]
    check_fit(replace(lab, layout="challenge"), split)


def test_given_segments_are_of_the_test_part_and_of_one_length(lab, make_split):
    def corpus(*lengths):
        recordings = tuple(
            Recording(subject, "", (0, 0, n), Series((), 0, 4), segment_id=f"{subject}_{i}")
            for subject in ("P10", "P11")
            for i, n in enumerate(lengths)
        )
        return replace(lab, layout="challenge", recordings=recordings)

    split = make_split(cut="given", parts=parts(val=["P11"], test=["P10"]))
    found = cut_segments(corpus(500, 500), split, "test")
    assert [(s.id, s.start, s.stop, s.recording.segment_id) for s in found] == [
        ("P10_0", 0, 500, "P10_0"),
        ("P10_1", 0, 500, "P10_1"),
    ]
    with pytest.raises(CorpusError) as caught:
        cut_segments(corpus(500), split, "val")
    assert messages(caught, lab) == [
        "P11: no stretch of 5 s in part val, expected recordings of 500 samples or more."
    ]
    with pytest.raises(CorpusError) as caught:
        cut_segments(corpus(500, 499), split, "test")
    assert messages(caught, lab) == ["P10_1: 499 samples, expected 500 samples."]


def test_stretches_are_the_parts_share_of_every_recording_uncut(lab, make_split):
    whole = [(r.id, a, b) for r, a, b in stretches(lab, make_split(), "val")]
    assert whole == [(f"{subject}_{story}", 0, 2000) for subject in ("P08", "P09") for story in STORIES]
    split = make_split(
        cut="in-time",
        time_fractions={"train": 0.75, "val": 0.2499, "test": 0.0001},
        parts=parts(train=["P02"], val=["P02"], test=["P02"]),
    )
    found = {part: [(r.id, a, b) for r, a, b in stretches(lab, split, part)] for part in split.parts}
    assert found == {
        "train": [("P02_story-a", 0, 1500), ("P02_story-b", 0, 1500)],
        "val": [("P02_story-a", 1500, 1999), ("P02_story-b", 1500, 1999)],
        "test": [],  # no sample
    }


def framed(lab, each, name="words"):
    """The corpus with its pitch under another name, of so many frames a segment."""
    feature = FeatureDeclaration(name, "Words", 1, None, each)
    declaration = replace(lab.declaration, features={**lab.declaration.features, name: feature})
    recordings = tuple(
        replace(r, feature_series=MappingProxyType({**r.feature_series, name: r.feature_series["pitch"]}))
        for r in lab.recordings
    )
    return replace(lab, declaration=declaration, recordings=recordings)


def test_frames_a_segment_that_the_files_do_not_have_are_refused(lab, make_split):
    split = make_split()
    for each in (500, 491, 510):  # 2000 frames; two hundredths more or less are let pass
        check_frames(framed(lab, each), split, ["P08"])
    for each in (490, 511):
        with pytest.raises(CorpusError) as caught:
            check_frames(framed(lab, each), split, ["P08", "P09"])
        assert messages(caught, lab) == [
            f"{subject}_{story}: words: 2000 frames beside 2000 samples of EEG, expected about {4 * each} frames,"
            f" {each} for each segment of 5 s.\n"
            "  Is frames_per_segment another than declared, or does the split cut other segments?"
            for subject in ("P08", "P09")
            for story in STORIES
        ]
    check_frames(framed(lab, 490), split, ["P08"], "pitch")
    check_frames(framed(lab, 490), split, [])
    for refused in (cut_segments, lambda *of, feature=None: list(stretches(*of, feature))):
        with pytest.raises(CorpusError, match=r"P08_story-a: words: 2000 frames"):
            refused(framed(lab, 490), split, "val")
        with pytest.raises(CorpusError, match=r"P08_story-a: words: 2000 frames"):
            refused(framed(lab, 490), split, "val", feature="words")
        assert len(refused(framed(lab, 490), split, "val", feature="pitch")) > 0


def test_the_rest_of_a_recording_may_have_frames_or_not(lab, make_split):
    split = make_split(segment_seconds=6)  # three segments, and 2 s
    for each in (500, 667, 650, 511):
        check_frames(framed(lab, each), split, ["P08"])
    for each in (490, 681):
        with pytest.raises(CorpusError, match=f"about {3 * each} frames, {each} for each segment of 6 s"):
            check_frames(framed(lab, each), split, ["P08"])


def test_only_features_that_a_recording_has_are_compared(lab, make_split):
    corpus = framed(lab, 100)
    bare = tuple(
        replace(r, feature_series={k: v for k, v in r.feature_series.items() if k != "words"})
        if r.subject == "P08"
        else r
        for r in corpus.recordings
    )
    check_frames(replace(corpus, recordings=bare), make_split(), ["P08"])
    with pytest.raises(CorpusError) as caught:
        check_frames(replace(corpus, recordings=bare), make_split(), ["P08", "P09"])
    assert [fault.where for fault in caught.value.faults] == ["P09_story-a: words", "P09_story-b: words"]


def test_segments_are_grouped_by_subject_in_the_order_given(lab, make_split):
    segments = cut_segments(lab, make_split(), "val")
    turned = [*segments[8:10], *segments[:2], segments[10]]
    assert {subject: [s.id for s in group] for subject, group in by_subject(turned).items()} == {
        "P09": ["P09_story-a_000", "P09_story-a_001", "P09_story-a_002"],
        "P08": ["P08_story-a_000", "P08_story-a_001"],
    }
    assert list(by_subject(turned)) == ["P09", "P08"]


def test_a_feature_of_another_rate_is_cut_at_that_rate(tmp_path, make_split):
    corpus = open_corpus(make_own_corpus(tmp_path / "slow", n_channels=4, pitch_rate=50))
    segment = cut_segments(corpus, make_split(), "val")[1]
    pitch = np.load(corpus.folder / "features/story-a_pitch.npy")
    np.testing.assert_array_equal(segment.feature("pitch"), pitch[250:500])


def test_the_official_splits_fit_their_corpus(official_split):
    check_fit(open_corpus(official_split), load_split("held-out-subjects"))


def test_frames_may_differ_by_two_hundredths_and_no_more(lab, make_split):
    corpus = framed(lab, 500)
    for n_frames, fits in ((1960, True), (2040, True), (1959, False), (2041, False)):
        series = SimpleNamespace(n_times=n_frames)
        recordings = tuple(replace(r, feature_series={"words": series}) for r in corpus.recordings[:1])
        short = replace(corpus, recordings=recordings)
        if fits:
            check_frames(short, make_split(), ["P01"])
        else:
            with pytest.raises(CorpusError, match=f"P01_story-a: words: {n_frames} frames"):
                check_frames(short, make_split(), ["P01"])


def test_a_feature_with_frames_a_segment_is_cut_into_them(tmp_path, make_split):
    corpus = framed(open_corpus(make_own_corpus(tmp_path / "slow", n_channels=4, pitch_rate=50)), 250)
    segment = cut_segments(corpus, make_split(), "val")[1]
    pitch = np.load(corpus.folder / "features/story-a_pitch.npy")
    np.testing.assert_array_equal(segment.feature("words"), pitch[250:500])


def test_a_recording_one_sample_short_of_a_segment_lacks_it(lab, make_split):
    segments = cut_segments(lab, make_split(segment_seconds=6.67), "val")  # 3 * 667 = 2001
    assert [(s.start, s.stop) for s in segments] == [(0, 667), (667, 1334)] * 4
