"""Options that several commands share."""

from __future__ import annotations

import dataclasses
import functools
import math
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from harness.conventions import DATA_VARIABLE

if TYPE_CHECKING:
    from harness.tasks.task import Task

MOST_SECONDS = 30 * 24 * 3600.0
MOST_TRAINING_SECONDS = 10 * 365 * 24 * 3600.0
MOST_GIB = 65536.0
Command = Callable[..., None]
# Where click's context keeps what --audio and --offset say, for `harness.cli.open.audio_choice`.
AUDIO_KEY, OFFSETS_KEY = "harness.audio", "harness.offsets"


def path_option(name: str, metavar: str, help_text: str, **more: Any) -> Callable[[Any], Any]:
    """An option that names a file or a folder."""
    return click.option(name, metavar=metavar, type=click.Path(path_type=Path), help=help_text, **more)


def format_option(known: str) -> Callable[[Any], Any]:
    """The option --format, ``form``; ``known`` lists the formats."""
    return click.option("--format", "form", default="text", show_default=True, metavar="FORMAT", help=known)


def _kept(key: str) -> Callable[[click.Context, click.Parameter, Any], Any]:
    def keep(context: click.Context, _option: click.Parameter, value: Any) -> Any:
        context.meta[key] = value
        return value

    return keep


def _offsets(context: click.Context, option: click.Parameter, values: Sequence[str]) -> dict[int, float]:
    """``21=0.35`` and the like, song -> seconds."""
    offsets: dict[int, float] = {}
    for text in values:
        song, _, seconds = text.partition("=")
        try:
            number, offset = int(song.removeprefix("song")), float(seconds)
        except ValueError:
            number, offset = 0, math.nan
        if not math.isfinite(offset):
            raise click.BadParameter(f"{text!r}, expected SONG=SECONDS, as in 21=0.35.")
        if number in offsets:
            raise click.BadParameter(f"two for song {number}: {offsets[number]:g} and {offset:g} s.")
        offsets[number] = offset
    _kept(OFFSETS_KEY)(context, option, offsets)
    return offsets


def audio_options(command: Command) -> Command:
    """Options --audio and --offset, for corpora of music; `harness.cli.open.audio_choice` reads them."""
    options = (
        path_option(
            "--audio",
            "DIR",
            "For music: the songs, one file each, named 21.wav to 30.wav. Default: DATA/audio.",
            expose_value=False,
            callback=_kept(AUDIO_KEY),
        ),
        click.option(
            "--offset",
            metavar="SONG=SECONDS",
            multiple=True,
            expose_value=False,
            callback=_offsets,
            help="For music: seconds of a song's file before the song begins. Once for each song.",
        ),
    )
    return with_options(command, options)


RECORDINGS_OPTION = path_option(
    "--data",
    "DIR",
    f"Folder of a corpus. Default: ${DATA_VARIABLE}, else a simulated one, made on first use.",
    envvar=DATA_VARIABLE,
)


def DATA_OPTION(command: Command) -> Command:  # noqa: N802 - a decorator, like the constants below
    """Options --data, --audio and --offset: where the recordings and what was heard lie."""
    given: Command = RECORDINGS_OPTION(audio_options(command))
    return given


def duration(
    _context: click.Context, _option: click.Parameter, value: str | None
) -> tuple[float, str] | None:
    """A time such as ``90m``, ``2h`` or ``1h30m``: seconds, and how it was written."""
    if value is None:
        return None
    text = value.strip().lower()
    parts = re.fullmatch(r"(?:([\d.]+)d)?(?:([\d.]+)h)?(?:([\d.]+)m)?(?:([\d.]+)s)?", text, re.ASCII)
    try:
        numbers = [float(part or 0) for part in parts.groups()] if parts else []
    except ValueError:  # two points in a number
        numbers = []
    seconds = sum(number * unit for number, unit in zip(numbers, (86400, 3600, 60, 1), strict=False))
    if not 0 < seconds <= MOST_TRAINING_SECONDS:
        raise click.BadParameter(f"{value!r}, expected a time with its unit, such as 90m, 2h or 1h30m.")
    return seconds, text


