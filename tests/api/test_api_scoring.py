"""Scores that Python gets are the command line's, to the last bit, with interval and controls."""

import json

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file

from harness import api
from harness.errors import PredictionsError, PredictorError, RecordError, UsageError
from harness.records.document import plain
from harness.records.record import VOLATILE
from harness.shipped import shipped_folder
from harness.submission.manifest import load_submission


def settled(document):
    """A record without time, host and commit."""
    return {key: value for key, value in document.items() if key not in VOLATILE}


@pytest.fixture(scope="module")
def linear(val):
    return api.score("linear", val)


# What no prediction decides.
EXACT = ("corpus", "split", "flags")


def differences(one, other):
    """The largest difference of two plain values of one form."""
    if isinstance(one, dict):
        assert one.keys() == other.keys()
        return max((differences(one[key], other[key]) for key in one), default=0)
    if isinstance(one, list):
        assert len(one) == len(other)
        return max((differences(*pair) for pair in zip(one, other, strict=True)), default=0)
    return abs(one - other) if isinstance(one, float) else float(one != other)


def running_sum(eeg, subjects):
    return np.cumsum(eeg, axis=1)[:, :, :10] / 1920


@pytest.mark.slow
def test_a_submission_scores_as_the_command_scores_it(harness, small, linear):
    where = ["--data", small.data, "--split", small.split, "--part", "val"]
    code, out, _ = harness("score", "linear", *where, "--json")
    assert code == 0
    theirs = json.loads(out)
    assert settled(plain(linear)) == settled(theirs)
    assert theirs["ci95"] is not None
    assert theirs["controls"]["blind"]["segments"] == 8
    assert linear.run.isolation != "none"


def test_arrays_score_as_their_file_does_with_the_command(harness, small, val, tmp_path):
    rng = np.random.default_rng(3)
    noisy = val.by_id(val.references() + 0.1 * rng.standard_normal((8, 1920, 10), dtype=np.float32))
    record = api.score(noisy, val, name="noisy")
    api.save_predictions(tmp_path / "noisy.npz", noisy, val)
    where = ["--data", small.data, "--split", small.split, "--part", "val"]
    code, out, _ = harness("score", "noisy.npz", *where, "--json")
    assert code == 0
    assert settled(plain(record)) == settled(json.loads(out))
    assert settled(plain(api.score(tmp_path / "noisy.npz", val))) == settled(plain(record))
    assert 0.3 < record.score < 0.9


@pytest.mark.slow
def test_a_function_that_is_a_submission_scores_as_it_does_with_its_controls(package, val, linear):
    submission = load_submission(shipped_folder("baselines") / "linear")
    weights = submission.weights("simulated", val.task.split, "mel", "default")
    setup = submission.setup(val.task.sizes, "default", weights=weights.path)
    predictor = package("baselines/linear").predictor.Linear(setup)
    record = api.score(predictor.predict, val, name="linear")
    ours, theirs = plain(record), plain(linear)
    for key in ("score", "ci95", "chance", "bands", "subjects", "controls", "corpus", "split", "flags"):
        if key in EXACT:
            assert ours[key] == theirs[key], key
        else:  # in another process, a matrix product may differ in its last digits
            assert differences(ours[key], theirs[key]) < 1e-6, key
    assert record.submission.kind == "predictions"
    assert record.run.isolation == "none"
    assert load_file(weights.path)["weights"].shape[1:] == (64, 10)


def test_a_function_is_told_what_a_predictor_is_told_and_cannot_write(val):
    seen = []

    def look(eeg, subjects):
        seen.append((eeg.shape, eeg.dtype, eeg.flags.writeable, tuple(subjects)))
        return running_sum(eeg, subjects)

    api.score(look, val, surrogates=1)
    assert seen == [((10, 1920, 64), np.float32, False, ("unknown",) * 10)]


def test_a_perfect_and_a_negated_prediction(val):
    perfect = val.by_id(val.references())
    assert api.score(perfect, val).score == pytest.approx(1, abs=1e-12)
    negated = api.score({name: -array for name, array in perfect.items()}, val)
    assert negated.score == pytest.approx(-1, abs=1e-12)


