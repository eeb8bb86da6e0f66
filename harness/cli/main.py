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
from typing import NoReturn

import click

from harness.cli import (  # noqa: F401 - each adds its commands
    boards,
    data,
    doctor,
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
from harness.errors import MAX_SHOWN, HarnessError, UsageError

_ENDING = (signal.SIGTERM, signal.SIGHUP)


def main() -> None:
    """Run the command; the one place that catches the harness's errors."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a name that the terminal cannot show is no reason to fail
            stream.reconfigure(errors="backslashreplace")
    for number in _ENDING:
        if signal.getsignal(number) is not signal.SIG_IGN:  # as under nohup
            signal.signal(number, _stopped)
    try:
        code = cli.main(standalone_mode=False)
    except click.exceptions.Abort as error:  # click's own word for an interrupt, which is its cause
        code = _interrupted(error.__cause__)
    except KeyboardInterrupt as error:
        code = _interrupted(error)
    except click.ClickException as error:
        error.show()
        code = error.exit_code
    except HarnessError as error:
        for fault in error.faults[:MAX_SHOWN]:
            click.echo(f"error: {_plain(str(fault))}", err=True)
        if len(error.faults) > MAX_SHOWN:
            click.echo(f"and {len(error.faults) - MAX_SHOWN} more", err=True)
        code = 2 if isinstance(error, UsageError) else 1
    except BrokenPipeError:
        # Whoever read our pipe has closed it. stdout is replaced, so that Python does not complain at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 1
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        click.echo(f"error: {where}{error.strerror or error}", err=True)
        code = 1
    sys.exit(code or 0)


class _StoppedError(KeyboardInterrupt):
    """A signal that ends the command as Ctrl-C does; libraries do not catch it as an error or an exit."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number


def _plain(text: str) -> str:
    """A fault for a terminal, without characters that move the cursor or colour the line."""
    return "".join(c if c.isprintable() or c == "\n" else ascii(c)[1:-1] for c in text)


def _stopped(number: int, _frame: object) -> NoReturn:
    for other in _ENDING:  # a second signal must not interrupt the clearing up
        signal.signal(other, signal.SIG_IGN)
    raise _StoppedError(number)


def _interrupted(interrupt: BaseException | None) -> int:
    click.echo("interrupted: nothing half-written is left behind", err=True)
    for note in getattr(interrupt, "__notes__", []):  # such as how to resume a training
        click.echo(note, err=True)
    return 128 + (interrupt.number if isinstance(interrupt, _StoppedError) else signal.SIGINT)
