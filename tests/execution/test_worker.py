"""What a predictor's process does with the code it is given, file by file; here without a process of its own."""

from __future__ import annotations

import json
import os
import pickle
import random
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from harness.execution import worker
from harness.execution.worker import FaultsError, Worker
from harness.predictor import Setup

SETUP = {
    "feature": "mel",
    "n_bands": 2,
    "n_frames": 3,
    "n_channels": 4,
    "segment_samples": 6,
    "sample_rate_hz": 64.0,
    "variant": "small",
    "options": {"lag": 1},
    "weights": None,
    "seed": 5,
}
GOOD = """
import numpy as np

class Decoder:
    def __init__(self, setup):
        self.setup = setup

    def predict(self, eeg, subjects):
        return np.stack([eeg[:, ::2, 0], eeg[:, 1::2, 1]], axis=2)
"""


@pytest.fixture(autouse=True)
def python_as_it_was(monkeypatch):
    """What a submission changes in the process that runs it is put back."""
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setattr(worker, "faulthandler", SimpleNamespace(enable=lambda: None))  # pytest has its own
    state, state_of_numpy = random.getstate(), np.random.get_state()  # noqa: NPY002
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    yield
    for name in [name for name in sys.modules if "_under_test" in name]:
        del sys.modules[name]
    random.setstate(state)
    np.random.set_state(state_of_numpy)  # noqa: NPY002


@pytest.fixture
def make(tmp_path):
    """A worker for a submission with this code, or this entry point, and other things of its job."""
    for name in ("given", "out", "submission"):
        (tmp_path / name).mkdir()

    def worker_for(code=GOOD, entry_point="decoder_under_test:Decoder", memory_bytes=3 << 20, **setup):
        (tmp_path / "submission" / "decoder_under_test.py").write_text(code)
        job = {
            "entry_point": entry_point,
            "submission": str(tmp_path / "submission"),
            "memory_bytes": memory_bytes,
            "setup": {**SETUP, **setup},
        }
        (tmp_path / "given" / "job.json").write_text(json.dumps(job))
        return Worker(tmp_path)

    return worker_for


@pytest.fixture
def give(tmp_path):
    """Give a batch: as many segments as there are subjects."""

    def write(batch, *subjects):
        eeg = np.arange(len(subjects) * 24, dtype=np.float32).reshape(-1, 6, 4) + batch
        (tmp_path / f"given/{batch:06d}.json").write_text(json.dumps(subjects))
        np.save(tmp_path / f"given/{batch:06d}.npy", eeg)
        return eeg

    return write


def reported(folder):
    """The reports that were written: name -> content."""
    return {path.name: json.loads(path.read_text()) for path in sorted((folder / "out").glob("*.json"))}


def fault_of(call, *arguments):
    """The one fault that a call ends with, without the place of a segment, which it does not name."""
    with pytest.raises(FaultsError) as caught:
        call(*arguments)
    (fault,) = caught.value.faults
    assert fault.segment is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    return tuple(fault[:3])


def test_batches_are_predicted_in_order_until_nothing_is_left_to_do(make, give, tmp_path, monkeypatch):
    clock = iter((10.0, 10.25, 20.0, 20.5, 30.0, 31.0))
    monkeypatch.setattr(worker.time, "perf_counter", lambda: next(clock))
    monkeypatch.setattr(worker.time, "sleep", None)
    enabled = []
    monkeypatch.setattr(worker.faulthandler, "enable", lambda: enabled.append(True))
    eeg = {batch: give(batch, *subjects) for batch, subjects in ((11, "a"), (0, "ab"), (2, "c"))}
    (tmp_path / "given/stop").touch()
    assert make().run() == 0
    assert enabled == [True]
    assert reported(tmp_path) == {
        "start.json": {},
        "000000.json": {"seconds": 0.25},
        "000002.json": {"seconds": 0.5},
        "000011.json": {"seconds": 1.0},
    }
    for batch, given in eeg.items():
        predicted = np.load(tmp_path / f"out/{batch:06d}.npy")
        assert predicted.flags.c_contiguous
        assert np.array_equal(predicted, np.stack([given[:, ::2, 0], given[:, 1::2, 1]], axis=2))
    assert len(list((tmp_path / "out").iterdir())) == 7  # and no draft is left


