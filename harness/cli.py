"""The command ``harness``: parse, call, print. No arithmetic, and nothing heavy at import.

Answers go to stdout, remarks and progress to stderr. Exit codes: 0 done, 1 an invalid submission or
invalid data, 2 wrong usage, 130 interrupted.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from harness import __version__
from harness.errors import HarnessError, UsageError

if TYPE_CHECKING:
    from harness.evaluation import Run
    from harness.task import Task

DATA_VARIABLE = "HARNESS_DATA"

_Command = TypeVar("_Command", bound=Callable[..., None])


def main() -> None:
    """Run the command; the one place that catches the harness's errors."""
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
        for fault in error.faults:
            click.echo(f"error: {fault}", err=True)
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


def _interrupted() -> int:
    click.echo("interrupted: nothing half-written is left behind", err=True)
    return 130


def _task_options(command: _Command) -> _Command:
    """Options that say what is asked: split, part, feature, data."""
    for option in reversed(
        (
            click.option(
                "--split",
                metavar="NAME",
                help="A split of splits/, or a split file. Default: held-out-subjects (for DTU: dtu; for a"
                " challenge test set: challenge-2024).",
            ),
            click.option(
                "--part",
                type=click.Choice(["val", "test"]),
                default="test",
                show_default=True,
                help="The part of the split.",
            ),
            click.option(
                "--feature",
                type=click.Choice(["mel", "envelope"]),
                help="What is decoded. Default: mel (for DTU: envelope).",
            ),
            click.option(
                "--data",
                metavar="DIR",
                type=click.Path(path_type=Path),
                envvar=DATA_VARIABLE,
                help=f"Folder of a corpus. Default: ${DATA_VARIABLE}, else the simulated corpus, made on"
                " first use.",
            ),
            click.option(
                "--partial",
                is_flag=True,
                help="Go on although subjects of the part are not in the corpus; the record says so.",
            ),
        )
    ):
        command = option(command)
    return command


def _run_options(command: _Command) -> _Command:
    """Options that say how a submission is run."""
    for option in reversed(
        (
            click.option("--variant", metavar="NAME", help="A variant that the manifest names."),
            click.option(
                "--jobs",
                type=click.IntRange(1),
                default=1,
                show_default=True,
                help="Predictor processes that share the segments.",
            ),
            click.option(
                "--seed",
                type=click.IntRange(0, 2**32 - 1),
                default=0,
                show_default=True,
                help="Seed of the predictor's process.",
            ),
            click.option(
                "--time-limit",
                type=click.FloatRange(0, min_open=True),
                default=3600.0,
                show_default=True,
                metavar="SECONDS",
                help="Wall clock that the predictor may use.",
            ),
            click.option(
                "--memory-limit",
                type=click.FloatRange(0, min_open=True),
                default=8.0,
                show_default=True,
                metavar="GIB",
                help="Memory that the predictor may use.",
            ),
        )
    ):
        command = option(command)
    return command


_OUT_OPTION = click.option(
    "--out",
    metavar="DIR",
    type=click.Path(path_type=Path),
    default=Path("results"),
    show_default=True,
    help="Results folder for the score record.",
)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="harness")
def cli() -> None:
    """Score decoders of speech features from EEG: fixed splits, one scorer, one predict interface."""


