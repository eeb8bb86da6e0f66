"""The predictor's process: every way in which a submission can fail, and what is left after it."""

from __future__ import annotations

import datetime
import errno
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import textwrap
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import psutil
import pytest

from harness.errors import PredictorError, ShapeError, UsageError
from harness.execution import PredictorSpec, Run, SegmentInput, child, isolation, predict_segments
from harness.execution.drive import weights_name
from harness.predictor import Setup

N_TIMES = 64
GOOD = """
    class Decoder:
        def __init__(self, setup):
            self.setup = setup

        def predict(self, eeg, subjects):
            return 2 * eeg[:, :, : self.setup.n_bands]
"""


# Of the order in which they are asked: segments as they are named, for n of 2, 3 and 5.
IN_ORDER = "1216"


@pytest.fixture(autouse=True)
def scratch(tmp_path, monkeypatch):
    """Keep temporary files here; whatever a test does, none may be left, and no process."""
    folder = tmp_path / "scratch"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    yield folder
    assert list(folder.iterdir()) == []
    assert processes_in(folder) == []


def processes_in(folder):
    """Command lines of the processes that were started in a folder, or work there."""
    found = []
    for process in psutil.process_iter():
        try:
            line = " ".join(process.cmdline())
            if process.status() != psutil.STATUS_ZOMBIE and str(folder) in line + process.cwd():
                found.append(line)
        except (psutil.Error, OSError):  # gone, or in a folder too deep to name
            continue
    return found


@pytest.fixture(params=[isolation.bubblewrap, isolation.landlocked], ids=["bubblewrap", "landlock"])
def means(request):
    """Each means of isolation that works here."""
    isolation.bubblewrap()  # starts a process, once: a test may let none start
    tried = request.param()
    if not tried.works:
        pytest.skip(f"{tried.name}: {tried.detail}")
    return tried.name


@pytest.fixture
def predict(tmp_path, means):
    """Write ``code`` as a submission and predict ``n`` segments; return a plain copy of the run."""

    def run(code, n=5, entry_point="model:Decoder", setup=None, read_eeg=None, subject="sub-086", **options):
        folder = tmp_path / "demo"
        folder.mkdir(exist_ok=True)
        (folder / "model.py").write_text(textwrap.dedent(code))
        spec = PredictorSpec("demo", folder, entry_point, make_setup(**(setup or {})))
        segments = [SegmentInput(f"sub-086_x_{i:03d}", subject) for i in range(n)]
        options = {"batch_segments": 2, **options}
        options["run"] = replace(options.get("run", Run()), isolation=means, order_seed=IN_ORDER)
        with predict_segments(spec, segments, read_eeg or eeg_of, **options) as made:
            copies = {name: np.array(array) for name, array in made.predictions.items()}
        return copies, made

    return run


def make_setup(**changes):
    standard = {
        "feature": "mel",
        "n_bands": 10,
        "n_frames": N_TIMES,
        "n_channels": 64,
        "segment_samples": N_TIMES,
        "sample_rate_hz": 64,
        "variant": "base",
        "options": {"width": 3},
        "weights": None,
        "seed": 7,
    }
    return Setup(**{**standard, **changes})


def eeg_of(i):
    return np.random.default_rng(i).standard_normal((N_TIMES, 64)).astype(np.float32)


def body(code):
    """A submission whose predict has this body."""
    return (
        "import os, sys, time\nimport numpy as np\n\n\nclass Decoder:\n"
        "    def __init__(self, setup):\n        self.setup = setup\n\n"
        "    def predict(self, eeg, subjects):\n" + textwrap.indent(textwrap.dedent(code), " " * 8)
    )


# What a good submission gets and gives


