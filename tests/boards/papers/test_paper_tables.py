"""A paper's tables as each format shows them, whole: a small paper that is made up here, filled in memory."""

import json
from pathlib import Path

import pytest
from documents import CORPUS_DATA, RUN, SPLIT_PART, SYSTEM, controls_document
from msgspec import UNSET, convert
from msgspec.structs import replace

from harness.boards.board import Board, BoardName, BoardRecord
from harness.boards.papers import (
    Cell,
    fill,
    load_paper,
    once_each,
    paper_tables,
    paper_text,
    table_rows,
    tables,
    tables_text,
)
from harness.boards.papers.tables import PaperTable
from harness.boards.sheet import csv_text
from harness.errors import UsageError
from harness.records.bands import ChanceBands
from harness.records.build import build_record
from harness.records.controls import Controls
from harness.records.measured import MeasureResult
from harness.records.record import Transfer
from harness.records.without_brain import WithoutBrain
from harness.scoring.chance import Band, Chance
from harness.scoring.score import SubjectScore, combine

RECORD = build_record(
    combine({"sub-086": SubjectScore(0.05, (0.05,), 4, (), (), ())}),
    chance=Chance(Band(-0.01, 0.0, 0.01, 100), None),
    submission=SYSTEM,
    split=SPLIT_PART,
    corpus=CORPUS_DATA,
    **RUN,
)
NO_CHANCE = ChanceBands(circular_shifts=None, mismatched_segments=None)


def filler(name, variant, score, ci95=None, *, kind="simulated", controls=None, system=None, **measures):
    """A record in memory; ``measures`` are values by measures beside Pearson r, or (value, low, high)."""
    results = {}
    for by, said in measures.items():
        value, *ends = said if isinstance(said, tuple) else (said,)
        results[by] = MeasureResult(
            value=value,
            ci95=tuple(ends) or None,
            chance=NO_CHANCE,
            subjects={"sub-086": value},
            segments_undefined=0,
        )
    record = replace(
        RECORD,
        score=score,
        ci95=ci95,
        measures=results or UNSET,
        submission=replace(SYSTEM, name=name, variant=variant, **(system or {})),
        corpus=replace(CORPUS_DATA, kind=kind),
        controls=UNSET if controls is None else convert(controls, Controls),
    )
    return BoardRecord(Path(f"{name}-{variant}.json"), record, f"sha256 of {name}-{variant}")


def board(corpus, feature, *records, flag="", constant=None):
    """A board in memory; ``constant`` is what the training part's mean scores by each measure."""
    without = {}
    if constant is not None:
        without["constant"] = WithoutBrain(value=0.0, ci95=None, subjects={}, measures=constant)
    changed = [
        BoardRecord(
            one.path,
            replace(
                one.record,
                split=replace(SPLIT_PART, flag=flag or UNSET),
                without_brain=without or UNSET,
            ),
            one.sha256,
        )
        for one in records
    ]
    return Board(BoardName(corpus, "s", "test", feature), tuple(changed))


