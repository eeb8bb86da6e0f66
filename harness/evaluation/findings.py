"""Bugs that cost a system its score without an error: found by comparing predictions with references.

A look repairs the predictions in one way (turned in time, bands in another order, the other sign) and asks
what the repair gains. It becomes a finding only where all of this holds:

    beyond chance   the gain is larger than in 999 of 1000 draws of chance: the same predictions against
                    references that are turned in time, each segment's by a random number of frames, with
                    the repair chosen anew in each draw, as often and among as many
    worth it        the gain is at least 10 % of what the repaired predictions score (a flipped band: at
                    least a quarter of the mean over bands)

Each look accuses a system of which nothing is wrong in at most 1 of 1000 runs; there are seven: axes,
time, lag, order, exchange of two bands, sign, and signs of bands. What a look measures does not depend on the
sign of any band, so that one bug does not hide another; signs come last, after the other repairs. Four more
looks need no draws: they count what is equal, or compare with the references, by thresholds that stand below.

    find_bugs   references and predictions -> findings
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.errors import counted, some_of
from harness.scoring.pearson import unit_series

if TYPE_CHECKING:
    from harness.conventions import Array

ERROR, WARNING = "error", "warning"

LEVEL = 0.001  # of each look that draws
DRAWS = 2000
SEED = 20240419  # fixed: the same predictions always give the same findings
LEAST_GAIN = 0.10  # share of the repaired score
LEAST_BAND = 0.25  # |r| of a flipped band, as a share of the mean over bands
# Shorter segments are not turned in time. A second of music has 44 frames, its ends zero-padded in every
# segment: that alone scores, and not after a turn, so that honest systems looked late and exchanged.
LEAST_FRAMES = 64
MOST_LAG_SECONDS = 1.0  # shorter where segments are shorter than 8 s
COPY_R = 0.99999
MOST_CLIPPED = 0.05  # share of the frames at the very lowest or highest value
MOST_SPREAD = 0.30  # of ln(standard deviation) over a subject's segments: factors of about 1.35
FEW_CONSTANT = 0.10  # share of the segments
SAME_AS_REVERSED = 0.97  # of the best order's score: the reversed order explains it
_SHIFTS = 32  # of each segment, from which a draw of the order of bands picks
_NEARLY = 0.95  # an order is only changed for bands that gain more than noise between twins

Float = NDArray[np.float32]


class Finding(NamedTuple):
    """One thing that is probably wrong with a system that scores.

    Attributes:
        name: of the kind of bug, such as ``lag``.
        evidence: what was measured.
        likely_cause: where to look first.
        severity: ``error`` where the score is not the system's; ``warning`` where it may be meant.
    """

    name: str
    evidence: str
    likely_cause: str
    severity: str

    def __str__(self) -> str:
        return f"{self.severity}: {self.name}: {self.evidence}.\n  Likely cause: {self.likely_cause}."


class Look(NamedTuple):
    """What was found.

    Attributes:
        findings: what is probably wrong; empty for a system of which nothing is.
        seen: what was looked at, in words.
    """

    findings: list[Finding]
    seen: list[str]


@dataclass(frozen=True)
class _Units:
    """All segments, each band with mean 0 and norm 1 over time.

    Attributes:
        true: references, (n_segments, n_bands, n_frames).
        made: predictions, same shape.
        weights: (n_segments,): the mean over a subject's segments, then over subjects.
    """

    true: Float
    made: Float
    weights: Float

    def repaired(self, repair: Callable[[Float], Float]) -> _Units:
        return _Units(self.true, repair(self.made), self.weights)

    def mean(self, of_segments: Float) -> Float:
        """(n_segments, ...) -> (...)."""
        mean: Float = np.tensordot(self.weights, of_segments, axes=1)
        return mean


class _Shifts(NamedTuple):
    """Which turns in time are lags, and which are chance.

    Attributes:
        most_lag: frames.
        least: frames that a reference is turned by, in either direction.
        draws: (DRAWS, n_segments), frames.
    """

    most_lag: int
    least: int
    draws: NDArray[np.int64]


def find_bugs(
    references: Mapping[str, Mapping[str, Array]],
    predictions: Mapping[str, Mapping[str, Array]],
    frame_rate_hz: float,
    *,
    one_series: bool = False,
) -> list[Finding]:
    """What is probably wrong with predictions.

    Args:
        references: subject -> segment id -> (n_frames, n_bands), finite, all of one shape.
        predictions: the same; segments may be absent, and are left out.
        frame_rate_hz: frames a second.
        one_series: whether every band is the same series by design, as a manifest says of weights.

    Returns:
        Findings, none for a system of which nothing is wrong; none either where there is no segment.
    """
    subjects = {s: [i for i in references[s] if i in predictions.get(s, ())] for s in references}
    subjects = {subject: ids for subject, ids in subjects.items() if ids}
    if not subjects:
        return []
    true = [np.stack([references[subject][i] for i in ids]) for subject, ids in subjects.items()]
    made = [np.stack([predictions[subject][i] for i in ids]) for subject, ids in subjects.items()]
    found = [_constant(made), _clipped(true, made), _copied(made, one_series=one_series), _scale(true, made)]
    if true[0].shape[1] >= LEAST_FRAMES:
        found += _looks(true, made, frame_rate_hz)
    return [finding for finding in found if finding is not None]


# --- looks without draws; each is given a list of (n_segments, n_frames, n_bands), one a subject


def _constant(made: list[Array]) -> Finding | None:
    constant = np.concatenate([(np.ptp(one, axis=1) == 0).any(axis=1) for one in made])
    if not constant.any():
        return None
    return Finding(
        "constant-output",
        f"{some_of(int(constant.sum()), constant.size, 'segment', 'is', 'are')} constant over time in at"
        " least one band, which counts 0",
        "a unit that is dead after training, an output that saturates, or weights that were not loaded",
        WARNING if constant.mean() < FEW_CONSTANT else ERROR,
    )


def _clipped(true: list[Array], made: list[Array]) -> Finding | None:
    shares = _at_extremes(made)
    worst = np.unravel_index(int(np.argmax(shares)), shares.shape)
    if shares[worst] < max(MOST_CLIPPED, 2 * _at_extremes(true)[worst]):
        return None
    side, band = ("lowest", "highest")[worst[0]], worst[1] + 1
    return Finding(
        "clipped-output",
        f"band {band}: {shares[worst]:.0%} of the frames are exactly the {side} value of their segment",
        "a clip, ReLU or sigmoid at the output, or a cast to few bits",
        WARNING,
    )


def _at_extremes(segments: list[Array]) -> NDArray[np.float64]:
    """Share of the frames at a band's lowest and highest value of the segment, (2, n_bands).

    Segments that are constant are left out: they are findings of their own.
    """
    whole = np.concatenate(segments)
    moving = (np.ptp(whole, axis=1) > 0)[:, None]  # (n_segments, 1, n_bands)
    frames = np.maximum(moving.sum(axis=(0, 1)), 1) * whole.shape[1]
    extremes = whole.min(axis=1, keepdims=True), whole.max(axis=1, keepdims=True)
    return np.stack([((whole == one) & moving).sum(axis=(0, 1)) / frames for one in extremes])


def _copied(made: list[Array], *, one_series: bool) -> Finding | None:
    units = np.concatenate([unit_series(one) for one in made])
    n_bands = units.shape[1]
    if n_bands < 2 or not units.any():
        return None
    least = np.min(
        [np.abs(unit @ unit.T) for unit in units if unit.any(axis=1).all()] or [np.eye(n_bands)], 0
    )
    twins = least >= COPY_R
    groups = list(dict.fromkeys(tuple((np.flatnonzero(row) + 1).tolist()) for row in twins if row.sum() > 1))
    if not groups or (one_series and len(groups[0]) == n_bands):
        return None
    named = "; ".join(_listed(group) for group in groups)
    return Finding(
        "copied-bands",
        f"bands {named} are one series in every segment, but for scale and sign",
        "an output of one band that is repeated or broadcast, or an index that is not the loop's",
        ERROR,
    )


def _scale(true: list[Array], made: list[Array]) -> Finding | None:
    spread, usual = _spread(made), _spread(true)
    if spread < max(MOST_SPREAD, 2 * usual):
        return None
    return Finding(
        "scale-by-segment",
        f"a subject's segments differ in standard deviation by a factor of {np.exp(spread):.2f} (one standard"
        f" deviation; the references by {np.exp(usual):.2f})",
        "EEG that is not normalised, or is by something other than the segment itself. Pearson r does not"
        " see the scale; other measures do",
        WARNING,
    )


def _spread(segments: list[Array]) -> float:
    """Standard deviation of ln(standard deviation over time) over a subject's segments, pooled."""
    squares, degrees = 0.0, 0
    for one in segments:
        deviations = np.asarray(one, np.float64).std(axis=1)
        logs = np.log(deviations[(deviations > 0).all(axis=1)]).mean(axis=1)
        if len(logs) > 1:
            squares += float(np.square(logs - logs.mean()).sum())
            degrees += len(logs) - 1
    return float(np.sqrt(squares / degrees)) if degrees else 0.0


