"""One worker as its parent sees it, word by word: a keeper that starts nothing stands in for the process."""

from __future__ import annotations

import contextlib
import fcntl
import io
import json
import os
import stat
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from harness.execution import Run, child, isolation, landlock
from harness.execution.child import ENTER, FIRST_UID, KEEPER, N_UIDS, WORKER, Child, Place
from harness.execution.isolation import BUBBLEWRAP, LANDLOCK, NONE

LIMITS = Run(
    seconds=1.75, memory_bytes=10**9, processes=7, open_files=8, file_bytes=9 * 2**20, disk_bytes=1, files=1
)
GID = 77
DRAWN = {N_UIDS: 5}
UID = FIRST_UID + 5


class FakeKeeper:
    """What a keeper was started with, and a pipe on which it says what a test wants."""

    def __init__(self, command, **how):
        self.command, self.how = command, how
        self.pid, self.returncode = 4242, None
        read, self._write = os.pipe()
        self.stdin, self.stdout = io.BytesIO(), os.fdopen(read, "rb")
        self.done, self.hangs = [], False

    def says(self, text):
        os.write(self._write, text.encode())

    def poll(self):
        return self.returncode

    def wait(self, seconds=None):
        self.done.append(("wait", seconds, self.stdin.closed))
        if self.hangs and seconds is not None:
            raise subprocess.TimeoutExpired("keeper", seconds)
        self.returncode = 0
        os.close(self._write)

    def kill(self):
        self.done.append("kill")


class FakeProcess:
    """A process of psutil's; what it says of itself, or the error that it raises."""

    def __init__(self, pid, rss=0, runs=True, status="running", children=()):
        self.pid, self.rss, self.runs, self.said, self.below = pid, rss, runs, status, children
        self.killed = False

    def children(self, *, recursive):
        assert recursive is True
        if isinstance(self.below, Exception):
            raise self.below
        return list(self.below)

    def memory_info(self):
        if isinstance(self.rss, Exception):
            raise self.rss
        return SimpleNamespace(rss=self.rss)

    def is_running(self):
        if isinstance(self.runs, Exception):
            raise self.runs
        return self.runs

    def status(self):
        return self.said

    def kill(self):
        self.killed = True
        if isinstance(self.rss, Exception):
            raise self.rss


@pytest.fixture
def chowned(monkeypatch):
    """Note what is given to other users, which only root can do."""
    calls = []
    monkeypatch.setattr(os, "chown", lambda path, uid, gid, **how: calls.append((path, uid, gid, how)))
    return calls


@pytest.fixture
def place(monkeypatch, tmp_path, chowned):
    """Make the place of a run, on a machine that is the same everywhere."""
    monkeypatch.setattr(child.subprocess, "Popen", FakeKeeper)
    monkeypatch.setattr(child.secrets, "randbelow", lambda n: DRAWN[n])
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0: {0, 1, 2}}[pid])
    monkeypatch.setattr(isolation, "user_base", lambda: None)
    monkeypatch.setattr(isolation, "bubblewrap_program", lambda: "/opt/bwrap")
    monkeypatch.setattr(isolation, "readable_paths", lambda: (Path("/usr"), Path("/bin")))
    monkeypatch.setattr(landlock, "version", lambda: 0)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    (tmp_path / "run").mkdir()

    def made(means=NONE, gid=None, limits=LIMITS):
        return Place(tmp_path / "run", 99, means, gid, limits)

    return made


@pytest.fixture
def start(place):
    """Start workers, which are closed after the test."""
    begun = []

    def started(*where, name="0", job=None, n_threads=2, seed=7, **how):
        begun.append(Child(place(*where, **how), name, job or {}, n_threads, seed))
        return begun[-1]

    yield started
    for one in begun:
        one._look = lambda: None
        if not one._keeper.stdout.closed:
            one.close()


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def launch(one):
    return json.loads((one.folder / "launch.json").read_text())


# The place of a run


