"""The song classifier: which of some songs an image, an EEG segment's or a spectrogram's, belongs to.

Paper: 2202.03265 (arXiv 2202.03265), song classification from raw EEG of NMED-T.
Release: its notebook, one function that builds the net in Keras.
Licence: this code is ours, MIT.
Our deviations: none in the net; it gives the release's outputs from the release's weights. The L2 penalty on
the kernels (1.14e-4) is given by the optimiser to the kernels alone. Batch norm's momentum is 0.9 (torch's
0.1) where the release has Keras's 0.99, whose running statistics lag behind for a thousand steps: after 280
steps it named 0.19 of its own training set.

Shapes: images (b, rows, columns): EEG (n_times, n_channels), or a spectrogram with bands as rows, (n_bands,
n_frames). 179,782 numbers with the running statistics, whatever the image's size.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812 (torch's own abbreviation)
from torch import Tensor, nn

from harness.nn.images import NORM_EPS, SameConvolution, he_uniform

MOMENTUM = 0.1  # torch's; Keras's 0.9
L2 = 1.14e-4


@dataclass(frozen=True)
class ClassifierConfig:
    """Sizes of a classifier; the defaults are the release's.

    Attributes:
        n_songs: classes.
        filters: of the convolutions, each with kernel 4 and stride 2.
        n_hidden: width of the dense layer.
    """

    n_songs: int = 10
    filters: tuple[int, ...] = (32, 64, 128)
    n_hidden: int = 100


class SongClassifier(nn.Module):
    """The net."""

    def __init__(self, config: ClassifierConfig) -> None:
        super().__init__()
        self.config = config
        inputs = (1, *config.filters[:-1])
        self.convolutions = nn.ModuleList(
            SameConvolution(n_in, n_out, stride=2) for n_in, n_out in zip(inputs, config.filters, strict=True)
        )
        self.norms = nn.ModuleList(nn.BatchNorm2d(n, eps=NORM_EPS, momentum=MOMENTUM) for n in config.filters)
        self.hidden = nn.Linear(config.filters[-1], config.n_hidden)
        self.hidden_norm = nn.BatchNorm1d(config.n_hidden, eps=NORM_EPS, momentum=MOMENTUM)
        self.readout = nn.Linear(config.n_hidden, config.n_songs)
        self.apply(he_uniform)

    def forward(self, images: Tensor) -> Tensor:
        """(b, rows, columns) -> (b, n_songs), the logarithms of shares before the softmax."""
        x = images[:, None]
        for convolution, norm in zip(self.convolutions, self.norms, strict=True):
            x = norm(F.relu(convolution(x)))  # half as many rows and columns
        x = x.mean(dim=(2, 3))  #                          (b, filters[-1])
        x = self.hidden_norm(F.relu(self.hidden(x)))  #    (b, n_hidden)
        y: Tensor = self.readout(x)
        return y


def config_of(state: Mapping[str, Any]) -> ClassifierConfig:
    """The sizes of a classifier, from the shapes of its weights.

    Raises:
        KeyError: they are not a classifier's.
    """
    n_filters = sum(name.startswith("convolutions.") and name.endswith(".bias") for name in state)
    return ClassifierConfig(
        n_songs=len(state["readout.bias"]),
        filters=tuple(len(state[f"convolutions.{i}.bias"]) for i in range(n_filters)),
        n_hidden=len(state["hidden.bias"]),
    )


def fit_classifier(
    net: SongClassifier,
    images: Tensor,
    songs: Tensor,
    *,
    steps: int,
    batch_size: int,
    learning_rate: float,
    seed: int,
    progress: Callable[[int], None] | None = None,
) -> None:
    """Train a classifier in place with Adam and cross-entropy; the learning rate falls linearly to 0.

    Every song is drawn equally often, whatever its number of images. The caller's random numbers stay as they
    are, and the net is left in eval mode.

    Args:
        net: to train.
        images: (n, rows, columns) float32.
        songs: (n,) int64, the class of each; every class at least once.
        steps: of the optimiser.
        batch_size: images a step.
        learning_rate: at the start.
        seed: of what is drawn.
        progress: called with the steps done.
    """
    kernels = [layer.weight for layer in net.convolutions if isinstance(layer, nn.Conv2d)]
    others = [p for p in net.parameters() if all(p is not kernel for kernel in kernels)]
    groups: list[dict[str, Any]] = [{"params": kernels, "weight_decay": 2 * L2}, {"params": others}]
    optimiser = torch.optim.Adam(groups, lr=learning_rate)
    drawn = torch.Generator().manual_seed(seed)
    weights = 1.0 / torch.bincount(songs, minlength=net.config.n_songs)[songs].double()
    net.train()
    for step in range(steps):
        for group in optimiser.param_groups:
            group["lr"] = learning_rate * (1 - step / steps)
        batch = torch.multinomial(weights, batch_size, replacement=True, generator=drawn)
        loss = F.cross_entropy(net(images[batch]), songs[batch])
        optimiser.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        optimiser.step()
        if progress is not None:
            progress(step + 1)
    net.eval()


def named_songs(net: SongClassifier, images: Tensor, block: int = 256) -> Tensor:
    """The class that each image is taken for, (n,) int64; the net must be in eval mode."""
    with torch.inference_mode():
        return torch.cat([net(part).argmax(dim=1) for part in torch.split(images, block)])
