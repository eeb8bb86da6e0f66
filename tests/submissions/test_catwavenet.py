"""CAT-WaveNet: every stage against the release's outputs, its parts by the formula, and where it stops."""

import json
import shutil
from dataclasses import asdict, replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from nets import converted, eeg_of, n_parameters, relative

from harness.corpus import open_corpus
from harness.errors import TrainingError
from harness.scoring.pearson import pearson_r
from harness.submission.manifest import load_submission
from harness.tasks.segments import cut_segments
from harness.tasks.sizes import sizes
from harness.training import train_submission

TARGET_BANDS = {"mel": 10, "envelope": 1, "mel80": 80, "magnitude": 257}

WINDOW = 40
SMALL = {
    "n_filters": (6, 6, 4, 4),
    "n_layers": 3,
    "dilation_cycle": 2,
    "n_attention_hidden": 5,
    "n_attention_layers": 2,
    "attention_mix_samples": 3,
    "attention_dropout": 0.1,
    "window_samples": WINDOW,
}
VARIANTS = ("full", "wavenet-only", "two-stage", "no-mixup")
STAGES = {"envelope": 1, "mel": 10, "mel80": 80, "magnitude": 257}


@pytest.fixture(scope="module")
def cat(package):
    return package("submissions/catwavenet")


@pytest.fixture(scope="module")
def release(golden):
    return golden("catwavenet")


@pytest.fixture(scope="module")
def released(cat, release):
    """The full net with the release's weights."""
    config = replace(
        cat.import_weights.convert(release.state)[1], dilation_cycle=release.meta["config"]["dilation_cycle"]
    )
    return converted(cat.model.CatWaveNet, cat.import_weights.convert, release.state, config)


@pytest.fixture
def small(cat):
    """Any variant's net, small, for mel."""

    def build(variant="full", **sizes):
        torch.manual_seed(1)
        return cat.model.NETS[variant](cat.model.Config(**{**SMALL, **sizes})).eval()

    return build


def _unused(filters, n_attentions, hidden=128, layers=2):
    """Parameters that the release holds and that are in no output."""
    skip_out = n_attentions * layers * 2 * 3 * (hidden * 64 + 64)
    linear = sum(n * n + n for n in filters)
    to_no_layer = sum(n * n + n + n for n in filters)  # the last layer's filters, gains and biases
    return skip_out + linear + to_no_layer


@pytest.mark.slow
def test_parameters_of_the_release(cat):
    with torch.device("meta"):
        full, one = (cat.model.NETS[variant](cat.model.Config()) for variant in ("full", "wavenet-only"))
    assert n_parameters(full) + _unused((128, 128, 128, 512), 9) == 93_991_284
    assert n_parameters(full) == 92_474_356
    assert n_parameters(full.envelope) + n_parameters(full.mel) == 10_314_131
    assert n_parameters(one) == n_parameters(full.envelope) + 9 * 128 + 9  # ten bands instead of one


def test_outputs_of_the_release(released, release):
    assert n_parameters(released) + _unused((16, 16, 16, 24), 9) == release.meta["parameters"]
    eeg = torch.from_numpy(release.io["eeg"])
    with torch.inference_mode():
        outputs = released.outputs(eeg)
        assert set(outputs) == set(STAGES)
        for name, output in outputs.items():
            assert output.shape == release.io[name].shape
            assert relative(output, release.io[name]) < 1e-6, name
        assert relative(released(eeg), release.io["mel"]) < 1e-6


def test_parts_of_the_release_alone(released, release):
    x = torch.from_numpy(release.io["eeg"]).transpose(1, 2)
    with torch.inference_mode():
        attended = released.mel.attend_before(x, x)
        envelope = released.envelope(x).transpose(1, 2)
        folded = released.envelope.folded()(x).transpose(1, 2)
    assert relative(attended, release.io["block1_crossattn2_of_eeg_eeg"]) < 2e-6
    for each in (envelope, folded):
        assert relative(each, release.io["eeg2envblock_of_eeg"]) < 1e-6


