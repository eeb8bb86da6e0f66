"""What the keeper of a predictor's process asks of the system, call by call; nothing is started or killed here."""

from __future__ import annotations

import ctypes
import errno
import json
import os
import resource
import signal
import struct
from collections.abc import Iterator
from functools import partialmethod
from types import SimpleNamespace

import pytest

from harness.execution import keeper
from harness.execution.keeper import Keeper

BELL, RING = 21, 22
CONSTANTS = ("O_WRONLY", "O_APPEND", "O_RDONLY", "O_PATH", "O_CLOEXEC", "F_OK", "WNOHANG", "devnull")


class EndError(BaseException):
    """In place of the end of a process."""


@pytest.fixture
def system(monkeypatch, tmp_path):
    """In place of the system: notes what is asked for, and gives what is said here; nothing else is there.

    Attributes:
        made: what was asked for, as (name, arguments), in this order.
        give: name -> answers to a call: an exception or a value for ever, an iterator of these one by one.
        proc: what stands for /proc.
    """
    made, give = [], {}

    def note(name):
        def call(*arguments, **named):
            made.append((name, *arguments, *named.items()))
            answer = give.get(name)
            if isinstance(answer, Iterator):
                answer = next(answer, EndError())
            if isinstance(answer, BaseException):
                raise answer
            return answer

        return call

    def of(*names, **there):
        return SimpleNamespace(**{name: note(name) for name in names}, **there)

    calls = (
        *("pipe", "set_blocking", "fork", "getppid", "getpid", "read", "write", "open", "close", "dup2"),
        *(
            "closerange",
            "sysconf",
            "chdir",
            "setsid",
            "umask",
            "execve",
            "_exit",
            "waitpid",
            "kill",
            "access",
        ),
        *("setgroups", "setresgid", "setresuid", "getuid"),
    )
    there = {name: getattr(os, name) for name in CONSTANTS}
    fake = of(*calls, waitstatus_to_exitcode=os.waitstatus_to_exitcode, **there)
    monkeypatch.setattr(keeper, "os", fake)
    numbers = {name: value for name, value in vars(signal).items() if name.startswith("SIG")}
    monkeypatch.setattr(keeper, "signal", of("signal", "set_wakeup_fd", **numbers))
    monkeypatch.setattr(keeper, "select", of("select"))
    monkeypatch.setattr(keeper, "time", of("monotonic", "sleep"))
    monkeypatch.setattr(keeper, "libc", of("prctl", "syscall", "capset"))
    limits = of("getrlimit", "setrlimit", "prlimit", RLIM_INFINITY=-1, RLIMIT_NPROC=resource.RLIMIT_NPROC)
    monkeypatch.setattr(keeper, "resource", limits)
    monkeypatch.setattr(keeper, "Path", lambda place: tmp_path / place.removeprefix("/"))

    def without_itself(_, call, *arguments):
        return call(*arguments)

    def replace(*names):
        """Have these functions of the keeper, or methods of its class, noted in place of run."""
        for name in names:
            if hasattr(Keeper, name):
                monkeypatch.setattr(Keeper, name, partialmethod(without_itself, note(name)))
            else:
                monkeypatch.setattr(keeper, name, note(name))

    give |= {"pipe": (BELL, RING), "_exit": EndError(), "getpid": 40, "getppid": 39}
    return SimpleNamespace(made=made, give=give, replace=replace, proc=tmp_path / "proc")


@pytest.fixture
def kept(system):
    """A keeper of a worker, started as is said."""

    def make(worker=0, isolation="landlock", uid=None):
        made = Keeper({"isolation": isolation, "uid": uid, "grace_seconds": 2.5})
        made.worker = worker
        system.made.clear()
        return made

    return make


def test_a_keeper_begins_without_a_worker_and_with_a_bell_on_which_nothing_waits(system):
    made = Keeper({"a": 1})
    assert (made.launch, made.worker, made.bell, made.ring) == ({"a": 1}, 0, BELL, RING)
    assert system.made == [("pipe",), ("set_blocking", BELL, False), ("set_blocking", RING, False)]


