"""Mutants that this process can choose among: pytest collects once, and each mutant is tested in a fork of it.

mutmut makes the mutants and keeps their results. But it starts pytest anew for each of them and runs their tests
in any order, so that most of an hour goes to collecting tests. Here a mutant takes what its tests take until one
fails: those that killed most mutants of the same function come first, then the fastest.

    cd build/mutants/scoring
    python .../tests/mutants/trials.py tests/scoring/test_chance.py [--within PATTERN ...] [--only PATTERN ...]
                                                                    [--also NAME ...] [--processes] [--jobs N]

``run.py`` prepares that folder and calls this. Which tests reach a function is found first, by running all of
them without any mutant; what a shared fixture reaches counts for every test that asks for it. Those that reach
any are run once more in the order of their times, since a mutant's tests come in no fixed order. A mutant that
no test is known to reach is tried on all tests: another process may reach it. No fixture is made before the
fork, so a mutant sees nothing that the code made without it.
"""

from __future__ import annotations

import argparse
import gc
import os
import pickle
import resource
import select
import shutil
import signal
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Generator
from contextlib import suppress
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from _pytest.fixtures import FixtureDef
from mutmut.__main__ import copy_src_dir, create_mutants
from mutmut.configuration import config
from mutmut.mutation.data import SourceFileMutationData
from mutmut.mutation.trampoline import set_mutant_under_test
from mutmut.state import state
from mutmut.utils.file_utils import walk_mutatable_files
from mutmut.utils.format_utils import mangled_name_from_mutant_name
from sample import is_in_sample

FOLDER = Path.cwd()
TREE = FOLDER / "mutants"
SURVIVED, FAILED, TIMED_OUT, NO_TESTS = 0, 1, 24, 33
# A mutant's tests may take this many times as long as before, and these seconds more: of the processor, which a
# busy machine does not change, and of the clock, for what waits and never ends.
TIMES, CPU_SECONDS, WALL_SECONDS = 10, 2, 600
SAVED_EVERY_SECONDS = 5  # what a run that is broken off may lose


class Cost(NamedTuple):
    """Seconds that a test takes."""

    wall: float
    cpu: float

    @classmethod
    def now(cls) -> Cost:
        """The clocks."""
        return cls(time.monotonic(), time.process_time())

    def since(self, start: Cost) -> Cost:
        """What is between two readings of the clocks."""
        return Cost(self.wall - start.wall, self.cpu - start.cpu)


class Clean(NamedTuple):
    """What is known of the tests from a run without mutants.

    Attributes:
        cost: of each test by itself, the making of all fixtures that it asks for among it: a mutant's process
            has none.
        reached: the functions that each test reaches, as mutmut names them.
        failed: the first test that failed, or an empty string.
    """

    cost: dict[str, Cost]
    reached: dict[str, set[str]]
    failed: str


class Reach:
    """A plugin that notes which functions each test reaches, itself or through its fixtures."""

    def __init__(self) -> None:
        self.by_fixture: defaultdict[int, set[str]] = defaultdict(set)
        self.asked: defaultdict[str, set[int]] = defaultdict(set)
        self.making: dict[int, Cost] = {}
        self.made: list[Cost] = []
        self.test = ""
        original = FixtureDef.execute

        def execute(fixture: FixtureDef[Any], request: Any) -> Any:
            self.asked[self.test].add(id(fixture))
            return original(fixture, request)

        FixtureDef.execute = execute  # type: ignore[method-assign]

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(self, fixturedef: FixtureDef[Any]) -> Generator[None, object, object]:
        """Note what the making of a fixture reaches, and what it takes."""
        before = set(state()._stats)
        state()._stats.clear()
        start = Cost.now()
        try:
            return (yield)
        finally:
            self.making[id(fixturedef)] = Cost.now().since(start)
            self.made.append(self.making[id(fixturedef)])
            self.by_fixture[id(fixturedef)] |= state()._stats
            state()._stats.update(before)

    def reached(self) -> set[str]:
        """What the test of now has reached, but for its fixtures."""
        found = set(state()._stats)
        state()._stats.clear()
        return found

    def cost(self, whole: Cost) -> Cost:
        """What the test of now takes by itself, of what it took: whoever made a shared fixture."""
        asked = [self.making[fixture] for fixture in self.asked[self.test] if fixture in self.making]
        wall, cpu = (
            max(0.0, all_of - sum(one[which] for one in self.made)) + sum(one[which] for one in asked)
            for which, all_of in enumerate(whole)
        )
        self.made.clear()
        return Cost(wall, cpu)


