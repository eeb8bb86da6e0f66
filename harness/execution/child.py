"""One predictor's process as its parent sees it: start, watch, end.

The process gets an environment of its own, no file descriptors, no terminal and a folder to live
in; it is the leader of a session, and adopts what its descendants leave behind, so that all of
them are found and ended with it.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections import deque
from contextlib import suppress
from pathlib import Path

import psutil

from harness.execution.exchange import printable, write_json

WORKER = Path(__file__).with_name("worker.py")
MAX_LOG_BYTES = 64 * 2**20
MAX_OUTPUT_LINES = 20
MAX_OUTPUT_BYTES = 4096
GRACE_SECONDS = 2.0  # for processes that outlive the worker
END_SECONDS = 10.0  # for the worker to end by itself: threads and exit handlers may take a while
ESCAPE_SEQUENCE = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]")


class Child:
    """A running worker.

    Args:
        folder: an empty folder for it alone.
        job: what goes into its job.json.
        n_threads: for the libraries that ask the environment.
        seed: of Python's hashes.

    Attributes:
        folder: the same folder.
        pending: batches given to it and not yet predicted, oldest first.
        started: whether the predictor stands.
    """

    def __init__(self, folder: Path, job: dict[str, object], n_threads: int, seed: int) -> None:
        self.folder = folder
        self.pending: deque[int] = deque()
        self.started = False
        for name in ("eeg", "out", "home"):
            (folder / name).mkdir(parents=True)
        write_json(folder / "job.json", {**job, "parent": os.getpid()})
        self._seen: set[psutil.Process] = set()
        # Opened here and kept: the child may remove the name, but not this file.
        self._log = os.open(folder / "log", os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC)
        # -P and -s keep the caller's folders off the path. Not -I: it would make Python ignore
        # PYTHONHASHSEED, and the environment is ours anyway.
        self._process = subprocess.Popen(
            [sys.executable, "-s", "-P", "-B", "-u", str(WORKER), str(folder)],
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
            env=_environment(folder / "home", n_threads, seed),
            cwd=folder / "home",
            start_new_session=True,
        )

    def exit_code(self) -> int | None:
        """The exit code, negative for a signal; None while it runs."""
        return self._process.poll()

    def memory_bytes(self) -> int:
        """Resident memory of the worker and its descendants; shared pages count in each."""
        self._look()
        total = 0
        for process in list(self._seen):
            with suppress(psutil.Error):
                total += process.memory_info().rss
        return total

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
        ours = (f'File "{WORKER}"', "Extension modules: ")
        return [line for line in lines if line.strip() and not any(text in line for text in ours)][
            -MAX_OUTPUT_LINES:
        ]

    def stop(self) -> None:
        """Tell the worker that nothing is left to do."""
        self._look()
        (self.folder / "stop").touch()

    def finish(self) -> list[str]:
        """Wait for the worker to end by itself, after `stop`.

        Returns:
            The names of processes that were still there `GRACE_SECONDS` after it ended.
        """
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(END_SECONDS)
        deadline = time.monotonic() + GRACE_SECONDS
        while (left := self._left()) and time.monotonic() < deadline:
            time.sleep(0.02)
        return left

    def close(self) -> None:
        """End the worker and every process it started, at once."""
        self._look()
        if self._process.returncode is None:  # else its id may be another's by now
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._left()
        for process in self._seen:
            with suppress(psutil.Error):
                process.kill()
        if self._log >= 0:
            os.close(self._log)
            self._log = -1

    def _look(self) -> None:
        """Remember the worker's descendants, before one of them could lose its parent."""
        if self._process.returncode is None:
            with suppress(psutil.Error):
                leader = psutil.Process(self._process.pid)
                self._seen.update([leader, *leader.children(recursive=True)])
        self._seen = {process for process in self._seen if _runs(process)}

    def _left(self) -> list[str]:
        if self._process.poll() is None:  # held up by a thread, say; its predictions are in
            return []
        for pid in psutil.pids():
            with suppress(OSError, psutil.Error):
                if os.getsid(pid) == self._process.pid:
                    self._seen.add(psutil.Process(pid))
        self._seen = {process for process in self._seen if _runs(process)}
        names = []
        for process in self._seen:
            with suppress(psutil.Error):
                names.append(process.name())
        return sorted(names)


def _environment(home: Path, n_threads: int, seed: int) -> dict[str, str]:
    threads = ("OMP", "OPENBLAS", "MKL", "NUMEXPR")
    return {
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), "/usr/local/bin", "/usr/bin", "/bin"]),
        "HOME": str(home),
        "TMPDIR": str(home),
        "XDG_CACHE_HOME": str(home),
        "LANG": "C.UTF-8",
        "PYTHONHASHSEED": str(seed % 2**32),
        **{f"{library}_NUM_THREADS": str(n_threads) for library in threads},
    }


def _runs(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False
