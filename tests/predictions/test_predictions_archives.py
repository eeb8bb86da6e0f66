"""Zips, npz archives and folders that must be refused: one test a refusal, the whole message."""

from __future__ import annotations

import io
import os
import stat
import struct
import warnings
import zipfile
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest

from harness.errors import PredictionsError
from harness.predictions import Expected, LabelStore, read_predictions

SMALL = Expected({"sub-086": ["seg-1", "seg-2"]}, n_times=3, n_bands=2, feature="mel")
FORM = "(3, 2) (n_frames, n_bands)"
REMEDY_ZIP = "\n  Copy or write the file again."
REMEDY_BANDS = "\n  The scored feature is mel: 2 numbers a frame."
REMEDY_LENGTH = "\n  A wrong length is refused, never padded or trimmed."


def message(path: Path, expected: Expected = SMALL) -> str:
    with pytest.raises(PredictionsError) as caught:
        list(read_predictions(path, expected))
    return str(caught.value)


def make_zip(path: Path, members: Iterable[tuple[str | zipfile.ZipInfo, str | bytes]]) -> Path:
    with warnings.catch_warnings(), zipfile.ZipFile(path, "w") as archive:
        warnings.simplefilter("ignore")  # of a name that occurs twice
        for name, data in members:
            archive.writestr(name, data)
    return path


# Files and subjects


def many(n: int) -> Expected:
    return Expected({f"sub-{86 + i:03d}": ["seg-1"] for i in range(n)}, 3, 2, "mel")


def test_missing_subjects_file_is_named(tmp_path):
    expected = many(19)
    path = make_zip(
        tmp_path / "p.zip",
        [(f"{s}.json", "{}") for s in expected.segment_ids if s != "sub-090"],
    )
    assert message(path, expected) == (
        "sub-090.json: not in the zip, expected one file for each of 19 subjects."
    )


def test_folder_without_any_subjects_file_is_refused(tmp_path):
    assert message(tmp_path) == ("sub-086.json: not in the folder, expected one file for the subject.")


def test_unknown_file_is_named_with_the_nearest(tmp_path):
    path = make_zip(tmp_path / "p.zip", [("sub-086.json", "{}"), ("sub-86.json", "{}")])
    assert message(path) == (
        "sub-86.json: not a subject's file, expected sub-086.json and the like.\n"
        "  Did you mean 'sub-086.json'?"
    )


def test_subject_twice_in_a_zip_is_refused(tmp_path):
    path = make_zip(tmp_path / "p.zip", [("sub-086.json", "{}"), ("sub-086.json", "{}")])
    assert message(path) == "sub-086.json: twice in the zip, expected one file a subject."


def test_file_too_large_for_its_segments_is_refused(tmp_path):
    (tmp_path / "sub-086.json").write_text("{}" + " " * 70_000, encoding="ascii")
    assert message(tmp_path) == (
        "sub-086.json: holds 70 002 bytes, expected at most 68 476 bytes for its segments."
    )


def test_links_and_folders_in_a_folder_are_refused(tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("{}", encoding="ascii")
    folder = tmp_path / "p"
    folder.mkdir()
    (folder / "sub-086.json").symlink_to(secret)
    (folder / "sub-087.json").mkdir()
    assert message(folder, many(2)) == (
        "sub-086.json: a link, expected a plain file.\nsub-087.json: not a plain file, expected a plain file."
    )


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_unreadable_file_is_refused(tmp_path):
    path = make_zip(tmp_path / "p.zip", [("sub-086.json", "{}")])
    path.chmod(0)
    assert message(path) == f"{path}: cannot be read: permission denied."


# Archives


def test_no_such_path(tmp_path):
    path = tmp_path / "p.zip"
    assert message(path) == f"{path}: cannot be read: no such file or directory."


@pytest.mark.parametrize("name", ["p.zip", "p.npz"])
@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", f"an empty file, expected a zip archive.{REMEDY_ZIP}"),
        (b"Rar!...", "begins with b'Rar!', expected a zip archive."),
        (b'{"seg-1": []}', "bare JSON, expected a zip archive.\n"
         "  Put one <subject>.json for each subject into a zip."),
    ],
)  # fmt: skip
def test_what_is_no_zip_is_refused(tmp_path, name, data, expected):
    path = tmp_path / name
    path.write_bytes(data)
    assert message(path) == f"{path}: {expected}"


def test_truncated_zip_is_refused(tmp_path):
    path = make_zip(tmp_path / "p.zip", [("sub-086.json", "{}" + " " * 500)])
    path.write_bytes(path.read_bytes()[:400])
    assert message(path) == f"{path}: a zip cut off after 400 bytes, expected a whole one.{REMEDY_ZIP}"


