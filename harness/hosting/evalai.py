"""A challenge for EvalAI: challenge_config.yaml, templates, annotations and an evaluation script.

EvalAI unpacks ``evaluation_script.zip`` as a Python package and calls its ``evaluate`` with the phase's
annotation file and the file that was handed in. The archive has one YAML file, as EvalAI asks.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path

from harness.hosting import evaluate
from harness.hosting.archive import zip_bytes
from harness.hosting.challenge import (
    Challenge,
    checked_references,
    program_files,
    try_program,
    write_bundle,
)
from harness.hosting.columns import columns_of
from harness.hosting.logo import logo_png
from harness.hosting.pages import Block, data_page, evaluation_page, hand_in_page, html, terms_page
from harness.hosting.program import TASK
from harness.hosting.yaml import yaml_bytes

MOST_TITLE = 100
MOST_BYTES = 4 * 2**30 - 1
"""What a zip without extensions may hold."""
_DECIMALS = 4
_TIME = "%Y-%m-%d %H:%M:%S"
_INIT = b"""from .main import evaluate\n\n__all__ = ["evaluate"]\n"""


def write_evalai(path: Path, challenge: Challenge, *, replace: bool = False) -> int:
    """Write what is uploaded, and give its size in bytes.

    Args:
        path: a new .zip.
        challenge: what is hosted.
        replace: write over a file that is there.

    Raises:
        HostingError: it cannot be hosted, or not be written.
        CorpusError, PredictionsError: references that cannot be used.
    """
    references = checked_references(path, challenge, MOST_TITLE, replace=replace)
    program = evaluation_script(challenge, program_files(challenge))
    try_program(program, references)
    terms: list[Block] = [*(challenge.terms.split("\n\n") if challenge.terms else terms_page(challenge))]
    files = {
        "challenge_config.yaml": config(challenge),
        "logo.png": logo_png(),
        "templates/description.html": html(challenge.title, data_page(challenge)),
        "templates/evaluation_details.html": html("Evaluation", evaluation_page(challenge)),
        "templates/terms_and_conditions.html": html("Terms", terms),
        "templates/submission_guidelines.html": html("How to hand in", hand_in_page(challenge)),
        "templates/phase_description.html": html(challenge.phase.name, data_page(challenge)),
        "annotations/references.zip": references,
        "evaluation_script.zip": zip_bytes(program),
    }
    return write_bundle(path, files, replace=replace, most_bytes=MOST_BYTES)


def evaluation_script(challenge: Challenge, program: Mapping[str, bytes]) -> Mapping[str, bytes]:
    """Name -> bytes of the evaluation script, from the scoring program."""
    said = {
        **json.loads(program[TASK]),
        "phase": codename(challenge.phase.name),
        "phase_split": challenge.task.part,
    }
    return {
        **program,
        TASK: (json.dumps(said, indent=1, ensure_ascii=True) + "\n").encode(),
        "__init__.py": _INIT,
        "main.py": Path(evaluate.__file__).read_bytes(),
    }


def codename(name: str) -> str:
    """A phase's name as EvalAI calls it: lower-case words joined by hyphens."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "phase"


def config(challenge: Challenge) -> bytes:
    """challenge_config.yaml."""
    task, phase = challenge.task, challenge.phase
    columns = columns_of(task)
    start, end = phase.opens.strftime(_TIME), phase.closes.strftime(_TIME)
    return yaml_bytes(
        {
            "title": challenge.title,
            "short_description": f"{task.feature} from EEG: {task.corpus.words}",
            "description": "templates/description.html",
            "evaluation_details": "templates/evaluation_details.html",
            "terms_and_conditions": "templates/terms_and_conditions.html",
            "image": "logo.png",
            "submission_guidelines": "templates/submission_guidelines.html",
            "leaderboard_description": f"{columns[0].title}, and its 95 % interval over subjects",
            "evaluation_script": "evaluation_script.zip",
            "remote_evaluation": False,
            "is_docker_based": False,
            "start_date": start,
            "end_date": end,
            "published": False,
            "leaderboard": [
                {
                    "id": 1,
                    "schema": {
                        "labels": [column.key for column in columns],
                        "default_order_by": columns[0].key,
                        "metadata": {
                            column.key: {
                                "sort_ascending": not column.higher_is_better,
                                "description": column.title,
                            }
                            for column in columns
                        },
                    },
                }
            ],
            "challenge_phases": [
                {
                    "id": 1,
                    "name": phase.name,
                    "description": "templates/phase_description.html",
                    "leaderboard_public": True,
                    "is_public": True,
                    "is_submission_public": True,
                    "start_date": start,
                    "end_date": end,
                    "test_annotation_file": "annotations/references.zip",
                    "codename": codename(phase.name),
                    "max_submissions_per_day": phase.per_day,
                    "max_submissions_per_month": phase.total,
                    "max_submissions": phase.total,
                    "is_restricted_to_select_one_submission": False,
                    "is_partial_submission_evaluation_enabled": False,
                    "allowed_submission_file_types": ".zip, .npz",
                }
            ],
            "dataset_splits": [
                {"id": 1, "name": f"{task.part} of {task.split.name}"[:100], "codename": task.part}
            ],
            "challenge_phase_splits": [
                {
                    "challenge_phase_id": 1,
                    "leaderboard_id": 1,
                    "dataset_split_id": 1,
                    "visibility": 3,
                    "leaderboard_decimal_precision": _DECIMALS,
                    "is_leaderboard_order_descending": columns[0].higher_is_better,
                }
            ],
        }
    )
