"""What is said of surviving mutants: of code that is there, and in the README's table."""

import ast
import json
import re
import tomllib

import pytest
from conftest import REPOSITORY

FOLDER = REPOSITORY / "tests" / "mutants"
FIGURES = json.loads((FOLDER / "figures.json").read_text())
SURVIVORS = tomllib.loads((FOLDER / "survivors.toml").read_text())["survivor"]


def _squeezed(text):
    return re.sub(r"\s+", "", text)


@pytest.mark.parametrize("survivor", SURVIVORS, ids=lambda survivor: survivor["function"])
def test_an_explained_survivor_is_a_change_of_code_that_is_there(survivor):
    assert survivor.keys() == {"function", "was", "now", "why"}
    assert survivor["was"] != survivor["now"]
    assert survivor["why"].endswith(".")
    path, name = None, survivor["function"]
    while path is None or not path.is_file():
        name = name.rpartition(".")[0]
        assert name, survivor["function"]
        path = REPOSITORY / (name.replace(".", "/") + ".py")
    function = survivor["function"].removeprefix(f"{name}.").rpartition(".")[2]
    source = path.read_text()
    found = [
        ast.get_source_segment(source, node)
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.FunctionDef) and node.name == function
    ]
    assert any(_squeezed(survivor["was"]) in _squeezed(text) for text in found)


def test_no_survivor_is_explained_twice():
    changes = [(survivor["function"], survivor["was"], survivor["now"]) for survivor in SURVIVORS]
    assert len(set(changes)) == len(changes)


def test_the_readme_shows_the_figures():
    rows = [
        f"| {room} | {count['tried']} | {count['killed']} | {count['survived']} | {count['explained']} |"
        for room, count in FIGURES.items()
    ]
    readme = (FOLDER / "README.md").read_text()
    table = readme.split("<!-- figures -->\n")[1].split("\n<!-- end -->")[0].splitlines()
    assert table[0] == "| room | tried | killed | survived | of these explained |"
    assert table[2:] == rows
