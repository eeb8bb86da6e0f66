"""Figures: the same bytes every time, what is drawn beside them as CSV, nothing outside, fonts inside."""

import csv
import io
import json
import re
import subprocess
import sys

import numpy as np
import pytest
from conftest import REPOSITORY
from documents import controls_document

from harness.boards.board import BoardName, load_board
from harness.boards.compare import compare, sentence
from harness.boards.ranking import rank
from harness.conventions import SIMULATED_WORDS
from harness.evaluation.segment import Pair
from harness.figures.bands import bands_drawing
from harness.figures.board import board_drawing, subjects_drawing
from harness.figures.compare import compare_drawing
from harness.figures.drawing import picture
from harness.figures.segment import segment_drawing
from harness.figures.style import (
    LEAST_MM,
    LINES,
    MM_PER_INCH,
    drawable,
    legend_columns,
    styled,
    width_mm,
    wrapped,
)
from harness.figures.training import read_log, training_drawing
from harness.predictions import write_predictions
from harness.scoring.intervals import mean_interval
from harness.tasks.task import open_task

BOARD = BoardName("simulated", "held-out-subjects", "test", "mel")
N_SUBJECTS = 12
NAMES = ("leader", "s1", "s2", "s3")
LOG = (
    "epoch,loss,pearson,validation_pearson_r,learning_rate,seconds,corpus\n"
    "1,0.9,-0.1,0.01,0.002,1.5,simulated\n2,0.7,-0.3,,0.002,3.0,simulated\n3,0.65,-0.35,0.03,0.002,4.5,simulated\n"
    "4,0.6,-0.4,0.025,0.002,6.0,simulated\n"
)


@pytest.fixture
def results(make_record, rng, tmp_path):
    base = rng.normal(0.05, 0.01, N_SUBJECTS)
    for place, name in enumerate(NAMES):
        scores = base - 0.01 * place + rng.normal(0, 0.003, N_SUBJECTS)
        blind = scores if name == "s3" else scores - 0.05
        make_record(name, scores, controls=controls_document(scores, blind))
    make_record("linear", base, kind="real")
    return tmp_path / "results"


@pytest.fixture
def ranking(results):
    return rank(load_board(results, BOARD))


@pytest.fixture
def log(tmp_path):
    folder = tmp_path / "training" / "simulated-mel-compact"
    folder.mkdir(parents=True)
    (folder / "log.csv").write_text(LOG)
    return folder / "log.csv"


@pytest.fixture
def asked(official_split, small_split):
    return open_task(official_split, split_name=str(small_split))


@pytest.fixture
def drawings(ranking, asked, log, rng):
    """Every kind of figure."""
    reference = rng.normal(size=(128, 10))
    pair = Pair("sub-043", reference + rng.normal(size=(128, 10)), reference)
    envelope = Pair("sub-043", pair.prediction[:, :1], pair.reference[:, :1])
    one, other = ranking.records[:2]
    return {
        "board": board_drawing(ranking),
        "subjects": subjects_drawing(ranking),
        "bands": bands_drawing(ranking),
        "compare": compare_drawing(compare(one, other)),
        "segment": segment_drawing(asked, pair, "sub-043_a_000", "predictions.npz"),
        "envelope": segment_drawing(asked, envelope, "sub-043_a_000", "predictions.npz"),
        "training": training_drawing([read_log(log), read_log(log.parent)]),
    }


KINDS = ("board", "subjects", "bands", "compare", "segment", "envelope", "training")


