"""Results in two forms: the hub's ``.eval_results/*.yaml``, and Every Eval Ever's JSON.

Sources: https://huggingface.co/docs/hub/eval-results (2026) and the schema 0.2.1 of
https://github.com/evaleval/every_eval_ever. Times are those of the records, so that the same records give the
same bytes.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import numpy as np

from harness import __version__
from harness.boards.cells import chance_cell, over_seeds, span, without_eeg
from harness.conventions import SIMULATED_WORDS
from harness.errors import counted
from harness.hosting.yaml import yaml_bytes
from harness.hub.places import Place
from harness.records.measured import Measured
from harness.scoring.intervals import interval_name
from harness.submission.manifest import Submission

EEE_VERSION = "0.2.1"
LIBRARY = "eeg-speech-harness"


def eval_results(places: Sequence[Place], dataset: str, source: str | None) -> bytes:
    """A board's results as the hub reads them from a model's repository.

    Args:
        places: the submission's rows on one board.
        dataset: id of the benchmark's dataset on the hub.
        source: address of the repository that holds the records; None where it is not known.
    """
    entries = []
    for place in places:
        board = place.board
        entry: dict[str, Any] = {
            "dataset": {"id": dataset, "task_id": f"{board.split}-{board.part}-{board.feature}"},
            "value": place.row.score.value,
            "date": place.row.finished,
        }
        if source is not None:
            entry["source"] = {"url": source, "name": LIBRARY}
        entry["notes"] = "; ".join(f"{what}: {said}" for what, said in facts(place).items())
        entries.append(entry)
    return yaml_bytes(entries)


def facts(place: Place) -> dict[str, str]:
    """What stands beside a score: data, variant, interval, what needs no brain, place on the board."""
    row, ranking = place.row, place.ranking
    score = row.score
    rank = row.rank
    found = {
        "system": row.system,
        "data": SIMULATED_WORDS if ranking.board.simulated else f"real EEG: {place.board.corpus}",
        "measure": f"mean {score.measure.title} over {counted(len(score.subjects), 'subject')}",
        "95 % interval": span(score.ci95),
        "over seeds": over_seeds(row),
        "by seed": ", ".join(f"{one.seed}: {one.score.value:.4f}" for one in row.seeds),
        "chance": chance_cell(score),
        "without the EEG": without_eeg(row),
        "rank": "" if rank is None else f"{rank.rank} ({rank.low} to {rank.high}) of {len(ranking.rows)}",
        "ablation of": "" if row.beside is None else row.beside.full,
        "flags": " ".join(row.flags),
    }
    return {what: said for what, said in found.items() if said}


def every_eval_ever(places: Sequence[Place], submission: Submission, model: str) -> bytes:
    """A board's results as a record of Every Eval Ever.

    Args:
        places: the submission's rows on one board.
        submission: what was scored.
        model: its id on the hub.
    """
    board = places[0].board
    made = max(datetime.fromisoformat(place.row.finished) for place in places)
    stamp = str(int(made.timestamp()))
    title = str(submission.manifest["title"])
    document = {
        "schema_version": EEE_VERSION,
        "evaluation_id": f"{'/'.join(board)}/{model}/{stamp}",
        "evaluation_timestamp": made.isoformat(),
        "retrieved_timestamp": stamp,
        "source_metadata": {
            "source_name": f"{LIBRARY}: {'/'.join(board)}",
            "source_type": "evaluation_run",
            "source_organization_name": ", ".join(submission.manifest["authors"]),
            "evaluator_relationship": "first_party",
        },
        "eval_library": {"name": LIBRARY, "version": __version__},
        "model_info": {
            "name": title,
            "id": model,
            "additional_details": {
                "version": str(submission.manifest["version"]),
                "code_sha256": submission.code_sha256(),
            },
        },
        "evaluation_results": [
            _result(place, score) for place in places for score in (place.row.score, *place.row.further)
        ],
    }
    return (json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode()


def _result(place: Place, score: Measured) -> dict[str, Any]:
    row, board = place.row, place.ranking.board
    by = score.measure
    config: dict[str, Any] = {
        "evaluation_description": f"mean {by.title} over subjects; chance: {by.chance}",
        "lower_is_better": not by.higher_is_better,
    }
    if all(map(math.isfinite, by.range)):
        low, high = by.range
        config |= {"score_type": "continuous", "min_score": low, "max_score": high}
    details = facts(place)
    if score is not row.score:
        details |= {"measure": by.title, "chance": chance_cell(score)}
        for what in ("95 % interval", "over seeds", "by seed", "without the EEG", "rank"):
            details.pop(what, None)
    values = list(score.subjects.values())
    return {
        "evaluation_name": f"{'/'.join(place.board)}: {row.system}, {by.name}",
        "source_data": {
            "dataset_name": SIMULATED_WORDS if board.simulated else place.board.corpus,
            "source_type": "other",
            "additional_details": {
                "corpus": place.board.corpus,
                "kind": row.corpus_kind,
                "split": place.board.split,
                "part": place.board.part,
                "feature": place.board.feature,
                **{f"{what}_sha256": row.hashes[what] for what in ("split", "weights") if what in row.hashes},
            },
        },
        "evaluation_timestamp": row.finished,
        "metric_config": config,
        "score_details": {
            "score": score.value,
            "details": details,
            "uncertainty": _uncertainty(score.ci95, values, seeds=len(row.seeds)),
        },
    }


def _uncertainty(
    ci95: tuple[float, float] | None, values: Sequence[float], *, seeds: int
) -> Mapping[str, Any]:
    found: dict[str, Any] = {"num_samples": len(values)}
    if len(values) > 1:
        found["standard_deviation"] = float(np.std(values, ddof=1))
    if ci95 is not None:
        method = "t over subjects and seeds" if seeds > 1 else interval_name(len(values))
        low, high = ci95
        found["confidence_interval"] = {
            "lower": low,
            "upper": high,
            "confidence_level": 0.95,
            "method": method,
        }
    return found
