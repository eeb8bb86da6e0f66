"""A challenge to be hosted: what is asked, for how long and how often, and the parts that platforms share."""

from __future__ import annotations

import json
import platform
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import harness
from harness.corpus.declaration import DECLARATION
from harness.errors import Fault, HostingError, UsageError, raise_all
from harness.files import write_atomically
from harness.hosting import start
from harness.hosting.archive import zip_bytes
from harness.hosting.program import SCORES, TASK
from harness.hosting.wheels import MACHINE, python_needed, wheels
from harness.predictions import check_subjects, write_predictions
from harness.tasks.corpus_split import split_folders
from harness.tasks.labels_only import ASSUMED_SPLIT
from harness.tasks.splits import find_split
from harness.tasks.task import Task

TIME = "%Y-%m-%dT%H:%M:%SZ"
MOST_COUNT = 2**31 - 1
"""The largest number that the platforms' databases hold."""
_TRIAL_SECONDS = 1800


@dataclass(frozen=True)
class Phase:
    """When predictions are taken, and how many.

    Attributes:
        name: of the phase.
        opens: UTC.
        closes: UTC.
        per_day: the most of a participant in a day.
        total: the most of a participant in all.
    """

    name: str
    opens: datetime
    closes: datetime
    per_day: int
    total: int

    def faults(self) -> list[Fault]:
        """What is wrong with its times and numbers."""
        faults = []
        if self.closes <= self.opens:
            arrived = f"{self.closes:{TIME}}, and --opens {self.opens:{TIME}}"
            faults.append(Fault("--closes", arrived, "a time after it opens"))
        if self.per_day > self.total:
            arrived = f"{self.per_day} a day, and --total {self.total}"
            faults.append(Fault("--per-day", arrived, "no more than there are in all"))
        return faults


@dataclass(frozen=True)
class Challenge:
    """What an organiser wants to host.

    Attributes:
        task: with its references.
        title: of the challenge.
        phase: its one phase.
        terms: that participants agree to, as Markdown; None for a form to fill in.
        wheels: a folder of wheels; None to make them of what is installed.
        split_file: of the task's split, where it was named by its path.
    """

    task: Task
    title: str
    phase: Phase
    terms: str | None = None
    wheels: Path | None = None
    split_file: Path | None = None

    @property
    def image(self) -> str:
        """The docker image that the scoring program needs: Python, and nothing else."""
        return f"python:{python_needed()}-slim"


def check_challenge(challenge: Challenge, most_title: int) -> None:
    """Refuse what no platform could score, before anything is made.

    Raises:
        HostingError: texts that are too long, times that contradict each other, or a measure that needs more
            than references and predictions.
        CorpusError: no references.
        PredictionsError: subjects that no predictions file can name.
    """
    task, faults = challenge.task, challenge.phase.faults()
    for option, text in (("--title", challenge.title), ("--phase", challenge.phase.name)):
        if not text.strip() or not text.isprintable() or len(text) > most_title:
            expected = f"1 to {most_title} printable characters"
            faults.append(Fault(option, f"{len(text)} characters: {text[:60]!r}", expected))
    for title in dict.fromkeys(task.needs.values()):
        faults.append(
            Fault(
                f"split {task.split.name}",
                f"scored by {title}, which needs the training part",
                "measures that need references and predictions only",
                "A hosted scorer has no training part. Take another --split, or `harness queue`.",
            )
        )
    raise_all(HostingError, faults)
    task.check_labels()
    check_subjects(task.by_subject)


def checked_references(path: Path, challenge: Challenge, most_title: int, *, replace: bool) -> bytes:
    """The references' archive of a challenge that can be hosted, and written to this place.

    Raises:
        HostingError: it cannot be hosted, or not be written.
        CorpusError, PredictionsError: references that cannot be used.
    """
    check_place(path, replace=replace)
    check_challenge(challenge, most_title)
    return reference_files(challenge.task)


def reference_files(task: Task) -> bytes:
    """The references of the part, and of no other, as a zip of a JSON file for each subject.

    As float64: the shortest decimals of a float32 are another float64, and change the tenth digit of a score.
    """
    import numpy as np

    exact = (
        (subject, {name: np.asarray(one, np.float64) for name, one in task.references(subject).items()})
        for subject in task.by_subject
    )
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "references.zip"
        write_predictions(path, exact)
        return path.read_bytes()


