"""What is asked of every package with a net; what is a net's own stands in the package's file."""

import ast
import json
import re
from dataclasses import asdict, replace

import numpy as np
import pytest
import torch
from conftest import REPOSITORY
from nets import (
    PACKAGES,
    SUBJECTS,
    applied,
    build,
    converted,
    eeg_of,
    learned,
    n_parameters,
    relative,
    side_by_side,
    without_gradient,
)

from harness.errors import PredictorError, ShapeError, TrainingError
from harness.submission.manifest import load_submission

CASES = [
    pytest.param(package, variant, id=f"{package.name}-{variant}")
    for package in PACKAGES
    for variant in package.paper
]
FIRST = [pytest.param(package, next(iter(package.paper)), id=package.name) for package in PACKAGES]
# Packages whose variants are nets of different classes: the second variant's weights are not the first's.
OTHERS = [
    (package, *list(package.paper)[:2])
    for package in PACKAGES
    if package.name in ("happyquokka", "catwavenet", "dmf2mel", "ssm2mel")
]
WITH_WINDOW = [case for case in FIRST if case.values[0].has_window]
# Golden folder, package, variant, its output, parameters of the release that are in no output, tolerance.
RELEASES = [
    ("vlaai", 0, "original", "output", 0, 1e-5),
    ("vlaai-challenge", 0, "challenge", "output", 0, 1e-5),
    ("happyquokka", 1, "conditioned", "mel", 0, 1e-5),
    ("happyquokka-held-out", 1, "unconditioned", "mel", 71 * 32 + 32, 1e-5),
    ("dprnn", 2, "default", "mel", 0, 1e-5),
    ("catwavenet", 4, "full", "mel", 894_552, 1e-6),
    ("dmf2mel", 5, "full", "mel", 20, 5e-6),
    ("ssm2mel", 6, "full", "mel", 74_176, 9e-5),
]
# What a release's weights do not show, from its golden folder.
HIDDEN_SIZES = {"dprnn": {"chunk_samples": "chunk"}, "catwavenet": {"dilation_cycle": "dilation_cycle"}}
# Corpora that no net was made for: EEG channels, sampling rate, samples of a segment.
LAB = {"n_channels": 32, "sample_rate_hz": 100, "segment_samples": 500, "n_frames": 500}


@pytest.fixture
def modules(package, request):
    """The modules of the case's package."""
    return package(request.getfixturevalue("case").folder)


# --- the net


@pytest.mark.slow
@pytest.mark.parametrize(("case", "variant"), CASES)
def test_parameters_of_the_paper_preset(case, variant, modules):
    system = modules.train.SYSTEM
    with torch.device("meta"):
        net = system.nets[variant](system.recipe("paper", variant)[0])
    assert n_parameters(net) == case.paper[variant]


@pytest.mark.slow
@pytest.mark.parametrize(("case", "variant"), CASES)
def test_compact_net_is_small(case, variant, modules):
    system = modules.train.SYSTEM
    with torch.device("meta"):
        net = system.nets[variant](system.recipe("compact", variant)[0])
    fewest, most = case.compact
    assert fewest < n_parameters(net) < most


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "number", "variant", "output", "unused", "tolerance"), RELEASES, ids=[r[0] for r in RELEASES]
)
def test_outputs_and_parameters_of_the_release(
    package, golden, name, number, variant, output, unused, tolerance
):
    modules, release = package(PACKAGES[number].folder), golden(name)
    convert = modules.import_weights.convert

    def chosen(state):
        return convert(state, variant) if PACKAGES[number].name == "happyquokka" else convert(state)

    config = chosen(release.state)[1]
    hidden = {ours: release.meta["config"][theirs] for ours, theirs in HIDDEN_SIZES.get(name, {}).items()}
    net = converted(modules.train.SYSTEM.nets[variant], chosen, release.state, replace(config, **hidden))
    assert n_parameters(net) + unused == release.meta["parameters"]
    assert config.n_channels == release.io["eeg"].shape[2] == 64
    inputs = [torch.from_numpy(release.io[key]) for key in ("eeg", "subject") if key in release.io]
    with torch.inference_mode():
        made = net(*inputs)
    assert made.shape == release.io[output].shape
    assert relative(made, release.io[output]) < tolerance


