"""``harness host``: a challenge for somebody else's platform."""

from __future__ import annotations

import functools
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from harness.cli.group import cli, examples
from harness.cli.options import (
    CORPUS_OPTION,
    DATA_OPTION,
    FEATURE_OPTION,
    LABELS_OPTION,
    PART_OPTION,
    PARTIAL_OPTION,
    SPLIT_OPTION,
    path_option,
    with_options,
)

if TYPE_CHECKING:
    from harness.hosting.challenge import Challenge

_MOST_COUNT = 2**31 - 1  # what the platforms' databases hold
_MOST_TERMS_BYTES = 1 << 20
_ALWAYS = ("2000-01-01T00:00:00Z", "2099-12-31T00:00:00Z")
_OUT = click.argument("out", metavar="OUT", type=click.Path(path_type=Path))


@cli.group(
    epilog=examples(
        "harness host codabench challenge.zip --labels LABELS --split held-out-subjects --corpus sparrkulee"
    )
)
def host() -> None:
    """Make what a platform takes to host a challenge: predictions are handed in, and this kit scores them.

    docs/hosting.md says how to upload it, and what the platforms do with it.
    """


def _challenge_options(command: Callable[..., None]) -> Callable[..., None]:
    """Everything that says what is hosted, handed on as ``make_challenge`` and ``replace``."""

    @functools.wraps(command)
    def call(*, out: Path, replace: bool, **said: Any) -> None:
        command(out=out, replace=replace, make_challenge=functools.partial(_challenge, **said))

    options = (
        _OUT,
        LABELS_OPTION,
        DATA_OPTION,
        SPLIT_OPTION,
        PART_OPTION,
        FEATURE_OPTION,
        CORPUS_OPTION,
        PARTIAL_OPTION,
        click.option("--title", metavar="TEXT", help="Of the challenge. Default: feature, corpus and part."),
        click.option("--phase", metavar="NAME", default="open", show_default=True, help="The phase's name."),
        click.option("--opens", metavar="TIME", help="UTC, like 2026-09-01T00:00:00Z. Default: it is open."),
        click.option("--closes", metavar="TIME", help="Likewise. Default: never, as good as."),
        click.option(
            "--per-day",
            type=click.IntRange(1, _MOST_COUNT),
            metavar="N",
            default=5,
            show_default=True,
            help="The most of a participant in a day.",
        ),
        click.option(
            "--total",
            type=click.IntRange(1, _MOST_COUNT),
            metavar="N",
            default=100,
            show_default=True,
            help="The most of a participant in all.",
        ),
        path_option("--terms", "FILE", "Terms that participants agree to, as Markdown. Default: short ones."),
        path_option("--wheels", "DIR", "Wheels that others made. Default: of what is installed here."),
        click.option("--replace", is_flag=True, help="Write over OUT where it is there already."),
    )
    return with_options(call, options)


@host.command(
    epilog=examples(
        "harness host codabench challenge.zip --labels LABELS --split held-out-subjects --corpus sparrkulee",
        "harness host codabench challenge.zip --opens 2026-09-01T00:00:00Z --closes 2026-12-01T00:00:00Z",
    )
)
@_challenge_options
def codabench(out: Path, make_challenge: Callable[[], Challenge], replace: bool) -> None:
    """Write OUT, a bundle that is uploaded to Codabench as it is."""
    from harness.hosting.challenge import check_place
    from harness.hosting.codabench import write_codabench

    check_place(out, replace=replace)
    challenge = make_challenge()
    _tell(out, challenge, write_codabench(out, challenge, replace=replace))


@host.command(
    epilog=examples("harness host evalai challenge.zip --labels LABELS --corpus my-lab --per-day 2")
)
@_challenge_options
def evalai(out: Path, make_challenge: Callable[[], Challenge], replace: bool) -> None:
    """Write OUT, a challenge's configuration that is uploaded to EvalAI as it is."""
    from harness.hosting.challenge import check_place
    from harness.hosting.evalai import write_evalai

    check_place(out, replace=replace)
    challenge = make_challenge()
    _tell(out, challenge, write_evalai(out, challenge, replace=replace))


def _tell(out: Path, challenge: Challenge, size: int) -> None:
    from harness.cli.output import answer
    from harness.errors import counted

    task = challenge.task
    asked = counted(len(task.segments), "segment")
    answer(f"{out}: {size / 1e6:.0f} MB; {asked} of {task.part}, {task.feature}, {task.corpus.words}")
    answer(
        f"The scoring program needs the image {challenge.image}. {out} holds the references: keep it secret."
    )


def _challenge(
    *,
    labels: Path | None,
    data: Path | None,
    split: str | None,
    part: str,
    feature: str | None,
    corpus: str | None,
    partial: bool,
    title: str | None,
    phase: str,
    opens: str | None,
    closes: str | None,
    per_day: int,
    total: int,
    terms: Path | None,
    wheels: Path | None,
) -> Challenge:
    """What the options ask to host; the task is opened."""
    from harness.cli.open import open_asked
    from harness.cli.output import remark
    from harness.errors import UsageError, raise_all
    from harness.hosting.challenge import Challenge, Phase

    times = [
        _time(f"--{name}", text or usual)
        for name, text, usual in zip(("opens", "closes"), (opens, closes), _ALWAYS, strict=True)
    ]
    asked = Phase(phase, times[0], times[1], per_day, total)
    raise_all(UsageError, asked.faults())
    said = _terms(terms) if terms is not None else None
    if opens is None and closes is None:
        remark(
            "note: no --opens and no --closes: the phase is open as soon as the challenge is, and stays so"
        )
    task = open_asked(
        data=data,
        split=split,
        part=part,
        feature=feature,
        labels=labels,
        corpus=corpus,
        partial=partial,
        predictions=True,
    )
    usual = f"{task.feature} from EEG: {task.corpus.declaration.name}, {task.part}"
    return Challenge(
        task=task,
        title=usual if title is None else title,
        phase=asked,
        terms=said,
        wheels=wheels,
        split_file=Path(split) if split is not None and split.endswith(".json") else None,
    )


def _time(option: str, text: str) -> datetime:
    from harness.errors import Fault, UsageError
    from harness.hosting.challenge import TIME

    try:
        return datetime.strptime(text, TIME)
    except ValueError:
        raise UsageError(Fault(option, repr(text), "a time in UTC, like 2026-09-01T00:00:00Z")) from None


def _terms(path: Path) -> str:
    from harness.errors import Fault, UsageError
    from harness.files import read_regular

    try:
        text = read_regular(path, _MOST_TERMS_BYTES).decode()
    except OSError as error:
        raise UsageError(
            Fault(f"--terms {path}", error.strerror or "cannot be read", "a file of Markdown")
        ) from None
    except UnicodeDecodeError:
        raise UsageError(Fault(f"--terms {path}", "not UTF-8", "a file of Markdown")) from None
    if not text.strip():
        raise UsageError(Fault(f"--terms {path}", "empty", "the terms, as Markdown"))
    return text
