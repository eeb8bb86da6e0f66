"""Fetch raw recordings from NEMAR, an open archive of BIDS data sets, through its client ``nemar-py``.

A declaration names the archive's data set (``[fetch] nemar = "nm000238"``). Of it these are fetched: the
chosen subjects' and sessions' files, the files at the data set's root, and the stimuli that the chosen
recordings' events name. Each file is checked by its size and the archive's hash before it counts as there; a
second call goes on where the first stopped. What the archive does not hold is said, and is no error.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from harness.conventions import Progress
from harness.corpus.base import natural_key
from harness.corpus.declaration import Declaration
from harness.corpus.fetch import check_url
from harness.corpus.tables import STIMULI, named_files
from harness.errors import CorpusError, Fault, HarnessError, UsageError, counted, did_you_mean, shorten

if TYPE_CHECKING:
    from nemar import NEMARClient

# Columns of events.tsv that name files below stimuli/.
_NAMING = ("stim_file", "trigger_file", "noise_file", "video_file")
_AGAIN = "Check the connection and call again: files that are there are kept."
_CHUNK_BYTES = 1 << 20
_GIB = 2.0**30


@dataclass
class ArchiveFetched:
    """What a fetch did.

    Attributes:
        downloaded: files fetched now.
        present: files that were there already, with the right size and hash.
        remarks: what the archive does not hold, and what follows from it.
    """

    downloaded: int = 0
    present: int = 0
    remarks: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class _Chosen:
    """Files of the archive that are wanted, by path."""

    recordings: Mapping[str, Any]
    root: Mapping[str, Any]

    @property
    def events(self) -> list[str]:
        """Tables of events, which name the stimuli."""
        return [path for path in self.recordings if path.endswith("_events.tsv")]


def fetch_archive(
    declaration: Declaration,
    folder: Path,
    *,
    subjects: Sequence[str] | None = None,
    sessions: Sequence[str] | None = None,
    url: str | None = None,
    on_progress: Progress | None = None,
) -> ArchiveFetched:
    """Fetch raw recordings and their stimuli, each file checked before it gets its name.

    Args:
        declaration: with ``nemar`` in its table ``fetch``.
        folder: where the files go; made where it is missing.
        subjects: only these, with or without ``sub-``; None for all that the archive holds.
        sessions: only these, with or without ``ses-``; None for all.
        url: another address of the archive's index (https).
        on_progress: called with the number of files done and of all, and the file's name.

    Raises:
        UsageError: the package is not installed, a subject or session that the archive does not hold, or an
            address that is not https.
        CorpusError: the archive does not answer, a file's hash is wrong, or there is too little room; what
            was fetched before stays.
    """
    listed = declaration.fetch or {}
    if url is not None:
        check_url(url, ("https",))
    done = ArchiveFetched()
    with _errors_of_archive(url or "https://data.nemar.org"):
        files = _manifest(listed, url)
        chosen = _choose(files, subjects, sessions)
        _check_room(folder, [*chosen.recordings.values(), *chosen.root.values()])  # stimuli are not known yet
        first = {path: chosen.recordings[path] for path in chosen.events}
        later = {path: one for path, one in chosen.recordings.items() if path not in first}
        total = len(chosen.recordings) + len(chosen.root)
        get = _Getter(folder, done, total, on_progress)
        get.all({**chosen.root, **first})
        stimuli, absent, unread = _stimuli(files, [folder / path for path in first])
        _check_room(folder, [*stimuli.values(), *later.values()])
        get.total += len(stimuli)
        get.all({**stimuli, **later})
    done.remarks += unread
    done.remarks += _lacking(declaration, files, absent, narrowed=bool(subjects or sessions))
    return done


class _Getter:
    """Fetches files one after the other, and counts."""

    def __init__(self, folder: Path, done: ArchiveFetched, total: int, on_progress: Progress | None) -> None:
        self.folder, self.done, self.total, self.number = folder, done, total, 0
        self._show = on_progress or (lambda *_: None)

    def all(self, files: Mapping[str, Any]) -> None:
        """Fetch files by path; those that are there and right are left alone."""
        from nemar import download_one

        for path, file in sorted(files.items(), key=lambda item: natural_key(item[0])):
            place = self.folder / path
            self._show(self.number, self.total, path)
            if _is_whole(place, file):
                self.done.present += 1
            else:
                if place.is_file() and (file.size is None or place.stat().st_size >= file.size):
                    place.unlink()  # as long as the file, and another one
                result = download_one(file, place)
                if result.value != "ok":
                    place.unlink(missing_ok=True)
                    raise CorpusError(
                        Fault(
                            path,
                            f"fetched, and not what the archive lists ({result.value.replace('_', ' ')})",
                            "its size and hash",
                            "The source changed, or the connection garbles files: it was not kept.",
                        )
                    )
                self.done.downloaded += 1
            self.number += 1
            self._show(self.number, self.total, path)


def _manifest(listed: Mapping[str, Any], url: str | None) -> dict[str, Any]:
    """The archive's files by path."""
    try:
        from nemar import NEMARClient
    except ImportError:
        raise UsageError(
            Fault("nemar-py", "not installed", "the extra raw", "pip install 'eeg-speech-harness[raw]'")
        ) from None
    options: dict[str, Any] = {"max_retries": 3}
    if url is not None:
        options["data_url"] = url
    with NEMARClient(**options) as client:
        return _files(client, str(listed["nemar"]), listed.get("version"))


