"""Splits: the published ones as they are, and what a split file is refused for."""

import hashlib
import json
from dataclasses import replace

import pytest

from harness.corpus.base import natural_key
from harness.corpus.declaration import declared
from harness.errors import SplitError, UsageError
from harness.tasks.corpus_split import with_usual_measures
from harness.tasks.splits import (
    MOST_SPLIT_BYTES,
    PARTS,
    SPLIT_FOLDER,
    Blocks,
    Split,
    find_split,
    load_split,
    named_corpora,
    split_names,
    training_split,
)


def _numbers(split, part):
    return [int(subject.removeprefix("sub-").removeprefix("S")) for subject in split.parts[part]]


def test_held_out_subjects_are_the_published_ones():
    split = load_split("held-out-subjects")
    assert _numbers(split, "train") == [*range(1, 27), *range(43, 86)]
    assert _numbers(split, "val") == [*range(27, 43)]
    assert _numbers(split, "test") == [*range(86, 105)]
    assert (split.segment_samples, split.sample_rate_hz, split.features) == (
        1920,
        64,
        ("mel", "envelope"),
    )


def test_dtu_split_is_the_published_one():
    split = load_split("dtu")
    assert [_numbers(split, part) for part in PARTS] == [[*range(1, 9)], [9, 10], [*range(11, 19)]]
    assert (split.segment_samples, split.features) == (640, ("envelope",))


def test_known_subjects_are_all_of_the_corpus():
    split = load_split("known-subjects")
    assert split.cut == "in-time"
    assert split.subjects("val", ["sub-010", "sub-002"]) == ("sub-002", "sub-010")


@pytest.mark.parametrize("name", split_names())
def test_committed_split_loads_with_the_hash_of_its_file(name):
    split = load_split(name)
    assert split.sha256 == hashlib.sha256((SPLIT_FOLDER / f"{name}.json").read_bytes()).hexdigest()
    assert load_split(split.training_split).parts["train"] != ()


def test_subjects_stand_in_natural_order():
    assert sorted(["S10", "S2", "S1"], key=natural_key) == ["S1", "S2", "S10"]


def test_no_such_part():
    with pytest.raises(UsageError) as caught:
        load_split("challenge-2024").subjects("train", ())
    assert str(caught.value) == (
        "split challenge-2024: no part 'train', expected one of test.\n"
        "  Choose another with --part, or another split with --split."
    )


def test_no_such_split_suggests_the_nearest():
    with pytest.raises(UsageError) as caught:
        load_split("heldout-subjects")
    assert str(caught.value) == (
        "--split heldout-subjects: no such split, expected one of challenge-2024, dtu, dtu-unheard,"
        " held-out-subjects, known-subjects, music-blocks, music-listeners, music-listeners-blocks, music-random,"
        " music-songs, or the path of a split file (.json).\n"
        "  Did you mean 'held-out-subjects'?"
    )


def _change(path, **keys):
    document = json.loads(path.read_text())
    document |= keys
    path.write_text(json.dumps({key: value for key, value in document.items() if value is not None}))
    return path