def test_a_submission_that_does_not_load_is_reported_as_the_start(make, give, tmp_path):
    give(0, "a")
    assert make(entry_point="decoder_under_test:Other").run() == 1
    fault = ["decoder_under_test has no class Other", "", "Classes there: Decoder.", None]
    assert reported(tmp_path) == {"start.json": {"faults": [fault]}}


def test_all_that_is_wrong_with_a_prediction_is_reported_as_its_batch(make, give, tmp_path):
    give(1, "a")
    give(2, "b")
    assert make(GOOD.replace("axis=2)", "axis=1).astype(float)")).run() == 1
    (name, start), (name_of_batch, report) = reversed(reported(tmp_path).items())
    assert (name, start, name_of_batch) == ("start.json", {}, "000001.json")
    assert [fault[0] for fault in report["faults"]] == [
        "predict returned shape (1, 2, 3)",
        "predict returned float64 values",
    ]
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"start.json", "000001.json"}


PREDICT = "def predict(self, eeg, subjects)"


@pytest.mark.parametrize(
    ("code", "entry_point", "fault"),
    [
        (
            GOOD,
            "numpy:Decoder",
            (
                "the module name 'numpy' is taken by Python or numpy",
                "a name of its own",
                "Rename the file.",
            ),
        ),
        (
            GOOD,
            "json.decoder.own:Decoder",
            ("the module name 'json' is taken by Python or numpy", "a name of its own", "Rename the file."),
        ),
        (
            GOOD + "    n = 1\nclass Other:\n    pass\nfrom pathlib import Path\nsome = Other()",
            "decoder_under_test:some",
            ("decoder_under_test has no class some", "", "Classes there: Decoder, Other."),
        ),
        (
            "from pathlib import Path\nfactory = Path",
            "decoder_under_test:Decoder",
            ("decoder_under_test has no class Decoder", "", "Classes there: none."),
        ),
        (
            "import not_there_at_all",
            "decoder_under_test:Decoder",
            (
                "importing decoder_under_test failed, there is no package or module 'not_there_at_all'",
                "",
                "Install it where the harness is installed, or put the file beside the entry point.",
            ),
        ),
        (
            "class Decoder:\n    def __init__(self):\n        pass",
            "decoder_under_test:Decoder",
            (
                "Decoder() does not take 1 positional argument (too many positional arguments)",
                "def __init__(self, setup)",
                "",
            ),
        ),
        (
            "class Decoder:\n    def __init__(self, setup):\n        raise LookupError('no\\n  such')",
            "decoder_under_test:Decoder",
            ("Decoder(setup) raised LookupError: no such", "", ""),
        ),
        (
            "class Decoder:\n    predict = 3\n    def __init__(self, setup):\n        pass",
            "decoder_under_test:Decoder",
            ("Decoder has no method predict", PREDICT, ""),
        ),
        (
            "class Decoder:\n    def __init__(self, setup):\n        pass",
            "decoder_under_test:Decoder",
            ("Decoder has no method predict", PREDICT, ""),
        ),
        (
            GOOD.replace("eeg, subjects", "eeg"),
            "decoder_under_test:Decoder",
            (
                "Decoder.predict(eeg) does not take 2 positional arguments (too many positional arguments)",
                PREDICT,
                "",
            ),
        ),
        (
            GOOD.replace("eeg, subjects", "eeg, subjects, more"),
            "decoder_under_test:Decoder",
            (
                "Decoder.predict(eeg, subjects, more) does not take 2 positional arguments (missing a required"
                " argument: 'more')",
                PREDICT,
                "",
            ),
        ),
    ],
)
def test_what_cannot_be_loaded_is_said(make, code, entry_point, fault):
    assert fault_of(make(code, entry_point)._load) == fault


@pytest.mark.parametrize("weights", [None, "/the/weights.npz"])
def test_a_class_is_built_with_its_setup(make, weights):
    predict = make(weights=weights)._load()
    assert predict.__self__.setup == Setup(**{**SETUP, "weights": weights and Path(weights)})


@pytest.mark.parametrize(
    "code",
    [
        GOOD + "    __signature__ = 3",
        "class Decoder:\n    predict = min\n    def __init__(self, setup):\n        pass",
    ],
)
def test_a_call_whose_signature_is_not_known_is_tried(make, code):
    """What is written in C need not tell its signature."""
    assert callable(make(code)._load())


