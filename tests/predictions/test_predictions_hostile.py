"""Predictions that must be refused: one test a refusal, with the whole message."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from harness.errors import PredictionsError
from harness.predictions import Expected, read_predictions

SMALL = Expected({"sub-086": ["seg-1", "seg-2"]}, n_times=3, n_bands=2, feature="mel")
GOOD = "[[1, 2], [3, 4], [5, 6]]"
FORM = "(3, 2) (n_frames, n_bands)"
REMEDY_AGAIN = "\n  Write or copy the file again."
REMEDY_UTF8 = "\n  Save it as plain UTF-8: open(path, 'w', encoding='utf-8')."
REMEDY_BANDS = "\n  The scored feature is mel: 2 numbers a frame."
REMEDY_LENGTH = "\n  A wrong length is refused, never padded or trimmed."


def message(path: Path, expected: Expected = SMALL) -> str:
    with pytest.raises(PredictionsError) as caught:
        list(read_predictions(path, expected))
    return str(caught.value)


def of_json(folder: Path, data: str | bytes, expected: Expected = SMALL) -> str:
    data = data.encode() if isinstance(data, str) else data
    (folder / "sub-086.json").write_bytes(data)
    return message(folder, expected)


def of_segment(folder: Path, value: str, expected: Expected = SMALL) -> str:
    return of_json(folder, f'{{"seg-1": {value}}}', expected)


# Values of one segment


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ('"1 2 3"', f"the string '1 2 3', expected numbers of shape {FORM}."),
        ("null", f"null, expected numbers of shape {FORM}."),
        ("7", f"a number, expected numbers of shape {FORM}."),
        ('{"data": [[1]]}', f"an object, expected numbers of shape {FORM}."),
        ("[]", f"an empty list, expected numbers of shape {FORM}."),
        ("[1, 2, 3]", f"shape (3,), expected {FORM}."),
        ("[[1, 2], null]", "row 1 is null, expected a list of 2 numbers."),
        ('[[1, 2], [3, "4"]]', "the string '4' at row 1, column 1, expected a number."),
        ("[[1, true]]", "the boolean true at row 0, column 1, expected a number."),
        ("[[false, 1]]", "the boolean false at row 0, column 0, expected a number."),
        ("[[1, 2], [null, 4]]", "null at row 1, column 0, expected a number."),
        ("[[1, {}]]", "an object at row 0, column 1, expected a number."),
        ("[[[1], [2]]]", "a list at row 0, column 0, expected a number."),
        ("[[1, NaN]]", "NaN at row 0, column 1, expected a finite float64."),
        ("[[1,Infinity]]", "Infinity at row 0, column 1, expected a finite float64."),
        ("[[1, -Infinity]]", "-Infinity at row 0, column 1, expected a finite float64."),
        ("[[1, 2], [1e999, 4]]", "1e999 at row 1, column 0, expected a finite float64."),
        ("[[-1e999, 4]]", "-1e999 at row 0, column 0, expected a finite float64."),
        (
            f"[[1, {'9' * 400}]]",
            f"{'9' * 40}...{'9' * 17} at row 0, column 1, expected a finite float64.",
        ),
        ("[[1, 2], [3]]", f"row 0 has 2 numbers and row 1 has 1, expected numbers of shape {FORM}."),
        ("[[], [1, 2]]", f"row 0 has 0 numbers and row 1 has 2, expected numbers of shape {FORM}."),
        ("[[1, 2, 3], [4, 5, 6]]", f"shape (2, 3), expected {FORM}.\n  "
         "Axes look swapped: save array.T."),
        ("[[1], [2], [3]]", f"shape (3, 1), expected {FORM}.{REMEDY_BANDS}"),
        ("[[], [], []]", f"shape (3, 0), expected {FORM}.{REMEDY_BANDS}"),
        ("[[1, 2], [3, 4]]", f"shape (2, 2), expected {FORM}.{REMEDY_LENGTH}"),
        (json.dumps([[0, 0]] * 4), f"shape (4, 2), expected {FORM}.{REMEDY_LENGTH}"),
    ],
)  # fmt: skip
def test_segment_is_refused(tmp_path, value, expected):
    assert of_segment(tmp_path, value) == f"sub-086/seg-1: {expected}"


def test_envelope_as_a_flat_list_is_refused_with_the_fix(tmp_path):
    expected = Expected({"sub-086": ["seg-1"]}, 3, 1, "envelope")
    assert of_segment(tmp_path, "[1, 2, 3]", expected) == (
        "sub-086/seg-1: shape (3,), expected (3, 1) (n_frames, n_bands).\n"
        "  Save array[:, None]: one list of one number a frame."
    )


def test_swapped_axes_are_refused_as_the_style_guide_words_it(tmp_path):
    expected = Expected({"sub-003": ["segment-07"]}, 1920, 10, "mel")
    data = json.dumps({"segment-07": np.zeros((10, 1920)).tolist()})
    (tmp_path / "sub-003.json").write_text(data, encoding="ascii")
    assert message(tmp_path, expected) == (
        "sub-003/segment-07: shape (10, 1920), expected (1920, 10) (n_frames, n_bands).\n"
        "  Axes look swapped: save array.T."
    )


def test_1905_frames_of_the_organisers_baseline_are_refused_never_padded(tmp_path):
    expected = Expected({"sub-086": ["seg-1"]}, 1920, 10, "mel")
    data = json.dumps(np.zeros((1905, 10)).tolist())
    assert of_segment(tmp_path, data, expected) == (
        "sub-086/seg-1: shape (1905, 10), expected (1920, 10) (n_frames, n_bands).\n"
        "  1905 frames are what a valid convolution leaves, as in the organisers' linear "
        "baseline: predict all 1920; a wrong length is refused, never padded."
    )


def test_segment_far_too_large_is_refused_before_its_numbers_are_parsed(tmp_path):
    expected = Expected({"sub-086": ["seg-1"] + [f"x{i}" for i in range(2000)]}, 3, 2, "mel")
    value = "[" + "[]," * 40_000 + "[]]"
    assert of_segment(tmp_path, value, expected) == (
        f"sub-086/seg-1: 120004 bytes of JSON, expected numbers of shape {FORM}."
    )


# Files of one subject


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", f"empty, expected a JSON object {{segment_id: numbers}}.{REMEDY_AGAIN}"),
        (b" \n", f"empty, expected a JSON object {{segment_id: numbers}}.{REMEDY_AGAIN}"),
        (b"[[1, 2]]", "the top level is a list, expected an object {segment_id: numbers}."),
        (b"null", "the top level is null, expected an object {segment_id: numbers}."),
        (b'"x"', "the top level is a string, expected an object {segment_id: numbers}."),
        (b"1.5", "the top level is a number, expected an object {segment_id: numbers}."),
        (b"true", "the top level is a boolean, expected an object {segment_id: numbers}."),
        (b'{"seg-1": [[1, 2', f"ends after 16 bytes, expected a complete JSON object.{REMEDY_AGAIN}"),
        (b'{"a": [1 2]}', "malformed JSON at byte 9 (expected ',' or ']'), "
         "expected an object {segment_id: numbers}."),
        (b'{"a": NaN, "b": [1 2]}', "NaN at byte 6, expected finite numbers."),
        (b'{"a": -Infinity, "b": [1 2]}', "-Infinity at byte 6, expected finite numbers."),
        (b'{"a": -x}', "malformed JSON at byte 7 (invalid character), "
         "expected an object {segment_id: numbers}."),
        (b'{"a": 1}{}',
         "text after the end of the JSON object, expected one object and no more."),
        (b"{ \0}", "malformed JSON at byte 2 (object keys must be strings), "
         "expected an object {segment_id: numbers}."),
        (b'{"\xe9": 1}', f"byte 2 is 0xe9, which is not UTF-8, expected UTF-8.{REMEDY_UTF8}"),
        (b"\xef\xbb\xbf{}", "encoded as UTF-8 with a byte order mark, expected UTF-8." + REMEDY_UTF8),
        ("{}".encode("utf-16"), f"encoded as UTF-16, expected UTF-8.{REMEDY_UTF8}"),
        ("{}".encode("utf-16-le"), f"encoded as UTF-16, expected UTF-8.{REMEDY_UTF8}"),
        ("{}".encode("utf-16-be"), f"encoded as UTF-16, expected UTF-8.{REMEDY_UTF8}"),
        (b'{"a":' + b"[" * 30_000 + b"]" * 30_000 + b"}",
         "nested too deep, expected an object {segment_id: numbers}."),
        (b'{"seg-1": 1, "' + b'": 1, "'.join(str(i).encode() for i in range(1200)) + b'": 1}',
         "2402 quotation marks, expected the ids of 2 segments, and numbers only."),
    ],
)  # fmt: skip
def test_file_is_refused(tmp_path, data, expected):
    assert of_json(tmp_path, data) == f"sub-086.json: {expected}"


def test_flood_of_literals_that_are_no_numbers_names_the_first(tmp_path):
    expected = Expected({"sub-086": ["a"]}, 10_000, 11, "mel")
    data = '{"a": [[0, ' + "NaN, " * 100_001 + "0]]}"
    assert of_json(tmp_path, data, expected) == ("sub-086.json: NaN at byte 11, expected finite numbers.")


@pytest.mark.parametrize(
    ("more", "found"),
    [("", "sub-086/a: NaN at row 0, column 1, expected a finite float64."),
     ("Infinity, ", "sub-086.json: NaN at byte 11, expected finite numbers.")],
    ids=["most", "more"],
)  # fmt: skip
def test_literals_that_are_no_numbers_are_looked_for_in_the_rows_up_to_a_number_of_them(
    tmp_path, monkeypatch, more, found
):
    monkeypatch.setattr("harness.predictions.subject_json._MOST_STAND_INS", 100)
    expected = Expected({"sub-086": ["a"]}, 10_000, 11, "mel")
    data = '{"a": [[0, ' + "NaN, Infinity, " * 50 + more + "0]]}"
    assert of_json(tmp_path, data, expected) == found


def test_quotation_marks_are_a_flood_beyond_twenty_for_each_segment_and_two_thousand(tmp_path):
    expected = Expected({"sub-086": ["seg-1", "seg-2", "seg-3"]}, 3, 2, "mel")
    names = ["seg-1", *(f"x{i}" for i in range(1029))]
    found = of_json(tmp_path, json.dumps({name: [] for name in names}), expected).split("\n")
    assert found[0].startswith("sub-086/x")
    assert found[-1] == f"sub-086/seg-1: an empty list, expected numbers of shape {FORM}."
    assert of_json(tmp_path, json.dumps({name: [] for name in [*names, "y"]}), expected) == (
        "sub-086.json: 2062 quotation marks, expected the ids of 3 segments, and numbers only."
    )


def test_repeated_segment_is_found_though_json_readers_keep_the_last(tmp_path):
    data = f'{{"seg-1": {GOOD}, "seg-2": {GOOD}, "seg\\u002d1" : {GOOD}, "seg-1": {GOOD}}}'
    assert of_json(tmp_path, data) == ("sub-086.json: segment 'seg-1' occurs 3 times, expected each id once.")


def test_escaped_quotation_marks_in_an_id_are_no_repetition(tmp_path):
    expected = Expected({"sub-086": ['a"{b', "c"]}, 3, 2, "mel")
    data = f'{{"a\\"{{b": {GOOD}, "c": {GOOD}}}'
    (tmp_path / "sub-086.json").write_text(data, encoding="ascii")
    [(_, read)] = read_predictions(tmp_path, expected)
    assert list(read) == ['a"{b', "c"]


def test_unknown_segment_is_named_with_the_nearest(tmp_path):
    assert of_json(tmp_path, f'{{"sge-1": {GOOD}}}') == (
        "sub-086/sge-1: unknown segment, expected one of the 2 ids of sub-086.\n  Did you mean 'seg-1'?"
    )


def test_long_and_unprintable_ids_are_cut_in_messages(tmp_path):
    assert of_json(tmp_path, '{"\\u0007ü' + "x" * 5000 + f'end": {GOOD}}}') == (
        f"sub-086/\\x07ü{'x' * 30}...{'x' * 14}end: unknown segment, expected one of the 2 ids of sub-086."
    )


def test_every_fault_is_reported_and_many_of_a_kind_are_counted(tmp_path):
    subjects = ["sub-086", "sub-087"]
    ids = [f"seg-{i}" for i in range(15)]
    expected = Expected(dict.fromkeys(subjects, ids), 3, 2, "mel")
    for subject in subjects:
        text = json.dumps({i: [[1]] if i != "seg-3" else [["x"]] for i in ids})
        (tmp_path / f"{subject}.json").write_text(text, encoding="ascii")
    lines = message(tmp_path, expected).split("\n")
    shape = [line for line in lines if "shape (1, 1)" in line]
    assert len(shape) == 20
    assert [line for line in lines if " more " in line] == [
        f"{tmp_path}: and 8 more segments of a wrong shape."
    ]
    assert [line for line in lines if "the string" in line] == [
        f"{subject}/seg-3: the string 'x' at row 0, column 0, expected a number." for subject in subjects
    ]
