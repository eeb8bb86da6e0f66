"""Triggers: found, paired with the track's, and EEG laid upon them."""

from __future__ import annotations

import re

import numpy as np
import pytest

from harness.errors import CorpusError
from harness.preprocessing.triggers import align, drift_ppm, pair, status_triggers, track_triggers

RATE_HZ, TRACK_RATE_HZ = 512, 1000
# As the dataset's own: a pulse a second, and a last one that is not a second later.
TRACK = np.array([0, 1000, 2000, 3000, 4000, 5000, 5400])
# A pulse a second throughout: nothing but the onset tells its two ends apart.
EVEN = np.arange(0, 7000, 1000)


def recorded(track, start=700, faster_ppm=0.0):
    """Places in the EEG of a track that began at a sample."""
    return start + np.rint(track / TRACK_RATE_HZ * RATE_HZ * (1 + faster_ppm / 1e6)).astype(int)


def test_status_triggers_are_where_something_else_than_rest_begins():
    status = np.full(100, 0x10001)  # bit 16 is no trigger
    status[[0, 20, 21, 22, 60]] += 64
    found = status_triggers(status)
    assert found.places.tolist() == [0, 20, 60]
    assert (found.rest, found.rest_share) == (1, 0.95)


def test_a_channel_at_rest_at_zero_needs_another_recipe():
    status = np.zeros(100, int)
    status[[20, 21, 60]] = 4
    with pytest.raises(CorpusError) as raised:
        status_triggers(status)
    assert str(raised.value) == (
        "Status channel: 3% of the samples at 4, the most frequent value from 1 to 255 (97% are at 0), expected"
        " most of them at rest.\n  Set rest_values of the step align_to_triggers in a recipe of your own."
    )
    assert status_triggers(status, rest_values=(0, 255)).places.tolist() == [20, 60]


def test_track_triggers_are_where_it_rises_above_half():
    assert track_triggers(np.array([0.6, 0.7, 0, 0.5, 0.51, 0, 1])).tolist() == [0, 4, 6]


def test_as_many_triggers_as_the_track_are_taken_as_they_are():
    places = recorded(TRACK)
    paired = pair(places, RATE_HZ, TRACK, TRACK_RATE_HZ)
    assert paired.places.tolist() == places.tolist()
    assert paired.note == ""


@pytest.mark.parametrize(
    ("missing", "note"),
    [
        (0, "the first one missing, added"),
        (6, "the last one missing, added"),
    ],
)
def test_one_missing_at_an_end_is_added_where_it_was_although_the_last_interval_is_shorter(missing, note):
    places = recorded(TRACK)
    paired = pair(np.delete(places, missing), RATE_HZ, TRACK, TRACK_RATE_HZ)
    assert np.abs(paired.places - places).max() <= 1
    assert paired.note == note


def test_one_missing_inside_needs_nothing_and_is_no_reason_to_stretch_the_recording():
    places = np.delete(recorded(TRACK), 3)
    paired = pair(places, RATE_HZ, TRACK, TRACK_RATE_HZ)
    assert paired.places.tolist() == places.tolist()
    assert paired.note == "one missing inside (number 4), which is not needed"


@pytest.mark.parametrize(("missing", "which"), [(0, "first"), (6, "last")])
def test_where_all_intervals_are_alike_the_onset_decides(missing, which):
    places = recorded(EVEN)
    paired = pair(np.delete(places, missing), RATE_HZ, EVEN, TRACK_RATE_HZ, onset_seconds=700 / RATE_HZ + 0.1)
    assert paired.places.tolist() == places.tolist()
    assert paired.note == f"the {which} one missing, added, by the onset in events.tsv"


def test_without_an_onset_the_last_of_even_triggers_counts_as_missing_and_it_is_said():
    places = recorded(EVEN)
    paired = pair(places[:-1], RATE_HZ, EVEN, TRACK_RATE_HZ)
    assert paired.places.tolist() == places.tolist()
    assert paired.note == "the last one missing, added, a guess: all intervals are alike"


def test_one_too_many_at_sample_0_falls_away():
    places = recorded(TRACK)
    paired = pair(np.insert(places, 0, 0), RATE_HZ, TRACK, TRACK_RATE_HZ)
    assert paired.places.tolist() == places.tolist()
    assert paired.note == "one at sample 0 left out"


