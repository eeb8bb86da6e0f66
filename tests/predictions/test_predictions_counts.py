"""Predictions with many faults: the first of each kind are told, and how many more there are of it."""

from __future__ import annotations

import difflib
import io
import json
import warnings
import zipfile
from pathlib import Path
from types import SimpleNamespace

import msgspec
import numpy as np
import pytest

from harness.errors import Fault, PredictionsError
from harness.predictions import Expected, is_predictions, predictions_sha256, read_predictions
from harness.predictions.containers import MAX_DIRECTORY_BYTES, is_archive, open_container
from harness.predictions.expected import FaultList, SegmentForm

IDS = [f"s{i:02d}" for i in range(25)]
MANY = Expected({"P1": IDS}, n_times=3, n_bands=2, feature="mel")


def lines(path, expected=MANY):
    with pytest.raises(PredictionsError) as caught:
        list(read_predictions(path, expected))
    return [str(fault) for fault in caught.value.faults]


def array_bytes(array):
    data = io.BytesIO()
    np.lib.format.write_array(data, array)
    return data.getvalue()


def make_npz(path, members):
    with warnings.catch_warnings(), zipfile.ZipFile(path, "w") as archive:
        warnings.simplefilter("ignore")  # of a name that occurs twice
        for name, data in members:
            archive.writestr(name, data if isinstance(data, bytes) else array_bytes(data))
    return path


GOOD = np.ones((3, 2))


@pytest.mark.parametrize(
    ("array", "first", "kind"),
    [
        (b"hello there", "not a npy array (it begins with b'hello ').", "unreadable arrays"),
        (
            np.ones((3, 2), np.int64),
            "dtype int64, expected float32 or float64.\n  Save array.astype(np.float32).",
            "arrays of a wrong type",
        ),
        (
            np.array([[None] * 2] * 3),
            "an object array, expected float32 or float64.\n  Pickles are never loaded.",
            "arrays of a wrong type",
        ),
        (
            np.ones((4, 2)),
            "shape (4, 2), expected (3, 2) (n_frames, n_bands).\n"
            "  A wrong length is refused, never padded or trimmed.",
            "segments of a wrong shape",
        ),
        (
            array_bytes(GOOD)[:-1],
            "47 bytes of numbers, expected 48 bytes for (3, 2).",
            "unreadable arrays",
        ),
        (GOOD * np.nan, "nan at row 0, column 0 and 5 more like it, expected finite numbers.", "segments with wrong values"),
    ],
    ids=["no array", "integers", "objects", "shape", "short", "nan"],
)  # fmt: skip
def test_arrays_that_are_wrong_are_told_and_counted(tmp_path, array, first, kind):
    path = make_npz(tmp_path / "p.npz", [(f"P1/{name}.npy", array) for name in IDS])
    found = lines(path)
    assert found[:20] == [f"P1/{name}: {first}" for name in IDS[:20]]
    assert found[20:] == [f"{path}: and 5 more {kind}."]


def test_members_that_cannot_be_read_are_told_and_counted_and_the_others_read(tmp_path):
    big = np.zeros((300, 20))
    members = [(f"P1/{name}.npy", big) for name in IDS[:-1]]
    path = make_npz(tmp_path / "p.npz", [*members, (f"P1/{IDS[-1]}.npy", np.ones((1, 1)))])
    found = lines(path)
    assert found[0] == "P1/s00.npy: holds 48 128 bytes, expected at most 16 576 bytes for its segments."
    assert found[20] == f"{path}: and 4 more unreadable arrays."
    assert found[21].startswith("P1/s24: shape (1, 1), expected (3, 2)")
    assert len(found) == 22


def test_names_of_an_npz_that_are_not_asked_are_told_and_counted(tmp_path):
    strangers = [(f"X/{i:02d}.npy", GOOD) for i in range(23)]
    path = make_npz(tmp_path / "p.npz", [("P1/s00.npy", np.ones((1, 1))), *strangers])
    found = lines(path)
    assert found[0] == (
        "X/00: unknown segment, expected one of 25 names such as 'P1/s00'.\n  Did you mean 'P1/s00'?"
    )
    assert len(found[:20]) == 20
    assert found[20] == f"{path}: and 3 more unknown segments."
    assert found[21].startswith("P1/s00: shape (1, 1)")


