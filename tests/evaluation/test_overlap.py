"""Seen and unseen stimuli apart: what the records of training say, and what a board ranks by."""

import hashlib
import json

import numpy as np
import pytest
from documents import controls_document
from own_corpus import SUBJECTS, make_own_corpus, own_split

from harness.boards.board import BoardName, load_board
from harness.boards.cells import board_title
from harness.boards.formats import board_text
from harness.boards.ranking import rank
from harness.evaluation.evaluate import evaluate
from harness.execution import Run
from harness.records.consistency import inconsistencies
from harness.records.document import plain
from harness.records.text import record_text
from harness.scoring.intervals import mean_interval
from harness.scoring.score import score_on
from harness.submission.manifest import load_submission
from harness.tasks.task import open_task

BOARD = BoardName("simulated", "held-out-subjects", "test", "mel")


@pytest.fixture
def scored(make_submission, tmp_path):
    """The record of a system whose training record names stimuli; it returns the first channel."""
    folder = make_own_corpus(tmp_path / "lab", n_channels=4)
    parts = {"train": {"subjects": ["P01"]}, "test": {"subjects": list(SUBJECTS[6:])}}
    split = own_split(tmp_path / "lab-split.json", parts=parts)
    task = open_task(folder, split_name=split.folder / "lab-split.json", feature="envelope")

    def make(stimuli, of=b"weights"):
        package = make_submission(predict="return eeg[:, :, :1]", features=["envelope"])
        (package / "weights.bin").write_bytes(b"weights")
        entry = {
            "corpus": "my-lab",
            "split": "lab-split",
            "feature": "envelope",
            "file": "weights.bin",
            "sha256": hashlib.sha256(b"weights").hexdigest(),
            "training": "training.json",
        }
        seen = {"weights_sha256": hashlib.sha256(of).hexdigest(), "subjects": ["P01"], "stimuli": stimuli}
        (package / "training.json").write_text(json.dumps(seen))
        lines = [f"{key} = {json.dumps(value)}" for key, value in entry.items()]
        manifest = package / "submission.toml"
        manifest.write_text("\n".join([manifest.read_text(), "[[weights]]", *lines, ""]))
        return evaluate(load_submission(package), task, Run(surrogates=0))

    return make


def test_seen_and_unseen_stimuli_are_scored_apart(scored):
    record = scored(["story-a", "another"])
    seen, unseen = record.stimuli.seen, record.stimuli.unseen
    assert (seen.segments, unseen.segments) == (24, 24)
    assert list(seen.subjects) == list(unseen.subjects) == list(SUBJECTS[6:])
    assert (seen.value + unseen.value) / 2 == pytest.approx(record.score)
    assert abs(seen.value - unseen.value) > 1e-4
    assert inconsistencies(record, "r.json") == []
    text = record_text(record)
    assert f"\nmean r on seen stimuli {seen.value:.4f}, 95 % interval " in text
    assert f"\nmean r on unseen stimuli {unseen.value:.4f}, 95 % interval " in text
    assert "(24 segments of 6 subjects)" in text


@pytest.mark.parametrize(
    ("stimuli", "of", "overlap"),
    [
        (["story-a", "story-b"], b"weights", {"stimuli_seen": 2}),
        (["another"], b"weights", {"stimuli_seen": 0}),
        ([], b"weights", None),
        (["story-a"], b"other weights", None),
    ],
)
def test_one_group_alone_and_what_nobody_knows_are_not_told_apart(scored, stimuli, of, overlap):
    record = scored(stimuli, of)
    assert "stimuli" not in plain(record)
    said = {"subjects_seen": 0, "subjects": 6, "stimuli": 2, **overlap} if overlap else None
    assert plain(record)["overlap"] == said


def test_a_subject_without_such_segments_does_not_count():
    values = {"a": np.array([0.1, 0.3]), "b": np.array([0.9])}
    chosen = {"a": np.array([True, True]), "b": np.array([False])}
    assert score_on(values, chosen) == (pytest.approx(0.2), {"a": pytest.approx(0.2)}, 2)
    assert score_on(values, {"a": np.array([False, False]), "b": np.array([False])}) is None


def groups(scores, gain, segments=(16, 32)):
    """Seen stimuli so much better than unseen ones, which are twice as many; their mean is the score."""
    found = {}
    for name, shift, number in zip(("seen", "unseen"), (2 * gain / 3, -gain / 3), segments, strict=True):
        values = {f"sub-{86 + i:03d}": float(score + shift) for i, score in enumerate(scores)}
        found[name] = {
            "value": sum(values.values()) / len(values),
            "ci95": list(mean_interval(list(values.values()))),
            "subjects": values,
            "segments": number,
        }
    return found


def test_a_board_ranks_by_unseen_stimuli_where_all_have_them(make_record, rng, tmp_path):
    base = rng.normal(0.1, 0.005, 12)
    make_record("memory", base + 0.05, stimuli=groups(base + 0.05, 0.3))
    make_record("decoder", base, stimuli=groups(base, 0.0))
    board = load_board(tmp_path / "results", BOARD)
    assert board.left_out == ()
    assert board.by_unseen
    ranking = rank(board)
    assert [row.system for row in ranking.rows] == ["decoder", "memory"]
    assert [row.score.value for row in ranking.rows] == sorted(row.score.value for row in ranking.rows)
    assert [tuple(row.rank) for row in ranking.rows] == [(1, 1, 1), (2, 2, 2)]
    text = board_text(ranking)
    assert text.splitlines()[0].endswith("feature mel, ranked on unseen stimuli: 2 systems, 12 subjects")
    assert "on unseen    on seen" in text


def test_a_board_where_one_does_not_say_it_ranks_by_all(make_record, rng, tmp_path):
    base = rng.normal(0.1, 0.005, 12)
    make_record("decoder", base, stimuli=groups(base, 0.0))
    make_record("unknown", base + 0.05, controls=controls_document(base + 0.05, base * 0))
    board = load_board(tmp_path / "results", BOARD)
    assert not board.by_unseen
    assert board_title(board).endswith("feature mel: 2 systems, 12 subjects")
    assert "on unseen" in board_text(rank(board))
