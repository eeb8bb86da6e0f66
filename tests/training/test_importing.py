"""``harness import-weights``: formats, refusals, and what is said of where the weights come from."""

import json

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from harness.corpus.declaration import declared
from harness.errors import SubmissionError, TrainingError
from harness.submission.manifest import load_submission
from harness.training.import_weights import import_weights, read_tensors

IMPORTER = """
def convert(tensors):
    return {"weight": tensors["release/w"].T}, {"config": "{}", "made_by": "convert"}
"""


@pytest.fixture
def importing(make_submission):
    folder = make_submission(importer="convert:convert")
    (folder / "convert.py").write_text(IMPORTER)
    return load_submission(folder)


@pytest.fixture
def arrays():
    return {"release/w": np.arange(6, dtype=np.float64).reshape(2, 3)}


def _save(path, arrays):
    tensors = {name: torch.from_numpy(array) for name, array in arrays.items()}
    if path.suffix == ".npz":
        np.savez(path, **arrays)
    elif path.suffix == ".safetensors":
        save_file({name: tensor.bfloat16() for name, tensor in tensors.items()}, path)
    else:
        torch.save({"epoch": 3, "state_dict": {f"module.{k}": v for k, v in tensors.items()}}, path)
    return path


@pytest.mark.parametrize("suffix", [".npz", ".safetensors", ".pt"])
def test_weights_are_converted_and_registered(importing, arrays, split, tmp_path, suffix):
    file = _save(tmp_path / f"release{suffix}", arrays)
    path, sha256 = import_weights(importing, file, declared("sparrkulee"), split, "mel")
    found = load_submission(importing.folder).weights("sparrkulee", split, "mel", "default")
    assert (found.path, found.sha256) == (path, sha256)
    with safe_open(path, "np") as stored:
        assert stored.metadata() == {"config": "{}", "made_by": "convert"}
        assert stored.get_tensor("weight").dtype == np.float32
        assert np.array_equal(stored.get_tensor("weight"), arrays["release/w"].T)
    record = json.loads(found.training.read_text())
    assert record["imported"]["file"] == f"release{suffix}"
    assert "subjects" not in record


def test_configuration_in_place_of_metadata_goes_through_the_trainer(tiny, arrays, split, tmp_path):
    code = "\ndef convert(tensors):\n    return {'w': tensors['release/w']}, Config(width=7)\n"
    submission = tiny(code=code)
    manifest = submission.folder / "submission.toml"
    manifest.write_text(manifest.read_text() + 'importer = "train:convert"\n')
    submission = load_submission(submission.folder)
    path, _ = import_weights(
        submission, _save(tmp_path / "r.npz", arrays), declared("sparrkulee"), split, "mel"
    )
    with safe_open(path, "np") as stored:
        assert json.loads(stored.metadata()["config"]) == {"width": 7}


def test_weights_of_another_net_are_refused_with_the_importers_words(importing, split, tmp_path):
    file = _save(tmp_path / "r.npz", {"other": np.zeros(2)})
    with pytest.raises(TrainingError, match=r"r.npz: tiny's importer refuses it .KeyError: 'release/w'."):
        import_weights(importing, file, declared("sparrkulee"), split, "mel")
    assert not (importing.folder / "weights").exists()


def test_weights_that_are_not_finite_are_refused(importing, arrays, split, tmp_path):
    arrays["release/w"][0, 0] = np.nan
    with pytest.raises(TrainingError, match="weights weight: numbers that are not finite"):
        import_weights(importing, _save(tmp_path / "r.npz", arrays), declared("sparrkulee"), split, "mel")


def test_submission_without_an_importer(make_submission, split, tmp_path):
    submission = load_submission(make_submission())
    with pytest.raises(SubmissionError, match="a manifest without the key 'importer'"):
        import_weights(submission, tmp_path / "r.npz", declared("sparrkulee"), split, "mel")


def test_importer_that_is_not_there(make_submission):
    with pytest.raises(SubmissionError, match="importer: 'convert:convert', and no convert.py in the folder"):
        load_submission(make_submission(importer="convert:convert"))


class Evil:
    """A pickle that would run code."""

    def __reduce__(self):
        return (exec, ("raise SystemExit('ran')",))


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(TrainingError, match="No such file"):
        read_tensors(tmp_path / "r.npz")
    for suffix in (".npz", ".pt", ".safetensors"):
        (tmp_path / f"half{suffix}").write_bytes(b"half a file")
        with pytest.raises(
            TrainingError, match=f"half{suffix}: .*\n  A file of torch.save must hold plain tensors"
        ):
            read_tensors(tmp_path / f"half{suffix}")
    torch.save({"w": Evil()}, tmp_path / "evil.pt")
    with pytest.raises(TrainingError, match="evil.pt"):
        read_tensors(tmp_path / "evil.pt")
    torch.save({"w": 3}, tmp_path / "numbers.pt")
    with pytest.raises(TrainingError, match="not a mapping of names to tensors"):
        read_tensors(tmp_path / "numbers.pt")
    np.savez(tmp_path / "objects.npz", w=np.array([Evil()], dtype=object))
    with pytest.raises(TrainingError, match="objects.npz"):
        read_tensors(tmp_path / "objects.npz")
