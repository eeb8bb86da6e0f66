"""Checkpoints as releases write them, imported from end to end: odd names, wrappers, buffers, and bad files."""

import argparse
import datetime
import json
import pathlib
import pickle
import shutil
import types
import zipfile
from collections import OrderedDict, defaultdict

import numpy as np
import pytest
import torch
from conftest import REPOSITORY
from safetensors import safe_open

from harness.corpus.declaration import declared
from harness.errors import TrainingError
from harness.nn.esm import check_positions, sinusoids
from harness.submission.manifest import load_submission
from harness.tasks.splits import load_split
from harness.training.import_weights import import_weights, read_tensors

SPLIT = "held-out-subjects"


@pytest.fixture
def copied(tmp_path):
    """A package in a folder of its own, without weights."""

    def copy(path):
        folder = tmp_path / "copy" / path.partition("/")[2]
        ignored = shutil.ignore_patterns("weights", "training", "__pycache__")
        shutil.copytree(REPOSITORY / path, folder, ignore=ignored)
        manifest = folder / "submission.toml"
        manifest.write_text(manifest.read_text().partition("[[weights]]")[0])
        return load_submission(folder)

    return copy


def _import(submission, file, feature, variant=None):
    return import_weights(
        submission, file, declared("sparrkulee"), load_split(SPLIT), feature, variant=variant
    )


def _tensors(state):
    return {name: torch.from_numpy(np.array(array)) for name, array in state.items()}


def _as_released(state):
    """With the table of positions, and one output."""
    tensors = _tensors(state)
    tensors["positional_encoding.pe"] = sinusoids(640, 64)[None]
    tensors |= {name: tensors[name][:1] for name in ("fc.weight", "fc.bias")}
    return tensors


def _data_parallel(tensors):
    return OrderedDict((f"module.{name}", tensor) for name, tensor in tensors.items())


@pytest.mark.slow
def test_a_checkpoint_of_ssm2mel_is_taken_as_its_training_writes_it(copied, golden, tmp_path):
    """No suffix, an optimiser beside the state, several GPUs, half precision, the table of positions."""
    submission = copied("submissions/ssm2mel")
    tensors = {
        k: v.half() if v.is_floating_point() else v for k, v in _as_released(golden("ssm2mel").state).items()
    }
    file = tmp_path / "checkpoint_40"
    whole = {"epoch": 40, "model": _data_parallel(tensors), "optimizer": {"state": {}, "param_groups": []}}
    torch.save(whole, file)
    path, _ = _import(submission, file, "envelope")
    with safe_open(path, "np") as stored:
        said = stored.metadata()
        assert (said["net"], said["zscore"]) == ("Ssm2Mel", "none")  # as the release was trained
        assert json.loads(said["config"])["n_bands"] == 1
        assert "positional_encoding.pe" not in stored.keys()  # noqa: SIM118
    assert json.loads(path.with_suffix(".json").read_text())["imported"]["file"] == "checkpoint_40"


@pytest.mark.slow
@pytest.mark.parametrize("name", ["ssm2mel", "dmf2mel"])
def test_one_output_is_not_ten_bands(name, copied, golden, tmp_path):
    submission = copied(f"submissions/{name}")
    file = tmp_path / "checkpoint_2000"
    torch.save(_as_released(golden(name).state), file)
    with pytest.raises(TrainingError) as caught:
        _import(submission, file, "mel")
    assert str(caught.value) == (
        "variant full: weights of a net of n_bands = 1: asked for mel, which has 10.\n"
        "  --variant broadcast repeats the one output for every band, as the release was trained."
    )
    assert not (submission.folder / "weights").exists()
    path, _ = _import(submission, file, "mel", "broadcast")
    with safe_open(path, "np") as stored:
        assert json.loads(stored.metadata()["config"])["n_bands"] == 10


