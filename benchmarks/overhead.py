"""What ``harness score`` costs beyond the predictor, on 2,000 segments; its memory; how fast help answers.

    python -m benchmarks.overhead

The corpus is made here: 20 subjects with 100 segments of 30 s each, random numbers. The predictor
returns ten of its input's channels, so nearly all the time is the harness's own.
"""

import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.timing import report

SUBJECTS, SEGMENTS, SEGMENT_SAMPLES = 20, 100, 1920

SCORE = ("score", "channels", "--split", "bench.json", "--data", "corpus", "--no-controls", "--json")

PREDICTOR = """
class Channels:
    def __init__(self, setup):
        self.n_bands = setup.n_bands

    def predict(self, eeg, subjects):
        return eeg[:, :, : self.n_bands].copy()
"""

MANIFEST = """
name = "channels"
version = "1.0.0"
title = "Ten channels"
authors = ["a benchmark"]
licence = "MIT"
entry_point = "predictor:Channels"
features = ["mel"]
"""


def main() -> dict[str, float]:
    """Measure; the overhead is the wall time of the command less the time inside ``predict``."""
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        _make(root)
        overheads = []
        _harness(root, *SCORE)  # not counted: the disk is still busy with the corpus
        for _ in range(3):
            start = time.perf_counter()
            done = _harness(root, *SCORE)
            seconds = time.perf_counter() - start
            overheads.append(seconds - json.loads(done)["run"]["seconds"])
        _harness(root, *SCORE, "--save-predictions", "predictions.zip")
        zip_peak_mb = _peak_mb(root, "score", "predictions.zip", *SCORE[2:])
    help_seconds = []
    for _ in range(7):
        start = time.perf_counter()
        _harness(Path.cwd(), "--help")
        help_seconds.append(time.perf_counter() - start)
    return {
        "overhead_seconds_2000_segments": statistics.median(overheads),
        "help_seconds": statistics.median(help_seconds),
        "score_zip_peak_mb": zip_peak_mb,
    }


def _harness(folder: Path, *arguments: str) -> bytes:
    command = [str(Path(sys.executable).parent / "harness"), *arguments]
    return subprocess.run(command, cwd=folder, check=True, capture_output=True).stdout


def _peak_mb(folder: Path, *arguments: str) -> float:
    """Peak resident memory of a command, in MB, started by a small process: its peak is inherited."""
    code = (
        "import resource, subprocess, sys\n"
        "subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL)\n"
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024)"
    )
    command = str(Path(sys.executable).parent / "harness")
    done = subprocess.run(
        [sys.executable, "-c", code, command, *arguments], cwd=folder, check=True, capture_output=True
    )
    return float(done.stdout)


def _make(root: Path) -> None:
    rng = np.random.default_rng(0)
    n_times = SEGMENTS * SEGMENT_SAMPLES + 4  # the cut 80/10/10 drops up to two samples
    stimuli = root / "corpus" / "preprocessed_stimuli"
    stimuli.mkdir(parents=True)
    np.save(stimuli / "talk_-_mel.npy", rng.random((n_times, 10), dtype=np.float32))
    subjects = [f"sub-{number:03d}" for number in range(1, SUBJECTS + 1)]
    for subject in subjects:
        folder = root / "corpus" / "preprocessed_eeg" / subject / "ses-a"
        folder.mkdir(parents=True)
        eeg = rng.standard_normal((64, n_times), dtype=np.float32)
        np.save(folder / f"{subject}_ses-a_task-b_run-01_desc-preproc-audio-talk_eeg.npy", eeg)
    split = {
        "name": "bench",
        "title": "2,000 segments",
        "corpora": ["sparrkulee"],
        "features": ["mel"],
        "sample_rate_hz": 64,
        "segment_seconds": 30,
        "cut": "whole-recordings",
        "parts": {"test": {"subjects": subjects}},
    }
    (root / "bench.json").write_text(json.dumps(split))
    (root / "channels").mkdir()
    (root / "channels" / "submission.toml").write_text(MANIFEST)
    (root / "channels" / "predictor.py").write_text(PREDICTOR)


if __name__ == "__main__":
    report("overhead", main())
