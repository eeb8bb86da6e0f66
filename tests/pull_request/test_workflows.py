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
from jobs import FILES, FOLDER, run_comment, run_own, run_predict, run_rank, steps, workflow
from repository_fixtures import BOARD, SYSTEMS

from harness.pull_request.comment import MARKER


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


def test_jobs_that_run_a_pull_requests_code_can_only_read():
    document = workflow("rank")
    assert list(document["on"]) == ["pull_request"]
    assert document["permissions"] == {}
    assert [job["permissions"] for job in document["jobs"].values()] == [{"contents": "read"}] * 2
    text = (FOLDER / "rank.yml").read_text()
    assert "secrets" not in text
    assert "token" not in text


def test_jobs_that_score_and_post_run_no_code_of_a_pull_request():
    document = workflow("comment")
    assert list(document["on"]) == ["workflow_run"]
    assert document["on"]["workflow_run"]["workflows"] == [workflow("rank")["name"]]
    assert {name: job["permissions"] for name, job in document["jobs"].items()} == {
        "rank": {"actions": "read", "contents": "read"},
        "comment": {"contents": "read", "pull-requests": "write", "statuses": "write"},
    }
    for step in steps("comment"):
        used, given = step.get("uses", ""), step.get("with", {})
        if used.startswith("actions/checkout@"):
            assert "ref" not in given  # the default branch
        if "download-artifact" in used:
            assert given["path"].startswith("${{ runner.temp }}/")  # never over the code
        for name in step.get("run", "").split():
            assert not name.startswith((".venv/", "pull/"))  # the base's installation only


def test_what_one_workflow_leaves_the_other_takes():
    left = [step["with"]["name"] for step in steps("rank") if "upload-artifact" in step.get("uses", "")]
    assert left == ["predictions", "own"]
    taken, ranking = (
        step["with"] for step in steps("comment") if "download-artifact" in step.get("uses", "")
    )
    assert taken["pattern"] == f"{{{','.join(left)}}}"
    (made,) = [step["with"] for step in steps("comment") if "upload-artifact" in step.get("uses", "")]
    assert ranking["name"] == made["name"] == "ranking"
    assert "run-id" in taken
    assert "run-id" not in ranking  # of this run, where nobody else leaves anything


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
        "- `edits the split small-split (splits/small-split.json): the rows here are of the base's split`",
    ),
    "the scorer": (
        lambda fork: fork.write("harness/scoring/score.py", "SCORER_VERSION = 2\n"),
        0,
        "- `edits the scorer (harness/scoring/score.py), SCORER_VERSION 1 becomes 2: the rows here are of the base's code`",
    ),
    "a name that is taken": (
        lambda fork: fork.add_system("submissions/alpha", "eeg[:, :, : self.n_bands]"),
        1,
        "- `two submissions named alpha: submissions/alpha and baselines/alpha; the first is refused,",
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("what", CHANGES)
def test_the_jobs_together_say_what_a_fork_changed(what, upstream, pulled, fork, tmp_path):
    change, stopped, expected = CHANGES[what]
    change(fork)
    commit = pulled()
    left = {
        "predictions": run_predict(upstream, commit, tmp_path),
        "own": run_own(upstream, commit, tmp_path),
    }
    assert (left["own"] is not None) == (what == "the scorer")
    ranking = run_rank(upstream, commit, tmp_path, left)
    commented = run_comment(ranking, tmp_path)
    assert (commented.returncode, commented.stderr) == (0, "")
    comment = (tmp_path / "runner/comment.md").read_text()
    assert comment == (ranking / "boards.md").read_text()
    assert expected in comment
    assert ("**Must be fixed**" in comment) == bool(stopped)
    assert BOARD.split("/")[1] in comment
    assert ("#### The word of the pull request's own code" in comment) == (what == "the scorer")


def test_data_that_a_hostile_job_left_are_not_posted(tmp_path):
    (tmp_path / "data.json").write_text('{"version": 2, "body": "@everyone"}')
    done = run_comment(tmp_path, tmp_path)
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
    repos: { createCommitStatus: record('status') },
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
    ("pulls", "comments", "stop", "expected"),
    [
        ([(7, "abc")], [], False, ("create", {"issue_number": 7})),
        ([(6, "old"), (7, "abc")], [(1, "someone", True), (2, "github-actions[bot]", False)], False, ("create", {"issue_number": 7})),
        ([(7, "abc")], [(1, "someone", True), (2, "github-actions[bot]", True)], True, ("update", {"comment_id": 2})),
        ([(7, "newer")], [], False, None),
    ],
    ids=["first", "others", "edited in place", "an older commit"],
)  # fmt: skip
def test_one_comment_is_posted_and_edited_in_place(pulls, comments, stop, expected, tmp_path):
    (step,) = [step for step in steps("comment") if "github-script" in step.get("uses", "")]
    assert f"'{MARKER}'" in step["with"]["script"]
    (tmp_path / "comment.md").write_text(f"{MARKER}\nbody")
    (tmp_path / "ranking").mkdir()
    (tmp_path / "ranking/data.json").write_text(json.dumps({"remarks": [{"stop": stop}]}))
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
        (status,) = [options for called, options in calls if called == "status"]
        assert (status["sha"], status["context"]) == ("abc", "boards")
        assert status["state"] == ("failure" if stop else "success")