@pytest.mark.slow
@pytest.mark.parametrize(
    ("folder", "fixture", "feature", "file"),
    [
        ("baselines/happyquokka", "happyquokka", "mel", "checkpoint_40"),
        ("baselines/dprnn", "dprnn", "mel", "best.ckpt"),
        ("submissions/catwavenet", "catwavenet", "mel", "avgwav1new.ckpt"),
        ("baselines/vlaai", "vlaai", "envelope", "vlaai"),
    ],
)
def test_weights_of_any_name_are_imported_and_predict(
    folder, fixture, feature, file, copied, golden, tmp_path
):
    submission, state = copied(folder), golden(fixture).state
    if fixture == "vlaai":
        with (tmp_path / file).open("wb") as opened:
            np.savez(opened, **state)
    else:
        torch.save({"net": _data_parallel(_tensors(state)), "best_loss": np.float64(0.3)}, tmp_path / file)
    path, sha256 = _import(submission, tmp_path / file, feature)
    found = load_submission(submission.folder).weights(
        "sparrkulee", load_split(SPLIT), feature, submission.variants[0]
    )
    assert (found.path, found.sha256) == (path, sha256)


def test_weights_that_the_predictor_cannot_use_are_not_written(copied, golden, tmp_path):
    """A release's weights by shape, with the predictor broken: the import says so, and leaves nothing."""
    submission = copied("baselines/happyquokka")
    (submission.folder / "predictor.py").write_text("class Decoder:\n    pass\n")
    torch.save(_tensors(golden("happyquokka").state), tmp_path / "c")
    before = (submission.folder / "submission.toml").read_bytes()
    with pytest.raises(TrainingError, match=r"/c: converted, and then the predictor failed"):
        _import(load_submission(submission.folder), tmp_path / "c", "mel")
    assert (submission.folder / "submission.toml").read_bytes() == before
    assert not list((submission.folder / "weights").glob("*"))


def test_every_fault_of_a_state_is_named_at_once(package, golden):
    convert, state = package("submissions/ssm2mel").import_weights.convert, golden("ssm2mel").state
    wrong = {
        name: array for name, array in state.items() if name not in ("unet.convd1.bias", "unet.convd2.bias")
    }
    wrong |= {"lstm.weight": np.zeros(3, np.float32), "lstm.bias": np.zeros(3, np.float32)}
    wrong["layer_norm.weight"] = np.zeros(5, np.float32)
    with pytest.raises(ValueError, match="^no tensor for") as caught:
        convert(wrong)
    assert str(caught.value) == (
        "no tensor for unet.down_half.bias, unet.down_quarter.bias; tensors that the release does not have:"
        " lstm.weight, lstm.bias; shapes: layer_norm.weight (5,) instead of (64,)"
    )


@pytest.mark.slow
@pytest.mark.parametrize("name", ["ssm2mel", "dmf2mel"])
def test_other_positions_are_refused(name, package, golden):
    convert, state = package(f"submissions/{name}").import_weights.convert, golden(name).state
    table = sinusoids(640, 64).numpy()
    for stored in (table, table[None], table[:, None], np.pad(table, ((0, 0), (0, 0))).astype(np.float16)):
        convert({**state, "positional_encoding.pe": stored.astype(np.float32)})
    check_positions(sinusoids(640, 64).bfloat16().float().numpy(), 640, 64)
    check_positions(sinusoids(1000, 64).numpy(), 640, 64)
    with pytest.raises(ValueError, match="positions that differ from the transformer's by "):
        convert({**state, "positional_encoding.pe": table[:, ::-1]})
    with pytest.raises(ValueError, match=r"positions of shape \(320, 64\), expected \(640, 64\)"):
        convert({**state, "positional_encoding.pe": table[:320]})


# --- files


STATE = {"a.weight": torch.arange(6.0).view(2, 3), "a.bias": torch.ones(2)}


