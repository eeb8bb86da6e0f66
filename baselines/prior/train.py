"""Training of the prior: the mean of the training part's segments, frame by frame."""

import numpy as np


def train(data, setup, progress):
    """Cut every training recording as the scored ones are cut, and take the mean at each frame and band.

    Where systems are ranked by Pearson r, each band of a segment is brought to mean 0 and norm 1 over time
    before the mean, since r weighs all segments alike: of all predictions that are the same for every
    segment, this mean has the highest mean r on the training part (the mean of inner products with unit
    vectors is largest along their mean). By any other measure it is the plain mean, the constant that a
    cosine's gain is told against.

    Returns:
        {"mean": (n_frames, n_bands) float32}, and a report with the score on the validation part.

    Raises:
        ValueError: no training recording is as long as a segment.
    """
    by_r = data.measure.name == "pearson_r"
    total, n_segments = np.zeros((setup.n_frames, setup.n_bands)), 0
    stretches = data.stretches()
    for done, (recording, start, stop) in enumerate(stretches, start=1):
        for first in range(start, stop - setup.segment_samples + 1, setup.segment_samples):
            segment = recording.feature(data.feature, first, first + setup.segment_samples)
            total += unit(segment) if by_r else segment
            n_segments += 1
        progress(done, len(stretches), f"recording {done} of {len(stretches)}")
    if not n_segments:
        raise ValueError(
            f"no training recording is as long as a segment of {setup.segment_samples} EEG samples"
        )
    mean = (total / n_segments).astype(np.float32)
    score = data.validate(lambda eeg, _: np.tile(mean, (len(eeg), 1, 1)))
    return {"mean": mean}, {f"validation_{data.measure.name}": score, "segments": n_segments}


def unit(segment):
    """Each band with mean 0 and norm 1 over time; 0 where it is constant. (n_frames, n_bands)."""
    centred = np.asarray(segment, np.float64) - segment.mean(axis=0, dtype=np.float64)
    norm = np.linalg.norm(centred, axis=0)
    return np.divide(centred, norm, out=np.zeros_like(centred), where=norm > 0)