def table(path):
    return list(csv.DictReader(io.StringIO(path.read_text())))


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("width", [LEAST_MM, 88.0, 180.0])
def test_nothing_is_drawn_outside_and_no_text_over_text(drawings, kind, width, monkeypatch):
    from matplotlib.figure import Figure

    seen = []

    def look(figure, *arguments, **options):
        figure.draw_without_rendering()
        renderer = figure.canvas.get_renderer()
        parts = [axis.get_tightbbox(renderer) for axis in figure.axes]
        parts += [legend.get_window_extent(renderer) for legend in figure.legends]
        seen.append((figure.bbox, figure._suptitle.get_window_extent(renderer), parts))

    monkeypatch.setattr(Figure, "savefig", look)
    picture(drawings[kind], ".png", width)
    ((whole, title, parts),) = seen
    assert len(parts) >= 2
    for box in (title, *parts):
        assert box.x0 >= whole.x0 - 1
        assert box.x1 <= whole.x1 + 1
        assert box.y0 >= whole.y0 - 1
        assert box.y1 <= whole.y1 + 1
    assert max(box.y1 for box in parts) <= title.y0 + 1
    for one, box in enumerate(parts):
        for other in parts[:one]:
            assert not box.overlaps(other.padded(-2))


@pytest.mark.slow
@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in ("segment", "envelope")])
def test_figures_of_simulated_data_say_so(drawings, kind):
    assert SIMULATED_WORDS in drawings[kind].title
    svg = picture(drawings[kind], ".svg", 180.0).decode()
    assert SIMULATED_WORDS in svg  # matplotlib writes every text beside its outlines


def test_a_figure_of_real_data_does_not_say_that_they_are_simulated(results, asked, drawings):
    real = board_drawing(rank(load_board(results, BoardName("sparrkulee", *BOARD[1:]))))
    assert real.title.startswith("sparrkulee, split held-out-subjects, part test, feature mel: 1 system, ")
    assert {row["simulated"] for row in real.rows} == {False}
    assert drawings["segment"].title.startswith(
        "sparrkulee, split small-split, part test, feature mel: segment"
    )


@pytest.mark.slow
def test_fonts_are_embedded_and_no_date_is_written(drawings):
    for kind in ("board", "training"):
        pdf = picture(drawings[kind], ".pdf", 88.0)
        assert b"/FontFile2" in pdf
        assert b"/Type3" not in pdf
        svg = picture(drawings[kind], ".svg", 88.0)
        assert b"<text" not in svg  # letters are outlines
        for content in (pdf, svg, picture(drawings[kind], ".png", 88.0)):
            assert not re.search(rb"20[2-9]\d-\d\d|CreationDate|ModDate|Matplotlib v", content)


def test_widths_are_those_of_journals(drawings):
    svg = picture(drawings["bands"], ".svg", width_mm("column")).decode()
    assert float(re.search(r'width="([\d.]+)pt"', svg)[1]) == pytest.approx(88 / 25.4 * 72, abs=0.01)
    assert (width_mm("page"), width_mm("120"), width_mm("85.5mm")) == (180.0, 120.0, 85.5)


@pytest.mark.slow
def test_another_process_writes_the_same_bytes(results, tmp_path):
    code = "from harness.__main__ import main; main()"
    contents = []
    for seed in ("1", "2"):
        folder = tmp_path / seed
        command = [sys.executable, "-c", code, "figure", "board", "--results", str(results)]
        for suffix in ("pdf", "svg", "png"):
            command += ["--out", str(folder / f"board.{suffix}")]
        environment = {"PYTHONHASHSEED": seed, "PYTHONPATH": str(REPOSITORY), "PATH": "", "HOME": str(folder)}
        ran = subprocess.run(command, capture_output=True, text=True, env=environment)
        assert ran.returncode == 0, ran.stderr
        assert ran.stdout.splitlines() == [str(folder / f"board.{s}") for s in ("pdf", "svg", "png", "csv")]
        contents.append({path.name: path.read_bytes() for path in sorted(folder.glob("board.*"))})
    assert len(contents[0]) == 4
    assert contents[0] == contents[1]


def test_the_settings_of_the_user_change_nothing(drawings):
    import matplotlib as mpl

    before = picture(drawings["bands"], ".png", 88.0)
    with mpl.rc_context({"font.size": 20, "axes.facecolor": "red", "lines.linewidth": 9}):
        assert picture(drawings["bands"], ".png", 88.0) == before
        assert mpl.rcParams["font.size"] == 20
    with styled():
        assert mpl.rcParams["pdf.fonttype"] == 42


