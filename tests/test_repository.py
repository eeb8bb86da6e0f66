"""The repository as a whole: packages, records, README, imports."""

import ast
import json
import re
import shlex

import pytest
from conftest import REPOSITORY
from safetensors import safe_open

from harness.boards.board import board_of, load_board
from harness.boards.compare import DEFAULT_BOARD
from harness.boards.formats import board_text
from harness.boards.papers.tables import paper_text
from harness.boards.ranking import rank
from harness.cli.group import cli
from harness.pull_request.changes import PREDICTED_WITH, SCORED_WITH, SCORER
from harness.pull_request.comment import comment_text, load_data
from harness.records.record import read_record, record_bytes, record_path
from harness.records.text import chance_band, record_text
from harness.scoring.score import SCORER_VERSION
from harness.submission.manifest import load_submission, weights_faults
from harness.tasks.splits import load_split

PACKAGES = sorted(
    path.parent
    for folder in ("baselines", "submissions")
    for path in (REPOSITORY / folder).glob("*/submission.toml")
)
RECORDS = sorted((REPOSITORY / "results").rglob("*.json"))
README = (REPOSITORY / "README.md").read_text()
# The packages that come with the kit; what others hand in may be larger, and need not stand in the README.
OURS = [
    folder
    for folder in PACKAGES
    if '"The eeg-speech-harness maintainers"' in (folder / "submission.toml").read_text()
]
READMES = [
    REPOSITORY / "README.md",
    *(REPOSITORY / "submissions" / name / "README.md" for name in ("catwavenet", "dmf2mel", "ssm2mel")),
]
README_COMMENT_BYTES = 3000

