"""A system's page: what its manifest says, its records with every subject, and how its weights came to be."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from harness.boards.cells import CONSTANT, ablation_cells, row_cells
from harness.boards.ranking import Ranking
from harness.boards.row import Row
from harness.conventions import DEFAULT_VARIANT, HASH_DIGITS, SIMULATED_WORDS
from harness.corpus.declaration import declared
from harness.errors import UsageError
from harness.files import is_inside, read_regular
from harness.page.board import board_words
from harness.page.names import board_file, paper_link, system_file
from harness.records.record import MOST_RECORD_BYTES
from harness.schemas.documents import parse_json
from harness.submission.find import find_submission
from harness.submission.manifest import Submission, load_submission

# Names that a submission can have. A record's name was written by somebody else, so it is checked before it
# becomes a path.
_SUBMISSION_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
MOST_WORDS = 160  # characters of one value of a recipe

Facts = list[tuple[str, str]]


class Place(NamedTuple):
    """A system's place on a board.

    Attributes:
        ranking: of the board.
        row: its own.
    """

    ranking: Ranking
    row: Row


def systems_of(rankings: Sequence[Ranking]) -> dict[str, list[Place]]:
    """Every system's places, systems by name, places in the boards' order."""
    found: dict[str, list[Place]] = {}
    for ranking in rankings:
        for row in (*ranking.rows, *ranking.ablations, *ranking.partial):
            found.setdefault(row.name, []).append(Place(ranking, row))
    return dict(sorted(found.items()))


def submission_of(name: str, places: Sequence[Place], root: Path) -> Submission | None:
    """The submission below ``baselines/`` or ``submissions/`` that the records of a name are of.

    Raises:
        SubmissionError: its manifest is not valid.
    """
    if not any(place.row.kind == "submission" for place in places) or not _SUBMISSION_NAME.fullmatch(name):
        return None
    try:
        folder = find_submission(name, root)
    except UsageError:
        return None
    submission = load_submission(folder)
    return submission if submission.name == name else None


def system_view(
    name: str, places: Sequence[Place], submission: Submission | None, known: Sequence[str]
) -> dict[str, Any]:
    """What the template of a system's page shows.

    Args:
        name: of the system.
        places: its records.
        submission: its folder, where there is one.
        known: names of the systems that have pages.
    """
    manifest = submission.manifest if submission else {}
    records = [_record_view(place, known) for place in places]
    hashes = [place.row.hashes["weights"] for place in places if "weights" in place.row.hashes]
    hashes += [one.weights_sha256 for place in places for one in place.row.seeds if one.weights_sha256]
    found = {_weights_key(sha256): training_facts(submission, sha256) for sha256 in hashes}
    return {
        "title": name,
        "what": manifest.get("title", ""),
        "paper": manifest.get("paper"),
        "paper_link": paper_link(manifest.get("paper", "")),
        "facts_of_submission": _manifest_facts(submission) if submission else None,
        "real": [record for record in records if not record["simulated"]],
        "simulated": [record for record in records if record["simulated"]],
        "simulated_words": SIMULATED_WORDS,
        "trainings": {key: facts for key, facts in found.items() if facts},
    }


def training_facts(submission: Submission | None, sha256: str | None) -> Facts | None:
    """How weights were trained, by the record beside them; None where there is no record of these weights."""
    listed = submission.manifest.get("weights", []) if submission else []
    files = [one["training"] for one in listed if one["sha256"] == sha256 and "training" in one]
    if submission is None or not files:
        return None
    path = submission.folder / files[0]
    if not is_inside(path, submission.folder):
        return None
    try:
        record = parse_json(read_regular(path, MOST_RECORD_BYTES))
    except (OSError, ValueError):
        return None
    if not isinstance(record, dict) or record.get("weights_sha256") != sha256:
        return None
    corpus, subjects, run = record.get("corpus"), record.get("subjects"), _object(record, "run")
    facts = {
        "on": SIMULATED_WORDS if _is_simulated(corpus) else corpus,
        "split": _object(record, "split").get("name"),
        "decodes": record.get("feature"),
        "seed": record.get("seed"),
        "subjects seen": len(subjects) if isinstance(subjects, list) else None,
        "stimuli seen": record.get("stimuli"),
        "seconds": run.get("seconds"),
        "finished": run.get("finished"),
        "recipe": _object(record, "recipe"),
        "result": {k: v for k, v in _object(record, "report").items() if not isinstance(v, dict)},
        "versions": _object(record, "environment"),
    }
    return [(key, _words(value)) for key, value in facts.items() if value not in (None, {}, [], "")]


def _is_simulated(corpus: object) -> bool:
    declaration = declared(corpus) if isinstance(corpus, str) else None
    return declaration is not None and declaration.simulated


def _weights_key(sha256: str) -> str:
    """What a page calls weights, and where it links to for their training."""
    return f"w{sha256[:HASH_DIGITS]}"


def _record_view(place: Place, known: Sequence[str]) -> dict[str, Any]:
    row, board = place.row, place.ranking.board
    return {
        "board": board_words(board.name) + ("" if board.simulated else f", {board.name.corpus}"),
        "variant": None if row.variant == DEFAULT_VARIANT else row.variant,
        "link": board_file(board.name),
        "simulated": board.simulated,
        "facts": _score_facts(place),
        "flags": row.flags,
        "by": row.score.measure,
        "subjects": [
            {"name": subject, "score": f"{value:.4f}"} for subject, value in row.score.subjects.items()
        ],
        "provenance": _provenance(row),
        "members": [
            {
                "name": member.title,
                "link": system_file(member.name) if member.name in known else None,
            }
            for member in row.members
        ],
        "weights": _weights_key(row.hashes["weights"]) if "weights" in row.hashes else None,
    }


def _score_facts(place: Place) -> Facts:
    cells = row_cells(place.row, stimuli=True)
    mean, *further = (
        place.row.score.measure.heading,
        *([CONSTANT] if CONSTANT in cells else []),
        *(by.heading for by in place.row.measures),
    )
    if place.row.beside is not None:
        beside = ablation_cells(place.row)
        keys = [key for key in beside if key not in ("ablation", "date", "record")]
        return [("rank", cells["rank"]), *((key, beside[key]) for key in keys if beside[key])]
    if place.row.rank is None:
        return [(key, cells[key]) for key in ("rank", mean, *further)]
    facts = [("rank", f"{cells['rank']} of {len(place.ranking.rows)}")]
    if len(place.ranking.rows) > 1:
        facts.append(("tie groups", place.row.ties))
    facts += [
        (key, cells.get(key, ""))
        for key in (
            mean,
            "95 % interval",
            "over seeds",
            "chance",
            "without the EEG",
            *further,
            "unseen stimuli",
            "on unseen",
            "on seen",
        )
    ]
    return [(key, value) for key, value in facts if value]


def _provenance(row: Row) -> Facts:
    hashes = ", ".join(f"{what} {value[:HASH_DIGITS]}" for what, value in row.hashes.items())
    return [
        ("version", row.version or "none"),
        ("scored", f"{row.finished[:10]}, seed {row.seed}, scorer {row.scorer_version}"),
        ("sha256", hashes),
        ("versions", _words(row.environment)),
    ]


def _manifest_facts(submission: Submission) -> Facts:
    manifest = submission.manifest
    variants = manifest.get("variants", {})
    facts = {
        "authors": ", ".join(manifest["authors"]),
        "licence": manifest["licence"],
        "version": manifest["version"],
        "decodes": ", ".join("any feature" if name == "*" else name for name in manifest["features"]),
        "variants": "; ".join(f"{name}: {one['title']}" for name, one in variants.items()),
        "external data": "; ".join(manifest.get("external_data", [])) or "none",
        "folder": f"{submission.folder.parent.name}/{submission.folder.name}",
    }
    return [(key, value) for key, value in facts.items() if value]


def _object(record: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """A part of a training record; submissions write it themselves, and it has no schema."""
    value = record.get(key)
    return value if isinstance(value, dict) else {}


def _words(value: object) -> str:
    """A plain value in words: keys before values, long ones cut."""
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_cut(_nested(one))}" for key, one in value.items())
    if isinstance(value, list):
        return " ".join(_words(one) for one in value)
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: "none"}[value]
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _nested(value: object) -> str:
    if isinstance(value, Mapping | list) and not value:
        return "none"
    return f"({_words(value)})" if isinstance(value, Mapping) else _words(value)


def _cut(text: str) -> str:
    return text if len(text) <= MOST_WORDS else f"{text[: MOST_WORDS - 1]}…"
