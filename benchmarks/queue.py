"""A queue's memory and time over 200 submissions in one run of one worker.

python -m benchmarks.queue

The worker's resident memory is read while the first 20 jobs are done and while the last 20 are. Each job is a
process of its own; its memory is read five times a second. The task is a small tree:
19 segments.
"""

import json
import shutil
import sys
import tempfile
import threading
import time
from pathlib import Path

import psutil

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "kills"))

from queue_kills import make_queue, start

from benchmarks.timing import report

JOBS = 200


def main() -> dict[str, float]:
    """Measure; every job is checked to have been scored."""
    with tempfile.TemporaryDirectory() as name:
        stage = Path(name)
        queue = make_queue(stage, JOBS)
        for number in range(JOBS):
            shutil.copy(stage / "items" / f"model-{number}.npz", queue / "inbox" / "alpha")
        began = time.monotonic()
        worker = start(stage, "queue", "work", "queue", "--once", "--workers", "2")
        reader = threading.Thread(target=worker.communicate, daemon=True)
        reader.start()
        samples, peak = [], 0.0
        process = psutil.Process(worker.pid)
        while worker.poll() is None:
            done = len(list(queue.glob("results/*/*/*/*/*.json")))
            try:
                samples.append((done, process.memory_info().rss / 1e6))
                children = [one.memory_info().rss / 1e6 for one in process.children()]
            except psutil.NoSuchProcess:
                continue
            peak = max([peak, *children])
            time.sleep(0.2)
        seconds = time.monotonic() - began
        reader.join()
        records = [json.loads(path.read_text()) for path in queue.glob("results/*/*/*/*/*.json")]
        assert (worker.returncode, len(records)) == (0, JOBS)
    first = max(mb for done, mb in samples if 0 < done <= 20)
    last = max(mb for done, mb in samples if done >= JOBS - 20)
    return {
        "jobs": JOBS,
        "worker_mb_first_20": first,
        "worker_mb_last_20": last,
        "worker_growth_mb": last - first,
        "job_peak_mb": peak,
        "seconds_a_job": seconds / JOBS,
    }


if __name__ == "__main__":
    report("queue", main())
