"""Files from a predictor's process are believed only as far as they can be checked."""

from __future__ import annotations

import json
import os

import numpy as np
import pytest

from harness.execution.exchange import UnusableError, read_prediction, read_report, write_eeg
from harness.predictor import OutputFault

SHAPE = (2, 64, 10)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "000003.npy"


def test_prediction_is_what_numpy_saved(path):
    prediction = np.random.default_rng(0).standard_normal(SHAPE).astype(np.float32)
    np.save(path, prediction)
    np.testing.assert_array_equal(read_prediction(path, SHAPE), prediction)


def test_eeg_is_what_numpy_loads(path):
    eeg = np.random.default_rng(0).standard_normal((64, 3, 64)).astype(np.float32)
    write_eeg(path, [eeg[:, i] for i in range(3)], (3, 64, 64))  # strided, as a corpus may give it
    np.testing.assert_array_equal(np.load(path, allow_pickle=False), eeg.transpose(1, 0, 2))
    assert [file.name for file in path.parent.iterdir()] == ["000003.npy"]


def link(path):
    np.save(path.with_name("elsewhere.npy"), np.zeros(SHAPE, np.float32))
    path.symlink_to(path.with_name("elsewhere.npy"))


def huge(path):
    np.save(path, np.zeros(SHAPE, np.float32))
    os.truncate(path, 2**40)


def short(path):
    np.save(path, np.zeros(SHAPE, np.float32))
    os.truncate(path, 1000)


NOT_NPY = "000003.npy is not an npy file of float32 (2, 64, 10)"
NOT_SMALL = "000003.npy is not a regular file of at most 5248 bytes"
BAD_PREDICTIONS = {
    "missing": (lambda path: None, "000003.npy is missing"),
    "link": (
        link,
        "000003.npy cannot be opened as a file (Too many levels of symbolic links)",
    ),
    "pipe, which would block": (os.mkfifo, NOT_SMALL),
    "folder": (lambda path: path.mkdir(), NOT_SMALL),
    "huge": (huge, NOT_SMALL),
    "short": (short, "000003.npy is cut short"),
    "empty": (lambda path: path.touch(), NOT_NPY),
    "pickle": (lambda path: np.save(path, np.array([{}]), allow_pickle=True), NOT_NPY),
    "swapped": (lambda path: np.save(path, np.zeros((2, 10, 64), np.float32)), NOT_NPY),
    "float64 of that size": (lambda path: np.save(path, np.zeros((1, 64, 10))), NOT_NPY),
}


@pytest.mark.parametrize("name", BAD_PREDICTIONS)
def test_other_files_are_refused(path, name):
    make, message = BAD_PREDICTIONS[name]
    make(path)
    with pytest.raises(UnusableError) as caught:
        read_prediction(path, SHAPE)
    assert str(caught.value) == message


def test_report_that_is_not_there_yet(tmp_path):
    assert read_report(tmp_path / "start.json") is None


@pytest.mark.parametrize(
    ("report", "expected"),
    [
        ({}, {}),
        ({"seconds": 1}, {"seconds": 1.0}),
        (
            {"faults": [["a\x1b[31m\nb" + 1000 * "c", "", "", 2]]},
            {"faults": [OutputFault("a[31mb" + 492 * "c", "", "", 2)]},
        ),
    ],
)
def test_report_is_read_and_made_printable(tmp_path, report, expected):
    (tmp_path / "start.json").write_text(json.dumps(report))
    assert read_report(tmp_path / "start.json") == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "start.json is not JSON"),
        ("[" * 100_000, "start.json is not JSON"),
        ("\udcff", "start.json is not JSON"),
        ("7", "start.json is not a report"),
        ('{"seconds": -1}', "start.json is not a report"),
        ('{"seconds": 1e999}', "start.json is not a report"),
        ('{"seconds": "soon"}', "start.json is not a report"),
        ('{"faults": []}', "start.json is not a report"),
        ('{"faults": [[1, 2, 3, 4]]}', "start.json is not a report"),
        ('{"faults": [["", "", "", "x"]]}', "start.json is not a report"),
        ('{"faults": [[[1], [2], [3], null]]}', "start.json is not a report"),
        ('{"faults": [[{}, "", "", null]]}', "start.json is not a report"),
        ('{"faults": [["", "", "", true]]}', "start.json is not a report"),
        (" " * 300_000, "start.json is not a regular file of at most 262144 bytes"),
    ],
)
def test_other_reports_are_refused(tmp_path, text, message):
    (tmp_path / "start.json").write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(UnusableError) as caught:
        read_report(tmp_path / "start.json")
    assert str(caught.value) == message
