"""Chance: every circular shift, and mismatched segments, against loops over scipy's Pearson r."""

import numpy as np
import pytest
from scipy.stats import pearsonr

from harness.scoring import chance as chance_module
from harness.scoring.chance import DRAWS, chance, subject_chance
from harness.scoring.score import score_subject

N_TIMES, N_BANDS = 160, 3


@pytest.fixture
def segments(rng):
    """Four segments of smooth references, and predictions that resemble them."""
    references = {
        f"s{i}": np.cumsum(rng.standard_normal((N_TIMES, N_BANDS)), axis=0).astype(np.float32)
        for i in range(4)
    }
    predictions = {
        key: (value + 3 * rng.standard_normal(value.shape)).astype(np.float32)
        for key, value in references.items()
    }
    return references, predictions


def _mean_r(reference, prediction):
    return np.mean([pearsonr(reference[:, k], prediction[:, k]).statistic for k in range(N_BANDS)])


def test_every_circular_shift_is_the_score_of_the_rolled_predictions(segments):
    references, predictions = segments
    found = subject_chance(references, predictions).shifted
    for shift in (0, 1, 17, 80, 159):
        rolled = {key: np.roll(value, -shift, axis=0) for key, value in predictions.items()}
        assert found[shift] == pytest.approx(score_subject(references, rolled).pearson_r, abs=1e-6)


@pytest.mark.parametrize("n_times", [40, 41])
def test_circular_shifts_of_many_segments_of_any_length(rng, n_times):
    references = {f"s{i}": rng.standard_normal((n_times, 2)) for i in range(19)}
    predictions = {key: value + rng.standard_normal(value.shape) for key, value in references.items()}
    found = subject_chance(references, predictions).shifted
    expected = [
        score_subject(
            references, {key: np.roll(p, -shift, axis=0) for key, p in predictions.items()}
        ).pearson_r
        for shift in range(n_times)
    ]
    assert found.dtype == np.float64
    assert found == pytest.approx(np.array(expected), abs=1e-6)


def test_pairs_are_every_prediction_with_every_reference(segments):
    references, predictions = segments
    found = subject_chance(references, predictions)
    for i, prediction in enumerate(predictions.values()):
        for j, reference in enumerate(references.values()):
            assert found.pairs[i, j] == pytest.approx(_mean_r(reference, prediction), abs=1e-6)
    assert np.array_equal(found.same, np.eye(4, dtype=bool))


def test_bands_are_quantiles_of_the_scores_that_are_not_theirs(segments):
    references, predictions = segments
    part = subject_chance(references, predictions)
    found = chance({"sub-001": part})
    shifts = part.shifted[64 : N_TIMES - 64 + 1]
    assert found.circular_shifts.scores == len(shifts) == 33
    assert found.circular_shifts.low == pytest.approx(np.quantile(shifts, 0.025), abs=6e-7)
    assert found.circular_shifts.high == pytest.approx(np.quantile(shifts, 0.975), abs=6e-7)
    others = [part.pairs[i, j] for i in range(4) for j in range(4) if i != j]
    assert found.mismatched_segments.scores == DRAWS
    assert found.mismatched_segments.mean == pytest.approx(np.mean(others), abs=0.02)
    assert min(others) < found.mismatched_segments.low < found.mismatched_segments.high < max(others)


def test_a_perfect_prediction_lies_far_above_chance(rng):
    references = {f"s{i}": rng.standard_normal((640, 2)).astype(np.float32) for i in range(10)}
    found = chance({"sub-001": subject_chance(references, references)})
    for band in (found.circular_shifts, found.mismatched_segments):
        assert -0.1 < band.low < 0 < band.high < 0.1


def test_noise_lies_within_chance(rng):
    subjects, scores = {}, []
    for subject in range(8):
        references = {f"s{i}": rng.standard_normal((640, 2)).astype(np.float32) for i in range(6)}
        noise = {key: rng.standard_normal(value.shape) for key, value in references.items()}
        subjects[f"sub-{subject:03d}"] = subject_chance(references, noise)
        scores.append(score_subject(references, noise).pearson_r)
    found = chance(subjects)
    for band in (found.circular_shifts, found.mismatched_segments):
        spread = band.high - band.low
        assert abs(np.mean(scores)) < spread
        assert spread == pytest.approx(2 * 1.96 / np.sqrt(640 * 2 * 6 * 8), rel=0.2)


