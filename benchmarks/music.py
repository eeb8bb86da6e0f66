"""Music: speeds of its spectra, of its simulated tree and of `make music`.

Spectra of EEG against calls of scipy, one an electrode and second as EEG2Mel's release has them; and what
`make music` runs, from an empty cache to the board.

python -m benchmarks.music
"""

import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from scipy import signal

from benchmarks.timing import interleaved, report
from harness.corpus.simulated.music import simulate_music
from harness.nn.spectra import power_spectrum

SECONDS, RATE = 40, 125
REPOSITORY = Path(__file__).resolve().parents[1]
ASKED = ("--split", "music-listeners-blocks", "--feature", "music-mel-db")


def main() -> dict[str, float]:
    """Measure; spectra are compared before they are timed."""
    figures = {}
    for kind, one in (
        ("periodogram", lambda x: signal.periodogram(x, fs=RATE)[1]),
        ("welch", lambda x: signal.welch(x, fs=RATE, nperseg=RATE)[1]),
    ):
        figures |= _spectra(kind, one)
    with tempfile.TemporaryDirectory() as root:
        start = time.perf_counter()
        simulate_music(Path(root, "tree"))
        figures["simulate_seconds"] = time.perf_counter() - start
        files = [path for path in Path(root, "tree").rglob("*") if path.is_file()]
        figures["simulated_mb"] = sum(path.stat().st_size for path in files) / 1e6
    return figures | _make_music()


def _spectra(kind: str, one) -> dict[str, float]:
    eeg = (20 * np.random.default_rng(0).standard_normal((SECONDS, RATE, 125))).astype(np.float32)

    def loop() -> np.ndarray:
        rows = [[one(eeg[i, :, j]) for j in range(eeg.shape[2])] for i in range(SECONDS)]
        return np.array(rows).transpose(0, 2, 1)

    def at_once() -> np.ndarray:
        return power_spectrum(eeg, kind, RATE)

    difference = float(np.abs(loop() - at_once()).max() / at_once().max())
    if difference > 1e-6:
        raise SystemExit(f"{kind}: {difference} apart")
    looping, whole = interleaved(loop, at_once, rounds=5)
    return {f"{kind}_times_faster": looping / whole}


def _make_music() -> dict[str, float]:
    """The commands of `make music`, nothing in the cache before: seconds, and CPU seconds.

    CPU seconds do not depend on what else a machine does; on two cores as many pass at most.
    """
    with tempfile.TemporaryDirectory() as cache:
        environment = {
            **os.environ,
            "XDG_CACHE_HOME": cache,
            "HARNESS_DATA": "",
            "PYTHONPATH": str(REPOSITORY),
        }
        start, before = time.perf_counter(), _cpu_seconds()
        for system in ("baselines/ridge-psd", "submissions/eeg2mel"):
            _harness("score", str(REPOSITORY / system), *ASKED, "--out", f"{cache}/out", env=environment)
        _harness("rank", "--results", f"{cache}/out", env=environment)
        return {
            "make_music_seconds": time.perf_counter() - start,
            "make_music_cpu_seconds": _cpu_seconds() - before,
        }


def _cpu_seconds() -> float:
    """Of all processes that this one waited for."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _harness(*arguments: str, env: dict[str, str]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "harness", *arguments], env=env, capture_output=True, text=True
    )
    if done.returncode:
        raise SystemExit(f"harness {' '.join(arguments)}: {done.stderr}")


if __name__ == "__main__":
    report("music", main())
