"""The scorer: invalid, perfect, independent, hand-derived."""

import math

import numpy as np
import pytest
from scipy.spatial.distance import cosine as cosine_distance
from scipy.stats import pearsonr

from harness.errors import ShapeError
from harness.scoring import measures
from harness.scoring.pearson import pearson_r, unit_series
from harness.scoring.score import combine, score_on, score_subject, score_with_chance


def _loop(reference, prediction):
    return np.array(
        [pearsonr(reference[:, band], prediction[:, band])[0] for band in range(reference.shape[1])]
    )


def test_two_shapes_are_refused():
    with pytest.raises(ShapeError, match=r"prediction: shape \(5, 1\), expected \(5, 10\)"):
        pearson_r(np.zeros((5, 10)), np.zeros((5, 1)))


def test_a_single_sample_is_refused():
    with pytest.raises(ShapeError) as caught:
        pearson_r(np.zeros((1, 10)), np.zeros((1, 10)))
    assert str(caught.value) == "reference: shape (1, 10), expected (..., n_times, n_bands), n_times > 1."
    with pytest.raises(ShapeError) as caught:
        score_subject({"s_0": np.zeros((1, 10))}, {})
    assert str(caught.value) == "reference: 1 frame, expected at least two, for a measure over time."


def test_a_single_axis_is_refused():
    with pytest.raises(ShapeError) as caught:
        pearson_r(np.zeros(10), np.zeros(10))
    assert str(caught.value) == "reference: shape (10,), expected (..., n_times, n_bands)."
    with pytest.raises(ShapeError) as caught:
        score_subject({"s_0": np.zeros(10)}, {"s_0": np.zeros(10)})
    assert str(caught.value) == "reference: shape (10,), expected (n_frames, n_bands), one or more of each."


def test_itself_is_one_and_negated_is_minus_one(rng):
    x = rng.standard_normal((200, 3))
    assert pearson_r(x, x) == pytest.approx(np.ones(3), abs=1e-15)
    assert pearson_r(x, -x) == pytest.approx(-np.ones(3), abs=1e-15)
    assert pearson_r(x, 3 * x + 7) == pytest.approx(np.ones(3), abs=1e-14)


@pytest.mark.parametrize(
    ("offset", "scale"),
    [(0, 1), (1e6, 1), (-1e6, 1), (0, 1e-200), (0, 1e200), (1e206, 1e200), (1e-194, 1e-200)],
)
@pytest.mark.parametrize("side", ["reference", "prediction"])
def test_equals_scipy_at_bad_offsets_and_scales(rng, offset, scale, side):
    x = rng.standard_normal((1920, 10))
    y = 0.3 * x + rng.standard_normal((1920, 10))
    if side == "reference":
        x = x * scale + offset
    else:
        y = y * scale + offset
    assert np.abs(pearson_r(x, y) - _loop(x, y)).max() < 1e-12


def _recipe(series):
    """One series by the words of pearson_r's docstring."""
    shifted = series.astype(np.float64) - np.float64(series[0])
    centred = shifted - shifted.mean()
    return centred * (1 / np.sqrt(np.einsum("t,t->", centred, centred)))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(1, 2, 1), (7, 17, 3), (9, 1905, 10), (30, 640, 1)])
def test_blocks_of_segments_give_the_bits_of_one_series_at_a_time(rng, shape, dtype):
    references = (rng.standard_normal(shape) * 3 + 50).astype(dtype)
    predictions = (references + rng.standard_normal(shape)).astype(dtype)
    expected = [
        [np.clip(np.einsum("t,t->", _recipe(a), _recipe(b)), -1, 1) for a, b in zip(x.T, y.T, strict=True)]
        for x, y in zip(references, predictions, strict=True)
    ]
    assert np.array_equal(pearson_r(references, predictions), expected)
    names = [f"s_{i}" for i in range(len(references))]
    score = score_subject(
        dict(zip(names, references, strict=True)), dict(zip(names, predictions, strict=True))
    )
    assert score.pearson_r == np.mean(np.mean(expected, axis=1))
    assert score.bands == tuple(np.mean(expected, axis=0))