# --- looks that repair, and ask whether chance would gain as much


def _looks(true: list[Array], made: list[Array], frame_rate_hz: float) -> list[Finding | None]:
    units = _Units(
        np.concatenate([unit_series(one) for one in true]).astype(np.float32),
        np.concatenate([unit_series(one) for one in made]).astype(np.float32),
        np.concatenate([np.full(len(one), 1 / (len(made) * len(one)), np.float32) for one in made]),
    )
    shifts = _shifts(len(units.true), units.true.shape[2], frame_rate_hz)
    found: list[Finding | None] = []
    if made[0].shape[2] > 1:
        unscrambled = np.concatenate([unit_series(_read_as_bands_first(one)) for one in made])
        found.append(
            _repair(
                units,
                units.repaired(lambda _: unscrambled.astype(np.float32)),
                shifts,
                "transposed-axes",
                "read as (n_bands, n_frames) they score {after:.4f}, as they are {before:.4f} (mean |r|)",
                "reshape where transpose was meant: numbers of all bands are mixed in each series",
            )
        )
    found.append(
        _repair(
            units,
            units.repaired(lambda series: series[..., ::-1]),
            shifts,
            "reversed-time",
            "turned round in time they score {after:.4f}, as they are {before:.4f} (mean |r|)",
            "EEG or predictions that run backwards: an index with a negative step, a convolution that is"
            " flipped",
        )
    )
    if any(found):  # what is left to see is that scrambled series are scrambled
        return found
    lag, lagging = _lag(units, shifts, frame_rate_hz)
    units = units.repaired(lambda series: np.roll(series, -lag, axis=2))
    order, disordered = _order(units, shifts)
    units = units.repaired(lambda series: series[:, order])
    return [lagging, disordered, _sign(units, shifts)]