SPLIT_OPTION = click.option(
    "--split",
    metavar="NAME",
    help="A split by its name, in splits/ or beside corpus.toml, or a split file (.json) anywhere."
    " Default: that of the corpus.",
)
PART_OPTION = click.option(
    "--part",
    type=click.Choice(["val", "test"]),
    default="test",
    show_default=True,
    help="The part of the split.",
)
FEATURE_OPTION = click.option(
    "--feature",
    metavar="NAME",
    help="What is decoded, such as mel, envelope or music-mel-db. Default: the split's first.",
)
PARTIAL_OPTION = click.option(
    "--partial",
    is_flag=True,
    help="Go on although subjects or stimuli of the part are not in the corpus; the record names them.",
)
JOBS_OPTION = click.option(
    "--jobs",
    type=click.IntRange(1),
    default=None,
    help="Predictor processes that share the segments. Default: as many as fit the cores.",
)
LABELS_OPTION = path_option(
    "--labels",
    "DIR",
    "References that lie apart from the EEG: stimulus features, or files like predictions.",
)
CORPUS_OPTION = click.option(
    "--corpus",
    metavar="NAME",
    help="For predictions and --labels without recordings: which corpus they are of, or its corpus.toml.",
)
VARIANT_OPTION = click.option("--variant", metavar="NAME", help="A variant that the manifest names.")
WEIGHTS_SEED_OPTION = click.option(
    "--weights-seed",
    metavar="SEED",
    type=click.IntRange(0, 2**32 - 1),
    default=None,
    help="Of several trainings this one. Default: `score` takes each, others the first.",
)
WEIGHTS_OF_OPTION = click.option(
    "--weights-of",
    metavar="CORPUS[/SPLIT]",
    default=None,
    help="Another corpus's weights, or another split's, where channels, rates and feature are the same;"
    " record and board say transfer.",
)
EXCLUDE_OPTION = click.option(
    "--exclude-channels",
    metavar="LIST",
    default=None,
    help="EEG channels that are zero in all that the system is given: names, or numbers from 1, as in"
    " T7,30. The record says so.",
)
SEED_OPTION = click.option(
    "--seed",
    type=click.IntRange(0, 2**32 - 1),
    default=0,
    show_default=True,
    help="Seed of Python's, numpy's and torch's generators.",
)


class SystemPath(click.Path):
    """A path, the bare name of a submission, or one on Hugging Face's hub.

    See ``harness.submission.find.named_submission`` and ``harness.submission.hub``. A name of the hub stays
    one, as a path: ``harness.cli.open.here`` fetches it, once the rest of the command line was looked at.
    """

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        """The path that is meant."""
        from harness.submission.find import named_submission

        if isinstance(value, str) and value.startswith("hf:"):
            from harness.submission.hub import parsed

            return Path(parsed(value).text)
        return named_submission(str(super().convert(value, param, ctx)))  # text: a Path would lose "./"


def asked_options(command: Command) -> Command:
    """Options from --split to --exclude-channels, handed on as ``open_task``, which opens what they ask for.

    ``open_task`` is `harness.cli.open.open_asked` with these given.
    """

    @functools.wraps(command)
    def call(
        *,
        split: str | None,
        part: str,
        feature: str | None,
        data: Path | None,
        partial: bool,
        exclude_channels: str | None,
        **others: Any,
    ) -> None:
        from harness.cli.open import open_asked

        open_task = functools.partial(
            open_asked,
            split=split,
            part=part,
            feature=feature,
            data=data,
            partial=partial,
            exclude_channels=channels_of(exclude_channels),
        )
        command(open_task=open_task, **others)

    options = (
        SPLIT_OPTION,
        PART_OPTION,
        FEATURE_OPTION,
        DATA_OPTION,
        PARTIAL_OPTION,
        EXCLUDE_OPTION,
    )
    return with_options(call, options)


def channels_of(text: str | None) -> tuple[str, ...]:
    """What --exclude-channels lists: ``T7,30`` -> T7 and 30; empty where it is not given."""
    if text is None:
        return ()
    names = tuple(word.strip() for word in text.split(","))
    if not all(names):
        raise click.UsageError(f"--exclude-channels {text!r}: expected names or numbers, as in T7,30.")
    return names


