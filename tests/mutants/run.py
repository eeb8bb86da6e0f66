"""Mutation testing of rooms of the harness: change one thing at a time, and see whether a test fails.

    python tests/mutants/run.py scoring tasks          every mutant of these rooms, their own tests only
    python tests/mutants/run.py scoring --only 'harness.scoring.pearson.*'
    python tests/mutants/run.py scoring --resume       with the code and tests of now, what was not tried yet or
                                                       has changed
    python tests/mutants/run.py scoring --again        and what survived or timed out the last time
    python tests/mutants/run.py records --sample 10    one mutant in ten, always the same ones
    python tests/mutants/run.py scoring --report       nothing is tried: what is known so far

A room is a folder of ``harness/``; its tests are the folder of the same name below ``tests/``. mutmut makes the
mutants in a copy below ``build/mutants/``, so the working tree is left as it is, and ``trials.py`` tries them. A run that was broken off goes on with
``--resume``. What is known of each survivor stands in ``survivors.toml`` here; what was tried, file by file, goes
to ``figures.json`` and the table in README.md, and only files of which every mutant was tried, or all of the sample. Ends with 1 where a mutant survives that is
not explained.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import time
import tomllib
from collections.abc import Container, Mapping
from contextlib import chdir
from fnmatch import fnmatch
from pathlib import Path
from typing import NamedTuple

from mutmut.mutation.diff_apply import get_diff_for_mutant
from sample import is_in_sample

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parent.parent
BUILD = REPOSITORY / "build" / "mutants"
ROOMS = ("scoring", "tasks", "records", "boards", "predictions", "execution")
# Which tests a module is tried on, where these are not the file of its name (tests/scoring/test_chance.py for
# scoring/chance) or, where there is none, all of its room. A mutant only meets those of them that reach it.
MODULES: dict[str, dict[str, tuple[str, ...]]] = {
    "scoring": {
        "chance": ("test_chance.py", "test_scorer_version.py"),
        "context": ("test_accuracy.py", "test_measures.py"),
        "cosine": ("test_cosine.py", "test_measures.py"),
        "measures": ("test_measures.py", "test_cosine.py", "test_accuracy.py", "test_score.py"),
        "pearson": ("test_score.py", "test_measures.py"),
        "score": ("test_score.py", "test_measures.py", "test_scorer_version.py"),
        "statistics": ("test_statistics.py", "test_power.py"),
        "two_sources": ("test_two_sources.py", "test_power.py"),
    },
    "tasks": {
        "alignment": ("test_alignment.py", "test_quality.py"),
        "classifier": ("test_classifier.py",),
        "describe": ("test_describe.py", "test_identity.py"),
        "fingerprint": ("test_fingerprint.py", "test_task.py"),
        "quality": ("test_quality_exact.py", "test_quality.py", "test_describe.py"),
        "quality_pictures": ("test_quality_pictures.py", "test_quality.py"),
        "segments": ("test_segments.py", "test_blocks.py"),
        "sizes": ("test_task.py", "test_labels_only.py"),
        "splits": ("test_splits.py", "test_task.py", "test_blocks.py"),
        "task": ("test_task.py", "test_private.py", "test_corpus_split.py"),
    },
    "records": {
        "bands": ("test_record.py", "test_consistency.py"),
        "controls": ("test_record.py", "test_consistency.py", "test_differences.py"),
        "milestone": ("test_record.py", "test_text.py"),
        "provenance": ("test_record.py", "test_differences.py"),
        "build": ("test_record.py", "test_differences.py"),
        "document": ("test_record.py", "test_differences.py"),
        "measured": ("test_record.py", "test_consistency.py", "test_differences.py"),
        "record": ("test_record.py", "test_differences.py", "test_consistency.py", "test_key.py"),
        "stimuli": ("test_seen_and_unseen.py",),
        "store": ("test_store.py", "test_neighbours.py"),
        "text": ("test_text.py", "test_record.py"),
        "verify": ("test_differences.py", "test_verify.py"),
    },
    "boards": {
        "board": ("test_board_facts.py",),
        "history": ("test_history_exact.py",),
        "papers/official": ("papers/test_official.py",),
        "papers/tables": ("papers/test_paper_tables.py",),
        "row": ("test_board_facts.py",),
    },
    "predictions": {
        "containers": ("test_predictions_archives.py", "test_predictions_counts.py"),
        "expected": ("test_predictions_hostile.py", "test_predictions_counts.py", "test_predictions.py"),
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
        "isolation": ("test_isolation_parts.py",),
        "landlock": ("test_isolation_parts.py",),
    },
}
# Files that other processes start by their path, where mutmut's choice among mutants does not reach.
PROCESSES = ("enter", "keeper", "worker")
# Tests that a busy machine fails, since a second is their limit: they would kill any mutant.
HURRIED = ("time_limit", "every_millisecond", "harness_is_killed", "memory_of", "endless_output")
# Exit codes of a mutant's tests, as mutmut keeps them; a mutant that ends its process is killed too.
SURVIVED, NO_TESTS = 0, 33
TIMED_OUT = (24, 36, 152, 255, -24)
COUNTED = ("made", "tried", "killed", "timed_out", "survived", "explained")


class Module(NamedTuple):
    """A file whose mutants are tried.

    Attributes:
        room: folder of harness/.
        name: of the file in that room, without its ending.
    """

    room: str
    name: str

    @property
    def apart(self) -> bool:
        """Whether other processes start the file by its path."""
        return self.name in PROCESSES

    @property
    def dotted(self) -> str:
        """Its name in figures.json."""
        return f"{self.room}.{self.name.replace('/', '.')}"

    @property
    def folder(self) -> Path:
        """Where the copy is made: one for a room, and one for each file that is apart."""
        return BUILD / (f"{self.room}-{self.name}" if self.apart else self.room)

    @property
    def mutated(self) -> list[str]:
        """The files of which the copy has mutants: this, and those that were tried there before."""
        there = [name for name in modules_of(self.room) if name == self.name or self.has_mutants(name)]
        return [f"harness/{self.room}/{name}.py" for name in there]

    @property
    def names(self) -> str:
        """A pattern of the names of its mutants."""
        return f"harness.{self.dotted}.x*"

    def has_mutants(self, module: str) -> bool:
        """Whether mutants of a module were made in the copy."""
        return (self.folder / f"mutants/harness/{self.room}/{module}.py.meta").is_file()

    def may_have(self, patterns: list[str]) -> bool:
        """Whether mutants of it can be among those of these patterns; of no pattern, all are."""
        own = self.names.removesuffix("x*")
        fixed = [re.split(r"[*?\[]", pattern, maxsplit=1)[0] for pattern in patterns]
        return not fixed or any(own.startswith(one) or one.startswith(own) for one in fixed)

    def codes(self) -> dict[str, int | None]:
        """Name of each mutant -> the exit code of its tests."""
        return {name: code for name, code in results(self.folder).items() if fnmatch(name, self.names)}

    def run(self, only: list[str], again: bool, resume: bool, jobs: int, sample: int) -> None:
        """Try the mutants, or one in ``sample``."""
        start = time.monotonic()
        self.copy_tree(fresh=not (only or again or resume))
        options = ["--only", *only] if only else []
        if self.apart:
            script = HERE / "processes.py"
            options += ["--again"] if again else []
        else:
            script = HERE / "trials.py"
            options += ["--jobs", str(jobs), "--sample", str(sample)]
            options += ["--processes"] if self.room == "execution" else []
            options += ["--within", self.names]
            codes = self.codes()
            late = [name for name, code in codes.items() if code in TIMED_OUT]
            options += ["--also", *unexplained(self.folder, codes), *late] if again else []
        tests = tests_of(self.room, self.name)
        _run([sys.executable, script, *tests, *options], self.folder, apart=self.apart)
        print(f"{self.room}/{self.name}: {(time.monotonic() - start) / 60:.1f} minutes")

    def copy_tree(self, *, fresh: bool) -> None:
        """Copy what git knows or would add, and say in a pyproject.toml what mutmut is to do.

        mutmut makes ``mutants/harness`` of ``harness``, and the tests run in ``mutants``.

        Args:
            fresh: whether what was tried of this module is to be forgotten.
        """
        folder = self.folder
        if fresh:
            (folder / f"mutants/harness/{self.room}/{self.name}.py.meta").unlink(missing_ok=True)
        listed = subprocess.run(
            ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
            cwd=REPOSITORY,
            check=True,
            capture_output=True,
        )
        names = {name for name in listed.stdout.decode().split("\0") if (REPOSITORY / name).is_file()}
        tests_run_in = folder if self.apart else folder / "mutants"
        for name in sorted(names):
            of_mutmut = name.startswith("harness/") and name.endswith(".py")
            target = (folder if of_mutmut else tests_run_in) / name
            if target.is_file() and target.read_bytes() == (REPOSITORY / name).read_bytes():
                continue
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(REPOSITORY / name, target)  # its time is now, by which mutmut sees a change
        for tree in {folder, tests_run_in}:
            for path in [*tree.glob("harness/**/*.py"), *tree.glob("tests/**/*.py")]:
                if path.relative_to(tree).as_posix() not in names:
                    path.unlink()
        if not self.has_mutants(self.name):  # a copy without mutants looks to mutmut like one with
            (folder / f"mutants/harness/{self.room}/{self.name}.py").unlink(missing_ok=True)
        arguments = ["-n0", "-p", "no:cacheprovider"]
        if self.room == "execution":  # much there waits for a process, for ever where a mutant breaks it
            arguments += ["-p", "each_test_in_time", "--timeout", "30"]
            arguments += ["-k", f"not ({' or '.join(HURRIED)})"]
        else:
            arguments += ["--timeout", "0"]  # a test that is too slow shows no difference
        lines = [
            "",
            "[tool.mutmut]",
            'source_paths = ["harness"]',
            f"only_mutate = {json.dumps(self.mutated)}",
            f"pytest_add_cli_args = {json.dumps(arguments)}",
        ]
        text = (REPOSITORY / "pyproject.toml").read_text()
        (folder / "pyproject.toml").write_text(text + "\n".join(lines) + "\n")

    def report(self, sample: int) -> int:
        """Say what survived, and write down what was tried; returns how many survivors are not explained.

        Args:
            sample: of so many mutants one is enough for a module to be in the figures.
        """
        if not self.has_mutants(self.name):
            print(f"{self.dotted}: not begun")
            return 0
        codes = self.codes()
        strange = unexplained(self.folder, codes)
        for name, (function, was, now) in strange.items():
            untested = " (no test reaches it)" if codes[name] == NO_TESTS else ""
            print(f"survived: {name}{untested}\n  {function}\n  - {was}\n  + {now}")
        count = counted(codes, strange)
        print(f"{self.dotted}: " + ", ".join(f"{n} {what.replace('_', ' ')}" for what, n in count.items()))
        left = sum(code is None and is_in_sample(name, sample) for name, code in codes.items())
        if not self.is_of_now():
            print(f"{self.dotted} has changed since: go on with --resume")
        elif left:
            print(f"{self.dotted}: {left} were not tried")
        else:  # none of properties and constants alone, which mutmut leaves as they are
            write_figures({self.dotted: count})
        return len(strange)

    def is_of_now(self) -> bool:
        """Whether the code that was tried is what stands in the repository."""
        name = f"harness/{self.room}/{self.name}.py"
        return (self.folder / name).read_bytes() == (REPOSITORY / name).read_bytes()


def main() -> int:
    """Run the rooms one after another; 1 where a survivor is not explained."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "rooms", nargs="*", default=ROOMS, help="folders of harness/; all by default; or ROOM/MODULE[,MODULE]"
    )
    parser.add_argument("--only", nargs="+", default=[], metavar="PATTERN", help="names of mutants")
    parser.add_argument("--again", action="store_true", help="only what has changed, survived or timed out")
    parser.add_argument("--resume", action="store_true", help="go on with what was not tried or has changed")
    parser.add_argument("--jobs", type=int, default=1, help="mutants tested at once")
    parser.add_argument(
        "--sample", type=int, default=1, metavar="N", help="one mutant in N, by the hash of its name"
    )
    parser.add_argument("--report", action="store_true", help="try nothing, say what is known so far")
    asked = parser.parse_args()
    if min(asked.jobs, asked.sample) < 1:
        parser.error("--jobs and --sample: 1 or more")
    left = 0
    for room in asked.rooms:
        for module in modules(room, parser):
            if not asked.report and module.may_have(asked.only):
                module.run(asked.only, asked.again, asked.resume, asked.jobs, asked.sample)
            left += module.report(asked.sample)
    return int(left > 0)


