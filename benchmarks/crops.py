"""Random 10 s crops of 15-minute recordings: memory-mapped, against loading the file for each crop.

python -m benchmarks.crops
"""

import tempfile
from pathlib import Path

import numpy as np

from benchmarks.timing import interleaved, report
from harness.corpus import open_corpus

MINUTES, RECORDINGS, CROPS = 15, 4, 40
CROP_SAMPLES = 640
TARGET_RATIO = 50.0


def main() -> dict[str, float]:
    """Measure; both sides give the same float32 (n_times, 64) arrays, checked before timing."""
    rng = np.random.default_rng(0)
    n_times = MINUTES * 60 * 64
    with tempfile.TemporaryDirectory() as root:
        paths = []
        for number in range(1, RECORDINGS + 1):
            subject = f"sub-{number:03d}"
            folder = Path(root, "preprocessed_eeg", subject, "ses-a")
            folder.mkdir(parents=True)
            path = folder / f"{subject}_ses-a_task-b_run-01_desc-preproc-audio-talk_eeg.npy"
            np.save(path, rng.standard_normal((64, n_times), dtype=np.float32))
            paths.append(path)
        corpus = open_corpus(Path(root))
        picks = [
            (
                int(rng.integers(RECORDINGS)),
                int(rng.integers(corpus.recordings[0].n_times - CROP_SAMPLES)),
            )
            for _ in range(CROPS)
        ]

        def load_each() -> list[np.ndarray]:
            return [
                np.ascontiguousarray(np.load(paths[i])[:, start : start + CROP_SAMPLES].T)
                for i, start in picks
            ]

        def mapped() -> list[np.ndarray]:
            return [corpus.recordings[i].eeg(start, start + CROP_SAMPLES) for i, start in picks]

        if not all(np.array_equal(a, b) for a, b in zip(load_each(), mapped(), strict=True)):
            raise SystemExit("the two ways give different crops")
        loading, mapping = interleaved(load_each, mapped, rounds=5)
    return {
        "load_per_crop_microseconds": loading / CROPS * 1e6,
        "harness_microseconds": mapping / CROPS * 1e6,
        "times_faster": loading / mapping,
    }


if __name__ == "__main__":
    report("crops", main(), {"times_faster": (">=", TARGET_RATIO)})