def test_a_segment_of_huge_numbers_leaves_its_neighbours_their_bits(rng):
    x, y = rng.standard_normal((2, 3, 50, 2))
    alone = pearson_r(x, y)
    x[1] *= 1e307
    y[0] *= 1e-300
    together = pearson_r(x, y)
    assert np.array_equal(together[2], alone[2])
    assert together == pytest.approx(alone, abs=1e-12)


def test_huge_numbers_with_an_offset_keep_the_bits_that_a_power_of_two_leaves(rng):
    y = rng.standard_normal((80, 1))
    x = 1.5e308 + 1e302 * (y + rng.standard_normal((80, 1)))
    assert np.ptp(x) > 2.0**1000
    assert np.array_equal(pearson_r(x, y), pearson_r(x * 2.0**-24, y))


def test_rounding_never_leaves_the_range(rng):
    x = rng.standard_normal((400, 30, 5))
    assert pearson_r(x, x).max() == 1
    assert pearson_r(x, -x).min() == -1


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("sample", [0, 7])
def test_a_number_that_is_not_finite_is_nan_in_its_own_band(rng, bad, sample):
    x, y = rng.standard_normal((2, 30, 2))
    expected = pearson_r(x, y)
    y[sample, 0] = bad
    assert math.isnan(pearson_r(x, y)[0])
    assert math.isnan(pearson_r(y, x)[0])
    assert pearson_r(x, y)[1] == expected[1]


def test_numbers_near_the_largest_float_do_not_overflow(rng):
    x = rng.uniform(-1, 1, (500, 2))
    y = x + rng.uniform(-1, 1, (500, 2))
    assert pearson_r(x * 1.7e308, y) == pytest.approx(pearson_r(x, y), abs=1e-12)


@pytest.mark.parametrize("scale", [1e-320, 1e-200, 1e-136, 1e-135, 1e-134, 1.0, 1e150, 1e151, 1e200, 1e300])
def test_series_that_are_scaled_first_score_as_others_beside_them(rng, scale):
    x, y = rng.standard_normal((2, 3, 64, 4))
    expected = pearson_r(x, y)
    x[1, :, 2] *= scale
    if scale == 1e-320:  # few digits are left
        x[1, :, 2] /= 1e-320
        x[1, :, 2] = np.round(x[1, :, 2] * 8)
        expected = pearson_r(x, y)
        x[1, :, 2] *= 5e-324
    assert pearson_r(x, y) == pytest.approx(expected, abs=1e-14)


@pytest.mark.parametrize(("bound", "inside"), [(-452, -451), (498, 497)])
def test_at_the_bounds_of_exact_squares_a_series_is_scaled_first(bound, inside):
    # Mean 0, squares 16: 2^-900 and 2^1000 at the bounds, where the two ways differ by their last bits.
    whole = np.array([2.0, -1, -1, 2, -1, -1, 1, -1, 1, -1])
    scaled = (whole - 2) / 3
    scaled -= scaled.mean()
    scaled /= np.sqrt(np.einsum("t,t->", scaled, scaled))
    assert not np.array_equal(scaled, whole / 4)
    assert np.array_equal(unit_series([whole[:, None] * 2.0**bound])[0, 0], scaled)
    assert np.array_equal(unit_series([whole[:, None] * 2.0**inside])[0, 0], whole / 4)


def test_leading_axes_are_segments(rng):
    x, y = rng.standard_normal((2, 4, 300, 5))
    whole = pearson_r(x, y)
    assert whole.shape == (4, 5)
    assert np.array_equal(whole, np.stack([pearson_r(a, b) for a, b in zip(x, y, strict=True)]))


def test_hand_derived_value():
    # x - mean = (-1, 0, 1), y - mean = (-1, 1, 0): sum of products 1, norms sqrt 2 each.
    assert pearson_r(np.array([[1.0], [2], [3]]), np.array([[1.0], [3], [2]]))[0] == pytest.approx(
        0.5, abs=1e-15
    )


@pytest.mark.parametrize("value", [0.0, 0.1, -3e5, 1e300, 5e-324])
def test_constant_series_counts_zero(rng, value):
    x = rng.standard_normal((50, 2))
    constant = np.full((50, 2), value)
    assert np.array_equal(pearson_r(x, constant), [0, 0])
    assert np.array_equal(pearson_r(constant, x), [0, 0])