@pytest.mark.slow
def test_the_data_of_a_board_are_its_records(results, ranking, harness):
    code, out, err = harness("figure", "board", "--results", results, "--out", "deep/board.pdf")
    assert (code, out, err) == (0, "deep/board.pdf\ndeep/board.csv\n", "")
    rows = table(results.parent / "deep/board.csv")
    for row, its in zip(rows, ranking.rows, strict=True):
        assert row["system"] == its.system
        assert float(row["value"]) == its.score.value
        assert (float(row["ci95_low"]), float(row["ci95_high"])) == its.score.ci95
        assert (int(row["rank"]), int(row["rank_low"]), int(row["rank_high"])) == its.rank
        assert (float(row["chance_low"]), float(row["chance_high"])) == (-0.01, 0.01)
        assert float(row["blind"]) == its.controls.blind.value
        assert row["simulated"] == "True"
    assert [row["flagged"] for row in rows] == ["False", "False", "False", "True"]


def test_the_data_of_subjects_bands_and_a_pair_are_the_records(results, ranking, harness):
    for kind, more in (("subjects", ()), ("bands", ("--system", "s1")), ("compare", ("leader", "s1"))):
        words = ("figure", kind, *more, "--results", results, "--out", f"{kind}.svg", "--width", "page")
        assert harness(*words)[0] == 0
    one, other = (row for row in ranking.rows if row.system in ("leader", "s1"))
    subjects = table(results.parent / "subjects.csv")
    assert {
        row["subject"]: float(row["value"]) for row in subjects if row["system"] == "leader"
    } == one.score.subjects
    bands = table(results.parent / "bands.csv")
    assert [(row["system"], row["control"]) for row in bands] == [("s1", "False")] * 2 + [("s3", "True")] * 2
    assert (float(bands[0]["ci95_low"]), float(bands[0]["ci95_high"])) == pytest.approx(
        mean_interval(list(other.score.subjects.values()))
    )
    pair = table(results.parent / "compare.csv")
    for row in pair:
        expected = one.score.subjects[row["subject"]] - other.score.subjects[row["subject"]]
        assert float(row["difference"]) == pytest.approx(expected)
        assert float(row["first_blind"]) == one.controls.blind.subjects[row["subject"]]


def test_a_segments_figure_gives_the_scorers_r(asked, official_split, small_split, rng, harness, tmp_path):
    references = asked.references("sub-043")
    made = {name: (one + rng.normal(size=one.shape)).astype(np.float32) for name, one in references.items()}
    write_predictions(tmp_path / "p.npz", [("sub-043", made)])
    name = next(iter(made))
    where = ("--data", official_split, "--split", small_split)
    code, out, err = harness("figure", "segment", "p.npz", *where, "--segment", name, "--out", "s.png")
    assert (code, out) == (0, "s.png\ns.csv\n"), err
    rows = table(tmp_path / "s.csv")
    for band in range(10):
        own = [row for row in rows if row["band"] == str(band + 1)]
        reference, prediction = ([float(row[what]) for row in own] for what in ("reference", "prediction"))
        r = np.corrcoef(reference, prediction)[0, 1]
        assert float(own[0]["pearson_r_of_band"]) == pytest.approx(r, abs=1e-9)
        np.testing.assert_array_equal(prediction, made[name][:, band])
    code, _, err = harness("figure", "segment", "p.npz", *where, "--segment", f"{name}x", "--out", "s.png")
    assert code == 2
    assert f"error: --segment {name}x: no such segment, expected one of " in err
    assert f"Did you mean '{name}'?" in err


