"""What is wrong with the EEG of each recording: channels, numbers, lengths, and whether it fits its feature.

Nothing is mended here. Each check says what it saw; the limits are constants below, with their reasons.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.conventions import Progress
from harness.corpus.base import Corpus, Recording, with_frame_rates
from harness.errors import counted, shorten

Array = NDArray[Any]

FLAT_SHARE = 1e-3
"""A channel is flat whose deviation is this share of the median channel's, or less."""

WILD_FACTOR = 10.0
"""A channel is wildly scaled whose deviation is so many times the median channel's, or more.

Of the 640 channels of ten DTU subjects none is beyond 7; the broken one of S11 is at 50 to 90.
"""

CLIPPED_RUN = 4
"""A stretch is clipped where a channel stays at its own highest or lowest value for so many samples."""

FOUND_Z = 5.0
"""An answer is found where the best of the 33 lags is so many deviations above far shifts."""

SHIFT_SECONDS = 1.0
"""Alignment is looked for within this much, to both sides."""

_SHIFT_STEP_SECONDS = 1 / 16
_LAG_SECONDS = 0.25  # of the decoder: EEG answers within a quarter of a second
_N_LAGS = 8
_N_FOLDS = 4
_LAMBDA = 0.1  # of the mean power of a lagged channel
_BAND_HZ = (1.0, 9.0)
_FAR_SECONDS = 3.0  # shifts beyond this have nothing to do with what was heard at the time
_N_FAR = 120
_SHIFTED_Z = 2.0  # by which the best lag must be better than none
_LEAST_SECONDS = 20.0
_LATE_SECONDS = 0.125  # best lags up to this are a fit: answers of people differ by as much
_MAINS_HZ = (50.0, 60.0)
_LINE_DB = 10.0
_LONGER_SHARE = 0.001  # of a recording, and at least a sample


@dataclass(frozen=True)
class Alignment:
    """Where EEG and a feature fit best.

    Attributes:
        feature: which.
        lag_ms: the best shift of the EEG against the feature, beyond the answer's own delay; 0 fits, 250
            means that EEG comes 250 ms late.
        r: Pearson r of a cross-validated ridge there.
        z: how many deviations of the r at far shifts that lies above their mean.
        z_unshifted: likewise at lag 0.
    """

    feature: str
    lag_ms: float
    r: float
    z: float
    z_unshifted: float

    @property
    def found(self) -> bool:
        """Whether an answer to the feature was found at all; short recordings often show none."""
        return self.z > FOUND_Z

    @property
    def shifted(self) -> bool:
        """Whether it was found, and elsewhere than where it should be."""
        late = abs(self.lag_ms) > 1000 * _LATE_SECONDS
        return self.found and late and self.z - self.z_unshifted > _SHIFTED_Z


