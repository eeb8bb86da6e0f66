"""Fetch a public corpus, each file checked by its sha256; a second call goes on where the first stopped.

The files are those of a declaration's table ``fetch``. Some have no sha256 there: they were not available
when the list was made. These are fetched only on request, and their hashes are printed.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from socket import gethostname
from typing import Any
from urllib.parse import quote, urlsplit

from harness.conventions import Progress
from harness.corpus.base import natural_key
from harness.corpus.declaration import Declaration
from harness.errors import CorpusError, Fault, UsageError, did_you_mean, shorten, show
from harness.files import file_sha256


@dataclass(frozen=True)
class Fetched:
    """What a fetch did.

    Attributes:
        downloaded: files fetched now.
        present: files that were there already, with the right hash.
        remarks: what the user should know: files without a hash on record.
    """

    downloaded: int
    present: int
    remarks: tuple[str, ...]


def fetch_corpus(
    declaration: Declaration,
    folder: Path,
    *,
    subjects: Sequence[str] | None = None,
    unverified: bool = False,
    url: str | None = None,
    on_progress: Progress | None = None,
) -> Fetched:
    """Fetch a corpus, file by file; each is checked before it gets its name.

    Args:
        declaration: with a table ``fetch``.
        folder: where the files go; made where it is missing.
        subjects: only these; None for all that have hashes (with ``unverified`` for all).
        unverified: also fetch files without a sha256 on record.
        url: another place that serves the same files, ending before the file's name.
        on_progress: called with the number of files done and of all.

    Raises:
        UsageError: no table ``fetch``, a subject that does not exist, or that needs ``unverified``, or an
            address of another kind than http and https.
        CorpusError: a download failed, a file's hash is wrong, or something else lies where the files go;
            what was fetched before stays.
    """
    if declaration.fetch is None:
        raise UsageError(Fault(f"corpus {declaration.name}", "no table 'fetch' in its declaration"))
    listed = declaration.fetch
    owners = _owners(declaration, listed)
    everyone = sorted(set(owners.values()), key=natural_key)
    names = _chosen(listed, owners, everyone, subjects, unverified)
    if url is not None:
        check_url(url, ("https", "http"))
    base = (url or listed["url"]).rstrip("/") + "/"
    if folder.exists() and not folder.is_dir():
        raise CorpusError(Fault(str(folder), "a file", "a folder for the corpus"))
    downloaded = present = 0
    remarks = []
    for done, name in enumerate(names, start=1):
        known = listed["sha256"].get(name)
        path = folder / name
        if path.is_file() and known in (None, file_sha256(path)):
            present += 1
        else:
            _make_way(path)
            _download(base + quote(name), known, folder, name)
            downloaded += 1
            if known is None:
                remarks.append(f"{name}: sha256 {file_sha256(path)} (not on record)")
        if on_progress:
            on_progress(done, len(names))
    absent = [subject for subject in everyone if subject not in {owners[name] for name in names}]
    if absent and subjects is None:
        remarks.append(f"not fetched, no sha256 on record: {shorten(absent, 8)}; --unverified fetches them")
    return Fetched(downloaded, present, tuple(remarks))


def check_url(url: str, schemes: Sequence[str]) -> None:
    """Refuse an address that files are not fetched from.

    Raises:
        UsageError: it is no address, or of another kind.
    """
    parts = urlsplit(url)
    if parts.scheme not in schemes or not parts.netloc:
        kinds = " or ".join(f"{scheme}://" for scheme in schemes)
        raise UsageError(Fault("--url", show(repr(url)), f"an address that begins with {kinds}"))


def _make_way(path: Path) -> None:
    """Remove a file that is not the one that is listed.

    Raises:
        CorpusError: it cannot be removed, as a folder cannot.
    """
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise CorpusError(
            Fault(str(path), (error.strerror or str(error)).lower(), "a file or nothing", "Move it away.")
        ) from None


def _owners(declaration: Declaration, listed: Mapping[str, Any]) -> dict[str, str]:
    """File -> the subject in its name, in the list's order; empty where the name has none."""
    patterns = declaration.eeg.patterns if declaration.eeg is not None else ()
    owners = {}
    for name in [*listed["sha256"], *listed.get("unverified", [])]:
        matches = (pattern.match(name) for pattern in patterns)
        words = re.split(r"[^A-Za-z0-9-]+", name)
        subjects = [found["subject"] for found in matches if found]
        subjects += [word for word in words if word in (declaration.subjects or ())]
        owners[name] = subjects[0] if subjects else ""
    return owners


def _chosen(
    listed: Mapping[str, Any],
    owners: Mapping[str, str],
    everyone: Sequence[str],
    subjects: Sequence[str] | None,
    unverified: bool,
) -> list[str]:
    verified = {owners[name] for name in listed["sha256"]}
    chosen = list(subjects or (everyone if unverified else [s for s in everyone if s in verified]))
    unknown = [subject for subject in chosen if subject not in everyone]
    if unknown:
        raise UsageError(
            Fault(
                "--subjects",
                shorten([one or "''" for one in unknown]),
                f"some of {everyone[0]}..{everyone[-1]}",
                did_you_mean(unknown[0], everyone),
            )
        )
    without_hash = [subject for subject in chosen if subject not in verified]
    if without_hash and not unverified:
        raise UsageError(
            Fault(
                "--subjects",
                f"no sha256 on record for {shorten(without_hash)}",
                remedy="Add --unverified to fetch them all the same.",
            )
        )
    return [name for subject in chosen for name in owners if owners[name] == subject]


@contextmanager
def _scratch(folder: Path) -> Iterator[Path]:
    """A hidden folder for half a file; those of fetches that were killed on this machine are removed."""
    import psutil

    here = re.sub(r"[^A-Za-z0-9.]", "", gethostname())
    for left in folder.glob(f".fetch-{here}-[0-9]*"):
        number = left.name.rpartition("-")[2]
        if number.isdigit() and not psutil.pid_exists(int(number)):
            shutil.rmtree(left, ignore_errors=True)
    scratch = folder / f".fetch-{here}-{os.getpid()}"
    scratch.mkdir(exist_ok=True)
    try:
        yield scratch
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _download(url: str, known: str | None, folder: Path, name: str) -> None:
    import pooch
    import requests

    pooch.get_logger().setLevel("ERROR")
    try:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        with _scratch(folder) as scratch:  # pooch writes a temporary file there, and checks the hash
            known_hash = f"sha256:{known}" if known else None
            fetched = pooch.retrieve(url, known_hash=known_hash, fname="file", path=scratch)
            Path(fetched).replace(folder / name)
    except requests.exceptions.RequestException as error:
        reason = f"HTTP {error.response.status_code}" if error.response is not None else "no answer"
        raise CorpusError(
            Fault(
                url,
                f"{reason} ({type(error).__name__})",
                "the file",
                "Check the connection and call again: files that are there are kept.",
            )
        ) from None
    except ValueError as error:
        raise CorpusError(
            Fault(
                url,
                "a file with another sha256",
                f"{known}",
                "The source changed, or the connection garbles files: it was not kept.",
            )
        ) from error
    except OSError as error:
        raise CorpusError(
            Fault(str(folder), error.strerror or "cannot be written", "a folder that can be written")
        ) from None
