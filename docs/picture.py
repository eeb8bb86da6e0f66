"""Take the picture of a board's page in docs/results.md again: ``python docs/picture.py``.

Needs Playwright (in the extra ``dev``) and a Chromium, which the variable CHROMIUM can name.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

from harness.boards.compare import DEFAULT_BOARD
from harness.page import build_page
from harness.page.names import board_file

REPOSITORY = Path(__file__).parent.parent
PICTURE = REPOSITORY / "docs" / "page.png"
WIDTH, HEIGHT = 1290, 1500


def main() -> None:
    """Write ``docs/page.png``."""
    chromium = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        sys.exit("No Chromium: install one, or name it in CHROMIUM.")
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        site = Path(folder) / "site"
        build_page(site, REPOSITORY / "results", REPOSITORY)
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT})
        page.goto((site / board_file(DEFAULT_BOARD)).as_uri())
        page.screenshot(path=PICTURE)
        browser.close()


if __name__ == "__main__":
    main()
