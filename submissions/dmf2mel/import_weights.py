"""Weights of the released DMF2Mel, under its own names, as weights of the nets in `model`.

    sub_proj, layer_norm, slf_attn, pos_ffn     who listens (ESM)
    hams.convd1, convd2, convd3, block1         HAMS and its ADAF; block1.feedback_conv is never used
    dcfam.*                                     DC_FAM
    slf_attn1 to slf_attn6                      the attentions that fuse both branches
    mamba_block.*                               the Mamba block
    fc                                          the readout, with one output as released

The table of positions, where a file holds it, is computed here and compared; KAN grids are computed. Heads
and dropout leave no trace in the weights: they are taken as released. The release knows its subjects by
position only: they are taken to be sub-001 and on.
"""

import re
from collections.abc import Mapping

import numpy as np
from kan import SPLINE_ORDER
from model import NETS, Broadcast, Config, NoSplineMap
from numpy.typing import NDArray

from harness.nn.esm import check_positions
from harness.nn.weights import check_state

Tensors = Mapping[str, NDArray[np.floating]]

UNUSED = (r"hams\.block1\.feedback_conv\.", r".*\.kan\.grid$")
POSITIONS = "positional_encoding.pe"

MIX = "window.dcfam.mix.weight"

# A release name's pieces -> ours; every pattern that fits is applied, in this order.
RENAMED = (
    (r"^sub_proj\.", "esm.projection."),
    (r"^layer_norm\.", "esm.norm."),
    (r"^slf_attn\.", "esm.attention."),
    (r"^slf_attn([1-6])\.", lambda found: f"fusions.{int(found[1]) - 1}."),
    (r"^((?:esm\.attention|fusions\.\d)\.)w_qs\.", r"\1queries."),
    (r"^((?:esm\.attention|fusions\.\d)\.)w_ks\.", r"\1keys."),
    (r"^((?:esm\.attention|fusions\.\d)\.)w_vs\.", r"\1values."),
    (r"^((?:esm\.attention|fusions\.\d)\.)fc\.", r"\1output."),
    (r"^((?:esm\.attention|fusions\.\d)\.)layer_norm\.", r"\1norm."),
    (r"\.kan\.base_weight$", ".kan.base"),
    (r"\.kan\.spline_weight$", ".kan.spline"),
    (r"\.kan\.spline_scaler$", ".kan.scaler"),
    (r"\.gate\.0\.", ".gate."),
    (r"\.attn_(compress|recover)\.", r".\1."),
    (r"^pos_ffn\.w_1\.", "esm.feed_forward.widen."),
    (r"^pos_ffn\.w_2\.", "esm.feed_forward.narrow."),
    (r"^pos_ffn\.layer_norm\.", "esm.feed_forward.norm."),
    (r"^hams\.convd1\.", "multiscale.hams.to_half."),
    (r"^hams\.convd2\.", "multiscale.hams.to_quarter."),
    (r"^hams\.convd3\.", "multiscale.hams.to_eighth."),
    (r"^hams\.block1\.", "multiscale.hams.adaf."),
    (r"\.adaf\.conv5a\.0\.", ".adaf.reduce_position."),
    (r"\.adaf\.sa\.query_conv\.", ".adaf.position_attention.queries."),
    (r"\.adaf\.sa\.key_conv\.", ".adaf.position_attention.keys."),
    (r"\.adaf\.sa\.value_conv\.", ".adaf.position_attention.values."),
    (r"\.adaf\.sa\.gamma$", ".adaf.position_attention.gamma"),
    (r"\.adaf\.conv51\.0\.", ".adaf.position."),
    (r"\.adaf\.conv6\.1\.", ".adaf.restore_position."),
    (r"\.adaf\.conv5c\.0\.", ".adaf.reduce_channel."),
    (r"\.adaf\.sc\.gamma$", ".adaf.channel_attention.gamma"),
    (r"\.adaf\.conv52\.0\.", ".adaf.channel."),
    (r"\.adaf\.conv7\.1\.", ".adaf.restore_channel."),
    (r"\.adaf\.conv8\.1\.", ".adaf.merge."),
    (r"\.adaf\.adaptive_weight$", ".adaf.balance"),
    (r"(\.adaf\..*)\.conv1\.weight$", r"\1.depthwise"),
    (r"(\.adaf\..*)\.pointwise\.weight$", r"\1.pointwise"),
    (r"^dcfam\.qkv\.weight$", "window.dcfam.qkv"),
    (r"^dcfam\.qkv_dwconv\.weight$", "window.dcfam.qkv_depthwise"),
    (r"^dcfam\.fc\.", "window.dcfam.mix."),
    (r"^dcfam\.dep_conv\.weight$", "window.dcfam.local_kernel"),
    (r"^dcfam\.dep_conv\.bias$", "window.dcfam.local_bias"),
    (r"^dcfam\.dynamic_adjust_(local|global)\.", r"window.dcfam.\1_norm."),
    (r"^dcfam\.temperature$", "window.dcfam.temperature"),
    (r"^dcfam\.project_out\.weight$", "window.dcfam.project"),
    (r"^dcfam\.cdfa\.v\.", "window.dcfam.aggregation.values."),
    (r"^dcfam\.cdfa\.attn_fg\.", "window.dcfam.aggregation.local_weights."),
    (r"^dcfam\.cdfa\.attn_bg\.", "window.dcfam.aggregation.global_weights."),
    (r"^mamba_block\.conv3\.0\.", "backbone.block.conv."),
    (r"^mamba_block\.conv3\.1\.", "backbone.block.conv_norm."),
    (r"^mamba_block\.Bimamba_outer\.forward_mamba\.", "backbone.block.mamba.onward."),
    (r"^mamba_block\.Bimamba_outer\.backward_mamba\.", "backbone.block.mamba.backward_."),
    (r"^mamba_block\.Bimamba_outer\.output_proj\.", "backbone.block.mamba.output."),
    (r"^mamba_block\.ffm\.layer_norm\.", "backbone.block.half_step.norm."),
    (r"^mamba_block\.ffm\.linear1\.", "backbone.block.half_step.widen."),
    (r"^mamba_block\.ffm\.linear2\.", "backbone.block.half_step.narrow."),
    (r"^fc\.", "readout."),
)


