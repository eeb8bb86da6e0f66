"""Records of boards that lie in no file: quick to make, with what a test wants said of them."""

import dataclasses
import hashlib
from pathlib import Path

import numpy as np
import pytest
from documents import controls_document, record_of
from msgspec import Struct, convert, json
from msgspec.structs import replace

from harness.boards import ranking
from harness.boards.board import BoardName, BoardRecord, board_of
from harness.records.controls import Controls
from harness.records.stimuli import SeenAndUnseen, StimulusGroup
from harness.records.store import record_path

BOARD = BoardName("simulated", "held-out-subjects", "test", "mel")


def made(name, scores, *, chance=0.01, bands=None, **changes):
    """The record of a system with these scores of its subjects.

    Args:
        name: of the system.
        scores: of each subject.
        chance: half of the band, around 0.
        bands: of each subject alike; two, each its score, where not given.
        changes: fields of the record that it shall have; some of the fields of an object, as a dictionary.
    """
    record = record_of(name, scores, bands=bands, chance=chance)
    return with_values(BoardRecord(Path("results"), record, ""), **changes)


def with_values(one, **changes):
    """A record with other values; some of the fields of an object, as a dictionary."""
    record = one.record
    values = {
        field: replace(getattr(record, field), **value)
        if isinstance(value, dict) and isinstance(getattr(record, field), Struct)
        else value
        for field, value in changes.items()
    }
    record = replace(record, **values)
    sha256 = hashlib.sha256(json.encode(record)).hexdigest()  # of other bytes than its file's, and quick
    return BoardRecord(record_path(Path("results"), record), record, sha256, fresh=True)


def controls(scores, blind):
    """What a record says of a system without the EEG, by what each subject scores with and without it."""
    return convert(controls_document(scores, blind), Controls)


def unseen_stimuli(scores, *, seen=0.5, ci95=None):
    """What a record says of seen and unseen stimuli, by what each subject scores on the unseen ones."""

    def group(values):
        subjects = {f"sub-{86 + i:03d}": value for i, value in enumerate(values)}
        return StimulusGroup(value=sum(values) / len(values), ci95=ci95, subjects=subjects, segments=4)

    return SeenAndUnseen(seen=group([seen] * len(scores)), unseen=group(scores))


def decided(ones, ps=None, by_t=(), name=BOARD):
    """A ranked board as if its tests had given what is told here; it has no resolution, which takes long.

    Args:
        ones: its records.
        ps: adjusted p by the names of both, with a space between; 1 where a pair is not named.
        by_t: pairs that are compared as architectures.
        name: of the board.
    """
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(ranking, "resolution_of", lambda *_: None)
        found = ranking.rank(board_of(name, ones))
    names = [row.system for row in found.rows]
    p, architectures = np.ones((len(names), len(names))), np.zeros((len(names), len(names)), dtype=bool)
    for pair, value in (ps or {}).items():
        i, j = map(names.index, pair.split())
        p[i, j] = p[j, i] = value
    for pair in by_t:
        i, j = map(names.index, pair.split())
        architectures[i, j] = architectures[j, i] = True
    return dataclasses.replace(found, p=p, architectures=architectures)
