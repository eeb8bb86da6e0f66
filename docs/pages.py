"""What mkdocs cannot do by itself: the root's documents and the notebooks as pages (see mkdocs.yml).

Documents are written for who reads them in the repository. Here their links are bent to the site's pages. A
notebook is kept without outputs; where the variable ``EXECUTE_NOTEBOOKS`` is set, as ``make site`` does, it
is run first, in a folder of its own, and its page shows what it gave.
"""

from __future__ import annotations

import json
import os
import re
import tempfile
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parent.parent
# The root's documents, and what their pages are called.
DOCUMENTS = {
    "README.md": "index.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    "SECURITY.md": "security.md",
}
_LINK = re.compile(r"\]\((?![a-z]+:|#)([^)#\s]+)(#[^)\s]*)?\)")
_SECONDS = 600  # most that one cell may take


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add a page for each of the root's documents, and one in place of each notebook."""
    for document, page in DOCUMENTS.items():
        text = (ROOT / document).read_text(encoding="utf-8")
        files.append(File.generated(config, page, content=_bent(text, Path())))
    for file in [one for one in files if one.src_uri.endswith(".ipynb")]:
        page = file.src_uri.removesuffix(".ipynb") + ".md"
        notebook = Path(str(file.abs_src_path))
        files.remove(file)
        content = notebook_page(notebook, f"docs/{file.src_uri}")
        files.append(File.generated(config, page, content=content))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Bend the links of a page that lies in docs/."""
    if page.file.abs_src_path is None:  # one of those above
        return markdown
    return _bent(markdown, Path("docs") / Path(page.file.src_uri).parent)


def _bent(text: str, folder: Path) -> str:
    """Links to the root's documents and to notebooks, seen from a folder of the repository, as the site's."""

    def bent(link: re.Match[str]) -> str:
        target, anchor = link[1], link[2] or ""
        place = os.path.normpath(folder / target)
        if place in DOCUMENTS:
            page = Path("docs") / DOCUMENTS[place]
        elif place.startswith("docs/"):
            page = Path(place)
        else:
            return link[0]
        base = folder if folder.parts[:1] == ("docs",) else Path("docs")
        written = os.path.relpath(page, base).replace(".ipynb", ".md")
        return f"]({written}{anchor})"

    return _LINK.sub(bent, text)


def notebook_page(path: Path, name: str) -> str:
    """A notebook as Markdown: text as it is, code in fences, and the text of outputs behind it.

    Args:
        path: its file.
        name: the same, seen from the repository's root.
    """
    text = path.read_text(encoding="utf-8")
    document = json.loads(_executed(text) if os.environ.get("EXECUTE_NOTEBOOKS") else text)
    parts = []
    for cell in document["cells"]:
        source = "".join(cell["source"]).rstrip()
        if cell["cell_type"] == "markdown":
            parts.append(source)
            continue
        parts.append(f"```python\n{source}\n```")
        parts += [f"```text\n{text}\n```" for text in map(_output, cell["outputs"]) if text]
    parts.append(f"This page is the notebook `{name}` of the repository; a test runs it.")
    return "\n\n".join(parts) + "\n"


def _executed(text: str) -> str:
    """A notebook after a run, in a folder that is thrown away."""
    import nbformat
    from nbclient import NotebookClient

    notebook = nbformat.reads(text, as_version=4)
    with tempfile.TemporaryDirectory() as folder:
        place = {"metadata": {"path": folder}}
        client = NotebookClient(notebook, timeout=_SECONDS, resources=place, coalesce_streams=True)
        executed: str = nbformat.writes(client.execute())
    return executed


def _output(output: dict[str, Any]) -> str:
    """The text of an output; empty for what has none, and for remarks."""
    if output.get("name") == "stderr":
        return ""
    text = output.get("text") or output.get("data", {}).get("text/plain") or ""
    return "".join(text).rstrip()