def test_nothing_asked_makes_every_name_unknown(tmp_path):
    path = make_npz(tmp_path / "p.npz", [("a.npy", GOOD)])
    assert lines(path, Expected({}, 3, 2, "mel")) == [
        "a: unknown segment, expected one of 0 names such as ''."
    ]


def test_files_and_repeated_names_of_an_npz_are_told_and_counted(tmp_path):
    files = [(f"f{i:02d}.txt", b"x") for i in range(22)]
    twice = [(f"P1/{name}.npy", GOOD) for name in IDS[:21]] * 2
    path = make_npz(tmp_path / "p.npz", [*files, *twice])
    found = lines(path)
    assert found[:20] == [
        f"f{i:02d}.txt: not an array, expected arrays only, as numpy saves them." for i in range(20)
    ]
    assert found[20] == f"{path}: and 2 more unknown files."
    assert found[21:41] == [f"P1/{name}: twice in the npz, expected each id once." for name in IDS[:20]]
    assert found[41:] == [f"{path}: and 1 more repeated segments."]


def test_subjects_that_an_npz_lacks_are_told_and_counted(tmp_path):
    expected = Expected({f"P{i:02d}": ["a"] for i in range(24)}, 3, 2, "mel")
    path = make_npz(tmp_path / "p.npz", [("P00/a.npy", GOOD), ("P23/a.npy", np.ones((1, 1)))])
    found = lines(path, expected)
    assert found[0] == "P01: no segment in the npz, expected segments for each of 24 subjects."
    assert found[20] == f"{path}: and 2 more missing subjects."
    assert found[21].startswith("P23/a: shape (1, 1)")
    two = Expected({"P00": ["a"], "P99": ["a"]}, 3, 2, "mel")
    assert lines(make_npz(tmp_path / "q.npz", [("P00/a.npy", GOOD)]), two) == [
        "P99: no segment in the npz, expected segments for each of 2 subjects."
    ]


def test_a_subject_after_a_missing_one_is_still_read(tmp_path):
    """Reading goes on to find what else is wrong."""
    expected = Expected({"P1": ["a"], "P2": ["a"]}, 3, 2, "mel")
    path = make_npz(tmp_path / "p.npz", [("P2/a.npy", GOOD * np.inf)])
    assert lines(path, expected) == [
        "P1: no segment in the npz, expected segments for each of 2 subjects.",
        "P2/a: inf at row 0, column 0 and 5 more like it, expected finite numbers.",
    ]


@pytest.mark.parametrize(
    ("value", "first", "kind"),
    [
        ('[["x"]]', "the string 'x' at row 0, column 0, expected a number.", "segments with wrong values"),
        ("[]", "an empty list, expected numbers of shape (3, 2) (n_frames, n_bands).", "segments with wrong values"),
        (
            "[[1, 2], [3]]",
            "row 0 has 2 numbers and row 1 has 1, expected numbers of shape (3, 2) (n_frames, n_bands).",
            "segments of a wrong shape",
        ),
        (
            "[[1, 2]]",
            "shape (1, 2), expected (3, 2) (n_frames, n_bands).\n"
            "  A wrong length is refused, never padded or trimmed.",
            "segments of a wrong shape",
        ),
        (
            "[[1, [2]]]",
            "a list at row 0, column 1, expected a number.",
            "segments with wrong values",
        ),
        (
            "[[1, 2], [[3], 4]]",
            "a list at row 1, column 0, expected a number.",
            "segments with wrong values",
        ),
        ("[7, [1, 2]]", "row 0 is a number, expected a list of 2 numbers.", "segments with wrong values"),
    ],
)  # fmt: skip
def test_segments_of_json_that_are_wrong_are_told_and_counted(tmp_path, value, first, kind):
    (tmp_path / "P1.json").write_text("{" + ",".join(f'"{name}": {value}' for name in IDS) + "}")
    found = lines(tmp_path)
    assert found[:20] == [f"P1/{name}: {first}" for name in IDS[:20]]
    assert found[20:] == [f"{tmp_path}: and 5 more {kind}."]


