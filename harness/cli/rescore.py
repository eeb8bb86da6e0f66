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
        "harness rescore --measure cosine --results inbox/results --format csv",
        "harness rescore --scorer scorer.py:mean_r --results inbox/results",
    )
)
@BOARD_OPTION
@click.option("--measure", metavar="NAME", help="Another measure, such as cosine. Default: the board's own.")
@click.option(
    "--scorer",
    metavar="FILE.py:FUNCTION",
    help="A scorer of your own, or MODULE:FUNCTION: called once a subject with references and predictions,"
    " (n_segments, n_frames, n_bands) each, it gives (n_segments,) values or one number. It runs here and"
    " sees the references: your own code only.",
)
@click.option("--lower-is-better", is_flag=True, help="Of --scorer: the lowest ranks first.")
@format_option("text, markdown, csv or json.")
@click.option("--split", metavar="FILE", help="The board's split file, where its name is not found.")
@DATA_OPTION
@LABELS_OPTION
@RESULTS_OPTION
def rescore(
    board: str | None,
    measure: str | None,
    scorer: str | None,
    lower_is_better: bool,
    form: str,
    split: str | None,
    data: Path | None,
    labels: Path | None,
    results: Path,
) -> None:
    """Score kept predictions again: by this version's scorer, another measure, or a scorer of your own.

    Shows old and new score, both ranks and the change.

    Predictions are kept by `harness score --keep-predictions` and by `harness queue work`. No system runs,
    and no record is written. What has no predictions, or damaged ones, is named, and the exit code is 1.
    """
    from harness.boards.board import board_names, load_board, parse_board
    from harness.cli.open import open_asked
    from harness.errors import RecordError, raise_all
    from harness.rescoring import check_form, rescored_text
    from harness.rescoring import rescore as rescored
    from harness.scoring.own import load_scorer

    check_form(form)
    if scorer is not None and measure is not None:
        raise click.UsageError("--measure and --scorer are both given: choose one.")
    if lower_is_better and scorer is None:
        raise click.UsageError(
            "--lower-is-better is for --scorer: a measure says itself which way is better."
        )
    own = load_scorer(scorer, higher_is_better=not lower_is_better) if scorer is not None else None

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
        rows, missing = rescored(loaded, results, measure, task_of, own)
        faults += [*loaded.left_out, *missing]
        if rows:
            click.echo(rescored_text(name, rows, form, own), nl=False)
    raise_all(RecordError, faults)
