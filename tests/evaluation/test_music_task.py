"""Music from the command to the record: what needs no brain, the blind control, chance, and missing songs."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
from safetensors.numpy import load_file

from harness.corpus import open_corpus
from harness.corpus.nmedt import AudioChoice
from harness.evaluation.controls import asked_of
from harness.evaluation.predict import Reader
from harness.evaluation.without_brain import without_brain
from harness.execution import Run
from harness.scoring.blind import donor
from harness.scoring.cosine import cosine
from harness.tasks.task import open_task

LEVEL = (
    "level = np.log(eeg.var(axis=(1, 2)) + 1)[:, None, None]\n"
    "band = -np.linspace(0, 40, self.n_bands)[None, None]\n"
    "return (band + level + np.zeros((len(eeg), 44, 1))).astype(np.float32)"
)


@pytest.fixture
def task(music, music_split):
    return open_task(music, split_name=music_split)


@pytest.fixture
def score(harness, make_submission, music_split):
    """Score a package that tells the level of the EEG; gives the record."""
    make_submission("level", predict=LEVEL, features=["music-mel-db"])

    def run(data, *more):
        asks = ("--data", str(data), "--split", str(music_split), "--json", "--out", "out", *more)
        code, answer, error = harness("score", "submissions/level", *asks)
        assert code == 0, error
        return json.loads(answer)

    return run


def test_a_surrogate_is_another_second_of_another_song_of_the_same_listener(task):
    asked = asked_of(task, Run())
    assert [one.id for one in asked.blind] == [one.id for one in task.segments]
    for segment in task.segments:
        given = asked.donors[segment.id]
        assert given.subject == segment.subject
        assert given.recording.stimulus != segment.recording.stimulus
        assert given.start != segment.start
    reader = Reader(asked)
    for place, segment in enumerate(task.segments):
        np.testing.assert_array_equal(reader(place), segment.eeg())
        np.testing.assert_array_equal(reader(len(task.segments) + place), asked.donors[segment.id].eeg())
    again = asked_of(task, Run())
    assert {k: v.id for k, v in again.donors.items()} == {k: v.id for k, v in asked.donors.items()}


def test_a_listener_of_one_song_has_no_surrogate(music, music_split):
    few = open_task(music, split_name=music_split)
    few.__dict__["by_subject"] = {"S07": few.segments[:2]}  # song21 only
    assert asked_of(few, Run(), 2).blind == ()


def test_donors_prefer_another_second_and_fall_back_to_another_song():
    others = [("a", 0), ("a", 125), ("b", 0), ("b", 125)]
    assert donor("x", "a", 0, others) == 3
    assert donor("x", "a", 250, others) in (2, 3)
    assert donor("x", "a", 0, [("a", 0), ("b", 0)]) == 1
    assert donor("x", "a", 0, [("a", 0), ("a", 125)]) is None


def test_rows_without_a_brain_by_hand(task):
    rows = without_brain(task)
    assert list(rows) == ["constant", "stimulus_known", "another_second", "another_stimulus"]
    references = task.references("S07")
    training = np.stack([one.feature("music-mel-db") for one in task.training])
    names = [one.recording.stimulus for one in task.training]
    mean = training.mean(axis=0)
    expected = np.mean([cosine(one, mean) for one in references.values()])
    assert rows["constant"].value == pytest.approx(expected, abs=1e-6)
    assert rows["constant"].measures["cosine_gain"] == pytest.approx(0, abs=1e-6)
    assert rows["constant"].measures["cosine_centred"] == pytest.approx(0, abs=1e-6)
    known = {
        song: training[[name == song for name in names]].mean(axis=0)
        for song in ("song21", "song22", "song23")
    }
    of_song = [cosine(one, known[name.split("_")[1]]) for name, one in references.items()]
    assert rows["stimulus_known"].value == pytest.approx(np.mean(of_song), abs=1e-6)
    # Two seconds of each song in the part: another second is the one other.
    pairs = [(f"S07_song{song}_009", f"S07_song{song}_010") for song in (21, 22, 23)]
    other = np.mean([cosine(references[a], references[b]) for a, b in pairs])
    assert rows["another_second"].value == pytest.approx(other, abs=1e-6)
    strange = [
        cosine(one, another)
        for a, one in references.items()
        for b, another in references.items()
        if a.split("_")[1] != b.split("_")[1]
    ]
    assert min(strange) <= rows["another_stimulus"].value <= max(strange)


def test_the_record_holds_them_beside_the_score(score, music):
    record = score(music)
    assert record["corpus"]["name"] == "simulated-nmed-t"
    assert (record["feature"], record["split"]["measures"][0]) == ("music-mel-db", "cosine")
    assert list(record["without_brain"]) == [
        "constant",
        "stimulus_known",
        "another_second",
        "another_stimulus",
    ]
    assert record["controls"]["blind"]["segments"] == 6
    chance = record["measures"]["cosine"]["chance"]
    assert chance["circular_shifts"]["scores"] == chance["mismatched_segments"]["scores"] == 1000
    assert "flag" not in record["split"]


def test_a_flag_of_the_split_stands_in_record_board_and_words(score, music, music_split, harness):
    split = json.loads(music_split.read_text()) | {"flag": "every test target was seen in training"}
    music_split.write_text(json.dumps(split))
    assert score(music)["split"]["flag"] == "every test target was seen in training"
    code, answer, _ = harness("rank", "--results", "out")
    assert code == 0
    assert "split small-music (every test target was seen in training), part test" in answer
    assert "Without any brain: the training part's mean: cosine 0." in answer


def test_songs_that_are_not_there_are_named_in_the_record(score, real_copy, harness, music_split):
    (real_copy / "song22_Imputed.mat").unlink()
    asks = ("--data", str(real_copy), "--split", str(music_split))
    code, _, error = harness("score", "submissions/level", *asks)
    assert code == 1
    assert error == (
        f"error: {real_copy}/song22_Imputed.mat: no such file, expected the EEG of song 22.\n"
        "  --partial goes on with those that are there; the record names the others.\n"
    )
    flags = score(real_copy, "--partial")["flags"]
    assert (flags["partial"], flags["subjects_missing"], flags["stimuli_missing"]) == (True, [], ["song22"])
    _, answer, _ = harness("rank", "--results", "out")
    assert "Not ranked, scored without song22: level 0." in answer


def test_mel_of_speech_is_refused_by_the_names_of_the_four_targets(score, harness, music, music_split):
    asks = ("--data", str(music), "--split", str(music_split), "--feature", "mel")
    code, _, error = harness("score", "submissions/level", *asks)
    assert code == 2
    assert "music-mel-db, music-mel, music-mel-db-max, music-eeg2mel" in error


def test_audio_from_elsewhere_is_no_longer_the_recipes_data(score, music, tmp_path):
    own = score(music)["corpus"]["fingerprint"]
    audio = shutil.copytree(music / "audio", tmp_path / "audio")
    other = score(music, "--audio", str(audio), "--replace")["corpus"]["fingerprint"]
    assert own != other


def test_options_of_audio_are_understood(harness, music, tmp_path):
    code, _, error = harness("data", "describe", str(music), "--offset", "21=0.5")
    assert (code, error.split(",")[0]) == (2, "error: --offset: without --audio")
    for text, words in (
        ("21", "expected SONG=SECONDS"),
        ("x=1", "expected SONG=SECONDS"),
        ("21=nan", "SONG=SECONDS"),
    ):
        code, _, error = harness("data", "describe", str(music), "--audio", str(tmp_path), "--offset", text)
        assert code == 2
        assert words in error
    code, answer, _ = harness("data", "describe", str(music), "--audio", str(music / "audio"))
    assert code == 0
    assert "18 recordings of 3 stimuli" in answer


@pytest.mark.slow
def test_trainings_side_by_side_and_the_next_command_hear_the_same_audio(
    harness, make_submission, music, music_split, tmp_path
):
    audio = shutil.copytree(music / "audio", tmp_path / "my songs")
    folder = make_submission("mean", features=["music-mel-db"], trainer="train:train")
    (folder / "train.py").write_text(
        "import numpy as np\n\ndef train(data, setup, progress):\n"
        "    recording, start, stop = next(iter(data.stretches()))\n"
        "    mean = recording.feature(data.feature, start, start + 125)\n"
        "    return {'mean': mean + setup.seed, 'start': np.array(start)}, {}\n"
    )
    said = ("--audio", str(audio), "--offset", "21=0.25")
    where = ("--data", str(music), "--split", str(music_split))
    code, out, error = harness("train", str(folder), *where, *said, "--seeds", "2", "--jobs", "2")
    assert code == 0, error
    assert sorted(line[:7] for line in out.splitlines() if line.startswith("seed")) == ["seed 0:", "seed 1:"]
    command = (
        f"next: harness score {folder} --data {music} --split {music_split} --audio '{audio}'"
        " --offset 21=0.25 --part val --feature music-mel-db\n"
    )
    assert error.endswith(command)
    corpus = open_corpus(music, audio=AudioChoice(audio, {21: 0.25}))
    for seed in (0, 1):
        name = f"simulated-nmed-t-small-music-music-mel-db-seed-{seed}.safetensors"
        made = load_file(folder / "weights" / name)
        frame = int(made["start"]) // 125 * 44
        heard = corpus.recordings[0].feature_series["music-mel-db"].read(frame, frame + 44)
        np.testing.assert_array_equal(made["mean"], heard + seed)


def test_audio_is_refused_for_speech(harness, official_split, tmp_path):
    code, _, error = harness("data", "describe", str(official_split), "--audio", str(tmp_path))
    assert code == 1
    assert error.startswith(f"error: --audio {tmp_path}: the layout preprocessed, expected a corpus of music")
