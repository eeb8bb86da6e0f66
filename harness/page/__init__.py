"""The leaderboards as a folder of static HTML."""

from harness.page.build import Built, build_page

__all__ = ["Built", "build_page"]
