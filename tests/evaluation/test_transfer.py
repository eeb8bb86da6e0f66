"""Weights cross corpora, and channels are excluded: where that may be, and how record and board say it."""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from harness.boards.board import load_board, parse_board
from harness.boards.formats import board_text
from harness.boards.ranking import rank
from harness.errors import SplitError, SubmissionError, UsageError
from harness.evaluation.evaluate import evaluate
from harness.evaluation.prepare import prepare, runs_of
from harness.execution import Run
from harness.records.consistency import inconsistencies
from harness.records.document import parse_record, record_bytes
from harness.records.record import Transfer
from harness.records.store import record_path, write_record
from harness.records.text import record_text
from harness.records.verify import verify
from harness.submission.manifest import load_submission
from harness.tasks.task import open_task
from harness.training import train_submission

REPOSITORY = Path(__file__).parent.parent.parent
RATE = 32
TOML = """name = "{name}"
title = "For tests"
licence = "MIT"
citation = "none"
kind = "real"
sample_rate_hz = {rate}
default_split = "{name}.json"
[channels]
count = {count}
{names}
[eeg]
files = "eeg/{{subject}}_{{stimulus}}.npy"
[features.envelope]
title = "Envelope"
bands = 1
files = "features/{{stimulus}}_envelope.npy"
"""


