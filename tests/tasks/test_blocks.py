"""Cuts into blocks and at random, shares of the subjects, and stimuli of a part."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from own_corpus import make_own_corpus, own_split

from harness.corpus import open_corpus
from harness.errors import CorpusError, Fault, SplitError
from harness.tasks.segments import (
    check_fit,
    cut_segments,
    missing_stimuli,
    part_subjects,
    split_channels,
    stretches,
)
from harness.tasks.splits import SPLIT_FOLDER, load_split

MUSIC = ("music-random", "music-blocks", "music-listeners", "music-listeners-blocks", "music-songs")
PARTS = ("train", "val", "test")
ALONE = {"val": {"subjects": "all"}}  # the only part there is


@pytest.fixture
def corpus(music):
    return open_corpus(music)


def changed(tmp_path, base, **keys):
    """A split of splits/ with some keys changed, under a name of its own; None leaves a key out."""
    document = json.loads((SPLIT_FOLDER / f"{base}.json").read_text()) | {"name": "mine"} | keys
    path = tmp_path / "mine.json"
    path.write_text(json.dumps({key: value for key, value in document.items() if value is not None}))
    return path


@pytest.fixture
def lab(tmp_path):
    """P01 to P12, 4 channels at 100 Hz, two stories of 20 s each."""
    return open_corpus(make_own_corpus(tmp_path / "lab", n_channels=4))


@pytest.fixture
def make_split(tmp_path):
    """A split of segments of 1 s, all subjects in every part; keys replace its own."""
    everybody = {part: {"subjects": "all"} for part in PARTS}
    return lambda **keys: own_split(
        tmp_path / "mine.json", **{"segment_seconds": 1, "parts": everybody, **keys}
    )


def of_seconds(seconds, edge=0, **parts):
    blocks = {"seconds": seconds, "edge_seconds": edge, **parts}
    return {"nmed-t": blocks, "simulated-nmed-t": blocks}


@pytest.mark.parametrize("name", MUSIC)
def test_the_splits_of_music_are_valid_and_flag_what_leaks(name):
    split = load_split(name)
    assert split.corpora == ("nmed-t", "simulated-nmed-t")
    assert split.features == ("music-mel-db", "music-mel", "music-mel-db-max", "music-eeg2mel")
    assert bool(split.flag) == (name in ("music-random", "music-blocks", "music-listeners"))
    assert split.subject_ids == ("told" if name in ("music-random", "music-blocks") else "hidden")


def test_listeners_come_in_the_files_own_order():
    split = load_split("music-listeners-blocks")
    order = [f"S{number}" for number in (9, 2, 30, *range(40, 57))]
    parts = [split.subjects(part, order) for part in PARTS]
    assert [len(part) for part in parts] == [12, 4, 4]
    assert [name for part in parts for name in part] == order


@pytest.mark.slow
def test_blocks_are_cut_without_their_edges(corpus, tmp_path):
    path = changed(tmp_path, "music-blocks", blocks=of_seconds(4, 1, train=[0], val=[2], test=[1]))
    segments = cut_segments(corpus, load_split(path), "test")
    own = [one for one in segments if one.subject == "S03" and one.recording.stimulus == "song22"]
    assert [(one.id, one.start, one.stop) for one in own] == [
        ("S03_song22_005", 625, 750),
        ("S03_song22_006", 750, 875),
    ]
    found = [(r.id, start, stop) for r, start, stop in stretches(corpus, load_split(path), "val")]
    assert found[1] == ("S02_song22", 9 * 125, 11 * 125)


def test_no_second_is_in_two_parts_and_listeners_are_apart(corpus, tmp_path):
    path = changed(tmp_path, "music-listeners-blocks", blocks=of_seconds(4, 1, train=[0], val=[1], test=[2]))
    parts = {part: cut_segments(corpus, load_split(path), part) for part in PARTS}
    assert [len(segments) for segments in parts.values()] == [4 * 3 * 2, 3 * 2, 3 * 2]
    for one, other in combinations(PARTS, 2):
        assert not {s.subject for s in parts[one]} & {s.subject for s in parts[other]}
        seconds = ({(s.recording.stimulus, s.start) for s in parts[part]} for part in (one, other))
        assert not set.intersection(*seconds)


def test_a_block_that_the_end_cuts_off_is_left_out(corpus, tmp_path):
    path = changed(tmp_path, "music-blocks", blocks=of_seconds(5, 0, train=[0], val=[1], test=[2]))
    assert len(cut_segments(corpus, load_split(path), "val")) == 6 * 3 * 5
    with pytest.raises(CorpusError, match=r"S02: no stretch of 1 s in part test, expected recordings of 125"):
        cut_segments(corpus, load_split(path), "test")


def test_random_parts_share_out_every_second_once_and_always_alike(corpus, tmp_path):
    fractions = {"train": 0.5, "val": 0.25, "test": 0.25}
    split = load_split(changed(tmp_path, "music-random", time_fractions=fractions))
    parts = {part: [one.id for one in cut_segments(corpus, split, part)] for part in PARTS}
    assert [len(ids) for ids in parts.values()] == [6 * 3 * 6, 6 * 3 * 3, 6 * 3 * 3]
    assert len({name for ids in parts.values() for name in ids}) == 6 * 3 * 12
    assert parts == {part: [one.id for one in cut_segments(corpus, split, part)] for part in PARTS}
    other = load_split(changed(tmp_path, "music-random", time_fractions=fractions, seed=2))
    assert parts["test"] != [one.id for one in cut_segments(corpus, other, "test")]
    # Every listener's seconds are drawn anew, so that a test second is in training for others.
    drawn = {
        name: {one.split("_")[2] for one in parts["test"] if one.startswith(f"{name}_song21")}
        for name in ("S02", "S03")
    }
    assert drawn["S02"] != drawn["S03"]


def test_stretches_of_random_seconds_hold_what_segments_do(corpus, tmp_path):
    fractions = {"train": 0.5, "val": 0.25, "test": 0.25}
    split = load_split(changed(tmp_path, "music-random", time_fractions=fractions))
    seconds = {
        (recording.id, at)
        for recording, start, stop in stretches(corpus, split, "train")
        for at in range(start, stop, 125)
    }
    assert seconds == {(one.recording.id, one.start) for one in cut_segments(corpus, split, "train")}


def test_songs_keep_listeners_and_songs_apart(corpus, tmp_path):
    shares = {"train": (0, 0.5), "val": (0.5, 0.75), "test": (0.75, 1)}
    songs = {"train": "song21", "val": "song22", "test": "song23"}
    parts = {
        part: {"subjects": {"from": shares[part][0], "to": shares[part][1]}, "stimuli": [songs[part]]}
        for part in PARTS
    }
    split = load_split(changed(tmp_path, "music-songs", parts=parts))
    for part in PARTS:
        assert {one.recording.stimulus for one in cut_segments(corpus, split, part)} == {songs[part]}


def test_a_song_that_the_split_names_and_the_corpus_lacks_is_refused(corpus):
    with pytest.raises(CorpusError) as caught:
        cut_segments(corpus, load_split("music-songs"), "test")
    assert [str(fault) for fault in caught.value.faults] == [
        f"{corpus.folder}: part test of split music-songs: no recording of {song}, expected recordings of every"
        " stimulus that it names.\n"
        "  --partial goes on with those that are there; the record names the others."
        for song in ("song26", "song29")
    ]


@pytest.mark.parametrize(
    ("base", "keys", "message"),
    [
        ("music-blocks", {"blocks": None}, "blocks: nothing for the corpus nmed-t"),
        (
            "music-blocks",
            {"blocks": of_seconds(10, 1, train=[0], val=[0], test=[2])},
            "blocks: nmed-t: block 0 in parts train and val, expected every block in one part, or in parts"
            " that name subjects of their own.",
        ),
        (
            "music-blocks",
            {"blocks": of_seconds(2, 1, train=[0], val=[1], test=[2])},
            "blocks: nmed-t: blocks of 2 s less 1 s at both ends, expected 1 s or more, one segment.",
        ),
        (
            "music-blocks",
            {"blocks": of_seconds(10, 0.001, train=[0], val=[1], test=[2])},
            "blocks: nmed-t: blocks of 10 s with edges of 0.001 s at 125 Hz, expected whole numbers of samples.",
        ),
        ("music-random", {"time_fractions": None}, "the cut random without the key 'time_fractions'"),
        (
            "music-listeners",
            {
                "parts": {
                    "train": {"subjects": {"from": 0, "to": 0.7}},
                    "test": {"subjects": {"from": 0.6, "to": 1}},
                }
            },
            "parts: test: subjects: overlap those of train, expected every subject in one part.",
        ),
        (
            "music-listeners",
            {"parts": {"train": {"subjects": {"from": 0.6, "to": 0.6}}}},
            "parts: train: subjects: from 0.6 to 0.6, expected from less than to.",
        ),
        (
            "music-listeners",
            {"parts": {"train": {"subjects": {"from": 0, "to": 0.6}}, "test": {"subjects": ["S23"]}}},
            "parts: a share of the subjects in train only, expected shares in every part, or in none",
        ),
    ],
)
def test_a_bad_split_is_refused(tmp_path, base, keys, message):
    with pytest.raises(SplitError) as caught:
        load_split(changed(tmp_path, base, **keys))
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("subjects", "allowed"),
    [
        ((["S02"], ["S03"], ["S05"]), True),
        ((["S02"], ["S03"], ["S03"]), False),
        ((["S02"], ["S03"], "all"), False),
        ((*({"from": a, "to": b} for a, b in ((0, 0.5), (0.5, 0.7), (0.7, 1))),), True),
    ],
)
def test_parts_share_a_block_only_where_they_have_no_subject_in_common(tmp_path, subjects, allowed):
    parts = {part: {"subjects": who} for part, who in zip(PARTS, subjects, strict=True)}
    path = changed(tmp_path, "music-blocks", parts=parts, blocks=of_seconds(10, train=[0], val=[1], test=[1]))
    if allowed:
        assert load_split(path).blocks["nmed-t"].parts == {"train": (0,), "val": (1,), "test": (1,)}
        return
    with pytest.raises(SplitError, match="block 1 in parts val and test, expected every block in one part"):
        load_split(path)


def found_in(corpus, split, part):
    """What is found of a part: its stretches, and its segments."""
    return (
        [(recording.id, start, stop) for recording, start, stop in stretches(corpus, split, part)],
        [(one.id, one.start, one.stop) for one in cut_segments(corpus, split, part)],
    )


def test_blocks_are_those_of_a_loop_over_the_corpuss_own(lab, make_split):
    numbers = {"train": [3, 0], "val": [1], "test": [5, 4, 2]}  # of 20 s, 4 is the last that is whole
    split = make_split(
        cut="blocks",
        corpora=["her-lab", "my-lab"],
        blocks={
            "her-lab": {"seconds": 2, "train": [0], "val": [1], "test": [2]},
            "my-lab": {"seconds": 4, "edge_seconds": 0.25, **numbers},
        },
    )
    for part, of_part in {"train": [0, 3], "val": [1], "test": [2, 4]}.items():
        uncut, segments = [], []
        for recording in lab.recordings:
            for number in of_part:
                start, stop = 400 * number + 25, 400 * number + 375
                uncut.append((recording.id, start, stop))
                segments += [
                    (f"{recording.id}_{first // 100:03d}", first, first + 100)
                    for first in (start, start + 100, start + 200)
                ]
        assert found_in(lab, split, part) == (uncut, segments)


def drawn_in_a_loop(recording, seed, numbers, n_segments):
    """The stretches of segments drawn at random: those of these places in the order that is drawn."""
    key = hashlib.sha256(f"{seed} {recording}".encode()).digest()
    words = [int.from_bytes(key[k : k + 4], "little") for k in range(0, 32, 4)]
    order = np.random.default_rng(words).permutation(n_segments).tolist()
    runs = []
    for number in sorted(order[place] for place in numbers):
        if runs and runs[-1][1] == number:
            runs[-1][1] = number + 1
        else:
            runs.append([number, number + 1])
    return runs


@pytest.mark.parametrize(
    ("seconds", "shares", "ends"),
    [
        (1, (0.38, 0.2, 0.33), (8, 12, 18)),  # of 20 segments: 7.6, 11.6, 18.2
        (0.9, (0.5, 0.3, 0.2), (11, 18, 22)),  # of 22: 11, 17.6, 22; 0.2 s are left
        (1, (0.97, 0.01, 0.02), (19, 20, 20)),
    ],
)
def test_random_segments_are_those_of_a_loop(lab, make_split, seconds, shares, ends):
    length = round(100 * seconds)
    split = make_split(
        cut="random",
        segment_seconds=seconds,
        time_fractions=dict(zip(PARTS, shares, strict=True)),
        seed=7,
    )
    for part, first, last in zip(PARTS, (0, *ends), ends, strict=False):
        runs = [
            (one.id, begin, end)
            for one in lab.recordings
            for begin, end in drawn_in_a_loop(one.id, 7, range(first, last), 2000 // length)
        ]
        uncut = [(name, begin * length, end * length) for name, begin, end in runs]
        segments = [
            (f"{name}_{number:03d}", number * length, number * length + length)
            for name, begin, end in runs
            for number in range(begin, end)
        ]
        if first < last:
            assert found_in(lab, split, part) == (uncut, segments)
        else:
            assert list(stretches(lab, split, part)) == uncut == []


def test_segments_in_time_are_counted_from_their_parts_own_beginning(lab, make_split):
    split = make_split(cut="in-time", time_fractions={"train": 0.5, "val": 0.2, "test": 0.3})
    ids = [one.id for one in cut_segments(lab, split, "val") if one.subject == "P03"]
    assert ids == [f"P03_{story}_{number:03d}" for story in ("story-a", "story-b") for number in range(4)]


def test_a_part_of_some_stimuli_has_recordings_of_those_only(lab, make_split):
    parts = {
        "train": {"subjects": ["P01"]},
        "val": {"subjects": ["P08", "P09"], "stimuli": ["story-b"]},
        "test": {"subjects": ["P10"], "stimuli": ["story-a"]},
    }
    split = make_split(parts=parts)
    heard = {
        "train": ["P01_story-a", "P01_story-b"],
        "val": ["P08_story-b", "P09_story-b"],
        "test": ["P10_story-a"],
    }
    for part, recordings in heard.items():
        uncut, segments = found_in(lab, split, part)
        assert uncut == [(name, 0, 2000) for name in recordings]
        assert segments == [
            (f"{name}_{k:03d}", 100 * k, 100 * k + 100) for name in recordings for k in range(20)
        ]


def test_stimuli_that_are_not_there_are_told_all_at_once_unless_partial(lab, make_split):
    told = {
        "story-c": Fault("disk", "no story-c", "two stories", "Mount the disk."),
        "story-d": Fault("disk", "no story-d", "two stories"),
        "story-a": Fault("disk", "is there all the same"),
    }
    corpus = replace(lab, stimuli_missing=told)
    parts = {
        "train": {"subjects": ["P01"]},
        "val": {"subjects": ["P08"], "stimuli": ["story-a"]},
        "test": {"subjects": ["P10"], "stimuli": ["story-e", "story-b", "story-d"]},
    }
    split = make_split(parts=parts)
    assert {part: missing_stimuli(corpus, split, part) for part in PARTS} == {
        "train": ("story-c", "story-d"),  # it does not name its stimuli, and has all of the corpus
        "val": (),
        "test": ("story-e", "story-d"),
    }
    partial = "--partial goes on with those that are there; the record names the others."
    of_disk = f"disk: no story-d, expected two stories.\n  {partial}"
    expected = {
        "train": ["disk: no story-c, expected two stories.\n  Mount the disk.", of_disk],
        "test": [
            f"{lab.folder}: part test of split mine: no recording of story-e, expected recordings of every"
            f" stimulus that it names.\n  {partial}",
            of_disk,
        ],
    }
    for part, faults in expected.items():
        for refused in (cut_segments, part_subjects, lambda *of: list(stretches(*of))):
            with pytest.raises(CorpusError) as caught:
                refused(corpus, split, part)
            assert [str(fault) for fault in caught.value.faults] == faults
    assert part_subjects(corpus, split, "val") == ("P08",)
    assert part_subjects(corpus, split, "test", partial=True) == ("P10",)
    assert {one.recording.id for one in cut_segments(corpus, split, "test", partial=True)} == {"P10_story-b"}
    assert [one.id for one, _, _ in stretches(corpus, split, "test", partial=True)] == ["P10_story-b"]


def test_channels_that_the_split_excludes_are_zero_in_its_segments_and_stay_in_the_files(lab, make_split):
    split = make_split(parts=ALONE, exclude_channels=[4, "2"])
    assert split_channels(lab.declaration, split) == ("2", "4")
    assert split_channels(lab.declaration, make_split(parts=ALONE)) == ()
    segment = cut_segments(lab, split, "val")[1]
    stored = np.load(lab.folder / "eeg/P01_story-a.npy")[100:200].astype(np.float32)
    np.testing.assert_array_equal(segment.eeg(), stored * np.float32([1, 0, 1, 0]))
    np.testing.assert_array_equal(segment.stored_eeg(), stored)
    recording, *_ = next(iter(stretches(lab, split, "val")))
    np.testing.assert_array_equal(recording.eeg(100, 200), segment.eeg())


@pytest.mark.parametrize(
    ("channels", "message"),
    [
        (
            ["2", "Cz", 5],
            [
                "no channel 'Cz', expected channels of my-lab, 1 to 4.",
                "no channel '5', expected channels of my-lab, 1 to 4.",
            ],
        ),
        ([1, 2, 3, 4], ["all 4 channels, expected one left, at least."]),
    ],
)
def test_a_split_that_excludes_other_channels_or_all_is_refused(lab, make_split, channels, message):
    split = make_split(parts=ALONE, exclude_channels=channels)
    for refused in (check_fit, lambda corpus, split: split_channels(corpus.declaration, split)):
        with pytest.raises(SplitError) as caught:
            refused(lab, split)
        assert [str(fault) for fault in caught.value.faults] == [
            f"split mine: exclude_channels: {line}" for line in message
        ]


def test_the_eeg_of_a_segment_is_read_without_a_map(lab, make_split, monkeypatch):
    segment = cut_segments(lab, make_split(parts=ALONE), "val")[0]
    monkeypatch.setattr("harness.corpus.array_files.ArrayFile.mapped", None)
    assert segment.eeg().shape == segment.stored_eeg().shape == (100, 4)


def trials(folder, subjects):
    """Made trials of 50 s: every EEG sample is its own time, so that a stretch says where it lies."""
    times = np.arange(3200, dtype=np.float32)
    eeg = np.repeat(times[:, None], 64, axis=1)
    for subject in subjects:
        np.savez(folder / f"DTU_{subject}_000.npz", eeg=eeg, envelope=times[:, None] % 7)
    return open_corpus(folder)


def test_dtu_unheard_asks_unseen_subjects_for_the_half_that_was_not_heard(tmp_path):
    corpus = trials(tmp_path, [f"S{number}" for number in range(1, 19)])
    split = load_split("dtu-unheard")
    heard = {(recording.subject, start, stop) for recording, start, stop in stretches(corpus, split, "train")}
    assert heard == {(f"S{number}", 0, 1600) for number in range(1, 9)}
    for part, numbers in (("val", range(9, 11)), ("test", range(11, 19))):
        asked = [(one.id, one.start, one.stop) for one in cut_segments(corpus, split, part)]
        assert asked == [
            (f"S{number}_trial-000_{index:03d}", start, start + 640)
            for number in numbers
            for index, start in ((2, 1600), (3, 2240))
        ]
        assert {split.told(subject) for subject in split.subjects(part, corpus.subjects)} == {"unknown"}
    assert cut_segments(corpus, split, "val")[0].eeg()[0, 0] == 1600


def test_dtu_unheard_cuts_the_real_trials(dtu_folder):
    corpus = open_corpus(dtu_folder)
    split = load_split("dtu-unheard")
    trained, asked = cut_segments(corpus, split, "train"), cut_segments(corpus, split, "val")
    assert (len(trained), len(asked)) == (160, 40)
    assert not {one.subject for one in trained} & {one.subject for one in asked}
    assert max(one.stop for one in trained) <= min(one.start for one in asked)
