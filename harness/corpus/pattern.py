"""Patterns of file names: ``eeg/{subject}/{session}_{stimulus}.npy`` says what each name means.

A pattern is a path below a folder, parts joined by ``/``. ``{subject}``, ``{session}``, ``{run}`` and
``{stimulus}`` stand for one or more characters other than ``/``, ``*`` for any number of them. Where a name
can be read in two ways, each placeholder ends as early as it can: ``{subject}_{stimulus}.npy`` reads
``P01_a_b.npy`` as the subject ``P01`` and the stimulus ``a_b``.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

PLACEHOLDERS = ("subject", "session", "run", "stimulus")
_PLACEHOLDER = re.compile(r"\{(\w*)\}")


@dataclass(frozen=True)
class Pattern:
    """A pattern of file names.

    Attributes:
        text: as it is written, such as ``eeg/{subject}_{stimulus}.npy``.
    """

    text: str

    @cached_property
    def placeholders(self) -> tuple[str, ...]:
        """The names in braces, each once, in their order."""
        return tuple(dict.fromkeys(_PLACEHOLDER.findall(self.text)))

    @cached_property
    def _expression(self) -> re.Pattern[str]:
        parts: list[str] = []
        seen: set[str] = set()
        for piece in re.split(r"(\{\w*\}|\*)", self.text):
            name = piece[1:-1]
            if piece == "*":
                parts.append("[^/]*")
            elif not _PLACEHOLDER.fullmatch(piece):
                parts.append(re.escape(piece))
            elif name in seen:
                parts.append(f"(?P={name})")
            else:
                seen.add(name)
                parts.append(f"(?P<{name}>[^/]+?)")
        return re.compile("".join(parts))

    def match(self, path: str) -> Mapping[str, str] | None:
        """What a path, relative and with ``/``, has for each placeholder; None where it does not match."""
        found = self._expression.fullmatch(path)
        return found.groupdict() if found else None

    def with_values(self, values: Mapping[str, str]) -> Pattern:
        """The pattern with values in place of the placeholders, each taken as it is."""
        return Pattern(_PLACEHOLDER.sub(lambda found: values[found[1]], self.text))


def files_below(folder: Path) -> Iterator[str]:
    """Every file below a folder, as sorted relative paths with ``/``.

    Hidden files and folders (``.git``, and the ``._name`` that macOS leaves beside ``name``) are passed over.
    Links are followed, but not to a folder above. A link to a file that is not there is listed too, so that
    reading it reports the fault.
    """
    yield from _walk(folder, "", {folder.resolve()})


def _walk(folder: Path, prefix: str, above: set[Path]) -> Iterator[str]:
    with os.scandir(folder) as entries:
        listed = sorted(entries, key=lambda entry: entry.name)
    for entry in listed:
        if entry.name.startswith("."):
            continue
        if not _is_folder(entry):
            yield f"{prefix}{entry.name}"
            continue
        real = Path(entry.path).resolve()
        if real not in above:
            yield from _walk(Path(entry.path), f"{prefix}{entry.name}/", above | {real})


def _is_folder(entry: os.DirEntry[str]) -> bool:
    """Whether an entry is a folder, or a link to one; a link to itself is none."""
    try:
        return entry.is_dir()
    except OSError:
        return False
