"""The configuration that EvalAI reads, and its evaluation script called as EvalAI's worker calls it."""

import io
import json
import zipfile
from dataclasses import replace

import pytest
from ruamel.yaml import YAML

from harness.errors import HostingError
from harness.evaluation.evaluate import evaluate_predictions
from harness.hosting import evaluate as script
from harness.hosting.evalai import codename, write_evalai

# What a worker does with the unpacked script: import the package, call evaluate, and print what it gives.
WORKER = """\
import json, sys
sys.path.insert(0, "/app")
from evaluation_script import evaluate
try:
    print(json.dumps(evaluate(*sys.argv[1:], submission_metadata={"id": 1})))
except Exception as error:
    sys.exit(f"{type(error).__name__}: {error}")
"""


@pytest.fixture(scope="session")
def bundle(tmp_path_factory, challenge):
    """The whole archive, with its wheels."""
    path = tmp_path_factory.mktemp("evalai") / "challenge.zip"
    write_evalai(path, challenge)
    return path


@pytest.mark.slow
def test_evaluate_gives_the_records_number_without_the_kit_and_without_a_network(
    bundle, hosted_task, handed_in, tmp_path, contained
):
    with zipfile.ZipFile(bundle) as outer:
        inner = zipfile.ZipFile(io.BytesIO(outer.read("evaluation_script.zip")))
        inner.extractall(tmp_path / "evaluation_script")
        outer.extract("annotations/references.zip", tmp_path)
    (tmp_path / "submission 1.zip").write_bytes((handed_in / "predictions.zip").read_bytes())
    (tmp_path / "worker.py").write_text(WORKER)
    command = [
        "python3",
        "/app/worker.py",
        "/app/annotations/references.zip",
        "/app/submission 1.zip",
        "open",
    ]
    ran = contained(command, tmp_path, "annotations")
    assert (ran.returncode, ran.stderr) == (0, "")
    given = json.loads(ran.stdout)
    record = evaluate_predictions(handed_in / "predictions.zip", hosted_task)
    expected = {"r": record.score, "r_low": record.ci95[0], "r_high": record.ci95[1]}
    assert given["result"] == [{"test": pytest.approx(expected, abs=1e-12, rel=0)}]
    assert json.loads(given["submission_result"]) == given["result"][0]["test"]
    (tmp_path / "broken.zip").write_bytes(b"no zip")
    ran = contained([*command[:3], "/app/broken.zip", "open"], tmp_path, "annotations")
    assert ran.returncode == 1
    assert ran.stderr.startswith("ValueError: Not scored. What was handed in cannot be used:")
    ran = contained([*command[:4], "final"], tmp_path, "annotations")
    assert ran.stderr == "RuntimeError: phase 'final', expected 'open': tell the organisers\n"


def test_configuration_names_files_that_are_there_and_ids_that_fit(without_wheels, challenge, tmp_path):
    for name in ("one.zip", "two.zip"):
        write_evalai(tmp_path / name, challenge)
    assert (tmp_path / "one.zip").read_bytes() == (tmp_path / "two.zip").read_bytes()
    with zipfile.ZipFile(tmp_path / "one.zip") as archive:
        names = archive.namelist()
        said = YAML(typ="safe").load(archive.read("challenge_config.yaml"))
        description = archive.read("templates/description.html").decode()
        inner = zipfile.ZipFile(io.BytesIO(archive.read("evaluation_script.zip")))
        task = json.loads(inner.read("task.json"))
    assert [name for name in names if name.endswith((".yaml", ".yml"))] == ["challenge_config.yaml"]
    pages = ("description", "evaluation_details", "terms_and_conditions", "submission_guidelines")
    (phase,) = said["challenge_phases"]
    named = [said[key] for key in (*pages, "image", "evaluation_script")]
    named += [phase["description"], phase["test_annotation_file"]]
    assert set(named) <= set(names)
    assert all(said[key].endswith(".html") for key in pages)
    assert "A challenge: one &amp; two" in description
    (board,) = said["leaderboard"]
    assert board["schema"]["labels"] == ["r", "r_low", "r_high"]
    assert board["schema"]["default_order_by"] == "r"
    assert board["schema"]["metadata"]["r"]["sort_ascending"] is False
    (link,) = said["challenge_phase_splits"]
    assert link["challenge_phase_id"] == phase["id"]
    assert link["leaderboard_id"] == board["id"]
    assert link["dataset_split_id"] == said["dataset_splits"][0]["id"]
    assert (task["phase"], task["phase_split"]) == (phase["codename"], said["dataset_splits"][0]["codename"])
    assert (phase["max_submissions_per_day"], phase["max_submissions"]) == (5, 100)
    assert phase["start_date"] == "2026-09-01 00:00:00"
    assert {"__init__.py", "main.py", "start.py"} <= set(inner.namelist())


def test_title_that_evalai_has_no_room_for_is_refused(without_wheels, challenge, tmp_path):
    with pytest.raises(HostingError, match="--title: 101 characters"):
        write_evalai(tmp_path / "c.zip", replace(challenge, title="x" * 101))


def test_worker_without_the_right_python_is_told_the_organisers(monkeypatch):
    monkeypatch.setattr(script.shutil, "which", lambda name: None)
    with pytest.raises(RuntimeError, match=r"no Python 3\.99 on this worker"):
        script._python("3.99")


@pytest.mark.parametrize(
    ("name", "short"), [("Final phase 2", "final-phase-2"), ("é", "phase"), ("a_b", "a-b")]
)
def test_codename_of_a_phase(name, short):
    assert codename(name) == short


def test_command_writes_a_challenge(without_wheels, harness, handed_in, tmp_path):
    (tmp_path / "terms.md").write_text("Be kind.\n\nBe <exact>.\n")
    code, out, err = harness(
        "host", "evalai", "c.zip", "--labels", handed_in / "labels.zip", "--terms", "terms.md", "--title", "T"
    )
    assert code == 0, err
    assert "needs the image python:3." in out
    with zipfile.ZipFile("c.zip") as archive:
        assert b"<p>Be &lt;exact&gt;.\n</p>" in archive.read("templates/terms_and_conditions.html")