def test_the_submissions_folder_is_looked_in_first(make, tmp_path, monkeypatch):
    other = tmp_path / "other"
    other.mkdir()
    (other / "decoder_under_test.py").write_text("")
    monkeypatch.setattr(sys, "path", [str(other), *sys.path])
    made = make()
    made._load()
    assert sys.path[:2] == [str(tmp_path / "submission"), str(other)]


def test_an_entry_point_in_a_package(make, tmp_path):
    package = tmp_path / "submission" / "package_under_test"
    package.mkdir()
    (package / "model.py").write_text(GOOD)
    assert make("", "package_under_test.model:Decoder")._load().__self__.setup.seed == 5


DRAWN = """
import random
import numpy as np

imported = random.random(), np.random.random()

class Decoder:
    def __init__(self, setup):
        self.drawn = imported, (random.random(), np.random.random())

    def predict(self, eeg, subjects):
        self.last = random.random(), np.random.random()
        return np.zeros((len(subjects), 3, 2), np.float32)
"""


def drawn_from(seed):
    return random.Random(seed).random(), np.random.RandomState(seed).random_sample()


def test_generators_are_seeded_before_the_import_the_building_and_each_batch(make, give):
    made = make(DRAWN)
    predict = made._load()
    assert predict.__self__.drawn == (drawn_from(5), drawn_from(5))
    for batch in (0, 3):
        give(batch, "a")
        made._predict(predict, batch)
        assert predict.__self__.last == drawn_from(5 + batch)


@pytest.mark.parametrize(
    ("seed", "of_numpy"), [(7, 7), (2**32 - 1, 2**32 - 1), (2**32 + 3, 3), (-1, 2**32 - 1)]
)
def test_numpys_generator_takes_32_bits_of_a_seed(seed, of_numpy, monkeypatch):
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    worker.seed_generators(seed)
    assert random.random() == random.Random(seed).random()
    assert np.random.random_sample() == np.random.RandomState(of_numpy).random_sample()  # noqa: NPY002


def test_torchs_generator_is_seeded_where_it_is_there(monkeypatch):
    seeds = []
    monkeypatch.setitem(sys.modules, "torch", SimpleNamespace(manual_seed=seeds.append))
    worker.seed_generators(2**40)
    assert seeds == [2**40]
    monkeypatch.setitem(sys.modules, "torch", SimpleNamespace())  # half imported, or of another maker
    worker.seed_generators(1)


def test_a_batch_is_waited_for_ever_longer(make, give, tmp_path, monkeypatch):
    made, waits = make(), []

    def sleep(seconds):
        waits.append(seconds)
        if len(waits) == 6:
            give(4, "a")

    monkeypatch.setattr(worker.time, "sleep", sleep)
    assert made._next_batch() == 4
    assert waits == [0.0005, 0.001, 0.002, 0.004, 0.005, 0.005]
    (tmp_path / "given/stop").touch()
    assert made._next_batch() is None
    assert len(waits) == 6


def test_batches_that_are_there_come_before_the_stop_each_once(make, give, tmp_path):
    made = make()
    (tmp_path / "given/stop").touch()
    for batch in (1, 0, 12):
        give(batch, "a")
    assert [made._next_batch() for _ in range(5)] == [0, 1, 12, None, None]
    give(3, "a")  # older than the last
    assert made._next_batch() is None


def test_a_folder_that_is_gone_ends_the_work(make, tmp_path, monkeypatch):
    monkeypatch.setattr(worker.time, "sleep", None)
    made = make()
    (tmp_path / "given/job.json").unlink()
    (tmp_path / "given").rmdir()
    assert made._next_batch() is None


def test_eeg_is_read_only_and_what_is_written_below_numpy_reaches_no_file(make, give, tmp_path):
    import ctypes

    expected = give(1, "sub-003", "sub-004")
    made, seen = make(), []

    def predict(eeg, subjects):
        seen.append((type(eeg), eeg.flags.writeable, eeg.dtype, eeg.copy(), subjects))
        assert isinstance(eeg.base, np.memmap)
        ctypes.memset(eeg.ctypes.data, 0, 4)
        return np.zeros((2, 3, 2), np.float32)

    made._predict(predict, 1)
    ((kind, writeable, dtype, eeg, subjects),) = seen
    assert (kind, writeable, dtype, subjects) == (np.ndarray, False, np.float32, ["sub-003", "sub-004"])
    assert np.array_equal(eeg, expected)
    assert np.array_equal(np.load(tmp_path / "given/000001.npy"), expected)


