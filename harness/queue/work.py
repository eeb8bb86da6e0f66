"""Workers: take what was dropped in, claim a job, score it in a process of its own, say what came of it."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import secrets
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.errors import Fault, QueueError, counted, show
from harness.execution.folder import remove_tree, run_folder
from harness.files import read_regular, write_atomically
from harness.queue import intake
from harness.queue.files import clock, create, is_gone, me, read
from harness.queue.jobs import FAILED, REFUSED, RUNNING, SCORED, SEALED, WAITING, Job, Queue, day_of
from harness.queue.settings import Settings, load_settings

MOST_CLAIMS = 1000
"""So many workers may end while they work on a job, before it has failed."""
_MOST_RESULT_BYTES = 256 << 20
_POLL_SECONDS = 0.3
_STAGING_SECONDS = 24 * 3600
_OURS = "It could not be scored for a reason that is not in it. The organiser has the details."


@dataclass
class _Running:
    """A job that this worker has."""

    job: Job
    turn: int
    claim: int
    process: subprocess.Popen[bytes]
    scratch: Path
    until: float
    stack: ExitStack
    only_check: bool = False


@dataclass
class Worker:
    """One worker, with several jobs at once.

    Attributes:
        settings: of the queue.
        workers: how many jobs at once.
        say: told in a line what happens.
    """

    settings: Settings
    workers: int = 1
    say: Callable[[str], None] = lambda _: None
    running: list[_Running] = field(default_factory=list)
    _seen: dict[Path, tuple[str, float]] = field(default_factory=dict)
    _beats: dict[Path, tuple[int, float, bool]] = field(default_factory=dict)
    _over: set[str] = field(default_factory=set)
    _kept: dict[Path, tuple[str, str]] = field(default_factory=dict)
    _foreign: set[Path] = field(default_factory=set)
    _woken: int = 0

    def __post_init__(self) -> None:
        self.queue = Queue(self.settings)
        self.limits = self.settings.limits

    def run(self, *, once: bool = False) -> int:
        """Work until there is nothing left (``once``) or for ever; gives how many jobs came to an end.

        Raises:
            QueueError: the folder cannot be written.
            KeyboardInterrupt: jobs that were running are given back first.
        """
        self.check_folder()
        done, ending = 0, threading.Event()
        beats = threading.Thread(target=self._beat, args=(ending,), daemon=True)
        beats.start()
        try:
            while True:
                unsettled = self.take_in()
                done += self._reap()
                waiting = self._start()
                if once and not (unsettled or waiting or self.running):
                    return done
                time.sleep(_POLL_SECONDS)
        except OSError as error:
            where = str(error.filename or self.settings.folder)
            raise QueueError(
                Fault(
                    where, (error.strerror or str(error)).lower(), "", "Nothing is lost: work goes on later."
                )
            ) from error
        finally:
            ending.set()
            for one in self.running:
                self._end(one)
                with contextlib.suppress(OSError, QueueError):
                    create(one.job.folder / f"{one.turn}.released-{one.claim}.json", {})

    def check_folder(self) -> None:
        """Refuse a folder in which a worker cannot write.

        Raises:
            QueueError: each kind of file that cannot be written there.
        """
        for name in ("inbox", "jobs/.new", "ledger", "reports", "names"):
            try:
                (self.queue.folder / name).mkdir(parents=True, exist_ok=True)
                probe = self.queue.folder / name / f".probe-{secrets.token_hex(6)}"
                create(probe, {})
                probe.unlink()
            except OSError as error:
                raise QueueError(
                    Fault(
                        str(self.queue.folder / name),
                        f"cannot be written: {(error.strerror or str(error)).lower()}",
                        "a folder that every worker can write",
                    )
                ) from None

    def _beat(self, ending: threading.Event) -> None:
        """Show others that the claims here are held, by changing a file's time."""
        while not ending.wait(self.limits.lease_seconds / 6):
            for one in list(self.running):
                with contextlib.suppress(OSError):
                    os.utime(one.job.folder / f"{one.turn}.claim-{one.claim}.json")

    # What is dropped in

    def take_in(self) -> bool:
        """Take what lies still in the inbox; whether anything there may be taken soon."""
        soon = False
        for team in sorted(self.queue.inbox.iterdir()) if self.queue.inbox.is_dir() else ():
            if not is_team(team, self.settings):
                self._pass_over(team)
                continue
            late: list[str] = []
            for path in sorted(team.iterdir()):
                if intake.is_unfinished(path.name):
                    continue
                try:
                    soon |= self._take_still(path, team.name, late)
                except FileNotFoundError:  # taken by another worker
                    continue
                except OSError as error:  # what one team drops stops nobody else's
                    if not str(error.filename or "").startswith(str(self.queue.inbox)):
                        raise
                    late.append(f"{show(path.name)}: cannot be read: {(error.strerror or '').lower()}")
            self._say_late(team.name, late)
        return soon

    def _pass_over(self, path: Path) -> None:
        """Say once that something in the inbox is nobody's: no team has a report that could say so."""
        if path in self._foreign or intake.is_unfinished(path.name):
            return
        self._foreign.add(path)
        known = self.settings.teams
        wanted = (
            f"a folder of {', '.join(known)}" if known else "a team's folder: lower-case words with hyphens"
        )
        self.say(f"inbox/{show(path.name)} is not taken: it is not {wanted}")

    def _take_still(self, path: Path, team: str, late: list[str]) -> bool:
        seen = intake.look(path, self.limits.files)
        kept, known = self._kept.get(path, ("", ""))
        if kept == seen.content:
            late.append(f"{show(path.name)}: it is {known} already, and cannot be removed from here")
            return False
        phase = self.settings.phase_at(seen.arrived)
        if phase is None:
            late.append(f"{show(path.name)}: no phase was open when it arrived, {day_of(seen.arrived)} (UTC)")
            return False
        now = time.monotonic()
        before, since = self._seen.get(path, ("", now))
        if before != seen.signature:
            since = now
        self._seen[path] = (seen.signature, since)
        if now - since < self.limits.settle_seconds or before != seen.signature:
            return True
        job = self.admit(path, team, seen.arrived)
        self._seen.pop(path, None)
        remove_tree(path)
        if os.path.lexists(path):
            # Not the signature: to try, here or by another worker, changes who may do what.
            self._kept[path] = (seen.content, job.id)
            self.say(f"{job.id}: {path} was taken, and cannot be removed from the inbox")
        self.say(f"{job.id}: {show(path.name)} taken")
        return True

    def time(self) -> float:
        """What time it is by the clock that says when things arrive: the file system's.

        Raises:
            OSError: the queue's folder cannot be written.
        """
        new = self.queue.folder / "jobs" / ".new"
        new.mkdir(parents=True, exist_ok=True)
        return clock(new)

    def admit(self, path: Path, team: str, arrived: float) -> Job:
        """Make a job of what was handed in, or find the one that it is already.

        Raises:
            QueueError: no phase was open.
        """
        phase = self.settings.phase_at(arrived)
        if phase is None:
            raise QueueError(Fault(show(path.name), "no phase is open", "", "See the phases in queue.toml."))
        staging = self.queue.folder / "jobs" / ".new" / secrets.token_hex(8)
        staging.mkdir(parents=True)
        try:
            taken = intake.take(path, staging / "item", self.limits.files, int(self.limits.item_mib * 2**20))
            if taken.fault:
                remove_tree(staging / "item")
            facts = {
                "name": path.name.encode("utf-8", "surrogateescape").decode("utf-8", "replace"),
                "sha256": taken.sha256,
                "arrived": arrived,
                "fault": str(taken.fault) if taken.fault else None,
            }
            create(staging / "job.json", facts)
            job = Job(self.queue.job_folder(phase.name, team, taken.sha256))
            job.folder.parent.mkdir(parents=True, exist_ok=True)
            try:
                staging.rename(job.folder)
            except OSError:
                if not (job.folder / "job.json").exists():
                    raise
                turn = job.turn()  # the same content; a refusal for want of quota is no verdict on it
                outcome = job.outcome(turn)
                if outcome and outcome.get("quota") and day_of(arrived) != day_of(job.arrived(turn)):
                    self.queue.again(job, turn, arrived, "handed in again")
        finally:
            remove_tree(staging)
        self._over.discard(job.id)
        self._settle(job, job.turn())
        return job

    def _say_late(self, team: str, lines: list[str]) -> None:
        path = self.queue.reports / team / "not-taken.txt"
        if lines:
            _write_if_other(path, ("\n".join(lines) + "\n").encode())
        else:
            path.unlink(missing_ok=True)

    # Jobs

    def _settle(self, job: Job, turn: int) -> bool:
        """Count a job, and refuse it where it cannot be run; whether it can be run."""
        if job.outcome(turn) is None:
            refusal: dict[str, Any] = {}
            if job.facts.get("fault"):
                refusal = {"state": REFUSED, "reasons": [job.facts["fault"]]}
            elif over := self.queue.count(job):
                refusal = {"state": REFUSED, "reasons": [over], "quota": True}
            if not refusal:
                return True
            self.queue.finish(job, turn, refusal)
        self.publish(job)
        return False

    def _start(self) -> bool:
        """Start jobs where there is room; whether any are left that this worker may have to do."""
        self._clean()
        with contextlib.suppress(OSError):
            woken = (self.queue.folder / "wake").stat().st_mtime_ns
            if woken != self._woken:
                self._woken = woken
                self._over.clear()
        mine = {one.job.id for one in self.running}
        left, waiting = False, []
        for job in self.queue.jobs():
            if job.id in mine or job.id in self._over:
                continue
            turn, opened = job.turn(), self.queue.is_open(self.settings.phase(job.phase))
            state = job.state(opened, turn)
            if state == RUNNING:
                if not self._is_silent(job, turn):
                    left |= self._is_unsure(job, turn)
                    continue
            elif state not in (WAITING,):
                if state != SEALED:
                    self.publish(job)
                    self._over.add(job.id)
                else:
                    self._report(job, turn, {"state": SEALED})
                continue
            waiting.append((job.arrived(turn), job, turn, opened))
        places = Counter[str]()
        queue = []
        for arrived, job, turn, opened in sorted(waiting, key=lambda one: (one[0], one[1].id)):
            queue.append((places[job.team], arrived, job.id, job, turn, opened))  # teams take turns
            places[job.team] += 1
        for _, _, _, job, turn, opened in sorted(queue, key=lambda one: one[:3]):
            if len(self.running) >= self.workers:
                return True
            if self._settle(job, turn):
                self._claim(job, turn, opened)
        return left

    def _is_unsure(self, job: Job, turn: int) -> bool:
        """Whether this worker has not seen yet that the claim of a running job is held."""
        claim = job.folder / f"{turn}.claim-{job.claims(turn)}.json"
        return not self._beats.get(claim, (0, 0.0, False))[2]

    def _is_silent(self, job: Job, turn: int) -> bool:
        """Whether whoever has a job is gone, or has been silent for the lease by this worker's own clock."""
        claim = job.folder / f"{turn}.claim-{job.claims(turn)}.json"
        if is_gone(read(claim) or {}):
            return True
        try:
            beat = claim.stat().st_mtime_ns
        except FileNotFoundError:
            return False
        now = time.monotonic()
        seen, since, _ = self._beats.get(claim, (beat, now, False))
        if seen != beat:
            self._beats[claim] = (beat, now, True)
            return False
        self._beats.setdefault(claim, (beat, now, False))
        return now - since > self.limits.lease_seconds

    def _claim(self, job: Job, turn: int, opened: bool) -> None:
        number = job.claims(turn) + 1
        if number > MOST_CLAIMS or job.deaths(turn) >= self.limits.attempts:
            said = f"its process died {counted(job.deaths(turn), 'time')}, or {number - 1} workers did"
            self.queue.finish(job, turn, {"state": FAILED, "reasons": [_OURS], "organiser": said})
            self.publish(job)
            return
        if not create(job.folder / f"{turn}.claim-{number}.json", me()):
            return
        if job.outcome(turn) is not None:  # it ended between the look and the claim
            return
        stack = ExitStack()
        scratch, _ = stack.enter_context(run_folder())
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "harness.queue.child"],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=stack.enter_context((scratch / "stderr").open("wb")),
            env=os.environ | {"PYTHONPATH": _packages()},
            start_new_session=True,
        )
        until = time.monotonic() + self.limits.job_seconds
        one = _Running(job, turn, number, process, scratch, until, stack, only_check=not opened)
        self.running.append(one)
        given = {
            "folder": str(self.queue.folder),
            "job": str(job.folder),
            "scratch": str(scratch),
            "only_check": one.only_check,
        }
        with contextlib.suppress(BrokenPipeError):
            process.stdin.write(json.dumps(given).encode() + b"\n")  # type: ignore[union-attr]
            process.stdin.flush()  # type: ignore[union-attr]
        self.say(f"{job.id}: started")

    def _reap(self) -> int:
        done = 0
        for one in list(self.running):
            late = time.monotonic() > one.until
            if one.process.poll() is None and not late:
                continue
            try:
                done += self._ended(one, late)
            finally:
                self.running.remove(one)
                self._end(one)
        return done

    def _ended(self, one: _Running, late: bool) -> int:
        job, turn = one.job, one.turn
        if job.claims(turn) != one.claim:  # this worker was taken for dead: another one has the job
            self.say(f"{job.id}: taken over by another worker meanwhile")
            return 0
        try:
            result = json.loads(read_regular(one.scratch / "result.json", _MOST_RESULT_BYTES))
        except (OSError, ValueError):
            result = None
        if late:
            said = f"the job took longer than {self.limits.job_seconds:g} s"
            result = {"state": REFUSED, "reasons": [said]}
        elif result is None:
            code = one.process.returncode
            with contextlib.suppress(OSError):
                words = (one.scratch / "stderr").read_bytes()[-4000:].decode("utf-8", "replace")
                create(job.folder / f"{turn}.died-{one.claim}.json", {"code": code, "stderr": words})
            create(job.folder / f"{turn}.released-{one.claim}.json", {})
            self.say(f"{job.id}: its process died ({code})")
            return 0
        if result["state"] == SEALED:
            create(job.folder / f"{turn}.accepted.json", {})
            create(job.folder / f"{turn}.released-{one.claim}.json", {})
            self.say(f"{job.id}: accepted, sealed")
            return 1
        if result["state"] == "trouble":
            result = {"state": FAILED, "reasons": [_OURS], "organiser": result["organiser"]}
        for record in result.get("records", ()):
            content = record.pop("record").encode("utf-8")
            record["sha256"] = hashlib.sha256(content).hexdigest()
            write_atomically(job.folder / f"{record['sha256']}.record", content)
        self.queue.finish(job, turn, {**result, "claim": one.claim})
        self.publish(job)
        self.say(f"{job.id}: {result['state']}")
        return 1

    def _end(self, one: _Running) -> None:
        if one.process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(one.process.pid, signal.SIGKILL)
            one.process.wait()
        if one.process.stdin:
            with contextlib.suppress(OSError):
                one.process.stdin.close()
        one.stack.close()

    # What is seen of it

    def publish(self, job: Job) -> None:
        """Put the newest records of a job's names into the results, and write its report."""
        turn = job.turn()
        outcome = job.outcome(turn)
        if outcome is None:
            return
        results = self.queue.folder / self.settings.phase(job.phase).results
        for record in outcome.get("records", ()):
            while True:
                newest = self._newest(job, record["path"])
                _write_if_other(results / record["path"], newest)
                if self._newest(job, record["path"]) == newest:
                    break
        self._report(job, turn, outcome)

    def _newest(self, job: Job, path: str) -> bytes:
        """The record of a name from the team's job that was counted last."""
        found = self.queue.standing(job.phase, job.team).newest(path)
        if found is None:
            raise QueueError(
                Fault(job.id, "scored, and not in the ledger", "", "The queue's files were edited.")
            )
        other, sha256 = found
        return read_regular(self.queue.folder / "jobs" / other / f"{sha256}.record", _MOST_RESULT_BYTES)

    def _report(self, job: Job, turn: int, outcome: dict[str, Any]) -> None:
        phase = self.settings.phase(job.phase)
        quota = []
        if phase.per_day is not None or phase.total is not None:
            day = day_of(job.arrived(turn))
            today, total = self.queue.standing(job.phase, job.team).used(day)
            counted_of = ((today, phase.per_day, f"on {day}"), (total, phase.total, "in the phase"))
            quota = [f"{used} of {most} {when}" for used, most, when in counted_of if most is not None]
        lines = [
            f"what: {show(job.name)}",
            f"team: {job.team}",
            f"phase: {job.phase}",
            f"sha256: {job.facts.get('sha256')}",
            f"state: {outcome['state']}",
            *([f"quota: {', '.join(quota)}"] if quota else []),
        ]
        if outcome["state"] == SEALED:
            lines.append("It was checked and can be scored. Its score is computed when the phase is opened.")
        lines += ["", *map(str, outcome.get("reasons", ()))] if outcome.get("reasons") else []
        lines += ["", str(outcome["text"])] if outcome["state"] == SCORED else []
        path = self.queue.reports / job.team / f"{job.phase}-{job.folder.name}.txt"
        _write_if_other(path, ("\n".join(lines) + "\n").encode("utf-8", "backslashreplace"))

    def _clean(self) -> None:
        """Remove half copies of workers that are gone."""
        new = self.queue.folder / "jobs" / ".new"
        with contextlib.suppress(OSError):
            there = list(new.iterdir())
            now = clock(new) if there else 0.0
            for one in there:
                if now - one.stat().st_mtime > _STAGING_SECONDS:
                    remove_tree(one)


def work(
    folder: Path, *, workers: int = 1, once: bool = False, say: Callable[[str], None] = lambda _: None
) -> int:
    """Work on a queue; gives how many jobs came to an end.

    Args:
        folder: the queue's.
        workers: jobs at once.
        once: end when nothing is left to do; else go on for ever.
        say: told in a line what happens.

    Raises:
        QueueError: settings that are not valid, or a folder that cannot be used.
    """
    return Worker(load_settings(folder.resolve()), workers, say).run(once=once)


def is_team(path: Path, settings: Settings) -> bool:
    """Whether a path of the inbox is a team's folder."""
    import re

    named = re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", path.name) is not None and len(path.name) <= 100
    known = not settings.teams or path.name in settings.teams
    return named and known and path.is_dir() and not path.is_symlink()


def _packages() -> str:
    """Where this very harness lies, for a process that does not look into the current folder."""
    own = str(Path(__file__).resolve().parents[2])
    return os.pathsep.join([own, *filter(None, [os.environ.get("PYTHONPATH")])])


def _write_if_other(path: Path, content: bytes) -> None:
    try:
        if read_regular(path, _MOST_RESULT_BYTES) == content:
            return
    except OSError:
        pass
    write_atomically(path, content)