def test_bad_checksum_is_refused(tmp_path):
    path = make_zip(tmp_path / "p.zip", [("sub-086.json", '{"seg-1": [[1, 2]]}')])
    path.write_bytes(path.read_bytes().replace(b"[[1, 2]]", b"[[1, 3]]"))
    assert message(path) == (
        "sub-086.json: damaged in the zip (Bad CRC-32 for file 'sub-086.json')." + REMEDY_ZIP
    )


def patch_directory(path: Path, offset: int, value: bytes) -> None:
    """Overwrite bytes of the last member's entry in a zip's directory."""
    data = bytearray(path.read_bytes())
    at = data.rfind(b"PK\x01\x02") + offset
    data[at : at + len(value)] = value
    path.write_bytes(data)


def test_encrypted_member_is_refused(tmp_path):
    path = make_zip(tmp_path / "p.zip", [("sub-086.json", "{}")])
    patch_directory(path, 8, struct.pack("<H", 1))
    assert message(path) == "sub-086.json: encrypted, expected a zip without a password."


@pytest.mark.parametrize(
    ("method", "name"), [(12, "bzip2"), (14, "lzma"), (93, "zstandard"), (77, "method 77")]
)
def test_unusual_compression_is_refused(tmp_path, method, name):
    path = make_zip(tmp_path / "p.zip", [("sub-086.json", "{}")])
    patch_directory(path, 10, struct.pack("<H", method))
    assert message(path) == f"sub-086.json: compressed with {name}, expected deflate, or none."


def test_bomb_is_refused_by_its_declared_size(tmp_path):
    path = tmp_path / "p.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("sub-086.json", b"{}" + b" " * 20_000_000)
    assert message(path) == (
        "sub-086.json: holds 20 000 002 bytes, expected at most 68 476 bytes for its segments."
    )


def test_bomb_that_declares_a_small_size_is_refused_while_reading(tmp_path):
    path = tmp_path / "p.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("sub-086.json", b"{}" + b" " * 20_000_000)
    patch_directory(path, 24, struct.pack("<I", 100))
    assert message(path) == (
        "sub-086.json: damaged in the zip (Bad CRC-32 for file 'sub-086.json')." + REMEDY_ZIP
    )


def test_member_that_declares_more_than_it_holds_is_refused(tmp_path):
    path = tmp_path / "p.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("sub-086.json", "{}")
    patch_directory(path, 24, struct.pack("<I", 100))
    assert message(path) == (
        "sub-086.json: unpacks to 2 bytes, expected 100 bytes as the zip's directory says." + REMEDY_ZIP
    )


def test_zip_with_a_flood_of_members_is_refused_before_they_are_listed(tmp_path):
    path = make_zip(tmp_path / "p.zip", [("sub-086.json", "{}")])
    data = bytearray(path.read_bytes())
    data[-10:-6] = struct.pack("<I", 1 << 30)
    path.write_bytes(data)
    assert message(path) == (
        f"{path}: the zip's list of members is in the zip64 form or too long, "
        "expected at most 8 388 608 bytes."
    )


@pytest.mark.parametrize("name", ["../sub-086.json", "/sub-086.json", "x\\sub-086.json"])
def test_names_that_lead_out_of_a_zip_are_refused(tmp_path, name):
    path = make_zip(tmp_path / "p.zip", [(name, "{}")])
    assert message(path) == (f"{name}: leads out of the zip, expected a plain file name.")


@pytest.mark.parametrize(
    ("names", "found"),
    [
        (["a/sub-086.json", "sub-087.json"], "files lie in ., a"),
        (["a/sub-086.json", "b/sub-087.json"], "files lie in a, b"),
        (["a/b/sub-086.json", "a/b/sub-087.json"], "files lie in a/b"),
    ],
)
def test_several_or_nested_folders_in_a_zip_are_refused_and_nothing_else_is_said(tmp_path, names, found):
    path = make_zip(tmp_path / "p.zip", [(name, "{}") for name in names])
    assert message(path, many(2)) == (
        f"{path}: {found}, expected every file at the top of the zip, or all of them in one folder there."
    )


def test_link_in_a_zip_is_refused(tmp_path):
    info = zipfile.ZipInfo("sub-086.json")
    info.create_system = 3
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    path = make_zip(tmp_path / "p.zip", [(info, "/etc/passwd")])
    assert message(path) == "sub-086.json: a link, expected a plain file."


# npz


def of_array(folder: Path, array: object, name: str = "sub-086/seg-1") -> str:
    np.savez(folder / "p.npz", **{name: np.asarray(array)})
    return message(folder / "p.npz")


