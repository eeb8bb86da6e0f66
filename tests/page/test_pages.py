"""The pages as files: what they say, what they refuse, how large they are, that they are HTML."""

import json
import re
import shutil
import sys
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from conftest import REPOSITORY

from harness.errors import RecordError, UsageError
from harness.leaderboard import BoardName, load_board, rank, tie_runs
from harness.page import build_page
from harness.page.board import board_view, heat
from harness.page.names import board_file, paper_link, slug, system_file
from harness.page.svg import Box, Dot, boxes, dots, scale_of, ties
from harness.papers import official_teams

N_SUBJECTS = 12
BOARD = BoardName("simulated", "held-out-subjects", "test", "mel")
BOARD_PAGE = "boards/simulated-held-out-subjects-test-mel.html"
HOSTILE = "<img src=x onerror=alert(1)>\"'&{{7*7}}"

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


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """What the first test made, for the others to copy."""
    return tmp_path_factory.mktemp("kept")


@pytest.fixture
def results(kept, make_record, rng, tmp_path):
    """Two boards, one of them real; a variant, a tie, a system at chance, a partial record."""
    if (kept / "results").exists():
        return Path(shutil.copytree(kept / "results", tmp_path / "results"))
    base = rng.normal(0.05, 0.01, N_SUBJECTS)
    make_record("linear", base)
    make_record("vlaai", base + rng.normal(0, 0.004, N_SUBJECTS), variant="original")
    make_record("leader", base + 0.03 + rng.normal(0, 0.004, N_SUBJECTS))
    make_record("noise", rng.normal(0.0, 0.004, N_SUBJECTS))
    make_record("half", [0.9] * 5, flags={"partial": True, "subjects_missing": ["sub-099"]})
    make_record("linear", base, kind="real")
    shutil.copytree(tmp_path / "results", kept / "results")
    return tmp_path / "results"


@pytest.fixture
def site(kept, results, tmp_path):
    if not (kept / "site").exists():
        build_page(kept / "site", results, tmp_path)
    return Path(shutil.copytree(kept / "site", tmp_path / "site"))


def test_every_page_is_well_formed_and_every_link_leads_somewhere(site):
    pages = site_pages(site)
    assert set(pages) == {
        "index.html",
        "official-2024.html",
        BOARD_PAGE,
        "boards/sparrkulee-held-out-subjects-test-mel.html",
        *(f"systems/{name}.html" for name in ("half", "leader", "linear", "noise", "vlaai")),
    }
    for name, page in pages.items():
        assert page.faults == [], name
        assert len(page.ids) == len(set(page.ids)), name
        assert set(page.refs) <= set(page.ids), name
        assert page.headings[0] == 1
        assert page.headings.count(1) == 1
        assert max(np.diff(page.headings), default=0) <= 1, name
        for link in page.links:
            if link.startswith("#"):
                assert link[1:] in page.ids, (name, link)
            elif link != "data:,":
                assert (page.path.parent / link).resolve().is_file(), (name, link)


def test_pages_load_nothing_from_elsewhere(site):
    for path in site.rglob("*"):
        if path.is_file():
            text = path.read_text("utf-8")
            assert not re.search(r"(src|href|action)=[\"']?(https?:|//)|@import|url\((?!#)|fetch\(", text), (
                path
            )
    built = {"index.html", "official-2024.html", "style.css", "script.js", "boards", "systems"}
    assert {path.name for path in site.iterdir()} == built


def test_the_same_records_give_the_same_bytes(site, results, tmp_path):
    build_page(tmp_path / "again", results, tmp_path)
    for path in site.rglob("*.*"):
        assert path.read_bytes() == (tmp_path / "again" / path.relative_to(site)).read_bytes()


def test_real_and_simulated_boards_stand_apart_and_are_labelled(site):
    pages = site_pages(site)
    index = (site / "index.html").read_text()
    real, simulated = index.index("<h2>Real EEG"), index.index("<h2>Simulated data")
    assert real < index.index("boards/sparrkulee") < simulated < index.index("boards/simulated")
    for name, page in pages.items():
        if name.startswith("boards/simulated"):
            assert "simulated data (no real EEG)" in page.text.split("–")[0]  # the title too
            assert "real EEG: " not in page.text
        if name.startswith("boards/sparrkulee"):
            assert "simulated" not in page.text
            assert "real EEG: sparrkulee" in page.text
    both = (site / "systems/linear.html").read_text()
    assert both.index("<h2>Real EEG") < both.index("../boards/sparrkulee")
    assert both.index("../boards/sparrkulee") < both.index("simulated data (no real EEG)")
    assert both.index("simulated data (no real EEG)") < both.index("../boards/simulated")


