"""A command that is asked to stop does, whatever its libraries make of the interrupt."""

import signal
import subprocess
import sys
import textwrap

import pytest

START = """
import signal, sys, threading, time, weakref
signal.signal(signal.SIGHUP, signal.SIG_DFL)  # which tests under nohup ignore
from harness.cli.group import cli
from harness.cli.main import main

def wait(seconds):
    print("ready", flush=True)
    time.sleep(seconds)

@cli.command("work")
def work():
{body}

sys.argv = ["harness", "work"]
main()
"""
LOST = """
try:
    wait(60)
except KeyboardInterrupt:
    pass
time.sleep(60)
"""
LOST_IN_A_CALLBACK = """
class Thing:
    def __del__(self):
        wait(60)
thing = Thing()
del thing
time.sleep(60)
"""
TURNED_INTO_ANOTHER = """
try:
    wait(60)
except KeyboardInterrupt:
    raise ImportError("extension failed") from None
"""
CLEARING_UP = """
try:
    wait(60)
finally:
    for _ in range(5):
        time.sleep(0.2)
        try:
            raise OSError("no such file")
        except OSError:
            time.sleep(0.2)
    print("cleared up", flush=True)
"""
CUT_OFF = """
threading.Thread(target=time.sleep, args=(60,)).start()
wait(60)
"""
DONE = """
wait(0.5)
print("done", flush=True)
"""


def started(body):
    """A command under way, which has said that it is ready."""
    code = START.format(body=textwrap.indent(body, "    "))
    pipe = subprocess.PIPE
    process = subprocess.Popen([sys.executable, "-c", code], stdout=pipe, stderr=pipe, text=True)
    assert process.stdout.readline() == "ready\n"
    return process


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize(
    "body", [LOST, LOST_IN_A_CALLBACK, TURNED_INTO_ANOTHER], ids=["lost", "callback", "other"]
)
def test_an_interrupt_that_a_library_lost_ends_the_command(body, number):
    process = started(body)
    process.send_signal(number)
    out, err = process.communicate(timeout=30)
    assert (process.returncode, out) == (128 + number, "")
    assert err.strip() == "interrupted: nothing half-written is left behind"


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_clearing_up_is_not_interrupted_by_the_same_signal(number):
    process = started(CLEARING_UP)
    process.send_signal(number)
    out, _ = process.communicate(timeout=30)
    assert (process.returncode, out) == (128 + number, "cleared up\n")


@pytest.mark.slow
def test_a_second_ctrl_c_ends_the_clearing_up():
    process = started(CLEARING_UP)
    process.send_signal(signal.SIGINT)
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(0.5)
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=30)
    assert (process.returncode, out) == (130, "")


@pytest.mark.slow
def test_a_thread_that_waits_for_ever_does_not_keep_the_command():
    process = started(CUT_OFF)
    process.terminate()
    _, err = process.communicate(timeout=30)
    assert process.returncode == 143
    assert "interrupted" in err


def test_a_command_that_nobody_stops_ends_as_always():
    process = started(DONE)
    out, err = process.communicate(timeout=30)
    assert (process.returncode, out, err) == (0, "done\n", "")
