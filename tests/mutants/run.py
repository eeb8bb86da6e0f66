"""Mutation testing of rooms of the harness: change one thing at a time, and see whether a test fails.

    python tests/mutants/run.py scoring tasks          every mutant of these rooms, their own tests only
    python tests/mutants/run.py scoring --only 'harness.scoring.pearson.*'
    python tests/mutants/run.py scoring --resume       with the code and tests of now, what was not tried yet or
                                                       has changed
    python tests/mutants/run.py scoring --again        and what survived or timed out the last time
    python tests/mutants/run.py scoring --report       nothing is tried: what is known so far

A room is a folder of ``harness/``; its tests are the folder of the same name below ``tests/``. mutmut works on
a copy below ``build/mutants/``, so the working tree is left as it is. A run that was broken off goes on with
``--resume``. What is known of each survivor stands in ``survivors.toml`` here; what was tried, file by file, goes
to ``figures.json``, and only files of which every mutant was tried. Ends with 1 where a mutant survives that is
not explained.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
import tomllib
from contextlib import chdir
from pathlib import Path
from typing import NamedTuple

from mutmut.mutation.diff_apply import get_diff_for_mutant

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parent.parent
BUILD = REPOSITORY / "build" / "mutants"
ROOMS = ("scoring", "tasks", "records", "boards", "predictions", "execution")
MUTMUT = Path(sys.executable).with_name("mutmut")
# Where many tests reach a function, or slow ones, a mutant takes long. So each module of these rooms is tried by
# itself, on the tests that are of it; a module that is not named here, on all of its room.
MODULES: dict[str, dict[str, tuple[str, ...]]] = {
    "scoring": {
        "blind": ("test_blind.py",),
        "chance": ("test_chance.py",),
        "cosine": (),
        "measures": (),
        "pearson": (),
        "score": (),
        "statistics": ("test_statistics.py",),
    },
    "tasks": {
        "centre": ("test_centre.py", "test_task.py"),
        "describe": ("test_describe.py",),
        "fingerprint": ("test_fingerprint.py", "test_task.py"),
        "labels_only": ("test_labels_only.py",),
        "segments": ("test_segments.py",),
        "sizes": ("test_task.py",),
        "splits": ("test_splits.py", "test_task.py"),
        "task": ("test_task.py", "test_centre.py", "test_private.py"),
    },
    "records": {
        "bands": ("test_record.py",),
        "consistency": ("test_consistency.py",),
        "controls": ("test_record.py", "test_differences.py"),
        "key": ("test_key.py",),
        "milestone": (),
        "provenance": (),
        "record": ("test_record.py", "test_differences.py"),
        "stimuli": (),
        "store": ("test_store.py",),
        "text": ("test_text.py", "test_record.py"),
        "verify": ("test_differences.py",),
    },
    "boards": {
        "board": ("test_board_facts.py",),
        "cells": (),
        "compare": ("test_compare.py", "test_ranked_by.py"),
        "formats": ("test_board.py", "test_ranked_by.py"),
        "history": ("test_history.py",),
        "papers/tables": (),
        "ranking": (
            "test_board_facts.py",
            "test_board.py::test_letters_are_runs_of_neighbours_where_larger_differences_are_told_apart",
            "test_board.py::test_two_systems_share_a_letter_exactly_where_they_cannot_be_told_apart",
        ),
        "row": ("test_board_facts.py",),
    },
    "predictions": {
        "containers": ("test_predictions_archives.py", "test_predictions_counts.py"),
        "expected": ("test_predictions_hostile.py", "test_predictions_counts.py", "test_predictions.py"),
        "reading": (),
        "subject_json": (
            "test_predictions_hostile.py",
            "test_predictions_counts.py",
            "test_predictions_labels.py",
        ),
        "subject_npz": (
            "test_predictions_archives.py",
            "test_predictions_counts.py",
            "test_predictions_labels.py",
        ),
        "writing": ("test_predictions.py",),
    },
    "execution": {
        "code": ("test_code.py",),
        "diagnosis": ("test_diagnosis.py",),
        "exchange": ("test_exchange.py",),
        "folder": ("test_folder.py",),
        "isolation": ("test_isolation_parts.py",),
        "landlock": ("test_isolation_parts.py",),
        "order": ("test_order.py",),
        "seccomp": ("test_seccomp.py",),
        "child": ("test_process.py",),
        "drive": ("test_isolation.py", "test_process.py"),
        "run": ("test_process.py",),
        "enter": ("test_isolation.py", "test_process.py"),
        "keeper": ("test_isolation.py", "test_process.py"),
        "worker": ("test_isolation.py", "test_process.py"),
    },
}
# Files that other processes start by their path, where mutmut's choice among mutants does not reach.
PROCESSES = ("enter", "keeper", "worker")
# Tests that a busy machine fails, since a second is their limit: they would kill any mutant.
HURRIED = ("time_limit", "every_millisecond", "harness_is_killed", "memory_of", "endless_output")
# Exit codes of a mutant's tests, as mutmut keeps them; a mutant that ends its process is killed too.
SURVIVED, NO_TESTS = 0, 33
TIMED_OUT = (24, 36, 152, 255, -24)
COUNTED = ("tried", "killed", "timed_out", "survived", "explained")


class Share(NamedTuple):
    """Files that are tried together.

    Attributes:
        room: folder of harness/.
        folder: where the copy is made.
        mutated: pattern of the files.
        tests: that are run.
        apart: whether other processes start the files by their path.
    """

    room: str
    folder: Path
    mutated: str
    tests: tuple[str, ...]
    apart: bool

    def run(self, only: list[str], again: bool, resume: bool, jobs: int) -> None:
        """Try the mutants."""
        start = time.monotonic()
        self.copy_tree(fresh=not (only or again or resume))
        if self.apart:
            options = (["--again"] if again else []) + (["--only", *only] if only else [])
            _run([sys.executable, HERE / "processes.py", *self.tests, *options], self.folder)
        else:
            mutmut = [MUTMUT, "run", "--max-children", str(jobs)]
            _run([*mutmut, *only], self.folder)
            if again:
                late = [name for name, code in results(self.folder).items() if code in TIMED_OUT]
                if names := survivors(results(self.folder)) + late:
                    _run([*mutmut, *names], self.folder)
        print(f"{self.folder.name}: {(time.monotonic() - start) / 60:.0f} minutes")

    def copy_tree(self, *, fresh: bool) -> None:
        """Copy what git knows or would add, and say in its pyproject.toml what mutmut is to do.

        Args:
            fresh: whether what was tried there is to be forgotten.
        """
        folder = self.folder
        if fresh and folder.exists():
            shutil.rmtree(folder)
        listed = subprocess.run(
            ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
            cwd=REPOSITORY,
            check=True,
            capture_output=True,
        )
        for name in listed.stdout.decode().split("\0"):
            source, target = REPOSITORY / name, folder / name
            if not source.is_file() or (target.is_file() and target.read_bytes() == source.read_bytes()):
                continue
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)  # its time is now, by which mutmut sees a change
        others = sorted({path.name for path in folder.iterdir()} - {"harness", "mutants", "pyproject.toml"})
        arguments = ["-n0", "-p", "no:cacheprovider"]
        if self.room == "execution":  # much there waits for a process, for ever where a mutant breaks it
            arguments += ["-p", "each_test_in_time", "--timeout", "30"]
            arguments += ["-k", f"not ({' or '.join(HURRIED)})"]
        lines = [
            "",
            "[tool.mutmut]",
            'source_paths = ["harness"]',
            f"only_mutate = {json.dumps([self.mutated])}",
            f"also_copy = {json.dumps(others)}",
            f"pytest_add_cli_args_test_selection = {json.dumps(list(self.tests))}",
            f"pytest_add_cli_args = {json.dumps(arguments)}",
            "timeout_multiplier = 10.0",  # of the tests' own time: a busy machine is no infinite loop
            "timeout_constant = 10.0",
            'on_dependency_change = "ignore"',
        ]
        text = (REPOSITORY / "pyproject.toml").read_text()
        (folder / "pyproject.toml").write_text(text + "\n".join(lines) + "\n")

    def report(self) -> int:
        """Say what survived, and write down what was tried; returns how many survivors are not explained."""
        codes, known, strange = results(self.folder), explained(), set()
        for name in survivors(codes):
            function, was, now = change(self.folder, name)
            if (function, was, now) in known:
                continue
            strange.add(name)
            untested = " (no test reaches it)" if codes[name] == NO_TESTS else ""
            print(f"survived: {name}{untested}\n  {function}\n  - {was}\n  + {now}")
        whole: dict[str, dict[str, int]] = {}
        for module, count in by_module(codes, strange).items():
            made = count.pop("made")
            print(f"{module}: " + ", ".join(f"{n} {what.replace('_', ' ')}" for what, n in count.items()))
            if count["tried"] == made:
                whole[module] = count
            else:
                print(f"{module}: {made - count['tried']} of {made} were not tried")
        if whole:
            path = HERE / "figures.json"
            figures = json.loads(path.read_text()) if path.is_file() else {}
            path.write_text(json.dumps({**figures, **whole}, indent=1, sort_keys=True) + "\n")
        return len(strange)


def main() -> int:
    """Run the rooms one after another; 1 where a survivor is not explained."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "rooms", nargs="*", default=ROOMS, help="folders of harness/; all by default; or ROOM/MODULE"
    )
    parser.add_argument("--only", nargs="+", default=[], metavar="PATTERN", help="names of mutants")
    parser.add_argument("--again", action="store_true", help="only what has changed, survived or timed out")
    parser.add_argument("--resume", action="store_true", help="go on with what was not tried or has changed")
    parser.add_argument("--jobs", type=int, default=1, help="mutants tested at once")
    parser.add_argument("--report", action="store_true", help="try nothing, say what is known so far")
    asked = parser.parse_args()
    unexplained = 0
    for room in asked.rooms:
        for share in shares(room, parser):
            if not asked.report:
                share.run(asked.only, asked.again, asked.resume, asked.jobs)
            unexplained += share.report()
    return int(unexplained > 0)


