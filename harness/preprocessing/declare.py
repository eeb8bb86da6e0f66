"""The ``corpus.toml`` of a corpus that was made from raw recordings: what it is, and how it was made.

Name, title, licence and citation come from ``dataset_description.json``; a person fills in what is missing
there, and later calls keep it. SparrKULee made by its own recipe needs none: its layout is known.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from harness.conventions import SIMULATED_MARKER, SIMULATED_PREFIX
from harness.corpus.declaration import declared
from harness.preprocessing.recipe import FOLDER, Recipe
from harness.preprocessing.stimuli import DEFINITIONS
from harness.schemas.validate import is_text

SPARRKULEE: Final = "sparrkulee"
_MOST_TEXT: Final = 500
_UNKNOWN: Final = "not known: ask whoever recorded it"


def declaration_toml(
    root: Path,
    recipe: Recipe,
    version: int,
    channels: Sequence[str],
    features: Sequence[str],
    stimuli: Sequence[str],
    existing: str | None,
) -> str | None:
    """A ``corpus.toml``; None where the corpus is SparrKULee by its own recipe.

    Args:
        root: the BIDS folder.
        recipe: how the EEG was made.
        version: of the code that applied it.
        channels: names of the EEG channels, in order.
        features: that were made.
        stimuli: names of all.
        existing: the text that is there from an earlier call, perhaps edited; None where there is none.
    """
    import tomlkit

    description = _description(root)
    title = _shown(description.get("Name")) or _shown(root.resolve().name) or "corpus"
    name = re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")[:60].strip("-") or "corpus"
    if declared(name) is not None:
        if name == SPARRKULEE and recipe.content == (FOLDER / f"{SPARRKULEE}.toml").read_bytes():
            return None
        made_by = re.sub(r"[^a-z0-9]+", "-", recipe.name.lower())[:30].strip("-") or "own-recipe"
        name = f"{name}-{made_by}"
    simulated = (root / SIMULATED_MARKER).is_file() or any(
        one.startswith(SIMULATED_PREFIX) for one in stimuli
    )
    document = tomlkit.parse(existing) if existing is not None else tomlkit.document()
    for key, value in (
        ("name", name),
        ("title", title),
        ("licence", _shown(description.get("License")) or _UNKNOWN),
        ("citation", _citation(description)),
        ("kind", "simulated" if simulated else "real"),
    ):
        if key not in document:
            document[key] = value
    document["sample_rate_hz"] = int(recipe.rate_hz) if recipe.rate_hz.is_integer() else recipe.rate_hz
    document["layouts"] = ["preprocessed"]
    document["preprocessing"] = {"recipe": recipe.name, "sha256": recipe.sha256, "version": version}
    document["channels"] = {"count": len(channels)}
    if all(map(is_text, channels)) and len(set(channels)) == len(channels):
        document["channels"]["names"] = list(channels)
    there = document.setdefault("features", tomlkit.table())
    for feature in features:
        if feature not in there:
            made = DEFINITIONS[feature]
            there[feature] = {"title": made.title, "bands": made.n_bands, "frame_rate_hz": 64}
    return tomlkit.dumps(document)


def _description(root: Path) -> Mapping[str, Any]:
    """What dataset_description.json says; nothing where it cannot be read."""
    try:
        document = json.loads((root / "dataset_description.json").read_text("utf-8-sig"))
    except (OSError, ValueError):
        return {}
    return document if isinstance(document, dict) else {}


def _citation(description: Mapping[str, Any]) -> str:
    for key in ("HowToAcknowledge", "DatasetDOI"):
        if said := _shown(description.get(key)):
            return said
    authors = description.get("Authors")
    return (_shown(", ".join(map(str, authors))) if isinstance(authors, list) else "") or _UNKNOWN


def _shown(value: object) -> str:
    """A text of dataset_description.json as corpus.toml may have it; empty where there is none."""
    if not isinstance(value, str):
        return ""
    plain = " ".join("".join(c if c.isprintable() else " " for c in value).split()).lstrip("=+-@ ")
    plain = plain if len(plain) <= _MOST_TEXT else f"{plain[: _MOST_TEXT - 3]}..."
    return plain if is_text(plain) else ""
