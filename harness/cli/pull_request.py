"""``harness comment``, and the ranking of what a pull request changed."""

from __future__ import annotations

import functools
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.cli.executor import Where, run_scoring
from harness.cli.group import cli, examples
from harness.cli.open import simulated_corpus
from harness.errors import counted

if TYPE_CHECKING:
    from harness.records.record import Record


@cli.command(epilog=examples("harness comment ranking.json"))
@click.argument("file", metavar="DATA", type=click.Path(path_type=Path))
def comment(file: Path) -> None:
    """Print the Markdown of DATA, from `rank --changed-since --out`; DATA is checked first."""
    from harness.pull_request.comment import comment_text, load_data

    click.echo(comment_text(load_data(file)), nl=False)


def predict_changes(ref: str, board: str | None, jobs: int | None, data: Path | None, folder: Path) -> None:
    """Run the submissions that changed since a ref, and leave what they predict for another job."""
    from harness.boards.board import parse_board
    from harness.cli.output import answer, progress, remark
    from harness.execution import Run
    from harness.pull_request.changes import changes_since
    from harness.pull_request.rank import predict_changes

    changes = changes_since(ref)
    name = parse_board(board) if board else None
    corpus = data or simulated_corpus([name.corpus] if name else ())
    made = predict_changes(changes, corpus, Run(jobs=jobs), progress, folder, board=name)
    n_files = 0
    for path, reason in made:
        if reason:
            remark(f"{path}: {reason}")
        else:
            n_files += 1
            remark(f"predictions written to {path}")
    answer(f"{counted(n_files, 'file')} of predictions in {folder}")


def rank_changes(
    ref: str,
    board: str | None,
    jobs: int | None,
    data: Path | None,
    out: Path | None,
    records: Path | None,
    predictions: Path | None = None,
    own: Path | None = None,
    where: Where | None = None,
) -> None:
    """Check and score what changed since a ref, and print the boards with the change in rank."""
    import json

    from harness.boards.board import parse_board
    from harness.cli.output import progress, remark
    from harness.execution import Run
    from harness.files import write_atomically
    from harness.pull_request.changes import changes_since
    from harness.pull_request.comment import comment_text
    from harness.pull_request.rank import rank_changes

    changes = changes_since(ref)
    name = parse_board(board) if board else None
    run = Run(jobs=jobs)
    made = rank_changes(
        changes,
        data or simulated_corpus([name.corpus] if name else ()),
        run,
        progress,
        board=name,
        predictions=predictions,
        own=own,
        run_jobs=None if where is None else functools.partial(run_scoring, where, run),
    )
    if out is not None:
        write_atomically(out, (json.dumps(made.document, indent=1) + "\n").encode())
        remark(f"data written to {out}")
    click.echo(comment_text(made.document), nl=False)
    if records is not None:
        _write_all(records, made.scored)
    if made.stopped:
        sys.exit(1)


def _write_all(results: Path, records: Sequence[Record]) -> None:
    """Write records, and name all that have no place there at the end.

    Raises:
        RecordError: some were not written.
    """
    from harness.cli.output import remark
    from harness.errors import Fault, RecordError, raise_all
    from harness.records.store import write_record

    faults: list[Fault] = []
    for record in records:
        try:
            path, _ = write_record(results, record)
        except RecordError as error:
            faults += error.faults
        else:
            remark(f"record written to {path}")
    raise_all(RecordError, faults)