def of_npy(folder: Path, data: bytes) -> str:
    return message(make_zip(folder / "p.npz", [("sub-086/seg-1.npy", data)]))


def npy(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


@pytest.mark.parametrize(
    ("array", "expected"),
    [
        (np.full((3, 2), None), "an object array, expected float32 or float64.\n"
         "  Pickles are never loaded."),
        (np.zeros((3, 2), np.int64), "dtype int64, expected float32 or float64.\n"
         "  Save array.astype(np.float32)."),
        (np.zeros((3, 2), np.float16), "dtype float16, expected float32 or float64.\n"
         "  Save array.astype(np.float32)."),
        (np.zeros((3, 2), np.complex64), "dtype complex64, expected float32 or float64.\n"
         "  Save array.astype(np.float32)."),
        (np.zeros((3, 2), "U3"), "dtype <U3, expected float32 or float64.\n"
         "  Save array.astype(np.float32)."),
        (np.zeros((2, 3)), f"shape (2, 3), expected {FORM}.\n  Axes look swapped: save array.T."),
        (np.zeros((3, 2, 1)), f"shape (3, 2, 1), expected {FORM}."),
        (np.zeros(()), f"shape (), expected {FORM}."),
        (np.zeros((4, 2)), f"shape (4, 2), expected {FORM}.{REMEDY_LENGTH}"),
        (np.array([[0, 0], [0, np.nan], [0, 0]]), "nan at row 1, column 1, expected finite numbers."),
        (np.array([[0, -np.inf], [0, np.nan], [0, 0]], np.float32),
         "-inf at row 0, column 1 and 1 more like it, expected finite numbers."),
    ],
)  # fmt: skip
def test_array_is_refused(tmp_path, array, expected):
    assert of_array(tmp_path, array) == f"sub-086/seg-1: {expected}"


def test_pickle_in_an_npz_is_never_run(tmp_path):
    class Bomb:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return os.mkdir, (str(tmp_path / "ran"),)

    of_array(tmp_path, np.array([Bomb()], object))
    with pytest.raises(PredictionsError, match="sub-086/seg-1: an object array"):
        LabelStore(tmp_path / "p.npz", 2).subject("sub-086")
    assert not (tmp_path / "ran").exists()


def test_array_cut_short_is_refused(tmp_path):
    assert of_npy(tmp_path, npy(np.zeros((3, 2)))[:-8]) == (
        "sub-086/seg-1: 40 bytes of numbers, expected 48 bytes for (3, 2)."
    )


def test_header_that_claims_terabytes_is_refused_without_making_room(tmp_path):
    data = npy(np.zeros((3, 2))).replace(b"(3, 2)", b"(9999999999999, 2)")
    data = data.replace(b" " * 12 + b"\n", b"\n", 1)
    assert of_npy(tmp_path, data) == (
        f"sub-086/seg-1: shape (9999999999999, 2), expected {FORM}.{REMEDY_LENGTH}"
    )


def test_what_is_no_npy_is_refused(tmp_path):
    assert of_npy(tmp_path, b"\x80\x04pickle..") == (
        "sub-086/seg-1: not a npy array (it begins with b'\\x80\\x04pick')."
    )
    data = bytearray(npy(np.zeros((3, 2))))
    data[6] = 9
    assert of_npy(tmp_path, bytes(data)) == ("sub-086/seg-1: not a npy array (version 9.0 of the format).")


def test_npz_bomb_is_refused_by_its_size(tmp_path):
    np.savez_compressed(tmp_path / "p.npz", **{"sub-086/seg-1": np.zeros((1_000_000, 2))})
    assert message(tmp_path / "p.npz") == (
        "sub-086/seg-1.npy: holds 16 000 128 bytes, expected at most 16 576 bytes for its segments."
    )


def test_unknown_and_missing_arrays_are_named(tmp_path):
    assert of_array(tmp_path, np.zeros((3, 2)), "sub-086/sge-1") == (
        "sub-086/sge-1: unknown segment, "
        "expected one of 2 names such as 'sub-086/seg-1'.\n"
        "  Did you mean 'sub-086/seg-1'?\n"
        "sub-086: no segment in the npz, expected segments for the subject."
    )


def test_array_twice_and_other_files_in_an_npz_are_refused(tmp_path):
    good = npy(np.zeros((3, 2)))
    path = make_zip(
        tmp_path / "p.npz",
        [("sub-086/seg-1.npy", good), ("sub-086/seg-1.npy", good), ("README", "")],
    )
    assert message(path) == (
        "sub-086/seg-1: twice in the npz, expected each id once.\n"
        "README: not an array, expected arrays only, as numpy saves them."
    )
