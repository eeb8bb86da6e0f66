"""Commands that are killed at random moments, and what must hold afterwards.

Each command runs in a fresh copy of one stage and is killed (kill -9: no code of ours runs). Then every file
under its final name is whole, and the same command, given again, ends as if nothing had happened: the same
bytes, but for times, hosts and commits.
"""

import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from conftest import TINY_TRAIN
from documents import SMALL_SPLIT
from repository_fixtures import EDITOR, OFFICIAL, SYSTEMS, Repository

from harness.corpus.simulated.make import verify
from harness.records.store import read_record
from harness.schemas.documents import parse_json
from harness.submission.manifest import load_submission, weights_faults
from harness.submission.training_record import SIGNATURE

SOURCE = Path(__file__).parents[2]
WHERE = ["--data", str(OFFICIAL), "--split", "splits/small-split.json"]
IMPORTER = """
def convert(tensors):
    return {"weight": tensors["w"].T}, {"config": "{}"}
"""
SIMULATE = """
from pathlib import Path
from harness.corpus.simulated.make import simulate
from harness.corpus.simulated.recipe import Recipe
subjects = ("sub-001", "sub-027", "sub-086")
recipe = Recipe(subjects=subjects, recording_seconds=5.0, n_train_stimuli=2, n_val_stimuli=1, n_test_stimuli=2)
simulate(Path("corpus"), recipe, jobs=1)
"""
# Fields of a JSON file that say when and where, and in how many seconds.
VOLATILE = ("run", "git")


@dataclass(frozen=True)
class Command:
    """A command line and the places, in the stage, where its results lie.

    Attributes:
        arguments: of ``python``.
        results: files and folders that it makes, and that a second run must make the same.
    """

    arguments: tuple[str, ...]
    results: tuple[str, ...]


def harness(*arguments: str) -> tuple[str, ...]:
    return ("-m", "harness", *arguments)


COMMANDS = {
    "score": Command(harness("score", "submissions/beta", *WHERE, "--out", "scored"), ("scored",)),
    "predict": Command(harness("predict", "submissions/beta", *WHERE, "--out", "beta.zip"), ("beta.zip",)),
    "train": Command(
        harness(
            "train", "submissions/net", *WHERE, "--feature", "mel", "--out", "work", "--resume", "--cache", "copies"
        ),
        ("submissions/net/weights", "submissions/net/submission.toml"),
    ),
    "import-weights": Command(
        harness(
            "import-weights", "submissions/net", "release.npz", "--corpus", "sparrkulee", "--feature", "mel",
            "--split", "splits/small-split.json",
        ),
        ("submissions/net/weights", "submissions/net/submission.toml"),
    ),
    "rank": Command(
        harness(
            "rank", "--changed-since", "HEAD", "--data", str(OFFICIAL), "--out", "data.json", "--records", "made"
        ),
        ("data.json", "made"),
    ),
    "simulate": Command(("scripts/simulate.py",), ("corpus",)),
}  # fmt: skip


def make_stage(folder: Path) -> Path:
    """Make the stage: a repository with two systems, their records, and a net without weights."""
    repository = Repository(folder)
    folder.mkdir()
    repository.git("init", "--quiet", "--initial-branch", "main")
    repository.write("splits/small-split.json", SMALL_SPLIT)
    for place, expression in SYSTEMS.items():
        repository.add_system(place, expression)
        repository.score(place)
    repository.add_system("submissions/net", "eeg[:, :, : self.n_bands]")
    with repository.path("submissions/net/submission.toml").open("a") as file:
        file.write('# A remark that stays.\ntrainer = "train:SYSTEM"\nimporter = "convert:convert"\n')
    repository.write("submissions/net/train.py", TINY_TRAIN)
    repository.write("submissions/net/convert.py", IMPORTER)
    repository.commit("Begin")
    repository.add_system("submissions/beta", "-eeg[:, :, : self.n_bands]")
    np.savez(folder / "release.npz", w=np.arange(6, dtype=np.float32).reshape(2, 3))
    repository.write("scripts/simulate.py", SIMULATE)
    return folder