class Trials:
    """A plugin that runs no test itself, but every mutant's tests in a fork."""

    def __init__(self, paths: list[Path], asked: argparse.Namespace) -> None:
        self.paths, self.jobs, self.processes = paths, asked.jobs, asked.processes
        self.within, self.only, self.also = asked.within, asked.only, set(asked.also)
        self.sample = asked.sample
        self.failed = ""
        self.code = 1
        self._items: dict[str, pytest.Item] = {}
        self._session: pytest.Session

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep the first test that fails."""
        if report.failed and not self.failed:
            self.failed = report.nodeid

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Try the mutants, in place of running the tests."""
        if session.testsfailed:
            print("the tests cannot be collected")
            return True
        self._session = session
        self._items = {item.nodeid: item for item in session.items}
        gc.collect()
        gc.freeze()
        files = [_results(path) for path in self.paths]
        waiting = [
            (data, name) for data in files for name in data.exit_code_by_key if self._is_asked(data, name)
        ]
        if not waiting:
            print("no mutant is left to try")
            self.code = 0
            return True
        if (clean := self._clean()) is None:
            return True
        files = [data for data in files if any(data is of for of, _ in waiting)]  # no other is written
        by_function: defaultdict[str, list[str]] = defaultdict(list)
        for test, functions in clean.reached.items():
            for function in functions:
                by_function[function].append(test)
        seconds = sum(cost.wall for cost in clean.cost.values())
        print(f"{len(self._items)} tests, {seconds:.1f} s; {len(waiting)} mutants", flush=True)
        self._try_all(files, waiting, by_function, clean)
        self.code = 0
        return True

    def _is_asked(self, data: SourceFileMutationData, name: str) -> bool:
        if self.within and not any(fnmatch(name, pattern) for pattern in self.within):
            return False
        if self.only:
            return any(fnmatch(name, pattern) for pattern in self.only)
        is_new = data.exit_code_by_key[name] is None and is_in_sample(name, self.sample)
        return is_new or name in self.also

    def _clean(self) -> Clean | None:
        """Run all tests without a mutant, twice; None where one fails, or where no failure would be seen."""
        order = list(self._items)
        first = _said(self._fork("stats", lambda: self._watched(order)))
        if first is None or first.failed:
            print(f"the tests fail without any mutant: {first.failed if first else 'their process ended'}")
            return None
        order = sorted(
            (test for test in order if first.reached[test]), key=lambda test: first.cost[test].wall
        )
        again = _said(self._fork("", lambda: self._run(order)))
        if again is None or again[0]:
            print(f"the tests fail in another order: {again[1] if again else 'their process ended'}")
            return None
        broken = _said(self._fork("fail", lambda: self._run(order)))
        if broken is not None and not broken[0]:
            print("no test reaches what is mutated")
            return None
        return first

    def _try_all(
        self,
        files: list[SourceFileMutationData],
        waiting: list[tuple[SourceFileMutationData, str]],
        by_function: dict[str, list[str]],
        clean: Clean,
    ) -> None:
        kills: defaultdict[str, Counter[str]] = defaultdict(Counter)
        running: dict[int, tuple[Fork, SourceFileMutationData, str, float]] = {}
        waiting = waiting[::-1]
        number, total, saved = 0, len(waiting), time.monotonic()
        while waiting or running:
            while waiting and len(running) < self.jobs:
                data, name = waiting.pop()
                function = mangled_name_from_mutant_name(name)
                reaching = by_function.get(function, [])
                if not reaching and not self.processes:
                    data.exit_code_by_key[name] = NO_TESTS
                    number += 1
                    print(f"{number}/{total} {name} {NO_TESTS}", flush=True)
                    continue
                tests = reaching or list(self._items)
                tests = sorted(tests, key=lambda test: (-kills[function][test], clean.cost[test].wall))
                cpu, wall = (sum(clean.cost[test][which] for test in tests) for which in (1, 0))
                fork = self._fork(name, lambda tests=tests: self._run(tests), TIMES * cpu + CPU_SECONDS)
                running[fork.pidfd] = fork, data, name, time.monotonic() + TIMES * wall + WALL_SECONDS
            ready = select.select(list(running), [], [], 1.0)[0]
            late = [pidfd for pidfd, (*_, until) in running.items() if time.monotonic() > until]
            for pidfd in {*ready, *late}:
                fork, data, name, _ = running.pop(pidfd)
                code, killer = fork.end(late=pidfd not in ready)
                function = mangled_name_from_mutant_name(name)
                if code == SURVIVED and function not in by_function:
                    code = NO_TESTS
                kills[function][killer] += 1
                data.exit_code_by_key[name] = code
                data.durations_by_key[name] = time.monotonic() - fork.start
                number += 1
                if time.monotonic() > saved + SAVED_EVERY_SECONDS:
                    for one in files:
                        one.save()
                    saved = time.monotonic()
                print(
                    f"{number}/{total} {name} {code} {killer} {data.durations_by_key[name]:.2f} s", flush=True
                )
        for one in files:
            one.save()

    def _fork(self, mutant: str, work: Callable[[], object], cpu_seconds: float = 0) -> Fork:
        """Begin work in a process of its own, with that mutant."""
        read, write = os.pipe()
        folder = FOLDER / "tmp" / f"{time.monotonic_ns()}"
        pid = os.fork()
        if pid:
            os.close(write)
            return Fork(pid, os.pidfd_open(pid), read, folder, time.monotonic())
        os.close(read)
        os.setpgid(0, 0)
        if cpu_seconds:
            limit = int(cpu_seconds + time.process_time()) + 1
            resource.setrlimit(resource.RLIMIT_CPU, (limit, limit + 1))
        quiet = os.open(os.devnull, os.O_RDWR)
        for descriptor in range(3):
            os.dup2(quiet, descriptor)
        folder.mkdir(parents=True)
        self._session.config._tmp_path_factory._basetemp = folder  # type: ignore[attr-defined]
        set_mutant_under_test(mutant)
        with os.fdopen(write, "wb") as file:
            pickle.dump(work(), file)
        with suppress(BaseException):  # what shared fixtures hold, where a test failed before the last
            self._session._setupstate.teardown_exact(None)
        os._exit(0)

    def _run(self, tests: list[str]) -> tuple[int, str]:
        """Run tests until one fails: 0 or 1, and the one that failed."""
        for test, later in zip(tests, [*tests[1:], None], strict=True):
            self._run_one(test, later)
            if self.failed:
                return FAILED, self.failed
        return SURVIVED, ""

    def _run_one(self, test: str, later: str | None) -> None:
        item, following = self._items[test], self._items[later] if later else None
        try:
            item.ihook.pytest_runtest_protocol(item=item, nextitem=following)
        except BaseException as error:  # what a mutant raises to end the run fails the test as well
            self.failed = self.failed or f"{test} ({type(error).__name__})"

    def _watched(self, tests: list[str]) -> Clean:
        """Run all tests, and note what each takes and reaches."""
        reach = Reach()
        self._session.config.pluginmanager.register(reach)
        cost, own = {}, {}
        for test, later in zip(tests, [*tests[1:], None], strict=True):
            reach.test = test
            start = Cost.now()
            self._run_one(test, later)
            cost[test] = reach.cost(Cost.now().since(start))
            own[test] = reach.reached()
            if self.failed:
                break
        reached = {
            test: functions.union(*(reach.by_fixture[fixture] for fixture in reach.asked[test]))
            for test, functions in own.items()
        }
        return Clean(cost, reached, self.failed)


