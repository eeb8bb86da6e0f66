"""What keeps a predictor's process away from everything else: the means there are, and what each shows it.

- ``bubblewrap``: its own user, process, network, IPC and host name spaces, and a file system that holds
  nothing but what is listed here. The program ``bwrap`` makes them.
- ``landlock``: the same file system and processes as everybody, most of which it cannot open: Landlock for
  files and signals, seccomp for sockets and the rest. Needs no privileges and no program.
- ``none``: for one's own code. Anything that the user can read, it can read.

Both of the first are tried here, not guessed from versions; and the worker tries them again, from the
inside, before it loads the submission.
"""

from __future__ import annotations

import ctypes
import functools
import os
import platform
import re
import shlex
import shutil
import site
import stat
import subprocess
import sys
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

from harness.errors import MAX_SHOWN, Fault, PredictorError, UsageError, no_such, raise_all
from harness.execution import landlock, seccomp

BUBBLEWRAP, LANDLOCK, NONE = "bubblewrap", "landlock", "none"
STRONGEST = "strongest"  # of those that work here
CHOICES = (STRONGEST, BUBBLEWRAP, LANDLOCK, NONE)
PACKAGE = Path(__file__).resolve().parents[1]  # harness/
PROBE_SECONDS = 20
MAX_LINKS = 40  # as the kernel's
SHARED_MEMORY_BYTES = 2**28  # /dev/shm of one worker in bubblewrap
_LOADER = ("/etc/ld.so.cache", "/etc/ld.so.conf", "/etc/ld.so.conf.d", "/etc/alternatives", "/etc/localtime")
_SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/nix/store", "/gnu/store")
_MACHINE = ("/sys/devices/system/cpu", "/sys/devices/system/node")
# Landlock cannot make a /proc of its own: its process sees itself, and what is no secret.
_OWN_PROC = ("/proc/self", "/proc/cpuinfo", "/proc/meminfo", "/proc/stat", "/proc/sys/vm")
# Without /dev/zero: to map it shared makes memory that no limit counts.
_DEVICES = ("/dev/null", "/dev/full", "/dev/random", "/dev/urandom")
# By maker: what hides its processors in the user's environment, and device files. A render node alone is
# the display's; torch computes on it beside AMD's driver, or where it was built for Intel's (xpu).
_NVIDIA = ("CUDA_VISIBLE_DEVICES", ("dev/nvidia*", "dev/nvidia-caps/*"))
_AMD = ("HIP_VISIBLE_DEVICES", ("dev/kfd", "dev/dri/render*"))
_INTEL = ("ZE_AFFINITY_MASK", ("dev/dri/render*",))
_HIDDEN = ("", "-1", "none", "NoDevFiles")
_ROOT = Path("/")
_GPU_FOLDERS = ("sys/bus/pci", "sys/devices/pci*", "sys/module/nvidia*", "proc/driver/nvidia")
_SHARED_OBJECT = re.compile(r"/.*\.so(\.[0-9]+)*")  # not what merely has .so in its path
_SET_SECCOMP, _FILTER = 22, 2  # linux/prctl.h
_EFAULT = 14


class Means(NamedTuple):
    """One means of isolation on this machine.

    Attributes:
        name: of the means.
        works: whether it was tried with success.
        detail: its version where it works, else why not.
    """

    name: str
    works: bool
    detail: str


def choose(asked: str) -> str:
    """The means to use: the one asked for, or the strongest that works here.

    Raises:
        UsageError: no such means.
        PredictorError: what is asked for does not work here, or nothing does.
    """
    if asked not in CHOICES:
        raise UsageError(no_such("isolation", asked, CHOICES))
    if asked == NONE:
        return NONE
    tried = [means() for means in (bubblewrap, landlocked)]
    for means in tried:
        if means.works and asked in (STRONGEST, means.name):
            return means.name
    reasons = "; ".join(
        f"{means.name}: {means.detail}" for means in tried if asked in (STRONGEST, means.name)
    )
    raise PredictorError(
        Fault(
            "isolation",
            f"no means of it works on this machine ({reasons})",
            "a process that cannot read labels",
            "`harness doctor` says what to install or allow. For your own code: --no-isolation.",
        )
    )


