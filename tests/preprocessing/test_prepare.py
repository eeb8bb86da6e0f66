"""From raw recordings to a corpus, to a score: the whole way, a second call, and what is broken."""

from __future__ import annotations

import errno
import gzip
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import tomllib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from bids_tree import (
    AUDIO_RATE_HZ,
    CHANNELS,
    LEAD_SECONDS,
    bdf,
    brain,
    listened,
    pulses,
    speech,
    status_of,
    track_of,
    write_events,
    write_recording,
    write_stimulus,
)
from conftest import REPOSITORY

from harness.corpus import open_corpus
from harness.corpus.declaration import load_declaration
from harness.errors import CorpusError
from harness.files import file_sha256
from harness.preprocessing import prepare as preparing
from harness.preprocessing import read
from harness.preprocessing.output import opened_output
from harness.preprocessing.prepare import prepare
from harness.preprocessing.recipe import load_recipe
from harness.preprocessing.report import NAME, read_report, report_text

STORIES = {f"story_{number}": 24.4 + number for number in range(3)}
SPLIT = {
    "name": "two-listeners",
    "title": "for tests",
    "corpora": ["two-listeners"],
    "features": ["envelope", "mel"],
    "sample_rate_hz": 64,
    "segment_seconds": 2,
    "cut": "in-time",
    "time_fractions": {"train": 0.8, "val": 0.1, "test": 0.1},
    "parts": {part: {"subjects": "all"} for part in ("train", "val", "test")},
}


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """Two subjects who hear three stories each, at 256 Hz, with clocks 80 ppm apart."""
    root = tmp_path_factory.mktemp("tree")
    description = {"Name": "Two listeners", "License": "CC0", "Authors": ["A. Nyone"]}
    (root / "dataset_description.json").write_text(json.dumps(description))
    for number, (story, seconds) in enumerate(STORIES.items()):
        write_stimulus(root, story, speech(seconds, number), track_of(seconds))
        for subject in (1, 2):
            content = listened(seconds, number, 10 * subject + number, drift_ppm=80)
            rows = [(LEAD_SECONDS, seconds, f"eeg/{story}.npz.gz")]
            write_recording(root, f"sub-{subject:03d}", number + 1, content, rows)
    return root


@pytest.fixture(scope="module")
def made(tree, tmp_path_factory):
    """The corpus of the tree, made by one process."""
    out = tmp_path_factory.mktemp("made") / "corpus"
    prepare(tree, out, load_recipe("sparrkulee"), features=("mel", "mel-28", "envelope"))
    return out


@pytest.fixture
def small(tmp_path):
    """A tree that a test may break: one subject, one story of 12.4 s; gives its folder and the recording."""
    root = tmp_path / "small"
    write_stimulus(root, "tale", speech(12.4, 5), track_of(12.4))
    path = recording_of(root)
    return root, path


def recording_of(root, run=1, **listening):
    return write_recording(
        root,
        "sub-001",
        run,
        listened(12.4, 5, 50, **listening),
        [(LEAD_SECONDS, 12.4, "eeg/tale.npz.gz")],
    )


