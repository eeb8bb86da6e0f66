"""The bundle: what Codabench's unpacker asks of it, and its scoring program run as Codabench runs it."""

import io
import json
import zipfile
from dataclasses import replace
from datetime import datetime

import numpy as np
import pytest
from own_corpus import make_own_corpus, write_split
from ruamel.yaml import YAML

from harness.errors import HostingError
from harness.evaluation.evaluate import evaluate_predictions
from harness.files import file_sha256
from harness.hosting.challenge import Challenge
from harness.hosting.codabench import write_codabench
from harness.hosting.columns import columns, columns_of
from harness.hosting.program import open_hosted, run
from harness.predictions import read_predictions, write_predictions
from harness.scoring.measures import MEASURES
from harness.tasks.task import open_task


@pytest.fixture(scope="session")
def bundle(tmp_path_factory, challenge):
    """The whole bundle, with its wheels."""
    path = tmp_path_factory.mktemp("bundle") / "challenge.zip"
    write_codabench(path, challenge)
    return path


def laid_out(bundle, root, submission):
    """Unpack as Codabench's worker does."""
    with zipfile.ZipFile(bundle) as outer:
        for name, place in (("reference_data.zip", "input/ref"), ("scoring_program.zip", "program")):
            zipfile.ZipFile(io.BytesIO(outer.read(name))).extractall(root / place)
    with zipfile.ZipFile(submission) as archive:
        archive.extractall(root / "input" / "res")
    (root / "output").mkdir()
    return YAML(typ="safe").load(root / "program" / "metadata.yaml")["command"].split()


@pytest.mark.slow
def test_scoring_program_gives_the_records_number_without_the_kit_and_without_a_network(
    bundle, hosted_task, handed_in, tmp_path, contained
):
    command = laid_out(bundle, tmp_path, handed_in / "predictions.zip")
    assert command[0] == "python3"
    ran = contained(command, tmp_path, "program")
    assert (ran.returncode, ran.stderr) == (0, "")
    scores = json.loads((tmp_path / "output/scores.json").read_text())
    record = evaluate_predictions(handed_in / "predictions.zip", hosted_task)
    assert scores == pytest.approx(
        {"r": record.score, "r_low": record.ci95[0], "r_high": record.ci95[1]}, abs=1e-12, rel=0
    )
    assert 0.25 < scores["r"] < 0.4
    page = (tmp_path / "output/detailed_results.html").read_text()
    assert "sub-011" in page
    assert f"<b>{record.score:.4f}</b>" in page


@pytest.mark.slow
def test_broken_submission_is_told_what_is_wrong_and_nothing_of_the_references(
    bundle, handed_in, tmp_path, contained, hosted_task
):
    predictions = dict(read_predictions(handed_in / "predictions.zip", hosted_task.expected))
    del predictions["sub-011"]
    predictions["sub-002"] = {name: one[:-1] for name, one in predictions["sub-002"].items()}
    write_predictions(tmp_path / "broken.zip", predictions.items())
    root = tmp_path / "root"
    root.mkdir()
    command = laid_out(bundle, root, tmp_path / "broken.zip")
    ran = contained(command, root, "program")
    assert ran.returncode == 1
    assert ran.stdout == ""
    assert not (root / "output/scores.json").exists()
    page = (root / "output/detailed_results.html").read_text()
    for text in (ran.stderr, page):
        assert "sub-011.json" in text
        assert "(639, 10)" in text
        assert "Traceback" not in text
        assert "/app" not in text


@pytest.mark.slow
def test_other_python_is_refused_by_the_program_with_the_image_to_take(
    bundle, handed_in, tmp_path, contained
):
    command = laid_out(bundle, tmp_path, handed_in / "predictions.zip")
    path = tmp_path / "program/task.json"
    said = json.loads(path.read_text())
    path.write_text(json.dumps({**said, "python": "3.10", "image": "python:3.10-slim"}))
    ran = contained(command, tmp_path, "program")
    assert ran.returncode == 1
    assert "for Python 3.10 on x86_64" in ran.stderr
    assert "image python:3.10-slim" in ran.stderr


@pytest.mark.slow
def test_program_holds_only_wheels_of_what_scores(bundle):
    with zipfile.ZipFile(bundle) as outer:
        names = zipfile.ZipFile(io.BytesIO(outer.read("scoring_program.zip"))).namelist()
    wheels = [name for name in names if name.startswith("wheels/")]
    assert len(wheels) == 13
    assert not [name for name in wheels if "torch" in name or "librosa" in name]
    assert bundle.stat().st_size < 80e6


