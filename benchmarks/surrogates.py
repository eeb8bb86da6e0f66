"""How well a few lines tell surrogates from EEG, and whether other surrogates would hide better.

python -m benchmarks.surrogates [FOLDER OF DTU TRIALS]

On 160 segments of the simulated corpus (of DTU where its folder is named), three kinds of surrogates:

    phases      those of the blind control
    window      a stretch of surrogates of the segment and its mirror image, which do not come back to where
                they began
    amplitude   the same, with the segment's slow amplitude (seconds, all channels alike) moved in time

and for each the area under the ROC curve (0.5: cannot be told, 1: always) of the jump between the ends beside
that of neighbours, of the kurtosis, and of both with the spread of power over time, the skewness and the
asymmetry of slopes together: a linear rule of them and their squares, fitted on half of the segments.
"""

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
from scipy.stats import kurtosis, rankdata, skew

from benchmarks.timing import report
from harness.corpus import open_corpus
from harness.corpus.simulated.make import default_folder, simulate
from harness.scoring.blind import phase_randomised
from harness.tasks.segments import cut_segments
from harness.tasks.splits import load_split

SEGMENTS, RATE = 160, 64
Eeg = np.ndarray


def window(eeg: Eeg, rng: np.random.Generator) -> Eeg:
    """A stretch of a surrogate that is twice as long."""
    whole = phase_randomised(np.concatenate([eeg, eeg[::-1]]), rng)
    return np.roll(whole, rng.integers(len(whole)), axis=0)[: len(eeg)]


def amplitude(eeg: Eeg, rng: np.random.Generator) -> Eeg:
    """The same of the EEG without its slow amplitude, which comes back at another time."""
    kernel = np.hanning(2 * RATE + 1)
    power = (((eeg - eeg.mean(axis=0)) / (eeg.std(axis=0) + 1e-12)) ** 2).mean(axis=1)
    slow = np.sqrt(np.convolve(np.pad(power, RATE, mode="reflect"), kernel / kernel.sum(), mode="valid"))
    moved = np.roll(np.concatenate([slow, slow[::-1]]), rng.integers(2 * len(slow)))[: len(slow)]
    return window((eeg - eeg.mean(axis=0)) / slow[:, None], rng) * moved[:, None] + eeg.mean(axis=0)


KINDS: dict[str, Callable[[Eeg, np.random.Generator], Eeg]] = {
    "phases": phase_randomised,
    "window": window,
    "amplitude": amplitude,
}


def signs(eeg: Eeg) -> list[float]:
    """What tells: jump between the ends, kurtosis, spread of power, skewness, asymmetry of slopes."""
    eeg = np.asarray(eeg, np.float64)
    slopes = np.diff(eeg, axis=0)
    seconds = len(eeg) // RATE
    power = ((eeg - eeg.mean(axis=0))[: seconds * RATE].reshape(seconds, RATE, -1) ** 2).mean(axis=1)
    return [
        float(np.log(np.abs(eeg[0] - eeg[-1]) / np.abs(slopes).mean(axis=0) + 1e-3).mean()),
        float(np.log(kurtosis(eeg, fisher=False)).mean()),
        float(np.log(power.std(axis=0) / power.mean(axis=0)).mean()),
        float(np.abs(skew(eeg)).mean()),
        float(np.abs(skew(slopes)).mean()),
    ]


def area(real: Eeg, made: Eeg) -> float:
    """Area under the ROC curve, in whichever direction it tells."""
    ranks = rankdata(np.concatenate([real, made]))[: len(real)]
    value = (ranks.sum() - len(real) * (len(real) + 1) / 2) / (len(real) * len(made))
    return float(max(value, 1 - value))


def together(real: Eeg, made: Eeg, rng: np.random.Generator) -> float:
    """The area for a linear rule of all signs and their squares, on the half that it was not fitted on."""
    values = np.concatenate([real, made])
    values = (values - values.mean(axis=0)) / values.std(axis=0)
    values = np.concatenate([values, values**2, np.ones((len(values), 1))], axis=1)
    order, half = rng.permutation(len(real)), len(real) // 2
    fitted, rest = ([*part, *(part + len(real))] for part in (order[:half], order[half:]))
    truth = np.repeat([1.0, -1.0], len(real))
    gram = values[fitted].T @ values[fitted] + np.eye(values.shape[1])
    rule = values[rest] @ np.linalg.solve(gram, values[fitted].T @ truth[fitted])
    n_rest = len(rest) // 2
    return area(rule[:n_rest], rule[n_rest:])


def main(folder: Path | None = None) -> dict[str, float]:
    """Measure; every figure is an area under a ROC curve."""
    if folder is None:
        folder = default_folder()
        simulate(folder)
    corpus = open_corpus(folder)
    split = load_split("dtu" if corpus.name == "dtu" else "held-out-subjects")
    every = cut_segments(corpus, split, "val")
    picks = np.random.default_rng(1).permutation(len(every))[:SEGMENTS]
    segments = [np.ascontiguousarray(every[k].eeg(), np.float64) for k in picks]
    real = np.array([signs(eeg) for eeg in segments])
    figures = {}
    for name, surrogate in KINDS.items():
        rng = np.random.default_rng(2)
        made = np.array([signs(surrogate(eeg, rng).astype(np.float32)) for eeg in segments])
        figures[f"{name}_ends"] = area(real[:, 0], made[:, 0])
        figures[f"{name}_kurtosis"] = area(real[:, 1], made[:, 1])
        figures[f"{name}_all"] = together(real, made, np.random.default_rng(3))
    return figures


if __name__ == "__main__":
    report("surrogates", main(*map(Path, sys.argv[1:])))