DTU = Transfer(corpus="dtu", split="dtu")
# Without the EEG: nothing to remark, and two remarks.
QUIET = controls_document([0.06, 0.05, 0.06, 0.05, 0.06, 0.05], [0.001] * 6)
LOUD = controls_document([0.05, 0.06], [0.05, 0.06])
GAINS = {
    "id": "g",
    "title": "Table <1>: gains",
    "measure": "pearson_r",
    "baseline": "base",
    "board": {"split": "s", "part": "test", "feature": "mel"},
    "rows": [
        {
            "label": "full & more",
            "reported": 0.3125,
            "reported_percent": 25,
            "system": "net",
            "variant": "full",
        },
        {"label": "base", "reported": 0.25, "system": "linear"},
        {"label": "less", "reported": 0.28125, "reported_percent": 14, "system": "net", "variant": "less"},
        {"label": "not scored", "reported": 0.125, "system": "net", "variant": "none"},
        {"label": "unknown", "reported": None},
        {"label": "odd", "reported": 0.375, "note": "needs a < b"},
    ],
    "notes": ["Says <so>."],
}
MUSIC = {
    "id": "m",
    "title": "Table 2: songs",
    "measure": "accuracy (%)",
    "by": ["song_accuracy", "song_accuracy_reconstructed"],
    "board": {"split": "s", "part": "test", "feature": "music-mel"},
    "rows": [
        {"label": "net", "reported": 62.5, "system": "net", "variant": "full"},
        {
            "label": "net, dB",
            "reported": 82.86,
            "system": "net",
            "variant": "full",
            "feature": "music-mel-db",
        },
        {"label": "other", "reported": None, "system": "other", "note": "ours"},
        {"label": "third", "reported": 1, "system": "third"},
    ],
    "notes": [],
}
COSINE = {
    "id": "c",
    "title": "Table 3: cosine",
    "measure": "cosine",
    "by": ["cosine"],
    "baseline": "base",
    "board": {"split": "s", "part": "test", "feature": "music-mel"},
    "rows": [
        {"label": "base", "reported": 0.5, "system": "linear"},
        {"label": "net", "reported": 0.625, "system": "net", "variant": "full"},
    ],
    "notes": [],
}
PLAIN = {
    "id": "p",
    "title": "Table 4: words",
    "measure": "pearson_r",
    "rows": [{"label": "one", "reported": 0.1}],
    "notes": ["Only reported."],
}
EMPTY = {**COSINE, "id": "e", "title": "Table 5: nothing yet", "rows": COSINE["rows"][1:]}
PAPER = {
    "name": "made-up",
    "title": "Net & more (Müller 2024)",
    "source": "Müller <et al.> 2024",
    "tables": [GAINS, MUSIC, COSINE, PLAIN, EMPTY],
}
FILLED = [
    PaperTable(
        GAINS,
        {
            "mel": board(
                "sparrkulee",
                "mel",
                filler("net", "less", 0.9, kind="real", system={"channels_excluded": ("T7",)}),
                filler("net", "none", 0.9, kind="real", system={"transfer": DTU}),
                filler("linear", "default", 0.5, (0.45, 0.55), kind="real", controls=QUIET),
                filler("net", "full", 0.25, (-0.25, 0.75), kind="real", controls=LOUD),
                filler("net", "less", 0.625, kind="real"),
            )
        },
    ),
    PaperTable(
        MUSIC,
        {
            "music-mel": board(
                "simulated-nmed-t",
                "music-mel",
                filler(
                    "net", "full", 0.1, song_accuracy=(0.25, 0.2, 0.3125), song_accuracy_reconstructed=0.5
                ),
                filler("third", "default", 0.2, cosine=0.5),
                flag="seen before",
                constant={"song_accuracy": 0.125, "cosine": 0.9},
            ),
            "music-mel-db": board(
                "simulated-nmed-t",
                "music-mel-db",
                filler("net", "full", 0.1, song_accuracy=0.4, song_accuracy_reconstructed=0.75),
                flag="seen before",
                constant={"cosine": 0.9},
            ),
        },
    ),
    PaperTable(
        COSINE,
        {
            "music-mel": board(
                "nmed-t",
                "music-mel",
                filler("linear", "default", 0.2, kind="real", cosine=0.25, controls=QUIET),
                filler("net", "full", 0.1, kind="real", cosine=(0.5, 0.4, 0.6)),
                flag="another",
                constant={"cosine": 0.375},
            )
        },
    ),
    PaperTable(PLAIN, {}),
    PaperTable(EMPTY, {}),
]
TEXT = r"""
Net & more (Müller 2024). Source: Müller <et al.> 2024.

Table <1>: gains (s/test/mel)

             reported (Pearson r)    over baseline    measured here (sparrkulee)    95 % interval      without the EEG                  over baseline    measured - reported    note
-----------  ----------------------  ---------------  ----------------------------  -----------------  -------------------------------  ---------------  ---------------------  --------------
full & more  0.3125                  +25 %            0.2500                        -0.2500 to 0.7500  0.0550 (scores without the EEG)  -50 %            -0.0625
base         0.2500                                   0.5000                        0.4500 to 0.5500   0.0010                                            +0.2500
less         0.2812                  +12 %            0.6250                                           not measured                     +25 %            +0.3438
not scored   0.1250                  -50 %                                                                                                                                      no record
unknown                                                                                                                                                                         no system here
odd          0.3750                  +50 %                                                                                                                                      needs a < b

Note: Says <so>.

Note: less: printed as 14 %, the values give 12.5 %.

Table 2: songs (s/test/music-mel)

                                     reported (accuracy (%))    measured here (simulated data (no real EEG))    95 % interval    song accuracy by reconstructions    note
-----------------------------------  -------------------------  ----------------------------------------------  ---------------  ----------------------------------  ---------------
net                                  62.50                      25.00                                           20.00 to 31.25   50.00
net, dB                              82.86                      40.00                                                            75.00
other                                                                                                                                                                ours; no record
third                                1.00
the training part's mean, music-mel                             12.50                                                                                                needs no EEG

Note: The measured split is flagged: seen before.

Table 3: cosine (s/test/music-mel)

                                     reported (cosine)    over baseline    measured here (nmed-t)    95 % interval     without the EEG    over baseline    measured - reported    note
-----------------------------------  -------------------  ---------------  ------------------------  ----------------  -----------------  ---------------  ---------------------  ------------
base                                 0.5000                                0.2500                                      0.0010                              -0.2500
net                                  0.6250               +25 %            0.5000                    0.4000 to 0.6000  not measured       +100 %           -0.1250
the training part's mean, music-mel                                        0.3750                                                                                                 needs no EEG

Note: The measured split is flagged: another.

Table 4: words

     reported (Pearson r)    note
---  ----------------------  --------------
one  0.1000                  no system here

Note: Only reported.

Table 5: nothing yet (s/test/music-mel)

     reported (cosine)    measured here (no record yet)    95 % interval    without the EEG    measured - reported    note
---  -------------------  -------------------------------  ---------------  -----------------  ---------------------  ---------
net  0.6250                                                                                                           no record
"""
MARKDOWN = r"""
Net & more (Müller 2024). Source: Müller <et al.> 2024.

Table <1>: gains (s/test/mel)

|             | reported (Pearson r)   | over baseline   | measured here (sparrkulee)   | 95 % interval     | without the EEG                 | over baseline   | measured - reported   | note           |
|:------------|:-----------------------|:----------------|:-----------------------------|:------------------|:--------------------------------|:----------------|:----------------------|:---------------|
| full & more | 0.3125                 | +25 %           | 0.2500                       | -0.2500 to 0.7500 | 0.0550 (scores without the EEG) | -50 %           | -0.0625               |                |
| base        | 0.2500                 |                 | 0.5000                       | 0.4500 to 0.5500  | 0.0010                          |                 | +0.2500               |                |
| less        | 0.2812                 | +12 %           | 0.6250                       |                   | not measured                    | +25 %           | +0.3438               |                |
| not scored  | 0.1250                 | -50 %           |                              |                   |                                 |                 |                       | no record      |
| unknown     |                        |                 |                              |                   |                                 |                 |                       | no system here |
| odd         | 0.3750                 | +50 %           |                              |                   |                                 |                 |                       | needs a < b    |

Note: Says <so>.

Note: less: printed as 14 %, the values give 12.5 %.
"""
LATEX = r"""
% Needs \usepackage{booktabs} and \usepackage{graphicx} in the preamble.
% Net & more (Müller 2024). Source: Müller <et al.> 2024.
\begin{table*}
\centering
\caption{Net \& more (M\"{u}ller 2024). Table $<$1$>$: gains (s/test/mel). Reported: Pearson r, from M\"{u}ller $<$et al.$>$ 2024. Measured here: on sparrkulee. Gain: over base.}
\label{tab:made-up-g}
\smallskip
\footnotesize
\setlength{\tabcolsep}{3pt}
\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%
\begin{tabular}{@{}lrrrrrrr@{}}
\toprule
system & reported & \shortstack{reported\\gain} & measured & \shortstack{95 \%\\interval} & \shortstack{without\\the EEG} & \shortstack{measured\\gain} & \shortstack{measured -\\reported} \\
\midrule
full \& more & 0.3125 & +25 \% & 0.2500 & {[$-$0.2500, 0.7500]} & 0.0550\textsuperscript{a} & $-$50 \% & $-$0.0625 \\
base & 0.2500 &  & 0.5000 & {[0.4500, 0.5500]} & 0.0010 &  & +0.2500 \\
less & 0.2812 & +12 \% & 0.6250 &  & not measured & +25 \% & +0.3438 \\
not scored\textsuperscript{b} & 0.1250 & $-$50 \% &  &  &  &  &  \\
unknown\textsuperscript{c} &  &  &  &  &  &  &  \\
odd\textsuperscript{d} & 0.3750 & +50 \% &  &  &  &  &  \\
\bottomrule
\end{tabular}}

\smallskip\parbox{\linewidth}{\footnotesize \textsuperscript{a} scores without the EEG; \textsuperscript{b} no record; \textsuperscript{c} no system here; \textsuperscript{d} needs a $<$ b.}
\end{table*}
% Note: Says <so>.
% Note: less: printed as 14 %, the values give 12.5 %.

\begin{table*}
\centering
\caption{Net \& more (M\"{u}ller 2024). Table 2: songs (s/test/music-mel). Reported: accuracy (\%), from M\"{u}ller $<$et al.$>$ 2024. Measured here: on simulated data (no real EEG).}
\label{tab:made-up-m}
\smallskip
\footnotesize
\setlength{\tabcolsep}{3pt}
\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%
\begin{tabular}{@{}lrrrr@{}}
\toprule
system & reported & measured & \shortstack{95 \%\\interval} & \shortstack{song accuracy by\\reconstructions} \\
\midrule
net & 62.50 & 25.00 & {[20.00, 31.25]} & 50.00 \\
net, dB & 82.86 & 40.00 &  & 75.00 \\
other\textsuperscript{a} &  &  &  &  \\
third & 1.00 &  &  &  \\
the training part's mean, music-mel\textsuperscript{b} &  & 12.50 &  &  \\
\bottomrule
\end{tabular}}

\smallskip\parbox{\linewidth}{\footnotesize \textsuperscript{a} ours; no record; \textsuperscript{b} needs no EEG.}
\end{table*}
% Note: The measured split is flagged: seen before.

\begin{table*}
\centering
\caption{Net \& more (M\"{u}ller 2024). Table 3: cosine (s/test/music-mel). Reported: cosine, from M\"{u}ller $<$et al.$>$ 2024. Measured here: on nmed-t. Gain: over base.}
\label{tab:made-up-c}
\smallskip
\footnotesize
\setlength{\tabcolsep}{3pt}
\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%
\begin{tabular}{@{}lrrrrrrr@{}}
\toprule
system & reported & \shortstack{reported\\gain} & measured & \shortstack{95 \%\\interval} & \shortstack{without\\the EEG} & \shortstack{measured\\gain} & \shortstack{measured -\\reported} \\
\midrule
base & 0.5000 &  & 0.2500 &  & 0.0010 &  & $-$0.2500 \\
net & 0.6250 & +25 \% & 0.5000 & {[0.4000, 0.6000]} & not measured & +100 \% & $-$0.1250 \\
the training part's mean, music-mel\textsuperscript{a} &  &  & 0.3750 &  &  &  &  \\
\bottomrule
\end{tabular}}

\smallskip\parbox{\linewidth}{\footnotesize \textsuperscript{a} needs no EEG.}
\end{table*}
% Note: The measured split is flagged: another.

\begin{table}
\centering
\caption{Net \& more (M\"{u}ller 2024). Table 4: words. Reported: Pearson r, from M\"{u}ller $<$et al.$>$ 2024.}
\label{tab:made-up-p}
\smallskip
\footnotesize
\setlength{\tabcolsep}{3pt}
\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%
\begin{tabular}{@{}lr@{}}
\toprule
system & reported \\
\midrule
one\textsuperscript{a} & 0.1000 \\
\bottomrule
\end{tabular}}

\smallskip\parbox{\linewidth}{\footnotesize \textsuperscript{a} no system here.}
\end{table}
% Note: Only reported.

\begin{table}
\centering
\caption{Net \& more (M\"{u}ller 2024). Table 5: nothing yet (s/test/music-mel). Reported: cosine, from M\"{u}ller $<$et al.$>$ 2024. Measured here: no record yet.}
\label{tab:made-up-e}
\smallskip
\footnotesize
\setlength{\tabcolsep}{3pt}
\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%
\begin{tabular}{@{}lrrrrr@{}}
\toprule
system & reported & measured & \shortstack{95 \%\\interval} & \shortstack{without\\the EEG} & \shortstack{measured -\\reported} \\
\midrule
net\textsuperscript{a} & 0.6250 &  &  &  &  \\
\bottomrule
\end{tabular}}

\smallskip\parbox{\linewidth}{\footnotesize \textsuperscript{a} no record.}
\end{table}
"""
HTML = r"""
<p>Net &amp; more (Müller 2024). Source: Müller &lt;et al.&gt; 2024.</p>
<p>Table &lt;1&gt;: gains (s/test/mel)</p>
<table>
<thead>
<tr><th>           </th><th>reported (Pearson r)  </th><th>over baseline  </th><th>measured here (sparrkulee)  </th><th>95 % interval    </th><th>without the EEG                </th><th>over baseline  </th><th>measured - reported  </th><th>note          </th></tr>
</thead>
<tbody>
<tr><td>full &amp; more</td><td>0.3125                </td><td>+25 %          </td><td>0.2500                      </td><td>-0.2500 to 0.7500</td><td>0.0550 (scores without the EEG)</td><td>-50 %          </td><td>-0.0625              </td><td>              </td></tr>
<tr><td>base       </td><td>0.2500                </td><td>               </td><td>0.5000                      </td><td>0.4500 to 0.5500 </td><td>0.0010                         </td><td>               </td><td>+0.2500              </td><td>              </td></tr>
<tr><td>less       </td><td>0.2812                </td><td>+12 %          </td><td>0.6250                      </td><td>                 </td><td>not measured                   </td><td>+25 %          </td><td>+0.3438              </td><td>              </td></tr>
<tr><td>not scored </td><td>0.1250                </td><td>-50 %          </td><td>                            </td><td>                 </td><td>                               </td><td>               </td><td>                     </td><td>no record     </td></tr>
<tr><td>unknown    </td><td>                      </td><td>               </td><td>                            </td><td>                 </td><td>                               </td><td>               </td><td>                     </td><td>no system here</td></tr>
<tr><td>odd        </td><td>0.3750                </td><td>+50 %          </td><td>                            </td><td>                 </td><td>                               </td><td>               </td><td>                     </td><td>needs a &lt; b   </td></tr>
</tbody>
</table>
<p>Note: Says &lt;so&gt;.</p>
<p>Note: less: printed as 14 %, the values give 12.5 %.</p>
"""