@pytest.mark.parametrize("gid", [None, GID])
def test_what_is_shared_is_opened_to_the_workers_group_and_no_link_is_followed(place, tmp_path, chowned, gid):
    outside, run = tmp_path / "outside", tmp_path / "run"
    outside.mkdir(mode=0o700)
    for name in ("code/deep", "weights", "lib", "other"):
        (run / name).mkdir(parents=True)
        (run / name).chmod(0o700)
    (run / "code").chmod(0o700)
    (run / "code/deep/model.py").touch(mode=0o600)
    (run / "lib/harness").symlink_to(outside)
    place(gid=gid).open_to_group()
    names = ["code", "code/deep", "weights", "lib"]
    assert [mode(run / name) for name in ("", *names)] == [0o710, 0o750, 0o750, 0o750, 0o750]
    assert [mode(run / name) for name in ("code/deep/model.py", "other")] == [0o600, 0o700]
    assert mode(outside) == 0o700
    everything = [run, *(run / name for name in (*names, "code/deep/model.py", "lib/harness"))]
    given = [(path, 0, GID, {"follow_symlinks": False}) for path in everything]
    assert sorted(chowned, key=str) == (sorted(given, key=str) if gid else [])


# How a worker is started


def test_a_keeper_is_started_in_a_session_of_its_own_with_nothing_but_the_lock(start, tmp_path):
    one = start(seed=2**32 + 100, n_threads=3)
    folder, home = tmp_path / "run/0", f"{tmp_path}/run/0/home"
    environment = {
        "PATH": f"{Path(sys.executable).parent}:/usr/local/bin:/usr/bin:/bin",
        "HOME": home,
        "TMPDIR": home,
        "XDG_CACHE_HOME": home,
        "USER": "predictor",
        "LANG": "C.UTF-8",
        "PYTHONPATH": f"{tmp_path}/run/lib",
        "PYTHONHASHSEED": "100",
        "OMP_WAIT_POLICY": "PASSIVE",
        "OMP_NUM_THREADS": "3",
        "OPENBLAS_NUM_THREADS": "3",
        "MKL_NUM_THREADS": "3",
        "NUMEXPR_NUM_THREADS": "3",
    }
    keeper = one._keeper
    assert keeper.command == [sys.executable, "-I", "-S", "-B", str(KEEPER), str(folder)]
    log = keeper.how.pop("stderr")
    assert keeper.how == {
        "stdin": subprocess.PIPE,
        "stdout": subprocess.PIPE,
        "env": environment,
        "cwd": "/",
        "start_new_session": True,
        "pass_fds": [99],
    }
    assert launch(one)["environment"] == environment
    assert not os.get_blocking(keeper.stdout.fileno())
    assert os.path.samestat(os.fstat(log), (folder / "log").stat())
    assert mode(folder / "log") == 0o600
    flags = fcntl.fcntl(log, fcntl.F_GETFL)
    assert flags & os.O_ACCMODE == os.O_RDWR
    assert flags & os.O_APPEND
    assert (one.started, one.left, list(one.pending), one.exit_code()) == (False, [], [], None)
    assert (one.folder, one.given) == (folder, folder / "given")


def test_a_worker_is_told_where_packages_of_the_user_lie_and_which_processors(monkeypatch, start):
    monkeypatch.setattr(isolation, "user_base", lambda: Path("/home/me/.local"))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    one = start()
    environment = launch(one)["environment"]
    assert environment["PYTHONUSERBASE"] == "/home/me/.local"
    assert environment["CUDA_VISIBLE_DEVICES"] == "1"
    assert launch(one)["command"] == [sys.executable, "-P", "-B", "-u", str(ENTER), str(one.folder)]