def started(system):
    """What was asked for before the fork, but for the handler of the signal of a child's end."""
    first, handled = system.made[:3], system.made[3]
    assert first == [
        ("signal", signal.SIGINT, signal.SIG_IGN),
        ("signal", signal.SIGTERM, signal.SIG_IGN),
        ("signal", signal.SIGHUP, signal.SIG_IGN),
    ]
    name, number, handler = handled
    assert (name, number, handler(number, None)) == ("signal", signal.SIGCHLD, None)
    assert system.made[4:7] == [
        ("set_wakeup_fd", RING, ("warn_on_full_buffer", False)),
        ("_prctl", 36, 1),  # PR_SET_CHILD_SUBREAPER
        ("fork",),
    ]
    return system.made[7:]


@pytest.mark.parametrize("wanted", [True, False])
def test_a_keeper_starts_its_worker_and_waits_and_ends_all(system, kept, wanted):
    system.replace("_prctl", "_wait", "_grant", "_end_all", "_become_worker")
    system.give |= {"fork": 77, "_wait": wanted}
    made = kept()
    made.run()
    assert made.worker == 77
    grace = [("_grant", 2.5)] if wanted else []
    assert started(system) == [("_wait",), *grace, ("_end_all",)]


def test_the_copy_of_a_keeper_becomes_the_worker(system, kept):
    system.replace("_prctl", "_wait", "_grant", "_end_all", "_become_worker")
    system.give |= {"fork": 0, "_become_worker": EndError()}
    made = kept()
    with pytest.raises(EndError):
        made.run()
    assert started(system) == [("set_wakeup_fd", -1), ("getppid",), ("_become_worker", made.launch, 39)]


LOOK = ("select", [0, BELL], [], [])


def test_a_keeper_waits_until_its_worker_ended(system, kept, monkeypatch):
    made, left = kept(worker=77), iter((77, 77, 0))
    monkeypatch.setattr(made, "_reap", lambda: setattr(made, "worker", next(left)))
    looks = [([BELL], [], []), ([0, BELL], [], []), ([BELL], [], [])]
    system.give |= {"select": iter(looks), "read": b"a word"}
    assert made._wait() is True
    assert system.made == [LOOK, LOOK, ("read", 0, 4096), LOOK]
    assert made._wait() is True  # there is none any more
    assert len(system.made) == 4


def test_a_keeper_waits_until_nobody_wants_its_worker(system, kept):
    system.replace("_reap")
    made = kept(worker=77)
    looks = [([BELL], [], []), ([0, BELL], [], [])]
    system.give |= {"select": iter(looks), "read": b""}
    assert made._wait() is False
    assert system.made == [LOOK, ("_reap",), LOOK, ("read", 0, 4096)]


def test_nothing_that_is_left_is_said_at_once(system, kept):
    system.replace("_reap", "_say", "_descendants", "_name")
    system.give |= {"monotonic": iter((100.0, 101.0)), "_reap": False}
    kept()._grant(5.0)
    assert [call for call in system.made if call[0] != "monotonic"] == [
        ("_reap",),
        ("_reap",),
        ("_say", {"left": []}),
    ]


def test_what_outlives_the_worker_has_a_moment_and_is_named(system, kept):
    system.replace("_reap", "_say", "_descendants", "_name")
    system.give |= {
        "monotonic": iter((100.0, 101.0, 104.0, 105.0, 105.0)),
        "_reap": True,
        "select": ([BELL], [], []),
        "_descendants": [3, 1, 2],
        "_name": iter(("sleep", None, "cat")),
    }
    kept()._grant(5.0)
    assert [call for call in system.made if call[0] != "monotonic"] == [
        ("_reap",),
        (*LOOK, 4.0),
        ("_reap",),
        (*LOOK, 1.0),
        ("_reap",),
        ("_reap",),
        ("_descendants",),
        ("_name", 3),
        ("_name", 1),
        ("_name", 2),
        ("_say", {"left": ["cat", "sleep"]}),
    ]


def test_what_ends_within_its_moment_is_not_looked_for(system, kept):
    system.replace("_reap", "_say", "_descendants", "_name")
    system.give |= {
        "monotonic": iter((100.0, 101.0, 102.0)),
        "_reap": iter((True, False, False)),
        "select": ([], [], []),
    }
    kept()._grant(5.0)
    assert [name for name, *_ in system.made if name not in ("monotonic", "_reap")] == ["select", "_say"]
    assert system.made[-1] == ("_say", {"left": []})


def test_nothing_is_said_where_nobody_wants_to_know(system, kept):
    system.replace("_reap", "_say")
    system.give |= {"monotonic": iter((100.0, 101.0)), "_reap": True, "select": ([0], [], [])}
    kept()._grant(5.0)
    assert [name for name, *_ in system.made if name != "monotonic"] == ["_reap", "select"]


