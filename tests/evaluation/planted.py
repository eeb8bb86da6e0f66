"""Predictions with a realistic Pearson r, and bugs to plant in them.

References are like mel bands: they change slowly, and neighbouring bands are alike. Predictions follow them
weakly, below noise of the same kind; r of a subject is 0.05 to 0.15, and of single segments often below 0.
"""

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter

N_BANDS, N_FRAMES, FRAME_RATE_HZ = 10, 1920, 64.0
SUBJECTS = [f"sub-{number:03d}" for number in range(1, 7)]
SEGMENTS = 8
FRAMES_ALIKE, BANDS_ALIKE = 4.0, 1.5  # standard deviations of the smoothing


@dataclass
class Clean:
    """References and predictions by subject and segment id, (n_frames, n_bands) float32."""

    references: dict
    predictions: dict

    def with_bug(self, bug):
        """The predictions with ``bug(prediction)`` in place of each."""
        return {
            subject: {name: np.ascontiguousarray(bug(one.copy()), np.float32) for name, one in own.items()}
            for subject, own in self.predictions.items()
        }


def clean(seed=0, weight=0.1, subjects=SUBJECTS, n_segments=SEGMENTS, n_bands=N_BANDS):
    """A system of which nothing is wrong; ``weight`` is about the r that it reaches, 0 for noise alone."""
    rng = np.random.default_rng(seed)
    references, predictions = {}, {}
    for subject in subjects:
        own = weight * rng.uniform(0.7, 1.3)  # some are decoded better
        references[subject], predictions[subject] = {}, {}
        for number in range(n_segments):
            true, noise = (_series(rng, n_bands) for _ in range(2))
            name = f"{subject}_story_{number:03d}"
            references[subject][name] = np.exp(true).astype(np.float32)
            predictions[subject][name] = (own * true + noise + 3).astype(np.float32)
    return Clean(references, predictions)


def _series(rng, n_bands):
    """Slow changes that neighbouring bands share, of variance 1."""
    widths = (FRAMES_ALIKE, BANDS_ALIKE if n_bands > 1 else 0)
    series = gaussian_filter(rng.standard_normal((N_FRAMES, n_bands)), widths, mode=("wrap", "reflect"))
    return series / series.std()


def _flipped(*bands):
    signs = np.ones(N_BANDS)
    signs[[band - 1 for band in bands]] = -1
    return lambda one: one * signs


def _scaled_at_random():
    rng = np.random.default_rng(5)
    return lambda one: one * np.exp(0.5 * rng.standard_normal())


def _constant_for_some():
    rng = np.random.default_rng(5)
    return lambda one: one * (rng.random() > 0.2)


# What is planted, in words -> what is done to each prediction, and the findings.
PLANTED = {
    "every sign flipped": (lambda one: -one, ["sign-flip"]),
    "sign of band 4 flipped": (_flipped(4), ["sign-flip-of-bands"]),
    "signs of bands 2, 3 and 8 flipped": (_flipped(2, 3, 8), ["sign-flip-of-bands"]),
    "axes transposed by reshape": (lambda one: one.T.reshape(one.shape), ["transposed-axes"]),
    "time runs backwards": (lambda one: one[::-1], ["reversed-time"]),
    "200 ms too late": (lambda one: np.roll(one, 13, axis=0), ["lag"]),
    "200 ms too early": (lambda one: np.roll(one, -13, axis=0), ["lag"]),
    "62 ms too late": (lambda one: np.roll(one, 4, axis=0), ["lag"]),
    "200 ms too late, every sign flipped": (lambda one: -np.roll(one, 13, axis=0), ["lag", "sign-flip"]),
    "bands reversed": (lambda one: one[:, ::-1], ["reversed-bands"]),
    "bands permuted": (lambda one: one[:, [4, 8, 1, 9, 6, 0, 2, 7, 3, 5]], ["permuted-bands"]),
    "bands 1 and 10 swapped": (lambda one: one[:, [9, 1, 2, 3, 4, 5, 6, 7, 8, 0]], ["permuted-bands"]),
    "bands reversed, every sign flipped": (lambda one: -one[:, ::-1], ["reversed-bands", "sign-flip"]),
    "one band copied to all": (lambda one: np.repeat(one[:, 4:5], N_BANDS, axis=1), ["copied-bands"]),
    "band 3 copied to band 7": (lambda one: one[:, [0, 1, 2, 3, 4, 5, 2, 7, 8, 9]], ["copied-bands"]),
    "constant in every segment": (lambda one: np.ones_like(one), ["constant-output"]),
    "constant in a fifth of the segments": (_constant_for_some(), ["constant-output"]),
    "clipped at the median": (lambda one: np.maximum(one, np.median(one)), ["clipped-output"]),
    "scale drawn for each segment": (_scaled_at_random(), ["scale-by-segment"]),
}
# What is planted and not found, and why.
NOT_FOUND = {
    "16 ms too late (one frame)": (
        lambda one: np.roll(one, 1, axis=0),
        "costs less than a tenth of the score",
    ),
    "bands 5 and 6 swapped": (
        lambda one: one[:, [0, 1, 2, 3, 5, 4, 6, 7, 8, 9]],
        "neighbours that are predicted nearly alike cost little when they are swapped",
    ),
}
