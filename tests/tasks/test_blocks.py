"""Cuts into blocks and at random, shares of the subjects, and stimuli of a part."""

from __future__ import annotations

import json
from itertools import combinations

import numpy as np
import pytest

from harness.corpus import open_corpus
from harness.errors import CorpusError, SplitError
from harness.tasks.segments import cut_segments, stretches
from harness.tasks.splits import SPLIT_FOLDER, load_split

MUSIC = ("music-random", "music-blocks", "music-listeners", "music-listeners-blocks", "music-songs")
PARTS = ("train", "val", "test")


@pytest.fixture
def corpus(music):
    return open_corpus(music)


def changed(tmp_path, base, **keys):
    """A split of splits/ with some keys changed, under a name of its own; None leaves a key out."""
    document = json.loads((SPLIT_FOLDER / f"{base}.json").read_text()) | {"name": "mine"} | keys
    path = tmp_path / "mine.json"
    path.write_text(json.dumps({key: value for key, value in document.items() if value is not None}))
    return path


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
