"""Measures by name, in a score and in its chance."""

import math
import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.distance import cosine as cosine_distance

from harness.errors import ShapeError, SplitError
from harness.scoring.chance import chance, equal_references, subject_chance
from harness.scoring.context import Context
from harness.scoring.measures import DEFAULT, MEASURES, Sides, compare, compare_with_units, measure
from harness.scoring.score import SCORER_VERSION, combine, score_subject, score_with_chance

N_FRAMES, N_BANDS = 40, 3
FURTHER = ("cosine", "cosine_centred")


@pytest.fixture
def segments(rng):
    """Five segments of positive references, predictions that resemble four of them, and a centre."""
    references = {f"s{i}": np.exp(rng.standard_normal((N_FRAMES, N_BANDS))) for i in range(5)}
    predictions = {
        key: (value + rng.random(value.shape)).astype(np.float32)
        for key, value in references.items()
        if key != "s3"
    }
    return references, predictions, np.mean(list(references.values()), axis=0)


def _angle(reference, prediction, centre=0.0):
    sides = (np.ravel(side.astype(np.float64) - centre) for side in (reference, prediction))
    return 1 - cosine_distance(*sides)


def test_the_measures_and_what_they_are():
    assert list(MEASURES) == [
        "pearson_r", "cosine", "cosine_centred", "cosine_gain", "song_accuracy", "song_accuracy_reconstructed",
    ]  # fmt: skip
    assert DEFAULT == "pearson_r"
    for name, found in MEASURES.items():
        assert measure(name) is found
        assert found.name == name
        assert found.higher_is_better
        assert found.unit == ""
        assert found.sign == 1
        assert found.title
        assert found.chance
    assert [found.by_band for found in MEASURES.values()] == [True] + [False] * 5
    assert [found.heading for found in MEASURES.values()] == [
        "mean r", "mean cosine", "mean centred cosine", "mean gain in cosine", "mean song accuracy",
        "mean song accuracy by reconstructions",
    ]  # fmt: skip
    assert [found.range for found in MEASURES.values()] == [(-1, 1)] * 3 + [(-2, 2)] + [(0, 1)] * 2
    assert [found.needs for found in MEASURES.values()] == [
        (), (), ("centre",), ("centre",), ("classifier",), ("reconstructions",),
    ]  # fmt: skip
    assert [found.missing for found in MEASURES.values()] == [(0, 0)] * 3 + [(-1, 1)] + [(0, 0)] * 2


def test_a_measure_that_is_not_known_is_refused():
    with pytest.raises(SplitError) as caught:
        measure("cosin", "my-split.json: measures")
    assert str(caught.value) == (
        "my-split.json: measures: 'cosin', expected one of cosine, cosine_centred, cosine_gain, pearson_r,"
        " song_accuracy, song_accuracy_reconstructed.\n"
        "  Did you mean 'cosine'?"
    )
    with pytest.raises(SplitError, match="measures: 'mse', expected one of"):
        score_subject({"s0": np.ones((4, 1))}, {}, ["mse"])


@pytest.mark.parametrize("name", ["cosine", "cosine_centred", "pearson_r"])
def test_a_measures_function_gives_what_the_score_is_the_mean_of(segments, name):
    references, predictions, centre = segments
    found = measure(name)
    extra = (centre,) if found.needs else ()
    values = [
        np.mean(found.function(references[key], predictions[key], *extra)) if key in predictions else 0.0
        for key in references
    ]
    score = score_subject(references, predictions, [name], Context(centre))
    assert score.value(name) == pytest.approx(np.mean(values), abs=1e-12)
    assert len(score.bands) == N_BANDS


def test_without_further_measures_a_score_has_none(segments):
    references, predictions, _ = segments
    score = score_subject(references, predictions)
    assert score.measures == {}
    assert combine({"a": score}).measures == {}
    assert combine({"a": score}).value("pearson_r") == score.pearson_r
    assert SCORER_VERSION == 1


def test_further_measures_leave_pearson_r_as_it_is(segments):
    references, predictions, centre = segments
    alone = score_subject(references, predictions)
    beside = score_subject(
        references, predictions, ("cosine", "pearson_r", "cosine_centred"), Context(centre)
    )
    assert list(beside.measures) == ["cosine", "cosine_centred"]
    for name in ("pearson_r", "bands", "segments", "missing", "constant", "constant_reference"):
        assert getattr(beside, name) == getattr(alone, name)