def contents(folder):
    """Relative path -> sha256 of every file but the notes of what is finished, which hold times of change."""
    return {
        str(path.relative_to(folder)): file_sha256(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file() and ".prepare" not in path.parts
    }


def failed(root, out, recipe="sparrkulee", **options):
    """Why the one thing that failed did."""
    report = prepare(root, out, load_recipe(recipe), **options)
    entries = [entry for entry in report.recordings if entry.outcome == "failed"]
    assert len(entries) == 1
    assert not list(out.rglob("*_eeg.npy"))
    return "\n".join(entries[0].reasons)


@pytest.mark.slow
def test_raw_recordings_become_a_corpus_on_which_the_linear_baseline_trains_and_scores(
    made, tmp_path, harness
):
    package = tmp_path / "linear"
    shutil.copytree(REPOSITORY / "baselines" / "linear", package)
    split = tmp_path / "two-listeners.json"
    split.write_text(json.dumps(SPLIT))
    asked = ["--data", made, "--split", split, "--feature", "envelope"]
    code, out, err = harness("data", "describe", made, "--quality", "--json")
    assert code == 0, err
    quality = json.loads(out)["quality"]
    assert len(quality["recordings"]) == 6
    for subject in ("sub-001", "sub-002"):  # the EEG fits its feature, at the lag that it was made with
        assert quality["subjects"][subject]["r"] > 0.2
    assert not [remark for remark in quality["remarks"] if "early" in remark or "late" in remark]
    code, out, err = harness("train", package, *asked, "--device", "cpu")
    assert code == 0, err
    code, out, err = harness("score", package, *asked, "--json")
    assert code == 0, err
    record = json.loads(out)
    assert record["score"] > 0.5
    assert record["score"] > 0.2 + record["chance"]["mismatched_segments"]["high"]
    assert list(record["subjects"]) == ["sub-001", "sub-002"]


@pytest.mark.slow
def test_eeg_follows_the_stimulus_at_the_same_lag_from_its_beginning_to_its_end(made):
    gains = np.random.default_rng(1).standard_normal(64)
    recording = open_corpus(made).recordings[-1]
    assert recording.stimulus == "story_2"
    heard = recording.feature("envelope", 0, 26 * 64)[:, 0]
    projected = recording.eeg(0, 26 * 64) @ (gains - gains.mean())
    for start in (0, 16 * 64):
        lags = range(0, 20)
        r = [
            np.corrcoef(heard[start : start + 9 * 64], projected[start + lag :][: 9 * 64])[0, 1]
            for lag in lags
        ]
        assert max(r) > 0.8
        assert abs(int(np.argmax(r)) - 6) <= 1  # the brain's 100 ms


def test_the_report_says_what_became_of_every_recording(made):
    report = read_report(made / f"{NAME}.json")
    assert [entry.outcome for entry in report.recordings] == ["prepared"] * 6
    first = report.recordings[0]
    assert first.recording == "sub-001_ses-01_task-listening_run-01"
    assert (first.rate_hz, first.channels, first.bad_channels) == (256, CHANNELS, {})
    heard = first.stimuli[0]
    assert heard.file == (
        "sub-001/ses-01/sub-001_ses-01_task-listening_run-01_desc-preproc-audio-story_0_eeg.npy"
    )
    assert (heard.triggers_found, heard.triggers_expected) == (26, 26)
    assert heard.drift_ppm == pytest.approx(80, abs=160)  # a sample in 24 s is 160 ppm
    assert heard.seconds == 27  # the story, two seconds, up to a whole one; its last sample is rounded up
    assert report.stimuli[0].frames == {"mel": 1560, "mel-28": 1560, "envelope": 1562}
    text = (made / f"{NAME}.txt").read_text()
    assert text == report_text(report)
    sha256 = load_recipe("sparrkulee").sha256[:12]
    assert text.splitlines()[:5] == [
        f"6 of 6 recordings and 3 of 3 stimuli prepared by the recipe sparrkulee ({sha256})",
        "",
        "recording                             stimulus    s     triggers    drift ppm    peaks    artefact    bad channels",
        "------------------------------------  ----------  ----  ----------  -----------  -------  ----------  --------------",
        f"sub-001_ses-01_task-listening_run-01  story_0     27.0  26 of 26    {heard.drift_ppm:<11.1f}  0.00%    {first.artefact_share:.1%}",
    ]


def test_the_recipe_goes_with_the_corpus(made):
    assert (made / "recipe.toml").read_bytes() == load_recipe("sparrkulee").content


def test_the_corpus_says_what_it_is_and_how_it_was_made(made):
    declaration = load_declaration(made)
    assert (declaration.name, declaration.licence, declaration.citation) == (
        "two-listeners",
        "CC0",
        "A. Nyone",
    )
    assert (declaration.n_channels, declaration.channel_names) == (64, CHANNELS)
    assert {name: one.n_bands for name, one in declaration.features.items()} == {
        "mel": 10,
        "mel-28": 28,
        "envelope": 1,
    }
    recipe = load_recipe("sparrkulee")
    assert declaration.preprocessing == {
        "recipe": "sparrkulee",
        "sha256": recipe.sha256,
        "version": preparing.VERSION,
    }
    assert declaration.sha256 != replace(declaration, preprocessing=None).sha256
    corpus = open_corpus(made)
    assert (corpus.name, corpus.faults, len(corpus.recordings)) == ("two-listeners", (), 6)
    assert set(corpus.recordings[0].feature_series) == {"mel", "mel-28", "envelope"}


def test_sparrkulee_by_its_own_recipe_is_sparrkulee_and_by_another_is_not(small, tmp_path):
    root, _ = small
    (root / "dataset_description.json").write_text('{"Name": "SparrKULee"}')
    prepare(root, tmp_path / "corpus", load_recipe("sparrkulee"))
    assert not (tmp_path / "corpus/corpus.toml").exists()
    assert open_corpus(tmp_path / "corpus").name == "sparrkulee"
    prepare(root, tmp_path / "other", load_recipe("simple"))
    assert load_declaration(tmp_path / "other").name == "sparrkulee-simple"


def test_what_a_person_changed_in_corpus_toml_stays(small, tmp_path):
    root, _ = small
    out = tmp_path / "corpus"
    prepare(root, out, load_recipe("sparrkulee"))
    path = out / "corpus.toml"
    assert load_declaration(out).name == "small"
    assert load_declaration(out).licence == "not known: ask whoever recorded it"
    text = path.read_text().replace('"not known: ask whoever recorded it"', '"CC BY 4.0" # asked', 1)
    path.write_text(text)
    prepare(root, out, load_recipe("sparrkulee"), features=("mel-28", "envelope"))
    assert 'licence = "CC BY 4.0" # asked' in path.read_text()
    assert set(load_declaration(out).features) == {"mel", "mel-28", "envelope"}


@pytest.mark.slow
def test_several_processes_make_the_same_bytes_as_one(tree, made, tmp_path):
    out = tmp_path / "corpus"
    prepare(tree, out, load_recipe("sparrkulee"), features=("mel", "mel-28", "envelope"), jobs=2)
    assert contents(out) == contents(made)


def test_the_command_says_what_it_did_and_a_second_call_does_nothing(small, tmp_path, harness, monkeypatch):
    root, _ = small
    out = tmp_path / "corpus"
    answer = (
        "1 of 1 recording and 1 of 1 stimulus prepared by the recipe sparrkulee"
        f" ({load_recipe('sparrkulee').sha256[:12]})\n"
        f"corpus in {out}; every recording in {out / NAME}.txt\n"
    )
    assert harness("data", "prepare", root, out) == (0, answer, "")
    before = contents(out)
    assert [path.rpartition("/")[2] for path in before] == [
        "corpus.toml",
        "sub-001_ses-01_task-listening_run-01_desc-preproc-audio-tale_eeg.npy",
        "tale_-_envelope.npy",
        "tale_-_mel.npy",
        "prepare-report.json",
        "prepare-report.txt",
        "recipe.toml",
    ]

    def never(*_, **__):
        raise AssertionError("made again")

    monkeypatch.setattr(preparing, "process", never)
    monkeypatch.setattr(preparing, "make_features", never)
    assert harness("data", "prepare", root, out) == (0, answer, "")
    assert contents(out) == before


def test_a_changed_or_removed_file_is_made_again(small, tmp_path):
    root, _ = small
    out = tmp_path / "corpus"
    recipe = load_recipe("sparrkulee")
    prepare(root, out, recipe)
    before = contents(out)
    eeg = next(out.rglob("*_eeg.npy"))
    eeg.unlink()
    prepare(root, out, recipe)
    assert contents(out) == before
    recording_of(root, drift_ppm=300)
    prepare(root, out, recipe)
    changed = {name for name, sha256 in contents(out).items() if before[name] != sha256}
    assert changed == {str(eeg.relative_to(out)), "prepare-report.json", "prepare-report.txt"}


def test_a_recording_that_is_broken_by_now_does_not_leave_its_old_eeg_in_the_corpus(small, tmp_path):
    root, path = small
    prepare(root, tmp_path / "corpus", load_recipe("sparrkulee"))
    path.write_bytes(path.read_bytes()[:-1000])
    assert "Compressed file ended" in failed(root, tmp_path / "corpus")


def test_another_mel_is_added_without_touching_the_eeg(small, tmp_path, monkeypatch):
    root, _ = small
    out = tmp_path / "corpus"
    recipe = load_recipe("sparrkulee")
    prepare(root, out, recipe)
    monkeypatch.setattr(preparing, "process", None)
    report = prepare(root, out, recipe, features=("mel-28", "envelope"))
    assert report.stimuli[0].frames == {"mel-28": 792, "envelope": 794}
    assert np.load(out / "derivatives/preprocessed_stimuli/tale_-_mel-28.npy").shape == (792, 28)
    assert report.count("prepared") == 1


def test_one_recording_that_fails_is_named_and_does_not_stop_the_others(small, tmp_path, harness):
    root, _ = small
    broken = recording_of(root, run=2)
    broken.write_bytes(gzip.compress(b"no recording"))
    out = tmp_path / "corpus"
    code, answer, err = harness("data", "prepare", root, out)
    assert code == 1
    assert answer.startswith("1 of 2 recordings and 1 of 1 stimulus prepared by the recipe sparrkulee (")
    assert answer.splitlines()[0].endswith("), 1 failed")
    assert err.startswith(
        "error: sub-001_ses-01_task-listening_run-02: sub-001_ses-01_task-listening_run-02_eeg.bdf.gz:"
        " cannot be read ("
    )
    assert len(list(out.rglob("*_eeg.npy"))) == 1
    recording_of(root, run=2)
    assert harness("data", "prepare", root, out)[0] == 0


def test_a_folder_none_of_whose_events_name_a_stimulus_is_an_error(small, tmp_path, harness):
    root, path = small
    events = path.with_name(path.name.replace("_eeg.bdf.gz", "_events.tsv"))
    events.write_text("onset\ttrial_type\n3\tspeech\n")
    (path.parent / "sub-002_task-x_eeg.bdf").write_bytes(b"")
    code, _, said = harness("data", "prepare", root, tmp_path / "corpus")
    assert code == 1
    assert (
        "error: no recording has a stimulus: events.tsv has no column stim_file, but onset, trial_type."
        in said
    )
    assert "it names sub-002 and lies in the folder of sub-001" in said


def test_texts_of_the_data_set_that_corpus_toml_could_not_have_are_made_fit(small, tmp_path):
    root, _ = small
    description = {"Name": "=Two\nlines \u202e", "License": ["CC0"], "Authors": ["x" * 600]}
    (root / "dataset_description.json").write_text(json.dumps(description))
    prepare(root, tmp_path / "corpus", load_recipe("sparrkulee"))
    declaration = open_corpus(tmp_path / "corpus").declaration
    assert (declaration.title, declaration.name) == ("Two lines", "two-lines")
    assert tomllib.loads((tmp_path / "corpus/corpus.toml").read_text())["citation"].endswith("xxx...")


def test_a_recording_without_a_stimulus_is_skipped_and_no_failure(small, tmp_path):
    root, _ = small
    silent = bdf(brain(speech(5, 5), 1), None)
    write_recording(root, "sub-001", 9, silent, [(0, 5, "n/a")], task="restingState")
    report = prepare(root, tmp_path / "corpus", load_recipe("sparrkulee"))
    assert (report.count("prepared"), report.count("skipped"), report.failed) == (1, 1, [])
    assert report.recordings[1].reasons == ("events.tsv names no stimulus.",)


@pytest.mark.parametrize(("skip", "which"), [((0,), "first"), ((-1,), "last")])
def test_one_trigger_missing_at_either_end_gives_the_same_eeg(small, tmp_path, skip, which):
    root, _ = small
    recording_of(root, run=2, skip=skip)
    report = prepare(root, tmp_path / "corpus", load_recipe("sparrkulee"))
    whole, lacking = report.recordings
    assert whole.stimuli[0].remarks == ()
    assert lacking.stimuli[0].remarks == (f"triggers: the {which} one missing, added",)
    assert (lacking.stimuli[0].triggers_found, lacking.stimuli[0].triggers_expected) == (13, 14)
    first, second = (np.load(path) for path in sorted((tmp_path / "corpus").rglob("*_eeg.npy")))
    assert first.shape == second.shape
    assert np.linalg.norm(first - second) < 0.05 * np.linalg.norm(first)  # a place is a whole sample


def test_two_triggers_missing_or_too_many_are_a_failure(small, tmp_path):
    root, path = small
    recording_of(root, skip=(0, 1))
    assert failed(root, tmp_path / "corpus") == (
        "tale: triggers: 12 in the EEG, from 5.00 to 15.40 s, expected 14 as in the trigger track, over 12.40 s.\n"
        "  The recording was begun late or stopped early, or it is another stimulus' file."
    )
    eeg = brain(speech(12.4, 5), 50)
    times = [*(LEAD_SECONDS + pulses(12.4)), 17.0, 18.0]
    path.write_bytes(gzip.compress(bdf(eeg, status_of(eeg.shape[1], times))))
    assert failed(root, tmp_path / "corpus").startswith(
        "tale: triggers: 16 in the EEG, from 3.00 to 18.00 s,"
    )


def test_clocks_that_cannot_be_that_far_apart_are_a_failure(small, tmp_path):
    root, _ = small
    recording_of(root, drift_ppm=5000)
    assert failed(root, tmp_path / "corpus") == (
        "tale: triggers: clocks that differ by 4,914 ppm, expected at most 1,127.\n"
        "  A trigger is taken for another, or the track is another stimulus'."
    )


def test_no_status_channel_is_a_failure_that_names_the_other_recipe(small, tmp_path):
    root, path = small
    path.write_bytes(gzip.compress(bdf(brain(speech(12.4, 5), 50), None)))
    assert failed(root, tmp_path / "corpus") == (
        "sub-001_ses-01_task-listening_run-01_eeg.bdf.gz: no channel 'Status' among Fp1, AF7, AF3, F1, F3, F5, F7,"
        " FT7 and 56 more, expected the amplifier's trigger channel.\n"
        "  `--recipe simple` cuts by the onsets in events.tsv and needs none."
    )


def test_32_channels_for_a_recipe_of_64_are_a_failure_that_names_the_other_recipe(small, tmp_path):
    root, path = small
    eeg = brain(speech(12.4, 5), 50, n_channels=32)
    path.write_bytes(gzip.compress(bdf(eeg, status_of(eeg.shape[1], []), names=CHANNELS[:32])))
    assert failed(root, tmp_path / "corpus") == (
        "sub-001_ses-01_task-listening_run-01_eeg.bdf.gz: 32 EEG channels, without Fpz, Fp2, AF8, AF4, AFz and 27"
        " more, expected the 64 of the recipe sparrkulee.\n"
        "  `--recipe simple` takes whatever EEG channels there are, or write a recipe of your own."
    )


def test_channels_are_not_taken_by_position_where_the_file_names_some_of_them(small, tmp_path):
    root, path = small
    eeg = brain(speech(12.4, 5), 50)[::-1]
    status = status_of(eeg.shape[1], LEAD_SECONDS + pulses(12.4))
    names = [*CHANNELS[:0:-1], "FP_1"]
    path.write_bytes(gzip.compress(bdf(eeg, status, names=names)))
    assert "64 EEG channels, without Fp1, expected the 64 of the recipe" in failed(root, tmp_path / "corpus")
    path.write_bytes(gzip.compress(bdf(eeg, status, names=[f"e{number}" for number in range(64)])))
    (entry,) = prepare(root, tmp_path / "corpus", load_recipe("sparrkulee")).recordings
    assert entry.remarks == ("channels by position: the first 64, called e0, e1, e2 and 61 more",)


@pytest.mark.parametrize(
    ("scale", "said"),
    [
        (1e-4, "31 of 32 EEG channels flat"),
        (0.0, "32 of 32 EEG channels flat"),
        (1e3, "% of all samples beyond the limit of peaks"),
    ],
)
def test_eeg_that_cannot_be_microvolts_is_a_failure(tmp_path, scale, said):
    path = simple_tree(tmp_path / "bids")
    eeg = brain(speech(12.4, 5), 50, n_channels=32)
    eeg -= eeg.mean(axis=1, keepdims=True)
    eeg *= scale
    eeg[0] += 3 * np.sin(np.arange(eeg.shape[1]) / 9)
    if not scale:
        eeg[:] = 0
    path.write_bytes(bdf(eeg, None, names=[f"E{number}" for number in range(32)]))
    reason = failed(tmp_path / "bids", tmp_path / "corpus", "simple")
    assert said in reason
    assert reason.endswith("Is its unit what the file says, and did anybody wear the cap?")


def test_a_recording_shorter_than_is_said_of_it_is_a_failure(small, tmp_path):
    root, path = small
    said = path.with_name(path.name.replace("_eeg.bdf.gz", "_eeg.json"))
    said.write_text('{"RecordingDuration": 60}')
    reason = failed(root, tmp_path / "corpus")
    assert ": 19.0 s, expected 60.0 s, the RecordingDuration of its _eeg.json." in reason
    for other in ('{"RecordingDuration": 19.9}', '{"RecordingDuration": "n/a"}', "[1]", "{", ""):
        said.write_text(other)
        assert prepare(root, tmp_path / "corpus", load_recipe("sparrkulee")).failed == []


def test_audio_of_another_length_than_its_track_is_a_failure(small, tmp_path):
    root, _ = small
    write_stimulus(root, "tale", speech(9, 5), track_of(12.4))
    assert failed(root, tmp_path / "corpus") == (
        "tale: stimulus: audio of 9.00 s, and the trigger track of 12.40 s, expected one length.\n"
        "  The audio is another version, or was cut: copy the files that were played."
    )


def test_events_whose_stimulus_file_is_missing_are_a_failure_of_stimulus_and_recording(small, tmp_path):
    root, _ = small
    (root / "stimuli/eeg/tale.npz.gz").unlink()
    report = prepare(root, tmp_path / "corpus", load_recipe("sparrkulee"))
    assert [(entry.label, entry.reasons) for entry in report.failed] == [
        (
            "stimulus tale",
            (
                "no audio below stimuli/, and no mel or envelope in derivatives/preprocessed_stimuli or"
                " derivatives/stimuli.",
            ),
        ),
        ("sub-001_ses-01_task-listening_run-01", ("stimulus tale failed.",)),
    ]


def test_features_that_are_there_do_where_the_audio_is_not(small, made, tmp_path):
    root, _ = small
    prepare(root, tmp_path / "before", load_recipe("sparrkulee"))
    given = tmp_path / "before/derivatives/preprocessed_stimuli"
    shutil.copytree(given, root / "derivatives/stimuli")
    (root / "stimuli/eeg/tale.npz.gz").unlink()
    report = prepare(root, tmp_path / "corpus", load_recipe("sparrkulee"))
    assert report.failed == []
    assert report.stimuli[0].remarks == ("no audio: mel, envelope copied as they are",)
    for path in given.iterdir():
        copied = tmp_path / "corpus/derivatives/preprocessed_stimuli" / path.name
        assert copied.read_bytes() == path.read_bytes()


def test_no_trigger_track_is_a_failure(small, tmp_path):
    root, _ = small
    (root / "stimuli/eeg/t_tale.npz.gz").unlink()
    assert failed(root, tmp_path / "corpus").startswith("tale: trigger_file: no trigger track below stimuli/")


def test_flat_and_wild_channels_are_reported_and_left(small, tmp_path):
    root, path = small
    eeg = brain(speech(12.4, 5), 50)
    eeg[10] = 7
    eeg[20] = 1000 * (eeg[20] - eeg[20].mean())
    status = status_of(eeg.shape[1], LEAD_SECONDS + pulses(12.4))
    path.write_bytes(gzip.compress(bdf(eeg, status)))
    report = prepare(root, tmp_path / "corpus", load_recipe("sparrkulee"))
    bad = report.recordings[0].bad_channels
    assert list(bad) == [CHANNELS[10], CHANNELS[20]]
    assert bad[CHANNELS[10]].startswith("flat (")
    assert " uV beside a median of " in bad[CHANNELS[20]]
    assert "flat and left out of the Wiener filter: FC1" in report.recordings[0].remarks


def test_several_stimuli_in_one_recording_become_one_file_each(small, tmp_path):
    root, path = small
    write_stimulus(root, "song", speech(9.3, 6), track_of(9.3))
    eeg = np.concatenate([brain(speech(12.4, 5), 50), brain(speech(9.3, 6), 51)], axis=1)
    second = LEAD_SECONDS + 12.4 + 4 + LEAD_SECONDS
    times = [*(LEAD_SECONDS + pulses(12.4)), *(second + pulses(9.3))]
    path.write_bytes(gzip.compress(bdf(eeg, status_of(eeg.shape[1], times))))
    rows = [(LEAD_SECONDS, 12.4, "eeg/tale.npz.gz"), (second, 9.3, "eeg/song.npz.gz")]
    write_events(path.with_name("sub-001_ses-01_task-listening_run-01_events.tsv"), rows)
    report = prepare(root, tmp_path / "corpus", load_recipe("sparrkulee"))
    assert report.failed == []
    heard = report.recordings[0].stimuli
    assert [(one.stimulus, one.triggers_found, one.triggers_expected) for one in heard] == [
        ("tale", 14, 14),
        ("song", 11, 11),
    ]
    assert len(list((tmp_path / "corpus").rglob("*_eeg.npy"))) == 2


def simple_tree(root, n_channels=32, audio_suffix=".wav", onset=LEAD_SECONDS):
    """A data set without triggers: another cap, plain EDF-like BDF, audio as .wav."""
    folder = root / "stimuli"
    folder.mkdir(parents=True)
    soundfile.write(folder / f"tale{audio_suffix}", speech(12.4, 5), AUDIO_RATE_HZ, "FLOAT")
    eeg = brain(speech(12.4, 5), 50, n_channels=n_channels)
    content = bdf(eeg, None, names=[f"E{number}" for number in range(n_channels)])
    return write_recording(root, "sub-001", 1, content, [(onset, 12.4, f"tale{audio_suffix}")], suffix=".bdf")


def test_the_recipe_simple_cuts_by_events_and_takes_the_channels_that_there_are(tmp_path):
    simple_tree(tmp_path / "bids")
    out = tmp_path / "corpus"
    report = prepare(tmp_path / "bids", out, load_recipe("simple"))
    assert report.failed == []
    entry = report.recordings[0]
    assert entry.channels == tuple(f"E{number}" for number in range(32))
    assert (entry.stimuli[0].triggers_expected, entry.stimuli[0].drift_ppm) == (None, None)
    eeg = np.load(next(out.rglob("*_eeg.npy")))
    assert eeg.shape == (32, 794)  # 12.4 s
    np.testing.assert_allclose(eeg.mean(axis=0), 0, atol=1e-4)
    heard = np.load(out / "derivatives/preprocessed_stimuli/tale_-_envelope.npy")[:, 0]
    gains = np.random.default_rng(1).standard_normal(32)
    projected = eeg.T @ (gains - gains.mean())
    r = [np.corrcoef(heard[:700], projected[lag : lag + 700])[0, 1] for lag in range(20)]
    assert max(r) > 0.7
    assert abs(int(np.argmax(r)) - 6) <= 1


def test_a_recording_with_other_channels_than_the_first_is_a_failure(tmp_path):
    root = tmp_path / "bids"
    simple_tree(root)
    content = bdf(brain(speech(12.4, 5), 51, n_channels=31), None, names=[f"E{i}" for i in range(31)])
    write_recording(root, "sub-002", 1, content, [(LEAD_SECONDS, 12.4, "tale.wav")], suffix=".bdf")
    report = prepare(root, tmp_path / "corpus", load_recipe("simple"))
    assert [entry.reasons for entry in report.failed] == [
        (
            "sub-002_ses-01_task-listening_run-01_eeg.bdf: 31 EEG channels, without E31, expected the 32 of the"
            " first recording.\n  Name the channels that all recordings have under [channels] in a recipe of your"
            " own.",
        )
    ]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (
            ("n/a", 12.4, "tale.wav"),
            "events.tsv: tale: onset n/a, expected seconds, to cut by.",
        ),
        (
            (18.0, 12.4, "tale.wav"),
            "events.tsv: tale: 11.4 of 12.4 s after the recording ended, expected the stimulus in the recording.",
        ),
        (
            (3.0, 8, "tale.wav"),
            "events.tsv: tale: audio of 12.41 s, and the event of 8.00 s, expected one length.\n"
            "  The audio is another version, or was cut: copy the files that were played.",
        ),
    ],
)
def test_events_that_do_not_fit_are_a_failure(tmp_path, row, reason):
    path = simple_tree(tmp_path / "bids")
    write_events(path.with_name(path.name.replace("_eeg.bdf", "_events.tsv")), [row])
    assert failed(tmp_path / "bids", tmp_path / "corpus", "simple") == reason


