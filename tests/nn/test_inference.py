"""What a net answers for a segment is the same to the bit, whatever is asked beside it, and in what order."""

import numpy as np
import pytest
import torch
from conftest import REPOSITORY
from nets import PACKAGES

from harness.predictor import Setup
from harness.submission.manifest import load_submission
from harness.submission.own_code import imported
from harness.tasks.splits import load_split

N_SEGMENTS = 5


@pytest.mark.slow
@pytest.mark.parametrize("package", PACKAGES, ids=[package.name for package in PACKAGES])
def test_answers_of_committed_weights_do_not_depend_on_the_batch(package, rng):
    submission = load_submission(REPOSITORY / package.folder)
    variant = submission.variants[0]
    entry = next(entry for entry in submission.manifest["weights"] if entry["corpus"] == "simulated")
    variant, feature = entry.get("variant", variant), entry["feature"]
    weights = submission.weights("simulated", load_split(entry["split"]), feature, variant)
    setup = Setup(
        feature=feature,
        n_bands={"mel": 10, "envelope": 1}[feature],
        n_frames=1920,
        n_channels=64,
        segment_samples=1920,
        sample_rate_hz=64,
        variant=variant,
        options=submission.options(variant),
        weights=weights.path,
        seed=0,
    )
    torch.set_num_threads(1)
    eeg = rng.standard_normal((N_SEGMENTS, 1920, 64)).astype(np.float32)
    subjects = ["unknown"] * N_SEGMENTS
    with imported(submission, "entry_point") as made:
        predictor = made(setup)
        whole = predictor.predict(eeg, subjects)
        turned = predictor.predict(eeg[::-1], subjects)[::-1]
        # Memory that begins elsewhere than at a multiple of 64 bytes.
        shifted = np.empty(eeg.size + 1, np.float32)[1:].reshape(eeg.shape)
        shifted[...] = eeg
        elsewhere = predictor.predict(shifted[2:], subjects[2:])
    assert whole.shape == (N_SEGMENTS, 1920, setup.n_bands)
    assert whole.tobytes() == np.ascontiguousarray(turned).tobytes()
    assert whole[2:].tobytes() == elsewhere.tobytes()
    assert not np.array_equal(whole[0], whole[1])
