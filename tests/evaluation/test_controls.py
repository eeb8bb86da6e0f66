"""The blind control from a submission to its record: who is flagged, who is not, and what it leaves alone."""

import json
import shutil
import zlib
from dataclasses import replace

import numpy as np
import pytest
from own_corpus import SUBJECTS, make_own_corpus, own_split

from harness.errors import PredictorError
from harness.evaluation.check import check_submission
from harness.evaluation.controls import asked_of
from harness.evaluation.evaluate import evaluate
from harness.execution import Run
from harness.records.consistency import inconsistencies
from harness.records.document import parse_record, plain, record_bytes
from harness.records.record import VOLATILE
from harness.records.text import record_text
from harness.submission.manifest import load_submission
from harness.tasks.task import open_task

N_CHANNELS = 4
# The corpus's EEG is its envelope, 100 ms late, in this pattern of channels, and noise.
HONEST = (
    f"pattern = np.random.default_rng(20260202).standard_normal({N_CHANNELS})\n"
    "return np.roll(eeg @ pattern, -10, axis=1)[:, :, None].astype(np.float32)"
)
# The memory of a training: the envelope of the first story. It comes back whatever the EEG is.
MEMORY = "return np.stack([np.load(os.path.dirname(__file__) + '/memory.npy')[:eeg.shape[1]]] * len(eeg))"
# A look-up of real EEG, by its bytes.
KNOWN = (
    "import zlib\n"
    "known = np.load(os.path.dirname(__file__) + '/known.npy')\n"
    "real = [zlib.crc32(one.tobytes()) in known for one in eeg]\n"
)


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """Twelve subjects, two stories of 20 s, four channels."""
    return make_own_corpus(tmp_path_factory.mktemp("lab"), n_channels=N_CHANNELS)


@pytest.fixture
def ask(lab, tmp_path):
    """Open the task of some subjects, ids told or hidden, in segments of some seconds."""

    def make(subjects=SUBJECTS[4:], segment_seconds=5, **changes):
        parts = {"train": {"subjects": list(SUBJECTS[:2])}, "test": {"subjects": list(subjects)}}
        split = own_split(
            tmp_path / "lab-split.json", parts=parts, segment_seconds=segment_seconds, **changes
        )
        return open_task(lab, split_name=split.folder / "lab-split.json", feature="envelope")

    return make


@pytest.fixture
def submitted(make_submission, tmp_path):
    """Write a submission, in place of the one before; arrays lie beside its code."""

    def make(predict, **arrays):
        shutil.rmtree(tmp_path / "submissions", ignore_errors=True)
        folder = make_submission("planted", predict=predict, features=["envelope"])
        for name, array in arrays.items():
            np.save(folder / f"{name}.npy", array)
        return load_submission(folder)

    return make


def memory(lab, story="story-a"):
    return np.load(lab / "features" / f"{story}_envelope.npy")


def lasting(record):
    return {key: value for key, value in plain(record).items() if key not in (*VOLATILE, "controls")}


def test_a_decoder_of_the_eeg_is_not_flagged(submitted, ask):
    record = evaluate(submitted(HONEST), ask(), Run())
    blind = record.controls.blind
    assert record.score > 0.4
    assert abs(blind.value) < 0.1
    assert (blind.segments, blind.sampled, blind.difference.p) == (64, False, 1 / 256)
    assert record.controls.flags == ()
    assert inconsistencies(record, "r.json") == []


def test_a_memory_of_the_stimulus_that_ignores_the_eeg_is_flagged(submitted, ask, lab, tmp_path):
    make_own_corpus(tmp_path / "one", n_channels=N_CHANNELS)
    for file in (tmp_path / "one").glob("*/*story-b*"):
        file.unlink()
    split = own_split(
        tmp_path / "one-stimulus.json",
        parts={"train": {"subjects": ["P01"]}, "test": {"subjects": list(SUBJECTS[4:])}},
        segment_seconds=20,
    )
    task = open_task(tmp_path / "one", split_name=split.folder / "one-stimulus.json", feature="envelope")
    record = evaluate(submitted(MEMORY, memory=memory(lab)), task, Run())
    assert record.score == pytest.approx(1.0)
    assert record.controls.blind.value == pytest.approx(1.0)
    assert record.controls.blind.chance.mismatched_segments is None
    assert record.controls.flags == ("scores without the EEG", "no evidence of using the EEG")
    text = record_text(record)
    assert "\nwithout the EEG 1.0000, 95 % interval 1.0000 to 1.0000 (8 surrogates), chance -" in text
    assert "\nwith the EEG less without +0.0000, 95 % interval +0.0000 to +0.0000, p = 1 (one-" in text
    assert "\nSCORES WITHOUT THE EEG: 1.0000 on surrogates that hold nothing of what was heard" in text
    assert "\nNO EVIDENCE OF USING THE EEG: the score is not above that on surrogates" in text


