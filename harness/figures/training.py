"""Learning curves from the ``log.csv`` of trainings: loss and validation score, an epoch a point."""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from harness.conventions import SIMULATED_WORDS
from harness.corpus.declaration import declared, declared_names
from harness.errors import Fault, TrainingError, UsageError, counted, raise_all
from harness.figures.drawing import Drawing
from harness.figures.style import DASHES, GREY, LINES, MARKS, RULE, label, legend_columns
from harness.files import read_regular
from harness.scoring.measures import DEFAULT, MEASURES
from harness.training.log import FILE as LOG

MOST_LOGS = 7
MOST_BYTES = 64 << 20
VALIDATION = "validation_"
NOT_KNOWN = "corpus not known"


class Curve(NamedTuple):
    """One training.

    Attributes:
        name: of its folder.
        corpus: that it was trained on; None where neither log nor folder says it.
        measure: what validation is scored by.
        rows: by column, of each epoch.
    """

    name: str
    corpus: str | None
    measure: str
    rows: tuple[dict[str, float | None], ...]

    @property
    def data(self) -> str:
        """What it was trained on, in words that never let simulated data pass for real."""
        declaration = declared(self.corpus) if self.corpus else None
        if declaration is not None and declaration.simulated:
            return SIMULATED_WORDS
        return self.corpus or NOT_KNOWN


def log_file(path: Path) -> Path:
    """A training's log: the file, or the one in its folder."""
    return path / LOG if path.is_dir() else path


def read_log(path: Path) -> Curve:
    """The curve in a training's log.

    Args:
        path: the ``log.csv``, or the folder that it lies in.

    Raises:
        TrainingError: it cannot be read, or is no log of a training.
    """
    file = log_file(path)
    remedy = "harness train writes log.csv into the training's folder."
    try:
        lines = read_regular(file, MOST_BYTES).decode("utf-8").splitlines()
        table = list(csv.DictReader(lines, strict=True))
    except OSError as error:
        raise TrainingError(Fault(str(file), error.strerror or "cannot be read", remedy=remedy)) from None
    except (ValueError, csv.Error) as error:
        raise TrainingError(Fault(str(file), f"not CSV ({error})", "log.csv of a training", remedy)) from None
    names = list(table[0]) if table else next(csv.reader(lines[:1]), [])
    scored = [name for name in names if name and name.startswith(VALIDATION)]
    if not {"epoch", "loss"} <= set(names) or len(scored) != 1:
        raise TrainingError(
            Fault(
                str(file),
                f"columns {', '.join(map(str, names)) or 'none'}",
                "epoch, loss, validation_...",
                remedy,
            )
        )
    if not table:
        raise TrainingError(Fault(str(file), "no epoch", "one or more", "Draw it when an epoch is done."))
    faults: list[Fault] = []
    rows = tuple(_numbers(row, f"{file}: line {number}", faults) for number, row in enumerate(table, start=2))
    raise_all(TrainingError, faults)
    corpus = table[-1].get("corpus") or _corpus_of(file)
    return Curve(file.resolve().parent.name, corpus, scored[0].removeprefix(VALIDATION), rows)