@cli.command()
@click.argument("target", type=click.Path(path_type=Path))
@_task_options
@click.option(
    "--labels",
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="References that lie apart from the EEG: stimulus features, or files like predictions.",
)
@_run_options
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
    split: str | None,
    part: str,
    feature: str | None,
    data: Path | None,
    partial: bool,
    labels: Path | None,
    variant: str | None,
    jobs: int,
    seed: int,
    time_limit: float,
    memory_limit: float,
    as_json: bool,
    out: Path,
    save_predictions: Path | None,
) -> None:
    """Score TARGET: a submission folder, or predictions (.zip, .npz, or a folder of sub-*.json)."""
    from harness import console
    from harness.predictions import is_predictions
    from harness.records import record_bytes, write_record

    if is_predictions(target):
        _refuse_with_predictions(variant=variant, save_predictions=save_predictions)
        task = _open(data, split, part, feature, labels, partial)
        record = _score_predictions(task, target, seed)
    else:
        run = _run(variant, seed, jobs, time_limit, memory_limit)
        record = _score_submission(
            target, (data, split, part, feature, labels, partial), run, save_predictions
        )
    if as_json:
        click.echo(record_bytes(record), nl=False)
    else:
        console.answer(console.record_text(record))
    path, written = write_record(out, record)
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
@_task_options
@_run_options
def predict(
    submission: Path,
    out: Path,
    split: str | None,
    part: str,
    feature: str | None,
    data: Path | None,
    partial: bool,
    variant: str | None,
    jobs: int,
    seed: int,
    time_limit: float,
    memory_limit: float,
) -> None:
    """Write a submission's predictions; no labels are needed."""
    from harness import console
    from harness.evaluation import grouped, predicted, prepare
    from harness.predictions import check_destination, write_predictions
    from harness.submission import load_submission

    check_destination(out)
    loaded = load_submission(submission)
    task = _open(data, split, part, feature, None, partial)
    prepared = prepare(loaded, task, _run(variant, seed, jobs, time_limit, memory_limit))
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
@_task_options
@_run_options
def check(
    target: Path,
    split: str | None,
    part: str,
    feature: str | None,
    data: Path | None,
    partial: bool,
    variant: str | None,
    jobs: int,
    seed: int,
    time_limit: float,
    memory_limit: float,
) -> None:
    """Refuse what `score` would refuse, without labels: manifest, hashes, a dry run, shapes, numbers."""
    from harness import console
    from harness.checking import check_predictions, check_submission
    from harness.predictions import is_predictions

    if is_predictions(target):
        _refuse_with_predictions(variant=variant, save_predictions=None)
        task = _open(data, split, part, feature, None, partial)
        faults, checked = check_predictions(target, task)
    else:
        run = _run(variant, seed, jobs, time_limit, memory_limit)
        faults, checked = check_submission(
            target, lambda: _open(data, split, part, feature, None, partial), run
        )
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
@click.option("--feature", type=click.Choice(["mel", "envelope"]), help="What is decoded.")
@click.option(
    "--data",
    metavar="DIR",
    type=click.Path(path_type=Path),
    envvar=DATA_VARIABLE,
    help=f"Folder of a corpus. Default: ${DATA_VARIABLE}, else the simulated corpus.",
)
@click.option("--variant", metavar="NAME", help="A variant that the manifest names.")
@click.option("--seed", type=click.IntRange(0, 2**32 - 1), default=0, show_default=True, help="Seed.")
def train(
    submission: Path,
    split: str | None,
    feature: str | None,
    data: Path | None,
    variant: str | None,
    seed: int,
) -> None:
    """Train SUBMISSION on the training part, choosing on the validation part; writes its weights."""
    from harness import console
    from harness.submission import load_submission
    from harness.training import train_submission

    loaded = load_submission(submission)
    task = _open(data, split, "val", feature, None, False)
    with console.progress(f"training {loaded.name}") as show:
        trained = train_submission(
            loaded,
            task.corpus,
            task.split,
            task.feature,
            variant=variant,
            seed=seed,
            on_progress=show,
        )
    console.answer(f"{loaded.name} trained on {task.corpus.words} in {trained.seconds:.1f} s")
    for key, value in trained.report.items():
        if not isinstance(value, dict):
            console.answer(f"  {key}: {value:.6g}" if isinstance(value, float) else f"  {key}: {value}")
    console.answer(f"weights: {trained.path} (sha256 {trained.sha256[:16]}…, in the manifest)")
    where = f" --data {data}" if data else ""
    console.remark(f"next: harness score {submission}{where} --part val --feature {task.feature}")


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


@cli.command()
@click.argument("folder", metavar="FOLDER", type=click.Path(path_type=Path))
def new(folder: Path) -> None:
    """Make a submission that works, to start from: harness new submissions/my-model."""
    from harness import console
    from harness.scaffold import make_submission

    make_submission(folder)
    console.answer(f"{folder} made. Try it: harness check {folder}; harness score {folder} --part val")


def _open(
    data: Path | None,
    split: str | None,
    part: str,
    feature: str | None,
    labels: Path | None,
    partial: bool,
) -> Task:
    from harness import console
    from harness.task import open_task

    task = open_task(
        data or _simulated_corpus(),
        split_name=split,
        part=part,
        feature=feature,
        labels=labels,
        partial=partial,
    )
    for note in task.corpus.notes:
        console.remark(f"note: {note}")
    return task


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


def _run(variant: str | None, seed: int, jobs: int, time_limit: float, memory_limit: float) -> Run:
    from harness.evaluation import Run
    from harness.isolation import Limits

    return Run(variant, seed, jobs, Limits(time_limit, int(memory_limit * 2**30)))


def _score_submission(
    target: Path, options: tuple[Any, ...], how: Run, save_predictions: Path | None
) -> dict[str, Any]:
    from harness import console
    from harness.evaluation import grouped, predicted, prepare, score_task, submission_record
    from harness.predictions import check_destination, write_predictions
    from harness.segments import Fingerprint
    from harness.submission import load_submission

    if save_predictions is not None:
        check_destination(save_predictions)
    submission = load_submission(target)
    task = _open(*options)
    task.check_labels()
    prepared = prepare(submission, task, how)
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


def _score_predictions(task: Task, target: Path, seed: int) -> dict[str, Any]:
    from harness.evaluation import score_predictions

    return score_predictions(task, target, seed=seed)


def _refuse_with_predictions(*, variant: str | None, save_predictions: Path | None) -> None:
    for name, value in (("--variant", variant), ("--save-predictions", save_predictions)):
        if value is not None:
            raise click.UsageError(f"{name} is for submissions; TARGET is a predictions file.")


def _remark_output(name: str, output: str) -> None:
    from harness import console

    if output.strip():
        console.remark(f"{name} printed:\n" + "\n".join(f"  {line}" for line in output.splitlines()))