def _parts(**subjects):
    return {part: {"subjects": names} for part, names in subjects.items()}


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        (
            {"segment_second": 30, "segment_seconds": None},
            [
                "{}: the key 'segment_seconds' is missing.",
                "{}: unknown key 'segment_second'.\n  Did you mean 'segment_seconds'?",
            ],
        ),
        (
            {"parts": _parts(train=["sub-001", "sub-002"], test=["sub-002"])},
            ["{}: parts: test: sub-002 also in part train, expected every subject in one part."],
        ),
        (
            {"parts": _parts(train=["sub-001", "sub-106", "S1"])},
            ["{}: parts: train: unknown subjects sub-106, S1, expected subjects of sparrkulee."],
        ),
        (
            {"parts": _parts(train=["sub-001", "sub-001"])},
            ["{}: parts: train: sub-001 named twice."],
        ),
        (
            {"parts": _parts(train="all", test=["sub-001"])},
            [
                "{}: parts: train: subjects 'all' beside other parts, expected disjoint lists of"
                " subjects where whole recordings are cut."
            ],
        ),
        (
            {"cut": "in-time"},
            ["{}: the cut in-time without the key 'time_fractions', expected 0.8, 0.1, 0.1."],
        ),
        ({"name": "other"}, ["{}: name: 'other', expected 'small-split', the file's name."]),
        ({"segment_seconds": "30"}, ["{}: segment_seconds: '30' of type string, expected number."]),
        (
            {"corpora": ["SparrKULee"], "features": ["Mel"]},
            [
                "{}: corpora[0]: 'SparrKULee', expected lower-case words joined by hyphens.",
                "{}: features[0]: 'Mel', expected lower-case words joined by hyphens.",
            ],
        ),
        (
            {"measures": ["cosine", "pearsonr"]},
            [
                "{}: measures: 'pearsonr', expected one of cosine, cosine_centred, cosine_gain, pearson_r,"
                " song_accuracy, song_accuracy_reconstructed.\n"
                "  Did you mean 'pearson_r'?"
            ],
        ),
        (
            {"measures": ["song_accuracy_reconstructed", "cosine"]},
            [
                "{}: measures: song_accuracy_reconstructed first, which needs a system's answers on the training"
                " part, expected first a measure that predictions alone can be ranked by.\n"
                "  Put another measure before it."
            ],
        ),
        (
            {"segment_seconds": 2.505},
            [
                "{}: segment_seconds: 2.505 s at 64 Hz, 160.32 samples, expected a whole number of samples.\n"
                "  Choose another length; nothing is resampled or rounded here."
            ],
        ),
        (
            {"cut": "in-time", "time_fractions": {"train": 0.8, "val": 0.1, "test": 0.2}},
            ["{}: time_fractions: 1.1 of every recording, expected 1 at most, together."],
        ),
        (
            {"cut": "in-time", "time_fractions": {"test": 0.1, "train": 0.8, "val": 0.1}},
            ["{}: time_fractions: the order test, train, val, expected train, val, test."],
        ),
    ],
    ids=[
        "keys",
        "overlap",
        "unknown",
        "doubled",
        "all",
        "fractions",
        "name",
        "type",
        "words",
        "measures",
        "answers rank",
        "broken samples",
        "too much",
        "order",
    ],
)
def test_bad_split_is_refused(small_split, keys, message):
    with pytest.raises(SplitError) as caught:
        load_split(_change(small_split, **keys))
    assert sorted(map(str, caught.value.faults)) == sorted(line.format(small_split) for line in message)


def test_measures_are_the_splits_the_first_ranks(small_split):
    assert load_split(small_split).measures == ("pearson_r",)
    _change(small_split, measures=["cosine", "pearson_r"])
    assert load_split(small_split).measures == ("cosine", "pearson_r")


def test_a_rate_may_be_no_whole_number(small_split):
    _change(small_split, sample_rate_hz=62.5, segment_seconds=2)
    assert load_split(small_split).segment_samples == 125


def test_subjects_of_a_corpus_that_nobody_knows_are_whatever_the_split_says(small_split):
    _change(small_split, corpora=["my-lab"], parts=_parts(train=["P01"], test=["Anna", "sub-106"]))
    assert load_split(small_split).subjects("test", ()) == ("Anna", "sub-106")


def test_a_split_that_is_not_json(tmp_path):
    path = tmp_path / "broken.json"
    path.write_bytes(b"\xff\xfe{")
    with pytest.raises(SplitError, match=r"broken\.json: not JSON"):
        load_split(path)


def test_changed_split_may_not_pass_under_an_official_name(tmp_path):
    path = tmp_path / "held-out-subjects.json"
    document = json.loads((SPLIT_FOLDER / path.name).read_text())
    path.write_text((SPLIT_FOLDER / path.name).read_text())
    assert load_split(path) == load_split("held-out-subjects")  # a plain copy is the same split
    document["parts"]["test"]["subjects"] = ["sub-086"]
    path.write_text(json.dumps(document))
    with pytest.raises(SplitError, match="the name of another split that comes with the harness"):
        load_split(path)


