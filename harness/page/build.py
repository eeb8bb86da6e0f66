"""The folder of pages: every board, every system, the official 2024 leaderboard. ``harness page`` calls it.

Pages are plain files that load nothing but each other: no network, no server. The same records and
submissions give the same bytes. The folder is written whole or not at all, and only over an earlier one of
its kind.
"""

from __future__ import annotations

import json
import re
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from harness.boards.board import Board, board_names, load_board
from harness.boards.cells import CONSTANT
from harness.boards.formats import board_document, board_text
from harness.boards.ranking import Ranking, rank
from harness.boards.row import Row
from harness.errors import Fault, UsageError, on_one_line, shorten
from harness.page.about import about_view
from harness.page.board import board_view, board_words, official_view
from harness.page.names import board_data, board_file, system_file
from harness.page.system import submission_of, system_view, systems_of
from harness.schemas.validate import SCHEMA_FOLDER
from harness.scoring.measures import DEFAULT, Measure

HERE = Path(__file__).parent
MARK = '<meta name="generator" content="eeg-speech-harness page">'
OFFICIAL = "official-2024.html"
ASSETS = ("style.css", "script.js")
SCHEMA = "board.schema.json"
_OWN = re.compile(
    r"index\.html|official-2024\.html|style\.css|script\.js|board\.schema\.json|systems/[^/]+\.html"
    r"|boards/[^/]+\.(html|csv|json)"
)


class Built(NamedTuple):
    """What was written.

    Attributes:
        folder: where.
        n_files: how many files.
        n_bytes: all of them together.
        boards: every board, each with what it leaves out.
    """

    folder: Path
    n_files: int
    n_bytes: int
    boards: tuple[Board, ...]


def build_page(out: Path, results: Path, root: Path = Path(), repository: str | None = None) -> Built:
    """Write the pages of a results folder.

    A record that is broken or does not belong to its board is left out, and the board's page says so.

    Args:
        out: the folder; made, or put in place of an earlier one of pages.
        results: folder of score records.
        root: where ``baselines/`` and ``submissions/`` lie.
        repository: address of the repository, linked from every page; None where it is not known.

    Raises:
        RecordError: no record.
        SubmissionError: a manifest that is not valid.
        UsageError: ``out`` is there and not a folder of pages.
    """
    _check_out(out)
    boards = tuple(load_board(results, name) for name in board_names(results))
    files = pages([rank(board) for board in boards if not board.empty], root, repository)
    _write(out, files)
    return Built(out, len(files), sum(map(len, files.values())), boards)


def pages(
    rankings: Sequence[Ranking], root: Path = Path(), repository: str | None = None
) -> dict[str, bytes]:
    """Every file of the site: path -> content. Arguments as in :func:`build_page`."""
    made: dict[str, str] = {}

    def show(path: str, template: str, view: Mapping[str, Any]) -> None:
        root = "../" * path.count("/")
        mark = MARK if path == "index.html" else ""
        shared = {"root": root, "mark": mark, "by_others": by_others, "repository": repository}
        made[path] = _compact(templates.get_template(template).render(**shared, **view))

    templates = _templates()
    systems = systems_of(rankings)
    by_others = _by_others(rankings)
    known = list(systems)
    show("index.html", "index.html", _index(rankings) | about_view(repository))
    show(OFFICIAL, "official.html", official_view())
    for ranking in rankings:
        show(board_file(ranking.board.name), "board.html", board_view(ranking))
        for suffix, text in board_data_texts(ranking).items():
            made[board_data(ranking.board.name, suffix)] = text
    for name, places in systems.items():
        view = system_view(name, places, submission_of(name, places, root), known)
        show(system_file(name), "system.html", view)
    files = {path: text.encode() for path, text in made.items()}
    files[SCHEMA] = (SCHEMA_FOLDER / "board.json").read_bytes()
    return files | {name: (HERE / name).read_bytes() for name in ASSETS}


def board_data_texts(ranking: Ranking) -> dict[str, str]:
    """A board's data by the suffix of their file: what ``harness rank`` gives as CSV and as JSON."""
    document = board_document(ranking, ranking.rows)
    compact = json.dumps(document, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return {".csv": board_text(ranking, "csv"), ".json": f"{compact}\n"}


def _other(by: Measure) -> str:
    """The measure in brackets, unless it is Pearson r, which a reader takes for granted."""
    return "" if by.name == DEFAULT else f" ({by.title})"


def _index(rankings: Sequence[Ranking]) -> dict[str, Any]:
    rows: dict[bool, list[dict[str, Any]]] = {False: [], True: []}
    for ranking in rankings:
        board = ranking.board
        best = next((row for row in ranking.rows if not row.is_flagged), None)
        rows[board.simulated].append(
            {
                "link": board_file(board.name),
                "words": board_words(board.name),
                "flag": board.flag,
                "corpus": board.name.corpus,
                "systems": len(ranking.rows),
                "subjects": len(board.subjects),
                "best": best.system if best else "none",
                "score": _score(best) if best else "",
            }
        )
    return {"title": "Leaderboards", "real": rows[False], "simulated": rows[True], "official": OFFICIAL}


def _score(best: Row) -> str:
    """The best mean, its measure, and beside a cosine what a constant scores."""
    by = best.score.measure
    constant = best.constant_cosine if by.name == "cosine" else None
    beside = "" if constant is None else f", {CONSTANT} {constant:.4f}"
    return f"{best.score.value:.4f}{_other(by)}{beside}"


def _by_others(rankings: Sequence[Ranking]) -> bool:
    """Whether a board is ranked by another measure than Pearson r."""
    return any(ranking.board.measures[0].name != DEFAULT for ranking in rankings)


@lru_cache(maxsize=1)
def _templates() -> Any:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    return Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _compact(text: str) -> str:
    """Remove indentation and empty lines, which is safe since no page has preformatted text.

    Characters that cannot be seen, as in the texts of a stranger's manifest, are escaped.
    """
    lines = (line.strip() for line in text.splitlines())
    return "\n".join(on_one_line(line) for line in lines if line) + "\n"


def _check_out(out: Path) -> None:
    """Refuse to put pages in place of anything but pages."""
    if not out.exists() and not out.is_symlink():
        return
    remedy = "Choose a folder that is not there yet."
    if not out.is_dir():
        raise UsageError(Fault(str(out), "not a folder", "a folder for the pages", remedy))
    there = sorted(path.relative_to(out).as_posix() for path in out.rglob("*") if not path.is_dir())
    foreign = [name for name in there if not _OWN.fullmatch(name)]
    index = out / "index.html"
    if foreign or (there and not (index.is_file() and MARK in index.read_text("utf-8", "replace"))):
        raise UsageError(
            Fault(
                str(out),
                f"a folder with files that are not of these pages ({shorten(foreign or there, 3)})",
                "none, an empty one, or an earlier page",
                remedy,
            )
        )


def _write(out: Path, files: Mapping[str, bytes]) -> None:
    """Write beside the old folder, then put in its place."""
    target = out.resolve()
    target.parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}."))
    try:
        new, old = work / "new", work / "old"
        for name, content in files.items():
            path = new / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        if target.exists():
            target.replace(old)
        try:
            new.replace(target)
        except BaseException:  # an interrupt too
            if old.exists() and not target.exists():
                old.replace(target)
            raise
    finally:
        shutil.rmtree(work, ignore_errors=True)
