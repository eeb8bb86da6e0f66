"""The scorer against ``scipy.stats.pearsonr``: 120 segments, 10 bands, 1920 samples.

python -m benchmarks.scoring

Measured by one call for all segments (``axis=1``), and by a loop over segments and bands, as the organisers'
code has it. A cold start is a process that imports the scorer and scores two segments, less one that imports
numpy alone.
"""

import statistics
import subprocess
import sys
import time

import numpy as np
from scipy.stats import pearsonr

from benchmarks.timing import interleaved, report
from harness.scoring.chance import subject_chance
from harness.scoring.score import score_subject, score_with_chance

SEGMENTS, SAMPLES, BANDS = 120, 1920, 10
NUMPY = "import numpy"
COLD = """
import numpy as np
from harness.scoring.score import score_subject
segments = {name: np.arange(20.0).reshape(10, 2) for name in "ab"}
score_subject(segments, segments)
"""


def main() -> dict[str, float]:
    """Measure; a ratio is scipy's median time over the harness's."""
    rng = np.random.default_rng(0)
    reference = rng.standard_normal((SEGMENTS, SAMPLES, BANDS))
    prediction = 0.1 * reference + rng.standard_normal(reference.shape)
    references = {f"segment_{i:03d}": reference[i] for i in range(SEGMENTS)}
    predictions = {f"segment_{i:03d}": prediction[i] for i in range(SEGMENTS)}

    def loop() -> float:
        r = [
            [pearsonr(reference[i, :, band], prediction[i, :, band])[0] for band in range(BANDS)]
            for i in range(SEGMENTS)
        ]
        return float(np.mean(np.mean(r, axis=1)))

    def vectorised() -> float:
        return float(np.mean(np.mean(pearsonr(reference, prediction, axis=1)[0], axis=1)))

    def ours() -> float:
        return score_subject(references, predictions).pearson_r

    def apart() -> None:
        score_subject(references, predictions)
        subject_chance(references, predictions)

    def together() -> None:
        score_with_chance(references, predictions)

    difference = max(abs(loop() - ours()), abs(vectorised() - ours()))
    loop_seconds, beside_loop_seconds = interleaved(loop, ours, rounds=7)
    vectorised_seconds, ours_seconds = interleaved(vectorised, ours, rounds=21)
    together()  # scipy's import is in neither
    apart_seconds, together_seconds = interleaved(apart, together, rounds=11)
    return {
        "scipy_loop_seconds": loop_seconds,
        "scipy_vectorised_seconds": vectorised_seconds,
        "harness_seconds": ours_seconds,
        "times_faster": loop_seconds / beside_loop_seconds,
        "times_faster_than_one_call": vectorised_seconds / ours_seconds,
        "score_and_chance_seconds": together_seconds,
        "times_faster_together": apart_seconds / together_seconds,
        "cold_start_seconds": _cold(COLD) - _cold(NUMPY),
        "largest_difference": difference,
    }


def _cold(code: str, rounds: int = 7) -> float:
    """Median seconds of a fresh process."""
    taken = []
    for _ in range(rounds):
        start = time.perf_counter()
        subprocess.run([sys.executable, "-c", code], check=True)
        taken.append(time.perf_counter() - start)
    return statistics.median(taken)


if __name__ == "__main__":
    report("scoring", main())
