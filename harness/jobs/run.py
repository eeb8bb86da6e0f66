"""Hand in tasks as jobs, wait for them, and say what they remark; the same for every executor."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

import msgspec

from harness.conventions import Progress
from harness.errors import Fault, UsageError, counted
from harness.files import alone_in
from harness.jobs.slurm import State
from harness.jobs.task import ANSWER, BEGUN, ENDED, JOB, LOG, Ended, Job, Task, read, write

_LAST_LINES = 12
_ERROR = "error: "
# A network disk may show what a job wrote only some seconds after it ended.
_LATE_SECONDS = 20.0


class Executor(Protocol):
    """Where jobs run; `harness.jobs.local` and `harness.jobs.slurm` have one each."""

    @property
    def name(self) -> str:
        """``local`` or ``slurm``."""
        ...

    def check(self) -> None:
        """Raise a UsageError where jobs cannot run there."""
        ...

    def submit(self, folders: Sequence[Path], below: Path, /) -> list[str]:
        """Hand in jobs; gives their numbers."""
        ...

    def states(self, ids: Sequence[str], /) -> Mapping[str, State] | None:
        """The jobs that are known there; None where nobody answers."""
        ...

    def stop(self) -> None:
        """End what ends with whoever waits."""
        ...

    def goes_on(self, ids: Sequence[str], /) -> str:
        """What to say where whoever waits is interrupted."""
        ...


class Done(NamedTuple):
    """A task whose job has ended.

    Attributes:
        task: the task.
        code: its exit code; None where it was taken away and does not come back.
        answer: what it printed.
        fault: where it failed.
        said: the faults that the command itself named, as it raised them; empty where it named none.
    """

    task: Task
    code: int | None
    answer: str
    fault: Fault | None
    said: str = ""


def run_tasks(
    tasks: Sequence[Task],
    executor: Executor,
    folder: Path,
    say: Callable[[str], None],
    show: Progress,
    *,
    poll_seconds: float,
    no_faults: Sequence[int] = (0,),
) -> Iterator[Done]:
    """Run each task as a job; jobs of the same tasks that are in the queue already are waited for.

    Args:
        tasks: the commands.
        executor: where they run.
        folder: for the jobs' folders.
        say: told what stays on the screen: each job's remarks with its name before them.
        show: told how many are done.
        poll_seconds: between two looks at the jobs.
        no_faults: exit codes that are no failure.

    Yields:
        Each task once its job has ended, whichever ends first.

    Raises:
        UsageError: jobs cannot be handed in.
    """
    executor.check()
    with alone_in(folder):
        places = _handed_in(tasks, executor, folder, say)
    ids = {task: read(place / JOB, Job).id for task, place in places.items()}
    waiting, told, states = list(places), dict.fromkeys(places, 0), dict.fromkeys(places, State(""))
    lost: dict[Task, float] = {}
    unheard = False
    try:
        while waiting:
            known = executor.states([ids[task] for task in waiting])
            if known is None and not unheard:
                say("SLURM does not answer: still waiting")
            unheard = known is None
            for task in list(waiting):
                place, state = places[task], (known or {}).get(ids[task])
                _say_state(task, states[task], state, say)
                states[task] = state or states[task]
                told[task] = _relay(place / LOG, task.name, told[task], say)
                ended: Ended | None = read(place / ENDED, Ended)
                if ended is None and known is not None and (state is None or state.is_over):
                    since = lost.setdefault(task, time.monotonic())
                    if time.monotonic() - since < (_LATE_SECONDS if executor.name == "slurm" else 1.0):
                        continue
                elif ended is None:
                    lost.pop(task, None)
                    continue
                told[task] = _relay(place / LOG, task.name, told[task], say)
                waiting.remove(task)
                yield _done(task, place, ids[task], ended, states[task], no_faults)
                write(place / JOB, msgspec.structs.replace(read(place / JOB, Job), seen=True))
            n_running = sum(states[task].word == "RUNNING" for task in waiting)
            note = f"{n_running} running, {len(waiting) - n_running} waiting"
            show(len(places) - len(waiting), len(places), note)
            if waiting:
                time.sleep(poll_seconds)
    except KeyboardInterrupt as interrupt:
        interrupt.add_note(executor.goes_on([ids[task] for task in waiting]))
        raise
    finally:
        executor.stop()


def _handed_in(
    tasks: Sequence[Task], executor: Executor, folder: Path, say: Callable[[str], None]
) -> dict[Task, Path]:
    """Each task's folder, its job being in the queue."""
    places = {task: task.folder(folder).resolve() for task in tasks}
    if len(set(places.values())) < len(tasks):
        raise UsageError(Fault("--executor", "the same job twice", "each once"))
    found = {task: read(place / JOB, Job) for task, place in places.items()}
    old = {
        task: job
        for task, job in found.items()
        if job is not None and job.id and job.executor == executor.name
    }
    known = executor.states([job.id for job in old.values()]) if old else {}
    if known is None:
        raise UsageError(
            Fault(
                "--executor slurm",
                "SLURM does not answer",
                "what became of jobs that were handed in before",
                "squeue says why. Then give the same command again.",
            )
        )
    new = []
    for task, place in places.items():
        job = old.get(task)
        state = known.get(job.id) if job else None
        ended = (place / ENDED).exists()
        if job and ended and not job.seen:
            say(f"{task.name}: job {job.id} has ended since")
        elif job and not ended and executor.name == "slurm" and state and not state.is_over:
            say(f"{task.name}: job {job.id} is in the queue already ({state.word}); log: {place / LOG}")
        else:
            new.append(task)
    for task in new:
        place = places[task]
        place.mkdir(parents=True, exist_ok=True)
        for name in (ENDED, BEGUN, LOG, ANSWER):
            (place / name).unlink(missing_ok=True)
        write(place / JOB, _job(task, executor))
    if new:
        try:
            ids = executor.submit([places[task] for task in new], folder.resolve())
        except BaseException:
            for task in new:
                (places[task] / JOB).unlink(missing_ok=True)
            raise
        for task, one in zip(new, ids, strict=True):
            write(places[task] / JOB, msgspec.structs.replace(_job(task, executor), id=one))
            say(f"{task.name}: job {one}, log: {places[task] / LOG}")
    return places


