"""A queue from the folder to the board: quotas, refusals, claims, a sealed phase; and what is hostile."""

import json
import os
import shutil
import stat
import sys
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest
from documents import SMALL_SPLIT

from benchmarks.scale import scored_queue
from harness.errors import QueueError
from harness.predictions import write_predictions
from harness.queue import intake, jobs
from harness.queue.child import plain
from harness.queue.files import create, is_gone, me
from harness.queue.jobs import Queue
from harness.queue.settings import load_settings, parse_settings
from harness.queue.work import Worker, work
from harness.tasks.task import open_task

LIMITS = "[limits]\nsettle_seconds = 0\nlease_seconds = 2\n"
OPEN = '[[phase]]\nname = "open"\n'


@pytest.fixture
def queue(tmp_path, official_split):
    """Make a queue of some phases; its folder."""

    def make(phases=OPEN, limits=LIMITS):
        folder = tmp_path / "queue"
        folder.mkdir()
        (folder / "small-split.json").write_text(json.dumps(SMALL_SPLIT))
        task = f'[task]\ndata = "{official_split}"\nsplit = "small-split.json"\n'
        (folder / "queue.toml").write_text(task + limits + phases)
        return folder

    return make


@pytest.fixture
def predictions(tmp_path, official_split, small_split):
    """Write predictions of a seed, or with an id changed; gives the file."""
    task = open_task(official_split, split_name=small_split, feature="mel")

    def make(seed, name=None, rename=str):
        rng = np.random.default_rng(seed)
        path = tmp_path / (name or f"model-{seed}.npz")
        own = (
            (subject, {rename(one.id): rng.standard_normal((task.n_frames, 10)).astype("f4") for one in some})
            for subject, some in task.by_subject.items()
        )
        write_predictions(path, own)
        return path

    return make


def drop(folder, path, team="alpha", name=None):
    place = folder / "inbox" / team / (name or path.name)
    place.parent.mkdir(parents=True, exist_ok=True)
    (shutil.copytree if path.is_dir() else shutil.copy)(path, place)
    return place


def states(folder):
    queue = Queue(load_settings(folder))
    return {job.name: job.state(queue.is_open(queue.settings.phase(job.phase))) for job in queue.jobs()}


def report(folder, name, team="alpha"):
    (text,) = [
        text
        for path in (folder / "reports" / team).iterdir()
        if f"what: {name}\n" in (text := path.read_text())
    ]
    return text


def admitted(folder, *paths, team="alpha"):
    """Jobs made of files at once, as `queue add` makes them."""
    worker = Worker(load_settings(folder))
    return [worker.admit(path, team, time.time()) for path in paths]


@pytest.mark.slow
def test_predictions_and_a_package_are_scored_as_score_does(
    queue, predictions, make_submission, harness, where
):
    folder = queue()
    drop(folder, predictions(1))
    drop(folder, make_submission("tiny"), team="beta")
    assert work(folder, workers=2, once=True) == 2
    assert states(folder) == {"model-1.npz": "scored", "tiny": "scored"}
    code, text, _ = harness("score", predictions(1), *where, "--json")
    assert code == 0
    made = json.loads((folder / "results/sparrkulee/small-split/test/mel/alpha-model-1.json").read_text())
    assert made["score"] == json.loads(text)["score"]
    code, text, error = harness("rank", "--results", folder / "results")
    assert (code, error) == (0, "")
    assert "alpha-model-1" in text
    assert "tiny" in text
    assert "mean r" in report(folder, "model-1.npz")
    code, text, error = harness(
        "rescore", *where, "--results", folder / "results", "--measure", "cosine", "--format", "json"
    )
    assert code == 0, error
    assert {row["system"] for row in json.loads(text)["rows"]} == {"alpha-model-1", "tiny"}


