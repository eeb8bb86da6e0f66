"""What somebody drops into the inbox, taken as a copy that nobody else can change."""

from __future__ import annotations

import hashlib
import os
import stat
import zipfile
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from harness.errors import Fault, QueueError, counted, show
from harness.files import open_regular

_CHUNK = 1 << 20
_UNFINISHED = (".part", ".partial", ".tmp", ".filepart", ".crdownload", ".swp")
_MOST_DEPTH = 32
_MOST_LISTED = 100_001  # names of one folder: more are refused, and none is read


class Look(NamedTuple):
    """What lies under a name in the inbox.

    Attributes:
        signature: changes with every change of its files.
        arrived: when one of its files last changed, by the clock of the file system: nobody can set it.
        content: changes with names, sizes and times of writing, and not with who may do what.
    """

    signature: str
    arrived: float
    content: str


class Taken(NamedTuple):
    """A copy.

    Attributes:
        sha256: of a file's bytes; of a folder, its files' sorted names and hashes.
        fault: why it is refused as it stands; None where it is not.
    """

    sha256: str
    fault: Fault | None


def is_unfinished(name: str) -> bool:
    """Whether a name says that its file is still being copied."""
    return name.startswith(".") or name.endswith("~") or name.lower().endswith(_UNFINISHED)


def look(path: Path, most_files: int) -> Look:
    """See whether something has changed since the last look.

    Raises:
        OSError: it is gone.
    """
    digest, content, newest = hashlib.sha256(), hashlib.sha256(), 0.0
    for number, one in enumerate(_below(path)):
        found = one.lstat()
        facts = (str(one.relative_to(path)), found.st_size, found.st_mtime_ns)
        content.update(repr(facts).encode("utf-8", "surrogateescape"))
        digest.update(repr((*facts, found.st_mode, found.st_ctime_ns)).encode("utf-8", "surrogateescape"))
        newest = max(newest, found.st_ctime)
        if number > most_files:
            break
    return Look(digest.hexdigest(), newest, content.hexdigest())


