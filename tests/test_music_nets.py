"""What is asked of every net of music; what is a net's own stands in the package's file."""

import json
from dataclasses import asdict, replace

import numpy as np
import pytest
import torch
from nets import MUSIC_NETS, n_parameters, relative, without_gradient
from nets import applied as _applied_scaled

from harness.submission.manifest import load_submission

SPECTRA = ("periodogram", "welch", "welch-62", "log-periodogram")
MUSIC = {
    "feature": "music-mel-db",
    "n_bands": 128,
    "n_frames": 44,
    "n_channels": 125,
    "segment_samples": 125,
    "sample_rate_hz": 125,
    "variant": "periodogram",
}
# A corpus that no net was made for.
LAB = {**MUSIC, "n_bands": 7, "n_frames": 10, "n_channels": 32, "segment_samples": 200, "sample_rate_hz": 100}


@pytest.fixture(params=MUSIC_NETS, ids=lambda folder: folder.partition("/")[2])
def case(request, package):
    """The modules of a package, its numbers, and how to build its tiny net."""
    modules = package(request.param)
    trained, running, tiny = MUSIC_NETS[request.param]

    def build(setup):
        torch.manual_seed(1)
        config = replace(modules.train.SYSTEM.recipe("compact", setup.variant)[0], **tiny)
        return modules.train.SYSTEM.build(config, setup, ()).eval()

    modules.trained, modules.running, modules.build = trained, running, build
    return modules


def eeg_of(rng, n_segments, sizes):
    shape = (n_segments, sizes["segment_samples"], sizes["n_channels"])
    return (12 * rng.standard_normal(shape)).astype(np.float32)


def applied(net, eeg):
    with torch.inference_mode():
        return net(torch.from_numpy(eeg), None).numpy()


def test_parameters_of_the_paper_preset(case):
    system = case.train.SYSTEM
    assert len({replace(system.recipe("paper", kind)[0], spectrum="welch") for kind in SPECTRA}) == 1
    with torch.device("meta"):
        net = system.nets["periodogram"](system.recipe("paper", "periodogram")[0])
    assert n_parameters(net) == case.trained
    running = [buffer.numel() for name, buffer in net.named_buffers() if "running" in name]
    assert sum(running) == case.running


def test_compact_weights_are_small(case):
    system = case.train.SYSTEM
    net = system.nets["periodogram"](system.recipe("compact", "periodogram")[0])
    assert 1e4 < n_parameters(net) < 5e5


@pytest.mark.parametrize("variant", SPECTRA)
@pytest.mark.parametrize("sizes", [MUSIC, LAB], ids=["music", "lab"])
def test_output_has_the_frames_and_bands_that_are_asked(case, variant, sizes, make_setup, rng):
    setup = make_setup(**{**sizes, "variant": variant})
    made = applied(case.build(setup), eeg_of(rng, 2, sizes))
    assert made.shape == (2, sizes["n_frames"], sizes["n_bands"])
    assert np.isfinite(made).all()


def test_variants_differ_in_what_the_net_is_given_alone(case, make_setup, rng):
    eeg = eeg_of(rng, 2, LAB)
    nets = [case.build(make_setup(**{**LAB, "variant": variant})) for variant in SPECTRA]
    assert [net.config.spectrum for net in nets] == list(SPECTRA)
    assert len({n_parameters(net) for net in nets}) == 1
    made = [applied(net, eeg) for net in nets]
    assert all(not np.allclose(made[0], other) for other in made[1:])


def test_gradient_reaches_every_parameter(case, make_setup, rng):
    net = case.build(make_setup(**LAB))
    assert without_gradient(net, torch.from_numpy(eeg_of(rng, 6, LAB)), None) == []


def test_inputs_are_not_changed(case, make_setup, rng):
    net = case.build(make_setup(**LAB))
    eeg = torch.from_numpy(eeg_of(rng, 2, LAB))
    before = eeg.clone()
    for mode in (net.eval(), net.train()):
        mode(eeg, None)
        assert torch.equal(eeg, before)


