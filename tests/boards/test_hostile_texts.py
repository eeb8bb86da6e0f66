"""Whatever text somebody puts into a record, or names a file or folder: no output acts on it.

No control character, nothing that hides or turns text, and in csv nothing that a spreadsheet computes.
"""

import copy
import csv
import io
import json
import shutil
import unicodedata

import numpy as np
import pytest
from documents import controls_document, with_measures
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from harness.boards.board import BoardName, board_names, load_board
from harness.boards.compare import compare as compared
from harness.boards.compared import against_board_text, comparison_text
from harness.boards.formats import FORMATS, boards_text
from harness.boards.ranking import rank
from harness.errors import RecordError
from harness.page import build_page
from harness.records.document import parse_record
from harness.records.text import record_text

BOARD = BoardName("simulated", "held-out-subjects", "test", "mel")
HIDDEN = ("Cc", "Cf", "Co", "Cs", "Zl", "Zp")
FORMULAS = ("=", "+", "-", "@", "＝", "＋", "－", "＠")
HOSTILE = [
    "\x1b]0;owned\x07", "a\x9b31m", "a\nrank,1", "a\rb", "evil\u202egnp.exe", "a\u2066b", "a\u200bb", "\ufeffa", "a\u2028b",
    "=cmd|' /C calc'!A0", "+1+1", "-2+3", "@SUM(A1)", " =1+1", "\t=1", "＝1", "\U000e0041", "\U0010ffffa", "a\x00b",
]  # fmt: skip
TEXT = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20), st.sampled_from(HOSTILE)
)


@pytest.fixture
def document(make_record, tmp_path):
    """The document of a record that has every field."""
    scores = [0.1, 0.2, 0.15, 0.12, 0.11, 0.13]
    member = {
        "name": "one",
        "version": "1.0.0",
        "variant": "default",
        "code_sha256": "1" * 64,
        "weights_sha256": None,
    }
    path = make_record(
        "whole",
        scores,
        variant="second",
        submission={"members": [member, {**member, "name": "two"}]},
        controls=controls_document(scores, np.zeros(len(scores))),
        flags={"references_constant": ["sub-086/segment-01"]},
    )
    made = json.loads(path.read_text())
    shutil.rmtree(tmp_path / "results")
    made["git"] = {"commit": "a" * 40, "dirty": False}
    made = with_measures(made, ["pearson_r", "centred_cosine"], centred_cosine=scores)
    first = made["subjects"]["sub-086"]
    first["missing"], made["flags"]["segments_missing"] = ["sub-086/segment-02"], 1
    return made


def places(value, way=()):
    """Every text of a document, and every key that is no key of the schema."""
    if isinstance(value, dict):
        for key, one in value.items():
            if way[-1:] in (("subjects",), ("environment",)) and way[:1] != ("overlap",):
                yield (*way, key), True
            yield from places(one, (*way, key))
    elif isinstance(value, list):
        for index, one in enumerate(value):
            yield from places(one, (*way, index))
    elif isinstance(value, str):
        yield way, False


def put(document, way, is_key, text):
    changed = copy.deepcopy(document)
    inside = changed
    for key in way[:-1]:
        inside = inside[key]
    if is_key:
        inside[text] = inside.pop(way[-1])
    else:
        inside[way[-1]] = text
    return changed


def assert_harmless(text, what):
    odd = {character for character in text if unicodedata.category(character) in HIDDEN} - {"\n"}
    assert not odd, (what, odd)


def outputs(results, out):
    """Every output that shows records, by its name."""
    boards = [load_board(results, name) for name in board_names(results)]
    rankings = [rank(board) for board in boards if not board.empty]
    for form in FORMATS:
        if form == "csv":
            for ranking in rankings:
                yield "csv", boards_text([ranking], form, one=True)
        elif rankings:
            yield form, boards_text(rankings, form, pairs=form in ("text", "md"), bands=True)
    for board in boards:
        for fault in board.left_out:
            yield "faults", str(fault)
        for one in board.records:
            yield "record", record_text(one.record)
            yield "against the board", against_board_text(one, board)
            yield "comparison", comparison_text(compared(one, board.records[0]))
    if rankings:
        shutil.rmtree(out, ignore_errors=True)
        build_page(out, results, results.parent)
        for page in sorted(out.rglob("*.html")):
            yield page.name, page.read_text("utf-8")


def assert_all_harmless(results, out):
    n_seen = 0
    for what, text in outputs(results, out):
        n_seen += 1
        assert_harmless(text, what)
        if what == "csv":
            for row in csv.reader(io.StringIO(text)):
                for cell in row:
                    assert not cell.strip().startswith(FORMULAS) or is_number(cell), row
    return n_seen


def is_number(text):
    try:
        float(text)
    except ValueError:
        return False
    return True


@pytest.mark.slow
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data(), text=TEXT)
def test_no_text_of_a_record_acts_on_who_reads_it(document, make_record, tmp_path, data, text):
    results = tmp_path / "results"
    if not results.exists():
        make_record("other", [0.1] * 6)
    way, is_key = data.draw(st.sampled_from(sorted(places(document), key=str)))
    path = results.joinpath(*BOARD) / "whole-second.json"
    path.write_text(json.dumps(put(document, way, is_key, text)))
    assert assert_all_harmless(results, tmp_path / "page") > len(FORMATS)


@pytest.mark.slow
@pytest.mark.parametrize("text", HOSTILE)
def test_a_text_that_acts_on_who_reads_it_is_refused_wherever_it_stands(document, text):
    parse_record(json.dumps(document).encode(), "whole")
    found = list(places(document))
    assert len(found) > 30
    for way, is_key in found:
        with pytest.raises(RecordError):
            parse_record(json.dumps(put(document, way, is_key, text)).encode(), "whole")


@pytest.mark.slow
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(names=st.lists(TEXT, min_size=5, max_size=5))
@example(names=HOSTILE[:5])
@example(names=HOSTILE[9:14])
def test_no_name_of_a_file_or_folder_does_either(document, make_record, tmp_path, names):
    results = tmp_path / "results"
    shutil.rmtree(results, ignore_errors=True)
    make_record("other", [0.1] * 6)
    *folders, stem = (name.replace("/", "_").replace("\0", "_")[:40] for name in names)
    if {".", ".."}.intersection(folders):
        return
    for folder in (results.joinpath(*BOARD), results.joinpath(*folders)):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{stem}.json").write_text(json.dumps(document))
    assert_all_harmless(results, tmp_path / "page")


def test_a_name_of_predictions_that_a_table_would_act_on_is_refused_before_they_are_scored(
    harness, make_submission, where, tmp_path
):
    code, _, err = harness("predict", make_submission(), *where, "--out", "=1+1.npz")
    assert code == 0, err
    code, _, err = harness("score", "=1+1.npz", *where)
    assert code == 1
    assert ("error: =1+1.npz: the name '=1+1', expected text that can be seen as it is: ") in err
    assert err.endswith("\n  Rename the file.\n")
