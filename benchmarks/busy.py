"""What scoring costs beside a process that keeps one core busy, and what the care for that costs alone.

    python -m benchmarks.busy

CAT-WaveNet's val part of the simulated corpus, by ``harness score``: alone, beside one process that
computes without end, and alone with one worker that has all cores, as before jobs fitted the cores.
In turn, so that a machine's drift touches all.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.timing import report

ROUNDS = 3
SCORE = ("score", "submissions/catwavenet", "--part", "val")


def main() -> dict[str, float]:
    """Median wall seconds, and their ratios."""
    alone: list[float] = []
    busy: list[float] = []
    one_worker: list[float] = []
    _score()  # not counted: the corpus may have to be made, and files be read for the first time
    for _ in range(ROUNDS):
        alone.append(_score())
        with subprocess.Popen([sys.executable, "-c", "while True: pass"]) as other:
            try:
                busy.append(_score())
            finally:
                other.kill()
        one_worker.append(_score("--jobs", "1"))
    seconds = {
        "alone_seconds": statistics.median(alone),
        "busy_seconds": statistics.median(busy),
        "one_worker_seconds": statistics.median(one_worker),
    }
    return {
        **seconds,
        "cores": float(len(os.sched_getaffinity(0))),
        "busy_to_alone": seconds["busy_seconds"] / seconds["alone_seconds"],
        "alone_to_one_worker": seconds["alone_seconds"] / seconds["one_worker_seconds"],
    }


def _score(*more: str) -> float:
    environment = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
    with tempfile.TemporaryDirectory() as out:
        command: Sequence[str] = [sys.executable, "-m", "harness", *SCORE, "--out", out, *more]
        start = time.perf_counter()
        subprocess.run(
            command, check=True, capture_output=True, env=environment, cwd=Path(__file__).parents[1]
        )
        return time.perf_counter() - start


if __name__ == "__main__":
    report("busy", main())