def test_starts_at_the_level_that_it_is_told(case, make_setup, rng):
    net = case.build(make_setup(**LAB))
    mean = torch.from_numpy(rng.standard_normal((10, 7)).astype(np.float32)) * 5 - 40
    net.readout.weight.data.zero_()
    net.start_at(mean)
    made = applied(net, eeg_of(rng, 3, LAB))
    assert made.mean(axis=(0, 1)) == pytest.approx(mean.numpy().mean(axis=0), abs=1e-4)
    if case.folder.name == "eeg2mel":
        assert np.allclose(made, mean.numpy())


def test_predicts_from_eeg_as_it_is_whatever_the_batch(case, make_setup, save_net, rng):
    setup = make_setup(**LAB)
    net = case.build(setup)
    decoder = case.predictor.Decoder(replace(setup, weights=save_net(net)))
    eeg = 5 + eeg_of(rng, 5, LAB)
    eeg.flags.writeable = False
    made = decoder.predict(eeg, ["unknown"] * 5)
    assert made.dtype == np.float32
    assert relative(made, applied(net, eeg.copy())) < 1e-5
    assert not np.allclose(made, _applied_scaled(net, eeg, [-1] * 5))
    alone = np.concatenate([decoder.predict(eeg[i : i + 1], ["unknown"]) for i in range(5)])
    assert relative(alone, made) < 1e-5


@pytest.mark.slow
def test_predicts_in_its_own_process(case, make_setup, save_net, predict_isolated, rng):
    setup = make_setup(**LAB)
    net = case.build(setup)
    eeg = eeg_of(rng, 3, LAB)
    made = predict_isolated(case.folder, replace(setup, weights=save_net(net)), eeg)
    assert relative(made, applied(net, eeg)) < 1e-5


def test_weights_that_do_not_fit_the_run_are_refused(case, make_setup, save_net):
    setup = make_setup(**LAB)
    net = case.build(setup)
    setup = replace(setup, weights=save_net(net))
    refused = [
        ({"weights": None}, f"no weights for this run, expected a safetensors file of {type(net).__name__}"),
        ({"n_bands": 3}, "a net for n_bands = 7, expected 3, this run's feature"),
        ({"n_channels": 64}, "a net for 32 EEG channels, expected 64, this run's"),
        ({"n_frames": 44}, "a net for n_frames = 10, expected 44, this run's. Train it again"),
        ({"segment_samples": 400}, "a net for segment_samples = 200, expected 400, this run's."),
        ({"sample_rate_hz": 125}, "a net for sample_rate_hz = 100, expected 125, this run's."),
    ]
    for changes, message in refused:
        with pytest.raises(ValueError, match=message):
            case.predictor.Decoder(replace(setup, **changes))


def test_training_builds_what_its_file_says(case, make_setup):
    system = case.train.SYSTEM
    setup = make_setup(**LAB)
    net = case.build(setup)
    said = system.metadata(net.config, setup, ())
    assert said["net"] == type(net).__name__
    assert json.loads(said["config"]) == json.loads(json.dumps(asdict(net.config)))
    assert (net.config.n_bands, net.config.n_frames, net.config.n_channels) == (7, 10, 32)
    assert (net.config.segment_samples, net.config.sample_rate_hz) == (200, 100)


def test_manifest_nets_and_presets_name_the_same_variants(case):
    system, submission = case.train.SYSTEM, load_submission(case.folder)
    assert submission.variants == tuple(system.nets) == SPECTRA
    assert system.presets == ("paper", "compact")
    paper = system.recipe("paper", "periodogram")[1]
    assert (paper.epochs, paper.batch_size, dict(paper.losses)) == (200, 60, {"mse": 1.0})
    for preset in system.presets:
        recipe = system.recipe(preset, "welch")[1]
        assert (recipe.crops, recipe.crop_seconds, recipe.zscore) == ("windows", 1.0, False)
        assert recipe.start_at_mean == (preset == "compact")
