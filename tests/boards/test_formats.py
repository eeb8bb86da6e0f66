"""A ranked board in every format, as whole texts and documents: what goes where, in which order."""

import csv
import dataclasses
import io
import json

import numpy as np
import pytest
from board_records import BOARD, controls, decided, made, unseen_stimuli, with_values
from documents import with_measures

from harness.boards import formats
from harness.boards.board import Board, BoardName, BoardRecord
from harness.boards.board_latex import board_latex
from harness.boards.cells import row_values
from harness.boards.formats import (
    FORMATS,
    SORTS,
    board_document,
    board_text,
    boards_text,
    check_choices,
    csv_rows,
    listed_pairs,
    pairs_text,
)
from harness.boards.ranking import Change, rank
from harness.boards.resolution import Resolution
from harness.boards.row import row_of
from harness.boards.sentences import ablation_sentence, board_sentence, row_sentence
from harness.errors import Fault, UsageError
from harness.records.document import plain
from harness.records.record import Training
from harness.records.without_brain import WithoutBrain
from harness.schemas.validate import schema_faults


def system(name, mean, *, seed=None, finished="2026-01-01T00:00:00Z", **submission):
    training = None if seed is None else Training(seed=seed, recipe_sha256="a" * 64)
    one = made("x", [mean - 0.1, mean, mean + 0.1], bands=[mean, mean + 0.05], run={"finished": finished})
    return with_values(one, submission={"name": name, "training": training, **submission})


@pytest.fixture
def ones():
    """A net of two trainings, an ablation of two of it, two systems of one, and one that a control flags."""
    bare = {"variant": "bare", "ablation_of": "default"}
    blind = with_values(system("blind", 0.9), controls=controls([0.9] * 3, [0.9] * 3))
    return [
        *(system("net", mean, seed=seed) for mean, seed in ((0.5, 0), (0.54, 7))),
        *(system("net", mean, seed=seed, **bare) for mean, seed in ((0.45, 2), (0.44, 3))),
        system("c|d", 0.4, finished="2025-12-01T00:00:00Z"),
        system("bl", 0.3, finished="2026-02-01T00:00:00Z"),
        blind,
    ]


@pytest.fixture
def ranking(ones):
    return decided(ones, {"net bl": 0.01, "net c|d": 0.0005, "c|d blind": 0.001}, by_t=["net bl"])


@pytest.fixture
def few_cells(monkeypatch):
    """Tables of a few columns, with a title and notes that html has to escape."""

    def cells(row, *, bands, stimuli, bars):
        more = {"on unseen": "yes"} if stimuli else {}
        more |= {"band 1": "0.1"} if bands else {}
        over_seeds = {"over seeds": "±"} if row.seeds else {}
        return {"ties": row.bars if bars else row.ties, "system": row.system, **more, **over_seeds}

    def each_seed(row):
        return [{"system": row.system, "seed": str(one.seed)} for one in row.seeds]

    monkeypatch.setattr(formats, "row_cells", cells)
    monkeypatch.setattr(formats, "ablation_cells", lambda row: {"ablation": row.system, "p (Holm)": "0.5"})
    monkeypatch.setattr(formats, "seed_cells", each_seed)
    monkeypatch.setattr(formats, "board_title", lambda board: f"{board.name.split} < {len(board.records)}")
    monkeypatch.setattr(
        formats,
        "board_notes",
        lambda ranking, *, bars: [f"{len(ranking.rows)} > 1, bars {bars}", "this & that"],
    )