@pytest.mark.parametrize(
    ("text", "first", "kind"),
    [
        ("[]", "the top level is a list, expected an object {segment_id: numbers}.", "unreadable files"),
        ('"' * 2041, "2041 quotation marks, expected the ids of 2 segments, and numbers only.", "unreadable files"),
        ('{"a": [], "b": [], "a": []}', "segment 'a' occurs 2 times, expected each id once.", "repeated segments"),
    ],
    ids=["list", "flood", "repeated"],
)  # fmt: skip
def test_files_of_json_that_are_wrong_are_told_and_counted(tmp_path, text, first, kind):
    names = [f"P{i:02d}" for i in range(23)]
    for name in names:
        (tmp_path / f"{name}.json").write_text(text)
    found = lines(tmp_path, Expected({name: ["a", "b"] for name in names}, 3, 2, "mel"))
    assert found[:20] == [f"{name}.json: {first}" for name in names[:20]]
    assert found[20] == f"{tmp_path}: and 3 more {kind}."


def test_segments_of_json_that_are_too_large_are_told_and_counted_and_those_of_the_most_are_read(tmp_path):
    names = [f"s{i:04d}" for i in range(2001)]  # a file of so many may be large
    asked = Expected({"P1": names}, 3, 2, "mel")
    most = asked.form.most_bytes
    rows = "[[1, 2], [3, 4], [5, 6]"
    values = [rows + " " * (size - len(rows) - 1) + "]" for size in (most, *[most + 1] * 23)]
    text = "{" + ",".join(f'"{name}":{value}' for name, value in zip(names, values, strict=False)) + "}"
    (tmp_path / "P1.json").write_text(text)
    found = lines(tmp_path, asked)
    assert found[:20] == [
        f"P1/{name}: {most + 1} bytes of JSON, expected numbers of shape (3, 2) (n_frames, n_bands)."
        for name in names[1:21]
    ]
    assert found[20:] == [f"{tmp_path}: and 3 more segments too large."]


def test_numbers_that_are_not_finite_are_told_though_the_parser_lets_them_through(tmp_path, monkeypatch):
    """msgspec refuses them today; another version may read 1e999 as Python does."""
    lenient = SimpleNamespace(decode=lambda raw: json.loads(bytes(raw)))
    monkeypatch.setattr("harness.predictions.subject_json._decoder", lambda n_bands: lenient)
    rows = "[[1, 2], [3, 1e999], [5, 6]]"
    (tmp_path / "P1.json").write_text("{" + ",".join(f'"{name}": {rows}' for name in IDS) + "}")
    found = lines(tmp_path)
    assert found[:20] == [f"P1/{name}: not finite, expected finite numbers." for name in IDS[:20]]
    assert found[20:] == [f"{tmp_path}: and 5 more segments with wrong values."]


def test_the_nearest_id_is_looked_for_only_where_it_is_told(tmp_path, monkeypatch):
    """Looking among thousands for each of thousands would take hours."""
    looked = []

    def noted(word, possibilities, **options):
        looked.append(word)
        return []

    monkeypatch.setattr(difflib, "get_close_matches", noted)
    (tmp_path / "P1.json").write_text(json.dumps({f"x{i:02d}": [] for i in range(30)}))
    assert lines(tmp_path)[20:] == [f"{tmp_path}: and 10 more unknown segments."]
    assert len(looked) == 20


def test_ids_of_json_that_are_not_asked_are_counted(tmp_path):
    (tmp_path / "P1.json").write_text(json.dumps({f"x{i:02d}": [] for i in range(23)}))
    found = lines(tmp_path)
    assert len(found) == 21
    assert all(": unknown segment, expected one of the 25 ids of P1." in line for line in found[:20])
    assert found[20] == f"{tmp_path}: and 3 more unknown segments."