class Fork(NamedTuple):
    """A process in which tests run.

    Attributes:
        pid: and of its group.
        pidfd: that can be read once the process has ended.
        read: the end of the pipe on which it says how its tests ended.
        folder: of its temporary files.
        start: when it began, on the monotonic clock.
    """

    pid: int
    pidfd: int
    read: int
    folder: Path
    start: float

    def end(self, *, late: bool) -> tuple[int, str]:
        """The exit code for mutmut and the test that failed; a process that is late is ended."""
        if late:
            os.kill(self.pid, signal.SIGKILL)
        code = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)  # what its tests left
        if (said := self.said()) is not None:
            return said
        return (TIMED_OUT if late or code in (TIMED_OUT, -signal.SIGXCPU) else FAILED), ""

    def said(self) -> Any:
        """What its work gave; None where it did not come to an end."""
        with os.fdopen(self.read, "rb") as file:
            said = file.read()
        os.close(self.pidfd)
        shutil.rmtree(self.folder, ignore_errors=True)
        return pickle.loads(said) if said else None


def main() -> int:
    """Try the mutants of this folder that are not tried yet."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("tests", nargs="+", help="files of tests")
    parser.add_argument("--only", nargs="+", default=[], metavar="PATTERN", help="these, tried or not")
    parser.add_argument("--within", nargs="*", default=[], metavar="PATTERN", help="none but these")
    parser.add_argument("--also", nargs="*", default=[], metavar="NAME", help="these, though tried")
    parser.add_argument("--sample", type=int, default=1, metavar="N", help="one in N")
    parser.add_argument("--processes", action="store_true", help="what tests start runs the code too")
    parser.add_argument("--jobs", type=int, default=1, help="mutants tested at once")
    asked = parser.parse_args()
    copy_src_dir()
    create_mutants(1)
    paths = sorted(walk_mutatable_files())
    trials = Trials(paths, asked)
    arguments = ["--rootdir=.", "--tb=native", "--assert=plain", "-q", "-s", *config().pytest_add_cli_args]
    os.chdir(TREE)

    pytest.main([*arguments, *asked.tests], plugins=[trials])
    return trials.code


def _results(path: Path) -> SourceFileMutationData:
    data = SourceFileMutationData(path=path)
    data.meta_path = FOLDER / data.meta_path
    data.load()
    return data


def _said(fork: Fork) -> Any:
    """Wait for a process to end; what it said."""
    said = fork.said()
    os.waitpid(fork.pid, 0)
    return said


if __name__ == "__main__":
    sys.exit(main())
