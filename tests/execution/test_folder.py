"""The folder of a run goes with it, whoever wrote into it and however the harness ended."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from harness.execution import folder
from harness.execution.folder import remove_litter, remove_tree, run_folder


@pytest.fixture(autouse=True)
def scratch(tmp_path, monkeypatch):
    place = tmp_path / "scratch"
    place.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(place))
    return place


def test_folder_is_there_and_goes(scratch):
    with run_folder() as (made, _):
        assert list(scratch.iterdir()) == [made]
        assert made.name.startswith("harness-")
        (made / "file").touch()
    assert list(scratch.iterdir()) == []


def test_folder_goes_after_an_error(scratch):
    with pytest.raises(ZeroDivisionError), run_folder():
        raise ZeroDivisionError
    assert list(scratch.iterdir()) == []


def test_a_run_that_goes_on_keeps_its_folder():
    with run_folder() as (first, _):
        with run_folder() as (second, _):
            remove_litter()
            assert first.is_dir()
            assert second.is_dir()
        assert first.is_dir()


def test_what_a_killed_run_left_is_removed_by_the_next(scratch):
    script = (
        "import os, tempfile\n"
        "from harness.execution.folder import run_folder\n"
        f"tempfile.tempdir = {str(scratch)!r}\n"
        "with run_folder() as (made, lock):\n"
        "    (made / 'file').write_text('x')\n"
        "    os.kill(os.getpid(), 9)\n"
    )
    assert subprocess.run([sys.executable, "-c", script]).returncode == -9
    assert len(list(scratch.glob("harness-*/file"))) == 1
    with run_folder() as (made, _):
        assert list(scratch.iterdir()) == [made]


def test_a_removal_that_is_cut_short_is_gone_on_with(scratch, monkeypatch):
    def cut_short(path):
        raise KeyboardInterrupt

    run = run_folder()
    made, _ = run.__enter__()
    (made / "code").mkdir()
    monkeypatch.setattr(folder, "remove_tree", cut_short)
    with pytest.raises(KeyboardInterrupt):
        run.__exit__(None, None, None)
    assert sorted(path.name for path in made.iterdir()) == ["code", "lock"]
    monkeypatch.undo()
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    remove_litter()
    assert list(scratch.iterdir()) == []


def test_a_folder_that_was_never_locked_is_removed_when_it_is_old(scratch):
    for name in (".harness-new-1", ".harness-new-2"):
        (scratch / name).mkdir()
    long_ago = time.time() - folder.STALE_SECONDS - 1
    os.utime(scratch / ".harness-new-1", (long_ago, long_ago))
    remove_litter()
    assert [path.name for path in scratch.iterdir()] == [".harness-new-2"]


def test_what_is_not_a_run_s_folder_is_let_alone(scratch, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "lock").touch()
    (scratch / "harness-link").symlink_to(tmp_path / "mine")
    (scratch / "harness-file").touch()
    (scratch / "harness-without-a-lock").mkdir()
    before = sorted(scratch.iterdir())
    remove_litter()
    assert sorted(scratch.iterdir()) == before
    assert (tmp_path / "mine" / "lock").exists()


@pytest.mark.slow
def test_folders_deeper_than_python_can_follow_are_removed(tmp_path, monkeypatch):
    for _ in range(1200):  # a step at a time: the whole path is longer than a path may be
        monkeypatch.chdir(Path("deep") if Path("deep").is_dir() else tmp_path)
        Path("deep").mkdir()
    monkeypatch.chdir(tmp_path)
    remove_tree(tmp_path / "deep")
    assert not (tmp_path / "deep").exists()


def test_closed_folders_are_removed_and_links_not_followed(tmp_path):
    kept = tmp_path / "kept"
    kept.mkdir()
    (kept / "file").touch()
    inner = tmp_path / "tree" / "inner"
    inner.mkdir(parents=True)
    (inner / "link").symlink_to(kept)
    inner.chmod(0)
    remove_tree(tmp_path / "tree")
    assert not (tmp_path / "tree").exists()
    assert (kept / "file").exists()


def test_the_lock_is_removed_last(scratch, monkeypatch):
    made = scratch / "harness-x"
    for name in ("code", "weights"):
        (made / name).mkdir(parents=True)
    (made / "lock").touch()
    removed = []
    monkeypatch.setattr(folder, "remove_tree", removed.append)
    folder._remove_run(made)
    assert sorted(path.name for path in removed[:-1]) == ["code", "weights"]
    assert removed[-1] == made


def test_every_folder_that_a_killed_run_left_is_removed_whatever_lies_beside(scratch):
    for number in range(10):
        (scratch / f"harness-file-{number}").touch()
        (scratch / f"harness-left-{number}").mkdir()
        (scratch / f"harness-left-{number}" / "lock").touch()
    remove_litter()
    assert sorted(path.name for path in scratch.iterdir()) == [f"harness-file-{n}" for n in range(10)]


def test_a_folder_whose_lock_is_a_link_is_let_alone(scratch, tmp_path):
    (tmp_path / "file").touch()
    (scratch / "harness-x").mkdir()
    (scratch / "harness-x" / "lock").symlink_to(tmp_path / "file")
    remove_litter()
    assert (scratch / "harness-x" / "lock").is_symlink()


def test_a_folder_that_cannot_be_looked_at_stops_nothing(scratch, monkeypatch):
    (scratch / ".harness-new-1").mkdir()

    def fails(path):
        raise PermissionError

    monkeypatch.setattr(folder, "_is_own_folder", fails)
    remove_litter()
    assert (scratch / ".harness-new-1").is_dir()


def test_what_stays_is_opened_and_removed_again(tmp_path, monkeypatch):
    asked = []
    run = subprocess.run
    place = tmp_path / "tree"
    place.mkdir()

    def noted(command, **how):
        asked.append(command)
        assert how == {"stderr": subprocess.DEVNULL, "check": False}
        if len(asked) == 3:
            run(command, **how)

    monkeypatch.setattr(folder.subprocess, "run", noted)
    remove_tree(place)
    assert asked == [
        ["rm", "-rf", "--", place],
        ["chmod", "-R", "u+rwx", "--", place],
        ["rm", "-rf", "--", place],
    ]
    assert not place.exists()
    remove_tree(place)
    assert len(asked) == 3
