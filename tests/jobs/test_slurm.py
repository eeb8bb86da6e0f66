"""Jobs on a real SLURM of one node: arrays, requeueing, failures, and what is refused."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from seeded import PREDICT, TRAIN

from harness.jobs import slurm as slurm_module
from harness.predictions import write_predictions
from harness.records.store import read_record
from harness.submission.manifest import load_submission
from harness.tasks.task import open_task

# The command in a process of its own, which looks at its jobs as often as the fixture below makes this one look.
HARNESS = (
    *(sys.executable, "-c"),
    "from harness.jobs import slurm; slurm.POLL_SECONDS = 0.3\nfrom harness.cli.main import main\nmain()",
)
ON_SLURM = ("--executor", "slurm", "--slurm", "time=10", "--slurm", "mem=900M")


@pytest.fixture(autouse=True)
def _looks_often(monkeypatch):
    monkeypatch.setattr(slurm_module, "POLL_SECONDS", 0.3)
    monkeypatch.setattr("harness.jobs.run._LATE_SECONDS", 1.0)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")


@pytest.fixture
def folder(make_submission):
    made = make_submission(trainer="train:train")
    (made / "train.py").write_text(TRAIN)
    (made / "predictor.py").write_text(PREDICT)
    return made


def hashes(folder):
    return [entry["sha256"] for entry in load_submission(folder).manifest.get("weights", [])]


def queue():
    asked = subprocess.run(["squeue", "--noheader", "--format=%F %T"], capture_output=True, text=True)
    return asked.stdout.split("\n")[:-1]


def facts_of(number):
    """What SLURM says of a job, such as its JobState."""
    asked = subprocess.run(["scontrol", "show", "job", number], capture_output=True, text=True)
    return dict(word.split("=", 1) for word in asked.stdout.split() if "=" in word)


def until(condition, seconds):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, queue()
        time.sleep(0.1)


@pytest.mark.slow
def test_an_array_trains_the_same_bytes_and_one_job_that_fails_is_named(slurm, harness, folder, where):
    code, _, err = harness("train", folder, *where, "--seeds", "0,2", "--executor", "local", "--jobs", "2")
    assert code == 0, err
    here = hashes(folder)
    (folder / "fail-1.md").write_text("told to")
    code, out, err = harness("train", folder, *where, "--seeds", "3", *ON_SLURM)
    assert code == 1
    assert sorted(re.findall(r"^seed (\d): tiny, seed \1, trained", out, re.M)) == ["0", "2"]
    assert hashes(folder) == here
    jobs = re.findall(r"^seed (\d): job (\d+)_(\d), log: (.+)$", err, re.M)
    assert [(seed, index) for seed, _, index, _ in jobs] == [("0", "0"), ("1", "1"), ("2", "2")]
    assert len({number for _, number, _, _ in jobs}) == 1
    assert jobs[0][3].startswith(str(folder / "training" / "jobs"))
    number, log = jobs[1][1], jobs[1][3]
    assert f"error: seed 1: job {number}_1: failed with exit code 1.\n  the last" in err
    assert f" of {log}:\n" in err
    assert "ValueError: told to fail" in err.partition("error: seed 1")[2]
    (folder / "fail-1.md").unlink()
    code, out, err = harness("train", folder, *where, "--seeds", "3", "--resume", *ON_SLURM)
    assert code == 0, err
    assert "seed 0: has its weights already" in err
    assert re.findall(r"^seed (\d): job", err, re.M) == ["1"]
    assert len(hashes(folder)) == 3


@pytest.mark.slow
def test_systems_and_seeds_are_scored_as_an_array_into_the_same_records(
    slurm, harness, folder, where, make_submission, tmp_path
):
    other = make_submission("other")
    assert harness("train", folder, *where, "--seeds", "2")[0] == 0
    given = ("score", folder, other, *where, "--no-controls", "--memory-limit", "1")
    code, _, err = harness(*given, "--out", tmp_path / "here")
    assert code == 0, err
    code, out, err = harness(*given, "--out", tmp_path / "there", *ON_SLURM[:4], "--slurm", "mem=900M")
    assert code == 0, err
    assert len(re.findall(r"^(?:tiny, seed \d|other): job \d+_\d, log: ", err, re.M)) == 3
    assert len(re.findall(r"^(?:tiny, seed \d|other):$", out, re.M)) == 3
    here = sorted((tmp_path / "here").rglob("*.json"))
    assert [path.name for path in here] == ["other.json", "tiny.seed-0.json", "tiny.seed-1.json"]
    for path in here:
        one = read_record(path)
        another = read_record(tmp_path / "there" / path.relative_to(tmp_path / "here"))
        assert (one.score, one.subjects) == (another.score, another.subjects)


# A net that is slow enough to be caught in the middle, while a file is there.
SLOWLY = """
import time
class Slowly(Tiny):
    def forward(self, eeg, subject_index):
        time.sleep(0.4 if os.path.exists(os.environ.get("TEST_SLOWLY", "")) else 0)
        return super().forward(eeg, subject_index)
