"""References apart, and their first shape: what a store of labels tells, and what it is refused for."""

from __future__ import annotations

import json
import warnings
import zipfile

import numpy as np
import pytest

from harness.errors import PredictionsError
from harness.predictions import LabelStore, first_label_shape

WANTED = "(n_frames, n_bands) for every segment"


def make_zip(path, members):
    with warnings.catch_warnings(), zipfile.ZipFile(path, "w") as archive:
        warnings.simplefilter("ignore")  # of a name that occurs twice
        for name, data in members:
            archive.writestr(name, data)
    return path


def refused(call, *arguments):
    with pytest.raises(PredictionsError) as caught:
        call(*arguments)
    return str(caught.value)


# The first shape


@pytest.mark.parametrize("kind", ["npz", "zip", "folder"])
def test_the_first_references_shape_is_told(tmp_path, kind):
    first, second = np.zeros((3, 2)), np.zeros((5, 4))
    path = tmp_path / f"labels.{kind}"
    if kind == "npz":
        np.savez(path, **{"P1_a": first, "P1_b": second})
    elif kind == "zip":
        document = json.dumps({"a": first.tolist(), "b": second.tolist()})
        make_zip(path, [("notes.txt", "x"), ("P1.json", document), ("P2.json", "{}")])
    else:
        path.mkdir()
        (path / "A.txt").write_text("passed over")
        (path / "P1.json").write_text(json.dumps({"a": first.tolist(), "b": second.tolist()}))
        (path / "P2.json").write_text(json.dumps({"a": second.tolist()}))
    assert first_label_shape(path) == (3, 2)


def test_what_is_no_array_of_an_npz_is_passed_over(tmp_path):
    np.savez(tmp_path / "one.npz", P1_a=np.zeros((3, 2)))
    with zipfile.ZipFile(tmp_path / "one.npz") as archive:
        array = archive.read("P1_a.npy")
    path = make_zip(tmp_path / "labels.npz", [("readme", "x"), ("P1_a.npy", array)])
    assert first_label_shape(path) == (3, 2)


@pytest.mark.parametrize("kind", ["npz", "zip", "folder"])
def test_no_reference_has_no_shape(tmp_path, kind):
    path = tmp_path / f"labels.{kind}"
    if kind == "folder":
        path.mkdir()
    else:
        make_zip(path, [("readme.txt", "x")])
    assert refused(first_label_shape, path) == f"{path}: no references, expected {WANTED}."


@pytest.mark.parametrize(
    ("shape", "words"), [((3,), "(3,)"), ((3, 2, 1), "(3, 2, 1)"), ((0, 2), "(0, 2)"), ((2, 0), "(2, 0)")]
)
def test_a_first_reference_that_is_no_table_is_refused(tmp_path, shape, words):
    path = tmp_path / "labels.npz"
    np.savez(path, P1_a=np.zeros(shape))
    assert refused(first_label_shape, path) == (
        f"{path}: shape {words} of the first reference, expected {WANTED}."
    )


def test_a_table_of_one_row_or_of_one_column_is_one(tmp_path):
    for shape in ((1, 4), (4, 1), (1, 1)):
        np.savez(tmp_path / "labels.npz", P1_a=np.zeros(shape))
        assert first_label_shape(tmp_path / "labels.npz") == shape


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{}", "{path}: shape () of the first reference, expected " + WANTED + "."),
        ('{"a": []}', "{path}: shape () of the first reference, expected " + WANTED + "."),
        ('{"a": [[]]}', "{path}: shape (1, 0) of the first reference, expected " + WANTED + "."),
        (
            "[1]",
            "P1.json: the top level is a list, expected an object {{segment_id: numbers}}.",
        ),
        (
            "",
            "P1.json: empty, expected a JSON object {{segment_id: numbers}}.\n  Write or copy the file again.",
        ),
        (
            '{"a": [[1]]',
            "P1.json: ends after 11 bytes, expected a complete JSON object.\n  Write or copy the file again.",
        ),
    ],
)
def test_a_first_file_without_rows_is_refused(tmp_path, text, words):
    path = tmp_path / "labels"
    path.mkdir()
    (path / "P1.json").write_text(text)
    assert refused(first_label_shape, path) == words.format(path=path)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ('"x"', "the string 'x', expected numbers of shape (n_frames, n_bands)."),
        ("7", "a number, expected numbers of shape (n_frames, n_bands)."),
        ("[1, 2, 3]", "shape (3,), expected (n_frames, n_bands)."),
        ("[[1, 2], 3]", "row 1 is a number, expected a list of numbers."),
        ('[[1, "x"]]', "the string 'x' at row 0, column 1, expected a number."),
        ("[[1, NaN]]", "NaN at row 0, column 1, expected a finite float64."),
        ("[[1, 1e999]]", "1e999 at row 0, column 1, expected a finite float64."),
    ],
)
def test_a_first_reference_that_is_no_rows_of_numbers_is_told_by_its_name_and_value(tmp_path, value, words):
    path = make_zip(tmp_path / "labels.zip", [("P1.json", f'{{"a\\u001b": {value}, "b": [[1]]}}')])
    assert refused(first_label_shape, path) == f"P1.json, segment 'a\\x1b': {words}"


