"""Patterns of file names: ``eeg/{subject}/{session}_{stimulus}.npy`` says what each name means.

A pattern is a path below a folder, parts joined by ``/``. ``{subject}``, ``{session}``, ``{run}`` and
``{stimulus}`` stand for one or more characters other than ``/``, ``*`` for any number of them. Where a name
can be read in two ways, each placeholder ends as early as it can: ``{subject}_{stimulus}.npy`` reads
``P01_a_b.npy`` as the subject ``P01`` and the stimulus ``a_b``.

No pattern takes long on any name: what could not be read from some place on is not tried again from there,
and a name that a pattern could be read into in too many ways is refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

from harness.errors import CorpusError, Fault, show

PLACEHOLDERS = ("subject", "session", "run", "stimulus")
MOST_WILDCARDS = 32
"""Placeholders and ``*`` in one pattern."""
_MOST_TRIED = 100_000
_PLACEHOLDER = re.compile(r"\{(\w*)\}")
_PIECES = re.compile(r"(\{\w*\}|\*+)")


@dataclass(frozen=True)
class _Piece:
    """A piece of a pattern.

    Attributes:
        text: as it stands, of a piece that is taken as it is; else empty.
        name: of a placeholder; empty for ``*`` and for text.
    """

    text: str = ""
    name: str = ""


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
    def n_wildcards(self) -> int:
        """How many placeholders and ``*`` there are."""
        return sum(not piece.text for piece in self._pieces)

    @cached_property
    def _pieces(self) -> tuple[_Piece, ...]:
        pieces = []
        for piece in filter(None, _PIECES.split(self.text)):
            placeholder = _PLACEHOLDER.fullmatch(piece)
            if placeholder:
                pieces.append(_Piece(name=placeholder[1]))
            else:
                pieces.append(_Piece() if piece.startswith("*") else _Piece(piece))
        return tuple(pieces)

    def match(self, path: str) -> Mapping[str, str] | None:
        """What a path, relative and with ``/``, has for each placeholder; None where it does not match.

        Raises:
            CorpusError: there are too many ways to read the path.
        """
        return _Reading(self, path, {}).found()

    def matches(self, path: str, values: Mapping[str, str]) -> bool:
        """Whether a path matches with these values in place of the placeholders, each taken as it is.

        Raises:
            CorpusError: there are too many ways to read the path.
        """
        return _Reading(self, path, values).found() is not None


class _Reading:
    """One path, read by one pattern."""

    def __init__(self, pattern: Pattern, path: str, values: Mapping[str, str]) -> None:
        self._pattern = pattern
        self._pieces = pattern._pieces
        self._path = path
        self._values = dict(values)
        self._in_vain: set[tuple[object, ...]] = set()
        self._tried = 0
        # Which placeholders come again from a piece on: what they hold decides whether the rest matches.
        later: set[str] = set()
        again: list[tuple[str, ...]] = []
        for piece in reversed(self._pieces):
            later |= {piece.name} - {""}
            again.append(tuple(sorted(later)))
        self._again = again[::-1]

    def found(self) -> Mapping[str, str] | None:
        """What each placeholder holds; None where the path does not match."""
        return self._from(0, 0, self._values)

    def _from(self, number: int, start: int, held: Mapping[str, str]) -> Mapping[str, str] | None:
        """Read the path from a place on, with the pieces from one on."""
        if number == len(self._pieces):
            return held if start == len(self._path) else None
        piece = self._pieces[number]
        text = piece.text or held.get(piece.name, "")
        if text:
            there = self._path.startswith(text, start)
            return self._from(number + 1, start + len(text), held) if there else None
        state = (number, start, *(held.get(name) for name in self._again[number]))
        if state in self._in_vain:
            return None
        for end in self._ends(piece, start):
            self._count()
            more = {**held, piece.name: self._path[start:end]} if piece.name else held
            found = self._from(number + 1, end, more)
            if found is not None:
                return found
        self._in_vain.add(state)
        return None

    def _ends(self, piece: _Piece, start: int) -> Iterable[int]:
        """Where a wildcard may end: a placeholder as early as it can, ``*`` as late as it can."""
        slash = self._path.find("/", start)
        last = len(self._path) if slash < 0 else slash
        return range(start + 1, last + 1) if piece.name else range(last, start - 1, -1)

    def _count(self) -> None:
        self._tried += 1
        if self._tried > _MOST_TRIED:
            raise CorpusError(
                Fault(
                    show(self._path),
                    f"too many ways to read it by {show(self._pattern.text)!r}",
                    "a pattern that leaves little to guess",
                    "Put text between the placeholders, and use fewer of them and of *.",
                )
            )
