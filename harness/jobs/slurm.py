"""Jobs on a cluster: handed in as arrays by submitit, looked after by ``squeue``."""

from __future__ import annotations

import math
import re
import shutil
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from harness.errors import Fault, UsageError, counted, raise_all, show
from harness.jobs.task import RunJob

POLL_SECONDS = 5.0
# How often a job whose time is over is queued again.
MOST_TIMEOUTS = 100
_SIGNAL_SECONDS = 90
_ASK_SECONDS = 60.0
# What the kit itself says to sbatch, or what would hide the job from it.
_OURS = (
    *("array", "chdir", "error", "export", "input", "no-requeue", "open-mode", "output", "parsable"),
    *("requeue", "signal", "test-only", "wait", "wrap"),
)
_TIME = re.compile(r"(?:(?P<d>\d+)-)?(?P<a>\d+)(?::(?P<b>\d+))?(?::(?P<c>\d+))?", re.ASCII)
_WITHOUT = "Use --executor local: the same jobs on this machine."


class State(NamedTuple):
    """A job in the queue.

    Attributes:
        word: SLURM's, such as ``RUNNING``.
        node: where it runs; empty where it does not.
        reason: why it waits, in SLURM's word.
    """

    word: str
    node: str = ""
    reason: str = ""

    @property
    def is_over(self) -> bool:
        """Whether nothing more comes of it."""
        return self.word in _OVER


_OVER = frozenset(
    ("BOOT_FAIL", "CANCELLED", "COMPLETED", "DEADLINE", "FAILED", "NODE_FAIL", "OUT_OF_MEMORY", "TIMEOUT")
)


def options(given: Iterable[str]) -> dict[str, str | bool]:
    """What --slurm says: ``partition=gpu`` and the like, by sbatch's long names.

    Raises:
        UsageError: not an option of sbatch's form, one that the kit sets itself, or twice.
    """
    found: dict[str, str | bool] = {}
    faults = []
    for text in given:
        key, equals, value = text.partition("=")
        key = key.strip().removeprefix("--")
        where = f"--slurm {show(text)}"
        if not re.fullmatch(r"[a-z][a-z-]*", key) or (equals and not value) or not text.isprintable():
            faults.append(Fault(where, "no option of sbatch", "KEY=VALUE, such as partition=gpu or mem=16G"))
        elif key in _OURS:
            faults.append(Fault(where, f"{key} is what the harness sets itself", "another option of sbatch"))
        elif key in found:
            faults.append(Fault(where, f"{key} is given twice", "once"))
        elif key == "time" and minutes(value) is None:
            faults.append(Fault(where, f"{value!r}", "a time of sbatch, such as 90, 4:00:00 or 1-12:00:00"))
        else:
            found[key] = value if equals else True
    raise_all(UsageError, faults)
    return found


def minutes(text: str) -> int | None:
    """A time of sbatch, such as ``90``, ``4:00:00`` or ``1-12``, in minutes; None where it is none."""
    found = _TIME.fullmatch(text)
    if not found:
        return None
    parts = [int(part) for part in (found["a"], found["b"], found["c"]) if part is not None]
    if found["d"] is not None:  # days-hours[:minutes[:seconds]]
        units = (60.0, 1.0, 1 / 60)
        total = int(found["d"]) * 24 * 60.0
    else:  # minutes[:seconds], hours:minutes:seconds
        units = (60.0, 1.0, 1 / 60) if len(parts) == 3 else (1.0, 1 / 60, 0.0)
        total = 0.0
    total += sum(part * unit for part, unit in zip(parts, units, strict=False))
    return math.ceil(total) or None


def check_here() -> None:
    """Refuse a machine that cannot hand in jobs.

    Raises:
        UsageError: no SLURM or no submitit here.
    """
    raise_all(UsageError, _lacking())


def _lacking() -> list[Fault]:
    faults = []
    lacking = [program for program in ("sbatch", "srun", "squeue") if shutil.which(program) is None]
    if lacking:
        faults.append(
            Fault(
                "--executor slurm",
                f"no {', '.join(lacking)} on PATH",
                "SLURM's commands: a machine that hands in jobs to a cluster",
                f"Log in to one (Debian's package is slurm-client). {_WITHOUT}",
            )
        )
    try:
        import submitit  # noqa: F401
    except ImportError:
        faults.append(
            Fault(
                "--executor slurm",
                "submitit is not installed",
                "the extra slurm",
                f"pip install 'eeg-speech-harness[slurm]'. {_WITHOUT}",
            )
        )
    return faults