@pytest.mark.slow
def test_the_newest_of_one_name_stands_on_the_board_and_one_content_is_one_job(queue, predictions):
    folder = queue()
    drop(folder, predictions(1), name="mine.npz")
    work(folder, once=True)
    drop(folder, predictions(2), name="mine.npz")
    drop(folder, predictions(1), name="copy.npz")
    work(folder, once=True)
    assert len(list(Queue(load_settings(folder)).jobs())) == 2
    (record,) = folder.glob("results/*/*/*/*/*.json")
    assert record.name == "alpha-mine.json"
    sha256 = json.loads(record.read_text())["submission"]["predictions_sha256"]
    assert sha256 == intake.take(predictions(2), folder / "x", 10, 1 << 30).sha256


@pytest.mark.slow
def test_wrong_ids_are_refused_with_a_reason_and_do_not_count(queue, predictions):
    folder = queue(OPEN + "total = 1\n")
    bad = predictions(1, "bad.npz", rename=lambda name: name.replace("audiobook", "audiobok"))
    drop(folder, bad)
    work(folder, once=True)
    text = report(folder, "bad.npz")
    assert "state: refused" in text
    assert "unknown segment" in text
    assert str(folder) not in text
    drop(folder, predictions(2))
    work(folder, once=True)
    assert states(folder) == {"bad.npz": "refused", "model-2.npz": "scored"}


@pytest.mark.slow
def test_a_sealed_phase_has_no_score_before_it_is_opened(queue, predictions, harness):
    folder = queue('[[phase]]\nname = "final"\nsealed = true\n')
    drop(folder, predictions(1))
    work(folder, once=True)
    assert states(folder) == {"model-1.npz": "sealed"}
    assert not (folder / "results").exists()
    assert list(folder.rglob("*.outcome.json")) == []
    drop(folder, predictions(2))
    work(folder, once=True)
    assert "the quota of final is used up: 1 of 1" in report(folder, "model-2.npz")
    assert harness("queue", "open", folder, "final")[0] == 0
    work(folder, once=True)
    assert states(folder) == {"model-1.npz": "scored", "model-2.npz": "refused"}


def test_what_lies_beside_the_teams_folders_is_told_once_and_never_taken(queue, predictions):
    folder = queue()
    file = predictions(1)
    for name in ("loose.npz", "Bad Team/p.npz", ".hidden/p.npz", "copying.part"):
        (folder / "inbox" / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, folder / "inbox" / name)
    (folder / "inbox/gamma").symlink_to(folder / "inbox/Bad Team")
    said = []
    worker = Worker(load_settings(folder), say=said.append)
    for _ in range(3):
        assert not worker.take_in()
    assert [line.split(" is not taken")[0] for line in said] == [
        "inbox/Bad Team", "inbox/gamma", "inbox/loose.npz",
    ]  # fmt: skip
    assert all(line.endswith("it is not a team's folder: lower-case words with hyphens") for line in said)
    assert states(folder) == {}


def test_a_quota_is_counted_once_a_job_and_told(queue, predictions):
    folder = queue(OPEN + "per_day = 2\n")
    admitted(folder, predictions(1), predictions(2), predictions(1), predictions(3))
    assert states(folder) == {"model-1.npz": "waiting", "model-2.npz": "waiting", "model-3.npz": "refused"}
    assert len(list((folder / "ledger/open/alpha").iterdir())) == 2
    assert "is used up: 2 of 2" in report(folder, "model-3.npz")


def test_what_a_day_refused_is_taken_on_another_day(queue, predictions):
    folder = queue(OPEN + "per_day = 1\n")
    worker, now = Worker(load_settings(folder)), time.time()
    worker.admit(predictions(1), "alpha", now)
    worker.admit(predictions(2), "alpha", now)
    assert states(folder)["model-2.npz"] == "refused"
    worker.admit(predictions(2), "alpha", now + 86400)
    assert states(folder)["model-2.npz"] == "waiting"


def test_a_worker_that_comes_back_cannot_count_twice(queue, predictions):
    folder = queue()
    (job,) = admitted(folder, predictions(1))
    one = Queue(load_settings(folder))
    assert one.finish(job, 1, {"state": "scored", "by": "new"})
    assert not one.finish(job, 1, {"state": "scored", "by": "old"})
    assert job.outcome(1)["by"] == "new"


