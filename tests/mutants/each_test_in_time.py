"""A pytest plugin for the tests of a mutant: a test that takes too long ends the process, and says so.

pytest-timeout fails such a test, and then nobody could tell that from a test which noticed the mutant.
"""

import os
from threading import Timer

TOO_LATE = 24  # the exit code by which mutmut tells a timeout
_timers: list[Timer] = []


def pytest_timeout_set_timer(settings):
    """Begin to wait, in place of pytest-timeout."""
    timer = Timer(settings.timeout, os._exit, [TOO_LATE])
    timer.daemon = True
    timer.start()
    _timers.append(timer)
    return True


def pytest_timeout_cancel_timer():
    """The test ended in time."""
    while _timers:
        _timers.pop().cancel()
    return True