@functools.cache
def bubblewrap() -> Means:
    """Try bubblewrap, with all that a run asks of it."""
    program = bubblewrap_program()
    if program is None:
        return Means(BUBBLEWRAP, False, "the program bwrap is not installed")
    if platform.machine() not in seccomp.ARCHITECTURES:
        return Means(BUBBLEWRAP, False, f"no filter of system calls for {platform.machine()}")
    command = [
        *bubblewrap_command(program, readable_paths(), [], own_user=os.geteuid() != 0),
        *(sys.executable, "-I", "-S", "-c", "import os; assert os.getpid() < 9"),
    ]
    environment = {"PATH": os.defpath}
    try:
        done = subprocess.run(
            command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, timeout=PROBE_SECONDS
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return Means(BUBBLEWRAP, False, str(error))
    if done.returncode:
        said = done.stderr.decode("utf-8", "replace").strip().splitlines()
        return Means(BUBBLEWRAP, False, said[-1] if said else f"exit code {done.returncode}")
    version = subprocess.run([program, "--version"], capture_output=True, text=True, env=environment)
    return Means(BUBBLEWRAP, True, version.stdout.strip())


def bubblewrap_program() -> str | None:
    """Where bwrap is; None where it is not installed."""
    beside = Path(sys.executable).with_name("bwrap")  # of a conda environment that is not activated
    return shutil.which("bwrap") or (str(beside) if beside.is_file() else None)


@functools.cache
def landlocked() -> Means:
    """Ask the kernel for Landlock and for filters of system calls."""
    if platform.machine() not in seccomp.ARCHITECTURES:
        return Means(LANDLOCK, False, f"no filter of system calls for {platform.machine()}")
    abi = landlock.version()
    if abi == 0:
        return Means(LANDLOCK, False, f"Linux {platform.release()} does not offer Landlock")
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_SET_SECCOMP, _FILTER, 0, 0, 0) == 0 or ctypes.get_errno() != _EFAULT:
        return Means(LANDLOCK, False, f"Linux {platform.release()} does not offer filters of system calls")
    return Means(LANDLOCK, True, f"version {abi}, with seccomp")


def readable_paths() -> tuple[Path, ...]:
    """What every predictor may read: the system's programs, the interpreter and its packages, this package.

    Paths that lie inside another are left out.
    """
    return _readable_paths(gpu=bool(gpu_devices()))


@functools.cache
def _readable_paths(*, gpu: bool) -> tuple[Path, ...]:
    interpreter = [
        Path(sys.prefix),
        Path(sys.base_prefix),
        Path(sys.exec_prefix),
        *_links(Path(sys.executable)),
    ]
    packages = [*map(Path, site.getsitepackages()), *_named_package_folders()]
    wanted = [Path(path) for path in (*_SYSTEM, *_LOADER, *_MACHINE)]
    wanted += [*interpreter, *(path.resolve() for path in interpreter), *packages, PACKAGE, *_libraries()]
    if gpu:
        wanted += [path for pattern in _GPU_FOLDERS for path in _ROOT.glob(pattern)]
    return _outermost(path for path in wanted if path.exists() and path != Path("/"))


def gpu_devices() -> tuple[Path, ...]:
    """Device files of graphics processors that predictors are handed; none where the user hides them.

    ``CUDA_VISIBLE_DEVICES=`` (or -1) hides NVIDIA's, ``HIP_VISIBLE_DEVICES=`` AMD's. A torch that was built
    for processors only has no use for any.
    """
    hidden = tuple(
        os.environ.get(variable, "0").strip() in _HIDDEN for variable, _ in (_NVIDIA, _AMD, _INTEL)
    )
    return _gpu_devices(hidden)