TEXT = """held-out-subjects < 5

ties    system    band 1    over seeds
------  --------  --------  ------------
┌       net       0.1       ±
├       c|d       0.1
├       bl        0.1

Below the line, since a control says that the score may not come from the EEG:

ties    system    band 1
------  --------  --------
└       blind     0.1

Ablations, each beside its own full net:

ablation    p (Holm)
----------  ----------
net (bare)  0.5

Trainings, each by itself (intervals over subjects):

system      seed
----------  ------
net         0
net         7
net (bare)  2
net (bare)  3

4 > 1, bars True
this & that
"""
MARKDOWN = """**held-out-subjects < 5**

| ties   | system   | band 1   | over seeds   |
|:-------|:---------|:---------|:-------------|
| `┌`    | net      | 0.1      | ±            |
| `├`    | c\\|d     | 0.1      |              |
| `├`    | bl       | 0.1      |              |

Below the line, since a control says that the score may not come from the EEG:

| ties   | system   | band 1   |
|:-------|:---------|:---------|
| `└`    | blind    | 0.1      |

Ablations, each beside its own full net:

| ablation   | p (Holm)   |
|:-----------|:-----------|
| net (bare) | 0.5        |

Trainings, each by itself (intervals over subjects):

| system     | seed   |
|:-----------|:-------|
| net        | 0      |
| net        | 7      |
| net (bare) | 2      |
| net (bare) | 3      |

4 > 1, bars True

this & that
"""
HTML = """<h2>held-out-subjects &lt; 5</h2>
<table>
<thead>
<tr><th>ties  </th><th>system  </th><th>band 1  </th><th>over seeds  </th></tr>
</thead>
<tbody>
<tr><td>┌     </td><td>net     </td><td>0.1     </td><td>±           </td></tr>
<tr><td>├     </td><td>c|d     </td><td>0.1     </td><td>            </td></tr>
<tr><td>├     </td><td>bl      </td><td>0.1     </td><td>            </td></tr>
</tbody>
</table>
<p>Below the line, since a control says that the score may not come from the EEG:</p>
<table>
<thead>
<tr><th>ties  </th><th>system  </th><th>band 1  </th></tr>
</thead>
<tbody>
<tr><td>└     </td><td>blind   </td><td>0.1     </td></tr>
</tbody>
</table>
<p>Ablations, each beside its own full net:</p>
<table>
<thead>
<tr><th>ablation  </th><th>p (Holm)  </th></tr>
</thead>
<tbody>
<tr><td>net (bare)</td><td>0.5       </td></tr>
</tbody>
</table>
<p>Trainings, each by itself (intervals over subjects):</p>
<table>
<thead>
<tr><th>system    </th><th>seed  </th></tr>
</thead>
<tbody>
<tr><td>net       </td><td>0     </td></tr>
<tr><td>net       </td><td>7     </td></tr>
<tr><td>net (bare)</td><td>2     </td></tr>
<tr><td>net (bare)</td><td>3     </td></tr>
</tbody>
</table>
<p>4 &gt; 1, bars True</p>
<p>this &amp; that</p>
"""


@pytest.mark.parametrize(("form", "text"), [("text", TEXT), ("md", MARKDOWN), ("html", HTML)])
def test_the_whole_board_in_every_form_for_people(ranking, few_cells, form, text):
    assert board_text(ranking, form, bands=True, seeds=True) == text
    assert boards_text([ranking], form, bands=True, seeds=True) == text


def test_a_board_is_text_by_rank_without_bands_and_seeds_where_nothing_else_is_asked(ranking, few_cells):
    text = """held-out-subjects < 5

ties    system    over seeds
------  --------  ------------
┌       net       ±
├       c|d
├       bl

Below the line, since a control says that the score may not come from the EEG:

ties    system
------  --------
└       blind

Ablations, each beside its own full net:

ablation    p (Holm)
----------  ----------
net (bare)  0.5

4 > 1, bars True
this & that
"""
    assert board_text(ranking) == text
    assert boards_text([ranking]) == text


