"""A ridge regression from the power spectra of groups of electrodes to the segment's whole spectrogram.

    spectrogram = mean + components' (W z),   z the features, mean 0 and deviation 1 over the training part

Paper: Hoerl, Kennard 1970, Ridge regression: biased estimation for nonorthogonal problems, Technometrics 12,
doi 10.1080/00401706.1970.10488634; the task is EEG2Mel's, Ramirez-Aristizabal, Kello 2022, arXiv 2207.13845.
Release: none.
Licence: this code is ours, MIT.
Our deviations: all of it is ours. A feature is the spectrum from 1 to 45 Hz (the cleaned EEG holds nothing
above) of the mean over five neighbouring electrodes: 1,125 numbers for 125 electrodes. What is solved for is
not every number of the spectrogram but its first 16 principal components over the training part, which keeps
the weights small; on each component the ridge solution is what it would be, the others stay at their mean.

Conventions: EEG (n_segments, n_times, n_channels), features (n_segments, n_features) float64.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from harness.nn.spectra import power_spectrum

Array = NDArray[np.floating]

LOWEST_HZ, HIGHEST_HZ = 1.0, 45.0
NEIGHBOURS = 5
COMPONENTS = 16


def features(eeg: Array, kind: str, sample_rate_hz: float) -> NDArray[np.float64]:
    """Spectra of groups of electrodes that are neighbours in the file, side by side.

    Args:
        eeg: (n_segments, n_times, n_channels).
        kind: of spectrum, a name of `harness.nn.spectra`.
        sample_rate_hz: of the EEG.

    Returns:
        (n_segments, n_bins * n_groups); the last group is smaller where the electrodes do not divide.
    """
    n_times, n_channels = eeg.shape[1:]
    hz = np.arange(n_times // 2 + 1) * sample_rate_hz / n_times
    chosen = (hz >= LOWEST_HZ) & (hz <= HIGHEST_HZ)
    spectra = power_spectrum(eeg, kind, sample_rate_hz)[:, chosen].astype(np.float64)
    starts = np.arange(0, n_channels, NEIGHBOURS)
    sizes = np.diff(np.append(starts, n_channels))
    groups: NDArray[np.float64] = np.add.reduceat(spectra, starts, axis=2) / sizes
    return groups.reshape(len(eeg), -1)


def apply(weights: dict[str, Array], features_of_segments: Array) -> NDArray[np.float32]:
    """The model.

    Args:
        weights: ``feature_mean`` and ``feature_deviation`` (n_features,), ``weights`` (n_features,
            n_components), ``components`` (n_components, n_frames, n_bands), ``mean`` (n_frames, n_bands).
        features_of_segments: (n_segments, n_features).

    Returns:
        (n_segments, n_frames, n_bands).
    """
    z = (features_of_segments - weights["feature_mean"]) / weights["feature_deviation"]
    scores = z @ weights["weights"]
    made: NDArray[np.float32] = (
        weights["mean"] + np.tensordot(scores, weights["components"], axes=1)
    ).astype(np.float32)
    return made


def principal_components(targets: Array, counts: Array, n_components: int) -> NDArray[np.float64]:
    """The first principal components of targets that occur some number of times each.

    Args:
        targets: (n, n_numbers), their weighted mean taken off; each row a target that differs.
        counts: (n,) how often each occurs.
        n_components: at most this many.

    Returns:
        (n_components, n_numbers) with orthonormal rows, fewer where the targets span less.
    """
    weighted = targets * np.sqrt(counts)[:, None]
    values, vectors = np.linalg.eigh(weighted @ weighted.T)
    order = np.argsort(values)[::-1][:n_components]
    order = order[values[order] > values.max() * 1e-9]
    components: NDArray[np.float64] = (vectors[:, order] / np.sqrt(values[order])).T @ weighted
    return components


class Ridge:
    """Ridge regression of standardised features, from sums over the data.

    Args:
        n_features: of the input.
        n_outputs: of the output.
    """

    def __init__(self, n_features: int, n_outputs: int) -> None:
        self.n = 0
        self.sum = np.zeros(n_features)
        self.products = np.zeros((n_features, n_features))
        self.with_outputs = np.zeros((n_features, n_outputs))

    def add(self, x: Array, y: Array) -> None:
        """Some rows: features (n, n_features), and outputs (n, n_outputs) of mean 0 over all rows."""
        self.n += len(x)
        self.sum += x.sum(axis=0)
        self.products += x.T @ x
        self.with_outputs += x.T @ y

    def standardised(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Mean and standard deviation of every feature; 1 for one that is constant."""
        mean = self.sum / self.n
        variance = np.maximum(np.diag(self.products) / self.n - mean**2, 0.0)
        deviation = np.sqrt(variance)
        return mean, np.where(deviation > 1e-9 * np.abs(mean) + 1e-12, deviation, 1.0)

    def solve(self, penalties: Array) -> list[NDArray[np.float64]]:
        """Weights (n_features, n_outputs) for each penalty, which is lambda times the number of rows."""
        mean, deviation = self.standardised()
        products = (self.products - self.n * np.outer(mean, mean)) / np.outer(deviation, deviation)
        with_outputs = self.with_outputs / deviation[:, None]  # outputs have mean 0
        values, vectors = np.linalg.eigh(products)
        turned = vectors.T @ with_outputs
        return [
            vectors @ (turned / (np.maximum(values, 0.0) + penalty * self.n)[:, None])
            for penalty in penalties
        ]
