"""Training of the linear baseline: one pass over the training part, lambda chosen on the validation part."""

import numpy as np
from model import LAG_SECONDS, Ridge, apply, n_lags, zscore

from harness.predictor import check_one_frame_a_sample

# X'X holds sums over samples, not means, so a useful lambda grows with the amount of data.
LAMBDAS = 10.0 ** np.arange(2.0, 10.25, 0.5)


def train(data, setup, progress):
    """Solve the ridge for each lambda and keep the one with the best score on the validation part.

    Returns:
        {"weights": (n_lags, n_channels, n_bands) float32}, and a report with the score of every lambda.

    Raises:
        ShapeError: a feature without one frame for each EEG sample.
    """
    check_one_frame_a_sample(setup)
    recordings = len(data.stretches())
    total = recordings + len(LAMBDAS)
    ridge = Ridge(setup.n_channels, setup.n_bands, n_lags(setup.sample_rate_hz))
    for done, (eeg, target) in enumerate(data.recordings(), start=1):
        ridge.add(zscore(eeg), zscore(target))
        progress(done, total, f"recording {done} of {recordings}")
    scores = []
    for done, ridge_lambda in enumerate(LAMBDAS, start=1):
        weights = ridge.solve(ridge_lambda).astype(np.float32)
        scores.append(data.validate(lambda eeg, _, w=weights: apply(w, zscore(eeg))))
        progress(
            recordings + done, total, f"lambda {ridge_lambda:.0e}: {data.measure.short} {scores[-1]:.4f}"
        )
    best = int(np.argmax(data.measure.sign * np.array(scores)))
    report = {
        "lambda": float(LAMBDAS[best]),
        f"validation_{data.measure.name}": scores[best],
        f"validation_{data.measure.name}_by_lambda": {
            f"{value:.3e}": score for value, score in zip(LAMBDAS, scores, strict=True)
        },
        "lag_seconds": LAG_SECONDS,
        "recordings": recordings,
    }
    return {"weights": ridge.solve(LAMBDAS[best]).astype(np.float32)}, report
