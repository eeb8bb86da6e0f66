"""Predictions: every format there and back, and what its readers and writers promise."""

from __future__ import annotations

import errno
import json
import os
import zipfile
from collections.abc import Iterator, Mapping

import numpy as np
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from harness.errors import PredictionsError, UsageError
from harness.predictions import (
    Expected,
    LabelStore,
    check_destination,
    check_subjects,
    is_predictions,
    predictions_sha256,
    read_predictions,
    write_predictions,
)

FORMATS = ["all.zip", "all.npz", "folder"]
IDS = {"sub-086": ["a", "sub-086_x_000", "c/d ü"], "sub-087": ["a", "b"]}
EXPECTED = Expected(IDS, n_times=8, n_bands=2, feature="mel")


def arrays(
    dtype: type[np.floating] = np.float32, ids: Mapping[str, list[str]] = IDS
) -> dict[str, dict[str, np.ndarray]]:
    rng = np.random.default_rng(7)
    return {
        subject: {i: rng.standard_normal((8, 2)).astype(dtype) for i in own} for subject, own in ids.items()
    }


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_round_trip_is_exact_and_in_the_asked_order(tmp_path, name, dtype):
    given_ = arrays(dtype)
    turned = {s: dict(reversed(segments.items())) for s, segments in reversed(given_.items())}
    write_predictions(tmp_path / name, turned.items())
    read = dict(read_predictions(tmp_path / name, EXPECTED))
    assert [(s, list(segments)) for s, segments in read.items()] == list(IDS.items())
    for subject, segments in read.items():
        for segment_id, array in segments.items():
            assert array.dtype == np.float64
            assert array.flags.c_contiguous
            np.testing.assert_array_equal(array.astype(dtype), given_[subject][segment_id])


@settings(max_examples=60, deadline=None)
@given(hnp.arrays(np.float32, (3, 2), elements=st.floats(width=32, allow_nan=False, allow_infinity=False)))
def test_any_float32_survives_the_official_json(tmp_path_factory, array):
    path = tmp_path_factory.mktemp("fuzz") / "p.zip"
    write_predictions(path, [("sub-086", {"a": array})])
    expected = Expected({"sub-086": ["a"]}, 3, 2, "mel")
    [(_, read)] = read_predictions(path, expected)
    assert read["a"].astype(np.float32).tobytes() == array.tobytes()


