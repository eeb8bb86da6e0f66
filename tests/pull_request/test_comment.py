"""The comment: short enough, honest about what it leaves out, and unable to say what its data smuggle in."""

import copy
import json
import re
import subprocess
import sys

import pytest
from conftest import REPOSITORY
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.errors import RecordError
from harness.pull_request.comment import MARKER, MOST_BYTES, code, comment_text, load_data
from harness.scoring.measures import MEASURES


def row(number, *, how="from record", event=None, before=None, system=None):
    return {
        "system": system or f"system-{number}",
        "rank": number,
        "rank_low": max(number - 1, 1),
        "rank_high": number + 1,
        "ties": "ab",
        "pearson_r": 0.1,
        "ci95": [0.05, 0.15],
        "chance": [-0.01, 0.01],
        "how": how,
        "event": event,
        "before": before,
    }


def document(rows, remarks=()):
    board = {
        "corpus": "simulated",
        "split": "held-out-subjects",
        "part": "test",
        "feature": "mel",
        "simulated": True,
        "subjects": 12,
        "rows": rows,
        "partial": [],
        "gone": [],
    }
    return {
        "version": 2,
        "base": "a" * 40,
        "head": "b" * 40,
        "code": "base",
        "scorer_version": 1,
        "remarks": list(remarks),
        "boards": [board],
        "own": None,
    }


def stored(tmp_path, value):
    path = tmp_path / "data.json"
    path.write_text(value if isinstance(value, str) else json.dumps(value))
    return path


def table(text):
    lines = [line for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def test_a_row_shows_rank_change_ties_score_interval_and_how():
    moved = row(1, how="scored now", event="improved", before={"rank": 3, "ties": "b", "pearson_r": 0.08})
    fallen = row(2, before={"rank": 1, "ties": "ab", "pearson_r": 0.1})
    text = comment_text(document([moved, fallen, row(3, how="scored now", event="added")]))
    assert table(text) == [
        ["1 (1 to 2)", "▲2", "b → ab", "`system-1`", "0.1000 (+0.0200)", "0.0500 to 0.1500", "-0.0100 to 0.0100", "not measured", "scored now, improved"],
        ["2 (1 to 3)", "▼1", "ab", "`system-2`", "0.1000", "0.0500 to 0.1500", "-0.0100 to 0.0100", "not measured", "from record"],
        ["3 (2 to 4)", "new", "ab", "`system-3`", "0.1000", "0.0500 to 0.1500", "-0.0100 to 0.0100", "not measured", "scored now, added"],
    ]  # fmt: skip
    assert text.startswith(MARKER)
    assert "**simulated data (no real EEG), split held-out-subjects, part test, feature mel:" in text


def test_a_board_without_a_change_is_a_line():
    same = {"rank": 1, "ties": "ab", "pearson_r": 0.1}
    text = comment_text(document([row(1, before=same)]))
    assert table(text) == []
    assert "part test, feature mel: 1 system, 12 subjects** as before." in text
    withdrawn = document([row(1, before=same)])
    withdrawn["boards"][0]["gone"] = ["system-2"]
    assert len(table(comment_text(withdrawn))) == 1


def test_a_long_board_keeps_the_rows_near_those_that_changed_and_says_so():
    rows = [row(number) for number in range(1, 1501)]
    rows[999] = row(1000, how="scored now", event="improved")
    text = comment_text(document(rows))
    assert len(text.encode()) <= MOST_BYTES
    assert [cells[3] for cells in table(text)] == [f"`system-{number}`" for number in range(990, 1011)]
    assert "*1479 rows left out here; the run's artifact has all.*" in text


@pytest.mark.slow
@pytest.mark.parametrize(("n_boards", "n_rows"), [(1, 1999), (64, 20)])
def test_the_largest_data_make_a_comment_short_enough(tmp_path, n_boards, n_rows):
    rows = [row(number, how="scored now", system="é" * 200) for number in range(1, n_rows + 1)]
    remarks = [{"stop": stop, "kind": "check", "text": "é" * 500} for stop in (True, False) * 100]
    large = document(rows, remarks)
    large["boards"][0] |= {"partial": ["é" * 200] * 50, "gone": ["é" * 200] * 50, "split": "a" * 100}
    large["boards"] *= n_boards
    path = tmp_path / "data.json"
    path.write_text(json.dumps(large, ensure_ascii=False))
    text = comment_text(load_data(path))
    assert len(text.encode()) <= MOST_BYTES
    assert "rows left out here" in text
    assert "remarks left out here" in text


def test_data_that_are_too_large_are_not_read(tmp_path):
    path = stored(tmp_path, " " * 5_000_001)
    with pytest.raises(RecordError, match="5 000 001 bytes, more than 5 000 000"):
        load_data(path)


HOSTILE = [
    "`](https://example.org)`",
    "@someone ![x](https://example.org/x.png)",
    "<script>alert(1)</script><!-- -->",
    "a | b\n| c | d |\n\n# heading",
    "``` \n::error::x",
    "\u202egnp.exe\u200b\x1b[31m",
    "`" * 500,
]


@pytest.mark.parametrize("text", HOSTILE)
def test_text_of_others_stays_inside_its_code_span(text):
    remarks = [{"stop": False, "kind": "check", "text": text}]
    made = comment_text(document([row(1, system=text[:200])], remarks))
    clean = comment_text(document([row(1, system="x")], [{**remarks[0], "text": "x"}]))
    assert re.sub(r"`[^`\n]*`", "`x`", made) == re.sub(r"`[^`\n]*`", "`x`", clean)


@settings(max_examples=200, deadline=None)
@given(st.text())
def test_a_code_span_is_one_line_closed_by_its_own_ticks(text):
    made = code(text)
    assert re.fullmatch(r"`[^`|\n\r]+`", made)
    assert made[1:-1] == " " or made[1:-1].strip()
    assert made.isprintable()


def broken(change):
    value = document([row(1)])
    change(value)
    return value


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("{", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ('{"version": NaN}', "NaN is not a number of JSON"),
        ({}, "the key 'version' is missing"),
        (broken(lambda d: d.update(html="<b>")), "unknown key 'html'"),
        (broken(lambda d: d.update(base="main")), "'main', expected a commit's full hash"),
        (broken(lambda d: d["boards"][0]["rows"][0].update(pearson_r=1.5)), "1.5, expected a number of at most 1"),
        (broken(lambda d: d["boards"][0]["rows"][0].update(value=1e7)), "10000000.0, expected a number of at most 1000000"),
        (broken(lambda d: d["boards"][0]["rows"][0].pop("pearson_r")), r"boards\[0\]: rows\[0\]: .*valid under any"),
        (broken(lambda d: d["boards"][0]["rows"][0].update(ties="[x](y)")), "expected letters"),
        (broken(lambda d: d["boards"][0]["rows"][0].update(ties="a\n")), "expected letters"),
        (broken(lambda d: d["boards"][0]["rows"][0].update(how="trust me")), "expected one of from record"),
        (broken(lambda d: d["boards"][0].update(split="x\n")), "expected lower-case words"),
        (broken(lambda d: d["remarks"].append({"stop": True, "kind": "check", "text": "x" * 2001})), r"remarks\[0\]: text: 'xxx"),
        (broken(lambda d: d["boards"].extend(d["boards"] * 64)), r"boards: \[\{'corpus"),
    ],
)  # fmt: skip
def test_data_against_the_schema_are_refused(tmp_path, value, message):
    with pytest.raises(RecordError, match=message):
        load_data(stored(tmp_path, value))


