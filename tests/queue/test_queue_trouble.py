"""A queue in trouble: Ctrl-C in the middle of a job, folders of others, clocks that differ."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil
import pytest
from documents import SMALL_SPLIT

from harness.predictions import write_predictions
from harness.queue import work as work_module
from harness.queue.files import clock
from harness.queue.jobs import Queue, day_of
from harness.queue.settings import load_settings
from harness.queue.work import Worker, work
from harness.tasks.task import open_task

# Root may do everything; without these it may do what its files' permissions say.
PLAIN = ("setpriv", "--bounding-set=-dac_override,-dac_read_search") if os.geteuid() == 0 else ()


@pytest.fixture
def folder(tmp_path, official_split):
    """A queue with one item of the team alpha."""
    made = tmp_path / "queue"
    (made / "inbox" / "alpha").mkdir(parents=True)
    (made / "small-split.json").write_text(json.dumps(SMALL_SPLIT))
    (made / "queue.toml").write_text(
        f'[task]\ndata = "{official_split}"\nsplit = "small-split.json"\n'
        '[limits]\nsettle_seconds = 0\n[[phase]]\nname = "open"\nper_day = 1\n'
    )
    return made


@pytest.fixture
def item(tmp_path, official_split, small_split):
    task = open_task(official_split, split_name=small_split, feature="mel")
    rng = np.random.default_rng(1)
    made = (
        (subject, {one.id: rng.standard_normal((task.n_frames, 10)).astype("f4") for one in own})
        for subject, own in task.by_subject.items()
    )
    write_predictions(tmp_path / "model.npz", made)
    return tmp_path / "model.npz"


def command(*arguments, plain=False):
    given = [*(PLAIN if plain else ()), sys.executable, "-m", "harness", *map(str, arguments)]
    if plain and PLAIN and shutil.which(PLAIN[0]) is None:
        pytest.skip("no setpriv, and root may do everything")
    return subprocess.Popen(given, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def states(folder):
    queue = Queue(load_settings(folder))
    return [job.state(queue.is_open(queue.settings.phase(job.phase))) for job in queue.jobs()]


def until(condition, process):
    deadline = time.monotonic() + 60
    while not condition():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda one: one.name)
def test_a_worker_that_is_ended_gives_its_job_back_and_leaves_no_process(
    folder, make_submission, item, number
):
    slow = make_submission("slow", predict="time.sleep(300)")
    shutil.copytree(slow, folder / "inbox" / "alpha" / "slow")
    worker = command("queue", "work", folder)
    until(lambda: any(folder.glob("jobs/open/alpha/*/1.claim-1.json")), worker)
    own = psutil.Process(worker.pid)
    until(lambda: len(own.children(recursive=True)) > 1, worker)  # the job's process, and its predictor's
    below = own.children(recursive=True)
    worker.send_signal(number)
    out, error = worker.communicate(timeout=60)
    assert (worker.returncode, out) == (128 + number, "")
    assert error.endswith("interrupted: nothing half-written is left behind\n")
    _, alive = psutil.wait_procs(below, timeout=10)
    assert alive == []
    assert states(folder) == ["waiting"]
    (released,) = folder.glob("jobs/open/alpha/*/1.released-1.json")
    assert list(released.parent.glob("1.died-*.json")) == []  # it is no attempt of the job's
    assert list(released.parent.glob("*.outcome.json")) == []
    assert len(list((folder / "ledger/open/alpha").iterdir())) == 1


@pytest.mark.slow
@pytest.mark.parametrize("name", ["jobs", "ledger", "reports", "names"])
def test_a_folder_that_cannot_be_written_is_named_before_anything_is_taken(folder, item, name):
    dropped = shutil.copy(item, folder / "inbox" / "alpha")
    (folder / name).mkdir()
    (folder / name).chmod(0o555)
    worker = command("queue", "work", folder, "--once", plain=True)
    out, error = worker.communicate(timeout=120)
    assert (worker.returncode, out) == (1, "")
    place = folder / name / ".new" if name == "jobs" else folder / name
    assert error == (
        f"error: {place}: cannot be written: permission denied, expected a folder that every worker can write.\n"
    )
    assert Path(dropped).exists()
    assert not (folder / "jobs/open").exists()


@pytest.mark.slow
def test_what_belongs_to_somebody_else_is_taken_once_or_told(folder, item):
    """An inbox from which the worker may not remove, and a file that it may not read; other teams go on."""
    for team in ("alpha", "beta"):
        (folder / "inbox" / team).mkdir(exist_ok=True)
        shutil.copy(item, folder / "inbox" / team)
    locked = folder / "inbox" / "beta" / "locked.npz"
    locked.write_bytes(b"secret")
    locked.chmod(0)
    (folder / "inbox" / "alpha").chmod(0o555)
    if PLAIN:
        for path in (locked, folder / "inbox" / "alpha", folder / "inbox" / "alpha" / item.name):
            os.chown(path, 65534, 65534)
    worker = command("queue", "work", folder, "--once", plain=True)
    _, error = worker.communicate(timeout=120)
    assert worker.returncode == 0, error
    assert states(folder) == ["scored", "scored"]
    assert (folder / "inbox" / "alpha" / item.name).exists()
    assert "was taken, and cannot be removed from the inbox" in error
    alpha = (folder / "reports/alpha/not-taken.txt").read_text()
    (job,) = (folder / "jobs/open/alpha").iterdir()
    assert alpha == f"{item.name}: it is open/alpha/{job.name} already, and cannot be removed from here\n"
    beta = (folder / "reports/beta/not-taken.txt").read_text()
    assert beta == "locked.npz: cannot be read: permission denied\n"
    # The next worker finds both still there, and takes and counts nothing again.
    again = command("queue", "work", folder, "--once", plain=True)
    _, error = again.communicate(timeout=120)
    assert again.returncode == 0, error
    assert "started" not in error
    assert len(list((folder / "ledger/open/alpha").iterdir())) == 1


def test_what_cannot_be_removed_is_taken_once_although_to_try_changes_it(folder, item, monkeypatch):
    """`chmod` by one worker must not make it a new thing for another, over and over."""
    shutil.copy(item, folder / "inbox" / "alpha")
    monkeypatch.setattr(
        work_module,
        "remove_tree",
        lambda path: (
            Path(path).chmod(0o644) if "inbox" in str(path) else shutil.rmtree(path, ignore_errors=True)
        ),
    )
    said = []
    workers = [Worker(load_settings(folder), say=said.append) for _ in range(2)]
    for _ in range(4):
        unsettled = [worker.take_in() for worker in workers]
    assert unsettled == [False, False]
    assert sum(line.endswith("model.npz taken") for line in said) == 2  # each worker once
    assert len(list(Queue(workers[0].settings).jobs())) == 1
    place = folder / "inbox" / "alpha" / item.name
    place.write_bytes(place.read_bytes() + b"\0")  # another content is another thing
    for _ in range(2):
        workers[0].take_in()
    assert len(list(Queue(workers[0].settings).jobs())) == 2


def test_a_queue_that_is_not_this_users_is_refused_in_words(folder, item, harness, monkeypatch):
    """`add` where the organiser's folders cannot be written: an error that names the place."""

    def refused(path, *_, **__):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(work_module, "clock", refused)
    code, out, error = harness("queue", "add", folder, item, "--team", "alpha")
    assert (code, out) == (1, "")
    assert error == f"error: {folder / 'jobs' / '.new'}: Permission denied\n"


