"""The command ``harness``: parse, call, print. No arithmetic, and nothing heavy at import.

Answers go to stdout, remarks and progress to stderr. Exit codes: 0 done, 1 an invalid submission or
invalid data, 2 wrong usage, 130 interrupted.
"""

from __future__ import annotations

import io
import os
import shlex
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from harness import __version__
from harness.errors import MAX_SHOWN, Fault, HarnessError, UsageError
from harness.options import (
    DATA_OPTION,
    DATA_VARIABLE,
    FEATURE_OPTION,
    SEED_OPTION,
    VARIANT_OPTION,
    Asked,
    How,
    asked_options,
    how_options,
)

if TYPE_CHECKING:
    from harness.task import Task


def main() -> None:
    """Run the command; the one place that catches the harness's errors."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a name that the terminal cannot show is no reason to fail
            stream.reconfigure(errors="backslashreplace")
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _terminated)
    try:
        code = cli.main(standalone_mode=False)
    except click.exceptions.Abort:
        code = _interrupted()
    except KeyboardInterrupt:
        code = _interrupted()
    except click.ClickException as error:
        error.show()
        code = error.exit_code
    except HarnessError as error:
        for fault in error.faults[:MAX_SHOWN]:
            click.echo(f"error: {fault}", err=True)
        if len(error.faults) > MAX_SHOWN:
            click.echo(f"and {len(error.faults) - MAX_SHOWN} more", err=True)
        code = 2 if isinstance(error, UsageError) else 1
    except BrokenPipeError:
        # The reader of a pipe has gone; stdout is replaced so that closing it says nothing either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 1
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        click.echo(f"error: {where}{error.strerror or error}", err=True)
        code = 1
    sys.exit(code or 0)


def _terminated(number: int, _frame: object) -> NoReturn:
    """End as an interrupt does: everything on the way is closed and removed."""
    sys.exit(128 + number)


def _interrupted() -> int:
    click.echo("interrupted: nothing half-written is left behind", err=True)
    return 130


def _results_folder(name: str, help_text: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    return click.option(
        name,
        metavar="DIR",
        type=click.Path(path_type=Path),
        default=Path("results"),
        show_default=True,
        help=help_text,
    )


_OUT_OPTION = _results_folder("--out", "Results folder for the score record.")


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="harness")
def cli() -> None:
    """Score decoders of speech features from EEG: fixed splits, one scorer, one predict interface."""


@cli.command()
@click.argument("target", type=click.Path(path_type=Path))
@asked_options
@click.option(
    "--labels",
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="References that lie apart from the EEG: stimulus features, or files like predictions.",
)
@how_options
@click.option("--json", "as_json", is_flag=True, help="Print the score record, and only it.")
@_OUT_OPTION
@click.option(
    "--save-predictions",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Keep the predictions: .zip (official format) or .npz.",
)
def score(
    target: Path,
    asked: Asked,
    labels: Path | None,
    how: How,
    as_json: bool,
    out: Path,
    save_predictions: Path | None,
) -> None:
    """Score TARGET: a submission folder, or predictions (.zip, .npz, or a folder of sub-*.json)."""
    from harness import console
    from harness.evaluation import score_predictions
    from harness.predictions import is_predictions
    from harness.records import record_bytes, write_record

    if is_predictions(target):
        _refuse_with_predictions(variant=how.variant, save_predictions=save_predictions)
        record = score_predictions(_open(asked, labels), target, seed=how.seed)
    else:
        record = _score_submission(target, asked, labels, how, save_predictions)
    try:
        path, written = write_record(out, record)
    finally:  # a folder that cannot be written must not cost the score
        if as_json:
            click.echo(record_bytes(record), nl=False)
        else:
            console.answer(console.record_text(record))
    console.remark(f"record {'written to' if written else 'unchanged in'} {path}")


@cli.command()
@click.argument("submission", type=click.Path(path_type=Path))
@click.option(
    "--out",
    metavar="FILE",
    type=click.Path(path_type=Path),
    required=True,
    help="Predictions: .zip (official challenge format) or .npz.",
)
@asked_options
@how_options
def predict(
    submission: Path,
    out: Path,
    asked: Asked,
    how: How,
) -> None:
    """Write a submission's predictions; no labels are needed."""
    from harness import console
    from harness.evaluation import grouped, predicted, prepare
    from harness.predictions import check_destination, write_predictions
    from harness.submission import load_submission

    check_destination(out)
    loaded = load_submission(submission)
    task = _open(asked)
    prepared = prepare(loaded, task, how.run())
    with (
        console.progress(f"predicting with {loaded.name}") as show,
        predicted(prepared, on_progress=show) as run,
    ):
        _remark_output(loaded.name, run.output)
        write_predictions(out, grouped(task, run.predictions))
    console.answer(
        f"{len(task.segments)} segments of {len(task.by_subject)} subjects predicted by {loaded.name}"
        f" ({task.feature}, {task.corpus.words}) -> {out}"
    )