def test_the_text_of_a_record_is_what_the_command_prints(val):
    said = api.text(api.score(running_sum, val, name="running-sum"))
    assert said.startswith(
        "running-sum on simulated data (no real EEG), split small, part val, feature mel\n"
    )
    assert "without the EEG " in said
    assert "95 % interval" in said
    assert "NOT ISOLATED" in said


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (
            lambda eeg: np.zeros((len(eeg), 10, 1920), np.float32),
            "mine: predict returned shape (8, 10, 1920), expected (8, 1920, 10) (n_segments, n_frames,"
            " n_bands).\n  Axes look swapped: return array.transpose(0, 2, 1).",
        ),
        (
            lambda eeg: np.zeros((len(eeg), 1920, 10)),
            "mine: predict returned float64 values, expected float32.\n  Return array.astype(np.float32).",
        ),
        (lambda eeg: None, "mine: predict returned None, expected a numpy array.\n  Is a return missing?"),
        (
            lambda eeg: np.full((len(eeg), 1920, 10), [[[np.nan]]] + [[[0]]] * (len(eeg) - 1), np.float32),
            "mine: sub-027_simulated_02_000: 19200 of 19200 predicted values are NaN or infinite, expected"
            " finite values.",
        ),
    ],
)
def test_an_answer_that_cannot_be_scored_is_named(val, answer, message):
    with pytest.raises(PredictorError) as error:
        api.score(lambda eeg, subjects: answer(eeg), val, name="mine", surrogates=0)
    assert str(error.value) == message


def test_a_functions_own_error_is_its_own(val):
    with pytest.raises(ZeroDivisionError):
        api.score(lambda eeg, subjects: 1 / 0, val)


def test_ids_that_were_not_asked_are_all_named(val):
    zeros = np.zeros((1920, 10), np.float32)
    with pytest.raises(PredictionsError) as error:
        api.score({"sub-027_simulated_02_00": zeros, 7: zeros}, val)
    assert str(error.value) == (
        "sub-027_simulated_02_00: a segment that was not asked, expected one of 8 ids such as"
        " sub-027_simulated_02_000.\n  Did you mean 'sub-027_simulated_02_001'?\n"
        "7: a segment that was not asked, expected one of 8 ids such as sub-027_simulated_02_000."
    )


def test_what_a_system_cannot_be_is_refused(val, train, tmp_path):
    with pytest.raises(UsageError, match=r"^system: an object of type ndarray, expected a submission's"):
        api.score(val.references(), val)
    with pytest.raises(UsageError) as error:
        api.score(running_sum, train)
    assert str(error.value) == "part train: what systems are trained on, expected one of val, test."
    with pytest.raises(UsageError, match="^name: 'other', expected none: a folder or file has its own"):
        api.score("linear", val, name="other")
    with pytest.raises(
        UsageError, match="^option: 'job', expected one of variant, .*\n  Did you mean 'jobs'"
    ):
        api.score("linear", val, job=2)
    with pytest.raises(UsageError, match="^option: 'jobs', expected one of surrogates"):
        api.score(running_sum, val, jobs=2)
    with pytest.raises(UsageError, match="^option: 'jobs'.\n  This system takes no options."):
        api.score({}, val, jobs=2)
    with pytest.raises(PredictionsError, match="^name: '../x', expected the name of a file"):
        api.score(running_sum, val, name="../x")


def test_a_function_is_not_asked_where_labels_are_held_back(held_back):
    with pytest.raises(UsageError) as error:
        api.score(lambda eeg, subjects: pytest.fail("it ran"), held_back)
    assert str(error.value) == (
        f"{held_back.task.corpus.folder}: part test: labels that are held back, and a function that would run"
        " beside them, expected a submission folder, which runs in a process of its own.\n  Begin one: harness"
        " new FOLDER"
    )
    record = api.score(held_back.by_id(np.zeros((1, 1920, 10), np.float32)), held_back)
    assert record.corpus.labels == "held back"


def test_records_are_written_where_they_are_asked_and_keep_each_others_place(val, tmp_path):
    results = tmp_path / "results"
    first = api.score(running_sum, val, name="mine", results=results)
    path = results / "simulated" / "small" / "val" / "mel" / "mine.json"
    assert settled(json.loads(path.read_bytes())) == settled(plain(first))
    other = val.by_id(np.zeros((8, 1920, 10), np.float32))
    with pytest.raises(RecordError, match="mine"):
        api.score(other, val, name="mine", results=results)
    api.score(other, val, name="mine", results=results, replace=True)
    assert json.loads(path.read_bytes())["score"] == 0


@pytest.mark.parametrize(
    "make", [list, lambda array: torch.zeros(1), lambda array: None], ids=["list", "torch", "None"]
)
def test_predictions_that_are_no_numpy_arrays_are_named_all_at_once(val, make, tmp_path):
    _, y = val.arrays()
    given = {name: make(array) for name, array in val.by_id(y).items()}
    for call in (
        lambda: api.score(given, val),
        lambda: api.save_predictions(tmp_path / "mine.npz", given, val),
    ):
        with pytest.raises(PredictionsError, match="expected a numpy array") as error:
            call()
        assert len(error.value.faults) == len(given)
    assert not (tmp_path / "mine.npz").exists()