def test_learning_curves_say_of_what_data_and_mark_the_best_epoch(log, tmp_path, harness):
    code, out, err = harness("figure", "training", log.parent, "--out", "curve.pdf")
    assert (code, out, err) == (0, "curve.pdf\ncurve.csv\n", "")
    rows = table(tmp_path / "curve.csv")
    assert [row["epoch"] for row in rows] == ["1", "2", "3", "4"]
    assert [row["validation_pearson_r"] for row in rows] == ["0.01", "", "0.03", "0.025"]
    assert {row["data"] for row in rows} == {SIMULATED_WORDS}
    older = log.read_text().replace(",corpus", "").replace(",simulated", "")
    log.write_text(older)  # of an earlier version, which does not name the corpus: the folder does
    assert training_drawing([read_log(log)]).title.startswith(f"{SIMULATED_WORDS}: 1 training. ")
    elsewhere = tmp_path / "work" / "log.csv"
    elsewhere.parent.mkdir()
    elsewhere.write_text(older)
    assert training_drawing([read_log(elsewhere)]).title.startswith("corpus not known: 1 training. ")


def test_the_data_of_a_figure_never_replace_what_it_is_of(log, harness):
    before = log.read_bytes()
    code, out, err = harness("figure", "training", log, "--out", log.with_suffix(".pdf"))
    assert (code, out) == (2, "")
    assert err == (
        f"error: --out {log.with_suffix('.pdf')}: its data would replace {log}, which the figure is of, expected"
        " another name.\n"
    )
    assert log.read_bytes() == before


@pytest.mark.parametrize(
    ("text", "arrived"),
    [
        ("", "columns none, expected epoch, loss, validation_...."),
        ("a,b\n1,2\n", "columns a, b, expected epoch, loss, validation_...."),
        ("epoch,loss,validation_pearson_r\n", "no epoch, expected one or more."),
        ("epoch,loss,validation_pearson_r\n1,nan,0\n", "line 2: loss: 'nan', expected a finite number."),
        ("epoch,loss,validation_pearson_r\n1,2\n", "line 2: another number of cells than the first line"),
        ("epoch,loss,validation_pearson_r\n1,,0\n", "line 2: loss: empty, expected a number."),
    ],
)
def test_what_is_no_log_is_refused(log, harness, text, arrived):
    log.write_text(text)
    code, out, err = harness("figure", "training", log, "--out", "curve.pdf")
    assert (code, out) == (1, "")
    assert err.startswith(f"error: {log}: ")
    assert arrived in err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ("board", "--out", "board.gif"),
            "--out board.gif: '.gif', expected a name that ends in .pdf, .svg, .png.",
        ),
        (
            ("board", "--out", "a.pdf", "--width", "colum"),
            "--width: 'colum', expected column (88 mm), page (180 mm) or millimetres from 70 to 500.\n"
            "  Did you mean 'column'?",
        ),
        (
            ("board", "--out", "a.pdf", "--width", "nan"),
            "--width: 'nan', expected column (88 mm), page (180 mm) or millimetres from 70 to 500.",
        ),
        (
            ("bands", "--out", "a.pdf", "--system", "leder"),
            "--system: 'leder', expected one of leader, s1, s2, s3.\n  Did you mean 'leader'?",
        ),
        (
            ("compare", "leader", "s9", "--out", "a.pdf"),
            "s9: no record of s9 on simulated/held-out-subjects/test/mel, expected a record's path or name, or a"
            " submission that is scored there.",
        ),
    ],
)
def test_wrong_usage_ends_with_2_and_writes_nothing(results, harness, tmp_path, arguments, message):
    before = sorted(tmp_path.rglob("*"))
    code, out, err = harness("figure", *arguments, "--results", results)
    assert (code, out, err) == (2, "", f"error: {message}\n")
    assert sorted(tmp_path.rglob("*")) == before


def test_one_band_has_no_profile(make_record, tmp_path, harness):
    path = make_record("alone", [0.1, 0.2, 0.3])
    document = json.loads(path.read_text())
    document["bands"] = [document["score"]]
    for one in document["subjects"].values():
        one["bands"] = [one["pearson_r"]]
    path.write_text(json.dumps(document))
    code, _, err = harness("figure", "bands", "--out", "a.pdf")
    assert code == 2
    assert err == (
        "error: board simulated/held-out-subjects/test/mel: 1 band, expected a feature of several bands to"
        " compare.\n"
    )


