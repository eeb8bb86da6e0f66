"""The filter of system calls: run here by a small interpreter of its own, on both architectures."""

from __future__ import annotations

import errno
import re
import struct
from pathlib import Path

import pytest

from harness.execution import seccomp
from harness.execution.seccomp import ARCHITECTURES, program, rules

ALLOWED = 0x7FFF0000
HEADERS = {
    "x86_64": Path("/usr/include/x86_64-linux-gnu/asm/unistd_64.h"),
    "aarch64": Path("/usr/include/asm-generic/unistd.h"),
}


def decide(code, machine, number, arguments=()):
    """What the kernel answers to a call, by the rules of its own interpreter (BPF)."""
    padded = [*arguments, *[0] * (6 - len(arguments))]
    data = struct.pack("=iIQ6Q", number, ARCHITECTURES[machine], 0, *[a % 2**64 for a in padded])
    steps = [struct.unpack_from("=HBBI", code, at) for at in range(0, len(code), 8)]
    held, at = 0, 0
    while True:
        operation, if_true, if_false, operand = steps[at]
        at += 1
        if operation == 0x20:
            (held,) = struct.unpack_from("=I", data, operand)
        elif operation == 0x54:
            held &= operand
        elif operation == 0x06:
            return operand
        else:
            holds = {0x15: held == operand, 0x35: held >= operand, 0x45: bool(held & operand)}[operation]
            at += if_true if holds else if_false


def failing(number):
    return 0x00050000 | number


@pytest.fixture(params=["x86_64", "aarch64"])
def machine(request):
    return request.param


@pytest.fixture
def number(machine):
    column = list(ARCHITECTURES).index(machine)
    return lambda call: seccomp._NUMBERS[call][column]


@pytest.mark.parametrize(
    "call", ["socket", "socketpair", "ptrace", "bpf", "shmget", "keyctl", "mount", "inotify_init1"]
)
def test_denied_calls_fail(machine, number, call):
    for landlock in (False, True):
        code = program(rules(landlock=landlock), machine)
        assert decide(code, machine, number(call)) == failing(errno.EPERM)


@pytest.mark.parametrize("call", ["io_uring_setup", "memfd_create", "clone3"])
def test_calls_that_programs_do_without_are_absent(machine, number, call):
    code = program(rules(landlock=False), machine)
    assert decide(code, machine, number(call)) == failing(errno.ENOSYS)


@pytest.mark.parametrize(("x86_64", "aarch64"), [(0, 63), (1, 64), (9, 222), (59, 221), (60, 93), (202, 98)])
def test_ordinary_calls_pass(machine, x86_64, aarch64):
    """Read, write, mmap, execve, exit, futex."""
    code = program(rules(landlock=True, signals_by_landlock=False), machine)
    assert decide(code, machine, x86_64 if machine == "x86_64" else aarch64) == ALLOWED


def test_newer_calls_and_other_conventions_are_absent_or_end_the_process(machine):
    code = program(rules(landlock=False), machine)
    for unknown in (seccomp.FIRST_UNKNOWN, 1000, 2**30 + 41):
        assert decide(code, machine, unknown) == failing(errno.ENOSYS)
    other = next(name for name in ARCHITECTURES if name != machine)
    assert decide(code, other, 1) == 0x80000000


def test_only_jumps_jump(machine):
    """As linux/filter.h writes them: a step of another kind has no targets."""
    code = program(rules(landlock=True, signals_by_landlock=False), machine)
    steps = [struct.unpack_from("=HBBI", code, at) for at in range(0, len(code), 8)]
    targets = {(if_true, if_false) for operation, if_true, if_false, _ in steps if operation & 7 != 5}
    assert targets == {(0, 0)}


def test_the_call_s_number_is_looked_at_again_after_an_argument(machine, number):
    """Else flags that are the number of another call would be taken for it."""
    code = program(rules(landlock=True), machine)
    assert decide(code, machine, number("clone"), [number("fchmod")]) == ALLOWED


def test_flags_in_memory_are_looked_at_by_nobody_so_openat2_is_absent_beside_landlock(machine, number):
    answers = [
        decide(program(rules(landlock=landlock), machine), machine, number("openat2"))
        for landlock in (False, True)
    ]
    assert answers == [ALLOWED, failing(errno.ENOSYS)]