@pytest.mark.slow
@pytest.mark.parametrize(("case", "variant"), CASES)
@pytest.mark.parametrize("n_channels", [64, 32])
def test_output_has_a_frame_for_each_sample_and_as_many_bands_as_asked(
    case, variant, n_channels, modules, make_setup, rng
):
    for feature, n_bands in (("mel", 10), ("envelope", 1)):
        setup = make_setup(variant=variant, feature=feature, n_bands=n_bands, n_channels=n_channels)
        net = build(modules.train.SYSTEM, case, setup)
        eeg = torch.from_numpy(eeg_of(rng, 2, case.length, n_channels=n_channels))
        with torch.inference_mode():
            assert net(eeg, torch.tensor([2, -1])).shape == (2, case.length, n_bands)


@pytest.mark.parametrize("preset", ["paper", "compact"])
@pytest.mark.parametrize(("case", "variant"), CASES)
def test_net_of_a_preset_takes_its_recipes_crop(case, variant, preset, modules):
    config, recipe = modules.train.SYSTEM.recipe(preset, variant)
    if case.has_window:
        assert recipe.crop_samples(64) == config.window_samples
        assert recipe.fixed_length or case.takes_shorter
    else:
        assert not recipe.fixed_length


@pytest.mark.parametrize(("case", "variant"), CASES)
def test_gradient_reaches_every_parameter(case, variant, modules, make_setup, rng):
    net = build(modules.train.SYSTEM, case, make_setup(variant=variant))
    eeg = torch.from_numpy(eeg_of(rng, 4, case.length))
    assert without_gradient(net, eeg, torch.tensor([0, 1, 2, -1])) == []


@pytest.mark.parametrize(("case", "variant"), CASES)
def test_inputs_are_not_changed(case, variant, modules, make_setup, rng):
    net = build(modules.train.SYSTEM, case, make_setup(variant=variant))
    eeg, index = torch.from_numpy(eeg_of(rng, 2, case.length)), torch.tensor([0, -1])
    before = eeg.clone(), index.clone()
    for mode in (net.eval(), net.train()):
        mode(eeg, index)
        assert torch.equal(eeg, before[0])
        assert torch.equal(index, before[1])


# --- the predictor


def _decoder(modules, case, variant, make_setup, save_net, **values):
    """The predictor of a tiny net, and the net."""
    setup = make_setup(variant=variant, **values)
    net = build(modules.train.SYSTEM, case, setup)
    return modules.predictor.Decoder(replace(setup, weights=save_net(net, learned(net)))), net


def _expected(net, case, eeg, index):
    """Window by window, the last one from the segment's end; whole where the net has no window."""
    if not case.has_window:
        return applied(net, eeg, index)
    n_times, window = eeg.shape[1], case.length
    expected = applied(net, eeg[:, n_times - window :], index)
    made = np.zeros((*eeg.shape[:2], expected.shape[2]), np.float32)
    made[:, n_times - window :] = expected
    for start in range(0, n_times - window + 1, window):
        made[:, start : start + window] = applied(net, eeg[:, start : start + window], index)
    return made


@pytest.mark.slow
@pytest.mark.parametrize(("case", "variant"), CASES)
def test_predicts_z_scored_windows_of_subjects_by_name(case, variant, modules, save_net, make_setup, rng):
    decoder, net = _decoder(modules, case, variant, make_setup, save_net, segment_samples=100)
    eeg = 5 + 3 * eeg_of(rng, 4, 100)
    eeg.flags.writeable = False
    predicted = decoder.predict(eeg, ["sub-040", "sub-003", "sub-099", "unknown"])
    expected = _expected(net, case, eeg, [2, 0, -1, -1])
    assert predicted.dtype == np.float32
    assert predicted.shape == (4, 100, 10)
    assert relative(predicted, expected) < 1e-5


@pytest.mark.slow
@pytest.mark.parametrize(("case", "variant"), FIRST)
def test_outputs_do_not_depend_on_the_batch(case, variant, modules, save_net, make_setup, rng):
    decoder, _ = _decoder(modules, case, variant, make_setup, save_net)
    eeg, subjects = eeg_of(rng, 32, 96), [f"sub-{i + 1:03d}" for i in range(32)]
    together = decoder.predict(eeg, subjects)
    alone = np.concatenate([decoder.predict(eeg[i : i + 1], subjects[i : i + 1]) for i in range(32)])
    assert relative(alone, together) < 1e-5


@pytest.mark.slow
@pytest.mark.parametrize(
    ("case", "variant"),
    [*FIRST, pytest.param(PACKAGES[1], "unconditioned", id="happyquokka-unconditioned")],
)
def test_predicts_in_its_own_process(case, variant, modules, save_net, make_setup, predict_isolated, rng):
    setup = make_setup(variant=variant)
    net = build(modules.train.SYSTEM, case, setup)
    setup = replace(setup, weights=save_net(net, learned(net)))
    eeg, subjects = 5 + 3 * eeg_of(rng, 3, 96), ["sub-010", "sub-003", "sub-086"]
    predicted = predict_isolated(modules.folder, setup, eeg, subjects)
    assert relative(predicted, _expected(net, case, eeg, [1, 0, -1])) < 1e-5