@dataclass(frozen=True)
class Quality:
    """What was seen in one recording.

    Attributes:
        recording: its id.
        seconds: of the EEG.
        flat: channels without a signal, by name.
        wild: channel -> how many times the median channel's deviation it has.
        clipped: channel -> share of its samples that are in clipped stretches.
        not_finite: channel -> numbers that are NaN or infinite.
        line_db: mains frequency -> power there over that beside it, the highest of all channels, dB; without
            those at or beyond half the sampling rate.
        longer_by: feature -> seconds that the EEG is longer (negative: shorter).
        alignment: None where there is no feature, too little EEG, or numbers that are not finite.
        stretches: what it was found from, for the alignment of the whole subject.
    """

    recording: str
    seconds: float
    flat: tuple[str, ...] = ()
    wild: Mapping[str, float] = field(default_factory=dict)
    clipped: Mapping[str, float] = field(default_factory=dict)
    not_finite: Mapping[str, int] = field(default_factory=dict)
    line_db: Mapping[str, float] = field(default_factory=dict)
    longer_by: Mapping[str, float] = field(default_factory=dict)
    alignment: Alignment | None = None
    stretches: tuple[Moments, ...] = field(default=(), repr=False, compare=False)

    @property
    def remarks(self) -> tuple[str, ...]:
        """What a user should look at, most urgent first; empty where nothing was found."""
        said = []
        if self.not_finite:
            total = sum(self.not_finite.values())
            said.append(f"{counted(total, 'number')} not finite, in {shorten(list(self.not_finite))}")
        if self.flat:
            said.append(f"flat: {shorten(list(self.flat))}")
        if self.wild:
            worst = [f"{name} ({factor:.0f} times the median)" for name, factor in self.wild.items()]
            said.append(f"wildly scaled: {shorten(worst)}")
        if self.clipped:
            worst = [f"{name} ({100 * share:.1f} %)" for name, share in self.clipped.items()]
            said.append(f"clipped: {shorten(worst)}")
        noisy = {hertz: power for hertz, power in self.line_db.items() if power > _LINE_DB}
        said += [f"{power:.0f} dB of line noise at {hertz} Hz" for hertz, power in noisy.items()]
        if self.alignment is not None and self.alignment.shifted:
            early = "early" if self.alignment.lag_ms < 0 else "late"
            said.append(f"EEG {abs(self.alignment.lag_ms):.0f} ms {early} for {self.alignment.feature}")
        return tuple(said)


def qualities(
    corpus: Corpus, *, feature: str | None = None, on_progress: Progress | None = None
) -> Iterator[Quality]:
    """Look at every recording of a corpus, one in memory at a time.

    Args:
        corpus: opened.
        feature: against which alignment is looked for; None for the first that a recording has.
        on_progress: told (done, total).

    Yields:
        one for each recording, in the corpus's order.
    """
    total = len(corpus.recordings)
    for done, recording in enumerate(corpus.recordings, start=1):
        yield quality(recording, corpus, feature=feature)
        if on_progress:
            on_progress(done, total)


def quality(recording: Recording, corpus: Corpus, *, feature: str | None = None) -> Quality:
    """Look at one recording.

    Args:
        recording: of the corpus.
        corpus: whose declaration says rates and channel names.
        feature: as in :func:`qualities`.
    """
    declaration = corpus.declaration
    rate = declaration.sample_rate_hz
    recording = with_frame_rates(recording, declaration)
    eeg = recording.eeg_series.read(0, recording.eeg_series.n_times).astype(np.float64)
    names = declaration.channel_names or tuple(f"{k + 1}" for k in range(eeg.shape[1]))
    finite = np.isfinite(eeg)
    bad = (~finite).sum(axis=0)
    clean = np.where(finite, eeg, 0.0)
    name = feature or next(iter(recording.feature_series), "")
    target = None if bad.any() else _at_rate_of_eeg(recording, name, len(eeg))
    stretches = [] if target is None else moments(clean[: len(target)], target, rate)
    return Quality(
        recording=recording.id,
        seconds=len(eeg) / rate,
        **channel_quality(clean, names),
        not_finite={names[k]: int(bad[k]) for k in np.flatnonzero(bad)},
        line_db=line_noise(clean, rate),
        longer_by=dict(_differences(recording, len(eeg), rate)),
        alignment=alignment(stretches, rate, name),
        stretches=tuple(stretches),
    )


def channel_quality(eeg: Array, names: Sequence[str]) -> dict[str, Any]:
    """Flat, wildly scaled and clipped channels.

    Args:
        eeg: (n_times, n_channels), finite.
        names: of the channels.

    Returns:
        ``flat``, ``wild`` and ``clipped``, as in :class:`Quality`.
    """
    deviation = eeg.std(axis=0)
    working = deviation[deviation > 0]
    median = float(np.median(working)) if len(working) else 0.0
    flat = deviation <= FLAT_SHARE * median
    wild = ~flat & (deviation >= WILD_FACTOR * median)
    shares = {name: clipped_share(eeg[:, k]) for k, name in enumerate(names) if not flat[k]}
    return {
        "flat": tuple(names[k] for k in np.flatnonzero(flat)),
        "wild": {names[k]: float(deviation[k] / median) for k in np.flatnonzero(wild)},
        "clipped": {name: share for name, share in shares.items() if share},
    }


