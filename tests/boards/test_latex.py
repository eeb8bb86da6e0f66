"""Tables for LaTeX: whole environments that fit a column or a page, and text that compiles as it stands."""

import re

import pytest

from harness.boards.latex import Marks, Part, comments, escaped, label_of, latex_table, natural_points

BARS = r"""\providecommand{\tiemember}{\rule[-\dp\strutbox]{1pt}{\dimexpr\ht\strutbox+\dp\strutbox\relax}\hspace{3pt}}
\providecommand{\tiefirst}{\rule[-\dp\strutbox]{1pt}{\dimexpr.7\ht\strutbox+\dp\strutbox\relax}\hspace{3pt}}
\providecommand{\tielast}{\rule{1pt}{\ht\strutbox}\hspace{3pt}}
\providecommand{\tiepast}{\hspace{.4pt}\rule[-\dp\strutbox]{.2pt}{\dimexpr\ht\strutbox+\dp\strutbox\relax}\hspace{3.4pt}}
\providecommand{\tienone}{\hspace{4pt}}
"""


def table(rows, **more):
    """A table of one part without a head."""
    return latex_table([Part("", rows)], **{"caption": "c", "label": "l", **more})


def body(text):
    """The lines of a table between its rules."""
    return text.split("\\toprule\n")[1].split("\\bottomrule")[0].splitlines()


def cell(words):
    """How a table writes a cell."""
    return body(table([{"a": words}]))[2].removesuffix(r" \\")


def head(words):
    """How a table writes the head of a column."""
    return body(table([{words: "1"}]))[0].removesuffix(r" \\")


# Whole tables


def test_a_wide_table_is_a_whole_environment_with_heads_comments_and_notes():
    above = [
        {"rank": "1", "ties": "┌·", "system": "a_b", "95 % interval": "-0.1 to 0.2", "chance": "0.1\0a"},
        {"rank": "2", "ties": "└┌", "system": "[c]"},
    ]
    below = [{"rank": "3", "system": "50 %", "chance": "worse\0b", "unknown": "x"}]
    text = latex_table(
        [
            Part("", above, ["date 1, record %\n", "date 2"]),
            Part("Below, 5 % of all:", below, ["date 3"]),
            Part("None:", [], []),
        ],
        caption="Who & what--of 5 %.",
        label="simulated mel/all",
        notes=["no better_than chance", "worse, -1"],
        left=("system", "chance", "none of these"),
    )
    assert text == (
        r"""\begin{table}
\centering
\caption{Who \& what-{}-of 5 \%.}
\label{tab:simulated-mel-all}
\smallskip
\footnotesize
\setlength{\tabcolsep}{3pt}
"""
        + BARS
        + r"""\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%
\begin{tabular}{@{}lrlrl@{}}
\toprule
rank & ties & system & \shortstack{95 \%\\interval} & chance \\
\midrule
1 & \tiefirst{}\tienone{} & a\_b & {[$-$0.1, 0.2]} & 0.1\textsuperscript{a} \\ % date 1, record %\n
2 & \tielast{}\tiefirst{} & {[}c{]} &  &  \\ % date 2
\midrule
\multicolumn{5}{@{}l@{}}{Below, 5 \% of all:} \\
3 &  & 50 \% &  & worse\textsuperscript{b} \\ % date 3
\midrule
\multicolumn{5}{@{}l@{}}{None:} \\
\bottomrule
\end{tabular}}

\smallskip\parbox{\linewidth}{\footnotesize \textsuperscript{a} no better\_than chance; \textsuperscript{b} worse, -1.}
\end{table}
"""
    )


def test_a_table_of_one_cell_has_no_bars_comments_or_notes():
    assert table([{"a": "1"}]) == (
        r"""\begin{table}
\centering
\caption{c}
\label{tab:l}
\smallskip
\footnotesize
\setlength{\tabcolsep}{3pt}
\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%
\begin{tabular}{@{}l@{}}
\toprule
a \\
\midrule
1 \\
\bottomrule
\end{tabular}}
\end{table}
"""
    )


def test_a_table_without_rows_has_a_column_and_is_not_made_smaller():
    """LaTeX takes no table without columns, and divides by the width of what it makes smaller."""
    tables = [
        latex_table(parts, caption="c", label="l") for parts in ([], [Part("", [])], [Part("of a:", [])])
    ]
    parts = ["", "\\midrule\n", "\\midrule\n\\multicolumn{1}{@{}l@{}}{of a:} \\\\\n"]
    assert tables == [
        "\\begin{table}\n\\centering\n\\caption{c}\n\\label{tab:l}\n\\smallskip\n\\footnotesize\n"
        "\\setlength{\\tabcolsep}{3pt}\n{%\n\\begin{tabular}{@{}l@{}}\n\\toprule\n \\\\\n"
        f"{part}\\bottomrule\n\\end{{tabular}}}}\n\\end{{table}}\n"
        for part in parts
    ]


