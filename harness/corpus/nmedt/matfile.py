"""One song's cleaned EEG, a MATLAB file of version 5 or 7.3.

Version 5 (and 7) is read by scipy: ``dataNN`` is (125, T, 20), electrode, time, listener. Version 7.3 is
HDF5, read by h5py, where all axes are reversed, (20, T, 125), cells hold references, and strings are uint16
arrays. The first bytes say which it is. Any class of number is taken; values are microvolts.
"""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.corpus.nmedt.matlab5 import check_elements
from harness.corpus.nmedt.songs import ELECTRODES, N_ELECTRODES, SAMPLE_RATE_HZ, Tree, file_name
from harness.errors import CorpusError, Fault, counted, raise_all, shorten

_HEAD_BYTES: Final = 512
_VERSION_5: Final = b"MATLAB 5.0"
_VERSION_73: Final = b"MATLAB 7.3"
_HDF5: Final = b"\x89HDF\r\n\x1a\n"
_AGAIN: Final = "Download the file again."


class SongFile(NamedTuple):
    """A song's file that is open, its shapes checked.

    Attributes:
        path: the file.
        listeners: ids in the file's own order.
        n_times: samples of every listener.
        dtype: of the numbers.
        eeg: index of a listener -> (n_times, 125), as stored.
    """

    path: Path
    listeners: tuple[str, ...]
    n_times: int
    dtype: np.dtype[Any]
    eeg: Callable[[int], NDArray[Any]]


class _Variables(NamedTuple):
    """What a file holds, axes as MATLAB has them: names, and reading one."""

    names: tuple[str, ...]
    shape: Callable[[str], tuple[int, ...]]
    dtype: Callable[[str], np.dtype[Any]]
    number: Callable[[str], float]
    texts: Callable[[str], tuple[str, ...]]
    listener: Callable[[str, int], NDArray[Any]]


@contextmanager
def open_song(path: Path, song: int, tree: Tree) -> Iterator[SongFile]:
    """Open a song's file and check what it says of itself.

    Args:
        path: of the file.
        song: its number, 21 to 30.
        tree: how many listeners and seconds there should be.

    Raises:
        CorpusError: unreadable, of no known version, without the song's variables, or of other shapes, rate
            or listeners: every fault of the file at once.
    """
    with ExitStack() as open_file:
        with _reading(path):
            found = open_file.enter_context(_variables(path))
            song_file = _checked(path, song, tree, found)
        yield song_file


