"""Hostile packages: what each tries, and what an organiser sees of it.

Every attacker knows the machine: where labels, corpus and harness lie, which process scores, which port
listens. ``@NAMES@`` in the code are put in by the tests. An attack is the body of a function; what it
returns it has stolen.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from harness.execution.isolation import gpu_devices

TEMPLATE = """
import ctypes, fcntl, os, platform, resource, signal, socket, subprocess, sys, tempfile, threading, time
from pathlib import Path
import numpy as np

libc = ctypes.CDLL(None, use_errno=True)


def system_call(x86_64, aarch64, *arguments):
    number = aarch64 if platform.machine() == "aarch64" else x86_64
    result = libc.syscall(ctypes.c_long(number), *[ctypes.c_long(a) if isinstance(a, int) else a for a in arguments])
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


def report(text):
    Path('../out/report').write_text(text)
    os.replace('../out/report', '../out/000000.json')


def attack(eeg, setup):
    @ATTACK@


class Decoder:
    def __init__(self, setup):
        self.setup = setup

    def predict(self, eeg, subjects):
        try:
            print("GOT", attack(eeg, self.setup), flush=True)
        except Exception as error:
            print("refused:", type(error).__name__, flush=True)
        return np.cumsum(eeg, axis=1)[:, :, : self.setup.n_bands]
