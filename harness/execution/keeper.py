"""The keeper of one predictor's process: it starts it, confined, and ends all that it ever started.

Started by ``child.py`` with one argument, the worker's folder. It reads ``launch.json`` there and is the
parent, or becomes it, of every process below: who loses its parent gets this one, not the harness, which
may have children of its own. On standard output it says in lines of JSON when the worker ended and what
was left running. When its standard input closes, because the harness says so or is gone, it ends
everything and exits; until then it holds the lock of the run, which it inherited.

Standard library only, nothing imported from the harness: it starts in a hundredth of a second, and
forks before there is a second thread.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import resource
import select
import signal
import struct
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

# linux/prctl.h, linux/seccomp.h, linux/capability.h, linux/landlock.h
PR_SET_PDEATHSIG, PR_SET_KEEPCAPS, PR_SET_SECCOMP = 1, 8, 22
PR_SET_CHILD_SUBREAPER, PR_SET_NO_NEW_PRIVS, PR_CAP_AMBIENT = 36, 38, 47
PR_CAP_AMBIENT_RAISE, SECCOMP_MODE_FILTER = 2, 2
CAP_DAC_READ_SEARCH, CAPABILITY_VERSION_3 = 2, 0x20080522
RULE_PATH_BENEATH = 1
CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446  # of system calls, on every architecture
END_SECONDS = 30.0  # for the kernel to end what was killed
# What is there all this time, and in none of the looks, is no process of bubblewrap's that is about to end.
HIDDEN_SECONDS = 4.0
UNSEEN = "one that starts anew all the time"
FAST_LOOKS = 50  # at direct children, for one look at all processes
PIPE_BYTES = 4096
LIMITS = {
    "core": resource.RLIMIT_CORE,
    "cpu": resource.RLIMIT_CPU,
    "data": resource.RLIMIT_DATA,
    "file": resource.RLIMIT_FSIZE,
    "files": resource.RLIMIT_NOFILE,
    "processes": resource.RLIMIT_NPROC,
}
libc = ctypes.CDLL(None, use_errno=True)


class Keeper:
    """One worker and all its descendants.

    Args:
        launch: how to start it, as ``child.py`` wrote it.
    """

    def __init__(self, launch: dict[str, Any]) -> None:
        self.launch = launch
        self.worker = 0  # its process id while it runs
        self.bell, self.ring = os.pipe()  # rings when a child ends
        for end in (self.bell, self.ring):
            os.set_blocking(end, False)

    def run(self) -> None:
        """Start the worker; return when it and all that it started are gone."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)  # the harness decides when all ends
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(self.ring, warn_on_full_buffer=False)
        _prctl(PR_SET_CHILD_SUBREAPER, 1)
        self.worker = os.fork()
        if self.worker == 0:
            signal.set_wakeup_fd(-1)
            _become_worker(self.launch, os.getppid())
        if self._wait():
            self._grant(self.launch["grace_seconds"])
        self._end_all()

    def _wait(self) -> bool:
        """Wait until the worker ended (True), or nobody wants it any more (False)."""
        while self.worker:
            ready, _, _ = select.select([0, self.bell], [], [])
            if 0 in ready and not os.read(0, PIPE_BYTES):
                return False
            self._reap()
        return True

    def _grant(self, seconds: float) -> None:
        """Give what outlives the worker a moment to end by itself, then say what there is."""
        deadline = time.monotonic() + seconds
        while self._reap() and (left := deadline - time.monotonic()) > 0:
            ready, _, _ = select.select([0, self.bell], [], [], left)
            if 0 in ready:
                return
        names: list[str] = []
        looks, deadline = 0, time.monotonic() + HIDDEN_SECONDS
        while not names and self._reap():  # what starts anew all the time hides from a look
            names = [name for name in map(self._name, _descendants()) if name is not None]
            looks += 1
            if not names and looks >= FAST_LOOKS and time.monotonic() > deadline:
                names = [UNSEEN]
        _say({"left": sorted(names)})

    def _name(self, pid: int) -> str | None:
        """What a process calls itself; None where it is gone, or is bubblewrap's own first process."""
        try:
            status = Path(f"/proc/{pid}/status").read_text(errors="replace")
            name = Path(f"/proc/{pid}/comm").read_text(errors="replace").removesuffix("\n")
        except OSError:
            return None
        # A process may call itself anything, but only that one is number 1 of a name space.
        numbers = next(line for line in status.splitlines() if line.startswith("NSpid:")).split()[1:]
        if self.launch["isolation"] == "bubblewrap" and len(numbers) > 1 and numbers[-1] == "1":
            return None
        return name or f"process {pid}"

    def _reap(self) -> bool:
        """Take in every child that has ended; False where none is left."""
        with contextlib.suppress(BlockingIOError):
            os.read(self.bell, PIPE_BYTES)
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return False
            if pid == 0:
                return True
            if pid == self.worker:
                self.worker = 0
                _say({"code": self._code(status)})

    def _code(self, status: int) -> int:
        code = os.waitstatus_to_exitcode(status)
        # As a shell does, bubblewrap ends with 128 + n where a signal ended what it started.
        if self.launch["isolation"] == "bubblewrap" and 128 < code <= 128 + signal.SIGRTMAX:
            return 128 - code
        return code

    def _end_all(self) -> None:
        """Kill until no descendant is left, faster than any of them can start another."""
        deadline = time.monotonic() + END_SECONDS
        while self._reap() and time.monotonic() < deadline:
            if self.launch["uid"] is not None:
                self._end_user(self.launch["uid"])
            for pid in _descendants():
                _end(pid)
            for _ in range(FAST_LOOKS):
                for pid in _children(os.getpid()):
                    _end(pid)
                if not self._reap():
                    return
            time.sleep(0.001)

    def _end_user(self, uid: int) -> None:
        """Kill every process of the user that only this worker has, all in one moment."""
        pid = os.fork()
        if pid == 0:
            with contextlib.suppress(OSError):
                os.setresuid(uid, uid, uid)
                os.kill(-1, signal.SIGKILL)
            os._exit(0)
        os.waitpid(pid, 0)