@pytest.mark.parametrize(("case", "variant"), WITH_WINDOW)
def test_segments_shorter_than_the_window(case, variant, modules, save_net, make_setup, rng):
    """Taken as they are where the net can, and refused before anything is predicted where it cannot."""
    n_times = case.length - 8
    if case.takes_shorter:
        decoder, net = _decoder(modules, case, variant, make_setup, save_net, segment_samples=n_times)
        eeg = eeg_of(rng, 2, n_times)
        predicted = decoder.predict(eeg, ["sub-003", "sub-010"])
        assert relative(predicted, applied(net, eeg, [0, 1])) < 1e-5
        return
    with pytest.raises(ValueError, match=f"^segments of {n_times} samples, expected {case.length} or more"):
        _decoder(modules, case, variant, make_setup, save_net, segment_samples=n_times)


@pytest.mark.slow
@pytest.mark.parametrize(("case", "first", "second"), OTHERS, ids=[case.name for case, _, _ in OTHERS])
def test_weights_of_another_variant_are_refused_by_name(
    case, first, second, modules, save_net, make_setup, predict_isolated, rng
):
    nets = modules.train.SYSTEM.nets
    assert nets[first] is not nets[second]
    net = build(modules.train.SYSTEM, case, make_setup(variant=second))
    setup = make_setup(save_net(net, learned(net)), variant=first)
    message = f"weights of the net {nets[second].__name__}, expected {nets[first].__name__}"
    with pytest.raises(PredictorError, match=message):
        predict_isolated(modules.folder, setup, eeg_of(rng, 1, 96))


@pytest.mark.parametrize(("case", "variant"), FIRST)
def test_weights_that_do_not_fit_the_run_are_refused(case, variant, modules, save_net, make_setup):
    setup = make_setup(variant=variant)
    net = build(modules.train.SYSTEM, case, setup)
    setup = replace(setup, weights=save_net(net, learned(net)))
    refused = [
        ({"weights": None}, f"no weights for this run, expected a safetensors file of {type(net).__name__}"),
        ({"n_bands": 3}, "a net for n_bands = 10, expected 3, this run's feature"),
        ({"n_channels": 32}, "a net for 64 EEG channels, expected 32, this run's"),
    ]
    for changes, message in refused:
        with pytest.raises(ValueError, match=message):
            modules.predictor.Decoder(replace(setup, **changes))


@pytest.mark.parametrize(("case", "variant"), FIRST)
def test_stored_configurations_without_channels_are_of_64(case, variant, modules, save_net, make_setup, rng):
    setup = make_setup(variant=variant)
    net = build(modules.train.SYSTEM, case, setup)
    config = asdict(net.config)
    assert config.pop("n_channels") == 64
    path = save_net(net, learned(net), {"config": json.dumps(config)})
    predicted = modules.predictor.Decoder(replace(setup, weights=path)).predict(
        eeg := eeg_of(rng, 1, 96), ["sub-003"]
    )
    assert relative(predicted, _expected(net, case, eeg, [0])) < 1e-5


# --- training


@pytest.mark.parametrize(("case", "variant"), CASES)
def test_training_builds_what_its_file_says(case, variant, modules, make_setup):
    system = modules.train.SYSTEM
    for feature, n_bands in (("mel", 10), ("envelope", 1)):
        setup = make_setup(variant=variant, feature=feature, n_bands=n_bands, n_channels=32)
        config = replace(system.recipe("compact", variant)[0], **case.tiny)
        net = system.build(config, setup, SUBJECTS)
        said = system.metadata(config, setup, SUBJECTS)
        assert said["net"] == type(net).__name__
        assert json.loads(said["config"]) == json.loads(json.dumps(asdict(net.config)))
        assert (net.config.n_bands, net.config.n_channels) == (n_bands, 32)
        if learned(net):
            assert json.loads(said["subjects"]) == list(SUBJECTS)
            assert net.config.n_subjects == 3
        else:
            assert "subjects" not in said


@pytest.mark.parametrize("case", PACKAGES, ids=[package.name for package in PACKAGES])
def test_manifest_nets_and_presets_name_the_same_variants(case, modules):
    system, submission = modules.train.SYSTEM, load_submission(modules.folder)
    assert submission.variants == tuple(system.nets) == tuple(case.paper)
    assert system.presets == ("paper", "compact")
    for preset, variant in (("papr", submission.variants[0]), ("paper", "none")):
        with pytest.raises(KeyError):
            system.recipe(preset, variant)