def _loaded(small_split, **keys):
    return load_split(_change(small_split, **keys))


def test_every_key_of_the_file_is_in_the_split(small_split):
    split = _loaded(small_split, training_split="other", subject_ids="told")
    assert split == Split(
        name="small-split",
        title="for tests",
        corpora=("sparrkulee",),
        features=("mel", "envelope"),
        sample_rate_hz=64,
        segment_seconds=2,
        cut="whole-recordings",
        parts={"train": ("sub-001",), "val": ("sub-027",), "test": ("sub-043",)},
        training_split="other",
        subject_ids="told",
        sha256=hashlib.sha256(small_split.read_bytes()).hexdigest(),
        time_fractions={"train": 0.8, "val": 0.1, "test": 0.1},
        measures=("pearson_r",),
        names_measures=False,
    )
    assert split.folder == small_split.parent
    assert list(split.parts) == ["train", "val", "test"]


def test_what_the_file_does_not_say_follows_from_the_cut(small_split):
    split = _loaded(small_split)
    assert (split.training_split, split.subject_ids) == ("small-split", "hidden")
    fractions = {"train": 0.5, "val": 0.25, "test": 0.125}
    split = _loaded(small_split, cut="in-time", time_fractions=fractions)
    assert (split.subject_ids, split.time_fractions) == ("told", fractions)
    assert _loaded(small_split, cut="given", time_fractions=None).subject_ids == "told"
    assert _loaded(small_split, measures=["pearson_r"]).names_measures


def test_a_part_that_the_split_lacks_is_told_with_those_it_has(small_split):
    with pytest.raises(UsageError) as caught:
        load_split(small_split).subjects("tests", ())
    assert str(caught.value) == (
        "split small-split: no part 'tests', expected one of train, val, test.\n"
        "  Choose another with --part, or another split with --split."
    )


def test_all_faults_of_subjects_are_told_at_once_in_natural_order(small_split):
    names = {"train": ["sub-010", "sub-009", "sub-010", "sub-009", "S1"], "val": ["sub-010", "sub-009"]}
    with pytest.raises(SplitError) as caught:
        _loaded(small_split, parts=_parts(**names, test=["sub-009"]))
    assert [str(fault) for fault in caught.value.faults] == [
        f"{small_split}: parts: train: unknown subjects S1, expected subjects of sparrkulee.",
        f"{small_split}: parts: train: sub-009, sub-010 named twice.",
        f"{small_split}: parts: val: sub-009, sub-010 also in part train, expected every subject in one part.",
        f"{small_split}: parts: test: sub-009 also in part train, expected every subject in one part.",
    ]


def test_subjects_of_any_of_the_splits_corpora_are_known(small_split):
    keys = {"corpora": ["sparrkulee", "dtu"], "parts": _parts(train=["sub-001"], test=["S1", "P01"])}
    with pytest.raises(SplitError) as caught:
        _loaded(small_split, **keys)
    assert str(caught.value) == (
        f"{small_split}: parts: test: unknown subjects P01, expected subjects of sparrkulee, dtu."
    )
    _loaded(small_split, **{**keys, "corpora": ["sparrkulee", "dtu", "my-lab"]})


def test_a_subject_may_be_in_several_parts_where_recordings_are_cut_in_time(small_split):
    keys = {"cut": "in-time", "time_fractions": {"train": 0.8, "val": 0.1, "test": 0.1}}
    _loaded(small_split, **keys, parts=_parts(train=["sub-001"], val="all", test=["sub-001"]))
    with pytest.raises(SplitError, match="sub-001 named twice"):
        _loaded(small_split, parts=_parts(train=["sub-001", "sub-001"]))


def test_all_subjects_may_be_the_only_part_of_whole_recordings(small_split):
    assert _loaded(small_split, parts=_parts(test="all")).parts == {"test": None}