def _files(client: NEMARClient, dataset: str, version: str | None) -> dict[str, Any]:
    index = client.fetch_index(dataset)
    manifest = client.fetch_manifest(index, index.resolve_version(version))
    return {file.path: file for file in manifest.files}


def _choose(
    files: Mapping[str, Any], subjects: Sequence[str] | None, sessions: Sequence[str] | None
) -> _Chosen:
    """The recordings that are asked for, and the files at the root."""
    everyone = _subjects(files)
    wanted_subjects = set(_known("--subjects", "sub-", subjects, everyone) or everyone)
    of_subjects = {
        path: file for path, file in files.items() if PurePosixPath(path).parts[0] in wanted_subjects
    }
    there = sorted({part for path in of_subjects for part in _sessions(path)}, key=natural_key)
    wanted_sessions = _known("--sessions", "ses-", sessions, there)
    recordings = {
        path: file
        for path, file in of_subjects.items()
        if not wanted_sessions or not _sessions(path) or set(_sessions(path)) & set(wanted_sessions)
    }
    root = {path: file for path, file in files.items() if "/" not in path and not path.startswith(".")}
    return _Chosen(recordings, root)


def _known(option: str, prefix: str, given: Sequence[str] | None, there: Sequence[str]) -> list[str]:
    """Names with their prefix; empty for all.

    Raises:
        UsageError: the archive lacks some.
    """
    names = [one if one.startswith(prefix) else f"{prefix}{one}" for one in given or ()]
    unknown = [name for name in names if name not in there]
    if unknown:
        shown = f"some of {there[0]}..{there[-1]}" if len(there) > 8 else shorten(there, 8) or "none at all"
        raise UsageError(
            Fault(
                option,
                f"{shorten(unknown)}, which the archive does not hold",
                shown,
                did_you_mean(unknown[0], there),
            )
        )
    return names


def _subjects(files: Mapping[str, Any]) -> list[str]:
    """Subjects that have files in the archive, in natural order."""
    first = {PurePosixPath(path).parts[0] for path in files if "/" in path}
    return sorted((name for name in first if name.startswith("sub-")), key=natural_key)


def _sessions(path: str) -> list[str]:
    """The session folders in a path."""
    return [part for part in PurePosixPath(path).parts[:-1] if part.startswith("ses-")]