"""
DENIED = "refused: (FileNotFoundError|PermissionError)"
ABSENT = "refused: OSError"  # "function not implemented"
NOBODY = "refused: (ProcessLookupError|PermissionError)"
UNWRITABLE = "refused: (FileNotFoundError|PermissionError|OSError)"  # OSError: a read-only file system

# Drivers of graphics processors need memory that no limit counts; SECURITY.md says so.
UNCOUNTED = "GOT 4096" if gpu_devices() else ""


@dataclass(frozen=True)
class Attack:
    """A hostile package.

    Attributes:
        code: body of the function ``attack``.
        prints: pattern of all that it prints, where it is scored; it then scores what its predictions are
            worth.
        fails: pattern of the error, where it is not scored.
        files: more files of the package, name -> content.
        run: what the run allows, where not the standard.
    """

    code: str
    prints: str | None = None
    fails: str | None = None
    files: dict[str, str | bytes] = field(default_factory=dict)
    run: dict[str, Any] = field(default_factory=dict)


READING = {
    "labels by their path": Attack("return open('@LABELS@').read()", DENIED),
    "labels by a child process": Attack(
        "return subprocess.run(['cat', '@LABELS@'], capture_output=True, check=True)",
        "refused: CalledProcessError",
    ),
    "labels by a link that it makes": Attack(
        "os.symlink('@LABELS@', 'link')\nreturn open('link').read()", DENIED
    ),
    "labels by a second name": Attack("os.link('@LABELS@', 'name')\nreturn open('name').read()", UNWRITABLE),
    "labels by /proc/self/root": Attack("return open('/proc/self/root@LABELS@').read()", DENIED),
    "labels by climbing": Attack("return open('../' * 40 + '@LABELS@').read()", DENIED),
    "labels by a handle": Attack(
        "handle = ctypes.create_string_buffer(136)\nhandle[0] = 128\n"
        "return system_call(303, 264, -100, b'@LABELS@', handle, ctypes.byref(ctypes.c_int()), 0)",
        "refused: PermissionError",
    ),
    "the folder of the corpus": Attack("return os.listdir('@CORPUS@')", DENIED),
    "a search of the whole disk": Attack(
        "found = []\n"
        "for folder, _, files in os.walk('/'):\n"
        "    if folder.startswith(('/usr', '/lib', '/sys', '/proc', sys.prefix, sys.base_prefix)):\n"
        "        continue\n"
        "    found += [name for name in files if name.endswith(('mel.npy', 'eeg.npy', 'labels.txt'))]\n"
        "return found",
        r"GOT \[\]",
    ),
    "EEG matched to the readable corpus": Attack(
        "for path in Path('@CORPUS@').rglob('*eeg.npy'):\n"
        "    whole = np.load(path).astype(np.float32).T\n"
        "    for start in range(0, len(whole) - eeg.shape[1], eeg.shape[1]):\n"
        "        if np.array_equal(whole[start : start + eeg.shape[1]], eeg[0]):\n"
        "            return path\n"
        "return list(Path('@CORPUS@').iterdir())",
        DENIED,
    ),
    "the environment of the harness": Attack("return open('/proc/@HARNESS@/environ').read()", DENIED),
    "the arguments of the harness": Attack("return open('/proc/@HARNESS@/cmdline').read()", DENIED),
    "the files that the harness has open": Attack("return os.listdir('/proc/@HARNESS@/fd')", DENIED),
    "where the files of the harness lead": Attack("return os.readlink('/proc/@HARNESS@/exe')", DENIED),
    "the memory of the harness by /proc": Attack("return open('/proc/@HARNESS@/mem', 'rb')", DENIED),
    "the memory of its parent by /proc": Attack("return open(f'/proc/{os.getppid()}/mem', 'rb')", DENIED),
    "the memory of the harness by process_vm_readv": Attack(
        "return system_call(310, 270, @HARNESS@, None, 0, None, 0, 0)", "refused: PermissionError"
    ),
    "the memory of the harness by ptrace": Attack(
        "return system_call(101, 117, 16, @HARNESS@, None, None)", "refused: PermissionError"
    ),
    "descriptors of the harness by pidfd": Attack(
        "pid = os.pidfd_open(@HARNESS@)\nreturn system_call(438, 438, pid, 3, 0)", NOBODY
    ),
    "other processes' numbers": Attack(
        "return [n for n in os.listdir('/proc') if n.isdecimal() and int(n) > 20]",
        r"(GOT \[\]|refused: PermissionError)",
    ),
    "what is told beside the EEG": Attack(
        "texts = [*sys.argv, *os.environ, *os.environ.values(), os.getcwd(), repr(setup)]\n"
        "texts += [os.path.realpath(f'/proc/self/fd/{n}') for n in os.listdir('/proc/self/fd')]\n"
        "texts += open('/proc/self/maps').read().splitlines() + open('/proc/self/cmdline').read().split()\n"
        "texts += [str(path) for path in Path('../given').iterdir()]\n"
        "texts += [path.read_text() for path in Path('../given').glob('*.json')]\n"
        "return [t for t in texts if any(w in t for w in ('sub-0', 'audiobook', 'podcast', '@CORPUS@'))]",
        r"GOT \[\]",
    ),
    "a variable of the caller's environment": Attack(
        "return os.environ['HARNESS_LABELS']", "refused: KeyError"
    ),
    "watching which file is opened when": Attack(
        "return system_call(294, 26, 0)", "refused: PermissionError"
    ),
    "labels by a handle of their path": Attack(
        "handle = os.open('@LABELS@', os.O_PATH)\nreturn open(f'/proc/self/fd/{handle}').read()", DENIED
    ),
    "the first process's environment": Attack("return open('/proc/1/environ').read()", DENIED),
    "how its keeper was told to start it": Attack("return open('../launch.json').read()", DENIED),
    "what it printed": Attack("return open('../log').read()", DENIED),
    "the devices of the host": Attack("return os.listdir('/sys/class')", DENIED),
    "other runs' folders": Attack(
        "own = Path.home().parents[1]\nreturn [p for p in own.parent.iterdir() if p != own]",
        r"(GOT \[\]|refused: PermissionError)",
    ),
    "the module of the harness that ran it": Attack(
        "job = sys.modules['__main__']\n"
        "return [v for v in (sys.argv, vars(job).keys()) if 'segments' in str(v)]",
        r"GOT \[\]",
    ),
}
REACHING_OUT = {
    "TCP to this machine": Attack(
        "return socket.create_connection(('127.0.0.1', @PORT@), 2).send(b'labels')",
        "refused: PermissionError",
    ),
    "TCP that listens": Attack("return socket.create_server(('127.0.0.1', 0))", "refused: PermissionError"),
    "UDP": Attack(
        "one = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
        "return one.sendto(b'labels', ('127.0.0.1', @PORT@))",
        "refused: PermissionError",
    ),
    "a unix socket by its path": Attack(
        "one = socket.socket(socket.AF_UNIX)\none.connect('@SOCKET@')", "refused: PermissionError"
    ),
    "an abstract unix socket": Attack(
        "one = socket.socket(socket.AF_UNIX)\none.connect('\\0@ABSTRACT@')", "refused: PermissionError"
    ),
    "a raw socket": Attack("return socket.socket(17, socket.SOCK_RAW, 3)", "refused: PermissionError"),
    "a socket to the host of a virtual machine": Attack(
        "return socket.socket(40, socket.SOCK_STREAM)", "refused: PermissionError"
    ),
    "the kernel's ciphers": Attack(
        "return socket.socket(38, socket.SOCK_SEQPACKET)", "refused: PermissionError"
    ),
    "netlink": Attack("return socket.socket(16, socket.SOCK_RAW, 0)", "refused: PermissionError"),
    "io_uring, which opens sockets past a filter": Attack(
        "return system_call(425, 425, 8, ctypes.create_string_buffer(120))", ABSENT
    ),
    "a name that is looked up": Attack("return socket.getaddrinfo('example.org', 80)", "refused: gaierror"),
    "System V shared memory": Attack(
        "return system_call(29, 194, 0x5EC2E7, 4096, 0o1666)", "refused: PermissionError"
    ),
    "System V messages": Attack("return system_call(68, 186, 0x5EC2E7, 0o1666)", "refused: PermissionError"),
    "POSIX messages": Attack(
        "return system_call(240, 180, b'labels', 0o102, 0o666, None)", "refused: PermissionError"
    ),
    "the keyring": Attack(
        "return system_call(248, 217, b'user', b'labels', b'secret', 6, -3)", "refused: PermissionError"
    ),
    "POSIX shared memory": Attack(
        "from multiprocessing import shared_memory\n"
        "shared_memory.SharedMemory('@ABSTRACT@', create=True, size=64).unlink()\n"
        "return 'memory of its own'",
        "(GOT memory of its own|refused: PermissionError)",
    ),
    "a fifo for somebody outside": Attack("os.mkfifo('@OUTSIDE@/fifo')", UNWRITABLE),
}
BREAKING_OUT = {
    "a user name space": Attack("return system_call(272, 97, 0x10000000)", "refused: PermissionError"),
    "a name space by clone": Attack(
        "return system_call(56, 220, 0x10000000 | 17, None, None, None, None)", "refused: PermissionError"
    ),
    "clone3, whose flags no filter sees": Attack(
        "return system_call(435, 435, ctypes.create_string_buffer(88), 88)", ABSENT
    ),
    "the name spaces of the harness": Attack("return open('/proc/@HARNESS@/ns/mnt')", DENIED),
    "setns": Attack(
        "return system_call(308, 268, os.open('/proc/self/ns/net', os.O_RDONLY), 0)",
        "refused: PermissionError",
    ),
    "mount": Attack(
        "return system_call(165, 40, b'none', b'/usr', b'tmpfs', 0, None)", "refused: PermissionError"
    ),
    "the new calls that mount": Attack(
        "return system_call(430, 430, b'tmpfs', 0)", "refused: PermissionError"
    ),
    "bpf": Attack("return system_call(321, 280, 0, None, 0)", "refused: PermissionError"),
    "perf": Attack(
        "return system_call(298, 241, ctypes.create_string_buffer(128), 0, -1, -1, 0)",
        "refused: PermissionError",
    ),
    "userfaultfd": Attack("return system_call(323, 282, 1)", "refused: PermissionError"),
    "a call that is newer than the filter": Attack("return system_call(470, 470, 0, 0, 0)", ABSENT),
    "a call by another convention": Attack("return system_call(0x40000000 | 41, 198, 1, 1, 0)", UNWRITABLE),
    "root again": Attack("os.setuid(0)", "refused: (PermissionError|OSError)"),
    "new rights by another program": Attack(
        "status = Path('/proc/self/status').read_text()\n"
        "return [line.split()[1] for line in status.splitlines() if line.startswith(('NoNewPrivs', 'Seccomp:'))]",
        r"GOT \['1', '2'\]",
    ),
    "a device": Attack("os.mknod('disk', 0o60666, os.makedev(8, 0))", "refused: PermissionError"),
    "the terminal": Attack("return open('/dev/tty')", "refused: (FileNotFoundError|PermissionError|OSError)"),
}
DESTROYING = {
    "signal to the harness": Attack("os.kill(@HARNESS@, signal.SIGKILL)", NOBODY),
    "signal to its parent": Attack("os.kill(os.getppid(), signal.SIGTERM)", NOBODY + "|GOT None"),
    "signal by a socket that it makes the harness own": Attack(
        "one, other = socket.socketpair()\n"
        "fcntl.ioctl(one, 0x8901, (@HARNESS@).to_bytes(4, sys.byteorder))\n"
        "fcntl.fcntl(one, fcntl.F_SETFL, os.O_ASYNC)\n"
        "other.send(b'x')",
        "refused: (PermissionError|ProcessLookupError)",
    ),
    "limits of the harness": Attack("resource.prlimit(@HARNESS@, resource.RLIMIT_CPU, (1, 1))", NOBODY),
    "where the kernel writes core dumps": Attack("open('/proc/sys/kernel/core_pattern', 'w')", UNWRITABLE),
    "the caches of the host": Attack("open('/proc/sys/vm/drop_caches', 'w')", UNWRITABLE),
    "cores of the harness": Attack("os.sched_setaffinity(@HARNESS@, {0})", NOBODY),
    "labels emptied": Attack("os.truncate('@LABELS@', 0)", UNWRITABLE),
    "labels emptied by opening them to be read": Attack(
        "return os.open('@LABELS@', os.O_RDONLY | os.O_TRUNC)", UNWRITABLE
    ),
    "labels removed": Attack("os.unlink('@LABELS@')", UNWRITABLE),
    "labels renamed": Attack("os.rename('@LABELS@', '@LABELS@.old')", UNWRITABLE),
    "labels closed to everybody": Attack("os.chmod('@LABELS@', 0)", UNWRITABLE),
    "times of labels": Attack("os.utime('@LABELS@', (0, 0))", UNWRITABLE),
    "a file outside": Attack("open('@OUTSIDE@/file', 'w')", UNWRITABLE),
    "a folder outside": Attack("os.mkdir('@OUTSIDE@/folder')", UNWRITABLE),
    "a file in /tmp": Attack("open('/tmp/@ABSTRACT@', 'w')", UNWRITABLE),
    "its own code rewritten": Attack("open(__file__, 'w').write('# nothing left')", UNWRITABLE),
    "its own code replaced": Attack("open('new', 'w').close()\nos.replace('new', __file__)", UNWRITABLE),
    "its own code made writable": Attack("os.chmod(__file__, 0o777)", UNWRITABLE),
    "its package in the repository rewritten": Attack(
        "open('@PACKAGE@/predictor.py', 'w').write('# nothing left')", UNWRITABLE
    ),
    "the installed packages": Attack("open(np.__file__, 'a')", UNWRITABLE),
    "the code of the harness": Attack("open(sys.argv[0], 'a')", UNWRITABLE),
    "the EEG of a later batch": Attack("open('../given/000001.npy', 'w')", UNWRITABLE),
}
EXHAUSTING = {
    "a fork bomb": Attack(
        "while True:\n    if os.fork() == 0:\n        time.sleep(60)",
        fails=r"\d+ of its processes still ran 2 s after it ended",
        run={"processes": 40},
    ),
    "threads": Attack(
        "while True:\n    threading.Thread(target=time.sleep, args=[60], daemon=True).start()",
        "refused: RuntimeError",
        run={"processes": 40},
    ),
    "memory": Attack("return len(bytearray(2**31))", "refused: MemoryError", run={"memory_bytes": 2**29}),
    "memory of many processes": Attack(
        "for _ in range(6):\n"
        "    if os.fork() == 0:\n"
        "        kept = b'x' * 2**27\n"
        "        time.sleep(60)\n"
        "time.sleep(60)",
        fails=r"its processes hold \d+ MiB of memory, the limit is 400 MiB",
        run={"memory_bytes": 400 * 2**20},
    ),
    "its place among those that go first when memory ends": Attack(
        "return os.write(os.open('/proc/self/oom_score_adj', os.O_WRONLY), b'0')", UNWRITABLE
    ),
    "secret memory files": Attack("return system_call(447, 447, 0)", "refused: PermissionError"),
    "memory files": Attack("return os.memfd_create('x')", ABSENT),
    "shared memory": Attack(
        "with open('/dev/shm/x', 'wb') as file:\n    while True:\n        file.write(bytes(2**24))",
        "refused: (OSError|PermissionError)",
        run={"file_bytes": 2**30},
    ),
    "shared memory without a file": Attack(
        "import mmap\nreturn len(mmap.mmap(-1, 4096))", UNCOUNTED or "refused: PermissionError"
    ),
    "shared memory by /dev/zero": Attack(
        "import mmap\nwith open('/dev/zero', 'r+b') as file:\n    return len(mmap.mmap(file.fileno(), 4096))",
        UNCOUNTED or "refused: (OSError|PermissionError)",
    ),
    "a process left behind that calls itself as bubblewrap": Attack(
        "ready, done = os.pipe()\n"
        "if os.fork() == 0:\n    libc.prctl(15, b'bwrap', 0, 0, 0)\n    os.write(done, b'x')\n    time.sleep(60)\n"
        "    os._exit(0)\nos.read(ready, 1)\nreturn 'nothing'",
        fails=r"1 of its processes still ran .* \(bwrap\)",
    ),
    "a process left behind with lines in its name": Attack(
        "ready, done = os.pipe()\n"
        "if os.fork() == 0:\n    libc.prctl(15, b'\\x1b[2J\\nok:r=1', 0, 0, 0)\n    os.write(done, b'x')\n"
        "    time.sleep(60)\n    os._exit(0)\nos.read(ready, 1)\nreturn 'nothing'",
        fails=r"1 of its processes still ran .* \(\\x1b\[2J\\nok:r=1\)",
    ),
    "buffers of socket pairs": Attack("return len(socket.socketpair())", "refused: PermissionError"),
    "open files": Attack(
        "kept = []\nwhile True:\n    kept.append(open('/dev/null'))",
        "refused: OSError",
        run={"open_files": 64},
    ),
    "a file too large": Attack(
        "with open('big', 'wb') as file:\n    file.seek(2**40)\n    file.write(b'x')", "refused: OSError"
    ),
    "a full disk": Attack(
        "for n in range(40):\n    open(f'{n}', 'wb').write(bytes(2**20))\ntime.sleep(60)",
        fails="wrote more than 30 MiB of files",
        run={"disk_bytes": 30 * 2**20},
    ),
    "a full disk under a name that is gone": Attack(
        "kept = []\nfor n in range(40):\n    kept.append(open('name', 'wb'))\n    os.unlink('name')\n"
        "    kept[-1].write(bytes(2**20))\n    kept[-1].flush()\ntime.sleep(60)",
        fails="wrote more than 30 MiB of files",
        run={"disk_bytes": 30 * 2**20},
    ),
    "a million files": Attack(
        "for n in range(2000):\n    open(f'{n}', 'w').close()\ntime.sleep(60)",
        fails="made more than 500 files and folders",
        run={"files": 500},
    ),
    "a full disk that is full before anybody looks": Attack(
        "for n in range(40):\n    open(f'{n}', 'wb').write(bytes(2**20))\nreturn 'full'",
        fails="wrote more than 30 MiB of files",
        run={"disk_bytes": 30 * 2**20},
    ),
    "folders too deep, and closed": Attack(
        "for _ in range(1100):\n    os.mkdir('d')\n    os.chdir('d')\nos.mkdir('closed', 0)\nreturn 'deep'",
        "GOT deep",
    ),
    "a flood of output": Attack(
        "while True:\n    os.write(1, b'x' * 2**16)",
        fails="printed more than 1 MiB",
        run={"output_bytes": 2**20},
    ),
    "a flood that ends before anybody looks": Attack(
        "os.write(1, b'x' * 2**21)\nreturn 'flooded'",
        fails="printed more than 1 MiB",
        run={"output_bytes": 2**20},
    ),
    "a log made a sparse giant": Attack("os.ftruncate(1, 2**40)", "refused: OSError"),
    "time": Attack("time.sleep(60)", fails="ran past the time limit of 0.8 s", run={"seconds": 0.8}),
    "CPU time": Attack("while True:\n    pass", fails="SIGXCPU|SIGKILL", run={"cpu_seconds": 0}),
    "processes that outlive it": Attack(
        "if os.fork() == 0:\n    os.setsid()\n    if os.fork() == 0:\n        time.sleep(60)\n    os._exit(0)\n"
        "os.wait()\nreturn 'left'",
        fails="of its processes still ran 2 s after it ended",
    ),
    "a fork into a new session every millisecond": Attack(
        "if os.fork() == 0:\n    while True:\n        if os.fork():\n            os._exit(0)\n"
        "        os.setsid()\n        time.sleep(0.001)\nreturn 'left'",
        fails="of its processes still ran 2 s after it ended",
    ),
    "a core dump": Attack("resource.setrlimit(resource.RLIMIT_CORE, (2**30, 2**30))", "refused: ValueError"),
}
LYING = {
    "a sparse giant as prediction": Attack(
        "np.save = lambda file, array: os.ftruncate(file.fileno(), 2**27)",
        fails="000000.npy is not a regular file of at most 97408 bytes",
        run={},
    ),
    "a fifo as prediction": Attack(
        "os.mkfifo('../out/000000.npy')\nreport('{\"seconds\": 0}')\ntime.sleep(60)",
        "refused: PermissionError",
        fails="000000.npy is not a regular file of at most 97408 bytes",
    ),
    # What is said depends on who is quicker.
    "folders in the place of what it reported": Attack(
        "def swap():\n"
        "    while True:\n"
        "        for name in os.listdir('../out'):\n"
        "            try:\n"
        "                os.unlink(f'../out/{name}')\n"
        "                os.mkdir(f'../out/{name}')\n"
        "            except OSError:\n"
        "                continue\n"
        "threading.Thread(target=swap, daemon=True).start()",
        "GOT None",
        fails=r"the process wrote something else: \w+.(json|npy) (is not a regular file|is missing|cannot be removed)"
        "|ended with exit code 1 before its work was done",
    ),
    "a link as prediction": Attack(
        "os.symlink('@LABELS@', '../out/000000.npy')\nreport('{\"seconds\": 0}')\ntime.sleep(60)",
        fails=r"000000.npy cannot be opened as a file \(Too many levels of symbolic links\)",
    ),
    "a pickle as prediction": Attack(
        "np.save = lambda file, array: file.write(b'cos\\nsystem\\n' + bytes(97396))",
        fails="000000.npy is not an npy file of float32",
    ),
    "a report that is nested too deep": Attack(
        "report('[' * 10**5)\ntime.sleep(60)", fails="000000.json is not JSON"
    ),
    "a report of negative time": Attack(
        "report('{\"seconds\": -1}')\ntime.sleep(60)",
        fails="000000.json is not a report",
    ),
    "a report that paints the terminal": Attack(
        'report(\'{"faults": [["\\\\u001b[2Jgone", "", "", null]]}\')\ntime.sleep(60)',
        fails=r"(?<!\x1b)\[2Jgone",
    ),
    "the check of predictions switched off": Attack(
        "sys.modules['__main__'].check_prediction = lambda *_: []\n"
        "np.cumsum = lambda eeg, axis: eeg * np.nan",
        fails="are NaN or infinite",
    ),
    # Which of the two is said depends on whether the copy comes to its word before its time is over.
    "a copy that answers twice": Attack(
        "os.fork()", fails="came back in a second process|of its processes still ran 2 s after it ended"
    ),
    "an end without a word": Attack("os._exit(0)", fails="ended with exit code 0 before its work was done"),
    "another program in its place": Attack(
        "os.execv('/bin/sh', ['sh', '-c', 'cat @LABELS@; exit 0'])",
        fails="ended with exit code 0 before its work was done",
    ),
    "a time bomb that spares the dry run": Attack(
        "if len(eeg) > 4:\n    os.abort()", fails="its process was ended by SIGABRT"
    ),
}
# Code that no hash would hold: it is not there when the package runs.
HIDING = {
    "code in a document": Attack(
        "exec(Path(__file__).with_name('notes.md').read_text())", DENIED, files={"notes.md": "print('ran')"}
    ),
    "code in a licence": Attack(
        "exec(Path(__file__).with_name('LICENSE').read_text())", DENIED, files={"LICENSE": "print('ran')"}
    ),
    "code in the manifest": Attack("return Path(__file__).with_name('submission.toml').read_text()", DENIED),
    "code among checkpoints": Attack(
        "exec(Path(__file__).with_name('training').joinpath('x.csv').read_text())",
        DENIED,
        files={"training/x.csv": "print('ran')"},
    ),
    "code in a file half written": Attack(
        "exec(Path(__file__).with_name('x.partial').read_text())", DENIED, files={"x.partial": "print('ran')"}
    ),
    "code in a hidden file of an editor": Attack(
        "exec(Path(__file__).with_name('.model.py.swp').read_text())",
        DENIED,
        files={".model.py.swp": "print('ran')"},
    ),
    "compiled code beside its source": Attack(
        "import helper\nreturn helper.NAME", "GOT source", files={"helper.py": "NAME = 'source'\n"}
    ),
    "compiled code without a source": Attack(
        "import helper\nreturn helper.NAME", "refused: ModuleNotFoundError", files={"helper.pyc": "compiled"}
    ),
    "code that Python runs at its start": Attack(
        "return 'the rest'",
        "GOT the rest",
        files={
            "sitecustomize.py": "print('ran')",
            "usercustomize.py": "print('ran')",
            "x.pth": "import sys; print('ran')",
            "conftest.py": "print('ran')",
            "setup.py": "print('ran')",
        },
    ),
}
SETS = {
    "reading": READING,
    "reaching out": REACHING_OUT,
    "breaking out": BREAKING_OUT,
    "destroying": DESTROYING,
    "exhausting": EXHAUSTING,
    "lying": LYING,
    "hiding": HIDING,
}
ATTACKS = {name: attack for attacks in SETS.values() for name, attack in attacks.items()}