@pytest.mark.parametrize(
    ("form", "filled", "expected"),
    [
        ("text", FILLED, TEXT),
        ("latex", FILLED, LATEX),
        ("md", FILLED[:1], MARKDOWN),
        ("html", FILLED[:1], HTML),
    ],
)
def test_the_tables_are_this_text_in_each_format(form, filled, expected):
    assert "\n" + tables_text(PAPER, filled, form) == expected


def test_they_are_text_unless_it_is_asked_otherwise():
    assert "\n" + tables_text(PAPER, FILLED) == TEXT


def row(label, reported=None, **changes):
    """A row of JSON in which nothing is known but what is said."""
    unknown = dict.fromkeys(
        (
            "reported_percent",
            "printed_percent",
            "measured",
            "ci95",
            "measured_percent",
            "without_eeg",
            "record_sha256",
        )
    )
    return {"label": label, "reported": reported, **unknown, "note": "", **changes}


GAINS_ROWS = [
    row(
        "full & more",
        0.3125,
        reported_percent=25.0,
        printed_percent=25,
        measured=0.25,
        ci95=[-0.25, 0.75],
        measured_percent=-50.0,
        without_eeg="0.0550 (scores without the EEG)",
        record_sha256="sha256 of net-full",
    ),
    row(
        "base",
        0.25,
        measured=0.5,
        ci95=[0.45, 0.55],
        without_eeg="0.0010",
        record_sha256="sha256 of linear-default",
    ),
    row(
        "less",
        0.28125,
        reported_percent=12.5,
        printed_percent=14,
        measured=0.625,
        measured_percent=25.0,
        without_eeg="not measured",
        record_sha256="sha256 of net-less",
    ),
    row("not scored", 0.125, reported_percent=-50.0, note="no record"),
    row("unknown", note="no system here"),
    row("odd", 0.375, reported_percent=50.0, note="needs a < b"),
]
BOTH = "song_accuracy_reconstructed"
MUSIC_ROWS = [
    row(
        "net",
        62.5,
        measured=0.25,
        ci95=[0.2, 0.3125],
        without_eeg="not measured",
        record_sha256="sha256 of net-full",
        **{BOTH: 0.5},
    ),
    row(
        "net, dB",
        82.86,
        measured=0.4,
        without_eeg="not measured",
        record_sha256="sha256 of net-full",
        **{BOTH: 0.75},
    ),
    row("other", note="ours; no record", **{BOTH: None}),
    row("third", 1, without_eeg="not measured", record_sha256="sha256 of third-default", **{BOTH: None}),
]
COSINE_ROWS = [
    row("base", 0.5, measured=0.25, without_eeg="0.0010", record_sha256="sha256 of linear-default"),
    row(
        "net",
        0.625,
        reported_percent=25.0,
        measured=0.5,
        ci95=[0.4, 0.6],
        measured_percent=100.0,
        without_eeg="not measured",
        record_sha256="sha256 of net-full",
    ),
]
LESS = "less: printed as 14 %, the values give 12.5 %."
SEEN, ANOTHER = (f"The measured split is flagged: {flag}." for flag in ("seen before", "another"))
MEAN = "the training part's mean, music-mel"