@cli.command()
@click.argument("target", type=click.Path(path_type=Path))
@asked_options
@how_options
def check(
    target: Path,
    asked: Asked,
    how: How,
) -> None:
    """Refuse what `score` would refuse, without labels: manifest, hashes, a dry run, shapes, numbers."""
    from harness import console
    from harness.checking import check_predictions, check_submission
    from harness.predictions import is_predictions

    if is_predictions(target):
        _refuse_with_predictions(variant=how.variant, save_predictions=None)
        faults, checked = check_predictions(target, _open(asked))
    else:
        faults, checked = check_submission(target, lambda: _open(asked), how.run())
    for line in checked:
        console.answer(f"ok: {line}")
    if faults:
        raise HarnessError(*faults)
    console.answer(f"{target} can be scored")


@cli.command()
@click.argument("submission", type=click.Path(path_type=Path))
@click.option(
    "--split",
    metavar="NAME",
    help="Whose training part. Default: held-out-subjects (for DTU: dtu).",
)
@FEATURE_OPTION
@DATA_OPTION
@VARIANT_OPTION
@click.option(
    "--preset", metavar="NAME", help="A recipe of the submission, paper or compact. Default: compact."
)
@click.option("--epochs", type=click.IntRange(1), help="Instead of the recipe's.")
@click.option(
    "--device",
    type=click.Choice(["auto", "cpu", "cuda"]),
    default="auto",
    show_default=True,
    help="auto: a GPU where there is one.",
)
@click.option("--resume", is_flag=True, help="Go on from the last checkpoint, where there is one.")
@SEED_OPTION
@click.option(
    "--out",
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="Folder for checkpoint and log. Default: SUBMISSION/training/<corpus>-<feature>-<preset>.",
)
def train(
    submission: Path,
    split: str | None,
    feature: str | None,
    data: Path | None,
    variant: str | None,
    preset: str | None,
    epochs: int | None,
    device: str,
    resume: bool,
    seed: int,
    out: Path | None,
) -> None:
    """Train SUBMISSION on the training part, choosing on the validation part; writes its weights."""
    from contextlib import nullcontext

    from harness import console
    from harness.submission import load_submission
    from harness.training import Options, train_submission
    from harness.training.processes import this_process

    loaded = load_submission(submission)
    task = _open(Asked(split, "val", feature, data, partial=False))
    first = this_process().rank == 0
    with console.progress(f"training {loaded.name}") if first else nullcontext() as show:
        trained = train_submission(
            loaded,
            task.corpus,
            task.split,
            task.feature,
            variant=variant,
            seed=seed,
            options=Options(preset, epochs, device, resume, out),
            on_progress=show,
        )
    if trained is None:  # one of several processes, and not the one that writes
        return
    console.answer(f"{loaded.name} trained on {task.corpus.words} in {trained.seconds:.1f} s")
    for key, value in trained.report.items():
        if not isinstance(value, dict):
            console.answer(f"  {key}: {value:.6g}" if isinstance(value, float) else f"  {key}: {value}")
    console.answer(f"weights: {trained.path} (sha256 {trained.sha256[:16]}…, in the manifest)")
    if trained.folder:
        console.remark(f"log and checkpoint: {trained.folder}")
    console.remark(f"next: {_score_command(submission, data, split, task.feature, variant)}")


