"""What a training says before, during and after its epochs; and how it stops when its time is over."""

import contextlib
import os
import pty
import re
import subprocess
import sys

import pytest
import torch

from harness.cli.options import duration
from harness.errors import TrainingError, UsageError
from harness.submission.manifest import load_submission
from harness.training import Deadline, Running, Unfinished, train_submission
from harness.training.checkpoint import set_aside
from harness.training.outlook import Pace, duration_words, size_words
from harness.training.seeds import train_side_by_side

torch.set_num_threads(1)

READING = [
    "training part: 2 stretches of recordings, 1 subject, 640 kB of EEG and 100 kB of mel; an epoch reads"
    " 12 crops of 2 s in 3 steps, 455 kB",
    "validation part: 19 segments of 1 subject, 623 kB of EEG at every validation",
    "memory: 1.39 MB in 6 files stay on the disk and are mapped: the system keeps of them what fits",
]


def clock(questions):
    """What a deadline says that comes after so many questions, however long they take."""
    left = iter(range(questions))
    return lambda _deadline, seconds=0.0: next(left, None) is None


@pytest.fixture
def train(corpus, split, monkeypatch):
    """Train a submission; the deadline comes at the n-th question, of which every step asks one."""

    def run(submission, questions=None, **options):
        lines = []
        deadline = Deadline() if questions is None else Deadline.after(3600, "1h")
        if questions is not None:
            monkeypatch.setattr(Deadline, "comes_within", clock(questions))
        running = Running(say=lines.append, deadline=deadline)
        loaded = load_submission(submission.folder)
        made = train_submission(loaded, corpus, split, "mel", device="cpu", running=running, **options)
        monkeypatch.undo()
        return made, lines

    return run


def test_says_what_is_read_then_a_line_an_epoch(tiny, train):
    _, lines = train(tiny())
    assert lines[:3] == READING
    assert re.fullmatch(
        r"an epoch takes about [\d.]+ s, 3 epochs [\d.]+ s, without validation"
        r" \(2 steps of [\d.e-]+ s, \d+% of it waiting for data\)(; --cache DIR .*)?",
        lines[3],
    )
    epochs = [line for line in lines if line.startswith("epoch ")]
    assert lines[4:] == epochs
    shape = r"epoch {} of 3: loss -?\d\.\d{{4}}, validation r -?\d\.\d{{4}}(?: \(best so far\))?, [\d.]+ s \([\d.]+ s validation\)"
    assert [bool(re.fullmatch(shape.format(n), line)) for n, line in enumerate(epochs, 1)] == [True] * 3
    assert "best so far" in epochs[0]


def test_an_epoch_without_validation_has_no_r(tiny, train):
    _, lines = train(tiny(validate_every=2, epochs=2))
    assert re.fullmatch(r"epoch 1 of 2: loss -?\d\.\d{4}, [\d.]+ s", lines[-2])


# Each step but an epoch's last asks once, and each epoch but the first of a call before it begins. Epochs
# have 3 steps: the first call asks twice in epoch 1, and the third question is that of epoch 2.
@pytest.mark.parametrize(
    ("questions", "saved", "where"),
    [
        (2, 1, r"epoch 2 was not begun: one takes up to [\d.]+ s"),
        (3, 1, "epoch 2 was begun, and is repeated"),
        (4, 1, "epoch 2 was begun, and is repeated"),
        (5, 2, r"epoch 3 was not begun: one takes up to [\d.]+ s"),
    ],
)
def test_stopped_and_resumed_gives_the_weights_of_one_that_was_not(tiny, train, questions, saved, where):
    values = {"epochs": 4, "average_every": 2, "schedule": "step", "step_epochs": 2, "validate_every": 2}
    whole, _ = train(tiny("whole", **values))
    submission = tiny("stopped", **values)
    stopped, _ = train(submission, questions)
    assert isinstance(stopped, Unfinished)
    assert (stopped.saved, stopped.epochs) == (saved, 4)
    assert re.fullmatch(where, stopped.where)
    assert not (submission.folder / "weights").exists()
    resumed, lines = train(submission, resume=True)
    assert lines[0] == f"goes on after epoch {saved} of 4, from {stopped.folder / 'checkpoint.pt'}"
    assert resumed.path.read_bytes() == whole.path.read_bytes()


def test_time_for_less_than_an_epoch_is_an_error_and_not_an_endless_loop(tiny, train):
    with pytest.raises(TrainingError) as caught:
        train(tiny(), 1)
    assert str(caught.value) == (
        "--max-time 1h: over before the end of epoch 1, which is the first of this call, expected time for one"
        " epoch and its validation at least.\n"
        "  Give it more time: the lines above say what an epoch takes."
    )