def test_files_may_not_be_emptied_by_the_older_call_for_opening_them_either():
    code = program(rules(landlock=True), "x86_64")
    answers = [decide(code, "x86_64", 2, of) for of in ([0, 0, 0o1000], [0, 0o1001, 0], [0, 0o1000, 0])]
    assert answers == [ALLOWED, ALLOWED, failing(errno.EPERM)]


def test_signals_are_left_to_landlock_but_where_it_does_not_know_them(machine, number):
    for said, expected in (({}, ALLOWED), ({"signals_by_landlock": False}, failing(errno.EPERM))):
        code = program(rules(landlock=True, **said), machine)
        assert decide(code, machine, number("tgkill"), [4711, 4711, 9]) == expected


def test_threads_and_forks_pass_and_new_name_spaces_do_not(machine, number):
    code = program(rules(landlock=False), machine)
    thread, fork, user = 0x3D0F00, 0x1200011, 0x10000000 | 17
    assert [decide(code, machine, number("clone"), [flags]) for flags in (thread, fork)] == [ALLOWED] * 2
    assert decide(code, machine, number("clone"), [user]) == failing(errno.EPERM)


@pytest.mark.parametrize(
    ("call", "passes", "fails"),
    [
        ("openat", [0, 0, 0o0], [0, 0, 0o1000]),
        ("openat", [0, 0, 0o1001], [0, 0, 0o1000 | 0o2000000]),  # writing is Landlock's matter
        ("fcntl", [0, 1], [0, 8]),
        ("fcntl", [0, 1], [0, 1026]),
        ("ioctl", [0, 0x5401], [0, 0x5412]),
        ("ioctl", [0, 0x5401], [0, 0x8901]),
        ("prlimit64", [0], [4711]),
        ("setpriority", [0, 0], [0, 4711]),
        ("setpriority", [0, 0], [2, 0]),
        ("kill", [0, 9], [4711, 9]),
        ("kill", [0, 9], [-1, 9]),
    ],
)
def test_arguments_decide(machine, number, call, passes, fails):
    code = program(rules(landlock=True, signals_by_landlock=False), machine)
    assert decide(code, machine, number(call), passes) == ALLOWED
    assert decide(code, machine, number(call), fails) == failing(errno.EPERM)


def test_memory_without_a_file_is_not_shared_but_for_drivers(machine, number):
    private, of_file, shared, validated = 0x22, 0x1, 0x21, 0x23 | 0x4000
    for landlock in (False, True):
        code = program(rules(landlock=landlock), machine)
        answers = [decide(code, machine, number("mmap"), [0, 4096, 3, f]) for f in (private, of_file)]
        assert answers == [ALLOWED] * 2
        for flags in (shared, validated):
            assert decide(code, machine, number("mmap"), [0, 4096, 3, flags]) == failing(errno.EPERM)
        code = program(rules(landlock=landlock, shared_memory=True), machine)
        assert decide(code, machine, number("mmap"), [0, 4096, 3, shared]) == ALLOWED


def test_bubblewrap_leaves_to_name_spaces_what_they_hold(machine, number):
    code = program(rules(landlock=False), machine)
    for call in ("chmod", "kill", "utimensat", "prlimit64"):
        if number(call) is not None:
            assert decide(code, machine, number(call), [4711]) == ALLOWED


def test_an_unknown_architecture_is_an_error():
    with pytest.raises(KeyError, match="mips"):
        program(rules(landlock=False), "mips")


def test_numbers_are_those_of_the_kernels_headers(machine, number):
    header = HEADERS[machine]
    if not header.exists():
        pytest.skip(f"no {header}")
    pattern = r"#define\s+__NR(?:3264)?_(\w+)\s+(\d+)"
    known = {name: int(value) for name, value in re.findall(pattern, header.read_text())}
    ours = {call: number(call) for call in seccomp._NUMBERS if number(call) is not None}
    different = {call: (n, known[call]) for call, n in ours.items() if call in known and known[call] != n}
    assert different == {}
    assert len(set(ours) & set(known)) > 100