def test_a_first_reference_that_cannot_be_looked_through_is_unreadable(tmp_path, monkeypatch):
    def fails(*arguments, **options):
        raise RecursionError

    path = make_zip(tmp_path / "labels.zip", [("P1.json", '{"a": [["x"]]}')])
    monkeypatch.setattr(json, "loads", fails)
    assert refused(first_label_shape, path) == (
        "P1.json, segment 'a': unreadable (Expected `float`, got `str` - at `$[0][0]`), "
        "expected numbers of shape (n_frames, n_bands)."
    )


def test_a_first_array_that_is_none_is_refused_by_name(tmp_path):
    path = make_zip(tmp_path / "labels.npz", [("P1_a\x1b.npy", b"hello there")])
    assert refused(first_label_shape, path) == ("P1_a\\x1b.npy: not a npy array (it begins with b'hello ').")


def test_the_first_reference_may_be_large(tmp_path):
    path = tmp_path / "labels"
    path.mkdir()
    (path / "P1.json").write_text(json.dumps({"a": np.zeros((40_000, 1)).tolist()}))
    assert first_label_shape(path) == (40_000, 1)
    np.savez(tmp_path / "labels.npz", P1_a=np.zeros((40_000, 1)))
    assert first_label_shape(tmp_path / "labels.npz") == (40_000, 1)


# A store of labels


def test_names_are_understood_by_the_longest_subject_that_begins_them(tmp_path):
    names = {"lab_1_story": 0.0, "lab_1_b_story": 1.0, "lab/x_y": 2.0, "P9_z": 3.0, "P9_z_w": 4.0}
    np.savez(tmp_path / "l.npz", **{name: np.full((2, 1), value) for name, value in names.items()})
    store = LabelStore(tmp_path / "l.npz", 1, "envelope", ("lab_1", "lab_1_b", "lab", "zz"))
    assert store.subjects() == ("P9", "lab", "lab_1", "lab_1_b")
    found = {subject: {k: v[0, 0] for k, v in store.subject(subject).items()} for subject in store.subjects()}
    assert found == {
        "P9": {"P9_z": 3.0, "P9_z_w": 4.0},
        "lab": {"x_y": 2.0},
        "lab_1": {"lab_1_story": 0.0},
        "lab_1_b": {"lab_1_b_story": 1.0},
    }


def test_a_store_without_references_is_refused(tmp_path):
    (tmp_path / "labels").mkdir()
    assert refused(LabelStore, tmp_path / "labels", 1) == (
        f"{tmp_path}/labels: no references, expected at least one subject's."
    )


def test_all_files_that_are_no_subjects_are_told(tmp_path):
    (tmp_path / "labels").mkdir()
    for name in ("P1.json", "a.b.txt", "notes.txt", "P2.a.json"):
        (tmp_path / "labels" / name).write_text("{}")
    assert refused(LabelStore, tmp_path / "labels", 1) == (
        "a.b.txt: not a subject's file, expected <subject>.json.\n"
        "notes.txt: not a subject's file, expected <subject>.json."
    )
    path = make_zip(tmp_path / "labels.zip", [("x/.json", "{}"), ("x/P1.json", "{}"), ("x/P1.json", "{}")])
    assert refused(LabelStore, path, 1) == (
        ".json: not a subject's file, expected <subject>.json.\n"
        "P1.json: twice in the zip, expected one file a subject."
    )


def test_more_faults_of_a_kind_are_counted(tmp_path):
    (tmp_path / "labels").mkdir()
    for i in range(23):
        (tmp_path / "labels" / f"{i:02d}.txt").write_text("{}")
    lines = refused(LabelStore, tmp_path / "labels", 1).splitlines()
    assert lines[:20] == [f"{i:02d}.txt: not a subject's file, expected <subject>.json." for i in range(20)]
    assert lines[20:] == [f"{tmp_path}/labels: and 3 more unknown files."]

    path = make_zip(tmp_path / "twice.zip", [(f"P{i}.json", "{}") for i in range(22)] * 2)
    lines = refused(LabelStore, path, 1).splitlines()
    assert lines[20:] == [f"{path}: and 2 more repeated files."]

    path = tmp_path / "nameless.npz"
    np.savez(path, **{f"x{i:02d}": np.zeros((1, 1)) for i in range(21)})
    lines = refused(LabelStore, path, 1).splitlines()
    assert lines[0] == "x00: names no subject, expected subject/segment_id."
    assert lines[20:] == [f"{path}: and 1 more unknown segments."]


def test_a_subject_whose_references_are_no_numbers_is_refused(tmp_path):
    (tmp_path / "labels").mkdir()
    wrong = {f"s{i:02d}": [["x"]] for i in range(21)}
    (tmp_path / "labels/P1.json").write_text(json.dumps(wrong))
    store = LabelStore(tmp_path / "labels", 1, "envelope")
    lines = refused(store.subject, "P1").splitlines()
    assert lines[0] == "P1/s00: the string 'x' at row 0, column 0, expected a number."
    assert lines[20:] == [f"{tmp_path}/labels: and 1 more segments with wrong values."]
    (tmp_path / "labels/P1.json").write_text("{")
    assert refused(store.subject, "P1").startswith("P1.json: ends after 1 bytes, expected ")
    assert refused(store.subject, "P2") == f"P2: no references in {tmp_path}/labels, expected one of P1."


def test_what_is_no_array_in_a_store_is_told(tmp_path):
    path = make_zip(tmp_path / "labels.npz", [("readme.txt", "x")])
    assert refused(LabelStore, path, 1) == (
        "readme.txt: not an array, expected arrays only, as numpy saves them."
    )
