"""git as other people have set it up: their settings change nothing, and its own sentences arrive."""

import json
import os
import shutil
import subprocess

import pytest
from repository_fixtures import BOARD, OFFICIAL, Repository

from harness.boards.history import history
from harness.errors import RepositoryError
from harness.git import git, git_state, ignored_files, repository, try_git
from harness.pull_request.changes import changes_since

# Whatever runs leaves its name in the folder RAN names.
PROGRAM = '#!/bin/sh\ntouch "$RAN/$(basename "$0")"\nexit 1\n'
HOSTILE = """
[core]
    pager = {tools}/pager
    quotePath = true
    fsmonitor = {tools}/fsmonitor
    hooksPath = {tools}/hooks
    abbrev = 4
[color]
    ui = always
    diff = always
    status = always
[log]
    showSignature = true
    showRoot = false
    date = relative
    decorate = full
    follow = true
    abbrevCommit = true
[gpg]
    program = {tools}/gpg
[format]
    pretty = oneline
[diff]
    external = {tools}/external
    noprefix = true
    mnemonicPrefix = true
    renames = copies
    relative = true
    orderFile = {tools}/order
    ignoreSubmodules = all
[status]
    showUntrackedFiles = no
    short = true
    branch = true
    showStash = true
    relativePaths = true
[pager]
    log = {tools}/pager
    diff = {tools}/pager
[alias]
    log = !{tools}/alias
    diff = !{tools}/alias
    status = !{tools}/alias
[push]
    default = nothing
"""


@pytest.fixture
def hostile(monkeypatch, tmp_path):
    """Set a user's git up as badly as git allows, from now on; gives the folder where what ran leaves its name."""

    def make(*clones):
        tools, ran = tmp_path / "tools", tmp_path / "ran"
        ran.mkdir()
        (tools / "hooks").mkdir(parents=True)
        for name in ("pager", "fsmonitor", "gpg", "external", "alias", "hooks/post-index-change", "askpass"):
            (tools / name).write_text(PROGRAM)
            (tools / name).chmod(0o755)
        (tools / "order").write_text("*.toml\n*.json\n")
        settings = HOSTILE.format(tools=tools)
        (tools / "gitconfig").write_text(settings)
        for clone in clones:
            with (clone.folder / ".git/config").open("a") as file:
                file.write(settings)
            (clone.folder / ".git/hooks").mkdir(exist_ok=True)
            shutil.copy(tools / "pager", clone.folder / ".git/hooks/post-index-change")
        monkeypatch.setenv("RAN", str(ran))
        monkeypatch.delenv("GIT_CONFIG_NOSYSTEM", raising=False)
        for name, value in {
            "GIT_CONFIG_GLOBAL": tools / "gitconfig",
            "GIT_CONFIG_COUNT": 1,
            "GIT_CONFIG_KEY_0": "log.showSignature",
            "GIT_CONFIG_VALUE_0": "true",
            "GIT_DIR": tmp_path / "nowhere/.git",
            "GIT_WORK_TREE": tmp_path / "nowhere",
            "GIT_INDEX_FILE": tmp_path / "nowhere/index",
            "GIT_OBJECT_DIRECTORY": tmp_path / "nowhere/objects",
            "GIT_NAMESPACE": "other",
            "GIT_PREFIX": "results/",
            "GIT_PAGER": tools / "pager",
            "GIT_EXTERNAL_DIFF": tools / "external",
            "GIT_ASKPASS": tools / "askpass",
            "GIT_LITERAL_PATHSPECS": 1,
            "GIT_ICASE_PATHSPECS": 1,
            "GIT_TRACE": 1,
            "GIT_DIFF_OPTS": "-u0",
            "PAGER": tools / "pager",
            "LANG": "de_DE.UTF-8",
            "LANGUAGE": "de",
            "TERM": "xterm-256color",
        }.items():
            monkeypatch.setenv(name, str(value))
        return ran

    return make


