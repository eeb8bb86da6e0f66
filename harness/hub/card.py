"""A model card: front matter for the hub, what the package is, what it scores, and what needs no brain."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tabulate import tabulate

from harness.boards.cells import row_cells
from harness.boards.sheet import markdown_cell
from harness.conventions import SIMULATED_WORDS
from harness.errors import on_one_line
from harness.hosting.yaml import yaml_bytes
from harness.hub.places import Place, Places
from harness.hub.results import LIBRARY
from harness.submission.manifest import Submission

MARK = f"# Made by harness export hub ({LIBRARY})."
_LINK = re.compile(r"(?<!!)\[([^\]\n]*)\]\((?![a-z]+:|#)([^)\s]+)\)")
_HEADING = re.compile(r"^(#+) ", re.M)
_FENCED = re.compile(r"(^```.*?^```[^\n]*$)", re.M | re.S)
# Licences as manifests write them -> the hub's words for them; every other is named as what it is.
_LICENCES = {
    "mit": "mit",
    "apache-2.0": "apache-2.0",
    "apache 2.0": "apache-2.0",
    "bsd-2-clause": "bsd-2-clause",
    "bsd-3-clause": "bsd-3-clause",
    "gpl-3.0": "gpl-3.0",
    "gpl-3.0-only": "gpl-3.0",
    "gpl-3.0-or-later": "gpl-3.0",
    "lgpl-3.0": "lgpl-3.0",
    "agpl-3.0": "agpl-3.0",
    "mpl-2.0": "mpl-2.0",
    "cc-by-4.0": "cc-by-4.0",
    "cc by 4.0": "cc-by-4.0",
    "cc-by-nc-4.0": "cc-by-nc-4.0",
    "cc by-nc 4.0": "cc-by-nc-4.0",
    "cc-by-sa-4.0": "cc-by-sa-4.0",
    "cc by-sa 4.0": "cc-by-sa-4.0",
    "cc-by-nc-sa-4.0": "cc-by-nc-sa-4.0",
    "cc0-1.0": "cc0-1.0",
    "unlicense": "unlicense",
    "isc": "isc",
}


def model_card(submission: Submission, places: Places, repository: str) -> bytes:
    """README.md of a system's repository on the hub.

    Args:
        submission: what is exported.
        places: its results.
        repository: owner/name there.
    """
    manifest = submission.manifest
    facts = [
        ["name, version", f"{submission.name}, {manifest['version']}"],
        ["authors", ", ".join(manifest["authors"])],
        ["paper", manifest.get("paper", "")],
        ["licence", manifest["licence"]],
        ["decodes", "any feature" if manifest["features"] == ["*"] else ", ".join(manifest["features"])],
        ["data beyond the split's training part", ", ".join(manifest.get("external_data", [])) or "none"],
        ["sha256 of the code", f"`{submission.code_sha256()}`"],
    ]
    parts = [
        f"# {_cell(manifest['title'])}",
        f"A decoder of what a person hears, from EEG, in the form of {LIBRARY}.",
        _table(["what", "said by the package"], [[what, said] for what, said in facts if said]),
        "## Variants and weights",
        _variants(submission),
        "## Use",
        f"```\npip install '{LIBRARY}[hub]'\nharness score hf:{repository}@REVISION\n```",
        "A revision is a branch, a tag or a commit; the record names the commit. The predictor runs in a"
        " process of its own that is given EEG and no label.",
        "## What it scores",
        *_scores(places),
        *_from_package(submission),
    ]
    return _front_matter(submission, places) + ("\n\n".join(parts) + "\n").encode()


def _front_matter(submission: Submission, places: Places) -> bytes:
    licence = str(submission.manifest["licence"])
    known = _LICENCES.get(licence.casefold())
    named: dict[str, Any] = {"license": known} if known else {"license": "other", "license_name": licence}
    features = sorted({place.board.feature for place in places.every})
    named |= {
        "library_name": LIBRARY,
        "tags": ["eeg", "auditory-decoding", LIBRARY, *features],
    }
    return f"---\n{MARK}\n".encode() + yaml_bytes(named) + b"---\n\n"


def _variants(submission: Submission) -> str:
    first = submission.variants[0]
    rows = []
    for name in submission.variants:
        said = submission.manifest.get("variants", {}).get(name, {})
        of = [one for one in submission.manifest.get("weights", []) if one.get("variant", first) == name]
        weights = [
            f"{one['corpus']}, {one['split']}, {one['feature']}"
            + (f", seed {one['seed']}" if "seed" in one else "")
            for one in of
        ]
        rows.append([name, said.get("title", ""), said.get("ablation_of", ""), "; ".join(weights) or "none"])
    return _table(["variant", "what it is", "ablation of", "weights of"], rows)


def _scores(places: Places) -> list[str]:
    if not places.every:
        return ["There is no score record of this code and these weights."]
    found = []
    for heading, some in (
        ("On real EEG", places.real),
        (f"On {SIMULATED_WORDS}", places.simulated),
    ):
        if not some:
            continue
        found += [f"### {heading}", _score_table(some)]
        if some is places.simulated:
            found.append(
                "Simulated data show that the code works from end to end, and nothing about brains: whoever"
                " has the recipe has the labels."
            )
    found.append(
        "Rank: by the mean, with its interval, among the systems of the board. Chance: circular shifts and"
        " mismatched segments. Without the EEG: on surrogates from which what was heard is taken out."
    )
    return found


def _score_table(places: Sequence[Place]) -> str:
    rows = []
    for place in places:
        cells = row_cells(place.row)
        score = place.row.score.measure.heading
        beside = place.row.beside
        rank = cells["rank"] or ("" if beside is None else f"ablation of {beside.full}")
        rows.append(
            [
                "/".join(place.board),
                cells["system"],
                f"{score} {cells[score]}",
                cells["95 % interval"],
                cells.get("over seeds", ""),
                cells["chance"],
                cells["without the EEG"],
                rank,
                cells["unseen stimuli"],
                place.row.finished[:10],
            ]
        )
    headers = ["board", "system", "score", "95 % interval", "over seeds", "chance", "without the EEG"]
    return _table([*headers, "rank", "unseen stimuli", "date"], rows)


def _from_package(submission: Submission) -> list[str]:
    """The package's own README, below a heading; links that lead out of it are text."""
    path = submission.folder / "README.md"
    try:
        text = path.read_text("utf-8", errors="replace").strip()
    except OSError:
        return []
    if text.startswith("---\n"):  # a card already: its front matter is not repeated
        text = text.partition("\n---\n")[2].strip()
    if not text:
        return []
    own = submission.folder.resolve()

    def bent(link: re.Match[str]) -> str:
        target = (own / link[2].partition("#")[0]).resolve()
        return link[0] if target.is_relative_to(own) and Path(target).exists() else link[1]

    # What stands between fences is code, where a # is no heading.
    pieces = _FENCED.split(text)
    for k in range(0, len(pieces), 2):
        pieces[k] = _HEADING.sub(lambda found: f"##{found[1]} ", _LINK.sub(bent, pieces[k]))
    return ["## From the package's README", "".join(pieces)]


def _table(headers: list[str], rows: Sequence[Sequence[str]]) -> str:
    cells = [[_cell(str(cell)) for cell in row] for row in rows]
    return tabulate(cells, headers, "pipe", disable_numparse=True)


def _cell(text: str) -> str:
    """Text for a table's cell or a heading: on one line, without what Markdown or HTML takes for its own."""
    return markdown_cell(on_one_line(text).replace("&", "&amp;").replace("<", "&lt;"))
