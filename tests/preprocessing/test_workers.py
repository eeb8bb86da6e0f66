"""Processes that work on recordings."""

from __future__ import annotations

import concurrent.futures
import threading
import time
from concurrent.futures import ThreadPoolExecutor, wait

import pytest

from harness.errors import CorpusError, Fault
from harness.preprocessing.workers import Failed, Workers


class Pool(ThreadPoolExecutor):
    """Threads in place of processes, that count what was handed to them."""

    n_submitted = 0

    def submit(self, *arguments):
        self.n_submitted += 1
        return super().submit(*arguments)


def square(number):
    if number == 3:
        raise CorpusError(Fault("3", "odd"))
    return number**2


def test_few_more_tasks_than_processes_are_under_way_and_all_are_done(monkeypatch):
    # results piled up
    workers = Workers(2)
    with Pool(2) as pool:
        monkeypatch.setattr("joblib.externals.loky.get_reusable_executor", lambda **_: pool)
        found = {}
        for done, (name, result) in enumerate(workers.results({n: (square, (n,)) for n in range(20)})):
            assert pool.n_submitted <= done + 2 * (workers.jobs + 1)
            found[name] = result
    assert found == {n: n**2 if n != 3 else Failed(("3: odd.",)) for n in range(20)}
    assert pool.n_submitted == 20


def test_no_task_starts_no_process():
    workers = Workers(2)
    assert list(workers.results({})) == []
    workers.close()


@pytest.mark.slow
def test_a_pool_that_was_just_handed_something_ends_without_a_word(monkeypatch):
    failed, calls = [], []

    def interrupted(*arguments, **options):
        calls.append(arguments)
        if len(calls) % 2 == 0:  # right after something was handed over
            raise KeyboardInterrupt
        return wait(*arguments, **options)

    monkeypatch.setattr(threading, "excepthook", failed.append)
    monkeypatch.setattr(concurrent.futures, "wait", interrupted)
    for _ in range(3):
        workers = Workers(2)
        tasks = {str(number): (time.sleep, (0.0 if number < 3 else 60.0,)) for number in range(20)}
        with pytest.raises(KeyboardInterrupt):
            list(workers.results(tasks))
        begun = time.monotonic()
        workers.close()
        assert time.monotonic() < begun + 20
    assert failed == []
