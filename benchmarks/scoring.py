"""The scorer against a loop over ``scipy.stats.pearsonr``: 120 segments, 10 bands, 1920 samples.

python -m benchmarks.scoring
"""

import numpy as np
from scipy.stats import pearsonr

from benchmarks.timing import interleaved, report
from harness.scoring.score import score_subject

SEGMENTS, SAMPLES, BANDS = 120, 1920, 10


def main() -> dict[str, float]:
    """Measure; the ratio is the scipy loop's median time over the harness's."""
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

    def ours() -> float:
        return score_subject(references, predictions).pearson_r

    difference = abs(loop() - ours())
    theirs_seconds, ours_seconds = interleaved(loop, ours, rounds=7)
    return {
        "scipy_loop_seconds": theirs_seconds,
        "harness_seconds": ours_seconds,
        "times_faster": theirs_seconds / ours_seconds,
        "largest_difference": difference,
    }


if __name__ == "__main__":
    report("scoring", main())
