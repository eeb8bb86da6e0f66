"""Cosine and centred cosine: invalid, perfect, independent, hand-derived."""

import math
from functools import partial

import numpy as np
import pytest
from scipy.spatial.distance import cosine as cosine_distance

from harness.errors import ShapeError
from harness.scoring.cosine import cosine, cosine_centred, cosine_gain, difference, gains, training_mean

CENTRE = np.array([1.0, 1.0])


def _by_scipy(reference, prediction, centre=0.0):
    return 1 - cosine_distance((reference - centre).ravel(), (prediction - centre).ravel())


def test_two_shapes_are_refused():
    further = [partial(function, centre=np.zeros(10)) for function in (cosine_centred, cosine_gain)]
    for function in (cosine, *further):
        with pytest.raises(ShapeError) as caught:
            function(np.zeros((5, 10)), np.zeros((10, 5)))
        assert str(caught.value) == "prediction: shape (10, 5), expected (5, 10), the reference's."


def test_a_single_axis_is_refused():
    with pytest.raises(ShapeError) as caught:
        cosine(np.zeros(10), np.zeros(10))
    assert str(caught.value) == "reference: shape (10,), expected (..., n_times, n_bands)."


@pytest.mark.parametrize(
    ("centre", "arrived"),
    [
        (None, "none"),
        (np.zeros(5), "shape (5,)"),
        (np.zeros((10, 5)), "shape (10, 5)"),
        (np.zeros((1, 5, 10)), "shape (1, 5, 10)"),
    ],
)
@pytest.mark.parametrize("function", [cosine_centred, cosine_gain])
def test_a_centre_that_is_missing_or_of_another_shape_is_refused(function, centre, arrived):
    with pytest.raises(ShapeError) as caught:
        function(np.ones((5, 10)), np.ones((5, 10)), centre)
    assert str(caught.value) == f"centre: {arrived}, expected (5, 10) or (10,), the training part's mean."


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_centre_that_is_not_finite_is_refused(bad):
    with pytest.raises(ShapeError) as caught:
        cosine_centred(np.ones((5, 2)), np.ones((5, 2)), np.array([0.0, bad]))
    assert str(caught.value) == "centre: a number that is not finite, expected finite numbers."


def test_itself_is_one_and_negated_is_minus_one(rng):
    x = rng.standard_normal((4, 200, 3))
    assert cosine(x, x) == pytest.approx(np.ones(4), abs=1e-14)
    assert cosine(x, -x) == pytest.approx(-np.ones(4), abs=1e-14)
    assert cosine(x, 3 * x) == pytest.approx(np.ones(4), abs=1e-14)
    assert cosine_centred(x + CENTRE[0], 1 - 2 * x, np.ones(3)) == pytest.approx(-np.ones(4), abs=1e-14)
    assert np.abs(cosine(x, x)).max() <= 1


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("scale", [1.0, 1e-30, 1e30])
def test_equals_scipy(rng, dtype, scale):
    x, y = (np.exp(rng.standard_normal((2, 6, 300, 5))) * scale).astype(dtype)
    expected = [_by_scipy(*(a.astype(np.float64) for a in pair)) for pair in zip(x, y, strict=True)]
    assert cosine(x, y) == pytest.approx(expected, abs=1e-12)
    for centre in (x.astype(np.float64).mean(axis=(0, 1)), x.astype(np.float64).mean(axis=0)):
        centred = [
            _by_scipy(a.astype(np.float64), b.astype(np.float64), centre) for a, b in zip(x, y, strict=True)
        ]
        assert cosine_centred(x, y, centre) == pytest.approx(centred, abs=1e-12)


def test_hand_derived_value():
    # (3, 0, 0, 4) and (4, 0, 0, 3): 24 over 5 times 5.
    reference, prediction = np.array([[3.0, 0], [0, 4]]), np.array([[4.0, 0], [0, 3]])
    assert cosine(reference, prediction) == pytest.approx(0.96, abs=1e-15)


def test_hand_derived_value_with_a_centre_of_bands():
    # Less (1, 1) in every frame: (2, -1, -1, 3) and (3, -1, -1, 2): 6 + 1 + 1 + 6 over 15.
    reference, prediction = np.array([[3.0, 0], [0, 4]]), np.array([[4.0, 0], [0, 3]])
    assert cosine_centred(reference, prediction, CENTRE) == pytest.approx(14 / 15, abs=1e-15)