def clipped_share(channel: Array) -> float:
    """The share of samples in stretches of ``CLIPPED_RUN`` or more at the highest or the lowest value.

    Args:
        channel: (n_times,), finite.
    """
    clipped = 0
    for extreme in (channel.max(), channel.min()):
        at = np.concatenate([[False], channel == extreme, [False]])
        edges = np.flatnonzero(np.diff(at.astype(np.int8)))
        runs = edges[1::2] - edges[::2]
        clipped += int(runs[runs >= CLIPPED_RUN].sum())
    return clipped / len(channel)


def line_noise(eeg: Array, sample_rate_hz: float) -> dict[str, float]:
    """Power at each mains frequency over that 2 to 4 Hz beside it, the highest of all channels, in dB.

    Args:
        eeg: (n_times, n_channels), finite.
        sample_rate_hz: frequencies less than 4 Hz below half of it, or above, are left out.

    Returns:
        "50" and "60", those that can be seen; empty for less than two seconds.
    """
    from scipy.signal import welch

    length = round(2 * sample_rate_hz)
    if len(eeg) < length:
        return {}
    found = {}
    for hertz in _MAINS_HZ:
        if hertz + 4 >= sample_rate_hz / 2:
            continue
        frequencies, power = welch(eeg, fs=sample_rate_hz, nperseg=length, axis=0)
        distance = np.abs(frequencies - hertz)
        at = power[distance <= 1].max(axis=0)
        beside = np.median(power[(distance >= 2) & (distance <= 4)], axis=0)
        ratio = at[beside > 0] / beside[beside > 0]
        found[f"{hertz:g}"] = float(10 * np.log10(ratio.max())) if len(ratio) else 0.0
    return found


class Moments(NamedTuple):
    """What a ridge needs of one stretch of time, whose mean is taken out.

    Attributes:
        gram: (n_lagged, n_lagged), of the lagged EEG.
        product: (n_lagged, n_shifts), of the lagged EEG with the feature at each shift.
        power: of the feature.
    """

    gram: Array
    product: Array
    power: float


def moments(eeg: Array, target: Array, sample_rate_hz: float) -> list[Moments]:
    """Moments of four stretches of a recording, for all shifts that are looked at, near and far.

    Args:
        eeg: (n_times, n_channels), finite.
        target: (n_times,), one value for each sample.
        sample_rate_hz: of both.

    Returns:
        none for less than twenty seconds, or where nothing varies.
    """
    if len(eeg) < _LEAST_SECONDS * sample_rate_hz or np.ptp(target) == 0 or not eeg.std(axis=0).any():
        return []
    near = _near_shifts(sample_rate_hz)
    first = round(_FAR_SECONDS * sample_rate_hz)
    far = np.linspace(first, len(eeg) - first, _N_FAR).astype(int)
    lagged = _lagged(_slow(eeg, sample_rate_hz), sample_rate_hz)
    slow = _slow(target[:, None], sample_rate_hz)[:, 0]
    shifted = np.stack([np.roll(slow, shift) for shift in (*near, *far)], axis=1).astype(np.float32)
    bounds = np.linspace(0, len(eeg), _N_FOLDS + 1).astype(int)
    found = []
    for start, stop in zip(bounds, bounds[1:], strict=False):
        x, y = lagged[start:stop], shifted[start:stop]
        x, y = x - x.mean(axis=0), y - y.mean(axis=0)
        found.append(Moments(x.T @ x, x.T @ y, (y.astype(np.float64) ** 2).sum(axis=0)))
    return found