def test_rows_are_in_the_order_that_is_asked_with_letters_where_that_is_not_the_ranks(ranking, few_cells):
    def order(sort, form="text"):
        text = board_text(ranking, form, sort=sort)
        return [line.split()[:2] for line in text.split("\n\n")[1].splitlines()[2:]], text

    lines, text = order("name")
    assert lines == [[row.ties, row.system] for row in (ranking.rows[2], ranking.rows[1], ranking.rows[0])]
    assert [system for _, system in lines] == ["bl", "c|d", "net"]
    assert "4 > 1, bars False" in text
    lines, text = order("date")
    assert [line[1] for line in lines] == ["c|d", "net", "bl"]
    assert "4 > 1, bars False" in text
    lines, text = order("rank")
    assert [line[1] for line in lines] == ["net", "c|d", "bl"]
    assert "4 > 1, bars True" in text
    row = ranking.rows[1]
    assert [SORTS[sort](row) for sort in SORTS] == [
        (2, "c|d"), "c|d", ("2025-12-01T00:00:00Z", "c|d"),
    ]  # fmt: skip
    assert SORTS["rank"](dataclasses.replace(row, rank=None)) == (0, "c|d")


def test_of_one_system_there_is_one_table_and_of_none_an_empty_one(few_cells):
    alone = "held-out-subjects < 1\n\nties    system\n------  --------\n·       a\n\n1 > 1, bars True\nthis & that\n"
    lone = decided([system("a", 0.3)])
    lone = dataclasses.replace(lone, rows=tuple(dataclasses.replace(row, bars="·") for row in lone.rows))
    assert board_text(lone) == alone
    assert board_text(lone, seeds=True) == alone.replace(
        "\n\n1 >", "\n\nNo system here has several trainings.\n\n1 >"
    )
    nobody = rank(Board(BOARD, ()))
    assert board_text(nobody) == "held-out-subjects < 0\n\n0 > 1, bars True\nthis & that\n"
    assert board_text(nobody, "html") == (
        "<h2>held-out-subjects &lt; 0</h2>\n\n<p>0 &gt; 1, bars True</p>\n<p>this &amp; that</p>\n"
    )
    assert board_text(nobody, seeds=True).split("\n\n")[1:-1] == ["No system here has several trainings."]


def test_where_all_are_flagged_only_the_table_below_the_line_is_there(ones, few_cells):
    assert board_text(decided(ones[-1:])) == (
        "held-out-subjects < 1\n\nBelow the line, since a control says that the score may not come from the EEG:"
        "\n\nties    system\n------  --------\n        blind\n\n1 > 1, bars True\nthis & that\n"
    )


def test_columns_of_unseen_stimuli_stand_in_all_tables_where_a_system_has_them(few_cells):
    told = with_values(system("a", 0.3), stimuli=unseen_stimuli([0.1, 0.2, 0.3]))
    text = board_text(decided([told, system("b", 0.2), system("c", 0.1)]))
    assert text.splitlines()[2] == "ties    system    on unseen"
    assert all(line.endswith("yes") for line in text.splitlines()[4:7])


def test_a_column_that_one_row_has_is_empty_in_the_others(few_cells, monkeypatch):
    def cells(row, **_):
        return {"system": row.system, **({"also": "x"} if row.system == "b" else {}), "mean": "1"}

    monkeypatch.setattr(formats, "row_cells", cells)
    table = board_text(decided([system("a", 0.3), system("b", 0.2)]), sort="name").split("\n\n")[1]
    assert table.splitlines() == [
        "system    also    mean", "--------  ------  ------", "a                 1", "b         x       1",
    ]  # fmt: skip


def test_without_notes_text_ends_with_its_table(ranking, few_cells, monkeypatch):
    monkeypatch.setattr(formats, "board_notes", lambda *_, bars: [])
    assert board_text(ranking, bands=True, seeds=True) == TEXT.partition("\n\n4 > 1")[0] + "\n"
    assert board_text(ranking, "md", bands=True, seeds=True) == MARKDOWN.partition("\n\n4 > 1")[0] + "\n"


