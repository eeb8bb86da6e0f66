"""DMF2Mel: the release's outputs block by block and as a whole, its splines, and its variants."""

import json
from dataclasses import asdict, replace

import numpy as np
import pytest
import torch
from nets import converted, eeg_of, n_parameters, relative
from scipy.interpolate import BSpline

from harness.nn.esm import sinusoids

TINY = {
    "n_subjects": 3,
    "d_model": 8,
    "d_inner": 12,
    "grids": (4, 3, 5, 3),
    "slots": (6, 3, 5, 7),
    "n_hams": 2,
    "d_reduced": 2,
    "n_dcfam": 2,
    "dcfam_heads": 2,
    "fold": 2,
    "d_state": 4,
    "d_feed": 10,
    "window_samples": 32,
}
SUBJECTS = ("sub-003", "sub-010", "sub-040")
VARIANTS = ("full", "no-dcfam", "no-hams", "no-splinemap", "no-mamba", "broadcast")
FEEDBACK_CONV = 20  # parameters that the release has and never uses


@pytest.fixture(scope="module")
def dmf(package):
    return package("submissions/dmf2mel")


@pytest.fixture(scope="module")
def release(golden):
    return golden("dmf2mel")


@pytest.fixture(scope="module")
def released(dmf, release):
    return converted(dmf.model.Dmf2Mel, dmf.import_weights.convert, release.state)


@pytest.fixture
def make(dmf):
    def make(variant="full", **changes):
        torch.manual_seed(1)
        net = dmf.model.NETS[variant](dmf.model.Config(**{**TINY, **changes})).eval()
        for name, parameter in net.named_parameters():
            if name.endswith("gamma"):  # at its initial 0 ADAF's attentions would not be seen
                torch.nn.init.constant_(parameter, 0.5)
        return net

    return make


# --- the release


@pytest.mark.parametrize(
    ("output", "module", "source", "tolerance"),
    [
        ("agkan_query_of_eeg", "fusions.0.queries", "eeg", 1e-6),
        ("splinemap_of_eeg", "fusions.0", "eeg thrice", 1e-6),
        ("position_attention_of_reduced", "multiscale.hams.adaf.position_attention", "reduced", 1e-6),
        ("channel_attention_of_reduced", "multiscale.hams.adaf.channel_attention", "reduced", 1e-6),
        ("adaf_of_eeg", "multiscale.hams.adaf", "eeg, channels first", 2e-6),
        ("hams_of_eeg", "multiscale.hams", "eeg", 1e-6),
        ("dcfam_of_eeg", "window.dcfam", "eeg", 1e-6),
        ("mamba_block_of_eeg", "backbone.block", "eeg", 2e-6),
    ],
)
def test_blocks_give_the_releases_outputs(release, released, output, module, source, tolerance):
    eeg, reduced = (torch.from_numpy(release.io[name]) for name in ("eeg", "adaf_reduced_of_eeg"))
    inputs = {
        "eeg": [eeg],
        "eeg thrice": [eeg, eeg, eeg],
        "eeg, channels first": [eeg.transpose(1, 2)],
        "reduced": [reduced[:, :, 0]],
    }
    with torch.inference_mode():
        y = released.get_submodule(module)(*inputs[source])
    expected = release.io[output]
    expected = expected[:, :, 0] if expected.ndim == 4 else expected  # images of height 1
    assert y.shape == expected.shape
    assert relative(y, expected) < tolerance


def test_reduction_gives_the_releases_output(release, released):
    with torch.inference_mode():
        x = torch.from_numpy(release.io["eeg"]).transpose(1, 2)
        y = torch.relu(released.multiscale.hams.adaf.reduce_position(x))
    assert relative(y, release.io["adaf_reduced_of_eeg"][:, :, 0]) < 1e-6


def test_parameters_of_the_release(dmf, release, released):
    assert n_parameters(released) + FEEDBACK_CONV == release.meta["parameters"] == 5_883_107
    assert released.config == dmf.model.PRESETS["paper"]
    readout = 64 + 1
    envelope = dmf.model.Dmf2Mel(replace(released.config, n_bands=1))
    assert n_parameters(envelope) + FEEDBACK_CONV == 5_883_107 - 9 * readout == 5_882_522
    assert n_parameters(dmf.model.Broadcast(released.config)) == n_parameters(envelope)