def test_no_pickled_array_is_read(make, give, tmp_path):
    give(0, "a")
    np.save(tmp_path / "given/000000.npy", np.array([None]), allow_pickle=True)
    with pytest.raises(ValueError, match=r"^Array can't be memory-mapped: Python objects in dtype\.$"):
        make()._predict(None, 0)
    (tmp_path / "given/000000.npy").write_bytes(pickle.dumps([1]))
    with pytest.raises(ValueError, match="pickled"):
        make()._predict(None, 0)


@pytest.mark.parametrize(
    ("shape", "fault"),
    [((2, 3, 2), None), ((1, 3, 2), "(2, 3, 2)"), ((2, 2, 2), "(2, 3, 2)"), ((2, 3, 3), "(2, 3, 2)")],
)
def test_a_prediction_has_a_segment_for_each_subject_the_frames_and_the_bands(make, give, shape, fault):
    give(0, "a", "b")

    def predict(eeg, subjects):
        return np.zeros(shape, np.float32)

    if fault is None:
        make()._predict(predict, 0)
    else:
        arrived, expected, _ = fault_of(make()._predict, predict, 0)
        assert arrived == f"predict returned shape {shape}"
        assert expected == f"{fault} (n_segments, n_frames, n_bands)"


def test_what_predict_raises_names_it(make, give):
    give(0, "a")

    def predict(eeg, subjects):
        eeg[0] = 1

    assert fault_of(make()._predict, predict, 0) == (
        "predict raised ValueError: assignment destination is read-only",
        "",
        "EEG is read-only: copy it first (eeg = eeg.copy()).",
    )


def raising(error):
    def call():
        raise error

    return call


@pytest.mark.parametrize("code", [None, 0, 3, "a word"])
def test_a_call_that_ends_python_is_a_fault(make, code, capfd):
    assert fault_of(make()._attempt, "predict", raising(SystemExit(code))) == (
        f"predict called exit({code!r})",
        "",
        "Raise an exception that says what is wrong.",
    )
    assert capfd.readouterr() == ("", "")


LONG = "x" * 300


@pytest.mark.parametrize(
    ("what", "error", "fault"),
    [
        ("predict", KeyError("a"), ("predict raised KeyError: 'a'", "", "")),
        ("predict", KeyboardInterrupt(), ("predict raised KeyboardInterrupt", "", "")),
        ("predict", ValueError("  a \n  b\n"), ("predict raised ValueError:   a b", "", "")),
        ("predict", ValueError(LONG), (f"predict raised ValueError: {LONG[12:]}", "", "")),
        ("predict", RuntimeError("read-only"), ("predict raised RuntimeError: read-only", "", "")),
        (
            "predict",
            ValueError("buffer is read-only"),
            (
                "predict raised ValueError: buffer is read-only",
                "",
                "EEG is read-only: copy it first (eeg = eeg.copy()).",
            ),
        ),
        (
            "predict",
            SyntaxError("bad", ("a.py", 3, 1, "1 +\n")),
            ("predict raised SyntaxError: bad", "", ""),
        ),
        (
            "predict",
            ModuleNotFoundError("No module named 'a'", name="a"),
            ("predict raised ModuleNotFoundError: No module named 'a'", "", ""),
        ),
        ("importing m", ImportError("no"), ("importing m raised ImportError: no", "", "")),
        *[
            (
                "predict",
                error,
                (
                    "predict ran out of memory, the limit is 3 MiB",
                    "",
                    "Work on fewer segments at once, or ask for a higher limit.",
                ),
            )
            for error in (
                MemoryError(),
                RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: 8"),
            )
        ],
    ],
)
def test_what_a_call_raises_is_a_fault(make, what, error, fault, capfd):
    assert fault_of(make()._attempt, what, raising(error)) == fault
    assert capfd.readouterr().err.splitlines()[0].startswith(("File", type(error).__name__))