@cli.command("import-weights")
@click.argument("submission", type=click.Path(path_type=Path))
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--corpus",
    type=click.Choice(["sparrkulee", "simulated", "dtu"]),
    required=True,
    help="The corpus that the weights are for.",
)
@click.option(
    "--feature", type=click.Choice(["mel", "envelope"]), required=True, help="What the weights decode."
)
@click.option(
    "--split",
    metavar="NAME",
    help="The split that they are for. Default: held-out-subjects (for DTU: dtu).",
)
@VARIANT_OPTION
def import_weights(
    submission: Path, file: Path, corpus: str, feature: str, split: str | None, variant: str | None
) -> None:
    """Convert a release's weights, FILE (.safetensors, .npz or .pt), into SUBMISSION's own."""
    from harness import console
    from harness.splits import default_split, load_split
    from harness.submission import load_submission
    from harness.training.importing import import_weights as convert

    loaded = load_submission(submission)
    chosen = load_split(split or default_split(corpus, "trials" if corpus == "dtu" else "preprocessed"))
    path, sha256 = convert(loaded, file, corpus, chosen, feature, variant=variant)
    console.answer(f"weights: {path} (sha256 {sha256[:16]}…, in the manifest)")
    console.remark("What these weights have seen is not on record; score records will say so.")
    where = None if corpus == "simulated" else Path("DIR")
    console.remark(f"next: {_score_command(submission, where, split, feature, variant)}")


@cli.group()
def data() -> None:
    """Make, fetch and describe corpora."""


@data.command("simulate")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option(
    "--seed", type=click.IntRange(0), default=1, show_default=True, help="Another seed, other data."
)
def data_simulate(folder: Path, seed: int) -> None:
    """Make the simulated corpus in DIR, in SparrKULee's own layout."""
    from harness import console
    from harness.corpus.simulated import simulate
    from harness.corpus.simulated_recipe import Recipe

    with console.progress("simulating a corpus") as show:
        simulate(folder, Recipe(seed=seed), on_progress=show)
    console.answer(f"simulated corpus (no real EEG) in {folder}")


@data.command("fetch")
@click.argument("name", type=click.Choice(["dtu"]))
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--subjects", metavar="LIST", help="Only these, e.g. S1,S9. Default: all with a known sha256.")
@click.option(
    "--unverified",
    is_flag=True,
    help="Also fetch subjects whose files have no sha256 on record (S11..S18).",
)
@click.option("--url", metavar="URL", help="Another place that serves the same files.")
def data_fetch(name: str, folder: Path, subjects: str | None, unverified: bool, url: str | None) -> None:
    """Fetch a public corpus into DIR, file by file, each checked; a second call goes on."""
    from harness import console
    from harness.corpus.fetch import fetch_dtu

    chosen = None if subjects is None else tuple(subjects.replace(" ", "").split(","))
    with console.progress(f"fetching {name}") as show:
        fetched = fetch_dtu(folder, subjects=chosen, unverified=unverified, url=url, on_progress=show)
    console.answer(f"{fetched.downloaded} files fetched, {fetched.present} were there already, in {folder}")
    for line in fetched.remarks:
        console.remark(line)


@data.command("describe")
@click.argument("folder", metavar="[DIR]", type=click.Path(path_type=Path), required=False)
@click.option("--json", "as_json", is_flag=True, help="Print the description as JSON.")
def data_describe(folder: Path | None, as_json: bool) -> None:
    """Say what corpus lies in DIR: subjects, minutes, labels by split and part, what is broken."""
    import json

    from harness import console
    from harness.corpus import open_corpus
    from harness.corpus.locate import layouts
    from harness.description import describe

    given = folder or (Path(os.environ[DATA_VARIABLE]) if os.environ.get(DATA_VARIABLE) else None)
    chosen = given or _simulated_corpus()
    corpus = open_corpus(chosen)
    description = describe(corpus, layouts(chosen))
    if as_json:
        console.answer(json.dumps(description, indent=1))
    else:
        console.answer(console.description_text(description))
    if description["faults"]:
        sys.exit(1)