def program_files(challenge: Challenge) -> Mapping[str, bytes]:
    """Name -> bytes of the scoring program without the platform's own part."""
    task = challenge.task
    declaration, split = task.corpus.declaration, task.split
    files: dict[str, bytes] = {}
    own_corpus, own_split = declaration.name, None
    if declaration.folder is not None:
        own_corpus = f"corpus/{DECLARATION}"
        files[own_corpus] = (declaration.folder / DECLARATION).read_bytes()
    if split.name != ASSUMED_SPLIT:
        own_split = f"splits/{split.name}.json"
        files[own_split] = _split_bytes(challenge)
    said: dict[str, Any] = {
        "harness": harness.__version__,
        "python": python_needed(),
        "machine": MACHINE,
        "image": challenge.image,
        "corpus": own_corpus,
        "split": own_split,
        "part": task.part,
        "feature": task.feature,
        "partial": bool(task.subjects_missing or task.stimuli_missing),
    }
    files[TASK] = (json.dumps(said, indent=1, ensure_ascii=True) + "\n").encode()
    files["start.py"] = Path(start.__file__).read_bytes()
    for name, data in wheels(challenge.wheels).items():
        files[f"wheels/{name}"] = data
    return files


def _split_bytes(challenge: Challenge) -> bytes:
    task = challenge.task
    place = challenge.split_file or find_split(task.split.name, split_folders(task.corpus.declaration))
    return place.read_bytes()


def try_program(files: Mapping[str, bytes], references: bytes) -> Mapping[str, float]:
    """Run a scoring program here, without this environment, on the references as predictions.

    On a machine of another kind than the platforms' nothing can be run, and there are no scores.

    Raises:
        HostingError: it does not score them.
    """
    if platform.machine() != MACHINE:
        return {}
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch)
        for name, data in files.items():
            path = root / "program" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        given = root / "references.zip"
        given.write_bytes(references)
        output = root / "output"
        command = [
            sys.executable,
            "-I",
            "-S",
            str(root / "program/start.py"),
            str(given),
            str(given),
            str(output),
        ]
        ran = subprocess.run(
            command, capture_output=True, text=True, timeout=_TRIAL_SECONDS, check=False, cwd=root
        )
        if ran.returncode != 0:
            said = ran.stderr.strip().splitlines()[-1:] or ["nothing"]
            arrived = f"ended with {ran.returncode} on the references themselves, and said: {said[0]}"
            raise HostingError(Fault("the scoring program", arrived, "a score"))
        scores: Mapping[str, float] = json.loads((output / SCORES).read_bytes())
        return scores


def write_bundle(path: Path, files: Mapping[str, bytes], *, replace: bool, most_bytes: int) -> int:
    """Write what is uploaded, whole or not at all, and give its size.

    Raises:
        HostingError: it is there already, or too large for the platform, or cannot be written.
    """
    check_place(path, replace=replace)
    data = zip_bytes(files)
    if len(data) > most_bytes:
        arrived = f"{len(data) / 2**20:.0f} MiB"
        remedy = "Host a part with fewer subjects, or use `harness queue`."
        raise HostingError(Fault(str(path), arrived, f"at most {most_bytes / 2**20:.0f} MiB", remedy))
    try:
        write_atomically(path, data)
    except OSError as error:
        raise HostingError(Fault(str(path), error.strerror or "cannot be written", "a new file")) from None
    return len(data)


def check_place(path: Path, *, replace: bool) -> None:
    """Refuse a file that is there, or that is not called a zip.

    Raises:
        HostingError: it is there.
        UsageError: another suffix, or a folder.
    """
    if path.suffix.lower() != ".zip":
        raise UsageError(Fault(str(path), f"the suffix {path.suffix!r}", "a name that ends in .zip"))
    if path.is_dir():
        raise UsageError(Fault(str(path), "a folder", "the name of a new file"))
    if (path.exists() or path.is_symlink()) and not replace:
        raise HostingError(
            Fault(str(path), "is there already", "a new file", "Choose another name, or say --replace.")
        )