def test_predictions_are_paired_by_id_and_read_only(predict, tmp_path):
    copies, run = predict(GOOD)
    assert sorted(copies) == [f"sub-086_x_{i:03d}" for i in range(5)]
    for i in range(5):
        np.testing.assert_array_equal(copies[f"sub-086_x_{i:03d}"], 2 * eeg_of(i)[:, :10])
    assert 0 <= run.seconds <= run.wall_seconds
    assert run.predictions == {}

    spec = PredictorSpec("demo", tmp_path / "demo", "model:Decoder", make_setup())
    with predict_segments(spec, [SegmentInput("a", "sub-001")], eeg_of) as run:
        array = run.predictions["a"]
        assert array.dtype == np.float32
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0
    np.testing.assert_array_equal(array, 2 * eeg_of(0)[:, :10])  # an array kept stays readable


def test_setup_arrives_as_given(predict, tmp_path):
    weights = tmp_path / "weights.npy"
    weights.write_bytes(b"numbers")
    code = body("return np.zeros((len(eeg), 64, 1), np.float32)").replace(
        "self.setup = setup", "print(setup.weights.read_bytes(), setup)"
    )
    setup = {
        "feature": "envelope",
        "n_bands": 1,
        "options": {"deep": {"rate": 0.5}, "layers": [1, 2]},
        "weights": weights,
    }
    _, run = predict(code, n=1, setup=setup)
    copy = re.search(r"PosixPath\('(.*?)'\)", run.output).group(1)
    assert run.output == f"b'numbers' {make_setup(**{**setup, 'weights': Path(copy)})}"
    assert copy.startswith(f"{tmp_path}/scratch/harness-")


def test_predictor_sees_eeg_and_subjects_of_each_batch(predict):
    code = body("print(type(eeg).__name__, eeg.dtype, eeg.shape, eeg.flags.writeable, subjects)")
    _, run = predict(code + "\n        return eeg[:, :, :10]", n=3)
    assert run.output == (
        "ndarray float32 (2, 64, 64) False ['sub-086', 'sub-086']\n"
        "ndarray float32 (2, 64, 64) False ['sub-086', 'sub-086']"
    )


def test_module_beside_the_entry_point_is_importable(predict, tmp_path):
    (tmp_path / "demo" / "parts").mkdir(parents=True)
    (tmp_path / "demo" / "parts" / "entry.py").write_text("from model import Decoder\n")
    copies, _ = predict(GOOD, n=1, entry_point="parts.entry:Decoder")
    np.testing.assert_array_equal(copies["sub-086_x_000"], 2 * eeg_of(0)[:, :10])


def test_no_segments_start_no_process(predict, monkeypatch):
    monkeypatch.setattr(child.subprocess, "Popen", None)
    copies, run = predict("this is not Python", n=0)
    assert (copies, run.seconds, run.wall_seconds, run.output) == ({}, 0.0, 0.0, "")


@pytest.mark.slow
def test_two_workers_give_what_one_gives_even_with_random_numbers(predict):
    code = body("return np.random.standard_normal((len(eeg), 64, 10)).astype(np.float32)")
    one, _ = predict(code, n=11, run=Run(jobs=1))
    two, _ = predict(code, n=11, run=Run(jobs=2))
    again, _ = predict(code, n=11, run=Run(jobs=2), setup={"seed": 8})
    assert list(one) == list(two)
    assert all(np.array_equal(one[name], two[name]) for name in one)
    assert not any(np.array_equal(one[name], again[name]) for name in one)
    assert len({array.tobytes() for array in one.values()}) == 11


def test_seed_sets_python_hashes_and_generators(predict):
    code = body("print(hash('x'), random.random())\nreturn eeg[:, :, :10]")
    outputs = {predict("import random\n" + code, n=1)[1].output for _ in range(2)}
    assert len(outputs) == 1


def test_progress_counts_segments(predict):
    seen = []
    predict(GOOD, on_progress=lambda *counts: seen.append(counts))
    assert seen == [(2, 5), (4, 5), (5, 5)]


def test_output_keeps_the_last_lines_without_terminal_codes(predict):
    code = body("for i in range(30): print(f'\\x1b[31mline {i}\\x1b[0m\\a')\nreturn eeg[:, :, :10]")
    _, run = predict(code, n=1)
    assert run.output == "\n".join(f"line {i}" for i in range(10, 30))


