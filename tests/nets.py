"""Every package with a net: small sizes of it, what is known of it, and what any of them is asked."""

from dataclasses import dataclass, replace

import numpy as np
import torch

SUBJECTS = ("sub-003", "sub-010", "sub-040")


@dataclass(frozen=True)
class Package:
    """A package with a net.

    Attributes:
        folder: in the repository.
        tiny: sizes of a net that a test builds in no time.
        paper: variant -> parameters of the preset ``paper``, all of them.
        compact: fewest and most parameters of the preset ``compact``.
        length: samples of EEG that the tiny net is given: its window, where it has one.
        takes_shorter: whether the net takes EEG that is shorter than its window.
    """

    folder: str
    tiny: dict
    paper: dict
    compact: tuple
    length: int
    takes_shorter: bool = True

    @property
    def name(self):
        return self.folder.partition("/")[2]

    @property
    def has_window(self):
        return "window_samples" in self.tiny


PACKAGES = (
    Package(
        "baselines/vlaai",
        {"filters": (6, 6, 6, 4, 4), "kernel_samples": 3, "context_samples": 4, "n_blocks": 3},
        {"original": 1_740_289, "challenge": 12_881_994},
        (50_000, 300_000),
        60,
    ),
    Package(
        "baselines/happyquokka",
        {"d_model": 8, "d_inner": 12, "n_blocks": 2, "window_samples": 40},
        {"conditioned": 11_094_273, "unconditioned": 11_094_273 - (71 * 128 + 128)},
        (50_000, 300_000),
        40,
    ),
    Package(
        "baselines/dprnn",
        {"n_filters": 6, "n_hidden": 5, "n_blocks": 2, "chunk_samples": 8, "window_samples": 60},
        {"default": 3_627_393},
        (50_000, 300_000),
        60,
    ),
    Package(
        "baselines/convconcatnet",
        {"n_filters": 4, "n_iterations": 2, "n_rounds": 2, "kernel_samples": 3, "context_samples": 5},
        {"default": 544_384 + 64 * 10 + 10},
        (50_000, 300_000),
        60,
    ),
    Package(
        "submissions/catwavenet",
        {
            "n_filters": (6, 6, 4, 4),
            "n_layers": 3,
            "dilation_cycle": 2,
            "n_attention_hidden": 12,
            "n_attention_layers": 2,
            "attention_mix_samples": 3,
            "attention_dropout": 0.1,
            "window_samples": 40,
        },
        {
            "full": 92_474_356,
            "wavenet-only": 4_765_194,
            "two-stage": 10_314_131,
            "no-mixup": 92_474_356,
        },
        (50_000, 400_000),
        40,
        takes_shorter=False,
    ),
    Package(
        "submissions/dmf2mel",
        {
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
        },
        {
            "full": 5_883_087,
            "no-dcfam": 2_791_638,
            "no-hams": 5_847_711,
            "no-splinemap": 4_359_859,
            "no-mamba": 5_430_287,
            "broadcast": 5_882_502,
        },
        (50_000, 500_000),
        32,
        takes_shorter=False,
    ),
    Package(
        "submissions/ssm2mel",
        {
            "window_samples": 40,
            "d_model": 8,
            "d_inner": 12,
            "d_wide": 16,
            "kernel_samples": 3,
            "n_s4_layers": 1,
            "s4_states": 4,
            "mamba_states": 4,
        },
        {
            "full": 6_803_594,
            "no-s4-unet": 4_833_290,
            "no-external-attention": 6_802_570,
            "no-esm": 6_124_618,
            "mamba-only": 3_476_938,
            "mhsa-only": 3_990_730,
            "broadcast": 6_803_009,
        },
        (100_000, 400_000),
        40,
        takes_shorter=False,
    ),
)

# Packages of music: folder -> parameters that are trained, running statistics, sizes of a tiny net.
MUSIC_NETS = {
    "submissions/eeg2mel": (9_831_784, 1_264, {"filters": (2, 2, 3), "dense": (6, 5)}),
    "submissions/music-rcnn": (2_231_200, 192, {"filters": (2, 3), "n_hidden": 4}),
    "submissions/music-encoder-decoder": (2_888_608, 192, {"filters": (2, 3), "n_hidden": 4}),
    "submissions/music-transformer": (975_360, 0, {"d_model": 8, "n_layers": 2, "n_heads": 2, "d_feed": 12}),
}


def build(system, package, setup, **sizes):
    """A variant's tiny net in eval mode, for the setup and three subjects."""
    torch.manual_seed(1)
    config, _ = system.recipe("compact", setup.variant)
    net = system.build(replace(config, **{**package.tiny, **sizes}), setup, SUBJECTS).eval()
    for name, parameter in net.named_parameters():
        if name.endswith("gamma"):  # at its initial 0 an attention would not be seen
            torch.nn.init.constant_(parameter, 0.5)
    return net


def learned(net):
    """The subjects in the net's table."""
    return SUBJECTS if hasattr(net.config, "n_subjects") else ()


def scaled(eeg):
    """Each segment with mean 0 and standard deviation 1 over time."""
    return (eeg - eeg.mean(axis=1, keepdims=True)) / eeg.std(axis=1, keepdims=True)


def applied(net, eeg, index):
    """What a net gives for z-scored segments."""
    with torch.inference_mode():
        return net(torch.from_numpy(scaled(eeg)), torch.tensor(index)).numpy()


def n_parameters(net):
    return sum(parameter.numel() for parameter in net.parameters())


def relative(a, b):
    """2-norm of the difference, relative to b's."""
    return float(np.linalg.norm(np.asarray(a) - np.asarray(b)) / np.linalg.norm(np.asarray(b)))


def side_by_side(output):
    """All outputs of a net in training."""
    return torch.cat(list(output.values()), dim=2) if isinstance(output, dict) else output


def without_gradient(net, *inputs):
    """Names of the parameters that no gradient reaches in one step of training."""
    torch.manual_seed(0)
    net.train()
    output = side_by_side(net(*inputs))
    (output * torch.randn_like(output)).sum().backward()
    return [
        name
        for name, parameter in net.named_parameters()
        if parameter.grad is None or not parameter.grad.abs().sum() > 0
    ]


def eeg_of(rng, *shape, n_channels=64):
    return rng.standard_normal((*shape, n_channels)).astype(np.float32)


def converted(net, convert, state, config=None):
    """The net of release-named weights, in eval mode."""
    own, read = convert(state)
    built = net(config or read)
    built.load_state_dict({name: torch.from_numpy(array) for name, array in own.items()}, strict=True)
    return built.eval()
