"""Tables for LaTeX: whole ``table`` environments that fit a column or a page, and text that always compiles.

The preamble needs booktabs and graphicx, as :data:`PREAMBLE` says in a comment. A table too wide for a column
of two is a ``table*``; one that is too wide for its place all the same is made smaller, never cut. The output
is plain ASCII: accents become LaTeX's own, and a character that its usual fonts lack becomes its number.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from harness.errors import on_one_line

PREAMBLE = r"% Needs \usepackage{booktabs} and \usepackage{graphicx} in the preamble."
# Points; a column of IEEE's and ACM's two is 252 and 241 wide. At \footnotesize a digit takes 4.25.
COLUMN_POINTS = 240.0
_LETTER_POINTS, _GAP_POINTS = 4.25, 6.0
# Bars of ties, as tables in words draw them (`harness.boards.ranking.group_bars`): a group's first and last
# system, one between, one that the bar leads past, and none.
_BARS: Mapping[str, str] = {
    "┌": r"\tiefirst",
    "└": r"\tielast",
    "├": r"\tiemember",
    "╎": r"\tiepast",
    "·": r"\tienone",
}
_WHOLE = r"\dimexpr\ht\strutbox+\dp\strutbox\relax"
# As high as a row, so that they meet those of the rows above and below.
_BAR_COMMANDS = (
    rf"\providecommand{{\tiemember}}{{\rule[-\dp\strutbox]{{1pt}}{{{_WHOLE}}}\hspace{{3pt}}}}",
    r"\providecommand{\tiefirst}{\rule[-\dp\strutbox]{1pt}{\dimexpr.7\ht\strutbox+\dp\strutbox\relax}\hspace{3pt}}",
    r"\providecommand{\tielast}{\rule{1pt}{\ht\strutbox}\hspace{3pt}}",
    rf"\providecommand{{\tiepast}}{{\hspace{{.4pt}}\rule[-\dp\strutbox]{{.2pt}}{{{_WHOLE}}}\hspace{{3.4pt}}}}",
    r"\providecommand{\tienone}{\hspace{4pt}}",
)
_LONG_HEAD = 9  # letters; longer heads are set in two lines
_FITTED = r"\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%"
_SPECIAL: Mapping[str, str] = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "#": r"\#",
    "%": r"\%",
    "_": r"\_",
    "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}",
    "<": r"$<$",
    ">": r"$>$",
    "|": r"$|$",
    '"': r"{\char34}",  # babel makes a bare one active in some languages
    "`": r"{\char96}",
    "*": r"{*}",  # after a line's end LaTeX takes these three for an argument
    "[": r"{[}",
    "]": r"{]}",
    "±": r"$\pm$",
    "−": r"$-$",
    "–": r"--",
    "—": r"---",
    "…": r"\ldots{}",
    "×": r"$\times$",
    "·": r"$\cdot$",
    "°": r"$^\circ$",
    "µ": r"$\mu$",
    "≤": r"$\le$",
    "≥": r"$\ge$",
    "≠": r"$\ne$",
    "‘": r"{`}",
    "’": r"{'}",
    "“": r"``",
    "”": r"''",
    "§": r"\S{}",
    "ß": r"\ss{}",
    "æ": r"\ae{}",
    "Æ": r"\AE{}",
    "œ": r"\oe{}",
    "Œ": r"\OE{}",
    "ø": r"\o{}",
    "Ø": r"\O{}",
    "ł": r"\l{}",
    "Ł": r"\L{}",
    "ı": r"\i{}",
}
# Two of one kind would become one sign: a closing quotation mark, a dash, an opening quotation mark.
_JOINED = re.compile(r"(?<=')(?=')|(?<=-)(?=-)|(?<=,)(?=,)")
_ACCENTS: Mapping[str, str] = {
    "\u0300": "`",
    "\u0301": "'",
    "\u0302": "^",
    "\u0303": "~",
    "\u0304": "=",
    "\u0306": "u",
    "\u0307": ".",
    "\u0308": '"',
    "\u030a": "r",
    "\u030b": "H",
    "\u030c": "v",
    "\u0327": "c",
}
_GREEK = (
    "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi o pi rho varsigma sigma tau"
)
_GREEK += " upsilon varphi chi psi omega"
_SPAN = re.compile(r"^([-+]?[\d.]+) to ([-+]?[\d.]+)$")
_NUMBER = re.compile(r"^[-+]?[\d.]")
_LONG_CELL = 20  # letters
_BOTH_SIGNS = re.compile(r"(?<![\w.])-(?=\d)")


class Part(NamedTuple):
    """Rows of a table under one heading.

    Attributes:
        head: stands over the rows; empty for none.
        rows: cells by column, in words.
        comments: behind each row, for whoever reads the source; empty for none.
    """

    head: str
    rows: Sequence[Mapping[str, str]]
    comments: Sequence[str] = ()


class Marks:
    """Words that are too long for a cell, as notes below the table, each once."""

    def __init__(self) -> None:
        self.words: list[str] = []

    def mark(self, cell: str, words: str) -> str:
        """The cell with the letter of a note, which :func:`latex_table` raises."""
        if words not in self.words:
            self.words.append(words)
        return f"{cell}\0{_letter(self.words.index(words))}"

    def short(self, cell: str) -> str:
        """A cell without the words behind its number, or without long words; a note has them."""
        value, _, words = cell.partition(" (")
        if words and _NUMBER.match(value):
            return self.mark(value, words.removesuffix(")"))
        return self.mark("", cell) if len(cell) > _LONG_CELL and not _SPAN.match(cell) else cell


def latex_table(
    parts: Sequence[Part],
    *,
    caption: str,
    label: str,
    notes: Sequence[str] = (),
    left: Sequence[str] = (),
    heads: Sequence[str] = (),
) -> str:
    r"""A table environment.

    Args:
        parts: rows under their heads, the columns those of the longest row; there may be none.
        caption: in words; escaped here, as all else.
        label: in words, for ``\label{tab:...}``.
        notes: of :class:`Marks`, shown below.
        left: columns of words; the first is one of them, others are set to the right.
        heads: the columns of a table without rows.
    """
    columns = max((list(row) for part in parts for row in part.rows), key=len, default=list(heads))
    align = "".join("l" if place == 0 or name in left else "r" for place, name in enumerate(columns))
    star = "*" if natural_points(parts, columns) > COLUMN_POINTS else ""
    lines = [
        rf"\begin{{table{star}}}",
        r"\centering",
        rf"\caption{{{escaped(caption)}}}",
        rf"\label{{tab:{label_of(label)}}}",
        r"\smallskip",
        r"\footnotesize",
        r"\setlength{\tabcolsep}{3pt}",
        *(_BAR_COMMANDS if any(map(_is_bars, _cells(parts))) else ()),
        _FITTED if columns else "{%",  # what has no width cannot be made smaller
        rf"\begin{{tabular}}{{@{{}}{align or 'l'}@{{}}}}",
        r"\toprule",
        " & ".join(map(_head, columns)) + r" \\",
    ]
    for part in parts:
        lines.append(r"\midrule")
        if part.head:
            lines.append(rf"\multicolumn{{{len(columns) or 1}}}{{@{{}}l@{{}}}}{{{escaped(part.head)}}} \\")
        for number, row in enumerate(part.rows):
            comment = f" % {on_one_line(part.comments[number])}" if part.comments else ""
            lines.append(" & ".join(_cell(row.get(name, "")) for name in columns) + rf" \\{comment}")
    lines += [r"\bottomrule", r"\end{tabular}}"]
    if notes:
        said = "; ".join(
            rf"\textsuperscript{{{_letter(number)}}} {escaped(words)}" for number, words in enumerate(notes)
        )
        lines += ["", rf"\smallskip\parbox{{\linewidth}}{{\footnotesize {said}.}}"]
    return "\n".join([*lines, rf"\end{{table{star}}}"]) + "\n"


def natural_points(parts: Sequence[Part], columns: Sequence[str]) -> float:
    """About how wide a table is, in points."""
    total = 0.0
    for name in columns:
        cells = [row.get(name, "").replace("\0", "") for part in parts for row in part.rows]
        longest = max(map(len, [*cells, *_in_two(name)]))
        total += _LETTER_POINTS * longest + _GAP_POINTS
    return total


def label_of(words: str) -> str:
    """A label that LaTeX takes: letters, digits and hyphens."""
    return re.sub(r"[^A-Za-z0-9]+", "-", words).strip("-") or "table"


def escaped(text: str) -> str:
    """Text that LaTeX prints as it stands, whatever it holds."""
    apart = _JOINED.split(on_one_line(text))
    return "{}".join("".join(map(_character, part)) for part in apart)


def comments(lines: Sequence[str]) -> list[str]:
    """Lines that LaTeX does not read."""
    return [f"% {on_one_line(line)}" for line in lines]


def _cells(parts: Sequence[Part]) -> list[str]:
    return [cell for part in parts for row in part.rows for cell in row.values()]


def _is_bars(text: str) -> bool:
    return bool(text) and set(text) <= set(_BARS)


def _cell(text: str) -> str:
    """A cell: bars, intervals in brackets, minus signs, and a raised letter where it has a note."""
    if _is_bars(text):
        return "".join(f"{_BARS[one]}{{}}" for one in text)
    text, _, letter = text.partition("\0")
    found = _SPAN.match(text)
    if found:
        written = "[" + ", ".join(_number(end) for end in found.groups()) + "]"
        written = f"{{{written}}}"  # a line's end would take a bracket for its argument
    else:
        written = "$-$".join(map(escaped, _BOTH_SIGNS.split(text)))
    return written + (rf"\textsuperscript{{{letter}}}" if letter else "")


def _number(text: str) -> str:
    sign = {"-": "$-$", "+": "$+$"}.get(text[0], "")
    return sign + text.lstrip("+-")


def _head(name: str) -> str:
    lines = _in_two(name)
    return escaped(name) if len(lines) == 1 else rf"\shortstack{{{escaped(lines[0])}\\{escaped(lines[1])}}}"


def _in_two(name: str) -> list[str]:
    """A long head in two lines, broken at the space nearest to its middle."""
    places = [place for place, letter in enumerate(name) if letter == " "]
    if len(name) <= _LONG_HEAD or not places:
        return [name]
    middle = min(places, key=lambda place: abs(place - len(name) / 2))
    return [name[:middle], name[middle + 1 :]]


def _character(letter: str) -> str:
    if letter in _SPECIAL:
        return _SPECIAL[letter]
    if letter.isascii():
        return letter
    base, *marks = list(unicodedata.normalize("NFD", letter))
    if len(marks) == 1 and marks[0] in _ACCENTS and base.isascii():
        accented = {"i": r"\i", "j": r"\j"}.get(base, base)
        return rf"\{_ACCENTS[marks[0]]}{{{accented}}}"
    place = ord(letter) - ord("α")
    names = _GREEK.split()
    if 0 <= place < len(names):
        return "o" if names[place] == "o" else rf"$\{names[place]}$"
    return rf"\texttt{{U+{ord(letter):04X}}}"


def _letter(number: int) -> str:
    return chr(ord("a") + number % 26) * (number // 26 + 1)
