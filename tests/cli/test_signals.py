"""Signals that end a training: as Ctrl-C does, whoever's code is running, with how to go on."""

import signal
import subprocess
import sys
import time

import pytest

HARNESS = [sys.executable, "-m", "harness"]
CODES = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGHUP: 129}
# A trainer that says when it runs, and then sleeps where no error of its own could come from.
SLEEPER = """
import pathlib, time
def train(data, setup, progress):
    pathlib.Path("running").touch()
    try:
        time.sleep(100)
    except Exception:
        raise SystemExit("swallowed")
"""


def as_in_a_terminal():
    """A hangup ends a process, also where the tests themselves run under nohup."""
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


def started(tmp_path, folder, where, *options, before=as_in_a_terminal):
    return subprocess.Popen(
        [*HARNESS, "train", str(folder), *map(str, where), *options],
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=before,
    )


def wait_for(path, process):
    deadline = time.monotonic() + 60
    while not path.exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    assert path.exists(), process.communicate(timeout=30)


@pytest.mark.slow
@pytest.mark.parametrize("number", CODES, ids=lambda number: number.name)
def test_a_training_that_is_ended_blames_nobody(make_submission, where, tmp_path, number):
    folder = make_submission(trainer="train:train")
    (folder / "train.py").write_text(SLEEPER)
    process = started(tmp_path, folder, where)
    wait_for(tmp_path / "running", process)
    process.send_signal(number)
    out, err = process.communicate(timeout=30)
    assert (process.returncode, out) == (CODES[number], "")
    assert err.splitlines()[-1] == "interrupted: nothing half-written is left behind"
    assert "Traceback" not in err
    assert "exit" not in err
    assert not (folder / "weights").exists()


# From the second epoch on each epoch waits, so that the signal meets a training with a checkpoint.
WAITS = """
import pathlib, time
_build = System.build
def build(self, config, setup, subjects):
    net = _build(self, config, setup, subjects)
    net.register_forward_pre_hook(lambda *_: time.sleep(0.5) if pathlib.Path("work/checkpoint.pt").exists() else None)
    return net
System.build = build
"""


@pytest.mark.slow
@pytest.mark.parametrize("number", CODES, ids=lambda number: number.name)
def test_an_ended_training_says_how_to_go_on_and_goes_on(harness, tiny, where, tmp_path, number):
    submission = tiny(code=WAITS, epochs=4)
    process = started(tmp_path, submission.folder, where, "--out", "work")
    wait_for(tmp_path / "work/checkpoint.pt", process)
    time.sleep(0.3)
    process.send_signal(number)
    _, err = process.communicate(timeout=30)
    assert process.returncode == CODES[number]
    assert err.splitlines()[-2:] == [
        "interrupted: nothing half-written is left behind",
        "Epoch 1 is saved: the same command with --resume goes on after it.",
    ]
    assert not (submission.folder / "weights").exists()
    train = submission.folder / "train.py"
    train.write_text(train.read_text().replace("time.sleep(0.5)", "None"))
    code, out, err = harness("train", submission.folder, *where, "--out", "work", "--resume")
    assert code == 0, err
    assert "  epochs: 4\n" in out
    assert len((tmp_path / "work/log.csv").read_text().splitlines()) == 5


@pytest.mark.slow
def test_a_training_that_saved_nothing_yet_says_so(tiny, where, tmp_path):
    code = """
import pathlib, time
_build = System.build
def build(self, config, setup, subjects):
    net = _build(self, config, setup, subjects)
    net.register_forward_pre_hook(lambda *_: (pathlib.Path("running").touch(), time.sleep(0.5)))
    return net
System.build = build
"""
    process = started(tmp_path, tiny(code=code).folder, where, "--out", "work")
    wait_for(tmp_path / "running", process)
    process.terminate()
    _, err = process.communicate(timeout=30)
    assert (process.returncode, err.splitlines()[-1]) == (
        143,
        "No epoch was saved yet: the same command begins again.",
    )


@pytest.mark.slow
def test_a_hangup_that_is_to_be_ignored_is(make_submission, where, tmp_path):
    folder = make_submission(trainer="train:train")
    (folder / "train.py").write_text(SLEEPER.replace("time.sleep(100)", "time.sleep(1)"))
    process = started(
        tmp_path, folder, where, before=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN)
    )  # as nohup does
    wait_for(tmp_path / "running", process)
    process.send_signal(signal.SIGHUP)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 1
    assert "returned NoneType, expected (weights: name -> numpy array, report: dict)" in err


def test_a_trainer_that_exits_is_still_named(harness, make_submission, where):
    folder = make_submission(trainer="train:train")
    (folder / "train.py").write_text("def train(data, setup, progress):\n    raise SystemExit(143)\n")
    code, _, err = harness("train", folder, *where)
    assert code == 1
    assert err.endswith(
        "error: tiny: trainer 'train:train': called exit(143), expected a return.\n"
        "  Return, or raise what is wrong.\n"
    )
