"""Mutation testing of rooms of the harness: change one thing at a time, and see whether a test fails.

    python tests/mutants/run.py scoring tasks          every mutant of these rooms, their own tests only
    python tests/mutants/run.py scoring --only 'harness.scoring.pearson.*'
    python tests/mutants/run.py scoring --again        with the code and tests of now, what has changed since
                                                       the last time, what survived or timed out then

A room is a folder of ``harness/``; its tests are the folder of the same name below ``tests/``. mutmut works on
a copy below ``build/mutants/``, so the working tree is left as it is. What is known of each survivor stands in
``survivors.toml`` here; once every mutant of a room has been tried, the counts go to ``figures.json``. Ends
with 1 where a mutant survives that is not explained.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import time
import tomllib
from collections import Counter
from pathlib import Path

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parent.parent
BUILD = REPOSITORY / "build" / "mutants"
ROOMS = ("scoring", "tasks", "records", "boards", "predictions", "execution")
MUTMUT = Path(sys.executable).with_name("mutmut")
# Exit codes of a mutant's tests, as mutmut keeps them; a mutant that ends its process is killed too.
SURVIVED, NO_TESTS = 0, 33
TIMED_OUT = (24, 36, 152, 255, -24)


def main() -> int:
    """Run the rooms one after another; 1 where a survivor is not explained."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("rooms", nargs="*", default=ROOMS, help="folders of harness/; all six by default")
    parser.add_argument("--only", nargs="+", default=[], metavar="PATTERN", help="names of mutants")
    parser.add_argument("--again", action="store_true", help="only what has changed, survived or timed out")
    parser.add_argument("--jobs", type=int, default=1, help="mutants tested at once")
    asked = parser.parse_args()
    unexplained = 0
    for room in asked.rooms:
        if not (REPOSITORY / "harness" / room).is_dir() or not (REPOSITORY / "tests" / room).is_dir():
            parser.error(f"{room}: no folder harness/{room} with tests in tests/{room}")
        unexplained += run_room(room, asked.only, asked.again, asked.jobs)
    return int(unexplained > 0)


def run_room(room: str, only: list[str], again: bool, jobs: int) -> int:
    """Run one room and say what survived; returns how many survivors are not explained."""
    folder = BUILD / room
    copy_tree(folder, room, fresh=not (only or again))
    start = time.monotonic()
    mutmut = [MUTMUT, "run", "--max-children", str(jobs)]
    subprocess.run([*mutmut, *only], cwd=folder, check=True)
    if again:
        late = [name for name, code in results(folder).items() if code in TIMED_OUT]
        if names := survivors(results(folder)) + late:
            subprocess.run([*mutmut, *names], cwd=folder, check=True)
    seconds = time.monotonic() - start
    codes = results(folder)
    alive = survivors(codes)
    changes = {name: change(folder, name) for name in alive}
    known = explained()
    strange = [name for name in alive if changes[name] not in known]
    for name in strange:
        function, was, now = changes[name]
        untested = " (no test reaches it)" if codes[name] == NO_TESTS else ""
        print(f"survived: {name}{untested}\n  {function}\n  - {was}\n  + {now}")
    found = {
        "tried": sum(code is not None for code in codes.values()),
        "killed": sum(code not in (None, SURVIVED, NO_TESTS) for code in codes.values()),
        "timed_out": sum(code in TIMED_OUT for code in codes.values()),
        "survived": len(alive),
        "explained": len(alive) - len(strange),
    }
    print(f"{room}: " + ", ".join(f"{count} {what.replace('_', ' ')}" for what, count in found.items()))
    print(f"by module: {by_module(codes)}\n{seconds / 60:.0f} minutes")
    if None not in codes.values():
        path = HERE / "figures.json"
        figures = json.loads(path.read_text()) if path.is_file() else {}
        path.write_text(json.dumps({**figures, room: found}, indent=1, sort_keys=True) + "\n")
    return len(strange)


def copy_tree(folder: Path, room: str, *, fresh: bool) -> None:
    """Copy what git knows or would add, and say in its pyproject.toml what mutmut is to do."""
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
    lines = [
        "",
        "[tool.mutmut]",
        'source_paths = ["harness"]',
        f'only_mutate = ["harness/{room}/*.py"]',
        f"also_copy = {json.dumps(others)}",
        f'pytest_add_cli_args_test_selection = ["tests/{room}"]',
        'pytest_add_cli_args = ["-n0", "-p", "no:cacheprovider"]',
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
    shown = subprocess.run([MUTMUT, "show", name], cwd=folder, check=True, capture_output=True, text=True)
    lines = [line for line in shown.stdout.splitlines() if not line.startswith(("---", "+++", "#"))]
    was, now = (
        " ".join(line[1:].strip() for line in lines if line.startswith(sign)).strip() for sign in "-+"
    )
    module, _, mangled = name.rpartition("__mutmut_")[0].rpartition(".")
    function = mangled.removeprefix("x_").removeprefix("xǁ").replace("ǁ", ".")
    return f"{module}.{function}", was, now


def explained() -> set[tuple[str, str, str]]:
    """The survivors of which a reason is known."""
    path = HERE / "survivors.toml"
    entries = tomllib.loads(path.read_text())["survivor"] if path.is_file() else []
    return {(entry["function"], entry["was"], entry["now"]) for entry in entries}


def by_module(codes: dict[str, int | None]) -> str:
    """Killed and tried, module by module."""
    tried, killed = Counter[str](), Counter[str]()
    for name, code in codes.items():
        module = name.rpartition(".")[0].rpartition(".")[2]
        tried[module] += code is not None
        killed[module] += code not in (None, SURVIVED, NO_TESTS)
    return ", ".join(f"{module} {killed[module]} of {tried[module]}" for module in sorted(tried))


if __name__ == "__main__":
    sys.exit(main())