def test_broken_samples_and_fractions_are_told_together(small_split):
    with pytest.raises(SplitError) as caught:
        _loaded(
            small_split,
            cut="in-time",
            segment_seconds=0.01,
            time_fractions={"val": 0.5, "train": 0.5, "test": 0.25},
        )
    assert [str(fault) for fault in caught.value.faults] == [
        f"{small_split}: segment_seconds: 0.01 s at 64 Hz, 0.64 samples, expected a whole number of samples.\n"
        "  Choose another length; nothing is resampled or rounded here.",
        f"{small_split}: time_fractions: 1.25 of every recording, expected 1 at most, together.",
        f"{small_split}: time_fractions: the order val, train, test, expected train, val, test.",
    ]
    with pytest.raises(SplitError) as caught:
        _loaded(small_split, time_fractions=None)
    assert [str(fault) for fault in caught.value.faults] == [
        f"{small_split}: segment_seconds: 0.01 s at 64 Hz, 0.64 samples, expected a whole number of samples.\n"
        "  Choose another length; nothing is resampled or rounded here.",
        f"{small_split}: the cut in-time without the key 'time_fractions', expected 0.8, 0.1, 0.1.",
    ]
    _loaded(small_split, segment_seconds=2, time_fractions={"train": 0.5, "val": 0.25, "test": 0.25})


def test_a_split_that_is_not_json_says_where_it_is(tmp_path):
    path = tmp_path / "broken.json"
    path.write_text("{")
    with pytest.raises(SplitError) as caught:
        load_split(path)
    assert str(caught.value).startswith(f"{path}: not JSON (")
    assert str(caught.value).endswith("), expected a split file.")


def test_a_split_that_cannot_be_read_says_why(tmp_path):
    (tmp_path / "folder.json").mkdir()
    with pytest.raises(SplitError) as caught:
        load_split(tmp_path / "folder.json")
    assert str(caught.value) == (
        f"{tmp_path}/folder.json: {caught.value.faults[0].arrived}, expected a split file."
    )
    huge = tmp_path / "huge.json"
    huge.write_bytes(b" " * (MOST_SPLIT_BYTES + 1))
    with pytest.raises(SplitError) as caught:
        load_split(huge)
    assert str(caught.value) == f"{huge}: 1 048 577 bytes, more than 1 048 576, expected a split file."
    (tmp_path / "link.json").symlink_to("nothing")
    with pytest.raises(SplitError) as caught:
        load_split(tmp_path / "link.json")
    assert str(caught.value) == f"{tmp_path}/link.json: No such file or directory, expected a split file."


def test_an_official_name_is_refused_with_its_remedy(tmp_path):
    path = tmp_path / "dtu.json"
    path.write_text((SPLIT_FOLDER / path.name).read_text() + "\n")
    with pytest.raises(SplitError) as caught:
        load_split(path)
    assert str(caught.value) == (
        f"{path}: name: 'dtu', the name of another split that comes with the harness, expected a name of its own"
        " for a split of its own.\n"
        "  Rename the file, and the key 'name' in it."
    )


def test_a_corpuss_measure_is_used_where_the_split_names_none(small_split):
    declaration = replace(declared("sparrkulee"), measure="cosine")
    assert with_usual_measures(load_split(small_split), declaration).measures == ("cosine",)
    named = _loaded(small_split, measures=["pearson_r", "cosine_centred"])
    assert with_usual_measures(named, declaration) is named
    with pytest.raises(SplitError) as caught:
        with_usual_measures(_loaded(small_split, measures=None), replace(declaration, measure="cosin"))
    assert str(caught.value) == (
        "corpus sparrkulee: measure: 'cosin', expected one of cosine, cosine_centred, cosine_gain,"
        " pearson_r, song_accuracy, song_accuracy_reconstructed.\n"
        "  Did you mean 'cosine'?"
    )