def test_what_is_there_and_in_no_look_is_said_after_a_time(system, kept):
    """Four seconds after the grace, at the 51st look: at the 50th, the first to ask, they are not over."""
    system.replace("_reap", "_say", "_descendants", "_name")
    system.give |= {
        "monotonic": iter((0.0, 0.0, 10.0, 14.0, 14.1)),
        "_reap": True,
        "_descendants": iter([[]] * 51),
    }
    kept()._grant(0.0)
    assert system.made.count(("_descendants",)) == 51
    assert system.made[-1] == ("_say", {"left": ["one that starts anew all the time"]})


def test_what_ends_while_it_is_looked_for_is_nothing(system, kept):
    system.replace("_reap", "_say", "_descendants", "_name")
    system.give |= {
        "monotonic": iter((0.0, 0.0, 10.0)),
        "_reap": iter((True, True, True, False)),
        "_descendants": iter(([5], [])),
        "_name": None,
    }
    kept()._grant(0.0)
    assert system.made[-1] == ("_say", {"left": []})


@pytest.mark.parametrize(
    ("isolation", "numbers", "comm", "name"),
    [
        ("landlock", "9", b"sleep\n", "sleep"),
        ("landlock", "9\t1", b"sleep\n", "sleep"),
        ("bubblewrap", "9\t3", b"sleep\n", "sleep"),
        ("bubblewrap", "1", b"sleep\n", "sleep"),
        ("bubblewrap", "1\t2", b"sleep\n", "sleep"),
        ("bubblewrap", "9\t1", b"bwrap\n", None),
        ("bubblewrap", "9\t4\t1", b"bwrap\n", None),
        ("landlock", "9", b"\n", "process 9"),
        ("landlock", "9", b"\na\n\n", "\na\n"),
        ("landlock", "9", b"a\xff\n", "a\ufffd"),
    ],
)
def test_the_name_of_what_is_left(system, kept, isolation, numbers, comm, name):
    folder = system.proc / "9"
    folder.mkdir(parents=True)
    status = f"Name:\tNSpid: 1 1\nPid:\t9\nNSpid:\t{numbers}\nNSsid:\t1\n"
    (folder / "status").write_bytes(b"\xff\n" + status.encode())
    (folder / "comm").write_bytes(comm)
    assert kept(isolation=isolation)._name(9) == name


@pytest.mark.parametrize("there", [(), ("status",)])
def test_what_is_gone_has_no_name(system, kept, there):
    (system.proc / "9").mkdir(parents=True)
    for name in there:
        (system.proc / "9" / name).write_text("NSpid:\t9\n")
    assert kept()._name(9) is None


@pytest.mark.parametrize("rung", [b"\x11", BlockingIOError()])
@pytest.mark.parametrize(
    ("left", "answer"), [((0, 0), True), (ChildProcessError(), False)], ids=["some left", "none left"]
)
def test_every_child_that_ended_is_taken_in(system, kept, rung, left, answer):
    system.replace("_say")
    ended = [(5, 0), (77, 3 << 8), (1, 0), left]
    system.give |= {"read": rung, "waitpid": iter(ended)}
    made = kept(worker=77)
    assert made._reap() is answer
    assert made.worker == 0
    look = ("waitpid", -1, os.WNOHANG)
    assert system.made == [("read", BELL, 4096), look, look, ("_say", {"code": 3}), look, look]


LAST = 128 + signal.SIGRTMAX


@pytest.mark.parametrize(
    ("isolation", "status", "code"),
    [
        ("landlock", 0, 0),
        ("landlock", 9, -9),
        ("landlock", 137 << 8, 137),
        ("bubblewrap", 1 << 8, 1),
        ("bubblewrap", 9, -9),
        ("bubblewrap", 128 << 8, 128),
        ("bubblewrap", 129 << 8, -1),
        ("bubblewrap", 137 << 8, -9),
        ("bubblewrap", LAST << 8, -signal.SIGRTMAX),
        ("bubblewrap", (LAST + 1) << 8, LAST + 1),
    ],
)
def test_the_code_of_the_worker(kept, isolation, status, code):
    assert kept(isolation=isolation)._code(status) == code