def test_a_further_measure_takes_the_official_means_and_counts_missing_as_zero(segments, rng):
    references, predictions, centre = segments
    other = {key: value + rng.random(value.shape) for key, value in list(references.items())[:2]}
    subjects = {
        "a": score_subject(references, predictions, FURTHER, Context(centre)),
        "b": score_subject(dict(list(references.items())[:2]), other, FURTHER, Context(centre)),
    }
    score = combine(subjects)
    for name, offset in (("cosine", 0.0), ("cosine_centred", centre)):
        own = [
            np.mean([_angle(references[key], predictions[key], offset) for key in predictions] + [0.0]),
            np.mean([_angle(references[key], other[key], offset) for key in other]),
        ]
        assert [subjects[s].measures[name].value for s in "ab"] == pytest.approx(own, abs=1e-12)
        assert score.measures[name].value == score.value(name) == pytest.approx(np.mean(own), abs=1e-12)
        assert score.measures[name].bands == subjects["a"].measures[name].bands == ()
        assert score.measures[name].subjects == {s: subjects[s].measures[name] for s in "ab"}
        assert subjects["a"].value(name) == subjects["a"].measures[name].value


def test_a_further_measure_may_have_bands(segments, monkeypatch):
    monkeypatch.setitem(MEASURES, "again", replace(MEASURES["pearson_r"], name="again"))
    references, predictions, _ = segments
    subject, chances, _ = score_with_chance(references, predictions, ["again"])
    assert subject.measures["again"].value == subject.pearson_r
    assert subject.measures["again"].bands == subject.bands
    assert np.array_equal(chances.measures["again"].shifted, chances.shifted)
    score = combine({"a": subject})
    assert score.measures["again"].bands == score.bands
    assert [type(band) for band in score.measures["again"].bands] == [float] * N_BANDS


def test_a_side_without_a_value_is_flagged_and_counts_zero(rng):
    references = {f"s{i}": 1 + rng.random((N_FRAMES, N_BANDS)) for i in range(4)}
    references["s1"][:] = 0
    references["s3"][:] = 0
    predictions = {key: 1 + rng.random((N_FRAMES, N_BANDS)) for key in ("s0", "s1", "s2")}
    predictions["s2"][:] = 0
    found = score_subject(references, predictions, ["cosine"]).measures["cosine"]
    assert found.undefined == ("s2",)
    assert found.undefined_reference == ("s1",)
    assert found.value == pytest.approx(_angle(references["s0"], predictions["s0"]) / 4, abs=1e-12)


def test_the_centre_itself_has_no_value(segments):
    references, predictions, centre = segments
    predictions["s0"] = centre
    score = score_subject(references, predictions, FURTHER, Context(centre))
    assert score.measures["cosine_centred"].undefined == ("s0",)
    assert score.measures["cosine"].undefined == ()
    assert score.constant == ()


def test_flags_are_each_segments_own():
    silent_first = np.array([[0.0, 0.0], [1.0, 0.0]])
    segments = {"s0": silent_first, "s1": np.zeros((2, 2)), "s2": silent_first + 1}
    found = score_subject(segments, segments, ["cosine"]).measures["cosine"]
    assert found.undefined == found.undefined_reference == ("s1",)


def test_a_segment_may_be_one_frame_for_a_measure_that_is_not_over_time():
    found = compare(measure("cosine"), {"s0": np.array([[3.0, 4.0]])}, {"s0": np.array([[4.0, 3.0]])})
    assert found.values == pytest.approx(np.array([[0.96]]), abs=1e-15)
    assert found.undefined == found.undefined_reference == ()


def test_zeros_at_the_start_of_a_segment_are_a_value():
    silent_first = np.array([[0.0, 0.0], [1.0, 0.0]])
    score = score_subject({"s0": silent_first}, {"s0": silent_first}, ["cosine"])
    assert score.measures["cosine"].undefined == score.measures["cosine"].undefined_reference == ()
    assert score.measures["cosine"].value == pytest.approx(1.0, abs=1e-15)


def test_a_centre_is_asked_for_only_where_it_is_needed(segments):
    references, predictions, _ = segments
    score_subject(references, predictions, ["cosine"])
    for centre, arrived in ((None, "none"), (np.zeros(4), "shape (4,)")):
        with pytest.raises(ShapeError) as caught:
            score_subject(references, predictions, FURTHER, Context(centre))
        assert str(caught.value) == f"centre: {arrived}, expected (40, 3) or (3,), the training part's mean."


