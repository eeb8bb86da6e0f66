"""What happened to the records of the boards: added, improved, withdrawn, re-scored.

The history is git itself. A file of events would say the same facts a second time: it could disagree with
the records, and a pull request could edit it. Commits of ``results/`` say who and when, and cannot be changed
where the branch is protected. Every event is derived from the record before and the record after a commit.
Only the first parents count: a pull request is one step, however many commits it has.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath

from harness.errors import Fault, RepositoryError, on_one_line
from harness.git import git, repository, try_git
from harness.records.milestone import Milestone, made_of, parse_milestone, ranked_by
from harness.records.record import Record
from harness.records.verify import SAME_R
from harness.scoring.measures import MEASURES

# What can happen to a record. The last is a file that is not a record.
EVENTS = (
    "added",
    "improved",
    "lowered",
    "made again",
    "withdrawn",
    "re-scored: scorer changed",
    "re-scored: split or corpus changed",
    "unreadable",
)


@dataclass(frozen=True)
class Event:
    """One step of one record.

    Attributes:
        date: of the commit, ISO 8601.
        commit: its full hash.
        what: one of ``EVENTS``.
        board: CORPUS/SPLIT/PART/FEATURE.
        name: of the record, its file's without the suffix.
        before: the score before, by the measure that ranks; None where there was no record.
        after: the score after; likewise.
    """

    date: str
    commit: str
    what: str
    board: str
    name: str
    before: float | None
    after: float | None


def happened(before: Record | Milestone | None, after: Record | Milestone | None) -> str | None:
    """Which event lies between two records of one system; None where nothing lasting differs."""
    if before is None and after is None:
        return None
    if before is None:
        return "added"
    if after is None:
        return "withdrawn"
    if before.scorer_version != after.scorer_version:
        return "re-scored: scorer changed"
    (name, old), (name_now, new) = ranked_by(before), ranked_by(after)
    data = [(one.split.sha256, one.corpus.fingerprint) for one in (before, after)]
    if data[0] != data[1] or name != name_now:
        return "re-scored: split or corpus changed"
    change = new - old
    if abs(change) > SAME_R:
        lower_is_better = name in MEASURES and not MEASURES[name].higher_is_better
        return "improved" if (change < 0) == lower_is_better else "lowered"
    return None if made_of(before) == made_of(after) else "made again"


def history(folder: Path = Path(), results: str = "results", until: str = "HEAD") -> list[Event]:
    """Every event of the records below a results folder, oldest first.

    Args:
        folder: anywhere in the repository.
        results: of the records, relative to the repository's root.
        until: the commit to stop at.

    Raises:
        RepositoryError: no git, no repository, no such commit, or a clone that lacks the history.
    """
    root = repository(folder)
    if (try_git(root, "rev-parse", "--is-shallow-repository") or b"").strip() == b"true":
        raise RepositoryError(
            Fault(
                str(root),
                "a shallow clone",
                "the whole history, which is where the events are",
                "Fetch the rest: git fetch --unshallow",
            )
        )
    log = git(
        root, "log", "--reverse", "--first-parent", "--diff-merges=first-parent", "--no-renames",
        "--name-only", "-z", "--format=%x01%H %cI", "--end-of-options", until, "--", results,
    ).decode("utf-8", "surrogateescape")  # fmt: skip
    records: dict[str, Milestone | None] = {}
    events: list[Event] = []
    commit = date = ""
    for word in log.split("\0")[:-1]:  # each ends with it; a name may hold anything else, line feeds too
        if word.startswith("\x01"):
            commit, date = word[1:].split(" ")
            continue
        name = word.removeprefix("\n")
        path = PurePosixPath(name)
        place = path.relative_to(results).parts
        if len(place) != 5 or path.suffix != ".json":
            continue
        stored = try_git(root, "cat-file", "blob", f"{commit}:{name}")
        after = None if stored is None else parse_milestone(stored)
        before = records.get(name)
        records[name] = after
        what = "unreadable" if stored is not None and after is None else happened(before, after)
        if what is not None:
            events.append(
                Event(
                    date,
                    commit,
                    what,
                    "/".join(place[:4]),
                    path.stem,
                    ranked_by(before)[1] if before else None,
                    ranked_by(after)[1] if after else None,
                )
            )
    return events


def history_text(events: list[Event]) -> str:
    """The events as a table, oldest first."""
    from tabulate import tabulate

    if not events:
        return "no record was ever committed"
    rows = [
        [
            event.date[:10],
            event.commit[:10],
            event.what,
            on_one_line(event.board),
            on_one_line(event.name),
            *_scores(event),
        ]
        for event in events
    ]
    headers = ["date", "commit", "event", "board", "record", "before", "after"]
    return tabulate(rows, headers, disable_numparse=True)


def history_json(events: list[Event]) -> str:
    """The events as a JSON list."""
    return json.dumps([asdict(event) for event in events], indent=1)


def _scores(event: Event) -> list[str]:
    return ["" if value is None else f"{value:.4f}" for value in (event.before, event.after)]
