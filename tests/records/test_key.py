"""The key of a record: the documented facts, hashed, and what changes it."""

from __future__ import annotations

import hashlib
import json

import pytest
from msgspec import UNSET
from msgspec.structs import replace

from harness.records.key import key_of, record_key
from harness.records.record import CorpusData, Member, SplitPart, System, Transfer
from harness.records.store import read_record

MEMBER = Member(name="one", version="2", variant="wide", code_sha256="b" * 64, weights_sha256="c" * 64)
SYSTEM = System(
    name="tiny",
    kind="submission",
    version="1",
    variant="default",
    code_sha256="d" * 64,
    weights_sha256="e" * 64,
    predictions_sha256=None,
    members=(MEMBER,),
)
SPLIT = SplitPart(
    name="mine", sha256="1" * 64, part="test", segment_seconds=30, measures=("cosine", "pearson_r")
)
CORPUS = CorpusData(name="my-lab", kind="real", fingerprint="2" * 64)


def key(system=SYSTEM, split=SPLIT, corpus=CORPUS, feature="mel", scorer_version=4, seed=7):
    return key_of(system, split, corpus, feature=feature, scorer_version=scorer_version, seed=seed)


def test_the_key_is_the_hash_of_what_decides_a_score():
    facts = {
        "submission": ["tiny", "submission", "default"],
        "made of": ["d" * 64, "e" * 64, None],
        "members": [["one", "wide", "b" * 64, "c" * 64]],
        "split": ["1" * 64, "test", "mel"],
        "corpus": ["my-lab", "2" * 64],
        "scorer": 4,
        "seed": 7,
        "measures": ["cosine", "pearson_r"],
    }
    assert key() == hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()
    del facts["measures"]
    alone = replace(SPLIT, measures=UNSET)
    assert key(split=alone) == hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def test_other_weights_and_channels_left_out_decide_it_too():
    facts = {
        "submission": ["tiny", "submission", "default"],
        "made of": ["d" * 64, "e" * 64, None],
        "members": [["one", "wide", "b" * 64, "c" * 64]],
        "split": ["1" * 64, "test", "mel"],
        "corpus": ["my-lab", "2" * 64],
        "scorer": 4,
        "seed": 7,
        "measures": ["cosine", "pearson_r"],
        "transfer": ["dtu", "dtu-unheard"],
        "channels excluded": ["T7", "30"],
    }
    system = replace(
        SYSTEM,
        transfer=Transfer(corpus="dtu", split="dtu-unheard"),
        channels_excluded=("T7", "30"),
    )
    assert key(system=system) == hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


@pytest.mark.parametrize(
    "changed",
    [
        {"system": replace(SYSTEM, version="2")},
        {"system": replace(SYSTEM, members=(replace(MEMBER, version="3"),))},
        {"split": replace(SPLIT, name="other", segment_seconds=5)},
        {"corpus": replace(CORPUS, kind="simulated", declaration_sha256="9" * 64)},
    ],
)
def test_what_decides_no_score_is_not_in_it(changed):
    assert key(**changed) == key()


def test_a_records_key_is_that_of_its_facts(make_record):
    record = read_record(make_record("tiny", [0.1, 0.2]))
    record = replace(record, seed=3, scorer_version=9, feature="envelope", submission=SYSTEM)
    assert record_key(record) == key_of(
        SYSTEM, record.split, record.corpus, feature="envelope", scorer_version=9, seed=3
    )
