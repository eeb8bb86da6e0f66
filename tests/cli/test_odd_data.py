"""Controls on data that leave them little to work with, by the command: each has a clear outcome."""

import json
import re

import numpy as np
import pytest
from own_corpus import SUBJECTS, make_own_corpus, own_split

N_CHANNELS = 4
HONEST = (
    f"pattern = np.random.default_rng(20260202).standard_normal({N_CHANNELS})\n"
    "return np.roll(eeg @ pattern, -10, axis=1)[:, :, None].astype(np.float32)"
)


@pytest.fixture
def score(tmp_path, make_submission, harness):
    """Score a package on a laboratory's corpus; gives exit code, record, console, remarks."""
    folder = make_own_corpus(tmp_path / "lab", n_channels=N_CHANNELS)

    def run(
        *options, predict=HONEST, subjects=SUBJECTS[4:], command="score", prepare=None, seconds=5, **split
    ):
        if prepare:
            prepare(folder)
        parts = {"train": {"subjects": ["P01"]}, "test": {"subjects": list(subjects)}}
        path = own_split(tmp_path / "lab-split.json", parts=parts, segment_seconds=seconds, **split).folder
        package = make_submission(predict=predict, features=["envelope"])
        asked = ("--data", folder, "--split", path / "lab-split.json", "--feature", "envelope")
        code, text, error = harness(command, package, *asked, *options)
        file = tmp_path / "results/my-lab/lab-split/test/envelope/tiny.json"
        return code, json.loads(file.read_text()) if file.exists() else None, text, error

    return run


def remove(pattern):
    return lambda folder: [file.unlink() for file in folder.glob(pattern)]


def test_one_segment_alone(score):
    code, record, text, _ = score(subjects=SUBJECTS[4:5], seconds=20, prepare=remove("*/*story-b*"))
    assert (code, record["controls"]["blind"]["segments"]) == (0, 1)
    assert record["controls"]["no_evidence_of_using_eeg"] is None
    assert record["chance"]["mismatched_segments"] is None
    assert ", too few subjects for a test\n" in text


def test_one_stimulus_only(score):
    code, record, text, _ = score(seconds=20, prepare=remove("*/*story-b*"))
    assert (code, record["chance"]["mismatched_segments"], record["controls"]["scores_without_eeg"]) == (
        0, None, False,
    )  # fmt: skip
    assert record["controls"]["blind"]["difference"]["p"] == 1 / 256
    assert "circular shifts): " not in text


def test_a_subject_with_a_single_segment_beside_others(score):
    code, record, text, _ = score(seconds=20, prepare=remove("eeg/P05_story-b.npy"))
    assert (code, record["subjects"]["P05"]["segments"], record["controls"]["blind"]["segments"]) == (
        0,
        1,
        15,
    )
    assert record["chance"]["mismatched_segments"] is None  # it has no other segment
    assert record["controls"]["scores_without_eeg"] is False
    assert record["controls"]["no_evidence_of_using_eeg"] is False
    assert "(15 surrogates)" in text


def test_segments_too_short_to_randomise(score):
    code, record, text, error = score(seconds=0.2, subjects=SUBJECTS[10:])
    assert (code, "controls" in record) == (0, False)
    assert "without the EEG: not measured" in text.splitlines()
    said = "segments of 20 samples are too short to be randomised, 32 are needed"
    assert f"no blind control: {said}" in error


@pytest.mark.slow
def test_check_says_why_there_are_no_surrogates(score):
    code, _, text, _ = score(command="check", seconds=0.2, subjects=SUBJECTS[10:])
    assert code == 0
    said = "segments of 20 samples are too short to be randomised, 32 are needed"
    assert f"looked at: no surrogates: {said}" in text.splitlines()


def test_a_constant_channel_and_a_dead_recording(score):
    def flatten(folder):
        for file in folder.glob("eeg/*.npy"):
            eeg = np.load(file)
            eeg[:, 3] = 1.5
            np.save(file, 0 * eeg if file.name == "P05_story-a.npy" else eeg)

    code, record, text, _ = score(prepare=flatten)
    assert (code, record["controls"]["scores_without_eeg"]) == (0, False)
    assert record["flags"]["segments_constant"] == 4  # a dead recording decodes to a constant
    assert "4 segments with a constant prediction count 0" in text


def test_a_predictor_that_fails_on_surrogates_only(score):
    body = (  # the corpus is stored as float16, and surrogates are not
        "if (np.abs(eeg) != np.abs(eeg).astype(np.float16)).any():\n    raise ValueError('no EEG')\n" + HONEST
    )
    code, record, _, error = score(predict=body)
    assert (code, record) == (1, None)
    assert "ValueError: no EEG" in error
    assert (
        "tiny, blind control: it fails on surrogates only: all 64 segments are answered without them, expected"
        " an answer to any finite EEG.\n  Or score without controls (--no-controls)."
    ) in error


@pytest.mark.slow
def test_a_system_too_slow_for_its_surrogates_is_told_of_the_sample(score):
    code, record, _, error = score("--time-limit", "2", "--jobs", "1", predict="time.sleep(60)")
    assert (code, record) == (1, None)
    assert "Ask for fewer surrogates with --surrogates, or score without controls (--no-controls)." in error


def test_a_sample_of_one_surrogate_a_subject(score):
    code, record, text, _ = score("--surrogates", "1")
    assert (code, record["controls"]["blind"]["segments"], record["controls"]["blind"]["sampled"]) == (
        0,
        8,
        True,
    )
    assert re.search(r"without the EEG -?0\.\d{4}, .* \(8 surrogates, a sample\)", text)