@pytest.mark.parametrize("dtype", [np.uint8, np.int64, np.float32])
def test_a_constant_series_of_any_type_counts_zero(rng, dtype):
    x, y = rng.integers(0, 100, (2, 50, 2)).astype(dtype)
    y[:, 1] = 7
    expected = _loop(x[:, :1].astype(np.float64), y[:, :1].astype(np.float64))[0]
    assert pearson_r(x, y) == pytest.approx([expected, 0.0], abs=1e-12)
    assert pearson_r(y, x)[1] == 0.0


def test_input_is_not_changed(rng):
    x, y = rng.standard_normal((2, 30, 2))
    before = x.copy(), y.copy()
    pearson_r(x, y)
    assert np.array_equal(x, before[0])
    assert np.array_equal(y, before[1])


def test_float32_is_scored_in_float64(rng):
    x, y = rng.standard_normal((2, 400, 3)).astype(np.float32)
    expected = _loop(x.astype(np.float64), y.astype(np.float64))
    assert np.abs(pearson_r(x, y) - expected).max() < 1e-12


def test_the_official_order_of_means(rng):
    # Two subjects of different numbers of segments: a mean over all segments would be another number.
    references = {
        subject: {f"{subject}_{i}": rng.standard_normal((64, 10)) for i in range(n)}
        for subject, n in (("a", 2), ("b", 5))
    }
    predictions = {
        subject: {key: value + rng.standard_normal((64, 10)) for key, value in own.items()}
        for subject, own in references.items()
    }
    by_hand = [
        np.mean([np.mean(_loop(references[s][key], predictions[s][key])) for key in references[s]])
        for s in references
    ]
    score = combine({s: score_subject(references[s], predictions[s]) for s in references})
    assert score.pearson_r == pytest.approx(np.mean(by_hand), abs=1e-12)
    assert [score.subjects[s].pearson_r for s in "ab"] == pytest.approx(by_hand, abs=1e-12)
    assert np.mean(score.bands) == pytest.approx(score.pearson_r, abs=1e-12)


def test_the_values_of_segments_are_means_over_bands(rng):
    references = {f"s_{i}": rng.standard_normal((64, 2)) for i in range(4)}
    predictions = {key: value + rng.standard_normal((64, 2)) for key, value in references.items()}
    pairs = [(references[key], predictions[key]) for key in references]
    expected = {
        "pearson_r": [np.mean(_loop(*pair)) for pair in pairs],
        "cosine": [1 - cosine_distance(*map(np.ravel, pair)) for pair in pairs],
    }
    del predictions["s_2"]
    expected["pearson_r"][2] = expected["cosine"][2] = 0.0
    found = score_with_chance(references, predictions, ["cosine"]).segments
    assert found.keys() == expected.keys()
    for name, values in found.items():
        assert values.shape == (4,)
        assert values == pytest.approx(expected[name], abs=1e-12)


def test_some_segments_are_scored_in_the_same_order_of_means():
    # A mean over the three chosen segments would be 7 / 3. Nobody counts of whom none is chosen.
    values = {"a": np.array([1.0, 9.0, 2.0, 9.0]), "b": np.array([9.0, 4.0]), "c": np.array([9.0])}
    chosen = {name: own < 9 for name, own in values.items()}
    assert score_on(values, chosen) == (2.75, {"a": 1.5, "b": 4.0}, 3)
    assert score_on(values, {name: own < 0 for name, own in values.items()}) is None


def test_missing_segment_counts_zero_and_is_reported(rng):
    references = {f"s_{i}": rng.standard_normal((64, 2)) for i in range(4)}
    score = score_subject(references, {key: references[key] for key in ("s_3", "s_0")})
    assert score.pearson_r == pytest.approx(0.5, abs=1e-14)
    assert score.missing == ("s_1", "s_2")
    assert score.segments == 4


def test_pairing_is_by_id_not_by_order(rng):
    references = {f"s_{i}": rng.standard_normal((64, 2)) for i in range(20)}
    backwards = dict(reversed(references.items()))
    assert score_subject(references, backwards).pearson_r == pytest.approx(1, abs=1e-14)


def test_constant_prediction_is_flagged(rng):
    references = {f"s_{i}": rng.standard_normal((64, 2)) for i in range(2)}
    half = references["s_1"].copy()
    half[:, 1] = 0.25
    score = score_subject(references, {"s_0": references["s_0"], "s_1": half})
    assert score.constant == ("s_1",)
    assert score.constant_reference == ()
    assert score.pearson_r == pytest.approx(0.75, abs=1e-14)


