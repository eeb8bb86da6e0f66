"""Where predictions files lie: in a zip archive (npz is one), or in a folder.

A container lists its members and reads one at a time, up to a given size. The files come from
strangers: links, encryption, unusual compression and unexpected sizes are refused before anything
is unpacked, and nothing is ever written.
"""

from __future__ import annotations

import stat
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Protocol

from harness.errors import MAX_SHOWN, Fault, PredictionsError, shorten, show
from harness.files import open_regular, read_regular
from harness.npy import DAMAGED

MAX_DIRECTORY_BYTES = 8 << 20
"""Size of a zip's list of members: room for 80 000 of them."""

_END = b"PK\x05\x06"
_END_BYTES = 22
_END64_LOCATOR = b"PK\x06\x07"
_LOCATOR_BYTES = 20
_METHODS = {1: "shrink", 6: "implode", 9: "deflate64", 12: "bzip2", 14: "lzma", 93: "zstandard"}
_ZIP_REMEDY = "Copy or write the file again."


class Container(Protocol):
    """A zip or a folder.

    Attributes:
        noun: ``zip``, ``npz`` or ``folder``, for messages.
        where: its path, for messages.
    """

    noun: str
    where: str

    def names(self) -> list[str]:
        """Names of all members but folders, as stored; a name may occur twice."""

    def read(self, name: str, most: int) -> bytes:
        """Read a member of at most ``most`` bytes.

        Raises:
            PredictionsError: it is too large, a link, encrypted, damaged or unreadable.
        """


class ZipContainer:
    """The members of a zip archive.

    Args:
        path: the archive, for messages.
        archive: the same, opened.
        noun: ``zip`` or ``npz``.
    """

    def __init__(self, path: Path, archive: zipfile.ZipFile, noun: str) -> None:
        self.noun = noun
        self.where = str(path)
        self._archive = archive

    def names(self) -> list[str]:
        """Names of all members but folders, as stored; a name may occur twice."""
        return [info.filename for info in self._archive.infolist() if not info.filename.endswith("/")]

    def read(self, name: str, most: int) -> bytes:
        """Read a member of at most ``most`` bytes; see Container."""
        info = self._archive.getinfo(name)
        where = show(name)
        _check_member(info, where, most)
        try:
            with self._archive.open(info) as member:
                data = member.read(most + 1)
        except DAMAGED as error:
            arrived = f"damaged in the zip ({_reason(error)})"
            raise PredictionsError(Fault(where, arrived, "", _ZIP_REMEDY)) from error
        except OSError as error:
            raise PredictionsError(Fault(where, f"cannot be read: {error.strerror}")) from error
        if len(data) != info.file_size:
            arrived = f"unpacks to {_bytes(len(data))}"
            expected = f"{_bytes(info.file_size)} as the zip's directory says"
            raise PredictionsError(Fault(where, arrived, expected, _ZIP_REMEDY))
        return data


class FolderContainer:
    """The files of a folder, hidden ones left out.

    Args:
        path: the folder.
    """

    noun = "folder"

    def __init__(self, path: Path) -> None:
        self.where = str(path)
        self._path = path

    def names(self) -> list[str]:
        """Names of everything in it but hidden files, sorted; folders too: they are faults."""
        with _readable(str(self._path)):
            return sorted(p.name for p in self._path.iterdir() if not p.name.startswith("."))

    def read(self, name: str, most: int) -> bytes:
        """Read a file of at most ``most`` bytes; see Container."""
        where = show(name)
        path = self._path / name
        with _readable(where):
            status = path.lstat()
            if not stat.S_ISREG(status.st_mode):
                kind = "a link" if stat.S_ISLNK(status.st_mode) else "not a plain file"
                raise PredictionsError(Fault(where, kind, "a plain file"))
            _check_size(status.st_size, where, most)
            return read_regular(path, most)


@contextmanager
def open_container(path: Path) -> Iterator[Container]:
    """Open a predictions file or folder.

    Raises:
        PredictionsError: there is no such path, or it is neither a folder nor a zip archive.
    """
    if path.is_dir():
        yield FolderContainer(path)
        return
    with _readable(str(path)):
        file = open_regular(path)
    with file:
        with _readable(str(path)):
            _check_archive(path, file)
        try:
            archive = zipfile.ZipFile(file)
        except DAMAGED as error:
            arrived = f"a damaged zip ({_reason(error)})"
            raise PredictionsError(Fault(str(path), arrived, "", _ZIP_REMEDY)) from error
        with archive:
            yield ZipContainer(path, archive, "npz" if path.suffix.lower() == ".npz" else "zip")