def _become_worker(launch: dict[str, Any], keeper: int) -> NoReturn:
    """Give up what the predictor is not to have, then become the worker, or bubblewrap, which starts it.

    Where anything here fails, the worker does not start.
    """
    try:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD):
            signal.signal(number, signal.SIG_DFL)
        os.setsid()
        os.umask(0o022)
        log = os.open(launch["log"], os.O_WRONLY | os.O_APPEND)
        for source, target in ((os.open(os.devnull, os.O_RDONLY), 0), (log, 1), (log, 2)):
            os.dup2(source, target)
        os.closerange(3, os.sysconf("SC_OPEN_MAX"))
        os.chdir(launch["cwd"])
        with contextlib.suppress(OSError):  # should the machine run out of memory, this goes first
            Path("/proc/self/oom_score_adj").write_text("1000")
        _limit(launch["limits"], launch["uid"])
        filter_of_calls = bytes.fromhex(launch["seccomp"])
        command = launch["command"]
        if launch["isolation"] == "bubblewrap":
            descriptor = _readable(filter_of_calls)
            command = [str(descriptor) if part == "{seccomp}" else part for part in command]
        if launch["isolation"] == "landlock":
            rules = _rules_on_files(launch["landlock"])
            if launch["uid"] is not None:
                _change_user(launch["uid"], launch["gid"], [path for path, _ in launch["landlock"]["paths"]])
            _prctl(PR_SET_NO_NEW_PRIVS, 1)
            _call(RESTRICT_SELF, rules, 0)
            os.close(rules)
        _prctl(PR_SET_PDEATHSIG, signal.SIGKILL)  # after the change of user, which takes it back
        if os.getppid() != keeper:
            os._exit(1)
        if launch["isolation"] == "landlock":
            _filter_calls(filter_of_calls)
        os.execve(command[0], command, launch["environment"])
    except BaseException as error:
        os.write(2, f"the predictor's process cannot be confined: {type(error).__name__}: {error}\n".encode())
    finally:
        os._exit(1)


def _limit(limits: dict[str, int], uid: int | None) -> None:
    """Set the limits of each process; one that the organiser set lower stays."""
    for name, most in limits.items():
        hard = resource.getrlimit(LIMITS[name])[1]
        if name == "processes" and uid is None:
            most += _tasks_of_user()  # this limit is for all processes of a user together
        if hard != resource.RLIM_INFINITY:
            most = min(most, hard)
        # At the softer limit of CPU time comes a signal that says so; a second later the end.
        soft = max(1, most - 1) if name == "cpu" else most
        resource.setrlimit(LIMITS[name], (soft, most))


