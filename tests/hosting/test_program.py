"""What the scoring program does with what was handed in, in this process."""

import json
import shutil
import zipfile

import pytest

from harness.errors import HostingError
from harness.hosting.challenge import program_files, reference_files, try_program
from harness.hosting.program import run
from harness.hosting.results import refused_html


@pytest.fixture
def place(without_wheels, challenge, tmp_path):
    """The program without wheels, and the references, unpacked."""
    for name, data in program_files(challenge).items():
        path = tmp_path / "program" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    (tmp_path / "ref.zip").write_bytes(reference_files(challenge.task))
    with zipfile.ZipFile(tmp_path / "ref.zip") as archive:
        archive.extractall(tmp_path / "ref")
    return tmp_path


def scored(place, predictions):
    return run(str(place / "program"), str(place / "ref"), str(predictions), str(place / "out"))


def test_zip_and_its_folder_score_the_same_also_inside_one_folder_and_with_what_macos_adds(place, handed_in):
    assert scored(place, handed_in / "predictions.zip") == 0
    first = (place / "out/scores.json").read_text()
    with zipfile.ZipFile(handed_in / "predictions.zip") as archive:
        archive.extractall(place / "res" / "inner")
    (place / "res/__MACOSX").mkdir()
    (place / "res/__MACOSX/._sub-002.json").write_bytes(b"\0")
    for folder in (place / "res/inner", place / "res"):
        assert scored(place, folder) == 0
        assert (place / "out/scores.json").read_text() == first
    shutil.copytree(place / "res/__MACOSX", place / "res/inner/__MACOSX")
    assert scored(place, place / "res/inner") == 0
    shutil.rmtree(place / "res")
    (place / "res").mkdir()
    shutil.copy(handed_in / "predictions.zip", place / "res")
    assert scored(place, place / "res") == 0


def test_refused_after_a_score_leaves_no_score_of_before(place, handed_in):
    assert scored(place, handed_in / "predictions.zip") == 0
    (place / "empty").mkdir()
    assert scored(place, place / "empty") == 1
    assert [path.name for path in (place / "out").iterdir()] == ["detailed_results.html"]


def test_broken_references_are_the_organisers_and_nothing_of_them_is_said(place, handed_in, capsys):
    path = next((place / "ref").glob("*.json"))
    path.write_text(path.read_text().replace("]", ", 12345.678]", 1))
    assert scored(place, handed_in / "predictions.zip") == 1
    said = capsys.readouterr().err
    assert said == "Not scored (CorpusError), and not for what was handed in: tell the organisers.\n"
    assert "12345.678" not in (place / "out/detailed_results.html").read_text()


@pytest.mark.parametrize("content", [b"", b"{}", b"PK\x03\x04 cut off", b"\xff" * 100])
def test_what_is_no_predictions_is_refused_in_words(place, content, capsys):
    (place / "bad.zip").write_bytes(content)
    assert scored(place, place / "bad.zip") == 1
    said = capsys.readouterr().err
    assert said.startswith("Not scored. What was handed in cannot be used:\n")
    assert str(place) not in said


def test_names_that_a_stranger_chose_are_escaped(place, handed_in, capsys):
    (place / "res").mkdir()
    with zipfile.ZipFile(handed_in / "predictions.zip") as archive:
        archive.extractall(place / "res")
    (place / "res" / "<script>alert(1)<").write_text("{}")
    assert scored(place, place / "res") == 1
    assert "<script>" not in (place / "out/detailed_results.html").read_text()
    assert "&lt;b&gt;" in refused_html(["Not scored", "<b>"])


def test_task_says_what_it_is_for(place):
    said = json.loads((place / "program/task.json").read_text())
    assert said["corpus"] == "my-lab"
    assert said["part"] == "test"
    assert said["image"] == f"python:{said['python']}-slim"


def test_program_that_cannot_score_is_not_hosted(without_wheels, challenge):
    references = reference_files(challenge.task)
    with pytest.raises(HostingError, match=r"the scoring program: ended with 1 on the references themselves"):
        try_program(program_files(challenge), references)  # its only wheel is empty
