"""Weights of a released EEG2Mel CNN, under Keras's names, as weights of `model.Eeg2Mel`.

The names must sort in layer order; what they say beyond that is not read:

    five times   convolution kernel (4, 4, in, out), bias, norm gamma, beta, running mean, running variance
    once         gamma, beta, mean, variance of the norm behind the pooling
    twice        Dense kernel (in, out), bias, gamma, beta, mean, variance
    once         Dense kernel, bias
"""

from collections.abc import Iterator, Mapping

import numpy as np
from model import Config
from numpy.typing import NDArray

Tensors = Mapping[str, NDArray[np.floating]]

N_CONVOLUTIONS = 5


def convert(tensors: Tensors) -> tuple[dict[str, NDArray[np.generic]], Config]:
    """Rename and transpose a release's tensors, and read the net's sizes from their shapes.

    The size of the spectrogram is not in the weights: 44 frames of as many bands as that leaves.

    Args:
        tensors: release name -> array.

    Returns:
        The state of `model.Eeg2Mel`, and the configuration to build it with.

    Raises:
        ValueError: the arrays are not those of EEG2Mel's CNN.
    """
    arrays = [np.asarray(tensors[name], np.float32) for name in sorted(tensors)]
    layer = [4, 1, 1, 1, 1, 1]
    dense = [2, 1, 1, 1, 1, 1]
    if [array.ndim for array in arrays] != layer * N_CONVOLUTIONS + [1] * 4 + dense * 2 + [2, 1]:
        raise ValueError(
            f"{len(arrays)} tensors, expected the 48 of EEG2Mel's CNN in the order of their names: five"
            " convolutions with their norms, a norm, two Denses with theirs, a Dense. Number the names in"
            " layer order."
        )
    remaining = iter(arrays)
    state: dict[str, NDArray[np.generic]] = {}
    for i in range(N_CONVOLUTIONS):
        state[f"convolutions.{i}.weight"] = np.ascontiguousarray(next(remaining).transpose(3, 2, 0, 1))
        state[f"convolutions.{i}.bias"] = next(remaining)
        state |= _norm(f"norms.{i}", remaining)
    state |= _norm("pooled_norm", remaining)
    for name in ("first", "second"):
        state |= _dense(name, remaining)
        state |= _norm(f"{name}_norm", remaining)
    state |= _dense("readout", remaining)
    filters = tuple(len(state[f"convolutions.{i}.bias"]) for i in range(N_CONVOLUTIONS))
    widths = (len(state["first.bias"]), len(state["second.bias"]))
    sizes = Config(filters=filters, dense=widths)
    return state, Config(n_bands=len(state["readout.bias"]) // sizes.n_frames, filters=filters, dense=widths)


def _norm(name: str, arrays: Iterator[NDArray[np.float32]]) -> dict[str, NDArray[np.generic]]:
    keys = ("weight", "bias", "running_mean", "running_var")
    norm: dict[str, NDArray[np.generic]] = {f"{name}.{key}": next(arrays) for key in keys}
    return {**norm, f"{name}.num_batches_tracked": np.array(0)}


def _dense(name: str, arrays: Iterator[NDArray[np.float32]]) -> dict[str, NDArray[np.generic]]:
    return {f"{name}.weight": np.ascontiguousarray(next(arrays).T), f"{name}.bias": next(arrays)}
