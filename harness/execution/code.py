"""What counts as a submission's code: everything that can decide a prediction, and nothing else.

A submission never runs where it lies. The files below are copied into a folder of the run, hashed as
they are copied, and only that copy is there when the predictor runs:

- Every regular file of the folder is code, in whatever subfolder and with whatever suffix.
- Not code, and not copied: the manifest (what counts in it is hashed by its values), files that it lists
  with a hash or a use of their own (weights, records of training), documents (``*.md``, licences), the
  checkpoints that ``harness train`` keeps below ``training/``, files that a .gitignore names and
  git does not track, and what systems, editors and Python leave behind.

A link that leads out of the folder, a linked folder, a fifo, a socket and a device are refused by name.
Times and permissions of the copies are always the same: they are in no hash either.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import stat
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath

from harness.errors import Fault, SubmissionError, raise_all
from harness.files import MOST_WEIGHTS_BYTES, file_sha256, is_inside, open_regular
from harness.git import ignored_files

CHECKPOINTS = "training"  # of `harness train`, beside the code
MAX_FILES = 10_000
MAX_CODE_BYTES = 2**30
COPY_TIME = 946_684_800  # 2000-01-01T00:00:00Z: of every copied file
# What Python, systems, editors and tools leave in a folder.
LITTER = (
    "__pycache__", "*.pyc", "*.pyo", "*.partial", ".git", ".gitignore", ".gitattributes", ".gitkeep",
    ".hg", ".svn", ".DS_Store", "._*", ".AppleDouble", ".Spotlight-V100", ".Trashes", ".fseventsd",
    "__MACOSX", "Thumbs.db", "ehthumbs.db", "[Dd]esktop.ini", ".directory", ".Trash-*", ".nfs*",
    ".fuse_hidden*", "*.swp", "*.swo", "*~", "#*#", ".#*", ".ipynb_checkpoints", ".idea", ".vscode",
    ".mypy_cache", ".pytest_cache", ".ruff_cache", ".hypothesis", ".eval_results",
)  # fmt: skip
_DOCUMENTS = re.compile(
    r".*\.md|(README|LICEN[CS]E|COPYING|NOTICE|AUTHORS|CHANGELOG)(\.(txt|rst))?|CITATION\.cff", re.IGNORECASE
)


def code_files(folder: Path, listed: Iterable[str] = ()) -> dict[str, Path]:
    """The files of a submission's folder that are code.

    Args:
        folder: of the submission.
        listed: paths, relative to the folder, of the manifest and of what it lists.

    Returns:
        Path inside the folder (with slashes) -> the file, sorted.

    Raises:
        SubmissionError: links that leave the folder, files of other kinds, or far too many (all at once).
    """
    folder = folder.resolve()
    apart = {PurePosixPath(os.path.normpath(name)).as_posix() for name in listed}
    found, faults = _walk(folder)
    ignored = ignored_files(folder, found)
    files = {}
    for name, path in sorted(found.items()):
        if name in ignored:
            continue
        if fault := _fault(folder, name, path):
            faults.append(fault)
        elif name not in apart:
            files[name] = path
    size = 0
    for name, path in files.items():
        size += path.stat().st_size
        if size > MAX_CODE_BYTES:
            faults.append(
                Fault(
                    f"{folder}: {name}",
                    f"more than {MAX_CODE_BYTES / 2**30:.0f} GiB of code up to here",
                    "less",
                    "Large files are weights: list them in the manifest.",
                )
            )
            break
    raise_all(SubmissionError, faults)
    return files


def hash_code(files: Mapping[str, Path]) -> dict[str, str]:
    """The sha256 of code where it lies.

    Raises:
        SubmissionError: a file that cannot be read.
    """
    return {name: _hashed(path) for name, path in files.items()}


def copy_code(files: Mapping[str, Path], target: Path) -> dict[str, str]:
    """Copy code into a folder, readable and executable for its owner and group, and nothing more.

    Args:
        files: as `code_files` gives them.
        target: a new folder.

    Returns:
        Path inside the folder -> sha256 of what was copied.

    Raises:
        SubmissionError: a file that cannot be read.
        OSError: the copies cannot be written.
    """
    target.mkdir()
    for name, path in files.items():
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        copy_file(path, target / name, MAX_CODE_BYTES)
    hashes = hash_code({name: target / name for name in files})
    for folder, _, _ in os.walk(target):
        os.utime(folder, (COPY_TIME, COPY_TIME))
    return hashes


def copy_file(path: Path, copy: Path, most_bytes: int = MOST_WEIGHTS_BYTES) -> str:
    """Copy one file; give the sha256 of the copy.

    Raises:
        SubmissionError: it cannot be read, or is no regular file of at most ``most_bytes``.
        OSError: the copy cannot be written.
    """
    try:
        source = open_regular(path, most_bytes)
    except OSError as error:
        raise SubmissionError(Fault(str(path), error.strerror or "cannot be read")) from None
    with source, copy.open("xb") as file:
        shutil.copyfileobj(source, file)
    copy.chmod(0o550)
    os.utime(copy, (COPY_TIME, COPY_TIME))
    return _hashed(copy)


def files_sha256(first: bytes, hashes: Mapping[str, str]) -> str:
    """One sha256 for some bytes, and then the names and hashes of files."""
    whole = hashlib.sha256(first)
    for name, sha256 in sorted(hashes.items()):
        whole.update(f"{name}\0{sha256}\0".encode("utf-8", "surrogateescape"))
    return whole.hexdigest()


def _hashed(path: Path) -> str:
    try:
        return file_sha256(path, MOST_WEIGHTS_BYTES)
    except OSError as error:
        raise SubmissionError(Fault(str(path), error.strerror or "cannot be read")) from None


def _walk(folder: Path) -> tuple[dict[str, Path], list[Fault]]:
    """Every entry below a folder that is not a folder itself, without litter and documents."""
    found: dict[str, Path] = {}
    faults: list[Fault] = []
    below = [folder]
    while below:
        here = below.pop()
        try:
            entries = sorted(os.scandir(here), key=lambda entry: entry.name)
        except OSError as error:
            faults.append(Fault(str(here), error.strerror or "cannot be read", "a folder that can be read"))
            continue
        for entry in entries:
            path = Path(entry.path)
            name = path.relative_to(folder).as_posix()
            if _is_litter(entry.name) or name == CHECKPOINTS:
                continue
            if entry.is_dir(follow_symlinks=False):
                below.append(path)
            elif not _DOCUMENTS.fullmatch(entry.name):
                found[name] = path
        if len(found) > MAX_FILES:
            remedy = "Remove what is no code, or let git ignore it."
            faults.append(Fault(str(folder), f"more than {MAX_FILES} files", "fewer", remedy))
            break
    return found, faults


def _is_litter(name: str) -> bool:
    return any(fnmatchcase(PurePosixPath(name).name, pattern) for pattern in LITTER)


def _fault(folder: Path, name: str, path: Path) -> Fault | None:
    """Why a file can be neither code nor weights; None where it can."""
    mode = path.lstat().st_mode
    if stat.S_ISREG(mode):
        return None
    remedy = "Remove it, or put what it leads to in its place."
    if not stat.S_ISLNK(mode):
        problem = _kind(mode)
    elif not is_inside(path, folder):
        problem = f"a link that leaves the folder (to {path.readlink()})"
    elif path.is_dir():
        problem = f"a linked folder (to {path.readlink()})"
    elif not path.is_file():
        problem = f"a link to nothing that can be read (to {path.readlink()})"
    else:
        return None
    return Fault(f"{folder}: {name}", problem, "a regular file of the folder", remedy)


def _kind(mode: int) -> str:
    kinds = ((stat.S_ISFIFO, "a fifo"), (stat.S_ISSOCK, "a socket"), (stat.S_ISDIR, "a folder"))
    return next((words for is_kind, words in kinds if is_kind(mode)), "a device")