def start(command: Command, stage: Path) -> subprocess.Popen[str]:
    """Start a command in a session of its own, with its temporary files in the stage's tmp/."""
    (stage / "tmp").mkdir(exist_ok=True)
    environment = os.environ | EDITOR | {"TMPDIR": str(stage / "tmp"), "PYTHONPATH": str(SOURCE)}
    return subprocess.Popen(
        [sys.executable, *command.arguments],
        cwd=stage,
        env=environment
        | {
            "OMP_NUM_THREADS": "1",
            "XDG_CACHE_HOME": str(stage / "cache"),
            "XDG_CONFIG_HOME": str(stage / "config"),
        },
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def run(command: Command, stage: Path) -> float:
    """Run a command to its end; gives the seconds it took."""
    began = time.monotonic()
    process = start(command, stage)
    _, error = process.communicate(timeout=300)
    assert process.returncode == 0, error
    return time.monotonic() - began


def kill_after(command: Command, stage: Path, seconds: float, whole_group: bool) -> bool:
    """Start a command and kill it after some seconds; whether it was still running.

    Args:
        command: to run.
        stage: to run it in.
        seconds: until then.
        whole_group: kill what it started too, as a scheduler does; else it alone, as for want of memory.
    """
    process = start(command, stage)
    try:
        process.wait(timeout=seconds)
    except subprocess.TimeoutExpired:
        (os.killpg if whole_group else os.kill)(process.pid, signal.SIGKILL)
    process.communicate(timeout=60)
    return process.returncode == -signal.SIGKILL


def broken_files(stage: Path) -> list[str]:
    """Files under their final names that are not whole."""
    broken = []
    for path in sorted(stage.rglob("*")):
        inside = path.relative_to(stage).parts
        if (
            not path.is_file()
            or any(part.startswith(".") for part in inside)
            or inside[0] in ("tmp", "cache")
        ):
            continue
        if ".partial" in path.name or any(part.endswith(".partial") for part in inside):
            continue
        try:
            if inside[0] in ("results", "scored", "made"):
                read_record(path)
            elif path.suffix == ".json":
                parse_json(path.read_bytes())
            elif path.suffix == ".zip":
                with zipfile.ZipFile(path) as archive:
                    assert archive.testzip() is None
        except Exception as error:
            broken.append(f"{path.relative_to(stage)}: {error}")
    broken += [str(fault) for fault in weights_faults(load_submission(stage / "submissions/net"))]
    if (stage / "corpus").exists():
        broken += [str(fault) for fault in verify(stage / "corpus")]
    return broken


def digests(command: Command, stage: Path) -> dict[str, str]:
    """What the command's results hold, without times and hosts: path -> sha256."""
    found = {}
    for result in command.results:
        place = stage / result
        for path in sorted(place.rglob("*") if place.is_dir() else [place]):
            if not path.is_file():
                continue
            data = path.read_bytes()
            if path.suffix == ".json":
                document = json.loads(data)
                for key in (*VOLATILE, SIGNATURE):  # each stage has a key of its own
                    document.pop(key, None)
                data = json.dumps(document).encode()
            found[str(path.relative_to(stage))] = hashlib.sha256(data).hexdigest()
    return found


def drafts(stage: Path) -> list[Path]:
    """Drafts of single files that a killed writer left beside their places."""
    return [path for path in stage.rglob(".*.partial") if path.is_file()]


def litter_of(stage: Path) -> list[Path]:
    """What lies in TMPDIR, but for the cache that torch keeps there."""
    return [path for path in (stage / "tmp").iterdir() if not path.name.startswith("torchinductor_")]


def kill_and_repeat(
    name: str, stage: Path, scratch: Path, chance: random.Random, took: float, expected: dict[str, str]
) -> dict[str, int]:
    """Kill a command once in a copy of the stage and give it again; gives counts of what was found."""
    command = COMMANDS[name]
    copy = scratch / "copy"
    shutil.copytree(stage, copy, symlinks=True)
    try:
        killed = kill_after(command, copy, took * chance.uniform(0.1, 1.05), chance.random() < 0.5)
        broken = broken_files(copy)
        assert broken == [], broken
        litter = {
            "killed": int(killed),
            "left drafts": int(bool(drafts(copy))),
            "left in TMPDIR": int(bool(litter_of(copy))),
        }
        for draft in drafts(copy):  # as if the next run came a minute later
            os.utime(draft, (0, 0))
        run(command, copy)
        assert digests(command, copy) == expected
        assert drafts(copy) == []
        litter["left in TMPDIR after the second run"] = int(bool(litter_of(copy)))
        return litter
    finally:
        shutil.rmtree(copy, ignore_errors=True)


def reference(name: str, stage: Path, scratch: Path) -> tuple[float, dict[str, str]]:
    """How long a command takes that nobody kills, and what it makes."""
    copy = scratch / "reference"
    shutil.copytree(stage, copy, symlinks=True)
    try:
        return run(COMMANDS[name], copy), digests(COMMANDS[name], copy)
    finally:
        shutil.rmtree(copy, ignore_errors=True)
