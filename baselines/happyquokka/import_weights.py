"""Weights of the released HappyQuokka, under its own names, as weights of `model.HappyQuokka`.

    conv.*                                                  the convolution that takes the EEG
    sub_proj.*                                              the global conditioner
    layer_stack.<i>.slf_attn.w_qs, w_ks, w_vs, fc, layer_norm    attention of block i
    layer_stack.<i>.pos_ffn.w_1, w_2, layer_norm            feed-forward part of block i
    fc.*                                                    the readout

Heads and dropout leave no trace in the weights: they are taken as released. The release knows its subjects
by position only: they are taken to be sub-001 and on, see `train.System.metadata`.
"""

import re
from collections.abc import Mapping

import numpy as np
from model import NETS, Config
from numpy.typing import NDArray
from torch import Tensor

from harness.nn.weights import check_state

Tensors = Mapping[str, NDArray[np.floating]]

RENAMED = (  # a release name's start -> ours
    (r"conv\.", "embed."),
    (r"sub_proj\.", "conditioner.projection."),
    (r"layer_stack\.(\d+)\.slf_attn\.w_qs\.", r"blocks.\1.0.queries."),
    (r"layer_stack\.(\d+)\.slf_attn\.w_ks\.", r"blocks.\1.0.keys."),
    (r"layer_stack\.(\d+)\.slf_attn\.w_vs\.", r"blocks.\1.0.values."),
    (r"layer_stack\.(\d+)\.slf_attn\.fc\.", r"blocks.\1.0.output."),
    (r"layer_stack\.(\d+)\.slf_attn\.layer_norm\.", r"blocks.\1.0.norm."),
    (r"layer_stack\.(\d+)\.pos_ffn\.w_1\.", r"blocks.\1.1.widen."),
    (r"layer_stack\.(\d+)\.pos_ffn\.w_2\.", r"blocks.\1.1.narrow."),
    (r"layer_stack\.(\d+)\.pos_ffn\.layer_norm\.", r"blocks.\1.1.norm."),
    (r"fc\.", "readout."),
)


def convert(tensors: Tensors, variant: str | None = None) -> tuple[dict[str, NDArray[np.float32]], Config]:
    """Rename a release's tensors, and read the net's sizes from their shapes.

    Args:
        tensors: release name -> array.
        variant: ``conditioned`` or ``unconditioned``; the latter leaves the conditioner's weights out, as
            the release does not use them. None for what the tensors are.

    Returns:
        The state of the variant's net, and the configuration to build it with.

    Raises:
        ValueError: names that the release does not have, or names or shapes of its own that are missing.
    """
    conditioned = variant == "conditioned" or (variant is None and "sub_proj.weight" in tensors)
    named = {_renamed(name): name for name in tensors}
    state = {ours: np.asarray(tensors[theirs], np.float32) for ours, theirs in named.items()}
    n_blocks = len([name for name in state if name.endswith(".widen.weight")])
    sized = True
    try:
        widen = state["blocks.0.1.widen.weight"]
        sizes = {
            "n_bands": len(state["readout.bias"]),
            "n_channels": state["embed.weight"].shape[1],
            "d_model": widen.shape[1],
            "d_inner": widen.shape[0],
            "n_blocks": n_blocks,
            "embed_samples": state["embed.weight"].shape[2],
            "kernel_samples": widen.shape[2],
        }
        if conditioned:
            sizes["n_subjects"] = state["conditioner.projection.weight"].shape[1]
        net, config = _net(conditioned, sizes)
    except (KeyError, IndexError, TypeError, ValueError, RuntimeError):
        sized = False  # what is lacking is said by the release's own sizes
        net, config = _net(conditioned, {"n_blocks": n_blocks or Config.n_blocks})
    if not conditioned:
        state = {name: array for name, array in state.items() if not name.startswith("conditioner.")}
    check_state(net, state, named, sized=sized)
    return state, config


def _net(conditioned: bool, sizes: Mapping[str, int]) -> tuple[Mapping[str, Tensor], Config]:
    """The state of a net of these sizes, and its configuration."""
    net, config = NETS["conditioned" if conditioned else "unconditioned"]
    built_from = config(**sizes)
    return net(built_from).state_dict(), built_from


def _renamed(name: str) -> str:
    for start, ours in RENAMED:
        if re.match(start, name):
            return re.sub(rf"^{start}", ours, name)
    return name
