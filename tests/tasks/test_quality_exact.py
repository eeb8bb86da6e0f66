"""What is said of a recording's quality, number by number: by hand, or from loops that follow the description."""

import json
from dataclasses import replace
from fractions import Fraction
from itertools import groupby

import numpy as np
import pytest

from harness.corpus import open_corpus
from harness.tasks.alignment import Alignment, moments
from harness.tasks.quality import (
    CorpusQuality,
    Quality,
    channel_quality,
    clipped_share,
    corpus_quality,
    line_noise,
    quality,
    quality_json,
    quality_text,
    shift_words,
    still_share,
)

RATE = 16
ENVELOPE = {"envelope": "bands = 1"}


@pytest.fixture
def opened(tmp_path):
    """Write recordings into a declared corpus, {(subject, stimulus): {"eeg": array, feature: array}}; opens it."""

    def make(recordings, *, rate=RATE, features=ENVELOPE, names=()):
        n_channels = next(iter(recordings.values()))["eeg"].shape[1]
        lines = ['name = "lab"', 'title = "A lab"', 'licence = "none"', 'citation = "none"']
        lines += ['kind = "simulated"', f"sample_rate_hz = {rate}", 'default_split = "lab"']
        lines += ["[channels]", f"count = {n_channels}", *([f"names = {list(names)}"] if names else [])]
        lines += ["[eeg]", 'files = "eeg/{subject}_{stimulus}.npy"']
        for name, about in features.items():
            lines += [f"[features.{name}]", f'title = "{name}"', about]
            lines += [f'files = "{name}/{{subject}}_{{stimulus}}.npy"']
        (tmp_path / "corpus.toml").write_text("\n".join(lines))
        for kind in ("eeg", *features):
            (tmp_path / kind).mkdir()
            for (subject, stimulus), arrays in recordings.items():
                np.save(tmp_path / kind / f"{subject}_{stimulus}.npy", arrays[kind].astype(np.float32))
        return open_corpus(tmp_path)

    return make


def noise(n_times, n_channels=2, seed=0):
    return np.random.default_rng(seed).standard_normal((n_times, n_channels)).astype(np.float32)


def answering(seconds=30, seed=0):
    """EEG (n_times, 2) that is a feature and noise, the feature, and another that it does not answer."""
    heard = noise(seconds * RATE, 1, seed)
    eeg = heard + 0.5 * noise(seconds * RATE, 2, seed + 100)
    return {"eeg": eeg, "mel": heard, "envelope": noise(seconds * RATE, 1, seed + 200)}


def channels_of(deviations, n_times=64):
    """Channels that go to and fro between two values, so that their deviations are these exactly."""
    signs = np.where(np.arange(n_times) % 2, -1.0, 1.0)
    return signs[:, None] * np.array(deviations, float)


# Channels


def test_channels_at_a_limit_are_beyond_it():
    names = ["a", "b", "c", "ten", "near ten", "weak", "near weak", "flat", "zero"]
    eeg = channels_of([1000, 1000, 1000, 10000, 9980, 20, 20.2, 1, 0])
    assert channel_quality(eeg, names, 64) == {
        "flat": ("flat", "zero"),
        "wild": {"ten": 10.0, "weak": 0.02},
        "clipped": {},
        "still": {},
        "scale": 1000.0,
    }


def test_channels_without_a_signal_have_no_part_in_the_median():
    seen = channel_quality(channels_of([0, 0, 0, 2, 2]), list("abcde"), 64)
    assert (seen["scale"], seen["flat"], seen["wild"]) == (2.0, ("a", "b", "c"), {})


def test_a_channel_without_a_name_is_refused():
    with pytest.raises(ValueError, match=r"zip\(\) argument 2 is longer than argument 1"):
        channel_quality(channels_of([1, 1, 1]), ["a", "b"], 64)


@pytest.mark.parametrize("seed", range(5))
def test_clipped_and_still_shares_are_those_of_runs_counted_one_by_one(seed):
    draw = np.random.default_rng(seed)
    channel = np.repeat(draw.integers(0, 5, 80), draw.integers(1, 9, 80)).astype(float)
    runs = [(value, len(list(run))) for value, run in groupby(channel)]
    outer = (channel.min(), channel.max())
    assert clipped_share(channel) == sum(n for v, n in runs if v in outer and n >= 4) / len(channel)
    for n_least in (1, 2, 7):
        still = sum(n for v, n in runs if v not in outer and n >= n_least)
        assert still_share(channel, n_least) == still / len(channel)