@functools.cache
def _gpu_devices(hidden: tuple[bool, ...]) -> tuple[Path, ...]:
    build = _torch_build()
    if build.startswith("cpu"):
        return ()
    found: dict[Path, None] = {}
    for (_, patterns), is_hidden in zip((_NVIDIA, _AMD, _INTEL), hidden, strict=True):
        paths = [path for pattern in patterns for path in sorted(_ROOT.glob(pattern))]
        if patterns == _AMD[1] and _ROOT / "dev/kfd" not in paths:
            continue
        if patterns == _INTEL[1] and not build.startswith("xpu"):
            continue
        if not is_hidden:
            found.update(dict.fromkeys(paths))
    return tuple(found)


def _torch_build() -> str:
    """What torch was built for, as its version says: cpu, cu128, rocm6, xpu; empty where it does not."""
    try:
        return metadata.version("torch").partition("+")[2]
    except metadata.PackageNotFoundError:  # something else may compute there
        return ""


def landlock_ruleset(readable: Iterable[Path], writable: Iterable[Path]) -> dict[str, object]:
    """What Landlock is asked for: `readable_paths` and these."""
    own = [Path(path) for path in _OWN_PROC]
    devices = [*(Path(path) for path in _DEVICES), *gpu_devices()]
    if gpu_devices():
        devices.append(Path("/dev/zero"))
    return landlock.ruleset(
        [*readable_paths(), *own, *readable], writable, devices, min(landlock.version(), landlock.NEWEST)
    )


def filter_of_calls(name: str) -> bytes:
    """The program for the kernel that goes with a means of isolation."""
    alone = name == LANDLOCK
    signals = landlock.version() >= landlock.SIGNALS_SINCE
    denied = seccomp.rules(landlock=alone, signals_by_landlock=signals, shared_memory=bool(gpu_devices()))
    return seccomp.program(denied)


def bubblewrap_command(
    program: str,
    readable: Iterable[Path],
    writable: Iterable[Path],
    *,
    own_user: bool,
    own_init: bool = True,
    filtered: bool = False,
) -> list[str]:
    """The command before the one that is to run inside.

    Args:
        program: bwrap.
        readable: what can be read inside, at the same paths.
        writable: folders that can be written too.
        own_user: whether to make a user namespace; else the process inside changes its user itself, and
            keeps the right to do that one thing.
        own_init: whether bubblewrap's first process stays. It is of the same user and under no filter: only
            where something else keeps the predictor away from it.
        filtered: whether "{seccomp}" among the arguments will be replaced by a descriptor.
    """
    command = [
        program, "--unshare-pid", "--unshare-net", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try",
        "--hostname", "predictor", "--cap-drop", "ALL",
    ]  # fmt: skip
    if own_user:
        command += ["--unshare-user"]
    else:
        command += ["--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID"]
    if not own_init:
        command += ["--as-pid-1"]
    # Nobody writes into /proc: there a process could ask the kernel to end others before it.
    command += ["--dev", "/dev", "--proc", "/proc", "--remount-ro", "/proc"]
    for device in gpu_devices():
        command += ["--dev-bind", str(device), str(device)]
    if not gpu_devices():
        command += [
            "--dev-bind",
            "/dev/null",
            "/dev/zero",
        ]  # to map it shared makes memory that no limit counts
    command += ["--remount-ro", "/dev", "--perms", "1777", "--size", str(SHARED_MEMORY_BYTES)]
    command += ["--tmpfs", "/dev/shm"]
    bound = [("--ro-bind", path) for path in readable] + [("--bind", path) for path in writable]
    # Else a folder on the way is as closed as what is bound below it.
    for folder in sorted({folder for _, path in bound for folder in path.parents if folder != Path("/")}):
        command += ["--dir", str(folder)]
    for option, path in bound:
        command += [option, str(path), str(path)]
    command += ["--remount-ro", "/", "--chdir", "/"]
    if filtered:
        command += ["--seccomp", "{seccomp}"]
    return [*command, "--"]


