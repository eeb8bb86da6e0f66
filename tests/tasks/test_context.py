"""What measures ask for of the training part: its mean, its stimuli, and classifiers trained on it alone."""

import numpy as np
import pytest
from own_corpus import SUBJECTS, make_own_corpus, write_split

from harness.errors import CorpusError, SplitError
from harness.tasks.labels_only import open_labels_task
from harness.tasks.task import open_task

CENTRED = ["pearson_r", "cosine_centred"]
FRACTIONS = {"train": 0.8, "val": 0.1, "test": 0.1}
NEEDED = (
    "expected the references of the whole training part: the centred cosine rests on them.\n"
    "  Score where they are, or by a split whose measures do without the centred cosine."
)


@pytest.fixture
def corpus(tmp_path):
    return make_own_corpus(tmp_path / "my-lab", n_channels=4)


@pytest.fixture
def opened(corpus, tmp_path):
    """Open the corpus with a split of these keys."""

    def make(name="mine", **keys):
        return open_task(corpus, split_name=write_split(tmp_path / f"{name}.json", **keys))

    return make


def stories(corpus):
    return [
        np.load(corpus / f"features/{story}_envelope.npy").astype(np.float64)
        for story in ("story-a", "story-b")
    ]


def in_time(**keys):
    """A split of every recording into 16, 2 and 2 s, and segments of 2 s."""
    parts = {part: {"subjects": "all"} for part in FRACTIONS}
    return {"cut": "in-time", "time_fractions": FRACTIONS, "segment_seconds": 2, "parts": parts, **keys}


def test_the_centre_is_the_mean_of_all_training_segments_and_of_no_other(opened, corpus):
    task = opened(**in_time(measures=CENTRED))
    cut = [story[:1600].reshape(8, 200, 1) for story in stories(corpus)]
    expected = np.concatenate(cut).mean(axis=0)
    assert task.centre.dtype == np.float64
    assert task.centre.shape == (task.n_frames, task.n_bands)
    np.testing.assert_allclose(task.centre, expected, rtol=0, atol=1e-12)


def test_no_centre_where_no_measure_needs_one_whatever_is_missing(opened, corpus):
    for path in (corpus / "eeg").glob("P01_*"):
        path.unlink()
    task = opened(measures=["pearson_r", "cosine"])
    assert task.centre is None
    task.check_labels()


def test_a_split_without_a_training_part_takes_that_of_its_training_split_cut_to_its_own_length(
    opened, corpus, tmp_path
):
    write_split(tmp_path / "trained.json")
    test = {"test": {"subjects": list(SUBJECTS[9:])}}
    task = opened("tested", parts=test, training_split="trained", segment_seconds=2, measures=CENTRED)
    expected = np.concatenate([story.reshape(10, 200, 1) for story in stories(corpus)]).mean(axis=0)
    np.testing.assert_allclose(task.centre, expected, rtol=0, atol=1e-12)


def test_a_training_split_that_there_is_not_is_refused(opened):
    test = {"test": {"subjects": list(SUBJECTS[9:])}}
    with pytest.raises(SplitError, match="split tested: training_split: no split 'nowhere'"):
        opened("tested", parts=test, training_split="nowhere", measures=CENTRED).check_labels()


def test_training_subjects_that_are_not_here_are_named(opened, corpus):
    for path in [*(corpus / "eeg").glob("P01_*"), *(corpus / "eeg").glob("P03_*")]:
        path.unlink()
    with pytest.raises(CorpusError) as caught:
        opened(measures=CENTRED).check_labels()
    assert str(caught.value) == (
        f"{corpus}: part train of split mine: 2 of 7 subjects are not in the corpus: P01, P03, {NEEDED}"
    )


def test_training_recordings_without_the_feature_are_named(opened, corpus):
    declaration = corpus / "corpus.toml"
    pattern = "features/{subject}_{stimulus}_envelope.npy"
    declaration.write_text(declaration.read_text().replace("features/{stimulus}_envelope.npy", pattern))
    for subject in SUBJECTS[9:]:
        for story in ("story-a", "story-b"):
            values = np.load(corpus / f"features/{story}_envelope.npy")
            np.save(corpus / f"features/{subject}_{story}_envelope.npy", values)
    with pytest.raises(CorpusError) as caught:
        opened(measures=CENTRED).check_labels()
    assert str(caught.value) == (
        f"{corpus}: part train of split mine: no envelope for 56 of 56 segments (P01_story-a_000,"
        f" P01_story-a_001, P01_story-a_002 and 53 more), {NEEDED}"
    )


def test_references_alone_have_no_training_part(corpus, tmp_path):
    split = write_split(tmp_path / "mine.json", measures=CENTRED)
    labels = {
        f"{subject}_{story}_000": np.ones((500, 1), np.float32)
        for subject in SUBJECTS[9:]
        for story in ("story-a", "story-b")
    }
    np.savez(tmp_path / "labels.npz", **labels)
    task = open_labels_task(
        tmp_path / "labels.npz", corpus=str(corpus / "corpus.toml"), split_name=split
    ).task
    with pytest.raises(CorpusError) as caught:
        task.check_labels()
    assert str(caught.value) == f"{tmp_path / 'labels.npz'}: no recordings, {NEEDED}"


def test_references_alone_are_scored_by_what_their_corpus_declares(corpus, tmp_path):
    declaration = corpus / "corpus.toml"
    declaration.write_text('measure = "cosine"\n' + declaration.read_text())
    np.savez(tmp_path / "labels.npz", **{"P01_story-a_000": np.ones((500, 1), np.float32)})
    task = open_labels_task(tmp_path / "labels.npz", corpus=str(declaration)).task
    assert task.split.measures == ("cosine",)


def test_another_training_part_is_other_data(opened, corpus):
    keys = in_time(measures=CENTRED)
    before, by_r = opened(**keys).fingerprint(), opened("by-r", **in_time()).fingerprint()
    assert before != by_r
    path = corpus / "features/story-a_envelope.npy"
    values = np.load(path)
    values[:1600] *= 2  # the training part's share
    np.save(path, values)
    assert opened(**keys).fingerprint() != before
    assert opened("by-r", **in_time()).fingerprint() == by_r
