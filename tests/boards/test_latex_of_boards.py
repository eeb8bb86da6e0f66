"""LaTeX of boards, comparisons and papers, all that are committed: it compiles, and fits a column or a page."""

import functools
import re
import shutil
import subprocess

import numpy as np
import pytest
from conftest import REPOSITORY
from documents import controls_document

from harness.boards.board import BoardName, BoardRecord, board_names, board_of, load_board
from harness.boards.compare import compare
from harness.boards.compared import against_board_text, comparison_text
from harness.boards.formats import board_text
from harness.boards.latex import Part, latex_table, natural_points
from harness.boards.papers import PAPERS, official_text, paper_text
from harness.boards.ranking import rank

BOARD = BoardName("simulated", "held-out-subjects", "test", "mel")
RESULTS = REPOSITORY / "results"
# Every character that LaTeX acts on or joins, accents, Greek, and what its usual fonts lack.
HOSTILE = r"""\a{b}$c&d#e%f_g^h~i<j>k|l"m`n'o''p,,q--r---s[t]u*v?`w!`x@/:;=+(){}"""
FOREIGN = "éèêëçåñßøłœœőčşİıàÀ αβγωΩς 中文 ± − × µ ≤ “q” ‘s’ – — … · § 𝔸 \u202e\n\t\x00"


def lacks_latex():
    """Whether pdflatex, or the package that every table needs, is not here."""
    if shutil.which("pdflatex") is None or shutil.which("kpsewhich") is None:
        return True
    return subprocess.run(["kpsewhich", "booktabs.sty"], capture_output=True, check=False).returncode != 0


pdflatex = pytest.mark.skipif(
    lacks_latex(), reason="no pdflatex with booktabs (apt-get install texlive-latex-recommended)"
)


def compiled(text, folder, options="10pt,twocolumn", margins=True):
    """What pdflatex says of a text in a document; whatever is wrong with it fails the test."""
    folder.mkdir(exist_ok=True)
    geometry = "\\setlength{\\textwidth}{516pt}\\setlength{\\columnsep}{12pt}" if margins else ""
    (folder / "t.tex").write_text(
        f"\\documentclass[{options}]{{article}}\n\\usepackage{{booktabs}}\n\\usepackage{{graphicx}}\n{geometry}"
        f"\\begin{{document}}\n{text}\nend\n\\end{{document}}\n",
        encoding="utf-8",
    )
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "t.tex"]
    ran = subprocess.run(command, cwd=folder, capture_output=True, timeout=120)
    log = (folder / "t.log").read_text("latin-1")
    assert ran.returncode == 0, log[-3000:]
    assert "Overfull \\hbox" not in log
    assert "Missing character" not in log
    assert (folder / "t.pdf").is_file()
    return log


@pytest.fixture(scope="module")
def everything():
    """Every LaTeX text of the committed records and papers; each board is read once."""
    read = functools.cache(load_board)
    board = read(RESULTS, BOARD)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("harness.boards.papers.tables.load_board", read)
        texts = [board_text(rank(read(RESULTS, name)), "latex", seeds=True) for name in board_names(RESULTS)]
        texts.append(comparison_text(compare(*board.records[:2]), "latex"))
        texts.append(against_board_text(board.records[0], board, "latex"))
        texts += [paper_text(name, RESULTS, form="latex") for name in PAPERS]
    return [*texts, official_text("latex"), "\\clearpage\n" + official_text("latex", bands=True)]


@pytest.mark.slow
@pdflatex
@pytest.mark.parametrize("options", ["10pt,twocolumn", "11pt"])
def test_every_table_compiles_and_none_is_too_wide(everything, tmp_path, options):
    text = "\n\\clearpage\n".join(everything)
    log = compiled(text, tmp_path / "t", options, margins="two" in options)
    assert "multiply defined" not in log.replace("official-2024", "")
    assert text.isascii()


@pytest.mark.slow
def test_every_table_has_caption_label_and_says_what_it_needs(everything):
    for text in everything:
        assert "% Needs \\usepackage{booktabs} and \\usepackage{graphicx} in the preamble.\n" in text
        tables = re.findall(r"\\begin\{(table\*?)\}(.*?)\\end\{\1\}", text, re.S)
        assert tables
        for _, table in tables:
            assert table.count("\\caption{") == table.count("\\label{tab:") == 1
            assert table.count("\\toprule") == table.count("\\bottomrule") == 1
            (align,) = re.findall(r"\\begin\{tabular\}\{@\{\}([lr]+)@\{\}\}", table)
            for line in table.split("\\midrule\n", 1)[1].split("\\bottomrule")[0].splitlines():
                cells = re.split(r" & ", line.split(r" \\")[0])
                assert len(cells) == len(align) or line.startswith(("\\multicolumn", "\\midrule")), line


@pytest.mark.slow
def test_no_table_shrinks_much_on_a_page(everything):
    """About as wide as a page of two columns (516 pt) at most, where it was 843 pt: a board and every paper."""
    for text in everything[:-1]:
        for align, body in re.findall(
            r"\\begin\{tabular\}\{@\{\}([lr]+)@\{\}\}(.*?)\\end\{tabular\}", text, re.S
        ):
            lines = [line.split(r" \\")[0].split(" & ") for line in body.splitlines() if " & " in line]
            rows = [
                {str(k): re.sub(r"\\[a-z]+|[{}$\\]", "", cell) for k, cell in enumerate(line)}
                for line in lines[1:]
                if len(line) == len(align)
            ]
            assert natural_points([Part("", rows)], list(map(str, range(len(align))))) < 620


