"""Which of a submission's results are exported: those of this code and of these weights."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from harness.boards.board import BoardName
from harness.boards.ranking import Ranking
from harness.boards.row import Row
from harness.submission.manifest import Submission


class Place(NamedTuple):
    """A row on a board.

    Attributes:
        ranking: of the board.
        row: of a variant of the submission.
    """

    ranking: Ranking
    row: Row

    @property
    def board(self) -> BoardName:
        """The board's name."""
        return self.ranking.board.name

    @property
    def stem(self) -> str:
        """Of the board's files."""
        return "-".join(self.board)


class Places(NamedTuple):
    """A submission's results.

    Attributes:
        real: rows on boards of real EEG.
        simulated: rows on boards of simulated EEG.
        others: systems and boards of results that are of other code or weights than the submission's.
    """

    real: tuple[Place, ...]
    simulated: tuple[Place, ...]
    others: tuple[str, ...]

    @property
    def every(self) -> tuple[Place, ...]:
        """All of them, those on real EEG first."""
        return self.real + self.simulated

    def boards(self) -> list[tuple[str, list[Place]]]:
        """File stem of each board -> its places."""
        found: dict[str, list[Place]] = {}
        for place in self.every:
            found.setdefault(place.stem, []).append(place)
        return list(found.items())


def places_of(submission: Submission, rankings: Sequence[Ranking]) -> Places:
    """Where a submission stands, and which of its results are of something else."""
    code = submission.code_sha256()
    weights = {entry["sha256"] for entry in submission.manifest.get("weights", [])}
    mine: list[Place] = []
    others = []
    for ranking in rankings:
        for row in (*ranking.rows, *ranking.ablations):
            if row.kind != "submission" or row.name != submission.name:
                continue
            if row.hashes.get("code") == code and _weights_of(row) <= weights:
                mine.append(Place(ranking, row))
            else:
                others.append(f"{row.system} on {'/'.join(ranking.board.name)}")
    real = tuple(place for place in mine if not place.ranking.board.simulated)
    simulated = tuple(place for place in mine if place.ranking.board.simulated)
    return Places(real, simulated, tuple(others))


def _weights_of(row: Row) -> set[str]:
    hashes: Iterable[str | None] = (row.hashes.get("weights"), *(one.weights_sha256 for one in row.seeds))
    return {sha256 for sha256 in hashes if sha256}