@pytest.mark.parametrize(
    ("places", "found"),
    [
        (recorded(TRACK)[2:], "5 in the EEG, from 3.37 to 6.77 s"),
        (np.append(recorded(TRACK), [4000, 4500]), "9 in the EEG, from 1.37 to 8.79 s"),
        (np.append(recorded(TRACK), 4000), "8 in the EEG, from 1.37 to 7.81 s"),
        (recorded(TRACK)[[0, 1, 2, 3, 4, 6]] + [0, 0, 200, 0, 0, 0], "6 in the EEG, from 1.37 to 6.77 s"),
        (np.array([], int), "0 in the EEG"),
    ],
)
def test_two_missing_or_any_too_many_are_refused_with_both_counts(places, found):
    with pytest.raises(CorpusError) as raised:
        pair(places, RATE_HZ, TRACK, TRACK_RATE_HZ)
    cause = (
        "It is another stimulus' file, or more was played than events.tsv says."
        if len(places) > 7
        else "The recording was begun late or stopped early, or it is another stimulus' file."
    )
    assert str(raised.value) == (
        f"triggers: {found}, expected 7 as in the trigger track, over 5.40 s.\n  {cause}"
    )


def test_one_missing_and_one_too_many_show_in_the_outer_intervals():
    places = np.append(recorded(TRACK)[1:], recorded(TRACK)[-1] + RATE_HZ)
    with pytest.raises(CorpusError, match=re.escape("1.000 s between the last two, expected 0.400 s")):
        pair(places, RATE_HZ, TRACK, TRACK_RATE_HZ)


def test_inner_intervals_that_differ_are_named():
    places = recorded(TRACK) + np.array([0, 0, 0, 30, 0, 0, 0])
    note = pair(places, RATE_HZ, TRACK, TRACK_RATE_HZ).note
    assert note == "2 inner intervals are not the track's, which does no harm"


def test_a_first_trigger_before_the_recording_is_refused():
    with pytest.raises(CorpusError, match="the first one missing, 0.61 s before the recording began"):
        pair(recorded(TRACK, start=-312)[1:], RATE_HZ, TRACK, TRACK_RATE_HZ)


def test_a_track_without_triggers_is_refused():
    with pytest.raises(CorpusError, match="trigger track: 1 triggers, expected at least two"):
        pair(recorded(TRACK), RATE_HZ, TRACK[:1], TRACK_RATE_HZ)


def test_alignment_undoes_a_clock_that_runs_faster():
    faster_ppm = 4000.0
    places = recorded(TRACK, faster_ppm=faster_ppm)
    time = (np.arange(6000) - places[0]) / RATE_HZ / (1 + faster_ppm / 1e6)  # of the stimulus
    eeg = np.stack([time, 2 * time])
    aligned = align(eeg, RATE_HZ, places, TRACK, TRACK_RATE_HZ)
    assert aligned.drift_ppm == pytest.approx(faster_ppm, abs=1e6 / (places[-1] - places[0]))
    n_played = int(np.ceil(5.4 * RATE_HZ))
    np.testing.assert_allclose(aligned.eeg[0, :n_played], np.arange(n_played) / RATE_HZ, atol=2 / RATE_HZ)
    # The same without correction would be 20 ms late at the end.
    assert abs(aligned.eeg[0, n_played - 1] - 5.4) < 0.004


def test_aligned_eeg_lasts_whole_seconds_but_a_sample_at_least_two_past_the_last_trigger():
    places = recorded(TRACK)
    aligned = align(np.zeros((1, 6000)), RATE_HZ, places, TRACK, TRACK_RATE_HZ)
    assert aligned.eeg.shape == (1, 8 * RATE_HZ - 1)  # 5.4 + 2 s, up to a whole one


def test_what_follows_begins_one_sample_after_the_last_trigger():
    places = recorded(TRACK)
    eeg = np.arange(6000.0)[None]
    n_played = int(np.ceil(5.4 * RATE_HZ))
    aligned = align(eeg, RATE_HZ, places, TRACK, TRACK_RATE_HZ).eeg[0]
    assert aligned[0] == places[0]
    assert aligned[n_played - 1] == places[-1] - 1
    assert aligned[n_played] == places[-1] + 1


def test_a_recording_that_stops_early_gives_what_there_is():
    places = recorded(TRACK)
    aligned = align(np.zeros((1, places[-1] + 101)), RATE_HZ, places, TRACK, TRACK_RATE_HZ)
    assert aligned.eeg.shape == (1, int(np.ceil(5.4 * RATE_HZ)) + 100)


def test_a_last_trigger_after_the_recording_is_refused():
    places = recorded(TRACK)
    with pytest.raises(CorpusError, match="triggers: the last one 0.20 s after the recording ended"):
        align(np.zeros((1, places[-1] - 102)), RATE_HZ, places, TRACK, TRACK_RATE_HZ)


def test_drift_is_zero_for_one_clock():
    assert drift_ppm(recorded(EVEN), RATE_HZ, EVEN, TRACK_RATE_HZ) == pytest.approx(0)