LEVEL = {"title": "level distance", "short": "level", "higher_is_better": False}
R = {"title": "Pearson r", "short": "r", "higher_is_better": True}


def measured(number, value, *further, before=None):
    made = {**row(number, before=before), "value": value}
    del made["pearson_r"]
    return {**made, "further": list(further)} if further else made


def test_a_board_of_other_measures_names_them_and_shows_the_further_ones(tmp_path):
    before = {"rank": 1, "ties": "ab", "value": 2.5}
    data = document(
        [
            {**measured(1, 2.0, 0.1, before=before), "event": "improved"},
            measured(2, 3.0, before={"rank": 2, "ties": "ab"}),
        ]
    )
    data["boards"][0]["measures"] = [LEVEL, R]
    text = comment_text(load_data(stored(tmp_path, data)))
    assert "feature mel, ranked by level distance (lower is better): 2 systems, 12 subjects**" in text
    assert "| system | mean level | 95 % interval | chance | without the EEG | mean r | how |" in text
    assert [cells[4:9] for cells in table(text)] == [
        ["2.0000 (-0.5000)", "0.0500 to 0.1500", "-0.0100 to 0.0100", "not measured", "0.1000"],
        ["3.0000", "0.0500 to 0.1500", "-0.0100 to 0.0100", "not measured", ""],
    ]


def test_the_word_of_a_changed_harness_names_the_measure(tmp_path):
    data = document([row(1)])
    data["own"] = own_word([{"system": "system-1", "value": 4.0, "base": 2.0}])
    data["own"]["boards"][0]["measures"] = [LEVEL]
    text = comment_text(load_data(stored(tmp_path, data)))
    assert "feature mel, ranked by level distance (lower is better):" in text
    assert "| system | mean level, the base's code | mean level, its own word |" in text
    assert "| `system-1` | 2.0000 | 4.0000 |" in text


@pytest.mark.parametrize(
    "text", ["@someone", "[x](http://x)", "<b>", "GH-1", "a|b", "a`", "r\n", "", "x" * 41]
)
def test_a_title_that_could_be_more_than_words_is_refused(tmp_path, text):
    data = document([measured(1, 2.0, 0.1)])
    data["boards"][0]["measures"] = [{**LEVEL, "title": text}, R]
    with pytest.raises(RecordError, match=r"boards\[0\]: measures\[0\]: title: "):
        load_data(stored(tmp_path, data))