@pytest.mark.slow
@pdflatex
def test_whatever_text_is_escaped_and_compiles(tmp_path):
    row = {"system": HOSTILE, "mean r": "-0.1", "[x]": "*", HOSTILE: FOREIGN}
    rows = [row, {**row, "system": "[0pt] starts a row"}, {**row, "system": "* starts a row"}]
    text = latex_table(
        [Part(HOSTILE, rows, [HOSTILE + FOREIGN] * 3), Part(FOREIGN, rows)],
        caption=HOSTILE + FOREIGN,
        label=HOSTILE,
        notes=[HOSTILE, FOREIGN],
    )
    assert all(line.isprintable() for line in text.splitlines())
    assert all(
        line.split(r" \\ % ")[0].isascii() for line in text.splitlines()
    )  # comments hold other letters
    compiled(text, tmp_path / "t")


@pytest.mark.slow
@pdflatex
def test_a_table_without_rows_compiles(make_record, tmp_path):
    """Of no parts, of a head alone, of a board of partial records, and of a board's only system."""
    some = ([], [Part("", [])], [Part("head", [])])
    tables = [latex_table(parts, caption="c", label="l") for parts in some]
    only = BoardRecord.read(make_record("only", [0.1, 0.2, 0.3]))
    tables.append(against_board_text(only, board_of(BOARD, [only]), "latex"))
    flags = {"partial": True, "subjects_missing": ["sub-088"]}
    part = BoardRecord.read(make_record("part", [0.1, 0.2], flags=flags))
    tables.append(board_text(rank(board_of(BOARD, [part])), "latex"))
    text = "\n".join(tables)
    assert text.count("\\begin{tabular}") == len(tables)
    assert text.count("\\begin{tabular}{@{}l@{}}") == len(tables) - 1  # the comparison has its heads
    compiled(text, tmp_path / "t")


def test_a_comparison_has_its_sentence_as_caption(make_record, rng):
    base = rng.normal(0.05, 0.01, 12)
    one, other = make_record("one", base + 0.01), make_record("other", base)
    text = comparison_text(compare(BoardRecord.read(one), BoardRecord.read(other)), "latex")
    assert "\\caption{On simulated data (no real EEG), split" in text
    assert "significant at 0.05 (paired sign-flip test over subjects, p = 0.000488)" in text
    assert text.count(r" & +0.0100 \\") == 12


def test_ties_are_bars_beside_the_table_in_the_order_of_ranks_and_letters_else(make_record, rng, tmp_path):
    base = rng.normal(0.05, 0.01, 12)
    for name, shift, spread in (("one", 0.0, 0.0), ("two", -0.0004, 0.002), ("far", -0.02, 0.002)):
        make_record(name, base + shift + rng.normal(0, 1, 12) * spread)
    ranking = rank(load_board(tmp_path / "results", BOARD))
    text = board_text(ranking, "latex")
    assert [row.bars for row in ranking.rows] == ["┌", "└", "·"]
    for name, bar in (("one", "tiefirst"), ("two", "tielast"), ("far", "tienone")):
        assert re.search(rf"^\d[^&]* & \\{bar}\{{\}} & {name} & ", text, re.M), name
        assert text.count(f"\\providecommand{{\\{bar}}}") == 1
    assert "Systems on one bar cannot be told apart" in text
    assert text.isascii()
    by_name = board_text(ranking, "latex", sort="name")
    assert "tiefirst" not in by_name
    assert re.search(r"^3 & b & far & ", by_name, re.M)
    assert "Systems that share a letter cannot be told apart" in by_name


def test_a_board_says_in_its_caption_what_is_simulated_significant_and_tied(make_record, rng, tmp_path):
    base = rng.normal(0.05, 0.01, 12)
    make_record("first", base, controls=controls_document(base, np.zeros(12)))
    make_record("second", base - 0.02 + rng.normal(0, 0.001, 12))
    make_record("replay", base + 0.5, controls=controls_document(base + 0.5, base + 0.5))
    text = board_text(rank(load_board(tmp_path / "results", BOARD)), "latex")
    (caption,) = re.findall(r"\\caption\{(.*)\}\n", text)
    assert caption.startswith(
        "On simulated data (no real EEG), split held-out-subjects, part test, feature mel, 12 subjects: first has"
        " the highest mean r of 2 systems that no control flags, "
    )
    assert (
        "it is significantly better than the other (paired sign-flip test over subjects, Holm over 3 pairs, 0.05)"
        in caption
    )
    assert "Systems on one bar cannot be told apart" in caption
    assert "Unseen stimuli: 1 of 4 (declared)." in caption
    assert "\n1 &  & first & " in text
    assert "% date 2026-01-01, record " in text
    assert "\\multicolumn{7}{@{}l@{}}{Below the line, since a control says" in text
    assert "no evidence of using the EEG.}" in text
    assert text.index("first & ") < text.index("Below the line") < text.index("replay & ")