@pytest.mark.parametrize("options", [{}, {"bands": True}, {"seeds": True}, {"sort": "name"}])
def test_latex_is_asked_for_what_is_asked_for(ranking, options):
    asked = {"bands": False, "seeds": False, **{key: on for key, on in options.items() if key != "sort"}}
    sort = options.get("sort", "rank")
    rows = sorted(ranking.rows, key=SORTS[sort])
    text = board_latex(ranking, rows, bars=sort == "rank", **asked)
    assert board_text(ranking, "latex", **options) == text


def test_choices_that_there_are_not_are_all_refused():
    for form in FORMATS:
        for sort in ("rank", "name", "date"):
            check_choices(form, sort)
    with pytest.raises(UsageError) as caught:
        check_choices("jsom", "rnk")
    assert str(caught.value) == (
        "--format: 'jsom', expected one of text, md, csv, latex, html, json.\n  Did you mean 'json'?\n"
        "--sort: 'rnk', expected one of rank, name, date.\n  Did you mean 'rank'?"
    )


# Several boards, and the matrix of pairs


PAIRS = """p (Holm)    net      c|d      bl     blind
----------  -------  -------  -----  -------
net                  5.0e-04  0.010  1.000
c|d         5.0e-04           1.000  0.001
bl          0.010    1.000           1.000
blind       1.000    0.001    1.000
"""
PAIRS_MARKDOWN = """| p (Holm)   | net     | c\\|d    | bl    | blind   |
|:-----------|:--------|:--------|:------|:--------|
| net        |         | 5.0e-04 | 0.010 | 1.000   |
| c\\|d       | 5.0e-04 |         | 1.000 | 0.001   |
| bl         | 0.010   | 1.000   |       | 1.000   |
| blind      | 1.000   | 0.001   | 1.000 |         |
"""


def test_the_matrix_of_pairs(ranking):
    assert pairs_text(ranking) == PAIRS
    assert pairs_text(ranking, "md") == PAIRS_MARKDOWN


def test_a_name_with_what_ends_a_cell_does_not_end_one(ranking):
    lines = pairs_text(ranking, "md").splitlines()
    assert {line.replace("\\|", "").count("|") for line in lines} == {6}


@pytest.mark.parametrize(("form", "matrix"), [("text", PAIRS), ("md", PAIRS_MARKDOWN)])
def test_below_each_board_of_several_systems_stands_its_matrix(ranking, form, matrix):
    lone, two = decided([system("a", 0.3)]), decided([system("a", 0.3), system("b", 0.2)])
    boards = [ranking, lone, two]
    texts = [board_text(one, form, sort="name", bands=True, seeds=True) for one in boards]
    options = {"sort": "name", "bands": True, "seeds": True}
    assert boards_text(boards, form, **options) == "\n".join(texts)
    assert boards_text(boards, form, pairs=True, **options) == (
        f"{texts[0]}\n{matrix}\n{texts[1]}\n{texts[2]}\n{pairs_text(two, form)}"
    )
    assert boards_text([], form) == ""


def test_several_boards_as_json_are_a_list(ranking):
    other = decided([system("é", 0.3)])
    texts = [json.loads(board_text(one, "json", sort="name")) for one in (ranking, other)]
    for boards in (1, 2):
        text = json.dumps(texts[:boards], indent=1, ensure_ascii=False) + "\n"
        assert boards_text([ranking, other][:boards], "json", sort="name") == text
    assert "é" in text
    assert boards_text([ranking], "json", sort="name", one=True) == board_text(ranking, "json", sort="name")
    assert boards_text([ranking], "json", seeds=True) == boards_text([ranking], "json")
    assert boards_text([ranking], "csv", sort="name") == board_text(ranking, "csv", sort="name")


