"""The modules that packages import: docs/interface.md names all of their functions and classes."""

import ast
import dataclasses
import importlib
import inspect
import re

import pytest
from conftest import REPOSITORY

from harness.predictor import Setup

SECTIONS = re.split(r"^## `(harness[\w.]+)`$", (REPOSITORY / "docs" / "interface.md").read_text(), flags=re.M)
# Module -> its stable names.
INTERFACE = {
    module: re.findall(r"^\| `(\w+)` \| .+ \|$", text.split("| field |")[0], re.M)
    for module, text in zip(SECTIONS[1::2], SECTIONS[2::2], strict=True)
}
PACKAGE_FILES = sorted(
    path
    for folder in ("baselines", "submissions", "harness/submission/template")
    for path in (REPOSITORY / folder).rglob("*.py")
)


def test_every_module_of_the_interface_is_described():
    nets = [f"harness.nn.{path.stem}" for path in (REPOSITORY / "harness/nn").glob("[!_]*.py")]
    others = [
        "harness.api",
        "harness.errors",
        "harness.predictor",
        "harness.training.recipe",
        "harness.training.system",
    ]
    assert sorted(INTERFACE) == sorted([*others, "harness.nn", *nets])


@pytest.mark.parametrize("module", INTERFACE)
def test_functions_and_classes_are_those_that_the_page_names(module):
    imported = importlib.import_module(module)
    defined = [
        node.name
        for node in ast.parse(inspect.getsource(imported)).body
        if isinstance(node, ast.ClassDef | ast.FunctionDef) and not node.name.startswith("_")
    ]
    assert sorted(INTERFACE[module]) == sorted(getattr(imported, "__all__", defined))


def test_fields_of_setup_are_those_that_the_page_names():
    text = SECTIONS[SECTIONS.index("harness.predictor") + 1].split("| field | what it is |\n|---|---|\n")[1]
    named = re.findall(r"`(\w+)`", "\n".join(line.split("|")[1] for line in text.strip().splitlines()))
    assert sorted(named) == sorted(field.name for field in dataclasses.fields(Setup))


@pytest.mark.parametrize("path", PACKAGE_FILES, ids=lambda path: "/".join(path.parts[-2:]))
def test_packages_import_stable_names_only(path):
    others = [name for name in imported_from_harness(path.read_text()) if not is_stable(name)]
    assert others == []


def test_imports_of_other_names_are_found():
    stable = (
        "import harness.nn\nfrom harness import errors\nfrom harness.nn import load_net, s4\nimport json\n"
    )
    other = "from harness.api import score\nimport harness.files\nfrom harness import cli\nfrom harness.nn import secret\n"
    assert [is_stable(name) for name in imported_from_harness(stable)] == [True] * 4
    assert [name for name in imported_from_harness(stable + other) if not is_stable(name)] == [
        "harness.api.score",
        "harness.files",
        "harness.cli",
        "harness.nn.secret",
    ]


def is_stable(name):
    """Whether a dotted name is a module that packages import, or a name that one of them promises."""
    if name.startswith("harness.api"):  # for notebooks and scripts
        return False
    module, _, last = name.rpartition(".")
    return name in INTERFACE or last in INTERFACE.get(module, [])


def imported_from_harness(code):
    """The dotted name of every import from the kit, wherever it stands."""
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            continue
        yield from (name for name in names if name.split(".")[0] == "harness")
