"""The repository as a whole: packages, records, README, imports."""

import ast
import json
import re

import pytest
from conftest import REPOSITORY
from safetensors import safe_open

from harness.console import chance_band
from harness.records import read_record, record_bytes, record_path
from harness.scoring import SCORER_VERSION
from harness.splits import load_split
from harness.submission import load_submission, weights_faults

PACKAGES = sorted(
    path.parent
    for folder in ("baselines", "submissions")
    for path in (REPOSITORY / folder).glob("*/submission.toml")
)
RECORDS = sorted((REPOSITORY / "results").rglob("*.json"))
README = (REPOSITORY / "README.md").read_text()

# Layers of the house, lowest first: a module imports from its own layer and those below.
LAYERS = [
    ["errors", "conventions"],
    ["validation", "files", "provenance"],
    ["splits", "features", "scoring", "statistics", "chance"],
    ["corpus"],
    ["segments", "predictor", "nn"],
    ["predictions", "isolation", "records", "submission"],
    ["task", "training", "ensemble"],
    ["evaluation", "description", "leaderboard"],
    ["checking", "scaffold"],
    ["console", "options"],
    ["board_tables", "changes", "comparison", "papers", "verification"],
    ["history", "packages", "ranking_comment"],
    ["board_changes"],
    ["pull_request"],
    ["page"],
    ["cli"],
    ["__main__"],
]


@pytest.mark.parametrize("folder", PACKAGES, ids=lambda path: path.name)
def test_package_is_valid_named_as_its_folder_and_documented(folder):
    submission = load_submission(folder)
    assert submission.name == folder.name
    assert weights_faults(submission) == []
    assert (folder / "README.md").is_file()
    for entry in submission.manifest.get("weights", []):
        assert (folder / entry["file"]).stat().st_size <= 2 * 2**20, entry["file"]
        training = json.loads((folder / entry["training"]).read_text())
        with safe_open(folder / entry["file"], "np") as weights:
            said = weights.metadata() or {}
        assert (training["recipe"] or {}).get("config") == (
            json.loads(said["config"]) if "config" in said else None
        )


def test_the_repositorys_weights_are_small():
    assert sum(path.stat().st_size for path in REPOSITORY.glob("*/*/weights/*.safetensors")) <= 40 * 2**20


@pytest.mark.parametrize("path", RECORDS, ids=lambda path: path.stem)
def test_committed_record_is_valid_and_of_this_code(path):
    record = read_record(path)
    assert path.read_bytes() == record_bytes(record)
    assert path == record_path(REPOSITORY / "results", record)
    assert record["scorer_version"] == SCORER_VERSION
    assert record["split"]["sha256"] == load_split(record["split"]["name"]).sha256
    assert record["flags"]["partial"] is False
    assert record["git"]["dirty"] is False
    packages = [load_submission(folder) for folder in PACKAGES]
    by_name = {p.name: p for p in packages}
    for described in [record["submission"], *record["submission"].get("members", [])]:
        package = by_name[described["name"]]
        assert described["code_sha256"] == package.code_sha256()
        if not package.is_ensemble:
            hashes = {entry["sha256"] for entry in package.manifest["weights"]}
            assert described["weights_sha256"] in hashes
    assert ("members" in record["submission"]) == by_name[record["submission"]["name"]].is_ensemble


@pytest.mark.parametrize("path", RECORDS, ids=lambda path: path.stem)
def test_readme_quotes_the_record(path):
    record = read_record(path)
    low, high = record["ci95"]
    name = "simulated" if record["corpus"]["kind"] == "simulated" else "DTU"
    row = (
        f"| {name} | {record['split']['part']} | {record['feature']} | {path.stem} |"
        f" {record['score']:.4f} |"
        f" {low:.4f} to {high:.4f} | {len(record['subjects'])} |"
        " {:.4f} to {:.4f} |".format(*chance_band(record))
    )
    assert row in README


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
    packages = {
        load_submission(folder).name for folder in PACKAGES if not load_submission(folder).is_ensemble
    }
    assert {name.partition("_")[0] for name in measured} == packages
    for name in measured:
        system, _, variant = name.partition("_")
        shown = system if variant == "default" else f"{system}-{variant}"
        parameters, speed, peak = (
            figures[f"{name}_{what}"] for what in ("parameters", suffix[1:], "peak_mb")
        )
        assert f"| {shown} | {parameters:,.0f} | {speed:,.3g} | {peak:,.0f} |" in README, name


def test_readme_shows_what_the_default_prints():
    from harness.console import record_text

    path = REPOSITORY / "results/simulated/held-out-subjects/test/mel/linear.json"
    shown = record_text(read_record(path)).partition("\npredicted in")[0]
    assert shown in README


def test_imports_run_one_way():
    layer = {name: index for index, names in enumerate(LAYERS) for name in names}
    wrong = []
    for path in sorted((REPOSITORY / "harness").rglob("*.py")):
        relative = path.relative_to(REPOSITORY / "harness")
        if relative.parts[0] in ("templates", "__init__.py"):
            continue
        own = relative.parts[0].removesuffix(".py")
        for node in ast.walk(ast.parse(path.read_text())):
            names = []
            if isinstance(node, ast.ImportFrom) and node.module:
                names = [node.module]
                if node.module == "harness":
                    names = [f"harness.{alias.name}" for alias in node.names]
            elif isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            for name in names:
                parts = name.split(".")
                if parts[0] == "harness" and len(parts) > 1 and layer.get(parts[1], 0) > layer[own]:
                    wrong.append(f"{relative} imports {name}")
    assert wrong == []


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