@settings(max_examples=100, deadline=None)
@given(
    st.lists(
        st.one_of(
            st.floats(allow_nan=False, allow_infinity=False),
            st.integers(min_value=-(10**300), max_value=10**300),
        ),
        min_size=1,
        max_size=6,
    ),
    st.sampled_from([None, 1, 4]),
)
def test_any_json_number_is_read_as_python_reads_it(tmp_path_factory, numbers, indent):
    folder = tmp_path_factory.mktemp("fuzz")
    text = json.dumps({"a": [[x] for x in numbers]}, indent=indent)
    (folder / "sub-086.json").write_text(text, encoding="utf-8")
    expected = Expected({"sub-086": ["a"]}, len(numbers), 1, "envelope")
    [(_, read)] = read_predictions(folder, expected)
    assert read["a"].tolist() == [[float(x)] for x in numbers]


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=80) | st.text('[]{}",:aN1e9-.\\u ', max_size=60).map(str.encode))
def test_hostile_bytes_are_read_or_refused_but_never_crash(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("fuzz")
    (folder / "sub-086.json").write_bytes(data)
    expected = Expected({"sub-086": ["a"]}, 1, 1, "envelope")
    try:
        [(_, read)] = read_predictions(folder, expected)
    except PredictionsError:
        return
    assert orjson.loads(data).keys() == read.keys()


def test_float32_is_written_as_its_shortest_decimal():
    bits = np.random.default_rng(3).integers(0, 2**32, 20000, dtype=np.uint32)
    numbers = bits.view(np.float32)
    numbers = numbers[np.isfinite(numbers)]
    written = orjson.dumps(numbers, option=orjson.OPT_SERIALIZE_NUMPY)[1:-1].split(b",")
    for number, text in zip(numbers, written, strict=True):
        shortest = np.format_float_scientific(number, unique=True, trim="-")
        assert digits(text.decode()) == digits(shortest)
        assert np.float32(text.decode()) == number


def digits(text: str) -> str:
    return text.partition("e")[0].lstrip("-").replace(".", "").strip("0")


@pytest.mark.parametrize("name", FORMATS)
def test_absent_segments_are_absent(tmp_path, name):
    given_ = arrays()
    del given_["sub-086"]["a"]
    write_predictions(tmp_path / name, given_.items())
    read = dict(read_predictions(tmp_path / name, EXPECTED))
    assert list(read["sub-086"]) == IDS["sub-086"][1:]


@pytest.mark.parametrize("name", FORMATS)
def test_same_arrays_give_the_same_bytes_and_another_array_another_hash(tmp_path, name):
    hashes = []
    for i, scale in enumerate([1, 1, 2]):
        place = tmp_path / str(i)
        place.mkdir()
        scaled = {s: {k: v * scale for k, v in own.items()} for s, own in arrays().items()}
        write_predictions(place / name, scaled.items())
        os.utime(place / name, (i, i))
        hashes.append(predictions_sha256(place / name))
    assert hashes[0] == hashes[1] != hashes[2]


def test_hash_of_a_file_is_that_of_its_bytes(tmp_path):
    (tmp_path / "p.zip").write_bytes(b"abc")
    # FIPS 180-2, appendix B.1
    expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert predictions_sha256(tmp_path / "p.zip") == expected


def test_hash_of_a_folder_names_its_files(tmp_path):
    for folder, name in [("x", "sub-1.json"), ("y", "sub-2.json")]:
        (tmp_path / folder).mkdir()
        (tmp_path / folder / name).write_text("{}", encoding="ascii")
    assert predictions_sha256(tmp_path / "x") != predictions_sha256(tmp_path / "y")
    with pytest.raises(PredictionsError, match=r"none: cannot be read: no such file or directory"):
        predictions_sha256(tmp_path / "none")


def test_official_zip_has_one_json_a_subject_as_any_reader_reads_it(tmp_path):
    given_ = arrays()
    write_predictions(tmp_path / "all.zip", given_.items())
    with zipfile.ZipFile(tmp_path / "all.zip") as archive:
        assert archive.namelist() == ["sub-086.json", "sub-087.json"]
        assert {info.compress_type for info in archive.infolist()} == {zipfile.ZIP_DEFLATED}
        read = json.loads(archive.read("sub-087.json"))
    assert np.array_equal(np.array(read["b"], np.float32), given_["sub-087"]["b"])


def test_npz_is_what_numpy_reads_and_writes(tmp_path):
    given_ = arrays()
    write_predictions(tmp_path / "ours.npz", given_.items())
    with np.load(tmp_path / "ours.npz", allow_pickle=False) as read:
        names = ["sub-086/a", "sub-086_x_000", "sub-086/c/d ü", "sub-087/a", "sub-087/b"]
        assert list(read) == names
        flat = {name: np.asfortranarray(read[name].astype(">f8")) for name in names}
    np.savez_compressed(tmp_path / "theirs.npz", **flat)
    for subject, segments in read_predictions(tmp_path / "theirs.npz", EXPECTED):
        for segment_id, array in segments.items():
            assert array.dtype == np.float64
            np.testing.assert_array_equal(array, given_[subject][segment_id])


def test_zip_may_have_one_folder_at_its_top_and_what_macos_adds(tmp_path):
    with zipfile.ZipFile(tmp_path / "p.zip", "w") as archive:
        archive.mkdir("mine")
        for name in ["mine/sub-086.json", "mine/sub-087.json"]:
            archive.writestr(name, "{}")
        for name in ["mine/.DS_Store", "__MACOSX/mine/._sub-086.json"]:
            archive.writestr(name, b"\0")
    assert dict(read_predictions(tmp_path / "p.zip", EXPECTED)) == {"sub-086": {}, "sub-087": {}}


def test_subjects_before_the_first_fault_are_yielded_and_none_after(tmp_path):
    expected = Expected({f"sub-{i}": ["a"] for i in range(4)}, 1, 1, "envelope")
    for i in range(4):
        value = '"x"' if i == 1 else "[[1]]"
        (tmp_path / f"sub-{i}.json").write_text(f'{{"a": {value}}}', encoding="ascii")
    reading = read_predictions(tmp_path, expected)
    assert next(reading)[0] == "sub-0"
    with pytest.raises(PredictionsError):
        next(reading)


def test_is_predictions_tells_them_from_a_submission(tmp_path):
    write_predictions(tmp_path / "p.zip", arrays().items())
    write_predictions(tmp_path / "folder", arrays().items())
    (tmp_path / "p.zip").rename(tmp_path / "no-suffix")
    (tmp_path / "broken.zip").write_bytes(b"")
    submission = tmp_path / "submission"
    submission.mkdir()
    (submission / "sub-001.json").write_text("{}", encoding="ascii")
    (submission / "submission.toml").write_text("", encoding="ascii")
    (tmp_path / "text.md").write_text("PK", encoding="ascii")
    found = sorted(p.name for p in tmp_path.iterdir() if is_predictions(p))
    assert found == ["broken.zip", "folder", "no-suffix"]
    assert not is_predictions(tmp_path / "none")


@pytest.mark.parametrize("name", FORMATS)
def test_label_store_reads_each_subject(tmp_path, name):
    given_ = arrays()
    write_predictions(tmp_path / name, given_.items())
    store = LabelStore(tmp_path / name, n_bands=2)
    assert store.subjects() == ("sub-086", "sub-087")
    for subject, segments in given_.items():
        read = store.subject(subject)
        assert list(read) == list(segments)
        for segment_id, array in read.items():
            np.testing.assert_array_equal(array.astype(np.float32), segments[segment_id])


def test_label_store_is_as_strict_on_numbers(tmp_path):
    text = '{"a": [[1, 2]], "b": [[1, NaN]], "c": [[1, 2, 3]]}'
    (tmp_path / "sub-086.json").write_text(text, encoding="ascii")
    store = LabelStore(tmp_path, n_bands=2)
    with pytest.raises(PredictionsError) as caught:
        store.subject("sub-086")
    assert str(caught.value) == (
        "sub-086/b: NaN at row 0, column 1, expected a finite float64.\n"
        "sub-086/c: shape (1, 3), expected (any, 2) (n_frames, n_bands).\n"
        "  The scored feature is mel: 2 numbers a frame."
    )
    with pytest.raises(PredictionsError) as caught:
        store.subject("sub-087")
    assert str(caught.value) == (f"sub-087: no references in {tmp_path}, expected one of sub-086.")


def test_label_store_refuses_names_without_a_subject_and_an_empty_folder(tmp_path):
    np.savez(tmp_path / "p.npz", segment=np.zeros((8, 2)))
    with pytest.raises(PredictionsError) as caught:
        LabelStore(tmp_path / "p.npz", 2)
    assert str(caught.value) == "segment: names no subject, expected subject/segment_id."
    (tmp_path / "empty").mkdir()
    with pytest.raises(PredictionsError) as caught:
        LabelStore(tmp_path / "empty", 2)
    assert str(caught.value) == (f"{tmp_path / 'empty'}: no references, expected at least one subject's.")


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("failure", [KeyboardInterrupt, OSError(errno.ENOSPC, "mine")])
def test_interrupted_write_leaves_no_file_and_the_interruption_passes(tmp_path, name, failure):
    def subjects() -> Iterator[tuple[str, dict[str, np.ndarray]]]:
        yield from list(arrays().items())[:1]
        raise failure

    with pytest.raises(failure if isinstance(failure, type) else OSError):
        write_predictions(tmp_path / name, subjects())
    assert list(tmp_path.iterdir()) == []


def test_failed_write_keeps_the_older_file(tmp_path):
    path = tmp_path / "p.zip"
    write_predictions(path, arrays().items())
    before = path.read_bytes()
    bad = {"a": np.full((8, 2), np.nan, np.float32)}
    with pytest.raises(PredictionsError) as caught:
        write_predictions(path, [("sub-086", arrays()["sub-086"]), ("sub-087", bad)])
    assert str(caught.value) == ("sub-087/a: 16 of 16 numbers are NaN or infinite, expected finite numbers.")
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["p.zip"]  # noqa: PTH208  hidden files count too


@pytest.mark.parametrize("name", FORMATS)
def test_full_disk_is_one_clear_error_and_leaves_no_file(tmp_path, name, monkeypatch):
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(PredictionsError) as caught:
        write_predictions(tmp_path / name, arrays().items())
    assert str(caught.value) == f"{tmp_path / name}: cannot be written: no space left on device."
    assert list(tmp_path.iterdir()) == []


def test_writing_into_no_folder_or_over_one_is_refused(tmp_path):
    path = tmp_path / "none" / "p.zip"
    with pytest.raises(PredictionsError) as caught:
        write_predictions(path, arrays().items())
    assert str(caught.value) == (
        f"{path}: cannot be written: no such file or directory.\n"
        f"  Make the folder first: mkdir -p {path.parent}"
    )
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "notes").touch()
    with pytest.raises(PredictionsError) as caught:
        write_predictions(tmp_path / "full", arrays().items())
    assert str(caught.value) == (
        f"{tmp_path / 'full'}: is there already, expected a new folder.\n"
        "  Remove it first, or choose another name."
    )


