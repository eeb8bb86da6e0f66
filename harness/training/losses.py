"""Training losses on (b, n_times, n_bands) tensors; unequal shapes are refused, never broadcast.

The released baselines trained one output series against ten mel bands, because (b, t, 1) and (b, t, 10)
broadcast; here that is a `ShapeError`. Everything is computed in float32, also under autocast.
`negative_pearson` is tested against ``harness.scoring.score``, which computes every score.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import reduce

import torch
import torch.nn.functional as F  # noqa: N812 - torch's own name for it
from torch import Tensor

from harness.errors import Fault, ShapeError, TrainingError


def pearson_r(prediction: Tensor, target: Tensor) -> Tensor:
    """Pearson r over time of each crop and band.

    Args:
        prediction: (b, n_times, n_bands).
        target: same shape.

    Returns:
        (b, n_bands); 0, and no gradient, where either side is constant (the protocol's rule).

    Raises:
        ShapeError: the shapes differ, or there are not three axes.
    """
    _check(prediction, target)
    return (_unit(prediction) * _unit(target)).sum(dim=1)


def negative_pearson(prediction: Tensor, target: Tensor) -> Tensor:
    """-r over time, mean over bands and batch, in [-1, 1]."""
    return -pearson_r(prediction, target).mean()


def l1(prediction: Tensor, target: Tensor) -> Tensor:
    """Mean absolute difference over batch, time and bands."""
    _check(prediction, target)
    return (prediction.float() - target.float()).abs().mean()


def mse(prediction: Tensor, target: Tensor) -> Tensor:
    """Mean squared difference over batch, time and bands."""
    _check(prediction, target)
    return (prediction.float() - target.float()).square().mean()


def kl(prediction: Tensor, target: Tensor) -> Tensor:
    """KL(target || prediction) of softmaxes over bands, mean over every element: batch, time and band.

    That is CAT-WaveNet's (torch's reduction "mean"), so it is the divergence divided by the number of bands.
    With one band both softmaxes are 1 and the loss is 0.
    """
    _check(prediction, target)
    log_p = F.log_softmax(prediction.float(), dim=2)
    log_q = F.log_softmax(target.float(), dim=2)
    return (log_q.exp() * (log_q - log_p)).mean()


def info_nce(prediction: Tensor, target: Tensor, temperature: float) -> Tensor:
    """Contrastive: predictions must be nearer to their own targets than to others', time for time.

    DMF2Mel's own form. With E_ij the sum over times of exp(c / ``temperature``), c the cosine over bands of
    prediction i and target j at one time, and P the sum of all E_ii, one number for the whole batch, the loss
    is the mean over i of -log(P / (P + the sum of E_ij over j other than i)), averaged with the same of E's
    transpose. With one crop there is nothing to tell apart, and the loss is 0.
    """
    _check(prediction, target)
    p = F.normalize(prediction.float(), dim=2).transpose(0, 1)  # (n_times, b, n_bands)
    q = F.normalize(target.float(), dim=2).transpose(0, 1)
    e = (p @ q.mT / temperature).exp().sum(dim=0)  # (b, b)
    own = e.diagonal().sum()
    others = e - e.diagonal().diag()
    there, back = (torch.log1p(others.sum(dim=axis) / own).mean() for axis in (1, 0))
    return (there + back) / 2


def total(
    weights: Mapping[str, float],
    prediction: Tensor,
    target: Tensor,
    *,
    temperature: float,
    further: Sequence[tuple[Tensor, Tensor]] = (),
) -> tuple[Tensor, dict[str, Tensor]]:
    """The weighted sum of a recipe's losses, and each by itself.

    Args:
        weights: name -> weight, as in ``Recipe.losses``.
        prediction: (b, n_times, n_bands).
        target: same shape.
        temperature: of ``info_nce``.
        further: prediction and target of further targets; their ``pearson``, ``l1`` and ``mse`` are added.
    """
    every = [(prediction, target), *further]
    each = {
        "pearson": lambda: reduce(torch.add, [negative_pearson(*pair) for pair in every]),
        "l1": lambda: reduce(torch.add, [l1(*pair) for pair in every]),
        "mse": lambda: reduce(torch.add, [mse(*pair) for pair in every]),
        "kl": lambda: kl(prediction, target),
        "info_nce": lambda: info_nce(prediction, target, temperature),
    }
    parts = {name: each[name]() for name in weights}
    return torch.stack([weights[name] * part for name, part in parts.items()]).sum(), parts


def pairs(
    bands: Mapping[str, int], output: Tensor | Mapping[str, Tensor], target: Tensor
) -> list[tuple[Tensor, Tensor]]:
    """Prediction and target of every target of a training, the feature's first.

    Args:
        bands: the feature, then the recipe's further targets -> bands of each.
        output: the net's: (b, n_times, n_bands), or name -> such an array where there are several.
        target: (b, n_times, n_bands), all targets side by side.

    Raises:
        TrainingError: the net's outputs are not these targets.
    """
    if len(bands) == 1 and isinstance(output, Tensor):
        return [(output, target)]
    if isinstance(output, Tensor) or set(output) != set(bands):
        raise TrainingError(
            Fault(
                "net: outputs in training",
                "one array" if isinstance(output, Tensor) else ", ".join(sorted(output)),
                f"a mapping with {', '.join(sorted(bands))}",
                "The net's outputs must be the feature and the recipe's targets.",
            )
        )
    parts = torch.split(target, list(bands.values()), dim=2)
    return [(output[name], part) for name, part in zip(bands, parts, strict=True)]


def _unit(series: Tensor) -> Tensor:
    """Mean 0 and norm 1 over time; zeros where constant."""
    x = series.float()
    x = x - x[:, :1]  # a constant series becomes exactly 0, whatever its mean rounds to
    x = x - x.mean(dim=1, keepdim=True)
    norm = torch.linalg.vector_norm(x, dim=1, keepdim=True)
    return x / torch.where(norm > 0, norm, torch.inf)


def _check(prediction: Tensor, target: Tensor) -> None:
    if prediction.shape != target.shape:
        raise ShapeError(
            Fault(
                "loss: prediction",
                f"shape {tuple(prediction.shape)}",
                f"{tuple(target.shape)} (b, n_times, n_bands), the target's",
                "The net must give setup.n_bands bands, and a frame for each of the target's.",
            )
        )
    if prediction.ndim != 3:
        raise ShapeError(Fault("loss", f"shape {tuple(prediction.shape)}", "(b, n_times, n_bands)"))
