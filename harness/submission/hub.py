"""Submissions on Hugging Face's hub: ``hf:owner/name@revision`` is fetched once, and then lies in the cache.

A revision (a branch, a tag or a commit) is resolved to its commit. What was fetched lies in a folder that is
named by it, so that a record can say where its system came from, and a commit that is there needs no network.
Files are the bytes that the hub lists; their hashes lie beside the folder, and it is used only as long as
every file has its own.
Nothing of it runs outside the predictor's process: a trainer or an importer of somebody else's is not used.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from harness.conventions import Progress
from harness.errors import Fault, SubmissionError, UsageError, counted, on_one_line, raise_all, shorten
from harness.files import alone_in, file_sha256, write_atomically
from harness.submission.manifest import MANIFEST, load_submission

SCHEME = "hf:"
EXTRA = "pip install 'eeg-speech-harness[hub]'"
# Of a repository, before anything is fetched.
MOST_BYTES = 4 * 2**30
MOST_FILES = 2000
# What the hub keeps beside a package, and `harness export hub` writes: no part of it.
NOT_FETCHED = (".eval_results", ".gitattributes", ".git", ".cache")
_SECONDS = 30.0
_PART = r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,94}[A-Za-z0-9])?"
_NAME = re.compile(rf"({_PART})/({_PART})@([A-Za-z0-9](?:[A-Za-z0-9._/-]{{0,198}}[A-Za-z0-9])?)")
_COMMIT = re.compile(r"[0-9a-f]{40}")


class HubName(NamedTuple):
    """A repository at a revision.

    Attributes:
        owner: a user or an organisation.
        name: of the repository.
        revision: a branch, a tag or a commit.
    """

    owner: str
    name: str
    revision: str

    @property
    def repository(self) -> str:
        """As the hub calls it."""
        return f"{self.owner}/{self.name}"

    @property
    def text(self) -> str:
        """As a user writes it."""
        return f"{SCHEME}{self.repository}@{self.revision}"


def is_hub_name(text: str) -> bool:
    """Whether a word on the command line means a repository of the hub, and no path."""
    return text.startswith(SCHEME)


def parsed(text: str) -> HubName:
    """The repository and revision that a word names.

    Raises:
        UsageError: it is not written as hf:owner/name@revision.
    """
    found = _NAME.fullmatch(text.removeprefix(SCHEME))
    if found is None or ".." in text or "//" in text:
        where = on_one_line(text)
        remedy = ""
        if _NAME.fullmatch(f"{text.removeprefix(SCHEME)}@main"):
            remedy = f"{where}@main is what is newest there; a record names the commit."
        raise UsageError(Fault(where, "a name that cannot be read", "hf:owner/name@revision", remedy))
    return HubName(*found.groups())


def cache_folder() -> Path:
    """Where fetched repositories lie: ``<owner>/<name>/<commit>``."""
    import platformdirs

    return platformdirs.user_cache_path("eeg-speech-harness") / "hub"


def source_of(folder: Path) -> str | None:
    """Where a submission was fetched from, as ``owner/name@commit``; None where not, or changed since."""
    source = place_of(folder)
    return source if source is not None and _changed(folder.resolve()) == [] else None


def place_of(folder: Path) -> str | None:
    """Which repository and commit a folder among what was fetched is for; None for any other folder."""
    try:
        parts = folder.resolve().relative_to(cache_folder().resolve()).parts
    except (ValueError, OSError):
        return None
    if len(parts) != 3 or not _COMMIT.fullmatch(parts[2]):
        return None
    return f"{parts[0]}/{parts[1]}@{parts[2]}"


def fetched(text: str, show: Progress | None = None) -> Path:
    """The folder of a submission on the hub, fetched where it is not there yet.

    Args:
        text: hf:owner/name@revision.
        show: is told megabytes that are there, all of them, and of what.

    Raises:
        UsageError: a malformed name, or huggingface-hub is not installed.
        SubmissionError: the hub cannot be reached, knows no such repository or revision or does not give it;
            or what is there is too large, has paths that lead out of it, or is no submission.
    """
    asked = parsed(text)
    place = cache_folder() / asked.owner / asked.name
    if _COMMIT.fullmatch(asked.revision) and _hashes_of(place / asked.revision).is_file():
        return _as_fetched(asked, place / asked.revision)
    hub = _library(asked)
    with _told(asked, place):
        commit, files = _listed(hub, asked)
        folder = place / commit
        _check(asked, files)
        with alone_in(place):
            if not _hashes_of(folder).is_file():
                _fetch(hub, asked, commit, files, folder, show)
    return _as_fetched(asked, folder)


class _File(NamedTuple):
    """A file as the hub lists it.

    Attributes:
        size: in bytes.
        sha256: of a large file; else empty.
        git_sha1: of a small one, by which git knows it; else empty.
    """

    size: int
    sha256: str
    git_sha1: str

    def is_right(self, path: Path) -> bool:
        """Whether these are the bytes that are listed."""
        if self.sha256:
            return file_sha256(path) == self.sha256
        whole = hashlib.sha1(f"blob {path.stat().st_size}\0".encode(), usedforsecurity=False)
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                whole.update(block)
        return not self.git_sha1 or whole.hexdigest() == self.git_sha1


def _hashes_of(folder: Path) -> Path:
    """Where the hashes of a fetched folder's files lie; it is written last."""
    return folder.with_name(f"{folder.name}.json")


