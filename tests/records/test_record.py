"""Score records: schema, bytes, atomic writing."""

import json

import pytest
from documents import RUN, SUBMISSION

from harness.errors import RecordError
from harness.records.record import build_record, read_record, record_bytes, record_path, write_record
from harness.records.text import chance_lines
from harness.scoring.chance import Band, Chance
from harness.scoring.score import combine, score_subject


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
        submission=SUBMISSION,
        split={"name": "s", "sha256": "1" * 64, "part": "val", "segment_seconds": 30},
        corpus={"name": "simulated", "kind": "simulated", "fingerprint": "2" * 64},
        **RUN,
    )


def test_written_record_reads_back(record, tmp_path):
    path, written = write_record(tmp_path, record)
    assert written
    assert path == tmp_path / "simulated" / "s" / "val" / "mel" / "tiny.json"
    assert read_record(path) == record
    assert list(path.parent.iterdir()) == [path]


def test_lists_of_numbers_stand_on_one_line(record):
    text = record_bytes(record).decode()
    assert json.loads(text) == record
    assert all(line.count("]") == line.count("[") for line in text.splitlines() if '"bands"' in line)


def test_rerun_that_differs_only_in_time_leaves_the_file(record, tmp_path):
    path, _ = write_record(tmp_path, record)
    before = path.read_bytes()
    again = {**record, "run": {**record["run"], "finished": "2027-01-01T00:00:00Z"}}
    assert write_record(tmp_path, again) == (path, False)
    assert path.read_bytes() == before
    changed = {**record, "seed": 1}
    assert write_record(tmp_path, changed) == (path, True)


def test_variant_and_partial_stand_in_the_name(record, tmp_path):
    record["submission"]["variant"] = "no-mixup"
    assert record_path(tmp_path, record).name == "tiny-no-mixup.json"
    record["flags"]["partial"] = True
    assert record_path(tmp_path, record).name == "tiny-no-mixup.partial.json"


def test_results_folder_that_cannot_be_written(record, tmp_path):
    (tmp_path / "simulated").write_text("in the way")
    with pytest.raises(RecordError) as caught:
        write_record(tmp_path, record)
    assert "The score stands; choose another folder with --out" in str(caught.value)


def test_record_against_the_schema_names_every_departure(record, tmp_path):
    del record["seed"]
    record["subjects"]["a"]["pearson_r"] = 1.5
    record["corpus"]["kind"] = "half real"
    path = tmp_path / "r.json"
    path.write_text(json.dumps(record))
    with pytest.raises(RecordError) as caught:
        read_record(path)
    assert sorted(map(str, caught.value.faults)) == [
        f"{path}: corpus: kind: 'half real', expected one of real, simulated.",
        f"{path}: subjects: a: pearson_r: 1.5 is greater than the maximum of 1.",
        f"{path}: the key 'seed' is missing.",
    ]


def test_half_a_record_is_refused(record, tmp_path):
    path, _ = write_record(tmp_path, record)
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(RecordError, match="not JSON"):
        read_record(path)


def test_missing_record(tmp_path):
    with pytest.raises(RecordError, match="No such file.*expected a score record"):
        read_record(tmp_path / "r.json")


@pytest.mark.parametrize(
    ("place", "key", "value", "word"),
    [
        ("submission", "kind", "predictions", "kind of target"),
        ("split", "sha256", "3" * 64, "split file"),
        ("corpus", "fingerprint", "4" * 64, "corpus data"),
    ],
)
def test_record_of_something_else_is_not_overwritten(record, tmp_path, place, key, value, word):
    path, _ = write_record(tmp_path, record)
    before = path.read_bytes()
    other = {**record, place: {**record[place], key: value}}
    with pytest.raises(RecordError, match=f"a record of another {word}"):
        write_record(tmp_path, other)
    assert path.read_bytes() == before


def test_chance_stands_in_the_record_and_in_words(record):
    assert record["chance"] == {
        "circular_shifts": {"low": -0.01, "mean": 0.0, "high": 0.01, "scores": 33},
        "mismatched_segments": None,
    }
    assert chance_lines(record) == ["chance -0.0100 to 0.0100 (95 % of 33 circular shifts)"]
    wide = {"low": -0.02, "mean": 0.0, "high": 0.5, "scores": 1000}
    both = {**record, "score": 0.4, "chance": {**record["chance"], "mismatched_segments": wide}}
    assert chance_lines(both) == [
        "chance -0.0200 to 0.5000 (95 % of 33 circular shifts and of 1,000 mismatched segments):"
        " INDISTINGUISHABLE FROM CHANCE"
    ]
    assert chance_lines({**record, "chance": dict.fromkeys(record["chance"])}) == []
