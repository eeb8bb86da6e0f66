"""The command ``harness``: parse, call, print. No arithmetic, and nothing heavy at import.

Answers go to stdout, remarks and progress to stderr. Exit codes: 0 done, 1 an invalid submission or
invalid data, 2 wrong usage, 75 a training stopped at --max-time, 130 interrupted (129 by a hangup, 143 by
SIGTERM).
"""

from __future__ import annotations

import io
import os
import signal
import sys
from collections.abc import Iterator

import click

from harness.cli import (  # noqa: F401 - each adds its commands
    boards,
    data,
    doctor,
    export,
    figure,
    host,
    inventory,
    listen,
    prepare,
    pull_request,
    queue,
    rescore,
    score,
    train,
)
from harness.cli.group import cli
from harness.cli.stopping import StoppedError, Stopping, leave, stopping
from harness.errors import MAX_SHOWN, HarnessError, UsageError


def main() -> None:
    """Run the command; the one place that catches the harness's errors."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a name that the terminal cannot show is no reason to fail
            stream.reconfigure(errors="backslashreplace")
    with stopping() as state:
        code = _run(state)
        if state.asked is not None:
            leave(code)
    sys.exit(code)


def _run(state: Stopping) -> int:
    """Run the command, say how it ended where it did not end well, and give its exit code."""
    try:
        return cli.main(standalone_mode=False) or 0
    except BaseException as error:
        state.end()
        stopped: KeyboardInterrupt | None = state.asked
        if stopped is None and isinstance(error, KeyboardInterrupt):
            stopped = error
        # An interrupt that a library turned into an error of its own is an interrupt all the same.
        if stopped is not None or isinstance(error, click.exceptions.Abort):
            return _interrupted(stopped, error)
        return _failed(error)


def _failed(error: BaseException) -> int:
    """Say what was wrong; give the exit code.

    Raises:
        BaseException: the error itself, where it is none that a user can do something about.
    """
    if isinstance(error, click.ClickException):
        error.show()
        return error.exit_code
    if isinstance(error, HarnessError):
        for fault in error.faults[:MAX_SHOWN]:
            click.echo(f"error: {_plain(str(fault))}", err=True)
        if len(error.faults) > MAX_SHOWN:
            click.echo(f"and {len(error.faults) - MAX_SHOWN} more", err=True)
        return 2 if isinstance(error, UsageError) else 1
    if isinstance(error, BrokenPipeError):
        # Whoever read our pipe has closed it. stdout is replaced, so that Python does not complain at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    if isinstance(error, OSError):
        where = f"{error.filename}: " if error.filename else ""
        click.echo(f"error: {where}{error.strerror or error}", err=True)
        return 1
    raise error


def _plain(text: str) -> str:
    """A fault for a terminal, without characters that move the cursor or colour the line."""
    return "".join(c if c.isprintable() or c == "\n" else ascii(c)[1:-1] for c in text)


def _interrupted(stopped: KeyboardInterrupt | None, error: BaseException) -> int:
    """Say so, and what the command says of it, such as how to resume a training; give the exit code."""
    click.echo("interrupted: nothing half-written is left behind", err=True)
    for one in _causes(error):
        for note in getattr(one, "__notes__", []):
            click.echo(note, err=True)
    return 128 + (stopped.number if isinstance(stopped, StoppedError) else signal.SIGINT)


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """An error, and what it was raised for: click's own word for an interrupt has that as its cause."""
    while error is not None:
        yield error
        error = error.__cause__