def test_a_training_whose_last_epoch_is_done_is_finished_whatever_the_time(tiny, train):
    stopped, _ = train(tiny(), 7)  # three epochs ask 2 + 1 + 2 + 1 + 2 times
    assert isinstance(stopped, Unfinished)
    trained, _ = train(tiny("again"), 8)
    assert trained.report["epochs"] == 3


def test_an_earlier_training_is_moved_aside_when_the_first_epoch_is_done(tiny, train):
    submission = tiny(save_every=1)
    first, _ = train(submission, epochs=2)
    kept = {path.name: path.read_bytes() for path in first.folder.iterdir()}
    assert sorted(kept) == ["checkpoint.pt", "epoch-0001.safetensors", "epoch-0002.safetensors", "log.csv"]
    with pytest.raises(TrainingError):
        train(submission, 1, epochs=1)  # no epoch is done: nothing has moved
    assert {path.name: path.read_bytes() for path in first.folder.iterdir()} == kept
    _, lines = train(submission, epochs=1)
    assert lines[0] == (
        f"{first.folder} holds an earlier training, which moves to before/ when the first epoch of this one is"
        " done; to go on with it, interrupt now and use --resume"
    )
    before = first.folder / "before"
    assert {path.name: path.read_bytes() for path in before.iterdir()} == kept
    now = sorted(path.name for path in first.folder.iterdir())
    assert now == ["before", "checkpoint.pt", "epoch-0001.safetensors", "log.csv"]


def test_one_that_ended_before_its_first_checkpoint_takes_no_ones_place(tiny, train):
    first, _ = train(tiny(), epochs=2)
    kept = (first.folder / "checkpoint.pt").read_bytes()
    for _ in range(2):
        set_aside(first.folder)
        (first.folder / "log.csv").write_text("epoch\n")  # all that an interrupted first epoch leaves
    assert (first.folder / "before/checkpoint.pt").read_bytes() == kept
    set_aside(first.folder)
    assert [path.name for path in first.folder.iterdir()] == ["before"]


def test_resume_says_where_there_is_no_checkpoint(tiny, train):
    trained, lines = train(tiny(), resume=True)
    assert lines[0] == f"no checkpoint in {trained.folder}: the training begins"


def test_a_trainer_that_is_a_function_takes_no_deadline_and_says_what_there_is_to_read(
    make_submission, train
):
    folder = make_submission(trainer="train:train")
    (folder / "train.py").write_text(
        "import numpy as np\n\ndef train(data, setup, progress):\n    return {'w': np.ones(1)}, {}\n"
    )
    submission = load_submission(folder)
    with pytest.raises(UsageError, match="tiny: --max-time: the trainer 'train:train' is a function"):
        train(submission, 5)
    _, lines = train(submission)
    assert lines == [READING[0].partition(";")[0], *READING[1:]]


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90m", 5400), ("2h", 7200), ("1h30m", 5400), ("45s", 45), ("1.5H", 5400), ("1d", 86400)],
)
def test_times_as_they_are_written(text, seconds):
    assert duration(None, None, text) == (seconds, text.lower())


@pytest.mark.parametrize(
    "text", ["", "90", "0m", "-2h", "2 h", "30m1h", "1.2.3h", "h", "inf", "٣h", "9999999d"]
)
def test_times_that_are_none_are_refused(harness, text):
    code, out, err = harness("train", "nowhere", "--max-time", text)
    assert (code, out) == (2, "")
    assert (
        f"Invalid value for '--max-time': {text!r}, expected a time with its unit, such as 90m, 2h or 1h30m."
        in err
    )


def test_the_command_ends_with_75_and_says_how_to_go_on(harness, tiny, where, monkeypatch):
    folder = tiny().folder
    options = [*where, "--device", "cpu", "--max-time", "2h"]
    monkeypatch.setattr(Deadline, "comes_within", clock(2))
    code, out, err = harness("train", folder, *options)
    assert (code, out) == (75, "")
    work = folder / "training/sparrkulee-small-split-mel-compact"
    assert re.fullmatch(
        rf"--max-time 2h is over: 1 of 3 epochs is done and saved in {work}; epoch 2 was not begun: one takes"
        r" up to [\d.]+ s\nThe same command with --resume goes on; exit code 75\.\n",
        "".join(err.splitlines(keepends=True)[-2:]),
    )
    monkeypatch.setattr(Deadline, "comes_within", clock(2))
    code, _, err = harness("train", folder, *options, "--resume")
    assert code == 75
    assert err.endswith("\nThe same command goes on; exit code 75.\n")
    monkeypatch.undo()
    assert harness("train", folder, *where, "--device", "cpu", "--resume")[0] == 0