def check_eeg(where: str, eeg: NDArray[Any]) -> list[Fault]:
    """Faults of one listener's EEG: numbers that float32 does not hold, and electrodes without a signal.

    Args:
        where: file and listener, for messages.
        eeg: (n_times, 125).
    """
    faults = []
    not_finite, too_large = ~np.isfinite(eeg), np.abs(eeg, dtype=np.float64) > np.finfo(np.float32).max
    for wrong, words in (
        (not_finite, "NaN or infinite numbers"),
        (too_large & ~not_finite, "numbers too large for float32"),
    ):
        if wrong.any():
            broken = [ELECTRODES[number] for number in np.flatnonzero(wrong.any(axis=0))]
            first = int(np.argmax(wrong.any(axis=1)))
            what = f"{words} in {shorten(broken)}, the first at sample {first}"
            faults.append(Fault(where, what, "finite numbers", _AGAIN))
    same = (eeg == eeg[:1]).all(axis=0)
    zero = same & (eeg[0] == 0)
    for dead, words in ((zero, "0"), (same & ~zero, "one number")):
        if dead.any():
            names = [ELECTRODES[number] for number in np.flatnonzero(dead)]
            expected = "a signal in every electrode: bad ones are interpolated in this dataset"
            arrived = f"{shorten(names)} {'is' if len(names) == 1 else 'are'} {words} throughout"
            faults.append(Fault(where, arrived, expected))
    return faults


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Turn what readers raise on a file into a fault that names it."""
    try:
        yield
    except ImportError as error:
        remedy = "pip install 'eeg-speech-harness[music]' brings it."
        arrived = f"a MATLAB file of version 7.3 ({error})"
        raise CorpusError(Fault(str(path), arrived, "h5py", remedy)) from None
    except _damaged() as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        expected = "a MATLAB file of version 5 or 7.3"
        raise CorpusError(Fault(str(path), f"cannot be read ({reason})", expected, _AGAIN)) from None


def _damaged() -> tuple[type[Exception], ...]:
    """What readers raise on files that are cut, empty, or something else."""
    from scipy.io.matlab import MatReadError

    of_python = (OSError, ArithmeticError, AssertionError, AttributeError, EOFError, LookupError, MemoryError)
    return (
        *of_python,
        NameError,
        RuntimeError,
        TypeError,
        ValueError,
        MatReadError,
        struct.error,
        zlib.error,
    )


@contextmanager
def _variables(path: Path) -> Iterator[_Variables]:
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
    if head.startswith(_VERSION_73) or _HDF5 in (head[:8], head[-8:]):
        import h5py

        with h5py.File(path, "r") as file73:
            yield _of_73(file73)
    elif head.startswith(_VERSION_5):
        yield _of_5(path)
    else:
        raise CorpusError(_unknown(path, head))


def _unknown(path: Path, head: bytes) -> Fault:
    start = head.lstrip()[:64].lower()
    if not head:
        arrived = "an empty file"
    elif start.startswith(b"version https://git-lfs"):
        return Fault(str(path), "a Git LFS pointer", "the file itself", "git lfs pull fetches it.")
    elif start.startswith((b"<!doctype", b"<html", b"<?xml")):
        arrived = "a web page"
    else:
        arrived = f"begins with {head[:10]!r}"
    return Fault(str(path), arrived, "a MATLAB file of version 5 or 7.3", _AGAIN)


def _of_5(path: Path) -> _Variables:
    from scipy.io import loadmat

    check_elements(path)
    values = {name: value for name, value in loadmat(path).items() if not name.startswith("__")}

    def texts(name: str) -> tuple[str, ...]:
        if np.asarray(values[name]).dtype.kind not in "OU":
            return ()
        cells = np.asarray(values[name], dtype=object).reshape(-1)
        return tuple(str(np.asarray(cell).reshape(-1)[0]).strip() if np.size(cell) else "" for cell in cells)

    return _Variables(
        tuple(values),
        lambda name: np.shape(values[name]),
        lambda name: np.asarray(values[name]).dtype,
        lambda name: _one_number(values[name]),
        texts,
        lambda name, index: values[name][:, :, index].T,
    )


def _of_73(file: Any) -> _Variables:
    import h5py

    def is_array(name: str) -> bool:  # structs and sparse matrices are groups
        return isinstance(file[name], h5py.Dataset)

    def text(cell: Any) -> str:
        if not cell or "MATLAB_empty" in file[cell].attrs:
            return ""
        return "".join(map(chr, np.asarray(file[cell]).reshape(-1))).strip()

    def texts(name: str) -> tuple[str, ...]:
        if not is_array(name) or h5py.check_ref_dtype(file[name].dtype) is not h5py.Reference:
            return ()
        return tuple(text(cell) for cell in np.asarray(file[name]).reshape(-1))

    return _Variables(
        tuple(name for name in file if not name.startswith("#")),
        lambda name: tuple(reversed(file[name].shape)) if is_array(name) else (),
        lambda name: file[name].dtype if is_array(name) else np.dtype(object),
        lambda name: _one_number(file[name]) if is_array(name) else math.nan,
        texts,
        lambda name, index: np.asarray(file[name][index]),
    )


def _one_number(value: Any) -> float:
    """NaN where it is none, or several."""
    array = np.asarray(value)
    return float(array.reshape(-1)[0]) if array.size == 1 and array.dtype.kind in "fiu" else math.nan


def _checked(path: Path, song: int, tree: Tree, found: _Variables) -> SongFile:
    where, data, subs = str(path), f"data{song}", f"subs{song}"
    if not found.names:
        arrived = "a MATLAB file without any variable"
        raise CorpusError(Fault(where, arrived, f"{data}, fs and {subs}", _AGAIN))
    missing = [name for name in (data, "fs", subs) if name not in found.names]
    if missing:
        arrived = f"no {' and no '.join(missing)}; it holds {shorten(found.names)}"
        named = [name[4:] for name in found.names if name[:4] == "data" and name[4:].isdigit()]
        others = [number for number in named if int(number) != song]
        remedy = f"Is it {file_name(int(others[0]))} under another name?" if others else _AGAIN
        raise CorpusError(Fault(where, arrived, f"{data}, fs and {subs}", remedy))
    faults = []
    shape, dtype = found.shape(data), found.dtype(data)
    expected = f"({N_ELECTRODES}, T, {tree.n_listeners}), electrode, time, listener"
    if dtype.kind not in "fiu":
        faults.append(Fault(f"{where}: {data}", f"dtype {dtype}", "real numbers"))
    if len(shape) != 3 or shape[0] != N_ELECTRODES or shape[2] != tree.n_listeners:
        reversed_axes = shape[-1:] == (N_ELECTRODES,)
        remedy = "Axes look reversed: save it with its axes as MATLAB has them." if reversed_axes else ""
        faults.append(Fault(f"{where}: {data}", f"shape {shape}", expected, remedy))
    elif shape[1] < tree.n_times:
        needed = f"{tree.seconds} s or more, {counted(tree.n_times, 'sample')}"
        faults.append(Fault(f"{where}: {data}", f"{counted(shape[1], 'sample')} of EEG", needed, _AGAIN))
    rate = found.number("fs")
    if rate != SAMPLE_RATE_HZ:
        arrived = "not one number" if math.isnan(rate) else f"{rate:.10g} Hz"
        faults.append(Fault(f"{where}: fs", arrived, f"{SAMPLE_RATE_HZ} Hz, the cleaned EEG's rate"))
    listeners = found.texts(subs)
    faults += _listener_faults(f"{where}: {subs}", listeners, tree)
    raise_all(CorpusError, faults)

    def eeg(index: int) -> NDArray[Any]:
        with _reading(path):
            return found.listener(data, index)

    return SongFile(path, listeners, shape[1], dtype, eeg)


def _listener_faults(where: str, listeners: tuple[str, ...], tree: Tree) -> list[Fault]:
    faults = []
    if len(listeners) != tree.n_listeners:
        expected = f"{tree.n_listeners}" if listeners else f"a cell of {tree.n_listeners} strings"
        faults.append(Fault(where, counted(len(listeners), "listener"), expected))
    twice = sorted({name for name in listeners if listeners.count(name) > 1})
    if twice:
        faults.append(Fault(where, f"{shorten(twice)} named twice", "every listener once"))
    odd = [name for name in dict.fromkeys(listeners) if not name.isascii() or not name.isalnum()]
    if odd:
        named = ", ".join(map(repr, odd[:3]))
        faults.append(Fault(where, f"the ids {named}", "ids of letters and digits, like S02"))
    return faults