def shares(named: str, parser: argparse.ArgumentParser) -> list[Share]:
    """What is tried at once: a whole room, or ROOM/MODULE."""
    room, _, module = named.partition("/")
    if not (REPOSITORY / "harness" / room).is_dir() or not (REPOSITORY / "tests" / room).is_dir():
        parser.error(f"{room}: no folder harness/{room} with tests in tests/{room}")
    modules = MODULES.get(room, {})
    if module and module not in modules:
        parser.error(f"{named}: one of {', '.join(modules) or f'{room}, whole'}")
    if not modules:
        return [Share(room, BUILD / room, f"harness/{room}/*.py", (f"tests/{room}",), apart=False)]
    return [
        Share(
            room,
            BUILD / f"{room}-{name.replace('/', '-')}",
            f"harness/{room}/{name}.py",
            tuple(f"tests/{room}/{test}" for test in tests) or (f"tests/{room}",),
            apart=name in PROCESSES,
        )
        for name, tests in modules.items()
        if module in ("", name)
    ]


def _run(command: list[object], folder: Path) -> None:
    # each_test_in_time.py is found here; no mutant leaves byte code that the next one would be given.
    environment = {**os.environ, "PYTHONPATH": str(HERE), "PYTHONDONTWRITEBYTECODE": "1"}
    subprocess.run([str(word) for word in command], cwd=folder, check=True, env=environment)