@pytest.mark.parametrize("uid", [None, 65])
def test_all_are_killed_until_none_is_left(system, kept, uid):
    system.replace("_reap", "_end_user", "_end", "_descendants", "_children")
    system.give |= {
        "monotonic": iter((100.0, 101.0, 129.9)),
        # at the beginning, at the end of each fast look, and at the second look at all
        "_reap": iter((*[True] * 51, True, True, False)),
        "_descendants": iter(([1, 2], [3])),
        "_children": iter(([4], *[[]] * 49, [5, 6], [])),
    }
    kept(uid=uid)._end_all()
    user = [] if uid is None else [("_end_user", 65)]
    look = [("getpid",), ("_children", 40)]
    assert system.made == [
        *[("monotonic",), ("_reap",), ("monotonic",), *user],
        *[("_descendants",), ("_end", 1), ("_end", 2), *look, ("_end", 4), ("_reap",)],
        *[*look, ("_reap",)] * 49,
        ("sleep", 0.001),
        *[("_reap",), ("monotonic",), *user, ("_descendants",), ("_end", 3)],
        *[*look, ("_end", 5), ("_end", 6), ("_reap",), *look, ("_reap",)],
    ]


@pytest.mark.parametrize(("left", "asked"), [(False, 1), (True, 2)])
def test_the_end_is_that_none_is_left_or_the_kernel_ends_none(system, kept, left, asked):
    system.replace("_reap", "_descendants")
    system.give |= {"monotonic": iter((100.0, 130.0)), "_reap": left}
    kept()._end_all()
    assert system.made == [("monotonic",), ("_reap",), ("monotonic",)][: asked + 1]


def test_a_child_kills_all_of_a_user(system, kept):
    system.give["fork"] = 0
    with pytest.raises(EndError):
        kept()._end_user(65)
    assert system.made == [
        ("fork",),
        ("setresuid", 65, 65, 65),
        ("kill", -1, signal.SIGKILL),
        ("_exit", 0),
    ]


def test_a_child_that_is_not_this_user_kills_nothing(system, kept):
    system.give |= {"fork": 0, "setresuid": PermissionError()}
    with pytest.raises(EndError):
        kept()._end_user(65)
    assert system.made == [("fork",), ("setresuid", 65, 65, 65), ("_exit", 0)]


def test_the_child_that_kills_is_waited_for(system, kept):
    system.give["fork"] = 77
    kept()._end_user(65)
    assert system.made == [("fork",), ("waitpid", 77, 0)]


PATHS = [["/usr", 12], ["/data", 4]]
LAUNCH = {
    "log": "/the/log",
    "cwd": "/the/folder",
    "limits": {"cpu": 3},
    "uid": None,
    "gid": None,
    "seccomp": "0a0b0c",
    "command": ["/bin/python", "{seccomp}", "enter.py"],
    "environment": {"HOME": "/"},
    "isolation": "none",
    "landlock": {"paths": PATHS},
}
BEGIN = [
    *[
        ("signal", getattr(signal, name), signal.SIG_DFL)
        for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGCHLD")
    ],
    ("setsid",),
    ("umask", 0o022),
    ("open", "/the/log", os.O_WRONLY | os.O_APPEND),
    ("open", "/dev/null", os.O_RDONLY),
    *[("dup2", 8, 0), ("dup2", 7, 1), ("dup2", 7, 2)],
    *[("sysconf", "SC_OPEN_MAX"), ("closerange", 3, 1024)],
    ("chdir", "/the/folder"),
    ("_limit", {"cpu": 3}, None),
]
DIES_WITH_ITS_KEEPER = [("_prctl", 1, 9), ("getppid",)]


@pytest.fixture
def become(system):
    """Become a worker, as is said; gives what is asked for until there is another program or an end."""
    system.replace(
        "_limit", "_readable", "_rules_on_files", "_change_user", "_prctl", "_call", "_filter_calls"
    )

    def go(**how):
        system.give |= {"open": iter((7, 8)), "sysconf": 1024, "_readable": 31, "_rules_on_files": 32}
        with pytest.raises(EndError):
            keeper._become_worker({**LAUNCH, **how}, 39)
        ends = [at for at, (name, *_) in enumerate(system.made) if name in ("execve", "_exit")]
        return system.made[: ends[0] + 1]

    return go


def begun(uid=None):
    return [*BEGIN[:-1], ("_limit", {"cpu": 3}, uid)]


