"""A paper's tables as each format shows them, whole: a small paper that is made up here, filled in memory."""

import json
from pathlib import Path

import pytest
from documents import CORPUS_DATA, RUN, SPLIT_PART, SYSTEM, controls_document
from msgspec import UNSET, convert
from msgspec.structs import replace

from harness.boards.board import Board, BoardName, BoardRecord
from harness.boards.papers import Cell, fill, load_paper, once_each, paper_tables, table_rows, tables, tables_text
from harness.boards.papers.tables import PaperTable
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
    return BoardRecord(Path(f"{name}-{variant}.json"), record, f"{name}{variant}".encode().hex())


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
        {"label": "base", "reported": 0.04, "system": "linear"},
        {"label": "full & more", "reported": 0.05, "reported_percent": 25, "system": "net", "variant": "full"},
        {"label": "less", "reported": 0.043, "reported_percent": 9, "system": "net", "variant": "less"},
        {"label": "not scored", "reported": 0.03, "system": "net", "variant": "none"},
        {"label": "unknown", "reported": None},
        {"label": "odd", "reported": 0.06, "note": "needs a < b"},
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
        {"label": "net, dB", "reported": 82.86, "system": "net", "variant": "full", "feature": "music-mel-db"},
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
        {"label": "net", "reported": 0.6, "system": "net", "variant": "full"},
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
                filler("linear", "default", 0.05, (0.045, 0.055), kind="real", controls=QUIET),
                filler("net", "full", 0.0475, (-0.01, 0.07), kind="real", controls=LOUD),
                filler("net", "less", 0.06, kind="real"),
                filler("net", "less", 0.9, kind="real", system={"channels_excluded": ("T7",)}),
                filler("net", "none", 0.9, kind="real", system={"transfer": Transfer("dtu", "dtu")}),
            )
        },
    ),
    PaperTable(
        MUSIC,
        {
            "music-mel": board(
                "simulated-nmed-t",
                "music-mel",
                filler("net", "full", 0.1, song_accuracy=(0.25, 0.2, 0.3125), song_accuracy_reconstructed=0.5),
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