def test_a_board_shows_ranks_ties_chance_and_what_is_not_ranked(site, results):
    text = Page(site / BOARD_PAGE).text
    for words in ("indistinguishable from chance", "vlaai (original)", "1 of 4", "2 (2 to 3)", "2026-01-01"):
        assert words in text
    assert "Not ranked, scored on 5 subjects only: half 0.9000." in text
    record = load_board(results, BOARD).entries[0]
    assert record.sha256[:12] in text
    ranking = rank(load_board(results, BOARD))
    pairs = board_view(ranking)["pairs"]
    assert [len(row.cells) for row in pairs] == [0, 1, 2, 3]
    assert pairs[3].cells[0] == (f"{ranking.p[3, 0]:.3f}"[1:], "p2")
    assert pairs[2].cells[1].shade == ""  # tied, and not coloured


def test_tables_can_be_read_out(site):
    for name, page in site_pages(site).items():
        tags = [tag for tag, _ in page.tags]
        assert tags.count("caption") == tags.count("table"), name
        scopes = {given.get("scope") for tag, given in page.tags if tag == "th"}
        assert scopes <= {"col", "row"}, name
        pictures = [given for tag, given in page.tags if tag == "svg"]
        assert all(given["role"] == "img" for given in pictures)
        assert tags.count("title") == tags.count("desc") + 1 == len(pictures) + 1
        assert [given["lang"] for tag, given in page.tags if tag == "html"] == ["en"]
    sortable = [given for tag, given in Page(site / BOARD_PAGE).tags if "data-sort" in given]
    assert [given.get("aria-sort") for given in sortable] == ["ascending", *[None] * 8]


def test_a_systems_page_has_every_subject_and_where_the_record_comes_from(site, results):
    page = Page(site / "systems/vlaai.html")
    entry = next(entry for entry in load_board(results, BOARD).entries if entry.system == "vlaai (original)")
    for subject, r in zip(entry.record["subjects"], entry.scores, strict=True):
        assert f"{subject} {r:.4f}" in page.text
    assert f"record {entry.sha256[:12]}" in page.text
    assert "variant original" in page.text
    assert "No package of this name" in page.text


def test_packages_give_paper_manifest_and_training(results, make_record, make_submission, tmp_path):
    package = make_submission(
        "trained",
        title="A <title>",
        paper="Doe 2020, On Decoding, doi 10.1234/abc.5",
        authors=["One & Two"],
        weights=None,
    )
    record = {
        "weights_sha256": "a" * 64,
        "corpus": "simulated",
        "seed": 7,
        "subjects": ["sub-001", "sub-002"],
        "stimuli": ["s1"],
        "recipe": {"epochs": 3, "losses": {"pearson": 1.0}},
        "run": {"seconds": 12.5},
        "environment": {"torch": "9"},
    }
    (package / "weights").mkdir()
    (package / "weights/w.json").write_text(json.dumps(record))
    with (package / "submission.toml").open("a") as file:
        file.write(
            f'[[weights]]\ncorpus = "simulated"\nsplit = "held-out-subjects"\nfeature = "mel"\n'
            f'file = "weights/w.safetensors"\nsha256 = "{"a" * 64}"\ntraining = "weights/w.json"\n'
        )
    make_record("trained", [0.05] * N_SUBJECTS, submission={"weights_sha256": "a" * 64})
    build_page(tmp_path / "site", results, tmp_path)
    page = Page(tmp_path / "site/systems/trained.html")
    assert page.faults == []
    assert "https://doi.org/10.1234/abc.5" in page.links
    assert "#waaaaaaaaaaaa" in page.links
    for words in ("A <title>", "One & Two", "seed7", "subjects seen2", "seconds12.5", "torch 9"):
        assert words in page.text, words
    assert "epochs 3, losses (pearson 1)" in page.text
    # A training record of other weights, or of another form, is none.
    for other in (
        {**record, "weights_sha256": "b" * 64},
        ["no object"],
        {"weights_sha256": "a" * 64, "run": 3},
    ):
        (package / "weights/w.json").write_text(json.dumps(other))
        build_page(tmp_path / "site", results, tmp_path)
        assert "seed7" not in Page(tmp_path / "site/systems/trained.html").text


