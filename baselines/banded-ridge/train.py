"""Training of the banded ridge: one pass over the training part, everything chosen by folds of its subjects.

For each band by itself: how far its lags go, its penalty, and the multiples of it for the groups of
frequencies. First lags and penalty, with one multiple for all; then the multiples and the penalty beside the
one found. The validation part is only scored, once.
"""

from itertools import product
from typing import NamedTuple

import numpy as np
from model import Products, apply, correlations, layout, solve, unpacked, zscore

from harness.predictor import check_one_frame_a_sample

FOLDS = 3
LAST_SECONDS = (0.2, 0.3, 0.4)
# Shares of a group's sum of squares. The first search takes every second one.
PENALTIES = 10.0 ** np.arange(-2.5, 2.0, 0.5)
MULTIPLES = (1.0, 10.0, 100.0)


class Choice(NamedTuple):
    """What a band is solved with: last lag in samples, place among the penalties, multiple of each group."""

    last: int
    penalty: int
    multiples: tuple[float, ...]


def train(data, setup, progress):
    """Choose and solve, for each band.

    Returns:
        {"group_0": (n_lags, n_channels, n_bands) float32, ...}, and a report with what was chosen.

    Raises:
        ShapeError: a feature without one frame for each EEG sample.
    """
    check_one_frame_a_sample(setup)
    own = layout(setup.sample_rate_hz)
    folds = _accumulated(data, setup, own, progress)
    total = folds[0]
    for fold in folds[1:]:
        total = total.plus(fold)
    choices, scores, solved = _chosen(folds, total, progress)
    weights = [np.zeros((len(lags), setup.n_channels, setup.n_bands), np.float32) for lags in own.lags]
    for choice in sorted(set(choices)):
        bands = [band for band, its in enumerate(choices) if its == choice]
        matrix = total.matrix(choice.last)
        found = solve(total, choice.last, PENALTIES[choice.penalty], choice.multiples, matrix)
        for group, kernel in zip(weights, unpacked(total, choice.last, found), strict=True):
            group[:, :, bands] = kernel[:, :, bands]
    score = data.validate(lambda eeg, _: apply(weights, own, zscore(eeg)))
    report = {
        "validation_pearson_r": score,
        "cross_validated_r_by_band": [round(float(r), 6) for r in scores],
        "last_lag_seconds_by_band": [choice.last / setup.sample_rate_hz for choice in choices],
        "penalty_by_band": [float(f"{PENALTIES[choice.penalty]:.4g}") for choice in choices],
        "multiples_by_band": [list(choice.multiples) for choice in choices],
        "edges_hz": list(own.edges_hz),
        "folds": len(folds),
        "solved": solved,
    }
    return {f"group_{place}": kernel for place, kernel in enumerate(weights)}, report


def _accumulated(data, setup, own, progress):
    """Sums of each fold, in one pass. Folds are of subjects; of recordings where there is one subject."""
    stretches = data.stretches()
    subjects = list(dict.fromkeys(recording.subject for recording, _, _ in stretches))
    units = [
        subjects.index(one.subject) if len(subjects) > 1 else k for k, (one, _, _) in enumerate(stretches)
    ]
    n_folds = min(FOLDS, len(set(units)))
    folds = [Products(own, setup.n_channels, setup.n_bands) for _ in range(n_folds)]
    for done, (unit, (eeg, target)) in enumerate(zip(units, data.recordings(), strict=True), start=1):
        eeg, target = (zscore(np.asarray(series, np.float32)) for series in (eeg, target))
        folds[unit % n_folds].add(eeg, target)
        progress(done, len(stretches), f"recording {done} of {len(stretches)}")
    return folds


def _chosen(folds, total, progress):
    """What each band is solved with, its cross-validated r, and how many ridges were solved."""
    n_groups, n_bands = len(total.own.lags), total.n_bands
    even = (1.0,) * n_groups
    lasts = sorted({max(int(seconds * total.own.rate_hz + 1e-9), 0) for seconds in LAST_SECONDS})
    middle = len(PENALTIES) // 2
    if len(folds) < 2:  # one recording: nothing to choose by
        return [Choice(lasts[-1], middle, even)] * n_bands, np.zeros(n_bands), 1
    search = _Search(folds, total, progress)
    first = search.best(
        [Choice(last, place, even) for last in lasts for place in range(0, len(PENALTIES), 2)],
        [set(range(n_bands))] * (len(lasts) * len(range(0, len(PENALTIES), 2))),
    )
    multiples = [m for m in product(MULTIPLES, repeat=n_groups) if min(m) == 1.0] if n_groups > 1 else [even]
    wanted: dict[Choice, set[int]] = {}
    for band, (choice, _) in enumerate(first):
        for place in {
            max(choice.penalty - 1, 0),
            choice.penalty,
            min(choice.penalty + 1, len(PENALTIES) - 1),
        }:
            for own in multiples:
                wanted.setdefault(Choice(choice.last, place, own), set()).add(band)
    second = search.best(list(wanted), list(wanted.values()))
    return [choice for choice, _ in second], np.array([r for _, r in second]), search.solved


class _Search:
    """Ridges by fold. The matrices of one length of lags are kept at a time."""

    def __init__(self, folds, total, progress):
        self.folds, self.rests, self.progress = folds, [total.less(fold) for fold in folds], progress
        self.n_bands, self.solved = total.n_bands, 0

    def best(self, choices, bands):
        """For each band the choice with the highest mean r over folds, of those that are asked for it."""
        found = [(choices[0], -2.0)] * self.n_bands
        done = 0
        for last in sorted({choice.last for choice in choices}):
            matrices = [
                (rest.matrix(last), fold.matrix(last))
                for rest, fold in zip(self.rests, self.folds, strict=True)
            ]
            for choice, asked in zip(choices, bands, strict=True):
                if choice.last != last:
                    continue
                r = np.mean([self._r(k, choice, *pair) for k, pair in enumerate(matrices)], axis=0)
                done += 1
                self.progress(done, len(choices), f"ridge {done} of {len(choices)}")
                for band in asked:
                    if r[band] > found[band][1]:
                        found[band] = choice, float(r[band])
        return found

    def _r(self, k, choice, matrix, held_out):
        rest, fold = self.rests[k], self.folds[k]
        weights = solve(rest, choice.last, PENALTIES[choice.penalty], choice.multiples, matrix)
        self.solved += 1
        return correlations(fold, choice.last, weights, held_out)