def test_a_recording_that_ends_before_its_stimulus_gives_what_there_is_and_says_so(tmp_path):
    simple_tree(tmp_path / "bids", onset=9.0)
    report = prepare(tmp_path / "bids", tmp_path / "corpus", load_recipe("simple"))
    assert report.recordings[0].stimuli[0].remarks == ("the recording ended 2.40 s before the stimulus",)
    assert report.recordings[0].stimuli[0].seconds == 10


def test_two_files_of_one_name_are_not_taken_for_one_stimulus(small, tmp_path):
    root, _ = small
    (root / "stimuli/other").mkdir()
    soundfile.write(root / "stimuli/other/tale.wav", speech(12.4, 6), AUDIO_RATE_HZ)
    write_recording(root, "sub-002", 1, listened(12.4, 5, 51), [(3, 12.4, "other/tale.wav")])
    report = prepare(root, tmp_path / "corpus", load_recipe("sparrkulee"))
    assert [entry.reasons for entry in report.failed] == [
        ("stimuli/other/tale.wav: another file than stimuli/eeg/tale.npz.gz, of the same name. Rename one.",)
    ]


def test_texts_of_the_report_name_no_folder_of_the_machine(tree, tmp_path, monkeypatch):
    root = tmp_path / "bids"
    shutil.copytree(tree, root)
    eegs, tables = (sorted(root.rglob(f"*_{end}")) for end in ("eeg.bdf.gz", "events.tsv"))
    tables[0].write_bytes(b"\xff\xfe")
    eegs[1].with_name(eegs[1].name.replace("_eeg.bdf.gz", "_channels.tsv")).write_text("channel\n")
    eegs[4].write_bytes(gzip.compress(b"[Common Infos]\n"))
    eegs[4].rename(eegs[4].with_name(eegs[4].name.replace(".bdf.gz", ".vhdr.gz")))
    (root / "stimuli/eeg" / f"{list(STORIES)[-1]}.npz.gz").write_bytes(b"nothing")
    prepare(root, tmp_path / "corpus", load_recipe("sparrkulee"))
    text = (tmp_path / "corpus/prepare-report.txt").read_text()
    assert "sub-001/ses-01/eeg/sub-001_ses-01_task-listening_run-01_events.tsv: cannot be read" in text
    assert "(Could not parse SamplingInterval from sub-002_ses-01_task-listening_run-02_eeg.vhdr: " in text
    assert "stimulus story_2: stimuli/eeg/story_2.npz.gz: " in text
    monkeypatch.chdir(tmp_path)
    prepare(Path("bids"), Path("again"), load_recipe("sparrkulee"))
    for name in ("prepare-report.txt", "prepare-report.json"):
        assert str(tmp_path) not in (tmp_path / "corpus" / name).read_text()
        assert (tmp_path / "corpus" / name).read_bytes() == (tmp_path / "again" / name).read_bytes()


