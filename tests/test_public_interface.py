"""The modules that packages import: docs/interface.md names all of their functions and classes."""

import ast
import importlib
import inspect
import re

import pytest
from conftest import REPOSITORY

SECTIONS = re.split(r"^## `(harness[\w.]+)`$", (REPOSITORY / "docs" / "interface.md").read_text(), flags=re.M)
# Module -> its stable names.
INTERFACE = {
    module: re.findall(r"^\| `(\w+)` \| .+ \|$", text, re.M)
    for module, text in zip(SECTIONS[1::2], SECTIONS[2::2], strict=True)
}
PACKAGE_FILES = sorted(
    path
    for folder in ("baselines", "submissions", "harness/submission/template")
    for path in (REPOSITORY / folder).rglob("*.py")
)


def test_every_module_of_the_interface_is_described():
    nets = [f"harness.nn.{path.stem}" for path in (REPOSITORY / "harness/nn").glob("[!_]*.py")]
    others = ["harness.errors", "harness.predictor", "harness.training.recipe", "harness.training.system"]
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


@pytest.mark.parametrize("path", PACKAGE_FILES, ids=lambda path: "/".join(path.parts[-2:]))
def test_packages_import_stable_names_only(path):
    others = [
        f"{module}.{name}"
        for module, name in imported_from_harness(path.read_text())
        if name not in INTERFACE.get(module, [])
    ]
    assert others == []


def test_imports_of_other_names_are_found():
    code = (
        "import harness.files\nfrom harness import nn\nfrom harness.nn import load_net, secret\nimport json\n"
    )
    assert list(imported_from_harness(code)) == [
        ("harness.files", ""),
        ("harness", "nn"),
        ("harness.nn", "load_net"),
        ("harness.nn", "secret"),
    ]


def imported_from_harness(code):
    """(module, name) of every import from the kit, wherever it stands; a module imported whole has no name."""
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "harness":
            yield from ((node.module, alias.name) for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from ((alias.name, "") for alias in node.names if alias.name.split(".")[0] == "harness")