@dataclass(frozen=True)
class Slurm:
    """Where jobs are handed in.

    Attributes:
        given: options of sbatch that the user gives; they go before the others.
        minutes: that a job may take; None where ``given`` says it.
        memory_gib: that it may use; None for the cluster's default.
        cores: of a job; None for the cluster's default.
        side_by_side: how many at a time; None for as many as there is room for.
    """

    given: Mapping[str, str | bool] = field(default_factory=dict)
    minutes: int | None = None
    memory_gib: float | None = None
    cores: int | None = None
    side_by_side: int | None = None
    name = "slurm"

    def check(self) -> None:
        """Refuse a machine that cannot hand in jobs, before anything is made for them.

        Raises:
            UsageError: no SLURM or no submitit here, or no time for a job.
        """
        faults = _lacking()
        if self.minutes is None and "time" not in self.given:
            faults.append(
                Fault(
                    "--executor slurm",
                    "no time for a job",
                    "how long one may take",
                    "--slurm time=4:00:00; a job whose time is over is queued again and goes on.",
                )
            )
        raise_all(UsageError, faults)

    def submit(self, folders: Sequence[Path], below: Path) -> list[str]:
        """Hand in the jobs of these folders as one array; gives their numbers.

        Args:
            folders: of the jobs.
            below: for what submitit keeps.

        Raises:
            UsageError: sbatch refuses them; its own words are in the message.
        """
        import submitit
        from submitit.core.utils import FailedJobError, FailedSubmissionError

        text = self.given.get("time")
        time = minutes(text) if isinstance(text, str) else self.minutes
        assert time is not None, "check() refuses this"
        more = {key.replace("-", "_"): value for key, value in self.given.items()}
        said = {
            "cpus_per_task": self.cores,
            "mem": None if self.memory_gib is None else f"{math.ceil(self.memory_gib * 1024)}M",
            "array_parallelism": self.side_by_side,
        }
        executor = submitit.SlurmExecutor(below / self.name, max_num_timeout=MOST_TIMEOUTS)
        executor.update_parameters(
            job_name="harness",
            time=time,
            signal_delay_s=min(_SIGNAL_SECONDS, time * 60 // 4),
            stderr_to_stdout=True,
            additional_parameters={"requeue": True, **more},
            **{key: value for key, value in said.items() if value is not None and key not in more},
        )
        try:
            with executor.batch():
                jobs = [executor.submit(RunJob(folder)) for folder in folders]
        except (FailedJobError, FailedSubmissionError, subprocess.CalledProcessError) as error:
            lines = [line.strip() for line in str(error).splitlines() if "sbatch: " in line]
            words = "\n".join(dict.fromkeys(lines)) or str(error)
            raise UsageError(
                Fault(
                    "--executor slurm",
                    f"sbatch refused {counted(len(folders), 'job')}",
                    "",
                    f"{words}\n--slurm says what sbatch is given: partition, account, qos, time.",
                )
            ) from None
        return [job.job_id for job in jobs]

    def states(self, ids: Sequence[str]) -> dict[str, State] | None:
        """The jobs that SLURM knows; None where it does not answer."""
        arrays = ",".join(sorted({one.partition("_")[0] for one in ids}))
        command = [
            "squeue",
            "--noheader",
            "--array",
            "--states=all",
            "--jobs",
            arrays,
            "--format=%i|%T|%N|%r",
        ]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=_ASK_SECONDS)
        except (OSError, subprocess.TimeoutExpired):
            return None
        if done.returncode:
            return {} if "Invalid job id" in done.stderr else None
        rows = [line.split("|", 3) for line in done.stdout.splitlines() if line.count("|") >= 3]
        return {row[0].strip(): State(*row[1:]) for row in rows if row[0].strip() in ids}

    def stop(self) -> None:
        """Nothing: jobs in the queue go on without whoever waits for them."""

    def goes_on(self, ids: Sequence[str]) -> str:
        """What to say where whoever waits is interrupted."""
        arrays = sorted({one.partition("_")[0] for one in ids})
        return (
            f"The jobs go on (squeue --jobs {','.join(arrays)}), and the same command waits for them again."
            f" To end them: scancel {' '.join(arrays)}"
        )