def test_numbers_that_are_not_finite_are_named(segments):
    references, predictions, centre = segments
    predictions["s1"][3, 1] = math.nan
    with pytest.raises(ShapeError) as caught:
        score_subject(references, predictions, FURTHER, Context(centre))
    assert str(caught.value) == "s1: prediction: a number that is not finite, expected finite numbers."


def test_score_and_chance_together_are_both_apart(segments):
    references, predictions, centre = segments
    both = score_with_chance(references, predictions, FURTHER, Context(centre))
    assert both.score == score_subject(references, predictions, FURTHER, Context(centre))
    assert list(both.chance.measures) == list(FURTHER)
    for name, found in ((DEFAULT, both.chance), *both.chance.measures.items()):
        alone = subject_chance(references, predictions, name, Context(centre))
        assert np.array_equal(found.shifted, alone.shifted)
        assert np.array_equal(found.pairs, alone.pairs)
        assert np.array_equal(found.same, np.eye(5, dtype=bool))


def test_chance_is_kept_in_half_the_memory(segments):
    references, predictions, _ = segments
    units = compare_with_units(measure("pearson_r"), references, predictions).units
    assert units.references.dtype == units.predictions.dtype == np.float32
    assert units.references.shape == units.predictions.shape == (5, N_BANDS, N_FRAMES)
    assert units.products == N_BANDS


@pytest.mark.parametrize("name", FURTHER)
def test_circular_shifts_are_the_score_of_rolled_predictions(segments, name):
    references, predictions, centre = segments
    bands = centre.mean(axis=0)
    found = subject_chance(references, predictions, name, Context(bands)).shifted
    for shift in (0, 1, 39):
        rolled = {key: np.roll(value, -shift, axis=0) for key, value in predictions.items()}
        expected = score_subject(references, rolled, [name], Context(bands)).value(name)
        assert found[shift] == pytest.approx(expected, abs=1e-6)


def test_what_is_left_without_a_centre_of_frames_is_turned(segments):
    references, predictions, centre = segments
    found = subject_chance(references, predictions, "cosine_centred", Context(centre)).shifted
    rolled = {key: np.roll(value - centre, -3, axis=0) + centre for key, value in predictions.items()}
    expected = score_subject(references, rolled, ["cosine_centred"], Context(centre)).value("cosine_centred")
    assert found[3] == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("name", FURTHER)
def test_pairs_are_every_prediction_with_every_reference(segments, name):
    references, predictions, centre = segments
    found = subject_chance(references, predictions, name, Context(centre)).pairs
    offset = centre if name == "cosine_centred" else 0.0
    for i, key in enumerate(references):
        for j, reference in enumerate(references.values()):
            expected = _angle(reference, predictions[key], offset) if key in predictions else 0.0
            assert found[i, j] == pytest.approx(expected, abs=1e-6)


def test_chance_of_further_measures_stands_beside_the_defaults(segments):
    references, predictions, centre = segments
    both = score_with_chance(references, predictions, FURTHER, Context(centre))
    found = chance({"a": both.chance, "b": both.chance}, frame_rate_hz=10)
    assert list(found.measures) == list(FURTHER)
    for name in FURTHER:
        alone = chance({"a": both.chance.measures[name]}, frame_rate_hz=10)
        assert found.measures[name].circular_shifts == alone.circular_shifts
        assert found.measures[name].mismatched_segments.mean == pytest.approx(
            alone.mismatched_segments.mean, abs=0.01
        )
    # Positive features are all alike, and the mean is what they have in common.
    assert found.measures["cosine"].mismatched_segments.low > 0.3
    assert abs(found.measures["cosine_centred"].mismatched_segments.mean) < 0.2
    assert chance({"a": subject_chance(references, predictions)}).measures == {}


def test_equal_references_are_found_whatever_their_ids(rng):
    first, second = rng.standard_normal((2, N_FRAMES, N_BANDS))
    nearly = first.copy()
    nearly[1, 0] += 1
    found = equal_references({"a": first, "b": second, "c": first.copy(), "d": nearly, "e": first})
    expected = np.eye(5, dtype=bool)
    for i, j in ((0, 2), (0, 4), (2, 4)):
        expected[i, j] = expected[j, i] = True
    assert np.array_equal(found, expected)