def test_variants_lack_what_they_are_named_for(make):
    counts = {variant: n_parameters(make(variant)) for variant in VARIANTS}
    full = make()
    parts = {name: n_parameters(module) for name, module in full.named_children()}
    assert counts["full"] - counts["no-dcfam"] == parts["window"]
    assert counts["full"] - counts["no-hams"] == parts["multiscale"]
    assert counts["full"] - counts["no-mamba"] == parts["backbone"]
    assert counts["full"] - counts["broadcast"] == 9 * (8 + 1)
    attention = 2 * 8 + 4 * (8 * 8 + 8)
    esm = parts["esm"] - n_parameters(full.esm.attention)
    kept = parts["embed"] + esm + parts["multiscale"] + parts["window"] + parts["backbone"] + parts["readout"]
    assert counts["no-splinemap"] == kept + 7 * attention


# --- import


def test_imported_weights_of_each_variant(dmf, release, make_setup):
    one_output = {**release.state, "fc.weight": np.ones((1, 64)), "fc.bias": np.ones(1)}
    for variant in VARIANTS:
        if variant == "no-splinemap":
            continue
        state = one_output if variant == "broadcast" else release.state
        weights, config = dmf.import_weights.convert(state, variant)
        net = dmf.model.NETS[variant](config)
        net.load_state_dict({name: torch.from_numpy(array) for name, array in weights.items()})
        said = dmf.train.SYSTEM.metadata(config, make_setup(variant=variant), ())
        assert said["net"] == type(net).__name__
        assert json.loads(said["config"])["n_bands"] == 10
        subjects = json.loads(said["subjects"])
        assert (subjects[0], subjects[-1], len(subjects)) == ("sub-001", "sub-085", 85)


def test_what_is_computed_here_may_stand_in_the_file(dmf, release):
    state = {
        **release.state,
        "positional_encoding.pe": sinusoids(640, 64).numpy()[None],
        "slf_attn3.w_qs.kan.grid": np.zeros((64, 15)),
    }
    assert dmf.import_weights.convert(state)[0].keys() == dmf.import_weights.convert(release.state)[0].keys()


def test_tensors_that_are_no_dmf2mel_are_refused(dmf, release):
    convert = dmf.import_weights.convert
    with pytest.raises(ValueError, match=r"tensors that the release does not have: lstm.weight$"):
        convert({**release.state, "lstm.weight": np.zeros(1)})
    for name, ours in (("fc.bias", "readout.bias"), ("hams.convd2.bias", "multiscale.hams.to_quarter.bias")):
        lacking = {key: array for key, array in release.state.items() if key != name}
        with pytest.raises(ValueError, match=f"^no tensor for {ours}$"):
            convert(lacking)
    with pytest.raises(ValueError, match=r"no-splinemap, expected another variant"):
        convert(release.state, "no-splinemap")
    with pytest.raises(ValueError, match=r"10 outputs, expected 1, which the variant broadcast repeats"):
        convert(release.state, "broadcast")


# --- splines


@pytest.mark.parametrize("grid", [1, 3, 8])
def test_splines_are_scipys(dmf, rng, grid):
    kan = dmf.kan.Kan(2, 3, grid)
    with torch.no_grad():
        kan.base.zero_()
    step = 2 / grid
    knots = -1 + step * np.arange(-3, grid + 4)
    x = np.concatenate([rng.uniform(-2, 2, (200, 2)), np.stack([knots, knots], axis=1)]) * 1.2
    coefficients = (kan.spline * kan.scaler[..., None]).detach().double().numpy()
    expected = np.zeros((len(x), 3))
    for i in range(2):
        for o in range(3):
            for k in range(grid + 3):
                element = BSpline.basis_element(knots[k : k + 5], extrapolate=False)
                expected[:, o] += coefficients[o, i, k] * np.nan_to_num(element(x[:, i]))
    y = kan(torch.from_numpy(x.astype(np.float32))[None])[0].detach()
    assert np.abs(y.numpy() - expected).max() < 1e-6 * np.abs(coefficients).max() * grid


def test_splines_have_the_gradient_of_their_values(dmf, rng):
    u = torch.from_numpy(rng.uniform(-2, 10, (9, 2))).requires_grad_()
    weight = torch.from_numpy(rng.standard_normal((6, 2, 3))).requires_grad_()
    assert torch.autograd.gradcheck(dmf.kan.SplineSum.apply, (u, weight))


def test_curves_begin_small_and_go_through_noise(dmf):
    torch.manual_seed(0)
    kan = dmf.kan.Kan(30, 40, 8)
    with torch.no_grad():
        kan.base.zero_()
        kan.scaler.fill_(1.0)
        knots = torch.linspace(-1, 1, 9)[:, None, None]
        curves = torch.stack(
            [kan(knots.expand(-1, -1, 30) * torch.eye(30)[i] + 9 * (1 - torch.eye(30)[i])) for i in range(30)]
        )  # the others are far outside the grid
    assert curves.abs().max() <= 0.05 / 8 * 1.0001
    assert curves.std() == pytest.approx(0.1 / 8 / 12**0.5, rel=0.05)