def program(command):
    return ("execve", "/bin/python", command, {"HOME": "/"})


def test_a_worker_that_is_not_isolated(become):
    assert become() == [*BEGIN, *DIES_WITH_ITS_KEEPER, program(LAUNCH["command"])]


def test_a_worker_that_bubblewrap_starts(become):
    assert become(isolation="bubblewrap", uid=65) == [
        *begun(65),
        ("_readable", b"\n\x0b\x0c"),
        *DIES_WITH_ITS_KEEPER,
        program(["/bin/python", "31", "enter.py"]),
    ]


@pytest.mark.parametrize("uid", [None, 65])
def test_a_worker_that_landlock_confines(become, uid):
    user = [("_change_user", 65, 64, ["/usr", "/data"])]
    assert become(isolation="landlock", uid=uid, gid=uid and 64) == [
        *begun(uid),
        ("_rules_on_files", {"paths": PATHS}),
        *(user if uid else []),
        ("_prctl", 38, 1),  # PR_SET_NO_NEW_PRIVS
        ("_call", 446, 32, 0),
        ("close", 32),
        *DIES_WITH_ITS_KEEPER,
        ("_filter_calls", b"\n\x0b\x0c"),
        program(LAUNCH["command"]),
    ]


def test_a_worker_is_the_first_to_go_where_the_machine_has_no_memory_left(become, system):
    place = system.proc / "self" / "oom_score_adj"
    place.parent.mkdir(parents=True)
    become()
    assert place.read_text() == "1000"


def test_a_worker_whose_keeper_is_gone_does_not_start(become, system):
    system.give["getppid"] = 1
    assert become() == [*BEGIN, *DIES_WITH_ITS_KEEPER, ("_exit", 1)]


def test_a_worker_that_cannot_be_confined_says_so_and_does_not_start(become, system):
    system.give["_rules_on_files"] = None
    error = OSError(errno.EPERM, "system call 446")
    system.give["_call"] = error
    made = become(isolation="landlock")
    said = b"the predictor's process cannot be confined: PermissionError: [Errno 1] system call 446\n"
    assert made[-2:] == [("write", 2, said), ("_exit", 1)]
    assert "execve" not in [name for name, *_ in system.made]


@pytest.mark.parametrize(
    ("limits", "uid", "hard", "expected"),
    [
        ({"data": 500, "files": 64}, None, -1, [("data", 500, 500), ("files", 64, 64)]),
        ({"data": 500, "core": 0}, 65, 200, [("data", 200, 200), ("core", 0, 0)]),
        ({"data": 500}, None, 900, [("data", 500, 500)]),
        ({"file": 5}, None, 0, [("file", 0, 0)]),
        ({"processes": 50}, None, -1, [("processes", 150, 150)]),
        ({"processes": 50}, 65, -1, [("processes", 50, 50)]),
        ({"processes": 50}, None, 120, [("processes", 120, 120)]),
        ({"cpu": 10}, None, -1, [("cpu", 9, 10)]),
        ({"cpu": 10}, 65, 3, [("cpu", 2, 3)]),
        ({"cpu": 2}, None, -1, [("cpu", 1, 2)]),
        ({"cpu": 1}, None, -1, [("cpu", 1, 1)]),
    ],
)
def test_the_limits_of_a_process(system, limits, uid, hard, expected):
    system.replace("_tasks_of_user")
    system.give |= {"_tasks_of_user": 100, "getrlimit": (7, hard)}
    keeper._limit(limits, uid)
    names = {
        "core": resource.RLIMIT_CORE,
        "cpu": resource.RLIMIT_CPU,
        "data": resource.RLIMIT_DATA,
        "file": resource.RLIMIT_FSIZE,
        "files": resource.RLIMIT_NOFILE,
        "processes": resource.RLIMIT_NPROC,
    }
    assert [call for call in system.made if call[0] == "setrlimit"] == [
        ("setrlimit", names[name], (soft, most)) for name, soft, most in expected
    ]
    assert [call for call in system.made if call[0] == "getrlimit"] == [
        ("getrlimit", names[name]) for name, *_ in expected
    ]


VERSION_3 = bytes([0x22, 0x05, 0x08, 0x20, 0, 0, 0, 0])  # and of this process
USER = [
    ("_prctl", 8, 1),  # PR_SET_KEEPCAPS
    ("setgroups", []),
    ("setresgid", 64, 64, 64),
    ("setresuid", 65, 65, 65),
    ("access", "/a", os.F_OK),
]