def alignment(stretches: Sequence[Moments], sample_rate_hz: float, feature: str = "") -> Alignment | None:
    """The shift at which a ridge decodes a feature best, each stretch by a decoder of all others.

    Args:
        stretches: of one recording, or of several of one subject.
        sample_rate_hz: of the EEG.
        feature: its name, handed on.

    Returns:
        None where there are fewer than two stretches.
    """
    if len(stretches) < 2:
        return None
    gram = np.sum([one.gram for one in stretches], axis=0)
    product = np.sum([one.product for one in stretches], axis=0)
    ridge = _LAMBDA * np.trace(gram) / len(gram) * np.eye(len(gram), dtype=np.float32)
    covariance, decoded, power = 0.0, 0.0, 0.0
    for one in stretches:
        weights = np.linalg.solve(gram - one.gram + ridge, product - one.product)
        covariance = covariance + (weights * one.product).sum(axis=0)
        decoded = decoded + (weights * (one.gram @ weights)).sum(axis=0)
        power = power + one.power
    r = covariance / np.sqrt(decoded * power)
    near = _near_shifts(sample_rate_hz)
    searched, far = r[: len(near)], r[len(near) :]
    scores = (searched - far.mean()) / far.std()
    best = int(scores.argmax())
    return Alignment(
        feature=feature,
        lag_ms=float(1000 * near[best] / sample_rate_hz),
        r=float(searched[best]),
        z=float(scores[best]),
        z_unshifted=float(scores[len(near) // 2]),
    )


def _near_shifts(sample_rate_hz: float) -> Array:
    step = max(1, round(_SHIFT_STEP_SECONDS * sample_rate_hz))
    most = int(SHIFT_SECONDS * sample_rate_hz) // step
    return step * np.arange(-most, most + 1)


def _slow(values: Array, sample_rate_hz: float) -> Array:
    """(n_times, n_channels) between 1 and 9 Hz, where answers to speech are; as it is at low rates."""
    from scipy.signal import butter, sosfiltfilt

    if sample_rate_hz <= 2 * _BAND_HZ[1]:
        return values
    sections = butter(2, _BAND_HZ, btype="bandpass", fs=sample_rate_hz, output="sos")
    return np.asarray(sosfiltfilt(sections, values, axis=0))


def _lagged(eeg: Array, sample_rate_hz: float) -> Array:
    """(n_times, n_channels * n_lags) float32: each channel by its own deviation, now and up to 250 ms later."""
    scale = eeg.std(axis=0)
    scaled = ((eeg - eeg.mean(axis=0)) / np.where(scale > 0, scale, 1)).astype(np.float32)
    lags = np.unique(np.linspace(0, _LAG_SECONDS * sample_rate_hz, _N_LAGS).round().astype(int))
    return np.concatenate([np.roll(scaled, -lag, axis=0) for lag in lags], axis=1)


def _at_rate_of_eeg(recording: Recording, name: str, n_times: int) -> Array | None:
    """A feature with a value for each sample of EEG, its bands averaged; None where that cannot be."""
    if name not in recording.feature_series:
        return None
    series = recording.feature_series[name]
    values = series.read(0, series.n_times).astype(np.float64)
    ratio = float(recording.frames_per_sample.get(name, 1))
    if not len(values) or not np.isfinite(values).all() or not ratio:  # 0: a split decides how many frames
        return None
    scale = values.std(axis=0)
    mean = ((values - values.mean(axis=0)) / np.where(scale > 0, scale, 1)).mean(axis=1)
    shorter = min(n_times, int(len(mean) / ratio))
    return np.interp(np.arange(shorter) * ratio, np.arange(len(mean)), mean)


def _differences(recording: Recording, n_times: int, sample_rate_hz: float) -> Iterator[tuple[str, float]]:
    """Features that are longer or shorter than the EEG by a thousandth and by more than a sample."""
    for name, series in recording.feature_series.items():
        ratio = float(recording.frames_per_sample.get(name, 1))
        if ratio == 0:
            continue
        longer = n_times - series.n_times / ratio
        if abs(longer) > max(1, _LONGER_SHARE * n_times):
            yield name, longer / sample_rate_hz
