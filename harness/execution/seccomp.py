"""The system calls that a predictor's process may not make, as a program that the kernel runs (seccomp).

Denied in every sandbox: sockets and pairs of them (whose buffers no limit of memory counts), other
processes' memory, new namespaces and mounts, and what no decoder needs and no other means holds: io_uring
(which opens sockets and files past this very filter), memory files and shared memory without a file (which
no limit of a process counts), System V memory and queues, keyrings, watches on files (which would tell when
the harness opens which recording), the kernel's own programs and clocks.

Where Landlock stands alone, also what it does not see: permissions and times of files, truncation by
path, and what reaches another process of the same user.

A call that is denied fails with "operation not permitted"; one that programs try first and do without
(``clone3``, ``io_uring``, ``memfd_create``) with "function not implemented", as does every call that is
newer than this file. A program of another architecture is ended.

Numbers: x86_64, and what the kernel calls generic (aarch64), of Linux 6.12.
"""

from __future__ import annotations

import errno
import platform
import struct
from collections.abc import Iterable
from typing import NamedTuple

# linux/bpf_common.h, linux/seccomp.h, linux/audit.h
_LOAD, _JUMP_EQUAL, _JUMP_AT_LEAST, _JUMP_ANY_BIT, _AND, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x54, 0x06
_ALLOW, _ERRNO, _KILL = 0x7FFF0000, 0x00050000, 0x80000000
_OFFSET_NUMBER, _OFFSET_ARCHITECTURE, _OFFSET_ARGUMENTS = 0, 4, 16
ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
FIRST_UNKNOWN = 463  # system calls of Linux 6.10 and later that this file does not name

