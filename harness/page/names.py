"""Where a page lies: names of boards and systems as names of files, and links that may be followed."""

from __future__ import annotations

import hashlib
import re

from harness.boards.board import BoardName

_DOI = re.compile(r"\bdoi[: ]\s*(10\.\d{4,9}/[^\s,;]+)", re.IGNORECASE)
_ARXIV = re.compile(r"\barxiv[: ]\s*(\d{4}\.\d{4,5})", re.IGNORECASE)
_URL = re.compile(r"https?://[^\s\"'<>]+")


def slug(name: str) -> str:
    """A name as part of a file's name: itself where it is lower-case words joined by hyphens.

    Any other name is simplified, and its hash is added after an underscore. No plain name has an
    underscore, so two names never share a file.
    """
    plain = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:60]
    return name if name and plain == name else f"{plain}_{hashlib.sha256(name.encode()).hexdigest()[:12]}"


def board_file(name: BoardName) -> str:
    """A board's page below the site's folder."""
    return f"boards/{slug('-'.join(name))}.html"


def board_data(name: BoardName, suffix: str) -> str:
    """A board's data below the site's folder: ``.csv`` or ``.json``, beside its page."""
    return board_file(name).removesuffix(".html") + suffix


def system_file(name: str) -> str:
    """A system's page below the site's folder."""
    return f"systems/{slug(name)}.html"


def paper_link(paper: str) -> str | None:
    """The link of a citation: itself if it is a URL, else that of its DOI or arXiv number; else None."""
    if _URL.fullmatch(paper.strip()):
        return paper.strip()
    if found := _DOI.search(paper):
        return f"https://doi.org/{found[1].rstrip('.')}"
    if found := _ARXIV.search(paper):
        return f"https://arxiv.org/abs/{found[1]}"
    return None