def test_hand_derived_value_with_a_centre_of_frames_and_bands():
    # Less ((3, 0), (0, 0)): (0, 0, 0, 4) and (1, 0, 0, 3): 12 over 4 times the root of 10.
    reference, prediction = np.array([[3.0, 0], [0, 4]]), np.array([[4.0, 0], [0, 3]])
    found = cosine_centred(reference, prediction, np.array([[3.0, 0], [0, 0]]))
    assert found == pytest.approx(3 / math.sqrt(10), abs=1e-15)


def test_a_constant_scores_high_without_a_centre_and_nothing_with_it(rng):
    x = 1 + 0.1 * rng.random((5, 100, 4))
    constant = np.broadcast_to(x.mean(axis=(0, 1)), x.shape)
    assert cosine(x, constant).min() > 0.99
    assert np.array_equal(cosine_centred(x, constant, x.mean(axis=(0, 1))), np.zeros(5))


def test_zeros_count_zero(rng):
    x = rng.standard_normal((50, 2))
    zeros = np.zeros((50, 2))
    assert cosine(x, zeros) == 0
    assert cosine(zeros, x) == 0
    assert cosine_centred(x, zeros + CENTRE, CENTRE) == 0


def test_one_number_a_segment(rng):
    x, y = rng.standard_normal((2, 2, 3, 40, 5))
    assert cosine(x, y).shape == (2, 3)
    assert cosine(x[0, 0], y[0, 0]).shape == ()
    assert cosine(x, y)[1, 2] == cosine(x[1, 2], y[1, 2])


@pytest.mark.parametrize("scale", [5e-324, 1e-200, 1e200, 1.7e308])
def test_neither_overflows_nor_vanishes(scale):
    reference, prediction = np.array([[1.0, 0], [0, 1]]), np.array([[1.0, 0], [0, 0]])
    expected = pytest.approx(1 / math.sqrt(2), abs=1e-15)
    assert cosine(reference * scale, prediction) == expected
    assert cosine(reference, prediction * scale) == expected
    assert -cosine(reference * -scale, prediction) == expected
    assert -cosine(reference, prediction * -scale) == expected


def test_a_centre_far_away_does_not_overflow():
    # 1.5e308 less -1.5e308 is more than float64 holds.
    segments = np.array([[[1.5e308, 0.0]], [[1.0, 0.0]]])
    found = cosine_centred(segments, np.array([[[1.5e308, 1.5e308]]] * 2), np.array([-1.5e308, 0.0]))
    # (3, 0) and (3, 1.5): 9 over 3 times the root of 11.25; then (1.5, 0) with the same.
    assert found == pytest.approx([3 / math.sqrt(11.25)] * 2, abs=1e-15)


def test_a_segment_far_away_leaves_its_neighbours_as_they_are():
    segments = np.array([[[1.5e308, 0.0]], [[-1.5e308, 1e-320]]])
    assert cosine_centred(segments, segments, np.array([-1.5e308, 0.0])) == pytest.approx([1, 1], abs=1e-15)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_a_number_that_is_not_finite_is_nan_in_its_own_segment(rng, bad):
    x, y = rng.standard_normal((2, 2, 30, 2))
    y[0, 3, 1] = bad
    for found in (cosine(x, y), cosine(y, x), cosine_centred(x, y, CENTRE)):
        assert np.array_equal(np.isnan(found), [True, False])


def test_rounding_never_leaves_the_range(rng):
    x = rng.standard_normal((2000, 30, 5))
    assert cosine(x, x).max() == 1
    assert cosine(x, -x).min() == -1


def test_input_is_not_changed(rng):
    x, y = rng.standard_normal((2, 30, 2))
    before = x.copy(), y.copy(), CENTRE.copy()
    cosine_centred(x, y, CENTRE)
    assert all(np.array_equal(a, b) for a, b in zip((x, y, CENTRE), before, strict=True))