def test_the_committed_records_and_packages_have_pages(tmp_path):
    build_page(tmp_path / "site", REPOSITORY / "results", REPOSITORY)
    pages = site_pages(tmp_path / "site")
    assert all(page.faults == [] for page in pages.values())
    linear = pages["systems/linear.html"]
    assert "https://doi.org/10.3389/fnhum.2016.00604" in linear.links
    assert "subjects seen69" in linear.text


def test_the_official_board_is_whole_and_unpaired(site):
    page = Page(site / "official-2024.html")
    for team in official_teams():
        assert team.name in page.text
        assert f"{team.mean:.4f}" in page.text
    assert "No paired test is possible" in page.text
    assert "published scores, not measured here" in page.text


def test_hostile_names_are_text(results, make_record, tmp_path):
    make_record(
        HOSTILE,
        [0.04] * N_SUBJECTS,
        submission={"kind": "predictions"},
        environment={HOSTILE: HOSTILE},
    )
    make_record(
        "../../etc", [0.01] * N_SUBJECTS, kind="real", submission={"name": "..", "kind": "submission"}
    )
    build_page(tmp_path / "site", results, tmp_path)
    pages = site_pages(tmp_path / "site")
    for name, page in pages.items():
        assert page.faults == [], name
        assert "img" not in [tag for tag, _ in page.tags], name
    assert HOSTILE in pages[BOARD_PAGE].text
    assert HOSTILE in pages[system_file(HOSTILE)].text
    assert all(re.fullmatch(r"[a-z0-9_/-]+\.html", name) for name in pages if "official" not in name)


def test_names_of_files_are_plain_and_never_shared():
    assert slug("cat-wavenet2") == "cat-wavenet2"
    names = ["VLAAI", "vlaai", "Vlaai", "vlaai!", "..", "/", "", "é", "con/../x", "a" * 200]
    slugs = [slug(name) for name in names]
    assert len(set(slugs)) == len(names)
    assert all(re.fullmatch(r"[a-z0-9_-]{1,80}", one) for one in slugs)
    assert slug(slug("VLAAI")) != slug("VLAAI")  # nobody takes another's file by naming himself like it
    assert board_file(BOARD) == BOARD_PAGE


@pytest.mark.parametrize(
    ("paper", "link"),
    [
        ("https://example.org/a?b=1", "https://example.org/a?b=1"),
        (
            "Doe 2020, doi 10.1109/ICASSPW62465.2024.10627006",
            "https://doi.org/10.1109/ICASSPW62465.2024.10627006",
        ),
        ("Doe 2020, doi: 10.1234/x.", "https://doi.org/10.1234/x"),
        ("Piao et al. 2023, arXiv 2305.06806", "https://arxiv.org/abs/2305.06806"),
        ("javascript:alert(1)", None),
        ("data:text/html,x", None),
        ("https://a.org/<script>", None),
        ("a book", None),
        ("", None),
    ],
)
def test_papers_link_to_http_only(paper, link):
    assert paper_link(paper) == link


def test_size_of_50_systems_of_20_subjects_with_packages(make_record, rng, tmp_path):
    training = json.loads((REPOSITORY / "baselines/linear/weights/simulated-mel.json").read_text())
    training |= {
        "weights_sha256": "a" * 64,
        "recipe": {f"a_value_of_the_recipe_{k}": 0.125 for k in range(30)},
    }
    for number in range(50):
        name = f"a-system-of-team-{number:02d}"
        scores = rng.normal(0.05 - 0.0005 * number, 0.01, 20)
        path = make_record(name, scores, submission={"weights_sha256": "a" * 64})
        record = json.loads(path.read_text())
        record["bands"] = rng.normal(0.05, 0.01, 10).tolist()
        path.write_text(json.dumps(record))
        folder = tmp_path / "submissions" / name
        (folder / "weights").mkdir(parents=True)
        (folder / "predictor.py").touch()
        (folder / "weights/w.json").write_text(json.dumps(training))
        (folder / "submission.toml").write_text(
            f'name = "{name}"\nversion = "1.0.0"\ntitle = "A title of some sixty letters, as long as any of those here"\n'
            'authors = ["The maintainers"]\nlicence = "MIT"\nentry_point = "predictor:D"\nfeatures = ["mel"]\n'
            'paper = "Doe et al. 2024, A paper with a title that goes on for a whole line, doi 10.1234/5678.90"\n'
            '[[weights]]\ncorpus = "simulated"\nsplit = "held-out-subjects"\nfeature = "mel"\nfile = "weights/w"\n'
            f'sha256 = "{"a" * 64}"\ntraining = "weights/w.json"\n'
        )
    built = build_page(tmp_path / "site", tmp_path / "results", tmp_path)
    assert "recipe_29" in (tmp_path / f"site/systems/{name}.html").read_text()
    assert built.n_files == 55
    assert built.n_bytes == sum(path.stat().st_size for path in (tmp_path / "site").rglob("*.*"))
    assert built.n_bytes < 300_000


