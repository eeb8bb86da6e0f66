"""Weights of the released SSM2Mel, under its own names, as weights of `model.Ssm2Mel`.

    sub_proj, layer_norm, slf_attn.*, pos_ffn.*     the subject embedding (ESM)
    unet.*                                          the first S4-UNet
    block.mk, mv                                    the external attention
    custom_block.*, mamba_block.*                   the backbone's two blocks
    fc                                              the readout

``positional_encoding.pe`` is the table of positions, which is computed here and compared. In an S4 layer, C
is C itself where ``l_kernel`` is 0; elsewhere the release has overwritten it, and it is computed back.
``projection``, ``reduction``, ``sub_proj``, ``conv_block.conv_layer`` and ``conv_layer1`` of the two blocks
reach no output and are left out. Heads, calls and dropout leave no trace in the weights: they are taken as
released. The release knows its subjects by position only: they are taken to be sub-001 and on.
"""

import re
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import numpy as np
import torch
from model import NETS, Config
from numpy.typing import NDArray

from harness.nn.esm import check_positions
from harness.nn.s4 import S4Kernel, original_c
from harness.nn.weights import check_state

Tensors = Mapping[str, NDArray[np.floating]]
State = dict[str, NDArray[Any]]

POSITIONS = "positional_encoding.pe"
UNUSED = re.compile(
    r"(custom|mamba)_block\.(projection|reduction|sub_proj|conv_block\.conv_layer1?)\.(weight|bias)"
)
RENAMED = (  # a part of a release's name -> ours
    (r"^sub_proj\.", "esm.projection."),
    (r"^layer_norm\.", "esm.norm."),
    (r"^slf_attn\.", "esm.slf_attn."),
    (r"^pos_ffn\.", "esm.pos_ffn."),
    (r"^block\.mk\.", "external.keys."),
    (r"^block\.mv\.", "external.values."),
    (r"^fc\.", "readout."),
    (r"^(custom|mamba)_block\.", r"blocks.\1."),
    (r"\.conv3\.0\.", ".convolution."),
    (r"\.conv3\.1\.", ".norm."),
    (r"\.layer_stack\.0\.", ".attention."),
    (r"\.slf_attn\.w_qs\.", ".attention.queries."),
    (r"\.slf_attn\.w_ks\.", ".attention.keys."),
    (r"\.slf_attn\.w_vs\.", ".attention.values."),
    (r"\.slf_attn\.fc\.", ".attention.output."),
    (r"\.slf_attn\.layer_norm\.", ".attention.norm."),
    (r"\.pos_ffn\.w_1\.", ".feed_forward.widen."),
    (r"\.pos_ffn\.w_2\.", ".feed_forward.narrow."),
    (r"\.pos_ffn\.layer_norm\.", ".feed_forward.norm."),
    (r"\.ffm\.layer_norm\.", ".half_step.norm."),
    (r"\.ffm\.linear1\.", ".half_step.widen."),
    (r"\.ffm\.linear2\.", ".half_step.narrow."),
    (r"\.conv_block\.pw_conv_1\.", ".conv_block.mix_in."),
    (r"\.conv_block\.pw_conv_2\.", ".conv_block.mix_out."),
    (r"\.conv_block\.group_norm\.", ".conv_block.norm_in."),
    (r"\.conv_block\.group_norm_2\.", ".conv_block.norm_out."),
    (r"\.conv_block\.depthwise_conv\.", ".conv_block.depthwise."),
    (r"\.conv_block\.s4_model\.", ".conv_block.s4."),
    (r"\.Bimamba_outer\.forward_mamba\.", ".mixer.onward."),
    (r"\.Bimamba_outer\.backward_mamba\.", ".mixer.backward_."),
    (r"\.Bimamba_outer\.output_proj\.", ".mixer.output."),
    (r"\bunet\.convd1\.", "unet.down_half."),
    (r"\bunet\.convd2\.", "unet.down_quarter."),
    (r"\bunet\.up_conv\.", "unet.up_half."),
    (r"\bunet\.up_conv1\.", "unet.up_whole."),
    (r"\bunet\.s4_model1\.", "unet.s4_quarter."),
    (r"\bunet\.s4_model2\.", "unet.s4_half."),
    (r"\bunet\.s4_model3\.", "unet.s4_whole."),
    (r"\.s4_layers\.(\d+)\.output_linear\.0\.", r".layers.\1.output."),
    (r"\.s4_layers\.(\d+)\.layer\.", r".layers.\1.s4."),  # then kernel.*, D
)


