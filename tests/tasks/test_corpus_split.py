"""Where a corpus's splits are found by name, and what is wrong with its default."""

import json

import numpy as np
import pytest
from own_corpus import SUBJECTS, make_own_corpus, write_split

from harness.cli.open import open_asked
from harness.corpus import open_corpus
from harness.errors import SplitError, UsageError
from harness.tasks.corpus_split import default_split
from harness.tasks.splits import load_split, split_names
from harness.tasks.task import open_task


@pytest.fixture
def lab(tmp_path):
    return make_own_corpus(tmp_path / "lab", n_channels=4)


def _declare(lab, line):
    path = lab / "corpus.toml"
    path.write_text(f"{line}\n{path.read_text()}")


def test_a_split_beside_corpus_toml_is_found_by_its_name(lab):
    path = write_split(lab / "mine.json")
    assert open_task(lab, split_name="mine").split == load_split(path)
    assert open_asked(data=lab, split="mine", part="val").split == load_split(path)


def test_a_split_beside_the_default_split_is_found_by_its_name(lab, tmp_path):
    (tmp_path / "splits").mkdir()
    write_split(tmp_path / "splits/mine.json")
    other = write_split(tmp_path / "splits/other.json", segment_seconds=2)
    _declare(lab, 'default_split = "../splits/mine.json"')
    assert open_task(lab).split.name == "mine"
    assert open_task(lab, split_name="other").split == load_split(other)


def test_the_default_split_may_be_a_name_beside_corpus_toml(lab):
    write_split(lab / "mine.json")
    _declare(lab, 'default_split = "mine"')
    assert open_task(lab).split.name == "mine"


def test_a_split_beside_may_not_take_the_name_of_one_that_comes_with_the_harness(lab):
    write_split(lab / "dtu.json")
    with pytest.raises(SplitError, match="split dtu: the corpus my-lab"):
        open_task(lab, split_name="dtu")
    with pytest.raises(SplitError, match="dtu.json: name: 'dtu', the name of another split"):
        open_task(lab, split_name=lab / "dtu.json")


def test_labels_alone_know_the_splits_beside_their_corpus_toml(harness, lab, tmp_path):
    write_split(lab / "mine.json")
    arrays = {
        f"{subject}_a_000": np.random.default_rng(1).standard_normal((500, 1)) for subject in SUBJECTS[9:]
    }
    np.savez(tmp_path / "labels.npz", **arrays)
    arguments = ("score", "labels.npz", "--labels", "labels.npz", "--corpus", "lab/corpus.toml")
    code, out, err = harness(*arguments, "--split", "mine")
    assert code == 0, err
    assert out.startswith("labels on my-lab, split mine, part test, feature envelope\n")


@pytest.mark.parametrize(
    ("named", "message"),
    [
        (
            "mine.json",
            "no such file {lab}/mine.json, expected a file (.json), seen from corpus.toml, or one of "
            "challenge-2024, dtu, dtu-unheard, held-out-subjects, known-subjects, music-blocks, music-listeners, music-listeners-blocks, music-random, music-songs, mien",
        ),
        (
            "mine",
            "no split 'mine', expected a file (.json), seen from corpus.toml, or one"
            f" of {', '.join([*split_names(), 'mien'])}",
        ),
    ],
)
def test_a_default_split_that_is_not_there_is_named(lab, named, message):
    _declare(lab, f'default_split = "{named}"')
    write_split(lab / "mien.json")
    with pytest.raises(SplitError) as caught:
        default_split(open_corpus(lab).declaration)
    assert str(caught.value) == (
        f"{lab}/corpus.toml: default_split: {message.format(lab=lab)}.\n  Did you mean 'mien'?"
    )


def test_a_name_that_is_nowhere_is_wrong_usage(lab):
    with pytest.raises(UsageError, match="--split mine: no such split"):
        open_task(lab, split_name="mine")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (None, "broken: default split: lab/corpus.toml: default_split: no such file lab/mine.json, expected"),
        ({"cut": "in-tim"}, "broken: default split: lab/mine.json: cut: "),
        (
            {"sample_rate_hz": 64},
            "broken: split mine: 64 Hz, expected 100 Hz, the rate of the corpus my-lab.",
        ),
        (
            {"corpora": ["your-lab"]},
            "broken: split mine: the corpus my-lab in lab, expected a corpus of your-lab.",
        ),
        (
            {"segment_seconds": 0.01, "features": ["pitch", "loudness"]},
            "broken: feature loudness: the corpus my-lab declares none of that name, expected one of",
        ),
    ],
    ids=["absent", "not valid", "rate", "corpus", "feature"],
)
def test_describe_ends_with_1_where_the_default_split_is_broken(harness, lab, changes, said):
    _declare(lab, 'default_split = "mine.json"')
    if changes is not None:
        write_split(lab / "mine.json", **changes)
    code, out, _ = harness("data", "describe", "lab")
    assert (code, out.count(said)) == (1, 1), out
    code, out, _ = harness("data", "describe", "lab", "--json")
    faults = json.loads(out)["faults"]
    assert code == 1
    assert any(fault.startswith(said.removeprefix("broken: ")) for fault in faults)


def test_describe_counts_every_split_beside_corpus_toml(harness, lab):
    write_split(lab / "mine.json")
    write_split(lab / "yours.json", corpora=["your-lab"])
    (lab / "notes.json").write_text('{"parts": 1}')
    code, out, _ = harness("data", "describe", "lab")
    assert code == 0
    assert [line.split()[0] for line in out.splitlines() if " of " in line and "test" in line] == ["mine"]
