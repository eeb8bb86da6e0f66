"""Training of the ridge on spectra: sums over the training part, lambda chosen on the validation part."""

import numpy as np
from model import COMPONENTS, Ridge, apply, features, principal_components

# Times the number of segments: the penalty on weights of standardised features.
LAMBDAS = (0.3, 1.0, 3.0, 10.0, 30.0)


def train(data, setup, progress):
    """Solve the ridge for each lambda and keep the one with the best score on the validation part.

    The same stretch of a stimulus is the same target whoever heard it, so principal components are taken of
    the targets that differ, each as often as it was heard.

    Returns:
        The weights, as `model.apply` takes them, and a report with the score of every lambda.

    Raises:
        ValueError: no training recording is as long as a segment.
    """
    samples = setup.segment_samples
    cuts = [
        (recording, list(range(start, stop - samples + 1, samples)))
        for recording, start, stop in data.stretches()
    ]
    cuts = [(recording, firsts) for recording, firsts in cuts if firsts]
    if not cuts:
        raise ValueError(f"no training recording is as long as a segment of {samples} EEG samples")
    counts, targets = {}, {}
    for recording, firsts in cuts:
        for first in firsts:
            key = (recording.stimulus, first)
            counts[key] = counts.get(key, 0) + 1
            if key not in targets:
                targets[key] = recording.feature(data.feature, first, first + samples).ravel()
    place = {key: row for row, key in enumerate(targets)}
    heard = np.array([counts[key] for key in targets], np.float64)
    every = np.array(list(targets.values()), np.float64)
    mean = heard @ every / heard.sum()
    every -= mean
    components = principal_components(every, heard, COMPONENTS)
    outputs = every @ components.T

    ridge, total = None, len(cuts) + len(LAMBDAS)
    for done, (recording, firsts) in enumerate(cuts, start=1):
        eeg = np.stack([recording.eeg(first, first + samples) for first in firsts])
        x = features(eeg, setup.variant, setup.sample_rate_hz)
        ridge = ridge or Ridge(x.shape[1], len(components))
        ridge.add(x, outputs[[place[recording.stimulus, first] for first in firsts]])
        progress(done, total, f"recording {done} of {len(cuts)}")

    feature_mean, feature_deviation = ridge.standardised()
    found, scores = [], []
    for done, (penalty, solved) in enumerate(zip(LAMBDAS, ridge.solve(LAMBDAS), strict=True), start=1):
        arrays = {
            "feature_mean": feature_mean,
            "feature_deviation": feature_deviation,
            "weights": solved,
            "components": components.reshape(-1, setup.n_frames, setup.n_bands),
            "mean": mean.reshape(setup.n_frames, setup.n_bands),
        }
        weights = {name: array.astype(np.float32) for name, array in arrays.items()}
        scores.append(
            data.validate(
                lambda eeg, _, w=weights: apply(w, features(eeg, setup.variant, setup.sample_rate_hz))
            )
        )
        found.append(weights)
        progress(len(cuts) + done, total, f"lambda {penalty:g}: {data.measure.short} {scores[-1]:.4f}")
    best = int(np.argmax(data.measure.sign * np.array(scores)))
    return found[best], {
        "lambda": LAMBDAS[best],
        f"validation_{data.measure.name}": scores[best],
        f"validation_{data.measure.name}_by_lambda": {
            f"{penalty:g}": score for penalty, score in zip(LAMBDAS, scores, strict=True)
        },
        "segments": int(heard.sum()),
        "segments_that_differ": len(targets),
        "components": len(components),
    }
