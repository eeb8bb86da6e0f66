"""The steps of preprocessing: arrays in, arrays out.

EEG is ``(n_channels, n_times)`` in microvolts, float32 or float64; a step gives the type that it got, and
computes in float64. Steps that say "in place" change the array that they are given: an hour of 64 channels at
8,192 Hz is 7.5 GB, and two of them may not fit. No step holds more than one EEG channel or one block of time
besides.

Steps of the recipe ``sparrkulee`` are those of the dataset's public pipeline (Bollens et al. 2024, doi
10.48804/K3VSND), and equal its outputs; where they depart from it, they say so. Triggers are in
`harness.preprocessing.triggers`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.errors import CorpusError, Fault, counted

Eeg = NDArray[Any]
Mask = NDArray[np.bool_]
# Matlab's filtfilt extends a signal by three times the order of the filter; of a first-order one, by three
# samples.
MATLAB_PADDING_PER_ORDER: Final = 3
# Work size: it bounds memory, and does not change the result beyond rounding.
BLOCK_SAMPLES: Final = 16384


class Cleaned(NamedTuple):
    """What a Wiener filter did.

    Attributes:
        artefact_share: the share of samples that counted as artefact; 0 where the filter had nothing to learn
            from, and changed nothing.
        left_out: indices of EEG channels that are flat, which no filter can use, and which stay as they are.
    """

    artefact_share: float
    left_out: tuple[int, ...]


def high_pass(eeg: Eeg, rate_hz: float, *, cutoff_hz: float, order: int = 1) -> Eeg:
    """Butterworth high-pass, forward and backward, in place; edges by Matlab's rule.

    The ends are extended by an odd reflection of ``3 * order`` samples, where scipy's default would take
    twice as many. Departs from the public pipeline, which designs the filter for 1,024 Hz whatever the rate
    is: for a file of 8,192 Hz its 0.5 Hz is 4 Hz. Here the cut-off is what it says.

    Args:
        eeg: (n_channels, n_times) microvolts.
        rate_hz: samples a second.
        cutoff_hz: where the filter passes half the power in one direction.
        order: of the filter in one direction.

    Returns:
        ``eeg``, filtered.

    Raises:
        CorpusError: the recording is too short, or its rate too low.
    """
    from scipy.signal import butter, sosfiltfilt

    _check_rate(rate_hz, cutoff_hz)
    sections = butter(order, cutoff_hz, "highpass", fs=rate_hz, output="sos")
    padding = MATLAB_PADDING_PER_ORDER * order
    _check_length(eeg, padding + 1, rate_hz)
    for row in eeg:
        row[:] = sosfiltfilt(sections, row.astype(np.float64), padtype="odd", padlen=padding)
    return eeg


def band_pass(eeg: Eeg, rate_hz: float, *, low_hz: float, high_hz: float, order: int = 4) -> Eeg:
    """Butterworth band-pass, forward and backward (no delay), in place.

    Args:
        eeg: (n_channels, n_times) microvolts.
        rate_hz: samples a second, more than twice ``high_hz``.
        low_hz: lower edge.
        high_hz: upper edge.
        order: of each edge in one direction.

    Returns:
        ``eeg``, filtered.

    Raises:
        CorpusError: the recording is shorter than one period of ``low_hz``, or its rate too low.
    """
    from scipy.signal import butter, sosfiltfilt

    _check_rate(rate_hz, high_hz)
    sections = butter(order, (low_hz, high_hz), "bandpass", fs=rate_hz, output="sos")
    _check_length(eeg, int(np.ceil(rate_hz / low_hz)) + 1, rate_hz)
    padding = min(int(np.ceil(rate_hz / low_hz)), eeg.shape[1] - 1)
    for row in eeg:
        row[:] = sosfiltfilt(sections, row.astype(np.float64), padtype="odd", padlen=padding)
    return eeg


def flatten_peaks(eeg: Eeg, *, beyond_microvolt: float) -> int:
    """The public pipeline's interpolation of artefacts, channel by channel, in place.

    A stretch beyond the limit, on either side of zero, is replaced by a line between its own first and last
    sample. These two are beyond the limit and stay, so this does almost nothing; `bridge_peaks` is the step
    that removes artefacts.

    Args:
        eeg: (n_channels, n_times) microvolts.
        beyond_microvolt: the limit of the absolute value.

    Returns:
        How many samples lay beyond the limit, over all EEG channels.
    """
    n_beyond = 0
    for row in eeg:
        for start, stop in _stretches(np.abs(row) > beyond_microvolt):
            n_beyond += stop - start
            inner = stop - start - 2
            if inner > 0:  # the line's first and last point repeat their neighbours
                row[start + 1 : stop - 1] = np.linspace(row[start], row[stop - 1], inner)
    return n_beyond


def bridge_peaks(eeg: Eeg, *, beyond_microvolt: float) -> int:
    """Replace what lies beyond a limit by a line between the good neighbours, channel by channel, in place.

    A stretch at an end of the recording takes the value of its one good neighbour; an EEG channel without any
    good sample becomes zero.

    Args:
        eeg: (n_channels, n_times) microvolts.
        beyond_microvolt: the limit of the absolute value.

    Returns:
        How many samples were replaced, over all EEG channels.
    """
    n_replaced = 0
    for row in eeg:
        bad = np.abs(row) > beyond_microvolt
        good = np.flatnonzero(~bad)
        n_replaced += int(bad.sum())
        if good.size == 0:
            row[:] = 0
        elif good.size < row.size:
            row[bad] = np.interp(np.flatnonzero(bad), good, row[good])
    return n_replaced


def wiener_filter(
    eeg: Eeg,
    rate_hz: float,
    *,
    reference_channels: Sequence[int],
    beyond_mean_power: float = 5.0,
    widen_seconds: float = 0.5,
    delay_samples: int = 3,
) -> Cleaned:
    """Multi-channel Wiener filter against eye artefacts, in place.

    Somers et al. 2018, A generic EEG artifact removal algorithm, doi 10.1088/1741-2552/aaac92.

    An artefact is where the power of the reference channels, summed, is above ``beyond_mean_power`` times its
    mean, widened to both sides. Every EEG channel, delayed by ``-delay_samples`` to ``delay_samples``, is an
    input; the generalised eigenvalues of the inputs' covariances with and without artefact, those below 1
    counted as 1, say how much of each component is artefact. The estimate of the artefact is subtracted.

    Args:
        eeg: (n_channels, n_times) microvolts, high-passed.
        rate_hz: samples a second.
        reference_channels: indices of the EEG channels near the eyes.
        beyond_mean_power: above this multiple of the mean power there is an artefact.
        widen_seconds: how far an artefact reaches beyond that, to both sides.
        delay_samples: the longest delay.

    Returns:
        What the filter did.

    Raises:
        CorpusError: EEG channels depend on each other (a common reference, two equal channels), or there is
            no more than a moment without artefact.
    """
    kept = [index for index, row in enumerate(eeg) if row.min() < row.max()]
    left_out = tuple(index for index in range(len(eeg)) if index not in kept)
    artefact = _artefacts(eeg, rate_hz, reference_channels, beyond_mean_power, widen_seconds)
    n_inputs = len(kept) * (2 * delay_samples + 1)
    if artefact.sum() < 2:  # a covariance needs two samples
        return Cleaned(0.0, left_out)
    n_clean = int((~artefact).sum())
    if n_clean <= n_inputs:
        raise CorpusError(
            Fault(
                "wiener_filter",
                f"{counted(n_clean, 'sample')} without eye artefact",
                f"more than {n_inputs}, the filter's inputs",
                "Too short a recording, or one with little but artefacts.",
            )
        )
    weights, means = _filter_weights(eeg, kept, artefact, delay_samples)
    for start, stop, inputs in _delayed_blocks(eeg, kept, delay_samples):
        eeg[kept, start:stop] -= weights @ (inputs - means)
    return Cleaned(float(artefact.mean()), left_out)


def average_reference(eeg: Eeg) -> Eeg:
    """Subtract the mean of all EEG channels from each, in place.

    Args:
        eeg: (n_channels, n_times).

    Returns:
        ``eeg``.
    """
    for start in range(0, eeg.shape[1], BLOCK_SAMPLES):
        block = eeg[:, start : start + BLOCK_SAMPLES]
        block -= block.mean(axis=0, dtype=np.float64)
    return eeg


def resample(eeg: Eeg, rate_hz: float, *, to_hz: float) -> Eeg:
    """Polyphase resampling with scipy's default low-pass.

    Args:
        eeg: (n_channels, n_times).
        rate_hz: samples a second, at least ``to_hz``.
        to_hz: samples a second of the result.

    Returns:
        (n_channels, ceil(n_times * to_hz / rate_hz)), of ``eeg``'s type.

    Raises:
        CorpusError: the rate is below ``to_hz``.
    """
    from scipy.signal import resample_poly

    if rate_hz < to_hz:
        raise CorpusError(
            Fault("resample", f"EEG at {rate_hz:g} Hz", f"at least {to_hz:g} Hz, the rate that is wanted")
        )
    ratio = (Fraction(to_hz) / Fraction(rate_hz)).limit_denominator(1_000_000)
    rows = [
        resample_poly(row.astype(np.float64), ratio.numerator, ratio.denominator).astype(eeg.dtype)
        for row in eeg
    ]
    return np.stack(rows)


def _artefacts(
    eeg: Eeg, rate_hz: float, channels: Sequence[int], beyond_mean_power: float, widen_seconds: float
) -> Mask:
    """Where the eyes move, (n_times,)."""
    power = np.zeros(eeg.shape[1])
    for index in channels:
        power += np.square(eeg[index], dtype=np.float64)
    reach = round(widen_seconds * rate_hz)
    artefact = np.zeros(power.size, bool)
    for start, stop in _stretches(power > beyond_mean_power * power.mean()):
        artefact[max(start - reach, 0) : stop + reach] = True
    return artefact


def _filter_weights(eeg: Eeg, kept: list[int], artefact: Mask, delay: int) -> tuple[Eeg, Eeg]:
    """The filter, (n_kept, n_inputs), and the means of its inputs over all time, (n_inputs, 1)."""
    from scipy.linalg import LinAlgError, eigh

    n_inputs = len(kept) * (2 * delay + 1)
    sums, products = np.zeros((2, n_inputs)), np.zeros((2, n_inputs, n_inputs))
    for start, stop, inputs in _delayed_blocks(eeg, kept, delay):
        here = artefact[start:stop]
        for kind, chosen in enumerate((here, ~here)):
            part = inputs[:, chosen]
            sums[kind] += part.sum(axis=1)
            products[kind] += part @ part.T
    counts = (int(artefact.sum()), int((~artefact).sum()))
    with_artefact, without = (
        (products[kind] - np.outer(sums[kind], sums[kind]) / counts[kind]) / (counts[kind] - 1)
        for kind in range(2)
    )
    try:
        values, vectors = eigh(with_artefact, without)
    except LinAlgError:
        raise CorpusError(
            Fault(
                "wiener_filter",
                "EEG channels that depend on each other",
                "independent ones",
                "Two channels are equal, or the file is referenced to its own average already: leave one"
                " out, or take a recipe without this step.",
            )
        ) from None
    share = 1 - 1 / np.maximum(values, 1)
    # The inverse of the eigenvectors is their transpose times the covariance that they are normalised by.
    middle = slice(delay * len(kept), (delay + 1) * len(kept))
    weights = (without @ vectors)[middle] * share @ vectors.T
    return weights, (sums.sum(axis=0) / sum(counts))[:, np.newaxis]


def _delayed_blocks(eeg: Eeg, kept: list[int], delay: int) -> Iterator[tuple[int, int, Eeg]]:
    """Blocks of time: start, stop, and every EEG channel at every delay, (n_inputs, stop - start) float64.

    Beyond the recording there are zeros. Each block is read before the previous one is yielded, so the caller
    may change the recording where its block lies.
    """
    n_times = eeg.shape[1]

    def block(start: int) -> tuple[int, int, Eeg]:
        stop = min(start + BLOCK_SAMPLES, n_times)
        before, after = min(delay, start), min(delay, n_times - stop)
        around = np.zeros((len(kept), stop - start + 2 * delay))
        around[:, delay - before : around.shape[1] - delay + after] = eeg[kept, start - before : stop + after]
        shifted = [around[:, delay - lag : delay - lag + stop - start] for lag in range(-delay, delay + 1)]
        return start, stop, np.concatenate(shifted)

    waiting = None
    for start in range(0, n_times, BLOCK_SAMPLES):
        following = block(start)
        if waiting is not None:
            yield waiting
        waiting = following
    if waiting is not None:
        yield waiting


def _stretches(mask: Mask) -> Iterator[tuple[int, int]]:
    """First and one-past-last sample of every stretch that is True."""
    edges = np.flatnonzero(np.diff(mask.astype(np.int8), prepend=0, append=0))
    for start, stop in edges.reshape(-1, 2):
        yield int(start), int(stop)


def _check_rate(rate_hz: float, highest_hz: float) -> None:
    if rate_hz <= 2 * highest_hz:
        raise CorpusError(
            Fault(
                "filter",
                f"EEG at {rate_hz:g} Hz",
                f"more than {2 * highest_hz:g} Hz for a {highest_hz:g} Hz edge",
            )
        )


def _check_length(eeg: Eeg, n_least: int, rate_hz: float) -> None:
    if eeg.shape[1] < n_least:
        raise CorpusError(
            Fault(
                "filter",
                f"{counted(eeg.shape[1], 'sample')} at {rate_hz:g} Hz",
                f"at least {n_least}",
                "The recording is too short to be filtered.",
            )
        )
