"""Files of a queue that several workers write: each is there whole, and once.

Relied on, of the folder's file system: ``link`` fails where the name is taken, ``rename`` of a folder fails
where a folder with something in it has the name, and both happen whole or not at all. NFS keeps both. Locks
are not relied on, and no clock but the file system's own.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import secrets
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness.errors import Fault, QueueError
from harness.files import read_regular, sync_folder

MOST_BYTES = 16 << 20


def create(path: Path, document: Mapping[str, Any]) -> bool:
    """Write a new file, whole; False where the name is taken, and then nothing is changed.

    Raises:
        OSError: the folder cannot be written.
        QueueError: the file system has no hard links.
    """
    draft = path.with_name(f".{path.name[:60]}.{secrets.token_hex(8)}")
    try:
        with draft.open("xb") as file:
            file.write(json.dumps(document, indent=1, ensure_ascii=False).encode("utf-8", "replace") + b"\n")
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(draft, path)
        except FileExistsError:
            return draft.stat().st_nlink > 1  # NFS may ask twice, and refuse what it did the first time
        except OSError as error:
            if error.errno in (errno.EPERM, errno.ENOTSUP, errno.EMLINK, errno.ENOSYS):
                raise QueueError(
                    Fault(
                        str(path.parent),
                        "a file system without hard links",
                        "one that has them, as ext4, XFS and NFS do",
                        "Move the queue's folder there.",
                    )
                ) from None
            raise
        sync_folder(path.parent)
        return True
    finally:
        with contextlib.suppress(OSError):
            draft.unlink()


def clock(folder: Path) -> float:
    """What time it is by the clock of a folder's file system, which all that share it have in common.

    Raises:
        OSError: the folder cannot be written.
    """
    probe = folder / f".clock-{secrets.token_hex(8)}"
    try:
        with probe.open("xb") as file:
            return os.fstat(file.fileno()).st_ctime
    finally:
        with contextlib.suppress(OSError):
            probe.unlink()


def read(path: Path) -> dict[str, Any] | None:
    """A file of the queue; None where there is none, or it is none of ours."""
    try:
        document = json.loads(read_regular(path, MOST_BYTES))
    except (OSError, ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None


def me() -> dict[str, Any]:
    """Who this process is, as another one on the same machine can find out."""
    return {"host": socket.gethostname(), "machine": _machine(), "pid": os.getpid(), "began": _began("self")}


def is_gone(who: Mapping[str, Any]) -> bool:
    """Whether a process of this machine has ended for sure; False for those of other machines."""
    if not who.get("machine") or who["machine"] != _machine():
        return False
    return _began(str(who.get("pid"))) != who.get("began")


def _machine() -> str:
    """This boot of this machine, and the name space of its process ids; empty where that is not known."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot} {Path('/proc/self/ns/pid').stat().st_ino}"
    except OSError:
        return ""


def _began(pid: str) -> str:
    """When a process began, in ticks since the boot; empty where there is none, or it is a zombie."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if fields[0] in "ZX" else fields[19]