def test_json_is_the_papers_file_with_what_fills_it():
    document = json.loads(tables_text(PAPER, FILLED, "json"))
    assert document == {
        **PAPER,
        "tables": [
            {
                **GAINS,
                "measured_on": "sparrkulee",
                "simulated": False,
                "rows": GAINS_ROWS,
                "notes": ["Says <so>.", LESS],
            },
            {
                **MUSIC,
                "measured_on": "simulated-nmed-t",
                "simulated": True,
                "rows": MUSIC_ROWS,
                "constants": {MEAN: 0.125},
                "notes": [SEEN],
            },
            {
                **COSINE,
                "measured_on": "nmed-t",
                "simulated": False,
                "rows": COSINE_ROWS,
                "constants": {MEAN: 0.375},
                "notes": [ANOTHER],
            },
            {
                **PLAIN,
                "measured_on": None,
                "simulated": False,
                "rows": [row("one", 0.1, note="no system here")],
            },
            {
                **EMPTY,
                "measured_on": None,
                "simulated": False,
                "rows": [row("net", 0.625, note="no record")],
                "constants": {},
            },
        ],
    }
    assert tables_text(PAPER, FILLED, "json") == json.dumps(document, indent=1, ensure_ascii=False) + "\n"


def line(table, board, measured_on, notes, row, without_eeg=None, flags="", *, simulated=False):
    """A line of a paper's table as plain values."""
    low, high = row["ci95"] or (None, None)
    kept = {key: value for key, value in row.items() if key not in ("ci95", "without_eeg")}
    return {
        "paper": "made-up",
        "table": table["id"],
        "title": table["title"],
        "board": board,
        "measure": table["measure"],
        "measured_on": measured_on,
        "simulated": simulated,
        **kept,
        "ci95_low": low,
        "ci95_high": high,
        "without_eeg": without_eeg,
        "without_eeg_flags": flags,
        "table_notes": notes,
    }