def check_hidden(hidden: Iterable[Path], scratch: Path | None = None) -> None:
    """Refuse to run where what must stay hidden lies in a folder that every predictor may read.

    Or the other way round: a readable folder may lie inside what must stay hidden.

    Args:
        hidden: files and folders.
        scratch: where runs have their folders; it may hold an environment, but not lie in one.

    Raises:
        PredictorError: one of them does (all at once).
    """
    readable = {folder.resolve(): folder for folder in readable_paths()}
    around: dict[Path, Path] = {}
    for real, folder in readable.items():
        for above in (real, *real.parents):
            around.setdefault(above, folder)
    parents: dict[Path, Path] = {}  # a corpus has thousands of files in a few folders
    faults = []
    for path in [*hidden, *([scratch] if scratch else [])]:
        if path.parent not in parents:
            parents[path.parent] = path.parent.resolve()
        plain = path.name != ".." and not path.is_symlink()
        real = parents[path.parent] / path.name if plain else path.resolve()
        within = next((readable[above] for above in (real, *real.parents) if above in readable), None)
        if within is not None:
            problem = f"inside {within}, which a predictor may read (programs and packages)"
        elif path != scratch and real in around:
            problem = f"around {around[real]}, which a predictor may read (programs and packages)"
        else:
            continue
        remedy = "Move them, for example to your home folder."
        faults.append(Fault(str(path), problem, "data and labels elsewhere", remedy))
    raise_all(PredictorError, faults[:MAX_SHOWN])


@functools.cache
def user_base() -> Path | None:
    """Where ``pip install --user`` puts packages, where the harness is one of them; else None."""
    packages = Path(site.getusersitepackages())
    used = site.ENABLE_USER_SITE and str(packages) in sys.path and PACKAGE.is_relative_to(packages.resolve())
    return Path(site.getuserbase()) if used else None


def _named_package_folders() -> list[Path]:
    """Folders of packages that a .pth file of an environment brings in, such as another environment's.

    By their names only: a .pth file may name a whole checkout too, with results and data in it.
    """
    folders = [Path(folder) for folder in sys.path if Path(folder).name in ("site-packages", "dist-packages")]
    return [folder for folder in folders if folder.is_absolute()]


def check_open(needed: Iterable[Path]) -> None:
    """Refuse an installation that only its owner can read, where the predictor runs as somebody else.

    Inside bubblewrap folders on the way to what is shown are open; what is shown, and all below, is as closed
    as it is outside.

    Args:
        needed: files that every worker reads.

    Raises:
        PredictorError: one of them is closed to other users (all at once).
    """
    faults = []
    for path in needed:
        shown = [folder for folder in readable_paths() if path.is_relative_to(folder)]
        steps = [path, *path.parents]
        on_the_way = steps[: steps.index(shown[0]) + 1] if shown else []
        closed = [step for step in on_the_way if not _is_open(step)]
        if closed:
            faults.append(
                Fault(
                    f"{closed[-1]}",
                    "closed to other users than its owner, and a predictor that root starts is one",
                    "an installation that everybody can read",
                    f"chmod -R o+rX {shlex.quote(str(closed[-1]))}",
                )
            )
    raise_all(PredictorError, list(dict.fromkeys(faults)))


def _is_open(path: Path) -> bool:
    mode = path.stat().st_mode
    wanted = stat.S_IROTH | (stat.S_IXOTH if stat.S_ISDIR(mode) else 0)
    return mode & wanted == wanted


def _links(path: Path) -> list[Path]:
    """A program's name, and every link on the way to the program."""
    found = [path]
    while path.is_symlink() and len(found) < MAX_LINKS:
        path = Path(os.path.normpath(path.parent / path.readlink()))
        found.append(path)
    return found


def _libraries() -> list[Path]:
    """Folders of the shared libraries that are loaded here, wherever an environment keeps them."""
    try:
        lines = Path("/proc/self/maps").read_text(errors="replace").splitlines()
    except OSError:
        return []
    mapped = [line.split(maxsplit=5) for line in lines]  # addresses, rights, offset, device, inode, file
    return sorted(
        {
            Path(fields[5]).parent
            for fields in mapped
            if len(fields) == 6 and "x" in fields[1] and _SHARED_OBJECT.fullmatch(fields[5])
        }
    )


def _outermost(paths: Iterable[Path]) -> tuple[Path, ...]:
    kept: list[Path] = []
    for path in sorted(set(paths), key=lambda path: (len(path.parts), path)):
        if not any(path.is_relative_to(other) for other in kept):
            kept.append(path)
    return tuple(kept)