def modules(named: str, parser: argparse.ArgumentParser) -> list[Module]:
    """What is tried: all modules of a room, or ROOM/MODULE,MODULE."""
    room, _, said = named.partition("/")
    if room not in ROOMS:
        parser.error(f"{room}: one of {', '.join(ROOMS)}")
    known = modules_of(room)
    asked = said.split(",") if said else known
    for name in asked:
        if name not in known:
            parser.error(f"{room}/{name}: one of {', '.join(known)}")
    return [Module(room, name) for name in asked]


def modules_of(room: str) -> list[str]:
    """The modules of a room, as ROOM/MODULE names them."""
    folder = REPOSITORY / "harness" / room
    paths = [path for path in sorted(folder.rglob("*.py")) if path.name != "__init__.py"]
    return [path.relative_to(folder).with_suffix("").as_posix() for path in paths]


def tests_of(room: str, module: str) -> tuple[str, ...]:
    """The tests on which a module is tried, from the repository."""
    folder = f"tests/{room}"
    own = f"{folder}/test_{module}.py"
    if named := MODULES[room].get(module):
        return tuple(f"{folder}/{test}" for test in named)
    return (own,) if (REPOSITORY / own).is_file() else (folder,)


def _run(command: list[object], folder: Path, *, apart: bool) -> None:
    # each_test_in_time.py is found here, and the tree by processes that tests start. A mutant that is written in
    # place leaves no byte code that the next one would be given.
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    if apart:
        environment |= {"PYTHONPATH": str(HERE), "PYTHONDONTWRITEBYTECODE": "1"}
    else:
        environment["PYTHONPATH"] = f"{folder / 'mutants'}{os.pathsep}{HERE}"
    subprocess.run([str(word) for word in command], cwd=folder, check=True, env=environment)


