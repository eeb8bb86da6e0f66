"""Kept predictions are scored again: the same numbers, another measure, and what is missing or damaged."""

import csv
import hashlib
import io
import json

import numpy as np
import pytest

from harness.predictions import read_predictions, write_predictions
from harness.scoring.cosine import cosine
from harness.tasks.task import open_task

BOARD = "sparrkulee/small-split/test/mel"


@pytest.fixture
def task(official_split, small_split):
    return open_task(official_split, split_name=small_split, feature="mel")


@pytest.fixture
def scored(harness, where, task, tmp_path):
    """Score predictions of three kinds, two of them kept: references with noise of two sizes, and a constant added."""

    def noisy(name, noise, offset, *options):
        rng = np.random.default_rng(0)
        path = tmp_path / f"{name}.npz"
        own = (
            (subject, {key: (one + noise * rng.standard_normal(one.shape) + offset).astype("f4") for key, one in task.references(subject).items()})
            for subject in task.by_subject
        )  # fmt: skip
        write_predictions(path, own)
        code, _, error = harness("score", path, *where, *options)
        assert code == 0, error
        return path

    noisy("near", 0.5, 5.0, "--keep-predictions")
    noisy("far", 1.0, 0.0, "--keep-predictions")
    return noisy


def rows(harness, where, *options):
    code, text, error = harness("rescore", *where, *options)
    return code, text, error


@pytest.mark.slow
def test_the_same_scorer_gives_the_same_scores_and_ranks(scored, harness, where):
    code, text, error = rows(harness, where, "--format", "json")
    assert (code, error.count("error")) == (0, 0), error
    found = json.loads(text)["rows"]
    assert [(row["system"], row["old_rank"], row["new_rank"]) for row in found] == [
        ("near", 1, 1),
        ("far", 2, 2),
    ]
    assert all(row["new"] == pytest.approx(row["old"], abs=1e-12) for row in found)


@pytest.mark.slow
def test_another_measure_is_computed_from_the_kept_arrays_and_moves_the_rank(
    scored, harness, where, task, tmp_path
):
    code, text, _ = rows(harness, where, "--measure", "cosine", "--format", "csv")
    assert code == 0
    found = {row["system"]: row for row in csv.DictReader(io.StringIO(text))}
    assert [(name, row["change"]) for name, row in found.items()] == [("far", "1"), ("near", "-1")]
    for name, row in found.items():
        ((subject, own),) = read_predictions(tmp_path / f"{name}.npz", task.expected)
        references = task.references(subject)
        values = [np.mean(cosine(references[key], one)) for key, one in own.items()]
        assert float(row["new"]) == pytest.approx(np.mean(values), abs=1e-9)


@pytest.mark.slow
def test_what_was_not_kept_or_is_damaged_is_named_and_the_others_are_shown(scored, harness, where, tmp_path):
    scored("third", 2.0, 0.0)
    kept = sorted((tmp_path / "results/predictions").glob("*.npz"))
    assert len(kept) == 2
    code, text, error = rows(harness, where, "--format", "markdown")
    assert (code, "third.json: its predictions were not kept" in error) == (1, True)
    assert "| near" in text
    kept[0].write_bytes(kept[0].read_bytes()[:-1] + b"x")
    code, _, error = rows(harness, where)
    assert (code, f"its predictions are damaged ({kept[0].name})" in error) == (1, True)
    kept[0].unlink()
    code, _, error = rows(harness, where)
    assert (code, f"its predictions are gone ({kept[0].name}" in error) == (1, True)


@pytest.mark.slow
def test_predictions_are_kept_once_and_boards_are_as_before(scored, harness, where, tmp_path):
    scored("near", 0.5, 5.0, "--keep-predictions")
    assert len(list((tmp_path / "results/predictions").glob("*.npz"))) == 2
    code, text, error = harness("rank", "--format", "json")
    assert (code, error) == (0, "")
    assert [str("/".join(one["board"].values())) for one in json.loads(text)] == [BOARD]


def test_wrong_choices_name_the_right_ones(harness, tmp_path, make_record):
    make_record("alpha", [0.1, 0.2])
    code, _, error = harness("rescore", "--measure", "cosin")
    assert (code, "Did you mean 'cosine'?" in error) == (2, True)
    code, _, error = harness("rescore", "--format", "xml")
    assert (code, "--format" in error) == (2, True)


SCORER = """
import numpy as np


def mean_r(references, predictions):
    rows = zip(references, predictions)
    return [np.mean([np.corrcoef(a[:, i], b[:, i])[0, 1] for i in range(a.shape[1])]) for a, b in rows]


def error(references, predictions):
    return np.mean((references - predictions) ** 2)


def fails(references, predictions):
    raise KeyError("x")
"""


def test_a_scorer_of_ones_own_gives_scores_and_ranks_and_is_named(scored, harness, where, tmp_path):
    path = tmp_path / "scorer.py"
    path.write_text(SCORER)
    before = sorted((tmp_path / "results").rglob("*"))
    code, text, error = rows(harness, where, "--scorer", f"{path}:mean_r", "--format", "json")
    assert (code, error.count("error")) == (0, 0), error
    document = json.loads(text)
    assert document["scorer"] == {
        "name": f"{path}:mean_r",
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "higher_is_better": True,
    }
    for row in document["rows"]:  # numpy's r is the kit's
        assert row["new"] == pytest.approx(row["old"], abs=1e-9)
        assert row["new"] == pytest.approx(np.mean(list(row["subjects"].values())), abs=1e-12)
    # The offset of "near" does not move its r, and makes its error the larger one.
    for lower, first in ((("--lower-is-better",), "far"), ((), "near")):
        given = ("--scorer", f"{path}:error", *lower, "--format", "csv")
        code, text, _ = rows(harness, where, *given)
        assert next(csv.DictReader(io.StringIO(text)))["system"] == first
    code, text, _ = rows(harness, where, "--scorer", f"{path}:error", "--lower-is-better")
    assert f"scored by {path}:error, which is no measure of this kit (sha256 " in text
    assert "Lower is better." in text
    code, text, error = rows(harness, where, "--scorer", f"{path}:fails")
    assert (code, text) == (1, "")
    assert error.count("fails: raised KeyError: 'x' (scorer.py, line 15)") == 2  # of each record
    assert sorted((tmp_path / "results").rglob("*")) == before


def test_a_scorer_is_no_measure(harness, tmp_path, make_record):
    make_record("alpha", [0.1, 0.2])
    for given, said in (
        (("--scorer", "a.py:f", "--measure", "cosine"), "--measure and --scorer are both given"),
        (("--lower-is-better",), "--lower-is-better is for --scorer"),
        (("--scorer", "a.py:f"), "--scorer a.py:f: no such file, expected FILE.py:FUNCTION"),
    ):
        code, text, error = harness("rescore", *given)
        assert (code, text, said in error) == (2, "", True), error