@pytest.mark.parametrize("means", [NONE, BUBBLEWRAP, LANDLOCK])
@pytest.mark.parametrize("gid", [None, GID])
@pytest.mark.parametrize("version", [0, 1])
def test_a_keeper_is_told_how_to_start_the_worker(monkeypatch, start, tmp_path, means, gid, version):
    monkeypatch.setattr(landlock, "version", lambda: version)
    asked = []
    monkeypatch.setattr(
        isolation, "bubblewrap_command", lambda *of, **how: asked.append((of, how)) or ["bwrap", "--"]
    )
    monkeypatch.setattr(isolation, "landlock_ruleset", lambda *of: asked.append(of) or {"paths": [1]})
    monkeypatch.setattr(isolation, "filter_of_calls", lambda name: name.encode())
    one = start(means, gid, job={"entry_point": "model:Decoder", "canary": "theirs"})
    folder, run, uid = tmp_path / "run/0", tmp_path / "run", UID if gid else None
    inner = [sys.executable, "-s", "-P", "-B", "-u", str(ENTER), str(folder)]
    assert launch(one) == {
        "isolation": means,
        "command": ["bwrap", "--", *inner] if means == BUBBLEWRAP else inner,
        "environment": one._keeper.how["env"],
        "cwd": str(folder / "home"),
        "log": str(folder / "log"),
        "uid": uid,
        "gid": gid,
        "landlock": {"paths": [1]} if means == LANDLOCK else None,
        "seccomp": "" if means == NONE else means.encode().hex(),
        "grace_seconds": 2.0,
        "limits": {"core": 0, "cpu": 7, "data": 10**9, "file": 9 * 2**20, "files": 8, "processes": 7},
    }
    readable = [run / "code", run / "weights", run / "lib", folder / "given"]
    writable = [folder / "out", folder / "home"]
    how = {
        "own_user": gid is None,
        "own_init": gid is not None or version == 1,
        "filtered": True,
    }
    assert asked == {
        NONE: [],
        BUBBLEWRAP: [(("/opt/bwrap", [Path("/usr"), Path("/bin"), *readable], writable), how)],
        LANDLOCK: [(readable, writable)],
    }[means]  # fmt: skip
    assert json.loads((folder / "given/job.json").read_text()) == {
        "entry_point": "model:Decoder",
        "isolation": means,
        "uid": uid,
        "gid": gid,
        "canary": f"{run}/canary",
        "landlock": version == 1,
    }


def test_bwrap_that_is_gone_is_named_all_the_same(monkeypatch, start):
    monkeypatch.setattr(isolation, "bubblewrap_program", lambda: None)
    assert launch(start(BUBBLEWRAP))["command"][0] == "bwrap"


@pytest.mark.parametrize(("asked", "given"), [(None, 7), (4.5, 6), (0.0, 2)])
def test_processor_time_is_what_is_asked_for_or_all_cores_all_the_time(start, asked, given):
    assert launch(start(limits=Run(seconds=1.75, cpu_seconds=asked)))["limits"]["cpu"] == given


@pytest.mark.parametrize("gid", [None, GID])
def test_a_workers_folders_are_closed_to_others_and_given_to_its_user(start, chowned, gid):
    folder = start(gid=gid).folder
    assert {path.name: oct(mode(path)) for path in (folder, *folder.iterdir()) if path.is_dir()} == {
        "0": "0o710",
        "given": "0o2750",
        "out": "0o700",
        "home": "0o700",
    }
    assert chowned == [
        (folder, 0, GID, {}),
        (folder / "given", 0, GID, {}),
        (folder / "out", UID, GID, {}),
        (folder / "home", UID, GID, {}),
    ][: 4 if gid else 0]  # fmt: skip


ALL_RIGHTS = 0x1FFFFFFFFFF
WHOLE_MAP = "         0          0 4294967295\n"


@pytest.mark.parametrize(
    ("euid", "rights", "uids", "group"),
    [
        (0, ALL_RIGHTS, WHOLE_MAP, UID),
        (0, 0xE1, WHOLE_MAP, UID),
        (1000, ALL_RIGHTS, WHOLE_MAP, None),
        *((0, ALL_RIGHTS - (1 << bit), WHOLE_MAP, None) for bit in (0, 5, 6, 7)),
        (0, ALL_RIGHTS, "0 1000 1\n", None),
        (0, ALL_RIGHTS, f"0 1000 1\n{FIRST_UID} 5 {N_UIDS}\n", UID),
        (0, ALL_RIGHTS, f"{FIRST_UID} 5 {N_UIDS - 1}\n", None),
        (0, ALL_RIGHTS, f"{FIRST_UID + 1} 5 {N_UIDS}\n", None),
        (0, ALL_RIGHTS, "", None),
    ],
)
def test_workers_get_users_of_their_own_where_this_process_may_give_them(
    monkeypatch, euid, rights, uids, group
):
    files = {
        "/proc/self/status": f"Name:\tpython\nCapPrm:\t0000000000000000\nCapEff:\t{rights:016x}\nCapBnd:\t0\n",
        "/proc/self/uid_map": uids,
    }
    monkeypatch.setattr(Path, "read_text", lambda path: files[str(path)])
    monkeypatch.setattr(os, "geteuid", lambda: euid)
    monkeypatch.setattr(child.secrets, "randbelow", lambda n: DRAWN[n])
    assert child.other_group() == group