def constant(like, value):
    """The line of what a constant scores, below others of its table."""
    facts = ("paper", "table", "title", "board", "measure", "measured_on", "simulated")
    return {
        **{key: like[key] for key in facts},
        "label": MEAN,
        "measured": value,
        "note": "needs no EEG",
        "table_notes": like["table_notes"],
    }


def test_lines_are_plain_values_and_constants_stand_below():
    said = [(0.055, "scores without the EEG"), (0.001, ""), *[(None, "")] * 4]
    gains = [
        line(GAINS, "s/test/mel", "sparrkulee", f"Says <so>. {LESS}", its, *blind)
        for its, blind in zip(GAINS_ROWS, said, strict=True)
    ]
    music = [
        line(MUSIC, "s/test/music-mel", "simulated-nmed-t", SEEN, its, simulated=True) for its in MUSIC_ROWS
    ]
    cosine = [
        line(COSINE, "s/test/music-mel", "nmed-t", ANOTHER, its, blind)
        for its, blind in zip(COSINE_ROWS, (0.001, None), strict=True)
    ]
    plain = line(PLAIN, None, None, "Only reported.", row("one", 0.1, note="no system here"))
    empty = line(EMPTY, "s/test/music-mel", None, "", row("net", 0.625, note="no record"))
    expected = [
        *gains,
        *music,
        constant(music[0], 0.125),
        *cosine,
        constant(cosine[0], 0.375),
        plain,
        empty,
    ]
    assert table_rows(PAPER, FILLED) == expected
    assert [list(one) for one in table_rows(PAPER, FILLED)[:1]] == [list(gains[0])]  # columns of csv
    assert tables_text(PAPER, FILLED, "csv") == csv_text(expected)


