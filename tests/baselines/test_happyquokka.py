"""HappyQuokka: with and without the conditioner against the release's outputs, and who is listening."""

import json
from dataclasses import asdict

import numpy as np
import pytest
import torch
from nets import eeg_of, relative

TINY = {"n_bands": 10, "d_model": 8, "d_inner": 12, "n_blocks": 2, "window_samples": 40}
SUBJECTS = ("sub-003", "sub-010", "sub-040")
VARIANTS = ("conditioned", "unconditioned")


@pytest.fixture(scope="module")
def quokka(package):
    return package("baselines/happyquokka")


@pytest.fixture
def tiny(quokka):
    torch.manual_seed(1)
    return quokka.model.HappyQuokka(quokka.model.ConditionedConfig(**TINY, n_subjects=3)).eval()


def test_attention_is_the_formula(quokka, tiny, rng):
    layer = tiny.blocks[0][0]
    x = torch.from_numpy(rng.standard_normal((2, 9, 8)).astype(np.float32))
    y = layer.norm(x)
    heads = []
    for h in range(2):
        q, k, v = (p(y)[..., 4 * h : 4 * h + 4] for p in (layer.queries, layer.keys, layer.values))
        heads.append(torch.softmax(q @ k.transpose(1, 2) / 2.0, dim=-1) @ v)
    expected = x + layer.output(torch.cat(heads, dim=-1))
    assert relative(layer(x).detach(), expected.detach()) < 1e-6


def test_a_subject_that_is_not_learned_gets_the_mean_embedding(tiny):
    learned = torch.cat([tiny.conditioner(torch.tensor([i])) for i in range(3)])
    unknown = tiny.conditioner(torch.tensor([-1, 1, -1]))
    assert unknown.shape == (3, 1, 8)
    assert relative(unknown[0].detach(), learned.mean(dim=0).detach()) < 1e-6
    assert torch.equal(unknown[0], unknown[2])
    assert torch.equal(unknown[1], learned[1])


def test_dropout_rests_in_prediction(tiny, rng):
    eeg, index = torch.from_numpy(eeg_of(rng, 1, 40)), torch.tensor([0])
    assert torch.equal(tiny(eeg, index), tiny(eeg, index))
    assert not torch.equal(tiny.train()(eeg, index), tiny(eeg, index))


def test_imported_weights_say_their_net_and_count_subjects_from_the_first(quokka, golden, make_setup):
    state = golden("happyquokka").state
    system, convert = quokka.train.SYSTEM, quokka.import_weights.convert
    weights, config = convert(state)
    said = system.metadata(config, make_setup(variant="conditioned"), ())
    assert (said["net"], json.loads(said["config"])) == ("HappyQuokka", asdict(config))
    subjects = json.loads(said["subjects"])
    assert (subjects[0], subjects[-1], len(subjects)) == ("sub-001", "sub-071", 71)
    bare = {name: array for name, array in state.items() if not name.startswith("sub_proj.")}
    without, config = convert(bare)
    assert without.keys() == convert(state, "unconditioned")[0].keys() < weights.keys()
    said = system.metadata(config, make_setup(variant="unconditioned"), ())
    assert said["net"] == "UnconditionedHappyQuokka"
    assert "subjects" not in said


def test_tensors_that_are_no_happyquokka_are_refused(quokka, golden):
    state = golden("happyquokka").state
    with pytest.raises(ValueError, match=r"tensors that the release does not have: lstm.weight$"):
        quokka.import_weights.convert({**state, "lstm.weight": np.zeros(1)})
    del state["fc.bias"]
    with pytest.raises(ValueError, match=r"^no tensor for readout.bias$"):
        quokka.import_weights.convert(state)