def convert(tensors: Tensors, variant: str | None = None) -> tuple[State, Config]:
    """Rename a release's tensors, compute C back, and read the net's sizes from their shapes.

    Args:
        tensors: release name -> array.
        variant: what to make of them; the parts that it lacks are left out. None for ``full``. A release
            with one output is the envelope's ``full``, or ``broadcast`` for as many bands as its default.

    Returns:
        The state of the variant's net, and the configuration to build it with.

    Raises:
        ValueError: names that the release does not have, names or shapes of its own that are missing, or
            another table of positions.
    """
    named = {_renamed(name): name for name in tensors if not UNUSED.fullmatch(name)}
    state = {ours: _array(theirs, tensors[theirs]) for ours, theirs in named.items()}
    lengths = {ours: int(state.pop(ours)) for ours in list(state) if ours.endswith(".l_kernel")}
    positions = state.pop(POSITIONS, None)
    sized = True
    try:
        sizes = _sizes(state)
        full = _expected("full", sizes)
    except (
        KeyError,
        IndexError,
        TypeError,
        ValueError,
        RuntimeError,
    ):  # what is lacking is said by the release's own sizes
        sizes, sized = {}, False
        full = _expected("full", sizes)
    chosen = variant or "full"
    expected = _expected(chosen, sizes)
    taken = {ours: array for ours, array in state.items() if ours in expected or ours not in full}
    check_state(expected, taken, named, sized=sized)
    config = _config(chosen, sizes)
    if positions is not None:
        check_positions(positions, config.window_samples, config.d_model)
    for ours, n_times in lengths.items():
        start = ours.removesuffix("l_kernel")
        if n_times and f"{start}C" in state:
            state[f"{start}C"] = _original_c(state, start, n_times)
    return {ours: state[ours] for ours in expected}, config


def _renamed(name: str) -> str:
    for theirs, ours in RENAMED:
        name = re.sub(theirs, ours, name)
    return name


def _array(name: str, array: NDArray[Any]) -> NDArray[Any]:
    """Float32, or a count as it is; S4's axis of one system a channel goes."""
    array = np.asarray(array)
    if array.dtype.kind == "f":
        array = array.astype(np.float32)
    return array[0] if re.search(r"\.layer\.(kernel\.[BCP]|D)$", name) else array


def _sizes(state: State) -> dict[str, int]:
    custom = "blocks.custom."
    return {
        "n_bands": len(state["readout.bias"]),
        "n_subjects": state["esm.projection.weight"].shape[1],
        "window_samples": len(state[f"{custom}conv_block.mix_in.bias"]),
        "n_channels": len(state["readout.weight"][0]),  # the release mixes none: as many as d_model
        "d_model": len(state["readout.weight"][0]),
        "d_inner": len(state[f"{custom}attention.feed_forward.widen.bias"]),
        "d_wide": len(state[f"{custom}half_step.widen.bias"]),
        "kernel_samples": state[f"{custom}attention.feed_forward.widen.weight"].shape[2],
        "n_s4_layers": len([name for name in state if re.match(r"unet\.s4_whole\.norms\.\d+\.bias$", name)]),
        "s4_states": 2 * state["unet.s4_whole.layers.0.s4.kernel.A_real"].shape[1],
        "mamba_states": state["blocks.mamba.mixer.onward.A_log"].shape[1],
    }


def _config(variant: str, sizes: Mapping[str, int]) -> Config:
    kind = NETS[variant][1]
    known = {field.name for field in fields(kind)}
    if variant == "broadcast":
        known.remove("n_bands")  # the one output leaves no trace of how many it stands for
    return kind(**{name: size for name, size in sizes.items() if name in known})


def _expected(variant: str, sizes: Mapping[str, int]) -> dict[str, torch.Tensor]:
    """The state of a variant's net."""
    return NETS[variant][0](_config(variant, sizes)).state_dict()


def _original_c(state: State, start: str, n_times: int) -> NDArray[np.float32]:
    d_model, n_pairs = state[f"{start}A_real"].shape
    kernel = S4Kernel(d_model, 2 * n_pairs)
    kernel.load_state_dict({name: torch.from_numpy(state[start + name]) for name in kernel.state_dict()})
    restored: NDArray[np.float32] = original_c(kernel, n_times).numpy()
    return restored