@pytest.mark.slow
def test_a_claim_is_one_workers_and_is_taken_over_when_it_is_silent(queue, predictions):
    folder = queue(limits="[limits]\nsettle_seconds = 0\nlease_seconds = 1\n")
    (job,) = admitted(folder, predictions(1))
    elsewhere = {"host": "other", "machine": "another boot", "pid": 1, "began": "1"}
    claim = job.folder / "1.claim-1.json"
    assert create(claim, elsewhere)
    assert not create(claim, me())
    assert states(folder) == {"model-1.npz": "running"}
    worker = Worker(load_settings(folder))
    assert not worker._is_silent(job, 1)
    os.utime(claim, (1, 1))  # a beat, by a clock that jumped
    assert not worker._is_silent(job, 1)
    assert not worker._is_unsure(job, 1)
    time.sleep(1.1)
    assert worker._is_silent(job, 1)


def test_a_dead_process_of_this_machine_is_known_at_once():
    assert not is_gone(me())
    assert is_gone({**me(), "began": "1"})
    assert is_gone({**me(), "pid": 2**22 + 1})
    assert not is_gone({**me(), "machine": "elsewhere", "pid": 2**22 + 1})


@pytest.mark.slow
def test_a_file_that_still_grows_is_not_taken(queue, predictions):
    folder = queue(limits="[limits]\nsettle_seconds = 0.5\n")
    place = drop(folder, predictions(1))
    drop(folder, predictions(2), name="half.npz.part")
    worker = Worker(load_settings(folder))
    for _ in range(4):
        with place.open("ab") as file:
            file.write(b"more")
        assert worker.take_in()
        time.sleep(0.2)
    assert states(folder) == {}
    time.sleep(0.6)
    worker.take_in()
    worker.take_in()
    assert list(states(folder)) == ["model-1.npz"]
    assert (folder / "inbox/alpha/half.npz.part").exists()


def test_what_arrives_outside_every_phase_stays_and_is_told(queue, predictions):
    folder = queue(OPEN + 'closes = "2020-01-01T00:00:00Z"\n')
    place = drop(folder, predictions(1))
    worker = Worker(load_settings(folder))
    assert not worker.take_in()
    assert place.exists()
    assert "no phase was open" in (folder / "reports/alpha/not-taken.txt").read_text()


def _link(folder):
    (folder / "item").symlink_to("/etc/passwd")
    return folder / "item"


def _linked_below(folder):
    (folder / "item").mkdir()
    (folder / "item/secret").symlink_to("/etc/passwd")
    return folder / "item"


def _pipe(folder):
    os.mkfifo(folder / "item")
    return folder / "item"


def _many(folder):
    (folder / "item").mkdir()
    for number in range(60):
        (folder / f"item/{number}").touch()
    return folder / "item"


def _large(folder):
    (folder / "item").write_bytes(b"0" * (3 << 20))
    return folder / "item"


@pytest.mark.parametrize("make", [_link, _linked_below, _pipe, _many, _large])
def test_hostile_items_are_refused_and_counted_nowhere(make, queue, tmp_path):
    folder = queue(limits="[limits]\nitem_mib = 1\nfiles = 50\n")
    (tmp_path / "from").mkdir()
    (job,) = admitted(folder, make(tmp_path / "from"))
    assert job.outcome(1)["state"] == "refused"
    assert not job.item.exists()
    assert not (folder / "ledger/open/alpha").exists()
    assert report(folder, "item")


@pytest.mark.parametrize("name", ["../out", "/etc/out", "a/../../out", "a\\..\\out", "C:out", "a\nb", "link"])
def test_a_packages_zip_cannot_leave_its_folder(name, tmp_path):
    path, target = tmp_path / "p.zip", tmp_path / "target"
    target.mkdir()
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("submission.toml", "")
        info = zipfile.ZipInfo(name)
        if name == "link":
            info.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(info, "x")
    with pytest.raises(QueueError, match="names below the folder|plain files"):
        intake.unpack(path, target, 100, 1 << 20)
    assert list(target.iterdir()) == []
    assert sorted(one.name for one in tmp_path.iterdir()) == ["p.zip", "target"]


