"""The command ``harness``: parse, call, print. No arithmetic, and nothing heavy at import.

Answers go to stdout, remarks and progress to stderr. Exit codes: 0 done, 1 an invalid submission or
invalid data, 2 wrong usage, 130 interrupted.
"""

from __future__ import annotations

import io
import os
import signal
import sys
from typing import NoReturn

import click

from harness.cli import boards, data, pull_request, score, train  # noqa: F401 - each adds its commands
from harness.cli.group import cli
from harness.errors import MAX_SHOWN, HarnessError, UsageError


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