def is_archive(path: Path) -> bool:
    """Whether a file begins as a zip archive does."""
    try:
        with open_regular(path) as file:
            return file.read(4) in (b"PK\x03\x04", _END)
    except OSError:
        return False


def subject_files(container: Container) -> Iterator[tuple[str, str]]:
    """A container's files: name without folder, and name as stored.

    The files of a zip lie at its top or all inside one folder; what macOS adds is passed over.

    Raises:
        PredictionsError: names that lead out of the zip, or files in several folders.
    """
    names = [name for name in container.names() if not _is_macos(name)]
    unsafe = [n for n in names if n.startswith("/") or "\\" in n or ".." in n.split("/")]
    if unsafe:
        what = "leads out of the zip", "a plain file name"
        faults = (Fault(show(name), *what) for name in unsafe[:MAX_SHOWN])
        raise PredictionsError(*faults)
    folders = sorted({name.rpartition("/")[0] for name in names})
    if len(folders) > 1 or any("/" in folder for folder in folders):
        arrived = f"files lie in {shorten([show(folder or '.') for folder in folders])}"
        expected = "every file at the top of the zip, or all of them in one folder there"
        raise PredictionsError(Fault(container.where, arrived, expected))
    for name in names:
        yield name.rpartition("/")[2], name


def _check_archive(path: Path, file: BinaryIO) -> None:
    """Refuse what is no zip, and a directory so long that loading it would fill the memory."""
    where = str(path)
    size = file.seek(0, 2)
    file.seek(0)
    head = file.read(16)
    if not head:
        raise PredictionsError(Fault(where, "an empty file", "a zip archive", _ZIP_REMEDY))
    file.seek(max(0, size - (1 << 16) - _END_BYTES - _LOCATOR_BYTES))
    tail = file.read()
    at = len(tail) - _END_BYTES  # looked for as zipfile does
    if not (tail[at:].startswith(_END) and tail.endswith(b"\0\0")):
        at = tail.rfind(_END)
    if at < 0 and head.startswith(b"PK\x03\x04"):
        arrived = f"a zip cut off after {_bytes(size)}"
        raise PredictionsError(Fault(where, arrived, "a whole one", _ZIP_REMEDY))
    if at < 0:
        json = head.lstrip().startswith((b"{", b"["))
        arrived = "bare JSON" if json else f"begins with {head[:4]!r}"
        remedy = "Put one <subject>.json for each subject into a zip." if json else ""
        raise PredictionsError(Fault(where, arrived, "a zip archive", remedy))
    directory = int.from_bytes(tail[at + 12 : at + 16], "little")
    huge = tail[max(0, at - _LOCATOR_BYTES) :].startswith(_END64_LOCATOR)
    if huge or directory > MAX_DIRECTORY_BYTES:
        arrived = "the zip's list of members is in the zip64 form or too long"
        expected = f"at most {_bytes(MAX_DIRECTORY_BYTES)}"
        raise PredictionsError(Fault(where, arrived, expected))


def _check_member(info: zipfile.ZipInfo, where: str, most: int) -> None:
    """Refuse a member by what the zip's directory says of it."""
    if stat.S_ISLNK(info.external_attr >> 16):
        raise PredictionsError(Fault(where, "a link", "a plain file"))
    if info.flag_bits & 1:
        raise PredictionsError(Fault(where, "encrypted", "a zip without a password"))
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        method = _METHODS.get(info.compress_type, f"method {info.compress_type}")
        raise PredictionsError(Fault(where, f"compressed with {method}", "deflate, or none"))
    _check_size(info.file_size, where, most)


def _check_size(size: int, where: str, most: int) -> None:
    if size > most:
        expected = f"at most {_bytes(most)} for its segments"
        raise PredictionsError(Fault(where, f"holds {_bytes(size)}", expected))


@contextmanager
def _readable(where: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise PredictionsError(Fault(where, f"cannot be read: {reason}")) from error


def _is_macos(name: str) -> bool:
    return name.startswith("__MACOSX/") or name.rpartition("/")[2] == ".DS_Store"


def _reason(error: BaseException) -> str:
    return show(str(error)) or type(error).__name__


def _bytes(n: int) -> str:
    return f"{n:,} bytes".replace(",", " ")
