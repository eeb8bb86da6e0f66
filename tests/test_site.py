"""The documentation as a site: built strictly, without a network, and read without one."""

import html
import importlib.util
import json
import os
import re
import subprocess
import sys

import pytest
from conftest import REPOSITORY

from harness import api, errors

pytestmark = pytest.mark.slow  # a site is built

# mkdocs where every connection is refused.
WITHOUT_NETWORK = """
import runpy, socket, sys
def refuse(*_): raise OSError("the site is built without a network")
socket.socket.connect = socket.getaddrinfo = refuse
sys.argv[0] = "mkdocs"
runpy.run_module("mkdocs", run_name="__main__")
"""
# What a browser fetches when it shows a page.
FETCHED = re.compile(r"<(?:script|img|iframe|link)\b[^>]*?\b(?:src|href)=[\"']?((?:https?:)?//[^\"'> ]+)")


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The pages; notebooks are not run."""
    folder = tmp_path_factory.mktemp("site") / "site"
    programs = os.path.dirname(sys.executable)  # noqa: PTH120 - not the interpreter that it links to
    command = ["-c", WITHOUT_NETWORK, "build", "--strict", "--quiet", "--site-dir", str(folder)]
    done = subprocess.run(
        [sys.executable, *command],
        cwd=REPOSITORY,
        env={
            "PATH": f"{programs}:{os.environ['PATH']}",
            "HOME": str(folder.parent),
            "NO_MKDOCS_2_WARNING": "1",
        },
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout + done.stderr == ""
    return folder


def text_of(page):
    return html.unescape(re.sub(r"<[^>]+>", "", page.read_text()))


def test_every_document_and_every_notebook_is_a_page(site):
    pages = {path.relative_to(site).with_suffix("").as_posix() for path in site.rglob("*.html")}
    documents = {path.stem for path in (REPOSITORY / "docs").glob("*.md")}
    notebooks = {f"notebooks/{path.stem}" for path in (REPOSITORY / "docs/notebooks").glob("*.ipynb")}
    root = {"index", "contributing", "changelog", "security", "404"}
    assert pages == documents | notebooks | root


def test_no_page_fetches_anything_from_elsewhere(site):
    pages = sorted(site.rglob("*.html"))
    assert FETCHED.search('<script src="https://unpkg.com/x">')
    assert [(page.name, FETCHED.findall(page.read_text())) for page in pages] == [
        (page.name, []) for page in pages
    ]


def test_the_interface_is_described_from_its_docstrings(site):
    page = (site / "api.html").read_text()
    homes = {name: home for home, names in api._HOMES.items() for name in names}
    for name in api.__all__:
        assert f'id="harness.api.{homes[name]}.{name}"' in page, name
    kinds = [name for name, value in vars(errors).items() if isinstance(value, type)]
    for name in kinds:
        assert f'id="harness.errors.{name}"' in page or value_is_imported(name), name
    said = text_of(site / "api.html")
    assert "a submission's folder or name, such as" in said
    assert ":func:" not in said


def value_is_imported(name):
    return getattr(errors, name).__module__ != "harness.errors"


def test_a_notebook_is_shown_with_its_code(site):
    said = text_of(site / "notebooks/your_own_data.html")
    assert "corpus = api.open_corpus(lab)" in said
    assert "This page is the notebook docs/notebooks/your_own_data.ipynb of the repository" in said


def test_a_notebook_that_is_run_shows_what_it_gave(tmp_path, monkeypatch):
    monkeypatch.setenv("EXECUTE_NOTEBOOKS", "1")
    code = "import sys\nprint(1)\nprint('a remark', file=sys.stderr)\nprint(2)\n6 * 7"
    cell = {"cell_type": "code", "id": "one", "source": code, "outputs": [], "execution_count": None}
    document = {"cells": [{**cell, "metadata": {}}], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    (tmp_path / "one.ipynb").write_text(json.dumps(document))
    spec = importlib.util.spec_from_file_location("pages", REPOSITORY / "docs/pages.py")
    pages = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(pages)
    assert pages.notebook_page(tmp_path / "one.ipynb", "docs/one.ipynb") == (
        f"```python\n{code}\n```\n\n```text\n1\n2\n```\n\n```text\n42\n```\n\n"
        "This page is the notebook `docs/one.ipynb` of the repository; a test runs it.\n"
    )


def test_links_between_the_roots_documents_and_docs_lead_to_pages(site):
    assert 'href="challenge.html#pull-requests"' in (site / "contributing.html").read_text()
    assert 'href="security.html"' in (site / "controls.html").read_text()
    assert 'href="notebooks/score_your_model.html"' in (site / "python.html").read_text()
