"""Song accuracy, and measures whose classifier comes from the context: invalid, perfect, independent, golden."""

import numpy as np
import pytest
from sklearn.metrics import accuracy_score

from harness.errors import ShapeError
from harness.scoring.accuracy import song_accuracy
from harness.scoring.chance import chance
from harness.scoring.context import Classifier, Context
from harness.scoring.measures import MEASURES, Block, _named, compare_with_units
from harness.scoring.score import score_subject, score_with_chance

SONGS = ("adagio", "bourree", "courante")
BOTH = ("song_accuracy", "song_accuracy_reconstructed")


def loudest(segments):
    """A classifier: the band that is loudest is the song."""
    assert segments.dtype == np.float32
    return segments.mean(axis=1).argmax(axis=1)


def of_song(number, rng):
    segment = rng.random((6, 3))
    segment[:, number] += 2
    return segment.astype(np.float32)


@pytest.fixture
def heard(rng):
    """Twelve segments of three songs, and a context in which the loudest band names the song."""
    songs = [0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2]
    references = {f"s{i}": of_song(song, rng) for i, song in enumerate(songs)}
    stimuli = {f"s{i}": SONGS[song] for i, song in enumerate(songs)}
    classifier = Classifier(SONGS, loudest, trained_on=9, accuracy=0.75, segments=4)
    needs = dict.fromkeys(("classifier", "reconstructions"), classifier)
    return references, Context(stimuli=stimuli, classifiers=needs), songs


def test_not_one_number_a_segment_is_refused():
    with pytest.raises(ShapeError) as caught:
        song_accuracy([1, 2], [1, 2, 3])
    assert str(caught.value) == (
        "song accuracy: shapes (2,) and (3,), expected one number of a song a segment."
    )


def test_right_is_one_and_wrong_is_zero():
    assert song_accuracy([0, 1, 2, 2], [0, 1, 2, 0]).tolist() == [1.0, 1.0, 1.0, 0.0]


def test_the_mean_equals_sklearns_accuracy(rng):
    true, made = rng.integers(0, 10, (2, 500))
    assert song_accuracy(true, made).mean() == pytest.approx(accuracy_score(true, made), abs=1e-15)


def test_the_numbers_of_songs_are_whole_also_where_there_are_none(heard):
    _, context, _ = heard
    _, none = context.heard("classifier", [])
    _, two = context.heard("classifier", ["s4", "s0"])
    assert (none.tolist(), none.dtype, two.tolist(), two.dtype) == ([], np.int64, [1, 0], np.int64)


@pytest.mark.parametrize("name", BOTH)
def test_references_are_named_as_the_classifier_names_them(heard, name):
    references, context, _ = heard
    found = score_subject(references, references, [name], context).measures[name]
    assert found.value == 1.0
    assert (found.undefined, found.undefined_reference, found.bands) == ((), (), ())


@pytest.mark.parametrize("name", BOTH)
def test_a_hand_counted_share_in_which_missing_is_wrong(heard, name, rng):
    references, context, songs = heard
    named = [0, 0, 1, 2, 1, 1, 0, 1, 2, 0]  # of the first ten: 2 + 3 + 1 are right; two are missing
    predictions = {f"s{i}": of_song(song, rng) for i, song in enumerate(named)}
    assert sum(a == b for a, b in zip(songs, named, strict=False)) == 6
    assert score_subject(references, predictions, [name], context).value(name) == pytest.approx(6 / 12)


def test_a_constant_is_always_taken_for_one_song(heard):
    references, context, _ = heard
    constant = np.zeros((6, 3), np.float32)
    predictions = dict.fromkeys(references, constant)
    assert score_subject(references, predictions, BOTH, context).value("song_accuracy") == pytest.approx(
        1 / 3
    )


def test_chance_is_of_other_segments_and_of_no_turn_in_time(heard):
    references, context, songs = heard
    both = score_with_chance(references, references, BOTH, context)
    own = both.chance.measures["song_accuracy"]
    assert own.shifted == pytest.approx([1.0])
    assert np.array_equal(own.pairs, np.equal.outer(songs, songs))
    found = chance({"a": both.chance}, frame_rate_hz=44).measures["song_accuracy"]
    assert found.circular_shifts is None
    assert found.mismatched_segments.mean == pytest.approx(3 / 11, abs=0.02)


@pytest.mark.parametrize("name", BOTH)
def test_a_song_has_no_time_that_could_be_turned(heard, name):
    references, context, _ = heard
    units = compare_with_units(MEASURES[name], references, references, context).units
    assert (units.over_time, units.products, units.references.shape) == (False, 1, (12, 3, 1))


@pytest.mark.parametrize(("need", "first"), [("classifier", 0), ("reconstructions", 1)])
def test_sides_are_songs_as_vectors_by_the_classifier_that_is_needed_and_what_is_missing_is_none(need, first):
    """The sides are made anew: those of ``MEASURES`` are made on import, before any mutant is chosen."""
    stimuli = {"a": "courante", "b": "adagio", "c": "bourree", "d": "adagio"}
    predictions = np.zeros((4, 6, 3), np.float32)
    for segment, loud in zip(predictions, (2, 0, 2, 1), strict=True):
        segment[:, loud] = 1
    classifiers = {
        "classifier": Classifier(SONGS, loudest, trained_on=9, accuracy=0.75, segments=4),
        "reconstructions": Classifier(
            ("gigue", *SONGS), lambda made: loudest(made) + 1, trained_on=9, accuracy=0.75, segments=4
        ),
    }
    context = Context(stimuli=stimuli, classifiers=classifiers)
    present = np.array([True, True, True, False])
    sides = _named(need)(Block(list("abcd"), list(predictions), list(predictions), present, context))
    expected = np.zeros((2, 4, 3 + first, 1))
    for number, (song, loud) in enumerate(zip((2, 0, 1, 0), (2, 0, 2, None), strict=True)):
        expected[0, number, first + song] = 1
        if loud is not None:
            expected[1, number, first + loud] = 1
    assert sides.references.tolist() == expected[0].tolist()
    assert sides.predictions.tolist() == expected[1].tolist()


@pytest.mark.parametrize("name", BOTH)
def test_what_a_measure_needs_and_is_not_there_is_named(heard, name):
    references, context, _ = heard
    need = MEASURES[name].needs[0]
    with pytest.raises(ShapeError) as caught:
        score_subject(references, references, [name])
    assert str(caught.value) == f"{need}: none, expected a classifier, for a measure that needs it."
    with pytest.raises(ShapeError) as caught:
        score_subject(references, references, [name], Context(None, {"s0": "gigue"}, context.classifiers))
    assert str(caught.value) == (
        f"{need}: s0, s1, s2 and 9 more: a stimulus that no class is for, expected one of adagio, bourree,"
        " courante."
    )


def test_chance_of_one_and_the_same_score_is_in_order_however_it_is_rounded():
    """0.1046875 is a tie of rounding: its mean over many draws may fall on the other side of its quantiles."""
    from harness.scoring.chance import _band

    for scores in (np.full(1000, 0.1046875), np.full(999, 0.1046875), np.full(7, 0.1046875 + 1e-17)):
        band = _band(scores)
        assert band.low <= band.mean <= band.high