def test_same_challenge_gives_the_same_bytes(without_wheels, challenge, tmp_path):
    for name in ("one.zip", "two.zip"):
        write_codabench(tmp_path / name, challenge)
    assert file_sha256(tmp_path / "one.zip") == file_sha256(tmp_path / "two.zip")
    with zipfile.ZipFile(tmp_path / "one.zip") as archive:
        assert {entry.date_time for entry in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}


def test_yaml_holds_what_the_unpacker_reads_and_every_file_that_it_names(without_wheels, challenge, tmp_path):
    write_codabench(tmp_path / "challenge.zip", challenge)
    with zipfile.ZipFile(tmp_path / "challenge.zip") as archive:
        said = YAML(typ="safe").load(archive.read("competition.yaml"))
        files = {name: archive.read(name) for name in archive.namelist()}
    assert said["version"] == 2
    assert said["title"] == "A challenge: one & two"
    assert said["docker_image"].startswith("python:3.")
    named = [said["image"], said["terms"], *(page["file"] for page in said["pages"])]
    named += [said["tasks"][0][key] for key in ("reference_data", "scoring_program")]
    assert all(files[name] for name in named)
    assert files["logo.png"].startswith(b"\x89PNG")
    (phase,) = said["phases"]
    # A time without quotes becomes a date, and Codabench sets a date to midnight.
    assert phase["start"] == "2026-09-01 00:00:00"
    assert phase["end"] == "2026-12-01 12:30:00"
    assert (phase["max_submissions_per_day"], phase["max_submissions"], phase["tasks"]) == (5, 100, [0])
    (board,) = said["leaderboards"]
    assert [column["key"] for column in board["columns"]] == ["r", "r_low", "r_high"]
    assert [column["index"] for column in board["columns"]] == [0, 1, 2]
    assert {column["sorting"] for column in board["columns"]} == {"desc"}
    assert said["make_input_data_available"] is False
    assert b"sub-002.json" in files["overview.md"]
    assert b"At most 5 a day and 100 in all" in files["overview.md"]


def test_columns_of_every_measure_fit_the_platform_and_sort_its_way():
    made = columns(tuple(MEASURES), interval=True)
    assert len({column.key for column in made}) == len(made)
    assert all(len(column.title) <= 36 and len(column.key) <= 36 for column in made)
    for name, by in MEASURES.items():
        own = next(column for column in made if column.key == ("r" if name == "pearson_r" else name))
        assert own.higher_is_better == by.higher_is_better


def test_references_are_those_of_the_part_only(
    without_wheels, official_split, small_split, tmp_path, challenge
):
    task = open_task(official_split, split_name=small_split, part="test")
    write_codabench(tmp_path / "c.zip", replace(challenge, task=task, split_file=small_split))
    with zipfile.ZipFile(tmp_path / "c.zip") as outer:
        references = zipfile.ZipFile(io.BytesIO(outer.read("reference_data.zip")))
        assert references.namelist() == [f"{subject}.json" for subject in task.by_subject]
        program = zipfile.ZipFile(io.BytesIO(outer.read("scoring_program.zip")))
        program.extractall(tmp_path / "program")
        references.extractall(tmp_path / "input/ref")
    assert len(task.by_subject) == 1
    assert [column.key for column in columns_of(task)] == ["r"]  # one subject has no interval
    random = np.random.default_rng(1)
    made = {
        subject: {
            segment: (one + random.standard_normal(one.shape)).astype(np.float32)
            for segment, one in task.references(subject).items()
        }
        for subject in task.by_subject
    }
    write_predictions(tmp_path / "predictions.zip", made.items())
    code = run(
        str(tmp_path / "program"),
        str(tmp_path / "input/ref"),
        str(tmp_path / "predictions.zip"),
        str(tmp_path / "out"),
    )
    assert code == 0
    scores = json.loads((tmp_path / "out/scores.json").read_text())
    assert scores == {
        "r": pytest.approx(evaluate_predictions(tmp_path / "predictions.zip", task).score, abs=1e-12)
    }


