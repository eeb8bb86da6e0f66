"""What a comparison says, whole and in every format: of two systems, and of one against its board."""

import csv
import dataclasses
import html
import io
import json

import pytest
from documents import controls_document, with_measures

from harness.boards.board import BoardName, BoardRecord, load_board
from harness.boards.compare import compare, sentence
from harness.boards.compared import (
    against_board_text,
    check_form,
    comparison_rows,
    comparison_text,
    comparison_values,
)
from harness.boards.trainings import pooled
from harness.boards.ranking import rank
from harness.boards.sentences import row_sentence
from harness.records.document import parse_record, record_bytes

BOARD = BoardName("simulated", "held-out-subjects", "test", "mel")
NAMES = ("cosine", "cosine_gain", "song_accuracy_reconstructed", "pearson_r")
SUBJECTS = [f"sub-{86 + i:03d}" for i in range(6)]
R = ([0.5, 0.4, 0.6, 0.5, 0.7, 0.6], [0.4, 0.2, 0.5, 0.2, 0.5, 0.3])


def trained(*seeds):
    return [{"submission": {"training": {"seed": seed, "recipe_sha256": "a" * 64}}} for seed in seeds]


@pytest.fixture
def make_one(make_record):
    """A record with scores by the measures that are given, as a board reads it."""

    def make(name, r, measures=None, names=NAMES, **changes):
        path = make_record(name, r, **changes)
        if measures:
            document = with_measures(json.loads(path.read_bytes()), names, **measures)
            path.write_bytes(record_bytes(parse_record(json.dumps(document).encode(), name)))
        return BoardRecord.read(path)

    return make


@pytest.fixture
def weights(make_one):
    """Two trainings by Pearson r alone; one was tried without the EEG, the other had no isolation."""
    first = make_one("first", R[0], controls=controls_document(R[0], [0.0, 0.0, 0.01, 0.0, -0.01, 0.0]))
    return compare(first, make_one("se|cond", R[1], run={"isolation": "none"}))


@pytest.fixture
def architectures(make_one):
    """Three and two trainings on real data with a flag, by cosine and more; song accuracy of the first only."""
    flag = {"split": {"flag": "subjects in all parts"}, "kind": "real"}
    ones = []
    for name, seeds, base in (("net", (0, 2, 3), 0.75), ("old", (1, 4), 0.5)):
        records = []
        for seed, of in zip(seeds, trained(*seeds), strict=True):
            cosine = [base + 0.125 * (seed == 4) + 0.01 * seed + 0.01 * (k % 3) for k in range(6)]
            measures = {"cosine": cosine, "cosine_gain": [one - 0.25 for one in cosine]}
            if name == "net":
                measures["song_accuracy_reconstructed"] = [0.5] * 6
            shown = controls_document(cosine, [one - 0.001 * (-1) ** k for k, one in enumerate(cosine)])
            records.append(
                make_one(name, [one / 2 for one in cosine], measures, controls=shown, **flag, **of)
            )
        ones += pooled(records)
    return compare(*ones)


def test_show(weights, architectures):
    for found in (weights, architectures):
        for form in ("text", "md", "csv", "latex", "html", "json"):
            print(f"===== {form}")
            print(comparison_text(found, form))


def test_show2(make_one, tmp_path):
    make_one("first", R[0], controls=controls_document(R[0], [0.0, 0.0, 0.01, 0.0, -0.01, 0.0]))
    make_one("second", R[1], run={"isolation": "none"})
    make_one("third", R[0][::-1])
    board = load_board(tmp_path / "results", BOARD)
    print(board.left_out)
    for form in ("text", "md", "csv", "latex", "html", "json"):
        print(f"===== {form}")
        print(against_board_text(board.records[0], board, form))
