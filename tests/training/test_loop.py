"""The training loop: reproducible, resumable, chosen on validation, and clear when it cannot go on."""

import csv
import errno
import json
import math
import os
import signal
import struct
import subprocess
import sys
import zipfile

import numpy as np
import pytest
import torch
from conftest import REPOSITORY
from safetensors import safe_open
from safetensors.torch import load_file

from harness.errors import CorpusError, ShapeError, TrainingError, UsageError
from harness.files import alone_in
from harness.submission.manifest import load_submission
from harness.submission.own_code import imported
from harness.training import Running, train_submission
from harness.training.recipe import Recipe
from harness.training.version import TRAINING_VERSION

torch.set_num_threads(1)


@pytest.fixture
def train(corpus, split):
    """Train a submission on the fixture's mel."""

    def run(submission, seed=0, **options):
        return train_submission(
            load_submission(submission.folder),
            corpus,
            split,
            "mel",
            seed=seed,
            **{"device": "cpu", **options},
        )

    return run


def _log(trained):
    return _rows(trained.folder)


def _rows(folder):
    with (folder / "log.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_writes_weights_record_log_and_manifest(tiny, train, split):
    submission = tiny()
    trained = train(submission)
    found = load_submission(submission.folder).weights("sparrkulee", split, "mel", "default")
    assert (found.path, found.sha256) == (trained.path, trained.sha256)
    with safe_open(trained.path, "pt") as file:
        assert file.metadata() == {"config": '{"width": 4}', "subjects": '["sub-001"]'}
        assert file.get_tensor("convolution.weight").shape == (4, 64, 9)
    record = json.loads(found.training.read_text())
    assert record["weights_sha256"] == trained.sha256
    assert len(record["corpus_fingerprint"]) == 64
    assert record["subjects"] == ["sub-001"]
    assert record["recipe"]["preset"] == "compact"
    assert record["recipe"]["config"] == {"width": 4}
    assert record["recipe"]["losses"] == {"pearson": 1.0, "l1": 0.2}
    assert record["report"]["epochs"] == 3
    assert str(submission.folder) not in found.training.read_text()
    assert trained.folder == submission.folder / "training" / "sparrkulee-small-split-mel-compact"
    rows = _log(trained)
    assert [row["epoch"] for row in rows] == ["1", "2", "3"]
    best = max(rows, key=lambda row: float(row["validation_pearson_r"]))
    assert trained.report["best_epoch"] == int(best["epoch"])
    assert trained.report["validation_pearson_r"] == pytest.approx(
        float(best["validation_pearson_r"]), abs=1e-6
    )
    for row in rows:
        parts = float(row["pearson"]) + 0.2 * float(row["l1"])
        assert float(row["loss"]) == pytest.approx(parts, abs=1e-5)
    assert not {"train"} & set(sys.modules)


def test_same_seed_same_bytes_another_seed_others(tiny, train):
    first = train(tiny("first"), seed=3)
    again = train(tiny("again"), seed=3)
    other = train(tiny("other"), seed=4)
    assert first.path.read_bytes() == again.path.read_bytes()
    assert first.sha256 != other.sha256


def test_training_does_not_change_the_codes_hash(tiny, train):
    submission = tiny()
    before = submission.code_sha256()
    train(submission)
    assert load_submission(submission.folder).code_sha256() == before


KILL = """
from harness.training.loop import _Loop
step, count = _Loop._step, 0

def dying(self, batch, epoch):
    global count
    count += 1
    if count == int(os.environ.get("DIE_AT", 0)):
        os.kill(os.getpid(), 9)
    return step(self, batch, epoch)

_Loop._step = dying
"""


def _harness(arguments, folder, **environment):
    code = "import torch; torch.set_num_threads(1); from harness.cli.main import main; main()"
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", code, *map(str, arguments)],
        env={**os.environ, **environment, "PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1"},
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.slow
def test_killed_and_resumed_gives_the_weights_of_one_that_was_not(
    tiny, train, official_split, small_split, tmp_path
):
    """kill -9 in the middle of the third epoch; and once more in the second of what is left."""
    values = {"epochs": 5, "average_every": 2, "schedule": "step", "step_epochs": 2}
    whole = train(tiny("whole", **values))
    killed = tiny("killed", code=KILL, **values)
    command = ["train", killed.folder, "--data", official_split, "--split", small_split, "--device", "cpu"]
    steps = 3  # 12 crops in steps of 4
    done = _harness(command, tmp_path, DIE_AT=str(2 * steps + 2))
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert not (killed.folder / "weights").exists()
    done = _harness([*command, "--resume"], tmp_path, DIE_AT=str(steps + 1))
    assert done.returncode == -signal.SIGKILL, done.stderr
    done = _harness([*command, "--resume"], tmp_path)
    assert done.returncode == 0, done.stderr
    resumed = killed.folder / "weights" / whole.path.name
    assert resumed.read_bytes() == whole.path.read_bytes()
    rows = [_rows(whole.folder), _rows(killed.folder / whole.folder.relative_to(whole.path.parent.parent))]
    for one, other in zip(*rows, strict=True):
        assert {**one, "seconds": ""} == {**other, "seconds": ""}


def test_resume_without_a_checkpoint_begins_and_with_a_finished_one_is_done(tiny, train):
    submission = tiny()
    first = train(submission, resume=True)
    written = (first.folder / "checkpoint.pt").stat().st_mtime_ns
    again = train(submission, resume=True)
    assert again.sha256 == first.sha256
    assert (first.folder / "checkpoint.pt").stat().st_mtime_ns == written


def test_more_epochs_on_resume_give_what_one_long_training_gives(tiny, train):
    submission = tiny("short")
    train(submission, epochs=2)
    assert train(submission, epochs=4, resume=True).sha256 == train(tiny("long"), epochs=4).sha256
    with pytest.raises(TrainingError, match="4 epochs are done, expected at most 3, as asked for"):
        train(submission, epochs=3, resume=True)


def test_checkpoint_of_another_training_is_refused(tiny, train):
    submission = tiny()
    folder = train(submission, seed=1).folder
    with pytest.raises(TrainingError, match="checkpoint.pt: seed: 1, expected 2, that of this training") as e:
        train(submission, seed=2, resume=True)
    assert "Train without --resume" in str(e.value)
    with pytest.raises(TrainingError, match="checkpoint.pt: recipe: .*'batch_size': 4"):
        train(tiny("other", batch_size=5), seed=1, resume=True, out=folder)


def _last_byte_of_data(path):
    """Where the largest file in an archive ends: a bit between files may flip and damage nothing."""
    with zipfile.ZipFile(path) as archive:
        largest = max(archive.infolist(), key=lambda one: one.file_size)
    names = slice(largest.header_offset + 26, largest.header_offset + 30)
    n_name, n_extra = struct.unpack("<HH", path.read_bytes()[names])
    return largest.header_offset + 30 + n_name + n_extra + largest.file_size - 1


@pytest.mark.parametrize("damage", ["half", "empty", "flipped", "pickle"])
def test_corrupt_checkpoint(tiny, train, damage):
    submission = tiny()
    path = train(submission).folder / "checkpoint.pt"
    content = bytearray(path.read_bytes())
    if damage == "flipped":
        content[_last_byte_of_data(path)] ^= 1
    path.write_bytes(
        {"half": content[: len(content) // 2], "empty": b"", "pickle": b"\x80\x04N.", "flipped": content}[
            damage
        ]
    )
    with pytest.raises(
        TrainingError, match="not a whole checkpoint .*\n  Remove it, or train without"
    ) as caught:
        train(submission, resume=True)
    assert str(path) in str(caught.value)
    train(submission)  # without --resume it does not matter


def test_full_disk_leaves_the_checkpoint_before(tiny, train, monkeypatch):
    submission = tiny()
    from harness import files
    from harness.training import checkpoint

    written = []

    def full(path, data):
        if len(written) == 2:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        written.append(path)
        files.write_atomically(path, data)

    monkeypatch.setattr(checkpoint, "write_atomically", full)
    with pytest.raises(TrainingError) as caught:
        train(submission)
    folder = written[0].parent
    assert str(caught.value) == (
        f"{folder}/checkpoint.pt: No space left on device, expected a folder with room for the checkpoint.\n"
        "  Make room (or choose another folder with --out), then go on with --resume; epoch 3 is repeated."
    )
    assert not (submission.folder / "weights").exists()
    monkeypatch.undo()
    assert train(submission, resume=True).sha256 == train(tiny("whole")).sha256


def test_full_disk_for_the_weights(tiny, train, monkeypatch):
    def full(path, data):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("harness.training.write_weights.write_atomically", full)
    with pytest.raises(TrainingError, match="No space left on device.*\n.*--resume goes on"):
        train(tiny())


def test_nan_loss_names_epoch_and_remedy(tiny, train):
    code = (
        "forward = Tiny.forward\n"
        "Tiny.forward = lambda self, *inputs: forward(self, *inputs) / (self.steps < 5)\n"
    )
    submission = tiny(code=code)
    with pytest.raises(TrainingError) as caught:
        train(submission)
    assert str(caught.value) == (
        "epoch 2: the loss is nan, expected a finite loss.\n"
        "  Lower the recipe's learning_rate, set gradient_clip (1.0 is common), or lengthen warmup_epochs."
    )
    assert not (submission.folder / "weights").exists()


def test_validation_predictions_that_are_not_finite(tiny, train):
    code = "forward = Tiny.forward\nTiny.forward = lambda self, *inputs: forward(self, *inputs) / self.training\n"
    with pytest.raises(TrainingError, match="epoch 1: validation: predictions that are not finite"):
        train(tiny(code=code))


def test_net_of_another_width_is_refused_and_never_broadcast(tiny, train):
    code = "System.build = lambda self, config, setup, subjects: Tiny(config, 1, len(subjects))\n"
    with pytest.raises(ShapeError, match=r"shape \(4, 128, 1\), expected \(4, 128, 10\)"):
        train(tiny(code=code))


def test_unknown_preset(tiny, train):
    with pytest.raises(UsageError, match="'papr', expected one of paper, compact"):
        train(tiny(), preset="papr")
    assert train(tiny("other"), preset="paper", epochs=1).report["preset"] == "paper"


def test_cuda_without_cuda(tiny, train, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(TrainingError, match="finds no CUDA device.*\n  Use --device cpu"):
        train(tiny(), device="cuda")
    assert train(tiny("other"), device="auto").report["device"] == "cpu"


def test_early_stopping_and_the_best_epoch(tiny, train):
    # With no learning nothing gets better after the first epoch.
    trained = train(tiny(learning_rate=0.0, epochs=50, patience=3))
    assert (trained.report["epochs"], trained.report["best_epoch"]) == (4, 1)


def test_validation_every_so_many_epochs_and_at_the_last(tiny, train):
    rows = _log(train(tiny(epochs=5, validate_every=2)))
    assert [row["epoch"] for row in rows if row["validation_pearson_r"]] == ["2", "4", "5"]


def test_averaged_weights_are_the_mean_over_epochs(tiny, train):
    snapshots = []
    for epochs in (2, 4):
        trained = train(tiny(f"up-to-{epochs}"), epochs=epochs)
        snapshots.append(torch.load(trained.folder / "checkpoint.pt", weights_only=True)["states"]["net"])
    averaged = train(tiny("mean", average_every=2), epochs=4)
    assert averaged.report["epochs_averaged"] == 2
    mean = load_file(averaged.path)
    for name, value in mean.items():
        if value.is_floating_point():
            expected = (snapshots[0][name].double() + snapshots[1][name].double()) / 2
            assert value.numpy() == pytest.approx(expected.numpy(), abs=1e-7)
        else:
            assert value == snapshots[1][name]  # a counter
        assert value.dtype == snapshots[1][name].dtype
    late = train(tiny("late", average_every=1, average_from=0.5), epochs=4)
    assert late.report["epochs_averaged"] == 2


@pytest.mark.parametrize(("of_the_mean", "epochs_averaged"), [(0.2, 0), (0.6, 2)])
def test_the_better_of_mean_and_best_epoch_is_kept(tiny, train, monkeypatch, of_the_mean, epochs_averaged):
    from harness.training.loop import _Loop

    found = iter([0.5, 0.1, of_the_mean])  # of two epochs, then of their mean
    monkeypatch.setattr(_Loop, "validate", lambda *_: next(found))
    kept = train(tiny("kept", average_every=1, keep="better"), epochs=2)
    assert kept.report["validation_pearson_r"] == max(0.5, of_the_mean)
    assert kept.report["epochs_averaged"] == epochs_averaged
    monkeypatch.undo()
    first = train(tiny("first"), epochs=1)  # the best epoch of the other
    same = [
        np.array_equal(a, b)
        for a, b in zip(*(load_file(t.path).values() for t in (kept, first)), strict=True)
    ]
    assert all(same) == (epochs_averaged == 0)


def test_validation_r_is_that_of_the_written_weights(tiny, train, corpus, split):
    from harness.nn import zscore
    from harness.tasks.segments import cut_segments
    from harness.training.training_data import TrainingData

    submission = tiny()
    trained = train(submission)
    data = TrainingData(corpus, split, "mel", cut_segments(corpus, split, "val"))
    with imported(submission, "trainer") as system:
        from harness.predictor import Setup

        setup = Setup(
            feature="mel",
            n_bands=10,
            n_frames=128,
            n_channels=64,
            segment_samples=128,
            sample_rate_hz=64,
            variant="default",
            options={},
            weights=None,
            seed=0,
        )
        net = system.build(system.recipe("compact", "default")[0], setup, ["sub-001"]).eval()
    net.load_state_dict(load_file(trained.path))

    def predict(eeg, subjects):  # sub-027 did not train: index -1
        with torch.inference_mode():
            return net(torch.from_numpy(zscore(eeg)), torch.full((len(eeg),), -1)).numpy()

    assert data.validate(predict) == pytest.approx(trained.report["validation_pearson_r"], abs=1e-7)


def test_net_of_a_fixed_length_validates_in_windows(tiny, train):
    code = """
forward = Tiny.forward

def strict(self, eeg, subject_index):
    assert eeg.shape[1] == 96
    return forward(self, eeg, subject_index)

Tiny.forward = strict
"""
    trained = train(tiny(code=code, crop_seconds=1.5, fixed_length=True))
    assert -1 <= trained.report["validation_pearson_r"] <= 1


def test_learning_rates():
    step = Recipe(epochs=200, learning_rate=1.0)
    assert [step.learning_rate_of(e) for e in (1, 50, 51, 101)] == pytest.approx([1, 1, 0.9, 0.81])
    cosine = Recipe(epochs=10, learning_rate=1.0, schedule="cosine", warmup_epochs=1)
    assert cosine.learning_rate_of(1) == 0.5
    assert cosine.learning_rate_of(6) == pytest.approx((1 + math.cos(math.pi / 2)) / 2)
    assert Recipe(epochs=9, schedule="constant").learning_rate_of(9) == 5e-4


def test_learning_lowers_the_loss(tiny, train):
    rows = _log(train(tiny(epochs=12, dropout=0.0)))
    assert float(rows[-1]["loss"]) < float(rows[0]["loss"]) - 0.05


@pytest.mark.slow
def test_two_processes_give_the_weights_of_one(tiny, train, official_split, small_split, tmp_path):
    values = {"dropout": 0.0, "epochs": 2, "batch_size": 5, "learning_rate": 1e-4}  # the last step is uneven
    one = train(tiny("one", **values))
    two = tiny("two", **values)
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1"}
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    command = [
        sys.executable,
        "-W",
        "error",
        "-c",
        "from harness.cli.main import main; main()",
        "train",
        two.folder,
    ]
    options = ["--data", official_split, "--split", small_split, "--device", "cpu"]
    done = subprocess.run(
        [*torchrun, "--no-python", *command, *options],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("weights: ") == 1
    assert "  processes: 2" in done.stdout
    first, second = load_file(one.path), load_file(two.folder / "weights" / one.path.name)
    for name, value in first.items():
        assert second[name].numpy() == pytest.approx(value.numpy(), abs=2e-5), name


def test_options_of_the_loop_are_refused_for_a_function(make_submission, train):
    folder = make_submission(trainer="train:train")
    (folder / "train.py").write_text(
        "import numpy as np\n\ndef train(data, setup, progress):\n    return {'w': np.ones(1)}, {'a': 1}\n"
    )
    assert train(load_submission(folder)).report == {"a": 1}
    with pytest.raises(UsageError, match="tiny: --preset, --resume: the trainer 'train:train' is a func"):
        train(load_submission(folder), preset="paper", resume=True)


def test_recipe_with_values_that_cannot_be_meant_names_them_all(tiny, train):
    with pytest.raises(TrainingError) as caught:
        train(tiny(batch_size=0, optimiser="sgd", losses={"mae": 1}))
    assert str(caught.value).splitlines() == [
        "recipe: batch_size: 0, expected 1 or more.",
        "recipe: optimiser: 'sgd', expected one of adam, adamw.",
        "recipe: losses: ['mae'], expected some of pearson, l1, mse, kl, info_nce.",
    ]


def test_data_that_are_not_finite_stop_the_training(tiny, train, monkeypatch):
    from harness.corpus.base import Series

    read = Series.read

    def broken(self, start, stop, **how):
        values = read(self, start, stop, **how)
        if self.n_channels == 64 and stop - start == 128:
            values[0, 0] = np.nan
        return values

    monkeypatch.setattr(Series, "read", broken)
    with pytest.raises(CorpusError, match="1 number that is not finite"):
        train(tiny())


def test_progress_says_epoch_loss_and_validation(tiny, corpus, split):
    shown = []
    running = Running(lambda *a: shown.append(a))
    train_submission(tiny(), corpus, split, "mel", device="cpu", running=running)
    looked_at = [note for _, _, note in shown if note.startswith("recordings looked at, ")]
    assert len(looked_at) == 2  # each recording of the training part once, before the first step
    assert [note for _, _, note in shown[:2]] == looked_at
    del shown[:2]
    steps = [done for done, _, note in shown if "validation" not in note]
    assert steps == list(range(1, 10))
    validations = [(done, note) for done, _, note in shown if "validation" in note]
    assert validations == [
        (3 * epoch, f"epoch {epoch} of 3, validation, subject 1 of 1") for epoch in (1, 2, 3)
    ]
    assert {total for _, total, _ in shown} == {9}
    assert shown[0][2].startswith("epoch 1 of 3, loss ")
    assert "best val r " in shown[-2][2]


def test_validation_part_without_labels(tiny, corpus, split, monkeypatch):
    from dataclasses import replace

    bare = [replace(r, feature_series={}) if r.subject == "sub-027" else r for r in corpus.recordings]
    with pytest.raises(TrainingError) as caught:
        train_submission(tiny(), replace(corpus, recordings=tuple(bare)), split, "mel", device="cpu")
    message = str(caught.value)
    assert "validation part: 2 recordings without mel (sub-027_audiobook_1, sub-027_podcast_3)" in message
    assert "never on test: point --data at a corpus with these labels" in message


def test_unknown_variant(tiny, corpus, split):
    with pytest.raises(UsageError, match="--variant"):
        train_submission(tiny(), corpus, split, "mel", variant="large", device="cpu")


def test_nothing_is_chosen_where_the_last_epoch_is_kept(tiny, train):
    """Every second epoch is saved; the last of them is what is handed on, better or not."""
    submission = tiny(keep="last", save_every=2, epochs=6, learning_rate=0.3)
    trained = train(submission)
    rows = _log(trained)
    assert trained.report["best_epoch"] < 6
    assert trained.report["validation_pearson_r"] == pytest.approx(
        float(rows[-1]["validation_pearson_r"]), abs=1e-6
    )
    saved = sorted(path.name for path in trained.folder.glob("epoch-*.safetensors"))
    assert saved == [f"epoch-000{epoch}.safetensors" for epoch in (2, 4, 6)]
    assert (trained.folder / saved[-1]).read_bytes() == trained.path.read_bytes()
    assert (trained.folder / saved[0]).read_bytes() != trained.path.read_bytes()


def test_the_last_epoch_of_a_resumed_training_is_the_last(tiny, train):
    whole = train(tiny("whole", keep="last", save_every=2, epochs=5))
    half = tiny("half", keep="last", save_every=2, epochs=5)
    train(half, epochs=3)
    again = train(half, resume=True)
    assert again.path.read_bytes() == whole.path.read_bytes()


def test_a_batch_that_is_not_full_is_dropped(tiny, train):
    """Two recordings of 6 crops: three steps of 4, or two of 5 and 2 left."""
    for batch_size, steps in ((4, 3), (5, 2)):
        submission = tiny(f"tiny-{batch_size}", drop_last=True, batch_size=batch_size, epochs=2, keep="last")
        with safe_open(train(submission).path, "pt") as file:
            assert file.get_tensor("steps").item() == 2 * steps
    with pytest.raises(TrainingError) as caught:
        train(tiny("large", drop_last=True, batch_size=13))
    assert str(caught.value) == (
        "training part: 12 crops an epoch, expected 13 or more: the recipe leaves out a batch that is not full"
        " (drop_last).\n  Train with --preset compact, or on more recordings."
    )


def test_the_mean_begins_where_the_recipe_says():
    release = Recipe(epochs=3000, average_every=40, average_first=1)
    averaged = [epoch for epoch in range(1, 3001) if release.averages(epoch)]
    assert averaged[:3] == [1, 41, 81]
    assert averaged[-1] == 2961
    assert len(averaged) == 75
    plain = Recipe(epochs=100, average_every=40)
    assert [epoch for epoch in range(1, 101) if plain.averages(epoch)] == [40, 80]
    late = Recipe(epochs=10, average_every=1, average_from=0.7)
    assert [epoch for epoch in range(1, 11) if late.averages(epoch)] == [8, 9, 10]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"zscore_ddof": 2}, "recipe: zscore_ddof: 2, expected 0 or 1"),
        ({"average_first": 1}, "recipe: average_first: 1, expected 1 or more, with average_every"),
        (
            {"average_first": 0, "average_every": 2},
            "recipe: average_first: 0, expected 1 or more, with average_every",
        ),
        ({"keep": "last", "average_every": 3}, 'recipe: average_every: 3, expected 0 with keep "last"'),
        ({"save_every": -1}, "recipe: save_every: -1, expected 0 or more"),
        ({"keep": "all"}, "recipe: keep: 'all', expected one of mean, better, last"),
    ],
)
def test_values_that_contradict(values, message):
    with pytest.raises(TrainingError, match=f"^{message}"):
        Recipe(epochs=1, **values)


