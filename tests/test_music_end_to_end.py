"""From training to a record on a made corpus of two songs: measures with a context, and trainers of music."""

import json
import shutil

import numpy as np
import pytest
from conftest import REPOSITORY
from nets import MUSIC_NETS
from own_corpus import SUBJECTS, make_own_corpus, write_split
from safetensors.numpy import load_file

from harness.corpus import open_corpus
from harness.errors import CorpusError
from harness.evaluation.evaluate import evaluate, evaluate_predictions
from harness.execution import Run
from harness.records.consistency import inconsistencies
from harness.records.document import parse_record, record_bytes
from harness.submission.manifest import load_submission
from harness.tasks.splits import load_split
from harness.tasks.task import open_task
from harness.training import train_submission

MEASURES = ["cosine", "cosine_centred", "cosine_gain", "song_accuracy", "song_accuracy_reconstructed"]
TEST = SUBJECTS[9:]


@pytest.fixture(autouse=True)
def _short_classifiers(monkeypatch):
    monkeypatch.setattr("harness.tasks.classifier.STEPS", 40)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """Two stories of 20 s at 100 Hz, 24 channels; the pitch has 20 frames a second."""
    return make_own_corpus(tmp_path_factory.mktemp("music") / "my-lab", n_channels=24, pitch_rate=20)


@pytest.fixture
def split(tmp_path):
    def write(name="mine", **keys):
        keys = {"segment_seconds": 1, "measures": MEASURES, **keys}
        return write_split(tmp_path / f"{name}.json", **keys)

    return write


@pytest.fixture
def copied(tmp_path):
    """A package without weights."""

    def copy(name):
        folder = tmp_path / name
        ignored = shutil.ignore_patterns("weights", "training", "__pycache__")
        shutil.copytree(REPOSITORY / name, folder, ignore=ignored)
        manifest = folder / "submission.toml"
        manifest.write_text(manifest.read_text().partition("[[weights]]")[0])
        return folder

    return copy


def trained(folder, corpus, split, feature="envelope", **options):
    return train_submission(
        load_submission(folder), open_corpus(corpus), load_split(split), feature, **options
    )


def scored(folder, corpus, split, feature="envelope"):
    task = open_task(corpus, split_name=split, feature=feature)
    return evaluate(load_submission(folder), task, Run(surrogates=0))


@pytest.mark.slow
@pytest.mark.parametrize("name", MUSIC_NETS)
def test_a_net_is_trained_and_scored_by_every_measure(copied, corpus, split, name):
    folder, where = copied(name), split()
    made = trained(folder, corpus, where, "pitch", epochs=1)
    assert next(iter(made.report)) == "validation_cosine"
    assert made.report["best_epoch"] == 1
    log = (made.folder / "log.csv").read_text().splitlines()
    assert log[0] == "epoch,loss,mse,validation_cosine,learning_rate,seconds,corpus"
    record = scored(folder, corpus, where, "pitch")
    assert list(record.measures) == MEASURES
    assert record.ranked.measure.name == "cosine"
    assert inconsistencies(record, "r.json") == []
    assert record.constant_cosine == pytest.approx(
        record.measures["cosine"].value - record.measures["cosine_gain"].value
    )


@pytest.mark.slow
def test_the_constant_gains_nothing_and_the_ridge_something(copied, corpus, split):
    where = split()
    prior, ridge = copied("baselines/prior"), copied("baselines/ridge-psd")
    mean = load_file(trained(prior, corpus, where).path)["mean"]
    task = open_task(corpus, split_name=where, feature="envelope")
    assert mean == pytest.approx(task.centre.astype(np.float32), abs=1e-7)
    constant = scored(prior, corpus, where)
    assert constant.measures["cosine_gain"].value == pytest.approx(0, abs=1e-7)
    assert constant.measures["cosine_centred"].value == 0
    assert constant.measures["cosine_centred"].segments_undefined == 3 * 40
    assert constant.measures["song_accuracy"].value == pytest.approx(0.5)
    report = trained(ridge, corpus, where).report
    assert report["segments_that_differ"] == 40
    assert report["segments"] == 7 * 40
    assert report["validation_cosine"] == max(report["validation_cosine_by_lambda"].values())
    record = scored(ridge, corpus, where)
    assert record.constant_cosine == pytest.approx(constant.measures["cosine"].value, abs=1e-7)