@pytest.mark.parametrize(("case", "variant"), FIRST)
def test_a_feature_of_another_rate_is_refused(case, variant, modules, make_setup, save_net):
    system = modules.train.SYSTEM
    setup = make_setup(variant=variant, feature="pitch", n_bands=1)
    net = build(system, case, setup)
    other = replace(setup, weights=save_net(net, learned(net)), n_frames=48)
    message = (
        "^feature pitch: 48 frames for 96 EEG samples a segment, expected 96 frames: this system gives one"
        r" frame for each EEG sample\.\n  Save the feature at the EEG's rate, or begin with `harness new`: its"
        r" model takes any rate\.$"
    )
    with pytest.raises(ShapeError, match=message):
        modules.predictor.Decoder(other)
    with pytest.raises(ShapeError, match=message):
        system.build(net.config, other, SUBJECTS)


@pytest.mark.slow
@pytest.mark.parametrize("feature", ["envelope", "pitch"])
@pytest.mark.parametrize(("case", "variant"), CASES)
def test_learns_and_predicts_another_labs_corpus(case, variant, feature, modules, make_setup, save_net, rng):
    """32 channels at 100 Hz in segments of 5 s: no window is longer, and each is one that the net takes."""
    system = modules.train.SYSTEM
    setup = make_setup(variant=variant, feature=feature, n_bands=1, **LAB)
    config, recipe = system.recipe("compact", variant)
    config = replace(config, **{k: v for k, v in case.tiny.items() if k != "window_samples"})
    config, samples = system.for_window(config, min(recipe.crop_samples(100), 500))
    assert 200 < samples <= 500
    torch.manual_seed(1)
    net = system.build(config, setup, SUBJECTS)
    assert net.config.n_channels == 32
    if case.has_window:
        assert net.config.window_samples == samples
    optimiser = torch.optim.Adam(net.parameters(), lr=1e-3)
    before = {name: p.detach().clone() for name, p in net.named_parameters()}
    eeg = eeg_of(rng, 2, samples, n_channels=32)
    output = side_by_side(net.train()(torch.from_numpy(eeg), torch.tensor([0, 1])))
    assert output.shape == (2, samples, 1)
    output.square().mean().backward()
    optimiser.step()
    assert any(not torch.equal(p, before[name]) for name, p in net.named_parameters())
    decoder = modules.predictor.Decoder(replace(setup, weights=save_net(net.eval(), learned(net))))
    predicted = decoder.predict(eeg_of(rng, 2, 500, n_channels=32), ["P01", "sub-003"])
    assert predicted.shape == (2, 500, 1)
    assert np.isfinite(predicted).all()
    assert predicted.std(axis=1).min() > 0


@pytest.mark.parametrize(("name", "most", "samples"), [("dmf2mel", 500, 496), ("ssm2mel", 499, 496)])
def test_windows_are_rounded_down_to_what_the_net_takes(package, name, most, samples):
    system = package(f"submissions/{name}").train.SYSTEM
    config, crop = system.for_window(system.recipe("compact", "full")[0], most)
    assert (config.window_samples, crop) == (samples, samples)
    with pytest.raises(TrainingError, match=f"^window: 3 samples at most, expected {config.window_multiple}"):
        system.for_window(config, 3)


# --- the files


@pytest.mark.parametrize(
    "path",
    [
        path
        for folder in ("baselines/*", "submissions/*")
        for path in sorted(REPOSITORY.glob(f"{folder}/*.py"))
        if path.stem not in ("predictor", "train", "import_weights")
        and "The eeg-speech-harness maintainers" in path.with_name("submission.toml").read_text()
    ]
    + [REPOSITORY / f"harness/nn/{name}.py" for name in ("attention", "esm", "mamba", "s4")],
    ids=lambda path: f"{path.parent.name}-{path.stem}",
)
def test_model_file_opens_with_paper_release_licence_and_deviations(path):
    header = ast.get_docstring(ast.parse(path.read_text()))
    said = [header.find(f"\n{word}: ") for word in ("Paper", "Release", "Licence")]
    said.append(header.find("\nOur deviations:"))
    assert said == sorted(said)
    assert said[0] > 0
    paper = header[said[0] : said[1]]
    assert re.search(r"doi 10\.\d+/\S+|arXiv \d{4}\.\d{5}|\(see `model`\)", paper.replace("\n", " "))