def test_two_flags_of_the_blind_control_stay_in_words():
    flagged = json.loads(json.dumps(LOUD))
    flagged["no_evidence_of_using_eeg"] = True
    (one,) = FILLED[0].boards["mel"].records[3:4]
    both = BoardRecord(one.path, replace(one.record, controls=convert(flagged, Controls)), one.sha256)
    (first, *_) = table_rows(PAPER, [PaperTable(GAINS, {"mel": board("x", "mel", both)})])
    assert first["without_eeg"] == 0.055
    assert first["without_eeg_flags"] == "scores without the EEG, no evidence of using the EEG"


def test_cells_are_the_rows_with_their_records():
    records = FILLED[0].boards["mel"].records
    less = Cell("less", 0.28125, 12.5, 14, records[4], 25.0, "")
    assert fill(GAINS, FILLED[0].boards) == [
        Cell("full & more", 0.3125, 25.0, 25, records[3], -50.0, ""),
        Cell("base", 0.25, None, None, records[2], None, ""),
        less,
        Cell("not scored", 0.125, -50.0, None, None, None, "no record"),
        Cell("unknown", None, None, None, None, None, "no system here"),
        Cell("odd", 0.375, 50.0, None, None, None, "needs a < b"),
    ]


def test_gains_are_by_the_measure_that_fills_the_table():
    assert [cell.measured_percent for cell in fill(COSINE, FILLED[2].boards)] == [None, 100.0]