def test_unknown_suffix_is_wrong_usage(tmp_path):
    with pytest.raises(UsageError) as caught:
        write_predictions(tmp_path / "p.json", arrays().items())
    assert str(caught.value) == (
        f"{tmp_path / 'p.json'}: unknown suffix '.json', expected .zip, .npz, or no suffix for a folder."
    )


@pytest.mark.parametrize(
    ("subject", "segments", "expected"),
    [
        (
            "../x",
            {},
            "subject '../x': a name that no file of predictions can have, expected 1 to 200 bytes of printable"
            " characters without '/' and '\\', the first not '.'.\n"
            "  Rename the subject's files of EEG, and the subject in the split.",
        ),
        (
            "sub-1",
            {"a": np.zeros((2, 2), int)},
            "sub-1/a: dtype int64, expected float32 or float64.",
        ),
        ("sub-1", {"a": np.zeros(2)}, "sub-1/a: shape (2,), expected (n_frames, n_bands)."),
        (
            "sub-1",
            {"a": np.array([[1, np.inf]])},
            "sub-1/a: 1 of 2 numbers is NaN or infinite, expected finite numbers.",
        ),
        (
            "sub-1",
            {"a\n": np.zeros((2, 2))},
            "sub-1/a\\n: a segment id that is empty, too long or not printable.",
        ),
    ],
)
def test_writer_refuses_what_readers_refuse(tmp_path, subject, segments, expected):
    with pytest.raises(PredictionsError) as caught:
        write_predictions(tmp_path / "p.zip", [(subject, segments)])
    assert str(caught.value) == expected