def test_names_of_json_are_counted_at_the_top_level_only(tmp_path):
    asked = Expected({"P1": ["a", "b", "c"]}, 3, 2, "mel")
    rows = "[[1, 2], [3, 4], [5, 6]]"
    text = (
        f'{{"a": {rows}, "b": {{"a": {{"a": "}}"}}, "c": 1}}, "c": {rows}, "a" : {rows}, "\\u0061": {rows}}}'
    )
    (tmp_path / "P1.json").write_text(text)
    assert lines(tmp_path, asked) == [
        "P1.json: segment 'a' occurs 3 times, expected each id once.",
        "P1/b: an object, expected numbers of shape (3, 2) (n_frames, n_bands).",
    ]
    (tmp_path / "P1.json").write_text(f'{{"c": "a", "a": {rows}, "b": {rows}, "b": {rows}}}')
    assert lines(tmp_path, asked) == [
        "P1.json: segment 'b' occurs 2 times, expected each id once.",
        "P1/c: the string 'a', expected numbers of shape (3, 2) (n_frames, n_bands).",
    ]


def test_names_inside_a_segment_are_none_of_the_file(tmp_path):
    rows = "[[1, 2], [3, 4], [5, 6]]"
    (tmp_path / "P1.json").write_text(f'{{"s00": {rows}, "s01": {{"s00": {{"s02": 1}}}}, "s02": {rows}}}')
    assert lines(tmp_path) == ["P1/s01: an object, expected numbers of shape (3, 2) (n_frames, n_bands)."]


class _Refusing:
    """A parser that refuses everything, in words of its own."""

    def __init__(self, n_bands=2):
        pass

    def decode(self, raw):
        raise msgspec.DecodeError("Odd")


def test_words_of_the_parser_that_are_not_known_are_passed_on(tmp_path, monkeypatch):
    text = '{"s00": [[1, 2], [3, 4], [5, 6]]}'
    (tmp_path / "P1.json").write_text(text)
    monkeypatch.setattr("harness.predictions.subject_json._decoder", _Refusing)
    monkeypatch.setattr("harness.predictions.subject_json._ANY_ROWS", _Refusing())
    assert lines(tmp_path) == [
        "P1/s00: unreadable (Odd), expected numbers of shape (3, 2) (n_frames, n_bands)."
    ]
    monkeypatch.setattr("harness.predictions.subject_json._SPLIT", _Refusing())
    assert lines(tmp_path) == ["P1.json: Odd, expected an object {segment_id: numbers}."]


@pytest.mark.parametrize("failure", [RecursionError, ValueError])
def test_a_segment_that_cannot_be_looked_through_is_unreadable(tmp_path, monkeypatch, failure):
    def fails(*arguments, **options):
        raise failure

    (tmp_path / "P1.json").write_text('{"s00": [[1, "x"]]}')
    monkeypatch.setattr(json, "loads", fails)
    assert lines(tmp_path) == [
        "P1/s00: unreadable (Expected `float`, got `str` - at `$[0][1]`), "
        "expected numbers of shape (3, 2) (n_frames, n_bands)."
    ]


def test_values_nested_too_deep_are_said_to_be_unreadable(tmp_path):
    asked = Expected({"P1": ["a"]}, 300, 10, "mel")
    for deep in ("[" * 3000 + "]" * 3000, '{"x":' * 3000 + "1" + "}" * 3000):
        (tmp_path / "P1.json").write_text(f'{{"a": [[1], {deep}]}}')
        (line,) = lines(tmp_path, asked)
        assert line.startswith("P1")
        assert "expected" in line


def test_bytes_that_are_no_text_inside_a_segment_are_refused(tmp_path):
    (tmp_path / "P1.json").write_bytes(b'{"s00": [["\xff"]]}')
    (line,) = lines(tmp_path)
    assert line == (
        "P1.json: byte 11 is 0xff, which is not UTF-8, expected UTF-8.\n"
        "  Save it as plain UTF-8: open(path, 'w', encoding='utf-8')."
    ) or line.startswith("P1/s00: the string")