def test_a_folder_made_by_another_recipe_or_by_others_is_not_touched(small, tmp_path):
    root, _ = small
    out = tmp_path / "corpus"
    prepare(root, out, load_recipe("sparrkulee"))
    before = contents(out)
    simple, sparrkulee = (load_recipe(name).sha256[:12] for name in ("simple", "sparrkulee"))
    with pytest.raises(CorpusError) as raised:
        prepare(root, out, load_recipe("simple"))
    assert str(raised.value) == (
        f"{out}/recipe.toml: another recipe (sha256 {sparrkulee}), expected the recipe simple (sha256 {simple}).\n"
        "  Choose another folder: recordings of two recipes do not belong into one corpus."
    )
    assert contents(out) == before
    shutil.rmtree(out / ".prepare")
    with pytest.raises(CorpusError) as raised:
        prepare(root, out, load_recipe("sparrkulee"))
    assert str(raised.value) == (
        f"{out}/derivatives/preprocessed_eeg: EEG that this command did not make, expected no folder, an empty one,"
        " or one of an earlier call.\n  Choose another folder; nothing was touched."
    )


def test_a_folder_that_another_process_prepares_is_left_to_it(small, tmp_path):
    root, _ = small
    with (
        opened_output(tmp_path / "corpus", load_recipe("sparrkulee")),
        pytest.raises(CorpusError) as raised,
    ):
        prepare(root, tmp_path / "corpus", load_recipe("sparrkulee"))
    assert str(raised.value) == f"{tmp_path}/corpus: another process is preparing it, expected one at a time."


