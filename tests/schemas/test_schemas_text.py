"""Words of people in documents: what reaches a terminal, a table or a page has nothing hidden in it."""

import json
from collections.abc import Iterator

import pytest

from harness.schemas.validate import SCHEMA_FOLDER, schema, schema_faults

# Looked up among files, variants, splits or members of an archive, and shown by repr() where nothing is found.
LOOKED_UP = {
    "corpus": ["default_split", "default_splits", "member", "subjects", "unverified", "files", "recipe"],
    "pull-request": ["text", "system"],
    "queue": [],
    "score-record": ["ablation_of"],
    "split": ["subjects", "recordings", "stimuli", "training_split"],
    "submission": ["variant", "ablation_of", "split"],
}


def free_strings(part: object, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Where a schema lets any string pass."""
    if isinstance(part, list):
        for item in part:
            yield from free_strings(item, path)
    elif isinstance(part, dict):
        if part.get("type") == "string" and not {"pattern", "enum", "const"} & part.keys():
            yield path
        for key, below in part.items():
            yield from free_strings(below, (*path, key))


@pytest.mark.parametrize("name", sorted(LOOKED_UP))
def test_no_schema_lets_words_of_people_pass_unread(name):
    found = list(free_strings(schema(name)))
    assert [path for path in found if not set(path) & set(LOOKED_UP[name])] == []


def test_every_schema_is_looked_at():
    # What the page says of a board is written here, and read by nobody here.
    assert {path.stem for path in SCHEMA_FOLDER.glob("*.json")} == {"common", "board", *LOOKED_UP}


@pytest.mark.parametrize(
    "text",
    ["\x1b[2Jgone", "two\nlines", "right\u202eleft", "=HYPERLINK(1)", "a\u200bb", "\x9b31m", "", "x" * 501],
)
def test_what_is_hidden_is_refused(text):
    faults = schema_faults(manifest(text), "submission", "submission.toml")
    assert [fault.where for fault in faults] == ["submission.toml: title"]
    assert "\x1b" not in str(faults[0])


@pytest.mark.parametrize("text", ["Čeština, 日本語, العربية", "µV & <b>", 'it\'s "so"', "x" * 500])
def test_what_can_be_seen_is_taken(text):
    assert schema_faults(manifest(text), "submission", "submission.toml") == []


def manifest(title: str) -> dict[str, object]:
    return json.loads(
        '{"name": "a", "version": "1.0.0", "authors": ["b"], "licence": "MIT", "entry_point": "a:B", "features": ["*"]}'
    ) | {"title": title}