def test_a_list_of_faults_has_room_for_twenty_of_a_kind():
    faults = FaultList("here")
    for i in range(19):
        faults.add("things", Fault(f"{i}", "wrong"))
    assert faults.room("things")
    faults.add("things", Fault("19", "wrong"))
    assert not faults.room("things")
    assert faults.room("others")
    faults.count("things", 2)
    faults.count("things")
    with pytest.raises(PredictionsError) as caught:
        faults.raise_all()
    assert str(caught.value.faults[-1]) == "here: and 3 more things."


# What looks like predictions, and their hash


def test_what_looks_like_predictions(tmp_path):
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / ".hidden.txt").write_text("x")
    assert not is_predictions(folder)
    (folder / "any.json").write_text("{}")
    assert is_predictions(folder)  # nothing else is visible in it
    (folder / "notes.txt").write_text("x")
    assert not is_predictions(folder)
    (folder / "sub-1.json").write_text("{}")
    assert is_predictions(folder)
    (folder / "submission.toml").write_text("x")
    assert not is_predictions(folder)
    for name, data, looks in (
        ("a.npz", b"x", True),
        ("a.NPZ", b"x", True),
        ("a.zip", b"x", True),
        ("a.ZIP", b"x", True),
        ("a.dat", b"PK\x03\x04...", True),
        ("b.dat", b"PK\x05\x06...", True),
        ("c.dat", b"PK\x07\x08...", False),
        ("a.json", b"{}", False),
    ):
        (tmp_path / name).write_bytes(data)
        assert is_predictions(tmp_path / name) is looks
    assert not is_archive(tmp_path / "nowhere")
    assert not is_predictions(tmp_path / "nowhere.zip")


def test_the_hash_of_a_folder_is_of_names_and_hashes(tmp_path):
    import hashlib

    names = ["b.json", "a.json", "\udcff.json"]
    for name in names:
        (tmp_path / name).write_text(name[0] if name[0].isascii() else "x")
    (tmp_path / ".hidden").write_text("x")
    text = "".join(
        f"{hashlib.sha256((tmp_path / name).read_bytes()).hexdigest()}  {name}\n" for name in sorted(names)
    )
    expected = hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()
    assert predictions_sha256(tmp_path) == expected


# Archives


def test_zips_are_found_by_their_last_end_as_zipfile_does(tmp_path):
    """Bytes like an end inside the archive, in a comment, or at its very beginning change nothing."""
    path = tmp_path / "p.zip"
    end = b"PK\x05\x06" + b"\xff" * 18
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("P1.json", json.dumps({"s00": GOOD.tolist()}))
        archive.writestr(zipfile.ZipInfo("__MACOSX/x"), end)
    assert [subject for subject, _ in read_predictions(path, MANY)] == ["P1"]
    with zipfile.ZipFile(path, "a") as archive:
        archive.comment = b"a comment"
    assert [subject for subject, _ in read_predictions(path, MANY)] == ["P1"]
    with zipfile.ZipFile(path, "a") as archive:
        archive.comment = b"c" * 65535
    assert [subject for subject, _ in read_predictions(path, MANY)] == ["P1"]


def test_an_archive_without_members_is_one(tmp_path):
    path = tmp_path / "p.zip"
    zipfile.ZipFile(path, "w").close()
    assert path.read_bytes().startswith(b"PK\x05\x06")
    assert lines(path) == ["P1.json: not in the zip, expected one file for the subject."]


@pytest.mark.parametrize("text", ["{}", "[]", " \n {}", "\t[1]"])
def test_bare_json_is_called_so(tmp_path, text):
    path = tmp_path / "p.zip"
    path.write_text(text)
    assert lines(path) == [
        f"{path}: bare JSON, expected a zip archive.\n  Put one <subject>.json for each subject into a zip."
    ]
    path.write_text("x " + text)
    assert lines(path) == [f"{path}: begins with {('x ' + text)[:4].encode()!r}, expected a zip archive."]


