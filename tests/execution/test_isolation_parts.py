"""What each means of isolation is asked for, word by word; no process is started here."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from types import SimpleNamespace

import pytest

from harness.errors import PredictorError, UsageError
from harness.execution import isolation, landlock, seccomp
from harness.execution.isolation import BUBBLEWRAP, LANDLOCK, Means

WORKS = {BUBBLEWRAP: Means(BUBBLEWRAP, True, "0.9"), LANDLOCK: Means(LANDLOCK, True, "6")}
BROKEN = {BUBBLEWRAP: Means(BUBBLEWRAP, False, "not there"), LANDLOCK: Means(LANDLOCK, False, "too old")}


@pytest.fixture
def means(monkeypatch):
    """Say which means work."""

    def say(*names):
        for function, name in (("bubblewrap", BUBBLEWRAP), ("landlocked", LANDLOCK)):
            found = (WORKS if name in names else BROKEN)[name]
            monkeypatch.setattr(isolation, function, lambda found=found: found)

    return say


@pytest.mark.parametrize(
    ("asked", "working", "chosen"),
    [
        ("strongest", (BUBBLEWRAP, LANDLOCK), BUBBLEWRAP),
        ("strongest", (LANDLOCK,), LANDLOCK),
        ("landlock", (BUBBLEWRAP, LANDLOCK), LANDLOCK),
        ("bubblewrap", (BUBBLEWRAP, LANDLOCK), BUBBLEWRAP),
        ("none", (), "none"),
    ],
)
def test_the_means_that_is_chosen(means, asked, working, chosen):
    means(*working)
    assert isolation.choose(asked) == chosen


@pytest.mark.parametrize(
    ("asked", "working", "reasons"),
    [
        ("strongest", (), "bubblewrap: not there; landlock: too old"),
        ("bubblewrap", (LANDLOCK,), "bubblewrap: not there"),
        ("landlock", (BUBBLEWRAP,), "landlock: too old"),
    ],
)
def test_why_nothing_can_be_chosen(means, asked, working, reasons):
    means(*working)
    with pytest.raises(PredictorError) as caught:
        isolation.choose(asked)
    assert str(caught.value) == (
        f"isolation: no means of it works on this machine ({reasons}), expected a process that cannot read labels.\n"
        "  `harness doctor` says what to install or allow. For your own code: --no-isolation."
    )


def test_an_unknown_means_names_those_there_are():
    with pytest.raises(UsageError) as caught:
        isolation.choose("vm")
    assert str(caught.value) == "isolation: 'vm', expected one of strongest, bubblewrap, landlock, none."


# What is tried on this machine: past the cache of each, and nothing is started


@pytest.fixture
def tried(monkeypatch):
    """Say how bwrap ends: once as it is tried, once for its version; gives the commands."""
    commands = []

    def ends(*done, program="/opt/bwrap", machine="x86_64", euid=0):
        waiting = list(done)

        def run(command, **how):
            commands.append((command, how))
            one = waiting.pop(0)
            if isinstance(one, Exception):
                raise one
            return one

        monkeypatch.setattr(isolation, "bubblewrap_program", lambda: program)
        monkeypatch.setattr(isolation.platform, "machine", lambda: machine)
        monkeypatch.setattr(isolation.subprocess, "run", run)
        monkeypatch.setattr(isolation, "readable_paths", lambda: (Path("/usr"),))
        monkeypatch.setattr(isolation, "gpu_devices", lambda: ())
        monkeypatch.setattr(os, "geteuid", lambda: euid)
        return isolation.bubblewrap.__wrapped__()

    ends.commands = commands
    return ends


def ended(code=0, stdout="", stderr=b""):
    return subprocess.CompletedProcess([], code, stdout, stderr)


@pytest.mark.parametrize("euid", [0, 1000])
def test_bubblewrap_is_tried_with_all_that_a_run_asks_of_it(tried, euid):
    assert tried(ended(), ended(stdout="bubblewrap 0.8.0\n"), euid=euid) == (
        *(BUBBLEWRAP, True, "bubblewrap 0.8.0"),
    )  # fmt: skip
    (first, how), (second, _) = tried.commands
    outer = isolation.bubblewrap_command("/opt/bwrap", [Path("/usr")], [], own_user=euid != 0)
    inner = [sys.executable, "-I", "-S", "-c", "import os; assert os.getpid() < 9"]
    assert first == [*outer, *inner]
    assert how == {
        "env": {"PATH": os.defpath},
        "stdin": subprocess.DEVNULL,
        "capture_output": True,
        "timeout": 20,
    }
    assert second == ["/opt/bwrap", "--version"]


@pytest.mark.parametrize(
    ("done", "how", "why"),
    [
        (None, {"program": None}, "the program bwrap is not installed"),
        (None, {"machine": "riscv64"}, "no filter of system calls for riscv64"),
        (ended(1, stderr=b"bwrap: one\nbwrap: no \xff\n\n"), {}, "bwrap: no \ufffd"),
        (ended(3), {}, "exit code 3"),
        (OSError("cannot start"), {}, "cannot start"),
        (subprocess.TimeoutExpired("bwrap", 20), {}, "Command 'bwrap' timed out after 20 seconds"),
    ],
)
def test_why_bubblewrap_does_not_work(tried, done, how, why):
    assert tried(done, **how) == (BUBBLEWRAP, False, why)


@pytest.mark.parametrize(
    ("machine", "abi", "answer", "number", "found"),
    [
        ("x86_64", 6, -1, errno.EFAULT, (True, "version 6, with seccomp")),
        ("aarch64", 1, -1, errno.EFAULT, (True, "version 1, with seccomp")),
        ("riscv64", 6, -1, errno.EFAULT, (False, "no filter of system calls for riscv64")),
        ("x86_64", 0, -1, errno.EFAULT, (False, "Linux 4.18 does not offer Landlock")),
        ("x86_64", 6, -1, errno.EINVAL, (False, "Linux 4.18 does not offer filters of system calls")),
        ("x86_64", 6, 0, errno.EFAULT, (False, "Linux 4.18 does not offer filters of system calls")),
    ],
)
def test_the_kernel_is_asked_for_landlock_and_for_filters(monkeypatch, machine, abi, answer, number, found):
    asked = []
    libc = SimpleNamespace(prctl=lambda *of: asked.append(of) or answer)
    monkeypatch.setattr(isolation.platform, "machine", lambda: machine)
    monkeypatch.setattr(isolation.platform, "release", lambda: "4.18")
    monkeypatch.setattr(landlock, "version", lambda: abi)
    monkeypatch.setattr(isolation.ctypes, "CDLL", lambda *of, **how: libc)
    monkeypatch.setattr(isolation.ctypes, "get_errno", lambda: number)
    assert isolation.landlocked.__wrapped__() == (LANDLOCK, *found)
    # PR_SET_SECCOMP, SECCOMP_MODE_FILTER and no program: a kernel that knows both finds a bad address
    assert asked == ([(22, 2, 0, 0, 0)] if machine != "riscv64" and abi else [])


HEAD = [
    "bwrap",
    "--unshare-pid",
    "--unshare-net",
    "--unshare-ipc",
    "--unshare-uts",
    "--unshare-cgroup-try",
    "--hostname",
    "predictor",
    "--cap-drop",
    "ALL",
]
DEVICES = "--dev /dev --proc /proc --remount-ro /proc"
ROOM = "--remount-ro /dev --perms 1777 --size 268435456 --tmpfs /dev/shm"


def test_bubblewrap_is_asked_for_everything_word_by_word(monkeypatch):
    monkeypatch.setattr(isolation, "gpu_devices", lambda: ())
    asked = isolation.bubblewrap_command(
        "bwrap", [Path("/usr/lib"), Path("/opt/a")], [Path("/tmp/b/out"), Path("/tmp/b/home")], own_user=True
    )
    assert asked == [
        *HEAD,
        "--unshare-user",
        *DEVICES.split(),
        *["--dev-bind", "/dev/null", "/dev/zero"],
        *ROOM.split(),
        *["--dir", "/opt", "--dir", "/tmp", "--dir", "/tmp/b", "--dir", "/usr"],
        *["--ro-bind", "/usr/lib", "/usr/lib", "--ro-bind", "/opt/a", "/opt/a"],
        *["--bind", "/tmp/b/out", "/tmp/b/out", "--bind", "/tmp/b/home", "/tmp/b/home"],
        *["--remount-ro", "/", "--chdir", "/"],
        "--",
    ]


def test_bubblewrap_is_asked_for_what_the_run_is_like(monkeypatch):
    monkeypatch.setattr(isolation, "gpu_devices", lambda: (Path("/dev/gpu0"), Path("/dev/gpu1")))
    asked = isolation.bubblewrap_command("bwrap", [], [], own_user=False, own_init=False, filtered=True)
    assert asked == [
        *HEAD,
        *["--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID", "--as-pid-1"],
        *DEVICES.split(),
        *["--dev-bind", "/dev/gpu0", "/dev/gpu0", "--dev-bind", "/dev/gpu1", "/dev/gpu1"],
        *ROOM.split(),
        *["--remount-ro", "/", "--chdir", "/", "--seccomp", "{seccomp}", "--"],
    ]


def test_landlock_is_asked_for_what_can_be_read_and_these(monkeypatch, tmp_path):
    asked = []
    monkeypatch.setattr(landlock, "ruleset", lambda *of: asked.append(of) or {"made": 1})
    monkeypatch.setattr(landlock, "version", lambda: 9)
    monkeypatch.setattr(isolation, "readable_paths", lambda: (Path("/usr"),))
    monkeypatch.setattr(isolation, "gpu_devices", lambda: ())
    assert isolation.landlock_ruleset([Path("/given")], [Path("/out")]) == {"made": 1}
    own = [
        Path(path) for path in ("/proc/self", "/proc/cpuinfo", "/proc/meminfo", "/proc/stat", "/proc/sys/vm")
    ]
    devices = [Path(f"/dev/{name}") for name in ("null", "full", "random", "urandom")]
    assert asked.pop() == ([Path("/usr"), *own, Path("/given")], [Path("/out")], devices, 7)
    monkeypatch.setattr(isolation, "gpu_devices", lambda: (Path("/dev/gpu0"),))
    monkeypatch.setattr(landlock, "version", lambda: 4)
    isolation.landlock_ruleset([], [])
    assert asked.pop()[1:] == ([], [*devices, Path("/dev/gpu0"), Path("/dev/zero")], 4)


@pytest.mark.parametrize("name", [BUBBLEWRAP, LANDLOCK])
@pytest.mark.parametrize(("version", "signals"), [(5, False), (6, True), (7, True)])
@pytest.mark.parametrize("gpus", [(), (Path("/dev/gpu0"),)])
def test_the_filter_is_that_of_the_means(monkeypatch, name, version, signals, gpus):
    monkeypatch.setattr(landlock, "version", lambda: version)
    monkeypatch.setattr(isolation, "gpu_devices", lambda: gpus)
    denied = seccomp.rules(landlock=name == LANDLOCK, signals_by_landlock=signals, shared_memory=bool(gpus))
    assert isolation.filter_of_calls(name) == seccomp.program(denied)


def test_bwrap_is_looked_for_on_the_path_and_beside_python(monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    asked = []
    monkeypatch.setattr(isolation.shutil, "which", lambda name: asked.append(name))
    assert isolation.bubblewrap_program() is None
    (tmp_path / "bwrap").touch()
    assert isolation.bubblewrap_program() == str(tmp_path / "bwrap")
    monkeypatch.setattr(isolation.shutil, "which", lambda name: f"/bin/{name}")
    assert isolation.bubblewrap_program() == "/bin/bwrap"
    assert asked == ["bwrap", "bwrap"]


# What must stay hidden


@pytest.fixture
def readable(monkeypatch, tmp_path):
    folders = (tmp_path / "env", tmp_path / "far/lib")
    for folder in folders:
        folder.mkdir(parents=True)
    monkeypatch.setattr(isolation, "readable_paths", lambda: folders)
    return folders


def refused(*arguments):
    with pytest.raises(PredictorError) as caught:
        isolation.check_hidden(*arguments)
    return [str(fault) for fault in caught.value.faults]


def test_what_lies_in_or_around_a_readable_folder_is_refused_all_at_once(readable, tmp_path):
    elsewhere = tmp_path / "data"
    elsewhere.mkdir()
    isolation.check_hidden([elsewhere], elsewhere / "scratch")
    inside, around = tmp_path / "env/labels", tmp_path / "far"
    remedy = ", expected data and labels elsewhere.\n  Move them, for example to your home folder."
    may = "which a predictor may read (programs and packages)"
    assert refused([inside, elsewhere, around], tmp_path / "far/lib/tmp") == [
        f"{inside}: inside {tmp_path}/env, {may}{remedy}",
        f"{around}: around {tmp_path}/far/lib, {may}{remedy}",
        f"{tmp_path}/far/lib/tmp: inside {tmp_path}/far/lib, {may}{remedy}",
    ]


def test_each_is_told_once_and_twenty_at_most(readable, tmp_path):
    assert len(refused([tmp_path])) == 1  # around both
    hidden = [tmp_path / f"env/{i}" for i in range(25)]
    assert len(refused(hidden)) == 20


def test_where_runs_have_their_folders_may_hold_an_environment(readable, tmp_path):
    isolation.check_hidden([], tmp_path / "far")
    isolation.check_hidden([], tmp_path)
    isolation.check_hidden([])


def test_links_are_followed_on_both_sides(monkeypatch, tmp_path):
    (tmp_path / "real/env").mkdir(parents=True)
    (tmp_path / "env").symlink_to(tmp_path / "real/env")
    (tmp_path / "labels").symlink_to(tmp_path / "real/env/labels")
    monkeypatch.setattr(isolation, "readable_paths", lambda: (tmp_path / "env",))
    assert refused([tmp_path / "labels"])[0].startswith(f"{tmp_path}/labels: inside {tmp_path}/env, ")


def test_what_comes_back_out_of_a_readable_folder_is_where_it_leads(readable, tmp_path):
    assert refused([tmp_path / "env/..", tmp_path / "far/lib/../../env/x"]) == [
        f"{tmp_path}/env/..: around {tmp_path}/env, which a predictor may read (programs and packages), expected data"
        " and labels elsewhere.\n  Move them, for example to your home folder.",
        f"{tmp_path}/far/lib/../../env/x: inside {tmp_path}/env, which a predictor may read (programs and packages),"
        " expected data and labels elsewhere.\n  Move them, for example to your home folder.",
    ]
    isolation.check_hidden([tmp_path / "env/../data"])


def test_each_folder_of_a_corpus_is_looked_up_once(readable, monkeypatch, tmp_path):
    resolve, looked_up = Path.resolve, []
    monkeypatch.setattr(Path, "resolve", lambda path: looked_up.append(path) or resolve(path))
    isolation.check_hidden([tmp_path / f"corpus/{folder}/{i}" for folder in "ab" for i in range(9)])
    assert looked_up == [*readable, tmp_path / "corpus/a", tmp_path / "corpus/b"]


# Graphics processors


@pytest.mark.parametrize(
    ("environment", "hidden"),
    [
        ({}, (False, False, False)),
        ({"CUDA_VISIBLE_DEVICES": ""}, (True, False, False)),
        ({"CUDA_VISIBLE_DEVICES": " -1 ", "HIP_VISIBLE_DEVICES": "0,1"}, (True, False, False)),
        ({"HIP_VISIBLE_DEVICES": "none", "ZE_AFFINITY_MASK": "NoDevFiles"}, (False, True, True)),
    ],
)
def test_each_makers_variable_hides_its_processors(monkeypatch, environment, hidden):
    for variable in ("CUDA_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "ZE_AFFINITY_MASK"):
        monkeypatch.delenv(variable, raising=False)
    for variable, value in environment.items():
        monkeypatch.setenv(variable, value)
    monkeypatch.setattr(isolation, "_gpu_devices", lambda hidden: hidden)
    assert isolation.gpu_devices() == hidden


@pytest.mark.parametrize("devices", [(), (Path("/dev/gpu0"),)])
def test_folders_of_drivers_can_be_read_only_beside_a_processor_that_is_handed_on(monkeypatch, devices):
    monkeypatch.setattr(isolation, "gpu_devices", lambda: devices)
    monkeypatch.setattr(isolation, "_readable_paths", lambda *, gpu: (Path("/usr"), gpu))
    assert isolation.readable_paths() == (Path("/usr"), bool(devices))


@pytest.mark.parametrize(
    ("version", "build"), [("2.9.0+cpu", "cpu"), ("2.9.0+cu128", "cu128"), ("2.9.0", ""), (None, "")]
)
def test_what_torch_was_built_for_is_in_its_version(monkeypatch, version, build):
    def found(package):
        assert package == "torch"
        if version is None:
            raise metadata.PackageNotFoundError(package)
        return version

    monkeypatch.setattr(isolation.metadata, "version", found)
    assert isolation._torch_build() == build


@pytest.mark.parametrize(
    ("there", "build", "hidden", "handed"),
    [
        (
            "nvidia1 nvidia0 nvidia-caps/nvidia-cap1",
            "cu128",
            "",
            "nvidia0 nvidia1 nvidia-caps nvidia-caps/nvidia-cap1",
        ),
        ("nvidia0", "cu128", "NVIDIA", ""),
        ("nvidia0", "cpu", "", ""),
        ("kfd dri/renderD128", "rocm6", "", "kfd dri/renderD128"),
        ("kfd dri/renderD128", "rocm6", "AMD", ""),
        ("dri/renderD128", "rocm6", "", ""),  # a display's own
        ("dri/renderD129 dri/renderD128", "xpu", "", "dri/renderD128 dri/renderD129"),
        ("dri/renderD128", "xpu", "INTEL", ""),
        ("nvidia0 kfd dri/renderD128", "", "NVIDIA", "kfd dri/renderD128"),
        ("nvidia0 kfd dri/renderD128", "xpu", "AMD", "nvidia0 dri/renderD128"),
    ],
)
def test_device_files_of_each_maker(monkeypatch, tmp_path, there, build, hidden, handed):
    for name in there.split():
        (tmp_path / "dev" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "dev" / name).touch()
    monkeypatch.setattr(isolation, "_ROOT", tmp_path)
    monkeypatch.setattr(isolation, "_torch_build", lambda: build)
    makers = tuple(name == hidden for name in ("NVIDIA", "AMD", "INTEL"))
    found = isolation._gpu_devices.__wrapped__(makers)
    assert sorted(found) == sorted(tmp_path / "dev" / name for name in handed.split())
    assert len(set(found)) == len(found)


# Paths


@pytest.mark.parametrize("gpu", [False, True])
def test_what_can_be_read_is_the_interpreter_its_packages_and_this_one(monkeypatch, tmp_path, gpu):
    def folder(name):
        path = tmp_path / name
        path.mkdir(parents=True)
        return path

    env, base, far = folder("env"), folder("base"), folder("far/python")
    program = folder("env/bin") / "python"
    program.symlink_to("../../far/python/python3")
    (far / "python3").touch()
    (tmp_path / "linked").symlink_to(far)
    packages, named, own = folder("env/lib/site-packages"), folder("other/site-packages"), folder("harness")
    libraries, drivers = folder("libraries"), folder("proc/driver/nvidia")
    for name, value in (("prefix", env), ("base_prefix", base), ("exec_prefix", tmp_path / "linked")):
        monkeypatch.setattr(sys, name, str(value))
    monkeypatch.setattr(sys, "executable", str(program))
    monkeypatch.setattr(isolation.site, "getsitepackages", lambda: [str(packages)])
    monkeypatch.setattr(isolation, "_named_package_folders", lambda: [named, tmp_path / "gone"])
    monkeypatch.setattr(isolation, "_libraries", lambda: [libraries, Path("/")])
    monkeypatch.setattr(isolation, "PACKAGE", own)
    monkeypatch.setattr(isolation, "_ROOT", tmp_path)
    for name in ("_SYSTEM", "_LOADER", "_MACHINE"):
        monkeypatch.setattr(isolation, name, (str(folder(name)), "/gone/for/good"))
    found = isolation._readable_paths.__wrapped__(gpu=gpu)
    system = [tmp_path / name for name in ("_SYSTEM", "_LOADER", "_MACHINE")]
    expected = [env, base, tmp_path / "linked", far, named, own, libraries, *system]
    assert sorted(found) == sorted(expected + [drivers] * gpu)


@pytest.mark.parametrize(
    ("enabled", "on_path", "inside", "used"),
    [
        (True, True, True, True),
        (False, True, True, False),
        (True, False, True, False),
        (True, True, False, False),
    ],
)
def test_a_users_own_packages_count_where_the_harness_is_one(
    monkeypatch, tmp_path, enabled, on_path, inside, used
):
    packages = tmp_path / "lib/site-packages"
    monkeypatch.setattr(isolation.site, "getusersitepackages", lambda: str(packages))
    monkeypatch.setattr(isolation.site, "getuserbase", lambda: str(tmp_path))
    monkeypatch.setattr(isolation.site, "ENABLE_USER_SITE", enabled)
    monkeypatch.setattr(sys, "path", ["/usr/lib", str(packages)] if on_path else ["/usr/lib"])
    monkeypatch.setattr(isolation, "PACKAGE", (packages if inside else tmp_path) / "harness")
    assert isolation.user_base.__wrapped__() == (tmp_path if used else None)


def test_folders_of_packages_are_known_by_their_names(monkeypatch):
    path = ["/a/site-packages", "/b/dist-packages", "/a/checkout", "site-packages", "", "/c/site-packages-x"]
    monkeypatch.setattr(sys, "path", path)
    assert isolation._named_package_folders() == [Path("/a/site-packages"), Path("/b/dist-packages")]


def test_every_link_on_the_way_to_a_program_is_named(tmp_path):
    (tmp_path / "bin").mkdir()
    (tmp_path / "python3.11").touch()
    (tmp_path / "bin/python3").symlink_to("../python3.11")
    (tmp_path / "python").symlink_to(tmp_path / "bin/python3")
    assert isolation._links(tmp_path / "python") == [
        tmp_path / "python",
        tmp_path / "bin/python3",
        tmp_path / "python3.11",
    ]
    (tmp_path / "round").symlink_to("round")
    assert isolation._links(tmp_path / "round") == [tmp_path / "round"] * 40


def test_folders_of_loaded_libraries_are_those_of_mapped_programs(monkeypatch):
    lines = [
        "7f00-7f01 r-xp 00000000 08:01 11 /opt/b/lib/libx.so.1",
        "7f01-7f02 r-xp 00000000 08:01 11 /opt/a b/liby.so",
        "7f02-7f03 r--p 00000000 08:01 11 /opt/c/libz.so",
        "7f03-7f04 r-xp 00000000 08:01 11 /opt/d/x.so.data",
        "7f04-7f05 r-xp 00000000 00:00 0",
        "7f05-7f06 r-xp 00000000 00:00 0 [vdso]",
        "7f06-7f07 r-xp 00000000 08:01 11 /opt/b/lib/libw.so",
    ]
    read = []
    monkeypatch.setattr(
        Path, "read_text", lambda path, **how: read.append((str(path), how)) or "\n".join(lines)
    )
    assert isolation._libraries() == [Path("/opt/a b"), Path("/opt/b/lib")]
    assert read == [("/proc/self/maps", {"errors": "replace"})]

    def fails(path, **how):
        raise OSError

    monkeypatch.setattr(Path, "read_text", fails)
    assert isolation._libraries() == []


def test_paths_inside_others_are_left_out():
    paths = [Path(p) for p in ("/b/c", "/a", "/b", "/a/x/y", "/bc", "/a")]
    assert isolation._outermost(paths) == (Path("/a"), Path("/b"), Path("/bc"))
    assert isolation._outermost([Path("/a/x"), Path("/b")]) == (Path("/b"), Path("/a/x"))


# Landlock's rules


@pytest.mark.parametrize(
    ("abi", "handled", "tcp", "scopes"),
    [
        (1, (1 << 13) - 1, 0, 0),
        (2, (1 << 14) - 1, 0, 0),
        (3, (1 << 15) - 1, 0, 0),
        (4, (1 << 15) - 1, 3, 0),
        (5, (1 << 16) - 1, 3, 0),
        (6, (1 << 16) - 1, 3, 3),
        (7, (1 << 16) - 1, 3, 3),
    ],
)
def test_landlock_gives_up_what_its_version_knows(tmp_path, abi, handled, tcp, scopes):
    folder, file = tmp_path / "folder", tmp_path / "file"
    folder.mkdir()
    file.touch()
    made = landlock.ruleset([folder, file, tmp_path / "gone"], [folder], [file], abi)
    writes = 0b1101 | 2 | (1 << 4) | (1 << 5) | (1 << 7) | (1 << 8) | (1 << 12) | (1 << 13) | (1 << 14)
    assert made == {
        "handled": [handled, tcp, scopes],
        "paths": [
            (os.fspath(folder), writes & handled),
            (os.fspath(file), (0b0101 | 0b0110 | (1 << 15)) & handled),
        ],
    }


def test_a_device_is_read_written_and_given_commands_and_no_program(tmp_path):
    device = tmp_path / "null"
    device.touch()
    made = landlock.ruleset([], [], [device], 7)
    assert made["paths"] == [(os.fspath(device), (1 << 2) | (1 << 1) | (1 << 15))]


def test_landlock_is_asked_for_its_version_where_there_is_linux(monkeypatch):
    class Libc:
        def __init__(self, answer):
            self.answer = answer

        def syscall(self, number, *arguments):
            assert (number, arguments[0], arguments[1].value, arguments[2]) == (444, None, 0, 1)
            return self.answer

    made = []
    for answer, expected in ((7, 7), (1, 1), (0, 0), (-1, 0)):
        monkeypatch.setattr(
            landlock.ctypes, "CDLL", lambda *of, answer=answer, **how: made.append((of, how)) or Libc(answer)
        )
        assert landlock.version() == expected
    assert made[0] == ((None,), {"use_errno": True})
    monkeypatch.setattr(landlock.platform, "system", lambda: "Darwin")
    monkeypatch.setattr(landlock.ctypes, "CDLL", None)
    assert landlock.version() == 0


def test_an_installation_that_only_its_owner_can_read_is_refused_with_what_opens_it(tmp_path, monkeypatch):
    package = tmp_path / "environment" / "lib" / "harness"
    package.mkdir(parents=True)
    worker, numpy = package / "worker.py", package / "numpy.py"
    for file in (worker, numpy):
        file.touch()
        file.chmod(0o644)
    for path in (tmp_path / "environment", package.parent, package):
        path.chmod(0o755)
    tmp_path.chmod(0o700)  # on the way, which bubblewrap opens
    monkeypatch.setattr(isolation, "readable_paths", lambda: (tmp_path / "environment",))
    isolation.check_open([worker, numpy, tmp_path / "not shown"])
    worker.chmod(0o600)
    with pytest.raises(PredictorError) as caught:
        isolation.check_open([worker, numpy])
    expected = "closed to other users than its owner, and a predictor that root starts is one"
    assert str(caught.value) == (
        f"{worker}: {expected}, expected an installation that everybody can read.\n  chmod -R o+rX {worker}"
    )
    for mode in (0o700, 0o744):  # a folder that can be listed and not entered is closed too
        package.parent.chmod(mode)
        with pytest.raises(PredictorError) as caught:
            isolation.check_open([worker, numpy])
        (fault,) = caught.value.faults  # both are behind one folder
        assert fault.where == str(package.parent)