@pytest.mark.parametrize("form", ["csv", "latex", "html", "json"])
def test_a_format_without_a_matrix_refuses_one(ranking, form):
    with pytest.raises(UsageError) as caught:
        boards_text([ranking], form, pairs=True)
    assert str(caught.value) == (
        f"--pairs: with --format {form}, expected text or md.\n  --format json holds every pair anyway."
    )


def test_csv_is_of_one_board_and_without_a_table_of_seeds(ranking):
    with pytest.raises(UsageError) as caught:
        boards_text([ranking], "csv", seeds=True)
    assert str(caught.value) == (
        "--seeds: with --format csv, expected another format.\n  --format json holds every training anyway."
    )
    other = decided([system("a", 0.3)], name=BoardName("dtu", "dtu", "val", "mel"))
    with pytest.raises(UsageError) as caught:
        boards_text([ranking, other], "csv")
    assert str(caught.value) == (
        "--format csv: 2 boards, expected one --board of simulated/held-out-subjects/test/mel, dtu/dtu/val/mel."
    )


# For programs


LEFT_OUT = (
    Fault("r/b.json: score", "0.9", "0.1"),
    Fault("r/a\n.json", "not JSON"),
    Fault("r/b.json: ci95", "none"),
)


@pytest.fixture
def whole(ranking):
    """A ranking with all that a document can have, but what its board's measures bring."""
    partial = row_of(system("half", 0.2))
    board = dataclasses.replace(ranking.board, left_out=LEFT_OUT)
    effect = np.arange(16.0).reshape(4, 4)
    effect[0, 2] = np.nan
    return dataclasses.replace(
        ranking,
        board=board,
        effect=effect,
        partial=(partial,),
        changes=(Change("net", "bl", 2, 0.5),),
        resolution=Resolution(6, 3, 0.05 / 6, 1.0, False, 5, None, ("net", "c|d"), None, True),
    )


def document_of(row, name, sentence, **more):
    return {
        **row_values(name, row),
        "bands": row.bands,
        "per_subject": list(row.score.subjects.values()),
        "seeds": [
            {
                "seed": one.seed,
                "pearson_r": one.score.value,
                "per_subject": list(one.score.subjects.values()),
                "record_sha256": one.record_sha256,
            }
            for one in row.seeds
        ],
        "sentence": sentence,
        **more,
    }


def test_the_whole_document_of_a_board(whole):
    name = BOARD
    rows = whole.rows[::-1]
    (ablation,) = whole.ablations
    beside = ablation.beside
    document = board_document(whole, rows)
    pairs = [
        ("net", "c|d", 0.0005, 1.0), ("net", "bl", 0.01, None), ("net", "blind", 1.0, 3.0),
        ("c|d", "bl", 1.0, 6.0), ("c|d", "blind", 0.001, 7.0), ("bl", "blind", 1.0, 11.0),
    ]  # fmt: skip
    expected = {
        "version": 1,
        "board": {"corpus": "simulated", "split": "held-out-subjects", "part": "test", "feature": "mel"},
        "simulated": True,
        "subjects": ["sub-086", "sub-087", "sub-088"],
        "level": 0.05,
        "sentence": board_sentence(whole),
        "rows": [
            document_of(row, name, row_sentence(whole, place))
            for place, row in [*enumerate(whole.rows)][::-1]
        ],
        "ablations": [
            document_of(
                ablation,
                name,
                ablation_sentence(ablation, unseen=False),
                beside={
                    "full": "net",
                    "difference": beside.difference,
                    "ci95": beside.ci95,
                    "p": beside.p,
                    "of_architectures": True,
                },
            )
        ],
        "pairs": [
            {
                "systems": [one, other],
                "p_holm": p,
                "compares": "architectures" if (one, other) == ("net", "bl") else "weights",
                "effect_size": effect,
            }
            for one, other, p, effect in pairs
        ],
        "places_changed": [{"first": "net", "second": "bl", "pairs": 2, "changed": 0.5}],
        "resolution": {
            "n_pairs": 6,
            "n_subjects": 3,
            "level": 0.05 / 6,
            "least_p": 1.0,
            "only_signs": False,
            "hopeless": 5,
            "difference": None,
            "first_two": ("net", "c|d"),
            "subjects": None,
            "seeds_limit": True,
            "behind": 0,
        },
        "partial": ["half"],
        "left_out": [
            {"file": "r/a\\n.json", "faults": ["r/a\\n.json: not JSON."]},
            {"file": "r/b.json", "faults": ["r/b.json: score: 0.9, expected 0.1.", "r/b.json: ci95: none."]},
        ],
    }
    assert document == expected
    assert json.dumps(document) == json.dumps(expected)  # in this order
    text = json.dumps(board_document(whole, sorted(rows, key=SORTS["rank"])), indent=1, ensure_ascii=False)
    assert board_text(whole, "json") == f"{text}\n"