def write_figures(whole: dict[str, dict[str, int]]) -> None:
    """Add modules of which every mutant was tried to figures.json, and bring README's table up to that file."""
    path = HERE / "figures.json"
    figures = {**json.loads(path.read_text()), **whole}
    path.write_text(json.dumps(figures, indent=1, sort_keys=True) + "\n")
    sums = {what: sum(count[what] for count in figures.values()) for what in COUNTED}
    rows = [
        f"| {module} | {' | '.join(str(count[what]) for what in COUNTED)} |"
        for module, count in [*sorted(figures.items()), ("all", sums)]
    ]
    table = [
        "| module | made | tried | killed | timed out | survived | of these explained |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    made = {f"{room}.{module.replace('/', '.')}" for room in ROOMS for module in modules_of(room)}
    left = ", ".join(f"`{module}`" for module in sorted(made - figures.keys())) or "None."
    readme = HERE / "README.md"
    text = _put(readme.read_text(), "figures", "\n".join(table + rows))
    readme.write_text(_put(text, "not tried", left))


def _put(text: str, mark: str, lines: str) -> str:
    """The text with these lines between a mark and the end that follows it."""
    begin, end = f"<!-- {mark} -->\n", "\n<!-- end -->"
    before, _, rest = text.partition(begin)
    return before + begin + lines + end + rest.partition(end)[2]


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


def unexplained(folder: Path, codes: dict[str, int | None]) -> dict[str, tuple[str, str, str]]:
    """Name of each survivor that is not explained -> its function, and the lines before and after."""
    known = explained()
    changes = {name: change(folder, name) for name in survivors(codes)}
    return {name: changed for name, changed in changes.items() if changed not in known}


def counted(codes: Mapping[str, int | None], strange: Container[str]) -> dict[str, int]:
    """How many mutants of a module were made, tried, killed, timed out, survived, and are explained."""
    count = dict.fromkeys(COUNTED, 0)
    for name, code in codes.items():
        count["made"] += 1
        if code is None:
            continue
        count["tried"] += 1
        if code in (SURVIVED, NO_TESTS):
            count["survived"] += 1
            count["explained"] += name not in strange
        else:
            count["timed_out" if code in TIMED_OUT else "killed"] += 1
    return count


if __name__ == "__main__":
    sys.exit(main())