def take(path: Path, copy: Path, most_files: int, most_bytes: int) -> Taken:
    """Copy what was handed in: plain files and folders only, no link followed, within the limits.

    Raises:
        OSError: it is gone, or the queue's folder cannot be written.
    """
    name, left, hashes = show(path.name), most_bytes, []
    for number, one in enumerate(_below(path)):
        relative = one.relative_to(path)
        where = show(str(Path(path.name) / relative)) if relative.parts else name
        if number > most_files:
            return _refused(path, Fault(name, f"more than {counted(most_files, 'file')}", "fewer"))
        if len(relative.parts) > _MOST_DEPTH:
            return _refused(path, Fault(where, "folders too deep", f"at most {_MOST_DEPTH} levels"))
        mode = one.lstat().st_mode
        if stat.S_ISDIR(mode):
            (copy / relative).mkdir()
        elif not stat.S_ISREG(mode):
            kind = "a link" if stat.S_ISLNK(mode) else "no plain file"
            return _refused(path, Fault(where, kind, "plain files and folders"))
        else:
            digest = hashlib.sha256()
            handle = os.open(one, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
            with os.fdopen(handle, "rb") as source, (copy / relative).open("xb") as target:
                if not stat.S_ISREG(os.fstat(handle).st_mode):
                    return _refused(path, Fault(where, "no plain file", "plain files and folders"))
                while chunk := source.read(_CHUNK):
                    left -= len(chunk)
                    if left < 0:
                        said = f"more than {most_bytes / 2**20:g} MiB"
                        return _refused(path, Fault(name, said, "less"))
                    digest.update(chunk)
                    target.write(chunk)
                target.flush()
                os.fsync(target.fileno())
            hashes.append(f"{digest.hexdigest()}  {relative}\n")
    if path.is_dir():
        joined = "".join(sorted(hashes)).encode("utf-8", "surrogateescape")
        return Taken(hashlib.sha256(joined).hexdigest(), None)
    return Taken(hashes[0].split("  ")[0], None)


def _refused(path: Path, fault: Fault) -> Taken:
    """What cannot be copied is known by its list of files and not by its bytes."""
    return Taken(hashlib.sha256(look(path, 1000).signature.encode()).hexdigest(), fault)


def _below(path: Path) -> Iterator[Path]:
    """A path and all that is below it, folders before what they hold; no link is followed."""
    waiting = [path]
    while waiting:
        one = waiting.pop()
        yield one
        if stat.S_ISDIR(one.lstat().st_mode):
            waiting += sorted(
                (Path(entry.path) for entry in islice(os.scandir(one), _MOST_LISTED)), reverse=True
            )


def is_package_zip(path: Path) -> bool:
    """Whether a zip holds a submission's manifest, at its top or in its only folder."""
    try:
        with open_regular(path) as file, zipfile.ZipFile(file) as archive:
            return any(_manifest(name) for name in archive.namelist())
    except (OSError, zipfile.BadZipFile, ValueError, NotImplementedError, EOFError):
        return False


def _manifest(name: str) -> bool:
    return name.count("/") <= 1 and name.rpartition("/")[2] == "submission.toml"


def unpack(path: Path, target: Path, most_files: int, most_bytes: int) -> Path:
    """Unpack a package's zip into a new folder; gives the folder of its manifest.

    Raises:
        QueueError: a name that leaves the folder, a link, an encrypted or damaged member, a name twice, or
            more files or bytes than may be: all that is wrong with names at once.
    """
    with open_regular(path) as file, zipfile.ZipFile(file) as archive:
        members = archive.infolist()
        if len(members) > most_files:
            raise QueueError(Fault(show(path.name), counted(len(members), "file"), f"at most {most_files}"))
        faults = [fault for info in members if (fault := _name_fault(info))]
        names = [info.filename.rstrip("/").casefold() for info in members]
        faults += [
            Fault(show(name), "twice in the zip", "each name once")
            for name in dict.fromkeys(names)
            if names.count(name) > 1
        ][:20]
        if faults:
            raise QueueError(*faults)
        left = most_bytes
        for info in members:
            place = target / info.filename
            if info.is_dir():
                place.mkdir(parents=True, exist_ok=True)
                continue
            try:
                place.parent.mkdir(parents=True, exist_ok=True)
                with archive.open(info) as member, place.open("xb") as out:
                    while chunk := member.read(_CHUNK):
                        left -= len(chunk)
                        if left < 0:
                            said = f"unpacks to more than {most_bytes / 2**20:g} MiB"
                            raise QueueError(Fault(show(path.name), said, "less"))
                        out.write(chunk)
            except (zipfile.BadZipFile, EOFError, ValueError, NotImplementedError, RuntimeError) as error:
                raise QueueError(Fault(show(info.filename), f"damaged in the zip ({error})")) from None
            except (FileExistsError, NotADirectoryError, IsADirectoryError):
                raise QueueError(Fault(show(info.filename), "a file and a folder of one name")) from None
    folders = [target / Path(info.filename).parent for info in members if _manifest(info.filename)]
    return min(folders, key=lambda folder: len(folder.parts))


def _name_fault(info: zipfile.ZipInfo) -> Fault | None:
    name = info.filename
    parts = name.rstrip("/").split("/")
    where = show(name)
    if info.flag_bits & 1:
        return Fault(where, "encrypted", "a zip that can be read")
    if stat.S_IFMT(info.external_attr >> 16) not in (0, stat.S_IFREG, stat.S_IFDIR):
        return Fault(where, "a link, or no plain file", "plain files and folders")
    if (
        not name.isprintable()
        or "\\" in name
        or ":" in name
        or any(part in ("", ".", "..") or len(part.encode()) > 200 for part in parts)
        or len(parts) > _MOST_DEPTH
    ):
        return Fault(
            where, "a name that leaves the folder, or that no file can have", "names below the folder"
        )
    return None
