"""Training: what is refused, and what an interrupted training leaves behind."""

import contextlib
import json
import threading

import numpy as np
import pytest
from safetensors.numpy import load

import harness.submission.manifest as manifest_module
from harness.corpus import open_corpus
from harness.errors import CorpusError, Fault, SplitError, SubmissionError, TrainingError
from harness.submission.manifest import load_submission, weights_faults
from harness.tasks.segments import cut_segments
from harness.tasks.splits import load_split
from harness.training import train_submission
from harness.training.training_data import TrainingData
from harness.training.write_weights import weights_bytes, write_weights


def _with_trainer(folder, body):
    (folder / "train.py").write_text(f"import numpy as np\n\ndef train(data, setup, progress):\n    {body}\n")
    return load_submission(folder)


def test_submission_without_a_trainer(make_submission, corpus, small_split):
    with pytest.raises(TrainingError, match="a manifest without the key 'trainer'"):
        train_submission(load_submission(make_submission()), corpus, load_split(small_split), "mel")


def test_trainer_that_does_not_import(make_submission, corpus, small_split):
    folder = make_submission(trainer="train:train")
    (folder / "train.py").write_text("import no_such_package\n")
    with pytest.raises(SubmissionError, match="cannot be imported .No module named 'no_such_package'"):
        train_submission(load_submission(folder), corpus, load_split(small_split), "mel")


def test_interrupted_training_leaves_the_submission_as_it_was(make_submission, corpus, small_split):
    submission = _with_trainer(make_submission(trainer="train:train"), "raise KeyboardInterrupt")
    (submission.folder / "train.py").touch()
    before = {path: path.read_bytes() for path in submission.folder.rglob("*.t*")}
    with pytest.raises(KeyboardInterrupt):
        train_submission(submission, corpus, load_split(small_split), "mel")
    assert {path: path.read_bytes() for path in submission.folder.rglob("*.t*")} == before
    assert not (submission.folder / "weights").exists()


def test_a_split_that_is_scored_with_the_weights_of_another_is_not_trained_on(
    make_submission, corpus, small_split
):
    document = json.loads(small_split.read_text()) | {"training_split": "held-out-subjects"}
    small_split.write_text(json.dumps(document))
    submission = _with_trainer(make_submission(trainer="train:train"), 'return {"w": np.ones(2)}, {}')
    with pytest.raises(SplitError, match="held-out-subjects.*weights of that split") as caught:
        train_submission(submission, corpus, load_split(small_split), "mel")
    assert "Train with --split held-out-subjects" in str(caught.value)
    assert not (submission.folder / "weights").exists()


def test_weights_that_are_not_finite_are_refused(make_submission, corpus, small_split):
    submission = _with_trainer(
        make_submission(trainer="train:train"), 'return {"w": np.array([1, np.nan])}, {}'
    )
    with pytest.raises(TrainingError, match="tiny: weights w: numbers that are not finite"):
        train_submission(submission, corpus, load_split(small_split), "mel")
    assert not (submission.folder / "weights").exists()


def test_training_without_labels(make_submission, official_split, small_split, tmp_path):
    import shutil

    source = official_split / "derivatives" / "preprocessed_eeg"
    shutil.copytree(source, tmp_path / "bare" / "preprocessed_eeg")
    submission = _with_trainer(make_submission(trainer="train:train"), "return {}, {}")
    with pytest.raises(
        TrainingError, match="training part: 2 recordings without mel .*, expected labels of the"
    ):
        train_submission(submission, open_corpus(tmp_path / "bare"), load_split(small_split), "mel")


def test_training_needs_every_subject_of_its_parts(make_submission, corpus):
    submission = _with_trainer(make_submission(trainer="train:train"), "return {}, {}")
    with pytest.raises(CorpusError, match="subjects are not in the corpus"):
        train_submission(submission, corpus, load_split("held-out-subjects"), "mel")


def test_validation_score_is_the_scorers(corpus, small_split):
    split = load_split(small_split)
    data = TrainingData(corpus, split, "mel", cut_segments(corpus, split, "val"))
    references = {s.eeg().tobytes(): s.feature("mel") for s in data.validation}

    def oracle(eeg, subjects):
        assert subjects == ["unknown"] * len(eeg)  # the split tests on subjects that no training met
        import numpy as np

        return np.stack([references[row.tobytes()] for row in eeg])

    assert data.validate(oracle) == pytest.approx(1, abs=1e-12)
    assert data.validate(lambda eeg, subjects: -oracle(eeg, subjects)) == pytest.approx(-1, abs=1e-12)


