"""BIDS folders: recordings, events.tsv, channels.tsv, stimuli."""

from __future__ import annotations

import os

import pytest

from harness.errors import CorpusError
from harness.preprocessing.bids import (
    Event,
    almost_audio,
    check_there,
    find_recordings,
    nothing_heard,
    read_channels,
    read_events,
    stimulus_name,
)

HEADER = "onset\tduration\tstim_file\ttrigger_file\n"


@pytest.fixture
def root(tmp_path):
    return tmp_path / "bids"


def make(root, path, content=""):
    target = root / path
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(content)
    return target


def found(root):
    recordings, remarks = find_recordings(root)
    return [str(one.path.relative_to(root)) for one in recordings], remarks


def test_recordings_are_found_in_natural_order_with_their_entities(root):
    make(root, "sub-10/ses-a/eeg/sub-10_ses-a_task-listen_run-02_eeg.bdf.gz")
    make(root, "sub-2/eeg/sub-2_eeg.vhdr")
    make(root, "sub-2/eeg/sub-2_eeg.eeg")
    make(root, "sub-10/ses-a/eeg/sub-10_ses-a_task-listen_run-02_eeg.apr")
    recordings, remarks = find_recordings(root)
    assert remarks == []
    first, second = recordings
    assert (first.subject, first.session, first.task, first.run) == ("sub-2", "", "", "")
    assert first.output("tale") == "sub-2/ses-01/sub-2_ses-01_run-01_desc-preproc-audio-tale_eeg.npy"
    assert (second.subject, second.session, second.task, second.run) == (
        "sub-10",
        "ses-a",
        "task-listen",
        "run-02",
    )
    assert second.name == "sub-10_ses-a_task-listen_run-02"
    assert second.output("tale") == (
        "sub-10/ses-a/sub-10_ses-a_task-listen_run-02_desc-preproc-audio-tale_eeg.npy"
    )


def test_hidden_files_are_passed_over_and_odd_names_are_said(root):
    make(root, "sub-1/eeg/sub-1_eeg.edf")
    make(root, "sub-1/eeg/._sub-1_eeg.edf")
    make(root, "sub-1/.git/sub-1_eeg.edf")
    make(root, "sub-1/eeg/practice.bdf")
    assert found(root) == (
        ["sub-1/eeg/sub-1_eeg.edf"],
        ["sub-1/eeg/practice.bdf: not named as BIDS names EEG (sub-..._eeg.bdf)"],
    )


def test_subjects_in_another_case_are_said_to_be_left_out(root):
    make(root, "sub-1/eeg/sub-1_eeg.edf")
    make(root, "Sub-2/eeg/Sub-2_eeg.edf")
    assert found(root) == (
        ["sub-1/eeg/sub-1_eeg.edf"],
        ["Sub-2: left out, its name is not sub-2, as BIDS has it"],
    )


def test_the_same_recording_plain_and_gzipped_is_one(root):
    make(root, "sub-1/eeg/sub-1_eeg.bdf")
    make(root, "sub-1/eeg/sub-1_eeg.bdf.gz")
    assert found(root) == (
        ["sub-1/eeg/sub-1_eeg.bdf"],
        ["sub-1/eeg/sub-1_eeg.bdf.gz: left out, sub-1_eeg.bdf is the same recording"],
    )


def test_linked_session_folders_are_followed_and_a_folder_in_itself_ends(root, tmp_path):
    elsewhere = tmp_path / "disk2"
    make(elsewhere, "eeg/sub-1_ses-b_eeg.bdf")
    make(root, "sub-1/ses-a/eeg/sub-1_ses-a_eeg.bdf")
    (root / "sub-1" / "ses-b").symlink_to(elsewhere)
    (elsewhere / "again").symlink_to(root / "sub-1")
    assert found(root)[0] == ["sub-1/ses-a/eeg/sub-1_ses-a_eeg.bdf", "sub-1/ses-b/eeg/sub-1_ses-b_eeg.bdf"]


def test_a_second_link_to_a_folder_is_said(root, tmp_path):
    make(root, "sub-1/eeg/sub-1_eeg.edf")
    (root / "sub-2").symlink_to(root / "sub-1")
    assert found(root) == (
        ["sub-1/eeg/sub-1_eeg.edf"],
        ["sub-2: left out, it leads to sub-1, which was read already"],
    )


def test_parts_of_a_split_fif_file_are_one_recording(root):
    make(root, "sub-1/eeg/sub-1_split-01_eeg.fif")
    make(root, "sub-1/eeg/sub-1_split-02_eeg.fif")
    assert found(root)[0] == ["sub-1/eeg/sub-1_split-01_eeg.fif"]


def test_a_folder_without_recordings_is_refused(root):
    with pytest.raises(CorpusError, match="bids: no such folder, expected the root of a BIDS data set"):
        find_recordings(root)
    make(root, "sub-1/eeg/sub-1_eeg.json")
    with pytest.raises(CorpusError) as raised:
        find_recordings(root)
    assert str(raised.value) == (
        f"{root}: no raw recording, expected sub-*/[ses-*/]eeg/*_eeg with one of .bdf, .edf, .vhdr, .set, .fif,"
        " gzipped or not.\n  Give the root of the BIDS data set."
    )