def test_equal_references_are_no_mismatch(segments):
    references, predictions = segments
    first = references["s0"]
    found = chance({"sub-001": subject_chance({**references, "s1": first.copy()}, predictions)})
    assert found.mismatched_segments is not None
    part = subject_chance(dict.fromkeys(references, first), predictions)
    assert part.same.all()
    assert chance({"sub-001": part}).mismatched_segments is None


def test_only_references_that_differ_are_drawn(rng):
    two = [rng.standard_normal((N_TIMES, 1)).astype(np.float32) for _ in range(2)]
    references = {"a0": two[0], "a1": two[0], "b0": two[1]}
    part = subject_chance(references, references)  # with itself r is 1, which must never be drawn
    other = pearsonr(two[0][:, 0], two[1][:, 0]).statistic
    band = chance({"sub-001": part}).mismatched_segments
    assert (band.low, band.mean, band.high) == pytest.approx((other, other, other), abs=1e-6)


def test_mismatched_segments_are_drawn_by_their_seed(rng, monkeypatch):
    monkeypatch.setattr(chance_module, "DIGITS", 12)
    parts = {}
    for subject, n_segments in (("a", 40), ("b", 3)):
        references = {f"s{i}": rng.standard_normal((20, 2)) for i in range(n_segments)}
        references["s2"] = references["s0"].copy()
        predictions = {key: rng.standard_normal((20, 2)) for key in references}
        parts[subject] = subject_chance(references, predictions)
    draws = np.random.default_rng(20240416)
    scores = np.zeros(1000)
    for part in parts.values():
        n_segments = len(part.pairs)
        others = [[j for j in range(n_segments) if not part.same[i, j]] for i in range(n_segments)]
        for draw, row in enumerate(draws.random((1000, n_segments))):
            picked = [own[int(share * len(own))] for share, own in zip(row, others, strict=True)]
            scores[draw] += np.mean([float(part.pairs[i, j]) for i, j in enumerate(picked)]) / 2
    found = chance(parts).mismatched_segments
    low, high = np.quantile(scores, [0.025, 0.975])
    assert found == pytest.approx((low, scores.mean(), high, 1000), abs=2e-12)


def test_bands_are_rounded_to_what_any_processor_holds(segments):
    found = chance({"sub-001": subject_chance(*segments)})
    values = [value for band in (found.circular_shifts, found.mismatched_segments) for value in band[:3]]
    assert [type(value) for value in values] == [float] * 6
    assert values == [round(value, 6) for value in values]
    assert values != [round(value, 5) for value in values]


def test_missing_and_constant_predictions_count_nothing(segments):
    references, predictions = segments
    whole = subject_chance(references, predictions)
    some = dict(predictions)
    del some["s3"]
    flat = {**predictions, "s3": np.ones((N_TIMES, N_BANDS))}
    for changed in (some, flat):
        part = subject_chance(references, changed)
        assert not part.pairs[3].any()
        assert np.array_equal(part.pairs[:3], whole.pairs[:3])
        assert part.shifted[0] == pytest.approx(score_subject(references, changed).pearson_r, abs=1e-6)


def test_the_least_shift_is_a_second_of_frames(segments):
    part = {"sub-001": subject_chance(*segments)}
    for rate, scores in ((64, 160 - 2 * 64 + 1), (32, 160 - 2 * 32 + 1), (0.25, 159), (81, None)):
        found = chance(part, frame_rate_hz=rate).circular_shifts
        assert (found and found.scores) == scores


def test_segments_shorter_than_two_least_shifts_have_no_circular_band(rng):
    references = {f"s{i}": rng.standard_normal((100, 1)) for i in range(3)}
    found = chance({"sub-001": subject_chance(references, references)})
    assert found.circular_shifts is None
    assert found.mismatched_segments is not None


def test_large_offsets_cost_nothing(segments):
    references, predictions = segments
    lifted = {key: value.astype(np.float64) + 1e6 for key, value in predictions.items()}
    plain, moved = (chance({"sub-001": subject_chance(references, p)}) for p in (predictions, lifted))
    assert moved.circular_shifts.high == pytest.approx(plain.circular_shifts.high, abs=1e-5)
