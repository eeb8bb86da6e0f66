"""Mutation testing of rooms of the harness: change one thing at a time, and see whether a test fails.

    python tests/mutants/run.py scoring tasks          every mutant of these rooms, their own tests only
    python tests/mutants/run.py scoring --only 'harness.scoring.pearson.*'
    python tests/mutants/run.py scoring --again        with the code and tests of now, what was not tried yet or
                                                       has changed, what survived or timed out the last time
    python tests/mutants/run.py scoring --report       nothing is tried: what is known so far

A room is a folder of ``harness/``; its tests are the folder of the same name below ``tests/``. mutmut works on
a copy below ``build/mutants/``, so the working tree is left as it is. A run that was broken off goes on with
``--again``. What is known of each survivor stands in ``survivors.toml`` here; what was tried, file by file, goes
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

from mutmut.mutation.diff_apply import get_diff_for_mutant

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parent.parent
BUILD = REPOSITORY / "build" / "mutants"
ROOMS = ("scoring", "tasks", "records", "boards", "predictions", "execution")
MUTMUT = Path(sys.executable).with_name("mutmut")
# Files that other processes start by their path, where mutmut's choice among mutants does not reach.
PROCESSES = {"execution": ("enter.py", "keeper.py", "worker.py")}
# Exit codes of a mutant's tests, as mutmut keeps them; a mutant that ends its process is killed too.
SURVIVED, NO_TESTS = 0, 33
TIMED_OUT = (24, 36, 152, 255, -24)
COUNTED = ("tried", "killed", "timed_out", "survived", "explained")


def main() -> int:
    """Run the rooms one after another; 1 where a survivor is not explained."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("rooms", nargs="*", default=ROOMS, help="folders of harness/; all six by default")
    parser.add_argument("--only", nargs="+", default=[], metavar="PATTERN", help="names of mutants")
    parser.add_argument("--again", action="store_true", help="only what has changed, survived or timed out")
    parser.add_argument("--jobs", type=int, default=1, help="mutants tested at once")
    parser.add_argument("--report", action="store_true", help="try nothing, say what is known so far")
    asked = parser.parse_args()
    unexplained = 0
    for room in asked.rooms:
        if not (REPOSITORY / "harness" / room).is_dir() or not (REPOSITORY / "tests" / room).is_dir():
            parser.error(f"{room}: no folder harness/{room} with tests in tests/{room}")
        if not asked.report:
            run_room(room, asked.only, asked.again, asked.jobs)
        unexplained += report_room(room)
    return int(unexplained > 0)


def run_room(room: str, only: list[str], again: bool, jobs: int) -> None:
    """Try the mutants of one room."""
    start = time.monotonic()
    apart = PROCESSES.get(room, ())
    folder = BUILD / room
    fresh = not (only or again)
    copy_tree(
        folder, room, [f"harness/{room}/*.py"], [f"harness/{room}/{name}" for name in apart], fresh=fresh
    )
    here = [pattern for pattern in only if not _of_files(pattern, room, apart)]
    if here or not only:
        mutmut = [MUTMUT, "run", "--max-children", str(jobs)]
        _run([*mutmut, *here], folder)
        if again:
            late = [name for name, code in results(folder).items() if code in TIMED_OUT]
            if names := survivors(results(folder)) + late:
                _run([*mutmut, *names], folder)
    there = [pattern for pattern in only if _of_files(pattern, room, apart)]
    if apart and (there or not only):
        folder = BUILD / f"{room}-processes"
        copy_tree(folder, room, [f"harness/{room}/{name}" for name in apart], [], fresh=fresh)
        options = (["--again"] if again else []) + (["--only", *there] if there else [])
        _run([sys.executable, HERE / "processes.py", f"tests/{room}", *options], folder)
    print(f"{room}: {(time.monotonic() - start) / 60:.0f} minutes")


def _of_files(pattern: str, room: str, names: tuple[str, ...]) -> bool:
    """Whether a pattern of mutants is of one of these files."""
    return any(pattern.startswith(f"harness.{room}.{name.removesuffix('.py')}.") for name in names)


def _run(command: list[object], folder: Path) -> None:
    # each_test_in_time.py is found here; no mutant leaves byte code that the next one would be given.
    environment = {**os.environ, "PYTHONPATH": str(HERE), "PYTHONDONTWRITEBYTECODE": "1"}
    subprocess.run([str(word) for word in command], cwd=folder, check=True, env=environment)


def report_room(room: str) -> int:
    """Say what survived, and write down what was tried; returns how many survivors are not explained."""
    folders = [folder for folder in (BUILD / room, BUILD / f"{room}-processes") if folder.is_dir()]
    codes = {name: code for folder in folders for name, code in results(folder).items()}
    known = explained()
    strange = set()
    for folder in folders:
        own = results(folder)
        for name in survivors(own):
            function, was, now = change(folder, name)
            if (function, was, now) in known:
                continue
            strange.add(name)
            untested = " (no test reaches it)" if own[name] == NO_TESTS else ""
            print(f"survived: {name}{untested}\n  {function}\n  - {was}\n  + {now}")
    found = by_module(codes, strange)
    for module, count in found.items():
        whole = "" if count["tried"] == count["made"] else f" of {count['made']} mutants"
        print(
            f"{module}: " + ", ".join(f"{count[what]} {what.replace('_', ' ')}" for what in COUNTED) + whole
        )
    path = HERE / "figures.json"
    figures = json.loads(path.read_text()) if path.is_file() else {}
    own = {
        module: {what: count[what] for what in COUNTED}
        for module, count in found.items()
        if count["tried"] == count["made"]
    }
    if own:
        figures[room] = figures.get(room, {}) | own
        path.write_text(json.dumps(figures, indent=1, sort_keys=True) + "\n")
    return len(strange)


def copy_tree(folder: Path, room: str, mutated: list[str], left: list[str], *, fresh: bool) -> None:
    """Copy what git knows or would add, and say in its pyproject.toml what mutmut is to do.

    Args:
        folder: where to.
        room: whose tests.
        mutated: patterns of files to mutate.
        left: patterns of files among them that are not.
        fresh: whether what was tried there is to be forgotten.
    """
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
    if room in PROCESSES:  # much there waits for a process, for ever where a mutant breaks it
        arguments += ["-p", "each_test_in_time", "--timeout", "25"]
    lines = [
        "",
        "[tool.mutmut]",
        'source_paths = ["harness"]',
        f"only_mutate = {json.dumps(mutated)}",
        f"do_not_mutate = {json.dumps(left)}",
        f"also_copy = {json.dumps(others)}",
        f'pytest_add_cli_args_test_selection = ["tests/{room}"]',
        f"pytest_add_cli_args = {json.dumps(arguments)}",
        "timeout_multiplier = 10.0",  # of the tests' own time: a busy machine is no infinite loop
        "timeout_constant = 10.0",
        'on_dependency_change = "ignore"',
    ]
    text = (REPOSITORY / "pyproject.toml").read_text()
    (folder / "pyproject.toml").write_text(text + "\n".join(lines) + "\n")


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