Tiny_ = Tiny
System.build = lambda self, config, setup, subjects: Slowly(config, setup.n_bands, len(subjects))
"""


@pytest.mark.slow
def test_a_job_that_is_taken_away_goes_on_and_ends_with_the_same_bytes(
    slurm, tiny, where, tmp_path, monkeypatch
):
    """Interrupted while it waits, requeued while it runs, and attached to: one job, the weights as undisturbed."""
    submission = tiny(code=SLOWLY, epochs=6, crops_per_recording=4)
    command = [*HARNESS, "train", str(submission.folder), *map(str, where)]
    copy = tmp_path / "undisturbed" / "tiny"
    shutil.copytree(submission.folder, copy)
    undisturbed = subprocess.Popen(  # beside the other, which mostly waits
        [*HARNESS, "train", str(copy), *map(str, where)], cwd=tmp_path, stderr=subprocess.PIPE, text=True
    )
    slowly = tmp_path / "slowly"
    slowly.touch()
    monkeypatch.setenv("TEST_SLOWLY", str(slowly))
    first = subprocess.Popen(
        [*command, *ON_SLURM], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    seen = []
    for line in first.stderr:
        seen.append(line)
        if "epoch 2 of 6" in line:
            first.send_signal(signal.SIGINT)
    first.communicate()
    assert first.returncode == 130, "".join(seen)
    number = re.search(r"^default: job (\d+), log: ", "".join(seen), re.M)[1]
    assert f"The jobs go on (squeue --jobs {number}), and the same command waits for them again." in "".join(
        seen
    )
    assert f"To end them: scancel {number}\n" in "".join(seen)
    second = subprocess.Popen(
        [*command, *ON_SLURM], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    line = second.stderr.readline()
    while "is in the queue already" not in line and line:
        line = second.stderr.readline()
    assert f"default: job {number} is in the queue already (RUNNING)" in line
    while "runs on" not in line and line:
        line = second.stderr.readline()
    subprocess.run(["scontrol", "requeue", number], check=True)
    slowly.unlink()
    # SLURM lets a requeued job wait for two minutes (BeginTime). Begin it now.
    until(lambda: queue() == [f"{number} PENDING"], 120)
    subprocess.run(["scontrol", "update", f"JobId={number}", "StartTime=now"], check=True)
    out, err = second.communicate(timeout=240)
    assert second.returncode == 0, err
    assert re.search(r"^default: goes on after epoch [2-5] of 6, from ", err, re.M), err
    _, said = undisturbed.communicate(timeout=240)
    assert undisturbed.returncode == 0, said
    assert hashes(submission.folder) == hashes(copy)
    assert len(hashes(copy)) == 1
    assert out.startswith("default: tiny trained on ")


@pytest.mark.slow
def test_what_sbatch_refuses_is_said_in_its_words(slurm, harness, folder, where):
    code, out, err = harness("train", folder, *where, *ON_SLURM, "--slurm", "partition=nowhere")
    assert (code, out) == (2, "")
    assert "error: --executor slurm: sbatch refused 1 job.\n" in err
    assert "sbatch: error: invalid partition specified: nowhere" in err
    assert " job " not in err.partition("error:")[0]
    code, _, err = harness("train", folder, *where, *ON_SLURM)
    assert code == 0, err


@pytest.mark.slow
def test_two_workers_of_a_queue_are_jobs_and_one_that_is_requeued_counts_nothing_twice(
    slurm, harness, where, official_split, small_split, make_submission, tmp_path
):
    task = open_task(official_split, split_name=small_split, feature="mel")
    inbox = tmp_path / "inbox"
    assert harness("queue", "init", inbox, *where)[0] == 0
    with (inbox / "queue.toml").open("a") as settings:
        settings.write("[limits]\nsettle_seconds = 0\n")
    team = inbox / "inbox" / "alpha"
    team.mkdir()
    for number in range(2):
        made = (
            (subject, {one.id: made_up(task, number) for one in own})
            for subject, own in task.by_subject.items()
        )
        write_predictions(team / f"model-{number}.npz", made)
    shutil.copytree(
        make_submission("slow", predict="time.sleep(2); return eeg[:, :, :self.n_bands]"), team / "slow"
    )
    command = [*HARNESS, "queue", "work", str(inbox), "--workers", "2", "--once", *ON_SLURM]
    told = tmp_path / "stderr"
    with told.open("w") as stderr:
        workers = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=stderr, text=True)

    def has_slow():
        """The logs of the worker that has said that it began the slow one."""
        assert workers.poll() is None, told.read_text()
        job = name_in(inbox, "slow")
        logs = (inbox / "workers").glob("*/log.txt") if job else ()
        return [log for log in logs if f"{job.name}: started" in log.read_text()]

    until(has_slow, 120)
    (log,) = has_slow()
    slow = name_in(inbox, "slow")
    number = json.loads((log.parent / "job.json").read_text())["id"]
    subprocess.run(["scontrol", "requeue", number], check=True)
    until(lambda: (slow / "1.released-1.json").exists(), 120)
    said = re.compile(r"^worker \d: was taken away, and is queued again$", re.M)
    until(lambda: said.search(told.read_text()) or workers.poll() is not None, 120)
    subprocess.run(["scontrol", "update", f"JobId={number}", "StartTime=now"], check=True)
    out, _ = workers.communicate(timeout=240)
    assert workers.returncode == 0, told.read_text()
    assert said.search(told.read_text()), told.read_text()
    assert out.endswith("3 scored\n"), out
    assert (slow / "1.claim-2.json").exists()
    jobs = sorted((inbox / "jobs/open/alpha").iterdir())
    assert [len(list(job.glob("*.outcome.json"))) for job in jobs] == [1, 1, 1]
    counted = [json.loads(path.read_text())["job"] for path in (inbox / "ledger/open/alpha").iterdir()]
    assert sorted(counted) == [f"open/alpha/{job.name}" for job in jobs]
    assert len(list((inbox / "results").rglob("mel/*.json"))) == 3
    assert list(team.iterdir()) == []


def made_up(task, seed):
    return np.random.default_rng(seed).standard_normal((task.n_frames, 10)).astype("f4")


def name_in(inbox, name):
    """The folder of the job of a thing that was dropped in by this name; None until it is taken."""
    facts = (inbox / "jobs/open/alpha").glob("*/job.json")
    return next((path.parent for path in facts if json.loads(path.read_text())["name"] == name), None)


@pytest.mark.slow
def test_torchrun_by_srun_as_the_recipe_says(slurm, tiny, where, tmp_path):
    """The recipe of docs/training.md, on the one node that there is, with two processes."""
    submission = tiny(epochs=1)
    script = f"""#!/bin/bash
srun --ntasks=1 torchrun --nnodes="$SLURM_JOB_NUM_NODES" --nproc-per-node=2 --rdzv-backend=c10d \\
  --rdzv-endpoint=localhost:0 --rdzv-id="$SLURM_JOB_ID" \\
  --no-python harness train {submission.folder} {" ".join(map(str, where))}
"""
    (tmp_path / "job.sh").write_text(script)
    ran = subprocess.run(
        ["sbatch", "--parsable", "--mem=2G", "--time=5", "--output=log", "job.sh"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        env={**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
    )
    assert ran.returncode == 0, ran.stderr
    number = ran.stdout.strip()
    # Not sbatch --wait: it looks at longer and longer intervals.
    until(lambda: facts_of(number)["JobState"] not in ("PENDING", "RUNNING", "COMPLETING"), 120)
    log = (tmp_path / "log").read_text()
    assert facts_of(number)["JobState"] == "COMPLETED", log
    assert "  processes: 2\n" in log
    assert len(hashes(submission.folder)) == 1
