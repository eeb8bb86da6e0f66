"""One job: a command of the harness, which runs the same here and on a cluster, and what it leaves.

Each job has a folder, which whoever waits for it reads:

    job.json     the command, and where it was handed in
    log.txt      what it remarks: its stderr
    answer.txt   what it answers: its stdout
    ended.json   its exit code, once it has ended by itself

A job that is taken away (SIGTERM: a requeue, a pre-emption, ``scancel``) leaves no ``ended.json``.
Begun again, it resumes from its training's checkpoint where it wrote one since it was handed in.

    python -m harness.jobs.task FOLDER     run the job of a folder
"""

from __future__ import annotations

import hashlib
import os
import re
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

import msgspec

from harness.files import write_atomically

JOB, LOG, ANSWER, ENDED, BEGUN = "job.json", "log.txt", "answer.txt", "ended.json", "begun"
# Given where a job is begun again; whether it is given at first does not tell two jobs apart.
RESUME = "--resume"
# The exit code of a process that SIGTERM ended.
TERMINATED = 128 + signal.SIGTERM
_KEY_DIGITS = 12
_TERM_SECONDS = 20.0


@dataclass(frozen=True)
class Task:
    """A command that is to run as a job.

    Attributes:
        name: for whoever waits, such as ``seed 2``.
        arguments: of ``harness``.
        checkpoint: the file by which the command can resume; None where it cannot.
    """

    name: str
    arguments: tuple[str, ...]
    checkpoint: Path | None = None

    def folder(self, below: Path) -> Path:
        """The job's own folder: the same for the same command in the same place."""
        told_apart = [str(Path.cwd()), *(word for word in self.arguments if word != RESUME)]
        key = hashlib.sha256(msgspec.json.encode(told_apart)).hexdigest()[:_KEY_DIGITS]
        return below / f"{re.sub(r'[^A-Za-z0-9.]+', '-', self.name).strip('-')[:60]}-{key}"


class Job(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What ``job.json`` holds.

    Attributes:
        name: of the task.
        arguments: of ``harness``.
        folder: where the command runs.
        executor: where it was handed in: ``local`` or ``slurm``.
        checkpoint: as of the task.
        id: its number there; empty until it is handed in.
        seen: whether somebody was told how it ended.
    """

    name: str
    arguments: tuple[str, ...]
    folder: str
    executor: str
    checkpoint: str | None = None
    id: str = ""
    seen: bool = False


class Ended(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a job ended.

    Attributes:
        code: the command's exit code; negative for the signal that ended it.
        note: why there is no more, where the command did not end by itself.
    """

    code: int
    note: str = ""


def read(path: Path, kind: type[Any]) -> Any:
    """A job's file; None where it is not there, or not whole."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except (OSError, msgspec.MsgspecError):
        return None


def write(path: Path, value: msgspec.Struct) -> None:
    """Write a job's file whole or not at all."""
    write_atomically(path, msgspec.json.format(msgspec.json.encode(value), indent=1) + b"\n")


class _TakenAwayError(BaseException):
    """SIGTERM: no error of the command, and nothing that a library may catch."""


@dataclass(frozen=True)
class RunJob:
    """Run the job of a folder; what submitit pickles, and what the local pool calls.

    Attributes:
        folder: of the job.
        environment: variables that are set where they are not.
    """

    folder: Path
    environment: dict[str, str] = field(default_factory=dict)

    def __call__(self) -> int:
        """Run the command to its end; gives its exit code."""
        job: Job | None = read(self.folder / JOB, Job)
        if job is None:
            raise FileNotFoundError(self.folder / JOB)
        before = signal.signal(signal.SIGTERM, _taken_away)
        try:
            code = self._run(job)
        except _TakenAwayError:
            sys.exit(TERMINATED)
        except Exception as error:  # such as submitit's, where a job ran out of time too often
            write(self.folder / ENDED, Ended(1, str(error)))
            raise
        finally:
            signal.signal(signal.SIGTERM, before)
        write(self.folder / ENDED, Ended(code))
        return code

    def checkpoint(self) -> Any:
        """What submitit hands in again where a job's time is over: the same job."""
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(self)

    def _run(self, job: Job) -> int:
        command = [sys.executable, "-m", "harness", *job.arguments]
        if self._began_before(job) and RESUME not in command:
            command.append(RESUME)
        environment = {**self.environment, "OMP_NUM_THREADS": _threads(), **os.environ}
        with (self.folder / ANSWER).open("wb") as answer, (self.folder / LOG).open("ab") as log:
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=answer, stderr=log, env=environment, cwd=job.folder
            )
            try:
                return process.wait()
            finally:
                if process.poll() is None:
                    _end(process)

    def _began_before(self, job: Job) -> bool:
        """Whether this job was begun before, and has a checkpoint since."""
        mark = self.folder / BEGUN
        try:
            begun = mark.stat().st_mtime_ns
        except FileNotFoundError:
            mark.touch()
            return False
        try:
            return job.checkpoint is not None and Path(job.checkpoint).stat().st_mtime_ns >= begun
        except OSError:
            return False


def _taken_away(_number: int, _frame: FrameType | None) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise _TakenAwayError


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(_TERM_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _threads() -> str:
    """The cores that a job was given."""
    given = os.environ.get("SLURM_CPUS_PER_TASK") or os.environ.get("SLURM_CPUS_ON_NODE")
    return given or str(len(os.sched_getaffinity(0)))


if __name__ == "__main__":
    sys.exit(RunJob(Path(sys.argv[1]))() and 1)