def test_another_user_who_reaches_all_keeps_no_right(system):
    system.replace("_prctl")
    system.give |= {"access": True, "capset": 0}
    keeper._change_user(65, 64, ["/a", "/b"])
    assert system.made == [*USER, ("access", "/b", os.F_OK), ("capset", VERSION_3, bytes(24))]


@pytest.mark.parametrize(
    ("reached", "looks"), [((True, False), [("access", "/b", os.F_OK)]), ((False,), [])], ids=["one", "none"]
)
def test_another_user_who_does_not_keeps_the_right_to_pass_through_folders(system, reached, looks):
    system.replace("_prctl")
    system.give |= {"access": iter(reached), "capset": 0}
    keeper._change_user(65, 64, ["/a", "/b"])
    right = (1 << 2).to_bytes(4, "little")  # CAP_DAC_READ_SEARCH
    assert system.made == [
        *USER,
        *looks,
        ("capset", VERSION_3, right * 3 + bytes(12)),
        ("_prctl", 47, 2, 2),  # PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE
    ]


def test_rights_that_cannot_be_given_up_are_said(system):
    system.replace("_prctl")
    system.give |= {"access": True, "capset": -1}
    ctypes.set_errno(errno.EPERM)
    with pytest.raises(PermissionError) as caught:
        keeper._change_user(65, 64, ["/a"])
    assert (caught.value.errno, caught.value.strerror) == (errno.EPERM, "capset")


TOP = 2**63 + 5


@pytest.mark.parametrize(
    ("handled", "size"),
    [([TOP, 0, 0], 8), ([5, TOP, 0], 16), ([5, 0, TOP], 24), ([0, 3, 0], 16), ([5, 3, 1], 24)],
)
def test_rules_on_files_are_of_the_rights_that_are_handled_and_of_each_path(system, handled, size):
    system.replace("_call")
    system.give |= {"_call": iter((30, None, None)), "open": iter((31, 32))}
    assert keeper._rules_on_files({"handled": handled, "paths": [["/usr", TOP], ["/data", 4]]}) == 30
    made = [
        tuple(value.value if isinstance(value, ctypes.c_size_t) else value for value in call)
        for call in system.made
    ]
    how = os.O_PATH | os.O_CLOEXEC
    assert made == [
        ("_call", 444, b"".join(right.to_bytes(8, "little") for right in handled), size, 0),
        ("open", "/usr", how),
        ("_call", 445, 30, 1, TOP.to_bytes(8, "little") + (31).to_bytes(4, "little"), 0),
        ("close", 31),
        ("open", "/data", how),
        ("_call", 445, 30, 1, (4).to_bytes(8, "little") + (32).to_bytes(4, "little"), 0),
        ("close", 32),
    ]
    assert isinstance(system.made[0][3], ctypes.c_size_t)