def test_all_subjects_of_a_part_stand_in_natural_order(small_split):
    split = _loaded(small_split, corpora=["my-lab"], parts=_parts(test="all"))
    assert split.subjects("test", ["S10", "S2", "S1"]) == ("S1", "S2", "S10")
    split = _loaded(small_split, parts=_parts(test=["S10", "S2"]))
    assert split.subjects("test", ()) == ("S2", "S10")


def test_faults_of_a_corpus_that_nobody_knows_stand_in_natural_order_after_a_part_of_all(small_split):
    keys = {
        "corpora": ["my-lab"],
        "cut": "in-time",
        "time_fractions": {"train": 0.8, "val": 0.1, "test": 0.1},
    }
    with pytest.raises(SplitError) as caught:
        _loaded(small_split, **keys, parts=_parts(train="all", val=["S10", "S9", "S10", "S9"]))
    assert str(caught.value) == f"{small_split}: parts: val: S9, S10 named twice."
    with pytest.raises(SplitError) as caught:
        _loaded(
            small_split,
            corpora=["my-lab"],
            cut="whole-recordings",
            time_fractions=None,
            parts=_parts(val=["S10", "S9"], test=["S10", "S9"]),
        )
    assert str(caught.value) == (
        f"{small_split}: parts: test: S9, S10 also in part val, expected every subject in one part."
    )


def test_a_split_that_cannot_be_read_for_no_reason_is_said_to_be_so(small_split, monkeypatch):
    def fails(path, most_bytes):
        raise OSError

    monkeypatch.setattr("harness.tasks.splits.read_regular", fails)
    with pytest.raises(SplitError) as caught:
        load_split(small_split)
    assert str(caught.value) == f"{small_split}: cannot be read, expected a split file."


def test_a_split_is_looked_for_by_name_among_the_shipped_and_then_in_folders(small_split, tmp_path):
    folders = (tmp_path / "a", tmp_path / "b")
    for folder in folders:
        folder.mkdir()
    document = json.loads(small_split.read_text())
    for path in (
        folders[0] / "mine.json",
        folders[1] / "mine.json",
        folders[1] / "dtu.json",
        folders[1] / "z.json",
    ):
        path.write_text(json.dumps({**document, "name": path.stem}))
    (folders[0] / "other.json").write_text("{}")
    assert find_split("mine", folders) == folders[0] / "mine.json"
    assert find_split("mine", folders[::-1]) == folders[1] / "mine.json"
    assert find_split("dtu", folders) == SPLIT_FOLDER / "dtu.json"
    assert find_split(small_split) == small_split
    assert load_split("mine", folders).folder == folders[0]
    shipped = (
        "challenge-2024, dtu, dtu-unheard, held-out-subjects, known-subjects, music-blocks, music-listeners,"
        " music-listeners-blocks, music-random, music-songs"
    )
    for name, words, remedy in (
        ("min", "no such split", "Did you mean 'mine'?"),
        ("x.mine", "no such split", "Did you mean 'mine'?"),
        (f"{tmp_path}/min.json", "no such file", "Did you mean 'mine'?"),
        (f"{tmp_path}/qqqq.json", "no such file", None),
    ):
        with pytest.raises(UsageError) as caught:
            find_split(name, folders)
        assert str(caught.value) == (
            f"--split {name}: {words}, expected one of {shipped}, mine, z, or the path of a split file (.json)."
            + (f"\n  {remedy}" if remedy else "")
        )


def test_what_means_to_be_a_split_names_its_corpora(small_split, tmp_path):
    assert named_corpora(small_split) == ("sparrkulee",)
    for text in ('{"corpora": ["a"]}', '{"parts": 1}', '{"corpora": "a", "parts": 1}', "[]", "{", ""):
        (tmp_path / "x.json").write_text(text)
        assert named_corpora(tmp_path / "x.json") == ()
    (tmp_path / "x.json").write_text('{"corpora": ["a", 1], "parts": 1}')
    assert named_corpora(tmp_path / "x.json") == ("a", "1")
    assert named_corpora(tmp_path / "nowhere.json") == ()
    (tmp_path / "x.json").write_text('{"corpora": ["a"], "parts": 1}' + " " * MOST_SPLIT_BYTES)
    assert named_corpora(tmp_path / "x.json") == ()


