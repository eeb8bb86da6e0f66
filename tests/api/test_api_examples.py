"""The examples in docstrings and on the page of the Python interface, as a reader would paste them."""

import doctest
import importlib
import subprocess
import sys

import pytest
from conftest import REPOSITORY

from harness import api

SLOW = ("estimator", "net", "tables")  # which train, or run a submission
MODULES = [
    pytest.param(
        f"harness.api.{path.stem}", marks=[pytest.mark.slow] if path.stem in SLOW else [], id=path.stem
    )
    for path in sorted((REPOSITORY / "harness/api").glob("[!_]*.py"))
]
OPTIONS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


def test_every_public_name_but_values_has_an_example_or_is_on_the_page():
    page = (REPOSITORY / "docs/python.md").read_text()
    assert [name for name in api.__all__ if name not in page] == []
    assert sorted(dir(api)) == sorted(api.__all__)


@pytest.mark.slow
@pytest.mark.parametrize("module", MODULES)
def test_examples_of_a_module(module, small_folder, monkeypatch):
    monkeypatch.chdir(small_folder)
    result = doctest.testmod(importlib.import_module(module), optionflags=OPTIONS)
    assert result.failed == 0
    assert result.attempted > 0


@pytest.mark.slow
def test_examples_of_the_page(small_folder, monkeypatch):
    monkeypatch.chdir(small_folder)
    page = str(REPOSITORY / "docs/python.md")
    result = doctest.testfile(page, module_relative=False, optionflags=OPTIONS)
    assert result.failed == 0
    assert result.attempted > 20


def test_the_interface_imports_nothing_heavy_until_it_is_used():
    code = (
        "import sys; from harness import api; heavy = {'torch', 'sklearn', 'pandas', 'numpy', 'scipy'};"
        " print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=REPOSITORY
    )
    assert done.stdout == "[]\n"


def test_a_name_that_is_not_public_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'harness.api' has no attribute 'scor'"):
        _ = api.scor