@pytest.mark.parametrize(
    "held",
    [
        STATE,
        OrderedDict(STATE),
        {"model": STATE, "optimizer": {"state": {0: {"step": torch.tensor(1.0)}}}},
        {"epoch": 3, "checkpoint": {"state_dict": STATE}, "state_dict": {"model": STATE}},
        {"epoch": 3, "generator": STATE},
        {"net": _data_parallel(STATE), "args": argparse.Namespace(lr=5e-4), "loss": np.float32(1.5)},
        {f"module._orig_mod.{name}": tensor for name, tensor in STATE.items()},
        {f"_orig_mod.module.{name}": tensor for name, tensor in STATE.items()},
        {name: torch.nn.Parameter(tensor) for name, tensor in STATE.items()},
        {name: tensor.double() for name, tensor in STATE.items()},
        {name: tensor.bfloat16() for name, tensor in STATE.items()},
        {"model": STATE, "args": argparse.Namespace(save=pathlib.Path("runs/1"), at=datetime.datetime.now())},
        {"model": STATE, "config": types.SimpleNamespace(lr=5e-4), "since": datetime.timedelta(1)},
        {"model": STATE, "rng": np.random.RandomState(0).get_state(), "losses": np.array([0.3, 0.2])},
        {
            "model": STATE,
            "best": np.bool_(True),
            "n": np.uint8(3),
            "half": np.float16(1),
            "w": np.array(["a"]),
        },
        {"model": STATE, "log": defaultdict(list, {"val": [0.1]}), "seen": defaultdict(dict)},
        {"state_dict": {f"model.{name}": tensor for name, tensor in STATE.items()}, "hyper_parameters": {}},
        {"n_averaged": torch.tensor(5), **_data_parallel(STATE)},
    ],
    ids=[
        "plain",
        "ordered",
        "model",
        "nested",
        "any",
        "args",
        "compiled",
        "wrapped",
        "parameter",
        "double",
        "bf16",
        "paths",
        "namespace",
        "arrays",
        "numbers",
        "defaults",
        "lightning",
        "averaged",
    ],
)
@pytest.mark.parametrize("zipped", [True, False])
def test_states_are_found_in_what_trainings_save(held, zipped, tmp_path):
    torch.save(held, tmp_path / "checkpoint_40", _use_new_zipfile_serialization=zipped)
    found = read_tensors(tmp_path / "checkpoint_40")
    assert set(found) == set(STATE)
    for name, array in found.items():
        assert array.dtype == np.float32
        assert np.array_equal(array, STATE[name].numpy())


def test_tensors_of_a_gpu_are_read_without_one(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.serialization, "location_tag", lambda _storage: "cuda:3")
    torch.save(STATE, tmp_path / "gpu.ckpt")
    monkeypatch.undo()
    assert b"cuda:3" in (tmp_path / "gpu.ckpt").read_bytes()
    assert np.array_equal(read_tensors(tmp_path / "gpu.ckpt")["a.bias"], np.ones(2))


class Evil:
    """A pickle that would run code."""

    def __reduce__(self):
        return (exec, ("raise SystemExit('ran')",))


@pytest.mark.parametrize(
    ("held", "reason"),
    [
        ({"model": {"w": Evil()}}, "it asks for exec, code that is never run from a file"),
        (torch.nn.Linear(2, 2), "it asks for torch.nn.modules.linear.Linear, code that is never run"),
        ({"a": torch.ones(1), "b": 3, "c": "text"}, r"not a mapping of names to tensors.* \(b, c\)"),
        ([torch.ones(1)], "not a mapping of names to tensors"),
        ({0: torch.ones(1)}, r"tensors whose names are no text \(0\)"),
        (
            {"w": torch.eye(3).to_sparse(), "v": torch.ones(1)},
            r".*sparse, quantised, complex or without data \(w\)",
        ),
        ({"w": torch.ones(2, device="meta")}, r".*quantised, complex or without data \(w\)"),
        ({"w": torch.ones(2, dtype=torch.complex64)}, r".*quantised, complex or without data \(w\)"),
        ({"model": STATE, "later": Evil()}, "it asks for exec, code that is never run from a file"),
        ({"model": {**STATE, "n": np.ones(2)}}, r"not a mapping of names to tensors.* \(n\)"),
        ({}, "no arrays"),
    ],
    ids=[
        "code",
        "module",
        "numbers",
        "list",
        "names",
        "sparse",
        "meta",
        "complex",
        "code beside",
        "array",
        "empty",
    ],
)
def test_what_is_no_state_is_refused(held, reason, tmp_path):
    torch.save(held, tmp_path / "checkpoint_40")
    with pytest.raises(TrainingError, match=f"checkpoint_40: {reason}"):
        read_tensors(tmp_path / "checkpoint_40")