def test_every_measures_words_can_stand_in_a_comment(tmp_path):
    data = document([measured(1, 2.0, 0.1)])
    data["boards"][0]["measures"] = [
        {"title": one.title, "short": one.short, "higher_is_better": one.higher_is_better}
        for one in MEASURES.values()
    ]
    assert load_data(stored(tmp_path, data)) == data


def test_data_that_are_not_there_are_refused(harness, tmp_path):
    code_, out, error = harness("comment", tmp_path / "none.json")
    assert (code_, out) == (1, "")
    assert (
        error
        == f"error: {tmp_path}/none.json: No such file or directory, expected what `harness rank --changed-since REF --out FILE` writes.\n"
    )


def own_word(rows, remarks=()):
    place = {"corpus": "simulated", "split": "held-out-subjects", "part": "test", "feature": "mel"}
    boards = [{**place, "rows": list(rows)}] if rows else []
    return {"scorer_version": 2, "remarks": list(remarks), "boards": boards}


def test_the_comment_says_whose_code_made_the_numbers():
    assert "The numbers above were made by the base's code: " in comment_text(document([row(1)]))
    own = comment_text({**document([row(1)]), "code": "own"})
    assert "The numbers above were made by the code that stands here: where it edits the harness," in own


def test_what_a_changed_harness_says_stands_apart_as_its_word():
    data = document([row(1, before={"rank": 1, "ties": "ab", "pearson_r": 0.1})])
    data["own"] = own_word(
        [
            {"system": "system-1", "pearson_r": 0.9, "base": 0.1},
            {"system": "@someone", "pearson_r": -0.2, "base": None},
        ],
        [{"stop": True, "kind": "scorer", "text": "moves a stored score"}],
    )
    before, _, word = comment_text(data).partition("#### The word of the pull request's own code\n")
    assert "0.9" not in before
    assert "moves a stored score" not in before
    assert (
        word
        == """
The pull request edits the harness. Nobody has verified what follows: its own code says it, and could say anything. Scores that differ from the base's:

- `moves a stored score`

simulated, split held-out-subjects, part test, feature mel:

| system | mean r, the base's code | mean r, its own word |
| --- | --- | --- |
| `system-1` | 0.1000 | 0.9000 |
| `@someone` |  | -0.2000 |
"""
    )
    data["own"] = own_word([])
    assert comment_text(data).endswith("Scores that differ from the base's:\n\nIt moves no score.\n")


def test_the_longest_word_of_a_changed_harness_makes_a_comment_short_enough(tmp_path):
    rows = [row(number, how="scored now", system="é" * 200) for number in range(1, 1000)]
    said = [{"system": "é" * 200, "pearson_r": 0.1, "base": 0.2}] * 500
    data = document(rows)
    data["own"] = own_word(said, [{"stop": True, "kind": "check", "text": "é" * 2000}] * 200)
    data["own"]["boards"] *= 10
    text = comment_text(load_data(stored(tmp_path, json.dumps(data, ensure_ascii=False))))
    assert len(text.encode()) <= MOST_BYTES


def test_infinite_numbers_are_refused(tmp_path):
    text = json.dumps(document([row(1)])).replace('"pearson_r": 0.1', '"pearson_r": 1e999')
    with pytest.raises(RecordError, match="1e999 is too large for a number"):
        load_data(stored(tmp_path, text))


def test_the_command_needs_click_and_jsonschema_only(tmp_path):
    data = document([row(1)])
    path = stored(tmp_path, copy.deepcopy(data))
    heavy = ("numpy", "scipy", "torch", "pandas", "tabulate", "msgspec", "rich", "psutil", "joblib")
    program = (
        f"import sys; sys.modules.update(dict.fromkeys({heavy!r})); sys.argv = ['harness', 'comment', {str(path)!r}];"
        "from harness.cli.main import main; main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=REPOSITORY, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == comment_text(data)


def test_a_row_says_what_the_system_scores_without_the_eeg():
    flags = ["scores without the EEG", "no evidence of using the EEG"]
    honest = row(1, how="scored now") | {"without_eeg": {"value": 0.0012, "flags": []}}
    replay = row(2, how="scored now") | {"without_eeg": {"value": 0.5, "flags": flags}}
    cells = table(comment_text(document([honest, replay])))
    assert [line[7] for line in cells] == [
        "0.0012",
        "0.5000 (scores without the EEG, no evidence of using the EEG)",
    ]
    assert [line[0] for line in cells] == ["1 (1 to 2)", "2 (1 to 3), below the line"]


def test_flags_are_words_of_the_schema_alone(tmp_path):
    bad = row(1) | {"without_eeg": {"value": 0.5, "flags": ["@someone"]}}
    with pytest.raises(RecordError, match="'@someone'"):
        load_data(stored(tmp_path, document([bad])))
