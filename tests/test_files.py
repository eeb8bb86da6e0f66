"""Files that somebody handed in, and files written whole or not at all."""

import hashlib
import os
import subprocess
import sys

import pytest

from harness import files
from harness.files import (
    Draft,
    UnfitFileError,
    file_sha256,
    is_inside,
    open_regular,
    read_regular,
    write_atomically,
)


def test_interrupted_write_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    path = tmp_path / "a.json"
    path.write_bytes(b"old")

    def interrupted(_):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_new_file_has_the_usual_mode_and_an_old_one_keeps_its_own(tmp_path):
    write_atomically(tmp_path / "new", b"")
    (tmp_path / "plain").write_bytes(b"")
    assert (tmp_path / "new").stat().st_mode == (tmp_path / "plain").stat().st_mode
    (tmp_path / "new").chmod(0o640)
    write_atomically(tmp_path / "new", b"again")
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o640


def test_a_writer_that_was_killed_leaves_a_draft_that_the_next_one_removes(tmp_path, monkeypatch):
    code = (
        "import os, signal, sys\nfrom pathlib import Path\nfrom harness.files import Draft\n"
        "draft = Draft(Path(sys.argv[1]))\ndraft.file.write(b'half')\ndraft.file.flush()\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    path = tmp_path / "a.json"
    path.write_bytes(b"old")
    subprocess.run([sys.executable, "-c", code, path], check=False)
    (litter,) = (file for file in tmp_path.iterdir() if file != path)
    write_atomically(path, b"young drafts may be somebody's")
    assert litter.exists()
    os.utime(litter, (0, 0))
    monkeypatch.setattr(files, "_DRAFTS", {})  # a minute later
    write_atomically(tmp_path / "b.json", b"of another file")
    assert litter.exists()
    write_atomically(path, b"new")
    assert not litter.exists()
    assert path.read_bytes() == b"new"


def test_the_only_writer_of_a_folder_removes_all_drafts_that_nobody_has_locked(tmp_path):
    (tmp_path / "a/b").mkdir(parents=True)
    litter = [tmp_path / ".x.1.partial", tmp_path / "a/b/.y.2.partial"]
    kept = [tmp_path / "z.partial", tmp_path / "a/.hidden"]
    for path in litter + kept:
        path.write_bytes(b"half")
    draft = files.Draft(tmp_path / "a/slow")
    files.remove_drafts(tmp_path)
    assert [path.exists() for path in litter + kept] == [False, False, True, True]
    draft.keep()
    assert (tmp_path / "a/slow").exists()


def test_a_folder_is_not_listed_again_for_every_file_that_is_written_there(tmp_path, monkeypatch):
    """To write n files took n lists of up to n names: hours for a board of thousands."""
    scandir, listed = os.scandir, []
    monkeypatch.setattr(os, "scandir", lambda path: listed.append(path) or scandir(path))
    for number in range(20):
        write_atomically(tmp_path / f"{number}.json", b"1")
    assert len(listed) == 1
    assert len([*tmp_path.iterdir()]) == 20


def test_a_draft_that_is_being_written_is_never_removed(tmp_path):
    path = tmp_path / "a.json"
    draft = Draft(path)
    draft.file.write(b"slow")
    os.utime(draft.file.fileno(), (0, 0))
    write_atomically(path, b"quick")
    draft.keep()
    assert path.read_bytes() == b"slow"
    draft.discard()
    assert list(tmp_path.iterdir()) == [path]


def fifo(path):
    os.mkfifo(path)


def giant(path):
    with path.open("wb") as file:
        file.truncate(1 << 40)


@pytest.mark.parametrize(
    ("make", "found"),
    [
        (fifo, "a named pipe, not a regular file"),
        (lambda path: path.mkdir(), "a folder, not a regular file"),
        (lambda path: path.symlink_to("/dev/zero"), "a device, not a regular file"),
        (giant, "1 099 511 627 776 bytes, more than 1 000"),
        (
            lambda path: path.symlink_to("/proc/self/environ"),
            "holds more or less than its size says, as in /proc, or changes meanwhile",
        ),
    ],
)
@pytest.mark.parametrize(
    "read", [lambda path: read_regular(path, 1000), lambda path: file_sha256(path, 1000)]
)
def test_what_is_no_regular_file_is_refused_in_words(tmp_path, make, found, read):
    path = tmp_path / "a"
    make(path)
    with pytest.raises(UnfitFileError) as caught:
        read(path)
    assert (caught.value.strerror, caught.value.filename) == (found, str(path))


@pytest.mark.parametrize("name", ["a\0b", "\ud800"])
def test_a_name_that_no_file_can_have_is_refused_in_words(tmp_path, name):
    with pytest.raises(UnfitFileError) as caught:
        open_regular(tmp_path / name)
    assert caught.value.strerror == "a name that no file can have"


def test_a_missing_file_is_what_it_always_was(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_regular(tmp_path / "a", 1000)


def test_the_hash_is_hashlibs(tmp_path):
    data = os.urandom(3_000_000)
    (tmp_path / "a").write_bytes(data)
    assert file_sha256(tmp_path / "a") == hashlib.sha256(data).hexdigest()
    assert read_regular(tmp_path / "a", 3_000_000) == data


@pytest.mark.parametrize(
    ("target", "inside"),
    [("b", True), ("../b", False), ("/etc/passwd", False), ("a", True), ("c/../../d", False)],
)
def test_links_are_followed_to_say_whether_a_path_stays_in_a_folder(tmp_path, target, inside):
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "a").symlink_to(target)
    assert is_inside(folder / "a", folder) is inside
