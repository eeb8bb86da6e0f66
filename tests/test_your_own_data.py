"""docs/your-own-data.md: its files and commands, from top to bottom, on a small made corpus."""

import re
import shlex
import shutil
import subprocess

import pytest
from conftest import REPOSITORY
from own_corpus import make_arrays

from harness.schemas.validate import schema

PAGE = (REPOSITORY / "docs" / "your-own-data.md").read_text()
# A fenced block, its language, and the file that the line before it names, where it does.
BLOCK = re.compile(r"(?:`(?P<file>[^`]+)`:\n\n)?```(?P<kind>\w+)\n(?P<text>.*?)```", re.DOTALL)


@pytest.fixture
def fork(tmp_path, monkeypatch):
    """A repository with the package that the page trains, and the recordings that it speaks of."""
    make_arrays(tmp_path / "my-lab")
    shutil.copytree(
        REPOSITORY / "baselines/dprnn",
        tmp_path / "baselines/dprnn",
        ignore=shutil.ignore_patterns("weights", "training", "__pycache__"),
    )
    manifest = tmp_path / "baselines/dprnn/submission.toml"
    manifest.write_text(manifest.read_text().partition("[[weights]]")[0])
    (tmp_path / "splits").mkdir()
    for name in ("GIT_AUTHOR", "GIT_COMMITTER"):
        monkeypatch.setenv(f"{name}_NAME", "A Test")
        monkeypatch.setenv(f"{name}_EMAIL", "test@example.org")
    subprocess.run(["git", "init", "--quiet"], cwd=tmp_path, check=True)
    return tmp_path


@pytest.mark.slow
def test_the_page_works_from_top_to_bottom(harness, fork):
    said = {}
    last = ""
    for block in BLOCK.finditer(PAGE):
        if block["kind"] in ("toml", "json"):
            (fork / block["file"]).write_text(block["text"])
        elif block["kind"] == "text":
            assert last == block["text"]
        else:
            for line in block["text"].splitlines():
                said[line] = last = _run(harness, fork, line)
    board = said["harness rank --board my-lab/my-lab/test/envelope"]
    assert re.findall(r"^\d .*?(dprnn|my-model|theirs) ", board, re.M)[0] == "dprnn"
    assert "my-lab, split my-lab, part test, feature envelope: 3 systems, 3 subjects" in board
    comment = said["harness comment ranking.json"]
    assert comment == said["harness rank --changed-since HEAD^ --data my-lab --out ranking.json"]
    assert re.search(r"^\| \d.* \| `my-model` \| .* \| scored now, \w+ \|$", comment, re.M)
    assert re.search(r"^\| 1 \(1 to 3\) \| = .* \| `dprnn` \| .* \| from record \|$", comment, re.M)
    assert (fork / "site/index.html").is_file()
    assert (fork / "elsewhere/my-lab/from-labels/test/envelope/theirs.json").is_file()


def test_the_page_names_every_key_of_a_declaration():
    known = {
        *schema("corpus")["properties"],
        *(f"channels.{key}" for key in schema("corpus")["properties"]["channels"]["properties"]),
        *(f"eeg.{key}" for key in schema("corpus")["properties"]["eeg"]["properties"]),
    }
    named = {key.replace(".NAME", "") for key in re.findall(r"^\| `([\w.]+)`", PAGE, re.M)}
    feature = schema("corpus")["properties"]["features"]["additionalProperties"]["properties"]
    assert named <= known | {f"features.{key}" for key in feature}


def _run(harness, folder, line):
    """Run a line of the page, in this process where it is the harness's; gives what it answered."""
    if line.startswith("harness "):
        code, out, err = harness(*shlex.split(line)[1:])
        assert code == 0, f"{line}\n{out}{err}"
        return out
    done = subprocess.run(line, shell=True, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{line}\n{done.stderr}"
    return done.stdout