def test_a_bomb_and_too_many_members_are_refused(tmp_path):
    path, target = tmp_path / "p.zip", tmp_path / "target"
    target.mkdir()
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("submission.toml", "")
        archive.writestr("bomb", b"\0" * (20 << 20))
    with pytest.raises(QueueError, match="unpacks to more than 1 MiB"):
        intake.unpack(path, target, 100, 1 << 20)
    with pytest.raises(QueueError, match="2 files, expected at most 1"):
        intake.unpack(path, target, 1, 1 << 20)


def test_settings_name_all_faults_at_once(tmp_path):
    text = b"""
[limits]
lease_second = 3
[[phase]]
name = "One"
per_day = 0
"""
    with pytest.raises(QueueError) as error:
        parse_settings(text, tmp_path)
    assert "Did you mean 'lease_seconds'?" in str(error.value)
    assert len(error.value.faults) == 3
    twice = b'[[phase]]\nname = "a"\n[[phase]]\nname = "a"\n'
    with pytest.raises(QueueError, match="open at the same time"):
        parse_settings(twice, tmp_path)
    with pytest.raises(QueueError, match="a day that there is"):
        parse_settings(b'[[phase]]\nname = "a"\nopens = "2026-02-30T00:00:00Z"\n', tmp_path)


def test_a_participant_reads_no_path_of_the_organiser(queue, tmp_path):
    settings = load_settings(queue())
    scratch = Path("/tmp/harness x")
    said = f"{scratch}/alpha-a.zip: see {settings.folder}/queue.toml, /home/me/labels/secret.npz and 3/4."
    text = plain(said, settings, settings.phases[0], scratch)
    assert text == "alpha-a.zip: see queue.toml, secret.npz and 3/4."


def test_data_that_are_gone_are_the_organisers_trouble(queue, predictions):
    folder = queue()
    text = (folder / "queue.toml").read_text()
    (folder / "queue.toml").write_text(text.replace('data = "/', 'data = "/gone/'))
    admitted(folder, predictions(1))
    work(folder, once=True)
    assert states(folder) == {"model-1.npz": "failed"}
    told = report(folder, "model-1.npz")
    assert "The organiser has the details." in told
    assert "gone" not in told
    assert "Traceback" not in told


def test_the_command_says_what_is_wrong(harness, tmp_path, queue):
    code, _, error = harness("queue", "work", tmp_path / "none", "--once")
    assert (code, "Make one: harness queue init" in error) == (1, True)
    folder = queue()
    code, _, error = harness("queue", "retry", folder, "open/alpha/0")
    assert (code, "PHASE/TEAM/HASH" in error) == (1, True)
    code, text, _ = harness("queue", "status", folder, "--json")
    assert (code, json.loads(text)) == (0, {"version": 1, "jobs": []})
    code, _, error = harness("queue", "add", folder, "gone.zip", "--team", "alpha")
    assert (code, "gone.zip: no such file or folder" in error) == (1, True)
    code, _, error = harness("queue", "init", folder)
    assert (code, "is there already" in error) == (1, True)


@pytest.mark.slow
def test_ten_kills_lose_nothing_and_count_nothing_twice(tmp_path):
    import random

    sys.path.insert(0, str(Path(__file__).parents[1] / "kills"))
    try:
        import queue_kills
    finally:
        sys.path.pop(0)
    stage = tmp_path / "stage"
    folder = queue_kills.make_queue(stage, 3)
    assert queue_kills.kill_workers(stage, 10, 3, random.Random(1)) > 3
    queue_kills.check(folder, 3)


def test_init_opens_the_task_and_add_hands_in_at_once(harness, tmp_path, where, predictions):
    folder = tmp_path / "made"
    code, text, error = harness("queue", "init", folder, *where, "--per-day", "1")
    assert (code, "19 segments of test, mel" in text) == (0, True), error
    code, text, _ = harness("queue", "add", folder, predictions(1), "--team", "alpha")
    assert (code, text.endswith(": waiting\n")) == (0, True)
    code, text, _ = harness("queue", "add", folder, predictions(2), "--team", "alpha")
    assert (code, "is used up: 1 of 1" in text) == (0, True)
    code, _, error = harness("queue", "add", folder, predictions(1), "--team", "../x")
    assert (code, "lower-case words" in error) == (1, True)
    code, _, error = harness("queue", "init", tmp_path / "other", "--data", tmp_path / "none")
    assert code == 1
    assert not (tmp_path / "other/queue.toml").exists()