def test_one_system_one_subject_and_no_complete_record(make_record, tmp_path):
    make_record("alone", [0.05])
    make_record("part", [0.05] * 3, kind="real", flags={"partial": True, "subjects_missing": ["sub-099"]})
    build_page(tmp_path / "site", tmp_path / "results", tmp_path)
    pages = site_pages(tmp_path / "site")
    assert all(page.faults == [] for page in pages.values())
    assert all("nan" not in page.text.lower() for page in pages.values())
    assert "1 system, 1 subject," in pages[BOARD_PAGE].text
    assert "<h2>Every pair" not in (tmp_path / "site" / BOARD_PAGE).read_text()
    assert "No complete record yet." in pages["boards/sparrkulee-held-out-subjects-test-mel.html"].text
    assert "not ranked" in pages["systems/part.html"].text


def test_many_systems_have_no_matrix(make_record, tmp_path):
    for number in range(61):
        make_record(f"system-{number}", [0.05, 0.06 + number / 1000])
    view = board_view(rank(load_board(tmp_path / "results", BOARD)))
    assert (view["pairs"], view["ties"], view["left_out"]) == (None, None, True)


def test_faults_of_all_boards_are_named_at_once_and_nothing_is_written(results, make_record, tmp_path):
    folder = results.joinpath(*BOARD)
    (folder / "broken.json").write_text("{")
    (folder / "copy.json").write_bytes((folder / "linear.json").read_bytes())
    other = make_record("other", [0.1] * N_SUBJECTS, kind="real", split={"sha256": "9" * 64})
    with pytest.raises(RecordError) as caught:
        build_page(tmp_path / "site", results, tmp_path)
    text = str(caught.value)
    assert f"{folder}/broken.json: not JSON" in text
    assert f"{folder}/copy.json: a record of another board or name, expected" in text
    assert f"{other}: another split file than the board's other records" in text
    assert not (tmp_path / "site").exists()


def test_only_an_earlier_page_is_put_out_of_the_way(site, results, make_record, tmp_path, harness):
    stale = site / "systems/gone.html"
    stale.write_text("x")
    make_record("fresh", [0.05] * N_SUBJECTS)
    code, out, err = harness("page", site, "--results", results)
    assert (code, err) == (0, "")
    assert re.fullmatch(rf"{site}/index\.html: 12 files, \d+ kB\n", out)
    assert not stale.exists()
    assert (site / "systems/fresh.html").is_file()
    (site / "notes.txt").write_text("mine")
    code, out, err = harness("page", site, "--results", results)
    assert (code, out) == (2, "")
    assert err == (
        f"error: {site}: a folder with files that are not of these pages (notes.txt), expected none, an empty"
        " one, or an earlier page.\n  Choose a folder that is not there yet.\n"
    )
    assert (site / "notes.txt").read_text() == "mine"
    others = tmp_path / "others"
    others.mkdir()
    build_page(others, results, tmp_path)  # an empty one
    (others / "index.html").write_text("somebody's own")
    with pytest.raises(UsageError, match="not of these pages"):
        build_page(others, results, tmp_path)
    with pytest.raises(UsageError, match="not a folder"):
        build_page(others / "index.html", results, tmp_path)
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_a_write_that_fails_leaves_the_earlier_page(site, results, tmp_path, monkeypatch):
    before = (site / "index.html").read_bytes()
    replace = Path.replace

    def fails(path, target):
        if path.name == "new":
            raise OSError(28, "No space left on device")
        return replace(path, target)

    monkeypatch.setattr(Path, "replace", fails)
    with pytest.raises(OSError, match="No space left"):
        build_page(site, results, tmp_path)
    assert (site / "index.html").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_pages_are_readable_by_a_server(site):
    assert (site.stat().st_mode & 0o055) == 0o055


def test_shades_of_bands():
    rows = heat([("a", [0.0, 0.1, 0.05]), ("b", [-0.0001, -3.0, 0.1])])
    assert rows is not None
    assert [cell.shade for cell in rows[0].cells] == ["h0", "h8", "h4"]
    assert [cell.shade for cell in rows[1].cells] == ["h0", "h0", "h8"]
    assert rows[1].cells[0].text == "0.000"
    assert heat([("envelope", [0.1])]) is None
    assert {cell.shade for row in heat([("a", [-0.1, -0.1])]) or [] for cell in row.cells} == {"h0"}