def _stimuli(files: Mapping[str, Any], events: Sequence[Path]) -> tuple[dict[str, Any], list[str], list[str]]:
    """The stimuli that tables of events name, by path, those that the archive does not hold, and remarks."""
    found: dict[str, Any] = {}
    absent: list[str] = []
    names, unread = _named(events)
    for name in names:
        # the data set's own name for the trigger track beside a stimulus, where no column names it
        track = PurePosixPath(name).with_name(f"t_{PurePosixPath(name).name}").as_posix()
        for wanted, needed in ((name, True), (track, False)):
            path = f"{STIMULI}/{wanted}"
            if path in files:
                found[path] = files[path]
            elif needed:
                absent.append(name)
    return found, sorted(set(absent), key=natural_key), unread


def _named(events: Iterable[Path]) -> tuple[list[str], list[str]]:
    """What tables of events name below stimuli/, each once, and remarks on tables that are broken."""
    names: dict[str, None] = {}
    unread = []
    for table in events:
        try:
            names |= dict.fromkeys(named_files(table, _NAMING))
        except CorpusError as error:
            unread += [f"stimuli that it names are not fetched: {fault}" for fault in error.faults]
    return [name for name in names if PurePosixPath(name).name], unread


def _lacking(
    declaration: Declaration, files: Mapping[str, Any], absent: Sequence[str], *, narrowed: bool
) -> list[str]:
    """What the archive does not hold, in words."""
    remarks = []
    if absent:
        remarks.append(
            f"not in the archive: {counted(len(absent), 'stimulus file')} that events name"
            f" ({shorten(absent, 4)}); recordings of these cannot be prepared"
        )
    there = set(_subjects(files))
    missing = [name for name in declaration.subjects or () if name not in there]
    if missing and not narrowed:
        remarks.append(
            f"not in the archive: {len(missing)} of {counted(len(declaration.subjects or ()), 'subject')}:"
            f" {shorten(missing, 8)}"
        )
    if not any(path.startswith("derivatives/") for path in files):
        remarks.append(
            "not in the archive: preprocessed EEG and features; `harness data prepare` makes them of what was"
            " fetched"
        )
    return remarks


def _check_room(folder: Path, files: Sequence[Any]) -> None:
    """Refuse a fetch that the disk has no room for.

    Raises:
        CorpusError: too little room.
    """
    folder.mkdir(parents=True, exist_ok=True)
    needed = sum(
        file.size or 0
        for file in files
        if not (folder / file.path).is_file() or (folder / file.path).stat().st_size != file.size
    )
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise CorpusError(
            Fault(
                str(folder),
                f"{free / _GIB:.1f} GiB free",
                f"{needed / _GIB:.1f} GiB for what is asked and not there yet",
                "Choose fewer with --subjects and --sessions, or another folder.",
            )
        )


def _is_whole(place: Path, file: Any) -> bool:
    """Whether a file is there, of the size and the hash that the archive lists."""
    if not place.is_file() or (file.size is not None and place.stat().st_size != file.size):
        return False
    if file.sha256:
        return bool(_digest(place, hashlib.sha256()) == file.sha256.lower())
    if file.git_sha1:
        header = f"blob {place.stat().st_size}\0".encode()
        return bool(_digest(place, hashlib.sha1(header, usedforsecurity=False)) == file.git_sha1.lower())
    if file.md5:
        return bool(_digest(place, hashlib.md5(usedforsecurity=False)) == file.md5.lower())
    return file.size is not None


def _digest(path: Path, digest: Any) -> str:
    with path.open("rb") as content:
        while chunk := content.read(_CHUNK_BYTES):
            digest.update(chunk)
    return str(digest.hexdigest())


@contextmanager
def _errors_of_archive(where: str) -> Iterator[None]:
    """The client's errors as the harness says them."""
    try:
        yield
    except HarnessError:
        raise
    except OSError as error:
        said = error.strerror or type(error).__name__
        raise CorpusError(Fault(str(error.filename or where), said, "a folder that can be written")) from None
    except Exception as error:
        if type(error).__module__.partition(".")[0] not in ("nemar", "httpx", "builtins"):
            raise
        what = " ".join(str(error).split())[:300]
        raise CorpusError(Fault(where, f"{what} ({type(error).__name__})", "the archive", _AGAIN)) from None