def test_writer_refuses_a_subject_twice(tmp_path):
    with pytest.raises(PredictionsError) as caught:
        write_predictions(tmp_path / "p.zip", [("sub-1", {}), ("sub-1", {})])
    assert str(caught.value) == "sub-1: written twice, expected each subject once."


def test_folder_of_dtu_subjects_is_predictions_too(tmp_path):
    (tmp_path / "notes.json").write_text("{}")
    (tmp_path / "notes.md").write_text("")
    assert not is_predictions(tmp_path)
    (tmp_path / "S9.json").write_text("{}")
    assert is_predictions(tmp_path)
    (tmp_path / "submission.toml").touch()
    assert not is_predictions(tmp_path)


def test_mel_where_the_envelope_is_asked_is_told_by_its_shape(tmp_path):
    rng = np.random.default_rng(0)
    ids = [f"sub-086_x_{i:03d}" for i in range(8)]
    write_predictions(tmp_path / "p", [("sub-086", {name: rng.standard_normal((1920, 10)) for name in ids})])
    expected = Expected({"sub-086": ids}, 1920, 1, "envelope")
    with pytest.raises(PredictionsError) as caught:
        list(read_predictions(tmp_path / "p", expected))
    assert str(caught.value.faults[0]) == (
        "sub-086_x_000: shape (1920, 10), expected (1920, 1) (n_frames, n_bands).\n"
        "  The scored feature is envelope: 1 number a frame."
    )


@pytest.mark.parametrize("file", ["p.zip", "p.npz", "p"])
@pytest.mark.parametrize("subject", ["Żółć 12", "P_01", "anna", "s.1", "a_b_c", "x..y"])
def test_whatever_a_subject_is_called_its_predictions_are_written_and_read(tmp_path, file, subject):
    ids = [f"{subject}_story_a_000", "other"]
    made = {one: np.full((4, 1), place, np.float32) for place, one in enumerate(ids)}
    write_predictions(tmp_path / file, [(subject, made)])
    assert is_predictions(tmp_path / file)
    expected = Expected({subject: ids}, 4, 1, "envelope")
    ((name, read),) = read_predictions(tmp_path / file, expected)
    assert name == subject
    assert {one: values.tolist() for one, values in read.items()} == {
        one: values.tolist() for one, values in made.items()
    }


@pytest.mark.parametrize("subject", ["", ".hidden", "a/b", "a\\b", "a\n", "é" * 101])
def test_subjects_that_no_file_can_name_are_refused_before_predicting(subject):
    with pytest.raises(PredictionsError, match="a name that no file of predictions can have"):
        check_subjects(["P01", subject])


# What is written


