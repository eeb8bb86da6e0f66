"""``harness rank``, ``compare``, ``history``, ``tables`` and ``page``: what records say together."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from harness.cli.executor import Where, executor_options
from harness.cli.group import cli, examples
from harness.cli.options import (
    BOARD_OPTION,
    JOBS_OPTION,
    RECORDINGS_OPTION,
    RESULTS_OPTION,
    board_option,
    format_option,
    path_option,
)
from harness.cli.pull_request import predict_changes, rank_changes
from harness.errors import counted

if TYPE_CHECKING:
    from harness.boards.board import Board

# Options of the two ways to rank: committed records, and what changed since a git ref. --board is for both.
OF_RECORDS = ("form", "sort", "bands", "seeds", "everything", "pairs", "results")
# OF_JOBS need submissions to be run and scored in one go.
OF_JOBS = ("executor", "slurm")
OF_CHANGES = ("data", "jobs", "out", "records", "predictions_out", "predictions", "own", *OF_JOBS)
# Those of OF_CHANGES that only a job that scores takes, not one that only predicts.
OF_SCORING = ("out", "records", "predictions", "own")


@cli.command(
    epilog=examples(
        "harness rank --board simulated/held-out-subjects/test/mel --format md",
        "harness rank --changed-since origin/main --out ranking.json",
    )
)
@BOARD_OPTION
@format_option("text, md, csv, latex, html or json.")
@click.option("--sort", default="rank", show_default=True, metavar="KEY", help="rank, name or date.")
@click.option("--bands", is_flag=True, help="r of every band of the feature too.")
@click.option("--seeds", is_flag=True, help="Every training of a system with several of them too.")
@click.option(
    "--all",
    "everything",
    is_flag=True,
    help="Rank ablations with all other systems, not only beside their own full net.",
)
@click.option("--pairs", is_flag=True, help="Adjusted p of every pair too (text, md).")
@RESULTS_OPTION
@click.option(
    "--changed-since",
    "ref",
    metavar="REF",
    help="Check and score what changed since a git ref, and print the boards with the change in rank. The"
    " options below are for this; those above, but for --board, are not.",
)
@RECORDINGS_OPTION
@JOBS_OPTION
@path_option(
    "--out",
    "FILE",
    "The ranking as data, for `harness comment`.",
)
@path_option(
    "--records",
    "DIR",
    "A results folder for the records made.",
)
@path_option(
    "--predictions-out",
    "DIR",
    "Only run the changed submissions, and leave their predictions in DIR.",
)
@path_option(
    "--predictions",
    "DIR",
    "Score the changed submissions from what --predictions-out left; the code that"
    " runs is the base's, and none of theirs runs.",
)
@path_option(
    "--own",
    "FILE",
    "With --predictions: what the changed harness itself gave --out, shown beside as its word.",
)
@executor_options
@click.pass_context
def rank(
    context: click.Context,
    board: str | None,
    form: str,
    sort: str,
    bands: bool,
    seeds: bool,
    everything: bool,
    pairs: bool,
    results: Path,
    ref: str | None,
    data: Path | None,
    jobs: int | None,
    out: Path | None,
    records: Path | None,
    predictions_out: Path | None,
    predictions: Path | None,
    own: Path | None,
    where: Where | None,
) -> None:
    """Rank the committed records of each board: rank intervals, ties, chance."""
    if ref is None:
        _refuse_given(context, OF_CHANGES, "for --changed-since only")
        _rank_records(board, form, sort, bands, seeds, everything, pairs, results)
    else:
        _refuse_given(context, OF_RECORDS, "for committed records, not for --changed-since")
        if predictions_out is not None:
            _refuse_given(context, OF_SCORING, "not for --predictions-out, which scores nothing")
            _refuse_given(context, OF_JOBS, "not for --predictions-out, which runs in one process")
            predict_changes(ref, board, jobs, data, predictions_out)
            return
        if predictions is None:
            _refuse_given(context, ("own",), "for --predictions only")
        else:
            _refuse_given(context, OF_JOBS, "not for --predictions, which runs no submission")
        rank_changes(ref, board, jobs, data, out, records, predictions, own, where)


def _rank_records(
    board: str | None,
    form: str,
    sort: str,
    bands: bool,
    seeds: bool,
    everything: bool,
    pairs: bool,
    results: Path,
) -> None:
    from harness.boards.board import board_names, load_board, parse_board
    from harness.boards.formats import boards_text, check_choices
    from harness.boards.ranking import rank as ranked

    check_choices(form, sort)
    names = [parse_board(board)] if board else board_names(results)
    boards = [load_board(results, name) for name in names]
    rankings = [ranked(one, everything=everything) for one in boards if not one.empty]
    if rankings:
        text = boards_text(
            rankings, form, sort=sort, bands=bands, seeds=seeds, pairs=pairs, one=board is not None
        )
        click.echo(text, nl=False)
    _name_left_out(boards)


def _name_left_out(boards: Sequence[Board]) -> None:
    """Name every record that a board was shown without, and end with 1 where there is any."""
    from harness.errors import RecordError, raise_all

    raise_all(RecordError, list(dict.fromkeys(fault for board in boards for fault in board.left_out)))


def _refuse_given(context: click.Context, names: Collection[str], why: str) -> None:
    """Refuse options that were given on the command line and would change nothing."""
    given = [
        parameter.opts[0]
        for parameter in context.command.params
        if parameter.name in names
        and context.get_parameter_source(parameter.name) is click.core.ParameterSource.COMMANDLINE
    ]
    if given:
        raise click.UsageError(f"{', '.join(given)}: {why}.")


@cli.command(epilog=examples("harness history --board simulated/held-out-subjects/test/mel"))
@BOARD_OPTION
@click.option("--json", "as_json", is_flag=True, help="Print the events as JSON.")
def history(board: str | None, as_json: bool) -> None:
    """What happened to the committed records: added, improved, withdrawn, re-scored; from git's history."""
    from harness.boards.board import parse_board
    from harness.boards.history import history as past
    from harness.boards.history import history_json, history_text
    from harness.cli.output import answer

    chosen = str(parse_board(board)) if board else None
    events = [event for event in past() if chosen in (None, event.board)]
    answer(history_json(events) if as_json else history_text(events))


