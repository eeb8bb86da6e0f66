"""The official leaderboard as each format shows it, whole: two teams that are made up here."""

import json
from dataclasses import replace

import pytest

from harness.boards.papers import Team, official, official_rows, official_text
from harness.errors import UsageError

TITLE = "ICASSP 2024 Auditory EEG Challenge, Task 2: official test, mel, 49 teams, 20 subjects"
WHY = (
    "No paired test is possible: the published subjects' values are sorted within each team, so that no two"
    " teams' values can be matched. Intervals: studentised bootstrap over 20 subjects, 95 %, each team by"
    " itself."
)
FIRST = Team(
    name="<A> & b_c",
    submission=2,
    mean=0.05,
    std=0.0125,
    bands=tuple(k / 100 for k in range(1, 11)),
    subjects=(0.04, 0.06),
    ci95=(0.03124, 0.0675),
    other=0.04374,
)
SECOND = Team(
    name="Zürich",
    submission=1,
    mean=-0.006666,
    std=0.02,
    bands=tuple(-k / 100 for k in range(1, 11)),
    subjects=(-0.016666, 0.003334),
    ci95=(-0.0167, 0.0034),
    other=None,
)
TEXT = f"""\
{TITLE}

rank    team       mean r    95 % interval      std     other submission
------  ---------  --------  -----------------  ------  ------------------
1       <A> & b_c  0.0500    0.0312 to 0.0675   0.0125  0.0437
2       Zürich     -0.0067   -0.0167 to 0.0034  0.0200

{WHY}
"""
MARKDOWN = f"""\
{TITLE}

| rank   | team      | mean r   | 95 % interval     | std    | other submission   |
|:-------|:----------|:---------|:------------------|:-------|:-------------------|
| 1      | <A> & b_c | 0.0500   | 0.0312 to 0.0675  | 0.0125 | 0.0437             |
| 2      | Zürich    | -0.0067  | -0.0167 to 0.0034 | 0.0200 |                    |

{WHY}
"""
CSV = """\
paper,table,label,measure,simulated,rank,reported,reported_ci95_low,reported_ci95_high,reported_std,other_submission
official-2024,leaderboard,<A> & b_c,pearson_r,False,1,0.05,0.03124,0.0675,0.0125,0.04374
official-2024,leaderboard,Zürich,pearson_r,False,2,-0.006666,-0.0167,0.0034,0.02,
"""
LATEX = r"""
\begin{table*}
\centering
\caption{TITLE. WHY}
\label{tab:official-2024}
\smallskip
\footnotesize
\setlength{\tabcolsep}{3pt}
\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%
\begin{tabular}{@{}llrrrr@{}}
\toprule
rank & team & mean r & \shortstack{95 \%\\interval} & std & \shortstack{other\\submission} \\
\midrule
1 & $<$A$>$ \& b\_c & 0.0500 & {[0.0312, 0.0675]} & 0.0125 & 0.0437 \\
2 & Z\"{u}rich & $-$0.0067 & {[$-$0.0167, 0.0034]} & 0.0200 &  \\
\bottomrule
\end{tabular}}
\end{table*}
"""
LATEX = "% Needs \\usepackage{booktabs} and \\usepackage{graphicx} in the preamble." + LATEX.replace(
    "TITLE", TITLE
).replace("WHY", WHY.replace("%", r"\%"))
HTML = f"""\
<p>{TITLE}</p>
<table>
<thead>
<tr><th>rank  </th><th>team     </th><th>mean r  </th><th>95 % interval    </th><th>std   </th>\
<th>other submission  </th></tr>
</thead>
<tbody>
<tr><td>1     </td><td>&lt;A&gt; &amp; b_c</td><td>0.0500  </td><td>0.0312 to 0.0675 </td><td>0.0125</td>\
<td>0.0437            </td></tr>
<tr><td>2     </td><td>Zürich   </td><td>-0.0067 </td><td>-0.0167 to 0.0034</td><td>0.0200</td>\
<td>                  </td></tr>
</tbody>
</table>
<p>{WHY.replace("'", "&#x27;")}</p>
"""
BANDS = """\
rank    team       mean r    95 % interval      std     other submission    band 1    band 2    band 3\
    band 4    band 5    band 6    band 7    band 8    band 9    band 10
------  ---------  --------  -----------------  ------  ------------------  --------  --------  --------\
  --------  --------  --------  --------  --------  --------  ---------
1       <A> & b_c  0.0500    0.0312 to 0.0675   0.0125  0.0437              0.0100    0.0200    0.0300\
    0.0400    0.0500    0.0600    0.0700    0.0800    0.0900    0.1000
2       Zürich     -0.0067   -0.0167 to 0.0034  0.0200                      -0.0100   -0.0200   -0.0300\
   -0.0400   -0.0500   -0.0600   -0.0700   -0.0800   -0.0900   -0.1000
"""