def _read_as_bands_first(segments: Array) -> Array:
    """(n_segments, n_frames, n_bands) whose numbers lie in memory as those of (n_bands, n_frames)."""
    n_segments, n_frames, n_bands = segments.shape
    return np.ascontiguousarray(segments).reshape(n_segments, n_bands, n_frames).transpose(0, 2, 1)


def _shifts(n_segments: int, n_frames: int, frame_rate_hz: float) -> _Shifts:
    most_lag = max(1, min(round(MOST_LAG_SECONDS * frame_rate_hz), n_frames // 8))
    least = 2 * most_lag  # so that no draw's lags reach the true one
    rng = np.random.default_rng(SEED)
    draws = rng.integers(least, n_frames - least + 1, size=(DRAWS, n_segments))
    return _Shifts(most_lag, least, draws)


def _curves(units: _Units) -> Float:
    """Pearson r of each band at every turn in time, (n_segments, n_bands, n_frames).

    Entry k is that of predictions that are k frames late, -k from the end that of early ones.
    """
    from scipy.fft import irfft, rfft

    curves = np.empty_like(units.true)
    for index, (true, made) in enumerate(zip(units.true, units.made, strict=True)):
        curves[index] = irfft(rfft(true).conj() * rfft(made), true.shape[1])
    return curves


def _size(by_band: Float) -> NDArray[np.float64]:
    """Mean over bands of |r|, which no band's sign changes; the last axis is that of bands."""
    sizes: NDArray[np.float64] = np.abs(by_band).mean(axis=-1, dtype=np.float64)
    return sizes


def _beyond_chance(gain: float, by_chance: NDArray[np.float64]) -> bool:
    return bool((1 + np.count_nonzero(by_chance >= gain)) / (1 + by_chance.size) <= LEVEL)


def _repair(
    before: _Units, after: _Units, shifts: _Shifts, name: str, evidence: str, cause: str
) -> Finding | None:
    """A finding where the repaired predictions score more; ``evidence`` says after and before."""
    curves, repaired = _curves(before), _curves(after)
    scores = [float(_size(before.mean(one[..., 0]))) for one in (curves, repaired)]
    gain = scores[1] - scores[0]
    if gain < LEAST_GAIN * scores[1]:
        return None
    by_chance, repaired_by_chance = (_size(_drawn(before, one, shifts)) for one in (curves, repaired))
    if not _beyond_chance(gain, repaired_by_chance - by_chance):
        return None
    return Finding(name, evidence.format(before=scores[0], after=scores[1]), cause, ERROR)


def _drawn(units: _Units, curves: Float, shifts: _Shifts) -> Float:
    """Each draw's r of each band, (DRAWS, n_bands)."""
    rows = np.arange(len(curves))
    return np.stack([units.mean(curves[rows, :, draw]) for draw in shifts.draws])


def _lag(units: _Units, shifts: _Shifts, frame_rate_hz: float) -> tuple[int, Finding | None]:
    """The predictions' lag in frames, positive where they are late; 0 without a finding."""
    n_lags = 2 * shifts.most_lag + 1
    curves = _curves(units)
    around = np.concatenate([curves[..., -shifts.most_lag :], curves, curves[..., : shifts.most_lag]], axis=2)
    windows = np.lib.stride_tricks.sliding_window_view(around, n_lags, axis=2)  # (s, b, n_frames, n_lags)
    rows = np.arange(len(curves))

    def sizes(turns: NDArray[np.int64]) -> NDArray[np.float64]:
        return _size(units.mean(windows[rows, :, turns]).T)

    own = sizes(np.zeros(len(rows), np.int64))
    gain = _gain(own, shifts.most_lag)
    if gain < LEAST_GAIN * own.max():
        return 0, None
    by_chance = np.array([_gain(sizes(draw), shifts.most_lag) for draw in shifts.draws])
    if not _beyond_chance(gain, by_chance):
        return 0, None
    lag = int(own.argmax()) - shifts.most_lag
    return lag, Finding(
        "lag",
        f"the predictions are {abs(lag) / frame_rate_hz * 1000:.0f} ms ({counted(abs(lag), 'frame')}) too"
        f" {'late' if lag > 0 else 'early'}: mean |r| is {own.max():.4f} there, {own[shifts.most_lag]:.4f} as"
        " they are",
        "padding on one side of a convolution, frames cut off at one end, or a response's delay counted"
        " twice or not at all",
        ERROR,
    )


def _gain(sizes: NDArray[np.float64], here: int) -> float:
    return float(sizes.max() - sizes[here])


def _order(units: _Units, shifts: _Shifts) -> tuple[NDArray[np.int64], Finding | None]:
    """For each reference band the predicted band that is like it; in order without a finding.

    Among all orders chance finds larger gains than among exchanges of two bands: those are looked at apart.
    """
    n_bands = units.true.shape[1]
    in_order = np.arange(n_bands)
    if n_bands < 2:
        return in_order, None
    own = np.abs(units.mean(units.true @ units.made.transpose(0, 2, 1)))
    drawn: Float | None = None
    for best in (_best_order, _best_exchange):
        order, gain = best(own)
        before, after = own[in_order, in_order], own[in_order, order]
        moved = order != in_order
        if gain <= 0 or after[moved].sum() - before[moved].sum() < LEAST_GAIN * after[moved].sum():
            continue
        drawn = _drawn_pairs(units, shifts) if drawn is None else drawn
        if _beyond_chance(gain, np.array([best(sizes)[1] for sizes in drawn])):
            return _disorder(own, order)
    return in_order, None


def _drawn_pairs(units: _Units, shifts: _Shifts) -> Float:
    """Each draw's |r| of reference bands with predicted bands, (DRAWS, n_bands, n_bands)."""
    n_segments, n_bands, n_frames = units.true.shape
    rng = np.random.default_rng(SEED)
    turned = rng.integers(shifts.least, n_frames - shifts.least + 1, size=(n_segments, _SHIFTS))
    pairs = np.empty((n_segments, _SHIFTS, n_bands, n_bands), np.float32)
    for index in range(n_segments):
        for k, shift in enumerate(turned[index]):
            pairs[index, k] = np.roll(units.true[index], shift, axis=1) @ units.made[index].T
    rows = np.arange(n_segments)
    picks = rng.integers(0, _SHIFTS, size=(DRAWS, n_segments))
    drawn: Float = np.abs(np.stack([units.mean(pairs[rows, pick]) for pick in picks]))
    return drawn


def _disorder(own: Float, order: NDArray[np.int64]) -> tuple[NDArray[np.int64], Finding]:
    """The finding of a better order; the reversed one, where that explains it."""
    in_order = np.arange(len(own))
    before, after = own[in_order, in_order], own[in_order, order]
    backwards = own[in_order, in_order[::-1]]
    if backwards.sum() >= SAME_AS_REVERSED * after.sum():
        return in_order[::-1], Finding(
            "reversed-bands",
            f"from the highest band to the lowest mean |r| is {backwards.mean():.4f}, as they are"
            f" {before.mean():.4f}",
            "bands that were written from the top, or an axis that is flipped",
            ERROR,
        )
    moved = np.flatnonzero(order != in_order)
    return order, Finding(
        "permuted-bands",
        f"with band {', '.join(f'{order[band] + 1} as {band + 1}' for band in moved)} mean |r| is"
        f" {after.mean():.4f}, as they are {before.mean():.4f}",
        "outputs that are put together in another order than the feature's bands",
        ERROR,
    )


def _best_order(sizes: Float) -> tuple[NDArray[np.int64], float]:
    """The order of predicted bands with the largest sum, and its gain; a band must gain to be moved."""
    from scipy.optimize import linear_sum_assignment

    worth = _worth(sizes)
    order = linear_sum_assignment(worth, maximize=True)[1]
    return order, float(worth[np.arange(len(sizes)), order].sum() - np.trace(worth))


def _best_exchange(sizes: Float) -> tuple[NDArray[np.int64], float]:
    """The same among the orders in which two bands have changed places."""
    worth = _worth(sizes)
    here = np.diag(worth)
    gains = worth + worth.T - here[:, None] - here
    first, second = np.unravel_index(int(gains.argmax()), gains.shape)
    order = np.arange(len(sizes))
    order[[first, second]] = order[[second, first]]
    return order, float(gains[first, second])


def _worth(sizes: Float) -> Float:
    return np.where(np.eye(len(sizes), dtype=bool), sizes, np.float32(_NEARLY) * sizes)


def _sign(units: _Units, shifts: _Shifts) -> Finding | None:
    curves = _curves(units)
    own = units.mean(curves[..., 0]).astype(np.float64)
    below = np.flatnonzero((own < 0) & (-own >= LEAST_BAND * np.abs(own).mean()))
    if not below.size:
        return None
    drawn = _drawn(units, curves, shifts).astype(np.float64)
    if (own < 0).mean() > 0.5 and _beyond_chance(-own.mean(), -drawn.mean(axis=1)):
        return Finding(
            "sign-flip",
            f"mean r is {own.mean():.4f}, below chance;"
            f" {some_of(int(np.count_nonzero(own < 0)), own.size, 'band', 'is', 'are')} below 0",
            "a loss that is minimised where it should be maximised, or a sign in the last layer",
            ERROR,
        )
    deviation = np.where(drawn.std(axis=0) > 0, drawn.std(axis=0), np.inf)
    lowest = np.max(-drawn / deviation, axis=1)
    flipped = [int(band) for band in below if _beyond_chance(-own[band] / deviation[band], lowest)]
    if not flipped:
        return None
    return Finding(
        "sign-flip-of-bands",
        f"r of band{'s' if len(flipped) > 1 else ''} {_listed([band + 1 for band in flipped])} is below"
        f" chance: {', '.join(f'{own[band]:.4f}' for band in flipped)}",
        "weights of these bands with the wrong sign, or a loss that takes the size of r",
        ERROR,
    )


def _listed(bands: tuple[int, ...] | list[int]) -> str:
    """1, 2, 3, 7 -> "1 to 3, 7"."""
    runs: list[list[int]] = []
    for band in bands:
        if runs and band == runs[-1][-1] + 1:
            runs[-1].append(band)
        else:
            runs.append([band])
    return ", ".join(f"{run[0]} to {run[-1]}" if len(run) > 2 else ", ".join(map(str, run)) for run in runs)
