"""A corpus and a part of it, as numpy arrays and as a torch Dataset."""

import pickle

import numpy as np
import pytest

from harness import api
from harness.errors import CorpusError, ShapeError, UsageError
from harness.tasks.task import open_task


def test_a_part_is_the_task_that_the_commands_open(small, val):
    task = open_task(small.data, split_name=small.split, part="val")
    assert val.ids == tuple(segment.id for segment in task.segments)
    assert val.subjects == ("sub-027", "sub-028")
    assert (val.n_channels, val.n_times, val.sample_rate_hz) == (64, 1920, 64)
    assert (val.n_frames, val.n_bands) == (1920, 10)
    for sample, segment in zip(val, task.segments, strict=True):
        assert sample.id == segment.id
        assert sample.subject == segment.subject
        np.testing.assert_array_equal(sample.eeg, segment.eeg())
        np.testing.assert_array_equal(sample.reference, segment.feature("mel"))


def test_arrays_are_the_samples_stacked_in_the_order_of_the_ids(val):
    eeg, references = val.arrays()
    assert eeg.dtype == references.dtype == np.float32
    assert eeg.shape == (8, 1920, 64)
    assert references.shape == (8, 1920, 10)
    np.testing.assert_array_equal(eeg[-1], val[-1].eeg)
    np.testing.assert_array_equal(references[3], val[3].reference)
    assert list(val.by_id(references)) == list(val.ids)


@pytest.mark.parametrize("given", [(3, "64"), "3, 64"])
def test_excluded_channels_are_zero_and_on_the_record_of_a_submission(small, val, given):
    part = api.open_part(small.data, split=small.split, part="val", exclude_channels=given)
    eeg, _ = part.arrays()
    assert not eeg[:, :, [2, 63]].any()
    np.testing.assert_array_equal(
        np.delete(eeg, [2, 63], axis=2), np.delete(val.arrays()[0], [2, 63], axis=2)
    )
    record = api.score("linear", part, surrogates=0)
    assert record.submission.channels_excluded == ("3", "64")
    predictions = part.by_id(np.random.default_rng(0).standard_normal((8, 1920, 10)))
    for system in (predictions, lambda eeg, subjects: np.zeros((len(eeg), 1920, 10))):
        with pytest.raises(UsageError, match="exclude_channels: 3, 64, and predictions or a function"):
            api.score(system, part)
    with pytest.raises(UsageError, match="Cx"):
        api.open_part(small.data, split=small.split, part="val", exclude_channels=["Cx"])


def test_stacked_predictions_of_another_shape_are_refused(val):
    with pytest.raises(ShapeError) as error:
        val.by_id(np.zeros((8, 10, 1920)))
    assert str(error.value) == (
        "predictions: shape (8, 10, 1920), expected (8, 1920, 10) (n_segments, n_frames, n_bands)."
    )


def test_a_sample_is_asked_for_by_a_whole_number(val):
    assert val[np.int64(2)].id == val.ids[2]
    assert val[-1].id == val.ids[-1]
    with pytest.raises(TypeError, match="'slice' object cannot be interpreted as an integer"):
        val[:2]
    with pytest.raises(IndexError):
        val[8]


def test_the_table_says_where_segments_begin(val):
    table = val.table()
    assert list(table["id"]) == list(val.ids)
    assert list(table["start_seconds"]) == [0, 30] * 4
    assert set(table["subject"]) == set(val.subjects)


def test_a_dataset_gives_float32_tensors_and_survives_a_worker(val):
    from torch.utils.data import DataLoader

    dataset = val.dataset(channels_first=True)
    eeg, reference = dataset[5]
    np.testing.assert_array_equal(eeg.T.numpy(), val[5].eeg)
    np.testing.assert_array_equal(reference.T.numpy(), val[5].reference)
    eeg += 1  # its own memory
    again = pickle.loads(pickle.dumps(dataset))[5]  # as a worker that is not forked gets it
    np.testing.assert_array_equal(again[0].T.numpy(), val[5].eeg)
    shapes = [(tuple(x.shape), tuple(y.shape)) for x, y in DataLoader(val.dataset(), batch_size=5)]
    assert shapes == [((5, 1920, 64), (5, 1920, 10)), ((3, 1920, 64), (3, 1920, 10))]


def test_references_that_lie_apart_are_those_that_are_handed_out(small, val, tmp_path):
    doubled = {id_: 2 * reference for id_, reference in zip(val.ids, val.references(), strict=True)}
    api.save_predictions(tmp_path / "labels.npz", doubled, val)
    part = api.open_part(small.data, split=small.split, part="val", labels=tmp_path / "labels.npz")
    np.testing.assert_array_equal(part.references(), 2 * val.references())


def test_the_corpus_of_the_environment_is_taken_where_none_is_named(small, monkeypatch):
    monkeypatch.setenv("HARNESS_DATA", str(small.data))
    assert api.open_corpus().subjects == api.open_corpus(small.data).subjects
    assert len(api.open_part(split=small.split, part="val")) == 8


def test_a_corpus_of_another_name_in_the_split_is_refused(small):
    with pytest.raises(UsageError, match="split dtuu: no such split|--split dtuu: no such split"):
        api.open_part(small.data, split="dtuu")


def test_offsets_without_audio_are_refused(small):
    with pytest.raises(UsageError, match=r"^offsets: without audio, expected the folder"):
        api.open_part(small.data, offsets={21: 0.5})


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ({"n_subjects": 17}, "n_subjects: 17, expected 1 to 16, of each part."),
        ({"n_subjects": 0}, "n_subjects: 0, expected 1 to 16, of each part."),
        (
            {"recording_seconds": 30},
            "recording_seconds: 30, expected 31 or more: a segment has 30 s.",
        ),
    ],
)
def test_sizes_that_make_no_small_corpus_are_refused(sizes, message, tmp_path):
    with pytest.raises(UsageError) as error:
        api.simulate(tmp_path / "corpus", **sizes)
    assert str(error.value) == message
    assert not (tmp_path / "corpus").exists()


def test_references_that_are_held_back_are_not_handed_out(held_back):
    sample = held_back[0]
    assert sample.eeg.shape == (1920, 64)
    assert sample.reference is None
    message = (
        f"{held_back.task.corpus.folder}: part test: references that are held back, expected a part whose"
        " references are public.\n  Systems are scored on this part; look at, and train on, another."
    )
    for asked in (held_back.references, held_back.arrays, held_back.dataset):
        with pytest.raises(UsageError) as error:
            asked()
        assert str(error.value) == message


def test_a_part_without_references_gives_eeg_alone(official_split):
    part = api.open_part(official_split, split="challenge-2024", part="test", partial=True)
    assert part[0].reference is None
    with pytest.raises(CorpusError, match="no mel for some of its segments, expected references"):
        part.dataset()