def test_prediction_of_the_release_through_the_interface(cat, release, released, save_net, make_setup):
    eeg = release.io["eeg"]
    setup = make_setup(save_net(released), variant="full", segment_samples=eeg.shape[1])
    decoder = cat.predictor.Decoder(setup)
    scaled = (eeg - eeg.mean(axis=1, keepdims=True)) / eeg.std(axis=1, keepdims=True)
    with torch.inference_mode():
        expected = released(torch.from_numpy(scaled))
    assert relative(decoder.predict(eeg, ["sub-086"]), expected) < 2e-6
    with torch.inference_mode():  # and what the predictor runs, on the release's own input
        assert relative(decoder.net(torch.from_numpy(eeg)), release.io["mel"]) < 1e-6


def test_prediction_holds_no_stage_after_mel(cat, small, save_net, make_setup):
    names = {variant: _stages(cat, small, save_net, make_setup, variant) for variant in VARIANTS}
    assert names["wavenet-only"] == {"wavenet"}
    for variant in ("full", "two-stage", "no-mixup"):
        assert names[variant] == {"envelope", "mel"}


def _stages(cat, small, save_net, make_setup, variant):
    decoder = cat.predictor.Decoder(make_setup(save_net(small(variant)), variant=variant))
    assert not [p for name, p in decoder.net.named_parameters() if "direction" in name or "gain" in name]
    return {name for name, _ in decoder.net.named_children()}


@pytest.mark.parametrize("variant", VARIANTS)
def test_shapes_in_training_and_prediction(small, variant, rng):
    net, eeg = small(variant), torch.from_numpy(eeg_of(rng, 2, WINDOW))
    assert net(eeg).shape == (2, WINDOW, 10)
    names = {"wavenet-only": [], "two-stage": ["envelope", "mel"]}.get(variant, list(STAGES))
    output = net.train()(eeg)
    if not names:
        assert output.shape == (2, WINDOW, 10)
    else:
        assert {name: each.shape for name, each in output.items()} == {
            name: (2, WINDOW, STAGES[name]) for name in names
        }


@pytest.mark.parametrize("dilation_cycle", [2, 3, 8])
def test_folded_weights_give_the_same_function(small, dilation_cycle, rng):
    """A cycle of 8 has dilations beyond the window, whose outer taps the folded net leaves out."""
    net = small(dilation_cycle=dilation_cycle, n_layers=8)
    x = torch.from_numpy(rng.standard_normal((2, 64, WINDOW)).astype(np.float32))
    with torch.inference_mode():
        for name, p in net.named_parameters():
            if "gain" in name or "bias" in name:
                p += 0.3 * torch.rand_like(p)
        assert relative(net.envelope.folded()(x), net.envelope(x)) < 1e-6


def test_folding_leaves_the_trained_net_as_it_is(small, rng):
    net, eeg = small(), torch.from_numpy(eeg_of(rng, 1, WINDOW))
    before, wavenet = net.outputs(eeg), net.envelope
    folded = wavenet.folded()
    with torch.no_grad():
        folded.dilated[0].weight.zero_()
    for name, output in net.outputs(eeg).items():
        assert torch.equal(output, before[name])
    assert not any(p.requires_grad for p in folded.parameters())
    assert all(p.requires_grad for p in wavenet.parameters())


def test_weights_are_a_direction_times_a_gain(cat):
    conv = cat.wavenet.NormedConv(3, 4, kernel_samples=3)
    with torch.no_grad():
        conv.gain.copy_(torch.arange(1.0, 5.0)[:, None, None])
    assert torch.linalg.vector_norm(conv.weight(), dim=(1, 2)).tolist() == pytest.approx([1, 2, 3, 4])
    cosine = F.cosine_similarity(conv.weight().flatten(1), conv.direction.flatten(1))
    assert cosine.tolist() == pytest.approx([1] * 4)


def test_attention_is_the_formula(cat, rng):
    """With q, k and v made, which the net does not do; channels are the tokens."""
    sizes = cat.crossattention.Sizes(64, 5, 1, 3, 0.0)
    attention = cat.crossattention.CrossAttention(sizes).eval()
    asks, answers = (torch.from_numpy(rng.standard_normal((2, 64, 30)).astype(np.float32)) for _ in range(2))

    def whole(projection, x):
        return projection.out(projection.hidden(x))

    q, k, v = whole(attention.query, asks), whole(attention.key, answers), whole(attention.value, answers)
    y = F.scaled_dot_product_attention(q, k, v)
    expected = attention.norm(y + answers)
    assert relative(attention(asks, answers).detach(), expected.detach()) < 1e-6
    assert attention.norm.num_groups == 1