def patched_end(path, field, value):
    """Overwrite four bytes of the end of the archive."""
    data = bytearray(path.read_bytes())
    at = data.rfind(b"PK\x05\x06")
    data[at + field : at + field + 4] = value.to_bytes(4, "little")
    path.write_bytes(data)


def test_the_list_of_members_may_have_its_most_and_no_more(tmp_path):
    path = tmp_path / "p.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("P1.json", "{}")
    refusal = f"{path}: the zip's list of members is in the zip64 form or too long, expected at most 8 388 608 bytes."
    patched_end(path, 12, MAX_DIRECTORY_BYTES + 1)
    assert lines(path) == [refusal]
    patched_end(path, 12, MAX_DIRECTORY_BYTES)
    assert lines(path)[0].startswith(f"{path}: a damaged zip (")


def test_the_zip64_form_is_refused(tmp_path):
    path = tmp_path / "p.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("P1.json", "{}")
    data = path.read_bytes()
    at = data.rfind(b"PK\x05\x06")
    path.write_bytes(data[:at] + b"PK\x06\x07" + bytes(16) + data[at:])
    assert lines(path) == [
        f"{path}: the zip's list of members is in the zip64 form or too long, expected at most 8 388 608 bytes."
    ]


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (OSError(5, "Input/output error"), "a.npy: cannot be read: Input/output error."),
        # As zipfile does where an archive ends within a member.
        (EOFError(), "a.npy: damaged in the zip (EOFError).\n  Copy or write the file again."),
    ],
    ids=["disk", "damage without a word"],
)
def test_what_fails_while_a_member_is_read_is_told(tmp_path, monkeypatch, error, message):
    path = make_npz(tmp_path / "p.npz", [("a.npy", GOOD)])

    def fails(self, *arguments):
        raise error

    with open_container(path) as container:
        monkeypatch.setattr(zipfile.ZipExtFile, "read", fails)
        with pytest.raises(PredictionsError) as caught:
            container.read("a.npy", 1000)
    assert str(caught.value) == message


def test_a_member_is_read_up_to_what_it_may_hold(tmp_path):
    path = make_npz(tmp_path / "p.npz", [("a", b"x" * 1000)])
    with open_container(path) as container:
        assert container.read("a", 1000) == b"x" * 1000
        with pytest.raises(PredictionsError) as caught:
            container.read("a", 999)
    assert str(caught.value) == "a: holds 1 000 bytes, expected at most 999 bytes for its segments."


def test_a_member_that_unpacks_to_more_is_not_unpacked_whole(tmp_path, monkeypatch):
    path = make_npz(tmp_path / "p.npz", [("a", b"x" * 5000)])
    asked = []
    read = zipfile.ZipExtFile.read

    def noted(self, n=-1):
        asked.append(n)
        return read(self, n)

    monkeypatch.setattr(zipfile.ZipExtFile, "read", noted)
    with open_container(path) as container:
        container._archive.getinfo("a").file_size = 10  # a directory that lies
        with pytest.raises(PredictionsError):
            container.read("a", 20)
    assert asked == [21]


def test_predictions_that_cannot_be_hashed_say_why(tmp_path, monkeypatch):
    for error, words in ((OSError(5, "Input/output error"), "input/output error"), (OSError("Odd"), "odd")):

        def fails(path, error=error):
            raise error

        monkeypatch.setattr("harness.predictions.reading.file_sha256", fails)
        with pytest.raises(PredictionsError) as caught:
            predictions_sha256(tmp_path / "p.zip")
        assert str(caught.value) == f"{tmp_path}/p.zip: cannot be read: {words}."