def test_weights_without_metadata_are_as_safetensors_writes_them(make_submission, corpus, small_split):
    """An empty table of metadata would change the hash of every such file."""
    import numpy as np
    from safetensors.numpy import save

    submission = _with_trainer(make_submission(trainer="train:train"), 'return {"w": np.ones(3)}, {}')
    trained = train_submission(submission, corpus, load_split(small_split), "mel")
    assert trained.path.read_bytes() == save({"w": np.ones(3)})


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("raise ValueError('my own fault')", "raised ValueError: my own fault (train.py, line 4)"),
        ("import sys; sys.exit(0)", "called exit(0), expected a return"),
        ("return None", "returned NoneType, expected (weights: name -> numpy array, report: dict)"),
        ("return [], {}", "returned tuple, expected (weights"),
    ],
)
def test_faulty_trainer_is_named_and_changes_nothing(make_submission, corpus, small_split, body, message):
    submission = _with_trainer(make_submission(trainer="train:train"), body)
    with pytest.raises(TrainingError) as caught:
        train_submission(submission, corpus, load_split(small_split), "mel")
    assert str(caught.value).startswith("tiny: trainer 'train:train': ")
    assert message in str(caught.value)
    assert not (submission.folder / "weights").exists()


def test_trainer_that_exits_on_import(make_submission, corpus, small_split):
    folder = make_submission(trainer="train:train")
    (folder / "train.py").write_text("import sys\nsys.exit(0)\n")
    with pytest.raises(SubmissionError, match="cannot be imported"):
        train_submission(load_submission(folder), corpus, load_split(small_split), "mel")


def test_manifest_that_cannot_be_written_keeps_the_old_weights(
    make_submission, corpus, small_split, monkeypatch
):
    submission = _with_trainer(make_submission(trainer="train:train"), 'return {"w": np.zeros(3)}, {}')
    first = train_submission(submission, corpus, load_split(small_split), "mel")
    before = first.path.read_bytes()
    (submission.folder / "train.py").write_text(
        "import numpy as np\ndef train(data, setup, progress):\n    return {'w': np.ones(3)}, {}\n"
    )

    def refused(*_):
        raise SubmissionError(Fault("submission.toml", "Permission denied"))

    monkeypatch.setattr("harness.training.write_weights.register_weights", refused)
    with pytest.raises(SubmissionError, match="Permission denied"):
        train_submission(load_submission(submission.folder), corpus, load_split(small_split), "mel")
    assert first.path.read_bytes() == before


@pytest.mark.parametrize("metadata", [{}, {"net": "Net"}])
def test_a_single_number_keeps_its_shape(metadata):
    content = weights_bytes({"norm.num_batches_tracked": np.array(3), "kernel": np.ones((2, 3)).T}, metadata)
    arrays = load(content)
    assert (arrays["norm.num_batches_tracked"].shape, arrays["kernel"].shape) == ((), (3, 2))


def test_weights_of_two_trainings_that_end_at_once_are_both_named(
    make_submission, corpus, small_split, monkeypatch
):
    submission = load_submission(make_submission(trainer="predictor:train"))
    both = threading.Barrier(2)
    write = manifest_module.write_atomically

    def writes_with_the_other(path, data):  # by now it has read the manifest
        with contextlib.suppress(threading.BrokenBarrierError):
            both.wait(timeout=0.5)  # who has the folder for itself waits in vain
        write(path, data)

    monkeypatch.setattr(manifest_module, "write_atomically", writes_with_the_other)
    split = load_split(small_split)
    weights = {"a": np.zeros(2, np.float32)}

    def end(feature):
        write_weights(submission, "sparrkulee", split, feature, "default", (weights, {}), {})

    threads = [threading.Thread(target=end, args=(feature,)) for feature in ("mel", "envelope")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    written = load_submission(submission.folder)
    assert {entry["feature"] for entry in written.manifest["weights"]} == {"mel", "envelope"}
    assert weights_faults(written) == []