def _change_user(uid: int, gid: int, paths: list[str]) -> None:
    """Become another user; keep the right to pass through folders only where some path needs it."""
    _prctl(PR_SET_KEEPCAPS, 1)
    os.setgroups([])
    os.setresgid(gid, gid, gid)
    os.setresuid(uid, uid, uid)
    kept = 0 if all(os.access(path, os.F_OK) for path in paths) else 1 << CAP_DAC_READ_SEARCH
    header = struct.pack("=Ii", CAPABILITY_VERSION_3, 0)
    low = struct.pack("=III", kept, kept, kept)  # effective, permitted, inheritable
    if libc.capset(header, low + bytes(12)):
        raise OSError(ctypes.get_errno(), "capset")
    if kept:
        _prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_DAC_READ_SEARCH)


def _rules_on_files(asked: dict[str, Any]) -> int:
    """A descriptor of Landlock's rules; ``landlock.py`` says what they are."""
    handled = struct.pack("=QQQ", *asked["handled"])
    size = 8 * max(1, *(k + 1 for k in range(3) if asked["handled"][k]))  # older kernels know fewer
    rules = _call(CREATE_RULESET, handled, ctypes.c_size_t(size), 0)
    for path, rights in asked["paths"]:
        place = os.open(path, os.O_PATH | os.O_CLOEXEC)
        _call(ADD_RULE, rules, RULE_PATH_BENEATH, struct.pack("=Qi", rights, place), 0)
        os.close(place)
    return rules


def _filter_calls(program: bytes) -> None:
    """Have the kernel run a program of ``seccomp.py`` before every system call from now on."""
    steps = ctypes.create_string_buffer(program, len(program))
    described = struct.pack("HP", len(program) // 8, ctypes.addressof(steps))
    _prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, described)


def _readable(content: bytes) -> int:
    """A descriptor, left open for the next program, from which a few kilobytes can be read."""
    reader, writer = os.pipe()
    os.write(writer, content)
    os.close(writer)
    os.set_inheritable(reader, True)
    return reader


def _prctl(*arguments: int | bytes) -> None:
    padded = [*arguments, *[0] * (5 - len(arguments))]
    values = [value if isinstance(value, bytes) else ctypes.c_ulong(value) for value in padded]
    if libc.prctl(*values):
        raise OSError(ctypes.get_errno(), f"prctl {arguments[0]!r}")


def _call(number: int, *arguments: object) -> int:
    result: int = libc.syscall(ctypes.c_long(number), *arguments)
    if result < 0:
        raise OSError(ctypes.get_errno(), f"system call {number}")
    return result


def _end(pid: int) -> None:
    """Kill a process; first take its right to start another, should it outrun the signal."""
    with contextlib.suppress(OSError, ValueError):
        resource.prlimit(pid, resource.RLIMIT_NPROC, (0, 0))
    with contextlib.suppress(OSError):
        os.kill(pid, signal.SIGKILL)


def _children(pid: int) -> list[int]:
    """The children of a process with one thread; none where the kernel does not tell."""
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_bytes().split()]
    except OSError:
        return []


def _descendants() -> list[int]:
    """Every process below this one."""
    parents = {pid: int(fields[1]) for pid, fields in _all_processes()}
    found = {os.getpid()}
    while more := {pid for pid, parent in parents.items() if parent in found} - found:
        found |= more
    return sorted(found - {os.getpid()})


def _all_processes() -> Iterator[tuple[int, list[bytes]]]:
    """Process ids, and the fields of their status after the name: state, parent, and so on."""
    for folder in Path("/proc").iterdir():
        if folder.name.isdecimal():
            with contextlib.suppress(OSError):
                yield int(folder.name), (folder / "stat").read_bytes().rpartition(b") ")[2].split()


def _tasks_of_user() -> int:
    """How many threads the processes of this user have."""
    number_of_threads = 17  # after the name, in /proc/PID/stat
    total = 0
    for pid, fields in _all_processes():
        with contextlib.suppress(OSError):
            if Path(f"/proc/{pid}").stat().st_uid == os.getuid():
                total += int(fields[number_of_threads])
    return total


def _say(what: dict[str, object]) -> None:
    with contextlib.suppress(BrokenPipeError):
        os.write(1, json.dumps(what).encode() + b"\n")


if __name__ == "__main__":
    Keeper(json.loads(Path(sys.argv[1], "launch.json").read_text())).run()
