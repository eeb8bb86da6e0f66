"""Ctrl-C, SIGTERM and SIGHUP: raised where the command is, and again where a library lost them.

Python raises an interrupt at whatever line runs when the signal comes. Compiled modules clear errors that
they do not expect (Cython's do while they are imported), and the interrupt with them: the command would go
on as if nobody had asked it to stop. So the same interrupt is raised again, until it is being handled.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
# Between an interrupt and the look at whether it was lost.
_LOOK_SECONDS = 0.2
# For threads and what libraries clear up at exit, after an interrupt.
_EXIT_SECONDS = 5.0


class StoppedError(KeyboardInterrupt):
    """A signal that ends the command; libraries do not catch it as an error or an exit.

    Attributes:
        number: the signal's.
    """

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number


class Stopping:
    """Whether a signal has asked the command to stop.

    Attributes:
        asked: the first such signal, as it was raised; None before.
    """

    def __init__(self) -> None:
        self.asked: StoppedError | None = None

    def stop(self, number: int, _frame: FrameType | None) -> None:
        """Answer a signal: raise it, and look again later.

        Raises:
            StoppedError: always. A second Ctrl-C interrupts the clearing up; nothing else does.
        """
        for other in _ENDING:
            if other != signal.SIGINT:
                signal.signal(other, signal.SIG_IGN)
        error = StoppedError(number)
        if self.asked is None:
            self.asked = error
            signal.setitimer(signal.ITIMER_REAL, _LOOK_SECONDS, _LOOK_SECONDS)
        raise error

    def look(self, _number: int, _frame: FrameType | None) -> None:
        """Raise the signal again, unless it is being handled.

        Raises:
            StoppedError: it was lost.
        """
        if self.asked is not None and not self.is_handled():
            raise StoppedError(self.asked.number)

    def is_handled(self) -> bool:
        """Whether an interrupt is being handled here, or what is being handled came of one."""
        seen: set[int] = set()
        there = [sys.exc_info()[1]]
        while there:
            error = there.pop()
            if isinstance(error, KeyboardInterrupt):
                return True
            if error is not None and id(error) not in seen:
                seen.add(id(error))
                there += [error.__context__, error.__cause__]
        return False

    def tell_unraisable(self, lost: sys.UnraisableHookArgs, /) -> None:
        """Say nothing of an interrupt that was lost, which is raised again; everything else as always."""
        if not isinstance(lost.exc_value, StoppedError):
            sys.__unraisablehook__(lost)

    def end(self) -> None:
        """Look no more: the command has ended."""
        signal.setitimer(signal.ITIMER_REAL, 0)


@contextmanager
def stopping() -> Iterator[Stopping]:
    """Answer signals that end a command while it runs; those that are ignored, as under nohup, stay so."""
    state = Stopping()
    numbers = [number for number in _ENDING if signal.getsignal(number) is not signal.SIG_IGN]
    before = {number: signal.signal(number, state.stop) for number in numbers}
    before[signal.SIGALRM] = signal.signal(signal.SIGALRM, state.look)
    tell, sys.unraisablehook = sys.unraisablehook, state.tell_unraisable
    try:
        yield state
    finally:
        state.end()
        sys.unraisablehook = tell
        for number, handler in before.items():
            signal.signal(number, handler)


def leave(code: int) -> NoReturn:
    """Exit after an interrupt, even where a thread that it cut off from its pool waits for ever."""
    late = threading.Timer(_EXIT_SECONDS, os._exit, (code,))
    late.daemon = True
    late.start()
    sys.exit(code)