def test_agkan_is_the_formula(dmf, rng):
    torch.manual_seed(0)
    layer = dmf.kan.Agkan(6, 5, 4, 3)
    x = torch.from_numpy(rng.standard_normal((2, 7, 6)).astype(np.float32))
    gate = 1 / (1 + torch.exp(-(x @ layer.gate.weight.T + layer.gate.bias)))
    slots = torch.softmax(x @ layer.compress.weight.T, dim=-1) @ layer.recover.weight.T
    y = gate * layer.kan(x) + (1 - gate) * slots
    y = (y - y.mean(-1, keepdim=True)) / (y.var(-1, correction=0, keepdim=True) + 1e-5).sqrt()
    assert relative(layer(x).detach(), y.detach()) < 1e-6


# --- DC_FAM


def test_dropout_of_neighbours_leaves_their_mean(dmf, rng):
    torch.manual_seed(0)
    block = dmf.dcfam.Aggregation(8, 2, 0.3)
    local, overall = (torch.from_numpy(rng.standard_normal((1, 6, 8)).astype(np.float32)) for _ in range(2))
    with torch.no_grad():
        expected = block.eval()(local, overall)
        block.train()
        mean = torch.stack([block(local, overall) for _ in range(800)]).mean(dim=0)
    assert relative(mean, expected) < 0.1


def test_folding_is_undone(dmf, rng):
    branch = dmf.model.whole_window(dmf.model.Config(**{**TINY, "fold": 4}))
    x = torch.from_numpy(rng.standard_normal((2, 32, 8)).astype(np.float32))
    folded = branch.folded(x)
    assert folded.shape == (2, 8, 32)
    assert torch.equal(branch.unfolded(folded), x)
    assert torch.equal(folded[0, 3], x[0, 12:16].T.flatten())


# --- the net


def test_half_precision_stays_near(make, rng):
    net, eeg = make(), torch.from_numpy(eeg_of(rng, 2, 32))
    expected = net(eeg, torch.tensor([0, 1])).detach()
    with torch.autocast("cpu", torch.bfloat16):
        mel = net(eeg, torch.tensor([0, 1]))
    mel.float().sum().backward()
    assert relative(mel.float().detach(), expected) < 0.05


def test_broadcast_repeats_one_series(make, rng):
    mel = make("broadcast")(torch.from_numpy(eeg_of(rng, 1, 32)), torch.tensor([0]))
    assert mel.shape == (1, 32, 10)
    assert torch.equal(mel, mel[..., :1].expand(-1, -1, 10))
    assert mel.std(dim=1).min() > 0


@pytest.mark.parametrize("n_times", [24, 40])
def test_another_window_is_refused(make, rng, n_times):
    with pytest.raises(ValueError, match=f"EEG of {n_times} samples, expected 32"):
        make()(torch.from_numpy(eeg_of(rng, 1, n_times)), torch.tensor([0]))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"window_samples": 36}, "window_samples = 36, expected a multiple of 8"),
        ({"fold": 3}, "fold = 3, expected a divisor of 32"),
        ({"dcfam_heads": 5}, "dcfam_heads = 5, expected a divisor of 16"),
        ({"n_heads": 3}, "3 heads for d_model = 8"),
        ({"grids": (4, 3)}, "grids = \\(4, 3\\), expected four numbers"),
        ({"grids": (4, 3, 0, 3)}, "grids = \\(4, 3, 0, 3\\), expected four numbers"),
    ],
)
def test_sizes_that_do_not_fit_are_refused(make, wrong, message):
    with pytest.raises(ValueError, match=message):
        make(**wrong)


def test_nothing_computed_is_saved(make):
    assert not [name for name in make().state_dict() if "position" in name and "hams" not in name]


# --- the predictor


def test_weights_that_do_not_fit_are_refused(dmf, make, save_net, make_setup):
    changed = {"config": json.dumps(asdict(dmf.model.Config(**{**TINY, "window_samples": 64})))}
    with pytest.raises(ValueError, match=r"of shape \(.*\) instead of \(.*\)"):
        dmf.predictor.Decoder(make_setup(save_net(make(), SUBJECTS, changed), variant="full"))


# --- training


def test_paper_recipe_is_the_releases(dmf):
    _, recipe = dmf.train.SYSTEM.recipe("paper", "full")
    assert recipe.losses == {"pearson": 1.0, "l1": 0.5, "info_nce": 0.1}
    assert (recipe.epochs, recipe.batch_size, recipe.info_nce_temperature) == (2000, 16, 0.1)