def change(fork):
    """Changes of every kind: edited, added, removed, renamed, untracked, with odd names."""
    fork.write("baselines/alpha/README.md", "other words")
    fork.write("baselines/alpha/ü \t.txt", "odd")
    fork.git("mv", "README.md", "READ.md")
    fork.git("rm", "--quiet", "harness/other.py")
    fork.commit("Change")
    fork.write("submissions/beta/untracked.txt", "words")


@pytest.mark.slow
def test_settings_of_a_user_change_nothing_of_a_history(upstream, hostile):
    record = json.loads(upstream.record("alpha").read_text())
    upstream.record("alpha").write_text(json.dumps({**record, "score": 0.5}))
    upstream.commit("Score")
    plain = history(upstream.folder)
    ran = hostile(upstream)
    assert history(upstream.folder) == plain
    assert [event.what for event in plain] == ["added", "added", "improved"]
    assert list(ran.iterdir()) == []


def test_settings_of_a_user_change_nothing_of_a_range(fork, hostile):
    change(fork)
    plain = changes_since("origin/main", fork.folder)
    ran = hostile(fork)
    assert changes_since("origin/main", fork.folder) == plain
    assert dict(plain.paths) == {
        "READ.md": "added",
        "README.md": "removed",
        "baselines/alpha/README.md": "added",
        "baselines/alpha/ü \t.txt": "added",
        "harness/other.py": "removed",
        "submissions/beta/untracked.txt": "added",
    }
    assert plain.scorer_versions() == (1, 1)
    assert list(ran.iterdir()) == []


@pytest.mark.slow
def test_settings_of_a_user_change_nothing_of_a_ranking(ranked, fork, hostile):
    change(fork)
    plain = ranked(commit=False)
    ran = hostile(fork)
    assert ranked(commit=False) == plain
    assert plain[0] == 0
    assert list(ran.iterdir()) == []


def test_settings_of_a_user_change_nothing_of_where_a_score_comes_from(upstream, hostile):
    clean = git_state(upstream.folder)
    upstream.write("untracked.txt", "words")
    dirty = git_state(upstream.folder)
    assert (clean.dirty, dirty.dirty) == (False, True)
    ran = hostile(upstream)
    assert git_state(upstream.folder) == dirty
    upstream.path("untracked.txt").unlink()
    upstream.write("results/other.json", "words")
    assert git_state(upstream.folder) == clean
    assert list(ran.iterdir()) == []


def test_a_replaced_commit_is_not_what_is_read(upstream):
    before = history(upstream.folder)
    old = upstream.git("rev-parse", "HEAD")
    record = json.loads(upstream.record("alpha").read_text())
    upstream.record("alpha").write_text(json.dumps({**record, "score": 0.9}))
    upstream.git("commit", "--quiet", "--all", "--amend", "-m", "Forged")
    forged = upstream.git("rev-parse", "HEAD")
    upstream.git("reset", "--quiet", "--hard", old)
    upstream.git("replace", old, forged)
    assert json.loads(upstream.git("show", f"HEAD:results/{BOARD}/alpha.json"))["score"] == 0.9
    assert history(upstream.folder) == before


@pytest.fixture
def foreign(upstream, tmp_path, monkeypatch):
    """A clone that another user owns."""
    if os.geteuid() != 0:
        pytest.skip("only root can give a folder away")
    folder = tmp_path / "foreign"
    shutil.copytree(upstream.folder, folder)
    subprocess.run(["chown", "-R", "12345:12345", str(folder)], check=True)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "gitconfig"))
    monkeypatch.delenv("SUDO_UID", raising=False)
    return Repository(folder)


def refusal(folder):
    return (
        f"{folder}: detected dubious ownership in repository at '{folder}'.\n"
        "  To add an exception for this directory, call:\n"
        f"  git config --global --add safe.directory {folder}"
    )