def test_a_document_without_effects_resolution_and_what_stands_beside_has_none(whole):
    same = whole.rows[:2]
    bare = dataclasses.replace(
        whole, resolution=None, effect=np.full((4, 4), np.nan), ablations=whole.rows[:1]
    )
    document = board_document(bare, same)
    assert document["resolution"] is None
    assert [one["effect_size"] for one in document["pairs"]] == [None] * 6
    some = dataclasses.replace(whole, effect=np.arange(16.0).reshape(4, 4))
    assert [one["effect_size"] for one in board_document(some, same)["pairs"]] == [1, 2, 3, 6, 7, 11]
    assert [one["beside"] for one in document["ablations"]] == [None]


def test_a_document_says_what_is_special_of_its_board():
    brain = WithoutBrain(value=0.1, ci95=None, subjects={}, measures={"cosine": 0.25, "pearson_r": 0.5})
    ones = []
    for name in ("é", "b"):
        one = made("x", [0.1, 0.2, 0.3], split={"flag": "leaky"})
        document = with_measures(plain(one.record), ["cosine", "pearson_r"], cosine=[0.4, 0.5, 0.6])
        one = BoardRecord.of(one.path, json.dumps(document).encode())
        seed = Training(seed=3, recipe_sha256="a" * 64)
        ones.append(
            with_values(
                one,
                submission={"name": name, "training": seed},
                without_brain={"constant": brain},
                stimuli=unseen_stimuli([0.1, 0.1, 0.1]),
            )
        )
    ones.append(with_values(ones[1], submission={"training": Training(seed=5, recipe_sha256="a" * 64)}))
    ranking = decided(ones, name=BoardName("si\nm", "s", "test", "mel"))
    document = board_document(ranking, ranking.rows)
    assert list(document)[:7] == [
        "version", "board", "simulated", "measures", "flag", "without_brain", "subjects",
    ]  # fmt: skip
    assert document["board"]["corpus"] == "si\\nm"
    assert document["measures"] == ["cosine", "pearson_r"]
    assert document["flag"] == "leaky"
    assert document["without_brain"] == {"constant": {"cosine": 0.25, "pearson_r": 0.5}}
    (of_seeds,) = [row for row in document["rows"] if row["seeds"]]
    assert [sorted(one) for one in of_seeds["seeds"]] == [
        ["cosine", "per_subject", "record_sha256", "seed"]
    ] * 2
    assert of_seeds["seeds"][0]["per_subject"] == [0.4, 0.5, 0.6]
    assert [row["sentence"] for row in document["rows"]] == [row_sentence(ranking, k) for k in range(2)]
    text = board_text(ranking, "json")
    assert text == json.dumps(document, indent=1, ensure_ascii=False) + "\n"
    assert '"name": "é"' in text


def test_a_number_that_json_does_not_have_is_refused(whole):
    row = whole.rows[0]
    wrong = dataclasses.replace(row, bands=(float("nan"),))
    broken = dataclasses.replace(whole, rows=(wrong, *whole.rows[1:]))
    with pytest.raises(ValueError, match="Out of range float values are not JSON compliant"):
        board_text(broken, "json")


