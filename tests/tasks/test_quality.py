"""What is wrong with EEG: every kind of fault is planted in synthetic recordings, and found by name."""

import json

import numpy as np
import pytest

from harness.corpus import open_corpus
from harness.tasks.alignment import alignment, moments
from harness.tasks.quality import channel_quality, clipped_share, corpus_quality, line_noise, quality_text

RATE = 64
SECONDS = 90
CORPUS = """name = "lab"
title = "A lab's recordings"
licence = "none"
citation = "none"
kind = "simulated"
sample_rate_hz = 64
default_split = "lab"

[channels]
count = 6
names = ["Fz", "Cz", "Pz", "T7", "T8", "Oz"]

[eeg]
files = "eeg/{subject}_{stimulus}.npy"
axes = "times, channels"

[features.envelope]
title = "Envelope"
bands = 1
frame_rate_hz = 64
files = "envelope/{subject}_{stimulus}.npy"
"""


def heard(seconds=SECONDS, *, seed=0, late_ms=0, level=0.6, rate=RATE):
    """EEG (n_times, 6) that answers an envelope 100 to 200 ms later, and by ``late_ms`` more; the envelope."""
    draw = np.random.default_rng(seed)
    n_times = round(seconds * rate)
    envelope = np.abs(np.convolve(draw.standard_normal(n_times + 40), np.hanning(rate // 8), "same"))[
        :n_times
    ]
    delay = round((0.1 + late_ms / 1000) * rate)
    kernel = np.zeros(delay + rate // 8)
    kernel[delay:] = np.hanning(rate // 8)
    answer = np.convolve(envelope - envelope.mean(), kernel)[:n_times]
    gains = draw.uniform(0.5, 1.5, 6)
    noise = draw.standard_normal((n_times, 6))
    return level * np.outer(answer / answer.std(), gains) + noise, envelope[:, None]


@pytest.fixture
def lab(tmp_path):
    """Write recordings into a declared corpus: {(subject, stimulus): (eeg, envelope)}; opens it."""

    def make(recordings):
        (tmp_path / "corpus.toml").write_text(CORPUS)
        for kind, index in (("eeg", 0), ("envelope", 1)):
            (tmp_path / kind).mkdir()
            for (subject, stimulus), arrays in recordings.items():
                np.save(tmp_path / kind / f"{subject}_{stimulus}.npy", arrays[index].astype(np.float32))
        return open_corpus(tmp_path)

    return make


def test_good_eeg_has_nothing_to_look_at(lab):
    found = corpus_quality(lab({("P1", "a"): heard(), ("P1", "b"): heard(seed=1)}))
    assert found.remarks == ()
    assert [one.alignment.lag_ms for one in found.recordings] == pytest.approx([0, 0], abs=65)
    assert found.subjects["P1"].z > max(one.alignment.z for one in found.recordings)
    assert quality_text(found).endswith("\n\nnothing to look at")


def test_flat_wild_and_clipped_channels_are_named(lab):
    eeg, envelope = heard()
    eeg[:, 1] = 3.0
    eeg[:, 3] *= 50
    eeg[:, 4] = np.clip(eeg[:, 4], -0.5, 0.5)
    (one,) = corpus_quality(lab({("P1", "a"): (eeg, envelope)})).recordings
    assert one.flat == ("Cz",)
    assert list(one.wild) == ["T7"]
    assert 30 < one.wild["T7"] < 80
    assert list(one.clipped) == ["T8"]
    assert one.remarks[0] == "flat: Cz"
    assert one.remarks[1] == f"wildly scaled: T7 ({one.wild['T7']:.0f} times the median)"
    assert one.remarks[2].startswith("clipped: T8 (")


def test_weak_channels_and_stretches_that_stand_still_are_named(lab):
    eeg, envelope = heard()
    eeg[:, 0] *= 0.01
    eeg[10 * RATE : 28 * RATE, 2] = 0.0  # a link that was off
    eeg[RATE : RATE + RATE // 2, 5] = 0.25  # half a second, the shortest that counts
    eeg[30 * RATE : 30 * RATE + RATE // 2 - 1, 4] = 0.25
    (one,) = corpus_quality(lab({("P1", "a"): (eeg, envelope)})).recordings
    assert list(one.wild) == ["Fz"]
    assert one.still == pytest.approx({"Pz": 0.2, "Oz": 0.5 / SECONDS})
    assert one.remarks == (
        f"wildly scaled: Fz ({one.wild['Fz']:.2g} times the median)",
        "standing still: Pz (20.0 %), Oz (0.6 %)",
    )


def test_a_recording_in_another_unit_than_the_others_is_named(lab):
    recordings = {("P1", f"s{number}"): heard(seed=number) for number in range(4)}
    recordings["P1", "s1"] = (1e-6 * recordings["P1", "s1"][0], recordings["P1", "s1"][1])
    recordings["P1", "s2"] = (1000 * recordings["P1", "s2"][0], recordings["P1", "s2"][1])
    remarks = corpus_quality(lab(recordings)).remarks
    assert [line.partition(" scaled ")[0] for line in remarks] == ["P1_s1: all of it", "P1_s2: all of it"]
    assert remarks[0].endswith("e-06 times as the corpus's other recordings")


def test_features_that_are_no_feature_are_named(lab):
    eeg, envelope = heard()
    broken = envelope.copy()
    broken[5:9] = np.nan
    found = corpus_quality(lab({("P1", "a"): (eeg, broken), ("P1", "b"): (eeg, 0 * envelope + 2)}))
    assert found.remarks == (
        "P1_a: envelope: 4 numbers not finite",
        "P1_b: envelope: the same at all times",
    )


def test_numbers_that_are_not_finite_are_counted_and_alignment_is_not_looked_for(lab):
    eeg, envelope = heard()
    eeg[5:8, 2] = np.nan
    eeg[9, 5] = np.inf
    (one,) = corpus_quality(lab({("P1", "a"): (eeg, envelope)})).recordings
    assert one.not_finite == {"Pz": 3, "Oz": 1}
    assert one.remarks == ("4 numbers not finite, in Pz, Oz",)
    assert one.alignment is None


@pytest.mark.parametrize("late_ms", [-500, 250, 500])
def test_eeg_that_comes_late_or_early_is_told_with_the_lag(lab, late_ms):
    eeg, envelope = heard(late_ms=max(late_ms, 0), level=1.5)
    if late_ms < 0:
        eeg = np.roll(eeg, round(late_ms * RATE / 1000), axis=0)
    found = corpus_quality(lab({("P1", "a"): (eeg, envelope)}))
    assert found.recordings[0].alignment.lag_ms == pytest.approx(late_ms, abs=70)
    word = "early" if late_ms < 0 else "late"
    assert found.remarks[0].startswith("P1_a: EEG ")
    assert found.remarks[0].endswith(f" ms {word} for envelope")


def test_eeg_of_another_stimulus_is_not_called_shifted(lab):
    eeg, _ = heard(seed=3)
    _, envelope = heard(seed=4)
    found = corpus_quality(lab({("P1", "a"): (eeg, envelope)}))
    assert not found.recordings[0].alignment.found
    assert not found.recordings[0].alignment.shifted
    assert "cannot be told (z" in quality_text(found)


def test_eeg_of_another_stimulus_is_named_where_the_others_answer_clearly(lab):
    recordings = {("P1", f"s{number}"): heard(seed=number, level=3) for number in range(5)}
    recordings["P1", "s2"] = (heard(seed=9, level=3)[0], recordings["P1", "s2"][1])
    recordings["P1", "s4"] = (recordings["P1", "s4"][0][::-1], recordings["P1", "s4"][1])
    found = corpus_quality(lab(recordings))
    assert [one.recording for one in found.recordings if one.others_z] == ["P1_s2", "P1_s4"]
    assert [line.partition(" (z ")[0] for line in found.remarks] == [
        "P1_s2: envelope: no answer to it",
        "P1_s4: envelope: no answer to it",
    ]
    assert found.remarks[0].endswith("): is it what was heard?")


def test_recordings_that_all_answer_weakly_are_not_named(lab):
    recordings = {("P1", f"s{number}"): heard(seed=number, level=0.05) for number in range(4)}
    recordings["P1", "s2"] = (heard(seed=9)[0], recordings["P1", "s2"][1])
    found = corpus_quality(lab(recordings))
    assert [one.others_z for one in found.recordings] == [None] * 4


def test_of_noise_hardly_any_recording_is_called_shifted():
    shifted = 0
    for seed in range(40):
        draw = np.random.default_rng(seed)
        eeg, target = draw.standard_normal((40 * RATE, 6)), np.abs(draw.standard_normal(40 * RATE))
        shifted += alignment(moments(eeg, target, RATE), RATE).shifted
    assert shifted == 0


def test_a_subject_answers_where_its_short_recordings_do_not(lab):
    recordings = {("P1", f"s{k}"): heard(25, seed=k, level=0.1) for k in range(8)}
    found = corpus_quality(lab(recordings))
    assert sum(one.alignment.found for one in found.recordings) < 8
    assert found.subjects["P1"].found
    assert abs(found.subjects["P1"].lag_ms) <= 125


def test_a_feature_that_is_shorter_than_its_eeg_is_told_in_seconds(lab):
    eeg, envelope = heard()
    found = corpus_quality(lab({("P1", "a"): (eeg, envelope[: -RATE // 2])}))
    assert found.recordings[0].longer_by == {"envelope": 0.5}
    assert "envelope +0.50 s" in quality_text(found)


def test_too_short_and_constant_recordings_are_not_aligned():
    eeg, envelope = heard(19)
    assert moments(eeg, envelope[:, 0], RATE) == []
    eeg, envelope = heard(30)
    assert moments(eeg, np.ones(len(eeg)), RATE) == []
    assert moments(np.zeros_like(eeg), envelope[:, 0], RATE) == []
    assert alignment([], RATE) is None


@pytest.mark.parametrize(("values", "share"), [([0, 5, 5, 5, 5, 1, -2, 0], 0.5), ([0, 5, 5, 5, 1, -2], 0.0)])
def test_a_stretch_is_clipped_from_four_samples_on(values, share):
    assert clipped_share(np.array(values, float)) == share


def test_a_recording_of_which_every_channel_is_flat():
    seen = channel_quality(np.ones((100, 2)), ["a", "b"], RATE)
    assert seen == {"flat": ("a", "b"), "wild": {}, "clipped": {}, "still": {}, "scale": 0.0}


def test_line_noise_is_seen_at_its_frequency_and_not_beyond_half_the_rate():
    draw, rate = np.random.default_rng(0), 256
    eeg = draw.standard_normal((20 * rate, 3))
    eeg[:, 1] += 5 * np.sin(2 * np.pi * 50 * np.arange(len(eeg)) / rate)
    seen = line_noise(eeg, rate)
    assert set(seen) == {"50", "60"}
    assert seen["50"] > 20
    assert seen["60"] < 6
    assert line_noise(eeg, 64) == {}
    assert line_noise(eeg[:100], rate) == {}


@pytest.mark.slow
def test_describe_prints_writes_and_draws_it(lab, harness, tmp_path):
    eeg, envelope = heard()
    eeg[:, 3] *= 50
    lab({("P1", "a"): (eeg, envelope)})
    _code, out, err = harness("data", "describe", tmp_path, "--quality", "--pictures", tmp_path / "seen")
    assert "P1_a         90.0" in out
    assert "look at P1_a: wildly scaled: T7 (" in out
    assert f"1 pictures in {tmp_path / 'seen'}" in err
    assert (tmp_path / "seen" / "P1_a.png").read_bytes().startswith(b"\x89PNG")
    _code, out, _err = harness("data", "describe", tmp_path, "--quality", "--json")
    (one,) = json.loads(out)["quality"]["recordings"]
    assert list(one["wild"]) == ["T7"]
    assert one["alignment"]["lag_ms"] == pytest.approx(0, abs=65)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--feature", "envelope"], "--feature and --pictures are for --quality."),
        (["--quality", "--feature", "envelop"], "Did you mean 'envelope'?"),
    ],
)
def test_wrong_usage(lab, harness, tmp_path, options, message):
    lab({("P1", "a"): heard(20)})
    code, _out, err = harness("data", "describe", tmp_path, *options)
    assert code == 2
    assert message in err
