"""What isolation costs a run: the same tiny package without it, and under each means, in turn.

    python -m benchmarks.isolation

What remains in the difference is the keeper's extra work, bubblewrap's name spaces or Landlock's rules.
"""

import statistics
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.timing import report
from harness.execution import PredictorSpec, Run, SegmentInput, isolation, predict_segments
from harness.predictor import Setup

ROUNDS = 15
PREDICTOR = """
class Channels:
    def __init__(self, setup):
        self.n_bands = setup.n_bands

    def predict(self, eeg, subjects):
        return eeg[:, :, : self.n_bands].copy()
"""


def main() -> dict[str, float]:
    """Median wall seconds of a run without isolation, and what each means adds to it."""
    working = [means.name for means in (isolation.bubblewrap(), isolation.landlocked()) if means.works]
    taken: dict[str, list[float]] = {name: [] for name in (isolation.NONE, *working)}
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "predictor.py").write_text(PREDICTOR)
        for _ in range(ROUNDS):
            for name, seconds in taken.items():
                start = time.perf_counter()
                _run(Path(folder), name)
                seconds.append(time.perf_counter() - start)
    alone = statistics.median(taken[isolation.NONE])
    added = {f"{name}_adds_seconds": statistics.median(taken[name]) - alone for name in working}
    return {"run_seconds_without_isolation": alone, **added}


def _run(folder: Path, means: str) -> None:
    setup = Setup("mel", 10, 64, 64, 64, 64, "default", {}, None, 0)
    spec = PredictorSpec("channels", folder, "predictor:Channels", setup)
    eeg = np.zeros((64, 64), np.float32)
    with predict_segments(spec, [SegmentInput("a", "unknown")], lambda _: eeg, Run(isolation=means)):
        pass


if __name__ == "__main__":
    report("isolation", main())
