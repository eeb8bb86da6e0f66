"""Banded ridge: the EEG in groups of frequencies, each with lags and a penalty of its own.

    band(t) = sum over group, lag and channel of  w(group, lag, channel, band) * eeg_group(t + lag, channel)

Paper: Nunez-Elizalde, Huth, Gallant 2019, NeuroImage 197, 482, doi 10.1016/j.neuroimage.2019.04.012, give
each group of features its own penalty; Dupré la Tour, Eickenberg, Nunez-Elizalde, Gallant 2022, NeuroImage
264, 119728, doi 10.1016/j.neuroimage.2022.119728, choose the penalties by cross-validation, for each target
by itself. The model of EEG is the linear backward one (Crosse et al. 2016, doi 10.3389/fnhum.2016.00604).
Release: none is followed.
Licence: ours, MIT.
Our deviations: groups are frequencies of the EEG, not kinds of features; penalties are from a grid, none is
drawn; lags are as far apart as a group's frequencies ask for.

The sums that the ridge needs are those of recordings with zeros before and after them, EEG and target alike.
So every block of X'X depends on the distance of its two lags alone, and what is kept grows with the number of
lags, never with the data nor with the square of the lags.

Conventions: EEG (n_times, n_channels), targets (n_times, n_bands), both z-scored; lags in samples, from 0.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating]

LAG_SECONDS = 0.4
# Between the groups of frequencies; those that a sampling rate leaves room for.
EDGES_HZ = (4.0, 8.0)
# From one lag of a group to the next.
STEP_SECONDS = (1 / 16, 1 / 32, 1 / 32)
_MOST_OF_RATE = 0.4  # an edge above this share of the sampling rate is none
_ORDER = 2  # of the Butterworth filter, which runs forth and back


class Layout(NamedTuple):
    """Groups and lags at a sampling rate.

    Attributes:
        edges_hz: between the groups, ascending.
        lags: of each group, in samples.
        rate_hz: the sampling rate.
    """

    edges_hz: tuple[float, ...]
    lags: tuple[tuple[int, ...], ...]
    rate_hz: float

    @property
    def distances(self) -> tuple[int, ...]:
        """Every distance of two lags, from 0."""
        every = sorted({lag for group in self.lags for lag in group})
        return tuple(sorted({b - a for a in every for b in every if b >= a}))


def layout(sample_rate_hz: float) -> Layout:
    """The groups that a sampling rate has room for, and their lags from 0 to 400 ms."""
    edges = tuple(edge for edge in EDGES_HZ if edge <= _MOST_OF_RATE * sample_rate_hz)
    last = math.floor(LAG_SECONDS * sample_rate_hz + 1e-9)
    steps = [max(1, round(seconds * sample_rate_hz)) for seconds in STEP_SECONDS[: len(edges) + 1]]
    return Layout(edges, tuple(tuple(range(0, last + 1, step)) for step in steps), float(sample_rate_hz))


def zscore(series: Array) -> Array:
    """Mean 0 and standard deviation 1 over time for each channel; 0 where a channel is constant.

    Args:
        series: (..., n_times, n_channels).
    """
    centred = series - series.mean(axis=-2, keepdims=True)
    deviation = centred.std(axis=-2, keepdims=True)
    return np.divide(centred, deviation, out=np.zeros_like(centred), where=deviation > 0)


def grouped(eeg: Array, own: Layout) -> list[Array]:
    """The EEG in groups of frequencies, which add up to it; phases stay.

    Args:
        eeg: (..., n_times, n_channels).
        own: the layout.

    Returns:
        One for each group, from the lowest frequencies, of the same shape and dtype.
    """
    from scipy.signal import butter, sosfiltfilt

    n_times = eeg.shape[-2]
    below = []
    for edge in own.edges_hz:
        sections = butter(_ORDER, edge, fs=own.rate_hz, output="sos")
        pad = min(3 * (2 * len(sections) + 1), n_times - 1)
        below.append(sosfiltfilt(sections, eeg, axis=-2, padlen=pad).astype(eeg.dtype))
    bounds = [np.zeros_like(eeg), *below, eeg]
    return [upper - lower for lower, upper in pairwise(bounds)]


def apply(weights: list[Array], own: Layout, eeg: Array) -> Array:
    """The model; beyond the end of a segment the EEG counts as its mean, 0.

    Args:
        weights: for each group (n_lags, n_channels, n_bands).
        own: the layout.
        eeg: (n_segments, n_times, n_channels), z-scored.

    Returns:
        (n_segments, n_times, n_bands) of the EEG's dtype.
    """
    n_times = eeg.shape[1]
    out = np.zeros((*eeg.shape[:2], weights[0].shape[2]), dtype=eeg.dtype)
    for group, lags, series in zip(weights, own.lags, grouped(eeg, own), strict=True):
        for lag, kernel in zip(lags, group, strict=True):
            if lag < n_times and kernel.any():
                out[:, : n_times - lag] += series[:, lag:] @ kernel
    return out


class Products:
    """What a ridge needs of some recordings, whatever their number: sums over time, by distance of lags.

    Attributes:
        own: the layout.
        n_channels: of the EEG.
        n_bands: of the targets.
        eeg: distance -> (n_groups * n_channels, n_groups * n_channels), x(t)' x(t + distance).
        targets: group -> (n_lags, n_channels, n_bands), x(t + lag)' y(t).
        squares: (n_bands,) of the targets.
    """

    def __init__(self, own: Layout, n_channels: int, n_bands: int) -> None:
        self.own, self.n_channels, self.n_bands = own, n_channels, n_bands
        width = len(own.lags) * n_channels
        self.eeg = {distance: np.zeros((width, width)) for distance in own.distances}
        self.targets = [np.zeros((len(lags), n_channels, n_bands)) for lags in own.lags]
        self.squares = np.zeros(n_bands)

    def add(self, eeg: Array, target: Array) -> None:
        """Add a recording.

        Args:
            eeg: (n_times, n_channels), z-scored.
            target: (n_times, n_bands), z-scored.
        """
        groups = grouped(eeg, self.own)
        whole = np.concatenate(groups, axis=1)
        n_times = len(whole)
        for distance, block in self.eeg.items():
            if distance < n_times:
                block += whole[: n_times - distance].T @ whole[distance:]
        for lags, series, sums in zip(self.own.lags, groups, self.targets, strict=True):
            for place, lag in enumerate(lags):
                if lag < n_times:
                    sums[place] += series[lag:].T @ target[: n_times - lag]
        self.squares += np.square(target, dtype=np.float64).sum(axis=0)

    def plus(self, other: Products) -> Products:
        """The sums of both."""
        return self._with(other, 1)

    def less(self, other: Products) -> Products:
        """These sums without those of some of the recordings."""
        return self._with(other, -1)

    def _with(self, other: Products, sign: int) -> Products:
        made = Products(self.own, self.n_channels, self.n_bands)
        made.eeg = {distance: block + sign * other.eeg[distance] for distance, block in self.eeg.items()}
        made.targets = [one + sign * its for one, its in zip(self.targets, other.targets, strict=True)]
        made.squares = self.squares + sign * other.squares
        return made

    def kept(self, last: int) -> list[tuple[int, int]]:
        """(group, lag) of the lags up to ``last`` samples, in the order of the ridge's features."""
        return [(group, lag) for group, lags in enumerate(self.own.lags) for lag in lags if lag <= last]

    def matrix(self, last: int) -> Array:
        """X'X of the lags up to ``last`` samples, (n_kept * n_channels, n_kept * n_channels) float64."""
        kept, c = self.kept(last), self.n_channels
        whole = np.empty((len(kept), c, len(kept), c))
        for i, (g, a) in enumerate(kept):
            for j, (h, b) in enumerate(kept):
                if b >= a:
                    block = self.eeg[b - a][g * c : (g + 1) * c, h * c : (h + 1) * c]
                else:
                    block = self.eeg[a - b][h * c : (h + 1) * c, g * c : (g + 1) * c].T
                whole[i, :, j, :] = block
        return whole.reshape(len(kept) * c, len(kept) * c)

    def right(self, last: int) -> Array:
        """X'y of the same lags, (n_kept * n_channels, n_bands)."""
        parts = [
            sums[: sum(lag <= last for lag in lags)].reshape(-1, self.n_bands)
            for lags, sums in zip(self.own.lags, self.targets, strict=True)
        ]
        return np.concatenate(parts)

    def variances(self) -> Array:
        """(n_groups,) mean over channels of the sum of squares of each group."""
        diagonal = np.diag(self.eeg[0]).reshape(len(self.own.lags), self.n_channels)
        found: Array = diagonal.mean(axis=1)
        return found


