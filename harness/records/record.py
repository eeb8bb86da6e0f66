"""Score records: one system on one board, as JSON that says where the number comes from.

A record lies at ``results/<corpus>/<split>/<part>/<feature>/<name>.json``; that folder is a board. It
is valid against ``harness/schemas/score-record.json``. Two runs of the same inputs give the same bytes
but for the object ``run`` (time and host) and the commit of the repository.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness.errors import Fault, RecordError, raise_all
from harness.files import read_regular, write_atomically
from harness.schemas.documents import parse_json
from harness.schemas.validate import schema_faults
from harness.scoring.chance import Chance
from harness.scoring.score import SCORER_VERSION, Score
from harness.scoring.statistics import bootstrap_interval

RECORD_VERSION = 1
MOST_RECORD_BYTES = 8 << 20
Record = dict[str, Any]
# Fields that two runs of the same inputs may differ in.
VOLATILE = ("run", "git")
_NUMBER_LIST = re.compile(r"\[\s+([-+.\deE,\s]+?)\s+\]")


def build_record(
    score: Score,
    *,
    chance: Chance,
    submission: Mapping[str, Any],
    split: Mapping[str, Any],
    corpus: Mapping[str, Any],
    feature: str,
    seed: int,
    subjects_missing: tuple[str, ...],
    environment: Mapping[str, str],
    git: Mapping[str, Any] | None,
    run: Mapping[str, Any],
    overlap: Mapping[str, int] | None = None,
) -> Record:
    """Put a score and its provenance into one document.

    Args:
        score: what the scorer says.
        chance: what it would score by chance.
        submission: as in ``harness/schemas/score-record.json``, like the four that follow.
        split: its name, hash, part and segment length.
        corpus: its name, kind and fingerprint.
        feature: mel or envelope.
        seed: of the predictor's process.
        subjects_missing: subjects of the part that the corpus lacks.
        environment: versions.
        git: commit and dirty flag, or None outside a repository.
        run: time and host.
        overlap: how many of the scored subjects and stimuli the weights have seen, or None where no
            training record says so.

    Raises:
        RecordError: the document is against the schema.
    """
    subjects = score.subjects
    interval = bootstrap_interval([subject.pearson_r for subject in subjects.values()])
    record: Record = {
        "record_version": RECORD_VERSION,
        "score": score.pearson_r,
        "ci95": None if interval is None else list(interval),
        "chance": {
            kind: None if band is None else band._asdict()
            for kind, band in (
                ("circular_shifts", chance.circular_shifts),
                ("mismatched_segments", chance.mismatched_segments),
            )
        },
        "bands": list(score.bands),
        "subjects": {
            name: {
                "pearson_r": subject.pearson_r,
                "bands": list(subject.bands),
                "segments": subject.segments,
                "missing": list(subject.missing),
                "constant": list(subject.constant),
            }
            for name, subject in subjects.items()
        },
        "flags": {
            "partial": bool(subjects_missing),
            "subjects_missing": list(subjects_missing),
            "segments_missing": sum(len(subject.missing) for subject in subjects.values()),
            "segments_constant": sum(len(subject.constant) for subject in subjects.values()),
            "references_constant": [
                segment for subject in subjects.values() for segment in subject.constant_reference
            ],
        },
        "submission": dict(submission),
        "split": dict(split),
        "corpus": dict(corpus),
        "feature": feature,
        "seed": seed,
        "overlap": None if overlap is None else dict(overlap),
        "scorer_version": SCORER_VERSION,
        "environment": dict(environment),
        "git": None if git is None else dict(git),
        "run": dict(run),
    }
    raise_all(RecordError, schema_faults(record, "score-record", "score record"))
    return record


def record_bytes(record: Record) -> bytes:
    """The record as it stands in a file: UTF-8 JSON, one line a key, lists of numbers on one line."""
    text = json.dumps(record, indent=1, ensure_ascii=False, allow_nan=False)
    text = _NUMBER_LIST.sub(lambda match: "[" + " ".join(match[1].split()) + "]", text)
    return (text + "\n").encode("utf-8")


def record_path(results: Path, record: Record) -> Path:
    """Where a record lies below a results folder.

    A variant that has a name stands in the file's name, and so does a partial record.
    """
    submission = record["submission"]
    name = submission["name"]
    if submission["variant"] not in (None, "default"):
        name += f"-{submission['variant']}"
    if record["flags"]["partial"]:
        name += ".partial"
    board = (record["corpus"]["name"], record["split"]["name"], record["split"]["part"])
    return results.joinpath(*board, record["feature"], f"{name}.json")


def write_record(results: Path, record: Record) -> tuple[Path, bool]:
    """Write a record below a results folder, whole or not at all.

    A record that is there already and differs only in time, host and commit is left as it is.

    Returns:
        The record's path, and whether it was written.

    Raises:
        RecordError: the folder cannot be written.
    """
    path = record_path(results, record)
    try:
        there = read_record(path)
    except RecordError:
        pass  # none there, or a broken one: the new one takes its place
    else:
        if _lasting(there) == _lasting(record):
            return path, False
        _check_same_board(path, there, record)
    try:
        write_atomically(path, record_bytes(record))
    except OSError as error:
        raise RecordError(
            Fault(
                str(path),
                f"{error.strerror or 'cannot be written'}",
                "a results folder that can be written",
                "The score stands; choose another folder with --out, or keep --json's output.",
            )
        ) from None
    return path, True


def read_record(path: Path) -> Record:
    """Read and validate a record.

    Raises:
        RecordError: missing, not JSON, or against the schema.
    """
    return parse_record(read_bytes(path), str(path))


def read_bytes(path: Path) -> bytes:
    """A record's file as it is.

    Raises:
        RecordError: missing, or cannot be read.
    """
    try:
        return read_regular(path, MOST_RECORD_BYTES)
    except OSError as error:
        raise RecordError(
            Fault(
                str(path),
                error.strerror or "cannot be read",
                "a score record, such as `harness score` writes below results/",
            )
        ) from None


def parse_record(content: bytes, where: str) -> Record:
    """A record from its file's bytes.

    Raises:
        RecordError: not JSON, or against the schema.
    """
    try:
        record = parse_json(content)
    except ValueError as error:
        raise RecordError(Fault(where, f"not JSON ({error})", "a score record")) from None
    raise_all(RecordError, schema_faults(record, "score-record", where))
    valid: Record = record
    return valid


def _check_same_board(path: Path, there: Record, record: Record) -> None:
    """A record replaces its own earlier self, and nothing else."""
    same = {
        "kind of target": (there["submission"]["kind"], record["submission"]["kind"]),
        "split file": (there["split"]["sha256"], record["split"]["sha256"]),
        "corpus data": (there["corpus"]["fingerprint"], record["corpus"]["fingerprint"]),
    }
    other = [name for name, (old, new) in same.items() if old != new]
    if other:
        raise RecordError(
            Fault(
                str(path),
                f"a record of another {', another '.join(other)}",
                "no record, or one of the same board",
                "The score stands; choose another folder with --out, or remove that record first.",
            )
        )


def _lasting(record: Record) -> Record:
    return {key: value for key, value in record.items() if key not in VOLATILE}