def test_the_gain_is_the_cosine_less_the_constants_also_of_what_is_missing_or_silent(segments):
    references, predictions, centre = segments
    predictions["s1"] = 0 * predictions["s1"]
    score = score_subject(references, predictions, ["cosine", "cosine_gain"], Context(centre))
    constant = np.mean([_angle(reference, centre) for reference in references.values()])
    gain = score.measures["cosine_gain"]
    assert gain.value == pytest.approx(score.value("cosine") - constant, abs=1e-12)
    assert (gain.undefined, gain.undefined_reference) == ((), ())
    assert score.measures["cosine"].undefined == ("s1",)


def test_the_gain_of_a_constant_is_zero_and_by_chance_too(segments):
    references, _, centre = segments
    constant = dict.fromkeys(references, centre)
    both = score_with_chance(references, constant, ["cosine_gain"], Context(centre))
    assert both.score.value("cosine_gain") == pytest.approx(0, abs=1e-15)
    assert np.abs(both.chance.measures["cosine_gain"].pairs).max() < 1e-6


def test_pairs_of_the_gain_are_every_predictions_gain_with_every_reference(segments):
    references, predictions, centre = segments
    found = subject_chance(references, predictions, "cosine_gain", Context(centre)).pairs
    for i, key in enumerate(references):
        for j, reference in enumerate(references.values()):
            own = _angle(reference, predictions[key]) if key in predictions else 0.0
            assert found[i, j] == pytest.approx(own - _angle(reference, centre), abs=1e-6)


def test_a_comparison_without_units_is_the_same(segments):
    references, predictions, centre = segments
    for name in ("pearson_r", "cosine_centred", "cosine_gain"):
        kept = compare_with_units(measure(name), references, predictions, Context(centre))
        alone = compare(measure(name), references, predictions, Context(centre))
        assert np.array_equal(kept.compared.values, alone.values)


@pytest.mark.parametrize("name", ["cosine_centred", "cosine_gain"])
def test_a_subject_may_have_one_segment_only_beside_a_centre(segments, name):
    references, predictions, centre = segments
    found = compare(measure(name), {"s0": references["s0"]}, {"s0": predictions["s0"]}, Context(centre))
    expected = measure(name).function(references["s0"], predictions["s0"], centre)
    assert found.values == pytest.approx(np.array([[expected]]), abs=1e-12)


def test_units_that_are_not_kept_are_empty(segments):
    references, predictions, _ = segments
    units = compare_with_units(measure("pearson_r"), references, predictions, keep=False).units
    for side in (units.references, units.predictions):
        assert (side.shape, side.dtype) == ((0, 0, 0), np.float32)
    assert units.products == N_BANDS


def test_a_comparison_alone_does_not_take_memory_for_every_segment(rng, monkeypatch):
    monkeypatch.setattr("harness.scoring.measures._BLOCK", 4000)
    segment = rng.standard_normal((500, 8))
    references = dict.fromkeys(map(str, range(40)), segment)
    peaks = []
    for work in (compare, compare_with_units):
        tracemalloc.start()
        work(measure("cosine"), references, references)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    kept = 8 * len(references) * segment.size
    assert peaks[0] < kept / 4
    assert peaks[1] > kept


@pytest.mark.parametrize(
    ("shape", "sizes"),
    [
        ((20_000, 8), [1] * 7),
        ((20_001, 8), [1] * 7),
        ((1_000_000, 8), [1] * 7),
        ((10_001, 8), [1] * 7),
        ((10_000, 8), [2, 2, 2, 1]),
        ((6_666, 8), [3, 3, 1]),
        ((100, 8), [7]),
    ],
)
def test_as_many_segments_are_multiplied_at_once_as_fit_the_cache_and_one_at_least(shape, sizes):
    blocks = []

    def sides(block):
        blocks.append(block)
        vectors = np.array([[[int(name) / 10]] for name in block.ids])
        return Sides(vectors, np.ones_like(vectors))

    references = dict.fromkeys("1234567", np.broadcast_to(1.0, shape))
    predictions = {key: value for key, value in references.items() if key != "5"}
    found = compare(replace(measure("cosine"), sides=sides), references, predictions)
    assert [len(block.ids) for block in blocks] == sizes
    assert [len(side) for block in blocks for side in block[:4]] == [size for size in sizes for _ in range(4)]
    assert [name for block in blocks for name in block.ids] == list(references)
    assert [there for block in blocks for there in block.present] == [key != "5" for key in references]
    assert found.values.tolist() == [[int(name) / 10] for name in references]