def test_a_memory_that_must_guess_which_segment_is_asked_uses_no_eeg_and_is_flagged(submitted, ask, lab):
    record = evaluate(submitted(MEMORY, memory=memory(lab)), ask(), Run())
    assert record.controls.flags == ("scores without the EEG", "no evidence of using the EEG")
    assert record.controls.blind.difference.value == 0.0


@pytest.mark.slow
def test_the_control_changes_no_other_number(submitted, ask):
    for subject_ids in ("told", "hidden"):
        task = ask(subject_ids=subject_ids)
        # As the last digits of a net, the predictions depend on how many segments there are in a batch.
        body = HONEST.replace("-10", "-5 - len(eeg)")
        with_control, without = (
            evaluate(submitted(body), task, Run(surrogates=number)) for number in (None, 0)
        )
        assert with_control.controls.blind.segments == 64
        assert "controls" not in plain(without)
        assert lasting(with_control) == lasting(without)
        assert "without the EEG: not measured" in record_text(without).splitlines()


def test_a_record_made_again_has_the_same_control(submitted, ask):
    task, submission = ask(), submitted(HONEST)
    first, again = (evaluate(submission, task, Run(jobs=jobs)) for jobs in (1, 2))
    assert first.controls == again.controls
    assert first.run.order_seed != again.run.order_seed


def test_a_sample_is_of_every_subject_and_is_said_to_be_one(submitted, ask):
    whole = evaluate(submitted(HONEST), ask(), Run())
    record = evaluate(submitted(HONEST), ask(), Run(surrogates=2))
    assert (record.controls.blind.segments, record.controls.blind.sampled) == (16, True)
    assert "(16 surrogates, a sample)" in record_text(record)
    assert lasting(record) == lasting(whole)
    assert record.controls.flags == ()
    assert inconsistencies(record, "r.json") == []


def test_real_segments_and_surrogates_come_mixed_in_one_run(submitted, ask, lab, tmp_path):
    task = ask(subject_ids="told")
    # What came is told by the predictions: which subject, and how many real ones and others in the call.
    known = np.array([zlib.crc32(np.ascontiguousarray(segment.eeg()).tobytes()) for segment in task.segments])
    body = KNOWN + (
        "subject = int(subjects[0][1:])\n"
        "answer = np.zeros((len(eeg), eeg.shape[1], 1), np.float32)\n"
        "answer[:, 0], answer[:, 1], answer[:, 2] = subject, sum(real), len(real)\n"
        "answer[:, 3, 0] = real\n"
        "return answer"
    )
    answers = {}
    evaluate(
        submitted(body, known=known),
        task,
        Run(),
        lambda run: answers.update({name: made[:4, 0].tolist() for name, made in run.predictions.items()}),
    )
    assert len(answers) == 64
    assert all(int(name[1:3]) == answer[0] for name, answer in answers.items())
    assert all(answer[3] == 1 for answer in answers.values())
    assert any(0 < answer[1] < answer[2] for answer in answers.values())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("answer", "first"),
    [
        ("if not all(real):\n    raise ValueError('never seen')\n" + HONEST, "ValueError: never seen"),
        (
            HONEST.replace("return ", "made = ") + "\nmade[~np.array(real)] = np.nan\nreturn made",
            "segment surrogate of P",
        ),
    ],
)
def test_a_predictor_that_fails_on_surrogates_only_is_named_so(submitted, ask, answer, first):
    task = ask()
    known = np.array([zlib.crc32(np.ascontiguousarray(segment.eeg()).tobytes()) for segment in task.segments])
    submission = submitted(KNOWN + answer, known=known)
    with pytest.raises(PredictorError) as caught:
        evaluate(submission, task, Run())
    assert first in str(caught.value)
    assert str(caught.value).endswith(
        "planted, blind control: it fails on surrogates only: all 64 segments are answered without them,"
        " expected an answer to any finite EEG.\n  Or score without controls (--no-controls)."
    )
    assert evaluate(submission, task, Run(surrogates=0)).score > 0.4


def test_a_predictor_that_fails_on_everything_is_not_said_to_fail_on_surrogates(submitted, ask):
    with pytest.raises(PredictorError) as caught:
        evaluate(submitted("raise ValueError('broken')"), ask(), Run())
    assert "surrogates only" not in str(caught.value)


