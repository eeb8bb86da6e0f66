"""What the first steps of a predictor's process ask of the kernel, call by call; nothing is given up here."""

from __future__ import annotations

import ctypes
import errno
import json
import os
import struct
from pathlib import Path
from types import SimpleNamespace

import pytest

from harness.execution import enter


class ExitError(BaseException):
    """In place of the end of a process."""


@pytest.fixture
def calls(monkeypatch):
    """What is asked of the system, in its order, as (name, arguments); nothing of it is done."""
    made = []

    def note(name, answer=None):
        def call(*arguments, **named):
            made.append((name, *arguments, *named.items()))
            if isinstance(answer, BaseException):
                raise answer
            return answer

        return call

    system = SimpleNamespace(
        environ={"HOME": "/the/home", "PWD": "/elsewhere"},
        waitstatus_to_exitcode=os.waitstatus_to_exitcode,
        **{name: note(name) for name in ("setgroups", "setresgid", "setresuid", "chdir", "close")},
    )
    monkeypatch.setattr(enter, "os", system)
    return SimpleNamespace(made=made, note=note, system=system)


@pytest.fixture
def kernel(calls, monkeypatch):
    """In place of the C library: notes each call, and gives what is said here."""
    answers = SimpleNamespace(result=0, errno=errno.EPERM)

    class Library:
        def __getitem__(self, name):
            def call(*values):
                plain = [value.value if isinstance(value, ctypes.c_long) else value for value in values]
                assert all(isinstance(value, (ctypes.c_long, bytes)) for value in values)
                calls.made.append((name, *plain))
                return answers.result

            return call

        def prctl(self, *values):
            calls.made.append(("prctl", *values))

    def load(*of, **how):
        calls.made.append(("CDLL", *of, *how.items()))
        return Library()

    monkeypatch.setattr(
        enter,
        "ctypes",
        SimpleNamespace(CDLL=load, c_long=ctypes.c_long, get_errno=lambda: answers.errno),
    )
    return answers


USER = [
    ("setgroups", []),
    ("setresgid", 64, 64, 64),
    ("setresuid", 65, 65, 65),
    ("CDLL", None),
    ("prctl", 4, 1, 0, 0, 0),
]


@pytest.mark.parametrize(
    ("isolation", "uid", "landlock", "expected"),
    [
        ("bubblewrap", 65, True, [*USER, ("domain",)]),
        ("bubblewrap", 65, False, USER),
        ("bubblewrap", None, True, [("domain",)]),
        ("bubblewrap", None, False, []),
        ("landlock", 65, True, []),
        ("none", 65, True, []),
    ],
)
def test_a_process_gives_up_what_bubblewrap_left(
    calls, kernel, monkeypatch, isolation, uid, landlock, expected
):
    monkeypatch.setattr(enter, "_enter_domain", calls.note("domain"))
    gid = 64 if uid else None
    enter.confine({"isolation": isolation, "uid": uid, "gid": gid, "landlock": landlock})
    assert calls.made == [*expected, ("chdir", "/the/home")]
    assert calls.system.environ == {"HOME": "/the/home"}


def test_no_folder_named_as_the_current_one_is_no_fault(calls):
    del calls.system.environ["PWD"]
    enter.confine({"isolation": "none"})
    assert calls.made == [("chdir", "/the/home")]


ATTEMPTS = [
    "read a file outside",
    "open a socket",
    "make a name space",
    "signal the process that started it",
]


@pytest.mark.parametrize("can", [[], *[[what] for what in ATTEMPTS], ATTEMPTS[::2], ATTEMPTS[1::2], ATTEMPTS])
def test_what_is_possible_is_said_and_what_is_not_is_not(calls, monkeypatch, tmp_path, can):
    canary = tmp_path / "canary"
    if ATTEMPTS[0] in can:
        canary.touch()
    denied = PermissionError()
    answers = {what: None if what in can else denied for what in ATTEMPTS}
    monkeypatch.setattr(enter, "_call", calls.note("call", answers[ATTEMPTS[1]]))
    monkeypatch.setattr(enter, "_unshare_in_a_child", calls.note("unshare", answers[ATTEMPTS[2]]))
    calls.system.kill = calls.note("kill", answers[ATTEMPTS[3]])
    calls.system.getppid = lambda: 4321
    assert enter.what_is_possible(canary) == can
    # AF_UNIX and SOCK_STREAM, of the protocol that is meant without a word; and a signal that is none
    assert calls.made == [("call", "socket", 1, 1, 0), ("unshare",), ("kill", 4321, 0)]


@pytest.mark.parametrize("parent", [0, 1])
def test_a_parent_that_is_no_process_outside_is_not_signalled(calls, monkeypatch, tmp_path, parent):
    monkeypatch.setattr(enter, "_call", calls.note("call"))
    monkeypatch.setattr(enter, "_unshare_in_a_child", calls.note("unshare"))
    calls.system.getppid = lambda: parent
    assert enter.what_is_possible(tmp_path / "nothing") == ATTEMPTS[1:3]
    assert [name for name, *_ in calls.made] == ["call", "unshare"]


