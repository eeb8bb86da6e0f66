"""Stretches of arrays, read without a map, beside what numpy reads."""

import numpy as np
import pytest

from harness.corpus.array_files import open_npy, open_npz
from harness.corpus.base import Series
from harness.errors import CorpusError


@pytest.mark.parametrize("dtype", ["<f4", ">f4", "<f8", "<i2", "u1"])
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("time_axis", [0, 1])
@pytest.mark.parametrize("n_channels", [1, 5, 7])
def test_a_stretch_is_what_numpy_reads(tmp_path, rng, dtype, order, time_axis, n_channels):
    stored = np.asarray(100 * rng.random((40, 7) if time_axis == 0 else (7, 40)), dtype, order=order)
    np.save(tmp_path / "one.npy", stored)
    np.savez(tmp_path / "stored.npz", eeg=stored, other=np.zeros(3))
    np.savez_compressed(tmp_path / "packed.npz", other=np.zeros(3), eeg=stored)
    files = [open_npy(tmp_path / "one.npy")]
    files += [open_npz(tmp_path / f"{name}.npz", "eeg")["eeg"] for name in ("stored", "packed")]
    whole = stored if time_axis == 0 else stored.T
    for file in files:
        taken = file.stretch(11, 29, time_axis, n_channels)
        assert taken.dtype == stored.dtype
        assert np.array_equal(taken, whole[11:29, :n_channels])
        taken[:] = 0  # a copy: what is read next is the same
        assert np.array_equal(file.stretch(11, 29, time_axis, n_channels), whole[11:29, :n_channels])
        assert file.stretch(40, 40, time_axis, n_channels).shape == (0, n_channels)


@pytest.mark.parametrize("time_axis", [0, 1])
def test_a_series_of_pieces_is_the_same_with_and_without_maps(tmp_path, rng, time_axis):
    pieces = []
    for number, n_times in enumerate((5, 9, 1, 6)):
        values = rng.standard_normal((n_times, 3) if time_axis == 0 else (3, n_times))
        np.save(tmp_path / f"{number}.npy", values)
        pieces.append(open_npy(tmp_path / f"{number}.npy"))
    series = Series(tuple(pieces), time_axis, 2)
    for start, stop in ((0, 21), (3, 17), (14, 15), (20, 21), (7, 7)):
        once, mapped = series.read(start, stop, once=True), series.read(start, stop)
        assert np.array_equal(once, mapped)
        assert (once.dtype, once.strides) == (mapped.dtype, mapped.strides)


def test_a_file_that_was_cut_short_or_removed_since_it_was_opened_is_told(tmp_path):
    path = tmp_path / "one.npy"
    np.save(path, np.zeros((7, 40), np.float32))
    file = open_npy(path)
    path.write_bytes(path.read_bytes()[:-4])
    assert file.stretch(0, 39, 1, 7).shape == (39, 7)
    with pytest.raises(CorpusError) as caught:
        file.stretch(0, 40, 1, 7)
    assert str(caught.value) == (
        f"{path}: it ends before its last number.\n"
        "  The file was truncated while it was in use: copy or fetch it again."
    )
    path.unlink()
    with pytest.raises(CorpusError, match="No such file or directory"):
        file.stretch(0, 40, 1, 7)
