"""The numbers of log.csv for a viewer: the same ones, once each, and never at the training's cost."""

import csv
import sys
import types

import pytest
import torch

from harness.errors import TrainingError
from harness.submission.manifest import load_submission
from harness.training import Running, train_submission
from harness.training.trackers import Tracker, check_tracker

torch.set_num_threads(1)


class Viewer(types.ModuleType):
    """A package trackio that keeps what it is given."""

    def __init__(self, fails_at=0):
        super().__init__("trackio")
        self.begun, self.rows, self.ended, self.fails_at = [], [], 0, fails_at
        self.__spec__ = types.SimpleNamespace(name="trackio")

    def init(self, project, **how):
        sys.stdout.write("* trackio speaks\n")
        self.begun.append((project, how["name"], how["resume"], how["config"]))
        return self

    def log(self, values, step):
        if step == self.fails_at:
            raise RuntimeError("database is locked\nand more")
        self.rows.append((step, values))

    def finish(self):
        self.ended += 1


@pytest.fixture
def viewer(monkeypatch):
    def put(**how):
        made = Viewer(**how)
        monkeypatch.setitem(sys.modules, "trackio", made)
        return made

    return put


@pytest.mark.parametrize(
    ("name", "wanted"),
    [("tensorboard", "eeg-speech-harness[tensorboard]"), ("trackio", "trackio>=0.43")],
)
def test_a_viewer_that_is_not_installed_is_refused_before_anything_is_read(
    tiny, harness, where, monkeypatch, name, wanted
):
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    folder = tiny().folder
    code, out, err = harness("train", folder, *where, "--log", name)
    assert (code, out) == (1, "")
    assert err.endswith(
        f"error: --log {name}: the package {name} is not installed, expected one that is.\n"
        f"  pip install '{wanted}'; without it, log.csv has the same numbers.\n"
    )
    assert not (folder / "training").exists()
    with pytest.raises(TrainingError):
        check_tracker(name)
    check_tracker("")


def test_an_unknown_viewer_is_wrong_usage(harness):
    code, _, err = harness("train", "nowhere", "--log", "wandb")
    assert (code, "'wandb' is not one of 'tensorboard', 'trackio'" in err) == (2, True)


def test_the_viewer_has_the_numbers_of_the_log_once_each(tiny, harness, where, viewer):
    """Also of a training in two calls, whose output on stdout is the answer and nothing else."""
    folder = tiny(validate_every=2, epochs=3).folder
    first = viewer()
    code, out, err = harness("train", folder, *where, "--device", "cpu", "--epochs", 2, "--log", "trackio")
    assert (code, "trackio speaks" in out, "* trackio speaks" in err) == (0, False, True)
    second = viewer()
    options = ["--device", "cpu", "--resume", "--log", "trackio"]
    assert harness("train", folder, *where, *options)[0] == 0
    title = f"{folder.name}/sparrkulee-small-split-mel-compact"
    assert [made.begun[0][:3] for made in (first, second)] == [
        ("eeg-speech-harness", title, "never"),
        ("eeg-speech-harness", title, "allow"),
    ]
    assert first.begun[0][3]["seed"] == 0
    assert (first.ended, second.ended) == (1, 1)
    work = folder / "training/sparrkulee-small-split-mel-compact"
    with (work / "log.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    told = first.rows + second.rows
    assert [step for step, _ in told] == [1, 2, 3]
    for (_, values), row in zip(told, rows, strict=True):
        expected = {
            key: float(value) for key, value in row.items() if value and key not in ("epoch", "corpus")
        }
        assert values.keys() == expected.keys()
        for key, value in expected.items():
            assert values[key] == pytest.approx(value, abs=0.006 if key == "seconds" else 1e-6)
    assert "validation_pearson_r" not in told[0][1]


def test_what_no_checkpoint_has_is_not_handed_over(viewer, tmp_path):
    made = viewer()
    tracker = Tracker("trackio", tmp_path, "a/b", {}, 0, print)
    tracker.add(1, {"loss": 1.0})
    tracker.add(2, {"loss": 0.5, "validation_pearson_r": None})
    assert made.begun == []
    tracker.kept()
    tracker.add(3, {"loss": 0.4})
    tracker.close()
    assert made.rows == [(1, {"loss": 1.0}), (2, {"loss": 0.5})]
    assert made.ended == 1


def test_a_viewer_that_fails_is_said_once_and_the_training_goes_on(tiny, corpus, split, viewer):
    made, lines = viewer(fails_at=2), []
    plain = train_submission(tiny("plain"), corpus, split, "mel", device="cpu")
    submission = load_submission(tiny("told").folder)
    running = Running(say=lines.append, log="trackio")
    trained = train_submission(submission, corpus, split, "mel", device="cpu", running=running)
    assert trained.path.read_bytes() == plain.path.read_bytes()
    stopped = [line for line in lines if "--log" in line]
    assert stopped == ["--log trackio has stopped (database is locked); log.csv goes on"]
    assert [step for step, _ in made.rows] == [1]


def test_tensorboard_shows_each_epoch_once(tmp_path):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    for done, epochs in ((0, (1, 2)), (2, (3,))):
        tracker = Tracker("tensorboard", tmp_path, "a/b", {}, done, print)
        for epoch in epochs:
            tracker.add(epoch, {"loss": 1 / epoch, "validation_pearson_r": 0.1 * epoch})
            tracker.kept()
        tracker.close()
    read = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    assert sorted(read.Tags()["scalars"]) == ["loss", "validation_pearson_r"]
    points = [(one.step, one.value) for one in read.Scalars("loss")]
    assert points == [(1, 1.0), (2, 0.5), (3, pytest.approx(1 / 3))]
