"""Splits: the published ones as they are, and what a split file is refused for."""

import hashlib
import json

import pytest

from harness.corpus.base import natural_key
from harness.errors import SplitError, UsageError
from harness.tasks.splits import PARTS, SPLIT_FOLDER, load_split, split_names


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
        "--split heldout-subjects: no such split, expected one of challenge-2024, dtu,"
        " held-out-subjects, known-subjects, or the path of a split file (.json).\n"
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
                "{}: measures: 'pearsonr', expected one of cosine, cosine_centred, pearson_r.\n"
                "  Did you mean 'pearson_r'?"
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