def test_a_training_split_that_is_nowhere_is_told(small_split):
    split = _loaded(small_split, training_split="held-out-subject", parts=_parts(test=["sub-043"]))
    with pytest.raises(SplitError) as caught:
        training_split(split)
    assert str(caught.value) == (
        "split small-split: training_split: no split 'held-out-subject', expected a file held-out-subject.json"
        " beside it, or in splits/.\n  Did you mean 'held-out-subjects'?"
    )


def test_the_name_of_a_file_is_looked_for_as_it_is(tmp_path):
    (tmp_path / "q.json.json").write_text("{}")
    with pytest.raises(UsageError, match="--split q.json: no such file, expected one of"):
        find_split("q.json", (tmp_path,))


LAB = {"corpora": ["my-lab"], "segment_seconds": 1}
SHARES = {
    "train": {"subjects": {"from": 0, "to": 0.6}, "stimuli": ["b", "a"]},
    "val": {"subjects": {"from": 0.6, "to": 0.8}},
    "test": {"subjects": {"from": 0.8, "to": 1}, "stimuli": ["c"]},
}


def test_every_key_of_a_cut_into_blocks_is_in_the_split(small_split):
    split = _loaded(
        small_split,
        **{**LAB, "corpora": ["my-lab", "her-lab"]},
        cut="blocks",
        parts=SHARES,
        blocks={
            "my-lab": {"seconds": 4.5, "edge_seconds": 1.25, "train": [3, 0], "val": [1], "test": [2]},
            "her-lab": {"seconds": 1, "train": [0], "val": [1], "test": [2, 4]},
        },
        seed=7,
        flag="Half of it was heard before.",
        exclude_channels=["Cz", 3],
    )
    assert split == Split(
        name="small-split",
        title="for tests",
        corpora=("my-lab", "her-lab"),
        features=("mel", "envelope"),
        sample_rate_hz=64,
        segment_seconds=1,
        cut="blocks",
        parts={"train": None, "val": None, "test": None},
        training_split="small-split",
        subject_ids="told",
        sha256=hashlib.sha256(small_split.read_bytes()).hexdigest(),
        shares={"train": (0, 0.6), "val": (0.6, 0.8), "test": (0.8, 1)},
        stimuli={"train": ("b", "a"), "test": ("c",)},
        blocks={
            "my-lab": Blocks(4.5, 1.25, {"train": (3, 0), "val": (1,), "test": (2,)}),
            "her-lab": Blocks(1, 0, {"train": (0,), "val": (1,), "test": (2, 4)}),
        },
        seed=7,
        flag="Half of it was heard before.",
        exclude_channels=("Cz", "3"),
    )


def test_a_share_is_of_the_corpuss_own_order_its_ends_rounded(small_split):
    split = _loaded(small_split, **LAB, parts=SHARES)
    names = ["S9", "S10", "S2", "Anna", "S1", "S7", "S3"]  # of seven, 4.2 and 5.6 are where shares end
    assert {part: split.subjects(part, iter(names)) for part in PARTS} == {
        "train": ("S9", "S10", "S2", "Anna"),
        "val": ("S1", "S7"),
        "test": ("S3",),
    }


def _of(train, val, test, seconds=10, **keys):
    return {"seconds": seconds, **keys, "train": train, "val": val, "test": test}


TWICE = "expected every block in one part, or in parts that name subjects of their own."