_RESULTS_OPTION = _results_folder("--results", "Folder of score records.")


def _board_option(default: str) -> Callable[[Any], Any]:
    return click.option(
        "--board", metavar="CORPUS/SPLIT/PART/FEATURE", help=f"Which board. Default: {default}."
    )


_BOARD_OPTION = _board_option("all")


@cli.command()
@_BOARD_OPTION
@click.option(
    "--format",
    "form",
    default="text",
    show_default=True,
    metavar="FORMAT",
    help="text, md, csv, latex, html or json.",
)
@click.option("--sort", default="rank", show_default=True, metavar="KEY", help="rank, name or date.")
@click.option("--bands", is_flag=True, help="r of every mel band too.")
@click.option("--pairs", is_flag=True, help="Adjusted p of every pair too (text, md).")
@click.option(
    "--changed-since",
    "ref",
    metavar="REF",
    help="Check and score what changed since a git ref, and print the boards with the change in rank.",
)
@DATA_OPTION
@click.option("--jobs", type=click.IntRange(1), default=1, show_default=True, help="Predictor processes.")
@click.option(
    "--out",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="With --changed-since: the ranking as data, for `harness comment`.",
)
@click.option(
    "--records",
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="With --changed-since: a results folder for the records made.",
)
@_RESULTS_OPTION
def rank(
    board: str | None,
    form: str,
    sort: str,
    bands: bool,
    pairs: bool,
    ref: str | None,
    data: Path | None,
    jobs: int,
    out: Path | None,
    records: Path | None,
    results: Path,
) -> None:
    """Rank the committed records of each board: rank intervals, ties, chance."""
    from harness.board_tables import boards_text
    from harness.leaderboard import board_names, load_board, parse_board
    from harness.leaderboard import rank as ranked

    if ref is not None:
        _rank_changes(ref, board, How(None, jobs, 0), data, out, records)
        return
    for name, value in (("--out", out), ("--records", records)):
        if value is not None:
            raise click.UsageError(f"{name} is for --changed-since.")
    names = [parse_board(board)] if board else board_names(results)
    rankings = [ranked(load_board(results, name)) for name in names]
    click.echo(
        boards_text(rankings, form, sort=sort, bands=bands, pairs=pairs, one=board is not None), nl=False
    )


@cli.command()
@click.argument("file", metavar="DATA", type=click.Path(path_type=Path))
def comment(file: Path) -> None:
    """Print the Markdown of DATA, from `rank --changed-since --out`; DATA is validated, never trusted."""
    from harness.ranking_comment import comment_text, load_data

    click.echo(comment_text(load_data(file)), nl=False)


@cli.command()
@_BOARD_OPTION
@click.option("--json", "as_json", is_flag=True, help="Print the events as JSON.")
def history(board: str | None, as_json: bool) -> None:
    """What happened to the committed records: added, improved, withdrawn, re-scored; from git's history."""
    from harness import console
    from harness.history import history as past
    from harness.history import history_json, history_text
    from harness.leaderboard import parse_board

    chosen = str(parse_board(board)) if board else None
    events = [event for event in past() if chosen in (None, event.board)]
    console.answer(history_json(events) if as_json else history_text(events))