def test_pickles_and_scripts_say_what_they_are(tmp_path):
    (tmp_path / "pickled").write_bytes(pickle.dumps({"model": Evil()}))
    with pytest.raises(TrainingError, match="pickled: a pickle that holds more than names and tensors"):
        read_tensors(tmp_path / "pickled")
    with zipfile.ZipFile(tmp_path / "scripted", "w") as archive:
        archive.writestr("net/data.pkl", b"\x80\x02}q\x00.")
        archive.writestr("net/constants.pkl", b"\x80\x02).")
        archive.writestr("net/version", b"3\n")
    with pytest.raises(TrainingError, match=r"scripted: a net of torch\.jit\.save, which is code"):
        read_tensors(tmp_path / "scripted")


def test_the_count_of_batches_may_be_missing(tmp_path):
    """As in checkpoints of old versions of torch; torch's own nets take them too."""
    norm = torch.nn.BatchNorm1d(2).state_dict()
    torch.save({name: norm[name] for name in norm if name != "num_batches_tracked"}, tmp_path / "alone")
    assert "num_batches_tracked" not in read_tensors(tmp_path / "alone")  # no net's norm is called nothing
    state = {f"norm.{name}": tensor for name, tensor in norm.items() if name != "num_batches_tracked"}
    torch.save(state, tmp_path / "old")
    found = read_tensors(tmp_path / "old")
    assert found["norm.num_batches_tracked"] == 0
    torch.save({**state, "norm.num_batches_tracked": torch.tensor(7)}, tmp_path / "new")
    assert read_tensors(tmp_path / "new")["norm.num_batches_tracked"] == 7


def test_a_variant_that_takes_the_weights_is_named(copied, golden, tmp_path):
    """The release for held-out subjects may lack the layer that the other variant begins with."""
    state = {k: v for k, v in _tensors(golden("happyquokka-held-out").state).items() if "sub_proj" not in k}
    torch.save(state, tmp_path / "c")
    with pytest.raises(TrainingError, match=r"no tensor for conditioner\.projection\.weight") as caught:
        _import(copied("baselines/happyquokka"), tmp_path / "c", "mel")
    assert str(caught.value).endswith("\n  --variant unconditioned takes it.")


@pytest.mark.parametrize("kept", [0.3, 0.9, 0.999])
@pytest.mark.parametrize("zipped", [True, False])
def test_files_cut_short_are_refused(kept, zipped, tmp_path):
    file = tmp_path / "checkpoint_40"
    torch.save({"model": {"w": torch.randn(100, 100)}}, file, _use_new_zipfile_serialization=zipped)
    content = file.read_bytes()
    file.write_bytes(content[: int(kept * len(content))])
    with pytest.raises(TrainingError) as caught:
        read_tensors(file)
    assert str(caught.value).startswith(f"{file}: ")
    assert str(caught.value).endswith("must hold plain tensors: save net.state_dict().")


def test_tensors_that_grow_when_they_are_read_are_refused(tmp_path):
    torch.save({"w": torch.zeros(1).expand(10**12)}, tmp_path / "checkpoint_40")
    with pytest.raises(TrainingError, match="checkpoint_40: tensors of 4000000000000 bytes in float32, more"):
        read_tensors(tmp_path / "checkpoint_40")


def test_archives_that_unpack_to_too_much_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("harness.training.import_weights.MOST_WEIGHTS_BYTES", 1000)
    with zipfile.ZipFile(tmp_path / "checkpoint_40", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("checkpoint_40/data.pkl", bytes(100_000))
    assert (tmp_path / "checkpoint_40").stat().st_size < 1000
    with pytest.raises(TrainingError, match="checkpoint_40: it unpacks to 100000 bytes, more than 1000"):
        read_tensors(tmp_path / "checkpoint_40")


def test_files_of_another_kind_are_refused(tmp_path):
    (tmp_path / "notes").write_text("nothing to see")
    with pytest.raises(TrainingError) as caught:
        read_tensors(tmp_path / "notes")
    assert str(caught.value) == (
        f"{tmp_path / 'notes'}: neither safetensors, npz nor a file of torch.save, expected named arrays:"
        " safetensors, npz, or a file of torch.save under any name.\n"
        "  A file of torch.save must hold plain tensors: save net.state_dict()."
    )