_Numbers = dict[str, tuple[int | None, int | None]]  # on x86_64 and aarch64; None: no such call
# Fail always.
_DENIED: _Numbers = {
    "socket": (41, 198), "socketpair": (53, 199), "ptrace": (101, 117), "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271), "kcmp": (312, 272), "pidfd_getfd": (438, 438),
    "process_madvise": (440, 440), "process_mrelease": (448, 448), "migrate_pages": (256, 238),
    "move_pages": (279, 239), "shmget": (29, 194), "shmat": (30, 196), "shmctl": (31, 195),
    "shmdt": (67, 197), "semget": (64, 190), "semop": (65, 193), "semctl": (66, 191),
    "semtimedop": (220, 192), "msgget": (68, 186), "msgsnd": (69, 189), "msgrcv": (70, 188),
    "msgctl": (71, 187), "mq_open": (240, 180), "mq_unlink": (241, 181), "add_key": (248, 217),
    "request_key": (249, 218), "keyctl": (250, 219), "bpf": (321, 280), "perf_event_open": (298, 241),
    "userfaultfd": (323, 282), "mount": (165, 40), "umount2": (166, 39), "pivot_root": (155, 41),
    "chroot": (161, 51), "move_mount": (429, 429), "open_tree": (428, 428), "fsopen": (430, 430),
    "fsconfig": (431, 431), "fsmount": (432, 432), "fspick": (433, 433), "mount_setattr": (442, 442),
    "statmount": (457, 457), "listmount": (458, 458), "unshare": (272, 97), "setns": (308, 268),
    "kexec_load": (246, 104), "kexec_file_load": (320, 294), "init_module": (175, 105),
    "finit_module": (313, 273), "delete_module": (176, 106), "reboot": (169, 142), "swapon": (167, 224),
    "swapoff": (168, 225), "acct": (163, 89), "quotactl": (179, 60), "quotactl_fd": (443, 443),
    "syslog": (103, 116), "settimeofday": (164, 170), "clock_settime": (227, 112),
    "clock_adjtime": (305, 266), "adjtimex": (159, 171), "sethostname": (170, 161),
    "setdomainname": (171, 162), "vhangup": (153, 58), "open_by_handle_at": (304, 265),
    "name_to_handle_at": (303, 264), "fanotify_init": (300, 262), "fanotify_mark": (301, 263),
    "inotify_init": (253, None), "inotify_init1": (294, 26), "inotify_add_watch": (254, 27),
    "memfd_secret": (447, 447), "uselib": (134, None), "iopl": (172, None), "ioperm": (173, None),
    "modify_ldt": (154, None), "lookup_dcookie": (212, 18),
}  # fmt: skip
# Fail as if the kernel did not have them: programs try them first, and do without.
_ABSENT: _Numbers = {
    "io_uring_setup": (425, 425), "io_uring_enter": (426, 426), "io_uring_register": (427, 427),
    "memfd_create": (319, 279), "clone3": (435, 435),
}  # fmt: skip
# Beside Landlock: these change what may only be read, or what is only found by its path.
_ON_FILES: _Numbers = {
    "chmod": (90, None), "fchmod": (91, 52), "fchmodat": (268, 53), "fchmodat2": (452, 452),
    "chown": (92, None), "fchown": (93, 55), "lchown": (94, None), "fchownat": (260, 54),
    "setxattr": (188, 5), "lsetxattr": (189, 6), "fsetxattr": (190, 7), "removexattr": (197, 14),
    "lremovexattr": (198, 15), "fremovexattr": (199, 16), "utime": (132, None), "utimes": (235, None),
    "utimensat": (280, 88), "futimesat": (261, None), "truncate": (76, 45), "ioprio_set": (251, 30),
}  # fmt: skip
# Where Landlock does not keep signals inside.
_SIGNALS: _Numbers = {
    "kill": (62, 129), "tkill": (200, 130), "tgkill": (234, 131), "rt_sigqueueinfo": (129, 138),
    "rt_tgsigqueueinfo": (297, 240), "pidfd_send_signal": (424, 424),
}  # fmt: skip
# Fail for some arguments only.
_BY_ARGUMENT: _Numbers = {
    "clone": (56, 220), "ioctl": (16, 29), "open": (2, None), "openat": (257, 56),
    "openat2": (437, 437), "fcntl": (72, 25), "prlimit64": (302, 261), "sched_setaffinity": (203, 122),
    "sched_setscheduler": (144, 119), "sched_setparam": (142, 118), "sched_setattr": (314, 274),
    "setpriority": (141, 140), "mmap": (9, 222),
}  # fmt: skip
_NUMBERS = {**_DENIED, **_ABSENT, **_ON_FILES, **_SIGNALS, **_BY_ARGUMENT}
_NEW_NAMESPACES = 0x7E020000  # linux/sched.h: CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET
_TERMINAL_INPUT = (0x5412, 0x541C)  # TIOCSTI, TIOCLINUX: typing into somebody's terminal
# Signals that the kernel sends for others: F_SETOWN, F_SETSIG, F_SETOWN_EX; FIOSETOWN, SIOCSPGRP.
_SIGNAL_OWNERS, _OWNERS_OF_SOCKETS = (8, 10, 15), (0x8901, 0x8902)
_NOTIFY = 1026  # F_NOTIFY: a watch on a folder
_SHARED_WITHOUT_FILE = 0x21  # MAP_SHARED (or MAP_SHARED_VALIDATE) with MAP_ANONYMOUS
_TRUNCATES, _ACCESS_MODE = 0o1000, 0o3  # O_TRUNC, which empties a file even where it is opened to be read


class Rule(NamedTuple):
    """One call that fails, always or where an argument (its low 32 bits) is as said.

    Attributes:
        call: name of the call.
        error: with which it fails.
        argument: which argument decides; None for none.
        mask: bits of the argument that are looked at.
        any_bit: whether any of these bits is refused; else they are compared with ``value``.
        value: what the masked argument is compared with.
        unless: whether the call fails where they differ, in place of where they agree.
    """

    call: str
    error: int = errno.EPERM
    argument: int | None = None
    mask: int = 0xFFFFFFFF
    any_bit: bool = False
    value: int = 0
    unless: bool = False