def test_a_table_without_rows_has_the_heads_that_it_is_given_and_one_with_rows_its_own():
    table = latex_table([Part("", [])], caption="c", label="l", heads=("a", "b"))
    assert "\\begin{tabular}{@{}lr@{}}\n\\toprule\na & b \\\\\n\\midrule\n\\bottomrule\n" in table
    table = latex_table([Part("", [{"c": "1"}])], caption="c", label="l", heads=("a", "b"))
    assert "\\begin{tabular}{@{}l@{}}\n\\toprule\nc \\\\\n\\midrule\n1 \\\\\n" in table


def test_columns_are_those_of_the_longest_row_the_first_of_such():
    rows = [{"a": "1"}, {"a": "2", "b": "3"}, {"c": "4", "a": "5"}]
    assert body(table(rows)) == ["a & b \\\\", "\\midrule", "1 &  \\\\", "2 & 3 \\\\", "5 &  \\\\"]


def test_the_first_column_and_those_of_words_are_set_to_the_left():
    row = dict.fromkeys("abcd", "1")
    assert "{@{}lrrr@{}}" in table([row])
    assert "{@{}lrlr@{}}" in table([row], left=("c",))
    assert "{@{}lllr@{}}" in table([row], left=("a", "b", "c"))


@pytest.mark.parametrize(("letters", "star"), [(8, ""), (9, "*")])
def test_a_table_wider_than_a_column_of_240_points_takes_the_page(letters, star):
    row = {**dict.fromkeys("abcde", "1" * 8), "f": "1" * letters}
    assert natural_points([Part("", [row])], list(row)) == 240 + 4.25 * (letters - 8)
    text = table([row])
    assert text.startswith(f"\\begin{{table{star}}}\n")
    assert text.endswith(f"\\end{{table{star}}}\n")


def test_a_table_is_as_wide_as_the_longest_cell_of_each_column_and_a_gap_for_each():
    parts = [Part("a long head", [{"a": "12345\0a", "95 % interval": "1"}]), Part("", [{"a": "1234567"}])]
    assert natural_points(parts, ["a", "95 % interval"]) == 4.25 * (7 + 8) + 2 * 6
    assert natural_points(parts[:1], ["a"]) == 4.25 * 6 + 6
    assert natural_points([], ["twelve chars"]) == 4.25 * 6 + 6
    assert natural_points([Part("", [{"b": "1"}])], ["a"]) == 4.25 + 6
    assert natural_points(parts, []) == 0


# Heads and cells


@pytest.mark.parametrize(
    ("words", "written"),
    [
        ("nine char", "nine char"),
        ("ten chars!", r"\shortstack{ten\\chars!}"),
        ("unbreakable_", r"unbreakable\_"),
        ("without the EEG", r"\shortstack{without\\the EEG}"),
        ("on the unseen ones", r"\shortstack{on the\\unseen ones}"),
        ("a bb ccc dddddddddddd", r"\shortstack{a bb ccc\\dddddddddddd}"),
        ("abc def ghi", r"\shortstack{abc def\\ghi}"),
        ("abcde f ghij", r"\shortstack{abcde\\f ghij}"),  # both spaces are as near
        ("95 % of a_b", r"\shortstack{95 \%\\of a\_b}"),
        ("p (Holm)", "p (Holm)"),
    ],
)
def test_a_long_head_is_in_two_lines_broken_at_the_space_nearest_to_its_middle(words, written):
    assert head(words) == written


@pytest.mark.parametrize(
    ("words", "written"),
    [
        ("", ""),
        ("0.1", "0.1"),
        ("-0.1", "$-$0.1"),
        ("+0.1", "+0.1"),
        ("-0.1 less -2", "$-$0.1 less $-$2"),
        ("(-3) a-4 4-5 .-6 -x", "($-$3) a-4 4-5 .-6 -x"),
        ("0.1 to 0.2", "{[0.1, 0.2]}"),
        ("-0.1 to -0.2", "{[$-$0.1, $-$0.2]}"),
        ("+0.1 to +.2", "{[$+$0.1, $+$.2]}"),
        ("0.1 to 0.2 ", "0.1 to 0.2 "),
        ("of 0.1 to 0.2", "of 0.1 to 0.2"),
        ("0.1 to 0.2\0b", r"{[0.1, 0.2]}\textsuperscript{b}"),
        ("-1 %\0aa", r"$-$1 \%\textsuperscript{aa}"),
        ("\0a", r"\textsuperscript{a}"),
        ("┌├└╎·", r"\tiefirst{}\tiemember{}\tielast{}\tiepast{}\tienone{}"),
        ("a·", r"a$\cdot$"),
        ("[-1]", r"{[}$-$1{]}"),
    ],
)
def test_a_cell_has_minus_signs_intervals_in_brackets_bars_and_raised_letters(words, written):
    assert cell(words) == written


def test_bars_have_their_commands_once_in_a_table_that_has_any():
    row = {"rank": "1", "ties": "·"}
    assert BARS in table([row, row])
    assert table([row, row]).count("providecommand") == 5
    assert BARS in latex_table([Part("", [{"a": "1"}]), Part("", [row])], caption="c", label="l")
    for ties in ("", "a", "┌ ", "┌a"):
        assert r"\providecommand" not in table([{"rank": "1", "ties": ties}])
    assert set(re.findall(r"\\(tie[a-z]+)\{\}", cell("┌├└╎·"))) == set(re.findall(r"\{\\(tie[a-z]+)\}", BARS))