@pytest.fixture(autouse=True)
def _two_teams(monkeypatch):
    monkeypatch.setattr(official, "official_teams", lambda: (FIRST, SECOND))


@pytest.mark.parametrize(
    ("form", "expected"),
    [("text", TEXT), ("md", MARKDOWN), ("csv", CSV), ("latex", LATEX), ("html", HTML)],
)
def test_the_leaderboard_is_this_text_in_each_format(form, expected):
    assert official_text(form) == expected


def test_it_is_text_without_bands_unless_it_is_asked_otherwise():
    assert official_text() == TEXT


def test_words_that_html_would_act_on_are_escaped(monkeypatch):
    monkeypatch.setattr(official, "WHY_UNPAIRED", "a < b")
    assert official_text("html").endswith("</table>\n<p>a &lt; b</p>\n")


def test_json_has_every_value_of_a_team_by_its_name():
    rows = [
        {
            "rank": 1,
            "name": "<A> & b_c",
            "submission": 2,
            "mean": 0.05,
            "std": 0.0125,
            "bands": [0.01, 0.02, 0.03, 0.04, 0.05, 0.06, 0.07, 0.08, 0.09, 0.1],
            "subjects": [0.04, 0.06],
            "ci95": [0.03124, 0.0675],
            "other": 0.04374,
        },
        {
            "rank": 2,
            "name": "Zürich",
            "submission": 1,
            "mean": -0.006666,
            "std": 0.02,
            "bands": [-0.01, -0.02, -0.03, -0.04, -0.05, -0.06, -0.07, -0.08, -0.09, -0.1],
            "subjects": [-0.016666, 0.003334],
            "ci95": [-0.0167, 0.0034],
            "other": None,
        },
    ]
    expected = {"board": "official-2024", "simulated": False, "note": WHY, "rows": rows}
    assert official_text("json") == json.dumps(expected, indent=1, ensure_ascii=False) + "\n"


def test_bands_are_columns_of_every_table_that_is_asked_for_them():
    assert official_text(bands=True) == f"{TITLE}\n\n{BANDS}\n{WHY}\n"
    header, first, second = official_text("csv", bands=True).splitlines()
    assert header == CSV.splitlines()[0] + "".join(f",band_{k}" for k in range(1, 11))
    assert first == CSV.splitlines()[1] + ",0.01,0.02,0.03,0.04,0.05,0.06,0.07,0.08,0.09,0.1"
    assert second == CSV.splitlines()[2] + ",-0.01,-0.02,-0.03,-0.04,-0.05,-0.06,-0.07,-0.08,-0.09,-0.1"


def test_latex_has_a_column_for_each_band_and_no_row_of_fewer(monkeypatch):
    text = official_text("latex", bands=True)
    head = " & ".join(f"band {k}" for k in range(1, 11))
    assert rf" & \shortstack{{other\\submission}} & {head} \\" in text.splitlines()[11]
    cells = " & ".join(["0.0100", "0.0200", "0.0300", "0.0400", "0.0500", "0.0600", "0.0700", "0.0800"])
    assert text.splitlines()[13].endswith(rf" & 0.0437 & {cells} & 0.0900 & 0.1000 \\")
    monkeypatch.setattr(official, "official_teams", lambda: (replace(FIRST, bands=FIRST.bands[:9]),))
    with pytest.raises(ValueError, match="shorter"):
        official_text("latex", bands=True)


def test_rows_are_plain_values_with_bands_only_where_these_are_asked_for():
    first = {
        "paper": "official-2024",
        "table": "leaderboard",
        "label": "<A> & b_c",
        "measure": "pearson_r",
        "simulated": False,
        "rank": 1,
        "reported": 0.05,
        "reported_ci95_low": 0.03124,
        "reported_ci95_high": 0.0675,
        "reported_std": 0.0125,
        "other_submission": 0.04374,
    }
    second = {
        **first,
        "label": "Zürich",
        "rank": 2,
        "reported": -0.006666,
        "reported_ci95_low": -0.0167,
        "reported_ci95_high": 0.0034,
        "reported_std": 0.02,
        "other_submission": None,
    }
    assert official_rows() == [first, second]
    bands = [f"band_{k}" for k in range(1, 11)]
    assert official_rows(bands=True) == [
        {**first, **dict(zip(bands, FIRST.bands, strict=True))},
        {**second, **dict(zip(bands, SECOND.bands, strict=True))},
    ]


def test_a_format_that_is_none_is_refused():
    with pytest.raises(UsageError) as caught:
        official_text("pdf")
    assert str(caught.value) == "--format: 'pdf', expected one of text, md, csv, latex, html, json."