def test_a_clone_that_somebody_else_owns_is_refused_in_gits_own_words(foreign, harness, monkeypatch):
    with pytest.raises(RepositoryError) as caught:
        repository(foreign.folder)
    assert str(caught.value) == refusal(foreign.folder)
    monkeypatch.chdir(foreign.folder)
    for command in (["history"], ["rank", "--changed-since", "HEAD", "--data", str(OFFICIAL)]):
        code, out, err = harness(*command)
        assert (code, out, err) == (1, "", f"error: {refusal(foreign.folder)}\n")
    assert git_state(foreign.folder) is None


def test_and_gits_remedy_helps(foreign, tmp_path):
    (tmp_path / "gitconfig").write_text(f"[safe]\n\tdirectory = {foreign.folder}\n")
    assert repository(foreign.folder) == foreign.folder
    assert [event.what for event in history(foreign.folder)] == ["added", "added"]
    assert git_state(foreign.folder).dirty is False


def test_a_folder_without_a_repository_is_none_and_says_so(tmp_path):
    with pytest.raises(RepositoryError) as caught:
        repository(tmp_path)
    assert str(caught.value) == (
        f"{tmp_path}: no git repository, expected a clone of the repository that holds the records.\n"
        "  Run it inside the clone. `harness rank` alone needs no git."
    )
    assert git_state(tmp_path) is None


def test_a_command_that_git_refuses_is_quoted(upstream):
    with pytest.raises(RepositoryError) as caught:
        git(upstream.folder, "cat-file", "blob", "HEAD:nowhere")
    assert str(caught.value) == (
        f"git cat-file in {upstream.folder}: path 'nowhere' does not exist in 'HEAD'."
    )
    assert try_git(upstream.folder, "cat-file", "blob", "HEAD:nowhere") is None


def test_a_strangers_repository_runs_nothing_when_its_state_is_asked(tmp_path, monkeypatch):
    # Its settings name a program as a filter, its attributes use it, and a file looks changed.
    ran = tmp_path / "ran"
    folder = tmp_path / "handed-in"
    folder.mkdir()
    for words in (["init", "-q"], ["config", "user.email", "a@b"], ["config", "user.name", "a"]):
        subprocess.run(["git", "-C", str(folder), *words], check=True)
    (folder / "model.py").write_text("a = 1\n")
    (folder / ".gitattributes").write_text("* filter=x.y\n")
    subprocess.run(["git", "-C", str(folder), "add", "-A"], check=True)
    subprocess.run(["git", "-C", str(folder), "commit", "-qm", "One"], check=True)
    with (folder / ".git/config").open("a") as file:
        file.write(
            f'[filter "x.y"]\n\tclean = touch {ran}; cat\n\tprocess = touch {ran}\n\trequired = true\n'
        )
        file.write(f"[core]\n\tfsmonitor = touch {ran}\n\tsshCommand = touch {ran}\n")
    os.utime(folder / "model.py", (1, 1))
    assert git_state(folder).dirty is False
    assert not ran.exists()
    (folder / "model.py").write_text("a = 2\n")
    assert git_state(folder).dirty is True
    assert not ran.exists()


def test_a_strangers_folder_that_is_laid_out_as_a_bare_repository_is_none(upstream, tmp_path):
    # It has no .git, and its settings name programs and another folder as what it is of.
    ran, folder = tmp_path / "ran", tmp_path / "handed-in"
    subprocess.run(["git", "clone", "-q", "--bare", str(upstream.folder), str(folder)], check=True)
    (folder / "predictor.py").write_text("a = 1\n")
    with (folder / "config").open("a") as file:
        file.write(f"[core]\n\tbare = false\n\tworktree = {tmp_path}\n\tfsmonitor = touch {ran}\n")
    found = subprocess.run(
        ["git", "-C", str(folder), "rev-parse", "--git-dir"], capture_output=True, text=True, check=True
    )
    assert found.stdout.strip() in (".", str(folder))  # git by itself takes it for one
    assert git_state(folder) is None
    assert ignored_files(folder, ["predictor.py"]) == frozenset()
    with pytest.raises(RepositoryError):
        repository(folder)
    assert not ran.exists()