def test_the_training_mean_is_the_mean_of_all_segments(rng):
    segments = rng.standard_normal((7, 20, 3)).astype(np.float32)
    found = training_mean(iter(segments))
    assert found.dtype == np.float64
    assert found == pytest.approx(segments.astype(np.float64).mean(axis=0), abs=1e-15)
    assert training_mean([np.array([[1.0, 2.0]]), np.array([[3.0, 6.0]])]).tolist() == [[2.0, 4.0]]


def test_a_training_mean_of_nothing_or_of_two_shapes_is_refused():
    with pytest.raises(ShapeError) as caught:
        training_mean([])
    assert str(caught.value) == "centre: no training segment, expected at least one."
    with pytest.raises(ShapeError) as caught:
        training_mean([np.zeros((4, 2)), np.zeros((4, 2)), np.zeros((1, 2))])
    assert str(caught.value) == "training segment 2: shape (1, 2), expected (4, 2)."


# --- the gain


def test_the_gain_of_the_centre_is_nothing_and_of_the_truth_all_that_is_left(rng):
    x = np.exp(rng.standard_normal((4, 30, 3)))
    centre = x.mean(axis=0)
    constant = np.broadcast_to(centre, x.shape)
    assert cosine_gain(x, 5 * constant, centre) == pytest.approx(np.zeros(4), abs=1e-15)
    assert cosine_gain(x, x, centre) == pytest.approx(1 - cosine(x, constant), abs=1e-15)
    assert cosine_gain(x, x, -x[0])[0] == pytest.approx(2, abs=1e-15)


@pytest.mark.parametrize("scale", [1.0, 1e-30, 1e30])
def test_the_gain_equals_two_cosines_of_scipys(rng, scale):
    x, y = np.exp(rng.standard_normal((2, 6, 40, 5))) * scale
    for centre in (x.mean(axis=(0, 1)), x.mean(axis=0)):
        constant = np.broadcast_to(centre, x.shape[1:])
        expected = [_by_scipy(a, b) - _by_scipy(a, constant) for a, b in zip(x, y, strict=True)]
        assert cosine_gain(x, y, centre) == pytest.approx(expected, abs=1e-12)


def test_a_hand_derived_gain():
    # Of (3, 4): the cosine with (4, 3) is 24 / 25, with the centre (0, 1) 4 / 5.
    reference, prediction = np.array([[3.0], [4.0]]), np.array([[4.0], [3.0]])
    assert cosine_gain(reference, prediction, np.array([[0.0], [1.0]])) == pytest.approx(0.16, abs=1e-15)


def test_a_prediction_of_zeros_gains_the_constants_cosine_with_its_sign_turned():
    reference = np.array([[3.0], [4.0]])
    assert cosine_gain(reference, 0 * reference, np.array([[0.0], [2.0]])) == pytest.approx(-0.8, abs=1e-15)


def test_the_centre_in_float32_is_the_centre(rng):
    centre = rng.standard_normal((30, 3)) - 40
    x = centre + rng.standard_normal((4, 30, 3))
    rounded = np.broadcast_to(centre.astype(np.float32), x.shape)
    assert cosine_centred(x, rounded, centre) == pytest.approx(np.zeros(4), abs=0)
    nearly = rounded.copy()
    nearly[:, 0, 0] = np.nextafter(np.nextafter(nearly[:, 0, 0], np.float32(0)), np.float32(0))
    assert np.abs(cosine_centred(x, nearly, centre)).min() > 0


def test_the_centre_is_told_segment_by_segment_also_where_it_is_zero(rng):
    centre = rng.standard_normal((30, 3)) - 40
    centre[4] = 0
    segments = np.stack([centre.astype(np.float32), centre + rng.standard_normal((30, 3))])
    assert (cosine_centred(segments, segments, centre) == [0, pytest.approx(1, abs=1e-14)]).all()


def test_the_gain_of_one_prediction():
    centre = np.array([0.0, 1.0])
    assert gains([np.array([[2.0, 0.0]])], centre).tolist() == [[[1.0], [-1.0]]]


def test_a_gain_never_leaves_its_range():
    beyond = np.array([[[2.5]], [[-2.5]], [[1.5]]])
    assert difference(np.ones((3, 1, 1)), beyond).tolist() == [2.0, -2.0, 1.5]
