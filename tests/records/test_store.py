"""Records as files: where they lie, and what takes whose place."""

import contextlib
import os
import threading

import msgspec
import pytest
from documents import CORPUS_DATA, RUN, SPLIT_PART, SYSTEM, controls_document
from msgspec.structs import replace

from harness.errors import RecordError
from harness.records import store
from harness.records.build import build_record
from harness.records.controls import Controls
from harness.records.neighbours import Facts
from harness.records.record import MOST_RECORD_BYTES, Training
from harness.records.store import (
    another_system,
    glimpse,
    read_bytes,
    read_record,
    record_path,
    write_record,
)
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


def test_controls_that_were_measured_are_not_lost_to_a_run_without(record, tmp_path):
    whole = replace(record, controls=msgspec.convert(controls_document([0.1], [0.0]), Controls))
    assert write_record(tmp_path, record)[1]
    path, written = write_record(tmp_path, whole)
    assert written
    before = path.read_bytes()
    assert write_record(tmp_path, record) == (path, False)
    assert write_record(tmp_path, whole) == (path, False)
    assert path.read_bytes() == before
    assert write_record(tmp_path, replace(record, seed=1)) == (path, True)


def test_a_training_that_is_believed_otherwise_is_written_again(record, tmp_path):
    said = [replace(record, run=replace(record.run, training=word)) for word in ("declared", "verified")]
    path, _ = write_record(tmp_path, said[0])
    assert write_record(tmp_path, said[1]) == (path, True)
    assert read_record(path).training == "verified"
    assert write_record(tmp_path, said[1]) == (path, False)


def test_variant_and_partial_stand_in_the_name(record, tmp_path):
    variant = replace(record, submission=replace(SYSTEM, variant="no-mixup"))
    assert record_path(tmp_path, variant).name == "tiny-no-mixup.json"
    partial = replace(variant, flags=replace(variant.flags, partial=True))
    assert record_path(tmp_path, partial).name == "tiny-no-mixup.partial.json"


def test_results_folder_that_cannot_be_written(record, tmp_path):
    (tmp_path / "simulated").write_text("in the way")
    assert refused(tmp_path, record) == (
        f"{record_path(tmp_path, record)}: Not a directory, expected a results folder that can be written.\n"
        "  The score stands; choose another folder with --out, or keep --json's output."
    )


def test_a_failure_that_does_not_say_why_still_says_what_failed(record, tmp_path, monkeypatch):
    def fails(*_):
        raise OSError

    path, _ = write_record(tmp_path, record)
    monkeypatch.setattr(store, "write_atomically", fails)
    assert refused(tmp_path, replace(record, seed=1)) == (
        f"{path}: cannot be written, expected a results folder that can be written.\n"
        "  The score stands; choose another folder with --out, or keep --json's output."
    )
    monkeypatch.setattr(store, "read_regular", fails)
    assert glimpse(path) is None
    for read in (read_bytes, read_record):
        with pytest.raises(RecordError) as caught:
            read(path)
        (fault,) = caught.value.faults
        assert str(fault) == (
            f"{path}: cannot be read, expected a score record, such as `harness score` writes below results/."
        )


def test_another_systems_place_is_told_with_folders_and_seeds(record, tmp_path):
    training = Training(seed=3, recipe_sha256="1" * 64)
    unknown = replace(SYSTEM, name="other", code_sha256=None, training=training)
    path = tmp_path / "r.json"
    assert str(another_system(path, SYSTEM, unknown, "submissions/a", "submissions/b")) == (
        f"{path}: the record of tiny in submissions/a (code 000000000000), expected none, or one of other,"
        f" seed 3 in submissions/b (code unknown).\n{ASKS}"
    )
    assert str(another_system(path, unknown, SYSTEM)) == (
        f"{path}: the record of other, seed 3 (code unknown), expected none, or one of tiny (code"
        f" 000000000000).\n{ASKS}"
    )


def test_what_is_glimpsed_of_a_file_is_what_its_record_says(record, tmp_path):
    partial = replace(record, flags=replace(record.flags, partial=True, subjects_missing=("b",)))
    path, _ = write_record(tmp_path, partial)
    assert glimpse(path) == Facts.of(read_record(path)) == Facts.of(partial)
    for content in (b"{", b"{}", b"\xff", b"[" * 100_000):
        path.write_bytes(content)
        assert glimpse(path) is None
    assert glimpse(tmp_path / "none.json") is None


