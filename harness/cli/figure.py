"""``harness figure``: figures for a paper, each with its data as CSV beside it."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from harness.cli.group import cli, examples
from harness.cli.options import RESULTS_OPTION, asked_options, board_option

if TYPE_CHECKING:
    from harness.boards.ranking import Ranking
    from harness.figures.drawing import Drawing
    from harness.tasks.task import Task

# A function that is given a drawing, and the files that it is of, writes it.
Show = Callable[..., None]
DEFAULT_BOARD_WORDS = "simulated/held-out-subjects/test/mel"
ALL_OPTION = click.option(
    "--all", "everything", is_flag=True, help="Ablations too, ranked with all other systems."
)


@cli.group()
def figure() -> None:
    """Draw figures for a paper, as PDF, SVG or PNG, with their data as CSV.

    Figures need matplotlib: pip install 'eeg-speech-harness[figures]'.
    """


def drawn_options(command: Callable[..., None]) -> Callable[..., None]:
    """Options --out and --width, handed on as ``show``, which checks them first and writes at the end."""

    @functools.wraps(command)
    def call(*, out: Sequence[Path], width: str, **others: Any) -> None:
        from harness.figures.drawing import check_outs
        from harness.figures.style import styled, width_mm

        millimetres = width_mm(width)
        check_outs(out)
        with styled():  # without matplotlib nothing is computed
            pass
        command(show=functools.partial(_show, out, millimetres), **others)

    options = (
        click.option(
            "--out",
            metavar="FILE",
            type=click.Path(path_type=Path),
            multiple=True,
            required=True,
            help="The figure: .pdf, .svg or .png; once for each. Its data lie beside it as .csv.",
        ),
        click.option(
            "--width",
            metavar="WIDTH",
            default="column",
            show_default=True,
            help="column (88 mm), page (180 mm), or millimetres.",
        ),
    )
    for option in reversed(options):
        call = option(call)
    return call


def _show(out: Sequence[Path], width: float, drawing: Drawing, inputs: Sequence[Path] = ()) -> None:
    from harness.cli.output import answer
    from harness.figures.drawing import check_outs, write

    check_outs(out, inputs)
    answer("\n".join(map(str, write(drawing, out, width))))


def _ranking(board: str | None, results: Path, *, everything: bool = False) -> Ranking:
    """A ranked board; records that it is shown without are named on stderr."""
    from harness.boards.board import load_board, parse_board
    from harness.boards.compare import DEFAULT_BOARD
    from harness.boards.ranking import rank
    from harness.cli.output import remark

    found = load_board(results, parse_board(board) if board else DEFAULT_BOARD)
    for fault in found.left_out:
        remark(f"left out: {fault}")
    return rank(found, everything=everything)


@figure.command("board", epilog=examples("harness figure board --out board.pdf --out board.png"))
@board_option(DEFAULT_BOARD_WORDS)
@ALL_OPTION
@RESULTS_OPTION
@drawn_options
def figure_board(board: str | None, everything: bool, results: Path, show: Show) -> None:
    """Means with their intervals, chance and controls, beside rank intervals."""
    from harness.figures.board import board_drawing

    show(board_drawing(_ranking(board, results, everything=everything)))


@figure.command("subjects", epilog=examples("harness figure subjects --out subjects.pdf --width page"))
@board_option(DEFAULT_BOARD_WORDS)
@ALL_OPTION
@RESULTS_OPTION
@drawn_options
def figure_subjects(board: str | None, everything: bool, results: Path, show: Show) -> None:
    """Every subject's score by every system: points, quartiles, means with intervals, controls."""
    from harness.figures.board import subjects_drawing

    show(subjects_drawing(_ranking(board, results, everything=everything)))


@figure.command(
    "bands",
    epilog=examples("harness figure bands --system linear --system 'vlaai (original)' --out bands.svg"),
)
@board_option(DEFAULT_BOARD_WORDS)
@click.option(
    "--system",
    "systems",
    metavar="NAME",
    multiple=True,
    help="A system as its board names it; once for each, seven at most. Default: the first four.",
)
@RESULTS_OPTION
@drawn_options
def figure_bands(board: str | None, systems: tuple[str, ...], results: Path, show: Show) -> None:
    """Mean r of every band of some systems, with intervals, beside the control that needs no EEG."""
    from harness.figures.bands import bands_drawing

    show(bands_drawing(_ranking(board, results), systems))


@figure.command("compare", epilog=examples("harness figure compare catwavenet linear --out pair.pdf"))
@click.argument("first", metavar="A")
@click.argument("second", metavar="B")
@board_option("that of the records, as `harness compare` has it")
@RESULTS_OPTION
@drawn_options
def figure_compare(first: str, second: str, board: str | None, results: Path, show: Show) -> None:
    """Compare A with B subject by subject: both scores, and the differences with their mean's interval."""
    from harness.boards.board import parse_board
    from harness.boards.compare import compare, find_pair
    from harness.figures.compare import compare_drawing

    one, other = find_pair(first, second, results, parse_board(board) if board else None)
    show(compare_drawing(compare(one, other)))


@figure.command(
    "segment",
    epilog=examples(
        "harness figure segment predictions.npz --segment sub-086_audiobook_2_003 --out segment.pdf"
    ),
)
@click.argument("predictions", type=click.Path(path_type=Path))
@asked_options
@click.option(
    "--segment", metavar="ID", required=True, help="Which segment, such as sub-086_audiobook_2_003."
)
@drawn_options
def figure_segment(predictions: Path, open_task: Callable[..., Task], segment: str, show: Show) -> None:
    """Show a segment's prediction against its reference; PREDICTIONS is what `harness predict` wrote."""
    from harness.evaluation.segment import read_pair
    from harness.figures.segment import segment_drawing

    task = open_task()
    show(segment_drawing(task, read_pair(task, predictions, segment), segment, predictions.name))


@figure.command(
    "training",
    epilog=examples(
        "harness figure training submissions/my-model/training/simulated-mel-compact --out curve.pdf"
    ),
)
@click.argument("logs", metavar="LOG...", nargs=-1, required=True, type=click.Path(path_type=Path))
@drawn_options
def figure_training(logs: tuple[Path, ...], show: Show) -> None:
    """Learning curves: loss and validation score. LOG is a training's folder, or its log.csv."""
    from harness.figures.training import log_file, read_log, training_drawing

    show(training_drawing([read_log(path) for path in logs]), list(map(log_file, logs)))