@cli.command()
@click.argument("first", metavar="A")
@click.argument("second", metavar="[B]", required=False)
@_board_option("that of the records, see above")
@_RESULTS_OPTION
def compare(first: str, second: str | None, board: str | None, results: Path) -> None:
    """Compare A with B, or with its whole board.

    Each is a record's file, a submission (its first variant), or a name on the board, such as
    vlaai-original. Without --board, the board is that of the record's file, or of the only record; else
    simulated/held-out-subjects/test/mel.
    """
    from harness import console
    from harness.comparison import against_board_text, comparison_text, find_record
    from harness.comparison import compare as compared
    from harness.leaderboard import parse_board

    chosen = parse_board(board) if board else None
    if chosen is None and second is not None and Path(second).suffix == ".json":
        chosen = find_record(second, results, None).board  # a file says which
    one = find_record(first, results, chosen)
    chosen = chosen or one.board
    if second is None:
        console.answer(against_board_text(one, results))
    else:
        console.answer(comparison_text(compared(one, find_record(second, results, chosen))))


@cli.command()
@click.argument("record", type=click.Path(path_type=Path))
@click.argument("target", type=click.Path(path_type=Path), required=False)
@DATA_OPTION
@click.option(
    "--labels",
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="References that lie apart from the EEG, as for score.",
)
@click.option("--jobs", type=click.IntRange(1), default=1, show_default=True, help="Predictor processes.")
def verify(record: Path, target: Path | None, data: Path | None, labels: Path | None, jobs: int) -> None:
    """Make RECORD again from TARGET, its submission or stored predictions, and say what differs.

    Without TARGET, the package of the record's name below baselines/ or submissions/ is taken.
    """
    from harness import console
    from harness.evaluation import score_predictions
    from harness.records import read_record
    from harness.verification import find_package, verification_text
    from harness.verification import verify as verified

    recorded = read_record(record)
    split, corpus = recorded["split"], recorded["corpus"]
    asked = Asked(split["name"], split["part"], recorded["feature"], data, recorded["flags"]["partial"])
    chosen = target or find_package(recorded["submission"]["name"])
    if corpus["kind"] == "real" and data is None:
        raise UsageError(
            Fault("--data", "not given", f"the {corpus['name']} corpus that the record was scored on")
        )
    if recorded["submission"]["kind"] == "predictions":
        made = score_predictions(_open(asked, labels), chosen, seed=recorded["seed"])
    else:
        how = How(recorded["submission"]["variant"], jobs, recorded["seed"])
        made = _score_submission(chosen, asked, labels, how, None)
    verification = verified(recorded, made)
    console.answer(verification_text(verification, recorded))
    if not verification.reproduced:
        sys.exit(1)


@cli.command()
@click.argument("paper", required=False)
@_BOARD_OPTION
@click.option(
    "--format",
    "form",
    default="text",
    show_default=True,
    metavar="FORMAT",
    help="text, md, latex, html or json.",
)
@click.option("--bands", is_flag=True, help="r of every mel band too (official-2024).")
@_RESULTS_OPTION
def tables(paper: str | None, board: str | None, form: str, bands: bool, results: Path) -> None:
    """Regenerate the tables of PAPER (catwavenet, ssm2mel, dmf2mel, music, official-2024), or of all."""
    from harness.leaderboard import parse_board
    from harness.papers import PAPERS, official_text, paper_text

    chosen = parse_board(board) if board else None
    texts = [
        official_text(form, bands=bands)
        if name == "official-2024"
        else paper_text(name, results, board=chosen, form=form)
        for name in ([paper] if paper else [*PAPERS, "official-2024"])
    ]
    if form == "json" and paper is None:
        texts = ["[\n" + ",\n".join(text.rstrip() for text in texts) + "\n]\n"]
    click.echo("\n".join(texts), nl=False)


@cli.command()
@click.argument("out", metavar="OUT", type=click.Path(path_type=Path))
@_RESULTS_OPTION
def page(out: Path, results: Path) -> None:
    """Write every board and system as static pages in the folder OUT; they work from the disk."""
    from harness import console
    from harness.page import build_page

    built = build_page(out, results)
    console.answer(f"{out / 'index.html'}: {built.n_files} files, {built.n_bytes / 1000:.0f} kB")


