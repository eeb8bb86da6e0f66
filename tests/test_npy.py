"""numpy's files as strangers write them: headers and archives."""

import io
import struct
import zipfile

import numpy as np
import pytest

from harness.npy import read_header, read_npz

ARRAY = np.arange(6, dtype=np.float32).reshape(3, 2)
MAGIC = b"\x93NUMPY"


def npy(array):
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def of_text(text, version=1):
    length = struct.pack("<H" if version == 1 else "<I", len(text))
    return MAGIC + bytes([version, 0]) + length + text


def npz(**members):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, data in members.items():
            archive.writestr(f"{name}.npy", data)
    file.seek(0)
    return file


@pytest.mark.parametrize("array", [ARRAY, np.asfortranarray(ARRAY), ARRAY[0], np.array(3), np.zeros((0, 5))])
@pytest.mark.parametrize("version", [(1, 0), (2, 0)])
def test_a_header_is_numpys_own(array, version):
    file = io.BytesIO()
    np.lib.format.write_array(file, array, version)
    n_bytes = len(file.getvalue())
    file.seek(0)
    header = read_header(file)
    assert (header.shape, header.dtype) == (array.shape, array.dtype)
    assert header.fortran_order == (array.flags.f_contiguous and not array.flags.c_contiguous)
    assert (file.tell(), header.n_bytes) == (n_bytes - array.nbytes, array.nbytes)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "it begins with b''"),
        (b"\x80\x04pickle", "it begins with b'\\x80\\x04pick'"),
        (MAGIC + b"\x01", "it ends in its header"),
        (MAGIC + b"\x09\x00", "version 9.0 of the format"),
        (npy(ARRAY)[:60], "it ends in its header"),
        (MAGIC + b"\x02\x00\xff\xff\xff\xff", "a header of 4294967295 bytes"),
        (of_text(b"{'descr': '<f4', 'fortran_order': False, 'shape': (-3, 2), }\n"), "shape (-3, 2)"),
        (
            of_text(b"{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999, 0), }\n"),
            "shape (99999999999999999999, 0)",
        ),
        (
            of_text(b"{'descr': '<f4', 'fortran_order': False, 'shape': (" + b"1," * 40 + b"), }\n"),
            f"shape {'(' + '1, ' * 26}1",
        ),
    ],
)
def test_a_header_that_is_none_is_refused(data, why):
    with pytest.raises(ValueError) as caught:  # noqa: PT011
        read_header(io.BytesIO(data))
    assert str(caught.value) == why


@pytest.mark.parametrize(
    "text", [b"{'descr': (", b"(" * 9000, b"\xff" * 20, b"{'descr': '<f4", b"{}", b"1", b"", b"{'a': 1L}\n"]
)
def test_a_header_that_cannot_be_parsed_is_refused_in_one_line(text):
    for version in (1, 2):
        with pytest.raises(ValueError) as caught:  # noqa: PT011
            read_header(io.BytesIO(of_text(text, version)))
        assert len(str(caught.value).splitlines()) == 1


def test_arrays_of_an_npz_are_numpys_own():
    arrays = {"a": ARRAY, "b": np.asfortranarray(ARRAY), "c": np.array(4), "d": np.zeros((0, 3))}
    file = io.BytesIO()
    np.savez_compressed(file, **arrays)
    file.seek(0)
    found = read_npz(file, 1000)
    assert list(found) == list(arrays)
    for name, array in arrays.items():
        np.testing.assert_array_equal(found[name], array)
        assert found[name].dtype == array.dtype
        assert found[name].flags.writeable


@pytest.mark.parametrize(
    ("file", "why"),
    [
        (io.BytesIO(b"Rar!"), "File is not a zip file"),
        (npz(a=b"no header"), "it begins with b'no hea'"),
        (npz(a=npy(ARRAY)[:-1]), "23 bytes of numbers for shape (3, 2) of float32"),
        (npz(a=npy(ARRAY) + b"x"), "25 bytes of numbers for shape (3, 2) of float32"),
        (npz(a=npy(np.zeros(1000))), "more than 1000 bytes of arrays"),
    ],
)
def test_an_npz_that_is_none_is_refused(file, why):
    with pytest.raises(ValueError) as caught:  # noqa: PT011
        read_npz(file, 1000)
    assert str(caught.value) == why


def test_an_object_array_is_never_loaded():
    file = io.BytesIO()
    np.savez(file, a=np.array([{}], object))
    file.seek(0)
    with pytest.raises(ValueError, match="^an array of objects, which are pickles and are never loaded$"):
        read_npz(file, 10_000)


def test_a_shape_beyond_the_file_makes_no_room():
    data = npy(ARRAY).replace(b"(3, 2), }        ", b"(9999999999, 2),}")
    with pytest.raises(ValueError, match=r"^152 bytes, too few for shape \(9999999999, 2\) of float32$"):
        read_npz(npz(a=data), 1000)
