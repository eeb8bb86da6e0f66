"""``harness rescore``: kept predictions scored again."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.cli.group import cli, examples
from harness.cli.options import BOARD_OPTION, DATA_OPTION, LABELS_OPTION, RESULTS_OPTION, format_option

if TYPE_CHECKING:
    from harness.boards.board import BoardName
    from harness.tasks.task import Task


@cli.command(
    epilog=examples(
        "harness rescore", "harness rescore --measure cosine --results inbox/results --format csv"
    )
)
@BOARD_OPTION
@click.option("--measure", metavar="NAME", help="Another measure, such as cosine. Default: the board's own.")
@format_option("text, markdown, csv or json.")
@click.option("--split", metavar="FILE", help="The board's split file, where its name is not found.")
@DATA_OPTION
@LABELS_OPTION
@RESULTS_OPTION
def rescore(
    board: str | None,
    measure: str | None,
    form: str,
    split: str | None,
    data: Path | None,
    labels: Path | None,
    results: Path,
) -> None:
    """Score kept predictions again by this version's scorer, or another measure, with the change in rank.

    Predictions are kept by `harness score --keep-predictions` and by `harness queue work`. No system runs,
    and no record is written. What has no predictions, or damaged ones, is named, and the exit code is 1.
    """
    from harness.boards.board import board_names, load_board, parse_board
    from harness.cli.open import open_asked
    from harness.errors import RecordError, raise_all
    from harness.rescoring import check_form, rescored_text
    from harness.rescoring import rescore as rescored

    check_form(form)

    def task_of(name: BoardName) -> Task:
        return open_asked(
            data=data,
            split=split or name.split,
            part=name.part,
            feature=name.feature,
            labels=labels,
            corpus=name.corpus if labels is not None and data is None else None,
            predictions=labels is not None and data is None,
        )

    faults = []
    for name in [parse_board(board)] if board else board_names(results):
        loaded = load_board(results, name)
        rows, missing = rescored(loaded, results, measure, task_of)
        faults += [*loaded.left_out, *missing]
        if rows:
            click.echo(rescored_text(name, rows, form), nl=False)
    raise_all(RecordError, faults)