@pytest.mark.parametrize("program", [bytes(range(16)), bytes(80) + bytes(range(1, 9))])
def test_the_kernel_is_given_the_filter_of_calls(monkeypatch, program):
    given = []

    def prctl(*arguments):
        option, mode, described = arguments
        steps, address = struct.unpack("HP", described)
        given.append((option, mode, steps, ctypes.string_at(address, 8 * steps)))

    monkeypatch.setattr(keeper, "_prctl", prctl)
    keeper._filter_calls(program)
    assert given == [(22, 2, len(program) // 8, program)]  # PR_SET_SECCOMP, SECCOMP_MODE_FILTER


def test_what_is_readable_is_read_by_the_next_program_and_then_ends():
    descriptor = keeper._readable(b"the filter")
    try:
        assert os.get_inheritable(descriptor)
        assert (os.read(descriptor, 99), os.read(descriptor, 99)) == (b"the filter", b"")
    finally:
        os.close(descriptor)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [((36, 1), [36, 1, 0, 0, 0]), ((22, 2, b"a"), [22, 2, b"a", 0, 0]), ((1, 2, 3, 4, 5), [1, 2, 3, 4, 5])],
)
def test_a_call_of_prctl_has_five_arguments_each_of_a_whole_word(system, arguments, expected):
    system.give["prctl"] = 0
    keeper._prctl(*arguments)
    ((_, *values),) = system.made
    assert [value if isinstance(value, bytes) else value.value for value in values] == expected
    assert all(isinstance(value, (ctypes.c_ulong, bytes)) for value in values)


@pytest.mark.parametrize("answer", [-1, 1])
def test_a_call_of_prctl_that_fails_is_said(system, answer):
    system.give["prctl"] = answer
    ctypes.set_errno(errno.EINVAL)
    with pytest.raises(OSError, match=r"^\[Errno 22\] prctl 38$"):
        keeper._prctl(38, 1)


@pytest.mark.parametrize("answer", [0, 1, 30])
def test_what_a_system_call_gives(system, answer):
    system.give["syscall"] = answer
    assert keeper._call(444, b"a", 8) == answer
    ((_, number, *rest),) = system.made
    assert isinstance(number, ctypes.c_long)
    assert (number.value, rest) == (444, [b"a", 8])


def test_a_system_call_that_fails_is_said(system):
    system.give["syscall"] = -1
    ctypes.set_errno(errno.EPERM)
    with pytest.raises(PermissionError, match=r"^\[Errno 1\] system call 446$"):
        keeper._call(446, 1)


@pytest.mark.parametrize(
    "answers",
    [
        {},
        {"prlimit": PermissionError()},
        {"prlimit": ValueError()},
        {"kill": ProcessLookupError()},
        {"prlimit": ProcessLookupError(), "kill": ProcessLookupError()},
    ],
)
def test_a_process_that_is_killed_may_first_start_no_other(system, answers):
    system.give |= answers
    keeper._end(9)
    assert system.made == [("prlimit", 9, resource.RLIMIT_NPROC, (0, 0)), ("kill", 9, signal.SIGKILL)]


def test_the_children_of_a_process(system):
    folder = system.proc / "9" / "task" / "9"
    folder.mkdir(parents=True)
    assert keeper._children(9) == []  # a kernel that does not tell
    (folder / "children").write_text("12 345 \n")
    assert keeper._children(9) == [12, 345]


def test_all_processes_are_told_with_the_fields_after_their_names(system):
    for name, stat in {
        "12": b"12 (a name) S 1 12 0",
        "7": b"7 (of) two (words) and \xff) R 12 9\n",
        "self": b"12 (a) S 1",
        "33": None,
    }.items():
        (system.proc / name).mkdir(parents=True)
        if stat is not None:
            (system.proc / name / "stat").write_bytes(stat)
    assert sorted(keeper._all_processes()) == [
        (7, [b"R", b"12", b"9"]),
        (12, [b"S", b"1", b"12", b"0"]),
    ]


def test_descendants_are_children_and_theirs(system, monkeypatch):
    parents = {1: 0, 40: 1, 99: 40, 41: 40, 50: 41, 60: 50, 70: 1, 71: 70, 39: 60}
    fields = [(pid, [b"S", str(parent).encode(), b"40"]) for pid, parent in parents.items()]
    monkeypatch.setattr(keeper, "_all_processes", lambda: iter(fields))
    assert keeper._descendants() == [39, 41, 50, 60, 99]


def test_the_threads_of_a_user_are_counted(system):
    for name, threads in {"5": 3, "12": 40}.items():
        (system.proc / name).mkdir(parents=True)
        fields = [b"S", *[b"9"] * 16, str(threads).encode(), b"7"]
        (system.proc / name / "stat").write_bytes(b"1 (a) " + b" ".join(fields))
    system.give["getuid"] = system.proc.stat().st_uid
    assert keeper._tasks_of_user() == 43
    system.give["getuid"] = system.proc.stat().st_uid + 1
    assert keeper._tasks_of_user() == 0


def test_the_threads_of_a_process_that_is_gone_are_none(system, monkeypatch):
    (system.proc / "5").mkdir(parents=True)
    fields = [b"1"] * 20
    monkeypatch.setattr(keeper, "_all_processes", lambda: iter(((4, fields), (5, fields))))
    system.give["getuid"] = system.proc.stat().st_uid
    assert keeper._tasks_of_user() == 1


@pytest.mark.parametrize("answer", [None, BrokenPipeError()])
def test_what_is_said_is_a_line_of_json(system, answer):
    system.give["write"] = answer
    keeper._say({"left": ["a"]})
    ((name, descriptor, line),) = system.made
    assert (name, descriptor, line[-1:]) == ("write", 1, b"\n")
    assert json.loads(line) == {"left": ["a"]}