@pytest.mark.slow
def test_a_disk_that_fills_up_in_the_middle_stops_the_call_and_the_next_one_goes_on(
    tree, made, tmp_path, harness, monkeypatch
):
    out = tmp_path / "corpus"
    real, calls = os.fsync, []

    def full(handle):
        calls.append(handle)
        if len(calls) > 30:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(handle)

    monkeypatch.setattr(os, "fsync", full)
    code, answer, err = harness("data", "prepare", tree, out, "--mel", "mel", "--mel", "mel-28")
    assert (code, answer) == (1, "")
    assert err == (
        f"error: {out}: no space left on device, expected room for the corpus.\n"
        "  Make room and call again: what is finished is kept, and nothing half-written is left.\n"
    )
    monkeypatch.undo()
    partial, whole = contents(out), contents(made)
    assert 0 < len(partial) < len(whole)
    assert {name: whole[name] for name in partial} == partial
    prepare(tree, out, load_recipe("sparrkulee"), features=("mel", "mel-28", "envelope"))
    assert contents(out) == whole


def test_a_disk_too_full_to_unpack_is_no_fault_of_the_recordings(small, tmp_path, monkeypatch):
    root, _ = small

    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "scratch")

    monkeypatch.setattr(read, "_unpack", full)
    with pytest.raises(CorpusError, match="scratch: no space left on device, expected room for the corpus"):
        prepare(root, tmp_path / "corpus", load_recipe("sparrkulee"))
    assert not (tmp_path / "corpus/.prepare/scratch").exists()


