"""What ``harness list`` shows: every system, split, corpus and board, those that cannot be read too."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from documents import SMALL_SPLIT

from harness.boards import inventory as listing
from harness.boards.inventory import COLUMNS, inventory, inventory_text
from harness.corpus.declaration import declared, declared_names
from harness.errors import HarnessError
from harness.submission.find import known_submissions
from harness.submission.manifest import load_submission
from harness.tasks import splits
from harness.tasks.splits import load_split

WEIGHTS = """
[[weights]]
corpus = "{corpus}"
split = "held-out-subjects"
feature = "{feature}"
file = "{file}"
sha256 = "{sha256}"
"""


def refusal(call, *arguments):
    with pytest.raises(HarnessError) as caught:
        call(*arguments)
    return str(caught.value.faults[0])


def test_systems_are_listed_with_what_they_decode_and_have_weights_for(
    make_submission, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    several = make_submission("aa-several")
    with (several / "submission.toml").open("a") as manifest:
        manifest.write('[variants.wide]\ntitle = "Wide"\n[variants.deep]\ntitle = "Deep"\n')
        for number, (corpus, feature) in enumerate((("dtu", "mel"), ("dtu", "envelope"), ("dtu", "mel"))):
            named = {
                "corpus": corpus,
                "feature": feature,
                "file": f"{number}.npz",
                "sha256": f"{number}" * 64,
            }
            manifest.write(WEIGHTS.format(**named) + f'variant = "{"wide" if number < 2 else "deep"}"\n')
    make_submission("ab-any", features=["*"])
    broken = make_submission("ac-broken", version=None, licence=None)
    rows = inventory("systems", tmp_path / "results")
    assert rows[:3] == [
        {
            "name": "aa-several",
            "variants": ["wide", "deep"],
            "features": ["mel", "envelope"],
            "weights": ["dtu mel", "dtu envelope"],
            "folder": "submissions/aa-several",
        },
        {
            "name": "ab-any",
            "variants": ["default"],
            "features": ["every"],
            "weights": [],
            "folder": "submissions/ab-any",
        },
        {
            "name": "ac-broken",
            "variants": [],
            "features": [],
            "weights": [refusal(load_submission, broken.relative_to(tmp_path))],
            "folder": "submissions/ac-broken",
        },
    ]
    assert [row["name"] for row in rows] == [folder.name for folder in known_submissions()]


def test_splits_are_listed_and_one_that_cannot_be_read_says_why(tmp_path, monkeypatch):
    monkeypatch.setattr(splits, "SPLIT_FOLDER", tmp_path)
    (tmp_path / "small-split.json").write_text(json.dumps(SMALL_SPLIT))
    (tmp_path / "broken.json").write_text("{")
    assert inventory("splits", tmp_path / "results") == [
        {
            "name": "broken",
            "corpora": "",
            "features": "",
            "parts": "",
            "segment_seconds": "",
            "title": refusal(load_split, "broken"),
        },
        {
            "name": "small-split",
            "corpora": ["sparrkulee"],
            "features": ["mel", "envelope"],
            "parts": ["train", "val", "test"],
            "segment_seconds": 2.0,
            "title": "for tests",
        },
    ]


def test_corpora_are_listed(tmp_path, monkeypatch):
    rows = inventory("corpora", tmp_path / "results")
    assert rows[0] == {
        "name": "dtu",
        "kind": "real",
        "channels": 64,
        "sample_rate_hz": 64.0,
        "features": ["envelope"],
        "default_split": "dtu",
        "title": "DTU trials: EEG of people who listen to Danish audiobooks",
    }
    assert [(row["name"], row["title"]) for row in rows] == [
        (name, declared(name).title) for name in declared_names()
    ]
    # A rate in the declaration may be whole.
    whole = replace(declared("dtu"), sample_rate_hz=250)
    monkeypatch.setattr(listing, "declared", {"dtu": whole}.get)
    (row,) = inventory("corpora", tmp_path / "results")
    assert repr(row["sample_rate_hz"]) == "250.0"


def test_boards_are_listed_with_their_first_system(make_record, tmp_path):
    results = tmp_path / "results"
    make_record("alpha", [0.1, 0.2])
    make_record("beta", [0.2, 0.3], variant="wide")
    make_record("half", [0.9], flags={"partial": True, "subjects_missing": ["sub-099"]}, feature="envelope")
    make_record("alone", [0.1, 0.2], kind="real").write_text("{")
    make_record("other", [0.1, 0.2], kind="real", feature="envelope")
    folder = "held-out-subjects/test"
    rows = inventory("boards", results)
    assert [tuple(row.values()) for row in rows] == [
        (f"simulated/{folder}/envelope", "simulated", 0, ""),
        (f"simulated/{folder}/mel", "simulated", 2, "beta (wide)"),
        (f"sparrkulee/{folder}/envelope", "real", 1, "other"),
        (f"sparrkulee/{folder}/mel", "no record that holds together", 0, ""),
    ]
    assert {tuple(row) for row in rows} == {COLUMNS["boards"]}


def test_a_results_folder_that_is_not_there_or_empty_has_no_boards(harness, tmp_path):
    results = tmp_path / "results"
    assert inventory("boards", results) == []
    results.mkdir()
    (results / "notes.json").write_text("{}")
    assert inventory("boards", results) == []
    assert harness("list", "boards", "--results", results) == (0, "boards: none here\n", "")


def test_a_list_in_words_is_a_table():
    rows = [
        {"name": "a", "corpora": ["x", "y"], "features": [], "parts": ["test"], "segment_seconds": 30.0, "title": "A"},
        {"name": "b", "corpora": "", "features": "", "parts": "", "segment_seconds": 1 / 3, "title": "1e5"},
    ]  # fmt: skip
    assert inventory_text("splits", rows).splitlines() == [
        "splits:",
        "name    corpora    features    parts    segment seconds    title",
        "------  ---------  ----------  -------  -----------------  -------",
        "a       x, y                   test     30                 A",
        "b                                       0.333333           1e5",
    ]
    boards = [{"name": "c/s/p/f", "kind": "real", "systems": 12, "first": "one"}]
    assert inventory_text("boards", boards) == (
        "boards:\n"
        "name     kind    systems    first\n"
        "-------  ------  ---------  -------\n"
        "c/s/p/f  real    12         one"
    )
    assert inventory_text("systems", []) == "systems: none here"


def test_no_name_of_a_folder_acts_on_who_reads_the_list(harness, tmp_path):
    for folder in ("submissions/a\x1b[31m", "submissions/b\nc", "results/a\x1b[31m/split/test/mel"):
        (tmp_path / folder).mkdir(parents=True)
    for folder in (tmp_path / "submissions").iterdir():
        (folder / "submission.toml").write_text("")
    (tmp_path / "results/a\x1b[31m/split/test/mel/one.json").write_text("{")
    code, systems, _ = harness("list", "systems")
    assert (code, [line.split("  ")[0] for line in systems.splitlines()[3:5]]) == (0, ["a\\x1b[31m", "b\\nc"])
    code, boards, _ = harness("list", "boards")
    assert (code, boards.splitlines()[3].split("  ")[0]) == (0, "a\\x1b[31m/split/test/mel")
    assert "\x1b" not in systems + boards
    rows = [
        {
            "name": "a",
            "corpora": ["x\x1b", "y"],
            "features": [],
            "parts": [],
            "segment_seconds": 1.0,
            "title": "A",
        }
    ]
    assert "a       x\\x1b, y" in inventory_text("splits", rows)


def test_every_kind_has_the_columns_that_it_is_shown_with(tmp_path, monkeypatch):
    monkeypatch.chdir(Path(__file__).parents[2])
    for kind in ("systems", "splits", "corpora"):
        for row in inventory(kind, tmp_path):
            assert tuple(row) == COLUMNS[kind]
