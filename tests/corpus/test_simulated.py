"""The simulated corpus: its layout, its bytes, and what happens when making it goes wrong."""

from __future__ import annotations

import collections
import dataclasses
import hashlib
import json
import shutil
import threading
from collections import namedtuple
from pathlib import Path

import numpy as np
import pytest

from harness.corpus.simulated.eeg import record
from harness.corpus.simulated.head import listener
from harness.corpus.simulated.make import default_folder, is_complete, simulate, verify
from harness.corpus.simulated.recipe import (
    Recipe,
    expected_bytes,
    planned_recordings,
    recipe_of_hours,
    secret_seed,
    training_hours,
)
from harness.corpus.simulated.speech import SPEAKERS, speech
from harness.errors import CorpusError
from harness.features.audio import load_audio
from harness.features.envelope import envelope
from harness.features.spectrograms import mel

SECONDS = 8.0
TINY = Recipe(
    subjects=("sub-001", "sub-027", "sub-086"),
    recording_seconds=SECONDS,
    n_train_stimuli=2,
    n_val_stimuli=1,
    n_test_stimuli=2,
)
STIMULI = Path("derivatives/preprocessed_stimuli")
EEG = Path("derivatives/preprocessed_eeg")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A tiny corpus made in this process, and the progress that was told."""
    folder = tmp_path_factory.mktemp("made") / "corpus"
    told = []
    simulate(folder, TINY, jobs=1, on_progress=lambda done, total: told.append((done, total)))
    return folder, told


@pytest.fixture
def corpus(made, tmp_path):
    """A copy of the tiny corpus that a test may break."""
    return Path(shutil.copytree(made[0], tmp_path / "corpus"))


def contents(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def heard_by(recipe: Recipe, first: int, last: int) -> set[str]:
    return {
        planned.stimulus
        for planned in planned_recordings(recipe)
        if first <= int(planned.subject[4:]) <= last
    }


def test_layout_is_that_of_sparrkulee(made):
    name = "{0}/ses-simulated01/{0}_ses-simulated01_task-listeningActive_run-{1}"
    name += "_desc-preproc-audio-{2}_eeg.npy"
    runs = [
        ("sub-001", "01", "simulated_02"),
        ("sub-001", "02", "simulated_01"),
        ("sub-027", "01", "simulated_02"),
        ("sub-027", "02", "simulated_03"),
        ("sub-086", "01", "simulated_04"),
        ("sub-086", "02", "simulated_05"),
    ]
    names = [f"simulated_{number:02d}" for number in range(1, 6)]
    expected = {str(EEG / name.format(*run)) for run in runs}
    expected |= {str(STIMULI / f"{n}_-_{f}.npy") for n in names for f in ("mel", "envelope")}
    expected |= {f"stimuli/eeg/{n}.npz" for n in names} | {"simulated.json"}
    assert set(contents(made[0])) == expected


def test_arrays_have_the_shapes_types_and_units_of_the_layout(made):
    for path in made[0].glob(str(EEG / "*" / "*" / "*.npy")):
        eeg = np.load(path)
        assert eeg.shape == (64, SECONDS * 64)
        assert eeg.dtype == np.float16
        assert np.isfinite(eeg).all()
        assert 5 < eeg.astype(np.float64).std() < 50  # microvolts
    for path in made[0].glob(str(STIMULI / "*.npy")):
        feature = np.load(path)
        # A mel's last window ends with the audio, so the mel is two frames shorter.
        shape = (SECONDS * 64 - 2, 10) if "_-_mel" in path.name else (SECONDS * 64, 1)
        assert feature.shape == shape
        assert feature.dtype == np.float32


def test_features_are_those_of_the_audio_beside_them(made):
    for path in made[0].glob("stimuli/eeg/*.npz"):
        audio, rate_hz = load_audio(path)
        assert rate_hz == 16000
        assert 0.05 < audio.std() < 0.07
        stored = made[0] / STIMULI / f"{path.stem}_-_mel.npy"
        np.testing.assert_array_equal(np.load(stored), mel(audio, rate_hz))
        stored = made[0] / STIMULI / f"{path.stem}_-_envelope.npy"
        np.testing.assert_array_equal(np.load(stored), envelope(audio, rate_hz))


def test_marker_says_simulated_and_lists_every_file(made):
    marker = json.loads((made[0] / "simulated.json").read_text())
    files = {path: data for path, data in contents(made[0]).items() if path != "simulated.json"}
    assert marker == {
        "simulated": True,
        "generator_version": 1,
        "seed": 1,
        "recipe": {
            "seed": 1,
            "subjects": ["sub-001", "sub-027", "sub-086"],
            "recordings_per_subject": 2,
            "recording_seconds": 8.0,
            "n_train_stimuli": 2,
            "n_val_stimuli": 1,
            "n_test_stimuli": 2,
        },
        "sizes": {path: len(data) for path, data in files.items()},
        "files": {path: hashlib.sha256(data).hexdigest() for path, data in files.items()},
    }


def test_progress_counts_every_stimulus_and_recording(made):
    assert made[1] == [(done, 11) for done in range(1, 12)]


@pytest.mark.slow
def test_two_processes_make_the_same_bytes_as_one(made, tmp_path):
    simulate(tmp_path / "again", TINY, jobs=2)
    assert contents(tmp_path / "again") == contents(made[0])


def test_another_seed_makes_other_audio_and_eeg(made, tmp_path):
    other = Recipe(**{**vars(TINY), "seed": 2})
    simulate(tmp_path / "other", other, jobs=1)
    ours, theirs = contents(made[0]), contents(tmp_path / "other")
    assert ours.keys() == theirs.keys()
    assert all(ours[path] != theirs[path] for path in ours)


def test_subjects_and_runs_do_not_share_noise():
    heard = np.random.default_rng(0).random((638, 10))
    subject, other = (listener(np.random.default_rng(seed)) for seed in (1, 2))
    first = record(subject, heard, 640, np.random.default_rng(3)).astype(np.float64)
    second = record(subject, heard, 640, np.random.default_rng(4)).astype(np.float64)
    third = record(other, heard, 640, np.random.default_rng(5)).astype(np.float64)
    for one, two in ((first, second), (first, third)):
        across = [np.corrcoef(a, b)[0, 1] for a, b in zip(one, two, strict=True)]
        assert abs(np.mean(across)) < 0.3


def test_eeg_holds_nothing_outside_the_pass_band():
    heard = np.random.default_rng(0).random((1280, 10))
    eeg = record(listener(np.random.default_rng(1)), heard, 1280, np.random.default_rng(2))
    power = np.mean(np.abs(np.fft.rfft(eeg.astype(np.float64))) ** 2, axis=0)
    frequency = np.fft.rfftfreq(1280, 1 / 64)
    within = power[(frequency >= 0.5) & (frequency <= 30)].mean()
    assert power[frequency < 0.3].max() < 1e-3 * within
    assert power[frequency > 31.5].max() < 1e-3 * within


def test_the_response_to_a_sound_follows_it_and_never_leads(monkeypatch):
    for part in ("ALPHA", "BETA", "PINK", "OCCIPITAL", "BLINK", "SENSOR"):
        monkeypatch.setattr(f"harness.corpus.simulated.eeg.{part}_MICROVOLT", 0.0)
    click = np.ones((640, 10))
    click[320:323] = 50
    subject, rng = listener(np.random.default_rng(1)), np.random.default_rng(2)
    answer = np.abs(record(subject, click, 640, rng).astype(np.float64)).mean(axis=0)
    assert 0.05 < (answer.argmax() - 320) / 64 < 0.25
    assert answer[:320].max() < 0.1 * answer.max()


@pytest.mark.parametrize("speaker", SPEAKERS)
def test_speech_has_pauses_and_a_syllable_rhythm(speaker):
    audio = speech(30, speaker, np.random.default_rng(3))
    loud = envelope(audio / 32768, 16000)[:, 0].astype(np.float64)
    assert 0.05 < np.mean(loud < 0.2 * loud.mean()) < 0.5
    power = np.abs(np.fft.rfft(loud - loud.mean())) ** 2
    frequency = np.fft.rfftfreq(loud.size, 1 / 64)
    share = {hz: power[(frequency >= hz) & (frequency < hz + 3)].sum() for hz in (3, 6, 12, 20)}
    assert share[3] > 2 * share[6] > 2 * share[12] > 2 * share[20]


def test_default_recipe_is_the_held_out_subjects_split_under_300_mb():
    recipe = Recipe()
    assert len(recipe.subjects) == 104
    assert len(planned_recordings(recipe)) == 208
    assert expected_bytes(recipe) < 300e6


def test_expected_bytes_counts_every_array(made):
    n_files = len(contents(made[0])) - 1
    size = sum(len(data) for path, data in contents(made[0]).items() if path != "simulated.json")
    # An npy header has 128 bytes; an npz has two of them, and its own directory.
    assert 128 * n_files <= size - expected_bytes(TINY) <= 1024 * n_files


def test_test_subjects_hear_stimuli_of_their_own():
    recipe = Recipe()
    train = heard_by(recipe, 1, 26) | heard_by(recipe, 43, 85)
    val, test = heard_by(recipe, 27, 42), heard_by(recipe, 86, 104)
    assert len(train) == 10
    assert len(test) == 4
    assert not test & (train | val)
    assert len(val - train) == 3


def test_validation_subjects_hear_one_known_and_one_new_stimulus():
    recipe = Recipe()
    train = heard_by(recipe, 1, 26)
    heard = [heard_by(recipe, number, number) for number in range(27, 43)]
    assert [len(two & train) for two in heard] == [1] * 16
    assert [len(two) for two in heard] == [2] * 16


def test_nobody_hears_a_stimulus_twice_even_in_the_smallest_recipe():
    heard = [heard_by(TINY, number, number) for number in (1, 27, 86)]
    assert [len(two) for two in heard] == [2, 2, 2]


def test_a_recipe_that_does_not_fit_together_names_every_fault():
    with pytest.raises(CorpusError) as raised:
        Recipe(seed=-1, subjects=("sub-001", "sub-200", "sub-001"), recording_seconds=1,
               recordings_per_subject=3, n_train_stimuli=2, n_val_stimuli=1, n_test_stimuli=0)  # fmt: skip
    enough = "or a subject would hear one twice"
    assert str(raised.value).splitlines() == [
        "subjects: 'sub-200', expected some of sub-001 to sub-104.",
        "subjects: one is named twice, expected every subject once.",
        "seed: -1, expected 0 or more.",
        "recording_seconds: 1, expected at least 5 seconds.",
        f"n_train_stimuli: 2, expected at least 3, {enough}.",
        f"n_val_stimuli: 1, expected at least 2, {enough}.",
        f"n_test_stimuli: 0, expected at least 3, {enough}.",
    ]


def test_a_complete_corpus_is_left_alone(corpus, monkeypatch):
    monkeypatch.setattr("harness.corpus.simulated.make._write_all", None)  # calling it would fail
    before = contents(corpus)
    simulate(corpus, TINY)
    assert contents(corpus) == before


@pytest.mark.parametrize("breakage", ["removed", "shortened", "no marker", "broken marker"])
def test_is_complete_sees_what_is_missing(corpus, breakage):
    assert is_complete(corpus)
    victim = corpus / STIMULI / "simulated_01_-_mel.npy"
    marker = corpus / "simulated.json"
    if breakage == "removed":
        victim.unlink()
    elif breakage == "shortened":
        victim.write_bytes(victim.read_bytes()[:-1])
    elif breakage == "no marker":
        marker.unlink()
    else:
        marker.write_text('{"simulated": true}')
    assert not is_complete(corpus)


def test_verify_finds_nothing_in_an_untouched_corpus(corpus):
    assert verify(corpus) == []


def test_verify_finds_one_changed_byte_a_missing_file_and_a_stranger(corpus):
    changed, gone = (str(STIMULI / f"simulated_0{n}_-_mel.npy") for n in (1, 2))
    data = bytearray((corpus / changed).read_bytes())
    data[-1] ^= 1
    hashes = json.loads((corpus / "simulated.json").read_text())["files"]
    (corpus / changed).write_bytes(data)
    (corpus / gone).unlink()
    remedy = "Delete the folder and make the corpus again."
    arrived = hashlib.sha256(data).hexdigest()
    assert [str(fault) for fault in verify(corpus)] == [
        f"{corpus / changed}: sha256 {arrived}, expected {hashes[changed]}.\n  {remedy}",
        f"{corpus / gone}: no such file, expected sha256 {hashes[gone]}.\n  {remedy}",
    ]
    assert [str(fault) for fault in verify(corpus, ["other.npy"])] == [
        f"{corpus / 'other.npy'}: not listed in simulated.json."
    ]


def test_verify_needs_a_marker(tmp_path):
    with pytest.raises(CorpusError) as raised:
        verify(tmp_path)
    assert str(raised.value) == (
        f"{tmp_path / 'simulated.json'}: missing or unreadable, expected the simulated corpus's marker."
    )


def test_a_folder_with_other_content_is_refused_and_kept(tmp_path):
    (tmp_path / "thesis.txt").write_text("precious")
    with pytest.raises(CorpusError) as raised:
        simulate(tmp_path, TINY)
    assert str(raised.value) == (
        f"{tmp_path}: holds something else, expected no folder, an empty one, or this corpus.\n"
        "  Choose another folder; nothing was touched."
    )
    assert contents(tmp_path) == {"thesis.txt": b"precious"}


def test_a_corpus_of_another_recipe_is_refused_and_kept(corpus):
    before = contents(corpus)
    with pytest.raises(CorpusError, match="holds a simulated corpus of another recipe"):
        simulate(corpus, Recipe())
    assert contents(corpus) == before


def test_a_corpus_that_lacks_files_is_refused_and_kept(corpus):
    (corpus / STIMULI / "simulated_01_-_mel.npy").unlink()
    before = contents(corpus)
    with pytest.raises(CorpusError, match="holds a simulated corpus that lacks files"):
        simulate(corpus, TINY)
    assert contents(corpus) == before


def test_a_foreign_partial_folder_is_refused_and_kept(tmp_path):
    partial = tmp_path / "corpus.partial"
    partial.mkdir()
    (partial / "thesis.txt").write_text("precious")
    with pytest.raises(CorpusError) as raised:
        simulate(tmp_path / "corpus", TINY)
    assert str(raised.value) == (
        f"{partial}: holds something else, expected no folder.\n  Move it out of the way."
    )
    assert contents(partial) == {"thesis.txt": b"precious"}


def test_a_stale_partial_folder_is_cleared(made, tmp_path):
    partial = tmp_path / "corpus.partial"
    (partial / EEG / "sub-099").mkdir(parents=True)
    (partial / EEG / "sub-099" / "half.npy").write_bytes(b"half")
    (partial / "simulation-in-progress").touch()
    simulate(tmp_path / "corpus", TINY, jobs=1)
    assert contents(tmp_path / "corpus") == contents(made[0])
    assert [path.name for path in tmp_path.iterdir()] == ["corpus"]


def test_an_interrupted_run_leaves_no_folder(tmp_path):
    def interrupt(done, total):
        if done == 6:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        simulate(tmp_path / "corpus", TINY, jobs=1, on_progress=interrupt)
    assert list(tmp_path.iterdir()) == []


def test_a_second_first_use_waits_for_the_one_under_way(tmp_path):
    steps = []
    second = threading.Thread(
        target=simulate,
        args=(tmp_path / "corpus", TINY),
        kwargs={"jobs": 1, "on_progress": lambda *step: steps.append(step)},
    )

    def start_another(done, total):
        if done == 1:
            second.start()

    simulate(tmp_path / "corpus", TINY, jobs=1, on_progress=start_another)
    second.join(60)
    assert not second.is_alive()
    assert steps == []  # it found the corpus made, and made nothing itself
    assert is_complete(tmp_path / "corpus")
    assert [path.name for path in tmp_path.iterdir()] == ["corpus"]


def test_a_full_disk_is_named_before_anything_is_written(tmp_path, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(10, 9, 1))
    with pytest.raises(CorpusError) as raised:
        simulate(tmp_path / "corpus", TINY)
    needed = round(expected_bytes(TINY) * 1.02)
    assert str(raised.value) == (
        f"{tmp_path / 'corpus.partial'}: 1 bytes free, "
        f"expected {needed} bytes for the simulated corpus.\n"
        "  Make room, or choose a folder on another disk."
    )
    assert list(tmp_path.iterdir()) == []


def test_default_folder_names_version_and_seed():
    assert default_folder().parts[-2:] == ("eeg-speech-harness", "simulated-v1-seed1")


@pytest.mark.slow
def test_a_secret_makes_a_corpus_that_nobody_else_can_make(tmp_path, harness, monkeypatch):
    import harness.corpus.simulated.recipe as recipes

    monkeypatch.setattr(recipes, "Recipe", lambda seed=1: Recipe(**{**TINY.__dict__, "seed": seed}))
    for name, content in (
        ("secret", b"0123456789abcdef"),
        ("another", b"0123456789abcdeF"),
        ("short", b"1234"),
    ):
        (tmp_path / name).write_bytes(content)
    code, text, error = harness("data", "simulate", "contest", "--secret", "secret")
    assert (code, text) == (0, "simulated corpus (no real EEG) in contest\n")
    assert error.endswith("Keep contest and secret to yourself: either tells the labels.\n")
    marker = json.loads((tmp_path / "contest" / "simulated.json").read_text())
    assert marker["labels"] == "held back"
    assert marker["recipe"]["seed"] == marker["seed"]
    assert int(marker["seed"], 16).bit_length() > 200
    assert is_complete(tmp_path / "contest")
    assert harness("data", "simulate", "contest", "--secret", "secret")[0] == 0  # left as it is
    assert harness("data", "simulate", "contest", "--secret", "another")[0] == 1
    harness("data", "simulate", "again", "--secret", "secret")
    harness("data", "simulate", "others", "--secret", "another")
    made = {name: contents(tmp_path / name) for name in ("contest", "again", "others")}
    assert made["contest"] == made["again"]
    eeg = [path for path in made["contest"] if path.endswith("_eeg.npy")]
    assert eeg
    assert all(made["contest"][path] != made["others"][path] for path in eeg)
    code, _, error = harness("data", "simulate", "no", "--secret", "short")
    assert code == 1
    assert "secret: 4 bytes, expected 16 or more.\n  Make one: head -c 32 /dev/urandom > secret" in error
    assert harness("data", "simulate", "no", "--secret", "missing")[0] == 2
    code, _, error = harness("data", "simulate", "no", "--secret", "secret", "--seed", "2")
    assert code == 2
    assert "--seed or --secret: either gives the seed." in error
    assert not (tmp_path / "no").exists()


@pytest.mark.slow
def test_records_of_a_secret_simulation_say_that_labels_are_held_back(tmp_path, make_submission):
    from harness.evaluation.evaluate import evaluate
    from harness.execution import Run
    from harness.submission.manifest import load_submission
    from harness.tasks.task import open_task

    split = {
        "name": "split",
        "title": "for tests",
        "corpora": ["simulated"],
        "features": ["mel"],
        "sample_rate_hz": 64,
        "segment_seconds": 2,
        "cut": "whole-recordings",
        "parts": {"test": {"subjects": ["sub-086"]}},
    }
    (tmp_path / "split.json").write_text(json.dumps(split))
    package = load_submission(make_submission())
    labels = {}
    for secret in (False, True):
        recipe = Recipe(**{**TINY.__dict__, "seed": secret_seed(b"0123456789abcdef") if secret else 1})
        simulate(tmp_path / f"{secret}", recipe, jobs=1, secret=secret)
        task = open_task(tmp_path / f"{secret}", split_name=tmp_path / "split.json", feature="mel")
        labels[secret] = evaluate(package, task, Run(surrogates=0)).corpus.is_held_back
    assert labels == {False: False, True: True}


def test_more_hours_add_training_recordings_and_change_no_byte_of_the_others(made, tmp_path):
    simulate(tmp_path / "more", dataclasses.replace(TINY, training_recordings=5), jobs=1)
    before, after = contents(made[0]), contents(tmp_path / "more")
    marker = before.pop("simulated.json"), after.pop("simulated.json")
    assert json.loads(marker[1])["recipe"] == {**json.loads(marker[0])["recipe"], "training_recordings": 5}
    assert before.items() <= after.items()
    added = sorted(path for path in after.keys() - before.keys() if path.startswith(str(EEG)))
    assert [path.split("_run-")[1] for path in added] == [
        "03_desc-preproc-audio-simulated_07_eeg.npy",
        "04_desc-preproc-audio-simulated_06_eeg.npy",
        "05_desc-preproc-audio-simulated_09_eeg.npy",
    ]
    assert all("sub-001" in path for path in added)


@pytest.mark.parametrize(
    ("hours", "recordings", "made_of"), [(2.34, 1, 2.338), (4.68, 2, 4.677), (9.4, 4, 9.353), (19, 8, 18.707)]
)
def test_hours_are_whole_recordings_of_every_training_subject(hours, recordings, made_of):
    recipe = recipe_of_hours(hours)
    assert training_hours(recipe) == pytest.approx(made_of, abs=0.001)
    planned = planned_recordings(recipe)
    default = set(planned_recordings(Recipe()))
    held_out = {f"sub-{number:03d}" for number in (*range(27, 43), *range(86, 105))}
    assert {one for one in planned if one.subject in held_out} == {
        one for one in default if one.subject in held_out
    }
    assert {one for one in planned if one.run <= 2} == {
        one for one in default if one.run <= max(recordings, 1)
    } | {one for one in default if one.subject in held_out}
    by_subject = collections.Counter(one.subject for one in planned if one.subject not in held_out)
    assert by_subject == dict.fromkeys((s for s in recipe.subjects if s not in held_out), recordings)
    assert len({(one.subject, one.stimulus) for one in planned}) == len(planned)
    training = {one.stimulus for one in planned if one.subject not in held_out}
    assert training.isdisjoint(one.stimulus for one in planned if one.subject in held_out and one.run > 1)
    assert {one.stimulus for one in planned} == set(recipe.stimuli)


@pytest.mark.parametrize("hours", [0.5, 2.2, 1001.0, 1e12, float("inf"), float("nan")])
def test_less_than_a_recording_each_and_more_than_a_disk_are_refused(hours):
    with pytest.raises(CorpusError) as error:
        recipe_of_hours(hours)
    assert str(error.value) == (
        f"--hours: {hours:g}, expected 2.34, one recording of each training subject, to 1000.\n  For less, let a"
        " split file name fewer training subjects of the default corpus."
    )