def test_attention_drops_weights_and_result_in_training_only(small, rng):
    net, eeg = small(attention_dropout=0.5), torch.from_numpy(eeg_of(rng, 1, WINDOW))
    assert torch.equal(net(eeg), net(eeg))
    net.train()
    first, second = net(eeg), net(eeg)
    assert torch.equal(first["envelope"], second["envelope"])  # no attention before the first stage's end
    assert not torch.equal(first["mel"], second["mel"])


def test_prediction_does_not_change_its_input(small, rng):
    eeg = torch.from_numpy(eeg_of(rng, 2, WINDOW))
    before = eeg.clone()
    small().for_prediction()(eeg)
    assert torch.equal(eeg, before)


def test_a_window_that_the_weights_do_not_fit_is_refused(small):
    with pytest.raises(ValueError, match="EEG of 41 samples, expected 40, the net's window"):
        small()(torch.zeros(1, WINDOW + 1, 64))


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize(("feature", "n_bands"), [("envelope", 1), ("pitch", 1), ("formants", 3)])
def test_for_all_but_mel_every_variant_is_the_first_stage(
    cat, variant, feature, n_bands, make_setup, save_net, rng
):
    system, setup = cat.train.SYSTEM, make_setup(feature=feature, n_bands=n_bands, variant=variant)
    config, recipe = system.recipe("compact", variant)
    assert recipe.targets.get(feature, ()) == ()
    note = f"{feature}: the first stage alone, one WaveNet; the stages after it need mel and audio"
    assert system.notes(setup) == ([] if variant == "wavenet-only" else [note])
    assert system.notes(make_setup(variant=variant)) == []
    net = system.build(replace(config, **SMALL), setup, [])
    assert type(net) is cat.model.WaveNetOnly
    assert system.metadata(config, setup, ["S1"])["net"] == "WaveNetOnly"
    decoder = cat.predictor.Decoder(replace(setup, weights=save_net(net)))
    assert decoder.predict(eeg_of(rng, 1, WINDOW), ["S1"]).shape == (1, WINDOW, n_bands)


@pytest.mark.parametrize("preset", ["paper", "compact"])
@pytest.mark.parametrize("variant", VARIANTS)
def test_recipes_train_what_the_nets_give(cat, variant, preset, make_setup):
    system, setup = cat.train.SYSTEM, make_setup(variant=variant)
    config, recipe = system.recipe(preset, variant)
    assert recipe.fixed_length
    assert recipe.losses == {"pearson": 1.0, "l1": 0.2, "kl": 1.0}
    assert recipe.mixup_rounds == (0 if variant == "no-mixup" else 2)
    net = system.build(replace(config, **SMALL), setup, [])
    output = net.train()(torch.zeros(1, WINDOW, 64))
    names = set(output) if isinstance(output, dict) else {"mel"}
    assert {"mel", *recipe.targets.get("mel", ())} == names
    if isinstance(output, dict):
        assert {name: each.shape[2] for name, each in output.items()} == {n: TARGET_BANDS[n] for n in names}


def test_recipe_of_the_paper(cat):
    _, recipe = cat.train.SYSTEM.recipe("paper", "full")
    assert (recipe.epochs, recipe.batch_size, recipe.crop_seconds) == (3000, 24, 30)
    assert (recipe.learning_rate, recipe.betas, recipe.eps) == (5e-4, (0.9, 0.98), 1e-9)
    assert (recipe.average_every, recipe.average_from, recipe.patience) == (40, 0, None)


def test_stages_that_a_variant_lacks_are_left_out_on_import(cat, release, released, rng):
    convert = cat.import_weights.convert
    state, config = convert(release.state, "two-stage")
    assert {name.partition(".")[0] for name in state} == {"envelope", "mel"}
    assert (config.n_filters, config.n_bands, config.n_layers) == ((16, 16, 128, 512), 10, 6)
    state, config = convert(release.state, "wavenet-only")
    assert {name.partition(".")[0] for name in state} == {"wavenet"}
    assert config.n_bands == 1  # the first stage gives the envelope
    net = cat.model.WaveNetOnly(replace(config, dilation_cycle=3)).eval()
    net.load_state_dict({name: torch.from_numpy(array) for name, array in state.items()})
    with torch.inference_mode():
        envelope = net(torch.from_numpy(release.io["eeg"]))
    assert relative(envelope, release.io["envelope"]) < 1e-6
    assert convert(release.state)[0].keys() == convert(release.state, "no-mixup")[0].keys()