# Layers of the house, lowest first: a room imports from itself and from lower layers.
LAYERS = [
    ["errors", "files", "conventions", "npy"],
    ["git", "schemas", "features", "predictor"],
    ["corpus", "predictions", "execution", "scoring", "nn"],
    ["tasks", "records"],
    ["submission"],
    ["evaluation", "boards", "training"],
    ["page", "pull_request"],
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
    assert sum(path.stat().st_size for path in files) <= 40 * 2**20


@pytest.mark.parametrize("folder", [REPOSITORY, *OURS], ids=lambda path: path.name)
def test_commands_in_the_readme_can_be_given_as_they_stand(folder):
    commands = re.findall(r"^(?: {4}|torchrun .*)?harness (.+)$", (folder / "README.md").read_text(), re.M)
    assert commands
    for words in (shlex.split(command, comments=True) for command in commands):
        group = cli
        while words[0] in getattr(group, "commands", {}):
            group = group.commands[words.pop(0)]
        given = group.make_context(group.name, words).params
        package = REPOSITORY / given.get("submission", "")
        if given.get("variant") and package.is_dir():
            assert given["variant"] in load_submission(package).variants


@pytest.mark.parametrize("path", RECORDS, ids=lambda path: path.stem)
def test_committed_record_is_valid_and_of_this_code(path):
    record = read_record(path)
    assert path.read_bytes() == record_bytes(record)
    assert path == record_path(REPOSITORY / "results", record)
    assert record["scorer_version"] == SCORER_VERSION
    assert record["split"]["sha256"] == load_split(record["split"]["name"]).sha256
    assert record["flags"]["partial"] is False
    assert record["git"]["dirty"] is False
    if record["submission"]["kind"] == "predictions":
        return
    by_name = {folder.name: load_submission(folder) for folder in PACKAGES}
    for described in [record["submission"], *record["submission"].get("members", [])]:
        package = by_name[described["name"]]
        assert described["code_sha256"] == package.code_sha256()
        if not package.is_ensemble:
            hashes = {entry["sha256"] for entry in package.manifest.get("weights", [])}
            assert described["weights_sha256"] in hashes or (not hashes and not described["weights_sha256"])
    assert ("members" in record["submission"]) == by_name[record["submission"]["name"]].is_ensemble


@pytest.mark.parametrize("path", READMES, ids=lambda path: path.parent.name)
def test_rows_of_readmes_are_records(path):
    rows = re.findall(r"^\| (simulated|DTU) \| (\w+) \| (\w+) \| (\S+) \| .*$", path.read_text(), re.M)
    quoted = re.findall(r"^\| (?:simulated|DTU) \| .*$", path.read_text(), re.M)
    assert len(rows) == len(quoted) > 0
    for (corpus, part, feature, name), row in zip(rows, quoted, strict=True):
        board = f"dtu/dtu/{part}" if corpus == "DTU" else f"simulated/held-out-subjects/{part}"
        record = read_record(REPOSITORY / "results" / board / feature / f"{name}.json")
        low, high = record["ci95"]
        assert row == (
            f"| {corpus} | {part} | {feature} | {name} | {record['score']:.4f} |"
            f" {low:.4f} to {high:.4f} | {len(record['subjects'])} |"
            " {:.4f} to {:.4f} |".format(*chance_band(record))
        )


def test_readme_quotes_the_benchmarks():
    figures = json.loads((REPOSITORY / "benchmarks" / "figures.json").read_text())
    quoted = re.findall(r"^\| [^|]* \| ([\d.]+) \| [^|]* \| `(\w+)\.(\w+)` \|$", README, re.M)
    assert len(quoted) == 16
    for number, benchmark, name in quoted:
        assert float(number) == pytest.approx(figures[benchmark][name], rel=0.06), (benchmark, name)


def test_readme_quotes_every_systems_speed_and_memory():
    figures = json.loads((REPOSITORY / "benchmarks" / "figures.json").read_text())["systems"]
    suffix = "_seconds_of_eeg_a_second"
    measured = [name.removesuffix(suffix) for name in figures if name.endswith(suffix)]
    packages = {folder.name for folder in OURS if not load_submission(folder).is_ensemble}
    assert {name.partition("_")[0] for name in measured} == packages
    for name in measured:
        system, _, variant = name.partition("_")
        shown = system if variant == "default" else f"{system}-{variant}"
        parameters, speed, peak = (
            figures[f"{name}_{what}"] for what in ("parameters", suffix[1:], "peak_mb")
        )
        assert f"| {shown} | {parameters:,.0f} | {speed:,.3g} | {peak:,.0f} |" in README, name


def test_readme_shows_what_the_default_prints():
    makefile = (REPOSITORY / "Makefile").read_text()
    assert "\tHARNESS_DATA= $(BIN)/harness score submissions/catwavenet\n" in makefile
    assert f"\t$(BIN)/harness rank --board {DEFAULT_BOARD}\n" in makefile
    results = REPOSITORY / "results"
    said = record_text(read_record(results.joinpath(*DEFAULT_BOARD, "catwavenet-full.json"))).split("\n\n")[
        -1
    ]
    assert "\n".join(line for line in said.splitlines() if not line.startswith("predicted in")) in README
    board = load_board(results, DEFAULT_BOARD)
    shown = [entry for entry in board.entries if re.search(rf"  {re.escape(entry.system)}  ", README)]
    assert len(shown) > 20  # what others add later need not stand there
    assert board_text(rank(board_of(board.name, shown))) in README


def test_readme_shows_a_papers_table():
    assert paper_text("catwavenet", REPOSITORY / "results") in README


def test_readme_shows_a_comment():
    document = load_data(REPOSITORY / "docs" / "pull-request.json")
    assert comment_text(document, README_COMMENT_BYTES) in README


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


def test_workflow_runs_the_readmes_command():
    workflow = (REPOSITORY / ".github/workflows/check.yml").read_text()
    assert "- run: .ci/run" in workflow
    assert "make check" in (REPOSITORY / ".ci/run").read_text()
    assert "make check" in README


def test_workflows_pin_every_action_and_grant_nothing_by_default():
    for path in sorted((REPOSITORY / ".github/workflows").glob("*.yml")):
        workflow = path.read_text()
        uses = re.findall(r"uses: (\S+)", workflow)
        assert uses
        for use in uses:
            assert re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}", use), use
        assert re.search(r"^permissions:( \{\}|\n  contents: read)$", workflow, re.M), path


def test_the_pages_are_published_from_the_committed_records():
    workflow = (REPOSITORY / ".github/workflows/pages.yml").read_text()
    (folder,) = re.findall(r"harness page (\S+)$", workflow, re.M)
    assert f"path: {folder}\n" in workflow
    assert "branches: [main]" in workflow