@pytest.mark.parametrize(
    ("blocks", "message"),
    [
        (
            None,
            [
                "blocks: nothing for the corpus my-lab, expected how its recordings are cut.",
                "blocks: nothing for the corpus her-lab, expected how its recordings are cut.",
            ],
        ),
        (
            {"her-lab": _of([2, 1, 0], [0, 3], [2, 0]), "other": _of([0], [1], [1])},
            [
                "blocks: nothing for the corpus my-lab, expected how its recordings are cut.",
                f"blocks: her-lab: block 0 in parts train and val and test, {TWICE}",
                f"blocks: her-lab: block 2 in parts train and test, {TWICE}",
                f"blocks: other: block 1 in parts val and test, {TWICE}",
            ],
        ),
        (
            {
                "my-lab": _of([0], [1], [2], 2.5, edge_seconds=0.78125),
                "her-lab": _of([0], [1], [2], 0.984375),
            },
            [
                "blocks: my-lab: blocks of 2.5 s less 0.78125 s at both ends, expected 1 s or more, one"
                " segment.",
                "blocks: her-lab: blocks of 0.984375 s less 0 s at both ends, expected 1 s or more, one"
                " segment.",
            ],
        ),
        (
            {
                "my-lab": _of([0], [1], [2], 4.01, edge_seconds=0.25),
                "her-lab": _of([0], [1], [2], 4, edge_seconds=0.26),
            },
            [
                "blocks: my-lab: blocks of 4.01 s with edges of 0.25 s at 64 Hz, expected whole numbers of"
                " samples.",
                "blocks: her-lab: blocks of 4 s with edges of 0.26 s at 64 Hz, expected whole numbers of"
                " samples.",
            ],
        ),
        (
            {"my-lab": _of([0], [1], [0], 1.01), "her-lab": _of([0], [1], [2], 0.51)},
            [
                f"blocks: my-lab: block 0 in parts train and test, {TWICE}",
                "blocks: my-lab: blocks of 1.01 s with edges of 0 s at 64 Hz, expected whole numbers of"
                " samples.",
                "blocks: her-lab: blocks of 0.51 s less 0 s at both ends, expected 1 s or more, one segment.",
                "blocks: her-lab: blocks of 0.51 s with edges of 0 s at 64 Hz, expected whole numbers of"
                " samples.",
            ],
        ),
    ],
    ids=["none", "twice", "too short", "broken samples", "several"],
)
def test_faults_of_blocks_are_told_all_at_once(small_split, blocks, message):
    keys = {**LAB, "corpora": ["my-lab", "her-lab"], "cut": "blocks"}
    everybody = _parts(train="all", val="all", test="all")
    with pytest.raises(SplitError) as caught:
        _loaded(small_split, **keys, parts=everybody, blocks=blocks)
    assert [str(fault) for fault in caught.value.faults] == [f"{small_split}: {line}" for line in message]


def test_a_block_may_hold_one_segment_and_its_edges(small_split):
    blocks = {
        "my-lab": _of([0], [1], [2], 2.5, edge_seconds=0.75),
        "her-lab": _of([0], [1], [2], 1),
    }
    keys = {**LAB, "corpora": ["my-lab", "her-lab"], "cut": "blocks"}
    split = _loaded(small_split, **keys, parts=_parts(train="all", val="all", test="all"), blocks=blocks)
    assert [(one.seconds, one.edge_seconds) for one in split.blocks.values()] == [(2.5, 0.75), (1, 0)]
    _loaded(small_split, cut="random", time_fractions={"train": 0.5, "val": 0.25, "test": 0.25}, blocks=None)


NOBODY = object()  # a part that the split does not have