def events_of(root, table, name="sub-1_task-a_events.tsv"):
    make(root, "sub-1/eeg/sub-1_task-a_eeg.bdf")
    if table is not None:
        make(root, f"sub-1/eeg/{name}", table)
    return read_events(root, find_recordings(root)[0][0])


def test_events_name_stimuli_with_their_track_compressed_or_not(root):
    make(root, "stimuli/eeg/tale.npz.gz")
    make(root, "stimuli/eeg/t_tale.npz.gz")
    make(root, "stimuli/b.wav")
    table = HEADER + "1.5\t20\teeg/tale.npz\tn/a\nn/a\tn/a\tb.wav\tn/a\n9\t1\tn/a\tn/a\n"
    folder = root / "stimuli"
    assert events_of(root, table) == [
        Event("tale", folder / "eeg/tale.npz.gz", folder / "eeg/t_tale.npz.gz", 1.5, 20.0),
        Event("b", folder / "b.wav", None, None, None),
    ]


def test_a_stimulus_whose_file_is_not_there_has_no_audio(root):
    assert events_of(root, HEADER + "1\t2\teeg/gone.npz.gz\tn/a\n") == [Event("gone", None, None, 1, 2)]


def test_events_without_a_stimulus_are_none(root):
    assert events_of(root, HEADER + "1\t2\tn/a\tn/a\n") == []
    assert events_of(root, "onset\tduration\n1\t2\n") == []


def test_events_are_inherited_as_bids_says(root):
    make(root, "task-a_events.tsv", HEADER + "1\t2\tb.wav\tn/a\n")
    assert [event.stimulus for event in events_of(root, None)] == ["b"]


def test_a_recording_without_events_is_refused(root):
    with pytest.raises(CorpusError) as raised:
        events_of(root, None)
    assert str(raised.value) == (
        "sub-1_task-a_eeg.bdf: no events.tsv, expected sub-1_task-a_events.tsv with a column stim_file.\n"
        "  A recording without a stimulus needs one as well, with stim_file n/a."
    )


def test_everything_that_is_wrong_with_events_is_said_at_once(root):
    table = HEADER + (
        "one\t2\ta.wav\tn/a\n"
        "1\t-2\tb.wav\tn/a\n"
        "1\t2\t../../secret.wav\tn/a\n"
        "1\t2\ta_-_b.wav\tn/a\n"
        "1\t2\tc.wav\tn/a\n"
        "5\t2\tc.wav\tn/a\n"
    )
    with pytest.raises(CorpusError) as raised:
        events_of(root, table)
    assert str(raised.value).splitlines() == [
        "sub-1_task-a_events.tsv: line 2: onset: 'one', expected seconds, or n/a.",
        "sub-1_task-a_events.tsv: line 3: duration: '-2', expected seconds, or n/a.",
        "sub-1_task-a_events.tsv: line 4: '../../secret.wav', expected a path below stimuli/.",
        "sub-1_task-a_events.tsv: line 5: stim_file 'a_-_b.wav', expected a name on one line, without '_-_',"
        " not hidden.",
        "sub-1_task-a_events.tsv: the stimulus c 2 times, expected each once in a recording.",
    ]


@pytest.mark.parametrize("column", ["Onset", "Duration", "Trigger File"])
def test_a_column_that_differs_by_case_is_not_taken_for_one_that_is_absent(root, column):
    with pytest.raises(CorpusError, match=f"a column '{column}', expected"):
        events_of(root, f"stim_file\t{column}\na.wav\t3\n")


def test_times_of_a_year_and_names_of_two_lines_are_refused_in_one_short_line(root):
    with pytest.raises(CorpusError) as raised:
        events_of(root, HEADER + '1\t1e300\ta.wav\t\n1\t2\t"a\nb.wav"\t\n' + f"{'9' * 5000}\t1\tc.wav\t\n")
    lines = str(raised.value).splitlines()
    assert lines[:2] == [
        "sub-1_task-a_events.tsv: line 2: duration: '1e300', expected seconds, or n/a.",
        "sub-1_task-a_events.tsv: line 4: stim_file 'a\\nb.wav', expected a name on one line, without '_-_',"
        " not hidden.",
    ]
    assert lines[2].startswith("sub-1_task-a_events.tsv: line 5: onset: '999")
    assert len(lines) == 3
    assert len(lines[2]) < 300


@pytest.mark.parametrize("suffix", [".bdf.gz", ".edf"])
def test_recordings_of_one_name_are_said_to_be_left_out_whatever_their_format(root, suffix):
    make(root, "sub-1/ses-1/eeg/sub-1_task-a_eeg.bdf")
    make(root, f"sub-1/ses-2/eeg/sub-1_task-a_eeg{suffix}")
    recordings, remarks = find_recordings(root)
    assert [one.path.name for one in recordings] == ["sub-1_task-a_eeg.bdf"]
    assert remarks == [
        f"sub-1/ses-2/eeg/sub-1_task-a_eeg{suffix}: left out,"
        " sub-1/ses-1/eeg/sub-1_task-a_eeg.bdf has the same name"
    ]


