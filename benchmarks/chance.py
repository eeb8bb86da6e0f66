"""Chance from every circular shift against a loop over ``scipy.stats.pearsonr``: one segment, 10 bands.

python -m benchmarks.chance

One segment is the case that favours the loop: its time grows with segments as the harness's does, and the
harness's fixed costs are spread over more.
"""

import numpy as np
from scipy.stats import pearsonr

from benchmarks.timing import interleaved, report
from harness.scoring.chance import subject_chance

SAMPLES, BANDS = 1920, 10


def main() -> dict[str, float]:
    """Measure; the ratio is the loop's time over the harness's."""
    rng = np.random.default_rng(2)
    reference = rng.standard_normal((SAMPLES, BANDS))
    prediction = 0.1 * reference + rng.standard_normal(reference.shape)
    found: dict[str, np.ndarray] = {}

    def loop() -> None:
        found["loop"] = np.array(
            [
                np.mean(
                    [
                        pearsonr(reference[:, band], np.roll(prediction[:, band], -shift))[0]
                        for band in range(BANDS)
                    ]
                )
                for shift in range(SAMPLES)
            ]
        )

    def ours() -> None:
        found["ours"] = subject_chance({"s": reference}, {"s": prediction}).shifted

    ours()  # scipy's import is in neither
    theirs_seconds, ours_seconds = interleaved(loop, ours, rounds=1)
    return {
        "scipy_loop_seconds": theirs_seconds,
        "harness_seconds": ours_seconds,
        "times_faster": theirs_seconds / ours_seconds,
        "largest_difference": float(np.abs(found["loop"] - found["ours"]).max()),
    }


if __name__ == "__main__":
    report("chance", main())