@pytest.mark.slow
@pytest.mark.parametrize("jobs", [1, 2])
def test_an_interrupted_call_leaves_nothing_half_and_the_next_one_goes_on(tree, made, tmp_path, jobs):
    out = tmp_path / "corpus"
    command = [sys.executable, "-m", "harness", "data", "prepare", tree, out, "--jobs", str(jobs)]
    command += ["--mel", "mel", "--mel", "mel-28"]
    process = subprocess.Popen(
        list(map(str, command)),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    deadline = time.monotonic() + 60
    while not list(out.glob(".prepare/recordings/*.json")) and time.monotonic() < deadline:
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to every process
    answer, err = process.communicate(timeout=60)
    assert (process.returncode, answer) == (130, "")
    assert err.endswith("\ninterrupted: nothing half-written is left behind\n")
    assert "Traceback" not in err
    partial, whole = contents(out), contents(made)
    assert 0 < len(partial) < len(whole)
    assert {name: whole[name] for name in partial} == partial
    assert not (out / ".prepare" / "scratch").exists()
    prepare(tree, out, load_recipe("sparrkulee"), features=("mel", "mel-28", "envelope"), jobs=jobs)
    assert contents(out) == whole


@pytest.mark.slow
def test_processes_end_with_a_call_that_is_killed(tree, made, tmp_path):
    out = tmp_path / "corpus"
    command = [sys.executable, "-m", "harness", "data", "prepare", tree, out, "--jobs", "2"]
    process = subprocess.Popen(list(map(str, command)), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    deadline = time.monotonic() + 60
    while not list(out.glob(".prepare/recordings/*.json")) and time.monotonic() < deadline:
        time.sleep(0.01)
    process.kill()
    process.communicate(timeout=30)  # the others hold the pipes as long as they live
    left = out / ".corpus.toml.cut-off.partial"  # as where the kill comes in the middle of a write
    left.write_bytes(b"half")
    features = ("mel", "mel-28", "envelope")
    prepare(tree, out, load_recipe("sparrkulee"), features=features, jobs=2)
    assert contents(out) == contents(made)


def test_progress_counts_stimuli_and_recordings_and_begins_with_what_is_finished(small, tmp_path):
    root, _ = small
    recording_of(root, run=2)
    shown = []
    prepare(
        root, tmp_path / "corpus", load_recipe("sparrkulee"), on_progress=lambda *said: shown.append(said)
    )
    assert shown[0] == (0, 3, "")
    assert shown[-1] == (3, 3, "sub-001_ses-01_task-listening_run-02")
    shown.clear()
    prepare(
        root, tmp_path / "corpus", load_recipe("sparrkulee"), on_progress=lambda *said: shown.append(said)
    )
    assert shown == [(1, 3, ""), (3, 3, "")]


def test_unknown_mel_and_missing_folder_are_usage_and_data_errors(tmp_path, harness):
    code, _, err = harness("data", "prepare", tmp_path, tmp_path / "out", "--mel", "mel-80")
    assert code == 2
    assert "'mel-80' is not one of 'mel', 'mel-28'" in err
    assert harness("data", "prepare", tmp_path / "none", tmp_path / "out") == (
        1,
        "",
        f"error: {tmp_path}/none: no such folder, expected the root of a BIDS data set.\n",
    )
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["Newtest17-256.bdf", "Newtest17-2048.bdf.gz"])
def test_real_biosemi_files_go_through_the_recipe_simple(tmp_path, name):
    folder = os.environ.get("HARNESS_TEST_REAL")
    if not folder:
        pytest.skip("HARNESS_TEST_REAL does not name a folder of real recordings")
    root = tmp_path / "bids"
    content = Path(folder, "bdf", name).read_bytes()
    suffix = name.partition(".")[2]
    path = write_recording(root, "sub-01", 1, b"", [(5.0, 33.62, "OSR.wav")], suffix=f".{suffix}")
    path.write_bytes(content)
    (root / "stimuli").mkdir()
    shutil.copy(Path(folder, "audio", "OSR_us_000_0010_8k.wav"), root / "stimuli" / "OSR.wav")
    report = prepare(root, tmp_path / "corpus", load_recipe("simple"), features=("mel-28",))
    assert report.failed == []
    assert report.stimuli[0].remarks == ("OSR.wav: 2 bands of mel-28 are silent at 8000 Hz",)
    corpus = open_corpus(tmp_path / "corpus")
    assert corpus.faults == ()
    assert corpus.recordings[0].eeg_series.n_channels == 16
    assert corpus.recordings[0].feature("mel-28", 0, 2150).shape == (2150, 28)
