"""Weights of the released CAT-WaveNet, under its own names, as weights of the nets of `model`.

    eeg2envblock.*                          the first WaveNet
    block<k>.proj1                          widens the stage before, k = 1, 2, 3
    block<k>.crossattn2, 3, 1               cross-attention: stage before with itself, EEG, both
      audio_encoder.<i>, spike_encoder.<i>    attention of layer i: w_qs, w_ks, w_vs, layer_norm
      LayernormList_audio.<i>, _spike.<i>     norms of layer i
      projection, layernorm_out               the convolution at the end, its norm
    block<k>.Fast1.*                        the stage's WaveNet
      init_conv, residual_layer, final_conv   entry, layers, exit and readout

What the release does not use is dropped: `skip_out` of every w_qs, w_ks and w_vs, `proj1` of every WaveNet,
`res_conv` of every WaveNet's last layer. Dilation, window and dropout leave no trace in the weights: they
are taken as released. The variant `wavenet-only` takes the first WaveNet alone, which gives the envelope.
"""

import re
from collections.abc import Mapping

import numpy as np
import torch
from model import NETS, Config
from numpy.typing import NDArray

from harness.nn.weights import check_state

Tensors = Mapping[str, NDArray[np.floating]]
State = dict[str, NDArray[np.float32]]

STAGES = {"block1": "mel", "block2": "mel80", "block3": "magnitude"}
TAKEN = {  # variant -> the release's parts that it takes
    "full": ("eeg2envblock", "block1", "block2", "block3"),
    "wavenet-only": ("eeg2envblock",),
    "two-stage": ("eeg2envblock", "block1"),
    "no-mixup": ("eeg2envblock", "block1", "block2", "block3"),
}
# Dropped, and of res_conv what goes into the layer's one 1x1 convolution by another way.
UNUSED = r"\.skip_out\.(weight|bias)$|(eeg2envblock|Fast1)\.proj1\.(weight|bias)$|\.res_conv\."

RENAMED = (  # part of a release name -> ours, one after the other
    (r"\.Fast1\.", ".wavenet."),
    (r"^(block\d)\.proj1\.", r"\1.widen."),
    (r"\.crossattn1\.", ".attend_both."),
    (r"\.crossattn2\.", ".attend_before."),
    (r"\.crossattn3\.", ".attend_eeg."),
    (r"\.audio_encoder\.(\d+)\.", r".layers.\1.attend_a."),
    (r"\.spike_encoder\.(\d+)\.", r".layers.\1.attend_s."),
    (r"\.LayernormList_audio\.(\d+)\.", r".layers.\1.norm_a."),
    (r"\.LayernormList_spike\.(\d+)\.", r".layers.\1.norm_s."),
    (r"\.projection\.", ".mix."),
    (r"\.layernorm_out\.", ".norm."),
    (r"\.layer_norm\.", ".norm."),
    (r"\.w_qs\.", ".query."),
    (r"\.w_ks\.", ".key."),
    (r"\.w_vs\.", ".value."),
    (r"\.conv1d\.", ".hidden.0."),
    (r"\.nonlinearity1\.", ".hidden.1."),
    (r"\.reg1\.", ".hidden.2."),
    (r"\.dconv1d\.", ".hidden.3."),
    (r"\.nonlinearity2\.", ".hidden.4."),
    (r"\.reg2\.", ".hidden.5."),
    (r"\.res_out\.", ".out."),
    (r"\.init_conv\.0\.conv\.", ".entry."),
    (r"\.final_conv\.0\.conv\.", ".exit."),
    (r"\.final_conv\.2\.", ".readout."),
    (r"\.residual_layer\.residual_blocks\.(\d+)\.", r".layers.\1."),
    (r"\.skip_conv\.", ".out."),
    (r"\.dilated_conv_layer\.conv\.", ".dilated."),
    (r"\.weight_g$", ".gain"),
    (r"\.weight_v$", ".direction"),
)


def convert(tensors: Tensors, variant: str = "full") -> tuple[State, Config]:
    """Rename a release's tensors, and read the net's sizes from their shapes.

    Args:
        tensors: release name -> array.
        variant: the submission's; the stages that it lacks are dropped.

    Returns:
        The state of the variant's net, and the configuration to build it with.

    Raises:
        ValueError: names that the release does not have, or names or shapes of its own that are missing.
    """
    sized = True
    with torch.device("meta"):
        try:
            config = _config(tensors, variant)
            expected = NETS[variant](config).state_dict()
        except (KeyError, IndexError, TypeError, ValueError, RuntimeError):
            config, sized = Config(), False  # what is lacking is said by the release's own sizes
            expected = NETS[variant](config).state_dict()
    renamed = _renamed(tensors, variant)
    state = {name: _values(tensors, released, config) for name, released in renamed.items()}
    check_state(expected, state, renamed, sized=sized)
    return state, config


def _renamed(tensors: Tensors, variant: str) -> dict[str, str]:
    """Our names of the tensors that the variant's net has -> the release's, and of those it does not know."""
    known = {part for parts in TAKEN.values() for part in parts}
    return {
        _ours(name, variant): name
        for name in tensors
        if (part := name.partition(".")[0]) in TAKEN[variant] or part not in known
        if not re.search(UNUSED, name)
    }


def _values(tensors: Tensors, released: str, config: Config) -> NDArray[np.float32]:
    """A tensor in our shape; the two 1x1 convolutions of a layer are one of ours."""
    values = tensors[released]
    last = f".residual_blocks.{config.n_layers - 1}."
    residual = tensors.get(released.replace("skip_conv", "res_conv"))
    if ".skip_conv." in released and last not in released and residual is not None:
        values = np.concatenate([residual, values])  # without it the shape is refused
    if re.search(r"^block\d\.proj1\.weight$", released):  # a linear layer: our 1x1 convolution
        values = values[:, :, None]
    return np.ascontiguousarray(values, np.float32)


def _config(tensors: Tensors, variant: str) -> Config:
    """The sizes, from the shapes of the parts that the variant takes."""
    released, taken = Config(), TAKEN[variant]
    wavenets = ["eeg2envblock", *(f"{block}.Fast1" for block in STAGES if block in taken)]
    filters = [tensors[f"{place}.init_conv.0.conv.bias"].shape[0] for place in wavenets]
    layer = re.compile(r"eeg2envblock\.residual_layer\.residual_blocks\.\d+\.skip_conv\.bias")
    sizes = {
        "n_channels": tensors["eeg2envblock.init_conv.0.conv.weight_v"].shape[1],
        "n_filters": (*filters, *released.n_filters[len(filters) :]),
        "n_layers": len([name for name in tensors if layer.fullmatch(name)]),
        "n_bands": tensors[f"{wavenets[min(1, len(wavenets) - 1)]}.final_conv.2.bias"].shape[0],
    }
    if len(wavenets) > 1:
        attention = "block1.crossattn1"
        norm = re.compile(r"block1\.crossattn1\.LayernormList_audio\.\d+\.bias")
        sizes |= {
            "n_attention_hidden": tensors[f"{attention}.audio_encoder.0.w_qs.conv1d.bias"].shape[0],
            "n_attention_layers": len([name for name in tensors if norm.fullmatch(name)]),
            "attention_mix_samples": tensors[f"{attention}.projection.weight"].shape[2],
        }
    return Config(**sizes)


def _ours(name: str, variant: str) -> str:
    for released, ours in RENAMED:
        name = re.sub(released, ours, name)
    part, _, rest = name.partition(".")
    first = {"eeg2envblock": "wavenet" if variant == "wavenet-only" else "envelope"}
    return f"{(STAGES | first).get(part, part)}.{rest}"
