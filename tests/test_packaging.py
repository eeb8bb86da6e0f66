"""The wheel as its user has it: built, checked, installed beside nothing else, used outside a clone."""

import email.parser
import json
import os
import subprocess
import sys
import sysconfig
import tarfile
import tomllib
import venv
import zipfile
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from harness import __version__
from harness.corpus.simulated.make import simulate
from harness.corpus.simulated.recipe import Recipe

REPOSITORY = Path(__file__).parent.parent
TOLERANCE = 1e-9


def run(*command, folder, code=0, seconds=240, **environment):
    done = subprocess.run(
        [str(word) for word in command],
        cwd=folder,
        env={"PATH": os.environ["PATH"], "HOME": str(folder), "OMP_NUM_THREADS": "1", **environment},
        capture_output=True,
        text=True,
        timeout=seconds,
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The source archive of what git has, and the wheel that is built of it; both as `build` makes them."""
    source, out = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("dist")
    listed = subprocess.run(
        ["git", "ls-files", "-z", "harness", "splits", "baselines", "*.toml", "*.md", "LICENSE", "*.cff"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=True,
    )
    for name in filter(None, listed.stdout.split("\0")):
        if (REPOSITORY / name).is_file():  # else removed, and not committed yet
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            (source / name).write_bytes((REPOSITORY / name).read_bytes())
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", out, source, folder=source)
    (archive,), (wheel,) = out.glob("*.tar.gz"), out.glob("*.whl")
    return archive, wheel


@pytest.fixture(scope="module")
def installed(built, tmp_path_factory):
    """An environment with nothing but the wheel, and with this one's packages for what the wheel needs."""
    folder = tmp_path_factory.mktemp("packages") / "environment"  # the outer one is closed to other users
    venv.create(folder, symlinks=True, with_pip=False)
    (packages,) = folder.glob("lib/python3*/site-packages")
    (packages / "needed.pth").write_text(sysconfig.get_path("purelib") + "\n")
    command = [sys.executable, "-m", "pip", "--python", folder / "bin" / "python", "install"]
    run(*command, "--quiet", "--no-deps", "--no-index", built[1], folder=folder)
    return folder / "bin" / "harness"


@pytest.fixture(scope="module")
def simulated(tmp_path_factory):
    """A small simulated corpus, two subjects of every part."""
    folder = tmp_path_factory.mktemp("simulated") / "corpus"
    subjects = tuple(f"sub-{number:03d}" for number in (1, 2, 27, 28, 86, 87))
    small = Recipe(
        subjects=subjects, recording_seconds=62, n_train_stimuli=2, n_val_stimuli=1, n_test_stimuli=2
    )
    simulate(folder, small, jobs=1)
    return folder


@pytest.fixture
def elsewhere(tmp_path):
    """A folder that is no clone, and in none."""
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    return folder


@pytest.mark.slow
def test_the_wheel_holds_splits_baselines_and_their_weights_and_nothing_beside_the_harness(built):
    with zipfile.ZipFile(built[1]) as wheel:
        names = set(wheel.namelist())
    assert {name.split("/")[0] for name in names} == {
        "harness",
        f"eeg_speech_harness-{__version__}.dist-info",
    }
    for kind in ("splits", "baselines"):
        tracked = subprocess.run(
            ["git", "ls-files", kind], cwd=REPOSITORY, capture_output=True, text=True, check=True
        )
        assert {f"harness/shipped/{name}" for name in tracked.stdout.splitlines()} <= names
    shipped = [name for name in names if name.startswith("harness/shipped/")]
    assert not [name for name in shipped if "__pycache__" in name or "/training/" in name]
    with tarfile.open(built[0]) as source:
        below = {Path(name).parts[1] for name in source.getnames() if len(Path(name).parts) > 1}
    assert {"harness", "splits", "baselines", "README.md", "LICENSE", "pyproject.toml"} <= below
    assert below.isdisjoint({"results", "submissions", "tests"})


@pytest.mark.slow
def test_the_wheel_says_what_it_is_with_the_version_of_the_code(built):
    with zipfile.ZipFile(built[1]) as wheel:
        text = wheel.read(f"eeg_speech_harness-{__version__}.dist-info/METADATA").decode()
    said = email.parser.Parser().parsestr(text)
    assert said["Version"] == __version__
    assert said["Requires-Python"] == ">=3.11"
    needed = {line.split(";")[0].rstrip(" ") for line in said.get_all("Requires-Dist") if "extra" not in line}
    assert "torch>=2.4" in needed
    assert not [line for line in needed if "==" in line]


@pytest.mark.slow
def test_the_index_would_take_both_files(built):
    run(sys.executable, "-m", "twine", "check", "--strict", *built, folder=built[0].parent)


@pytest.mark.slow
def test_a_baseline_is_scored_by_its_name_outside_a_clone(installed, simulated, elsewhere):
    command = [installed, "score", "linear", "--data", simulated, "--part", "val", "--partial", "--jobs", "1"]
    there = run(*command, "--json", folder=elsewhere)
    (path,) = elsewhere.glob("results/simulated/held-out-subjects/val/mel/linear*.json")
    assert json.loads(there.stdout) == json.loads(path.read_text())
    here = run(
        *(sys.executable, "-m", "harness", *command[1:], "--json", "--out", elsewhere / "here"),
        folder=REPOSITORY,
        PYTHONPATH=str(REPOSITORY),
    )
    ours, theirs = json.loads(here.stdout), json.loads(there.stdout)
    assert ours["submission"] == theirs["submission"]  # the same code and weights, to the byte
    assert ours["split"] == theirs["split"]
    assert abs(ours["score"] - theirs["score"]) < TOLERANCE
    assert theirs["score"] > 0.02
    assert "reproduced" in run(installed, "verify", path, "--data", simulated, folder=elsewhere).stdout


@pytest.mark.slow
def test_what_is_here_is_listed(installed, elsewhere):
    found = json.loads(run(installed, "list", "--json", folder=elsewhere).stdout)
    systems = {one["name"]: one for one in found["systems"]}
    assert {"linear", "vlaai", "prior"} <= set(systems)
    assert "simulated mel" in systems["linear"]["weights"]
    assert {one["name"] for one in found["splits"]} == {
        path.stem for path in (REPOSITORY / "splits").glob("*.json")
    }
    assert {"simulated", "sparrkulee", "dtu"} <= {one["name"] for one in found["corpora"]}
    assert found["boards"] == []
    text = run(installed, "list", "splits", folder=elsewhere).stdout.splitlines()
    assert text[0] == "splits:"
    assert text[1].split()[:2] == ["name", "corpora"]


@pytest.mark.slow
def test_a_new_submission_is_checked_outside_a_clone(installed, simulated, elsewhere):
    run(installed, "new", "mine", folder=elsewhere)
    command = [installed, "check", "mine", "--quick", "--part", "val", "--feature", "envelope", "--partial"]
    said = run(*command, "--data", simulated, folder=elsewhere)
    assert said.stdout.splitlines()[-1] == "mine can be scored"


@pytest.mark.slow
def test_a_baseline_of_the_installed_harness_is_not_trained_in_place(installed, elsewhere):
    said = run(installed, "train", "linear", folder=elsewhere, code=2).stderr
    shipped = installed.parent.parent / "lib" / f"python{sys.version_info[0]}.{sys.version_info[1]}"
    folder = shipped / "site-packages" / "harness" / "shipped" / "baselines" / "linear"
    assert said == (
        f"error: {folder}: came with the installed harness, whose files stay as they are, expected a"
        f" submission folder of your own.\n  Copy it, and name the copy: cp -r {folder} ./linear\n"
    )


@pytest.mark.slow
def test_of_a_name_that_nothing_has_the_nearest_is_named(installed, elsewhere):
    said = run(installed, "score", "linaer", folder=elsewhere, code=1).stderr
    assert said == (
        "error: linaer: no such file or folder, expected a submission folder, or predictions (.zip, .npz, or"
        " a folder of sub-*.json).\n  Did you mean 'linear'?\n"
    )


@pytest.mark.slow
def test_a_path_that_is_written_as_one_is_not_taken_for_a_name(installed, elsewhere):
    said = run(installed, "score", "./linear", folder=elsewhere, code=1).stderr
    assert said.startswith("error: linear: no such file or folder, expected a submission folder")


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_notebooks_run_outside_a_clone(installed, elsewhere):
    for path in (REPOSITORY / "docs/notebooks").glob("*.ipynb"):
        (elsewhere / path.name).write_bytes(path.read_bytes())
    command = [installed.parent / "python", "-m", "pytest", "--nbmake", "-q", "-p", "no:cacheprovider"]
    said = run(*command, elsewhere, folder=elsewhere, seconds=800).stdout
    assert "3 passed" in said.splitlines()[-1], said


def test_every_python_that_is_declared_is_run_by_ci():
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    declared = {one.split(" :: ")[-1] for one in project["classifiers"] if "Python :: 3." in one}
    jobs = YAML(typ="safe").load(REPOSITORY / ".github/workflows/check.yml")["jobs"]
    (first,) = (
        step["with"]["python-version"]
        for step in jobs["check"]["steps"]
        if "python-version" in step.get("with", {})
    )
    assert (
        {first, *jobs["python"]["strategy"]["matrix"]["python"]}
        == declared
        == {"3.11", "3.12", "3.13", "3.14"}
    )
    assert project["requires-python"] == ">=3.11"


def test_who_cites_the_kit_cites_this_version():
    cited = YAML(typ="safe").load(REPOSITORY / "CITATION.cff")
    deposit = json.loads((REPOSITORY / ".zenodo.json").read_text())
    assert cited["version"] == __version__
    assert cited["title"] == deposit["title"]
    assert [author["name"] for author in cited["authors"]] == [one["name"] for one in deposit["creators"]]
    assert cited["license"] == deposit["license"] == "MIT"


def test_the_citation_is_valid_by_the_formats_own_schema(tmp_path):
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.citation-file-format"]
    run(*command, REPOSITORY / "CITATION.cff", folder=tmp_path)
    text = (REPOSITORY / "CITATION.cff").read_text()
    (tmp_path / "CITATION.cff").write_text(text.replace("license: MIT", "license: mine"))
    assert "license" in run(*command, tmp_path / "CITATION.cff", folder=tmp_path, code=1).stdout
