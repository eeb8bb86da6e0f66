"""The pages in a browser, from the disk: sorting, filtering, links, keyboard, widths, no request leaving."""

import os
import shutil

import numpy as np
import pytest
from page_fixtures import BOARD_PAGE

from harness.page import build_page

CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
PAGES = ("index.html", "official-2024.html", BOARD_PAGE, "systems/linear.html")

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def browser():
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine (apt-get install chromium, or name one in CHROMIUM)")
    api = pytest.importorskip("playwright.sync_api", reason="no Playwright (pip install playwright)")
    with api.sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("browser") / "site"


@pytest.fixture
def many(folder, make_record, rng, tmp_path):
    """One site for all tests here: no test writes to it."""
    if folder.exists():
        return folder
    base = rng.normal(0.05, 0.01, 12)
    make_record("linear", base)
    make_record("vlaai", base + rng.normal(0, 0.004, 12), variant="original")
    make_record("leader", base + 0.03 + rng.normal(0, 0.004, 12))
    make_record("noise", rng.normal(0.0, 0.004, 12), chance=0.02)
    for number in range(9):
        make_record(
            f"deep-{number}", base - 0.002 * number, run={"finished": f"2025-0{number + 1}-01T00:00:00Z"}
        )
    make_record("linear", base, kind="real")
    build_page(folder, tmp_path / "results", tmp_path)
    return folder


@pytest.fixture
def visit(browser, many):
    """Open a page of the site; afterwards nothing may have been asked of anything but the site."""
    requests, complaints, contexts = [], [], []

    def open_page(name, **options):
        contexts.append(browser.new_context(offline=True, **options))
        page = contexts[-1].new_page()
        page.on("request", lambda request: requests.append(request.url))
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("requestfailed", lambda request: complaints.append(request.url))
        page.goto((many / name).as_uri())
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert requests
    assert [url for url in requests if not url.startswith((many.as_uri(), "data:,"))] == []
    assert complaints == []


def _column(page, number):
    return page.locator(f"#systems tbody tr:visible > :nth-child({number})").all_inner_texts()


@pytest.mark.slow
def test_sorting_by_number_text_and_back(visit):
    page = visit(BOARD_PAGE)
    means = [float(text) for text in _column(page, 4)]
    assert means == sorted(means, reverse=True)
    header = page.get_by_role("columnheader", name="mean r")
    assert page.get_by_role("columnheader", name="rank").get_attribute("aria-sort") == "ascending"
    header.get_by_role("button").click()
    assert header.get_attribute("aria-sort") == "descending"
    assert [float(text) for text in _column(page, 4)] == means
    assert page.get_by_role("columnheader", name="rank").get_attribute("aria-sort") is None
    header.get_by_role("button").click()
    assert header.get_attribute("aria-sort") == "ascending"
    assert [float(text) for text in _column(page, 4)] == means[::-1]
    page.get_by_role("button", name="system").click()
    names = _column(page, 3)
    assert names == sorted(names)
    page.get_by_role("button", name="date").click()
    dates = _column(page, 9)
    assert dates == sorted(dates)
    assert len(set(dates)) == 10
    page.get_by_role("button", name="chance").click()
    assert _column(page, 6)[-1] == "indistinguishable from chance"  # no number: last
    page.get_by_role("button", name="rank").click()
    ranks = [int(text.split()[0]) for text in _column(page, 1)]
    assert ranks == sorted(ranks)


@pytest.mark.slow
def test_filtering_says_how_many_are_left(visit):
    page = visit(BOARD_PAGE)
    box = page.get_by_role("searchbox", name="Filter systems")
    count = page.get_by_role("status")
    assert count.inner_text() == ""
    box.fill("DEEP 2025-03")
    assert _column(page, 3) == ["deep-2"]
    assert count.inner_text() == "1 of 13 shown"
    box.fill("nobody")
    assert _column(page, 3) == []
    assert count.inner_text() == "0 of 13 shown"
    box.fill("")
    assert len(_column(page, 3)) == 13


def test_by_keyboard_alone(visit):
    page = visit(BOARD_PAGE)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to content"
    assert page.evaluate("document.activeElement.getBoundingClientRect().left") >= 0
    stops = []
    for _ in range(30):
        page.keyboard.press("Tab")
        stops.append(page.evaluate("document.activeElement.textContent.trim()"))
        if stops[-1] == "mean r":
            break
    assert stops[:2] == ["Leaderboards", "Official 2024"]
    assert stops[-3:] == ["rank", "system", "mean r"]
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    page.keyboard.press("Enter")
    assert page.get_by_role("columnheader", name="mean r").get_attribute("aria-sort") == "descending"
    page.keyboard.press("Space")
    assert page.get_by_role("columnheader", name="mean r").get_attribute("aria-sort") == "ascending"