# Line noise


def decibels(eeg, rate, hertz):
    """The most power within 1 Hz over the median from 2 to 4 Hz beside, of the channel where that is highest."""
    length = round(2 * rate)
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(length) / length)
    found = []
    for channel in eeg.T:
        power = np.zeros(length // 2 + 1)
        for start in range(0, len(channel) - length + 1, length - length // 2):
            piece = channel[start : start + length]
            power += np.abs(np.fft.rfft(window * (piece - piece.mean()))) ** 2
        away = [abs(k * rate / length - hertz) for k in range(len(power))]
        at = max(p for p, d in zip(power, away, strict=True) if d <= 1)
        beside = np.median([p for p, d in zip(power, away, strict=True) if 2 <= d <= 4])
        if beside > 0:
            found.append(at / beside)
    return 10 * np.log10(max(found))


@pytest.mark.parametrize("sine", [50, 51, 52, 54, 61])
@pytest.mark.parametrize("rate", [250, 256])
def test_line_noise_is_that_of_a_spectrum_in_loops(rate, sine):
    eeg = np.column_stack([noise(7 * rate), 1000 * noise(7 * rate, 1, 5), np.zeros(7 * rate)]).astype(float)
    eeg[:, 1] += 2 * np.sin(2 * np.pi * sine * np.arange(len(eeg)) / rate)
    expected = {f"{hertz}": decibels(eeg, rate, hertz) for hertz in (50, 60)}
    assert line_noise(eeg, rate) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(
    ("rate", "seen"), [(108, []), (109, ["50"]), (110, ["50"]), (128, ["50"]), (129, ["50", "60"])]
)
def test_line_noise_needs_4_hz_up_to_half_the_rate(rate, seen):
    assert list(line_noise(noise(5 * rate), rate)) == seen


def test_line_noise_is_seen_in_two_seconds_and_not_in_a_sample_less():
    eeg = noise(512).astype(float)
    assert line_noise(eeg, 256)["50"] == pytest.approx(decibels(eeg, 256, 50), rel=1e-6)
    assert line_noise(eeg[1:], 256) == {}


def test_silence_has_no_line_noise():
    assert line_noise(np.zeros((600, 2)), 256) == {"50": 0.0, "60": 0.0}


# A recording


def test_numbers_that_are_not_finite_count_as_zeros_in_what_else_is_seen(opened):
    eeg = 2 + channels_of([3, 3, 3], 3 * 256) + 0.5 * noise(3 * 256, 3)
    eeg[100:300, 0], eeg[5, 2] = np.nan, -np.inf
    corpus = opened({("P1", "a"): {"eeg": eeg, "envelope": noise(3 * 256, 1)}}, rate=256)
    one = quality(corpus.recordings[0], corpus)
    clean = np.where(np.isfinite(eeg), eeg, 0).astype(np.float32).astype(float)
    expected = {hertz: decibels(clean, 256, int(hertz)) for hertz in ("50", "60")}
    assert one.scale == pytest.approx(np.median(clean.std(axis=0)), rel=1e-9)
    assert one.line_db == pytest.approx(expected, rel=1e-6)
    assert (one.recording, one.seconds, one.not_finite) == ("P1_a", 3.0, {"1": 200, "3": 1})


def test_channels_without_names_are_counted_from_one(opened):
    eeg = channels_of([1, 1, 0, 1, 30])
    corpus = opened({("P1", "a"): {"eeg": eeg, "envelope": noise(64, 1)}})
    one = quality(corpus.recordings[0], corpus)
    assert (one.flat, one.wild) == (("3",), {"5": 30.0})


def at_rate_of_eeg(values, frames_per_sample, n_times):
    """Bands of mean 0 and deviation 1, averaged, between whose frames lines are drawn."""
    bands = [band - band.mean() for band in values.astype(float).T]
    mean = sum(band / (band.std() or 1) for band in bands) / len(bands)
    found = []
    for time in range(min(n_times, int(len(mean) / frames_per_sample))):
        place = time * frames_per_sample
        before, after = int(place), min(int(place) + 1, len(mean) - 1)
        found.append(mean[before] + float(place - before) * (mean[after] - mean[before]))
    return np.array(found)


@pytest.mark.parametrize(("frame_rate", "n_frames"), [(16, 480), (16, 476), (24, 715), (24, 723), (8, 239)])
def test_a_feature_of_another_rate_and_with_bands_of_any_size_is_brought_to_the_eegs(
    opened, frame_rate, n_frames
):
    mel = noise(n_frames, 4, 3) * [0.01, 1000, 1, 0] + [1e4, -3e7, 0, 5]
    eeg = noise(480, 2, 4)
    features = {"mel": f"bands = 4\nframe_rate_hz = {frame_rate}"}
    corpus = opened({("P1", "a"): {"eeg": eeg, "mel": mel}}, features=features)
    target = at_rate_of_eeg(mel.astype(np.float32), Fraction(frame_rate, RATE), 480)
    expected = moments(eeg[: len(target)].astype(float), target, RATE)
    found = quality(corpus.recordings[0], corpus).stretches
    assert len(found) == 4
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one.gram, other.gram)
        np.testing.assert_allclose(one.product, other.product, rtol=0, atol=1e-3)
        np.testing.assert_allclose(one.power, other.power, rtol=1e-4)


@pytest.mark.parametrize(
    ("n_times", "n_frames", "samples"),
    [
        (1000, 999, None),
        (1000, 998, 2),
        (1000, 1001, None),
        (1000, 1002, -2),
        (3000, 2997, None),
        (3000, 2996, 4),
    ],
)
def test_a_feature_differs_in_length_from_a_thousandth_on_and_from_two_samples_on(
    opened, n_times, n_frames, samples
):
    corpus = opened({("P1", "a"): {"eeg": noise(n_times), "envelope": noise(n_frames, 1)}})
    one = quality(corpus.recordings[0], corpus)
    assert one.longer_by == ({} if samples is None else {"envelope": samples / RATE})


def test_lengths_are_compared_at_each_features_own_rate(opened):
    features = {
        "words": "bands = 1\nframes_per_segment = 7",
        "mel": "bands = 1\nframe_rate_hz = 24",
        "envelope": "bands = 1",
    }
    arrays = {"eeg": noise(480), "words": noise(100, 1), "mel": noise(714, 1), "envelope": noise(480, 1)}
    corpus = opened({("P1", "a"): arrays}, features=features)
    one = quality(corpus.recordings[0], corpus)
    assert one.longer_by == {"mel": (480 - 714 / 1.5) / RATE}


@pytest.mark.parametrize(
    ("first", "about"), [(np.nan, {"envelope": "1 number not finite"}), (5.0, {}), (2.0, None)]
)
def test_the_first_frame_of_a_feature_is_looked_at_as_well(opened, first, about):
    envelope = np.full((480, 1), 2.0)
    envelope[0] = first
    corpus = opened({("P1", "a"): {"eeg": noise(480), "envelope": envelope}})
    one = quality(corpus.recordings[0], corpus)
    assert one.odd_features == ({"envelope": "the same at all times"} if about is None else about)


def test_a_feature_with_a_number_that_is_not_finite_is_not_aligned(opened):
    envelope = noise(480, 1)
    envelope[7] = np.inf
    corpus = opened({("P1", "a"): {"eeg": noise(480), "envelope": envelope}})
    one = quality(corpus.recordings[0], corpus)
    assert (one.alignment, one.stretches) == (None, ())


@pytest.mark.parametrize(
    ("order", "asked", "aligned"),
    [
        (["mel", "envelope"], None, "envelope"),
        (["envelope", "mel"], None, "envelope"),
        (["mel"], None, "mel"),
        (["words", "mel"], None, "words"),
        (["mel", "envelope"], "mel", "mel"),
    ],
)
def test_the_feature_that_is_asked_for_or_the_envelope_or_the_first_is_aligned(opened, order, asked, aligned):
    arrays = answering() | {"words": noise(480, 1, 9)}
    corpus = opened({("P1", "a"): arrays}, features=dict.fromkeys(order, "bands = 1"))
    (one,) = corpus_quality(corpus, feature=asked).recordings
    assert one.alignment.feature == aligned
    assert one.alignment.found == (aligned == "mel")


def test_a_recording_without_a_feature_is_not_aligned(opened):
    corpus = opened({("P1", "a"): answering()})
    one = quality(replace(corpus.recordings[0], feature_series={}), corpus)
    assert (one.alignment, one.stretches, one.odd_features, one.longer_by) == (None, (), {}, {})


# A corpus


def test_subjects_are_aligned_apart_and_progress_is_told(opened):
    recordings = {("P1", "a"): 0, ("P1", "b"): 1, ("P2", "a"): 2, ("P3", "a"): 3}
    recordings = {key: answering(seed=seed) for key, seed in recordings.items()}
    recordings["P2", "a"]["eeg"] = recordings["P2", "a"]["eeg"][::-1]
    corpus = opened(recordings, features={"mel": "bands = 1"})
    told = []
    found = corpus_quality(corpus, on_progress=lambda *now: told.append(now))
    assert told == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert [one.stretches for one in found.recordings] == [()] * 4
    alone = {one.recording.split("_")[0]: one.alignment for one in found.recordings}
    assert list(found.subjects) == ["P1", "P2", "P3"]
    assert found.subjects["P1"].z > alone["P1"].z
    for subject in ("P2", "P3"):
        assert found.subjects[subject] == replace(alone[subject], feature="")
    assert [found.subjects[subject].found for subject in found.subjects] == [True, False, True]


@pytest.mark.parametrize(
    ("scales", "scaled_by"),
    [
        ([1, 100, 100, 100, 10000, 1.5, 9999], [0.01, None, None, None, 100.0, None, None]),
        ([0, 0, 0, 0, 4, 4, 1200], [None, None, None, None, None, None, 300.0]),
        ([4, 1200, 4], [None, 300.0, None]),
        ([4, 1200], [None, None]),
    ],
)
def test_a_recording_a_hundred_times_apart_from_the_median_is_marked(opened, scales, scaled_by):
    recordings = {
        ("P1", f"s{number}"): {"eeg": channels_of([scale] * 2), "envelope": noise(64, 1)}
        for number, scale in enumerate(scales)
    }
    found = corpus_quality(opened(recordings))
    assert [one.scale for one in found.recordings] == scales
    assert [one.scaled_by for one in found.recordings] == scaled_by


def test_one_of_three_recordings_is_named_where_the_median_answers_at_the_limit(opened, monkeypatch):
    recordings = {("P1", f"s{number}"): answering(seed=number) for number in range(3)}
    recordings["P1", "s1"]["mel"] = noise(480, 1, 77)
    corpus = opened(recordings, features={"mel": "bands = 1"})
    usual = sorted(one.alignment.z for one in corpus_quality(corpus).recordings)[1]
    for limit, others in ((usual, usual), (np.nextafter(usual, np.inf), None)):
        monkeypatch.setattr("harness.tasks.quality.CLEAR_Z", limit)
        assert [one.others_z for one in corpus_quality(corpus).recordings] == [None, others, None]


# What is said

FITS = Alignment("envelope", 62.5, 0.25, 9.87, 9.5, ((0.0, 9.5), (62.5, 9.87)))
LATE = Alignment("", 250.0, 0.1, 12.34, 1.0, ((0.0, 1.0), (250.0, 12.34)))
UNCLEAR = Alignment("", -500.0, 0.02, 1.5, 0.5, ((-500.0, 1.5), (0.0, 0.5)))
BROKEN = Quality(
    "P1_a",
    90.04,
    flat=("Cz",),
    wild={"T7": 149.6, "T8": 1.5, "Fz": 0.012},
    clipped={"T8": 0.0123, "F3": 0.5},
    still={"Pz": 0.2, "F4": 0.1, "P3": 0.1, "P4": 0.3},
    not_finite={"O1": 3, "Oz": 1},
    line_db={"50": 12.3, "60": 3.2},
    scale=2.5,
    scaled_by=0.001,
    odd_features={"mel": "the same at all times"},
    longer_by={"envelope": 0.5, "mel": -0.25},
    alignment=FITS,
    stretches=tuple(moments(noise(480), noise(480, 1)[:, 0], RATE)),
)
GOOD = Quality("P2_a", 100.0, scale=1.0)
REMARKS = (
    "4 numbers not finite, in O1, Oz",
    "flat: Cz",
    "wildly scaled: T7 (150 times the median), T8 (2 times the median), Fz (0.012 times the median)",
    "all of it scaled 0.001 times as the corpus's other recordings",
    "standing still: Pz (20.0 %), F4 (10.0 %), P3 (10.0 %), P4 (30.0 %)",
    "clipped: T8 (1.2 %), F3 (50.0 %)",
    "mel: the same at all times",
    "12 dB of line noise at 50 Hz",
)
FOUND = CorpusQuality((BROKEN, GOOD), {"P1": LATE, "P2": UNCLEAR})
HEADERS = "recording    seconds    flat    wild    clipped    still    not finite    "
RULES = "-----------  ---------  ------  ------  ---------  -------  ------------  "
ROW_1 = "P1_a         90.0       1       3       2          4        4             "
ROW_2 = "P2_a         100.0      0       0       0          0        0             "
TEXT = f"""\
{HEADERS}line noise                     EEG longer by                  fits at
{RULES}-----------------------------  -----------------------------  --------------
{ROW_1}12 dB at 50 Hz, 3 dB at 60 Hz  envelope +0.50 s, mel -0.25 s  +62 ms (z 9.9)
{ROW_2}cannot be seen                 0 s                            not looked for

subject, all recordings    r      fits at
-------------------------  -----  ----------------------
P1                         0.100  +250 ms (z 12.3)
P2                         0.020  cannot be told (z 1.5)

look at P1_a: {"; ".join(REMARKS)}
look at P1: EEG 250 ms late"""
TEXT_OF_GOOD = f"""\
{HEADERS}line noise      EEG longer by    fits at
{RULES}--------------  ---------------  --------------
{ROW_2}cannot be seen  0 s              not looked for

nothing to look at"""


def test_everything_that_was_seen_is_said_in_tables_and_lines():
    assert BROKEN.remarks == REMARKS
    assert quality_text(FOUND) == TEXT


def test_a_corpus_without_subjects_together_has_no_table_of_them():
    assert quality_text(CorpusQuality((GOOD,), {})) == TEXT_OF_GOOD


def test_everything_that_was_seen_is_plain_json_but_for_stretches_and_curves():
    aligned = {"lag_ms": 62.5, "r": 0.25, "z": 9.87, "z_unshifted": 9.5, "feature": "envelope"}
    nothing = {"flat": (), "wild": {}, "clipped": {}, "still": {}, "not_finite": {}, "line_db": {}}
    document = quality_json(FOUND)
    assert document == {
        "recordings": [
            {
                "recording": "P1_a",
                "seconds": 90.04,
                "flat": ("Cz",),
                "wild": {"T7": 149.6, "T8": 1.5, "Fz": 0.012},
                "clipped": {"T8": 0.0123, "F3": 0.5},
                "still": {"Pz": 0.2, "F4": 0.1, "P3": 0.1, "P4": 0.3},
                "not_finite": {"O1": 3, "Oz": 1},
                "line_db": {"50": 12.3, "60": 3.2},
                "scale": 2.5,
                "scaled_by": 0.001,
                "odd_features": {"mel": "the same at all times"},
                "longer_by": {"envelope": 0.5, "mel": -0.25},
                "alignment": aligned,
                "others_z": None,
                "remarks": list(REMARKS),
            },
            nothing
            | {"recording": "P2_a", "seconds": 100.0, "scale": 1.0, "scaled_by": None, "odd_features": {}}
            | {"longer_by": {}, "alignment": None, "others_z": None, "remarks": []},
        ],
        "subjects": {
            "P1": {"lag_ms": 250.0, "r": 0.1, "z": 12.34, "z_unshifted": 1.0, "feature": ""},
            "P2": {"lag_ms": -500.0, "r": 0.02, "z": 1.5, "z_unshifted": 0.5, "feature": ""},
        },
        "remarks": [f"P1_a: {'; '.join(REMARKS)}", "P1: EEG 250 ms late"],
    }
    assert json.loads(json.dumps(document))["recordings"][0]["flat"] == ["Cz"]


@pytest.mark.parametrize(
    ("lag_ms", "feature", "words"),
    [
        (-62.5, "mel", "EEG 62 ms early for mel"),
        (-0.4, "", "EEG 0 ms early"),
        (0.0, "", "EEG 0 ms late"),
        (0.6, "mel", "EEG 1 ms late for mel"),
        (250.0, "", "EEG 250 ms late"),
    ],
)
def test_a_shift_in_words(lag_ms, feature, words):
    assert shift_words(replace(LATE, lag_ms=lag_ms, feature=feature)) == words
