"""Every error that the harness raises on purpose.

    HarnessError                 something a user can fix; the command exits 1
    ├── SplitError               a split file, or a split that does not fit the corpus
    ├── CorpusError              EEG, stimuli or labels: missing, broken, of the wrong layout
    ├── SubmissionError          a submission folder: manifest, hashes, entry point, weights
    ├── PredictorError           the predictor's process: crash, time-out, memory, wrong output
    ├── PredictionsError         a predictions file: format, ids, shapes, numbers
    ├── ShapeError               two arrays that must agree do not
    ├── TrainingError            a training that cannot start or go on
    ├── RecordError              a score record that cannot be read, verified or written
    ├── QueueError               a queue's folder: its settings, what was handed in, its jobs
    ├── RepositoryError          no git, no repository, or one that cannot be read
    └── UsageError               options that contradict each other, or a name that is none of its choices;
                                 the command exits 2

An error carries one or more faults, and all faults of one kind are reported at once: the reader
fixes a list, not a chain of surprises. Only ``harness/cli/main.py`` catches these.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong: where, what arrived, what was expected, what to do.

    As text it is one line, and lines of remedy: other characters, as of a name of a file, are escaped.

    Attributes:
        where: file, segment, key or option, as the user knows it.
        arrived: what was found there.
        expected: what should have been there; empty where ``arrived`` says it all.
        remedy: the next thing to do; empty where there is nothing to add.
    """

    where: str
    arrived: str
    expected: str = ""
    remedy: str = ""

    def __str__(self) -> str:
        line = f"{self.where}: {self.arrived}"
        if self.expected:
            line += f", expected {self.expected}"
        line = f"{on_one_line(line)}."
        remedy = "\n".join(on_one_line(part) for part in self.remedy.split("\n"))
        return f"{line}\n  {remedy}" if remedy else line


class HarnessError(Exception):
    """Something that a user can fix.

    Args:
        faults: what is wrong, one entry a thing.
    """

    def __init__(self, *faults: Fault) -> None:
        super().__init__("\n".join(str(fault) for fault in faults))
        self.faults = faults


class SplitError(HarnessError):
    """A split file is invalid, or the split does not fit the corpus."""


class CorpusError(HarnessError):
    """EEG, stimuli or labels are missing, broken, or of another layout than expected."""


class SubmissionError(HarnessError):
    """A submission folder is invalid: manifest, hashes, entry point or weights."""


class PredictorError(HarnessError):
    """The predictor's process crashed, ran out of time or memory, or gave wrong output."""


class PredictionsError(HarnessError):
    """A predictions file cannot be used: format, ids, shapes or numbers."""


class ShapeError(HarnessError):
    """Two arrays that must have one shape have two."""


class TrainingError(HarnessError):
    """A training cannot start, or cannot go on."""


class RecordError(HarnessError):
    """A score record cannot be read, verified or written."""


class QueueError(HarnessError):
    """A queue's folder cannot be used: its settings, what was handed in, or its jobs."""


class HostingError(HarnessError):
    """A challenge cannot be put into what a platform takes."""


class RepositoryError(HarnessError):
    """There is no git repository, or git cannot read it."""


class UsageError(HarnessError):
    """Options contradict each other, or name what there is not."""


MAX_SHOWN = 20
SHOWN_NAME_CHARS = 60
_MOST_COMPARED = 200  # characters of a name that is looked for among the known ones


def raise_all(kind: type[HarnessError], faults: Sequence[Fault]) -> None:
    """Raise ``kind`` with every fault; return where there is none."""
    if faults:
        raise kind(*faults)


def shorten(names: Sequence[str], most: int = 5) -> str:
    """Join names for a message: the first few, then how many more there are."""
    shown = ", ".join(on_one_line(name) for name in names[:most])
    more = len(names) - most
    return f"{shown} and {more} more" if more > 0 else shown


def counted(number: int, what: str, several: str = "") -> str:
    """A number and what is counted, such as ``1 subject`` and ``2 subjects``.

    Args:
        number: how many.
        what: one of them.
        several: more of them, where that is not ``what`` and an s.
    """
    return f"{number} {what if number == 1 else several or f'{what}s'}"


def some_of(number: int, total: int, what: str, one: str = "", more: str = "", *, several: str = "") -> str:
    """Some of what is counted and what is said of them: ``1 of 3 subjects is``, ``1 of 1 subject is``.

    Args:
        number: how many.
        total: of how many.
        what: one of them.
        one: what is said of one.
        more: what is said of none and of more than one.
        several: more of them, where that is not ``what`` and an s.
    """
    verb = one if number == 1 else more
    return f"{number} of {counted(total, what, several)}{f' {verb}' if verb else ''}"


def no_such(where: str, name: str, known: Sequence[str], remedy: str = "") -> Fault:
    """The fault of a name that is none of those to choose from.

    Args:
        where: the option or key that names it.
        name: what was given.
        known: the names that there are.
        remedy: what to do where no known name is near.
    """
    expected = f"one of {', '.join(known)}" if known else ""
    return Fault(where, repr(name), expected, did_you_mean(name, known) or remedy)


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """A remedy that names the known name that is nearest; empty where none is near."""
    import difflib  # not for every start of the command

    near = difflib.get_close_matches(name[:_MOST_COMPARED], known, n=1)
    return f"Did you mean '{show(near[0])}'?" if near else ""


def show(name: str) -> str:
    """A name from a file made fit for a message: printable, and not long."""
    if len(name) > SHOWN_NAME_CHARS:
        name = f"{name[: SHOWN_NAME_CHARS - 20]}...{name[-17:]}"
    return on_one_line(name)


def on_one_line(text: str) -> str:
    """Text on one line, with nothing that a terminal acts on: other characters are escaped."""
    return text if text.isprintable() else "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)