def convert(tensors: Tensors, variant: str | None = None) -> tuple[dict[str, NDArray[np.generic]], Config]:
    """Rename a release's tensors, and read the net's sizes from their shapes.

    Args:
        tensors: release name -> array.
        variant: of the package; one without a branch leaves that branch's weights out. None for the first.

    Returns:
        The state of the variant's net, and the configuration to build it with.

    Raises:
        ValueError: names that the release does not have, names or shapes of its own that are missing,
            another table of positions, or a variant with weights that no release has.
    """
    net = NETS[variant or "full"]
    if net is NoSplineMap:
        raise ValueError(
            "weights of a release for the variant no-splinemap, expected another variant: the"
            " release has SplineMap attention"
        )
    used = [name for name in tensors if name != POSITIONS and not _fits(UNUSED, name)]
    named = {_renamed(name): name for name in used}
    state = {ours: _numbers(tensors[theirs]) for ours, theirs in named.items()}
    if MIX in state:  # a 1x1x1 convolution there, a linear layer here
        state[MIX] = state[MIX].reshape(len(state[MIX]), -1)
    n_outputs = len(state.get("readout.bias", [0]))
    if net is Broadcast and n_outputs != 1:
        raise ValueError(f"{n_outputs} outputs, expected 1, which the variant broadcast repeats")
    sized = True
    try:
        config = _sizes(state)
        full, expected = (one(config).state_dict() for one in (NETS["full"], net))
    except (KeyError, IndexError, TypeError, ValueError, RuntimeError):
        config, sized = Config(), False  # what is lacking is said by the release's own sizes
        full, expected = (one(config).state_dict() for one in (NETS["full"], net))
    check_state(
        expected, {k: v for k, v in state.items() if k in expected or k not in full}, named, sized=sized
    )
    if POSITIONS in tensors:
        check_positions(tensors[POSITIONS], config.window_samples, config.d_model)
    return {name: state[name] for name in expected}, config


def _sizes(state: Tensors) -> Config:
    projections = ("queries", "keys", "values", "output")
    esm, mamba, dcfam = "esm.attention.", "backbone.block.mamba.onward.", "window.dcfam."
    d_inner, d_model, kernel_samples = state["esm.feed_forward.widen.weight"].shape
    return Config(
        n_bands=len(state["readout.bias"]),
        n_subjects=state["esm.projection.weight"].shape[1],
        n_channels=d_model,  # the release mixes none
        d_model=d_model,
        d_inner=d_inner,
        grids=tuple(state[f"{esm}{p}.kan.spline"].shape[2] - SPLINE_ORDER for p in projections),
        slots=tuple(len(state[f"{esm}{p}.compress.weight"]) for p in projections),
        kernel_samples=kernel_samples,
        d_reduced=len(state["multiscale.hams.adaf.reduce_position.pointwise"]),
        dcfam_heads=len(state[f"{dcfam}temperature"]),
        d_state=state[f"{mamba}A_log"].shape[1],
        d_conv=state[f"{mamba}conv1d.weight"].shape[2],
        expand=len(state[f"{mamba}D"]) // d_model,
        d_feed=len(state["backbone.block.half_step.widen.weight"]),
        window_samples=state[f"{dcfam}qkv"].shape[1],
    )


def _numbers(array: NDArray[np.generic]) -> NDArray[np.generic]:
    """As float32, but for BatchNorm's count of batches."""
    return array if np.issubdtype(array.dtype, np.integer) else array.astype(np.float32)


def _fits(patterns: tuple[str, ...], name: str) -> bool:
    return any(re.match(pattern, name) for pattern in patterns)


def _renamed(name: str) -> str:
    ours = name
    for pattern, replacement in RENAMED:
        ours = re.sub(pattern, replacement, ours)
    return ours