@pytest.mark.slow
def test_a_system_too_slow_for_surrogates_is_told_what_to_do(submitted, ask):
    with pytest.raises(PredictorError) as caught:
        evaluate(submitted("time.sleep(60)"), ask(), Run(seconds=2, jobs=1))
    assert "ran past the time limit of 2 s" in str(caught.value)
    assert str(caught.value).endswith(
        "planted, blind control: 64 segments and 64 surrogates were asked, expected all within the time"
        " limit.\n  Ask for fewer surrogates with --surrogates, or score without controls (--no-controls)."
    )


def test_segments_too_short_for_a_surrogate_are_scored_without(submitted, ask):
    task = ask(SUBJECTS[10:], segment_seconds=0.2)
    assert task.sizes.segment_samples == 20
    assert asked_of(task, Run()).blind == ()
    assert "controls" not in plain(evaluate(submitted(HONEST), task, Run()))


def test_one_subject_with_one_segment_has_a_control_that_cannot_tell(submitted, ask, lab):
    task = ask(SUBJECTS[4:5], segment_seconds=20)
    task = replace(task, segments=task.segments[:1])
    record = evaluate(submitted(HONEST), task, Run())
    blind = record.controls.blind
    assert (blind.segments, blind.ci95, blind.difference.ci95, blind.difference.p) == (1, None, None, None)
    assert record.controls.no_evidence_of_using_eeg is None
    assert record.controls.scores_without_eeg is False
    assert "too few subjects for a test" in record_text(record)


def test_a_constant_channel_is_no_trouble(submitted, ask, tmp_path):
    folder = make_own_corpus(tmp_path / "flat", n_channels=N_CHANNELS)
    for file in folder.glob("eeg/*.npy"):
        eeg = np.load(file)
        eeg[:, 3] = 1.5
        np.save(file, eeg)
    ask()
    task = open_task(folder, split_name=tmp_path / "lab-split.json", feature="envelope")
    record = evaluate(submitted("assert (eeg[:, :, 3] == 1.5).all()\n" + HONEST), task, Run())
    assert record.controls.flags == ()


def test_a_corpus_may_name_its_own_surrogates(submitted, ask, lab, tmp_path):
    folder = make_own_corpus(tmp_path / "power", n_channels=N_CHANNELS)
    toml = folder / "corpus.toml"
    toml.write_text('surrogates = "times"\n' + toml.read_text())
    ask()
    task = open_task(folder, split_name=tmp_path / "lab-split.json", feature="envelope")
    asked = asked_of(task, Run())
    assert (asked.surrogates, len(asked.blind)) == ("times", 64)
    assert asked_of(ask(), Run()).surrogates == "phases"


def test_check_runs_a_small_version(submitted, ask, lab):
    task = ask()
    _, honest = check_submission(submitted(HONEST).folder, lambda: task, Run())
    assert honest[-1] == "dry run on 4 surrogates, EEG without what was heard: other predictions"
    _, memorised = check_submission(submitted(MEMORY, memory=memory(lab)).folder, lambda: task, Run())
    assert memorised[-1] == (
        "dry run on 4 surrogates, EEG without what was heard: THE SAME PREDICTIONS, the EEG is not used"
    )


@pytest.mark.slow
def test_score_without_controls_says_so_and_keeps_what_was_measured(harness, submitted, ask, lab, tmp_path):
    ask()
    options = ("--data", lab, "--split", tmp_path / "lab-split.json", "--feature", "envelope")
    folder = submitted(HONEST).folder
    code, out, _ = harness("score", folder, *options, "--no-controls")
    assert (code, "without the EEG: not measured\n" in out) == (0, True)
    (path,) = (tmp_path / "results").rglob("*.json")
    assert "controls" not in json.loads(path.read_text())
    code, out, err = harness("score", folder, *options)
    assert (code, "(64 surrogates), chance" in out, "record written to" in err) == (0, True, True)
    measured = path.read_bytes()
    code, _, err = harness("score", folder, *options, "--no-controls")
    assert (code, "record unchanged in" in err, path.read_bytes() == measured) == (0, True, True)
    code, _, err = harness("score", folder, *options, "--surrogates", 3, "--no-controls")
    assert (code, err.splitlines()[-1]) == (
        2,
        "Error: --surrogates and --no-controls are both given: choose one.",
    )


def test_a_record_with_controls_is_written_and_read_to_the_byte(submitted, ask):
    record = evaluate(submitted(HONEST), ask(), Run())
    assert record_bytes(parse_record(record_bytes(record), "r.json")) == record_bytes(record)
