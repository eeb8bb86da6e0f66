"""Reading predictions: time and memory against the standard library's json.

``python -m benchmarks.predictions_json`` prints the figures and exits 1 where a target is missed.
Every reading runs in a process of its own; its memory is the peak resident set less that of a
process that imports numpy and reads nothing. A process inherits its parent's peak, so the files
are made in a process of their own too and this one stays small. The two readers of one file take
turns; the speed-up is the median over the turns, each against its neighbour in time. Both hold all
arrays of the subject at the end.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.timing import report

N_SEGMENTS = 116
N_TIMES = 1920
N_BANDS = 10
SEED = 20240414


_CHILD = """
import json, resource, sys, time, zipfile
from pathlib import Path
import numpy as np
variant, path, subjects = sys.argv[1], Path(sys.argv[2]), json.loads(sys.argv[3])
ids = [f"segment-{i:03d}" for i in range(N_SEGMENTS)]
seconds, n = 0.0, 0
def text(seed):
    rng = np.random.default_rng([SEED, seed])
    return json.dumps({i: rng.standard_normal((N_TIMES, N_BANDS)).tolist() for i in ids})
if variant == "make folder":
    path.mkdir()
    (path / f"{subjects[0]}.json").write_text(text(0), encoding="ascii")
if variant == "make zip":
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        data = text(1)
        for subject in subjects:
            archive.writestr(f"{subject}.json", data)
if variant == "stdlib":
    start = time.perf_counter()
    with next(path.iterdir()).open() as file:
        segments = {name: np.array(rows) for name, rows in json.load(file).items()}
    seconds, n = time.perf_counter() - start, len(segments)
if variant == "harness":
    from harness.predictions import Expected, read_predictions
    expected = Expected({s: ids for s in subjects}, N_TIMES, N_BANDS, "mel")
    start = time.perf_counter()
    for subject, segments in read_predictions(path, expected):
        n += len(segments)
    seconds = time.perf_counter() - start
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(json.dumps({"seconds": seconds, "peak_mb": peak / 1024, "n": n}))
"""


def main(n_subjects: int = 20, repetitions: int = 5) -> dict[str, float]:
    """Measure both readers.

    Args:
        n_subjects: subjects in the zip.
        repetitions: turns of each reader of one subject's file.

    Returns:
        Seconds, MB and ratios by name.
    """
    with tempfile.TemporaryDirectory() as folder:
        one = Path(folder) / "one"
        names = [f"sub-{86 + i:03d}" for i in range(n_subjects)]
        _run("make folder", one, names)
        size_mb = next(one.iterdir()).stat().st_size / 1e6
        bare = statistics.median(_run("bare", one, names)["peak_mb"] for _ in range(repetitions))
        runs: dict[str, list[dict[str, float]]] = {"stdlib": [], "harness": []}
        for _ in range(repetitions):
            for variant, results in runs.items():
                results.append(_run(variant, one, names[:1]))
        archive = Path(folder) / "all.zip"
        _run("make zip", archive, names)
        whole = _run("harness", archive, names)
        zip_mb = archive.stat().st_size / 1e6
    if whole["n"] != n_subjects * N_SEGMENTS:
        raise SystemExit(f"{whole['n']} segments read, expected {n_subjects * N_SEGMENTS}")
    figures = {"json_mb": size_mb, "bare_peak_mb": bare}
    for variant, results in runs.items():
        figures[f"{variant}_seconds"] = statistics.median(r["seconds"] for r in results)
        figures[f"{variant}_mb"] = statistics.median(r["peak_mb"] for r in results) - bare
    pairs = zip(runs["stdlib"], runs["harness"], strict=True)
    figures["speedup"] = statistics.median(a["seconds"] / b["seconds"] for a, b in pairs)
    figures["memory_ratio"] = figures["harness_mb"] / figures["stdlib_mb"]
    figures["zip_subjects"] = n_subjects
    figures["zip_file_mb"] = zip_mb
    figures["zip_seconds"] = whole["seconds"]
    figures["zip_peak_mb"] = whole["peak_mb"]
    return figures


def _run(variant: str, path: Path, subjects: list[str]) -> dict[str, float]:
    """Read or make ``path`` in a process of its own."""
    sizes = f"N_SEGMENTS, N_TIMES, N_BANDS, SEED = {N_SEGMENTS}, {N_TIMES}, {N_BANDS}, {SEED}\n"
    command = [sys.executable, "-c", sizes + _CHILD, variant, str(path), json.dumps(subjects)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    result: dict[str, float] = json.loads(done.stdout)
    return result


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--subjects", type=int, default=20, help="subjects in the zip")
    report("predictions_json", main(parser.parse_args().subjects))
