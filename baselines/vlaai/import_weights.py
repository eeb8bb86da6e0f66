"""Weights of a released VLAAI, under Keras's names, as weights of `model.Vlaai`.

The names must sort in layer order; what they say beyond that is not read. With five convolutions and four
blocks these are

    00..19  five times: convolution kernel, its bias, norm gamma, norm beta     the extractor
    20..21  Dense kernel, bias                                                  of the first block
    22..25  convolution kernel, its bias, norm gamma, norm beta                 the output context
    26..31  three times: Dense kernel, bias                                     of the other blocks
    32..33  Dense kernel, bias                                                  the output

A Keras convolution kernel is (samples, in, out) and a Dense kernel (in, out); torch has them transposed.
"""

from collections.abc import Iterator, Mapping

import numpy as np
from model import Config
from numpy.typing import NDArray

Tensors = Mapping[str, NDArray[np.floating]]


def convert(tensors: Tensors) -> tuple[dict[str, NDArray[np.float32]], Config]:
    """Rename and transpose a release's tensors, and read the net's sizes from their shapes.

    Args:
        tensors: release name -> array.

    Returns:
        The state of `model.Vlaai`, and the configuration to build it with.

    Raises:
        ValueError: the arrays are not those of a VLAAI.
    """
    arrays = [np.asarray(tensors[name], np.float32) for name in sorted(tensors)]
    kinds = [array.ndim for array in arrays]
    n_layers = kinds.index(2) // 4 if 2 in kinds else 0
    n_blocks = (len(arrays) - 4 * n_layers - 4 - 2) // 2
    convolution, dense = [3, 1, 1, 1], [2, 1]
    if kinds != convolution * n_layers + dense + convolution + dense * n_blocks:
        raise ValueError(
            f"{len(arrays)} tensors of {kinds} axes in the order of their names, expected those of VLAAI:"
            " convolutions, a Dense, the context's convolution, Denses. Number the names in layer order."
        )
    remaining = iter(arrays)
    state: dict[str, NDArray[np.float32]] = {}
    for i in range(n_layers):
        state |= _convolution(f"extractor.layers.{i}", remaining)
    state |= _dense("denses.0", remaining)
    state |= _convolution("context.layer", remaining)
    for i in range(1, n_blocks):
        state |= _dense(f"denses.{i}", remaining)
    state |= _dense("readout", remaining)
    convolutions = [state[f"extractor.layers.{i}.convolution.weight"] for i in range(n_layers)]
    return state, Config(
        n_bands=len(state["readout.bias"]),
        n_channels=state["readout.weight"].shape[1],
        n_blocks=n_blocks,
        filters=tuple(kernel.shape[0] for kernel in convolutions),
        kernel_samples=convolutions[0].shape[2],
        context_samples=state["context.layer.convolution.weight"].shape[2],
    )


def _convolution(name: str, arrays: Iterator[NDArray[np.float32]]) -> dict[str, NDArray[np.float32]]:
    return {
        f"{name}.convolution.weight": np.ascontiguousarray(next(arrays).transpose(2, 1, 0)),
        f"{name}.convolution.bias": next(arrays),
        f"{name}.norm.weight": next(arrays),
        f"{name}.norm.bias": next(arrays),
    }


def _dense(name: str, arrays: Iterator[NDArray[np.float32]]) -> dict[str, NDArray[np.float32]]:
    return {f"{name}.weight": np.ascontiguousarray(next(arrays).T), f"{name}.bias": next(arrays)}
