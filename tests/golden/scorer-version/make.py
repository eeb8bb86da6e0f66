"""Make inputs.npz and 1.json, with numpy and scipy alone: nothing of the harness is imported.

The scores are loops over ``scipy.stats.pearsonr`` after the protocol's words. A new version of the scorer
gets a file of its own (2.json), from a copy of the loops that says what is scored now; 1.json stays.
"""

import json
import warnings
from pathlib import Path

import numpy as np
from scipy.stats import pearsonr

FOLDER = Path(__file__).parent
N_TIMES, N_BANDS = 160, 3
SEGMENTS = {"sub-001": 2, "sub-002": 3, "sub-003": 5}
LEAST_SHIFT = 64  # one second
DRAWS, SEED = 1000, 20240416


def inputs():
    """Predictions that follow their references more or less; every special case occurs."""
    rng = np.random.default_rng(1)
    references, predictions = {}, {}
    for subject, n_segments in SEGMENTS.items():
        for number in range(n_segments):
            name = f"{subject}/{number}"
            reference = np.cumsum(rng.standard_normal((N_TIMES, N_BANDS)), axis=0)
            prediction = reference * rng.uniform(-0.5, 1.0, N_BANDS) + rng.normal(0, 4, (N_TIMES, N_BANDS))
            references[name] = reference.astype(np.float32)
            predictions[name] = prediction.astype(np.float32)
    predictions["sub-001/1"] = predictions["sub-001/1"] * 1e-30 + np.float32(1.0)  # constant in float32
    predictions["sub-002/0"] += np.float32(1e4)  # a large offset
    predictions["sub-002/1"][:, 1] = 7.0  # one constant band
    references["sub-003/0"][:, 2] = -2.0  # a constant reference
    references["sub-003/2"] = references["sub-003/1"].copy()  # two references that are equal
    predictions["sub-003/3"] *= np.float32(-1e-3)
    del predictions["sub-003/4"]  # missing: counts 0
    return references, predictions


def r(reference, prediction):
    """Pearson r, 0 where either side is constant."""
    if np.ptp(reference) == 0 or np.ptp(prediction) == 0:
        return 0.0
    return float(pearsonr(reference.astype(np.float64), prediction.astype(np.float64)).statistic)


def bands(reference, prediction):
    if prediction is None:
        return [0.0] * N_BANDS
    return [r(reference[:, band], prediction[:, band]) for band in range(N_BANDS)]


def band_of_chance(scores):
    low, high = np.quantile(scores, [0.025, 0.975])
    return {"low": float(low), "mean": float(np.mean(scores)), "high": float(high), "scores": len(scores)}


def main():
    references, predictions = inputs()
    subjects, shifted, drawn = {}, [], np.zeros(DRAWS)
    rng = np.random.default_rng(SEED)
    for subject, n_segments in SEGMENTS.items():
        names = [f"{subject}/{number}" for number in range(n_segments)]
        table = [bands(references[name], predictions.get(name)) for name in names]
        subjects[subject] = {
            "pearson_r": float(np.mean([np.mean(row) for row in table])),
            "bands": [float(np.mean(column)) for column in zip(*table, strict=True)],
        }
        shifted.append(
            [
                np.mean(
                    [
                        bands(
                            references[n],
                            np.roll(predictions[n], shift, axis=0) if n in predictions else None,
                        )
                        for n in names
                    ]
                )
                for shift in range(LEAST_SHIFT, N_TIMES - LEAST_SHIFT + 1)
            ]
        )
        uniform = rng.random((DRAWS, n_segments))
        for draw in range(DRAWS):
            total = 0.0
            for index, name in enumerate(names):
                others = [other for other in names if not np.array_equal(references[other], references[name])]
                other = others[int(uniform[draw, index] * len(others))]
                total += PAIRS.setdefault(
                    (name, other), np.mean(bands(references[other], predictions.get(name)))
                )
            drawn[draw] += total / n_segments
    scores = {
        "scorer_version": 1,
        "score": float(np.mean([one["pearson_r"] for one in subjects.values()])),
        "bands": [float(np.mean([one["bands"][k] for one in subjects.values()])) for k in range(N_BANDS)],
        "subjects": subjects,
        "chance": {
            "circular_shifts": band_of_chance(np.mean(shifted, axis=0)),
            "mismatched_segments": band_of_chance(drawn / len(SEGMENTS)),
        },
    }
    np.savez(
        FOLDER / "inputs.npz",
        **{f"reference/{name}": array for name, array in references.items()},
        **{f"prediction/{name}": array for name, array in predictions.items()},
    )
    (FOLDER / "1.json").write_text(json.dumps(scores, indent=1) + "\n")


PAIRS = {}

if __name__ == "__main__":
    warnings.simplefilter("error")
    main()
