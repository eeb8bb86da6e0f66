"""``harness queue``: an organiser's inbox without a server."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click

from harness.cli.executor import OWN_GIB, Where, executor_options
from harness.cli.group import cli, examples
from harness.cli.options import path_option

FOLDER = click.argument("folder", metavar="FOLDER", type=click.Path(path_type=Path))
# A worker on a cluster asks for the time of so many of the longest jobs; then it is queued again.
_JOBS_A_WORKER = 2
_JSON = click.option("--json", "as_json", is_flag=True, help="Print it as JSON, and only it.")


@cli.group(epilog=examples("harness queue init inbox --split held-out-subjects", "harness queue work inbox"))
def queue() -> None:
    """Take what teams drop into a folder, score each once, and keep quotas, reasons and records.

    docs/queue.md says how a queue works, and what it relies on.
    """


@queue.command(
    epilog=examples(
        "harness queue init inbox --split held-out-subjects --part val",
        "harness queue init inbox --per-day 5 --closes 2026-09-01T00:00:00Z --sealed-phase final",
    )
)
@FOLDER
@click.option("--split", metavar="NAME", help="A split's name, or a split file (.json).")
@click.option(
    "--part",
    type=click.Choice(["val", "test"]),
    default="test",
    show_default=True,
    help="The part of the split.",
)
@click.option("--feature", metavar="NAME", help="What is decoded. Default: the split's first.")
@path_option("--data", "DIR", "Folder of the corpus. Default: a simulated one, made on first use.")
@path_option("--labels", "DIR", "References that lie apart from the EEG.")
@click.option("--corpus", metavar="NAME", help="Which corpus, where only labels are here.")
@click.option(
    "--phase", "phase_name", metavar="NAME", default="open", show_default=True, help="The first phase."
)
@click.option("--opens", metavar="TIME", help="Of the phase, UTC, like 2026-09-01T00:00:00Z.")
@click.option("--closes", metavar="TIME", help="Likewise; a sealed phase needs it, and opens then.")
@click.option("--per-day", type=click.IntRange(1), metavar="N", help="The most of a team in a day (UTC).")
@click.option("--total", type=click.IntRange(1), metavar="N", help="The most of a team in the phase.")
@click.option("--sealed-phase", metavar="NAME", help="A second phase: one shot, scored when it is opened.")
def init(
    folder: Path,
    split: str | None,
    part: str,
    feature: str | None,
    data: Path | None,
    labels: Path | None,
    corpus: str | None,
    phase_name: str,
    opens: str | None,
    closes: str | None,
    per_day: int | None,
    total: int | None,
    sealed_phase: str | None,
) -> None:
    """Make the queue FOLDER, with the settings queue.toml; the task is opened once, to see that it can be."""
    from harness.cli.output import answer
    from harness.conventions import quoted
    from harness.errors import Fault, QueueError, counted
    from harness.files import write_atomically
    from harness.queue.child import open_phase
    from harness.queue.settings import SETTINGS, parse_settings

    path = folder / SETTINGS
    if path.exists() or path.is_symlink():
        raise QueueError(
            Fault(str(path), "is there already", "a new queue", "Edit it, or choose another folder.")
        )
    if sealed_phase and not closes:
        raise click.UsageError("--sealed-phase begins when the first phase ends: say --closes.")
    name = str(Path(split).resolve()) if split and split.endswith(".json") else split
    task = {
        "data": str(data.resolve()) if data else None,
        "labels": str(labels.resolve()) if labels else None,
        "corpus": corpus,
        "split": name,
        "part": part,
        "feature": feature,
    }
    one = {"name": phase_name, "opens": opens, "closes": closes, "per_day": per_day, "total": total}
    phases = [one]
    if sealed_phase:
        results = f"results-{sealed_phase}"
        phases.append({"name": sealed_phase, "opens": closes, "sealed": True, "results": results})
    text = "\n".join(["[task]", *_lines(task), *(f"\n[[phase]]\n{chr(10).join(_lines(p))}" for p in phases)])
    settings = parse_settings((text + "\n").encode(), folder.resolve())
    opened = open_phase(settings, settings.phases[0], predictions=True)
    opened.check_labels()
    for below in ("inbox", "jobs", "reports"):
        (folder / below).mkdir(parents=True, exist_ok=True)
    write_atomically(path, (text + "\n").encode())
    asked = counted(len(opened.segments), "segment")
    answer(f"{path}: {asked} of {opened.part}, {opened.feature}, {opened.corpus.words}")
    answer(f"Teams drop files into {folder / 'inbox'}/TEAM. A worker: harness queue work {quoted(folder)}")


def _lines(values: dict[str, Any]) -> list[str]:
    return [
        f"{key} = {json.dumps(value, ensure_ascii=False)}"
        for key, value in values.items()
        if value is not None
    ]


@queue.command(epilog=examples("harness queue add inbox predictions.zip --team alpha"))
@FOLDER
@click.argument("submission", type=click.Path(path_type=Path))
@click.option("--team", required=True, metavar="NAME", help="Whose it is.")
def add(folder: Path, submission: Path, team: str) -> None:
    """Hand in SUBMISSION for a team at once: predictions, or a package as a folder or zip; it is copied."""
    from harness.cli.output import answer
    from harness.errors import Fault, QueueError
    from harness.queue.settings import load_settings
    from harness.queue.work import Worker, is_team

    settings = load_settings(folder.resolve())
    if not submission.exists():
        raise QueueError(Fault(str(submission), "no such file or folder", "predictions or a package"))
    place = settings.folder / "inbox" / team
    if settings.teams and team not in settings.teams:
        raise QueueError(Fault("--team", repr(team), f"one of {', '.join(settings.teams)}"))
    if "/" not in team and team not in ("", ".", ".."):
        place.mkdir(parents=True, exist_ok=True)
    if not is_team(place, settings):
        raise QueueError(Fault("--team", repr(team), "lower-case words joined by hyphens"))
    worker = Worker(settings)
    job = worker.admit(submission.resolve() if submission.is_dir() else submission, team, worker.time())
    turn = job.turn()
    state = job.state(worker.queue.is_open(settings.phase(job.phase)), turn)
    answer(f"{job.id}: {state}")
    for reason in (job.outcome(turn) or {}).get("reasons", ()):
        answer(reason)


@queue.command(
    epilog=examples(
        "harness queue work inbox --workers 2",
        "harness queue work inbox --workers 8 --once --executor slurm --slurm partition=cpu",
    )
)
@FOLDER
@click.option(
    "--workers",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    help="Jobs at once; with --executor so many workers, each with one.",
)
@click.option("--once", is_flag=True, help="End when nothing is left to do.")
@executor_options
def work(folder: Path, workers: int, once: bool, where: Where | None) -> None:
    """Take what was dropped in and score it, until Ctrl-C; any number of workers may share FOLDER."""
    from harness.cli.output import answer, remark
    from harness.errors import counted
    from harness.queue.work import work as worked

    if where is not None:
        _work_as_jobs(folder, workers, once, where)
        return
    done = worked(folder, workers=workers, once=once, say=remark)
    answer(f"{counted(done, 'job')} done")


def _work_as_jobs(folder: Path, workers: int, once: bool, where: Where) -> None:
    """Start workers that are jobs themselves, and wait for them.

    Raises:
        QueueError: settings that are not valid.
        HarnessError: a worker failed; the others have ended by then.
    """
    from harness.cli.output import answer
    from harness.errors import HarnessError, raise_all
    from harness.jobs.task import Task
    from harness.queue.jobs import Queue
    from harness.queue.settings import load_settings
    from harness.queue.work import Worker

    settings = load_settings(folder.resolve())
    Worker(settings).check_folder()
    limits = settings.limits
    words = ("queue", "work", str(settings.folder), *(["--once"] if once else []))
    faults = []
    # Their logs lie in the folder that all workers share, and not where the command happens to be given.
    for one in where.run(
        [Task(f"worker {number}", words) for number in range(1, workers + 1)],
        settings.folder / "workers",
        "working",
        side_by_side=workers,
        cores=limits.jobs,
        seconds=_JOBS_A_WORKER * limits.job_seconds,
        memory_gib=limits.memory_gib + OWN_GIB,
    ):
        if one.fault:
            faults.append(one.fault)
        else:
            answer(f"{one.task.name}: {one.answer}")
    opened = Queue(settings)
    answer(_states_words(job.state(opened.is_open(settings.phase(job.phase))) for job in opened.jobs()))
    raise_all(HarnessError, faults)


def _states_words(states: Iterable[str]) -> str:
    """How many jobs are in each state."""
    from collections import Counter

    words = [f"{number} {state}" for state, number in sorted(Counter(states).items())]
    return ", ".join(words) or "no jobs"


@queue.command(epilog=examples("harness queue status inbox", "harness queue status inbox --json"))
@FOLDER
@_JSON
def status(folder: Path, as_json: bool) -> None:
    """Say the state of every job, told from the files of FOLDER and nothing else."""
    from tabulate import tabulate

    from harness.cli.output import answer
    from harness.errors import on_one_line
    from harness.queue.jobs import Queue
    from harness.queue.settings import load_settings

    settings = load_settings(folder.resolve())
    opened = Queue(settings)
    rows: list[dict[str, Any]] = []
    for job in opened.jobs():
        turn = job.turn()
        outcome = job.outcome(turn) or {}
        rows.append(
            {
                "job": job.id,
                "state": job.state(opened.is_open(settings.phase(job.phase)), turn),
                "name": on_one_line(job.name),
                "try": turn,
                "reasons": [*outcome.get("reasons", ())],
                "organiser": outcome.get("organiser"),
            }
        )
    if as_json:
        answer(json.dumps({"version": 1, "jobs": rows}, indent=1, ensure_ascii=True))
        return
    table = [
        [row["job"], row["state"], row["name"], on_one_line(" ".join(map(str, row["reasons"])))[:100]]
        for row in rows
    ]
    if table:
        answer(tabulate(table, ["job", "state", "handed in as", "why"], disable_numparse=True) + "\n")
    answer(_states_words(row["state"] for row in rows))


@queue.command(epilog=examples("harness queue retry inbox open/alpha/0123456789abcdef"))
@FOLDER
@click.argument("job", metavar="JOB")
def retry(folder: Path, job: str) -> None:
    """Let a JOB that was refused or has failed be tried again; it is counted as it was."""
    from harness.cli.output import answer
    from harness.errors import Fault, QueueError
    from harness.queue.jobs import FAILED, REFUSED, Queue
    from harness.queue.settings import load_settings

    settings = load_settings(folder.resolve())
    opened = Queue(settings)
    found = next((one for one in opened.jobs() if one.id == job), None)
    if found is None:
        raise QueueError(Fault("JOB", repr(job), "PHASE/TEAM/HASH, as `harness queue status` lists them"))
    turn = found.turn()
    state = found.state(opened.is_open(settings.phase(found.phase)), turn)
    if state not in (REFUSED, FAILED):
        raise QueueError(Fault(job, state, "a job that was refused or has failed"))
    opened.again(found, turn, found.arrived(turn), "asked by the organiser")
    answer(f"{job}: waiting, try {turn + 1}")


@queue.command("open", epilog=examples("harness queue open inbox final"))
@FOLDER
@click.argument("phase", metavar="PHASE")
def open_(folder: Path, phase: str) -> None:
    """Open a sealed PHASE for good: workers now score what it took."""
    from harness.cli.output import answer
    from harness.conventions import quoted
    from harness.errors import Fault, QueueError
    from harness.queue.files import create
    from harness.queue.jobs import OPENED
    from harness.queue.settings import load_settings

    settings = load_settings(folder.resolve())
    if not settings.phase(phase).sealed:
        raise QueueError(Fault(phase, "not sealed", "a sealed phase"))
    (settings.folder / OPENED).mkdir(exist_ok=True)
    create(settings.folder / OPENED / f"{phase}.json", {})
    answer(f"{phase} is open: harness queue work {quoted(folder)}")
