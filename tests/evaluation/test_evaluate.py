"""From a submission to its record in one call; what is kept on the way, and what is hashed when."""

import numpy as np
import pytest
from msgspec import UNSET

from harness.errors import CorpusError, UsageError
from harness.evaluation.evaluate import evaluate, evaluate_predictions, expected_key
from harness.evaluation.prepare import prepare
from harness.execution import Run
from harness.records.key import record_key
from harness.records.text import record_text
from harness.submission.manifest import load_submission
from harness.tasks.task import open_task
from harness.training.write_weights import write_weights


@pytest.fixture
def task(official_split, small_split):
    """Two-second segments of the official fixture's one test subject."""
    return open_task(official_split, split_name=str(small_split))


@pytest.fixture
def submission(make_submission):
    return load_submission(make_submission())


def test_a_file_keeps_the_predictions_that_were_scored(submission, task, tmp_path):
    record = evaluate(submission, task, Run(seed=3), tmp_path / "kept.npz")
    again = evaluate_predictions(tmp_path / "kept.npz", task)
    assert again.score == pytest.approx(record.score, abs=1e-12)
    assert again.corpus == record.corpus
    assert (record.seed, again.seed) == (3, 0)


def test_a_function_is_handed_the_run_while_its_predictions_are_there(submission, task):
    seen = []
    evaluate(
        submission, task, Run(), lambda run: seen.append({k: v.shape for k, v in run.predictions.items()})
    )
    assert seen == [dict.fromkeys((segment.id for segment in task.segments), (128, 10))]


def test_a_file_that_cannot_be_written_is_refused_before_anything_runs(make_submission, task, tmp_path):
    never = load_submission(make_submission(predict="raise SystemExit('has run')"))
    with pytest.raises(UsageError, match="kept.txt: unknown suffix"):
        evaluate(never, task, Run(), tmp_path / "kept.txt")


def test_references_are_asked_for_before_anything_runs(make_submission, official_split):
    never = load_submission(make_submission(predict="raise SystemExit('has run')"))
    with pytest.raises(CorpusError, match="expected references to score against"):
        evaluate(never, open_task(official_split / "test_set"), Run())


def test_the_key_that_is_expected_is_the_records(submission, task):
    run = Run(variant="default", seed=4)
    record = evaluate(submission, task, run)
    prepared = prepare(submission, task, run)
    assert expected_key(prepared, task.fingerprint()) == record_key(record)
    assert expected_key(prepared, "0" * 64) != record_key(record)


def test_the_data_are_fingerprinted_alike_from_the_run_and_from_the_corpus(submission, task):
    records = [evaluate(submission, task, Run(jobs=jobs)) for jobs in (1, 2)]
    assert {record.corpus.fingerprint for record in records} == {task.fingerprint()}


def test_code_is_hashed_before_it_runs(make_submission, task):
    body = (
        "from pathlib import Path\n"
        "try:\n    Path(__file__).write_text('# nothing left')\nexcept OSError:\n    pass\n"
        "return np.ascontiguousarray(eeg[:, :, :self.n_bands])"
    )
    submission = load_submission(make_submission(predict=body))
    before = submission.code_sha256()
    record = evaluate(submission, task, Run())
    assert record.submission.code_sha256 == before == submission.code_sha256()
    assert np.isfinite(record.score)


def test_a_note_on_weights_is_in_the_record_until_they_are_trained_again(make_submission, task):
    folder = make_submission()
    submission = load_submission(folder)
    weights = ({"a": np.zeros(2, np.float32)}, {})
    training = ("sparrkulee", task.split, "mel", "default")
    write_weights(submission, *training, weights, {})
    submission = load_submission(folder)
    manifest = folder / "submission.toml"
    manifest.write_text(manifest.read_text().rstrip() + '\nnote = "trained before the mend"\n')
    record = evaluate(load_submission(folder), task, Run())
    assert record.weights_notes == ("trained before the mend",)
    assert "Weights: trained before the mend" in record_text(record).splitlines()
    assert load_submission(folder).code_sha256() == submission.code_sha256()
    write_weights(load_submission(folder), *training, weights, {})
    assert evaluate(load_submission(folder), task, Run()).weights_notes is UNSET
