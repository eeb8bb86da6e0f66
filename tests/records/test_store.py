"""Records as files: where they lie, and what takes whose place."""

import pytest
from documents import CORPUS_DATA, RUN, SPLIT_PART, SYSTEM
from msgspec.structs import replace

from harness.errors import RecordError
from harness.records.record import build_record
from harness.records.store import read_record, record_path, write_record
from harness.scoring.chance import Chance
from harness.scoring.score import SubjectScore, combine


@pytest.fixture
def record():
    return build_record(
        combine({"a": SubjectScore(0.1, (0.1,), 2, (), (), ())}),
        chance=Chance(None, None),
        submission=SYSTEM,
        split=SPLIT_PART,
        corpus=CORPUS_DATA,
        **RUN,
    )


def test_written_record_reads_back(record, tmp_path):
    path, written = write_record(tmp_path, record)
    assert written
    assert path == tmp_path / "simulated" / "held-out-subjects" / "test" / "mel" / "tiny.json"
    assert read_record(path) == record
    assert list(path.parent.iterdir()) == [path]


def test_rerun_that_differs_only_in_time_leaves_the_file(record, tmp_path):
    path, _ = write_record(tmp_path, record)
    before = path.read_bytes()
    again = replace(record, run=replace(record.run, finished="2027-01-01T00:00:00Z"))
    assert write_record(tmp_path, again) == (path, False)
    assert path.read_bytes() == before
    assert write_record(tmp_path, replace(record, seed=1)) == (path, True)


def test_variant_and_partial_stand_in_the_name(record, tmp_path):
    variant = replace(record, submission=replace(SYSTEM, variant="no-mixup"))
    assert record_path(tmp_path, variant).name == "tiny-no-mixup.json"
    partial = replace(variant, flags=replace(variant.flags, partial=True))
    assert record_path(tmp_path, partial).name == "tiny-no-mixup.partial.json"


def test_results_folder_that_cannot_be_written(record, tmp_path):
    (tmp_path / "simulated").write_text("in the way")
    with pytest.raises(RecordError) as caught:
        write_record(tmp_path, record)
    assert "The score stands; choose another folder with --out" in str(caught.value)


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
    other = replace(record, **{place: replace(getattr(record, place), **{key: value})})
    with pytest.raises(RecordError, match=f"a record of another {word}"):
        write_record(tmp_path, other)
    assert path.read_bytes() == before