def test_seconds_are_never_more_than_possible(predict):
    lie = body("real = time.perf_counter()\ntime.perf_counter = lambda: real + 1e6")
    _, run = predict(lie + "\n        return eeg[:, :, :10]", n=1)
    assert run.seconds == run.wall_seconds < 60


# What a submission cannot see


def test_environment_is_made_for_it_and_nothing_is_inherited(predict, monkeypatch, scratch):
    monkeypatch.setenv("HARNESS_LABELS", "/labels")
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    code = body(
        "import json\nprint(json.dumps([dict(os.environ), os.getcwd(), sys.argv, sys.path]))\n"
        "return eeg[:, :, :10]"
    )
    _, run = predict("import json\n" + code, n=1)
    environment, cwd, argv, path = json.loads(run.output)
    home = Path(cwd)
    assert home.is_relative_to(scratch)
    assert environment == {
        "PATH": f"{Path(sys.executable).parent}:/usr/local/bin:/usr/bin:/bin",
        "HOME": cwd,
        "TMPDIR": cwd,
        "XDG_CACHE_HOME": cwd,
        "USER": "predictor",
        "LANG": "C.UTF-8",
        "PYTHONPATH": str(home.parents[1] / "lib"),
        "PYTHONHASHSEED": "7",
        "OMP_WAIT_POLICY": "PASSIVE",
        "OMP_NUM_THREADS": "3",
        "OPENBLAS_NUM_THREADS": "3",
        "MKL_NUM_THREADS": "3",
        "NUMEXPR_NUM_THREADS": "3",
    }
    assert argv == [str(child.WORKER), str(home.parent)]
    assert path[:2] == [str(home.parents[1] / "code"), str(home.parents[1] / "lib")]


def test_no_file_descriptor_is_inherited(predict, tmp_path):
    with (tmp_path / "labels").open("w") as labels:
        os.set_inheritable(labels.fileno(), True)
        code = """
        for number in os.listdir('/proc/self/fd'):
            if os.path.exists(f'/proc/self/fd/{number}'):
                print(os.readlink(f'/proc/self/fd/{number}'))
        return eeg[:, :, :10]
        """
        _, run = predict(body(code), n=1)
    files = sorted(Path(name).name for name in run.output.splitlines())
    assert files == ["000000.npy", "log", "log", "null"]


def test_neither_ids_nor_labels_are_in_its_folder(predict):
    code = """
    seen = 0
    for folder, _, files in (*os.walk('..'), *os.walk('../given'), *os.walk('../out')):
        for name in files:
            with open(os.path.join(folder, name), 'rb') as file:
                seen += 1
                if b'_x_0' in file.read() or '_x_0' in name:
                    print('found in', name)
    print(seen >= 4)
    return eeg[:, :, :10]
    """
    _, run = predict(body(code), n=2)  # one batch: no file goes while it looks
    assert run.output == "True"


# Every way to fail, and the whole message of each

START = "demo, starting model:Decoder"
BATCH = "demo, batch 1 of 3, segments sub-086_x_000, sub-086_x_001"
INIT = "class Decoder:\n    def __init__(self, setup):\n        "

