"""Hostile packages that are stopped before they run, that lie about themselves, or that come several at once."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from documents import SMALL_SPLIT

from harness.errors import HarnessError, PredictorError, SubmissionError
from harness.evaluation.check import check_submission
from harness.evaluation.evaluate import evaluate
from harness.evaluation.predict import predicted
from harness.evaluation.prepare import prepare
from harness.execution import Run
from harness.submission.manifest import load_submission
from harness.tasks.task import open_task
from redteam.attacks import Attack
from redteam.redteam_world import HONEST, SECRET, processes_in

WEIGHTS = """
[[weights]]
corpus = "sparrkulee"
split = "small-split"
feature = "mel"
file = "{file}"
sha256 = "{sha256}"
"""
OF_SECRET = hashlib.sha256(SECRET.encode()).hexdigest()


def listing(folder, file, sha256):
    manifest = folder / "submission.toml"
    manifest.write_text(manifest.read_text() + WEIGHTS.format(file=file, sha256=sha256))


def linked_to_labels(folder, names):
    (folder / "labels.txt").symlink_to(names["LABELS"])


def linked_to_their_folder(folder, names):
    (folder / "data").symlink_to(Path(names["LABELS"]).parent)


def linked_to_proc(folder, names):
    (folder / "memory").symlink_to("/proc/self/maps")


def linked_to_a_device(folder, names):
    (folder / "zeros").symlink_to("/dev/zero")


def a_fifo(folder, names):
    os.mkfifo(folder / "helper.py")


def a_manifest_that_is_a_fifo(folder, names):
    (folder / "submission.toml").unlink()
    os.mkfifo(folder / "submission.toml")


def a_manifest_that_never_ends(folder, names):
    (folder / "submission.toml").unlink()
    (folder / "submission.toml").symlink_to("/dev/zero")


def weights_with_another_hash(folder, names):
    (folder / "w.npz").write_text("numbers")
    listing(folder, "w.npz", "0" * 64)


def weights_outside(folder, names):
    listing(folder, os.path.relpath(names["LABELS"], folder).replace("../", "x/../../", 1), OF_SECRET)
    (folder / "x").mkdir()


def weights_by_a_link(folder, names):
    (folder / "w.npz").symlink_to(names["LABELS"])
    listing(folder, "w.npz", OF_SECRET)


def weights_that_are_missing(folder, names):
    listing(folder, "w.npz", OF_SECRET)


def weights_that_are_its_entry_point(folder, names):
    listing(folder, "predictor.py", hashlib.sha256((folder / "predictor.py").read_bytes()).hexdigest())


REFUSED = {
    linked_to_labels: "labels.txt: a link that leaves the folder",
    linked_to_their_folder: "data: a link that leaves the folder",
    linked_to_proc: "memory: a link that leaves the folder",
    linked_to_a_device: "zeros: a link that leaves the folder",
    a_fifo: "helper.py: a fifo",
    a_manifest_that_is_a_fifo: "submission.toml: a named pipe, not a regular file",
    a_manifest_that_never_ends: "submission.toml: a device, not a regular file",
    weights_with_another_hash: "expected 0000000000000000…, the manifest's",
    weights_outside: "a path inside the folder",
    weights_by_a_link: "a path inside the folder",
    weights_that_are_missing: "expected the weights that the manifest names",
    weights_that_are_its_entry_point: "there is no package or module 'predictor'",
}


@pytest.mark.slow
@pytest.mark.parametrize("make", REFUSED, ids=lambda make: make.__name__)
def test_what_it_pretends_is_refused_before_it_runs(make, package, score, world, worth):
    folder = package(Attack("print('ran')"))
    make(folder, world.names)
    before = world.state()
    with pytest.raises(HarnessError) as caught:
        score(folder)
    assert REFUSED[make] in str(caught.value)
    assert SECRET not in str(caught.value)
    assert "ran" not in str(caught.value).split()
    assert world.state() == before
    assert score(package(HONEST, "honest"))[0].subjects == worth


def test_a_bomb_that_spares_the_dry_run_is_seen_in_the_real_one(package, score, task, means):
    folder = package(Attack("if len(eeg) > 4:\n    raise ValueError('now')", "GOT None"))
    bomb = (folder / "predictor.py").read_text().replace("except Exception", "except KeyError")
    (folder / "predictor.py").write_text(bomb)
    faults, checked = check_submission(folder, lambda: task, Run(isolation=means))
    assert faults == []
    assert any("dry run on 4 segments" in line for line in checked)
    with pytest.raises(
        HarnessError, match=r"hostile, batch 1 of 1, segments sub-043_.*: predict raised ValueError: now"
    ):
        score(folder)


def test_a_record_names_the_code_that_ran_and_not_what_it_made_of_itself(package, score):
    folder = package(Attack("open(__file__, 'w').write('# another')", None))
    before = load_submission(folder).code_sha256()
    record, _ = score(folder)
    assert record.submission.code_sha256 == before == load_submission(folder).code_sha256()


def test_code_below_weights_is_in_the_hash(package, score):
    files = {"weights/inner.py": "NAME = 'one'\n"}
    body = "sys.path.append(str(Path(__file__).with_name('weights')))\nimport inner\nreturn inner.NAME"
    folder = package(Attack(body, "GOT one", files=files))
    record, said = score(folder)
    (folder / "weights" / "inner.py").write_text("NAME = 'two'\n")
    other, then = score(folder)
    assert (said, then) == ("GOT one", "GOT two")
    assert record.submission.code_sha256 != other.submission.code_sha256


def test_a_link_that_appears_after_the_hash_is_refused(package, task, means, world):
    folder = package(HONEST)
    prepared = prepare(load_submission(folder), task, Run(isolation=means))
    (folder / "predictor.py").write_text("# another")
    with (
        pytest.raises(SubmissionError, match="predictor.py changed while it was being scored"),
        predicted(prepared),
    ):
        pass
    assert list((world.folder / "scratch").iterdir()) == []


@pytest.mark.slow
def test_five_at_once_lose_nothing_and_see_nothing_of_each_other(package, score, world, worth):
    attack = Attack(
        "time.sleep(0.3)\n"
        "found = [p for p in os.listdir('/proc') if p.isdecimal() and int(p) > 20]\n"
        "return found + [p for p in Path('../../..').resolve().iterdir() if p not in Path.cwd().parents]",
        None,
    )
    folders = [package(attack, f"system-{n}") for n in range(4)] + [package(HONEST, "honest")]
    with ThreadPoolExecutor(5) as pool:
        scored = list(pool.map(score, folders))
    assert [record.subjects for record, _ in scored] == [worth] * 5
    assert {said for _, said in scored[:4]} <= {"GOT []", "refused: PermissionError"}
    assert list((world.folder / "scratch").iterdir()) == []


@pytest.mark.slow
def test_an_organiser_who_is_killed_leaves_nothing_that_the_next_run_does_not_remove(
    package, score, task, means, world, worth, tmp_path
):
    folder = package(Attack("os.fork()\nos.setsid()\ntime.sleep(60)"))
    script = (
        "import tempfile\n"
        "from pathlib import Path\n"
        "from harness.evaluation.evaluate import evaluate\n"
        "from harness.execution import Run\n"
        "from harness.submission.manifest import load_submission\n"
        "from harness.tasks.task import open_task\n"
        f"tempfile.tempdir = {str(world.folder / 'scratch')!r}\n"
        f"task = open_task(Path({str(task.corpus.folder)!r}), split_name={str(tmp_path / 'small-split.json')!r})\n"
        f"evaluate(load_submission(Path({str(folder)!r})), task, Run(isolation={means!r}))\n"
    )
    (tmp_path / "small-split.json").write_text(json.dumps(SMALL_SPLIT))
    parent = subprocess.Popen([sys.executable, "-c", script], stderr=subprocess.PIPE)
    deadline = time.monotonic() + 30
    while not list(world.folder.glob("scratch/harness-*/0/given/000000.npy")) or not processes_in(
        world.folder / "scratch"
    ):
        assert parent.poll() is None, parent.stderr.read()
        assert time.monotonic() < deadline
        time.sleep(0.02)
    parent.kill()
    parent.communicate()
    while processes_in(world.folder / "scratch"):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    honest = package(HONEST, "honest")
    assert score(honest)[0].subjects == worth
    while list((world.folder / "scratch").iterdir()):  # the lock goes with the very last process
        assert time.monotonic() < deadline
        score(honest)


@pytest.mark.parametrize("how", ["data below it", "a hard link"])
def test_a_package_that_holds_the_data_is_refused_before_it_runs(how, package, means, world, tmp_path):
    (tmp_path / "small-split.json").write_text(json.dumps(SMALL_SPLIT))
    shutil.copytree(world.names["CORPUS"], tmp_path / "corpus")
    task = open_task(tmp_path / "corpus", split_name=str(tmp_path / "small-split.json"))
    folder = package(Attack("return [p.name for p in Path(__file__).parent.rglob('*')]", "GOT"))
    if how == "data below it":
        shutil.copytree(tmp_path / "corpus", folder / "data")
        task = open_task(folder / "data", split_name=str(tmp_path / "small-split.json"))
        held = "data/"
    else:
        mel = next(path for path in sorted(task.private) if path.name.endswith("mel.npy"))
        os.link(mel, folder / "codebook.npy")
        held = "codebook.npy"
    with pytest.raises(PredictorError) as caught:
        evaluate(load_submission(folder), task, Run(isolation=means, surrogates=0))
    said = str(caught.value)
    assert said.startswith(f"{folder}: it holds data or labels that no predictor may read ({held}")
    assert said.endswith("  Move the data out of the submission's folder.")
    # One that lies beside the data, or among them, is fine.
    inside = task.corpus.folder / "honest"
    shutil.copytree(package(HONEST, "honest"), inside)
    evaluate(load_submission(inside), task, Run(isolation=means, surrogates=0))