def test_files_that_cannot_be_read_are_told_and_counted_and_the_others_read(tmp_path):
    expected = Expected({f"P{i:02d}": ["a"] for i in range(25)}, 3, 2, "mel")
    for i in range(1, 24):
        (tmp_path / f"P{i:02d}.json").write_text("{}" + " " * 70_000)
    (tmp_path / "P24.json").write_text('{"a": [["x"]]}')
    found = lines(tmp_path, expected)
    assert found[0] == "P00.json: not in the folder, expected one file for each of 25 subjects."
    assert found[1:21] == [
        f"P{i:02d}.json: holds 70 002 bytes, expected at most 66 982 bytes for its segments."
        for i in range(1, 21)
    ]
    assert found[21:] == [
        f"{tmp_path}: and 3 more unreadable files.",
        "P24/a: the string 'x' at row 0, column 0, expected a number.",
    ]


def test_where_nobody_is_asked_every_file_is_unknown(tmp_path):
    (tmp_path / "P1.json").write_text("{}")
    assert lines(tmp_path, Expected({}, 3, 2, "mel")) == [
        "P1.json: not a subject's file, expected <subject>.json and the like."
    ]


def test_files_that_are_not_asked_or_there_twice_are_told_and_counted(tmp_path):
    subjects = [f"P{i:02d}" for i in range(22)]
    members = [(f"x{i:02d}.json", b"{}") for i in range(24)] + [
        (f"{name}.json", b"{}") for name in subjects
    ] * 2
    path = make_npz(tmp_path / "p.zip", members)
    found = lines(path, Expected({name: ["a"] for name in subjects}, 3, 2, "mel"))
    assert found[0].startswith("x00.json: not a subject's file, expected P00.json and the like.")
    assert found[20] == f"{path}: and 4 more unknown files."
    assert found[21:41] == [
        f"{name}.json: twice in the zip, expected one file a subject." for name in subjects[:20]
    ]
    assert found[41:] == [f"{path}: and 2 more repeated files."]


def test_files_that_are_missing_are_told_and_counted(tmp_path):
    found = lines(tmp_path, Expected({f"P{i:02d}": ["a"] for i in range(23)}, 3, 2, "mel"))
    assert found[0] == "P00.json: not in the folder, expected one file for each of 23 subjects."
    assert found[20:] == [f"{tmp_path}: and 3 more missing files."]


# One rule each of shapes and containers


@pytest.mark.parametrize("shape", [(0, 2), (3, 0), (3,), (1, 3, 2)])
def test_where_any_number_of_frames_will_do_there_must_be_one(shape):
    form = SegmentForm(None, 2, "mel")
    assert form.fault("here", (1, 2)) is None
    fault = form.fault("here", shape)
    assert str(fault).startswith(f"here: shape {shape}, expected (any, 2) (n_frames, n_bands).")


def test_a_container_knows_its_path_and_its_visible_members_in_order(tmp_path):
    folder = tmp_path / "folder"
    folder.mkdir()
    for name in ("b.json", ".hidden.json", "a.json", "c.d"):
        (folder / name).write_text(name)
    with open_container(folder) as container:
        assert (container.noun, container.where) == ("folder", str(folder))
        assert container.names() == ["a.json", "b.json", "c.d"]
        assert container.read("b.json", 6) == b"b.json"
    for name in ("p.zip", "p.NPZ"):
        path = make_npz(tmp_path / name, [("b", b"x"), ("a/", b""), ("a/c", b"x")])
        with open_container(path) as container:
            assert (container.noun, container.where) == (name[2:].lower(), str(path))
            assert container.names() == ["b", "a/c"]


def test_a_folder_that_goes_while_it_is_read_is_told(tmp_path):
    folder = tmp_path / "folder"
    folder.mkdir()
    with open_container(folder) as container:
        with pytest.raises(PredictionsError) as caught:
            container.read("P1.json", 10)
        assert str(caught.value) == "P1.json: cannot be read: no such file or directory."
        folder.rmdir()
        with pytest.raises(PredictionsError) as caught:
            container.names()
        assert str(caught.value) == f"{folder}: cannot be read: no such file or directory."