FAILURES = {
    "import: missing package": (
        "import package_that_nobody_has\n",
        f"""\
{START}: importing model failed, there is no package or module 'package_that_nobody_has'.
  Install it where the harness is installed, or put the file beside the entry point.
  Its last lines:
    model.py:1 in <module>: import package_that_nobody_has
    ModuleNotFoundError: No module named 'package_that_nobody_has'""",
    ),
    "import: raises": (
        "x = 1\nx.y\n",
        f"""\
{START}: importing model raised AttributeError: 'int' object has no attribute 'y'.
  Its last lines:
    model.py:2 in <module>: x.y
    AttributeError: 'int' object has no attribute 'y'""",
    ),
    "import: syntax": (
        "def f(:\n",
        f"""\
{START}: importing model raised SyntaxError: invalid syntax.
  Its last lines:
    File "model.py", line 1
        def f(:
              ^
    SyntaxError: invalid syntax""",
    ),
    "import: exit(0)": (
        "import sys\nsys.exit(0)\n",
        f"""\
{START}: importing model called exit(0).
  Raise an exception that says what is wrong.""",
    ),
    "import: os._exit(0)": (
        "import os\nprint('bye')\nos._exit(0)\n",
        f"""\
{START}: its process ended with exit code 0 before its work was done.
  Raise an exception that says what is wrong.
  Its last lines:
    bye""",
    ),
    "class missing": (
        "from pathlib import Path\nclass Other: ...\n",
        f"{START}: model has no class Decoder.\n  Classes there: Other.",
    ),
    "constructor: signature": (
        "class Decoder:\n    def __init__(self): ...\n",
        f"{START}: Decoder() does not take 1 positional argument (too many positional arguments), "
        "expected def __init__(self, setup).",
    ),
    "constructor: raises": (
        INIT + "raise RuntimeError('no weights')\n",
        f"""\
{START}: Decoder(setup) raised RuntimeError: no weights.
  Its last lines:
    model.py:3 in __init__: raise RuntimeError('no weights')
    RuntimeError: no weights""",
    ),
    "predict: missing": (
        INIT + "pass\n",
        f"{START}: Decoder has no method predict, expected def predict(self, eeg, subjects).",
    ),
    "predict: signature": (
        INIT + "pass\n    def predict(self, eeg): ...\n",
        f"{START}: Decoder.predict(eeg) does not take 2 positional arguments "
        "(too many positional arguments), expected def predict(self, eeg, subjects).",
    ),
    "predict: raises": (
        body("self.find('sub-999')") + "\n\n    def find(self, name):\n        return {}[name]\n",
        f"""\
{BATCH}: predict raised KeyError: 'sub-999'.
  Its last lines:
    model.py:10 in predict: self.find('sub-999')
    model.py:13 in find: return {{}}[name]
    KeyError: 'sub-999'""",
    ),
    "predict: exit(0)": (
        body("sys.exit(0)"),
        f"{BATCH}: predict called exit(0).\n  Raise an exception that says what is wrong.",
    ),
    "predict: os._exit(3)": (
        body("os._exit(3)"),
        f"""\
{BATCH}: its process ended with exit code 3 before its work was done.
  Raise an exception that says what is wrong.""",
    ),
    "predict: SIGKILL": (
        body("os.kill(os.getpid(), 9)"),
        f"""\
{BATCH}: its process was ended by SIGKILL.
  Nobody here sent it: the machine may have run out of memory.""",
    ),
    "predict: MemoryError": (
        body("np.ones(10**12)"),
        f"""\
{BATCH}: predict ran out of memory, the limit is 8192 MiB.
  Work on fewer segments at once, or ask for a higher limit.
  Its last lines:
    model.py:10 in predict: np.ones(10**12)
    numpy._core._exceptions._ArrayMemoryError: Unable to allocate 7.28 TiB for an array with \
shape (1000000000000,) and data type float64""",
    ),
    "predict: writes into the EEG": (
        body("eeg -= 1\nreturn eeg[:, :, :10]"),
        f"""\
{BATCH}: predict raised ValueError: output array is read-only.
  EEG is read-only: copy it first (eeg = eeg.copy()).
  Its last lines:
    model.py:10 in predict: eeg -= 1
    ValueError: output array is read-only""",
    ),
    "output: list": (
        body("return eeg.tolist()"),
        f"""\
{BATCH}: predict returned an object of type list, expected a numpy array.
  Return one array for the whole batch.""",
    ),
    "output: axes swapped": (
        body("return eeg[:, :, :10].transpose(0, 2, 1)"),
        f"""\
{BATCH}: predict returned shape (2, 10, 64), expected (2, 64, 10) (n_segments, n_frames, n_bands).
  Axes look swapped: return array.transpose(0, 2, 1).""",
    ),
    "output: fifteen frames short": (
        body("return eeg[:, 15:, :10]"),
        f"""\
{BATCH}: predict returned shape (2, 49, 10), expected (2, 64, 10) (n_segments, n_frames, n_bands).
  Return n_frames = 64 frames (setup.n_frames): none are added or cut here.""",
    ),
    "output: float64": (
        body("return eeg[:, :, :10].astype(float)"),
        f"""\
{BATCH}: predict returned float64 values, expected float32.
  Return array.astype(np.float32).""",
    ),
    "output: NaN in one segment": (
        body("out = eeg[:, :, :10].copy()\nout[1, 3:5] = np.nan\nreturn out"),
        "demo, batch 1 of 3, segment sub-086_x_001: 20 of 640 predicted values are NaN or infinite, "
        "expected finite values.",
    ),
    "output: infinite in every segment": (
        body("print('hm')\nreturn np.full((len(eeg), 64, 10), np.inf, np.float32)"),
        """\
demo, batch 1 of 3, segment sub-086_x_000: 640 of 640 predicted values are NaN or infinite, \
expected finite values.
demo, batch 1 of 3, segment sub-086_x_001: 640 of 640 predicted values are NaN or infinite, \
expected finite values.
  Its last lines:
    hm""",
    ),
    "fork that comes back": (
        body("os.fork()\nreturn eeg[:, :, :10]"),
        """\
demo: predict came back in a second process, expected a forked process that ends by itself.
  End it with os._exit(0), or use multiprocessing.""",
    ),
    "fork at import that comes back": (
        "import os\nos.fork()\n" + textwrap.dedent(GOOD),
        """\
demo: importing model came back in a second process, expected a forked process that ends by itself.
  End it with os._exit(0), or use multiprocessing.""",
    ),
    "check in the process switched off": (
        "import sys\n"
        + body(
            "sys.modules['__main__'].check_prediction = lambda *_: []\n"
            "return np.full((len(eeg), 64, 10), np.nan, np.float32)"
        ),
        """\
demo, batch 1 of 3, segment sub-086_x_000: 640 of 640 predicted values are NaN or infinite, \
expected finite values.
demo, batch 1 of 3, segment sub-086_x_001: 640 of 640 predicted values are NaN or infinite, \
expected finite values.""",
    ),
    "prediction file of another shape": (
        body(
            "np.save = lambda file, array: file.write(b'x' * 10**4)\n"
            "return np.zeros((len(eeg), 64, 10), np.float32)"
        ),
        f"{BATCH}: the process wrote something else: 000000.npy is not a regular file of at most 5248 bytes.",
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", FAILURES)
def test_failure_says_where_what_and_how_to_mend_it(predict, name):
    code, message = FAILURES[name]
    with pytest.raises(PredictorError) as caught:
        predict(code)
    assert str(caught.value) == message


def test_fault_in_a_later_batch_names_it(predict):
    code = body(f"return None if eeg[0, 0, 0] == {eeg_of(4)[0, 0]!r} else eeg[:, :, :10]")
    with pytest.raises(PredictorError) as caught:
        predict(code, run=Run(jobs=2))
    assert str(caught.value) == (
        "demo, batch 3 of 3, segment sub-086_x_004: predict returned None, expected a numpy array.\n"
        "  Is a return missing?"
    )


def test_segmentation_fault_shows_the_submissions_line(predict):
    with pytest.raises(PredictorError) as caught:
        predict(body("import ctypes\nctypes.string_at(0)"))
    message = str(caught.value)
    assert message.startswith(f"{BATCH}: its process was ended by SIGSEGV.\n  Its last lines:\n")
    assert 'code/model.py", line 11 in predict' in message
    assert "worker.py" not in message


@pytest.mark.parametrize(
    ("entry_point", "message"),
    [
        (
            "modell:Decoder",
            "demo, entry point modell:Decoder: there is no file modell.py in FOLDER.\n"
            "  Python files there: model.py.",
        ),
        (
            "../model:Decoder",
            "demo, entry point ../model:Decoder: not of the form, expected module:Class, as model:Decoder.",
        ),
        (
            "model",
            "demo, entry point model: not of the form, expected module:Class, as model:Decoder.",
        ),
    ],
)
def test_wrong_entry_point_starts_no_process(predict, tmp_path, monkeypatch, entry_point, message):
    monkeypatch.setattr(child.subprocess, "Popen", None)
    with pytest.raises(PredictorError) as caught:
        predict(GOOD, entry_point=entry_point)
    assert str(caught.value) == message.replace("FOLDER", str(tmp_path / "demo"))


def test_module_named_as_one_of_pythons_is_refused(predict, tmp_path):
    (tmp_path / "demo").mkdir()
    (tmp_path / "demo" / "json.py").write_text("")
    with pytest.raises(PredictorError) as caught:
        predict(GOOD, entry_point="json:Decoder")
    assert str(caught.value) == (
        "demo, starting json:Decoder: the module name 'json' is taken by Python or numpy, "
        "expected a name of its own.\n  Rename the file."
    )


def test_option_that_json_cannot_hold_is_refused(predict):
    with pytest.raises(PredictorError) as caught:
        predict(GOOD, setup={"options": {"day": datetime.date(2024, 1, 1)}})
    assert str(caught.value) == (
        "demo, option day of variant base: it holds a value of type date, "
        "expected numbers, strings, true or false, lists and tables."
    )


def test_eeg_of_another_shape_or_dtype_is_refused(predict):
    with pytest.raises(ShapeError) as caught:
        predict(GOOD, read_eeg=lambda i: eeg_of(i).astype(float)[: N_TIMES - (i == 3)])
    assert str(caught.value) == (
        "EEG of segment sub-086_x_000: float64 (64, 64), expected float32 (64, 64) (n_times, n_eeg_channels)."
    )


def test_full_disk_is_explained(predict, monkeypatch, scratch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("harness.execution.exchange.write_eeg", full)
    with pytest.raises(PredictorError) as caught:
        predict(GOOD)
    assert str(caught.value) == (
        f"temporary folder {scratch}: no space left, "
        "expected room for the predictions and a few batches of EEG.\n"
        "  Set TMPDIR to a folder with more room."
    )


@pytest.mark.parametrize(
    ("name", "options"), [("jobs", {"run": Run(jobs=0)}), ("batch_segments", {"batch_segments": 0})]
)
def test_no_jobs_or_empty_batches_are_refused(predict, name, options):
    with pytest.raises(UsageError) as caught:
        predict(GOOD, **options)
    assert str(caught.value) == f"{name}: 0, expected 1 or more."


def test_an_id_twice_is_refused(tmp_path):
    spec = PredictorSpec("demo", tmp_path, "model:Decoder", make_setup())
    twice = [SegmentInput("a", "sub-001")] * 2
    with pytest.raises(UsageError) as caught, predict_segments(spec, twice, eeg_of):
        pass
    assert str(caught.value) == "segments: ids used twice: a, expected ids that differ."


# Limits


@pytest.mark.parametrize(
    ("code", "where"),
    [("import time\ntime.sleep(60)\n", START), (body("time.sleep(60)"), BATCH)],
    ids=["at import", "in predict"],
)
def test_time_limit(predict, code, where, scratch, monkeypatch):
    real, looks = time.monotonic, []

    def runs_out():  # once the harness has seen that the code was reached, however slow this machine is
        said = any(b"zzz" in log.read_bytes() for log in scratch.glob("harness-*/0/log"))
        if said and (where == START or any(scratch.glob("harness-*/0/out/start.json"))):
            looks.append(real())
        return real() + (1000 if len(looks) > 9 else 0)

    monkeypatch.setattr("harness.execution.drive.time", SimpleNamespace(monotonic=runs_out, sleep=time.sleep))
    began = real()
    with pytest.raises(PredictorError) as caught:
        predict("print('zzz')\n" + code, run=Run(seconds=999))
    assert real() - began < 40  # of the 60 s that it would sleep
    assert str(caught.value) == (
        f"{where}: ran past the time limit of 999 s.\n"
        "  Make predict faster, or ask for a higher limit.\n"
        "  Its last lines:\n    zzz"
    )


# Memory that is shared, and of two processes: neither counts as one process's data.
HOARDS = {
    "shared": "import mmap\nf = open('x', 'w+b')\nf.truncate(2**28)\nm = mmap.mmap(f.fileno(), 2**28)\n"
    "os.fork()\nm[::4096]\n",
    "two processes": "a = np.ones(3 * 2**23) if os.fork() else np.ones(3 * 2**23)\n",
}


@pytest.mark.slow
@pytest.mark.parametrize("name", HOARDS)
def test_memory_of_all_processes_is_limited(predict, name):
    with pytest.raises(PredictorError) as caught:
        predict(body(HOARDS[name] + "time.sleep(60)"), run=Run(memory_bytes=350 * 2**20))
    message = str(caught.value)
    assert re.fullmatch(
        re.escape(f"{BATCH}: its processes hold ") + r"\d{3} MiB of memory, the limit is 350 MiB\.\n"
        r"  Work on fewer segments at once, or ask for a higher limit\.",
        message,
    )


def test_memory_that_is_swapped_out_counts(monkeypatch, predict):
    assert child._swapped_bytes("Name:\tx\nVmSwap:\t   12 kB\nThreads:\t1\n") == 12 * 1024
    assert child._swapped_bytes("Name:\tVmSwap:\n") == 0
    monkeypatch.setattr(child, "_swapped_bytes", lambda status: 2**40 if "VmSwap:" in status else 0)
    with pytest.raises(PredictorError, match=r"its processes hold \d{7,} MiB of memory, the limit is"):
        predict(body("time.sleep(60)"))


def test_memory_of_one_process_is_limited_before_it_is_used(predict):
    with pytest.raises(PredictorError) as caught:
        predict(body("np.ones(2**27)"), run=Run(memory_bytes=512 * 2**20))
    assert str(caught.value).startswith(f"{BATCH}: predict ran out of memory, the limit is 512 MiB.\n")


def test_endless_output_is_ended(predict):
    with pytest.raises(PredictorError) as caught:
        predict(
            body("time.sleep(0.5)\nwhile True:\n    os.write(1, b'spam' * 1000 + b'\\n')"),
            run=Run(output_bytes=2**20),
        )
    assert str(caught.value).startswith(f"{BATCH}: printed more than 1 MiB.\n  Print less.\n")


# What is left afterwards (and see the fixture ``scratch``, which looks after every test)


@pytest.mark.slow
@pytest.mark.parametrize("session", [False, True], ids=["same session", "own session"])
def test_process_left_behind_is_ended_and_reported(predict, session, monkeypatch):
    monkeypatch.setattr(child, "GRACE_SECONDS", 0.3)
    code = f"subprocess.Popen(['sleep', '60'], start_new_session={session})\nreturn eeg[:, :, :10]"
    with pytest.raises(PredictorError) as caught:
        predict("import subprocess\n" + body(code))
    assert str(caught.value) == (
        "demo, after its last segment: 3 of its processes still ran 2 s after it ended "
        "(sleep, sleep, sleep).\n"
        "  Wait for every process that the submission starts, or end it."
    )


def test_daemon_is_ended_though_its_parents_are_gone(predict):
    code = """
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            time.sleep(60)
        os._exit(0)
    time.sleep(0.3)
    os._exit(1)
    """
    with pytest.raises(PredictorError, match="ended with exit code 1"):
        predict(body(code))


@pytest.mark.slow
def test_forks_into_new_sessions_every_millisecond_are_ended(predict):
    code = """
    if os.fork() == 0:
        while True:
            if os.fork():
                os._exit(0)
            os.setsid()
            time.sleep(0.001)
    return eeg[:, :, :10]
    """
    with pytest.raises(PredictorError, match="of its processes still ran 2 s after it ended"):
        predict(body(code), n=2)


def test_multiprocessing_is_allowed_where_shared_memory_is_its_own(predict, means):
    code = body("with Pool(2) as pool:\n    pool.map(abs, [1, 2])\nreturn eeg[:, :, :10]")
    if means == "landlock":  # /dev/shm is everybody's
        with pytest.raises(PredictorError, match="predict raised PermissionError"):
            predict("from multiprocessing import Pool\n" + code)
    else:
        copies, run = predict("from multiprocessing import Pool\n" + code)
        assert (len(copies), run.output) == (5, "")


def test_interrupt_ends_everything(predict, scratch):
    def interrupt(done, total):
        assert len(list(scratch.iterdir())) == 1
        signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        predict(GOOD, on_progress=interrupt)


def test_error_in_the_body_passes_through(predict, tmp_path):
    predict(GOOD)
    spec = PredictorSpec("demo", tmp_path / "demo", "model:Decoder", make_setup())
    segments = [SegmentInput("a", "sub-001")]
    with pytest.raises(ZeroDivisionError), predict_segments(spec, segments, eeg_of):
        raise ZeroDivisionError


@pytest.mark.slow
def test_everything_ends_when_the_harness_is_killed_and_the_next_run_clears_up(
    predict, means, tmp_path, scratch
):
    predict(body("open('here', 'w')\ntime.sleep(0.1)\nreturn eeg[:, :, :10]"))  # it works in itself
    (tmp_path / "demo" / "model.py").write_text(body("os.fork()\nprint('here')\ntime.sleep(60)"))
    script = f"""
import tempfile
from pathlib import Path
import numpy as np
from harness.execution import PredictorSpec, Run, SegmentInput, predict_segments
from harness.predictor import Setup
tempfile.tempdir = {str(scratch)!r}
setup = Setup("mel", 10, {N_TIMES}, 64, {N_TIMES}, 64, "base", {{}}, None, 0)
spec = PredictorSpec("demo", Path({str(tmp_path / "demo")!r}), "model:Decoder", setup)
with predict_segments(
    spec, [SegmentInput("a", "s")], lambda i: np.zeros(({N_TIMES}, 64), np.float32), Run(isolation={means!r})
):
    pass
"""
    parent = subprocess.Popen([sys.executable, "-c", script])
    try:
        wait_until(lambda: any(log.stat().st_size for log in scratch.glob("harness-*/0/log")))
        assert parent.poll() is None
    finally:
        parent.kill()
        parent.wait()
    wait_until(lambda: processes_in(scratch) == [])
    assert len(list(scratch.iterdir())) == 1
    wait_until(lambda: predict(GOOD) and not list(scratch.iterdir()))  # the lock goes with the last process


def wait_until(true, seconds=20):
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)


# What no hash holds says nothing to the submission


def test_weights_are_called_by_their_kind_and_not_by_the_name_they_were_handed_in_with(tmp_path):
    np.savez(tmp_path / "a.npz", x=np.zeros(3))
    np.save(tmp_path / "b.txt.npy", np.zeros(3))
    (tmp_path / "c.safetensors").write_bytes((2).to_bytes(8, "little") + b"{}")
    (tmp_path / "6578656328.bin").write_bytes(b"anything")
    names = [weights_name(path) for path in sorted(tmp_path.iterdir()) if path.is_file()]
    assert names == ["weights.bin", "weights.npz", "weights.npy", "weights.safetensors"]


def test_the_order_of_a_variants_options_is_not_handed_on(predict):
    code = body("return np.full((len(eeg), 64, 10), '-'.join(self.setup.options) == 'x-y', np.float32)")
    for options in ({"x": 1, "y": 2}, {"y": 2, "x": 1}):
        copies, _ = predict(code, n=2, setup={"options": options})
        assert {float(array.min()) for array in copies.values()} == {1.0}
