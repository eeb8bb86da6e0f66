"""Chance: every circular shift, and mismatched segments, against loops over scipy's Pearson r."""

import numpy as np
import pytest
from scipy.stats import pearsonr

from harness.scoring import chance as chance_module
from harness.scoring.chance import (
    DRAWS,
    Band,
    SubjectChance,
    are_turned_whole,
    chance,
    subject_chance,
    unit_chance,
)
from harness.scoring.measures import Units
from harness.scoring.score import score_subject, score_with_chance

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


def whole_turns(n_songs=4, n_seconds=10, n_frames=5, seed=0):
    """One subject's short segments of several songs, predictions that know the song and a little of the second."""
    rng = np.random.default_rng(seed)
    songs = rng.standard_normal((n_songs, 1, n_frames, 3)) + 0 * np.zeros((1, n_seconds, 1, 1))
    references = songs + rng.standard_normal((n_songs, n_seconds, n_frames, 3))
    predictions = songs + 0.5 * references + rng.standard_normal(references.shape)
    names = [f"s{song}_{second:03d}" for song in range(n_songs) for second in range(n_seconds)]
    pair = [
        dict(zip(names, one.reshape(-1, n_frames, 3).astype(np.float32), strict=True))
        for one in (references, predictions)
    ]
    return *pair, np.repeat(np.arange(n_songs), n_seconds)


def test_short_segments_are_turned_as_wholes_within_their_recording():
    references, predictions, recordings = whole_turns()
    one = score_with_chance(references, predictions, ("cosine",), recordings=recordings)
    found = chance({"s": one.chance}, frame_rate_hz=5).measures["cosine"]
    # An independent draw: every song's references rolled by a number of its own.
    rng = np.random.default_rng(7)
    true, made = (np.stack(list(side.values())).reshape(4, 10, -1) for side in (references, predictions))
    scores = []
    for _ in range(2000):
        turned = np.stack([np.roll(song, rng.integers(1, 10), axis=0) for song in true]).reshape(40, -1)
        flat = made.reshape(40, -1)
        scores.append(
            ((turned * flat).sum(1) / np.linalg.norm(turned, axis=1) / np.linalg.norm(flat, axis=1)).mean()
        )
    assert found.circular_shifts.scores == 1000
    assert found.circular_shifts.mean == pytest.approx(np.mean(scores), abs=0.01)
    assert found.circular_shifts.high == pytest.approx(np.quantile(scores, 0.975), abs=0.02)
    # Knowing the song is within chance of the shifts, and far above that of permuted songs.
    assert found.mismatched_segments.high < found.circular_shifts.low
    assert one.score.measures["cosine"].value > found.circular_shifts.high


def test_whole_recordings_are_permuted_and_never_matched_with_themselves():
    names = [f"s{song}_{second:03d}" for song in range(3) for second in range(4)]
    one_hot = np.repeat(np.eye(3), 4, axis=0)
    series = dict(zip(names, one_hot[:, None, :].repeat(2, axis=1).astype(np.float32), strict=True))
    one = score_with_chance(series, series, ("cosine",), recordings=np.repeat(np.arange(3), 4))
    found = chance({"s": one.chance}, frame_rate_hz=1).measures["cosine"]
    assert found.mismatched_segments == Band(0.0, 0.0, 0.0, 1000)
    assert found.circular_shifts == Band(1.0, 1.0, 1.0, 1000)  # the song is all there is to know


def test_recordings_of_one_segment_have_no_shifts_and_one_recording_no_mismatch():
    references, predictions, _ = whole_turns(n_songs=2, n_seconds=3)
    alone = score_with_chance(references, predictions, ("cosine",), recordings=np.arange(6))
    assert chance({"s": alone.chance}, frame_rate_hz=5).circular_shifts is None
    single = score_with_chance(references, predictions, ("cosine",), recordings=np.zeros(6, np.int64))
    assert chance({"s": single.chance}, frame_rate_hz=5).mismatched_segments is None


RECORDINGS = {"a": [0, 0, 1, 1, 1, 4, 4, 4, 4, 4, 2, 2, 2], "b": [7, 7, 3, 3, 3, 3]}


@pytest.fixture
def recorded(rng, monkeypatch):
    """Subjects with several recordings of 2 to 5 short segments; bands are not rounded."""
    monkeypatch.setattr(chance_module, "DIGITS", 12)
    return {
        subject: SubjectChance(
            np.zeros(1),
            rng.standard_normal((len(recordings), len(recordings))).astype(np.float32),
            np.eye(len(recordings), dtype=bool),
            recordings=np.array(recordings),
        )
        for subject, recordings in RECORDINGS.items()
    }


def band_of(scores):
    low, high = np.quantile(scores, [0.025, 0.975])
    return pytest.approx((low, scores.mean(), high, 1000), abs=2e-12)


def sum_of_pairs(part, own, theirs, shift):
    """Of the predictions in some places with the references in others, turned by so many."""
    return sum(
        float(part.pairs[place, theirs[(number + shift) % len(theirs)]]) for number, place in enumerate(own)
    )


def test_whole_segments_are_turned_by_their_seed(recorded):
    draws = np.random.default_rng(20240416)
    scores = np.zeros(1000)
    for subject, part in recorded.items():
        for recording in sorted(set(RECORDINGS[subject])):
            places = np.flatnonzero(part.recordings == recording)
            for draw, shift in enumerate(draws.integers(1, len(places), 1000)):
                scores[draw] += sum_of_pairs(part, places, places, shift) / len(part.pairs) / 2
    assert chance(recorded, frame_rate_hz=5).circular_shifts == band_of(scores)


def test_whole_recordings_are_permuted_by_their_seed(recorded):
    draws = np.random.default_rng(20240416)
    scores = np.zeros(1000)
    for subject, part in recorded.items():
        places = [np.flatnonzero(part.recordings == number) for number in sorted(set(RECORDINGS[subject]))]
        orders = np.argsort(draws.random((1000, len(places))), axis=1)
        starts = [draws.random(1000) for _ in places]
        for draw, order in enumerate(orders):
            for place, own in enumerate(order):
                theirs = places[order[place - 1]]
                shift = int(starts[own][draw] * len(theirs))
                scores[draw] += sum_of_pairs(part, places[own], theirs, shift) / len(part.pairs) / 2
    assert chance(recorded, frame_rate_hz=5).mismatched_segments == band_of(scores)


def test_what_is_not_over_time_is_the_mean_of_its_products(rng):
    true, made = (rng.standard_normal((5, 3, 4)).astype(np.float32) for _ in range(2))
    part = unit_chance(Units(true, made, products=3, over_time=False), np.eye(5, dtype=bool))
    assert (part.shifted.dtype, part.shifted.shape) == (np.float64, (1,))
    assert part.shifted[0] == pytest.approx((true * made).sum(axis=2).mean(), abs=1e-6)
    assert np.diag(part.pairs) == pytest.approx((true * made).sum(axis=2).mean(axis=1), abs=1e-6)


@pytest.mark.parametrize(
    ("n_frames", "rate", "whole"), [(44, 44, True), (1920, 64, False), (128, 64, False), (127, 64, True)]
)
def test_segments_of_less_than_two_seconds_are_turned_whole(n_frames, rate, whole):
    assert are_turned_whole(n_frames, rate) is whole


def test_equal_scores_have_a_mean_inside_their_band_whatever_is_rounded():
    scores = np.full(1000, 0.1046875)
    scores[0] = np.nextafter(0.1046875, 1)
    band = chance_module._band(scores)
    assert band.low <= band.mean <= band.high
