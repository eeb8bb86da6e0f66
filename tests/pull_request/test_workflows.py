"""The workflows: linted, valid, without rights they do not need; and their commands, run on a small fork."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import REPOSITORY
from repository_fixtures import BOARD, EDITOR, OFFICIAL, SYSTEMS, Repository
from ruamel.yaml import YAML

from harness.pull_request.comment import MARKER

FOLDER = REPOSITORY / ".github" / "workflows"
FILES = sorted(FOLDER.glob("*.yml"))


def workflow(name):
    return YAML(typ="safe", pure=True).load(FOLDER / f"{name}.yml")


def steps(name):
    return [step for job in workflow(name)["jobs"].values() for step in job["steps"]]


def tool(*arguments):
    command = Path(sys.executable).with_name(arguments[0])
    return subprocess.run([command, *map(str, arguments[1:])], capture_output=True, text=True)


def test_zizmor_finds_nothing():
    done = tool("zizmor", "--offline", "--no-progress", "--format", "json", FOLDER)
    assert done.returncode == 0, done.stdout
    assert json.loads(done.stdout) == []


def test_the_one_finding_that_is_ignored_is_the_trigger_that_the_comment_needs():
    ignored = [line for path in FILES for line in path.read_text().splitlines() if "zizmor: ignore" in line]
    assert ignored == ["  workflow_run: # zizmor: ignore[dangerous-triggers]"]
    assert not list(REPOSITORY.glob("**/zizmor.yml"))


def test_every_workflow_is_valid_against_githubs_schema(tmp_path):
    schema = ("--builtin-schema", "vendor.github-workflows")
    done = tool("check-jsonschema", *schema, *FILES)
    assert done.returncode == 0, done.stdout
    wrong = tmp_path / "wrong.yml"
    wrong.write_text((FOLDER / "rank.yml").read_text().replace("runs-on:", "runs-at:"))
    assert tool("check-jsonschema", *schema, wrong).returncode == 1


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_actions_are_pinned_and_no_text_of_others_is_in_a_script(path):
    used = steps(path.stem)
    for step in used:
        if "uses" in step:
            assert re.fullmatch(r"actions/[\w-]+@[0-9a-f]{40}", step["uses"])
        for script in (step.get("run", ""), step.get("with", {}).get("script", "")):
            assert "${{" not in script
        if step.get("uses", "").startswith("actions/checkout@"):
            assert step["with"]["persist-credentials"] is False
    assert re.findall(r"uses: \S+(?! # v[\d.]+\n)$", path.read_text(), re.M) == []


def test_the_job_that_runs_a_pull_requests_code_can_only_read():
    document = workflow("rank")
    assert list(document["on"]) == ["pull_request"]
    assert document["permissions"] == {}
    assert [job["permissions"] for job in document["jobs"].values()] == [{"contents": "read"}]
    text = (FOLDER / "rank.yml").read_text()
    assert "secrets" not in text
    assert "token" not in text


def test_the_job_that_can_write_runs_no_code_of_a_pull_request():
    document = workflow("comment")
    assert list(document["on"]) == ["workflow_run"]
    assert document["on"]["workflow_run"]["workflows"] == [workflow("rank")["name"]]
    (job,) = document["jobs"].values()
    assert job["permissions"] == {"actions": "read", "contents": "read", "pull-requests": "write"}
    (checkout,) = [step for step in steps("comment") if step.get("uses", "").startswith("actions/checkout@")]
    assert set(checkout["with"]) == {"persist-credentials"}  # no ref: the default branch
    (download,) = [step for step in steps("comment") if "download-artifact" in step.get("uses", "")]
    assert download["with"]["path"].startswith("${{ runner.temp }}/")  # never over the code
    uploads = [step["with"]["name"] for step in steps("rank") if "upload-artifact" in step.get("uses", "")]
    assert uploads == [download["with"]["name"]]


def command(name, what):
    (found,) = [step for step in steps(name) if what in step.get("run", "")]
    return found


@pytest.fixture
def merged(upstream, fork, tmp_path):
    """What the pull request's job checks out: the fork's branch merged into main, nothing else."""

    def make():
        fork.commit("Change")
        upstream.git("fetch", "--quiet", str(fork.folder), "feature:pull")
        folder = tmp_path / "checkout"
        upstream.git("clone", "--quiet", str(upstream.folder), str(folder))
        checkout = Repository(folder)
        checkout.git("checkout", "--quiet", "--detach", "origin/main")
        checkout.git("merge", "--quiet", "--no-ff", "-m", "Merge", "origin/pull")
        return checkout

    return make


def run_rank(checkout):
    """The command of rank.yml as it stands there, with the shell that GitHub runs it in."""
    link = checkout.path(".venv/bin/harness")
    link.parent.mkdir(parents=True)
    link.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m harness "$@"\n')
    link.chmod(0o755)
    checkout.write(".git/info/exclude", ".venv/\nranking/\n")
    step = command("rank", "harness rank")
    assert step["shell"] == "bash"
    own = {"HARNESS_DATA": str(OFFICIAL), "PYTHONPATH": str(REPOSITORY)}
    return subprocess.run(
        ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]],
        cwd=checkout.folder,
        env=os.environ | EDITOR | own,
        capture_output=True,
        text=True,
    )


def run_comment(data, tmp_path):
    """The command of comment.yml, in this repository, on data that lie where the artifact would."""
    (tmp_path / "runner/ranking").mkdir(parents=True)
    shutil.copy(data, tmp_path / "runner/ranking/data.json")
    script = command("comment", "harness comment")["run"].replace("python ", f'"{sys.executable}" ', 1)
    return subprocess.run(
        ["bash", "-e", "-c", script],
        cwd=REPOSITORY,
        env=os.environ | {"RUNNER_TEMP": str(tmp_path / "runner")},
        capture_output=True,
        text=True,
    )


def edit_a_record(fork):
    path = fork.record("beta")
    path.write_text(path.read_text().replace('"score": ', '"score": 0.9, "unused": ', 1))


def forge_a_record(fork):
    record = json.loads(fork.record("beta").read_text())
    fork.record("beta").write_text(json.dumps({**record, "score": 0.9}))


def edit_a_split(fork):
    split = fork.read("splits/small-split.json")
    fork.write("splits/small-split.json", {**split, "segment_seconds": 3})


CHANGES = {
    "a new system": (
        lambda fork: fork.add_system("submissions/gamma", f"-{SYSTEMS['baselines/alpha']}"),
        0,
        "scored now, added",
    ),
    "a forged record": (forge_a_record, 1, "- `record edited by hand, or not of this code: results/"),
    "a broken record": (edit_a_record, 1, "- `broken record: results/"),
    "a split": (
        edit_a_split,
        0,
        "- `edits the split small-split (splits/small-split.json): records of it are void",
    ),
    "the scorer": (
        lambda fork: fork.write("harness/scoring/score.py", "SCORER_VERSION = 2\n"),
        0,
        "- `edits the scorer (harness/scoring/score.py), SCORER_VERSION 1 becomes 2: no stored score is taken over`",
    ),
    "a name that is taken": (
        lambda fork: fork.add_system("submissions/alpha", "eeg[:, :, : self.n_bands]"),
        1,
        "- `two submissions named alpha: submissions/alpha and baselines/alpha; the first is refused,",
    ),
}


@pytest.mark.parametrize("what", CHANGES)
def test_both_commands_say_what_a_fork_changed(what, merged, fork, tmp_path):
    change, code, expected = CHANGES[what]
    change(fork)
    checkout = merged()
    ranked = run_rank(checkout)
    assert ranked.returncode == code, ranked.stderr
    assert "Traceback" not in ranked.stderr
    commented = run_comment(checkout.path("ranking/data.json"), tmp_path)
    assert (commented.returncode, commented.stderr) == (0, "")
    comment = (tmp_path / "runner/comment.md").read_text()
    assert comment == checkout.path("ranking/boards.md").read_text()
    assert expected in comment
    assert ("**Must be mended**" in comment) == (code == 1)
    assert BOARD.split("/")[1] in comment


def test_data_that_a_hostile_job_left_are_not_posted(tmp_path):
    data = tmp_path / "data.json"
    data.write_text('{"version": 1, "body": "@everyone"}')
    done = run_comment(data, tmp_path)
    assert done.returncode == 1
    assert "unknown key 'body'" in done.stderr
    assert (tmp_path / "runner/comment.md").read_text() == ""


SCRIPT_TEST = """
const calls = [];
const pulls = %(pulls)s, comments = %(comments)s;
const record = (name) => async (options) => { calls.push([name, options]); };
const github = {
  rest: {
    pulls: { list: async (options) => { calls.push(['list', options]); return { data: pulls }; } },
    issues: { listComments: 'listComments', updateComment: record('update'), createComment: record('create') },
  },
  paginate: async (route, options) => { calls.push([route, options]); return comments; },
};
const context = {
  repo: { owner: 'o', repo: 'r' },
  payload: {
    repository: { default_branch: 'main' },
    workflow_run: { head_sha: 'abc', head_branch: "x';$(id)`", head_repository: { owner: { login: 'fork' } } },
  },
};
const core = { notice: (text) => calls.push(['notice', text]) };
(async () => { %(script)s })().then(() => console.log(JSON.stringify(calls)));
"""


@pytest.mark.skipif(shutil.which("node") is None, reason="the comment's script is JavaScript; node runs it")
@pytest.mark.parametrize(
    ("pulls", "comments", "expected"),
    [
        ([(7, "abc")], [], ("create", {"issue_number": 7})),
        ([(6, "old"), (7, "abc")], [(1, "someone", True), (2, "github-actions[bot]", False)], ("create", {"issue_number": 7})),
        ([(7, "abc")], [(1, "someone", True), (2, "github-actions[bot]", True)], ("update", {"comment_id": 2})),
        ([(7, "newer")], [], None),
    ],
    ids=["first", "others", "edited in place", "an older commit"],
)  # fmt: skip
def test_one_comment_is_posted_and_edited_in_place(pulls, comments, expected, tmp_path):
    (step,) = [step for step in steps("comment") if "github-script" in step.get("uses", "")]
    assert f"'{MARKER}'" in step["with"]["script"]
    (tmp_path / "comment.md").write_text(f"{MARKER}\nbody")
    program = SCRIPT_TEST % {
        "pulls": json.dumps([{"number": number, "head": {"sha": sha}} for number, sha in pulls]),
        "comments": json.dumps(
            [
                {"id": number, "user": {"login": login}, "body": f"{MARKER if marked else 'x'}\nold"}
                for number, login, marked in comments
            ]
        ),
        "script": step["with"]["script"],
    }
    done = subprocess.run(
        ["node", "-e", program],
        env=os.environ | {"RUNNER_TEMP": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    calls = json.loads(done.stdout)
    assert calls[0][1] | {"state": "open"} == {
        "owner": "o", "repo": "r", "state": "open", "base": "main", "head": "fork:x';$(id)`",
    }  # fmt: skip
    posted = [(name, options) for name, options in calls if name in ("create", "update")]
    if expected is None:
        assert posted == []
        assert calls[-1][0] == "notice"
    else:
        name, where = expected
        assert posted == [(name, {"owner": "o", "repo": "r", **where, "body": f"{MARKER}\nbody"})]