def test_a_destination_is_refused_before_anything_is_predicted(tmp_path):
    (tmp_path / "folder.zip").mkdir()
    for call in (check_destination, lambda path: write_predictions(path, [])):
        with pytest.raises(PredictionsError) as caught:
            call(tmp_path / "folder.zip")
        assert str(caught.value) == f"{tmp_path}/folder.zip: is a folder, expected a file's name."
        with pytest.raises(UsageError) as refused:
            call(tmp_path / "p.csv")
        assert str(refused.value) == (
            f"{tmp_path}/p.csv: unknown suffix '.csv', expected .zip, .npz, or no suffix for a folder."
        )
        with pytest.raises(PredictionsError) as caught:
            call(tmp_path / "nowhere/p")
        assert str(caught.value) == (
            f"{tmp_path}/nowhere/p: cannot be written: no such file or directory.\n"
            f"  Make the folder first: mkdir -p {tmp_path}/nowhere"
        )
    check_destination(tmp_path / "fine.zip")
    check_destination(tmp_path / "fine")
    assert [path.name for path in tmp_path.iterdir()] == ["folder.zip"]  # nothing is left


def test_a_folder_in_the_making_lies_hidden_beside_its_place(tmp_path):
    seen = []

    def subjects():
        yield "sub-086", arrays()["sub-086"]
        seen.extend(path.name for path in tmp_path.iterdir())
        yield "sub-087", arrays()["sub-087"]

    write_predictions(tmp_path / "made", subjects())
    (name,) = seen
    assert name.startswith(".made.")
    assert name.endswith(".tmp")
    assert [path.name for path in tmp_path.iterdir()] == ["made"]
    assert (tmp_path / "made").stat().st_mode & 0o777 == 0o755


@pytest.mark.parametrize("name", ["all.zip", "all.npz"])
def test_members_of_archives_are_the_same_on_every_system(tmp_path, name):
    write_predictions(tmp_path / name, arrays().items())
    with zipfile.ZipFile(tmp_path / name) as archive:
        for info in archive.infolist():
            assert info.date_time == (1980, 1, 1, 0, 0, 0)
            assert info.create_system == 3
            assert info.external_attr == 0o644 << 16
            method = zipfile.ZIP_DEFLATED if name == "all.zip" else zipfile.ZIP_STORED
            assert info.compress_type == method


def test_json_is_deflated_at_the_fastest_level(tmp_path):
    import zlib

    write_predictions(tmp_path / "all.zip", arrays().items())
    with zipfile.ZipFile(tmp_path / "all.zip") as archive:
        for info in archive.infolist():
            data = archive.read(info)
            sizes = {}
            for level in (1, 6):
                packer = zlib.compressobj(level, zlib.DEFLATED, -15)
                sizes[level] = len(packer.compress(data) + packer.flush())
            assert sizes[1] != sizes[6]
            assert info.compress_size == sizes[1]


def test_json_has_one_segment_a_line(tmp_path):
    values = np.array([[1.5], [2]], np.float32)
    write_predictions(tmp_path / "made", [("P1", {"a": values, 'b"': values}), ("P2", {})])
    assert (tmp_path / "made/P1.json").read_bytes() == b'{"a":[[1.5],[2.0]],\n"b\\"":[[1.5],[2.0]]}\n'
    assert (tmp_path / "made/P2.json").read_bytes() == b"{}\n"


def test_arrays_of_an_npz_are_of_the_first_version_of_the_format(tmp_path):
    write_predictions(tmp_path / "p.npz", [("P1", {"a": np.ones((2, 1), ">f4")})])
    with zipfile.ZipFile(tmp_path / "p.npz") as archive:
        data = archive.read("P1/a.npy")
    assert data.startswith(b"\x93NUMPY\x01\x00")
    assert b"'descr': '<f4'" in data
    assert data.endswith(np.ones(2, "<f4").tobytes())


def test_names_may_be_as_long_as_disks_let_them_and_no_longer(tmp_path):
    check_subjects(["x" * 200, "x"])
    for name in ("x" * 201, ""):
        with pytest.raises(PredictionsError):
            check_subjects([name])
    values = np.ones((2, 1))
    write_predictions(tmp_path / "p.npz", [("P1", {"x" * 1000: values, "y": values})])
    for segment_id in ("x" * 1001, "", "a\n"):
        with pytest.raises(PredictionsError, match="a segment id that is empty, too long or not printable"):
            write_predictions(tmp_path / "q.npz", [("P1", {segment_id: values})])
