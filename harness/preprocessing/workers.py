"""Processes that work on recordings, and why a recording could not be made."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from harness.errors import CorpusError, Fault, HarnessError
from harness.preprocessing.output import FULL

_WATCH_SECONDS: Final = 0.5
_TAKEN_OVER_SECONDS: Final = 5.0
_T = TypeVar("_T")


@dataclass(frozen=True)
class Failed:
    """Why something could not be made."""

    reasons: tuple[str, ...]


class Workers:
    """Processes that are started when there is something to do, and ended with the call.

    Args:
        jobs: how many.
    """

    def __init__(self, jobs: int) -> None:
        self.jobs = jobs
        self._executor: Any = None

    def results(
        self, tasks: dict[str, tuple[Callable[..., _T], tuple[Any, ...]]]
    ) -> Iterator[tuple[str, _T | Failed]]:
        """Results as they are made, by name.

        One more task than there are processes is under way: results, which are large, do not pile up here.

        Raises:
            CorpusError: a process was ended from outside.
            OSError: the disk is full.
        """
        from concurrent.futures import FIRST_COMPLETED, Future, wait

        from joblib.externals.loky import get_reusable_executor
        from joblib.externals.loky.process_executor import TerminatedWorkerError

        if not tasks:
            return
        if self._executor is None:
            self._executor = get_reusable_executor(
                max_workers=self.jobs, initializer=_belong_to, initargs=(os.getpid(),)
            )
        waiting = list(reversed(tasks.items()))
        under_way: dict[Future[_T | Failed], str] = {}
        try:
            while waiting or under_way:
                while waiting and len(under_way) <= self.jobs:
                    name, task = waiting.pop()
                    under_way[self._executor.submit(attempt, *task)] = name
                for future in wait(under_way, return_when=FIRST_COMPLETED).done:
                    yield under_way.pop(future), future.result()
        except TerminatedWorkerError:
            raise CorpusError(
                Fault(
                    f"--jobs {self.jobs}",
                    "a process was ended from outside, most likely for its memory",
                    remedy="Call again with fewer jobs: what is finished is kept.",
                )
            ) from None

    def close(self) -> None:
        """End the processes, whatever they are doing.

        The pool's thread fails, and leaves its processes' locks behind, where it is told to kill before it
        has taken over what was handed to it last. It takes over in order: so it is handed one thing more, and
        that is waited for.
        """
        if self._executor is None:
            return
        with suppress(RuntimeError):  # a pool that is broken takes nothing over any more
            last = self._executor.submit(int)
            until = time.monotonic() + _TAKEN_OVER_SECONDS
            while not (last.running() or last.done()) and time.monotonic() < until:
                time.sleep(0.001)
        self._executor.shutdown(wait=True, kill_workers=True)


def attempt(function: Callable[..., _T], arguments: tuple[Any, ...]) -> _T | Failed:
    """A result, or why there is none. One thread: the bytes do not depend on how many there are.

    Raises:
        OSError: the disk is full, which is no fault of a recording.
    """
    from threadpoolctl import threadpool_limits

    try:
        with threadpool_limits(1):
            return function(*arguments)
    except HarnessError as error:
        return Failed(tuple(str(fault) for fault in error.faults))
    except MemoryError:
        return Failed(("Not enough memory: fewer --jobs, or a machine with more.",))
    except OSError as error:
        if error.errno in FULL:
            raise
        return Failed((f"{error.filename or 'a file'}: {error.strerror or error}.",))
    except Exception as error:  # one recording out of hundreds must not end the others
        return Failed((f"{type(error).__name__}: {error}. This is a fault of the harness: report it.",))


def _belong_to(parent: int) -> None:
    """Leave interrupts to the parent, and end with it: after a kill, loky's processes would wait for ever."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(_WATCH_SECONDS)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