def test_one_system_of_one_subject_can_be_drawn(make_record, tmp_path):
    make_record("alone", [0.05])
    ranking = rank(load_board(tmp_path / "results", BOARD))
    for drawing in (board_drawing(ranking), subjects_drawing(ranking), bands_drawing(ranking)):
        assert picture(drawing, ".png", 88.0).startswith(b"\x89PNG")


@pytest.mark.parametrize("names", [["leader"], ["leader", "flagged"]], ids=len)
@pytest.mark.parametrize("width", [LEAST_MM, 88.0])
def test_a_board_of_few_systems_is_not_squeezed_by_title_and_legend(
    make_record, tmp_path, monkeypatch, names, width
):
    """The legend of a board with controls is higher than two rows: the axes were nothing high."""
    from matplotlib.figure import Figure

    scores = np.linspace(0.03, 0.06, 16)
    for name in names:
        blind = scores if name == "flagged" else scores - 0.05
        make_record(name, scores, controls=controls_document(scores, blind))
    ranking = rank(load_board(tmp_path / "results", BOARD))
    assert len(ranking.rows) == len(names)
    heights = []

    def look(figure, *arguments, **options):
        figure.draw_without_rendering()
        heights.extend(axis.get_window_extent().height / figure.dpi * MM_PER_INCH for axis in figure.axes)

    monkeypatch.setattr(Figure, "savefig", look)
    for drawing in (board_drawing(ranking), subjects_drawing(ranking)):
        picture(drawing, ".png", width)
    assert len(heights) == 3
    assert min(heights) >= 2.5 * len(names)


@pytest.mark.slow
def test_many_subjects_and_systems_can_be_drawn(make_record, rng, tmp_path):
    for number in range(60):
        make_record(f"system-{number:02d}", rng.normal(0.05, 0.01, 110))
    ranking = rank(load_board(tmp_path / "results", BOARD))
    for drawing in (board_drawing(ranking), compare_drawing(compare(*ranking.records[:2]))):
        assert picture(drawing, ".pdf", 88.0).startswith(b"%PDF")


def test_without_matplotlib_every_figure_is_refused_at_once(harness, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    for words in (("board",), ("subjects",), ("bands",), ("compare", "a", "b"), ("training", "no-such-log")):
        code, out, err = harness("figure", *words, "--out", "a.pdf")
        assert (code, out) == (2, "")
        assert err == (
            "error: harness figure: no matplotlib (import of matplotlib halted; None in sys.modules), expected"
            " matplotlib.\n  pip install 'eeg-speech-harness[figures]' brings it.\n"
        )


@pytest.mark.slow
def test_matplotlib_is_not_imported_before_a_figure_is_asked_for():
    code = "import sys, harness.cli.main, harness.figures.drawing; print([m for m in sys.modules if m.startswith('matplotlib')])"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=REPOSITORY)
    assert ran.stdout == "[]\n", ran.stderr


def test_names_are_drawn_whatever_they_hold():
    assert drawable("a$b_é") == "a$b_é"
    assert drawable("中\n") == "U+4E2D\\n"
    assert max(map(len, wrapped("word " * 60, 88.0).splitlines())) <= 88 / 1.3
    assert legend_columns(["a" * 100, "b"], 88.0) == 1


def test_colours_differ_for_the_colour_blind():
    """Luminances of the lines differ, or their marks and dashes do: no two are one grey and one style."""
    greys = [sum(w * int(c[i : i + 2], 16) for w, i in ((0.3, 1), (0.59, 3), (0.11, 5))) for c in LINES]
    for one in range(len(LINES)):
        for other in range(one):
            assert abs(greys[one] - greys[other]) > 8 or one % 4 != other % 4


def test_the_title_of_a_pair_is_the_sentence_for_the_paper(ranking):
    found = compare(*ranking.records[:2])
    assert compare_drawing(found).title == sentence(found)
