"""What a site says of itself: where its repository is, how to hand in a system, how to cite."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from harness import __version__
from harness.errors import Fault, RepositoryError, UsageError, on_one_line
from harness.git import try_git

TITLE = "eeg-speech-harness: a challenge kit for decoding what people hear from EEG"
AUTHORS = "The eeg-speech-harness maintainers"
# As people write a remote: https://host/path, ssh://git@host/path, git@host:path; a user's name is left out.
_WEB = re.compile(r"(https?)://(?:[^/@\s]*@)?([\w-]+\.[\w.-]+)(:\d+)?/([\w./~-]+?)(?:\.git)?/?")
_SSH = re.compile(
    r"(?:ssh://(?:[^/@\s]*@)?|[^/@:\s]+@)([\w-]+\.[\w.-]+)(?::\d+)?[/:]([\w./~-]+?)(?:\.git)?/?"
)
_URL = re.compile(r"https://[\w.-]+(:\d+)?(/[\w.~%/-]*)?")


def repository_url(given: str | None, root: Path) -> str | None:
    """The address of the repository for people: the one given, or that of the remote ``origin``.

    Args:
        given: by the user; None where nothing is.
        root: a folder of the clone.

    Returns:
        https://..., without a user's name or password; None where neither is known.

    Raises:
        UsageError: what was given is no https address.
    """
    if given is not None:
        if not _URL.fullmatch(given):
            raise UsageError(Fault("--repository", repr(on_one_line(given)), "an address, https://..."))
        return given.rstrip("/")
    try:
        remote = try_git(root, "config", "--get", "remote.origin.url")
    except RepositoryError:  # no git here
        return None
    text = (remote or b"").decode("utf-8", "replace").strip()
    if web := _WEB.fullmatch(text):
        scheme, host, port, path = web.groups()
        # A port is of one scheme: pages of http on a port of its own are nowhere under https.
        return None if port and scheme == "http" else f"https://{host}{port or ''}/{path.strip('/')}"
    ssh = _SSH.fullmatch(text)
    return f"https://{ssh[1]}/{ssh[2].strip('/')}" if ssh else None


def about_view(repository: str | None) -> dict[str, Any]:
    """What the index says below its boards."""
    url = f", url = {{{repository}}}" if repository else ""
    return {
        "guide": f"{repository}/blob/HEAD/docs/challenge.md" if repository else None,
        "cite": f"{AUTHORS}. {TITLE}, version {__version__}." + (f" {repository}" if repository else ""),
        "bibtex": (
            f"@software{{eeg_speech_harness, title = {{{TITLE}}}, author = {{{{{AUTHORS}}}}},"
            f" version = {{{__version__}}}{url}}}"
        ),
    }