def test_plots_place_values_where_the_axis_says():
    scale = scale_of([0.1])
    assert scale.ticks() == pytest.approx([0, 0.02, 0.04, 0.06, 0.08, 0.1])
    unit = float(scale.x(0.1)) - float(scale.x(0.0))
    assert float(scale.x(0.05)) - float(scale.x(0.0)) == pytest.approx(unit / 2, abs=0.1)
    assert scale_of([0.0]).ticks()
    picture = dots([Dot("a", 0.1, (0.05, 0.12), (-0.01, 0.01)), Dot("b", 0.0, None)], "k", "t", "d")
    assert picture.count("<text") > 4
    (points,) = re.findall(r'class=dot d="([^"]*)"', picture)
    assert len(re.findall("M", points)) == 2
    (lines,) = re.findall(r'class=line d="([^"]*)"', picture)
    assert len(re.findall("M", lines)) == 1  # b has no interval


def test_boxes_have_a_point_for_every_subject():
    picture = boxes([Box("a", [0.1, 0.3, 0.2]), Box("b", [0.2, 0.2, 0.2])], "k", "t", "d")
    (path,) = re.findall(r'class=points d="([^"]*)"', picture)
    assert len(re.findall("[Mh]", path)) == 6
    first = re.findall(r"M(\d+) \d+h(\d+)h(\d+)", path)[0]
    assert int(first[1]) == pytest.approx(int(first[2]), abs=1)  # 0.1 to 0.2 to 0.3


def test_bars_join_the_tied_in_lanes_that_never_overlap():
    tied = np.eye(5, dtype=bool)
    for i, j in ((0, 1), (1, 2), (3, 4)):
        tied[i, j] = tied[j, i] = True
    runs = tie_runs(tied)
    assert runs == [(0, 1), (1, 2), (3, 4)]
    picture = ties(["a", "b", "c", "d", "e"], runs, "k", "t", "d")
    (path,) = re.findall(r'class=bar d="([^"]*)"', picture)
    bars = [tuple(map(float, bar)) for bar in re.findall(r"M([\d.]+) (\d+)H([\d.]+)", path)]
    assert [bar[1] for bar in bars] == [34, 41, 34]
    assert bars[0][2] < bars[2][0]
    many = ties([str(k) for k in range(50)], [(k, k + 1) for k in range(0, 50, 2)], "k", "t", "d")
    (path,) = re.findall(r'class=bar d="([^"]*)"', many)
    lanes: dict = {}
    for first, lane, last in re.findall(r"M([\d.]+) (\d+)H([\d.]+)", path):
        assert float(first) - lanes.get(lane, 0.0) > 4  # no two bars look like one
        lanes[lane] = float(last)
    assert len(lanes) == 2
    assert "class=bar" not in ties(["a", "b"], [(0, 0), (1, 1)], "k", "t", "d")


def _luminance(colour):
    parts = [int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one, other):
    light, dark = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_colours_have_contrast_in_both_schemes():
    assert contrast("#ffffff", "#000000") == pytest.approx(21)
    css = (REPOSITORY / "harness/page/style.css").read_text()
    schemes = [
        dict(re.findall(r"--([\w-]+): (#\w{6});", block))
        for block in re.findall(r":root \{(.*?)\}", css, re.S)
    ]
    assert len(schemes) == 2
    for scheme in schemes:
        for ink, paper in (
            *((ink, paper) for ink in ("text", "faint", "link") for paper in ("back", "raised")),
            ("real", "real-back"),
            ("simulated", "simulated-back"),
        ):
            assert contrast(scheme[ink], scheme[paper]) >= 4.5, (ink, paper)
        for mark in ("mark", "chance", "faint"):
            assert contrast(scheme[mark], scheme["back"]) >= 3, mark
    cells = re.findall(r"\.([hp]\d) \{ background: (#\w{6}); color: (#\w{6}); \}", css)
    assert len(cells) == 12
    for name, paper, ink in cells:
        assert contrast(paper, ink) >= 4.5, name


def test_the_page_is_not_imported_before_it_is_asked_for():
    import subprocess

    code = "import sys, harness.cli; print([name for name in sys.modules if name.startswith(('jinja2', 'harness.page'))])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "[]\n"
