"""SSM2Mel: the release's named outputs, the paper's ablations, one length of EEG, who is listening."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from nets import converted, eeg_of, n_parameters, relative

UNUSED_IN_THE_RELEASE = 74_176
VARIANTS = (
    "full",
    "no-s4-unet",
    "no-external-attention",
    "no-esm",
    "mamba-only",
    "mhsa-only",
    "broadcast",
)
SUBJECTS = ("sub-003", "sub-010", "sub-040")
TINY = {
    "window_samples": 40,
    "d_model": 8,
    "d_inner": 12,
    "d_wide": 16,
    "kernel_samples": 3,
    "n_s4_layers": 1,
    "s4_states": 4,
    "mamba_states": 4,
}


@pytest.fixture(scope="module")
def ssm2mel(package):
    return package("submissions/ssm2mel")


@pytest.fixture(scope="module")
def release(golden):
    return golden("ssm2mel")


@pytest.fixture(scope="module")
def released_net(ssm2mel, release):
    return converted(ssm2mel.model.Ssm2Mel, ssm2mel.import_weights.convert, release.state)


@pytest.fixture
def tiny(ssm2mel):
    torch.manual_seed(1)
    return ssm2mel.model.Ssm2Mel(ssm2mel.model.SubjectConfig(**TINY, n_subjects=3)).eval()


def tiny_of(model, variant):
    torch.manual_seed(1)
    net, config = model.NETS[variant]
    return net(config(**TINY, **({} if variant == "no-esm" else {"n_subjects": 3})))


def test_parameters_of_the_release(ssm2mel, released_net, release):
    paper = ssm2mel.model.PRESETS["full"]["paper"]
    assert released_net.config == paper
    assert n_parameters(released_net) == release.meta["parameters"] - UNUSED_IN_THE_RELEASE
    assert release.meta["parameters"] == 6_877_770


def test_parameters_of_the_ablations(ssm2mel, released_net):
    full, net = n_parameters(released_net), released_net
    fft = 4 * (64 * 64 + 64) + 128 + (64 * 1024 * 9 + 1024) + (1024 * 64 + 64) + 128
    s4 = 64 * (32 * 8 + 1 + 1) + (64 * 128 + 128) + 128
    unet = (3 + 2 + 3 + 3) * 64 * 64 + 3 * 64 + 3 * (64 * 64 + 64 + 8 * s4)
    paper = {variant: presets["paper"] for variant, presets in ssm2mel.model.PRESETS.items()}
    less = {
        "no-s4-unet": 3 * unet,
        "no-external-attention": 2 * 8 * 64,
        "no-esm": 85 * 64 + 64 + 128 + fft,
        "mamba-only": n_parameters(net.blocks["custom"]) + fft,
        "mhsa-only": n_parameters(net.blocks["mamba"]),
        "broadcast": 9 * (64 + 1),
    }
    for variant, fewer in less.items():
        assert n_parameters(ssm2mel.model.NETS[variant][0](paper[variant])) == full - fewer, variant


@pytest.mark.slow
def test_outputs_of_the_release(released_net, release):
    """All within 9e-5: the release computes its S4 kernels in single precision."""
    net, io = released_net, {name: torch.from_numpy(array) for name, array in release.io.items()}
    eeg = io["eeg"]
    with torch.inference_mode():
        made = {
            "x0": net.esm(eeg, io["subject"]),
            "after_external_attention": net.external(net.unet(io["x0"])),
            "unet_of_eeg": net.unet(eeg),
            "external_attention_of_eeg": net.external(eeg),
            "custom_block_of_eeg": net.blocks["custom"](eeg),
            "mamba_block_of_eeg": net.blocks["mamba"](eeg),
        }
        inputs = []
        hooks = [
            block.register_forward_pre_hook(lambda _, args: inputs.append(args[0]))
            for block in net.blocks.values()
        ]
        made["mel"] = net(eeg, io["subject"])
        for hook in hooks:
            hook.remove()
    made["backbone_inputs"] = torch.stack(inputs)
    assert made.keys() == release.meta["outputs"].keys()
    for name, tensor in made.items():
        assert tensor.shape == io[name].shape, name
        assert relative(tensor, io[name]) < 9e-5, name
    assert relative(made["x0"], io["x0"]) < 1e-6  # no S4 before it
    assert relative(made["external_attention_of_eeg"], io["external_attention_of_eeg"]) < 1e-6


def test_broadcast_gives_one_series_to_every_band(ssm2mel, rng):
    net = tiny_of(ssm2mel.model, "broadcast").eval()
    mel = net(torch.from_numpy(eeg_of(rng, 2, 40)), torch.tensor([0, 1]))
    assert mel.shape == (2, 40, 10)
    assert torch.equal(mel, mel[..., :1].expand(-1, -1, 10))
    assert mel[..., 0].std() > 0


def test_the_subject_matters_but_without_esm(ssm2mel, rng):
    eeg = torch.from_numpy(eeg_of(rng, 1, 40)).expand(2, -1, -1)
    for variant in VARIANTS:
        mel = tiny_of(ssm2mel.model, variant).eval()(eeg, torch.tensor([0, 2])).detach()
        assert (relative(mel[0], mel[1]) > 1e-3) == (variant != "no-esm"), variant


def test_a_subject_that_is_not_learned_gets_the_mean_embedding(tiny, rng):
    eeg = torch.from_numpy(eeg_of(rng, 1, 40))
    with torch.no_grad():
        unknown = tiny(eeg, torch.tensor([-1]))
        tiny.esm.projection.weight.copy_(tiny.esm.projection.weight.mean(1, keepdim=True).expand(-1, 3))
        assert relative(tiny(eeg, torch.tensor([1])), unknown) < 1e-5


def test_another_length_is_refused(ssm2mel, tiny, rng):
    with pytest.raises(ValueError, match=r"EEG of 44 samples, expected 40: the net takes one length"):
        tiny(torch.from_numpy(eeg_of(rng, 1, 44)), torch.tensor([0]))
    with pytest.raises(ValueError, match="window_samples = 42, expected a multiple of 4"):
        ssm2mel.model.Ssm2Mel(replace(tiny.config, window_samples=42))


@pytest.mark.slow
def test_release_weights_become_any_variants(ssm2mel, release, make_setup):
    convert = ssm2mel.import_weights.convert
    names = set(convert(release.state)[0])
    for variant in ("no-s4-unet", "no-esm", "mhsa-only"):
        weights, config = convert(release.state, variant)
        assert weights.keys() < names
        assert isinstance(config, ssm2mel.model.NETS[variant][1])
    one = {
        **release.state,
        "fc.weight": release.state["fc.weight"][:1],
        "fc.bias": release.state["fc.bias"][:1],
    }
    assert convert(one)[1].n_bands == 1
    assert convert(one, "broadcast")[1].n_bands == 10
    said = ssm2mel.train.SYSTEM.metadata(convert(one)[1], make_setup(variant="full", n_bands=1), ())
    assert json.loads(said["subjects"])[::84] == ["sub-001", "sub-085"]


def test_a_checkpoint_that_has_run_gives_the_same_net(ssm2mel, release):
    """The release overwrites C by C (I - dA^L) on its first call of length L."""
    layer = "unet.s4_model3.s4_layers.5.layer.kernel."
    P, C = (torch.view_as_complex(torch.from_numpy(release.state[layer + name][0]).double()) for name in "PC")
    real, imag, log_dt = (
        torch.from_numpy(release.state[layer + n]).double() for n in ("A_real", "A_imag", "inv_dt")
    )
    A = torch.complex(-real.exp(), -imag)
    A, P, C = (torch.cat([x, x.conj()], dim=1) for x in (A, P, C))
    step = log_dt.exp()[..., None] / 2 * (torch.diag_embed(A) - P[..., None] * P.conj()[:, None])
    one = torch.eye(64, dtype=A.dtype)
    power = torch.linalg.matrix_power(torch.linalg.solve(one - step, one + step), 640)
    stored = torch.view_as_real((C - (C[:, None] @ power)[:, 0])[:, :32]).float().numpy()
    run = {**release.state, layer + "C": stored[None], layer + "l_kernel": np.array(640)}
    assert relative(stored, release.state[layer + "C"][0]) > 0.01
    ours = "unet.s4_whole.layers.5.s4.kernel.C"
    convert = ssm2mel.import_weights.convert
    assert relative(convert(run)[0][ours], convert(release.state)[0][ours]) < 1e-5


@pytest.mark.slow
def test_tensors_that_are_no_ssm2mel_are_refused(ssm2mel, release):
    state = release.state
    with pytest.raises(ValueError, match=r"tensors that the release does not have: lstm.weight$"):
        ssm2mel.import_weights.convert({**state, "lstm.weight": np.zeros(1)})
    without = {name: array for name, array in state.items() if name != "fc.bias"}
    with pytest.raises(ValueError, match=r"^no tensor for readout.bias$"):
        ssm2mel.import_weights.convert(without)
    without = {name: array for name, array in state.items() if name != "unet.up_conv.bias"}
    with pytest.raises(ValueError, match=r"^no tensor for unet.up_half.bias$"):
        ssm2mel.import_weights.convert(without)