def test_the_document_of_a_board_is_valid(ranking):
    assert schema_faults(json.loads(board_text(ranking, "json")), "board", "x") == []


def test_all_pairs_are_listed_up_to_many_systems_and_then_the_first_and_neighbours(monkeypatch, ranking):
    assert len(listed_pairs(200)) == 200 * 199 // 2
    assert len(listed_pairs(201)) == 200 + 199
    assert (listed_pairs(0), listed_pairs(1), listed_pairs(3)) == ([], [], [(0, 1), (0, 2), (1, 2)])
    monkeypatch.setattr(formats, "MOST_ALL_PAIRS", 4)
    assert listed_pairs(4) == [(0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)]
    assert listed_pairs(5) == [(0, 1), (0, 2), (0, 3), (0, 4), (1, 2), (2, 3), (3, 4)]
    assert "pairs_left_out" not in board_document(ranking, ranking.rows)
    monkeypatch.setattr(formats, "MOST_ALL_PAIRS", 2)
    document = board_document(ranking, ranking.rows)
    assert repr(document["pairs_left_out"]) == "1"
    assert len(document["pairs"]) == 5
    keys = list(document)
    assert keys[keys.index("pairs") + 1] == "pairs_left_out"


def test_rows_of_csv_are_systems_and_ablations_and_what_was_left_out(whole):
    subjects = ("sub-086", "sub-087", "sub-088")

    def of_row(row, sentence):
        return {
            **row_values(BOARD, row),
            "band_1": row.bands[0],
            "band_2": row.bands[1],
            **{f"subject_{name}": row.score.subjects[name] for name in subjects},
            "sentence": sentence,
            "left_out": None,
        }

    systems = [of_row(row, row_sentence(whole, place)) for place, row in enumerate(whole.rows)]
    (ablation,) = whole.ablations
    rows = [*systems, of_row(ablation, ablation_sentence(ablation, unseen=False))]
    left_out = [
        {**BOARD._asdict(), "name": "a\n", "left_out": "r/a\\n.json: not JSON."},
        {
            **BOARD._asdict(),
            "name": "b",
            "left_out": "r/b.json: score: 0.9, expected 0.1. r/b.json: ci95: none.",
        },
    ]
    columns, table = csv_rows(whole, [*whole.rows, ablation])
    assert columns == list(rows[0])
    assert table == [*rows, *left_out]
    read = list(csv.DictReader(io.StringIO(board_text(whole, "csv", sort="name"))))
    assert list(read[0]) == columns
    assert [row["name"] for row in read] == ["bl", "blind", "c|d", "net", "net", "a\\n", "b"]
    assert [row["variant"] for row in read] == ["default"] * 4 + ["bare", "", ""]
    assert [row["sentence"] for row in read[:2]] == [row_sentence(whole, 2), row_sentence(whole, 3)]
    assert csv_rows(whole, []) == (["corpus", "split", "part", "feature", "name", "left_out"], left_out)


def test_csv_without_rows_has_its_line_of_names():
    assert board_text(rank(Board(BOARD, ())), "csv") == "corpus,split,part,feature,name,left_out\n"


def test_an_ablation_has_its_own_sentence_on_unseen_stimuli_where_these_rank(ones):
    told = [
        with_values(one, stimuli=unseen_stimuli([0.1, 0.2 + 0.01 * number, 0.3]))
        for number, one in enumerate(ones)
    ]
    ranking = decided(told)
    assert ranking.board.by_unseen
    (ablation,) = ranking.ablations
    said = ablation_sentence(ablation, unseen=True)
    assert "on unseen stimuli" in said
    assert board_document(ranking, ranking.rows)["ablations"][0]["sentence"] == said
    assert csv_rows(ranking, [ablation])[1][0]["sentence"] == said
