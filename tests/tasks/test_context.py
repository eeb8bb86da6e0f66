"""What measures ask for of the training part: its mean, its stimuli, and classifiers trained on it alone."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
from own_corpus import SUBJECTS, make_own_corpus, own_split, write_split

from harness.corpus import open_corpus
from harness.corpus.base import Recording, Series
from harness.errors import CorpusError, Fault, SplitError
from harness.tasks import context
from harness.tasks.labels_only import open_labels_task
from harness.tasks.segments import Segment, cut_segments
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


@dataclass(frozen=True)
class Asked:
    """What a classifier is trained on."""

    images: np.ndarray
    numbers: np.ndarray
    keep: bool


@pytest.fixture
def asked(monkeypatch):
    """Let classifiers name the class with the nearest mean image; gives what each was trained on."""
    trainings = []

    def train(images, numbers, *, keep=False):
        trainings.append(Asked(images, numbers, keep))
        centres = np.stack([images[numbers == number].mean(axis=0) for number in range(numbers.max() + 1)])

        def name_of(segments):
            return np.array([np.abs(centres - one).sum(axis=(1, 2)).argmin() for one in segments])

        return name_of

    monkeypatch.setattr(context, "train_classifier", train)
    return trainings


def pieces(story, first, last):
    """Seconds of a story, (last - first, 100, 1), as the subjects' segments of 1 s are."""
    return story[100 * first : 100 * last].reshape(-1, 100, 1)


@pytest.fixture
def heard(tmp_path):
    """Segments of 1 s: six of each story for training and two for scoring, heard by two subjects, and the stories.

    The last second of ``story-b``, which is scored, is one of ``story-a``.
    """
    folder = make_own_corpus(tmp_path / "lab", n_channels=4, seconds=8.0, subjects=SUBJECTS[:3])
    values = {"story-a": np.arange(800.0), "story-b": 5000 + np.arange(800.0)}
    values["story-b"][700:] = values["story-a"][300:400]
    for story, numbers in values.items():
        np.save(folder / f"features/{story}_envelope.npy", numbers[:, None].astype(np.float32))
    split = own_split(
        tmp_path / "mine.json",
        cut="in-time",
        time_fractions={"train": 0.75, "val": 0.125, "test": 0.125},
        segment_seconds=1,
        parts={part: {"subjects": list(SUBJECTS[:2])} for part in FRACTIONS},
    )
    lab = open_corpus(folder)
    training = context.training_segments(lab, split, "envelope", "song accuracy")
    scored = [
        *cut_segments(lab, split, "test", feature="envelope"),
        *cut_segments(lab, split, "val", feature="envelope"),
    ]
    return training, scored, values


def test_the_classifier_of_references_learns_every_stretch_once_and_is_kept(heard, asked):
    training, scored, values = heard
    assert len(training) == 24
    made = context.reference_classifier(training[::-1], scored, "envelope")
    (training_of,) = asked
    expected = [*pieces(values["story-a"], 0, 6), *pieces(values["story-b"], 0, 6)][::-1]
    np.testing.assert_array_equal(training_of.images, np.array(expected, np.float32))
    assert training_of.numbers.dtype == np.int64
    assert training_of.numbers.tolist() == [1] * 6 + [0] * 6
    assert training_of.keep is True
    assert made.stimuli == ("story-a", "story-b")
    assert made.name_of(training_of.images).tolist() == training_of.numbers.tolist()
    # Of the last two seconds of either story, one sounds like the other story.
    assert (made.trained_on, made.accuracy, made.segments) == (12, 0.75, 4)


def test_the_classifier_of_answers_learns_every_answer_and_is_not_kept(heard, asked):
    training, scored, _ = heard
    some = training[3:20:2]
    answers = {one.id: one.feature("envelope") + 1000 * number + 7 for number, one in enumerate(some)}
    made = context.answer_classifier({**answers, "another": 0}, some, scored, "envelope")
    (training_of,) = asked
    np.testing.assert_array_equal(training_of.images, np.stack([answers[one.id] for one in some]))
    stories = ["story-a", "story-b"]
    assert training_of.numbers.tolist() == [stories.index(one.recording.stimulus) for one in some]
    assert training_of.keep is False
    assert (made.stimuli, made.trained_on, made.segments) == (tuple(stories), 9, 4)


def test_who_heard_a_stretch_first_stands_for_it(heard, asked):
    training, scored, _ = heard
    later = replace(training[0], id="later", recording=replace(training[0].recording, feature_series={}))
    made = context.reference_classifier([*training, later], scored, "envelope")
    assert made.trained_on == 12


def some_segments(*stimuli):
    """A segment of each of these stimuli, with nothing in it."""
    return [
        Segment(f"P01_{stimulus}_{i:03d}", Recording("P01", stimulus, (0, 0, 0), Series((), 0, 0)), i, i)
        for i, stimulus in enumerate(stimuli)
    ]


def test_some_of_every_stimulus_are_sampled_with_the_documented_seed():
    order = np.random.default_rng(5).permutation(["a"] * 700 + ["b"] * 80 + ["c"] * 400)
    segments = some_segments(*order.tolist())
    rng = np.random.default_rng(20240420)
    expected = []
    for stimulus in dict.fromkeys(order.tolist()):
        own = [segment for segment in segments if segment.recording.stimulus == stimulus]
        drawn = rng.permutation(len(own))[:334]  # a third of 1000, rounded up
        expected += [own[place] for place in sorted(drawn)]
    sample = context.training_sample(segments)
    assert [segment.id for segment in sample] == [segment.id for segment in expected]
    assert len(sample) == 334 + 80 + 334


@pytest.mark.parametrize(
    ("training", "scored", "found"),
    [
        (
            ["a", "b"],
            ["c", "a", "d", "c", "e", "f", "g", "h"],
            "6 stimuli that no training segment is of (c, d, e and 3 more)",
        ),
        (["a", ""], ["a", "c"], "1 stimulus that no training segment is of (c)"),
        (["a", ""], ["a", ""], "recordings that do not say what was heard"),
    ],
)
def test_stimuli_that_training_does_not_name_are_refused(training, scored, found):
    with pytest.raises(CorpusError) as caught:
        context.check_stimuli(some_segments(*training), some_segments(*scored), "part test", "song accuracy")
    assert str(caught.value) == (
        f"part test: {found}, expected stimuli of the training part: the song accuracy is undefined for others.\n"
        "  Score by a split whose measures do without the song accuracy."
    )


def test_stimuli_that_training_knows_are_accepted():
    context.check_stimuli(some_segments("a", "b"), some_segments("b", "b", "a"), "part test", "song accuracy")


def test_stimuli_that_are_not_here_are_refused_unless_the_training_part_may_be_partial(corpus, tmp_path):
    lab = replace(
        open_corpus(corpus), stimuli_missing={"story-c": Fault("story-c", "absent", "a file", "Get it.")}
    )
    split = own_split(tmp_path / "mine.json", segment_seconds=20)
    with pytest.raises(CorpusError) as caught:
        context.training_segments(lab, split, "envelope", "song accuracy")
    assert str(caught.value) == "story-c: absent, expected a file.\n  Get it."
    segments = context.training_segments(lab, split, "envelope", "song accuracy", partial=True)
    assert len(segments) == 14