def scored_options(command: Command) -> Command:
    """As :func:`asked_options`, and --labels and --corpus; ``open_task`` takes ``predictions``."""

    @functools.wraps(command)
    def call(
        *, open_task: Callable[..., Task], labels: Path | None, corpus: str | None, **others: Any
    ) -> None:
        command(open_task=functools.partial(open_task, labels=labels, corpus=corpus), **others)

    return asked_options(with_options(call, (LABELS_OPTION, CORPUS_OPTION)))


def run_options(command: Command) -> Command:
    """How a submission is run, from --variant to --no-isolation, handed on as the Run ``run``."""

    @functools.wraps(command)
    def call(
        *,
        variant: str | None,
        weights_seed: int | None,
        weights_of: str | None,
        jobs: int | None,
        seed: int,
        time_limit: float,
        memory_limit: float,
        no_isolation: bool,
        **others: Any,
    ) -> None:
        from harness.execution import Run
        from harness.execution.isolation import NONE, STRONGEST

        run = Run(
            variant=variant,
            weights_seed=weights_seed,
            weights_of=weights_of,
            seed=seed,
            jobs=jobs,
            seconds=time_limit,
            memory_bytes=int(memory_limit * 2**30),
            isolation=NONE if no_isolation else STRONGEST,
        )
        command(run=run, **others)

    options = (
        VARIANT_OPTION,
        WEIGHTS_SEED_OPTION,
        WEIGHTS_OF_OPTION,
        JOBS_OPTION,
        SEED_OPTION,
        click.option(
            "--time-limit",
            type=click.FloatRange(0, MOST_SECONDS, min_open=True),
            callback=_number,
            default=3600.0,
            show_default=True,
            metavar="SECONDS",
            help="Wall clock that the predictor may use.",
        ),
        click.option(
            "--memory-limit",
            type=click.FloatRange(0, MOST_GIB, min_open=True),
            callback=_number,
            default=8.0,
            show_default=True,
            metavar="GIB",
            help="Memory that the predictor may use.",
        ),
        click.option(
            "--no-isolation",
            is_flag=True,
            help="For your own code: let it read whatever you can read; record and board say so.",
        ),
    )
    return with_options(call, options)


def controlled_run_options(command: Command) -> Command:
    """As :func:`run_options`, and --surrogates and --no-controls."""

    @functools.wraps(command)
    def call(*, run: Any, surrogates: int | None, no_controls: bool, **others: Any) -> None:
        if no_controls and surrogates is not None:
            raise click.UsageError("--surrogates and --no-controls are both given: choose one.")
        command(run=dataclasses.replace(run, surrogates=0 if no_controls else surrogates), **others)

    options = (
        click.option(
            "--surrogates",
            metavar="N",
            type=click.IntRange(1),
            default=None,
            help="For slow systems: the blind control on N segments of each subject. Default: on all.",
        ),
        click.option(
            "--no-controls",
            is_flag=True,
            help="Without the blind control, in half the time; the record says that it was not measured.",
        ),
    )
    return run_options(with_options(call, options))


def _number(_context: click.Context, _option: click.Parameter, value: float) -> float:
    """Refuse NaN, which no range excludes."""
    if math.isnan(value):
        raise click.BadParameter("nan is not a number.")
    return value


def with_options(command: Command, options: Sequence[Callable[[Command], Command]]) -> Command:
    """A command with some options, shown in this order."""
    for option in reversed(options):
        command = option(command)
    return command


def results_folder_option(name: str, help_text: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """An option that names a results folder."""
    return path_option(name, "DIR", help_text, default=Path("results"), show_default=True)


OUT_OPTION = results_folder_option("--out", "Results folder for the score record.")
RESULTS_OPTION = results_folder_option("--results", "Folder of score records.")


def board_option(default: str) -> Callable[[Any], Any]:
    """The option --board; ``default`` says which board is taken without it."""
    return click.option(
        "--board", metavar="CORPUS/SPLIT/PART/FEATURE", help=f"Which board. Default: {default}."
    )


BOARD_OPTION = board_option("all")