def lab(folder, name, *, n_channels=4, rate=RATE, names=(), seed=0, split=None):
    """A corpus of six subjects and two stories of 40 s; the EEG is the envelope 100 ms ago, and noise."""
    rng = np.random.default_rng(seed)
    (folder / "eeg").mkdir(parents=True)
    (folder / "features").mkdir()
    gains = np.linspace(1, 2, n_channels)
    for story in ("tale", "saga"):
        envelope = np.convolve(rng.standard_normal(40 * rate), np.ones(4) / 4, "same")
        np.save(folder / "features" / f"{name}-{story}_envelope.npy", envelope[:, None].astype(np.float32))
        for number in range(1, 7):
            heard = np.roll(envelope, rate // 10)[:, None] * gains
            eeg = heard + 0.5 * rng.standard_normal((40 * rate, n_channels))
            np.save(folder / "eeg" / f"S{number}_{name}-{story}.npy", eeg.astype(np.float32))
    listed = f"names = {json.dumps(list(names))}" if names else ""
    (folder / "corpus.toml").write_text(TOML.format(name=name, rate=rate, count=n_channels, names=listed))
    document = {
        "name": name,
        "title": "For tests",
        "corpora": [name],
        "features": ["envelope"],
        "sample_rate_hz": rate,
        "segment_seconds": 5,
        "cut": "whole-recordings",
        "parts": {
            "train": {"subjects": ["S1", "S2"]},
            "val": {"subjects": ["S3", "S4"]},
            "test": {"subjects": ["S5", "S6"]},
        },
        **(split or {}),
    }
    (folder / f"{name}.json").write_text(json.dumps(document))
    return folder


@pytest.fixture
def linear(tmp_path):
    """The ridge, trained on the corpus ``home`` and on nothing else."""
    folder = tmp_path / "submissions" / "linear"
    source = REPOSITORY / "baselines" / "linear"
    shutil.copytree(source, folder, ignore=shutil.ignore_patterns("weights", "__pycache__"))
    manifest = (source / "submission.toml").read_text().split("[[weights]]")[0]
    (folder / "submission.toml").write_text(manifest)
    train(folder, lab(tmp_path / "home", "home", seed=1))
    return folder


def train(folder, data, **options):
    task = open_task(data, part="val", **options)
    return train_submission(load_submission(folder), task.corpus, task.split, task.feature)


def scored(folder, data, run=None, **options):
    return evaluate(load_submission(folder), open_task(data, **options), run or Run(weights_of="home"))


def refused(folder, data, weights_of, error=SubmissionError):
    with pytest.raises(error) as caught:
        prepare(load_submission(folder), open_task(data), Run(weights_of=weights_of))
    return str(caught.value)


def test_weights_of_another_corpus_score_and_record_and_board_say_transfer(linear, tmp_path):
    away = lab(tmp_path / "away", "away", seed=2)
    record = scored(linear, away)
    assert record.score > 0.5
    assert record.submission.transfer == Transfer(corpus="home", split="home")
    assert record.submission.title == "linear (transfer from home/home)"
    assert parse_record(record_bytes(record), "it") == record
    assert inconsistencies(record, "it") == []
    assert record_path(Path(), record).name == "linear.from-home.home.json"
    assert "\nTRANSFER: weights trained on the corpus home, split home" in record_text(record)
    # names are all that can be compared: S1 and S2 trained, S5 and S6 are asked, and the stories have others
    assert (record.overlap.subjects_seen, record.overlap.stimuli_seen) == (0, 0)
    train(linear, away)
    own = scored(linear, away, Run())
    assert own.submission.transfer is None
    for one in (record, own):
        write_record(tmp_path / "results", one)
    board = load_board(tmp_path / "results", parse_board("away/away/test/envelope"))
    assert {one.system for one in board.records} == {"linear", "linear (transfer from home/home)"}
    ranking = rank(board)
    for form in ("text", "md", "html"):
        assert "transfer from home/home" in board_text(ranking, form)
        assert "Transfer: weights that were trained on the corpus and split" in board_text(ranking, form)
    rows = json.loads(board_text(ranking, "json"))["rows"]
    assert {row.get("transfer") for row in rows} == {None, "home/home"}
    table = list(csv.DictReader(io.StringIO(board_text(ranking, "csv"))))
    assert {row["transfer"] for row in table} == {"", "home/home"}


@pytest.mark.slow
def test_a_transfer_is_verified_with_the_weights_that_it_names(linear, tmp_path):
    away = lab(tmp_path / "away", "away", seed=2)
    record = scored(linear, away)
    assert verify(record, scored(linear, away, Run(weights_of="home/home"))).reproduced
    train(linear, away)
    found = verify(record, scored(linear, away, Run()))
    assert not found.reproduced
    assert [one.what for one in found.differences if not one.result] == [
        "weights",
        "training",
        "board that the weights are of",
    ]


@pytest.mark.slow
def test_the_command_scores_a_transfer_and_verifies_its_record(linear, tmp_path, harness):
    away = lab(tmp_path / "away", "away", seed=2)
    code, text, _ = harness("score", linear, "--data", away, "--weights-of", "home")
    assert code == 0
    assert text.startswith("linear (transfer from home/home) on away, split away, part test")
    path = tmp_path / "results/away/away/test/envelope/linear.from-home.home.json"
    assert harness("verify", path, linear, "--data", away)[0] == 0
    assert harness("predict", linear, "--data", away, "--weights-of", "home", "--out", "p.npz")[0] == 0
    assert harness("check", linear, "--data", away, "--weights-of", "home")[0] == 0
    code, _, error = harness("score", "p.npz", "--data", away, "--weights-of", "home")
    assert code == 2
    assert "--weights-of is for submissions; SYSTEM is a predictions file." in error


def test_weights_of_another_corpus_are_told_no_subject(linear, tmp_path):
    away = lab(tmp_path / "away", "away", seed=2, split={"subject_ids": "told"})
    prepared = prepare(load_submission(linear), open_task(away), Run(weights_of="home"))
    assert prepared.task.split.told("S1") == "S1"
    assert prepared.told("S1") == "unknown"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {"n_channels": 3},
            "linear: --weights-of home: weights trained with 4 channels, expected 3, as the corpus away has.",
        ),
        (
            {"rate": 64},
            "linear: --weights-of home: weights trained with 32 Hz of EEG, expected 64, as the corpus away has."
            "\nlinear: --weights-of home: weights trained with 32 frames of envelope a second, expected 64, as"
            " the corpus away has.",
        ),
    ],
)
def test_weights_of_other_channels_or_another_rate_are_refused(linear, tmp_path, changes, said):
    assert refused(linear, lab(tmp_path / "away", "away", **changes), "home") == said


def test_channels_in_another_order_are_refused_where_both_have_names(linear, tmp_path):
    train(linear, lab(tmp_path / "named", "named", names=["Fz", "Cz", "Pz", "Oz"]))
    away = lab(tmp_path / "away", "away", names=["Cz", "Fz", "Pz", "Oz"])
    assert refused(linear, away, "named") == (
        "linear: --weights-of named: weights trained with other channels, or in another order (Fz for Cz, Cz for"
        " Fz), expected those of the corpus away, in its order."
    )
    assert prepare(load_submission(linear), open_task(away), Run(weights_of="home")).transfer is not None


