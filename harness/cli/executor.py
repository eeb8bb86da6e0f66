"""Options --executor and --slurm, and waiting for jobs; the same for every command that has them."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from harness.cli.options import Command

if TYPE_CHECKING:
    from harness.execution import Run
    from harness.jobs.run import Done
    from harness.jobs.task import Task

# Where jobs of commands that have no work folder of their own are kept.
JOBS_FOLDER = Path("jobs")
# What a job takes besides what a limit of the command is on: opening the corpus, writing what was made.
MORE_MINUTES = 10
# Memory of a job that scores, beside what the predictor may use.
OWN_GIB = 4.0


class Where:
    """What --executor and --slurm say.

    Attributes:
        executor: ``local`` or ``slurm``.
        given: --slurm, as it was written.
    """

    def __init__(self, executor: str, given: Sequence[str]) -> None:
        self.executor, self.given = executor, given

    def run(
        self,
        tasks: Sequence[Task],
        folder: Path,
        title: str,
        *,
        side_by_side: int | None = None,
        cores: int | None = None,
        seconds: float | None = None,
        memory_gib: float | None = None,
        no_faults: Sequence[int] = (0,),
    ) -> Iterator[Done]:
        """Run tasks as jobs, and show how far they are.

        Args:
            tasks: the commands.
            folder: for the jobs' folders.
            title: of the progress.
            side_by_side: how many at a time; None for one here, and for as many as there is room for on a
                cluster.
            cores: of a job on a cluster; None for its default.
            seconds: that a job on a cluster may take; None where only --slurm says it.
            memory_gib: that it may use; None for the cluster's default.
            no_faults: exit codes that are no failure.
        """
        from harness.cli.output import progress, remark
        from harness.jobs import local, slurm
        from harness.jobs.run import Executor, run_tasks

        chosen: Executor = local.Local(side_by_side or 1)
        poll = local.POLL_SECONDS
        if self.executor == "slurm":
            minutes = None if seconds is None else math.ceil(seconds / 60) + MORE_MINUTES
            chosen = slurm.Slurm(slurm.options(self.given), minutes, memory_gib, cores, side_by_side)
            poll = slurm.POLL_SECONDS
        with progress(title) as show:
            yield from run_tasks(tasks, chosen, folder, remark, show, poll_seconds=poll, no_faults=no_faults)

    def check(self) -> None:
        """Refuse what can be seen before anything is opened."""
        from harness.jobs import slurm

        slurm.options(self.given)
        if self.executor == "slurm":
            slurm.check_here()


def run_scoring(where: Where, run: Run, tasks: Sequence[Task]) -> Iterator[Done]:
    """Run commands that score as jobs, each with the time and memory of its predictor, and some more.

    Args:
        where: they run.
        run: with the limits of each.
        tasks: the commands.
    """
    memory = run.memory_bytes / 2**30 + OWN_GIB
    return where.run(tasks, JOBS_FOLDER, "scoring", cores=run.jobs, seconds=run.seconds, memory_gib=memory)


def executor_options(command: Command) -> Command:
    """Options --executor and --slurm, handed on as ``where``: a `Where`, or None without them."""

    @functools.wraps(command)
    def call(*, executor: str | None, slurm: Sequence[str], **others: Any) -> None:
        if slurm and executor != "slurm":
            raise click.UsageError("--slurm: for --executor slurm only.")
        where = Where(executor, slurm) if executor else None
        if where:
            where.check()
        command(where=where, **others)

    options: tuple[Callable[[Command], Command], ...] = (
        click.option(
            "--executor",
            type=click.Choice(["local", "slurm"]),
            help="Run the parts of this command as jobs: in processes here, or on a cluster by SLURM."
            " Default: in this process.",
        ),
        click.option(
            "--slurm",
            metavar="KEY=VALUE",
            multiple=True,
            help="With --executor slurm: an option of sbatch, as partition=gpu, account=me, time=4:00:00."
            " Once for each.",
        ),
    )
    made: Command = call
    for option in reversed(options):
        made = option(made)
    return made


def words_of(context: click.Context, without: Collection[str]) -> list[str]:
    """The options that a command was given, as words of a command line; those that were not are left out.

    Args:
        context: of the command.
        without: parameters, by name, that are left out.
    """
    words: list[str] = []
    given = (click.core.ParameterSource.COMMANDLINE, click.core.ParameterSource.ENVIRONMENT)
    for option in context.command.params:
        name = option.name or ""
        if (
            not isinstance(option, click.Option)
            or not option.expose_value
            or name in without
            or context.get_parameter_source(name) not in given
        ):
            continue
        value = context.params[name]
        if option.is_flag:
            words += [option.opts[0]] if value else option.secondary_opts[:1]
        else:
            words += [
                word for one in (value if option.multiple else [value]) for word in (option.opts[0], str(one))
            ]
    return words