def test_the_time_is_of_all_seeds_together(harness, tiny, where, monkeypatch, tmp_path):
    folder = tiny(epochs=2).folder
    options = [*where, "--device", "cpu", "--seeds", "3", "--max-time", "2h"]
    # Seed 0 asks 1 + 2 + 1 + 2 times; seed 1 once before it begins, and then in its first epoch.
    monkeypatch.setattr(Deadline, "comes_within", clock(7))
    code, out, err = harness("train", folder, *options)
    assert (code, "tiny, seed 0, trained" in out) == (75, True)
    assert "\nseed 1: --max-time 2h is over: 0 of 2 epochs are done and saved in " in err
    monkeypatch.undo()
    code, out, err = harness("train", folder, *options, "--resume")
    assert code == 0, err
    assert "seed 0: has its weights already" in err
    assert re.findall(r"tiny, seed (\d), trained", out) == ["1", "2"]


def test_seeds_side_by_side_that_stop_are_left_and_their_lines_are_told(tmp_path, monkeypatch):
    child = tmp_path / "child"
    child.write_text('#!/bin/sh\necho "epoch 1 of 2: loss 1.0" >&2\nprintf "half" >&2\nexit 75\n')
    child.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(child))
    lines = []
    running = Running(say=lines.append, deadline=Deadline.after(60, "1m"))
    assert dict(train_side_by_side(["x"], (0, 1, 2), 2, None, running)) == {0: None, 1: None, 2: None}
    assert sorted(lines) == [f"seed {seed}: epoch 1 of 2: loss 1.0" for seed in (0, 1, 2)]
    over = Running(say=lines.append, deadline=Deadline.after(-1, "1m"))
    lines.clear()
    assert dict(train_side_by_side(["x"], (0, 1), 2, None, over)) == {0: None, 1: None}
    assert lines == []


@pytest.mark.slow
def test_a_seed_that_fails_after_the_time_is_over_is_a_failure_and_one_without_time_is_none(
    tmp_path, monkeypatch
):
    child = tmp_path / "child"
    child.write_text(
        "#!/bin/sh\n"
        'case "$*" in\n'
        "*0-0*|*1-1*) exit 0;;\n"
        '*2-2*--max-time-shared*) sleep 1.5; echo "disk on fire" >&2; exit 1;;\n'
        "*3-3*--max-time-shared*) exit 75;;\n"
        "esac\nexit 9\n"
    )
    child.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(child))
    trained = train_side_by_side(["x"], (0, 1, 2, 3), 2, None, Running(deadline=Deadline.after(1.2, "1s")))
    seen = {}
    with pytest.raises(
        TrainingError, match="seed 2: its training failed\\.\n  disk on fire\nThen use --resume"
    ):
        seen.update(trained)  # keeps what came before the error
    assert 2 not in seen


@pytest.mark.parametrize(
    ("cached", "remedy"),
    [(False, "--cache DIR copies the data to a local disk"), (True, "is the cache on a local disk?")],
)
def test_pace_tells_once_what_an_epoch_takes(monkeypatch, cached, remedy):
    now = [100.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    pace, told = Pace(n_steps=50, epochs=4, cached=cached), []

    def slow():
        for number in range(50):
            now[0] += 0.9
            yield number

    for _ in pace.timed(slow()):
        now[0] += 0.1
        told.append(pace.step())
    assert [line for line in told if line] == [
        "an epoch takes about 50 s, 4 epochs 3 min, without validation (5 steps of 1 s, 90% of it waiting for"
        f" data); {remedy}"
    ]
    assert told[5] is not None


def test_words_for_sizes_and_times():
    sizes = [size_words(n) for n in (0, 1, 999, 1000, 281e6, 9.04e9, 2.5e12)]
    assert sizes == ["0 bytes", "1 byte", "999 bytes", "1 kB", "281 MB", "9.04 GB", "2.5 TB"]
    times = [duration_words(s) for s in (0.25, 42, 200, 6000)]
    assert times == ["0.2 s", "42 s", "3 min", "1.7 h"]


def test_lines_stay_above_the_bar_on_a_terminal():
    code = (
        "from harness.cli.output import progress, remark\n"
        "with progress('training') as show:\n"
        "    show(3, 6, 'epoch 1')\n"
        "    remark('epoch 1 of 2: loss 0.1')\n"
        "    show(6, 6, 'epoch 2')\n"
        "    remark('epoch 2 of 2: loss 0.0')\n"
    )
    terminal, other = pty.openpty()
    with subprocess.Popen([sys.executable, "-c", code], stderr=other, env={**os.environ, "TERM": "xterm"}):
        os.close(other)
        shown = b""
        with contextlib.suppress(OSError):  # how Linux says that nobody writes any more
            while part := os.read(terminal, 4096):
                shown += part
    os.close(terminal)
    lines = [re.sub(rb"\x1b\[[0-9;?]*[A-Za-z]", b"", line).strip() for line in shown.split(b"\n")]
    kept = [line for line in lines if line.rpartition(b"\r")[2].startswith(b"epoch ")]
    assert [line.rpartition(b"\r")[2] for line in kept] == [
        b"epoch 1 of 2: loss 0.1",
        b"epoch 2 of 2: loss 0.0",
    ]
