"""A site of pages for tests, and a reader that says what is wrong with a page's HTML."""

import shutil
from html.parser import HTMLParser
from pathlib import Path

import pytest

from harness.boards.board import BoardName
from harness.page import build_page

N_SUBJECTS = 12
BOARD = BoardName("simulated", "held-out-subjects", "test", "mel")
BOARD_PAGE = "boards/simulated-held-out-subjects-test-mel.html"

VOID = {"meta", "link", "input", "img", "br"}
# Elements whose end may be left out, and the starts that end them (HTML, "optional tags").
IMPLIED = {
    "td": {"td", "th", "tr"},
    "th": {"td", "th", "tr"},
    "tr": {"tr"},
    "li": {"li"},
    "dt": {"dt", "dd"},
    "dd": {"dt", "dd"},
}
HEADINGS = ("h1", "h2", "h3", "h4")


class Page(HTMLParser):
    """Nesting, ids, links, headings and the text of each element's kind."""

    def __init__(self, path):
        super().__init__(convert_charrefs=True)
        self.path, self.open, self.ids, self.refs, self.links = path, [], [], [], []
        self.headings, self.faults, self.tags, self.scripts, self.text = [], [], [], 0, ""
        self.feed(path.read_text("utf-8"))
        self.close()
        if self.open:
            self.faults.append(f"left open: {self.open}")

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        if len(given) != len(attributes):
            self.faults.append(f"an attribute twice: {tag}")
        while self.open and tag in IMPLIED.get(self.open[-1], ()):
            self.open.pop()
        self.tags.append((tag, given))
        self.ids += [given["id"]] if "id" in given else []
        for key in ("for", "aria-controls", "aria-labelledby", "aria-describedby"):
            self.refs += given.get(key, "").split()
        self.links += [given[key] for key in ("href", "src") if key in given]
        self.faults += [f"{tag} has {key}" for key in given if key.startswith("on") or key == "style"]
        if tag in HEADINGS:
            self.headings.append(int(tag[1]))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        while self.open and self.open[-1] in IMPLIED and self.open[-1] != tag:
            self.open.pop()
        if not self.open or self.open.pop() != tag:
            self.faults.append(f"</{tag}> ends nothing")

    def handle_data(self, data):
        self.text += data


def site_pages(folder):
    return {path.relative_to(folder).as_posix(): Page(path) for path in sorted(folder.rglob("*.html"))}


@pytest.fixture(scope="session")
def kept_pages(tmp_path_factory):
    """What the first test made, for the others to copy."""
    return tmp_path_factory.mktemp("kept")


@pytest.fixture
def page_results(kept_pages, make_record, rng, tmp_path):
    """Two boards, one of them real; a variant, a tie, a system at chance, a partial record."""
    if (kept_pages / "results").exists():
        return Path(shutil.copytree(kept_pages / "results", tmp_path / "results"))
    base = rng.normal(0.05, 0.01, N_SUBJECTS)
    make_record("linear", base)
    make_record("vlaai", base + rng.normal(0, 0.004, N_SUBJECTS), variant="original")
    make_record("leader", base + 0.03 + rng.normal(0, 0.004, N_SUBJECTS))
    make_record("noise", rng.normal(0.0, 0.004, N_SUBJECTS))
    make_record("half", [0.9] * 5, flags={"partial": True, "subjects_missing": ["sub-099"]})
    make_record("linear", base, kind="real")
    shutil.copytree(tmp_path / "results", kept_pages / "results")
    return tmp_path / "results"


@pytest.fixture
def site(kept_pages, page_results, tmp_path):
    if not (kept_pages / "site").exists():
        build_page(kept_pages / "site", page_results, tmp_path)
    return Path(shutil.copytree(kept_pages / "site", tmp_path / "site"))