@pytest.mark.parametrize(
    ("answer", "codes"), [(None, [0, 1]), (PermissionError(), [1])], ids=["possible", "denied"]
)
def test_a_child_says_by_its_code_whether_a_user_name_space_can_be_made(calls, monkeypatch, answer, codes):
    """The first code is its end; here the second comes too, since nothing ends."""
    calls.system.fork = lambda: 0
    calls.system._exit = calls.note("exit", ExitError())
    monkeypatch.setattr(enter, "_call", calls.note("call", answer))
    with pytest.raises(ExitError):
        enter._unshare_in_a_child()
    assert calls.made == [("call", "unshare", 0x10000000), *[("exit", code) for code in codes]]


@pytest.mark.parametrize(("status", "denied"), [(0, False), (1 << 8, True), (9, True)])
def test_a_name_space_is_possible_where_the_child_ended_well(calls, monkeypatch, status, denied):
    calls.system.fork = lambda: 77
    calls.system.waitpid = calls.note("waitpid", (77, status))
    calls.system._exit = calls.note("exit", ExitError())
    if denied:
        with pytest.raises(PermissionError):
            enter._unshare_in_a_child()
    else:
        enter._unshare_in_a_child()
    assert calls.made == [("waitpid", 77, 0)]


def test_the_domain_is_one_of_landlock_that_handles_next_to_nothing(calls, kernel):
    kernel.result = 5
    enter._enter_domain()
    loaded = ("CDLL", None, ("use_errno", True))
    assert calls.made == [
        loaded,
        ("syscall", 444, (1 << 11).to_bytes(8, "little"), 8, 0),  # making block devices: 64 bits, 8 bytes
        loaded,
        ("syscall", 446, 5, 0),
        ("close", 5),
    ]
    assert struct.pack("=Q", 1) == struct.pack("<Q", 1), "the expected bytes are of a small-endian machine"


@pytest.mark.parametrize("result", [0, 1, 7])
def test_what_a_call_of_the_c_library_gives(calls, kernel, result):
    kernel.result = result
    assert enter._call("socket", 1, b"bytes", 2**40) == result
    assert calls.made == [("CDLL", None, ("use_errno", True)), ("socket", 1, b"bytes", 2**40)]


def test_a_call_that_fails_says_why_and_which_it_was(kernel):
    kernel.result = -1
    with pytest.raises(PermissionError) as caught:
        enter._call("unshare", 1)
    assert (caught.value.errno, caught.value.strerror) == (errno.EPERM, "unshare")


@pytest.fixture
def start(calls, monkeypatch, tmp_path):
    """Start a process in a folder of its own with a job, which can do what is named here."""
    for name in ("given", "out"):
        (tmp_path / name).mkdir()
    monkeypatch.setattr(enter.sys, "argv", ["enter.py", str(tmp_path)])
    monkeypatch.setattr(enter, "confine", calls.note("confine"))
    monkeypatch.setattr(enter.runpy, "run_path", calls.note("run_path"))

    def go(isolation, *possible):
        job = {"isolation": isolation, "canary": "/the/canary"}
        (tmp_path / "given" / "job.json").write_text(json.dumps(job))
        monkeypatch.setattr(enter, "what_is_possible", calls.note("possible", list(possible)))
        enter.main()

    return go


JOB = {"isolation": "landlock", "canary": "/the/canary"}
WORKER = ("run_path", str(Path(enter.__file__).parent / "worker.py"), ("run_name", "__main__"))


def test_a_process_that_is_confined_goes_on_as_the_worker(calls, start, tmp_path):
    start("landlock")
    assert calls.made == [("confine", JOB), ("possible", Path("/the/canary")), WORKER]
    assert not list((tmp_path / "out").iterdir())


def test_nothing_is_tried_where_no_isolation_is_asked_for(calls, start, tmp_path):
    start("none", *ATTEMPTS)
    assert calls.made == [("confine", {**JOB, "isolation": "none"}), WORKER]
    assert not list((tmp_path / "out").iterdir())


@pytest.mark.parametrize("can", [ATTEMPTS[:1], ATTEMPTS[1:3]])
def test_a_process_that_is_not_confined_says_what_it_could_and_ends(calls, start, tmp_path, can):
    with pytest.raises(SystemExit) as caught:
        start("landlock", *can)
    assert caught.value.code == 1
    assert calls.made == [("confine", JOB), ("possible", Path("/the/canary"))]
    (report,) = (tmp_path / "out").iterdir()
    assert report.name == "start.json"
    said = {
        1: "read a file outside",
        2: "open a socket and make a name space",
    }[len(can)]
    assert json.loads(report.read_text()) == {
        "faults": [
            [
                f"the isolation does not hold: the process could {said}",
                "a process that cannot",
                "`harness doctor` says what this machine offers.",
                None,
            ]
        ]
    }