def test_a_file_of_more_than_a_records_bytes_is_not_read(record, tmp_path):
    path, _ = write_record(tmp_path, record)
    content = path.read_bytes()
    path.write_bytes(content.ljust(MOST_RECORD_BYTES))
    assert glimpse(path) == Facts.of(record)
    assert len(read_bytes(path)) == MOST_RECORD_BYTES
    path.write_bytes(content.ljust(MOST_RECORD_BYTES + 1))
    assert glimpse(path) is None
    with pytest.raises(RecordError) as caught:
        read_bytes(path)
    assert str(caught.value) == (
        f"{path}: 8 388 609 bytes, more than 8 388 608, expected a score record, such as `harness score` writes"
        " below results/."
    )


def test_data_that_differ_in_everything_are_told_all_at_once(record, tmp_path):
    path, _ = write_record(tmp_path, record)
    corpus = replace(record.corpus, fingerprint="7" * 64, declaration_sha256="8" * 64)
    other = replace(record, split=replace(record.split, sha256="9" * 64), corpus=corpus)
    with pytest.raises(RecordError) as caught:
        write_record(tmp_path, other)
    what = (
        ("split file", "111111111111", "999999999999"),
        ("corpus data", "222222222222", "777777777777"),
        ("declaration of the corpus", "none", "888888888888"),
    )
    assert list(map(str, caught.value.faults)) == [
        f"{path}: a record of another {words} ({old}), expected none, or one of the same board ({new}).\n"
        "  The score stands; choose another folder with --out, or replace that record with --replace."
        for words, old, new in what
    ]


def test_half_a_record_is_refused(record, tmp_path):
    path, _ = write_record(tmp_path, record)
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(RecordError, match="not JSON"):
        read_record(path)


def test_a_pipe_in_a_records_place_is_not_waited_for(record, tmp_path):
    path = record_path(tmp_path, record)
    path.parent.mkdir(parents=True)
    os.mkfifo(path)
    with pytest.raises(RecordError, match="a named pipe, not a regular file"):
        read_record(path)
    assert "a file that is no record of this version is there: a named pipe, not a regular file" in refused(
        tmp_path, record
    )


def test_missing_record(tmp_path):
    with pytest.raises(RecordError, match="No such file.*expected a score record"):
        read_record(tmp_path / "r.json")


@pytest.mark.parametrize(
    ("place", "key", "value", "word"),
    [("split", "sha256", "3" * 64, "split file"), ("corpus", "fingerprint", "4" * 64, "corpus data")],
)
def test_a_record_of_other_data_is_not_overwritten(record, tmp_path, place, key, value, word):
    path, _ = write_record(tmp_path, record)
    before = path.read_bytes()
    other = replace(record, **{place: replace(getattr(record, place), **{key: value})})
    old = getattr(getattr(record, place), key)
    assert refused(tmp_path, other) == (
        f"{path}: a record of another {word} ({old[:12]}), expected none, or one of the same board"
        f" ({value[:12]}).\n"
        "  The score stands; choose another folder with --out, or replace that record with --replace."
    )
    assert path.read_bytes() == before


def test_a_record_of_another_declaration_is_not_overwritten(record, tmp_path):
    declared = [
        replace(record, corpus=replace(record.corpus, declaration_sha256=digit * 64)) for digit in "56"
    ]
    path, _ = write_record(tmp_path, declared[0])
    before = path.read_bytes()
    for other, its in ((declared[1], "666666666666"), (record, "none")):
        assert refused(tmp_path, other) == (
            f"{path}: a record of another declaration of the corpus (555555555555), expected none, or one of"
            f" the same board ({its}).\n"
            "  The score stands; choose another folder with --out, or replace that record with --replace."
        )
        assert path.read_bytes() == before
    assert write_record(tmp_path, declared[1], replace=True) == (path, True)


ASKS = (
    "  Rename one of the two, choose another folder with --out, or put this one in its place with --replace."
)


def test_another_systems_record_is_not_overwritten_until_that_is_said(record, tmp_path):
    variant = replace(record, submission=replace(SYSTEM, name="foo", variant="bar"))
    other = replace(SYSTEM, name="foo-bar", code_sha256="a" * 64)
    path, _ = write_record(tmp_path, variant)
    before = path.read_bytes()
    assert refused(tmp_path, replace(record, submission=other)) == (
        f"{path}: the record of foo (bar) (code 000000000000), expected none, or one of foo-bar (code"
        f" aaaaaaaaaaaa).\n{ASKS}"
    )
    assert path.read_bytes() == before
    assert write_record(tmp_path, replace(record, submission=other), replace=True) == (path, True)
    assert read_record(path).submission == other


