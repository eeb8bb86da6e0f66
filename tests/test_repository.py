"""The repository as a whole: packages, records, imports, workflows."""

import ast
import json
import re

import pytest
from conftest import REPOSITORY
from safetensors import safe_open

from harness.pull_request.changes import PREDICTED_WITH, SCORED_WITH, SCORER
from harness.records.document import record_bytes
from harness.records.store import read_record, record_path
from harness.scoring.score import SCORER_VERSION
from harness.submission.manifest import load_submission, weights_faults
from harness.tasks.splits import load_split

PACKAGES = sorted(
    path.parent
    for folder in ("baselines", "submissions")
    for path in (REPOSITORY / folder).glob("*/submission.toml")
)
RECORDS = sorted((REPOSITORY / "results").rglob("*.json"))
# The packages that come with the kit; what others hand in may be larger.
OURS = [
    folder
    for folder in PACKAGES
    if '"The eeg-speech-harness maintainers"' in (folder / "submission.toml").read_text()
]
# Layers of the house, lowest first: a room imports from itself and from lower layers.
LAYERS = [
    ["errors", "files", "conventions", "npy", "shipped"],
    ["git", "schemas", "features", "predictor"],
    ["corpus", "predictions", "execution", "scoring", "nn", "jobs"],
    ["tasks", "records", "preprocessing"],
    ["submission"],
    ["evaluation", "boards", "training"],
    ["page", "figures", "pull_request", "api", "queue", "rescoring", "hosting"],
    ["hub"],
    ["cli"],
    ["__main__"],
]


@pytest.mark.parametrize("folder", PACKAGES, ids=lambda path: path.name)
def test_package_is_valid_named_as_its_folder_and_documented(folder):
    submission = load_submission(folder)
    assert submission.name == folder.name
    assert weights_faults(submission) == []
    assert (folder / "README.md").is_file()


@pytest.mark.parametrize("folder", OURS, ids=lambda path: path.name)
def test_our_weights_are_small_and_their_training_says_which_net(folder):
    for entry in load_submission(folder).manifest.get("weights", []):
        assert (folder / entry["file"]).stat().st_size <= 2 * 2**20, entry["file"]
        training = json.loads((folder / entry["training"]).read_text())
        with safe_open(folder / entry["file"], "np") as weights:
            said = weights.metadata() or {}
        config = json.loads(said["config"]) if "config" in said else None
        assert (training["recipe"] or {}).get("config") == config


def test_our_weights_together_are_small():
    files = [path for folder in OURS for path in folder.glob("weights/*.safetensors")]
    assert len(files) >= 39
    assert sum(path.stat().st_size for path in files) <= 64 * 10**6


@pytest.mark.slow
@pytest.mark.parametrize("path", RECORDS, ids=lambda path: path.stem)
def test_committed_record_is_valid_and_of_this_code(path):
    record = read_record(path)
    assert path.read_bytes() == record_bytes(record)
    assert path == record_path(REPOSITORY / "results", record)
    assert record.scorer_version == SCORER_VERSION
    assert record.split.sha256 == load_split(record.split.name).sha256
    assert record.flags.partial is False
    assert record.git.dirty is False
    if record.submission.kind == "predictions":
        return
    by_name = {folder.name: load_submission(folder) for folder in PACKAGES}
    for described in [record.submission, *record.submission.members]:
        package = by_name[described.name]
        assert described.code_sha256 == package.code_sha256()
        if not package.is_ensemble:
            hashes = {entry["sha256"] for entry in package.manifest.get("weights", [])}
            assert described.weights_sha256 in hashes or (not hashes and not described.weights_sha256)
    assert bool(record.submission.members) == by_name[record.submission.name].is_ensemble


def test_imports_run_one_way():
    layer = {name: index for index, names in enumerate(LAYERS) for name in names}
    wrong = []
    for path in sorted((REPOSITORY / "harness").rglob("*.py")):
        relative = path.relative_to(REPOSITORY / "harness")
        own = relative.parts[0].removesuffix(".py")
        if own == "__init__" or "template" in relative.parts:
            continue
        others = [other for other in rooms_imported(path) if other != own]
        wrong += [f"{relative} imports {other}" for other in others if layer[other] >= layer[own]]
    assert wrong == []


def rooms_imported(path):
    """The modules and folders of the house that a file imports from, once an import."""
    for node in ast.walk(ast.parse(path.read_text())):
        names = []
        if isinstance(node, ast.ImportFrom) and node.module == "harness":
            names = [f"harness.{alias.name}" for alias in node.names if not alias.name.startswith("__")]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        for name in names:
            if name.startswith("harness."):
                yield name.split(".")[1]


