"""Fill in what README.md and docs/*.md quote from the committed records and figures. ``make docs`` runs it.

A quotation stands between two comments, which nobody sees on the rendered page:

    <!-- make docs: board simulated/held-out-subjects/test/mel -->
    ...
    <!-- end -->

The first comment names one of `BLOCKS` and its argument. What stands in between is written here, from the
records in ``results/``, the weights' training records, ``benchmarks/*.json`` and ``docs/pull-request.json``;
everything else in these files is written by hand. Boards show the systems that come with the kit. What others
hand in stands on the pages that ``harness page`` writes, and changes nothing here.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import tempfile
import tomllib
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

from tabulate import tabulate

from harness.boards.board import load_board, parse_board
from harness.boards.compare import DEFAULT_BOARD
from harness.boards.formats import board_text
from harness.boards.papers.official import official_text
from harness.boards.papers.tables import paper_text
from harness.boards.ranking import rank
from harness.pull_request.comment import comment_text, load_data
from harness.records.document import parse_record
from harness.records.text import record_text, seeds_text
from harness.scoring.intervals import interval_name
from harness.submission import training_record

REPOSITORY = Path(__file__).parent.parent
RESULTS = REPOSITORY / "results"
DOCUMENTS = (REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").glob("*.md")))
AUTHORS = ["The eeg-speech-harness maintainers"]
COMMENT_BYTES = 3000
_BLOCK = re.compile(r"^(<!-- make docs: (\S+)(?: (.+))? -->\n)(?:.*\n)*?(<!-- end -->)$", re.M)


def filled(text: str) -> str:
    """A document with every quotation written anew."""
    return _BLOCK.sub(lambda found: f"{found[1]}{BLOCKS[found[2]](found[3] or '').strip()}\n{found[4]}", text)


def quoted(text: str) -> set[tuple[str, str]]:
    """What a document quotes: names of `BLOCKS` with their arguments."""
    return {(name, argument) for _, name, argument, _ in _BLOCK.findall(text)}


def our_packages() -> set[str]:
    """Names of the packages that come with the kit."""
    manifests = [tomllib.loads(path.read_text("utf-8")) for path in REPOSITORY.glob("*/*/submission.toml")]
    return {manifest["name"] for manifest in manifests if manifest["authors"] == AUTHORS}


def make_score(_: str) -> str:
    """What ``make score`` prints, but for the tables of subjects and the time that predicting took."""
    paths = sorted(RESULTS.joinpath(*DEFAULT_BOARD).glob("catwavenet-full*.json"))
    records = [parse_record(path.read_bytes(), str(path)) for path in paths]
    summary = seeds_text(records) if len(records) > 1 else record_text(records[0]).split("\n\n")[-1]
    lines = [line for line in summary.splitlines() if not line.startswith("predicted in")]
    return "```\n" + "\n".join([*lines, "", _board(str(DEFAULT_BOARD), "text")]) + "```"


def board(name: str) -> str:
    """A board."""
    return _board(name, "md")


def rows_of(argument: str) -> str:
    """The rows of one package on a board: ``PACKAGE BOARD``."""
    package, name = argument.split()
    title, table, *_ = _board(name, "md", everything=True).split("\n\n")
    header, rule, *rows = table.splitlines()
    own = [row for row in rows if re.search(rf"\| {re.escape(package)} ", row)]
    return "\n".join([title, "", header, rule, *own])


def paper(name: str) -> str:
    """A paper's tables, reported beside measured."""
    return paper_text(name, RESULTS, form="md")


def official(_: str) -> str:
    """The official leaderboard of 2024."""
    return official_text("md")


def seeds(argument: str) -> str:
    """One net's trainings, which differ in their seed alone: ``PACKAGE CORPUS-FEATURE``."""
    package, weights = argument.split()
    (folder,) = REPOSITORY.glob(f"*/{package}/weights")
    trainings = [json.loads(path.read_text("utf-8")) for path in sorted(folder.glob(f"{weights}*.json"))]
    rows = [
        [str(training["seed"]), f"{training['report']['validation_pearson_r']:.4f}"]
        for training in sorted(trainings, key=lambda training: training["seed"])
    ]
    return _table(["seed", "mean r, validation part"], rows)


def heard(_: str) -> str:
    """DTU's late halves, scored with and without their envelope in training."""
    rows = [
        [system.removesuffix("/default"), f"{r['heard']:.4f}", f"{r['unheard']:.4f}"]
        for system, r in _figures("dtu_unheard").items()
    ]
    return _table(["system", "trained on the late halves", "trained on the early halves"], rows)


def figures(_: str) -> str:
    """The benchmarks' figures beside their targets."""
    measured = _figures("figures")
    rows = [
        [target["what"], f"{measured[benchmark][name]:,g}", _target(target), f"`{benchmark}.{name}`"]
        for benchmark, targets in _figures("targets").items()
        for name, target in targets.items()
        if "what" in target
    ]
    return _table(["what", "figure", "target", "key"], rows)


def curve(_: str) -> str:
    """Mean r on the test part over hours of training EEG."""
    systems = _figures("learning_curve")
    rows = [
        [f"{point['hours']:.1f}", *(_score(shares[share]["test"]) for shares in systems.values())]
        for share, point in next(iter(systems.values())).items()
    ]
    return _table(["hours", *systems], rows)


