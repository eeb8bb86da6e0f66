"""Files from a predictor's process are believed only as far as they can be checked."""

from __future__ import annotations

import json
import os
import tempfile
import threading
from types import MappingProxyType

import numpy as np
import pytest

from harness.execution.exchange import (
    UnusableError,
    printable,
    read_prediction,
    read_report,
    remove,
    unnamed_storage,
    write_eeg,
    write_json,
)
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


def test_a_pipe_is_refused_and_not_waited_for(path):
    """A reader is kept waiting until somebody writes; here that is after some seconds."""
    os.mkfifo(path)
    writers = []
    late = threading.Timer(5, lambda: writers.append(os.open(path, os.O_RDWR)))
    late.start()
    try:
        with pytest.raises(UnusableError) as caught:
            read_prediction(path, SHAPE)
    finally:
        late.cancel()
    assert (str(caught.value), writers) == (NOT_SMALL, [])


@pytest.fixture
def growing(path, monkeypatch):
    """A file that is longer by a byte as soon as its size was looked at."""
    look = os.fstat

    def grow(handle):
        found = look(handle)
        with path.open("ab") as file:
            file.write(b"x")
        return found

    monkeypatch.setattr(os, "fstat", grow)
    return path


def test_a_file_that_grows_after_it_was_looked_at_is_read_no_further(growing):
    np.save(growing, np.ones(SHAPE, np.float32))
    np.testing.assert_array_equal(read_prediction(growing, SHAPE), np.ones(SHAPE))
    assert growing.stat().st_size == 5249
    growing.write_text("{}" + " " * (2**18 - 2))
    assert read_report(growing) == {}
    assert growing.stat().st_size == 2**18 + 1


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


# What is written, and how much is read


def test_json_appears_whole_readable_for_the_group_and_mappings_are_dicts(tmp_path):
    path = tmp_path / "start.json"
    write_json(path, {"a": MappingProxyType({"b": 1}), "c": "ü"})
    assert json.loads(path.read_bytes()) == {"a": {"b": 1}, "c": "ü"}
    assert path.stat().st_mode & 0o777 == 0o640
    assert [file.name for file in tmp_path.iterdir()] == ["start.json"]
    with pytest.raises(TypeError) as caught:
        write_json(path, {"a": {1, 2}})
    assert str(caught.value) == "a value of type set"
    assert json.loads(path.read_bytes())["c"] == "ü"  # what was there stays


def test_eeg_is_readable_for_the_group(path):
    write_eeg(path, [np.zeros((4, 64), np.float32)], (1, 4, 64))
    assert path.stat().st_mode & 0o777 == 0o640


def test_a_draft_lies_beside_under_another_suffix(path):
    seen = []

    def segments():
        seen.extend(file.name for file in path.parent.iterdir())
        yield np.zeros((4, 64), np.float32)

    write_eeg(path, segments(), (1, 4, 64))
    assert seen == ["000003.tmp"]


def test_a_report_may_have_its_most_and_no_more(tmp_path):
    path = tmp_path / "start.json"
    for n_bytes, fits in ((2**18, True), (2**18 + 1, False)):
        path.write_text("{}" + " " * (n_bytes - 2))
        if fits:
            assert read_report(path) == {}
        else:
            with pytest.raises(UnusableError, match="not a regular file of at most 262144 bytes"):
                read_report(path)


@pytest.mark.parametrize(
    ("report", "expected"),
    [
        ({"seconds": 0}, {"seconds": 0.0}),
        ({"seconds": "0.5"}, {"seconds": 0.5}),
        ({"seconds": 1, "faults": [["a", "b", "c", 0]]}, {"faults": [OutputFault("a", "b", "c", 0)]}),
        (
            {"faults": [["a", "b" * 600, "c\nd", None], ["e", "f", "g" * 501, 7]]},
            {"faults": [OutputFault("a", "b" * 500, "cd", None), OutputFault("e", "f", "g" * 500, 7)]},
        ),
        ({"other": 1}, {}),
        ([], {}),
    ],
)
def test_what_a_report_may_say(tmp_path, report, expected):
    (tmp_path / "start.json").write_text(json.dumps(report))
    found = read_report(tmp_path / "start.json")
    assert found == expected
    assert all(type(value) is float for value in (found.get("seconds", 0.0),))


@pytest.mark.parametrize(
    "fault", [["", "", 1, None], ["", None, "", None], [None, "", "", None], ["", "", "", 1.0], ["", "", ""]]
)
def test_a_fault_is_three_texts_and_the_number_of_a_segment_or_none(tmp_path, fault):
    (tmp_path / "start.json").write_text(json.dumps({"faults": [["a", "b", "c", None], fault]}))
    with pytest.raises(UnusableError) as caught:
        read_report(tmp_path / "start.json")
    assert str(caught.value) == "start.json is not a report"


def test_a_prediction_may_not_be_longer(path):
    np.save(path, np.zeros(SHAPE, np.float32))
    with path.open("ab") as file:
        file.write(b"x")
    with pytest.raises(UnusableError) as caught:
        read_prediction(path, SHAPE)
    assert str(caught.value) == NOT_SMALL


def test_a_prediction_in_the_order_of_columns_is_refused(path):
    np.save(path, np.asfortranarray(np.zeros(SHAPE, np.float32)))
    with pytest.raises(UnusableError) as caught:
        read_prediction(path, SHAPE)
    assert str(caught.value) == NOT_NPY


def test_files_that_are_gone_are_removed_as_well(tmp_path):
    (tmp_path / "there").touch()
    remove(tmp_path / "gone", tmp_path / "there")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_took_the_place_of_a_file_that_was_read_is_named(path):
    path.mkdir()
    with pytest.raises(UnusableError, match=r"000003.npy cannot be removed \("):
        remove(path)


def test_only_what_a_terminal_can_show_is_kept():
    assert printable("a\x1b[0m\tb\u202e ü\n") == "a[0mb ü"


def test_storage_is_zeros_in_a_file_without_a_name(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    asked = []
    allocate = os.posix_fallocate
    monkeypatch.setattr(os, "posix_fallocate", lambda *of: asked.append(of[1:]) or allocate(*of))
    array = unnamed_storage((2, 3, 4))
    assert (array.shape, array.dtype, array.flags.writeable) == ((2, 3, 4), np.float32, True)
    assert type(array) is np.ndarray
    assert not array.any()
    array[1, 2, 3] = 5
    assert array.sum() == 5
    assert list(tmp_path.iterdir()) == []
    assert unnamed_storage((0, 3, 4)).shape == (0, 3, 4)
    assert asked == [(0, 96), (0, 1)]  # no bytes at all cannot be asked for


def test_a_full_disk_is_told_when_storage_is_made_and_not_later(monkeypatch):
    def full(*of):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(OSError, match="No space left"):
        unnamed_storage((2, 3, 4))
