"""A hash of what decides a score."""

from __future__ import annotations

import hashlib
import json

from harness.records.record import CorpusData, Record, SplitPart, System


def record_key(record: Record) -> str:
    """Hash of what decides a score: code, weights, members, split, corpus, scorer, variant and seed.

    The harness around the scorer is not in it.
    """
    return key_of(
        record.submission,
        record.split,
        record.corpus,
        feature=record.feature,
        scorer_version=record.scorer_version,
        seed=record.seed,
    )


def key_of(
    system: System, split: SplitPart, corpus: CorpusData, *, feature: str, scorer_version: int, seed: int
) -> str:
    """As :func:`record_key`, for a score that has no record yet."""
    decides: dict[str, object] = {
        "submission": [system.name, system.kind, system.variant],
        "made of": [system.code_sha256, system.weights_sha256, system.predictions_sha256],
        "members": [
            [member.name, member.variant, member.code_sha256, member.weights_sha256]
            for member in system.members
        ],
        "split": [split.sha256, split.part, feature],
        "corpus": [corpus.name, corpus.fingerprint],
        "scorer": scorer_version,
        "seed": seed,
    }
    if system.transfer is not None:
        decides["transfer"] = [system.transfer.corpus, system.transfer.split]
    if system.channels_excluded:
        decides["channels excluded"] = list(system.channels_excluded)
    if split.measures:  # a corpus may declare them for its splits, whose files then do not say so
        decides["measures"] = list(split.measures)
    return hashlib.sha256(json.dumps(decides, sort_keys=True).encode()).hexdigest()