def retrained(_: str) -> str:
    """Committed weights that were trained again."""
    rows = [
        [
            name,
            f"{one['committed_r']:.4f}",
            f"{one['trained_again_r']:.4f}",
            f"{one['trained_again_r'] - one['committed_r']:+.4f}",
            "yes" if one["same_bytes"] else "no",
            f"{one['seconds'] / 60:.0f}",
            one["date"],
        ]
        for name, one in _figures("retrain").items()
    ]
    return _table(
        ["training", "committed r", "trained again", "difference", "same bytes", "minutes", "date"], rows
    )


def coverage(_: str) -> str:
    """How often intervals hold the true mean, by the number of subjects."""
    headers = ["subjects", "interval"]
    kinds = {"in_use": "", "t": "t: ", "percentile": "percentile: "}
    headers += [f"{kind}{name}" for kind in kinds.values() for name in ("normal", "skewed")]
    rows = [
        [
            number,
            interval_name(int(number)),
            *(f"{100 * held[name][kind]:.1f}" for kind in kinds for name in ("normal", "skewed")),
        ]
        for number, held in _figures("coverage").items()
    ]
    return _table(headers, rows)


def alarms(_: str) -> str:
    """How often two sets of trainings of one architecture are called different."""
    headers = [
        "spreads of",
        "trainings each",
        "t over subjects and seeds",
        "signs of seed means",
        "signs, one each",
    ]
    rows = [
        [
            f"{measured['system']}, {part} ({measured['subjects']} subjects)",
            number,
            *(f"{100 * found[kind]:.1f}" for kind in ("two_sources", "seed_means", "single")),
        ]
        for part, measured in _figures("seed_alarms").items()
        for number, found in measured["called_different"].items()
    ]
    return _table(headers, rows)


def speeds(_: str) -> str:
    """Parameters, speed and memory of every system at its paper's size."""
    measured = _figures("figures")["systems"]
    names = [key.removesuffix("_parameters") for key in measured if key.endswith("_parameters")]
    rows = [
        [
            name.replace("_default", "").replace("_", "-"),
            f"{measured[f'{name}_parameters']:,}",
            _three_digits(measured[f"{name}_seconds_of_eeg_a_second"]),
            f"{measured[f'{name}_peak_mb']:.0f}",
        ]
        for name in names
    ]
    return _table(["system", "parameters", "seconds of EEG a second", "peak memory, MB"], rows)


def scale(part: str) -> str:
    """What a part of ``benchmarks/scale.py`` costs by size, and how each figure grows."""
    measured = _figures("scale")[part]
    sizes = measured["sizes"]
    rows = [
        [_words_of(name), *(_three_digits(figures[name]) for figures in sizes.values()), f"{growth:.1f}"]
        for name, growth in measured["growth"].items()
    ]
    return _table(["", *(f"{int(size):,}" for size in sizes), "growth"], rows)


def _words_of(figure: str) -> str:
    """``write_one_more_seconds`` -> "write one more, s"."""
    what, _, unit = figure.rpartition("_")
    units = {"seconds": "s", "mb": "MB", "kb": "kB"}
    return f"{what}, {units[unit]}".replace("_", " ") if unit in units else figure.replace("_", " ")


def comment(_: str) -> str:
    """The comment under a pull request, from ``docs/pull-request.json``."""
    return comment_text(load_data(REPOSITORY / "docs" / "pull-request.json"), COMMENT_BYTES)


BLOCKS: dict[str, Callable[[str], str]] = {
    "make-score": make_score,
    "board": board,
    "rows-of": rows_of,
    "paper": paper,
    "official-2024": official,
    "seeds": seeds,
    "heard": heard,
    "figures": figures,
    "coverage": coverage,
    "curve": curve,
    "retrained": retrained,
    "alarms": alarms,
    "speeds": speeds,
    "scale": scale,
    "comment": comment,
}


@lru_cache
def _board(name: str, form: str, *, everything: bool = False) -> str:
    """A board of the kit's own records alone, ranked and formatted as ``harness rank`` (``--all``) would."""
    ours = our_packages()
    with tempfile.TemporaryDirectory() as folder:
        board_folder = Path(folder) / name
        board_folder.mkdir(parents=True)
        for path in (RESULTS / name).glob("*.json"):
            if json.loads(path.read_text("utf-8"))["submission"]["name"] in ours:
                shutil.copy(path, board_folder)
        board = load_board(Path(folder), parse_board(name))
        return board_text(rank(board, everything=everything), form)


def _figures(name: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((REPOSITORY / "benchmarks" / f"{name}.json").read_text("utf-8"))
    return document


def _target(target: dict[str, Any]) -> str:
    return f"at least {target['at_least']:g}" if "at_least" in target else f"at most {target['at_most']:g}"


def _score(score: dict[str, Any]) -> str:
    low, high = score["ci95"]
    return f"{score['r']:.4f} ({low:.4f} to {high:.4f})"


def _three_digits(value: float) -> str:
    """54.18 -> 54.2, 15110 -> 15,100: never with an exponent."""
    rounded = float(f"{value:.3g}")
    return f"{rounded:,.0f}" if rounded >= 1000 else f"{rounded:g}"


def _table(headers: list[str], rows: list[list[str]]) -> str:
    return tabulate(rows, headers, "pipe", disable_numparse=True)


def main() -> None:
    """Write every document whose quotations have changed."""
    for path in DOCUMENTS:
        text = path.read_text("utf-8")
        if (new := filled(text)) != text:
            path.write_text(new, "utf-8")


if __name__ == "__main__":
    # Pages are the same whoever writes them: as a machine sees the records that has trained nothing.
    training_record.key_file = lambda: Path(os.devnull)
    main()