@pytest.mark.slow
def test_a_classifiers_own_accuracy_is_on_record_and_the_record_keeps_its_bytes(copied, corpus, split):
    where, prior = split(), copied("baselines/prior")
    trained(prior, corpus, where)
    record = scored(prior, corpus, where)
    own = {name: record.measures[name].classifier for name in MEASURES[3:]}
    assert (own["song_accuracy"].trained_on, own["song_accuracy"].segments) == (40, 40)
    assert own["song_accuracy"].accuracy > 0.9  # the test's references are the training's here
    assert own["song_accuracy_reconstructed"].trained_on == 7 * 40
    assert all(not record.measures[name].classifier for name in MEASURES[:3])
    content = record_bytes(record)
    assert record_bytes(parse_record(content, "r.json")) == content
    again = scored(prior, corpus, where)  # the classifier of references comes from the cache now
    assert again.measures == record.measures


def test_predictions_from_elsewhere_are_not_measured_by_reconstructions(corpus, split, tmp_path):
    where = split()
    task = open_task(corpus, split_name=where, feature="envelope")
    arrays = {s.id: s.feature("envelope") for s in task.segments}
    np.savez(tmp_path / "perfect.npz", **arrays)
    record = evaluate_predictions(tmp_path / "perfect.npz", task)
    assert record.measure_names == tuple(MEASURES)
    assert [one.measure.name for one in record.measured] == MEASURES[:4]
    assert record.measures["cosine"].value == pytest.approx(1)
    assert record.measures["song_accuracy"].value > 0.9
    assert inconsistencies(record, "r.json") == []


def test_song_accuracy_is_refused_where_songs_are_in_no_training_segment(corpus, split):
    parts = {
        "train": {"subjects": list(SUBJECTS[:7]), "stimuli": ["story-a"]},
        "val": {"subjects": list(SUBJECTS[7:9]), "stimuli": ["story-a"]},
        "test": {"subjects": list(TEST), "stimuli": ["story-b"]},
    }
    where = split(parts=parts)
    with pytest.raises(CorpusError) as caught:
        open_task(corpus, split_name=where, feature="envelope").check_labels()
    assert str(caught.value) == (
        f"{corpus}: part test of split mine: 1 stimulus that no training segment is of (story-b), expected"
        " stimuli of the training part: the song accuracy is undefined for others.\n"
        "  Score by a split whose measures do without the song accuracy."
    )
    open_task(corpus, split_name=split("other", parts=parts, measures=MEASURES[:3])).check_labels()


def test_the_same_training_segments_are_asked_of_every_system(corpus, split, monkeypatch):
    monkeypatch.setattr("harness.tasks.context.MOST_ANSWERS", 30)
    task = open_task(corpus, split_name=split(), feature="envelope")
    stories = [segment.recording.stimulus for segment in task.answered]
    assert (stories.count("story-a"), stories.count("story-b")) == (15, 15)
    assert {segment.subject for segment in task.answered} <= set(SUBJECTS[:7])
    again = open_task(corpus, split_name=task.split.folder / "mine.json", feature="envelope")
    assert [segment.id for segment in again.answered] == [segment.id for segment in task.answered]
    without = open_task(corpus, split_name=split("plain", measures=["cosine"]), feature="envelope")
    assert without.answered == without.training == ()


@pytest.mark.slow
def test_the_song_classifier_answers_with_the_songs_means(copied, corpus, split, monkeypatch):
    where, folder = split(measures=["cosine", "cosine_gain"]), copied("baselines/song-classifier")
    train = folder / "train.py"
    train.write_text(train.read_text().replace("STEPS = 300", "STEPS = 8"))
    made = trained(folder, corpus, where)
    weights = load_file(made.path)
    corpus_stories = [np.load(corpus / f"features/{s}_envelope.npy") for s in ("story-a", "story-b")]
    expected = np.stack([story.reshape(20, 100, 1).mean(axis=0) for story in corpus_stories])
    assert weights["means"] == pytest.approx(expected, abs=1e-6)
    assert made.report["songs"] == ["story-a", "story-b"]
    assert json.loads(json.dumps(dict(made.report)))["segments"] == 280
    record = scored(folder, corpus, where)
    assert inconsistencies(record, "r.json") == []