def _job(task: Task, executor: Executor) -> Job:
    checkpoint = None if task.checkpoint is None else str(task.checkpoint.absolute())
    return Job(task.name, task.arguments, str(Path.cwd()), executor.name, checkpoint)


def _say_state(task: Task, before: State, now: State | None, say: Callable[[str], None]) -> None:
    """Say where a job runs, that it was queued again, and why it waits for what may never come."""
    if now is None or now == before:
        return
    if now.word == "RUNNING" and before.word != "RUNNING" and now.node != "this machine":
        say(f"{task.name}: runs on {now.node}")
    elif before.word in ("RUNNING", "COMPLETING") and now.word in ("PENDING", "REQUEUED", "PREEMPTED"):
        say(f"{task.name}: was taken away, and is queued again")
    elif now.word == "PENDING" and now.reason not in ("", "None", "Priority", before.reason):
        say(f"{task.name}: waits ({now.reason})")


def _relay(path: Path, name: str, told: int, say: Callable[[str], None]) -> int:
    """Say the whole lines that a job has remarked since the last time; gives how far that is."""
    try:
        with path.open("rb") as file:
            file.seek(told)
            whole = file.read().rpartition(b"\n")[0]
    except FileNotFoundError:
        return told
    if not whole:
        return told
    for line in whole.decode("utf-8", "replace").split("\n"):
        say(f"{name}: {line}")
    return told + len(whole) + 1


def _done(
    task: Task, place: Path, number: str, ended: Ended | None, state: State, no_faults: Sequence[int]
) -> Done:
    answer = (place / ANSWER).read_text("utf-8", "replace").strip() if (place / ANSWER).exists() else ""
    if ended is not None and not ended.note and ended.code in no_faults:
        return Done(task, ended.code, answer, None)
    if ended is None:
        arrived = f"ended without an answer ({state.word or 'no longer in the queue'})"
    elif ended.code < 0:
        arrived = f"its process was ended by signal {-ended.code}: out of memory, where that is 9"
    else:
        arrived = ended.note or f"failed with exit code {ended.code}"
    log = place / LOG
    whole = log.read_text("utf-8", "replace").strip().split("\n") if log.exists() else []
    lines = whole[-_LAST_LINES:] if any(whole) else []
    last = (
        f"the last {counted(len(lines), 'line')} of {log}:"
        if lines
        else f"{log} is empty; see {place.parent}"
    )
    fault = Fault(f"{task.name}: job {number}", arrived, "", "\n".join([last, *lines]))
    return Done(task, None if ended is None else ended.code, answer, fault, _named(whole))


def _named(lines: Sequence[str]) -> str:
    """The errors of a command's log, as `harness.cli.main` writes them: each with its lines of remedy."""
    named: list[str] = []
    within = False
    for line in lines:
        begins = line.startswith(_ERROR)
        within = begins or (within and line.startswith("  "))
        if within:
            named.append(line.removeprefix(_ERROR) if begins else line)
    return "\n".join(named)
