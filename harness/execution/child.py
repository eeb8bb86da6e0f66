"""One predictor's process as its parent sees it: start, watch, end.

The process gets an environment of its own, no file descriptors, no terminal, a user of its own where this
process may give it one, and folders of its own. Its parent is a small keeper (``keeper.py``), not this
process; the keeper ends everything that it started when it is told to, and when this process is gone.

A worker's folder, below the run's:

    launch.json    for the keeper: how to start
    given/         for the worker, read-only: job.json, EEG, stop
    out/           from the worker: reports and predictions
    home/          the worker's working folder, home and temporary folder
    log            what it prints
"""

from __future__ import annotations

import json
import os
import re
import secrets
import signal
import subprocess
import sys
import time
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from harness.execution import isolation, landlock
from harness.execution.exchange import printable, write_json
from harness.execution.spec import Run

KEEPER = Path(__file__).with_name("keeper.py")
ENTER = Path(__file__).with_name("enter.py")
WORKER = Path(__file__).with_name("worker.py")
MAX_OUTPUT_LINES = 20
MAX_OUTPUT_BYTES = 4096
GRACE_SECONDS = 2.0  # for processes that outlive the worker
END_SECONDS = 10.0  # for the worker to end by itself: threads and exit handlers may take a while
KEEPER_SECONDS = 40.0  # for the keeper to end everything
ESCAPE_SEQUENCE = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]")
# Users that no system gives to anybody; every worker gets one of them, so that it is alone with its user.
FIRST_UID, N_UIDS = 0x6000_0000, 0x1000_0000
_CHOWN, _KILL, _SETGID, _SETUID = 1 << 0, 1 << 5, 1 << 6, 1 << 7  # linux/capability.h
_NEEDED = _CHOWN | _KILL | _SETGID | _SETUID  # to give a process another user, and to end it


@dataclass(frozen=True)
class Place:
    """What all workers of a run share.

    Attributes:
        folder: of the run; holds ``code``, ``weights`` and ``lib``.
        lock: descriptor of its lock.
        isolation: means in use.
        gid: the group that may read it; None where workers are of this process's own user.
        limits: of the run.
    """

    folder: Path
    lock: int
    isolation: str
    gid: int | None
    limits: Run

    @property
    def canary(self) -> Path:
        """A file that no worker can read, or its isolation does not hold."""
        return self.folder / "canary"

    @property
    def shared(self) -> list[Path]:
        """Folders that every worker may read."""
        return [self.folder / name for name in ("code", "weights", "lib")]

    def open_to_group(self) -> None:
        """Let the workers' group pass through the folder and read what is shared."""
        self.folder.chmod(0o710)
        everything = [self.folder, *(path for top in self.shared for path in (top, *top.rglob("*")))]
        for path in everything:
            if self.gid is not None:
                os.chown(path, 0, self.gid, follow_symlinks=False)
            if path != self.folder and path.is_dir() and not path.is_symlink():
                path.chmod(0o750)


