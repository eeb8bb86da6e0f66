"""A cluster of one node on this machine: munge, slurmctld and slurmd in a private folder, for a session."""

import os
import secrets
import shutil
import socket
import subprocess
import time
from pathlib import Path

import pytest

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "squeue", "scontrol", "scancel")
CONFIGURATION = """
ClusterName=tests
SlurmctldHost={host}(127.0.0.1)
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CredType=cred/munge
SlurmUser=root
SlurmdUser=root
SlurmctldPort={ctld_port}
SlurmdPort={d_port}
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/pgid
TaskPlugin=task/none
MpiDefault=none
SwitchType=switch/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SchedulerType=sched/builtin
SchedulerParameters=batch_sched_delay=0,sched_interval=1
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
ReturnToService=2
KillWait=5
MinJobAge=30
JobRequeue=1
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} RealMemory=4000 State=UNKNOWN
PartitionName=tests Nodes={host} Default=YES MaxTime=60 State=UP
"""


def _free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


@pytest.fixture(scope="session")
def slurm_folder(tmp_path_factory):
    """The folder of a cluster that runs; skipped where it cannot."""
    lacking = [program for program in PROGRAMS if _where(program) is None]
    if lacking:
        pytest.skip(f"no {', '.join(lacking)}: Debian's package slurm-wlm has them")
    if os.geteuid() != 0:
        pytest.skip("slurmd is started as root only")
    # A socket's path is at most 108 bytes, and munge wants folders that nobody else may write to.
    folder = Path("/run") / f"harness-slurm-{os.getpid()}"
    folder.mkdir(mode=0o755)
    for name in ("state", "spool"):
        (folder / name).mkdir()
    key = folder / "munge.key"
    key.write_bytes(secrets.token_bytes(128))
    key.chmod(0o600)
    host = socket.gethostname().partition(".")[0]
    (folder / "slurm.conf").write_text(
        CONFIGURATION.format(
            folder=folder, host=host, ctld_port=_free_port(), d_port=_free_port(), cpus=os.cpu_count()
        )
    )
    environment = {**os.environ, "SLURM_CONF": str(folder / "slurm.conf")}
    commands = (
        ["munged", "--foreground", "--force", f"--socket={folder}/munge.socket", f"--key-file={key}",
         f"--pid-file={folder}/munged.pid", f"--log-file={folder}/munged.log", f"--seed-file={folder}/munge.seed"],
        ["slurmctld", "-D", "-i"],
        ["slurmd", "-D", "-N", host],
    )  # fmt: skip
    started = []
    try:
        for command in commands:
            with (folder / f"{command[0]}.out").open("wb") as out:
                words = [_where(command[0]), *command[1:]]
                started.append(
                    subprocess.Popen(words, env=environment, stdin=subprocess.DEVNULL, stdout=out, stderr=out)
                )
            if command[0] == "munged":
                _until(lambda: (folder / "munge.socket").exists(), "munged", folder)
        _until(lambda: _idle(environment), "a node that is idle", folder)
        yield folder
    finally:
        for process in started[1:]:
            process.terminate()
        for process in started[:1]:  # munged has nothing to save, and may wait for others' sockets
            process.kill()
        for process in started:
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def slurm(slurm_folder, monkeypatch):
    """The cluster, for the commands of a test; its queue is empty at the end."""
    monkeypatch.setenv("SLURM_CONF", str(slurm_folder / "slurm.conf"))
    yield slurm_folder
    subprocess.run(["scancel", "--user", "root"], check=False)
    # A step that ends after slurmctld tries to reach it for a quarter of a minute, and slurmd waits for it.
    _until(lambda: _empty(slurm_folder), "end of all jobs", slurm_folder)


def _where(program):
    return shutil.which(program, path=f"{os.environ['PATH']}:/usr/sbin:/sbin")


def _idle(environment):
    asked = subprocess.run(
        ["sinfo", "--noheader", "--format=%T"], env=environment, capture_output=True, text=True
    )
    return asked.stdout.strip() == "idle"


def _empty(folder):
    asked = subprocess.run(
        ["squeue", "--noheader"],
        env={**os.environ, "SLURM_CONF": str(folder / "slurm.conf")},
        capture_output=True,
        text=True,
    )
    return asked.returncode == 0 and not asked.stdout.strip()


def _until(condition, what, folder, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            logs = "\n".join(path.read_text()[-2000:] for path in sorted(folder.glob("*.out")))
            pytest.fail(f"no {what} after {seconds} s\n{logs}")
        time.sleep(0.1)