def test_every_fault_is_named_at_once(rng):
    references = {f"s_{i}": rng.standard_normal((64, 2)) for i in range(3)}
    predictions = {
        "s_0": np.zeros((2, 64)),
        "s_1": np.full((64, 2), math.nan),
        "s_9": np.zeros((64, 2)),
    }
    with pytest.raises(ShapeError) as caught:
        score_subject(references, predictions)
    assert [str(fault) for fault in caught.value.faults] == [
        "s_9: not an expected segment.",
        "s_0: prediction: shape (2, 64), expected (64, 2).",
        "s_1: prediction: a number that is not finite, expected finite numbers.",
    ]


def test_a_reference_that_is_not_finite_is_named_even_where_the_prediction_is_missing(rng):
    references = {f"s_{i}": rng.standard_normal((64, 2)) for i in range(3)}
    references["s_2"][5, 1] = math.inf
    with pytest.raises(ShapeError) as caught:
        score_subject(references, {"s_0": references["s_0"]})
    assert str(caught.value) == "s_2: reference: a number that is not finite, expected finite numbers."


def test_a_constant_reference_is_flagged_where_there_is_a_prediction(rng):
    references = {f"s_{i}": rng.standard_normal((64, 2)) for i in range(4)}
    references["s_1"][:, 0] = 3.0
    references["s_2"][:] = 3.0
    predictions = {key: rng.standard_normal((64, 2)) for key in ("s_0", "s_1", "s_3")}
    score = score_subject(references, predictions)
    assert score.constant_reference == ("s_1",)
    assert score.constant == ()
    assert score.missing == ("s_2",)


def test_a_series_that_starts_at_its_mean_is_not_constant():
    series = np.array([[0.0], [1.0], [-1.0], [0.0]])
    score = score_subject({"s_0": series}, {"s_0": series})
    assert score.constant == score.constant_reference == ()
    assert score.pearson_r == pytest.approx(1.0, abs=1e-15)


def test_an_id_that_is_not_expected_is_refused_by_itself(rng):
    x = rng.standard_normal((64, 2))
    with pytest.raises(ShapeError) as caught:
        score_subject({"s_0": x}, {"s_0": x, "s_9": x})
    assert str(caught.value) == "s_9: not an expected segment."


def test_a_reference_of_another_shape_is_refused_by_itself(rng):
    x = rng.standard_normal((64, 2))
    with pytest.raises(ShapeError) as caught:
        score_subject({"s_0": x, "s_1": x[:32]}, {"s_0": x})
    assert str(caught.value) == "s_1: reference: shape (32, 2), expected (64, 2)."


@pytest.mark.parametrize("block", [1, 300, 10_000])
def test_blocks_change_neither_scores_nor_flags(rng, monkeypatch, block):
    references = {f"s_{i}": rng.standard_normal((64, 2)) for i in range(7)}
    predictions = {key: rng.standard_normal((64, 2)) for key in reversed(references) if key != "s_4"}
    for key in ("s_0", "s_6"):
        predictions[key][:, 1] = 1.0
        references[key][:, 0] = 1.0
    expected = score_subject(references, predictions)
    assert expected.constant == expected.constant_reference == ("s_0", "s_6")
    monkeypatch.setattr(measures, "_BLOCK", block)
    assert score_subject(references, predictions) == expected


def test_nothing_to_score_is_refused():
    with pytest.raises(ShapeError) as caught:
        score_subject({}, {})
    assert str(caught.value) == "score: no segment, expected at least one."
    with pytest.raises(ShapeError) as caught:
        combine({})
    assert str(caught.value) == "score: no subject, expected at least one."


@pytest.mark.parametrize("name", ["pearson_r", "cosine"])
@pytest.mark.parametrize("shape", [(0, 3), (3, 0), (0, 0)])
def test_segments_without_a_frame_or_a_band_are_refused(name, shape):
    segments = {"a": np.zeros(shape)}
    with pytest.raises(ShapeError) as caught:
        measures.compare(measures.measure(name), segments, segments)
    assert (
        str(caught.value) == f"reference: shape {shape}, expected (n_frames, n_bands), one or more of each."
    )