def test_workers_get_no_users_of_their_own_where_there_is_no_proc(monkeypatch):
    def fails(path):
        raise FileNotFoundError

    monkeypatch.setattr(Path, "read_text", fails)
    assert child.other_group() is None


@pytest.mark.parametrize(
    ("said", "asked"),
    [(None, None), ("", None), ("4", 4), ("1", 1), ("0", None), ("-1", None), ("many", None), ("2,1", None)],
)
def test_threads_that_the_user_asks_for(monkeypatch, said, asked):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    if said is not None:
        monkeypatch.setenv("OMP_NUM_THREADS", said)
    assert child.threads_asked() == asked


# What its keeper says


def test_the_exit_code_is_what_the_keeper_says_in_whatever_pieces(start):
    one = start()
    one._keeper.says('{"co')
    assert one.exit_code() is None
    one._keeper.says('de": 3}\n{"left": ["sleep"]}\n{"le')
    assert (one.exit_code(), one.left) == (3, ["sleep"])
    one._keeper.says('ft": ["a", "b"]}\n')
    one._keeper.returncode = 1
    assert (one.exit_code(), one.left) == (3, ["a", "b"])
    one._keeper.says('{"code": 4}\n')
    assert (one.exit_code(), one.left) == (4, ["a", "b"])


def test_a_keeper_that_is_gone_without_a_word_was_killed(start):
    one = start()
    one._keeper.returncode = 0
    assert one.exit_code() == -9


def test_a_worker_is_told_that_nothing_is_left_to_do(start):
    one = start()
    assert not (one.given / "stop").exists()
    one.stop()
    one.stop()
    assert (one.given / "stop").read_bytes() == b""


@pytest.fixture
def clock(monkeypatch):
    """A clock on which every sleep takes a second; gives the sleeps, and calls what waits for one of them."""
    slept, at = [], {}

    def sleep(seconds):
        slept.append(seconds)
        assert len(slept) < 99
        at.pop(len(slept), lambda: None)()

    monkeypatch.setattr(child, "time", SimpleNamespace(monotonic=lambda: 100.0 + len(slept), sleep=sleep))
    return slept, at


def test_a_worker_may_take_ten_seconds_to_end(start, clock):
    slept, _ = clock
    one = start()
    one._keeper.returncode = None
    assert one.finish() == []
    assert slept == [0.002] * 10


def test_what_a_worker_left_is_told_once_its_keeper_has_ended(start, clock):
    slept, at = clock
    one = start()
    at[3] = lambda: one._keeper.says('{"code": 0}\n')

    def ends():
        one._keeper.says('{"left": ["sleep"]}\n')
        one._keeper.returncode = 0

    at[8] = ends
    assert one.finish() == ["sleep"]
    assert slept == [0.002] * 8


def test_a_keeper_that_never_ends_is_waited_for_no_longer_than_it_may_take(start, clock):
    slept, _ = clock
    one = start()
    one._keeper.says('{"code": 0}\n{"left": ["x"]}\n')
    assert one.finish() == ["x"]
    assert slept == [0.002] * 42  # two for the processes, forty for the keeper


# What it uses


@pytest.fixture
def below(monkeypatch):
    """Say which processes the keeper has started; None: it must not be asked."""
    found = {}
    monkeypatch.setattr(psutil, "Process", lambda pid: found[pid])

    def have(*processes):
        found[4242] = FakeProcess(4242, children=processes)
        return found[4242]

    return have


STATUS = {11: "Name:\tVmSwap: 5 kB\nVmSwap:\t   12 kB\nThreads:\t1\n", 12: "Name:\tx\n"}


