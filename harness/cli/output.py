"""What a person sees: tables on stdout, progress and remarks on stderr.

Colour and moving bars appear on a terminal only; ``NO_COLOR`` and pipes get plain lines.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from harness.conventions import Progress

# Seconds between lines of progress where there is no terminal.
PLAIN_PROGRESS_SECONDS = 15.0


def remark(text: str) -> None:
    """A remark on stderr, apart from the answer on stdout."""
    print(text, file=sys.stderr, flush=True)  # noqa: T201 - this module is where printing happens


def answer(text: str) -> None:
    """The answer, on stdout."""
    print(text, flush=True)  # noqa: T201


@contextmanager
def progress(title: str) -> Iterator[Progress]:
    """Show how far a job is, on stderr.

    Yields:
        A function (done, total, note=""): a bar on a terminal, else a line every 15 seconds.
    """
    if not sys.stderr.isatty():
        yield _plain_progress(title)
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        TextColumn,
        TimeRemainingColumn,
    )
    from rich.progress import Progress as RichProgress

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
    )
    with RichProgress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(title, total=None, note="")
        yield lambda done, total, note="": bar.update(task, completed=done, total=total, note=note)


def _plain_progress(title: str) -> Progress:
    shown = time.monotonic()
    first: tuple[float, int] | None = None  # time and amount of the first call: a resumed job starts above 0
    last = 0

    def show(done: int, total: int, note: str = "") -> None:
        nonlocal shown, first, last
        now = time.monotonic()
        if first is None or done < last:  # a second run under the same title
            first = (now, done)
        last = done
        if now - shown >= PLAIN_PROGRESS_SECONDS:
            shown = now
            since, already = first
            rate = (done - already) / (now - since) if now > since else 0
            left = f", {_duration((total - done) / rate)} left" if rate else ""
            remark(f"{title}: {done} of {total}{left}{f' ({note})' if note else ''}")

    return show


def _duration(seconds: float) -> str:
    """Seconds in words of a sensible size."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 90 * 60 else f"{seconds / 3600:.1f} h"