@pytest.mark.parametrize("base", [0, None])
def test_there_is_no_gain_over_a_baseline_without_a_value(base):
    rows = [{"label": "base", "reported": base, "system": "linear"}, *GAINS["rows"][2:3]]
    records = FILLED[0].boards["mel"].records[4:]
    cells = fill({**GAINS, "rows": rows}, {"mel": board("x", "mel", *records)})
    assert [(cell.reported_percent, cell.measured_percent) for cell in cells] == [(None, None)] * 2


@pytest.mark.parametrize(("printed", "noted"), [(0.5, []), (0.500000001, []), (0.500000002, ["0.5"])])
def test_a_printed_percentage_may_be_off_by_its_rounding(printed, noted):
    rows = [GAINS["rows"][1], {"label": "same", "reported": 0.25, "reported_percent": printed}]
    document = json.loads(tables_text(PAPER, [PaperTable({**GAINS, "rows": rows, "notes": []}, {})], "json"))
    expected = [f"same: printed as {words} %, the values give 0.0 %." for words in noted]
    assert document["tables"][0]["notes"] == expected


def test_a_gain_that_is_not_reported_has_no_column_and_a_printed_one_alone_no_note():
    rows = [{"label": "a", "reported": None}, {"label": "b", "reported": None, "reported_percent": 9}]
    text = tables_text(PAPER, [PaperTable({**PLAIN, "rows": rows, "notes": []}, {})])
    assert text.splitlines()[4:] == [
        "    reported (Pearson r)    note",
        "--  ----------------------  --------------",
        "a                           no system here",
        "b                           no system here",
    ]


class Reader:
    """Reads boards of a results folder that is made up: name -> board; and notes which were asked for."""

    def __init__(self, results, *boards):
        self.boards = {str(one.name): one for one in boards}
        self.results, self.asked = results, []
        for one in boards:
            folder = results.joinpath(*one.name)
            folder.mkdir(parents=True)
            (folder / "a.json").touch()

    def __call__(self, results, name):
        assert results == self.results
        self.asked.append(str(name))
        return self.boards[str(name)]


@pytest.fixture
def small_paper(monkeypatch, tmp_path):
    """A paper in the place of `music`; gives its tables, which a test may change before they are filled."""

    def make(*own):
        monkeypatch.setattr(tables, "FOLDER", tmp_path)
        (tmp_path / "music.json").write_text(
            json.dumps({**PAPER, "tables": own}, ensure_ascii=False), "utf-8"
        )
        return tmp_path / "results"

    return make


def some(corpus, feature="mel", split="s", records=1, partial=0):
    """A board of so many records."""
    one = filler("net", "full", 0.5)
    return Board(BoardName(corpus, split, "test", feature), (one,) * records, (one,) * partial)


def test_a_papers_file_is_read_as_utf_8(small_paper):
    small_paper(GAINS)
    assert load_paper("music") == {**PAPER, "tables": [GAINS]}


def test_a_table_is_filled_from_real_records_or_else_from_simulated_ones(small_paper):
    results = small_paper(GAINS)
    simulated = some("simulated")
    read = Reader(results, simulated)
    assert paper_tables("music", results, read=read) == [PaperTable(GAINS, {"mel": simulated})]
    assert read.asked == ["simulated/s/test/mel"]
    real = some("sparrkulee")
    results = small_paper(GAINS, PLAIN) / "more"
    read = Reader(results, simulated, real)
    assert paper_tables("music", results, read=read) == [
        PaperTable(GAINS, {"mel": real}),
        PaperTable(PLAIN, {}),
    ]
    assert read.asked == ["sparrkulee/s/test/mel"]


