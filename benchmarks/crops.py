"""Random 10 s crops of 15-minute recordings: memory-mapped, against loading the file for each crop.

And opening a tree of the public SparrKULee's size: 655 recordings of 85 subjects, 9 GB (sparse files).

python -m benchmarks.crops
"""

import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.timing import interleaved, report
from harness.corpus import open_corpus

MINUTES, RECORDINGS, CROPS = 15, 4, 40
CROP_SAMPLES = 640
# The public part of the dataset: 85 subjects, 655 recordings, 9420 minutes.
TREE_SUBJECTS, TREE_RECORDINGS, TREE_STIMULI = 85, 655, 72
TREE_SAMPLES = 9420 * 60 * 64 // TREE_RECORDINGS


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
        opening, tree_gb = _open_large_tree(Path(root, "large"))
    return {
        "load_per_crop_microseconds": loading / CROPS * 1e6,
        "harness_microseconds": mapping / CROPS * 1e6,
        "times_faster": loading / mapping,
        "tree_gb": tree_gb,
        "open_tree_seconds": opening,
    }


def _open_large_tree(root: Path) -> tuple[float, float]:
    """Seconds that opening takes, and the size of the EEG in GB."""
    size = make_large_tree(root)
    start = time.perf_counter()
    corpus = open_corpus(root)
    seconds = time.perf_counter() - start
    if len(corpus.recordings) != TREE_RECORDINGS:
        raise SystemExit(f"{len(corpus.recordings)} recordings, expected {TREE_RECORDINGS}")
    return seconds, size / 1e9


def make_large_tree(root: Path) -> int:
    """Sparse files of the dataset's size in its layout; gives the bytes of the EEG."""
    stimuli = root / "preprocessed_stimuli"
    stimuli.mkdir(parents=True)
    size = 0
    for number in range(TREE_STIMULI):
        for feature, n_bands in (("mel", 10), ("envelope", 1)):
            _sparse(stimuli / f"story_{number}_-_{feature}.npy", (TREE_SAMPLES, n_bands))
    for number in range(TREE_RECORDINGS):
        subject = f"sub-{number % TREE_SUBJECTS + 1:03d}"
        folder = root / "preprocessed_eeg" / subject / "ses-a"
        folder.mkdir(parents=True, exist_ok=True)
        stimulus = f"story_{number // TREE_SUBJECTS}"
        name = (
            f"{subject}_ses-a_task-b_run-{number // TREE_SUBJECTS:02d}_desc-preproc-audio-{stimulus}_eeg.npy"
        )
        size += _sparse(folder / name, (64, TREE_SAMPLES))
    return size


def _sparse(path: Path, shape: tuple[int, int]) -> int:
    """An .npy file of zeros that takes no disk."""
    with path.open("wb") as file:
        header = {"descr": "<f4", "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(file, header)
        size = file.tell() + 4 * shape[0] * shape[1]
        file.truncate(size)
    return size


if __name__ == "__main__":
    report("crops", main())
