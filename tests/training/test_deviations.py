"""What presets do otherwise than the releases: the recipes, beside the releases' values kept as data, are
compared with the lists under "Our deviations" that a reader is given, in README.md and at the top of train.py."""

import ast
import json
import re
from pathlib import Path

import pytest
from conftest import REPOSITORY

FACTS = json.loads((Path(__file__).parent / "release_recipes.json").read_text())
PACKAGES = [name for name in FACTS if name != "source"]
ROW = re.compile(r"^\| (paper|compact)(?: \(([\w, -]+)\))? \| (.+) \| (.+) \|$", re.M)
ITEM = re.compile(r"`(\w+)` ([^`,]+?) \(([^)]+)\)")


def _plain(value):
    return json.loads(json.dumps(value))


def _words(value):
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None:
        return "none"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _differences(package, name, preset, variant):
    """Field -> ours and the release's, in words."""
    recipe = package(name).train.SYSTEM.recipe(preset, variant)[1]
    release = {**FACTS[name]["all"], **FACTS[name].get(variant, {})}
    return {
        field: (_words(getattr(recipe, field)), _words(value))
        for field, value in release.items()
        if _plain(getattr(recipe, field)) != value
    }


def _section(name):
    text = (REPOSITORY / name / "README.md").read_text()
    return text.partition("\n## Our deviations\n")[2].partition("\n## ")[0]


def _listed(name, preset, variant):
    found = {}
    for one, variants, items, why in ROW.findall(_section(name)):
        if one != preset or (variants and variant not in variants.split(", ")):
            continue
        assert len(why) > 20, "a reason"
        read = ITEM.findall(items)
        assert ", ".join(f"`{field}` {ours} ({theirs})" for field, ours, theirs in read) == items
        for field, ours, theirs in read:
            assert field not in found, f"{field} twice"
            found[field] = (ours, theirs)
    return found


def _variants(package, name):
    return list(package(name).train.SYSTEM.nets)


@pytest.mark.parametrize("preset", ["paper", "compact"])
@pytest.mark.parametrize("name", PACKAGES)
def test_readme_lists_what_a_preset_does_otherwise(name, preset, package):
    for variant in _variants(package, name):
        assert _listed(name, preset, variant) == _differences(package, name, preset, variant), variant


@pytest.mark.parametrize("name", PACKAGES)
def test_the_header_names_them_too(name, package):
    header = ast.get_docstring(ast.parse((REPOSITORY / name / "train.py").read_text()))
    said = header.partition("\nOur deviations:")[2]
    assert said
    different = {
        (preset, field)
        for preset in ("paper", "compact")
        for variant in _variants(package, name)
        for field in _differences(package, name, preset, variant)
    }
    parts = dict(zip(("paper", "compact"), re.split(r"\n`compact`", said, maxsplit=1), strict=True))
    named = {(preset, field) for preset, text in parts.items() for field in re.findall(r"`(\w+)`", text)}
    assert named - {("paper", "paper")} == different


@pytest.mark.parametrize("name", [name for name in PACKAGES if name != "baselines/vlaai"])
def test_the_preset_paper_is_the_releases_training(name, package):
    for variant in _variants(package, name):
        assert _differences(package, name, "paper", variant) == {}
