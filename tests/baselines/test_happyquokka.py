"""HappyQuokka: with and without the conditioner against the release's outputs, and who is listening."""

import json
from dataclasses import asdict, replace

import numpy as np
import pytest
import torch
from nets import converted, eeg_of, n_parameters, relative, without_gradient

from harness.errors import PredictorError

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


@pytest.fixture
def unconditioned(quokka):
    torch.manual_seed(1)
    return quokka.model.UnconditionedHappyQuokka(quokka.model.Config(**TINY)).eval()


def test_parameters_of_the_release(quokka):
    paper = {name: presets["paper"] for name, presets in quokka.model.PRESETS.items()}
    assert n_parameters(quokka.model.HappyQuokka(paper["conditioned"])) == 11_094_273
    conditioner = 71 * 128 + 128
    net = quokka.model.UnconditionedHappyQuokka(paper["unconditioned"])
    assert n_parameters(net) == 11_094_273 - conditioner


@pytest.mark.parametrize(
    ("name", "variant"), [("happyquokka", "conditioned"), ("happyquokka-held-out", "unconditioned")]
)
def test_outputs_of_the_release(quokka, golden, name, variant):
    release = golden(name)
    net = converted(
        quokka.model.NETS[variant][0],
        lambda state: quokka.import_weights.convert(state, variant),
        release.state,
    )
    unused = 71 * 32 + 32 if variant == "unconditioned" else 0
    assert n_parameters(net) == release.meta["parameters"] - unused
    with torch.inference_mode():
        mel = net(torch.from_numpy(release.io["eeg"]), torch.from_numpy(release.io["subject"]))
    assert mel.shape == release.io["mel"].shape
    assert relative(mel, release.io["mel"]) < 1e-5


@pytest.mark.parametrize("variant", VARIANTS)
def test_compact_net_is_small_and_keeps_the_shape(quokka, variant, rng):
    net = quokka.model.NETS[variant][0](replace(quokka.model.PRESETS[variant]["compact"], n_bands=10))
    assert 50_000 < n_parameters(net) < 300_000
    assert net(torch.from_numpy(eeg_of(rng, 2, 100)), torch.tensor([70, -1])[:2]).shape == (2, 100, 10)


@pytest.mark.parametrize("variant", VARIANTS)
def test_gradient_reaches_every_parameter(quokka, variant, rng):
    net = quokka.model.NETS[variant][0](quokka.model.PRESETS[variant]["compact"])
    index = torch.tensor([2, 5])
    assert without_gradient(net, torch.from_numpy(eeg_of(rng, 2, 64)), index) == []


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


def test_the_predictor_knows_subjects_by_name(quokka, tiny, save_net, make_setup, rng):
    decoder = quokka.predictor.Decoder(make_setup(save_net(tiny, SUBJECTS), variant="conditioned"))
    eeg = np.repeat(eeg_of(rng, 1, 40), 4, axis=0)
    predicted = decoder.predict(eeg, ["sub-040", "sub-003", "sub-099", "sub-104"])
    scaled = torch.from_numpy((eeg - eeg.mean(axis=1, keepdims=True)) / eeg.std(axis=1, keepdims=True))
    with torch.inference_mode():
        expected = tiny(scaled, torch.tensor([2, 0, -1, -1]))
    assert relative(predicted, expected) < 1e-5
    assert np.array_equal(predicted[2], predicted[3])
    assert not np.allclose(predicted[0], predicted[1])


def test_longer_segments_are_predicted_window_by_window(quokka, tiny, save_net, make_setup, rng):
    decoder = quokka.predictor.Decoder(make_setup(save_net(tiny, SUBJECTS), variant="conditioned"))
    eeg = eeg_of(rng, 2, 100)
    predicted = decoder.predict(eeg, ["sub-003", "sub-099"])
    windows = [decoder.predict(eeg[:, start : start + 40], ["sub-003", "sub-099"]) for start in (0, 40, 60)]
    assert predicted.shape == (2, 100, 10)
    assert relative(predicted[:, :40], windows[0]) < 1e-5
    assert relative(predicted[:, 40:80], windows[1]) < 1e-5
    assert relative(predicted[:, 80:], windows[2][:, 20:]) < 1e-5


def test_outputs_do_not_depend_on_the_batch(quokka, tiny, save_net, make_setup, rng):
    decoder = quokka.predictor.Decoder(make_setup(save_net(tiny, SUBJECTS), variant="conditioned"))
    eeg, subjects = eeg_of(rng, 32, 80), [f"sub-{i + 1:03d}" for i in range(32)]
    together = decoder.predict(eeg, subjects)
    alone = np.concatenate([decoder.predict(eeg[i : i + 1], subjects[i : i + 1]) for i in range(32)])
    assert relative(alone, together) < 1e-5


def test_dropout_rests_in_prediction(tiny, rng):
    eeg, index = torch.from_numpy(eeg_of(rng, 1, 40)), torch.tensor([0])
    assert torch.equal(tiny(eeg, index), tiny(eeg, index))
    assert not torch.equal(tiny.train()(eeg, index), tiny(eeg, index))


@pytest.mark.parametrize("variant", VARIANTS)
def test_predicts_in_its_own_process(
    quokka, tiny, unconditioned, variant, save_net, make_setup, predict_isolated, rng
):
    path = save_net(tiny, SUBJECTS) if variant == "conditioned" else save_net(unconditioned)
    setup, eeg = make_setup(path, variant=variant), eeg_of(rng, 3, 96)
    subjects = ["sub-010", "sub-003", "sub-086"]
    predicted = predict_isolated(quokka.folder, setup, eeg, subjects)
    expected = quokka.predictor.Decoder(setup).predict(eeg, subjects)
    assert relative(predicted, expected) < 1e-5


def test_weights_of_the_other_variant_are_refused_by_name(
    quokka, tiny, save_net, make_setup, predict_isolated, rng
):
    setup = make_setup(save_net(tiny, SUBJECTS), variant="unconditioned")
    with pytest.raises(PredictorError, match="weights of the net HappyQuokka, expected Unconditioned"):
        predict_isolated(quokka.folder, setup, eeg_of(rng, 1, 96))


def test_training_gives_every_subject_an_embedding(quokka, make_setup):
    system = quokka.train.SYSTEM
    config, recipe = system.recipe("compact", "conditioned")
    assert recipe.crop_samples == config.window_samples
    setup = make_setup(variant="conditioned")
    net = system.build(config, setup, SUBJECTS)
    assert net.conditioner.projection.weight.shape[1] == 3
    assert net.readout.weight.shape[0] == 10
    said = system.metadata(config, setup, SUBJECTS)
    assert json.loads(said["config"]) == asdict(net.config)
    assert json.loads(said["subjects"]) == list(SUBJECTS)


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
    with pytest.raises(ValueError, match=r"tensor 'lstm.weight', expected the names of the release"):
        quokka.import_weights.convert({**state, "lstm.weight": np.zeros(1)})
    del state["fc.bias"]
    with pytest.raises(ValueError, match=r"no tensor for 'readout.bias'"):
        quokka.import_weights.convert(state)