def test_imported_weights_say_their_net_and_are_refused_for_other_bands(cat, release, make_setup):
    system, convert = cat.train.SYSTEM, cat.import_weights.convert
    mel = {"feature": "mel", "n_bands": 10}
    envelope = {"feature": "envelope", "n_bands": 1}
    for variant, fits, other in (("full", mel, envelope), ("wavenet-only", envelope, mel)):
        config = convert(release.state, variant)[1]
        said = system.metadata(config, make_setup(variant=variant, **fits), ())
        assert json.loads(said["config"]) == json.loads(json.dumps(asdict(config)))
        with pytest.raises(
            TrainingError, match=f"of {config.n_bands} bands: asked for .*\n.*--variant wavenet-only"
        ):
            system.metadata(config, make_setup(variant=variant, **other), ())


@pytest.mark.slow
def test_tensors_that_are_no_catwavenet_are_refused(cat, release):
    convert, state = cat.import_weights.convert, release.state
    for foreign in ("lstm.weight", "block1.lstm.weight", "eeg2envblock.residual_layer.lstm.weight"):
        with pytest.raises(ValueError, match=f"that the release does not have: {foreign}$"):
            convert({**state, foreign: np.zeros(1)})
    for lacking in ("block2.Fast1.final_conv.2.bias", "block1.crossattn1.projection.weight"):
        with pytest.raises(ValueError, match="^no tensor for "):
            convert({name: array for name, array in state.items() if name != lacking})
    lacking = "block3.Fast1.residual_layer.residual_blocks.2.res_conv.bias"
    shape = r"^shapes: .*skip_conv.bias \(24,\) instead of \(48,\)$"
    with pytest.raises(ValueError, match=shape):  # of the two convolutions that are one here
        convert({name: array for name, array in state.items() if name != lacking})
    with pytest.raises(ValueError, match="no tensor for"):
        convert({})


SMALL_TRAINING = """
SMALL, SHORT = {small!r}, dict(epochs=1, batch_size=8, crop_seconds=2.0)
SYSTEM = replace(
    SYSTEM,
    configs=dict.fromkeys(NETS, {{"compact": replace(PRESETS["compact"], **SMALL)}}),
    variant_recipes={{
        variant: {{"compact": replace(SYSTEM.recipe("compact", variant)[1], **SHORT)}} for variant in NETS
    }},
)
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("variant", "feature", "with_audio"),
    [("full", "mel", True), ("two-stage", "mel", False), ("full", "envelope", False)],
)
def test_trains_and_predicts(cat, official_split, split, tmp_path, variant, feature, with_audio):
    """Nothing but the last two stages of mel asks for audio, of which the official fixture has none."""
    package, root = tmp_path / "catwavenet", tmp_path / "corpus"
    shutil.copytree(cat.folder, package)
    small = SMALL | {"window_samples": 128}
    with (package / "train.py").open("a") as file:
        file.write(SMALL_TRAINING.format(small=small))
    shutil.copytree(official_split / "derivatives", root / "derivatives")
    if with_audio:
        (root / "stimuli/eeg").mkdir(parents=True)
        audio = np.random.default_rng(1).standard_normal(20 * 16000)
        for stimulus in ("audiobook_1", "podcast_3"):
            np.savez(root / f"stimuli/eeg/{stimulus}.npz", audio=audio, fs=16000)
    submission, corpus = load_submission(package), open_corpus(root)
    trained = train_submission(submission, corpus, split, feature, variant=variant, device="cpu")
    n_bands = 10 if feature == "mel" else 1
    size = sizes(corpus.declaration, split, feature)
    setup = load_submission(package).setup(size, variant, weights=trained.path)
    segments = cut_segments(corpus, split, "val", feature=feature)
    predicted = cat.predictor.Decoder(setup).predict(
        np.stack([s.eeg() for s in segments]), ["sub-027"] * len(segments)
    )
    assert predicted.shape == (len(segments), 128, n_bands)
    r = pearson_r(np.stack([s.feature(feature) for s in segments]), predicted).mean()
    assert r == pytest.approx(trained.report["validation_pearson_r"], abs=1e-5)
