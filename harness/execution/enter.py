"""The first steps of a predictor's process: the rest of its confinement, and a look at whether it holds.

The keeper, or bubblewrap, starts this file with one argument, the worker's folder. It gives up what only
the process itself can give up, tries what must fail, and ends where that does not; then it goes on as
``worker.py``. All this happens before any package is loaded and any thread started: a thread that was there
before would not be confined.

Standard library only.
"""

from __future__ import annotations

import ctypes
import json
import os
import runpy
import struct
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

WORKER = Path(__file__).with_name("worker.py")
# linux/prctl.h, linux/sched.h, linux/socket.h, linux/landlock.h
PR_SET_DUMPABLE, CLONE_NEWUSER, AF_UNIX, SOCK_STREAM = 4, 0x10000000, 1, 1
CREATE_RULESET, RESTRICT_SELF, MAKE_BLOCK_DEVICE = 444, 446, 1 << 11
INIT_OF_NAME_SPACE = (0, 1)  # parents that are no process outside


def confine(job: dict[str, Any]) -> None:
    """Give up what bubblewrap left: it cannot change the user itself, and its own first process is ours."""
    if job["isolation"] == "bubblewrap":
        if job["uid"] is not None:
            os.setgroups([])
            os.setresgid(job["gid"], job["gid"], job["gid"])
            os.setresuid(job["uid"], job["uid"], job["uid"])
            ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, 1, 0, 0, 0)  # it may read about itself in /proc
        if job["landlock"]:
            _enter_domain()
    os.chdir(os.environ["HOME"])  # bubblewrap could not: the folder is of another user
    os.environ.pop("PWD", None)


def what_is_possible(canary: Path) -> list[str]:
    """What a confined process cannot do, and this one can.

    Args:
        canary: a file outside, which everybody may read but for the confinement.
    """
    attempts: dict[str, Callable[[], object]] = {
        "read a file outside": canary.read_bytes,
        "open a socket": lambda: _call("socket", AF_UNIX, SOCK_STREAM, 0),
        "make a name space": _unshare_in_a_child,
    }
    if os.getppid() not in INIT_OF_NAME_SPACE:
        attempts["signal the process that started it"] = lambda: os.kill(os.getppid(), 0)
    possible = []
    for what, attempt in attempts.items():
        try:
            attempt()
        except OSError:
            continue
        possible.append(what)
    return possible


def _unshare_in_a_child() -> None:
    """Try to make a user name space; a child tries, since who succeeds is nobody afterwards."""
    pid = os.fork()
    if pid == 0:
        try:
            _call("unshare", CLONE_NEWUSER)
            os._exit(0)
        finally:
            os._exit(1)
    if os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]):
        raise PermissionError


def _enter_domain() -> None:
    """Keep away, by Landlock, from processes that are not in this domain.

    That is bubblewrap's own first process, which no filter holds. Nothing else is asked for here: files and
    network are bubblewrap's matter.
    """
    rules = _call("syscall", CREATE_RULESET, struct.pack("=Q", MAKE_BLOCK_DEVICE), 8, 0)
    _call("syscall", RESTRICT_SELF, rules, 0)
    os.close(rules)


def _call(name: str, *arguments: int | bytes) -> int:
    values = [value if isinstance(value, bytes) else ctypes.c_long(value) for value in arguments]
    result: int = ctypes.CDLL(None, use_errno=True)[name](*values)
    if result < 0:
        raise OSError(ctypes.get_errno(), name)
    return result


def main() -> None:
    """Confine this process, look whether that holds, and go on as the worker."""
    folder = Path(sys.argv[1])
    job = json.loads((folder / "given" / "job.json").read_text())
    confine(job)
    if job["isolation"] != "none" and (possible := what_is_possible(Path(job["canary"]))):
        fault = (
            f"the isolation does not hold: the process could {' and '.join(possible)}",
            "a process that cannot",
            "`harness doctor` says what this machine offers.",
            None,
        )
        report = folder / "out" / "start.tmp"
        report.write_text(json.dumps({"faults": [fault]}))
        report.replace(report.with_suffix(".json"))
        sys.exit(1)
    runpy.run_path(str(WORKER), run_name="__main__")


if __name__ == "__main__":
    main()