def rules(*, landlock: bool, signals_by_landlock: bool = True, shared_memory: bool = False) -> list[Rule]:
    """What is denied.

    Args:
        landlock: whether Landlock stands alone, without namespaces.
        signals_by_landlock: whether it keeps signals inside (from its version 6). Where it does not, no
            process of the sandbox may signal another at all.
        shared_memory: whether memory without a file may be shared with children (drivers of graphics
            processors need that). Its pages stay when the process drops them, and then count nowhere.
    """
    made = [Rule(call) for call in _DENIED]
    made += [Rule(call, errno.ENOSYS) for call in _ABSENT]
    made.append(Rule("clone", argument=0, mask=_NEW_NAMESPACES, any_bit=True))
    made += [Rule("ioctl", argument=1, value=request) for request in _TERMINAL_INPUT]
    made.append(Rule("fcntl", argument=1, value=_NOTIFY))
    if not shared_memory:
        made.append(Rule("mmap", argument=3, mask=_SHARED_WITHOUT_FILE, value=_SHARED_WITHOUT_FILE))
    if not landlock:
        return made
    made += [Rule(call) for call in _ON_FILES]
    made.append(Rule("openat2", errno.ENOSYS))  # its flags lie in memory, where no filter can look
    for call, argument in (("open", 1), ("openat", 2)):
        made.append(Rule(call, argument=argument, mask=_TRUNCATES | _ACCESS_MODE, value=_TRUNCATES))
    made += [Rule("fcntl", argument=1, value=command) for command in _SIGNAL_OWNERS]
    made += [Rule("ioctl", argument=1, value=request) for request in _OWNERS_OF_SOCKETS]
    # Only the caller itself, whom 0 stands for.
    of_others = ("prlimit64", "sched_setaffinity", "sched_setscheduler", "sched_setparam", "sched_setattr")
    made += [Rule(call, argument=0, unless=True) for call in of_others]
    made += [Rule("setpriority", argument=argument, unless=True) for argument in (0, 1)]
    if not signals_by_landlock:
        made += [Rule(call) for call in _SIGNALS if call != "kill"]
        made.append(Rule("kill", argument=0, unless=True))  # 0: the caller's own group
    return made


def program(denied: Iterable[Rule], machine: str | None = None) -> bytes:
    """The rules as a program for the kernel.

    Args:
        denied: as `rules` gives them.
        machine: the architecture; None for this machine's.

    Raises:
        KeyError: an architecture that this file does not know.
    """
    machine = machine or platform.machine()
    architecture = ARCHITECTURES[machine]
    column = list(ARCHITECTURES).index(machine)
    code = [
        _step(_LOAD, _OFFSET_ARCHITECTURE),
        _step(_JUMP_EQUAL, architecture, 1, 0),
        _step(_RETURN, _KILL),
        _step(_LOAD, _OFFSET_NUMBER),
        # Newer calls, and on x86_64 those of the x32 convention (from 2**30).
        _step(_JUMP_AT_LEAST, FIRST_UNKNOWN, 0, 1),
        _step(_RETURN, _ERRNO | errno.ENOSYS),
    ]
    for rule in denied:
        number = _NUMBERS[rule.call][column]
        if number is not None:
            code += _compiled(rule, number)
    code.append(_step(_RETURN, _ALLOW))
    return b"".join(code)


def _compiled(rule: Rule, number: int) -> list[bytes]:
    fails = _step(_RETURN, _ERRNO | rule.error)
    if rule.argument is None:
        return [_step(_JUMP_EQUAL, number, 0, 1), fails]
    # The program always holds the call's number where the next rule begins.
    look = _step(_LOAD, _OFFSET_ARGUMENTS + 8 * rule.argument)
    again = _step(_LOAD, _OFFSET_NUMBER)
    if rule.any_bit:
        test = [_step(_JUMP_ANY_BIT, rule.mask, 0, 1)]
    else:
        test = [
            _step(_AND, rule.mask),
            _step(_JUMP_EQUAL, rule.value, int(rule.unless), int(not rule.unless)),
        ]
    body = [look, *test, fails, again]
    return [_step(_JUMP_EQUAL, number, 0, len(body)), *body]


def _step(code: int, operand: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("=HBBI", code, if_true, if_false, operand)
