"""Documents against their schemas: as quick as a board of thousands needs, and as strict as before."""

import json

import pytest
from jsonschema import Draft202012Validator
from referencing._core import Resolver

from benchmarks.scale import made_records
from harness.records.document import plain
from harness.schemas.validate import SCHEMA_FOLDER, schema, schema_faults

NAMES = sorted(path.stem for path in SCHEMA_FOLDER.glob("*.json") if path.stem != "common")


def test_references_are_not_looked_up_for_every_value(monkeypatch):
    looked = []
    lookup = Resolver.lookup
    monkeypatch.setattr(Resolver, "lookup", lambda self, ref: looked.append(ref) or lookup(self, ref))
    counts = []
    for n_subjects in (4, 40):
        document = plain(made_records(1, n_subjects)[0])
        looked.clear()
        assert schema_faults(document, "score-record", "x") == []
        counts.append(len(looked))
    assert counts[0] == counts[1] < 20


@pytest.mark.parametrize("spoil", [
    lambda d: d["subjects"]["sub-001"].update(pearson_r=2),
    lambda d: d["subjects"]["sub-001"].update(segments=-1),
    lambda d: d["subjects"]["sub-002"].pop("bands"),
    lambda d: d["submission"].update(code_sha256="x"),
    lambda d: d["split"].update(odd=1),
    lambda d: d["chance"].pop("circular_shifts"),
    lambda d: d.update(ci95=[1]),
])  # fmt: skip
def test_a_spoilt_record_is_refused_where_plain_jsonschema_refuses_it(spoil):
    document = plain(made_records(1, 4)[0])
    spoil(document)
    theirs = Draft202012Validator(schema("score-record")).iter_errors(document)
    places = {
        "".join(f": {key}" if isinstance(key, str) else f"[{key}]" for key in one.path) for one in theirs
    }
    assert places
    assert {fault.where.removeprefix("x") for fault in schema_faults(document, "score-record", "x")} == places


def test_no_schema_refers_to_anything_but_its_own_definitions():
    for name in NAMES:
        text = json.dumps(schema(name))
        for reference in text.split('"$ref": "')[1:]:
            place = reference.split('"')[0]
            assert place.removeprefix("#/$defs/") in schema(name)["$defs"], (name, place)