@pytest.fixture
def statuses(monkeypatch):
    """Status files of processes in /proc."""
    read = Path.read_text

    def text(path, *of, **how):
        if path.parts[:2] != ("/", "proc"):
            return read(path, *of, **how)
        if int(path.parts[2]) not in STATUS or path.name != "status":
            raise FileNotFoundError(path)
        return STATUS[int(path.parts[2])]

    monkeypatch.setattr(Path, "read_text", text)


def test_memory_is_what_all_its_processes_hold_and_what_is_swapped_out(start, below, statuses):
    one = start()
    first, second = FakeProcess(11, 1000), FakeProcess(12, 50)
    gone = FakeProcess(13, psutil.NoSuchProcess(13))
    zombie, ended = FakeProcess(14, 7, status=psutil.STATUS_ZOMBIE), FakeProcess(15, 7, runs=False)
    below(first, second, gone, zombie, ended, FakeProcess(16, 7, runs=psutil.AccessDenied(16)))
    assert one.memory_bytes() == 1000 + 12 * 1024 + 50
    keeper = below()  # who lost its parent is no more below the keeper, and still its own
    assert one.memory_bytes() == 1000 + 12 * 1024 + 50
    second.runs = False
    keeper.below = psutil.NoSuchProcess(4242)
    assert one.memory_bytes() == 1000 + 12 * 1024
    below(second, third := FakeProcess(17, 400))
    one._keeper.returncode = 0  # its number may be another process's by now
    third.runs = second.runs = True
    assert one.memory_bytes() == 1000 + 12 * 1024


def blocks(path):
    return path.lstat().st_blocks * 512


def on_disk(file, content):
    """Write to an open file, to the disk: until then a file system may have set aside more blocks."""
    file.write(content)
    file.flush()
    os.fsync(file.fileno())


def test_every_file_and_folder_counts_and_no_link_is_followed(start, tmp_path):
    one = start()
    (tmp_path / "elsewhere/much").mkdir(parents=True)
    (tmp_path / "elsewhere/much/file").write_bytes(b"x" * 10**5)
    out, home = one.folder / "out", one.folder / "home"
    (out / "a/b").mkdir(parents=True)
    for path, size in ((out / "a/b/large", 50_000), (out / "small", 1), (home / "kept", 9000)):
        with path.open("wb") as file:
            on_disk(file, b"x" * size)
    (home / "link").symlink_to(tmp_path / "elsewhere")
    (out / "a/link").symlink_to(tmp_path / "elsewhere/much/file")
    made = [out / name for name in ("a", "a/b", "a/b/large", "a/link", "small")]
    made += [home / "kept", home / "link"]
    assert blocks(out / "a/b/large") >= 50_000
    assert one.disk_use(100) == (sum(map(blocks, made)), 7)


def test_counting_files_ends_past_the_most(start):
    one = start()
    (one.folder / "out/1/2/3/4/5/6").mkdir(parents=True)
    assert [one.disk_use(most)[1] for most in (0, 2, 5, 6, 7)] == [1, 3, 6, 6, 6]


def test_files_that_were_closed_to_it_count_nothing_and_stop_nothing(start, monkeypatch):
    one = start()
    (one.folder / "home/a").mkdir()
    (one.folder / "home/a/b").touch()
    (one.folder / "out/c").touch()
    scandir = os.scandir

    def closed(path):
        if Path(path).name == "a":
            raise PermissionError
        return scandir(path)

    monkeypatch.setattr(os, "scandir", closed)
    assert one.disk_use(100)[1] == 2


def test_files_that_go_while_they_are_counted_stop_nothing(start, monkeypatch):
    class Gone:
        def stat(self, **how):
            raise FileNotFoundError

    class Small:
        def stat(self, **how):
            return SimpleNamespace(st_blocks=3)

        def is_dir(self, **how):
            return False

    one = start()
    entries = {"out": [Gone(), Small()], "home": [Small(), Gone(), Small()]}
    monkeypatch.setattr(os, "scandir", lambda path: contextlib.nullcontext(entries[path.name]))
    assert one.disk_use(100) == (3 * 3 * 512, 5)


