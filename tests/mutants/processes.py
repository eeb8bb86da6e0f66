"""Mutants of files that another process starts by their path: each is written in place, one at a time.

mutmut puts all mutants of a function into one file and chooses among them by a variable of the process that
tests. A process of its own has neither that variable nor mutmut. So here the mutants are made by mutmut, but
each is written where the file lies, as the only one, and the tests run on that tree.

    cd build/mutants/execution-processes
    python .../tests/mutants/processes.py tests/execution [--again] [--only PATTERN ...]

``run.py`` prepares that folder and calls this. Results go where mutmut keeps its own, so that what was tried
already is not tried again. Every mutant is tested in a fork of this process, which has loaded the harness but
none of these files. Only tests that start one of the files, or import it, are run: those that killed most come
first, then the fastest.
"""

from __future__ import annotations

import argparse
import os
import pickle
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from fnmatch import fnmatch
from pathlib import Path
from typing import TypeVar

sys.path.insert(0, str(Path.cwd()))  # the tree that is mutated, and no installed one

import libcst
import pytest
from mutmut.__main__ import copy_src_dir, create_mutants
from mutmut.configuration import config
from mutmut.mutation.data import SourceFileMutationData
from mutmut.mutation.diff_apply import read_functions_from_index
from mutmut.utils.file_utils import walk_mutatable_files
from mutmut.utils.format_utils import orig_function_and_class_names_from_key

T = TypeVar("T")
SURVIVED, FAILED, TIMED_OUT = 0, 1, 24
WALL_SECONDS = 900  # of one mutant's tests, besides the limit of each test


class Watch:
    """A plugin that notes what each test takes, what it starts, and which fails first."""

    def __init__(self, files: tuple[str, ...]) -> None:
        self.files = files
        self.seconds: dict[str, float] = {}
        self.reaching: set[str] = set()
        self.failed = ""
        self._test = ""

    def watch(self) -> None:
        """Note from now on which tests import one of the files, or start one beside it, which starts it."""
        folders = {f"/{file.rpartition('/')[0]}/" for file in self.files}
        modules = tuple(file.removesuffix(".py").replace("/", ".") for file in self.files)

        def hook(event: str, arguments: tuple[object, ...]) -> None:
            started = event == "subprocess.Popen" and any(folder in str(arguments[1]) for folder in folders)
            if started or (event == "import" and arguments[0] in modules):
                self.reaching.add(self._test)

        sys.addaudithook(hook)

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        modules = {file.rpartition("/")[2].removesuffix(".py") for file in self.files}
        for item in items:
            if modules & vars(getattr(item, "module", object())).keys():
                self.reaching.add(item.nodeid)

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        self._test = nodeid
        self.seconds[nodeid] = 0.0

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.seconds[report.nodeid] += report.duration
        if report.failed and not self.failed:
            self.failed = report.nodeid


def main() -> int:
    """Try the mutants of this folder that are not tried yet."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("tests", nargs="+", help="files of tests")
    parser.add_argument("--only", nargs="+", default=[], metavar="PATTERN")
    parser.add_argument("--again", action="store_true", help="try survivors and timeouts again as well")
    asked = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that the file in work is made whole again
    copy_src_dir()
    create_mutants(1)
    paths = sorted(walk_mutatable_files())
    files = tuple(map(str, paths))
    watch = Watch(files)
    _, watched = _in_a_fork(lambda: _clean(watch, asked.tests))
    if watched is None:
        print("the tests fail without any mutant")
        return 1
    tests, seconds = watched
    print(
        f"{len(tests)} tests reach {', '.join(files)}: {sum(seconds[name] for name in tests):.0f} s",
        flush=True,
    )
    import harness.cli.main  # once, for all forks  # noqa: F401

    kills = Counter[str]()
    for path in paths:
        data = SourceFileMutationData(path=path)
        data.load()
        for name, code in data.exit_code_by_key.items():
            if asked.only and not any(fnmatch(name, pattern) for pattern in asked.only):
                continue
            if code is not None and not asked.only and not (asked.again and code in (SURVIVED, TIMED_OUT)):
                continue
            order = sorted(tests, key=lambda test: (-kills[test], seconds[test]))
            start = time.monotonic()
            with mutated(path, name):
                data.exit_code_by_key[name], killer = _tried(order)
            kills[killer] += 1
            data.durations_by_key[name] = time.monotonic() - start
            data.save()
            print(
                f"{name} {data.exit_code_by_key[name]} {killer} {data.durations_by_key[name]:.1f} s",
                flush=True,
            )
    return 0


@contextmanager
def mutated(path: Path, name: str) -> Iterator[None]:
    """The file with one mutant in place of its function."""
    source = path.read_text()
    function_name, class_name = orig_function_and_class_names_from_key(name)
    functions = read_functions_from_index(name, path)
    module = libcst.parse_module(source)
    scope = module if class_name is None else _named(module, class_name)
    changed = module.deep_replace(_named(scope, function_name.rpartition(".")[2]), functions[1]).code
    if changed == source:
        raise RuntimeError(f"{name} changes nothing in {path}")
    try:
        path.write_text(changed)
        yield
    finally:
        path.write_text(source)


def _named(scope: libcst.Module | libcst.ClassDef, name: str) -> libcst.CSTNode:
    """The function or class of this name that stands directly in a module or class."""
    body = scope.body if isinstance(scope, libcst.Module) else scope.body.body
    kinds = (libcst.FunctionDef, libcst.ClassDef)
    return next(node for node in body if isinstance(node, kinds) and node.name.value == name)


def _clean(watch: Watch, tests: list[str]) -> tuple[list[str], dict[str, float]] | None:
    watch.watch()
    if pytest.main(["-x", "-q", *config().pytest_add_cli_args, *tests], plugins=[watch]):
        return None
    return sorted(watch.reaching & watch.seconds.keys()), watch.seconds


def _tried(tests: list[str]) -> tuple[int, str]:
    """The exit code of the tests on the tree as it is, and the test that failed."""
    watch = Watch(())
    code, said = _in_a_fork(
        lambda: (
            int(pytest.main(["-x", "-q", *config().pytest_add_cli_args, *tests], plugins=[watch])),
            watch.failed,
        )
    )
    if said is not None:
        return said
    return (TIMED_OUT if code in (TIMED_OUT, -signal.SIGALRM) else FAILED), ""


def _in_a_fork(work: Callable[[], T]) -> tuple[int, T | None]:
    """How a process of its own ended, and what work gave there; None where it did not come to an end."""
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(read)
        os.setpgid(0, 0)
        quiet = os.open(os.devnull, os.O_RDWR)
        for descriptor in range(3):
            os.dup2(quiet, descriptor)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.alarm(WALL_SECONDS)
        with os.fdopen(write, "wb") as file:
            pickle.dump(work(), file)
        os._exit(0)
    os.close(write)
    with os.fdopen(read, "rb") as file:
        said = file.read()
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    with suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)  # what its tests left
    return code, pickle.loads(said) if said else None


if __name__ == "__main__":
    sys.exit(main())