def test_weights_that_are_not_there_are_refused_with_those_that_are(linear, tmp_path):
    away = lab(tmp_path / "away", "away")
    assert refused(linear, away, "hom") == (
        "linear: --weights-of hom: no weights of hom for the feature envelope and the variant default, expected"
        " weights that the manifest lists (there: home/home envelope default).\n  Did you mean 'home'?"
    )
    assert "no weights of home/other for the feature" in refused(linear, away, "home/other")
    assert refused(linear, tmp_path / "home", "home") == (
        "linear: --weights-of home: the weights of this very board, expected those of another.\n"
        "  Leave out --weights-of."
    )


def test_of_several_splits_the_corpus_alone_does_not_say_which(linear, tmp_path):
    document = json.loads((tmp_path / "home/home.json").read_text()) | {"name": "more"}
    (tmp_path / "home/more.json").write_text(json.dumps(document))
    train(linear, tmp_path / "home", split_name="more")
    away = lab(tmp_path / "away", "away")
    assert refused(linear, away, "home") == (
        "linear: --weights-of home: weights of several splits, expected one of home/home, home/more."
    )
    assert scored(linear, away, Run(weights_of="home/more")).submission.transfer.split == "more"
    # of one corpus, and of another split
    assert scored(linear, tmp_path / "home", Run(weights_of="home/more")).submission.transfer.corpus == "home"


@pytest.mark.parametrize(
    "change",
    [
        {"trained_on": None},
        {"weights_sha256": "0" * 64},
        {"trained_on": {"n_channels": 4, "sample_rate_hz": 50.0, "n_bands": 1, "channel_names": ["Cz"]}},
    ],
    ids=["silent", "of others", "names of one channel"],
)
def test_weights_whose_training_does_not_say_what_it_had_are_refused(linear, tmp_path, change):
    path = linear / "weights/home-home-envelope.json"
    path = path if path.exists() else next((linear / "weights").glob("*.json"))
    record = json.loads(path.read_text()) | change
    kept = {key: value for key, value in record.items() if value is not None}
    path.write_text(json.dumps(kept))
    assert refused(linear, lab(tmp_path / "away", "away"), "home") == (
        "linear: --weights-of home: no record of channels and rates of the corpus home, expected what the weights"
        " were trained on.\n  Train them again with this version: the record of training then says it."
    )


def test_a_submission_without_weights_has_none_of_another_corpus(make_submission, tmp_path):
    folder = make_submission("plain")
    assert "a submission without weights" in refused(folder, lab(tmp_path / "away", "away"), "home")


def test_excluded_channels_are_zero_and_record_and_board_say_so(linear, tmp_path):
    home = tmp_path / "home"
    whole = scored(linear, home, Run())
    record = scored(linear, home, Run(), exclude_channels=("4", "2"))
    assert record.submission.channels_excluded == ("2", "4")
    assert record.submission.title == "linear (without channels 2, 4)"
    assert record_path(Path(), record).name == "linear.without-2-4.json"
    assert parse_record(record_bytes(record), "it") == record
    assert "\nEXCLUDED: channels 2, 4, zero in all that it was given" in record_text(record)
    assert 0 < record.score < whole.score
    assert record.corpus.fingerprint == whole.corpus.fingerprint  # the data are the same
    for one in (record, whole):
        write_record(tmp_path / "results", one)
    board = load_board(tmp_path / "results", parse_board("home/home/test/envelope"))
    assert len(board.records) == 2
    assert board.left_out == ()
    ranking = rank(board)
    assert "Without channels: these are zero in all that the system was given." in board_text(ranking)
    assert {row.get("channels_excluded") for row in json.loads(board_text(ranking, "json"))["rows"]} == {
        None,
        "2 4",
    }


def test_an_excluded_channel_reaches_the_predictor_as_zeros_and_may_hold_anything(make_submission, tmp_path):
    home = lab(tmp_path / "home", "home")
    for path in (home / "eeg").glob("S5_*.npy"):
        eeg = np.load(path)
        eeg[:, 1] = np.nan
        np.save(path, eeg)
    body = "assert not eeg[:, :, 1].any() and eeg[:, :, 0].any()\nreturn np.cumsum(eeg, axis=1)[:, :, :1]"
    folder = make_submission("plain", body)
    record = evaluate(load_submission(folder), open_task(home, exclude_channels=("2",)), Run())
    assert record.submission.channels_excluded == ("2",)