def test_channels_have_a_type_and_are_good_or_bad(root):
    make(root, "sub-1/eeg/sub-1_eeg.bdf")
    recording = find_recordings(root)[0][0]
    assert read_channels(root, recording) is None
    make(
        root,
        "sub-1/eeg/sub-1_channels.tsv",
        "status\tunits\tname\ttype\ngood\tuV\tCz\tEEG\nBad\tmV\tPz\tEEG\nn/a\tn/a\tEXG1\tEOG\n",
    )
    assert read_channels(root, recording) == {
        "Cz": ("EEG", True, "uV"),
        "Pz": ("EEG", False, "mV"),
        "EXG1": ("EOG", True, ""),
    }
    make(root, "sub-1/eeg/sub-1_channels.tsv", "channel\ttype\nCz\tEEG\n")
    with pytest.raises(CorpusError, match="columns channel, type, expected a column 'name'"):
        read_channels(root, recording)


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("eeg/audiobook_7_5.npz.gz", "audiobook_7_5"),
        ("a.wav", "a"),
        ("b.c.flac", "b.c"),
        ("d", "d"),
    ],
)
def test_stimulus_names_lose_the_suffixes_of_audio(file, name):
    assert stimulus_name(file) == name


def test_a_column_that_is_almost_stim_file_is_named_and_none_at_all_is_said(root):
    with pytest.raises(CorpusError, match="a column 'Stim_File', expected 'stim_file'"):
        events_of(root, "Onset\tStim_File\n1\tx.wav\n")
    assert events_of(root, "onset\ttrial_type\n1\tspeech\n") == []
    recording = find_recordings(root)[0][0]
    assert nothing_heard(root, recording) == "events.tsv has no column stim_file, but onset, trial_type."
    assert events_of(root, "onset\tstim_file\n1\tn/a\n") == []
    assert nothing_heard(root, recording) == "events.tsv names no stimulus."


@pytest.mark.parametrize(
    "written", ["eeg/a.npz", "stimuli/eeg/a.npz", "/eeg/a.npz", "eeg\\a.npz", " eeg/a.npz "]
)
def test_a_stimulus_is_found_however_its_path_is_written(root, written):
    make(root, "stimuli/eeg/a.npz.gz")
    (event,) = events_of(root, f"onset\tstim_file\n1\t{written}\n2\tNone\n")
    assert (event.stimulus, event.audio) == ("a", root / "stimuli/eeg/a.npz.gz")


def test_a_file_that_differs_by_case_is_found_to_be_named(root):
    make(root, "stimuli/eeg/Tale.WAV")
    assert stimulus_name("Tale.WAV.GZ") == "Tale"
    assert almost_audio(root, "tale") == "stimuli/eeg/Tale.WAV"
    assert almost_audio(root, "other") is None


def test_a_name_too_long_for_the_disk_is_a_fault_of_its_line(root):
    with pytest.raises(CorpusError, match=r"line 2: a file of 50004 characters \(File name too long\)"):
        events_of(root, f"onset\tstim_file\n1\t{'x' * 50000}.wav\n")


def test_recordings_in_capitals_of_other_subjects_and_of_one_name_are_said_to_be_left_out(root):
    make(root, "sub-1/eeg/sub-1_task-a_eeg.bdf")
    make(root, "sub-1/eeg/sub-1_task-b_eeg.BDF")
    make(root, "sub-1/eeg/sub-1_task-c_eeg.bdf.GZ")
    make(root, "sub-1/eeg/sub-2_task-a_eeg.bdf")
    make(root, "sub-1/eeg/old/sub-1_task-a_eeg.bdf")
    recordings, remarks = find_recordings(root)
    assert [one.path.name for one in recordings] == ["sub-1_task-a_eeg.bdf"]
    assert set(remarks) == {
        "sub-1/eeg/sub-1_task-b_eeg.BDF: left out, its name does not end in small letters",
        "sub-1/eeg/sub-1_task-c_eeg.bdf.GZ: left out, its name does not end in small letters",
        "sub-1/eeg/sub-2_task-a_eeg.bdf: left out, it names sub-2 and lies in the folder of sub-1",
        "sub-1/eeg/old/sub-1_task-a_eeg.bdf: left out, sub-1/eeg/sub-1_task-a_eeg.bdf has the same name",
    }


def test_a_link_to_nothing_and_a_pipe_are_no_recordings(root):
    make(root, "sub-1/eeg/sub-1_task-a_eeg.bdf").unlink()
    link = root / "sub-1/eeg/sub-1_task-a_eeg.bdf"
    link.symlink_to("../../.git/annex/objects/x")
    (recording,), _ = find_recordings(root)
    with pytest.raises(CorpusError, match="a link to a file that is not there"):
        check_there(recording)
    link.unlink()
    os.mkfifo(link)
    with pytest.raises(CorpusError, match="not a regular file"):
        check_there(recording)
