"""``evaluate`` as EvalAI calls it: this file becomes ``main.py`` of the evaluation script.

It runs in the worker's Python, whatever that is, and starts the scorer in the Python that the wheels are for.
"""

import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

_HERE = Path(__file__).resolve().parent
_MOST_SAID = 20000


def evaluate(
    test_annotation_file: str, user_annotation_file: str, phase_codename: str, **_more: Any
) -> "dict[str, Any]":
    """Score what was handed in.

    Args:
        test_annotation_file: the references of the phase.
        user_annotation_file: what was handed in.
        phase_codename: of the phase.

    Returns:
        ``result``, a list of one split's scores by the leaderboard's labels, and ``submission_result``, the
        same as text.

    Raises:
        ValueError: it cannot be scored; the message is for the participant.
        RuntimeError: another phase, or no Python that the wheels are for: the organisers' to mend.
    """
    task = json.loads((_HERE / "task.json").read_text(encoding="utf-8"))
    if phase_codename != task["phase"]:
        raise RuntimeError(f"phase {phase_codename!r}, expected {task['phase']!r}: tell the organisers")
    with tempfile.TemporaryDirectory() as output:
        command = [_python(task["python"]), "-I", str(_HERE / "start.py")]
        command += [str(test_annotation_file), str(user_annotation_file), output]
        ran = subprocess.run(command, capture_output=True, check=False)
        if ran.returncode != 0:
            raise ValueError(ran.stderr.decode("utf-8", "replace")[:_MOST_SAID])
        scores = json.loads((Path(output) / "scores.json").read_text(encoding="utf-8"))
    return {"result": [{task["phase_split"]: scores}], "submission_result": json.dumps(scores, indent=1)}


def _python(wanted: str) -> str:
    """A Python of the version that the wheels are for: this one, or one on the path."""
    here = f"{sys.version_info[0]}.{sys.version_info[1]}"
    found = sys.executable if here == wanted else shutil.which(f"python{wanted}")
    if not found:
        raise RuntimeError(
            f"no Python {wanted} on this worker, which runs Python {here}: tell the organisers"
        )
    return found