def _changed(folder: Path) -> list[str] | None:
    """Files that are not as they were fetched; None where that is not known."""
    try:
        hashes: dict[str, str] = json.loads(_hashes_of(folder).read_bytes())
        there = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir()}
        other = {name for name in there & set(hashes) if _sha256(folder / name) != hashes[name]}
        return sorted(other | (there ^ set(hashes)))
    except (OSError, ValueError, TypeError):
        return None


def _as_fetched(asked: HubName, folder: Path) -> Path:
    """The folder, where it is as it was fetched.

    Raises:
        SubmissionError: somebody has changed it.
    """
    changed = _changed(folder)
    if changed == []:
        return folder
    said = "cannot be read where it was fetched to"
    if changed:
        said = f"{shorten(changed, 3)} changed in {folder} since it was fetched"
    remedy = f"Remove {folder} and {_hashes_of(folder)}, and fetch it again."
    raise SubmissionError(Fault(asked.text, said, "the files of the commit", remedy))


def _sha256(path: Path) -> str:
    return "" if path.is_symlink() else file_sha256(path)


def _library(asked: HubName) -> Any:
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")  # read when it is imported
    try:
        import huggingface_hub
    except ImportError as error:
        raise UsageError(
            Fault(asked.text, f"no huggingface-hub ({error})", "huggingface-hub", f"{EXTRA} installs it.")
        ) from None
    return huggingface_hub


def _listed(hub: Any, asked: HubName) -> tuple[str, dict[str, _File]]:
    """The commit of a revision, and its files by name."""
    info = hub.HfApi(library_name="eeg-speech-harness").model_info(
        asked.repository, revision=asked.revision, files_metadata=True, timeout=_SECONDS
    )
    commit = str(info.sha)
    if not _COMMIT.fullmatch(commit):
        raise SubmissionError(Fault(asked.text, f"the commit {on_one_line(commit)!r}", "40 digits"))
    files = {
        str(file.rfilename): _File(
            int(file.size or 0),
            str(file.lfs.sha256) if file.lfs else "",
            "" if file.lfs else str(file.blob_id or ""),
        )
        for file in info.siblings or ()
    }
    return commit, {name: file for name, file in files.items() if name.split("/")[0] not in NOT_FETCHED}


def _check(asked: HubName, files: Mapping[str, _File]) -> None:
    """Refuse what is no submission, what is too large, and paths that lead out of its folder."""
    faults = []
    if MANIFEST not in files:
        faults.append(
            Fault(
                asked.text,
                f"no {MANIFEST} among its files",
                "a submission: what `harness export hub` writes",
                "Other models are not run here: write a package for them, `harness new` begins one.",
            )
        )
    total = sum(file.size for file in files.values())
    if total > MOST_BYTES:
        faults.append(Fault(asked.text, f"{total / 2**30:.1f} GiB", f"at most {MOST_BYTES / 2**30:.0f} GiB"))
    if len(files) > MOST_FILES:
        faults.append(Fault(asked.text, counted(len(files), "file"), f"at most {MOST_FILES:,}"))
    for name in files:
        parts = PurePosixPath(name).parts
        if "\\" in name or "\0" in name or not parts or name.startswith("/") or ".." in parts:
            expected = "paths inside the repository"
            faults.append(Fault(asked.text, f"the file {on_one_line(name)!r}", expected))
    raise_all(SubmissionError, faults)