@pytest.mark.slow
def test_links_from_the_index_to_a_system_and_back(visit):
    page = visit("index.html")
    page.get_by_role("table", name="Boards on simulated data (no real EEG)").get_by_role("link").click()
    assert page.title().startswith("mel, test part of held-out-subjects, simulated data (no real EEG)")
    page.get_by_role("link", name="vlaai (original)").click()
    assert page.get_by_role("heading", level=1).inner_text() == "vlaai"
    page.get_by_role("link", name="mel, test part").click()
    page.get_by_role("link", name="Leaderboards").click()
    assert page.url.endswith("/index.html")
    page.get_by_role("link", name="Official 2024").click()
    assert page.locator("#teams tbody tr").count() == 49


def test_pictures_are_named_and_plots_show_every_system(visit):
    page = visit(BOARD_PAGE)
    names = ("Mean Pearson r of each system", "Systems by rank; a bar joins", "Pearson r of every subject")
    for name in names:
        picture = page.get_by_role("img", name=name)
        assert picture.bounding_box()["height"] > 100
        assert "leader" in picture.text_content()


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_no_page_is_wider_than_the_window(visit, width, scheme):
    backs = set()
    for name in PAGES:
        page = visit(name, viewport={"width": width, "height": 800}, color_scheme=scheme)
        assert page.evaluate("document.documentElement.scrollWidth") <= width, name
        backs.add(page.evaluate("getComputedStyle(document.body).backgroundColor"))
    assert backs == {"rgb(255, 255, 255)" if scheme == "light" else "rgb(17, 22, 29)"}


@pytest.mark.slow
def test_what_scrolls_is_a_stop_of_the_keyboard_and_what_fits_is_none(visit):
    narrow = visit(BOARD_PAGE, viewport={"width": 700, "height": 800})
    assert narrow.get_by_role("region", name="Ranking").get_attribute("tabindex") == "0"
    stacked = visit(BOARD_PAGE, viewport={"width": 390, "height": 800})
    assert stacked.get_by_role("region", name="Ranking").get_attribute("tabindex") is None
    wide = visit(BOARD_PAGE, viewport={"width": 1600, "height": 800})
    assert wide.get_by_role("region", name="Ranking").get_attribute("tabindex") is None


def test_without_scripts_the_table_stands_and_no_control_is_dead(visit):
    page = visit(BOARD_PAGE, java_script_enabled=False)
    assert page.locator("#systems tbody tr").count() == 13
    assert page.get_by_role("searchbox").count() == 0
    assert page.get_by_role("button").count() == 0
    ranks = [int(text.split()[0]) for text in _column(page, 1)]
    assert (np.diff(ranks) >= 0).all()


# What is visible, outside of folded parts and of pictures, and lies beyond the window's edges.
OUTSIDE = """() => [...document.querySelectorAll('main *, header *, footer *')].filter((one) => {
  const box = one.getBoundingClientRect();
  const shown = box.width && box.height && !one.closest('details:not([open])') && !one.closest('.skip');
  return shown && (box.right > innerWidth + 1 || box.left < -1);
}).map((one) => one.outerHTML.slice(0, 80))"""
# Names of systems that are broken within a word: no line of theirs may end inside one.
BROKEN = """() => [...document.querySelectorAll('tbody th[scope=row]')].filter((one) => {
  if (one.closest('details:not([open])')) return false;
  const text = document.createTreeWalker(one, NodeFilter.SHOW_TEXT).nextNode();
  const range = document.createRange();
  let top = null;
  return [...text.data].some((letter, place) => {
    range.setStart(text, place); range.setEnd(text, place + 1);
    const box = range.getBoundingClientRect();
    const broken = top !== null && box.height && box.top > top + 2 && /[a-z0-9]/i.test(letter) &&
      /[a-z0-9]/i.test(text.data[place - 1] || ' ');
    if (box.height) top = box.top;
    return broken;
  });
}).map((one) => one.textContent)"""


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_on_a_narrow_screen_nothing_is_off_it_and_no_name_is_broken(visit, scheme):
    for name in PAGES:
        page = visit(name, viewport={"width": 390, "height": 800}, color_scheme=scheme)
        assert page.evaluate(OUTSIDE) == [], name
        assert page.evaluate(BROKEN) == [], name


def test_a_stacked_row_names_its_values_and_can_still_be_sorted(visit):
    page = visit(BOARD_PAGE, viewport={"width": 390, "height": 800})
    label = "getComputedStyle(document.querySelector('#systems tbody td:nth-child({})'), '::before').content"
    assert page.evaluate(label.format(4)) == '"mean r"'
    assert page.evaluate(label.format(6)) == '"chance"'
    page.get_by_role("button", name="system").click()
    names = _column(page, 3)
    assert names == sorted(names)
    wide = visit(BOARD_PAGE, viewport={"width": 1280, "height": 800})
    assert wide.evaluate(label.format(4)) == "none"