def test_a_file_without_a_name_counts_once_while_it_is_open(start, below, tmp_path):
    one = start()
    me, gone = FakeProcess(os.getpid()), FakeProcess(2**22 + 1)
    below(gone, me)
    path = one.folder / "home/x"
    with path.open("wb") as file, (one.folder / "home/y").open("wb") as second:
        for each, size in ((file, 20_000), (second, 5000)):
            on_disk(each, b"x" * size)
        again = os.dup(file.fileno())
        memory = os.memfd_create("elsewhere")  # no name, and on no disk
        os.write(memory, b"x" * 10_000)
        one.memory_bytes()  # looks at processes
        named = one.disk_use(9)
        both = os.fstat(file.fileno()).st_blocks * 512, os.fstat(second.fileno()).st_blocks * 512
        assert named == (sum(both), 2)
        path.unlink()
        assert one.disk_use(9) == (sum(both), 1)
        (one.folder / "home/y").unlink()
        assert one.disk_use(9) == (sum(both), 0)
    assert one.disk_use(9) == (both[0], 0)
    os.close(again)
    os.close(memory)
    assert one.disk_use(9) == (0, 0)


# What it printed


def printed(one, content):
    (one.folder / "log").write_bytes(content)
    return one.output_lines()


def test_output_is_what_a_terminal_can_show_without_what_is_said_of_us(start):
    one = start()
    content = (
        b"\x1b[31mred\x1b[0m\x07\tend \xff\n\n   \n"
        + f'  File "{WORKER}", line 3\n  File "{ENTER}", line 4\n'.encode()
        + b'  File "<frozen runpy>", line 5\nExtension modules: numpy\n  File "model.py", line 6\nlast'
    )
    assert printed(one, content) == ["red    end \ufffd", '  File "model.py", line 6', "last"]
    assert one.log_bytes() == len(content)
    assert printed(one, b"") == []


def test_output_is_the_last_lines_of_the_last_bytes(start):
    one = start()
    lines = [f"line {i}" for i in range(30)]
    assert printed(one, "\n".join(lines).encode()) == lines[10:]
    assert printed(one, b"a" * 3000 + b"\n" + b"b" * 3000) == ["a" * 1095, "b" * 3000]
    assert printed(one, b"a" * 4097) == ["a" * 4096]
    assert printed(one, b"a" + b"b" * 4095) == ["a" + "b" * 4095]


def test_what_it_prints_meanwhile_is_not_read_as_well(start, monkeypatch):
    one, asked = start(), []
    monkeypatch.setattr(os, "pread", lambda log, n, first: asked.append((n, first)) or b"said")
    assert printed(one, b"a" * 5000) == ["said"]
    assert printed(one, b"a" * 50) == ["said"]
    assert asked == [(4096, 904), (50, 0)]


# How it ends


def test_all_that_it_started_is_ended_whatever_became_of_the_keeper(start, below):
    one = start()
    left, gone = FakeProcess(11, 5), FakeProcess(13, psutil.NoSuchProcess(13))
    below(left, gone)
    one.close()
    assert one._keeper.done == [("wait", 40.0, True)]
    assert one._keeper.stdout.closed
    assert left.killed
    assert gone.killed
    log = one._keeper.how["stderr"]
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(log)
    one._keeper.says = None
    assert one.exit_code() == -9


def test_a_keeper_that_does_not_end_is_ended(start, below):
    one = start()
    below()
    one._keeper.hangs = True
    one.close()
    assert one._keeper.done == [("wait", 40.0, True), "kill", ("wait", None, True)]


def test_the_log_is_closed_once_though_it_may_be_descriptor_0(start, below, monkeypatch):
    closed = []
    below()
    monkeypatch.setattr(os, "open", lambda *of: 0)
    monkeypatch.setattr(os, "close", closed.append)
    one = start()
    one._keeper.wait = lambda seconds: None
    one.close()
    one.close()
    assert closed == [0]


def test_an_end_of_the_keeper_that_cannot_be_told_it_is_no_error(start, below):
    def close():
        raise BrokenPipeError

    one = start()
    below()
    one._keeper.stdin = SimpleNamespace(close=close, closed=False)
    one.close()
    assert one._keeper.done == [("wait", 40.0, False)]