def test_what_scores_rest_on_is_there_and_complete():
    listed = {SCORER, *SCORED_WITH, *PREDICTED_WITH}
    assert [place for place in listed if not (REPOSITORY / place).exists()] == []
    # What the modules that score and predict import, and what those import, decides scores, but for these.
    silent = {"errors", "files", "git", "schemas"}
    seen, waiting = set(), ["evaluation", "execution", "nn"]
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        path = REPOSITORY / "harness" / name
        for file in sorted(path.rglob("*.py")) or [path.with_suffix(".py")]:
            waiting += rooms_imported(file)
    rests_on = {place.removeprefix("harness/").removesuffix(".py") for place in listed}
    assert seen - silent == rests_on


def test_every_module_has_a_layer():
    named = {name for names in LAYERS for name in names}
    found = {
        path.name.removesuffix(".py")
        for path in (REPOSITORY / "harness").iterdir()
        if (path.suffix == ".py" and path.name != "__init__.py")
        or (path.is_dir() and (path / "__init__.py").is_file())
    }
    assert found == named


# Nouns that messages count; `harness.errors.counted` says "1 subject" and "2 subjects", `some_of` "1 of 2 subjects is".
COUNTED = (
    "band channel crop epoch file frame member name record recording sample segment step subject system word"
)
# What is never one: limits of the kit, and three parts' samples at once.
NEVER_ONE = re.compile(r"n_frames = $")
LIMITS = {"MOST_SUBJECTS", "MAX_FILES", "LEAST_SAMPLES", "self.limits.files", "samples", "widest"}


def test_what_messages_count_has_its_number():
    wrong = re.compile(r"\{([^{}:!]+)\} (" + COUNTED.replace(" ", "|") + r")s\b")
    found = [
        f"{path.relative_to(REPOSITORY)}: {line.strip()}"
        for path in sorted((REPOSITORY / "harness").rglob("*.py"))
        for line in path.read_text().splitlines()
        for match in wrong.finditer(line)
        if 'f"' in line and match[1] not in LIMITS and not NEVER_ONE.search(line[: match.start()])
    ]
    assert found == []


def test_workflow_runs_the_readmes_command():
    workflow = (REPOSITORY / ".github/workflows/check.yml").read_text()
    assert "- run: .ci/run" in workflow
    run = (REPOSITORY / ".ci/run").read_text()
    assert re.findall("^make .*$", run, re.M) == ["make check-all"]
    assert "git status --porcelain" in run.partition("\nmake check-all\n")[2]
    assert "make check-all" in (REPOSITORY / "README.md").read_text()


def test_every_test_is_run_by_check_all_and_only_slow_ones_are_left_out_of_check():
    commands = re.findall(r"^\t(\$\(BIN\)/pytest.*)$", (REPOSITORY / "Makefile").read_text(), re.M)
    assert commands == ["$(BIN)/pytest -m 'not slow'", "$(BIN)/pytest"]


def test_workflows_pin_every_action_and_grant_nothing_by_default():
    for path in sorted((REPOSITORY / ".github/workflows").glob("*.yml")):
        workflow = path.read_text()
        uses = re.findall(r"\buses: (\S+)", workflow)
        assert uses
        for use in uses:
            assert re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}", use), use
        assert re.search(r"^permissions:( \{\}|\n  contents: read)$", workflow, re.M), path


def test_the_pages_are_published_from_the_committed_records():
    workflow = (REPOSITORY / ".github/workflows/pages.yml").read_text()
    (folder,) = re.findall(r"harness page (\S+)$", workflow, re.M)
    assert f"path: {folder}\n" in workflow
    assert "branches: [main]" in workflow


# What follows a command in a text without being a path or a name that a user chose.
NO_PATH = {"seed", "run", "trained_on", "_options(challenge)", "where", "word"}
NO_PATH |= {"feature", "variant", "entry['feature']"}


@pytest.mark.slow
def test_a_command_that_a_user_is_told_can_be_copied_whatever_the_folder_is_called():
    """`harness queue work boîte à lettres` is three words: paths in commands are quoted."""
    bare = []
    for path in sorted((REPOSITORY / "harness").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            before = ""
            for part in node.values if isinstance(node, ast.JoinedStr) else ():
                if isinstance(part, ast.Constant):
                    before += part.value
                    continue
                said = ast.unparse(part.value)
                is_word = re.search(r"(harness [a-z-]+|\bcp -r|\bhf upload)( [A-Za-z./-]+| \0)* $", before)
                if is_word and not said.startswith("quoted(") and said not in NO_PATH:
                    bare.append(f"{path.name}, line {node.lineno}: {said}")
                before += "\0"
    assert not bare