def _fetch(
    hub: Any, asked: HubName, commit: str, files: Mapping[str, _File], folder: Path, show: Progress | None
) -> None:
    """Fetch all files beside their place, look at them, and move them there."""
    draft = folder.with_name(f".{commit}.part")
    done, total = 0, sum(file.size for file in files.values())
    hub.utils.disable_progress_bars()
    for name, file in sorted(files.items(), key=lambda one: one[1].size):
        if show is not None:
            show(done >> 20, max(total >> 20, 1), f"MB, {name}")
        path = Path(hub.hf_hub_download(asked.repository, name, revision=commit, local_dir=draft))
        if path.is_symlink() or not path.is_file() or not path.resolve().is_relative_to(draft.resolve()):
            raise SubmissionError(Fault(asked.text, f"{on_one_line(name)} is no regular file", "files"))
        if not file.is_right(path):
            path.unlink()
            said = f"{on_one_line(name)} came with other bytes than the hub lists"
            raise SubmissionError(Fault(asked.text, said, "those of the commit", "Try again."))
        done += file.size
    shutil.rmtree(draft / ".cache", ignore_errors=True)
    if load_submission(draft).is_ensemble:
        raise SubmissionError(
            Fault(
                asked.text,
                "an ensemble, whose members lie outside its folder",
                "a submission of its own",
                "Score its members.",
            )
        )
    if folder.exists():  # without its hashes: half removed by somebody
        shutil.rmtree(folder)
    draft.replace(folder)
    hashes = {name: file_sha256(folder / name) for name in sorted(files)}
    write_atomically(_hashes_of(folder), (json.dumps(hashes, indent=1) + "\n").encode())


@contextmanager
def _told(asked: HubName, place: Path) -> Iterator[None]:
    """Say of what the hub's library raises what a user can do about it."""
    try:
        yield
    except (SubmissionError, UsageError):
        raise
    except Exception as error:
        if (fault := _fault(error, asked, place)) is None:
            raise
        raise SubmissionError(fault) from None


def _fault(error: Exception, asked: HubName, place: Path) -> Fault | None:
    from huggingface_hub import errors

    text, repository = asked.text, asked.repository
    if isinstance(error, errors.GatedRepoError):
        return Fault(
            text,
            "its owners ask for consent",
            "a repository that may be read",
            f"Consent on https://huggingface.co/{repository}, and give your token in HF_TOKEN.",
        )
    if isinstance(error, errors.RepositoryNotFoundError):
        return Fault(
            text,
            f"the hub knows no model repository {repository}, or does not show it to you",
            "one that may be read",
            "Look at the spelling. For a private one give your token in HF_TOKEN.",
        )
    if isinstance(error, errors.RevisionNotFoundError):
        return Fault(text, f"{repository} has no revision {asked.revision}", "a branch, a tag or a commit")
    if isinstance(error, errors.HfHubHTTPError) and error.response is not None:
        return Fault(text, f"the hub answered with {error.response.status_code}", "", "Try again later.")
    if isinstance(error, OSError) and (error.filename or error.strerror):  # those of the network have neither
        said = (error.strerror or str(error)).lower()
        return Fault(str(error.filename or place), said, "a folder with room to fetch into")
    if isinstance(error, OSError) or type(error).__module__.split(".")[0] in _NETWORK:
        there = sorted(one.name for one in place.glob("*") if _COMMIT.fullmatch(one.name))
        remedy = "Try again later; what was fetched stays."
        if there:
            commits = ", ".join(f"{SCHEME}{repository}@{commit}" for commit in there[:3])
            remedy = f"Without a network there is {commits}."
        said = f"the hub cannot be reached ({on_one_line(str(error)) or type(error).__name__})"
        return Fault(text, said, "", remedy)
    return None


# What raises errors of the network, by the version of huggingface-hub.
_NETWORK = ("httpx", "httpx2", "httpcore", "httpcore2", "requests", "urllib3", "huggingface_hub")
