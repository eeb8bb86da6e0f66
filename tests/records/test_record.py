"""Score records: values, schema, bytes."""

import json

import msgspec
import pytest
from conftest import REPOSITORY
from documents import CORPUS_DATA, RUN, SPLIT_PART, SYSTEM
from msgspec.structs import replace

from harness.errors import RecordError
from harness.records.record import (
    ChanceBand,
    ChanceBands,
    Record,
    build_record,
    parse_record,
    plain,
    record_bytes,
)
from harness.records.text import chance_lines
from harness.scoring.chance import Band, Chance
from harness.scoring.score import combine, score_subject

COMMITTED = sorted((REPOSITORY / "results").rglob("*.json"))


@pytest.fixture
def record(rng):
    references = {s: {f"{s}_{i}": rng.standard_normal((64, 2)) for i in range(2)} for s in ("a", "b")}
    score = combine(
        {
            subject: score_subject(own, {k: v + rng.standard_normal(v.shape) for k, v in own.items()})
            for subject, own in references.items()
        }
    )
    return build_record(
        score,
        chance=Chance(Band(-0.01, 0.0, 0.01, 33), None),
        submission=SYSTEM,
        split=SPLIT_PART,
        corpus=CORPUS_DATA,
        **RUN,
    )


def faults(document, where="r.json"):
    with pytest.raises(RecordError) as caught:
        parse_record(json.dumps(document).encode(), where)
    return sorted(map(str, caught.value.faults))


@pytest.mark.parametrize("path", COMMITTED, ids=lambda path: str(path.relative_to(REPOSITORY / "results")))
def test_a_committed_record_read_and_written_has_its_bytes(path):
    content = path.read_bytes()
    record = parse_record(content, str(path))
    assert record_bytes(record) == content
    assert plain(record) == json.loads(content)


def test_a_record_read_from_its_bytes_is_the_same_value(record):
    assert parse_record(record_bytes(record), "r.json") == record


def test_a_record_cannot_be_changed(record):
    with pytest.raises(AttributeError, match="immutable"):
        record.score = 1.0
    with pytest.raises(AttributeError, match="immutable"):
        record.submission.name = "other"


def test_a_field_that_a_file_does_not_have_stays_absent(record):
    document = plain(record)
    del document["overlap"]
    content = json.dumps(document, indent=1).encode()
    read = parse_record(content, "r.json")
    assert "overlap" not in plain(read)
    assert "members" not in plain(read)["submission"]
    assert not read.overlap
    assert plain(parse_record(record_bytes(record), "r.json"))["overlap"] is None


def test_lists_of_numbers_stand_on_one_line(record):
    text = record_bytes(record).decode()
    assert json.loads(text) == plain(record)
    assert all(line.count("]") == line.count("[") for line in text.splitlines() if '"bands"' in line)


def test_record_against_the_schema_names_every_departure(record):
    document = plain(record)
    del document["seed"]
    document["subjects"]["a"]["pearson_r"] = 1.5
    document["corpus"]["kind"] = "half real"
    assert faults(document) == [
        "r.json: corpus: kind: 'half real', expected one of real, simulated.",
        "r.json: subjects: a: pearson_r: 1.5 is greater than the maximum of 1.",
        "r.json: the key 'seed' is missing.",
    ]


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b'{"score": NaN}', "NaN is not a number of JSON"),
        (b'{"score": 1e999}', "1e999 is too large for a number"),
        (b'{"score": 0.1', "Expecting ',' delimiter"),
        (b'"\xff"', "Invalid UTF-8|invalid character|utf-8"),
        (b"[" * 100_000, "nested too deep"),
    ],
)
def test_what_is_not_json_is_refused_by_its_name(content, why):
    with pytest.raises(RecordError, match=f"^results/r.json: not JSON .*({why})"):
        parse_record(content, "results/r.json")


def test_a_whole_number_with_a_point_is_refused_where_a_count_is_asked(record):
    document = plain(record)
    document["seed"] = 3.0  # valid by JSON Schema
    assert faults(document) == ["r.json: Expected `int`, got `float` - at `$.seed`, expected a score record."]


def test_names_of_systems_say_the_variant_where_there_is_one():
    named = replace(SYSTEM, variant="no-mixup")
    assert (SYSTEM.title, SYSTEM.stem) == ("tiny", "tiny")
    assert (named.title, named.stem) == ("tiny (no-mixup)", "tiny-no-mixup")
    assert replace(SYSTEM, variant=None).title == "tiny"


def test_chance_stands_in_the_record_and_in_words(record):
    assert plain(record)["chance"] == {
        "circular_shifts": {"low": -0.01, "mean": 0.0, "high": 0.01, "scores": 33},
        "mismatched_segments": None,
    }
    assert chance_lines(record.ranked) == ["chance -0.0100 to 0.0100 (95 % of 33 circular shifts)"]
    wide = ChanceBand(low=-0.02, mean=0.0, high=0.5, scores=1000)
    both = replace(record, score=0.4, chance=replace(record.chance, mismatched_segments=wide))
    assert chance_lines(both.ranked) == [
        "chance -0.0200 to 0.5000 (95 % of 33 circular shifts and of 1,000 mismatched segments):"
        " INDISTINGUISHABLE FROM CHANCE"
    ]
    none = ChanceBands(circular_shifts=None, mismatched_segments=None)
    assert chance_lines(replace(record, chance=none).ranked) == []


def test_fields_and_their_order_are_the_schemas():
    schema = json.loads((REPOSITORY / "harness/schemas/score-record.json").read_text())
    assert list(Record.__struct_fields__) == list(schema["properties"])
    for kind in msgspec.inspect.type_info(Record).fields:
        own = schema["properties"][kind.name]
        if isinstance(kind.type, msgspec.inspect.StructType):
            assert [field.encode_name for field in kind.type.fields] == list(own["properties"])
