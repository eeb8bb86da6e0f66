"""A queue whose workers are killed at random moments: nothing is lost, nothing counts twice."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from documents import SMALL_SPLIT
from repository_fixtures import OFFICIAL

SOURCE = Path(__file__).parents[2]
TEAMS = ("alpha", "beta")
SETTINGS = """
[task]
data = "{data}"
split = "small-split.json"

[limits]
settle_seconds = 0.3
lease_seconds = 3
attempts = 1000

[[phase]]
name = "open"
total = {total}
"""


def start(stage, *arguments):
    """Start a command in a session of its own."""
    (stage / "tmp").mkdir(exist_ok=True)
    return subprocess.Popen(
        [sys.executable, "-m", "harness", *map(str, arguments)],
        cwd=stage,
        env=os.environ | {"TMPDIR": str(stage / "tmp"), "PYTHONPATH": str(SOURCE), "OMP_NUM_THREADS": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def make_queue(stage, n_items):
    """A queue, and predictions of several contents in ``items/``; gives the queue's folder."""
    import numpy as np

    from harness.predictions import write_predictions
    from harness.tasks.task import open_task

    (stage / "items").mkdir(parents=True)
    folder = stage / "queue"
    folder.mkdir()
    (folder / "small-split.json").write_text(json.dumps(SMALL_SPLIT))
    (folder / "queue.toml").write_text(SETTINGS.format(data=OFFICIAL, total=n_items))
    task = open_task(OFFICIAL, split_name=str(folder / "small-split.json"), feature="mel")
    rng = np.random.default_rng(0)
    for number in range(n_items):
        made = (
            (subject, {one.id: rng.standard_normal((task.n_frames, 10)).astype("f4") for one in own})
            for subject, own in task.by_subject.items()
        )
        write_predictions(stage / "items" / f"model-{number}.npz", made)
    for team in TEAMS:
        (folder / "inbox" / team).mkdir(parents=True)
    return folder


def drop(stage, number, again=False):
    """Drop an item into each team's inbox; a second time under another name."""
    for team in TEAMS:
        name = f"again-{number}.npz" if again else f"model-{number}.npz"
        shutil.copy(stage / "items" / f"model-{number}.npz", stage / "queue" / "inbox" / team / name)


def kill_workers(stage, kills, n_items, chance):
    """Kill pairs of workers at random moments, while items are dropped; gives how many were running."""
    met = 0
    for round_ in range((kills + 1) // 2):
        if round_ % 2 == 0 and round_ // 2 < n_items:
            drop(stage, round_ // 2)
        elif round_ % 5 == 0:
            drop(stage, 0, again=True)
        workers = [start(stage, "queue", "work", "queue", "--workers", 1 + round_ % 2) for _ in range(2)]
        for worker in workers:
            time.sleep(chance.uniform(0.0, 1.6))
            met += worker.poll() is None
            if worker.poll() is None:
                (os.killpg if chance.random() < 0.5 else os.kill)(worker.pid, signal.SIGKILL)
        for worker in workers:
            worker.communicate(timeout=60)
    for number in range(n_items):
        drop(stage, number, again=True)
    last = start(stage, "queue", "work", "queue", "--once")
    _, error = last.communicate(timeout=240)
    assert last.returncode == 0, error
    return met


def check(queue, n_items):
    """Each content of each team is one job with one outcome, counted once, and has its record and report."""
    for team in TEAMS:
        assert list((queue / "inbox" / team).iterdir()) == []
        jobs = sorted((queue / "jobs/open" / team).iterdir())
        assert len(jobs) == n_items
        # A kill between a file's link and the removal of its draft leaves the draft, a hidden file of no use.
        ledger = sorted(
            path for path in (queue / "ledger/open" / team).iterdir() if not path.name.startswith(".")
        )
        counted = [json.loads(path.read_text())["job"] for path in ledger]
        assert sorted(counted) == [f"open/{team}/{job.name}" for job in jobs], [path.name for path in ledger]
        for job in jobs:
            assert [path.name for path in job.glob("*.outcome.json")] == ["1.outcome.json"]
            outcome = json.loads((job / "1.outcome.json").read_text())
            assert outcome["state"] == "scored", outcome
            (record,) = outcome["records"]
            made = (job / f"{record['sha256']}.record").read_bytes()
            assert (queue / "results" / record["path"]).read_bytes() == made
            assert (queue / "reports" / team / f"open-{job.name}.txt").is_file()
    names = [path.name for path in queue.glob("results/*/*/*/*/*.json")]
    assert len(names) == len(TEAMS) * n_items


def main():
    """Kill as many times as the first argument says."""
    import tempfile

    kills = int(sys.argv[1])
    with tempfile.TemporaryDirectory(prefix="kills-") as scratch:
        stage = Path(scratch)
        n_items = max(1, kills // 4)
        queue = make_queue(stage, n_items)
        met = kill_workers(stage, kills, n_items, random.Random(0))
        check(queue, n_items)
    print(
        f"queue: {kills} moments, {met} met a running worker, {len(TEAMS) * n_items} jobs, each counted once"
    )


if __name__ == "__main__":
    main()
