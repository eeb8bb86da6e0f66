"""A bundle for Codabench: competition.yaml (version 2), pages, reference data and a scoring program.

Codabench unpacks the scoring program into ``/app/program``, references and what was handed in into
``/app/input/ref`` and ``/app/input/res``, runs the command of ``metadata.yaml`` in the program's folder, and
reads ``/app/output/scores.json``. The form is that of its documentation ("Yaml Structure") and unpacker.
"""

from __future__ import annotations

from pathlib import Path

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
from harness.hosting.pages import data_page, evaluation_page, hand_in_page, markdown, terms_page
from harness.hosting.yaml import yaml_bytes

MOST_TITLE = 256
MOST_BYTES = 15 * 10**9
"""What an account of codabench.org may store, unless its owners are asked."""
_TIME = "%Y-%m-%d %H:%M:%S"
_COMMAND = "python3 -I start.py"


def write_codabench(path: Path, challenge: Challenge, *, replace: bool = False) -> int:
    """Write the bundle, and give its size in bytes.

    Args:
        path: a new .zip.
        challenge: what is hosted.
        replace: write over a file that is there.

    Raises:
        HostingError: it cannot be hosted, or not be written.
        CorpusError, PredictionsError: references that cannot be used.
    """
    references = checked_references(path, challenge, MOST_TITLE, replace=replace)
    program = {**program_files(challenge), "metadata.yaml": yaml_bytes({"command": _COMMAND})}
    try_program(program, references)
    pages = {
        "overview.md": markdown(challenge.title, hand_in_page(challenge)),
        "data.md": markdown("Data", data_page(challenge)),
        "evaluation.md": markdown("Evaluation", evaluation_page(challenge)),
        "terms.md": challenge.terms.encode()
        if challenge.terms is not None
        else markdown("Terms", terms_page(challenge)),
    }
    files = {
        "competition.yaml": competition(challenge),
        "logo.png": logo_png(),
        **pages,
        "reference_data.zip": references,
        "scoring_program.zip": zip_bytes(program),
    }
    return write_bundle(path, files, replace=replace, most_bytes=MOST_BYTES)


def competition(challenge: Challenge) -> bytes:
    """competition.yaml."""
    task, phase = challenge.task, challenge.phase
    return yaml_bytes(
        {
            "version": 2,
            "title": challenge.title,
            "description": f"{task.feature} from EEG: {task.corpus.words}, {task.part} of {task.split.name}",
            "image": "logo.png",
            "docker_image": challenge.image,
            "registration_auto_approve": False,
            "make_programs_available": False,
            "make_input_data_available": False,
            "enable_detailed_results": True,
            "terms": "terms.md",
            "pages": [
                {"title": "How to hand in", "file": "overview.md"},
                {"title": "Data", "file": "data.md"},
                {"title": "Evaluation", "file": "evaluation.md"},
                {"title": "Terms", "file": "terms.md"},
            ],
            "tasks": [
                {
                    "index": 0,
                    "name": f"{task.part} of {task.split.name}",
                    "description": f"{task.feature} of {task.corpus.words}",
                    "reference_data": "reference_data.zip",
                    "scoring_program": "scoring_program.zip",
                }
            ],
            "phases": [
                {
                    "index": 0,
                    "name": phase.name,
                    "description": f"Predictions of the part {task.part}",
                    "start": phase.opens.strftime(_TIME),
                    "end": phase.closes.strftime(_TIME),
                    "max_submissions_per_day": phase.per_day,
                    "max_submissions": phase.total,
                    "tasks": [0],
                }
            ],
            "leaderboards": [
                {
                    "index": 0,
                    "title": "Results",
                    "key": "results",
                    "submission_rule": "Add",
                    "columns": [
                        {
                            "index": number,
                            "title": column.title,
                            "key": column.key,
                            "sorting": "desc" if column.higher_is_better else "asc",
                        }
                        for number, column in enumerate(columns_of(task))
                    ],
                }
            ],
        }
    )