def training_drawing(curves: Sequence[Curve]) -> Drawing:
    """Loss above, validation below, the best epoch marked; a line for each training.

    Raises:
        UsageError: too many to be told apart, or scored by different measures.
    """
    measures = list(dict.fromkeys(curve.measure for curve in curves))
    if len(measures) > 1:
        raise UsageError(
            Fault("LOG", f"validation by {', '.join(measures)}", "trainings scored by one measure")
        )
    if len(curves) > MOST_LOGS:
        raise UsageError(Fault("LOG", counted(len(curves), "log"), f"at most {MOST_LOGS}, to be told apart"))
    by = MEASURES.get(measures[0])
    names = _names(curves)

    def draw(figure: Any, width: float) -> None:
        loss, score = figure.subplots(2, 1, sharex=True)
        for number, (name, curve) in enumerate(zip(names, curves, strict=True)):
            color, style = LINES[number % len(LINES)], DASHES[number % len(DASHES)]
            epochs = [row["epoch"] for row in curve.rows]
            loss.plot(
                epochs, [row["loss"] for row in curve.rows], color=color, linestyle=style, linewidth=0.9
            )
            known = _scored(curve)
            score.plot(*known, color=color, linestyle=style, linewidth=0.9, label=label(name, 44))
            if len(known[0]) == 1 or len(epochs) == 1:
                loss.plot(epochs[:1], [curve.rows[0]["loss"]], ".", color=color)
            best = _best(curve)
            if best is not None:
                score.plot(
                    *best, MARKS[number % len(MARKS)], color=color, markersize=4, markerfacecolor="white"
                )
        loss.set_ylabel("training loss")
        score.set_ylabel(f"validation\n{by.heading if by else measures[0]}")
        score.set_xlabel("epoch")
        score.xaxis.get_major_locator().set_params(integer=True)
        if measures[0] == DEFAULT:
            score.axhline(
                0, color=GREY, linewidth=0.7, linestyle=(0, (1, 1)), label="a constant, without EEG"
            )
        for axis in (loss, score):
            axis.grid(axis="y", color=RULE, linewidth=0.5)
            axis.set_axisbelow(True)
        figure.align_ylabels()
        handles, words = score.get_legend_handles_labels()
        n_columns = legend_columns(words, width - 6)
        figure.legend(handles, words, loc="outside lower left", ncols=n_columns, handlelength=2.6)

    rows: list[dict[str, object]] = [
        {"training": name, "corpus": curve.corpus, "data": curve.data, **row}
        for name, curve in zip(names, curves, strict=True)
        for row in curve.rows
    ]
    data = ", ".join(dict.fromkeys(curve.data for curve in curves))
    title = f"{data}: {counted(len(curves), 'training')}. Open mark: the best epoch on the validation part."
    if any(curve.corpus is None for curve in curves):
        title += f" ({NOT_KNOWN}: neither the log nor its folder's name says it)"
    return Drawing(
        title, rows, lambda width: min(0.75 * width, 90) + 4 * len(curves) / max(1, width / 70), draw
    )


def _numbers(row: dict[str, Any], where: str, faults: list[Fault]) -> dict[str, float | None]:
    """A row's numbers; None where a cell is empty."""
    found: dict[str, float | None] = {}
    for name, text in row.items():
        if name == "corpus":
            continue
        if name is None or text is None:
            faults.append(Fault(where, "another number of cells than the first line", "as many"))
            return {}
        try:
            value = float(text) if text else None
        except ValueError:
            value = math.nan
        if value is not None and not math.isfinite(value):
            faults.append(Fault(f"{where}: {name}", repr(text[:40]), "a finite number"))
            value = None
        found[name] = int(value) if name == "epoch" and value is not None else value
    for name in ("epoch", "loss"):
        if found[name] is None and not faults:
            faults.append(Fault(f"{where}: {name}", "empty", "a number"))
    return found


def _corpus_of(file: Path) -> str | None:
    """The corpus in the name of a training's folder, ``<corpus>-<feature>-<preset>``; None where none is."""
    name = file.resolve().parent.name
    known = [corpus for corpus in declared_names() if name.startswith(f"{corpus}-")]
    return max(known, key=len, default=None)


def _names(curves: Sequence[Curve]) -> list[str]:
    """Their folders' names, numbered where two are the same."""
    names = [curve.name for curve in curves]
    return [
        f"{name} ({names[: at + 1].count(name)})" if names.count(name) > 1 else name
        for at, name in enumerate(names)
    ]


def _scored(curve: Curve) -> tuple[list[float], list[float]]:
    """Epochs that were validated, and their scores."""
    key = f"{VALIDATION}{curve.measure}"
    pairs = [(row["epoch"], row[key]) for row in curve.rows]
    known = [(float(epoch), score) for epoch, score in pairs if epoch is not None and score is not None]
    return [epoch for epoch, _ in known], [score for _, score in known]


def _best(curve: Curve) -> tuple[float, float] | None:
    by = MEASURES.get(curve.measure)
    sign = by.sign if by else 1
    points = list(zip(*_scored(curve), strict=True))
    return max(points, key=lambda point: sign * point[1]) if points else None
