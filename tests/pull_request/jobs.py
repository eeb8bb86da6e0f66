"""The jobs of the workflows, run as they stand there on a small repository."""

import os
import shutil
import subprocess
import sys

from conftest import REPOSITORY
from repository_fixtures import EDITOR, OFFICIAL, Repository
from ruamel.yaml import YAML

FOLDER = REPOSITORY / ".github" / "workflows"
FILES = sorted(FOLDER.glob("*.yml"))


def workflow(name):
    return YAML(typ="safe", pure=True).load(FOLDER / f"{name}.yml")


def steps(name):
    return [step for job in workflow(name)["jobs"].values() for step in job["steps"]]


def command(name, what):
    (found,) = [step for step in steps(name) if what in step.get("run", "")]
    return found


def script(name, what, folder, runner, **environment):
    """Run a step's script as it stands in a workflow, with the shell that GitHub runs it in."""
    step = command(name, what)
    runner.mkdir(exist_ok=True)
    place = folder / step.get("working-directory", ".")
    return subprocess.run(
        ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]],
        cwd=place,
        env=os.environ | EDITOR | {"HARNESS_DATA": str(OFFICIAL), "RUNNER_TEMP": str(runner)} | environment,
        capture_output=True,
        text=True,
    )


def install(folder):
    """What `make install` leaves: the command, with this repository's code as that of the folder."""
    command_ = folder / ".venv/bin/harness"
    command_.parent.mkdir(parents=True)
    command_.write_text(
        f"#!{sys.executable}\nimport sys\nsys.path.insert(0, {str(REPOSITORY)!r})\n"
        "from harness.cli.main import main\nmain()\n"
    )
    command_.chmod(0o755)


def check_out_merge(upstream, folder, commit):
    """What rank.yml's jobs check out: the commit merged into main."""
    upstream.git("clone", "--quiet", str(upstream.folder), str(folder))
    pull = Repository(folder)
    pull.git("fetch", "--quiet", "origin", commit)
    pull.git("checkout", "--quiet", "--detach", "origin/main")
    pull.git("merge", "--quiet", "--no-ff", "-m", "Merge", commit)
    return pull


def run_predict(upstream, commit, tmp_path):
    """The job `predict` of rank.yml; gives the folder that its artifact holds."""
    folder = tmp_path / "predict"
    check_out_merge(upstream, folder / "pull", commit)
    assert script("rank", "worktree add", folder, tmp_path / "runner-1").returncode == 0
    install(folder / "base")
    done = script("rank", "--predictions-out", folder, tmp_path / "runner-1")
    assert done.returncode == 0, done.stderr
    return tmp_path / "runner-1/predictions"


def run_own(upstream, commit, tmp_path):
    """The job `own` of rank.yml; gives the folder that its artifact holds, None where it does nothing."""
    folder, output = tmp_path / "own", tmp_path / "output"
    check_out_merge(upstream, folder, commit)
    output.touch()
    done = script("rank", "edited=true", folder, tmp_path / "runner-2", GITHUB_OUTPUT=str(output))
    assert done.returncode == 0, done.stderr
    if output.read_text() != "edited=true\n":
        return None
    install(folder)
    (folder / ".git/info/exclude").write_text(".venv/\n")
    done = script("rank", "--out", folder, tmp_path / "runner-2")
    assert done.returncode in (0, 1), done.stderr
    return tmp_path / "runner-2/own"


def run_rank(upstream, commit, tmp_path, left):
    """The job `rank` of comment.yml, on what the artifacts hold; gives the folder of its results."""
    folder, runner = tmp_path / "rank", tmp_path / "runner-3"
    upstream.git("clone", "--quiet", str(upstream.folder), str(folder / "base"))
    done = script("comment", "worktree add", folder, runner, HEAD_SHA=commit)
    assert done.returncode == 0, done.stderr
    install(folder / "base")
    for name, source in left.items():
        if source is not None and source.exists():
            shutil.copytree(source, runner / "left" / name, symlinks=True)
    done = script("comment", "harness rank", folder, runner)
    assert (done.returncode, "Traceback" in done.stderr) == (0, False), done.stderr
    return runner / "ranking"


def run_comment(ranking, tmp_path):
    """The command of comment.yml, in this repository, on data that lie where the artifact would."""
    (tmp_path / "runner/ranking").mkdir(parents=True)
    shutil.copy(ranking / "data.json", tmp_path / "runner/ranking/data.json")
    run = command("comment", "harness comment")["run"].replace("python ", f'"{sys.executable}" ', 1)
    return subprocess.run(
        ["bash", "-e", "-c", run],
        cwd=REPOSITORY,
        env=os.environ | {"RUNNER_TEMP": str(tmp_path / "runner")},
        capture_output=True,
        text=True,
    )