def test_channels_are_named_as_the_corpus_names_them_or_by_number(linear, tmp_path):
    data = lab(tmp_path / "named", "named", names=["Fz", "Cz", "Pz", "Oz"])
    assert open_task(data, exclude_channels=("Oz", "1")).channels_excluded == ("Fz", "Oz")
    for given, said in (
        (
            ["cz", "9"],
            "--exclude-channels: no channel 'cz', expected channels of named, Fz to Oz or 1 to 4.\n"
            "  Did you mean 'Cz'?\n"
            "--exclude-channels: no channel '9', expected channels of named, Fz to Oz or 1 to 4.",
        ),
        (["1", "2", "3", "Oz"], "--exclude-channels: all 4 channels, expected one left, at least."),
    ):
        with pytest.raises(UsageError) as caught:
            open_task(data, exclude_channels=given)
        assert str(caught.value) == said


def test_a_split_excludes_channels_in_training_and_in_scoring(linear, tmp_path):
    data = lab(tmp_path / "own", "own", split={"exclude_channels": [3]})
    trained = train(linear, data)
    assert json.loads(trained.path.with_suffix(".json").read_text())["channels_excluded"] == ["3"]
    weights = load_submission(linear).weights("own", open_task(data).split, "envelope", "default")
    assert weights is not None
    record = scored(linear, data, Run())
    assert record.split.channels_excluded == ("3",)
    assert record.submission.channels_excluded == ()
    assert record.submission.title == "linear"
    assert not record.weights_notes
    assert "\nEXCLUDED by the split own: channel 3, zero in all that it was given" in record_text(record)
    write_record(tmp_path / "results", record)
    board = load_board(tmp_path / "results", parse_board("own/own/test/envelope"))
    assert "The split excludes channel 3: zero for every system." in board_text(rank(board))
    assert open_task(data, exclude_channels=("3", "1")).channels_excluded == ("1",)  # 3 is the split's own
    with pytest.raises(
        SplitError, match=r"split bad: exclude_channels: no channel '9', expected channels of bad"
    ):
        open_task(lab(tmp_path / "bad", "bad", split={"exclude_channels": [9]}))


def test_weights_that_are_given_channels_that_their_training_was_not_have_a_note(linear, tmp_path):
    train(linear, tmp_path / "home", exclude_channels=("1", "2"))
    home = tmp_path / "home"
    assert scored(linear, home, Run()).weights_notes == (
        "trained without channels 1, 2, which they are given here",
    )
    same = scored(linear, home, Run(), exclude_channels=("1", "2"))
    assert not same.weights_notes


@pytest.mark.slow
def test_the_command_excludes_channels_in_every_step(linear, tmp_path, harness):
    home = tmp_path / "home"
    excluded = ("--data", home, "--exclude-channels", "2,4")
    code, text, error = harness("train", linear, *excluded)
    assert code == 0
    note = "note: channels 2, 4 excluded by --exclude-channels: zero in all that a system is given"
    assert note in error
    assert harness("check", linear, *excluded)[0] == 0
    assert harness("predict", linear, *excluded, "--out", "p.npz")[0] == 0
    code, text, error = harness("score", linear, *excluded)
    assert code == 0
    assert note in error
    assert text.startswith("linear (without channels 2, 4) on home")
    path = tmp_path / "results/home/home/test/envelope/linear.without-2-4.json"
    assert harness("verify", path, linear, "--data", home)[0] == 0
    assert harness("score", linear, "--data", home, "--exclude-channels", "2,,4")[0] == 2
    code, _, error = harness("score", "p.npz", *excluded)
    assert code == 2
    assert "--exclude-channels: predictions, which were made already, expected a submission" in error


def test_weights_of_dtu_score_the_real_recording_of_another_language():
    folder = os.environ.get("HARNESS_TEST_REAL")
    if not folder:
        pytest.skip("HARNESS_TEST_REAL does not name a folder of real recordings")
    task = open_task(Path(folder) / "sparrkulee", part="val", feature="envelope", partial=True)
    submission = load_submission(REPOSITORY / "baselines" / "linear")
    (run,) = runs_of(submission, task, Run(weights_of="dtu", surrogates=0))
    record = evaluate(submission, task, run)
    assert (len(record.subjects), record.subjects["sub-027"].segments) == (1, 3)
    assert (record.overlap.subjects_seen, record.overlap.stimuli_seen) == (0, 0)
    assert record.score > 0.15
    assert not record.at_chance