@cli.command(
    epilog=examples(
        "harness compare catwavenet linear", "harness compare results/dtu/dtu/val/envelope/linear.json"
    )
)
@click.argument("first", metavar="A")
@click.argument("second", metavar="[B]", required=False)
@board_option("that of the records, see above")
@format_option("text, md, csv, latex, html or json.")
@RESULTS_OPTION
def compare(first: str, second: str | None, board: str | None, form: str, results: Path) -> None:
    """Compare A with B, or with its whole board.

    Each is a record's file, a submission (its first variant), or a name on the board, such as
    vlaai-original. Without --board, the board is that of the record's file, or of the only record; else
    simulated/held-out-subjects/test/mel.
    """
    from harness.boards.board import load_board, parse_board
    from harness.boards.compare import compare as compared
    from harness.boards.compare import find_pair, find_record
    from harness.boards.compared import against_board_text, check_form, comparison_text

    check_form(form)
    chosen = parse_board(board) if board else None
    if second is None:
        one = find_record(first, results, chosen)
        own = load_board(results, one.board)
        click.echo(against_board_text(one, own, form), nl=False)
        _name_left_out([own])
    else:
        pair = find_pair(first, second, results, chosen)
        click.echo(comparison_text(compared(*pair), form), nl=False)


@cli.command(epilog=examples("harness tables ssm2mel", "harness tables official-2024 --format md --bands"))
@click.argument("paper", required=False)
@BOARD_OPTION
@format_option("text, md, csv, latex, html or json.")
@click.option("--bands", is_flag=True, help="r of every mel band too (official-2024).")
@RESULTS_OPTION
def tables(paper: str | None, board: str | None, form: str, bands: bool, results: Path) -> None:
    """Regenerate the tables of PAPER (catwavenet, ssm2mel, dmf2mel, music, official-2024), or of all."""
    from harness.boards.board import parse_board
    from harness.boards.papers import (
        PAPERS,
        load_paper,
        official_rows,
        official_text,
        once_each,
        paper_tables,
        table_rows,
        tables_text,
    )
    from harness.boards.sheet import csv_text

    chosen = parse_board(board) if board else None
    texts, boards = [], []
    rows: list[dict[str, Any]] = []  # of csv, which is one table of all papers
    read = once_each()
    for name in [paper] if paper else [*PAPERS, "official-2024"]:
        if name == "official-2024":
            texts.append(official_text(form, bands=bands))
            rows += official_rows(bands=bands)
            continue
        filled = paper_tables(name, results, chosen, read=read)
        texts.append(tables_text(load_paper(name), filled, form))
        rows += table_rows(load_paper(name), filled)
        boards += [board for table in filled for board in table.boards.values()]
    if form == "json" and paper is None:
        texts = ["[\n" + ",\n".join(text.rstrip() for text in texts) + "\n]\n"]
    if form == "csv" and paper is None:
        texts = [csv_text(rows)]
    click.echo("\n".join(texts), nl=False)
    _name_left_out(boards)


@cli.command(epilog=examples("harness page site"))
@click.argument("out", metavar="OUT", type=click.Path(path_type=Path))
@click.option(
    "--repository",
    metavar="URL",
    help="Where the repository is, https://...; every page links to it. Default: git's remote origin.",
)
@RESULTS_OPTION
def page(out: Path, repository: str | None, results: Path) -> None:
    """Write every board and system as static pages in the folder OUT; they work from the disk."""
    from harness.cli.output import answer
    from harness.page import build_page
    from harness.page.about import repository_url

    built = build_page(out, results, repository=repository_url(repository, Path()))
    answer(f"{out / 'index.html'}: {counted(built.n_files, 'file')}, {built.n_bytes / 1000:.0f} kB")
    _name_left_out(built.boards)