def test_a_file_that_grows_after_it_was_looked_at_is_not_read_whole(tmp_path, monkeypatch):
    (tmp_path / "P1.json").write_bytes(b"{}")
    look = Path.lstat

    def look_and_grow(path):
        found = look(path)
        path.write_bytes(b"x" * 100)
        return found

    with open_container(tmp_path) as container:
        monkeypatch.setattr(Path, "lstat", look_and_grow)
        with pytest.raises(PredictionsError) as caught:
            container.read("P1.json", 10)
    assert str(caught.value) == "P1.json: cannot be read: 100 bytes, more than 10."


def test_what_macos_adds_is_passed_over_wherever_it_lies(tmp_path):
    members = [(name, b"x") for name in (".DS_Store", "a/.DS_Store", "a/b/.DS_Store", "__MACOSX/a/._P1.json")]
    path = make_npz(tmp_path / "p.zip", [*members, ("P1.json", b"{}")])
    assert [subject for subject, _ in read_predictions(path, MANY)] == ["P1"]


def test_bare_json_is_looked_for_in_the_first_sixteen_bytes(tmp_path):
    path = tmp_path / "p.zip"
    path.write_text(" " * 15 + "{}")
    assert lines(path)[0].startswith(f"{path}: bare JSON, expected a zip archive.")
    path.write_text(" " * 16 + "{}")
    assert lines(path) == [f"{path}: begins with b'    ', expected a zip archive."]


END = b"PK\x05\x06"
TOO_LONG = "the zip's list of members is in the zip64 form or too long, expected at most 8 388 608 bytes."


def one_member(path):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("P1.json", json.dumps({"s00": GOOD.tolist()}))
    data = path.read_bytes()
    return data, data.rfind(END)


def test_a_comment_that_ends_in_zeros_is_no_end_of_the_archive(tmp_path):
    path = tmp_path / "p.zip"
    one_member(path)
    with zipfile.ZipFile(path, "a") as archive:
        archive.comment = b"c" * 30 + b"\0\0"
    assert [subject for subject, _ in read_predictions(path, MANY)] == ["P1"]


def test_a_mark_inside_the_end_of_the_archive_hides_no_long_list(tmp_path):
    """zipfile takes the end that stands last without a comment, and so would load the list it names."""
    path = tmp_path / "p.zip"
    data, at = one_member(path)
    end = bytearray(data[at:])
    end[4:8] = END  # where the numbers of disks stand, which zipfile passes over
    end[12:16] = (MAX_DIRECTORY_BYTES + 1).to_bytes(4, "little")
    path.write_bytes(data[:at] + end)
    assert lines(path) == [f"{path}: {TOO_LONG}"]


@pytest.mark.parametrize(
    ("after", "found"),
    [
        (65578, "a damaged zip (File is not a zip file)."),
        (65579, "a zip cut off after {size} bytes, expected a whole one."),
    ],
)
def test_an_end_further_from_the_files_end_than_a_comment_is_long_is_none(tmp_path, after, found):
    path = tmp_path / "p.zip"
    data, at = one_member(path)
    path.write_bytes(data[:at] + (data[at:] + b"x" * after)[:after])
    size = f"{at + after:,}".replace(",", " ")
    assert lines(path) == [f"{path}: {found.format(size=size)}\n  Copy or write the file again."]


def test_the_zip64_form_is_refused_at_a_files_very_beginning_too(tmp_path):
    path = tmp_path / "p.zip"
    path.write_bytes(b"PK\x06\x07" + bytes(16) + END + bytes(18))
    assert lines(path) == [f"{path}: {TOO_LONG}"]


@pytest.mark.parametrize("dtype", ["<f4", ">f4", "<f8", ">f8"])
def test_an_array_by_columns_is_read_by_rows(tmp_path, dtype):
    array = np.asfortranarray(np.arange(6).reshape(3, 2).astype(dtype))
    path = make_npz(tmp_path / "p.npz", [("P1/s00.npy", array)])
    ((_, segments),) = read_predictions(path, MANY)
    assert segments["s00"].tolist() == [[0, 1], [2, 3], [4, 5]]
    assert segments["s00"].dtype == np.float64
    assert segments["s00"].flags.c_contiguous