class Child:
    """A running worker and its keeper.

    Args:
        place: what it shares with others.
        name: of its folder.
        job: what goes into its job.json.
        n_threads: for the libraries that ask the environment.
        seed: of Python's hashes.

    Attributes:
        folder: its own.
        pending: batches given to it and not yet predicted, oldest first.
        started: whether the predictor stands.
        left: names of processes that still ran `GRACE_SECONDS` after the worker ended.
    """

    def __init__(self, place: Place, name: str, job: dict[str, object], n_threads: int, seed: int) -> None:
        self.folder = place.folder / name
        self.given = self.folder / "given"
        self.pending: deque[int] = deque()
        self.started = False
        self.left: list[str] = []
        self._code: int | None = None
        self._said = b""
        self._seen: set[psutil.Process] = set()
        uid = None if place.gid is None else FIRST_UID + secrets.randbelow(N_UIDS)
        _make_folders(self.folder, uid, place.gid)
        own = {
            "isolation": place.isolation,
            "uid": uid,
            "gid": place.gid,
            "canary": str(place.canary),
            "landlock": landlock.version() > 0,
        }
        write_json(self.given / "job.json", {**job, **own})
        # Opened here and kept: the child may do with the name what it likes, but not with this file.
        self._log = os.open(self.folder / "log", os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        environment = _environment(self.folder / "home", place.folder / "lib", n_threads, seed)
        write_json(self.folder / "launch.json", self._launch(place, uid, environment))
        self._keeper = subprocess.Popen(
            [sys.executable, "-I", "-S", "-B", str(KEEPER), str(self.folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            env=environment,
            cwd="/",
            start_new_session=True,
            pass_fds=[place.lock],
        )
        assert self._keeper.stdout is not None
        os.set_blocking(self._keeper.stdout.fileno(), False)

    def _launch(self, place: Place, uid: int | None, environment: dict[str, str]) -> dict[str, Any]:
        # -P and -s keep the caller's folders off the path. Not -I: it would make Python ignore
        # PYTHONHASHSEED, and the environment is ours anyway.
        options = ["-P", "-B", "-u"] if isolation.user_base() else ["-s", "-P", "-B", "-u"]
        command = [sys.executable, *options, str(ENTER), str(self.folder)]
        home = self.folder / "home"
        readable, writable = [*place.shared, self.given], [self.folder / "out", home]
        rules = None
        if place.isolation == isolation.BUBBLEWRAP:
            outer = isolation.bubblewrap_command(
                isolation.bubblewrap_program() or "bwrap",
                [*isolation.readable_paths(), *readable],
                writable,
                own_user=uid is None,
                own_init=uid is not None or landlock.version() > 0,
                filtered=True,
            )
            command = outer + command
        elif place.isolation == isolation.LANDLOCK:
            rules = isolation.landlock_ruleset(readable, writable)
        filtered = place.isolation != isolation.NONE
        limits = place.limits
        cores = len(os.sched_getaffinity(0))
        cpu_seconds = limits.seconds * cores if limits.cpu_seconds is None else limits.cpu_seconds
        return {
            "isolation": place.isolation,
            "command": command,
            "environment": environment,
            "cwd": str(home),
            "log": str(self.folder / "log"),
            "uid": uid,
            "gid": place.gid,
            "landlock": rules,
            "seccomp": isolation.filter_of_calls(place.isolation).hex() if filtered else "",
            "grace_seconds": GRACE_SECONDS,
            "limits": {
                "core": 0,
                "cpu": int(cpu_seconds) + 2,
                "data": limits.memory_bytes,
                "file": limits.file_bytes,
                "files": limits.open_files,
                "processes": limits.processes,
            },
        }

    def exit_code(self) -> int | None:
        """The worker's exit code, negative for a signal; None while it runs."""
        self._listen()
        if self._code is None and self._keeper.poll() is not None:
            self._code = -signal.SIGKILL  # the keeper is gone, and said nothing
        return self._code

    def memory_bytes(self) -> int:
        """Memory of the worker and its descendants, resident or swapped out; shared pages count in each."""
        self._look()
        total = 0
        for process in list(self._seen):
            with suppress(psutil.Error):
                total += process.memory_info().rss
            with suppress(OSError):
                total += _swapped_bytes(Path(f"/proc/{process.pid}/status").read_text())
        return total

    def disk_use(self, most_files: int) -> tuple[int, int]:
        """Bytes of the files that it made, and how many files and folders; stops counting past the most.

        A file without a name counts while a process has it open.
        """
        size, count = self._unnamed_bytes(), 0
        below = [self.folder / "out", self.folder / "home"]
        while below and count <= most_files:
            with suppress(OSError), os.scandir(below.pop()) as entries:
                for entry in entries:
                    count += 1
                    with suppress(OSError):
                        size += entry.stat(follow_symlinks=False).st_blocks * 512
                        if entry.is_dir(follow_symlinks=False):
                            below.append(Path(entry.path))
        return size, count

    def _unnamed_bytes(self) -> int:
        disk = self.folder.stat().st_dev
        sizes: dict[int, int] = {}
        for process in self._seen:
            with suppress(OSError):
                for descriptor in Path(f"/proc/{process.pid}/fd").iterdir():
                    with suppress(OSError):
                        found = descriptor.stat()
                        if found.st_dev == disk and found.st_nlink == 0:
                            sizes[found.st_ino] = found.st_blocks * 512
        return sum(sizes.values())

    def log_bytes(self) -> int:
        """What it printed so far, in bytes."""
        return os.fstat(self._log).st_size

    def output_lines(self) -> list[str]:
        """The last lines it printed, without escape sequences and control characters."""
        size = self.log_bytes()
        start = max(0, size - MAX_OUTPUT_BYTES)
        text = os.pread(self._log, size - start, start).decode("utf-8", "replace")
        lines = [printable(ESCAPE_SEQUENCE.sub("", line).replace("\t", "    ")) for line in text.splitlines()]
        # What faulthandler says about us says nothing about the submission.
        ours = (f'File "{WORKER}"', f'File "{ENTER}"', 'File "<frozen runpy>"', "Extension modules: ")
        return [line for line in lines if line.strip() and not any(text in line for text in ours)][
            -MAX_OUTPUT_LINES:
        ]

    def stop(self) -> None:
        """Tell the worker that nothing is left to do."""
        (self.given / "stop").touch()

    def finish(self) -> list[str]:
        """Wait for the worker to end by itself, after `stop`, and for what it started.

        Returns:
            The names of processes that were still there `GRACE_SECONDS` after it ended.
        """
        deadline = time.monotonic() + END_SECONDS
        while self.exit_code() is None and time.monotonic() < deadline:
            time.sleep(0.002)
        if self._code is not None:  # else it is held up by a thread, say; its predictions are in
            deadline = time.monotonic() + GRACE_SECONDS + KEEPER_SECONDS
            while self._keeper.poll() is None and time.monotonic() < deadline:
                time.sleep(0.002)
            self._listen()
        return self.left

    def close(self) -> None:
        """End the worker and every process it started, at once."""
        self._look()
        assert self._keeper.stdin is not None
        assert self._keeper.stdout is not None
        with suppress(OSError):
            self._keeper.stdin.close()  # the keeper's sign
        try:
            self._keeper.wait(KEEPER_SECONDS)
        except subprocess.TimeoutExpired:
            self._keeper.kill()
            self._keeper.wait()
        self._keeper.stdout.close()
        for process in self._seen:  # what a keeper that somebody killed has left
            with suppress(psutil.Error):
                process.kill()
        if self._log >= 0:
            os.close(self._log)
            self._log = -1

    def _listen(self) -> None:
        """Take in what the keeper said."""
        assert self._keeper.stdout is not None
        with suppress(OSError, ValueError):
            while part := os.read(self._keeper.stdout.fileno(), 4096):
                self._said += part
        *lines, self._said = self._said.split(b"\n")
        for line in lines:
            said = json.loads(line)
            self._code = said.get("code", self._code)
            self.left = said.get("left", self.left)

    def _look(self) -> None:
        """Remember the descendants of the keeper."""
        if self._keeper.returncode is None:
            with suppress(psutil.Error):
                self._seen.update(psutil.Process(self._keeper.pid).children(recursive=True))
        self._seen = {process for process in self._seen if _runs(process)}


def other_group() -> int | None:
    """A group for the workers of one run, where this process may give them users of their own."""
    try:
        status = Path("/proc/self/status").read_text()
        spans = [line.split() for line in Path("/proc/self/uid_map").read_text().splitlines()]
    except OSError:
        return None
    held = int(next(line for line in status.splitlines() if line.startswith("CapEff")).split()[1], 16)
    known = any(int(first) <= FIRST_UID < FIRST_UID + N_UIDS <= int(first) + int(n) for first, _, n in spans)
    if os.geteuid() != 0 or held & _NEEDED != _NEEDED or not known:
        return None
    return FIRST_UID + secrets.randbelow(N_UIDS)


def _make_folders(folder: Path, uid: int | None, gid: int | None) -> None:
    folder.mkdir()
    for name in ("given", "out", "home"):
        (folder / name).mkdir()
    if uid is not None and gid is not None:
        os.chown(folder, 0, gid)
        os.chown(folder / "given", 0, gid)
        for name in ("out", "home"):
            os.chown(folder / name, uid, gid)
    folder.chmod(0o710)
    (folder / "given").chmod(0o2750)  # what is put there is of the folder's group
    for name in ("out", "home"):
        (folder / name).chmod(0o700)


def threads_asked() -> int | None:
    """How many threads the user's OMP_NUM_THREADS asks for; None where it does not say."""
    asked = os.environ.get("OMP_NUM_THREADS", "")
    return int(asked) if asked.isdecimal() and int(asked) > 0 else None


def _environment(home: Path, packages: Path, n_threads: int, seed: int) -> dict[str, str]:
    environment = {
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), "/usr/local/bin", "/usr/bin", "/bin"]),
        "HOME": str(home),
        "TMPDIR": str(home),
        "XDG_CACHE_HOME": str(home),
        "USER": "predictor",
        "LANG": "C.UTF-8",
        "PYTHONPATH": str(packages),  # this very harness, whatever else is installed
        "PYTHONHASHSEED": str(seed % 2**32),
        # Threads that wait leave the core to others: one busy process beside them would cost tenfold.
        "OMP_WAIT_POLICY": "PASSIVE",
        **{f"{library}_NUM_THREADS": str(n_threads) for library in ("OMP", "OPENBLAS", "MKL", "NUMEXPR")},
    }
    if base := isolation.user_base():
        environment["PYTHONUSERBASE"] = str(base)
    if "CUDA_VISIBLE_DEVICES" in os.environ:
        environment["CUDA_VISIBLE_DEVICES"] = os.environ["CUDA_VISIBLE_DEVICES"]
    return environment


def _swapped_bytes(status: str) -> int:
    """What of a process is swapped out, by its status in /proc."""
    found = re.search(r"^VmSwap:\s*(\d+) kB", status, re.MULTILINE)
    return 1024 * int(found[1]) if found else 0


def _runs(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False
