"""The notebooks of docs/: kept without outputs, and linked to. tests/test_packaging.py runs them."""

import json

import pytest
from conftest import REPOSITORY

NOTEBOOKS = sorted((REPOSITORY / "docs/notebooks").glob("*.ipynb"))
METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}


def test_there_are_three():
    assert [path.stem for path in NOTEBOOKS] == ["compare_systems", "score_your_model", "your_own_data"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_kept_without_outputs_and_as_it_would_be_written_again(path):
    document = json.loads(path.read_text())
    assert path.read_text() == json.dumps(document, indent=1, ensure_ascii=False) + "\n"
    assert document["metadata"] == METADATA
    assert (document["nbformat"], document["nbformat_minor"]) == (4, 5)
    for cell in document["cells"]:
        assert cell["metadata"] == {}
        assert cell.get("outputs", []) == []
        assert cell.get("execution_count") is None
    assert document["cells"][0]["source"][0].startswith("# ")
    assert len({cell["id"] for cell in document["cells"]}) == len(document["cells"])


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_uses_the_public_interface_alone(path):
    imported = [
        line.strip()
        for cell in json.loads(path.read_text())["cells"]
        for line in cell["source"]
        if "harness" in line and ("import " in line)
    ]
    assert imported == ["from harness import api"]