def test_partial_records_fill_no_table_and_no_board_is_none(small_paper):
    results = small_paper(GAINS)
    assert paper_tables("music", results) == [PaperTable(GAINS, {})]
    simulated = some("simulated")
    read = Reader(results, some("sparrkulee", records=0, partial=1), simulated)
    assert paper_tables("music", results, read=read) == [PaperTable(GAINS, {"mel": simulated})]
    (results.joinpath("simulated", "s", "test", "mel", "a.json")).unlink()  # a folder without a record
    assert paper_tables("music", results, read=read) == [PaperTable(GAINS, {})]


def test_rows_of_other_features_are_filled_from_the_tables_own_corpora(small_paper):
    own = {**MUSIC, "corpora": ["nmed-t", "simulated-nmed-t", "third"]}
    results = small_paper(own)
    names = ("music-mel", "music-mel-db")
    empty = [some("nmed-t", name, records=0) for name in names]
    mel, db = (some("simulated-nmed-t", name) for name in names)
    read = Reader(results, *empty, db, mel, *(some("third", name) for name in names))
    (filled,) = paper_tables("music", results, read=read)
    assert filled == PaperTable(own, {"music-mel": mel, "music-mel-db": db})
    assert list(filled.boards) == list(names)
    assert read.asked == [
        f"{corpus}/s/test/{name}" for corpus in ("nmed-t", "simulated-nmed-t") for name in names
    ]


def test_a_feature_that_has_no_complete_record_leaves_the_others(small_paper):
    own = {**MUSIC, "corpora": ["nmed-t", "simulated-nmed-t"]}
    results = small_paper(own)
    db = some("nmed-t", "music-mel-db")
    read = Reader(
        results, some("nmed-t", "music-mel", records=0, partial=1), db, some("simulated-nmed-t", "music-mel")
    )
    assert paper_tables("music", results, read=read) == [PaperTable(own, {"music-mel-db": db})]


def test_a_board_that_is_named_fills_every_table_that_has_one_and_is_noted_where_it_is_another(small_paper):
    results = small_paper(GAINS, COSINE, PLAIN)
    chosen = some("dtu", "mel")
    read = Reader(results, chosen, some("sparrkulee", "mel"))
    name = {"corpus": "dtu", "split": "s", "part": "test", "feature": "mel"}
    note = "Measured on s/test/mel, where the paper's figures are of s/test/music-mel."
    assert paper_tables("music", results, chosen.name, read=read) == [
        PaperTable({**GAINS, "board": name}, {"mel": chosen}),
        PaperTable({**COSINE, "board": name, "notes": [note]}, {"mel": chosen}),
        PaperTable(PLAIN, {}),
    ]
    assert read.asked == ["dtu/s/test/mel"] * 2


def test_the_text_of_a_paper_is_that_of_its_tables_and_their_boards(small_paper, monkeypatch):
    results = small_paper(GAINS, COSINE)
    own, other = FILLED[0].boards["mel"], some("dtu")
    read = Reader(results, own, other)
    monkeypatch.setattr(tables, "load_board", read)
    filled = [PaperTable(GAINS, {"mel": own}), PaperTable(COSINE, {})]
    assert paper_text("music", results) == tables_text(PAPER, filled)
    assert paper_text("music", results, form="md") == tables_text(PAPER, filled, "md")
    chosen = paper_tables("music", results, other.name)
    document = {**PAPER, "tables": [GAINS, COSINE]}
    assert paper_text("music", results, board=other.name, form="json") == tables_text(
        document, chosen, "json"
    )


def test_what_reads_each_board_once_asks_again_for_another_folder_or_another_command(monkeypatch):
    asked = []
    monkeypatch.setattr(tables, "load_board", lambda results, name: asked.append((results, name)) or name)
    read, name, other = once_each(), BoardName("a", "b", "c", "d"), BoardName("a", "b", "c", "e")
    for results in (Path("x"), Path("y"), Path("x")):
        assert [read(results, one) for one in (name, other, name)] == [name, other, name]
    assert asked == [(Path(folder), one) for folder in "xy" for one in (name, other)]
    once_each()(Path("x"), name)
    assert len(asked) == 5


def test_a_paper_or_format_that_is_none_is_refused():
    with pytest.raises(UsageError) as caught:
        load_paper("ssm2me")
    names = "catwavenet, ssm2mel, dmf2mel, music, official-2024"
    assert str(caught.value) == f"PAPER: 'ssm2me', expected one of {names}.\n  Did you mean 'ssm2mel'?"
    with pytest.raises(UsageError) as caught:
        tables_text(PAPER, FILLED, "pdf")
    assert str(caught.value) == "--format: 'pdf', expected one of text, md, csv, latex, html, json."
