"""Options that several commands share, each group handed to the command as one value."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from harness.evaluation.prepare import Run
DATA_VARIABLE = "HARNESS_DATA"
MOST_SECONDS = 30 * 24 * 3600.0
MOST_GIB = 65536.0
Command = Callable[..., None]
DATA_OPTION = click.option(
    "--data",
    metavar="DIR",
    type=click.Path(path_type=Path),
    envvar=DATA_VARIABLE,
    help=f"Folder of a corpus. Default: ${DATA_VARIABLE}, else the simulated corpus, made on first use.",
)
FEATURE_OPTION = click.option(
    "--feature",
    type=click.Choice(["mel", "envelope"]),
    help="What is decoded. Default: mel (for DTU: envelope).",
)
VARIANT_OPTION = click.option("--variant", metavar="NAME", help="A variant that the manifest names.")
SEED_OPTION = click.option(
    "--seed",
    type=click.IntRange(0, 2**32 - 1),
    default=0,
    show_default=True,
    help="Seed of Python's, numpy's and torch's generators.",
)


@dataclass(frozen=True)
class Asked:
    """What is asked: the options that choose corpus, split, part and feature."""

    split: str | None
    part: str
    feature: str | None
    data: Path | None
    partial: bool


@dataclass(frozen=True)
class How:
    """How a submission is run: the options of its process."""

    variant: str | None
    jobs: int
    seed: int
    time_limit: float = 3600.0
    memory_limit: float = 8.0

    def run(self) -> Run:
        """The same as the evaluation takes it."""
        from harness.evaluation.prepare import Run
        from harness.execution import Limits

        return Run(
            self.variant, self.seed, self.jobs, Limits(self.time_limit, int(self.memory_limit * 2**30))
        )


def asked_options(command: Command) -> Command:
    """Options --split, --part, --feature, --data and --partial, handed on as ``asked``."""
    options = (
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
        FEATURE_OPTION,
        DATA_OPTION,
        click.option(
            "--partial",
            is_flag=True,
            help="Go on although subjects of the part are not in the corpus; the record says so.",
        ),
    )
    return _bundled(command, "asked", Asked, options)


def how_options(command: Command) -> Command:
    """Options --variant, --jobs, --seed, --time-limit and --memory-limit, handed on as ``how``."""
    options = (
        VARIANT_OPTION,
        click.option(
            "--jobs",
            type=click.IntRange(1),
            default=1,
            show_default=True,
            help="Predictor processes that share the segments.",
        ),
        SEED_OPTION,
        click.option(
            "--time-limit",
            type=click.FloatRange(0, MOST_SECONDS, min_open=True),
            callback=_number,
            default=How.time_limit,
            show_default=True,
            metavar="SECONDS",
            help="Wall clock that the predictor may use.",
        ),
        click.option(
            "--memory-limit",
            type=click.FloatRange(0, MOST_GIB, min_open=True),
            callback=_number,
            default=How.memory_limit,
            show_default=True,
            metavar="GIB",
            help="Memory that the predictor may use.",
        ),
    )
    return _bundled(command, "how", How, options)


def _number(_context: click.Context, _option: click.Parameter, value: float) -> float:
    """Refuse NaN, which no range excludes."""
    if math.isnan(value):
        raise click.BadParameter("nan is not a number.")
    return value


def _bundled(
    command: Command, name: str, kind: type[Any], options: Sequence[Callable[[Command], Command]]
) -> Command:
    """Give a command the options, their values bundled as the argument ``name`` of type ``kind``."""

    @functools.wraps(command)
    def call(**values: Any) -> None:
        own = {field.name: values.pop(field.name) for field in fields(kind)}
        command(**values, **{name: kind(**own)})

    bundled: Command = call
    for option in reversed(options):
        bundled = option(bundled)
    return bundled


def results_folder_option(name: str, help_text: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """An option that names a results folder."""
    return click.option(
        name,
        metavar="DIR",
        type=click.Path(path_type=Path),
        default=Path("results"),
        show_default=True,
        help=help_text,
    )


OUT_OPTION = results_folder_option("--out", "Results folder for the score record.")
RESULTS_OPTION = results_folder_option("--results", "Folder of score records.")


def board_option(default: str) -> Callable[[Any], Any]:
    """The option --board; ``default`` says which board is taken without it."""
    return click.option(
        "--board", metavar="CORPUS/SPLIT/PART/FEATURE", help=f"Which board. Default: {default}."
    )


BOARD_OPTION = board_option("all")
