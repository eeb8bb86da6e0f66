"""Records of corpora that are not here: which of them are stale, told from their hashes alone.

Nothing is scored. A record is stale where its submission's code, its weights or its split are others now, or
where the scorer, or anything else that scores rest on, is not what made it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import NamedTuple

from harness.errors import HarnessError, RecordError, counted, shorten
from harness.files import file_sha256
from harness.pull_request.changes import SCORER, Changes, Remark
from harness.pull_request.submissions import Submissions
from harness.records.record import Record
from harness.records.store import read_record
from harness.scoring.score import SCORER_VERSION
from harness.submission.ensemble import load_members


class _Hashes(NamedTuple):
    """What the code and the weights of a submission, and of an ensemble's members, are now.

    Attributes:
        code: name -> sha256.
        weights: name -> the sha256 of every weights file that its manifest lists.
    """

    code: dict[str, str]
    weights: dict[str, frozenset[str]]


def stale_elsewhere(
    changes: Changes, submissions: Submissions, corpus: str, results: str, *, by_base: bool
) -> list[Remark]:
    """Name the stale records of every corpus but the one that is here.

    Args:
        changes: since a ref.
        submissions: of the working tree.
        corpus: the one that is here.
        results: the folder of records, relative to the root.
        by_base: whether the code that runs here is the base's.
    """
    edited = not by_base and bool(changes.moves_scores() or changes.below(SCORER))

    @cache
    def hashes(name: str) -> _Hashes | None:
        return _hashes(submissions, name)

    stale: dict[tuple[str, str], list[str]] = defaultdict(list)
    for path in sorted(changes.root.glob(f"{results}/*/*/*/*/*.json")):
        where = path.relative_to(changes.root).as_posix()
        name = where.split("/")[1]
        if name == corpus:
            continue
        try:
            cause = _cause(read_record(path), changes.root, hashes)
        except RecordError:  # `harness rank` names it
            continue
        cause = cause or ("made before the range edited what scores rest on" if edited else "")
        if cause:
            stale[name, cause].append(where)
    return [
        Remark(
            False,
            "record",
            f"{counted(len(paths), 'stale record')} of the corpus {name}, which is not here, {cause}:"
            f" {shorten(paths, 3)}. Score again where the data are, and commit the records; --data names the"
            " corpus that is checked.",
        )
        for (name, cause), paths in stale.items()
    ]


def _cause(record: Record, root: Path, hashes: Callable[[str], _Hashes | None]) -> str:
    """Why a record is stale, in words; empty where its hashes are those of what lies here."""
    split = root / "splits" / f"{record.split.name}.json"
    system = record.submission
    if record.scorer_version != SCORER_VERSION:
        return f"of scorer version {record.scorer_version}, now {SCORER_VERSION}"
    if split.is_file() and file_sha256(split) != record.split.sha256:
        return f"of another split file than splits/{split.name}"
    now = hashes(system.name) if system.kind == "submission" else None
    if now is None:
        return ""
    made_of = [(system.name, system.code_sha256, system.weights_sha256)]
    made_of += [(member.name, member.code_sha256, member.weights_sha256) for member in system.members]
    for name, code, weights in made_of:
        if now.code.get(name) != code:
            return f"of other code of {name}"
        if weights is not None and weights not in now.weights[name]:
            return f"of other weights of {name}"
    return ""


def _hashes(submissions: Submissions, name: str) -> _Hashes | None:
    """Those of a submission; None where there is none that is valid, which is said already."""
    submission = submissions.valid.get(name)
    if submission is None or name in submissions.refused:
        return None
    try:
        members = [one.submission for one in load_members(submission)] if submission.is_ensemble else []
        everyone = {one.name: one for one in [submission, *members]}
        return _Hashes(
            {key: one.code_sha256() for key, one in everyone.items()},
            {
                key: frozenset(entry["sha256"] for entry in one.manifest.get("weights", []))
                for key, one in everyone.items()
            },
        )
    except HarnessError:
        return None