@pytest.mark.parametrize(
    ("train", "val", "test", "twice"),
    [
        (["a"], ["b"], ["c"], []),
        (["a"], ["b"], ["b", "c"], ["val and test"]),
        (["a"], ["b"], ["c", "a"], ["train and test"]),
        (["a", "b"], ["b"], ["c"], ["train and val"]),
        ("all", ["b"], ["c"], ["train and val", "train and test"]),
        (["a"], (0, 0.5), (0.5, 1), ["train and val", "train and test"]),
        ((0, 0.5), (0.5, 0.75), (0.75, 1), []),
        ((0.75, 1), (0.5, 0.75), (0, 0.5), []),
        ((0, 0.6), (0.5, 0.75), (0.75, 1), ["train and val"]),
        ((0.5, 0.75), (0, 0.5), (0.25, 0.5), ["val and test"]),
        ((0, 1), (0.25, 0.5), (0.5, 0.75), ["train and val", "train and test"]),
        (NOBODY, ["b"], ["b"], ["val and test"]),
        ("all", NOBODY, ["b"], ["train and test"]),
        ("all", "all", NOBODY, ["train and val"]),
        (NOBODY, NOBODY, "all", []),
    ],
)
def test_parts_share_a_block_where_no_subject_is_in_both(small_split, train, val, test, twice):
    given = zip(PARTS, (train, val, test), strict=True)
    parts = {
        part: {"subjects": {"from": who[0], "to": who[1]} if isinstance(who, tuple) else who}
        for part, who in given
        if who is not NOBODY
    }
    blocks = {"my-lab": _of([0, 1], [0, 2], [1, 2])}  # each pair of parts has one block
    keys = {**LAB, "cut": "blocks", "parts": parts, "blocks": blocks}
    pairs = ["train and val", "train and test", "val and test"]
    faults = [
        f"{small_split}: blocks: my-lab: block {pairs.index(pair)} in parts {pair}, {TWICE}" for pair in twice
    ]
    if not faults:
        assert _loaded(small_split, **keys).blocks["my-lab"].parts["val"] == (0, 2)
        return
    with pytest.raises(SplitError) as caught:
        _loaded(small_split, **keys)
    assert [str(fault) for fault in caught.value.faults] == faults


def _shares(**ends):
    return {part: {"subjects": {"from": first, "to": last}} for part, (first, last) in ends.items()}


IN_PART = "expected every subject in one part."


@pytest.mark.parametrize(
    ("parts", "cut", "message"),
    [
        (
            {**_shares(train=(0, 0.6), val=(0.6, 0.8)), **_parts(test=["P01", "P01"])},
            "whole-recordings",
            [
                "parts: a share of the subjects in train, val only, expected shares in every part, or in none,"
                " where subjects are held apart.",
                "parts: test: P01 named twice.",
            ],
        ),
        (
            _shares(train=(0.5, 1), val=(0, 0.4), test=(0.375, 0.625)),
            "whole-recordings",
            [
                f"parts: test: subjects: overlap those of val, {IN_PART}",
                f"parts: train: subjects: overlap those of test, {IN_PART}",
            ],
        ),
        (
            _shares(train=(0, 1), val=(0.25, 0.375), test=(0.5, 0.75)),
            "whole-recordings",
            [
                f"parts: val: subjects: overlap those of train, {IN_PART}",
                f"parts: test: subjects: overlap those of train, {IN_PART}",
            ],
        ),
        (
            _shares(train=(0.25, 0.25), val=(0.75, 0.5), test=(0, 0.25)),
            "whole-recordings",
            [
                "parts: train: subjects: from 0.25 to 0.25, expected from less than to.",
                "parts: val: subjects: from 0.75 to 0.5, expected from less than to.",
            ],
        ),
        (_shares(train=(0.5, 0.75), val=(0.75, 1), test=(0, 0.5)), "whole-recordings", []),
        (
            {**_shares(train=(0, 1), val=(1, 0)), **_parts(test="all")},
            "in-time",
            ["parts: val: subjects: from 1 to 0, expected from less than to."],
        ),
        ({**_shares(train=(0, 1), val=(0.5, 0.75)), **_parts(test="all")}, "in-time", []),
    ],
    ids=["not in all", "overlap", "one over two", "empty", "apart", "empty in time", "in time"],
)
def test_faults_of_shares_are_told_all_at_once(small_split, parts, cut, message):
    fractions = {"train": 0.8, "val": 0.1, "test": 0.1} if cut == "in-time" else None
    keys = {**LAB, "cut": cut, "parts": parts, "time_fractions": fractions}
    if not message:
        assert list(_loaded(small_split, **keys).parts) == list(parts)
        return
    with pytest.raises(SplitError) as caught:
        _loaded(small_split, **keys)
    assert [str(fault) for fault in caught.value.faults] == [f"{small_split}: {line}" for line in message]
