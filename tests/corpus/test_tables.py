"""Tables of BIDS: tabs, any line ends, and what is wrong with them."""

from __future__ import annotations

import os

import pytest

from harness.corpus.tables import below_stimuli, named_files, read_table, text_of
from harness.errors import CorpusError

TABLE = "onset\tstim_file\n1\ta.wav\n2\tn/a\n"


@pytest.mark.parametrize("ends", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_line_ends_and_a_byte_order_mark_do_not_matter(tmp_path, ends, mark):
    path = tmp_path / "t.tsv"
    path.write_bytes((mark + TABLE.replace("\n", ends)).encode())
    columns, rows = read_table(path)
    assert columns == ["onset", "stim_file"]
    assert rows == [(2, {"onset": "1", "stim_file": "a.wav"}), (3, {"onset": "2", "stim_file": "n/a"})]


def test_empty_lines_short_rows_and_spaces_are_read(tmp_path):
    path = tmp_path / "t.tsv"
    path.write_text(" onset \t stim_file\n\n1\n2\t b.wav \tmore\n")
    _, rows = read_table(path)
    assert [(line, text_of(row, "stim_file")) for line, row in rows] == [(3, ""), (4, "b.wav")]


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b"", "no line with the names of columns"),
        (b"onset,duration,stim_file\n1,2,a.wav\n", "one column, 'onset,duration,stim_file'"),
        (b"a\tstim_file\tstim_file\n", "two columns named stim_file"),
        ("caf\xe9\n".encode("latin-1"), "cannot be read"),
        (TABLE.encode("utf-16"), "cannot be read"),
        (b"onset\tnote\n1\t" + b"x" * 131_073 + b"\n", "field larger than field limit"),
        (b'onset\tnote\n1\t"open\n2\ta\n', "unexpected end of data"),
    ],
)
def test_what_is_no_table_is_refused_with_its_place(tmp_path, content, fault):
    path = tmp_path / "t.tsv"
    path.write_bytes(content)
    with pytest.raises(CorpusError) as caught:
        read_table(path)
    assert str(path) in str(caught.value)
    assert fault in str(caught.value)


def test_a_pipe_is_refused_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "t.tsv")
    with pytest.raises(CorpusError, match="not a regular file"):
        read_table(tmp_path / "t.tsv")


def test_files_that_cells_name(tmp_path):
    path = tmp_path / "t.tsv"
    path.write_text("stim_file\tnoise_file\neeg/a.wav\tn/a\n/stimuli/b.wav\teeg\\c.wav\n")
    assert list(named_files(path, ("stim_file", "noise_file", "video_file"))) == [
        "eeg/a.wav",
        "b.wav",
        "eeg/c.wav",
    ]
    assert below_stimuli("stimuli/eeg/a.wav") == "eeg/a.wav"
