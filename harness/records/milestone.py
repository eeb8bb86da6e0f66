"""The few fields of a record that its history needs, from a file of any version of the schema."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from harness.records.record import Record
from harness.schemas.documents import parse_json
from harness.scoring.measures import DEFAULT


class _Split(msgspec.Struct, frozen=True):
    sha256: str
    measures: tuple[str, ...] = ()


class _Result(msgspec.Struct, frozen=True):
    value: float


class _Corpus(msgspec.Struct, frozen=True):
    fingerprint: str


class _System(msgspec.Struct, frozen=True):
    code_sha256: str | None = None
    weights_sha256: str | None = None
    predictions_sha256: str | None = None
    members: Any = ()


class Milestone(msgspec.Struct, frozen=True):
    """A record of any version, as far as events need it; the fields are those of a `Record`."""

    score: float
    scorer_version: int
    split: _Split
    corpus: _Corpus
    submission: _System
    measures: Mapping[str, _Result] = {}


def parse_milestone(content: bytes) -> Milestone | None:
    """The milestone in a file's bytes; None where they are no record."""
    try:
        return msgspec.convert(parse_json(content), Milestone)
    except (ValueError, msgspec.ValidationError):
        return None


def ranked_by(record: Record | Milestone) -> tuple[str, float]:
    """The name of the measure that ranks, and the score by it; Pearson r where the record does not say."""
    name = (record.split.measures or (DEFAULT,))[0]
    result = (record.measures or {}).get(name)
    return (DEFAULT, record.score) if result is None else (name, result.value)


def made_of(record: Record | Milestone) -> tuple[object, ...]:
    """Hashes of what the score was made from."""
    system = record.submission
    return system.code_sha256, system.weights_sha256, system.predictions_sha256, system.members