def test_predictions_replace_neither_a_submission_nor_other_predictions(record, tmp_path):
    none = {"version": None, "variant": None, "code_sha256": None}
    handed_in = replace(SYSTEM, kind="predictions", predictions_sha256="b" * 64, **none)
    path, _ = write_record(tmp_path, record)
    assert refused(tmp_path, replace(record, submission=handed_in)) == (
        f"{path}: the record of tiny (code 000000000000), expected none, or one of tiny (predictions"
        f" bbbbbbbbbbbb).\n{ASKS}"
    )
    write_record(tmp_path, replace(record, submission=handed_in), replace=True)
    other = replace(handed_in, predictions_sha256="c" * 64)
    assert refused(tmp_path, replace(record, submission=other)) == (
        f"{path}: the record of tiny (predictions bbbbbbbbbbbb), expected none, or one of tiny (predictions"
        f" cccccccccccc).\n{ASKS}"
    )
    assert write_record(tmp_path, replace(record, seed=9, submission=handed_in)) == (path, True)


def test_a_submissions_own_earlier_record_gives_way(record, tmp_path):
    path, _ = write_record(tmp_path, record)
    changed = replace(record, submission=replace(SYSTEM, code_sha256="a" * 64, version="1.1.0"))
    assert write_record(tmp_path, changed) == (path, True)
    assert read_record(path) == changed


@pytest.mark.parametrize("content", [b"{", b'{"record_version": 2}', b""])
def test_a_file_that_is_no_record_of_this_version_is_not_lost(record, tmp_path, content):
    path = record_path(tmp_path, record)
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    message = refused(tmp_path, record)
    assert message.startswith(f"{path}")
    assert ": a file that is no record of this version is there: " in message
    assert message.endswith(
        "expected no file, or the system's earlier record.\n"
        "  Look at it; then remove it, choose another folder with --out, or say --replace."
    )
    assert path.read_bytes() == content
    assert write_record(tmp_path, record, replace=True) == (path, True)


def refused(results, record):
    with pytest.raises(RecordError) as caught:
        write_record(results, record)
    (fault,) = caught.value.faults
    return str(fault)


def test_of_two_systems_of_one_place_that_are_scored_at_once_one_is_refused(record, tmp_path, monkeypatch):
    records = [
        replace(record, submission=replace(record.submission, name=name, variant=variant))
        for name, variant in (("a", "b"), ("a-b", "default"))
    ]
    assert len({record_path(tmp_path, one) for one in records}) == 1
    both, look = threading.Barrier(2), store.stored_record

    def looks_with_the_other(path):
        found = look(path)
        with contextlib.suppress(threading.BrokenBarrierError):
            both.wait(timeout=0.5)  # who has the place for itself waits in vain
        return found

    monkeypatch.setattr(store, "stored_record", looks_with_the_other)
    outcomes = []

    def write(one):
        try:
            outcomes.append(write_record(tmp_path, one)[1])
        except RecordError as error:
            outcomes.append(error.faults[0].arrived.partition(" (")[0])

    threads = [threading.Thread(target=write, args=(one,)) for one in records]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (path,) = record_path(tmp_path, record).parent.iterdir()
    kept = read_record(path)
    (refused,) = [outcome for outcome in outcomes if outcome is not True]  # the two end in any order
    assert len(outcomes) == 2
    assert refused.startswith(f"the record of {kept.submission.name}")


def test_a_record_is_written_without_reading_its_neighbours(record, tmp_path, monkeypatch):
    for number in range(5):
        write_record(tmp_path, replace(record, submission=replace(SYSTEM, name=f"system-{number}")))
    read = []
    monkeypatch.setattr(store, "read_record", read.append)
    write_record(tmp_path, replace(record, submission=replace(SYSTEM, name="one-more")))
    assert read == []


def test_neighbours_that_differ_or_are_broken_are_read_and_judged_as_a_whole(record, tmp_path):
    path, _ = write_record(tmp_path, replace(record, submission=replace(SYSTEM, name="other")))
    (path.parent / "broken.json").write_text("{")
    (path.parent / "half.json").write_text('{"split": {"sha256": "' + "9" * 64 + '"}}')
    new = replace(record, split=replace(record.split, sha256="9" * 64))
    with pytest.raises(RecordError, match="records of another split file"):
        write_record(tmp_path, new)
    assert write_record(tmp_path, record)[1]
