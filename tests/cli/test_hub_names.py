"""A system on Hugging Face's hub as an argument: fetched by every command, and after all else was looked at."""

import json
from pathlib import Path

import click
import pytest

from harness.cli.main import cli
from harness.cli.options import SystemPath
from harness.submission import hub as hub_module

SYSTEM = "hf:lab/tiny@main"


@pytest.fixture
def asked(monkeypatch):
    """What was fetched; nothing is ever there."""
    names = []

    def fetched(name, show=None):
        names.append(name)
        return Path("/nonexistent/of-the-hub")

    monkeypatch.setattr(hub_module, "fetched", fetched)
    return names


def commands(group, words=()):
    """The words of each command that takes a system."""
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from commands(command, (*words, name))
        elif any(isinstance(one.type, SystemPath) for one in command.params):
            yield (*words, name)


# What a command needs beside the system, and what is wrong with it that no system decides.
MORE = {
    ("check",): [],
    ("export", "hub"): [],
    ("import-weights",): ["weights.pt", "--corpus", "simulated", "--feature", "mel"],
    ("predict",): ["--out", "p.zip"],
    ("score",): [],
    ("train",): [],
    ("verify",): [],
}
WRONG = {
    ("check",): [["--quick", "--recut"], ["--data", "none"], ["--split", "none"], ["--seed", "x"]],
    ("export", "hub"): [["--dataset", "none"]],
    ("import-weights",): [["--corpus", "none"], ["--split", "none"], ["--feature", "none"]],
    ("predict",): [["--out", "p.xyz"], ["--data", "none"], ["--split", "none"]],
    ("score",): [
        ["--variant", "a", "--variants", "all"],
        ["--save-predictions", "p.xyz"],
        ["--data", "none"],
        ["--split", "none"],
        ["--part", "none"],
        ["--executor", "none"],
        ["--exclude-channels", "x", "--data", "none"],
        ["no-such-folder", "--variant", "a", "--variants", "all"],
    ],
    ("train",): [["--cache-dtype", "float16"], ["--seed", "1", "--seeds", "2"], ["--jobs", "2"]],
    ("verify",): [["--data", "none"], ["--split", "none.json"]],
}


def test_every_command_that_takes_a_system_is_here():
    assert sorted(commands(cli)) == sorted(MORE) == sorted(WRONG)


@pytest.fixture
def before(make_record):
    def words(command):
        return [make_record("tiny", [0.1, 0.2])] if command == ("verify",) else []

    return words


@pytest.mark.parametrize(
    ("words", "wrong"),
    [(words, one) for words, several in WRONG.items() for one in [*several, ["--no-such"]]],
    ids=lambda one: " ".join(one),
)
def test_what_is_wrong_beside_the_system_costs_no_download(words, wrong, harness, asked, before):
    code, _, said = harness(*words, *before(words), SYSTEM, *MORE[words], *wrong)
    assert (code in (1, 2), asked) == (True, []), said


@pytest.mark.parametrize("words", MORE, ids=" ".join)
def test_a_system_of_the_hub_is_fetched(words, harness, asked, before, where):
    task = where if words == ("verify",) else []  # opened before anything is fetched
    code, _, said = harness(*words, *before(words), SYSTEM, *MORE[words], *task)
    assert (code, asked) == (1, [SYSTEM]), said
    assert "of-the-hub" in said


def test_a_task_that_was_opened_before_the_download_is_the_one_that_is_scored(
    harness, monkeypatch, make_submission, where, tmp_path
):
    folder = make_submission()
    monkeypatch.setattr(hub_module, "fetched", lambda name, show=None: folder)
    code, out, said = harness("score", SYSTEM, *where, "--feature", "mel", "--no-controls", "--json")
    assert code == 0, said
    assert said.count("reading the corpus") <= 1
    assert json.loads(out)["submission"]["name"] == folder.name


def test_a_malformed_name_is_told_with_the_command_line(harness, asked):
    code, _, said = harness("score", "hf:lab", "--data", "none")
    assert (code, asked) == (2, [])
    assert "expected hf:owner/name@revision" in said