def test_what_is_there_is_not_written_over_without_saying_so(without_wheels, challenge, tmp_path):
    path = tmp_path / "challenge.zip"
    path.write_bytes(b"mine")
    with pytest.raises(HostingError, match=r"(?s)is there already, expected a new file.*--replace"):
        write_codabench(path, challenge)
    assert path.read_bytes() == b"mine"
    write_codabench(path, challenge, replace=True)
    assert zipfile.is_zipfile(path)


def test_every_fault_of_a_challenge_is_named_at_once(without_wheels, challenge: Challenge, tmp_path):
    phase = replace(challenge.phase, closes=datetime(2026, 1, 1), per_day=200, name="")
    with pytest.raises(HostingError) as error:
        write_codabench(tmp_path / "c.zip", replace(challenge, title="x" * 257, phase=phase))
    said = str(error.value)
    for option in ("--closes", "--per-day", "--title", "--phase"):
        assert option in said
    assert not (tmp_path / "c.zip").exists()


def test_measure_that_needs_the_training_part_is_refused(without_wheels, challenge, tmp_path):
    task = challenge.task
    trained = replace(task, split=replace(task.split, measures=("pearson_r", "cosine_centred")))
    with pytest.raises(HostingError, match=r"(?s)scored by centred cosine.*no training part"):
        write_codabench(tmp_path / "c.zip", replace(challenge, task=trained))


def test_corpus_and_split_of_ones_own_go_along(without_wheels, challenge, tmp_path):
    make_own_corpus(tmp_path / "lab")
    write_split(tmp_path / "lab/my-lab.json")
    task = open_task(tmp_path / "lab", split_name="my-lab", feature="pitch")
    write_codabench(tmp_path / "c.zip", replace(challenge, task=task))
    with zipfile.ZipFile(tmp_path / "c.zip") as outer:
        zipfile.ZipFile(io.BytesIO(outer.read("scoring_program.zip"))).extractall(tmp_path / "program")
        (tmp_path / "references.zip").write_bytes(outer.read("reference_data.zip"))
    hosted = open_hosted(tmp_path / "program", tmp_path / "references.zip")
    assert hosted.split.sha256 == task.split.sha256
    assert hosted.corpus.declaration.sha256 == task.corpus.declaration.sha256
    assert [one.id for one in hosted.segments] == [one.id for one in task.segments]
    for subject in task.by_subject:
        references = hosted.references(subject)
        for segment, one in task.references(subject).items():
            np.testing.assert_array_equal(references[segment], one)


def test_bundle_that_is_too_large_for_the_platform_is_refused(
    without_wheels, challenge, tmp_path, monkeypatch
):
    monkeypatch.setattr("harness.hosting.codabench.MOST_BYTES", 1000)
    with pytest.raises(HostingError, match=r"(?s)at most 0 MiB.*fewer subjects"):
        write_codabench(tmp_path / "c.zip", challenge)
    assert list(tmp_path.iterdir()) == []


def test_command_writes_a_bundle_and_says_the_image(without_wheels, harness, handed_in):
    code, out, err = harness(
        "host", "codabench", "c.zip", "--labels", handed_in / "labels.zip", "--opens", "2026-09-01T00:00:00Z"
    )
    assert code == 0, err
    assert out.startswith("c.zip: ")
    assert "12 segments of test, mel" in out
    assert "needs the image python:3." in out
    assert harness("host", "codabench", "c.zip", "--labels", handed_in / "labels.zip")[0] == 1
    code, _, err = harness(
        "host", "codabench", "d.zip", "--labels", handed_in / "labels.zip", "--opens", "soon"
    )
    assert code == 2
    assert "--opens: 'soon', expected a time in UTC, like 2026-09-01T00:00:00Z" in err


@pytest.mark.parametrize("platform", ["codabench", "evalai"])
@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["c.tar"], "c.tar: the suffix '.tar', expected a name that ends in .zip."),
        (["c.zip", "--per-day", "9", "--total", "3"], "--per-day: 9 a day, and --total 3"),
        (
            ["c.zip", "--opens", "2026-09-02T00:00:00Z", "--closes", "2026-09-01T00:00:00Z"],
            "--closes: 2026-09",
        ),
    ],
    ids=["suffix", "quota", "times"],
)
def test_wrong_usage_ends_with_2_before_a_corpus_is_opened(harness, platform, words, said):
    code, _, err = harness("host", platform, *words, "--data", "none")
    assert code == 2
    assert said in err
    assert "none" not in err
