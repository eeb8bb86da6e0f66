"""What is said of surviving mutants: of code that is there, and in the README's table."""

import ast
import json
import re
import tomllib
from collections import Counter

import pytest
from conftest import REPOSITORY

FOLDER = REPOSITORY / "tests" / "mutants"
FIGURES = json.loads((FOLDER / "figures.json").read_text())
SURVIVORS = tomllib.loads((FOLDER / "survivors.toml").read_text())["survivor"]


ROOMS = ("boards", "execution", "predictions", "records", "scoring", "tasks")


def _modules():
    return {
        ".".join(path.relative_to(REPOSITORY / "harness").with_suffix("").parts)
        for room in ROOMS
        for path in (REPOSITORY / "harness" / room).rglob("*.py")
        if path.name != "__init__.py"
    }


def test_every_module_and_test_that_the_runner_names_is_there():
    text = (FOLDER / "run.py").read_text()
    assigned = next(
        node
        for node in ast.parse(text).body
        if isinstance(node, ast.AnnAssign) and node.target.id == "MODULES"
    )
    modules = ast.literal_eval(assigned.value)
    assert set(modules) == set(ROOMS)
    for room, tests_of in modules.items():
        for module, tests in tests_of.items():
            assert f"{room}.{module.replace('/', '.')}" in _modules()
            assert tests
            for test in tests:
                assert (REPOSITORY / "tests" / room / test).is_file(), f"{room}/{module}: {test}"


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


def test_every_mutant_that_was_tried_is_counted_once():
    for module, count in FIGURES.items():
        assert (REPOSITORY / "harness" / f"{module.replace('.', '/')}.py").is_file(), module
        assert count["tried"] == count["killed"] + count["timed_out"] + count["survived"], module
        assert count["made"] >= count["tried"], module
        assert 0 <= count["explained"] <= count["survived"], module


def test_the_readme_shows_the_figures_of_every_module_that_was_tried():
    sums = Counter()
    rows = []
    for module, count in [*FIGURES.items(), ("all", sums)]:
        sums.update(count if module != "all" else {})
        cells = [
            f"{count[what]}" for what in ("made", "tried", "killed", "timed_out", "survived", "explained")
        ]
        rows.append(f"| {module} | {' | '.join(cells)} |")
    readme = (FOLDER / "README.md").read_text()
    table = readme.split("<!-- figures -->\n")[1].split("\n<!-- end -->")[0].splitlines()
    assert table[0] == "| module | made | tried | killed | timed out | survived | of these explained |"
    assert table[2:] == rows


def test_the_readme_names_every_module_that_was_not_tried():
    made = _modules()
    readme = (FOLDER / "README.md").read_text()
    said = readme.split("<!-- not tried -->\n")[1].split("\n<!-- end -->")[0]
    assert said == (", ".join(f"`{module}`" for module in sorted(made - FIGURES.keys())) or "None.")
