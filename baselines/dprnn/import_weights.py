"""Weights of the dual-path RNN as usually written, under its names, as weights of `model.Dprnn`.

    bottleneck.0, .1            the first norm and 1x1 convolution
    net.<i>.intra_RNN.rnn.*     LSTM of block i within chunks; intra_linear, intra_norm follow it
    net.<i>.inter_RNN.rnn.*     the same across chunks; inter_linear, inter_norm
    first_out.0, .1             PReLU and 1x1 convolution after the blocks
    net_out.0, net_gate.0       the two sides of the gate
    mask_net                    the readout

A norm's gamma and beta are our gain and bias. The chunk leaves no trace in the weights: it is taken as in
`model.Config`.
"""

import re
from collections.abc import Mapping

import numpy as np
from model import Config, Dprnn
from numpy.typing import NDArray

from harness.nn.weights import check_state

Tensors = Mapping[str, NDArray[np.floating]]

RENAMED = (  # a release name's start -> ours
    (r"bottleneck\.0\.", "norm."),
    (r"bottleneck\.1\.", "bottleneck."),
    (r"net\.(\d+)\.(intra|inter)_RNN\.rnn\.", r"blocks.\1.\2.lstm."),
    (r"net\.(\d+)\.(intra|inter)_(linear|norm)\.", r"blocks.\1.\2.\3."),
    (r"first_out\.", "merge."),
    (r"net_out\.0\.", "value."),
    (r"net_gate\.0\.", "gate."),
    (r"mask_net\.", "readout."),
)


def convert(tensors: Tensors) -> tuple[dict[str, NDArray[np.float32]], Config]:
    """Rename a release's tensors, and read the net's sizes from their shapes.

    Args:
        tensors: release name -> array.

    Returns:
        The state of `model.Dprnn`, and the configuration to build it with.

    Raises:
        ValueError: names that the release does not have, or names or shapes of its own that are missing.
    """
    named = {_renamed(name): name for name in tensors}
    state = {ours: np.asarray(tensors[theirs], np.float32) for ours, theirs in named.items()}
    n_blocks = len([name for name in state if name.endswith(".intra.linear.weight")])
    sized = True
    try:
        n_bands, n_filters, _ = state["readout.weight"].shape
        config = Config(
            n_bands=n_bands,
            n_channels=state["bottleneck.weight"].shape[1],
            n_filters=n_filters,
            n_hidden=state["blocks.0.intra.lstm.weight_hh_l0"].shape[1],
            n_blocks=n_blocks,
        )
        expected = Dprnn(config).state_dict()
    except (KeyError, IndexError, TypeError, ValueError, RuntimeError):
        sized = False  # what is lacking is said by the usual sizes
        config = Config(n_blocks=n_blocks or Config.n_blocks)
        expected = Dprnn(config).state_dict()
    check_state(expected, state, named, sized=sized)
    return state, config


def _renamed(name: str) -> str:
    name = re.sub(r"\.gamma$", ".gain", re.sub(r"\.beta$", ".bias", name))
    for start, ours in RENAMED:
        if re.match(start, name):
            return re.sub(rf"^{start}", ours, name)
    return name