@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "Etc/GMT+12", "UTC"])
def test_a_day_is_utc_wherever_the_machine_is(zone, monkeypatch):
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        assert [day_of(second) for second in (86399.9, 86400.0)] == ["1970-01-01", "1970-01-02"]
    finally:
        monkeypatch.undo()
        time.tzset()


def test_add_and_a_worker_count_one_day_by_the_file_systems_clock(folder, item, harness, monkeypatch):
    """A machine whose own clock is days off adds; a worker takes what is dropped: one day, one quota."""
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() - 40 * 86400.0)
    code, text, error = harness("queue", "add", folder, item, "--team", "alpha")
    assert (code, text.endswith(": waiting\n")) == (0, True), error
    monkeypatch.setattr(time, "time", lambda: real() + 40 * 86400.0)
    other = folder / "inbox" / "alpha" / "other.npz"
    other.write_bytes(item.read_bytes() + b"\0")
    worker = Worker(load_settings(folder))
    worker.take_in()
    worker.take_in()
    jobs = sorted(Queue(worker.settings).jobs(), key=lambda job: job.name)
    assert [(job.name, job.state(True)) for job in jobs] == [
        ("model.npz", "waiting"),
        ("other.npz", "refused"),
    ]
    assert all(abs(job.arrived(1) - real()) < 60 for job in jobs)


def test_a_clock_that_is_days_ahead_removes_no_half_copy_of_a_living_worker(folder, monkeypatch):
    staging = folder / "jobs" / ".new" / "0123456789abcdef"
    staging.mkdir(parents=True)
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + 40 * 86400.0)
    work(folder, once=True)
    assert staging.exists()
    os.utime(staging, (1, 1))
    work(folder, once=True)
    assert not staging.exists()


def test_the_clock_leaves_nothing_behind(tmp_path):
    assert abs(clock(tmp_path) - time.time()) < 60
    assert list(tmp_path.iterdir()) == []
