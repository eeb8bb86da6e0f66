"""The pages as files: what they say, that they are HTML, that hostile names are text."""

import json
import re

import numpy as np
import pytest
from conftest import REPOSITORY
from documents import controls_document
from page_fixtures import BOARD, BOARD_PAGE, N_SUBJECTS, Page, site_pages

from benchmarks.scale import made_records
from harness.boards.board import BoardRecord, board_of, load_board
from harness.boards.papers import official_teams
from harness.boards.ranking import rank
from harness.boards.sentences import board_sentence
from harness.page import build_page
from harness.page.board import board_view
from harness.page.build import pages as every_page
from harness.page.names import system_file

HOSTILE = "<img src=x onerror=alert(1)>\"'&{{7*7}}"


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
                file, _, anchor = link.partition("#")
                linked = (page.path.parent / file).resolve()
                assert linked.is_file(), (name, link)
                assert not anchor or anchor in Page(linked).ids, (name, link)


def test_pages_load_nothing_from_elsewhere(site):
    for path in site.rglob("*"):
        if path.is_file():
            text = path.read_text("utf-8")
            assert not re.search(r"(src|href|action)=[\"']?(https?:|//)|@import|url\((?!#)|fetch\(", text), (
                path
            )
    built = {
        "index.html",
        "official-2024.html",
        "style.css",
        "script.js",
        "boards",
        "systems",
        "board.schema.json",
    }
    assert {path.name for path in site.iterdir()} == built


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


def test_a_board_shows_ranks_ties_chance_and_what_is_not_ranked(site, page_results):
    text = Page(site / BOARD_PAGE).text
    for words in ("indistinguishable from chance", "vlaai (original)", "1 of 4", "2 (2 to 3)", "2026-01-01"):
        assert words in text
    assert "Not ranked, scored on 5 subjects only: half 0.9000." in text
    record = load_board(page_results, BOARD).records[0]
    assert record.sha256[:12] in text
    ranking = rank(load_board(page_results, BOARD))
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


def test_a_systems_page_has_every_subject_and_where_the_record_comes_from(site, page_results):
    page = Page(site / "systems/vlaai.html")
    entry = next(one for one in load_board(page_results, BOARD).records if one.system == "vlaai (original)")
    for subject, r in zip(entry.record.subjects, entry.scores, strict=True):
        assert f"{subject} {r:.4f}" in page.text
    assert f"record {entry.sha256[:12]}" in page.text
    assert "variant original" in page.text
    assert "No submission of this name" in page.text


def test_packages_give_paper_manifest_and_training(page_results, make_record, make_submission, tmp_path):
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
    build_page(tmp_path / "site", page_results, tmp_path)
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
        build_page(tmp_path / "site", page_results, tmp_path)
        assert "seed7" not in Page(tmp_path / "site/systems/trained.html").text


@pytest.mark.slow
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


def test_hostile_names_are_text(page_results, make_record, tmp_path):
    make_record(
        HOSTILE,
        [0.04] * N_SUBJECTS,
        submission={
            "kind": "predictions",
            "version": None,
            "variant": None,
            "code_sha256": None,
            "predictions_sha256": "3" * 64,
        },
    )
    make_record(
        "../../etc", [0.01] * N_SUBJECTS, kind="real", submission={"name": "..", "kind": "submission"}
    )
    build_page(tmp_path / "site", page_results, tmp_path)
    pages = site_pages(tmp_path / "site")
    for name, page in pages.items():
        assert page.faults == [], name
        assert "img" not in [tag for tag, _ in page.tags], name
    assert HOSTILE in pages[BOARD_PAGE].text
    assert HOSTILE in pages[system_file(HOSTILE)].text
    assert all(re.fullmatch(r"[a-z0-9_/-]+\.html", name) for name in pages if "official" not in name)


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


def test_flagged_systems_stand_below_a_line_and_an_old_record_was_not_measured(make_record, rng, tmp_path):
    base = rng.normal(0.05, 0.01, N_SUBJECTS)
    make_record("honest", base, controls=controls_document(base, base - 0.05))
    make_record("old", base - 0.02)
    make_record("replay", base + 0.5, controls=controls_document(base + 0.5, base + 0.5))
    build_page(tmp_path / "site", tmp_path / "results", tmp_path)
    pages = site_pages(tmp_path / "site")
    assert all(page.faults == [] for page in pages.values())
    board = (tmp_path / "site" / BOARD_PAGE).read_text()
    places = [board.index(word) for word in (">honest<", ">old<", "Below the line, since a", ">replay<")]
    assert places == sorted(places)
    assert "<td>not measured<td>" in board
    assert "(scores without the EEG, no evidence of using the EEG)<td>" in board
    assert "without the EEG" in (tmp_path / "site/systems/honest.html").read_text()
    assert "SCORES WITHOUT THE EEG: 0." in (tmp_path / "site/systems/replay.html").read_text()
    assert "<td>honest<td>3<td>" in (tmp_path / "site/index.html").read_text()  # the best of the board


def test_a_board_has_a_contents_list_of_its_parts_and_folds_ablations_and_pairs(site, tmp_path, make_record):
    page = Page(site / BOARD_PAGE)
    listed = [link for link in page.links if link.startswith("#") and link != "#main"]
    assert listed == ["#ranking", "#reading", "#means", "#tied", "#bands", "#subjects", "#pairs", "#data"]
    base = np.linspace(0.04, 0.06, N_SUBJECTS)
    make_record("net", base, variant="full")
    make_record("net", base - 0.01, variant="less", submission={"ablation_of": "full"})
    build_page(tmp_path / "folded", tmp_path / "results", tmp_path)
    text = (tmp_path / "folded" / BOARD_PAGE).read_text()
    assert '<a href="#ablations">Ablations</a>' in text
    folded = text[text.index("<section id=ablations>") : text.index("<section id=means>")]
    assert folded.index("<details><summary>Ablations, each beside") < folded.index("net (less)")
    assert "<details open" not in text


def test_a_board_begins_with_what_its_tests_say(site, page_results):
    said = board_sentence(rank(load_board(page_results, BOARD)))
    text = Page(site / BOARD_PAGE).text
    assert text.count(said) == 1
    assert text.index(said) < text.index("Ranking by mean Pearson r") < text.index("Resolution: ")


@pytest.mark.slow
def test_a_page_of_many_systems_grows_with_them_and_no_faster(tmp_path, monkeypatch):
    monkeypatch.setattr("harness.page.board.MOST_ALL_PAIRS", 62)
    monkeypatch.setattr("harness.boards.formats.MOST_ALL_PAIRS", 62)
    sizes = []
    for n_systems in (70, 140):
        ones = [BoardRecord.made(tmp_path, record) for record in made_records(n_systems, 8)]
        files = every_page([rank(board_of(BOARD, ones))], tmp_path)
        data = BOARD_PAGE.replace(".html", ".json")
        sizes.append((len(files[BOARD_PAGE]), len(files[data])))
        text = files[BOARD_PAGE].decode()
        assert "the pairs of the first and of neighbours" in text
        assert not re.search('data-ties="[^"]', text)
    for small, large in zip(*sizes, strict=True):
        assert large < 2.2 * small