# Notes


@pytest.mark.parametrize(
    ("words", "short", "note"),
    [
        ("0.1", "0.1", None),
        ("0.1 (why)", "0.1\0a", "why"),
        ("-0.1 (why (and how))", "-0.1\0a", "why (and how)"),
        ("+.5 (a) (b", "+.5\0a", "a) (b"),
        (".5 (why)", ".5\0a", "why"),
        ("0.1 to 0.2 (why)", "0.1 to 0.2\0a", "why"),
        ("0.1 (", "0.1 (", None),
        ("yes (no)", "yes (no)", None),
        ("twenty letters, no 21", "\0a", "twenty letters, no 21"),
        ("twenty letters, no 2", "twenty letters, no 2", None),
        ("of -0.1 to 0.2 and more", "\0a", "of -0.1 to 0.2 and more"),
        ("yes (not as architectures)", "\0a", "yes (not as architectures)"),
        ("-100.1234 to +100.1234", "-100.1234 to +100.1234", None),
        ("", "", None),
    ],
)
def test_what_is_too_long_for_a_cell_or_stands_behind_its_number_is_a_note(words, short, note):
    marks = Marks()
    assert marks.words == []
    assert marks.short(words) == short
    assert marks.words == ([] if note is None else [note])


def test_every_note_is_there_once_and_has_a_letter_of_its_own():
    marks = Marks()
    words = [f"note {k}" for k in range(53)]
    marked = [marks.mark("x", one) for one in words]
    letters = "abcdefghijklmnopqrstuvwxyz"
    expected = [*letters, *(one * 2 for one in letters), "aaa"]
    assert marked == [f"x\0{letter}" for letter in expected]
    assert marks.mark("y", "note 27") == "y\0bb"
    assert marks.words == words
    said = table([{"a": "1"}], notes=words).split("\\footnotesize ")[1].split(".}\n")[0].split("; ")
    assert said == [
        rf"\textsuperscript{{{letter}}} {one}" for letter, one in zip(expected, words, strict=True)
    ]


# Text


def test_every_special_character_has_its_way():
    assert escaped(r"a_b % $x$ {y} #1 & ^ ~ \z") == (
        r"a\_b \% \$x\$ \{y\} \#1 \& \textasciicircum{} \textasciitilde{} \textbackslash{}z"
    )
    assert escaped("a--b,,c''d-e---") == "a-{}-b,{},c'{}'d-e-{}-{}-"
    assert escaped('[*]<|>"`') == r"{[}{*}{]}$<$$|$$>$" + r"{\char34}{\char96}"
    assert escaped("中\u202e\n") == r"\texttt{U+4E2D}\textbackslash{}u202e\textbackslash{}n"
    every = escaped("".join(map(chr, range(0x20, 0x3000))))
    assert every.isascii()
    assert every.isprintable()


def test_letters_have_their_accents_and_greek_ones_their_names():
    assert escaped("é Å ł ı α ω") == r"\'{e} \r{A} \l{} \i{} $\alpha$ $\omega$"
    assert escaped("ÀÁÂÃĀĂĖÄÅŐČÇ") == r"\`{A}\'{A}\^{A}\~{A}\={A}\u{A}\.{E}\"{A}\r{A}\H{O}\v{C}\c{C}"
    assert escaped("íǰğj") == r"\'{\i}\v{\j}\u{g}j"
    named = (
        "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi o pi rho varsigma sigma tau"
    )
    named += " upsilon varphi chi psi omega"
    greek = ["o" if name == "o" else rf"$\{name}$" for name in named.split()]
    assert escaped("αβγδεζηθικλμνξοπρςστυφχψω") == "".join(greek)


@pytest.mark.parametrize(
    ("letter", "number"),
    [
        ("©", "00A9"),
        ("ΰ", "03B0"),
        ("ϊ", "03CA"),
        ("ά", "03AC"),
        ("ǖ", "01D6"),
        ("ơ", "01A1"),
        ("𝔸", "1D538"),
    ],
)
def test_a_letter_that_usual_fonts_lack_is_its_number(letter, number):
    assert escaped(f"a{letter}b") == rf"a\texttt{{U+{number}}}b"


@pytest.mark.parametrize(
    ("words", "label"),
    [
        ("simulated/held-out subjects_é", "simulated-held-out-subjects"),
        ("-- AZ az 09 --", "AZ-az-09"),
        ("X marks X", "X-marks-X"),
        ("中", "table"),
        ("", "table"),
    ],
)
def test_labels_are_plain(words, label):
    assert label_of(words) == label
    assert f"\\label{{tab:{label}}}\n" in table([], label=words)


def test_comments_are_lines_that_latex_does_not_read():
    assert comments([]) == []
    assert comments(["one", "two\nlines 5 %", ""]) == ["% one", "% two\\nlines 5 %", "% "]