@cli.command()
@click.argument("folder", metavar="FOLDER", type=click.Path(path_type=Path))
def new(folder: Path) -> None:
    """Make a submission that works, to start from: harness new submissions/my-model."""
    from harness import console
    from harness.scaffold import make_submission

    make_submission(folder)
    console.answer(f"{folder} made. Try it: harness check {folder}; harness score {folder} --part val")


def _score_command(
    submission: Path, data: Path | None, split: str | None, feature: str, variant: str | None
) -> str:
    """The command that scores the weights just written."""
    options = {"--data": data, "--split": split, "--variant": variant}
    given = "".join(f" {name} {shlex.quote(str(value))}" for name, value in options.items() if value)
    return f"harness score {shlex.quote(str(submission))}{given} --part val --feature {feature}"


def _open(asked: Asked, labels: Path | None = None) -> Task:
    from harness import console
    from harness.task import open_task

    task = open_task(
        asked.data or _simulated_corpus(),
        split_name=asked.split,
        part=asked.part,
        feature=asked.feature,
        labels=labels,
        partial=asked.partial,
    )
    for note in task.corpus.notes:
        console.remark(f"note: {note}")
    return task


def _rank_changes(
    ref: str, board: str | None, how: How, data: Path | None, out: Path | None, records: Path | None
) -> None:
    import json

    from harness import console
    from harness.changes import changes_since
    from harness.files import write_atomically
    from harness.leaderboard import parse_board
    from harness.pull_request import rank_changes
    from harness.ranking_comment import comment_text
    from harness.records import write_record

    changes = changes_since(ref)
    name = parse_board(board) if board else None
    made = rank_changes(changes, data or _simulated_corpus(), how.run(), console.progress, board=name)
    if out is not None:
        write_atomically(out, (json.dumps(made.document, indent=1) + "\n").encode())
        console.remark(f"data written to {out}")
    click.echo(comment_text(made.document), nl=False)
    if records is not None:
        for record in made.scored:
            console.remark(f"record written to {write_record(records, record)[0]}")
    if made.stopped:
        sys.exit(1)


def _simulated_corpus() -> Path:
    """The simulated corpus in the user's cache, made where it is not there yet."""
    from harness import console
    from harness.corpus.simulated import default_folder, is_complete, simulate

    folder = default_folder()
    if not is_complete(folder):
        console.remark(f"No --data: making the simulated corpus once, in {folder} (no real EEG).")
        with console.progress("simulating a corpus") as show:
            simulate(folder, on_progress=show)
    return folder


def _score_submission(
    target: Path, asked: Asked, labels: Path | None, how: How, save_predictions: Path | None
) -> dict[str, Any]:
    from harness import console
    from harness.evaluation import grouped, predicted, prepare, score_task, submission_record
    from harness.predictions import check_destination, write_predictions
    from harness.segments import Fingerprint
    from harness.submission import load_submission

    if save_predictions is not None:
        check_destination(save_predictions)
    submission = load_submission(target)
    task = _open(asked, labels)
    task.check_labels()
    prepared = prepare(submission, task, how.run())
    seen = Fingerprint()
    with (
        console.progress(f"predicting with {submission.name}") as show,
        predicted(prepared, on_progress=show, seen=seen) as run,
    ):
        _remark_output(submission.name, run.output)
        if save_predictions is not None:
            write_predictions(save_predictions, grouped(task, run.predictions))
            console.remark(f"predictions written to {save_predictions}")
        return submission_record(prepared, score_task(task, grouped(task, run.predictions), seen), run, seen)


def _refuse_with_predictions(*, variant: str | None, save_predictions: Path | None) -> None:
    for name, value in (("--variant", variant), ("--save-predictions", save_predictions)):
        if value is not None:
            raise click.UsageError(f"{name} is for submissions; TARGET is a predictions file.")


def _remark_output(name: str, output: str) -> None:
    from harness import console

    if output.strip():
        console.remark(f"{name} printed:\n" + "\n".join(f"  {line}" for line in output.splitlines()))
