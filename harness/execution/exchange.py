"""Files between the parent and a predictor's process.

What the parent writes appears whole or not at all. What it reads was written by code that nobody
has reviewed: it is opened without following links, and its size and header are looked at before
its content. `UnusableError` says what was found instead.
"""

from __future__ import annotations

import io
import json
import math
import os
import stat
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.lib import format as npy

from harness.predictor import Array, OutputFault

MAX_REPORT_BYTES = 2**18
MAX_TEXT = 500  # characters of one field of a report


class UnusableError(Exception):
    """A file from the predictor's process is not what it should be."""


def write_json(path: Path, content: object) -> None:
    """Write ``content`` as JSON; the file appears whole.

    Raises:
        TypeError: something in it has no form in JSON; a mapping is written as a dict.
    """
    draft = path.with_suffix(".tmp")
    draft.write_text(json.dumps(content, default=as_dict), encoding="utf-8")
    _publish(draft, path)


def as_dict(value: object) -> dict[object, object]:
    """Give JSON a mapping as a dict.

    Raises:
        TypeError: ``value`` is none.
    """
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"a value of type {type(value).__name__}")


def write_eeg(path: Path, segments: Iterable[Array], shape: tuple[int, int, int]) -> None:
    """Write one batch of EEG as npy; the file appears whole.

    Args:
        path: the file to write.
        segments: n_segments arrays (n_times, n_channels) float32.
        shape: (n_segments, n_times, n_channels).
    """
    draft = path.with_suffix(".tmp")
    with draft.open("wb") as file:
        file.write(_header(shape))
        for segment in segments:
            file.write(np.ascontiguousarray(segment).data)  # tofile says of a full disk neither errno nor why
    _publish(draft, path)


def _publish(draft: Path, path: Path) -> None:
    draft.chmod(0o640)  # the worker is of the folder's group, whatever this user's umask
    draft.replace(path)


def read_report(path: Path) -> dict[str, Any] | None:
    """Read a report of the predictor's process.

    Returns:
        The report, ``{}`` or with ``seconds`` (finite, not negative) or ``faults`` (a list of
        `OutputFault`); None where the file is not there yet.

    Raises:
        UnusableError: it is not a small regular file with such a report.
    """
    try:
        with _open(path, MAX_REPORT_BYTES) as file:
            report = json.loads(file.read(MAX_REPORT_BYTES))
    except FileNotFoundError:
        return None
    except (ValueError, RecursionError) as error:
        raise UnusableError(f"{path.name} is not JSON") from error
    try:
        if "faults" in report:
            faults = [_fault(*fields) for fields in report["faults"]]
            if faults:
                return {"faults": faults}
            raise ValueError("no faults")
        if "seconds" in report:
            seconds = float(report["seconds"])
            if math.isfinite(seconds) and seconds >= 0:
                return {"seconds": seconds}
            raise ValueError(seconds)
    except (TypeError, ValueError, OverflowError) as error:
        raise UnusableError(f"{path.name} is not a report") from error
    return {}


def read_prediction(path: Path, shape: tuple[int, int, int]) -> Array:
    """Read a prediction into memory of our own.

    Args:
        path: the npy file.
        shape: what it must hold.

    Returns:
        ``shape`` float32; whether the values are finite is not looked at.

    Raises:
        UnusableError: it is not a regular npy file of that shape and dtype.
    """
    header = _header(shape)  # the very bytes: there is nothing to parse, and nothing to mislead
    size = 4 * math.prod(shape)
    try:
        with _open(path, len(header) + size) as file:
            if file.read(len(header)) != header:
                raise UnusableError(f"{path.name} is not an npy file of float32 {shape}")
            content = file.read(size)
    except FileNotFoundError:
        raise UnusableError(f"{path.name} is missing") from None
    if len(content) != size:
        raise UnusableError(f"{path.name} is cut short")
    return np.frombuffer(content, np.float32).reshape(shape)


def remove(*paths: Path) -> None:
    """Remove files that are done with; one that is gone already is no matter.

    Raises:
        UnusableError: something else took a file's place after it was read, or its folder was closed.
    """
    for path in paths:
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise UnusableError(f"{path.name} cannot be removed ({error.strerror})") from error


def printable(text: str) -> str:
    """Keep what a terminal can show on one line."""
    return "".join(c for c in text if c.isprintable())


def _header(shape: tuple[int, int, int]) -> bytes:
    header = io.BytesIO()
    descr = npy.dtype_to_descr(np.dtype(np.float32))
    npy.write_array_header_1_0(header, {"descr": descr, "fortran_order": False, "shape": shape})
    return header.getvalue()


def _open(path: Path, most_bytes: int) -> BinaryIO:
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise UnusableError(f"{path.name} cannot be opened as a file ({error.strerror})") from error
    found = os.fstat(handle)
    if not stat.S_ISREG(found.st_mode) or found.st_size > most_bytes:
        os.close(handle)
        raise UnusableError(f"{path.name} is not a regular file of at most {most_bytes} bytes")
    return os.fdopen(handle, "rb")


def _fault(arrived: str, expected: str, remedy: str, segment: int | None) -> OutputFault:
    if not (segment is None or type(segment) is int):
        raise TypeError(segment)
    if not all(isinstance(text, str) for text in (arrived, expected, remedy)):
        raise TypeError("a text that is none")
    texts = [printable(text[:MAX_TEXT]) for text in (arrived, expected, remedy)]
    return OutputFault(texts[0], texts[1], texts[2], segment)


def unnamed_storage(shape: tuple[int, int, int]) -> Array:
    """A float32 array of zeros in a temporary file without a name: it goes with the last that holds it.

    Raises:
        OSError: the disk is full, here, and not as a signal when a page is written.
    """
    with tempfile.TemporaryFile(prefix="harness-") as file:
        os.posix_fallocate(file.fileno(), 0, max(1, 4 * math.prod(shape)))
        return np.asarray(np.memmap(file, np.float32, "r+", shape=shape))