@pytest.mark.slow
def test_a_job_whose_process_dies_has_failed_after_its_attempts_and_can_be_retried(
    harness, queue, predictions
):
    folder = queue()
    (job,) = admitted(folder, predictions(1))
    for number in (1, 2):
        create(job.folder / f"1.claim-{number}.json", me())
        create(job.folder / f"1.died-{number}.json", {"code": -9, "stderr": ""})
        create(job.folder / f"1.released-{number}.json", {})
    work(folder, once=True)
    assert states(folder) == {"model-1.npz": "failed"}
    assert "The organiser has the details." in report(folder, "model-1.npz")
    assert harness("queue", "retry", folder, job.id)[0] == 0
    assert states(folder) == {"model-1.npz": "waiting"}
    work(folder, once=True)
    assert states(folder) == {"model-1.npz": "scored"}
    assert len(list((folder / "ledger/open/alpha").iterdir())) == 1


def test_an_item_that_cannot_be_read_stops_nobody(queue, predictions, monkeypatch):
    folder = queue()
    locked = drop(folder, predictions(1))
    drop(folder, predictions(2), team="beta")
    real = intake.take

    def take(path, *others):
        if path == locked:
            raise PermissionError(13, "Permission denied", str(path))
        return real(path, *others)

    monkeypatch.setattr(intake, "take", take)
    worker = Worker(load_settings(folder))
    worker.take_in()
    worker.take_in()
    assert states(folder) == {"model-2.npz": "waiting"}
    assert "permission denied" in (folder / "reports/alpha/not-taken.txt").read_text()


def test_a_full_disk_is_said_and_loses_nothing(queue, predictions, monkeypatch):
    folder = queue()
    place = drop(folder, predictions(1))

    def take(*_):
        raise OSError(28, "No space left on device", str(folder / "jobs/.new/x"))

    monkeypatch.setattr(intake, "take", take)
    with pytest.raises(QueueError, match="no space left on device"):
        work(folder, once=True)
    assert place.exists()
    assert states(folder) == {}
    assert list((folder / "jobs/.new").iterdir()) == []


@pytest.mark.slow
def test_workers_as_jobs_share_what_is_there_and_say_where_it_stands(harness, queue, predictions, tmp_path):
    folder = queue(OPEN + "total = 2\n")
    for seed in (1, 2, 3):
        drop(folder, predictions(seed))
    code, text, error = harness("queue", "work", folder, "--workers", "2", "--once", "--executor", "local")
    assert code == 0, error
    assert text.endswith("\n1 refused, 2 scored\n")
    assert sorted(line.partition(":")[0] for line in text.splitlines()[:-1]) == ["worker 1", "worker 2"]
    assert len(list((folder / "workers").glob("worker-*/log.txt"))) == 2
    code, _, error = harness("queue", "work", tmp_path / "none", "--executor", "local")
    assert (code, "Make one: harness queue init" in error) == (1, True)


def test_a_draft_that_a_killed_worker_left_is_no_line_of_the_ledger(queue, predictions):
    """Between a file's link and the removal of its draft there is a moment; `kill -9` leaves the draft."""
    folder = queue(OPEN + "total = 2\n")
    admitted(folder, predictions(1))
    (line,) = (folder / "ledger/open/alpha").iterdir()
    shutil.copy(line, line.with_name(f".{line.name}.0123456789abcdef"))
    admitted(folder, predictions(2))
    one = Queue(load_settings(folder))
    assert one.standing("open", "alpha").used("1970-01-01") == (0, 2)


# A worker that begins looks at every job that there is: what it asks of the disk must not grow faster.
SCORED, REFUSED, MIXED = "scored", "refused", "mixed"