def solve(
    products: Products, last: int, penalty: float, multiples: tuple[float, ...], matrix: Array
) -> Array:
    """The ridge of the lags up to ``last``; every group's penalty is in proportion to its own variance.

    Args:
        products: of the training recordings.
        last: lag, in samples.
        penalty: of a group whose multiple is 1, as a share of its sum of squares.
        multiples: of that, for each group.
        matrix: ``products.matrix(last)``; left as it is.

    Returns:
        (n_kept * n_channels, n_bands) float64.
    """
    from scipy.linalg import cho_factor, cho_solve

    by_group = penalty * np.array(multiples) * products.variances()
    floor = 1e-9 * max(float(by_group.max()), 1e-30)  # a group without any signal has a penalty too
    diagonal = np.repeat([max(by_group[g], floor) for g, _ in products.kept(last)], products.n_channels)
    whole = matrix.copy()
    whole[np.diag_indices_from(whole)] += diagonal
    found: Array = cho_solve(
        cho_factor(whole, lower=True, overwrite_a=True, check_finite=False), products.right(last)
    )
    return found


def correlations(products: Products, last: int, weights: Array, matrix: Array) -> Array:
    """Pearson r of the prediction of recordings with their targets, from the sums alone.

    All series have mean 0, since they are z-scored, but for what a filter and the lags leave.

    Args:
        products: of the recordings.
        last: lag of the weights.
        weights: (n_kept * n_channels, n_bands).
        matrix: ``products.matrix(last)``.

    Returns:
        (n_bands,); 0 where either side is constant.
    """
    covariance = (weights * products.right(last)).sum(axis=0)
    predicted = (weights * (matrix @ weights)).sum(axis=0)
    size = np.sqrt(np.maximum(predicted, 0.0) * products.squares)
    return np.divide(covariance, size, out=np.zeros_like(covariance), where=size > 0)


def unpacked(products: Products, last: int, weights: Array) -> list[Array]:
    """Weights by group, (n_lags, n_channels, n_bands) each; lags that were left out have 0."""
    whole = [np.zeros_like(sums) for sums in products.targets]
    rows = weights.reshape(-1, products.n_channels, products.n_bands)
    for (group, lag), row in zip(products.kept(last), rows, strict=True):
        whole[group][products.own.lags[group].index(lag)] = row
    return whole