def results(folder: Path) -> dict[str, int | None]:
    """Name of each mutant -> the exit code of its tests."""
    codes: dict[str, int | None] = {}
    for path in sorted((folder / "mutants" / "harness").rglob("*.py.meta")):
        codes |= json.loads(path.read_text())["exit_code_by_key"]
    return codes


def survivors(codes: dict[str, int | None]) -> list[str]:
    """The names of those that no test noticed."""
    return [name for name, code in codes.items() if code in (SURVIVED, NO_TESTS)]


def change(folder: Path, name: str) -> tuple[str, str, str]:
    """The function of a mutant, and the lines before and after: what stays when mutants are numbered anew."""
    module, _, mangled = name.rpartition("__mutmut_")[0].rpartition(".")
    with chdir(folder):
        shown = get_diff_for_mutant(name, path=module.replace(".", "/") + ".py")
    lines = [line for line in shown.splitlines() if not line.startswith(("---", "+++"))]
    was, now = (
        " ".join(line[1:].strip() for line in lines if line.startswith(sign)).strip() for sign in "-+"
    )
    function = mangled.removeprefix("x_").removeprefix("xǁ").replace("ǁ", ".")
    return f"{module}.{function}", was, now


def explained() -> set[tuple[str, str, str]]:
    """The survivors of which a reason is known."""
    path = HERE / "survivors.toml"
    entries = tomllib.loads(path.read_text())["survivor"] if path.is_file() else []
    return {(entry["function"], entry["was"], entry["now"]) for entry in entries}


def by_module(codes: dict[str, int | None], strange: set[str]) -> dict[str, dict[str, int]]:
    """Module -> how many mutants of it were made, tried, killed, timed out, survived, and are explained."""
    found: dict[str, dict[str, int]] = {}
    for name, code in codes.items():
        module = name.rpartition("__mutmut_")[0].rpartition(".")[0].removeprefix("harness.")
        count = found.setdefault(module, dict.fromkeys(("made", *COUNTED), 0))
        count["made"] += 1
        if code is None:
            continue
        count["tried"] += 1
        if code in (SURVIVED, NO_TESTS):
            count["survived"] += 1
            count["explained"] += name not in strange
        else:
            count["timed_out" if code in TIMED_OUT else "killed"] += 1
    return dict(sorted(found.items()))


if __name__ == "__main__":
    sys.exit(main())