def test_what_a_call_gives_is_given(make):
    assert make()._attempt("predict", lambda: 3) == 3


class EndError(BaseException):
    """In place of the end of a process."""


@pytest.fixture
def copy(make, monkeypatch):
    """A worker that takes itself for a copy, and the codes with which it ended."""
    made, codes = make(), []
    made.pid += 1

    def end(code):
        codes.append(code)
        raise EndError

    monkeypatch.setattr(
        worker, "os", SimpleNamespace(getpid=os.getpid, _exit=end, sep=os.sep, write=os.write)
    )
    return SimpleNamespace(worker=made, codes=codes)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (SystemExit(None), 0),
        (SystemExit(0), 0),
        (SystemExit(3), 3),
        (SystemExit("a word"), 1),
        (ValueError("a"), 1),
    ],
)
def test_a_copy_that_ends_reports_nothing(copy, tmp_path, error, code):
    with pytest.raises(EndError):
        copy.worker._attempt("predict", raising(error))
    assert copy.codes == [code]
    assert reported(tmp_path) == {}


def test_a_copy_that_comes_back_is_reported_and_ends(copy, tmp_path):
    with pytest.raises(EndError):
        copy.worker._attempt("predict", lambda: 3)
    assert copy.codes == [1]
    fault = [
        "predict came back in a second process",
        "a forked process that ends by itself",
        "End it with os._exit(0), or use multiprocessing.",
        None,
    ]
    assert reported(tmp_path) == {"forked.json": {"faults": [fault]}}


def test_a_copy_that_cannot_report_ends_as_well(copy, tmp_path):
    (tmp_path / "out").rmdir()
    with pytest.raises(EndError):
        copy.worker._attempt("predict", lambda: 3)
    assert copy.codes == [1]


def test_a_report_is_drafted_in_a_file_of_this_process(make, tmp_path, monkeypatch):
    """A copy of this process may write a report of the same name at the same time."""
    renamed = []
    monkeypatch.setattr(Path, "replace", lambda *names: renamed.append(names))
    make()._report("start", {"a": 1})
    draft = tmp_path / f"out/start.{os.getpid()}"
    assert renamed == [(draft, tmp_path / "out/start.json")]
    assert draft.read_text() == '{"a": 1}'


def test_a_prediction_is_renamed_when_it_is_whole(make, give, tmp_path, monkeypatch):
    give(0, "a")
    renamed = []
    monkeypatch.setattr(Path, "replace", lambda *names: renamed.append(names))
    make()._predict(lambda *_: np.ones((1, 3, 2), np.float32), 0)
    draft = tmp_path / "out/000000.tmp"
    assert renamed == [(draft, tmp_path / "out/000000.npy")]
    assert np.array_equal(np.load(draft), np.ones((1, 3, 2)))


def test_the_submissions_own_frames_are_printed_and_no_others(make, tmp_path, capfd):
    code = """
import json

class Decoder:
    def __init__(self, setup):
        self.read()

    def read(self):
        json.loads("@")
"""
    folder = tmp_path / "submission"
    with pytest.raises(FaultsError):
        make(code)._load()
    out, err = capfd.readouterr()
    assert out == ""
    assert err == (
        "decoder_under_test.py:6 in __init__: self.read()\n"
        'decoder_under_test.py:9 in read: json.loads("@")\n'
        "json.decoder.JSONDecodeError: Expecting value: line 1 column 1 (char 0)\n"
    )
    worker._print_own_frames(OSError(f"{folder}/a and {folder}/b: \udc80 \u00e9"), str(folder))
    assert capfd.readouterr().err == "OSError: a and b: ? \u00e9\n"


def test_an_error_of_several_lines_is_printed_as_it_is(capfd):
    worker._print_own_frames(SyntaxError("bad", ("/s/a.py", 3, 1, "1 +\n", 3, 2)), "/s")
    assert capfd.readouterr().err == 'File "a.py", line 3\n    1 +\n    ^\nSyntaxError: bad\n'


def test_an_error_output_that_is_closed_is_no_fault(monkeypatch):
    monkeypatch.setattr(worker, "os", SimpleNamespace(sep="/", write=lambda *_: os.write(-1, b"")))
    worker._print_own_frames(ValueError("a"), "/s")