@pytest.mark.parametrize(
    ("recipe", "said"), [({}, None), ({"zscore": False}, "none"), ({"zscore_ddof": 1}, "n-1")]
)
def test_weights_say_how_eeg_was_scaled(tiny, train, recipe, said):
    with safe_open(train(tiny(**recipe)).path, "pt") as file:
        assert file.metadata().get("zscore") == said


def test_training_records_say_which_losses_they_had(tiny, train):
    record = json.loads(train(tiny()).path.with_suffix(".json").read_text())
    assert record["training_version"] == TRAINING_VERSION == 2


def test_two_trainings_into_one_folder_are_not_mixed(tiny, train, tmp_path):
    submission, work = tiny(), tmp_path / "deep" / "work"
    with alone_in(work, wait=False) as held:  # as the first of the two does
        assert held
        with pytest.raises(TrainingError) as caught:
            train(submission, out=work)
        assert str(caught.value) == (
            f"{work}: another training is writing there, expected a work folder of its own.\n"
            "  Wait for it, or choose another folder with --out."
        )
        assert list(work.iterdir()) == []
    assert train(submission, out=work).folder == work
    with alone_in(work, wait=False) as held:  # it is free again
        assert held


def test_a_training_that_cannot_begin_leaves_no_folder(tiny, train, tmp_path):
    with pytest.raises(UsageError, match="--preset"):
        train(tiny(), preset="none", out=tmp_path / "deep" / "work")
    assert not (tmp_path / "deep").exists()
