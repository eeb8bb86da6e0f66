"""Building the folder: what is refused, what stays, how large it is, how its files are named."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import REPOSITORY
from page_fixtures import BOARD, BOARD_PAGE, N_SUBJECTS, Page, site_pages

from harness.boards.board import board_names, load_board
from harness.boards.formats import DOCUMENT_VERSION, board_text
from harness.boards.ranking import rank
from harness.errors import UsageError
from harness.page import build_page
from harness.page.about import AUTHORS, TITLE, repository_url
from harness.page.names import board_file, paper_link, slug
from harness.schemas.validate import SCHEMA_FOLDER, schema, schema_faults


def test_the_same_records_give_the_same_bytes(site, page_results, tmp_path):
    build_page(tmp_path / "again", page_results, tmp_path)
    for path in site.rglob("*.*"):
        assert path.read_bytes() == (tmp_path / "again" / path.relative_to(site)).read_bytes()


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


@pytest.mark.slow
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
        offsets = rng.normal(0, 0.01, 10)
        offsets -= offsets.mean()
        for values, r in [
            (record, record["score"]),
            *((one, one["pearson_r"]) for one in record["subjects"].values()),
        ]:
            values["bands"] = (r + offsets).tolist()
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
    assert built.n_files == 58
    sizes = {path: path.stat().st_size for path in (tmp_path / "site").rglob("*.*")}
    assert built.n_bytes == sum(sizes.values())
    shown = [size for path, size in sizes.items() if path.suffix in (".html", ".css", ".js")]
    assert len(shown) == 55
    assert sum(shown) < 300_000
    data = {path.suffix: size for path, size in sizes.items() if path.suffix in (".csv", ".json")}
    assert data[".csv"] < 80_000  # what nobody loads who does not ask for it; of json's half is pairs
    assert sum(size for path, size in sizes.items() if path.suffix == ".json") < 260_000


def test_faults_of_all_boards_are_named_at_once_and_the_pages_do_without(
    page_results, make_record, tmp_path, harness
):
    folder = page_results.joinpath(*BOARD)
    (folder / "broken.json").write_text("{")
    (folder / "copy.json").write_bytes((folder / "linear.json").read_bytes())
    other = make_record("other", [0.1] * N_SUBJECTS, kind="real", split={"sha256": "9" * 64})
    code, out, text = harness("page", tmp_path / "site", "--results", page_results)
    assert code == 1
    assert re.fullmatch(rf"{tmp_path}/site/index\.html: \d+ files, \d+ kB\n", out)
    assert f"error: {folder}/broken.json: not JSON" in text
    assert f"error: {folder}/copy.json: a record of another board or name, expected" in text
    assert f"error: {other}: another split file than the board's other records" in text
    page = (tmp_path / "site" / BOARD_PAGE).read_text()
    assert f"Left out, since it does not hold together: {folder}/broken.json, {folder}/copy.json." in page
    assert "Left out" not in (tmp_path / "site/index.html").read_text()
    pages = {path.name for path in (tmp_path / "site").rglob("*.html")}
    assert "other.html" not in pages


def test_only_an_earlier_page_is_put_out_of_the_way(site, page_results, make_record, tmp_path, harness):
    stale = site / "systems/gone.html"
    stale.write_text("x")
    make_record("fresh", [0.05] * N_SUBJECTS)
    code, out, err = harness("page", site, "--results", page_results)
    assert (code, err) == (0, "")
    assert re.fullmatch(rf"{site}/index\.html: 17 files, \d+ kB\n", out)
    assert not stale.exists()
    assert (site / "systems/fresh.html").is_file()
    (site / "notes.txt").write_text("mine")
    code, out, err = harness("page", site, "--results", page_results)
    assert (code, out) == (2, "")
    assert err == (
        f"error: {site}: a folder with files that are not of these pages (notes.txt), expected none, an empty"
        " one, or an earlier page.\n  Choose a folder that is not there yet.\n"
    )
    assert (site / "notes.txt").read_text() == "mine"
    others = tmp_path / "others"
    others.mkdir()
    build_page(others, page_results, tmp_path)  # an empty one
    (others / "index.html").write_text("somebody's own")
    with pytest.raises(UsageError, match="not of these pages"):
        build_page(others, page_results, tmp_path)
    with pytest.raises(UsageError, match="not a folder"):
        build_page(others / "index.html", page_results, tmp_path)
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_a_write_that_fails_leaves_the_earlier_page(site, page_results, tmp_path, monkeypatch):
    before = (site / "index.html").read_bytes()
    replace = Path.replace

    def fails(path, target):
        if path.name == "new":
            raise OSError(28, "No space left on device")
        return replace(path, target)

    monkeypatch.setattr(Path, "replace", fails)
    with pytest.raises(OSError, match="No space left"):
        build_page(site, page_results, tmp_path)
    assert (site / "index.html").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_pages_are_readable_by_a_server(site):
    assert (site.stat().st_mode & 0o055) == 0o055


def test_the_page_is_not_imported_before_it_is_asked_for():
    code = "import sys, harness.cli.main; print([name for name in sys.modules if name.startswith(('jinja2', 'harness.page'))])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "[]\n"


def test_the_data_of_a_board_lie_beside_its_page_and_follow_the_schema(site, page_results):
    ranking = rank(load_board(page_results, BOARD))
    beside = site / BOARD_PAGE
    document = json.loads(beside.with_suffix(".json").read_text())
    assert document == json.loads(board_text(ranking, "json"))
    assert schema_faults(document, "board", "board.json") == []
    assert beside.with_suffix(".csv").read_text() == board_text(ranking, "csv")
    for row, its in zip(document["rows"], ranking.rows, strict=True):
        assert dict(zip(document["subjects"], row["per_subject"], strict=True)) == its.score.subjects
    assert (site / "board.schema.json").read_bytes() == (SCHEMA_FOLDER / "board.json").read_bytes()
    page = Page(beside)
    for name in ("simulated-held-out-subjects-test-mel.csv", "simulated-held-out-subjects-test-mel.json"):
        assert name in page.links
    assert "../board.schema.json" in page.links


@pytest.mark.slow
@pytest.mark.parametrize("name", board_names(REPOSITORY / "results"), ids=str)
def test_documents_of_the_committed_boards_follow_the_schema_and_say_their_version(name):
    document = json.loads(board_text(rank(load_board(REPOSITORY / "results", name)), "json"))
    assert schema_faults(document, "board", "board.json") == []
    assert document["version"] == DOCUMENT_VERSION == schema("board")["properties"]["version"]["const"]


def test_what_is_no_board_is_refused_by_the_schema(page_results):
    document = json.loads(board_text(rank(load_board(page_results, BOARD)), "json"))
    del document["rows"][0]["per_subject"]
    document["rows"][1]["rank"] = "first"
    document["pairs"][0]["p_holm"] = 1.5
    faults = [str(fault) for fault in schema_faults(document, "board", "b")]
    assert faults == [
        "b: pairs[0]: p_holm: 1.5, expected a number of at most 1.",
        "b: rows[0]: the key 'per_subject' is missing.",
        "b: rows[1]: rank: 'first' of type string, expected integer or null.",
    ]


@pytest.mark.parametrize(
    ("remote", "address"),
    [
        ("https://github.com/lab/kit.git", "https://github.com/lab/kit"),
        ("https://user:secret@github.com/lab/kit", "https://github.com/lab/kit"),
        ("git@github.com:lab/kit.git", "https://github.com/lab/kit"),
        ("ssh://git@host.org:2222/lab/kit.git/", "https://host.org/lab/kit"),
        ("https://git.lab.edu:8443/lab/kit.git", "https://git.lab.edu:8443/lab/kit"),
        ("http://host.org/lab/kit", "https://host.org/lab/kit"),
        ("http://host.org:3000/lab/kit", None),
        ("http://localhost:3000/lab/kit", None),
        ("git@alias:lab/kit.git", None),
        ("/home/someone/kit", None),
        ("file:///home/someone/kit", None),
        ("javascript:alert(1)", None),
    ],
)
def test_the_repository_is_that_of_the_remote_without_a_users_name(tmp_path, remote, address):
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    assert repository_url(None, tmp_path) is None
    subprocess.run(["git", "-C", tmp_path, "remote", "add", "origin", remote], check=True)
    assert repository_url(None, tmp_path) == address
    assert repository_url("https://example.org/kit/", tmp_path) == "https://example.org/kit"


def test_a_repository_that_is_no_address_is_refused(page_results, tmp_path, harness):
    for given in ("javascript:alert(1)", "http://x.org", 'https://x.org/"onclick="'):
        code, out, err = harness("page", "out", "--results", page_results, "--repository", given)
        assert (code, out) == (2, "")
        assert err == f"error: --repository: {given!r}, expected an address, https://....\n"
    assert not (tmp_path / "out").exists()


def test_every_page_links_to_the_repository_submitting_and_citing(page_results, tmp_path):
    build_page(tmp_path / "known", page_results, tmp_path, "https://example.org/kit")
    for name, page in site_pages(tmp_path / "known").items():
        root = "../" if "/" in name else ""
        assert page.faults == []
        assert {"https://example.org/kit", f"{root}index.html#submitting"} <= set(page.links), name
    index = Page(tmp_path / "known/index.html")
    assert {"submitting", "citing"} <= set(index.ids)
    assert "../index.html#citing" in Page(tmp_path / "known" / BOARD_PAGE).links
    assert "https://example.org/kit/blob/HEAD/docs/challenge.md" in index.links
    for words in (
        "harness new submissions/my-model",
        "@software{eeg_speech_harness, title = {",
        "version 0.1.0",
    ):
        assert words in index.text
    citation = (REPOSITORY / "CITATION.cff").read_text()
    assert f'title: "{TITLE}"' in citation
    assert f"- name: {AUTHORS}\n" in citation


def test_the_schema_knows_what_only_some_rows_have(page_results):
    document = json.loads(board_text(rank(load_board(page_results, BOARD)), "json"))
    document["rows"][0] |= {"transfer": "dtu/dtu", "channels_excluded": "1 2", "constant_cosine": 0.5}
    assert schema_faults(document, "board", "b") == []
    document["rows"][0]["transfer"] = 1
    assert [str(fault) for fault in schema_faults(document, "board", "b")] == [
        "b: rows[0]: transfer: 1 of type number, expected string."
    ]