@pytest.mark.slow
@pytest.mark.parametrize("kind", [SCORED, REFUSED, MIXED])
@pytest.mark.parametrize("settings", [OPEN, OPEN + "per_day = 50\n"], ids=["free", "quota"])
def test_what_a_first_look_asks_of_the_disk_grows_with_the_jobs_and_not_with_their_square(
    kind, settings, tmp_path, monkeypatch
):
    asked, listed = [], os.listdir
    for name in ("open", "listdir", "scandir", "stat", "link"):
        known = getattr(os, name)

        def call(path=".", *rest, known=known, names=name in ("listdir", "scandir"), **others):
            asked.append(len(listed(path)) if names else 1)
            return known(path, *rest, **others)

        monkeypatch.setattr(os, name, call)
    read = jobs.read
    monkeypatch.setattr(jobs, "read", lambda path: asked.append(1) or read(path))
    sums = []
    for n_jobs in (10, 40):
        folder = tmp_path / f"{kind}-{n_jobs}"
        scored_queue(folder, n_jobs, 1)
        for number, job in enumerate(sorted((folder / "jobs/open/team-0").iterdir())):
            if kind == REFUSED or (kind == MIXED and number % 2):
                (job / "1.outcome.json").write_text('{"state": "refused"}')
        worker = Worker(parse_settings(settings.encode(), folder))
        asked.clear()
        worker._start()
        sums.append(sum(asked))
    assert sums[0] > 10
    assert sums[1] <= 4.4 * sums[0]


def test_a_job_tried_again_counts_by_its_newest_outcome(tmp_path):
    settings = scored_queue(tmp_path, 2, 1)
    job = next(iter(Queue(settings).jobs()))
    (job.folder / "1.outcome.json").unlink()
    one, other = Queue(settings), Queue(settings)
    used = [queue.standing("open", "team-0") for queue in (one, other)]

    def both():
        for standing in used:
            standing.look()
        (now,) = {standing.used("2026-01-01") for standing in used}
        return now

    assert both() == (2, 2)
    other.finish(job, 1, {"state": "refused"})
    assert both() == (1, 1)
    one.again(job, 1, 0.0, "a test")
    assert both() == (2, 2)  # it may be scored now
    other.finish(job, 2, {"state": "refused"})
    assert both() == (1, 1)
    other.again(job, 2, 0.0, "a test")
    one.finish(job, 3, {"state": "scored", "records": [{"path": "a/b.json", "sha256": "0" * 64}]})
    assert both() == (2, 2)
    assert [standing.newest("a/b.json") for standing in used] == [(job.id, "0" * 64)] * 2
    create(tmp_path / "ledger/open/team-0/000003.json", {"job": "open/team-0/f", "day": "2026-01-02"})
    assert both() == (2, 3)  # what another worker counted


def test_a_try_that_was_announced_and_not_opened_yet_is_looked_for(tmp_path):
    """A worker that is killed between the two, or another one that looks there."""
    settings = scored_queue(tmp_path, 1, 1)
    job = next(iter(Queue(settings).jobs()))
    (job.folder / "1.outcome.json").write_text('{"state": "refused"}')
    standing = Queue(settings).standing("open", "team-0")
    assert standing.used("2026-01-01") == (0, 0)
    create(_announced(tmp_path) / "000001.json", {"job": job.id, "try": 2})
    standing.look()
    assert standing.used("2026-01-01") == (0, 0)
    create(job.folder / "1.again.json", {"arrived": 0.0})
    standing.look()
    assert standing.used("2026-01-01") == (1, 1)


def _announced(folder):
    place = folder / "again/open/team-0"
    place.mkdir(parents=True)
    return place


def test_a_line_of_the_ledger_that_cannot_be_read_is_named_and_nobody_waits_for_ever(tmp_path, monkeypatch):
    settings = scored_queue(tmp_path, 1, 1)
    monkeypatch.setattr(jobs, "_LOOK_SECONDS", 0)
    (tmp_path / "ledger/open/team-0/000002.json").write_text("half a li")
    item = tmp_path / "new.npz"
    item.write_bytes(b"a new one")
    with pytest.raises(QueueError, match=r"000002\.json: cannot be read, expected a line of the ledger"):
        Worker(settings).admit(item, "team-0", 0.0)
